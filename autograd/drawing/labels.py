"""The words of a picture: what stands in each shape, and what its tooltip says."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from autograd.backend import on_host
from autograd.drawing.diagram import GRADIENT, QUIET, TEXT, Line
from autograd.drawing.graph import Box, Node, is_number
from autograd.drawing.rules import rules_of
from autograd.primitives import Op, describe
from autograd.tensor import Tensor


def kind_of(node: Node) -> str:
    """Return the key of the node's colours."""
    if node.error:
        return "failed"
    if node.tensor is None:
        return "constant"
    if node.is_gradient:
        return "gradient"
    if not node.is_op:
        return "parameter" if node.requires_grad else "data"
    return "output" if node.is_output else "op" if node.requires_grad else "constant"


def title_of(node: Node, names: dict[Tensor, str]) -> str:
    """Return the name of a leaf, or an op as it was called, e.g. `divide(·, 2)`."""
    tensor = node.tensor
    if tensor is None:
        return "constant"
    name = names.get(tensor) or tensor.name
    if tensor.op is None:
        name = name or node.box.name_of(tensor)
        return name or ("tensor" if tensor.requires_grad else "data")
    call: str = tensor.op.name
    inputs = tensor.inputs or ()  # freed, if backward() was called since
    numbers = [brief(x) if is_number(x) else "" for x in inputs]
    if any(numbers):
        call += f"({', '.join(number or '·' for number in numbers)})"
    return f"{name} = {call}" if name else call


def lines_of(
    node: Node,
    names: dict[Tensor, str],
    show: set[str],
    seconds: Callable[[Node], tuple[float, float] | None],
) -> list[Line]:
    """Return what stands under the title of a node."""
    lines: list[Line] = []
    if words := parameters(node):
        lines.append([(", ".join(words), QUIET)])
    if of := whose_gradient(node, names):
        lines.append([(of, GRADIENT)])
    lines += quantities(node, show)
    if node.error:
        return lines
    if "memory" in show:
        lines.append([(memory(node), QUIET)])
    if "time" in show and (measured := seconds(node)) is not None:
        forward, backward = measured
        back = f", gradient {duration(backward)}" if backward else ""
        lines.append([(f"{duration(forward)}{back}", QUIET)])
    return lines


def whose_gradient(node: Node, names: dict[Tensor, str]) -> str:
    """Say what a node is the gradient of."""
    titles = [title_of(x, names) for x in node.gradient_of[:3]]
    more = ", …" if len(node.gradient_of) > 3 else ""
    return f"gradient of {', '.join(titles)}{more}" if titles else ""


def quantities(node: Node, show: set[str]) -> list[Line]:
    """Return the lines of shape and dtype, and of value and gradient; of an op that has failed, its error."""
    if node.error:
        return [[(part, TEXT)] for part in wrapped(node.error)]
    lines: list[Line] = []
    value, gradient = node.value, node.grad
    plain = dtype_name(value.dtype) in ("float64", "int64", "bool")
    words = [str(value.shape)] if "shapes" in show and value.ndim else []
    words += [dtype_name(value.dtype)] if "dtypes" in show and not plain else []
    if words:
        lines.append([(" ".join(words), QUIET)])
    cells: Line = []
    if "values" in show and (text := extent(value)):
        cells.append((text, TEXT))
    if "grads" in show and gradient is not None and (text := extent(gradient)):
        cells.append((f"grad {text}", GRADIENT))
    return [*lines, cells] if cells else lines


def box_title(box: Box) -> str:
    """Name what a folded box stands for."""
    if box.kind == "repeat":
        ops = [item.title if isinstance(item, Box) else item.op_name for item in box.blocks[0]]
        words = ops if len(ops) <= 3 else [f"{len(ops)} ops"]
        return f"{', '.join(words)} × {len(box.blocks):,}"
    if box.kind == "earlier":
        return f"{sum(node.is_op for node in box.within()):,} earlier ops"
    if box.kind == "inputs":
        return f"{len(box.leaves):,} inputs"
    count = len(_equals(box))
    return f"{module_title(box)} × {count:,}" if count > 1 else module_title(box)


