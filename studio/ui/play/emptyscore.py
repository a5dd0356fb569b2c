"""What the score shows before the first note: an invitation, and the computer's keys as a small piano."""

from __future__ import annotations

import pygame

from studio.ui.paint import Painter
from studio.ui.theme import EDGE, GROUND, HOVER, INK, INK_SOFT, PANEL, RAISED, mixed

WHITES = "ZXCVBNM"
BLACKS = {0: "S", 1: "D", 3: "G", 4: "H", 5: "J"}
"""Letters of the black keys, by the white key on their left."""

_KEY_PX, _KEY_HEIGHT_PX, _GAP_PX = 40, 112, 3


def draw_empty(painter: Painter, rect: pygame.Rect) -> None:
    """Invite the player, in the middle of a box."""
    px = painter.px
    piano_px = _KEY_PX * len(WHITES)
    is_low = rect.height < px(300)
    height = px(96 if is_low else _KEY_HEIGHT_PX + 104)
    top = rect.centery - height // 2
    line = pygame.Rect(rect.left, top, rect.width, px(36))
    painter.text("Play something", line, size="display", weight="bold", align="center")
    line = pygame.Rect(rect.left, line.bottom + px(6), rect.width, px(22))
    words = "Your keyboard, these keys or the mouse. The partner joins in."
    painter.text(words, line, color=INK_SOFT, align="center")
    if is_low:
        return
    piano = pygame.Rect(0, line.bottom + px(24), px(piano_px), px(_KEY_HEIGHT_PX))
    piano.centerx = rect.centerx
    _draw_piano(painter, piano)


def _draw_piano(painter: Painter, piano: pygame.Rect) -> None:
    px = painter.px
    width, gap = piano.width / len(WHITES), px(_GAP_PX)
    for number, letter in enumerate(WHITES):
        left = piano.left + round(number * width)
        key = pygame.Rect(left, piano.top, round(width) - gap, piano.height)
        painter.box(key, mixed(RAISED, HOVER, 0.5), radius_px=6, edge=EDGE)
        name = pygame.Rect(key.left, key.bottom - px(34), key.width, px(28))
        painter.text(letter, name, weight="medium", color=INK, align="center")
    for number, letter in BLACKS.items():
        middle = piano.left + round((number + 1) * width) - gap // 2
        key = pygame.Rect(0, piano.top, round(width * 0.62), round(piano.height * 0.58))
        key.centerx = middle
        painter.box(key.inflate(px(4), px(2)), PANEL, radius_px=6)
        painter.box(key, GROUND, radius_px=5, edge=EDGE)
        name = pygame.Rect(key.left, key.bottom - px(30), key.width, px(24))
        painter.text(letter, name, size="small", weight="medium", color=INK_SOFT, align="center")
