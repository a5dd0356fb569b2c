"""The real program over the real desk, both on one clock turned by hand: no threads, devices or waiting."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path

from midi.clock import ManualClock
from midi.ports import FakeSystem
from studio import cli
from studio.appsettings import AppSettings
from studio.jobs import Job, JobState
from studio.live.desk import Desk, DeskOptions
from studio.live.deskview import Command, DeskView
from studio.live.planner import InlinePlanner, ModelHealth, ModelState, NoPlanner, Planner
from studio.takes import Library
from studio.ui.screens.services import Services
from studio.ui.screens.takes_reader import PictureReader
from studio.ui.state import WindowState
from studio.ui.widget import Widget
from tests.studio.live.fakes import BeatPlanner, Ear
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.screens_fakes import SHIPPED

STEP_S = 0.01


class Modelled(NoPlanner):
    """A model that is started, and then ready or refused when the test says so."""

    def __init__(self, name: str) -> None:
        self.name, self.state = name, ModelState.STARTING

    def health(self) -> ModelHealth:
        told = (
            ("Its weights are damaged.", "Install it again.")
            if self.state is ModelState.REFUSED
            else ("", "")
        )
        return ModelHealth(self.state, *told, name=self.name if self.state is ModelState.READY else "")


class TurnedDesk:
    """A desk that goes on only by :meth:`run`.

    Attributes:
        commands: Everything it was told.
        models: Models that were started, oldest first.
        refused: Commands that the desk raised at.
    """

    def __init__(self, takes: Path, *ports: str, **options: object) -> None:
        self.clock, self.ear, self.system = ManualClock(100.0), Ear(), FakeSystem(*ports)
        self.commands: list[Command] = []
        self.models: list[Modelled] = []
        chosen = {"sound": "none", "takes": takes, "keeps_learned": False} | options
        self.desk = Desk(
            DeskOptions(**chosen), system=self.system, planner=InlinePlanner(BeatPlanner()),
            clock=self.clock, start=self._start, sinks=[self.ear],
        )  # fmt: skip
        self.desk.set_up()
        self.desk.turn()

    def _start(self, name: str | None, _device: str) -> Planner:
        if name == "none":
            return NoPlanner()
        self.models.append(Modelled(name or f"partner@{SHIPPED}"))
        return self.models[-1]

    def run(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds / STEP_S))):
            self.clock.advance(STEP_S)
            self.desk.turn()

    def do(self, command: Command) -> None:
        self.commands.append(command)
        self.desk.do(command)

    def view(self) -> DeskView:
        return self.desk.view()

    def close(self) -> None:
        self.desk.close()


class JobsAtOnce:
    """Runs commands of the command line in this process, while they are started."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def start(self, title: str, argv: Sequence[str]) -> Job:
        out = io.StringIO()
        with redirect_stdout(out):
            code = cli.run([*argv, "--json"])
        told = json.loads(out.getvalue())
        job = Job(len(self._jobs) + 1, title, tuple(argv), JobState.DONE, 1.0, "", told, code)
        if "error" in told:
            job = Job(
                job.number, title, job.argv, JobState.FAILED, error=told["error"], hint=told.get("hint", "")
            )
        self._jobs.append(job)
        return job

    def poll(self) -> tuple[Job, ...]:
        return ()

    def all(self) -> tuple[Job, ...]:
        return tuple(self._jobs)

    def cancel(self, number: int) -> None:
        """Everything is over already."""


class Session(Pilot):
    """The program, its screens' services and the desk below them, for one test; close it at the end.

    Args:
        home: The user's folder.
        ports: Names of MIDI instruments that are plugged in.
        is_first: The program starts for the first time.
        options: Of the desk.
    """

    def __init__(self, home: Path, *ports: str, is_first: bool = False, **options: object) -> None:
        self.turned = TurnedDesk(home / "takes", *ports, **options)
        self.jobs, self.settings = JobsAtOnce(), AppSettings()
        self.library = Library(home / "takes")
        self.saved: list[AppSettings] = []
        services = Services(
            self.library, self.jobs, self.settings, save=self.saved.append,
            now=lambda: datetime(2026, 11, 23, 12), reader=PictureReader(start=lambda work: work()),
        )  # fmt: skip
        state = WindowState(width=1280, height=800, is_welcomed=not is_first, scale=1.0)
        super().__init__(state=state, desk=self.turned, services=services)

    def frame(self, after_s: float = 0.02):
        self.turned.run(after_s)
        return super().frame(after_s)

    def wait(self, seconds: float) -> None:
        """Frames as a window draws them, for a while."""
        for _ in range(round(seconds / 0.05)):
            self.frame(0.05)

    def press_at(self, name: str) -> None:
        """Click a widget that can be seen and used; a hidden one fails the test."""
        widget = self.seen(name)
        assert getattr(widget, "is_enabled", True), f"{name} is greyed out"
        self.click(name)

    def seen(self, name: str) -> Widget:
        """A widget by name that is visible now and within the window."""
        found = [w for layer in self.app.layers() for w in layer.walk() if w.name == name]
        assert found, f"{name} can't be seen"
        assert self.window.surface.get_rect().contains(found[0].rect), f"{name} lies outside of the window"
        return found[0]

    def choose(self, dropdown: str, words: str) -> None:
        """Open a drop-down or a button's menu and click the line that reads ``words``."""
        self.press_at(dropdown)
        menu = self.app.popups[-1]
        texts = [item.text for item in menu.items]
        self.click(menu.row_rect(texts.index(words)).center)

    def words(self) -> list[str]:
        """Sentences of the toasts that are shown."""
        return [toast.sentence for toast in self.app.toasts.shown]

    def close(self) -> None:
        self.turned.close()
        self.library.close()
