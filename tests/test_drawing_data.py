"""The data of a page: what each node, box, array and step is, as JSON that any browser reads."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from drawn import ancestors, variable
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from autograd import Tensor, checkpoint, debug, draw_graph, jit
from autograd.drawing.data import SIDE, described
from nn import MLP, Linear, Sequential, Tanh, cross_entropy


def data_of(*targets: Any, **options: Any) -> dict[str, Any]:
    """Return the data of a page, which must be JSON in the strict sense and refer to what is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = draw_graph(*targets, **options).page_data()
    data: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    assert data == json.loads(json.dumps(found))
    count = len(data["nodes"])
    for number, node in enumerate(data["nodes"]):
        assert all(0 <= x < count for x in node["inputs"])
        assert node["box"] is None or 0 <= node["box"] < len(data["boxes"])
        for place in ("value", "grad"):
            assert node[place] is None or 0 <= node[place] < len(data["arrays"])
        assert node["op"] is None or all(x < number for x in node["inputs"])
    for number, box in enumerate(data["boxes"]):
        assert box["parent"] is None or box["parent"] < number
    for step in data["steps"]:
        assert data["nodes"][step["node"]]["op"] is not None
        inputs = data["nodes"][step["node"]]["inputs"]
        assert all(x in inputs for x, _ in step["leaving"] + step["local"])
    return data


def node(data: dict[str, Any], title: str) -> dict[str, Any]:
    (found,) = (node for node in data["nodes"] if node["title"] == title)
    return found


def values(data: dict[str, Any], number: int) -> Any:
    return data["arrays"][number]["values"]


def test_nodes() -> None:
    x, w = Tensor([1.0, 2.0], name="x"), variable([3.0, 4.0], "w")
    loss = np.sum(np.tanh(x * w / 2) + np.array([5.0, 6.0]), axis=0)
    data = data_of(loss, direction="LR")
    kinds = {node["title"]: node["kind"] for node in data["nodes"]}
    assert kinds == {
        "x": "data",
        "w": "parameter",
        "multiply": "op",
        "divide(·, 2)": "op",
        "tanh": "op",
        "constant": "constant",
        "add": "op",
        "sum": "output",
    }
    assert data["direction"] == "LR"
    assert data["title"] == "sum"
    assert data["outputs"] == [data["nodes"].index(node(data, "sum"))]
    assert node(data, "sum")["lines"] == ["axis=0"]
    assert node(data, "tanh")["rule"] == [["by x", "g * (1 - y * y)"]]
    assert node(data, "tanh")["tracked"] and not node(data, "x")["tracked"]
    assert node(data, "x")["bytes"] == 16
    assert values(data, node(data, "w")["value"]) == [3, 4]


def test_steps_and_gradients_are_those_of_backward() -> None:
    x = variable([1.0, 2.0], "x")
    loss = np.sum(np.sin(x) * x)
    data = data_of(loss)
    assert [data["nodes"][step["node"]]["title"] for step in data["steps"]] == ["sum", "multiply", "sin"]
    loss.backward(retain_graph=True)
    for number, tensor in ((0, x),):
        assert values(data, data["nodes"][number]["grad"]) == pytest.approx(tensor.grad.data.tolist(), 1e-5)
    step = data["steps"][2]
    assert values(data, step["arriving"]) == [1, 2]
    (((_, local)),) = step["local"]
    assert values(data, local) == pytest.approx(np.cos(x.data).tolist(), 1e-5)
    assert data["no_steps"] == ""


def test_gradients_of_backward_go_before_those_of_the_steps() -> None:
    x = variable([1.0, 2.0], "x")
    loss = np.sum(x * 3)
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    data = data_of(loss)
    assert values(data, node(data, "x")["grad"]) == [6, 6]
    assert values(data, data["steps"][0]["arriving"]) == 1


@pytest.mark.parametrize(
    "target, words",
    [
        (lambda: Tensor(1.0), "No output requires gradients"),
        (lambda: changed(), "changed after"),
    ],
)
def test_why_there_are_no_steps(target: Any, words: str) -> None:
    data = data_of(target())
    assert data["steps"] == []
    assert words in data["no_steps"]


def changed() -> Tensor:
    x = variable(2.0, "x")
    y = x * x
    x.data = np.array(3.0)
    return y


def test_boxes() -> None:
    generator = np.random.default_rng(0)
    blocks = [Sequential(Linear(3, 3, generator=generator), Tanh()) for _ in range(4)]
    model = Sequential(*blocks, Linear(3, 2, generator=generator))
    data = data_of(model, Tensor(np.ones((5, 3), np.float32)))
    assert [(box["kind"], box["folded"]) for box in data["boxes"][:2]] == [
        ("module", False),
        ("repeat", True),
    ]
    assert [box["parameters"] for box in data["boxes"][:3]] == [56, 48, 12]
    assert [(box["label"], box["parent"]) for box in data["boxes"][1:3]] == [
        ("layers.0 to layers.3  Sequential × 4", 0),
        ("layers.0  Sequential", 1),
    ]
    assert len([node for node in data["nodes"] if node["op"] == "linear"]) == 5
    folded = data_of(model, Tensor(np.ones((5, 3), np.float32)), depth=0)
    assert folded["boxes"][0]["folded"]


