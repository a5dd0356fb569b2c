"""A MIDI file in the place of the player: its notes and pedal as inputs, at their times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from midi.clock import TempoMap
from midi.errors import UserError
from midi.note import Score
from midi.pedal import apply_pedal
from studio.live.messages import Input, KeyDown, KeyUp, SetPlaying, SetTempo

SOURCE = "file"


@dataclass(frozen=True, slots=True)
class FilePart:
    """What a file has the player play: inputs by time from its first tick, and its length."""

    name: str
    bpm: float
    inputs: tuple[Input, ...]
    seconds: float
    n_notes: int


def player_part(score: Score, bpm: float | None = None) -> FilePart:
    """The first part with notes that is no drum kit, or the drums if there is nothing else.

    Args:
        score: The file.
        bpm: Play it all at this tempo; None keeps the file's tempo, with its changes as ``SetTempo``.

    Raises:
        UserError: The file has no notes.
    """
    # The pedal becomes part of the durations, so that the partner hears what sounds.
    parts = [part for part in apply_pedal(score).parts if len(part.notes)]
    if not parts:
        raise UserError("The player file has no notes.", "Choose a MIDI file with a melody in it.")
    part = next((each for each in parts if not each.is_drum), parts[0])
    notes = part.notes
    on_s = _seconds(score, notes.onset_ticks, bpm)
    # A key released in the very tick of its next stroke is released before it.
    off_s = _seconds(score, notes.onset_ticks + notes.duration_ticks, bpm)
    keyed: list[tuple[float, int, Input]] = []
    for on, off, pitch, velocity in zip(on_s, off_s, notes.pitch, notes.velocity, strict=True):
        keyed.append((float(on), 2, KeyDown(float(on), int(pitch), int(velocity), SOURCE)))
        keyed.append((float(off), 1, KeyUp(float(off), int(pitch), SOURCE)))
    first = bpm or score.tempo_map.bpm_at(0)
    if bpm is None:
        changes = [
            (float(score.tempo_map.seconds(tick)), value) for tick, value in score.tempo_map.changes[1:]
        ]
        keyed += [(at_s, 0, SetTempo(at_s, value)) for at_s, value in changes]
    keyed.sort(key=lambda item: item[:2])
    return FilePart(part.name, first, tuple(x for _, _, x in keyed), float(off_s.max()), len(notes))


def _seconds(score: Score, ticks: NDArray[np.int64], bpm: float | None) -> NDArray[np.float64]:
    tempo_map = score.tempo_map if bpm is None else TempoMap(score.ppq, ((0, bpm),))
    return tempo_map.seconds(ticks)


class FilePlayer:
    """Starts the transport, then hands out a part's inputs when their time has come. One thread only.

    Args:
        part: What to play.
        start_s: Time of the part's first tick.
    """

    def __init__(self, part: FilePart, start_s: float) -> None:
        self._part, self._start_s = part, start_s
        # Beat 0 is the file's first tick, not its first note.
        self._inputs: tuple[Input, ...] = (SetPlaying(0.0, is_playing=True), *part.inputs)
        self._next = 0

    @property
    def end_s(self) -> float:
        """Time at which the last note ends."""
        return self._start_s + self._part.seconds

    def due(self, now_s: float) -> list[Input]:
        """Inputs whose time has come, stamped with the time that the file gives them."""
        found: list[Input] = []
        while self._next < len(self._inputs) and self._start_s + self._inputs[self._next].time_s <= now_s:
            item = self._inputs[self._next]
            found.append(replace(item, time_s=self._start_s + item.time_s))
            self._next += 1
        return found
