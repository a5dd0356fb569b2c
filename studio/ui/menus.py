"""Menus and drop-downs: lists of things to do or to choose from, by pointer, arrows and typing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pygame

from studio.ui.control import Option, ValueControl, as_options
from studio.ui.floating import Overlay
from studio.ui.layout import within
from studio.ui.paint import Painter, text_width
from studio.ui.theme import (
    ALARM,
    EDGE,
    HOVER,
    INK,
    INK_FAINT,
    INK_OFF,
    INK_SOFT,
    PLAYER,
    RAISED,
    mixed,
)
from studio.ui.widget import Action, Key, Pointer, Ui

TYPE_AHEAD_S = 0.9
ITEM_PX = 30
SEPARATOR_PX = 13
MENU_PAD_PX = 6
MAX_MENU_ITEMS = 12


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One line of a menu; no text makes a separating line.

    Attributes:
        text: What it says.
        action: What choosing it does.
        icon: Before it.
        detail: Said softly at the right: a key, a state.
        is_checked: With a check mark.
        is_enabled: Can be chosen.
        is_danger: In the color of alarm.
    """

    text: str = ""
    action: Action | None = None
    icon: str = ""
    detail: str = ""
    is_checked: bool = False
    is_enabled: bool = True
    is_danger: bool = False


