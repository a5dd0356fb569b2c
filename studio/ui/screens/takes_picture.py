"""A take as something to draw: notes and bar lines in seconds from its beginning. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from midi.events import DRUMS
from midi.note import PPQ, TimeSignature
from studio.live.messages import Voice
from studio.live.take import Take, load_take
from studio.render import heard_notes

LEAST_SEMITONES = 24
MAX_BARS = 20_000
"""Bar lines that are worked out at most: ten hours in four-four time."""


@dataclass(frozen=True, slots=True)
class PictureNote:
    """A note that was heard; seconds from the beginning of the take."""

    on_s: float
    off_s: float
    pitch: int
    velocity: int
    is_player: bool
    is_drum: bool = False


@dataclass(frozen=True)
class TakePicture:
    """What the large piano roll shows.

    Attributes:
        notes: By onset.
        bars_s: Bar lines; the last one closes the last bar. At least two.
        duration_s: How long the take is.
        low_pitch: Lowest pitch to show.
        high_pitch: Highest pitch to show.
    """

    notes: tuple[PictureNote, ...]
    bars_s: tuple[float, ...]
    duration_s: float
    low_pitch: int
    high_pitch: int

    @cached_property
    def has_drums(self) -> bool:
        """Whether drums were heard."""
        return any(note.is_drum for note in self.notes)

    @property
    def n_bars(self) -> int:
        """Bars, 1 or more."""
        return len(self.bars_s) - 1

    def bar_at(self, at_s: float) -> int:
        """The bar, from 1, that sounds at a time; the first or last beyond the ends."""
        return min(max(bisect_right(self.bars_s, at_s + 1e-6), 1), self.n_bars)

    def start_s(self, bar: int) -> float:
        """Where a bar begins."""
        return self.bars_s[min(max(bar, 1), self.n_bars) - 1]


def read_picture(path: Path) -> TakePicture:
    """The picture of a take on disk.

    Raises:
        UserError: It can't be read.
    """
    return picture_of(load_take(path))


def picture_of(take: Take) -> TakePicture:
    """The picture of a take."""
    origin_s = take.origin_s()
    found, _ = heard_notes(sorted(take.sounds, key=lambda sound: sound.time_s))
    notes = tuple(
        PictureNote(
            max(note.on_s - origin_s, 0.0), note.off_s - origin_s, note.on.pitch, note.on.velocity,
            note.on.voice is Voice.PLAYER, note.on.instrument == DRUMS and note.on.voice is not Voice.PLAYER,
        )
        for note in found
    )  # fmt: skip
    duration_s = max((note.off_s for note in notes), default=0.0)
    low, high = _pitches(notes)
    return TakePicture(notes, _bars(take, duration_s), duration_s, low, high)


def _bars(take: Take, duration_s: float) -> tuple[float, ...]:
    tempo_map = take.tempo_map()
    bar_ticks = TimeSignature(0, *take.header.metre).bar_beats() * PPQ
    end_ticks = float(tempo_map.ticks(max(duration_s, 0.0)))
    # A sliver of a note behind a bar line opens no new bar.
    n_bars = min(max(math.ceil(end_ticks / bar_ticks - 0.02), 1), MAX_BARS)
    return tuple(float(at) for at in tempo_map.seconds([bar * bar_ticks for bar in range(n_bars + 1)]))


def _pitches(notes: tuple[PictureNote, ...]) -> tuple[int, int]:
    pitched = [note.pitch for note in notes if not note.is_drum] or [60]
    low, high = min(pitched) - 2, max(pitched) + 2
    lacking = max(0, LEAST_SEMITONES - (high - low + 1))
    low -= lacking // 2
    high += lacking - lacking // 2
    if low < 0:
        low, high = 0, high - low
    return (max(0, low - (high - 127)), 127) if high > 127 else (low, high)
