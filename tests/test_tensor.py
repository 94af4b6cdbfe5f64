"""What a Tensor is: construction, values, Python's and NumPy's protocols, and the ways out of the graph."""

import copy
import math
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, no_grad


def leaf(*values: float, dtype: Any = float) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# --------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    ("data", "shape", "dtype"),
    [
        (1.5, (), np.float64),
        (2, (), np.int64),
        (True, (), np.bool_),
        (1 + 2j, (), np.complex128),
        ([1, 2.5], (2,), np.float64),
        ([[1.0], [2.0]], (2, 1), np.float64),
        ([], (0,), np.float64),
        (range(3), (3,), np.int64),
        (np.float32(1), (), np.float32),
        (np.ones((2, 0), np.float16), (2, 0), np.float16),
        (np.arange(3, dtype=np.uint8), (3,), np.uint8),
        (Tensor([1.0, 2.0]), (2,), np.float64),
        ([Tensor(1.0), Tensor(2.0)], (2,), np.float64),
    ],
    ids=repr,
)
def test_construction(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    t = Tensor(data, name="t")
    assert type(t.data) is np.ndarray
    assert (t.shape, t.ndim, t.size, t.dtype) == (shape, len(shape), math.prod(shape), dtype)
    assert (t.grad, t.op, t.inputs, t.params, t.requires_grad, t.name) == (None, None, (), None, False, "t")
    np.testing.assert_array_equal(t.data, np.asarray(data))


def test_a_tensor_shares_the_memory_of_its_array() -> None:
    a = np.zeros(3)
    assert Tensor(a).data is a


def test_a_tensor_that_requires_gradients_owns_its_memory() -> None:
    a = np.zeros(3)
    t = Tensor(a, requires_grad=True)
    t.data -= 1
    np.testing.assert_array_equal(a, 0)


def test_memory_is_owned_when_gradients_are_required_later() -> None:
    a = np.zeros(3)
    t = Tensor(a)
    t.requires_grad = True
    t.data -= 1
    np.testing.assert_array_equal(a, 0)


@pytest.mark.parametrize(
    "data", [None, "text", object(), [1, None], {"a": 1}, np.array(["a"]), [b"x"]], ids=repr
)
def test_what_is_not_numbers_is_refused(data: Any) -> None:
    with pytest.raises(
        TypeError, match=r"a Tensor holds numbers or booleans, and \w+ gives an array of dtype"
    ):
        Tensor(data)


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        Tensor([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize("data", [1, [1, 2], True, np.ones(2, np.uint8)], ids=repr)
def test_only_floating_point_can_require_gradients(data: Any) -> None:
    message = "only tensors of floating-point numbers can require gradients.*give floats, e.g. 2.0 for 2"
    with pytest.raises(TypeError, match=message):
        Tensor(data, requires_grad=True)
    with pytest.raises(TypeError, match=message):
        Tensor(data).requires_grad = True


def test_slots_only() -> None:
    with pytest.raises(AttributeError):
        Tensor(1.0).gradient = 1  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------- attributes


def test_assigned_values_are_those_of_the_tensor() -> None:
    t = leaf(1.0, 2.0)
    t.data = np.array([3.0, 4.0])
    t.data *= 2
    np.testing.assert_array_equal(t.data, [6, 8])
    assert t.requires_grad
    t.data = Tensor([1.0, 2.0])
    np.testing.assert_array_equal(t.data, [1, 2])


def test_assignment_copies() -> None:
    a = np.zeros(2)
    online, target = leaf(1.0, 2.0), leaf(0.0, 0.0)
    target.data = online.data
    online.data -= 5
    np.testing.assert_array_equal(target.data, [1, 2])
    online.data = a
    online.data -= 1
    np.testing.assert_array_equal(a, 0)


def test_assignment_makes_a_tensor_younger() -> None:
    t = leaf(1.0)
    result = t * 2
    assert t.order < result.order
    t.data = np.array([2.0])
    assert t.order > result.order


@pytest.mark.parametrize(
    "value", [np.zeros(3), np.zeros((1, 2)), 0.0, np.zeros(2, np.float32), np.zeros(2, int)]
)
def test_assignment_keeps_shape_and_dtype(value: Any) -> None:
    t = Tensor([1.0, 2.0], name="weights")
    message = (
        r"cannot assign \w+ values of shape .* to this tensor 'weights', which is float64 of shape \(2,\)"
    )
    with pytest.raises(ValueError, match=message):
        t.data = value
    np.testing.assert_array_equal(t.data, [1, 2])


def test_results_cannot_be_assigned_to() -> None:
    with pytest.raises(
        RuntimeError, match=r"the result of 'exp' \(shape \(1,\)\) is the result of an operation"
    ):
        np.exp(leaf(1.0)).data = np.zeros(1)


def test_requires_grad_can_be_switched_on_leaves_only() -> None:
    t = Tensor([1.0])
    t.requires_grad = True
    assert (t * 2).requires_grad
    t.requires_grad = False
    assert not (t * 2).requires_grad
    with pytest.raises(RuntimeError, match=r"its inputs decide.*use t\.detach\(\)"):
        (leaf(1.0) * 2).requires_grad = False


def test_item() -> None:
    assert type(leaf(2.5).item()) is float
    assert leaf(2.5, dtype=np.float32).item() == 2.5
    assert type(Tensor([[3]]).item()) is int
    with pytest.raises(ValueError, match=r"item\(\) needs one element, and this tensor has shape \(2,\)"):
        leaf(1.0, 2.0).item()


def test_numpy_is_a_copy() -> None:
    t = leaf(1.0, 2.0)
    values = t.numpy()
    values[:] = 0
    assert type(values) is np.ndarray
    np.testing.assert_array_equal(t.data, [1, 2])


def test_detach_keeps_the_values_without_the_graph() -> None:
    t = leaf(1.0) * 2
    t.name = "product"
    d = t.detach()
    np.testing.assert_array_equal(d.data, t.data)
    assert (d.requires_grad, d.op, d.inputs, d.name) == (False, None, (), "product")


def test_zero_grad() -> None:
    t = leaf(1.0)
    t.sum().backward()
    t.zero_grad()
    assert t.grad is None


# --------------------------------------------------------------------------------------- as a sequence


def test_iteration_is_differentiable() -> None:
    t = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = t
    assert len(t) == 2
    (first * second).sum().backward()
    np.testing.assert_array_equal(t.grad.data, [[3, 4], [1, 2]])
    assert list(Tensor([])) == []
    np.testing.assert_array_equal(sum(t).data, [4, 6])
    np.testing.assert_array_equal([row.data for row in reversed(t)], [[3, 4], [1, 2]])


def test_a_single_number_is_no_sequence() -> None:
    with pytest.raises(TypeError, match=r"iteration over a 0-d tensor; its value is t.item\(\)"):
        iter(Tensor(1.0))
    with pytest.raises(TypeError, match="unsized"):
        len(Tensor(1.0))


@pytest.mark.parametrize("t", [leaf(1.0, 2.0), Tensor([1.0, 2.0])], ids=["tracked", "plain"])
def test_item_assignment_is_refused(t: Tensor) -> None:
    with pytest.raises(TypeError, match=r"a Tensor cannot be assigned to.*np\.where\(mask, new, t\)"):
        t[0] = 1.0
    with pytest.raises(TypeError, match="a Tensor cannot be assigned to"):
        t[0] += 1.0


def test_indexing_errors_are_numpys() -> None:
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        leaf(1.0)[5]
    with pytest.raises(IndexError, match="too many indices"):
        leaf(1.0)[0, 0]


# ------------------------------------------------------------------------------------- out of the graph

TRACKED_EXITS: list[tuple[Callable[[Tensor], Any], str]] = [
    (float, r"float\(\) would cut this tensor 'w'.*use t\.item\(\), or np\.exp and not math\.exp"),
    (math.exp, r"float\(\) would cut.*np\.exp and not math\.exp"),
    (math.floor, r"float\(\) would cut"),
    (lambda t: "%.2f" % t, r"float\(\) would cut"),  # noqa: UP031
    (int, r"int\(\) would cut.*use t\.item\(\)"),
    (complex, r"complex\(\) would cut.*use t\.item\(\)"),
    (lambda t: [1, 2, 3][t], r"use as an index would cut.*use t\.item\(\)"),
    (range, "use as an index would cut"),
    (np.asarray, r"conversion to a NumPy array would cut.*t\.detach\(\) or t\.numpy\(\)"),
    (np.array, "conversion to a NumPy array would cut"),
    (lambda t: np.array([t, t]), r"would cut.*np\.stack for a list of tensors"),
    (lambda t: np.array([[t, 1.0], [t, t]]), "would cut"),
    (lambda t: np.array(t, dtype=object), "would cut"),
    (lambda t: np.exp([t, t]), "would cut"),
    (lambda t: np.sum([t, t]), "would cut"),
    (lambda t: np.float64(t), "would cut"),
    (lambda t: Tensor([t, t]), "would cut"),
    (lambda t: Tensor(t), "would cut"),
    (lambda t: np.add(np.ones(2), [t, t]), "would cut"),
    (lambda t: Tensor(1.0) * [t, t], "would cut"),
    (lambda t: np.random.default_rng(0).normal(t), "would cut"),
]


@pytest.mark.parametrize(("leave", "message"), TRACKED_EXITS)
@pytest.mark.parametrize("requires_grad", [True, "result"])
def test_leaving_the_graph_is_loud(leave: Any, message: str, requires_grad: Any) -> None:
    t = Tensor(1.0, requires_grad=True, name="w")
    if requires_grad == "result":
        t = t * 1
        t.name = "w"
        message = message.replace("this tensor", "the result of 'multiply'")
    with pytest.raises(TypeError, match=message):
        leave(t)


@pytest.mark.parametrize("index", [0, slice(None), ...])
def test_assigning_a_tracked_tensor_into_an_array_is_loud(index: Any) -> None:
    a = np.zeros(1)
    with pytest.raises((TypeError, ValueError)):
        a[index] = Tensor(1.0, requires_grad=True)
    np.testing.assert_array_equal(a, 0)


@pytest.mark.parametrize("dtype", [int, bool, np.uint8])
def test_a_tracked_tensor_stays_floating(dtype: Any) -> None:
    with pytest.raises(TypeError, match="detach"):
        leaf(1.5).astype(dtype)


def test_a_tracked_complex_tensor_stays_complex() -> None:
    z = Tensor([1.5 + 1j], requires_grad=True)
    for dtype in (float, np.float32, int):
        with pytest.raises(
            TypeError, match=r"would cut a tensor out of the graph.*take its \.real or np\.abs"
        ):
            z.astype(dtype)
    assert leaf(1.5).astype(complex).requires_grad


def test_untracked_tensors_convert_freely() -> None:
    t = Tensor(2)
    assert float(t) == 2.0 and type(float(t)) is float
    assert int(Tensor(2.7)) == 2
    assert complex(Tensor(1.0)) == 1 + 0j
    assert math.exp(Tensor(0.0)) == 1
    assert [0, 1, 2][t] == 2 and list(range(t)) == [0, 1]
    assert np.asarray(Tensor([1.0])).dtype == np.float64
    assert np.asarray(Tensor([1.0]), np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.array([t, t]), [2, 2])
    assert np.array([t, t]).dtype == np.int64
    assert Tensor(1.5).astype(int).dtype == np.int64
    with no_grad():
        assert float(Tensor(1.0, requires_grad=True) * 2) == 2


def test_an_untracked_conversion_shares_memory_unless_a_copy_is_asked_for() -> None:
    t = Tensor([1.0])
    assert np.asarray(t) is t.data
    assert not np.shares_memory(np.array(t), t.data)
    with pytest.raises(ValueError, match="copy"):
        np.array(t, dtype=np.float32, copy=False)


@pytest.mark.parametrize("convert", [float, int, complex])
def test_conversion_of_several_elements_is_refused(convert: Any) -> None:
    with pytest.raises(ValueError, match=r"size 1|convert"):
        convert(Tensor([1.0, 2.0]))


def test_truth() -> None:
    assert leaf(1.0) and not Tensor(0.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(leaf(1.0, 2.0))


# ------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (Tensor(1.0), "Tensor(1.)"),
        (Tensor([1, 2]), "Tensor([1, 2])"),
        (Tensor([True]), "Tensor([ True])"),
        (Tensor([1.0, -2.5]), "Tensor([ 1. , -2.5])"),
        (Tensor(np.zeros((2, 1))), "Tensor([[0.],\n        [0.]])"),
        (Tensor([]), "Tensor([])"),
        (Tensor(np.float32(1)), "Tensor(1., dtype=float32)"),
        (Tensor([1.0], requires_grad=True), "Tensor([1.], requires_grad=True)"),
        (leaf(1.0) + 1, "Tensor([2.], op=add)"),
        (leaf(1.0, dtype=np.float32).sum(), "Tensor(1., dtype=float32, op=sum)"),
        (Tensor([1.0]) + 1, "Tensor([2.])"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_repr(t: Tensor, text: str) -> None:
    assert repr(t) == str(t) == f"{t}" == text


def test_repr_of_large_tensors_is_short() -> None:
    assert len(repr(Tensor(np.zeros(10_000)))) < 100


def test_format_of_a_single_number() -> None:
    assert f"{leaf(1.0).sum():.3f}" == "1.000"
    assert f"{leaf(0.125):8.2f}|" == "    0.12|"
    assert f"{Tensor(3):d}" == "3"
    with pytest.raises(ValueError, match="format"):
        f"{Tensor([1.0, 2.0]):.3f}"


# ---------------------------------------------------------------------------------- copies and identity


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_leaves_can_be_copied_and_pickled(duplicate: Any, requires_grad: bool) -> None:
    t = Tensor(np.ones((2, 1), np.float32), requires_grad=requires_grad, name="w")
    d = duplicate(t)
    assert type(d) is Tensor and d is not t
    assert (d.requires_grad, d.name, d.dtype, d.grad, d.op) == (requires_grad, "w", np.float32, None, None)
    np.testing.assert_array_equal(d.data, t.data)
    if requires_grad:
        assert not np.shares_memory(d.data, t.data)


def test_deepcopy_keeps_shared_leaves_shared() -> None:
    t = leaf(1.0)
    a, b = copy.deepcopy([t, t])
    assert a is b is not t


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_results_cannot_be_copied_with_their_graph(duplicate: Any) -> None:
    with pytest.raises(TypeError, match=r"the result of 'exp' .*cannot be copied or pickled.*t\.detach\(\)"):
        duplicate(np.exp(leaf(1.0)))
    duplicate(np.exp(leaf(1.0)).detach())
    duplicate(np.exp(Tensor(1.0)))


def test_as_a_key_a_tensor_is_itself() -> None:
    a, b = leaf(1.0), leaf(1.0)
    assert {a: 1, b: 2}[a] == 1
    assert len({a, b, a}) == 2
    many = [Tensor(0.0) for _ in range(1000)]
    assert len(set(many)) == 1000


@pytest.mark.parametrize(
    ("symbol", "f"),
    [
        ("<", np.less),
        ("<=", np.less_equal),
        (">", np.greater),
        (">=", np.greater_equal),
        ("==", np.equal),
        ("!=", np.not_equal),
    ],
)
def test_comparisons_are_plain_booleans(symbol: str, f: Any) -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    compare = eval(f"lambda a, b: a {symbol} b")
    for left, right in ((leaf(*a), leaf(*b)), (leaf(*a), b), (a, leaf(*b)), (leaf(*a), b.tolist())):
        for result in (compare(left, right), f(left, right)):
            assert type(result) is np.ndarray and result.dtype == bool
            np.testing.assert_array_equal(result, compare(a, b))
    assert type(compare(leaf(1.0).sum(), 1)) in (bool, np.bool_)
    np.testing.assert_array_equal(compare(2.0, leaf(*a)), compare(2.0, a))


# ------------------------------------------------------------------------------------------- operators

VALUES = {
    "array": np.array([0.5, 1.5, 2.5]),
    "column": np.array([[1.0], [2.0]]),
    "float32": np.array([0.5, 1.5, 2.5], np.float32),
    "integers": np.array([1, 2, 3]),
    "booleans": np.array([True, True, True]),
    "int": 2,
    "float": 1.5,
    "bool": True,
    "np.float32": np.float32(1.5),
    "np.float64": np.float64(1.5),
    "np.int64": np.int64(2),
    "0-d": np.array(1.5),
    "list": [1.0, 2.0, 3.0],
    "tuple": (1.0, 2.0, 3.0),
}


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_operators_and_reflected_operators(symbol: str, kind: str, dtype: Any) -> None:
    operate = eval(f"lambda a, b: a {symbol} b")
    other, a = VALUES[kind], np.array([1.0, 2.0, 3.0], dtype)
    t = Tensor(a, requires_grad=True)
    for result, expected in (
        (operate(t, other), operate(a, other)),
        (operate(other, t), operate(other, a)),
        (operate(t, Tensor(other)), operate(a, np.asarray(other))),
        (operate(Tensor(other), t), operate(np.asarray(other), a)),
    ):
        assert type(result) is Tensor and result.requires_grad
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result.data, expected)
        t.grad = None
        result.sum().backward()
        assert t.grad.dtype == dtype and np.isfinite(t.grad.data).all()


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_matrix_product_with_arrays_and_lists_on_either_side(shape: tuple[int, ...]) -> None:
    a, t = np.ones((2, 3)), Tensor(np.ones(shape), requires_grad=True)
    for left in (a, a.tolist(), Tensor(a)):
        np.testing.assert_array_equal((left @ t).data, a @ np.ones(shape))
    for right in (a.T, a.T.tolist()):
        np.testing.assert_array_equal((Tensor(a, requires_grad=True) @ right).data, a @ a.T)


@pytest.mark.parametrize("operate", [lambda t: +t, lambda t: -t, abs])
def test_unary_operators(operate: Any) -> None:
    a = np.array([1.0, -2.0])
    np.testing.assert_array_equal(operate(leaf(*a)).data, operate(a))


def test_in_place_operators_make_a_new_tensor() -> None:
    t = before = leaf(1.0)
    t += 1
    t *= 3
    assert t is not before
    np.testing.assert_array_equal((t.data, before.data), ([6], [1]))


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**=", "@="])
def test_in_place_operators_on_arrays_are_refused(symbol: str) -> None:
    a = np.ones((2, 2))
    with pytest.raises(TypeError, match=r"out= \(or an operator such as \+= .* write a = a \+ t"):
        exec(f"a {symbol} t", {"a": a, "t": Tensor(np.ones((2, 2)), requires_grad=True)})
    np.testing.assert_array_equal(a, 1)


@pytest.mark.parametrize("other", [None, "text", object(), {}, [None]], ids=repr)
def test_operators_refuse_what_is_not_numbers(other: Any) -> None:
    for operate in (lambda: leaf(1.0) + other, lambda: other * leaf(1.0)):
        with pytest.raises(TypeError):
            operate()


def test_a_masked_array_does_not_cut_the_graph() -> None:
    with pytest.raises(TypeError):
        np.ma.array([1.0], mask=[False]) * leaf(1.0)


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(TypeError, match="a Tensor holds numbers or booleans"):
        Tensor([1.0]) * np.array([1], object)


@pytest.mark.parametrize("operate", [lambda t: ~t, lambda t: t & 1, lambda t: t << 1])
def test_operators_without_a_rule_are_refused(operate: Any) -> None:
    with pytest.raises(TypeError):
        operate(leaf(1.0))


# -------------------------------------------------------------------------------------- NumPy's functions

NOT_DIFFERENTIATED: list[tuple[str, str]] = [
    ("np.nextafter(t, 2)", "np.nextafter"),
    ("np.spacing(t)", "np.spacing"),
    ("np.frexp(t)", "np.frexp"),
    ("np.add.reduceat(t, [0])", "np.add.reduceat"),
    ("np.hypot.reduce(t)", "np.hypot.reduce"),
    ("np.unique(t)", "np.unique"),
    ("np.interp(t, [0, 1], [0, 1])", "np.interp"),
    ("np.histogram(t)", "np.histogram"),
    ("np.apply_along_axis(np.sum, 0, t)", "np.apply_along_axis"),
    ("np.unwrap(t)", "np.unwrap"),
    ("np.insert(t, 0, 1)", "np.insert"),
    ("np.linalg.tensorinv(t)", "np.linalg.tensorinv"),
    ("np.median(t, overwrite_input=True)", "np.median with overwrite_input="),
    ("np.median(t, 0, None, True)", "np.median with overwrite_input="),
    ("np.nanvar(t, mean=0.0)", "np.nanvar with mean="),
    ("np.add.at(np.ones(2), [0], t)", "np.add.at"),
    ("np.exp(t, where=[True])", "np.exp with where="),
    ("np.add(t, 1, dtype=np.float32)", "np.add with dtype="),
    ("np.add(t, 1, casting='no', subok=False)", "np.add with casting, subok="),
    ("np.copyto(np.ones(1), t)", "np.copyto"),
    ("np.sum(t, out=np.zeros(()))", "np.sum with out="),
    ("np.var(t, mean=0.0)", "np.var with mean="),
    ("np.reshape(t, 1, copy=True)", "np.reshape with copy="),
]


@pytest.mark.parametrize(("text", "name"), NOT_DIFFERENTIATED)
def test_functions_that_are_not_differentiated_are_named(text: str, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        eval(text, {"np": np, "t": leaf(1.0)})
    assert str(caught.value).startswith(
        f"{name} is not differentiated. Give it a rule with autograd.primitive"
    )


def test_where_of_one_argument_is_refused_in_words() -> None:
    with pytest.raises(TypeError, match=r"np\.where|np\.nonzero"):
        np.where(leaf(1.0, 0.0))


def test_out_is_refused() -> None:
    with pytest.raises(TypeError, match=r"np\.exp: out= .* would overwrite values outside the graph"):
        np.exp(leaf(1.0), out=np.zeros(1))


def test_numpys_calling_conventions_are_kept() -> None:
    t, a = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True), np.arange(6.0).reshape(2, 3)
    for text in (
        "np.sum(x, 1)",
        "np.sum(x, -1, keepdims=True)",
        "np.sum(a=x, axis=0)",
        "np.sum(x, axis=None, dtype=None, out=None)",
        "np.max(x, 1, None, True)",
        "np.var(x, 0, None, None, 1)",
        "np.mean(x, (0, 1))",
        "np.std(x, axis=0, ddof=1)",
        "np.reshape(x, (3, 2))",
        "np.reshape(x, shape=(3, 2))",
        "np.reshape(x, -1, 'F')",
        "np.transpose(x, (1, 0))",
        "np.transpose(a=x)",
        "np.squeeze(x)",
        "np.swapaxes(x, 0, 1)",
        "np.moveaxis(x, 0, 1)",
        "np.expand_dims(x, 1)",
        "np.broadcast_to(x, (2, 2, 3))",
        "np.repeat(x, 2, 1)",
        "np.cumsum(x, 1)",
        "np.concatenate((x, x), 1)",
        "np.stack((x, x), 1)",
        "np.stack([x, x], axis=1)",
        "np.clip(x, 1, 3)",
        "np.where(x > 1, x, 0)",
        "np.concat([x, x])",
        "np.permute_dims(x, (1, 0))",
        "np.pow(x, 2.0)",
        "np.abs(x)",
        "np.add(x, 1, out=None)",
    ):
        result = eval(text, {"np": np, "x": t})
        assert type(result) is Tensor and result.requires_grad, text
        np.testing.assert_array_equal(result.data, eval(text, {"np": np, "x": a}))


@pytest.mark.parametrize(
    "text",
    [
        "np.isnan(x)",
        "np.isfinite(x)",
        "np.logical_and(x, x > 1)",
        "np.logical_not(x)",
        "np.isclose(x, 1.0, rtol=0.1)",
        "np.allclose(x, x)",
        "np.array_equal(x, x)",
        "np.all(x)",
        "np.any(x, axis=0)",
        "np.count_nonzero(x)",
        "np.nonzero(x)",
        "np.flatnonzero(x)",
        "np.argwhere(x)",
        "np.argsort(x, axis=0)",
        "np.argmax(x, 1)",
        "np.argmin(x)",
        "x.argmax(axis=1)",
        "x.argmin()",
        "np.shape(x)",
        "np.ndim(x)",
        "np.size(x)",
        "np.result_type(x, np.float32)",
        "np.zeros_like(x)",
        "np.ones_like(x, dtype=int)",
    ],
)
def test_what_has_no_gradient_is_plain(text: str) -> None:
    a = np.array([[3.0, 1.0], [0.0, 2.0]])
    result = eval(text, {"np": np, "x": Tensor(a, requires_grad=True)})
    expected = eval(text, {"np": np, "x": a})
    assert type(result) is type(expected)
    np.testing.assert_equal(result, expected)


def test_zeros_like_of_a_tensor_is_an_array() -> None:
    assert type(np.zeros_like(leaf(1.0))) is type(np.empty_like(leaf(1.0))) is np.ndarray
    assert "1." in np.array2string(leaf(1.0))


def test_numpys_and_pythons_global_random_state_are_left_alone() -> None:
    before = repr(np.random.get_state()), random.getstate()  # noqa: NPY002
    np.exp(leaf(1.0)).sum().backward()
    assert (repr(np.random.get_state()), random.getstate()) == before  # noqa: NPY002


def test_methods_that_answer_with_plain_values() -> None:
    t = Tensor([[2.0, 0.0], [0.0, 1.0]], requires_grad=True)
    for answer in (t.any(axis=0), t.all(), t.nonzero(), t.argsort(axis=0), t.argmax(axis=1, keepdims=True)):
        assert all(
            type(part) in (np.ndarray, np.bool_) for part in (answer if type(answer) is tuple else [answer])
        )
    np.testing.assert_array_equal(t.any(axis=0), [True, True])
    np.testing.assert_array_equal(t.argsort(axis=0), [[1, 0], [0, 1]])
    assert not t.all()


def test_tensors_are_not_subclassed() -> None:
    with pytest.raises(TypeError, match="a Tensor cannot be subclassed"):
        type("Parameter", (Tensor,), {})
