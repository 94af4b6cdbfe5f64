"""What summary() says of a model: held against hand counts, other counters, and the memory allocated."""

import gc
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from autograd import Tensor, checkpoint, debug, jit, no_grad, primitive
from autograd.recording import modes
from nn import (
    MLP,
    BatchNorm1d,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    ReLU,
    Sequential,
    functional_call,
    summary,
)
from nn.summary import Row, Summary, _size
from tests.test_module import Bag, Looped, parameter


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def linear(inputs: int, outputs: int, **options: Any) -> Linear:
    return Linear(inputs, outputs, generator=generator(), **options)


def mlp(dropout: float = 0.0, **options: Any) -> MLP:
    return MLP([784, 256, 128, 10], dropout=dropout, generator=generator(), **options)


def mlp_part() -> Module:
    return Sequential(linear(90, 80, activation="tanh"), Dropout(0.2, generator=generator()))


class Apply(Bag):
    """A module that holds what it is given, and whose forward is a function of itself and its inputs."""

    def __init__(self, function: Callable[..., Any], **attributes: Any) -> None:
        super().__init__(function=function, **attributes)

    def forward(self, *inputs: Any) -> Any:
        return self.function(self, *inputs)


class Residual(Module):
    def __init__(self) -> None:
        self.norm = LayerNorm(32)
        self.inner = linear(32, 64, activation="relu")
        self.outer = linear(64, 32)

    def forward(self, x: Any) -> Any:
        return x + self.outer(self.inner(self.norm(x)))


class Language(Module):
    """Residual blocks that are used twice, tied weights, a part that is never called, outputs in a dict."""

    def __init__(self) -> None:
        self.embed = Embedding(100, 32, generator=generator())
        self.blocks = [Residual(), Residual()]
        self.heads = {"logits": linear(32, 5, bias=False)}
        self.again = self.blocks[0]
        self.unused = linear(3, 3)
        self.readout = self.embed.weight

    def forward(self, indices: Any) -> Any:
        x = self.embed(indices)
        for block in [*self.blocks, *self.blocks]:
            x = block(x)
        x = self.again(x[:, :1])
        return {"logits": self.heads["logits"](x), "hidden": (x, x @ self.readout.T)}


def rows(result: Summary) -> dict[str, Row]:
    return {row.path: row for row in result.rows}


# --------------------------------------------------------------------------------------- the table


def test_the_table_of_an_mlp() -> None:
    text = """\
Module               Output      Parameters   Memory  Multiply-adds
-------------------------------------------------------------------
MLP                  (128, 10)      235,146   595 kB     30,048,256
  layers.0: Linear   (128, 256)     200,960   131 kB     25,690,112
  layers.1: Dropout  (128, 256)           -   262 kB              -
  layers.2: Linear   (128, 128)      32,896  65.5 kB      4,194,304
  layers.3: Dropout  (128, 128)           -   131 kB              -
  layers.4: Linear   (128, 10)        1,290  5.12 kB        163,840
-------------------------------------------------------------------
Parameters:    235,146 (941 kB)
Input:         401 kB
Activations:   595 kB
Multiply-adds: 30,048,256"""
    result = summary(mlp(dropout=0.15), np.zeros((128, 784), np.float32))
    assert str(result) == repr(result) == text


