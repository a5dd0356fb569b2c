"""The counter of bars and beats: large figures of one width, and a lamp for every beat of the bar."""

from __future__ import annotations

import pygame

from studio.live.deskview import DeskView
from studio.live.messages import Snapshot
from studio.ui.controls import Panel
from studio.ui.paint import Painter, text_image, text_width
from studio.ui.play import sprites
from studio.ui.play.clock import SmoothClock
from studio.ui.theme import EDGE, INK, INK_FAINT, INK_SOFT, PANEL, Color, mixed
from studio.ui.widget import Ui

MAX_LAMPS = 16
_EPSILON = 1e-6


def bar_and_beat(beat: float, beats_per_bar: float, denominator: int) -> tuple[int, int]:
    """Bar and counted beat, both from 1; ``beat`` and ``beats_per_bar`` are quarters."""
    bar, within = divmod(beat + _EPSILON, max(beats_per_bar, 0.25))
    return int(bar) + 1, int(within * denominator / 4) + 1


class Counter(Panel):
    """Shows where the music is; a panel of its own, since it changes with every beat.

    Args:
        ui: The program around it.
        clock: The clock that the score runs by, so that both agree.
        name: Of the widget.
    """

    def __init__(self, ui: Ui, clock: SmoothClock, name: str = "counter") -> None:
        super().__init__(ui, name, color=PANEL)
        self._clock = clock
        self.shown: tuple[int, int, bool, tuple[int, int]] = (1, 1, False, (4, 4))
        self.tooltip = "Bar and beat"

    def look(self, view: DeskView) -> None:
        """Draw when the next beat comes."""
        snapshot = view.snapshot
        place = bar_and_beat(self._beat(snapshot), snapshot.beats_per_bar, view.meter[1])
        shown = (*place, snapshot.is_playing, view.meter)
        if shown != self.shown:
            self.shown = shown
            self.mark()

    def _beat(self, snapshot: Snapshot) -> float:
        return max(0.0, self._clock.beat if snapshot.is_playing else snapshot.beat)

    @property
    def lit(self) -> int:
        """The lamp that is lit, from 0; −1 while the transport stands."""
        return self.shown[1] - 1 if self.shown[2] else -1

    def draw(self, painter: Painter) -> None:
        """Figures above, lamps below."""
        super().draw(painter)
        bar, beat, is_playing, _ = self.shown
        scale, ink = painter.theme.scale, INK if is_playing else INK_SOFT
        middle = self.rect.top + round(self.rect.height * 0.41)
        parts = ((str(bar), ink), (".", INK_FAINT), (str(beat), ink))
        widths = [text_width(words, "display", "medium", scale) for words, _ in parts]
        left = self.rect.centerx - sum(widths) // 2
        for (words, color), width in zip(parts, widths, strict=True):
            image = text_image(words, "display", "medium", color, scale)
            painter.surface.blit(image, image.get_rect(left=left, centery=middle))
            left += width
        self._draw_lamps(painter)

    def _draw_lamps(self, painter: Painter) -> None:
        count = min(max(self.shown[3][0], 1), MAX_LAMPS)
        size = painter.px(7 if count <= 6 else 5)
        pitch = min(painter.px(15), self.rect.width // (count + 1))
        left = self.rect.centerx - pitch * (count - 1) // 2
        middle = self.rect.top + round(self.rect.height * 0.81)
        for number in range(count):
            image = sprites.dot(size, self._lamp_color(number))
            place = pygame.Rect(0, 0, size, size)
            place.center = (left + number * pitch, middle)
            painter.surface.blit(image, place)

    def _lamp_color(self, number: int) -> Color:
        if number == self.lit:
            return INK if number == 0 else mixed(INK_SOFT, INK, 0.4)
        return mixed(EDGE, INK_FAINT, 0.35 if number == 0 else 0.0)
