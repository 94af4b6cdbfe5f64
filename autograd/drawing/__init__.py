"""Pictures of a graph: what was computed from what, in which module, with values and gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd.recording import calls
from autograd.replay import Jitted
from autograd.tensor import Tensor
from autograd.trees import flatten

if TYPE_CHECKING:
    from graphviz import Digraph

# Okabe and Ito's palette, which the colour-blind can tell apart: fill and border of each kind of node.
COLORS = {
    "parameter": ("#fff3d9", "#e69f00"),
    "data": ("#e6f3fb", "#56b4e9"),
    "op": ("#ffffff", "#8a8f98"),
    "output": ("#dff3ea", "#009e73"),
    "constant": ("#f3f3f4", "#b5b9c0"),
}
QUIET, GRADIENT = "#6b7280", "#a8480b"


def draw_graph(target: Any, *inputs: Any) -> Digraph:
    """Return a picture of the graph that `target` was computed by.

    `target` is a tensor, several (`draw_graph(a, b)`, or nested lists and dicts of them), or a module or
    function, which is called on `inputs`; of a function made by `jit` it is the program that it ran last.
    Leaves show name, shape and dtype; ops their parameters;
    single numbers their value; tensors that require gradients show them once backward() has computed
    them (`backward(retain_graph=True)` for those in between). Calls of modules are boxes.

    Nodes are numbered in the order of their creation, so the picture is the same in every run. The
    result is a `graphviz.Digraph`: `.render("graph", format="svg")` writes a picture, `.source` is
    its DOT text, and a notebook shows it. Rendering needs the program `dot`; DOT text does not.
    """
    if isinstance(target, Jitted):
        return _draw_program(target, *inputs)
    outputs = flatten(target(*inputs) if callable(target) else [target, *inputs])
    if not outputs or not all(type(output) is Tensor for output in outputs):
        kinds = ", ".join(sorted({type(output).__name__ for output in outputs})) or "nothing"
        raise TypeError(f"draw_graph draws Tensors, or a module called on inputs, and got {kinds}")
    tensors = _ancestors(outputs)
    names = {tensor: f"n{number}" for number, tensor in enumerate(tensors)}
    picture = _empty_picture()
    places = _places(tensors)
    _add_nodes(picture, _Cluster.tree(places), tensors, names, places, set(outputs))
    for tensor in tensors:
        box = _box_to_enter(tensor, places)
        for number, x in enumerate(tensor.inputs):
            if type(x) is Tensor:
                enters = box is not None and x.op is not None and places.get(x) is not box
                # With room for what stands above an op in its box, boxes stand below one another, and not in
                # a staircase.
                room = {"minlen": "2"} if enters else {}
                picture.edge(names[x], names[tensor], **_edge_style(x), **room)
            elif not _is_number(x):
                picture.edge(f"{names[tensor]}_{number}", names[tensor])
    return picture


def _empty_picture() -> Digraph:
    from graphviz import Digraph

    return Digraph(
        "graph",
        graph_attr={"rankdir": "TB", "nodesep": "0.25", "ranksep": "0.3", "fontname": "Helvetica"},
        node_attr={
            "shape": "box",
            "style": "filled,rounded",
            "fontname": "Helvetica",
            "fontsize": "11",
            "margin": "0.06,0.04",
            "height": "0.3",
        },
        edge_attr={"arrowsize": "0.6", "color": "#9aa0a8"},
    )


def _draw_program(function: Jitted, *inputs: Any) -> Digraph:
    """Return a picture of the calls that a replay makes: each points to what uses, or changes, its result."""
    if inputs:
        function(*inputs)
    if function.latest is None:
        raise RuntimeError("nothing was recorded yet: call the function first, or give draw_graph its inputs")
    picture = _empty_picture()
    for number, step in enumerate(function.latest.steps):
        lines = [_title(step.name)]
        lines += [] if step.shape is None else [_small(f"{step.shape} {step.dtype}")]
        _node(picture, f"n{number}", step.kind, lines)
        for x in step.inputs:
            picture.edge(f"n{x}", f"n{number}")
    return picture


def _edge_style(x: Tensor) -> dict[str, str]:
    """Draw darker where gradients flow; keep what is computed from what in one line, parameters beside it."""
    color = {"color": "#4b5563", "penwidth": "1.3"} if x.requires_grad else {}
    return color | ({"weight": "8"} if x.op is not None and x.requires_grad else {})


def _box_to_enter(tensor: Tensor, places: dict[Tensor, _Cluster | None]) -> _Cluster | None:
    """Return the box of an op, if something stands above the op in it, as its parameters do."""
    box = places.get(tensor)
    crowded = any(type(x) is Tensor and places.get(x) is box for x in tensor.inputs)
    return box if crowded else None


def _ancestors(outputs: list[Tensor]) -> list[Tensor]:
    """Return every tensor that the outputs were computed from, oldest first."""
    found = dict.fromkeys(outputs)
    stack = list(found)
    while stack:
        tensor = stack.pop()
        if tensor.inputs is None:
            raise RuntimeError(
                f"backward() has freed the graph of the result of {tensor.op.name!r}, "
                "so there is nothing left to draw; draw it before, or call backward(retain_graph=True)"
            )
        for x in tensor.inputs:
            if type(x) is Tensor and x not in found:
                found[x] = None
                stack.append(x)
    return sorted(found, key=lambda tensor: tensor.order)


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, np.generic))


# ------------------------------------------------------------------------------------------- modules


class _Cluster:
    """A call of a module: the interval of creation numbers of its ops, and the calls within it."""

    def __init__(self, call: tuple[int, int, str, Any]) -> None:
        self.first, self.last, self.kind, owner = call
        self.owner = owner()
        self.parent: _Cluster | None = None
        self.children: list[_Cluster] = []

    @property
    def label(self) -> str:
        """Name the call by its module's class, and by where the calling module keeps it."""
        path = _path(self.parent.owner, self.owner) if self.parent and self.owner is not None else ""
        return f"{path}  {self.kind}" if path else self.kind

    def keeps(self, leaf: Tensor) -> bool:
        """Tell whether the module has this parameter; one that is gone is taken to have had it."""
        return self.owner is None or bool(_path(self.owner, leaf))

    @staticmethod
    def tree(places: dict[Tensor, _Cluster | None]) -> list[_Cluster]:
        """Return the outermost of the calls that have something in them, each with its children."""
        used: dict[_Cluster, None] = {}
        for cluster in places.values():
            while cluster is not None and cluster not in used:
                used[cluster] = None
                cluster = cluster.parent
        ordered = sorted(used, key=lambda cluster: cluster.first)
        for cluster in ordered:
            if cluster.parent is not None:
                cluster.parent.children.append(cluster)
        return [cluster for cluster in ordered if cluster.parent is None]