def test_the_table_of_shared_unused_and_repeated_modules() -> None:
    text = """\
Module                  Output                            Parameters   Memory  Multiply-adds  Calls
---------------------------------------------------------------------------------------------------
Language                {'logits': (4, 1, 5), 'hidden...      11,884   126 kB        488,576      1
  embed: Embedding      (4, 7, 32)                             3,200  3.58 kB              -      1
  blocks.0: Residual    (4, 7, 32) or (4, 1, 32)               4,256  62.4 kB        245,760      3
    norm: LayerNorm     (4, 7, 32) or (4, 1, 32)                  64  31.7 kB              -      3
    inner: Linear       (4, 7, 64) or (4, 1, 64)               2,112  15.4 kB        122,880      3
    outer: Linear       (4, 7, 32) or (4, 1, 32)               2,080  7.68 kB        122,880      3
  blocks.1: Residual    (4, 7, 32)                             4,256  58.2 kB        229,376      2
    norm: LayerNorm     (4, 7, 32)                                64  29.6 kB              -      2
    inner: Linear       (4, 7, 64)                             2,112  14.3 kB        114,688      2
    outer: Linear       (4, 7, 32)                             2,080  7.17 kB        114,688      2
  heads.logits: Linear  (4, 1, 5)                                160     80 B            640      1
  again: Residual       same as blocks.0                      *4,256        -              -      -
  unused: Linear        not called                                12        -              -      -
---------------------------------------------------------------------------------------------------
Parameters:    11,884 (47.5 kB)
Input:         224 B
Activations:   126 kB
Multiply-adds: 488,576
* some are those of a row above; the totals count them once"""
    result = summary(Language(), np.zeros((4, 7), int))
    assert str(result) == text
    assert result.rows[0].outputs == ({"logits": (4, 1, 5), "hidden": ((4, 1, 32), (4, 1, 100))},)
    assert result.rows[2].outputs == ((4, 7, 32), (4, 1, 32))


def test_state_has_a_column_where_there_is_some() -> None:
    result = summary(Sequential(linear(3, 4), BatchNorm1d(4)), np.zeros((5, 3), np.float32))
    norm = rows(result)["layers.1"]
    assert (norm.parameters, norm.state, result.parameters, result.state) == (8, 8, 24, 8)
    assert (result.parameter_bytes, result.state_bytes, result.input_bytes) == (96, 32, 60)
    assert "Parameters  State" in str(result) and "State:         8 (32 B)" in str(result)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12345, "12.3 kB"), (999_499, "999 kB"),
     (999_500, "1.00 MB"), (3 * 10**9, "3.00 GB"), (10**12, "1.00 TB"), (123 * 10**12, "123 TB")],
)  # fmt: skip
def test_sizes_have_three_digits_and_units_of_1000(count: int, words: str) -> None:
    assert _size(count) == words


def test_what_was_found_cannot_be_changed() -> None:
    result = summary(linear(2, 2), np.zeros((1, 2), np.float32))
    with pytest.raises(FrozenInstanceError):
        result.parameters = 0  # type: ignore[misc]


# ------------------------------------------------------------------------------------- the numbers

MODELS: list[tuple[Callable[[], Module], Any]] = [
    (lambda: mlp(dropout=0.15), np.ones((128, 784), np.float32)),
    (lambda: mlp(dropout=0.15).eval(), np.ones((20, 784), np.float32)),
    (lambda: MLP([5, 6, 7, 3], activation="tanh", generator=generator()), np.ones((2, 3, 4, 5))),
    (lambda: MLP([5, 6, 7, 3], activation="sigmoid", generator=generator()), np.ones((0, 5))),
    (Language, np.zeros((4, 7), int)),
    (lambda: Sequential(Embedding(9, 8, generator=generator()), LayerNorm(8), ReLU()), np.ones((3, 4), int)),
    (lambda: Sequential(linear(70, 90), BatchNorm1d(90), mlp_part()), np.ones((640, 70))),
]  # fmt: skip


@pytest.mark.parametrize(("build", "x"), MODELS)
def test_parameters_are_those_of_the_model(build: Callable[[], Module], x: Any) -> None:
    model = build()
    result = summary(model, x)
    parameters = model.parameters()
    state = [tensor for _, tensor in model.named_state() if not tensor.requires_grad]
    assert result.parameters == result.rows[0].parameters == sum(p.size for p in parameters)
    assert result.parameter_bytes == sum(p.data.nbytes for p in parameters)
    assert (result.state, result.state_bytes) == (
        sum(s.size for s in state),
        sum(s.data.nbytes for s in state),
    )
    modules = dict(model.named_modules())
    assert [row.path for row in result.rows if row.same_as is None] == list(modules)
    for row in result.rows:
        if row.same_as is None:
            assert row.kind == type(modules[row.path]).__name__
            assert row.parameters == sum(p.size for p in modules[row.path].parameters())


