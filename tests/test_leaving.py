"""Law 10: a tracked tensor stays in the graph, or leaves it loudly, with the cure in the message."""

import array
import copy
import decimal
import fractions
import io
import json
import math
import operator
import random
import statistics
import struct
from typing import Any

import numpy as np
import pytest

from autograd import Tensor

# The ways that tests/test_tensor.py has not. `s` is a single number and `t` has two, `m` is a matrix.
NAMES = {
    "array": array,
    "copy": copy,
    "decimal": decimal,
    "fractions": fractions,
    "io": io,
    "json": json,
    "math": math,
    "np": np,
    "operator": operator,
    "random": random,
    "statistics": statistics,
    "struct": struct,
}


def evaluate(text: str) -> Any:
    s = Tensor(1.5, requires_grad=True, name="s")
    t = Tensor([1.0, 2.0], requires_grad=True, name="t")
    m = Tensor(np.eye(2), requires_grad=True, name="m")
    return eval(text, {**NAMES, "s": s, "t": t, "m": m, "a": np.ones(2), "rng": np.random.default_rng(0)})


ITEM = r"would cut .* and its gradient would be lost without a word; .*t\.item\(\)"
ARRAY = (
    r"conversion to a NumPy array would cut .*np\.stack for a list of tensors.*t\.detach\(\) or t\.numpy\(\)"
)
RULE = r"is not differentiated\. Give it a rule with autograd\.primitive.*t\.detach\(\)\.data"
OUT = r"out= .* would overwrite values outside the graph; write a = a \+ t"

LOUD = [
    # Python's numbers
    ("math.trunc(s)", r"trunc\(\) " + ITEM),
    ("math.ceil(s)", ITEM),
    ("math.sin(s)", ITEM),
    ("math.isclose(s, 1)", ITEM),
    ("math.hypot(s, s)", ITEM),
    ("math.fsum(t)", ITEM),
    ("math.fsum([s, s])", ITEM),
    ("math.dist(t, t)", ITEM),
    ("list(map(float, t))", ITEM),
    ("statistics.fmean([s, s])", ITEM),
    ("operator.index(s)", ITEM),
    ("'%g' % s", ITEM),
    ("[1, 2, 3][:s]", ITEM),
    ("a[:s]", ITEM),
    ("array.array('d', t)", ITEM),
    ("array.array('d', [s])", ITEM),
    ("bytes(t)", ITEM),
    ("t.tolist()", r"tolist\(\) would cut .* use t\.numpy\(\)\.tolist\(\)"),
    ("s.tolist()", r"tolist\(\) would cut"),
    # copies
    ("copy.copy(t * 2)", r"cannot be copied or pickled with its graph; use t\.detach\(\)"),
    ("copy.deepcopy({'loss': [t * 2]})", r"cannot be copied or pickled with its graph; use t\.detach\(\)"),
    # conversions to arrays
    ("np.asanyarray(t)", ARRAY),
    ("np.ascontiguousarray(t)", ARRAY),
    ("np.asarray_chkfinite(t)", ARRAY),
    ("np.array([s, None], dtype=object)", ARRAY),
    ("np.array([s, s], dtype=str)", ARRAY),
    ("np.array(list(t))", ARRAY),
    ("np.float32(s)", ARRAY),
    ("np.complex128(s)", ARRAY),
    ("np.r_[t, t]", ARRAY),
    ("np.vectorize(math.sin)(t)", ARRAY),
    ("np.vectorize(lambda x: x * 2)(t)", ARRAY),
    ("np.full(2, s)", ARRAY),
    ("np.linspace(s, 2)", RULE + "|" + ARRAY),
    ("np.arange(s)", ARRAY),
    ("np.ma.array(t)", ARRAY),
    ("np.ma.array([1.0, 2.0]) + t", ARRAY),
    ("np.ma.exp(t)", ARRAY),
    ("np.polynomial.Polynomial(t)", ARRAY),
    ("rng.normal(0, s)", ARRAY),
    ("rng.choice(t)", ARRAY),
    ("rng.choice([s, s])", ARRAY),
    ("rng.permutation(t)", ARRAY),
    ("np.testing.assert_allclose(t, t)", ARRAY),
    ("list(np.ndenumerate(t))", ARRAY),
    ("np.save(io.BytesIO(), [s])", ARRAY),
    ("a @ [s, s]", ARRAY),
    ("[s, s] + a", ARRAY),
    ("a < [s, s]", ARRAY),
    ("t == [s, s]", ARRAY),
    ("a[s]", ARRAY),
    ("t[s]", ARRAY),
    ("t[[s]]", ARRAY),
    ("a.dot(t)", ARRAY),
    ("a.clip(0, t)", ARRAY + "|" + RULE + "|" + OUT),
    ("a.repeat(t)", ARRAY),
    ("a.searchsorted(t)", ARRAY),
    ("setattr(t, 'data', t * 2)", ARRAY),
    ("setattr(t, 'data', [s, s])", ARRAY),
    # assignment into arrays
    ("a.__setitem__(slice(None), t)", ARRAY),
    ("a.__setitem__(a > 0, t)", ARRAY),
    ("a.flat.__setitem__(slice(None), t)", ARRAY),
    ("setattr(a, 'flat', t)", ARRAY),
    ("a.put([0, 1], t)", ARRAY),
    ("np.place(a, [True, True], t)", RULE + "|" + ARRAY),
    ("np.putmask(a, [True, True], t)", RULE),
    ("np.put(a, [0, 1], t)", RULE),
    ("np.fill_diagonal(m.detach().data, t)", ARRAY),
    ("np.add.at(a, [0], s)", RULE),
    ("a.__iadd__(t)", OUT),
    ("np.multiply(t, 2, out=a)", OUT),
    ("np.less(t, 1, out=np.ones(2, bool))", OUT),
    # NumPy's functions
    ("np.save(io.BytesIO(), t)", RULE),
    ("np.savez(io.BytesIO(), weights=t)", RULE),
    ("np.frompyfunc(lambda x: x * 2, 1, 1)(t)", RULE),
    ("np.apply_along_axis(lambda x: x, 0, t)", RULE),
    ("np.histogram(t)", RULE),
    ("np.less.reduce(t)", RULE),
    ("np.logical_and.reduce(t)", RULE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), LOUD, ids=[text for text, _ in LOUD])
