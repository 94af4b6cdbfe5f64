"""draw_graph: nodes for tensors, edges for their uses, boxes for calls of modules, text that dot accepts."""

import gc
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import graphviz
import numpy as np
import pytest
from drawn import HOSTILE, Drawn, ancestors, draw, needs_dot, read, render, run_python, variable

from autograd import Tensor, draw_graph, grad, jit, no_grad, primitive, record_call
from autograd.drawing.diagram import COLORS
from autograd.drawing.view import SCALE
from nn import MLP, SGD, Dropout, Linear, Module, ReLU, Sequential, Tanh, cross_entropy, functional_call


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


# -------------------------------------------------------------------------------------------- targets


def test_returns_a_digraph() -> None:
    digraph = draw_graph(variable(1.0) * 2)
    assert isinstance(digraph, graphviz.Digraph)
    assert digraph.source.startswith('digraph "graph" {')


def test_one_tensor() -> None:
    x = variable([1.0, 2.0, 3.0], "x")
    drawn = draw(np.tanh(x))
    assert drawn.texts == {
        "n0": ["x", "(3,)", "[1, 2, 3]"],
        "n1": ["tanh", "(3,)", "[0.7616, 0.964, 0.9951]"],
    }
    assert drawn.edges == [("n0", "n1")]


def test_several_tensors_share_what_they_have_in_common() -> None:
    x = variable(2.0, "x")
    drawn = draw(np.exp(x), np.sin(x))
    assert drawn.edges == [("n0", "n1"), ("n0", "n2")]
    assert drawn.fills["n1"] == drawn.fills["n2"] == COLORS["output"][0]


def test_nested_lists_tuples_and_dicts() -> None:
    a, b, c, d = (variable(1.0, name) for name in "abcd")
    drawn = read(draw_graph({"first": a, "rest": [b, (c, {"last": [d]})]}))
    assert [lines[0] for lines in drawn.texts.values()] == ["a", "b", "c", "d"]


def test_a_target_given_twice_is_drawn_once() -> None:
    y = variable(1.0) * 2
    assert draw_graph(y, [y, y]).source == draw_graph(y).source


def test_a_target_that_another_is_made_from() -> None:
    x = variable(1.0, "x")
    y = np.exp(x)
    drawn = draw(np.sin(y), y, x)
    assert drawn.edges == [("n0", "n1"), ("n1", "n2")]
    assert drawn.fills[drawn.node("exp")] == COLORS["output"][0]


def test_outputs_that_are_not_connected() -> None:
    drawn = draw(np.exp(variable(1.0, "a")), np.sin(variable(1.0, "b")))
    assert [lines[0] for lines in drawn.texts.values()] == ["a", "exp", "b", "sin"]
    assert drawn.edges == [("n0", "n1"), ("n2", "n3")]


