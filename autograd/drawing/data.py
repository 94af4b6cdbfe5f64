"""The data of a page: every node with its values, gradients and rules, and backpropagation step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.backend import on_host
from autograd.drawing import labels
from autograd.drawing.folding import stand_ins
from autograd.drawing.graph import Box, Graph, Node
from autograd.drawing.rules import rules_of
from autograd.drawing.steps import Steps, local_derivatives, walk
from autograd.tensor import Tensor

WHOLE = 64  # elements up to which all are shown
SIDE = 32  # rows and columns of the sample of a large array
BINS = 32
MOST = 5000  # nodes of a page
NO_STEPS = Steps([], {}, 0)


class Arrays:
    """The arrays of a page: described once each, and referred to by number."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.kept: list[Any] = []
        self.described: list[dict[str, Any]] = []

    def number(self, array: Any) -> int:
        if id(array) not in self.numbers:
            self.numbers[id(array)] = len(self.described)
            self.kept.append(array)  # so that its id stays its own
            self.described.append(described(on_host(array)))
        return self.numbers[id(array)]


def page_data(graph: Graph, names: dict[Tensor, str], direction: str, caption: str) -> dict[str, Any]:
    """Return what a page shows, as lists and dicts for JSON; of a very large graph, what is not folded."""
    if len(graph.nodes) > MOST:
        return _folded_data(graph, names, direction, caption)
    arrays = Arrays()
    walked, why_not = _walked(graph)
    numbers = {node: place for place, node in enumerate(graph.nodes)}
    boxes: dict[Box | None, int] = {box: place for place, box in enumerate(graph.boxes())}
    return EMPTY | {
        "title": _title(graph, names),
        "caption": caption + ("; Unfold all shows them" if caption else ""),
        "direction": direction,
        "nodes": [_node(node, names, numbers, boxes, arrays, walked) for node in graph.nodes],
        "boxes": [_box(box, boxes) for box in graph.boxes()],
        "outputs": [numbers[output] for output in graph.outputs],
        "steps": _steps(walked, numbers, arrays),
        "no_steps": why_not,
        "arrays": arrays.described,
    }


def _box(box: Box, boxes: dict[Box | None, int]) -> dict[str, Any]:
    has_parameters = box.kind in ("module", "repeat")
    return {
        "label": _label(box),
        "parent": boxes.get(box.parent),
        "parameters": (labels.parameter_count(box) if has_parameters else 0) or None,
        "folded": box.folded or box.kind == "repeat",
        "kind": box.kind,
        "of": boxes.get(box.of),
    }


def _steps(walked: Steps, numbers: dict[Node, int], arrays: Arrays) -> list[dict[str, Any]]:
    places = {node.tensor: place for node, place in numbers.items()}

    def numbered(gradients: dict[Tensor, Any]) -> list[list[int]]:
        return [[places[x], arrays.number(gradient)] for x, gradient in gradients.items()]

    with np.errstate(all="ignore"):
        return [
            {
                "node": places[step.node],
                "arriving": arrays.number(step.arriving),
                "leaving": numbered(step.leaving),
                "local": numbered(local_derivatives(step.node)),
            }
            for step in walked.steps
        ]


def _title(graph: Graph, names: dict[Tensor, str]) -> str:
    titles = [labels.title_of(output, names) for output in graph.outputs[:3]]
    return ", ".join(titles + ["…"] * (len(graph.outputs) > 3))


def _label(box: Box) -> str:
    """Name a box: on a page, where all blocks of a repetition are, they have names of their own."""
    if box.is_module:
        words = [box.path, labels.module_title(box)]
    elif (module := box.repeated) is not None:
        words = [labels.box_path(module), labels.box_title(module)]
    else:
        words = [labels.box_title(box)]
    return "  ".join(filter(None, words))


def _folded_data(graph: Graph, names: dict[Tensor, str], direction: str, caption: str) -> dict[str, Any]:
    arrays = Arrays()
    shown = stand_ins(graph)
    items = list(dict.fromkeys(shown[node] for node in graph.nodes))
    shapes, items = len(items), items[-MOST:]
    numbers = {item: place for place, item in enumerate(items)}
    inputs: dict[Node | Box, dict[int, None]] = {item: {} for item in items}
    for node in graph.nodes:
        head = shown[node]
        for x in node.inputs:
            if head in numbers and numbers.get(shown[x], MOST) < numbers[head]:
                inputs[head][numbers[shown[x]]] = None
    nodes = [
        BLANK | {"kind": "module", "title": labels.box_title(item), "op": None}
        if isinstance(item, Box)
        else _node(item, names, {}, {}, arrays, NO_STEPS)
        for item in items
    ]
    for item, entry in zip(items, nodes, strict=True):
        entry["inputs"] = list(inputs[item])
    return EMPTY | {
        "title": _title(graph, names),
        "caption": f"the last {MOST:,} of {shapes:,} nodes" if shapes > MOST else caption,
        "direction": direction,
        "nodes": nodes,
        "outputs": [numbers[shown[output]] for output in graph.outputs if shown[output] in numbers],
        "no_steps": f"Of graphs of more than {MOST:,} nodes the page shows no steps; draw a part of it.",
        "arrays": arrays.described,
    }


