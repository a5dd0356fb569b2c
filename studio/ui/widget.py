"""What every widget is: a named rectangle that draws itself, takes events and looks at the desk.

Widgets form a tree. The direct children of a screen are its panels; a panel is the unit of redrawing:
``mark`` on any widget has the panel that holds it drawn again in the next frame, and nothing else. All
rectangles are in display pixels of the window; sizes come from ``ui.theme``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import pygame

from studio.ui.theme import Theme

if TYPE_CHECKING:
    from studio.live.deskview import Command, DeskView
    from studio.ui.paint import Painter

W = TypeVar("W", bound="Widget")

Action = Callable[[], None]
"""What a control does when it is used."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """The mouse did something; ``x`` and ``y`` are display pixels of the window.

    ``wheel`` is notches up (positive) or down; ``clicks`` counts quick repeated presses at one place.
    """

    kind: Literal["down", "up", "move", "wheel"]
    x: int
    y: int
    button: int = 1
    wheel: float = 0.0
    clicks: int = 1
    is_fine: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the computer went down or up.

    Attributes:
        name: pygame's name of the key: ``a``, ``space``, ``left``, ``f1``.
        is_down: Down or up.
        is_repeat: The system's repetition of a held key.
        text: What it types; empty for none.
        control: Ctrl, or Command on a Mac.
        shift: Shift.
        scancode: Place of the key, whatever its label; for playing.
    """

    name: str
    is_down: bool = True
    is_repeat: bool = False
    text: str = ""
    control: bool = False
    shift: bool = False
    scancode: int = 0


class Ui(Protocol):
    """What a widget may ask of the program around it."""

    theme: Theme

    @property
    def now_s(self) -> float:
        """Time of the frame; a test's clock is set by hand."""
        ...

    @property
    def view(self) -> DeskView:
        """The latest look at the desk."""
        ...

    def do(self, command: Command) -> None:
        """Tell the desk something; never waits."""
        ...

    def toast(self, sentence: str, hint: str = "", *, is_fault: bool = False) -> None:
        """Show a sentence for a while."""
        ...

    def go(self, screen: str) -> None:
        """Switch to another screen."""
        ...

    def popup(self, widget: Widget | None) -> None:
        """Put a widget over everything, above any other popup; None takes the topmost away.

        Its ``rect`` is set before. See :class:`studio.ui.overlays.Overlay` for what it may decide.
        """
        ...

    def focus(self, widget: Widget | None) -> None:
        """Give a widget the keyboard."""
        ...

    def is_focused(self, widget: Widget) -> bool:
        """Whether a widget has the keyboard."""
        ...

    def is_hovered(self, widget: Widget) -> bool:
        """Whether the pointer is over a widget and over none of its children."""
        ...

    def capture(self, widget: Widget | None) -> None:
        """Send every pointer event to one widget until released: dragging."""
        ...

    @property
    def shows_focus(self) -> bool:
        """Whether the keyboard was used last, so that the focused widget carries a ring."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the window, display pixels; popups stay within."""
        ...

    def wake(self, after_s: float = 0.0) -> None:
        """Have a frame drawn after this long at the latest: for what moves by itself. Call it each frame."""
        ...

    def remember(self, what: str, undo: Action, redo: Action) -> None:
        """Something was done that can be taken back; ``what`` completes "Undo …"."""
        ...


class Widget:
    """Base of everything on the screen.

    Subclasses override ``arrange`` (place the children), ``draw``, ``pointer``, ``key`` and ``look``.

    Args:
        ui: The program around it.
        name: Unique a screen; tests find widgets by it.

    Attributes:
        rect: Where it is.
        children: Drawn after it, asked for events before it, last first.
        tooltip: One line; empty for none.
        is_visible: Drawn and asked for events.
        is_enabled: Answers events; a disabled control is drawn faintly.
        takes_focus: Reached by the tab key.
        is_dirty: Of panels: to be drawn in the next frame.
        is_below_dirty: A panel somewhere below is dirty.
        clips: Nothing below is drawn outside of ``rect``.
    """

    takes_focus = False
    clips = False

    def __init__(self, ui: Ui, name: str) -> None:
        self.ui = ui
        self.name = name
        self.rect = pygame.Rect(0, 0, 0, 0)
        self.children: list[Widget] = []
        self.parent: Widget | None = None
        self.tooltip = ""
        self.is_visible = True
        self.is_enabled = True
        self.is_dirty = True
        self.is_below_dirty = False

    def add(self, child: W) -> W:
        """Take a child in; returns it."""
        child.parent = self
        self.children.append(child)
        return child

    def place(self, rect: pygame.Rect) -> None:
        """Stand at ``rect`` and arrange the children within."""
        self.rect = pygame.Rect(rect)
        self.arrange()
        self.mark()

    def arrange(self) -> None:
        """Place the children; ``rect`` is set."""

    def draw(self, painter: Painter) -> None:
        """Draw oneself, without children, on the painter whose clip is the panel."""

    def pointer(self, event: Pointer) -> bool:  # noqa: ARG002 - overridden
        """Take a pointer event within ``rect`` (or captured); True when it was used."""
        return False

    def key(self, event: Key) -> bool:  # noqa: ARG002 - overridden
        """Take a key while focused; True when it was used."""
        return False

    def look(self, view: DeskView) -> None:
        """See the newest state of the desk; ``mark`` if that changes what is shown."""

    def mark(self) -> None:
        """Have the panel that holds this widget drawn again."""
        widget: Widget = self
        while widget.parent is not None and not widget.is_panel:
            widget = widget.parent
        widget.is_dirty = True
        while widget.parent is not None and not widget.parent.is_below_dirty:
            widget = widget.parent
            widget.is_below_dirty = True

    is_panel = False
    """Whether this widget is a unit of redrawing: it fills its whole ``rect`` when drawn."""

    def walk(self) -> Iterator[Widget]:
        """This widget and everything below it that is visible, in the order of drawing."""
        if self.is_visible:
            yield self
            for child in self.children:
                yield from child.walk()

    def find(self, name: str) -> Widget:
        """A widget below by name, visible or not.

        Raises:
            KeyError: There is none.
        """
        stack = [self]
        while stack:
            widget = stack.pop()
            if widget.name == name:
                return widget
            stack += widget.children
        raise KeyError(name)

    def at(self, x: int, y: int) -> Widget | None:
        """The topmost visible widget at a place."""
        if not (self.is_visible and self.rect.collidepoint(x, y)):
            return None
        for child in reversed(self.children):
            found = child.at(x, y)
            if found is not None:
                return found
        return self
