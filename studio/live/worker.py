"""The model beside the engine: a process that answers plan requests.

A crash, a hang or a kill of the process never reaches the engine: it shows as ``ModelChanged(False)``,
the process is started again (at once, then with growing pauses, for ever), and faults travel as data.
Why a process and not a thread: a busy model in the engine's interpreter holds its lock (measured in
milliseconds at p99), and a process can be niced and killed.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context
from typing import TYPE_CHECKING, TypeAlias, cast

from midi.errors import UserError
from models.sequence.plan import Plan, PlanRequest
from studio.live.childprocess import exit_with_parent, leave_the_terminal
from studio.live.messages import Input, ModelChanged, PlanArrived
from studio.live.planner import Interruptible, ModelHealth, ModelState, PlannerSpec, warm_up_request
from studio.live.realtime import BESIDE_PRIORITY, ask_for_real_time

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

# Windows has other connection and mask types; both sides here use only what they share.
_Connection: TypeAlias = "connection.Connection[object, object]"

RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pause before each restart in a row; the last one repeats."""

STEADY_S = 20.0
"""A process that lived this long after it was ready starts the pauses anew."""

HANG_S = 10.0
"""A request without an answer for this long means that the process hangs."""

START_S = 120.0
"""Longest start (import, weights, warm-up) before the process counts as hanging."""

SPARE_AFTER_S = 5.0
"""A spare process is loaded this long after the first is ready, when the start's own work is over."""

NICENESS = 5
"""Added to the model's niceness, so that the engine and the window go first."""


# The child's side.


@dataclass(frozen=True, slots=True)
class _Ready:
    name: str
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fault:
    message: str
    hint: str
    is_final: bool


def _settle_child() -> None:
    """Make this process a quiet, modest neighbour of the engine."""
    leave_the_terminal()
    # One thread computes fastest beside an engine and a window on two cores (research, layouts).
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICENESS)
    exit_with_parent()


def _child_main(link: _Connection, spec: PlannerSpec) -> None:
    """Build the planner, warm it up, then answer requests until the link closes."""
    _settle_child()
    with suppress(EOFError, OSError):
        try:
            planner = spec.build()
            planner.plan(warm_up_request())
            if isinstance(planner, Interruptible):
                planner.is_awaited = link.poll
            link.send(_Ready(str(getattr(planner, "name", "")), tuple(getattr(planner, "parts", ()))))
            while True:
                request = cast("PlanRequest | None", link.recv())
                if request is not None:  # a word that somebody waits, which came too late
                    link.send(planner.plan(request))
        except UserError as error:
            link.send(_Fault(error.message, error.hint, is_final=True))
        except (EOFError, ConnectionError):
            return
        except Exception as error:
            # Whatever a model raises, the engine plays on.
            link.send(_Fault(f"The model failed: {type(error).__name__}: {error}", "", is_final=False))


# The parent's side.