def _walked(graph: Graph) -> tuple[Steps, str]:
    """Go back through the graph; say why not, if that cannot be."""
    outputs = [node.tensor for node in graph.outputs if node.tensor is not None and not node.error]
    if len(outputs) < len(graph.outputs):
        return NO_STEPS, "The op in red has failed, so there is no way back."
    if not any(output.requires_grad for output in outputs):
        return NO_STEPS, "No output requires gradients, so there is no way back."
    try:
        with np.errstate(all="ignore"):
            return walk(outputs), ""
    except Exception as error:
        return NO_STEPS, f"There is no way back through this graph: {error}"


def _node(
    node: Node,
    names: dict[Tensor, str],
    numbers: dict[Node, int],
    boxes: dict[Box | None, int],
    arrays: Arrays,
    walked: Steps,
) -> dict[str, Any]:
    op, gradient = node.op, node.grad
    if gradient is None and node.tensor is not None:
        gradient = walked.gradients.get(node.tensor)
    lines = labels.parameters(node)
    lines += [of] if (of := labels.whose_gradient(node, names)) else []
    return BLANK | {
        "kind": labels.kind_of(node),
        "title": labels.title_of(node, names),
        "op": node.op_name or None,
        "lines": lines,
        "inputs": [numbers[x] for x in node.inputs if x in numbers],
        "box": boxes.get(node.box),
        "value": None if node.error else arrays.number(node.value),
        "grad": arrays.number(gradient) if gradient is not None else None,
        "tracked": node.requires_grad,
        "bytes": None if node.error else labels.nbytes(node),
        "made": op.line if op is not None else None,
        "rule": [[f"by {name}", formula] for name, formula in rules_of(op)] if op is not None else [],
        "error": node.error,
    }


# What a page, and a node of it, have where there is nothing to say.
EMPTY: dict[str, Any] = {"caption": "", "boxes": [], "steps": [], "arrays": []}
BLANK: dict[str, Any] = {
    "lines": [],
    "box": None,
    "value": None,
    "grad": None,
    "tracked": False,
    "bytes": None,
    "made": None,
    "rule": [],
    "error": "",
}


def program_data(title: str, steps: list[Any], direction: str) -> dict[str, Any]:
    """Return what a page shows of a program that jit has recorded."""
    return EMPTY | {
        "title": title,
        "direction": direction,
        "nodes": [
            BLANK
            | {
                "kind": step.kind,
                "title": step.name,
                "op": step.name,
                "lines": [step.extent] if step.extent else [],
                "inputs": list(step.inputs),
            }
            for step in steps
        ],
        "outputs": [number for number, step in enumerate(steps) if step.kind == "output"],
        "no_steps": "A recorded program has its gradients in it: there is no way back through it.",
    }


def described(array: Any) -> dict[str, Any]:
    """Describe an array: statistics, all of its elements if they are few, else a sample and a histogram."""
    values = np.abs(array) if array.dtype.kind == "c" else array
    numeric = values.dtype.kind in "biuf"
    floats = values.astype(np.float64) if numeric else np.zeros(0)
    finite = floats[np.isfinite(floats)]
    exact = array if array.dtype.kind in "iu" else finite
    few = array.size <= WHOLE
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "min": _written(exact.min()) if finite.size else None,
        "mean": _written(labels.mean(finite)) if finite.size else None,
        "max": _written(exact.max()) if finite.size else None,
        "rms": _written(labels.rms(finite)) if finite.size else None,
        "bad": int(floats.size - finite.size),
        "values": _nested(array) if few else None,
        **({"sample": None, "sampled": None} if few else _sample(values)),
        "histogram": None if few or not finite.size else _histogram(finite),
    }


def _nested(array: Any) -> Any:
    if array.dtype.kind not in "biufc":
        return np.vectorize(str, otypes=[object])(array).tolist()
    return np.vectorize(_written, otypes=[object])(array).tolist() if array.size else array.tolist()


def _written(number: Any) -> Any:
    """Write a number for JSON in six digits, and what JSON does not have in words."""
    if isinstance(number, (complex, np.complexfloating)):
        return f"{number:.5g}"
    if isinstance(number, (bool, np.bool_, int, np.integer)):
        return int(number)
    return float(f"{number:.6g}") if np.isfinite(number) else str(float(number))


def _sample(array: Any) -> dict[str, Any]:
    """Return evenly picked rows and columns; all axes but the last are rows."""
    rows = array.reshape(-1, array.shape[-1])
    picked = rows[np.ix_(_places(rows.shape[0]), _places(rows.shape[1]))]
    return {"sample": _nested(picked), "sampled": [*picked.shape, *rows.shape]}


def _places(count: int) -> Any:
    return np.linspace(0, count - 1, min(count, SIDE)).astype(int)


def _histogram(finite: Any) -> dict[str, Any]:
    low, high = float(finite.min()), float(finite.max())
    with np.errstate(all="ignore"):
        if not 0 < high - low < np.inf or low + (high - low) / BINS == low:
            return {"low": _written(low), "high": _written(high), "counts": [int(finite.size)]}
        counts, _ = np.histogram(finite, BINS, (low, high))
    return {"low": _written(low), "high": _written(high), "counts": counts.tolist()}
