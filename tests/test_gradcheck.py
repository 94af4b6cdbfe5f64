"""The check of gradients: it passes what is right, and says what is wrong with the rest."""

import gc
import re
from typing import Any, NamedTuple

import numpy as np
import pytest

import nn
from autograd import (
    GradcheckError,
    GradcheckReport,
    Tensor,
    checkpoint,
    debug,
    gradcheck,
    jit,
    no_grad,
    primitive,
)
from autograd.ops import elementwise, linear_algebra, reductions, shaping
from autograd.recording import modes
from nn import functional as F

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def op(rule: Any, name: str = "suspect") -> Any:
    return primitive(lambda x: x**3, rule, name=name)


# The gradient of a third: everywhere wrong where x is not 0.
wrong = op(lambda g, y, x: g * x**2)


def verdict(f: Any, *inputs: Any, **options: Any) -> str:
    """Return the verdict on f; "right" if it passes."""
    try:
        report = gradcheck(f, *inputs, **options)
    except GradcheckError as error:
        assert str(error).startswith(f"{error.verdict}: ")
        return error.verdict
    return report.verdict


def message(f: Any, *inputs: Any, **options: Any) -> str:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, *inputs, **options)
    return str(caught.value)


# -------------------------------------------------------------------------------------------- right


def test_right_gradients_pass() -> None:
    assert gradcheck(np.sin, X)
    assert gradcheck(np.sin, X, order=4)
    assert gradcheck(lambda a, b: np.tanh(a @ b), X, X.T, order=2)
    assert gradcheck(lambda x: np.exp(x), 1.5)
    assert gradcheck(lambda: np.ones(3))
    assert gradcheck(lambda x: x * x, np.zeros((0, 3)), order=2)


def test_the_report_says_what_was_checked() -> None:
    report = gradcheck(np.sin, X)
    assert isinstance(report, GradcheckReport)
    assert (report.verdict, report.order, report.mode, report.compared) == ("right", 1, "elements", 6)
    assert repr(report) == "right: 1 order, 6 derivatives by single elements"
    # six elements; then these and six weights of the output
    assert repr(gradcheck(np.sin, X, order=2)) == "right: 2 orders, 18 derivatives by single elements"
    assert repr(gradcheck(np.sin, 1.0)) == "right: 1 order, 1 derivative by single elements"
    with pytest.raises(AttributeError):
        report.order = 2  # type: ignore[misc]


def test_outputs_of_any_structure() -> None:
    assert gradcheck(lambda x: {"sum": x.sum(), "all": [x, (x * x,)]}, X)
    assert gradcheck(lambda x: (3.0, {"square": x * x}), X, order=2)
    assert gradcheck(lambda x: (x * x, x.data > 0, 3), X)
    assert verdict(lambda x: (x * x, {"b": wrong(x)}), X) == "wrong"


# -------------------------------------------------------------------------------------------- wrong


@pytest.mark.parametrize(
    ("rule", "ours"),
    [
        (lambda g, y, x: g * 2 * x**2, "a factor"),
        (lambda g, y, x: -g * 3 * x**2, "the sign"),
        (lambda g, y, x: g * 3 * x**2 * (1 + 1e-4), "a little"),
        (lambda g, y, x: g * 3 * x**2 + 1e-4, "an offset"),
        (lambda g, y, x: np.broadcast_to(g.sum(), g.shape) * 3 * x**2, "broadcasting"),
        (lambda g, y, x: g * 3 * x * x[..., ::-1], "the order"),
        (lambda g, y, x: np.where(x > 1.9, 0, g * 3 * x**2), "one element"),
        (lambda g, y, x: np.zeros(3) * g, "nothing"),
        (lambda g, y, x: g * np.nan, "nan"),
        (lambda g, y, x: g * np.inf, "inf"),
        (None, "no rule"),
    ],
)
def test_wrong_rules_are_found_and_named(rule: Any, ours: str) -> None:
    pattern = (
        r"wrong: derivative 1 by argument 0 \('x'\) at \d of 6 elements, since the rule of suspect is off\n"
    )
    assert re.match(pattern, message(lambda x: op(rule)(x), X))
    assert "suspect is off" in message(lambda x: np.sin(op(rule)(x * 1.0)), X)


