"""The Play screen: where everything is laid out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pygame

from studio.ui.paint import Painter
from studio.ui.play.counter import Counter
from studio.ui.play.keyboard import Keyboard, Labels
from studio.ui.play.letters import key_letters
from studio.ui.play.picture import PicturePanel
from studio.ui.play.score import Score
from studio.ui.play.status import DevicesPanel, FiguresPanel, LevelPanel
from studio.ui.play.steering import KnobsPanel, PartsPanel, VolumesPanel
from studio.ui.play.transport import SettingsPanel, StartPanel
from studio.ui.theme import EDGE
from studio.ui.widget import Ui, Widget

_COUNTER_PX, _LEVEL_PX, _FIGURES_PX = 128, 128, 420
_KNOBS_PX, _PARTS_PX, _VOLUMES_PX = (204, 160), 76, 72
"""Heights of the right column's parts; the knobs' at ease and where room is scarce."""


class PlayScreen(Widget):
    """Everything that one plays with.

    Args:
        ui: The program around it.
        labels: Letters of the computer's keys by the pitch that they play now.
        name: Of the widget.
    """

    def __init__(self, ui: Ui, labels: Labels | None = None, name: str = "play-screen") -> None:
        super().__init__(ui, name)
        self.start = self.add(StartPanel(ui))
        self.score = Score(ui)
        self.counter = self.add(Counter(ui, self.score.clock))
        self.settings = self.add(SettingsPanel(ui))
        self.add(self.score)
        self.picture = self.add(PicturePanel(ui))
        self.knobs = self.add(KnobsPanel(ui))
        self.parts = self.add(PartsPanel(ui))
        self.volumes = self.add(VolumesPanel(ui))
        self.keyboard = self.add(Keyboard(ui, labels))
        self.devices = self.add(DevicesPanel(ui))
        self.figures = self.add(FiguresPanel(ui))
        self.level = self.add(LevelPanel(ui))

    def leave(self) -> None:
        """The screen goes away, or the window loses the mouse: let go of what the mouse holds."""
        self.keyboard.release()

    def toggle_playing(self) -> None:
        """Start or stop, as the play button does; for a key of the computer."""
        self.start.toggle()

    # Layout. Panels meet at hairlines of the ground that shows between them.

    def arrange(self) -> None:
        """Bars at the top and bottom, the score and the column between them."""
        px, rect = self.ui.theme.px, self.rect
        line = px(1)
        is_low = rect.height < px(700)
        top = pygame.Rect(rect.left, rect.top, rect.width, px(56 if is_low else 64))
        status = pygame.Rect(rect.left, 0, rect.width, px(40))
        status.bottom = rect.bottom
        keys = pygame.Rect(rect.left, 0, rect.width, self._keyboard_height())
        keys.bottom = status.top - line
        middle = pygame.Rect(rect.left, top.bottom + line, rect.width, keys.top - line - top.bottom - line)
        self._arrange_top(top)
        self._arrange_middle(middle, line)
        self.keyboard.place(keys)
        self._arrange_status(status)

    def _keyboard_height(self) -> int:
        """Keys about five times as long as wide, but never most of the window."""
        px, rect = self.ui.theme.px, self.rect
        return max(px(76), min(round(rect.width / 52 * 4.6), round(rect.height * 0.145)))

    def _arrange_top(self, bar: pygame.Rect) -> None:
        start, counter = self.start.width(), self.ui.theme.px(_COUNTER_PX)
        widths = (start, counter, bar.width - start - counter)
        left = bar.left
        for panel, width in zip((self.start, self.counter, self.settings), widths, strict=True):
            panel.place(pygame.Rect(left, bar.top, width, bar.height))
            left += width

    def _arrange_middle(self, middle: pygame.Rect, line: int) -> None:
        px = self.ui.theme.px
        column = min(max(round(middle.width * 0.245), px(252)), px(420))
        self.score.place(pygame.Rect(middle.left, middle.top, middle.width - column - line, middle.height))
        left = middle.right - column
        knobs, gap = px(_KNOBS_PX[1] if middle.height < px(500) else _KNOBS_PX[0]), line
        below = knobs + px(_PARTS_PX) + px(_VOLUMES_PX)
        picture = max(0, middle.height - below - gap)
        self.picture.place(pygame.Rect(left, middle.top, column, picture))
        top = middle.top + picture + gap
        for panel, height in (
            (self.knobs, knobs),
            (self.parts, px(_PARTS_PX)),
            (self.volumes, middle.bottom - top - knobs - px(_PARTS_PX)),
        ):
            panel.place(pygame.Rect(left, top, column, height))
            top += height

    def _arrange_status(self, strip: pygame.Rect) -> None:
        px = self.ui.theme.px
        is_tight = strip.width < px(1100)
        level = px(76 if is_tight else _LEVEL_PX)
        figures = px(288 if is_tight else _FIGURES_PX)
        devices = strip.width - level - figures
        left = strip.left
        for panel, width in ((self.devices, devices), (self.figures, figures), (self.level, level)):
            panel.place(pygame.Rect(left, strip.top, width, strip.height))
            left += width

    def panels(self) -> Iterable[Widget]:
        """The units of redrawing."""
        return self.children

    def draw(self, painter: Painter) -> None:
        """The hairlines: what no panel covers."""
        painter.surface.fill(EDGE, self.rect)


def build(ui: Ui) -> PlayScreen:
    """The screen for the window, whose computer keys have an octave and may be switched off."""
    return PlayScreen(ui, partial(_letters, ui))


def _letters(ui: Ui) -> Mapping[int, str]:
    """Letters for the keys now; other programs around the screen may know nothing of computer keys."""
    octave = getattr(getattr(ui, "typing", None), "octave", 4)
    plays = getattr(getattr(ui, "state", None), "plays_keys", True)
    return key_letters(octave) if plays else {}
