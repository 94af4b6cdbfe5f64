"""Functions of functions: values, structures, orders of derivatives, nesting, and threads."""

import re
from collections import OrderedDict, namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from autograd import (
    Tensor,
    elementwise_grad,
    grad,
    gradcheck,
    hessian,
    hvp,
    jacobian,
    jvp,
    make_hvp,
    no_grad,
    primitive,
    stop_gradient,
    value_and_grad,
    vjp,
)
from autograd.backward import backpropagate_rows
from autograd.transforms import _Trace as Trace

X = np.array([0.5, -1.0, 2.0])
M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])


def same(actual: Any, expected: Any, kind: type = np.ndarray) -> None:
    assert type(actual) is kind
    values = actual.data if kind is Tensor else actual
    assert values.shape == np.shape(expected)
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)


def quadratic(x: Any) -> Any:
    return np.sum(M @ x * (M @ x)) / 2  # gradient M'M x, Hessian M'M


# -------------------------------------------------------------------------------- each, on known answers


def test_grad() -> None:
    same(grad(quadratic)(X), M.T @ M @ X)


def test_value_and_grad() -> None:
    value, gradient = value_and_grad(quadratic)(X)
    same(value, quadratic(X))
    same(gradient, M.T @ M @ X)


def test_vjp() -> None:
    value, product = vjp(lambda x: M @ x, X)
    same(value, M @ X)
    for v in (np.array([1.0, 0.0]), np.array([2.0, -3.0])):  # as often as one likes
        (gradient,) = product(v)
        same(gradient, v @ M)


def test_jvp() -> None:
    value, tangent = jvp(lambda x: np.tanh(M @ x), (X,), (np.ones(3),))
    same(value, np.tanh(M @ X))
    same(tangent, (1 - np.tanh(M @ X) ** 2) * M.sum(axis=1))


def test_jacobian() -> None:
    same(jacobian(lambda x: M @ x)(X), M)
    same(jacobian(quadratic)(X), M.T @ M @ X)
    same(
        jacobian(lambda x: x[:, None] * x)(X),
        np.einsum("ik,j->ijk", np.eye(3), X) + np.einsum("jk,i->ijk", np.eye(3), X),
    )
    assert jacobian(lambda m: m @ m.T)(M).shape == (2, 2, 2, 3)


def test_hessian() -> None:
    same(hessian(quadratic)(X), M.T @ M)
    assert hessian(lambda m: np.sum(m**3))(M).shape == (2, 3, 2, 3)


def test_hvp() -> None:
    same(hvp(quadratic)(X, np.array([1.0, 2.0, 3.0])), M.T @ M @ [1, 2, 3])


# ---------------------------------------------------------------------------- agreement with one another

FUNCTIONS = [
    lambda x: np.sum(np.exp(x) * np.sin(x[::-1])),
    lambda x: np.prod(x) + np.sum(x**3),
    lambda x: np.log(np.sum(np.exp(x))),
    lambda x: np.sum(np.tanh(M @ x) ** 2) * x[0],
    lambda x: np.sum(x[[0, 0, 1]] * x * x),
    lambda x: np.std(x) * np.max(x),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_transforms_agree(f: Any) -> None:
    assert gradcheck(f, X, order=3, rtol=1e-4)
    h, v = hessian(f)(X), np.array([0.3, -0.7, 1.1])
    np.testing.assert_allclose(h, h.T, rtol=1e-10, atol=1e-12)
    same(jacobian(grad(f))(X), h)
    same(hvp(f)(X, v), h @ v)
    same(jvp(grad(f), (X,), (v,))[1], h @ v)
    same(vjp(grad(f), X)[1](v)[0], h @ v)
    same(grad(lambda x: np.sum(grad(f)(x) * v))(X), h @ v)
    same(grad(lambda x: jvp(f, (x,), (v,))[1])(X), h @ v)


def test_jvp_is_jacobian_times_vector() -> None:
    def f(x: Any, m: Any) -> Any:
        return np.cos(m @ x), np.sum(m, axis=0) * x

    v, w = np.array([1.0, -2.0, 0.5]), np.linspace(-1, 1, 6).reshape(2, 3)
    values, tangents = jvp(f, (X, M), (v, w))
    for number in (0, 1):
        by_x, by_m = jacobian(lambda x, m, k=number: f(x, m)[k], (0, 1))(X, M)
        same(values[number], f(X, M)[number])
        same(tangents[number], by_x @ v + np.einsum("ijk,jk->i", by_m, w))


def test_jvp_of_linear_and_constant_functions() -> None:
    v = np.array([1.0, 2.0, 3.0])
    same(jvp(lambda x: M @ x, (X,), (v,))[1], M @ v)
    same(jvp(lambda x: x, (X,), (v,))[1], v)
    same(jvp(lambda x: x[::-1], (X,), (v,))[1], v[::-1])
    same(jvp(lambda x: np.ones(2), (X,), (v,))[1], [0, 0])
    same(jvp(lambda x: Tensor([1.0]), (X,), (v,))[1], [0])
    same(jvp(lambda x: x.sum(), (X,), (v,))[1], 6)


# ------------------------------------------------------------------------------------- higher orders


@pytest.mark.parametrize(
    ("f", "derivatives"),
    [
        (np.sin, [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]),
        (np.exp, [np.exp] * 5),
        (
            lambda x: x**4,
            [lambda x: x**4, lambda x: 4 * x**3, lambda x: 12 * x**2, lambda x: 24 * x, lambda x: 24],
        ),
        (np.log, [np.log, lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3, lambda x: -6 / x**4]),
        (lambda x: 1 / x, [lambda x: 1 / x, lambda x: -(x**-2), lambda x: 2 * x**-3, lambda x: -6 * x**-4]),
        (np.sqrt, [np.sqrt, lambda x: x**-0.5 / 2, lambda x: -(x**-1.5) / 4, lambda x: 3 / 8 * x**-2.5]),
        (lambda x: 2.0**x, [lambda x, k=k: 2.0**x * np.log(2) ** k for k in range(5)]),
        (lambda x: x * x, [lambda x: x * x, lambda x: 2 * x, lambda x: 2, lambda x: 0]),
    ],
)
def test_derivatives_of_derivatives(f: Any, derivatives: Any) -> None:
    for x in (0.7, 1.9):
        g = f
        for expected in derivatives:
            np.testing.assert_allclose(np.asarray(g(x)), expected(x), rtol=1e-10, atol=1e-12)
            g = grad(g)


def test_tanh_to_the_fifth_order_against_differences() -> None:
    g, eps = np.tanh, 1e-5
    for _ in range(5):
        below, g = g, grad(g)
        np.testing.assert_allclose(g(0.3), (below(0.3 + eps) - below(0.3 - eps)) / (2 * eps), rtol=1e-5)


def test_second_derivatives_of_a_tensor_used_three_times() -> None:
    same(hessian(lambda x: np.sum(x * x * x))(X), np.diag(6 * X))


def test_second_derivatives_of_a_number_used_three_times() -> None:
    same(grad(grad(lambda x: x * x * x * x))(2.0), 48)


# ----------------------------------------------------------------------------------- kinds of arguments


@pytest.mark.parametrize("kind", [np.ndarray, Tensor])
def test_arrays_give_arrays_and_tensors_give_tensors(kind: type) -> None:
    make = Tensor if kind is Tensor else np.asarray
    x, v = make(X), make(np.ones(3))
    for result in (
        *value_and_grad(quadratic)(x),
        jacobian(np.sin)(x),
        hessian(quadratic)(x),
        hvp(quadratic)(x, v),
        *jvp(np.sin, (x,), (v,)),
        vjp(np.sin, x)[0],
        *vjp(np.sin, x)[1](v),
        grad(lambda x: 3.0)(x),
        vjp(lambda x: 3.0, x)[0],
    ):
        assert type(result) is kind
        assert kind is np.ndarray or not result.requires_grad


def test_an_empty_jacobian_of_a_tensor_is_a_tensor() -> None:
    assert type(jacobian(lambda x: x[:0])(Tensor(X))) is Tensor


@pytest.mark.parametrize("x", [2.0, np.float64(2), np.array(2.0), np.float32(2)], ids=repr)
def test_single_numbers(x: Any) -> None:
    same(grad(lambda x: x**3)(x), 12)
    same(grad(grad(lambda x: x**3))(x), 12)
    same(jacobian(lambda x: x**3)(x), 12)
    same(hessian(lambda x: x**3)(x), 12)
    same(hvp(lambda x: x**3)(x, 2.0), 24)
    same(jvp(lambda x: x**3, (x,), (2.0,))[1], 24)


def test_float32_is_kept() -> None:
    x = X.astype(np.float32)
    v = np.ones(3)
    for result in (
        *value_and_grad(quadratic)(x)[1:],
        jacobian(np.sin)(x),
        hessian(lambda x: np.sum(x**3))(x),
        hvp(lambda x: np.sum(x**3))(x, v),
        *jvp(np.sin, (x,), (v,)),
        *vjp(np.sin, x)[1](v),
        grad(lambda x: 1.0)(x),
    ):
        assert result.dtype == np.float32


@pytest.mark.parametrize("x", [2, np.arange(3), True, Tensor([1, 2]), [1, 2.0]], ids=repr)
def test_only_floats_can_be_differentiated_by(x: Any) -> None:
    message = "cannot differentiate with respect to .* values: give floats, e.g. 2.0 for 2, or .* argnums="
    for transform in (grad, jacobian, hessian):
        with pytest.raises(TypeError, match=message):
            transform(lambda x: 1.0)(x)
    with pytest.raises(TypeError, match=message):
        vjp(lambda x: 1.0, x)


def test_integers_may_be_arguments_that_are_not_differentiated_by() -> None:
    same(grad(lambda n, x: np.sum(x**n), 1)(3, X), 3 * X**2)
    same(grad(lambda x, rows: np.sum(x[rows]))(X, np.array([0, 0])), [2, 0, 0])


def test_argnums() -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        return np.sum(a * b * b) + c

    a, b = X, X + 3
    same(grad(f)(a, b, 1.0), b * b)
    same(grad(f, 1)(a, b, 1.0), 2 * a * b)
    same(grad(f, -2)(a, b, 1.0), 2 * a * b)
    same(grad(f, argnums=-1)(a, b, 1.0), 1)
    for argnums in ((1, 0), [1, 0], (-2, 0)):
        by_b, by_a = grad(f, argnums)(a, b, 1.0)
        same(by_a, b * b)
        same(by_b, 2 * a * b)
    assert len(grad(f, (2,))(a, b, 1.0)) == 1
    assert grad(f, ())(a, b, 1.0) == ()
    (aa, ab), (ba, bb) = hessian(f, (0, 1))(a, b, 1.0)
    same(aa, np.zeros((3, 3)))
    same(ab, np.diag(2 * b))
    same(ba, np.diag(2 * b))
    same(bb, np.diag(2 * a))
    by_a, by_b = hvp(f, (0, 1))(a, b, 1.0, (np.ones(3), np.zeros(3)))
    same(by_a, np.zeros(3))
    same(by_b, 2 * b)
    same(hvp(f, 1)(a, b, 1.0, np.ones(3)), 2 * a)


@pytest.mark.parametrize("argnums", [1, -2, (0, 1), (0, -2)])
def test_argnums_out_of_range(argnums: Any) -> None:
    with pytest.raises(
        ValueError, match=r"argnums names argument -?\d, and there are 1 positional arguments"
    ):
        grad(lambda x, y=1.0: x, argnums)(1.0, y=2.0)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2)])
