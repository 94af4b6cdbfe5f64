"""Losses, as functions of Tensors (or of arrays).

Each takes `reduction`: "mean", "sum", or "none" for the losses of the elements or samples themselves.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np

from autograd import Tensor, callback, primitive
from nn.activations import check_real, log_softmax, log_softmax_op, relu, softplus

ArrayLike = Any


def _reduced(losses: Any, reduction: str, count: Any = None) -> Any:
    """Return the losses, their sum, or the sum divided by `count`, by default of the losses."""
    if reduction == "mean":
        return np.mean(losses) if count is None else np.sum(losses) / count
    if reduction == "sum":
        return np.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f'reduction must be "mean", "sum" or "none"; got {reduction!r}')


# ---------------------------------------------------------------------------------- of classes


def cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Return the mean of -log softmax(logits) at the targets, a single number.

    `logits` has shape (..., classes), or the classes along another `axis`. `targets` are integer labels
    of shape (...), or probabilities (one-hot, smoothed, a teacher's) of the shape of the logits.
    `label_smoothing` is the share, 0 to 1, of the targets that is given to all classes alike (Szegedy et
    al., 2016). `weight`, (classes,), multiplies the loss of each class: the mean over labels is then
    divided by the sum of their weights, as in PyTorch. Labels equal to `ignore_index` count for nothing:
    the mean over no others is nan, as there (which has ignore_index=-100 where none is given). The mean
    over no samples at all is 0.
    """
    targets = targets if hasattr(targets, "dtype") else np.asarray(targets)
    if axis != -1:
        logits = np.moveaxis(logits, axis, -1)
    are_labels = targets.dtype.kind in "iu" and logits.ndim and targets.shape == logits.shape[:-1]
    if are_labels and weight is None and ignore_index is None and reduction == "mean" and not label_smoothing:
        labels = targets.data if isinstance(targets, Tensor) else targets
        return _nll_loss_op(log_softmax_op(logits), labels=labels)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1; got {label_smoothing}")
    if are_labels:
        return _labelled_loss(log_softmax(logits), targets, weight, ignore_index, reduction, label_smoothing)
    probabilities = _classes_last(targets, axis) if targets.ndim == logits.ndim else targets
    if probabilities.shape != logits.shape or logits.ndim == 0:
        raise ValueError(
            f"cross_entropy of logits of shape {logits.shape}{_moved(axis)} needs integer labels of shape "
            f"{logits.shape[:-1]} or probabilities of shape {logits.shape}; got {targets.dtype} targets "
            f"of shape {probabilities.shape}"
        )
    if ignore_index is not None:
        raise ValueError("ignore_index is for integer labels, and these targets are probabilities")
    log_probabilities = log_softmax(logits)
    if probabilities.dtype != log_probabilities.dtype:
        probabilities = probabilities.astype(log_probabilities.dtype)
    if label_smoothing:
        probabilities = (1 - label_smoothing) * probabilities + label_smoothing / logits.shape[-1]
    if weight is not None:
        probabilities = probabilities * _class_weights(weight, log_probabilities)
    losses = 0 - (log_probabilities * probabilities).sum(-1)
    return _reduced(losses, reduction, max(prod(losses.shape), 1))


def nll_loss(
    log_probabilities: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    axis: int = -1,
) -> Any:
    """Return the mean of -log_probabilities at the labels, a single number.

    `log_probabilities` has shape (..., classes), `labels` are integers of shape (...). Class weights,
    labels to ignore and another axis of classes are those of `cross_entropy`.
    """
    labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
    x = _classes_last(log_probabilities, axis)
    if labels.dtype.kind not in "iu" or not x.ndim or labels.shape != x.shape[:-1]:
        raise ValueError(
            f"nll_loss of log-probabilities of shape {x.shape}{_moved(axis)} needs integer labels of "
            f"shape {x.shape[:-1]}; got {labels.dtype} labels of shape {labels.shape}"
        )
    if weight is None and ignore_index is None and reduction == "mean":
        return _nll_loss_op(x, labels=labels.data if isinstance(labels, Tensor) else labels)
    return _labelled_loss(x, labels, weight, ignore_index, reduction)


