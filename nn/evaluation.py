"""How good a classifier is, how sure of that one can be, and how that is put in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, no_grad
from nn.data import Images, Labels, scale_pixels
from nn.distributed import Ranks
from nn.functional import cross_entropy, softmax
from nn.module import Module

Floats = NDArray[np.float64]

AT_ONCE = 1000  # images per forward pass where no gradients are needed,
PIXELS = 2**24  # or fewer, with no more pixels than this
BINS = 15  # of confidence, as in Guo et al. (2017)
WIDEST_NAME = 30
ALL = slice(None)


# ------------------------------------------------------------------------------------------ outputs


def logits(model: Module, images: Images, levels: int) -> NDArray[Any]:
    """Return the model's outputs for all images, (N, classes), out of training mode."""
    with _out_of_training(model):
        return np.concatenate([outputs for _, outputs in _parts(model, images, levels)])


def probabilities(model: Module, images: Images, levels: int) -> Floats:
    """Return the probability of each class for each image, (N, classes), out of training mode."""
    return np.asarray(softmax(logits(model, images, levels).astype(np.float64)))


def evaluate(
    model: Module, images: Images, labels: Labels, levels: int, ranks: Ranks | None = None
) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy over all images, out of training mode.

    Ranks share the work, and all get the same numbers, those that one process alone would.
    """
    _check_lengths("images", images, labels)
    starts = _starts(images)
    mine = ALL if ranks is None else slice(ranks.rank, None, ranks.size)
    found = np.zeros((len(starts), 2))  # the part of the loss, and how many are right
    with _out_of_training(model):
        answers = _answers(model, images, labels, levels, starts, mine)
        for row, (outputs, truth, share) in zip(found[mine], answers, strict=True):
            row[:] = share, np.sum(outputs.argmax(axis=1) == truth)
    if ranks is not None:
        ranks.add(found)  # of each row, all but one are zeros
    loss = correct = 0.0
    for share, right in found.tolist():
        loss += share
        correct += right
    return loss, correct / len(images)


def best_epoch(history: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """Return the first record of the lowest validation_loss; None where no record has one."""
    validated = [record for record in history if math.isfinite(record.get("validation_loss", math.nan))]
    return min(validated, key=lambda record: record["validation_loss"], default=None)


def predict(model: Module, image: NDArray[Any], levels: int, classes: Sequence[str]) -> dict[str, float]:
    """Return the probability of each class for one image, (height, width), the likeliest class first."""
    (chances,) = probabilities(model, image[np.newaxis], levels)
    return {classes[number]: float(chances[number]) for number in np.argsort(-chances, kind="stable")}


def _parts(
    model: Module, images: Images, levels: int, starts: range | None = None, mine: slice = ALL
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield the model's outputs part by part: neither images nor outputs need to fit in memory at once."""
    starts = _starts(images) if starts is None else starts
    for start in starts[mine]:
        part = slice(start, start + starts.step)
        pixels = Tensor(scale_pixels(images[part], levels)).to(model.device)
        yield part, model(pixels).to("cpu").data


