"""How far beside the grid the partner's notes are struck: like people's, by a table measured on people. Pure.

Plans stand on the event grid, 24 ticks a beat. Drums were learned with their timing, and all that the grid
took from them is where within its tick a hit fell. The other parts were learned from music that stands on its
sixteenths, so a hand's whole scatter is missing. ``assets/timing.json`` tells both, and
``python -m studio.timing`` measures it anew.

Deviations are drawn when a note is settled, so everything about it is known ahead of its time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

import assets
from midi.events import DRUMS, GRID_PER_BEAT, VELOCITY_STEP
from models.sequence.plan import PlannedNote

AS_PLAYED = 1.0
"""Looseness at which notes scatter as much as people's."""

TABLE = "timing.json"

BINS = 8
"""Parts of a tick in which the place of a hit is told."""

PLACES = GRID_PER_BEAT // 4
"""Ticks of a sixteenth: how far before or behind it hits stand tells how far the drummer was, and will be."""

REST_TICKS = GRID_PER_BEAT
"""After so long a rest the hit before tells nothing."""

MOST_TICKS = 1.5
"""Farthest that a note is moved: half a thirty-second, so that no two change places."""

_TAIL = 0.005  # draws beyond 2.6 standard deviations are slips, not scatter

_Table = NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """How people's strokes scatter.

    Attributes:
        start: Chance of each bin of a tick by the tick's place in its sixteenth, ``[places, bins]``.
        following: Of the next hit by place and bin of the one before: ``[places, its place, bins, its bin]``.
        together: Of another hit at the same tick by the bin of the one before, ``[bins, bins]``.
        onset_ms: Standard deviation of the onsets of a hand around its pulse.
        memory: Correlation of two onsets of a hand, as their distance goes to 0.
        memory_beats: Time constant with which it falls.
        note_ms: Standard deviation of a note around its chord.
    """

    start: _Table
    following: _Table
    together: _Table
    onset_ms: float
    memory: float
    memory_beats: float
    note_ms: float

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Timing:
        """As :mod:`studio.timing` writes it."""
        drums, hand = kept["drums"], kept["hand"]
        start, following, together = (np.array(drums[name]) for name in ("start", "following", "together"))
        return cls(start, following, together, **{name: hand[name] for name in HAND})


HAND = ("onset_ms", "memory", "memory_beats", "note_ms")


@lru_cache(maxsize=1)
def measured() -> Timing:
    """The shipped table."""
    return Timing.from_json(json.loads(assets.path(TABLE).read_text(encoding="utf-8")))


class Looseness:
    """Deviations of one performance, part by part. Notes are told in the order in which they are settled.

    Args:
        seed: Same seed and notes, same deviations.
        timing: None for the shipped table.
    """

    def __init__(self, seed: int, timing: Timing | None = None) -> None:
        self._timing = timing or measured()
        self._random, self._touch = (
            np.random.default_rng(np.random.SeedSequence([seed & 0xFFFF_FFFF_FFFF_FFFF, stream]))
            for stream in (1, 2)
        )
        self._drums = _Drums(self._timing)
        self._hands: dict[int, _Hand] = {}

    def ticks(self, notes: Sequence[PlannedNote], amount: float, tick_s: float) -> list[float]:
        """How much later, in grid ticks, each note is struck.

        Args:
            notes: By onset.
            amount: 0 leaves them on the grid, 1 is as measured.
            tick_s: Length of a tick.

        Returns:
            Each at most :data:`MOST_TICKS` either way.
        """
        if amount <= 0.0:
            return [0.0] * len(notes)
        found = (self._deviation(note, 1e3 * tick_s) * amount for note in notes)
        return [min(max(ticks, -MOST_TICKS), MOST_TICKS) for ticks in found]

    def touch(self, amount: float) -> int:
        """What to add to the velocity of the next note given out: the model knows loudness in steps of 8."""
        if amount <= 0.0:
            return 0
        return math.floor(amount * VELOCITY_STEP * (self._touch.random() - 0.5))

    def _deviation(self, note: PlannedNote, tick_ms: float) -> float:
        if note.instrument == DRUMS:
            return self._drums.next(note.onset_ticks, self._random)
        hand = self._hands.setdefault(note.instrument, _Hand(self._timing))
        return hand.next(note.onset_ticks, self._random) / tick_ms


class _Drums:
    """Where within their ticks hits fall: a chain over parts of a tick."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._tick = -math.inf
        self._bin = 0

    def next(self, tick: int, random: np.random.Generator) -> float:
        """Ticks from the grid, −0.5 to 0.5."""
        before, self._tick = self._tick, tick
        if tick == before:
            chances = self._timing.together[self._bin]
        elif before < tick <= before + REST_TICKS:
            chances = self._timing.following[int(before) % PLACES, tick % PLACES, self._bin]
        else:
            chances = self._timing.start[tick % PLACES]
        total = np.cumsum(chances)
        self._bin = min(int(np.searchsorted(total, random.random() * total[-1], side="right")), BINS - 1)
        return (self._bin + random.random()) / BINS - 0.5


class _Hand:
    """A part with pitches: its pulse wanders a little, and the notes of a chord are not quite together."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._tick = -math.inf
        self._pulse = self._onset_ms = 0.0

    def next(self, tick: int, random: np.random.Generator) -> float:
        """Milliseconds from the grid."""
        timing = self._timing
        if tick != self._tick:
            passed, self._tick = abs(tick - self._tick), tick
            kept = math.exp(-passed / GRID_PER_BEAT / timing.memory_beats)
            self._pulse = kept * self._pulse + math.sqrt(1.0 - kept * kept) * _normal(random)
            alone = math.sqrt(1.0 - timing.memory) * _normal(random)
            self._onset_ms = timing.onset_ms * (math.sqrt(timing.memory) * self._pulse + alone)
        return self._onset_ms + timing.note_ms * _normal(random)


def _normal(random: np.random.Generator) -> float:
    """A standard normal without its tails, from uniform draws, which numpy keeps the same for good."""
    return NormalDist().inv_cdf(min(max(random.random(), _TAIL), 1.0 - _TAIL))