@pytest.mark.parametrize(("build", "x"), MODELS)
def test_activations_are_the_memory_that_the_graph_holds(build: Callable[[], Module], x: Any) -> None:
    model = build()
    expected = summary(model, x).activation_bytes
    model(x)
    gc.collect()
    tracemalloc.start()
    output = model(x)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert output is not None
    # Each result has some 300 bytes of Python objects besides its array.
    assert expected <= kept <= expected + 40_000


def counted_products(model: Module, *inputs: Any) -> int:
    """Count multiply-adds as the length of what NumPy's products would sum, from the walk of the graph."""
    total = 0
    seen: set[int] = set()
    output = model(*inputs)
    leaves = [output] if isinstance(output, Tensor) else [output["logits"], *output["hidden"]]
    while leaves:
        tensor = leaves.pop()
        if not isinstance(tensor, Tensor) or tensor.order in seen or tensor.op is None:
            continue
        seen.add(tensor.order)
        leaves += tensor.inputs
        if tensor.op.name.startswith(("matmul", "linear")):
            a, b = (np.ones(x.shape) for x in tensor.inputs[:2])
            total += int(np.sum(a @ b))  # each element of a product of ones is the number of its summands
    return total


@pytest.mark.parametrize(("build", "x"), MODELS)
def test_multiply_adds_are_those_of_the_products_in_the_graph(build: Callable[[], Module], x: Any) -> None:
    model = build()
    assert summary(model, x).multiply_adds == counted_products(model, x)


A, B, C = (Tensor(np.ones(shape), requires_grad=True) for shape in ((4, 5), (5, 6), (6, 7)))
V = Tensor(np.ones(5), requires_grad=True)
STACK = Tensor(np.ones((3, 2, 4, 5)), requires_grad=True)


@pytest.mark.parametrize(
    ("product", "count"),
    [
        (lambda: A @ B, 4 * 5 * 6),
        (lambda: V @ V, 5),
        (lambda: A @ V, 4 * 5),
        (lambda: V @ B, 5 * 6),
        (lambda: STACK @ B, 3 * 2 * 4 * 5 * 6),
        (lambda: STACK @ np.ones((2, 5, 6)), 3 * 2 * 4 * 5 * 6),
        (lambda: STACK @ np.swapaxes(STACK, -1, -2), 3 * 2 * 4 * 5 * 4),
        (lambda: np.ones((2, 4)) @ A, 2 * 4 * 5),
        (lambda: np.dot(A, B), 4 * 5 * 6),
        (lambda: np.inner(A, V), 4 * 5),
        (lambda: np.vdot(A, A), 4 * 5),
        (lambda: np.vecdot(A, V), 4 * 5),
        (lambda: np.tensordot(STACK, B, 1), 3 * 2 * 4 * 5 * 6),
        (lambda: np.tensordot(STACK, STACK, 4), 3 * 2 * 4 * 5),
        (lambda: np.linalg.multi_dot([A, B, C]), 4 * 5 * 6 + 4 * 6 * 7),
        (lambda: np.einsum("ij,jk->ik", A, B), 4 * 5 * 6),
        (lambda: np.einsum("...ij,jk", STACK, B), 3 * 2 * 4 * 5 * 6),
        (lambda: np.einsum("ij,jk,kl->il", A, B, C), 2 * 4 * 5 * 6 * 7),
        (lambda: np.einsum("ij,jk,k->i", A, B, C[:, 0], optimize=True), 5 * 6 + 4 * 5),
        (lambda: np.einsum("ij,kj->ik", A, np.ones((3, 1))), 4 * 5 * 3),
        (lambda: np.einsum("ij,kj->ik", A[:, :1], np.ones((3, 0))), 0),
        (lambda: np.einsum("ij->ji", A), 0),
        (lambda: np.outer(V, V), 0),
        (lambda: A * 2 + np.sum(A), 0),
        (lambda: A[:0] @ B, 0),
    ],
)
def test_multiply_adds_of_products(product: Callable[[], Any], count: int) -> None:
    result = summary(Apply(lambda self: product()))
    assert result.multiply_adds == result.rows[0].multiply_adds == count


def test_a_function_of_ones_own_is_not_taken_for_a_linear_layer() -> None:
    own = primitive(lambda x: x, lambda g, y, x: g, name="linear_interpolation")
    assert summary(Apply(lambda self: own(A))).multiply_adds == 0


