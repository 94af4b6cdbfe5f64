"""What debug() finds: the first NaN or Inf, the line that made it, and arrays that were changed."""

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from weakref import ref

import numpy as np
import pytest
from drawn import Drawn, read

from autograd import (
    Tensor,
    debug,
    draw_graph,
    grad,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    no_grad,
    primitive,
    vjp,
)
from autograd.debugging import CURES
from autograd.primitives import Op, each
from autograd.recording import modes
from autograd.tensor import implementations
from nn import MLP, SGD, Adam, Dropout, Linear, Sequential, Tanh, cross_entropy
from nn import functional as F
from nn.optim import Optimizer
from tests.test_ops import Row, each_row

X = np.array([0.5, 1.0, 2.0])

# Its keyword has the name of a parameter that code of ours might have, too.
scaled = primitive(lambda a, *, x: a * x, lambda g, y, a, *, x: g * x, name="scaled")


@pytest.fixture(autouse=True)
def debugging_is_left_off() -> Iterator[None]:
    assert not modes
    yield
    assert not modes


def leaf(*values: float, name: str = "x", dtype: Any = float) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True, name=name)


def this_line(further: int = 0) -> str:
    """Return how an error names the line that calls this, or one below it."""
    frame = sys._getframe(1)
    file = __file__.removeprefix(os.getcwd() + os.sep)
    return f"{file}:{frame.f_lineno + further}, in {frame.f_code.co_name}: "


def text(caught: Any) -> str:
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


# ------------------------------------------------------------------------------- NaN and Inf, forward

FORWARD: list[tuple[Callable[[Tensor], Any], str]] = [
    (np.log, r"'log' gave -inf at \[1\] \(1 of 3 elements NaN or Inf\) for \(3,\) float64 'x' from 0 to 2"),
    (lambda x: np.log(x - 1), r"'log' gave -inf at \[0\] \(2 of 3 elements NaN or Inf\) for"),
    (lambda x: 1 / x, r"'divide' gave inf at \[1\] .* for 1, \(3,\) float64 'x' from 0 to 2"),
    (lambda x: x / [1.0, 0.0, 1.0], r"'divide' gave nan at \[1\] .* for .*, \(3,\) float64 from 0 to 1"),
    (lambda x: np.exp(1000 * x), r"'exp' gave inf at \[0\] .* for \(3,\) float64 from 0 to 2000"),
    (lambda x: np.sqrt(x - 1), r"'sqrt' gave nan at \[1\]"),
    (lambda x: x**-1, r"'power' gave inf at \[1\] .* for \(3,\) float64 'x' from 0 to 2, -1"),
    (lambda x: np.sum(x * 8e307), r"'sum' gave inf for \(3,\) float64 from 0 to 1.6e\+308"),
    (lambda x: (x + 1e5).astype(np.float16), r"'astype' gave inf at \[0\]"),
    (lambda x: (x + 1j * x) / (0 * x), r"'divide' gave .* \(3 of 3 .* \(3,\) complex128 of size from 0"),
    (lambda x: np.reshape(x, (3, 1)) / [[1.0, 0.0]], r"'divide' gave inf at \[0, 1\] .*for \(3, 1\)"),
    (lambda x: x[0] / x[1], r"'divide' gave inf for \(\) float64 from 1 to 1, \(\) float64 from 0 to 0"),
    (lambda x: x.detach() / 0.0, r"'divide' gave inf"),
    (lambda x: F.linear(x, np.full((3, 1), 1e308)), r"'matmul' gave inf"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("compute", "message"), FORWARD)
@pytest.mark.parametrize("context", [no_grad, debug])
def test_the_op_that_makes_nan_or_inf_is_named_at_once(compute: Any, message: str, context: Any) -> None:
    x = leaf(1.0, 0.0, 2.0)
    with pytest.raises(FloatingPointError, match=message), debug(), context():
        compute(x)


@pytest.mark.filterwarnings("error")
def test_the_message_in_full() -> None:
    x = leaf(1.0, 0.0, -2.0)
    with pytest.raises(FloatingPointError) as caught, debug():
        here = this_line(1)
        np.log(x)
    assert text(caught) == (
        "'log' gave -inf at [1] (2 of 3 elements NaN or Inf) for (3,) float64 'x' from -2 to 1\n"
        f"made at {here}np.log(x)\n"
        "help: logarithms need positive numbers: np.log(np.where(x > 0, x, 1)); of a softmax, use log_softmax"
    )


def test_the_cure_of_a_logarithm_cures() -> None:
    x = leaf(1.0, 0.0, -2.0)
    with debug():
        np.where(x.data > 0, np.log(np.where(x > 0, x, 1)), 0).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 0, 0])


