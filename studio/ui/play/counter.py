"""The counter of bars and beats: large figures of one width, and a lamp for every beat of the bar.

While a take is played back it shows where that stands; while the transport waits for a key it says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from studio.live.deskview import DeskView
from studio.live.messages import Snapshot
from studio.ui.controls import Panel
from studio.ui.paint import Painter, text_image, text_width
from studio.ui.play import sprites
from studio.ui.play.clock import SmoothClock
from studio.ui.play.record import length_text
from studio.ui.theme import EDGE, INK, INK_FAINT, INK_SOFT, PANEL, PLAYER, Color, mixed
from studio.ui.widget import Ui

MAX_LAMPS = 16
_EPSILON = 1e-6


def bar_and_beat(beat: float, beats_per_bar: float, denominator: int) -> tuple[int, int]:
    """Bar and counted beat, both from 1; ``beat`` and ``beats_per_bar`` are quarters."""
    bar, within = divmod(beat + _EPSILON, max(beats_per_bar, 0.25))
    return int(bar) + 1, int(within * denominator / 4) + 1


ARMED = "Next key starts"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the counter shows.

    Attributes:
        bar: From 1.
        beat: From 1.
        is_playing: Whether the transport runs.
        is_armed: Whether the next key starts it.
        meter: Numerator and denominator.
        position: Where the take stands that is played back, ``0:07``; empty for none.
        length: How long that take is.
        share: How much of it is over, in hundredths.
    """

    bar: int = 1
    beat: int = 1
    is_playing: bool = False
    is_armed: bool = False
    meter: tuple[int, int] = (4, 4)
    position: str = ""
    length: str = ""
    share: int = 0


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
        self.shown = Shown()
        self.tooltip = self._words()

    def look(self, view: DeskView) -> None:
        """Draw when the next beat comes, or the next second of a take."""
        snapshot, take = view.snapshot, view.take
        shown = Shown(
            *bar_and_beat(self._beat(snapshot), snapshot.beats_per_bar, view.meter[1]),
            snapshot.is_playing,
            snapshot.is_armed and not snapshot.is_playing,
            view.meter,
        )
        if take.playing is not None:
            share = round(100 * take.position_s / max(take.duration_s, 0.01))
            shown = Shown(
                position=length_text(take.position_s), length=length_text(take.duration_s), share=share
            )
        if shown != self.shown:
            self.shown = shown
            self.tooltip = self._words()
            self.mark()

    def _words(self) -> str:
        """What the figures are."""
        if self.shown.position:
            return "Where the take stands"
        return "Play a key and the music begins" if self.shown.is_armed else "Bar and beat"

    def _beat(self, snapshot: Snapshot) -> float:
        return max(0.0, self._clock.beat if snapshot.is_playing else snapshot.beat)

    @property
    def lit(self) -> int:
        """The lamp that is lit, from 0; −1 while the transport stands."""
        return self.shown.beat - 1 if self.shown.is_playing else -1

    def draw(self, painter: Painter) -> None:
        """Figures above, lamps below."""
        super().draw(painter)
        shown, parts = self.shown, [(self.shown.position, INK)]
        if not shown.position:
            ink = INK if shown.is_playing else INK_SOFT
            parts = [(str(shown.bar), ink), (".", INK_FAINT), (str(shown.beat), ink)]
        self._draw_figures(painter, parts)
        if shown.position:
            self._draw_progress(painter)
        elif shown.is_armed:
            painter.text(ARMED, self._below(painter), size="tiny", color=INK_SOFT, align="center")
        else:
            self._draw_lamps(painter)

    def _draw_figures(self, painter: Painter, parts: list[tuple[str, Color]]) -> None:
        scale = painter.theme.scale
        middle = self.rect.top + round(self.rect.height * 0.41)
        widths = [text_width(words, "display", "medium", scale) for words, _ in parts]
        left = self.rect.centerx - sum(widths) // 2
        for (words, color), width in zip(parts, widths, strict=True):
            image = text_image(words, "display", "medium", color, scale)
            painter.surface.blit(image, image.get_rect(left=left, centery=middle))
            left += width

    def _below(self, painter: Painter) -> pygame.Rect:
        """The line under the figures."""
        line = pygame.Rect(self.rect.left, 0, self.rect.width, painter.px(16))
        line.centery = self.rect.top + round(self.rect.height * 0.81)
        return line

    def _draw_progress(self, painter: Painter) -> None:
        line = self._below(painter).inflate(-painter.px(24), 0)
        length = painter.text(self.shown.length, line, size="tiny", color=INK_FAINT, align="right")
        bar = pygame.Rect(line.left, line.centery - painter.px(1), 0, painter.px(3))
        bar.width = max(painter.px(12), length.left - painter.px(6) - bar.left)
        painter.box(bar, EDGE, radius_px=1)
        bar.width = round(bar.width * min(self.shown.share, 100) / 100)
        if bar.width:
            painter.box(bar, PLAYER, radius_px=1)

    def _draw_lamps(self, painter: Painter) -> None:
        count = min(max(self.shown.meter[0], 1), MAX_LAMPS)
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
