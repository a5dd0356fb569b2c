"""Line icons, drawn by code on a grid of 24 at any size, smooth, and kept by size and color.

All our own drawings. A stroke is 1.75 grid units wide with round ends; 1.25 units of air stay around each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import pygame

from studio.ui.theme import Color

GRID = 24
STROKE = 1.75
OVERSAMPLING = 6

Point = tuple[float, float]


class Pen:
    """Draws strokes and shapes in grid units on an enlarged surface."""

    def __init__(self, surface: pygame.Surface, color: Color) -> None:
        self._surface = surface
        self._color: tuple[int, int, int, int] = (*color, 255)
        self._clear = (*color, 0)
        self._unit = surface.get_width() / GRID

    def _at(self, point: Point) -> Point:
        return point[0] * self._unit, point[1] * self._unit

    def lines(self, *points: Point, is_closed: bool = False, width: float = STROKE) -> None:
        """A stroke along points, with round ends and joints."""
        path = [*points, points[0]] if is_closed else list(points)
        half = width * self._unit / 2
        places = [self._at(point) for point in path]
        for place in places:
            pygame.draw.circle(self._surface, self._color, place, half)
        for (x0, y0), (x1, y1) in itertools.pairwise(places):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            dx, dy = -(y1 - y0) / length * half, (x1 - x0) / length * half
            corners = [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)]
            pygame.draw.polygon(self._surface, self._color, corners)

    def shape(self, *points: Point) -> None:
        """A filled polygon with slightly rounded corners."""
        pygame.draw.polygon(self._surface, self._color, [self._at(point) for point in points])
        self.lines(*points, is_closed=True, width=1.2)

    def dot(self, center: Point, radius: float, *, is_hole: bool = False) -> None:
        """A filled circle, or a hole."""
        color = self._clear if is_hole else self._color
        pygame.draw.circle(self._surface, color, self._at(center), radius * self._unit)

    def arc(self, center: Point, radius: float, start: float, end: float, width: float = STROKE) -> None:
        """A stroke along a circle; degrees clockwise from twelve o'clock."""
        n_steps = max(6, round(abs(end - start) / 6))
        self.lines(*_on_circle(center, radius, start, end, n_steps), width=width)

    def circle(self, center: Point, radius: float) -> None:
        """A stroke around a circle."""
        self.arc(center, radius, 0, 360)

    def box(self, left: float, top: float, right: float, bottom: float, radius: float = 2.0) -> None:
        """A stroke around a box with round corners."""
        corners = ((right - radius, top + radius, 0), (right - radius, bottom - radius, 90),
                   (left + radius, bottom - radius, 180), (left + radius, top + radius, 270))  # fmt: skip
        points: list[Point] = []
        for x, y, start in corners:
            points += _on_circle((x, y), radius, start, start + 90, 6)
        self.lines(*points, is_closed=True)


def _on_circle(center: Point, radius: float, start: float, end: float, n_steps: int) -> list[Point]:
    angles = [math.radians(start + (end - start) * step / n_steps) for step in range(n_steps + 1)]
    return [(center[0] + radius * math.sin(a), center[1] - radius * math.cos(a)) for a in angles]


def _strokes(*paths: Sequence[Point]) -> Callable[[Pen], None]:
    """An icon that is nothing but strokes."""

    def draw(pen: Pen) -> None:
        for path in paths:
            pen.lines(*path)

    return draw


def _play(pen: Pen) -> None:
    pen.shape((7.5, 4.8), (19, 12), (7.5, 19.2))


def _stop(pen: Pen) -> None:
    pen.shape((6.2, 6.2), (17.8, 6.2), (17.8, 17.8), (6.2, 17.8))


def _pause(pen: Pen) -> None:
    pen.shape((6.5, 5.5), (9, 5.5), (9, 18.5), (6.5, 18.5))
    pen.shape((15, 5.5), (17.5, 5.5), (17.5, 18.5), (15, 18.5))


def _record(pen: Pen) -> None:
    pen.dot((12, 12), 6.8)


def _metronome(pen: Pen) -> None:
    pen.lines((9, 3), (15, 3), (19, 21), (5, 21), is_closed=True)
    pen.lines((6.2, 16), (17.8, 16))
    pen.lines((12, 16), (18.5, 6.5))


def _tap(pen: Pen) -> None:
    pen.arc((10.5, 8), 5.5, -120, 120)
    pen.lines((9, 14.5), (9, 8.2), (9.6, 7.2), (11.4, 7.2), (12, 8.2), (12, 12), (16.5, 13), (17.6, 14.2),
              (17, 19), (15.8, 21), (9.5, 21), (8, 20), (5.6, 15.6), (7, 14.2), (9, 16))  # fmt: skip


