"""The player's own keys: what is held, and the sounds that presses and releases make at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studio.live.context import HeardNote
from studio.live.messages import Sound, Voice

MAX_PRESSES_A_STEP = 128
"""Presses taken in one step; no ten fingers reach it, so more is a broken or hostile source."""

_SUSTAIN = 64


@dataclass(slots=True)
class HeldKey:
    """A sounding key of the player."""

    pitch: int
    velocity: int
    source: str
    note_id: int
    on_s: float
    instrument: int = 0
    heard: HeardNote | None = None


class Keys:
    """Keys and pedals held by the player, one note a pitch.

    Every method returns the sounds that it causes; each on is followed by exactly one off. A key
    that a second source presses too is struck again and then belongs to that source.

    Args:
        note_ids: Where note ids come from, shared with the partner.
        instrument: Instrument class of the player; it may be set at any time, for the keys pressed then.
    """

    def __init__(self, note_ids: Iterator[int], instrument: int = 0) -> None:
        self._note_ids = note_ids
        self.instrument = instrument
        self._held: dict[int, HeldKey] = {}
        self._pedals: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    def pitches(self) -> tuple[int, ...]:
        """Held pitches, ascending."""
        return tuple(sorted(self._held))

    def get(self, pitch: int) -> HeldKey | None:
        """The held key of a pitch."""
        return self._held.get(pitch)

    def press(self, pitch: int, velocity: int, source: str, time_s: float) -> tuple[HeldKey, Sound]:
        """A new key; release an old one of the same pitch before."""
        key = HeldKey(pitch, velocity, source, next(self._note_ids), time_s, self.instrument)
        self._held[pitch] = key
        sound = Sound(time_s, "on", Voice.PLAYER, pitch, velocity, key.note_id, key.instrument)
        return key, sound

    def release(self, pitch: int, time_s: float) -> tuple[HeldKey, Sound]:
        """End a held key; the off never comes before its on."""
        key = self._held.pop(pitch)
        time_s = max(time_s, key.on_s)
        return key, Sound(time_s, "off", Voice.PLAYER, pitch, 0, key.note_id, key.instrument)

    def of_source(self, source: str | None) -> tuple[int, ...]:
        """Pitches that a source holds; None for any source."""
        return tuple(p for p, key in sorted(self._held.items()) if source in (None, key.source))

    def control(self, number: int, value: int, source: str, time_s: float) -> Sound:
        """A controller, passed on; the sustain pedal is remembered so that it can be lifted."""
        if number == _SUSTAIN:
            if value:
                self._pedals[source] = time_s
            else:
                self._pedals.pop(source, None)
        return Sound(time_s, "control", Voice.PLAYER, number, value, instrument=self.instrument)

    def lift_pedals(self, source: str | None, time_s: float) -> list[Sound]:
        """Lift the sustain pedal if a source holds it and no other does; None for every source."""
        mine = [name for name in self._pedals if source in (None, name)]
        pressed_s = max((self._pedals.pop(name) for name in mine), default=time_s)
        if not mine or self._pedals:
            return []
        at_s = max(time_s, pressed_s)
        return [Sound(at_s, "control", Voice.PLAYER, _SUSTAIN, 0, instrument=self.instrument)]
