"""Modules: what belongs to them, saving and loading, and calling them with other parameters."""

import copy
import gc
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from autograd import Tensor, grad, gradcheck
from nn import MLP, Dropout, Linear, Module, ReLU, Sequential, cross_entropy, functional_call
from nn.module import independent_copy


def parameter(*values: float) -> Tensor:
    return Tensor(np.array(values if len(values) != 1 else values[0], float), requires_grad=True)


class Bag(Module):
    """Whatever it is given, as attributes."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Pair(NamedTuple):
    slope: Tensor
    shift: Any


class Nested(Module):
    """Parameters in every kind of container: slope x + shift + extra + more."""

    def __init__(self) -> None:
        self.pair = Pair(parameter(2), [parameter(3)])
        self.extra = (parameter(5),)
        self.more = {"first": parameter(7), 2: parameter(11)}

    def forward(self, x: Any) -> Any:
        return (
            self.pair.slope * x + self.pair.shift[0] + self.extra[0] + self.more["first"] * self.more[2] * x
        )


NESTED_NAMES = ["pair.0", "pair.1.0", "extra.0", "more.first", "more.2"]


class Tied(Module):
    """x W W W, with one weight in three places."""

    def __init__(self) -> None:
        self.encode = parameter(1, 2)
        self.decode = self.encode
        self.others = [self.encode]

    def forward(self, x: Any) -> Any:
        return x * self.encode * self.decode * self.others[0]


class Looped(Module):
    """A module that holds itself, in person, in a list and in a tuple."""

    def __init__(self) -> None:
        self.weight = parameter(3)
        self.me = self
        self.mine = [self]
        self.ours = (self, [])
        self.ours[1].append(self.ours)

    def forward(self, x: Any) -> Any:
        return self.me.weight * x + self.mine[0].weight + self.ours[1][0][0].weight


def names(module: Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def mlp(*sizes: int, dtype: Any = np.float64, **options: Any) -> MLP:
    return MLP(sizes, generator=np.random.default_rng(0), dtype=dtype, **options)


X = np.random.default_rng(1).normal(size=(5, 3))


# ------------------------------------------------------------------------------- what belongs to it


def test_parameters_are_found_in_attributes_and_containers_in_order() -> None:
    module = Bag(
        weight=parameter(1),
        several=[parameter(2), (parameter(3), {"deep": parameter(4)})],
        by_name=OrderedDict(b=parameter(5), a=parameter(6)),
        part=Bag(weight=parameter(7)),
        parts=[Bag(), Bag(weight=parameter(8))],
    )
    assert names(module) == [
        "weight",
        "several.0",
        "several.1.0",
        "several.1.1.deep",
        "by_name.b",
        "by_name.a",
        "part.weight",
        "parts.1.weight",
    ]
    assert [p.item() for p in module.parameters()] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [path for path, _ in module.named_modules()] == ["", "part", "parts.0", "parts.1"]
    assert names(Nested()) == NESTED_NAMES


def test_shared_parameters_and_modules_count_once() -> None:
    shared = Linear(2, 2, generator=np.random.default_rng(0))
    module = Sequential(shared, ReLU(), shared)
    assert names(module) == ["layers.0.weight", "layers.0.bias"]
    assert [path for path, _ in module.named_modules()] == ["", "layers.0", "layers.1"]
    assert names(Tied()) == ["encode"]
    assert list(Tied().state_dict()) == ["encode"]


def test_modules_may_hold_themselves() -> None:
    module = Looped()
    assert names(module) == ["weight"]
    assert [path for path, _ in module.named_modules()] == [""]
    assert repr(module) == "Looped()"
    assert module.eval().training is False


def test_modules_may_be_nested_deeply() -> None:
    module = Bag(weight=parameter(1))
    for _ in range(5000):
        module = Bag(inner=module)
    assert names(module) == [".".join(["inner"] * 5000 + ["weight"])]
    assert module.eval().inner.inner.training is False


def test_frozen_tensors_are_state_and_not_parameters() -> None:
    module = Bag(weight=parameter(1), mean=Tensor([2.0, 3.0]), count=Tensor(4))
    assert names(module) == ["weight"]
    assert [name for name, _ in module.named_state()] == ["weight", "mean", "count"]
    assert list(module.state_dict()) == ["weight", "mean", "count"]
    module.weight.requires_grad = False
    module.mean.requires_grad = True
    assert names(module) == ["mean"]


def test_results_of_operations_do_not_belong_to_a_module() -> None:
    weight = parameter(1)
    module = Bag(weight=weight, last=weight * 2, parts=[weight + 1])
    assert [name for name, _ in module.named_state()] == ["weight"]


def test_what_is_neither_is_ignored() -> None:
    module = Bag(bias=None, size=3, name="x", array=np.ones(2), function=np.tanh, empty=[], nothing=())
    assert module.parameters() == []
    assert module.state_dict() == {}
    module.load_state_dict({})


@pytest.mark.parametrize(
    "module",
    [
        Bag(a={"b.c": parameter(1), "b": {"c": parameter(2)}}),
        Bag(a={1: parameter(1), "1": parameter(2)}),
    ],
    ids=["dot", "number"],
)
def test_no_two_parameters_have_one_name(module: Module) -> None:
    try:
        state = module.state_dict()
    except ValueError as error:
        assert "name" in str(error)
    else:
        assert len(state) == 2


# ----------------------------------------------------------------------------- modes and gradients


def test_train_and_eval_reach_every_module_and_return_it() -> None:
    inner = Dropout(generator=np.random.default_rng(0))
    module = Bag(parts={"x": (Bag(inner=inner),)})
    assert module.training and inner.training
    assert module.eval() is module
    assert not module.training and not inner.training
    assert module.train() is module
    assert module.training and inner.training
    assert not module.train(False).training
    assert Bag().training


def test_zero_grad_forgets_all_gradients() -> None:
    module = Nested()
    module(1.0).backward()
    assert all(p.grad is not None for p in module.parameters())
    module.zero_grad()
    assert all(p.grad is None for p in module.parameters())


def test_forward_must_be_defined() -> None:
    with pytest.raises(NotImplementedError, match=r"Bag needs a method forward\(self, \*inputs\)"):
        Bag()(1.0)


def test_a_call_passes_all_inputs_to_forward() -> None:
    class Sum(Module):
        def forward(self, *inputs: Any) -> Any:
            return sum(inputs)

    assert Sum()(1, 2, 3) == 6


def test_repr_lists_the_parts() -> None:
    module = Sequential(mlp(3, 2), Bag(part=ReLU()))
    assert repr(module).splitlines() == [
        "Sequential(",
        "  layers.0: MLP()",
        "  layers.0.layers.0: Linear(3, 2)",
        "  layers.1: Bag()",
        "  layers.1.part: ReLU()",
        ")",
    ]
    assert repr(ReLU()) == "ReLU()"


# ----------------------------------------------------------------------------- saving and loading


def test_state_dict_holds_copies() -> None:
    module = mlp(3, 2)
    state = module.state_dict()
    assert list(state) == ["layers.0.weight", "layers.0.bias"]
    assert all(type(array) is np.ndarray for array in state.values())
    state["layers.0.bias"][:] = 7
    assert not module.layers[0].bias.data.any()


def test_load_state_dict_restores_and_copies() -> None:
    module, other = Nested(), Nested()
    state = {name: np.array(array + 1) for name, array in module.state_dict().items()}
    other.load_state_dict(state)
    assert [p.item() for p in other.parameters()] == [3, 4, 6, 8, 12]
    state["pair.0"][...] = 100
    assert other.pair.slope.item() == 3


def test_load_state_dict_keeps_the_tensors_and_their_dtypes() -> None:
    module = mlp(3, 2, dtype=np.float32)
    before = module.parameters()
    module.load_state_dict({"layers.0.weight": np.ones((3, 2)), "layers.0.bias": [1, 2]})
    assert all(a is b for a, b in zip(before, module.parameters(), strict=True))
    assert all(p.dtype == np.float32 for p in before)
    np.testing.assert_array_equal(before[1].data, [1, 2])


def test_load_state_dict_sets_frozen_tensors_too() -> None:
    given = np.array([1.0, 2.0])
    module = Bag(mean=Tensor(given))
    module.load_state_dict({"mean": np.array([3.0, 4.0])})
    np.testing.assert_array_equal(module.mean.data, [3, 4])
    np.testing.assert_array_equal(given, [1, 2])


def test_load_state_dict_lists_all_that_is_missing_and_unexpected() -> None:
    module = mlp(3, 4, 2)
    before = module.state_dict()
    state = {name: array + 1 for name, array in before.items() if not name.startswith("layers.0")}
    with pytest.raises(KeyError) as caught:
        module.load_state_dict({**state, "other": np.ones(1), "more": np.ones(1)})
    for name in ("layers.0.weight", "layers.0.bias", "other", "more", "MLP"):
        assert name in str(caught.value)
    assert "layers.1" not in str(caught.value)
    unchanged(module, before)
    with pytest.raises(KeyError, match="unexpected nothing"):
        module.load_state_dict(state)
    with pytest.raises(KeyError, match=r"missing nothing, unexpected \['other'\]"):
        module.load_state_dict({**before, "other": np.ones(1)})


def test_load_state_dict_lists_all_shapes_that_differ() -> None:
    module = mlp(3, 4, 2)
    before = module.state_dict()
    wrong = {"layers.0.weight": np.ones((4, 3)), "layers.1.bias": np.ones((2, 1))}
    with pytest.raises(ValueError) as caught:
        module.load_state_dict({**{name: array + 1 for name, array in before.items()}, **wrong})
    message = str(caught.value)
    assert "layers.0.weight is (3, 4) and was given (4, 3)" in message
    assert "layers.1.bias is (2,) and was given (2, 1)" in message
    assert "layers.0.bias" not in message
    unchanged(module, before)


def test_load_state_dict_changes_nothing_when_values_are_no_numbers() -> None:
    module = mlp(3, 2)
    before = module.state_dict()
    with pytest.raises(ValueError):
        module.load_state_dict({"layers.0.weight": np.ones((3, 2)), "layers.0.bias": np.array(["a", "b"])})
    unchanged(module, before)


def unchanged(module: Module, before: dict[str, np.ndarray]) -> None:
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_loading_between_forward_and_backward_is_noticed() -> None:
    module = mlp(3, 2)
    loss = module(X).sum()
    module.load_state_dict(module.state_dict())
    with pytest.raises(
        RuntimeError, match=r"'weight' was changed after 'linear' had used it.*load_state_dict"
    ):
        loss.backward()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
@pytest.mark.parametrize(
    "module", [mlp(3, 4, 2, dropout=0.5), Nested(), Looped()], ids=lambda m: type(m).__name__
)
def test_copies_have_their_own_equal_state(module: Module, copied: Callable[..., Any]) -> None:
    module.eval()
    twin = copied(module)
    assert names(twin) == names(module)
    assert twin.training is False
    unchanged(twin, module.state_dict())
    x = X if isinstance(module, MLP) else 2.0
    np.testing.assert_array_equal(twin(x).data, module(x).data)
    before = module.state_dict()
    twin.load_state_dict({name: array + 1 for name, array in before.items()})
    unchanged(module, before)


def test_copies_keep_what_is_shared() -> None:
    twin = copy.deepcopy(Tied())
    assert twin.encode is twin.decode is twin.others[0]


# ---------------------------------------------------------------------------- other parameters


@pytest.mark.parametrize("kind", [lambda array: array, Tensor], ids=["arrays", "Tensors"])
@pytest.mark.parametrize(
    ("module", "x"), [(mlp(3, 4, 2), X), (Nested(), 2.0), (Tied(), 2.0), (Looped(), 2.0)], ids=str
)
def test_functional_call_with_the_own_parameters_is_the_module(
    kind: Callable[..., Any], module: Module, x: Any
) -> None:
    params = {name: kind(array) for name, array in module.state_dict().items()}
    np.testing.assert_array_equal(functional_call(module, params, x).data, module(x).data)


def test_functional_call_with_other_parameters_is_the_module_after_loading_them() -> None:
    module, other = mlp(3, 4, 2), mlp(3, 4, 2)
    params = {name: array + 0.5 for name, array in module.state_dict().items()}
    other.load_state_dict(params)
    np.testing.assert_array_equal(functional_call(module, params, X).data, other(X).data)


def test_functional_call_reaches_into_every_container() -> None:
    def output(**params: float) -> float:
        return float(functional_call(Nested(), params, 2.0).data)

    assert output() == 2 * 2 + 3 + 5 + 7 * 11 * 2
    assert output(**{"pair.0": 10}) - output() == 16
    assert output(**{"pair.1.0": 10}) - output() == 7
    assert output(**{"extra.0": 10}) - output() == 5
    assert output(**{"more.first": 8, "more.2": 12}) - output() == 2 * (96 - 77)


def test_functional_call_keeps_the_kinds_of_containers() -> None:
    class Kinds(Module):
        def __init__(self) -> None:
            self.things = [
                Pair(parameter(1), 0),
                OrderedDict(a=parameter(2)),
                defaultdict(list, b=parameter(3)),
            ]

        def forward(self) -> list[Any]:
            return self.things

    module = Kinds()
    pair, ordered, default = functional_call(module, {"things.0.0": 5.0})
    assert (type(pair), type(ordered), type(default)) == (Pair, OrderedDict, defaultdict)
    assert pair.slope.item() == 5
    assert default["absent"] == []
    assert "absent" not in module.things[2]


def test_functional_call_replaces_tied_parameters_in_every_place() -> None:
    np.testing.assert_array_equal(functional_call(Tied(), {"encode": [2.0, 3.0]}, 1.0).data, [8, 27])


def test_functional_call_replaces_frozen_tensors_too() -> None:
    class Scaled(Module):
        scale = None

        def __init__(self) -> None:
            self.scale = Tensor(2.0)

        def forward(self, x: Any) -> Any:
            return x * self.scale

    assert functional_call(Scaled(), {"scale": 5.0}, 3.0).item() == 15


def test_functional_call_refuses_unknown_names() -> None:
    with pytest.raises(KeyError, match=r"MLP has no parameters named \['weight', 'layers.9.bias'\]"):
        functional_call(mlp(3, 2), {"weight": 1, "layers.0.bias": np.zeros(2), "layers.9.bias": 1}, X)


def test_functional_call_leaves_the_module_as_it_is() -> None:
    class Counting(Module):
        def __init__(self) -> None:
            self.weight = parameter(1)
            self.seen: list[Any] = []
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            self.seen.append(x)
            if x is None:
                raise RuntimeError("on purpose")
            return self.weight * x

    module = Counting()
    weight, before = module.weight, dict(vars(module))
    assert functional_call(module, {"weight": 5.0}, 2.0).item() == 10
    with pytest.raises(RuntimeError, match="on purpose"):
        functional_call(module, {"weight": 5.0}, None)
    assert vars(module) == before
    assert module.weight is weight
    assert weight.item() == 1
    assert weight.grad is None
    assert module.seen == []


def test_functional_call_shares_generators_and_modes() -> None:
    class Noisy(Sequential):
        pass

    generator, twin = np.random.default_rng(0), np.random.default_rng(0)
    module, expected = Noisy(Dropout(generator=generator)), Dropout(generator=twin)
    x = np.ones(50)
    for _ in range(2):
        np.testing.assert_array_equal(functional_call(module, {}, x), expected(x))
    assert functional_call(module.eval(), {}, x) is x


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_gradient_of_functional_call_is_that_of_backward(activation: str) -> None:
    module = mlp(3, 4, 4, 2, activation=activation)
    labels = [0, 1, 0, 1, 1]
    gradients = grad(lambda params: cross_entropy(functional_call(module, params, X), labels))(
        module.state_dict()
    )
    cross_entropy(module(X), labels).backward()
    assert list(gradients) == names(module)
    for name, p in module.named_parameters():
        np.testing.assert_allclose(gradients[name], p.grad.data, rtol=1e-14)


def test_gradient_of_functional_call_for_tied_and_nested_parameters() -> None:
    for module in (Tied(), Nested(), Looped()):
        gradients = grad(lambda params, m=module: functional_call(m, params, 2.0).sum())(module.state_dict())
        module(2.0).sum().backward()
        for name, p in module.named_parameters():
            np.testing.assert_array_equal(gradients[name], p.grad.data)


def test_gradcheck_of_tied_parameters() -> None:
    assert gradcheck(lambda params: functional_call(Tied(), params, 2.0), Tied().state_dict(), order=2)


def test_functional_call_with_some_parameters_differentiates_only_those() -> None:
    module = mlp(3, 4, 2)
    name = "layers.1.weight"
    params = {name: module.state_dict()[name]}
    gradients = grad(lambda params: functional_call(module, params, X).sum())(params)
    assert list(gradients) == [name]
    assert all(p.grad is None for p in module.parameters())
    module(X).sum().backward()
    np.testing.assert_allclose(gradients[name].data, module.layers[1].weight.grad.data, rtol=1e-14)


def test_gradient_by_some_parameters_can_be_differentiated_by_the_others() -> None:
    module = mlp(3, 1)
    params = {"layers.0.weight": module.state_dict()["layers.0.weight"]}
    gradients = grad(lambda params: (functional_call(module, params, X) ** 2).sum())(params)
    gradients["layers.0.weight"].sum().backward()
    assert module.layers[0].bias.grad.item() == pytest.approx(2 * X.sum())


def test_functional_call_with_tracked_tensors_stays_in_their_graph() -> None:
    scale = parameter(3)
    functional_call(Tied(), {"encode": scale * [1.0, 1.0]}, 1.0).sum().backward()
    assert scale.grad.item() == 2 * 3 * 9


class Sibling(Module):
    def __init__(self, weight: float) -> None:
        self.weight = parameter(weight)


class Family(Module):
    """Modules in a tuple, each of which holds the tuple."""

    def __init__(self) -> None:
        self.members = (Sibling(1), Sibling(1))
        for member in self.members:
            member.family = self.members

    def forward(self, x: Any) -> Any:
        return self.members[0].weight * x + self.members[1].weight * 10 * x


def test_functional_call_reaches_what_a_tuple_in_a_loop_holds() -> None:
    module = Family()
    assert names(module) == ["members.0.weight", "members.1.weight"]
    assert functional_call(module, {"members.0.weight": 2.0, "members.1.weight": 3.0}, 1.0).item() == 32


def test_functional_call_of_deeply_nested_containers() -> None:
    weight = Tensor([1.0], requires_grad=True)
    nested: list[Any] = [weight]
    for _ in range(5_000):
        nested = [nested]
    module = Bag(nested=nested)
    (name,) = dict(module.named_parameters())
    module.forward = lambda x: x  # type: ignore[method-assign]
    assert functional_call(module, {name: np.array([2.0])}, 3.0) == 3.0
    assert weight.item() == 1


@pytest.mark.parametrize("bias", [(5, 2), (1,), ()])
def test_functional_call_refuses_parameters_of_other_shapes(bias: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layers.0.bias is \(2,\)"):
        functional_call(mlp(3, 2), {"layers.0.bias": np.ones(bias)}, X)


def test_an_independent_copy_has_its_own_tensors_arrays_and_generators() -> None:
    generator = np.random.default_rng(0)
    model = Bag(
        layers=[Dropout(0.5, generator=generator), Dropout(0.5, generator=generator)],
        weight=parameter(1, 2),
        pair=(parameter(3), np.zeros(2)),
        state=Tensor([1.0, 2.0]),
        result=parameter(2) * 2,
    )
    model.tied = {"weight": model.weight}
    before = generator.bit_generator.state
    copied = independent_copy(model)
    assert copied.tied["weight"] is copied.weight and copied.weight.requires_grad
    assert copied.layers[0].generator is copied.layers[1].generator
    assert copied.result is model.result
    assert copied.layers[0].generator.random() == np.random.default_rng(0).random()
    for tensor in (copied.weight, copied.pair[0], copied.state):
        tensor.data[...] = 9
    copied.pair[1][:] = 9
    assert generator.bit_generator.state == before
    assert model.weight.numpy().tolist() == [1, 2]
    assert (model.pair[0].item(), model.pair[1].tolist(), model.state.tolist()) == (3, [0, 0], [1, 2])


@pytest.mark.parametrize("copied", [independent_copy, lambda model: functional_call(model, {}, 1.0)])
def test_copies_are_freed_without_the_garbage_collector(copied: Callable[[Module], Any]) -> None:
    freed: list[int] = []

    class Watched(Nested):
        def __del__(self) -> None:
            freed.append(id(self))

    model = Watched()
    gc.collect()
    gc.disable()
    try:
        copied(model)
        assert len(freed) == 1
    finally:
        gc.enable()
