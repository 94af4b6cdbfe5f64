"""The training loop on tiny images, and on the packaged digits."""

import re
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import halves

from nn import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Dropout,
    Linear,
    Module,
    RMSprop,
    Sequential,
    clip_weight_norm_,
    cross_entropy,
)
from nn.checkpoint import load_checkpoint, save_checkpoint
from nn.data import load_digits, scale_pixels
from nn.divergence import find_divergence
from nn.evaluation import evaluate
from nn.schedules import Schedule, constant, one_cycle
from nn.training import Labelled, NonFiniteLoss, Record, Training, training_loss

LEVELS = 255
TRAIN, VALIDATION, TEST = halves(50, 0), halves(20, 1), halves(30, 2)


def network(dropout: float = 0.0, seed: int = 0) -> MLP:
    return MLP((16, 8, 2), dropout=dropout, generator=np.random.default_rng(seed))


def fit(*arguments: Any, **options: Any) -> Iterator[Record]:
    """Train, and yield the record of each epoch."""
    return (record for record in Training(*arguments, **options) if record is not None)


def run(model: Module, parts: dict[str, Labelled] | None = None, **options: Any) -> Any:
    defaults: dict[str, Any] = {"epochs": 2, "batch_size": 8, "schedule": constant(0.1)}
    return fit(
        model,
        SGD(model.parameters(), momentum=0.9),
        {"train": TRAIN, "test": TEST} if parts is None else parts,
        LEVELS,
        **{**defaults, "generator": np.random.default_rng(0), **options},
    )


class Witness(Module):
    """A linear classifier that writes down what it is called with, and in which mode."""

    def __init__(self) -> None:
        self.linear = Linear(16, 2, generator=np.random.default_rng(0))
        self.part = Sequential(Dropout(0.0, generator=np.random.default_rng(0)))
        self.calls: list[tuple[bool, np.ndarray]] = []

    def forward(self, x: Any) -> Any:
        assert self.part.layers[0].training == self.training
        self.calls.append((self.training, x.data))
        return self.linear(self.part(x))

    def batches(self, training: bool) -> list[np.ndarray]:
        return [x for mode, x in self.calls if mode == training]


# ------------------------------------------------------------------------------------------ records


def test_records_of_every_epoch() -> None:
    records = list(run(network(), epochs=3))
    assert [list(record) for record in records] == [
        ["epoch", "loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds"]
    ] * 3
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert all(type(value) is float for record in records for value in record.values())
    assert all(record["seconds"] > 0 for record in records)


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["train"], ["loss", "train_accuracy"]),
        (
            ["train", "validation", "test"],
            [
                "loss",
                "train_accuracy",
                "validation_loss",
                "validation_accuracy",
                "test_loss",
                "test_accuracy",
            ],
        ),
        (["test", "train"], ["test_loss", "test_accuracy", "loss", "train_accuracy"]),
    ],
    ids=str,
)
def test_records_of_other_parts(names: list[str], keys: list[str]) -> None:
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    (record,) = run(network(), {name: parts[name] for name in names}, epochs=1)
    assert list(record) == ["epoch", *keys, "learning_rate", "seconds"]


def test_records_are_what_evaluate_finds_at_that_moment() -> None:
    model = network()
    for record in run(model):
        assert (record["loss"], record["train_accuracy"]) == evaluate(model, *TRAIN, LEVELS)
        assert (record["test_loss"], record["test_accuracy"]) == evaluate(model, *TEST, LEVELS)


def test_training_lowers_the_loss() -> None:
    model = network()
    before, _ = evaluate(model, *TRAIN, LEVELS)
    records = list(run(model, epochs=10))
    assert records[-1]["loss"] < 0.1 * before
    assert records[-1]["test_accuracy"] == 1


