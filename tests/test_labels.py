"""The words of a picture: titles, parameters, numbers, memory, time, and what tooltips say."""

import re
from typing import Any

import numpy as np
import pytest
from drawn import Drawn, needs_dot, read, render, variable
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays, floating_dtypes

from autograd import Tensor, debug, draw_graph, primitive
from autograd.drawing.graph import graph_of
from autograd.drawing.labels import brief, duration, extent, rms, size, statistics, tooltip_of
from nn import MLP, Dropout, Linear, Module, Sequential


def drawn_with(show: Any, target: Any, **options: Any) -> Drawn:
    return read(draw_graph(target, show=show, **options))


# ----------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(
    "seconds, text",
    [
        (2.5, "2.5 s"),
        (123.4, "123 s"),
        (0.0123, "12.3 ms"),
        (1e-3, "1 ms"),
        (45.6e-6, "45.6 µs"),
        (999e-9, "999 ns"),
        (0.9999, "1 s"),
        (0.9996e-6, "1 µs"),
        (1.5e-9, "1.5 ns"),
        (0.0, "0 ns"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (131072, "131 kB"),
        (999_900, "1 MB"),
        (1.5e6, "1.5 MB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_size(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (0.1234567, "0.1235"),
        (np.float32(0.1), "0.1"),
        (3, "3"),
        (True, "True"),
        (1 + 2j, "(1+2j)"),
        (None, "None"),
        ("linear", "linear"),
        ("x" * 50, "x" * 31 + "…"),
        (slice(1, None), "1:"),
        (slice(None, None, -1), "::-1"),
        ((1,), "(1,)"),
        ((1, (2.5, None)), "(1, (2.5, None))"),
        ([1, 2], "[1, 2]"),
        (Ellipsis, "..."),
        (np.ones((2, 3)), "array of (2, 3)"),
        (np.float32, "float32"),
        (np.dtype("int8"), "int8"),
        (object(), "object"),
        (list(range(10**6)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"[:31] + "…"),
    ],
)
def test_brief(value: Any, text: str) -> None:
    assert brief(value) == text


# --------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    "array, text",
    [
        (np.array(2.0), "2"),
        (np.array([1.0, np.nan, -np.inf]), "[1, nan, -inf]"),
        (np.array([[1.0, 1.0]]), "rms 1"),
        (np.array([3.0, 4.0, 0.0, 0.0]), "rms 2.5"),
        (np.array([3, -4, 0, 9]), "-4 to 9"),
        (np.array([3, 4], np.uint8), "[3, 4]"),
        (np.array([True] * 5), ""),
        (np.array([False]), "False"),
        (np.ones((0, 2)), ""),
        (np.ones(0, int), ""),
        (np.array([1 + 1j, 2]), "[1+1j, 2+0j]"),
        (np.array([3 + 4j] * 4), "rms 5"),
        (np.array(1e-30 + 0j), "1e-30+0j"),
        (np.full(4, 60000, np.float16), "rms 6e+04"),
        (np.array(["a", "b", "c", "d"]), ""),
    ],
)
def test_extent(array: Any, text: str) -> None:
    assert extent(array) == text


@pytest.mark.parametrize(
    "array, text",
    [
        (np.array(2.0), "2"),
        (np.array([1.0, 2.0, 4.5]), "min 1, mean 2.5, max 4.5"),
        (np.array([1.0, np.nan, np.inf, 3.0]), "min 1, mean 2, max 3, 2 NaN or Inf"),
        (np.array([np.nan] * 1500), "1,500 NaN or Inf"),
        (np.ones((0, 2)), "no elements"),
        (np.array([3, 5]), "min 3, mean 4, max 5"),
        (np.array([True, False, True]), "2 of 3 true"),
        (np.array([3 + 4j, 0]), "absolute values: min 0, mean 2.5, max 5"),
        (np.array([complex(np.nan, 0), 2]), "absolute values: min 2, mean 2, max 2, 1 NaN or Inf"),
        (np.full(4, 60000, np.float16), "min 6e+04, mean 6e+04, max 6e+04"),
        (np.full(4, 1e308), "min 1e+308, mean 1e+308, max 1e+308"),
        (np.full(4, 2**63 - 1), "min 9.223e+18, mean 9.223e+18, max 9.223e+18"),
        (np.array(["a", "b"]), "<U1"),
    ],
)
def test_statistics(array: Any, text: str) -> None:
    assert statistics(array) == text


@given(
    arrays(
        floating_dtypes(sizes=(16, 32, 64), endianness="="),
        array_shapes(min_dims=1, max_dims=3, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
@settings(deadline=None)
def test_the_mean_square_neither_overflows_nor_vanishes(array: Any) -> None:
    largest = np.abs(array.astype(np.longdouble)).max()
    value = rms(array)
    assert np.isfinite(value)
    assert float(largest) / np.sqrt(array.size) * 0.999 <= value <= float(largest) * 1.001


# ------------------------------------------------------------------------------------------------ show


def example() -> Tensor:
    x = variable(np.ones((2, 3)), "x", np.float32)
    loss = np.sum(np.exp(x).reshape(3, 2) * 2)
    loss.backward(retain_graph=True)
    return loss


@pytest.mark.parametrize(
    "show, lines",
    [
        ("values", ["rms 1"]),
        ("grads", ["grad rms 5.44"]),
        ("shapes", ["(2, 3)"]),
        ("dtypes", ["float32"]),
        ("memory", ["24 B"]),
        ("time", []),
        ((), []),
        (["values", "grads"], ["rms 1 | grad rms 5.44"]),
        ({"shapes", "dtypes"}, ["(2, 3) float32"]),
        (
            ("values", "grads", "shapes", "dtypes", "memory", "time"),
            ["(2, 3) float32", "rms 1 | grad rms 5.44", "24 B"],
        ),
    ],
)
def test_show(show: Any, lines: list[str]) -> None:
    assert drawn_with(show, example()).lines("x") == lines


def test_views_have_no_memory_of_their_own() -> None:
    drawn = drawn_with("memory", example())
    assert drawn.lines("reshape") == ["a view"]
    assert drawn.lines("exp") == ["24 B"]
    assert drawn.lines("sum") == ["4 B"]
    assert drawn_with("memory", variable(np.ones((0, 3)), "empty")).lines("empty") == ["0 B"]
    assert "memory: a view" in drawn.tooltip("reshape")


def test_times_forward_and_back() -> None:
    drawn = drawn_with("time", example())
    unit = r"\d+(\.\d+)? (ns|µs|ms|s)"
    assert re.fullmatch(f"{unit}, gradient {unit}", drawn.lines("exp")[0])


def test_the_time_of_sources_is_that_of_drawing_numbers_and_leaves_the_generator() -> None:
    generator = np.random.default_rng(0)
    loss = np.sum(Dropout(0.5, generator=generator)(variable(np.ones(4))))
    state = generator.bit_generator.state
    drawn = drawn_with("time", loss)
    assert "gradient" not in drawn.lines("dropout_mask")[-1]
    assert generator.bit_generator.state == state


@pytest.mark.parametrize("show", ["value", "shape", "", ["values", "sizes"]])
def test_unknown_words_are_named_with_those_that_there_are(show: Any) -> None:
    with pytest.raises(ValueError, match=r"show of draw_graph may be 'values', 'grads', .*, and not '"):
        draw_graph(variable(1.0), show=show)


# ------------------------------------------------------------------------------------------- tooltips


def test_the_tooltip_of_an_op() -> None:
    drawn = read(draw_graph(example()))
    assert drawn.tooltip("exp") == [
        "exp: (2, 3) float32",
        "value: min 2.718, mean 2.718, max 2.718",
        "gradient: min 2, mean 2, max 2",
        "memory: 24 B",
        "gradient by x: g * y",
    ]
    assert drawn.tooltip("x")[-1] == "memory: 24 B"


def test_not_a_number_is_counted_in_tooltips() -> None:
    with np.errstate(all="ignore"):
        y = np.log(variable([1.0, 0.0, -1.0, np.e]))
    assert "value: min 0, mean 0.5, max 1, 2 NaN or Inf" in read(draw_graph(y)).tooltip("log")


def test_graphs_of_debug_know_their_lines() -> None:
    x = variable(1.0, "x")
    with debug():
        y = np.sin(x)  # this line
    (made,) = (line for line in read(draw_graph(y)).tooltip("sin") if line.startswith("made at"))
    assert "test_labels.py" in made
    assert made.endswith("y = np.sin(x)  # this line")
    assert "gradient by x: g * np.cos(x)" in read(draw_graph(y)).tooltip("sin")


def test_tooltips_of_boxes() -> None:
    generator = np.random.default_rng(0)
    model = MLP((3, 4, 2), dropout=0.5, generator=generator)
    drawn = read(draw_graph(model, Tensor(np.ones((5, 3), np.float32))))
    by_name = {names[-1]: text.split("\n") for names, text in drawn.box_tooltips.items()}
    assert by_name["MLP  26 parameters"] == ["MLP", "4 ops", "26 parameters", "results: 280 B"]
    assert by_name["layers.1  Dropout"] == ["layers.1: Dropout", "2 ops", "results: 160 B"]


# ------------------------------------------------------------------------------------------ parameters


def test_parameters_that_shape_and_dtype_say_anyway_are_left_out() -> None:
    x = variable(np.ones((2, 3)), "x")
    drawn = read(draw_graph(np.sum(np.broadcast_to(x.astype(np.float32), (4, 2, 3)), axis=0)))
    assert drawn.lines("astype")[0].startswith("(2, 3)")
    assert drawn.lines("broadcast_to")[0].startswith("(4, 2, 3)")
    assert drawn.lines("sum")[0] == "axis=0"


def test_generators_are_no_parameters() -> None:
    generator = np.random.default_rng(0)
    drawn = read(draw_graph(Dropout(0.5, generator=generator)(variable(np.ones(4)))))
    assert drawn.lines("dropout_mask")[0] == "p=0.5"


@pytest.mark.parametrize(
    "value", ["<b>&\"'", "\\N\n", "x" * 1000, {"a": 1}, [[1, [2, (3,)]]] * 30, np.array("text"), b"bytes", 1j]
)
@needs_dot
def test_hostile_parameters(value: Any) -> None:
    op = primitive(lambda x, *, by: x * 1, lambda g, y, x, *, by: g, name='op<&"\\N>')
    render(draw_graph(op(variable(1.0), by=value)))


def test_parameter_counts_are_those_of_the_module_or_of_what_is_used() -> None:
    generator = np.random.default_rng(0)
    frozen = Linear(3, 2, generator=generator)
    frozen.weight.requires_grad = False

    class Outer(Module):
        def __init__(self) -> None:
            self.parts = [frozen, Linear(2, 2, generator=generator)]
            self.unused = variable(np.ones(1000))

        def forward(self, x: Any) -> Any:
            return self.parts[1](self.parts[0](x))

    drawn = read(draw_graph(Outer(), Tensor(np.ones((1, 3), np.float32))))
    assert [names[-1] for names in drawn.all_boxes] == [
        "Outer  1,008 parameters",
        "parts.0  Linear  2 parameters",
        "parts.1  Linear  6 parameters",
    ]
    gone = Sequential(Linear(3, 2, generator=generator))(Tensor(np.ones((1, 3), np.float32)))
    assert [names[-1] for names in read(draw_graph(gone)).all_boxes] == [
        "Sequential  8 parameters",
        "Linear  8 parameters",
    ]


def test_of_modules_that_are_gone_parameters_used_elsewhere_are_not_left_out_of_a_count() -> None:
    layer = Linear(3, 3, generator=np.random.default_rng(0))
    weight = layer.weight
    y = Sequential(layer, Linear(3, 3, generator=np.random.default_rng(0)))(np.ones((1, 3))) @ weight
    del layer
    assert [names[-1] for names in read(draw_graph(y)).all_boxes] == [
        "Sequential",
        "Linear",
        "Linear  12 parameters",
    ]


def test_tooltips_have_the_strides_of_what_is_not_contiguous() -> None:
    x = variable(np.ones((2, 3)), "x")
    tips = [tooltip_of(node, "") for node in graph_of([x.T + 0]).nodes]
    assert ["strides" in tip for tip in tips] == [False, True, not np.add(x.data.T, 0).flags.c_contiguous]
    assert "memory: a view, strides (8, 24)" in tips[1]


def test_one_op_is_not_several() -> None:
    model = Linear(3, 3, generator=np.random.default_rng(0))
    (tooltip,) = read(draw_graph(model, np.ones((1, 3)))).box_tooltips.values()
    assert "1 op" in tooltip.split("\n")
