"""A name that becomes a field when it is pressed."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from studio.live.deskview import DeskView
from studio.ui.controls import Control
from studio.ui.fields import TextField
from studio.ui.paint import Painter
from studio.ui.theme import INK, INK_FAINT, INK_SOFT, PANEL, mixed
from studio.ui.widget import Key, Ui, Widget


class _Shown(Control):
    """The name as it is read."""

    def __init__(self, ui: Ui, name: str, action: Callable[[], None]) -> None:
        super().__init__(ui, name, tooltip="Rename (F2)")
        self.words = ""
        self._action = action

    def press(self) -> None:
        self._action()

    def draw(self, painter: Painter) -> None:
        room = self.rect.inflate(-painter.px(30), 0)
        room.left = self.rect.left
        place = painter.text(
            self.words, room, size="display", weight="bold", color=INK if self.is_enabled else INK_SOFT
        )
        pencil = pygame.Rect(place.right + painter.px(10), self.rect.top, painter.px(18), self.rect.height)
        if self.is_enabled:
            painter.icon(
                "pencil", pencil, INK_SOFT if self.is_hot else mixed(PANEL, INK_FAINT, 0.75), size_px=15
            )
        self.draw_focus(painter)


class _Edited(TextField):
    """The name while it is changed; Escape leaves it as it was."""

    on_escape: Callable[[], None] | None = None

    def key(self, event: Key) -> bool:
        if event.is_down and event.name == "escape" and self.on_escape is not None:
            self.on_escape()
            return True
        return super().key(event)


class NameLine(Widget):
    """A name that can be changed in place.

    Args:
        ui: The program around it.
        name: Its name; its field is called ``<name>.field``.
        on_rename: Told the new name.

    Attributes:
        is_editing: The field is shown.
    """

    def __init__(self, ui: Ui, name: str, on_rename: Callable[[str], None]) -> None:
        super().__init__(ui, name)
        self._on_rename = on_rename
        self.shown = self.add(_Shown(ui, f"{name}.shown", self.edit))
        self.field = self.add(_Edited(ui, f"{name}.field", on_enter=self._confirm, limit=120))
        self.field.on_escape = self.leave
        self.field.is_visible = False
        self.is_editing = False

    def show(self, words: str) -> None:
        """Another name."""
        if words != self.shown.words:
            self.shown.words = words
            self.leave()
            self.mark()

    def edit(self) -> None:
        """Begin to change it, everything selected."""
        if not self.shown.is_enabled:
            return
        self.is_editing = True
        self.shown.is_visible, self.field.is_visible = False, True
        self.field.set_text(self.shown.words)
        self.field.select_all()
        self.ui.focus(self.field)
        self.mark()

    def leave(self) -> None:
        """Show it as it is."""
        if not self.is_editing:
            return
        self.is_editing = False
        self.shown.is_visible, self.field.is_visible = True, False
        if self.ui.is_focused(self.field):
            self.ui.focus(None)
        self.mark()

    def _confirm(self, words: str) -> None:
        was_editing = self.is_editing
        self.leave()
        if was_editing and words.strip() != self.shown.words:
            self._on_rename(words.strip())

    def look(self, view: DeskView) -> None:  # noqa: ARG002 - what matters is the focus
        """A press elsewhere confirms."""
        if self.is_editing and not self.ui.is_focused(self.field):
            self._confirm(self.field.text)

    def arrange(self) -> None:
        """Both in the same place."""
        px = self.ui.theme.px
        self.shown.place(self.rect)
        field = self.rect.copy()
        field.width = min(field.width, px(460))
        self.field.place(field)
