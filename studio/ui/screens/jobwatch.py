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


class JobWatch:
    """Follows the jobs that one screen started. One thread only.

    Args:
        jobs: Where they run.
        tell_fault: Told sentence and hint of a job that failed.
    """

    def __init__(self, jobs: JobsLike, tell_fault: Callable[[str, str], None]) -> None:
        self._jobs, self._tell_fault = jobs, tell_fault
        self._waiting: dict[int, Done] = {}

    def start(self, title: str, argv: Sequence[str], done: Done) -> None:
        """Begin a job; ``done`` is told its result by a later :meth:`follow`."""
        self._waiting[self._jobs.start(title, list(argv)).number] = done

    def running(self) -> Job | None:
        """The newest job of this screen that is not over."""
        mine = [job for job in self._jobs.all() if job.number in self._waiting]
        return mine[-1] if mine else None

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
