"""Grounds and words: what controls stand on and between."""

from __future__ import annotations

import pygame

from studio.ui.paint import Align, Painter, Weight
from studio.ui.theme import GROUND, INK, INK_SOFT, PANEL, Color
from studio.ui.widget import Ui, Widget


class Panel(Widget):
    """A ground for other widgets and the unit of redrawing.

    Args:
        ui: The program around it.
        name: Its name.
        title: Small words at the top left; empty for none.
        color: Its ground.
        radius_px: Rounding; the corners show ``behind``.
        behind: What is around it.
    """

    is_panel = True

    def __init__(
        self, ui: Ui, name: str, *, title: str = "", color: Color = PANEL, radius_px: float = 0,
        behind: Color = GROUND,
    ) -> None:  # fmt: skip
        super().__init__(ui, name)
        self.title, self.color, self.radius_px, self.behind = title, color, radius_px, behind

    def draw(self, painter: Painter) -> None:
        """Fill the ground and write the title."""
        if self.radius_px:
            painter.fill(self.rect, self.behind)
        painter.box(self.rect, self.color, radius_px=self.radius_px)
        if self.title:
            margin = painter.px(16)
            row = pygame.Rect(
                self.rect.left + margin,
                self.rect.top + painter.px(12),
                self.rect.width - 2 * margin,
                painter.px(20),
            )
            painter.text(self.title, row, size="small", color=INK_SOFT, weight="medium")


class Label(Widget):
    """A line of text, or a paragraph.

    Args:
        ui: The program around it.
        name: Its name.
        text: What it says; change it by ``say``.
        size: Role of the type (:data:`studio.ui.theme.TEXT_SIZES_PX`).
        color: Ink.
        weight: Weight.
        align: Where it stands in its box.
        wraps: Break it into lines from the top.
    """

    def __init__(
        self, ui: Ui, name: str, text: str = "", *, size: str = "body", color: Color = INK,
        weight: Weight = "regular", align: Align = "left", wraps: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(ui, name)
        self.text, self.size, self.color, self.weight = text, size, color, weight
        self.align: Align = align
        self.wraps = wraps

    def say(self, text: str, color: Color | None = None) -> None:
        """Another text; drawn again only when it differs."""
        if (text, color or self.color) != (self.text, self.color):
            self.text, self.color = text, color or self.color
            self.mark()

    def draw(self, painter: Painter) -> None:
        """Write it."""
        if self.wraps:
            painter.paragraph(
                self.text, self.rect, size=self.size, color=self.color, weight=self.weight, align=self.align
            )
        else:
            painter.text(
                self.text, self.rect, size=self.size, color=self.color, weight=self.weight, align=self.align
            )
