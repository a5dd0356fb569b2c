"""Jobs that a screen started: what runs, and what is to be done when each is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from studio.jobs import Job

Done = Callable[[Any], None]
"""Told the JSON that a job printed."""


class JobsLike(Protocol):
    """What a screen asks of the jobs (:class:`studio.jobs.Jobs`)."""

    def start(self, title: str, argv: Sequence[str]) -> Job:
        """Begin one."""
        ...

    def poll(self) -> tuple[Job, ...]:
        """Look after all of them."""
        ...

    def all(self) -> tuple[Job, ...]:
        """Every job of this session."""
        ...

    def cancel(self, number: int) -> None:
        """End one early."""
        ...


def deed(argv: Sequence[str]) -> tuple[str, ...]:
    """What a command line does to what: its words before the options, and the kind that is asked for.

    Another seed or bar is the same deed done otherwise.
    """
    first = next((at for at, word in enumerate(argv) if word.startswith("--")), len(argv))
    kind = argv.index("--kind") if "--kind" in argv else len(argv)
    return (*argv[:first], *argv[kind + 1 : kind + 2])


class JobWatch:
    """Follows the jobs that one screen started. One thread only.

    Args:
        jobs: Where they run.
        tell_fault: Told sentence and hint of a job that failed.
    """

    def __init__(self, jobs: JobsLike, tell_fault: Callable[[str, str], None]) -> None:
        self._jobs, self._tell_fault = jobs, tell_fault
        self._waiting: dict[int, Done] = {}

    def start(self, title: str, argv: Sequence[str], done: Done) -> bool:
        """Begin a job; ``done`` is told its result by a later :meth:`follow`.

        Returns:
            Whether it was begun: not while one does the same to the same, which goes on and is shown.
        """
        if self.is_running(*argv):
            return False
        self._waiting[self._jobs.start(title, list(argv)).number] = done
        return True

    def is_running(self, *argv: str) -> bool:
        """Whether a job of this screen does that and is not over."""
        return any(deed(job.argv) == deed(argv) for job in self._mine())

    def running(self) -> Job | None:
        """The newest job of this screen that is not over."""
        mine = self._mine()
        return mine[-1] if mine else None

    def _mine(self) -> list[Job]:
        return [job for job in self._jobs.all() if job.number in self._waiting]

    def cancel(self) -> None:
        """End the newest job early."""
        job = self.running()
        if job is not None:
            self._jobs.cancel(job.number)

    def follow(self) -> None:
        """Tell of the jobs that are over; call it every frame."""
        if not self._waiting:
            return
        self._jobs.poll()
        for job in self._jobs.all():
            if job.number in self._waiting and job.state != "running":
                done = self._waiting.pop(job.number)
                if job.state == "done":
                    done(job.result)
                elif job.state == "failed":
                    self._tell_fault(job.error or f"{job.title} failed.", job.hint)