def test_a_module_with_an_input(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    x = Tensor(np.ones((5, 3), np.float32), name="x")
    assert draw_graph(model, x).source == draw_graph(model(x)).source


def test_a_function_with_inputs() -> None:
    a, b = variable(2.0, "a"), variable(3.0, "b")
    drawn = read(draw_graph(lambda x, y: (x * y, {"difference": x - y}), a, b))
    assert [lines[0] for lines in drawn.texts.values()] == ["a", "b", "multiply", "subtract"]


def test_a_function_of_numpy() -> None:
    drawn = read(draw_graph(np.sin, variable(1.0, "x")))
    assert [lines[0] for lines in drawn.texts.values()] == ["x", "sin"]


@pytest.mark.parametrize(
    "targets, kinds",
    [
        ([np.ones(3)], "ndarray"),
        ([3], "int"),
        (["loss"], "str"),
        ([None], "nothing"),
        ([[]], "nothing"),
        ([{}], "nothing"),
        ([Tensor(1.0), 3], "Tensor, int"),
        ([{"a": Tensor(1.0), "b": np.ones(3)}], "Tensor, ndarray"),
        ([np.sin, np.ones(3)], "ndarray"),
        ([lambda: None], "nothing"),
    ],
)
def test_other_targets_are_refused_in_words(targets: list[Any], kinds: str) -> None:
    with pytest.raises(TypeError) as caught:
        draw_graph(*targets)
    assert "draw_graph draws Tensors" in str(caught.value)
    assert str(caught.value).endswith(f"got {kinds}")


def test_an_error_of_the_module_comes_through(generator: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=r"weight of shape \(3, 2\)"):
        draw_graph(Linear(3, 2, generator=generator), Tensor(np.ones((5, 4))))


def test_a_freed_graph_is_refused_with_the_cure() -> None:
    y = np.exp(variable([1.0, 2.0]) * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed .*'sum'.*backward\(retain_graph=True\)"):
        draw_graph(y)


def test_a_graph_freed_in_part_is_refused() -> None:
    middle = variable(1.0) * 2
    np.exp(middle).backward()
    with pytest.raises(RuntimeError, match=r"freed .*'multiply'"):
        draw_graph(np.sin(middle))


def test_a_leaf_is_drawn_after_backward_has_freed_its_graph() -> None:
    x = variable(1.0, "x")
    (x * 3).backward()
    assert draw(x).texts == {"n0": ["x", "1 | grad 3"]}


# ---------------------------------------------------------------------------------------------- nodes


@pytest.mark.parametrize(
    "tensor, lines",
    [
        (variable(np.full((2, 3), 2), "w"), ["w", "(2, 3)", "rms 2"]),
        (variable(np.ones((2, 3)), "w", np.float32), ["w", "(2, 3) float32", "rms 1"]),
        (variable(np.ones(4), dtype=np.float16), ["tensor", "(4,) float16", "rms 1"]),
        (variable([1.0, -2.0, 1 / 3]), ["tensor", "(3,)", "[1, -2, 0.3333]"]),
        (variable(0.1234567), ["tensor", "0.1235"]),
        (variable([5.0]), ["tensor", "(1,)", "5"]),
        (variable([[5.0]]), ["tensor", "(1, 1)", "5"]),
        (variable(np.ones((0, 3))), ["tensor", "(0, 3)"]),
        (variable(np.nan), ["tensor", "nan"]),
        (variable(-np.inf), ["tensor", "-inf"]),
        (variable([1.0, np.nan]), ["tensor", "(2,)", "[1, nan]"]),
        (variable([[1.0, np.nan]]), ["tensor", "(1, 2)", "rms nan"]),
        (Tensor(np.ones((2, 3)), name="images"), ["images", "(2, 3)", "rms 1"]),
        (Tensor([1, 2, 3]), ["data", "(3,)", "[1, 2, 3]"]),
        (Tensor([4, -2, 3, 9]), ["data", "(4,)", "-2 to 9"]),
        (Tensor(np.zeros(0, int)), ["data", "(0,)"]),
        (Tensor(np.array([4, 2], np.uint8)), ["data", "(2,) uint8", "[4, 2]"]),
        (Tensor(7), ["data", "7"]),
        (Tensor([True]), ["data", "(1,)", "True"]),
        (Tensor([True] * 4), ["data", "(4,)"]),
        (Tensor(1 + 2j), ["data", "complex128", "1+2j"]),
        (Tensor([3 + 4j] * 4), ["data", "(4,) complex128", "rms 5"]),
    ],
)
def test_leaves_show_name_shape_and_dtype_and_single_numbers_their_value(
    tensor: Tensor, lines: list[str]
) -> None:
    assert draw(tensor).texts == {"n0": lines}


@pytest.mark.parametrize("value, text", [(1234567, "1234567"), (True, "True")])
def test_whole_numbers_and_booleans_are_not_rounded(value: Any, text: str) -> None:
    assert draw(Tensor(value)).texts["n0"][1] == text


@pytest.mark.parametrize(
    "compute, title, parameters",
    [
        (lambda x: x / 2, "divide(·, 2)", []),
        (lambda x: 2 - x, "subtract(2, ·)", []),
        (lambda x: x * np.float32(0.25), "multiply(·, 0.25)", []),
        (lambda x: x * 3.14159265, "multiply(·, 3.142)", []),
        (lambda x: x * True, "multiply(·, True)", []),
        (lambda x: x * (2 + 1j), "multiply(·, (2+1j))", []),
        (lambda x: x.sum(axis=(0, 1), keepdims=True), "sum", ["axis=(0, 1), keepdims=True"]),
        (lambda x: x.clip(-1, 1), "clip(·, -1, 1)", []),
        (lambda x: x[..., None, 1:, ::-1], "getitem", ["index=(..., None, 1:, ::-1)"]),
        (lambda x: x[1], "getitem", ["index=1"]),
        (lambda x: x[x.data > 0], "getitem", ["index=array of (2, 3)"]),
        (lambda x: x.reshape(3, 2), "reshape", []),
        (lambda x: x.astype(np.float32), "astype", []),
    ],
)
def test_ops_show_parameters_and_numbers(compute: Any, title: str, parameters: list[str]) -> None:
    drawn = draw(compute(variable(np.ones((2, 3)), "x")))
    assert len(drawn.texts) == 2
    values = drawn.lines(title)[len(parameters) :]
    assert drawn.lines(title) == [*parameters, *values]
    assert not any("=" in line for line in values)


def test_the_result_of_an_op_shows_its_value_when_it_is_one_number() -> None:
    assert draw(variable([1.0, 2.5]).sum()).texts["n1"] == ["sum", "3.5"]


def test_long_parameters_are_shortened() -> None:
    axes = tuple(range(12))
    drawn = draw(np.transpose(variable(np.ones((1,) * 12), "x"), axes))
    assert drawn.lines("transpose")[0] == "axes=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"


def test_a_parameter_that_is_an_array_shows_its_shape() -> None:
    shift = primitive(lambda x, *, by: x + by, lambda g, y, x, *, by: g, name="shift")
    assert draw(shift(variable(np.ones(3), "x"), by=np.ones(3))).lines("shift")[0] == "by=array of (3,)"


@pytest.mark.parametrize("function", [np.broadcast_to, np.reshape], ids=["broadcast_to", "reshape"])
def test_a_shape_may_be_an_array(function: Any) -> None:
    drawn = draw(function(variable(np.ones((1, 3)), "x"), np.array([1, 1, 3])))
    assert drawn.texts["n1"][1:] == ["(1, 1, 3)", "rms 1"]


def test_a_list_as_index_is_told_from_a_tuple() -> None:
    x = variable(np.ones((2, 3)), "x")
    assert draw(x[[1, 0]]).lines("getitem") != draw(x[1, 0]).lines("getitem")
    assert draw(x[[1, 0]]).lines("getitem")[0] == "index=[1, 0]"


def test_parameters_do_not_show_addresses() -> None:
    marked = primitive(lambda x, *, by: x, lambda g, y, x, *, by: g, name="marked")
    text = draw(marked(variable(1.0, "x"), by=object())).lines("marked")[0]
    assert "object" in text
    assert "0x" not in text


def test_data_constants_and_numbers() -> None:
    w = variable([1.0, 2.0], "w")
    drawn = draw(np.where(np.array([True, False]), w * Tensor([3.0, 4.0], name="x"), 0))
    assert drawn.lines("x") == ["(2,)", "[3, 4]"]
    assert drawn.lines("constant") == ["(2,)", "[True, False]"]
    where = drawn.node("where(·, ·, 0)")
    assert [drawn.texts[name][0] for name in drawn.inputs(where)] == ["constant", "multiply"]
    assert drawn.inputs(where)[0] == f"{where}_0"


def test_each_use_of_a_constant_is_drawn_where_it_is_used() -> None:
    constant = np.ones(2)
    drawn = draw(variable([1.0, 2.0]) * constant + constant)
    assert len(drawn.named("constant")) == 2


def test_tensors_of_which_nothing_was_recorded() -> None:
    with no_grad():
        paused = variable(2.0) * 3
    drawn = draw(Tensor(2.0) * 3, paused)
    assert list(drawn.texts.values()) == [["data", "6"], ["data", "6"]]
    assert drawn.edges == []


def test_colors_tell_parameters_data_constants_ops_and_outputs_apart() -> None:
    x, w = Tensor([1.0, 2.0], name="x"), variable([1.0, 2.0], "w")
    drawn = draw(np.exp(x * w) + np.ones(2))
    kinds = {"w": "parameter", "x": "data", "exp": "op", "add": "output", "constant": "constant"}
    assert {title: drawn.fills[drawn.node(title)] for title in kinds} == {
        title: COLORS[kind][0] for title, kind in kinds.items()
    }
    assert len({fill for fill, _ in COLORS.values()}) == len(COLORS)


def test_dropout_shows_its_mask_as_an_op(generator: np.random.Generator) -> None:
    layer = Dropout(0.25, generator=generator)
    x = variable(np.ones((4, 5)), "x")
    drawn = draw(layer(x))
    mask = drawn.node("dropout_mask")
    assert drawn.texts[mask][1:3] == ["p=0.25", "(4, 5)"]
    assert drawn.inputs(mask) == []
    assert drawn.inputs(drawn.node("multiply")) == [drawn.node("x"), mask]
    layer.eval()
    assert draw(layer(x) * 2).named("dropout_mask") == []


# ------------------------------------------------------------------------------------------ gradients


def test_gradients_after_a_backward_that_retains_the_graph() -> None:
    w = variable([3.0, 4.0], "w")
    loss = (w * w).sum()
    assert not any("grad" in line for lines in draw(loss).texts.values() for line in lines)
    loss.backward(retain_graph=True)
    drawn = draw(loss)
    assert drawn.lines("w") == ["(2,)", "[3, 4] | grad [6, 8]"]
    assert drawn.lines("multiply") == ["(2,)", "[9, 16] | grad [1, 1]"]
    assert drawn.lines("sum") == ["25 | grad 1"]


def test_gradients_add_up_in_the_picture_as_they_do_in_grad() -> None:
    w = variable(3.0, "w")
    loss = w * 5
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    assert draw(loss).lines("w") == ["3 | grad 10"]


def test_a_gradient_of_one_element_is_written_as_it_is() -> None:
    w = variable([[2.0]], "w")
    np.sum(w * -1.23456).backward()
    assert draw(w).lines("w") == ["(1, 1)", "2 | grad -1.235"]


def test_leaves_that_backward_did_not_reach() -> None:
    used, unused = variable(1.0, "used"), variable(2.0, "unused")
    loss = used * 2
    loss.backward(retain_graph=True)
    drawn = draw(loss, unused * 3)
    assert drawn.lines("used") == ["1 | grad 2"]
    assert drawn.lines("unused") == ["2"]


def test_data_show_no_gradient() -> None:
    loss = (variable([1.0, 2.0], "w") * Tensor([3.0, 4.0], name="x") + np.ones(2)).sum()
    loss.backward(retain_graph=True)
    drawn = draw(loss)
    assert not any("grad" in line for title in ("x", "constant") for line in drawn.lines(title))


@pytest.mark.parametrize(
    "factors, text",
    [
        ([np.nan] * 4, "rms 1 | grad rms nan"),
        ([np.inf, 1.0, 1.0, 1.0], "rms 1 | grad rms inf"),
        ([], "(0,)"),
    ],
)
def test_gradients_that_are_not_finite_or_empty(factors: list[float], text: str) -> None:
    w = variable(np.ones(len(factors)), "w")
    np.sum(w * np.array(factors)).backward()
    assert draw(w).lines("w")[-1] == text


def test_the_mean_square_of_complex_gradients_is_that_of_their_sizes() -> None:
    z = Tensor([[1 + 1j, 2.0]], requires_grad=True, name="z")
    np.sum(z * np.array([3j, 4.0])).backward(np.complex128(1))
    assert draw(z).lines("z")[-1] == "rms 1.73 | grad rms 3.54"


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_mean_square_of_a_narrow_dtype_does_not_overflow(dtype: Any) -> None:
    largest = np.finfo(dtype).max / 2
    w = variable(np.ones(4), "w", dtype)
    np.sum(w * np.array([largest, 0, 0, 0], dtype)).backward()
    assert draw(w).lines("w")[-1] == f"rms 1 | grad rms {float(largest) / 2:.3g}"


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_very_large_and_very_small_gradients(size: float) -> None:
    w = variable(np.ones(4), "w")
    np.sum(w * size).backward()
    assert draw(w).lines("w")[-1] == f"rms 1 | grad rms {size:.3g}"


def test_second_derivatives() -> None:
    x = variable(2.0, "x")
    y = x**3
    y.backward(create_graph=True)
    drawn = draw(x.grad)
    (output,) = drawn.outputs()
    assert drawn.texts[output][1:] == ["12"]
    assert drawn.lines("x") == ["2 | grad 12"]
    assert any(tail == drawn.node("x") for tail, _ in drawn.edges)


def test_a_nested_gradient_draws_with_what_it_was_computed_from() -> None:
    x = variable(2.0, "x")
    drawn = draw(grad(grad(lambda x: x**3))(x))
    (output,) = drawn.outputs()
    assert drawn.texts[output][1] == "12"
    assert len(drawn.named("x")) == 1


# -------------------------------------------------------------------------------------------- modules


def linear_tanh(generator: np.random.Generator) -> Sequential:
    return Sequential(Linear(3, 2, generator=generator), Tanh())


X = Tensor(np.ones((5, 3), np.float32), name="x")


def test_calls_of_modules_are_nested_boxes_with_their_names(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 4, 2), dropout=0.5, generator=generator)
    drawn = read(draw_graph(model, X))
    outer = "MLP  46 parameters"
    assert drawn.all_boxes == [
        (outer,),
        (outer, "layers.0  Linear  16 parameters"),
        (outer, "layers.1  Dropout"),
        (outer, "layers.2  Linear  20 parameters"),
        (outer, "layers.3  Dropout"),
        (outer, "layers.4  Linear  10 parameters"),
    ]
    assert drawn.boxes[drawn.node("x")] == ()
    for title, expected in (
        ("linear_relu", [0, 2]),
        ("linear", [4]),
        ("weight", [0, 2, 4]),
        ("bias", [0, 2, 4]),
        ("dropout_mask", [1, 3]),
        ("multiply", [1, 3]),
    ):
        boxes = [drawn.boxes[name] for name in drawn.named(title)]
        assert [box for _, box in boxes] == [drawn.all_boxes[number + 1][1] for number in expected]


def test_boxes_stand_below_one_another(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 4, 2), dropout=0.5, generator=generator)
    edges = re.findall(r"n(\d+) -> n(\d+) \[(.*)\]", draw_graph(model, X).source)
    ops = [(a, b) for a, b, style in edges if "weight" in style]
    assert len(ops) == 4
    assert [(a, b) for a, b, style in edges if "minlen=2" in style] == ops
    y = variable(1.0) * 2.0
    assert "minlen" not in draw_graph(ReLU()(y) + y).source