def test_multiply_adds_are_counted_where_nothing_is_kept() -> None:
    x = np.ones((2, 784), np.float32)
    model = mlp()
    count = summary(model, x).multiply_adds
    with no_grad():
        result = summary(model, x)
    assert (result.multiply_adds, result.activation_bytes) == (count, 0)
    for name in ("layers.0", "layers.1"):
        for tensor in dict(model.named_modules())[name].parameters():
            tensor.requires_grad = False
    result = summary(model, x)
    assert result.multiply_adds == count
    assert [row.activation_bytes for row in result.rows] == [80, 0, 0, 80]
    assert [row.state for row in result.rows] == [233_856, 200_960, 32_896, 0]


def test_of_a_checkpoint_the_output_is_kept() -> None:
    def run(self: Any, x: Any) -> Any:
        return checkpoint(self.inner)(x)

    inner = Sequential(linear(8, 100), linear(100, 4))
    result = summary(Apply(run, inner=inner), Tensor(np.ones((3, 8), np.float32)))
    assert result.activation_bytes == 3 * 4 * 4
    assert result.multiply_adds == rows(result)["inner"].multiply_adds == 3 * (8 * 100 + 100 * 4)


def test_memory_is_counted_once_however_many_views_it_has() -> None:
    x = Tensor(np.ones((4, 6)), requires_grad=True)

    def views(self: Any, x: Any) -> Any:
        y = np.exp(np.transpose(x.reshape(6, 4).T)[1:])
        return y, y.T, y.reshape(-1)[2:], np.broadcast_to(y, (999, 5, 4)), self.weight[None]

    result = summary(Apply(views, weight=parameter(1, 2)), x)
    assert result.activation_bytes == 5 * 4 * 8


def test_a_graph_that_led_to_the_input_is_not_the_models() -> None:
    x = np.exp(Tensor(np.ones((2, 3), np.float32), requires_grad=True)) @ np.ones((3, 3), np.float32)
    result = summary(linear(3, 4), x)
    assert (result.activation_bytes, result.multiply_adds) == (2 * 4 * 4, 2 * 3 * 4)


# ------------------------------------------------------------------------------- kinds of modules


def test_parameters_that_are_shared_are_marked_where_they_come_again() -> None:
    shared, tied = linear(3, 3), Linear(3, 3, bias=False, generator=generator())
    tied.weight = shared.weight
    model = Sequential(Sequential(shared), Sequential(tied, shared), linear(3, 3))
    result = summary(model, np.ones((2, 3), np.float32))
    found = {row.path: (row.parameters, row.is_shared, row.same_as, row.calls) for row in result.rows}
    assert found == {
        "": (24, False, None, 1),
        "layers.0": (12, False, None, 1),
        "layers.0.layers.0": (12, False, None, 2),
        "layers.1": (12, True, None, 1),
        "layers.1.layers.0": (9, True, None, 1),
        "layers.1.layers.1": (12, True, "layers.0.layers.0", 0),
        "layers.2": (12, False, None, 1),
    }


def test_what_a_shared_module_does_belongs_to_each_caller() -> None:
    shared = linear(3, 3)
    model = Sequential(Sequential(shared), Sequential(shared, shared))
    by_path = rows(summary(model, np.ones((2, 3), np.float32)))
    counts = {path: row.multiply_adds for path, row in by_path.items() if row.calls}
    assert counts == {"": 54, "layers.0": 18, "layers.0.layers.0": 54, "layers.1": 36}


def test_modules_that_hold_and_call_themselves_count_once() -> None:
    def down(self: Any, x: Any, depth: int) -> Any:
        return x if depth == 0 else self.me(np.tanh(x @ self.weight), depth - 1)

    model = Apply(down, weight=Tensor(np.ones((3, 3)), requires_grad=True))
    model.me = model
    result = summary(model, np.ones((2, 3)), 4)
    assert result.rows[0].calls == 5
    assert result.rows[0].multiply_adds == result.multiply_adds == 4 * 2 * 3 * 3
    assert result.activation_bytes == result.rows[0].activation_bytes == 4 * 2 * 2 * 3 * 8
    assert [row.same_as for row in result.rows] == [None, ""]
    assert "same as the model" in str(result)
    assert summary(Looped(), 2.0).parameters == 1


