"""The derivative table of indexing: reading from places, adding to them, and setting them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd.backend import array_or_tensor, arrays_or_tensors, may_repeat, scatter_add
from autograd.primitives import implements, primitive
from autograd.recording import callback
from autograd.tensor import Tensor


def _plain(index: Any) -> Any:
    """Return an index with the Tensors in it replaced by their values."""
    if isinstance(index, tuple):
        return tuple(_plain(part) for part in index)
    return index.__array__() if type(index) is Tensor else index


# Each is the other's gradient.
scatter = primitive(scatter_add, lambda g, y, x, *, shape, index: g[index], name="scatter")
_getitem = primitive(
    lambda x, *, index: x[index],
    lambda g, y, x, *, index: scatter(g, shape=x.shape, index=index),
    name="getitem",
)


def getitem(x: Any, index: Any) -> Any:
    """Return `x[index]` for any index that NumPy takes; what is read twice adds up in the gradient."""
    return _getitem(x, index=_plain(index))


def along(part: Any, axis: int, ndim: int) -> tuple[Any, ...]:
    """Return the index of `part` of one axis, and everything of the others."""
    return (*(slice(None),) * normalize_axis_index(axis, ndim), part)


def laid_along(vector: Any, axis: int, ndim: int) -> Any:
    """Return a vector in a shape that broadcasts along one axis of an array."""
    return np.reshape(vector, (-1, *(1,) * (ndim - 1 - axis % ndim)))


# ------------------------------------------------------------------------------ functional updates


def _with_set(x: Any, value: Any, *, index: Any) -> Any:
    y = np.copy(x)
    y[index] = value
    return y


def _with_added(x: Any, value: Any, *, index: Any) -> Any:
    y = np.copy(x)
    if may_repeat(index):
        np.add.at(y, index, value)
    else:
        y[index] += value
    return y


def _remaining(value: Any, y: Any, index: Any) -> Any:
    """Return the gradient by what was set: 0 where something else has been set at the same place later."""
    if not may_repeat(index):
        return value
    places = np.zeros(y.shape, np.intp, like=y)
    numbers = np.arange(value.size, like=y).reshape(value.shape)
    places[index] = numbers
    return np.where(places[index] == numbers, value, 0)


_set_at = primitive(
    _with_set,
    lambda g, y, x, value, *, index: set_at(g, index, 0.0),
    lambda g, y, x, value, *, index: _remaining(g[index], y, index),
    name="set_at",
)
_add_at = primitive(
    _with_added,
    lambda g, y, x, value, *, index: g,
    lambda g, y, x, value, *, index: g[index],
    name="add_at",
)


def set_at(x: Any, index: Any, value: Any) -> Any:
    """Return a copy of x with `x[index] = value`; of what is set twice at a place, the last counts."""
    return _updated(_set_at, x, index, value)


def add_at(x: Any, index: Any, value: Any) -> Any:
    """Return a copy of x with `value` added at `index`; what is added twice at a place adds up."""
    return _updated(_add_at, x, index, value)


def _updated(op: Any, x: Any, index: Any, value: Any) -> Any:
    x = array_or_tensor(x)
    if type(value) not in (int, float, complex, bool):
        value = array_or_tensor(value, x)
        if not np.can_cast(value.dtype, x.dtype, "same_kind"):
            raise TypeError(
                f"{op.__name__} would cast {value.dtype} values to {x.dtype}, the dtype of what is changed; "
                f"convert that first, with x.astype({value.dtype})"
            )
    return op(x, value, index=_plain(index))


# -------------------------------------------------------------------------------- in terms of these


@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    """Return the elements (along an axis) that indices number; modes are NumPy's raise, wrap and clip."""
    a, indices = array_or_tensor(a), array_or_tensor(_plain(indices))
    if indices.dtype == np.bool_ or not indices.size:
        indices = indices.astype(np.intp)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"np.take has the modes raise, wrap and clip, not {mode!r}")
    if axis is None:
        a, axis = np.ravel(a), 0
    elif a.ndim == 0:
        a = np.reshape(a, (1,))
    size = a.shape[axis]
    if mode == "wrap":
        indices = indices % size
    elif mode == "clip":
        indices = np.clip(indices, 0, size - 1)
    return getitem(a, along(indices, axis, a.ndim))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return along an axis, for each place of `indices`, the element that it numbers."""
    indices = array_or_tensor(_plain(indices))
    if axis is None:
        arr, axis = np.ravel(arr), 0
    if indices.ndim != arr.ndim:
        raise ValueError(
            f"np.take_along_axis needs indices of as many axes as the array {arr.shape}, not {indices.shape}"
        )
    axis = normalize_axis_index(axis, arr.ndim)
    grid = np.ogrid[tuple(slice(n) for n in arr.shape)] if arr.ndim > 1 else [None]
    return getitem(arr, (*grid[:axis], indices, *grid[axis + 1 :]))


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Return the elements (along an axis) for which a condition, of one axis, holds."""
    if np.ndim(condition) != 1:
        raise ValueError(f"np.compress takes a condition of one axis, not of {np.ndim(condition)}")
    return take(a, np.flatnonzero(condition), axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """Return the elements for which a condition holds."""
    return take(arr, np.flatnonzero(condition))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Return at each place the first choice whose condition holds there."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            "np.select needs as many conditions as choices, at least one; got "
            f"{len(condlist)} and {len(choicelist)}"
        )
    kinds = [array_or_tensor(condition).dtype for condition in condlist]
    if any(kind != np.bool_ for kind in kinds):
        raise TypeError(f"np.select takes conditions that are booleans, not {', '.join(map(str, kinds))}")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


@implements(np.choose)
def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """Return at each place the choice that `a` numbers there."""
    a, *_ = arrays_or_tensors(_plain(a), *choices)
    count = len(choices)
    if mode == "wrap":
        a = a % count
    elif mode == "clip":
        a = np.clip(a, 0, count - 1)
    else:
        callback(_check_choices, a, count)
    return select([a == number for number in range(count)], list(choices), choices[-1])


def _check_choices(a: Any, count: int) -> None:
    if np.any((a < 0) | (a >= count)):
        raise ValueError(f"np.choose with {count} choices was given numbers from {a.min()} to {a.max()}")