@pytest.mark.parametrize("op", [*CURES, "square"])
def test_every_message_has_a_cure(op: str) -> None:
    x = leaf(-1e308)
    if getattr(np, op) not in implementations:
        pytest.skip(f"np.{op} is not differentiated")
    with pytest.raises(FloatingPointError, match=r"\nhelp: .{40}"), debug():
        for value in (x, -x):
            getattr(np, op)(*([value, 0.0] if op == "divide" else [value]))


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: np.where(x > 0, x, -np.inf),
        lambda x: F.softmax(np.where(x > 0, x, -np.inf)),
        lambda x: F.logsumexp(x + np.array([0.0, -np.inf, 0.0])),
        lambda x: x * np.nan,
        lambda x: np.minimum(x, np.inf),
        lambda x: np.exp(-np.inf * np.ones(3)) + x,
        lambda x: x + np.array([np.nan, 0.0, 0.0]),
        lambda x: scaled(x, x=np.inf),
        lambda x: scaled(x, x=np.nan),
    ],
)
def test_what_the_user_has_put_in_is_not_reported(compute: Any) -> None:
    x = leaf(1.0, 0.5, 2.0)
    with debug():
        ours = compute(x)
    np.testing.assert_array_equal(ours.data, compute(x.detach()).data)


def test_a_nan_of_infinite_inputs_is_reported() -> None:
    with pytest.raises(FloatingPointError, match=r"'subtract' gave nan at \[1\]"), debug():
        x = leaf(1.0, np.inf)
        x - x


def test_no_warnings_of_numpy_remain_outside() -> None:
    with debug():
        pass
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.log(leaf(0.0))


# ------------------------------------------------------------------------------- NaN and Inf, backward


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_that_becomes_infinite_is_named_with_the_line_of_the_forward(create_graph: bool) -> None:
    x = leaf(4.0, 0.0)
    with debug():
        here = this_line(1)
        y = np.sqrt(x)
        loss = y.sum()
        with pytest.raises(FloatingPointError) as caught:
            loss.backward(create_graph=create_graph)
    assert str(caught.value).startswith(
        "the gradient of 'sqrt' by input 0, (2,) float64 'x' from 0 to 4, is inf at [1] (1 of 2 elements "
        f"NaN or Inf), that of its output is finite\nmade at {here}y = np.sqrt(x)\nhelp: keep the inputs away"
    )


def test_nan_of_an_op_that_where_hides() -> None:
    x = leaf(1.0, 0.0)
    with debug():
        y = np.where(x > 0, x, np.sqrt(x * 0.0)).sum()
        with pytest.raises(FloatingPointError, match=r"gradient of 'sqrt' by input 0, .* is nan at \[0\]"):
            y.backward()


def test_nan_of_an_input_that_where_hides_is_found_in_the_gradient() -> None:
    x = leaf(1.0, np.nan)
    with debug():
        y = np.where(np.isnan(x), 0, x**2).sum()
        with pytest.raises(
            FloatingPointError, match=r"gradient of 'square' by input 0, .* and 1 NaN, is nan"
        ):
            y.backward()


def test_keywords_of_any_name_reach_the_rules() -> None:
    with debug():
        same(jacobian(lambda a: scaled(a, x=2.0))(X), 2 * np.eye(3))