def test_the_error_says_everything() -> None:
    rule = op(lambda g, y, x: np.where(x == np.exp(2.0), 0.5, 1.0) * (g * 3 * x**2))
    lines = message(lambda a, x: a + rule(np.exp(x)).sum(), 1.0, X).splitlines()
    assert lines[0] == (
        "wrong: derivative 1 by argument 1 ('x') at 1 of 7 elements, since the rule of suspect is off"
    )
    assert lines[1].split() == ["at", "analytic", "numeric", "relative", "error"]
    row = r"  argument 1 \('x'\)  \(0, 2\)  (.*)"
    analytic, numeric, relative = map(float, re.fullmatch(row, lines[2])[1].split())
    assert numeric == pytest.approx(2 * analytic) and relative == pytest.approx(0.5)
    assert lines[3:5] == ["op: suspect of (2, 3) float64", "path: exp -> suspect -> sum -> add"]
    own = r"rule: by itself, its derivative 1 by input 0 at \(0, 2\) is (\S+), differences give (\S+)"
    analytic, numeric = map(float, re.fullmatch(own, lines[5]).groups())
    assert numeric == pytest.approx(2 * analytic)
    assert len(lines) == 6


def test_the_table_lists_the_worst_five() -> None:
    rule = op(lambda g, y, x: g * 3 * x**2 * np.linspace(0.9, 0.2, 8))
    lines = message(lambda x: rule(x), np.ones(8)).splitlines()
    assert lines[0].startswith("wrong: derivative 1 by argument 0 ('x') at 8 of 8 elements")
    assert [line.split("(")[2][0] for line in lines[2:7]] == list("76543")
    assert lines[7] == "  ... and 3 more"


def test_the_error_reads_well_under_pytest() -> None:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, X)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.__context__ is None
    shown = [entry.name for entry in caught.traceback.filter(caught)]
    assert shown == ["test_the_error_reads_well_under_pytest"]


def test_a_wrong_op_deep_in_a_graph_is_the_one_that_is_named() -> None:
    right = op(lambda g, y, x: g * 3 * x**2, "right")
    deep = op(lambda g, y, x: g * 3.03 * x**2, "deep")

    def f(x: Any) -> Any:
        for i in range(30):
            x = np.sin(deep(x) if i == 17 else right(x)) + x
        return x.sum()

    lines = message(f, np.array([0.5, 0.7])).splitlines()
    assert lines[0].endswith("since the rule of deep is off")
    path = "path: ... -> add -> right -> sin -> add -> deep -> sin -> add -> right -> sin -> ..."
    assert [line for line in lines if line.startswith("path: ")] == [path]


def test_the_first_of_two_wrong_ops_is_named() -> None:
    other = op(lambda g, y, x: -g, "other")
    assert "since the rule of suspect is off" in message(lambda x: other(np.sin(wrong(x))), X)
    assert "since the rule of other is off" in message(lambda x: wrong(np.sin(other(x))), X)


def test_a_wrong_rule_of_one_input_is_named_by_its_number() -> None:
    add = primitive(
        lambda a, b: a + b,
        lambda g, y, a, b: g,
        lambda g, y, a, b: np.broadcast_to(g.mean(axis=0), b.shape),
        name="plus",
    )
    text = message(lambda a, b: add(a, b), X, X[0])
    assert text.startswith(
        "wrong: derivative 1 by argument 1 ('b') at 3 of 9 elements, since the rule of plus"
    )
    assert "op: plus of (2, 3) float64, (3,) float64\n" in text
    assert "its derivative 1 by input 1 at " in text


