"""Activations, softmax, dropout and losses, as functions of Tensors (or of arrays)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from autograd import Tensor, callback, matmul, primitive

ArrayLike = Any

# ----------------------------------------------------------------------------------------- affine


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    _check_linear(x, weight)
    if bias.shape != weight.shape[1:]:
        raise ValueError(
            f"linear with a weight of shape {weight.shape} takes a bias of shape {weight.shape[1:]}, and "
            f"not {bias.shape}"
        )
    product = matmul(x, weight)
    product += bias
    return product


def _check_linear(x: Any, weight: Any) -> None:
    if weight.ndim != 2 or x.shape[-1:] != weight.shape[:1]:
        raise ValueError(
            f"linear with a weight of shape {weight.shape} takes inputs of shape "
            f"(..., {weight.shape[0] if weight.ndim else '?'}) and got {x.shape}"
        )


def _by_weight(g: Any, y: Any, x: Any, weight: Any, bias: Any) -> Any:
    if x.ndim != 2:
        x, g = (np.reshape(rows, (prod(rows.shape[:-1]), rows.shape[-1])) for rows in (x, g))
    return x.T @ g


_LINEAR_RULES = (
    lambda g, y, x, weight, bias: matmul(g, weight.T),
    _by_weight,
    lambda g, y, x, weight, bias: g,
)
# One op and not two: the bias is added in the memory that the product has been written to.
_linear_op = primitive(_linear, *_LINEAR_RULES)


def linear(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, activation: str | None = None
) -> Any:
    """Return x W + b, for x of shape (..., inputs), W of (inputs, outputs) and b of (outputs,).

    `activation`, the name of one in `ACTIVATIONS`, is applied to it, in the same op and the same memory.
    """
    if activation is not None:
        check_activation(activation)
    if bias is None:
        _check_linear(x, weight)
        product = x @ weight
        return product if activation is None else ACTIVATIONS[activation](product)
    return (_linear_op if activation is None else _ACTIVATED[activation])(x, weight, bias)


def check_activation(name: str) -> None:
    """Raise ValueError unless `name` is that of an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")


# ------------------------------------------------------------------------------------- activations


def _sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _relu(x: Any, out: Any = None) -> Any:
    # A row of zeros takes half the time of the scalar 0.
    return np.maximum(x, np.zeros(x.shape[-1:], x.dtype), out=out)


# Rules of the output alone. That of relu asks y and not x, which is the same, since the layer that y went to
# has just used it: it is in the cache.
def _through_sigmoid(g: Any, y: Any, *inputs: Any) -> Any:
    return g * (y * (1 - y))


def _through_relu(g: Any, y: Any, *inputs: Any) -> Any:
    return g * (y > 0)


def _through_tanh(g: Any, y: Any, *inputs: Any) -> Any:
    return g * (1 - y * y)


sigmoid = primitive(_sigmoid, _through_sigmoid, elementwise=True)
relu = primitive(_relu, _through_relu, elementwise=True)
softplus = primitive(
    lambda x: np.logaddexp(x, 0), lambda g, y, x: g * sigmoid(x), elementwise=True, name="softplus"
)
tanh = np.tanh

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": relu, "sigmoid": sigmoid, "tanh": tanh}


def _activated(name: str, function: Callable[[Any], Any], last: Callable[..., Any]) -> Callable[..., Any]:
    """Return the op of a linear layer that ends in an activation."""
    return primitive(
        lambda x, weight, bias: function(_linear(x, weight, bias)),
        *_LINEAR_RULES,
        last=last,
        name=f"linear_{name}",
    )


_ACTIVATED = {
    "relu": _activated("relu", lambda z: _relu(z, out=z), _through_relu),
    "sigmoid": _activated("sigmoid", _sigmoid, _through_sigmoid),
    "tanh": _activated("tanh", lambda z: np.tanh(z, out=z), _through_tanh),
}

# ----------------------------------------------------------------------------------------- softmax


