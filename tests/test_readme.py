"""The README is true: its examples run, its commands are the ones that CI runs, its files exist."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_sessions_print_what_the_readme_says() -> None:
    session = doctest.DocTestParser().get_doctest("\n".join(blocks("pycon")), {}, "README", "README.md", 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session, out=report.append)
    assert result.attempted >= 20
    assert result.failed == 0, "".join(report)


def test_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for program in blocks("python"):
        exec(compile(program, "README.md", "exec"), names)
    assert (tmp_path / "scalar.dot").exists()
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


def test_the_functions_it_lists_are_differentiated() -> None:
    import numpy as np

    from autograd.tensor import implementations

    section = README.split("## What is differentiated")[1].split("Any other NumPy function")[0]
    names = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`(.*?)`", section, re.DOTALL))))
    assert len(names) > 50
    assert [n for n in names - {"astype"} if getattr(np, n) not in implementations] == []
