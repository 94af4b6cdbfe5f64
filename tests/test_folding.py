"""What of a graph is shown: modules folded by depth and name, equal blocks drawn once, large graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn import Drawn, age, draw, needs_dot, read, render, variable

from autograd import Tensor, draw_graph
from nn import MLP, Dropout, Linear, Module, ReLU, Sequential, Tanh

X = Tensor(np.ones((5, 4), np.float32), name="x")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


class Block(Module):
    def __init__(self, generator: np.random.Generator, width: int = 4, factor: float = 1.0) -> None:
        self.linear = Linear(width, width, generator=generator)
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return x + np.tanh(self.linear(x)) * self.factor


class Encoder(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.blocks = [Block(generator), Sequential(Linear(4, 4, generator=generator), Tanh())]

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x * 2 + 1


class Network(Module):
    def __init__(self, generator: np.random.Generator) -> None:
        self.encoder = Encoder(generator)
        self.head = Linear(4, 2, generator=generator)

    def forward(self, x: Any) -> Any:
        return self.head(np.sin(self.encoder(x)))


def folded(drawn: Drawn) -> list[str]:
    names = [name for name in drawn.texts if name.endswith("_folded")]
    return [drawn.texts[name][0] for name in sorted(names, key=age)]


def boxes(drawn: Drawn) -> list[str]:
    return [names[-1] for names in drawn.all_boxes]


# ---------------------------------------------------------------------------------------------- depth


def test_depth(generator: np.random.Generator) -> None:
    model = Network(generator)
    drawn = read(draw_graph(model, X, depth=0))
    assert drawn.titles() == ["x", "Network"]
    drawn = read(draw_graph(model, X, depth=1))
    assert drawn.titles() == ["x", "Encoder", "Linear", "sin"]
    assert boxes(drawn) == ["Network  50 parameters"]
    drawn = read(draw_graph(model, X, depth=2))
    assert folded(drawn) == ["Block", "Sequential"]
    assert boxes(drawn)[:2] == ["Network  50 parameters", "encoder  Encoder  40 parameters"]
    assert folded(read(draw_graph(model, X, depth=3))) == ["Linear", "Linear", "Tanh"]
    assert draw_graph(model, X, depth=4).source == draw_graph(model, X).source


def test_a_folded_module_says_what_it_is(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(Network(generator), X, depth=1))
    assert drawn.lines("Encoder")[:2] == ["encoder", "40 parameters"]
    assert drawn.lines("Encoder")[-2].endswith("(5, 4) float32")
    assert drawn.lines("Encoder")[-1].startswith("rms ")
    assert drawn.lines("Linear")[:2] == ["head", "10 parameters"]
    assert drawn.tooltip("Encoder") == ["encoder: Encoder", "8 ops", "40 parameters", "results: 640 B"]


def test_a_folded_module_has_one_arrow_for_each_neighbour(generator: np.random.Generator) -> None:
    class Thrice(Module):
        def forward(self, x: Any) -> Any:
            return x + np.sin(x) * x, np.cos(x)

    module = Thrice()
    drawn = read(draw_graph(lambda x: np.multiply(*module(x)), variable(np.ones(3), "x"), depth=0))
    assert drawn.uses() == [("x", "Thrice"), ("Thrice", "multiply")]
    assert drawn.lines("Thrice")[-4:] == ["(3,)", "[1.841, 1.841, 1.841]", "(3,)", "[0.5403, 0.5403, 0.5403]"]


def test_a_folded_module_whose_gradients_are_known(generator: np.random.Generator) -> None:
    loss = Linear(4, 1, generator=generator)(X).sum()
    loss.backward(retain_graph=True)
    assert "grad rms 1" in read(draw_graph(loss, depth=0)).lines("Linear")[-1]


# ------------------------------------------------------------------------------------------- collapse


@pytest.mark.parametrize(
    "collapse, titles",
    [
        ("Linear", ["Linear", "Linear", "Linear"]),
        ("Block", ["Block"]),
        (["Block", "Sequential"], ["Block", "Sequential"]),
        (("encoder",), ["Encoder"]),
        ({"encoder.blocks.0"}, ["Block"]),
        ("blocks.0", ["Block"]),
        ("encoder.blocks.0.linear", ["Linear"]),
        ("Network", ["Network"]),
        (Linear, ["Linear", "Linear", "Linear"]),
        ([Block, "head"], ["Block", "Linear"]),
        (lambda module: isinstance(module, (Linear, Tanh)), ["Linear", "Linear", "Linear", "Tanh"]),
        (lambda module: len(module.parameters()) > 4, ["Network"]),
        ((), []),
        (lambda module: None, []),
    ],
)
def test_collapse(collapse: Any, titles: list[str], generator: np.random.Generator) -> None:
    drawn = read(draw_graph(Network(generator), X, collapse=collapse))
    assert folded(drawn) == titles


def test_collapse_and_depth_together(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(Network(generator), X, collapse="head", depth=2))
    assert folded(drawn) == ["Block", "Sequential", "Linear"]


@pytest.mark.parametrize("collapse, name", [("Conv", "'Conv'"), (["Linear", "", "decoder"], "'', 'decoder'")])
def test_unknown_names_raise_with_what_there_is(
    collapse: Any, name: str, generator: np.random.Generator
) -> None:
    with pytest.raises(ValueError) as caught:
        draw_graph(Network(generator), X, collapse=collapse)
    assert str(caught.value).startswith(f"collapse names no module of this graph: {name}; there are ")
    for known in ("Block", "Linear", "encoder.blocks.0", "encoder.blocks.0.linear", "head"):
        assert known in str(caught.value)


def test_names_where_there_are_no_modules() -> None:
    with pytest.raises(ValueError, match=r"no module of this graph: 'Linear'; there are none"):
        draw_graph(variable(1.0) * 2, collapse="Linear")


def test_an_error_of_the_function_comes_through(generator: np.random.Generator) -> None:
    with pytest.raises(ZeroDivisionError):
        draw_graph(Network(generator), X, collapse=lambda module: 1 / 0)


def test_what_computes_gradients_folds_with_its_module(generator: np.random.Generator) -> None:
    model = Network(generator)
    drawn = read(draw_graph(model, X, collapse="head", backward=True))
    assert folded(drawn) == ["Linear", "gradient of Linear"]
    drawn = read(draw_graph(model, X, depth=1, backward=True))
    assert sorted(folded(drawn)) == ["Encoder", "Linear", "gradient of Encoder", "gradient of Linear"]


# ---------------------------------------------------------------------------------------- equal blocks


def block_sequence(count: int, generator: np.random.Generator) -> Sequential:
    return Sequential(*[Block(generator) for _ in range(count)])


def test_a_module_that_is_called_in_a_row_has_its_path_once(generator: np.random.Generator) -> None:
    class Recurrent(Module):
        def __init__(self) -> None:
            self.cell = Block(generator)

        def forward(self, x: Any) -> Any:
            for _ in range(5):
                x = self.cell(x)
            return x

    drawn = read(draw_graph(Recurrent(), X))
    assert boxes(drawn)[:2] == ["Recurrent  20 parameters", "cell  Block × 5  20 parameters"]


def test_equal_blocks_in_a_row_are_drawn_once(generator: np.random.Generator) -> None:
    model = block_sequence(12, generator)
    y = model(X)
    drawn = read(draw_graph(y))
    assert boxes(drawn)[:2] == [
        "Sequential  240 parameters",
        "layers.0 to layers.11  Block × 12  20 parameters",
    ]
    assert drawn.titles() == ["x", "weight", "bias", "linear", "tanh", "multiply(·, 1)", "add"]
    assert drawn.below == []
    assert len(draw(y).named("linear")) == 12


def test_the_arrow_from_one_repetition_to_the_next_is_dashed(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(block_sequence(12, generator), X))
    again = (drawn.node("add"), drawn.node("linear"))
    assert "style=dashed" in drawn.styles[again]
    assert "constraint=false" in drawn.styles[again]
    others = {edge: style for edge, style in drawn.styles.items() if edge[0] != again[0]}
    assert len(others) == len(drawn.edges) - 1
    assert not any("dashed" in style for style in others.values())


def test_the_output_of_blocks_that_are_drawn_once_is_an_output(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(block_sequence(12, generator), X))
    assert drawn.outputs() == [drawn.node("add")]


@pytest.mark.parametrize("count, repeats", [(2, False), (3, True)])
def test_blocks_repeat_from_three_on(count: int, repeats: bool, generator: np.random.Generator) -> None:
    drawn = read(draw_graph(block_sequence(count, generator), X))
    assert any(f"× {count}" in box for box in boxes(drawn)) is repeats
    assert len(drawn.named("linear")) == (1 if repeats else count)


def test_blocks_of_several_modules_repeat(generator: np.random.Generator) -> None:
    layers = [
        layer
        for _ in range(5)
        for layer in (Linear(4, 4, generator=generator), Block(generator), Dropout(0.5, generator=generator))
    ]
    drawn = read(draw_graph(Sequential(*layers), X))
    assert "× 5" in boxes(drawn)
    assert len(drawn.named("dropout_mask")) == 1
    assert len(drawn.named("linear")) == 2


def test_generators_of_their_own_do_not_tell_blocks_apart() -> None:
    def block(seed: int) -> Sequential:
        generator = np.random.default_rng(seed)
        return Sequential(Linear(4, 4, generator=generator), Dropout(0.5, generator=generator))

    drawn = read(draw_graph(Sequential(*[block(seed) for seed in range(6)]), X))
    assert "layers.0 to layers.5  Sequential × 6  20 parameters" in boxes(drawn)


def test_nested_repeats(generator: np.random.Generator) -> None:
    model = Sequential(*[block_sequence(4, generator) for _ in range(5)])
    drawn = read(draw_graph(model, X))
    assert boxes(drawn) == [
        "Sequential  400 parameters",
        "layers.0 to layers.4  Sequential × 5  80 parameters",
        "layers.0 to layers.3  Block × 4  20 parameters",
        "linear  Linear  20 parameters",
    ]
    assert len(drawn.named("linear")) == 1
    assert drawn.outputs() == [drawn.node("add")]


def test_a_module_that_is_called_again_and_again(generator: np.random.Generator) -> None:
    block = Block(generator)

    def unrolled(x: Any) -> Any:
        for _ in range(10):
            x = block(x)
        return x

    drawn = read(draw_graph(unrolled, X))
    assert boxes(drawn) == ["Block × 10  20 parameters"]
    assert drawn.boxes[drawn.node("weight")] == ()


def test_blocks_that_take_something_of_their_own(generator: np.random.Generator) -> None:
    class Cell(Module):
        def forward(self, state: Any, x: Any) -> Any:
            return np.tanh(state * 0.5 + x)

    cell = Cell()
    state = variable(np.zeros(4), "state")
    inputs = [variable(np.ones(4), f"x{i}") for i in range(8)]
    for x in inputs:
        state = cell(state, x)
    drawn = read(draw_graph(state))
    assert boxes(drawn) == ["Cell × 8"]
    assert sorted(drawn.titles()) == sorted(["state", "x0", "multiply(·, 0.5)", "add", "tanh"])


def different(change: Callable[[int, list[Module]], None]) -> Callable[..., list[Module]]:
    def blocks(generator: np.random.Generator) -> list[Module]:
        found: list[Module] = [Block(generator) for _ in range(6)]
        change(2, found)
        return found

    return blocks


def scaled(place: int, blocks: list[Any]) -> None:
    blocks[place].factor = 0.5


def scaled_by_an_array_scalar(place: int, blocks: list[Any]) -> None:
    for block in blocks:
        block.factor = np.float32(1)
    blocks[place].factor = np.float32(0.5)


def frozen(place: int, blocks: list[Any]) -> None:
    for parameter in blocks[place].parameters():
        parameter.requires_grad = False


def of_another_dtype(place: int, blocks: list[Any]) -> None:
    blocks[place].linear.bias = variable(np.zeros(4), "bias")


def of_another_class(place: int, blocks: list[Any]) -> None:
    class Other(Block):
        pass

    blocks[place].__class__ = Other


@pytest.mark.parametrize(
    "change", [scaled, scaled_by_an_array_scalar, frozen, of_another_dtype, of_another_class]
)
def test_a_block_that_is_different_is_drawn_by_itself(change: Any, generator: np.random.Generator) -> None:
    drawn = read(draw_graph(Sequential(*different(change)(generator)), Tensor(np.ones((5, 4)), name="x")))
    assert len(drawn.named("linear")) == 4  # two before it, itself, and three that are equal
    assert "layers.3 to layers.5  Block × 3  20 parameters" in boxes(drawn)


def test_layers_of_different_widths_do_not_repeat(generator: np.random.Generator) -> None:
    widths = (4, 5, 6, 7, 8, 9)
    drawn = read(draw_graph(MLP(widths, generator=generator), X))
    assert not any("×" in box for box in boxes(drawn))
    assert len(drawn.named("weight")) == 5


def test_blocks_that_are_wired_differently_do_not_repeat(generator: np.random.Generator) -> None:
    blocks = [Block(generator) for _ in range(6)]
    first = blocks[0](X)
    all_from_one = [block(first) for block in blocks[1:]]
    crossed = sum(all_from_one[1:], all_from_one[0])
    drawn = read(draw_graph(crossed))
    assert len(drawn.named("linear")) == 2  # the first, and five beside one another


def test_blocks_that_reach_further_back_repeat_in_pairs(generator: np.random.Generator) -> None:
    states = [X, X]
    for block in [Block(generator) for _ in range(8)]:
        states.append(block(states[-2]) + states[-1])
    drawn = read(draw_graph(states[-1]))
    assert boxes(drawn)[0] == "× 4"
    assert len(drawn.named("linear")) == 2


def test_a_row_goes_on_after_a_block_with_another_input(generator: np.random.Generator) -> None:
    y: Any = X
    blocks = [Block(generator) for _ in range(9)]
    for number, block in enumerate(blocks):
        y = block(X if number == 4 else y)
    z = draw_graph(y)
    assert [box for box in boxes(read(z)) if "×" in box] == ["Block × 5  20 parameters"]


def test_blocks_with_more_to_them_than_an_op_and_small_ones(generator: np.random.Generator) -> None:
    drawn = read(draw_graph(Sequential(*[ReLU() for _ in range(5)]), variable(np.ones(3), "x")))
    assert len(drawn.named("relu")) == 5


def test_gradients_of_equal_blocks_are_drawn_once_too(generator: np.random.Generator) -> None:
    model = Sequential(Linear(4, 4, generator=generator), *[Block(generator) for _ in range(12)])
    drawn = read(draw_graph(model, X, backward=True))
    names = boxes(drawn)
    assert "layers.1 to layers.12  Block × 12  20 parameters" in names
    # That of the first gets its input from elsewhere.
    assert {"layers.12 to layers.2  gradient of Block × 11", "layers.1  gradient of Block"} <= set(names)
    assert len(drawn.texts) < 40
    everything = read(draw_graph(model, X, backward=True, max_nodes=None))
    assert len(everything.texts) > 150


def test_equal_blocks_without_modules_are_left_as_they_are_in_small_graphs() -> None:
    y = variable(1.0)
    for _ in range(20):
        y = np.sin(y)
    assert len(read(draw_graph(y)).named("sin")) == 20


# ---------------------------------------------------------------------------------------- large graphs


def loop(repetitions: int, different: int = -1) -> Tensor:
    hidden, weight = variable(np.ones(3), "hidden"), variable(np.full((3, 3), 0.1), "weight")
    for i in range(repetitions):
        y = np.tanh(weight @ hidden) * 2.0
        y = np.sin(y) + hidden
        hidden = np.exp(-y) / (4.0 if i == different else 3.0)
    return hidden


def caption(drawn: Drawn) -> str:
    (text,) = drawn.below
    return text


def test_a_loop_of_a_large_graph_is_drawn_once() -> None:
    drawn = read(draw_graph(loop(200)))
    ops = ["matmul", "tanh", "multiply(·, 2)", "sin", "add", "negative", "exp", "divide(·, 3)"]
    assert drawn.titles() == ["hidden", "weight", *ops]
    assert boxes(drawn) == ["× 200"]
    assert caption(drawn) == "1,602 nodes, folded to 10; max_nodes=None draws them all"
    assert drawn.outputs() == [drawn.node("divide(·, 3)")]


def test_a_loop_with_another_number_in_one_round() -> None:
    drawn = read(draw_graph(loop(200, different=120)))
    assert len(drawn.named("divide(·, 4)")) == 1
    assert {"× 120", "× 79"} <= set(boxes(drawn))


def test_small_and_complete_pictures_have_no_caption() -> None:
    assert read(draw_graph(loop(30))).below == []
    assert read(draw_graph(loop(50), max_nodes=None)).below == []
    assert len(draw(loop(50)).texts) == 402


def test_max_nodes_is_an_option(generator: np.random.Generator) -> None:
    y = loop(10)
    assert len(read(draw_graph(y, max_nodes=82)).texts) == 82
    assert len(read(draw_graph(y, max_nodes=81)).texts) == 10


def test_modules_fold_before_ops_are_left_out(generator: np.random.Generator) -> None:
    class Irregular(Module):
        def __init__(self, part: Module | None, seed: int) -> None:
            self.part, self.seed = part, seed

        def forward(self, x: Any) -> Any:
            for kind in np.random.default_rng(self.seed).integers(0, 3, 50):
                x = (np.sin, np.cos, np.tanh)[kind](x)
            return self.part(x) if self.part is not None else x

    model = Irregular(Irregular(Irregular(Irregular(None, 4), 3), 2), 1)
    y = model(variable(np.ones(2), "x"))
    drawn = read(draw_graph(y, max_nodes=120))
    assert folded(drawn) == ["Irregular"]
    assert drawn.boxes[drawn.node("Irregular")] == (
        "Irregular",
        "part  Irregular",
        "part  Irregular",
    )
    assert caption(drawn) == "201 nodes, folded to 110; max_nodes=None draws them all"


def random_ops(count: int, width: int = 3) -> list[Tensor]:
    generator = np.random.default_rng(0)
    tensors = [variable(1.0) for _ in range(width)]
    for kind in generator.integers(0, 3, count):
        a, b = generator.integers(0, len(tensors), 2)
        tensors.append((np.minimum, np.multiply, np.maximum)[kind](tensors[a], tensors[b]))
    return tensors


def test_the_oldest_of_a_graph_without_repetitions_is_left_out() -> None:
    y = variable(0.5, "x")
    for kind in np.random.default_rng(0).integers(0, 3, 2000):
        y = (np.sin, np.cos, np.tanh)[kind](y)
    drawn = read(draw_graph(y))
    assert 290 <= len(drawn.texts) <= 300
    assert any(lines[0].endswith(" earlier ops") for lines in drawn.texts.values())
    assert len(drawn.outputs()) == 1
    assert caption(drawn).startswith("2,001 nodes, folded to ")


def test_a_module_of_very_many_ops() -> None:
    class Large(Module):
        def forward(self, x: Any) -> Any:
            for kind in np.random.default_rng(0).integers(0, 3, 5000):
                x = (np.sin, np.cos, np.tanh)[kind](x)
            return x

    drawn = read(draw_graph(Large(), variable(np.ones(2), "x")))
    assert drawn.titles() == ["x", "Large"]
    assert "5,000 ops" in drawn.tooltip("Large")


def test_an_op_of_very_many_leaves() -> None:
    leaves = [variable(float(i), f"x{i}") for i in range(4000)]
    drawn = read(draw_graph(np.stack(leaves) * 2))
    assert drawn.titles() == ["4,000 inputs", "stack", "multiply(·, 2)"]
    assert drawn.uses() == [("4,000 inputs", "stack"), ("stack", "multiply(·, 2)")]
    shared = read(draw_graph(np.stack(leaves) * leaves[7], leaves[9]))
    assert sorted(shared.titles()) == ["3,998 inputs", "multiply", "stack", "x7", "x9"]


def test_outputs_are_never_left_out_of_a_picture_of_many() -> None:
    drawn = read(draw_graph([variable(1.0, f"x{i}") for i in range(400)]))
    assert len(drawn.texts) == 400
    assert drawn.below == []  # nothing was folded, so the picture does not say so


@pytest.mark.parametrize("max_nodes", [1, 2, 3, 10])
def test_very_small_pictures(max_nodes: int, generator: np.random.Generator) -> None:
    for y in (loop(3), np.stack([variable(1.0) for _ in range(30)]), Network(generator)(X), variable(1.0)):
        assert read(draw_graph(y, max_nodes=max_nodes)).texts


def test_large_graphs_of_every_shape_take_seconds() -> None:
    """Whatever took time quadratic in the number of ops would take minutes."""
    chain = variable(0.0, "x")
    for _ in range(100_000):
        chain = chain + 1.0
    assert read(draw_graph(chain)).titles() == ["x", "add(·, 1)"]
    assert len(read(draw_graph(random_ops(100_000)[-100:])).texts) <= 300
    shared = y = variable(1.0, "x")
    for kind in np.random.default_rng(0).integers(0, 3, 50_000):
        y = (np.minimum, np.multiply, np.maximum)[kind](y, shared)
    assert len(read(draw_graph(y)).texts) <= 300
    y = variable(1.0, "x")
    for kind in np.random.default_rng(0).integers(0, 3, 30_000):
        y = (np.minimum, np.multiply, np.maximum)[kind](y, variable(1.0))
    assert len(read(draw_graph(y)).texts) <= 300
    many = np.stack([variable(1.0) for _ in range(50_000)])
    assert read(draw_graph(many)).titles() == ["50,000 inputs", "stack"]


def test_very_many_modules_take_seconds(generator: np.random.Generator) -> None:
    model = Sequential(*[Linear(4, 4, generator=generator) for _ in range(4000)])
    y = model(X)
    assert len(read(draw_graph(y)).named("linear")) == 1
    drawn = read(draw_graph(y, depth=1, max_nodes=None))
    assert len(drawn.named("Linear")) == 4000
    assert drawn.texts[drawn.named("Linear")[-1]][1] == "layers.3999"


# ---------------------------------------------------------------------------------------- hostile


def test_modules_that_keep_themselves() -> None:
    class Loop(Module):
        def forward(self, x: Any) -> Any:
            return np.sin(np.exp(x))

    class Outer(Module):
        def __init__(self) -> None:
            self.part = Loop()
            self.history: list[Any] = []
            self.history.append(self.history)

        def forward(self, x: Any) -> Any:
            return self.part(x) * 2

    drawn = read(draw_graph(Outer(), variable(1.0)))
    assert boxes(drawn) == ["Outer", "part  Loop"]


def test_a_part_of_two_names_has_the_first_as_in_named_modules(generator: np.random.Generator) -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.first = Block(generator)
            self.second = self.first

        def forward(self, x: Any) -> Any:
            return self.second(x) * 2

    assert "first  Block  20 parameters" in boxes(read(draw_graph(Tied(), X)))


@needs_dot
@pytest.mark.parametrize("options", [{}, {"depth": 1}, {"backward": True}, {"direction": "LR"}])
def test_folded_pictures_render(options: Any, generator: np.random.Generator) -> None:
    model = Sequential(*[block_sequence(4, generator) for _ in range(5)])
    texts = render(draw_graph(model, X, **options))
    assert any("× 5" in text for text in texts)


@needs_dot
def test_large_pictures_render() -> None:
    assert any("folded to 10" in text for text in render(draw_graph(loop(200))))
    stack = np.stack([variable(1.0) for _ in range(4000)])
    assert "4,000 inputs" in render(draw_graph(stack))