def test_a_rule_that_is_off_by_less_than_the_tolerance_is_found_where_that_is_multiplied() -> None:
    saturated = primitive(lambda x: np.tanh(x), lambda g, y, x: g * 1.1 * (1 - y * y), name="saturated")
    assert gradcheck(lambda x: saturated(x), np.array([10.0]))
    assert "since the rule of saturated is off" in message(lambda x: 1e8 * saturated(x), np.array([10.0]))


@pytest.mark.parametrize(
    ("function", "name", "number", "change"),
    [
        (elementwise.divide, "divide", 1, lambda gradient, g: -gradient),
        (elementwise.power, "power", 0, lambda gradient, g: 1.001 * gradient),
        (elementwise.maximum, "maximum", 1, lambda gradient, g: g),
        (linear_algebra.matmul, "matmul", 0, lambda gradient, g: gradient[::-1]),
        (linear_algebra.matmul, "matmul", 1, lambda gradient, g: gradient + 0.01),
        (reductions.sum, "sum", 0, lambda gradient, g: 0.5 * gradient),
        (shaping.transpose, "transpose", 0, lambda gradient, g: g.reshape(gradient.shape)),
        (F._ACTIVATED["sigmoid"], "linear_sigmoid", 0, lambda gradient, g: 2 * gradient),
    ],
    ids=lambda value: value if type(value) is str else "",
)
def test_mutants_of_our_own_rules_are_named(
    function: Any, name: str, number: int, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def f(a: Any, b: Any) -> Any:
        product = np.maximum(a / (b * b + 1.0), a**3) @ np.transpose(b)
        return np.sum(np.tanh(F.linear(product, np.ones((2, 3)), np.ones(3), "sigmoid")), axis=0)

    inputs = X[:, [1, 0, 2]], X + 0.1
    assert gradcheck(f, *inputs)
    rules = list(function.op.rules)
    rules[number] = lambda g, *rest, rule=rules[number], **params: change(rule(g, *rest, **params), g)
    monkeypatch.setattr(function.op, "rules", tuple(rules))
    assert f"since the rule of {name} is off" in message(f, *inputs)


# ------------------------------------------------------------------------------- wrong between the ops


def test_a_value_that_leaves_the_graph_is_named() -> None:
    lines = message(lambda x, y: np.sin(x.detach()) * y, X, 2.0).splitlines()
    assert lines[0].startswith(
        "wrong: derivative 1 by argument 0 ('x') at 6 of 7 elements, while every rule is"
    )
    assert lines[-2] == "cut: the output was computed from argument 0 ('x') outside of the graph"
    assert lines[-1].startswith("help: look for detach(), .data")


def test_a_constant_that_changes_with_the_arguments_is_named() -> None:
    lines = message(lambda x: np.sin(x) * x.data, X).splitlines()
    assert lines[0].endswith("while every rule is right by itself")
    assert lines[-2] == (
        "cut: input 1 of multiply of (2, 3) float64, (2, 3) float64 changes with the arguments, "
        "and is a constant of the graph"
    )


def test_a_function_that_computes_something_else_when_recorded_is_wrong() -> None:
    lines = message(lambda x: x * (2.0 if x.requires_grad else 3.0), X).splitlines()
    assert lines[0].endswith("at 6 of 6 elements, while every rule is right by itself")
    assert lines[-1].startswith("help: look for detach(), .data")


# -------------------------------------------------------------------------------------- higher orders


def test_the_second_order_is_checked_on_request() -> None:
    detached = op(lambda g, y, x: g * 3 * (x.detach().data if type(x) is Tensor else x) ** 2)
    assert gradcheck(lambda x: np.sin(detached(x)), X)
    text = message(lambda x: np.sin(detached(x)), X, order=2)
    assert text.startswith(
        "wrong: derivative 2 by argument 0 ('x') at 6 of 12 elements, since the rule of suspect"
    )
    assert "rule: by itself, its derivative 2 by input 0 at (" in text
    halved = op(lambda g, y, x: (g.detach() * 0.5 + g * 0.5 if type(g) is Tensor else g) * 3 * x**2)
    text = message(lambda x: halved(x), X, order=2)
    assert text.startswith("wrong: derivative 2 by cotangent0 at 6 of 12 elements, since the rule of suspect")


def test_a_wrong_op_within_a_right_rule_is_named() -> None:
    other = op(lambda g, y, x: g, "other")
    cube = primitive(lambda x: x**4, lambda g, y, x: 4 * g * other(x), name="fourth")
    assert gradcheck(lambda x: np.sin(cube(x)), X)
    assert "since the rule of other is off" in message(lambda x: np.sin(cube(x)), X, order=2)


# --------------------------------------------------------------------------------------------- kinks


def test_a_kink_is_no_wrong_gradient() -> None:
    x = np.array([1.0, 0.0, -2.0])
    lines = message(lambda x: np.sum(F.relu(np.sin(x))), x).splitlines()
    assert lines[0] == (
        "kink: derivative 1 by argument 0 ('x') at 1 of 3 elements: the one-sided differences disagree"
    )
    assert lines[1].split() == ["at", "analytic", "left", "right"]
    analytic, left, right = map(float, lines[2].split(")  ")[-1].split())
    assert (analytic, left) == (0, 0) and right > 0.5
    assert lines[3] == "op: relu of (3,) float64 is at a kink"
    assert lines[4].startswith("help: move the inputs away from the kink")


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (F.relu, 0.0),
        (F.relu, 1e-7),
        (F.relu, -6e-7),
        (lambda x: np.clip(x, 1.0, 2.0), 1.0),
        (lambda x: np.where(x > 0, 2 * x + 1, x), 0.0),
        (lambda x: np.sqrt(np.abs(x) + x), 0.0),
        (lambda x: np.sqrt(x), 0.0),
        (lambda x: np.abs(x) * x + F.relu(x), 0.0),
        (np.sign, 0.0),
        (lambda x: np.sign(x) * np.sqrt(np.abs(x)), 0.0),
    ],
)
def test_kinks_jumps_and_ends_of_the_domain(f: Any, x: float) -> None:
    with np.errstate(all="ignore"):
        assert verdict(f, x) == "kink"
        assert verdict(f, x + 0.1) == "right"
        assert verdict(lambda x, y: f(x) * y, np.array([2.5, x]), X[:, :1] + 2.0) == "kink"


