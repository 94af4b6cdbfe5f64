"""Ops of one's own: rules, parameters, any number of inputs, sources, and errors in words."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, each, grad, gradcheck, hessian, no_grad, primitive
from autograd.primitives import describe, implements
from autograd.tensor import implementations, unusual_calls

X = np.array([1.0, 2.0, 3.0])


def tracked(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


cube = primitive(lambda x: x**3, lambda g, y, x: g * 3 * x**2, name="cube")
scale = primitive(
    lambda x, *, by=1.0: x * by,
    lambda g, y, x, *, by=1.0: g * by,
    name="scale",
)
total = primitive(
    lambda *xs, power: sum(x**power for x in xs),
    each(lambda i, g, y, *xs, power: g * (power * xs[i] ** (power - 1))),
    name="total",
)


@pytest.fixture(autouse=True)
def rules_of_numpys_functions_are_put_back() -> Iterator[None]:
    before = dict(implementations), dict(unusual_calls)
    yield
    for table, contents in zip((implementations, unusual_calls), before, strict=True):
        table.clear()
        table.update(contents)


def test_one_input() -> None:
    assert gradcheck(cube, X, order=3)
    np.testing.assert_array_equal(grad(lambda x: cube(x).sum())(X), 3 * X**2)
    assert repr(cube(tracked(2.0))) == "Tensor([8.], op=cube)"


def test_two_inputs_in_numpys_own_words() -> None:
    hypot = primitive(np.hypot, lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y)
    assert gradcheck(np.hypot, X, X + 1, order=2)
    assert gradcheck(lambda a: np.hypot(1.0, a), X, order=2)
    assert (hypot.__name__, hypot.__doc__) == ("hypot", np.hypot.__doc__)


def test_parameters_are_keywords() -> None:
    assert gradcheck(lambda x: scale(x, by=2.0), X)
    result = scale(tracked(1.0), by=2.0)
    assert (result.op.name, result.params) == ("scale", {"by": 2.0})
    assert scale(tracked(1.0)).params is None


def test_any_number_of_inputs() -> None:
    for inputs in ([X], [X, X + 1], [X, X + 1, X + 2, X[:1]]):
        assert gradcheck(lambda *xs: total(*xs, power=3), *inputs, order=2)
    x = tracked(2.0)
    total(X, x, 3.0, power=2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [12])


def test_the_plain_function_without_tensors() -> None:
    for result in (cube(X), scale(X, by=2.0), total(X, power=1)):
        assert type(result) is np.ndarray
    assert cube(2) == 8 and type(cube(2)) is int


def test_the_op_is_recorded_on_the_tensor() -> None:
    a, b = tracked(1.0), Tensor([2.0])
    result = a * b
    assert result.op.name == "multiply" and repr(result.op) == "<op multiply>"
    assert result.inputs[0] is a and result.inputs[1] is b
    assert a.order < b.order < result.order
    constant = b * 2
    assert (constant.op, constant.inputs, constant.requires_grad) == (None, (), False)


def test_numbers_stay_numbers() -> None:
    a = Tensor(np.ones(3, np.float32), requires_grad=True)
    assert (a * 2.5).inputs == (a, 2.5) and type((a * 2.5).inputs[1]) is float
    assert (a * 2.5).dtype == np.float32


def test_lists_become_arrays() -> None:
    assert type((tracked(1.0, 2.0) * [1, 2]).inputs[1]) is np.ndarray


def test_none_stands_for_no_gradient() -> None:
    x, sign = tracked(5.0), tracked(-3.0)
    primitive(lambda x, s: x * (s > 0), lambda g, y, x, s: g * (s > 0), None, name="gate")(x, sign).backward()
    np.testing.assert_array_equal(x.grad.data, [0])
    assert sign.grad is None


def test_a_source_is_recorded_without_inputs() -> None:
    draw = primitive(lambda *, rng, shape: rng.random(shape), name="draw")
    sample = draw(rng=np.random.default_rng(0), shape=(3,))
    assert type(sample) is Tensor
    assert (sample.op.name, sample.inputs, sample.requires_grad) == ("draw", (), False)
    np.testing.assert_array_equal(sample.data, np.random.default_rng(0).random(3))
    x = tracked(*X)
    (x * sample).sum().backward()
    np.testing.assert_array_equal(x.grad.data, sample.data)
    with no_grad():
        assert draw(rng=np.random.default_rng(0), shape=()).op is None


def test_gradients_are_summed_down_and_cast() -> None:
    add = primitive(lambda a, b: a + b, lambda g, y, a, b: g, lambda g, y, a, b: g, name="plus")
    a, b = Tensor(np.ones((2, 1), np.float32), requires_grad=True), tracked(*X)
    add(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad.data, [[3], [3]])
    np.testing.assert_array_equal(b.grad.data, [2, 2, 2])
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_only_the_rules_that_are_needed_are_called() -> None:
    def never(*args: Any) -> Any:
        raise AssertionError

    product = primitive(lambda a, b: a * b, lambda g, y, a, b: g * b, never, name="product")
    x = tracked(2.0)
    for other in (Tensor([3.0]), np.array([3.0]), 3.0):
        product(x, other).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [9])
    z = tracked(1.0)
    assert grad(lambda x: product(x, z).sum())(np.array([2.0])).data == [1]


def test_rules_see_arrays_or_tensors() -> None:
    seen = []

    def rule(g: Any, y: Any, x: Any) -> Any:
        seen.append({type(g), type(y), type(x)})
        return g * 2

    double = primitive(lambda x: 2 * x, rule, name="double")
    double(tracked(1.0)).sum().backward()
    double(tracked(1.0)).sum().backward(create_graph=True)
    assert seen == [{np.ndarray}, {Tensor}]


def test_rules_may_return_views_and_numpy_scalars() -> None:
    first = primitive(lambda x: x * 1, lambda g, y, x: g[...], name="view")
    number = primitive(lambda x: x * 1, lambda g, y, x: np.float64(g), name="scalar")
    assert gradcheck(first, X)
    assert gradcheck(number, np.array(2.0))


def test_the_second_order_of_an_op_with_a_rule_of_ops() -> None:
    swish = primitive(
        lambda x: x / (1 + np.exp(-x)),
        lambda g, y, x: g * (y + (1 - y) / (1 + np.exp(-x))),
        name="swish",
    )
    assert gradcheck(swish, X, order=3)
    np.testing.assert_allclose(np.diag(hessian(lambda x: swish(x).sum())(X)) > 0, [True, True, False])


def test_a_rule_of_ones_own_in_place_of_that_of_the_parts() -> None:
    def by_parts(x: Any) -> Any:
        return np.log(1 + np.exp(x))

    # Far out the parts overflow, and their gradient is inf / inf. In closed form it is e^x / (1 + e^x), which
    # is e^(x - y), at most 1.
    log1pexp = primitive(
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
        lambda g, y, x: g * np.exp(x - y),
        elementwise=True,
        name="log1pexp",
    )
    far = np.array([-1000.0, -50.0, 50.0, 1000.0])
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(grad(by_parts)(1000.0))
    assert log1pexp(1000.0) == 1000
    np.testing.assert_allclose([grad(log1pexp)(x) for x in far], [0, np.exp(-50), 1, 1], rtol=1e-12)
    np.testing.assert_allclose(
        [grad(grad(log1pexp))(x) for x in far], [0, np.exp(-50), np.exp(-50), 0], atol=1e-15
    )
    x = np.linspace(-4, 4, 9)
    np.testing.assert_allclose([grad(grad(log1pexp))(v) for v in x], [grad(grad(by_parts))(v) for v in x])
    assert gradcheck(log1pexp, x, order=3, rtol=1e-4)


def test_names() -> None:
    def _softsign(x: Any) -> Any:
        return x / (1 + abs(x))

    assert primitive(_softsign, None).__name__ == "softsign"
    assert primitive(lambda x: x, None).__name__ == "lambda"


def test_implements_gives_numpys_function_a_meaning() -> None:
    @implements(np.trace)
    def trace(x: Any) -> Any:
        return np.einsum("ii->", x)

    assert gradcheck(np.trace, np.ones((2, 2)))


def test_another_spelling_of_a_function_of_numpy_is_called_as_that_function_is() -> None:
    cbrt = primitive(lambda x: np.cbrt(x), lambda g, y, x: g / (3 * y * y), numpy=np.cbrt)
    ptp = primitive(
        lambda x, *, axis=None: np.max(x, axis) - np.min(x, axis),
        lambda g, y, x, *, axis=None: g * (np.equal(x, np.max(x)) * 1.0 - np.equal(x, np.min(x)) * 1.0),
        numpy=np.ptp,
    )
    x = tracked(8.0, 27.0)
    np.ptp(np.cbrt(x), 0).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, [-1 / 12, 1 / 27])
    assert (cbrt.op.name, ptp.op.name) == ("cbrt", "ptp")
    with pytest.raises(TypeError, match=r"np\.ptp with keepdims= is not differentiated"):
        np.ptp(x, keepdims=True)


# ------------------------------------------------------------------------------------------- errors


def notes(error: pytest.ExceptionInfo[Any]) -> str:
    return "\n".join(error.value.__notes__)


def test_a_forward_error_names_op_shapes_and_names() -> None:
    x = Tensor(np.zeros((128, 784), np.float32), requires_grad=True, name="images")
    with pytest.raises(ValueError, match="not aligned") as caught:
        x @ np.zeros((10, 5))
    assert notes(caught) == "in matmul of (128, 784) float32 'images', (10, 5) float64"
    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        tracked(1.0, 2.0) + tracked(1.0, 2.0, 3.0)
    assert notes(caught) == "in add of (2,) float64, (3,) float64"
    with pytest.raises(ValueError, match="axis 2") as caught:
        np.sum(tracked(1.0), axis=2)
    assert notes(caught) == "in sum of (1,) float64, axis=2"
    with pytest.raises(ValueError, match="cannot reshape") as caught:
        tracked(1.0).reshape(2, 3)
    assert notes(caught) == "in reshape of (1,) float64, shape=(2, 3)"
    with pytest.raises(ValueError, match="broken"):
        primitive(broken, None)(tracked(1.0))


def broken(*args: Any, k: Any = None) -> Any:
    raise ValueError("broken")


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_error_in_a_rule_names_op_and_shapes(create_graph: bool) -> None:
    f = primitive(lambda x, y, *, k: x + y, broken, broken, name="fragile")
    with pytest.raises(ValueError, match="broken") as caught:
        f(tracked(1.0, 2.0), 2.0, k=3).sum().backward(create_graph=create_graph)
    assert notes(caught) == "in the gradient of fragile of (2,) float64, 2.0, k=3"


@pytest.mark.parametrize("wrong", [lambda g: g[:1], lambda g: g[..., None], lambda g: g.sum()])
def test_a_rule_with_a_wrong_shape_is_told(wrong: Any) -> None:
    f = primitive(lambda x: x * 2, lambda g, y, x: wrong(g), name="wrong")
    with pytest.raises(
        ValueError, match=r"a gradient rule returned shape .* for an input of shape \(3,\)"
    ) as e:
        f(tracked(*X)).sum().backward()
    assert notes(e) == "in the gradient of wrong of (3,) float64"


def test_a_rule_without_a_result_is_told() -> None:
    f = primitive(lambda x: x * 2, lambda g, y, x: None, name="silent")
    with pytest.raises(TypeError, match="NoneType") as caught:
        f(tracked(1.0)).sum().backward()
    assert notes(caught) == "in the gradient of silent of (1,) float64"


def test_a_result_that_is_no_array_is_refused() -> None:
    with pytest.raises(TypeError, match="a Tensor holds numbers or booleans"):
        primitive(lambda x: "text", None)(tracked(1.0))


@pytest.mark.parametrize("rule", [lambda g, y, x, **params: g * params["by"], lambda g, y, x, by: g * by])
def test_rules_may_take_their_parameters_in_any_way(rule: Any) -> None:
    assert gradcheck(lambda x: primitive(lambda x, *, by: x * by, rule, name="scaled")(x, by=2.0), X)


def test_an_op_without_gradients_may_have_parameters() -> None:
    assert primitive(lambda x, *, by: x // by, None, name="floor")(tracked(5.0), by=2.0).item() == 2


def test_wrong_numbers_of_inputs_are_refused() -> None:
    with pytest.raises(TypeError):
        np.exp(tracked(1.0), tracked(1.0), tracked(1.0))
    with pytest.raises(TypeError):
        cube(tracked(1.0), 2.0)
    with pytest.raises(TypeError, match="unexpected keyword"):
        scale(tracked(1.0), factor=2.0)


def test_every_input_needs_a_rule() -> None:
    missing = primitive(
        lambda a, b, c: a * b * c,
        lambda g, y, a, b, c: g * b * c,
        lambda g, y, a, b, c: g * a * c,
        name="product",
    )
    with pytest.raises(TypeError, match="rule"):
        missing(X, X, tracked(*X))
    scaled = primitive(lambda a, b, *, by: a * b * by, lambda g, y, a, b, *, by: g * b * by, name="scaled")
    with pytest.raises(TypeError, match="rule"):
        scaled(X, tracked(*X), by=2.0)


def test_describe() -> None:
    named = Tensor(np.zeros((2, 1), np.float32), name="w")
    assert describe([named, 2.0, np.zeros(3)], {"axis": 1}) == "(2, 1) float32 'w', 2.0, (3,) float64, axis=1"


def test_a_rule_of_ones_own_takes_the_place_of_numpys_in_unusual_calls_too() -> None:
    primitive(np.sort, lambda g, y, a, *, axis=-1: g)
    assert np.sort(tracked(2.0, 1.0), 0).op.forward is np.sort
    with pytest.raises(TypeError, match=r"np\.sort with kind= is not differentiated"):
        np.sort(tracked(2.0, 1.0), -1, "stable")
