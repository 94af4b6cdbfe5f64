"""Layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from autograd import Tensor
from nn import functional, init
from nn.module import Module


class Linear(Module):
    """Compute x W + b, for x of shape (..., inputs): `weight` is (inputs, outputs), `bias` (outputs,).

    `activation`, "relu", "sigmoid" or "tanh", is applied to that in the same op.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bias: bool = True,
        activation: str | None = None,
        *,
        generator: np.random.Generator,
        initializer: Callable[..., Any] = init.lecun_normal,
        dtype: Any = np.float32,
    ) -> None:
        if activation is not None:
            functional.check_activation(activation)
        weight = initializer(generator, inputs, outputs).astype(dtype)
        self.weight = Tensor(weight, requires_grad=True, name="weight")
        self.bias = Tensor(np.zeros(outputs, dtype), requires_grad=True, name="bias") if bias else None
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return functional.linear(x, self.weight, self.bias, self.activation)

    def __repr__(self) -> str:
        inputs, outputs = self.weight.shape
        unbiased = ", bias=False" if self.bias is None else ""
        activation = f", activation={self.activation!r}" if self.activation else ""
        return f"Linear({inputs}, {outputs}{unbiased}{activation})"


class Dropout(Module):
    """In training, set elements to 0 with probability `p` and scale the others by 1 / (1 - p)."""

    def __init__(self, p: float = 0.5, *, generator: np.random.Generator) -> None:
        functional.check_probability(p)
        self.p = p
        self.generator = generator

    def forward(self, x: Any) -> Any:
        return functional.dropout(x, self.p, self.generator, self.training)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"


class ReLU(Module):
    """Compute max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return functional.relu(x)


class Sigmoid(Module):
    """Compute 1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return functional.sigmoid(x)


class Tanh(Module):
    """Compute the hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return np.tanh(x)


class Softplus(Module):
    """Compute log(1 + exp(x))."""

    def forward(self, x: Any) -> Any:
        return functional.softplus(x)


class Softmax(Module):
    """Compute exp(x) / sum(exp(x)) along an axis."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return functional.softmax(x, self.axis)


class LogSoftmax(Module):
    """Compute the logarithm of the softmax along an axis."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return functional.log_softmax(x, self.axis)


class Sequential(Module):
    """Apply modules one after the other."""

    def __init__(self, *layers: Module) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(Sequential):
    """A multilayer perceptron: linear layers with an activation and dropout between them.

    `sizes` are the widths from input to output, e.g. (784, 256, 128, 10); the last layer's outputs
    are logits. `activation` is "relu", "sigmoid" or "tanh", and chooses the initial weights: He's for
    relu, Xavier's for the others. `dropout` is the probability of dropping a hidden unit.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        *,
        generator: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"an MLP needs at least two sizes, all positive; got {list(sizes)}")
        functional.check_activation(activation)
        functional.check_probability(dropout)
        initializer = init.FOR_ACTIVATION[activation]
        options: dict[str, Any] = {"generator": generator, "dtype": dtype}
        layers: list[Module] = []
        for inputs, outputs in pairwise(sizes[:-1]):
            layers.append(Linear(inputs, outputs, activation=activation, initializer=initializer, **options))
            if dropout:
                layers.append(Dropout(dropout, generator=generator))
        layers.append(Linear(sizes[-2], sizes[-1], **options))
        super().__init__(*layers)
