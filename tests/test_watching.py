"""What watch() sees: every op of its thread, whether the graph keeps it or not."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, checkpoint, debug, grad, jit, no_grad, watch
from autograd.recording import modes

X = Tensor([1.0, 2.0], requires_grad=True)
CONSTANT = Tensor([1.0, 2.0])


def seen(f: Any, *args: Any) -> list[str]:
    names: list[str] = []
    with watch(lambda op, inputs, params, value: names.append(op.name)):
        f(*args)
    return names


def test_it_is_told_of_ops_with_their_inputs_and_values() -> None:
    notes: list[Any] = []
    with watch(lambda *note: notes.append(note)):
        y = np.sum(X * 3.0, axis=0)
    (multiply, inputs, params, value), (total, of_total, axis, y_value) = notes
    assert (multiply.name, inputs, params, value.tolist()) == ("multiply", (X, 3.0), {}, [3, 6])
    assert (total.name, of_total[0].op, axis, y_value) == ("sum", multiply, {"axis": 0}, 9)
    assert y.op is total
    y.backward()  # the graph is the ordinary one


def test_it_sees_what_the_graph_does_not_keep() -> None:
    assert seen(lambda: np.exp(CONSTANT)) == ["exp"]
    assert seen(no_grad()(lambda: np.exp(X))) == ["exp"]
    assert seen(lambda: checkpoint(lambda x: np.exp(np.sin(x)))(X)) == ["sin", "exp"]
    assert seen(jit(lambda x: np.exp(x)), X) == ["exp"]


def test_ops_of_plain_arrays_and_of_other_threads_are_none_of_its_own() -> None:
    assert seen(lambda: np.exp(np.ones(2))) == []
    with ThreadPoolExecutor(1) as pool:
        assert seen(lambda: pool.submit(lambda: np.exp(X)).result()) == []


def test_the_innermost_is_told_and_debug_rests_meanwhile() -> None:
    outer: list[str] = []
    with debug(), watch(lambda op, *_: outer.append(op.name)), np.errstate(all="ignore"):
        assert seen(lambda: np.log(X - 5)) == ["subtract", "log"]
        np.exp(X)
    assert outer == ["exp"]
    with debug(), pytest.raises(FloatingPointError):
        np.log(X - 5)


def test_gradients_may_be_computed_in_it() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    second: list[Any] = []
    with debug():
        y = np.sum(x**3)
    seen(lambda: (y.backward(), second.append(grad(grad(lambda x: x**3))(2.0))))
    assert second[0] == 12 and x.grad is not None and x.grad.tolist() == [3, 12]


def test_it_ends_when_an_error_does() -> None:
    with pytest.raises(ZeroDivisionError), watch(lambda *note: 1 / 0):
        np.exp(X)
    assert not modes


def test_it_is_refused_where_jit_records() -> None:
    with pytest.raises(RuntimeError, match="call the function of jit in watch"):
        jit(lambda x: seen(np.exp, x))(np.ones(2))
