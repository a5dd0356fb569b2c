"""What floats over a screen: dialogs and toasts; and menus, under one name."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from studio.ui.controls import Button
from studio.ui.floating import Overlay
from studio.ui.menus import Dropdown, Menu, MenuItem, open_menu
from studio.ui.paint import Painter, wrapped
from studio.ui.theme import (
    ALARM,
    CONTROL_PX,
    EDGE,
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

__all__ = [
    "Dialog", "Dropdown", "Menu", "MenuItem", "Overlay", "Toast", "Toasts", "open_menu",
]  # fmt: skip


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
    """The stack of toasts at the top right: a press takes one away, the pointer over one keeps it.

    No screen has there what a person is about to press.

    Attributes:
        top_px: Where it begins, below what stands at the top of a screen.
    """

    widest_px, widest_share = 380, 0.31
    stays_s = 5.0
    fault_stays_s = 10.0
    at_most = 4
    reach_px = 24

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "toasts")
        self.top_px = 72
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
        """Stack them downwards, the oldest at the top."""
        theme = self.ui.theme
        right, first = self.ui.size[0] - theme.px(16), theme.px(self.top_px)
        width, top = self._width(), first
        for toast in self.shown:
            toast.rect = pygame.Rect(right - width, top, width, self._height(toast))
            top = toast.rect.bottom + theme.px(8)
        self.is_visible = bool(self.shown)
        self.rect = pygame.Rect(right - width, first, width, max(0, top - theme.px(8) - first))
        self.mark()

    def _width(self) -> int:
        return min(self.ui.theme.px(self.widest_px), round(self.ui.size[0] * self.widest_share))

    def _lines(self, toast: Toast) -> tuple[tuple[str, ...], tuple[str, ...]]:
        theme = self.ui.theme
        width = self._width() - theme.px(44 + 36)
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
