"""Layers: what they compute, what they hold, what they refuse."""

from typing import Any

import numpy as np
import pytest

from autograd import Tensor, gradcheck
from nn import (
    MLP,
    Dropout,
    Linear,
    LogSoftmax,
    Module,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
    cross_entropy,
    functional_call,
    init,
)
from nn import functional as F

X = np.random.default_rng(1).normal(size=(5, 3))


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------- Linear


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(dtype: Any, shape: tuple[int, ...], bias: bool) -> None:
    layer = Linear(3, 2, bias, generator=seeded(), dtype=dtype)
    if bias:
        layer.bias.data = np.array([10, 20], dtype)
    x = np.random.default_rng(1).normal(size=shape).astype(dtype)
    output = layer(x)
    expected = x @ layer.weight.data + (np.array([10, 20]) if bias else 0)
    assert output.shape == (*shape[:-1], 2)
    assert output.dtype == dtype
    np.testing.assert_allclose(output.data, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "layer"), [("relu", ReLU()), ("sigmoid", Sigmoid()), ("tanh", Tanh())], ids=str
)
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_ends_in_its_activation(
    activation: str, layer: Module, shape: tuple[int, ...], bias: bool
) -> None:
    plain, activated = (Linear(3, 4, bias, name, generator=seeded()) for name in (None, activation))
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    inputs = [Tensor(x, requires_grad=True) for _ in range(2)]
    outputs = [layer(plain(inputs[0])), activated(inputs[1])]
    for output in outputs:
        np.sum(output**2).backward()
    assert outputs[1].dtype == np.float32
    np.testing.assert_array_equal(outputs[0].data, outputs[1].data)
    np.testing.assert_array_equal(inputs[0].grad.data, inputs[1].grad.data)
    for one, other in zip(plain.parameters(), activated.parameters(), strict=True):
        np.testing.assert_array_equal(one.grad.data, other.grad.data)


def test_linear_refuses_an_unknown_activation() -> None:
    with pytest.raises(ValueError, match="must be one of relu, sigmoid, tanh; got 'swish'"):
        Linear(3, 2, activation="swish", generator=seeded())
    for bias in (None, np.ones(2)):
        with pytest.raises(ValueError, match="must be one of relu, sigmoid, tanh; got 'swish'"):
            F.linear(X, np.ones((3, 2)), bias, "swish")


def test_linear_parameters() -> None:
    layer = Linear(3, 2, generator=seeded())
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    assert shapes == {"weight": (3, 2), "bias": (2,)}
    assert (layer.weight.name, layer.bias.name) == ("weight", "bias")
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    assert layer.weight.data.any()
    assert not layer.bias.data.any()
    unbiased = Linear(3, 2, bias=False, generator=seeded())
    assert unbiased.bias is None
    assert [name for name, _ in unbiased.named_parameters()] == ["weight"]


def test_linear_initializer() -> None:
    layer = Linear(3, 2, generator=seeded(), initializer=init.he_normal, dtype=np.float64)
    np.testing.assert_array_equal(layer.weight.data, init.he_normal(seeded(), 3, 2))
    default = Linear(3, 2, generator=seeded(), dtype=np.float64)
    np.testing.assert_array_equal(default.weight.data, init.lecun_normal(seeded(), 3, 2))


def test_linear_needs_a_generator() -> None:
    with pytest.raises(TypeError, match="generator"):
        Linear(3, 2)  # type: ignore[call-arg]


def test_linear_names_the_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"weight of shape \(3, 2\) .* got \(5, 4\)"):
        Linear(3, 2, generator=seeded())(np.ones((5, 4)))


def test_linear_in_float32_on_float32_images_stays_there() -> None:
    layer = Linear(3, 2, generator=seeded())
    layer(X.astype(np.float32)).sum().backward()
    assert layer.weight.grad.dtype == layer.bias.grad.dtype == np.float32


# ------------------------------------------------------------------------------------------ Dropout


def test_dropout_drops_in_training_alone() -> None:
    layer = Dropout(0.25, generator=seeded())
    x = np.ones((100, 100))
    assert set(np.unique(layer(x))) == {0, 1 / 0.75}
    assert layer.eval()(x) is x
    assert (layer.train()(x) == 0).any()


def test_dropout_uses_its_generator() -> None:
    first, again, other = (Dropout(generator=seeded(seed))(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert Dropout(generator=seeded()).p == 0.5


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_dropout_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Dropout(p, generator=seeded())


# -------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (ReLU(), F.relu),
        (Sigmoid(), F.sigmoid),
        (Tanh(), np.tanh),
        (Softplus(), F.softplus),
        (Softmax(), F.softmax),
        (Softmax(0), lambda x: F.softmax(x, axis=0)),
        (LogSoftmax(), F.log_softmax),
        (LogSoftmax(axis=(0, 1)), lambda x: F.log_softmax(x, axis=(0, 1))),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Module) else "",
)
def test_activation_layers_are_their_functions(layer: Module, function: Any) -> None:
    x = Tensor(X, requires_grad=True)
    output = layer(x)
    np.testing.assert_array_equal(output.data, function(X))
    assert output.requires_grad
    assert layer.parameters() == []
    np.testing.assert_array_equal(layer(X), output.data)
    assert gradcheck(layer, X)


# --------------------------------------------------------------------------------------- Sequential


