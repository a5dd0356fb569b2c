"""Ways between places: the rail at the left of the window, and tabs within a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pygame

from studio.ui.controls import Control, Option, Panel, Segmented
from studio.ui.layout import columns
from studio.ui.paint import Painter
from studio.ui.theme import EDGE, GROUND, HOVER, INK, INK_SOFT, PLAYER, Color, mixed
from studio.ui.widget import Action, Ui

RAIL_PX = 72
"""Width of the rail."""
_ITEM_PX = 60


class RailItem(Control):
    """A place on the rail: icon over words.

    Args:
        ui: The program around it.
        option: What it stands for.
        action: Goes there.
        tooltip: One line.
    """

    radius_px = 10

    def __init__(self, ui: Ui, option: Option, action: Action, tooltip: str = "") -> None:
        super().__init__(ui, f"rail-{option.value}", tooltip=tooltip)
        self.option, self.action = option, action
        self.is_current = False

    def press(self) -> None:
        """Go there."""
        self.action()

    def draw(self, painter: Painter) -> None:
        """Icon and words; the current place is lit and has a bar."""
        if self.is_current:
            painter.box(self.rect, mixed(GROUND, PLAYER, 0.14), radius_px=self.radius_px)
        elif self.is_hot:
            painter.box(self.rect, mixed(GROUND, HOVER, 0.7), radius_px=self.radius_px)
        ink: Color = mixed(PLAYER, INK, 0.3) if self.is_current else INK if self.is_hot else INK_SOFT
        icon = pygame.Rect(self.rect.left, self.rect.top + painter.px(9), self.rect.width, painter.px(24))
        painter.icon(self.option.icon, icon, ink, size_px=22)
        words = pygame.Rect(self.rect.left, icon.bottom + painter.px(3), self.rect.width, painter.px(16))
        painter.text(self.option.text, words, size="tiny", color=ink, weight="medium", align="center")
        self.draw_focus(painter)


class NavRail(Panel):
    """The rail: places from the top, the last ``n_below`` at the bottom.

    Args:
        ui: The program around it.
        options: The places, with icons.
        on_go: Told the place chosen.
        n_below: How many stand at the bottom.
        tooltips: One line each, by value.
    """

    def __init__(
        self, ui: Ui, options: Sequence[Option], on_go: Callable[[str], None], *, n_below: int = 1,
        tooltips: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(ui, "rail", color=GROUND)
        self.n_below = n_below
        hints = tooltips or {}
        self.items = [
            self.add(RailItem(ui, each, partial(on_go, each.value), hints.get(each.value, "")))
            for each in options
        ]

    def show(self, current: str) -> None:
        """Light the place where we are."""
        for item in self.items:
            if item.is_current != (item.option.value == current):
                item.is_current = not item.is_current
                self.mark()

    def arrange(self) -> None:
        """From the top and from the bottom."""
        theme = self.ui.theme
        margin, height, gap = theme.px(6), theme.px(_ITEM_PX), theme.px(6)
        x, width = self.rect.left + margin, self.rect.width - 2 * margin
        n_above = len(self.items) - self.n_below
        top = self.rect.top + theme.px(8)
        for item in self.items[:n_above]:
            item.place(pygame.Rect(x, top, width, height))
            top += height + gap
        bottom = self.rect.bottom - theme.px(8)
        for item in reversed(self.items[n_above:]):
            item.place(pygame.Rect(x, bottom - height, width, height))
            bottom -= height + gap

    def draw(self, painter: Painter) -> None:
        """Ground and a hairline at its right."""
        super().draw(painter)
        painter.fill(
            pygame.Rect(self.rect.right - painter.px(1), self.rect.top, painter.px(1), self.rect.height),
            mixed(GROUND, EDGE, 0.6),
        )


class Tabs(Segmented):
    """Sections of a screen: words with a line under the current one. Arguments as for :class:`Segmented`."""

    def cells(self) -> list[pygame.Rect]:
        """Each tab as wide as the widest words want, from the left."""
        theme = self.ui.theme
        width = min(theme.px(120), self.rect.width // max(1, len(self.options)))
        return columns(self.rect, [width] * len(self.options), 0)

    def draw(self, painter: Painter) -> None:
        """Words and lines."""
        hairline = pygame.Rect(
            self.rect.left, self.rect.bottom - painter.px(1), self.rect.width, painter.px(1)
        )
        painter.fill(hairline, EDGE)
        for option, cell in zip(self.options, self.cells(), strict=True):
            is_current = option.value == self.value
            painter.text(
                option.text, cell, color=INK if is_current else INK_SOFT, weight="medium", align="center"
            )
            if is_current:
                bar = pygame.Rect(
                    cell.left + painter.px(8),
                    cell.bottom - painter.px(2),
                    cell.width - painter.px(16),
                    painter.px(2),
                )
                painter.box(bar, self.accent, radius_px=1)
        self.draw_focus(painter)
