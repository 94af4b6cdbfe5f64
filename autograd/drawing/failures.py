"""The graph of what had been computed when an error was raised, and of the op that raised it."""

from __future__ import annotations

from types import FrameType, TracebackType
from typing import Any

import numpy as np

from autograd.backend import as_array
from autograd.drawing.graph import Graph, graph_of, is_number
from autograd.primitives import FailedOp, Op, primitive
from autograd.recording import calls, record_call
from autograd.tensor import Tensor, spelling
from autograd.trees import flatten


def graph_of_error(error: BaseException) -> Graph:
    """Return what led to the inputs of the op that failed, and that op as the output.

    An op leaves word of itself in the error, or in one that this was raised from or after; of an error of
    other functions it is the innermost one on the way that was called with tensors.
    """
    chain = _chain(error)
    found = [(link, failed) for link in chain if (failed := link.__dict__.get("failed_op")) is not None]
    found += [(link, call) for link in chain if (call := _failed_call(link.__traceback__)) is not None]
    if not found:
        raise TypeError(
            f"draw_graph draws errors that came up in a computation with Tensors, and this "
            f"{type(error).__name__} went through no function that was called with one"
        )
    cause, failed = found[0]
    unfinished = Tensor(np.empty(0))
    unfinished.op, unfinished.params, unfinished.order = failed.op, failed.params, failed.order
    unfinished.inputs = tuple(x if type(x) is Tensor or is_number(x) else as_array(x) for x in failed.inputs)
    graph = graph_of([unfinished])
    graph.outputs[0].error = str(cause) or type(cause).__name__
    return graph


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and those that it was raised from, or while they were handled, the latest first."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def _failed_call(traceback: TracebackType | None) -> FailedOp | None:
    """Return the innermost function of a traceback that was called with tensors, as if it was an op."""
    found: tuple[str, tuple[Any, ...]] | None = None
    order = 2.0**62
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is record_call.__code__:
            # Before the end of this module's call, and after all calls within it.
            ends = [last for first, last, *_ in calls.copy() if first == frame.f_locals["first"]]
            order = max(ends, default=order)
        elif not _is_internal(frame):
            name, arguments = _call(frame)
            given = flatten([x if isinstance(x, OPENED) else None for x in arguments])
            if any(type(x) is Tensor for x in given):
                found = name, tuple(x for x in given if type(x) is Tensor or isinstance(x, np.ndarray))
        traceback = traceback.tb_next
    return None if found is None else FailedOp(Op(found[0], record_call, ()), found[1], None, order - 0.5)


OPENED = (Tensor, np.ndarray, list, tuple, dict)
PROTOCOLS = {  # the names of the function that was called, and of its arguments
    Tensor.__array_function__.__code__: ("function", "args"),
    Tensor.__array_ufunc__.__code__: ("ufunc", "inputs"),
}


def _is_internal(frame: FrameType) -> bool:
    """Tell whether a function says nothing to users: how ops are applied, and what is private."""
    code = frame.f_code
    private = code.co_name.startswith("_") and not code.co_name.startswith("__")
    return private or code.co_filename == primitive.__code__.co_filename


def _call(frame: FrameType) -> tuple[str, list[Any]]:
    """Return the name of a function, and what it was called with."""
    code, values = frame.f_code, frame.f_locals
    if code in PROTOCOLS:
        function, arguments = PROTOCOLS[code]
        return spelling(values[function]), [values[arguments], values["kwargs"]]
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04)]
    return code.co_qualname.rpartition("<locals>.")[2], [values.get(name) for name in names]
