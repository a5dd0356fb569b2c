"""Playing what the player makes likely: the partner that hears against the same partner deaf.

A partner draws from what it knows of music in general and from what it hears. Guidance turns up the second:
pitches that hearing the player has made likelier than they would be without are made likelier still. This is
classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598) with the player's notes as the condition.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midi.events import MAX_BAR_TICKS, Field, Role, Rows
from models.sequence.decode import Reader
from models.sequence.fast import open_reader
from models.sequence.network import EventModel

Logits = NDArray[np.float32]

MAX_CONTRAST = 6.0
"""Nats by which hearing may favor a pitch at most: one that is all but impossible deaf earns no more."""


def guided(heard: Logits, unheard: Logits, weight: float) -> Logits:
    """Log-probabilities with the contrast added; not normalized.

    Args:
        heard: Logits ``[n]`` of the partner that hears.
        unheard: Logits ``[n]`` of the one that does not.
        weight: 0 changes nothing; 1 adds the contrast once.
    """
    hearing, deaf = _log_softmax(heard), _log_softmax(unheard)
    contrast = np.minimum(hearing - deaf, MAX_CONTRAST)
    return np.asarray(hearing + weight * contrast, dtype=np.float32)


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), dtype=np.float32)


class Place(NamedTuple):
    """How far a reader has read: rows, and the stream tick of the last one."""

    length: int
    tick: int


class Unheard:
    """What the partner would have read had it never heard the player: its own notes and the bar lines.

    It follows the reader that hears, row by row. Not thread-safe.

    Args:
        model: The partner's network.
        beside: The reader that hears; where both can pass through the network together, they do.
    """

    def __init__(self, model: EventModel, beside: Reader | None = None) -> None:
        self._reader = open_reader(model) if beside is None else beside.companion()
        self._tick = 0

    @property
    def rows_fed(self) -> int:
        """Rows read so far, for reports."""
        return self._reader.rows_fed

    @property
    def place(self) -> Place:
        """Where it stands, for :meth:`step_back`."""
        return Place(len(self._reader), self._tick)

    def step_back(self, place: Place) -> None:
        """Forget what was read since it stood at a place."""
        self._reader.step_back(place.length)
        self._tick = place.tick

    def read(self, context: Rows, tick: int) -> None:
        """Make a context without the player's rows all that was read.

        Args:
            context: START row and what follows.
            tick: Stream tick of its last row.
        """
        ticks = np.cumsum(context[:, Field.DELTA].astype(np.int64))
        own = ~np.isin(context[:, Field.ROLE], (Role.HUMAN, Role.RELEASE))
        rows = context[own].copy()
        rows[:, Field.DELTA] = np.diff(ticks[own], prepend=0)
        self._reader.read(rows)
        self._tick = tick - int(ticks[-1] - ticks[own][-1])

    def append(self, row: Rows, tick: int) -> None:
        """Read one row of the other reader, at its stream tick; the player's rows are passed over."""
        if row[Field.ROLE] in {Role.BAR, Role.PARTNER}:
            self._reader.append(self._seen(row, tick)[None])
            self._tick = tick

    def logits(self, row: Rows, tick: int, field: Field) -> Logits:
        """Logits of a column of the next row, at a stream tick, given its columns before."""
        found = self._reader.next_row()
        found.row[:] = self._seen(row, tick)
        return found.of(field)

    def _seen(self, row: Rows, tick: int) -> Rows:
        """The row with its step counted from the last one read here."""
        seen = row.copy()
        seen[Field.DELTA] = min(tick - self._tick, MAX_BAR_TICKS)
        return seen
