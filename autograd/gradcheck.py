"""The check of gradients: what is checked, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from autograd.primitives import primitive
from autograd.recording import changed_mode, next_order
from autograd.tensor import Tensor
from autograd.trees import argument_paths, flatten, rebuild

IN_DOUBLE = {"float16": "float64", "float32": "float64", "complex64": "complex128"}


class GradcheckError(AssertionError):
    """A gradient that has not passed the check; `verdict` is wrong, kink, noisy or random."""

    @property
    def verdict(self) -> str:
        return str(self).partition(":")[0]


class GradcheckReport(NamedTuple):
    """What was checked, and found right."""

    order: int
    """Up to which order of derivative."""
    mode: str
    """Derivatives were by single "elements" or along random "directions"."""
    compared: int
    """How many derivatives there were."""
    elements: int
    """How many elements the arguments have."""
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        return "right"

    def __repr__(self) -> str:
        orders = "1 order" if self.order == 1 else f"{self.order} orders"
        plural = "" if self.compared == 1 else "s"
        how = f"{self.compared:,} derivative{plural} by single elements"
        if self.mode == "directions":
            how = f"along {self.compared:,} random direction{plural} of {self.elements:,} elements"
        return "; ".join([f"right: {orders}, {how}", *self.notes])


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    directions: int | None = None,
) -> GradcheckReport:
    """Check the gradient of f by all inputs; return a report, or raise GradcheckError with a verdict.

    Inputs are arrays, real or complex, or nested lists, tuples and dicts of arrays; they are taken in
    float64 (complex128) and left as they are. If f is a Module, all its parameters are checked, by
    name, with those inputs that are floating-point. Outputs of any shape are weighted by fixed random
    numbers and summed. `order=2` checks the gradient's own gradient too, and so on.

    A derivative is right when |analytic - numeric| <= atol + rtol |numeric| with numeric the central
    difference over x ± eps max(1, |x|). Derivatives are by every element, or along so many
    random `directions` in each array; along 10 where there are more than 1000 elements in all.

    The verdicts: "wrong", naming the first op whose own rule is off on what it was given; "kink", where
    one-sided differences disagree; "noisy", where f cannot be resolved in such steps, and the order of
    Taylor's remainder does not decide either; "random", when two evaluations of f differ.
    """
    __tracebackhide__ = True
    if order < 1 or not eps > 0 or (directions is not None and directions < 1):
        raise ValueError(
            f"gradcheck needs order >= 1, eps > 0 and directions >= 1, and was given order={order}, "
            f"eps={eps}, directions={directions}"
        )
    from autograd.differences import Tolerances, check  # a tenth of what importing autograd costs

    subject = _Subject(f, inputs)
    tolerances = Tolerances(eps, rtol, atol)
    with subject.restored():
        result = check(subject, subject.arrays, subject.names, order, tolerances, directions)
        if result.verdict == "right":
            return GradcheckReport(
                order,
                "elements" if result.directions is None else "directions",
                result.compared,
                sum(array.size for array in subject.arrays),
                (*subject.notes, *result.notes),
            )
        from autograd.diagnosis import explain

        with changed_mode(debugger=None, unrolled=True):  # ops by themselves are to be looked at
            message = explain(subject, subject.arrays, result, tolerances)
    raise GradcheckError(message)


class _Subject:
    """A function, or a module and its parameters, as a function of a list of arrays."""

    def __init__(self, f: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
        from autograd.differences import dtype_of, in_double

        self.f = f
        self.inputs = inputs
        named_parameters = getattr(f, "named_parameters", None)
        parameters: dict[str, Tensor] = dict(named_parameters()) if named_parameters else {}
        self.parameters = list(parameters.values())
        self.state = [x for _, x in f.named_state()] if hasattr(f, "named_state") else self.parameters
        self.leaves = flatten(inputs)
        paths = [path for leaf in argument_paths(getattr(f, "forward", f), inputs) for path in leaf]
        self.places = [
            place
            for place, leaf in enumerate(self.leaves)
            if not named_parameters or dtype_of(leaf).kind in "fc"
        ]
        checked = [*self.parameters, *(self.leaves[place] for place in self.places)]
        self.names = [f"parameter {name!r}" for name in parameters] + [paths[i] for i in self.places]
        for value in checked:
            if dtype_of(value).kind not in "fiuc":
                raise TypeError(f"gradcheck needs inputs of numbers, and one has dtype {dtype_of(value)}")
        self.arrays = [in_double(value) for value in checked]
        low = {str(dtype_of(value)) for value in checked} & IN_DOUBLE.keys()
        self.notes = [f"{dtype} inputs were checked in {IN_DOUBLE[dtype]}" for dtype in sorted(low)]

    def __call__(self, *values: Tensor) -> Any:
        leaves = list(self.leaves)
        for place, value in zip(self.places, values[len(self.parameters) :], strict=True):
            leaves[place] = value
        own = list(zip(self.parameters, values, strict=False))
        for parameter, value in own:  # a leaf as ever, for modules that look for their parameters
            parameter._array, parameter._tracked, parameter.order = value.data, True, next_order()
            parameter.op, parameter.inputs, parameter.params = None, (), None
        output = self.f(*rebuild(self.inputs, iter(leaves)))
        for parameter, value in own:
            if value.requires_grad:
                parameter.op, parameter.inputs = _parameter.op, (value,)  # type: ignore[attr-defined]
        return output

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Return a context on leaving which all tensors of the module are what they were on entering."""
        before = [{slot: getattr(x, slot) for slot in Tensor.__slots__} for x in self.state]
        contents = [x._array.copy() for x in self.state]
        try:
            yield
        finally:
            for tensor, slots, content in zip(self.state, before, contents, strict=True):
                for slot, value in slots.items():
                    setattr(tensor, slot, value)
                if not np.array_equal(tensor._array, content, equal_nan=True):
                    tensor._array[...] = content


# Once a module has computed with its parameters, this links them to the values that they stood for.
_parameter = primitive(lambda x: x, lambda g, y, x: g, name="parameter")
