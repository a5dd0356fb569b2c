"""What every control can do: being pressed, having the keyboard, holding a value that can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from studio.ui.paint import Painter
from studio.ui.theme import (
    GROUND,
    HOVER,
    INK,
    INK_OFF,
    PANEL,
    RADIUS_PX,
    RAISED,
    Color,
    mixed,
)
from studio.ui.widget import Key, Pointer, Ui, Widget

T = TypeVar("T")

ContextMenu = Callable[[int, int], None]
"""Called with the place of a right click, display pixels."""


@dataclass(frozen=True, slots=True)
class Option:
    """One of several things to choose from.

    Attributes:
        value: What the program calls it.
        text: What a person reads.
        detail: Said more softly beside it.
        icon: Before it.
        is_enabled: It can be chosen.
    """

    value: str
    text: str
    detail: str = ""
    icon: str = ""
    is_enabled: bool = True


def as_options(options: Sequence[str | Option]) -> tuple[Option, ...]:
    """Plain words are options that are called what they read."""
    return tuple(Option(each, each) if isinstance(each, str) else each for each in options)


class Control(Widget):
    """What can be pressed: by the pointer, by Enter, and by the space bar while the focus ring is shown.

    Attributes:
        is_pressed: The pointer holds it down.
        on_context: What a right click (or the menu key) does.
        radius_px: Rounding of the focus ring.
    """

    takes_focus = True
    radius_px: float = RADIUS_PX

    def __init__(self, ui: Ui, name: str, *, tooltip: str = "") -> None:
        super().__init__(ui, name)
        self.tooltip = tooltip
        self.is_pressed = False
        self.on_context: ContextMenu | None = None

    @property
    def is_hot(self) -> bool:
        """Under the pointer, and it would answer."""
        return self.is_enabled and self.ui.is_hovered(self)

    def set_enabled(self, is_enabled: bool) -> None:
        """Let it answer, or not."""
        if is_enabled != self.is_enabled:
            self.is_enabled = is_enabled
            self.mark()

    def press(self) -> None:
        """What using it does."""

    def pointer(self, event: Pointer) -> bool:
        """Press on release within; a right click opens the context menu."""
        if not self.is_enabled:
            return event.kind == "down"
        if event.kind == "down" and event.button == 3 and self.on_context is not None:
            self.on_context(event.x, event.y)
            return True
        if event.button != 1 or event.kind not in {"down", "up"}:
            return False
        if event.kind == "down":
            self.ui.focus(self)
            self.ui.capture(self)
            self.is_pressed = True
        elif self.is_pressed:
            self.ui.capture(None)
            self.is_pressed = False
            if self.rect.collidepoint(event.x, event.y):
                self.press()
        self.mark()
        return True

    def key(self, event: Key) -> bool:
        """Enter and the space bar press it."""
        if not event.is_down or event.control or not self.is_enabled:
            return False
        if event.name == "menu" and self.on_context is not None:
            self.on_context(*self.rect.center)
            return True
        if event.name in {"return", "enter"} or (event.name == "space" and self.ui.shows_focus):
            if not event.is_repeat:
                self.press()
                self.mark()
            return True
        return False

    def draw_focus(self, painter: Painter) -> None:
        """Draw the ring where it has the keyboard; call it last in ``draw``."""
        if self.ui.shows_focus and self.ui.is_focused(self):
            painter.focus_ring(self.rect, radius_px=self.radius_px)

    def ground(self) -> Color:
        """The color of its body at this moment."""
        if self.is_pressed and self.is_enabled:
            return mixed(RAISED, GROUND, 0.35)
        return HOVER if self.is_hot else RAISED if self.is_enabled else mixed(PANEL, RAISED, 0.5)

    def ink(self, color: Color = INK) -> Color:
        """A color of what is written on it, fainter while disabled."""
        return color if self.is_enabled else INK_OFF


class ValueControl(Control, Generic[T]):
    """A control that holds a value.

    Args:
        ui: The program around it.
        name: Its name.
        value: At the beginning.
        on_change: Told each new value that the person chose; not told by ``set_value``.
        tooltip: One line.

    Attributes:
        undo_name: When not empty, each change can be undone; completes "Undo …".
    """

    def __init__(
        self, ui: Ui, name: str, value: T, on_change: Callable[[T], None] | None = None, *, tooltip: str = ""
    ) -> None:
        super().__init__(ui, name, tooltip=tooltip)
        self.value = value
        self.on_change = on_change
        self.undo_name = ""
        self._before: T | None = None

    def set_value(self, value: T) -> None:
        """Show another value, telling nobody; ignored while the person is changing it."""
        if value != self.value and self._before is None:
            self.value = value
            self.mark()

    def choose(self, value: T) -> None:
        """The person chose a value: show it and tell it."""
        if value == self.value:
            return
        before, self.value = self.value, value
        self.mark()
        self._tell(value)
        if self._before is None:
            self._remember(before, value)

    def begin(self) -> None:
        """A gesture begins: its changes are undone as one."""
        self._before = self.value

    def end(self) -> None:
        """The gesture is over."""
        before, self._before = self._before, None
        if before is not None and before != self.value:
            self._remember(before, self.value)
        self.mark()

    @property
    def is_changing(self) -> bool:
        """Within a gesture."""
        return self._before is not None

    def _tell(self, value: T) -> None:
        if self.on_change is not None:
            self.on_change(value)

    def _remember(self, before: T, after: T) -> None:
        if self.undo_name:
            self.ui.remember(self.undo_name, lambda: self._go_to(before), lambda: self._go_to(after))

    def _go_to(self, value: T) -> None:
        self.value = value
        self.mark()
        self._tell(value)
