"""What a part is like on average in the training music, and what brings a straying partner back to it.

A partner that reads its own notes takes whatever it has strayed to for the song's own way, and strays on:
up and down the keyboard, into ever shorter notes, into ever more of them. Over songs its mean pitch spreads
wider than arrangers' does and tells no more about the song than a stranger's. Where nothing in the melody
tells, the average is the best guess, so the partner is pulled back to it: the more, the farther its last
notes are from it, and not at all while it is near.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.corpus import Corpus, GridNotes, Song
from midi.events import (
    DRUMS,
    DURATION_TICKS,
    FIELD_SIZES,
    GRID_PER_BEAT,
    INSTRUMENT_NAMES,
    OPEN_DURATION,
    Field,
    Role,
    Rows,
)
from models.sequence.plan import Steering

FEWEST_NOTES = 64
"""Notes that a part must have in a song to tell something."""

RECENT_NOTES = 32
"""Notes of a part by which it is told where the partner stands."""

TOO_FEW = 8
"""With fewer notes nothing is told yet."""

NEAR_SEMITONES = 1.0
"""So near to the usual pitch nothing pulls."""

PITCH_PULL = 0.3
"""Nats that an octave costs for each semitone by which the partner stands off."""

NEAR_OCTAVES = 0.5
"""So near to the usual length, in doublings, nothing pulls."""

LENGTH_PULL = 0.5
"""Nats that doubling a length costs for each doubling by which the partner's notes are too long."""

MARGIN = 7
"""Least distance, in semitones, from the ends of the steered range to where the pull leads."""

_OCTAVES: NDArray[np.float32] = np.arange(FIELD_SIZES[Field.PITCH], dtype=np.float32) / np.float32(12)
_OCTAVES[128:] = 0.0
_DOUBLINGS: NDArray[np.float32] = np.zeros(FIELD_SIZES[Field.DURATION], dtype=np.float32)
_DOUBLINGS[:OPEN_DURATION] = np.log2(DURATION_TICKS)

Bias = NDArray[np.float32] | float
"""What to add to the logits of a column; 0 where nothing pulls."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How parts of one instrument class accompany: medians over songs, of bars in which the lead plays too.

    Attributes:
        pitch: Mean pitch; None for drums.
        length_beats: Length, the geometric mean of a song's; None for drums.
        notes_per_beat: Onsets a beat.
        songs: How many tell.
    """

    pitch: float | None
    length_beats: float | None
    notes_per_beat: float
    songs: int


Habits = Mapping[int, Habit]
"""By instrument class."""


def habits_of(corpus: Corpus) -> dict[int, Habit]:
    """The habits of the parts that accompany in the training songs."""
    found: dict[int, list[tuple[float, float, float]]] = {}
    for song in corpus.split("train"):
        notes = corpus.notes(song)
        for index, part in enumerate(song.parts):
            if index != song.lead and (told := _ways(song, notes, index)) is not None:
                found.setdefault(part.instrument, []).append(told)
    return {instrument: _habit(instrument, ways) for instrument, ways in sorted(found.items())}


def _ways(song: Song, notes: GridNotes, index: int) -> tuple[float, float, float] | None:
    """Mean pitch, mean log2 of the length in beats and onsets a beat of a part, beside the lead."""
    lines = list(song.grid.lines(0, int(notes["onset_ticks"][-1]) + 1))
    starts, lengths = (np.array(column, dtype=np.int64) for column in zip(*lines, strict=True))
    bars = np.searchsorted(starts, notes["onset_ticks"], side="right") - 1
    own = notes["part"] == index
    shared = np.intersect1d(bars[own], bars[notes["part"] == song.lead])
    own &= np.isin(bars, shared)
    if np.count_nonzero(own) < FEWEST_NOTES:
        return None
    beats = lengths[shared].sum() / GRID_PER_BEAT
    doublings = np.log2(notes["duration_ticks"][own] / GRID_PER_BEAT)
    return float(notes["pitch"][own].mean()), float(doublings.mean()), np.count_nonzero(own) / float(beats)


