"""What the engine asks of an array library: the one file that may name another than NumPy."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from autograd.tracing import Array as Array
from autograd.tracing import TracedArray, by_dot


def keep_freed_memory() -> None:
    """Have the C library keep up to 64 MB of freed memory, so that the next arrays need no new pages.

    A graph is freed at once, and glibc would give its pages back to the system, to ask for them again, one
    by one, at the next: up to five times the cost of the arithmetic. glibc learns from what a program
    frees (mallopt(3), M_MMAP_THRESHOLD): after a block of 32 MB, its most, it keeps twice that. The block
    is never touched, so it takes no memory. Other C libraries, and an environment that sets MALLOC_*, are
    left as they are.
    """
    np.empty(2**25 - 2**14, np.uint8)


keep_freed_memory()


def as_array(value: Any) -> Array:
    """Return `value` as an array of numbers or booleans, sharing memory where it can."""
    array: Any = value if type(value) is TracedArray else np.asarray(value)
    if array.dtype.kind not in "fciub":
        raise TypeError(
            f"a Tensor holds numbers or booleans, and {type(value).__name__} "
            f"gives an array of dtype {array.dtype}; convert it first, e.g. with np.array(..., float)"
        )
    return array  # type: ignore[no-any-return]


def array_or_tensor(value: Any) -> Any:
    """Return an array or a Tensor as it is, and anything else (a number, a list of numbers) as an array."""
    return value if hasattr(value, "ndim") else as_array(value)


def broadcast_to(x: Any, shape: Any) -> Any:
    """Return np.broadcast_to(x, shape); a small array is copied, in a fifth of the time."""
    if type(x) is np.ndarray and type(shape) is tuple and x.ndim <= len(shape) and prod(shape) <= 4096:
        result = np.empty(shape, x.dtype)
        result[...] = x
        return result
    return np.broadcast_to(x, shape)


def matmul(a: Any, b: Any) -> Any:
    """Return a @ b; where that is a small vector or matrix by dot, in half the time of np.matmul.

    Of a large product of two threads, each computes half the rows: where these are few, they wait for each
    other so often that half the columns each take up to a tenth less of a training step. So the result is
    that of a transposed product, which lies in memory column by column.
    """
    if type(a) is np.ndarray and type(b) is np.ndarray and by_dot(a, b):
        return a.dot(b)
    if type(a) in _ARRAYS and type(b) in _ARRAYS and _has_few_rows(a, b):
        return (b.T @ a.T).T
    return a @ b


_ARRAYS = (np.ndarray, TracedArray)
FEW = 64
THREADED = 2**18  # multiplications, from which on OpenBLAS takes several threads


def _has_few_rows(a: Array, b: Array) -> bool:
    return (
        a.ndim == 2 == b.ndim
        and 1 < len(a) <= FEW
        and 2 * len(a) <= b.shape[1]
        and len(a) * b.size >= THREADED
        and not by_dot(a, b)
    )


def scatter_add(values: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Return zeros of `shape` to which `values` is added at `index`, duplicates adding up."""
    plain = type(values) is np.ndarray
    total = np.zeros(shape, values.dtype) if plain else np.zeros_like(values, shape=shape)
    if may_repeat(index):
        np.add.at(total, index, values)
    else:
        total[index] = values
    return total


_BASIC = (slice, int, type(None), type(Ellipsis))


def may_repeat(index: Any) -> bool:
    """Tell whether `index` can name an element twice: only arrays of integers can."""
    for part in index if isinstance(index, tuple) else (index,):
        if type(part) not in _BASIC and not isinstance(part, np.integer):
            array = part if hasattr(part, "dtype") else np.asarray(part)
            if array.dtype.kind in "iu":
                return True
    return False
