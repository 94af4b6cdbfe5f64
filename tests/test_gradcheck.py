"""The check of gradients: it passes what is right, and names what is wrong."""

import re
from typing import Any, NamedTuple

import numpy as np
import pytest

from autograd import GradcheckError, Tensor, gradcheck, primitive

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


def test_right_gradients_pass() -> None:
    assert gradcheck(np.sin, X) is True
    assert gradcheck(np.sin, X, order=4)
    assert gradcheck(lambda a, b: np.tanh(a @ b), X, X.T, order=2)
    assert gradcheck(lambda x: np.exp(x), 1.5)
    assert gradcheck(lambda: np.ones(3))
    assert gradcheck(lambda x: x * x, np.zeros((0, 3)), order=2)


def test_outputs_of_any_structure() -> None:
    assert gradcheck(lambda x: {"sum": x.sum(), "all": [x, (x * x,)]}, X)
    assert gradcheck(lambda x: (3.0, {"square": x * x}), X, order=2)


def op(rule: Any, name: str = "suspect") -> Any:
    return primitive(lambda x: x**3, rule, name=name)


@pytest.mark.parametrize(
    ("rule", "ours"),
    [
        (lambda g, y, x: g * 2 * x**2, "a factor"),
        (lambda g, y, x: -g * 3 * x**2, "the sign"),
        (lambda g, y, x: g * 3 * x**2 * (1 + 1e-4), "a little"),
        (lambda g, y, x: g * 3 * x**2 + 1e-4, "an offset"),
        (lambda g, y, x: np.broadcast_to(g.sum(), g.shape) * 3 * x**2, "broadcasting"),
        (lambda g, y, x: g * 3 * x * x[..., ::-1], "the order"),
        (lambda g, y, x: np.where(x > 1.9, 0, g * 3 * x**2), "one element"),
        (lambda g, y, x: np.zeros(3) * g, "nothing"),
        (lambda g, y, x: g * np.nan, "nan"),
    ],
)
def test_wrong_rules_are_found(rule: Any, ours: str) -> None:
    with pytest.raises(GradcheckError, match=r"derivative 1 by argument 0 \('x'\) is wrong at index"):
        gradcheck(lambda x: op(rule)(x), X)


def test_a_missing_gradient_is_found() -> None:
    with pytest.raises(GradcheckError, match="the graph gives 0, central differences"):
        gradcheck(lambda x: np.sin(x.detach()), X)
    with pytest.raises(GradcheckError, match="the graph gives 0, central differences"):
        gradcheck(lambda x: op(None)(x), X)


def test_a_rule_that_sums_over_the_wrong_axis_is_found() -> None:
    add = primitive(
        lambda a, b: a + b,
        lambda g, y, a, b: g,
        lambda g, y, a, b: np.broadcast_to(g.mean(axis=0), b.shape),
        name="plus",
    )
    with pytest.raises(GradcheckError, match=r"argument 1 \('b'\)"):
        gradcheck(lambda a, b: add(a, b), X, X[0])


def test_the_second_order_is_checked_on_request() -> None:
    detached = op(lambda g, y, x: g * 3 * (x.detach().data if type(x) is Tensor else x) ** 2)
    assert gradcheck(lambda x: detached(x), X)
    with pytest.raises(GradcheckError, match=r"derivative 2 by argument 0 \('x'\) is wrong at index"):
        gradcheck(lambda x: detached(x), X, order=2)
    halved = op(lambda g, y, x: (g.detach() * 0.5 + g * 0.5 if type(g) is Tensor else g) * 3 * x**2)
    with pytest.raises(GradcheckError, match="derivative 2 by cotangent0 is wrong"):
        gradcheck(lambda x: halved(x), X, order=2)


def test_the_error_names_everything() -> None:
    wrong = op(lambda g, y, x: np.where(x == 2.0, 0.5, 1.0) * (g * 3 * x**2))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, x: a + wrong(x).sum(), 1.0, X)
    pattern = (
        r"derivative 1 by argument 1 \('x'\) is wrong at index \(0, 2\): the graph gives (\S+), "
        r"central differences (\S+), relative error (\S+) \(1 of 6 elements differ\)"
    )
    ours, numeric, relative = map(float, re.fullmatch(pattern, str(caught.value)).groups())
    assert numeric == pytest.approx(2 * ours) and relative == pytest.approx(0.5)
    assert isinstance(caught.value, AssertionError)


class Point(NamedTuple):
    x: Any
    y: Any


def test_nested_arguments_are_named_by_their_path() -> None:
    wrong = op(lambda g, y, x: g)

    def f(params: dict[str, Any], point: Point) -> Any:
        return params["bias"] + wrong(params["weights"][1]) + point.x * wrong(point.y)

    bad, fine = np.array(2.0), 1 / np.sqrt(3)  # where 3 x^2 = 1
    with pytest.raises(
        GradcheckError, match=re.escape("argument 0 ('params')['weights'][1] is wrong at index ():")
    ):
        gradcheck(f, {"bias": 1.0, "weights": [1.0, bad]}, Point(1.0, fine))
    with pytest.raises(GradcheckError, match=re.escape("argument 1 ('point')[1] is wrong")):
        gradcheck(f, {"bias": 1.0, "weights": [1.0, fine]}, Point(1.0, bad))
    assert gradcheck(f, {"bias": 1.0, "weights": [1.0, fine]}, Point(1.0, fine))


@pytest.mark.parametrize("f", [lambda *args: op(lambda g, y, x: g)(args[0]), op(lambda g, y, x: g)])
def test_functions_without_a_readable_signature(f: Any) -> None:
    with pytest.raises(GradcheckError, match=r"derivative 1 by argument 0 .*is wrong"):
        gradcheck(f, X)


def test_inputs_are_left_as_they_are() -> None:
    arrays = [X.copy(), {"a": X.astype(np.float32)}, Tensor(X.copy(), requires_grad=True)]
    for array in (arrays[0], arrays[1]["a"]):
        array.flags.writeable = False
    gradcheck(lambda x, tree, t: x * tree["a"] * t, *arrays, order=2)
    np.testing.assert_array_equal(arrays[0], X)
    np.testing.assert_array_equal(arrays[1]["a"], X.astype(np.float32))
    np.testing.assert_array_equal(arrays[2].data, X)
    assert arrays[2].grad is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.uint8])
def test_inputs_are_taken_in_float64(dtype: Any) -> None:
    seen = set()

    def f(x: Any) -> Any:
        seen.add(x.dtype)
        return np.exp(x)

    assert gradcheck(f, np.array([1, 2], dtype))
    assert seen == {np.dtype(np.float64)}


@pytest.mark.parametrize("value", [np.array([1j]), np.array([True]), "text", None])
def test_inputs_are_real(value: Any) -> None:
    with pytest.raises(TypeError, match="gradcheck needs inputs of real numbers, and one has dtype"):
        gradcheck(lambda x: x, value)


def test_tolerances() -> None:
    rule = op(lambda g, y, x: g * 3 * x**2 * 1.001)
    assert gradcheck(lambda x: rule(x), X, rtol=1e-2)
    assert gradcheck(lambda x: rule(x), X, atol=1.0)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: rule(x), X, rtol=1e-4)


def test_large_and_small_values() -> None:
    assert gradcheck(lambda x: x * x, np.array([1e8, 1e-8, -1e4]), order=2)
    assert gradcheck(np.log, np.array([1e5, 1e-3]), rtol=1e-4)


def test_a_failing_function_fails_in_its_own_words() -> None:
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 // 0, X)