def test_the_same_seeds_give_the_same_bits() -> None:
    def outcome(seed: int = 0) -> tuple[list[Any], dict[str, np.ndarray]]:
        model = network(dropout=0.5)
        records = run(model, epochs=3, generator=np.random.default_rng(seed))
        return [{**record, "seconds": 0} for record in records], model.state_dict()

    (first, first_state), (second, second_state), (other, _) = outcome(), outcome(), outcome(1)
    assert first == second != other
    assert all(np.array_equal(first_state[name], second_state[name]) for name in first_state)


def test_random_numbers_come_from_the_generators_alone() -> None:
    before = np.random.get_state()  # noqa: NPY002
    list(run(network(dropout=0.5)))
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    list(run(network()))
    assert capfd.readouterr() == ("", "")


def test_fit_is_lazy_and_stops_after_the_last_epoch() -> None:
    model = network()
    before = model.state_dict()
    records = run(model, epochs=2)
    assert np.array_equal(model.layers[0].weight.data, before["layers.0.weight"])
    assert [next(records)["epoch"], next(records)["epoch"]] == [1, 2]
    with pytest.raises(StopIteration):
        next(records)
    assert list(run(network(), epochs=0)) == []


# -------------------------------------------------------------------------------------- one epoch


def test_every_sample_is_used_once_per_epoch() -> None:
    model = Witness()
    pixels = scale_pixels(TRAIN[0], LEVELS)
    orders = []
    for _ in run(model, {"train": TRAIN}, epochs=3):
        seen = model.batches(training=True)
        assert [len(x) for x in seen] == [8, 8, 8, 8, 8, 8, 2]
        rows = np.concatenate(seen)
        orders.append(rows)
        np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(pixels, axis=0))
        assert len(np.unique(rows, axis=0)) == 50
        model.calls.clear()
    assert not np.array_equal(orders[0], pixels)
    assert not np.array_equal(orders[0], orders[1])


def test_evaluation_is_out_of_training_mode_and_training_in_it() -> None:
    model = Witness().eval()
    for _ in run(model, epochs=2):
        modes = [mode for mode, _ in model.calls]
        assert modes == [True] * 7 + [False] * 2
        assert model.training
        model.calls.clear()


def test_batches_may_be_larger_than_the_data() -> None:
    model = Witness()
    list(run(model, {"train": TRAIN}, epochs=1, batch_size=1000))
    assert [len(x) for x in model.batches(training=True)] == [50]


def test_a_step_is_a_step_down_the_gradient_of_the_batch() -> None:
    model, twin = network(), network()
    list(
        fit(
            model,
            SGD(model.parameters()),
            {"train": TRAIN},
            LEVELS,
            epochs=1,
            batch_size=50,
            schedule=constant(0.5),
            generator=np.random.default_rng(0),
        )
    )
    cross_entropy(twin(scale_pixels(TRAIN[0], LEVELS)), TRAIN[1]).backward()
    for moved, start in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(moved.data, start.data - 0.5 * start.grad.data, atol=1e-6)


def test_the_schedule_sets_the_learning_rate_of_every_step() -> None:
    asked, used = [], []
    model = network()

    class Noting(SGD):
        def step(self) -> None:
            used.append(self.lr)
            super().step()

    def schedule(step: int) -> float:
        asked.append(step)
        return 0.1 / (step + 1)

    optimizer = Noting(model.parameters(), lr=100.0)
    options: Any = {"epochs": 2, "batch_size": 20, "schedule": schedule}
    records = fit(model, optimizer, {"train": TRAIN}, LEVELS, generator=np.random.default_rng(0), **options)
    assert [record["learning_rate"] for record in records] == [0.1 / 3, 0.1 / 6]
    assert asked == [0, 1, 2, 3, 4, 5]
    assert used == [0.1 / (step + 1) for step in asked]


def test_a_resumed_optimizer_goes_on_in_its_schedule() -> None:
    asked: list[int] = []
    model = network()
    optimizer = SGD(model.parameters())
    optimizer.load_state_dict({"steps": 10, "updates": [10] * 4})
    options: Any = {"epochs": 1, "batch_size": 25, "schedule": lambda step: asked.append(step) or 0.1}
    list(fit(model, optimizer, {"train": TRAIN}, LEVELS, generator=np.random.default_rng(0), **options))
    assert asked == [10, 11]