def test_argnums_that_name_an_argument_twice(argnums: Any) -> None:
    try:
        first, second = grad(lambda x, y: x * y, argnums)(2.0, 3.0)
    except ValueError:
        return
    assert first == second == 3


def test_keyword_arguments_are_constants() -> None:
    def f(x: Any, *, scale: Any, mode: str = "sum") -> Any:
        return getattr(np, mode)(x * scale)

    same(grad(f)(X, scale=2.0), [2, 2, 2])
    same(grad(f)(X, scale=3, mode="mean"), [1, 1, 1])
    same(value_and_grad(f)(X, scale=2.0)[0], 3)
    same(jacobian(f)(X, scale=2.0), [2, 2, 2])
    same(hessian(f)(X, scale=2.0), np.zeros((3, 3)))
    same(hvp(f)(X, X, scale=2.0), np.zeros(3))


def test_keyword_arguments_of_products() -> None:
    def f(x: Any, *, scale: Any, shift: Any = 0.0) -> Any:
        return x * scale + shift

    value, product = vjp(f, X, scale=2.0, shift=1.0)
    same(value, 2 * X + 1)
    same(product(np.ones(3))[0], [2, 2, 2])
    value, tangent = jvp(f, (X,), (np.ones(3),), scale=2.0)
    same(value, 2 * X)
    same(tangent, [2, 2, 2])
    same(make_hvp(lambda x, power: np.sum(x**power))(X, power=3)(np.ones(3)), 6 * X)
    same(elementwise_grad(f)(X, scale=2.0), [2, 2, 2])


Point = namedtuple("Point", "x y")


@dataclass
class Affine:
    weights: Any
    bias: Any = None


def test_structures_of_arguments() -> None:
    params = {"layers": [(M, X[:2]), (X[:2], 1.0)], "point": Point(2.0, [3.0]), "none": [], "empty": {}}

    def f(p: Any) -> Any:
        (w, b), (v, c) = p["layers"]
        return np.sum((w @ X + b) * v) + c * p["point"].x * p["point"].y[0]

    g = grad(f)(params)
    assert type(g) is dict and list(g) == list(params) and g["none"] == [] and g["empty"] == {}
    (w, b), (v, c) = g["layers"]
    same(w, np.outer(X[:2], X))
    same(b, X[:2])
    same(v, M @ X + X[:2])
    same(c, 6)
    assert type(g["layers"]) is list and type(g["layers"][0]) is tuple and type(g["point"]) is Point
    same(g["point"].x, 3)
    same(g["point"].y[0], 2)
    assert params["point"] == Point(2.0, [3.0])