def test_a_training_step() -> None:
    model = MLP((3, 4, 2), dropout=0.5, generator=np.random.default_rng(0))
    loss = cross_entropy(model(Tensor(np.ones((5, 3), np.float32), name="x")), np.zeros(5, int))
    data = data_of(loss)
    tensors, constants, _ = ancestors(loss)
    assert len(data["nodes"]) == tensors + constants
    assert len(data["steps"]) == sum(node["tracked"] and node["op"] is not None for node in data["nodes"])
    loss.backward()


def test_lines_of_debug() -> None:
    with debug():
        y = np.sin(variable(1.0))
    assert "test_drawing_data.py" in data_of(y)["nodes"][-1]["made"]


def test_errors() -> None:
    x = variable(np.ones((2, 3)), "x")
    try:
        np.exp(x) @ x
    except ValueError as error:
        data = data_of(error)
    failed = node(data, "matmul")
    assert failed["kind"] == "failed"
    assert "not aligned" in failed["error"]
    assert failed["value"] is None and failed["bytes"] is None
    assert data["steps"] == []
    assert data["no_steps"] == "The op in red has failed, so there is no way back."


def test_a_graph_that_was_freed_after_it_was_drawn_still_makes_a_page() -> None:
    x = variable([1.0, 2.0], "x")
    loss = np.sum(np.sin(x) * 2)
    picture = draw_graph(loss)
    loss.backward()
    data = picture.page_data()
    assert [node["title"] for node in data["nodes"]] == ["x", "sin", "multiply", "sum"]
    assert values(data, node(data, "x")["grad"]) == pytest.approx((2 * np.cos(x.data)).tolist(), 1e-5)
    assert data["steps"] == []
    assert "backward() has freed the graph" in data["no_steps"]


def test_programs_of_jit() -> None:
    data = data_of(jit(lambda x: np.sum(np.tanh(x))), np.ones(3))
    assert "tanh" in [node["title"] for node in data["nodes"]]
    assert data["steps"] == [] and data["no_steps"]


def test_the_half_of_the_gradients() -> None:
    x = variable([1.0, 2.0], "x")
    data = data_of(np.sum(np.sin(x) * x), backward=True)
    gradients = [node for node in data["nodes"] if node["kind"] == "gradient"]
    assert {"gradient of x", "gradient of sin"} <= {line for node in gradients for line in node["lines"]}
    assert [data["nodes"][step["node"]]["title"] for step in data["steps"]] == ["sum", "multiply", "sin"]


def test_hostile_values_are_json() -> None:
    with np.errstate(all="ignore"):
        targets = [
            np.sum(np.sqrt(variable([0.0, -1.0, np.nan]))),
            np.sum(np.log(variable(np.zeros(100)))),
            np.sum(variable(np.ones((0, 3)))),
            np.sum(variable([1.0, 2.0], dtype=np.float16) * 60000),
            np.sum(np.abs(Tensor([1 + 1j, np.inf, complex(np.nan, 1)], requires_grad=True))),
            np.sum(variable(np.array([1e308, -1e308] * 50))),
            variable(np.ones((1,) * 20)) * 2,
            Tensor(np.array([True] * 100)),
            Tensor(np.arange(100)),
            Tensor(np.array(2**63 - 1)),
            checkpoint(lambda x: np.sin(x) * 2)(variable(np.ones(3))),
            np.sum(np.broadcast_to(variable(1.0), (200, 300))),
        ]
    for target in targets:
        data_of(target)
    data_of(targets)


# ---------------------------------------------------------------------------------------------- arrays


@given(
    arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint64, np.bool_, np.complex128]),
        array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40).filter(lambda s: np.prod(s) < 5000),
        fill=st.nothing(),
    )
    | arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12))
)
@settings(deadline=None, max_examples=100)
def test_every_array_can_be_described(array: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = described(array)
    json.dumps(found, allow_nan=False)
    assert found["shape"] == list(array.shape)
    assert (found["values"] is None) is (array.size > 64)
    assert (found["sample"] is None) is (array.size <= 64)
    if array.size > 64:
        rows, columns, all_rows, all_columns = found["sampled"]
        assert rows == len(found["sample"]) <= SIDE
        assert all(len(row) == columns <= SIDE for row in found["sample"])
        assert all_rows * all_columns == array.size


def test_statistics_of_an_array() -> None:
    found = described(np.array([[3.0, -4.0], [np.nan, np.inf]]))
    assert (found["min"], found["max"], found["mean"], found["bad"]) == (-4, 3, -0.5, 2)
    assert found["rms"] == pytest.approx(np.sqrt(12.5), 1e-5)
    assert found["values"] == [[3, -4], ["nan", "inf"]]


def test_samples_hold_the_first_and_the_last() -> None:
    found = described(np.arange(10_000.0).reshape(100, 100))
    assert (found["sample"][0][0], found["sample"][-1][-1]) == (0, 9999)
    assert found["sampled"] == [32, 32, 100, 100]
    assert sum(found["histogram"]["counts"]) == 10_000