def test_the_gradient_is_found_in_rows_and_in_transforms() -> None:
    for transform in (grad, jacobian, hessian, lambda f: lambda a: vjp(f, a)[1](1.0)):
        with pytest.raises(FloatingPointError, match="the gradient of 'sqrt'"), debug():
            transform(lambda z: np.sqrt(z).sum())(np.array([0.0, 1.0]))


def test_a_second_derivative_that_becomes_infinite_is_that_of_the_line() -> None:
    def f(z: Any) -> Any:
        nonlocal here
        here = this_line(1)
        return (z**1.5).sum()

    here = ""
    with pytest.raises(FloatingPointError, match="the gradient of 'power'") as caught, debug():
        hessian(f)(np.array([0.0, 1.0]))
    assert f"\nmade at {here}return (z**1.5).sum() (its gradient)\n" in str(caught.value)


def test_the_gradient_of_a_gradient_belongs_to_the_line_as_its_gradient() -> None:
    x = leaf(2.0)
    with debug():
        here = this_line(1)
        y = np.exp(x)
        for _ in range(3):
            x.grad = None
            y.backward(create_graph=True)
            y = x.grad
    assert y.op.line == f"{here}y = np.exp(x) (its gradient)"


def test_a_gradient_that_last_makes_infinite_is_found() -> None:
    rooted = primitive(lambda x: np.sqrt(x), lambda g, y, x: g, last=lambda g, y: g * 0.5 / y, name="rooted")
    with debug():
        here = this_line(1)
        y = rooted(leaf(0.0)).sum()
        with pytest.raises(FloatingPointError, match="the gradient of 'rooted' is inf") as caught:
            y.backward()
    assert here in str(caught.value)


# --------------------------------------------------------------------------------------------- lines


def broken(g: Any, y: Any, *inputs: Any) -> Any:
    raise KeyError("a mistake")


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
def test_an_error_in_a_rule_shows_the_line_of_the_forward(inside: bool, create_graph: bool) -> None:
    fragile = primitive(lambda x, y: x + y, broken, broken, name="fragile")
    x = leaf(1.0)
    with debug():
        here = this_line(1)
        y = fragile(x, 2.0)
    with pytest.raises(KeyError) as caught:
        if inside:
            with debug():
                y.backward(create_graph=create_graph)
        else:
            y.backward(create_graph=create_graph)
    assert text(caught).endswith(
        f"in the gradient of fragile of (1,) float64 'x', 2.0\nmade at {here}y = fragile(x, 2.0)"
    )


def test_an_error_in_last_and_a_gradient_of_a_wrong_shape_show_it_too() -> None:
    for f in (
        primitive(lambda x: x + 1, broken, last=broken, name="f"),
        primitive(lambda x: x + 1, lambda g, y, x: np.ones((5, 5)), name="f"),
    ):
        with debug():
            here = this_line(1)
            y = f(leaf(1.0, 2.0)).sum()
        with pytest.raises((KeyError, ValueError)) as caught:
            y.backward()
        assert "in the gradient of f" in text(caught) and f"made at {here}" in text(caught)


def test_without_debug_ops_know_no_line() -> None:
    y = np.exp(leaf(1.0))
    assert y.op.line is None
    with debug():
        z = np.exp(leaf(1.0))
    assert z.op is not y.op and (z.op.name, repr(z.op)) == ("exp", "<op exp>")
    assert np.exp(leaf(1.0)).op is y.op


def test_every_way_to_apply_an_op_remembers_its_line() -> None:
    x = leaf(1.0, 2.0)
    total = primitive(lambda *xs: sum(xs), each(lambda i, g, y, *xs: g), name="total")
    with debug():
        here = this_line(2)
        tensors = [
            x * 2, -x, 2 - x, np.sum(x, 0), x.mean(), x[0], np.concatenate([x, x]), total(x, x, 1.0), x @ x,
        ]  # fmt: skip
    assert {tensor.op.line.split(": ")[0] for tensor in tensors} == {here.split(": ")[0]}


