"""Reading rows one by one with a cache that can step back, and drawing the next row under masks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midi.events import Field, Rows
from models.sequence.network import EventModel, KeyValueCache

Mask = NDArray[np.bool_]

WARMER = 1.1
"""Temperature of loudness over that of everything else: a wrong pitch is heard, a soft note among loud ones
is touch. As coolly as pitches a pianist's loudness is half as varied as people's."""


class Reader:
    """What a model has read: rows, cache and hidden states; stepping back costs nothing.

    Every row's hidden state is kept beside its keys and values, so after a step back the next row
    can be drawn at once. One thread at a time.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: EventModel) -> None:
        trunk = model.config.trunk
        self.model = model
        self.device = next(model.parameters()).device
        self._cache = KeyValueCache(trunk, device=self.device)
        self._hidden = torch.zeros(trunk.context, trunk.width, device=self.device)
        self._rows = np.zeros((trunk.context, len(Field)), dtype=np.int16)
        self.rows_fed = 0

    def __len__(self) -> int:
        return self._cache.length

    @property
    def rows(self) -> Rows:
        """What was read, ``[rows, fields]``; a copy."""
        return self._rows[: len(self)].copy()

    @property
    def room(self) -> int:
        """Rows that still fit."""
        return len(self._rows) - len(self)

    def companion(self) -> Reader:
        """Another reader of the same network on the same runtime, empty."""
        return Reader(self.model)

    def read(self, rows: Rows) -> None:
        """Make ``rows`` all that was read: keep the common beginning, read the rest in one go.

        Raises:
            ValueError: More rows than the context holds, or none.
        """
        if not 0 < len(rows) <= len(self._rows):
            raise ValueError(f"cannot read {len(rows)} rows into a context of {len(self._rows)}")
        shared = min(len(rows), len(self))
        differs = np.flatnonzero((rows[:shared] != self._rows[:shared]).any(axis=1))
        self.step_back(int(differs[0]) if len(differs) else shared)
        if len(rows) > len(self):
            self.append(rows[len(self) :])

    def append(self, rows: Rows) -> None:
        """Read rows behind those already read.

        Raises:
            ValueError: More rows than there is room for; nothing was read then.
        """
        start = len(self)
        with torch.inference_mode():
            batch = torch.from_numpy(rows.astype(np.int64))[None].to(self.device)
            self._hidden[start : start + len(rows)] = self.model(batch, self._cache)[0]
        self._rows[start : start + len(rows)] = rows
        self.rows_fed += len(rows)

    def step_back(self, length: int) -> None:
        """Forget all but the first ``length`` rows."""
        self._cache.length = min(max(length, 0), self._cache.length)

    def next_row(self) -> RowLogits:
        """Logits of the row after the last one read.

        Raises:
            ValueError: Nothing was read.
        """
        if len(self) == 0:
            raise ValueError("nothing was read")
        with torch.inference_mode():
            return NetworkLogits(self.model, self.model.head_inputs(self._hidden[len(self) - 1]))


class RowLogits(ABC):
    """The columns of one row, asked for in order; each sees what was set in ``row`` before."""

    def __init__(self) -> None:
        self.row = np.zeros(len(Field), dtype=np.int16)

    @abstractmethod
    def of(self, field: Field) -> NDArray[np.float32]:
        """Logits of a column given the columns already set."""


class NetworkLogits(RowLogits):
    """Columns by the network itself, on any device.

    Args:
        model: The network.
        inputs: ``[heads head_width]``, what the hidden state tells the heads.
    """

    def __init__(self, model: EventModel, inputs: Tensor) -> None:
        super().__init__()
        self._model, self._inputs = model, inputs

    def of(self, field: Field) -> NDArray[np.float32]:
        """Logits of a column given the columns already set."""
        with torch.inference_mode():
            row = torch.from_numpy(self.row.astype(np.int64)).to(self._inputs.device)
            logits: NDArray[np.float32] = (
                self._model.head_logits(field, self._inputs[field], row).float().cpu().numpy()
            )
        return logits


def draw(
    logits: NDArray[np.float32], allowed: Mask, temperature: float, top_p: float, rng: np.random.Generator
) -> int:
    """Draw an index among those allowed, from the nucleus of mass ``top_p`` (Holtzman et al. 2020).

    Args:
        logits: ``[n]``.
        allowed: ``[n]``, at least one True.
        temperature: Above 0; towards 0 the likeliest index wins.
        top_p: Above 0, at most 1.
        rng: One uniform number is taken.
    """
    scores = np.where(allowed, logits, -np.inf).astype(np.float64) / temperature
    weights = np.exp(scores - scores.max())
    order = (-weights).argsort(kind="stable")
    mass = weights[order].cumsum()
    kept = int(mass.searchsorted(top_p * mass[-1], side="left")) + 1
    at = int(mass[:kept].searchsorted(rng.random() * mass[kept - 1], side="right"))
    return int(order[min(at, kept - 1)])


class Dice:
    """Draws as a steering asks, and keeps count of how likely the model itself held what was drawn.

    Args:
        temperature: See :func:`draw`.
        top_p: See :func:`draw`.
        rng: Where chance comes from.
        is_counting: Whether ``nats`` are wanted.

    Attributes:
        nats: Log-likelihood of all draws under the masks, 0 or less.
    """

    def __init__(
        self, temperature: float, top_p: float, rng: np.random.Generator, *, is_counting: bool = False
    ) -> None:
        self._temperature, self._top_p, self._rng = temperature, top_p, rng
        self._is_counting = is_counting
        self.nats = 0.0

    def draw(
        self, logits: NDArray[np.float32], allowed: Mask, plain: NDArray[np.float32] | None = None
    ) -> int:
        """Draw an index among those allowed.

        Args:
            logits: ``[n]``.
            allowed: ``[n]``, at least one True.
            plain: Logits by which likelihood is counted, where they are others.
        """
        index = draw(logits, allowed, self._temperature, self._top_p, self._rng)
        if self._is_counting:
            scores = (logits if plain is None else plain)[allowed].astype(np.float64)
            highest = scores.max()
            own = float((logits if plain is None else plain)[index])
            self.nats += own - float(highest) - float(np.log(np.exp(scores - highest).sum()))
        return index

    def draw_warmly(self, logits: NDArray[np.float32], allowed: Mask) -> int:
        """Draw with about the model's own spread at the usual temperature, tails and all; uncounted."""
        return draw(logits, allowed, WARMER * self._temperature, 1.0, self._rng)
