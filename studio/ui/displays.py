"""Widgets that only show: lamps, meters, progress, pictures."""

from __future__ import annotations

import pygame

from studio.ui.paint import Painter
from studio.ui.theme import ALARM, EDGE, GOOD, GROUND, INK_SOFT, PANEL, PARTNER, PLAYER, RAISED, Color, mixed
from studio.ui.widget import Ui, Widget

FLOOR_DB = -60.0
HOLD_S = 1.2
"""How long the peak mark of a level meter stays."""


class Lamp(Widget):
    """A small light with words beside it.

    Args:
        ui: The program around it.
        name: Its name.
        text: Words to its right; empty for none.
        color: Of the light.
    """

    def __init__(self, ui: Ui, name: str, text: str = "", *, color: Color = GOOD) -> None:
        super().__init__(ui, name)
        self.text, self.color = text, color
        self.is_on = False

    def show(self, is_on: bool, *, color: Color | None = None, text: str | None = None) -> None:
        """Light it or not; drawn again only when something differs."""
        wanted = (is_on, color or self.color, self.text if text is None else text)
        if wanted != (self.is_on, self.color, self.text):
            self.is_on, self.color, self.text = wanted
            self.mark()

    def draw(self, painter: Painter) -> None:
        """The light with a faint glow, then the words."""
        center = (self.rect.left + painter.px(7), self.rect.centery)
        if self.is_on:
            painter.disc(center, 6, mixed(PANEL, self.color, 0.28))
        painter.disc(center, 3.5, self.color if self.is_on else mixed(RAISED, EDGE, 0.8))
        if self.text:
            row = self.rect.copy()
            row.left = center[0] + painter.px(11)
            row.width = self.rect.right - row.left
            painter.text(self.text, row, size="small", color=INK_SOFT)


class LevelMeter(Widget):
    """Loudness in dB of full scale, with a peak mark that stays for a moment.

    Args:
        ui: The program around it.
        name: Its name.
        is_upright: From bottom to top instead of from left to right.
    """

    def __init__(self, ui: Ui, name: str, *, is_upright: bool = False) -> None:
        super().__init__(ui, name)
        self.is_upright = is_upright
        self._level = self._peak = 0
        self._peak_at_s = 0.0

    def show(self, level_db: float) -> None:
        """A new level; drawn again only when it moves by a visible amount."""
        share = min(max((level_db - FLOOR_DB) / -FLOOR_DB, 0.0), 1.0)
        length = self.rect.height if self.is_upright else self.rect.width
        level, now_s = round(share * length), self.ui.now_s
        is_over = now_s - self._peak_at_s > HOLD_S
        peak = level if level >= self._peak or is_over else self._peak
        if peak != self._peak or level >= peak:
            self._peak_at_s = now_s
        if (level, peak) != (self._level, self._peak):
            self._level, self._peak = level, peak
            self.mark()

    def draw(self, painter: Painter) -> None:
        """Trough, level in three colors, peak."""
        painter.box(self.rect, GROUND, radius_px=2)
        length = self.rect.height if self.is_upright else self.rect.width
        bounds = (0, round(length * 0.75), round(length * 0.92), length)
        for start, end, color in zip(bounds, bounds[1:], (GOOD, PARTNER, ALARM), strict=False):
            if self._level > start:
                painter.fill(self._part(start, min(end, self._level)), color)
        if self._peak > painter.px(2):
            color = ALARM if self._peak > bounds[2] else PARTNER if self._peak > bounds[1] else GOOD
            painter.fill(self._part(self._peak - painter.px(2), self._peak), color)

    def _part(self, start: int, end: int) -> pygame.Rect:
        if self.is_upright:
            return pygame.Rect(self.rect.left, self.rect.bottom - end, self.rect.width, end - start)
        return pygame.Rect(self.rect.left + start, self.rect.top, end - start, self.rect.height)


class Progress(Widget):
    """A bar that fills; without a known share a light runs through it.

    Args:
        ui: The program around it.
        name: Its name.
        accent: Color of what is done.
    """

    def __init__(self, ui: Ui, name: str, *, accent: Color = PLAYER) -> None:
        super().__init__(ui, name)
        self.accent = accent
        self.share: float | None = 0.0

    def show(self, share: float | None) -> None:
        """How much is done, 0–1; None when nobody knows."""
        if share != self.share:
            self.share = share
            self.mark()

    def draw(self, painter: Painter) -> None:
        """Trough and what is done."""
        painter.box(self.rect, mixed(RAISED, EDGE, 0.5), radius_px=3)
        done = self.rect.copy()
        if self.share is None:
            done.width = self.rect.width // 4
            phase = self.ui.now_s % 1.6 / 1.6
            done.left = self.rect.left + round((self.rect.width + done.width) * phase) - done.width
            done = done.clip(self.rect)
            self.ui.wake(0.03)
        else:
            done.width = round(self.rect.width * min(max(self.share, 0.0), 1.0))
        if done.width > 0:
            painter.box(done, self.accent, radius_px=3)

    def look(self, view: object) -> None:  # noqa: ARG002 - what runs is the clock
        """Move on while nobody knows how far it is."""
        if self.share is None:
            self.mark()


class ImageView(Widget):
    """A picture scaled into its box; the scaled one is kept until the picture or the box changes.

    Args:
        ui: The program around it.
        name: Its name.
        fit: Show all of it, or fill the box and cut what is over.
        radius_px: Rounding; the corners show ``behind``.
        behind: What is around it.
    """

    def __init__(self, ui: Ui, name: str, *, is_filling: bool = False, behind: Color = PANEL) -> None:
        super().__init__(ui, name)
        self.is_filling, self.behind = is_filling, behind
        self.picture: pygame.Surface | None = None
        self._scaled: pygame.Surface | None = None

    def show(self, picture: pygame.Surface | None) -> None:
        """Another picture, or none."""
        self.picture, self._scaled = picture, None
        self.mark()

    def arrange(self) -> None:
        """Its box changed: scale again."""
        self._scaled = None

    def draw(self, painter: Painter) -> None:
        """The picture in the middle of its box."""
        if self.picture is None or not (self.rect.width and self.rect.height):
            return
        if self._scaled is None:
            width, height = self.picture.get_size()
            shares = (self.rect.width / width, self.rect.height / height)
            factor = max(shares) if self.is_filling else min(shares)
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            deep = self.picture if self.picture.get_bitsize() >= 24 else self.picture.convert(32)
            self._scaled = pygame.transform.smoothscale(deep, size)
        with painter.clipped(self.rect):
            painter.image(self._scaled, self._scaled.get_rect(center=self.rect.center))
