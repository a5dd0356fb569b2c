"""Which widget has the keyboard, and how the tab key goes from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

from studio.ui.lists import ScrollArea
from studio.ui.widget import Widget


class Focus:
    """Who has the keyboard.

    Attributes:
        widget: The one that has it; None for the screen itself.
        is_shown: The keyboard was used last: draw the ring.
    """

    def __init__(self) -> None:
        self.widget: Widget | None = None
        self.is_shown = False

    def give(self, widget: Widget | None) -> None:
        """Another widget has it now."""
        before, self.widget = self.widget, widget
        for each in (before, widget):
            if each is not None:
                each.mark()

    def show(self, is_shown: bool) -> None:
        """Draw the ring or don't."""
        if is_shown != self.is_shown:
            self.is_shown = is_shown
            if self.widget is not None:
                self.widget.mark()

    def step(self, roots: Sequence[Widget], direction: int) -> None:
        """On to the next widget that takes the keyboard, around the end; it is scrolled into view."""
        stops = [widget for root in roots for widget in root.walk() if can_focus(widget)]
        if not stops:
            return
        if self.widget in stops:
            place = (stops.index(self.widget) + direction) % len(stops)
        else:
            place = 0 if direction > 0 else -1
        self.give(stops[place])
        reveal(stops[place])


def can_focus(widget: Widget) -> bool:
    """Whether the tab key stops there."""
    return widget.takes_focus and widget.is_enabled and widget.rect.width > 0 and widget.rect.height > 0


def reveal(widget: Widget) -> None:
    """Scroll every area around a widget so that it is seen."""
    above = widget.parent
    while above is not None:
        if isinstance(above, ScrollArea):
            above.reveal(widget)
        above = above.parent


def is_within(widget: Widget | None, root: Widget) -> bool:
    """Whether a widget belongs to a tree."""
    while widget is not None:
        if widget is root:
            return True
        widget = widget.parent
    return False
