"""Layers: what they compute, what they hold, what they refuse."""

from typing import Any

import numpy as np
import pytest

import nn
from autograd import Tensor, grad, gradcheck, jit
from nn import (
    MLP,
    SGD,
    BatchNorm1d,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    LogSoftmax,
    Module,
    PReLU,
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
        (nn.Softmin(0), lambda x: F.softmin(x, axis=0)),
        (nn.ReLU6(), F.relu6),
        (nn.SELU(), F.selu),
        (nn.SiLU(), F.silu),
        (nn.Mish(), F.mish),
        (nn.LogSigmoid(), F.log_sigmoid),
        (nn.Softsign(), F.softsign),
        (nn.LeakyReLU(), F.leaky_relu),
        (nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3)),
        (nn.ELU(0.5), lambda x: F.elu(x, 0.5)),
        (nn.CELU(0.5), lambda x: F.celu(x, 0.5)),
        (nn.GELU(), F.gelu),
        (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh")),
        (nn.Hardtanh(-0.2, 0.3), lambda x: F.hardtanh(x, -0.2, 0.3)),
        (nn.GLU(0), lambda x: F.glu(x, 0)),
    ],
    ids=lambda value: repr(value) if isinstance(value, Module) else "",
)
def test_activation_layers_are_their_functions(layer: Module, function: Any) -> None:
    array = X[:4]
    x = Tensor(array, requires_grad=True)
    output = layer(x)
    np.testing.assert_array_equal(output.data, function(array))
    assert output.requires_grad
    assert layer.parameters() == []
    np.testing.assert_array_equal(layer(array), output.data)
    assert gradcheck(layer, array)


def test_prelu_learns_its_slope() -> None:
    layer = PReLU(3, 0.5)
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("weight", (3,))]
    output = layer(-np.ones((2, 3), np.float32))
    assert output.dtype == np.float32
    np.testing.assert_array_equal(output.data, np.full((2, 3), -0.5))
    output.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.data, [-2, -2, -2])
    np.testing.assert_array_equal(PReLU(dtype=np.float64)(-X).data, F.prelu(-X, np.array([0.25])))


# ---------------------------------------------------------------------------------------- LayerNorm


@pytest.mark.parametrize("shape", [3, (3,), (5, 3)])
def test_layer_norm(shape: Any) -> None:
    layer = LayerNorm(shape, eps=0.1, dtype=np.float64)
    own = shape if isinstance(shape, tuple) else (shape,)
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    assert shapes == {"weight": own, "bias": own}
    np.testing.assert_allclose(layer(X).data, F.layer_norm(X, shape, eps=0.1), rtol=1e-14)
    layer.weight.data, layer.bias.data = np.full(own, 2.0), np.full(own, 3.0)
    np.testing.assert_allclose(layer(X).data, 2 * F.layer_norm(X, shape, eps=0.1) + 3, rtol=1e-14)
    assert gradcheck(lambda params: functional_call(layer, params, X), layer.state_dict(), order=2)


def test_layer_norm_without_parameters() -> None:
    assert [name for name, _ in LayerNorm(3, bias=False).named_parameters()] == ["weight"]
    layer = LayerNorm(3, elementwise_affine=False)
    assert layer.state_dict() == {}
    np.testing.assert_array_equal(layer(X), F.layer_norm(X, 3))
    assert LayerNorm(3)(X.astype(np.float32)).dtype == np.float32


# -------------------------------------------------------------------------------------- BatchNorm1d


def statistics(layer: BatchNorm1d) -> list[np.ndarray]:
    return [layer.running_mean.numpy(), layer.running_var.numpy()]


def test_batch_norm_in_training_and_out_of_it() -> None:
    layer = BatchNorm1d(2, momentum=0.5, dtype=np.float64)
    x = np.array([[1.0, 10.0], [3.0, 10.0], [8.0, 40.0]])  # means 4 and 20, unbiased variances 13 and 300
    output = layer(x)
    np.testing.assert_allclose(output.data, (x - [4, 20]) / np.sqrt(np.array([26, 600]) / 3 + 1e-5))
    np.testing.assert_allclose(statistics(layer), [[2, 10], [7, 150.5]])
    layer(x)
    np.testing.assert_allclose(statistics(layer), [[3, 15], [10, 225.25]])
    layer.eval()
    np.testing.assert_allclose(layer(x).data, (x - [3, 15]) / np.sqrt(np.array([10, 225.25]) + 1e-5))
    np.testing.assert_allclose(statistics(layer), [[3, 15], [10, 225.25]])
    layer.weight.data, layer.bias.data = np.array([2.0, 3.0]), np.array([4.0, 5.0])
    np.testing.assert_allclose(
        layer(x[:1]).data, [[4 - 4 / np.sqrt(10), 5 - 15 / np.sqrt(225.25)]], rtol=1e-5
    )
    assert layer(np.zeros((0, 2))).shape == (0, 2)


