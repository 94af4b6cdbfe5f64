"""Layers, activations, softmax, dropout and losses, as functions of Tensors (or of arrays)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from autograd import Tensor, callback, matmul, primitive
from nn.activations import (
    ACTIVATIONS,
    check_activation,
    relu_of,
    sigmoid_of,
    through_relu,
    through_sigmoid,
    through_tanh,
)
from nn.activations import celu as celu
from nn.activations import elu as elu
from nn.activations import erfc as erfc
from nn.activations import gelu as gelu
from nn.activations import glu as glu
from nn.activations import hardtanh as hardtanh
from nn.activations import leaky_relu as leaky_relu
from nn.activations import log_sigmoid as log_sigmoid
from nn.activations import log_softmax as log_softmax
from nn.activations import logsumexp as logsumexp
from nn.activations import mish as mish
from nn.activations import prelu as prelu
from nn.activations import relu as relu
from nn.activations import relu6 as relu6
from nn.activations import selu as selu
from nn.activations import sigmoid as sigmoid
from nn.activations import silu as silu
from nn.activations import softmax as softmax
from nn.activations import softmin as softmin
from nn.activations import softplus as softplus
from nn.activations import softsign as softsign
from nn.activations import tanh as tanh
from nn.losses import beside
from nn.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from nn.losses import cross_entropy as cross_entropy
from nn.losses import hinge_loss as hinge_loss
from nn.losses import huber_loss as huber_loss
from nn.losses import kl_div as kl_div
from nn.losses import l1_loss as l1_loss
from nn.losses import mse_loss as mse_loss
from nn.losses import nll_loss as nll_loss
from nn.losses import smooth_l1_loss as smooth_l1_loss

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
    """x.T @ g"""
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


def _activated(name: str, function: Callable[[Any], Any], last: Callable[..., Any]) -> Callable[..., Any]:
    """Return the op of a linear layer that ends in an activation."""
    return primitive(
        lambda x, weight, bias: function(_linear(x, weight, bias)),
        *_LINEAR_RULES,
        last=last,
        name=f"linear_{name}",
    )


_ACTIVATED = {
    "relu": _activated("relu", lambda z: relu_of(z, out=z), through_relu),
    "sigmoid": _activated("sigmoid", sigmoid_of, through_sigmoid),
    "tanh": _activated("tanh", lambda z: np.tanh(z, out=z), through_tanh),
}

# ----------------------------------------------------------------------------------- normalisation


def normalize(x: ArrayLike, p: float = 2.0, axis: int | tuple[int, ...] = -1, eps: float = 1e-12) -> Any:
    """Return x over its p-norm along `axis`, or over `eps` where that is larger.

    p is positive, or inf. A norm of 0 has no gradient: a vector of zeros is merely divided by `eps`.
    """
    if p == np.inf:
        norm = np.max(np.abs(x), axis=axis, keepdims=True)
    elif p > 0:
        powers = np.square(x) if p == 2 else np.abs(x) ** p
        total = np.sum(powers, axis=axis, keepdims=True)
        is_zero = total == 0
        positive = np.where(is_zero, 1, total)
        norm = np.where(is_zero, 0, np.sqrt(positive) if p == 2 else positive ** (1 / p))
    else:
        raise ValueError(f"normalize needs a positive p; got {p}")
    return x / np.clip(norm, eps, None)


def layer_norm(
    x: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Any:
    """Return (x - mean) / sqrt(variance + eps) over the last axes, times weight, plus bias (Ba et al., 2016).

    `normalized_shape` is that of these axes, and of `weight` and `bias`. The variance is the biased one.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or np.shape(x)[-len(shape) :] != shape:
        lengths = ", ".join(map(str, shape))
        raise ValueError(
            f"layer_norm over {shape} needs an input of shape (..., {lengths}); got {np.shape(x)}"
        )
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and given.shape != shape:
            raise ValueError(f"layer_norm over {shape} needs a {name} of that shape; got {given.shape}")
    axes = tuple(range(-len(shape), 0))
    mean, variance = (f(x, axis=axes, keepdims=True) for f in (np.mean, np.var))
    return _affine((x - mean) / np.sqrt(variance + eps), weight, bias)