class Point(NamedTuple):
    left: Any
    right: Any


@dataclass
class Result:
    values: Any
    note: str


@pytest.mark.parametrize(
    ("wrap", "outputs"),
    [
        (lambda x: (x, x[0]), ((2, 3), (3,))),
        (lambda x: [x, {"a": x, 1: None}], [(2, 3), {"a": (2, 3), 1: None}]),
        (lambda x: Point(x, 1.5), ((2, 3), ())),
        (lambda x: Result([x], "fine"), {"values": [(2, 3)], "note": "str"}),
        (lambda x: x.data, (2, 3)),
        (lambda x: np.sum(x), ()),
        (lambda x: None, None),
        (lambda x: object(), "object"),
    ],
)
def test_outputs_of_every_kind(wrap: Callable[[Any], Any], outputs: Any) -> None:
    model = Apply(lambda self, x: wrap(self.inner(x)), inner=linear(3, 3))
    assert summary(model, np.ones((2, 3), np.float32)).rows[0].outputs == (outputs,)


def test_inputs_of_every_kind() -> None:
    model = Apply(lambda self, a, b: self.inner(a["x"]) + b[0] + b[1][0], inner=linear(3, 3))
    tree = [Tensor(np.ones(3, np.float32)), (2.0,)]
    result = summary(model, {"x": np.ones((2, 3), np.float32)}, tree)
    assert (result.input_bytes, result.rows[0].outputs) == (24 + 12, ((2, 3),))
    assert summary(Apply(lambda self: self.weight, weight=parameter(1, 2))).input_bytes == 0


def test_modules_may_be_nested_deeply() -> None:
    model: Module = linear(3, 3)
    for _ in range(150):
        model = Sequential(model)
    result = summary(model, np.ones((2, 3), np.float32))
    assert [row.depth for row in result.rows] == list(range(151))
    assert {(row.parameters, row.multiply_adds, row.activation_bytes) for row in result.rows} == {
        (12, 18, 24)
    }


def test_modules_that_are_called_by_forward_itself_or_with_keywords() -> None:
    class Scaled(Module):
        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return x * factor

    model = Apply(lambda self, x: self.inner.forward(x, factor=2.0), inner=Scaled())
    assert rows(summary(model, np.ones(3)))["inner"].calls == 1


def test_modules_need_not_be_hashable() -> None:
    @dataclass
    class Unhashable(Module):
        weight: Tensor

        def forward(self, x: Any) -> Any:
            return x * self.weight

    result = summary(Sequential(Unhashable(parameter(1, 2)), Unhashable(parameter(1, 2))), np.ones(2))
    assert [row.parameters for row in result.rows] == [4, 2, 2]


def test_what_a_call_adds_to_a_module_is_not_there_yet() -> None:
    def run(self: Any, x: Any) -> Any:
        self.added = linear(3, 4)
        self.weight = parameter(1, 2, 3)
        return self.added(x * self.weight)

    model = Apply(run, weight=parameter(1, 2, 3))
    result = summary(model, np.ones((2, 3)))
    assert (len(result.rows), result.parameters, result.multiply_adds) == (1, 3, 24)
    assert not hasattr(model, "added")


# ------------------------------------------------------------------------------- it leaves no trace


class Eventful(Module):
    """Changes everything that a module can hold when it is called, and may raise."""

    def __init__(self) -> None:
        self.generator = generator()
        self.norm = BatchNorm1d(3)
        self.dropout = Dropout(0.5, generator=self.generator)
        self.weight = Tensor(np.ones(3), requires_grad=True)
        self.running = np.zeros(3)
        self.log: list[str] = []
        self.calls = 0
        self.fails = False

    def forward(self, x: Any) -> Any:
        self.eval().train()
        y = self.dropout(self.norm(x) * self.weight) + self.generator.random()
        np.sum(y).backward(retain_graph=True)
        self.weight.data = self.weight.data + 1
        self.norm.running_mean.data[...] = 7
        self.running += 1
        self.log.append("called")
        self.calls += 1
        if self.fails:
            raise ValueError("failed")
        return y


