"""From the calls that were noted to a program: simplified, with planned buffers, written as Python source."""

from __future__ import annotations

import builtins
import keyword
import linecache
from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np
from numpy import ndarray

from autograd.tracing import Array, Call, Storage, Tracer, Variable, replaced

# --------------------------------------------------------------------------------------- simplifying


def live(calls: list[Call], kept: Iterable[Variable]) -> list[Call]:
    """Return the calls that something depends on: kept variables, or what is outside."""
    needed = set(kept)
    storages = {variable.storage for variable in needed}
    live = []
    for call in reversed(calls):
        if call.kind in ("effect", "draw"):
            used = True
        elif call.kind == "write":
            used = any(v.storage in storages or v.storage.kind == "outside" for v in call.written)
        elif call.kind == "view":
            used = any(variable in needed for variable in call.results)
        else:
            used = any(variable.storage in storages for variable in call.results)
        if used:
            live.append(call)
            operands = (*call.operands(), *call.written)
            needed.update(operands)
            storages.update(variable.storage for variable in operands)
    return live[::-1]


def common(calls: list[Call]) -> tuple[list[Call], dict[Variable, Variable]]:
    """Return the calls without those whose result another has computed before, and what stands for it."""
    stand_ins: dict[Variable, Variable] = {}
    known: dict[Any, Variable] = {}
    merged: dict[Storage, Storage] = {}
    versions: dict[Storage | None, int] = {}
    kept = []

    def frozen(tree: Any, by_value: bool) -> Any:
        if type(tree) is Variable:
            version = (versions.get(tree.storage, 0), versions.get(None, 0)) if by_value else 0
            return id(tree), version
        if isinstance(tree, (tuple, list)):
            return (type(tree), *(frozen(part, by_value) for part in tree))
        if isinstance(tree, dict):
            return tuple((word, frozen(part, by_value)) for word, part in tree.items())
        if isinstance(tree, slice):
            return tree.start, tree.stop, tree.step
        if isinstance(tree, (float, np.floating)):  # 0.0 and -0.0 are equal, and nan is not
            return type(tree), repr(tree)
        return type(tree), tree

    for call in calls:
        call.args, call.kwargs = replaced(
            (call.args, call.kwargs), Variable, lambda variable: stand_ins.get(variable, variable)
        )
        call.written = tuple(stand_ins.get(variable, variable) for variable in call.written)
        for variable in call.results:
            variable.storage = merged.get(variable.storage, variable.storage)
        for variable in call.written:
            versions[variable.storage] = versions.get(variable.storage, 0) + 1
        if call.kind == "effect":
            versions[None] = versions.get(None, 0) + 1
        result = call.results[0] if len(call.results) == 1 else None
        if result is not None and _is_constant(call, result):
            result.storage.kind = "constant"
            continue
        if result is not None and (same := _times_one(call, result)) is not None:
            stand_ins[result] = same
            merged[result.storage] = same.storage
            continue
        if result is not None and (
            call.kind == "view" or (call.kind == "compute" and not result.storage.writes)
        ):
            try:
                key = call.function, frozen((call.args, call.kwargs), call.kind == "compute")
                earlier = known.setdefault(key, result)
            except TypeError:  # not hashable
                earlier = result
            if earlier is not result:
                stand_ins[result] = earlier
                merged[result.storage] = earlier.storage
                continue
        kept.append(call)
    return kept, stand_ins


def _is_constant(call: Call, result: Variable) -> bool:
    """Tell whether the result of a call is the same in every run: zeros, ones, and what comes of them."""
    if result.storage.writes or call.kind not in ("compute", "view"):
        return False
    operands = list(call.operands())
    return call.function in FILLED or (
        bool(operands) and all(v.storage.kind == "constant" and not v.storage.writes for v in operands)
    )


def _times_one(call: Call, result: Variable) -> Variable | None:
    """Return the operand that a product with ones leaves as it is: most gradients start from ones."""
    if call.function is not np.multiply or result.storage.writes or call.kwargs:
        return None
    for one, other in (call.args, call.args[::-1]):
        if type(one) is type(other) is Variable and one.storage.kind == "constant":
            alike = (other.value.shape, other.value.dtype) == (result.value.shape, result.value.dtype)
            lasting = other.storage.kind in ("result", "argument") and not other.storage.writes
            if alike and lasting and (one.value == 1).all():
                return other
    return None


