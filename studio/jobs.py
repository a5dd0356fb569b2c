"""Slow work for the window, each piece in a process of its own: the command line's own commands.

Nothing here waits: ``poll`` is called once a frame. A job's process has the same rights and files as a
command typed in a terminal, runs at a lower priority than the instrument, and ends when the window closes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from midi.errors import UserError
from studio.terminal import PROGRESS_VARIABLE, PROGRESS_WORD

GRACE_S = 5.0
"""An interrupted job may use this long to save its work before it is killed."""

NICENESS = 10
"""Lower priority than the window and the instrument (POSIX nice value)."""

MAX_RESULT_BYTES = 50_000_000

EXIT_EXPECTED_FAILURE = 1
EXIT_INTERRUPTED = 130


class JobState(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Job:
    """One look at a job.

    Attributes:
        number: Names it; ascending.
        title: For people.
        argv: The command line, without the program's name.
        state: How it stands.
        fraction: How far it is, 0–1; None where that isn't known.
        doing: What it does just now; may be empty.
        result: What the command printed with ``--json``; None until it is done.
        exit_code: Of the command; 1 with a result is an expected "no" (a gate that refuses).
        error: Why it failed, one sentence.
        hint: What to do about it.
    """

    number: int
    title: str
    argv: tuple[str, ...]
    state: JobState = JobState.RUNNING
    fraction: float | None = None
    doing: str = ""
    result: dict[str, Any] | list[Any] | None = None
    exit_code: int | None = None
    error: str = ""
    hint: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state is not JobState.RUNNING


class Jobs:
    """Runs commands in processes. One thread at a time; no call waits but ``close``.

    Args:
        environment: Added to the environment of every job.
        now_s: A clock for the grace of cancelled jobs; the machine's unless stated.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, now_s: Callable[[], float] | None = None
    ) -> None:
        self._environment = dict(environment or {})
        if now_s is None:
            from midi.systemclock import SystemClock  # noqa: PLC0415

            now_s = SystemClock().now_s
        self._now_s = now_s
        self._jobs: dict[int, Job] = {}
        self._processes: dict[int, _Process] = {}

    def start(self, title: str, argv: Sequence[str]) -> Job:
        """Begin a command of ``antiphon``; ``--json`` is added.

        A command that can't even be started is a job that has failed.

        Args:
            title: For people.
            argv: The command line, without the program's name.
        """
        job = Job(len(self._jobs) + 1, title, tuple(argv))
        try:
            self._processes[job.number] = _Process(argv, self._environment)
        except OSError as fault:
            error = f"{title} can't be started: {fault.strerror or fault}."
            job = replace(job, state=JobState.FAILED, error=error, hint="Free some memory and try again.")
        self._jobs[job.number] = job
        return job

    def poll(self) -> tuple[Job, ...]:
        """Look after all jobs; those that changed since the last call. Cheap: call it every frame."""
        changed = []
        for number in list(self._processes):
            before, process = self._jobs[number], self._processes[number]
            after = self._looked_at(before, process)
            if after.is_over:
                process.close()
                del self._processes[number]
            if after != before:
                self._jobs[number] = after
                changed.append(after)
        return tuple(changed)

    def all(self) -> tuple[Job, ...]:
        """Every job of this session, oldest first, as of the last ``poll``."""
        return tuple(self._jobs.values())

    def get(self, number: int) -> Job:
        """One job, as of the last ``poll``; KeyError where there is none."""
        return self._jobs[number]

    @property
    def n_running(self) -> int:
        """How many are still at work."""
        return len(self._processes)

    def cancel(self, number: int) -> None:
        """Interrupt a job; it may save its work, and is killed when that takes too long."""
        if number in self._processes:
            self._processes[number].interrupt(self._now_s() + GRACE_S)

    def close(self) -> None:
        """Kill what still runs and wait until it is gone."""
        for number, process in self._processes.items():
            process.kill()
            process.close()
            self._jobs[number] = replace(self._jobs[number], state=JobState.CANCELLED)
        self._processes.clear()

    def _looked_at(self, job: Job, process: _Process) -> Job:
        code = process.exit_code()
        share, doing = process.progress()
        if share is not None or doing:
            job = replace(job, fraction=share, doing=doing)
        if code is None:
            process.press(self._now_s())
            return job
        if process.is_interrupted:
            return replace(job, state=JobState.CANCELLED, exit_code=code)
        return _ended(job, code, process.output(), process.complaint())


