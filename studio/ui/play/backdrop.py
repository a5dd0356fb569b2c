"""What the score's notes stand on: lanes of pitch, lines of beats and bars, and the gutter with its names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import pairwise

import pygame

from midi.events import GRID_PER_BEAT
from studio.ui.paint import Painter, text_image
from studio.ui.play import sprites
from studio.ui.play.geometry import RollGeometry, is_black
from studio.ui.theme import EDGE, GROUND, INK_FAINT, PANEL, PARTNER, Color, mixed

LANE: Color = mixed(GROUND, PANEL, 0.75)
BAR_LINE: Color = mixed(PANEL, EDGE, 0.95)
BEAT_LINE: Color = mixed(PANEL, EDGE, 0.38)
OCTAVE_LINE: Color = mixed(PANEL, EDGE, 0.6)


class Region(IntEnum):
    """Stretches of time with a ground of their own."""

    PAST = 0
    COMMITTED = 1
    PLANNED = 2
    OPEN = 3


_TINT: dict[Region, tuple[Color, float]] = {
    Region.PAST: (PANEL, 0.0),
    Region.COMMITTED: (PARTNER, 0.075),
    Region.PLANNED: (PARTNER, 0.03),
    Region.OPEN: (GROUND, 0.25),
}


@cache
def ground(region: Region, *, black: bool = False) -> Color:
    """Color of the lanes of a stretch of time."""
    tint, share = _TINT[region]
    return mixed(mixed(LANE, GROUND, 0.55) if black else LANE, tint, share)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A region from ``left`` to ``right``, display pixels."""

    region: Region
    left: int
    right: int


def stretches(roll: RollGeometry, commit_ticks: float, lookahead_ticks: float) -> list[Stretch]:
    """The regions of the visible score, left to right, without empty ones.

    Args:
        roll: The plane.
        commit_ticks: Ticks from now to the commit line.
        lookahead_ticks: Ticks from now to where the plan ends.
    """
    commit = min(roll.tick_x(roll.now_ticks + commit_ticks), roll.rect.right)
    end = max(commit, min(roll.tick_x(roll.now_ticks + lookahead_ticks), roll.rect.right))
    edges = (roll.rect.left, roll.now_x, commit, end, roll.rect.right)
    found = (Stretch(region, *span) for region, span in zip(Region, pairwise(edges), strict=True))
    return [stretch for stretch in found if stretch.right > stretch.left]


def draw_lanes(surface: pygame.Surface, roll: RollGeometry, regions: list[Stretch]) -> None:
    """Cover the whole plane. Plain boxes: that is as fast as a picture of them, and pitches may glide."""
    top_pitch = roll.y_pitch(roll.rect.top) + 1
    edges = [
        (p, roll.pitch_y(p), roll.pitch_y(p - 1)) for p in range(math.floor(roll.low_pitch), top_pitch + 1)
    ]
    for stretch in regions:
        left, width = stretch.left, stretch.right - stretch.left
        surface.fill(ground(stretch.region), (left, roll.rect.top, width, roll.rect.height))
        dark = ground(stretch.region, black=True)
        line = mixed(OCTAVE_LINE, *_TINT[stretch.region])
        for pitch, top, bottom in edges:
            if is_black(pitch):
                sprites.fill_box(surface, dark, pygame.Rect(left, top, width, bottom - top))
            elif pitch % 12 in {0, 5}:
                color = dark if pitch % 12 else line
                sprites.fill_box(surface, color, pygame.Rect(left, bottom - 1, width, 1))


@dataclass(frozen=True, slots=True)
class BeatLine:
    """A beat of the score: its place, and the number of the bar that it begins or 0."""

    x: int
    bar: int


def beat_lines(roll: RollGeometry, beats_per_bar: float, unit_beats: float) -> Iterator[BeatLine]:
    """Beats within the plane, from the left; nothing before the first bar.

    Args:
        roll: The plane.
        beats_per_bar: Quarters a bar.
        unit_beats: Quarters a counted beat: 0.5 for eighths.
    """
    bar_ticks = max(1, round(beats_per_bar * GRID_PER_BEAT))
    unit_ticks = max(1, round(unit_beats * GRID_PER_BEAT))
    bar = max(0, math.floor(roll.first_tick / bar_ticks))
    while bar * bar_ticks <= roll.last_tick:
        for tick in range(bar * bar_ticks, (bar + 1) * bar_ticks, unit_ticks):
            x = roll.tick_x(tick)
            if roll.rect.left <= x < roll.rect.right:
                yield BeatLine(x, bar + 1 if tick == bar * bar_ticks else 0)
        bar += 1


def draw_gutter(painter: Painter, rect: pygame.Rect, roll: RollGeometry) -> None:
    """The names of the Cs beside the lanes."""
    surface, scale = painter.surface, painter.theme.scale
    surface.fill(PANEL, rect)
    surface.fill(EDGE, (rect.right - 1, rect.top, 1, rect.height))
    clip = surface.get_clip()
    surface.set_clip(clip.clip(rect))
    for pitch in range(0, 128, 12):
        image = text_image(f"C{pitch // 12 - 1}", "tiny", "medium", INK_FAINT, scale)
        bottom = roll.pitch_y(pitch - 1)
        if roll.rect.top - image.get_height() < bottom <= roll.rect.bottom + image.get_height():
            middle = (roll.pitch_y(pitch) + bottom) // 2
            surface.blit(image, image.get_rect(right=rect.right - painter.px(6), centery=middle))
            surface.fill(OCTAVE_LINE, (rect.right - painter.px(4), bottom - 1, painter.px(4), 1))
    surface.set_clip(clip)
