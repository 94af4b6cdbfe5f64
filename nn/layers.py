"""Layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from autograd import Tensor
from nn import functional, init
from nn.activations import check_activation
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
            check_activation(activation)
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


class LayerNorm(Module):
    """Normalize the last axes, of `normalized_shape`, to mean 0 and variance 1; scale and shift each element.

    Without `elementwise_affine` there is no scale (`weight`) and no shift (`bias`).
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps = eps
        self.weight, self.bias = _scale_and_shift(
            self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype
        )

    def forward(self, x: Any) -> Any:
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def __repr__(self) -> str:
        return f"LayerNorm({self.normalized_shape})"


class BatchNorm1d(Module):
    """Normalize each channel of x, (N, C) or (N, C, L), to mean 0 and variance 1, then scale and shift it.

    In training, by the mean and variance of the batch, towards which `running_mean` and `running_var` move
    by `momentum` of the distance; otherwise by these. They are state that is saved, but no parameters. What
    `functional_call` puts in their place is left as it is. Without `track_running_stats` there are none, and
    the batch's own are used always; without `affine` there is no scale (`weight`) and no shift (`bias`).
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.eps = eps
        self.momentum = momentum
        self.num_features = num_features
        self.weight, self.bias = _scale_and_shift((num_features,), affine, affine, dtype)
        self.running_mean = self.running_var = None
        if track_running_stats:
            self.running_mean = Tensor(np.zeros(num_features, dtype), name="running_mean")
            self.running_var = Tensor(np.ones(num_features, dtype), name="running_var")

    def forward(self, x: Any) -> Any:
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm1d({self.num_features}) takes inputs of shape (N, {self.num_features}) or "
                f"(N, {self.num_features}, L) and got {x.shape}"
            )
        training = self.training or self.running_mean is None
        own = self._copied_from or self
        mean, variance = (
            getattr(self, name) if not training or getattr(self, name) is getattr(own, name) else None
            for name in ("running_mean", "running_var")
        )
        return functional.batch_norm(
            x, mean, variance, self.weight, self.bias, training, self.momentum, self.eps
        )

    def __repr__(self) -> str:
        return f"BatchNorm1d({self.num_features})"


def _scale_and_shift(shape: tuple[int, ...], scale: bool, shift: bool, dtype: Any) -> Any:
    """Return the parameters that leave everything as it is at first, ones and zeros; None for neither."""
    return (
        Tensor(np.ones(shape, dtype), requires_grad=True, name="weight") if scale else None,
        Tensor(np.zeros(shape, dtype), requires_grad=True, name="bias") if shift else None,
    )


class Embedding(Module):
    """Look up rows of `weight`, (num_embeddings, embedding_dim), at integers of any shape.

    The weights are standard normal at first. Row `padding_idx` is of zeros, and gets no gradient.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        generator: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        if padding_idx is not None and not 0 <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx must lie between 0 and {num_embeddings - 1}; got {padding_idx}")
        weight = generator.standard_normal((num_embeddings, embedding_dim)).astype(dtype)
        if padding_idx is not None:
            weight[padding_idx] = 0
        self.weight = Tensor(weight, requires_grad=True, name="weight")
        self.padding_idx = padding_idx

    def forward(self, indices: Any) -> Any:
        return functional.embedding(indices, self.weight, self.padding_idx)

    def __repr__(self) -> str:
        count, size = self.weight.shape
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"Embedding({count}, {size}{padding})"


class ReLU(Module):
    """Compute max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return functional.relu(x)


class ReLU6(Module):
    """Compute min(max(x, 0), 6)."""

    def forward(self, x: Any) -> Any:
        return functional.relu6(x)


class SELU(Module):
    """Compute the elu that leads to outputs of mean 0 and variance 1."""

    def forward(self, x: Any) -> Any:
        return functional.selu(x)


class SiLU(Module):
    """Compute x sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        return functional.silu(x)


class Mish(Module):
    """Compute x tanh(softplus(x))."""

    def forward(self, x: Any) -> Any:
        return functional.mish(x)