class ModelProcess:
    """A planner in a process of its own, supervised from a thread.

    ``submit``, ``poll`` and ``health`` may be called from any thread and never wait. Exactly one
    request is in the process at a time; the newest of those submitted meanwhile waits here. A request
    that was in a process when it died is lost: its time has passed, and the conductor asks again.

    Args:
        spec: How the process builds its planner.
        hang_s: Longest wait for one plan before the process is killed and started again.
        start_s: Longest wait for it to come up.
        pauses_s: Pause before each restart in a row.
        spare_after_s: A second process is loaded this long after the first is ready, and takes over at
            once when that one dies; loading takes seconds, in which plans would be missing. Infinity
            for none.
    """

    def __init__(
        self,
        spec: PlannerSpec,
        *,
        hang_s: float = HANG_S,
        start_s: float = START_S,
        pauses_s: tuple[float, ...] = RESTART_PAUSES_S,
        spare_after_s: float = SPARE_AFTER_S,
    ) -> None:
        self._spec = spec
        self._hang_s, self._start_s, self._pauses_s = hang_s, start_s, pauses_s
        self._spare_after_s = spare_after_s
        self._spare: _Served | None = None
        self._lock = threading.Lock()
        self._slot: PlanRequest | None = None
        self._news: deque[bool | Plan] = deque()
        self._health = ModelHealth(ModelState.STARTING)
        self._is_closing = threading.Event()
        self._wake_out, self._wake_in = get_context("spawn").Pipe(duplex=False)
        self._is_woken = False
        self._thread = threading.Thread(target=self._supervise, name="model-supervisor", daemon=True)
        self._thread.start()

    def submit(self, request: PlanRequest) -> None:
        """Put a request into the slot; one that still waits there is replaced."""
        with self._lock:
            self._slot = request
        self._wake()

    def poll(self, now_s: float) -> list[Input]:
        """Plans and state changes since the last call, stamped ``now_s``."""
        found: list[Input] = []
        while self._news:
            item = self._news.popleft()
            found.append(ModelChanged(now_s, item) if isinstance(item, bool) else PlanArrived(now_s, item))
        return found

    def health(self) -> ModelHealth:
        """How the process is."""
        return self._health

    def close(self) -> None:
        """End the process and wait for it, a second at most; may be called twice."""
        if not self._is_closing.is_set():
            self._is_closing.set()
            self._wake()
        self._thread.join(timeout=5.0)

    def _wake(self) -> None:
        with self._lock:
            if self._is_woken or self._wake_in.closed:
                return
            self._is_woken = True
            # The pipe holds at most this one message, so writing it cannot wait.
            self._wake_in.send_bytes(b"!")

    def _drain_wake(self) -> None:
        with self._lock:
            if self._is_woken:
                self._wake_out.recv_bytes()
                self._is_woken = False

    def _supervise(self) -> None:
        """Keep one process running until closed; runs in the supervisor thread."""
        ask_for_real_time(BESIDE_PRIORITY)
        if hasattr(signal, "pthread_sigmask"):
            # The child inherits the mask: an interrupt meant for the program must not end it mid-import.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        failures = restarts = 0
        try:
            while not self._is_closing.is_set():
                ready_s = self._run_child(restarts)
                if self._is_closing.is_set() or self._health.state is ModelState.REFUSED:
                    break
                failures = 1 if ready_s >= STEADY_S else failures + 1
                restarts += 1
                if self._spare is None:
                    self._is_closing.wait(self._pauses_s[min(failures, len(self._pauses_s)) - 1])
            self._end_spare()
            self._is_closing.wait()
        finally:
            self._end_spare()
            with self._lock:
                self._wake_in.close()
                self._wake_out.close()
            self._health = replace(self._health, state=ModelState.CLOSED, restarts=restarts, pid=None)

    def _run_child(self, restarts: int) -> float:
        """Serve one process, the spare or a new one, until it is gone; returns how long it was ready (s)."""
        served, self._spare = self._spare, None
        try:
            served = served or self._spawn()
        except OSError as error:
            fault = _Fault(f"The model process could not be started: {error}.", "", is_final=False)
            self._report_fault(fault, restarts)
            return 0.0
        try:
            state = ModelState.RESTARTING if restarts else ModelState.STARTING
            self._health = replace(self._health, state=state, restarts=restarts, pid=served.process.pid)
            fault = self._serve(served, restarts)
        finally:
            served.end()
        if not self._is_closing.is_set():
            self._report_fault(fault, restarts)
        return time.monotonic() - served.ready_at_s if served.ready_at_s is not None else 0.0

    def _spawn(self) -> _Served:
        """A new process; it says when it is ready. ``OSError`` when the system has no room for it."""
        context = get_context("spawn")
        link, far_end = context.Pipe()
        process = context.Process(
            target=_child_main, args=(far_end, self._spec), name="antiphon-model", daemon=True
        )
        try:
            process.start()
        except OSError:
            link.close()
            raise
        finally:
            far_end.close()
        return _Served(link, process)

    def _spare_due_s(self, served: _Served) -> float:
        """Seconds until the spare is to be loaded; infinity when it is there already, or not yet wanted."""
        if self._spare is not None or served.ready_at_s is None:
            return math.inf
        return served.ready_at_s + self._spare_after_s - time.monotonic()

    def _load_spare(self) -> None:
        """Start the spare; its messages wait unread until it takes over."""
        try:
            self._spare = self._spawn()
        except OSError:
            # No room for two: go on with one.
            self._spare_after_s = math.inf

    def _end_spare(self) -> None:
        if self._spare is not None:
            self._spare.end()
            self._spare = None

    def _report_fault(self, fault: _Fault, restarts: int) -> None:
        state = ModelState.REFUSED if fault.is_final else ModelState.RESTARTING
        self._health = ModelHealth(state, fault.message, fault.hint, restarts, name=self._health.name)
        self._news.append(False)

    def _serve(self, served: _Served, restarts: int) -> _Fault:
        """Pass requests and plans between the slot and one process until it ends; says why it ended."""
        deadline_s = time.monotonic() + self._start_s
        while not self._is_closing.is_set():
            if served.is_idle and (request := self._take_slot()) is not None:
                if not served.send(request):
                    break
                deadline_s = time.monotonic() + self._hang_s
            elif not served.is_idle and self._slot is not None and not served.hurry():
                break
            events = self._await(served, deadline_s)
            if served.link in events:
                message = served.receive()
                if isinstance(message, _Fault):
                    return message
                if message is None:
                    break
                self._take_message(message, served, restarts)
            elif served.process.sentinel in events:
                break
            elif not (events or served.is_idle) and time.monotonic() >= deadline_s:
                return _Fault("The model hangs and is started again.", "", is_final=False)
        return _Fault("The model process died and is started again.", "", is_final=False)

    def _await(self, served: _Served, deadline_s: float) -> set[object]:
        """Wait for the process, a submitted request, the deadline, or the time to load the spare."""
        if self._spare_due_s(served) <= 0.0:
            self._load_spare()
        patience_s = math.inf if served.is_idle else max(0.0, deadline_s - time.monotonic())
        timeout_s = min(patience_s, self._spare_due_s(served))
        found = connection.wait(
            [served.link, served.process.sentinel, self._wake_out],
            None if timeout_s == math.inf else timeout_s,
        )
        events = set[object](found)
        if self._wake_out in events:
            self._drain_wake()
        return events

    def _take_slot(self) -> PlanRequest | None:
        with self._lock:
            request, self._slot = self._slot, None
        return request

    def _take_message(self, message: _Ready | Plan, served: _Served, restarts: int) -> None:
        served.is_idle = True
        if isinstance(message, Plan):
            self._news.append(message)
            return
        served.ready_at_s = time.monotonic()
        self._health = ModelHealth(
            ModelState.READY, restarts=restarts, pid=served.process.pid, name=message.name,
            parts=message.parts,
        )  # fmt: skip
        self._news.append(True)


class _Served:
    """One running process and the link to it; used by the supervisor thread only."""

    def __init__(self, link: _Connection, process: SpawnProcess) -> None:
        self.link, self.process = link, process
        self.is_idle = self.is_hurried = False
        self.ready_at_s: float | None = None

    def send(self, request: PlanRequest) -> bool:
        """Hand a request to the waiting process; False when it is gone."""
        self.is_idle = self.is_hurried = False
        return self._send(request)

    def hurry(self) -> bool:
        """Tell the busy process, once a request, that another one waits; False when it is gone."""
        if self.is_hurried or self.ready_at_s is None:
            return True
        self.is_hurried = True
        return self._send(None)

    def _send(self, message: PlanRequest | None) -> bool:
        try:
            self.link.send(message)
        except OSError:
            return False
        return True

    def receive(self) -> _Ready | _Fault | Plan | None:
        """The next message; None when the process is gone."""
        try:
            return cast("_Ready | _Fault | Plan", self.link.recv())
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Kill what is left and free the handles."""
        self.link.close()
        if self.process.pid is None:
            return
        self.process.kill()
        self.process.join(timeout=5.0)
        with suppress(ValueError):
            self.process.close()