def _classes_last(x: Any, axis: int) -> Any:
    return x if axis == -1 else np.moveaxis(x, axis, -1)


def _moved(axis: int) -> str:
    return "" if axis == -1 else f" (axis {axis}, of the classes, put last)"


def _class_weights(weight: Any, x: Any) -> Any:
    """Return class weights in the dtype of x, (..., classes)."""
    weight = beside(weight if hasattr(weight, "dtype") else np.asarray(weight), x)
    if weight.shape != x.shape[-1:]:
        raise ValueError(f"{x.shape[-1]} classes need a weight of shape {x.shape[-1:]}; got {weight.shape}")
    return weight if weight.dtype == x.dtype else weight.astype(x.dtype)


def _labelled_loss(
    x: Any, labels: Any, weight: Any, ignore_index: int | None, reduction: str, label_smoothing: float = 0.0
) -> Any:
    """Return the loss of log-probabilities x, (..., classes), at labels, (...), with all options."""
    labels = labels.data if isinstance(labels, Tensor) else labels
    ignored = np.zeros_like(labels, bool) if ignore_index is None else labels == ignore_index
    labels = np.where(ignored, 0, labels)
    callback(_check_labels, labels, x.shape[-1])
    labels, ignored = beside(labels, x), beside(ignored, x)
    x, labels = _known(x, labels)
    if weight is None:
        weight = np.ones_like(x.data if isinstance(x, Tensor) else x, shape=x.shape[-1:])
    else:
        weight = _class_weights(weight, x)
    # A plain array cannot be indexed by one that jit records.
    by_label = (
        weight.__getitem__ if isinstance(weight, Tensor) else partial(np.take_along_axis, weight, axis=0)
    )
    shares = by_label(labels.reshape(-1)).reshape(labels.shape)
    losses = shares * x[(*np.indices(labels.shape, sparse=True), labels)]
    if label_smoothing:
        losses = (1 - label_smoothing) * losses + (label_smoothing / x.shape[-1]) * (x @ weight)
    count = np.sum(np.where(ignored, 0, shares)) if labels.size else 1
    return _reduced(0 - np.where(ignored, 0, losses), reduction, count)


def beside(values: Any, x: Any) -> Any:
    """Return values that go along with x, such as labels, on its device."""
    if values.device == "cpu" != x.device and not isinstance(values, Tensor):
        return np.asarray(values, like=x)
    return values


def _known(x: Any, labels: Any) -> tuple[Any, Any]:
    """Return x, (..., classes), and labels; what is none makes NaN where `_check_labels` does not see it."""
    if labels.device == "cpu":
        return x, labels
    known = (labels >= 0) & (labels < x.shape[-1])
    x = x + np.where(known, 0, np.nan).astype(x.dtype)[..., np.newaxis]
    return x, np.where(known, labels, 0)


def _check_labels(labels: Any, classes: int) -> None:
    if labels.device != "cpu":
        return  # it would be waited for
    # As unsigned numbers, negative ones are the largest.
    unsigned = labels.view(labels.dtype.str.replace("i", "u"))
    if labels.size and np.maximum.reduce(unsigned, axis=None) >= classes:
        raise ValueError(
            f"labels must lie between 0 and {classes - 1} for {classes} classes; got labels from "
            f"{labels.min()} to {labels.max()} (ignore_index leaves one of them out)"
        )


def _nll_loss(x: Any, *, labels: Any) -> Any:
    callback(_check_labels, labels, x.shape[-1])
    x, labels = _known(x, labels)
    count = labels.size
    if labels.ndim != 1:
        x, labels = x.reshape(count, x.shape[-1]), labels.ravel()
    return 0 - np.add.reduce(x[np.arange(count, like=x), labels]) / max(count, 1)


def _nll_loss_rule(g: Any, y: Any, x: Any, *, labels: Any) -> Any:
    """-g / n at the labels."""
    count = labels.size
    shares = np.zeros_like(x, shape=(count, x.shape[-1]))
    shares[np.arange(count, like=x), labels.ravel()] = -1 / max(count, 1)
    return g * shares.reshape(x.shape)


