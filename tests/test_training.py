"""The training loop on tiny images, and on the packaged digits."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autograd import Tensor
from nn import MLP, SGD, Adam, Dropout, Linear, Module, Sequential, cross_entropy, training
from nn.data import load_digits, scale_pixels
from nn.schedules import Schedule, constant, one_cycle
from nn.training import Labelled, confusion_matrix, evaluate, fit, logits, probabilities, training_loss

LEVELS = 255


def halves(count: int, seed: int = 0) -> Labelled:
    """Return images of 4 x 4 pixels that are brighter on the left (0) or on the right (1), with noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count).astype(np.uint8)
    images = generator.integers(0, 150, (count, 4, 4))
    images[labels == 0, :, :2] += 100
    images[labels == 1, :, 2:] += 100
    return images.astype(np.uint8), labels


TRAIN, VALIDATION, TEST = halves(50, 0), halves(20, 1), halves(30, 2)


def network(dropout: float = 0.0, seed: int = 0) -> MLP:
    return MLP((16, 8, 2), dropout=dropout, generator=np.random.default_rng(seed))


def run(model: Module, parts: dict[str, Labelled] | None = None, **options: Any) -> Any:
    defaults: dict[str, Any] = {"epochs": 2, "batch_size": 8, "schedule": constant(0.1)}
    return fit(
        model,
        SGD(model.parameters(), momentum=0.9),
        {"train": TRAIN, "test": TEST} if parts is None else parts,
        LEVELS,
        **{**defaults, "generator": np.random.default_rng(0), **options},
    )


class Witness(Module):
    """A linear classifier that writes down what it is called with, and in which mode."""

    def __init__(self) -> None:
        self.linear = Linear(16, 2, generator=np.random.default_rng(0))
        self.part = Sequential(Dropout(0.0, generator=np.random.default_rng(0)))
        self.calls: list[tuple[bool, np.ndarray]] = []

    def forward(self, x: Any) -> Any:
        assert self.part.layers[0].training == self.training
        self.calls.append((self.training, x.data))
        return self.linear(self.part(x))

    def batches(self, training: bool) -> list[np.ndarray]:
        return [x for mode, x in self.calls if mode == training]


# ------------------------------------------------------------------------------------------ records


def test_records_of_every_epoch() -> None:
    records = list(run(network(), epochs=3))
    assert [list(record) for record in records] == [
        ["epoch", "loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds"]
    ] * 3
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert all(type(value) is float for record in records for value in record.values())
    assert all(record["seconds"] > 0 for record in records)


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["train"], ["loss", "train_accuracy"]),
        (
            ["train", "validation", "test"],
            [
                "loss",
                "train_accuracy",
                "validation_loss",
                "validation_accuracy",
                "test_loss",
                "test_accuracy",
            ],
        ),
        (["test", "train"], ["test_loss", "test_accuracy", "loss", "train_accuracy"]),
    ],
    ids=str,
)
def test_records_of_other_parts(names: list[str], keys: list[str]) -> None:
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    (record,) = run(network(), {name: parts[name] for name in names}, epochs=1)
    assert list(record) == ["epoch", *keys, "learning_rate", "seconds"]


def test_records_are_what_evaluate_finds_at_that_moment() -> None:
    model = network()
    for record in run(model):
        assert (record["loss"], record["train_accuracy"]) == evaluate(model, *TRAIN, LEVELS)
        assert (record["test_loss"], record["test_accuracy"]) == evaluate(model, *TEST, LEVELS)


def test_training_lowers_the_loss() -> None:
    model = network()
    before, _ = evaluate(model, *TRAIN, LEVELS)
    records = list(run(model, epochs=10))
    assert records[-1]["loss"] < 0.1 * before
    assert records[-1]["test_accuracy"] == 1


def test_the_same_seeds_give_the_same_bits() -> None:
    def outcome(seed: int = 0) -> tuple[list[Any], dict[str, np.ndarray]]:
        model = network(dropout=0.5)
        records = run(model, epochs=3, generator=np.random.default_rng(seed))
        return [{**record, "seconds": 0} for record in records], model.state_dict()

    (first, first_state), (second, second_state), (other, _) = outcome(), outcome(), outcome(1)
    assert first == second != other
    assert all(np.array_equal(first_state[name], second_state[name]) for name in first_state)


def test_random_numbers_come_from_the_generators_alone() -> None:
    before = np.random.get_state()  # noqa: NPY002
    list(run(network(dropout=0.5)))
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    list(run(network()))
    assert capfd.readouterr() == ("", "")


def test_fit_is_lazy_and_stops_after_the_last_epoch() -> None:
    model = network()
    before = model.state_dict()
    records = run(model, epochs=2)
    assert np.array_equal(model.layers[0].weight.data, before["layers.0.weight"])
    assert [next(records)["epoch"], next(records)["epoch"]] == [1, 2]
    with pytest.raises(StopIteration):
        next(records)
    assert list(run(network(), epochs=0)) == []