# ------------------------------------------------------------------------------------------ planning


FIXED = ("outside", "constant")
"""The kinds of storages that are where they were when the program was recorded."""


class Plan:
    """Where the results of a program are: in buffers that are made once, and shared when lifetimes allow."""

    def __init__(self, calls: list[Call], outputs: set[Storage], kept: set[Storage]) -> None:
        self.arrays: dict[Variable, Array] = {}  # what is in a fixed place
        self.placed: dict[Any, Array] = {}
        self.blocks: list[Array] = []
        self.bytes = 0
        planned = [
            _out_form(call) if call.results and call.results[0].storage not in outputs else None
            for call in calls
        ]
        self.forms: dict[Call, str] = {c: form for c, form in zip(calls, planned, strict=True) if form}
        self.runs = _runs(calls, self.forms)
        run_of = {number: run for run in self.runs for number in run}
        last: dict[Storage, int] = {}
        for number, call in enumerate(calls):
            for variable in (*call.operands(), *call.written, *call.results):
                last[variable.storage] = number
        for storage in kept:
            last[storage] = len(calls)
        self.copies = _needless_copies(calls, self.forms, last)
        self.moved = {call.args[2].storage: call.args[0].value for call in self.copies}
        free: list[Array] = []
        ended: list[Array] = []
        blocks: dict[Storage, Array] = {}
        for number, call in enumerate(calls):
            ending = {
                v.storage
                for v in (*call.operands(), *call.written, *call.results)
                if last[v.storage] == number
            }
            if call in self.forms:
                result = call.results[0]
                if (place := self.moved.get(result.storage)) is not None:
                    self.arrays[result] = place
                else:
                    heir = _in_place(call, ending, blocks)
                    block = blocks.pop(heir) if heir else self._block(free, result.value.nbytes)
                    blocks[result.storage] = block
                    self.arrays[result] = self._in_block(block, result.value)
            elif call.kind == "view":
                self._view(call)
            ended += [blocks.pop(storage) for storage in ending if storage in blocks]
            # A run goes through its memory many times, so all of it is in use until the end.
            if number not in run_of or number == run_of[number][-1]:
                free += ended
                ended = []

    def _block(self, free: list[Array], size: int) -> Array:
        """Return the smallest free block that is large enough, and not much too large; or a new one."""
        fitting = [block for block in free if size <= block.nbytes <= 2 * size + 64]
        if fitting:
            best = min(fitting, key=lambda block: block.nbytes)
            free[:] = [block for block in free if block is not best]
            return best
        self.bytes += size
        memory = np.empty(size + 64, np.uint8)
        start = -memory.ctypes.data % 64  # a line of the cache
        self.blocks.append(memory[start : start + size])
        return self.blocks[-1]

    def _in_block(self, block: Array, example: Array) -> Array:
        """Return the array that is laid out in a block like an example: one for all that are alike."""
        key = id(block), _layout(example)
        if key not in self.placed:
            self.placed[key] = ndarray(example.shape, example.dtype, block.data, strides=example.strides)
        return self.placed[key]

    def _view(self, call: Call) -> None:
        """Make a view of what is in a fixed place, once and for all."""
        if all(self.array(variable) is not None for variable in call.operands()):
            args, kwargs = replaced((call.args, call.kwargs), Variable, self.array)
            value = call.function(*args, **kwargs)
            for variable, array in zip(
                call.results, value if isinstance(value, tuple) else (value,), strict=True
            ):
                self.arrays[variable] = array

    def array(self, variable: Variable) -> Array | None:
        """Return the array that a variable is in every run, or None if each has its own."""
        return variable.value if variable.storage.kind in FIXED else self.arrays.get(variable)


def _needless_copies(calls: list[Call], forms: dict[Call, str], last: dict[Storage, int]) -> set[Call]:
    """Return the calls that copy a result to an array from outside in which it can be computed at once.

    Nothing else uses the result from there on, nor the array's memory before: so nobody sees the difference.
    """
    made = {call.results[0].storage: number for number, call in enumerate(calls) if call in forms}
    copies: set[Call] = set()
    used: set[Storage] = set()
    latest_effect = -1  # which may look at any array
    for number, call in enumerate(calls):
        if call.kind == "effect":
            latest_effect = number
        if call.function is ndarray.__setitem__ and call.args[1] is Ellipsis:
            target, _, source = call.args
            if (
                type(source) is Variable
                and latest_effect < made.get(source.storage, -1)
                and last[source.storage] == number
                and source.value is source.storage.root
                and target.storage not in used  # as what is computed here is, when it is made
                and _layout(target.value) == _layout(source.value)
                and not any(np.may_share_memory(target.value, copy.args[0].value) for copy in copies)
            ):
                copies.add(call)
                continue
        used.update(variable.storage for variable in (*call.operands(), *call.written, *call.results))
    return copies


