"""Functions of functions: gradients, Jacobians and Hessians, of any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.backend import as_array
from autograd.backward import backpropagate, backpropagate_rows, find_path
from autograd.primitives import primitive
from autograd.recording import is_recording, recorded
from autograd.tensor import ArrayLike, Tensor
from autograd.trees import flatten, flatten_like, map_tree, rebuild

# A variable of a transform is a node of its own, linked to the tensor it stands for: then an outer
# transform sees through it, and an inner one stops at it.
_variable = primitive(lambda x: x, lambda g, y, x: g, name="variable")


def _as_variable(value: ArrayLike) -> Tensor:
    if type(value) is Tensor:
        linked = _variable(value)
        if linked.requires_grad:
            return linked  # type: ignore[no-any-return]
        value = value.data
    array = as_array(value)
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"cannot differentiate with respect to {array.dtype} values: give floats, e.g. 2.0 for 2, "
            "or choose the arguments to differentiate with argnums="
        )
    variable = Tensor(array)
    variable._tracked = True  # without the copy that a leaf of the user's gets: nothing is written to it
    return variable


def _returned(result: Any, as_tensor: bool, linked: bool) -> Any:
    """Return a result of a transform to its caller, who gets Tensors for Tensors, arrays for arrays.

    A result that is `linked` to tensors from outside the transform stays in their graph.
    """
    if type(result) is Tensor:
        if linked and result.requires_grad:
            return result
        result = result.data
    return Tensor(result) if as_tensor else as_array(result)


# Elements in the gradients of an array that a Jacobian computes at once: so many that calls cost little, and
# so few that they stay in the cache.
AT_ONCE = 2**16


class _Trace:
    """A call of f on variables: what it returned, and the graph between."""

    def __init__(self, f: Callable[..., Any], args: Any) -> None:
        leaves = flatten(args)
        self.args = args
        self.as_tensor = any(type(leaf) is Tensor for leaf in leaves)
        self.variables = [_as_variable(leaf) for leaf in leaves]
        self.output = recorded(f, *rebuild(args, iter(self.variables)))
        self.outputs = flatten(self.output)
        for output in self.outputs:
            if output is None:
                raise TypeError("the function returned None; did it forget a return?")
        self.path = find_path(self.outputs, self.variables)
        self.linked = self.path.others and is_recording()
        # To what is outside, the variables are constants, and so is what depends on them alone.
        for variable in self.variables:
            variable._tracked = self.linked and variable.op is not None
        if not self.linked or all(variable._tracked for variable in self.variables):
            for node in self.path.wanted:
                node._tracked = self.linked
        else:
            for node in self.path.wanted:  # oldest first
                if node not in self.path.targets:
                    node._tracked = any(type(x) is Tensor and x._tracked for x in node.inputs)

    def value(self) -> Any:
        """Return the output as the caller may have it."""
        return map_tree(lambda leaf: _returned(leaf, self.as_tensor, self.linked), self.output)

    def gradients(self, cotangent: Any, retain_graph: bool) -> Any:
        """Return the gradients in the structure of the arguments: zeros where nothing arrives."""
        return self.pulled_back(flatten_like(self.output, cotangent), retain_graph)

    def pulled_back(self, seeds: list[Any], retain_graph: bool) -> Any:
        """Return the gradients of the outputs, each weighted by its seed (ones for None)."""
        pairs = zip(self.outputs, seeds, strict=True)
        found = backpropagate(
            [pair for pair in pairs if type(pair[0]) is Tensor],
            self.path,
            retain_graph,
            create_graph=self.linked,
        )
        as_tensor = self.as_tensor or any(type(seed) is Tensor for seed in seeds)
        results = (
            found[variable] if variable in found else np.zeros_like(variable.data)
            for variable in self.variables
        )
        return rebuild(self.args, (_returned(result, as_tensor, True) for result in results))

    def derivatives(self, output: Any) -> list[Any]:
        """Return all derivatives of an output by each variable, from the gradients of its elements."""
        passes: list[dict[Tensor, Any]] = []
        size = output.size if type(output) is Tensor else 0
        largest = max((node.size for node in self.path.wanted), default=0)
        at_once = 1 if self.linked else max(AT_ONCE // max(largest, 1), 1)
        for start in range(0, size, at_once):
            count = min(at_once, size - start)
            units = np.eye(count, size, start, output.dtype).reshape(count, *output.shape)
            if self.linked:
                passes.append(backpropagate([(output, units[0])], self.path, True, create_graph=True))
            else:
                passes.append(backpropagate_rows(output, units, self.path))
        blocks = []
        for variable in self.variables:
            shape = np.shape(output) + variable.shape
            if passes and variable in passes[0]:
                join = np.stack if self.linked else np.concatenate
                block = np.reshape(join([found[variable] for found in passes]), shape)
            else:
                block = np.zeros(shape, variable.dtype)
            blocks.append(_returned(block, self.as_tensor, True))
        return blocks


def _choose(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Any
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return f as a function of the arguments that `argnums` numbers, and those arguments."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise ValueError(
                f"argnums names argument {number}, and there are {len(args)} positional arguments"
            )
    if len(numbers) > 1 and len({number % len(args) for number in numbers}) < len(numbers):
        raise ValueError(f"argnums={argnums} names an argument twice")

    def chosen(*values: Any) -> Any:
        every = list(args)
        for number, value in zip(numbers, values, strict=True):
            every[number] = value
        return f(*every, **kwargs)

    return chosen, tuple(args[number] for number in numbers)


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[..., Any]]:
    """Return `f(*args)`, and the function from a cotangent of it to the gradients of `args`.

    The vector-Jacobian product. Arguments and outputs may be nested lists, tuples and dicts of
    arrays. The cotangent has the structure and the shapes of the output; the gradients come as a
    tuple, one entry per argument, zeros for what the output does not depend on. The product may be
    called many times.
    """
    trace = _Trace(f, args)
    return trace.value(), lambda cotangent: trace.gradients(cotangent, retain_graph=True)


def jvp(f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return `f(*primals)` and its derivative in the direction of `tangents`.

    The Jacobian-vector product, by differentiating the vector-Jacobian product, which is linear in
    its cotangent (Townsend, "A new trick for calculating Jacobian vector products", 2017).
    """
    trace = _Trace(f, tuple(primals))
    value = trace.value()
    pull = _Trace(
        lambda cotangent: trace.gradients(cotangent, retain_graph=True),
        (map_tree(np.zeros_like, value),),
    )
    (tangent,) = pull.gradients(tuple(tangents), retain_graph=False)
    return value, map_tree(lambda leaf: _returned(leaf, trace.as_tensor, True), tangent)


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes f, a single number, and its gradient together.

    The gradient is by the argument (a tuple of gradients for a tuple) that `argnums` numbers, in
    the argument's structure, shapes and dtypes. Other arguments may be anything.
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        trace = _Trace(*_choose(f, args, kwargs, argnums))
        value = trace.value()
        if not hasattr(value, "size") or value.size != 1:
            raise TypeError(
                f"grad needs a function that returns one number, and this one returned {_kind(value)}; "
                "reduce it, e.g. with np.sum, or use jacobian or vjp"
            )
        if value.dtype.kind == "c":
            raise TypeError(
                "grad needs a function that returns a real number, and this one returned a complex one; take "
                "np.abs or .real of it, or use vjp or jacobian"
            )
        gradients = trace.pulled_back([None], retain_graph=False)
        return value, gradients[0] if isinstance(argnums, int) else gradients

    return value_and_gradient