def test_a_line_in_a_model_is_the_users_and_says_where_in_nn() -> None:
    model = Sequential(Linear(3, 2, generator=np.random.default_rng(0)), Tanh())
    with debug():
        here = this_line(1)
        y = model(X.astype(np.float32))
    assert re.fullmatch(
        re.escape(f"{here}y = model(X.astype(np.float32)) (through nn/layers.py:")
        + r"\d+, in forward\), in layers\.1: Tanh",
        y.op.line,
    )
    linear = y.inputs[0].op
    assert re.search(r" \(through nn/functional.py:\d+, in linear\), in layers\.0: Linear$", linear.line)


def test_a_line_without_its_source_is_told_by_number() -> None:
    with debug():
        names = {"np": np, "x": leaf(1.0)}
        exec("\n\ny = np.exp(x)", names)
    assert names["y"].op.line == "<string>:3, in <module>"  # type: ignore[attr-defined]


def test_the_walks_own_errors_show_the_line() -> None:
    x = leaf(1.0, name="w")
    with debug():
        here = this_line(1)
        y = (x * x).sum()
    x.data -= 1
    with pytest.raises(
        RuntimeError, match=r"'w' was changed after 'multiply' had used it .*\nmade at "
    ) as caught:
        y.backward()
    assert str(caught.value).endswith(f"\nmade at {here}y = (x * x).sum()")
    with debug():
        here = this_line(1)
        y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed by an earlier backward.*\nmade at ") as caught:
        y.backward()
    assert str(caught.value).endswith(f"\nmade at {here}y = (x * x).sum()")


# ---------------------------------------------------------------------- changed behind the graph's back


def everywhere(shape: tuple[int, ...], dtype: Any, layout: str) -> np.ndarray:
    """Return ones that lie in memory in one way or another."""
    if layout == "gaps":
        return np.ones([2 * n for n in shape], dtype)[(..., *(slice(None, None, -2) for _ in shape))]
    return np.ones(shape, dtype, order="F" if layout == "Fortran" else "C")


@pytest.mark.parametrize("layout", ["C", "Fortran", "gaps"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, complex, np.int8, bool])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_an_array_that_is_filled_again_is_found(shape: tuple[int, ...], dtype: Any, layout: str) -> None:
    buffer = everywhere(shape, dtype, layout)
    x = Tensor(np.ones(shape), requires_grad=True)
    with debug():
        y = np.where(True, x, buffer) if dtype is complex else x * buffer
        buffer[(0,) * len(shape)] = 0
        with pytest.raises(RuntimeError, match=r"input \d of '(multiply|where)', .* was changed between"):
            y.backward(gradient=np.ones(shape))


def test_the_message_names_the_array_and_the_line() -> None:
    w = leaf(1.0, 2.0, 3.0, name="w")
    with debug():
        here = this_line(1)
        y = (w * w).sum()
    w.data[0] = 5
    with pytest.raises(RuntimeError) as caught:
        y.backward()
    assert str(caught.value) == (
        "input 0 of 'multiply', (3,) float64 'w', was changed between forward and backward (in place through "
        ".data, or as an array that was filled again), so the gradient may be wrong\n"
        f"made at {here}y = (w * w).sum()\n"
        "help: change it after backward(), or give the op a copy"
    )
    assert w.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_result_that_was_changed_is_found(create_graph: bool) -> None:
    x = leaf(1.0, 2.0)
    with debug():
        y = np.exp(x)
        z = y * 2
    y.data[0] = 0
    with pytest.raises(
        RuntimeError, match=r"input 0 of 'multiply', \(2,\) float64, the result of 'exp', was"
    ):
        z.sum().backward(create_graph=create_graph)
    with pytest.raises(RuntimeError, match=r"the result of 'exp', \(2,\) float64, was changed"):
        y.backward(gradient=[1, 1], create_graph=create_graph)