def test_a_module_of_one_op_is_noted_in_its_node(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(linear_tanh(generator), X))
    assert drawn.lines("tanh") == ["layers.1  Tanh", "(5, 2) float32", "rms 0.164"]
    assert drawn.boxes[drawn.node("tanh")] == ("Sequential  8 parameters",)


def test_a_module_that_is_called_alone_is_noted_in_its_node() -> None:
    x = variable(1.0, "x") * 2
    drawn = read(draw_graph(ReLU(), x))
    assert drawn.all_boxes == []
    assert drawn.lines("relu")[0] == "ReLU"


def test_an_input_that_requires_gradients_is_outside_of_the_box(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(MLP((3, 4, 2), generator=generator), variable(np.ones((5, 3)), "x")))
    assert drawn.boxes[drawn.node("x")] == ()


def test_a_module_that_computes_nothing_has_no_box(generator: np.random.Generator) -> None:
    model = Sequential(Dropout(0.5, generator=generator), linear_tanh(generator)).eval()
    drawn = read(draw_graph(model, X))
    outer, inner = "Sequential  8 parameters", "layers.1  Sequential  8 parameters"
    assert drawn.all_boxes == [
        (outer,),
        (outer, inner),
        (outer, inner, "layers.0  Linear  8 parameters"),
    ]