class Sigmoid(Module):
    """Compute 1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return functional.sigmoid(x)


class LogSigmoid(Module):
    """Compute the logarithm of the sigmoid."""

    def forward(self, x: Any) -> Any:
        return functional.log_sigmoid(x)


class Tanh(Module):
    """Compute the hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return np.tanh(x)


class Softplus(Module):
    """Compute log(1 + exp(x))."""

    def forward(self, x: Any) -> Any:
        return functional.softplus(x)


class Softsign(Module):
    """Compute x / (1 + |x|)."""

    def forward(self, x: Any) -> Any:
        return functional.softsign(x)


@dataclass(eq=False)
class LeakyReLU(Module):
    """Compute x where it is positive, and negative_slope x elsewhere."""

    negative_slope: float = 0.01

    def forward(self, x: Any) -> Any:
        return functional.leaky_relu(x, self.negative_slope)


@dataclass(eq=False)
class ELU(Module):
    """Compute x where it is positive, and alpha (exp(x) - 1) elsewhere."""

    alpha: float = 1.0

    def forward(self, x: Any) -> Any:
        return functional.elu(x, self.alpha)


@dataclass(eq=False)
class CELU(Module):
    """Compute x where it is positive, and alpha (exp(x / alpha) - 1) elsewhere."""

    alpha: float = 1.0

    def forward(self, x: Any) -> Any:
        return functional.celu(x, self.alpha)


@dataclass(eq=False)
class GELU(Module):
    """Compute x P(X <= x) for a standard normal X; `approximate` is "none" or "tanh"."""

    approximate: str = "none"

    def forward(self, x: Any) -> Any:
        return functional.gelu(x, self.approximate)


@dataclass(eq=False)
class Hardtanh(Module):
    """Limit x to min_val and max_val."""

    min_val: float = -1.0
    max_val: float = 1.0

    def forward(self, x: Any) -> Any:
        return functional.hardtanh(x, self.min_val, self.max_val)


@dataclass(eq=False)
class GLU(Module):
    """Compute a sigmoid(b), a and b the halves of x along an axis."""

    axis: int = -1

    def forward(self, x: Any) -> Any:
        return functional.glu(x, self.axis)


@dataclass(eq=False)
class Softmax(Module):
    """Compute exp(x) / sum(exp(x)) along an axis."""

    axis: int | tuple[int, ...] = -1

    def forward(self, x: Any) -> Any:
        return functional.softmax(x, self.axis)


@dataclass(eq=False)
class Softmin(Module):
    """Compute the softmax of -x along an axis."""

    axis: int | tuple[int, ...] = -1

    def forward(self, x: Any) -> Any:
        return functional.softmin(x, self.axis)


@dataclass(eq=False)
class LogSoftmax(Module):
    """Compute the logarithm of the softmax along an axis."""

    axis: int | tuple[int, ...] = -1

    def forward(self, x: Any) -> Any:
        return functional.log_softmax(x, self.axis)


class PReLU(Module):
    """Compute x where it is positive, and weight x elsewhere: `weight` is learnt, for all or each channel.

    With num_parameters > 1, axis 1 of x is that of the channels.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float32) -> None:
        self.weight = Tensor(np.full(num_parameters, init, dtype), requires_grad=True, name="weight")

    def forward(self, x: Any) -> Any:
        return functional.prelu(x, self.weight)

    def __repr__(self) -> str:
        return f"PReLU({self.weight.size})"


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
    relu, Xavier's for the others. `dropout` is the probability of dropping a hidden unit, and
    `input_dropout` that of dropping an input.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        *,
        generator: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"an MLP needs at least two sizes, all positive; got {list(sizes)}")
        check_activation(activation)
        functional.check_probability(dropout)
        functional.check_probability(input_dropout)
        initializer = init.FOR_ACTIVATION[activation]
        options: dict[str, Any] = {"generator": generator, "dtype": dtype}
        layers: list[Module] = [Dropout(input_dropout, generator=generator)] if input_dropout else []
        for inputs, outputs in pairwise(sizes[:-1]):
            layers.append(Linear(inputs, outputs, activation=activation, initializer=initializer, **options))
            if dropout:
                layers.append(Dropout(dropout, generator=generator))
        layers.append(Linear(sizes[-2], sizes[-1], **options))
        super().__init__(*layers)
