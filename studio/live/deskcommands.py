"""What the desk does when it is told something: one handler a command. Nothing here waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from midi.clock import Clock
from midi.events import N_INSTRUMENTS
from studio.live.conductor import Conductor
from studio.live.deskdevices import DeskDevices
from studio.live.deskjobs import Jobs
from studio.live.deskmodel import ModelShelf
from studio.live.deskoptions import DENOMINATORS, MAX_NUMERATOR, DeskOptions, bars_of
from studio.live.deskplayback import Playback
from studio.live.deskview import (
    ChooseInput,
    ChooseModel,
    ChooseOutput,
    ChooseSound,
    ChooseTakes,
    Command,
    Forget,
    Learn,
    PlayTake,
    SetMeter,
    SetMetronome,
    SetPlayerInstrument,
    SetRecording,
    SetVolume,
    StopTake,
    TestTone,
)
from studio.live.engine import Engine
from studio.live.learn import Learner
from studio.live.messages import Actions, Input, Mode, Panic, SetMode, SetPlaying
from studio.live.metronome import Metronome
from studio.live.outputs import SILENCE_DB
from studio.live.roll import Roll
from studio.live.takelog import TakeLog
from studio.settings import takes_folder

LOUDEST_DB = 6.0

_INPUTS: tuple[type, ...] = get_args(Input)


@dataclass(frozen=True)
class Parts:
    """What a desk is made of."""

    clock: Clock
    conductor: Conductor
    engine: Engine
    devices: DeskDevices
    models: ModelShelf
    playback: Playback
    learner: Learner
    takes: TakeLog
    roll: Roll
    jobs: Jobs
    tell: Callable[[str, str], None]


class Commands:
    """Carries commands out, and remembers how the switches stand. ``do`` may be called from any thread.

    Attributes:
        meter: Time signature that was asked for.
        meter_in_force: The one that the music has.
        is_metronome_on: Whether it clicks.
        is_recording: Whether what is played is kept.
        instrument: Instrument class of the player's keys.
    """

    def __init__(self, parts: Parts, options: DeskOptions) -> None:
        self._parts = parts
        self.meter, self.instrument = options.meter, options.player_instrument
        self.meter_in_force = options.meter
        self.is_metronome_on, self.is_recording = False, options.is_recording
        self._metronome: Metronome | None = None
        if options.is_metronome_on:
            self._set_metronome(SetMetronome(is_on=True))
        devices, models, playback = parts.devices, parts.models, parts.playback
        jobs: dict[type, Callable[[Any], object]] = {
            ChooseInput: lambda item: devices.choose_input(item.name),
            ChooseOutput: lambda item: devices.choose_output(item.name),
            ChooseSound: lambda item: devices.choose_sound(item.name),
            ChooseModel: lambda item: models.choose(item.name),
            PlayTake: lambda item: playback.play(item.path, item.from_s),
        }
        self._handlers: dict[type, Callable[[Any], object]] = {
            SetMeter: self._set_meter,
            SetMetronome: self._set_metronome,
            SetRecording: self._set_recording,
            ChooseTakes: self._choose_takes,
            SetVolume: self._set_volume,
            SetPlayerInstrument: self._set_instrument,
            SetPlaying: self._set_playing,
            Panic: self._panic,
            StopTake: lambda _: parts.engine.call(playback.end),
            TestTone: lambda _: parts.engine.call(playback.test_tone),
            Learn: self._learn,
            Forget: lambda item: parts.learner.forget(item.target),
            **{kind: self._later(task) for kind, task in jobs.items()},
        }

    def do(self, command: Command) -> None:
        """Take a command; what can't be done becomes a notice. Inputs of the conductor are stamped here."""
        handler = self._handlers.get(type(command))
        if handler is not None:
            handler(command)
        elif isinstance(command, _INPUTS):
            item = cast("Any", command)
            self._parts.engine.send(replace(item, time_s=self._parts.clock.now_s()))

    def heard(self, actions: Actions) -> None:
        """A step of the engine is over; on the engine's thread."""
        if actions.tempo:
            # Who starts to play has heard enough of the take.
            self._parts.playback.end()
            if not self._parts.conductor.awaits_bars:
                self.meter_in_force = self.meter
            if self._metronome is not None:
                self._metronome.grid = self._parts.conductor.config.grid

    def press(self, target: str) -> None:
        """A button of a controller was pressed; on the engine's thread."""
        modes = list(Mode)
        following = modes[(modes.index(self._parts.engine.snapshot().mode) + 1) % len(modes)]
        command: dict[str, Command] = {
            "play": SetPlaying(0.0, is_playing=True),
            "stop": SetPlaying(0.0, is_playing=False),
            "record": SetRecording(not self.is_recording),
            "panic": Panic(0.0),
            "mode": SetMode(0.0, following),
            "metronome": SetMetronome(not self.is_metronome_on),
        }
        self.do(command[target])

    def _later(self, task: Callable[[Any], object]) -> Callable[[Any], object]:
        return lambda item: self._parts.jobs.add(lambda: task(item))

    def _set_meter(self, item: SetMeter) -> None:
        if not (1 <= item.numerator <= MAX_NUMERATOR and item.denominator in DENOMINATORS):
            self._parts.tell(f"{item.numerator}/{item.denominator} is no time signature.", "Try 3/4 or 7/8.")
            return
        self.meter = (item.numerator, item.denominator)
        bar_ticks = bars_of(*self.meter).changes[0][1]
        self._parts.engine.call(lambda: self._parts.conductor.choose_bars(bar_ticks))

    def _set_metronome(self, item: SetMetronome) -> None:
        self.is_metronome_on = item.is_on
        self._parts.engine.call(lambda: self._switch_metronome(is_on=item.is_on))

    def _switch_metronome(self, *, is_on: bool) -> None:
        if is_on == (self._metronome is not None):
            return
        self._metronome = Metronome(self._parts.conductor.config.grid) if is_on else None
        self._parts.engine.click(self._metronome, mark=self._parts.roll.mark)

    def _set_recording(self, item: SetRecording) -> None:
        self.is_recording = item.is_on
        self._parts.takes.switch(self._parts.clock.now_s(), is_on=item.is_on)

    def _choose_takes(self, item: ChooseTakes) -> None:
        self._parts.takes.root = item.folder or takes_folder()

    def _set_volume(self, item: SetVolume) -> None:
        if math.isfinite(item.gain_db):
            self._parts.devices.set_volume(item.voice, min(max(item.gain_db, SILENCE_DB), LOUDEST_DB))

    def _set_instrument(self, item: SetPlayerInstrument) -> None:
        if not 0 <= item.instrument < N_INSTRUMENTS:
            self._parts.tell(f"There is no instrument {item.instrument}.", "")
            return
        self.instrument = item.instrument
        self._parts.jobs.add(lambda: self._parts.devices.prepare(item.instrument))
        self._parts.engine.call(lambda: self._parts.conductor.choose_instrument(item.instrument))

    def _set_playing(self, item: SetPlaying) -> None:
        now_s = self._parts.clock.now_s()
        if not item.is_playing:
            self._parts.engine.call(self._parts.playback.end)
        # Asked twice, the transport starts even where it would wait for a key.
        for _ in range(2 if item.is_playing else 1):
            self._parts.engine.send(SetPlaying(now_s, is_playing=item.is_playing))

    def _panic(self, _: Panic) -> None:
        self._parts.engine.call(self._parts.playback.end)
        self._parts.engine.send(Panic(self._parts.clock.now_s()))

    def _learn(self, item: Learn) -> None:
        try:
            self._parts.learner.arm(item.target)
        except ValueError:
            self._parts.tell(f"Nothing is called {item.target}, so no controller can steer it.", "")
