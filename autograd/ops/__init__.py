"""The ops, one file per family, bound here to Tensor's operators and methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.backend import arrays_or_tensors
from autograd.backward import backward
from autograd.ops import (
    constants,
    cumulative,
    elementwise,
    indexing,
    joining,
    linear_algebra,
    ordering,
    reductions,
    shaping,
)
from autograd.tensor import Tensor, families, implementations, not_differentiated

__all__ = [
    "constants",
    "cumulative",
    "elementwise",
    "indexing",
    "joining",
    "linear_algebra",
    "ordering",
    "reductions",
    "shaping",
]

families |= {
    "numpy.fft": "autograd.ops.fourier",
    "numpy.linalg": "autograd.ops.decompositions",
    "scipy.special": "autograd.ops.special",
}


def _reflected(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda b, a: op(a, b)


def _reduce(ufunc: np.ufunc, op: Any) -> None:
    """Have ufunc.reduce do what the op does: its axis is the first unless another is given."""

    def reduce(array: Any, axis: Any = 0, **options: Any) -> Any:
        options = {word: value for word, value in options.items() if value is not None}
        unknown = [word for word in options if word not in op.op.keywords]
        if unknown:
            raise not_differentiated(f"np.{ufunc.__name__}.reduce with {', '.join(unknown)}=")
        return op(array, axis=axis, **options)

    implementations[ufunc, "reduce"] = reduce


_reduce(np.add, reductions.sum)
_reduce(np.multiply, reductions.prod)
_reduce(np.maximum, reductions.max)
_reduce(np.minimum, reductions.min)


def _outer(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return what ufunc.outer does: the function of all pairs of elements."""
    function = implementations[ufunc]

    def outer(a: Any, b: Any, **options: Any) -> Any:
        if options:
            raise not_differentiated(f"np.{ufunc.__name__}.outer with {', '.join(options)}=")
        a, b = arrays_or_tensors(a, b)
        return function(shaping.reshape(a, (*a.shape, *(1,) * b.ndim)), b)

    return outer


for _ufunc in [
    key for key in implementations if isinstance(key, np.ufunc) and key.nin == 2 and key.signature is None
]:
    implementations[_ufunc, "outer"] = _outer(_ufunc)


def _power(x: Any, exponent: Any) -> Any:
    """Return x ** exponent, squares by the op that is made for them."""
    if type(exponent) in (int, float) and exponent == 2:
        return elementwise.square(x)
    return elementwise.power(x, exponent)


def _reducing(op: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method with the parameters that are used most; others are NumPy's function's."""

    def method(self: Tensor, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        if options:
            return function(self, axis=axis, keepdims=keepdims, **options)
        if keepdims:
            return op(self, axis=axis, keepdims=keepdims)
        return op(self) if axis is None else op(self, axis=axis)

    return method


def _spreading(op: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def method(
        self: Tensor, axis: Any = None, ddof: float = 0, keepdims: bool = False, **options: Any
    ) -> Any:
        if options:
            return function(self, axis=axis, ddof=ddof, keepdims=keepdims, **options)
        return op(self, axis=axis, ddof=ddof, keepdims=keepdims)

    return method


def _several(values: tuple[Any, ...]) -> Any:
    """Return the arguments of t.reshape(2, 3) and of t.reshape((2, 3)) as one tuple."""
    return values[0] if len(values) == 1 else values


_methods: dict[str, Any] = {
    "backward": backward,
    "__add__": elementwise.add,
    "__radd__": _reflected(elementwise.add),
    "__sub__": elementwise.subtract,
    "__rsub__": _reflected(elementwise.subtract),
    "__mul__": elementwise.multiply,
    "__rmul__": _reflected(elementwise.multiply),
    "__truediv__": elementwise.divide,
    "__rtruediv__": _reflected(elementwise.divide),
    "__pow__": _power,
    "__rpow__": _reflected(elementwise.power),
    "__floordiv__": elementwise.floor_divide,
    "__rfloordiv__": _reflected(elementwise.floor_divide),
    "__mod__": elementwise.remainder,
    "__rmod__": _reflected(elementwise.remainder),
    "__divmod__": elementwise.divmod,
    "__rdivmod__": _reflected(elementwise.divmod),
    "__round__": lambda self, ndigits=0: elementwise.round(self, decimals=ndigits),
    "__matmul__": linear_algebra.matmul,
    "__rmatmul__": _reflected(linear_algebra.matmul),
    "__neg__": elementwise.negative,
    "__pos__": elementwise.positive,
    "__abs__": elementwise.absolute,
    "__lt__": constants.less,
    "__le__": constants.less_equal,
    "__gt__": constants.greater,
    "__ge__": constants.greater_equal,
    "__eq__": constants.equal,
    "__ne__": constants.not_equal,
    "__getitem__": indexing.getitem,
    "T": property(shaping.transpose, doc="The axes reversed."),
    "mT": property(shaping.matrix_transpose, doc="The last two axes exchanged."),
    "copy": lambda self: shaping.copy(self),
    "any": implementations[np.any],
    "all": implementations[np.all],
    "nonzero": implementations[np.nonzero],
    "argsort": implementations[np.argsort],
    "real": property(elementwise.real, doc="The real part."),
    "imag": property(elementwise.imag, doc="The imaginary part."),
    "conj": elementwise.conjugate,
    "conjugate": elementwise.conjugate,
    "round": lambda self, decimals=0: elementwise.round(self, decimals=decimals),
    "astype": elementwise.astype,
    "to": elementwise.to,
    "sum": _reducing(reductions.sum, np.sum),
    "mean": _reducing(reductions.mean, np.mean),
    "prod": _reducing(reductions.prod, np.prod),
    "max": _reducing(reductions.max, np.max),
    "min": _reducing(reductions.min, np.min),
    "var": _spreading(reductions.var, np.var),
    "std": _spreading(reductions.std, np.std),
    "cumsum": lambda self, axis=None, dtype=None: np.cumsum(self, axis, dtype),
    "cumprod": lambda self, axis=None, dtype=None: np.cumprod(self, axis, dtype),
    "argmax": constants.argmax,
    "argmin": constants.argmin,
    "clip": lambda self, min=None, max=None: elementwise.clip(self, min, max),
    "reshape": lambda self, *shape, order="C": shaping.reshape(self, _several(shape), order),
    "ravel": lambda self, order="C": np.ravel(self, order),
    "squeeze": lambda self, axis=None: shaping.squeeze(self, axis=axis),
    "transpose": lambda self, *axes: shaping.transpose(self, axes=_several(axes) or None),
    "swapaxes": lambda self, axis1, axis2: shaping.swapaxes(self, axis1=axis1, axis2=axis2),
    "flatten": lambda self, order="C": np.ravel(self, order),
    "diagonal": shaping.diagonal,
    "trace": shaping.trace,
    "dot": linear_algebra.dot,
    "take": indexing.take,
    "repeat": lambda self, repeats, axis=None: shaping.repeat(self, repeats=repeats, axis=axis),
}
for _name, _method in _methods.items():
    setattr(Tensor, _name, _method)
