"""Whether ops are recorded, in which order, and on whose behalf."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


ORDINARY = Mode()
modes: dict[
    int, Mode
] = {}  # of the threads that are not in the ordinary one: mostly empty, and quickly asked


def mode() -> Mode:
    """Return the mode of this thread."""
    return modes.get(get_ident(), ORDINARY)


@contextmanager
def changed_mode(**changes: Any) -> Iterator[None]:
    """Change the mode of this thread, and change it back on leaving."""
    before = mode()
    _enter(before._replace(**changes))
    try:
        yield
    finally:
        _enter(before)


def _enter(mode: Mode) -> None:
    if mode == ORDINARY:
        modes.pop(get_ident(), None)
    else:
        modes[get_ident()] = mode


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
    """Return a context (or decorator, `@no_grad()`) in which this thread records no graph."""
    return recording(False)


def callback(function: Callable[..., None], *arrays: Any) -> None:
    """Call `function(*arrays)`, now and whenever a function that `jit` has recorded is replayed.

    For what has an effect beyond the values that it returns: `function` may change the arrays in place, and
    anything else that is its own.
    """
    if modes and (tracer := mode().tracer) is not None:
        tracer.callback(function, arrays)
    else:
        function(*arrays)


# The calls of modules: first and last creation number, class name, reference to the module.
calls: deque[tuple[int, int, str, Any]] = deque(maxlen=10_000)


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
        calls.append((first, next_order(), type(owner).__name__, ref(owner)))
