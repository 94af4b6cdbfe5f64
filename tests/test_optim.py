"""Optimizers against the published formulas, written out plainly here, and against PyTorch."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, jit
from nn import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    RMSprop,
    clip_grad_norm_,
    clip_grad_value_,
    clip_weight_norm_,
    cross_entropy,
    optim,
)
from nn.optim import Optimizer

Update = Callable[[np.ndarray, np.ndarray], np.ndarray]
STEPS = 7
LR = 0.05
PIECE = 64


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optim, "PIECE", PIECE)


def leaf(values: Any, dtype: Any = np.float64, name: str | None = None) -> Tensor:
    return Tensor(np.asarray(values, dtype), requires_grad=True, name=name)


def with_gradient(values: Any, gradient: Any, dtype: Any = np.float64) -> Tensor:
    tensor = leaf(values, dtype)
    tensor.grad = Tensor(np.array(gradient, dtype))
    return tensor


# ----------------------------------------------------------------- the formulas, one step a call


def sgd(momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> Update:
    """v = momentum v + g; w = w - lr v, or w - lr (g + momentum v)."""
    v: Any = 0

    def update(w: np.ndarray, g: np.ndarray) -> np.ndarray:
        nonlocal v
        g = g + weight_decay * w
        v = momentum * v + g
        return w - LR * (g + momentum * v if nesterov else v)

    return update


def adam(
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Update:
    """Kingma & Ba's algorithm 1; decoupled, Loshchilov & Hutter's algorithm 2."""
    m: Any = 0
    v: Any = 0
    t = 0

    def update(w: np.ndarray, g: np.ndarray) -> np.ndarray:
        nonlocal m, v, t
        t += 1
        if not decoupled:
            g = g + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat = m / (1 - betas[0] ** t)
        v_hat = v / (1 - betas[1] ** t)
        return w - LR * (m_hat / (np.sqrt(v_hat) + eps) + (weight_decay * w if decoupled else 0))

    return update


def adamw(weight_decay: float = 0.01, **options: Any) -> Update:
    return adam(weight_decay=weight_decay, decoupled=True, **options)


def rmsprop(alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0) -> Update:
    mean_square: Any = 0

    def update(w: np.ndarray, g: np.ndarray) -> np.ndarray:
        nonlocal mean_square
        g = g + weight_decay * w
        mean_square = alpha * mean_square + (1 - alpha) * g**2
        return w - LR * g / (np.sqrt(mean_square) + eps)

    return update


def adagrad(eps: float = 1e-10, weight_decay: float = 0.0) -> Update:
    total: Any = 0

    def update(w: np.ndarray, g: np.ndarray) -> np.ndarray:
        nonlocal total
        g = g + weight_decay * w
        total = total + g**2
        return w - LR * g / (np.sqrt(total) + eps)

    return update


FORMULAS: dict[type[Optimizer], Callable[..., Update]] = {
    SGD: sgd,
    Adam: adam,
    AdamW: adamw,
    RMSprop: rmsprop,
    Adagrad: adagrad,
}
CASES: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {}),
    (SGD, {"weight_decay": 0.1}),
    (SGD, {"momentum": 0.9}),
    (SGD, {"momentum": 0.8, "weight_decay": 0.1}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (Adam, {}),
    (Adam, {"betas": (0.5, 0.6), "eps": 0.1, "weight_decay": 0.1}),
    (Adam, {"betas": (0.0, 0.0)}),
    (AdamW, {}),
    (AdamW, {"betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.5}),
    (AdamW, {"weight_decay": 0.0}),
    (RMSprop, {}),
    (RMSprop, {"alpha": 0.5, "eps": 0.1, "weight_decay": 0.1}),
    (Adagrad, {}),
    (Adagrad, {"eps": 0.1, "weight_decay": 0.1}),
]
each_case = pytest.mark.parametrize(
    ("kind", "options"), CASES, ids=[f"{kind.__name__} {options}" for kind, options in CASES]
)
EVERY = [
    SGD,
    lambda parameters, **options: SGD(parameters, momentum=0.9, **options),
    lambda parameters, **options: SGD(parameters, momentum=0.9, nesterov=True, **options),
    Adam,
    AdamW,
    RMSprop,
    Adagrad,
]
each_optimizer = pytest.mark.parametrize(
    "make", EVERY, ids=["SGD", "momentum", "nesterov", "Adam", "AdamW", "RMSprop", "Adagrad"]
)


def gradients(shape: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.normal(size=shape)) for _ in range(STEPS)]


@each_case
@pytest.mark.parametrize("shape", [(4,), (), (2, 3), (0, 3), (PIECE,), (PIECE + 1,), (7, PIECE - 5)], ids=str)
def test_steps_follow_the_formula(
    kind: type[Optimizer], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    expected = np.random.default_rng(1).normal(size=shape)
    parameter = leaf(expected)
    optimizer = kind([parameter], lr=LR, **options)
    update = FORMULAS[kind](**options)
    for gradient in gradients(shape):
        parameter.grad = Tensor(gradient)
        optimizer.step()
        expected = update(expected, gradient)
        np.testing.assert_allclose(parameter.data, expected, rtol=1e-11, atol=1e-13)


@each_case
def test_parameters_of_different_dtypes_and_sizes_together(
    kind: type[Optimizer], options: dict[str, Any]
) -> None:
    shapes = [((3, 2), np.float32), ((PIECE + 9,), np.float64), ((), np.float32), ((0,), np.float32)]
    shapes += [((2, PIECE), np.float32), ((5,), np.float64)]
    generator = np.random.default_rng(1)
    expected = [generator.normal(size=shape) for shape, _ in shapes]
    parameters = [leaf(w, dtype) for w, (_, dtype) in zip(expected, shapes, strict=True)]
    optimizer = kind(parameters, lr=LR, **options)
    updates = [FORMULAS[kind](**options) for _ in shapes]
    for step in range(STEPS):
        for number, (shape, dtype) in enumerate(shapes):
            gradient = gradients(shape, number)[step].astype(dtype)
            parameters[number].grad = Tensor(gradient)
            expected[number] = updates[number](expected[number], gradient.astype(np.float64))
        optimizer.step()
    for parameter, w, (shape, dtype) in zip(parameters, expected, shapes, strict=True):
        assert parameter.shape == shape
        assert parameter.dtype == dtype
        tolerance = 1e-11 if dtype == np.float64 else 2e-5
        np.testing.assert_allclose(parameter.data, w, rtol=tolerance, atol=tolerance)
    assert all(
        array.dtype == parameter.dtype
        for arrays in optimizer.state.values()
        for array, parameter in zip(arrays, parameters, strict=True)
    )


@each_case
def test_steps_agree_with_pytorch(kind: type[Optimizer], options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    start = np.random.default_rng(1).normal(size=(4, 3))
    ours, theirs = leaf(start), torch.tensor(start, requires_grad=True)
    our_optimizer = kind([ours], lr=LR, **options)
    their_optimizer = getattr(torch.optim, kind.__name__)([theirs], lr=LR, **options)
    for gradient in gradients((4, 3)):
        ours.grad, theirs.grad = Tensor(gradient), torch.tensor(gradient)
        our_optimizer.step()
        their_optimizer.step()
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-11)


@pytest.mark.parametrize("kind", [Adam, RMSprop, lambda w, lr: SGD(w, lr, momentum=0.9)])
def test_float16_parameters_have_their_state_in_float32(kind: Any) -> None:
    narrow, wide = leaf([1.0, -2.0], np.float16), leaf([1.0, -2.0], np.float32)
    optimizers = [kind([parameter], lr=0.01) for parameter in (narrow, wide)]
    for _ in range(300):
        for parameter, optimizer in zip((narrow, wide), optimizers, strict=True):
            parameter.grad = Tensor(np.full(2, 20, parameter.dtype))
            optimizer.step()
    assert narrow.dtype == np.float16
    assert {array.dtype for arrays in optimizers[0].state.values() for array in arrays} == {
        np.dtype(np.float32)
    }
    np.testing.assert_allclose(narrow.data, wide.data, rtol=0.05)


def test_default_hyperparameters() -> None:
    w = [leaf(1.0)]
    assert (SGD(w).lr, SGD(w).momentum, SGD(w).nesterov, SGD(w).weight_decay) == (0.01, 0, False, 0)
    assert (Adam(w).lr, Adam(w).betas, Adam(w).eps, Adam(w).weight_decay) == (0.001, (0.9, 0.999), 1e-8, 0)
    assert (AdamW(w).lr, AdamW(w).weight_decay) == (0.001, 0.01)
    assert (RMSprop(w).lr, RMSprop(w).alpha) == (0.01, 0.99)
    assert Adagrad(w).lr == 0.01


def test_adam_takes_a_first_step_of_the_learning_rate() -> None:
    parameter = with_gradient([1.0, 1.0, 1.0], [1e-3, -5.0, 1e3])
    Adam([parameter], lr=0.1).step()
    np.testing.assert_allclose(parameter.data, [0.9, 1.1, 0.9], rtol=1e-5)


def test_adamw_shrinks_weights_apart_from_the_gradient() -> None:
    parameter = with_gradient([2.0], [0.0])
    AdamW([parameter], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(parameter.data, [2 * (1 - 0.05)], rtol=1e-15)
    parameter = with_gradient([2.0], [0.0])
    Adam([parameter], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(parameter.data, [1.9], rtol=1e-6)


@each_optimizer
def test_steps_go_downhill(make: Callable[..., Optimizer]) -> None:
    parameter, target = leaf([3.0, -2.0]), np.array([1.0, 1.0])
    optimizer = make([parameter], lr=0.1)

    def loss() -> Any:
        return ((parameter - target) ** 2).sum()

    first = loss().item()
    for _ in range(20):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.9 * first


# ----------------------------------------------------------------------------- memory and the graph


@each_optimizer
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_in_place_and_leave_gradients_alone(
    make: Callable[..., Optimizer], weight_decay: float
) -> None:
    for shape in ((), (3, 2), (PIECE + 3,)):
        parameter = with_gradient(np.ones(shape), np.full(shape, 0.5))
        values, gradient = parameter.data, parameter.grad
        optimizer = make([parameter], weight_decay=weight_decay)
        states = [array for arrays in optimizer.state.values() for array in arrays]
        for _ in range(3):
            optimizer.step()
        assert parameter.data is values
        assert (values < 1).all()
        assert parameter.grad is gradient
        assert (gradient.data == 0.5).all()
        now = [array for arrays in optimizer.state.values() for array in arrays]
        assert all(a is b for a, b in zip(states, now, strict=True))


@each_optimizer
def test_gradients_may_lie_in_memory_in_any_way(make: Callable[..., Optimizer]) -> None:
    values = np.arange(6.0).reshape(2, 3)
    scattered, plain = leaf(values), leaf(values)
    gradient = np.arange(6.0).reshape(3, 2).T
    assert not gradient.flags.c_contiguous
    scattered.grad, plain.grad = Tensor(gradient), Tensor(np.ascontiguousarray(gradient))
    make([scattered]).step()
    make([plain]).step()
    np.testing.assert_array_equal(scattered.data, plain.data)


def test_steps_count_after_loading_arrays_in_fortran_order() -> None:
    model = MLP((3, 2), generator=np.random.default_rng(0))
    optimizer = SGD(model.parameters(), lr=1.0)
    model.load_state_dict({name: np.asfortranarray(array) for name, array in model.state_dict().items()})
    before = model.state_dict()["layers.0.weight"]
    model(np.ones((1, 3), np.float32)).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(model.layers[0].weight.data, before - 1, rtol=1e-6)


def test_steps_count_after_the_values_were_assigned_in_another_order() -> None:
    parameter = leaf(np.zeros((3, 2)))
    optimizer = SGD([parameter], lr=1.0)
    parameter.data = np.zeros((2, 3)).T
    parameter.grad = Tensor(np.ones((3, 2)))
    optimizer.step()
    np.testing.assert_array_equal(parameter.data, np.full((3, 2), -1.0))


def test_steps_count_for_leaves_made_of_arrays_in_another_order() -> None:
    parameter = Tensor(np.zeros((2, 3)).T)
    parameter.requires_grad = True
    parameter.grad = Tensor(np.ones((3, 2)))
    SGD([parameter], lr=1.0).step()
    np.testing.assert_array_equal(parameter.data, np.full((3, 2), -1.0))


@each_optimizer
def test_the_callers_arrays_are_not_changed(make: Callable[..., Optimizer]) -> None:
    given, switched, assigned = np.ones(3), np.ones(3), np.ones(3)
    parameters = [Tensor(given, requires_grad=True), Tensor(switched), leaf(np.zeros(3))]
    parameters[1].requires_grad = True
    parameters[2].data = assigned
    optimizer = make(parameters)
    for _ in range(2):
        for parameter in parameters:
            parameter.grad = Tensor(np.ones(3))
        optimizer.step()
    assert all((parameter.data < 1).all() for parameter in parameters)
    assert all((array == 1).all() for array in (given, switched, assigned))


@each_optimizer
def test_parameters_without_a_gradient_are_left_alone(make: Callable[..., Optimizer]) -> None:
    first, second = with_gradient([1.0], [1.0]), leaf([1.0])
    optimizer = make([first, second], weight_decay=0.1)
    optimizer.step()
    assert first.data < 1
    assert second.data == 1
    assert all(arrays[1] == 0 for arrays in optimizer.state.values())


@each_optimizer
def test_a_step_without_any_gradient_is_an_error(make: Callable[..., Optimizer]) -> None:
    optimizer = make([leaf([1.0]), leaf([2.0])])
    with pytest.raises(RuntimeError, match=r"no parameter has a gradient: call backward\(\)"):
        optimizer.step()
    assert optimizer.steps == 0


def test_zero_grad_forgets_all_gradients() -> None:
    parameters = [with_gradient([1.0], [1.0]), leaf([1.0])]
    SGD(parameters).zero_grad()
    assert all(p.grad is None for p in parameters)


def test_steps_are_counted() -> None:
    optimizer = SGD([with_gradient([1.0], [1.0])])
    for number in (1, 2, 3):
        optimizer.step()
        assert optimizer.steps == number


def test_the_learning_rate_may_change_between_steps() -> None:
    parameter = with_gradient([0.0], [1.0])
    optimizer = SGD([parameter], lr=1.0)
    for lr in (1.0, 0.5, 0.0):
        optimizer.lr = lr
        optimizer.step()
    np.testing.assert_array_equal(parameter.data, [-1.5])


@each_optimizer
def test_a_step_between_forward_and_backward_is_noticed(make: Callable[..., Optimizer]) -> None:
    parameter = leaf([1.0, 2.0], name="weight")
    optimizer = make([parameter])
    first, second = (parameter * parameter).sum(), (parameter * 2).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"'weight' was changed after 'multiply' had used it .*optimizer"):
        second.backward()
    (parameter * 2).sum().backward()


def test_a_parameter_that_was_left_alone_may_still_go_backward() -> None:
    used, unused = with_gradient([1.0], [1.0]), leaf([1.0])
    result = (unused * 2).sum()
    SGD([used, unused]).step()
    result.backward()
    assert unused.grad.item() == 2


def test_adam_corrects_the_bias_of_a_parameter_that_joins_late() -> None:
    early, late = with_gradient([1.0], [1.0]), leaf([1.0])
    optimizer = Adam([early, late], lr=0.1)
    for _ in range(50):
        optimizer.step()
    late.grad = Tensor([1.0])
    optimizer.step()
    np.testing.assert_allclose(late.data, [0.9], rtol=1e-6)


# ------------------------------------------------------------------------------ saving and loading


def train(optimizer: Optimizer, steps: Iterator[int]) -> list[np.ndarray]:
    for step in steps:
        for number, parameter in enumerate(optimizer.parameters):
            parameter.grad = Tensor(gradients(parameter.shape, number)[step])
        optimizer.step()
    return [parameter.numpy() for parameter in optimizer.parameters]


@each_optimizer
def test_a_saved_state_goes_on_exactly(make: Callable[..., Optimizer]) -> None:
    def start() -> Optimizer:
        return make([leaf(np.ones(3)), leaf(np.ones((2, 2))), leaf(1.0)], lr=LR, weight_decay=0.1)

    expected = train(start(), iter(range(6)))
    stopped = start()
    values = train(stopped, iter(range(3)))
    state = {name: np.array(array) for name, array in stopped.state_dict().items()}
    train(stopped, iter(range(3, 5)))
    resumed = start()
    for parameter, array in zip(resumed.parameters, values, strict=True):
        parameter.data = array
    resumed.load_state_dict(state)
    assert resumed.steps == 3
    for ours, theirs in zip(train(resumed, iter(range(3, 6))), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_state_dict_names_and_copies() -> None:
    optimizer = Adam([with_gradient([1.0], [1.0]), with_gradient([[2.0]], [[1.0]])])
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["steps", "updates", "momentum.0", "momentum.1", "squares.0", "squares.1"]
    assert state["steps"] == 1
    state["momentum.0"][:] = 100
    assert optimizer.state["momentum"][0] == 1
    assert list(SGD([leaf(1.0)]).state_dict()) == ["steps", "updates"]
    assert list(SGD([leaf(1.0)], momentum=0.5).state_dict()) == ["steps", "updates", "momentum.0"]


def test_load_state_dict_copies_and_keeps_dtypes() -> None:
    optimizer = SGD([leaf([1.0, 2.0], np.float32)], momentum=0.9)
    given = {"steps": np.array(4), "updates": np.array([4]), "momentum.0": np.array([3.0, 4.0])}
    optimizer.load_state_dict(given)
    given["momentum.0"][:] = 0
    np.testing.assert_array_equal(optimizer.state["momentum"][0], [3, 4])
    assert optimizer.state["momentum"][0].dtype == np.float32


def test_load_state_dict_lists_all_that_does_not_fit() -> None:
    optimizer = Adam([leaf([1.0, 2.0]), leaf([1.0])])
    before = optimizer.state_dict()
    state = {
        "steps": np.array(5),
        "momentum.0": np.ones(3),
        "momentum.1": np.ones(1),
        "squares.1": np.ones((1, 1)),
        "mean.0": np.ones(2),
    }
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(state)
    assert str(caught.value) == (
        "state of Adam does not fit: updates is missing; squares.0 is missing; mean.0 is unexpected; "
        "momentum.0 is (2,) and was given (3,); squares.1 is (1,) and was given (1, 1)"
    )
    after = optimizer.state_dict()
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_copies_of_model_and_optimizer_go_on_together() -> None:
    model = MLP((3, 4, 2), generator=np.random.default_rng(0))
    optimizer = Adam(model.parameters())
    x, labels = np.ones((2, 3), np.float32), [0, 1]
    cross_entropy(model(x), labels).backward()
    optimizer.step()
    for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        twin, twin_optimizer = copied((model, optimizer))
        assert all(a is b for a, b in zip(twin.parameters(), twin_optimizer.parameters, strict=True))
        cross_entropy(twin(x), labels).backward()
        before = twin.state_dict()
        twin_optimizer.step()
        assert not np.array_equal(twin.layers[1].bias.data, before["layers.1.bias"])
        assert np.array_equal(model.layers[1].bias.data, before["layers.1.bias"])


@each_optimizer
def test_a_saved_state_can_be_loaded_back_into_its_optimizer(make: Callable[..., Optimizer]) -> None:
    optimizer = make([leaf(np.ones(PIECE + 1)), leaf(1.0)], lr=LR)
    values = train(optimizer, iter(range(2)))
    state = {name: np.array(array) for name, array in optimizer.state_dict().items()}
    expected = train(optimizer, iter(range(2, 5)))
    for parameter, array in zip(optimizer.parameters, values, strict=True):
        parameter.data = array
    optimizer.load_state_dict(state)
    for ours, theirs in zip(train(optimizer, iter(range(2, 5))), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_made_while_a_parameter_was_frozen_go_on_too(copied: Callable[..., Any]) -> None:
    parameter = with_gradient([1.0], [1.0])
    optimizer = SGD([parameter], lr=1.0, momentum=0.5)
    optimizer.step()
    parameter.requires_grad = False
    twin, twin_optimizer = copied((parameter, optimizer))
    twin.requires_grad = True
    twin.grad = Tensor([1.0])
    twin_optimizer.step()
    assert twin.item() == -1.5
    assert twin_optimizer.state["momentum"][0] == 1.5


# ------------------------------------------------------------------------------------------- errors


@each_optimizer
def test_no_parameters_is_an_error(make: Callable[..., Optimizer]) -> None:
    with pytest.raises(ValueError, match="needs parameters, and got none"):
        make([])
    with pytest.raises(ValueError, match="needs parameters, and got none"):
        make(iter(()))


def test_results_of_operations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"leaf tensors .*op=multiply.* is not one; make parameters with"):
        SGD([leaf([1.0]), leaf([1.0]) * 2])


def test_a_parameter_that_is_given_twice_counts_once_or_is_refused() -> None:
    parameter = with_gradient([1.0], [1.0])
    try:
        SGD([parameter, parameter], lr=0.1).step()
    except ValueError:
        return
    assert parameter.item() == 0.9


NOT_RATES = [-0.1, float("nan"), float("inf")]
NOT_FRACTIONS = [-0.1, 1.0, 1.5, float("nan")]


@each_optimizer
@pytest.mark.parametrize("name", ["lr", "weight_decay"])
@pytest.mark.parametrize("value", NOT_RATES)
def test_rates_out_of_range(make: Callable[..., Optimizer], name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be at least 0.*; got {value}"):
        make([leaf(1.0)], **{name: value})


@pytest.mark.parametrize("value", NOT_FRACTIONS)
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda w, value: SGD(w, momentum=value), "momentum"),
        (lambda w, value: Adam(w, betas=(value, 0.9)), "beta"),
        (lambda w, value: Adam(w, betas=(0.9, value)), "beta"),
        (lambda w, value: AdamW(w, betas=(0.9, value)), "beta"),
        (lambda w, value: RMSprop(w, alpha=value), "alpha"),
    ],
    ids=["momentum", "beta1", "beta2", "AdamW", "alpha"],
)
def test_fractions_out_of_range(make: Callable[..., Optimizer], name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and less than 1; got {value}"):
        make([leaf(1.0)], value)


def test_zero_rates_are_in_range() -> None:
    parameter = with_gradient([1.0], [1.0])
    SGD([parameter], lr=0, momentum=0, weight_decay=0).step()
    assert parameter.data == 1


@pytest.mark.parametrize("kind", [Adam, AdamW, RMSprop, Adagrad])
@pytest.mark.parametrize("eps", NOT_RATES)
def test_eps_out_of_range(kind: Callable[..., Optimizer], eps: float) -> None:
    with pytest.raises(ValueError, match="eps must be at least 0"):
        kind([leaf(1.0)], eps=eps)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999)])
def test_adam_refuses_other_than_two_betas(betas: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):
        Adam([leaf(1.0)], betas=betas)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValueError, match="nesterov needs momentum > 0"):
        SGD([leaf(1.0)], nesterov=True)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1,), (3, 3, 1)])
def test_a_gradient_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    before, parameter = with_gradient([1.0], [1.0]), with_gradient(np.ones((3, 3)), np.ones(shape))
    optimizer = SGD([before, parameter], momentum=0.9)
    with pytest.raises(ValueError, match=r"shape \(3, 3\) was given a gradient of shape"):
        optimizer.step()
    np.testing.assert_array_equal(before.data, [1.0])  # nothing has been changed
    np.testing.assert_array_equal(optimizer.state["momentum"][0], [0.0])
    assert (optimizer.steps, optimizer.updates) == (0, [0, 0])


def test_an_optimizer_defines_its_update() -> None:
    with pytest.raises(NotImplementedError):
        Optimizer([with_gradient([1.0], [1.0])], lr=0.1).step()


def test_an_optimizer_of_ones_own() -> None:
    class SignDescent(Optimizer):
        slots = ("count",)

        def update(self, w: Any, g: Any, state: Any, scratch: Any, numbers: Any) -> None:
            (count,), (first, _), lr = state, scratch, numbers[0]
            count += 1
            w -= np.multiply(np.sign(g), lr, out=first)

    parameter = with_gradient(np.ones(PIECE + 1), np.full(PIECE + 1, -7.0))
    optimizer = SignDescent([parameter], lr=0.5)
    optimizer.step()
    assert (parameter.data == 1.5).all()
    assert (optimizer.state_dict()["count.0"] == 1).all()


# ------------------------------------------------------------------------------- clipping gradients


def test_clip_grad_norm_scales_all_gradients_together() -> None:
    parameters = [with_gradient([0.0, 0.0], [3.0, 0.0]), with_gradient(0.0, 4.0), leaf([1.0])]
    buffers = [p.grad.data for p in parameters[:2]]
    norm = clip_grad_norm_(iter(parameters), 1.0)
    assert norm == 5
    assert type(norm) is float
    np.testing.assert_allclose(parameters[0].grad.data, [0.6, 0], rtol=1e-15)
    np.testing.assert_allclose(parameters[1].grad.data, 0.8, rtol=1e-15)
    assert parameters[2].grad is None
    assert all(p.grad.data is buffer for p, buffer in zip(parameters, buffers, strict=False))
    assert clip_grad_norm_(parameters, 1.0) == pytest.approx(1)


@pytest.mark.parametrize("max_norm", [5.0, 5.001, 1e9])
def test_clip_grad_norm_leaves_gradients_within_the_limit(max_norm: float) -> None:
    parameter = with_gradient([0.0, 0.0], [3.0, -4.0])
    assert clip_grad_norm_([parameter], max_norm) == 5
    np.testing.assert_array_equal(parameter.grad.data, [3, -4])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_clip_grad_norm_leaves_gradients_that_are_not_finite(value: float) -> None:
    parameters = [with_gradient([0.0, 0.0], [3.0, value]), with_gradient([0.0], [4.0])]
    norm = clip_grad_norm_(parameters, 1.0)
    assert norm == np.inf if np.isinf(value) else np.isnan(norm)
    np.testing.assert_array_equal(parameters[0].grad.data, [3, value])
    np.testing.assert_array_equal(parameters[1].grad.data, [4])


def test_clip_grad_norm_computes_in_float64() -> None:
    parameter = with_gradient([0.0, 0.0], [3e30, 4e30], np.float32)
    assert clip_grad_norm_([parameter], 1.0) == pytest.approx(5e30)
    np.testing.assert_allclose(parameter.grad.data, [0.6, 0.8], rtol=1e-6)
    assert parameter.grad.dtype == np.float32


def test_clip_grad_norm_of_nothing_and_to_nothing() -> None:
    assert clip_grad_norm_([], 1.0) == 0
    assert clip_grad_norm_([leaf([1.0])], 1.0) == 0
    parameter = with_gradient([1.0], [2.0])
    assert clip_grad_norm_([parameter], 0.0) == 2
    assert parameter.grad.item() == 0


def test_clip_grad_value_limits_every_element() -> None:
    parameters = [with_gradient([0.0] * 4, [-3.0, -0.5, 0.5, np.inf]), with_gradient(0.0, -2.0), leaf(1.0)]
    buffer = parameters[0].grad.data
    clip_grad_value_(iter(parameters), 1.0)
    np.testing.assert_array_equal(parameters[0].grad.data, [-1, -0.5, 0.5, 1])
    assert parameters[0].grad.data is buffer
    assert parameters[1].grad.item() == -1
    assert parameters[2].grad is None


def test_gradients_of_a_real_backward_can_be_clipped() -> None:
    for clip in (clip_grad_norm_, clip_grad_value_):
        vector, number = leaf(np.ones(4)), leaf(2.0)
        (vector.sum() * number).backward()
        clip([vector, number], 0.5)
        assert np.abs(vector.grad.data).max() <= 0.5
        assert abs(number.grad.item()) <= 0.5


@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_limits_out_of_range(clip: Callable[..., Any], limit: float) -> None:
    with pytest.raises(ValueError, match=f"must be at least 0; got {limit}"):
        clip([with_gradient([1.0], [1.0])], limit)


@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
def test_without_a_limit_nothing_is_clipped(clip: Callable[..., Any]) -> None:
    parameter = with_gradient([1.0], [2.0])
    assert clip([parameter], np.inf) in (2, None)
    assert parameter.grad.item() == 2


# ----------------------------------------------------------------------------------------- complex


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(), (3,), (5, 30)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (Adam, {"weight_decay": 0.1}),
        (AdamW, {}),
        (RMSprop, {}),
        (Adagrad, {}),
    ],
)
def test_of_complex_parameters_both_parts_are_changed_by_themselves(
    kind: Any, options: Any, shape: tuple[int, ...], dtype: Any, recorded: bool
) -> None:
    x, y, a, b = np.random.default_rng(0).normal(size=(4, *shape))
    whole, real, imag = leaf(x + 1j * y, dtype), leaf(x), leaf(y)
    of_whole, of_parts = kind([whole], lr=0.1, **options), kind([real, imag], lr=0.1, **options)

    def step() -> None:
        of_whole.zero_grad()
        np.sum(np.abs(whole - (a + 1j * b).astype(dtype)) ** 2).backward()
        of_whole.step()

    take_step = jit(step) if recorded else step
    for _ in range(4):
        take_step()
        of_parts.zero_grad()
        (np.sum((real - a) ** 2) + np.sum((imag - b) ** 2)).backward()
        of_parts.step()
    assert whole.dtype == dtype
    np.testing.assert_allclose(whole.data, real.data + 1j * imag.data, rtol=1e-4, atol=1e-5)
    again = kind([whole], lr=0.1, **options)
    again.load_state_dict(of_whole.state_dict())
    assert str(again.state_dict()) == str(of_whole.state_dict())


def test_complex_gradients_are_clipped() -> None:
    parameter = with_gradient([0, 0], [3 + 4j, 12], complex)
    assert clip_grad_norm_([parameter], 6.5) == 13
    np.testing.assert_allclose(parameter.grad.data, [1.5 + 2j, 6])
    clip_grad_value_([parameter], 1.75)
    np.testing.assert_allclose(parameter.grad.data, [1.5 + 1.75j, 1.75])


# ------------------------------------------------------------------------------- the norm of weights


def clipped(weight: np.ndarray, max_norm: float) -> np.ndarray:
    norms = np.sqrt(np.sum(np.abs(weight.astype(complex)) ** 2, axis=0))
    return weight * np.where(norms > max_norm, max_norm / np.where(norms > 0, norms, 1), 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (700, 500), (0, 3), (3, 0)])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e9])
def test_clip_weight_norm_limits_the_norm_into_each_unit(dtype: Any, shape: Any, max_norm: float) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    if values.dtype.kind == "c":
        values = values * (1 + 2j)
    if values.size > 1:
        values[:, 0] = 0
    weight = Tensor(values, requires_grad=True)
    array, order = weight.data, weight.order
    clip_weight_norm_(weight, max_norm)
    assert weight.data is array
    assert weight.dtype == values.dtype
    assert weight.order > order
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(weight.data, clipped(values, max_norm), rtol=tolerance, atol=tolerance)
    if max_norm == 1e9:
        np.testing.assert_array_equal(weight.data, values)


def test_clip_weight_norm_is_replayed() -> None:
    weight = Tensor(np.ones((2, 3), np.float32), requires_grad=True)

    @jit
    def step(scale: Any) -> Any:
        loss = np.sum(weight * scale)
        weight.zero_grad()
        loss.backward()
        optimizer.step()
        clip_weight_norm_(weight, 1.0)
        return loss

    optimizer = SGD([weight], lr=1.0)
    for number in range(1, 4):
        expected = clipped(weight.data - number, 1.0)
        step(np.float32(number))
        np.testing.assert_allclose(weight.data, expected, rtol=1e-6)


def test_clip_weight_norm_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match=r"a weight is a matrix \(inputs, outputs\); got the shape \(3,\)"):
        clip_weight_norm_(Tensor(np.ones(3)), 1.0)
    with pytest.raises(ValueError, match="max_norm must be at least 0; got -1"):
        clip_weight_norm_(Tensor(np.ones((3, 3))), -1)
