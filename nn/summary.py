"""What a model does with an input, module by module: shapes, parameters, memory and multiply-adds."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from itertools import compress
from math import prod
from numbers import Number
from operator import attrgetter
from typing import Any

import numpy as np

from autograd import Tensor, watch
from nn.activations import ACTIVATIONS
from nn.module import Module, independent_copy, parts

LONGEST_OUTPUT = 32  # characters in the table; the rows have all of it
# Ops that sum over the last axis of their first input. (dot, tensordot and their like are made of matmul.)
PRODUCTS = {"matmul", "linear", *(f"linear_{activation}" for activation in ACTIVATIONS)}


@dataclass(frozen=True)
class Row:
    """What is known of a module, everything within it included."""

    path: str
    """Where it is first found, as in the names of parameters; "" for the model."""
    name: str
    """The path from the module that holds it, which has one less of `depth`."""
    depth: int
    kind: str
    """The name of its class."""
    same_as: str | None
    """The path of the row that describes this module, if it has been met before."""
    calls: int
    outputs: tuple[Any, ...]
    """The different outputs of its calls, with shapes for arrays, in the order in which they came."""
    parameters: int
    state: int
    is_shared: bool
    """Whether some of its parameters or state have been found before, in another place."""
    activation_bytes: int
    multiply_adds: int


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summary` has found; printed, it is a table."""

    rows: tuple[Row, ...]
    parameters: int
    parameter_bytes: int
    state: int
    state_bytes: int
    input_bytes: int
    activation_bytes: int
    multiply_adds: int

    def __repr__(self) -> str:
        has_state, has_calls = self.state > 0, any(row.calls > 1 for row in self.rows)
        header = ["Module", "Output", "Parameters", "State", "Memory", "Multiply-adds", "Calls"]
        shown = [True, True, True, has_state, True, True, has_calls]
        table = [list(compress(cells, shown)) for cells in [header, *map(_cells, self.rows)]]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if number < 2 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
            for cells in table
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        totals = {
            "Parameters": f"{self.parameters:,} ({_size(self.parameter_bytes)})",
            "State": f"{self.state:,} ({_size(self.state_bytes)})",
            "Input": _size(self.input_bytes),
            "Activations": _size(self.activation_bytes),
            "Multiply-adds": f"{self.multiply_adds:,}",
        }
        if not has_state:
            del totals["State"]
        lines += [rule, *(f"{name + ':':15}{total}" for name, total in totals.items())]
        if any(row.is_shared for row in self.rows):
            lines.append("* some are those of a row above; the totals count them once")
        return "\n".join([lines[0], rule, *lines[1:]])


def summary(model: Module, *inputs: Any) -> Summary:
    """Call a model on inputs, as they are, and return a table of its modules.

    Each row includes what lies within its module. `Output` has the shapes of what was returned.
    `Parameters` are the elements that require gradients, `State` those of other tensors: running statistics,
    frozen weights. `Memory` is that of activations: of the results of ops that the output's graph keeps for
    backward: views take none, nor do ops that need no gradient, such as those of frozen layers, or any in
    `no_grad()`. `Multiply-adds` are those of products that sum: matmul and what is made of it (dot, inner,
    tensordot ...), einsum, and linear layers without their biases, where they work on Tensors, frozen or not.
    Elementwise arithmetic, np.outer, decompositions and the backward are not counted. kB is 1000 bytes.

    The model is called in the mode it is in: in training, dropout keeps masks. It is a copy that is called,
    so parameters, gradients, running statistics and the generators that modules hold stay as they are.
    An error of the model is raised with a note of the module that it comes from.
    """
    if not isinstance(model, Module):
        kind = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise TypeError(f"summary takes a Module, and then its inputs; it was given {kind}")
    model = independent_copy(model)
    places = _places(model)
    parameters, state = _held(model)  # before the call, which may change them
    run = _Run()
    for place in places:
        if place.same_as is None:
            vars(place.module)["forward"] = partial(run.call, place, place.module.forward)
    try:
        with watch(run.note):
            output = model(*inputs)
    finally:
        for place in places:  # or it would be up to the garbage collector to free them
            vars(place.module).pop("forward", None)
    run.settle(output)
    return Summary(
        rows=tuple(map(_row, places)),
        parameters=_elements(parameters),
        parameter_bytes=_bytes(parameters),
        state=_elements(state),
        state_bytes=_bytes(state),
        input_bytes=sum(
            x.data.nbytes if isinstance(x, Tensor) else getattr(x, "nbytes", 0) for x in _leaves(inputs)
        ),
        activation_bytes=places[0].activation_bytes,
        multiply_adds=places[0].multiply_adds,
    )


# ------------------------------------------------------------------------------------ the modules


