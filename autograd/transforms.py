"""Functions of functions: gradients, Jacobians and Hessians, of any order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from autograd.backend import as_array, eye, full
from autograd.backward import backpropagate, backpropagate_rows, find_path
from autograd.primitives import primitive
from autograd.recording import callback, is_recording, recorded
from autograd.tensor import ArrayLike, Tensor, values_of
from autograd.trees import argument_paths, flatten, flatten_like, map_tree, rebuild

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

# Columns of a Jacobian are cheaper than rows from twice as many outputs as inputs on; before the first, the
# gradient is recorded, which costs about as much as so many rows.
RECORDING = 16


class _Trace:
    """A call of f on variables: what it returned, and the graph between."""

    def __init__(self, f: Callable[..., Any], args: Any, has_aux: bool = False) -> None:
        leaves = flatten(args)
        self.args = args
        self.as_tensor = any(type(leaf) is Tensor for leaf in leaves)
        self.variables = [_as_variable(leaf) for leaf in leaves]
        self.output = recorded(f, *rebuild(args, iter(self.variables)))
        self.auxiliary = None
        if has_aux:
            if type(self.output) is not tuple or len(self.output) != 2:
                raise TypeError(
                    "with has_aux=True the function returns a pair, (value, aux), and this one returned "
                    f"{_kind(self.output)}"
                )
            self.output, self.auxiliary = self.output
        if self.output is None:
            raise TypeError("the function returned None; did it forget a return?")
        self.outputs = flatten(self.output)
        self.path = find_path(
            self.outputs + flatten(self.auxiliary) if has_aux else self.outputs, self.variables
        )
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
        if type(self.output) is Tensor:
            return _returned(self.output, self.as_tensor, self.linked)
        return map_tree(lambda leaf: _returned(leaf, self.as_tensor, self.linked), self.output)

    def aux(self) -> Any:
        """Return what f returned beside its output: the Tensors in it as the caller may have them."""
        return map_tree(
            lambda leaf: _returned(leaf, self.as_tensor, self.linked) if type(leaf) is Tensor else leaf,
            self.auxiliary,
        )

    def unreached(self) -> list[bool]:
        """Tell of each variable whether no gradient of the outputs can arrive at it."""
        reached = {output for output in self.outputs if type(output) is Tensor}
        for node in sorted(self.path.wanted, key=attrgetter("order"), reverse=True):
            if node in reached and node.op is not None and node not in self.path.targets:
                rules = node.op.rules if type(node.op.rules) is tuple else node.op.rules.of(node.inputs)
                pairs = zip(rules, node.inputs, strict=True)
                reached.update(x for rule, x in pairs if rule is not None and type(x) is Tensor)
        return [variable not in reached for variable in self.variables]

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

    def jacobian(self) -> list[list[Any]]:
        """Return, for each output, its derivatives by each variable."""
        tensors = [output for output in self.outputs if type(output) is Tensor]
        rows = sum(output.size for output in tensors)
        columns = sum(variable.size for variable in self.variables)
        are_real = not any(map(_is_complex, (*tensors, *self.variables)))
        if rows > RECORDING + 2 * columns and columns and are_real and not self.linked:
            try:
                return self.by_columns()
            except Exception:  # a rule that cannot be recorded, or not under jit; rows need arrays only
                pass
        return [self.by_rows(output) for output in self.outputs]

    def by_rows(self, output: Any) -> list[Any]:
        """Return the derivatives of an output by each variable, from the gradients of its elements."""
        found = self.rows(output, 1)
        turned = self.rows(output, 1j) if _is_complex(output) else {}
        blocks = []
        for variable in self.variables:
            if variable in turned:
                block = _complex_derivative(found[variable], turned[variable])
            elif variable in found:
                block = found[variable]
            else:
                dtype = (
                    np.result_type(variable.dtype, np.complex64) if _is_complex(output) else variable.dtype
                )
                block = np.zeros(np.shape(output) + variable.shape, dtype, like=variable)
            block = np.reshape(block, np.shape(output) + variable.shape)
            blocks.append(_returned(block, self.as_tensor, True))
        return blocks

    def rows(self, output: Any, factor: complex) -> dict[Tensor, Any]:
        """Return the gradients of the elements of an output, times a factor, in rows: (rows, *shape)."""
        passes: list[dict[Tensor, Any]] = []
        size = output.size if type(output) is Tensor else 0
        largest = max((node.size for node in self.path.wanted), default=0)
        at_once = 1 if self.linked else max(AT_ONCE // max(largest, 1), 1)
        for start in range(0, size, at_once):
            count = min(at_once, size - start)
            units = eye(count, output.dtype, output, size, start).reshape(count, *output.shape)
            if factor != 1:
                units *= factor
            if self.linked:
                passes.append(backpropagate([(output, units[0])], self.path, True, create_graph=True))
            else:
                passes.append(backpropagate_rows(output, units, self.path))
        join = np.stack if self.linked else np.concatenate
        return {x: join([found[x] for found in passes]) for x in self.variables if passes and x in passes[0]}

    def by_columns(self) -> list[list[Any]]:
        """Return the same for all outputs, from their derivatives by the elements of the variables.

        The gradients are a linear function of the outputs' cotangents, with the transposed Jacobian.
        """
        cotangents = [np.zeros_like(x._array) if type(x) is Tensor else None for x in self.outputs]
        pull = _Trace(lambda seeds: self.pulled_back(seeds, retain_graph=True), (cotangents,))
        transposed = [iter(pull.by_rows(gradient)) for gradient in pull.outputs]
        blocks = []
        for output in self.outputs:
            row = []
            for variable, columns in zip(self.variables, transposed, strict=True):
                if type(output) is Tensor:
                    axes = (*range(variable.ndim, variable.ndim + output.ndim), *range(variable.ndim))
                    block = np.transpose(next(columns), axes).astype(variable.dtype, order="C")
                else:
                    block = np.zeros(np.shape(output) + variable.shape, variable.dtype, like=variable)
                row.append(_returned(block, self.as_tensor, True))
            blocks.append(row)
        return blocks


def _is_complex(x: Any) -> bool:
    return type(x) is Tensor and x.dtype.kind == "c"


def _complex_derivative(gradient: Any, turned: Any) -> Any:
    """Return the derivative of a complex function from its gradients with the cotangents 1 and i.

    By a real argument it is that of the real part plus i times that of the imaginary part. By a complex
    one it is the function's complex derivative, if it has one: if the gradients, conj(f') times the
    cotangent then, differ by the factor i.
    """
    if gradient.dtype.kind != "c":
        return gradient + 1j * turned
    callback(_check_holomorphic, values_of(gradient), values_of(turned))
    return np.conjugate(gradient)


def _check_holomorphic(values: Any, others: Any) -> None:
    eps, sizes = np.finfo(values.dtype).eps, np.abs(values) + np.abs(others)
    rounding = np.sqrt(eps) * sizes + 100 * eps * np.max(sizes, initial=0)
    if np.any(np.abs(others - 1j * values) > rounding):
        raise TypeError(
            "the function is not holomorphic (it uses conj, abs or real parts, say), so it has no complex "
            "derivative by a complex argument; differentiate its real and imaginary parts by themselves, "
            "e.g. jacobian(lambda z: f(z).real), or by real arguments"
        )


def _choose(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Any
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return f as a function of the arguments that `argnums` numbers, and those arguments."""
    numbers = _numbers(argnums)
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


