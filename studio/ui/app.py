"""The program around the widgets: events in, frames out, and everything a widget may ask for.

One thread. A frame looks at the desk, lets every widget look, and draws what that marked. Between frames the
program waits for events: 60 frames a second while something moves, else 20 looks a second, of which those
that change nothing draw nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pygame

from studio.ui.compositor import Compositor
from studio.ui.controls import Option
from studio.ui.dispatch import PLAYED_SCREENS, Dispatcher
from studio.ui.faults import Guard
from studio.ui.focus import Focus, can_focus
from studio.ui.overlays import Dialog, Overlay, Toasts
from studio.ui.paint import forget_pictures
from studio.ui.rail import RAIL_PX, NavRail
from studio.ui.screenbook import SCREENS, built
from studio.ui.shortcuts import TapTempo
from studio.ui.state import WindowState
from studio.ui.theme import Theme
from studio.ui.typingkeys import TypingKeys
from studio.ui.undo import UndoStack
from studio.ui.widget import Action, Key, Widget
from studio.ui.window import Window, display_scale, fitted_scale, next_scale

if TYPE_CHECKING:
    from studio.live.deskview import Command, DeskView
    from studio.ui.desklike import DeskLike

FRAME_S = 1 / 60
LOOK_S = 1 / 20
"""Time between looks at a desk where nothing moves; looking is most of what an idle window costs."""
ALERT_S = 10.0
"""For this long after an event every millisecond is looked for the next one."""
NAP_S = 0.006
"""Afterwards this seldom: pygame's own wait wakes up each millisecond, half of what an idle window costs."""
NO_RAIL = frozenset({"first"})
PLACES = (
    Option("play", "Play", icon="music"), Option("takes", "Takes", icon="list"),
    Option("models", "Models", icon="cube"), Option("settings", "Settings", icon="settings"),
    Option("help", "Help", icon="help"),
)  # fmt: skip
PLACE_HINTS = {
    "play": "Play with the partner  (Ctrl 1)", "takes": "What was recorded  (Ctrl 2)",
    "models": "Partners to play with  (Ctrl 3)", "settings": "Devices, sound, MIDI learn  (Ctrl 4)",
    "help": "All keys  (F1)",
}  # fmt: skip


