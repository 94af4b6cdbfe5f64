"""What jit replays equals what the function computes; what cannot be replayed is refused."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from autograd import (
    Tensor,
    callback,
    compiler,
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
    stop_gradient,
    value_and_grad,
    vjp,
)
from autograd.recording import mode
from autograd.tracing import Variable
from autograd.trees import flatten
from nn import MLP, SGD, Adagrad, Adam, AdamW, Dropout, Linear, Module, RMSprop, Sequential, cross_entropy
from nn import functional as F
from tests.test_ops import Row, each_row
from tests.test_properties import inputs_of, programs, run, steady


def assert_same(ours: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-13) -> None:
    """Compare trees of arrays: shapes, dtypes and values."""
    for a, b in zip(flatten(ours), flatten(expected), strict=True):
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def check(
    function: Callable[..., Any], *calls: tuple[Any, ...], rtol: float = 1e-12, atol: float = 1e-13
) -> Any:
    """Compare a function with its replays on several tuples of arguments of the same shapes."""
    replayed = jit(function)
    for arguments in calls:
        assert_same(replayed(*arguments), function(*arguments), rtol, atol)
    assert len(replayed.programs) == 1
    return replayed


# ------------------------------------------------------------------------------------ equal to eager


@each_row
def test_every_op_and_its_derivatives_of_two_orders(row: Row) -> None:
    def derivatives(*xs: Any) -> Any:
        value, pull = vjp(row.call, *xs)
        weights = np.cos(np.arange(np.size(value), dtype=xs[0].dtype).reshape(np.shape(value)))
        directions = tuple(np.sin(np.arange(x.size, dtype=x.dtype) + 1).reshape(x.shape) for x in xs)
        first, pull_again = vjp(lambda *xs: vjp(row.call, *xs)[1](weights), *xs)
        return value, pull(weights), first, pull_again(directions)

    calls = [tuple(x * scale for x in row.inputs) for scale in (1, 0.99, 0.98)]
    if not row.replays:
        with pytest.raises(TypeError, match="depends on the values of an array"):
            jit(derivatives)(*row.inputs)
        return
    check(derivatives, *calls)
    check(derivatives, *[tuple(x.astype(np.float32) for x in xs) for xs in calls], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block", [compiler.BLOCK, 1])  # bytes: whole, and row by row
@settings(steady, max_examples=100)
@given(programs())
def test_programs_and_their_derivatives_of_two_orders(block: int, program: Any) -> None:
    steps, shapes, seed = program
    numbers = tuple(range(len(shapes)))

    def derivatives(*arrays: Any) -> Any:
        xs, vs = arrays[: len(shapes)], arrays[len(shapes) :]
        first, tangent = jvp(lambda *xs: run(steps, xs), xs, vs)
        return (
            first,
            tangent,
            grad(lambda *xs: run(steps, xs), numbers)(*xs),
            hvp(lambda *xs: run(steps, xs), numbers)(*xs, vs),
        )

    calls = [(*inputs_of(shapes, seed + k), *inputs_of(shapes, seed + k + 10)) for k in (0, 30, 60)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "BLOCK", block)
        check(derivatives, *calls, rtol=1e-9, atol=1e-11)


def batches(count: int, size: int = 32) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(1)
    return [(generator.random((size, 20), np.float32), generator.integers(0, 10, size)) for _ in range(count)]


def training(
    dropout: float, optimizer: Callable[..., Any], activation: str = "relu"
) -> tuple[MLP, Callable[..., Any], Any]:
    model = MLP((20, 16, 12, 10), activation, dropout, generator=np.random.default_rng(0))
    chosen = optimizer(model.parameters())

    def step(x: Any, labels: Any) -> Any:
        loss = cross_entropy(model(Tensor(x)), labels)
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        return loss

    return model, step, chosen


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda ps: SGD(ps, 0.1),
        lambda ps: SGD(ps, 0.1, 0.9, nesterov=True, weight_decay=0.01),
        Adam,
        AdamW,
        RMSprop,
        Adagrad,
    ],
)
def test_a_training_step_is_bit_for_bit_the_same(optimizer: Any, activation: str, dropout: float) -> None:
    ours, step, chosen = training(dropout, optimizer, activation)
    theirs, eager, other = training(dropout, optimizer, activation)
    replayed = jit(step)
    for number, (x, labels) in enumerate(batches(6)):
        chosen.lr = other.lr = 0.1 / (number + 1)  # the optimizer's own Python runs in every step
        a, b = replayed(x, labels), eager(x, labels)
        assert type(a) is Tensor and a.data == b.data and not a.requires_grad
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        np.testing.assert_array_equal(p.grad.data, q.grad.data)
    assert chosen.steps == other.steps == 6
    assert len(replayed.programs) == 1


def test_jacobians_and_hessians() -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(size=(5, 5))
    xs = [(generator.normal(size=5),) for _ in range(3)]
    check(jacobian(lambda x: np.tanh(a @ x) * x), *xs)
    check(hessian(lambda x: np.sum(np.tanh(a @ x) ** 2)), *xs)
    check(jacobian(lambda x: a @ np.tanh(x)), *xs)
    check(jacobian(lambda x, a: a @ np.tanh(x), (0, 1)), *[(x, a * k) for k, (x,) in enumerate(xs)])
    check(hessian(lambda x, a: np.sum(np.tanh(a @ x) ** 2)), *[(x, a * k) for k, (x,) in enumerate(xs)])
    for f in (F.softmax, np.cumsum, np.prod, np.max, lambda x: F.linear(x, a, x, "relu")):
        check(jacobian(f), *xs)


def test_the_order_of_writing_and_reading_is_kept() -> None:
    def function(x: Any) -> Any:
        y = np.zeros_like(x)
        first = y + 1
        y += x
        second = y + 1
        y[1:] *= 2
        view = y[::2]
        view -= x[::2]
        return first, second, y + 1, view * 1

    check(function, *[(np.arange(5.0) + k,) for k in range(3)])


def random_writer(random: Random) -> str:
    """Return a program on matrices of two dtypes that computes, views its results, and writes into them."""
    names, own = ["x", "y"], []  # what there is, and what may be written to
    lines = []
    for number in range(random.randint(4, 25)):
        a, b, new = random.choice(names), random.choice(names), f"v{number}"
        views = ("[::-1]", ".T", "[:, ::-1]", ".reshape(6, 6)", ".T[::-1]")
        makers = [
            f"np.{random.choice(['add', 'multiply', 'subtract', 'maximum'])}({a}, {b})",
            f"np.{random.choice(['tanh', 'sin', 'negative', 'copy', 'zeros_like', 'ones_like'])}({a})",
            f"{a}.sum(axis={random.randint(0, 1)}, keepdims=True) + {b}",
            f"np.greater({a}, {b}) * {random.choice(names)}",
            a + random.choice(views),
        ]
        target = random.choice(own) if own else None
        if target is None or random.random() < 0.65:
            kind = random.randint(0, 4)
            lines.append(f"{new} = {makers[kind]}")
            names.append(new)
            own += [new] if kind < 4 or a in own else []
        else:
            writers = [
                f"{target} {random.choice(['+=', '-=', '*='])} {a} * 0.5",
                f"{target}[{random.choice(['1:3', '::2', ':, 1', '2'])}] = {a}[0, 0]",
                f"np.add({a}, {b}, out={target})",
            ]
            lines.append(random.choice(writers))
    outputs = random.sample(names, min(len(names), 3))
    return "\n    ".join(["def function(x, y):", *lines, f"return [{', '.join(outputs)}]"])


@pytest.mark.parametrize("block", [compiler.BLOCK, 1])
def test_programs_of_views_and_writes(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "BLOCK", block)
    for seed in range(200):
        names: dict[str, Any] = {"np": np}
        exec(random_writer(Random(seed)), names)
        generator = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            calls = [(x, y.astype(np.float32)) for x, y in generator.normal(size=(3, 2, 6, 6))]
            check(names["function"], *calls)


def random_keeper(random: Random) -> str:
    """Return a program that computes, and sets tensors from outside, whose memories overlap."""
    names = ["x", "y"]
    lines = []
    for number in range(random.randint(4, 20)):
        kept = f"p{random.randint(0, 5)}.data"
        a, b = random.choice([*names, kept]), random.choice(names)
        kind = random.random()
        if kind < 0.5:
            makers = [
                "np.sin({a})",
                "np.multiply({a}, {b})",
                "{a} @ {b}",
                "{a}.copy()",
                "np.stack([{a}, {b}])[0]",
            ]
            maker = random.choice(makers)
            lines.append(f"v{number} = {maker.format(a=a, b=b)}")
            names.append(f"v{number}")
        elif kind < 0.9:
            lines.append(f"{kept}[...] = {random.choice(names[-2:])}")
        else:
            lines.append(f"callback(look, {a})")
    lines.append(f"return {random.choice(names)}, {kept}")
    return "\n    ".join(["def function(x, y):", *lines])


@pytest.mark.parametrize("block", [compiler.BLOCK, 1])
def test_arrays_from_outside_are_set_in_the_order_of_the_program(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "BLOCK", block)
    moved = 0
    for seed in range(400):
        found = []
        for transform in (lambda function: function, jit):
            whole, other = np.linspace(-1, 1, 100), np.ones(72)
            parts = [whole[:36], whole[36:72], whole[30:66], other[:36], other[36:]]
            tensors = [Tensor(part.reshape(6, 6)) for part in parts] + [Tensor(parts[1].reshape(6, 6).T)]
            seen: list[Any] = []
            names = {f"p{number}": tensor for number, tensor in enumerate(tensors)}
            names |= {"np": np, "callback": callback, "look": lambda _: seen.append(whole.copy())}  # noqa: B023
            exec(random_keeper(Random(seed)), names)
            function = transform(names["function"])
            for x, y in np.random.default_rng(seed).uniform(-1, 1, (3, 2, 6, 6)):
                seen += [np.array(result) for result in function(x, y)]
                seen += [whole.copy(), other.copy()]
            found.append(seen)
        plain, replayed = found
        assert len(plain) == len(replayed)
        for first, second in zip(plain, replayed, strict=True):
            np.testing.assert_array_equal(first, second, err_msg=str(seed))
        moved += sum(len(program.moved) for program in function.programs.values())
    assert moved > 50


def test_what_is_copied_to_an_array_from_outside_is_computed_there() -> None:
    model = MLP((6, 5, 3), generator=np.random.default_rng(0))
    whole = np.zeros(sum(p.size for p in model.parameters()), np.float32)
    ends = np.cumsum([p.size for p in model.parameters()])
    places = [
        (p, Tensor(whole[end - p.size : end].reshape(p.shape)))
        for p, end in zip(model.parameters(), ends, strict=True)
    ]

    def function(x: Any) -> None:
        np.sum(model(Tensor(x)) ** 2).backward()
        for parameter, place in places:
            place.data[...] = parameter.grad.data
            parameter.grad = place
        callback(lambda array: np.multiply(array, 2, array), whole)

    replayed = jit(function)
    for k in range(3):
        x = np.full((4, 6), k + 1, np.float32)
        for parameter in model.parameters():
            parameter.grad = None
        function(x)
        expected = whole.copy()
        replayed(x)
        np.testing.assert_array_equal(whole, expected)
        for parameter, place in places:
            assert np.shares_memory(parameter.grad.data, place.data)
            np.testing.assert_array_equal(parameter.grad.data, place.data)
    assert "[...]" not in str(replayed) and ".copy()" not in str(replayed)


def test_an_argument_may_lie_where_a_result_is_put() -> None:
    kept = Tensor(np.zeros(5))

    @jit
    def function(x: Any) -> Any:
        y = x * 2
        z = y + x  # after y, which is computed in the memory of `kept`
        kept.data[...] = y
        return z

    x = np.arange(5.0)
    function(x)
    assert function.latest.moved
    kept.data[...] = x
    np.testing.assert_array_equal(function(kept.data), 3 * x)
    np.testing.assert_array_equal(kept.data, 2 * x)


def test_equal_calls_are_made_once_and_what_nobody_needs_never() -> None:
    def function(x: Any) -> Any:
        np.exp(x)
        return np.sin(x) * np.cos(np.sin(x))

    source = str(check(function, (np.ones(3),), (np.zeros(3),)))
    assert source.count("sin(") == 1 and "exp(" not in source


def test_products_with_ones_are_not_made() -> None:
    source = str(check(grad(lambda x: np.sum(np.sin(x) * 1.0)), (np.ones((2, 3)),), (np.zeros((2, 3)),)))
    assert "cos(argument)" in source and "multiply" not in source
    ones = np.ones(3)  # may be changed by others
    replayed = jit(lambda x: x * ones)
    replayed(np.ones(3))
    ones[0] = 5
    np.testing.assert_array_equal(replayed(np.ones(3)), [5, 1, 1])


def test_a_view_of_what_was_computed_twice() -> None:
    def function(x: Any) -> Any:
        first, second = np.tanh(x), np.tanh(x)
        part = second[::-1]
        total = first + 1
        total += np.exp(x) * np.sin(x)
        return total * part

    check(function, (np.arange(4.0),), (np.ones(4),))


def test_buffers_are_shared_between_results_that_do_not_live_together() -> None:
    def function(x: Any) -> Any:
        for _ in range(50):
            x = np.tanh(x) + np.sin(x)
        return x

    replayed = check(function, (np.ones(1000),), (np.zeros(1000),))
    (program,) = replayed.programs.values()
    assert program.bytes <= 3 * 8000


def test_large_arrays_are_computed_in_blocks() -> None:
    def function(x: Any, row: Any, column: Any) -> Any:
        y = np.tanh(x) * row + column
        z = y * y[::-1]
        z += np.exp(-y * y) / (1 + y)
        return np.sum(z * x, axis=0), z

    generator = np.random.default_rng(0)
    shapes = (400, 300), (300,), (400, 1)
    calls = [tuple(generator.uniform(0, 1, shape) for shape in shapes) for _ in range(3)]
    replayed = check(function, *calls)
    assert str(replayed).count("for part") == 2
    small = str(check(function, *[(x[:20], row, column[:20]) for x, row, column in calls]))
    assert "for part" not in small


def test_warnings_are_those_of_the_function() -> None:
    infinite = np.full(3, -np.inf)
    check(lambda x: F.logsumexp(x), (np.ones(3),), (infinite,), (infinite,))
    replayed = jit(np.log)
    replayed(np.ones(2))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        replayed(np.zeros(2))


def test_shapes_of_every_kind() -> None:
    for shape in ((), (1,), (0,), (0, 3), (2, 0, 2), (2, 3)):
        xs = [(np.full(shape, k + 1.0),) for k in range(3)]
        check(value_and_grad(lambda x: np.sum(np.tanh(x) * x)), *xs)


def test_float_dtypes() -> None:
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        xs = [(np.linspace(0, 1, 5).astype(dtype) * (k + 1),) for k in range(2)]
        check(value_and_grad(lambda x: np.mean(np.tanh(x * 2) + x**3 / 3)), *xs)


def test_numbers_keep_their_promotion() -> None:
    check(lambda x: (x + 1, x * 2.5, x // 2, x / 2, 2**x), *[(np.arange(4) + k,) for k in range(3)])
    check(lambda x: (x + 1, x * 2, x & 3), *[(np.arange(4, dtype=np.uint8) + k,) for k in range(3)])


# -------------------------------------------------------------------------- arguments and results


def test_arguments_in_trees_and_by_name() -> None:
    def function(tree: Any, *, scale: Any, how: str) -> Any:
        return {"sum": (tree["a"] + tree["b"][0]) * scale, how: [tree["b"][1], None, 3]}

    tree = {"a": np.ones(3), "b": (np.arange(3.0), np.zeros((2, 2)))}
    replayed = jit(function)
    for scale in (np.float32(2), np.float32(3)):
        result = replayed(tree, scale=scale, how="rest")
        np.testing.assert_array_equal(result["sum"], (tree["a"] + tree["b"][0]) * scale)
        assert result["rest"][1:] == [None, 3]
    assert len(replayed.programs) == 1


def test_each_shape_dtype_and_number_is_recorded_by_itself() -> None:
    calls = []

    def function(x: Any, n: int) -> Any:
        calls.append(n)
        return x**n

    replayed = jit(function)
    for x in (np.ones(2), np.ones(3), np.ones(3, np.float32), np.ones(2)):
        for n in (2, 3, True):
            assert_same(replayed(x, n), x**n)
    assert len(calls) == 9
    for n in range(100):
        replayed(np.ones(2), n)
    assert len(replayed.programs) == 16


def test_arrays_that_lie_in_memory_in_any_way() -> None:
    x = np.arange(24.0).reshape(4, 6)
    frozen = x.copy()
    frozen.flags.writeable = False
    replayed = jit(lambda x: np.tanh(x).reshape(-1) + x.T.ravel())
    for view in (x, x[::-1], np.asfortranarray(x), frozen, x.astype(">f8")):
        np.testing.assert_array_equal(replayed(view), np.tanh(view).reshape(-1) + view.T.ravel())


def test_results_are_the_callers_own() -> None:
    constant = np.ones(3)
    replayed = jit(
        lambda x: (x, x * 2, x * 2, (x + 1)[::-1], constant, np.zeros_like(x), np.ones_like(x) * x)
    )
    x = np.arange(3.0)
    replayed(x)
    first = replayed(x)
    kept = [value.copy() for value in first]
    for value in first:
        assert not any(np.shares_memory(value, other) for other in (x, constant))
        value += 7
    for ours, right in zip(replayed(x), kept, strict=True):
        np.testing.assert_array_equal(ours, right)
    np.testing.assert_array_equal(constant, 1)


def test_tensors_give_tensors_and_arrays_arrays() -> None:
    replayed = jit(lambda x: x * 2)
    for _ in range(2):
        assert type(replayed(np.ones(2))) is np.ndarray
        assert type(replayed(Tensor([1.0, 1.0]))) is Tensor
        assert type(replayed(np.float32(3))) is np.ndarray


def test_zeros_have_signs() -> None:
    replayed = jit(lambda x, y: (x * y, x * 0.0, x * -0.0))
    for zero in (0.0, -0.0):
        for ours, sign in zip(replayed(np.ones(2), zero), (zero, 0.0, -0.0), strict=True):
            assert np.signbit(ours).all() == np.signbit(sign)


def test_what_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(TypeError, match="and not set"):
        jit(lambda x: x)({1})


def test_a_method() -> None:
    class Scaled:
        @jit
        def times(self, x: Any) -> Any:
            """Scale."""
            return x * 2

    assert Scaled.times.__doc__ == "Scale."
    for _ in range(2):
        np.testing.assert_array_equal(Scaled().times(np.ones(2)), 2)


# ------------------------------------------------------------------------------- what is outside


def test_parameters_are_seen_as_they_change() -> None:
    w = Tensor(np.ones(3), requires_grad=True)

    def function(x: Any) -> Any:
        return np.sum(np.tanh(w) * 2) + np.sum(w * x)  # the first sum depends on no argument

    replayed = jit(function)
    x = np.arange(3.0)
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: w.data.__iadd__(1.0),
        lambda: setattr(w, "data", np.full(3, 0.3)),
        lambda: setattr(w, "data", w.data * 2),
    ]
    for change in changes:
        change()
        assert_same(replayed(x).data, function(x).data)


def test_a_loaded_state_is_seen() -> None:
    layer = Linear(2, 2, generator=np.random.default_rng(0), dtype=np.float64)
    replayed = jit(layer)
    x = np.ones((1, 2))
    before = replayed(x)
    layer.load_state_dict({"weight": np.eye(2), "bias": np.ones(2)})
    np.testing.assert_array_equal(replayed(x).data, [[2, 2]])
    assert before.data[0, 0] != 2


def test_tensors_that_require_no_gradient_are_seen_too() -> None:
    mean = Tensor(np.zeros(2))
    replayed = jit(lambda x: x + np.exp(mean))
    np.testing.assert_array_equal(replayed(np.zeros(2)).data, 1)
    mean.data = np.full(2, np.log(3.0))
    np.testing.assert_allclose(replayed(np.zeros(2)).data, 3)
    mean.data[0] = 0.0
    np.testing.assert_allclose(replayed(np.zeros(2)).data, [1, 3])


def test_a_module_that_changes_is_recorded_anew() -> None:
    generator = np.random.default_rng(0)
    model = Sequential(Linear(4, 4, generator=generator), Dropout(0.5, generator=generator))
    replayed = jit(model)
    x = np.ones((2, 4), np.float32)
    replayed(x)
    assert (replayed(x).data == 0).any()
    model.eval()
    assert not (replayed(x).data == 0).any()
    model.layers[1].p = 1.0
    model.train()
    assert not replayed(x).data.any()
    model.layers.pop()
    assert replayed(x).data.all()


def test_values_are_assigned_to_parameters() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    array = w.data

    def step(x: Any) -> None:
        loss = np.sum((w - x) ** 2)
        loss.backward()
        w.data = w.data - 0.1 * w.grad.data
        w.zero_grad()

    replayed = jit(step)
    expected = np.ones(2)
    for k in range(5):
        x = np.full(2, k * 1.0)
        order = w.order
        assert replayed(x) is None
        expected = expected - 0.1 * (2 * (expected - x))
        np.testing.assert_allclose(w.data, expected)
        assert w.data is array and w.order > order and w.grad is None


def test_gradients_start_from_none_in_every_call() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    other = Tensor(5.0, requires_grad=True)
    other.grad = Tensor(7.0)

    def function(x: Any) -> Any:
        loss = np.sum(w * x * other.data)
        loss.backward()
        return loss

    replayed = jit(function)
    for k in range(3):
        replayed(np.full(2, k + 1.0))
        np.testing.assert_array_equal(w.grad.data, 5.0 * (k + 1))
    assert other.grad.data == 7


def test_two_backwards_in_a_call_add_up() -> None:
    w = Tensor(np.ones(2), requires_grad=True)

    def function(x: Any) -> None:
        np.sum(w * x).backward()
        np.sum(w * x * x).backward()

    replayed = jit(function)
    for k in range(3):
        replayed(np.full(2, k + 1.0))
        np.testing.assert_array_equal(w.grad.data, (k + 1) + (k + 1) ** 2)


def test_every_gradient_has_memory_of_its_own() -> None:
    a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    x = np.arange(3.0)

    def function(x: Any) -> None:
        np.sum(a * x + b * x).backward()

    replayed = jit(function)
    for _ in range(3):
        replayed(x)
        np.testing.assert_array_equal(a.grad.data, x)
        a.grad.data[...] = 7
        np.testing.assert_array_equal(b.grad.data, [0, 1, 2])
        np.testing.assert_array_equal(x, [0, 1, 2])


def test_dropout_draws_afresh_from_its_generator() -> None:
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    replayed = jit(lambda x: F.dropout(x, 0.5, ours))
    masks = [replayed(np.ones(20)) for _ in range(4)]
    for mask in masks:
        np.testing.assert_array_equal(mask, F.dropout(np.ones(20), 0.5, theirs))
    assert len({mask.tobytes() for mask in masks}) == 4


def test_callbacks_run_in_every_call_in_their_place() -> None:
    seen: list[float] = []
    total = np.zeros(3)

    def note(x: np.ndarray) -> None:
        seen.append(float(x[0]))
        total[...] += x

    def function(x: Any) -> Any:
        y = x * 2
        callback(note, y)
        return y + total

    replayed = jit(function)
    for k in range(1, 4):
        result = replayed(np.full(3, k * 1.0))
        np.testing.assert_array_equal(result, 2.0 * k + total)
    assert seen == [2, 4, 6]


# ------------------------------------------------------------------------------------ other modes


def test_under_a_transform_the_function_is_called_as_it_is() -> None:
    replayed = jit(lambda x: np.sum(np.tanh(x) ** 2))
    x = np.arange(3.0)
    replayed(x)
    for _ in range(2):
        np.testing.assert_array_equal(grad(replayed)(x), grad(replayed.function)(x))
        t = Tensor(x, requires_grad=True)
        replayed(t).backward()
        np.testing.assert_array_equal(t.grad.data, grad(replayed.function)(x))
        with no_grad():
            assert not replayed(t).requires_grad


def test_one_jit_within_another() -> None:
    inner = jit(lambda x: np.tanh(x) * 2)
    check(lambda x: inner(x) + inner(x + 1), (np.ones(2),), (np.zeros(2),))


def test_no_grad_within() -> None:
    w = Tensor(np.ones(2), requires_grad=True)

    def function(x: Any) -> Any:
        with no_grad():
            return w * x

    replayed = jit(function)
    for k in range(3):
        np.testing.assert_array_equal(replayed(np.full(2, k)).data, k)


def test_a_function_that_calls_itself() -> None:
    def function(x: Any, n: int) -> Any:
        return replayed(x * 2, n - 1) if n else x

    replayed = jit(function)
    for _ in range(2):
        np.testing.assert_array_equal(replayed(np.ones(2), 3), 8)


def test_threads() -> None:
    replayed = jit(grad(lambda x: np.sum(np.tanh(x) ** 3)))
    x = np.linspace(-1, 1, 10_000)
    expected = [replayed.function(x * k) for k in range(4)]
    failures: list[Any] = []

    def work(k: int) -> None:
        for _ in range(50):
            if not np.array_equal(replayed(x * k), expected[k]):
                failures.append(k)

    threads = [Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# ---------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x[0] > 0 else -x,
        lambda x: x * float(x[0]),
        lambda x: x * int(x[0]),
        lambda x: x * x[0].item(),
        lambda x: np.asarray(x),
        lambda x: np.array(x) + 1,
        lambda x: np.linspace(0, 1, 3) + np.fromiter(x, float),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: np.nonzero(x),
        lambda x: np.unique(x),
        lambda x: np.where(x > 0),
        lambda x: np.array2string(x),
        lambda x: np.allclose(x, 1),
        lambda x: Tensor(x) if bool(Tensor(x)[0] > 0) else None,
        lambda x: Tensor(x)[0].item(),
        lambda x: np.add(np.ones(3), x, out=np.zeros(3)),
        lambda x: np.repeat(np.ones(3), np.sign(x).astype(int)),
    ],
)
def test_what_depends_on_values_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match="depends on the values of an array, and jit records"):
        jit(function)(np.ones(3))


def test_an_argument_cannot_be_changed_in_place() -> None:
    def function(x: Any) -> Any:
        x += 1
        return x

    x = np.ones(2)
    with pytest.raises(TypeError, match="may not change its arguments in place"):
        jit(function)(x)
    np.testing.assert_array_equal(x, 1)


def test_what_is_kept_outside_is_refused() -> None:
    kept: list[Any] = []

    def function(x: Any) -> Any:
        y = x * 2
        kept.append(y)
        return y

    with pytest.raises(TypeError, match="function keeps an array that it has computed"):
        jit(function)(np.ones(2))
    with pytest.raises(TypeError, match="was computed while jit recorded a function, which is over"):
        kept[0] + 1


def test_a_module_that_counts_its_calls_is_refused() -> None:
    class Counting(Module):
        count = 0

        def forward(self, x: Any) -> Any:
            self.count += 1
            return x * 2

    with pytest.raises(TypeError, match="an attribute of Counting was changed while jit recorded it"):
        jit(Counting())(np.ones(2))


def test_a_tensor_that_shares_its_memory_cannot_be_assigned_to() -> None:
    state = Tensor(np.zeros(2))

    def function(x: Any) -> None:
        state.data = state.data + x

    with pytest.raises(TypeError, match="return the new values instead"):
        jit(function)(np.ones(2))
    np.testing.assert_array_equal(state.data, 0)


def test_an_optimizer_needs_its_gradients_from_the_same_function() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    np.sum(w).backward()
    with pytest.raises(RuntimeError, match="no parameter has a gradient"):
        jit(SGD([w], 0.1).step)()
    np.testing.assert_array_equal(w.grad.data, 1)


def test_a_failed_recording_leaves_everything_as_it_was() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    array = w.data

    def function(x: Any) -> Any:
        y = w * x
        y.sum().backward()
        raise KeyError("no")

    with pytest.raises(KeyError):
        jit(function)(np.ones(2))
    assert w.data is array and w.grad is None
    np.testing.assert_array_equal((w * 2).data, 2)


def test_a_shape_that_depends_on_values_inside_an_op_is_noticed() -> None:
    x = Tensor(np.arange(4.0))
    replayed = jit(lambda mask: x[mask] * 2)
    mask = np.array([True, True, False, False])
    np.testing.assert_array_equal(replayed(mask).data, [0, 2])
    np.testing.assert_array_equal(replayed(mask[::-1]).data, [4, 6])
    with pytest.raises(TypeError, match=r"had shape \(2,\) when jit recorded it, and has shape \(4,\) now"):
        replayed(np.ones(4, bool))


def test_a_last_rule_that_looks_at_values_is_one_call() -> None:
    @np.vectorize
    def halved(x: float) -> float:
        return x / 2 if x > 0 else 0.0

    def forward(x: Any) -> Any:
        return np.maximum(x * 3, 0) / 2

    op = primitive(forward, lambda g, y, x: g * 3, last=lambda g, y: g * halved(np.sign(y)), name="half_relu")
    assert gradcheck(op, np.array([-1.0, 2.0]))
    check(grad(lambda x: np.sum(op(x) ** 2)), (np.array([-1.0, 2.0]),), (np.array([3.0, -4.0]),))


def test_labels_from_outside_are_used_where_they_are() -> None:
    labels = np.array([0, 1])
    replayed = jit(value_and_grad(lambda x: cross_entropy(x * 1.0, labels)))
    x = np.random.default_rng(0).normal(size=(2, 3))
    replayed(x)
    labels[:] = [2, 2]
    assert_same(replayed(x), value_and_grad(lambda x: cross_entropy(x * 1.0, labels))(x))


def test_wrong_labels_are_refused_in_every_call() -> None:
    replayed = jit(lambda x, labels: cross_entropy(Tensor(x), labels))
    replayed(np.ones((2, 3)), np.array([0, 2]))
    with pytest.raises(ValueError, match="labels must lie between 0 and 2"):
        replayed(np.ones((2, 3)), np.array([0, 3]))
    assert replayed(np.ones((2, 3)), np.array([0, 1])).shape == ()


# -------------------------------------------------------------------------------- seen from outside


def test_the_program_is_printed() -> None:
    replayed = jit(lambda x: np.tanh(x) + 1)
    assert str(replayed) == "nothing recorded yet"
    replayed(np.ones((2, 3), np.float32))
    assert "tanh(x, " in str(replayed) and "(2, 3) float32" in str(replayed)


def test_the_program_is_drawn() -> None:
    w = Tensor(np.ones(3), requires_grad=True, name="w")

    @jit
    def function(x: Any) -> Any:
        y = np.zeros_like(x)
        y += np.tanh(x) * w.data
        return y

    with pytest.raises(RuntimeError, match="nothing was recorded yet"):
        draw_graph(function)
    source = draw_graph(function, np.ones(3)).source
    for name in ("x", "w", "tanh", "multiply", "zeros_like", "add"):
        assert f"<b>{name}</b>" in source
    assert source.count(" -> ") == 6  # x to tanh and zeros, tanh and w to multiply, that and zeros to add
    assert draw_graph(function).source == source


def test_an_error_in_a_replay_shows_the_line() -> None:
    import traceback

    replayed = jit(np.linalg.inv)
    replayed(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        replayed(np.zeros((2, 2)))
    assert "(a)" in "".join(traceback.format_exception(caught.value))


def test_nothing_of_the_recording_is_kept() -> None:
    replayed = jit(value_and_grad(lambda x: np.sum(np.tanh(np.sin(x)))))
    x = np.ones(100_000)
    replayed(x)
    gc.collect()
    large = [a for a in gc.get_objects() if type(a) is Variable]
    assert large == []


def test_dataclasses_and_none_are_structures() -> None:
    @dataclass
    class Affine:
        weights: Any
        bias: Any = None

    runs = []

    @jit
    def f(affine: Affine) -> Affine:
        runs.append(1)
        return Affine(affine.weights * 2, affine.bias if affine.bias is None else affine.bias + 1)

    for x in (np.ones(3), np.arange(3.0)):
        result = f(Affine(x))
        assert type(result) is Affine and result.bias is None
        np.testing.assert_array_equal(result.weights, 2 * x)
        result = f(Affine(x, x))
        np.testing.assert_array_equal(result.weights, 2 * x)
        np.testing.assert_array_equal(result.bias, x + 1)
    assert len(runs) == 2
    assert jit(lambda x: None)(np.ones(3)) is None


def test_a_detached_copy_of_a_tensor_from_outside_is_made_in_every_call() -> None:
    w = Tensor(np.ones(3), requires_grad=True)
    for f in (jit(lambda x: x * w.detach()), jit(lambda x: x * stop_gradient([w])[0])):
        w.data = np.ones(3)
        for factor in (1.0, 5.0, 7.0):
            w.data = np.full(3, factor)
            np.testing.assert_array_equal(f(np.ones(3)).data, np.full(3, factor))


def test_jacobians_either_way_are_replayed() -> None:
    tall = np.arange(120.0).reshape(40, 3) / 50
    for f in (lambda x: np.sin(tall @ x), lambda x: np.tanh(tall.T @ np.cos(tall @ x))):
        replayed = jit(jacobian(f))
        for x in (np.ones(3), np.arange(3.0)):
            np.testing.assert_allclose(replayed(x), jacobian(f)(x), rtol=1e-12, atol=1e-14)


def test_callbacks_are_called_in_the_ordinary_mode() -> None:
    seen = []

    def look(x: Any) -> None:
        with no_grad():
            seen.append(mode()[:2])
        seen.append(mode()[:2])

    def f(x: Any) -> Any:
        callback(look, x)
        return x * 2

    with no_grad():
        np.testing.assert_array_equal(jit(f)(np.ones(2)), [2, 2])
    assert seen == [(True, None), (False, None)]


def test_derivatives_of_holomorphic_functions() -> None:
    z = np.array([1j, 2.0])
    for transform in (jacobian, elementwise_grad):
        derivative = jit(transform(lambda z, x: z * z * x + (1 - x) * np.conj(z)))
        for x in (np.array(1.0), np.array(1.0)):
            np.testing.assert_allclose(derivative(z, x), transform(np.square)(z))
        with pytest.raises(TypeError, match="the function is not holomorphic"):
            derivative(z, np.array(0.5))
