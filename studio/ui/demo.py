"""A desk with no instrument behind it: a performance for the eye, for screenshots and tests of screens."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from studio.live.deskview import SetMetronome, SetRecording
from studio.live.messages import SetPlaying
from studio.ui.play.demo import busy_view

if TYPE_CHECKING:
    from studio.live.deskview import Command, DeskView

DEMO_AT_S = 23.4
"""A full moment of the demo: the eleventh bar, a melody over sustained chords."""


class DemoDesk:
    """Looks like a desk in the middle of a performance and keeps what it is told.

    Args:
        at_s: The moment that is shown.
        view: Another look; None for the demo performance.

    Attributes:
        commands: Everything it was told, oldest first.
    """

    def __init__(self, at_s: float = DEMO_AT_S, view: DeskView | None = None) -> None:
        self.commands: list[Command] = []
        self.is_closed = False
        self._view = busy_view(at_s) if view is None else view

    def do(self, command: Command) -> None:
        """Keep it; the few switches that the shell itself shows follow."""
        self.commands.append(command)
        match command:
            case SetPlaying(is_playing=is_on):
                snapshot = dataclasses.replace(self._view.snapshot, is_playing=is_on)
                self._view = dataclasses.replace(self._view, snapshot=snapshot)
            case SetMetronome(is_on=is_on):
                self._view = dataclasses.replace(self._view, is_metronome_on=is_on)
            case SetRecording(is_on=is_on):
                take = dataclasses.replace(self._view.take, is_recording=is_on)
                self._view = dataclasses.replace(self._view, take=take)
            case _:
                pass

    def show(self, view: DeskView) -> None:
        """Look like this from now on."""
        self._view = view

    def view(self) -> DeskView:
        """The look."""
        return self._view

    def close(self) -> None:
        """Nothing runs that could be ended."""
        self.is_closed = True