def test_leaving_names_the_cure(text: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        evaluate(text)


# Where Python or NumPy asks nothing of the tensor, or puts an error of its own in front.
REFUSED = [
    "json.dumps(s)",
    "json.dumps({'loss': t})",
    "memoryview(t)",
    "np.frombuffer(t)",
    "np.from_dlpack(t)",
    "struct.pack('d', s)",
    "decimal.Decimal(s)",
    "fractions.Fraction(s)",
    "statistics.mean([s, s])",
    "'%d' % s",
    "f'{s:d}'",
    "~t",
    "t & 1",
    "t << 1",
    "t.fill(0)",
    "t.sort()",
    "a.fill(s)",
    "a.__setitem__(0, s)",
    "a.flat.__setitem__(0, s)",
    "np.fromiter(t, float)",
    "np.fromiter([s, s], float)",
    "np.nditer(t)",
    "np.zeros(s)",
    "np.sum(a, initial=s)",
    "np.zeros(1, [('x', float)]).__setitem__('x', s)",
    "np.array([(s,)], [('x', float)])",
    "t.__array_interface__",
    "t.__array_struct__",
    "t.__buffer__",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_have_our_message_is_refused_nevertheless(text: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError, struct.error)):
        evaluate(text)


STAYS = [  # and the gradients by s and t
    ("sum(t)", None, [1, 1]),
    ("sum(t, s)", 1, [1, 1]),
    ("sum([s, s, s])", 3, None),
    ("max(t)", None, [0, 1]),
    ("min(t)", None, [1, 0]),
    ("max([s, s * 2, s * 3], key=lambda x: -x)", 1, None),
    ("max(s, 1.0)", 1, None),
    ("sorted(t, reverse=True)[0]", None, [0, 1]),
    ("list(reversed(t))[0] * s", 2, [0, 1.5]),
    ("math.prod([s, s])", 3, None),
    ("math.prod(t)", None, [2, 1]),
    ("[x * 2 for x in t][1]", None, [0, 2]),
    ("dict(zip('ab', t, strict=True))['b']", None, [0, 1]),
    ("(lambda first, second: first * second)(*t)", None, [2, 1]),
    ("operator.itemgetter(1)(t)", None, [0, 1]),
    ("pow(s, 2)", 3, None),
    ("round(s)", 0, None),
    ("divmod(s, 1)[1]", 1, None),
    ("abs(-s)", 1, None),
    ("random.Random(0).choice([s])", 1, None),
    ("random.Random(0).uniform(s, s)", 1, None),
    ("(a * t).sum()", None, [1, 1]),
    ("(a @ t)", None, [1, 1]),
    ("(np.float64(2) * s)", 2, None),
    ("np.stack([s, s]).sum()", 2, None),
    ("np.where([True, False], t, s).sum()", 1, [1, 0]),
    ("np.polynomial.polynomial.polyval(s, [1.0, 2.0])", 2, None),
]


@pytest.mark.parametrize(("text", "by_s", "by_t"), STAYS, ids=[row[0] for row in STAYS])
def test_what_stays_in_the_graph(text: str, by_s: Any, by_t: Any) -> None:
    s = Tensor(1.5, requires_grad=True)
    t = Tensor([1.0, 2.0], requires_grad=True)
    result = eval(text, {**NAMES, "s": s, "t": t, "a": np.ones(2)})
    assert type(result) is Tensor
    result.backward()
    for x, expected in ((s, by_s), (t, by_t)):
        assert (x.grad is None) == (expected is None)
        if expected is not None:
            np.testing.assert_allclose(x.grad.data, expected)


PLAIN = [  # what a tensor answers with a plain value: comparisons, text, and what one asks for by name
    ("bool(s)", True),
    ("1 if s > 1 else 0", 1),
    ("not s", False),
    ("s in [s]", True),
    ("2.0 in t", True),
    ("3.0 in t", False),
    ("[1.5, 2.5].index(s)", 0),
    ("[s, s].count(s)", 2),
    ("len(t)", 2),
    ("s.item()", 1.5),
    ("t.numpy().tolist()", [1.0, 2.0]),
    ("t.data.tolist()", [1.0, 2.0]),
    ("np.asarray(t.detach()).tolist()", [1.0, 2.0]),
    ("t.detach().tolist()", [1.0, 2.0]),
    ("math.trunc(s.detach())", 1),
    ("f'{s:.2f}'", "1.50"),
    ("'{:.1f}'.format(s)", "1.5"),
    ("str(t)", "Tensor([1., 2.], requires_grad=True)"),
    ("'%s' % s", "Tensor(1.5, requires_grad=True)"),
    ("(a[t > 1]).tolist()", [1.0]),
    ("np.argsort(t).tolist()", [0, 1]),
]


@pytest.mark.parametrize(("text", "expected"), PLAIN, ids=[text for text, _ in PLAIN])
def test_what_is_plain(text: str, expected: Any) -> None:
    result = evaluate(text)
    assert type(result) is type(expected) and result == expected


def test_truncating_several_elements_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size 1|convert"):
        math.trunc(Tensor([1.0, 2.0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_libraries_are_refused(dtype: Any) -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    t, m = (Tensor(x, requires_grad=True) for x in (np.ones(2, dtype), np.eye(2, dtype=dtype)))
    matrix = sparse.csr_array(np.eye(2))
    for leave in (
        lambda: special.wofz(t),
        lambda: special.logsumexp(t),
        lambda: special.polygamma(1, t),
        lambda: matrix @ t,
        lambda: t @ matrix,
        lambda: matrix * t,
        lambda: matrix.dot(t),
        lambda: sparse.csr_array(m),
    ):
        with pytest.raises((TypeError, ValueError)):
            leave()


def test_pictures_of_values_are_refused() -> None:
    axes = pytest.importorskip("matplotlib.figure").Figure().subplots()
    m = Tensor([[1.0, 2.0]], requires_grad=True)
    for draw in (
        axes.imshow,
        lambda x: axes.scatter([[1.0, 2.0]], x),
        lambda x: axes.plot([x[0, 0], x[0, 1]]),
    ):
        with pytest.raises(TypeError, match=r"t\.detach\(\)"):
            draw(m)
        draw(m.data)