class _Place:
    """Where a module is found, and what its calls did."""

    def __init__(self, module: Module, name: str, owner: _Place | None) -> None:
        self.module = module
        self.name = name
        self.path: str = f"{owner.path}.{name}" if owner and owner.path else name
        self.depth: int = owner.depth + 1 if owner else 0
        self.same_as: _Place | None = None
        self.is_active = False
        self.calls = self.activation_bytes = self.multiply_adds = 0
        self.outputs: dict[str, Any] = {}
        self.parameters, self.state = map(_elements, _held(module))
        self.is_shared = False


def _places(model: Module) -> list[_Place]:
    """Return all places of modules, a module before its parts; where it is found again, without them."""
    places: list[_Place] = []
    owners: dict[Tensor, int] = {}  # the first place that has each
    first: dict[int, _Place] = {}
    entered: set[tuple[int, int]] = set()
    stack: list[tuple[str, Any, int]] = [("", model, -1)]
    while stack:
        name, value, owner = stack.pop()
        if isinstance(value, Tensor):
            owners.setdefault(value, owner)
            continue
        inside = ""
        if isinstance(value, Module):
            place = _Place(value, name, places[owner] if places else None)
            owner = len(places)
            places.append(place)
            if id(value) in first:
                place.same_as = first[id(value)]
                continue
            first[id(value)] = place
        elif (owner, id(value)) in entered:
            continue
        else:
            entered.add((owner, id(value)))
            inside = f"{name}."
        stack += [(f"{inside}{key}", part, owner) for key, part in reversed(parts(value))]
    for number, place in enumerate(places):
        place.is_shared = any(owners[tensor] < number for _, tensor in place.module.named_state())
    return places


def _row(place: _Place) -> Row:
    return Row(
        path=place.path,
        name=place.name,
        depth=place.depth,
        kind=type(place.module).__name__,
        same_as=None if place.same_as is None else place.same_as.path,
        calls=place.calls,
        outputs=tuple(place.outputs.values()),
        parameters=place.parameters,
        state=place.state,
        is_shared=place.is_shared,
        activation_bytes=place.activation_bytes,
        multiply_adds=place.multiply_adds,
    )


