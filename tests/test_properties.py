"""Laws that hold for any program, shape and index, tried on random ones."""

from itertools import product
from typing import Any

import hypothesis.extra.numpy as npst
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from autograd import Tensor, grad, gradcheck, hessian, hvp, jvp, vjp
from nn import functional as F

steady = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def inner(a: Any, b: Any) -> float:
    """Return the inner product of two trees of arrays, each a tuple."""
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


# ------------------------------------------------------------------------------------ random programs

# Every step keeps values moderate, and shapes that can be broadcast against one another.
STEPS = """
np.tanh(a)
np.sin(a)
np.cos(2 * a)
np.arctan(a)
np.exp(np.tanh(a))
np.expm1(-a * a)
np.log1p(np.exp(a))
np.log(2 + np.square(a))
np.log2(3 + np.cos(a))
np.log10(2 + np.tanh(a))
np.sqrt(1 + a * a)
1 / (1 + a * a)
np.tanh(a) ** 3 - a
(1 + a**2) ** -0.5
2.0 ** np.tanh(a)
np.arcsin(np.tanh(a) / 2)
np.arccos(np.tanh(a) / 2)
np.arctanh(np.sin(a) / 2)
np.sinh(np.sin(a))
np.cosh(np.sin(a))
np.tan(np.sin(a))
np.clip(a, -9, 9) * 2
np.abs(a * a + 1)
np.maximum(np.cos(a), -2) + np.minimum(a, 9)
F.sigmoid(a)
F.softplus(a)
F.softmax(a, axis=-1) if a.ndim else a
F.log_softmax(a, axis=0) / 4 if a.ndim else a
a[..., ::-1] if a.ndim else a
np.reshape(np.ravel(a)[::-1], a.shape)
np.reshape(a[np.ones(a.shape, bool)], a.shape)
a[np.arange(a.shape[0]) // 2] if a.ndim else a
np.cumsum(a, axis=-1) / 4 if a.ndim else a
np.stack([a, a * a])[0] + a
np.concatenate([a, -a], axis=-1)[..., : a.shape[-1]] if a.ndim else a
np.repeat(a, 2, axis=0)[1::2] if a.ndim else a
np.swapaxes(np.swapaxes(a, 0, -1) * 2, 0, -1) if a.ndim else a
np.transpose(np.moveaxis(a.T, 0, -1)[None])[..., 0].T if a.ndim == 1 else a
np.squeeze(np.expand_dims(a, (0, -1)), (0, -1))
np.sum(a, axis=-1, keepdims=True) / 4 if a.ndim else a
np.mean(a, axis=0, keepdims=True) if a.ndim else a
np.prod(np.tanh(a), axis=-1, keepdims=True) if a.ndim else a
np.var(np.tanh(a), keepdims=True)
np.std(np.concatenate([np.ravel(a), [7.0]]))
F.logsumexp(a, axis=-1, keepdims=True) if a.ndim else a
np.sum(a) / a.size
np.einsum("...i,...i->...", a, a)[..., None] / 8 if a.ndim else a
np.sum(a @ np.swapaxes(a, -1, -2), axis=-1, keepdims=True) / 8 if a.ndim > 1 else a
a + b
a - b
np.tanh(a) * b
a * b * a
a / (1 + b * b)
(1 + a * a) ** np.tanh(b)
np.arctan2(a, 1 + b * b)
np.where(np.arange(b.size).reshape(b.shape) % 2 == 0, a, b)
np.einsum("...,...->...", a, b)
""".strip().splitlines()
COMPILED = {step: eval(f"lambda a, b: {step}", {"np": np, "F": F}) for step in STEPS}


def run(steps: list[tuple[str, int, int]], inputs: tuple[Any, ...]) -> Any:
    """Return a number computed by steps: each applies an op to the values i and j places back."""
    values = list(inputs)
    for step, i, j in steps:
        result = COMPILED[step](values[-1 - i % len(values)], values[-1 - j % len(values)])
        values.append(result / np.sqrt(1 + result * result))
    return sum(np.sum(np.cos(value)) for value in values[len(inputs) - 1 :])


