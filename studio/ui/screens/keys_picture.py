"""A picture of the computer's keyboard: which keys play which notes, and which of them sound."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from studio.live.deskview import DeskView
from studio.live.keyboard import WHITE_AND_BLACK
from studio.ui.paint import Painter
from studio.ui.theme import EDGE, GROUND, INK, INK_FAINT, INK_SOFT, PANEL, PLAYER, RAISED, mixed
from studio.ui.widget import Ui, Widget

NOTE_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")

_ROWS = ((0.0, "qwertyuiop["), (0.3, "asdfghjkl;'"), (0.8, "zxcvbnm,./"))
"""Shift of each row in widths of a key, as on the common keyboards, and its keys."""

EXTRAS = {"z": "octave down", "x": "octave up"}
"""What keys of the lowest row do."""

COLUMNS, ROWS = 11.2, 2.93
GAP_SHARE = 0.09


@dataclass(frozen=True, slots=True)
class Cap:
    """A key of the picture.

    Attributes:
        key: Its label on an American keyboard, lower case; the place is what counts.
        rect: Where it is.
        offset: Semitones above the lowest playing key; None for a key that plays nothing.
        words: What else it does.
    """

    key: str
    rect: pygame.Rect
    offset: int | None = None
    words: str = ""

    @property
    def is_black(self) -> bool:
        """Whether it plays a black key of the piano."""
        return self.offset is not None and self.offset % 12 in {1, 3, 6, 8, 10}


def caps(rect: pygame.Rect) -> list[Cap]:
    """The keys, as large as a box allows and in its middle."""
    unit = min(rect.width / COLUMNS, rect.height / ROWS)
    left, top = rect.centerx - unit * COLUMNS / 2, rect.centery - unit * ROWS / 2
    gap = max(2, round(unit * GAP_SHARE))
    found = []
    for number, (shift, keys) in enumerate(_ROWS):
        for place, key in enumerate(keys):
            x, y = left + (shift + place) * unit, top + number * unit
            box = pygame.Rect(round(x), round(y), round(unit) - gap, round(unit) - gap)
            found.append(Cap(key, box, WHITE_AND_BLACK.get(key), EXTRAS.get(key, "")))
    return found


def sounding(held: tuple[int, ...], lowest_pitch: int) -> frozenset[int]:
    """Offsets of the keys that light up for held pitches: their own, else the same note elsewhere."""
    offsets = set()
    for pitch in held:
        offset = pitch - lowest_pitch
        offsets.add(offset if 0 <= offset <= max(WHITE_AND_BLACK.values()) else offset % 12)
    return frozenset(offsets)


class KeysPicture(Widget):
    """The picture; keys that sound are lit in the player's color.

    Attributes:
        lowest_pitch: Pitch of the leftmost playing key.
    """

    def __init__(self, ui: Ui, name: str, lowest_pitch: int = 60) -> None:
        super().__init__(ui, name)
        self.lowest_pitch = lowest_pitch
        self.lit: frozenset[int] = frozenset()
        self.tooltip = "These keys of the computer play notes"

    def look(self, view: DeskView) -> None:
        """Follow the held keys."""
        lit = sounding(view.snapshot.held, self.lowest_pitch)
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


def _draw_quiet(painter: Painter, cap: Cap) -> None:
    color = INK_SOFT if cap.words else mixed(PANEL, INK_FAINT, 0.55)
    painter.box(cap.rect, PANEL, radius_px=6, edge=mixed(PANEL, EDGE, 1.0 if cap.words else 0.6))
    upper = pygame.Rect(cap.rect.left, cap.rect.top, cap.rect.width, cap.rect.height)
    if cap.words:
        upper.height = round(cap.rect.height * 0.6)
        lower = pygame.Rect(cap.rect.left, upper.bottom - painter.px(3), cap.rect.width, cap.rect.height // 3)
        sign = cap.words.split()[-1]
        painter.text(f"oct {sign}", lower, size="tiny", color=INK_FAINT, align="center")
    painter.text(cap.key.upper(), upper, size="small", color=color, align="center")


def _draw_playing(painter: Painter, cap: Cap, *, is_lit: bool) -> None:
    ground = mixed(GROUND, PANEL, 0.1) if cap.is_black else mixed(RAISED, INK, 0.74)
    letter, note = (INK, INK_FAINT) if cap.is_black else (GROUND, mixed(GROUND, INK_FAINT, 0.9))
    edge = mixed(EDGE, INK_FAINT, 0.5) if cap.is_black else mixed(RAISED, INK, 0.6)
    if is_lit:
        ground, letter, note, edge = PLAYER, GROUND, mixed(GROUND, PLAYER, 0.25), mixed(PLAYER, INK, 0.4)
    painter.box(cap.rect, ground, radius_px=6, edge=edge)
    upper = pygame.Rect(cap.rect.left, cap.rect.top, cap.rect.width, round(cap.rect.height * 0.62))
    lower = pygame.Rect(
        cap.rect.left, upper.bottom - painter.px(4), cap.rect.width, cap.rect.bottom - upper.bottom
    )
    painter.text(cap.key.upper(), upper, weight="medium", color=letter, align="center")
    painter.text(NOTE_NAMES[(cap.offset or 0) % 12], lower, size="tiny", color=note, align="center")