def test_a_jump_is_told_in_its_own_words() -> None:
    lines = message(np.sign, np.array([0.0, 1.0])).splitlines()
    assert lines[0].startswith("kink") and lines[0].endswith(": the differences grow as the step shrinks")
    assert lines[3] == "op: sign of (2,) float64 is at a kink"


def test_a_convention_that_central_differences_share_passes() -> None:
    assert gradcheck(np.abs, 0.0)
    assert gradcheck(lambda x: np.maximum(x, 0), 0.0)
    assert gradcheck(np.max, np.ones(2))


def test_a_gradient_beyond_both_sides_of_a_kink_is_wrong() -> None:
    rule = primitive(
        lambda x: np.maximum(x, 0), lambda g, y, x: g * np.where(x == 0, 2.0, x > 0), name="relu2"
    )
    assert "since the rule of relu2 is off" in message(rule, np.array([0.0, 1.0]))


def test_a_wrong_gradient_elsewhere_is_told_before_a_kink() -> None:
    text = message(lambda x: F.relu(x) + wrong(x + 1.0), np.array([0.0, 2.0]))
    assert text.startswith("wrong") and "since the rule of suspect is off" in text


# --------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x * x) + 1e10,
        lambda x: x.astype(np.float32) ** 2,
        lambda x: np.sin(1e6 * x),
        lambda x: (x * x + 1e8) - 1e8,
        lambda x: x + 1e7,
    ],
)
def test_what_the_step_cannot_resolve_is_decided_by_taylor(f: Any) -> None:
    x = np.array([1.0, 0.5, 2.0])
    report = gradcheck(f, x)
    assert re.search(
        r"; the step could not resolve [123], and Taylor's test decided: (order 2\.\d|no remainder)$",
        repr(report),
    )
    assert verdict(lambda x: f(wrong(x)), x) == "wrong"


