"""The derivative table of joining arrays, and of taking them apart."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from autograd.backend import arrays_or_tensors
from autograd.ops.indexing import along, getitem, take
from autograd.ops.shaping import atleast_1d, atleast_2d, atleast_3d
from autograd.primitives import each, implements, primitive


def _concatenate_rule(i: int, g: Any, y: Any, *arrays: Any, axis: int) -> Any:
    """The part of g where this input went."""
    start = sum(x.shape[axis] for x in arrays[:i])
    return g[along(slice(start, start + arrays[i].shape[axis]), axis, y.ndim)]


def _stack_rule(i: int, g: Any, y: Any, *arrays: Any, axis: int) -> Any:
    return g[along(i, axis, y.ndim)]


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


def _several(function: Any, *arrays: Any) -> Any:
    results = function(*arrays)
    return results if len(arrays) > 1 else [results]


@implements(np.hstack)
def hstack(tup: Any) -> Any:
    """Join arrays along their second axis, or vectors along their first."""
    arrays = _several(atleast_1d, *tup)
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


@implements(np.vstack)
def vstack(tup: Any) -> Any:
    """Join arrays along their first axis, vectors as rows."""
    return concatenate(_several(atleast_2d, *tup), 0)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """Join arrays along their third axis."""
    return concatenate(_several(atleast_3d, *tup), 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Join arrays along their second axis, vectors as columns."""
    arrays = arrays_or_tensors(*tup)
    return concatenate([np.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in arrays], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join values to the end of an array, along an axis or flattened."""
    return concatenate([arr, values], axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    """Join nested lists of blocks: the innermost along the last axis, the others along those before."""
    depth = _depth(arrays)
    leaves = arrays_or_tensors(*_leaves(arrays))
    ndim = max(depth, *(x.ndim for x in leaves))
    parts = iter(leaves)

    def joined(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return concatenate([joined(branch, level + 1) for branch in part], axis=level - depth)
        x = next(parts)
        return np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)

    return joined(arrays, 0)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(branch) for branch in arrays}
    if len(depths) != 1:
        raise ValueError(
            "np.block takes lists that are nested equally deep, and none that is empty; got depths "
            f"{sorted(depths)} side by side"
        )
    return depths.pop() + 1


def _leaves(arrays: Any) -> list[Any]:
    if not isinstance(arrays, list):
        return [arrays]
    return [leaf for branch in arrays for leaf in _leaves(branch)]


# -------------------------------------------------------------------------------------------- apart


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Take apart along an axis, in a number of parts (the first one longer, if need be) or at places."""
    n = ary.shape[axis]
    if np.ndim(indices_or_sections):
        places = [0, *(int(i) for i in indices_or_sections), n]
    else:
        sections = int(indices_or_sections)
        if sections < 1:
            raise ValueError(f"the number of sections must be at least 1, not {sections}")
        each_has, longer = divmod(n, sections)
        places = [0, *accumulate(each_has + (i < longer) for i in range(sections))]
    return [getitem(ary, along(slice(*ends), axis, ary.ndim)) for ends in pairwise(places)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Take apart along an axis, in a number of equal parts or at places."""
    if not np.ndim(indices_or_sections) and ary.shape[axis] % indices_or_sections:
        raise ValueError(
            f"np.split of {ary.shape[axis]} in {indices_or_sections} parts: they would not be equal; "
            "use np.array_split"
        )
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Take apart along the second axis, or a vector along its first."""
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Take apart along the first of at least two axes."""
    return split(_with_axes(ary, 2, "np.vsplit"), indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Take apart along the third axis."""
    return split(_with_axes(ary, 3, "np.dsplit"), indices_or_sections, 2)


def _with_axes(ary: Any, ndim: int, name: str) -> Any:
    if ary.ndim < ndim:
        raise ValueError(f"{name} takes arrays of {ndim} or more axes, and the shape is {ary.shape}")
    return ary


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Return an array without the elements (along an axis) at the places obj."""
    if axis is None:
        arr, axis = np.ravel(arr), 0
    return take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


if hasattr(np, "unstack"):  # NumPy 2.1

    @implements(np.unstack)
    def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
        """Return the parts along an axis."""
        return tuple(np.moveaxis(x, axis, 0))
