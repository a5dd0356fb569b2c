"""The record lamp: whether what is played is kept, and how long the take is."""

from __future__ import annotations

from studio.live.deskview import DeskView, SetRecording, TakeState
from studio.ui.controls import Control
from studio.ui.paint import Painter
from studio.ui.play.echo import Echo
from studio.ui.theme import EDGE, INK, INK_FAINT, INK_SOFT, RAISED, RECORD, mixed
from studio.ui.widget import Ui


def length_text(seconds: float) -> str:
    """Minutes and seconds, ``1:05``; hours where there are any."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class RecordButton(Control):
    """Switches recording; its lamp is bright while a take is being written.

    Args:
        ui: The program around it.
        name: Of the widget.
    """

    def __init__(self, ui: Ui, name: str = "record") -> None:
        super().__init__(ui, name)
        self._echo: Echo[bool] = Echo()
        self.is_on = True
        self.is_writing = False
        self.words = "0:00"

    def look(self, view: DeskView) -> None:
        """Show what the desk keeps; a new figure every second."""
        take = view.take
        is_on = self._echo.settle(take.is_recording, self.ui.now_s)
        shown = (is_on, is_on and take.path is not None, _words(take, is_on))
        if shown != (self.is_on, self.is_writing, self.words):
            self.is_on, self.is_writing, self.words = shown
            self.mark()
        self.tooltip = "Everything is kept as a take  (Ctrl R)" if is_on else "Nothing is kept  (Ctrl R)"

    def press(self) -> None:
        """Keep takes, or not."""
        self.is_on = not self.is_on
        self._echo.tell(self.is_on, self.ui.now_s)
        self.ui.do(SetRecording(self.is_on))
        self.mark()

    def draw(self, painter: Painter) -> None:
        """Lamp and length."""
        ground, edge = self.ground(), EDGE
        if self.is_writing:
            ground, edge = mixed(RAISED, RECORD, 0.16), mixed(RAISED, RECORD, 0.45)
        painter.box(self.rect, ground, radius_px=self.radius_px, edge=edge)
        center = (self.rect.left + painter.px(17), self.rect.centery)
        if self.is_on:
            if self.is_writing:
                painter.disc(center, 8, mixed(ground, RECORD, 0.35))
            painter.disc(center, 5.5, RECORD if self.is_writing else mixed(RAISED, RECORD, 0.75))
        else:
            painter.disc(center, 5.5, INK_FAINT)
            painter.disc(center, 3.5, ground)
        room = self.rect.copy()
        room.left += painter.px(29)
        room.width = self.rect.right - room.left - painter.px(8)
        ink = INK if self.is_writing else INK_SOFT if self.is_on else INK_FAINT
        painter.text(self.words, room, color=ink, weight="medium", align="center")
        self.draw_focus(painter)


def _words(take: TakeState, is_on: bool) -> str:
    if not is_on:
        return "Off"
    return length_text(take.length_s) if take.path is not None else "0:00"