def test_a_step_that_is_too_coarse_is_decided_by_taylor_too() -> None:
    steep = primitive(lambda x: 1 / x, lambda g, y, x: -1.01 * g * y * y, name="steep")
    x = np.array([1e-5])
    assert gradcheck(lambda x: 1 / x, x, order=2).notes[0].endswith("Taylor's test decided: order 2.0")
    assert "since the rule of steep is off" in message(steep, x)


def test_taylors_order_is_told_where_it_decides() -> None:
    scaled = primitive(lambda x: x * 1.0, lambda g, y, x: g * 1.1, name="scaled")
    lines = message(lambda x: np.sum(scaled(x) ** 2) + 1e10, np.array([1.0, 0.5, 2.0])).splitlines()
    assert "since the rule of scaled is off" in lines[0]
    assert "taylor: the remainder is of order 1.0, and 2 if right" in lines


def test_what_taylor_cannot_decide_either_is_noisy() -> None:
    text = message(lambda x: (x + 1e10) - 1e10, np.array([1.0, 0.5]))
    assert re.match("noisy: derivative 1 by argument 0 .*: steps of 1e-06 do not resolve f", text)
    assert "op: add of (2,) float64, 10000000000.0 is so by itself\nhelp: pass a larger eps=" in text
    assert verdict(lambda x: (np.sin(x) + 1e13) - 1e13, X) == "noisy"


def test_a_function_that_is_not_finite_is_not_called_wrong() -> None:
    with np.errstate(all="ignore"):
        text = message(np.log, np.array([-1.0]))
    assert text.startswith("noisy: derivative 1 by argument 0")
    assert "f is not finite there" in text
    assert verdict(lambda x: x * 2, np.array([np.nan])) == "noisy"
    assert verdict(lambda x: x * 2, np.array([np.inf, 1.0])) == "noisy"


# -------------------------------------------------------------------------------------- randomness


def test_a_random_function_is_told() -> None:
    generator = seeded()
    text = message(lambda x: F.dropout(x, 0.5, generator), np.ones(20))
    assert text.startswith("random: two evaluations of f at the same point differ\n")
    assert gradcheck(lambda x: F.dropout(x, 0.5, seeded()), np.ones(20))
    assert gradcheck(lambda x: x * 2, np.array([])) and verdict(lambda x: (x * np.nan, x)[1], X) == "right"


# -------------------------------------------------------------------------------------- directions


def test_large_inputs_are_checked_along_random_directions() -> None:
    big = seeded().normal(size=(40, 30))
    report = gradcheck(lambda x, y: np.sin(x) * y, big, 2.0)
    assert (report.mode, report.compared, report.elements) == ("directions", 11, 1201)
    assert repr(report) == "right: 1 order, along 11 random directions of 1,201 elements"
    text = message(lambda x: np.sin(wrong(x)), big)
    first = (
        r"wrong: derivative 1 by argument 0 \('x'\) at \d+ of 10 directions, since the rule of suspect is off"
    )
    assert re.fullmatch(first, text.splitlines()[0])
    assert "argument 0 ('x')  direction " in text


def test_directions_may_be_chosen() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return np.sin(x)

    assert gradcheck(f, X, directions=2).compared == 2
    assert len(calls) == 3 + 2 * 2
    assert gradcheck(f, np.ones(2000), directions=3).compared == 3
    assert gradcheck(f, X, directions=100).compared == 6
    assert verdict(wrong, X, directions=1) == "wrong"
    assert (
        verdict(lambda x: op(lambda g, y, x: np.where(x > 1.9, 0, g * 3 * x**2))(x), X, directions=2)
        == "wrong"
    )


