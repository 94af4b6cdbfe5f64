"""Arrays of another library in the same Tensor: every op, its derivatives, and training, never converted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import foreign
import numpy as np
import pytest
from foreign import ForeignArray
from test_ops import NAMES, TABLE, Row

import train
from autograd import (
    Tensor,
    backend,
    checkpoint,
    debug,
    draw_graph,
    elementwise_grad,
    grad,
    gradcheck,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    value_and_grad,
    vjp,
)
from nn import MLP, SGD, Adagrad, Adam, AdamW, RMSprop, clip_grad_norm_, clip_weight_norm_, cross_entropy
from nn import functional as F
from nn.checkpoint import load_arrays
from nn.schedules import constant
from nn.training import Training


@pytest.fixture(autouse=True)
def _the_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(backend.LIBRARIES, "foreign", "foreign")
    foreign.waits.clear()
    foreign.used.clear()
    yield


class ForeignNumPy:
    """NumPy, with constants of the other library: those that a row of the table makes for itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def array(*args: Any, **kwargs: Any) -> Any:
        return foreign.asarray(np.array(*args, **kwargs))

    @staticmethod
    def arange(*args: Any) -> Any:
        return foreign.asarray(np.arange(*args))

    @staticmethod
    def eye(*args: Any, **kwargs: Any) -> Any:
        return foreign.asarray(np.eye(*args, **kwargs))


def values(array: Any) -> np.ndarray:
    assert type(array) is ForeignArray
    return array._values


def derivatives(call: Any, inputs: tuple[Any, ...], place: Any) -> list[Any]:
    """Return the output, its gradients by the inputs, and the gradients of those, weighted at random."""
    generator = np.random.default_rng(0)
    xs = [Tensor(place(x), requires_grad=True) for x in inputs]

    def weighted(y: Any) -> tuple[Any, list[Any]]:
        for x in xs:
            x.grad = None
        if type(y) is Tensor and y.requires_grad:
            y.backward(place(generator.normal(size=y.shape).astype(y.dtype)), create_graph=True)
        return y, [x.grad for x in xs if x.grad is not None]

    y, first = weighted(call(*xs))
    parts = [np.ravel(np.real(g)) for g in first]
    _, second = weighted(np.concatenate(parts)) if parts else (None, [])
    return [y.data, *(g.data for g in first), *(g.data for g in second)]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_every_op_and_its_derivatives_are_computed_where_the_arrays_are(row: Row) -> None:
    names = {**NAMES, "np": ForeignNumPy()}
    call = eval(f"lambda {', '.join('xyz'[: len(row.inputs)])}: {row.text}", names)
    found = derivatives(call, row.inputs, foreign.asarray)
    expected = derivatives(row.call, row.inputs, np.asarray)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is ForeignArray
        np.testing.assert_allclose(one._values, other, rtol=1e-12, atol=1e-12)
        assert one.dtype == other.dtype


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda parameters: SGD(parameters, 0.1, weight_decay=0.01),
    "nesterov": lambda parameters: SGD(parameters, 0.1, 0.9, nesterov=True),
    "adam": lambda parameters: Adam(parameters, 0.01),
    "adamw": lambda parameters: AdamW(parameters, 0.01),
    "rmsprop": lambda parameters: RMSprop(parameters, 0.01, weight_decay=0.01),
    "adagrad": lambda parameters: Adagrad(parameters, 0.01),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_steps_never_wait_for_the_device(optimizer: str) -> None:
    generator = np.random.default_rng(1)
    images, labels = generator.random((8, 6)), generator.integers(0, 3, 8)

    def trained(device: str) -> Any:
        model = MLP((6, 5, 3), generator=np.random.default_rng(0), dtype=np.float64).to(device)
        steps = OPTIMIZERS[optimizer](model.parameters())
        x = Tensor(images).to(device)
        foreign.waits.clear()
        for _ in range(3):
            loss = cross_entropy(model(x), labels)
            steps.zero_grad()
            loss.backward()
            steps.step()
            clip_weight_norm_(model.parameters()[0], 1.0)
        assert foreign.waits == []
        assert loss.device == device == model.parameters()[0].grad.device
        return model, steps

    here, there = trained("cpu"), trained("foreign")
    for part in range(2):
        expected, found = here[part].state_dict(), there[part].state_dict()
        assert expected.keys() == found.keys()
        for name in expected:
            assert type(found[name]) is np.ndarray
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------ from and to a device


