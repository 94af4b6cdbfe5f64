"""What the engine asks of an array library, and of the memory below it."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, jit, matmul, vjp
from autograd.backend import as_array, broadcast_to, scatter_add

ROOT = Path(__file__).parents[1]


def test_arrays_are_shared_and_what_is_no_number_is_refused() -> None:
    x = np.ones(3)
    assert as_array(x) is x
    assert as_array([1, 2.0]).dtype == np.float64
    with pytest.raises(TypeError, match="a Tensor holds numbers or booleans, and str gives"):
        as_array("x")


@pytest.mark.parametrize("shape", [(2, 3), 3, (3,), [2, 3], (0, 3), (5000, 3)])
def test_broadcasting_is_that_of_numpy(shape: object) -> None:
    x = np.arange(3.0)
    expected = np.broadcast_to(x, shape)
    np.testing.assert_array_equal(broadcast_to(x, shape), expected)
    np.testing.assert_array_equal(np.broadcast_to(Tensor(x), shape).data, expected)


@pytest.mark.parametrize(("x", "shape"), [((1, 3), (3,)), ((3,), (2,)), ((2, 3), 3)])
def test_what_numpy_does_not_broadcast_is_refused(x: tuple[int, ...], shape: object) -> None:
    for broadcast in (
        lambda: broadcast_to(np.ones(x), shape),
        lambda: np.broadcast_to(Tensor(np.ones(x)), shape),
    ):
        with pytest.raises(ValueError, match=r"broadcast|more dimensions"):
            broadcast()


def test_scatter_add_adds_up_duplicates() -> None:
    values = np.array([1.0, 10.0, 100.0], np.float32)
    total = scatter_add(values, (2, 2), (np.array([0, 1, 0]), np.array([1, 1, 1])))
    np.testing.assert_array_equal(total, [[0, 101], [0, 10]])
    assert total.dtype == np.float32
    np.testing.assert_array_equal(scatter_add(values, (5,), slice(1, 4)), [0, 1, 10, 100, 0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("rows", "columns", "by_columns"),
    [(1, 200, False), (2, 2100, True), (40, 130, True), (64, 130, True), (64, 120, False), (65, 200, False)],
)
def test_products_of_few_rows_are_computed_column_by_column(
    rows: int, columns: int, by_columns: bool, dtype: type
) -> None:
    generator = np.random.default_rng(0)
    shapes = [(rows, 200), (200, columns), (rows, columns)]
    a, b, g = (generator.normal(size=shape).astype(dtype) for shape in shapes)
    near = 1e-5 if dtype is np.float32 else 1e-12

    def same(found: np.ndarray, expected: np.ndarray) -> None:
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=near, atol=100 * near)

    for product in (matmul(a, b), jit(matmul)(a, b), jit(lambda a, b: a @ b)(Tensor(a), Tensor(b)).data):
        same(product, a @ b)
    assert matmul(a, b).flags.f_contiguous == by_columns or rows == 1
    value, pull = vjp(matmul, a, b)
    same(value, a @ b)
    for gradient, expected in zip(pull(g), (g @ b.T, a.T @ g), strict=True):
        same(gradient, expected)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the memory of other C libraries is left as it is"
)
def test_the_memory_of_a_graph_is_used_again_by_the_next() -> None:
    program = """
import resource
import numpy as np
from autograd import Tensor
x = Tensor(np.ones(100_000), requires_grad=True)
def graph():
    y = x
    for _ in range(20):
        y = y + 1.0
graph()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    graph()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert int(result.stdout) < 1000  # 39,000 where each graph has new pages
