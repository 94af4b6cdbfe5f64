"""Trees: what is a node and what a leaf, structures that must agree, and names of leaves."""

import re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

import nn
from autograd.trees import argument_paths, flatten, flatten_like, map_tree, paths, rebuild

Point = namedtuple("Point", "x y")


@dataclass
class Layer:
    weights: Any
    bias: Any = None
    size: Any = field(init=False, default=0)
    kind: ClassVar[str] = "layer"

    def __post_init__(self) -> None:
        self.size = 7


@dataclass(frozen=True)
class Model:
    layers: Any
    scale: Any = 1.0


TREE = {
    "a": [1, (2.0, None)],
    "p": Point(3, {"q": 4}),
    "m": Model([Layer(5, 6), Layer(7)], scale=8),
    "empty": [[], {}, (), None],
}


def test_leaves_come_in_order() -> None:
    assert flatten(TREE) == [1, 2.0, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("leaf", [1.0, "text", np.ones(3), {1, 2}, Layer, range(3), b"bytes"], ids=repr)
def test_a_leaf_is_a_tree(leaf: Any) -> None:
    assert flatten(leaf)[0] is leaf and len(flatten(leaf)) == 1
    assert rebuild(leaf, iter(["new"])) == "new"
    assert paths(leaf) == [""]


def test_none_holds_nothing_and_stays() -> None:
    assert flatten(None) == []
    assert map_tree(lambda leaf: 0, [None, 1, {"a": None}]) == [None, 0, {"a": None}]
    assert map_tree(lambda leaf: 0, None) is None


def test_trees_are_rebuilt_in_their_types() -> None:
    doubled = map_tree(lambda leaf: leaf * 2, TREE)
    assert doubled == {
        "a": [2, (4.0, None)],
        "p": Point(6, {"q": 8}),
        "m": Model([Layer(10, 12), Layer(14)], scale=16),
        "empty": [[], {}, (), None],
    }
    assert type(doubled["p"]) is Point
    assert doubled["m"].layers[0].size == 7
    assert TREE["m"].layers[0] == Layer(5, 6)


def test_a_class_that_inherits_from_a_dataclass_is_a_node() -> None:
    class Special(Layer):
        pass

    special = map_tree(lambda leaf: leaf + 1, Special(1, 2))
    assert type(special) is Special and (special.weights, special.bias) == (2, 3)


def test_paths_name_the_leaves_in_order() -> None:
    assert paths(TREE) == [
        "['a'][0]",
        "['a'][1][0]",
        "['p'].x",
        "['p'].y['q']",
        "['m'].layers[0].weights",
        "['m'].layers[0].bias",
        "['m'].layers[1].weights",
        "['m'].scale",
    ]
    assert paths(None) == paths([]) == []


def test_arguments_are_named_by_number_parameter_and_path() -> None:
    def f(params: Any, x: Any, *rest: Any, scale: Any = 1) -> None: ...

    assert argument_paths(f, ({"w": 1, "b": [2]}, 3, 4)) == [
        ["argument 0 ('params')['w']", "argument 0 ('params')['b'][0]"],
        ["argument 1 ('x')"],
        ["argument 2"],
    ]
    assert argument_paths(f, ()) == []
    assert argument_paths(max, (1,)) == [["argument 0"]]  # a function in C that tells nothing


def test_leaves_are_matched_by_structure() -> None:
    assert flatten_like(OrderedDict(a=0, b=[0]), {"b": (2,), "a": 1}) == [1, 2]
    assert flatten_like(Point(0, None), (1, None)) == [1]
    assert flatten_like(Layer(0, [0]), Layer(1, [2])) == [1, 2]


@pytest.mark.parametrize(
    ("structure", "tree", "message"),
    [
        ([0, 0], [0], "a list of 2, and not a list of 1"),
        ((0,), 0, "a tuple of 1, and not an array"),
        ({"a": 0}, {"b": 0}, "a dict with the keys ['a'], and not a dict with the keys ['b']"),
        ({"a": 0}, [0], "a dict with the keys ['a'], and not a list of 1"),
        (Layer(0), Model(0), "a dataclass Layer, and not a dataclass Model"),
        (Layer(0), 0, "a dataclass Layer, and not an array"),
        (0, Layer(0), "an array, and not a dataclass Layer"),
        (None, 0, "None, and not an array"),
        ([0, None], [0, 0], "None, and not an array"),
        ([0, 0], [0, None], "an array, and not None"),
        ((), None, "a tuple of 0, and not None"),
    ],
)
def test_structures_that_differ_are_named(structure: Any, tree: Any, message: str) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"the structure of the value that it belongs to: {message}")
    ):
        flatten_like(structure, tree)


def test_modules_that_are_dataclasses_are_leaves() -> None:
    layer = nn.ELU(0.5)
    assert flatten([layer]) == [layer]
    assert rebuild((layer, 1.0), iter((layer, 2.0)))[0] is layer