@pytest.mark.parametrize("batch_size", [-1, 0])
def test_an_impossible_batch_size_is_named(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; give 1 or more"):
        list(run(network(), batch_size=batch_size))


# ----------------------------------------------------------------------------------- early stopping


def there_and_back(better: int) -> Schedule:
    """Return a schedule that goes downhill for some epochs of 7 steps, and uphill after them."""
    return lambda step: 0.05 if step < 7 * better else -0.05


def stopped(better: int, **options: Any) -> tuple[list[dict[str, float]], list[dict[str, Any]], MLP]:
    """Train, and return the records, the parameters after each epoch, and the model."""
    model = network()
    records, states = [], []
    parts = {"train": TRAIN, "validation": VALIDATION}
    optimizer = SGD(model.parameters())
    settings: Any = {"batch_size": 8, "schedule": there_and_back(better), **options}
    for record in fit(model, optimizer, parts, LEVELS, generator=np.random.default_rng(0), **settings):
        records.append(record)
        states.append(model.state_dict())
    return records, states, model


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_early_stopping_puts_the_best_parameters_back(patience: int) -> None:
    records, states, model = stopped(3, epochs=50, patience=patience)
    losses = [record["validation_loss"] for record in records]
    best = int(np.argmin(losses))
    assert best == 2
    assert len(records) == best + 1 + patience
    assert losses[-1] > losses[best]
    final = model.state_dict()
    assert all(np.array_equal(final[name], states[best][name]) for name in final)
    assert not np.array_equal(final["layers.0.weight"], states[-1]["layers.0.weight"])
    assert evaluate(model, *VALIDATION, LEVELS)[0] == losses[best]


def test_the_best_parameters_are_put_back_when_the_epochs_run_out_too() -> None:
    records, states, model = stopped(2, epochs=4, patience=10)
    assert len(records) == 4
    assert np.array_equal(model.layers[0].weight.data, states[1]["layers.0.weight"])


def test_every_improvement_begins_the_wait_anew() -> None:
    def schedule(step: int) -> float:
        return -0.05 if step // 7 % 2 else 0.15

    records, _, _ = stopped(0, epochs=8, patience=2, schedule=schedule)
    losses = [record["validation_loss"] for record in records]
    assert len(records) == 8
    assert sum(b > a for a, b in pairwise(losses)) >= 3


def test_without_patience_the_last_parameters_stay() -> None:
    records, states, model = stopped(2, epochs=6)
    losses = [record["validation_loss"] for record in records]
    assert losses[-1] > min(losses)
    assert np.array_equal(model.layers[0].weight.data, states[-1]["layers.0.weight"])


def test_patience_needs_a_validation_part() -> None:
    with pytest.raises(ValueError, match="validation"):
        list(run(network(), patience=3))


# ------------------------------------------------------------------------------------------- steps


def test_training_loss_is_the_cross_entropy_of_the_batch() -> None:
    model = network()
    pixels = scale_pixels(TEST[0], LEVELS)
    loss, outputs = training_loss(model, pixels, TEST[1])
    assert loss.requires_grad
    assert loss.item() == pytest.approx(cross_entropy(outputs.data, TEST[1]))
    np.testing.assert_array_equal(outputs.data, model(pixels).data)


# ------------------------------------------------------------------------------- stopped and continued


def training(optimizer: Callable[..., Any] = Adam, **options: Any) -> Training:
    generator = np.random.default_rng(1)
    model = MLP((16, 8, 4, 2), dropout=0.3, input_dropout=0.1, generator=generator)
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    defaults: dict[str, Any] = {"epochs": 3, "batch_size": 8, "schedule": one_cycle(0.05, 21), "replay": True}
    settings = {**defaults, "generator": np.random.default_rng(2), **options}
    if "after_step" in options:
        settings["after_step"] = lambda: clip_weight_norm_(model.parameters()[0], 0.5)
    return Training(model, optimizer(model.parameters()), parts, LEVELS, **settings)


def outcome(training: Training) -> tuple[Any, ...]:
    records = [{**record, "seconds": 0} for record in training.history]
    return records, {name: array.tobytes() for name, array in training.model.state_dict().items()}


OPTIMIZERS: list[Callable[..., Any]] = [
    SGD,
    lambda p: SGD(p, momentum=0.9, nesterov=True),
    Adam,
    lambda p: AdamW(p, weight_decay=0.1),
    RMSprop,
    Adagrad,
]


@pytest.mark.parametrize("steps", range(0, 26, 3))
@pytest.mark.parametrize("options", [{}, {"patience": 1, "epochs": 6}, {"after_step": True}], ids=str)
def test_what_is_left_after_any_step_goes_on_bit_for_bit(
    tmp_path: Path, steps: int, options: dict[str, Any]
) -> None:
    whole = training(**options)
    list(whole)
    left, later = training(**options), training(**options)
    for _, _ in zip(range(steps), left, strict=False):
        pass
    save_checkpoint(tmp_path, left.state_dict())
    later.load_state_dict(load_checkpoint(tmp_path)[0])
    list(later)
    assert outcome(later) == outcome(whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("replay", [False, True])
def test_every_optimizer_goes_on_bit_for_bit(optimizer: Any, replay: bool) -> None:
    whole, left, later = (training(optimizer, replay=replay) for _ in range(3))
    list(whole)
    next(islice(left, 10, None))
    later.load_state_dict(left.state_dict())
    list(later)
    assert outcome(later) == outcome(whole)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.SFC64, np.random.Philox])