def test_tensors_go_to_a_device_and_their_gradients_come_back() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    there = x.to("foreign")
    assert (x.device, there.device, there.to("foreign")) == ("cpu", "foreign", there)
    (there * there).to("cpu").sum().backward()
    assert type(x.grad.data) is np.ndarray
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])


def test_a_leaf_is_moved_in_place_with_its_gradient() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    np.square(x).sum().backward()
    assert x.to_("foreign") is x
    assert (x.device, x.grad.device) == ("foreign", "foreign")
    x.to_("cpu")
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])
    with pytest.raises(RuntimeError, match=r"result of 'square'.*use t.to\('foreign'\)"):
        np.square(x).to_("foreign")


def test_a_leaf_that_was_moved_is_newer_than_what_used_it() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = np.square(x).sum()
    x.to_("foreign")
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


def test_devices_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Numbered(ForeignArray):
        device = SimpleNamespace(id=1)  # type: ignore[assignment]

    Tensor([1.0]).to("foreign")
    Tensor([1.0]).to("foreign:1")
    assert foreign.used == [0, 1]
    monkeypatch.setitem(backend.LIBRARIES, "cuda", __name__)
    first, second = (type("Array", (Numbered,), {"device": SimpleNamespace(id=i)}) for i in (0, 1))
    for kind in (first, second):
        kind.__module__ = __name__
    x, y = first(np.ones(2)), second(np.ones(2))
    assert (Tensor(x).device, Tensor(y).device) == ("cuda:0", "cuda:1")
    names = ("cuda", "cuda:0", "cuda:1", "cpu")
    assert [backend.is_on(x, name) for name in names] == [True, True, False, False]
    assert [backend.is_on(y, name) for name in names] == [False, False, True, False]


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", "", "cuda:-1"])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"there is no device '{name}'; give"):
        Tensor([1.0]).to(name)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backend.LIBRARIES, "cuda", "no_such_library")
    with pytest.raises(ImportError, match=r"needs no_such_library.*pip install 'graphgrad\[gpu\]'"):
        Tensor([1.0]).to("cuda")


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: there * here,
        lambda here, there: here + there,
        lambda here, there: there @ here.data,
        lambda here, there: np.where(here.data > 0, there, there),
        lambda here, there: np.concatenate([here, there]),
    ],
)
def test_mixed_devices_are_refused_by_name(mix: Any) -> None:
    here = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(
        TypeError, match=r"was given arrays on \w+ and on \w+; move them to one device"
    ) as caught:
        mix(here, here.to("foreign"))
    assert "on cpu" in str(caught.value)
    assert "on foreign" in str(caught.value)
    assert "on foreign" in caught.value.__notes__[0]


def test_numbers_and_lists_go_where_the_tensor_is() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True).to("foreign")
    for y in (x * 2, 2.0 - x, x * [1.0, 2.0], [3.0, 4.0] / x, np.where([True, False], x, 0.0), x[[1, 0]]):
        assert y.device == "foreign"


def test_values_leave_when_they_are_asked_for() -> None:
    x = Tensor([1.5]).to("foreign")
    assert foreign.waits == []
    assert (x.item(), float(x), x.tolist(), bool(x), f"{x:.1f}") == (1.5, 1.5, [1.5], True, "1.5")
    assert repr(x) == "Tensor([1.5], device=foreign)"
    assert type(x.numpy()) is np.ndarray
    with pytest.raises(TypeError, match=r"is on foreign; take its values off it with t.numpy\(\)"):
        np.asarray(x)


