"""Optimizers: they change parameters in place, and their state can be saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, callback

if TYPE_CHECKING:
    from nn.distributed import SharedUpdate

Array = NDArray[Any]

# Parameters are updated in pieces: longer ones leave the processor's cache between one pass and the next, and
# shorter ones cost more calls than the cache saves. Of 16,384 to 4 million elements these were fastest.
PIECE = 262_144
Place = tuple[str, np.dtype[Any]]
"""A device, and the dtype that is computed in there."""
Piece = tuple[slice | None, Array, list[Array], list[Array], list[Array]]
"""Where it is in the parameter (None for all of a real one): weights, state, scratch, and others' weights."""


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the state of parameters: sums over many steps overflow in float16."""
    return np.promote_types(dtype, np.float32)


def _place(parameter: Tensor) -> Place:
    return parameter.device, _wide(_as_reals(parameter.data).dtype)


def _piece(parameter: Tensor) -> int:
    """Return how many elements are updated at once: on another device all, with the fewest calls."""
    return PIECE if parameter.device == "cpu" else max(2 * parameter.size, 1)


def _as_reals(array: Array) -> Array:
    """Return a complex array as a row of its real and imaginary parts, which are parameters of their own."""
    return array.reshape(-1).view(np.finfo(array.dtype).dtype) if array.dtype.kind == "c" else array


class Optimizer:
    """What optimizers share: the parameters, the learning rate, and arrays of state per parameter.

    An optimizer names its state in `slots`, says in `numbers` what it computes with in a step, and in
    `update` what happens to one piece of a parameter, in place. `lr` may be changed between steps, e.g. by
    a schedule. Of complex parameters the real and imaginary parts are changed, each by itself.
    """

    slots: tuple[str, ...] = ()
    together: SharedUpdate | None = None
    """Where ranks of one machine train together: each changes its part of every parameter for all."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("an optimizer needs parameters, and got none")
        if len({id(parameter) for parameter in self.parameters}) < len(self.parameters):
            raise ValueError(
                "an optimizer was given a parameter twice, and would change it twice in every step"
            )
        for parameter in self.parameters:
            if parameter.op is not None:
                raise ValueError(
                    f"an optimizer changes leaf tensors in place, and {parameter!r} is not one; "
                    "make parameters with Tensor(data, requires_grad=True)"
                )
            if not parameter.data.flags.c_contiguous:
                raise ValueError(
                    f"an optimizer needs parameters that are contiguous in memory, and one of shape "
                    f"{parameter.shape} is not; make it with Tensor(data, requires_grad=True), which copies"
                )
        check("lr", lr, 0, np.inf)
        check("weight_decay", weight_decay, 0, np.inf)
        self.lr = lr
        self.weight_decay = weight_decay
        self.steps = 0
        self.updates = [0] * len(self.parameters)
        self.state: dict[str, list[Array]] = {
            slot: [np.zeros_like(parameter.data, _wide(parameter.dtype)) for parameter in self.parameters]
            for slot in self.slots
        }
        self._pieces: list[tuple[Any, list[Piece], list[Array]]] = [(None, [], [])] * len(self.parameters)
        self._scratch: dict[Place, Array] = {}
        for parameter in self.parameters:
            place, count = _place(parameter), min(_as_reals(parameter.data).size, _piece(parameter))
            if place not in self._scratch or self._scratch[place].shape[1] < count:
                self._scratch[place] = np.empty((2, count), place[1], like=parameter.data)
        self._numbers: dict[Place, Array] = {}  # a row per parameter

    def __getstate__(self) -> dict[str, Any]:
        # Views would be copied as arrays of their own, and a copy shares nothing with other ranks.
        return {**vars(self), "_pieces": [(None, [], [])] * len(self.parameters), "together": None}

    def zero_grad(self) -> None:
        """Forget the gradients of the parameters."""
        for parameter in self.parameters:
            parameter.zero_grad()

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        gradients: dict[int, Array] = {}
        for number, parameter in enumerate(self.parameters):
            data = parameter.data  # asked first: then jit sees only the gradients that it has recorded
            if parameter.grad is not None:
                gradients[number] = gradient = parameter.grad.data
                if gradient.shape != data.shape:
                    raise ValueError(
                        f"a parameter of shape {data.shape} was given a gradient of shape {gradient.shape}"
                    )
        if not gradients:
            raise RuntimeError("no parameter has a gradient: call backward() on the loss before step()")
        callback(partial(self._advance, list(gradients)))
        for number, gradient in gradients.items():
            parameter = self.parameters[number]
            data = parameter.data
            cut, pieces, numbers = self._pieces[number]
            if cut is not data:
                pieces, numbers = self._cut(number, data)
            for place, w, state, scratch, copies in pieces:
                g = gradient if place is None else _as_reals(gradient).reshape(-1)[place]
                if self.weight_decay:
                    g = self.decay(w, g, scratch[0], numbers[-1])
                self.update(w, g, state, scratch, numbers)
                for copy in copies:
                    copy[...] = w
            parameter.data = data  # tells the graph that the values have changed
        if self.together is not None:
            callback(self.together.wait)

    def _advance(self, numbers: list[int]) -> None:
        """Count a step of these parameters, and set the numbers that it computes with."""
        self.steps += 1
        for number in numbers:
            self.updates[number] += 1
        taken = {self.updates[number] for number in numbers}
        alike = len(taken) == 1 and len(numbers) == len(self.parameters)
        for step in taken:
            values = (*self.numbers(step), self.decay_number())
            rows = slice(None) if alike else [n for n in numbers if self.updates[n] == step]
            for place, scratch in self._scratch.items():
                if place not in self._numbers:
                    shape = (len(self.parameters), len(values))
                    self._numbers[place] = np.empty(shape, place[1], like=scratch)
                self._numbers[place][rows] = np.asarray(values, place[1], like=scratch)

    def _cut(self, number: int, data: Array) -> tuple[list[Piece], list[Array]]:
        """Cut a parameter into pieces, and remember them as long as its array lives."""
        # As the data of Tensors jit sees these arrays, too.
        state = [_as_reals(Tensor(self.state[slot][number]).data) for slot in self.slots]
        owner, data = data, _as_reals(data)
        there = device, dtype = _place(self.parameters[number])
        if there not in self._scratch:
            raise RuntimeError(
                f"a parameter is on {device} in {dtype}, and the optimizer was made for "
                f"{', '.join(f'{device} in {dtype}' for device, dtype in self._scratch)}; "
                "make it after model.to()"
            )
        numbers = Tensor(self._numbers[there]).data
        scratch = Tensor(self._scratch[there]).data
        constants = [numbers[number, i, ...] for i in range(numbers.shape[1])]
        pieces: list[Piece] = []
        length = _piece(self.parameters[number])
        part, others = slice(0, data.size), []
        if self.together is not None:
            part = self.together.part(data.size)
            others = [_as_reals(Tensor(copy).data) for copy in self.together.copies(number)]
        if self.together is None and data.size <= length and data is owner:
            rows = [row[: data.size].reshape(data.shape) for row in scratch]
            pieces.append((None, data, state, rows, []))
        else:
            for start in range(part.start, part.stop, length):
                place = slice(start, min(start + length, part.stop))
                w, *parts = (row.reshape(-1)[place] for row in (data, *state))
                copies = [copy.reshape(-1)[place] for copy in others]
                pieces.append((place, w, parts, [row[: w.size] for row in scratch], copies))
        if type(scratch) is type(self._scratch[there]):  # jit does not look on
            self._pieces[number] = owner, pieces, constants
        return pieces, constants

    def decay_number(self) -> float:
        """Return the number that `decay` computes with."""
        return self.weight_decay

    def decay(self, w: Array, g: Array, scratch: Array, number: Array) -> Array:
        """Return the gradient with the weight decay's, weight_decay w, added to it."""
        np.multiply(w, number, scratch)
        return np.add(scratch, g, scratch)

    def numbers(self, step: int) -> tuple[float, ...]:
        """Return the numbers that `update` computes with in the `step`th step of a parameter.

        All that changes between steps belongs here: when a step is replayed by `jit`, the arrays that hold
        these numbers are set anew, and the calls of NumPy's functions in `update` are made again.
        """
        return (self.lr,)

    def update(
        self, w: Array, g: Array, state: list[Array], scratch: list[Array], numbers: list[Array]
    ) -> None:
        """Change the weights `w` in place by the gradient `g`, which stays as it is.

        `state` has an array per slot, and `scratch` two, the first of which may hold `g`; `numbers` are
        those of the step, and that of `decay`.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Array]:
        """Return copies of the step count and of all state, by name."""
        state = {
            f"{slot}.{number}": Tensor(array).numpy()
            for slot in self.slots
            for number, array in enumerate(self.state[slot])
        }
        return {"steps": np.array(self.steps), "updates": np.array(self.updates), **state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state. Raises ValueError that lists what does not fit."""
        own = self.state_dict()
        wrong = [f"{name} is missing" for name in own if name not in state]
        wrong += [f"{name} is unexpected" for name in state if name not in own]
        wrong += [
            f"{name} is {own[name].shape} and was given {np.shape(state[name])}"
            for name in own
            if name in state and np.shape(state[name]) != own[name].shape
        ]
        if wrong:
            raise ValueError(f"state of {type(self).__name__} does not fit: {'; '.join(wrong)}")
        self.steps = int(state["steps"])
        self.updates = [int(count) for count in state["updates"]]
        for slot in self.slots:
            for number, array in enumerate(self.state[slot]):
                array[...] = np.asarray(state[f"{slot}.{number}"], array.dtype, like=array)