def _layout(array: Array) -> tuple[Any, ...]:
    return array.shape, array.dtype, array.strides


BLOCK = 64 * 1024
"""Bytes: the blocks of a few arrays stay in a processor's second cache, and calls cost little beside them."""


def _runs(calls: list[Call], forms: dict[Call, str]) -> list[range]:
    """Return where elementwise calls on large arrays of one shape follow one another.

    They are made block by block: then what one has written is still in the cache when the next reads it.
    """
    runs = []
    start = 0
    while start < len(calls):
        end = start
        example = _blockwise(calls[start], forms, None)
        if example is not None:
            end += 1
            while end < len(calls) and _blockwise(calls[end], forms, example) is not None:
                end += 1
        if end - start > 1:
            runs.append(range(start, end))
        start = max(end, start + 1)
    return runs


def _blockwise(call: Call, forms: dict[Call, str], like: Array | None) -> Array | None:
    """Return the result of a call that can be made in blocks, with others whose results are `like` it."""
    if not _is_elementwise(call.function):
        return None
    if call.kind == "write" and call.kwargs.keys() == {"out"} and len(call.written) == 1:
        result = call.written[0]
    elif forms.get(call) == "out" and not call.kwargs:
        result = call.results[0]
    else:
        return None
    shape = result.value.shape
    if (
        not shape
        or result.storage.kind != "result"
        or result.value.nbytes < 4 * BLOCK
        or (like is not None and like.shape != shape)
    ):
        return None
    for variable in (*call.operands(), result):
        value, storage = variable.value, variable.storage
        if value.shape == shape:
            if not value.flags.c_contiguous or (storage.kind == "result" and value is not storage.root):
                return None
        elif value.ndim == len(shape) and value.shape[0] != 1:
            return None
    return result.value


def _in_place(call: Call, ending: set[Storage], blocks: dict[Storage, Array]) -> Storage | None:
    """Return the storage of an operand that the result of an elementwise call may overwrite."""
    result = call.results[0].value
    if not _is_elementwise(call.function) or result.size == 1:  # NumPy is three times slower on one in place
        return None
    for variable in call.operands():
        storage = variable.storage
        if (
            storage in ending
            and storage in blocks
            and _layout(variable.value) == _layout(result)
            and all(v.value is storage.root for v in call.operands() if v.storage is storage)
        ):
            return storage
    return None


def _is_elementwise(function: Any) -> bool:
    return isinstance(function, np.ufunc) and function.signature is None


WITH_OUT = {np.mean, np.var, np.std, np.clip, np.concatenate, np.stack, np.einsum, np.cumsum, np.take}
FILLED = {np.zeros_like: "0", np.ones_like: "1", np.empty_like: "0"}
COPIES = {np.copy, ndarray.copy, ndarray.astype}


def _out_form(call: Call) -> str:
    """Say how a call is told where to write its result: "" if it cannot be."""
    function, (result, *others) = call.function, call.results or (None,)
    if call.kind != "compute" or others or result is None or result.value is not result.storage.root:
        return ""
    if isinstance(function, np.ufunc):
        return "out" if function.nout == 1 else ""
    if function is np.dot:
        return "out"
    if _is_reduction(function):
        return "reduction"
    if function in FILLED:
        return "fill"
    if function in COPIES:
        return "copy"
    return "keyword" if function in WITH_OUT else ""


def _is_reduction(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), np.ufunc) and function.__name__ == "reduce"


# ------------------------------------------------------------------------------------------- drawing


class Step(NamedTuple):
    """What a picture of a program shows: a call, an argument, or an array from outside."""

    kind: str
    """ "op", "output", "data", "parameter" or "constant"."""
    name: str
    shape: tuple[int, ...] | None
    dtype: Any
    inputs: list[int]
    """The numbers of the steps that it depends on."""

    @property
    def extent(self) -> str:
        """Shape and dtype of the result; nothing where there is none."""
        return "" if self.shape is None else f"{self.shape} {self.dtype}"


