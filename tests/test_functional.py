"""Activations, softmax, dropout and losses against naive formulas, and where the naive ones overflow."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad, gradcheck, hessian, jit, no_grad
from nn import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from nn import functional as F

X = np.random.default_rng(0).normal(0, 2, (2, 3, 4))
LOGITS = X[0]
LABELS = np.array([2, 0, 3])


def tracked(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.asarray(values, dtype), requires_grad=True)


def op_names(result: Tensor) -> list[str]:
    """Return the names of the ops that a result was computed by, the last first."""
    names = []
    stack = [result]
    while stack:
        node = stack.pop()
        if node.op is not None:
            names.append(node.op.name)
            stack += [x for x in node.inputs if type(x) is Tensor]
    return names


def value_and_gradient(f: Callable[..., Any], x: Any) -> tuple[np.ndarray, np.ndarray]:
    leaf = tracked(x)
    result = f(leaf)
    result.sum().backward()
    return result.data, leaf.grad.data


# ------------------------------------------------------------------------------------- activations

ACTIVATIONS = {
    F.sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    F.relu: lambda x: np.where(x > 0, x, 0),
    F.softplus: lambda x: np.log(1 + np.exp(x)),
    F.tanh: lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    F.softsign: lambda x: x / (1 + np.abs(x)),
    F.log_sigmoid: lambda x: -np.log(1 + np.exp(-x)),
    F.leaky_relu: lambda x: np.where(x > 0, x, 0.01 * x),
    F.relu6: lambda x: np.where(x < 0, 0, np.where(x > 6, 6, x)),
    F.hardtanh: lambda x: np.where(x < -1, -1, np.where(x > 1, 1, x)),
    F.elu: lambda x: np.where(x > 0, x, np.exp(x) - 1),
    F.celu: lambda x: np.where(x > 0, x, np.exp(x) - 1),
    F.selu: lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    F.erfc: lambda x: np.vectorize(math.erfc, otypes=[float])(x),
    F.gelu: lambda x: x * np.vectorize(math.erfc, otypes=[float])(-x / np.sqrt(2)) / 2,
    F.silu: lambda x: x / (1 + np.exp(-x)),
    F.mish: lambda x: x * np.tanh(np.log(1 + np.exp(x))),
}
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda f: f.__name__)


@each_activation
@pytest.mark.parametrize("x", [X, np.array(0.5), np.zeros((0, 3))], ids=["3-d", "0-d", "empty"])
def test_activation_is_the_naive_formula(activation: Callable[..., Any], x: np.ndarray) -> None:
    expected = ACTIVATIONS[activation](x)
    result = activation(tracked(x))
    assert result.shape == x.shape
    np.testing.assert_allclose(result.data, expected, rtol=1e-12)
    np.testing.assert_array_equal(activation(x), result.data)


@each_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activation_keeps_the_dtype(activation: Callable[..., Any], dtype: Any) -> None:
    x = tracked(LOGITS, dtype)
    result = activation(x)
    result.sum().backward()
    assert result.dtype == x.grad.dtype == dtype
    assert activation(LOGITS.astype(dtype)).dtype == dtype
    assert type(activation(LOGITS.astype(dtype))) is np.ndarray


@pytest.mark.parametrize(
    ("activation", "values", "slopes"),
    [
        (F.sigmoid, [0, 0, 1, 1], [0, 0, 0, 0]),
        (F.relu, [0, 0, 1e4, np.inf], [0, 0, 1, 1]),
        (F.softplus, [0, 0, 1e4, np.inf], [0, 0, 1, 1]),
        (F.tanh, [-1, -1, 1, 1], [0, 0, 0, 0]),
    ],
    ids=["sigmoid", "relu", "softplus", "tanh"],
)
def test_activation_far_from_zero(
    activation: Callable[..., Any], values: list[float], slopes: list[float]
) -> None:
    result, gradient = value_and_gradient(activation, [-np.inf, -1e4, 1e4, np.inf])
    np.testing.assert_array_equal(result, values)
    np.testing.assert_array_equal(gradient, slopes)


def test_slopes_at_zero() -> None:
    for activation, slope in ((F.sigmoid, 0.25), (F.relu, 0), (F.softplus, 0.5), (F.tanh, 1)):
        assert value_and_gradient(activation, 0.0)[1] == slope


# What PyTorch 2.13 gives: the value, the slope, and the slope of the slope.
@pytest.mark.parametrize(
    ("activation", "x", "value", "slope", "curvature"),
    [
        (lambda x: F.leaky_relu(x, 0.1), 0.0, 0.0, 0.1, 0.0),
        (lambda x: F.prelu(x, np.array([0.25], x.dtype)), 0.0, 0.0, 0.25, 0.0),
        (F.elu, 0.0, 0.0, 1.0, 0.0),
        (lambda x: F.elu(x, 2.0), 0.0, 0.0, 2.0, 0.0),
        (lambda x: F.celu(x, 2.0), 0.0, 0.0, 1.0, 0.0),
        (F.selu, 0.0, 0.0, 1.7580993408473766, 0.0),
        (F.softsign, 0.0, 0.0, 1.0, 0.0),
        (F.log_sigmoid, 0.0, -0.6931471805599453, 0.5, -0.25),
        (F.silu, 0.0, 0.0, 0.5, 0.5),
        (F.mish, 0.0, 0.0, 0.6, 0.64),
        (F.gelu, 0.0, 0.0, 0.5, 0.7978845608028654),
        (lambda x: F.gelu(x, "tanh"), 0.0, 0.0, 0.5, 0.7978845608028654),
        (F.hardtanh, -1.0, -1.0, 0.0, 0.0),
        (F.hardtanh, 1.0, 1.0, 0.0, 0.0),
        (F.relu6, 0.0, 0.0, 0.0, 0.0),
        (F.relu6, 6.0, 6.0, 0.0, 0.0),
        (lambda x: F.l1_loss(x, np.zeros((), x.dtype)), 0.0, 0.0, 0.0, 0.0),
        (lambda x: F.huber_loss(x, np.zeros((), x.dtype)), 0.0, 0.0, 0.0, 1.0),
        (lambda x: F.huber_loss(x, np.zeros((), x.dtype), delta=2.0), -2.0, 2.0, -2.0, None),
        (lambda x: F.smooth_l1_loss(x, np.zeros((), x.dtype), beta=2.0), 2.0, 1.0, 1.0, None),
        (lambda x: F.smooth_l1_loss(x, np.zeros((), x.dtype), beta=2.0), 0.0, 0.0, 0.0, 0.5),
        (lambda x: F.smooth_l1_loss(x, np.zeros((), x.dtype), beta=0.0), 0.0, 0.0, 0.0, 0.0),
        (lambda x: F.hinge_loss(x, np.ones((), x.dtype)), 1.0, 0.0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conventions_at_kinks(
    activation: Callable[..., Any], x: float, value: float, slope: float, curvature: float, dtype: Any
) -> None:
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert activation(tracked(x, dtype)).item() == pytest.approx(value, rel=tolerance, abs=0)
    assert grad(activation)(dtype(x)) == pytest.approx(slope, rel=tolerance, abs=0)
    if curvature is not None:
        assert hessian(activation)(dtype(x)) == pytest.approx(curvature, rel=tolerance, abs=0)


@pytest.mark.parametrize(
    ("activation", "values", "slopes"),
    [
        (F.softsign, [-1e4 / 10001, 1e4 / 10001], [1 / 10001**2] * 2),
        (F.log_sigmoid, [-1e4, 0], [1, 0]),
        (lambda x: F.leaky_relu(x, 0.5), [-5e3, 1e4], [0.5, 1]),
        (lambda x: F.elu(x, 2.0), [-2, 1e4], [0, 1]),
        (lambda x: F.celu(x, 2.0), [-2, 1e4], [0, 1]),
        (F.selu, [-1.7580993408473766, 10507.009873554805], [0, 1.0507009873554805]),
        (F.hardtanh, [-1, 1], [0, 0]),
        (F.relu6, [0, 6], [0, 0]),
        (F.erfc, [2, 0], [0, 0]),
        (F.gelu, [0, 1e4], [0, 1]),
        (lambda x: F.gelu(x, "tanh"), [0, 1e4], [0, 1]),
        (F.silu, [0, 1e4], [0, 1]),
        (F.mish, [0, 1e4], [0, 1]),
        (lambda x: F.huber_loss(x, np.zeros_like(x), "none"), [9999.5, 9999.5], [-1, 1]),
        (lambda x: F.smooth_l1_loss(x, np.zeros_like(x), "none", 0.5), [9999.75, 9999.75], [-1, 1]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_from_zero_in_two_orders(
    activation: Callable[..., Any], values: list[float], slopes: list[float], dtype: Any
) -> None:
    x = np.array([-1e4, 1e4], dtype)
    np.testing.assert_allclose(activation(x), values, rtol=1e-6)
    np.testing.assert_allclose(grad(lambda x: activation(x).sum())(x), slopes, rtol=1e-6)
    curvatures = hessian(lambda x: activation(x).sum())(x)
    assert curvatures.dtype == dtype
    np.testing.assert_allclose(curvatures, np.zeros((2, 2)), atol=1e-11)


@pytest.mark.parametrize(
    "activation",
    [F.softsign, F.log_sigmoid, F.elu, F.erfc, F.gelu, lambda x: F.gelu(x, "tanh"), F.silu, F.mish],
)
@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 1e38), (np.float64, 1e307)])
def test_nothing_overflows_at_the_end_of_the_numbers(
    activation: Callable[..., Any], dtype: Any, large: float
) -> None:
    x = np.array([-large, large], dtype)
    assert np.isfinite(activation(x)).all()
    assert np.isfinite(grad(lambda x: activation(x).sum())(x)).all()
    assert np.isfinite(hessian(lambda x: activation(x).sum())(x)).all()


def test_small_slopes_are_not_rounded_away() -> None:
    for activation, x, slope in (
        (F.elu, -20.0, np.exp(-20)),
        (F.celu, -20.0, np.exp(-20)),
        (F.softsign, 1e4, 1 / 10001**2),
        (F.log_sigmoid, 80.0, np.exp(-80)),
    ):
        assert grad(activation)(np.float32(x)) == pytest.approx(slope, rel=1e-5, abs=0)
    assert F.log_sigmoid(np.array(50.0)) == pytest.approx(-np.exp(-50), rel=1e-14, abs=0)
    # x erfc(-x / sqrt(2)) / 2, in fifty digits
    assert F.gelu(np.array(-10.0)) == pytest.approx(-7.619853024160526e-23, rel=1e-13, abs=0)
    assert F.gelu(np.array(-6.0), "tanh") == pytest.approx(
        -6 / (1 + np.exp(np.sqrt(8 / np.pi) * (6 + 0.044715 * 216))), rel=1e-13, abs=0
    )


def test_erfc_is_accurate_to_the_last_digits() -> None:
    x = np.concatenate([np.linspace(-6, 2, 2001), 10.0 ** np.arange(-20, 0), [0.0]])
    np.testing.assert_allclose(F.erfc(x), [math.erfc(number) for number in x], rtol=1e-15)
    x = np.linspace(2, 26, 501)
    np.testing.assert_allclose(F.erfc(x), [math.erfc(number) for number in x], rtol=1e-13)
    np.testing.assert_array_equal(F.erfc(np.array([-np.inf, np.inf, np.nan])), [2, 0, np.nan])


def test_selu_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(0).normal(size=1_000_000)
    assert np.mean(F.selu(x)) == pytest.approx(0, abs=0.01)
    assert np.var(F.selu(x)) == pytest.approx(1, abs=0.01)


def test_activations_of_unsigned_integers() -> None:
    x = np.array([0, 1, 2], np.uint8)
    np.testing.assert_array_equal(F.softmin(x), F.softmin(x.astype(float)))
    np.testing.assert_array_equal(F.log_sigmoid(x), F.log_sigmoid(x.astype(float)))


def test_gelu_refuses_another_approximation() -> None:
    with pytest.raises(ValueError, match='must be "none" or "tanh"; got \'erf\''):
        F.gelu(X, "erf")


def test_hardtanh_refuses_bounds_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match="min_val <= max_val, and got 2 and 1"):
        F.hardtanh(X, 2, 1)


def test_prelu_has_a_slope_for_all_or_for_each_channel() -> None:
    x, slopes = -np.ones((2, 3, 4)), np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(F.prelu(x, slopes)[:, :, 0], [-slopes, -slopes])
    np.testing.assert_array_equal(F.prelu(x, np.array(0.5)), np.full(x.shape, -0.5))
    assert F.prelu(np.array(-1.0), np.array([0.5])).shape == ()
    by_slope = grad(lambda w: F.prelu(x, w).sum())(slopes)
    np.testing.assert_array_equal(by_slope, [-8, -8, -8])


@pytest.mark.parametrize(
    ("shape", "weight"), [((2, 3), (2,)), ((2, 3), (1, 3)), ((3,), (3,)), ((2, 3), (0,)), ((), (2,))]
)
def test_prelu_refuses_other_slopes(shape: tuple[int, ...], weight: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="axis 1") as caught:
        F.prelu(tracked(np.ones(shape)), np.ones(weight))
    assert str(shape) in str(caught.value) and str(weight) in str(caught.value)


def test_glu_refuses_what_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match=r"axis 1 of shape \(2, 3, 4\) has 3 elements"):
        F.glu(tracked(X), 1)
    with pytest.raises(np.exceptions.AxisError, match="axis 3 is out of bounds"):
        F.glu(tracked(X), 3)


def test_small_tails_are_not_rounded_away() -> None:
    np.testing.assert_allclose(F.sigmoid(np.array([-700.0])), np.exp([-700.0]), rtol=1e-12)
    np.testing.assert_allclose(F.softplus(np.array([-700.0])), np.exp([-700.0]), rtol=1e-12)


def test_softplus_of_float32_keeps_its_slope_far_below_zero() -> None:
    x = tracked([-80.0], np.float32)
    F.softplus(x).sum().backward()
    np.testing.assert_allclose(x.grad.data, np.exp([-80.0]), rtol=1e-5)


# ----------------------------------------------------------------------------------------- softmax

SOFTMAXES = {
    F.softmax: lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True),
    F.log_softmax: lambda x, axis: x - np.log(np.exp(x).sum(axis, keepdims=True)),
    F.logsumexp: lambda x, axis: np.log(np.exp(x).sum(axis)),
}
each_softmax = pytest.mark.parametrize("softmax", SOFTMAXES, ids=lambda f: f.__name__)


@each_softmax
@pytest.mark.parametrize("axis", [0, 1, -1, -3, (0, 2), (-1, 1), (0, 1, 2), None])
def test_softmax_along_an_axis(softmax: Callable[..., Any], axis: Any) -> None:
    expected = SOFTMAXES[softmax](X, axis)
    result = softmax(tracked(X), axis=axis)
    np.testing.assert_allclose(result.data, expected, rtol=1e-12)
    np.testing.assert_array_equal(softmax(X, axis), result.data)
    assert result.shape == expected.shape
    assert gradcheck(lambda x: softmax(x, axis=axis), X, order=2)


def test_default_axes() -> None:
    np.testing.assert_array_equal(F.softmax(X), F.softmax(X, -1))
    np.testing.assert_array_equal(F.log_softmax(X), F.log_softmax(X, -1))
    np.testing.assert_array_equal(F.logsumexp(X), F.logsumexp(X, (0, 1, 2)))


@pytest.mark.parametrize(
    ("axis", "shape"), [(None, (1, 1, 1)), (1, (2, 1, 4)), ((0, -1), (1, 3, 1)), ((), (2, 3, 4))]
)
def test_logsumexp_keepdims(axis: Any, shape: tuple[int, ...]) -> None:
    kept = F.logsumexp(tracked(X), axis, keepdims=True)
    assert kept.shape == shape
    np.testing.assert_array_equal(np.squeeze(kept.data, axis), F.logsumexp(X, axis))


def test_logsumexp_keeps_other_axes_of_one_element() -> None:
    assert F.logsumexp(np.ones((1, 3, 1)), axis=1).shape == (1, 1)


@each_softmax
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_keeps_the_dtype(softmax: Callable[..., Any], dtype: Any) -> None:
    x = tracked(X, dtype)
    result = softmax(x, axis=(0, -1))
    (result * result).sum().backward()
    assert result.dtype == x.grad.dtype == dtype
    plain = softmax(X.astype(dtype), axis=1)
    assert plain.dtype == dtype
    assert type(plain) is np.ndarray


@each_softmax
def test_softmax_refuses_an_axis_that_is_not_there(softmax: Callable[..., Any]) -> None:
    with pytest.raises(np.exceptions.AxisError, match="axis 3 is out of bounds"):
        softmax(tracked(X), axis=3)


@pytest.mark.parametrize("shift", [1e4, -1e4, 1e300])
def test_softmax_does_not_overflow(shift: float) -> None:
    x = np.array([[0.0, 0.0], [shift, 0.0]])
    largest = np.maximum(x[1, 0], 0)
    first = float(shift > 0)
    expected = {
        F.softmax: [[0.5, 0.5], [first, 1 - first]],
        F.log_softmax: [[-np.log(2), -np.log(2)], [x[1, 0] - largest, -largest]],
    }
    for softmax, rows in expected.items():
        np.testing.assert_allclose(softmax(x), rows, rtol=1e-15)
        assert np.isfinite(value_and_gradient(lambda x, f=softmax: f(x) * [1, 2], x)[1]).all()
    np.testing.assert_allclose(F.logsumexp(x, -1), [np.log(2), largest], rtol=1e-15)
    np.testing.assert_allclose(
        value_and_gradient(lambda x: F.logsumexp(x, -1), x)[1], expected[F.softmax], rtol=1e-15
    )


def test_masked_entries_count_for_nothing() -> None:
    x = np.array([1.0, -np.inf, 2.0])
    kept = x[[0, 2]]
    weights = np.array([2.0, 3.0, 5.0])
    for softmax, masked in ((F.softmax, 0), (F.log_softmax, -np.inf)):
        value, gradient = value_and_gradient(lambda x, f=softmax: f(x)[[0, 2]] * weights[[0, 2]], x)
        expected, slopes = value_and_gradient(lambda x, f=softmax: f(x) * weights[[0, 2]], kept)
        np.testing.assert_allclose(value, expected, rtol=1e-15)
        np.testing.assert_allclose(gradient[[0, 2]], slopes, rtol=1e-15)
        assert gradient[1] == 0
        assert softmax(x)[1] == masked
    value, gradient = value_and_gradient(F.logsumexp, x)
    np.testing.assert_allclose(value, np.log(np.exp(1) + np.exp(2)), rtol=1e-15)
    np.testing.assert_allclose(gradient, F.softmax(x), rtol=1e-15)


def test_logsumexp_where_everything_is_masked() -> None:
    x = np.array([[-np.inf, -np.inf], [0.0, 0.0]])
    value, gradient = value_and_gradient(lambda x: F.logsumexp(x, axis=1), x)
    np.testing.assert_array_equal(value, [-np.inf, np.log(2)])
    np.testing.assert_array_equal(gradient, [[0, 0], [0.5, 0.5]])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("x", [[np.inf, 1.0], [np.nan, 1.0]])
def test_logsumexp_has_no_made_up_gradient_beyond_the_numbers(x: list[float]) -> None:
    slope = value_and_gradient(F.logsumexp, x)[1][1]
    assert slope == 0 or np.isnan(slope)


def test_softmax_where_there_is_nothing() -> None:
    for softmax in (F.softmax, F.log_softmax):
        assert softmax(tracked(np.zeros((0, 3)))).shape == (0, 3)
    assert F.softmax(tracked(np.zeros((0, 3))), axis=0).shape == (0, 3)
    np.testing.assert_array_equal(F.logsumexp(np.zeros((2, 0)), axis=1), [-np.inf, -np.inf])
    assert F.logsumexp(tracked(np.zeros((0, 3))), axis=1).shape == (0,)


def test_log_softmax_along_an_axis_of_no_elements() -> None:
    assert F.log_softmax(np.zeros((2, 0))).shape == (2, 0)


def test_softmax_of_a_single_number() -> None:
    assert F.softmax(tracked(2.0)).item() == 1
    assert F.log_softmax(tracked(2.0)).item() == 0
    assert F.logsumexp(tracked(2.0)).item() == 2


@each_softmax
def test_softmax_of_integers(softmax: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(softmax(np.array([1, 2])), softmax(np.array([1.0, 2.0])))


# ----------------------------------------------------------------------------------------- affine


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (0, 4), (2, 0, 4), (1, 1, 1, 4)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear(shape: tuple[int, ...], with_bias: bool) -> None:
    generator = np.random.default_rng(0)
    x, weight, bias = (generator.normal(size=s) for s in (shape, (4, 2), (2,)))
    arrays = (x, weight, bias) if with_bias else (x, weight)
    expected = np.einsum("...i,io->...o", x, weight) + (bias if with_bias else 0)
    result = F.linear(*map(tracked, arrays))
    assert result.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(result.data, expected, rtol=1e-12)
    np.testing.assert_array_equal(F.linear(*arrays), result.data)
    assert gradcheck(F.linear, *arrays, order=2)


def test_linear_is_one_op_with_a_bias() -> None:
    x, weight, bias = tracked(np.ones((3, 4))), tracked(np.ones((4, 2))), tracked(np.ones(2))
    assert op_names(F.linear(x, weight, bias)) == ["linear"]
    assert op_names(F.linear(x, weight)) == ["matmul"]


def test_linear_gradient_only_where_it_is_needed() -> None:
    weight = tracked(np.ones((4, 2)))
    F.linear(np.ones((3, 4)), weight, np.ones(2)).sum().backward()
    np.testing.assert_array_equal(weight.grad.data, np.full((4, 2), 3.0))


@pytest.mark.parametrize("given", [np.asarray, tracked], ids=["arrays", "tensors"])
def test_linear_keeps_float32_and_leaves_its_inputs_alone(given: Callable[..., Any]) -> None:
    arrays = [np.ones(shape, np.float32) for shape in ((3, 4), (4, 2), (2,))]
    result = F.linear(*(given(array, np.float32) for array in arrays))
    assert result.dtype == np.float32
    assert all((array == 1).all() for array in arrays)


@pytest.mark.parametrize(
    ("x", "weight"),
    [((3, 5), (4, 2)), ((3,), (4, 2)), ((), (4, 2)), ((3, 4), (4,)), ((3, 4), ()), ((2, 3, 4), (2, 4, 5))],
)
@pytest.mark.parametrize(
    "bias",
    [
        np.ones(2),
        None,
    ],
    ids=["bias", "no bias"],
)
def test_linear_names_both_shapes_that_do_not_fit(
    x: tuple[int, ...], weight: tuple[int, ...], bias: Any
) -> None:
    with pytest.raises(ValueError) as caught:
        F.linear(tracked(np.ones(x)), tracked(np.ones(weight)), bias)
    assert str(x) in str(caught.value)
    assert str(weight) in str(caught.value)


def test_linear_refuses_a_bias_of_another_width() -> None:
    with pytest.raises(ValueError, match=r"\(3,\)"):
        F.linear(np.ones((3, 4)), np.ones((4, 2)), np.ones(3))


@pytest.mark.parametrize("bias", [(3, 2), (1,), ()])
def test_linear_refuses_a_bias_of_another_shape(bias: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="bias"):
        F.linear(np.ones((3, 4)), np.ones((4, 2)), np.ones(bias))


def test_linear_of_no_inputs_is_the_bias() -> None:
    x, weight = tracked(np.ones((3, 0))), tracked(np.ones((0, 2)))
    result = F.linear(x, weight, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(result.data, [[1, 2]] * 3)
    result.sum().backward()
    assert weight.grad.shape == (0, 2)


def test_linear_of_no_inputs_in_three_dimensions() -> None:
    weight = tracked(np.ones((0, 2)))
    F.linear(np.ones((3, 5, 0)), weight, np.ones(2)).sum().backward()
    assert weight.grad.shape == (0, 2)


# ----------------------------------------------------------------------------------- normalisation


def test_normalize_of_zeros_has_a_finite_gradient() -> None:
    x, g = np.zeros((1, 3)), np.array([0.0, 1.0, 2.0])
    for p in (1, 2, 3, np.inf):
        value, gradient = value_and_gradient(lambda x, p=p: F.normalize(x, p) * g, x)
        np.testing.assert_array_equal(value, 0 * x)
        np.testing.assert_array_equal(gradient, [1e12 * g])
        assert not hessian(lambda x, p=p: (F.normalize(x, p) * g).sum())(x).any()


def test_normalize_gives_vectors_of_length_one() -> None:
    x = X.astype(np.float32)
    for axis in (0, 1, -1, (0, 2)):
        result = F.normalize(x, axis=axis)
        assert result.dtype == np.float32
        np.testing.assert_allclose((result**2).sum(axis), 1, rtol=1e-6)
    assert F.normalize(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("p", [0, -1, np.nan])
def test_normalize_refuses_what_is_no_norm(p: float) -> None:
    with pytest.raises(ValueError, match=f"a positive p; got {p}"):
        F.normalize(X, p)


def test_layer_norm_leaves_mean_zero_and_variance_one() -> None:
    for shape in (4, (4,), [3, 4], (2, 3, 4)):
        axes = tuple(range(-len(np.atleast_1d(shape)), 0))
        result = F.layer_norm(100 + 10 * X, shape, eps=0.0)
        np.testing.assert_allclose(result.mean(axes), 0, atol=1e-13)
        np.testing.assert_allclose(result.var(axes), 1, rtol=1e-13)


def test_layer_norm_of_a_constant_row_has_a_finite_gradient() -> None:
    x, g = np.full((1, 3), 7.0), np.array([1.0, 2.0, 6.0])
    value, gradient = value_and_gradient(lambda x: F.layer_norm(x, 3) * g, x)
    np.testing.assert_array_equal(value, 0 * x)
    np.testing.assert_allclose(gradient, [(g - 3) / np.sqrt(1e-5)], rtol=1e-12)
    assert np.isfinite(hessian(lambda x: (F.layer_norm(x, 3) * g).sum())(x)).all()


def test_layer_norm_of_no_rows() -> None:
    assert F.layer_norm(tracked(np.zeros((0, 3))), 3, np.ones(3), np.ones(3)).shape == (0, 3)


@pytest.mark.parametrize("shape", [3, (3,), (4, 3), (2, 2, 3, 4), ()])
def test_layer_norm_refuses_another_shape(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"needs an input of shape .* got \(2, 3, 4\)"):
        F.layer_norm(tracked(X), shape)


@pytest.mark.parametrize("given", [(np.ones(3), None), (None, np.ones((1, 4))), (np.ones(4), np.ones(()))])
def test_layer_norm_refuses_other_parameters(given: Any) -> None:
    with pytest.raises(ValueError, match=r"over \(4,\) needs a (weight|bias) of that shape; got \("):
        F.layer_norm(X, 4, *given)


def test_batch_norm_moves_the_running_statistics_it_is_given() -> None:
    x = np.array([[1.0, 10.0], [3.0, 10.0], [8.0, 40.0]])
    for make in (np.array, Tensor):
        mean, variance = make([0.0, 1.0]), make([1.0, 2.0])
        result = F.batch_norm(tracked(x), mean, variance, training=True, momentum=0.25)
        # means 4 and 20, unbiased variances 13 and 300
        np.testing.assert_allclose(np.asarray(mean), [1, 5.75], rtol=1e-15)
        np.testing.assert_allclose(np.asarray(variance), [4, 76.5], rtol=1e-15)
        np.testing.assert_allclose(result.data.var(0), 1, rtol=1e-5)
        used = F.batch_norm(x, mean, variance, eps=0.0)
        np.testing.assert_allclose(np.asarray(used)[0], [0, 4.25 / np.sqrt(76.5)], atol=1e-15)
        np.testing.assert_allclose(np.asarray(mean), [1, 5.75], rtol=1e-15)


def test_batch_norm_by_channel_over_all_other_axes() -> None:
    x = np.random.default_rng(0).normal(5, 3, (4, 3, 2, 5))
    rows = np.moveaxis(x, 1, -1).reshape(-1, 3)
    ours = F.batch_norm(x, None, None, training=True)
    expected = F.batch_norm(rows, None, None, training=True)
    np.testing.assert_allclose(np.moveaxis(ours, 1, -1).reshape(-1, 3), expected, rtol=1e-12)


def test_batch_norm_of_a_constant_channel_has_a_finite_gradient() -> None:
    x, g = np.full((3, 1), 7.0), np.array([[1.0], [2.0], [6.0]])
    _, gradient = value_and_gradient(lambda x: F.batch_norm(x, None, None, training=True) * g, x)
    np.testing.assert_allclose(gradient, (g - 3) / np.sqrt(1e-5), rtol=1e-12)


def test_batch_norm_keeps_float32() -> None:
    x, statistics = tracked(LOGITS, np.float32), np.ones(4, np.float32)
    for training in (True, False):
        assert F.batch_norm(x, statistics, statistics, training=training).dtype == np.float32
    assert statistics.dtype == np.float32


@pytest.mark.parametrize(("shape", "count"), [((1, 3), 1), ((1, 3, 1), 1), ((0, 3), 0), ((2, 3, 0), 0)])
def test_batch_norm_refuses_to_train_on_a_single_value(shape: tuple[int, ...], count: int) -> None:
    mean = np.zeros(3)
    with pytest.raises(ValueError, match="more than 1 value per channel in training") as caught:
        F.batch_norm(np.ones(shape), mean, np.ones(3), training=True)
    assert f"{shape} has {count}" in str(caught.value)
    assert F.batch_norm(np.ones(shape), mean, np.ones(3)).shape == shape
    assert not mean.any()


def test_batch_norm_refuses_what_does_not_fit() -> None:
    good = np.ones(4)
    with pytest.raises(ValueError, match=r"shape \(N, C\) or \(N, C, ...\); got \(4,\)"):
        F.batch_norm(good, good, good)
    for number, name in enumerate(("running_mean", "running_var", "weight", "bias")):
        arrays = [good] * 4
        arrays[number] = np.ones(3)
        with pytest.raises(ValueError, match=rf"4 channels .* needs a {name} of shape \(4,\); got \(3,\)"):
            F.batch_norm(LOGITS, *arrays)
    for statistics in ((None, good), (good, None)):
        with pytest.raises(ValueError, match="needs running_mean and running_var"):
            F.batch_norm(LOGITS, *statistics)


# --------------------------------------------------------------------------------------- embedding


def test_embedding_adds_up_the_gradients_of_repeated_rows() -> None:
    weight = tracked(np.arange(8).reshape(4, 2))
    result = F.embedding([[0, 2], [2, 2]], weight)
    np.testing.assert_array_equal(result.data, weight.data[[[0, 2], [2, 2]]])
    result.sum().backward()
    np.testing.assert_array_equal(weight.grad.data, [[1, 1], [0, 0], [3, 3], [0, 0]])


@pytest.mark.parametrize(
    "indices", [2, np.array([2, 0], np.uint8), Tensor([[2], [1]]), np.zeros((0, 3), int)]
)
def test_embedding_of_integers_of_any_shape(indices: Any) -> None:
    weight = np.arange(8.0).reshape(4, 2)
    expected = weight[np.asarray(indices)]
    for result in (F.embedding(indices, weight), F.embedding(indices, tracked(weight)).data):
        assert result.shape == (*np.shape(indices), 2)
        np.testing.assert_array_equal(result, expected)


def test_embedding_of_padding_has_no_gradient() -> None:
    weight = tracked(np.arange(8).reshape(4, 2))
    result = F.embedding([1, 3, 1], weight, padding_idx=1)
    np.testing.assert_array_equal(result.data, [[2, 3], [6, 7], [2, 3]])
    result.sum().backward()
    np.testing.assert_array_equal(weight.grad.data, [[0, 0], [0, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize("indices", [[0, 4], [-1, 3]])
def test_embedding_refuses_rows_that_are_not_there(indices: list[int]) -> None:
    words = f"4 rows needs indices from 0 to 3; got indices from {min(indices)} to {max(indices)}"
    with pytest.raises(ValueError, match=words):
        F.embedding(indices, tracked(np.ones((4, 2))))


@pytest.mark.parametrize("indices", [[0.0, 1.0], [True, False]])
def test_embedding_refuses_what_is_no_integer(indices: Any) -> None:
    dtype = np.asarray(indices).dtype
    with pytest.raises(TypeError, match=rf"4 rows needs integer indices from 0 to 3; got {dtype}"):
        F.embedding(indices, tracked(np.ones((4, 2))))


# ----------------------------------------------------------------------------------------- dropout


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_zeroes_with_probability_p_and_scales_the_rest(p: float) -> None:
    x = np.full((400, 500), 3.0)
    result = F.dropout(x, p, seeded())
    kept = result != 0
    np.testing.assert_allclose(result[kept], 3 / (1 - p), rtol=1e-6)
    spread = np.sqrt(p * (1 - p) / x.size)
    assert abs(kept.mean() - (1 - p)) < 5 * spread
    assert abs(result.mean() - 3) < 3 * 5 * spread / (1 - p)


@pytest.mark.parametrize("x", [X, tracked(X)], ids=["array", "tensor"])
def test_dropout_returns_the_same_object_where_there_is_nothing_to_drop(x: Any) -> None:
    generator = seeded()
    assert F.dropout(x, 0.0, generator) is x
    assert F.dropout(x, 0.5, generator, training=False) is x
    assert F.dropout(x, 1.0, generator, training=False) is x
    assert generator.bit_generator.state == seeded().bit_generator.state


def test_dropout_of_everything() -> None:
    value, gradient = value_and_gradient(lambda x: F.dropout(x, 1, seeded()), X)
    assert not value.any()
    assert not gradient.any()


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan, np.inf])
@pytest.mark.parametrize("training", [True, False])
def test_dropout_refuses_what_is_no_probability(p: float, training: bool) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 1, not {p}"):
        F.dropout(X, p, seeded(), training)


@pytest.mark.parametrize("p", [0.3 / 2**16, 1.5 / 2**16, 0.2, 0.7, 1 - 1.5 / 2**16, 1 - 0.3 / 2**16])
def test_dropout_mask_has_the_probability_to_more_than_sixteen_bits(p: float) -> None:
    size = 3_000_001
    mask = F.dropout(np.ones(size, np.float32), p, seeded())
    dropped, expected = np.count_nonzero(mask == 0), p * size
    assert abs(dropped - expected) < 5 * np.sqrt(expected * (1 - p))
    np.testing.assert_allclose(mask[mask != 0], 1 / (1 - p), rtol=1e-6)


def test_dropout_gradient_has_the_mask_of_the_value() -> None:
    x = tracked(np.ones(1000))
    result = F.dropout(x, 0.3, seeded())
    result.sum().backward()
    np.testing.assert_array_equal(x.grad.data, result.data)


def test_dropout_gradcheck() -> None:
    assert gradcheck(lambda x: F.dropout(x, 0.4, seeded()) ** 2, X, order=2)


def test_dropout_draws_from_its_generator_alone() -> None:
    before = np.random.get_state()  # noqa: NPY002
    generator, twin = seeded(), seeded()
    first = F.dropout(X, 0.5, generator)
    np.testing.assert_array_equal(first, F.dropout(tracked(X), 0.5, twin).data)
    assert generator.bit_generator.state == twin.bit_generator.state
    assert not np.array_equal(first, F.dropout(X, 0.5, generator))
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_dropout_mask_is_a_node_of_its_own() -> None:
    x = tracked(X)
    result = F.dropout(x, 0.5, seeded())
    assert op_names(result) == ["multiply", "dropout_mask"]
    _, mask = result.inputs
    assert not mask.requires_grad
    assert set(np.unique(mask.data)) == {0, 2}
    np.testing.assert_array_equal(result.data, X * mask.data)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.3, 1])
def test_dropout_keeps_shape_and_dtype(shape: tuple[int, ...], dtype: Any, p: float) -> None:
    x = np.ones(shape, dtype)
    for result in (F.dropout(x, p, seeded()), F.dropout(tracked(x, dtype), p, seeded())):
        assert result.shape == shape
        assert result.dtype == dtype


def test_dropout_of_arrays_gives_arrays_and_leaves_them_alone() -> None:
    x = np.ones((3, 4))
    assert type(F.dropout(x, 0.5, seeded())) is np.ndarray
    assert (x == 1).all()


def test_dropout_without_recording() -> None:
    with no_grad():
        result = F.dropout(tracked(X), 0.5, seeded())
    assert result.op is None
    np.testing.assert_array_equal(result.data, F.dropout(X, 0.5, seeded()))


# ------------------------------------------------------------------------------------------ losses


def naive_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return float(np.mean(-np.sum(targets * np.log(probabilities), axis=-1)))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.uint64, ">i4", "<u2"])
def test_cross_entropy_of_labels(dtype: Any) -> None:
    expected = naive_cross_entropy(LOGITS, np.eye(4)[LABELS])
    for targets in (LABELS.astype(dtype), Tensor(LABELS.astype(dtype)), LABELS.tolist()):
        assert cross_entropy(tracked(LOGITS), targets).item() == pytest.approx(expected, rel=1e-13)
        assert cross_entropy(LOGITS, targets) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, bool])
def test_cross_entropy_of_one_hot_rows_is_that_of_labels(dtype: Any) -> None:
    one_hot = np.eye(4)[LABELS].astype(dtype)
    expected = cross_entropy(LOGITS, LABELS)
    assert cross_entropy(LOGITS, one_hot) == pytest.approx(expected, rel=1e-13)
    assert cross_entropy(tracked(LOGITS), Tensor(one_hot)).item() == pytest.approx(expected, rel=1e-13)


def test_cross_entropy_of_soft_targets() -> None:
    targets = np.random.default_rng(1).dirichlet(np.ones(4), 3)
    expected = naive_cross_entropy(LOGITS, targets)
    assert cross_entropy(LOGITS, targets) == pytest.approx(expected, rel=1e-13)
    assert gradcheck(cross_entropy, LOGITS, targets, order=2)


def test_cross_entropy_of_soft_targets_and_integer_logits() -> None:
    logits, targets = np.array([[1, 2, 3]]), np.array([[0.2, 0.3, 0.5]])
    assert cross_entropy(logits, targets) == cross_entropy(logits.astype(float), targets)


def test_cross_entropy_of_batches_with_more_axes() -> None:
    labels = np.array([[0, 1, 2], [3, 3, 0]])
    loss = cross_entropy(tracked(X), labels)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(cross_entropy(X.reshape(6, 4), labels.ravel()), rel=1e-14)
    assert loss.item() == pytest.approx(cross_entropy(X, np.eye(4)[labels]), rel=1e-14)
    assert gradcheck(lambda x: cross_entropy(x, labels), X, order=2)


def test_cross_entropy_of_a_single_sample() -> None:
    assert cross_entropy(LOGITS[0], 2) == pytest.approx(cross_entropy(LOGITS[:1], [2]), rel=1e-14)
    one_hot = np.array([0.0, 0.0, 1.0, 0.0])
    assert cross_entropy(LOGITS[0], one_hot) == pytest.approx(cross_entropy(LOGITS[0], 2), rel=1e-14)


def test_cross_entropy_gradient_is_softmax_less_one_hot_over_n() -> None:
    _, gradient = value_and_gradient(lambda x: cross_entropy(x, LABELS), LOGITS)
    expected = (F.softmax(LOGITS) - np.eye(4)[LABELS]) / 3
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-16)
    _, gradient = value_and_gradient(lambda x: cross_entropy(x, np.eye(4)[LABELS]), LOGITS)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-16)


def test_cross_entropy_second_derivative() -> None:
    assert gradcheck(lambda x: cross_entropy(x, LABELS), LOGITS, order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_enormous_logits(dtype: Any) -> None:
    logits = tracked([[1e4, -1e4, 0], [-1e4, 1e4, 0]], dtype)
    loss = cross_entropy(logits, [0, 0])
    loss.backward()
    assert loss.item() == 1e4
    np.testing.assert_array_equal(logits.grad.data, [[0, 0, 0], [-0.5, 0.5, 0]])


def test_labels_of_no_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="for 0 classes; got labels from 0 to 0"):
        F.cross_entropy(np.zeros((3, 0)), np.zeros(3, int))
    loss, gradient = value_and_gradient(lambda x: F.nll_loss(x, np.zeros(0, int)), np.zeros((0, 0)))
    assert loss == 0
    assert gradient.shape == (0, 0)


def test_cross_entropy_of_a_masked_class_that_is_not_the_target() -> None:
    loss, gradient = value_and_gradient(lambda x: cross_entropy(x, [0]), [[1.0, -np.inf, 1.0]])
    assert loss == pytest.approx(np.log(2))
    np.testing.assert_allclose(gradient, [[-0.5, 0, 0.5]])


def test_every_gradient_of_cross_entropy_comes_from_the_graph() -> None:
    names = op_names(cross_entropy(tracked(LOGITS), LABELS))
    assert names == ["nll_loss", "log_softmax"]


@pytest.mark.parametrize("targets", [LABELS, np.eye(4, dtype=np.float32)[LABELS]], ids=["labels", "rows"])
def test_cross_entropy_keeps_float32(targets: np.ndarray) -> None:
    logits = tracked(LOGITS, np.float32)
    loss = cross_entropy(logits, targets)
    loss.backward()
    assert loss.dtype == logits.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_cross_entropy_computes_in_the_dtype_of_the_logits(dtype: Any) -> None:
    assert cross_entropy(tracked(LOGITS, np.float32), np.eye(4, dtype=dtype)[LABELS]).dtype == np.float32


@pytest.mark.parametrize("labels", [[0, 1, 4], [0, -1, 2]])
def test_cross_entropy_refuses_labels_that_are_no_class(labels: list[int]) -> None:
    words = f"between 0 and 3 for 4 classes; got labels from {min(labels)} to {max(labels)}"
    with pytest.raises(ValueError, match=words):
        cross_entropy(tracked(LOGITS), labels)
    with pytest.raises(ValueError, match=words):
        F.nll_loss(LOGITS, np.array(labels, np.int8))


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (np.zeros(2, int), r"int64 targets of shape \(2,\)"),
        (np.zeros((3, 1), int), r"int64 targets of shape \(3, 1\)"),
        (np.zeros(3), r"float64 targets of shape \(3,\)"),
        (np.zeros(3, bool), r"bool targets of shape \(3,\)"),
        (np.zeros((4, 3)), r"float64 targets of shape \(4, 3\)"),
        (np.array(["cat"] * 3), r"<U3 targets of shape \(3,\)"),
        (1, r"int64 targets of shape \(\)"),
    ],
    ids=str,
)
def test_cross_entropy_refuses_targets_with_words(targets: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        cross_entropy(tracked(LOGITS), targets)
    assert "integer labels of shape (3,) or probabilities of shape (3, 4)" in str(caught.value)


@pytest.mark.parametrize("target", [1, 1.0])
def test_cross_entropy_refuses_a_logit_without_classes(target: float) -> None:
    with pytest.raises(ValueError, match=r"shape \(\)"):
        cross_entropy(np.array(1.0), target)


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), tracked(np.zeros((0, 3)))], ids=["array", "tensor"])
def test_cross_entropy_of_no_samples_is_zero(logits: Any) -> None:
    assert cross_entropy(logits, np.zeros(0, int)) == 0
    assert cross_entropy(logits, np.zeros((0, 3))) == 0


def test_cross_entropy_is_never_minus_zero() -> None:
    assert not np.signbit(cross_entropy(np.array([[1e4, 0.0]]), [0]))
    assert not np.signbit(cross_entropy(np.array([[1e4, 0.0]]), [[1.0, 0.0]]))


def test_nll_loss() -> None:
    log_probabilities = np.log(np.random.default_rng(1).dirichlet(np.ones(4), (2, 3)))
    labels = np.array([[0, 1, 2], [3, 3, 0]])
    expected = -(log_probabilities * np.eye(4)[labels]).sum() / 6
    assert F.nll_loss(log_probabilities, labels) == pytest.approx(expected, rel=1e-14)
    value, gradient = value_and_gradient(lambda x: F.nll_loss(x, labels.tolist()), log_probabilities)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient, -np.eye(4)[labels] / 6, rtol=1e-15)
    assert gradcheck(lambda x: F.nll_loss(F.log_softmax(x), Tensor(labels)), X, order=2)


def test_nll_loss_keeps_float32() -> None:
    x = tracked(LOGITS, np.float32)
    loss = F.nll_loss(x, LABELS)
    loss.backward()
    assert loss.dtype == x.grad.dtype == F.nll_loss(x.data, LABELS).dtype == np.float32


@pytest.mark.parametrize("labels", [np.zeros(3), np.zeros(2, int), np.eye(4, dtype=int)[LABELS], 1])
def test_nll_loss_refuses_what_is_no_row_of_labels(labels: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 4\) needs integer labels of shape \(3,\); got"):
        F.nll_loss(LOGITS, labels)


def test_mse_loss() -> None:
    prediction, target = X, np.random.default_rng(1).normal(size=X.shape)
    expected = ((prediction - target) ** 2).sum() / X.size
    assert mse_loss(prediction, target) == pytest.approx(expected, rel=1e-14)
    loss = mse_loss(tracked(prediction), Tensor(target))
    assert loss.item() == pytest.approx(expected, rel=1e-14)
    assert loss.shape == ()
    assert gradcheck(mse_loss, prediction, target, order=2)


def test_mse_loss_of_numbers() -> None:
    assert mse_loss(tracked(1.0), 3.0).item() == 4


LOSSES = [
    *(mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.hinge_loss),
    *(F.kl_div, binary_cross_entropy_with_logits),
]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)


@each_loss
@pytest.mark.parametrize(("a", "b"), [((3,), (3, 1)), ((3, 1), (3,)), ((3,), ()), ((2, 3), (3, 2))])
def test_losses_refuse_to_broadcast(loss: Callable[..., Any], a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="reshape one of them") as caught:
        loss(tracked(np.ones(a)), np.ones(b))
    assert all(words in str(caught.value) for words in (loss.__name__, str(a), str(b)))


@each_loss
@pytest.mark.parametrize("target", [np.float32, np.int64, bool, list], ids=lambda kind: kind.__name__)
def test_losses_keep_float32(loss: Callable[..., Any], target: Any) -> None:
    targets = np.ones((3, 4)).tolist() if target is list else np.ones((3, 4), target)
    logits = tracked(LOGITS, np.float32)
    result = loss(logits, targets)
    result.backward()
    assert result.dtype == logits.grad.dtype == np.float32
    assert loss(logits.data, targets).dtype == np.float32


@each_loss
def test_reductions(loss: Callable[..., Any]) -> None:
    targets = np.random.default_rng(1).uniform(0.1, 1, LOGITS.shape)
    losses = loss(tracked(LOGITS), targets, "none")
    assert losses.shape == LOGITS.shape
    assert loss(LOGITS, targets) == loss(LOGITS, targets, reduction="mean")
    assert loss(LOGITS, targets) == pytest.approx(losses.data.mean(), rel=1e-14)
    assert loss(LOGITS, targets, "sum") == pytest.approx(losses.data.sum(), rel=1e-14)
    with pytest.raises(ValueError, match='must be "mean", "sum" or "none"; got \'average\''):
        loss(LOGITS, targets, "average")
    assert loss(np.zeros((0, 3)), np.zeros((0, 3)), "sum") == 0


@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_huber_loss_refuses_a_threshold_that_is_not_positive(value: float) -> None:
    with pytest.raises(ValueError, match=f"delta must be positive; got {value}"):
        F.huber_loss(LOGITS, LOGITS, delta=value)


def test_smooth_l1_loss_refuses_a_negative_threshold() -> None:
    with pytest.raises(ValueError, match="beta must be positive; got -1"):
        F.smooth_l1_loss(LOGITS, LOGITS, beta=-1)


def test_kl_div_is_zero_for_equal_distributions_and_finite_for_classes_without_a_target() -> None:
    logits = F.log_softmax(LOGITS)
    assert F.kl_div(logits, F.softmax(LOGITS)) == pytest.approx(0, abs=1e-15)
    assert F.kl_div(logits, logits, log_target=True) == 0
    one_hot = np.eye(4)[LABELS]
    assert F.kl_div(logits, one_hot, "batchmean") == pytest.approx(cross_entropy(LOGITS, LABELS), rel=1e-14)
    by_input, by_target = grad(F.kl_div, (0, 1))(logits, one_hot)
    np.testing.assert_allclose(by_input, -one_hot / 12, rtol=1e-15)
    np.testing.assert_allclose(by_target, (one_hot - logits) / 12, rtol=1e-14)


def test_kl_div_of_batches() -> None:
    target = F.softmax(X)
    total = F.kl_div(X, target, "sum")
    assert F.kl_div(X, target, "batchmean") == pytest.approx(total / 2, rel=1e-14)
    assert F.kl_div(np.zeros((0, 3)), np.zeros((0, 3)), "batchmean") == 0
    with pytest.raises(ValueError, match="needs an axis of samples"):
        F.kl_div(np.array(0.0), 1.0, "batchmean")


# ------------------------------------------------------------------- options of losses of classes

WEIGHTS = np.array([0.5, 1.0, 2.0, 4.0])


def test_class_weights() -> None:
    losses = cross_entropy(LOGITS, LABELS, reduction="none")
    assert losses.shape == (3,)
    np.testing.assert_allclose(losses, -F.log_softmax(LOGITS)[np.arange(3), LABELS], rtol=1e-15)
    weighted = WEIGHTS[LABELS] * losses
    for weight in (WEIGHTS, WEIGHTS.tolist(), WEIGHTS.astype(np.float32), Tensor(WEIGHTS)):
        loss = cross_entropy(tracked(LOGITS), LABELS, weight)
        assert loss.item() == pytest.approx(weighted.sum() / WEIGHTS[LABELS].sum(), rel=1e-14)
        assert cross_entropy(tracked(LOGITS), LABELS, weight, reduction="sum").item() == pytest.approx(
            weighted.sum(), rel=1e-14
        )
    one_hot = cross_entropy(LOGITS, np.eye(4)[LABELS], WEIGHTS)
    assert one_hot == pytest.approx(weighted.sum() / 3, rel=1e-14)


def test_class_weights_keep_float32() -> None:
    loss = cross_entropy(tracked(LOGITS, np.float32), LABELS, WEIGHTS, 0, label_smoothing=0.1)
    assert loss.dtype == np.float32
    assert cross_entropy(tracked(LOGITS, np.float32), np.eye(4)[LABELS], WEIGHTS).dtype == np.float32


def test_ignored_labels_count_for_nothing() -> None:
    labels = np.array([2, -100, 3])
    kept = [0, 2]
    for options in ({}, {"weight": WEIGHTS}, {"label_smoothing": 0.2}, {"reduction": "sum"}):
        loss, gradient = value_and_gradient(
            lambda x, o=options: cross_entropy(x, labels, ignore_index=-100, **o), LOGITS
        )
        expected, slopes = value_and_gradient(
            lambda x, o=options: cross_entropy(x, labels[kept], **o), LOGITS[kept]
        )
        assert loss == pytest.approx(expected, rel=1e-14)
        np.testing.assert_allclose(gradient[kept], slopes, rtol=1e-13)
        assert not gradient[1].any()
    assert cross_entropy(LOGITS, labels, ignore_index=-100, reduction="none")[1] == 0
    assert F.nll_loss(LOGITS, labels, ignore_index=-100) == pytest.approx(
        F.nll_loss(LOGITS[kept], labels[kept]), rel=1e-14
    )


def test_an_ignored_sample_may_hold_anything() -> None:
    logits = np.array([[1.0, 2.0], [-np.inf, 0.0]])
    loss, gradient = value_and_gradient(lambda x: cross_entropy(x, [0, 9], ignore_index=9), logits)
    assert loss == pytest.approx(cross_entropy(logits[:1], [0]), rel=1e-14)
    assert not gradient[1].any()


def test_labels_to_ignore_must_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"got labels from -100 to 3 .*ignore_index"):
        cross_entropy(LOGITS, [2, -100, 3])
    with pytest.raises(ValueError, match="got labels from -1 to 2"):
        cross_entropy(LOGITS, [2, -100, -1], ignore_index=-100)
    with pytest.raises(ValueError, match="ignore_index is for integer labels"):
        cross_entropy(LOGITS, np.eye(4)[LABELS], ignore_index=0)


def test_the_mean_over_labels_that_are_all_ignored_is_nan() -> None:
    with pytest.warns(RuntimeWarning, match="invalid value"):
        loss = cross_entropy(LOGITS, [1, 1, 1], ignore_index=1)
    assert np.isnan(loss)
    assert cross_entropy(LOGITS, [1, 1, 1], ignore_index=1, reduction="sum") == 0


def test_options_of_no_samples() -> None:
    for options in (
        {"weight": np.ones(3)},
        {"ignore_index": 0},
        {"reduction": "sum"},
        {"label_smoothing": 0.1},
    ):
        assert cross_entropy(np.zeros((0, 3)), np.zeros(0, int), **options) == 0
    assert cross_entropy(np.zeros((0, 3)), np.zeros(0, int), reduction="none").shape == (0,)


def test_label_smoothing_is_that_of_the_targets() -> None:
    smoothed = 0.8 * np.eye(4)[LABELS] + 0.05
    expected = cross_entropy(LOGITS, smoothed)
    assert cross_entropy(LOGITS, LABELS, label_smoothing=0.2) == pytest.approx(expected, rel=1e-14)
    one_hot = np.eye(4)[LABELS]
    assert cross_entropy(LOGITS, one_hot, label_smoothing=0.2) == pytest.approx(expected, rel=1e-14)
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=f"label_smoothing must be between 0 and 1; got {share}"):
            cross_entropy(LOGITS, LABELS, label_smoothing=share)


@pytest.mark.parametrize("axis", [0, 1, -2, 2])
def test_classes_along_another_axis(axis: int) -> None:
    moved = np.moveaxis(X, axis, -1)
    labels = np.random.default_rng(0).integers(0, moved.shape[-1], moved.shape[:-1])
    rows = np.eye(moved.shape[-1])[labels]
    for options in ({}, {"reduction": "none"}, {"label_smoothing": 0.1}):
        expected = cross_entropy(moved, labels, **options)
        np.testing.assert_allclose(cross_entropy(X, labels, axis=axis, **options), expected, rtol=1e-13)
        of_rows = cross_entropy(X, np.moveaxis(rows, -1, axis), axis=axis, **options)
        np.testing.assert_allclose(of_rows, expected, rtol=1e-13)
    assert F.nll_loss(X, labels, axis=axis) == pytest.approx(F.nll_loss(moved, labels), rel=1e-14)


def test_losses_of_classes_along_another_axis_name_the_shapes_that_do_not_fit() -> None:
    for loss in (cross_entropy, F.nll_loss):
        with pytest.raises(ValueError, match=r"\(2, 4, 3\) \(axis 1, .*labels of shape \(2, 4\)"):
            loss(X, np.zeros((2, 3), int), axis=1)
        with pytest.raises(np.exceptions.AxisError, match="axis 3 is out of bounds"):
            loss(X, np.zeros((2, 3), int), axis=3)


def test_class_weights_that_do_not_fit_are_refused() -> None:
    for targets in (LABELS, np.eye(4)[LABELS]):
        with pytest.raises(ValueError, match=r"4 classes need a weight of shape \(4,\); got \(3,\)"):
            cross_entropy(LOGITS, targets, np.ones(3))


def test_all_options_when_jit_replays() -> None:
    def loss(x: Any, labels: Any) -> Any:
        return cross_entropy(x, labels, WEIGHTS, -1, label_smoothing=0.1)

    replayed = jit(grad(loss))
    for labels in ([0, 1, 2], [3, -1, 3], [-1, 2, -1]):
        np.testing.assert_array_equal(
            replayed(LOGITS, np.array(labels)), grad(loss)(LOGITS, np.array(labels))
        )
    with pytest.raises(ValueError, match="got labels from 0 to 4"):
        replayed(LOGITS, np.array([0, 4, 1]))


@pytest.mark.parametrize("dtype", [np.float64, np.int64, bool])
def test_binary_cross_entropy(dtype: Any) -> None:
    targets = np.array([[1, 0, 0, 1], [0, 0, 1, 1], [1, 0, 1, 0]], dtype)
    probability = 1 / (1 + np.exp(-LOGITS))
    expected = -np.log(np.where(targets, probability, 1 - probability)).mean()
    assert binary_cross_entropy_with_logits(LOGITS, targets) == pytest.approx(expected, rel=1e-13)
    loss, gradient = value_and_gradient(lambda x: binary_cross_entropy_with_logits(x, targets), LOGITS)
    assert loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient, (probability - targets) / 12, rtol=1e-12)


def test_binary_cross_entropy_of_soft_targets() -> None:
    targets = np.random.default_rng(1).uniform(size=LOGITS.shape)
    probability = 1 / (1 + np.exp(-LOGITS))
    expected = -(targets * np.log(probability) + (1 - targets) * np.log(1 - probability)).mean()
    assert binary_cross_entropy_with_logits(LOGITS, targets) == pytest.approx(expected, rel=1e-13)
    assert gradcheck(binary_cross_entropy_with_logits, LOGITS, targets, order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_of_enormous_logits(dtype: Any) -> None:
    logits = tracked([1e4, -1e4, 1e4, -1e4], dtype)
    loss = binary_cross_entropy_with_logits(logits, np.array([1, 0, 0, 1], dtype))
    loss.backward()
    assert loss.item() == 5000
    np.testing.assert_array_equal(logits.grad.data, [0, 0, 0.25, -0.25])


def test_losses_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    logits, targets = torch.tensor(LOGITS), torch.tensor(np.random.default_rng(1).dirichlet(np.ones(4), 3))
    theirs = torch.nn.functional
    for ours, expected in (
        (cross_entropy(LOGITS, LABELS), theirs.cross_entropy(logits, torch.tensor(LABELS))),
        (cross_entropy(LOGITS, targets.numpy()), theirs.cross_entropy(logits, targets)),
        (mse_loss(LOGITS, targets.numpy()), theirs.mse_loss(logits, targets)),
        (
            binary_cross_entropy_with_logits(LOGITS, targets.numpy()),
            theirs.binary_cross_entropy_with_logits(logits, targets),
        ),
        (
            cross_entropy(LOGITS, LABELS, WEIGHTS, 0, label_smoothing=0.3),
            theirs.cross_entropy(
                logits,
                torch.tensor(LABELS),
                torch.tensor(WEIGHTS),
                ignore_index=0,
                label_smoothing=0.3,
            ),
        ),
        (
            cross_entropy(LOGITS, targets.numpy(), WEIGHTS, label_smoothing=0.3),
            theirs.cross_entropy(logits, targets, torch.tensor(WEIGHTS), label_smoothing=0.3),
        ),
        (
            F.kl_div(LOGITS, targets.numpy(), "batchmean"),
            theirs.kl_div(logits, targets, reduction="batchmean"),
        ),
        (
            F.smooth_l1_loss(LOGITS, targets.numpy(), beta=0.5),
            theirs.smooth_l1_loss(logits, targets, beta=0.5),
        ),
    ):
        assert ours == pytest.approx(expected.item(), rel=1e-13)


def test_losses_can_be_differentiated_as_functions_of_arrays() -> None:
    np.testing.assert_allclose(
        grad(cross_entropy)(LOGITS, LABELS), (F.softmax(LOGITS) - np.eye(4)[LABELS]) / 3, atol=1e-15
    )


# ----------------------------------------------------------------------------------------- complex

Z = np.array([[0.5 + 1j, -1.0], [2j, -3 + 0.5j]])


@pytest.mark.parametrize("f", [F.sigmoid, F.silu, F.glu, F.tanh, lambda z: F.linear(z, Z, Z[0], "sigmoid")])
def test_smooth_activations_of_complex_numbers(f: Any) -> None:
    assert gradcheck(f, Z, order=2)


def test_the_sigmoid_of_complex_numbers() -> None:
    np.testing.assert_allclose(F.sigmoid(Z), 1 / (1 + np.exp(-Z)))
    assert F.sigmoid(Z.astype(np.complex64)).dtype == np.complex64
    np.testing.assert_array_equal(F.sigmoid(np.array([-1e4 + 1j, 1e4 + 1j])), [0, 1])


@pytest.mark.parametrize(
    "f",
    [
        *(F.relu, F.leaky_relu, F.relu6, F.hardtanh, F.elu, F.selu, F.celu, F.gelu, F.erfc, F.softsign),
        *(F.softmax, F.softmin, F.log_softmax, F.logsumexp, F.softplus, F.log_sigmoid, F.mish),
        lambda z: F.gelu(z, "tanh"),
        lambda z: F.prelu(z, np.ones(2)),
        lambda z: F.huber_loss(z, Z),
        lambda z: F.linear(z, Z, Z[0], "relu"),
    ],
)
@pytest.mark.parametrize("kind", [Tensor, np.asarray])
def test_what_compares_numbers_refuses_complex_ones(f: Any, kind: Any) -> None:
    with pytest.raises(TypeError, match=r"real numbers|not supported for the input types"):
        f(kind(Z))
