"""The text of gradient rules: what a function consists of, read from its source."""

import gc
import subprocess
import sys
from functools import partial
from typing import Any
from weakref import ref

import numpy as np
import pytest
from drawn import ROOT, run_python, variable

from autograd import checkpoint, debug, draw_graph, primitive
from autograd.drawing.rules import formula, rules_of

PAIR = [lambda g, y, a, b: g * b, lambda g, y, a, b: g * a]  # fmt: skip
INNER = [lambda g: g + 1, lambda g: (lambda h: h * 2)(g), lambda g: lambda h: h - g]  # fmt: skip
CHOSEN = (lambda x: x) if len(PAIR) == 2 else (lambda x: -x)  # fmt: skip
LONG = lambda g, y, x: (  # noqa: E731
    g * (1 - y * y)  # a comment
)


def given(f: Any) -> Any:
    return f


@given
@given
def decorated(g: Any, y: Any, x: Any) -> Any:
    return g / x


def of_one_return(g: Any, y: Any, x: Any) -> Any:
    """Say what it is."""
    return np.where(x > 0, g, 0)


def of_several_lines(g: Any, y: Any, x: Any) -> Any:
    """Say what it is.

    And more.
    """
    doubled = g * 2
    return doubled * x


def without_a_word(g: Any, y: Any, x: Any) -> Any:
    doubled = g * 2
    return doubled * x


def of_an_empty_word(g: Any) -> Any:
    """"""
    doubled = g * 2
    return -doubled


class Rule:
    def __call__(self, g: Any, y: Any, x: Any) -> Any:
        return g * 5

    def method(self, g: Any, y: Any, x: Any) -> Any:
        return g * 6


@pytest.mark.parametrize(
    "rule, text",
    [
        (PAIR[0], "g * b"),
        (PAIR[1], "g * a"),
        (INNER[0], "g + 1"),
        (INNER[1], "(lambda h: h * 2)(g)"),
        (INNER[2], "lambda h: h - g"),
        (INNER[2](1), "h - g"),
        (CHOSEN, "x"),
        (LONG, "g * (1 - y * y)"),
        (lambda g, f=lambda z: z * 3: f(g), "f(g)"),
        (lambda: 0, "0"),
        (decorated, "g / x"),
        (of_one_return, "np.where(x > 0, g, 0)"),
        (of_several_lines, "Say what it is."),
        (without_a_word, "without_a_word(g, y, x)"),
        (of_an_empty_word, "of_an_empty_word(g)"),
        (partial(of_one_return, 1), "np.where(x > 0, g, 0)"),
        (partial(partial(decorated, 1), 2), "g / x"),
        (Rule(), "g * 5"),
        (Rule().method, "g * 6"),
        (np.multiply, "multiply"),
        (eval("lambda g, y: g * 7"), "lambda(g, y)"),
    ],
)
def test_formula(rule: Any, text: str) -> None:
    assert formula(rule) == text