def everything(model: Eventful) -> Any:
    return (
        {name: (value.numpy(), value.order, value.grad) for name, value in model.named_state()},
        [(name, module.training, sorted(vars(module))) for name, module in model.named_modules()],
        model.generator.bit_generator.state,
        (model.running.tolist(), list(model.log), model.calls),
    )


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("mode", [True, False])
def test_the_model_is_as_it_was(fails: bool, mode: bool) -> None:
    model = Eventful()
    model.fails = fails
    model.train(mode)
    model.norm.training = False
    model.weight.grad = Tensor(np.ones(3))
    before = str(everything(model))
    if fails:
        with pytest.raises(ValueError, match="failed"):
            summary(model, np.ones((4, 3)))
    else:
        summary(model, np.ones((4, 3)))
    assert str(everything(model)) == before
    assert not modes


def test_copies_of_the_parameters_are_freed_without_the_garbage_collector() -> None:
    model = Sequential(linear(500, 500), linear(500, 500))
    x = np.ones((1, 500), np.float32)
    summary(model, x)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        summary(model, x)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    finally:
        gc.enable()
    assert kept < 500 * 500


def test_each_module_runs_in_the_mode_it_is_in() -> None:
    model = Sequential(Dropout(0.5, generator=generator()), Dropout(0.5, generator=generator()))
    model.layers[0].training = False
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    assert [row.activation_bytes for row in summary(model, x).rows] == [192, 0, 192]


def test_a_model_of_other_parameters_is_left_as_it_is() -> None:
    model = mlp(dropout=0.5)
    x = np.ones((2, 784), np.float32)
    given = {name: tensor.data for name, tensor in model.named_parameters()}
    expected = functional_call(model.eval(), given, x).data
    summary(model, x)
    np.testing.assert_array_equal(model(x).data, expected)


def test_threads_do_not_meet() -> None:
    model = mlp()
    x = np.ones((16, 784), np.float32)
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(summary, model, x) if i % 2 else pool.submit(model, x) for i in range(40)]
        results = {str(job.result()) for job in work[1::2]}
    assert len(results) == 1
    assert not modes


def test_it_may_be_called_while_jit_and_debug_are_in_use() -> None:
    inner = jit(lambda x: np.tanh(x @ A))
    model = Apply(lambda self, x: inner(x))
    with debug():
        assert summary(model, np.ones((2, 4))).multiply_adds == 2 * 4 * 5


# ------------------------------------------------------------------------------------------ errors


def test_an_error_says_in_which_module_it_was_raised() -> None:
    model = Sequential(linear(4, 3), Sequential(ReLU(), linear(5, 2)))
    with pytest.raises(ValueError, match=r"takes inputs of shape \(\.\.\., 5\)") as caught:
        summary(model, np.ones((2, 4), np.float32))
    assert caught.value.__notes__[-1] == "in module layers.1.layers.1, a Linear, called with (2, 3)"
    with pytest.raises(TypeError, match="missing 1 required") as missing:
        summary(model)
    assert missing.value.__notes__ == ["in module Sequential, called with nothing"]


def test_an_error_that_the_model_deals_with_is_none() -> None:
    def run(self: Any, x: Any) -> Any:
        try:
            self.wrong(x)
        except ValueError:
            return self.right(x)

    result = summary(Apply(run, wrong=linear(4, 3), right=linear(5, 3)), np.ones((2, 5), np.float32))
    by_path = rows(result)
    assert (by_path["wrong"].calls, by_path["wrong"].outputs) == (1, ())
    assert (result.multiply_adds, by_path["right"].multiply_adds) == (30, 30)


@pytest.mark.parametrize(
    ("given", "words"),
    [(np.tanh, "a ufunc"), (MLP, "the class MLP"), (np.ones(3), "a ndarray"), ([ReLU()], "a list")],
)
def test_what_is_no_module_is_refused(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=f"summary takes a Module.*{words}"):
        summary(given, np.ones(3))


def test_it_is_refused_where_jit_records() -> None:
    with pytest.raises(RuntimeError, match="jit"):
        jit(lambda x: summary(ReLU(), x).multiply_adds * x)(np.ones(3))