def test_a_large_output_counts_where_its_weights_are_checked_too() -> None:
    def f(x: Any) -> Any:
        return np.broadcast_to(x, (1000, 2)) ** 2

    assert gradcheck(f, np.ones(2)).mode == "elements"
    assert gradcheck(f, np.ones(2), order=2).mode == "directions"


@pytest.mark.parametrize("options", [{"order": 0}, {"eps": 0.0}, {"eps": -1e-6}, {"directions": 0}])
def test_options_that_make_no_sense_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="gradcheck needs order >= 1, eps > 0 and directions >= 1"):
        gradcheck(np.sin, X, **options)


# ----------------------------------------------------------------------------------------- modules


class Cubic(nn.Module):
    """A module with a wrong op, a buffer, and a parameter that is used by its own name alone."""

    def __init__(self, op: Any = wrong) -> None:
        self.layers = [nn.Linear(3, 2, generator=seeded())]
        self.scale = Tensor(np.float32(0.5), requires_grad=True, name="scale")
        self.seen = Tensor(np.zeros(2, np.float32))
        self.op = op

    def forward(self, x: Any, labels: Any = None) -> Any:
        self.seen.data[...] += 1
        penalty = sum(np.sum(p * p) for p in self.parameters())
        return self.op(self.layers[0](x)) * self.scale + penalty + (0.0 if labels is None else labels.sum())


def at_zero(model: Cubic) -> Cubic:
    model.layers[0].weight.data = np.zeros((3, 2), np.float32)
    return model


def state_of(model: nn.Module) -> Any:
    return [
        (
            name,
            id(x),
            id(x._array),
            x.dtype,
            x.data.tobytes(),
            x.grad,
            x.requires_grad,
            x.op,
            x.inputs,
            x.order,
        )
        for name, x in model.named_state()
    ]


def test_all_parameters_of_a_module_are_checked_by_name() -> None:
    model = Cubic(lambda x: np.sin(x))
    report = gradcheck(model, X.astype(np.float32), order=1)
    assert report.elements == 6 + 2 + 1 + 6
    assert repr(report) == (
        "right: 1 order, 15 derivatives by single elements; float32 inputs were checked in float64"
    )
    assert gradcheck(model, X, order=2)
    mlp = nn.MLP((3, 4, 2), "tanh", generator=seeded())
    assert gradcheck(mlp, X, order=2).elements == sum(p.size for p in mlp.parameters()) + 6


def test_a_wrong_op_in_a_module_is_named_with_its_parameters() -> None:
    lines = message(Cubic(), X).splitlines()
    assert lines[0].startswith("wrong: derivative 1 by ")
    assert "parameter 'layers.0.weight'" in lines[0] and lines[0].endswith("since the rule of suspect is off")
    assert "scale" not in lines[0]
    assert any(line.startswith("  parameter 'layers.0.bias'    (") for line in lines)
    assert "path: parameter -> linear -> suspect -> multiply -> add -> add" in lines


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: Cubic(np.sin), "right"),
        (Cubic, "wrong"),
        (lambda: nn.MLP((3, 4, 2), "relu", 0.5, generator=seeded()), "random"),
        (lambda: at_zero(Cubic(F.relu)), "kink"),
        (lambda: Cubic(lambda x: (np.sin(x) + 1e12) - 1e12), "noisy"),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", [1, 2])
def test_a_module_is_restored_whatever_the_verdict(model: Any, expected: str, order: int) -> None:
    module = model()
    x = X.astype(np.float32)
    for parameter in module.parameters():
        parameter.grad = Tensor(np.ones_like(parameter.data))
    before = state_of(module)
    assert verdict(module, x, order=order) == expected
    assert state_of(module) == before
    np.testing.assert_array_equal(x, X.astype(np.float32))
    assert not modes