def test_a_file_that_python_cannot_read_has_no_expressions() -> None:
    code = compile("rule = lambda g: g * 7", __file__.replace("test_rules.py", "no_such_file.py"), "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    assert formula(names["rule"]) == "lambda(g)"


def rows(y: Any) -> list[tuple[str, str]]:
    return rules_of(y.op)


def test_each_input_has_its_rule() -> None:
    a, b = variable(1.0), variable(2.0)
    assert rows(a * b) == [("a", "g * b"), ("b", "g * a")]
    assert rows(np.tanh(a)) == [("x", "g * (1 - y * y)")]


def test_inputs_without_a_rule_are_left_out() -> None:
    half = primitive(lambda a, b: a * b, None, lambda g, y, a, b: g * a, name="half")
    assert rows(half(variable(1.0), variable(2.0))) == [("b", "g * a")]


def test_ops_of_any_number_of_inputs_have_one_row() -> None:
    ((name, text),) = rows(np.stack([variable(1.0), variable(2.0)]))
    assert name == "each input"
    assert "g" in text


def test_a_last_function_has_a_row_of_its_own() -> None:
    op = primitive(
        lambda x: np.exp(2 * x), lambda g, y, x: 2 * g, last=lambda g, y: g * y, name="exp_of_double"
    )
    assert rows(op(variable(1.0))) == [("g", "g * y"), ("x", "2 * g")]
    in_c = primitive(lambda x: np.exp(x), lambda g, y, x: g, last=np.multiply, name="exp_again")
    assert rows(in_c(variable(1.0))) == [("g", "multiply"), ("x", "g")]


def test_inputs_that_the_rule_does_not_name_have_numbers() -> None:
    def rule(g: Any, y: Any, *inputs: Any) -> Any:
        return g

    op = primitive(lambda a, b: a + b, rule, rule, name="unnamed")
    assert rows(op(variable(1.0), variable(2.0))) == [("input 0", "g"), ("input 1", "g")]


def test_sources_have_no_rules_and_checkpoints_say_what_they_do() -> None:
    noise = primitive(lambda *, generator: generator.random(3), name="noise_here")
    assert rows(noise(generator=np.random.default_rng(0))) == []
    assert rows(checkpoint(lambda x: np.exp(np.sin(x)))(variable(1.0))) == [
        ("each input", "Call the function again, and go back through it.")
    ]


def test_rules_in_debug_are_those_of_the_op() -> None:
    with debug():
        y = np.tanh(variable(0.5))
    assert rows(y) == [("x", "g * (1 - y * y)")]


def test_every_op_of_the_engine_says_something_of_its_rules() -> None:
    from autograd.tensor import implementations

    ops = {
        getattr(getattr(implementation, "__wrapped__", implementation), "op", None)
        for implementation in implementations.values()
    }
    own = str(ROOT / "autograd")  # and not those of other tests
    texts = [
        text
        for op in ops - {None}
        if all(rule is None or rule.__code__.co_filename.startswith(own) for rule in op.rules)
        for _, text in rules_of(op)
    ]
    assert len(texts) > 100
    assert not [text for text in texts if text.startswith("lambda") or not text]


def test_nothing_that_a_rule_has_captured_stays_alive() -> None:
    captured = np.ones(3)
    watched = ref(captured)
    op = primitive(lambda x: x * 2, lambda g, y, x, captured=captured: g * captured, name="capturing")
    draw_graph(op(variable(np.ones(3))))
    inner = np.ones(3)
    watched_inner = ref(inner)
    draw_graph(checkpoint(lambda x, c: np.exp(x * c))(variable(np.ones(3)), inner))
    from autograd.tensor import implementations

    for function in [f for f, implementation in implementations.items() if implementation is op]:
        del implementations[function]
    for function, implementation in list(implementations.items()):
        if getattr(implementation, "__wrapped__", None) is op:
            del implementations[function]
    del op, captured, inner, function, implementation
    gc.collect()
    assert watched() is None
    assert watched_inner() is None


PROGRAM = """
import sys
sys.path.insert(0, "tests")
from test_rules import LONG, PAIR, decorated
from autograd.drawing.rules import formula
print([formula(rule) for rule in (*PAIR, LONG, decorated)])
"""


def test_without_columns_lambdas_that_share_a_line_are_not_confused() -> None:
    program = PROGRAM.replace('"tests"', repr(str(ROOT / "tests")))
    texts = ["lambda(g, y, a, b)", "lambda(g, y, a, b)", "g * (1 - y * y)", "g / x"]
    assert run_python(program, "-X", "no_debug_ranges").decode().strip() == str(texts)


def test_rules_from_standard_input_have_no_source() -> None:
    program = "\n".join(
        [
            f"import sys; sys.path.insert(0, {str(ROOT)!r})",
            "from autograd.drawing.rules import formula",
            "print(formula(lambda g, y: g * y))",
        ]
    )
    result = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "lambda(g, y)"