def test_every_generator_goes_on_bit_for_bit(tmp_path: Path, bits: Any) -> None:
    whole, left, later = (training(generator=np.random.Generator(bits(5))) for _ in range(3))
    list(whole)
    next(islice(left, 10, None))
    save_checkpoint(tmp_path, left.state_dict())
    later.load_state_dict(load_checkpoint(tmp_path)[0])
    list(later)
    assert outcome(later) == outcome(whole)


def test_a_state_stays_as_it_was_while_training_goes_on() -> None:
    left, later, other = training(), training(), training()
    next(islice(left, 10, None))
    state = left.state_dict()
    later.load_state_dict(state)
    list(left)
    list(later)
    other.load_state_dict(state)
    list(other)
    assert outcome(later) == outcome(left) == outcome(other)


def test_a_state_of_another_network_is_refused() -> None:
    other = Training(
        (model := network()), SGD(model.parameters()), {"train": TRAIN}, LEVELS,
        epochs=1, batch_size=8, schedule=constant(0.1), generator=np.random.default_rng(0),
    )  # fmt: skip
    with pytest.raises((KeyError, ValueError), match="does not fit"):
        training().load_state_dict(other.state_dict())


def test_each_step_and_each_epoch_is_told() -> None:
    whole = training(epochs=2)
    seen = [(record is not None, whole.position, len(whole.history)) for record in whole]
    epoch = [*((False, step, 0) for step in range(1, 8)), (True, 0, 1)]
    assert seen == [*epoch, *((told, position, number + 1) for told, position, number in epoch)]
    assert whole.steps == 7


def test_the_loss_and_the_accuracy_of_a_batch() -> None:
    model = network()
    whole = Training(
        model, SGD(model.parameters()), {"train": TRAIN}, LEVELS,
        epochs=1, batch_size=50, schedule=constant(0.1), generator=np.random.default_rng(0),
    )  # fmt: skip
    expected = evaluate(model, *TRAIN, LEVELS)
    next(iter(whole))
    assert whole.batch_measures() == pytest.approx(expected, rel=1e-5)


# -------------------------------------------------------------------------------- losses beyond hope