def _path(owner: Any, member: Any) -> str:
    """Say under which name `owner` keeps `member`, e.g. "layers.0"; nothing if it does not."""
    stack = list(getattr(owner, "__dict__", {}).items())
    while stack:
        path, value = stack.pop()
        if value is member:
            return str(path)
        parts: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            parts = value.items()
        elif isinstance(value, (list, tuple)):
            parts = enumerate(value)
        stack += [(f"{path}.{key}", part) for key, part in parts]
    return ""


def _places(tensors: list[Tensor]) -> dict[Tensor, _Cluster | None]:
    """Find the innermost call for each tensor; a module's parameters are where they are used, if once."""
    places: dict[Tensor, _Cluster | None] = {}
    clusters = sorted(map(_Cluster, calls.copy()), key=lambda cluster: cluster.first)
    upcoming = iter([*clusters, None])
    following = next(upcoming)
    current: _Cluster | None = None
    for tensor in tensors:  # oldest first, so the calls are entered and left as they were made
        while following is not None and following.first < tensor.order:
            while current is not None and current.last < following.first:
                current = current.parent
            following.parent, current = current, following
            following = next(upcoming)
        while current is not None and current.last < tensor.order:
            current = current.parent
        if tensor.op is not None:
            places[tensor] = current
    users: dict[Tensor, set[_Cluster | None]] = {}
    for tensor in tensors:
        for x in tensor.inputs:
            if type(x) is Tensor and x.op is None and x.requires_grad:
                users.setdefault(x, set()).add(places[tensor])
    for leaf, callers in users.items():
        caller = callers.pop() if len(callers) == 1 else None
        places[leaf] = caller if caller is not None and caller.keeps(leaf) else None
    return places


def _add_nodes(
    picture: Digraph,
    clusters: list[_Cluster],
    tensors: list[Tensor],
    names: dict[Tensor, str],
    places: dict[Tensor, _Cluster | None],
    outputs: set[Tensor],
) -> None:
    """Add the nodes to the picture, each inside the box of its module."""
    contents: dict[_Cluster | None, list[Tensor]] = {}
    for tensor in tensors:
        contents.setdefault(places.get(tensor), []).append(tensor)
    for tensor in contents.get(None, []):
        _add_node(picture, tensor, names[tensor], tensor in outputs)
    number = 0
    # Nested boxes are written as text with a stack: module trees may be deeper than Python's.
    stack: list[_Cluster | None] = list(reversed(clusters))
    while stack:
        cluster = stack.pop()
        if cluster is None:
            picture.body.append("\t}\n")
            continue
        members = contents.get(cluster, [])
        if len(members) == 1 and not cluster.children:  # a box around one box says no more than a line
            _add_node(picture, members[0], names[members[0]], members[0] in outputs, cluster.label)
            continue
        picture.body.append(
            f"\tsubgraph cluster_{number} {{\n\t\tlabel=<{_small(cluster.label)}> labeljust=l "
            'style="filled,rounded" color="#d5d8dd" fillcolor="#0000000a"\n'
        )
        number += 1
        for tensor in members:
            _add_node(picture, tensor, names[tensor], tensor in outputs)
        stack.append(None)
        stack.extend(reversed(cluster.children))


