"""Activations, softmax, dropout and losses against naive formulas, and where the naive ones overflow."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad, gradcheck, no_grad
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


@pytest.mark.parametrize("loss", [mse_loss, binary_cross_entropy_with_logits])
@pytest.mark.parametrize(("a", "b"), [((3,), (3, 1)), ((3, 1), (3,)), ((3,), ()), ((2, 3), (3, 2))])
def test_losses_refuse_to_broadcast(loss: Callable[..., Any], a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="reshape one of them") as caught:
        loss(tracked(np.ones(a)), np.ones(b))
    assert all(words in str(caught.value) for words in (loss.__name__, str(a), str(b)))


@pytest.mark.parametrize("loss", [mse_loss, binary_cross_entropy_with_logits])
def test_losses_keep_float32(loss: Callable[..., Any]) -> None:
    logits = tracked(LOGITS, np.float32)
    result = loss(logits, np.ones((3, 4), np.float32))
    result.backward()
    assert result.dtype == logits.grad.dtype == np.float32
    assert loss(logits.data, np.ones((3, 4), np.float32)).dtype == np.float32


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
    ):
        assert ours == pytest.approx(expected.item(), rel=1e-13)


def test_losses_can_be_differentiated_as_functions_of_arrays() -> None:
    np.testing.assert_allclose(
        grad(cross_entropy)(LOGITS, LABELS), (F.softmax(LOGITS) - np.eye(4)[LABELS]) / 3, atol=1e-15
    )