def _habit(instrument: int, ways: list[tuple[float, float, float]]) -> Habit:
    pitch, doublings, density = (round(float(value), 3) for value in np.median(ways, axis=0))
    if instrument == DRUMS:
        return Habit(None, None, density, len(ways))
    return Habit(pitch, round(2**doublings, 3), density, len(ways))


def habits_json(habits: Habits) -> dict[str, Any]:
    """As a bundle keeps them: by the instrument's name."""
    return {INSTRUMENT_NAMES[instrument]: asdict(habit) for instrument, habit in habits.items()}


def read_habits(kept: Mapping[str, Any]) -> dict[int, Habit]:
    """The habits that a bundle keeps.

    Raises:
        TypeError, ValueError: They are none.
    """
    found = {INSTRUMENT_NAMES.index(name): Habit(**habit) for name, habit in kept.items()}
    for instrument, habit in found.items():
        told = (habit.pitch, habit.length_beats, habit.notes_per_beat)
        if any(not 0 < value < np.inf for value in told if value is not None):
            raise ValueError("a habit is a positive number")
        if instrument != DRUMS and None in told:
            raise ValueError("only drums have neither pitch nor length")
    return found


class Strays:
    """How far the partner's last notes are from its habits. One plan each.

    Args:
        habits: What is usual.
        context: What the partner has read.
        steering: Its range limits where the pull leads.
    """

    def __init__(self, habits: Habits, context: Rows, steering: Steering) -> None:
        self._steering = steering
        self._habits = {i: habits[i] for i in steering.instruments if i in habits and i != DRUMS}
        self._recent: dict[int, deque[tuple[int, float]]] = {}
        for instrument in self._habits:
            own = (context[:, Field.ROLE] == Role.PARTNER) & (context[:, Field.INSTRUMENT] == instrument)
            last = context[own][-RECENT_NOTES:]
            doublings = _DOUBLINGS[last[:, Field.DURATION]]
            told = zip(last[:, Field.PITCH].tolist(), doublings.tolist(), strict=True)
            self._recent[instrument] = deque(told, maxlen=RECENT_NOTES)

    def add(self, row: Rows) -> None:
        """The partner plays a note."""
        recent = self._recent.get(int(row[Field.INSTRUMENT]))
        if recent is not None:
            recent.append((int(row[Field.PITCH]), float(_DOUBLINGS[row[Field.DURATION]])))

    def pitches(self, instrument: int) -> Bias:
        """Bias of the next note's pitch."""
        recent = self._recent.get(instrument, ())
        if len(recent) < TOO_FEW:
            return 0.0
        goal = self._goal(self._habits[instrument].pitch or 0.0)
        off = sum(pitch for pitch, _ in recent) / len(recent) - goal
        return _OCTAVES * (-PITCH_PULL * beyond(off, NEAR_SEMITONES))

    def lengths(self, instrument: int) -> Bias:
        """Bias of the next note's length."""
        recent = self._recent.get(instrument, ())
        if len(recent) < TOO_FEW:
            return 0.0
        goal = math.log2((self._habits[instrument].length_beats or 1.0) * GRID_PER_BEAT)
        off = sum(doublings for _, doublings in recent) / len(recent) - goal
        return _DOUBLINGS * (-LENGTH_PULL * beyond(off, NEAR_OCTAVES))

    def _goal(self, pitch: float) -> float:
        low, high = self._steering.low_pitch + MARGIN, self._steering.high_pitch - MARGIN
        return min(max(pitch, low), high) if low < high else (low + high) / 2


def beyond(off: float, near: float) -> float:
    """What is left of a distance, either way, beyond what counts as near."""
    return max(off - near, 0.0) + min(off + near, 0.0)
