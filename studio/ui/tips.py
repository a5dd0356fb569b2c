"""Tooltips: one line beside what the pointer rests on, or what the keyboard has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygame

from studio.ui.floating import Overlay
from studio.ui.focus import can_focus
from studio.ui.paint import Painter, text_width
from studio.ui.rail import RAIL_PX
from studio.ui.theme import EDGE, HOVER, INK, INK_FAINT, mixed
from studio.ui.widget import Ui, Widget

if TYPE_CHECKING:
    from studio.ui.app import App

TOOLTIP_S = 0.6
"""Rest of the pointer, or of the keyboard, before the words come."""

AWAY_PX = 6
"""Between a widget and its words: the ring of the keyboard lies there."""


class Tooltip(Overlay):
    """One line.

    Args:
        ui: The program around it.
        words: What it says.
        near: What it speaks of; it is not covered where there is any room beside it.
        at: Where the pointer is: beside a large widget the words stand there. None for the keyboard.
    """

    reach_px = 16

    def __init__(self, ui: Ui, words: str, near: pygame.Rect, at: tuple[int, int] | None) -> None:
        super().__init__(ui, "tooltip")
        self.words = words
        theme = ui.theme
        size = (text_width(words, "small", "regular", theme.scale) + theme.px(20), theme.px(28))
        is_large = near.width > theme.px(400) or near.height > theme.px(160)
        bounds = pygame.Rect((0, 0), ui.size).inflate(-theme.px(8), -theme.px(8))
        if at is not None and is_large:
            anchor = pygame.Rect(at, (1, theme.px(20)))
            self.rect = _beside(anchor, size, bounds, 0)
            self.rect.left = min(anchor.left, bounds.right - size[0])
        elif near.right <= theme.px(RAIL_PX):
            # Beside the rail, so that the next place on it stays in sight.
            place = pygame.Rect((near.right + theme.px(10), near.centery - size[1] // 2), size)
            self.rect = place.clamp(bounds)
        else:
            self.rect = _beside(near, size, bounds, theme.px(AWAY_PX))

    def draw(self, painter: Painter) -> None:
        """A small light box."""
        painter.shadow(self.rect, radius_px=5, opacity=0.4)
        painter.box(self.rect, mixed(HOVER, INK, 0.06), radius_px=6, edge=mixed(EDGE, INK_FAINT, 0.4))
        painter.text(self.words, self.rect, size="small", color=INK, align="center")


def _beside(near: pygame.Rect, size: tuple[int, int], bounds: pygame.Rect, away: int) -> pygame.Rect:
    """Below, above, right or left: the first place that covers nothing of ``near``; else its lower edge."""
    below, above, right, left = (pygame.Rect((0, 0), size) for _ in range(4))
    below.midtop, above.midbottom = (near.centerx, near.bottom + away), (near.centerx, near.top - away)
    right.midleft, left.midright = (near.right + away, near.centery), (near.left - away, near.centery)
    places = [place.clamp(bounds) for place in (below, above, right, left)]
    return next((place for place in places if not place.colliderect(near)), places[0])


class Tips:
    """Which widget's words are due: whatever the pointer or the keyboard came to last.

    Args:
        app: The program.

    Attributes:
        shown: The tooltip that is seen; None for none.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.shown: Tooltip | None = None
        self._hovered: Widget | None = None
        self._focused: Widget | None = None
        self._is_by_keys = self._is_spent = False
        self._since_s = 0.0
        self._at: tuple[int, int] | None = None

    def spend(self) -> None:
        """Something was done: no words before another widget is come to."""
        self.shown, self._is_spent = None, True

    def refresh(self, hovered: Widget | None, at: tuple[int, int] | None) -> None:
        """Once a frame: begin to wait at a new widget, show its words when the wait is over.

        Args:
            hovered: What is under the pointer.
            at: Where the pointer is; None outside of the window.
        """
        focused = self._reached()
        if focused is not self._focused:
            self._come(is_by_keys=focused is not None)
            # Whoever took a widget by the pointer has used it.
            self._is_spent = focused is None
        elif hovered is not self._hovered and not (self._is_by_keys and at == self._at):
            # What the keyboard scrolls under a pointer that rests is not what a person looks at.
            self._come(is_by_keys=False)
        self._focused, self._hovered, self._at = focused, hovered, at
        target = focused if self._is_by_keys else hovered
        if self.shown is not None or self._is_spent or target is None or not target.tooltip:
            return
        left_s = self._since_s + TOOLTIP_S - self._app.now_s
        if left_s > 0:
            self._app.wake(left_s)
        else:
            self.shown = Tooltip(self._app, target.tooltip, target.rect, None if self._is_by_keys else at)

    def _come(self, *, is_by_keys: bool) -> None:
        self.shown, self._is_spent, self._is_by_keys = None, False, is_by_keys
        self._since_s = self._app.now_s

    def _reached(self) -> Widget | None:
        """What carries the keyboard's ring."""
        focused = self._app.focused
        is_reached = focused.is_shown and focused.widget is not None and can_focus(focused.widget)
        return focused.widget if is_reached else None
