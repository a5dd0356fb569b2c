"""Which model plays, and how it is: loading with a line that runs, ready, or in trouble."""

from __future__ import annotations

import pygame

from studio.live.deskview import DeskView
from studio.live.planner import ModelHealth, ModelState
from studio.ui.controls import Control
from studio.ui.paint import Painter
from studio.ui.theme import ALARM, EDGE, GOOD, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, RAISED, Color, mixed
from studio.ui.widget import Ui

RUN_S = 1.5
"""Time in which the light of the progress line crosses it."""

_LOADING = frozenset({ModelState.STARTING, ModelState.RESTARTING})


def model_words(name: str, model: ModelHealth) -> tuple[str, str, Color]:
    """Title, state and the state's color.

    Args:
        name: What was chosen, ``name@version``; ``none`` or empty for rules.
        model: How it is.
    """
    bundle, _, version = name.partition("@")
    if bundle in {"", "none"} and model.state is not ModelState.STARTING:
        return "Rules", "plays without a model", INK_SOFT
    title = bundle if bundle not in {"", "none"} else "Partner"
    states = {
        ModelState.STARTING: ("loading …", INK_SOFT),
        ModelState.READY: (version or "ready", INK_SOFT),
        ModelState.RESTARTING: ("starting again …", PARTNER),
        ModelState.REFUSED: ("rules play instead", ALARM),
        ModelState.CLOSED: ("closed", INK_FAINT),
    }
    return title, *states[model.state]


class ModelBadge(Control):
    """The model by name and state; pressing it goes to the models.

    Args:
        ui: The program around it.
        name: Of the widget.
    """

    def __init__(self, ui: Ui, name: str = "model") -> None:
        super().__init__(ui, name)
        self._shown: tuple[str, str, ModelHealth] | None = None

    @property
    def is_loading(self) -> bool:
        """Whether the line runs."""
        view = self.ui.view
        return view.model.state in _LOADING or bool(view.model_loading)

    def look(self, view: DeskView) -> None:
        """Draw what changed, and every frame while it loads."""
        shown = (view.model_name, view.model_loading, view.model)
        if shown != self._shown or self.is_loading:
            self._shown = shown
            self.tooltip = view.model.sentence or "The model that plays: choose another"
            self.mark()

    def press(self) -> None:
        """Go to the models."""
        self.ui.go("models")

    def draw(self, painter: Painter) -> None:
        """Name above, state below, and a line along the lower edge while it loads."""
        view = self.ui.view
        title, state, color = model_words(view.model_name, view.model)
        if view.model_loading:
            state, color = f"loading {view.model_loading} …", INK_SOFT
        painter.box(self.rect, self.ground(), radius_px=self.radius_px, edge=EDGE)
        inner = self.rect.inflate(-painter.px(20), 0)
        center = (inner.left + painter.px(4), self.rect.centery)
        lamp = GOOD if view.model.state is ModelState.READY else mixed(RAISED, color, 0.8)
        painter.disc(center, 3.5, lamp)
        inner.left, inner.width = inner.left + painter.px(16), inner.width - painter.px(16)
        half = painter.px(16)
        upper = pygame.Rect(inner.left, self.rect.centery - half - painter.px(1), inner.width, half)
        lower = pygame.Rect(inner.left, self.rect.centery, inner.width, half)
        painter.text(title, upper, size="small", weight="medium", color=INK)
        painter.text(state, lower, size="tiny", color=color)
        if self.is_loading:
            self._draw_line(painter)
        self.draw_focus(painter)

    def _draw_line(self, painter: Painter) -> None:
        line = pygame.Rect(self.rect.left, 0, self.rect.width, painter.px(2))
        line.inflate_ip(-painter.px(16), 0)
        line.bottom = self.rect.bottom - painter.px(2)
        painter.fill(line, mixed(PANEL, PARTNER, 0.25))
        phase = self.ui.now_s % RUN_S / RUN_S
        light = pygame.Rect(0, line.top, line.width // 3, line.height)
        light.left = line.left + round((line.width + light.width) * phase) - light.width
        seen = light.clip(line)
        if seen.width:
            painter.fill(seen, PARTNER)
        self.ui.wake(1 / 30)
