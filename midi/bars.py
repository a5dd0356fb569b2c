"""The grid of ticks and bar lines on which event rows stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midi.note import Score, TimeSignature

GRID_PER_BEAT = 24
"""Grid ticks a quarter note: divides evenly into 16ths, triplets and MIDI clock (24 ppq)."""

MAX_BAR_TICKS = 192
"""Longest bar of the grid (8 beats); longer metres are split, so that a step never exceeds it."""

_FOREVER = 1 << 40


@dataclass(frozen=True)
class BarGrid:
    """Bar lines on the grid.

    Attributes:
        changes: ``(tick, bar_ticks)`` pairs, ticks ascending; each entry starts a bar. Before the
            first entry, bars of its length are continued backwards, so any tick has a bar.
    """

    changes: tuple[tuple[int, int], ...] = ((0, 4 * GRID_PER_BEAT),)

    @classmethod
    def from_score(cls, score: Score) -> BarGrid:
        """Bar lines of a score's time signatures."""
        return cls.from_signatures(score.time_signatures, score.ppq)

    @classmethod
    def from_signatures(cls, signatures: Iterable[TimeSignature], ppq: int) -> BarGrid:
        """Bar lines of time signatures at ticks of ``ppq`` a quarter; 4/4 where there are none.

        Bars longer than ``MAX_BAR_TICKS`` are halved until they fit. Of several signatures at one tick
        the last counts.
        """
        changes = []
        for signature in signatures:
            bar_ticks = max(1, round(signature.bar_beats() * GRID_PER_BEAT))
            while bar_ticks > MAX_BAR_TICKS:
                bar_ticks = -(-bar_ticks // 2)
            changes.append((round(signature.ticks * GRID_PER_BEAT / ppq), bar_ticks))
        return cls(tuple(sorted(dict(changes).items()))) if changes else cls()

    @classmethod
    def from_downbeats(cls, downbeat_ticks: Iterable[int]) -> BarGrid:
        """Bar lines at given ticks; the last bar's length goes on. Gaps above ``MAX_BAR_TICKS`` are split.

        Fewer than two different ticks tell no bar length and give the default grid.
        """
        lines = np.unique(np.fromiter(downbeat_ticks, dtype=np.int64))
        gaps = np.diff(lines)
        lengths = np.minimum(gaps, MAX_BAR_TICKS)
        # A bar opens a new stretch where its length is another, or the bar before was split unevenly.
        lengths = np.append(lengths, lengths[-1:])
        opens = np.ones(len(lengths), dtype=bool)
        opens[1:] = (lengths[1:] != lengths[:-1]) | (gaps % lengths[:-1] != 0)
        changes = zip(lines[: len(opens)][opens].tolist(), lengths[opens].tolist(), strict=True)
        return cls(tuple(changes)) if len(gaps) else cls()

    def start_and_length(self, ticks: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First tick and length of the bar around each tick; shapes are kept.

        A bar that a change cuts short has the length that is left of it.
        """
        at = np.asarray(ticks, dtype=np.int64)
        table = np.array(self.changes, dtype=np.int64)
        index = np.maximum(np.searchsorted(table[:, 0], at, side="right") - 1, 0)
        origin, length = table[index, 0], table[index, 1]
        start = origin + (at - origin) // length * length
        ends = np.append(table[1:, 0], _FOREVER)[index]
        return start, np.minimum(length, ends - start)

    def lines(self, from_tick: int, to_tick: int) -> list[tuple[int, int]]:
        """``(tick, bar_ticks)`` of every bar line in ``[from_tick, to_tick)``."""
        start, length = (int(x) for x in self.start_and_length(from_tick))
        tick = start if start >= from_tick else start + length
        found = []
        while tick < to_tick:
            bar_ticks = int(self.start_and_length(tick)[1])
            found.append((tick, bar_ticks))
            tick += bar_ticks
        return found