def test_state_is_loaded_to_either_side() -> None:
    model = MLP((3, 2), generator=np.random.default_rng(0))
    state = model.state_dict()
    model.to("foreign").load_state_dict({name: array + 1 for name, array in state.items()})
    for name, array in model.state_dict().items():
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, state[name] + 1)
    assert {p.device for p in model.parameters()} == {"foreign"}


LOSSES: dict[str, dict[str, Any]] = {
    "plain": {},
    "weight": {"weight": np.array([0.5, 1.0, 2.0])},
    "list of weights": {"weight": [0.5, 1.0, 2.0]},
    "ignored": {"ignore_index": 1},
    "smooth": {"label_smoothing": 0.1},
    "each": {"reduction": "none", "ignore_index": 1},
    "sum": {"reduction": "sum"},
}


@pytest.mark.parametrize("options", LOSSES)
@pytest.mark.parametrize("place", [np.asarray, foreign.asarray], ids=["labels here", "labels there"])
def test_losses_take_labels_and_weights_from_here_or_there(options: str, place: Any) -> None:
    logits, labels = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1])

    def found(x: Any, labels: Any) -> list[Any]:
        x = Tensor(x, requires_grad=True)
        loss = cross_entropy(x, labels, **LOSSES[options])
        loss.sum().backward()
        assert foreign.waits == []
        return [loss.numpy(), x.grad.numpy()]

    here = found(logits, labels)
    for one, other in zip(found(foreign.asarray(logits), place(labels)), here, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
        foreign.waits.clear()


def test_labels_that_are_none_are_found_without_a_question() -> None:
    logits = foreign.asarray(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="labels must lie between 0 and 2"):
        cross_entropy(logits, np.array([0, 3]))
    for label in (-1, 3):
        for options in ({}, {"reduction": "sum"}):
            loss = cross_entropy(Tensor(logits), foreign.asarray(np.array([0, label])), **options)
            assert foreign.waits == []
            assert np.isnan(loss.item())
            foreign.waits.clear()


@pytest.mark.parametrize("place", [np.asarray, foreign.asarray], ids=["indices here", "indices there"])
def test_embeddings_take_indices_from_here_or_there(place: Any) -> None:
    weight = Tensor(foreign.asarray(np.arange(6.0).reshape(3, 2)), requires_grad=True)
    F.embedding(place(np.array([0, 2, 2, 1])), weight, padding_idx=1).sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), [[1, 1], [0, 0], [2, 2]])


def test_train_py_does_on_a_device_what_it_does_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(backend.LIBRARIES, "cuda", "foreign")
    common = [
        "--dataset",
        "digits",
        "--epochs",
        "2",
        "--optimizer",
        "adam",
        "--max-norm",
        "3",
        "--lr",
        "0.001",
    ]
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        assert train.main([*common, "--dropout", "0", "--device", device, "--out", str(folder)]) == 0
    assert capsys.readouterr().err == ""  # such as that a picture could not be drawn
    here, there = tmp_path / "cpu", tmp_path / "cuda"
    assert sorted(path.name for path in here.iterdir()) == sorted(path.name for path in there.iterdir())
    expected, found = (load_arrays(folder / "parameters.npz") for folder in (here, there))
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-3, atol=1e-5)


def test_a_run_goes_on_on_another_device() -> None:
    def training(device: str) -> Training:
        generator = np.random.default_rng(0)
        parts = {"train": (generator.integers(0, 256, (30, 4, 4)).astype(np.uint8), np.arange(30) % 3)}
        model = MLP((16, 8, 3), dropout=0.0, generator=generator, dtype=np.float64).to(device)
        return Training(
            model, Adam(model.parameters(), 0.01), parts, 255,
            epochs=4, batch_size=8, schedule=constant(0.01), generator=generator,
        )  # fmt: skip

    whole, first, second = training("cpu"), training("cpu"), training("foreign")
    list(whole)
    for record in first:
        if record is not None and record["epoch"] == 2:
            break
    second.load_state_dict(first.state_dict())
    list(second)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_allclose(second.model.state_dict()[name], array, rtol=1e-9)


