"""The derivative table of NumPy's functions that rearrange, repeat and pad."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import backend
from autograd.backend import arrays_or_tensors
from autograd.ops.elementwise import where
from autograd.ops.indexing import along, getitem, scatter, take
from autograd.ops.reductions import normalized, order_of
from autograd.primitives import implements, primitive
from autograd.tensor import Tensor


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
    return np.transpose(g, None if axes is None else order_of(normalized(axes, x.ndim)))


copy = primitive(np.copy, lambda g, y, x: g)
_reshape = primitive(
    lambda x, *, shape, order="C": x.reshape(shape) if order == "C" else x.reshape(shape, order=order),
    _reshape_rule,
    name="reshape",
)


@implements(np.reshape)  # NumPy has renamed the second argument
def reshape(a: Any, shape: Any, order: str = "C") -> Any:
    """Return the elements of `a` in another shape, in C's or Fortran's order."""
    return _reshape(a, shape=shape) if order == "C" else _reshape(a, shape=shape, order=order)


ravel = primitive(np.ravel, _ravel_rule)
squeeze = primitive(np.squeeze, lambda g, y, x, *, axis=None: g.reshape(x.shape))
expand_dims = primitive(np.expand_dims, lambda g, y, x, *, axis: g.reshape(x.shape))
broadcast_to = primitive(
    lambda x, *, shape: backend.broadcast_to(x, shape), lambda g, y, x, *, shape: g, numpy=np.broadcast_to
)
transpose = primitive(np.transpose, _transpose_rule)
swapaxes = primitive(np.swapaxes, lambda g, y, x, *, axis1, axis2: np.swapaxes(g, axis1, axis2))
moveaxis = primitive(np.moveaxis, lambda g, y, x, *, source, destination: np.moveaxis(g, destination, source))


def _repeat_rule(g: Any, y: Any, x: Any, *, repeats: Any, axis: int | None = None) -> Any:
    """Add up the gradients of the copies."""
    if axis is None or x.ndim == 0:
        flat = scatter(g, shape=(x.size,), index=np.repeat(np.arange(x.size), repeats))
        return np.reshape(flat, x.shape)
    copies = np.repeat(np.arange(x.shape[axis]), repeats)
    return scatter(g, shape=x.shape, index=(slice(None),) * (axis % x.ndim) + (copies,))


repeat = primitive(np.repeat, _repeat_rule)


# -------------------------------------------------------------------------------- in terms of these


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move an axis back, until it lies before `start`."""
    numbered = np.broadcast_to(0, range(1, a.ndim + 1))  # axes as long as their numbers, to be found again
    return np.transpose(a, [n - 1 for n in np.rollaxis(numbered, axis, start).shape])


def matrix_transpose(x: Any) -> Any:
    """Exchange the last two axes."""
    if x.ndim < 2:
        raise ValueError(f"a matrix transpose needs at least two axes, and the shape is {x.shape}")
    return np.swapaxes(x, -1, -2)


implements(np.matrix_transpose, np.linalg.matrix_transpose)(matrix_transpose)


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order along axes, or along all."""
    axes = normalized(axis, m.ndim)
    return getitem(m, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim)))


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """Reverse the order along axis 1."""
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """Reverse the order along axis 0."""
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turn by k right angles in the plane of two axes, from the first towards the second."""
    if len(axes) != 2:
        raise ValueError(f"np.rot90 takes two axes, not {axes}")
    axes = normalized(tuple(axes), m.ndim)
    k %= 4
    if k == 2:
        return flip(m, axes)
    if k == 1:
        return np.swapaxes(flip(m, axes[1]), *axes)
    return flip(np.swapaxes(m, *axes), axes[1]) if k else m


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Move elements along axes, those that leave at the end to the beginning."""
    if axis is None:
        return np.reshape(roll(np.ravel(a), shift, 0), a.shape)
    for places, i in zip(*np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis)), strict=True):
        n = a.shape[i]
        start = -int(places) % n if n else 0
        if start:
            parts = [getitem(a, along(part, i, a.ndim)) for part in (slice(start, None), slice(start))]
            a = np.concatenate(parts, axis=int(i))
    return a


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """Repeat an array along each axis."""
    counts = tuple(reps) if np.ndim(reps) else (reps,)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + A.shape
    pairs = [size for n, count in zip(shape, counts, strict=True) for size in (count, n)]
    ones = [size for n in shape for size in (1, n)]
    copies = np.broadcast_to(np.reshape(A, ones), tuple(pairs))
    return np.reshape(copies, tuple(n * count for n, count in zip(shape, counts, strict=True)))


@implements(np.pad)
def pad(
    array: Any,
    pad_width: Any,
    mode: str = "constant",
    *,
    constant_values: Any = 0,
    reflect_type: str = "even",
) -> Any:
    """Put something around an array: a constant, or its own elements (edge, reflect, symmetric, wrap)."""
    widths = _widths(pad_width, array.ndim)
    if mode == "constant":
        inside = tuple(slice(before, before + n) for (before, _), n in zip(widths, array.shape, strict=True))
        shape = tuple(n + sum(width) for width, n in zip(widths, array.shape, strict=True))
        padded = scatter(array, shape=shape, index=inside)
        if type(constant_values) in (int, float) and constant_values == 0:
            return padded
        around = np.pad(
            np.zeros(array.shape, array.dtype, like=array), widths, constant_values=constant_values
        )
        return padded + around
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise ValueError(
            f"np.pad with mode={mode!r}, reflect_type={reflect_type!r} is not differentiated; there are the "
            "modes constant, edge, reflect, symmetric and wrap"
        )
    for axis, (width, n) in enumerate(zip(widths, array.shape, strict=True)):
        if width != (0, 0):
            array = take(array, np.pad(np.arange(n), width, mode), axis)  # type: ignore[call-overload]
    return array


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """Return the numbers of elements before and after, for each axis."""
    if isinstance(pad_width, dict):
        given = {axis % ndim: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(ndim)]
    return [(int(before), int(after)) for before, after in np.broadcast_to(pad_width, (ndim, 2))]


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Return all arrays in the shape to which they broadcast."""
    arrays = arrays_or_tensors(*args)
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(np.broadcast_to(x, shape) for x in arrays)