def steps_of(
    calls: list[Call], arguments: dict[Variable, str], outputs: list[Variable], tracer: Tracer
) -> list[Step]:
    """Return what a picture of these calls shows."""
    steps: list[Step] = []
    latest: dict[Variable | Storage, int] = {}  # the step that has made a variable, or changed its memory
    tensors = {id(array): tensor for tensor, array in tracer.touched.items()}

    def add(kind: str, name: str, example: Array | None, inputs: Iterable[Variable]) -> int:
        shape, dtype = (None, None) if example is None else (example.shape, example.dtype)
        numbers = {number(variable) for variable in inputs}
        steps.append(Step(kind, name, shape, dtype, sorted(numbers - {-1})))
        return len(steps) - 1

    def number(variable: Variable) -> int:
        if variable not in latest and variable.storage.kind in FIXED and variable.value.ndim:
            tensor = tensors.get(id(variable.value))
            kind = "parameter" if tensor is not None and tensor._tracked else "constant"
            latest[variable] = add(kind, (tensor is not None and tensor.name) or kind, variable.value, ())
        return max(latest.get(variable, -1), latest.get(variable.storage, -1))

    for variable, name in arguments.items():
        latest[variable] = add("data", name, variable.value, ())
    for call in calls:
        made = call.results or call.written
        kind = "output" if any(result in outputs for result in call.results) else "op"
        this = add(kind, _name(call.function), made[0].value if call.results else None, call.operands())
        latest.update(dict.fromkeys(call.results, this))
        latest.update((variable.storage, this) for variable in call.written)
    return steps


def _name(function: Any) -> str:
    """Return the name of a function as an identifier, e.g. add_reduce."""
    while hasattr(function, "func"):  # of a partial
        function = function.func
    name = getattr(function, "__name__", type(function).__name__).strip("_<>")
    owner = getattr(function, "__self__", None)
    return f"{owner.__name__}_{name}" if isinstance(owner, np.ufunc) else name


# ------------------------------------------------------------------------------------------- writing