SHAPES = [
    ((),),
    ((4,),),
    ((3, 2),),
    ((3,), ()),
    ((4,), (1,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((2, 1, 3), (2, 1)),
    ((2, 2, 2), (2, 1), (2,)),
]


def programs() -> Any:
    step = st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.integers(0, 9))
    return st.tuples(st.lists(step, min_size=4, max_size=12), st.sampled_from(SHAPES), st.integers(0, 999))


def inputs_of(shapes: Any, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(normal(shape, seed + k) for k, shape in enumerate(shapes))


@settings(steady, max_examples=200)
@given(programs())
def test_gradients_of_programs_are_those_of_differences(program: Any) -> None:
    steps, shapes, seed = program
    assert gradcheck(lambda *xs: run(steps, xs), *inputs_of(shapes, seed), rtol=1e-4, atol=1e-5)


@settings(steady, max_examples=200)
@given(programs())
def test_recorded_gradients_of_programs_are_those_on_arrays(program: Any) -> None:
    steps, shapes, seed = program
    plain = [Tensor(x, requires_grad=True) for x in inputs_of(shapes, seed)]
    recorded = [Tensor(x, requires_grad=True) for x in inputs_of(shapes, seed)]
    run(steps, tuple(plain)).backward()
    run(steps, tuple(recorded)).backward(create_graph=True)
    for p, r in zip(plain, recorded, strict=True):
        assert (p.grad is None) == (r.grad is None)
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.data, r.grad.data, rtol=1e-9, atol=1e-12)


@settings(steady, max_examples=200)
@given(programs())
def test_second_derivatives_of_programs_are_symmetric_and_those_of_differences(program: Any) -> None:
    steps, shapes, seed = program
    xs = inputs_of(shapes, seed)
    vs, ws = inputs_of(shapes, seed + 10), inputs_of(shapes, seed + 20)
    numbers = tuple(range(len(xs)))

    def f(*xs: Any) -> Any:
        return run(steps, xs)

    hv, hw = hvp(f, numbers)(*xs, vs), hvp(f, numbers)(*xs, ws)
    np.testing.assert_allclose(inner(ws, hv), inner(vs, hw), rtol=1e-8, atol=1e-9)
    forward = jvp(grad(f, numbers), xs, vs)[1]  # one order through jvp instead of vjp
    for a, b in zip(hv, forward, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
    eps = 1e-5
    above = grad(f, numbers)(*(x + eps * v for x, v in zip(xs, vs, strict=True)))
    below = grad(f, numbers)(*(x - eps * v for x, v in zip(xs, vs, strict=True)))
    for a, high, low in zip(hv, above, below, strict=True):
        np.testing.assert_allclose(a, (high - low) / (2 * eps), rtol=1e-4, atol=1e-5)


@settings(steady, max_examples=200)
@given(programs())
def test_jvp_and_vjp_are_adjoint(program: Any) -> None:
    steps, shapes, seed = program
    xs, vs = inputs_of(shapes, seed), inputs_of(shapes, seed + 10)
    value, product = vjp(lambda *xs: run(steps, xs), *xs)
    again, tangent = jvp(lambda *xs: run(steps, xs), xs, vs)
    np.testing.assert_array_equal(value, again)
    np.testing.assert_allclose(tangent, inner(product(np.ones(())), vs), rtol=1e-9, atol=1e-10)


@settings(steady, max_examples=200)
@given(programs())
def test_what_a_function_captures_counts_as_its_argument(program: Any) -> None:
    steps, shapes, seed = program
    first, *others = inputs_of(shapes, seed)
    v = normal(first.shape, seed + 10)

    def through_capture(*others: Any) -> Any:
        return np.sum(grad(lambda x: run(steps, (x, *others)))(first) * v)

    def through_argument(*others: Any) -> Any:
        return np.sum(grad(lambda *xs: run(steps, xs))(first, *others) * v)

    zeros = tuple(np.zeros(x.shape) for x in others)
    numbers = tuple(range(len(others)))
    expected = hvp(lambda *xs: run(steps, xs), tuple(range(len(shapes))))(first, *others, (v, *zeros))[1:]
    for f in (through_capture, through_argument):
        for ours, right in zip(grad(f, numbers)(*others), expected, strict=True):
            np.testing.assert_allclose(ours, right, rtol=1e-8, atol=1e-9)


# -------------------------------------------------------------------------------------- broadcasting


@steady
@given(
    npst.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0), st.integers(0, 9)
)
def test_gradients_are_summed_over_what_was_broadcast(shapes: Any, seed: int) -> None:
    a, b = inputs_of(shapes.input_shapes, seed)
    g = normal(shapes.result_shape, seed + 5)
    by_a, by_b = vjp(np.multiply, a, b)[1](g)
    for ours, x, other in ((by_a, a, b), (by_b, b, a)):
        expected = np.zeros(x.shape)
        where = np.broadcast_to(np.arange(x.size).reshape(x.shape), g.shape)
        np.add.at(expected.reshape(-1), where.reshape(-1), (g * other).reshape(-1))
        assert ours.shape == x.shape
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


@steady
@given(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), st.data())
def test_broadcast_to_is_the_adjoint_of_a_sum(shape: tuple[int, ...], data: Any) -> None:
    target = data.draw(npst.broadcastable_shapes(shape, min_side=0, max_dims=4, max_side=3))
    target = np.broadcast_shapes(shape, target)
    x, g = normal(shape, 0), normal(target, 1)
    value, pull = vjp(lambda x: np.broadcast_to(x, target), x)
    np.testing.assert_allclose(inner((value,), (g,)), inner((x,), pull(g)), rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------ indexing


def indices(shape: tuple[int, ...]) -> Any:
    basic = npst.basic_indices(shape, allow_newaxis=True, max_dims=5)
    if not shape:
        return basic
    boolean = npst.arrays(bool, shape[: 1 + len(shape) // 2])
    if 0 in shape:
        return basic | boolean
    arrays = npst.integer_array_indices(shape, result_shape=npst.array_shapes(max_dims=2, max_side=4))
    part = st.one_of(
        st.integers(-shape[0], shape[0] - 1),
        st.slices(shape[0]),
        st.lists(st.integers(-shape[0], shape[0] - 1), max_size=4),
        npst.arrays(bool, shape[:1]),
        st.none(),
    )
    return st.one_of(basic, arrays, boolean, part, st.tuples(part, st.just(...)), st.tuples(st.none(), part))


@settings(steady, max_examples=300)
@given(
    npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4).flatmap(
        lambda shape: st.tuples(st.just(shape), indices(shape))
    )
)
def test_indexing_is_the_adjoint_of_adding_at_the_index(case: Any) -> None:
    shape, index = case
    x = normal(shape, 0)
    t = Tensor(x, requires_grad=True)
    y = t[index]
    np.testing.assert_array_equal(y.data, x[index])
    g, expected = normal(y.shape, 1), np.zeros(shape)
    np.add.at(expected, index, g)
    y.backward(g)
    np.testing.assert_allclose(t.grad.data, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(
        grad(lambda g: np.sum(vjp(lambda x: x[index], x)[1](g)[0] * x))(g), x[index]
    )


# -------------------------------------------------------------------------------------------- einsum


@st.composite
def contractions(draw: Any) -> tuple[list[str], str, dict[str, int]]:
    letters = "abcd"[: draw(st.integers(1, 4))]
    sizes = {letter: draw(st.integers(1, 3)) for letter in letters}
    terms = draw(st.lists(st.text(letters, max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(used)))[: draw(st.integers(0, len(used)))]
    return terms, output, sizes


@settings(steady, max_examples=200)
@given(contractions(), st.booleans())
def test_einsum_is_a_sum_of_products(contraction: Any, optimize: bool) -> None:
    terms, output, sizes = contraction
    operands = [normal(tuple(sizes[letter] for letter in term), k) for k, term in enumerate(terms)]
    g = normal(tuple(sizes[letter] for letter in output), 9)
    value, gradients = np.zeros(g.shape), [np.zeros(x.shape) for x in operands]
    letters = sorted(set("".join(terms)))
    for values in product(*(range(sizes[letter]) for letter in letters)):
        at = dict(zip(letters, values, strict=True))
        places = [tuple(at[letter] for letter in term) for term in terms]
        place = tuple(at[letter] for letter in output)
        factors = [x[p] for x, p in zip(operands, places, strict=True)]
        value[place] += np.prod(factors)
        for k, p in enumerate(places):
            gradients[k][p] += g[place] * np.prod(factors[:k] + factors[k + 1 :])
    ours, pull = vjp(lambda *xs: np.einsum(f"{','.join(terms)}->{output}", *xs, optimize=optimize), *operands)
    np.testing.assert_allclose(ours, value, rtol=1e-10, atol=1e-12)
    for a, b in zip(pull(g), gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@settings(steady, max_examples=50)
@given(contractions())
def test_second_derivatives_of_einsum(contraction: Any) -> None:
    terms, output, sizes = contraction
    operands = [normal(tuple(sizes[letter] for letter in term), k) for k, term in enumerate(terms)]
    assert gradcheck(
        lambda *xs: np.einsum(f"{','.join(terms)}->{output}", *xs), *operands, order=2, rtol=1e-4
    )


@steady
@given(npst.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3, min_side=1))
def test_matmul_of_any_shapes(shapes: Any) -> None:
    a, b = inputs_of(shapes.input_shapes, 3)
    value, pull = vjp(np.matmul, a, b)
    assert value.shape == shapes.result_shape
    g, da, db = normal(value.shape, 1), normal(a.shape, 2), normal(b.shape, 3)
    by_a, by_b = pull(g)
    np.testing.assert_allclose(inner((by_a,), (da,)), np.sum(g * (da @ b)), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(inner((by_b,), (db,)), np.sum(g * (a @ db)), rtol=1e-9, atol=1e-10)
    tangent = jvp(np.matmul, (a, b), (da, db))[1]
    np.testing.assert_allclose(tangent, da @ b + a @ db, rtol=1e-9, atol=1e-10)


# ---------------------------------------------------------------------------------------- reductions


@st.composite
def reductions(draw: Any) -> tuple[tuple[int, ...], Any, bool]:
    shape = draw(npst.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
    axis = draw(
        st.none() | npst.valid_tuple_axes(len(shape), min_size=1) | st.integers(-len(shape), len(shape) - 1)
    )
    return shape, axis, draw(st.booleans())


@pytest.mark.parametrize("f", [np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std])
@settings(steady, max_examples=25)
@given(reductions())
def test_reductions_over_any_axes(f: Any, case: Any) -> None:
    shape, axis, keepdims = case
    x = normal(shape, 0)
    if f is np.std and x.size == np.size(f(x, axis=axis)):
        return  # the kink of std at a constant
    value, pull = vjp(lambda x: f(x, axis=axis, keepdims=keepdims), x)
    np.testing.assert_array_equal(value, f(x, axis=axis, keepdims=keepdims))
    g, v = normal(value.shape, 1), normal(shape, 2)
    eps = 1e-6
    change = (
        (f(x + eps * v, axis=axis, keepdims=keepdims) - f(x - eps * v, axis=axis, keepdims=keepdims))
        / 2
        / eps
    )
    np.testing.assert_allclose(inner(pull(g), (v,)), np.sum(g * change), rtol=1e-5, atol=1e-5)


@steady
@given(
    npst.arrays(
        float, npst.array_shapes(max_dims=2, max_side=5), elements=st.sampled_from([0.0, 1.0, -2.0, 3.0])
    )
)
def test_prod_and_ties_are_exact(x: np.ndarray) -> None:
    others = [np.prod(np.delete(x.ravel(), i)) for i in range(x.size)]
    np.testing.assert_array_equal(grad(np.prod)(x).ravel(), others)
    for f in (np.max, np.min):
        gradient = grad(f)(x)
        np.testing.assert_allclose(gradient.sum(), 1)
        assert set(gradient[x == f(x)]) == {gradient.max()} and not gradient[x != f(x)].any()


@steady
@given(npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3), st.data())
def test_rearrangements_are_undone(shape: tuple[int, ...], data: Any) -> None:
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    axes = tuple(axis - data.draw(st.sampled_from([0, len(shape)])) for axis in axes)
    i, j = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    for f in (
        lambda x: np.transpose(x, axes),
        lambda x: np.swapaxes(x, i, j),
        lambda x: np.moveaxis(x, i, j),
        lambda x: np.moveaxis(x, axes, range(len(axes))),
        lambda x: np.expand_dims(x, i),
        lambda x: np.reshape(x, -1),
        lambda x: np.reshape(x, x.shape[::-1], order="F"),
        lambda x: np.ravel(x, order="F"),
        lambda x: np.squeeze(x),
        lambda x: x.T,
    ):
        value, pull = vjp(f, x)
        np.testing.assert_array_equal(value, f(x))
        np.testing.assert_array_equal(pull(value)[0], x)


@steady
@given(npst.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3), st.data())
def test_joining_and_repeating(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    parts = []
    for k, length in enumerate(lengths):
        part = list(shape)
        part[axis] = length
        parts.append(normal(tuple(part), k))
    value, pull = vjp(lambda *xs: np.concatenate(xs, axis=axis), *parts)
    for ours, part in zip(pull(value), parts, strict=True):
        np.testing.assert_array_equal(ours, part)
    x = normal(shape, 0)
    value, pull = vjp(lambda x: np.stack([x, 2 * x], axis=axis), x)
    np.testing.assert_allclose(pull(value)[0], 5 * x)
    repeats = data.draw(
        st.integers(0, 3) | st.lists(st.integers(0, 3), min_size=shape[axis], max_size=shape[axis])
    )
    value, pull = vjp(lambda x: np.repeat(x, repeats, axis=axis), x)
    counts = np.moveaxis(np.broadcast_to(repeats, np.moveaxis(x, axis, -1).shape), -1, axis)
    np.testing.assert_allclose(pull(value)[0], counts * x, atol=1e-12)


@steady
@given(npst.arrays(float, st.integers(2, 4), elements=st.floats(-2, 2)))
def test_softmax_sums_to_one_so_its_derivatives_sum_to_zero(x: np.ndarray) -> None:
    np.testing.assert_allclose(vjp(F.softmax, x)[1](np.ones(x.shape))[0], 0, atol=1e-12)
    np.testing.assert_allclose(hessian(F.logsumexp)(x).sum(axis=0), 0, atol=1e-12)