class App:
    """The program: implements :class:`studio.ui.widget.Ui`.

    Args:
        desk: The instrument behind it.
        window: What is drawn on.
        state: What the window remembers; changed as the person changes things.
        services: Makes what the screens share (:class:`studio.ui.screens.services.Services`), when asked.
        clock: Seconds that ascend.
        each_frame: Called once a frame with the time.
    """

    def __init__(
        self, desk: DeskLike, window: Window, state: WindowState, *,
        services: Callable[[], object] | None = None, clock: Callable[[], float] = time.monotonic,
        each_frame: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        self.window, self.state = window, state
        self.theme = Theme(self._scale())
        self.typing = TypingKeys(state.octave, state.velocity)
        self.taps = TapTempo()
        self.focused = Focus()
        self.guard = Guard(lambda sentence, hint: self.toast(sentence, hint, is_fault=True))
        self.compositor = Compositor(self.guard)
        self.popups: list[Overlay] = []
        self.is_closing = False
        self._desk, self._clock, self._each_frame = desk, clock, each_frame
        self._now_s = clock()
        self._alert_until_s = self._now_s + ALERT_S
        self._wake_s = float("inf")
        self._view = desk.view()
        self._notices_seen = -1
        self._undo = UndoStack()
        self._make_services = services
        self._services: object | None = None
        self._before_popup: list[Widget | None] = []
        self._screens: dict[str, Widget] = {}
        self.dispatcher = Dispatcher(self)
        self.toasts = Toasts(self)
        self.rail = NavRail(self, PLACES, self.go, n_below=2, tooltips=PLACE_HINTS)
        self.screen: Widget = Widget(self, "nothing")
        first = state.screen if state.is_welcomed and state.screen in SCREENS else "first"
        if not self.guard.attempt(f"opening {first}", self.go, first):
            self.go("play")

    # What widgets may ask for.

    @property
    def now_s(self) -> float:
        """Time of the frame."""
        return self._now_s

    @property
    def view(self) -> DeskView:
        """The latest look at the desk."""
        return self._view

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the window, display pixels."""
        return self.window.size

    @property
    def shows_focus(self) -> bool:
        """Whether the focused widget carries a ring."""
        return self.focused.is_shown

    @property
    def services(self) -> object | None:
        """What the screens share, made when the first one asks; None leaves it to them."""
        if self._services is None and self._make_services is not None:
            self._services = self._make_services()
        return self._services

    def do(self, command: Command) -> None:
        """Tell the desk something."""
        self._desk.do(command)

    def toast(self, sentence: str, hint: str = "", *, is_fault: bool = False) -> None:
        """Show a sentence for a while."""
        self.toasts.put(sentence, hint, is_fault)

    def go(self, screen: str) -> None:
        """Switch to another screen; ``help`` lies over the one that is there."""
        if screen == "help":
            self.toggle_help()
            return
        while self.popups:
            self.popup(None)
        if screen not in self._screens:
            self._screens[screen] = built(self, screen)
        if screen not in PLAYED_SCREENS:
            self.dispatcher.release_all()
        self.dispatcher.forget(self.screen)
        self.focused.give(None)
        self.guard.forget_draws()
        self.screen = self._screens[screen]
        self.state.screen = screen
        self.rail.show(screen)
        self._arrange()

    def popup(self, widget: Widget | None) -> None:
        """Put a widget over everything, or take the topmost away."""
        if widget is not None:
            popup = widget if isinstance(widget, Overlay) else Framed(self, widget)
            self.popups.append(popup)
            self._before_popup.append(self.focused.widget)
            stops = [each for each in popup.walk() if can_focus(each)]
            self.focused.give(
                stops[0] if stops and isinstance(popup, Dialog) and popup.body.children else None
            )
        elif self.popups:
            gone = self.popups.pop()
            self.dispatcher.forget(gone)
            self.focused.give(self._before_popup.pop())
            gone.closed()

    def focus(self, widget: Widget | None) -> None:
        """Give a widget the keyboard."""
        self.focused.give(widget)

    def is_focused(self, widget: Widget) -> bool:
        """Whether a widget has the keyboard."""
        return self.focused.widget is widget

    def is_hovered(self, widget: Widget) -> bool:
        """Whether the pointer is over a widget and over none of its children."""
        return self.dispatcher.hovered is widget

    def capture(self, widget: Widget | None) -> None:
        """Send every pointer event to one widget until released."""
        self.dispatcher.captured = widget

    def wake(self, after_s: float = 0.0) -> None:
        """Have a frame drawn after this long at the latest."""
        self._wake_s = min(self._wake_s, self._now_s + after_s)

    def remember(self, what: str, undo: Action, redo: Action) -> None:
        """Something was done that can be taken back."""
        self._undo.push(what, undo, redo, self._now_s)

    # What keys do everywhere.

    def undo(self) -> None:
        """Take the last deed back."""
        what = self._undo.undo()
        self.toast(f"Undone: {what}." if what else "Nothing to undo.")

    def redo(self) -> None:
        """Make the last deed taken back again."""
        what = self._undo.redo()
        self.toast(f"Done again: {what}." if what else "Nothing to redo.")

    def toggle_help(self) -> None:
        """Open the help over the screen, or close it."""
        if self.popups and self.popups[-1].name == "help":
            self.popup(None)
            return
        page = built(self, "help")
        framed = page if isinstance(page, Overlay) else Framed(self, page)
        framed.name = "help"
        framed.place(pygame.Rect((0, 0), self.size))
        self.popup(framed)

    def toggle_keys(self) -> None:
        """Let the computer's keys play notes, or not."""
        self.state.plays_keys = not self.state.plays_keys
        self.dispatcher.release_all()
        plays = self.state.plays_keys
        self.toast("The computer's keys play notes." if plays else "The computer's keys are shortcuts now.",
                   "Ctrl K changes it back.")  # fmt: skip
        self.screen.mark()

    def toggle_full_screen(self) -> None:
        """Fill the display, or don't."""
        self.state.is_full_screen = not self.state.is_full_screen
        self.window.set_full_screen(self.state.is_full_screen)
        self.resized()

    def rescale(self, scale: float | None) -> None:
        """Another scale; None asks the display."""
        self.state.scale = scale
        self.resized()

    def zoom(self, step: int) -> None:
        """The next larger (1) or smaller (−1) scale."""
        self.rescale(next_scale(self.state.scale or display_scale(), step))

    def close(self) -> None:
        """End the program after this frame."""
        self.is_closing = True

    # Frames.

    def resized(self) -> None:
        """The window or the scale changed: arrange everything again."""
        self.window.resized()
        self.state.width, self.state.height = self.window.plain_size
        theme = Theme(self._scale())
        if theme != self.theme:
            forget_pictures()
            self.theme = theme
        while self.popups and not self.popups[-1].is_modal:
            self.popup(None)
        self._arrange()
        for popup in self.popups:
            popup.place(pygame.Rect((0, 0), self.size))

    def layers(self) -> list[Widget]:
        """Everything that is shown, from the lowest to the highest."""
        layers: list[Widget] = [self.screen]
        if self.state.screen not in NO_RAIL:
            layers.insert(0, self.rail)
        layers += self.popups
        if self.toasts.is_visible:
            layers.append(self.toasts)
        if self.dispatcher.tips.shown is not None:
            layers.append(self.dispatcher.tips.shown)
        return layers

    def frame(self) -> list[pygame.Rect]:
        """Look at the desk, let widgets look, draw what changed; returns the regions drawn."""
        self._now_s = self._clock()
        self._wake_s = float("inf")
        guard = self.guard
        guard.attempt("a look at the desk", self._look, is_frame=True)
        for layer in self.layers():
            # A look may show or hide what is below it.
            for widget in layer.walk():
                guard.look(widget, self._view)
        guard.attempt("the pointer", self.dispatcher.refresh, is_frame=True)
        regions = self.compositor.draw(self.window.surface, self.theme, self.layers())
        self.window.show(regions)
        return regions

    def handle(self, event: pygame.event.Event) -> None:
        """Take one event of pygame; a fault becomes a toast."""
        self._now_s = self._clock()
        if not self.guard.attempt("an event", self.dispatcher.handle, event):
            # What failed may have kept the pointer.
            self.dispatcher.captured = None

    def run(self) -> None:
        """Frames and events until the program is closed."""
        while not self.is_closing:
            began_s = self._clock()
            self.guard.attempt("a frame", self.frame, is_frame=True)
            due_s = min(began_s + (FRAME_S if self._is_moving else LOOK_S), self._wake_s)
            due_s = max(due_s, began_s + FRAME_S)
            while (left_s := due_s - self._clock()) > 0 and not self.is_closing:
                event = self._next_event(left_s)
                if event.type != pygame.NOEVENT:
                    self._alert_until_s = self._clock() + ALERT_S
                    self.handle(event)
                    due_s = min(due_s, began_s + FRAME_S)
            for event in pygame.event.get():
                self.handle(event)
        self.dispatcher.release_all()

    def _next_event(self, left_s: float) -> pygame.event.Event:
        """The next event, or none after ``left_s`` or a nap."""
        if self._is_moving or self._clock() < self._alert_until_s:
            return pygame.event.wait(max(1, int(left_s * 1000)))
        event = pygame.event.poll()
        if event.type == pygame.NOEVENT:
            time.sleep(min(left_s, NAP_S))
        return event

    @property
    def _is_moving(self) -> bool:
        return self._view.snapshot.is_playing or self.dispatcher.captured is not None

    def _look(self) -> None:
        """What the desk says, and what is due each frame."""
        self._view = self._desk.view()
        if self._each_frame is not None:
            self._each_frame(self._now_s)
        self._take_notices()
        self.toasts.expire()

    def _take_notices(self) -> None:
        for notice in self._view.notices:
            if notice.number > self._notices_seen:
                self._notices_seen = notice.number
                self.toast(notice.sentence, notice.hint, is_fault=notice.is_fault)

    def _scale(self) -> float:
        return fitted_scale(self.state.scale or display_scale(), self.window.size)

    def _arrange(self) -> None:
        """Place rail, screen and toasts."""
        width, height = self.size
        rail = 0 if self.state.screen in NO_RAIL else self.theme.px(RAIL_PX)
        self.rail.place(pygame.Rect(0, 0, rail, height))
        self.screen.place(pygame.Rect(rail, 0, width - rail, height))
        self.toasts.top_px = 72 if rail else 16
        self.toasts.settle()
        self.compositor.invalidate()


class Framed(Overlay):
    """Any widget as a popup: it fills the window's popup rectangle and Escape closes it."""

    is_modal = True

    def __init__(self, ui: App, content: Widget) -> None:
        super().__init__(ui, content.name)
        self.content = self.add(content)
        self.rect = pygame.Rect(content.rect)

    def arrange(self) -> None:
        """The content fills it."""
        self.content.place(self.rect)

    def key(self, event: Key) -> bool:
        """Escape and F1 close it; every other key but Tab stops here."""
        if event.is_down and event.name in {"escape", "f1"}:
            self.ui.popup(None)
        return event.name != "tab"