@pytest.mark.parametrize(
    ("compute", "what"),
    [
        (lambda x, array: x[array], "argument index="),
        (lambda x, array: x[array, None], "argument index="),
        (lambda x, array: F.nll_loss(x[None], array[:1]), "argument labels="),
    ],
)
def test_arguments_that_are_arrays_are_looked_at_too(compute: Any, what: str) -> None:
    array = np.array([0, 1])
    with debug():
        y = compute(leaf(1.0, 2.0), array)
    array[0] = 1
    with pytest.raises(RuntimeError, match=rf"{what} of '\w+', \(\d,\) int64, was changed between"):
        y.sum().backward()


def test_what_has_the_same_values_is_not_changed() -> None:
    x, buffer = leaf(1.0, 2.0), np.array([3.0, 4.0])
    with debug():
        y = (x * buffer).sum()
    buffer[:] = [3.0, 4.0]
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [3, 4])


def test_empty_read_only_and_broadcast_arrays() -> None:
    huge = np.broadcast_to(np.float64(2.0), (1_000_000_000, 1_000_000, 1))
    fixed = np.ones(2)
    fixed.flags.writeable = False
    x = leaf(1.0, 2.0)
    with debug():
        y = (x * fixed).sum() + Tensor(np.ones((3, 0)), requires_grad=True).sum()
        z = x[0] * primitive(lambda a: a[0, 0], lambda g, y, a: g, name="first")(Tensor(huge))
        (y + z).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 1])


def test_of_an_optimizers_step_the_mutation_law_tells() -> None:
    for make in (lambda p: SGD(p, lr=0.1), lambda p: Adam(p, lr=0.1)):
        w = leaf(1.0, name="weight")
        optimizer: Optimizer = make([w])
        with debug():
            first, second = (w * w).sum(), (w * w).sum()
            first.backward()
            optimizer.step()
            with pytest.raises(RuntimeError, match=r"'weight' was changed after 'multiply' .*optimizer"):
                second.backward()


def test_without_debug_the_gradient_of_a_changed_array_is_wrong() -> None:
    # The limit that debug() is for: a note of what happens, so that it is not forgotten.
    w = leaf(1.0)
    y = (w * w).sum()
    w.data[0] = 5
    y.backward()
    assert w.grad.item() == 10


# ------------------------------------------------------------------------------------- the same numbers


def same(ours: Any, expected: Any) -> None:
    np.testing.assert_array_equal(ours, expected)
    assert np.asarray(ours).dtype == np.asarray(expected).dtype


@each_row
def test_every_op_has_the_same_values_and_gradients(row: Row) -> None:
    def run(create_graph: bool) -> list[np.ndarray]:
        inputs = [Tensor(x, requires_grad=True) for x in row.inputs]
        result = row.call(*inputs)
        result.sum().backward(create_graph=create_graph)
        if create_graph:
            first = [x.grad for x in inputs]
            for x in inputs:
                x.grad = None
            total = sum((g * g).sum() for g in first)
            if total.requires_grad:
                total.backward()
        return [result.data, *(x.grad.data for x in inputs if x.grad is not None)]

    for create_graph in (False, True):
        expected = run(create_graph)
        with debug():
            ours = run(create_graph)
        assert len(ours) == len(expected)
        for a, b in zip(ours, expected, strict=True):
            same(a, b)


@each_row
def test_jacobians_are_the_same(row: Row) -> None:
    numbers = tuple(range(len(row.inputs)))
    expected = jacobian(row.call, numbers)(*row.inputs)
    with debug():
        ours = jacobian(row.call, numbers)(*row.inputs)
    for a, b in zip(ours, expected, strict=True):
        same(a, b)