def _panic(pen: Pen) -> None:
    pen.lines((8.2, 3), (15.8, 3), (21, 8.2), (21, 15.8), (15.8, 21), (8.2, 21), (3, 15.8), (3, 8.2),
              is_closed=True)  # fmt: skip
    pen.lines((12, 7.5), (12, 12.8))
    pen.dot((12, 16.4), 1.25)


def _star_points() -> list[Point]:
    radii = (9.6, 4.1)
    return [_on_circle((12, 12.6), radii[i % 2], i * 36, i * 36, 1)[0] for i in range(10)]


def _star(pen: Pen) -> None:
    pen.lines(*_star_points(), is_closed=True)


def _star_full(pen: Pen) -> None:
    pen.shape(*_star_points())
    pen.lines(*_star_points(), is_closed=True)


def _trash(pen: Pen) -> None:
    pen.lines((3.5, 6.5), (20.5, 6.5))
    pen.lines((9, 6.2), (9, 3.5), (15, 3.5), (15, 6.2))
    pen.lines((5.8, 6.8), (6.8, 20.5), (17.2, 20.5), (18.2, 6.8))
    pen.lines((10, 11), (10, 16.5))
    pen.lines((14, 11), (14, 16.5))


def _tag(pen: Pen) -> None:
    pen.lines((3.5, 4), (11.5, 3.5), (21, 13), (13, 21), (3.5, 11.5), is_closed=True)
    pen.dot((8, 8), 1.5)


def _refresh(pen: Pen) -> None:
    pen.arc((12, 12), 8, 70, 340)
    pen.lines((4.6, 3.6), (9.2, 4.5), (8.3, 9.1))


def _settings(pen: Pen) -> None:
    for y, x in ((6, 15.5), (12, 8.5), (18, 13.5)):
        pen.lines((3.5, y), (20.5, y))
        pen.dot((x, y), 4.0, is_hole=True)
        pen.circle((x, y), 2.3)


def _help(pen: Pen) -> None:
    pen.circle((12, 12), 9.3)
    pen.arc((12, 9.8), 2.9, -80, 135)
    pen.lines((13.9, 12), (12, 13.4), (12, 14))
    pen.dot((12, 17.2), 1.2)


def _info(pen: Pen) -> None:
    pen.circle((12, 12), 9.3)
    pen.lines((12, 11.3), (12, 16.5))
    pen.dot((12, 7.6), 1.2)


def _music(pen: Pen) -> None:
    pen.lines((9, 17.5), (9, 5.5), (20, 3.5), (20, 15.5))
    pen.circle((6.3, 17.7), 2.7)
    pen.circle((17.3, 15.7), 2.7)


def _cube(pen: Pen) -> None:
    pen.lines((12, 2.6), (20.3, 7.2), (20.3, 16.8), (12, 21.4), (3.7, 16.8), (3.7, 7.2), is_closed=True)
    pen.lines((3.9, 7.3), (12, 12), (20.1, 7.3))
    pen.lines((12, 12), (12, 21.2))


def _picture(pen: Pen) -> None:
    pen.box(3, 4, 21, 20)
    pen.circle((8.4, 9.2), 1.8)
    pen.lines((4, 18.2), (9.5, 13.2), (12.5, 16), (16, 12), (20.5, 16.4))


def _plug(pen: Pen) -> None:
    pen.lines((8.5, 2.8), (8.5, 7.5))
    pen.lines((15.5, 2.8), (15.5, 7.5))
    pen.lines((5.5, 8), (18.5, 8))
    pen.lines((6.6, 8), (6.6, 11))
    pen.arc((12, 11), 5.4, 90, 270)
    pen.lines((17.4, 8), (17.4, 11))
    pen.lines((12, 16.4), (12, 21.2))


def _speaker(pen: Pen) -> None:
    pen.lines((3, 9), (6.5, 9), (11.5, 4.8), (11.5, 19.2), (6.5, 15), (3, 15), is_closed=True)
    pen.arc((12, 12), 4.2, 48, 132)
    pen.arc((12, 12), 8.3, 48, 132)


def _keyboard(pen: Pen) -> None:
    pen.box(2.5, 5, 21.5, 19)
    for x in (8.8, 15.2):
        pen.lines((x, 13.2), (x, 18.8))
        pen.lines((x, 5.2), (x, 13), width=3.4)


def _folder(pen: Pen) -> None:
    pen.lines((3, 19), (3, 5), (9, 5), (11.2, 7.8), (21, 7.8), (21, 19), is_closed=True)