def _starts(images: Images) -> range:
    """Return where the parts begin that go through a network at once; its step is their length."""
    if not len(images):
        raise ValueError("there are no images to evaluate")
    return range(0, len(images), max(min(AT_ONCE, PIXELS // max(images[:1].size, 1)), 1))


def _answers(
    model: Module, images: Images, labels: Labels, levels: int, starts: range | None = None, mine: slice = ALL
) -> Iterator[tuple[Floats, NDArray[np.int64], float]]:
    """Yield part by part the outputs, the labels, and what they add to the mean cross-entropy."""
    for part, outputs in _parts(model, images, levels, starts, mine):
        outputs, truth = outputs.astype(np.float64), labels[part].astype(np.int64)
        yield outputs, truth, float(cross_entropy(outputs, truth)) * (len(truth) / len(images))


@contextmanager
def _out_of_training(model: Module) -> Iterator[None]:
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _check_lengths(name: str, some: Any, labels: Labels) -> None:
    if len(some) != len(labels):
        raise ValueError(f"{len(some)} {name} and {len(labels)} labels; give as many of each")


# ------------------------------------------------------------------------------------------ measures


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Count how often each class (rows) was taken for each (columns)."""
    _check_lengths("predictions", predicted, labels)
    for name, numbers in (("labels", labels), ("predictions", predicted)):
        if len(numbers) and (np.min(numbers) < 0 or np.max(numbers) >= classes):
            raise ValueError(f"{name} of {classes} classes must lie between 0 and {classes - 1}")
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def accuracy_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds, with this confidence, the accuracy of which a sample is known.

    It is the score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference" (1927), which unlike mean ± 1.96 deviations stays within 0 and 1, and is sound near them.
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"{correct} of {total} cannot be right; give 0 <= correct <= total, and total >= 1")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a number between 0 and 1, such as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = correct + z * z / 2
    reach = z * math.sqrt(correct * (total - correct) / total + z * z / 4)
    low = (middle - reach) / (total + z * z) if correct > 0 else 0.0
    high = (middle + reach) / (total + z * z) if correct < total else 1.0
    return low, high


def precision_recall_f1(matrix: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Return the precision, recall and F1 score of each class, (classes,), from a confusion matrix.

    What is undefined is NaN: the precision of a class that was never said, the recall of one that never
    occurred, and the F1 score of one that neither occurred nor was said.
    """
    hits, said, occurred = np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return hits / said, hits / occurred, 2 * hits / (said + occurred)


def calibration_error(probabilities: NDArray[Any], labels: Labels, bins: int = BINS) -> float:
    """Return how far the confidence is from the accuracy, on average: the expected calibration error.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3: samples are sorted into
    `bins` of equal width by the probability of the class that was said; in each, accuracy and mean
    confidence are compared. probabilities: (N, classes); labels: (N,). NaN without samples.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; give 1 or more")
    _check_lengths("rows of probabilities", probabilities, labels)
    return _error_of_bins(_calibration_sums(probabilities, labels, bins))


def _calibration_sums(probabilities: NDArray[Any], labels: Labels, bins: int) -> Floats:
    """Return, for each bin, the number of samples, and the sums of their confidences and right answers."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.digitize(confidence, np.arange(1, bins) / bins, right=True)
    return np.stack([np.bincount(place, weights, bins) for weights in (None, confidence, right)])


def _error_of_bins(sums: Floats) -> float:
    count, confidence, right = sums
    with np.errstate(invalid="ignore"):
        return float(np.abs(right - confidence).sum() / count.sum())


def assess(
    model: Module, images: Images, labels: Labels, levels: int, classes: Sequence[str], dataset: str
) -> dict[str, Any]:
    """Measure a classifier: accuracy and its 95 % interval, loss, and per class; as JSON takes it.

    "confusion" has a row per true class, "support" says how many samples each has, and
    "calibration_bins" are rows of low, high, count, mean confidence, accuracy. What is undefined is None.
    """
    _check_lengths("images", images, labels)
    loss, matrix, sums = 0.0, np.zeros((len(classes),) * 2, np.int64), np.zeros((3, BINS))
    with _out_of_training(model), np.errstate(over="ignore", invalid="ignore"):  # of a model that diverged
        for outputs, truth, share in _answers(model, images, labels, levels):
            loss += share
            matrix += confusion_matrix(truth, outputs.argmax(axis=1), len(classes))
            sums += _calibration_sums(np.asarray(softmax(outputs)), truth, BINS)
        count, confidence, right = sums
        rows = np.stack(
            [np.arange(BINS) / BINS, np.arange(1, BINS + 1) / BINS, count, confidence / count, right / count]
        )
    samples, correct = len(images), int(np.trace(matrix))
    precision, recall, f1 = precision_recall_f1(matrix)
    return {
        "dataset": dataset,
        "samples": samples,
        "correct": correct,
        "accuracy": correct / samples,
        "interval": list(accuracy_interval(correct, samples)),
        "loss": _defined(loss),
        "classes": list(classes),
        "confusion": matrix.tolist(),
        "precision": _defined(precision.tolist()),
        "recall": _defined(recall.tolist()),
        "f1": _defined(f1.tolist()),
        "support": matrix.sum(axis=1).tolist(),
        "calibration_error": _defined(_error_of_bins(sums)),
        "calibration_bins": [
            [low, high, int(count), *_defined(rest)] for low, high, count, *rest in rows.T.tolist()
        ],
    }


def _defined(value: Any) -> Any:
    if isinstance(value, list):
        return [_defined(part) for part in value]
    return value if math.isfinite(value) else None


# --------------------------------------------------------------------------------------------- words


def as_text(assessment: Mapping[str, Any]) -> str:
    """Put what `assess` returns in words, and in a table of the classes that fits 80 columns."""
    found = assessment
    loss = "not a number" if found["loss"] is None else f"{found['loss']:.4f}"
    lines = [
        f"{found['dataset']}, {found['samples']:,} test image{'s' * (found['samples'] != 1)}",
        "",
        f"Accuracy           {accuracy_text(found)}",
        f"Error              {_percent(1 - found['accuracy'], 2)}",
        f"Loss               {loss}",
        f"Calibration error  {_percent(found['calibration_error'], 2)}, "
        "the mean distance of confidence from accuracy",
        "",
    ]
    names = [name if len(name) <= WIDEST_NAME else name[: WIDEST_NAME - 1] + "…" for name in found["classes"]]
    width = max(map(len, ["Class", *names]))
    lines.append(f"{'Class':{width}}  Precision    Recall        F1    Number")
    columns = (found[name] for name in ("precision", "recall", "f1", "support"))
    for name, precision, recall, f1, number in zip(names, *columns, strict=True):
        shares = "".join(f"{_percent(share, 1):>10}" for share in (precision, recall, f1))
        lines.append(f"{name:{width}} {shares}{number:10,}")
    return "\n".join(lines)


def accuracy_text(assessment: Mapping[str, Any]) -> str:
    """Put the accuracy that `assess` found in words, with its interval."""
    low, high = assessment["interval"]
    interval = f"{100 * low:.2f} to {_percent(high, 2)}"
    return f"{_percent(assessment['accuracy'], 2)} (95 % interval: {interval})"


def summarize(accuracies: Sequence[float]) -> str:
    """Put the test accuracies of one network trained with several seeds in words.

    After the mean comes the sample standard deviation, with n - 1 degrees of freedom.
    """
    if not accuracies:
        raise ValueError("there are no accuracies to summarize")
    mean, number = fmean(accuracies), len(accuracies)
    error = f"error {_percent(1 - mean, 2)}"
    if number == 1:
        return f"Test accuracy {_percent(mean, 2)} (1 seed), {error}"
    spread = f"{100 * min(accuracies):.2f} to {100 * max(accuracies):.2f}"
    deviation = _percent(stdev(accuracies), 2)
    accuracy = f"Test accuracy {_percent(mean, 2)}, standard deviation {deviation}"
    return f"{accuracy} ({number} seeds: {spread}), {error}"


def describe_prediction(name: str, chances: Mapping[str, float]) -> str:
    """Put what `predict` returns for the image `name` in words: its three likeliest classes."""
    likely = [(label, chance) for label, chance in chances.items() if not chance < 0.0005]
    return f"{name}: " + ", ".join(f"{label} ({_percent(chance, 1)})" for label, chance in likely[:3])


def _percent(share: float | None, digits: int) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"
