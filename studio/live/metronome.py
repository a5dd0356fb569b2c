"""A wood block on every beat, by the conductor's own tempo marks. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from midi.events import GRID_PER_BEAT, BarGrid
from studio.live.messages import FIRST_FIXED_ID, Sound, TempoMark, Voice

HIGH_BLOCK, LOW_BLOCK = 76, 77
"""General MIDI percussion keys of the two wood blocks: the first beat of a bar, and the others."""

AHEAD_S = 0.060
"""Clicks are given out this long before their time, so that they start at their very frame."""

GRACE_S = 0.020
"""A click this late is still on the beat to the ear: the first one, as a rule, at the start of the music."""

CLICK_S = 0.050


class Metronome:
    """Gives out the clicks that fall due. One thread only.

    Args:
        grid: Bar lines: the first beat of a bar has the higher block. It may be replaced at any time.
    """

    def __init__(self, grid: BarGrid) -> None:
        self.grid = grid
        self._mark: TempoMark | None = None
        self._next_tick = 0
        self._n_clicks = 0

    def follow(self, marks: Iterable[TempoMark]) -> None:
        """Musical time started or changed its pace."""
        for mark in marks:
            # Beats already clicked stay so, unless musical time went somewhere else altogether.
            first = self._from(math.ceil(mark.beat * GRID_PER_BEAT - 1e-3))
            if self._mark is None or abs(self._next_tick - first) > GRID_PER_BEAT:
                self._next_tick = first
            self._mark = mark

    def stop(self) -> None:
        """Musical time stands still."""
        self._mark = None

    def due(self, now_s: float) -> list[Sound]:
        """Clicks up to ``AHEAD_S`` from now; those missed are left out."""
        sounds: list[Sound] = []
        while self._mark is not None and self._mark.bpm > 0:
            beats = self._next_tick / GRID_PER_BEAT - self._mark.beat
            at_s = self._mark.time_s + beats * 60.0 / self._mark.bpm
            if at_s > now_s + AHEAD_S:
                break
            if at_s >= now_s - GRACE_S:
                sounds += self._click(
                    max(at_s, now_s), is_first=self._bar(self._next_tick)[0] == self._next_tick
                )
            self._next_tick = self._from(self._next_tick + 1)
        return sounds

    def _from(self, tick: int) -> int:
        """The first click at or after a tick: on beats, or on eighths in bars that beats don't fill."""
        start, length = self._bar(tick)
        unit = GRID_PER_BEAT if length % GRID_PER_BEAT == 0 else GRID_PER_BEAT // 2
        return start + min(-(-(tick - start) // unit) * unit, length)

    def _bar(self, tick: int) -> tuple[int, int]:
        start, length = self.grid.start_and_length(tick)
        return int(start), int(length)

    def _click(self, at_s: float, *, is_first: bool) -> list[Sound]:
        self._n_clicks += 1
        pitch, note_id = (HIGH_BLOCK if is_first else LOW_BLOCK), FIRST_FIXED_ID + self._n_clicks
        velocity = 100 if is_first else 75
        return [
            Sound(at_s, "on", Voice.METRONOME, pitch, velocity, note_id),
            Sound(at_s + CLICK_S, "off", Voice.METRONOME, pitch, 0, note_id),
        ]
