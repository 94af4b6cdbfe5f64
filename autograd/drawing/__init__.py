"""Pictures of a graph: what was computed from what, in which module, with values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import finalize

from autograd.replay import Jitted
from autograd.tensor import Tensor
from autograd.trees import flatten

if TYPE_CHECKING:
    from autograd.drawing.dot import Picture
    from autograd.drawing.graph import Graph

SHOWN = ("values", "grads", "shapes", "dtypes", "memory", "time")
QUANTITIES = ("grad", "memory", "time", "value")


def draw_graph(
    target: Any,
    *inputs: Any,
    direction: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    collapse: Iterable[str | type] | str | Callable[[Any], bool] = (),
    show: Iterable[str] | str = ("values", "grads", "shapes", "dtypes"),
    color_by: str | None = None,
    names: Mapping[str, Tensor] | None = None,
    backward: bool = False,
    max_nodes: int | None = 300,
) -> Picture:
    """Return a picture of the graph that `target` was computed by.

    `target` is a tensor, several (`draw_graph(a, b)`, or nested lists and dicts of them), or a module or
    function, which is called on `inputs`; of a function made by `jit` it is the program that it ran last; of
    an error that an op or a module has raised it is what had been computed, with the op that failed.

    Leaves have their names, ops their parameters; each shape says as much of its tensor as `show` lists:
    "values" (single numbers, of larger arrays the root mean square), "grads" (those that `backward()` has
    left in `.grad`: with `retain_graph=True` in all tensors), "shapes", "dtypes" (but float64), "memory" and
    "time" (ops are run again for it, forward and back). `color_by` fills the shapes by "grad", "value" (root
    mean squares), "memory" or "time". Tooltips have statistics, the gradient rule, and in graphs that were
    recorded in `debug()` the line that made them. `names` gives tensors names, as
    `dict(model.named_parameters())` does.

    Calls of modules are boxes: those with `depth` modules around them, and those that `collapse` names (by
    class, path, or a function of the module) are folded into one shape. Equal blocks in a row are drawn once,
    with their number. Graphs of more than `max_nodes` shapes are folded further, and the caption says so;
    None draws everything. With `backward` the gradients' own graph is drawn, too, up along the side of it:
    what `create_graph=True` would record, for the sum of each output.

    Nodes are numbered in the order of their creation, so the picture is the same in every run. The result is
    a `graphviz.Digraph`: `.render(outfile="graph.svg")` writes a picture (svg, pdf, png, dot, or html: a page
    to explore), `.source` is its DOT text, and a notebook shows it; `.html()` is the page. Pictures need the
    program `dot`; without it, SVG can be drawn with the package graphlay.
    """
    from autograd.drawing.data import page_data
    from autograd.drawing.dot import picture_of
    from autograd.drawing.folding import fold
    from autograd.drawing.view import View

    _check("direction", direction, ("TB", "LR"))
    shown = {show} if isinstance(show, str) else set(show)
    for word in sorted(shown):
        _check("show", word, SHOWN)
    if color_by is not None:
        _check("color_by", color_by, QUANTITIES)
    for option, number, least in (("depth", depth, 0), ("max_nodes", max_nodes, 1)):
        if number is not None and number < least:
            raise ValueError(f"{option} of draw_graph is a number from {least} on or None, and not {number}")
    called = {tensor: name for name, tensor in _named(names or {})}
    if isinstance(target, Jitted):
        return _draw_program(target, inputs, direction)
    graph = _graph(target, inputs, backward)
    caption = fold(graph, depth, collapse, max_nodes)
    cure = "; max_nodes=None draws them all" if caption else ""
    diagram = View(graph, called, shown, color_by).diagram(direction, caption + cure)
    data = partial(page_data, graph, called, direction, caption)
    finalize(data, graph.take_apart).atexit = False
    return picture_of(diagram, data)


def _check(option: str, given: Any, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{option} of draw_graph may be {', '.join(map(repr, known))}, and not {given!r}")


def _named(names: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(names, Mapping):
        raise TypeError(
            f"names of draw_graph maps names to Tensors, as a dict, and is {type(names).__name__}"
        )
    for name, tensor in names.items():
        if type(tensor) is not Tensor:
            raise TypeError(
                f"names of draw_graph maps names to Tensors, and {name!r} to {type(tensor).__name__}"
            )
        yield str(name), tensor


def _graph(target: Any, inputs: tuple[Any, ...], backward: bool) -> Graph:
    from autograd.drawing.failures import graph_of_error
    from autograd.drawing.graph import graph_of
    from autograd.drawing.steps import walk

    if isinstance(target, BaseException):
        return graph_of_error(target)
    outputs = flatten(target(*inputs) if callable(target) else [target, *inputs])
    if not outputs or not all(type(output) is Tensor for output in outputs):
        kinds = ", ".join(sorted({type(output).__name__ for output in outputs})) or "nothing"
        raise TypeError(f"draw_graph draws Tensors, or a module called on inputs, and got {kinds}")
    if backward and not any(output.requires_grad for output in outputs):
        raise ValueError("backward=True draws the graph of gradients, and no output requires gradients")
    return graph_of(outputs, walk(outputs, record=True) if backward else None)


def _draw_program(function: Jitted, inputs: tuple[Any, ...], direction: str) -> Picture:
    """Return a picture of the calls that a replay makes: each points to what uses, or changes, its result."""
    from autograd.drawing.data import program_data
    from autograd.drawing.diagram import QUIET, Arrow, Diagram, Shape
    from autograd.drawing.dot import picture_of

    if inputs:
        function(*inputs)
    if function.latest is None:
        raise RuntimeError("nothing was recorded yet: call the function first, or give draw_graph its inputs")
    diagram = Diagram(direction=direction)
    steps = function.latest.steps
    for number, step in enumerate(steps):
        lines = [[(step.extent, QUIET)]] if step.extent else []
        tooltip = f"{step.name} {step.extent}"
        diagram.shapes.append(Shape(f"n{number}", step.kind, step.name, lines, tooltip))
        for x in step.inputs:
            diagram.arrows.append(Arrow(diagram.shapes[x], diagram.shapes[number]))
    return picture_of(diagram, partial(program_data, function.name, steps, direction))
