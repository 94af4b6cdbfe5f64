"""Whether ops are recorded, in which order, and on whose behalf."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from itertools import count
from threading import get_ident
from typing import Any, NamedTuple
from weakref import ref

# Creation numbers rise, so creation order is topological order, and an input that is younger than
# the op that used it has been changed since.
next_order = count(1).__next__


class Mode(NamedTuple):
    """How the ops of a thread are treated."""

    paused: bool = False
    """Whether no graph is recorded."""
    tracer: Any = None
    """What writes down the calls of NumPy's functions, for `jit`."""
    debugger: Any = None
    """What looks at each op, in `debug()`."""
    unrolled: bool = False
    """Whether `checkpoint` leaves its ops in the graph, for `gradcheck` to look at."""


ORDINARY = Mode()
modes: dict[
    int, Mode
] = {}  # of the threads that are not in the ordinary one: mostly empty, and quickly asked


def mode() -> Mode:
    """Return the mode of this thread."""
    return modes.get(get_ident(), ORDINARY)


contexts: dict[int, list[changed_mode]] = {}  # that threads are in, the latest last


class changed_mode(ContextDecorator):
    """A context (or decorator) that changes the mode of the thread which enters it.

    A generator may be left in the middle, so that contexts end in another order than they began, or in
    another thread: each takes back its own change.
    """

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def _recreate_cm(self) -> changed_mode:
        return type(self)(**self.changes)

    def __enter__(self) -> None:
        self.thread = get_ident()
        self.before = mode()
        contexts.setdefault(self.thread, []).append(self)
        _enter(self.thread, self.before._replace(**self.changes))

    def __exit__(self, *error: object) -> None:
        active = contexts[self.thread]
        place = len(active) - 1 if active[-1] is self else active.index(self)
        del active[place]
        now = self.before
        for context in active[place:]:
            context.before = now
            now = now._replace(**context.changes)
        if not active:
            del contexts[self.thread]
        _enter(self.thread, now)


def _enter(thread: int, mode: Mode) -> None:
    if mode == ORDINARY:
        modes.pop(thread, None)
    else:
        modes[thread] = mode


def is_recording() -> bool:
    """Tell whether ops of this thread are recorded in the graph."""
    return not mode().paused


def recording(enabled: bool) -> Any:
    """Return a context in which recording is on, or off, in this thread."""
    return changed_mode(paused=not enabled)


def recorded(function: Callable[..., Any], *args: Any) -> Any:
    """Return `function(*args)`, called with recording on."""
    if not modes or is_recording():  # a context costs as much as a few ops
        return function(*args)
    with recording(True):
        return function(*args)


def no_grad() -> Any:
    """Return a context (or decorator, `@no_grad()`) in which this thread records no graph.

    A generator that yields inside of it takes whoever consumes it along until it goes on, as in PyTorch.
    """
    return recording(False)


# The bit generators that ops of a thread have drawn from, with the state of each before, for every
# `watched_draws` that it is in: mostly empty.
watches: dict[int, tuple[dict[Any, Any], ...]] = {}


@contextmanager
def watched_draws() -> Iterator[dict[Any, Any]]:
    """Collect the bit generators that ops of this thread draw from, and the state of each before that."""
    thread = get_ident()
    before = watches.get(thread, ())
    states: dict[Any, Any] = {}
    watches[thread] = (*before, states)
    try:
        yield states
    finally:
        watches[thread] = before
        if not before:
            del watches[thread]


def note_draw(params: dict[str, Any]) -> None:
    """Note the states of the generators among an op's parameters, which it is about to draw from."""
    for states in watches.get(get_ident(), ()):
        for value in params.values():
            bits = getattr(value, "bit_generator", None)
            if bits is not None and bits not in states:
                states[bits] = bits.state


def callback(function: Callable[..., None], *arrays: Any) -> None:
    """Call `function(*arrays)`, now and whenever a function that `jit` has recorded is replayed.

    For what has an effect beyond the values that it returns: `function` may change the arrays in place, and
    anything else that is its own.
    """
    if modes and (tracer := mode().tracer) is not None:
        tracer.callback(function, arrays)
    else:
        function(*arrays)


# The calls of modules: first and last creation number, class name, reference to the module, thread.
calls: deque[tuple[int, int, str, Any, int]] = deque(maxlen=10_000)


def record_call(owner: object, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    """Return `function(*inputs)`, its ops marked as the work of `owner`: one cluster in a picture.

    An op belongs to the call whose interval of creation numbers holds its own, so clusters cost the
    ops nothing. The latest 10,000 calls are remembered; owners are not kept alive.
    """
    if modes and (tracer := mode().tracer) is not None:
        tracer.watch(owner)
    first = next_order()
    try:
        return function(*inputs)
    finally:
        calls.append((first, next_order(), type(owner).__name__, ref(owner), get_ident()))


def names_in(owner: Any) -> dict[int, str]:
    """Name what an object keeps in attributes, and in lists, tuples and dicts of them, by identity.

    What it keeps under several names has the first, as in `named_modules`.
    """
    found: dict[int, str] = {}
    stack = [(str(name), value) for name, value in reversed(getattr(owner, "__dict__", {}).items())]
    while stack:
        path, value = stack.pop()
        if id(value) in found:
            continue
        found[id(value)] = path
        parts: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            parts = list(value.items())
        elif isinstance(value, (list, tuple)):
            parts = list(enumerate(value))
        stack += [(f"{path}.{key}", part) for key, part in reversed(parts)]
    return found