def _pencil(pen: Pen) -> None:
    pen.lines((4, 20), (4.8, 15.8), (16.4, 4.2), (19.8, 7.6), (8.2, 19.2), is_closed=True)
    pen.lines((13.8, 6.9), (17.1, 10.2))


def _export(pen: Pen) -> None:
    pen.lines((4, 14.5), (4, 20), (20, 20), (20, 14.5))
    pen.lines((12, 15), (12, 3.8))
    pen.lines((7.6, 8), (12, 3.6), (16.4, 8))


def _import(pen: Pen) -> None:
    pen.lines((4, 14.5), (4, 20), (20, 20), (20, 14.5))
    pen.lines((12, 3.6), (12, 14.8))
    pen.lines((7.6, 10.6), (12, 15), (16.4, 10.6))


def _undo(pen: Pen) -> None:
    pen.lines((8, 4.5), (3.6, 9), (8, 13.5))
    pen.lines((4, 9), (14.5, 9))
    pen.arc((14.5, 14.2), 5.2, 0, 180)
    pen.lines((14.5, 19.4), (8.5, 19.4))


def _redo(pen: Pen) -> None:
    pen.lines((16, 4.5), (20.4, 9), (16, 13.5))
    pen.lines((20, 9), (9.5, 9))
    pen.arc((9.5, 14.2), 5.2, 0, -180)
    pen.lines((9.5, 19.4), (15.5, 19.4))


def _search(pen: Pen) -> None:
    pen.circle((10.5, 10.5), 6.5)
    pen.lines((15.4, 15.4), (20.6, 20.6))


def _loop(pen: Pen) -> None:
    pen.lines((17, 2.8), (20.5, 6.3), (17, 9.8))
    pen.lines((3.8, 12), (3.8, 9), (6.5, 6.3), (20, 6.3))
    pen.lines((7, 21.2), (3.5, 17.7), (7, 14.2))
    pen.lines((20.2, 12), (20.2, 15), (17.5, 17.7), (4, 17.7))


def _more(pen: Pen) -> None:
    for x in (5, 12, 19):
        pen.dot((x, 12), 1.7)


def _person(pen: Pen) -> None:
    pen.circle((12, 8), 4.2)
    pen.arc((12, 21.5), 8, -82, 82)


def _spark(pen: Pen) -> None:
    radii = (9.6, 2.6)
    pen.lines(*[_on_circle((12, 12), radii[i % 2], i * 45, i * 45, 1)[0] for i in range(8)], is_closed=True)


ICONS: dict[str, Callable[[Pen], None]] = {
    "play": _play, "stop": _stop, "pause": _pause, "record": _record, "metronome": _metronome, "tap": _tap,
    "panic": _panic, "star": _star, "star-full": _star_full, "trash": _trash, "folder": _folder,
    "pencil": _pencil, "tag": _tag, "export": _export, "import": _import, "refresh": _refresh,
    "settings": _settings, "help": _help, "info": _info, "music": _music, "cube": _cube, "picture": _picture,
    "plug": _plug, "speaker": _speaker, "keyboard": _keyboard, "undo": _undo, "redo": _redo,
    "search": _search, "loop": _loop, "more": _more, "person": _person, "spark": _spark,
    "left": _strokes(((14.5, 5.5), (8, 12), (14.5, 18.5))),
    "right": _strokes(((9.5, 5.5), (16, 12), (9.5, 18.5))),
    "up": _strokes(((5.5, 15), (12, 8.5), (18.5, 15))),
    "down": _strokes(((5.5, 9), (12, 15.5), (18.5, 9))),
    "check": _strokes(((4.5, 12.5), (9.8, 17.8), (19.5, 6.8))),
    "cross": _strokes(((6, 6), (18, 18)), ((18, 6), (6, 18))),
    "plus": _strokes(((12, 4.5), (12, 19.5)), ((4.5, 12), (19.5, 12))),
    "minus": _strokes(((4.5, 12), (19.5, 12))),
    "list": _strokes(((8.5, 6), (20.5, 6)), ((8.5, 12), (20.5, 12)), ((8.5, 18), (20.5, 18)),
                     ((3.8, 6), (4.2, 6)), ((3.8, 12), (4.2, 12)), ((3.8, 18), (4.2, 18))),
}  # fmt: skip
"""Every icon by name."""


@lru_cache(maxsize=512)
def icon_image(name: str, size: int, color: Color) -> pygame.Surface:
    """An icon as a picture of ``size`` display pixels square.

    Raises:
        KeyError: There is no such icon.
    """
    large = pygame.Surface((size * OVERSAMPLING, size * OVERSAMPLING), pygame.SRCALPHA)
    large.fill((*color, 0))
    ICONS[name](Pen(large, color))
    return pygame.transform.smoothscale(large, (size, size))