# -------------------------------------------------------------------------------------- one epoch


def test_every_sample_is_used_once_per_epoch() -> None:
    model = Witness()
    pixels = scale_pixels(TRAIN[0], LEVELS)
    orders = []
    for _ in run(model, {"train": TRAIN}, epochs=3):
        seen = model.batches(training=True)
        assert [len(x) for x in seen] == [8, 8, 8, 8, 8, 8, 2]
        rows = np.concatenate(seen)
        orders.append(rows)
        np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(pixels, axis=0))
        assert len(np.unique(rows, axis=0)) == 50
        model.calls.clear()
    assert not np.array_equal(orders[0], pixels)
    assert not np.array_equal(orders[0], orders[1])


def test_evaluation_is_out_of_training_mode_and_training_in_it() -> None:
    model = Witness().eval()
    for _ in run(model, epochs=2):
        modes = [mode for mode, _ in model.calls]
        assert modes == [True] * 7 + [False] * 2
        assert model.training
        model.calls.clear()


def test_batches_may_be_larger_than_the_data() -> None:
    model = Witness()
    list(run(model, {"train": TRAIN}, epochs=1, batch_size=1000))
    assert [len(x) for x in model.batches(training=True)] == [50]


def test_a_step_is_a_step_down_the_gradient_of_the_batch() -> None:
    model, twin = network(), network()
    list(
        fit(
            model,
            SGD(model.parameters()),
            {"train": TRAIN},
            LEVELS,
            epochs=1,
            batch_size=50,
            schedule=constant(0.5),
            generator=np.random.default_rng(0),
        )
    )
    cross_entropy(twin(scale_pixels(TRAIN[0], LEVELS)), TRAIN[1]).backward()
    for moved, start in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(moved.data, start.data - 0.5 * start.grad.data, atol=1e-6)


def test_the_schedule_sets_the_learning_rate_of_every_step() -> None:
    asked, used = [], []
    model = network()

    class Noting(SGD):
        def step(self) -> None:
            used.append(self.lr)
            super().step()

    def schedule(step: int) -> float:
        asked.append(step)
        return 0.1 / (step + 1)

    optimizer = Noting(model.parameters(), lr=100.0)
    options: Any = {"epochs": 2, "batch_size": 20, "schedule": schedule}
    records = fit(model, optimizer, {"train": TRAIN}, LEVELS, generator=np.random.default_rng(0), **options)
    assert [record["learning_rate"] for record in records] == [0.1 / 3, 0.1 / 6]
    assert asked == [0, 1, 2, 3, 4, 5]
    assert used == [0.1 / (step + 1) for step in asked]


def test_a_resumed_optimizer_goes_on_in_its_schedule() -> None:
    asked: list[int] = []
    model = network()
    optimizer = SGD(model.parameters())
    optimizer.load_state_dict({"steps": 10, "updates": [10] * 4})
    options: Any = {"epochs": 1, "batch_size": 25, "schedule": lambda step: asked.append(step) or 0.1}
    list(fit(model, optimizer, {"train": TRAIN}, LEVELS, generator=np.random.default_rng(0), **options))
    assert asked == [10, 11]


def test_progress_wraps_the_steps_of_every_epoch() -> None:
    counts, taken = [], []

    def progress(steps: Iterable[Any], count: int) -> Iterable[Any]:
        counts.append(count)
        for pixels, labels in steps:
            taken.append((pixels.shape, pixels.dtype, labels.dtype))
            yield pixels, labels

    list(run(network(), epochs=2, batch_size=20, progress=progress))
    assert counts == [3, 3]
    assert [shape for shape, _, _ in taken] == [(20, 16), (20, 16), (10, 16)] * 2
    assert {(pixels, labels) for _, pixels, labels in taken} == {(np.dtype(np.float32), np.dtype(np.int64))}


