"""Who gets an event: captures, popups, what is under the pointer, has the keyboard, the piano, shortcuts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pygame

from studio.live.messages import KeyDown, KeyUp
from studio.ui.events import Keys, Translator
from studio.ui.fields import TextField
from studio.ui.focus import is_within
from studio.ui.overlays import Overlay
from studio.ui.shortcuts import use
from studio.ui.tips import Tips
from studio.ui.typingkeys import Press, Release
from studio.ui.widget import Key, Pointer, Widget

if TYPE_CHECKING:
    from studio.ui.app import App

SOURCE = "computer keys"
"""What the desk calls notes of the computer's keyboard."""
PLAYED_SCREENS = frozenset({"play", "first"})


class Dispatcher:
    """Takes pygame's events and hands them to whom they belong.

    Args:
        app: The program.

    Attributes:
        hovered: The widget under the pointer; None for none.
        captured: The widget that gets every pointer event; None for none.
        tips: The tooltip, and when it comes.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.translator = Translator(lambda: app.now_s)
        self.keys = Keys()
        self.hovered: Widget | None = None
        self.captured: Widget | None = None
        self.tips = Tips(app)

    def handle(self, event: pygame.event.Event) -> None:
        """Take one event of pygame."""
        pointer = self.translator.pointer(event)
        if pointer is not None:
            self._pointer(pointer)
            return
        key = self.keys.key(event)
        if key is not None:
            self._key(key)
        elif event.type == pygame.DROPFILE:
            # Screens that take files have a method for it.
            drop = getattr(self._app.screen, "drop", None)
            if drop is not None:
                drop(Path(event.file))
        elif event.type == pygame.QUIT:
            self._app.close()
        elif event.type in {pygame.VIDEORESIZE, pygame.WINDOWSIZECHANGED}:
            self._app.resized()
        elif event.type == pygame.WINDOWEXPOSED:
            self._app.compositor.invalidate()
        elif event.type == pygame.WINDOWLEAVE:
            self.translator.leave()
        elif event.type == pygame.WINDOWFOCUSLOST:
            self.release_all()

    def release_all(self) -> None:
        """End every note of the computer's keys and whatever is dragged."""
        self.keys.release_all()
        for release in self._app.typing.release_all():
            self._sound(release)
        captured, at = self.captured, self.translator.at
        if captured is not None:
            x, y = at or captured.rect.center
            self.translator.buttons.clear()
            captured.pointer(Pointer("up", x, y))
            self.captured = None

    def refresh(self) -> None:
        """Once a frame: what is under the pointer now, and whether a tooltip is due."""
        found = self._under_pointer()
        if self.captured is not None and found is not None and not is_within(found, self.captured):
            found = None
        if found is not self.hovered:
            for each in (self.hovered, found):
                if each is not None:
                    each.mark()
            self.hovered = found
        if self.captured is None:
            self.tips.refresh(self.hovered, self.translator.at)

    def forget(self, root: Widget) -> None:
        """A tree goes away: nothing of it may be hovered or captured any longer."""
        if is_within(self.hovered, root):
            self.hovered = None
        if is_within(self.captured, root):
            self.captured = None

    def _under_pointer(self) -> Widget | None:
        at = self.translator.at
        if at is None:
            return None
        for layer in reversed(self._app.layers()):
            found = None if layer is self.tips.shown else layer.at(*at)
            if found is not None:
                return found
            if isinstance(layer, Overlay) and layer.is_modal:
                return None
        return None

    def _pointer(self, event: Pointer) -> None:
        if event.kind != "move":
            self.tips.spend()
        if event.kind == "down":
            self._app.focused.show(False)
        if self.captured is not None:
            self.captured.pointer(event)
            return
        for layer in reversed(self._app.layers()):
            if layer is self.tips.shown:
                continue
            if self._offer(layer, event):
                return
            if isinstance(layer, Overlay) and layer in self._app.popups:
                self._beside(layer, event)
                return
        if event.kind == "down":
            self._app.focus(None)

    def _offer(self, layer: Widget, event: Pointer) -> bool:
        """Ask what is under the pointer, then what is around it."""
        widget = layer.at(event.x, event.y)
        while widget is not None:
            if widget.pointer(event):
                return True
            widget = widget.parent
        return False

    def _beside(self, popup: Overlay, event: Pointer) -> None:
        """A press beside a menu closes it and does nothing else."""
        if event.kind == "down" and not popup.is_modal and not popup.rect.collidepoint(event.x, event.y):
            self._app.popup(None)

    def _key(self, key: Key) -> None:
        if not key.is_down:
            # Whatever has come between: a note that began ends.
            self._sound(self._app.typing.up(key.scancode))
        else:
            self.tips.spend()
        if self._bubble(key) or self._app.popups or not key.is_down:
            return
        if self._plays_notes and not key.control and self._play(key):
            return
        use(self._app, key, plays_notes=self._plays_notes)

    def _bubble(self, key: Key) -> bool:
        """The focused widget, what is around it, the tab key."""
        app = self._app
        top: Widget = app.popups[-1] if app.popups else app.screen
        focused = app.focused.widget
        is_reached = focused is not None and (not app.popups or is_within(focused, top))
        widget: Widget | None = focused if is_reached else top
        while widget is not None:
            if widget.key(key):
                if key.is_down and key.name in {"up", "down", "left", "right", "home", "end"}:
                    app.focused.show(True)
                return True
            widget = widget.parent
        if key.name == "tab" and key.is_down and not key.control:
            app.focused.show(True)
            app.focused.step([top] if app.popups else [app.screen, app.rail], -1 if key.shift else 1)
            return True
        return False

    @property
    def _plays_notes(self) -> bool:
        app = self._app
        is_typing = isinstance(app.focused.widget, TextField)
        return app.state.plays_keys and app.state.screen in PLAYED_SCREENS and not is_typing

    def _play(self, key: Key) -> bool:
        """The piano of the computer's keys; True when the key belongs to it."""
        typing = self._app.typing
        if key.is_repeat:
            return typing.plays(key.scancode)
        if typing.adjust(key.scancode):
            self._app.state.octave, self._app.state.velocity = typing.octave, typing.velocity
            self._app.screen.mark()
            return True
        press = typing.down(key.scancode)
        self._sound(press)
        return typing.plays(key.scancode)

    def _sound(self, what: Press | Release | None) -> None:
        if isinstance(what, Press):
            self._app.do(KeyDown(0.0, what.pitch, what.velocity, SOURCE))
        elif what is not None:
            self._app.do(KeyUp(0.0, what.pitch, SOURCE))
