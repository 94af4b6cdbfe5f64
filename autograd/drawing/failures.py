"""The graph of what had been computed when an error was raised, and of the op that raised it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np

from autograd.drawing.graph import Graph, graph_of
from autograd.primitives import FailedOp, Op
from autograd.recording import calls, record_call
from autograd.tensor import Tensor
from autograd.trees import flatten


def graph_of_error(error: BaseException) -> Graph:
    """Return what led to the inputs of the op that failed, and that op as the output.

    An op leaves word of itself in the error; of an error of other functions it is the innermost one on the
    way that was called with tensors.
    """
    failed = error.__dict__.get("failed_op") or _failed_call(error.__traceback__)
    if failed is None:
        raise TypeError(
            f"draw_graph draws errors that came up in a computation with Tensors, and this "
            f"{type(error).__name__} went through no function that was called with one"
        )
    unfinished = Tensor(np.empty(0))
    unfinished.op, unfinished.inputs, unfinished.params, unfinished.order = failed  # type: ignore[assignment]
    graph = graph_of([unfinished])
    graph.outputs[0].error = str(error) or type(error).__name__
    return graph


def _failed_call(traceback: TracebackType | None) -> FailedOp | None:
    """Return the innermost function of a traceback that was called with tensors, as if it was an op."""
    found: FailedOp | None = None
    order = 2.0**62
    while traceback is not None:
        frame = traceback.tb_frame
        code = frame.f_code
        if code is record_call.__code__:
            # Before the end of this module's call, and after all calls within it.
            ends = [last for first, last, *_ in calls.copy() if first == frame.f_locals["first"]]
            order = max(ends, default=order)
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04)]
        given = flatten([_opened(frame.f_locals.get(name)) for name in arguments])
        if any(type(x) is Tensor for x in given):
            name = code.co_qualname.rpartition("<locals>.")[2]
            inputs = tuple(x for x in given if type(x) is Tensor or isinstance(x, np.ndarray))
            found = FailedOp(Op(name, record_call, ()), inputs, None, order - 0.5)
        traceback = traceback.tb_next
    return found


def _opened(argument: Any) -> Any:
    return argument if isinstance(argument, (Tensor, np.ndarray, list, tuple, dict)) else None
