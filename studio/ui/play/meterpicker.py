"""The time signature: shows it, and offers others."""

from __future__ import annotations

from functools import partial

from studio.live.deskview import DeskView, SetMeter
from studio.ui.controls import Control
from studio.ui.overlays import MenuItem, open_menu
from studio.ui.paint import Painter
from studio.ui.play.echo import Echo
from studio.ui.theme import EDGE, INK
from studio.ui.widget import Ui

Meter = tuple[int, int]

METERS: tuple[Meter, ...] = (
    (2, 4),
    (3, 4),
    (4, 4),
    (5, 4),
    (6, 4),
    (7, 4),
    (3, 8),
    (5, 8),
    (6, 8),
    (7, 8),
    (9, 8),
    (12, 8),
)


class MeterPicker(Control):
    """A button with the time signature that opens a menu of them.

    Args:
        ui: The program around it.
        name: Of the widget.
    """

    def __init__(self, ui: Ui, name: str = "meter") -> None:
        super().__init__(ui, name, tooltip="Time signature, from the next start on")
        self.meter: Meter = ui.view.meter
        self._echo: Echo[Meter] = Echo()

    def look(self, view: DeskView) -> None:
        """Show what is set."""
        meter = self._echo.settle(view.meter, self.ui.now_s)
        if meter != self.meter:
            self.meter = meter
            self.mark()

    def press(self) -> None:
        """Open the menu."""
        items = [
            MenuItem(f"{n}/{d}", partial(self.choose, (n, d)), is_checked=(n, d) == self.meter)
            for n, d in METERS
        ]
        start = METERS.index(self.meter) if self.meter in METERS else -1
        open_menu(self.ui, items, self.rect, start=start)

    def choose(self, meter: Meter) -> None:
        """Ask for another time signature."""
        self.meter = meter
        self._echo.tell(meter, self.ui.now_s)
        self.ui.do(SetMeter(*meter))
        if self.ui.view.snapshot.is_playing:
            self.ui.toast(f"{meter[0]}/{meter[1]} begins with the next start.")
        self.mark()

    def draw(self, painter: Painter) -> None:
        """The two numbers in one line."""
        painter.box(self.rect, self.ground(), radius_px=self.radius_px, edge=EDGE)
        painter.text(
            f"{self.meter[0]}/{self.meter[1]}", self.rect, weight="medium", color=INK, align="center"
        )
        self.draw_focus(painter)
