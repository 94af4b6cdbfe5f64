"""Whether ops are recorded, in which order, and on whose behalf."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import get_ident
from typing import Any
from weakref import ref

# Creation numbers rise, so creation order is topological order, and an input that is younger than
# the op that used it has been changed since.
next_order = count(1).__next__

paused_threads: set[int] = set()


def is_recording() -> bool:
    """Tell whether ops of this thread are recorded in the graph."""
    return get_ident() not in paused_threads


@contextmanager
def recording(enabled: bool) -> Iterator[None]:
    """Switch recording on or off in this thread, and back on leaving."""
    before = is_recording()
    (paused_threads.discard if enabled else paused_threads.add)(get_ident())
    try:
        yield
    finally:
        (paused_threads.discard if before else paused_threads.add)(get_ident())


def no_grad() -> Any:
    """Return a context (or decorator, `@no_grad()`) in which this thread records no graph."""
    return recording(False)


# The calls of modules: first and last creation number, class name, reference to the module.
calls: deque[tuple[int, int, str, Any]] = deque(maxlen=10_000)


def record_call(owner: object, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    """Return `function(*inputs)`, its ops marked as the work of `owner`: one cluster in a picture.

    An op belongs to the call whose interval of creation numbers holds its own, so clusters cost the
    ops nothing. The latest 10,000 calls are remembered; owners are not kept alive.
    """
    first = next_order()
    try:
        return function(*inputs)
    finally:
        calls.append((first, next_order(), type(owner).__name__, ref(owner)))