def test_what_is_computed_outside_of_modules_is_in_no_box(generator: np.random.Generator) -> None:
    model = linear_tanh(generator)
    loss = cross_entropy(model(X * 2) * 3, np.zeros(5, int))
    drawn = draw(loss)
    assert [name for name, boxes in drawn.boxes.items() if not boxes] == [
        name for name in drawn.texts if drawn.texts[name][0] not in ("weight", "bias", "linear", "tanh")
    ]


class Twice(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.linear = Linear(3, 3, generator=generator)
        self.norm = {"tanh": Tanh()}

    def forward(self, x: Any) -> Any:
        return self.linear(self.norm["tanh"](self.linear(x)))


def test_the_same_module_called_twice(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(Twice(generator), X))
    first, second = drawn.named("linear")
    assert drawn.texts[first][1] == drawn.texts[second][1] == "linear  Linear  12 parameters"
    assert drawn.lines("tanh")[0] == "norm.tanh  Tanh"
    weight, bias = drawn.node("weight"), drawn.node("bias")
    assert drawn.inputs(first) == [drawn.node("x"), weight, bias]
    assert drawn.inputs(second) == [drawn.node("tanh"), weight, bias]
    assert drawn.boxes[weight] == drawn.boxes[bias] == ()


def test_two_calls_of_one_model_are_two_boxes(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), dropout=0.5, generator=generator)
    drawn = draw(model(X) + model(X))
    outer = "MLP  26 parameters"
    assert drawn.all_boxes == [(outer,), (outer, "layers.1  Dropout")] * 2
    assert len(drawn.named("weight")) == 2


