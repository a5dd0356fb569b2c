"""The tempo: dragged, scrolled, typed or tapped."""

from __future__ import annotations

import pygame

from studio.live.deskview import DeskView
from studio.live.messages import SetTempo
from studio.live.transport import MAX_BPM, MIN_BPM
from studio.ui.controls import Control
from studio.ui.paint import Painter
from studio.ui.play.echo import Echo
from studio.ui.theme import EDGE, GROUND, INK, INK_FAINT, INK_SOFT, PANEL, PLAYER, mixed
from studio.ui.widget import Key, Pointer, Ui

PX_A_BPM = 3.0
"""Logical pixels of dragging for one beat a minute; a tenth of it while fine."""


class TempoField(Control):
    """Beats a minute: drag up and down, turn the wheel, or click and type.

    Args:
        ui: The program around it.
        name: Of the widget.
    """

    def __init__(self, ui: Ui, name: str = "tempo") -> None:
        super().__init__(ui, name, tooltip="Tempo: drag, scroll or type")
        self.bpm = ui.view.snapshot.bpm
        self.typed: str | None = None
        self._echo: Echo[float] = Echo()
        self._drag: tuple[int, float, bool] | None = None

    def look(self, view: DeskView) -> None:
        """Show what runs, unless it is being changed here."""
        bpm = self._echo.settle(view.snapshot.bpm, self.ui.now_s)
        if self._drag is None and abs(bpm - self.bpm) > 0.04:
            self.bpm = bpm
            self.mark()
        if self.typed is not None and not self.ui.is_focused(self):
            self._finish(is_kept=True)

    def set(self, bpm: float) -> None:
        """Ask for another tempo; clamped to what the transport knows."""
        self.bpm = min(max(bpm, MIN_BPM), MAX_BPM)
        self._echo.tell(self.bpm, self.ui.now_s)
        self.ui.do(SetTempo(self.ui.now_s, self.bpm))
        self.mark()

    def nudge(self, by_bpm: float) -> None:
        """A little faster or slower, to whole beats a minute."""
        self.set(round(self.bpm + by_bpm))

    # Events.

    def pointer(self, event: Pointer) -> bool:
        """Drag, wheel, click."""
        if event.kind == "wheel":
            self.set(self.bpm + event.wheel * 0.1 if event.is_fine else round(self.bpm + event.wheel))
        elif event.kind == "down" and event.button == 1:
            self.ui.focus(self)
            self.ui.capture(self)
            self._drag = (event.y, self.bpm, False)
        elif event.kind == "move" and self._drag is not None:
            self._drag_to(event)
        elif event.kind == "up" and event.button == 1 and self._drag is not None:
            self.ui.capture(None)
            has_moved, self._drag = self._drag[2], None
            if not has_moved:
                self.typed = ""
                self.mark()
        else:
            return False
        return True

    def _drag_to(self, event: Pointer) -> None:
        if self._drag is None:
            return
        start_y, start_bpm, has_moved = self._drag
        moved_px = (start_y - event.y) / self.ui.theme.scale
        if has_moved or abs(moved_px) >= 3:
            self._drag = (start_y, start_bpm, True)
            step = moved_px / PX_A_BPM
            self.set(round(start_bpm + step / 10, 1) if event.is_fine else round(start_bpm + step))

    def key(self, event: Key) -> bool:
        """Arrows change it; figures type a new one; Enter takes it, Escape does not."""
        if not event.is_down or event.control:
            return False
        if event.name in {"up", "down"}:
            self.nudge(1 if event.name == "up" else -1)
        elif event.text and event.text in "0123456789.":
            self.typed = ((self.typed or "") + event.text)[:5]
        elif self.typed is None:
            if event.name not in {"return", "enter"}:
                return False
            self.typed = ""
        elif event.name == "backspace":
            self.typed = self.typed[:-1]
        elif event.name in {"return", "enter", "escape", "tab"}:
            self._finish(is_kept=event.name != "escape")
            return event.name != "tab"
        self.mark()
        return True

    def _finish(self, *, is_kept: bool) -> None:
        typed, self.typed = self.typed, None
        self.mark()
        try:
            bpm = float(typed or "")
        except ValueError:
            return
        if is_kept and bpm > 0:
            self.set(bpm)

    # Drawing.

    def draw(self, painter: Painter) -> None:
        """The number, and what it counts below it."""
        is_typing = self.typed is not None
        ground = mixed(PANEL, GROUND, 0.7) if not self.is_hot else mixed(PANEL, GROUND, 0.45)
        painter.box(self.rect, ground, radius_px=self.radius_px, edge=PLAYER if is_typing else EDGE)
        number = pygame.Rect(self.rect.left, self.rect.top + painter.px(3), self.rect.width, painter.px(22))
        words = f"{self.typed}▏" if is_typing else f"{self.bpm:.1f}"
        painter.text(words, number, size="title", weight="medium", color=INK, align="center")
        unit = pygame.Rect(self.rect.left, number.bottom, self.rect.width, painter.px(13))
        painter.text(
            "bpm", unit, size="tiny", color=INK_FAINT if not self.is_hot else INK_SOFT, align="center"
        )
        self.draw_focus(painter)
