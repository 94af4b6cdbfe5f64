"""Debugging: where a NaN, an Inf or a wrong gradient comes from, at the price of looking at every array."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from itertools import pairwise
from linecache import getline
from os.path import abspath, dirname, join
from types import FrameType
from typing import Any
from zlib import crc32

import numpy as np
from numpy import ndarray

from autograd.backend import Array, is_foreign, on_host
from autograd.primitives import Op, describe, with_failed_op
from autograd.recording import changed_mode, mode, names_in, record_call
from autograd.tensor import Tensor, values_of
from autograd.trees import flatten, map_tree


@contextmanager
def debug() -> Iterator[None]:
    """Look at what every op of this thread computes; a context, or a decorator, `@debug()`.

    The first op whose result has a NaN or an Inf that its inputs had not raises FloatingPointError, which
    names the op, its inputs with their ranges, and the line of the program; so does the first gradient rule.
    NumPy's own warnings of them are off. Ops remember the line that made them, and any error in their
    gradient shows it, in a later `backward()` outside of the context too. Arrays that were changed between
    forward and backward without the graph's knowledge (in place through `.data`, a buffer that was filled
    again) are found by checksums and named in a RuntimeError, whether the gradient needs their values or not.

    Values and gradients are the same as without. Every array is read a few times more, and functions made by
    `jit` are called as they are, without a program.
    """
    if mode().tracer is not None:
        raise RuntimeError(
            "debug() looks at values, which a function that jit records does not have; "
            "call the function of jit in debug(), and it runs as it is"
        )
    with changed_mode(debugger=mode().debugger or Debugger()):
        yield


class Debugger:
    """What the ops of a thread are shown to in `debug()`.

    `line` is set while a rule runs: the ops in it belong to the line of the op whose gradient they compute,
    and their result is judged as a whole, as it is when rules see arrays. `started` is set while a function
    made by jit runs: the leaves that have got a gradient there.
    """

    def __init__(self, line: str | None = None, started: set[Tensor] | None = None) -> None:
        self.line = line
        self.started = started

    def compute(self, forward: Callable[..., Any], values: Iterable[Any], params: dict[str, Any]) -> Any:
        """Return what an op computes, without NumPy's own warnings."""
        with np.errstate(all="ignore"):
            return forward(*values, **params)

    def examine(self, op: Op, inputs: tuple[Any, ...], params: dict[str, Any], value: Any) -> Op:
        """Raise FloatingPointError for a NaN or Inf that is new in `value`; return the op with a memory."""
        line = self.line or _line_of_the_program()
        if self.line is None and (new := _new_in(value, [*inputs, *flatten(params)])):
            error = FloatingPointError(
                f"{op.name!r} gave {new} for {', '.join(map(_with_range, inputs)) or 'no inputs'}\n"
                f"made at {line}\nhelp: {CURES.get(op.name, CURE)}"
            )
            raise with_failed_op(error, op, inputs, params)
        noted = copy(op)
        noted.line = line
        if op.rules:
            rules = noted.rules = Rules(op, line, inputs, params, value)
            noted.last = rules.last if op.last else None
        return noted

    def differentiate(self, leaf: Tensor) -> None:
        """Begin without a gradient in each call of a function made by jit, as replays do."""
        if self.started is not None and leaf not in self.started:
            self.started.add(leaf)
            leaf.grad = None

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a function that was given to jit as it is, with what replays promise."""
        if self.started is not None:
            return function(*args, **kwargs)
        with changed_mode(debugger=Debugger(started=set())):
            return map_tree(_own, function(*args, **kwargs))


class Rules:
    """The rules of an op, of one result: what they are given must be unchanged, what they give finite.

    They stand where `each` may: `of(inputs)` is called once in every walk back.
    """

    __slots__ = ("op", "line", "inputs", "others")

    def __init__(
        self, op: Op, line: str, inputs: tuple[Any, ...], params: dict[str, Any], value: Any
    ) -> None:
        self.op = op
        self.line = line
        # Of the inputs no more than this is kept: backward frees them.
        self.inputs = [(getattr(x, "order", None), _checksum(x)) for x in inputs]
        others = [(f"argument {word}=", x) for word, tree in params.items() for x in flatten(tree)]
        self.others = [(what, x, _checksum(x)) for what, x in [*others, ("the result", value)]]

    def of(self, inputs: tuple[Any, ...]) -> list[Callable[..., Any] | None]:
        """Return the rules for these inputs, if they are as they were."""
        for number, (x, (order, before)) in enumerate(zip(inputs, self.inputs, strict=True)):
            # The walk back has its own words for a tensor with a new order: it was changed by an optimizer.
            if getattr(x, "order", None) == order and _checksum(x) != before:
                made = f", the result of {x.op.name!r}" if type(x) is Tensor and x.op else ""
                self._raise_changed(f"input {number}", f"{describe([x])}{made}")
        for what, x, before in self.others:
            if _checksum(x) != before:
                self._raise_changed(what, describe([x]))
        rules = self.op.rules
        return [
            None if rule is None else partial(self._run, rule, number, x)
            for number, (rule, x) in enumerate(
                zip(rules if type(rules) is tuple else rules.of(inputs), inputs, strict=True)
            )
        ]

    def last(self, g: Any, y: Any) -> Any:
        """Run the op's last rule, which goes back for all inputs at once."""
        try:
            return self._run(self.op.last, None, None, g, y)
        except Exception as error:
            error.add_note(f"in the gradient of {self.op.name}\nmade at {self.line}")
            raise

    def _run(
        self, rule: Any, number: int | None, x: Any, g: Any, y: Any, /, *values: Any, **params: Any
    ) -> Any:
        debugger = mode().debugger
        line = self.line if "(its gradient)" in self.line else f"{self.line} (its gradient)"
        inside = debugger and Debugger(line, debugger.started)
        with np.errstate(all="ignore"), changed_mode(debugger=inside):
            gradient = rule(g, y, *values, **params)
        if new := _new_in(gradient, [g]):
            by = "" if number is None else f" by input {number}, {_with_range(x)},"
            raise FloatingPointError(
                f"the gradient of {self.op.name!r}{by} is {new}, that of its output is finite\n"
                f"made at {self.line}\nhelp: {CURE}"
            )
        return gradient

    def _raise_changed(self, what: str, which: str) -> None:
        raise RuntimeError(
            f"{what} of {self.op.name!r}, {which}, was changed between forward and backward (in place "
            "through .data, or as an array that was filled again), so the gradient may be wrong\n"
            f"made at {self.line}\nhelp: change it after backward(), or give the op a copy"
        )