def test_batch_norm_of_sequences() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    layer, rows = BatchNorm1d(3), BatchNorm1d(3)
    output, of_rows = layer(x), rows(np.swapaxes(x, 1, 2).reshape(20, 3))
    assert output.dtype == layer.running_mean.dtype == layer.running_var.dtype == np.float32
    np.testing.assert_allclose(np.swapaxes(output.data, 1, 2).reshape(20, 3), of_rows.data, atol=1e-5)
    np.testing.assert_allclose(statistics(layer), statistics(rows), rtol=1e-5)


def test_batch_norm_parameters_and_state() -> None:
    layer = BatchNorm1d(3)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var"]
    assert list(BatchNorm1d(3, affine=False).state_dict()) == ["running_mean", "running_var"]
    assert list(BatchNorm1d(3, track_running_stats=False).state_dict()) == ["weight", "bias"]
    layer(X.astype(np.float32))
    other = BatchNorm1d(3)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(statistics(other), statistics(layer))
    np.testing.assert_array_equal(other.eval()(X).data, layer.eval()(X).data)


def test_batch_norm_without_running_statistics_uses_those_of_the_batch() -> None:
    layer = BatchNorm1d(3, affine=False, track_running_stats=False)
    expected = F.batch_norm(X, None, None, training=True)
    np.testing.assert_array_equal(layer(X), expected)
    np.testing.assert_array_equal(layer.eval()(X), expected)


@pytest.mark.parametrize("training", [True, False])
def test_gradcheck_of_batch_norm(training: bool) -> None:
    layer = BatchNorm1d(3, dtype=np.float64).train(training)
    parameters = {name: p.numpy() + 0.5 for name, p in layer.named_parameters()}
    assert gradcheck(lambda params, x: functional_call(layer, params, x), parameters, X, order=2)


def test_batch_norm_moves_its_own_statistics_and_none_that_functional_call_gives() -> None:
    layer = BatchNorm1d(3, dtype=np.float64)
    state = layer.state_dict()
    given = {**state, "running_mean": np.full(3, 5.0)}
    gradient = grad(lambda state: (functional_call(layer, state, X) ** 3).sum())(given)
    np.testing.assert_array_equal(gradient["running_mean"], np.zeros(3))
    np.testing.assert_array_equal(given["running_mean"], np.full(3, 5.0))
    assert all(np.array_equal(layer.state_dict()[name], array) for name, array in state.items())
    functional_call(layer, {"weight": np.ones(3)}, X)
    np.testing.assert_allclose(statistics(layer)[0], 0.1 * X.mean(0), rtol=1e-12)
    functional_call(layer.eval(), given, X)
    np.testing.assert_allclose(functional_call(layer, given, X).data, (X - 5) / np.sqrt(1 + 1e-5))


def test_batch_norm_leaves_given_statistics_alone_in_a_call_within_a_call() -> None:
    class Outer(Module):
        def __init__(self) -> None:
            self.inner = BatchNorm1d(3, dtype=np.float64)

        def forward(self, x: Any) -> Any:
            return functional_call(self.inner, {"weight": np.ones(3)}, x)

    mean = np.zeros(3)
    functional_call(Outer(), {"inner.running_mean": mean}, X)
    assert not mean.any()


def test_batch_norm_may_move_between_a_forward_pass_and_its_backward() -> None:
    layer = BatchNorm1d(3, dtype=np.float64)
    x = Tensor(X, requires_grad=True)
    output = layer.eval()(x)
    expected = 1 / np.sqrt(layer.running_var.numpy() + 1e-5)
    layer.train()(X)
    output.sum().backward()
    np.testing.assert_allclose(x.grad.data, np.tile(expected, (5, 1)), rtol=1e-14)
    scaled = (x * layer.running_var).sum()
    layer(X)
    with pytest.raises(RuntimeError, match="'running_var' was changed"):
        scaled.backward()


