"""draw_graph(error): what had been computed, and in red what failed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn import Drawn, needs_dot, read, render, variable

from autograd import Tensor, checkpoint, debug, draw_graph, grad, jit
from autograd.drawing.diagram import COLORS
from nn import Linear, Module, Sequential, Tanh, cross_entropy


def error_of(action: Callable[[], Any]) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def failure(action: Callable[[], Any], **options: Any) -> tuple[Drawn, str]:
    """Draw the error of an action; return the picture, and the name of what failed."""
    drawn = read(draw_graph(error_of(action), **options))
    (failed,) = drawn.of_kind("failed")
    return drawn, failed


def x23() -> Tensor:
    return variable(np.ones((2, 3)), "x")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


# ------------------------------------------------------------------------------------------------ ops


def test_shapes_that_do_not_fit_in_matmul() -> None:
    x, w = x23(), variable(np.ones((2, 3)), "w")
    drawn, failed = failure(lambda: np.exp(x) @ w)
    assert drawn.uses() == [("x", "exp"), ("exp", "matmul"), ("w", "matmul")]
    assert drawn.texts[failed][0] == "matmul"
    assert " ".join(drawn.texts[failed][1:]) == "shapes (2,3) and (2,3) not aligned: 3 (dim 1) != 2 (dim 0)"
    assert drawn.fills[failed] == COLORS["failed"][0]
    assert drawn.tooltips[failed].split("\n") == [
        "matmul",
        "shapes (2,3) and (2,3) not aligned: 3 (dim 1) != 2 (dim 0)",
        "given (2, 3) float64, (2, 3) float64 'w'",
        "gradient by a: g @ b.mT",
        "gradient by b: a.mT @ g",
    ]


def test_a_module_within_modules(generator: np.random.Generator) -> None:
    model = Sequential(
        Sequential(Linear(4, 3, generator=generator), Tanh()), Linear(5, 2, generator=generator)
    )
    drawn, failed = failure(lambda: model(Tensor(np.ones((7, 4), np.float32), name="images")))
    assert drawn.texts[failed][0] == "linear"
    assert "got (7, 3)" in " ".join(drawn.texts[failed])
    assert drawn.boxes[failed] == ("Sequential  27 parameters", "layers.1  Linear  12 parameters")
    assert {"images", "tanh"} <= set(drawn.titles())
    assert drawn.outputs() == []


def test_the_failed_one_of_many_inputs() -> None:
    parts = [x23(), np.sin(x23()), variable(np.ones((2, 4)), "wide")]
    drawn, failed = failure(lambda: np.concatenate(parts))
    assert [drawn.texts[name][0] for name in drawn.inputs(failed)] == ["x", "sin", "wide"]
    assert drawn.lines("wide")[0] == "(2, 4)"


@pytest.mark.parametrize(
    "action, given",
    [
        (lambda x: x @ [1, 2], "[1, 2]"),
        (lambda x: np.where([True, False], x, [1, 2, 3, 4]), "1 to 4"),
        (lambda x: np.stack([x, [5, 7]]), "[5, 7]"),
        (lambda x: debug()(lambda: x @ [1, 2])(), "[1, 2]"),
        (lambda x: np.concatenate([x, [3.5]]), "3.5"),
    ],
)
def test_lists_among_what_it_was_given(action: Any, given: str) -> None:
    drawn, _ = failure(lambda: action(x23()))
    assert given in [lines[-1] for lines in drawn.texts.values() if lines[0] == "constant"]


def test_parameters_of_what_failed() -> None:
    drawn, failed = failure(lambda: np.sin(x23()).reshape(4, 4))
    assert drawn.texts[failed][1] == "shape=(4, 4)"
    drawn, failed = failure(lambda: np.sin(x23())[7])
    assert drawn.texts[failed][1] == "index=7"


@pytest.mark.parametrize(
    "wrap", [lambda f: grad(f), lambda f: checkpoint(f), lambda f: jit(f)], ids=["grad", "checkpoint", "jit"]
)
def test_errors_within_transforms(wrap: Any) -> None:
    drawn, failed = failure(lambda: wrap(lambda a: np.sin(a) @ a)(x23()))
    assert drawn.texts[failed][0] == "matmul"
    assert "sin" in drawn.titles()


def test_the_error_of_debug_shows_the_op_the_line_and_the_cure() -> None:
    def action() -> Any:
        with debug():
            return np.log(np.sin(x23()) * 0 - 1)

    drawn, failed = failure(action)
    assert drawn.texts[failed][0] == "log"
    assert drawn.titles() == ["x", "sin", "multiply(·, 0)", "subtract(·, 1)", "log"]
    assert "'log' gave nan" in drawn.texts[failed][1]
    assert "test_failures.py" in drawn.tooltips[failed]
    assert any("test_failures.py" in line for line in drawn.tooltip("sin"))


# ------------------------------------------------------------------------------------- other functions


class Doubtful(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.linear = Linear(4, 3, generator=generator)

    def forward(self, x: Any, again: bool = False) -> Any:
        hidden = self.linear(x)
        raise ValueError(f"got {hidden.shape}")


def test_plain_python_code_of_a_module(generator: np.random.Generator) -> None:
    model = Sequential(Linear(4, 4, generator=generator), Doubtful(generator))
    drawn, failed = failure(lambda: model(Tensor(np.ones((5, 4), np.float32), name="x")))
    assert drawn.texts[failed] == ["Doubtful.forward", "layers.1  Doubtful  15 parameters", "got (5, 3)"]
    assert [drawn.texts[name][0] for name in drawn.inputs(failed)] == ["linear"]


class Forgetful(Module):
    def forward(self, x: Any) -> Any:
        del x
        raise ValueError("gone")


def test_a_function_that_has_let_go_of_its_arguments() -> None:
    drawn, failed = failure(lambda: Forgetful()(x23()))
    assert drawn.texts[failed][1:] == ["Forgetful", "gone"]
    assert drawn.uses() == [("x", drawn.texts[failed][0])]


def test_the_innermost_function_with_tensors() -> None:
    def inner(count: int) -> float:
        return 1 / count

    def outer(tensors: list[Any], weights: dict[str, Any], *rest: Any) -> float:
        return inner(0)

    x, w = x23(), variable(1.0, "w")
    drawn, failed = failure(lambda: outer([np.sin(x)], {"w": w}, np.ones(2), "text"))
    assert drawn.texts[failed] == ["outer", "division by zero"]
    assert [drawn.texts[name][0] for name in drawn.inputs(failed)] == ["sin", "w", "constant"]


@pytest.mark.parametrize(
    "action, name",
    [
        (lambda x: np.unwrap(x), "np.unwrap"),
        (lambda x: np.frexp(x), "np.frexp"),
        (lambda x: float(x), "Tensor.__float__"),
        (lambda x: np.asarray(x), "Tensor.__array__"),
        (lambda x: x.__setitem__(0, 1), "Tensor.__setitem__"),
        (lambda x: np.split(x, 7), "split"),
        (lambda x: x.backward(), "backward"),
        (lambda x: cross_entropy(x, np.zeros(3, int)), "cross_entropy"),
    ],
)
def test_the_name_is_one_that_users_know(action: Any, name: str) -> None:
    drawn, failed = failure(lambda: action(np.sin(x23())))
    assert drawn.texts[failed][0] == name
    assert drawn.inputs(failed)[0] == drawn.node("sin")
    assert drawn.edges.count((drawn.node("sin"), failed)) == 1


def test_an_error_without_words_is_named() -> None:
    def action(x: Any) -> Any:
        raise KeyError

    drawn, failed = failure(lambda: action(x23()))
    assert drawn.texts[failed] == ["action", "KeyError"]


# ------------------------------------------------------------------------------------------ chained


def raises_from() -> Any:
    try:
        return np.exp(x23()) @ x23()
    except ValueError as error:
        raise RuntimeError("no prediction") from error


def raises_after() -> Any:
    try:
        return np.exp(x23()) @ x23()
    except ValueError:
        raise KeyError("prediction")  # noqa: B904


def raises_twice() -> Any:
    try:
        return raises_after()
    except KeyError as error:
        raise TypeError("none") from error


@pytest.mark.parametrize("action", [raises_from, raises_after, raises_twice])
def test_the_op_behind_a_chain_of_errors(action: Any) -> None:
    drawn, failed = failure(action)
    assert drawn.texts[failed][0] == "matmul"
    assert "not aligned" in drawn.texts[failed][1]
    assert "exp" in drawn.titles()


def test_the_call_behind_a_chain_of_errors() -> None:
    def parse(x: Any) -> Any:
        return int("a number")

    def action() -> Any:
        try:
            return parse(x23())
        except ValueError as error:
            raise RuntimeError("no number") from error

    drawn, failed = failure(action)
    assert drawn.texts[failed][0] == "parse"
    assert "invalid literal" in drawn.texts[failed][1]


def test_what_was_suppressed_stays_so() -> None:
    def action() -> Any:
        try:
            return x23() @ x23()
        except ValueError:
            raise KeyError("prediction") from None

    with pytest.raises(TypeError, match="KeyError went through no function that was called with one"):
        draw_graph(error_of(action))


# ---------------------------------------------------------------------------------------- unrelated


@pytest.mark.parametrize("error", [ValueError("never raised"), error_of(lambda: 1 / 0), KeyboardInterrupt()])
def test_errors_that_have_nothing_to_do_with_tensors(error: BaseException) -> None:
    with pytest.raises(
        TypeError, match=rf"draw_graph draws errors .* {type(error).__name__} went through no"
    ):
        draw_graph(error)


def test_a_graph_that_backward_has_freed_says_so() -> None:
    x = np.sin(x23())
    x.sum().backward()
    with pytest.raises(RuntimeError, match=r"freed .*retain_graph=True"):
        draw_graph(error_of(lambda: x @ x))


# --------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("quantity", ["grad", "value", "memory", "time"])
def test_options_for_pictures_of_errors(quantity: str) -> None:
    drawn, failed = failure(
        lambda: np.exp(x23()) @ x23(), color_by=quantity, show=("values", "shapes", "memory", "time")
    )
    assert drawn.texts[failed][0] == "matmul"
    assert not any(line.endswith("B") for line in drawn.texts[failed])


def test_a_failure_within_a_folded_module_shows(generator: np.random.Generator) -> None:
    model = Sequential(Linear(4, 3, generator=generator), Linear(4, 3, generator=generator))
    drawn, failed = failure(lambda: model(Tensor(np.ones((5, 4), np.float32))), depth=0)
    assert drawn.texts[failed][0] == "Sequential"
    assert "got (5, 3)" in " ".join(drawn.texts[failed])


def test_a_failure_after_very_many_ops_shows() -> None:
    def action() -> Any:
        y = x23()
        for i in range(1000):
            y = np.sin(y) if i % 7 in (1, 3) else y * (i + 1)
        return y @ y

    drawn, failed = failure(action)
    assert drawn.texts[failed][0] == "matmul"
    assert len(drawn.texts) <= 300


def test_blocks_before_the_one_that_fails_fold(generator: np.random.Generator) -> None:
    layers = [Sequential(Linear(4, 4, generator=generator), Tanh()) for _ in range(8)]
    model = Sequential(*layers, Sequential(Linear(5, 4, generator=generator), Tanh()))
    drawn, failed = failure(lambda: model(Tensor(np.ones((5, 4), np.float32))))
    assert any("Sequential × 8" in boxes[-1] for boxes in drawn.all_boxes)
    assert drawn.boxes[failed][1].startswith("layers.8  Sequential")


@needs_dot
def test_pictures_of_errors_render() -> None:
    def action(x: Any) -> Any:
        raise ValueError('<b> & "quotes" \\N \x00\n' * 30)

    texts = render(draw_graph(error_of(lambda: action(x23()))))
    assert any('<b> & "quotes" \\N' in text for text in texts)


def test_drawing_an_error_changes_nothing(generator: np.random.Generator) -> None:
    x = x23()
    error = error_of(lambda: np.exp(x) @ x)
    assert draw_graph(error).source == draw_graph(error).source
    assert x.grad is None
    assert str(error).startswith("shapes (2,3)")
