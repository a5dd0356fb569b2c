"""What floats over a screen: menus, drop-downs, dialogs, toasts, tooltips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pygame

from studio.ui.controls import Button, Option, ValueControl, as_options
from studio.ui.layout import within
from studio.ui.paint import Painter, text_width, wrapped
from studio.ui.theme import (
    ALARM,
    CONTROL_PX,
    EDGE,
    HOVER,
    INK,
    INK_FAINT,
    INK_SOFT,
    PANEL,
    PLAYER,
    RAISED,
    TEXT_SIZES_PX,
    Color,
    mixed,
)
from studio.ui.widget import Action, Key, Pointer, Ui, Widget

TYPE_AHEAD_S = 0.9
ITEM_PX = 30
MENU_PAD_PX = 6
MAX_MENU_ITEMS = 12


class Overlay(Widget):
    """A widget for ``ui.popup``.

    Attributes:
        is_modal: Nothing below it takes events, and a press beside it does nothing; otherwise a press beside
            it closes it.
        reach_px: How far it draws beyond ``rect``, logical pixels: its shadow.
    """

    is_panel = True
    is_modal = False
    reach_px: float = 40

    def closed(self) -> None:
        """It was taken away, by whatever."""


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
        n_rows = min(len(self.items), MAX_MENU_ITEMS)
        height = n_rows * theme.px(ITEM_PX) + 2 * theme.px(MENU_PAD_PX)
        return min(max(width, least_width), theme.px(420)), height

    def closed(self) -> None:
        """Tell who opened it."""
        if self.on_close is not None:
            self.on_close()

    def row_rect(self, row: int) -> pygame.Rect:
        """Where a line is."""
        pad, height = self.ui.theme.px(MENU_PAD_PX), self.ui.theme.px(ITEM_PX)
        top = self.rect.top + pad + (row - self._first) * height
        return pygame.Rect(self.rect.left + pad, top, self.rect.width - 2 * pad, height)

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
        ink = INK if item.is_enabled else INK_FAINT
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


class Dialog(Overlay):
    """A question in the middle of the window; Enter confirms, Escape leaves.

    ``ui.popup(Dialog(...))`` shows it; it places itself. A subclass adds children to ``body`` and overrides
    ``body_height``.

    Args:
        ui: The program around it.
        title: The question, short.
        text: What follows from it.
        confirm: Words of the button that does it; empty for none.
        on_confirm: What it does.
        cancel: Words of the button that leaves.
        is_danger: What it does can't be undone.
        name: Its name.
    """

    is_modal = True
    width_px: float = 440

    def __init__(
        self, ui: Ui, title: str, text: str = "", *, confirm: str = "OK", on_confirm: Action | None = None,
        cancel: str = "Cancel", is_danger: bool = False, name: str = "dialog",
    ) -> None:  # fmt: skip
        super().__init__(ui, name)
        self.title, self.text, self.on_confirm = title, text, on_confirm
        self.body = self.add(Widget(ui, f"{name}-body"))
        self.cancel = self.add(Button(ui, f"{name}-cancel", cancel, self.leave))
        self.confirm = self.add(
            Button(
                ui,
                f"{name}-confirm",
                confirm,
                self.accept,
                is_primary=True,
                accent=ALARM if is_danger else PLAYER,
            )
        )
        self.cancel.is_visible, self.confirm.is_visible = bool(cancel), bool(confirm)
        self.place(pygame.Rect((0, 0), ui.size))

    def body_height(self, width: int) -> int:  # noqa: ARG002 - overridden
        """Height of what a subclass puts between text and buttons, display pixels."""
        return 0

    def accept(self) -> None:
        """Do it and go."""
        self.ui.popup(None)
        if self.on_confirm is not None:
            self.on_confirm()

    def leave(self) -> None:
        """Go without doing it."""
        self.ui.popup(None)

    def card(self) -> pygame.Rect:
        """The visible box in the middle of the window."""
        theme = self.ui.theme
        width = min(theme.px(self.width_px), self.rect.width - theme.px(32))
        inner = width - theme.px(48)
        body = self.body_height(inner)
        height = (
            theme.px(24 + 28 + 24 + CONTROL_PX + 20)
            + self._text_height(inner)
            + body
            + (theme.px(16) if body else 0)
        )
        place = pygame.Rect(0, 0, width, height)
        place.center = (self.rect.centerx, self.rect.centery - theme.px(16))
        return place

    def arrange(self) -> None:
        """Buttons at the bottom right, body under the text."""
        theme, card = self.ui.theme, self.card()
        x = card.right - theme.px(24)
        for button in (self.confirm, self.cancel):
            if not button.is_visible:
                continue
            width = max(button.width(), theme.px(96))
            button.place(
                pygame.Rect(x - width, card.bottom - theme.px(20 + CONTROL_PX), width, theme.px(CONTROL_PX))
            )
            x -= width + theme.px(8)
        inner = card.width - theme.px(48)
        top = card.top + theme.px(24 + 28 + 8) + self._text_height(inner)
        self.body.place(pygame.Rect(card.left + theme.px(24), top, inner, self.body_height(inner)))

    def _text_height(self, width: int) -> int:
        if not self.text:
            return 0
        theme = self.ui.theme
        n_lines = len(wrapped(self.text, "body", "regular", theme.scale, width))
        return n_lines * round(theme.px(TEXT_SIZES_PX["body"]) * 1.5) + theme.px(8)

    def key(self, event: Key) -> bool:
        """Enter and Escape; only Tab goes on to the next button."""
        if event.is_down and event.name == "escape":
            self.leave()
        elif (
            event.is_down
            and event.name in {"return", "enter"}
            and self.confirm.is_visible
            and self.confirm.is_enabled
        ):
            self.accept()
        return event.name != "tab"

    def pointer(self, event: Pointer) -> bool:  # noqa: ARG002
        """Nothing below is reached."""
        return True

    def draw(self, painter: Painter) -> None:
        """Dim what is below; the card with title and text."""
        painter.shade(self.rect, (6, 7, 10), 0.6)
        card = self.card()
        painter.shadow(card, radius_px=20)
        painter.box(card, PANEL, radius_px=14, edge=EDGE)
        left, width = card.left + painter.px(24), card.width - painter.px(48)
        title = pygame.Rect(left, card.top + painter.px(22), width, painter.px(28))
        painter.text(self.title, title, size="title", weight="bold")
        if self.text:
            room = pygame.Rect(
                left, title.bottom + painter.px(6), width, self._text_height(width) + painter.px(6)
            )
            painter.paragraph(self.text, room, color=INK_SOFT)


@dataclass(slots=True)
class Toast:
    """A sentence that stays for a while."""

    sentence: str
    hint: str
    is_fault: bool
    until_s: float
    rect: pygame.Rect


class Toasts(Overlay):
    """The stack of toasts at the bottom right: a press takes one away, the pointer over one keeps it."""

    width_px = 380
    stays_s = 5.0
    fault_stays_s = 10.0
    at_most = 4
    reach_px = 24

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "toasts")
        self.shown: list[Toast] = []

    def put(self, sentence: str, hint: str, is_fault: bool) -> None:
        """Show a sentence; one that is shown already only stays longer."""
        until_s = self.ui.now_s + (self.fault_stays_s if is_fault else self.stays_s)
        for toast in self.shown:
            if (toast.sentence, toast.hint) == (sentence, hint):
                toast.until_s = until_s
                return
        self.shown.append(Toast(sentence, hint, is_fault, until_s, pygame.Rect(0, 0, 0, 0)))
        del self.shown[: -self.at_most]
        self.settle()

    def expire(self) -> None:
        """Take away what has stayed long enough."""
        if self.ui.is_hovered(self):
            return
        kept = [toast for toast in self.shown if toast.until_s > self.ui.now_s]
        if len(kept) != len(self.shown):
            self.shown = kept
            self.settle()
        elif kept:
            self.ui.wake(max(0.0, min(toast.until_s for toast in kept) - self.ui.now_s))

    def settle(self) -> None:
        """Stack them upwards from the corner."""
        theme, (width, height) = self.ui.theme, self.ui.size
        bottom, right = height - theme.px(16), width - theme.px(16)
        top = bottom
        for toast in reversed(self.shown):
            size = (theme.px(self.width_px), self._height(toast))
            toast.rect = pygame.Rect(right - size[0], top - size[1], *size)
            top = toast.rect.top - theme.px(8)
        first = self.shown[0].rect.top if self.shown else bottom
        self.is_visible = bool(self.shown)
        self.rect = pygame.Rect(
            right - theme.px(self.width_px), first, theme.px(self.width_px), bottom - first
        )
        self.mark()

    def _lines(self, toast: Toast) -> tuple[tuple[str, ...], tuple[str, ...]]:
        theme = self.ui.theme
        width = theme.px(self.width_px - 44 - 36)
        sentence = wrapped(toast.sentence, "body", "medium", theme.scale, width)
        hint = wrapped(toast.hint, "small", "regular", theme.scale, width) if toast.hint else ()
        return sentence[:4], hint[:4]

    def _height(self, toast: Toast) -> int:
        sentence, hint = self._lines(toast)
        return self.ui.theme.px(24 + 20 * len(sentence) + (18 * len(hint) + 2 if hint else 0))

    def pointer(self, event: Pointer) -> bool:
        """A press takes the toast away."""
        for toast in self.shown:
            if event.kind == "down" and toast.rect.collidepoint(event.x, event.y):
                self.shown.remove(toast)
                self.settle()
                return True
        return event.kind == "down"

    def draw(self, painter: Painter) -> None:
        """Each toast as a small card with a colored edge."""
        for toast in self.shown:
            painter.shadow(toast.rect, radius_px=8, opacity=0.4)
            accent: Color = ALARM if toast.is_fault else PLAYER
            painter.box(toast.rect, RAISED, radius_px=10, edge=mixed(EDGE, accent, 0.35))
            icon = pygame.Rect(
                toast.rect.left + painter.px(12),
                toast.rect.top + painter.px(12),
                painter.px(20),
                painter.px(20),
            )
            painter.icon("panic" if toast.is_fault else "info", icon, accent, size_px=18)
            cross = pygame.Rect(
                toast.rect.right - painter.px(30),
                toast.rect.top + painter.px(10),
                painter.px(20),
                painter.px(20),
            )
            painter.icon("cross", cross, INK_FAINT, size_px=12)
            sentence, hint = self._lines(toast)
            row = pygame.Rect(
                icon.right + painter.px(12),
                toast.rect.top + painter.px(12),
                cross.left - icon.right - painter.px(12),
                painter.px(20),
            )
            for line in sentence:
                painter.text(line, row, weight="medium")
                row.top += painter.px(20)
            row.top += painter.px(2)
            row.height = painter.px(18)
            for line in hint:
                painter.text(line, row, size="small", color=INK_SOFT)
                row.top += painter.px(18)


class Tooltip(Overlay):
    """One line under what the pointer rests on."""

    reach_px = 16

    def __init__(self, ui: Ui, words: str, near: pygame.Rect, at: tuple[int, int]) -> None:
        super().__init__(ui, "tooltip")
        self.words = words
        theme = ui.theme
        size = (text_width(words, "small", "regular", theme.scale) + theme.px(20), theme.px(28))
        # Beside a large widget the words stand where the pointer is.
        is_large = near.width > theme.px(400) or near.height > theme.px(160)
        anchor = pygame.Rect(at, (1, theme.px(20))) if is_large else near.inflate(0, theme.px(12))
        place = within(anchor, size, pygame.Rect((0, 0), ui.size).inflate(-theme.px(8), -theme.px(8)))
        if not is_large:
            place.centerx = near.centerx
        self.rect = place.clamp(pygame.Rect((0, 0), ui.size).inflate(-theme.px(8), -theme.px(8)))

    def draw(self, painter: Painter) -> None:
        """A small light box."""
        painter.shadow(self.rect, radius_px=5, opacity=0.4)
        painter.box(self.rect, mixed(HOVER, INK, 0.06), radius_px=6, edge=mixed(EDGE, INK_FAINT, 0.4))
        painter.text(self.words, self.rect, size="small", color=INK, align="center")