def _own(leaf: Any) -> Any:
    if type(leaf) is Tensor:
        return Tensor(leaf._array.copy())
    return leaf.copy() if isinstance(leaf, ndarray) else leaf


def _checksum(x: Any) -> int:
    """Return a number that tells apart what an array held and holds; 0 for what is no array."""
    x = values_of(x)
    if not (isinstance(x, ndarray) or is_foreign(x)):
        return 0
    x = on_host(x)
    once = x[tuple(slice(None) if stride else slice(1) for stride in x.strides)]  # of what is broadcast
    return crc32(np.ascontiguousarray(once).view(np.uint8).data)


# ------------------------------------------------------------------------------------ NaN and Inf

CURE = (
    "keep the inputs away from there, with np.where around the input, f(np.where(good, x, 1)): around the "
    "result it would leave 0 times Inf, a NaN, in the gradient. Numbers that have grown from step to step "
    "need a smaller learning rate"
)
_LOG = "logarithms need positive numbers: np.log(np.where(x > 0, x, 1)); of a softmax, use log_softmax"
_EXP = (
    "exp overflows above 709 in float64 and 88 in float32: subtract the maximum first, or use "
    "logsumexp or softmax"
)
CURES = {
    "divide": "keep the divisor away from 0, a / np.where(b == 0, 1, b), or add a small number to it",
    "sqrt": "roots need numbers from 0 on, and for a gradient above 0: np.sqrt(np.where(x > 0, x, 1))",
    **dict.fromkeys(("log", "log2", "log10", "log1p"), _LOG),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), _EXP),
}


def _new_in(value: Any, sources: Iterable[Any]) -> str:
    """Describe NaN and Inf in `value` that do not come from the sources; nothing if there are none."""
    value = on_host(value)
    if value.dtype.kind not in "fc" or np.isfinite(value).all():
        return ""
    known = [x for x in map(on_host, filter(_is_numeric, sources)) if x.dtype.kind in "fc"]
    if all(np.isfinite(x).all() for x in known):
        new = ~np.isfinite(value)
    elif not any(np.isnan(x).any() for x in known):
        new = np.isnan(value)  # of infinite inputs Inf is no surprise
    else:
        return ""
    if not new.any():
        return ""
    first = np.unravel_index(np.argmax(new), new.shape)
    where = f" at {[int(i) for i in first]} ({new.sum()} of {new.size} elements NaN or Inf)" if first else ""
    return f"{value[first]}{where}"


def _is_numeric(x: Any) -> bool:
    return type(x) is Tensor or isinstance(x, (ndarray, np.generic, float, complex)) or is_foreign(x)


def _with_range(x: Any) -> str:
    """Describe an input, e.g. `(3,) float64 'x' from 0 to 2`."""
    values: Array = on_host(x)
    numbers = values[~np.isnan(values)]
    if isinstance(x, (bool, int, float, complex)) or values.dtype.kind == "b" or not numbers.size:
        return describe([x])
    size = "of size " if values.dtype.kind == "c" else ""
    numbers = np.abs(numbers) if size else numbers
    spoilt = f" and {values.size - numbers.size} NaN" if numbers.size < values.size else ""
    return f"{describe([x])} {size}from {numbers.min():.6g} to {numbers.max():.6g}{spoilt}"


# ------------------------------------------------------------------------------------------ lines

_AUTOGRAD = join(dirname(__file__), "")
_NN = join(dirname(dirname(__file__)), "nn", "")


def _line_of_the_program() -> str:
    """Return where this package was called from, e.g. `train.py:31, in loss: y = np.log(x)`.

    That is the first frame outside of autograd and nn; the innermost in nn follows, and the module.
    """
    frame: FrameType | None = sys._getframe()
    within = ""
    while frame is not None and (file := frame.f_code.co_filename).startswith((_AUTOGRAD, _NN)):
        if not within and file.startswith(_NN):
            within = f" (through {_place(frame)})"
        frame = frame.f_back
    if frame is None:
        return "an unknown line"
    source = getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"{_place(frame)}{f': {source}' if source else ''}{within}{_module_that_runs()}"


def _module_that_runs() -> str:
    """Return the innermost module that is being called, e.g. `, in layers.0: Linear`, or nothing."""
    frame: FrameType | None = sys._getframe()
    owners: list[Any] = []  # the innermost first
    while frame is not None:
        if frame.f_code is record_call.__code__:
            owners.append(frame.f_locals["owner"])
        frame = frame.f_back
    if not owners:
        return ""
    names = [names_in(outer).get(id(inner), "") for inner, outer in pairwise(owners)]
    path = ".".join(filter(None, reversed(names)))
    return f", in {f'{path}: ' if path else ''}{type(owners[0]).__name__}"


def _place(frame: FrameType) -> str:
    file = frame.f_code.co_filename.removeprefix(join(abspath(""), ""))
    return f"{file}:{frame.f_lineno}, in {frame.f_code.co_name}"
