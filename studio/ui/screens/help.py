"""The help that lies over a screen: the computer's keys as a piano, every shortcut, colors, and files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pygame

from studio import settings
from studio.ui.controls import IconButton
from studio.ui.overlays import Overlay
from studio.ui.paint import Painter
from studio.ui.screens.keys_picture import COLUMNS, ROWS, KeysPicture
from studio.ui.screens.prose import keycap
from studio.ui.screens.services import lowest_pitch
from studio.ui.shortcuts import SHORTCUTS
from studio.ui.theme import (
    ALARM,
    EDGE,
    GHOST,
    GOOD,
    INK,
    INK_FAINT,
    INK_SOFT,
    PANEL,
    PARTNER,
    PLAYER,
    Color,
    Theme,
    mixed,
)
from studio.ui.widget import Key, Pointer, Ui

TAKES_KEYS: tuple[tuple[str, str, str], ...] = (
    ("Takes", "Space", "Play or stop"),
    ("Takes", "\N{LEFTWARDS ARROW}   \N{RIGHTWARDS ARROW}   Enter", "Choose a bar, play from it"),
    ("Takes", "F2   Ctrl B   Ctrl E", "Rename, star, export"),
    ("Takes", "Delete", "To the trash"),
    ("Takes", "Ctrl F", "Search"),
)

COLORS: tuple[tuple[Color, str], ...] = (
    (PLAYER, "You"),
    (PARTNER, "The partner"),
    (GHOST, "What the partner plans"),
    (GOOD, "Signal, ready"),
    (ALARM, "Needs you"),
)

ROW_PX, GROUP_PX, GROUP_GAP_PX = 25, 30, 10
KEYS_PX = 186
GAP_PX = 36
"""Between the two columns, above as below."""
WIDTH_PX, HEIGHT_PX = 1080, 690


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that belong together."""

    title: str
    rows: tuple[tuple[str, str], ...]


def groups() -> list[Group]:
    """Every key with what it does, by place."""
    rows = sorted((*SHORTCUTS, *TAKES_KEYS), key=lambda row: _ORDER.get(row[0], len(_ORDER)))
    return [
        Group(title, tuple((keys, what) for _, keys, what in found))
        for title, found in groupby(rows, key=lambda row: row[0])
    ]


_ORDER = {"Play": 0, "Computer keys": 1, "Takes": 2, "Window": 3}


def folders() -> tuple[tuple[str, Path], ...]:
    """Where things are kept."""
    return (
        ("Takes", settings.takes_folder()),
        ("Exports", settings.exports_folder()),
        ("Models", settings.home() / "models"),
    )


def build(ui: Ui) -> HelpPage:
    """The overlay."""
    return HelpPage(ui)


@dataclass(frozen=True, slots=True)
class HelpLayout:
    """Where the parts are, display pixels."""

    card: pygame.Rect
    title: pygame.Rect
    keys: pygame.Rect
    side: pygame.Rect
    lists: pygame.Rect


def help_layout(rect: pygame.Rect, theme: Theme) -> HelpLayout:
    """A card in the middle: picture and legend above, lists of keys below."""
    px = theme.px
    width, height = min(px(WIDTH_PX), rect.width - px(40)), min(px(HEIGHT_PX), rect.height - px(32))
    half = (width - 2 * px(28) - px(GAP_PX)) // 2
    head, lists, gap = px(36 + 16), px(GROUP_PX * 2 + GROUP_GAP_PX + ROW_PX * 12), px(24)
    room = max(px(120), height - 2 * px(18) - head - lists - gap)
    unit = min(half / COLUMNS, room / ROWS)
    picture = round(unit * ROWS)
    card = pygame.Rect(0, 0, width, height - max(0, room - picture))
    card.center = rect.center
    box = card.inflate(-2 * px(28), -2 * px(18))
    top = box.top + head
    below = top + picture + gap
    return HelpLayout(
        card, pygame.Rect(box.left, box.top, box.width, px(36)),
        pygame.Rect(box.left, top, round(unit * COLUMNS), picture),
        pygame.Rect(box.left + half + px(GAP_PX), top, half, picture),
        pygame.Rect(box.left, below, box.width, box.bottom - below),
    )  # fmt: skip