def test_structures_of_outputs() -> None:
    def f(x: Any) -> Any:
        return {"square": x * x, "rest": Point(x.sum(), [3.0])}

    value, product = vjp(f, X)
    same(value["square"], X * X)
    same(value["rest"].x, 1.5)
    same(value["rest"].y[0], 3)
    (g,) = product({"square": np.ones(3), "rest": Point(10.0, [100.0])})
    same(g, 2 * X + 10)
    j = jacobian(f)(X)
    same(j["square"], np.diag(2 * X))
    same(j["rest"].x, np.ones(3))
    same(j["rest"].y[0], np.zeros(3))
    both = jacobian(lambda x, y: (x * y, y), (0, 1))(X, 2.0)
    same(both[0][0], 2 * np.eye(3))
    same(both[0][1], X)
    same(both[1][1], 1)


def test_dataclasses_are_structures() -> None:
    def f(affine: Affine, x: Any) -> Any:
        return Affine(affine.weights @ x, np.sum(affine.bias))

    affine = Affine(M, X[:2])
    gradient = grad(lambda affine: np.sum(f(affine, X).weights) + 3 * f(affine, X).bias)(affine)
    assert type(gradient) is Affine
    same(gradient.weights, np.stack([X, X]))
    same(gradient.bias, [3, 3])
    value, product = vjp(f, affine, X)
    assert type(value) is Affine
    by_affine, by_x = product(Affine(np.ones(2), 2.0))
    same(by_affine.bias, [2, 2])
    same(by_x, M.sum(axis=0))
    same(jvp(f, (affine, X), (affine, np.zeros(3)))[1].weights, M @ X)
    blocks = jacobian(f)(affine, X)
    same(blocks.weights.bias, np.zeros((2, 2)))
    same(blocks.bias.bias, np.ones(2))
    with pytest.raises(ValueError, match="a dataclass Affine, and not a tuple"):
        product((np.ones(2), 2.0))


def test_none_is_an_absent_argument() -> None:
    def f(affine: Affine, scale: Any = None) -> Any:
        y = affine.weights @ X
        y = y if affine.bias is None else y + affine.bias
        return np.sum(y if scale is None else y * scale)

    gradient = grad(f)(Affine(M))
    same(gradient.weights, np.stack([X, X]))
    assert gradient.bias is None
    by_affine, by_scale = grad(f, (0, 1))(Affine(M), None)
    assert by_affine.bias is None and by_scale is None
    assert hessian(f)(Affine(M)).bias is None
    assert hvp(f)(Affine(M), Affine(M)).bias is None
    value, product = vjp(lambda x: {"square": x * x, "none": None}, X)
    assert value["none"] is None
    same(product({"square": np.ones(3), "none": None})[0], 2 * X)


def test_the_order_of_keys_does_not_matter() -> None:
    a, b = vjp(lambda p: {"sum": p["x"] + p["y"], "y": p["y"]}, OrderedDict(x=X, y=2 * X))[1](
        {"sum": X, "y": X}
    )[0].values()
    same(a, X)
    same(b, 2 * X)


def test_cotangents_and_tangents_are_matched_by_key() -> None:
    product = vjp(lambda x: {"once": x, "twice": 2 * x}, X)[1]
    same(product({"twice": np.zeros(3), "once": np.ones(3)})[0], np.ones(3))
    same(
        jvp(lambda p: p["a"] * 2 + p["b"], ({"a": X, "b": X},), ({"b": np.zeros(3), "a": np.ones(3)},))[1],
        [2] * 3,
    )


def test_cotangents_have_the_structure_and_shape_of_the_output() -> None:
    product = vjp(lambda x: (x, x * 2), X)[1]
    for cotangent in (X, (X,), (X, X, X)):
        with pytest.raises(ValueError, match=r"the cotangent .* structure"):
            product(cotangent)
    with pytest.raises(ValueError, match=r"tensor of shape \(3,\) must have that shape, not \(2,\)"):
        product((X, X[:2]))
    with pytest.raises(ValueError, match="structure"):
        jvp(np.sin, (X,), (X, X))
    with pytest.raises(ValueError, match="shape"):
        jvp(np.sin, (X,), (X[:2],))


# ------------------------------------------------------------------------------------- what f returns


def test_constants_have_zero_gradients() -> None:
    for f in (
        lambda x: 3.0,
        lambda x: 3,
        lambda x: np.ones(()),
        lambda x: Tensor(1.0),
        lambda x: x.detach().sum(),
        lambda x: np.argmax(x),
    ):
        same(grad(f)(X), np.zeros(3))
        same(hessian(f)(X), np.zeros((3, 3)))
    by_x, by_unused = grad(lambda x, unused: np.sum(x), (0, 1))(X, M)
    same(by_x, np.ones(3))
    same(by_unused, np.zeros((2, 3)))
    same(value_and_grad(lambda x: 3)(X)[0], 3)


def test_a_single_element_of_any_shape_is_a_number() -> None:
    value, gradient = value_and_grad(lambda x: (x * x).sum(keepdims=True))(X)
    same(value, [5.25])
    same(gradient, 2 * X)


@pytest.mark.parametrize(
    ("f", "kind"),
    [
        (lambda x: x, r"shape \(3,\)"),
        (lambda x: np.ones((2, 2)), r"shape \(2, 2\)"),
        (lambda x: (x.sum(), x.sum()), "a tuple"),
        (lambda x: {"loss": x.sum()}, "a dict"),
        (lambda x: [x.sum()], "a list"),
        (lambda x: x[:0], r"shape \(0,\)"),
    ],
)
def test_grad_needs_a_single_number(f: Any, kind: str) -> None:
    message = (
        f"returns one number, and this one returned {kind}; reduce it, e.g. with np.sum, or use jacobian"
    )
    for transform in (grad, value_and_grad, hessian):
        with pytest.raises(TypeError, match=message):
            transform(f)(X)


def test_a_forgotten_return_is_named() -> None:
    with pytest.raises(TypeError, match="returned"):
        grad(lambda x: None)(X)


def test_errors_of_the_function_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1 // 0)(X)
    same(grad(quadratic)(X), M.T @ M @ X)


def test_empty_arrays() -> None:
    nothing = np.zeros((0, 3))
    same(grad(np.sum)(nothing), nothing)
    same(jacobian(lambda x: x * x)(nothing), np.zeros((0, 3, 0, 3)))
    same(jacobian(lambda x: x.sum(axis=0))(nothing), np.zeros((3, 0, 3)))
    same(hessian(lambda x: np.sum(x * x))(nothing), np.zeros((0, 3, 0, 3)))
    same(hvp(lambda x: np.sum(x * x))(nothing, nothing), nothing)
    same(jvp(np.sin, (nothing,), (nothing,))[1], nothing)


def test_no_arguments() -> None:
    value, product = vjp(lambda: 3.0)
    assert value == 3 and product(1.0) == ()


# ---------------------------------------------------------------------------------- beside the value


def with_aux(x: Any) -> Any:
    y = M @ x
    return np.sum(y * y) / 2, {"y": y, "shape": x.shape, "name": "y", "pair": [y[0], 3]}


