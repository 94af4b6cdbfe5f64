"""Initial weights against the variances and bounds of the papers."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest

from nn import MLP, Linear, init

INITIALIZERS = {
    init.he_normal: lambda inputs, outputs: 2 / inputs,
    init.xavier_uniform: lambda inputs, outputs: 2 / (inputs + outputs),
    init.lecun_normal: lambda inputs, outputs: 1 / inputs,
}
each_initializer = pytest.mark.parametrize("initializer", INITIALIZERS, ids=lambda f: f.__name__)


@each_initializer
@pytest.mark.parametrize(("inputs", "outputs"), [(300, 200), (100, 600)])
def test_variance(initializer: Callable[..., Any], inputs: int, outputs: int) -> None:
    weights = initializer(np.random.default_rng(0), inputs, outputs)
    variance = INITIALIZERS[initializer](inputs, outputs)
    assert weights.shape == (inputs, outputs)
    assert weights.var() == pytest.approx(variance, rel=0.03)
    assert abs(weights.mean()) < 5 * sqrt(variance / weights.size)


def test_xavier_bound() -> None:
    weights = init.xavier_uniform(np.random.default_rng(0), 300, 200)
    bound = sqrt(6 / 500)
    assert np.abs(weights).max() <= bound
    assert weights.max() > 0.999 * bound
    assert weights.min() < -0.999 * bound


@pytest.mark.parametrize("initializer", [init.he_normal, init.lecun_normal])
def test_normal_weights_are_normal(initializer: Callable[..., Any]) -> None:
    weights = initializer(np.random.default_rng(0), 300, 300)
    standard = weights / weights.std()
    assert np.mean(standard**4) == pytest.approx(3, abs=0.1)
    assert np.mean(np.abs(standard) < 1) == pytest.approx(0.6827, abs=0.01)


@each_initializer
def test_draws_from_its_generator_alone(initializer: Callable[..., Any]) -> None:
    before = np.random.get_state()  # noqa: NPY002
    first, again, other = (initializer(np.random.default_rng(seed), 5, 4) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@each_initializer
def test_layers_without_inputs_or_outputs(initializer: Callable[..., Any]) -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        assert initializer(np.random.default_rng(0), *shape).shape == shape


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [("relu", init.he_normal), ("tanh", init.xavier_uniform), ("sigmoid", init.xavier_uniform)],
)
def test_mlp_chooses_by_activation(activation: str, initializer: Callable[..., Any]) -> None:
    model = MLP((20, 30, 40, 5), activation, generator=np.random.default_rng(0), dtype=np.float64)
    generator = np.random.default_rng(0)
    layers = [layer for layer in model.layers if isinstance(layer, Linear)]
    for layer, chosen in zip(layers, (initializer, initializer, init.lecun_normal), strict=True):
        np.testing.assert_array_equal(layer.weight.data, chosen(generator, *layer.weight.shape))
        assert not layer.bias.data.any()


@pytest.mark.parametrize(("activation", "low", "high"), [("relu", 0.5, 2.0), ("tanh", 0.2, 1.0)])
def test_signals_keep_their_size_through_many_layers(activation: str, low: float, high: float) -> None:
    model = MLP([256] * 12, activation, generator=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(200, 256)).astype(np.float32)
    assert low < np.sqrt(np.mean(np.square(model(x).data))) < high
