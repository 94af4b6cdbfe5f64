"""Primitives: functions of arrays with a gradient rule per input, recorded when applied to Tensors."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from autograd.backend import array_or_tensor, as_array, device_of
from autograd.recording import ORDINARY, mode, modes, next_order, note_draw, watches
from autograd.tensor import Tensor, implementations, not_differentiated, spelling, unusual_calls
from autograd.tracing import needed_value


class Op:
    """What an operation is: its name, its forward function, and one gradient rule per input."""

    # Ops that are recorded in `debug()` are copies that know the `line` of the program that made them.
    __slots__ = ("name", "forward", "rules", "elementwise", "last", "keywords", "line")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any] | None,
        rules: Any,
        elementwise: bool = False,
        last: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.forward: Any = forward  # None of a checkpoint, which is computed from more than its inputs
        self.rules = rules
        self.elementwise = elementwise
        self.last = last
        self.line: str | None = None
        # NumPy's own functions have more keywords than their rules know; other functions, no less.
        own = (
            () if (getattr(forward, "__module__", None) or "").startswith("numpy") else _keyword_only(forward)
        )
        known = (_keywords(rule, len(rules)) for rule in rules if rule is not None)
        self.keywords = {*own, *(word for words in known for word in words)}

    def __repr__(self) -> str:
        return f"<op {self.name}>"


class each(tuple[Callable[..., Any]]):
    """Give one rule to an op of any number of inputs: `rule(i, g, y, *inputs)` for input `i`."""

    def __new__(cls, rule: Callable[..., Any]) -> each:
        return super().__new__(cls, (rule,))

    def of(self, inputs: tuple[Any, ...]) -> list[Callable[..., Any]]:
        return [partial(self[0], i) for i in range(len(inputs))]


def _keywords(rule: Callable[..., Any], arrays: int) -> tuple[str, ...]:
    """Return the names of a rule's parameters that are not g, y or one of the arrays."""
    code = rule.__code__
    first = min(arrays + 2, code.co_argcount)
    return code.co_varnames[first : code.co_argcount + code.co_kwonlyargcount]


