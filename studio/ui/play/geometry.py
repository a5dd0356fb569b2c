"""Where things of music stand on the screen: ticks and pitches to pixels, and back. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pygame

from midi.events import GRID_PER_BEAT
from midi.theory import BLACK_KEYS

LOW_KEY, HIGH_KEY = 21, 108
"""Lowest and highest key of a piano, A0 and C8."""

NOW_SHARE = 0.62
"""Place of the now-line in the width of the score."""

_BLACK_WIDTH, _BLACK_HEIGHT = 0.58, 0.63
"""Of black keys, in widths and heights of white ones."""

_BLACK_SHIFT = {1: -0.07, 3: 0.07, 6: -0.1, 8: 0.0, 10: 0.1}
"""How far a black key stands off the gap between its neighbors, in widths of white keys: as on a piano,
where the black keys of a group spread."""

_WHITE_BEFORE = (0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6)
"""White keys below each pitch class in its octave."""


def is_black(pitch: int) -> bool:
    """Whether a pitch is played by a black key."""
    return pitch % 12 in BLACK_KEYS


@dataclass(frozen=True, slots=True)
class RollGeometry:
    """The score's plane.

    Attributes:
        rect: Where notes stand, display pixels.
        beat_px: Width of a beat.
        now_ticks: Grid tick at the now-line, fractional.
        low_pitch: Pitch at the lower edge, fractional: the lane of pitch p reaches from p to p + 1.
        lane_px: Height of a semitone.
    """

    rect: pygame.Rect
    beat_px: float
    now_ticks: float
    low_pitch: float
    lane_px: float

    @property
    def now_x(self) -> int:
        """The now-line."""
        return self.rect.left + round(self.rect.width * NOW_SHARE)

    def tick_x(self, tick: float) -> int:
        """Left edge of a tick. Distances between ticks do not change while the score scrolls."""
        scale = self.beat_px / GRID_PER_BEAT
        return self.now_x + round(tick * scale) - round(self.now_ticks * scale)

    def x_tick(self, x: float) -> float:
        """Tick at a place; the inverse of :meth:`tick_x` but for rounding."""
        return self.now_ticks + (x - self.now_x) * GRID_PER_BEAT / self.beat_px

    def pitch_y(self, pitch: float) -> int:
        """Upper edge of a pitch's lane."""
        return self.rect.bottom - round((pitch + 1 - self.low_pitch) * self.lane_px)

    def y_pitch(self, y: float) -> int:
        """The pitch whose lane is at a height."""
        return math.ceil((self.rect.bottom - y) / self.lane_px + self.low_pitch) - 1

    def note_rect(self, onset_ticks: float, end_ticks: float, pitch: int) -> pygame.Rect:
        """Box of a note: its lane less a hairline, its time less a gap before the next; at least 3 wide."""
        left = self.tick_x(onset_ticks)
        top, bottom = self.pitch_y(pitch), self.pitch_y(pitch - 1)
        gap = 1 if self.lane_px >= 5 else 0
        return pygame.Rect(
            left, top + gap, max(3, self.tick_x(end_ticks) - left - 1), max(2, bottom - top - gap)
        )

    @property
    def first_tick(self) -> float:
        """Tick at the left edge."""
        return self.x_tick(self.rect.left)

    @property
    def last_tick(self) -> float:
        """Tick at the right edge."""
        return self.x_tick(self.rect.right)


def pitch_span(
    pitches: Iterable[int], *, least: int = 30, margin: int = 3, rest: tuple[int, int] = (48, 78)
) -> tuple[float, float]:
    """Lowest and highest pitch to be shown (the latter exclusive), whole ones.

    Args:
        pitches: What must be seen.
        least: Semitones shown at least.
        margin: Semitones beside the outermost notes.
        rest: What is shown where nothing is.
    """
    found = sorted(pitches)
    if not found:
        return float(rest[0]), float(rest[1])
    low, high = found[0] - margin, found[-1] + 1 + margin
    lacking = max(0, least - (high - low))
    low -= lacking // 2
    high = max(high, low + least)
    if low < 0:
        low, high = 0, max(high - low, least)
    if high > 128:
        low, high = max(0, low - (high - 128)), 128
    return float(low), float(high)


class KeyboardGeometry:
    """Where the 88 keys are within a box.

    Args:
        rect: All of the keyboard, display pixels.

    Attributes:
        keys: Box of every key by pitch.
    """

    def __init__(self, rect: pygame.Rect) -> None:
        self.rect = pygame.Rect(rect)
        self.keys: dict[int, pygame.Rect] = {}
        self._white_px = rect.width / 52
        for pitch in range(LOW_KEY, HIGH_KEY + 1):
            self.keys[pitch] = self._black(pitch) if is_black(pitch) else self._white(pitch)

    def _white_number(self, pitch: int) -> int:
        return (pitch // 12) * 7 + _WHITE_BEFORE[pitch % 12] - 12

    def _white(self, pitch: int) -> pygame.Rect:
        number = self._white_number(pitch)
        left = self.rect.left + round(number * self._white_px)
        right = self.rect.left + round((number + 1) * self._white_px)
        return pygame.Rect(left, self.rect.top, right - left, self.rect.height)

    def _black(self, pitch: int) -> pygame.Rect:
        gap = self._white_number(pitch) + _BLACK_SHIFT[pitch % 12]
        width = max(3, round(self._white_px * _BLACK_WIDTH))
        left = self.rect.left + round(gap * self._white_px - width / 2)
        return pygame.Rect(left, self.rect.top, width, round(self.rect.height * _BLACK_HEIGHT))

    def at(self, x: int, y: int) -> int | None:
        """The key at a place, black ones first; None beside the keyboard."""
        if not self.rect.collidepoint(x, y):
            return None
        octave = (int((x - self.rect.left) / self._white_px) + 12) // 7 * 12
        near = [p for p in range(octave - 12, octave + 24) if p in self.keys]
        blacks = (p for p in near if is_black(p) and self.keys[p].collidepoint(x, y))
        whites = (p for p in near if not is_black(p) and self.keys[p].collidepoint(x, y))
        return next(blacks, None) or next(whites, None)

    def velocity(self, pitch: int, y: int) -> int:
        """How hard a key is struck: 36 at its far end to 120 at its near edge."""
        key = self.keys[pitch]
        depth = min(max((y - key.top) / max(1, key.height - 1), 0.0), 1.0)
        return round(36 + 84 * depth)