def test_a_module_is_restored_when_it_fails() -> None:
    model = Cubic(lambda x: 1 // 0)
    before = state_of(model)
    with pytest.raises(ZeroDivisionError):
        gradcheck(model, X)
    assert state_of(model) == before


def test_a_graph_from_before_the_check_still_works() -> None:
    model = nn.Linear(3, 2, generator=seeded())
    loss = np.sum(model(X) ** 2)
    gradcheck(model, X)
    loss.backward()
    expected = 2 * X.T @ (X @ model.weight.data)
    np.testing.assert_allclose(model.weight.grad.data, expected, rtol=1e-5)


def test_integer_inputs_of_a_module_are_left_to_it() -> None:
    seen = set()

    class Picked(nn.Module):
        def __init__(self) -> None:
            self.table = Tensor(X, requires_grad=True)

        def forward(self, index: Any, mode: str, nested: Any) -> Any:
            seen.add((type(index), index.dtype, mode))
            return self.table[index] * nested["scale"]

    report = gradcheck(Picked(), np.array([0, 1, 1]), "sum", {"scale": np.float32(2.0)})
    assert seen == {(np.ndarray, np.dtype(np.int64), "sum")}
    assert report.elements == 7


def test_a_module_in_training_is_checked_after_eval() -> None:
    model = nn.MLP((3, 8, 2), "tanh", 0.5, generator=seeded())
    assert "help: call model.eval() before" in message(model, X)
    assert model.training
    assert gradcheck(model.eval(), X)


# ----------------------------------------------------------------------------------------- complex

Z = np.array([0.5 - 1.0j, 1.5 + 0.25j])


def test_complex_inputs_are_perturbed_in_both_parts() -> None:
    report = gradcheck(lambda z: z * np.conj(z) * z, Z)
    assert (report.compared, report.elements) == (4, 2)
    assert gradcheck(lambda z, x: np.exp(z) * x, Z, X[:, :1], order=2)
    assert gradcheck(lambda z: np.abs(z) ** 2, Z.astype(np.complex64), order=2).notes == (
        "complex64 inputs were checked in complex128",
    )
    assert gradcheck(lambda z: np.sin(z.real) + z.imag, Z, order=2)
    assert gradcheck(lambda z: np.sum(z * z), np.tile(Z, 600)).mode == "directions"


def test_a_wrong_complex_rule_is_found_and_named() -> None:
    conjugated = primitive(lambda z: z * 1, lambda g, y, z: np.conj(g), name="conjugated")
    lines = message(lambda z: np.exp(conjugated(z)), Z).splitlines()
    assert lines[0].endswith("since the rule of conjugated is off")
    assert any(line.startswith("  argument 0 ('z')  (0,) imag  ") for line in lines)
    real_alone = primitive(lambda z: z**2, lambda g, y, z: (g * 2 * z).real, name="real_alone")
    assert "since the rule of real_alone is off" in message(lambda z: real_alone(z), Z)
    assert gradcheck(lambda x: real_alone(x), X)


# ------------------------------------------------------------------------------------------ inputs


class Point(NamedTuple):
    x: Any
    y: Any


def test_nested_arguments_are_named_by_their_path() -> None:
    identity = op(lambda g, y, x: g)

    def f(params: dict[str, Any], point: Point) -> Any:
        return params["bias"] + identity(params["weights"][1]) + point.x * identity(point.y)

    bad, fine = np.array(2.0), 1 / np.sqrt(3)  # where 3 x^2 = 1
    text = message(f, {"bias": 1.0, "weights": [1.0, bad]}, Point(1.0, fine))
    assert text.startswith("wrong: derivative 1 by argument 0 ('params')['weights'][1] at 1 of 5 elements")
    assert "argument 1 ('point').y at 1 of" in message(
        f, {"bias": 1.0, "weights": [1.0, fine]}, Point(1.0, bad)
    )
    assert gradcheck(f, {"bias": 1.0, "weights": [1.0, fine]}, Point(1.0, fine))


@pytest.mark.parametrize("f", [lambda *args: op(lambda g, y, x: g)(args[0]), op(lambda g, y, x: g)])
def test_functions_without_a_readable_signature(f: Any) -> None:
    assert re.match("wrong: derivative 1 by argument 0 .*at . of 6 elements", message(f, X))


def test_inputs_are_left_as_they_are() -> None:
    arrays = [X.copy(), {"a": X.astype(np.float32)}, Tensor(X.copy(), requires_grad=True)]
    for array in (arrays[0], arrays[1]["a"]):
        array.flags.writeable = False
    gradcheck(lambda x, tree, t: x * tree["a"] * t, *arrays, order=2)
    assert verdict(lambda x, tree, t: wrong(x) * tree["a"] * t, *arrays, order=2) == "wrong"
    np.testing.assert_array_equal(arrays[0], X)
    np.testing.assert_array_equal(arrays[1]["a"], X.astype(np.float32))
    np.testing.assert_array_equal(arrays[2].data, X)
    assert arrays[2].grad is None


def test_a_function_may_write_to_what_it_is_given() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        x.data[...] = 0
        return y

    assert gradcheck(f, X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.uint8])