def batch_norm(
    x: ArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return (x - mean) / sqrt(variance + eps) by channel, times weight, plus bias (Ioffe & Szegedy, 2015).

    x has shape (N, C) or (N, C, ...), everything else (C,). In `training` the mean and the biased variance
    are those of x, and the running ones, unless None, move towards its mean and unbiased variance, in
    place, by `momentum` of the distance; otherwise they are the running ones.
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm needs an input of shape (N, C) or (N, C, ...); got {x.shape}")
    channels = x.shape[1]
    arrays = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, given in arrays.items():
        if given is not None and given.shape != (channels,):
            raise ValueError(
                f"batch_norm of shape {x.shape} has {channels} channels (axis 1) and needs a {name} of shape "
                f"({channels},); got {given.shape}"
            )
    by_channel = (channels, *(1,) * (x.ndim - 2))
    if training:
        count = x.shape[0] * prod(x.shape[2:])
        if count < 2:
            raise ValueError(
                "batch_norm needs more than 1 value per channel in training, and an input of shape "
                f"{x.shape} has {count}; give a larger batch, or use the running statistics: eval()"
            )
        axes = (0, *range(2, x.ndim))
        mean, variance = (f(x, axis=axes, keepdims=True) for f in (np.mean, np.var))
        _move(running_mean, mean, momentum)
        _move(running_var, variance * (count / (count - 1)), momentum)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm needs running_mean and running_var where it is not training")
    else:
        mean, variance = (np.reshape(values, by_channel) for values in (running_mean, running_var))
    weight, bias = (None if given is None else np.reshape(given, by_channel) for given in (weight, bias))
    return _affine((x - mean) / np.sqrt(variance + eps), weight, bias)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _move(running: Any, values: Any, momentum: float) -> None:
    """Move a running statistic towards the values of a batch, in place."""
    if running is None:
        return

    def move(array: Any, values: Any) -> None:
        array *= 1 - momentum
        array += momentum * values.reshape(array.shape)
        if isinstance(running, Tensor):
            running.data = running.data  # marked as changed

    callback(move, *(x.data if isinstance(x, Tensor) else x for x in (running, values)))


# --------------------------------------------------------------------------------------- embedding


def embedding(indices: ArrayLike, weight: ArrayLike, padding_idx: int | None = None) -> Any:
    """Return the rows of `weight`, (N, D), at integers `indices` of any shape: (..., D).

    No gradient flows to row `padding_idx`.
    """
    indices = indices if hasattr(indices, "dtype") else np.asarray(indices)
    count = weight.shape[0]
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"embedding of {count} rows needs integer indices from 0 to {count - 1}; got {indices.dtype} "
            f"of shape {indices.shape}"
        )
    indices = indices.data if isinstance(indices, Tensor) else indices
    callback(_check_indices, indices, count)
    rows = weight[indices]
    if padding_idx is None:
        return rows
    padding = np.expand_dims(beside(indices, weight) == padding_idx, -1)
    return np.where(padding, rows.data if isinstance(rows, Tensor) else rows, rows)


def _check_indices(indices: Any, count: int) -> None:
    if indices.size and not 0 <= indices.min() <= indices.max() < count:
        raise ValueError(
            f"embedding of {count} rows needs indices from 0 to {count - 1}; got indices from "
            f"{indices.min()} to {indices.max()}"
        )


# ----------------------------------------------------------------------------------------- dropout


def _draw_mask(
    *, generator: np.random.Generator, shape: tuple[int, ...], p: float, dtype: Any, like: Any = None
) -> Any:
    if p == 1:
        return np.zeros(shape, dtype, like=like)
    if like is not None:
        kept = _bits(generator, prod(shape), like) >= round(p * 2**32)
        return kept.reshape(shape).astype(dtype) * dtype.type(1 / (1 - p))
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


def _bits(generator: np.random.Generator, count: int, like: Any) -> Any:
    """Return so many random uint32 on the device of `like`: what a counter gives there, from a seed of here.

    So the generator's state is all there is to save. Steele et al., "Fast splittable pseudorandom number
    generators" (2014): SplitMix64.
    """
    z = np.arange(1, count // 2 + 2, dtype=np.uint64, like=like) * np.uint64(0x9E3779B97F4A7C15)
    z = z + generator.integers(0, 2**64, dtype=np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).view(np.uint32)[:count]


dropout_mask = primitive(_draw_mask, name="dropout_mask")


def dropout(x: ArrayLike, p: float, generator: np.random.Generator, training: bool = True) -> Any:
    """Set each element to 0 with probability `p` and scale the others by 1 / (1 - p).

    The scaling (inverted dropout; Srivastava et al., JMLR 15, 2014) keeps the expected value, so that
    nothing is left to do when not `training`: then x is returned as it is.
    """
    check_probability(p)
    if not training or p == 0:
        return x
    # An empty array tells where to draw as well as x, and does not keep that alive.
    elsewhere = {} if x.device == "cpu" else {"like": np.empty(0, x.dtype, like=x)}
    mask = dropout_mask(generator=generator, shape=x.shape, p=p, dtype=x.dtype, **elsewhere)
    return x * (mask if isinstance(x, Tensor) else mask.data)


def check_probability(p: float) -> None:
    """Raise ValueError unless `p` is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout needs a probability p between 0 and 1, not {p}")
