"""Numbered steps, headings, badges and rows of facts: what cards on screens are made of."""

from __future__ import annotations

import pygame

from studio.ui.paint import Painter, text_width, wrapped
from studio.ui.theme import EDGE, INK, INK_FAINT, INK_SOFT, RAISED, TEXT_SIZES_PX, Color, Theme, mixed

TITLE_PX = 44
"""Height of a card's title, which what is on the card lies below."""

LEADING = 1.5
"""Of :meth:`studio.ui.paint.Painter.paragraph`, in heights of the type."""


def prose_height(theme: Theme, words: str, size: str, width: int) -> int:
    """Display pixels that a paragraph takes."""
    return len(wrapped(words, size, "regular", theme.scale, width)) * round(
        theme.px(TEXT_SIZES_PX[size]) * LEADING
    )


def heading(painter: Painter, words: str, rect: pygame.Rect, hint: str = "") -> None:
    """The title of a card, and a quiet hint at the right of it."""
    box = painter.text(words, rect, weight="medium", color=INK)
    if hint:
        left = box.right + painter.px(16)
        room = pygame.Rect(left, rect.top, max(0, rect.right - left), rect.height)
        painter.text(hint, room, size="small", color=INK_FAINT, align="right")


def card_title(painter: Painter, card: pygame.Rect, words: str) -> pygame.Rect:
    """The title of a card at the place that titles have on every card; that place."""
    px = painter.px
    place = pygame.Rect(card.left + px(20), card.top + px(10), card.width - px(40), px(28))
    heading(painter, words, place)
    return place


def fact_height(theme: Theme, words: str, width: int) -> int:
    """Display pixels that a row of facts takes whose words have ``width``."""
    return prose_height(theme, words, "small", width) + theme.px(8)


def fact(painter: Painter, label: str, words: str, rect: pygame.Rect, label_width: int) -> int:
    """A label and what it says beside it, over as many lines as it needs.

    Args:
        painter: Draws.
        label: At the left.
        words: At the right.
        rect: Its first line.
        label_width: Display pixels for the label.

    Returns:
        Display pixels to the next fact.
    """
    height = prose_height(painter.theme, "X", "small", rect.width)
    box = pygame.Rect(rect.left, rect.top, label_width, height)
    painter.text(label, box, size="small", color=INK_FAINT)
    width = max(1, rect.width - label_width)
    needed = fact_height(painter.theme, words, width)
    painter.paragraph(words, pygame.Rect(box.right, rect.top, width, needed), size="small", color=INK)
    return needed


def badge_width(words: str, theme: Theme) -> int:
    """Display pixels that :func:`badge` takes."""
    return text_width(words, "tiny", "medium", theme.scale) + theme.px(16)


def badge(
    painter: Painter, words: str, left: int, middle: int, *, color: Color = INK_SOFT, ground: Color = RAISED
) -> int:
    """A word in a rounded box, its middle at a height; returns its right edge."""
    box = pygame.Rect(left, middle - painter.px(10), badge_width(words, painter.theme), painter.px(20))
    painter.box(box, ground, radius_px=10, edge=mixed(ground, EDGE, 0.9))
    painter.text(words, box, size="tiny", color=color, weight="medium", align="center")
    return box.right


def keycap(painter: Painter, words: str, left: int, middle: int) -> int:
    """A key's label in a small box, its middle at a height; returns its right edge."""
    width = max(painter.px(21), text_width(words, "tiny", "medium", painter.theme.scale) + painter.px(14))
    box = pygame.Rect(left, middle - painter.px(10), width, painter.px(20))
    painter.box(box, RAISED, radius_px=5, edge=mixed(EDGE, INK_FAINT, 0.35))
    painter.text(words, box, size="tiny", color=INK, weight="medium", align="center")
    return box.right
