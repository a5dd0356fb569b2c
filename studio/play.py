"""The ``play`` program: a player, a partner and their ports, live in the terminal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from midi.errors import UserError
from midi.files import read
from midi.ports import MidiSystem, find_system
from midi.systemclock import SystemClock
from models.sequence.parts import part_names
from models.sequence.plan import Steering
from studio import settings
from studio.live.desk import Desk, DeskOptions
from studio.live.deskmodel import start_planner as start_model
from studio.live.deskview import DeskView
from studio.live.display import REFRESH_S, LiveDisplay, Status
from studio.live.feel import Feel
from studio.live.fileplayer import FilePlayer, player_part
from studio.live.keyboard import HELP, ComputerKeys, KeyCommand, raw_terminal
from studio.live.loose import AS_PLAYED
from studio.live.messages import Mode, Panic, SetMode, SetTempo
from studio.live.meters import Percentiles
from studio.live.planner import ModelHealth, ModelState, Planner
from studio.live.report import engine_report, take_outputs

if TYPE_CHECKING:
    from studio.perform import Piece

MODEL_WAIT_S = 30.0
"""A player file waits this long for the model before it plays; a person never waits."""

ANSWER_BARS = 9
"""Bars that a performance may go on after a player file's last note, while the partner still answers."""

TEMPO_STEP_BPM = 2.0
START_SENTENCES_S = 12.0


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """What ``antiphon play`` was asked for; every field has the default of the command line.

    Attributes:
        in_port: Part of an input port's name; ``none`` opens no port; None takes the first that there
            is and, without one, the computer's keys.
        out_port: Part of an output port's name; ``none`` or None sends to no port.
        virtual: Name of a virtual port pair to create instead of opening ports; None creates none.
        player_file: A MIDI file that plays in place of a person.
        mode: How the partner behaves.
        model: Bundle name or folder; None takes the current partner; ``none`` plays by rules alone.
        tempo_bpm: Tempo; None is the player file's, or 120.
        clock: ``internal``, or ``midi`` to follow the MIDI clock of the input port.
        lookahead_beats: How far ahead the partner plans.
        commit_beats: Beats of the plan that are fixed; None lets the conductor choose.
        seconds: Stop after this long; None plays until told to stop (or until the file has ended).
        seed: Same seed, same random draws.
        audio: ``default``, a part of a device's name, or ``none`` for silence.
        metronome: True clicks on every beat.
        out_dir: Folder of the takes; None is the user's folder.
        is_json: True prints nothing while playing; the caller prints the summary.
        is_quiet: True prints nothing while playing.
        device: Torch device of the model.
        parts: Instrument classes of the partner; None leaves it to ``Steering``.
        looseness: How far the partner's notes stray from the grid, 0–1 (:class:`~studio.live.feel.Feel`).
    """

    in_port: str | None = None
    out_port: str | None = None
    virtual: str | None = None
    player_file: Path | None = None
    mode: Mode = Mode.ACCOMPANY
    model: str | None = None
    tempo_bpm: float | None = None
    clock: str = "internal"
    lookahead_beats: float = 2.0
    commit_beats: float | None = None
    seconds: float | None = None
    seed: int = 0
    audio: str = "default"
    metronome: bool = False
    out_dir: Path | None = None
    is_json: bool = False
    is_quiet: bool = False
    device: str = "cpu"
    parts: tuple[int, ...] | None = None
    looseness: float = AS_PLAYED


def play(
    options: PlayOptions, *, system: MidiSystem | None = None, planner: Planner | None = None
) -> dict[str, object]:
    """Play live until told to stop, and return the summary of the performance.

    Args:
        options: What was asked for.
        system: The MIDI system; None finds one.
        planner: The model; None starts the one that the options name in a process of its own.

    Returns:
        The summary: the keys of ``perform`` where they apply, ``stopped_by`` (``time``, ``file``,
        ``key``, ``interrupt`` or ``fault``), ``problems`` in sentences, and figures of the engine.

    Raises:
        UserError: A port, file or model that was named cannot be had, or there is nothing to play with.
    """
    piece = _piece(options)
    with ExitStack() as stack:
        show = _Show(options, piece, system or find_system(), planner, stack)
        show.connect()
        show.begin()
        show.run()
    summary = show.summary()
    if show.refusal is not None:
        raise show.refusal
    return summary


def _piece(options: PlayOptions) -> Piece | None:
    if options.player_file is None:
        return None
    from studio.perform import prepare  # noqa: PLC0415 - loads what only files need

    return prepare(read(options.player_file), None, options.tempo_bpm)