_nll_loss_op = primitive(_nll_loss, _nll_loss_rule)


def kl_div(
    log_probabilities: ArrayLike, target: ArrayLike, reduction: str = "mean", log_target: bool = False
) -> Any:
    """Return the mean over all elements of t (log t - log_probabilities), t the target.

    With `log_target`, the target is given as log t. `reduction="batchmean"` divides the sum by the length
    of the first axis: the Kullback-Leibler divergence of target from prediction, averaged over samples.
    """
    target = _alike("kl_div", log_probabilities, target)
    if log_target:
        losses = np.exp(target) * (target - log_probabilities)
    else:
        losses = target * (np.log(np.where(target == 0, 1, target)) - log_probabilities)
    if reduction != "batchmean":
        return _reduced(losses, reduction)
    if not losses.ndim:
        raise ValueError('reduction="batchmean" needs an axis of samples, and this is a single number')
    return np.sum(losses) / max(len(losses), 1)


# ---------------------------------------------------------------------------------- of numbers


def mse_loss(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Any:
    """Return the mean of (prediction - target)^2 for arrays of one shape."""
    target = _alike("mse_loss", prediction, target)
    return _reduced(np.square(prediction - target), reduction)


def l1_loss(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Any:
    """Return the mean of |prediction - target| for arrays of one shape; its slope at 0 is 0."""
    target = _alike("l1_loss", prediction, target)
    return _reduced(np.abs(prediction - target), reduction)


def huber_loss(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Return the mean of d² / 2 where |d| <= delta, and delta (|d| - delta / 2) elsewhere (Huber, 1964).

    d is prediction - target, arrays of one shape.
    """
    target = _alike("huber_loss", prediction, target)
    return _reduced(_huber(prediction - target, delta, "delta"), reduction)


def smooth_l1_loss(
    prediction: ArrayLike, target: ArrayLike, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """Return the Huber loss for delta = beta, divided by beta; for beta = 0 it is `l1_loss`."""
    target = _alike("smooth_l1_loss", prediction, target)
    if beta == 0:
        return l1_loss(prediction, target, reduction)
    return _reduced(_huber(prediction - target, beta, "beta") / beta, reduction)


def _huber(difference: Any, delta: float, name: str) -> Any:
    if not delta > 0:
        raise ValueError(f"{name} must be positive; got {delta}")
    check_real("the Huber loss", difference)
    limited = np.clip(difference, -delta, delta)
    return limited * (difference - 0.5 * limited)


def hinge_loss(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Any:
    """Return the mean of max(0, 1 - target prediction) for arrays of one shape, the targets -1 or 1."""
    target = _alike("hinge_loss", prediction, target)
    return _reduced(relu(1 - target * prediction), reduction)


def binary_cross_entropy_with_logits(logits: ArrayLike, targets: ArrayLike, reduction: str = "mean") -> Any:
    """Return the mean of -t log s(x) - (1 - t) log(1 - s(x)), s the sigmoid, computed without overflow.

    `targets`, 0, 1 or between, have the shape of `logits`. The sum is softplus(x) - t x.
    """
    targets = _alike("binary_cross_entropy_with_logits", logits, targets)
    return _reduced(softplus(logits) - targets * logits, reduction)


def _alike(name: str, prediction: Any, target: Any) -> Any:
    """Return a target of the shape of the prediction; all but arrays of floats in its dtype."""
    if np.shape(prediction) != np.shape(target):
        raise ValueError(
            f"{name} needs two arrays of one shape and got {np.shape(prediction)} and "
            f"{np.shape(target)}; reshape one of them (broadcasting would compare every element "
            "of one with every element of the other)"
        )
    is_array = hasattr(target, "dtype")
    target = target if is_array else np.asarray(target)
    dtype = getattr(prediction, "dtype", target.dtype)
    convertible = dtype.kind == "f" and (not is_array or target.dtype.kind in "iub")
    return target.astype(dtype) if convertible else target