def test_a_model_that_was_moved_after_its_optimizer_is_refused() -> None:
    model = MLP((3, 2), generator=np.random.default_rng(0))
    optimizer = SGD(model.parameters(), 0.1)
    model.to("foreign")
    model(Tensor(np.ones((1, 3), np.float32)).to("foreign")).sum().backward()
    with pytest.raises(RuntimeError, match=r"on foreign in float32.*made for cpu.*make it after model.to"):
        optimizer.step()


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_dropout_draws_on_the_device_from_the_state_of_a_generator_here(p: float) -> None:
    x = Tensor(np.ones((301, 101), np.float32)).to("foreign")
    generator = np.random.default_rng(0)
    state = generator.bit_generator.state
    foreign.waits.clear()
    y = F.dropout(x, p, generator)
    assert foreign.waits == []
    kept = y.numpy() != 0
    assert abs(kept.mean() - (1 - p)) < 0.01
    np.testing.assert_allclose(y.numpy()[kept], np.float32(1 / (1 - p)) if p < 1 else 1)
    again = F.dropout(x, p, generator).numpy()
    assert p in (0.0, 1.0) or (again != y.numpy()).any()
    generator.bit_generator.state = state
    np.testing.assert_array_equal(F.dropout(x, p, generator).numpy(), y.numpy())
    if 0 < p < 1:  # neighbours, in both directions, know nothing of each other
        row = kept.ravel()
        for distance in (*range(1, 20), 101, 202):
            assert abs(np.corrcoef(row[distance:], row[:-distance])[0, 1]) < 0.025
        assert abs(np.corrcoef(row, again.ravel() != 0)[0, 1]) < 0.025


def test_gradients_are_clipped_with_a_single_question() -> None:
    model = MLP((3, 4, 2), generator=np.random.default_rng(0)).to("foreign")
    model(Tensor(np.ones((1, 3), np.float32)).to("foreign")).sum().backward()
    foreign.waits.clear()
    norm = clip_grad_norm_(model.parameters(), 0.5)
    assert len(foreign.waits) == 1
    assert norm > 0.5
    assert clip_grad_norm_(model.parameters(), 0.5) == pytest.approx(0.5, rel=1e-5)


def test_a_run_on_a_device_waits_only_where_it_is_asked() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (30, 4, 4)).astype(np.uint8)
    labels = generator.integers(0, 3, 30).astype(np.uint8)

    def training(device: str) -> Training:
        model = MLP((16, 8, 3), dropout=0.0, generator=np.random.default_rng(1), dtype=np.float64).to(device)
        return Training(
            model, Adam(model.parameters(), 0.01), {"train": (images, labels)}, 255,
            epochs=3, batch_size=8, schedule=constant(0.01), generator=np.random.default_rng(2), replay=True,
        )  # fmt: skip

    here, there = training("cpu"), training("foreign")
    for record in there:
        assert (foreign.waits == []) == (record is None)
        foreign.waits.clear()
    assert there.batch_measures()[0] > 0
    list(here)
    for name, array in here.model.state_dict().items():
        np.testing.assert_allclose(there.model.state_dict()[name], array, rtol=1e-9)
    assert [record["loss"] for record in there.history] == pytest.approx([r["loss"] for r in here.history])


# ------------------------------------------------------------------------- whatever looks at arrays

X = np.array([0.3, 1.2, -0.7])


def f(x: Any) -> Any:
    return np.sum(np.sin(x) * x * x)