def _keyword_only(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    if code is None:
        return ()
    count: int = code.co_argcount
    return tuple(code.co_varnames[count : count + code.co_kwonlyargcount])


def primitive(
    forward: Callable[..., Any],
    *rules: Any,
    elementwise: bool = False,
    last: Callable[..., Any] | None = None,
    name: str | None = None,
    numpy: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """Return `forward` as an operation of the graph, with one gradient rule per array input.

    `forward(*arrays, **params)` computes an array: a pure function whose array arguments are
    positional and whose other arguments are keywords. `rule(g, y, *arrays, **params)` gets the
    gradient `g` of the output `y` and returns the gradient of its input: a new array, `g`, or a
    view of it. Rules are plain NumPy and linear in `g`; then they can be differentiated in their
    turn. None stands for an input without a gradient, `each(rule)` for any number of inputs. The
    engine sums a gradient down to the shape of its input and casts it to its dtype. With no rule at
    all it is a source (of random numbers, say), recorded to be seen in the graph.

    It is also the way to give a function of your own another rule than that of its parts, a stable or a
    cheaper one: what JAX calls custom_vjp. A rule that uses differentiated functions, or is an op itself, can
    be differentiated as often as these.

    The rules of an `elementwise` op work on each element by itself, so that a Jacobian can give them many
    gradients at once, with one axis more in front. When `forward` ends in an elementwise function, the rule
    `last(g, y)` goes back through that, once for all inputs; the others get what it returns for `g`.

    The result takes Tensors and gives a Tensor; given none, it is `forward` itself. When `forward`
    is a function of NumPy's, or any that follows its protocols, it takes Tensors from now on; so does
    the function `numpy`, of which `forward` is another spelling.

    >>> cube = primitive(lambda x: x**3, lambda g, y, x: g * 3 * x**2, name="cube")
    """
    variadic = len(rules) == 1 and isinstance(rules[0], each)
    function = numpy or forward
    own_rules = rules[0] if variadic else rules
    op = Op(name or function.__name__.strip("_<>"), forward, own_rules, elementwise, last)
    if len(rules) == 1 and not variadic:
        apply = _unary_with_keywords(op) if op.keywords else _unary(op)
    elif len(rules) == 2 and not op.keywords:
        apply = _binary(op)
    else:
        apply = as_function(op)
    apply.__name__ = apply.__qualname__ = op.name
    apply.__doc__ = function.__doc__
    apply.op = op  # type: ignore[attr-defined]
    implementations[function] = apply if isinstance(function, np.ufunc) else _numpy_call(op, function, apply)
    unusual_calls.pop(function, None)
    return apply


def implements(
    *functions: Callable[..., Any],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator: call this function where one of NumPy's `functions` is given a Tensor.

    It has NumPy's parameters, less those that it does not know: they are refused by name, unless they are
    given their defaults. What comes after one that is left out is keyword-only.
    """

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            implementations[function] = implementation
            unusual_calls[function] = _Sorter(function, implementation)
        return implementation

    return register


_VARIADIC = 0x04  # CPython's flags of functions with *args and with **kwargs
_ANY_KEYWORDS = 0x08


class _Sorter:
    """Call an implementation with arguments among which there are some that it does not know."""

    def __init__(self, function: Callable[..., Any], implementation: Callable[..., Any]) -> None:
        self.function = function
        self.implementation = implementation
        code = implementation.__code__
        self.any_keywords = bool(code.co_flags & _ANY_KEYWORDS)
        self.positional = 2**31 if code.co_flags & _VARIADIC else code.co_argcount
        self.known = frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])

    def fits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return len(args) <= self.positional and (self.any_keywords or kwargs.keys() <= self.known)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) > self.positional:
            args, kwargs = (), dict(zip(_defaults(self.function), args, strict=False)) | kwargs
        return self.implementation(*args, **_known(self.function, kwargs, self.known))


def _known(
    function: Callable[..., Any], params: dict[str, Any], known: Container[str], needed: Container[str] = ()
) -> dict[str, Any]:
    """Return parameters without those that have their defaults; refuse what no rule knows."""
    defaults = _defaults(function)
    params = {
        word: value
        for word, value in params.items()
        if word in needed or value is not defaults.get(word, params)
    }
    unknown = sorted(word for word in params if word not in known)
    if unknown:
        raise not_differentiated(f"{spelling(function)} with {', '.join(unknown)}=")
    return params


# The ways to apply an op do the same thing; one and two inputs are spelt out because there the packing of
# arguments would cost more than the arithmetic.

_new = Tensor.__new__
_NUMBERS = (float, int, bool, complex)


def _unary(op: Op) -> Callable[..., Any]:
    forward = op.forward
    general = as_function(op)

    def apply(x: Any) -> Any:
        if modes:
            return general(x)
        if type(x) is not Tensor:
            return forward(x)
        try:
            value = forward(x._array)
        except Exception as error:
            raise _explained(error, op, (x,)) from None
        if type(value) is not ndarray:
            value = as_array(value)
        y = _new(Tensor)
        y._array = value
        y.grad = y.params = y.name = None
        if x._tracked:
            y._tracked = True
            y.op = op
            y.inputs = (x,)
            y.order = next_order()
        else:
            y._tracked = False
            y.op = None
            y.inputs = ()
            y.order = 0
        return y

    return apply


def _unary_with_keywords(op: Op) -> Callable[..., Any]:
    forward = op.forward
    general = as_function(op)

    def apply(x: Any, /, *others: Any, **params: Any) -> Any:
        if modes or others or type(x) is not Tensor:
            return general(x, *others, **params)
        try:
            value = forward(x._array, **params)
        except Exception as error:
            raise _explained(error, op, (x,), params) from None
        return _result(op, value, (x,), params, x._tracked, x._tracked)

    return apply


def _binary(op: Op) -> Callable[..., Any]:
    forward = op.forward
    general = as_function(op)

    def apply(a: Any, b: Any) -> Any:
        if modes:
            return general(a, b)
        tracked = False
        if type(a) is Tensor:
            a_value = a._array
            tracked = a._tracked
        elif type(b) is not Tensor:
            return forward(a, b)
        else:
            a_value = a = a if type(a) in _NUMBERS else _constant(a, b)
        if type(b) is Tensor:
            b_value = b._array
            tracked = tracked or b._tracked
        else:
            b_value = b = b if type(b) in _NUMBERS else _constant(b, a)
        try:
            value = forward(a_value, b_value)
        except Exception as error:
            raise _explained(error, op, (a, b)) from None
        if type(value) is not ndarray:
            value = as_array(value)
        y = _new(Tensor)
        y._array = value
        y.grad = y.params = y.name = None
        if tracked:
            y._tracked = True
            y.op = op
            y.inputs = (a, b)
            y.order = next_order()
        else:
            y._tracked = False
            y.op = None
            y.inputs = ()
            y.order = 0
        return y

    return apply


def as_function(op: Op) -> Callable[..., Any]:
    """Return the function that applies an op to any number of inputs."""
    forward = op.forward
    source = not op.rules
    arity = None if source or type(op.rules) is each else len(op.rules)

    def apply(*inputs: Any, **params: Any) -> Any:
        paused, tracer, debugger, _ = mode() if modes else ORDINARY
        if tracer is not None:
            for x in inputs:
                if type(x) is Tensor:
                    tracer.touch(x)
        tracked = False
        values: list[Any] = []
        constants = 0
        for x in inputs:
            if type(x) is Tensor:
                values.append(x._array)
                if x._tracked:
                    tracked = True
            else:
                constants += 1
                values.append(x if type(x) in _NUMBERS else _constant(x, *inputs))
        if constants == len(inputs) and not source:
            return forward(*inputs, **params) if tracer is None else _traced(op, inputs, params)
        if arity is not None and len(values) != arity:
            raise TypeError(
                f"{op.name} has {arity} gradient rules and was given {len(values)} arrays; primitive needs "
                "one rule per array, None where there is no gradient"
            )
        try:
            if tracer is debugger:  # there is neither
                value = forward(*values, **params)
            elif tracer is not None:
                value = _traced(op, values, params)
            else:
                value = debugger.compute(forward, values, params)
        except Exception as error:
            raise _explained(error, op, inputs, params) from None
        recorded = (tracked or source) and not paused
        if constants:
            inputs = tuple([x if type(x) is Tensor else v for x, v in zip(inputs, values)])  # noqa: B905
        made_by = op if debugger is None else debugger.examine(op, inputs, params, value)
        return _result(made_by, value, inputs, params, tracked and recorded, recorded)

    def draw(*inputs: Any, **params: Any) -> Any:
        if watches:
            note_draw(params)
        return apply(*inputs, **params)

    return draw if source else apply


def _result(
    op: Op, value: Any, inputs: tuple[Any, ...], params: dict[str, Any], tracked: bool, recorded: bool
) -> Tensor:
    """Return the Tensor of a value that an op has computed, with its place in the graph."""
    y = _new(Tensor)
    y._array = value if type(value) is ndarray else as_array(value)
    y._tracked = tracked
    y.grad = y.params = y.name = None
    if recorded:
        y.op = op
        y.inputs = inputs
        y.params = params or None
        y.order = next_order()
    else:
        y.op = None
        y.inputs = ()
        y.order = 0
    return y


def _traced(op: Op, values: Iterable[Any], params: dict[str, Any]) -> Any:
    """Compute while NumPy's calls are noted; what looks at values, or draws them, is noted as a whole."""
    if op.rules:
        try:
            return op.forward(*values, **params)
        except Exception as error:
            if needed_value(error) is None:
                raise
    return mode().tracer.whole(op.forward, tuple(values), params, "whole" if op.rules else "draw")


def _constant(value: Any, *others: Any) -> Any:
    """Return an input that is not a Tensor as what a rule can compute with, a list as the others are."""
    if isinstance(value, np.generic):
        return value
    if not hasattr(value, "ndim"):
        value = array_or_tensor(value, next((x for x in others if type(x) is Tensor), None))
    return as_array(value)


def _numpy_call(op: Op, function: Callable[..., Any], apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return `apply` with the calling convention of the NumPy function that it stands for."""
    arity = len(op.rules)

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) == arity + 1:  # the common case of np.sum(x, 0)
            word = _further_parameter(function, arity)
            if word in op.keywords and word not in kwargs:
                kwargs[word] = args[arity]
                args = args[:arity]
        if len(args) != arity or not kwargs.keys() <= op.keywords:
            arrays, params = _arrays_and_params(op, function, args, kwargs)
            return apply(*arrays, **params)
        return apply(*args, **kwargs)

    call.__wrapped__ = apply  # type: ignore[attr-defined]
    return call


def _arrays_and_params(
    op: Op, function: Callable[..., Any], args: Any, kwargs: Any
) -> tuple[list[Any], dict[str, Any]]:
    """Sort the arguments of a NumPy call into arrays and keywords; refuse what no rule knows."""
    name = spelling(function)
    try:
        defaults = _defaults(function)
    except ValueError:  # a function in C that says nothing of its parameters
        raise TypeError(f"{name} of a Tensor needs {len(op.rules)} arrays, and no more") from None
    if len(args) > len(defaults):
        raise TypeError(f"{name} takes {len(defaults)} arguments, and {len(args)} were given")
    params = dict(zip(defaults, args, strict=False)) | kwargs
    names = list(defaults)[: len(op.rules)]
    if not params.keys() >= set(names):
        raise TypeError(f"{name} of a Tensor needs the arguments {', '.join(names)}")
    params = _known(function, params, {*names, *op.keywords}, names)
    return [params.pop(word) for word in names], params


@cache
def _further_parameter(function: Callable[..., Any], arity: int) -> str | None:
    """Return the name of the first parameter after the arrays; None where a function does not tell."""
    try:
        return list(_defaults(function))[arity]
    except (ValueError, IndexError):
        return None


@cache
def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters of a function, in order, with their defaults."""
    from inspect import signature

    return {word: parameter.default for word, parameter in signature(function).parameters.items()}


def describe(inputs: Iterable[Any], params: dict[str, Any] | None = None) -> str:
    """List inputs in words, e.g. `(128, 784) float32 'x', 2.0, axis=1`."""
    words = []
    for x in inputs:
        name = f" {x.name!r}" if type(x) is Tensor and x.name else ""
        place = "" if (device := device_of(x)) == "cpu" else f" on {device}"
        words.append(f"{x.shape} {x.dtype}{name}{place}" if hasattr(x, "shape") else repr(x))
    return ", ".join(words + [f"{word}={value!r}" for word, value in (params or {}).items()])


def _explained(
    error: Exception, op: Op, inputs: tuple[Any, ...], params: dict[str, Any] | None = None
) -> Exception:
    devices = {device_of(x): None for x in inputs if hasattr(x, "ndim") and not isinstance(x, np.generic)}
    if len(devices) > 1:
        other = next(device for device in devices if device != "cpu")
        error = TypeError(
            f"{op.name} was given arrays on {' and on '.join(devices)}; move them to one device first, as by "
            f"Tensor(x).to({other!r})"
        )
    error.add_note(f"in {op.name} of {describe(inputs, params)}")
    return with_failed_op(error, op, inputs, params)


class FailedOp(NamedTuple):
    """What an op was given that has raised an error, whose attribute `failed_op` it is, for a picture."""

    op: Op
    inputs: tuple[Any, ...]
    params: dict[str, Any] | None
    order: float
    """A creation number, as that of its result would have been."""


def with_failed_op(
    error: Exception, op: Op, inputs: tuple[Any, ...], params: dict[str, Any] | None
) -> Exception:
    """Return the error with word of the op that it comes from, the innermost one."""
    error.__dict__.setdefault("failed_op", FailedOp(op, inputs, params, next_order()))
    return error
