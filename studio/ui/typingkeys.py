"""The computer's keys as a piano: which place plays what, and that every press has its release. Pure.

Keys are told by their place (SDL scan codes, the USB HID usage numbers), so that two rows form a piano on any
national layout: the row of Z is white keys from C with the row of A as its black keys; the row of Q is an
octave higher with the digits as its black keys. The square brackets, or Page Up and Down, shift the octave;
minus and equals change the velocity.
"""

from __future__ import annotations

from dataclasses import dataclass

LOW_ROW = {
    29: 0, 22: 1, 27: 2, 7: 3, 6: 4, 25: 5, 10: 6, 5: 7, 11: 8, 17: 9, 13: 10, 16: 11,
    54: 12, 15: 13, 55: 14, 51: 15, 56: 16,
}  # fmt: skip
"""Semitones above the octave's C by scan code: Z S X D C V G B H N J M , L . ; /"""
HIGH_ROW = {
    20: 12, 31: 13, 26: 14, 32: 15, 8: 16, 21: 17, 34: 18, 23: 19, 35: 20, 28: 21, 36: 22, 24: 23,
    12: 24, 38: 25, 18: 26, 39: 27, 19: 28,
}  # fmt: skip
"""Q 2 W 3 E R 5 T 6 Y 7 U I 9 O 0 P"""
PLAYING = LOW_ROW | HIGH_ROW

OCTAVE_KEYS = {47: -1, 48: 1, 75: 1, 78: -1}
"""Square brackets; Page Up and Page Down."""
VELOCITY_KEYS = {45: -8, 46: 8}
"""Minus and equals."""

LOWEST_OCTAVE, HIGHEST_OCTAVE = 0, 8
"""Octaves as pianos are counted: 4 begins with middle C, pitch 60."""


@dataclass(frozen=True, slots=True)
class Press:
    """A note begins."""

    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Release:
    """A note ends."""

    pitch: int


Sounding = Press | Release


class TypingKeys:
    """What of the computer's keyboard is held, and what that means.

    Args:
        octave: Of the lower row, 0–8.
        velocity: Of every note, 1–127.
    """

    def __init__(self, octave: int = 4, velocity: int = 88) -> None:
        self.octave = min(max(octave, LOWEST_OCTAVE), HIGHEST_OCTAVE)
        self.velocity = min(max(velocity, 1), 127)
        self._held: dict[int, int] = {}

    @property
    def held(self) -> tuple[int, ...]:
        """Pitches that sound, low to high."""
        return tuple(sorted(set(self._held.values())))

    @staticmethod
    def plays(scancode: int) -> bool:
        """Whether a key belongs to the piano."""
        return scancode in PLAYING or scancode in OCTAVE_KEYS or scancode in VELOCITY_KEYS

    def down(self, scancode: int) -> Press | None:
        """A key went down; None when it plays nothing, or what it plays sounds already."""
        step = PLAYING.get(scancode)
        if step is None or scancode in self._held:
            return None
        pitch = 12 * (self.octave + 1) + step
        if pitch > 127:
            return None
        is_sounding = pitch in self._held.values()
        self._held[scancode] = pitch
        return None if is_sounding else Press(pitch, self.velocity)

    def up(self, scancode: int) -> Release | None:
        """A key went up; the note ends with the last key that holds it, in whatever octave it began."""
        pitch = self._held.pop(scancode, None)
        if pitch is None or pitch in self._held.values():
            return None
        return Release(pitch)

    def release_all(self) -> list[Release]:
        """End everything: the window lost the keyboard, or another screen came."""
        pitches = self.held
        self._held.clear()
        return [Release(pitch) for pitch in pitches]

    def adjust(self, scancode: int) -> bool:
        """Shift the octave or change the velocity; False when the key does neither. Held notes stay."""
        if scancode in OCTAVE_KEYS:
            octave = self.octave + OCTAVE_KEYS[scancode]
            self.octave = min(max(octave, LOWEST_OCTAVE), HIGHEST_OCTAVE)
        elif scancode in VELOCITY_KEYS:
            self.velocity = min(max(self.velocity + VELOCITY_KEYS[scancode], 8), 127)
        else:
            return False
        return True