def module_title(box: Box) -> str:
    """Name a module, or its gradient, by the class."""
    return f"gradient of {box.title}" if box.kind == "gradient" else box.title


def box_path(box: Box) -> str:
    """Say where the calling module keeps a module; of one that stands for several, from where to where."""
    equals = _equals(box)
    return " to ".join(dict.fromkeys(filter(None, [equals[0].path, equals[-1].path])))


def _equals(box: Box) -> list[Box]:
    """Return the modules in a row that a module stands for, itself first."""
    if box.parent is None or box.parent.repeated is not box:
        return [box]
    return [item for block in box.parent.blocks for item in block if isinstance(item, Box)]


def box_label(box: Box) -> str:
    """Name a box by its module's class, where the calling module keeps it, and its parameters."""
    if not box.is_module:
        return box_title(box)
    parts = [part for part in (box_path(box), box_title(box)) if part]
    if box.kind == "module" and (count := parameter_count(box)):
        parts.append(f"{count:,} parameters")
    return "  ".join(parts)


def parameter_count(box: Box) -> int:
    """Return how many numbers a module learns: its own account, or what is used in the box."""
    parameters = getattr(box.owner, "parameters", None)
    if callable(parameters):
        return sum(parameter.size for parameter in parameters())
    nodes = set(box.within())
    learned = set(filter(_learns, nodes))
    if box.kind == "module" and not learned.issuperset(
        x for node in nodes for x in node.inputs if _learns(x)
    ):
        return 0  # some are outside, where they are used as well, and nothing says whose they are
    return sum(leaf.value.size for leaf in learned)


def _learns(node: Node) -> bool:
    return node.requires_grad and not node.is_op


def tooltip_of(node: Node, title: str, rules: Callable[[Op], list[tuple[str, str]]] = rules_of) -> str:
    """Return all there is to say of a node, in lines; `rules` are those of its op."""
    tensor = node.tensor
    lines = [title if node.error else f"{title}: {node.value.shape} {dtype_name(node.value.dtype)}"]
    if node.error and tensor is not None:
        lines += [node.error, f"given {describe(tensor.inputs, tensor.params)}"]
    else:
        lines.append(f"value: {statistics(node.value)}")
        if node.grad is not None:
            lines.append(f"gradient: {statistics(node.grad)}")
        layout = "" if node.value.flags.c_contiguous else f", strides {node.value.strides}"
        lines.append(f"memory: {memory(node)}{layout}")
    if (op := node.op) is not None:
        lines += [f"gradient by {name}: {formula}" for name, formula in rules(op)]
        lines += [f"made at {op.line}"] if op.line else []
    return "\n".join(lines)


def box_tooltip(box: Box) -> str:
    """Return all there is to say of a box, in lines."""
    nodes = list(box.within())
    ops = [node for node in nodes if node.is_op]
    path = box.full_path if box.kind == "module" else ""
    lines = [
        f"{path}: {box_title(box)}" if path else box_title(box),
        f"{len(ops):,} op{'s' * (len(ops) != 1)}",
    ]
    if box.kind == "module" and (count := parameter_count(box)):
        lines.append(f"{count:,} parameters")
    lines.append(f"results: {size(sum(map(nbytes, ops)))}")
    return "\n".join(lines)


# --------------------------------------------------------------------------------------------- words


def parameters(node: Node) -> list[str]:
    """Write the keyword arguments of an op, less what its shape and dtype say anyway."""
    if node.tensor is None or not node.is_op:
        return []
    known = {"shape": node.value.shape, "dtype": node.value.dtype}
    return [
        f"{word}={brief(value)}"
        for word, value in (node.tensor.params or {}).items()
        if value is not None
        and not isinstance(value, np.random.Generator)
        and not (word in known and _same(known[word], value))
    ]


