"""The base of what floats over a screen."""

from __future__ import annotations

from studio.ui.widget import Widget


class Overlay(Widget):
    """A widget for ``ui.popup``.

    Attributes:
        is_modal: Nothing below it takes events, and a press beside it does nothing; otherwise a press beside
            it closes it.
        reach_px: How far it draws beyond ``rect``, logical pixels: its shadow.
    """

    is_panel = True
    is_modal = False
    reach_px: float = 40

    def closed(self) -> None:
        """It was taken away, by whatever."""
