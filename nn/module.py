"""Modules: functions with parameters, found by walking their attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, record_call


class Module:
    """A function with state: define `forward(*inputs)`, and keep Tensors and Modules as attributes.

    Whatever is found in attributes, and in lists, tuples and dicts of them, belongs to the module:
    Tensors that require gradients are its parameters, other leaf Tensors are state that is saved
    with them, Modules are its parts. Names are paths such as `layers.0.weight`.
    """

    training = True
    _copied_from: Module | None = None

    def __call__(self, *inputs: Any) -> Any:
        return record_call(self._copied_from or self, self.forward, inputs)

    def forward(self, *inputs: Any) -> Any:
        """Compute the output; every module defines this."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, *inputs)")

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module (named "") and all modules within it, once each."""
        yield from (pair for pair in _walk(self) if isinstance(pair[1], Module))

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all leaf Tensors, parameters and other state, once each.

        Raises ValueError when two of them have one name, as with the keys "0.1" and "0" of dicts.
        """
        names: set[str] = set()
        for name, value in _walk(self):
            if isinstance(value, Tensor) and value.op is None:
                if name in names:
                    raise ValueError(
                        f"two tensors of {type(self).__name__} have the name {name!r}; "
                        "rename a key or an attribute"
                    )
                names.add(name)
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the leaf Tensors that require gradients, once each."""
        yield from (pair for pair in self.named_state() if pair[1].requires_grad)

    def parameters(self) -> list[Tensor]:
        """Return the leaf Tensors that require gradients."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Yield the generators of random numbers, those of dropout for example, once each."""
        seen: set[int] = set()
        for path, value in _walk(self):
            for key, part in parts(value):
                if isinstance(part, np.random.Generator) and id(part) not in seen:
                    seen.add(id(part))
                    yield f"{path}.{key}" if path else str(key), part

    def train(self, mode: bool = True) -> Module:
        """Put this module and all within it into training mode (or out of it); return it."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Put this module and all within it out of training mode; return it."""
        return self.train(False)

    @property
    def device(self) -> str:
        """Where the parameters and other state are, e.g. "cpu"; they are moved together."""
        return next((tensor.device for _, tensor in self.named_state()), "cpu")

    def to(self, device: str) -> Module:
        """Move all parameters, their gradients and other state to a device, e.g. "cuda"; return this module.

        The tensors stay the same, so optimizers know them; their own arrays are made where the parameters
        are: make an optimizer after this.
        """
        for _, tensor in self.named_state():
            tensor.to_(device)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of all parameters and other state, by name."""
        return {name: tensor.numpy() for name, tensor in self.named_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set all parameters and other state, by name, from arrays of their shapes.

        Raises KeyError that lists what is missing and what is unexpected, and ValueError that lists
        the shapes that differ; then nothing has been changed.
        """
        own = dict(self.named_state())
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        if missing or unexpected:
            raise KeyError(
                f"state of {type(self).__name__} does not fit: missing {missing or 'nothing'}, "
                f"unexpected {unexpected or 'nothing'}"
            )
        arrays = {name: np.asarray(state[name]) for name in own}
        _check_shapes(self, own, arrays)
        converted = {name: arrays[name].astype(tensor.dtype) for name, tensor in own.items()}
        for name, tensor in own.items():
            tensor.data = converted[name]

    def __repr__(self) -> str:
        lines = []
        for path, module in self.named_modules():
            if path and type(module).__repr__ is not Module.__repr__:
                lines.append(f"  {path}: {module!r}")
            elif path:
                lines.append(f"  {path}: {type(module).__name__}()")
        return "\n".join([f"{type(self).__name__}(", *lines, ")"]) if lines else f"{type(self).__name__}()"


def _check_shapes(module: Module, own: Mapping[str, Tensor], given: Mapping[str, Any]) -> None:
    differing = [
        f"{name} is {own[name].shape} and was given {np.shape(value)}"
        for name, value in given.items()
        if name in own and np.shape(value) != own[name].shape
    ]
    if differing:
        raise ValueError(f"state of {type(module).__name__} does not fit: {'; '.join(differing)}")


def parts(value: Any) -> list[tuple[Any, Any]]:
    """Return the names (or keys, or places) of what a module or container holds, and what is there."""
    if isinstance(value, Module):
        return [pair for pair in vars(value).items() if pair[0] != "_copied_from"]
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return []


def _walk(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield the path and the object for everything within a module, itself first, once each."""
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", module)]
    while stack:
        path, value = stack.pop()
        if id(value) in seen:
            continue
        if isinstance(value, (Module, Tensor, dict, list, tuple)):
            seen.add(id(value))
            yield path, value
        stack += [(f"{path}.{key}" if path else str(key), part) for key, part in reversed(parts(value))]


def functional_call(module: Module, params: Mapping[str, Any], *inputs: Any) -> Any:
    """Return `module(*inputs)` computed with `params` (arrays or Tensors by name) in place of its own.

    Names are those of `named_parameters`; what is not named stays the module's. The module is left
    as it is, so `grad(lambda params: loss(functional_call(module, params, x)))` differentiates a
    network as a function of its parameters. (Running statistics that are the module's own move in
    training, as in any call.)
    """
    own = dict(module.named_state())
    unknown = [name for name in params if name not in own]
    if unknown:
        raise KeyError(f"{type(module).__name__} has no parameters named {unknown}")
    _check_shapes(module, own, params)
    given = {id(own[name]): x if isinstance(x, Tensor) else Tensor(x) for name, x in params.items()}
    return _copy_with(module, given)(*inputs)


def independent_copy(module: Module) -> Any:
    """Copy a module with the leaf Tensors, arrays and generators in it; what is shared stays shared.

    Results of operations that it holds, with their graphs, remain the same Tensors.
    """
    held = {
        id(part): part
        for _, value in _walk(module)
        for _, part in parts(value)
        if isinstance(part, (np.ndarray, np.random.Generator))
        or (isinstance(part, Tensor) and part.op is None)
    }
    return _copy_with(module, dict(zip(held, deepcopy(list(held.values())), strict=True)))


def _copy_with(module: Module, given: dict[int, Any]) -> Any:
    """Copy a module with what `given` has, by id, in place of parts; what is shared stays shared."""
    originals = [value for _, value in _walk(module) if isinstance(value, (Module, dict, list))]
    copies: dict[int, Any] = {id(original): copy(original) for original in originals}
    replacements = copies | given
    for original in originals:
        result = copies[id(original)]
        members = vars(result) if isinstance(result, Module) else result
        for key, part in parts(original):
            members[key] = _replaced(part, replacements)
        if isinstance(original, Module):
            result._copied_from = original._copied_from or original  # for the names of its parts in a picture
    return copies[id(module)]


def _replaced(value: Any, replacements: Mapping[int, Any]) -> Any:
    if isinstance(value, tuple):
        members = [_replaced(part, replacements) for part in value]
        return type(value)(*members) if hasattr(value, "_fields") else tuple(members)
    return replacements.get(id(value), value)
