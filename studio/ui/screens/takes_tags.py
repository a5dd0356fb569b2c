"""A row of tags that can be taken away, and a field for another."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from studio.ui.controls import Control
from studio.ui.fields import TextField
from studio.ui.paint import Painter, text_width
from studio.ui.theme import EDGE, INK, INK_FAINT, INK_SOFT, RAISED, mixed
from studio.ui.widget import Action, Key, Ui, Widget

FIELD_PX = 128


class Chip(Control):
    """A tag; pressing it takes it away."""

    radius_px = 12

    def __init__(self, ui: Ui, name: str, tag: str, action: Action) -> None:
        super().__init__(ui, name, tooltip=f"Take the tag “{tag}” away")
        self.tag, self.action = tag, action

    def width(self) -> int:
        """Display pixels that it wants."""
        theme = self.ui.theme
        return text_width(self.tag, "small", "medium", theme.scale) + theme.px(38)

    def press(self) -> None:
        """Take it away."""
        self.action()

    def key(self, event: Key) -> bool:
        """Delete takes it away too."""
        if event.is_down and event.name in {"delete", "backspace"}:
            self.action()
            return True
        return super().key(event)

    def draw(self, painter: Painter) -> None:
        """Words and a small cross."""
        edge = mixed(EDGE, INK_FAINT, 0.5) if self.is_hot else EDGE
        painter.box(self.rect, RAISED, radius_px=self.radius_px, edge=edge)
        words = pygame.Rect(
            self.rect.left + painter.px(12), self.rect.top, self.rect.width - painter.px(34), self.rect.height
        )
        painter.text(self.tag, words, size="small", weight="medium", color=INK_SOFT)
        cross = pygame.Rect(self.rect.right - painter.px(24), self.rect.top, painter.px(16), self.rect.height)
        painter.icon("cross", cross, INK if self.is_hot else INK_FAINT, size_px=9)
        self.draw_focus(painter)


class TagRow(Widget):
    """The tags of a take.

    Args:
        ui: The program around it.
        name: Its name.
        on_add: Told a new tag.
        on_remove: Told a tag to take away.
    """

    def __init__(
        self, ui: Ui, name: str, on_add: Callable[[str], None], on_remove: Callable[[str], None]
    ) -> None:
        super().__init__(ui, name)
        self._on_add, self._on_remove = on_add, on_remove
        self.tags: tuple[str, ...] = ()
        self.chips: list[Chip] = []
        self.field = self.add(
            TextField(ui, f"{name}.field", on_enter=self._enter, placeholder="Add a tag", icon="tag",
                      limit=40, tooltip="Type a tag and press Enter")
        )  # fmt: skip

    def show(self, tags: tuple[str, ...]) -> None:
        """Other tags."""
        if tags != self.tags:
            self.tags = tags
            self.chips = [
                Chip(self.ui, f"{self.name}.{tag}", tag, lambda tag=tag: self._on_remove(tag))  # type: ignore[misc]
                for tag in tags
            ]
            self.children = [self.field]
            for chip in self.chips:
                self.add(chip)
            self.arrange()
            self.mark()

    def arrange(self) -> None:
        """Chips from the left as far as there is room, then the field."""
        px = self.ui.theme.px
        x, height = self.rect.left, px(28)
        top = self.rect.centery - height // 2
        for chip in self.chips:
            width = chip.width()
            chip.is_visible = x + width + px(FIELD_PX) <= self.rect.right
            if chip.is_visible:
                chip.place(pygame.Rect(x, top, width, height))
                x += width + px(8)
        self.field.place(pygame.Rect(x, top, min(px(FIELD_PX), max(0, self.rect.right - x)), height))

    def _enter(self, tag: str) -> None:
        self.field.set_text("")
        if tag.strip():
            self._on_add(tag.strip())