class Writer:
    """Write a program as Python source."""

    def __init__(self, name: str, arguments: dict[Variable, str], plan: Plan, tracer: Tracer) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.globals: dict[str, Any] = {}
        self.names: dict[int, str] = {}  # by the identity of what is named
        self.given_names: dict[int, str] = {
            id(array): tensor.name for tensor, array in tracer.touched.items() if tensor.name
        }
        self.methods: dict[str, Any] = {}  # of ufuncs: NumPy makes a new object each time
        self.numbers: dict[Any, Variable] = {}
        self.parts: dict[str, str] = {}  # what stands for an array within a run
        self.counts: dict[str, int] = {}
        self.errors: dict[str, Any] = dict(np.geterr())
        self.name = self.fresh_name(name)
        for variable, stem in arguments.items():
            self.names[id(variable)] = self.fresh_name(stem)
        self.arguments = [self.names[id(variable)] for variable in arguments]

    def fresh_name(self, stem: str) -> str:
        """Return a name that is not in use, from a stem that is made an identifier."""
        stem = "".join(letter if f"_{letter}".isidentifier() else "_" for letter in stem)
        stem = stem if stem.isidentifier() else f"_{stem}"
        stem = stem + "_" if keyword.iskeyword(stem) or hasattr(builtins, stem) else stem
        name = stem
        while name in self.globals:
            self.counts[stem] = self.counts.get(stem, 1) + 1
            name = f"{stem}_{self.counts[stem]}"
        self.globals[name] = None
        return name

    def constant(self, value: Any, stem: str) -> str:
        """Return the name of an object that the program refers to."""
        if id(value) not in self.names:
            name = self.names[id(value)] = self.fresh_name(stem)
            self.globals[name] = value
        return self.names[id(value)]

    def text(self, tree: Any) -> str:
        """Write an operand."""
        if type(tree) is Variable:
            name = self.variable(tree)
            return self.parts.get(name, name)
        if isinstance(tree, slice):
            return self.constant(tree, "index")
        if type(tree) is tuple:
            parts = [self.text(part) for part in tree]
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        if type(tree) is list:
            return f"[{', '.join(map(self.text, tree))}]"
        if tree is Ellipsis:
            return "..."
        if tree is None or type(tree) in (bool, int, str) or (type(tree) is float and np.isfinite(tree)):
            return repr(tree)
        return self.constant(tree, getattr(tree, "__name__", "constant"))

    def variable(self, variable: Variable) -> str:
        array = self.plan.array(variable)
        if array is not None:
            stem = "constant" if variable.storage.kind in FIXED else "v"
            return self.constant(array, self.given_names.get(id(array), stem))
        if id(variable) not in self.names:
            self.names[id(variable)] = self.fresh_name("v")
        return self.names[id(variable)]

    def write_all(self, calls: list[Call]) -> None:
        """Add the lines of a program."""
        starts = {run[0]: run for run in self.plan.runs}
        number = 0
        while number < len(calls):
            if number in starts:
                self.write_run([calls[n] for n in starts[number]])
                number += len(starts[number])
            else:
                self.write(calls[number])
                number += 1

    def write(self, call: Call) -> None:
        """Add the line of a call."""
        if call in self.plan.copies:
            return
        if call.kind == "view" and all(result in self.plan.arrays for result in call.results):
            return
        line = self.line(call)
        if call.results:
            example = call.results[0].value
            line = f"{line}  # {example.shape} {example.dtype}"
        changed = {word: how for word, how in call.errors.items() if how != self.errors[word]}
        if changed:
            words = ", ".join(f"{word}={how!r}" for word, how in changed.items())
            line = f"with {self.constant(np.errstate, 'errstate')}({words}): {line}"
        self.lines.append(line)

    def write_run(self, calls: list[Call]) -> None:
        """Add the lines of elementwise calls that are made block by block."""
        shape = (calls[0].results or calls[0].written)[0].value.shape
        used = dict.fromkeys(v for call in calls for v in (*call.operands(), *call.written, *call.results))
        rows = max(BLOCK * shape[0] // max(v.value.nbytes for v in used), 1)
        parts = [slice(start, start + rows) for start in range(0, shape[0], rows)]
        place = self.fresh_name("part")
        columns: dict[str, list[Any]] = {place: parts}
        for variable in used:
            if variable.value.shape == shape:
                array, name = self.plan.array(variable), self.variable(variable)
                if array is None:
                    self.parts[name] = f"{name}[{place}]"
                elif name not in self.parts:
                    self.parts[name] = part = self.fresh_name(f"{name}_part")
                    columns[part] = [array[rows] for rows in parts]
        blocks = self.constant(list(zip(*columns.values(), strict=True)), "blocks")
        self.lines.append(f"for {', '.join(columns)} in {blocks}:")
        before = len(self.lines)
        for call in calls:
            self.write(call)
        self.lines[before:] = ["    " + line for line in self.lines[before:]]
        self.parts = {}

    def line(self, call: Call) -> str:
        """Write a call."""
        function, kwargs = call.function, call.kwargs
        args = call.args
        if isinstance(function, np.ufunc):
            args = self.in_dtype(function, args)
        operands = [self.text(arg) for arg in args]
        if function is ndarray.__setitem__:
            return f"{operands[0]}[{operands[1]}] = {operands[2]}"
        if isinstance(function, np.ufunc) and call.kind == "write":
            outs = kwargs["out"] if isinstance(kwargs["out"], tuple) else (kwargs["out"],)
            places = [self.text(out) for out in outs]
            operands += [f"out={places[0]}"] if function in (np.maximum, np.minimum) else places
            kwargs = {word: value for word, value in kwargs.items() if word != "out"}
        form = self.plan.forms.get(call)
        out = self.text(call.results[0]) if form else ""
        if form == "copy":
            return f"{out}[...] = {operands[0]}"
        if form == "fill":
            return f"{out}[...] = {FILLED[function]}"
        if form == "reduction" and kwargs.keys() <= {"axis", "keepdims", "dtype"} and len(operands) == 1:
            words = [self.text(kwargs.get(word, default)) for word, default in REDUCTION_DEFAULTS.items()]
            return f"{self.function(function)}({operands[0]}, {words[0]}, {words[1]}, {out}, {words[2]})"
        if form == "out":
            operands.append(f"out={out}" if function in (np.maximum, np.minimum) else out)
        elif form:
            kwargs = {**kwargs, "out": call.results[0]}
        words = [f"{word}={self.text(value)}" for word, value in kwargs.items()]
        if function is ndarray.__getitem__:
            result = f"{operands[0]}[{operands[1]}]"
        elif function is np.transpose and len(operands) == 1 and not words:
            result = f"{operands[0]}.T"
        elif (function in AS_METHODS and not words) or getattr(function, "__objclass__", None) is ndarray:
            result = f"{operands[0]}.{function.__name__}({', '.join(operands[1:] + words)})"
        else:
            result = f"{self.function(function)}({', '.join(operands + words)})"
        if form or not call.results:
            return result
        names = [self.variable(variable) for variable in call.results]
        if len(names) > 1:
            return f"{', '.join(names)} = {result}"
        example = call.results[0].value
        if call.kind in ("whole", "draw"):
            checked, shape = self.constant(_checked, "checked"), self.text(example.shape)
            return (
                f"{names[0]} = {checked}({result}, {shape}, {self.constant(call.function.__name__, 'name')})"
            )
        if example.ndim == 0 and call.kind == "compute":
            result = f"{self.constant(np.asarray, 'asarray')}({result})"
        return f"{names[0]} = {result}"

    def function(self, function: Any) -> str:
        """Return the name of a function."""
        if isinstance(getattr(function, "__self__", None), np.ufunc):
            function = self.methods.setdefault(_name(function), function)
        return self.constant(function, _name(function))

    def in_dtype(self, ufunc: np.ufunc, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the operands of a ufunc with numbers as arrays, which NumPy takes in a third of the time."""
        if not any(type(arg) in (int, float) for arg in args):
            return args
        kinds = [arg.value.dtype if type(arg) is Variable else type(arg) for arg in args]
        try:
            dtypes = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
            numbers = [
                np.asarray(arg, dtype) if type(arg) in (int, float) else arg
                for arg, dtype in zip(args, dtypes, strict=False)
            ]
        except (TypeError, OverflowError):
            return args
        return tuple(self.number(x) if type(x) is ndarray else x for x in numbers)

    def number(self, value: Array) -> Variable:
        """Return a number as a variable, the same for the same number."""
        key = value.dtype, value.tobytes()
        if key not in self.numbers:
            self.numbers[key] = Variable(value, Storage(None, "outside"))
            self.given_names[id(value)] = "number"
        return self.numbers[key]

    def finish(self, outputs: list[Variable], gradients: list[Variable]) -> tuple[str, Any]:
        """Return the source, and the function that it defines; errors in it show its lines."""
        returned = []
        given: set[Storage] = set()  # each result is in memory of its own
        for number, variable in enumerate(outputs + gradients):
            own = variable.storage.kind == "result" and variable.storage not in given
            put_there = variable.storage.kind == "outside" and number >= len(outputs)  # as .grad
            returned.append(self.variable(variable) + ("" if own or put_there else ".copy()"))
            given.add(variable.storage)
        self.lines.append(f"return ({''.join(text + ', ' for text in returned)})")
        head = [
            f"# {name} = {value!r}"
            for name, value in self.globals.items()
            if isinstance(value, (slice, np.generic))
            or (type(value) is ndarray and name.startswith("number"))
        ]
        body = [f"def {self.name}({', '.join(self.arguments)}):", *self.lines]
        source = "\n".join([*head, "\n    ".join(body)]) + "\n"
        file = f"<jit {self.name} {id(self):x}>"
        exec(compile(source, file, "exec"), self.globals)
        function = self.globals[self.name]
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
        finalize(function, linecache.cache.pop, file, None)
        return source, function


REDUCTION_DEFAULTS = {"axis": 0, "dtype": None, "keepdims": False}
AS_METHODS = {np.reshape, np.transpose, np.swapaxes, np.squeeze, np.ravel, np.repeat, np.diagonal, np.dot}


def _checked(value: Any, shape: tuple[int, ...], name: str) -> Array:
    """Return the result of a function that looks at values, if it has the shape that it had before."""
    array = np.asarray(value)
    if array.shape != shape:
        raise TypeError(
            f"the result of {name} had shape {shape} when jit recorded it, and has shape {array.shape} now: "
            "it depends on the values, so the function cannot be replayed; compute this part outside of jit"
        )
    return array
