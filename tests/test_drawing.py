"""draw_graph: nodes for tensors, edges for their uses, boxes for calls of modules, text that dot accepts."""

import gc
import html
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest

from autograd import Tensor, draw_graph, grad, no_grad, primitive, record_call
from autograd.drawing.diagram import COLORS
from nn import MLP, SGD, Dropout, Linear, Module, ReLU, Sequential, Tanh, cross_entropy, functional_call

ROOT = Path(__file__).parent.parent

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program dot (Graphviz) is not installed"
)

# ------------------------------------------------------------------------------- reading the DOT text


@dataclass
class Picture:
    """What a DOT text declares: the lines of text in each node, edges, and boxes from outside in."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    fills: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    all_boxes: list[tuple[str, ...]] = field(default_factory=list)

    def named(self, title: str) -> list[str]:
        return [name for name, lines in self.texts.items() if lines[0] == title]

    def node(self, title: str) -> str:
        (name,) = self.named(title)
        return name

    def lines(self, title: str) -> list[str]:
        return self.texts[self.node(title)][1:]

    def outputs(self) -> list[str]:
        return [name for name, fill in self.fills.items() if fill == COLORS["output"][0]]

    def inputs(self, name: str) -> list[str]:
        return [tail for tail, head in self.edges if head == name]


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).replace("\u200b", "")


def read(digraph: graphviz.Digraph) -> Picture:
    """Read a picture's DOT text line by line; whatever is not expected fails."""
    picture = Picture()
    first, *lines, last = digraph.source.rstrip("\n").split("\n")
    assert (first, last) == ('digraph "graph" {', "}")
    open_boxes: list[str] = []
    cluster_names = []
    for line in lines:
        line = line.strip()
        if match := re.fullmatch(r"subgraph (cluster_\d+) \{", line):
            cluster_names.append(match[1])
            open_boxes.append("")
        elif match := re.fullmatch(r"label=<(<font.*</font>)> labeljust=l .*", line):
            open_boxes[-1] = plain(match[1])
            picture.all_boxes.append(tuple(open_boxes))
        elif line == "}":
            open_boxes.pop()
        elif match := re.fullmatch(r"(n\d+(?:_\d+)?) -> (n\d+)(?: \[.*\])?", line):
            picture.edges.append((match[1], match[2]))
        elif match := re.fullmatch(
            r'(n\d+(?:_\d+)?) \[label=<(<table.*</table>)> .*fillcolor="(.*)"\]', line
        ):
            name, table, fill = match.groups()
            assert name not in picture.texts
            picture.texts[name] = [plain(cell) for cell in re.findall(r"<td>(.*?)</td>", table)]
            picture.fills[name] = fill
            picture.boxes[name] = tuple(open_boxes)
        else:
            assert re.fullmatch(r"(graph|node|edge) \[.*\]", line), line
    assert not open_boxes
    assert len(set(cluster_names)) == len(cluster_names)
    assert all(tail in picture.texts and head in picture.texts for tail, head in picture.edges)
    return picture


def walk(*outputs: Tensor) -> tuple[int, int, int]:
    """Count the tensors, the array constants and the uses of both that lead to `outputs`."""
    seen = set(outputs)
    stack = list(outputs)
    constants = uses = 0
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Tensor):
                uses += 1
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
            elif isinstance(x, np.ndarray):
                uses += 1
                constants += 1
    return len(seen), constants, uses


def draw(*outputs: Tensor) -> Picture:
    """Draw tensors and compare the picture with the graph itself."""
    picture = read(draw_graph(*outputs))
    tensors, constants, uses = walk(*outputs)
    assert len(picture.texts) == tensors + constants
    assert len(picture.edges) == uses
    assert {name for name in picture.texts if "_" not in name} == {f"n{number}" for number in range(tensors)}
    return picture


