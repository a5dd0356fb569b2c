"""pygame's events as ours: pointers with clicks counted, keys with their names and places."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from studio.ui.widget import Key, Pointer

DOUBLE_CLICK_S = 0.4
DOUBLE_CLICK_PX = 6
_ALIASES = {"enter": "enter", "keypad enter": "enter", "pageup": "page up", "pagedown": "page down"}


class Translator:
    """Turns pygame's events into pointers and keys, and remembers where the pointer is.

    Args:
        clock: Seconds that ascend; for double clicks.

    Attributes:
        at: Where the pointer is, display pixels; None outside of the window.
        buttons: Buttons that are down.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.at: tuple[int, int] | None = None
        self.buttons: set[int] = set()
        self._last_press: tuple[float, int, int, int] = (float("-inf"), 0, 0, 0)
        self._clicks = 0

    def pointer(self, event: pygame.event.Event) -> Pointer | None:
        """What the mouse did; None when it was not the mouse."""
        is_fine = bool(pygame.key.get_mods() & pygame.KMOD_SHIFT)
        x, y = getattr(event, "pos", None) or self.at or (0, 0)
        if event.type == pygame.MOUSEMOTION:
            self.at = (x, y)
            return Pointer("move", x, y, is_fine=is_fine)
        if event.type == pygame.MOUSEBUTTONDOWN and event.button <= 3:
            self.at = (x, y)
            self.buttons.add(event.button)
            clicks = self._count(event)
            return Pointer("down", x, y, button=event.button, clicks=clicks, is_fine=is_fine)
        if event.type == pygame.MOUSEBUTTONUP and event.button <= 3:
            self.at = (x, y)
            self.buttons.discard(event.button)
            return Pointer("up", x, y, button=event.button, clicks=self._clicks, is_fine=is_fine)
        if event.type == pygame.MOUSEWHEEL:
            turned = getattr(event, "precise_y", 0.0) or float(event.y)
            notches = -turned if getattr(event, "flipped", False) else turned
            return Pointer("wheel", x, y, wheel=notches, is_fine=is_fine)
        return None

    def leave(self) -> None:
        """The pointer left the window."""
        self.at = None

    def _count(self, event: pygame.event.Event) -> int:
        """How many quick presses at one place this makes."""
        now_s = self._clock()
        at_s, x, y, button = self._last_press
        is_near = abs(event.pos[0] - x) <= DOUBLE_CLICK_PX and abs(event.pos[1] - y) <= DOUBLE_CLICK_PX
        is_same = button == event.button and now_s - at_s <= DOUBLE_CLICK_S and is_near
        self._clicks = self._clicks + 1 if is_same else 1
        self._last_press = (now_s, *event.pos, event.button)
        return self._clicks


class Keys:
    """Turns key events into ours; knows which keys are down, since pygame repeats presses without a mark."""

    def __init__(self) -> None:
        self._down: set[int] = set()

    def key(self, event: pygame.event.Event) -> Key | None:
        """What the keyboard did; None when it was not the keyboard."""
        if event.type not in {pygame.KEYDOWN, pygame.KEYUP}:
            return None
        is_down = event.type == pygame.KEYDOWN
        scancode = int(getattr(event, "scancode", 0) or 0)
        place = scancode or -event.key
        is_repeat = is_down and place in self._down
        (self._down.add if is_down else self._down.discard)(place)
        name = pygame.key.name(event.key)
        mods = int(getattr(event, "mod", 0))
        control = bool(mods & (pygame.KMOD_CTRL | pygame.KMOD_META))
        text = getattr(event, "unicode", "") if is_down else ""
        return Key(
            name=_ALIASES.get(name, name),
            is_down=is_down,
            is_repeat=is_repeat,
            text=text if text.isprintable() and not control else "",
            control=control,
            shift=bool(mods & pygame.KMOD_SHIFT),
            scancode=scancode,
        )

    def release_all(self) -> None:
        """The window lost the keyboard: releases will not come."""
        self._down.clear()
