"""The text of gradient rules, as it stands in the source."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache, partial
from linecache import getlines
from types import CodeType
from typing import Any

from autograd.primitives import Op, each


def rules_of(op: Op) -> list[tuple[str, str]]:
    """Return (input, formula) for each input with a gradient rule, e.g. [("x", "g * (1 - y * y)")].

    In the formulas g is the gradient of the result, y the result; other names are the inputs, and parameters.
    An op whose function ends in another one has a first row for that, whose input is called g as well.
    """
    while hasattr(op.rules, "op"):  # of debug(), around those of the op itself
        op = op.rules.op
    found = [("g", formula(op.last))] if op.last is not None else []
    if isinstance(op.rules, each):
        return [*found, ("each input", formula(op.rules[0]))]
    if type(op.rules) is not tuple:
        return found
    for place, rule in enumerate(op.rules):
        if rule is not None:
            code = _function(rule).__code__
            names = code.co_varnames[2 : code.co_argcount]
            found.append((names[place] if place < len(names) else f"input {place}", formula(rule)))
    return found


def formula(rule: Callable[..., Any]) -> str:
    """Return what a rule computes: the expression of a lambda, what a function says of itself or returns."""
    function = _function(rule)
    code = getattr(function, "__code__", None)
    if code is None:  # a function in C
        return str(function.__name__)
    text = _expression(code)
    if text:
        return text
    if (function.__doc__ or "").strip():
        return str(function.__doc__).strip().splitlines()[0]
    return f"{function.__name__.strip('<>')}({', '.join(code.co_varnames[: code.co_argcount])})"


def _function(rule: Any) -> Any:
    while isinstance(rule, partial):
        rule = rule.func
    call = rule if hasattr(rule, "__code__") else type(rule).__call__
    return call if hasattr(call, "__code__") else rule


# By code, not by function: the caches keep nothing alive that a function has captured.
@lru_cache(1000)
def _expression(code: CodeType) -> str:
    """Return the source of the one expression that a function consists of; nothing if there is more to it."""
    expressions = _expressions(code.co_filename).get((code.co_name, code.co_firstlineno), [])
    if len(expressions) > 1:
        # Of several lambdas on a line it is the one whose expression holds the code's instructions.
        places = [(line, column) for line, _, column, end in code.co_positions() if column != end]
        expressions = [expression for expression in expressions if places and _holds(expression, places)]
    return ast.unparse(expressions[0]) if expressions else ""


def _holds(expression: ast.expr, places: list[tuple[Any, Any]]) -> bool:
    start = (expression.lineno, expression.col_offset)
    end = (expression.end_lineno or 0, expression.end_col_offset or 0)
    return all(start <= place < end for place in places)


@lru_cache(100)
def _expressions(filename: str) -> dict[tuple[str, int], list[ast.expr]]:
    """Return what the functions in a file consist of that are one expression, by name and first line."""
    found: dict[tuple[str, int], list[ast.expr]] = {}
    try:
        tree = ast.parse("".join(getlines(filename)))
    except SyntaxError:
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found.setdefault(("<lambda>", node.lineno), []).insert(0, node.body)  # those within others first
        elif isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            body = node.body[ast.get_docstring(node) is not None :]
            if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None:
                found.setdefault((node.name, first), []).append(body[0].value)
    return found
