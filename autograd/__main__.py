"""Print what NumPy computes with on this machine, and what to do where it is slow: `python -m autograd`."""

from __future__ import annotations

import os
import platform
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

SIZE = 1024
AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
AVX512_KERNELS = {"skylakex", "cooperlake", "sapphirerapids"}


def main() -> None:
    """Print the report."""
    name, flags = processor()
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    print(f"Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"Processor: {name}, {os.cpu_count()} threads{', AVX-512' if flags >= AVX512 else ''}")
    for library in libraries:
        print(
            f"BLAS: {library['internal_api']} {library['version']}, "
            f"kernels {library.get('architecture', 'not named')}, threads: {library['num_threads']}"
        )
    print(f"Product of two {SIZE} x {SIZE} float32 matrices: {speed():.0f} GFLOP/s")
    for line in advice(libraries, flags, os.cpu_count() or 1):
        print(f"- {line}")


def processor() -> tuple[str, set[str]]:
    """Return the name of the processor and, on Linux, its features."""
    try:
        with open("/proc/cpuinfo") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    return fields.get("model name", platform.machine()), set(fields.get("flags", "").split())


def speed() -> float:
    """Return how fast NumPy multiplies matrices, in 10^9 operations a second: the best of a few times."""
    a = np.ones((SIZE, SIZE), np.float32)
    seconds = []
    for _ in range(5):
        start = perf_counter()
        np.matmul(a, a)
        seconds.append(perf_counter() - start)
    return 2 * SIZE**3 / min(seconds) / 1e9


def advice(libraries: list[dict[str, Any]], flags: set[str], cores: int) -> list[str]:
    """Say what would make NumPy faster here."""
    lines = []
    if not libraries:
        lines.append("No BLAS was recognised: NumPy's wheels from PyPI and conda-forge bring a fast one.")
    for library in libraries:
        kernels = str(library.get("architecture", "")).lower()
        if library["internal_api"] == "openblas" and flags >= AVX512 and kernels not in AVX512_KERNELS:
            lines.append(
                f"The processor has AVX-512 and OpenBLAS uses its {library.get('architecture')} kernels: set "
                "OPENBLAS_CORETYPE=SkylakeX in the environment before Python starts (train.py does so)."
            )
        if library["num_threads"] == 1 < cores:
            lines.append(
                f"One thread of {cores} is used: look at OPENBLAS_NUM_THREADS and OMP_NUM_THREADS in the "
                "environment (train.py --threads sets them)."
            )
    lines.append(
        "Many small networks at a time go fastest with one thread each: OPENBLAS_NUM_THREADS=1. A fixed "
        "computation that is repeated, a training step say, goes faster through autograd.jit."
    )
    return lines


if __name__ == "__main__":
    main()
