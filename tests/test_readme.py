"""The README is true: its examples run, its commands are the ones that CI runs, its files exist."""

import doctest
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import reference

from autograd import grad
from nn import functional as F

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.skipif(not find_spec("scipy"), reason="SciPy is not installed, and a session uses it")
def test_sessions_print_what_the_readme_says() -> None:
    session = doctest.DocTestParser().get_doctest("\n".join(blocks("pycon")), {}, "README", "README.md", 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(
        session, out=report.append
    )
    assert result.attempted >= 20
    assert result.failed == 0, "".join(report)


def test_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for program in blocks("python"):
        exec(compile(program, "README.md", "exec"), names)
    assert (tmp_path / "scalar.html").exists()
    assert set(names["gradients"]) == set(names["parameters"])  # type: ignore[call-overload]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "pip install -e '.[test]' && pytest"
    assert f"    {command}\n" in README
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_pictures_and_files_exist() -> None:
    named = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert len(named) >= 3
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_figures_are_those_that_the_benchmark_printed() -> None:
    section = README.split("## How fast")[1].split("## train.py")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    printed = (ROOT / "benchmarks" / "results" / "results.md").read_text(encoding="utf-8")
    assert len(rows) > 5
    assert "\n".join(rows) in printed
    for fact in re.findall(r"^- (?:date|processor|python|duration): (.*)$", printed, re.MULTILINE):
        assert fact in section


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="this NumPy has fewer functions than the list")
@pytest.mark.skipif(not find_spec("scipy"), reason="SciPy is not installed, and the list has its functions")
def test_it_lists_the_functions_that_are_differentiated() -> None:
    assert reference.rewritten(README) == README, "run python tests/reference.py"
    assert sum(map(len, reference.functions().values())) > 200


def conventions() -> list[list[str]]:
    section = README.split("## What is differentiated")[1].split("## Known limits")[0]
    return re.findall(r"^\| `(.*?)` \| `(.*?)` \| `(.*?)` \|$", section, re.MULTILINE)


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize(("function", "at", "gradient"), conventions())
def test_gradients_at_kinks_and_ties_are_those_of_the_table(function: str, at: str, gradient: str) -> None:
    f, x, expected = (eval(text, {"np": np, "F": F}) for text in (function, at, gradient))
    np.testing.assert_array_equal(grad(f)(x), expected)
    np.testing.assert_array_equal(grad(f)(np.float32(x)), np.float32(expected))


def test_the_table_of_conventions_is_there() -> None:
    assert len(conventions()) > 20
