"""backward(): accumulation, seeds, freeing, second orders, the mutation check, memory, and great depth."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad, hvp, jvp, no_grad, primitive
from autograd.backward import sum_to


def leaf(*values: float, name: str | None = None) -> Tensor:
    return Tensor(np.array(values, float), requires_grad=True, name=name)


def same(actual: Any, expected: Any) -> None:
    assert type(actual) is Tensor
    np.testing.assert_array_equal(actual.data, expected)


# ---------------------------------------------------------------------------------------- gradients


def test_gradients_arrive_at_every_leaf() -> None:
    w, x, b = leaf(2.0, 3.0), leaf(5.0, 7.0), leaf(1.0)
    (w * x + b).sum().backward()
    same(w.grad, [5, 7])
    same(x.grad, [2, 3])
    same(b.grad, [2])
    assert not w.grad.requires_grad


def test_gradients_add_up_over_calls() -> None:
    w = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        (w * w).sum().backward()
        same(w.grad, 2 * times * w.data)
    w.grad = None
    (w * 3).sum().backward()
    same(w.grad, [3, 3])


def test_what_needs_no_gradient_gets_none() -> None:
    w, constant, unused = leaf(1.0), Tensor([2.0]), leaf(1.0)
    (w * constant).sum().backward()
    assert constant.grad is unused.grad is None


def test_a_leaf_may_be_the_output() -> None:
    w = leaf(2.0)
    w.backward()
    same(w.grad, [1])
    w.backward(np.array([5.0]))
    same(w.grad, [6])


def test_gradients_through_parts_that_need_none() -> None:
    w = leaf(3.0)
    y = w * 2
    (y * y.detach()).sum().backward()
    same(w.grad, [12])


def test_leaves_switched_off_after_recording_get_nothing() -> None:
    a, b = leaf(1.0), leaf(2.0)
    y = (a * b).sum()
    a.requires_grad = False
    y.backward()
    assert a.grad is None
    same(b.grad, [1])


@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_a_tensor_used_a_thousand_times(shape: tuple[int, ...]) -> None:
    w = Tensor(np.ones(shape), requires_grad=True)
    total = w * 0
    for k in range(1000):
        total = total + w * k
    total.sum().backward()
    same(w.grad, np.full(shape, 499_500.0))


def test_one_tensor_as_both_inputs() -> None:
    x = leaf(3.0)
    (x * x).sum().backward()
    same(x.grad, [6])
    x.grad = None
    (x - x).sum().backward()
    same(x.grad, [0])
    x.grad = None
    (x**x).sum().backward()
    np.testing.assert_allclose(x.grad.data, 27 * (np.log(3) + 1))


def test_diamonds() -> None:
    x = leaf(2.0)
    a, b = x * 3, x * 5
    c = a * b
    (c + a + b + c).sum().backward()
    same(x.grad, [2 * 2 * 15 * 2 + 8])


def test_seventeen_doublings_take_seventeen_steps() -> None:
    x = y = leaf(1.0)
    for _ in range(17):
        y = y + y
    y.sum().backward()
    same(x.grad, [2**17])
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    x.grad = None
    y.sum().backward()
    same(x.grad, [2.0**60])


def test_long_and_short_paths_are_joined() -> None:
    x = leaf(1.0)
    far = x
    for _ in range(100):
        far = far * 1.0
    near = x * 2
    (far * near).sum().backward()
    same(x.grad, [4])


# -------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("seed", [np.array([1.0, 10.0]), [1, 10], (1.0, 10.0), Tensor([1.0, 10.0])], ids=repr)
def test_seeds_weight_the_outputs(seed: Any) -> None:
    x = leaf(3.0, 4.0)
    (x * x).backward(seed)
    same(x.grad, [6, 80])


def test_seeds_take_the_dtype_of_the_output() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    (x * 2).backward(np.array([1.0, 2.0]))
    same(x.grad, [2, 4])
    assert x.grad.dtype == np.float32
    (x * 2).backward(np.array([1, 2]), create_graph=True)
    assert x.grad.dtype == np.float32


def test_a_tracked_seed_is_differentiated() -> None:
    x, seed = leaf(2.0), leaf(5.0)
    (x * x).backward(seed)
    assert x.grad.requires_grad
    x.grad.sum().backward()
    same(seed.grad, [4])


@pytest.mark.parametrize("seed", [1.0, np.ones(3), np.ones((2, 1)), Tensor(1.0)], ids=repr)
@pytest.mark.parametrize("create_graph", [False, True])
def test_seeds_have_the_shape_of_the_output(seed: Any, create_graph: bool) -> None:
    message = r"the gradient of a tensor of shape \(2,\) must have that shape, not \("
    with pytest.raises(ValueError, match=message):
        (leaf(1.0, 2.0) * 2).backward(seed, create_graph=create_graph)


def test_a_wrong_seed_leaves_the_graph_as_it_was() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    with pytest.raises(ValueError, match="must have that shape"):
        y.backward(np.ones(5))
    y.backward(np.ones(2))
    same(x.grad, [2, 2])


def test_only_single_numbers_need_no_seed() -> None:
    with pytest.raises(RuntimeError, match=r"shape \(2,\) needs gradient=.*reduce it.*\.sum\(\)"):
        (leaf(1.0, 2.0) * 2).backward()
    x = Tensor([[2.0]], requires_grad=True)
    (x * x).backward()
    same(x.grad, [[4]])


def test_the_callers_arrays_are_never_written() -> None:
    a, seed = np.ones(3), np.ones(3)
    for array in (a, seed):
        array.flags.writeable = False
    x = leaf(1.0, 2.0, 3.0)
    y = x * a + x + x + a
    y.backward(seed, retain_graph=True)
    y.backward(seed)
    same(x.grad, [6, 6, 6])
    x.grad.data[:] = 0
    np.testing.assert_array_equal(seed, 1)


# ------------------------------------------------------------------------------- results have owners


def gradients_of_sums(**options: Any) -> list[np.ndarray]:
    a, b, c, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(0.0, 0.0), np.ones(2)
    (a + b + c.reshape(1, 2)[0]).backward(seed, **options)
    total = leaf(1.0, 2.0, 3.0)
    total.sum().backward(**options)
    return [a.grad.data, b.grad.data, c.grad.data, total.grad.data, seed]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"retain_graph": True},
        {"create_graph": True},
    ],
    ids=str,
)
def test_results_share_no_memory_and_can_be_written(options: Any) -> None:
    arrays = gradients_of_sums(**options)
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[:i])


def test_retained_gradients_share_no_memory_and_can_be_written() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 0
    z.sum().backward(retain_graph=True)
    assert y.grad.data.flags.writeable and z.grad.data.flags.writeable
    assert not np.shares_memory(y.grad.data, z.grad.data)


def test_adding_to_a_gradient_leaves_earlier_results_alone() -> None:
    x = leaf(1.0)
    (x * 2).sum().backward()
    first = x.grad
    (x * 2).sum().backward()
    same(first, [2])
    same(x.grad, [4])


# ------------------------------------------------------------------------------------------ freeing


def test_a_second_backward_says_what_was_freed() -> None:
    y = np.exp(leaf(1.0))
    z = y.sum()
    z.backward()
    with pytest.raises(RuntimeError, match=r"the graph of the result of 'sum' .* freed.*retain_graph=True"):
        z.backward()
    with pytest.raises(RuntimeError, match=r"the graph of the result of 'exp' .* was freed"):
        (y * 2).sum().backward()


def test_retain_graph() -> None:
    x = leaf(3.0)
    y = x * x
    z = y.sum()
    z.backward(retain_graph=True)
    z.backward(retain_graph=True)
    same(x.grad, [12])
    same(y.grad, [2])
    z.backward()
    same(x.grad, [18])
    same(y.grad, [2])  # the last call kept nothing


def test_intermediate_gradients_only_when_retained() -> None:
    x = leaf(3.0)
    y = x * 2
    y.sum().backward()
    assert y.grad is None


def test_the_values_outlive_the_graph() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.sum().backward()
    assert y.inputs is None
    np.testing.assert_array_equal(y.data, [2, 4])
    assert repr(y) == "Tensor([2., 4.], op=multiply)"


def test_the_graph_is_freed_node_by_node() -> None:
    alive = []

    def rule(g: Any, y: Any, x: Any) -> Any:
        gc.collect()
        alive.append([r() is not None for r in arrays])
        return g

    mark = primitive(lambda x: x + 1, rule, name="mark")
    y, arrays = leaf(*range(10)), []
    for _ in range(5):
        y = mark(y)
        arrays.append(weakref.ref(y.data))
    y = y.sum()
    y.backward()
    assert alive == [[True] * n + [False] * (5 - n) for n in (5, 4, 3, 2, 1)]


@pytest.fixture
def reference_counting_alone() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def tensors() -> int:
    return sum(type(value) is Tensor for value in gc.get_objects())


def test_reference_counting_frees_graphs(reference_counting_alone: None) -> None:
    before = tensors()
    for use in ("forget", "backward", "retain", "no_grad"):
        x = leaf(*range(3))
        y = x
        for _ in range(10):
            y = np.tanh(y * 2 + x)[::-1]
        if use == "backward":
            y.sum().backward()
        elif use == "retain":
            y.sum().backward(retain_graph=True)
        elif use == "no_grad":
            with no_grad():
                y = y * 2
        del x, y
        assert tensors() == before, use


# ------------------------------------------------------------------------------- gradients of gradients


def test_create_graph_records_the_gradient() -> None:
    x = leaf(2.0)
    (x**4).sum().backward(create_graph=True)
    for expected in (32.0, 48.0, 48.0):
        g = x.grad
        same(g, [expected])
        assert g.requires_grad and g.op is not None
        x.grad = None
        g.sum().backward(create_graph=True)
    same(x.grad, [24])


def test_gradients_add_up_with_create_graph() -> None:
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    (x**3).sum().backward(create_graph=True)
    same(x.grad, [24])
    (x.grad * 1).sum().backward()
    same(x.grad, [24 + 24])


def test_a_penalty_on_the_gradient() -> None:
    w, x = leaf(1.0, -2.0), leaf(3.0, 4.0)
    np.sum(w * x * x).backward(create_graph=True)
    penalty = np.sum(x.grad**2)  # sum (2 w x)^2
    w.grad = None
    penalty.backward()
    same(w.grad, 8 * w.data * x.data**2)


def test_create_graph_keeps_the_graph() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(create_graph=True)
    x.grad = None
    y.backward()
    same(x.grad, [4])


def test_create_graph_under_no_grad() -> None:
    x = leaf(2.0)
    y = (x**3).sum()
    with no_grad():
        y.backward(create_graph=True)
    assert x.grad.requires_grad


@pytest.mark.parametrize("uses", [3, 4, 10])
def test_recorded_gradients_of_many_uses_add_up(uses: int) -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    for _ in range(uses - 1):
        y = y + x
    y.sum().backward(create_graph=True)
    same(x.grad, [uses, uses])


# ----------------------------------------------------------------------------------- the mutation check


def test_a_change_between_forward_and_backward_is_found() -> None:
    w, x = leaf(1.0, name="weights"), leaf(2.0)
    y = (w * x).sum()
    w.data -= 0.1
    message = (
        "this tensor 'weights' was changed after 'multiply' had used it .* would be wrong; call backward"
    )
    with pytest.raises(RuntimeError, match=message):
        y.backward()
    assert w.grad is None and x.grad is None
    (w * x).sum().backward()
    same(w.grad, [2])


def test_a_constant_that_was_changed_is_found_too() -> None:
    w, c = leaf(1.0), Tensor([2.0], name="c")
    y = (w * c).sum()
    c.data = np.array([3.0])
    with pytest.raises(RuntimeError, match="'c' was changed"):
        y.backward()


def test_a_change_after_backward_is_fine() -> None:
    w = leaf(1.0)
    for _ in range(3):
        (w * w).sum().backward()
        w.data -= 0.25 * w.grad.data
        w.grad = None
    np.testing.assert_array_equal(w.data, [0.125])


def test_a_change_is_found_by_a_second_backward() -> None:
    w = leaf(1.0)
    y = (w * w).sum()
    y.backward(retain_graph=True)
    w.data -= 0.25 * w.grad.data
    with pytest.raises(RuntimeError, match="was changed after 'multiply' had used it"):
        y.backward()


def test_an_untouched_graph_of_a_changed_tensor_goes_on() -> None:
    w, v = leaf(1.0), leaf(2.0)
    y = (v * 3).sum()
    (w * v).sum().backward()
    w.data -= 1
    y.backward()
    same(v.grad, [1 + 3])


def test_the_way_out_that_errors_name_is_safe() -> None:
    w = leaf(1.0, 2.0)
    y = np.exp(w)
    y.detach().data[:] = 0  # as the error of item assignment says
    y.sum().backward()
    np.testing.assert_allclose(w.grad.data, np.exp(w.data))


def test_a_step_does_not_reach_into_detached_values() -> None:
    w, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (w.detach() * x).sum()
    w.data -= 1  # as an optimizer does, in place
    try:
        y.backward()
    except RuntimeError:
        return
    same(x.grad, [1, 2])


# ------------------------------------------------------------------------------------------- errors


def test_backward_of_what_is_not_tracked() -> None:
    message = "does not require gradients: no input was made with requires_grad=True, or .* under no_grad"
    with pytest.raises(RuntimeError, match=message):
        Tensor(1.0).backward()
    with no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=message):
        y.backward()


def test_sum_to() -> None:
    g = np.ones((2, 3, 4))
    np.testing.assert_array_equal(sum_to(g, (3, 1)), np.full((3, 1), 8))
    np.testing.assert_array_equal(sum_to(g, (1, 3, 1)), np.full((1, 3, 1), 8))
    np.testing.assert_array_equal(sum_to(g, g.shape), g)
    assert sum_to(np.ones((0, 3)), (1, 3)).tolist() == [[0, 0, 0]]
    for shape in ((2, 3), (2, 3, 4, 1), (2, 3, 5)):
        with pytest.raises(ValueError, match=r"a gradient rule returned shape \(2, 3, 4\) for an input of"):
            sum_to(g, shape)


# ----------------------------------------------------------------------------- a million ops, no recursion

DEPTH = 1_000_000


def chain(length: int = DEPTH) -> tuple[Tensor, Tensor]:
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(length):
        y = -y
    return x, y


def test_a_million_ops_backward_and_freed(reference_counting_alone: None) -> None:
    x, y = chain()
    y.backward()
    same(x.grad, 1)
    assert y.inputs is None


def test_a_million_ops_freed_without_backward(reference_counting_alone: None) -> None:
    before = tensors()
    x, y = chain()
    assert tensors() == before + DEPTH + 1
    del x, y
    assert tensors() == before


def test_a_hundred_thousand_ops_recorded_and_freed() -> None:
    x, y = chain(100_000)
    y.backward(create_graph=True)
    same(x.grad, 1)
    before = tensors()
    x.grad = None
    del x, y
    gc.collect()
    assert tensors() <= before - 200_000


def test_a_recorded_gradient_shares_no_memory_with_its_seed() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for seed in (np.ones(2), Tensor([1.0, 1.0])):
        y = x + 1
        y.backward(gradient=seed, create_graph=True)
        assert not np.shares_memory(y.grad.data, seed if isinstance(seed, np.ndarray) else seed.data)


# --------------------------------------------------------------------------------------------- complex


def test_the_gradient_by_a_complex_number_is_the_direction_of_steepest_ascent() -> None:
    z = np.array([1 + 2j, -3j, 0.5])
    np.testing.assert_allclose(grad(lambda z: np.sum(np.absolute(z) ** 2))(z), 2 * z)
    np.testing.assert_allclose(grad(lambda z: np.sum((z * z.conj()).real))(z), 2 * z)
    np.testing.assert_allclose(grad(lambda z: np.sum(np.square(z).real))(z), 2 * z.conj())
    np.testing.assert_allclose(grad(lambda z: np.sum(z.real))(z), np.ones(3))
    np.testing.assert_allclose(grad(lambda z: np.sum(z.imag))(z), np.full(3, 1j))


def test_a_real_input_of_a_complex_function_has_a_real_gradient() -> None:
    x = np.array([0.5, 2.0], np.float32)
    gradient = grad(lambda x: np.sum(np.exp(1j * x).imag))(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, np.cos(x), rtol=1e-6)


def test_complex_gradients_meet_those_of_the_real_and_imaginary_parts_in_two_orders() -> None:
    weights = np.array([0.3 - 1j, 2j, 1.5])

    def f(z: Any) -> Any:
        return np.sum(np.absolute(np.exp(z * weights) - z.conj() ** 2).real + np.sin(z).imag * z.real)

    def of_parts(parts: Any) -> Any:
        return f(parts[0] + 1j * parts[1])

    z = np.array([0.4 + 1j, -0.5, 1 - 0.7j])
    parts = np.stack([z.real, z.imag])
    by_parts = grad(of_parts)(parts)
    np.testing.assert_allclose(grad(f)(z), by_parts[0] + 1j * by_parts[1])
    v = np.array([1 - 1j, 0.5j, 2.0])
    product = hvp(of_parts)(parts, np.stack([v.real, v.imag]))
    np.testing.assert_allclose(hvp(f)(z, v), product[0] + 1j * product[1])
    np.testing.assert_allclose(jvp(grad(f), (z,), (v,))[1], product[0] + 1j * product[1])


def test_complex_seeds_and_retained_gradients() -> None:
    z = Tensor([1 + 2j, 3j], requires_grad=True)
    y = z * (2 - 1j)
    y.backward(np.array([1j, 1]), retain_graph=True)
    np.testing.assert_array_equal(z.grad.data, [1j * (2 + 1j), 2 + 1j])
    np.testing.assert_array_equal(y.grad.data, [1j, 1])
    with pytest.raises(RuntimeError, match=r"complex number needs gradient=.*np\.abs or \.real"):
        y[0].backward()
    with pytest.raises(ValueError, match="gradient of a float64 tensor must be real, not complex128"):
        y.real.backward(np.array([1j, 1]))


def test_complex_gradients_are_recorded_in_no_grad() -> None:
    z = Tensor(np.array([1 + 2j]), requires_grad=True)
    y = np.sum(np.abs(z) ** 2)
    with no_grad():
        y.backward(create_graph=True)
    assert z.grad.requires_grad


def test_complex64_stays_complex64() -> None:
    z = Tensor(np.array([1 + 2j, 3j], np.complex64), requires_grad=True)
    np.sum(np.absolute(z * 1j + 2.0) / 3).backward(create_graph=True)
    assert z.grad.dtype == np.complex64


def test_an_error_in_a_rule_keeps_no_graph_alive() -> None:
    def rule(g: Any, y: Any, x: Any) -> Any:
        raise ValueError("no gradient")

    refuse = primitive(lambda x: x * 1.0, rule, name="refuse")
    gc.disable()
    try:
        y = np.exp(leaf(1.0))
        alive = weakref.ref(y.data)
        with pytest.raises(ValueError, match="no gradient"):
            refuse(y).sum().backward()
        del y
        assert alive() is None
    finally:
        gc.enable()
