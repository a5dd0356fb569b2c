"""The notes of the score: heard ones, the partner's committed ones, planned ghosts, and drums as diamonds."""

from __future__ import annotations

from functools import cache

import pygame

from midi.events import DRUMS
from models.sequence.plan import PlannedNote
from studio.live.deskview import RollNote
from studio.live.messages import Voice
from studio.ui.play import sprites
from studio.ui.play.geometry import RollGeometry
from studio.ui.theme import GHOST, GROUND, INK, PARTNER, PLAYER, Color, mixed

ACCENTS = {Voice.PLAYER: PLAYER, Voice.PARTNER: PARTNER}
GLOW_TICKS = 9
"""A note that was struck this lately is brighter: at 120 bpm, about a fifth of a second."""

DRUM_ROWS = 4
"""Heights of the drum lane: kick, snare, toms and hand drums, hats and cymbals."""

_KICKS = frozenset({35, 36})
_SNARES = frozenset({37, 38, 39, 40})
_METAL = frozenset({42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59, 69, 70, 80, 81})


def drum_row(pitch: int) -> int:
    """Row of a General MIDI percussion key in the drum lane, 0 at the bottom."""
    if pitch in _KICKS:
        return 0
    if pitch in _SNARES:
        return 1
    return 3 if pitch in _METAL else 2


def heard_color(voice: Voice, velocity: int, age_ticks: float) -> Color:
    """The voice's accent, brighter for louder notes and for an instant after the stroke."""
    fresh = 1.0 - age_ticks / GLOW_TICKS
    glow = round(fresh * 3) if 0.0 < fresh <= 1.0 else 0
    return _heard_color(voice, min(max(velocity, 1), 127) // 8, glow)


@cache
def _heard_color(voice: Voice, loudness: int, glow: int) -> Color:
    """Color by loudness 0–15 and glow 0–3: few enough that the sprites are soon all drawn."""
    return mixed(mixed(GROUND, ACCENTS[voice], 0.42 + 0.58 * loudness / 15), INK, 0.55 * glow / 3)


def committed_colors(velocity: int) -> tuple[Color, Color]:
    """Filling and outline of a note that will be played."""
    return _committed_colors(min(max(velocity, 1), 127) // 16)


@cache
def _committed_colors(loudness: int) -> tuple[Color, Color]:
    loud = loudness / 7
    return mixed(GROUND, PARTNER, 0.38 + 0.3 * loud), mixed(GROUND, PARTNER, 0.82 + 0.18 * loud)


class NotePen:
    """Draws notes on one plane; drums go to a lane of their own.

    Args:
        surface: Where to; its clip is the plane or wider.
        roll: The plane.
        drums: The drum lane; empty for none.
        radius: Of a bar's corners, display pixels.
        line: Width of outlines, display pixels.
    """

    def __init__(
        self, surface: pygame.Surface, roll: RollGeometry, drums: pygame.Rect, radius: int, line: int = 1
    ) -> None:
        self._surface, self._roll, self._drums = surface, roll, drums
        self._radius, self._line = radius, line
        self._row_px = drums.height / (DRUM_ROWS + 0.5)
        self._drum_px = max(5, round(self._row_px * 1.15)) | 1

    def heard(self, note: RollNote) -> None:
        """A note of the past; one that sounds ends at the now-line."""
        roll = self._roll
        color = heard_color(note.voice, note.velocity, roll.now_ticks - note.onset_ticks)
        if note.instrument == DRUMS:
            self._diamond(note.onset_ticks, note.pitch, color, None)
            return
        end = roll.now_ticks if note.end_ticks is None else min(note.end_ticks, roll.now_ticks)
        rect = roll.note_rect(note.onset_ticks, end, note.pitch)
        if note.end_ticks is None or note.end_ticks >= roll.now_ticks:
            rect.width = max(3, roll.now_x - rect.left)
        if self._is_seen(rect):
            sprites.draw_bar(self._surface, rect, self._radius, color)

    def committed(self, note: PlannedNote) -> None:
        """A note that will be played, as far as it lies ahead: solid, outlined."""
        fill, edge = committed_colors(note.velocity)
        self._planned(note, fill, edge, 255)

    def ghost(self, note: PlannedNote) -> None:
        """A note that the partner means to play: hollow and dim."""
        self._planned(note, GHOST, GHOST, 0)

    def _planned(self, note: PlannedNote, fill: Color, edge: Color, alpha: int) -> None:
        roll = self._roll
        if note.instrument == DRUMS:
            if note.onset_ticks > roll.now_ticks:
                self._diamond(note.onset_ticks, note.pitch, fill, edge, alpha)
            return
        rect = roll.note_rect(note.onset_ticks, note.onset_ticks + note.duration_ticks, note.pitch)
        if rect.left < roll.now_x:
            # The beginning was heard and is drawn as such.
            rect.width, rect.left = rect.right - roll.now_x, roll.now_x
        if rect.width > 1 and self._is_seen(rect):
            sprites.draw_bar(
                self._surface, rect, self._radius, fill, edge, is_hollow=alpha == 0, line=self._line
            )

    def _diamond(
        self, onset_ticks: float, pitch: int, fill: Color, edge: Color | None, alpha: int = 255
    ) -> None:
        x = self._roll.tick_x(onset_ticks)
        y = self._drums.bottom - round((drum_row(pitch) + 0.75) * self._row_px)
        size = self._drum_px
        if self._drums.height and self._drums.left - size < x < self._drums.right + size:
            image = sprites.diamond(size, fill, edge, alpha, self._line)
            self._surface.blit(image, (x - size // 2, y - size // 2))

    def _is_seen(self, rect: pygame.Rect) -> bool:
        return rect.right > self._roll.rect.left and rect.colliderect(self._roll.rect)