def test_transforms_are_the_same() -> None:
    def f(x: Any) -> Any:
        return (np.exp(x) * x[::-1]).sum() ** 2 / F.logsumexp(x)

    for transform in (
        lambda: grad(f)(X),
        lambda: grad(lambda x: grad(f)(x).sum())(X),
        lambda: grad(lambda x: (x * grad(lambda y: f(x * y))(x)).sum())(X),
        lambda: hessian(f)(X),
        lambda: hvp(f)(X, X),
        lambda: jvp(f, (X,), (X,))[1],
        lambda: jacobian(grad(lambda x: np.tanh(x).sum()))(X),
    ):
        expected = transform()
        with debug():
            same(transform(), expected)


def training(steps: int = 4, debugging: Any = debug, replay: bool = False) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    model = MLP((5, 8, 3), dropout=0.5, generator=generator)
    optimizer = Adam(model.parameters(), lr=0.01)
    inputs = generator.normal(size=(steps, 16, 5)).astype(np.float32)
    labels = generator.integers(0, 3, (steps, 16))

    def step(x: Any, targets: Any) -> Any:
        loss = cross_entropy(model(Tensor(x)), targets)
        if not replay:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train = jit(step) if replay else step
    with debugging():
        losses = [train(x, targets) for x, targets in zip(inputs, labels, strict=True)]
    return [*(loss.data for loss in losses), *model.state_dict().values()]


def test_training_is_the_same_bit_for_bit() -> None:
    for ours, expected in zip(training(), training(debugging=nullcontext), strict=True):
        same(ours, expected)


# ------------------------------------------------------------------------------------------ with jit


def test_a_function_of_jit_runs_as_it_is_and_gives_what_replays_give() -> None:
    for ours, expected in zip(
        training(replay=True), training(debugging=nullcontext, replay=True), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)


def test_results_of_a_function_of_jit_have_no_graph_and_gradients_start_from_none() -> None:
    w = leaf(2.0)
    w.grad = Tensor([100.0])

    @jit
    def loss(x: Any) -> Any:
        total = (w * x).sum()
        total.backward()
        total = (w * x).sum()
        total.backward()
        return {"total": total, "weights": w.data}

    with debug():
        result = loss(np.array([3.0]))
        result = loss(np.array([3.0]))
    assert float(result["total"]) == 6.0 and not result["total"].requires_grad
    np.testing.assert_array_equal(w.grad.data, [6])
    assert not np.shares_memory(result["weights"], w.data)
    assert not loss.programs


def test_what_a_function_of_jit_returns_beside_arrays_is_itself() -> None:
    generator, x = np.random.default_rng(0), np.ones(2)
    f = jit(lambda x: (generator, x))
    with debug():
        same, array = f(x)
    assert same is f(x)[0] is generator
    assert array is not x


def test_nan_in_a_function_of_jit_is_found_and_its_lines_are_the_functions() -> None:
    @jit
    def f(x: Any) -> Any:
        return np.log(x)

    with pytest.raises(FloatingPointError, match=r"in f: return np\.log\(x\)"), debug():
        f(Tensor([0.0]))


def test_functions_of_jit_within_one_another() -> None:
    w = leaf(2.0)
    inner = jit(lambda x: (w * x).sum().backward())

    @jit
    def outer(x: Any) -> None:
        inner(x)
        inner(x)

    with debug():
        outer(np.array([3.0]))
    np.testing.assert_array_equal(w.grad.data, [6])


def test_debug_in_a_function_that_jit_records_is_refused() -> None:
    @jit
    @debug()
    def f(x: Any) -> Any:
        return x * 2

    with pytest.raises(RuntimeError, match=r"call the function of jit in debug\(\)"):
        f(X)
    with debug():
        np.testing.assert_array_equal(f(X), 2 * X)


def test_debug_within_a_function_of_jit_that_runs_in_debug_changes_nothing() -> None:
    w = leaf(2.0)

    @jit
    @debug()
    def f(x: Any) -> None:
        (w * x).sum().backward()

    with debug():
        f(np.array([3.0]))
        f(np.array([3.0]))
    np.testing.assert_array_equal(w.grad.data, [3])


