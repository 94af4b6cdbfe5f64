"""The way back op by op: its gradients are those of backward(), and nothing is changed by looking."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from drawn import variable
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Tensor, checkpoint, debug, no_grad
from autograd.drawing.steps import SMALL, ancestors, local_derivatives, seconds, walk
from nn import MLP, Dropout, cross_entropy

Op = Callable[[Any, Any], Any]
OPS: list[Op] = [
    np.add,
    np.multiply,
    np.subtract,
    lambda a, b: np.tanh(a),
    lambda a, b: np.sin(a * b),
    lambda a, b: a @ np.swapaxes(b, -1, -2) @ a,
    lambda a, b: a + b[0],
    lambda a, b: a - np.sum(b, axis=0, keepdims=True),
    lambda a, b: np.where(a.data.real > 0, a, b),
    lambda a, b: np.concatenate([a, b])[1:3],
    lambda a, b: a * 2 + a,
    lambda a, b: a / (2 + b * np.conj(b)),
]


def random_graph(seed: int, count: int, kind: str) -> tuple[list[Tensor], list[Tensor]]:
    """Return the leaves of a graph of random ops, and some of its results as outputs."""
    generator = np.random.default_rng(seed)

    def values() -> Any:
        real = generator.uniform(-1, 1, (2, 2))
        return real + 1j * generator.uniform(-1, 1, (2, 2)) if kind == "complex" else real

    leaves = [Tensor(values(), requires_grad=True) for _ in range(2)] + [Tensor(values())]
    if kind == "mixed":
        leaves.append(Tensor(values() + 1j * values(), requires_grad=True))
    tensors = list(leaves)
    for place in generator.integers(0, len(OPS), count):
        a, b = (tensors[i] for i in generator.integers(max(len(tensors) - 4, 0), len(tensors), 2))
        result = OPS[place](a, b)
        tensors.append(result / (1 + np.abs(result).data.max()))
    chosen = generator.integers(len(leaves), len(tensors), 2)
    return leaves, [tensors[i] for i in {int(i) for i in chosen} | {len(tensors) - 1}]


@given(
    st.integers(0, 10**6), st.integers(1, 12), st.sampled_from(["real", "complex", "mixed"]), st.booleans()
)
@settings(deadline=None, max_examples=150)
def test_gradients_are_those_of_backward(seed: int, count: int, kind: str, record: bool) -> None:
    _, outputs = random_graph(seed, count, kind)
    walked = walk(outputs, record)
    tensors = ancestors(outputs)
    assert all(tensor.grad is None for tensor in tensors)
    for output in outputs:
        if output.requires_grad:
            output.backward(np.ones_like(output.data), retain_graph=True)
    for tensor in tensors:
        if tensor.grad is None:
            assert tensor not in walked.gradients
        else:
            gradient = walked.gradients[tensor]
            assert isinstance(gradient, Tensor) is record
            assert gradient.dtype == tensor.dtype
            values = gradient.data if record else gradient
            np.testing.assert_allclose(values, tensor.grad.data, rtol=1e-9, atol=1e-12)


def test_a_step_for_each_op_on_the_way_in_the_order_of_backward() -> None:
    x, unused = variable([1.0, 2.0], "x"), variable(1.0)
    a = np.sin(x)
    b = a * a
    c = np.sum(a + b)
    unused * 2
    walked = walk([c])
    assert [step.node.op.name for step in walked.steps] == ["sum", "add", "multiply", "sin"]
    assert walked.steps[0].arriving == 1
    multiply = walked.steps[2]
    np.testing.assert_allclose(multiply.leaving[a], 2 * a.data)
    np.testing.assert_allclose(walked.steps[3].arriving, 1 + 2 * a.data)
    np.testing.assert_allclose(walked.gradients[x], (1 + 2 * a.data) * np.cos(x.data))


def test_what_leaves_the_users_of_a_tensor_adds_up_to_what_arrives_there() -> None:
    _, outputs = random_graph(3, 12, "real")
    walked = walk(outputs)
    for step in walked.steps:
        parts = [other.leaving[step.node] for other in walked.steps if step.node in other.leaving]
        seed = np.ones(step.node.shape) * any(step.node is output for output in outputs)
        np.testing.assert_allclose(step.arriving, sum(parts, seed))


def test_untracked_outputs_have_no_way_back() -> None:
    y = Tensor(1.0) * 2
    x = variable(1.0)
    assert walk([y]).steps == []
    walked = walk([y, x * 3, x])
    assert walked.gradients[x] == 4
    assert len(walked.steps) == 1


def test_a_recorded_walk_is_a_graph_down_to_its_seeds() -> None:
    x = variable([1.0, 2.0])
    y = x * x * x
    walked = walk([y], record=True)
    (seed,) = (tensor for tensor in ancestors([walked.gradients[x]]) if tensor.name == "seed")
    assert seed.requires_grad
    assert seed.order >= walked.first > y.order
    np.testing.assert_allclose(walked.gradients[x].data, 3 * x.data**2)
    again = walk([walked.gradients[x]])
    np.testing.assert_allclose(again.gradients[seed], 3 * x.data**2)
    np.testing.assert_allclose(again.gradients[x], 6 * x.data)


def test_creation_numbers_of_a_step_are_those_of_what_it_recorded() -> None:
    x = variable([1.0, 2.0])
    walked = walk([np.sum(np.tanh(x) * x)], record=True)
    spans = [(step.first, step.last) for step in walked.steps]
    assert all(first < last for first, last in spans)
    assert all(last < first for (_, last), (first, _) in pairwise(spans))
    recorded = [t for t in ancestors(list(walked.gradients.values())) if t.order >= walked.first and t.op]
    assert recorded
    assert all(sum(first < tensor.order < last for first, last in spans) == 1 for tensor in recorded)


def test_a_walk_is_recorded_without_recording_around_it() -> None:
    x = variable(3.0)
    y = x * x
    with no_grad():
        walked = walk([y], record=True)
    assert walked.gradients[x].op is not None


def test_walking_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    model = MLP((3, 4, 2), dropout=0.5, generator=generator)
    loss = cross_entropy(model(Tensor(np.ones((5, 3), np.float32))), np.zeros(5, int))
    tensors = ancestors([loss])
    before = [(t.order, t.inputs, t.grad, t.data.copy()) for t in tensors]
    state = generator.bit_generator.state
    for record in (False, True):
        walk([loss], record)
    for tensor in tensors:
        local_derivatives(tensor) if tensor.op is not None and tensor.requires_grad else None
        seconds(tensor)
    assert generator.bit_generator.state == state
    for tensor, (order, inputs, grad, data) in zip(tensors, before, strict=True):
        assert (tensor.order, tensor.inputs, tensor.grad) == (order, inputs, grad)
        np.testing.assert_array_equal(tensor.data, data)
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_what_was_freed_or_changed_says_so() -> None:
    x = variable(2.0, "x")
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed the graph .*'multiply'"):
        ancestors([y])
    y = x * x
    x.data = np.array(3.0)
    with pytest.raises(RuntimeError, match="changed after 'multiply' had used it"):
        walk([y])


def test_a_walk_of_a_hundred_thousand_ops() -> None:
    y = x = variable(1.0)
    for _ in range(100_000):
        y = y * 1.0
    walked = walk([y])
    assert len(walked.steps) == 100_000
    assert walked.gradients[x] == 1


# ----------------------------------------------------------------------------------- local derivatives


def differences(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the Jacobian of f by x, (*f.shape, *x.shape), by central differences."""
    columns = []
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        columns.append((f(x + step) - f(x - step)) / 2e-6)
    return np.stack(columns, -1).reshape(*np.shape(columns[0]), *x.shape)


