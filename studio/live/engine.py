"""The engine: the one loop that hears the player, asks the conductor and sends what it says.

All time is the clock's, all decisions are the conductor's; here is only the wiring. The loop runs on a
thread of its own with real-time priority where the system grants it. Everything slow is elsewhere: the
model and the sound in their processes, ports in the scheduler's thread, disk in the recorder's. ``step`` can
be called by hand with any clock, which is how it is tested.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from midi.clock import Clock
from midi.messages import InputQueue, MidiInput
from midi.ports import PortEvent
from midi.scheduler import Lateness
from studio.live.hearing import CLOCK_KINDS, ClockInput, to_input
from studio.live.messages import (
    Actions,
    ControllerMoved,
    Input,
    ModelChanged,
    PlanArrived,
    SetPlaying,
    Snapshot,
    Sound,
    TempoMark,
)
from studio.live.meters import Meter, Meters
from studio.live.metronome import Metronome
from studio.live.outputs import OpenNotes
from studio.live.planner import ModelHealth, ModelState, Planner
from studio.live.realtime import on_time

__all__ = ["ClockInput", "Engine", "Meters", "Sink", "to_input"]

STEP_S = 0.001
"""Pause of the loop: the most that a key waits before the conductor hears of it."""

SNAPSHOT_INTERVAL_S = 0.050
"""How often the engine's thread renews what displays may show, unless told otherwise."""


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


class SoundSource(Protocol):
    """Something beside the conductor that is heard."""

    def due(self, now_s: float) -> list[Sound]:
        """Sounds to be given out at ``now_s``, with their times."""
        ...

    def stop(self, now_s: float) -> list[Sound]:
        """Every off that is owed."""
        ...


class VirtualPlayer(Protocol):
    """Something that plays in a person's place."""

    def due(self, now_s: float) -> list[Input]:
        """Inputs up to ``now_s``."""
        ...


class Engine:
    """Owns a performance from start to stop. Use as a context manager, or ``start`` and ``stop``.

    ``send``, ``call``, ``snapshot``, ``meters``, ``sentence``, ``model_health`` and ``stop`` may be called
    from any thread, what says so only inside ``call``.

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
        controller: Sees what the player's controllers do first, and says what goes on to the conductor.
        snapshot_s: How often the snapshot is renewed.
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
        controller: Callable[[ControllerMoved], Sequence[Input]] | None = None,
        snapshot_s: float = SNAPSHOT_INTERVAL_S,
        closers: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._conductor, self._planner, self._clock = conductor, planner, clock
        self._queue = queue if queue is not None else InputQueue()
        self._open_notes = OpenNotes()
        self._sinks: tuple[Sink, ...] = (*sinks, self._open_notes)
        self._source: SoundSource | None = None
        self._controller, self._snapshot_interval_s = controller, snapshot_s
        self._recorder, self._clock_input = recorder, clock_input
        self._player: VirtualPlayer | None = None
        self._watcher, self._metronome, self._port_lateness = watcher, metronome, port_lateness
        self._closers = closers
        self._sent: deque[Input] = deque()
        self._calls: deque[Callable[[], None]] = deque()
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

    def call(self, task: Callable[[], None]) -> None:
        """Have something done on the loop's thread before the next step; never waits. It must be quick."""
        self._calls.append(task)

    def plug(self, sink: Sink) -> None:
        """One more place for sounds, which hears what begins from now on. Inside ``call`` only."""
        self._sinks = (sink, *self._sinks)

    def unplug(self, sink: Sink) -> None:
        """Silence a place for sounds and leave it out from now on. Inside ``call`` only."""
        self._sinks = tuple(each for each in self._sinks if each is not sink)
        self._attempt([sink.panic])

    def sound(self, source: SoundSource | None) -> None:
        """What is heard beside the conductor; None for nothing. Inside ``call`` only."""
        self._source = source

    def play(self, sounds: Sequence[Sound]) -> None:
        """Give sounds to every sink. Inside ``call`` only."""
        for sound in sounds:
            for sink in self._sinks:
                sink.play(sound)

    def click(self, metronome: Metronome | None, *, mark: TempoMark | None = None) -> None:
        """Another metronome, or none; ``mark`` is where musical time stands. Inside ``call`` only."""
        self._metronome = metronome
        if metronome is not None and mark is not None:
            metronome.follow([mark])

    def change_planner(self, planner: Planner, now_s: float) -> None:
        """Plan with another model from now on; the one before stays open. Inside ``call`` only."""
        self._planner = planner
        self._asked_s.clear()
        self._sent.appendleft(ModelChanged(now_s, is_ready=False))

    def snapshot(self) -> Snapshot:
        """What the conductor showed last, at most ``snapshot_s`` ago."""
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
        while self._calls:
            self._calls.popleft()()
        inputs = self._gather(now_s)
        actions = self._conductor.step(now_s, inputs)
        self._carry_out(actions)
        if self._recorder is not None and (inputs or actions.sounds or actions.tempo):
            self._recorder.record(now_s, inputs, actions)
        self._click(now_s, inputs, actions)
        if self._source is not None:
            self.play(self._source.due(now_s))
        if now_s - self._snapshot_s >= self._snapshot_interval_s:
            self._snapshot, self._snapshot_s = self._conductor.snapshot(now_s), now_s
        return actions

    def _gather(self, now_s: float) -> list[Input]:
        found = []
        while self._sent:
            found.append(self._sent.popleft())
        found += self._planner.poll(now_s)
        for item in found:
            self._note_arrival(item)
        for message in self._queue.drain():
            found += self._translate(message)
        if self._player is not None:
            found += self._player.due(now_s)
        if self._clock_input is not None:
            found += self._clock_input.due(now_s)
        if self._watcher is not None:
            for event in self._watcher.poll(now_s):
                self._sentence = f"The MIDI port {event.name} {event.change}."
        return found

    def _translate(self, message: MidiInput) -> list[Input]:
        if message.kind in CLOCK_KINDS:
            return self._clock_input.take(message) if self._clock_input is not None else []
        item = to_input(message)
        if isinstance(item, ControllerMoved) and self._controller is not None:
            return list(self._controller(item))
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
        self.play(actions.sounds)
        if actions.request is not None:
            self._asked_s.append((actions.request.number, self._clock.now_s()))
            self._planner.submit(actions.request)

    def _click(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        if self._metronome is None:
            return
        if any(isinstance(item, SetPlaying) and not item.is_playing for item in inputs):
            self._metronome.stop()
        self._metronome.follow(actions.tempo)
        self.play(self._metronome.due(now_s))

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
        if self._source is not None:
            self.play(self._source.stop(now_s))
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
            self._attempt([*recorder, *self._closers, self._planner.close])
            atexit.unregister(self.stop)
