"""The engine: the one loop that hears the player, asks the conductor and sends what it says.

All time is the clock's, all decisions are the conductor's; here is only the wiring. The loop runs on a
thread of its own with real-time priority where the system grants it. Everything slow is elsewhere: the
model in its process, sound in the device's callback, ports in the scheduler's thread, disk in the
recorder's. ``step`` can be called by hand with any clock, which is how it is tested.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from midi.clock import Clock
from midi.follower import ClockFollower
from midi.messages import InputQueue, Kind, MidiInput
from midi.ports import PortEvent
from midi.scheduler import Lateness
from studio.live.messages import (
    Actions,
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    ModelChanged,
    PlanArrived,
    SetPlaying,
    Snapshot,
    Sound,
    SourceLost,
)
from studio.live.meters import Meter, Percentiles
from studio.live.metronome import Metronome
from studio.live.outputs import OpenNotes
from studio.live.planner import ModelHealth, ModelState, Planner
from studio.live.realtime import on_time

STEP_S = 0.001
"""Pause of the loop: the most that a key waits before the conductor hears of it."""

SNAPSHOT_INTERVAL_S = 0.050
"""How often the engine's thread renews what displays may show."""

FOLLOW_INTERVAL_S = 0.020
"""How often the conductor is told the master's beat: as often as pulses come at 125 bpm."""


class ConductorLike(Protocol):
    """What the engine needs of the conductor."""

    def step(self, now_s: float, inputs: Sequence[Input]) -> Actions:
        """Decide."""
        ...

    def finish(self, now_s: float) -> Actions:
        """End every note."""
        ...

    def snapshot(self, now_s: float) -> Snapshot:
        """What a display may show."""
        ...


class Sink(Protocol):
    """Where sounds go."""

    def play(self, sound: Sound) -> None:
        """Take one sound; must not wait."""
        ...

    def panic(self) -> None:
        """Silence everything."""
        ...


class Recorder(Protocol):
    """Where a performance is written down."""

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step; must not wait."""
        ...

    def close(self) -> None:
        """Put everything on disk."""
        ...


class Watcher(Protocol):
    """Who looks after ports that come and go."""

    def poll(self, now_s: float) -> Sequence[PortEvent]:
        """Look if it is time to; what changed."""
        ...


class VirtualPlayer(Protocol):
    """Something that plays in a person's place."""

    def due(self, now_s: float) -> list[Input]:
        """Inputs up to ``now_s``."""
        ...


@dataclass(frozen=True, slots=True)
class Meters:
    """Figures of the engine itself.

    Attributes:
        plan_latency: From asking for a plan to having it.
        lateness: By how much the loop woke late.
        port_lateness: How late messages left for the port; None without one.
        rows: Event rows that the model read or drew.
        compute_s: Seconds that it needed for them.
        priority: ``real-time`` or ``ordinary``.
        hanging_notes: Notes that are on.
    """

    plan_latency: Percentiles = field(default_factory=Percentiles)
    lateness: Percentiles = field(default_factory=Percentiles)
    port_lateness: Lateness | None = None
    rows: int = 0
    compute_s: float = 0.0
    priority: str = "ordinary"
    hanging_notes: int = 0


def to_input(message: MidiInput) -> Input | None:
    """What a MIDI message means to the conductor; channels do not matter. None for nothing."""
    if message.kind is Kind.NOTE_ON:
        return KeyDown(message.time_s, message.data1, message.data2, message.source)
    if message.kind is Kind.NOTE_OFF:
        return KeyUp(message.time_s, message.data1, message.source)
    if message.kind is Kind.CONTROL:
        return ControllerMoved(message.time_s, message.data1, message.data2, message.source)
    if message.kind is Kind.SOURCE_LOST:
        return SourceLost(message.time_s, message.source)
    return None