def check(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless low <= value < high."""
    if not low <= value < high:
        limit = "" if high == np.inf else f" and less than {high}"
        raise ValueError(f"{name} must be at least {low}{limit}; got {value}")


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum: v = momentum v + g, w = w - lr v.

    With `nesterov`, w = w - lr (g + momentum v) (Sutskever et al., 2013, as PyTorch writes it).
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        check("momentum", momentum, 0, 1)
        if nesterov and not momentum:
            raise ValueError("nesterov needs momentum > 0")
        self.slots = ("momentum",) if momentum else ()
        super().__init__(parameters, lr, weight_decay)
        self.momentum = momentum
        self.nesterov = nesterov

    def numbers(self, step: int) -> tuple[float, ...]:
        return self.lr, self.momentum

    def update(
        self, w: Array, g: Array, state: list[Array], scratch: list[Array], numbers: list[Array]
    ) -> None:
        first, second = scratch
        lr, momentum, _ = numbers
        direction = g
        for v in state:
            np.multiply(v, momentum, v)
            np.add(v, g, v)
            direction = v
            if self.nesterov:
                np.multiply(v, momentum, second)
                direction = np.add(second, g, second)
        np.multiply(direction, lr, first)
        np.subtract(w, first, w)


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015, algorithm 1).

    `momentum` and `squares` are decaying sums of the gradients and of their squares: the moments of the paper
    over 1 - beta, which takes two passes less.
    """

    slots = ("momentum", "squares")

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if len(betas) != 2:
            raise ValueError(f"betas must be two numbers; got {betas}")
        for beta in betas:
            check("beta", beta, 0, 1)
        self.betas = betas
        check("eps", eps, 0, np.inf)
        self.eps = eps

    def numbers(self, step: int) -> tuple[float, ...]:
        beta1, beta2 = self.betas
        # lr (mean / c1) / (sqrt(square / c2) + eps), with the corrections c of the bias towards 0, is
        # rate momentum / (sqrt(squares) + small).
        scale = sqrt((1 - beta2) / (1 - beta2**step))
        rate = self.lr * (1 - beta1) / (1 - beta1**step) / scale
        return rate, self.eps / scale, beta1, beta2

    def update(
        self, w: Array, g: Array, state: list[Array], scratch: list[Array], numbers: list[Array]
    ) -> None:
        momentum, squares = state
        rate, small, beta1, beta2, _ = numbers
        np.multiply(momentum, beta1, momentum)
        np.add(momentum, g, momentum)
        _add_square(squares, beta2, g, scratch[1])
        _step_over_root(w, momentum, squares, rate, small, scratch)


class AdamW(Adam):
    """Adam with decoupled weight decay: w = (1 - lr weight_decay) w first (Loshchilov & Hutter, 2019)."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def decay_number(self) -> float:
        return 1 - self.lr * self.weight_decay

    def decay(self, w: Array, g: Array, scratch: Array, number: Array) -> Array:
        np.multiply(w, number, w)
        return g


def _add_square(squares: Array, decay: Array, g: Array, scratch: Array) -> None:
    """Let `squares` become decay squares + g^2."""
    np.multiply(squares, decay, squares)
    np.multiply(g, g, scratch)
    np.add(squares, scratch, squares)


def _step_over_root(w: Array, g: Array, square: Array, lr: Array, eps: Array, scratch: list[Array]) -> None:
    """Subtract lr g / (sqrt(square) + eps) from w, with two arrays of scratch."""
    first, second = scratch
    np.sqrt(square, second)
    np.add(second, eps, second)
    np.divide(g, second, first)
    np.multiply(first, lr, first)
    np.subtract(w, first, w)


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton, 2012): the gradient over the root of its mean square.

    `squares` is a decaying sum: the mean square over 1 - alpha.
    """

    slots = ("squares",)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        check("alpha", alpha, 0, 1)
        self.alpha = alpha
        check("eps", eps, 0, np.inf)
        self.eps = eps

    def numbers(self, step: int) -> tuple[float, ...]:
        scale = sqrt(1 - self.alpha)
        return self.lr / scale, self.eps / scale, self.alpha

    def update(
        self, w: Array, g: Array, state: list[Array], scratch: list[Array], numbers: list[Array]
    ) -> None:
        rate, small, alpha, _ = numbers
        _add_square(state[0], alpha, g, scratch[1])
        _step_over_root(w, g, state[0], rate, small, scratch)


class Adagrad(Optimizer):
    """AdaGrad (Duchi et al., 2011): the gradient over the root of the sum of its squares."""

    slots = ("sum",)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        check("eps", eps, 0, np.inf)
        self.eps = eps

    def numbers(self, step: int) -> tuple[float, ...]:
        return self.lr, self.eps

    def update(
        self, w: Array, g: Array, state: list[Array], scratch: list[Array], numbers: list[Array]
    ) -> None:
        (total,), second = state, scratch[1]
        np.add(total, np.multiply(g, g, second), total)
        lr, eps, _ = numbers
        _step_over_root(w, g, total, lr, eps, scratch)


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale the gradients in place so that their norm, all taken together, is at most `max_norm`.

    Returns the norm before, in float64. A norm that is not finite leaves the gradients as they are.
    """
    _check_limit("max_norm", max_norm)
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    squares = (np.sum(np.square(_as_reals(g), dtype=np.float64)) for g in gradients)
    norm = sqrt(float(sum(squares)))  # a single question to the device
    if max_norm < norm < np.inf:
        for gradient in gradients:
            gradient *= max_norm / norm
    return norm


def _check_limit(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} must be at least 0; got {value}")


def clip_grad_value_(parameters: Iterable[Tensor], limit: float) -> None:
    """Limit every element of the gradients, in place, to the range from -limit to limit.

    Of complex gradients the real and imaginary parts are limited.
    """
    _check_limit("limit", limit)
    for parameter in parameters:
        if parameter.grad is not None:
            gradient = parameter.grad.data
            for part in (gradient.real, gradient.imag) if gradient.dtype.kind == "c" else (gradient,):
                np.clip(part, -limit, limit, out=part)


def clip_weight_norm_(weight: Tensor, max_norm: float) -> None:
    """Scale the weights into each unit in place so that their norm is at most `max_norm`.

    `weight` is a matrix (inputs, outputs), with a unit per column. After each step of an optimizer this is
    max-norm regularization (Srivastava et al., Dropout, 2014, section 5.1). `jit` replays it.
    """
    _check_limit("max_norm", max_norm)
    if weight.ndim != 2:
        raise ValueError(f"a weight is a matrix (inputs, outputs); got the shape {weight.shape}")
    data = weight.data
    callback(partial(_clip_columns, max_norm), data)
    weight.data = data  # tells the graph that the values have changed


def _clip_columns(max_norm: float, weights: Array) -> None:
    rows = max(PIECE // max(weights.shape[1], 1), 1)
    pieces = [weights[start : start + rows] for start in range(0, len(weights), rows)]
    squares = np.zeros(weights.shape[1], np.float64, like=weights)
    for piece in pieces:
        squares += np.sum(np.square(np.abs(piece)), axis=0)
    norms = np.sqrt(squares)
    if type(weights) is not np.ndarray or np.any(norms > max_norm):  # another device is not waited for
        scale = (max_norm / np.maximum(norms, max_norm or 1)).astype(_as_reals(weights).dtype)
        for piece in pieces:
            piece *= scale
