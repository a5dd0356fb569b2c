"""A picture of the computer's keyboard: which keys play which notes, and which of them sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pygame

from midi.theory import BLACK_KEYS
from studio.live.deskview import DeskView
from studio.ui.paint import Painter, text_width
from studio.ui.theme import EDGE, GROUND, INK, INK_FAINT, INK_SOFT, PANEL, PLAYER, RAISED, mixed
from studio.ui.typingkeys import OCTAVE_KEYS, PLAYING, VELOCITY_KEYS
from studio.ui.widget import Ui, Widget

NOTE_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")

_ROWS = (
    (0.0, "1234567890-=", (*range(30, 40), 45, 46)),
    (0.5, "qwertyuiop[]", (20, 26, 8, 21, 23, 28, 24, 12, 18, 19, 47, 48)),
    (0.75, "asdfghjkl;'", (4, 22, 7, 9, 10, 11, 13, 14, 15, 51, 52)),
    (1.25, "zxcvbnm,./", (29, 27, 6, 25, 5, 17, 16, 54, 55, 56)),
)
"""Shift of each row in widths of a key as on common keyboards, labels on an American one, scan codes (USB HID
usage numbers)."""

_SHORT = {"octave": "oct", "softer": "soft", "louder": "loud"}

CROWDED_PX = 34
"""Keys below this height have no room for two lines: letter and note stand in their corners."""

COLUMNS, ROWS = 12.42, 3.92
GAP_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Cap:
    """A key of the picture.

    Attributes:
        key: Its label on an American keyboard, lower case; the place is what counts.
        scancode: Its place.
        rect: Where it is drawn.
        offset: Semitones above the lowest playing key; None for a key that plays nothing.
        words: What else it does.
    """

    key: str
    scancode: int
    rect: pygame.Rect
    offset: int | None = None
    words: str = ""

    @property
    def is_black(self) -> bool:
        """Whether it plays a black key of the piano."""
        return self.offset is not None and self.offset % 12 in BLACK_KEYS


def caps(rect: pygame.Rect) -> list[Cap]:
    """The keys, as large as a box allows and in its middle."""
    unit = min(rect.width / COLUMNS, rect.height / ROWS)
    left, top = rect.centerx - unit * COLUMNS / 2, rect.centery - unit * ROWS / 2
    gap = max(2, round(unit * GAP_SHARE))
    found = []
    for number, (shift, labels, codes) in enumerate(_ROWS):
        for place, (key, code) in enumerate(zip(labels, codes, strict=True)):
            x, y = left + (shift + place) * unit, top + number * unit
            box = pygame.Rect(round(x), round(y), round(unit) - gap, round(unit) - gap)
            found.append(Cap(key, code, box, PLAYING.get(code), _words(code)))
    return found


def _words(code: int) -> str:
    if code in OCTAVE_KEYS:
        return "octave"
    change = VELOCITY_KEYS.get(code, 0)
    return "" if not change else "louder" if change > 0 else "softer"


def sounding(held: tuple[int, ...], lowest_pitch: int) -> frozenset[int]:
    """Offsets of the keys that light up for held pitches: their own, else the same note elsewhere."""
    highest = max(PLAYING.values())
    offsets = (pitch - lowest_pitch for pitch in held)
    return frozenset(offset if 0 <= offset <= highest else offset % 12 for offset in offsets)


class KeysPicture(Widget):
    """The picture; keys that sound are lit in the player's color.

    Args:
        ui: The program around it.
        name: Its name.
        lowest_pitch: Tells the pitch of the leftmost key of the lower row.
    """

    def __init__(self, ui: Ui, name: str, lowest_pitch: Callable[[], int] = lambda: 60) -> None:
        super().__init__(ui, name)
        self._lowest_pitch = lowest_pitch
        self.lit: frozenset[int] = frozenset()

    def look(self, view: DeskView) -> None:
        """Follow the held keys."""
        lit = sounding(view.snapshot.held, self._lowest_pitch())
        if lit != self.lit:
            self.lit = lit
            self.mark()

    def draw(self, painter: Painter) -> None:
        """Every key with its letter, and the note that it plays."""
        for cap in caps(self.rect):
            if cap.offset is None:
                _draw_quiet(painter, cap)
            else:
                _draw_playing(painter, cap, is_lit=cap.offset in self.lit)


def _halves(cap: Cap) -> tuple[pygame.Rect, pygame.Rect]:
    upper = pygame.Rect(cap.rect.left, cap.rect.top, cap.rect.width, round(cap.rect.height * 0.6))
    top = upper.bottom - cap.rect.height // 14
    return upper, pygame.Rect(
        cap.rect.left, top, cap.rect.width, cap.rect.bottom - top - cap.rect.height // 10
    )


def _corners(cap: Cap, margin: int) -> tuple[pygame.Rect, pygame.Rect]:
    """The upper left one and the lower right one, as labels stand on the caps of keyboards."""
    upper = pygame.Rect(
        cap.rect.left + margin, cap.rect.top, cap.rect.width - margin, cap.rect.height * 5 // 9
    )
    lower = pygame.Rect(cap.rect.left, 0, cap.rect.width - margin + 1, upper.height)
    lower.bottom = cap.rect.bottom
    return upper, lower


def _draw_quiet(painter: Painter, cap: Cap) -> None:
    painter.box(cap.rect, PANEL, radius_px=6, edge=mixed(PANEL, EDGE, 1.0 if cap.words else 0.55))
    if not cap.words:
        color = mixed(PANEL, INK_FAINT, 0.5)
        painter.text(cap.key.upper(), cap.rect, size="small", color=color, align="center")
        return
    upper, lower = _halves(cap)
    painter.text(cap.key, upper, size="small", color=INK_SOFT, align="center")
    is_wide = text_width(cap.words, "tiny", "regular", painter.theme.scale) <= lower.width - painter.px(6)
    painter.text(
        cap.words if is_wide else _SHORT[cap.words], lower, size="tiny", color=INK_FAINT, align="center"
    )


def _draw_playing(painter: Painter, cap: Cap, *, is_lit: bool) -> None:
    ground = mixed(GROUND, PANEL, 0.1) if cap.is_black else mixed(RAISED, INK, 0.74)
    letter, note = (INK, INK_FAINT) if cap.is_black else (GROUND, mixed(GROUND, INK_FAINT, 0.75))
    edge = mixed(EDGE, INK_FAINT, 0.5) if cap.is_black else mixed(RAISED, INK, 0.6)
    if is_lit:
        ground, letter, note, edge = PLAYER, GROUND, mixed(GROUND, PLAYER, 0.25), mixed(PLAYER, INK, 0.4)
    painter.box(cap.rect, ground, radius_px=6, edge=edge)
    words = NOTE_NAMES[(cap.offset or 0) % 12]
    if cap.rect.height < painter.px(CROWDED_PX):
        upper, lower = _corners(cap, painter.px(5))
        painter.text(cap.key.upper(), upper, size="small", weight="medium", color=letter)
        painter.text(words, lower, size="tiny", color=note, align="right")
        return
    upper, lower = _halves(cap)
    painter.text(cap.key.upper(), upper, weight="medium", color=letter, align="center")
    painter.text(words, lower, size="tiny", color=note, align="center")