def _same(known: Any, given: Any) -> bool:
    if isinstance(known, tuple):
        return known == tuple(np.atleast_1d(given).tolist())
    return bool(known == given)


@lru_cache(100)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Write a dtype: NumPy takes longer to do so than all else for a shape."""
    return str(dtype)


def brief(value: Any) -> str:
    """Write a parameter in at most some thirty characters."""
    if isinstance(value, np.ndarray):
        text = f"array of {value.shape}"
    elif isinstance(value, (float, np.floating)):
        text = f"{value:.4g}"
    elif isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        text = ":".join(ends if value.step is None else [*ends, str(value.step)])
    elif isinstance(value, list):
        text = f"[{', '.join(map(brief, value[:20]))}]"
    elif isinstance(value, tuple):
        text = ", ".join(map(brief, value[:20]))
        text = f"({text},)" if len(value) == 1 else f"({text})"
    elif isinstance(value, (type, np.dtype)):
        text = np.dtype(value).name
    elif value is None or isinstance(value, (str, bool, int, complex, np.generic)):
        text = str(value)
    else:
        text = "..." if value is Ellipsis else type(value).__name__
    return shortened(text, 32)


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def wrapped(text: str, width: int = 44, lines: int = 6) -> list[str]:
    """Break a message into lines."""
    from textwrap import wrap

    return wrap(text, width, max_lines=lines, placeholder=" …")


# ------------------------------------------------------------------------------------------- numbers


def extent(array: Any) -> str:
    """Write an array in a few characters: its numbers, the range of integers, or the size of floats."""
    array = on_host(array)
    if array.size == 1:
        return number(array.item())
    if array.ndim == 1 and 0 < array.size <= 3:
        return f"[{', '.join(map(number, array.tolist()))}]"
    if array.dtype.kind in "iu" and array.size:
        return f"{array.min()} to {array.max()}"
    return f"rms {rms(array):.3g}" if array.dtype.kind in "fc" and array.size else ""


def number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, complex)) else str(value)


def rms(array: Any) -> float:
    """Return the root mean square of an array; its squares do not overflow."""
    array = on_host(array)
    largest = float(np.abs(array).max(initial=0))
    if not 0 < largest < np.inf:
        return largest
    return float(largest * np.sqrt(np.mean(np.square(np.abs(array) / largest), dtype=np.float64)))


def mean(array: Any) -> float:
    """Return the mean of an array of at least one element; its sum does not overflow."""
    return float(np.sum(np.divide(array, array.size, dtype=np.float64)))


def statistics(array: Any) -> str:
    """Write the least, the mean and the largest element; of complex numbers, of their absolute values."""
    array = on_host(array)
    if array.size == 1:
        return number(array.item())
    if not array.size:
        return "no elements"
    if array.dtype.kind == "b":
        return f"{np.count_nonzero(array):,} of {array.size:,} true"
    if array.dtype.kind not in "iufc":
        return str(array.dtype)
    sizes = np.abs(array) if array.dtype.kind == "c" else array
    finite = sizes[np.isfinite(sizes)] if array.dtype.kind in "fc" else sizes
    spoilt = f", {array.size - finite.size:,} NaN or Inf" if finite.size < array.size else ""
    if not finite.size:
        return spoilt.removeprefix(", ")
    of = "absolute values: " if array.dtype.kind == "c" else ""
    return f"{of}min {finite.min():.4g}, mean {mean(finite):.4g}, max {finite.max():.4g}{spoilt}"


def nbytes(node: Node) -> int:
    """Return the memory that a node has of its own: none for a view of its inputs."""
    value = node.value
    for x in node.inputs:
        if x.value is value or (value.base is not None and np.may_share_memory(value, x.value)):
            return 0
    return int(value.nbytes)


def memory(node: Node) -> str:
    return "a view" if node.value.nbytes and not nbytes(node) else size(nbytes(node))


def size(count: float) -> str:
    """Write bytes in three digits, in units of powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 0.9995:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