def render(digraph: graphviz.Digraph) -> list[str]:
    """Render as SVG, which must go without a warning, and return the texts that it shows."""
    command = ["dot", "-Tsvg"]
    result = subprocess.run(command, input=digraph.source.encode(), capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stderr == b""
    image = ElementTree.fromstring(result.stdout)
    texts = image.iter("{http://www.w3.org/2000/svg}text")
    return [(text.text or "").replace("\u200b", "").replace("\xa0", " ") for text in texts]


def variable(data: Any, name: str | None = None, dtype: Any = float) -> Tensor:
    return Tensor(np.asarray(data, dtype), requires_grad=True, name=name)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


# -------------------------------------------------------------------------------------------- targets


def test_returns_a_digraph() -> None:
    digraph = draw_graph(variable(1.0) * 2)
    assert type(digraph) is graphviz.Digraph
    assert digraph.source.startswith('digraph "graph" {')


def test_one_tensor() -> None:
    x = variable([1.0, 2.0, 3.0], "x")
    picture = draw(np.tanh(x))
    assert picture.texts == {
        "n0": ["x", "(3,)", "grad not computed"],
        "n1": ["tanh", "(3,)", "grad not computed"],
    }
    assert picture.edges == [("n0", "n1")]


def test_several_tensors_share_what_they_have_in_common() -> None:
    x = variable(2.0, "x")
    picture = draw(np.exp(x), np.sin(x))
    assert picture.edges == [("n0", "n1"), ("n0", "n2")]
    assert picture.fills["n1"] == picture.fills["n2"] == COLORS["output"][0]


def test_nested_lists_tuples_and_dicts() -> None:
    a, b, c, d = (variable(1.0, name) for name in "abcd")
    picture = read(draw_graph({"first": a, "rest": [b, (c, {"last": [d]})]}))
    assert [lines[0] for lines in picture.texts.values()] == ["a", "b", "c", "d"]


def test_a_target_given_twice_is_drawn_once() -> None:
    y = variable(1.0) * 2
    assert draw_graph(y, [y, y]).source == draw_graph(y).source


def test_a_target_that_another_is_made_from() -> None:
    x = variable(1.0, "x")
    y = np.exp(x)
    picture = draw(np.sin(y), y, x)
    assert picture.edges == [("n0", "n1"), ("n1", "n2")]
    assert picture.fills[picture.node("exp")] == COLORS["output"][0]


def test_outputs_that_are_not_connected() -> None:
    picture = draw(np.exp(variable(1.0, "a")), np.sin(variable(1.0, "b")))
    assert [lines[0] for lines in picture.texts.values()] == ["a", "exp", "b", "sin"]
    assert picture.edges == [("n0", "n1"), ("n2", "n3")]


def test_a_module_with_an_input(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    x = Tensor(np.ones((5, 3), np.float32), name="x")
    assert draw_graph(model, x).source == draw_graph(model(x)).source


def test_a_function_with_inputs() -> None:
    a, b = variable(2.0, "a"), variable(3.0, "b")
    picture = read(draw_graph(lambda x, y: (x * y, {"difference": x - y}), a, b))
    assert [lines[0] for lines in picture.texts.values()] == ["a", "b", "multiply", "subtract"]


def test_a_function_of_numpy() -> None:
    picture = read(draw_graph(np.sin, variable(1.0, "x")))
    assert [lines[0] for lines in picture.texts.values()] == ["x", "sin"]


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
    assert draw(x).texts == {"n0": ["x", "1", "grad 3"]}


# ---------------------------------------------------------------------------------------------- nodes


@pytest.mark.parametrize(
    "tensor, lines",
    [
        (variable(np.ones((2, 3)), "w"), ["w", "(2, 3)", "grad not computed"]),
        (variable(np.ones((2, 3)), "w", np.float32), ["w", "(2, 3) float32", "grad not computed"]),
        (variable(np.ones(4), dtype=np.float16), ["tensor", "(4,) float16", "grad not computed"]),
        (variable(0.1234567), ["tensor", "0.12346", "grad not computed"]),
        (variable([5.0]), ["tensor", "(1,)", "grad not computed"]),
        (variable(np.ones((0, 3))), ["tensor", "(0, 3)", "grad not computed"]),
        (variable(np.nan), ["tensor", "nan", "grad not computed"]),
        (variable(-np.inf), ["tensor", "-inf", "grad not computed"]),
        (Tensor(np.ones((2, 3)), name="images"), ["images", "(2, 3)"]),
        (Tensor([1, 2, 3]), ["data", "(3,) int64"]),
        (Tensor(7), ["data", "7 int64"]),
        (Tensor([True]), ["data", "(1,) bool"]),
        (Tensor(1 + 2j), ["data", "1+2j complex128"]),
    ],
)
def test_leaves_show_name_shape_and_dtype_and_single_numbers_their_value(
    tensor: Tensor, lines: list[str]
) -> None:
    assert draw(tensor).texts == {"n0": lines}


@pytest.mark.parametrize("value, text", [(1234567, "1234567 int64"), (True, "True bool")])
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
    picture = draw(compute(variable(np.ones((2, 3)), "x")))
    assert len(picture.texts) == 2
    assert picture.lines(title)[:-2] == parameters


def test_the_result_of_an_op_shows_its_value_when_it_is_one_number() -> None:
    assert draw(variable([1.0, 2.5]).sum()).texts["n1"][-2:] == ["3.5", "grad not computed"]


def test_long_parameters_are_shortened() -> None:
    axes = tuple(range(12))
    picture = draw(np.transpose(variable(np.ones((1,) * 12), "x"), axes))
    assert picture.lines("transpose")[0] == "axes=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"


def test_a_parameter_that_is_an_array_shows_its_shape() -> None:
    shift = primitive(lambda x, *, by: x + by, lambda g, y, x, *, by: g, name="shift")
    assert draw(shift(variable(np.ones(3), "x"), by=np.ones(3))).lines("shift")[0] == "by=array of (3,)"


@pytest.mark.parametrize("function", [np.broadcast_to, np.reshape], ids=["broadcast_to", "reshape"])
def test_a_shape_may_be_an_array(function: Any) -> None:
    picture = draw(function(variable(np.ones((1, 3)), "x"), np.array([1, 1, 3])))
    assert picture.texts["n1"][-2:] == ["(1, 1, 3)", "grad not computed"]


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
    picture = draw(np.where(np.array([True, False]), w * Tensor([3.0, 4.0], name="x"), 0))
    assert picture.lines("x") == ["(2,)"]
    assert picture.lines("constant (2,) bool") == []
    where = picture.node("where(·, ·, 0)")
    assert [picture.texts[name][0] for name in picture.inputs(where)] == ["constant (2,) bool", "multiply"]
    assert picture.inputs(where)[0] == f"{where}_0"


def test_each_use_of_a_constant_is_drawn_where_it_is_used() -> None:
    constant = np.ones(2)
    picture = draw(variable([1.0, 2.0]) * constant + constant)
    assert len(picture.named("constant (2,)")) == 2


def test_tensors_of_which_nothing_was_recorded() -> None:
    with no_grad():
        paused = variable(2.0) * 3
    picture = draw(Tensor(2.0) * 3, paused)
    assert list(picture.texts.values()) == [["data", "6"], ["data", "6"]]
    assert picture.edges == []


def test_colors_tell_parameters_data_constants_ops_and_outputs_apart() -> None:
    x, w = Tensor([1.0, 2.0], name="x"), variable([1.0, 2.0], "w")
    picture = draw(np.exp(x * w) + np.ones(2))
    kinds = {"w": "parameter", "x": "data", "exp": "op", "add": "output", "constant (2,)": "constant"}
    assert {title: picture.fills[picture.node(title)] for title in kinds} == {
        title: COLORS[kind][0] for title, kind in kinds.items()
    }
    assert len({fill for fill, _ in COLORS.values()}) == len(COLORS)


def test_dropout_shows_its_mask_as_an_op(generator: np.random.Generator) -> None:
    layer = Dropout(0.25, generator=generator)
    x = variable(np.ones((4, 5)), "x")
    picture = draw(layer(x))
    mask = picture.node("dropout_mask")
    assert picture.texts[mask][1:] == ["p=0.25", "(4, 5)"]
    assert picture.inputs(mask) == []
    assert picture.inputs(picture.node("multiply")) == [picture.node("x"), mask]
    layer.eval()
    assert draw(layer(x) * 2).named("dropout_mask") == []


# ------------------------------------------------------------------------------------------ gradients


def test_gradients_after_a_backward_that_retains_the_graph() -> None:
    w = variable([3.0, 4.0], "w")
    loss = (w * w).sum()
    assert all(lines[-1] == "grad not computed" for lines in draw(loss).texts.values())
    loss.backward(retain_graph=True)
    picture = draw(loss)
    assert picture.lines("w")[-1] == "grad rms 7.07"  # of 6 and 8
    assert picture.lines("multiply")[-1] == "grad rms 1"
    assert picture.lines("sum")[-1] == "grad 1"


def test_gradients_add_up_in_the_picture_as_they_do_in_grad() -> None:
    w = variable(3.0, "w")
    loss = w * 5
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    assert draw(loss).lines("w") == ["3", "grad 10"]


def test_a_gradient_of_one_element_is_written_as_it_is() -> None:
    w = variable([[2.0]], "w")
    np.sum(w * -1.23456).backward()
    assert draw(w).lines("w") == ["(1, 1)", "grad -1.235"]


def test_leaves_that_backward_did_not_reach() -> None:
    used, unused = variable(1.0, "used"), variable(2.0, "unused")
    loss = used * 2
    loss.backward(retain_graph=True)
    picture = draw(loss, unused * 3)
    assert picture.lines("used")[-1] == "grad 2"
    assert picture.lines("unused")[-1] == "grad not computed"


def test_data_show_no_gradient() -> None:
    loss = (variable([1.0, 2.0], "w") * Tensor([3.0, 4.0], name="x") + np.ones(2)).sum()
    loss.backward(retain_graph=True)
    picture = draw(loss)
    assert not any("grad" in line for title in ("x", "constant (2,)") for line in picture.lines(title))


@pytest.mark.parametrize(
    "factors, text",
    [([np.nan, 1.0], "grad rms nan"), ([np.inf, 1.0], "grad rms inf"), ([], "grad rms 0")],
)
def test_gradients_that_are_not_finite_or_empty(factors: list[float], text: str) -> None:
    w = variable(np.ones(len(factors)), "w")
    np.sum(w * np.array(factors)).backward()
    assert draw(w).lines("w")[-1] == text


def test_the_mean_square_of_complex_gradients_is_that_of_their_sizes() -> None:
    z = Tensor([1 + 1j, 2.0], requires_grad=True, name="z")
    np.sum(z * np.array([3j, 4.0])).backward(np.complex128(1))
    assert draw(z).lines("z")[-1] == "grad rms 3.54"


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_mean_square_of_a_narrow_dtype_does_not_overflow(dtype: Any) -> None:
    largest = np.finfo(dtype).max / 2
    w = variable(np.ones(3), "w", dtype)
    np.sum(w * np.array([largest, 0, 0], dtype)).backward()
    assert draw(w).lines("w")[-1] == f"grad rms {largest / np.sqrt(3):.3g}"


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_very_large_and_very_small_gradients(size: float) -> None:
    w = variable([1.0, 1.0], "w")
    np.sum(w * size).backward()
    assert draw(w).lines("w")[-1] == f"grad rms {size:.3g}"


def test_second_derivatives() -> None:
    x = variable(2.0, "x")
    y = x**3
    y.backward(create_graph=True)
    picture = draw(x.grad)
    (output,) = picture.outputs()
    assert picture.texts[output][1:] == ["12", "grad not computed"]
    assert picture.lines("x") == ["2", "grad 12"]
    assert any(tail == picture.node("x") for tail, _ in picture.edges)


def test_a_nested_gradient_draws_with_what_it_was_computed_from() -> None:
    x = variable(2.0, "x")
    picture = draw(grad(grad(lambda x: x**3))(x))
    (output,) = picture.outputs()
    assert picture.texts[output][1] == "12"
    assert len(picture.named("x")) == 1


# -------------------------------------------------------------------------------------------- modules


def linear_tanh(generator: np.random.Generator) -> Sequential:
    return Sequential(Linear(3, 2, generator=generator), Tanh())


X = Tensor(np.ones((5, 3), np.float32), name="x")


def test_calls_of_modules_are_nested_boxes_with_their_names(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 4, 2), dropout=0.5, generator=generator)
    picture = read(draw_graph(model, X))
    assert picture.all_boxes == [
        ("MLP",),
        ("MLP", "layers.0  Linear"),
        ("MLP", "layers.1  Dropout"),
        ("MLP", "layers.2  Linear"),
        ("MLP", "layers.3  Dropout"),
        ("MLP", "layers.4  Linear"),
    ]
    assert picture.boxes[picture.node("x")] == ()
    for title, expected in (
        ("linear_relu", [0, 2]),
        ("linear", [4]),
        ("weight", [0, 2, 4]),
        ("bias", [0, 2, 4]),
        ("dropout_mask", [1, 3]),
        ("multiply", [1, 3]),
    ):
        labels = [f"layers.{number}  {'Dropout' if number in (1, 3) else 'Linear'}" for number in expected]
        assert [picture.boxes[name][1:] for name in picture.named(title)] == [(label,) for label in labels]


def test_boxes_stand_below_one_another(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 4, 2), dropout=0.5, generator=generator)
    edges = re.findall(r"n(\d+) -> n(\d+) \[(.*)\]", draw_graph(model, X).source)
    ops = [(a, b) for a, b, style in edges if "weight" in style]
    assert len(ops) == 4
    assert [(a, b) for a, b, style in edges if "minlen=2" in style] == ops
    y = variable(1.0) * 2.0
    assert "minlen" not in draw_graph(ReLU()(y) + y).source


