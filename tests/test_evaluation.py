"""How good a classifier is: by hand, and against scikit-learn and SciPy."""

import json
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from samples import halves

from autograd import Tensor
from nn import MLP, Dropout, Linear, Module, Sequential, cross_entropy, evaluation
from nn.data import FASHION_CLASSES, scale_pixels
from nn.evaluation import (
    accuracy_interval,
    as_text,
    assess,
    calibration_error,
    confusion_matrix,
    describe_prediction,
    evaluate,
    logits,
    precision_recall_f1,
    predict,
    probabilities,
    summarize,
)
from nn.terminal import as_json

LEVELS = 255
TEST = halves(30, 2)


def network(dropout: float = 0.0) -> MLP:
    return MLP((16, 8, 2), dropout=dropout, generator=np.random.default_rng(0))


class Witness(Module):
    """A linear classifier that writes down what it is called with."""

    def __init__(self) -> None:
        self.linear = Linear(16, 2, generator=np.random.default_rng(0))
        self.part = Sequential(Dropout(0.0, generator=np.random.default_rng(0)))
        self.batches: list[np.ndarray] = []

    def forward(self, x: Any) -> Any:
        assert not self.training
        assert not self.part.layers[0].training
        self.batches.append(x.data)
        return self.linear(self.part(x))


class Said(Module):
    """A model of one-pixel images that says the class which the pixel's value is, as surely as it is told."""

    def __init__(self, classes: int, sureness: float) -> None:
        self.classes, self.sureness = classes, sureness

    def forward(self, x: Any) -> Any:
        number = np.rint(x.data[:, 0] * LEVELS).astype(int)
        return Tensor(self.sureness * np.eye(self.classes, dtype=np.float32)[number])


def saying(labels: Any) -> np.ndarray:
    return np.asarray(labels, np.uint8).reshape(-1, 1, 1)


