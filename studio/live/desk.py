"""The desk: the running instrument. Ports, sound, conductor, model, takes; told by commands, seen in views.

Three threads work here. The engine's never waits: it steps the conductor and gives sounds out. The desk's own
does what takes time: devices, models, files. The takes' writes. Commands may come from any thread; those of
the conductor are stamped on arrival and go straight to the engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from types import TracebackType

from midi.clock import Clock
from midi.events import DRUMS
from midi.messages import InputQueue
from midi.portsystem import MidiSystem
from midi.systemclock import SystemClock
from models.sequence.plan import Steering
from studio.live.conductor import Conductor
from studio.live.deskcommands import Commands, Parts
from studio.live.deskdevices import DeskDevices
from studio.live.deskjobs import Jobs
from studio.live.deskmodel import RULES, ModelShelf, StartingPlanner, StartPlanner, start_planner
from studio.live.deskoptions import DeskOptions
from studio.live.deskparts import AskedParts
from studio.live.deskplayback import Playback
from studio.live.deskview import Command, DeskView, Devices, Notice, TakeState
from studio.live.engine import ClockInput, Engine, Sink, VirtualPlayer
from studio.live.feel import Feel
from studio.live.learn import Learner
from studio.live.messages import Actions, Input, Steer, Voice
from studio.live.meters import Meters
from studio.live.planner import Planner
from studio.live.roll import ChordWatch, Roll, sounding_pitches
from studio.live.take import TAKE_NAME, TakeHeader
from studio.live.takelog import TakeLog
from studio.settings import takes_folder

__all__ = ["Desk", "DeskOptions"]

SNAPSHOT_S = 1 / 60
"""How often what displays show is renewed: as often as they draw."""

MEASURE_S = 0.5
"""How often the figures of the engine are renewed."""

KEPT_NOTICES = 8


class Desk:
    """The running instrument. ``do``, ``view`` and ``close`` may be called from any thread.

    Use as a context manager, or ``start`` and ``close``. Without ``start`` nothing runs by itself, and
    ``turn`` does by hand, on any clock, what the threads do.

    Args:
        options: How it starts.
        system: The MIDI system; None finds one.
        planner: The first model; None starts the one of the options.
        clock: Its time is everyone's; None is the machine's.
        start: Starts a model of a name on a torch device.
        sinks: More places for sounds.
    """

    def __init__(
        self,
        options: DeskOptions | None = None,
        *,
        system: MidiSystem | None = None,
        planner: Planner | None = None,
        clock: Clock | None = None,
        start: StartPlanner = start_planner,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.options = options = options or DeskOptions()
        self._clock = clock or SystemClock()
        self._queue = InputQueue()
        self._notices: tuple[Notice, ...] = ()
        self._n_notices = 0
        self._lock = threading.Lock()
        self._chord = ChordWatch()
        self._looked, self._meters, self._measured_s = Devices(), Meters(), float("-inf")
        self._said = ""
        self._is_started = self._are_ports_open = False
        self._has_model = planner is not None
        self._has_unsaved = False
        self._jobs = Jobs(self._look, self._tell)
        self._learner = Learner(self._press, self._keep_learned)
        self._roll = Roll()
        self._takes = TakeLog(
            options.takes or takes_folder(),
            self._header,
            self._clock.now_s,
            opening=self._opening,
            ends_at_stop=not options.is_one_take,
            is_on=options.is_recording,
        )
        first = planner or StartingPlanner()
        closers: list[Callable[[], None]] = [self._jobs.stop, self._save_learned]
        conductor = Conductor(options.config())
        self._engine = Engine(
            conductor,
            first,
            self._clock,
            queue=self._queue,
            sinks=sinks,
            recorder=_Listener(self),
            clock_input=ClockInput() if options.follows_clock else None,
            port_lateness=lambda: self._devices.lateness,
            controller=self._learner.take,
            snapshot_s=SNAPSHOT_S,
            closers=closers,
        )
        self._devices = self._make_devices(system)
        self._models = self._make_models(first, start)
        self._parts = AskedParts(
            options.steering.instruments,
            lambda parts: self._engine.send(Steer(self._clock.now_s(), "instruments", parts)),
            lambda sentence: self._tell(sentence, is_fault=False),
        )
        closers += [self._devices.close_sound, self._devices.close_ports, self._models.close]
        self._playback = Playback(self._engine, self._clock)
        parts = Parts(
            self._clock, conductor, self._engine, self._devices, self._models, self._playback, self._learner,
            self._takes, self._roll, self._jobs, self._tell,
        )  # fmt: skip
        self._commands = Commands(parts, options)

    def _make_devices(self, system: MidiSystem | None) -> DeskDevices:
        engine = self._engine
        devices = DeskDevices(
            system,
            self._queue,
            self._clock,
            plug=lambda sink: engine.call(lambda: engine.plug(sink)),
            unplug=lambda sink: engine.call(lambda: engine.unplug(sink)),
            tell=self._tell,
            note=lambda sentence: self._tell(sentence, is_fault=False),
        )
        devices.volumes_db = dict(zip(Voice, self.options.volumes_db, strict=True))
        return devices

    def _make_models(self, first: Planner, start: StartPlanner) -> ModelShelf:
        engine, options = self._engine, self.options

        def swap(planner: Planner) -> None:
            engine.call(lambda: engine.change_planner(planner, self._clock.now_s()))

        return ModelShelf(
            first, options.model, swap=swap, tell=self._tell, start=lambda name: start(name, options.device)
        )

    # From start to close.

    def __enter__(self) -> Desk:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()

    def open_ports(self) -> tuple[str, ...]:
        """Open the ports of the options now, instead of behind the start; sentences about what is missing.

        Raises:
            UserError: A port can't be had, where the options are strict. Nothing is open then.
        """
        self._are_ports_open = True
        options = self.options
        return self._devices.open_ports(
            options.in_port, options.out_port, options.virtual, is_strict=options.is_strict
        )

    def start(self) -> None:
        """Begin to turn; sound, ports and the model come up behind, in this order."""
        if self._is_started:
            return
        self.set_up()
        self._engine.start()
        self._takes.start()
        self._jobs.start()

    def set_up(self) -> None:
        """Ask for everything to be opened; ``start`` does."""
        self._is_started = True
        options, add = self.options, self._jobs.add
        add(lambda: self._devices.choose_sound(options.sound))
        add(lambda: self._devices.prepare(options.player_instrument))
        if not self._are_ports_open:
            add(self._open_ports_behind)
        if options.keeps_learned:
            add(self._load_learned)
        if not self._has_model:
            add(lambda: self._models.begin(options.model))

    def _open_ports_behind(self) -> None:
        for sentence in self.open_ports():
            self._tell(sentence)

    def turn(self) -> Actions:
        """Everything once, by hand: slow things, one step of the engine, the takes."""
        self._jobs.work()
        actions = self._engine.step(self._clock.now_s())
        self._takes.flush()
        return actions

    def close(self) -> None:
        """End every note, the take and every device; calling it again does nothing."""
        self._engine.stop()

    @property
    def is_settled(self) -> bool:
        """Whether every slow thing that was asked for so far has been done."""
        return self._jobs.is_idle

    @property
    def has_input(self) -> bool:
        """Whether any MIDI input is open."""
        return self._devices.has_input

    @property
    def engine(self) -> Engine:
        """The engine, for reports."""
        return self._engine

    @property
    def takes(self) -> TakeLog:
        """What is kept, for reports."""
        return self._takes

    @property
    def devices(self) -> DeskDevices:
        """Ports and sound, for reports."""
        return self._devices

    @property
    def n_refused(self) -> int:
        """MIDI messages refused because too many came at once."""
        return self._queue.n_refused

    def let_play(self, player: VirtualPlayer) -> None:
        """Let something play in a person's place."""
        self._engine.let_play(player)

    def do(self, command: Command) -> None:
        """Take a command; never waits. What can't be done becomes a notice."""
        if (
            isinstance(command, Steer)
            and command.target == "instruments"
            and isinstance(command.value, tuple)
        ):
            self._parts.ask(command.value)
        self._jobs.attempt(lambda: self._commands.do(command))

    # The desk's own thread.

    def _look(self) -> None:
        """Look after everything that changes by itself."""
        now_s, attempt = self._clock.now_s(), self._jobs.attempt
        attempt(lambda: self._devices.poll(now_s))
        attempt(self._models.poll)
        self._parts.look(self._models.playing.health())
        self._playback.poll(now_s)
        self._looked = self._devices.look()
        if now_s - self._measured_s >= MEASURE_S:
            self._measured_s = now_s
            self._devices.measure()
            self._meters = self._engine.meters()
        fault = self._engine.fault
        stopped = "" if fault is None else f"The engine stopped: {type(fault).__name__}: {fault}"
        problem = self._takes.problem or stopped
        if problem and problem != self._said:
            self._tell(problem)
        self._said = problem

    def _tell(self, sentence: str, hint: str = "", *, is_fault: bool = True) -> None:
        with self._lock:
            self._n_notices += 1
            notice = Notice(self._n_notices, sentence, hint, is_fault)
            self._notices = (*self._notices, notice)[-KEPT_NOTICES:]

    def _press(self, target: str) -> None:
        self._commands.press(target)

    def _load_learned(self) -> None:
        from studio.live.controllers import load_controllers  # noqa: PLC0415 - pydantic takes its time

        learned, problem = load_controllers()
        self._learner.restore(learned)
        if problem:
            self._tell(problem)

    def _keep_learned(self) -> None:
        if self.options.keeps_learned:
            self._has_unsaved = True
            self._jobs.add(self._save_learned)

    def _save_learned(self) -> None:
        if not self._has_unsaved:
            return
        self._has_unsaved = False
        from studio.live.controllers import save_controllers  # noqa: PLC0415

        save_controllers(self._learner.learned)

    # What is seen.

    def view(self) -> DeskView:
        """One look at everything; some microseconds."""
        snapshot, models, commands = self._engine.snapshot(), self._models, self._commands
        pitches = sounding_pitches(snapshot, player_drums=commands.instrument == DRUMS)
        volumes = self._devices.volumes_db
        chord = self._chord.see(snapshot.time_s, pitches)
        return DeskView(
            snapshot=snapshot,
            roll=self._roll.look(snapshot),
            chord=chord,
            chords=self._chord.keep(snapshot),
            steering=snapshot.steering,
            feel=snapshot.feel,
            meter=commands.meter,
            is_metronome_on=commands.is_metronome_on,
            player_instrument=commands.instrument,
            volumes_db=(volumes[Voice.PLAYER], volumes[Voice.PARTNER], volumes[Voice.METRONOME]),
            peak_db=self._devices.peak_db,
            meters=self._meters,
            underruns=self._devices.underruns,
            model=models.playing.health(),
            model_name=models.name(),
            model_loading=models.loading(),
            devices=self._looked,
            take=self._take_state(),
            learning=self._learner.target,
            learned=self._learner.learned,
            notices=self._notices,
            is_alive=self._engine.is_running,
        )

    def _take_state(self) -> TakeState:
        log, (path, position_s, duration_s) = self._takes.state(), self._playback.state()
        # A take in the spare folder is a file of its own; in its place it is a folder.
        finished = tuple(each.parent if each.name == TAKE_NAME else each for each in log.finished)
        is_on = self._commands.is_recording
        return TakeState(is_on, log.path, log.length_s, finished, path, position_s, duration_s)

    def _header(self) -> TakeHeader:
        snapshot, model = self._engine.snapshot(), self._models.name()
        return TakeHeader(
            created=datetime.now().isoformat(timespec="seconds"),
            model="" if model == RULES else model,
            mode=snapshot.mode.value,
            seed=self.options.seed,
            bpm=snapshot.bpm,
            metre=self._commands.meter_in_force,
        )

    def _opening(self) -> tuple[Steer, ...]:
        """How the partner is asked to play where a take begins, as far as that is not the usual."""
        snapshot = self._engine.snapshot()
        return tuple(
            Steer(snapshot.time_s, part.name, getattr(now, part.name))
            for now, usual in ((snapshot.steering, Steering()), (snapshot.feel, Feel()))
            for part in fields(usual)
            if getattr(now, part.name) != getattr(usual, part.name)
        )

    def _heard(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """One step of the engine; on the engine's thread."""
        self._takes.record(now_s, inputs, actions)
        self._roll.record(now_s, inputs, actions)
        self._commands.heard(actions)


class _Listener:
    """The desk's ear at the engine."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in."""
        self._desk._heard(now_s, inputs, actions)

    def close(self) -> None:
        """Put the take on disk."""
        self._desk._takes.close()