def _check_reached(trace: _Trace, f: Callable[..., Any], args: tuple[Any, ...], numbers: Any) -> None:
    """Raise ValueError where an argument of those that `numbers` chooses does not reach the output."""
    names = argument_paths(f, args)
    chosen = [name for number in numbers for name in names[number]]
    missing = [name for name, unreached in zip(chosen, trace.unreached(), strict=True) if unreached]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} {'does' if len(missing) == 1 else 'do'} not reach the output: no "
            "differentiable op leads there, so the gradient would be zero. Look for detach(), stop_gradient, "
            "no_grad or plain values on the way, differentiate by other arguments, or take the zeros that "
            "strict=False gives"
        )


def _numbers(argnums: int | tuple[int, ...]) -> tuple[int, ...]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)


def _kind(value: Any) -> str:
    return f"shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"


def vjp(f: Callable[..., Any], *args: Any, has_aux: bool = False, strict: bool = False, **kwargs: Any) -> Any:
    """Return `f(*args, **kwargs)`, and the function from a cotangent of it to the gradients of `args`.

    The vector-Jacobian product. Arguments and outputs may be trees: arrays in nested lists, tuples, dicts
    and dataclasses, with None for what is absent. The cotangent has the structure and the shapes of the
    output; the gradients come as a tuple, one entry per argument, zeros for what the output does not
    depend on. The product may be called many times. `has_aux` and `strict` are those of
    `value_and_grad`; with `has_aux` the result is (value, product, aux).
    """
    trace = _Trace(partial(f, **kwargs) if kwargs else f, args, has_aux)
    if strict:
        _check_reached(trace, f, args, range(len(args)))

    def product(cotangent: Any) -> Any:
        return trace.gradients(cotangent, retain_graph=True)

    return (trace.value(), product, trace.aux()) if has_aux else (trace.value(), product)


