"""Resumable, shuffled batches: what every training task reads from."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from midi.errors import UserError

BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)


class BatchSource(Protocol[BatchT_co]):
    """An endless supply of batches that can say where it is and go back there.

    ``state_dict`` must be JSON-able and describe the position after the last batch handed out; after
    ``load_state_dict`` the same batches follow. One thread at a time.
    """

    @property
    def rows_per_batch(self) -> int:
        """Items in one batch of this process, for the rows-per-second display."""
        ...

    def __next__(self) -> BatchT_co: ...

    def state_dict(self) -> dict[str, Any]:
        """Position, JSON-able."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a position that ``state_dict`` gave."""
        ...


class ShuffledSampler:
    """Item numbers in a new order every epoch, the same for the same seed, resumable anywhere.

    Epoch ``e`` is ``numpy.random.default_rng((seed, e)).permutation(n_items)``; epochs follow each other
    without a gap, so a batch may span two. With several processes each ``take`` deals the next
    ``count * world_size`` numbers out like cards: together the processes see what one process taking the
    larger batch would see, and the position may be resumed with another number of processes.

    Args:
        n_items: Number of items, at least 1.
        seed: Any non-negative integer.
        rank: This process, ``0 <= rank < world_size``.
        world_size: Number of processes.
    """

    def __init__(self, n_items: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if n_items < 1:
            raise UserError("There is nothing to train on.", "Add files to the training folder.")
        self.n_items = n_items
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.position = 0
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def epoch(self) -> int:
        """Whole passes over the items that have been dealt so far."""
        return self.position // self.n_items

    def take(self, count: int) -> NDArray[np.int64]:
        """The next ``count`` item numbers of this process."""
        dealt = self._deal(count * self.world_size)
        return dealt[self.rank :: self.world_size]

    def _deal(self, count: int) -> NDArray[np.int64]:
        pieces = []
        while count > 0:
            epoch, start = divmod(self.position, self.n_items)
            piece = self._permutation(epoch)[start : start + count]
            pieces.append(piece)
            self.position += len(piece)
            count -= len(piece)
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._order = np.random.default_rng((self.seed, epoch)).permutation(self.n_items)
            self._epoch = epoch
        return self._order

    def state_dict(self) -> dict[str, Any]:
        """Position over all processes, and what it was counted in."""
        return {"position": self.position, "n_items": self.n_items, "seed": self.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a stored position.

        Raises:
            UserError: The data or the seed is not the one that the position was counted in.
        """
        if state["n_items"] != self.n_items or state["seed"] != self.seed:
            raise UserError(
                f"This run was started on {state['n_items']} items with seed {state['seed']}, "
                f"not on {self.n_items} with seed {self.seed}.",
                "Restore the data folder, or start a new run without --resume.",
            )
        self.position = int(state["position"])


class Batches(Generic[BatchT]):
    """A ``BatchSource`` made of a sampler and a function from item numbers to a batch.

    The function also gets a generator for augmentation that depends on seed, position and rank only, so
    that a resumed run augments alike.

    Args:
        sampler: Where item numbers come from.
        rows_per_batch: Items in a batch of this process.
        make: ``make(indices, rng) -> batch``, on the CPU or already on the device.
    """

    def __init__(
        self,
        sampler: ShuffledSampler,
        rows_per_batch: int,
        make: Callable[[NDArray[np.int64], np.random.Generator], BatchT],
    ) -> None:
        self.sampler = sampler
        self.rows_per_batch = rows_per_batch
        self._make = make

    def __iter__(self) -> "Batches[BatchT]":
        return self

    def __next__(self) -> BatchT:
        sampler = self.sampler
        rng = np.random.default_rng((sampler.seed, sampler.position, sampler.rank))
        return self._make(sampler.take(self.rows_per_batch), rng)

    def state_dict(self) -> dict[str, Any]:
        """The sampler's position."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a stored position."""
        self.sampler.load_state_dict(state)