class Menu(Overlay):
    """A list of things to do. Open it by ``open_menu``.

    Args:
        ui: The program around it.
        items: Its lines.
        start: The line that is marked at first; −1 for none.
        on_close: Called when it goes away.
    """

    takes_focus = True

    def __init__(
        self, ui: Ui, items: Sequence[MenuItem], *, start: int = -1, on_close: Action | None = None
    ) -> None:
        super().__init__(ui, "menu")
        self.items = tuple(items)
        self.marked = start
        self.on_close = on_close
        self._first = 0
        self._typed = ""
        self._typed_at_s = float("-inf")
        if start >= MAX_MENU_ITEMS:
            self._first = min(start - MAX_MENU_ITEMS // 2, len(self.items) - MAX_MENU_ITEMS)

    def size(self, least_width: int = 0) -> tuple[int, int]:
        """Width and height that it wants, display pixels."""
        theme = self.ui.theme
        widths = [
            text_width(item.text, "body", "regular", theme.scale)
            + (text_width(item.detail, "small", "regular", theme.scale) + theme.px(24) if item.detail else 0)
            for item in self.items
        ]
        width = max([*widths, 0]) + theme.px(2 * MENU_PAD_PX + 12 + 28 + 12)
        height = sum(self._height(row) for row in self._seen()) + 2 * theme.px(MENU_PAD_PX)
        return min(max(width, least_width), theme.px(420)), height

    def closed(self) -> None:
        """Tell who opened it."""
        if self.on_close is not None:
            self.on_close()

    def row_rect(self, row: int) -> pygame.Rect:
        """Where a line is."""
        pad = self.ui.theme.px(MENU_PAD_PX)
        top = self.rect.top + pad + sum(self._height(above) for above in range(self._first, row))
        return pygame.Rect(self.rect.left + pad, top, self.rect.width - 2 * pad, self._height(row))

    def _height(self, row: int) -> int:
        return self.ui.theme.px(ITEM_PX if self.items[row].text else SEPARATOR_PX)

    def pointer(self, event: Pointer) -> bool:
        """Mark under the pointer, choose on release."""
        row = next((r for r in self._seen() if self.row_rect(r).collidepoint(event.x, event.y)), -1)
        if event.kind == "wheel":
            self._first = min(
                max(self._first - round(event.wheel), 0), max(0, len(self.items) - MAX_MENU_ITEMS)
            )
            self.mark()
        elif event.kind in {"move", "down"} and row != self.marked:
            self.marked = row if row >= 0 and self._can(row) else -1
            self.mark()
        elif event.kind == "up" and row >= 0:
            self._choose(row)
        return True

    def key(self, event: Key) -> bool:
        """Arrows, Home, End, Enter, Escape, and typing the beginning of a word."""
        if not event.is_down:
            return True
        if event.name in {"escape", "tab", "left"}:
            self.ui.popup(None)
        elif event.name in {"return", "enter"} or (event.name == "space" and not self._typed_lately()):
            if self.marked >= 0:
                self._choose(self.marked)
        elif event.name in {"up", "down", "home", "end"}:
            self._step(event.name)
        elif event.text.isprintable() and event.text:
            self._type(event.text)
        return True

    def _can(self, row: int) -> bool:
        return bool(self.items[row].text) and self.items[row].is_enabled

    def _seen(self) -> range:
        return range(self._first, min(self._first + MAX_MENU_ITEMS, len(self.items)))

    def _choose(self, row: int) -> None:
        if not self._can(row):
            return
        self.ui.popup(None)
        action = self.items[row].action
        if action is not None:
            action()

    def _step(self, name: str) -> None:
        rows = [row for row in range(len(self.items)) if self._can(row)]
        if not rows:
            return
        after = [row for row in rows if row > self.marked]
        before = [row for row in rows if row < self.marked]
        targets = {
            "down": (after or rows)[0], "up": (before or rows)[-1], "home": rows[0], "end": rows[-1],
        }  # fmt: skip
        self._mark_row(targets[name])

    def _mark_row(self, row: int) -> None:
        self.marked = row
        self._first = min(max(self._first, row - MAX_MENU_ITEMS + 1), row)
        self.mark()

    def _typed_lately(self) -> bool:
        return bool(self._typed) and self.ui.now_s - self._typed_at_s < TYPE_AHEAD_S

    def _type(self, letters: str) -> None:
        self._typed = (self._typed if self._typed_lately() else "") + letters.casefold()
        self._typed_at_s = self.ui.now_s
        for row, item in enumerate(self.items):
            if self._can(row) and item.text.casefold().startswith(self._typed):
                self._mark_row(row)
                return

    def draw(self, painter: Painter) -> None:
        """Shadow, box, lines."""
        painter.shadow(self.rect)
        painter.box(self.rect, RAISED, radius_px=10, edge=mixed(EDGE, INK_FAINT, 0.35))
        for row in self._seen():
            self._draw_row(painter, self.items[row], self.row_rect(row), row == self.marked)
        if len(self.items) > MAX_MENU_ITEMS:
            self._draw_bar(painter)

    def _draw_row(self, painter: Painter, item: MenuItem, rect: pygame.Rect, is_marked: bool) -> None:
        if not item.text:
            painter.fill(
                pygame.Rect(
                    rect.left + painter.px(6), rect.centery, rect.width - painter.px(12), painter.px(1)
                ),
                EDGE,
            )
            return
        if is_marked:
            painter.box(rect, mixed(HOVER, PLAYER, 0.22), radius_px=6)
        ink = INK if item.is_enabled else INK_OFF
        ink = ALARM if item.is_danger and item.is_enabled else ink
        icon = pygame.Rect(rect.left + painter.px(6), rect.top, painter.px(18), rect.height)
        if item.is_checked or item.icon:
            name = "check" if item.is_checked else item.icon
            painter.icon(name, icon, PLAYER if item.is_checked else mixed(RAISED, ink, 0.75), size_px=16)
        room = pygame.Rect(icon.right + painter.px(8), rect.top, 0, rect.height)
        room.width = rect.right - painter.px(10) - room.left
        if item.detail:
            place = painter.text(item.detail, room, size="small", color=INK_FAINT, align="right")
            room.width = place.left - painter.px(8) - room.left
        painter.text(item.text, room, color=ink)

    def _draw_bar(self, painter: Painter) -> None:
        room = self.rect.inflate(-painter.px(4), -painter.px(12))
        length = room.height * MAX_MENU_ITEMS // len(self.items)
        top = room.top + (room.height - length) * self._first // (len(self.items) - MAX_MENU_ITEMS)
        painter.box(
            pygame.Rect(room.right - painter.px(4), top, painter.px(3), length), INK_FAINT, radius_px=2
        )


def open_menu(
    ui: Ui, items: Sequence[MenuItem], at: pygame.Rect | tuple[int, int], *, start: int = -1,
    on_close: Action | None = None,
) -> Menu:  # fmt: skip
    """Open a menu under a box, or at a point."""
    menu = Menu(ui, items, start=start, on_close=on_close)
    near = pygame.Rect(at, (1, 1)) if isinstance(at, tuple) else at.move(0, ui.theme.px(4))
    least = near.width if isinstance(at, pygame.Rect) else 0
    menu.place(within(near, menu.size(least), pygame.Rect((0, 0), ui.size)))
    ui.popup(menu)
    return menu


class Dropdown(ValueControl[str]):
    """A button that shows what is chosen and opens a list of what there is.

    Args:
        ui: The program around it.
        name: Its name.
        options: What there is to choose from; change it by ``set_options``.
        value: The chosen one's value.
        on_change: Told the newly chosen value.
        icon: At its left.
        placeholder: Said faintly when nothing is chosen.
        tooltip: One line.
    """

    def __init__(
        self, ui: Ui, name: str, options: Sequence[str | Option], value: str = "",
        on_change: Callable[[str], None] | None = None, *, icon: str = "", placeholder: str = "Choose",
        tooltip: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ui, name, value, on_change, tooltip=tooltip)
        self.options = as_options(options)
        self.icon, self.placeholder = icon, placeholder
        self.is_open = False

    def set_options(self, options: Sequence[str | Option]) -> None:
        """Other things to choose from."""
        fresh = as_options(options)
        if fresh != self.options:
            self.options = fresh
            self.mark()

    def press(self) -> None:
        """Open the list."""
        values = [option.value for option in self.options]
        items = [
            MenuItem(
                option.text, partial(self.choose, option.value), option.icon, option.detail,
                is_checked=option.value == self.value, is_enabled=option.is_enabled,
            )
            for option in self.options
        ]  # fmt: skip
        if not items:
            items = [MenuItem("Nothing there", is_enabled=False)]
        start = values.index(self.value) if self.value in values else -1
        self.is_open = True
        open_menu(self.ui, items, self.rect, start=start, on_close=self._shut)

    def key(self, event: Key) -> bool:
        """Up and down open the list too."""
        if event.is_down and event.name in {"up", "down"} and not event.control and self.is_enabled:
            self.press()
            return True
        return super().key(event)

    def _shut(self) -> None:
        self.is_open = False
        self.mark()

    def draw(self, painter: Painter) -> None:
        """The box, what is chosen, a chevron."""
        edge = mixed(EDGE, PLAYER, 0.6) if self.is_open else EDGE
        painter.box(self.rect, self.ground(), radius_px=self.radius_px, edge=edge)
        chevron = pygame.Rect(
            self.rect.right - painter.px(30), self.rect.top, painter.px(24), self.rect.height
        )
        painter.icon("down", chevron, self.ink(INK_SOFT), size_px=14)
        room = self.rect.copy()
        room.left += painter.px(12)
        if self.icon:
            place = pygame.Rect(
                self.rect.left + painter.px(10), self.rect.top, painter.px(18), self.rect.height
            )
            painter.icon(self.icon, place, self.ink(INK_SOFT), size_px=16)
            room.left = place.right + painter.px(8)
        room.width = chevron.left - room.left
        chosen = next((option.text for option in self.options if option.value == self.value), "")
        painter.text(chosen or self.placeholder, room, color=self.ink(INK) if chosen else INK_FAINT)
        self.draw_focus(painter)