def _no_cotangent(leaf: Any) -> Any:
    """Return zeros for the gradient of an output: of its dtype, but for integers, which have none."""
    dtype = np.result_type(leaf)
    return np.zeros_like(leaf, dtype if dtype.kind in "fc" else np.float64)


def jvp(
    f: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    has_aux: bool = False,
    **kwargs: Any,
) -> Any:
    """Return `f(*primals, **kwargs)` and its derivative in the direction of `tangents`.

    The Jacobian-vector product, by differentiating the vector-Jacobian product, which is linear in
    its cotangent (Townsend, "A new trick for calculating Jacobian vector products", 2017). With `has_aux`
    the result is (value, tangent, aux); see `value_and_grad`.
    """
    trace = _Trace(partial(f, **kwargs) if kwargs else f, tuple(primals), has_aux)
    value = trace.value()
    pull = _Trace(
        lambda cotangent: trace.gradients(cotangent, retain_graph=True),
        (map_tree(_no_cotangent, value),),
    )
    (tangent,) = pull.gradients(tuple(tangents), retain_graph=False)
    tangent = map_tree(lambda leaf: _returned(leaf, trace.as_tensor, True), tangent)
    return (value, tangent, trace.aux()) if has_aux else (value, tangent)


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    strict: bool = False,
) -> Callable[..., Any]:
    """Return the function that computes f, a single number, and its gradient together.

    The gradient is by the argument (a tuple of gradients for a tuple) that `argnums` numbers, in
    the argument's structure, shapes and dtypes. Other arguments, and keyword arguments, may be anything.

    With `has_aux`, f returns a pair, (value, aux), and the result is ((value, aux), gradient): aux is what
    else is wanted of the computation, any tree, with its Tensors out of the graph. An input that does not
    reach the value has a gradient of zeros; with `strict` it raises a ValueError that names it.
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        trace = _Trace(*_choose(f, args, kwargs, argnums), has_aux)
        value = trace.value() if trace.outputs and trace.outputs[0] is trace.output else trace.output
        if not hasattr(value, "size") or value.size != 1:
            raise TypeError(
                f"grad needs a function that returns one number, and this one returned {_kind(value)}; "
                "reduce it, e.g. with np.sum, or use jacobian or vjp; give what is to be returned beside the "
                "number in a pair, (value, aux), with has_aux=True"
            )
        if value.dtype.kind == "c":
            raise TypeError(
                "grad needs a function that returns a real number, and this one returned a complex one; take "
                "np.abs or .real of it, or use vjp or jacobian"
            )
        if strict:
            _check_reached(trace, f, args, _numbers(argnums))
        gradients = trace.pulled_back([None], retain_graph=False)
        gradient = gradients[0] if isinstance(argnums, int) else gradients
        return ((value, trace.aux()) if has_aux else value), gradient

    return value_and_gradient


def grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    strict: bool = False,
) -> Callable[..., Any]:
    """Return the function that computes the gradient of f, a single number; see `value_and_grad`.

    With `has_aux` the result is (gradient, aux).
    """
    both = value_and_grad(f, argnums, has_aux, strict)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def elementwise_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes the derivative of an elementwise f at every element.

    It is the derivative of the sum of f's outputs, of any shapes (as in HIPS autograd): where outputs
    depend on the same element, their derivatives add up. It may be complex, as in `jacobian`.
    """

    def derivative(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(*_choose(f, args, kwargs, argnums))
        is_complex = any(map(_is_complex, trace.outputs))
        gradients = trace.pulled_back([None] * len(trace.outputs), retain_graph=is_complex)
        if is_complex:
            seeds = [
                full(np.shape(x), 1j if _is_complex(x) else 0, x.dtype, trace.variables[0])
                for x in trace.outputs
            ]
            turned = trace.pulled_back(seeds, retain_graph=False)
            derivatives = map(_complex_derivative, flatten(gradients), flatten(turned))
            gradients = rebuild(trace.args, (_returned(x, trace.as_tensor, True) for x in derivatives))
        return gradients[0] if isinstance(argnums, int) else gradients

    return derivative


def jacobian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    strict: bool = False,
) -> Callable[..., Any]:
    """Return the function that computes all derivatives of f's outputs by its argument's elements.

    For an output of shape (m, n) and an argument of shape (k,) the result has shape (m, n, k). Each
    output of a structured f is replaced by the structure of the arguments. It is computed by columns
    (forward mode) where outputs have clearly more elements than arguments, and else by rows. `has_aux`
    and `strict` are those of `value_and_grad`; with `has_aux` the result is (Jacobian, aux).

    Complex outputs have complex derivatives: by real arguments, those of the real part plus i times those
    of the imaginary part; by complex ones the derivative f'(z) of a holomorphic function, and TypeError
    where f is none. The rows of real outputs by complex arguments are gradients, as `grad` gives them.
    """

    def derivatives(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(*_choose(f, args, kwargs, argnums), has_aux)
        if strict:
            _check_reached(trace, f, args, _numbers(argnums))
        blocks = []
        for row in trace.jacobian():
            structured = rebuild(trace.args, iter(row))
            blocks.append(structured[0] if isinstance(argnums, int) else structured)
        result = rebuild(trace.output, iter(blocks))
        return (result, trace.aux()) if has_aux else result

    return derivatives


def hessian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    strict: bool = False,
) -> Callable[..., Any]:
    """Return the function that computes the second derivatives of f, a single number.

    For an argument of shape (k,) the result has shape (k, k). `has_aux` and `strict` are those of
    `value_and_grad`; with `has_aux` the result is (Hessian, aux).
    """
    return jacobian(grad(f, argnums, has_aux, strict), argnums, has_aux)