@pytest.mark.parametrize("kind", [np.ndarray, Tensor])
def test_what_is_returned_beside_the_value(kind: type) -> None:
    x, v = (Tensor(X), Tensor(np.ones(3))) if kind is Tensor else (X, np.ones(3))
    (value, first), gradient = value_and_grad(with_aux, has_aux=True)(x)
    same(value, quadratic(X), kind)
    same(gradient, M.T @ M @ X, kind)
    gradient, second = grad(with_aux, has_aux=True)(x)
    same(gradient, M.T @ M @ X, kind)
    value, product, third = vjp(with_aux, x, has_aux=True)
    same(value, quadratic(X), kind)
    same(product(1.0)[0], M.T @ M @ X, kind)
    value, tangent, fourth = jvp(with_aux, (x,), (v,), has_aux=True)
    same(value, quadratic(X), kind)
    same(tangent, np.sum(M.T @ M @ X), kind)
    row, fifth = jacobian(with_aux, has_aux=True)(x)
    same(row, M.T @ M @ X, kind)
    matrix, sixth = hessian(with_aux, has_aux=True)(x)
    same(matrix, M.T @ M, kind)
    for aux in (first, second, third, fourth, fifth, sixth):
        same(aux["y"], M @ X, kind)
        same(aux["pair"][0], (M @ X)[0], kind)
        assert aux["shape"] == (3,) and aux["name"] == "y" and aux["pair"][1] == 3
        assert kind is np.ndarray or not aux["y"].requires_grad


def test_what_is_returned_beside_the_value_may_be_differentiated_outside() -> None:
    same(grad(lambda w: grad(lambda x: (x * w, x * w * w), has_aux=True)(2.0)[1])(3.0), 12)
    w = Tensor(3.0, requires_grad=True)
    gradient, aux = grad(lambda x: (x * 5, w * w), has_aux=True)(2.0)
    same(gradient, 5)  # which does not depend on w
    aux.backward()
    assert w.grad.item() == 6


def test_a_large_jacobian_with_aux() -> None:
    columns, aux = jacobian(lambda x: (np.broadcast_to(x, (50, 3)), x.sum()), has_aux=True)(X)
    same(columns, np.broadcast_to(np.eye(3), (50, 3, 3)))
    same(aux, X.sum())


@pytest.mark.parametrize("result", [1.0, [1.0, 2.0], (1.0,), (1.0, 2, 3), None], ids=repr)
def test_aux_is_the_second_of_a_pair(result: Any) -> None:
    with pytest.raises(TypeError, match=r"returns a pair, \(value, aux\), and this one returned a "):
        grad(lambda x: result, has_aux=True)(X)


def test_grad_of_a_pair_says_how_to_return_one() -> None:
    with pytest.raises(TypeError, match="has_aux=True"):
        grad(with_aux)(X)


# -------------------------------------------------------------------------------- inputs without effect


def partly(params: Any, x: Any) -> Any:
    return np.sum(params["w"] * x.detach()) + stop_gradient(params["b"][1]).sum()


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, n: grad(f, n, strict=True),
        lambda f, n: value_and_grad(f, n, strict=True),
        lambda f, n: jacobian(f, n, strict=True),
        lambda f, n: hessian(f, n, strict=True),
        lambda f, n: make_hvp(f, n, strict=True),
        lambda f, n: lambda *args: hvp(f, n, strict=True)(*args, None),
    ],
)
def test_strict_names_the_inputs_that_do_not_reach_the_output(transform: Any) -> None:
    params = {"w": X, "b": [M, Affine(M).weights]}
    for argnums in (0, -2):
        message = "argument 0 ('params')['b'][0], argument 0 ('params')['b'][1] do not reach the output"
        with pytest.raises(ValueError, match=re.escape(message)):
            transform(partly, argnums)(params, Tensor(X))
    with pytest.raises(
        ValueError, match=r"argument 1 \('x'\) does not reach .* so the gradient would be zero"
    ):
        transform(lambda a, x: np.sum(a), (0, 1))(X, X)
    with pytest.raises(ValueError, match=r"^argument 0 \('affine'\)\.bias does not"):
        transform(lambda affine: np.sum(affine.weights), 0)(Affine(X, X))


def test_strict_products() -> None:
    with pytest.raises(ValueError, match=r"^argument 1 \('b'\) does not reach"):
        vjp(lambda a, b: a * 2, X, X, strict=True)
    _, product = vjp(lambda a, b, scale: a * b * scale, X, X, strict=True, scale=2.0)
    same(product(np.ones(3))[0], 2 * X)


def test_strict_gives_what_is_given_without_it() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.sum(a["x"] * b) + a["y"][0]

    args = {"x": X, "y": [2.0], "none": None}, X + 1
    gradients = grad(f, (0, 1), strict=True)(*args)
    same(gradients[0]["x"], X + 1)
    same(gradients[0]["y"][0], 1)
    same(gradients[1], X)
    same(hessian(f, 1, strict=True)(*args), np.zeros((3, 3)))  # f is linear, but not constant
    same(grad(lambda x: x, strict=True)(2.0), 1)
    same(hvp(f, 1, strict=True)(*args, X), np.zeros(3))
    same(grad(lambda x: grad(lambda y: x * y * y, strict=True)(x), strict=True)(3.0), 12)


def test_strict_knows_what_has_no_derivative() -> None:
    with pytest.raises(ValueError, match="argument 0"):
        grad(lambda x: np.sum(np.where(x > 0, 1.0, Tensor(X))), strict=True)(X)
    counted = primitive(lambda x, y: x * len(y), lambda g, y, x, z: g * len(z), None, name="counted")
    with pytest.raises(ValueError, match=r"^argument 1 \('b'\)"):
        grad(lambda a, b: counted(a, b), (0, 1), strict=True)(2.0, X)


def test_strict_names_several_uses_once() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.concatenate([x["a"], x["a"]]))

    with pytest.raises(ValueError, match=r"^argument 0 \('x'\)\['b'\] does not"):
        grad(f, strict=True)({"a": X, "b": X})


def test_nothing_reaches_through_stop_gradient() -> None:
    same(grad(lambda x: np.sum(stop_gradient(x) * x))(X), X)
    same(grad(lambda x: np.sum(stop_gradient(x)))(X), np.zeros(3))
    assert grad(grad(lambda x: stop_gradient(x) ** 2 * x))(3.0) == 0
    assert grad(lambda x: grad(lambda y: stop_gradient(x) * y * y)(x))(3.0) == 6  # 2 [x] y at y=x
    assert grad(lambda x: stop_gradient(grad(lambda y: x * y * y)(x)) * x)(3.0) == 18
    same(jvp(lambda x: stop_gradient(x) * x, (X,), (np.ones(3),))[1], X)
    same(hessian(lambda x: np.sum(stop_gradient(x) * x**2))(X), np.diag(2 * X))


def test_stop_gradient_keeps_values_and_structure() -> None:
    w = Tensor(X, requires_grad=True)
    tree = stop_gradient({"w": w, "affine": Affine(w * 2), "text": "text", "array": M})
    assert tree["array"] is M and tree["text"] == "text" and tree["affine"].bias is None
    for leaf, values in ((tree["w"], X), (tree["affine"].weights, 2 * X)):
        same(leaf, values, Tensor)
        assert not leaf.requires_grad
    w.data = w.data * 2
    same(tree["w"], X, Tensor)  # as it was