@pytest.mark.parametrize("batch_size", [-1, 0])
def test_an_impossible_batch_size_is_named(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; give 1 or more"):
        list(run(network(), batch_size=batch_size))


# ----------------------------------------------------------------------------------- early stopping


def there_and_back(better: int) -> Schedule:
    """Return a schedule that goes downhill for some epochs of 7 steps, and uphill after them."""
    return lambda step: 0.05 if step < 7 * better else -0.05


def stopped(better: int, **options: Any) -> tuple[list[dict[str, float]], list[dict[str, Any]], MLP]:
    """Train, and return the records, the parameters after each epoch, and the model."""
    model = network()
    records, states = [], []
    parts = {"train": TRAIN, "validation": VALIDATION}
    optimizer = SGD(model.parameters())
    settings: Any = {"batch_size": 8, "schedule": there_and_back(better), **options}
    for record in fit(model, optimizer, parts, LEVELS, generator=np.random.default_rng(0), **settings):
        records.append(record)
        states.append(model.state_dict())
    return records, states, model


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_early_stopping_puts_the_best_parameters_back(patience: int) -> None:
    records, states, model = stopped(3, epochs=50, patience=patience)
    losses = [record["validation_loss"] for record in records]
    best = int(np.argmin(losses))
    assert best == 2
    assert len(records) == best + 1 + patience
    assert losses[-1] > losses[best]
    final = model.state_dict()
    assert all(np.array_equal(final[name], states[best][name]) for name in final)
    assert not np.array_equal(final["layers.0.weight"], states[-1]["layers.0.weight"])
    assert evaluate(model, *VALIDATION, LEVELS)[0] == losses[best]


def test_the_best_parameters_are_put_back_when_the_epochs_run_out_too() -> None:
    records, states, model = stopped(2, epochs=4, patience=10)
    assert len(records) == 4
    assert np.array_equal(model.layers[0].weight.data, states[1]["layers.0.weight"])


def test_every_improvement_begins_the_wait_anew() -> None:
    def schedule(step: int) -> float:
        return -0.05 if step // 7 % 2 else 0.15

    records, _, _ = stopped(0, epochs=8, patience=2, schedule=schedule)
    losses = [record["validation_loss"] for record in records]
    assert len(records) == 8
    assert sum(b > a for a, b in pairwise(losses)) >= 3


def test_without_patience_the_last_parameters_stay() -> None:
    records, states, model = stopped(2, epochs=6)
    losses = [record["validation_loss"] for record in records]
    assert losses[-1] > min(losses)
    assert np.array_equal(model.layers[0].weight.data, states[-1]["layers.0.weight"])


def test_patience_needs_a_validation_part() -> None:
    with pytest.raises(ValueError, match="validation"):
        list(run(network(), patience=3))


# --------------------------------------------------------------------------------------- evaluation


def test_training_loss_is_the_cross_entropy_of_the_batch() -> None:
    model = network()
    pixels = scale_pixels(TEST[0], LEVELS)
    loss = training_loss(model, pixels, TEST[1])
    assert loss.requires_grad
    assert loss.item() == pytest.approx(cross_entropy(model(pixels).data, TEST[1]))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9])
def test_outputs_come_in_parts_and_in_order(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(training, "AT_ONCE", 4)
    model = Witness()
    images, labels = halves(count)
    pixels = scale_pixels(images, LEVELS)
    outputs = logits(model, images, LEVELS)
    assert [len(x) for x in model.batches(training=False)] == [4] * (count // 4) + [count % 4] * (
        count % 4 > 0
    )
    np.testing.assert_allclose(outputs, model.linear(pixels).data, rtol=1e-5, atol=1e-6)
    loss, accuracy = evaluate(model, images, labels, LEVELS)
    assert loss == pytest.approx(cross_entropy(outputs.astype(np.float64), labels), rel=1e-14)
    assert accuracy == pytest.approx((outputs.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_evaluation_around_the_size_of_a_part(difference: int) -> None:
    count = training.AT_ONCE + difference
    model = Witness()
    images, labels = halves(count)
    loss, accuracy = evaluate(model, images, labels, LEVELS)
    outputs = model.linear(scale_pixels(images, LEVELS)).data
    assert loss == pytest.approx(cross_entropy(outputs.astype(np.float64), labels), rel=1e-6)
    assert accuracy == (outputs.argmax(axis=1) == labels).mean()
    assert sum(len(x) for x in model.batches(training=False)) == count


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
    list(run(model))
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


# --------------------------------------------------------------------------------------- real digits


def trained(
    model: Module, make: Callable[..., Any], schedule: Callable[[int], Schedule], epochs: int
) -> dict[str, float]:
    data = load_digits()
    *_, last = fit(
        model,
        make(model.parameters()),
        {"train": (data.train_images, data.train_labels), "test": (data.test_images, data.test_labels)},
        data.levels,
        epochs=epochs,
        batch_size=32,
        schedule=schedule(epochs * 45),
        generator=np.random.default_rng(0),
    )
    return last


@pytest.mark.parametrize(
    ("make", "lr"), [(lambda p: SGD(p, momentum=0.9), 0.1), (Adam, 0.005)], ids=["momentum", "Adam"]
)
def test_digits_are_learnt_with_dropout(make: Callable[..., Any], lr: float) -> None:
    model = MLP((64, 128, 10), dropout=0.2, generator=np.random.default_rng(0))
    last = trained(model, make, lambda steps: one_cycle(lr, steps), epochs=10)
    assert last["test_accuracy"] >= 0.96
    assert last["train_accuracy"] >= 0.98
    assert last["loss"] < 0.1


@pytest.mark.parametrize(
    ("make", "lr"), [(SGD, 1.0), (lambda p: SGD(p, momentum=0.9), 0.1)], ids=["sgd", "momentum"]
)
def test_digits_are_learnt_with_sigmoid(make: Callable[..., Any], lr: float) -> None:
    model = MLP((64, 32, 10), "sigmoid", generator=np.random.default_rng(0))
    assert trained(model, make, lambda steps: constant(lr), epochs=5)["test_accuracy"] > 0.93