A = np.array([[0.3, -1.2], [0.7, 2.0]])


@pytest.mark.parametrize(
    "f",
    [
        np.tanh,
        lambda x: x * x,
        lambda x: np.multiply(x, A.T),
        lambda x: np.maximum(x, 0.5),
        lambda x: x @ A,
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.sum(x, axis=1),
        lambda x: np.linalg.inv(x),
        lambda x: np.concatenate([x, x]),
        lambda x: x[[0, 0, 1]],
        lambda x: np.add(x, np.ones((3, 2, 2))),
        lambda x: np.reshape(x, 4),
    ],
)
def test_local_derivatives_are_those_of_differences(f: Any) -> None:
    x = variable(A)
    y = f(x)
    (derivative,) = local_derivatives(y).values()
    expected = differences(f, A)
    if derivative.shape == x.shape:  # elementwise: the diagonal
        np.testing.assert_allclose(np.diag(derivative.ravel()), expected.reshape(4, 4), atol=1e-8)
    else:
        assert derivative.shape == (*y.shape, *x.shape)
        np.testing.assert_allclose(derivative, expected, atol=1e-7)


@pytest.mark.parametrize("f", [np.sum, np.linalg.det, lambda x: np.linalg.norm(x), lambda x: x[1, 1:]])
def test_the_derivative_of_one_number_has_the_shape_of_the_input(f: Any) -> None:
    x = variable(A)
    (derivative,) = local_derivatives(f(x)).values()
    assert derivative.shape == x.shape
    np.testing.assert_allclose(derivative, differences(f, A).reshape(2, 2), atol=1e-7)