# ------------------------------------------------------------------------------------------ outputs


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9])
def test_outputs_come_in_parts_and_in_order(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(evaluation, "AT_ONCE", 4)
    model = Witness()
    images, labels = halves(count)
    pixels = scale_pixels(images, LEVELS)
    outputs = logits(model, images, LEVELS)
    assert [len(x) for x in model.batches] == [4] * (count // 4) + [count % 4] * (count % 4 > 0)
    np.testing.assert_allclose(outputs, model.linear(pixels).data, rtol=1e-5, atol=1e-6)
    loss, accuracy = evaluate(model, images, labels, LEVELS)
    assert loss == pytest.approx(cross_entropy(outputs.astype(np.float64), labels), rel=1e-14)
    assert accuracy == pytest.approx((outputs.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_evaluation_around_the_size_of_a_part(difference: int) -> None:
    count = evaluation.AT_ONCE + difference
    model = Witness()
    images, labels = halves(count)
    loss, accuracy = evaluate(model, images, labels, LEVELS)
    outputs = model.linear(scale_pixels(images, LEVELS)).data
    assert loss == pytest.approx(cross_entropy(outputs.astype(np.float64), labels), rel=1e-6)
    assert accuracy == (outputs.argmax(axis=1) == labels).mean()
    assert sum(len(x) for x in model.batches) == count


@pytest.mark.parametrize("mode", [True, False])
def test_evaluation_leaves_the_model_as_it_was(mode: bool) -> None:
    model = network(dropout=0.5).train(mode)
    before = model.state_dict()
    first = evaluate(model, *TEST, LEVELS)
    assert evaluate(model, *TEST, LEVELS) == first
    assert all(module.training == mode for _, module in model.named_modules())
    assert all(p.grad is None for p in model.parameters())
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


def test_evaluation_records_no_graph() -> None:
    seen: list[Tensor] = []

    class Keeping(MLP):
        def forward(self, x: Any) -> Any:
            seen.append(super().forward(x))
            return seen[-1]

    logits(Keeping((16, 2), generator=np.random.default_rng(0)), TEST[0], LEVELS)
    assert seen[0].op is None
    assert not seen[0].requires_grad


def test_evaluation_restores_the_mode_of_every_module() -> None:
    model = network(dropout=0.5)
    model.layers[1].eval()
    logits(model, TEST[0], LEVELS)
    assert [module.training for _, module in model.named_modules()] == [True, True, False, True]


def test_evaluation_restores_the_mode_after_an_error() -> None:
    model = network()
    with pytest.raises(ValueError, match="linear with a weight"):
        logits(model, np.zeros((2, 3, 3), np.uint8), LEVELS)
    assert model.training


def test_probabilities() -> None:
    model = network(dropout=0.5)
    result = probabilities(model, TEST[0], LEVELS)
    assert type(result) is np.ndarray
    assert result.dtype == np.float64
    assert result.shape == (30, 2)
    assert (result > 0).all()
    np.testing.assert_allclose(result.sum(axis=1), 1, rtol=1e-14)
    outputs = logits(model, TEST[0], LEVELS)
    np.testing.assert_array_equal(result.argmax(axis=1), outputs.argmax(axis=1))
    np.testing.assert_allclose(np.log(result[:, 1] / result[:, 0]), outputs[:, 1] - outputs[:, 0], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_confusion_matrix(dtype: Any) -> None:
    labels = np.array([0, 0, 0, 1, 2, 2], dtype)
    predicted = np.array([0, 1, 1, 1, 0, 2])
    matrix = confusion_matrix(labels, predicted, 4)
    np.testing.assert_array_equal(matrix, [[1, 2, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    assert matrix.dtype == np.int64


def test_confusion_matrix_of_real_predictions() -> None:
    model = network()
    predicted = probabilities(model, TEST[0], LEVELS).argmax(axis=1)
    matrix = confusion_matrix(TEST[1], predicted, 2)
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(TEST[1]))
    np.testing.assert_array_equal(matrix.sum(axis=0), np.bincount(predicted, minlength=2))
    assert np.trace(matrix) / 30 == evaluate(model, *TEST, LEVELS)[1]


def test_confusion_matrix_refuses_classes_beyond_its_size() -> None:
    with pytest.raises(ValueError, match="between 0 and 2"):
        confusion_matrix(np.array([0, 3]), np.array([0, 0]), 3)


@pytest.mark.parametrize(
    ("labels", "predicted"), [([0, 1, 2], [0]), ([-1, 0], [0, 0])], ids=["lengths", "negative"]
)
def test_confusion_matrix_refuses_what_does_not_fit(labels: list[int], predicted: list[int]) -> None:
    with pytest.raises((ValueError, IndexError)):
        confusion_matrix(np.array(labels), np.array(predicted), 3)


def test_images_need_only_a_length_and_slices() -> None:
    class Lazy:
        def __init__(self, images: np.ndarray) -> None:
            self.images, self.taken = images, []

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, part: Any) -> np.ndarray:
            assert type(part) is slice
            self.taken.append(part)
            return self.images[part]

    images, labels = halves(2500)
    lazy = Lazy(images)
    model = network()
    assert evaluate(model, lazy, labels, LEVELS) == evaluate(model, images, labels, LEVELS)
    assert len(lazy.taken) == 4  # a first one for their size
    assert assess(model, lazy, labels, LEVELS, "ab", "x") == assess(model, images, labels, LEVELS, "ab", "x")


@pytest.mark.parametrize("measure", [evaluate, lambda *given: assess(*given, "ab", "x")])
def test_memory_does_not_grow_with_the_number_of_images(measure: Any) -> None:
    model = network()
    peaks = []
    for count in (4_000, 40_000):
        # Views of one image: all memory that is taken is the evaluation's own.
        images, labels = np.broadcast_to(TEST[0][:1], (count, 4, 4)), np.broadcast_to(TEST[1][:1], count)
        tracemalloc.start()
        measure(model, images, labels, LEVELS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


@pytest.mark.parametrize("measure", [evaluate, lambda *given: assess(*given, "ab", "x")])
def test_what_cannot_be_evaluated_is_named(measure: Any) -> None:
    images, labels = TEST
    with pytest.raises(ValueError, match="30 images and 29 labels"):
        measure(network(), images, labels[1:], LEVELS)
    with pytest.raises(ValueError, match="no images to evaluate"):
        measure(network(), images[:0], labels[:0], LEVELS)


def test_a_small_set_has_the_loss_of_its_outputs_to_the_last_bit() -> None:
    model = network()
    images, labels = halves(997)
    outputs = logits(model, images, LEVELS).astype(np.float64)
    assert evaluate(model, images, labels, LEVELS)[0] == float(
        cross_entropy(outputs, labels.astype(np.int64))
    )


def test_a_prediction_names_the_likeliest_class_first() -> None:
    model = network()
    chances = predict(model, TEST[0][0], LEVELS, ["left", "right"])
    expected = probabilities(model, TEST[0][:1], LEVELS)[0]
    assert list(chances) == [["left", "right"][i] for i in np.argsort(-expected)]
    assert {chances["left"], chances["right"]} == set(expected.tolist())
    json.dumps(chances)


# ----------------------------------------------------------------------------------------- measures


# The bounds of SciPy 1.17.1, binomtest(correct, total).proportion_ci(confidence, method="wilson").
@pytest.mark.parametrize(
    ("correct", "total", "confidence", "low", "high"),
    [
        (9893, 10000, 0.95, 0.9870872339476547, 0.9911369852468012),
        (348, 360, 0.99, 0.9326395414884711, 0.983803500663191),
        (8, 10, 0.90, 0.5407928056874879, 0.9314420122624679),
        (0, 10, 0.95, 0.0, 0.27753279986288926),
        (10, 10, 0.95, 0.7224672001371109, 1.0),
        (1, 1, 0.95, 0.20654931437723745, 1.0),
    ],
)
def test_the_interval_is_wilsons(
    correct: int, total: int, confidence: float, low: float, high: float
) -> None:
    assert accuracy_interval(correct, total, confidence) == pytest.approx((low, high), rel=1e-12)
    assert 0 <= low <= correct / total <= high <= 1
    flipped = accuracy_interval(total - correct, total, confidence)
    assert flipped == pytest.approx((1 - high, 1 - low), rel=1e-9)


def test_the_interval_holds_the_accuracy_as_often_as_it_says() -> None:
    right = np.random.default_rng(0).binomial(500, 0.97, 4000)
    held = [low <= 0.97 <= high for low, high in (accuracy_interval(int(k), 500) for k in right)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((-1, 10), "-1 of 10"),
        ((11, 10), "11 of 10"),
        ((0, 0), "0 of 0"),
        ((1, 2, 95), "confidence is 95"),
        ((1, 2, 0), "confidence is 0"),
    ],
    ids=str,
)
def test_an_impossible_interval_is_named(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        accuracy_interval(*given)


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    # scikit-learn 1.9.1, precision_recall_fscore_support(labels=range(5), zero_division=nan).
    matrix = np.array(
        [[11, 1, 2, 0, 0], [4, 7, 1, 0, 0], [4, 0, 15, 0, 0], [2, 0, 3, 10, 0], [0, 0, 0, 0, 0]]
    )
    precision, recall, f1 = precision_recall_f1(matrix)
    nan = math.nan
    np.testing.assert_allclose(
        precision, [0.5238095238095238, 0.875, 0.7142857142857143, 1.0, nan], rtol=1e-15
    )
    np.testing.assert_allclose(
        recall,
        [0.7857142857142857, 0.5833333333333334, 0.7894736842105263, 0.6666666666666666, nan],
        rtol=1e-15,
    )
    np.testing.assert_allclose(f1, [0.6285714285714286, 0.7, 0.75, 0.8, nan], rtol=1e-15)


def test_classes_that_are_never_said_or_never_occur() -> None:
    # Class 1 occurs and is never said, class 2 is said and never occurs.
    precision, recall, f1 = precision_recall_f1(np.array([[2, 0, 1], [1, 0, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(precision, [2 / 3, math.nan, 0])
    np.testing.assert_array_equal(recall, [2 / 3, 0, math.nan])
    np.testing.assert_array_equal(f1, [2 / 3, 0, 0])


def test_the_calibration_error_by_hand() -> None:
    # Bins of (0.5, 0.75], twice right at 0.7 and 0.6, and of (0.75, 1], right at 0.9 and wrong at 0.8.
    sure = np.array([0.7, 0.6, 0.9, 0.8])
    chances = np.stack([sure, 1 - sure], axis=1)
    labels = np.array([0, 0, 0, 1])
    expected = 2 / 4 * abs(1 - 0.65) + 2 / 4 * abs(0.5 - 0.85)
    assert calibration_error(chances, labels, bins=4) == pytest.approx(expected, rel=1e-14)
    assert calibration_error(chances, labels, bins=1) == pytest.approx(abs(0.75 - 0.75), abs=1e-15)


def test_a_confidence_on_the_edge_belongs_to_the_bin_below() -> None:
    chances = np.array([[0.5, 0.5], [0.75, 0.25], [0.76, 0.24]])
    labels = np.array([0, 1, 0])
    expected = (abs(1 - 0.5) + abs(0 - 0.75) + abs(1 - 0.76)) / 3  # each in a bin of its own
    assert calibration_error(chances, labels, bins=4) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("bins", [1, 10, 15, 100])
def test_the_calibration_error_is_equation_3(bins: int) -> None:
    generator = np.random.default_rng(0)
    chances = generator.dirichlet([0.5] * 4, 500)
    labels = generator.integers(0, 4, 500)
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    error = 0.0
    for number in range(bins):
        inside = (number / bins < confidence) & (confidence <= (number + 1) / bins)
        if inside.any():
            error += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(chances, labels, bins) == pytest.approx(error, rel=1e-12)


def test_the_ends_of_calibration() -> None:
    certain = np.eye(3)
    assert calibration_error(certain, np.array([0, 1, 2])) == 0
    assert calibration_error(certain, np.array([1, 2, 0])) == 1
    assert calibration_error(certain[:1], np.array([0])) == 0
    assert calibration_error(np.full((10, 10), 0.1), np.arange(10)) == pytest.approx(0, abs=1e-15)
    assert math.isnan(calibration_error(np.zeros((0, 3)), np.zeros(0, int)))
    with pytest.raises(ValueError, match="bins is 0"):
        calibration_error(certain, np.arange(3), bins=0)
    with pytest.raises(ValueError, match="3 rows of probabilities and 2 labels"):
        calibration_error(certain, np.arange(2))


# -------------------------------------------------------------------------------------- assessments


def test_an_assessment_agrees_with_each_of_its_measures() -> None:
    model = network()
    images, labels = halves(2100)
    found = assess(model, images, labels, LEVELS, ["left", "right"], "halves")
    chances = probabilities(model, images, LEVELS)
    matrix = confusion_matrix(labels, chances.argmax(axis=1), 2)
    loss, accuracy = evaluate(model, images, labels, LEVELS)
    precision, recall, f1 = precision_recall_f1(matrix)
    bins = found.pop("calibration_bins")
    assert found.pop("calibration_error") == pytest.approx(calibration_error(chances, labels), rel=1e-9)
    assert found == {
        "dataset": "halves",
        "samples": 2100,
        "correct": int(np.trace(matrix)),
        "accuracy": accuracy,
        "interval": list(accuracy_interval(int(np.trace(matrix)), 2100)),
        "loss": loss,
        "classes": ["left", "right"],
        "confusion": matrix.tolist(),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": np.bincount(labels).tolist(),
    }
    assert [row[:2] for row in bins] == [
        [pytest.approx(i / 15), pytest.approx((i + 1) / 15)] for i in range(15)
    ]
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    for low, high, count, mean, accuracy in bins:
        inside = (low < confidence) & (confidence <= high)
        assert count == inside.sum()
        if count:
            assert mean == pytest.approx(confidence[inside].mean())
            assert accuracy == pytest.approx(right[inside].mean())
        else:
            assert (mean, accuracy) == (None, None)


def strictly(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def test_a_perfect_model() -> None:
    labels = np.array([0, 1, 2, 2])
    found = assess(Said(4, 50), saying(labels), labels, LEVELS, "abcd", "x")
    assert strictly(found) == found
    assert (found["correct"], found["accuracy"], found["interval"][1]) == (4, 1.0, 1.0)
    assert found["precision"] == found["recall"] == found["f1"] == [1, 1, 1, None]
    assert found["support"] == [1, 1, 2, 0]
    assert found["calibration_error"] == pytest.approx(0, abs=1e-12)
    assert found["calibration_bins"][-1] == [pytest.approx(14 / 15), 1.0, 4, pytest.approx(1), 1.0]


def test_a_hopeless_model_is_surely_wrong() -> None:
    labels = np.array([0, 1, 2])
    found = assess(Said(3, 50), saying([1, 2, 0]), labels, LEVELS, "abc", "x")
    assert strictly(found) == found
    assert (found["correct"], found["accuracy"], found["interval"][0]) == (0, 0.0, 0.0)
    assert found["precision"] == found["recall"] == found["f1"] == [0, 0, 0]
    assert found["calibration_error"] == pytest.approx(1)
    assert found["loss"] == pytest.approx(50)


def test_one_sample() -> None:
    found = assess(Said(2, 1), saying([1]), np.array([1]), LEVELS, "ab", "x")
    assert strictly(found) == found
    assert found["interval"] == pytest.approx([0.20654931437723745, 1])
    assert found["recall"] == [None, 1]
    assert "1 test image\n" in as_text(found)


def test_a_model_that_diverged_is_assessed_in_silence() -> None:
    labels = np.array([0, 1])
    found = assess(Said(2, math.nan), saying(labels), labels, LEVELS, "ab", "x")
    assert strictly(found) == found
    assert (found["loss"], found["calibration_error"], found["accuracy"]) == (None, None, 0.5)
    assert "Loss               not a number" in as_text(found)
    assert "nan" not in as_text(found)


# --------------------------------------------------------------------------------------------- words


def test_an_assessment_in_words() -> None:
    labels = np.repeat(np.arange(9), 3)
    said = labels.copy()
    said[:2] = [6, 9]
    found = assess(Said(10, 3.0), saying(said), labels, LEVELS, FASHION_CLASSES, "Fashion-MNIST")
    assert as_text(found).splitlines() == [
        "Fashion-MNIST, 27 test images",
        "",
        "Accuracy           92.59 % (95 % interval: 76.63 to 97.94 %)",
        "Error              7.41 %",
        "Loss               0.5925",
        "Calibration error  23.54 %, the mean distance of confidence from accuracy",
        "",
        "Class        Precision    Recall        F1    Number",
        "T-shirt/top    100.0 %    33.3 %    50.0 %         3",
        "Trouser        100.0 %   100.0 %   100.0 %         3",
        "Pullover       100.0 %   100.0 %   100.0 %         3",
        "Dress          100.0 %   100.0 %   100.0 %         3",
        "Coat           100.0 %   100.0 %   100.0 %         3",
        "Sandal         100.0 %   100.0 %   100.0 %         3",
        "Shirt           75.0 %   100.0 %    85.7 %         3",
        "Sneaker        100.0 %   100.0 %   100.0 %         3",
        "Bag            100.0 %   100.0 %   100.0 %         3",
        "Ankle boot       0.0 %         –     0.0 %         0",
    ]


@pytest.mark.parametrize("name", ["a", "b" * 30, "c" * 31, "d" * 200], ids=len)
def test_the_words_fit_80_columns(name: str) -> None:
    found = assess(Said(2, 3.0), saying([0, 1, 1]), np.array([0, 1, 0]), LEVELS, [name, "Other"], "x")
    many = found | {"samples": 10**8, "support": [10**8 - 1, 1], "interval": [0, 1.0], "accuracy": 0.0}
    lines = as_text(many).splitlines()
    assert max(map(len, lines)) <= 80
    table = lines[-3:]
    assert len({len(line) for line in table}) == 1
    assert table[1].startswith(name if len(name) <= 30 else name[:29] + "…")


def test_the_words_are_of_what_was_read_back() -> None:
    found = assess(Said(3, 3.0), saying([0, 1]), np.array([0, 1]), LEVELS, "abc", "x")
    assert as_text(json.loads(as_json(found))) == as_text(found)


def test_the_accuracies_of_several_seeds_in_words() -> None:
    five = [0.9883, 0.9890, 0.9898, 0.9894, 0.9890]
    assert (
        summarize(five)
        == "Test accuracy 98.91 %, standard deviation 0.06 % (5 seeds: 98.83 to 98.98), error 1.09 %"
    )
    assert np.std(five, ddof=1) == pytest.approx(0.00056, abs=5e-6)
    assert summarize([0.5, 0.5]) == (
        "Test accuracy 50.00 %, standard deviation 0.00 % (2 seeds: 50.00 to 50.00), error 50.00 %"
    )
    assert summarize([0.9891]) == "Test accuracy 98.91 % (1 seed), error 1.09 %"
    with pytest.raises(ValueError, match="no accuracies"):
        summarize([])


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        ({"7": 0.98312, "1": 0.009, "9": 0.004, "2": 0.003}, "7 (98.3 %), 1 (0.9 %), 9 (0.4 %)"),
        ({"7": 0.99999, "1": 0.00001}, "7 (100.0 %)"),
        ({"Bag": 0.6, "Ankle boot": 0.4}, "Bag (60.0 %), Ankle boot (40.0 %)"),
    ],
)
def test_a_prediction_in_words(chances: dict[str, float], words: str) -> None:
    assert describe_prediction("image.png", chances) == f"image.png: {words}"
