"""Controls that are pressed: buttons, switches, segments; and what they stand on, under one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pygame

from studio.ui.control import ContextMenu, Control, Option, ValueControl, as_options
from studio.ui.layout import columns
from studio.ui.paint import Painter, text_width
from studio.ui.panels import Label, Panel
from studio.ui.theme import (
    EDGE,
    GROUND,
    INK,
    INK_OFF,
    INK_SOFT,
    PANEL,
    PLAYER,
    RAISED,
    Color,
    mixed,
)
from studio.ui.widget import Action, Key, Pointer, Ui

__all__ = [
    "Button", "ContextMenu", "Control", "IconButton", "Label", "Option", "Panel", "Segmented", "Toggle",
    "ValueControl", "as_options",
]  # fmt: skip


class Button(Control):
    """A push button: words, an icon, or both.

    Args:
        ui: The program around it.
        name: Its name.
        text: Words on it.
        action: What pressing it does.
        icon: Name of an icon before the words.
        accent: Of a toggle, its color while on; of a primary button, its ground.
        is_primary: The one thing to do here: filled with the accent.
        is_bare: No ground until the pointer is over it.
        is_toggle: Pressing switches ``is_on`` first; the action follows.
        tooltip: One line.
    """

    def __init__(
        self, ui: Ui, name: str, text: str = "", action: Action | None = None, *, icon: str = "",
        accent: Color = PLAYER, is_primary: bool = False, is_bare: bool = False, is_toggle: bool = False,
        tooltip: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ui, name, tooltip=tooltip)
        self.text, self.action, self.icon, self.accent = text, action, icon, accent
        self.is_primary, self.is_bare, self.is_toggle = is_primary, is_bare, is_toggle
        self.is_on = False
        self.icon_px = 18.0

    def width(self) -> int:
        """The width in display pixels that its words and icon want."""
        theme = self.ui.theme
        words = text_width(self.text, "body", "medium", theme.scale) if self.text else 0
        icon = theme.px(self.icon_px + (8 if self.text else 0)) if self.icon else 0
        return words + icon + theme.px(28 if self.text else 14)

    def set_on(self, is_on: bool) -> None:
        """Show it switched on or off, without the action."""
        if is_on != self.is_on:
            self.is_on = is_on
            self.mark()

    def press(self) -> None:
        """Switch a toggle, then act."""
        if self.is_toggle:
            self.is_on = not self.is_on
        if self.action is not None:
            self.action()

    def draw(self, painter: Painter) -> None:
        """Ground, icon and words, the two centered together."""
        ink = self._draw_ground(painter)
        place = self.rect
        if self.icon and not self.text:
            painter.icon(self.icon, place, ink, size_px=self.icon_px)
        elif self.icon:
            icon_width, gap = painter.px(self.icon_px), painter.px(8)
            words = min(
                text_width(self.text, "body", "medium", painter.theme.scale), place.width - icon_width - gap
            )
            left = place.centerx - (icon_width + gap + words) // 2
            painter.icon(
                self.icon, pygame.Rect(left, place.top, icon_width, place.height), ink, size_px=self.icon_px
            )
            room = pygame.Rect(
                left + icon_width + gap, place.top, place.right - left - icon_width - gap, place.height
            )
            painter.text(self.text, room, color=ink, weight="medium")
        else:
            painter.text(
                self.text, place.inflate(-painter.px(12), 0), color=ink, weight="medium", align="center"
            )
        self.draw_focus(painter)

    def _draw_ground(self, painter: Painter) -> Color:
        """Draw the body and return the color of what stands on it."""
        if self.is_primary and self.is_enabled:
            lift = 0.12 if self.is_hot and not self.is_pressed else 0.0
            painter.box(self.rect, mixed(self.accent, INK, lift), radius_px=self.radius_px)
            return GROUND
        if self.is_on and self.is_enabled:
            ground = mixed(RAISED, self.accent, 0.26 if self.is_hot else 0.2)
            painter.box(self.rect, ground, radius_px=self.radius_px, edge=mixed(RAISED, self.accent, 0.45))
            return mixed(self.accent, INK, 0.25)
        if not self.is_bare or self.is_hot or self.is_pressed:
            painter.box(
                self.rect, self.ground(), radius_px=self.radius_px, edge=None if self.is_bare else EDGE
            )
        return self.ink(INK_SOFT if self.is_bare and not self.is_hot else INK)


class IconButton(Button):
    """A square button with an icon alone; the tooltip says what it does.

    Args:
        ui: The program around it.
        name: Its name.
        icon: Name of an icon.
        action: What pressing it does.
        tooltip: One line; needed, since nothing else says it.
        accent: Color while on.
        is_toggle: Pressing switches ``is_on``.
        is_bare: No ground until the pointer is over it.
    """

    def __init__(
        self, ui: Ui, name: str, icon: str, action: Action | None = None, *, tooltip: str,
        accent: Color = PLAYER, is_toggle: bool = False, is_bare: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(ui, name, "", action, icon=icon, accent=accent, is_bare=is_bare, is_toggle=is_toggle,
                         tooltip=tooltip)  # fmt: skip


class Toggle(ValueControl[bool]):
    """A switch with words beside it.

    Args:
        ui: The program around it.
        name: Its name.
        text: Words to its right; empty for none.
        value: On or off.
        on_change: Told the new state.
        accent: Color while on.
        tooltip: One line.
    """

    def __init__(
        self, ui: Ui, name: str, text: str = "", value: bool = False,
        on_change: Callable[[bool], None] | None = None, *, accent: Color = PLAYER, tooltip: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ui, name, value, on_change, tooltip=tooltip)
        self.text, self.accent = text, accent

    def press(self) -> None:
        """Switch over."""
        self.choose(not self.value)

    def draw(self, painter: Painter) -> None:
        """The switch, then the words."""
        track = pygame.Rect(0, 0, painter.px(34), painter.px(20))
        track.midleft = (self.rect.left, self.rect.centery)
        ground = mixed(RAISED, EDGE, 0.6)
        if self.value:
            ground = self.accent if self.is_enabled else mixed(PANEL, self.accent, 0.35)
        painter.box(track, mixed(ground, INK, 0.1 if self.is_hot else 0.0), radius_px=10)
        x = track.right - track.height // 2 if self.value else track.left + track.height // 2
        painter.disc((x, track.centery), 7, (GROUND if self.value else self.ink(INK_SOFT)))
        if self.text:
            room = self.rect.copy()
            room.left = track.right + painter.px(10)
            room.width = self.rect.right - room.left
            painter.text(self.text, room, color=self.ink(INK))
        self.draw_focus(painter)


class Segmented(ValueControl[str]):
    """A few choices side by side, one of them chosen; arrow keys step through.

    Args:
        ui: The program around it.
        name: Its name.
        options: What there is to choose from.
        value: The chosen one's value.
        on_change: Told the newly chosen value.
        accent: Color of the chosen one.
        tooltip: One line.
    """

    def __init__(
        self, ui: Ui, name: str, options: Sequence[str | Option], value: str,
        on_change: Callable[[str], None] | None = None, *, accent: Color = PLAYER, tooltip: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ui, name, value, on_change, tooltip=tooltip)
        self.options = as_options(options)
        self.accent = accent

    def cells(self) -> list[pygame.Rect]:
        """Where each option stands: equal shares, or by their words where an equal one is too narrow."""
        theme = self.ui.theme
        gap = theme.px(2)
        room = self.rect.inflate(-2 * gap, -2 * gap)
        wanted = [text_width(option.text, "body", "medium", theme.scale) for option in self.options]
        free = room.width - gap * (len(wanted) - 1) - sum(wanted)
        if free < 0 or max(wanted) + theme.px(16) <= (free + sum(wanted)) // len(wanted):
            return columns(room, [None] * len(wanted), gap)
        shares = [width + free // len(wanted) for width in wanted]
        return columns(room, [*shares[:-1], None], gap)

    def pointer(self, event: Pointer) -> bool:
        """A press chooses at once."""
        if not (self.is_enabled and event.kind == "down" and event.button == 1):
            return super().pointer(event) if event.button == 3 else event.kind == "down"
        self.ui.focus(self)
        for option, cell in zip(self.options, self.cells(), strict=True):
            if cell.collidepoint(event.x, event.y) and option.is_enabled:
                self.choose(option.value)
        return True

    def key(self, event: Key) -> bool:
        """Left and right step to the next option."""
        if not event.is_down or not self.is_enabled or event.control:
            return False
        step = {"left": -1, "right": 1, "home": -len(self.options), "end": len(self.options)}.get(
            event.name, 0
        )
        values = [option.value for option in self.options if option.is_enabled]
        if not step or not values:
            return False
        now = values.index(self.value) if self.value in values else 0
        self.choose(values[min(max(now + step, 0), len(values) - 1)])
        return True

    def draw(self, painter: Painter) -> None:
        """A trough with the chosen option raised."""
        painter.box(self.rect, mixed(PANEL, GROUND, 0.7), radius_px=self.radius_px, edge=EDGE)
        for option, cell in zip(self.options, self.cells(), strict=True):
            is_chosen = option.value == self.value
            ink = self.ink(INK_SOFT if option.is_enabled else INK_OFF)
            if is_chosen:
                ground = mixed(RAISED, self.accent, 0.2) if self.is_enabled else RAISED
                painter.box(cell, ground, radius_px=self.radius_px - 2)
                ink = self.ink(mixed(self.accent, INK, 0.35))
            if option.icon and not option.text:
                painter.icon(option.icon, cell, ink, size_px=16)
            else:
                painter.text(
                    option.text, cell.inflate(-painter.px(6), 0), color=ink, weight="medium", align="center"
                )
        self.draw_focus(painter)