@pytest.mark.parametrize(
    "transform",
    [
        grad(f),
        jacobian(np.tanh),
        jacobian(grad(f)),
        hessian(f),
        elementwise_grad(np.tanh),
        jit(grad(f)),
        lambda x: jit(f)(Tensor(x)).data,
        grad(lambda x: np.sum(checkpoint(np.tanh)(x) * x)),
        lambda x: value_and_grad(f)(x)[1],
        lambda x: vjp(np.tanh, x)[1](x),
        lambda x: jvp(np.tanh, (x,), (x,))[1],
        lambda x: hvp(f)(x, x),
    ],
)
def test_transforms_stay_on_the_device(transform: Any) -> None:
    def leaf(result: Any) -> Any:
        return result[0] if isinstance(result, tuple) else result

    found = leaf(transform(foreign.asarray(X)))
    assert foreign.waits in ([], ["array_equal"])  # by which checkpoint sees whether it computes the same
    np.testing.assert_allclose(values(found), leaf(transform(X)), rtol=1e-12)


def test_a_jacobian_of_many_rows_takes_each_gradient_for_itself() -> None:
    xs, ys = (foreign.asarray(array) for array in (np.arange(1.0, 11), np.arange(2.0, 12)))
    by_x, by_y = jacobian(checkpoint(lambda x, y: x * y), (0, 1))(xs, ys)
    np.testing.assert_array_equal(values(by_x), np.diag(values(ys)))
    np.testing.assert_array_equal(values(by_y), np.diag(values(xs)))


def test_seeds_are_placed_or_refused_by_name() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True).to_("foreign")
    np.square(x).backward([1.0, 2.0])
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 8.0])
    with pytest.raises(TypeError, match="of a tensor on foreign must be there, too, not on cpu"):
        np.square(x).backward(np.ones(2))


def test_reductions_of_nothing_give_what_they_begin_with() -> None:
    nothing = np.zeros((0, 3))
    for call in (
        lambda x: np.sum(x, axis=0),
        lambda x: np.prod(x, axis=0, initial=2.0),
        lambda x: np.max(x, axis=0, initial=-1.0),
        lambda x: np.min(x, axis=0, initial=4.0, keepdims=True),
        lambda x: np.sum(x, axis=1, initial=2.0),
    ):
        found = call(Tensor(foreign.asarray(nothing), requires_grad=True))
        np.testing.assert_array_equal(found.numpy(), call(nothing))
    with pytest.raises(ValueError, match="needs initial="):
        np.max(Tensor(foreign.asarray(np.ones(3)), requires_grad=True), where=foreign.asarray(np.ones(3) > 0))


def test_debug_names_what_went_wrong_on_the_device() -> None:
    with debug():
        x = Tensor(foreign.asarray(X), requires_grad=True)
        f(x).backward()
        np.testing.assert_allclose(values(x.grad.data), grad(f)(X))
        with pytest.raises(
            FloatingPointError, match=r"'log' gave nan at \[2\].*\(3,\) float64 on foreign from -0.7"
        ):
            np.log(x)


def test_graphs_of_a_device_are_drawn() -> None:
    def source(x: Any) -> str:
        y = f(x)
        y.backward(retain_graph=True)
        return str(draw_graph(y, show=("shapes", "values", "grads")).source)

    here, there = (Tensor(place(X), requires_grad=True) for place in (np.asarray, foreign.asarray))
    assert source(there) == source(here)
    assert "0.3, 1.2, -0.7" in source(there)


def test_gradients_of_functions_on_a_device_are_checked_here() -> None:
    assert gradcheck(f, foreign.asarray(X))


def test_jit_says_that_it_records_numpy() -> None:
    w = Tensor(foreign.asarray(X), requires_grad=True)
    with pytest.raises(TypeError, match=r"jit records NumPy's calls, and this .* a tensor on foreign"):
        jit(lambda x: w.to("cpu") * x)(X)
