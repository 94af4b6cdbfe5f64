"""When ops are recorded: no_grad, per thread, and the log of scopes."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autograd import (
    Tensor,
    grad,
    hessian,
    jacobian,
    jvp,
    no_grad,
    primitive,
    record_call,
    recording,
    value_and_grad,
)
from autograd.recording import is_recording, next_order


@pytest.fixture(autouse=True)
def recording_is_left_on() -> Any:
    assert is_recording()
    yield
    assert is_recording()


@pytest.fixture
def w() -> Tensor:
    return Tensor([1.0, 2.0], requires_grad=True)


def test_nothing_is_recorded_in_no_grad(w: Tensor) -> None:
    with no_grad():
        results = [w * 2, -w, w.sum(), np.concatenate([w, w]), w[0], np.where(w > 1, w, 0)]
    for y in results:
        assert (y.requires_grad, y.op, y.inputs, y.params) == (False, None, (), None)
    assert w.requires_grad
    assert (w * 2).requires_grad


def test_leaves_made_in_no_grad_can_require_gradients() -> None:
    with no_grad():
        w = Tensor(2.0, requires_grad=True)
    (w * w).backward()
    assert w.grad.item() == 4


def test_results_of_no_grad_are_leaves(w: Tensor) -> None:
    with no_grad():
        y = w * 3
    y.requires_grad = True
    (y * y).sum().backward()
    np.testing.assert_array_equal(y.grad.data, [6, 12])
    assert w.grad is None


def test_no_grad_nests(w: Tensor) -> None:
    with no_grad():
        with no_grad():
            pass
        assert not is_recording()
        with recording.recording(True):
            assert (w * 2).requires_grad
        assert not (w * 2).requires_grad
    assert is_recording()


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_recording()


def test_no_grad_decorates_functions(w: Tensor) -> None:
    @no_grad()
    def double(x: Tensor, depth: int = 2) -> Tensor:
        """Double."""
        return double(x, depth - 1) if depth else x * 2

    for _ in range(3):
        assert not double(w).requires_grad
        assert is_recording()
    assert (double.__name__, double.__doc__) == ("double", "Double.")
    with pytest.raises(TypeError):
        double()
    assert is_recording()


def test_no_grad_without_parentheses_is_an_error() -> None:
    with pytest.raises(TypeError):

        @no_grad
        def f() -> None: ...


def test_backward_works_in_no_grad(w: Tensor) -> None:
    y = (w * w).sum()
    with no_grad():
        y.backward()
    np.testing.assert_array_equal(w.grad.data, [2, 4])


def test_grad_works_in_no_grad(w: Tensor) -> None:
    with no_grad():
        value, gradient = value_and_grad(lambda x: (x * w.sum() * x).sum())(np.array([1.0, 2.0]))
        second = grad(grad(lambda x: x**3))(2.0)
        assert not is_recording()
    assert type(value) is type(gradient) is type(second) is np.ndarray
    np.testing.assert_array_equal(gradient, [6, 12])
    assert value == 15 and second == 12
    with no_grad():
        assert not grad(lambda x: (x * x).sum())(w).requires_grad


def test_functions_that_are_differentiated_may_stop_recording() -> None:
    def f(x: Tensor) -> Tensor:
        with no_grad():
            scale = x * 2
        return scale * x

    assert grad(f)(3.0) == 6


def test_each_thread_has_its_own_switch(w: Tensor) -> None:
    inside, done = threading.Event(), threading.Event()

    def paused() -> bool:
        with no_grad():
            inside.set()
            assert done.wait(10)
            return (w * 2).requires_grad

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(paused)
        assert inside.wait(10)
        assert (w * 2).requires_grad
        with no_grad():
            assert not (w * 2).requires_grad
        done.set()
        assert not other.result()
        assert pool.submit(lambda: (w * 2).requires_grad).result()


def test_threads_start_by_recording(w: Tensor) -> None:
    with no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (w * 2).requires_grad).result()
        assert not (w * 2).requires_grad


def test_no_grad_of_one_thread_does_not_leak_into_another_that_differentiates() -> None:
    w = np.linspace(0.5, 1.5, 5)
    stop = threading.Event()

    def switching() -> int:
        tensor, count = Tensor(w, requires_grad=True), 0
        while not stop.is_set():
            with no_grad():
                assert not (tensor * 2).requires_grad
            assert (tensor * 2).requires_grad
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(switching)
        for _ in range(500):
            np.testing.assert_allclose(grad(lambda x: np.sum(np.sin(x) * x))(w), np.cos(w) * w + np.sin(w))
            np.testing.assert_allclose(grad(grad(lambda x: x**3))(2.0), 12)
        stop.set()
        assert other.result() > 0


def paused(values: Any) -> Any:
    with no_grad():
        for value in values:
            yield value, is_recording()


def test_generators_that_end_out_of_turn_leave_nothing_behind(w: Tensor) -> None:
    generator = paused([1, 2, 3])
    with no_grad():
        assert next(generator) == (1, False)
    assert next(generator) == (2, False)  # still inside of its own context
    assert list(generator) == [(3, False)]
    assert is_recording()
    first, second = paused([1, 2]), paused([1, 2])
    next(first), next(second)
    first.close()
    assert not is_recording()
    second.close()
    assert is_recording() and (w * 2).requires_grad


def test_a_generator_may_be_dropped_in_another_thread() -> None:
    generators = [paused([1, 2])]

    def start() -> bool:
        next(generators[0])
        return is_recording()

    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(start).result()
        generators.pop().close()
        assert is_recording()
        assert pool.submit(is_recording).result()


def test_a_generator_in_the_middle_of_a_graph_leaves_it_right() -> None:
    def terms(x: Any) -> Any:
        yield x * x
        yield np.sin(x)
        raise AssertionError

    def f(x: Any) -> Any:
        steps = terms(x)
        return next(steps) * next(steps)

    for _ in range(2):
        np.testing.assert_allclose(grad(f)(2.0), 4 * np.sin(2) + 4 * np.cos(2))


def test_exceptions_in_the_middle_of_a_graph_leave_no_state_behind(w: Tensor) -> None:
    def fail(x: Any) -> Any:
        with no_grad():
            grad(lambda y: y * x)(1.0)
            raise KeyError

    faulty = primitive(lambda x: x * 1, lambda g, y, x: {}[0], name="faulty")
    for function in (fail, lambda x: grad(fail)(x), lambda x: faulty(x)):
        for transform in (grad, hessian, jacobian, lambda f: lambda x: jvp(f, (x,), (1.0,))):
            with pytest.raises(KeyError):
                transform(function)(2.0)
            assert not recording.modes and not recording.contexts
    y = np.sum(w * w)
    with pytest.raises(KeyError):
        (faulty(y) + y).backward()
    assert w.grad is None
    np.sum(w * w).backward()
    np.testing.assert_array_equal(w.grad.data, [2, 4])


def test_orders_rise_and_are_unique_over_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: [next_order() for _ in range(5_000)], range(8)))
    assert all(a < b for run in runs for a, b in pairwise(run))
    assert len({order for run in runs for order in run}) == 40_000


# ------------------------------------------------------------------------------------------- scopes


class Owner:
    pass


@pytest.fixture
def calls() -> Any:
    recording.calls.clear()
    yield recording.calls
    recording.calls.clear()


def test_calls_hold_the_orders_of_their_ops(calls: Any, w: Tensor) -> None:
    outer, inner = Owner(), Owner()
    results = []

    def outer_function(x: Tensor) -> Tensor:
        results.append(x * 2)
        results.append(record_call(inner, lambda y: y * 2, (results[0],)))
        return results[1] * 2

    c = record_call(outer, outer_function, (w,))
    d = c * 2
    a, b = results
    (first, last, kind, owner, thread), (outer_first, outer_last, _, outer_owner, _) = calls
    assert kind == "Owner" and owner() is inner and outer_owner() is outer and thread == threading.get_ident()
    assert outer_first < a.order < first < b.order < last < c.order < outer_last < d.order


def test_a_call_ends_with_an_exception(calls: Any) -> None:
    owner = Owner()
    with pytest.raises(KeyError):
        record_call(owner, {}.__getitem__, ("missing",))
    assert len(calls) == 1


def test_calls_keep_no_owner_alive_and_the_latest_are_remembered(calls: Any) -> None:
    owner = Owner()
    record_call(owner, list, ())
    del owner
    gc.collect()
    assert calls[0][3]() is None
    owner = Owner()
    for _ in range(10_001):
        record_call(owner, list, ())
    assert len(calls) == 10_000 and calls[0][3]() is owner