# -------------------------------------------------------------------------------- elementwise functions


def test_elementwise_derivatives() -> None:
    same(elementwise_grad(np.tanh)(X), 1 - np.tanh(X) ** 2)
    same(elementwise_grad(elementwise_grad(np.tanh))(X), -2 * np.tanh(X) * (1 - np.tanh(X) ** 2))
    g = np.tanh
    for _ in range(4):
        g = elementwise_grad(g)
    same(g(M), np.vectorize(grad(grad(grad(grad(np.tanh)))))(M))
    same(elementwise_grad(np.sin)(2.0), np.cos(2.0))
    same(elementwise_grad(lambda x, y: x * y, 1)(X, 2.0), X.sum())
    by_x, by_y = elementwise_grad(lambda x, y: x * y, (0, 1))(X, X + 1)
    same(by_x, X + 1)
    same(by_y, X)
    same(elementwise_grad(lambda x: 3.0)(X), np.zeros(3))
    same(elementwise_grad(lambda x: (x * x, {"y": 3 * x}))(X), 2 * X + 3)
    same(elementwise_grad(np.exp)(Tensor(X)), np.exp(X), Tensor)
    assert elementwise_grad(np.exp)(X.astype(np.float32)).dtype == np.float32


# ---------------------------------------------------------------------------------- complex functions

Z = np.array([0.5 + 0.3j, -0.2 + 0.8j, 1.1 - 0.4j])
V = np.array([0.3 - 1j, 2 + 0.5j, -0.7 + 0.2j])
C = M + 1j * M[::-1]


def test_holomorphic_functions_have_complex_jacobians() -> None:
    same(jacobian(lambda z: C @ z)(Z), C)
    same(jacobian(np.exp)(Z), np.diag(np.exp(Z)))
    same(jacobian(lambda z: z**3 / (1 + z))(2j), (3 * (2j) ** 2 * (1 + 2j) - (2j) ** 3) / (1 + 2j) ** 2)
    same(jacobian(jacobian(lambda z: z**3))(Z), 6 * np.einsum("ij,jk->ijk", np.diag(Z), np.eye(3)))
    same(jacobian(lambda z: np.conj(np.exp(np.conj(z))))(Z), np.diag(np.exp(Z)))
    same(jacobian(lambda z: z * 0)(Z), np.zeros((3, 3)))
    for dtype in (np.complex64, np.complex128):
        assert jacobian(np.exp)(Z.astype(dtype)).dtype == dtype
    same(jacobian(np.exp)(Tensor(Z)), np.diag(np.exp(Z)), Tensor)


@pytest.mark.parametrize(
    "f", [np.conj, np.abs, lambda z: z * np.conj(z), lambda z: np.real(z) + 1j * z, lambda z: C @ np.conj(z)]
)
def test_functions_that_are_not_holomorphic_have_no_complex_jacobian(f: Any) -> None:
    if np.iscomplexobj(f(Z)):
        for transform in (jacobian, elementwise_grad):
            with pytest.raises(TypeError, match=r"not holomorphic .* real and imaginary parts by themselves"):
                transform(f)(Z)
    real = jacobian(lambda z: np.real(f(z)))(Z)
    imaginary = jacobian(lambda z: np.imag(f(z)))(Z)
    for v in (V, 1j * V):  # the derivative in the direction v is <gradient, v>, as of real pairs
        expected = (f(Z + 1e-6 * v) - f(Z - 1e-6 * v)) / 2e-6
        ours = np.real(np.conj(real) @ v) + 1j * np.real(np.conj(imaginary) @ v)
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-8)


def test_a_small_part_that_is_not_holomorphic_is_found() -> None:
    with pytest.raises(TypeError, match="not holomorphic"):
        jacobian(lambda z: np.stack([z * 1e8, np.conj(z)]))(1 + 2j)


def test_complex_functions_of_real_arguments() -> None:
    same(jacobian(lambda x: C @ x)(X), C)
    same(jacobian(lambda x: np.exp(1j * x))(X), np.diag(1j * np.exp(1j * X)))
    same(jacobian(lambda x: np.exp(1j * x))(2.0), 1j * np.exp(2j))
    same(elementwise_grad(lambda x: np.exp(1j * x))(X), 1j * np.exp(1j * X))
    same(elementwise_grad(elementwise_grad(lambda x: np.exp(1j * x)))(X), -np.exp(1j * X))
    same(jacobian(jacobian(lambda x: np.exp(1j * x)))(2.0), -np.exp(2j))
    assert jacobian(lambda x: 1j * x)(X.astype(np.float32)).dtype == np.complex64
    by_x, by_z = jacobian(lambda x, z: x * z, (0, 1))(X, Z)
    same(by_x, np.diag(Z))
    same(by_z, np.diag(X + 0j))
    blocks = jacobian(lambda x, unused: {"real": x * 2, "complex": x * 1j}, (0, 1))(X, X)
    same(blocks["real"][0], 2 * np.eye(3))
    same(blocks["complex"][0], 1j * np.eye(3))
    assert blocks["real"][1].dtype == np.float64 and blocks["complex"][1].dtype == np.complex128


def test_a_large_complex_jacobian() -> None:
    tall = np.arange(120.0).reshape(40, 3) * (1 + 2j)
    same(jacobian(lambda x: tall @ x)(X), tall)
    same(jacobian(lambda z: tall @ z)(Z), tall)


def test_elementwise_derivatives_of_complex_functions() -> None:
    same(elementwise_grad(np.exp)(Z), np.exp(Z))
    same(elementwise_grad(elementwise_grad(lambda z: z**3))(Z), 6 * Z)
    w = Tensor(Z, requires_grad=True)
    assert elementwise_grad(lambda z: z * w)(Z).requires_grad


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (np.exp, lambda z, v: np.exp(z) * v),
        (lambda z: z * z / (1 + z), lambda z, v: (2 * z + z * z) / (1 + z) ** 2 * v),
        (np.conj, lambda z, v: np.conj(v)),
        (np.real, lambda z, v: v.real),
        (np.imag, lambda z, v: v.imag),
        (lambda z: np.real(z * np.conj(z)), lambda z, v: 2 * np.real(np.conj(z) * v)),
        (np.abs, lambda z, v: np.real(np.conj(z) * v) / np.abs(z)),
        (lambda z: z * np.conj(z) ** 2, lambda z, v: np.conj(z) ** 2 * v + 2 * z * np.conj(z * v)),
    ],
)
def test_directional_derivatives_of_complex_functions(f: Any, derivative: Any) -> None:
    value, tangent = jvp(f, (Z,), (V,))
    same(value, f(Z))
    same(tangent, derivative(Z, V))
    w = np.conj(V) if np.iscomplexobj(f(Z)) else V.real
    (cotangent,) = vjp(f, Z)[1](w)  # the adjoint under the real inner product Re(conj(a) b)
    np.testing.assert_allclose(np.sum(np.real(np.conj(w) * tangent)), np.sum(np.real(np.conj(cotangent) * V)))


def test_directional_derivatives_of_complex_functions_of_real_arguments() -> None:
    same(jvp(lambda x: np.exp(1j * x), (X,), (X,))[1], 1j * X * np.exp(1j * X))
    same(jvp(lambda x, z: x * z, (X, Z), (X, V))[1], X * Z + X * V)