def _ended(job: Job, code: int, output: bytes, complaint: str) -> Job:
    """A job whose command has ended: what it printed, or why it failed."""
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        found = None
    job = replace(job, exit_code=code)
    is_fault = isinstance(found, dict) and "error" in found
    if code == EXIT_INTERRUPTED:
        return replace(job, state=JobState.CANCELLED)
    if isinstance(found, dict | list) and not is_fault and code in {0, EXIT_EXPECTED_FAILURE}:
        return replace(job, state=JobState.DONE, result=found, fraction=1.0)
    if is_fault:
        error, hint = str(found["error"]), str(found.get("hint", ""))
    else:
        error = f"{job.title}: the command stopped {_why(code)}{f' ({complaint})' if complaint else ''}."
        hint = f"Run `antiphon {' '.join(job.argv)} --debug` in a terminal to see more."
    return replace(job, state=JobState.FAILED, error=error, hint=hint)


def _why(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


class _Process:
    """A command's process; its outputs go to files, so that no full pipe ever stops it."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.is_interrupted = False
        self._kill_s: float | None = None
        self._read_to = 0
        self._rest = b""
        self._share: float | None = None
        self._doing = self._complaint = ""
        self._folder = tempfile.TemporaryDirectory(prefix="antiphon-", ignore_cleanup_errors=True)
        self._out, self._err = (Path(self._folder.name) / name for name in ("out", "err"))
        try:
            with self._out.open("wb") as out, self._err.open("wb") as err:
                self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                    # -P: a folder named studio in the current one must not be taken for ours.
                    [sys.executable, "-P", "-m", "studio", *argv, "--json"],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=_environment(environment),
                    start_new_session=True,
                )
        except OSError:
            self._folder.cleanup()
            raise
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def progress(self) -> tuple[float | None, str]:
        """The newest progress that it told."""
        data = _read(self._err, self._read_to)
        if data:
            self._read_to += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take_in(line.decode("utf-8", "replace"))
        return self._share, self._doing

    def _take_in(self, line: str) -> None:
        word, _, told = line.partition(" ")
        if word != PROGRESS_WORD:
            self._complaint = line.strip()[:200] or self._complaint
            return
        share, _, self._doing = told.partition(" ")
        try:
            self._share = min(max(float(share), 0.0), 1.0)
        except ValueError:
            self._share = None

    def output(self) -> bytes:
        """What it printed."""
        return _read(self._out, 0)

    def complaint(self) -> str:
        """The last line on standard error that was no progress."""
        return self._complaint.rstrip(".")

    def interrupt(self, kill_s: float) -> None:
        """Ask it to stop, like Ctrl+C in a terminal; ``press`` kills it at ``kill_s``."""
        self.is_interrupted = True
        if self._kill_s is None:
            self._kill_s = kill_s
            self._signal(getattr(signal, "SIGINT", signal.SIGTERM))

    def press(self, now_s: float) -> None:
        """Kill it if its grace is over."""
        if self._kill_s is not None and now_s >= self._kill_s:
            self.kill()

    def kill(self) -> None:
        """End it and what it has started, at once."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _signal(self, number: int) -> None:
        if self._process.poll() is not None:
            return
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            else:
                self._process.terminate()

    def close(self) -> None:
        """Collect the process, which has ended or was killed, and let its outputs go."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self._folder.cleanup()


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(MAX_RESULT_BYTES)
    except OSError:
        return b""


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {PROGRESS_VARIABLE: "lines", "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    return {**os.environ, **own, **more}


def result_of(job: Job) -> dict[str, Any] | list[Any]:
    """What a job's command printed.

    Raises:
        UserError: It failed, was cancelled, or is not done.
    """
    if job.state is JobState.DONE and job.result is not None:
        return job.result
    raise UserError(job.error or f"{job.title}: {job.state}.", job.hint)