def test_boxes_after_training_steps(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    before = read(draw_graph(model, X, show="shapes"))
    optimizer = SGD(model.parameters(), 0.1)
    for _ in range(3):
        cross_entropy(model(X), np.zeros(5, int)).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = read(draw_graph(model, X, show="shapes"))
    assert after.all_boxes == before.all_boxes != []
    assert sorted(after.texts.values()) == sorted(before.texts.values())


def test_modules_that_are_gone_keep_their_class(generator: np.random.Generator) -> None:
    model = Sequential(linear_tanh(generator), Dropout(0.5, generator=generator))
    y = model(X)
    del model
    gc.collect()
    drawn = draw(y)
    outer = ("Sequential  8 parameters",)
    inner = (*outer, "Sequential  8 parameters")
    assert drawn.all_boxes == [outer, inner, (*inner, "Linear  8 parameters"), (*outer, "Dropout")]
    assert drawn.lines("tanh")[0] == "Tanh"


def test_functional_call_draws_boxes_too(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    parameters = {name: variable(array, name) for name, array in model.state_dict().items()}
    drawn = draw(functional_call(model, parameters, X))
    outer = ("MLP  26 parameters",)
    assert drawn.all_boxes == [outer]
    assert drawn.lines("linear_relu")[0] == "layers.0  Linear  16 parameters"
    assert drawn.boxes[drawn.node("layers.1.bias")] == ()


def test_functional_call_keeps_the_names_of_modules(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    drawn = read(draw_graph(functional_call(model, dict(model.named_parameters()), X)))
    assert drawn.all_boxes[1][1] == "layers.0  Linear  16 parameters"


class Scaled(Module):
    def __init__(self) -> None:
        self.scale = variable(2.0)
        self.shifts = [variable(1.0), variable(3.0, "own")]

    def forward(self, x: Any) -> Any:
        return x * self.scale + self.shifts[0] + self.shifts[1]


def test_parameters_without_a_name_have_that_of_the_attribute() -> None:
    model = Scaled()
    drawn = draw(model(Tensor(1.0)))
    assert {"scale", "shifts.0", "own"} <= set(drawn.titles())
    assert "given" in draw(model(Tensor(1.0)), names={"given": model.scale}).titles()


class Nested(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.blocks = [[linear_tanh(generator)]]

    def forward(self, x: Any) -> Any:
        return self.blocks[0][0](x)


def test_modules_in_nested_lists_are_named_as_in_named_modules(generator: np.random.Generator) -> None:
    model = Nested(generator)
    assert "blocks.0.0" in dict(model.named_modules())
    assert ("Nested  8 parameters", "blocks.0.0  Sequential  8 parameters") in read(
        draw_graph(model, X)
    ).all_boxes


class Hostile(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.parts = {'</font> & <b>"': linear_tanh(generator)}

    def forward(self, x: Any) -> Any:
        return next(iter(self.parts.values()))(x)


@needs_dot
def test_hostile_names_of_modules(generator: np.random.Generator) -> None:
    Hostile.__name__ = "Hostile<{\\N}>"
    outer, inner = "Hostile<{\\N}>  8 parameters", 'parts.</font> & <b>"  Sequential  8 parameters'
    assert {outer, inner} <= set(render(digraph := draw_graph(Hostile(generator), X)))
    assert (outer, inner) in read(digraph).all_boxes


def test_deeply_nested_modules() -> None:
    model: Module = Tanh()
    for _ in range(200):
        model = Sequential(model)
    drawn = read(draw_graph(model, variable(1.0, "x") * 2))
    assert [len(boxes) for boxes in drawn.all_boxes] == list(range(1, 201))
    assert drawn.lines("tanh")[0] == "layers.0  Tanh"


def test_owners_of_calls_may_have_slots() -> None:
    class Slotted:
        __slots__ = ("__weakref__",)

    owner, part = Slotted(), Tanh()
    y = record_call(owner, lambda x: part(x) * 2, (variable(1.0, "x"),))
    assert draw(y).all_boxes == [("Slotted",)]


def test_a_call_that_fails_is_closed() -> None:
    class Failing(Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        Failing()(1.0)
    assert draw(variable(1.0) * 2).all_boxes == []


def test_drawing_while_another_thread_computes() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    finished = threading.Event()

    def compute() -> None:
        layer = Tanh()
        while not finished.is_set():
            layer(1.0)

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        y = variable(1.0) * 2
        for _ in range(500):
            draw_graph(y)
    finally:
        finished.set()
        thread.join()
        sys.setswitchinterval(interval)


class Waiting(Module):
    def __init__(self) -> None:
        self.entered, self.finished = threading.Event(), threading.Event()

    def forward(self, x: Any) -> Any:
        self.entered.set()
        self.finished.wait(10)
        return x


def test_ops_are_not_in_the_calls_of_another_thread() -> None:
    slow = Waiting()
    thread = threading.Thread(target=slow, args=(1.0,))
    thread.start()
    slow.entered.wait(10)
    model = Sequential(Tanh(), Tanh())
    y = model(variable(1.0)) * 2
    slow.finished.set()
    thread.join()
    assert draw(y).all_boxes == [("Sequential",)]


# --------------------------------------------------------------------------------------- graph shapes


def test_an_input_that_is_used_twice_by_one_op() -> None:
    x = variable(3.0, "x")
    assert draw(x * x).edges == [("n0", "n1"), ("n0", "n1")]


def test_a_tensor_that_is_used_a_thousand_times() -> None:
    x = variable([1.0], "x")
    drawn = draw(np.concatenate([x] * 1000))
    assert drawn.edges == [("n0", "n1")] * 1000
    total = x
    for _ in range(1000):
        total = total * x
    drawn = draw(total)
    assert len(drawn.texts) == 1001
    assert sum(tail == "n0" for tail, _ in drawn.edges) == 1001


def test_doublings_are_drawn_once_each() -> None:
    y = variable(1.0, "y")
    for _ in range(17):
        y = y + y
    drawn = draw(y)
    assert len(drawn.texts) == 18
    assert len(drawn.edges) == 34
    assert drawn.texts["n17"][:2] == ["add", "1.311e+05"]


def test_nodes_are_numbered_in_the_order_of_their_creation() -> None:
    a, b = variable(1.0, "a"), variable(2.0, "b")
    second = np.sin(b)
    first = np.exp(a)
    drawn = draw(first * second)
    assert [lines[0] for lines in drawn.texts.values()] == ["a", "b", "sin", "exp", "multiply"]
    assert list(drawn.texts) == [f"n{number}" for number in range(5)]


def test_a_leaf_that_was_changed_after_its_use() -> None:
    x = variable(2.0, "x")
    y = x * 3
    x.data = np.array(5.0)
    drawn = draw(y)
    assert drawn.edges == [(drawn.node("x"), drawn.node("multiply(·, 3)"))]


def test_a_chain_of_a_hundred_thousand_ops() -> None:
    y = variable(0.0, "x")
    for _ in range(100_000):
        y = y + 1.0
    source = draw_graph(y, max_nodes=None).source
    assert source.count("\n\tn") == 200_001 + 1  # with the defaults of nodes
    assert source.count(" -> ") == 100_000
    assert "\tn99999 -> n100000 " in source


# -------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_direction(direction: Any) -> None:
    assert read(draw_graph(variable(1.0) * 2, direction=direction)).direction == direction


@pytest.mark.parametrize(
    "options, message",
    [
        ({"direction": "RL"}, "direction of draw_graph may be 'TB', 'LR', and not 'RL'"),
        ({"show": "gradients"}, "show of draw_graph may be 'values', 'grads'"),
        (
            {"color_by": "speed"},
            "color_by of draw_graph may be 'grad', 'memory', 'time', 'value', and not 'speed'",
        ),
        ({"depth": -1}, "depth of draw_graph is a number from 0 on or None, and not -1"),
        ({"max_nodes": 0}, "max_nodes of draw_graph is a number from 1 on or None, and not 0"),
    ],
)
def test_options_that_there_are_not(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        draw_graph(variable(1.0) * 2, **options)
    assert str(caught.value).startswith(message)


def test_names(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    hidden = np.tanh(model(X))
    names = {**dict(model.named_parameters()), "hidden": hidden, "images": X, "elsewhere": Tensor(1.0)}
    drawn = read(draw_graph(hidden * 2, names=names))
    assert {"layers.0.weight", "layers.1.bias", "images", "hidden = tanh"} <= set(drawn.titles())
    assert "weight" not in drawn.titles()
    assert drawn.tooltip("hidden = tanh")[0].startswith("hidden = tanh: (5, 2)")
    assert draw_graph(hidden, names={}).source == draw_graph(hidden).source


@pytest.mark.parametrize(
    "names, what",
    [
        ({"x": np.ones(3)}, "and 'x' to ndarray"),
        ({"x": [1.0]}, "and 'x' to list"),
        ([("x", variable(1.0))], "as a dict, and is list"),
    ],
)
def test_names_are_of_tensors(names: Any, what: str) -> None:
    with pytest.raises(TypeError, match=rf"maps names to Tensors, {what}"):
        draw_graph(variable(1.0), names=names)


@needs_dot
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_results_and_in_names(name: str) -> None:
    x = variable([1.0, 2.0])
    y = np.exp(x)
    drawn = draw_graph(y * 2, names={name: x, f"y{name}": y}, backward=True)
    titles = read(drawn).titles()
    assert name in titles
    assert f"y{name} = exp" in titles
    render(drawn)


def colored(quantity: str, target: Any, **options: Any) -> Drawn:
    return read(draw_graph(target, color_by=quantity, **options))


def test_color_by_grad() -> None:
    x, unused = variable([1.0, 2.0, 3.0], "x"), Tensor([1.0, 2.0, 3.0], name="data")
    loss = np.sum(np.exp(x * 1000 * unused * 1e-3))
    loss.backward(retain_graph=True)
    drawn = colored("grad", loss)
    least, largest = drawn.below
    assert least == "gradient (rms): 1 "
    assert float(largest) > 1000
    assert drawn.fills[drawn.node("sum")] == SCALE[0]
    assert drawn.fills[drawn.node("x")] == SCALE[-1]
    assert drawn.fills[drawn.node("data")] == SCALE[0]
    assert drawn.of_kind("output") == [drawn.node("sum")]


def test_color_by_value() -> None:
    x = variable([1.0, 1.0, 1.0, 1.0], "x")
    drawn = colored("value", x * 100 * 100)
    assert drawn.below == ["value (rms): 1 ", " 1e+04"]
    assert [drawn.fills[f"n{i}"] for i in range(3)] == [SCALE[0], SCALE[2], SCALE[4]]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_color_by_value_paints_what_is_not_finite_like_the_largest(odd: float) -> None:
    drawn = colored("value", variable([odd, 1.0], "x") * variable([1.0, 1.0], "one") * np.array([1.0, 5.0]))
    assert drawn.fills[drawn.node("x")] == SCALE[-1]
    assert drawn.fills[drawn.node("one")] == SCALE[0]


@pytest.mark.parametrize("factors", [(2.0, np.nan), (np.nan, 2.0), (2.0, np.inf)])
def test_a_folded_module_is_painted_by_what_in_it_is_not_finite(factors: tuple[float, float]) -> None:
    class Scale(Module):
        def forward(self, x: Any) -> Any:
            return np.tanh(x * factors[0]) * factors[1]

    y = variable([100.0, 100.0], "y")
    drawn = colored("value", Scale()(variable([1.0, 1.0], "x")) + y * y, depth=0)
    assert drawn.fills[drawn.node("Scale")] == SCALE[-1]


def test_colors_of_the_whole_range_of_numbers() -> None:
    x = variable([1e-300], "x")
    drawn = colored("value", x * 1e300 * 1e300)
    assert [drawn.fills[f"n{i}"] for i in range(3)] == [SCALE[0], SCALE[2], SCALE[4]]


def test_color_by_memory() -> None:
    x = variable(np.ones(10), "x")
    drawn = colored("memory", np.sum(np.add(x, np.ones((1000, 1)))))
    assert drawn.below == ["memory: 8 B ", " 80 kB"]
    assert drawn.fills[drawn.node("add")] == SCALE[-1]
    assert drawn.fills[drawn.node("sum")] == SCALE[0]


def test_color_by_time() -> None:
    x = variable(np.ones((100, 100)), "x")
    drawn = colored("time", np.sum(x @ x @ x)[None])
    least, largest = drawn.below
    assert least.startswith("time: ")
    assert largest.endswith("s")
    assert drawn.fills[drawn.node("x")] == SCALE[0]
    assert SCALE[-1] in drawn.fills.values()


def test_colors_where_there_is_nothing_to_tell() -> None:
    assert colored("grad", variable(1.0) * 2).below == ["gradient (rms): 0 ", " 0"]
    for value in (0.0, np.nan, np.inf, -1.0):
        assert set(colored("value", variable(value) * 1).fills.values()) <= set(SCALE)
    assert set(colored("value", np.sum(variable(np.ones((0, 3))))).fills.values()) == {SCALE[0]}


def test_folded_modules_have_the_color_of_all_that_is_in_them(generator: np.random.Generator) -> None:
    model = Sequential(Linear(3, 100, generator=generator), Linear(100, 2, generator=generator))
    drawn = colored("memory", model(X), depth=1)
    first, second = drawn.named("Linear")
    assert drawn.fills[first] == SCALE[-1]
    assert drawn.fills[second] != SCALE[-1]


def test_a_program_of_jit(generator: np.random.Generator) -> None:
    function = jit(lambda x: np.sum(np.tanh(x) * 2))
    with pytest.raises(RuntimeError, match="nothing was recorded yet"):
        draw_graph(function)
    drawn = read(draw_graph(function, np.ones(3)))
    assert "tanh" in drawn.titles()
    assert draw_graph(function).source == draw_graph(function, np.ones(3)).source


# ------------------------------------------------------------------------------------- backward=True


def recorded_ops(gradients: list[Any], since: int) -> list[str]:
    """Return the names of the ops of a gradient graph: what was recorded from a creation number on."""
    seen = dict.fromkeys(gradients)
    stack = list(gradients)
    while stack:
        for x in stack.pop().inputs:
            if type(x) is Tensor and x not in seen:
                seen[x] = None
                stack.append(x)
    return sorted(x.op.name for x in seen if x.op is not None and x.order >= since)


def of_one_leaf(x: Any) -> Any:
    return np.sum(np.exp(np.sin(x)) * x)


def of_matrices(x: Any) -> Any:
    return np.sum(np.tanh(x @ x) / (1 + x * x))


def of_indices(x: Any) -> Any:
    return np.concatenate([x[0] * 2, x[1]]).sum() + np.max(x)


@pytest.mark.parametrize("f", [of_one_leaf, of_matrices, of_indices])
def test_the_half_of_the_gradients_is_what_create_graph_records(f: Any) -> None:
    x = variable([[0.5, 1.0], [-0.3, 2.0]], "x")
    drawn = read(draw_graph(f(x), backward=True))
    gradient = drawn.of_kind("gradient")
    titles = [re.sub(r"\(.*", "", drawn.texts[name][0]) for name in gradient]
    shown = sorted(title for title in titles if title not in ("seed", "constant", "data"))
    y = f(x)
    seed = variable(1.0)
    y.backward(seed, create_graph=True)
    # The engine gives gradients memory of their own, which is nothing to see.
    assert shown == [name for name in recorded_ops([x.grad], y.order + 1) if name != "copy"]


def gradients_by_title(drawn: Drawn) -> dict[str, str]:
    found = {}
    for name in drawn.of_kind("gradient"):
        for line in drawn.texts[name][1:]:
            if line.startswith("gradient of "):
                found[line.removeprefix("gradient of ")] = drawn.texts[name][-1]
    return found


def test_gradients_have_the_values_of_backward() -> None:
    x, w = variable([1.0, 2.0], "x"), variable([0.3, -0.7], "w")
    loss = np.sum(np.tanh(x * w))
    drawn = read(draw_graph(loss, backward=True))
    assert x.grad is None and loss.grad is None
    loss.backward()
    values = gradients_by_title(drawn)
    for leaf in (x, w):
        a, b = leaf.grad.data
        assert values[leaf.name] == f"[{a:.4g}, {b:.4g}]"
    assert values["sum"] == "1"
    assert {"tanh", "multiply"} <= values.keys()


def test_several_outputs_stand_for_their_sum() -> None:
    x = variable([1.0, 2.0, 3.0], "x")
    drawn = read(draw_graph(x * 2, [np.sum(x * x)], backward=True))
    assert gradients_by_title(drawn)["x"] == "[4, 6, 8]"
    assert len(drawn.named("seed")) == 2
    assert read(draw_graph(x, x * 3, backward=True)).named("seed")


def test_gradients_point_up_along_the_side() -> None:
    drawn = read(draw_graph(np.exp(variable(1.0, "x") * 2), backward=True))
    gradient = set(drawn.of_kind("gradient"))
    for (tail, head), style in drawn.styles.items():
        assert ("dir=back" in style) is (tail in gradient and head in gradient)


def test_outputs_of_which_some_have_no_gradient() -> None:
    drawn = read(draw_graph(variable(1.0, "x") * 2, Tensor(1.0, name="data"), backward=True))
    assert gradients_by_title(drawn)["x"] == "2"
    with pytest.raises(ValueError, match="no output requires gradients"):
        draw_graph(Tensor(1.0) * 2, backward=True)


@pytest.mark.parametrize("value", [2 + 1j, np.float32(2), np.float16(2)])
def test_gradients_of_other_dtypes(value: Any) -> None:
    x = Tensor(value, requires_grad=True, name="x")
    drawn = read(draw_graph(np.abs(x * x), backward=True))
    np.abs(x * x).backward()
    assert gradients_by_title(drawn)["x"] == f"{x.grad.item():.4g}"


def test_drawing_the_gradients_changes_nothing(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), dropout=0.5, generator=generator)
    loss = cross_entropy(model(X), np.zeros(5, int))
    state = generator.bit_generator.state
    inputs = loss.inputs
    everything = ("values", "grads", "shapes", "dtypes", "memory", "time")
    for _ in range(2):
        draw_graph(loss, backward=True, show=everything, color_by="time").page_data()
    assert generator.bit_generator.state == state
    assert loss.inputs is inputs
    assert loss.grad is None
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()


def test_gradients_of_gradients() -> None:
    x = variable(2.0, "x")
    drawn = read(draw_graph(grad(lambda x: x**3)(x), backward=True))
    assert gradients_by_title(drawn)["variable, x"] == "12"


@needs_dot
def test_hostile_tensors_render_with_their_gradients() -> None:
    with np.errstate(all="ignore"):
        targets = [
            np.sum(variable(np.ones((0, 3)), "empty")),
            np.sum(np.log(variable([0.0, -1.0, np.nan], "nan"))),
            np.sum(variable([1.0, 2.0], "half", np.float16) * 60000),
            np.sum(np.abs(Tensor([1 + 1j, np.inf], requires_grad=True, name="complex"))),
            variable(np.ones((1,) * 20), "many axes") * 2,
            Tensor([1, 2], name="integers"),
        ]
        for target in targets:
            render(draw_graph(target, backward=target.requires_grad, color_by="value"))
        render(draw_graph(targets, backward=True))


def test_a_used_tensor_and_doublings_have_small_gradient_graphs() -> None:
    y = variable(1.0, "x")
    for _ in range(17):
        y = y + y
    drawn = read(draw_graph(y, backward=True, max_nodes=None))
    assert gradients_by_title(drawn)["x"] == "1.311e+05"
    assert len(drawn.texts) < 100


# ------------------------------------------------------------------------------------ reproducibility

SNAPSHOT = """\
digraph "graph" {
	graph [fontname=Arial nodesep=0.25 rankdir=TB ranksep=0.3]
	node [fontname=Arial fontsize=11 height=0.3 margin="0.08,0.05" shape=box style="filled,rounded"]
	edge [arrowsize=0.6 color="#9aa0a8"]
	n0 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>x</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><table border="0" cellspacing="0" cellpadding="2"><tr>\
<td><font point-size="9" color="#111827">[1, 2]</font></td>\
<td><font point-size="9" color="#a8480b">grad [3, 3]</font></td></tr></table></td></tr></table>> \
color="#e69f00" fillcolor="#fff3d9" \
tooltip="x: (2,) float64\\nvalue: min 1, mean 1.5, max 2\\ngradient: min 3, mean 3, max 3\\nmemory: 16 B"]
	n1 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>multiply(·, 3)</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><table border="0" cellspacing="0" cellpadding="2"><tr>\
<td><font point-size="9" color="#111827">[3, 6]</font></td>\
<td><font point-size="9" color="#a8480b">grad [1, 1]</font></td></tr></table></td></tr></table>> \
color="#8a8f98" fillcolor="#ffffff" \
tooltip="multiply(·, 3): (2,) float64\\nvalue: min 3, mean 4.5, max 6\\n\
gradient: min 1, mean 1, max 1\\nmemory: 16 B\\ngradient by a: g * b\\ngradient by b: g * a"]
	n2_1 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>constant</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><font point-size="9" color="#111827">[5, 6]</font></td></tr></table>> \
color="#b5b9c0" fillcolor="#f3f3f4" \
tooltip="constant: (2,) float64\\nvalue: min 5, mean 5.5, max 6\\nmemory: 16 B"]
	n2 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>add</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><table border="0" cellspacing="0" cellpadding="2"><tr>\
<td><font point-size="9" color="#111827">[8, 12]</font></td>\
<td><font point-size="9" color="#a8480b">grad [1, 1]</font></td></tr></table></td></tr></table>> \
color="#009e73" fillcolor="#dff3ea" \
tooltip="add: (2,) float64\\nvalue: min 8, mean 10, max 12\\n\
gradient: min 1, mean 1, max 1\\nmemory: 16 B\\ngradient by a: g\\ngradient by b: g"]
	n0 -> n1 [color="#4b5563" penwidth=1.3]
	n1 -> n2 [color="#4b5563" penwidth=1.3 weight=8]
	n2_1 -> n2
}
"""


def test_the_whole_source_of_a_small_graph() -> None:
    x = variable([1.0, 2.0], "x")
    y = x * 3 + np.array([5.0, 6.0])
    y.backward(np.ones(2), retain_graph=True)
    assert draw_graph(y).source == SNAPSHOT


def test_the_source_is_the_same_each_time(generator: np.random.Generator) -> None:
    def source() -> str:
        model = MLP((3, 4, 2), dropout=0.5, generator=np.random.default_rng(1))
        loss = cross_entropy(model(X), np.zeros(5, int))
        loss.backward(retain_graph=True)
        text = draw_graph(loss).source
        assert draw_graph(loss).source == text
        return str(text)

    first = source()
    generator.random(1000)
    assert source() == first


PROGRAM = """
import sys
import numpy as np
from autograd import Tensor, draw_graph
from nn import MLP, cross_entropy

model = MLP((3, 4, 2), "tanh", 0.5, generator=np.random.default_rng(0))
x = Tensor(np.ones((5, 3), np.float32), name="x")
loss = cross_entropy(model(x) + model(x) * Tensor(2.0), np.zeros(5, int))
loss.backward(retain_graph=True)
sys.stdout.buffer.write(draw_graph(loss, {"x": x, "weights": model.parameters()}).source.encode())
"""


def test_the_source_is_the_same_in_two_fresh_processes() -> None:
    first, second = (run_python(PROGRAM, hash_seed=hash_seed) for hash_seed in ("1", "2"))
    assert first == second
    assert first.startswith(b'digraph "graph" {')


def test_importing_autograd_imports_nothing_heavy() -> None:
    program = "import sys, autograd; print({'graphviz', 'matplotlib', 'scipy'} & sys.modules.keys())"
    assert run_python(program).strip() == b"set()"


def test_drawing_changes_nothing(generator: np.random.Generator) -> None:
    def gradients(drawn: bool) -> Iterator[np.ndarray]:
        model = MLP((3, 4, 2), generator=np.random.default_rng(0))
        loss = cross_entropy(model(X), np.zeros(5, int))
        orders = [parameter.order for parameter in model.parameters()]
        if drawn:
            assert draw_graph(loss).source == draw_graph(loss).source
        assert [parameter.order for parameter in model.parameters()] == orders
        assert all(parameter.grad is None for parameter in model.parameters())
        loss.backward()
        return (parameter.grad.data for parameter in model.parameters())

    for with_drawing, without in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_array_equal(with_drawing, without)


def test_a_picture_keeps_the_graph_alive_as_long_as_it_lives(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    gc.disable()  # counting references is enough
    try:
        y = model(X)
        before = sys.getrefcount(y)
        drawn = draw_graph(y, backward=True)
        copied = drawn.copy()
        assert sys.getrefcount(y) > before
        del drawn
        assert copied.page_data()["nodes"]
        del copied
        assert sys.getrefcount(y) == before
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------ rendering


@needs_dot
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_show_as_themselves(name: str) -> None:
    digraph = draw_graph(variable([1.0, 2.0], name) * 2)
    assert read(digraph).texts["n0"][0] == name
    assert any(text in (name, f"{name} ") for text in render(digraph))


@needs_dot
@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\x1bb", "a\x7fb", "a\tb", "a\ufffeb", "a\ud800b"])
def test_control_characters_in_names_are_replaced(name: str) -> None:
    assert "a\N{REPLACEMENT CHARACTER}b" in render(draw_graph(variable(1.0, name)))


@needs_dot
def test_every_latin_character_in_a_name() -> None:
    names = [f"{number}{chr(number)}." for number in range(0x180)]
    expected = [name if name.isprintable() else f"{name[:-2]}\N{REPLACEMENT CHARACTER}." for name in names]
    shown = render(draw_graph([Tensor(np.ones(2), name=name) for name in names], show=()))
    assert shown == expected


@pytest.mark.parametrize("name", ["", None])
def test_no_name(name: str | None) -> None:
    drawn = draw(variable(1.0, name) * Tensor([1.0, 2.0], name=name))
    assert drawn.texts["n0"][0] == "tensor"
    assert drawn.texts["n1"][0] == "data"


@needs_dot
@pytest.mark.parametrize(
    "length",
    [
        1_000,
        20_000,
    ],
)
def test_a_very_long_name_renders(length: int) -> None:
    texts = render(draw_graph(variable(1.0, "w" * length)))
    assert texts[0].startswith("w" * 40)


@needs_dot
def test_an_op_of_very_many_numbers_renders() -> None:
    assert render(draw_graph(np.stack([variable(1.0), *[0.123] * 3_000])))


@needs_dot
def test_a_training_step_renders(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), dropout=0.5, generator=generator)
    loss = cross_entropy(model(X), np.zeros(5, int))
    loss.backward(retain_graph=True)
    texts = render(draw_graph(loss))
    boxes = {"MLP  26 parameters", "layers.0  Linear  16 parameters", "layers.1  Dropout"}
    assert {"x", "linear_relu", "p=0.5", *boxes} <= set(texts)
    tensors, _, _ = ancestors(loss)
    untracked = ["x", "dropout_mask"]
    assert sum(text.startswith("grad ") for text in texts) == tensors - len(untracked)


@needs_dot
def test_values_that_are_not_finite_and_empty_tensors_render() -> None:
    w = variable([1.0, 2.0], "w")
    loss = np.sum(w * np.array([np.nan, np.inf])) + (variable(np.ones((0, 3)), "empty").sum() + 1) * -np.inf
    loss.backward(retain_graph=True)
    texts = render(draw_graph(loss, Tensor(np.inf, name="limit"), Tensor([1, 2], name="labels")))
    assert {"nan", "inf", "grad [nan, inf]", "(0, 3)", "multiply(·, -inf)", "[1, 2]"} <= set(texts)