def hvp(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, strict: bool = False
) -> Callable[..., Any]:
    """Return the function from f's arguments and a vector to the Hessian of f times the vector.

    `hvp(f)(x, v)`: the vector comes last, in the structure and shapes of the argument. The cost is
    a few times that of f, whatever the size: the Hessian is not formed. It is what SciPy's optimizers take
    as `hessp`. For many vectors at one place, see `make_hvp`; for `strict`, `value_and_grad`.
    """
    gradient = grad(f, argnums, strict=strict)

    def product(*args: Any, **kwargs: Any) -> Any:
        *values, vector = args
        trace = _Trace(*_choose(gradient, tuple(values), kwargs, argnums))
        products = trace.gradients(vector, retain_graph=False)
        return products[0] if isinstance(argnums, int) else products

    return product


def make_hvp(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, strict: bool = False
) -> Callable[..., Any]:
    """Return the function from f's arguments to the function from a vector to the Hessian times it.

    `make_hvp(f)(x)(v)`: the gradient is recorded once, for any number of vectors.
    """
    gradient = grad(f, argnums, strict=strict)

    def at(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        trace = _Trace(*_choose(gradient, args, kwargs, argnums))

        def product(vector: Any) -> Any:
            products = trace.gradients(vector, retain_graph=True)
            return products[0] if isinstance(argnums, int) else products

        return product

    return at


def stop_gradient(tree: Any) -> Any:
    """Return a tree with its Tensors out of the graph: constants to derivatives of any depth.

    Everything else in it is left as it is.
    """
    return map_tree(lambda leaf: leaf.detach() if type(leaf) is Tensor else leaf, tree)
