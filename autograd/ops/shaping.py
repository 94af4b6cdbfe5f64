"""The derivative table of NumPy's functions that rearrange, join and repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import backend
from autograd.ops.indexing import scatter
from autograd.primitives import each, implements, primitive
from autograd.tensor import not_differentiated


def _reshape_rule(g: Any, y: Any, x: Any, *, shape: Any, order: str = "C") -> Any:
    return g.reshape(x.shape) if order == "C" else np.reshape(g, x.shape, order=_fixed(order))


def _ravel_rule(g: Any, y: Any, x: Any, *, order: str = "C") -> Any:
    return np.reshape(g, x.shape, order=_fixed(order))


def _fixed(order: str) -> Any:
    if order not in ("C", "F"):
        raise ValueError(
            f"order={order!r} depends on how the array lies in memory, so it has no gradient rule; "
            "use order='C' or 'F'"
        )
    return order


def _transpose_rule(g: Any, y: Any, x: Any, *, axes: Any = None) -> Any:
    return np.transpose(g, None if axes is None else np.argsort([axis % x.ndim for axis in axes]))


copy = primitive(np.copy, lambda g, y, x: g)
_reshape = primitive(
    lambda x, *, shape, order="C": x.reshape(shape) if order == "C" else x.reshape(shape, order=order),
    _reshape_rule,
    name="reshape",
)


@implements(np.reshape)  # NumPy has renamed the second argument
def reshape(x: Any, shape: Any, order: str = "C", **others: Any) -> Any:
    """Return the elements of x in another shape, in C's or Fortran's order."""
    if others:
        raise not_differentiated(f"np.reshape with {', '.join(others)}=")
    return _reshape(x, shape=shape) if order == "C" else _reshape(x, shape=shape, order=order)


ravel = primitive(np.ravel, _ravel_rule)
squeeze = primitive(np.squeeze, lambda g, y, x, *, axis=None: g.reshape(x.shape))
expand_dims = primitive(np.expand_dims, lambda g, y, x, *, axis: g.reshape(x.shape))
broadcast_to = primitive(
    lambda x, *, shape: backend.broadcast_to(x, shape), lambda g, y, x, *, shape: g, numpy=np.broadcast_to
)
transpose = primitive(np.transpose, _transpose_rule)
swapaxes = primitive(np.swapaxes, lambda g, y, x, *, axis1, axis2: np.swapaxes(g, axis1, axis2))
moveaxis = primitive(np.moveaxis, lambda g, y, x, *, source, destination: np.moveaxis(g, destination, source))


def _concatenate_rule(i: int, g: Any, y: Any, *arrays: Any, axis: int) -> Any:
    axis %= y.ndim
    start = sum(x.shape[axis] for x in arrays[:i])
    return g[(slice(None),) * axis + (slice(start, start + arrays[i].shape[axis]),)]


def _stack_rule(i: int, g: Any, y: Any, *arrays: Any, axis: int) -> Any:
    return g[(slice(None),) * (axis % y.ndim) + (i,)]


_concatenate = primitive(
    lambda *arrays, axis: np.concatenate(arrays, axis=axis),
    each(_concatenate_rule),
    name="concatenate",
)
_stack = primitive(lambda *arrays, axis: np.stack(arrays, axis=axis), each(_stack_rule), name="stack")


@implements(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    """Join arrays along an axis that exists; with axis=None, flattened."""
    if axis is None:
        return _concatenate(*(np.ravel(x) for x in arrays), axis=0)
    return _concatenate(*arrays, axis=axis)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis."""
    return _stack(*arrays, axis=axis)


def _repeat_rule(g: Any, y: Any, x: Any, *, repeats: Any, axis: int | None = None) -> Any:
    """Add up the gradients of the copies."""
    if axis is None or x.ndim == 0:
        flat = scatter(g, shape=(x.size,), index=np.repeat(np.arange(x.size), repeats))
        return np.reshape(flat, x.shape)
    copies = np.repeat(np.arange(x.shape[axis]), repeats)
    return scatter(g, shape=x.shape, index=(slice(None),) * (axis % x.ndim) + (copies,))


repeat = primitive(np.repeat, _repeat_rule)
