"""Write the README's list of functions from the table of ops: `python tests/reference.py`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from autograd.tensor import implementations

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- functions: python tests/reference.py -->", "<!-- end of functions -->"
FAMILIES = {
    "elementwise": "Elementwise",
    "reductions": "Reductions",
    "cumulative": "Along an axis",
    "ordering": "Order",
    "shaping": "Shapes",
    "joining": "Joining and splitting",
    "indexing": "Indexing",
    "linear_algebra": "Products",
    "decompositions": "np.linalg",
    "fourier": "np.fft",
    "special": "scipy.special",
    "constants": "Plain values come of",
}


def functions() -> dict[str, list[str]]:
    """Return the names of the functions that take Tensors, by family."""
    modules = {family: import_module(f"autograd.ops.{family}") for family in FAMILIES}
    owners: dict[Any, str] = {}
    for family, module in modules.items():
        for value in vars(module).values():
            if hasattr(value, "op"):
                owners.setdefault(value.op, family)
    names: dict[str, set[str]] = {family: set() for family in FAMILIES}
    for function, implementation in implementations.items():
        if isinstance(function, np.ufunc) or (getattr(function, "__module__", None) or "").startswith(
            "numpy"
        ):
            inner: Any = getattr(implementation, "__wrapped__", implementation)
            op = getattr(inner, "op", None)
            family = owners[op] if op in owners else inner.__module__.rpartition(".")[2]
            names[family].add(spelling(function))
    return {family: sorted(found) for family, found in names.items()}


def spelling(function: Any) -> str:
    """Return a function's name as one writes it after `np.`; those of SciPy have no module to tell."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".removeprefix("numpy.")


def section() -> str:
    """Return the lines between the marks."""
    lines = []
    for family, names in functions().items():
        prefix = FAMILIES[family].removeprefix("np.") + "."
        short = [name.removeprefix(prefix) for name in names]
        text = f"- {FAMILIES[family]}: `{' '.join(short)}`"
        lines.append(fill(text, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    return "\n".join(lines)


def rewritten(readme: str) -> str:
    """Return the README with the list brought up to date."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{section()}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
