"""Watching: every op that is applied, recorded or not, as a function is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from autograd.debugging import Debugger
from autograd.primitives import Op
from autograd.recording import changed_mode, mode

Note = Callable[[Op, tuple[Any, ...], dict[str, Any], Any], None]


@contextmanager
def watch(note: Note) -> Iterator[None]:
    """Call `note(op, inputs, params, value)` after each op that this thread applies to Tensors; a context.

    It sees what the graph does not keep, too: ops on tensors that require no gradients, in `no_grad()` and
    within `checkpoint`. Functions made by `jit` are called as they are, and a `debug()` around it rests.
    """
    if mode().tracer is not None:
        raise RuntimeError(
            "watch() sees ops as they are applied, and a function that jit records is replayed without them; "
            "call the function of jit in watch(), and it runs as it is"
        )
    with changed_mode(debugger=Watcher(note)):
        yield


class Watcher(Debugger):
    """What the ops of a thread are shown to in `watch()`: it passes them on, and judges nothing."""

    def __init__(self, note: Note) -> None:
        super().__init__()
        self.note = note

    def compute(self, forward: Callable[..., Any], values: Iterable[Any], params: dict[str, Any]) -> Any:
        return forward(*values, **params)

    def examine(self, op: Op, inputs: tuple[Any, ...], params: dict[str, Any], value: Any) -> Op:
        self.note(op, inputs, params, value)
        return op

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs)
