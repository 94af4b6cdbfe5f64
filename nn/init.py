"""Initial weights: random, with the variance that keeps signals of one size through the layers."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The variance of a weight is gain / (mean of) the number of inputs (and outputs).


def he_normal(generator: np.random.Generator, inputs: int, outputs: int) -> NDArray[Any]:
    """Return normal weights (inputs, outputs) for relu (He et al., 2015, eq. 10)."""
    return generator.normal(0, sqrt(2 / max(inputs, 1)), (inputs, outputs))


def xavier_uniform(generator: np.random.Generator, inputs: int, outputs: int) -> NDArray[Any]:
    """Return uniform weights (inputs, outputs) for tanh and sigmoid (Glorot & Bengio, 2010, eq. 16)."""
    bound = sqrt(6 / max(inputs + outputs, 1))
    return generator.uniform(-bound, bound, (inputs, outputs))


def lecun_normal(generator: np.random.Generator, inputs: int, outputs: int) -> NDArray[Any]:
    """Return normal weights (inputs, outputs) for a linear layer (LeCun et al., 1998, eq. 16)."""
    return generator.normal(0, sqrt(1 / max(inputs, 1)), (inputs, outputs))


FOR_ACTIVATION = {
    "relu": he_normal,
    "tanh": xavier_uniform,
    "sigmoid": xavier_uniform,
    "linear": lecun_normal,
}