def test_a_module_of_one_op_is_noted_in_its_node(generator: np.random.Generator) -> None:
    picture = read(draw_graph(linear_tanh(generator), X))
    assert picture.lines("tanh") == ["layers.1  Tanh", "(5, 2) float32", "grad not computed"]
    assert picture.boxes[picture.node("tanh")] == ("Sequential",)


def test_a_module_that_is_called_alone_is_noted_in_its_node() -> None:
    x = variable(1.0, "x") * 2
    picture = read(draw_graph(ReLU(), x))
    assert picture.all_boxes == []
    assert picture.lines("relu")[0] == "ReLU"


def test_an_input_that_requires_gradients_is_outside_of_the_box(generator: np.random.Generator) -> None:
    picture = read(draw_graph(MLP((3, 4, 2), generator=generator), variable(np.ones((5, 3)), "x")))
    assert picture.boxes[picture.node("x")] == ()


def test_a_module_that_computes_nothing_has_no_box(generator: np.random.Generator) -> None:
    model = Sequential(Dropout(0.5, generator=generator), linear_tanh(generator)).eval()
    picture = read(draw_graph(model, X))
    assert picture.all_boxes == [
        ("Sequential",),
        ("Sequential", "layers.1  Sequential"),
        ("Sequential", "layers.1  Sequential", "layers.0  Linear"),
    ]


