"""The desk's own thread: slow things one after the other, and a look around in between."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from midi.errors import UserError
from studio.live.realtime import BESIDE_PRIORITY, ask_for_real_time

TURN_S = 0.05
"""Pause between two looks; a job wakes the thread."""

Job = Callable[[], object]


class Jobs:
    """Does jobs in the order in which they came. ``add`` may be called from any thread and never waits.

    Without ``start`` nothing happens by itself, and ``work`` does by hand what the thread does.

    Args:
        look: Called after the jobs, and every ``TURN_S``.
        tell: Takes the sentence and the hint of what did not work.
    """

    def __init__(self, look: Job, tell: Callable[[str, str], None]) -> None:
        self._look, self._tell = look, tell
        self._waiting: deque[Job] = deque()
        self._wake, self._is_ending = threading.Event(), threading.Event()
        self._is_busy = False
        self._thread: threading.Thread | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything that was asked for so far has been done."""
        return not (self._waiting or self._is_busy)

    def add(self, job: Job) -> None:
        """Have something done."""
        self._waiting.append(job)
        self._wake.set()

    def start(self) -> None:
        """Begin to work, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the job at hand and leave the others."""
        self._is_ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        ask_for_real_time(BESIDE_PRIORITY)
        while not self._is_ending.is_set():
            self.work()
            self._wake.wait(TURN_S)
            self._wake.clear()

    def work(self) -> None:
        """Do what waits, then look around."""
        while self._waiting and not self._is_ending.is_set():
            self._is_busy = True
            self.attempt(self._waiting.popleft())
            self._is_busy = False
        self.attempt(self._look)

    def attempt(self, job: Job) -> None:
        """Do one thing; what goes wrong is told, and the instrument plays on."""
        try:
            job()
        except UserError as fault:
            self._tell(fault.message, fault.hint)
        except Exception as fault:  # drivers fail in ways of their own
            self._tell(f"That did not work: {type(fault).__name__}: {fault}", "See `antiphon doctor`.")