def _shifted(x: Any, axis: Any) -> tuple[Any, Any]:
    """Return x less its maximum, and the maximum, made finite: then exp overflows for infinite x alone."""
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    finite = np.finfo(x.dtype)
    largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=finite.min)
    largest = np.minimum(largest, finite.max)
    return x - largest, largest


def _softmax(x: Any, *, axis: Any = -1) -> Any:
    powers = np.exp(_shifted(x, axis)[0])
    return powers / powers.sum(axis=axis, keepdims=True)


def _log_softmax(x: Any, *, axis: Any = -1) -> Any:
    shifted, _ = _shifted(x, axis)
    if not x.size:
        return shifted
    shifted -= np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))
    return shifted


def _logsumexp(x: Any, *, axis: Any = None) -> Any:
    shifted, largest = _shifted(x, axis)
    with np.errstate(divide="ignore"):  # log(0) = -inf is the answer where every x is -inf
        return np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True)) + largest


def _softmax_rule(g: Any, y: Any, x: Any, *, axis: Any = -1) -> Any:
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


def _log_softmax_rule(g: Any, y: Any, x: Any, *, axis: Any = -1) -> Any:
    return g - np.exp(y) * g.sum(axis=axis, keepdims=True)


def _logsumexp_rule(g: Any, y: Any, x: Any, *, axis: Any = None) -> Any:
    return g * np.exp(x - np.where(y == -np.inf, 0, y))


_softmax_op = primitive(_softmax, _softmax_rule)
_log_softmax_op = primitive(_log_softmax, _log_softmax_rule)
_logsumexp_op = primitive(_logsumexp, _logsumexp_rule)


def softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> Any:
    """Return exp(x) / sum(exp(x)) along `axis`, computed without overflow."""
    return _softmax_op(x, axis=axis)


def log_softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> Any:
    """Return the logarithm of the softmax along `axis`, computed without overflow."""
    return _log_softmax_op(x, axis=axis)


