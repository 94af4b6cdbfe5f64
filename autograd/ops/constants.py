"""NumPy's functions that answer with plain values: nothing flows back through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.primitives import implements
from autograd.tensor import values_of


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def on_values(*args: Any, **kwargs: Any) -> Any:
        return function(
            *map(values_of, args),
            **{word: values_of(x) for word, x in kwargs.items()},
        )

    return on_values


less, less_equal, greater, greater_equal, equal, not_equal, argmax, argmin = (
    implements(function)(_plain(function))
    for function in (
        np.less,
        np.less_equal,
        np.greater,
        np.greater_equal,
        np.equal,
        np.not_equal,
        np.argmax,
        np.argmin,
    )
)

for _function in (
    np.isnan,
    np.isinf,
    np.isfinite,
    np.signbit,
    np.logical_and,
    np.logical_or,
    np.logical_not,
    np.logical_xor,
    np.isclose,
    np.allclose,
    np.array_equal,
    np.all,
    np.any,
    np.count_nonzero,
    np.nonzero,
    np.flatnonzero,
    np.argwhere,
    np.argsort,
    np.argpartition,
    np.searchsorted,
    np.digitize,
    np.nanargmax,
    np.nanargmin,
    np.iscomplex,
    np.isreal,
    np.iscomplexobj,
    np.isrealobj,
    np.isposinf,
    np.isneginf,
    np.array_equiv,
    np.linalg.matrix_rank,
    np.shape,
    np.ndim,
    np.size,
    np.result_type,
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.array2string,
    np.array_repr,
    np.array_str,
):
    implements(_function)(_plain(_function))


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """Return the order by the last of several keys, and where that is equal by those before."""
    return np.lexsort(tuple(map(values_of, keys)), axis)