# --------------------------------------------------------------------------------------------- nodes


def _add_node(picture: Digraph, tensor: Tensor, name: str, is_output: bool, module: str = "") -> None:
    if tensor.op is None:
        kind = "parameter" if tensor.requires_grad else "data"
        lines = [_title(tensor.name or ("tensor" if tensor.requires_grad else "data"))]
    else:
        kind = "output" if is_output else "op" if tensor.requires_grad else "constant"
        lines = [_title(_call(tensor))]
        lines += [_small(module)] if module else []
        lines += [_small(", ".join(words))] if (words := _parameters(tensor)) else []
    lines.append(_small(_summary(tensor.data)))
    if tensor.grad is not None:
        lines.append(_small(f"grad {_size(tensor.grad.data)}", GRADIENT))
    elif tensor.requires_grad:
        lines.append(_small("grad not computed"))
    _node(picture, name, kind, lines)
    for number, x in enumerate(tensor.inputs):
        if type(x) is not Tensor and not _is_number(x):
            _node(picture, f"{name}_{number}", "constant", [_small(f"constant {_summary(x)}")])


def _node(picture: Digraph, name: str, kind: str, lines: list[str]) -> None:
    fill, border = COLORS[kind]
    rows = "".join(f"<tr><td>{line}</td></tr>" for line in lines)
    table = f'<<table border="0" cellspacing="0" cellpadding="1">{rows}</table>>'
    picture.node(name, table, fillcolor=fill, color=border)


def _call(tensor: Tensor) -> str:
    """Write an op with the numbers that it was given, e.g. `divide(·, 2)`."""
    title: str = tensor.op.name  # type: ignore[union-attr]
    if not any(_is_number(x) for x in tensor.inputs):
        return title
    return f"{title}({', '.join(_brief(x) if _is_number(x) else '·' for x in tensor.inputs)})"


def _parameters(tensor: Tensor) -> list[str]:
    """Write the keyword arguments of an op, less what its shape and dtype say anyway."""
    known = {"shape": tensor.shape, "dtype": tensor.dtype}
    return [
        f"{word}={_brief(value)}"
        for word, value in (tensor.params or {}).items()
        if value is not None
        and not isinstance(value, np.random.Generator)
        and not (word in known and _same(known[word], value))
    ]


def _same(known: Any, given: Any) -> bool:
    if isinstance(known, tuple):
        return known == tuple(np.atleast_1d(given).tolist())
    return bool(known == given)


def _brief(value: Any) -> str:
    """Write a parameter in at most some thirty characters."""
    if isinstance(value, np.ndarray):
        text = f"array of {value.shape}"
    elif isinstance(value, (float, np.floating)):
        text = f"{value:.4g}"
    elif isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        text = ":".join(ends if value.step is None else [*ends, str(value.step)])
    elif isinstance(value, list):
        text = f"[{', '.join(map(_brief, value[:20]))}]"
    elif isinstance(value, tuple):
        text = ", ".join(map(_brief, value[:20]))
        text = f"({text},)" if len(value) == 1 else f"({text})"
    elif isinstance(value, (type, np.dtype)):
        text = np.dtype(value).name
    elif value is None or isinstance(value, (str, bool, int, complex, np.generic)):
        text = str(value)
    else:
        text = "..." if value is Ellipsis else type(value).__name__
    return _shortened(text, 32)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _summary(array: Any) -> str:
    """Describe an array: a single number by its value, others by shape and dtype."""
    dtype = "" if array.dtype == np.float64 else f" {array.dtype}"
    if array.ndim:
        return f"{array.shape}{dtype}"
    return f"{array.item():.5g}{dtype}" if array.dtype.kind in "fc" else f"{array.item()}{dtype}"


def _size(gradient: Any) -> str:
    """Write a gradient: a single number as it is, others by their root mean square."""
    if gradient.size == 1:
        return f"{gradient.item():.4g}"
    largest = np.abs(gradient).max(initial=0).astype(np.float64)
    if not 0 < largest < np.inf:
        return f"rms {largest:.3g}"
    return f"rms {largest * np.sqrt(np.mean(np.square(np.abs(gradient) / largest))):.3g}"  # none overflows


def _title(text: str) -> str:
    return f"<b>{_text(_shortened(text, 100))}</b>"


def _small(text: str, color: str = QUIET) -> str:
    return f'<font point-size="9" color="{color}">{_text(text)}</font>'


def _text(text: str) -> str:
    """Escape text for a label of Graphviz's HTML kind, which refuses control characters."""
    from html import escape

    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    # Graphviz replaces \\N and the like even here; a space of no width keeps the letter apart.
    return escape(printable).replace("\\", "\\\N{ZERO WIDTH SPACE}")