def test_gradients_and_hessians_of_real_functions_of_complex_arguments() -> None:
    f = lambda z: np.sum(np.real(z * np.conj(z)) ** 2)  # noqa: E731
    same(grad(f)(Z), 4 * np.abs(Z) ** 2 * Z)  # dL/dx + i dL/dy
    step = (grad(f)(Z + 1e-6 * V) - grad(f)(Z - 1e-6 * V)) / 2e-6
    np.testing.assert_allclose(hvp(f)(Z, V), step, rtol=1e-7)
    np.testing.assert_allclose(make_hvp(f)(Z)(V), step, rtol=1e-7)
    np.testing.assert_allclose(jvp(grad(f), (Z,), (V,))[1], step, rtol=1e-7)
    same(hessian(lambda z: np.sum(np.real(z * np.conj(z))))(Z), 2 * np.eye(3) + 0j)
    with pytest.raises(TypeError, match="not holomorphic"):
        hessian(f)(Z)


# --------------------------------------------------------------------------------------- optimization


def test_many_products_of_one_hessian() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sum(np.exp(x) * np.sin(x[::-1]))

    h = hessian(f)(X)
    calls.clear()
    product = make_hvp(f)(X)
    for v in (np.ones(3), X, np.eye(3)[1]):
        same(product(v), h @ v)
    assert len(calls) == 1
    by_x, by_y = make_hvp(lambda x, y: np.sum(x * x * y), (0, 1))(X, X)((np.ones(3), np.zeros(3)))
    same(by_x, 2 * X)
    same(by_y, 2 * X)
    same(make_hvp(lambda x: np.sum(x**3))(Tensor(X))(np.ones(3)), 6 * X, Tensor)
    same(grad(lambda x: np.sum(make_hvp(lambda x: np.sum(x**3))(x)(np.ones(3))))(X), [6, 6, 6])


START = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov"])
def test_scipy_minimizes_with_products(method: str) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    jac, hessp = grad(rosenbrock), hvp(rosenbrock)
    result = optimize.minimize(rosenbrock, START, jac=jac, hessp=hessp, method=method, tol=1e-8)
    assert result.success
    np.testing.assert_allclose(result.x, np.ones(5), rtol=1e-6)


def test_scipy_minimizes_with_many_products_of_one_hessian() -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    linalg = pytest.importorskip("scipy.sparse.linalg", reason="SciPy is not installed")

    def hess(x: Any) -> Any:
        return linalg.LinearOperator((5, 5), matvec=make_hvp(rosenbrock)(x), dtype=float)

    result = optimize.minimize(rosenbrock, START, jac=grad(rosenbrock), hess=hess, method="trust-constr")
    np.testing.assert_allclose(result.x, np.ones(5), rtol=1e-4)


def test_scipy_minimizes_with_gradients_and_hessians() -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    for options in (
        {"fun": value_and_grad(rosenbrock), "jac": True, "method": "BFGS"},
        {"fun": rosenbrock, "jac": grad(rosenbrock), "hess": hessian(rosenbrock), "method": "trust-exact"},
    ):
        result = optimize.minimize(x0=START, **options)
        assert result.success
        np.testing.assert_allclose(result.x, np.ones(5), rtol=1e-4)
    residuals = lambda x: np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])  # noqa: E731
    result = optimize.least_squares(residuals, START, jac=jacobian(residuals))
    np.testing.assert_allclose(result.x, np.ones(5), rtol=1e-4)


# ------------------------------------------------------------------------------- nesting and capturing


def by_grad(f: Any) -> Any:
    return grad(f)


def by_jvp(f: Any) -> Any:
    return lambda x: jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize("outer", [by_grad, by_jvp, jacobian])
@pytest.mark.parametrize("inner", [by_grad, by_jvp, jacobian])
def test_perturbations_are_not_confused(outer: Any, inner: Any) -> None:
    # Siskind and Pearlmutter, "Perturbation confusion and referential transparency" (2005):
    # d/dx [x d/dy (x + y) at y=1] at x=1 is 1, and 2 where confused.
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1
    # Their "Nesting forward-mode AD in a functional framework" (2008): d/dx [x d/dy (x y) at y=2] = d/dx x^2
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0) == 6

    # Manzyuk et al., "Perturbation confusion in forward automatic differentiation of higher-order functions"
    # (2012), the amazing bug: the derivative D of the curried shift s(u)(f)(x) = f(x + u) by u at 0 makes f'
    # of f, and of a function made by itself f'', where a confused D gives 0.
    def s(u: Any) -> Any:
        return lambda f: lambda x: f(x + u)

    def d(derivative: Any) -> Any:
        return lambda f: lambda x: derivative(lambda u: s(u)(f)(x))(0.0)

    np.testing.assert_allclose(d(outer)(d(inner)(np.exp))(1.0), np.exp(1))
    np.testing.assert_allclose(d(outer)(d(inner)(lambda x: x**3))(2.0), 12)


def test_perturbations_are_not_confused_at_one_value_or_in_three_levels() -> None:
    assert grad(lambda x: grad(lambda y: x * x * y)(x))(3.0) == 6  # y starts as x itself
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12  # d/dx [2 x y at y=x]
    inner = grad(lambda x: x * grad(lambda y: y * grad(lambda z: x * y * z)(1.0))(5.0))
    assert inner(3.0) == 60  # z: x y; y: 2 x y = 10 x; x: 20 x
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6
    assert jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1] == 6


def test_captured_tensors_get_gradients_through_inner_transforms() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    inner = grad(lambda x: np.sum(w * x * x))(X)  # 2 w x
    assert type(inner) is Tensor and inner.requires_grad
    np.sum(inner**2).backward()
    np.testing.assert_allclose(w.grad.data, 8 * w.data * X**2)
    for result, derivative in (
        (hvp(lambda x: np.sum(w * x * x))(X, np.ones(3)), np.full(3, 2)),
        (jvp(lambda x: w * x, (X,), (np.ones(3),))[1], np.ones(3)),
        (jvp(lambda x: w * x, (X,), (np.ones(3),))[0], X),
        (vjp(lambda x: w * x, X)[1](np.ones(3))[0], np.ones(3)),
        (vjp(lambda x: w * x, X)[0], X),
        (np.sum(jacobian(lambda x: w * x)(X), axis=0), np.ones(3)),
        (np.sum(hessian(lambda x: np.sum(w * x * x))(X), axis=0), np.full(3, 2)),
    ):
        w.grad = None
        result.sum().backward()
        np.testing.assert_allclose(w.grad.data, derivative)


def test_captured_tensors_are_left_alone_where_nothing_is_recorded() -> None:
    w = Tensor(X, requires_grad=True)
    with no_grad():
        assert type(grad(lambda x: np.sum(w * x))(X)) is np.ndarray
    grad(lambda x: np.sum(w * x))(X)
    assert w.grad is None


