"""A line of text that a person types, with caret, selection, clipboard and undo."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from studio.ui import clipboard
from studio.ui.controls import Control
from studio.ui.paint import Painter, text_width
from studio.ui.theme import EDGE, GROUND, INK, INK_FAINT, INK_SOFT, PANEL, PLAYER, Color, mixed
from studio.ui.widget import Key, Pointer, Ui

BLINK_S = 0.53


class Line:
    """The text, the caret and the selection of a field, without any drawing. Pure.

    Attributes:
        text: What is there.
        caret: Before which letter the caret stands.
        anchor: Where the selection began; equal to ``caret`` for none.
        limit: Most letters.
    """

    def __init__(self, text: str = "", limit: int = 200) -> None:
        self.text, self.limit = text, limit
        self.caret = self.anchor = len(text)
        self._past: list[tuple[str, int]] = []
        self._future: list[tuple[str, int]] = []

    @property
    def selection(self) -> tuple[int, int]:
        """First and one past the last selected letter."""
        return min(self.caret, self.anchor), max(self.caret, self.anchor)

    @property
    def selected(self) -> str:
        """The selected letters."""
        start, end = self.selection
        return self.text[start:end]

    def move(self, to: int, *, keeps_anchor: bool = False) -> None:
        """Put the caret elsewhere; with the anchor kept the selection grows or shrinks."""
        self.caret = min(max(to, 0), len(self.text))
        if not keeps_anchor:
            self.anchor = self.caret

    def word(self, step: int) -> int:
        """Where the next word begins (``step`` 1) or the one before (−1)."""
        at = self.caret
        while 0 <= at + min(step, 0) < len(self.text) and self.text[at + min(step, 0)] == " ":
            at += step
        while 0 <= at + min(step, 0) < len(self.text) and self.text[at + min(step, 0)] != " ":
            at += step
        return at

    def insert(self, letters: str) -> bool:
        """Replace the selection; False when nothing fits."""
        start, end = self.selection
        room = self.limit - (len(self.text) - (end - start))
        letters = letters[: max(0, room)]
        if not letters and start == end:
            return False
        self._keep()
        self.text = self.text[:start] + letters + self.text[end:]
        self.move(start + len(letters))
        return True

    def delete(self, to: int) -> bool:
        """Take the selection away, or else what lies between the caret and ``to``."""
        if self.caret == self.anchor:
            self.move(to, keeps_anchor=True)
        return self.insert("")

    def undo(self) -> bool:
        """Take the last change back."""
        return self._swap(self._past, self._future)

    def redo(self) -> bool:
        """Make the last change taken back again."""
        return self._swap(self._future, self._past)

    def _swap(self, source: list[tuple[str, int]], target: list[tuple[str, int]]) -> bool:
        if not source:
            return False
        target.append((self.text, self.caret))
        self.text, caret = source.pop()
        self.move(caret)
        return True

    def _keep(self) -> None:
        self._past.append((self.text, self.caret))
        del self._past[:-100]
        self._future.clear()


class TextField(Control):
    """A line of text to be typed.

    Args:
        ui: The program around it.
        name: Its name.
        text: At the beginning.
        on_change: Told the text after each change by the person.
        on_enter: Told the text when Enter is pressed.
        placeholder: Said faintly while it is empty.
        icon: At its left.
        limit: Most letters.
        tooltip: One line.
    """

    def __init__(
        self, ui: Ui, name: str, text: str = "", on_change: Callable[[str], None] | None = None, *,
        on_enter: Callable[[str], None] | None = None, placeholder: str = "", icon: str = "",
        limit: int = 200, tooltip: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ui, name, tooltip=tooltip)
        self.line = Line(text, limit)
        self.on_change, self.on_enter = on_change, on_enter
        self.placeholder, self.icon = placeholder, icon
        self._first = 0
        self._touched_s = 0.0
        self._was_lit = False

    @property
    def text(self) -> str:
        """What is there."""
        return self.line.text

    def set_text(self, text: str) -> None:
        """Another text, telling nobody; what could be undone is forgotten."""
        if text != self.line.text:
            self.line = Line(text, self.line.limit)
            self.mark()

    def select_all(self) -> None:
        """Select everything, as before renaming."""
        self.line.move(0)
        self.line.move(len(self.text), keeps_anchor=True)
        self.mark()

    def pointer(self, event: Pointer) -> bool:
        """Put the caret, drag a selection, double click for everything."""
        if not self.is_enabled or event.button != 1:
            return event.kind == "down"
        if event.kind == "down":
            self.ui.focus(self)
            if event.clicks >= 2:
                self.select_all()
                return True
            self.ui.capture(self)
            self.is_pressed = True
            self.line.move(self._index(event.x), keeps_anchor=event.is_fine)
        elif event.kind == "move" and self.is_pressed:
            self.line.move(self._index(event.x), keeps_anchor=True)
        elif event.kind == "up" and self.is_pressed:
            self.is_pressed = False
            self.ui.capture(None)
        else:
            return False
        self._touch()
        return True

    def key(self, event: Key) -> bool:
        """Type, move, select, delete, copy, paste, undo. Escape gives the keyboard back."""
        if not event.is_down or not self.is_enabled or event.name == "tab":
            return False
        before = self.text
        if event.name in {"return", "enter", "escape"}:
            return self._finish(event.name)
        is_used = self._command(event) if event.control else self._edit(event)
        if is_used:
            self._touch()
        if self.text != before and self.on_change is not None:
            self.on_change(self.text)
        # Letters are the field's own even where they do nothing: they are no shortcuts while one types.
        return is_used or bool(event.text)

    def _finish(self, name: str) -> bool:
        """Escape gives the keyboard back; Enter is told, or left to a dialog around the field."""
        if name == "escape":
            self.ui.focus(None)
        elif self.on_enter is not None:
            self.on_enter(self.text)
        else:
            return False
        return True

    def _command(self, event: Key) -> bool:
        line = self.line
        if event.name in {"c", "x"} and line.selected:
            clipboard.copy(line.selected)
            return event.name == "c" or line.insert("")
        if event.name == "v":
            return line.insert(clipboard.paste())
        if event.name in {"z", "y"}:
            return line.redo() if event.shift or event.name == "y" else line.undo()
        if event.name in {"backspace", "delete"}:
            return line.delete(line.word(-1 if event.name == "backspace" else 1))
        if event.name in {"left", "right"}:
            line.move(line.word(1 if event.name == "right" else -1), keeps_anchor=event.shift)
        elif event.name == "a":
            self.select_all()
        return event.name in {"a", "left", "right"}

    def _edit(self, event: Key) -> bool:
        line = self.line
        start, end = line.selection
        is_collapsing = start != end and not event.shift
        places = {
            "left": start if is_collapsing else line.caret - 1,
            "right": end if is_collapsing else line.caret + 1,
            "home": 0, "up": 0, "end": len(line.text), "down": len(line.text),
        }  # fmt: skip
        if event.name in places:
            line.move(places[event.name], keeps_anchor=event.shift)
            return True
        if event.name in {"backspace", "delete"}:
            return line.delete(line.caret + (1 if event.name == "delete" else -1))
        return bool(event.text) and event.text.isprintable() and line.insert(event.text)

    def _touch(self) -> None:
        self._touched_s = self.ui.now_s
        self.mark()

    def _text_rect(self) -> pygame.Rect:
        theme = self.ui.theme
        left = self.rect.left + theme.px(36 if self.icon else 12)
        return pygame.Rect(
            left, self.rect.top, max(1, self.rect.right - theme.px(12) - left), self.rect.height
        )

    def _width(self, start: int, end: int) -> int:
        return text_width(self.text[start:end], "body", "regular", self.ui.theme.scale)

    def _index(self, x: int) -> int:
        """The place between letters that is nearest to ``x``."""
        offset = x - self._text_rect().left
        places = range(self._first, len(self.text) + 1)
        return min(places, key=lambda place: abs(self._width(self._first, place) - offset), default=0)

    def _scroll(self, width: int) -> None:
        """Keep the caret within the box."""
        self._first = min(self._first, self.line.caret)
        while self._width(self._first, self.line.caret) > width:
            self._first += 1

    def draw(self, painter: Painter) -> None:
        """Box, icon, selection, text, caret."""
        has_keyboard = self.is_enabled and self.ui.is_focused(self)
        self._was_lit = has_keyboard and self._is_lit()
        edge: Color = PLAYER if has_keyboard else mixed(EDGE, INK_FAINT, 0.5) if self.is_hot else EDGE
        painter.box(self.rect, mixed(PANEL, GROUND, 0.7), radius_px=self.radius_px, edge=edge)
        room = self._text_rect()
        if self.icon:
            place = pygame.Rect(
                self.rect.left + painter.px(10), self.rect.top, painter.px(18), self.rect.height
            )
            painter.icon(self.icon, place, INK_SOFT if has_keyboard else INK_FAINT, size_px=16)
        with painter.clipped(room.inflate(painter.px(4), 0)):
            self._draw_text(painter, room, has_keyboard)

    def _draw_text(self, painter: Painter, room: pygame.Rect, has_keyboard: bool) -> None:
        self._scroll(room.width)
        height = painter.px(20)
        start, end = (max(place, self._first) for place in self.line.selection)
        if has_keyboard and end > start:
            left = room.left + self._width(self._first, start)
            box = pygame.Rect(left, 0, self._width(start, end), height)
            box.centery = room.centery
            painter.box(box, mixed(GROUND, PLAYER, 0.4), radius_px=2)
        if self.text:
            wide = pygame.Rect(room.left, room.top, self._width(self._first, len(self.text)) + 1, room.height)
            painter.text(self.text[self._first :], wide, color=self.ink(INK))
        elif self.placeholder:
            painter.text(self.placeholder, room, color=INK_FAINT)
        if has_keyboard:
            self._draw_caret(painter, room, height)

    def _draw_caret(self, painter: Painter, room: pygame.Rect, height: int) -> None:
        self.ui.wake(BLINK_S - (self.ui.now_s - self._touched_s) % BLINK_S)
        if self._is_lit():
            x = room.left + self._width(self._first, self.line.caret)
            painter.fill(pygame.Rect(x, room.centery - height // 2, painter.px(1.5), height), INK)

    def look(self, view: object) -> None:  # noqa: ARG002 - what changes is the caret
        """Blink; a field without the keyboard has no caret to hide."""
        is_lit = self.ui.is_focused(self) and self._is_lit()
        if is_lit != self._was_lit:
            self.mark()

    def _is_lit(self) -> bool:
        return int((self.ui.now_s - self._touched_s) / BLINK_S) % 2 == 0
