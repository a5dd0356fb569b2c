"""What scrolls: long lists drawn row by row, and areas larger than their window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pygame

from studio.ui.controls import Control
from studio.ui.paint import Painter
from studio.ui.theme import HOVER, INK_FAINT, PANEL, PLAYER, RAISED, Color, mixed
from studio.ui.widget import Key, Pointer, Ui, Widget

WHEEL_PX = 48
"""Logical pixels a notch of the wheel."""
BAR_PX = 8


@dataclass(frozen=True, slots=True)
class RowState:
    """How a row stands: selected, under the pointer, in a list that has the keyboard."""

    is_selected: bool
    is_hovered: bool
    has_keyboard: bool


DrawRow = Callable[[Painter, pygame.Rect, int, RowState], None]
"""Draws what is in row ``number`` on the ground that the list has drawn."""


class Scroller:
    """Where a window stands over something longer, and the bar that shows it. Display pixels."""

    def __init__(self) -> None:
        self.offset = 0
        self.content = 0
        self.window = pygame.Rect(0, 0, 0, 0)
        self._grabbed: int | None = None

    @property
    def furthest(self) -> int:
        """The largest offset."""
        return max(0, self.content - self.window.height)

    def fit(self, window: pygame.Rect, content: int) -> None:
        """Another window or another length of what is in it."""
        self.window, self.content = pygame.Rect(window), content
        self.offset = min(self.offset, self.furthest)

    def to(self, offset: float) -> bool:
        """Stand at an offset as far as possible; True when that moves anything."""
        before, self.offset = self.offset, min(max(round(offset), 0), self.furthest)
        return self.offset != before

    def show(self, top: int, bottom: int) -> bool:
        """Bring a stretch of the content into the window; True when that moves anything."""
        return self.to(min(max(self.offset, bottom - self.window.height), top))

    def thumb(self, width: int) -> pygame.Rect | None:
        """The bar's thumb; None when everything is seen."""
        if not self.furthest:
            return None
        length = max(3 * width, self.window.height * self.window.height // self.content)
        top = self.window.top + (self.window.height - length) * self.offset // self.furthest
        return pygame.Rect(self.window.right - width, top, width, length)

    def grab(self, event: Pointer, width: int) -> bool:
        """Take hold of the thumb, or leap a page beside it; True when the bar was hit."""
        thumb = self.thumb(width)
        if thumb is None or event.x < thumb.left - width // 2:
            return False
        if not thumb.top <= event.y < thumb.bottom:
            page = self.window.height * (1 if event.y > thumb.top else -1)
            self.to(self.offset + page)
        self._grabbed = event.y - (self.thumb(width) or thumb).top
        return True

    def drag(self, event: Pointer, width: int) -> bool:
        """Move the held thumb to the pointer; False when it is not held."""
        thumb = self.thumb(width)
        if self._grabbed is None or thumb is None:
            return False
        room = max(1, self.window.height - thumb.height)
        self.to((event.y - self._grabbed - self.window.top) / room * self.furthest)
        return True

    def release(self) -> bool:
        """Let go of the thumb; False when it was not held."""
        was_held, self._grabbed = self._grabbed is not None, None
        return was_held

    def draw(self, painter: Painter, is_lit: bool) -> None:
        """The thumb, if there is anything to scroll."""
        thumb = self.thumb(painter.px(BAR_PX))
        if thumb is not None:
            color = mixed(RAISED, INK_FAINT, 0.9 if is_lit or self._grabbed is not None else 0.45)
            painter.box(thumb.inflate(-painter.px(3), -painter.px(2)), color, radius_px=3)


class ListView(Control):
    """A list of any length; only the rows that are seen are drawn.

    Args:
        ui: The program around it.
        name: Its name.
        draw_row: Draws one row; the ground, selection included, is there already.
        row_px: Height of a row, logical pixels.
        on_select: Told the row that the person selected.
        on_open: Told the row that was double-clicked or confirmed by Enter.
        on_row_context: Told the row and the place of a right click.
        on_row_pointer: Asked first about presses and releases within a row (event, row, its box): for
            buttons drawn in it.
        ground: What is behind the rows.

    Attributes:
        selected: The selected row; −1 for none.
        empty: What to say when there are no rows.
    """

    clips = True

    def __init__(
        self, ui: Ui, name: str, draw_row: DrawRow, *, row_px: float = 40,
        on_select: Callable[[int], None] | None = None, on_open: Callable[[int], None] | None = None,
        on_row_context: Callable[[int, int, int], None] | None = None,
        on_row_pointer: Callable[[Pointer, int, pygame.Rect], bool] | None = None, ground: Color = PANEL,
    ) -> None:  # fmt: skip
        super().__init__(ui, name)
        self.draw_row, self.row_px, self.ground_color = draw_row, row_px, ground
        self.on_select, self.on_open = on_select, on_open
        self.on_row_context, self.on_row_pointer = on_row_context, on_row_pointer
        self.count = 0
        self.selected = -1
        self.empty = ""
        self.scroller = Scroller()
        self.hovered_row = -1

    def set_count(self, count: int) -> None:
        """There are so many rows now; what they show may have changed too."""
        self.count = count
        self.selected = min(self.selected, count - 1)
        self.arrange()
        self.mark()

    def select(self, row: int, *, tells: bool = False) -> None:
        """Select a row and bring it into view; ``tells`` also calls ``on_select``."""
        self.selected = min(max(row, -1), self.count - 1)
        if self.selected >= 0:
            height = self._row_height()
            self.scroller.show(self.selected * height, (self.selected + 1) * height)
        self.mark()
        if tells and self.on_select is not None and self.selected >= 0:
            self.on_select(self.selected)

    def row_rect(self, row: int) -> pygame.Rect:
        """Where a row is, seen or not; display pixels."""
        height = self._row_height()
        bar = self.ui.theme.px(BAR_PX + 2) if self.scroller.furthest else 0
        top = self.rect.top + row * height - self.scroller.offset
        return pygame.Rect(self.rect.left, top, self.rect.width - bar, height)

    def row_at(self, y: int) -> int:
        """The row at a height of the window; −1 for none."""
        row = (y - self.rect.top + self.scroller.offset) // self._row_height()
        return row if 0 <= row < self.count else -1

    def arrange(self) -> None:
        """Fit the scroll bar."""
        self.scroller.fit(self.rect, self.count * self._row_height())

    def pointer(self, event: Pointer) -> bool:
        """Wheel, scroll bar, selection, double click."""
        if not self.is_enabled:
            return event.kind == "down"
        if event.kind == "wheel":
            return self._scrolled(
                self.scroller.to(self.scroller.offset - event.wheel * self.ui.theme.px(WHEEL_PX))
            )
        bar = self.ui.theme.px(BAR_PX)
        if event.kind == "move":
            self._hover(event)
            return self._scrolled(self.scroller.drag(event, bar))
        if event.kind == "up" and self.scroller.release():
            self.ui.capture(None)
            return self._scrolled(True)
        if event.kind == "down" and event.button == 1 and self.scroller.grab(event, bar):
            self.ui.capture(self)
            return self._scrolled(True)
        return self._row_event(event)

    def key(self, event: Key) -> bool:
        """Arrows, Page Up and Down, Home, End, Enter."""
        if not event.is_down or event.control or not self.is_enabled or not self.count:
            return False
        page = max(1, self.rect.height // self._row_height() - 1)
        steps = {
            "up": -1,
            "down": 1,
            "page up": -page,
            "page down": page,
            "home": -self.count,
            "end": self.count,
        }
        if event.name in steps:
            self.select(min(max(self.selected + steps[event.name], 0), self.count - 1), tells=True)
            return True
        if event.name in {"return", "enter"} and self.on_open is not None and self.selected >= 0:
            self.on_open(self.selected)
            return True
        return super().key(event)

    def _row_event(self, event: Pointer) -> bool:
        row = self.row_at(event.y)
        is_in_row = row >= 0 and self.row_rect(row).collidepoint(event.x, event.y)
        if event.kind == "down":
            self.ui.focus(self)
        if not is_in_row:
            return event.kind == "down"
        if self.on_row_pointer is not None and self.on_row_pointer(event, row, self.row_rect(row)):
            self.mark()
            return True
        if event.kind == "down":
            self.select(row, tells=True)
            if event.button == 3 and self.on_row_context is not None:
                self.on_row_context(row, event.x, event.y)
            elif event.button == 1 and event.clicks == 2 and self.on_open is not None:
                self.on_open(row)
            return True
        return False

    def _hover(self, event: Pointer) -> None:
        row = self.row_at(event.y)
        if row != self.hovered_row:
            self.hovered_row = row
            self.mark()

    def _scrolled(self, has_moved: bool) -> bool:
        if has_moved:
            self.mark()
        return has_moved

    def _row_height(self) -> int:
        return self.ui.theme.px(self.row_px)

    def draw(self, painter: Painter) -> None:
        """The rows that are seen."""
        painter.fill(self.rect, self.ground_color)
        if not self.count and self.empty:
            painter.paragraph(
                self.empty,
                self.rect.inflate(-painter.px(48), -painter.px(48)),
                color=INK_FAINT,
                align="center",
            )
        has_keyboard = self.ui.is_focused(self)
        first = self.scroller.offset // self._row_height()
        last = min(self.count, (self.scroller.offset + self.rect.height) // self._row_height() + 1)
        with painter.clipped(self.rect):
            for row in range(first, last):
                is_hovered = row == self.hovered_row and self.ui.is_hovered(self)
                state = RowState(row == self.selected, is_hovered, has_keyboard)
                self._draw_ground(painter, self.row_rect(row), state)
                self.draw_row(painter, self.row_rect(row), row, state)
            self.scroller.draw(painter, self.ui.is_hovered(self))
        if self.ui.shows_focus and has_keyboard:
            painter.ring(self.rect, PLAYER, radius_px=4, width_px=1.5)

    def _draw_ground(self, painter: Painter, rect: pygame.Rect, state: RowState) -> None:
        if state.is_selected:
            painter.box(
                rect, mixed(self.ground_color, PLAYER, 0.16 if state.has_keyboard else 0.1), radius_px=6
            )
        elif state.is_hovered:
            painter.box(rect, mixed(self.ground_color, HOVER, 0.55), radius_px=6)


class ScrollArea(Widget):
    """A window over a taller content widget.

    Args:
        ui: The program around it.
        name: Its name.
        content: What is in it; becomes its child.
        height: Tells the content's height for a width, both display pixels.
    """

    clips = True

    def __init__(self, ui: Ui, name: str, content: Widget, height: Callable[[int], int]) -> None:
        super().__init__(ui, name)
        self.content = self.add(content)
        self.height = height
        self.scroller = Scroller()

    def arrange(self) -> None:
        """Stand the content at the offset."""
        width = self.rect.width - self.ui.theme.px(BAR_PX + 4)
        self.scroller.fit(self.rect, self.height(width))
        self.content.place(
            pygame.Rect(
                self.rect.left, self.rect.top - self.scroller.offset, width, max(self.scroller.content, 1)
            )
        )

    def reveal(self, widget: Widget) -> None:
        """Scroll so that a widget of the content is seen."""
        top = widget.rect.top - self.content.rect.top
        if self.scroller.show(top, top + widget.rect.height):
            self._moved()

    def pointer(self, event: Pointer) -> bool:
        """Wheel and scroll bar; asked after the content."""
        bar = self.ui.theme.px(BAR_PX)
        if event.kind == "wheel":
            if self.scroller.to(self.scroller.offset - event.wheel * self.ui.theme.px(WHEEL_PX)):
                self._moved()
            return True
        if event.kind == "down" and event.button == 1 and self.scroller.grab(event, bar):
            self.ui.capture(self)
        elif event.kind == "move" and self.scroller.drag(event, bar):
            pass
        elif event.kind == "up" and self.scroller.release():
            self.ui.capture(None)
        else:
            return False
        self._moved()
        return True

    def draw(self, painter: Painter) -> None:
        """The bar alone; the content draws itself."""
        self.scroller.draw(painter, self.ui.is_hovered(self))

    def _moved(self) -> None:
        self.arrange()
        self.mark()
