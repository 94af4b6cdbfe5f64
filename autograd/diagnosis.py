"""What is wrong with a gradient, in words: the op whose rule is off, or where the graph is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd.backend import Array
from autograd.backward import find_path
from autograd.differences import Derivative, Result, Tolerances, check, in_double
from autograd.primitives import as_function, describe
from autograd.recording import recorded
from autograd.tensor import Tensor, values_of
from autograd.trees import flatten

ROWS = 5  # of the table
NEARBY = 4  # ops of the path that are shown before and after the one in question
LEFT_THE_GRAPH = "help: look for detach(), .data, item() or no_grad() on the way; compute on the tensors"


def explain(f: Callable[..., Any], inputs: list[Array], result: Result, tolerances: Tolerances) -> str:
    """Return the message of an error: its first line says it all."""
    if result.verdict == "random":
        return "\n".join(
            (
                "random: two evaluations of f at the same point differ",
                "help: make the generator within f, e.g. np.random.default_rng(0), so that it starts afresh",
                "help: call model.eval() before the check of a module with dropout",
            )
        )
    names, comparison = result.names, result.comparison
    worst = sorted(comparison.differing, key=_severity, reverse=True)
    arguments = list(dict.fromkeys(names[derivative.argument] for derivative in worst))
    more = f" and {len(arguments) - 3} more" if len(arguments) > 3 else ""
    what = (
        f"derivative {result.degree} by {', '.join(arguments[:3])}{more} at {len(worst)} of "
        f"{comparison.compared} {'directions' if result.directions else 'elements'}"
    )
    verdict = result.verdict
    if verdict == "wrong":
        lines = [*_wrong_op(f, inputs, result, tolerances)] or [*_cut(result, tolerances)]
        if not lines:
            # Where every rule is right, so is the whole, and it is the differences that are not.
            verdict = "noisy" if _find_op(result, "noisy", tolerances) else "wrong"
            lines = [", while every rule is right by itself", LEFT_THE_GRAPH]
    if verdict == "kink":
        lines = [*_kink(result, tolerances)]
    elif verdict == "noisy":
        lines = [*_noisy(result, tolerances)]
    if comparison.order is not None:
        lines.append(f"taylor: the remainder is of order {comparison.order:.1f}, and 2 if right")
    why, *more_lines = lines
    return "\n".join([f"{verdict}: {what}{why}", *_table(names, worst, verdict == "kink"), *more_lines])


def _wrong_op(
    f: Callable[..., Any], inputs: list[Array], result: Result, tolerances: Tolerances
) -> Iterator[str]:
    """Say which op is wrong, if one is: how the first line ends, and more lines."""
    strict = tolerances._replace(atol=0)  # small derivatives may be multiplied by large ones
    searches = [(result.f, result.inputs, 1, tolerances), (result.f, result.inputs, 1, strict)]
    if result.degree > 1:  # a rule may be right, and its own derivative not
        searches.append((f, inputs, result.degree, tolerances))
    for function, arguments, order, allowed in searches:
        graph = _Graph(function, arguments)
        if found := _first_op(graph, "wrong", order, allowed):
            node, own = found
            worst = max(own.comparison.differing, key=_severity)
            yield f", since the rule of {_op(node)} is off"
            yield f"op: {_op(node)} of {describe(node.inputs)}"
            yield f"path: {graph.path(node)}"
            yield (
                f"rule: by itself, its derivative {own.degree} by {own.names[worst.argument]} at "
                f"{worst.where} is {worst.analytic:.8g}, differences give {worst.numeric:.8g}"
            )
            return


def _cut(result: Result, tolerances: Tolerances) -> Iterator[str]:
    """Say where values were computed outside of the graph, if they were."""
    graph = _Graph(result.f, result.inputs)
    numbers = sorted({derivative.argument for derivative in result.comparison.differing})
    if cut := [result.names[number] for number in numbers if not graph.uses(graph.leaves[number])]:
        yield ", while every rule is right by itself"
        yield f"cut: the output was computed from {', '.join(cut)} outside of the graph"
        yield LEFT_THE_GRAPH
    elif constant := _moving_constant(result.f, result.inputs, tolerances.eps):
        yield ", while every rule is right by itself"
        yield f"cut: {constant} changes with the arguments, and is a constant of the graph"
        yield LEFT_THE_GRAPH


def _kink(result: Result, tolerances: Tolerances) -> Iterator[str]:
    worst = max(result.comparison.differing, key=lambda derivative: abs(derivative.left - derivative.right))
    same = np.isclose(worst.left, worst.right)
    yield ": the differences grow as the step shrinks" if same else ": the one-sided differences disagree"
    if op := _find_op(result, "kink", tolerances):
        yield f"op: {op} is at a kink"
    yield "help: move the inputs away from the kink by more than eps; at it there is no derivative"


def _noisy(result: Result, tolerances: Tolerances) -> Iterator[str]:
    finite = all(np.isfinite(derivative.numeric) for derivative in result.comparison.differing)
    if finite:
        yield f": steps of {tolerances.eps:g} do not resolve f, and Taylor's test does not decide"
    else:
        yield ": f is not finite there"
    if op := _find_op(result, "noisy", tolerances):
        yield f"op: {op} is so by itself"
    if finite:
        yield "help: pass a larger eps=, scale f to values near 1, or compute in float64 throughout"
    else:
        yield "help: move the inputs to where f is defined"


def _severity(derivative: Derivative) -> float:
    return derivative.relative_error if np.isfinite(derivative.relative_error) else np.inf


def _table(names: list[str], worst: list[Derivative], one_sided: bool) -> list[str]:
    rows = [["", "at", "analytic", *(["left", "right"] if one_sided else ["numeric", "relative error"])]]
    for derivative in worst[:ROWS]:
        row = [names[derivative.argument], derivative.where, f"{derivative.analytic:.8g}"]
        if one_sided:
            row += [f"{derivative.left:.8g}", f"{derivative.right:.8g}"]
        else:
            row += [f"{derivative.numeric:.8g}", f"{derivative.relative_error:.2g}"]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "".join(f"  {cell:{'<' if column < 2 else '>'}{widths[column]}}" for column, cell in enumerate(row))
        for row in rows
    ]
    return lines + ([f"  ... and {len(worst) - ROWS} more"] if len(worst) > ROWS else [])


class _Graph:
    """What a function records: the nodes on the way from its inputs to its outputs, oldest first."""

    def __init__(self, f: Callable[..., Any], inputs: list[Array]) -> None:
        self.leaves = [Tensor(x, requires_grad=True) for x in inputs]
        self.outputs = flatten(recorded(f, *self.leaves))
        self.between = find_path(self.outputs, self.leaves).wanted
        nodes = [node for node in self.between if node.op is not None]
        self.nodes = sorted(nodes, key=lambda node: node.order)

    def varies(self, x: Any) -> bool:
        return type(x) is Tensor and x in self.between

    def uses(self, leaf: Tensor) -> bool:
        used = [x for node in self.nodes for x in node.inputs] + self.outputs
        return any(x is leaf for x in used)

    def path(self, node: Tensor) -> str:
        """Name the ops from an input through `node` to an output, a few to either side of it."""
        before, after = [node], [node]
        while inputs := [x for x in before[-1].inputs if self.varies(x) and x.op is not None]:
            before.append(inputs[0])
        for later in self.nodes:
            if any(x is after[-1] for x in later.inputs):
                after.append(later)
        names = [_op(x) for x in [*before[NEARBY::-1], *after[1 : NEARBY + 1]]]
        start, end = ["..."] * (len(before) > NEARBY + 1), ["..."] * (len(after) > NEARBY + 1)
        return " -> ".join([*start, *names, *end])


def _op(node: Tensor) -> str:
    return node.op.name  # type: ignore[union-attr]


def _first_op(
    graph: _Graph, verdict: str, order: int, tolerances: Tolerances
) -> tuple[Tensor, Result] | None:
    """Find the first op of a graph that by itself, on what it was given, gets this verdict."""
    with np.errstate(all="ignore"):  # it has been warned of already
        for node in graph.nodes:
            places = [place for place, x in enumerate(node.inputs) if graph.varies(x)]
            inputs = [in_double(node.inputs[place]) for place in places]
            names = [f"input {place}" for place in places]
            result = check(_alone(node, places), inputs, names, order, tolerances)
            if result.verdict == verdict:
                return node, result
    return None


def _find_op(result: Result, verdict: str, tolerances: Tolerances) -> str | None:
    """Describe the first op that by itself gets this verdict."""
    found = _first_op(_Graph(result.f, result.inputs), verdict, 1, tolerances)
    return f"{_op(found[0])} of {describe(found[0].inputs)}" if found else None


def _alone(node: Tensor, places: list[int]) -> Callable[..., Any]:
    """Return the op of a node as a function of its inputs at these places; the others are constants."""
    op = as_function(node.op)  # type: ignore[arg-type]
    constants = [values_of(x) for x in node.inputs]

    def alone(*values: Any) -> Any:
        inputs = list(constants)
        for place, value in zip(places, values, strict=True):
            inputs[place] = value
        return op(*inputs, **(node.params or {}))

    return alone


def _moving_constant(f: Callable[..., Any], inputs: list[Array], eps: float) -> str | None:
    """Name a constant of the graph that changes with the inputs: what was computed outside of it."""
    generator = np.random.default_rng(3)
    moved = [x + eps * generator.standard_normal(x.shape) for x in inputs]
    here, there = _Graph(f, inputs), _Graph(f, moved)
    for node, other in zip(here.nodes, there.nodes, strict=False):
        if node.op is not other.op:
            return None
        for number, (x, y) in enumerate(zip(node.inputs, other.inputs, strict=True)):
            if not here.varies(x) and not np.array_equal(in_double(x), in_double(y)):
                return f"input {number} of {_op(node)} of {describe(node.inputs)}"
    return None