@implements(np.meshgrid)
def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return coordinates of a grid, one array for each vector of coordinates."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid takes indexing 'xy' or 'ij', not {indexing!r}")
    ndim = len(xi)
    places = list(range(ndim))
    if indexing == "xy" and ndim > 1:
        places[:2] = 1, 0
    vectors = [
        np.reshape(x, (1,) * place + (-1,) + (1,) * (ndim - 1 - place))
        for x, place in zip(arrays_or_tensors(*xi), places, strict=True)
    ]
    return tuple(vectors) if sparse else broadcast_arrays(*vectors)


def _at_least(ndim: int, function: Any) -> Any:
    def atleast(*arys: Any) -> Any:
        results = []
        for x in arrays_or_tensors(*arys):
            if ndim == 3 and x.ndim == 2:
                results.append(np.reshape(x, (*x.shape, 1)))
            elif ndim == 3 and x.ndim == 1:
                results.append(np.reshape(x, (1, *x.shape, 1)))
            else:
                results.append(np.reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x)
        return results[0] if len(results) == 1 else tuple(results)

    atleast.__doc__ = f"Return arrays with at least {ndim} axes."
    return implements(function)(atleast)


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3), (np.atleast_1d, np.atleast_2d, np.atleast_3d))


@implements(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Return an array like `a` filled with one value, to which the gradient flows."""
    a, fill_value = arrays_or_tensors(a, fill_value)
    dtype = np.dtype(a.dtype if dtype is None else dtype)
    fill = fill_value if fill_value.dtype == dtype else fill_value.astype(dtype)
    filled = np.broadcast_to(fill, a.shape if shape is None else shape)
    return filled if isinstance(filled, Tensor) else Tensor(filled.copy())


# ---------------------------------------------------------------------------------------- diagonals


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonals of the matrices of two axes, as the last axis."""
    if a.ndim < 2:
        raise ValueError(f"a diagonal needs at least two axes, and the shape is {a.shape}")
    matrices = np.moveaxis(a, (axis1, axis2), (-2, -1))
    return getitem(matrices, (..., *_diagonal_places(matrices.shape[-2], matrices.shape[-1], offset)))


def _diagonal_places(rows: int, columns: int, offset: int) -> tuple[Any, Any]:
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    places = np.arange(count)
    return places + max(-offset, 0), places + max(offset, 0)


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sums of diagonals."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """Return a matrix with all the elements of v on a diagonal."""
    return diag(np.ravel(v), k)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Return the matrix with v on a diagonal, or the diagonal of a matrix."""
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"np.diag takes one axis or two, and the shape is {v.shape}")
    n = v.size + abs(k)
    return scatter(v, shape=(n, n), index=_diagonal_places(n, n, k))


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """Return a copy with zeros above the k-th diagonal."""
    return where(_lower(m, k), m, np.zeros((), m.dtype, like=m))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """Return a copy with zeros below the k-th diagonal."""
    return where(_lower(m, k - 1), np.zeros((), m.dtype, like=m), m)


def _lower(m: Any, k: int) -> Any:
    rows, columns = (m.shape * 2)[-2:]  # a vector stands for each row of a square
    return np.tri(rows, columns, k, bool, like=m)


@implements(np.linalg.diagonal)
def _linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def _linalg_trace(x: Any, *, offset: int = 0) -> Any:
    return trace(x, offset, -2, -1)