class HelpPage(Overlay):
    """Everything worth knowing on one card; Escape, F1 or a press beside it closes it."""

    is_modal = True

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "help")
        self.picture = self.add(KeysPicture(ui, "help.picture", lambda: lowest_pitch(ui)))
        self.close = self.add(
            IconButton(ui, "help.close", "cross", lambda: ui.popup(None), tooltip="Close (Esc)")
        )
        self.groups = groups()

    def arrange(self) -> None:
        """Place the picture and the cross."""
        px = self.ui.theme.px
        page = help_layout(self.rect, self.ui.theme)
        self.picture.place(page.keys)
        self.close.place(pygame.Rect(page.card.right - px(48), page.card.top + px(16), px(32), px(32)))

    def key(self, event: Key) -> bool:
        """Escape and F1 close it; nothing below hears a key."""
        if event.is_down and event.name in {"escape", "f1"}:
            self.ui.popup(None)
        return event.name != "tab"

    def pointer(self, event: Pointer) -> bool:
        """A press beside the card closes it."""
        if event.kind == "down" and not help_layout(self.rect, self.ui.theme).card.collidepoint(
            event.x, event.y
        ):
            self.ui.popup(None)
        return True

    def draw(self, painter: Painter) -> None:
        """Dim what is below; the card and its words."""
        page = help_layout(self.rect, painter.theme)
        painter.shade(self.rect, (6, 7, 10), 0.66)
        painter.shadow(page.card, radius_px=20)
        painter.box(page.card, PANEL, radius_px=16, edge=EDGE)
        painter.text("Help", page.title, size="display", weight="bold")
        self._draw_side(painter, page.side)
        self._draw_lists(painter, page.lists)

    def _draw_side(self, painter: Painter, side: pygame.Rect) -> None:
        px = painter.px
        step = min(px(26), side.height // 7)
        # The first line's letters begin where the keys do.
        row = pygame.Rect(side.left, side.top - step // 4, side.width, step)
        half = side.width // 2
        for number, (color, words) in enumerate(COLORS):
            cell = pygame.Rect(row.left + (number % 2) * half, row.top + number // 2 * step, half, step)
            swatch = pygame.Rect(cell.left, 0, px(22), px(8))
            swatch.centery = cell.centery
            painter.box(swatch, color, radius_px=4)
            cell.left, cell.width = swatch.right + px(10), half - px(34)
            painter.text(words, cell, size="small", color=INK)
        row.top += 3 * step + step // 2
        for label, path in folders():
            painter.text(label, pygame.Rect(row.left, row.top, px(64), step), size="small", color=INK_FAINT)
            room = pygame.Rect(row.left + px(64), row.top, row.width - px(64), step)
            painter.text(settings.with_tilde(path), room, size="small", color=INK_SOFT)
            row.top += step

    def _draw_lists(self, painter: Painter, lists: pygame.Rect) -> None:
        px = painter.px
        gap = px(GAP_PX)
        width = (lists.width - gap) // 2
        halves = (self.groups[:2], self.groups[2:])
        for number, half in enumerate(halves):
            box = pygame.Rect(lists.left + number * (width + gap), lists.top, width, lists.height)
            self._draw_half(painter, box, half)

    def _draw_half(self, painter: Painter, box: pygame.Rect, half: list[Group]) -> None:
        px = painter.px
        n_rows = sum(len(group.rows) for group in half)
        rest = box.height - px(GROUP_PX) * len(half) - px(GROUP_GAP_PX)
        step = min(px(ROW_PX), rest // max(1, n_rows))
        top = box.top
        for group in half:
            title = pygame.Rect(box.left, top, box.width, px(GROUP_PX - 6))
            painter.text(group.title, title, size="small", color=INK_FAINT, weight="medium")
            painter.fill(pygame.Rect(box.left, title.bottom, box.width, px(1)), mixed(PANEL, EDGE, 0.8))
            top += px(GROUP_PX)
            for keys, what in group.rows:
                row = pygame.Rect(box.left, top, box.width, step)
                _draw_keys(painter, keys, row)
                room = pygame.Rect(row.left + px(KEYS_PX), row.top, row.width - px(KEYS_PX), step)
                painter.text(what, room, size="small", color=INK_SOFT)
                top += step
            top += px(GROUP_GAP_PX)


def _draw_keys(painter: Painter, keys: str, row: pygame.Rect) -> None:
    """Each group of keys that are pressed together in a box of its own."""
    x = row.left
    for chunk in re.split(r"\s{2,}", keys):
        x = keycap(painter, chunk, x, row.centery) + painter.px(5)
