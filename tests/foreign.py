"""An array library other than NumPy, which shows what would leave a GPU.

Its arrays speak NumPy's protocols, as CuPy's do, of which it refuses what CuPy 14 refuses: to become NumPy's
arrays and to be computed with them (host arrays may be indices, and `asarray` takes them), to reduce and
accumulate by other ufuncs than add and multiply, or with options, and `like=` where NumPy passes on more than
CuPy takes. What CuPy answers only after waiting for the device (the truth of an array, a number, its values,
how many of a mask are true) is noted in `waits`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

waits: list[str] = []
NUMBERS = (int, float, complex, np.generic)
used: list[int] = []
"""The numbers of the devices that were made the current one."""
cuda = SimpleNamespace(Device=lambda number: SimpleNamespace(use=lambda: used.append(number)))


class ForeignArray(NDArrayOperatorsMixin):
    """An array of another library."""

    __slots__ = ("_values", "base")
    __hash__ = None  # type: ignore[assignment]
    device = "foreign"

    def __init__(self, values: np.ndarray, base: Any = None) -> None:
        self._values = values
        self.base = base

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        operands = inputs[:1] + inputs[2:] if method == "at" else inputs[: ufunc.nin]
        if not all(isinstance(x, (ForeignArray, np.ndarray, *NUMBERS)) for x in operands):
            return NotImplemented
        _refuse_as_cupy(ufunc, method, kwargs)
        return _call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not all(issubclass(kind, (ForeignArray, np.ndarray)) for kind in types):
            return NotImplemented
        return _call(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("implicit conversion to an array of NumPy's")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # __array_interface__ and the like
            raise AttributeError(name)
        value = getattr(self._values, name)
        if name in ("data", "flat"):
            raise AttributeError(f"{name} is no array in CuPy")
        if name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides", "flags"):
            return value
        if isinstance(value, np.ndarray):
            return ForeignArray(value, self)
        if name in ("item", "tolist", "tobytes"):
            waits.append(name)
            return value
        return lambda *args, **kwargs: _call(getattr(np.ndarray, name), (self, *args), kwargs)

    def __getitem__(self, index: Any) -> Any:
        _note_masks(index)
        return _call(np.ndarray.__getitem__, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        _note_masks(index)
        _call(np.ndarray.__setitem__, (self, index, value), {})

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"foreign {self._values!r}"

    def get(self) -> np.ndarray:
        """Return the values on the host."""
        waits.append("get")
        return self._values.copy()


def _waiting(name: str) -> Callable[[ForeignArray], Any]:
    def method(self: ForeignArray) -> Any:
        waits.append(name)
        return getattr(self._values, name)()

    return method


for _name in ("__bool__", "__float__", "__int__", "__complex__"):
    setattr(ForeignArray, _name, _waiting(_name))


def asarray(values: Any) -> ForeignArray:
    """Return values, of the host too, as an array of this library."""
    return values if type(values) is ForeignArray else ForeignArray(np.array(values))


CREATING = {np.asarray, np.array, np.zeros, np.empty, np.tri, np.arange}  # others are given a device=, too
SCATTERING = {np.add, np.subtract, np.maximum, np.minimum}


def _refuse_as_cupy(ufunc: np.ufunc, method: str, kwargs: dict[str, Any]) -> None:
    known = {"out", "dtype", "casting"} if method == "__call__" else {"out", "dtype", "axis", "keepdims"}
    options = set(kwargs) - known
    if options and method in ("__call__", "reduce"):
        raise TypeError(f"{ufunc.__name__} takes no {', '.join(options)}=")
    if method == "at" and ufunc not in SCATTERING:
        raise NotImplementedError(f"{ufunc.__name__}.at")
    if method in ("reduce", "accumulate") and ufunc not in (np.add, np.multiply):
        raise NotImplementedError(f"{ufunc.__name__}.{method}")


def _note_masks(index: Any) -> None:
    for part in index if isinstance(index, tuple) else (index,):
        if type(part) is ForeignArray and part.dtype.kind == "b":
            waits.append("mask")


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function of NumPy's on the values, and return arrays of this library."""
    if function in CREATING:
        if function is np.asarray and type(args[0]) is ForeignArray:
            return args[0]
        return asarray(function(*args, **kwargs))
    if function in (np.ones, np.full, np.eye, np.identity):
        raise TypeError(f"unexpected keyword argument 'device' of {function.__name__}")
    if function is np.array_equal:
        waits.append("array_equal")
    indexing = function in (np.ndarray.__getitem__, np.ndarray.__setitem__) or function.__name__ == "at"
    plain = [_plain(x, function, host=indexing and number == 1) for number, x in enumerate(args)]
    value = function(*plain, **{word: _plain(x, function) for word, x in kwargs.items()})
    if kwargs.get("out") is not None:
        return kwargs["out"][0] if isinstance(kwargs["out"], tuple) else kwargs["out"]
    return _foreign(value, args[0])


def _plain(tree: Any, function: Callable[..., Any], host: bool = False) -> Any:
    if type(tree) is ForeignArray:
        return tree._values
    if isinstance(tree, np.ndarray) and not host:
        raise TypeError(f"unsupported type numpy.ndarray in {function.__name__}")
    if type(tree) in (list, tuple):
        return type(tree)(_plain(part, function, host) for part in tree)
    return tree


def _foreign(value: Any, owner: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ForeignArray(value, owner if value.base is not None else None)
    if isinstance(value, np.generic):  # there are no single numbers on the device
        return ForeignArray(np.asarray(value))
    if isinstance(value, (tuple, list)):
        parts = [_foreign(part, owner) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