@pytest.mark.parametrize("lr", [1e14, 1e20])
def test_a_loss_that_is_no_number_stops_and_its_origin_is_found(lr: float) -> None:
    model = MLP((16, 32, 32, 32, 2), generator=np.random.default_rng(0))
    whole = Training(
        model, SGD(model.parameters()), {"train": TRAIN}, LEVELS, replay=True, epochs=9, batch_size=8,
        schedule=lambda step: 0.01 if step < 10 else lr, generator=np.random.default_rng(0),
    )  # fmt: skip
    start = whole.state_dict()
    with np.errstate(all="ignore"):
        with pytest.raises(NonFiniteLoss, match=r"the loss became (nan|inf) in step \d of epoch 2"):
            list(whole)
        whole.load_state_dict(start)
        words = find_divergence(whole)
    assert re.search(r"^'\w+' gave (nan|-?inf).*, in layers\.\d: Linear$", words)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())
    assert (len(whole.history), whole.position) >= (1, 3)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteLoss):
        list(islice(whole, 2))


def test_a_gradient_that_overflows_is_found_where_it_does() -> None:
    class Steep(MLP):
        def forward(self, x: Any) -> Any:
            return np.sqrt(super().forward(x) * 0)  # 0, and the gradient of the root is infinite

    model = Steep((16, 2), generator=np.random.default_rng(0))
    whole = Training(
        model, SGD(model.parameters()), {"train": TRAIN}, LEVELS,
        epochs=1, batch_size=8, schedule=constant(0.1), generator=np.random.default_rng(0),
    )  # fmt: skip
    start = whole.state_dict()
    with np.errstate(all="ignore"):
        with pytest.raises(NonFiniteLoss, match="in step 2 of epoch 1"):
            list(whole)
        whole.load_state_dict(start)
        assert "the gradient of 'sqrt'" in find_divergence(whole)
    assert whole.position == 0


def test_a_step_of_the_optimizer_that_overflows_is_found() -> None:
    class Reckless(SGD):
        def step(self) -> None:
            super().step()
            if self.steps == 3:
                self.parameters[0].data = np.full_like(self.parameters[0].data, np.inf)

    whole = training(Reckless, replay=False)
    start = whole.state_dict()
    with np.errstate(all="ignore"):
        with pytest.raises(NonFiniteLoss, match="in step 4 of epoch 1"):
            list(whole)
        whole.load_state_dict(start)
        assert find_divergence(whole) == (
            "all gradients are finite, and the step of Reckless made NaN or Inf of layers.1.weight"
        )
    assert whole.position == 2


# --------------------------------------------------------------------------------------- real digits


def trained(
    model: Module, make: Callable[..., Any], schedule: Callable[[int], Schedule], epochs: int
) -> dict[str, float]:
    data = load_digits()
    *_, last = fit(
        model,
        make(model.parameters()),
        {"train": (data.train_images, data.train_labels), "test": (data.test_images, data.test_labels)},
        data.levels,
        epochs=epochs,
        batch_size=32,
        schedule=schedule(epochs * 45),
        generator=np.random.default_rng(0),
    )
    return last


@pytest.mark.parametrize(
    ("make", "lr"), [(lambda p: SGD(p, momentum=0.9), 0.1), (Adam, 0.005)], ids=["momentum", "Adam"]
)
def test_digits_are_learnt_with_dropout(make: Callable[..., Any], lr: float) -> None:
    model = MLP((64, 128, 10), dropout=0.2, generator=np.random.default_rng(0))
    last = trained(model, make, lambda steps: one_cycle(lr, steps), epochs=10)
    assert last["test_accuracy"] >= 0.96
    assert last["train_accuracy"] >= 0.98
    assert last["loss"] < 0.1


@pytest.mark.parametrize(
    ("make", "lr"), [(SGD, 1.0), (lambda p: SGD(p, momentum=0.9), 0.1)], ids=["sgd", "momentum"]
)
def test_digits_are_learnt_with_sigmoid(make: Callable[..., Any], lr: float) -> None:
    model = MLP((64, 32, 10), "sigmoid", generator=np.random.default_rng(0))
    assert trained(model, make, lambda steps: constant(lr), epochs=5)["test_accuracy"] > 0.93
