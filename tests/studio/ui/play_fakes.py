"""A stand-in for the window around the Play screen's parts."""

from __future__ import annotations

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

from dataclasses import dataclass, field, replace

import pygame

from studio.live.deskview import Command, DeskView, RollNote
from studio.live.messages import Snapshot, Voice
from studio.ui.paint import Painter
from studio.ui.play.demo import idle_view
from studio.ui.theme import Theme
from studio.ui.widget import Action, Pointer, Widget

SIZE = (1280, 800)


@dataclass
class FakeUi:
    """Keeps what widgets ask for; its clock and view are set by hand."""

    theme: Theme = field(default_factory=Theme)
    now_s: float = 0.0
    view: DeskView = field(default_factory=idle_view)
    sent: list[Command] = field(default_factory=list)
    toasts: list[str] = field(default_factory=list)
    captured: Widget | None = None
    popped: Widget | None = None
    focused: Widget | None = None
    hovered: Widget | None = None
    shows_focus: bool = False
    size: tuple[int, int] = (1280, 800)
    woken: int = 0
    undone: list[str] = field(default_factory=list)

    def do(self, command: Command) -> None:
        self.sent.append(command)

    def toast(self, sentence: str, hint: str = "", *, is_fault: bool = False) -> None:  # noqa: ARG002
        self.toasts.append(sentence)

    def go(self, screen: str) -> None:
        self.toasts.append(screen)

    def popup(self, widget: Widget | None) -> None:
        self.popped = widget

    def focus(self, widget: Widget | None) -> None:
        self.focused = widget

    def is_focused(self, widget: Widget) -> bool:
        return self.focused is widget

    def is_hovered(self, widget: Widget) -> bool:
        return self.hovered is widget

    def wake(self, after_s: float = 0.0) -> None:  # noqa: ARG002
        self.woken += 1

    def remember(self, what: str, undo: Action, redo: Action) -> None:  # noqa: ARG002
        self.undone.append(what)

    def capture(self, widget: Widget | None) -> None:
        self.captured = widget


def playing(beat: float, *, time_s: float = 0.0, bpm: float = 120.0, **fields: object) -> Snapshot:
    """A running transport."""
    base = replace(idle_view().snapshot, is_playing=True, beat=beat, time_s=time_s, bpm=bpm)
    return replace(base, **fields)  # type: ignore[arg-type]


def roll_note(pitch: int, onset_ticks: int, end_ticks: int | None, **fields: object) -> RollNote:
    """A piano note of the player."""
    base = RollNote(Voice.PLAYER, pitch, 100, 0, onset_ticks, end_ticks)
    return replace(base, **fields)  # type: ignore[arg-type]


def drawn(widget: Widget, ui: FakeUi, size: tuple[int, int]) -> pygame.Surface:
    """The widget, placed at the corner of a surface and drawn with everything below it."""
    surface = pygame.Surface(size)
    if widget.rect.size != size:
        widget.place(pygame.Rect((0, 0), size))
    for part in widget.walk():
        part.look(ui.view)
    for part in widget.walk():
        part.draw(Painter(surface, ui.theme))
    return surface


def at(kind: str, x: float, y: float, **fields: object) -> Pointer:
    """The mouse at a place."""
    return Pointer(kind, round(x), round(y), **fields)  # type: ignore[arg-type]


def look(screen: Widget, ui: FakeUi) -> None:
    """Let everything see the desk."""
    for widget in screen.walk():
        widget.look(ui.view)


def click(screen: Widget, name: str, share: float = 0.5) -> None:
    """Press what is on top at a place of a widget."""
    widget = screen.find(name)
    x = widget.rect.left + round(widget.rect.width * share)
    assert screen.at(x, widget.rect.centery) is widget
    widget.pointer(at("down", x, widget.rect.centery))
    widget.pointer(at("up", x, widget.rect.centery))
