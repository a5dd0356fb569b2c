"""Notes, parts and scores: plain immutable values in ticks.

Channels are 0–15 here and 1–16 on screen. Ranges are those of the MIDI 1.0 specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from midi.clock import TempoMap

PPQ = 480
"""Ticks a quarter note in every score that Antiphon writes."""

DRUM_CHANNEL = 9
"""Channel of the drum kit (General MIDI 1: channel 10 counted from one)."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note. Pitch 0–127, velocity 1–127, channel 0–15, duration at least 1 tick."""

    onset_ticks: int
    duration_ticks: int
    pitch: int
    velocity: int = 80
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Control:
    """One controller change: number and value 0–127, channel 0–15."""

    ticks: int
    number: int
    value: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class TimeSignature:
    """A metre that holds from ``ticks`` on; the denominator is a power of two."""

    ticks: int = 0
    numerator: int = 4
    denominator: int = 4

    def bar_beats(self) -> float:
        """Length of a bar in quarter notes."""
        return 4.0 * self.numerator / self.denominator


@dataclass(frozen=True, slots=True, eq=False)
class NoteArray:
    """Notes as a structure of equally long arrays (int64 ticks, uint8 the rest).

    Order is free unless a function says otherwise; ``sorted`` gives the canonical one.
    """

    onset_ticks: NDArray[np.int64]
    duration_ticks: NDArray[np.int64]
    pitch: NDArray[np.uint8]
    velocity: NDArray[np.uint8]
    channel: NDArray[np.uint8]

    @classmethod
    def from_notes(cls, notes: Iterable[Note]) -> NoteArray:
        """Pack notes, keeping their order."""
        rows = [(n.onset_ticks, n.duration_ticks, n.pitch, n.velocity, n.channel) for n in notes]
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        return cls(
            table[:, 0].copy(),
            table[:, 1].copy(),
            table[:, 2].astype(np.uint8),
            table[:, 3].astype(np.uint8),
            table[:, 4].astype(np.uint8),
        )

    @classmethod
    def concatenate(cls, arrays: Iterable[NoteArray]) -> NoteArray:
        """All notes of all arrays, in the order given."""
        parts = list(arrays)
        if not parts:
            return cls.from_notes(())
        return cls(*(np.concatenate([getattr(a, f.name) for a in parts]) for f in fields(cls)))

    def __len__(self) -> int:
        return len(self.onset_ticks)

    def __iter__(self) -> Iterator[Note]:
        columns = (getattr(self, f.name).tolist() for f in fields(self))
        return (Note(*row) for row in zip(*columns, strict=True))

    __hash__ = None  # type: ignore[assignment]  # arrays can change, so nothing may be filed under them

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoteArray):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> NoteArray:
        """The notes at ``index`` (integers or a mask)."""
        return NoteArray(*(getattr(self, f.name)[index] for f in fields(self)))

    def sorted(self) -> NoteArray:
        """Canonical order: onset, then channel, pitch, duration, velocity."""
        keys = (self.velocity, self.duration_ticks, self.pitch, self.channel, self.onset_ticks)
        return self.take(np.lexsort(keys))

    def end_ticks(self) -> int:
        """Tick at which the last note ends; 0 when there is none."""
        return int((self.onset_ticks + self.duration_ticks).max()) if len(self) else 0

    def with_ticks(self, onset_ticks: NDArray[np.int64], duration_ticks: NDArray[np.int64]) -> NoteArray:
        """The same notes at other times."""
        return replace(self, onset_ticks=onset_ticks, duration_ticks=duration_ticks)


@dataclass(frozen=True, slots=True)
class Part:
    """One musical part: a name, an instrument and its notes.

    ``program`` is the General MIDI program 0–127 and means nothing when ``is_drum``.
    """

    name: str
    notes: NoteArray
    program: int = 0
    is_drum: bool = False
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """Parts over one tempo map. ``repairs`` says in sentences what reading had to mend."""

    parts: tuple[Part, ...]
    tempo_map: TempoMap = field(default_factory=TempoMap)
    time_signatures: tuple[TimeSignature, ...] = (TimeSignature(),)
    repairs: tuple[str, ...] = ()

    @property
    def ppq(self) -> int:
        """Ticks a quarter note."""
        return self.tempo_map.ppq

    def end_ticks(self) -> int:
        """Tick at which the last note of any part ends."""
        return max((part.notes.end_ticks() for part in self.parts), default=0)

    def n_notes(self) -> int:
        """Number of notes in all parts."""
        return sum(len(part.notes) for part in self.parts)
