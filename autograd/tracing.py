"""Arrays that write down what NumPy is asked to do with them: how `jit` sees a function.

A traced array speaks NumPy's protocols. Each call is carried out on real arrays and noted, with its operands,
in a list. What NumPy does in place stays in place: the list is a program, and not a graph.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from operator import is_
from threading import get_ident
from typing import Any
from weakref import ref

import numpy as np
from numpy import ndarray
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from autograd.recording import changed_mode, modes
from autograd.trees import flatten, map_tree

Array = NDArray[Any]
Contents = list[tuple[Any, tuple[Any, ...]]]
"""The attributes of an object, and each list among them, with what was in it."""


class ValueNeeded(TypeError):
    """A function that is being recorded asked for the value of an array, which later calls may change."""


def _value_needed(what: str) -> ValueNeeded:
    return ValueNeeded(
        f"{what} depends on the values of an array, and jit records a function once for all values of that "
        "shape. Compute with arrays all through (np.where for a branch), compute it outside of the function, "
        "or give it as an argument that is a Python number: each number is recorded by itself"
    )


def needed_value(error: BaseException | None) -> ValueNeeded | None:
    """Return the request for a value that an error comes of, perhaps by way of NumPy."""
    while error is not None and not isinstance(error, ValueNeeded):
        error = error.__cause__ or error.__context__
    return error


class Storage:
    """Memory that arrays of a program have in common."""

    __slots__ = ("root", "kind", "writes")

    def __init__(self, root: Array | None, kind: str) -> None:
        self.root = root  # the array that owns it, when the program was recorded
        self.kind = kind  # "argument", "outside" (it was there before) or "result"
        self.writes = 0


class Variable:
    """An array of a program."""

    __slots__ = ("value", "storage")

    def __init__(self, value: Array, storage: Storage) -> None:
        self.value = value
        self.storage = storage


class Call:
    """A step of a program: a function, what it is given, and what comes of it.

    `kind` is "compute" (the result has memory of its own), "view" (it shares its operand's), "write"
    (operands are changed in place, `written`), "whole" (compute, by a function of ours that looks at values
    itself), "draw" (the same, of random numbers) or "effect" (nothing comes of it here).
    """

    __slots__ = ("kind", "function", "args", "kwargs", "results", "written", "errors")

    def __init__(
        self,
        kind: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: tuple[Variable, ...] = (),
        written: tuple[Variable, ...] = (),
    ) -> None:
        self.kind = kind
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.results = results
        self.written = written
        self.errors: dict[str, Any] = dict(np.geterr())  # what becomes of overflow and the like

    def operands(self) -> Iterator[Variable]:
        """Yield the variables that the call is given."""
        return _variables((self.args, self.kwargs))


def _variables(tree: Any) -> Iterator[Variable]:
    return (leaf for leaf in flatten(tree) if type(leaf) is Variable)


def replaced(tree: Any, kind: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a tree with everything of a kind (a type, or several) replaced."""
    return map_tree(lambda leaf: replace(leaf) if isinstance(leaf, kind) else leaf, tree)


class Tracer:
    """Note the calls of NumPy's functions while a function runs, once."""

    def __init__(self) -> None:
        self.thread = get_ident()
        self.calls: list[Call] = []
        self.storages: dict[int, Storage] = {}
        self.outside_variables: dict[int, Variable] = {}
        self.arrays: list[ref[TracedArray]] = []
        self.touched: dict[Any, Array] = {}  # tensors from outside, and their arrays
        self.old_gradients: dict[Any, Any] = {}
        self.differentiated: dict[Any, None] = {}  # those that backward() has given a gradient here
        self.assigned: dict[Any, None] = {}  # those whose data was set here
        self.owners: dict[int, tuple[Any, Contents]] = {}

    # ------------------------------------------------------------------------ tensors from outside

    def touch(self, tensor: Any) -> None:
        """Trace a tensor from outside: its array is used by reference, and looked at in each replay."""
        if not isinstance(tensor._array, (ndarray, TracedArray)):
            raise TypeError(
                f"jit records NumPy's calls, and this function uses a tensor on {tensor.device}; give it an "
                "argument that is there, too, and it is called as it is"
            )
        if type(tensor._array) is ndarray:
            self.touched[tensor] = tensor._array
            tensor._array = self.traced(self.outside(tensor._array))
            self.old_gradients[tensor] = tensor.grad
            tensor.grad = None

    def differentiate(self, tensor: Any) -> None:
        """Note that backward() gives this leaf a gradient: it starts from none in every call."""
        self.touch(tensor)
        self.differentiated[tensor] = None

    def assign(self, tensor: Any, value: Any) -> None:
        """Set the values of a tensor from outside, in its own array."""
        self.touch(tensor)
        if tensor not in self.touched or not tensor._tracked:
            raise TypeError(
                "a recorded function may assign only to the .data of tensors from outside that require "
                "gradients; return the new values instead"
            )
        if value is not tensor._array:
            tensor._array[...] = value
        self.assigned[tensor] = None

    def watch(self, owner: Any) -> None:
        """Remember what a module is like: a replay is of use as long as it stays so."""
        if id(owner) not in self.owners:
            attributes = vars(owner)
            lists = (value for value in attributes.values() if type(value) is list)
            self.owners[id(owner)] = (owner, [(holder, _inside(holder)) for holder in (attributes, *lists)])

    def leave(self) -> None:
        """Give tensors from outside their arrays and gradients back."""
        for tensor, array in self.touched.items():
            tensor._array = array
            tensor.grad = self.old_gradients[tensor]

    # ---------------------------------------------------------------------------------- arrays

    def argument(self, array: Array) -> TracedArray:
        """Return a traced copy of an argument."""
        array = array.copy()
        storage = self.storages[id(array)] = Storage(array, "argument")
        return self.traced(Variable(array, storage))

    def outside(self, array: Array) -> Variable:
        """Return the variable of an array that was not computed here: it is used by reference."""
        if id(array) not in self.outside_variables:
            root = _root(array)
            storage = self.storages.setdefault(id(root), Storage(root, "outside"))
            self.outside_variables[id(array)] = Variable(array, storage)
        return self.outside_variables[id(array)]

    def traced(self, variable: Variable) -> TracedArray:
        array = TracedArray(variable, self)
        self.arrays.append(ref(array))
        return array

    def leaked(self) -> bool:
        """Tell whether an array outlives the function in which it was computed."""
        if any(array() is not None for array in self.arrays):
            gc.collect()
        return any(array() is not None for array in self.arrays)

    # ----------------------------------------------------------------------------------- calls

    def note(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry out a call of a function of NumPy's, and note it."""
        if modes.get(get_ident()) is None or modes[get_ident()].tracer is not self:
            raise TypeError(
                "this array was computed while jit recorded a function, which is over (or in another "
                "thread); return what is needed outside from the function"
            )
        if function in CREATORS and not any(type(x) is TracedArray for x in args):  # by like=
            return function(*args, **kwargs)
        function, args, kwargs = _plainly_put(function, args, kwargs)
        if (
            function is np.mean
            and args[0].dtype in (np.float32, np.float64)
            and kwargs.keys() <= {"axis", "keepdims"}
        ):
            total = self.note(np.sum, args, kwargs)
            return self.note(np.true_divide, (total, args[0].size / max(total.size, 1)), {})
        if _shape_by_value(function, args):
            raise _value_needed(f"the shape of the result of {function.__name__}")
        place = kwargs.get("out")
        targets = place if isinstance(place, tuple) else () if place is None else (place,)
        targets += args[:1] if function in WRITERS else ()
        for target in targets:
            if type(target) is not TracedArray:
                raise _value_needed(
                    f"the content of a plain array, written by {function.__name__} with out= or +=,"
                )
            if target.variable.storage.kind == "argument":
                raise TypeError(
                    "a recorded function may not change its arguments in place; compute new arrays"
                )
        value = function(*replaced(args, TracedArray, _value), **replaced(kwargs, TracedArray, _value))
        if function in ABOUT_SHAPES:
            return value
        args, kwargs = (self._variables(part) for part in (args, kwargs))
        if targets:
            written = tuple(target.variable for target in targets)
            for variable in written:
                variable.storage.writes += 1
            self.calls.append(Call("write", function, args, kwargs, (), written))
            return place if isinstance(place, tuple) and len(place) > 1 else targets[0]
        return self._noted("compute", function, args, kwargs, value)

    def whole(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], kind: str = "whole"
    ) -> Any:
        """Note a function of ours as a single call: it looks at values, or (a "draw") at a generator."""
        value = function(*replaced(args, TracedArray, _value), **replaced(kwargs, TracedArray, _value))
        return self._noted(kind, function, self._variables(args), self._variables(kwargs), value)

    def callback(self, function: Callable[..., None], arrays: tuple[Any, ...]) -> None:
        """Note a function that has effects, and call it, out of the recording."""
        args = self._variables(arrays)
        now = {tensor: (tensor._array, tensor.grad) for tensor in self.touched}
        self.leave()
        try:
            with changed_mode(paused=False, tracer=None):
                function(*replaced(arrays, TracedArray, _value))
        finally:
            for tensor, (array, gradient) in now.items():
                tensor._array, tensor.grad = array, gradient
        written = tuple(_variables(args))
        for variable in written:
            variable.storage.writes += 1
        self.calls.append(Call("effect", function, args, {}, (), written))

    def _variables(self, tree: Any) -> Any:
        """Return operands with arrays, traced or not, as variables."""

        def variable(array: Any) -> Variable:
            return array.variable if type(array) is TracedArray else self.outside(array)

        return replaced(tree, (TracedArray, ndarray), variable)

    def _noted(self, kind: str, function: Callable[..., Any], args: Any, kwargs: Any, value: Any) -> Any:
        several = isinstance(value, tuple)
        if not all(isinstance(part, (ndarray, np.generic)) for part in (value if several else (value,))):
            raise _value_needed(f"the result of {function.__name__}")
        results = []
        for part in value if several else (value,):
            array = part if isinstance(part, ndarray) else np.asarray(part)
            root = _root(array)
            if id(root) in self.storages:
                kind = "view" if kind == "compute" else kind
            else:
                self.storages[id(root)] = Storage(root, "result")
            results.append(Variable(array, self.storages[id(root)]))
        self.calls.append(Call(kind, function, args, kwargs, tuple(results)))
        traced = [self.traced(variable) for variable in results]
        if not several:
            return traced[0]
        return type(value)(*traced) if hasattr(value, "_fields") else tuple(traced)


def _inside(holder: Any) -> tuple[Any, ...]:
    return tuple(holder.values() if type(holder) is dict else holder)


def is_unchanged(contents: Contents) -> bool:
    """Tell whether the attributes of an object, and its lists, hold what they held."""
    for holder, then in contents:
        now = holder.values() if type(holder) is dict else holder
        if len(now) != len(then) or not all(map(is_, now, then)):
            return False
    return True


def _value(array: TracedArray) -> Array:
    return array.variable.value


def _root(array: Array) -> Array:
    while isinstance(array.base, ndarray):
        array = array.base
    return array


class TracedArray(NDArrayOperatorsMixin):
    """An array whose use is noted by a tracer."""

    __slots__ = ("variable", "tracer", "__weakref__")

    def __init__(self, variable: Variable, tracer: Tracer) -> None:
        self.variable = variable
        self.tracer = tracer

    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(_is_other(x) for x in inputs):
            return NotImplemented
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return self.tracer.note(function, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not all(kind is TracedArray or kind is ndarray for kind in types):
            return NotImplemented
        return self.tracer.note(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # by __array_interface__ and the like NumPy would reach the values
            raise AttributeError(name)
        value = getattr(self.variable.value, name)  # an unknown name is NumPy's error
        if name in SHAPES:
            return value
        method = getattr(ndarray, name)
        if name in PROPERTIES:
            return self.tracer.note(PROPERTIES[name], (self,), {})
        if name in LEAVING or not callable(method):
            raise _value_needed(f".{name}")

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.tracer.note(METHODS.get(name, method), (self, *args), kwargs)

        return call

    def __getitem__(self, index: Any) -> Any:
        return self.tracer.note(ndarray.__getitem__, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.note(ndarray.__setitem__, (self, index, value), {})

    def __len__(self) -> int:
        return len(self.variable.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<array {self.shape} {self.dtype}, being recorded by jit>"

    def _needed(self, *args: Any, **kwargs: Any) -> Any:
        raise _value_needed("this (a branch, or a conversion to a number or a plain array)")

    __array__ = __bool__ = __float__ = __int__ = __complex__ = __index__ = _needed


def _is_other(x: Any) -> bool:
    """Tell whether a type other than NumPy's and ours should be asked first: the Tensor."""
    return type(x) is not TracedArray and type(x) is not ndarray and hasattr(type(x), "__array_function__")


SHAPES = {"shape", "dtype", "device", "ndim", "size", "itemsize", "nbytes", "strides", "flags", "base"}
PROPERTIES: dict[str, Callable[..., Any]] = {"T": np.transpose, "real": np.real, "imag": np.imag}
LEAVING = {
    "item",
    "tolist",
    "tobytes",
    "tofile",
    "dump",
    "dumps",
    "resize",
    "setfield",
    "setflags",
    "byteswap",
}
WRITERS = {
    np.copyto,
    np.put,
    np.place,
    np.putmask,
    np.put_along_axis,
    np.fill_diagonal,
    ndarray.__setitem__,
    ndarray.fill,
    ndarray.put,
    ndarray.sort,
    ndarray.partition,
    *(value.at for value in vars(np).values() if isinstance(value, np.ufunc)),
}
CREATORS = {
    np.array,
    np.asarray,
    np.empty,
    np.zeros,
    np.ones,
    np.full,
    np.eye,
    np.identity,
    np.tri,
    np.arange,
}
ABOUT_SHAPES = {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj}
SHAPED_BY_VALUES = {
    np.nonzero,
    np.flatnonzero,
    np.argwhere,
    np.unique,
    np.compress,
    np.extract,
    np.trim_zeros,
    ndarray.nonzero,
    ndarray.compress,
}


def _shape_by_value(function: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    if function is ndarray.__getitem__:
        parts = args[1] if isinstance(args[1], tuple) else (args[1],)
        return any(type(part) is TracedArray and part.dtype == bool for part in parts)
    if function in (np.repeat, ndarray.repeat):
        return any(type(x) is TracedArray for x in args[1:])
    return function in SHAPED_BY_VALUES or (function is np.where and len(args) == 1)


# What NumPy writes in several ways is noted in the quickest.
REDUCTIONS: dict[Callable[..., Any], np.ufunc] = {
    np.sum: np.add,
    np.prod: np.multiply,
    np.max: np.maximum,
    np.min: np.minimum,
    np.any: np.logical_or,
    np.all: np.logical_and,
}
METHODS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
    "mean": np.mean,
}


def by_dot(a: Array, b: Array) -> bool:
    """Tell whether np.dot gives a @ b sooner: it costs less to call, but writes zeros to the result first."""
    if a.ndim == 2 == b.ndim:
        return bool(len(a) * b.shape[1] <= 4096)
    return 0 < a.ndim <= 2 and 0 < b.ndim <= 2


def _plainly_put(function: Any, args: Any, kwargs: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Return a call of a reduction as that of its ufunc, and a small matrix product as that of np.dot."""
    if function is np.matmul and not kwargs and by_dot(*args):
        return np.dot, args, kwargs
    ufunc = REDUCTIONS.get(function)
    if ufunc is None or len(args) > 2:
        return function, args, kwargs
    x, axis = args[0], args[1] if len(args) > 1 else kwargs.get("axis")
    others = {word: value for word, value in kwargs.items() if word != "axis"}
    return ufunc.reduce, (x,), {"axis": axis, **others}
