"""A take heard again: its sounds at their times, for the same sinks that a performance has. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from studio.live.messages import FIRST_FIXED_ID, Sound, Voice
from studio.live.take import Take

AHEAD_S = 0.060
"""Sounds are given out this long before their time, so that they start at their very frame."""

LEAD_S = 0.1
"""A take begins this long after it was asked for, more than the lookahead: its first note is whole."""

_PEDAL = 64
_ROOM = 1 << 32
"""Ids that each playback has for itself; takes have far fewer notes."""


def playback_ids() -> Iterator[int]:
    """First ids of one playback after the other, beyond those of clicks."""
    number = 2 * FIRST_FIXED_ID
    while True:
        yield number
        number += _ROOM


class TakePlayer:
    """Gives out a take's sounds; every note that it begins it ends. One thread only.

    Args:
        take: What to play.
        from_s: Where to begin, seconds after the first tick of the take's score. Notes begun before it are
            left out, pedals are as they were there.
        start_s: Engine time at which that is heard.
        first_id: Where the ids of its notes begin (:func:`playback_ids`).

    Attributes:
        start_s: Engine time that belongs to the beginning of the take.
        duration_s: How long the take is.
    """

    def __init__(self, take: Take, from_s: float, start_s: float, first_id: int) -> None:
        self.start_s, self.duration_s = start_s - from_s, take.duration_s()
        self._first_id = first_id
        self._ids: dict[int, int] = {}
        self._sounds = _from(take, from_s)
        self._next = 0
        self._open: dict[int, Sound] = {}
        self._pedals: dict[Voice, Sound] = {}

    def position_s(self, now_s: float) -> float:
        """Where it stands, between 0 and its length."""
        return min(max(0.0, now_s - self.start_s), self.duration_s)

    def is_over(self, now_s: float) -> bool:
        """Whether everything has been given out and its time has passed."""
        return self._next >= len(self._sounds) and now_s - self.start_s > self.duration_s

    def due(self, now_s: float) -> list[Sound]:
        """Sounds up to ``AHEAD_S`` from now; at the end, the offs that the take lacks."""
        found: list[Sound] = []
        until_s = now_s + AHEAD_S - self.start_s
        while self._next < len(self._sounds) and self._sounds[self._next].time_s <= until_s:
            sound = self._sounds[self._next]
            self._next += 1
            found += self._heard(replace(sound, time_s=max(sound.time_s + self.start_s, now_s)))
        if self._next >= len(self._sounds) and now_s - self.start_s > self.duration_s:
            found += self.stop(now_s)
        return found

    def stop(self, now_s: float) -> list[Sound]:
        """Every off that is owed; nothing more is given out afterwards."""
        self._next = len(self._sounds)
        offs = [
            replace(on, kind="off", time_s=max(now_s, on.time_s), velocity=0) for on in self._open.values()
        ]
        lifts = [replace(down, time_s=max(now_s, down.time_s), velocity=0) for down in self._pedals.values()]
        self._open, self._pedals = {}, {}
        return [*offs, *lifts]

    def _heard(self, sound: Sound) -> list[Sound]:
        if sound.kind == "control":
            # An id from here says that the time was fixed long before.
            moved = replace(sound, note_id=self._first_id)
            if sound.pitch == _PEDAL and sound.velocity:
                self._pedals[sound.voice] = moved
            elif sound.pitch == _PEDAL:
                self._pedals.pop(sound.voice, None)
            return [moved]
        if sound.kind == "on":
            note_id = self._first_id + len(self._ids)
            self._ids[sound.note_id] = note_id
            self._open[note_id] = replace(sound, note_id=note_id)
            return [self._open[note_id]]
        on = self._open.pop(self._ids.get(sound.note_id, -1), None)
        return [] if on is None else [replace(sound, note_id=on.note_id, time_s=max(sound.time_s, on.time_s))]


def _from(take: Take, from_s: float) -> list[Sound]:
    """Sounds from a place on, by time, in seconds from the score's first tick."""
    origin_s = take.origin_s()
    sounds = sorted((replace(s, time_s=s.time_s - origin_s) for s in take.sounds), key=lambda s: s.time_s)
    before = [s for s in sounds if s.time_s < from_s and s.kind == "control"]
    latest = {(s.voice, s.pitch): replace(s, time_s=from_s) for s in before}
    return [*latest.values(), *(s for s in sounds if s.time_s >= from_s)]