def _desk_options(options: PlayOptions, piece: Piece | None) -> DeskOptions:
    found = DeskOptions(
        in_port="none" if options.in_port is None and piece is not None else options.in_port,
        out_port=options.out_port,
        sound=options.audio,
        model=options.model,
        mode=options.mode,
        tempo_bpm=options.tempo_bpm or (piece.bpm if piece else 120.0),
        is_metronome_on=options.metronome,
        seed=options.seed,
        takes=options.out_dir or settings.takes_folder(),
        virtual=options.virtual,
        grid=piece.grid if piece is not None else None,
        lookahead_beats=options.lookahead_beats,
        follows_clock=options.clock == "midi",
        device=options.device,
        is_strict=True,
        is_one_take=True,
        keeps_learned=False,
        steering=Steering() if options.parts is None else Steering(instruments=options.parts),
        feel=Feel(looseness=options.looseness),
    )
    return found if options.commit_beats is None else replace(found, commit_beats=options.commit_beats)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """An interrupt, a termination or a lost terminal sets ``stop`` once inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Show:
    """One performance of the program: what is wired, what is shown, when it ends."""

    def __init__(
        self,
        options: PlayOptions,
        piece: Piece | None,
        system: MidiSystem,
        planner: Planner | None,
        stack: ExitStack,
    ) -> None:
        self.options, self.piece, self._stack = options, piece, stack
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._stopped_by = "interrupt"
        self._has_keys = sys.stdin is not None and sys.stdin.isatty()
        self._sentences: list[str] = []
        self._desk = Desk(
            _desk_options(options, piece),
            system=system,
            planner=planner,
            clock=self._clock,
            start=start_model,
        )
        self._start_s = self._end_s = 0.0
        self._heard_from = "none"
        self._seen_notice = (0, 0.0)
        self.refusal: UserError | None = None

    def connect(self) -> None:
        """Open ports; say what is missing.

        Raises:
            UserError: A named port cannot be had, or nothing could play.
        """
        # Whatever happens from here on, every port that was opened is closed.
        self._stack.callback(self._desk.close)
        self._sentences += self._desk.open_ports()
        if not (self._desk.has_input or self._has_keys or self.piece):
            problem = " ".join(self._sentences) or "There is no MIDI input."
            raise UserError(
                f"{problem} Without a terminal there are no computer keys either, so nobody can play.",
                "Connect a keyboard, give --virtual NAME, or let a file play with --player FILE.mid.",
                exit_code=1,
            )
        if not self._desk.has_input and self.piece is None:
            self._sentences.append("No MIDI input is open: play with the computer's keys.")

    def begin(self) -> None:
        """Have everything ready and the engine turning.

        Raises:
            UserError: There can be no folder for takes.
        """
        settings.made_folder(self._desk.takes.root)
        self._stack.enter_context(_signals(self._stop))
        self._stack.enter_context(self._desk)
        while not self._desk.is_settled and not self._stop.wait(REFRESH_S / 10):
            pass
        self._sentences += self._told()

    def _told(self) -> list[str]:
        """What the desk had to say about its devices so far."""
        notices = self._desk.view().notices
        told = [notice.sentence for notice in notices if notice.is_fault]
        return [sentence for sentence in told if sentence not in self._sentences]

    def run(self) -> None:
        """Play until something ends it."""
        with ExitStack() as screen:
            display = self._open_display(screen)
            if self._has_keys:
                self._open_keys(screen)
            self._wait_for_model(display)
            self._start_s = self._clock.now_s()
            if self._is_refused() or self._stop.is_set():
                return
            if self.piece is not None:
                part = player_part(self.piece.score)
                self._desk.let_play(FilePlayer(part, self._start_s))
            while not self._is_over():
                self._draw(display)
                self._stop.wait(REFRESH_S)
        self._end_s, self._heard_from = self._clock.now_s(), self._input_name()

    def _open_display(self, screen: ExitStack) -> LiveDisplay | None:
        is_silent = self.options.is_json or self.options.is_quiet
        if is_silent or not (sys.stdout.isatty() and sys.stderr.isatty()):
            for sentence in [] if is_silent else self._sentences:
                sys.stderr.write(sentence + "\n")
            return None
        return screen.enter_context(LiveDisplay(Console(stderr=True)))

    def _open_keys(self, screen: ExitStack) -> None:
        try:
            terminal = screen.enter_context(raw_terminal())
        except OSError:
            self._has_keys = False
            return
        screen.enter_context(ComputerKeys(terminal, self._desk.engine.send, self._command, self._clock))

    def _command(self, command: KeyCommand) -> None:
        now_s, snapshot, do = self._clock.now_s(), self._desk.view().snapshot, self._desk.do
        match command:
            case KeyCommand.QUIT:
                self._stopped_by = "key"
                self._stop.set()
            case KeyCommand.PANIC:
                do(Panic(now_s))
            case KeyCommand.MODE:
                modes = list(Mode)
                do(SetMode(now_s, modes[(modes.index(snapshot.mode) + 1) % len(modes)]))
            case KeyCommand.SLOWER:
                do(SetTempo(now_s, snapshot.bpm - TEMPO_STEP_BPM))
            case KeyCommand.FASTER:
                do(SetTempo(now_s, snapshot.bpm + TEMPO_STEP_BPM))

    def _wait_for_model(self, display: LiveDisplay | None) -> None:
        """A player file waits for the model, so that it plays the same with a slow disk."""
        end_s = self._clock.now_s() + (MODEL_WAIT_S if self.piece is not None else 0.0)
        waiting = {ModelState.STARTING, ModelState.RESTARTING}
        while self._clock.now_s() < end_s and self._desk.engine.model_health().state in waiting:
            self._draw(display)
            if self._stop.wait(REFRESH_S / 5):
                return

    def _is_refused(self) -> bool:
        """Whether the file need not begin, because the model that was named can't be had.

        A person who plays already goes on with the rules, and is told.
        """
        health = self._desk.engine.model_health()
        is_named = self.options.model is not None and self.piece is not None
        if is_named and health.state is ModelState.REFUSED:
            self.refusal = UserError(health.sentence, health.hint)
        return self.refusal is not None

    def _is_over(self) -> bool:
        passed_s = self._clock.now_s() - self._start_s
        if self._stop.is_set():
            return True
        if not self._desk.engine.is_running:
            self._stopped_by = "fault"
        elif self.options.seconds is not None and passed_s >= self.options.seconds:
            self._stopped_by = "time"
        elif self.piece is not None and self._is_played_out(self.piece, passed_s):
            self._stopped_by = "file"
        else:
            return False
        return True

    def _is_played_out(self, piece: Piece, passed_s: float) -> bool:
        """The bar of the last note is over, and the partner has answered."""
        end_s = float(piece.tempo_map.seconds(piece.end_tick() * piece.tempo_map.ppq / 24))
        if passed_s < end_s:
            return False
        snapshot = self._desk.view().snapshot
        bar_s = 60.0 / snapshot.bpm * snapshot.beats_per_bar
        is_answering = self.options.mode is Mode.RESPOND and bool(snapshot.committed or snapshot.ghosts)
        return not is_answering or passed_s >= end_s + ANSWER_BARS * bar_s

    def _draw(self, display: LiveDisplay | None) -> None:
        if display is not None:
            display.show(self._desk.view().snapshot, self._status())

    def _status(self) -> Status:
        view = self._desk.view()
        meters, health = view.meters, view.model
        late = meters.port_lateness
        is_early = self._clock.now_s() - self._start_s < START_SENTENCES_S
        sentence = self._desk.engine.sentence() or self._desk.takes.problem
        sentence = (
            sentence or self._news(view) or (self._sentences[-1] if is_early and self._sentences else "")
        )
        return Status(
            input_name=self._input_name(),
            output_name=view.devices.output or "none",
            audio_name=view.devices.sound or "none",
            model=_model_words(health),
            plan_latency=meters.plan_latency,
            lateness=meters.lateness
            if late is None
            else Percentiles(late.count, late.p50_ms, 0.0, late.p99_ms, late.max_ms),
            underruns=view.underruns,
            restarts=health.restarts,
            sentence=sentence,
            help=HELP if self._has_keys else "",
        )

    def _news(self, view: DeskView) -> str:
        """What the desk said lately; empty when it has been there long enough to be read."""
        now_s = self._clock.now_s()
        newest = view.notices[-1].number if view.notices else 0
        if newest != self._seen_notice[0]:
            self._seen_notice = (newest, now_s)
        is_fresh = newest and now_s - self._seen_notice[1] < START_SENTENCES_S
        return view.notices[-1].sentence if is_fresh else ""

    def _input_name(self) -> str:
        names = [self._desk.devices.look().input]
        names.append(str(self.options.player_file) if self.piece is not None else "")
        names.append("computer keys" if self._has_keys else "")
        return ", ".join(name for name in names if name) or "none"

    def summary(self) -> dict[str, object]:
        """What came of it; the engine has stopped."""
        desk, engine = self._desk, self._desk.engine
        snapshot, health, fault = engine.snapshot(), engine.model_health(), engine.fault
        problems = [*self._sentences, desk.takes.problem]
        problems.append(f"{health.sentence} {health.hint}".strip())
        problems += [f"{type(fault).__name__}: {fault}"] if fault is not None else []
        outputs = dict[str, str]()
        try:
            outputs = take_outputs(desk.takes.state().finished)
        except UserError as error:
            problems.append(str(error))
        return {
            "input": self._heard_from,
            "model": health.name or "rules",
            "parts": list(part_names(snapshot.steering.instruments)),
            "seed": self.options.seed,
            "seconds": round(self._end_s - self._start_s, 3),
            **engine_report(snapshot, engine.meters(), health),
            "port_dropped": desk.devices.dropped(),
            "refused_messages": desk.n_refused,
            "audio": desk.devices.sound_name,
            "underruns": desk.devices.underruns,
            "stopped_by": self._stopped_by,
            "problems": list(dict.fromkeys(problem for problem in problems if problem)),
            "outputs": outputs,
        }


def _model_words(health: ModelHealth) -> str:
    if health.state is ModelState.READY:
        return health.name or "ready"
    return "rules" if health.state in {ModelState.CLOSED, ModelState.REFUSED} else f"{health.state.value}…"