def test_results_on_tracked_tensors_can_be_differentiated_again() -> None:
    x = Tensor(X, requires_grad=True)
    for make, derivative in (
        (lambda: grad(lambda x: np.sum(x * x * 2))(x), [4, 4, 4]),
        (lambda: value_and_grad(lambda x: np.sum(x**3))(x)[0], 3 * X**2),
        (lambda: hvp(lambda x: np.sum(x**3))(x, np.ones(3)), [6, 6, 6]),
        (lambda: jvp(np.sin, (x,), (np.ones(3),))[1], -np.sin(X)),
        (lambda: jvp(np.sin, (x,), (np.ones(3),))[0], np.cos(X)),
        (lambda: vjp(np.sin, x)[1](np.ones(3))[0], -np.sin(X)),
        (lambda: jacobian(np.sin)(x), -np.sin(X)),
        (lambda: hessian(lambda x: np.sum(x**3))(x), [6, 6, 6]),
    ):
        x.grad = None
        make().sum().backward()
        np.testing.assert_allclose(x.grad.data, derivative)


def test_cotangents_can_be_differentiated_by() -> None:
    same(grad(lambda v: np.sum(vjp(np.sin, X)[1](v)[0]))(X), np.cos(X))
    same(jacobian(lambda v: vjp(np.sin, X)[1](v)[0])(X), np.diag(np.cos(X)))
    same(grad(lambda v: np.sum(hvp(lambda x: np.sum(x**3))(X, v)))(X), 6 * X)
    v = Tensor(X, requires_grad=True)
    vjp(np.sin, X)[1](v)[0].sum().backward()
    np.testing.assert_allclose(v.grad.data, np.cos(X))


def test_products_made_before_can_be_differentiated() -> None:
    product = vjp(np.sin, X)[1]
    same(grad(lambda v: np.sum(product(v)[0]))(X), np.cos(X))


def test_tangents_can_be_differentiated_by() -> None:
    same(grad(lambda v: np.sum(jvp(np.sin, (X,), (v,))[1]))(X), np.cos(X))
    v = Tensor(X, requires_grad=True)
    jvp(np.sin, (X,), (v,))[1].sum().backward()
    np.testing.assert_allclose(v.grad.data, np.cos(X))


def test_a_captured_tensor_may_be_an_output() -> None:
    assert grad(lambda w: vjp(lambda x: (x, w), 2.0)[0][1] * 3)(5.0) == 3
    assert grad(lambda w: value_and_grad(lambda x: w)(2.0)[0] * 3)(5.0) == 3
    assert grad(lambda w: jvp(lambda x: w, (2.0,), (1.0,))[0] * 3)(5.0) == 3


def test_a_transform_may_be_called_on_the_same_tensor_twice() -> None:
    x = Tensor(2.0, requires_grad=True)
    assert grad(lambda a, b: a * b * b, (0, 1))(x, x)[0].item() == 4
    assert grad(lambda a, b: a * b * b, (0, 1))(x, x)[1].item() == 8


def test_a_transform_leaves_the_graph_around_it_in_place() -> None:
    w = Tensor(X, requires_grad=True)
    y = np.sum(w * w)
    grad(lambda x: y * x)(2.0)
    grad(lambda x: y * x)(2.0)
    y.backward()
    np.testing.assert_array_equal(w.grad.data, 2 * X)


def test_mixed_derivatives_commute() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sin(x * y) + x**3 / y

    xy = grad(lambda x, y: grad(f, 1)(x, y))(1.2, 0.7)
    yx = grad(lambda x, y: grad(f, 0)(x, y), 1)(1.2, 0.7)
    np.testing.assert_allclose(xy, yx, rtol=1e-12)


def test_backward_and_transforms_are_one_engine() -> None:
    x = Tensor(X, requires_grad=True)
    np.sum(np.tanh(x) * x).backward()
    same(grad(lambda x: np.sum(np.tanh(x) * x))(X), x.grad.data)


def test_plain_arguments_give_plain_results_around_transforms_that_capture() -> None:
    def f(w: Any) -> Any:
        return value_and_grad(lambda x: x * x * w)(2.0)[0]

    same(jvp(f, (3.0,), (1.0,))[1], 4)


def test_a_tensor_whose_graph_was_freed_is_a_constant_like_any_other() -> None:
    outside = Tensor([2.0], requires_grad=True) * 3
    outside.backward()
    np.testing.assert_array_equal(grad(lambda x: np.sum(x * outside))(np.array([1.0])).data, [6])


def test_a_product_whose_graph_was_freed_says_so() -> None:
    w = Tensor(X, requires_grad=True)
    product = vjp(lambda x: x * w * x, X)[1]
    product(np.ones(3))[0].sum().backward()
    with pytest.raises(RuntimeError, match="was freed by an earlier backward"):
        product(np.ones(3))


# -------------------------------------------------------------------------------------- memory, threads


def test_the_callers_arrays_are_never_written_nor_handed_back() -> None:
    x, v = X.copy(), np.ones(3)
    for array in (x, v):
        array.flags.writeable = False
    results = [
        grad(lambda x: np.sum(x + x))(x),
        *vjp(lambda x: x + 0, x)[1](v),
        *vjp(lambda x: x, x)[1](v),
        jvp(lambda x: x * 1, (x,), (v,))[1],
        jvp(lambda x: x, (x,), (v,))[1],
        hvp(lambda x: np.sum(x * x))(x, v),
        *grad(lambda a, b: np.sum(a + b), (0, 1))(x, x),
        grad(lambda x: 1.0)(x),
    ]
    for i, result in enumerate(results):
        assert result.flags.writeable
        for other in (x, v, *results[:i]):
            assert not np.shares_memory(result, other)
    np.testing.assert_array_equal(x, X)


def test_products_of_one_trace_share_no_memory() -> None:
    product = vjp(lambda x: x * 2, X)[1]
    first, second = product(X)[0], product(X)[0]
    first[:] = 0
    same(second, 2 * X)


def test_two_threads_differentiate_at_once() -> None:
    def work(seed: int) -> bool:
        x = np.random.default_rng(seed).uniform(0.5, 1.5, 3)
        for k in range(150):
            power = 2 + (seed + k) % 3
            f = lambda x, p=power: np.sum(x**p * np.sin(x).detach().data)  # noqa: E731
            np.testing.assert_allclose(grad(f)(x), power * x ** (power - 1) * np.sin(x))
            h = hessian(lambda x, p=power: np.sum(x**p))(x)
            np.testing.assert_allclose(np.diag(h), power * (power - 1) * x ** (power - 2))
            with no_grad():
                assert grad(grad(lambda x: x**3))(2.0) == 12
        return True

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(work, range(4)))


def test_two_threads_differentiate_one_shared_model() -> None:
    w = Tensor(M, requires_grad=True)

    def work(k: int) -> Any:
        return grad(lambda w: np.sum(np.tanh(w @ X) * k))(w).data

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, range(200)))
    for k, result in enumerate(results):
        np.testing.assert_allclose(result, k * results[1])
    assert w.grad is None


# ------------------------------------------------------------------- variables of several kinds at once


