"""A desk on a manual clock, for the tests of its parts."""

from __future__ import annotations

from pathlib import Path

from midi.clock import ManualClock
from midi.ports import FakeSystem
from studio.live.desk import Desk, DeskOptions
from studio.live.deskview import (
    Command,
)
from studio.live.messages import (
    KeyDown,
    KeyUp,
)
from studio.live.planner import InlinePlanner, ModelHealth, ModelState, NoPlanner
from studio.live.take import load_take
from tests.studio.live.fakes import BeatPlanner, Ear

STEP_S = 0.02
"""A snapshot is renewed at every turn."""


class Slow(NoPlanner):
    """A model whose state is set by the test."""

    def __init__(self) -> None:
        self.state = ModelState.STARTING
        self.is_closed = False

    def health(self) -> ModelHealth:
        refusal = ("It is damaged.", "Install it again.") if self.state is ModelState.REFUSED else ("", "")
        return ModelHealth(self.state, *refusal, name="new@2.0.0" if self.state is ModelState.READY else "")

    def close(self) -> None:
        self.is_closed = True


class Room:
    """A desk on a manual clock with an ear, two MIDI instruments and models that are set by hand."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.clock, self.ear = ManualClock(100.0), Ear()
        self.system = FakeSystem("Keys", "Rack")
        self.started: list[str | None] = []
        self.models: list[Slow] = []
        chosen = {"sound": "none", "takes": folder, "in_port": "Keys", "keeps_learned": False} | options
        self.desk = Desk(
            DeskOptions(**chosen), system=self.system, planner=InlinePlanner(BeatPlanner()),
            clock=self.clock, start=self.begin, sinks=[self.ear],
        )  # fmt: skip
        self.desk.set_up()
        self.desk.turn()

    def begin(self, name: str | None, _device: str) -> Slow | NoPlanner:
        self.started.append(name)
        if name == "none":
            return NoPlanner()
        self.models.append(Slow())
        return self.models[-1]

    def go(self, seconds: float = STEP_S) -> None:
        for _ in range(max(1, round(seconds / STEP_S))):
            self.clock.advance(STEP_S)
            self.desk.turn()

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.desk.do(command)
        self.go()

    def play(self, *pitches: int, length_s: float = 0.2) -> None:
        for pitch in pitches:
            self.do(KeyDown(0.0, pitch, 80))
            self.go(length_s)
            self.do(KeyUp(0.0, pitch))

    @property
    def view(self):
        return self.desk.view()


def whole(path: Path) -> None:
    """A take on disk has every note's end."""
    ear = Ear()
    ear.sounds = list(load_take(path).sounds)
    assert ear.sounds
    assert not ear.unpaired()