# ------------------------------------------------------------------------------------- the context


def in_debug() -> bool:
    return bool(np.exp(leaf(0.0)).op.line)


def test_contexts_nest() -> None:
    with debug():
        with debug():
            assert in_debug()
        assert in_debug()
        with no_grad():
            pass
        assert in_debug()
    assert not in_debug()


def test_debug_is_a_decorator() -> None:
    @debug()
    def f(depth: int) -> bool:
        """Look."""
        return in_debug() and (not depth or f(depth - 1))

    assert f(2) and f(2) and not in_debug()
    assert (f.__name__, f.__doc__) == ("f", "Look.")
    with pytest.raises(TypeError):

        @debug
        def g() -> None: ...


def test_the_context_ends_with_an_exception_in_forward_backward_and_the_program() -> None:
    x = leaf(0.0)
    with pytest.raises(FloatingPointError), debug():
        np.log(x)
    assert not modes
    with pytest.raises(FloatingPointError), debug():
        np.sqrt(x).sum().backward()
    assert not modes
    with pytest.raises(FloatingPointError), debug():
        hessian(lambda z: (z**1.5).sum())(np.array([0.0]))
    assert not modes
    with pytest.raises(KeyError), debug():
        raise KeyError
    assert not modes
    assert np.geterr() == {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def test_other_threads_are_not_in_debug() -> None:
    with debug(), ThreadPoolExecutor(1) as pool:
        assert not pool.submit(in_debug).result()
        assert in_debug()
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            pool.submit(lambda: np.log(leaf(0.0))).result()

    def in_its_own() -> bool:
        with debug():
            return in_debug()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_its_own).result() and not pool.submit(in_debug).result()


def test_a_graph_made_in_debug_is_looked_at_in_another_thread() -> None:
    w = leaf(1.0)
    with debug():
        y = np.sqrt(w - 1).sum()
    with ThreadPoolExecutor(1) as pool, pytest.raises(FloatingPointError, match="the gradient of 'sqrt'"):
        pool.submit(y.backward).result()


# -------------------------------------------------------------------------------------- the graph itself


def test_backward_frees_the_inputs_and_the_graph_has_no_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        with debug():
            x = leaf(*X)
            hidden = np.exp(x)
            reference = ref(hidden.data)
            y = (hidden * 2).sum()
            del hidden
            y.backward()
            assert reference() is None
            y = np.tanh(x)
            reference = ref(y.data)
            del y
            assert reference() is None
    finally:
        gc.enable()


def test_pictures_are_the_same_but_for_the_lines_in_tooltips() -> None:
    def picture() -> Drawn:
        model = MLP((3, 2, 1), dropout=0.5, generator=np.random.default_rng(0))
        y = model(Tensor(X.astype(np.float32)[None])).sum()
        y.backward(retain_graph=True)
        return read(draw_graph(y))

    expected = picture()
    with debug():
        drawn = picture()
    assert any("\nmade at " in text for text in drawn.tooltips.values())
    drawn.tooltips = {name: text.partition("\nmade at ")[0] for name, text in drawn.tooltips.items()}
    assert drawn == expected


def test_sources_are_looked_at() -> None:
    draw = primitive(lambda *, bad: np.array([1.0, np.nan if bad else 2.0]), name="draw")
    with debug():
        sample = draw(bad=False)
        assert isinstance(sample.op, Op) and sample.op.rules == () and sample.op.line
        (leaf(1.0, 2.0) * sample).sum().backward()
        with pytest.raises(FloatingPointError, match=r"'draw' gave nan at \[1\] .* for no inputs"):
            draw(bad=True)


def test_dropout_in_training_is_looked_at() -> None:
    layer = Dropout(0.5, generator=np.random.default_rng(0))
    with debug():
        y = layer(leaf(*X))
    y.inputs[1].data[...] = 7
    with pytest.raises(RuntimeError, match=r"input 1 of 'multiply', .* the result of 'dropout_mask', was"):
        y.sum().backward()