def test_broadcast_inputs_have_jacobians() -> None:
    a, b = variable(A), variable([2.0, 3.0])
    found = local_derivatives(a * b)
    np.testing.assert_allclose(found[a], np.broadcast_to(b.data, (2, 2)))
    np.testing.assert_allclose(found[b], differences(lambda b: A * b, b.data), atol=1e-8)


def test_only_inputs_that_are_tracked_have_derivatives() -> None:
    a, data = variable(A), Tensor(A)
    assert list(local_derivatives(a @ data)) == [a]
    assert local_derivatives(Tensor(A) * 1) == {}


def test_derivatives_come_in_the_order_of_the_inputs() -> None:
    inputs = list(map(variable, range(40)))
    for ordered in (inputs, inputs[::-1]):
        assert list(local_derivatives(np.stack(ordered))) == ordered


def test_large_jacobians_are_left_out() -> None:
    small, large = variable(np.ones((2, 4))), variable(np.ones((3, 3)))
    assert small.size**2 == SMALL
    assert local_derivatives(np.cumsum(small, axis=0))[small].shape == (2, 4, 2, 4)
    assert local_derivatives(np.cumsum(large, axis=0)) == {}
    assert local_derivatives(np.exp(large))[large].shape == (3, 3)


def test_complex_and_empty_have_no_local_derivatives() -> None:
    z, empty = Tensor([1 + 2j], requires_grad=True), variable(np.ones((0, 3)))
    assert local_derivatives(z * z) == {}
    assert local_derivatives(np.abs(z)) == {}
    assert local_derivatives(np.exp(empty)) == {}
    assert local_derivatives(np.sum(empty))[empty].shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_local_derivatives_keep_the_dtype(dtype: Any) -> None:
    x = variable(A, dtype=dtype)
    for y in (np.exp(x), x @ x, np.sum(x)):
        assert local_derivatives(y)[x].dtype == dtype


def test_local_derivatives_in_a_graph_of_debug() -> None:
    x = variable(A)
    with debug():
        y = np.tanh(x) @ x
    np.testing.assert_allclose(local_derivatives(y)[x], differences(lambda x: np.tanh(A) @ x, A), atol=1e-7)


# ------------------------------------------------------------------------------------------------ time


def test_seconds_forward_and_back() -> None:
    x = variable(np.ones((50, 50)))
    measured = seconds(x @ x)
    assert measured is not None
    forward, backward = measured
    assert 0 < forward < 1 and 0 < backward < 1
    assert seconds(x) is None


def test_sources_have_a_time_and_no_gradient() -> None:
    generator = np.random.default_rng(0)
    y = Dropout(0.5, generator=generator)(variable(np.ones(5)))
    (mask,) = (x for x in y.inputs if x.op is not None)
    state = generator.bit_generator.state
    measured = seconds(mask)
    assert measured is not None and measured[0] > 0 and measured[1] == 0
    assert generator.bit_generator.state == state


def test_checkpoints_cannot_be_run_by_themselves() -> None:
    calls = []

    def f(x: Any, factor: float) -> Any:
        calls.append(factor)
        return np.sin(x) * factor

    y = checkpoint(f)(variable(np.ones(3)), 2.0)
    before = list(calls)
    assert seconds(y) is None
    assert calls == before


def test_measuring_gives_no_warnings() -> None:
    with np.errstate(all="ignore"):
        y = np.log(variable([0.0, -1.0]))
    assert seconds(y) is not None


def test_gradients_that_pass_an_op_unchanged_are_no_copies() -> None:
    a, b = variable([1.0, 2.0], "a"), variable([3.0, 4.0], "b")
    way = walk([np.sum(np.exp(a) + b)], record=True)
    ops = {gradient.op.name for gradient in way.gradients.values() if gradient.op is not None}
    assert "copy" not in ops
    (added,) = [step for step in way.steps if step.node.op.name == "add"]  # type: ignore[union-attr]
    assert added.leaving[b] is added.arriving
