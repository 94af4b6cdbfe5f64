"""Checkpoints: the same values and derivatives from a graph that is not kept, with less memory."""

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np
import pytest

from autograd import (
    Tensor,
    checkpoint,
    draw_graph,
    elementwise_grad,
    grad,
    gradcheck,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    no_grad,
    primitive,
    value_and_grad,
    vjp,
)
from autograd.recording import modes, watches
from autograd.tensor import implementations
from nn import MLP, SGD, Module
from nn import functional as F

X = np.array([0.5, -1.0, 2.0])
M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Any:
    yield
    assert not modes and not watches


def block(x: Any) -> Any:
    return np.tanh(x) * x + np.sum(x * x) / 3


def chain(wrap: Any) -> Any:
    return lambda x: np.sum(wrap(block)(wrap(block)(x)) ** 2)


def plain(f: Any) -> Any:
    return f


def equal(actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    actual, expected = (x.data if type(x) is Tensor else x for x in (actual, expected))
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------- values and derivatives


@pytest.mark.parametrize("transform", [grad, hessian, jacobian, lambda f: grad(lambda x: np.sum(grad(f)(x)))])
def test_derivatives_are_those_of_the_function(transform: Any) -> None:
    equal(transform(chain(checkpoint))(X), transform(chain(plain))(X))


def test_products_are_those_of_the_function() -> None:
    f, g = checkpoint(block), block
    for one, other in zip(jvp(f, (X,), (X[::-1],)), jvp(g, (X,), (X[::-1],)), strict=True):
        equal(one, other)
    product, expected = vjp(f, X)[1], vjp(g, X)[1]
    for v in (X, np.ones(3)):
        equal(product(v)[0], expected(v)[0])
    equal(hvp(chain(checkpoint))(X, X), hvp(chain(plain))(X, X))
    equal(elementwise_grad(f)(X), elementwise_grad(g)(X))


def test_all_orders_are_right() -> None:
    assert gradcheck(checkpoint(block), X, order=3, rtol=1e-4)
    assert gradcheck(chain(checkpoint), X, order=3, rtol=1e-4)


def test_jacobians_through_a_checkpoint() -> None:
    w = Tensor(M, requires_grad=True)

    def f(wrap: Any) -> Any:
        return lambda x, y: wrap(lambda x, y: np.sin(M @ x) * y)(x * 2, y)

    for one, other in zip(
        jacobian(f(checkpoint), (0, 1))(X, X[:2]), jacobian(f(plain), (0, 1))(X, X[:2]), strict=True
    ):
        equal(one, other)
    tall = np.arange(120.0).reshape(40, 3) / 50
    equal(jacobian(checkpoint(lambda x: np.sin(tall @ x)))(X), jacobian(lambda x: np.sin(tall @ x))(X))
    equal(jacobian(checkpoint(lambda x: w @ x))(X), jacobian(lambda x: w @ x)(X))


@pytest.mark.parametrize("x", [2.0, np.float32(2), X.astype(np.float32), np.zeros((0, 3)), M], ids=repr)
def test_any_shape_and_dtype(x: Any) -> None:
    equal(checkpoint(block)(Tensor(x)), block(Tensor(x)))
    equal(grad(chain(checkpoint))(x), grad(chain(plain))(x))


def test_complex_functions() -> None:
    z = np.array([0.5 + 0.3j, -0.2 + 0.8j])
    f = lambda z: z * z * np.conj(z) + np.abs(z)  # noqa: E731
    equal(vjp(checkpoint(f), z)[1](1j * z)[0], vjp(f, z)[1](1j * z)[0])
    equal(jvp(checkpoint(f), (z,), (1j * z,))[1], jvp(f, (z,), (1j * z,))[1])
    loss = lambda wrap: lambda z: np.sum(np.abs(wrap(np.exp)(wrap(f)(z))))  # noqa: E731
    equal(grad(loss(checkpoint))(z), grad(loss(plain))(z))
    equal(hvp(loss(checkpoint))(z, z), hvp(loss(plain))(z, z))

    def both(wrap: Any) -> Any:
        def f(z: Any) -> Any:
            real, product = wrap(lambda z: (np.real(z * z), z * z * 1j))(z)
            return np.sum(real * np.abs(product))

        return f

    assert checkpoint(lambda z: (np.real(z), z))(Tensor(z, requires_grad=True))[0].dtype == np.float64
    equal(grad(both(checkpoint))(z), grad(both(plain))(z))


# ---------------------------------------------------------------------------------------------- the node


def test_a_checkpoint_is_one_node() -> None:
    w, x = Tensor(M, requires_grad=True), Tensor(X, requires_grad=True)
    h = x * 2
    y = checkpoint(lambda h: np.tanh(w @ h) + 1)(h)
    assert y.op.name == "checkpoint" and y.inputs == (w, h) and y.requires_grad
    assert "checkpoint" in draw_graph(y).source
    y.sum().backward()
    expected = 1 - np.tanh(M @ (2 * X)) ** 2
    np.testing.assert_allclose(w.grad.data, np.outer(expected, 2 * X))
    np.testing.assert_allclose(x.grad.data, 2 * expected @ M)


def test_an_argument_that_is_not_used_is_no_input() -> None:
    a, b = Tensor(X, requires_grad=True), Tensor(X, requires_grad=True)
    y = checkpoint(lambda a, b: a * 2)(a, b)
    assert y.inputs == (a,)
    y.sum().backward()
    assert b.grad is None
    with pytest.raises(ValueError, match=r"argument 1 \('b'\) does not reach"):
        grad(lambda a, b: np.sum(checkpoint(lambda a, b: a * 2)(a, b)), (0, 1), strict=True)(X, X)


def test_a_result_that_depends_on_no_tracked_tensor_is_returned_as_it_is() -> None:
    outputs = [Tensor(X), X, 3.0, "text", None]
    assert checkpoint(lambda: outputs)() is outputs
    assert checkpoint(lambda x: x * 2)(Tensor(X)).op is None
    assert type(checkpoint(np.sin)(X)) is np.ndarray


def test_nothing_is_recorded_in_no_grad() -> None:
    calls = []
    with no_grad():
        y = checkpoint(lambda x: calls.append(1) or x * 2)(Tensor(X, requires_grad=True))
    assert y.op is None and not y.requires_grad and len(calls) == 1
    x = Tensor(X, requires_grad=True)
    y = checkpoint(block)(x).sum()
    with no_grad():
        y.backward()
        np.testing.assert_allclose(grad(chain(checkpoint))(X), grad(chain(plain))(X))
    np.testing.assert_allclose(x.grad.data, grad(lambda x: block(x).sum())(X))


def test_functions_are_not_kept() -> None:
    before = len(implementations)

    def weighted(x: Any) -> Any:
        return x * 2

    functions = [weighted]
    alive = ref(functions[0])
    y = checkpoint(functions[0])(Tensor(X, requires_grad=True))
    y.sum().backward()
    del weighted, y
    functions.clear()
    assert alive() is None and len(implementations) == before


def test_a_name_and_a_docstring_are_those_of_the_function() -> None:
    assert checkpoint(block).__name__ == "block"
    checkpoint(MLP([2, 2], generator=np.random.default_rng(0)))


# ------------------------------------------------------------------------------------------- structures


@dataclass
class State:
    x: Any
    y: Any = None


def several(state: State, params: Any, *, scale: Any, n: int) -> Any:
    x = state.x * params["w"][0] * scale
    return {"x": x, "state": State(np.sum(state.x) ** n * params["w"][1], None), "n": n, "constant": X}


@pytest.mark.parametrize("tracked", ["state", "params", "scale"])
def test_trees_and_keyword_arguments(tracked: str) -> None:
    def loss(wrap: Any) -> Any:
        def f(value: Any) -> Any:
            values = {"state": State(X, None), "params": {"w": (X + 1, 2.0), "none": None}, "scale": 3.0}
            values[tracked] = value
            result = wrap(several)(values["state"], values["params"], scale=values["scale"], n=3)
            assert result["n"] == 3 and result["constant"] is X and result["state"].y is None
            return np.sum(result["x"] ** 2) * result["state"].x

        return f

    value = {"state": State(X, None), "params": {"w": (X + 1, 2.0), "none": None}, "scale": 3.0}[tracked]
    ours, expected = grad(loss(checkpoint))(value), grad(loss(plain))(value)
    if tracked == "state":
        equal(ours.x, expected.x)
        assert ours.y is None
    elif tracked == "params":
        equal(ours["w"][0], expected["w"][0])
        equal(ours["w"][1], expected["w"][1])
    else:
        equal(ours, expected)


def test_several_outputs_are_computed_again_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x * 2, [np.sum(x * x), (x[0], Tensor(X))], x.astype(np.float32)

    def loss(x: Any, f: Any) -> Any:
        a, (b, (c, d)), e = f(x)
        return np.sum(a * d) + b * c + np.sum(e * e)

    x = Tensor(X, requires_grad=True)
    a, (b, (c, d)), e = checkpoint(f)(x)
    assert (a.dtype, b.shape, c.shape, d.op, e.dtype) == (np.float64, (), (), None, np.float32)
    calls.clear()
    (np.sum(a * d) + b * c + np.sum(e * e)).backward()
    assert len(calls) == 1
    np.testing.assert_allclose(x.grad.data, grad(lambda x: loss(x, f))(X))
    equal(hessian(lambda x: loss(x, checkpoint(f)))(X), hessian(lambda x: loss(x, f))(X))
    calls.clear()
    grad(lambda x: np.sum(checkpoint(f)(x)[0]))(X)  # one output of several
    assert len(calls) == 2


def test_outputs_may_be_arguments() -> None:
    def f(x: Any, y: Any) -> Any:
        return x, x, y * 2

    def loss(x: Any, y: Any) -> Any:
        a, b, c = checkpoint(f)(x, y)
        return np.sum(a * b * c)

    for one, expected in zip(grad(loss, (0, 1))(X, X + 1), (4 * X * (X + 1), 2 * X**2), strict=True):
        np.testing.assert_allclose(one, expected)
    equal(grad(lambda x: np.sum(checkpoint(plain)(x) ** 2))(X), 2 * X)


def test_one_tensor_as_several_arguments() -> None:
    equal(grad(lambda x: np.sum(checkpoint(lambda a, b: a * b[0] + x)(x, [x])))(X), 2 * X + 1)


# ------------------------------------------------------------------------------------ tensors from outside


def test_parameters_of_modules_get_their_gradients() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    gradients = []
    for wrap in (plain, checkpoint):
        model = MLP([4, 8, 3], generator=np.random.default_rng(1))
        wrap(model)(Tensor(x)).sum().backward()
        gradients.append([parameter.grad.data for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_what_the_function_uses_of_transforms_around_it() -> None:
    def f(wrap: Any) -> Any:
        def g(x: Any) -> Any:
            h = np.sin(x)
            return np.sum(wrap(lambda y: grad(lambda z: np.sum(z * z * h * x))(y) + h)(x * 2) ** 2)

        return g

    for transform in (grad, hessian):
        equal(transform(f(checkpoint))(X), transform(f(plain))(X))
    equal(
        grad(lambda w: grad(lambda x: np.sum(checkpoint(lambda x: np.exp(x * w))(x)))(2.0))(0.5),
        grad(lambda w: grad(lambda x: np.sum(np.exp(x * w)))(2.0))(0.5),
    )


def test_only_some_variables_stand_for_tracked_tensors() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.sum(checkpoint(lambda a: np.exp(a * b))(a))

    c = np.array([0.5, 0.3, 0.2])
    equal(grad(lambda x: value_and_grad(f, (0, 1))(x, c)[0])(X), c * np.exp(c * X))
    equal(grad(lambda x: np.sum(grad(f, (0, 1))(x, c)[0]))(X), c * c * np.exp(c * X))
    equal(grad(lambda x: np.sum(grad(f, (0, 1))(c, x)[0]))(X), (1 + c * X) * np.exp(c * X))


def test_a_changed_tensor_is_named() -> None:
    w, x = Tensor(np.ones(3), requires_grad=True, name="w"), Tensor(X, requires_grad=True)
    y = checkpoint(lambda x: x * w)(x).sum()
    y.backward(retain_graph=True)
    SGD([w], 0.1).step()
    with pytest.raises(RuntimeError, match=r"'w' was changed after 'checkpoint' had used it"):
        y.backward()


def test_a_freed_graph_says_so() -> None:
    x = Tensor(X, requires_grad=True)
    y = checkpoint(block)(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.data, 2 * grad(lambda x: block(x).sum())(X))
    with pytest.raises(RuntimeError, match="was freed by an earlier backward"):
        y.backward()


def test_create_graph() -> None:
    results = []
    for wrap in (plain, checkpoint):
        x, w = Tensor(X, requires_grad=True), Tensor(2.0, requires_grad=True)
        wrap(lambda x, w=w: block(x * w))(x).sum().backward(create_graph=True)
        first, x.grad = x.grad, None
        np.sum(first**2).backward()
        results.append((first.data, x.grad.data, w.grad.data))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


# ---------------------------------------------------------------------------------------------- nesting


def halves(x: Any, n: int, wrap: Any) -> Any:
    if n == 1:
        return np.sin(x) * 1.1
    part = wrap(halves)
    return part(part(x, n // 2, wrap), n - n // 2, wrap)


def test_checkpoints_in_checkpoints() -> None:
    for n in (2, 5, 8):
        equal(
            grad(lambda x, n=n: np.sum(halves(x, n, checkpoint)))(X),
            grad(lambda x, n=n: np.sum(halves(x, n, plain)))(X),
        )
    equal(
        hessian(lambda x: np.sum(halves(x, 3, checkpoint)))(X),
        hessian(lambda x: np.sum(halves(x, 3, plain)))(X),
    )
    nested = checkpoint(checkpoint(checkpoint(block)))
    equal(grad(lambda x: np.sum(nested(x)))(X), grad(lambda x: np.sum(block(x)))(X))


# --------------------------------------------------------------------------------------------- randomness


def noisy(x: Any, generator: np.random.Generator) -> Any:
    return F.dropout(np.tanh(F.dropout(x, 0.5, generator) * 2), 0.3, generator)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_random_draws_are_the_same_again(bits: Any) -> None:
    x = np.linspace(-1, 1, 50)
    results = []
    for wrap in (plain, checkpoint, lambda f: checkpoint(checkpoint(f))):
        generator = np.random.Generator(bits(3))

        def loss(x: Any, f: Any, generator: Any) -> Any:
            return np.sum(f(f(x, generator), generator) ** 2)

        f = wrap(noisy)
        results.append((grad(loss)(x, f, generator), hessian(loss)(x[:5], f, generator), generator.random(3)))
    for other in results[1:]:
        for one, expected in zip(other, results[0], strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-12)


def test_a_generator_is_left_as_it_was_found() -> None:
    generator = np.random.default_rng(0)
    x = Tensor(np.ones(50), requires_grad=True)
    y = checkpoint(noisy)(x, generator).sum()
    generator.random(7)
    state = generator.bit_generator.state
    y.backward()
    assert generator.bit_generator.state == state


def test_draws_that_are_computed_with_before_they_are_used() -> None:
    noise = primitive(lambda *, generator, shape: generator.normal(size=shape), name="noise")

    def f(x: Any, generator: Any) -> Any:
        return np.sum(x * np.exp(noise(generator=generator, shape=x.shape)) * 2)

    ours = grad(checkpoint(f))(X, np.random.default_rng(0))
    np.testing.assert_array_equal(ours, grad(f)(X, np.random.default_rng(0)))


def test_draws_by_other_means_are_found_out() -> None:
    generator = np.random.default_rng(0)
    y = checkpoint(lambda x: x * generator.normal(size=3))(Tensor(X, requires_grad=True))
    with pytest.raises(RuntimeError, match="did not return the same when checkpoint computed it again"):
        y.sum().backward()


def test_functions_with_state_are_found_out() -> None:
    calls: list[int] = []

    def count(x: Any) -> Any:
        calls.append(1)
        return x * len(calls)

    with pytest.raises(RuntimeError, match=r"^count did not return the same .* no counters"):
        grad(lambda x: np.sum(checkpoint(count)(x)))(X)
    array = np.ones(3)
    y = checkpoint(lambda x: x * array)(Tensor(X, requires_grad=True)).sum()
    array[1] = 2
    with pytest.raises(RuntimeError, match="did not return the same"):
        y.backward()


def test_what_is_no_number_is_the_same_again() -> None:
    x = np.array([1.0, np.nan, np.inf])
    with np.errstate(invalid="ignore"):
        result = grad(lambda x: np.sum(checkpoint(lambda x: x * x - x)(x)))(x)
    np.testing.assert_array_equal(result, [1, np.nan, np.inf])


# ------------------------------------------------------------------------------------ errors, threads, jit


def test_errors_leave_nothing_behind() -> None:
    generator = np.random.default_rng(0)
    fail = [False]

    def f(x: Any) -> Any:
        y = F.dropout(x, 0.5, generator)
        if fail[0]:
            raise ZeroDivisionError
        return y * 2

    fail[0] = True
    with pytest.raises(ZeroDivisionError):
        checkpoint(f)(Tensor(X, requires_grad=True))
    fail[0] = False
    trace: list[Any] = []

    def loss(x: Any) -> Any:
        trace.append(x)
        y = np.sum(checkpoint(f)(x))
        trace.append(generator.bit_generator.state)
        fail[0] = True
        return y

    with pytest.raises(ZeroDivisionError):
        grad(loss)(X)
    assert not trace[0].requires_grad and generator.bit_generator.state == trace[1]


def test_two_threads_differentiate_one_checkpointed_model() -> None:
    w = Tensor(M, requires_grad=True)
    f = checkpoint(lambda x: np.tanh(w @ x))

    def work(k: int) -> Any:
        generator = np.random.default_rng(k)
        ours = grad(lambda x: np.sum(f(x) * k) + np.sum(checkpoint(noisy)(x, generator)))(X)
        return ours.data

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, range(200)))
    for k, result in enumerate(results):
        generator = np.random.default_rng(k)
        expected = grad(lambda x, k=k: np.sum(np.tanh(M @ x) * k))(X)
        np.testing.assert_allclose(result, expected + grad(lambda x, g=generator: np.sum(noisy(x, g)))(X))


def test_jit_plans_memory_itself() -> None:
    w = Tensor(np.ones(3), requires_grad=True)
    generator, other = np.random.default_rng(0), np.random.default_rng(0)

    def loss(x: Any, generator: Any, wrap: Any) -> Any:
        return np.sum(wrap(noisy)(x * w, generator) ** 2)

    step = jit(lambda x: value_and_grad(lambda x: loss(x, generator, checkpoint))(x))
    for _ in range(4):
        for one, expected in zip(step(X), value_and_grad(loss)(X, other, plain), strict=True):
            np.testing.assert_allclose(
                *(x.data if type(x) is Tensor else x for x in (one, expected)), rtol=1e-12
            )
    inner = checkpoint(jit(block))
    equal(grad(lambda x: np.sum(inner(x)))(X), grad(lambda x: np.sum(block(x)))(X))


# ----------------------------------------------------------------------------------------------- memory


def peak(f: Callable[[Any], Any], size: int) -> float:
    """Return the most memory that the gradient of f takes at a time, in arrays of `size`."""
    x = Tensor(np.full(size, 0.5), requires_grad=True)
    tracemalloc.start()
    try:
        np.sum(f(x)).backward()
        return tracemalloc.get_traced_memory()[1] / x.data.nbytes
    finally:
        tracemalloc.stop()


def sines(x: Any, n: int) -> Any:
    for _ in range(n):
        x = np.sin(x)
    return x


def in_blocks(x: Any, blocks: int, n: int) -> Any:
    for _ in range(blocks):
        x = checkpoint(sines)(x, n)
    return x


def test_memory_grows_with_the_square_root_of_the_depth() -> None:
    size = 10_000
    assert peak(lambda x: sines(x, 400), size) > 400
    for root in (10, 20, 40):
        assert peak(lambda x, root=root: in_blocks(x, root, root), size) < 2 * root + 10


def test_memory_grows_with_the_logarithm_of_the_depth_in_nested_checkpoints() -> None:
    def nested(x: Any, n: int) -> Any:
        if n == 1:
            return np.sin(x)
        x = checkpoint(nested)(x, n // 2)
        return checkpoint(nested)(x, n - n // 2)

    peaks = [peak(lambda x, n=n: nested(x, n), 2_000) for n in (16, 64, 256)]
    assert np.diff(peaks).max() < 12, peaks


def test_a_freed_graph_keeps_no_array_alive() -> None:
    x = Tensor(X, requires_grad=True)
    h = x * 2
    alive = ref(h.data)
    y = checkpoint(lambda h: np.sin(h))(h)
    del h
    assert alive() is not None
    y.sum().backward()
    assert alive() is None
    assert y.data is not None


@dataclass(eq=False)
class Scale(Module):
    """A module that is a dataclass, with a parameter that is none of its fields."""

    size: int

    def __post_init__(self) -> None:
        self.weight = Tensor(np.ones(self.size), requires_grad=True)

    @checkpoint
    def forward(self, x: Any) -> Any:
        return np.tanh(x * self.weight) * (1 if self.training else 2)


def test_a_module_that_is_a_dataclass_is_itself_when_computed_again() -> None:
    scale = Scale(3)
    scale(X).sum().backward()
    np.testing.assert_allclose(scale.weight.grad.data, X * (1 - np.tanh(X) ** 2))
    scale.eval()
    scale(X).sum().backward()
    np.testing.assert_allclose(scale.weight.grad.data, 3 * X * (1 - np.tanh(X) ** 2))


def test_a_function_that_records_nothing_when_computed_again() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return x * 2 if len(calls) == 1 else np.ones(3)

    y = checkpoint(f)(Tensor(X, requires_grad=True))
    with pytest.raises(RuntimeError, match="f did not return the same"):
        y.sum().backward()