def logsumexp(x: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Return log(sum(exp(x))) over `axis`, computed without overflow."""
    result = _logsumexp_op(x, axis=axis)
    return result if keepdims else np.squeeze(result, axis)


# ----------------------------------------------------------------------------------------- dropout


def _draw_mask(*, generator: np.random.Generator, shape: tuple[int, ...], p: float, dtype: Any) -> Any:
    if p == 1:
        return np.zeros(shape, dtype)
    # Sixteen random bits decide about an element, four elements a draw, which takes half the time of a
    # number each; a draw that equals p in its first sixteen bits is decided by further ones.
    size = prod(shape)
    draws = generator.integers(0, 2**64, -(-size // 4), np.uint64).view(np.uint16)[:size]
    first_bits, further_bits = divmod(p * 2**16, 1)
    kept = draws > int(first_bits)
    (ties,) = (draws == int(first_bits)).nonzero()
    if len(ties):
        kept[ties] = generator.random(len(ties)) >= further_bits
    mask = kept.reshape(shape).astype(dtype)
    mask *= 1 / (1 - p)
    return mask


dropout_mask = primitive(_draw_mask, name="dropout_mask")


def dropout(x: ArrayLike, p: float, generator: np.random.Generator, training: bool = True) -> Any:
    """Set each element to 0 with probability `p` and scale the others by 1 / (1 - p).

    The scaling (inverted dropout; Srivastava et al., JMLR 15, 2014) keeps the expected value, so that
    nothing is left to do when not `training`: then x is returned as it is.
    """
    check_probability(p)
    if not training or p == 0:
        return x
    mask = dropout_mask(generator=generator, shape=x.shape, p=p, dtype=x.dtype)
    return x * (mask if isinstance(x, Tensor) else mask.data)


def check_probability(p: float) -> None:
    """Raise ValueError unless `p` is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout needs a probability p between 0 and 1, not {p}")


# ------------------------------------------------------------------------------------------ losses


def cross_entropy(logits: ArrayLike, targets: ArrayLike) -> Any:
    """Return the mean of -log softmax(logits) at the targets, a single number.

    `logits` has shape (..., classes). `targets` are integer labels of shape (...), or
    probabilities (one-hot, smoothed, a teacher's) of shape (..., classes).
    """
    targets = targets if hasattr(targets, "dtype") else np.asarray(targets)
    if targets.dtype.kind in "iu" and logits.ndim and targets.shape == logits.shape[:-1]:
        labels = targets.data if isinstance(targets, Tensor) else targets
        return _nll_loss_op(_log_softmax_op(logits), labels=labels)
    if targets.shape != logits.shape or logits.ndim == 0:
        raise ValueError(
            f"cross_entropy of logits of shape {logits.shape} needs integer labels of shape "
            f"{logits.shape[:-1]} or probabilities of shape {logits.shape}; got {targets.dtype} targets "
            f"of shape {targets.shape}"
        )
    if targets.dtype != logits.dtype:
        targets = targets.astype(logits.dtype)
    return 0 - (log_softmax(logits) * targets).sum() / max(prod(logits.shape[:-1]), 1)


def nll_loss(log_probabilities: ArrayLike, labels: ArrayLike) -> Any:
    """Return the mean of -log_probabilities at the labels, a single number.

    `log_probabilities` has shape (..., classes), `labels` are integers of shape (...).
    """
    if not hasattr(labels, "dtype"):
        labels = np.asarray(labels)
    labels = labels.data if isinstance(labels, Tensor) else labels
    shape = log_probabilities.shape
    if labels.dtype.kind not in "iu" or labels.shape != shape[:-1]:
        raise ValueError(
            f"nll_loss of log-probabilities of shape {shape} needs integer labels of "
            f"shape {shape[:-1]}; got {labels.dtype} labels of shape {labels.shape}"
        )
    return _nll_loss_op(log_probabilities, labels=labels)


def _check_labels(labels: Any, classes: int) -> None:
    # As unsigned numbers, negative ones are the largest.
    unsigned = labels.view(labels.dtype.str.replace("i", "u"))
    if labels.size and np.maximum.reduce(unsigned, axis=None) >= classes:
        raise ValueError(
            f"labels must lie between 0 and {classes - 1} for {classes} classes; got labels from "
            f"{labels.min()} to {labels.max()}"
        )


def _nll_loss(x: Any, *, labels: Any) -> Any:
    callback(_check_labels, labels, x.shape[-1])
    count = labels.size
    if labels.ndim != 1:
        x, labels = x.reshape(count, x.shape[-1]), labels.ravel()
    return 0 - np.add.reduce(x[np.arange(count), labels]) / max(count, 1)


def _nll_loss_rule(g: Any, y: Any, x: Any, *, labels: Any) -> Any:
    """-g / n at the labels."""
    count = labels.size
    shares = np.zeros_like(x, shape=(count, x.shape[-1]))
    shares[np.arange(count), labels.ravel()] = -1 / max(count, 1)
    return g * shares.reshape(x.shape)


_nll_loss_op = primitive(_nll_loss, _nll_loss_rule)


def mse_loss(prediction: ArrayLike, target: ArrayLike) -> Any:
    """Return the mean of (prediction - target)^2 for arrays of one shape."""
    _check_same_shape("mse_loss", prediction, target)
    return np.mean(np.square(prediction - target))


def binary_cross_entropy_with_logits(logits: ArrayLike, targets: ArrayLike) -> Any:
    """Return the mean of -t log s(x) - (1 - t) log(1 - s(x)), s the sigmoid, computed without overflow.

    `targets`, 0, 1 or between, have the shape of `logits`. The sum is softplus(x) - t x.
    """
    _check_same_shape("binary_cross_entropy_with_logits", logits, targets)
    return np.mean(softplus(logits) - targets * logits)


def _check_same_shape(name: str, prediction: Any, target: Any) -> None:
    if np.shape(prediction) != np.shape(target):
        raise ValueError(
            f"{name} needs two arrays of one shape and got {np.shape(prediction)} and "
            f"{np.shape(target)}; reshape one of them (broadcasting would compare every element "
            "of one with every element of the other)"
        )
