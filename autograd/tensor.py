"""The Tensor: an array that remembers the operation that made it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd.backend import Array, as_array, device_of, is_on, to_device
from autograd.recording import mode, modes, next_order
from autograd.tracing import CREATORS

if TYPE_CHECKING:
    from autograd.primitives import Op

ArrayLike = Any
"""A Tensor, an array, a Python number, or nested lists of numbers."""

# What to call where a NumPy function is given a Tensor; `primitive` and `implements` fill it.
implementations: dict[Any, Callable[..., Any]] = {}
# What sorts out arguments that these do not know, and has a method `fits` that tells whether they do.
unusual_calls: dict[Any, Any] = {}
# Modules with further ones, imported when a package that they are for has been, and a function is not known.
families: dict[str, str] = {}


class Tensor:
    """Hold an array, and remember the operation that made it.

    `data` is anything that NumPy makes an array of numbers from. A tensor that requires gradients
    owns a copy of it (optimizers write there); any other shares memory, as `np.asarray` does.
    NumPy's functions and Python's operators take Tensors and give Tensors; comparisons give plain
    boolean arrays. The values are `.data`; after `backward()`, `.grad` is a Tensor of the same
    shape and dtype, or None. Raises TypeError when integers are asked to require gradients.
    """

    # The Tensor is the node of the graph: `op` made it from `inputs` (Tensors, arrays or numbers)
    # and the keyword arguments `params`. A leaf has no op; a node that backward has freed has no inputs.
    __slots__ = ("_array", "grad", "_tracked", "op", "inputs", "params", "order", "name")

    _array: Array
    _tracked: bool
    grad: Tensor | None
    op: Op | None
    inputs: tuple[Any, ...]
    params: dict[str, Any] | None
    order: int
    name: str | None

    def __init_subclass__(cls) -> None:
        raise TypeError(
            "a Tensor cannot be subclassed: ops give Tensors, and know no other; hold one in a class"
        )

    def __init__(self, data: ArrayLike, requires_grad: bool = False, name: str | None = None) -> None:
        array = as_array(data)
        if requires_grad:
            check_differentiable(array)
            array = array.copy()
        self._array = array
        self._tracked = requires_grad
        self.grad = None
        self.op = None
        self.inputs = ()
        self.params = None
        self.order = next_order()
        self.name = name

    @property
    def data(self) -> Array:
        """The values, without the graph. Assigning marks the tensor as changed."""
        if modes and (tracer := mode().tracer) is not None:
            tracer.touch(self)
        return self._array

    @data.setter
    def data(self, value: ArrayLike) -> None:
        if self.op is not None:
            raise RuntimeError(
                f"{self._label()} is the result of an operation: changing its values would make its "
                "gradient wrong. Compute a new tensor, or change t.detach()"
            )
        if modes and (tracer := mode().tracer) is not None:
            tracer.assign(self, value)
        elif value is not self._array:  # our own values, changed in place, are kept; others are copied
            array = as_array(value)
            if array.shape != self._array.shape or array.dtype != self._array.dtype:
                raise ValueError(
                    f"cannot assign {array.dtype} values of shape {array.shape} to {self._label()}, "
                    f"which is {self._array.dtype} of shape {self._array.shape}"
                )
            array = array.copy()
            self._array = array if type(array) is type(self._array) else to_device(array, self.device)
        self.order = next_order()

    @property
    def device(self) -> str:
        """Where the values are: "cpu", or for example "cuda:0"."""
        return device_of(self._array)

    def to_(self, device: str) -> Tensor:
        """Move this tensor, a leaf, and its gradient to a device ("cpu", "cuda", "cuda:1"); return it."""
        if self.op is not None:
            raise RuntimeError(
                f"{self._label()} is the result of an operation, which stays; use t.to({device!r})"
            )
        if not is_on(self, device):
            self._array = to_device(self._array, device)
            self.order = next_order()
            if self.grad is not None:
                self.grad = self.grad.to(device)
        return self

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Can be set on leaves."""
        return self._tracked

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.op is not None:
            raise RuntimeError(
                f"{self._label()} is the result of an operation, so its inputs decide whether it "
                "requires gradients; use t.detach() to cut it from the graph"
            )
        if value and not self._tracked:
            check_differentiable(self._array)
            self._array = self._array.copy()
        self._tracked = bool(value)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    @property
    def size(self) -> int:
        return self._array.size

    def item(self) -> Any:
        """Return the value of a one-element tensor as a Python number, without the graph."""
        if self._array.size != 1:
            raise ValueError(f"item() needs one element, and this tensor has shape {self._array.shape}")
        return self._array.item()

    def numpy(self) -> Array:
        """Return a copy of the values as an array of NumPy's, without the graph."""
        array: Array = to_device(self._array, "cpu")
        return array.copy() if array is self._array else array

    def detach(self) -> Tensor:
        """Return a copy of this tensor that is not part of the graph."""
        return Tensor(self.data.copy(), name=self.name)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    # ------------------------------------------------------------------------------ as a sequence

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor; its value is t.item()")
        return (self[i] for i in range(len(self._array)))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a Tensor cannot be assigned to, since the graph may need its old values; "
            "use np.where(mask, new, t) or np.concatenate, or change t.detach().data"
        )

    # --------------------------------------------------------------------------- out of the graph

    def _leave(self, way: str, instead: str) -> Array:
        """Return the values, unless that would silently cut the graph."""
        if self._tracked:
            raise TypeError(
                f"{way} would cut {self._label()} out of the graph, and its gradient would be lost "
                f"without a word; {instead}"
            )
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        data = self._leave(
            "conversion to a NumPy array",
            "call NumPy's functions on the tensor itself (np.stack for a list of tensors), "
            "or take its values with t.detach() or t.numpy()",
        )
        if (device := self.device) != "cpu":
            raise TypeError(f"{self._label()} is on {device}; take its values off it with t.numpy()")
        return np.array(data, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self._leave("float()", "use t.item(), or np.exp and not math.exp").item())

    def __int__(self) -> int:
        return int(self._leave("int()", "use t.item()").item())

    def __index__(self) -> int:
        return self._leave("use as an index", "use t.item()").__index__()

    def __complex__(self) -> complex:
        return complex(self._leave("complex()", "use t.item()").item())

    def __trunc__(self) -> int:
        return int(self._leave("trunc()", "use t.item()").item())

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._leave("tolist()", "use t.numpy().tolist()").tolist()

    def __bool__(self) -> bool:
        return bool(self._array)

    def __format__(self, spec: str) -> str:
        return format(self._array.item(), spec) if spec and self.size == 1 else format(str(self), spec)

    def __repr__(self) -> str:
        values = np.array2string(to_device(self._array, "cpu"), separator=", ", prefix="Tensor(")
        notes = [] if self.dtype in (np.float64, np.int64, np.bool_) else [f"dtype={self.dtype}"]
        if (device := self.device) != "cpu":
            notes.append(f"device={device}")
        if self.op is not None:
            notes.append(f"op={self.op.name}")
        elif self._tracked:
            notes.append("requires_grad=True")
        return f"Tensor({', '.join([values, *notes])})"

    def _label(self) -> str:
        """Name this tensor in an error message."""
        kind = "this tensor" if self.op is None else f"the result of {self.op.name!r}"
        return f"{kind} {self.name!r}" if self.name else f"{kind} (shape {self.shape})"

    def __reduce__(self) -> Any:
        if self.op is not None and self._tracked:
            raise TypeError(f"{self._label()} cannot be copied or pickled with its graph; use t.detach()")
        return Tensor, (self._array, self._tracked, self.name)

    # -------------------------------------------------------------------------- NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        implementation = implementations.get(ufunc)
        if implementation is not None and method == "__call__" and not kwargs:
            return implementation(*inputs)
        if method != "__call__":
            implementation = _implementation((ufunc, method))
            if implementation is None:
                raise not_differentiated(f"np.{ufunc.__name__}.{method}")
            return implementation(*inputs, **kwargs)
        name = f"np.{ufunc.__name__}"
        if "out" in kwargs:
            raise TypeError(
                f"{name}: out= (or an operator such as += with an array on its left) would overwrite "
                "values outside the graph; write a = a + t"
            )
        implementation = _implementation(ufunc)
        if implementation is None:
            raise not_differentiated(name)
        if kwargs.keys() - {"axis", "axes"}:
            raise not_differentiated(f"{name} with {', '.join(kwargs)}=")
        return implementation(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        implementation = implementations.get(function) or _implementation(function)
        if implementation is None:
            if function in CREATORS:  # with like=self
                return function(*args, **kwargs, like=self._array)
            raise not_differentiated(spelling(function))
        try:
            return implementation(*args, **kwargs)
        except TypeError:
            sort_out = unusual_calls.get(function)
            if sort_out is None or sort_out.fits(args, kwargs):
                raise
        return sort_out(*args, **kwargs)

    __hash__ = object.__hash__  # `==` compares values; as a dictionary key a tensor is itself

    if TYPE_CHECKING:  # bound to the primitives themselves, with no call in between, in autograd.ops
        # fmt: off
        def backward(
            self, gradient: ArrayLike = None, retain_graph: bool = False, create_graph: bool = False
        ) -> None: ...
        def __add__(self, other: ArrayLike) -> Tensor: ...
        def __radd__(self, other: ArrayLike) -> Tensor: ...
        def __sub__(self, other: ArrayLike) -> Tensor: ...
        def __rsub__(self, other: ArrayLike) -> Tensor: ...
        def __mul__(self, other: ArrayLike) -> Tensor: ...
        def __rmul__(self, other: ArrayLike) -> Tensor: ...
        def __truediv__(self, other: ArrayLike) -> Tensor: ...
        def __rtruediv__(self, other: ArrayLike) -> Tensor: ...
        def __floordiv__(self, other: ArrayLike) -> Tensor: ...
        def __rfloordiv__(self, other: ArrayLike) -> Tensor: ...
        def __mod__(self, other: ArrayLike) -> Tensor: ...
        def __rmod__(self, other: ArrayLike) -> Tensor: ...
        def __divmod__(self, other: ArrayLike) -> tuple[Tensor, Tensor]: ...
        def __rdivmod__(self, other: ArrayLike) -> tuple[Tensor, Tensor]: ...
        def __round__(self, ndigits: int = 0) -> Tensor: ...
        def __pow__(self, other: ArrayLike) -> Tensor: ...
        def __rpow__(self, other: ArrayLike) -> Tensor: ...
        def __matmul__(self, other: ArrayLike) -> Tensor: ...
        def __rmatmul__(self, other: ArrayLike) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: ArrayLike) -> Array: ...
        def __le__(self, other: ArrayLike) -> Array: ...
        def __gt__(self, other: ArrayLike) -> Array: ...
        def __ge__(self, other: ArrayLike) -> Array: ...
        def __eq__(self, other: ArrayLike) -> Array: ...  # type: ignore[override]
        def __ne__(self, other: ArrayLike) -> Array: ...  # type: ignore[override]
        def __getitem__(self, index: Any) -> Tensor: ...
        @property
        def T(self) -> Tensor: ...
        @property
        def mT(self) -> Tensor: ...
        def copy(self) -> Tensor: ...
        def any(self, axis: Any = None, *, keepdims: bool = False) -> Any: ...
        def all(self, axis: Any = None, *, keepdims: bool = False) -> Any: ...
        def nonzero(self) -> tuple[Array, ...]: ...
        def argsort(self, axis: int | None = -1, *, stable: bool | None = None) -> Array: ...
        @property
        def real(self) -> Tensor: ...
        @property
        def imag(self) -> Tensor: ...
        def conj(self) -> Tensor: ...
        def conjugate(self) -> Tensor: ...
        def round(self, decimals: int = 0) -> Tensor: ...
        def astype(self, dtype: Any) -> Tensor: ...
        def to(self, device: str) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def prod(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor: ...
        def var(
            self, axis: Any = None, ddof: float = 0, keepdims: bool = False, **options: Any
        ) -> Tensor: ...
        def std(
            self, axis: Any = None, ddof: float = 0, keepdims: bool = False, **options: Any
        ) -> Tensor: ...
        def cumsum(self, axis: int | None = None, dtype: Any = None) -> Tensor: ...
        def argmax(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Any: ...
        def argmin(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Any: ...
        def clip(self, min: ArrayLike = None, max: ArrayLike = None) -> Tensor: ...
        def reshape(self, *shape: Any, order: str = "C") -> Tensor: ...
        def ravel(self, order: str = "C") -> Tensor: ...
        def squeeze(self, axis: Any = None) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def cumprod(self, axis: int | None = None, dtype: Any = None) -> Tensor: ...
        def flatten(self, order: str = "C") -> Tensor: ...
        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def dot(self, other: ArrayLike) -> Tensor: ...
        def take(self, indices: Any, axis: int | None = None) -> Tensor: ...
        def repeat(self, repeats: Any, axis: int | None = None) -> Tensor: ...
        # fmt: on


def _implementation(function: Any) -> Callable[..., Any] | None:
    """Return what to call for a function of NumPy's, or for one of its methods, a (ufunc, name)."""
    if function not in implementations:
        for package in [package for package in families if package in sys.modules]:
            import_module(families[package])
            families.pop(package, None)
    return implementations.get(function)


def values_of(x: Any) -> Any:
    """Return the values of a Tensor; anything else as it is."""
    return x.data if type(x) is Tensor else x


def check_differentiable(array: Array) -> None:
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"only tensors of floating-point numbers can require gradients, and this one is {array.dtype}; "
            "give floats, e.g. 2.0 for 2, or np.asarray(data, float)"
        )


def spelling(function: Any) -> str:
    """Write a function as one calls it, e.g. np.linalg.inv."""
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"


def not_differentiated(name: str) -> TypeError:
    return TypeError(
        f"{name} is not differentiated. Give it a rule with autograd.primitive, write it with functions "
        "that are, or compute it on plain values, e.g. on t.detach().data"
    )