@pytest.mark.parametrize("shape", [(3,), (5, 4), (5, 4, 3), (2, 3, 4, 5)])
def test_batch_norm_refuses_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(N, 3\) or \(N, 3, L\) and got") as caught:
        BatchNorm1d(3)(np.ones(shape))
    assert str(shape) in str(caught.value)


def test_batch_norm_refuses_to_train_on_one_sample() -> None:
    layer = BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(np.ones((1, 3)))
    assert layer.eval()(np.ones((1, 3))).shape == (1, 3)


def normalized_classifier() -> Sequential:
    generator = seeded()
    return Sequential(
        Embedding(6, 4, padding_idx=0, generator=generator),
        BatchNorm1d(3),
        nn.GELU(),
        LayerNorm(4),
        nn.ELU(),
        PReLU(),
        Linear(4, 2, generator=generator),
    )


def test_a_replayed_training_step_with_batch_norm_is_the_plain_one() -> None:
    losses: list[list[float]] = [[], []]
    models = [normalized_classifier(), normalized_classifier()]
    for replayed, model in enumerate(models):
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(words: Any, labels: Any, model: Module = model, optimizer: SGD = optimizer) -> Any:
            loss = cross_entropy(model(words), labels, ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        train_step = jit(step) if replayed else step
        generator = seeded(1)
        for _ in range(4):
            words, labels = generator.integers(0, 6, (5, 3)), generator.integers(-1, 2, (5, 3))
            losses[replayed].append(train_step(words, labels).item())
        if replayed:
            assert len(train_step.programs) == 1
    assert losses[0] == losses[1]
    plain, replayed_state = (model.state_dict() for model in models)
    assert plain["layers.1.running_mean"].any()
    for name, array in plain.items():
        np.testing.assert_array_equal(array, replayed_state[name])
    model = models[1].eval()
    outputs = [jit(model)(words).data, model(words).data]
    np.testing.assert_array_equal(*outputs)


# ---------------------------------------------------------------------------------------- Embedding


def test_embedding_looks_up_rows() -> None:
    layer = Embedding(5, 3, generator=seeded())
    assert layer.weight.shape == (5, 3)
    assert layer.weight.dtype == np.float32
    indices = np.array([[0, 4], [4, 4]])
    np.testing.assert_array_equal(layer(indices).data, layer.weight.data[indices])
    layer(indices).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.data, np.outer([1, 0, 0, 0, 3], np.ones(3)))


def test_embedding_weights_are_standard_normal() -> None:
    weight = Embedding(1000, 50, generator=seeded()).weight.data
    assert abs(weight.mean()) < 0.02
    assert abs(weight.std() - 1) < 0.02


def test_embedding_padding_stays_zero() -> None:
    layer = Embedding(5, 3, padding_idx=2, generator=seeded())
    assert not layer.weight.data[2].any()
    layer([2, 1]).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.data, np.outer([0, 1, 0, 0, 0], np.ones(3)))
    for padding_idx in (5, -1):
        with pytest.raises(ValueError, match=f"between 0 and 4; got {padding_idx}"):
            Embedding(5, 3, padding_idx, generator=seeded())


def test_embedding_names_the_range_of_indices() -> None:
    layer = Embedding(5, 3, generator=seeded())
    with pytest.raises(ValueError, match="from 0 to 4; got indices from 1 to 5"):
        layer([1, 5])
    with pytest.raises(TypeError, match="integer indices from 0 to 4; got float64"):
        layer([1.0])


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
    assert repr(nn.SiLU()) == "SiLU()"
    assert repr(nn.LeakyReLU()) == "LeakyReLU(negative_slope=0.01)"
    assert repr(nn.Hardtanh(0, 2)) == "Hardtanh(min_val=0, max_val=2)"
    assert repr(Softmax()) == "Softmax(axis=-1)"
    assert repr(PReLU(4)) == "PReLU(4)"
    assert repr(LayerNorm((3, 2))) == "LayerNorm((3, 2))"
    assert repr(BatchNorm1d(3)) == "BatchNorm1d(3)"
    assert repr(Embedding(5, 3, generator=seeded())) == "Embedding(5, 3)"
    assert repr(Embedding(5, 3, 1, generator=seeded())) == "Embedding(5, 3, padding_idx=1)"
    model = MLP((3, 4, 2), dropout=0.5, generator=seeded())
    assert repr(model).splitlines() == [
        "MLP(",
        "  layers.0: Linear(3, 4, activation='relu')",
        "  layers.1: Dropout(0.5)",
        "  layers.2: Linear(4, 2)",
        ")",
    ]