def test_sequential_applies_its_layers_in_order() -> None:
    first, second = (Linear(3, 3, generator=seeded(seed), dtype=np.float64) for seed in (0, 1))
    np.testing.assert_array_equal(Sequential(first, ReLU(), second)(X).data, second(F.relu(first(X))).data)
    assert not np.array_equal(Sequential(second, ReLU(), first)(X).data, second(F.relu(first(X))).data)
    assert Sequential()(X) is X


def test_sequential_within_sequential() -> None:
    model = Sequential(Sequential(Linear(3, 2, generator=seeded())), Dropout(generator=seeded()))
    assert [name for name, _ in model.named_parameters()] == [
        "layers.0.layers.0.weight",
        "layers.0.layers.0.bias",
    ]
    assert model.eval().layers[1].training is False


# ---------------------------------------------------------------------------------------------- MLP


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_mlp_structure(activation: str) -> None:
    model = MLP((4, 3, 5, 2), activation, generator=seeded())
    assert [type(part) for part in model.layers] == [Linear, Linear, Linear]
    assert [part.activation for part in model.layers] == [activation, activation, None]
    assert {name: p.shape for name, p in model.named_parameters()} == {
        "layers.0.weight": (4, 3),
        "layers.0.bias": (3,),
        "layers.1.weight": (3, 5),
        "layers.1.bias": (5,),
        "layers.2.weight": (5, 2),
        "layers.2.bias": (2,),
    }
    assert all(p.dtype == np.float32 for p in model.parameters())


def test_mlp_drops_hidden_units_alone() -> None:
    model = MLP((4, 3, 5, 2), dropout=0.3, generator=seeded())
    assert [type(part) for part in model.layers] == [Linear, Dropout, Linear, Dropout, Linear]
    assert [part.p for part in model.layers if isinstance(part, Dropout)] == [0.3, 0.3]
    x = np.ones((1, 4), np.float32)
    outputs = [model(x).data for _ in range(10)]
    assert any(not np.array_equal(outputs[0], output) for output in outputs)
    model.eval()
    np.testing.assert_array_equal(model(x).data, model(x).data)


def test_mlp_without_hidden_layers_is_linear() -> None:
    model = MLP((4, 2), dropout=0.3, generator=seeded())
    assert [type(part) for part in model.layers] == [Linear]


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_mlp_computes_what_its_formula_says(activation: str) -> None:
    model = MLP((3, 4, 2), activation, generator=seeded(), dtype=np.float64)
    function = {"relu": F.relu, "sigmoid": F.sigmoid, "tanh": np.tanh}[activation]
    (w1, b1), (w2, b2) = ((layer.weight.data, layer.bias.data) for layer in model.layers)
    np.testing.assert_allclose(model(X).data, function(X @ w1 + b1) @ w2 + b2, rtol=1e-14)


def test_mlp_is_decided_by_its_generator() -> None:
    first, again, other = (MLP((3, 4, 2), generator=seeded(seed)).state_dict() for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["layers.0.weight"], other["layers.0.weight"])


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0, 2), (-1, 2)])
def test_mlp_refuses_sizes(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least two sizes, all positive; got"):
        MLP(sizes, generator=seeded())


def test_mlp_refuses_an_unknown_activation() -> None:
    with pytest.raises(ValueError, match="must be one of relu, sigmoid, tanh; got 'swish'"):
        MLP((3, 2), "swish", generator=seeded())


@pytest.mark.parametrize(
    "sizes",
    [
        (3, 4, 2),
        (3, 2),
    ],
)
@pytest.mark.parametrize("dropout", [-0.1, 1.5])
def test_mlp_refuses_what_is_no_probability(sizes: tuple[int, ...], dropout: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        MLP(sizes, dropout=dropout, generator=seeded())


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_gradcheck_of_all_parameters(activation: str) -> None:
    model = MLP((3, 5, 4, 3), activation, generator=seeded(), dtype=np.float64)
    labels = [0, 1, 2, 0, 1]
    params = {name: array + 0.1 for name, array in model.state_dict().items()}
    assert gradcheck(lambda params: cross_entropy(functional_call(model, params, X), labels), params)


def test_gradcheck_of_the_second_order() -> None:
    model = MLP((3, 2, 2), "tanh", generator=seeded(), dtype=np.float64)
    params = model.state_dict()
    assert gradcheck(
        lambda params, x: cross_entropy(functional_call(model, params, x), [0, 1, 1, 0, 1]),
        params,
        X,
        order=2,
    )


def test_gradcheck_with_dropout() -> None:
    def model() -> MLP:
        return MLP((3, 6, 2), "tanh", 0.5, generator=seeded(), dtype=np.float64)

    def loss(params: Any) -> Any:
        return cross_entropy(functional_call(model(), params, X), [0, 1, 1, 0, 1])

    assert gradcheck(loss, model().state_dict())


def test_reprs() -> None:
    assert repr(Linear(3, 2, generator=seeded())) == "Linear(3, 2)"
    assert repr(Linear(3, 2, bias=False, generator=seeded())) == "Linear(3, 2, bias=False)"
    assert repr(Linear(3, 2, False, "tanh", generator=seeded())) == (
        "Linear(3, 2, bias=False, activation='tanh')"
    )
    assert repr(Dropout(0.3, generator=seeded())) == "Dropout(0.3)"
    model = MLP((3, 4, 2), dropout=0.5, generator=seeded())
    assert repr(model).splitlines() == [
        "MLP(",
        "  layers.0: Linear(3, 4, activation='relu')",
        "  layers.1: Dropout(0.5)",
        "  layers.2: Linear(4, 2)",
        ")",
    ]
