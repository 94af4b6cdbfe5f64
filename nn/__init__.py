"""Neural networks on the graph engine `autograd`: layers, losses, optimizers, data and training."""

from nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
)
from nn.layers import (
    MLP,
    Dropout,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from nn.module import Module, functional_call
from nn.optim import SGD, Adagrad, Adam, AdamW, RMSprop, clip_grad_norm_, clip_grad_value_

__all__ = [
    "MLP",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Dropout",
    "Linear",
    "LogSoftmax",
    "Module",
    "RMSprop",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "binary_cross_entropy_with_logits",
    "clip_grad_norm_",
    "clip_grad_value_",
    "cross_entropy",
    "functional_call",
    "mse_loss",
]
