"""What the engine asks of an array library: the one file that may name another than NumPy."""

from __future__ import annotations

from functools import cache
from importlib import import_module
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
    kind: Any = type(value)
    own = kind is np.ndarray or kind is TracedArray or _is_foreign(kind)
    array: Any = value if own else np.asarray(value)
    if array.dtype.kind not in "fciub":
        raise TypeError(
            f"a Tensor holds numbers or booleans, and {type(value).__name__} "
            f"gives an array of dtype {array.dtype}; convert it first, e.g. with np.array(..., float)"
        )
    return array  # type: ignore[no-any-return]


@cache
def _is_foreign(kind: Any) -> bool:
    return (
        hasattr(kind, "__array_function__")
        and not issubclass(kind, np.ndarray)
        and kind is not TracedArray
        and kind.__module__ != "autograd.tensor"
    )


def is_foreign(value: Any) -> bool:
    """Tell whether a value is an array of another library than NumPy."""
    return _is_foreign(type(value))  # type: ignore[arg-type]


LIBRARIES = {"cuda": "cupy"}
"""The modules of other array libraries, by the names of their devices."""


def device_of(array: Any) -> str:
    """Return where an array, or a Tensor, is: "cpu", or for example "cuda:0"."""
    array = getattr(array, "_array", array)
    if not is_foreign(array):
        return "cpu"
    module = type(array).__module__.partition(".")[0]
    name = next((name for name, library in LIBRARIES.items() if library == module), module)
    number = getattr(getattr(array, "device", None), "id", None)
    return name if number is None else f"{name}:{number}"


def is_on(array: Any, device: str) -> bool:
    """Tell whether an array, or a Tensor, is on a device: "cpu", "cuda" (the same as "cuda:0"), "cuda:1"."""
    name, _, number = device.partition(":")
    known = name in LIBRARIES and (number.isdecimal() or device == name)
    if device != "cpu" and not known:
        raise ValueError(f'there is no device {device!r}; give "cpu", "cuda", or "cuda:1" for the second')
    return device_of(array).removesuffix(":0") == (device if name == "cpu" else device.removesuffix(":0"))


def to_device(array: Any, device: str) -> Any:
    """Return an array on a device, itself where it is there."""
    if is_on(array, device):
        return array
    values = array.get() if is_foreign(array) else array
    name, _, number = device.partition(":")
    if name == "cpu":
        return values
    library = _library(name)
    library.cuda.Device(int(number or 0)).use()  # what is computed from it is there, too
    return library.asarray(values)


def on_host(value: Any) -> Array:
    """Return the values of an array of any library, of a Tensor or a number, as an array of NumPy's."""
    value = getattr(value, "_array", value)
    array: Array = to_device(value, "cpu") if is_foreign(value) else np.asarray(value)
    return array


def _library(name: str) -> Any:
    try:
        return import_module(LIBRARIES[name])
    except ImportError as error:
        raise ImportError(
            f"the device {name!r} needs {LIBRARIES[name]}, which cannot be imported ({error}); "
            "pip install 'graphgrad[gpu]'"
        ) from error


def array_or_tensor(value: Any, x: Any = None) -> Any:
    """Return an array or a Tensor as it is, and a number or list of numbers as an array, in x's library."""
    return value if hasattr(value, "ndim") else as_array(value if x is None else np.asarray(value, like=x))


def arrays_or_tensors(*values: Any) -> list[Any]:
    """Return each as `array_or_tensor` does, in the library of the first that is an array or a Tensor."""
    first = next((x for x in values if hasattr(x, "__array_function__")), None)
    return [array_or_tensor(x, first) for x in values]


def full(shape: tuple[int, ...], value: Any, dtype: Any, like: Any) -> Any:
    """Return np.full(shape, value, dtype, like=like), which not all libraries take."""
    array = np.empty(shape, dtype, like=like)
    array[...] = value
    return array


def eye(rows: int, dtype: Any, like: Any, columns: int | None = None, k: int = 0) -> Any:
    """Return np.eye(rows, columns, k, dtype, like=like), which not all libraries take."""
    columns = rows if columns is None else columns
    if not is_foreign(getattr(like, "_array", like)):
        return np.eye(rows, columns, k, dtype)
    numbers = np.arange(max(rows, columns), like=like)
    return (numbers[:rows, None] + k == numbers[:columns]).astype(dtype)


def reduce(
    ufunc: np.ufunc, x: Any, axis: Any, keepdims: bool, initial: Any = None, where: Any = True, **dtype: Any
) -> Any:
    """Return ufunc.reduce(x, ...) of an array of another library: not all have it, or its options."""
    neutral = initial if ufunc.identity is None else ufunc.identity
    if where is not True:
        if neutral is None:
            raise ValueError(f"np.{ufunc.__name__}.reduce with where= needs initial=")
        x = np.where(np.asarray(where, like=x), x, neutral).astype(x.dtype)
    result = np.sum(x, axis=axis, keepdims=keepdims, **dtype)
    if not x.size and neutral is not None:
        result[...] = neutral
    elif ufunc is not np.add:
        result = REDUCTIONS[ufunc](x, axis=axis, keepdims=keepdims, **dtype)
    return result if initial is None else ufunc(result, initial).astype(result.dtype)


REDUCTIONS: dict[np.ufunc, Any] = {np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}


def accumulate(ufunc: np.ufunc, x: Any, axis: int) -> Any:
    """Return ufunc.accumulate(x, axis), which not all libraries have, of an associative ufunc."""
    if not is_foreign(x):
        return ufunc.accumulate(x, axis)
    x, reach = np.moveaxis(x, axis, 0), 1
    while reach < len(x):
        x = np.concatenate([x[:reach], ufunc(x[reach:], x[:-reach])])
        reach *= 2
    return np.moveaxis(x, 0, axis)


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