def test_what_is_computed_outside_of_modules_is_in_no_box(generator: np.random.Generator) -> None:
    model = linear_tanh(generator)
    loss = cross_entropy(model(X * 2) * 3, np.zeros(5, int))
    picture = draw(loss)
    assert [name for name, boxes in picture.boxes.items() if not boxes] == [
        name for name in picture.texts if picture.texts[name][0] not in ("weight", "bias", "linear", "tanh")
    ]


class Twice(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.linear = Linear(3, 3, generator=generator)
        self.norm = {"tanh": Tanh()}

    def forward(self, x: Any) -> Any:
        return self.linear(self.norm["tanh"](self.linear(x)))


def test_the_same_module_called_twice(generator: np.random.Generator) -> None:
    picture = read(draw_graph(Twice(generator), X))
    first, second = picture.named("linear")
    assert picture.texts[first][1] == picture.texts[second][1] == "linear  Linear"
    assert picture.lines("tanh")[0] == "norm.tanh  Tanh"
    weight, bias = picture.node("weight"), picture.node("bias")
    assert picture.inputs(first) == [picture.node("x"), weight, bias]
    assert picture.inputs(second) == [picture.node("tanh"), weight, bias]
    assert picture.boxes[weight] == picture.boxes[bias] == ()


def test_two_calls_of_one_model_are_two_boxes(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), dropout=0.5, generator=generator)
    picture = draw(model(X) + model(X))
    assert picture.all_boxes == [("MLP",), ("MLP", "layers.1  Dropout")] * 2
    assert len(picture.named("weight")) == 2


