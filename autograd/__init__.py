"""Reverse-mode automatic differentiation of NumPy programs on a recorded graph."""

from autograd import ops as ops
from autograd.checkpointing import checkpoint
from autograd.debugging import debug
from autograd.drawing import draw_graph
from autograd.gradcheck import GradcheckError, GradcheckReport, gradcheck
from autograd.ops.indexing import add_at, set_at
from autograd.ops.linear_algebra import matmul
from autograd.primitives import each, primitive
from autograd.recording import callback, no_grad, record_call
from autograd.replay import jit
from autograd.tensor import Tensor
from autograd.transforms import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    make_hvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from autograd.watching import watch

__all__ = [
    "GradcheckError",
    "GradcheckReport",
    "Tensor",
    "add_at",
    "callback",
    "checkpoint",
    "debug",
    "draw_graph",
    "each",
    "elementwise_grad",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "make_hvp",
    "matmul",
    "no_grad",
    "primitive",
    "record_call",
    "set_at",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "watch",
]