class ClockInput:
    """A MIDI clock as inputs: the master's beat, start and stop. One thread only."""

    def __init__(self) -> None:
        self.follower = ClockFollower()
        self._next_s = float("-inf")

    def take(self, message: MidiInput) -> list[Input]:
        """Feed one transport message."""
        at_s, follower = message.time_s, self.follower
        match message.kind:
            case Kind.CLOCK:
                follower.pulse(at_s)
            case Kind.SONG_POSITION:
                follower.song_position(message.value14)
            case Kind.START:
                follower.start(at_s)
                return [SetPlaying(at_s, is_playing=True)]
            case Kind.CONTINUE:
                follower.resume(at_s)
                return [SetPlaying(at_s, is_playing=True)]
            case Kind.STOP:
                follower.stop(at_s)
                return [SetPlaying(at_s, is_playing=False)]
        return []

    def due(self, now_s: float) -> list[Input]:
        """The master's beat, a few dozen times a second while it runs."""
        bpm = self.follower.bpm
        if now_s < self._next_s or bpm is None or not self.follower.running:
            return []
        self._next_s = now_s + FOLLOW_INTERVAL_S
        return [FollowClock(now_s, self.follower.beat_at(now_s), bpm)]


_CLOCK_KINDS = frozenset({Kind.CLOCK, Kind.START, Kind.CONTINUE, Kind.STOP, Kind.SONG_POSITION})