def test_inputs_are_taken_in_float64(dtype: Any) -> None:
    seen = set()

    def f(x: Any) -> Any:
        seen.add(x.dtype)
        return np.exp(x)

    report = gradcheck(f, np.array([1, 2], dtype))
    assert seen == {np.dtype(np.float64)}
    low = np.dtype(dtype).kind == "f"
    assert report.notes == ((f"{np.dtype(dtype)} inputs were checked in float64",) if low else ())


@pytest.mark.parametrize("value", [np.array([True]), "text"])
def test_inputs_are_numbers(value: Any) -> None:
    with pytest.raises(TypeError, match="gradcheck needs inputs of numbers, and one has dtype"):
        gradcheck(lambda x: x, value)


def test_tolerances() -> None:
    rule = op(lambda g, y, x: g * 3 * x**2 * 1.001)
    assert gradcheck(lambda x: rule(x), X, rtol=1e-2)
    assert gradcheck(lambda x: rule(x), X, atol=1.0)
    assert verdict(lambda x: rule(x), X, rtol=1e-4) == "wrong"


def test_large_and_small_values() -> None:
    assert gradcheck(lambda x: x * x, np.array([1e8, 1e-8, -1e4]), order=2)
    assert gradcheck(np.log, np.array([1e5, 1e-3]), rtol=1e-4)


def test_a_failing_function_fails_in_its_own_words() -> None:
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 // 0, X)
    with pytest.raises(TypeError, match="did it forget a return"):
        gradcheck(lambda x: None, X)


# -------------------------------------------------------------------------------------- what is left


def tensors() -> int:
    gc.collect()
    return sum(type(thing) is Tensor for thing in gc.get_objects())


def test_nothing_is_left_behind() -> None:
    before = tensors()
    for f in (np.sin, wrong, F.relu, lambda x: x.detach() * x, lambda x: (x + 1e12) - 1e12):
        verdict(f, np.array([0.0, 1.0]), order=2)
    assert tensors() == before
    assert not modes


def test_the_mode_of_the_caller_does_not_matter() -> None:
    with no_grad():
        assert gradcheck(np.sin, X, order=2)
        assert "suspect is off" in message(wrong, X)
    assert gradcheck(jit(lambda x: np.sin(x) * 2), X, order=2)
    assert "suspect is off" in message(jit(lambda x: wrong(x)), X)


def test_a_wrong_rule_is_named_in_checkpoints_and_in_debug() -> None:
    assert gradcheck(checkpoint(lambda x, y: np.sin(x) * y), X, X, order=2)
    assert "suspect is off" in message(checkpoint(lambda x: np.sin(wrong(x))), X)
    assert "suspect is off" in message(checkpoint(lambda x, y: wrong(x) * y), X, X)
    with debug():
        assert gradcheck(np.sin, X, order=2)
        assert "suspect is off" in message(lambda x: np.sin(wrong(x)), X)
        assert "suspect is off" in message(checkpoint(lambda x, y: wrong(x) * y), X, X)
    assert not modes