def test_only_some_variables_stand_for_tracked_tensors() -> None:
    x, c = np.array([1.0, 2.0]), np.array([0.5, 0.3])

    def f(a: Any, b: Any) -> Any:
        return np.sum(np.exp(a * b))

    same(grad(lambda x: value_and_grad(f, (0, 1))(x, c)[0])(x), c * np.exp(c * x))
    same(grad(lambda x: np.sum(grad(f, (0, 1))(x, c)[0]))(x), c * c * np.exp(c * x))
    same(grad(lambda x: np.sum(grad(f, (0, 1))(c, x)[0]))(x), (1 + c * x) * np.exp(c * x))
    value, pull = vjp(lambda a, b: np.exp(a * b), Tensor(x, requires_grad=True), c)
    assert value.requires_grad
    assert all(gradient.requires_grad for gradient in pull(np.ones(2)))


def test_a_gradient_through_a_step_of_gradient_descent() -> None:
    x, y = np.array([0.3, -0.4]), np.array([1.0, 2.0])

    def loss(w: Any, b: Any) -> Any:
        return np.sum(np.tanh(w * x + b - y) ** 2)

    def after_a_step(w: Any, rate: Any) -> Any:
        by_w, by_b = grad(loss, (0, 1))(w, np.zeros(2))
        return loss(w - rate * by_w, -rate * by_b)

    assert gradcheck(after_a_step, np.array([0.5, 1.5]), 0.1)
    assert gradcheck(lambda rate: after_a_step(np.array([0.5, 1.5]), rate), 0.1)


def test_tensors_of_others_stay_as_they_are() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    seen = []

    def f(x: Any) -> Any:
        w.data = w.data * 1.0  # younger than x now
        product = w * 2
        seen.append(product)
        return np.sum(product * x)

    same(grad(f)(X[:2]), [2, 4])
    assert w.requires_grad
    seen[0].sum().backward()
    same(w.grad.data, [2, 2])


# ----------------------------------------------------------------------------- Jacobians of many rows


def test_jacobians_without_variables() -> None:
    assert jacobian(lambda p: np.ones(3))([]) == []
    assert jacobian(lambda p: p * 2, argnums=())(np.ones(2)) == ()


def test_the_gradient_of_a_complex_number_is_refused() -> None:
    for f in (lambda x: 1j * x, lambda x: np.exp(1j * x)):
        with pytest.raises(TypeError, match=r"grad needs .* real number.* np.abs or .real of it"):
            grad(f)(1.0)


def test_a_jacobian_in_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return np.tanh(M @ x)[:, None] * x + np.sum(x)

    whole = jacobian(f)(X)
    for at_once in (1, 12, 20):
        monkeypatch.setattr("autograd.transforms.AT_ONCE", at_once)
        np.testing.assert_array_equal(jacobian(f)(X), whole)


def counted_walks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of rows of every call of backpropagate_rows."""
    rows = []

    def counting(output: Any, seeds: Any, path: Any) -> Any:
        rows.append(len(seeds))
        return backpropagate_rows(output, seeds, path)

    monkeypatch.setattr("autograd.transforms.backpropagate_rows", counting)
    return rows


def test_a_jacobian_takes_the_way_that_is_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = counted_walks(monkeypatch)
    tall, wide = np.arange(300.0).reshape(100, 3), np.arange(300.0).reshape(3, 100)
    same(
        jacobian(lambda x: np.tanh(tall @ x / 100))(X),
        (1 - np.tanh(tall @ X / 100) ** 2)[:, None] * tall / 100,
    )
    assert sum(rows) == 3
    rows.clear()
    same(jacobian(lambda x: wide @ x)(np.ones(100)), wide)
    assert sum(rows) == 3


def test_a_jacobian_by_columns_of_structures() -> None:
    def f(p: Any, y: Any) -> Any:
        z = p["x"] * y[:, None]
        return {"z": np.sin(z), "sum": np.sum(p["x"]), "constant": np.ones(60), "y": (y, None)}

    p, y = {"x": X, "unused": 2.0, "none": None}, np.linspace(0, 1, 8)
    trace = Trace(f, (p, y))
    expected = [trace.by_rows(output) for output in trace.outputs]
    for row, other in zip(trace.by_columns(), expected, strict=True):
        for block, right in zip(row, other, strict=True):
            same(block, right)
    blocks = jacobian(f)(p, y)
    assert blocks["z"]["none"] is None and blocks["y"][1] is None
    np.testing.assert_allclose(
        blocks["z"]["x"], np.cos(X * y[:, None])[..., None] * np.einsum("i,jk->ijk", y, np.eye(3))
    )
    same(blocks["constant"]["x"], np.zeros((60, 3)))
    same(jacobian(f)({"x": Tensor(X), "unused": 2.0}, y)["z"]["x"], blocks["z"]["x"], Tensor)


def test_a_jacobian_by_columns_may_be_nested() -> None:
    tall = np.arange(90.0).reshape(30, 3) / 50
    f = lambda x: np.exp(np.sin(tall @ x))  # noqa: E731
    j = jacobian(jacobian(f))(X)
    assert j.shape == (30, 3, 3)
    for i in (0, 7, 29):
        np.testing.assert_allclose(j[i], hessian(lambda x, i=i: f(x)[i])(X), rtol=1e-9)
    w = Tensor(2.0, requires_grad=True)
    jacobian(lambda x: w * f(x))(X).sum().backward()
    np.testing.assert_allclose(w.grad.data, jacobian(f)(X).sum())
    with no_grad():
        same(jacobian(lambda x: w * f(x))(X), 2 * jacobian(f)(X))


def test_a_jacobian_by_columns_goes_by_rows_where_rules_are_for_arrays_alone() -> None:
    def rule(g: Any, y: Any, x: Any) -> Any:
        return np.asarray(g) * 3

    tripled = primitive(lambda x: x * 3, rule, name="tripled")
    same(jacobian(lambda x: tripled(np.broadcast_to(x, (50, 1))))(2.0), np.full((50, 1), 3.0))


def test_a_jacobian_calls_rules_of_any_kind() -> None:
    scaled = primitive(
        lambda a, *, x, g: a * x * g, lambda gradient, y, a, *, x, g: gradient * x * g, name="scaled"
    )
    same(jacobian(lambda a: scaled(a, x=2.0, g=3.0))(X), 6 * np.eye(3))
    numbers = primitive(lambda x: np.sum(x), lambda g, y, x: [float(g)] * len(x), name="numbers")
    same(jacobian(numbers)(X), [1, 1, 1])

    def rule(g: Any, y: Any, x: Any) -> Any:
        assert isinstance(g, np.ndarray)
        return np.ones(3) * g

    same(jacobian(primitive(lambda x: np.sum(x), rule, name="total"))(X), [1, 1, 1])
    constant = primitive(lambda x: np.floor(x), lambda g, y, x: np.zeros(3), elementwise=True, name="floor")
    same(jacobian(constant)(X), np.zeros((3, 3)))


def test_jvp_of_outputs_that_are_integers_is_zero() -> None:
    value, tangent = jvp(lambda x: (x * x, np.argmax(x), x.data > 1), (np.array([1.0, 2.0]),), (np.ones(2),))
    assert value[1] == 1
    np.testing.assert_array_equal(tangent[0], [2, 4])
    np.testing.assert_array_equal(tangent[1], np.array(0.0), strict=True)
    np.testing.assert_array_equal(tangent[2], [0.0, 0.0], strict=True)