class Engine:
    """Owns a performance from start to stop. Use as a context manager, or ``start`` and ``stop``.

    ``send``, ``snapshot``, ``meters``, ``sentence`` and ``stop`` may be called from any thread.

    Args:
        conductor: Decides.
        planner: The model.
        clock: Its time is everyone's: ports, computer keys and sinks must use the same.
        queue: Where port threads put what they receive.
        sinks: Where sounds go.
        recorder: Writes the take.
        clock_input: Follows a MIDI clock; without it transport messages are ignored.
        watcher: Looks after ports that come and go.
        metronome: Clicks along.
        port_lateness: Asks the output scheduler how late it was.
        closers: Called by ``stop`` in this order, each whatever the others do: devices, schedulers, ports.
    """

    def __init__(
        self,
        conductor: ConductorLike,
        planner: Planner,
        clock: Clock,
        *,
        queue: InputQueue | None = None,
        sinks: Sequence[Sink] = (),
        recorder: Recorder | None = None,
        clock_input: ClockInput | None = None,
        watcher: Watcher | None = None,
        metronome: Metronome | None = None,
        port_lateness: Callable[[], Lateness | None] | None = None,
        closers: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._conductor, self._planner, self._clock = conductor, planner, clock
        self._queue = queue if queue is not None else InputQueue()
        self._open_notes = OpenNotes()
        self._sinks: tuple[Sink, ...] = (*sinks, self._open_notes)
        self._recorder, self._clock_input = recorder, clock_input
        self._player: VirtualPlayer | None = None
        self._watcher, self._metronome, self._port_lateness = watcher, metronome, port_lateness
        self._closers = (*closers, planner.close)
        self._sent: deque[Input] = deque()
        self._asked_s: deque[tuple[int, float]] = deque(maxlen=64)
        self._plan_latency, self._lateness = Meter(), Meter()
        self._rows, self._compute_s = 0, 0.0
        self._priority = "ordinary"
        self._sentence = ""
        self._snapshot = conductor.snapshot(clock.now_s())
        self._snapshot_s = float("-inf")
        self._is_stopping = threading.Event()
        self._stop_lock = threading.Lock()
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self.fault: BaseException | None = None

    def __enter__(self) -> Engine:
        """Start the loop."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, whatever happened."""
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the loop turns: false before the start, after a stop and after a fault."""
        return self._thread is not None and self._thread.is_alive()

    def let_play(self, player: VirtualPlayer) -> None:
        """Let something play in a person's place from the next step on."""
        self._player = player

    def send(self, item: Input) -> None:
        """Pass an input to the next step; never waits."""
        self._sent.append(item)

    def snapshot(self) -> Snapshot:
        """What the conductor showed last, at most ``SNAPSHOT_INTERVAL_S`` ago."""
        return self._snapshot

    def meters(self) -> Meters:
        """Figures so far."""
        return Meters(
            plan_latency=self._plan_latency.percentiles(),
            lateness=self._lateness.percentiles(),
            port_lateness=self._port_lateness() if self._port_lateness else None,
            rows=self._rows,
            compute_s=self._compute_s,
            priority=self._priority,
            hanging_notes=self._open_notes.count(),
        )

    def model_health(self) -> ModelHealth:
        """How the model is."""
        return self._planner.health()

    def sentence(self) -> str:
        """The latest thing that a person should know; empty while all is well."""
        health = self._planner.health()
        if health.sentence and health.state is not ModelState.READY:
            return f"{health.sentence} {health.hint}".strip()
        return self._sentence

    def step(self, now_s: float) -> Actions:
        """One turn: gather what has come in by ``now_s``, ask the conductor, send what it says."""
        inputs = self._gather(now_s)
        actions = self._conductor.step(now_s, inputs)
        self._carry_out(actions)
        self._click(now_s, inputs, actions)
        if now_s - self._snapshot_s >= SNAPSHOT_INTERVAL_S:
            self._snapshot, self._snapshot_s = self._conductor.snapshot(now_s), now_s
        if self._recorder is not None and (inputs or actions.sounds or actions.tempo):
            self._recorder.record(now_s, inputs, actions)
        return actions

    def _gather(self, now_s: float) -> list[Input]:
        found = self._planner.poll(now_s)
        for item in found:
            self._note_arrival(item)
        for message in self._queue.drain():
            found += self._translate(message)
        while self._sent:
            found.append(self._sent.popleft())
        if self._player is not None:
            found += self._player.due(now_s)
        if self._clock_input is not None:
            found += self._clock_input.due(now_s)
        if self._watcher is not None:
            for event in self._watcher.poll(now_s):
                self._sentence = f"The MIDI port {event.name} {event.change}."
        return found

    def _translate(self, message: MidiInput) -> list[Input]:
        if message.kind in _CLOCK_KINDS:
            return self._clock_input.take(message) if self._clock_input is not None else []
        item = to_input(message)
        return [] if item is None else [item]

    def _note_arrival(self, item: Input) -> None:
        """Meter a plan; notice a model that came or went."""
        if isinstance(item, PlanArrived):
            self._rows += item.plan.rows
            self._compute_s += item.plan.compute_s
            for number, asked_s in self._asked_s:
                if number == item.plan.number:
                    self._plan_latency.add(item.time_s - asked_s)
                    break
        elif isinstance(item, ModelChanged):
            self._asked_s.clear()

    def _carry_out(self, actions: Actions) -> None:
        if actions.is_panic:
            for sink in self._sinks:
                sink.panic()
        for sound in actions.sounds:
            for sink in self._sinks:
                sink.play(sound)
        if actions.request is not None:
            self._asked_s.append((actions.request.number, self._clock.now_s()))
            self._planner.submit(actions.request)

    def _click(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        if self._metronome is None:
            return
        if any(isinstance(item, SetPlaying) and not item.is_playing for item in inputs):
            self._metronome.stop()
        self._metronome.follow(actions.tempo)
        for sound in self._metronome.due(now_s):
            for sink in self._sinks:
                sink.play(sound)

    def start(self) -> None:
        """Begin to turn, on a thread of its own."""
        if self._thread is None:
            atexit.register(self.stop)
            self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            with on_time() as self._priority:
                self._turn()
        except Exception as error:
            self.fault = error
            self._sentence = f"The engine stopped: {type(error).__name__}: {error}"
        finally:
            self._silence()

    def _turn(self) -> None:
        due_s = self._clock.now_s()
        while not self._is_stopping.is_set():
            now_s = self._clock.now_s()
            self._lateness.add(max(0.0, now_s - due_s))
            self.step(now_s)
            due_s = self._clock.now_s() + STEP_S
            self._is_stopping.wait(STEP_S)
        # What was sent before the stop still counts.
        self.step(self._clock.now_s())

    def _silence(self) -> None:
        """Every off that is owed, and then silence by force, each whatever fails before."""
        tasks: list[Callable[[], None]] = [self._finish, *(sink.panic for sink in self._sinks)]
        self._attempt(tasks)

    def _finish(self) -> None:
        now_s = self._clock.now_s()
        actions = self._conductor.finish(now_s)
        self._carry_out(actions)
        self._snapshot = self._conductor.snapshot(now_s)
        if self._recorder is not None:
            self._recorder.record(now_s, (), actions)

    def _attempt(self, tasks: Sequence[Callable[[], None]]) -> None:
        for task in tasks:
            try:
                task()
            except Exception as error:
                self.fault = self.fault or error

    def stop(self) -> None:
        """End every note, close everything, keep the take. Calling it again does nothing."""
        with self._stop_lock:
            if self._is_stopped:
                return
            self._is_stopped = True
            self._is_stopping.set()
            if self._thread is not None:
                self._thread.join()
            else:
                self._silence()
            recorder = [self._recorder.close] if self._recorder is not None else []
            self._attempt([*recorder, *self._closers])
            atexit.unregister(self.stop)