def _held(module: Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the parameters of a module, and its other state."""
    tensors = [tensor for _, tensor in module.named_state()]
    return [x for x in tensors if x.requires_grad], [x for x in tensors if not x.requires_grad]


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.size for tensor in tensors)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.data.nbytes for tensor in tensors)


# -------------------------------------------------------------------------------------- the calls


@dataclass(eq=False)
class _Call:
    place: _Place
    caller: _Call | None
    is_outermost: bool
    """Whether the module was not being called already; else its row has what this call does from there."""
    activation_bytes: int = 0
    multiply_adds: int = 0


NOTE = "in module "


class _Run:
    """The calls of modules while a model runs, and what the ops of each do."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.current: _Call | None = None
        # Creation numbers, and the call that the tensors from there on are made in.
        self.starts: list[int] = []
        self.running: list[_Call | None] = []

    def call(self, place: _Place, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        """Return what `forward` returns, as the call of the module in a place."""
        caller = self.current
        call = _Call(place, caller, not place.is_active)
        self.calls.append(call)
        place.calls += 1
        place.is_active = True
        self._enter(call)
        try:
            output = forward(*inputs, **options)
        except Exception as error:
            if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
                path = f"{place.path}, a " if place.path else ""
                given = ", ".join(str(_shapes(x)) for x in inputs)
                error.add_note(f"{NOTE}{path}{type(place.module).__name__}, called with {given or 'nothing'}")
            raise
        finally:
            place.is_active = not call.is_outermost
            self._enter(caller)
        shapes = _shapes(output)
        place.outputs.setdefault(str(shapes), shapes)
        return output

    def _enter(self, call: _Call | None) -> None:
        self.current = call
        self.starts.append(Tensor(0.0).order)
        self.running.append(call)

    def note(self, op: Any, inputs: tuple[Any, ...], params: dict[str, Any], value: Any) -> None:
        if self.current is not None:
            self.current.multiply_adds += multiply_adds(op.name, inputs, params, value)

    def settle(self, output: Any) -> None:
        """Count the memory that the graph of the output keeps; add to each module what its calls did."""
        if not self.calls:
            return
        for order, size in _kept(output, self.starts[0]):
            call = self.running[bisect(self.starts, order) - 1]
            if call is not None:
                call.activation_bytes += size
        for call in reversed(self.calls):  # what is called, before its callers
            for total in [call.caller, call.place if call.is_outermost else None]:
                if total is not None:
                    total.activation_bytes += call.activation_bytes
                    total.multiply_adds += call.multiply_adds


def _kept(output: Any, start: int) -> Iterator[tuple[int, int]]:
    """Yield the order and the memory of what ops have made since `start` and the graph of an output keeps.

    Memory that several results share, as views, counts for the first; that of leaves for none.
    """
    reached: dict[Tensor, None] = {}
    stack = [leaf for leaf in _leaves(output) if isinstance(leaf, Tensor)]
    while stack:
        tensor = stack.pop()
        if tensor not in reached:
            reached[tensor] = None
            if tensor.op is not None and tensor.order > start:
                stack += [x for x in tensor.inputs if isinstance(x, Tensor)]
    made = [tensor for tensor in reached if tensor.op is not None and tensor.order > start]
    memory = {id(_owner(tensor.data)) for tensor in reached.keys() - made}
    for tensor in sorted(made, key=attrgetter("order")):
        owner = _owner(tensor.data)
        if id(owner) not in memory:
            memory.add(id(owner))
            yield tensor.order, owner.nbytes


def _owner(array: Any) -> Any:
    """Return the array whose memory an array is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def multiply_adds(name: str, inputs: tuple[Any, ...], params: dict[str, Any], value: Any) -> int:
    """Return how many products an op adds up, by its name and the shapes of its arrays."""
    if name in PRODUCTS:
        return int(np.size(value)) * int(np.shape(inputs[0])[-1])
    if name == "einsum":
        return _of_einsum(params["subscripts"], inputs, params["optimize"])
    return 0


def _of_einsum(subscripts: str, inputs: tuple[Any, ...], optimize: Any) -> int:
    """Count the products of each step of a contraction, over all of its indices."""
    terms, output = subscripts.split("->")
    operands = terms.split(",")
    sizes: dict[str, int] = {}
    for term, x in zip(operands, inputs, strict=True):
        for letter, size in zip(term, np.shape(x), strict=True):
            if size != 1 or letter not in sizes:  # an axis of 1 is broadcast
                sizes[letter] = size
    stand_ins = [np.broadcast_to(0.0, np.shape(x)) for x in inputs]
    total = 0
    for step in np.einsum_path(subscripts, *stand_ins, optimize=optimize)[0][1:]:
        taken = [operands.pop(number) for number in sorted(step, reverse=True)]
        letters = set("".join(taken))
        total += (len(taken) - 1) * prod(sizes[letter] for letter in letters)
        operands.append("".join(letters & set("".join([*operands, output]))))
    return total


# --------------------------------------------------------------------------------------- in words


def _branches(tree: Any) -> dict[Any, Any] | None:
    """Return what a list, tuple, dict or dataclass holds, by name or place; None of anything else."""
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, (list, tuple)):
        return dict(enumerate(tree))
    if is_dataclass(tree) and not isinstance(tree, (type, Module)):
        return {part.name: getattr(tree, part.name) for part in fields(tree)}
    return None


def _leaves(tree: Any) -> list[Any]:
    branches = _branches(tree)
    return [tree] if branches is None else [leaf for part in branches.values() for leaf in _leaves(part)]


def _shapes(tree: Any) -> Any:
    """Return a tree with shapes in place of arrays and numbers, and names in place of other objects."""
    branches = _branches(tree)
    if branches is None:
        if hasattr(tree, "shape"):
            return tuple(tree.shape)
        return () if isinstance(tree, Number) else None if tree is None else type(tree).__name__
    shapes = {key: _shapes(part) for key, part in branches.items()}
    if isinstance(tree, (list, tuple)):
        return list(shapes.values()) if isinstance(tree, list) else tuple(shapes.values())
    return shapes


def _cells(row: Row) -> list[str]:
    """Return a line of the table."""
    label = f"{'  ' * row.depth}{row.name}: {row.kind}" if row.depth else row.kind
    held = [
        f"{'*' if row.is_shared and count else ''}{count:,}" if count else "-"
        for count in (row.parameters, row.state)
    ]
    if row.same_as is not None:
        return [label, f"same as {row.same_as or 'the model'}", *held, "-", "-", "-"]
    if not row.calls:
        return [label, "not called", *held, "-", "-", "-"]
    output = " or ".join(map(str, row.outputs))
    if len(output) > LONGEST_OUTPUT:
        output = output[: LONGEST_OUTPUT - 3] + "..."
    size = _size(row.activation_bytes) if row.activation_bytes else "-"
    products = f"{row.multiply_adds:,}" if row.multiply_adds else "-"
    return [label, output, *held, size, products, str(row.calls)]


def _size(count: float) -> str:
    """Return a number of bytes with three digits, in units of powers of 1000."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007
        count /= 1000
        if count < 999.5:
            break
    return f"{count:#.3g}".rstrip(".") + f" {unit}"
