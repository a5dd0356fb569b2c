"""Jobs that run nothing, and a shelf of takes, for the tests of the screens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from models import registry
from studio.appsettings import AppSettings
from studio.jobs import Job, JobState
from studio.takes import Library
from studio.ui.screens.services import Services
from studio.ui.screens.takes_demo import write_takes
from studio.ui.screens.takes_reader import PictureReader

NOW = datetime(2026, 11, 22, 18, 30)

SHIPPED = next(path.name for path in (registry.shipped_folder() / "partner").iterdir() if path.is_dir())
"""Version of the partner that comes with Antiphon."""


class FakeJobs:
    """Keeps what was started; a test says how each ends."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.cancelled: list[int] = []

    def start(self, title, argv):
        self.jobs.append(Job(len(self.jobs) + 1, title, tuple(argv)))
        return self.jobs[-1]

    def poll(self):
        return ()

    def all(self):
        return tuple(self.jobs)

    def cancel(self, number):
        self.cancelled.append(number)

    def end(self, result=None, *, error="", hint=""):
        state = JobState.FAILED if error else JobState.DONE
        self.jobs[-1] = replace(self.jobs[-1], state=state, result=result, error=error, hint=hint)

    @property
    def last(self) -> tuple[str, ...]:
        return self.jobs[-1].argv


def services_in(folder: Path, count: int = 3) -> tuple[Services, FakeJobs, list[AppSettings]]:
    """Services over a few demo takes; settings that are saved are kept in the list."""
    takes = folder / "takes"
    takes.mkdir(parents=True, exist_ok=True)
    write_takes(takes, NOW, count)
    jobs, saved = FakeJobs(), []
    services = Services(
        Library(takes, folder / "cache"), jobs, AppSettings(), saved.append, lambda: NOW,
        PictureReader(start=lambda work: work()),
    )  # fmt: skip
    return services, jobs, saved