def test_boxes_after_training_steps(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    before = draw_graph(model, X).source
    optimizer = SGD(model.parameters(), 0.1)
    for _ in range(3):
        cross_entropy(model(X), np.zeros(5, int)).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = read(draw_graph(model, X))
    assert after.all_boxes == read(draw_graph(model, X)).all_boxes != []
    assert sorted(after.texts.values()) == sorted(
        lines
        for lines in (
            [plain(cell) for cell in re.findall(r"<td>(.*?)</td>", line)] for line in before.split("\n")
        )
        if lines
    )


def test_modules_that_are_gone_keep_their_class(generator: np.random.Generator) -> None:
    model = Sequential(linear_tanh(generator), Dropout(0.5, generator=generator))
    y = model(X)
    del model
    gc.collect()
    picture = draw(y)
    outer, inner = ("Sequential",), ("Sequential", "Sequential")
    assert picture.all_boxes == [outer, inner, (*inner, "Linear"), (*outer, "Dropout")]
    assert picture.lines("tanh")[0] == "Tanh"


def test_functional_call_draws_boxes_too(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    parameters = {name: variable(array, name) for name, array in model.state_dict().items()}
    picture = draw(functional_call(model, parameters, X))
    assert picture.all_boxes == [("MLP",)]
    assert "layers.0  Linear" in str(picture.texts)
    assert picture.boxes[picture.node("layers.1.bias")] == ()


def test_functional_call_keeps_the_names_of_modules(generator: np.random.Generator) -> None:
    model = MLP((3, 4, 2), generator=generator)
    picture = read(draw_graph(functional_call(model, dict(model.named_parameters()), X)))
    assert picture.all_boxes[1] == ("MLP", "layers.0  Linear")


class Nested(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.blocks = [[linear_tanh(generator)]]

    def forward(self, x: Any) -> Any:
        return self.blocks[0][0](x)


def test_modules_in_nested_lists_are_named_as_in_named_modules(generator: np.random.Generator) -> None:
    model = Nested(generator)
    assert "blocks.0.0" in dict(model.named_modules())
    assert ("Nested", "blocks.0.0  Sequential") in read(draw_graph(model, X)).all_boxes


class Hostile(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.parts = {'</font> & <b>"': linear_tanh(generator)}

    def forward(self, x: Any) -> Any:
        return next(iter(self.parts.values()))(x)


@needs_dot
def test_hostile_names_of_modules(generator: np.random.Generator) -> None:
    Hostile.__name__ = "Hostile<{\\N}>"
    assert "Hostile<{\\N}>" in render(digraph := draw_graph(Hostile(generator), X))
    assert ("Hostile<{\\N}>", 'parts.</font> & <b>"  Sequential') in read(digraph).all_boxes


def test_deeply_nested_modules() -> None:
    model: Module = Tanh()
    for _ in range(200):
        model = Sequential(model)
    picture = read(draw_graph(model, variable(1.0, "x") * 2))
    assert [len(boxes) for boxes in picture.all_boxes] == list(range(1, 201))
    assert picture.lines("tanh")[0] == "layers.0  Tanh"


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


# --------------------------------------------------------------------------------------- graph shapes


def test_an_input_that_is_used_twice_by_one_op() -> None:
    x = variable(3.0, "x")
    assert draw(x * x).edges == [("n0", "n1"), ("n0", "n1")]


def test_a_tensor_that_is_used_a_thousand_times() -> None:
    x = variable([1.0], "x")
    picture = draw(np.concatenate([x] * 1000))
    assert picture.edges == [("n0", "n1")] * 1000
    total = x
    for _ in range(1000):
        total = total * x
    picture = draw(total)
    assert len(picture.texts) == 1001
    assert sum(tail == "n0" for tail, _ in picture.edges) == 1001


def test_doublings_are_drawn_once_each() -> None:
    y = variable(1.0, "y")
    for _ in range(17):
        y = y + y
    picture = draw(y)
    assert len(picture.texts) == 18
    assert len(picture.edges) == 34
    assert picture.texts["n17"][:2] == ["add", "1.3107e+05"]


def test_nodes_are_numbered_in_the_order_of_their_creation() -> None:
    a, b = variable(1.0, "a"), variable(2.0, "b")
    second = np.sin(b)
    first = np.exp(a)
    picture = draw(first * second)
    assert [lines[0] for lines in picture.texts.values()] == ["a", "b", "sin", "exp", "multiply"]
    assert list(picture.texts) == [f"n{number}" for number in range(5)]


def test_a_leaf_that_was_changed_after_its_use() -> None:
    x = variable(2.0, "x")
    y = x * 3
    x.data = np.array(5.0)
    picture = draw(y)
    assert picture.edges == [(picture.node("x"), picture.node("multiply(·, 3)"))]


def test_a_chain_of_a_hundred_thousand_ops() -> None:
    y = variable(0.0, "x")
    for _ in range(100_000):
        y = y + 1.0
    source = draw_graph(y).source
    assert source.count("\n\tn") == 200_001 + 1  # with the defaults of nodes
    assert source.count(" -> ") == 100_000
    assert "\tn99999 -> n100000 " in source


# ------------------------------------------------------------------------------------ reproducibility

SNAPSHOT = """\
digraph "graph" {
	graph [fontname=Helvetica nodesep=0.25 rankdir=TB ranksep=0.3]
	node [fontname=Helvetica fontsize=11 height=0.3 margin="0.06,0.04" shape=box style="filled,rounded"]
	edge [arrowsize=0.6 color="#9aa0a8"]
	n0 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>x</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><font point-size="9" color="#a8480b">grad rms 3</font></td></tr></table>> \
color="#e69f00" fillcolor="#fff3d9"]
	n1 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>multiply(·, 3)</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><font point-size="9" color="#a8480b">grad rms 1</font></td></tr></table>> \
color="#8a8f98" fillcolor="#ffffff"]
	n2 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>add</b></td></tr>\
<tr><td><font point-size="9" color="#6b7280">(2,)</font></td></tr>\
<tr><td><font point-size="9" color="#a8480b">grad rms 1</font></td></tr></table>> \
color="#009e73" fillcolor="#dff3ea"]
	n2_1 [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td>\
<font point-size="9" color="#6b7280">constant (2,)</font></td></tr></table>> \
color="#b5b9c0" fillcolor="#f3f3f4"]
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


def run_python(program: str, hash_seed: str = "0") -> bytes:
    command = [sys.executable, "-W", "error", "-c", program]
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def test_the_source_is_the_same_in_two_fresh_processes() -> None:
    first, second = (run_python(PROGRAM, hash_seed) for hash_seed in ("1", "2"))
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

    for with_picture, without in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_array_equal(with_picture, without)


def test_a_picture_does_not_keep_the_graph_alive() -> None:
    y = variable(np.ones(3)) * 2
    before = sys.getrefcount(y)
    picture = draw_graph(y)
    assert sys.getrefcount(y) == before
    assert picture.body


# ------------------------------------------------------------------------------------------ rendering

HOSTILE = [
    'a<b>|{"x"}',
    "</td><b>",
    "</table>>",
    "\\N",
    "\\n\\l\\r\\G\\E\\T\\H\\L\\\\",
    "ends with \\",
    "\"double\" and 'single'",
    "&amp; &lt; &#65; &nbsp; & ;",
    "<!-- no comment -->",
    "]]>",
    "%s {0} ${x}",
    "🙂 naïve 重み שלום é",
    " ",
    "  two  spaces  ",
    "n0 -> n1 [label=x]; }",
    "weight:sw",
]


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
    shown = render(draw_graph([Tensor(np.ones(2), name=name) for name in names]))
    assert [text for text in shown if text != "(2,)"] == expected


@pytest.mark.parametrize("name", ["", None])
def test_no_name(name: str | None) -> None:
    picture = draw(variable(1.0, name) * Tensor([1.0, 2.0], name=name))
    assert picture.texts["n0"][0] == "tensor"
    assert picture.texts["n1"][0] == "data"


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
    assert {"x", "MLP", "layers.0  Linear", "linear_relu", "layers.1  Dropout", "p=0.5"} <= set(texts)
    tensors, _, _ = walk(loss)
    untracked = ["x", "dropout_mask"]
    assert sum(text.startswith("grad ") for text in texts) == tensors - len(untracked)
    assert "grad not computed" not in texts


@needs_dot
def test_values_that_are_not_finite_and_empty_tensors_render() -> None:
    w = variable([1.0, 2.0], "w")
    loss = np.sum(w * np.array([np.nan, np.inf])) + (variable(np.ones((0, 3)), "empty").sum() + 1) * -np.inf
    loss.backward(retain_graph=True)
    texts = render(draw_graph(loss, Tensor(np.inf, name="limit"), Tensor([1, 2], name="labels")))
    assert {"nan", "inf", "grad rms nan", "(0, 3)", "multiply(·, -inf)", "(2,) int64"} <= set(texts)


@needs_dot
def test_render_writes_a_picture(tmp_path: Path) -> None:
    written = draw_graph(variable(1.0, "x") * 2).render(tmp_path / "graph", format="svg", cleanup=True)
    assert Path(written) == tmp_path / "graph.svg"
    assert ElementTree.parse(written).getroot().tag.endswith("svg")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.svg"]


@needs_dot
def test_a_notebook_shows_the_picture() -> None:
    bundle = draw_graph(variable(1.0, "x") * 2)._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
