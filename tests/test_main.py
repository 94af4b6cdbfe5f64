"""`python -m autograd`: what NumPy computes with here, and the advice."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograd.__main__ import AVX512, advice, processor, speed

ROOT = Path(__file__).parents[1]


def library(**changes: Any) -> dict[str, Any]:
    return {"internal_api": "openblas", "architecture": "SkylakeX", "num_threads": 4, **changes}


def test_the_report() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "autograd"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    for words in ("NumPy 2", "Processor: ", "GFLOP/s"):
        assert words in result.stdout


def test_a_machine_that_is_right_gets_one_line() -> None:
    assert len(advice([library()], AVX512, 4)) == 1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([library(architecture="Haswell")], "OPENBLAS_CORETYPE=SkylakeX"),
        ([library(architecture="Zen")], "uses its Zen kernels"),
        ([library(num_threads=1)], "One thread of 4"),
        ([], "No BLAS was recognised"),
    ],
)
def test_what_is_slow_is_named(found: list[dict[str, Any]], words: str) -> None:
    assert words in advice(found, AVX512, 4)[0]


def test_kernels_are_no_matter_without_avx512() -> None:
    assert len(advice([library(architecture="Haswell")], set(), 4)) == 1


def test_other_libraries_name_no_kernels() -> None:
    accelerate = {"internal_api": "accelerate", "num_threads": 4}
    assert len(advice([accelerate], AVX512, 4)) == 1


def test_measurements() -> None:
    name, flags = processor()
    assert name
    assert isinstance(flags, set)
    assert speed() > 0