def _kind(value: Any) -> str:
    return f"shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes the gradient of f, a single number; see `value_and_grad`."""
    both = value_and_grad(f, argnums)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes all derivatives of f's outputs by its argument's elements.

    For an output of shape (m, n) and an argument of shape (k,) the result has shape (m, n, k). Each
    output of a structured f is replaced by the structure of the arguments.
    """

    def derivatives(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(*_choose(f, args, kwargs, argnums))
        blocks = []
        for leaf in trace.outputs:
            columns = iter(trace.derivatives(leaf))
            structured = rebuild(trace.args, columns)
            blocks.append(structured[0] if isinstance(argnums, int) else structured)
        return rebuild(trace.output, iter(blocks))

    return derivatives


def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes the second derivatives of f, a single number.

    For an argument of shape (k,) the result has shape (k, k).
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function from f's arguments and a vector to the Hessian of f times the vector.

    `hvp(f)(x, v)`: the vector comes last, in the structure and shapes of the argument. The cost is
    a few times that of f, whatever the size: the Hessian is not formed.
    """

    def product(*args: Any, **kwargs: Any) -> Any:
        *values, vector = args
        trace = _Trace(*_choose(grad(f, argnums), tuple(values), kwargs, argnums))
        products = trace.gradients(vector, retain_graph=False)
        return products[0] if isinstance(argnums, int) else products

    return product
