from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from midi.clock import ManualClock
from midi.events import DRUMS, GRID_PER_BEAT, BarGrid
from midi.messages import InputQueue, Kind, MidiInput
from midi.ports import FakeSystem, PortWatcher, open_input, open_output
from midi.scheduler import OutputScheduler
from midi.systemclock import SystemClock
from models.sequence.plan import PlanRequest
from studio.live.channels import PARTNER_CHANNELS
from studio.live.engine import ClockInput, Engine
from studio.live.messages import (
    Actions,
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    LiveCounts,
    Mode,
    ModelChanged,
    Panic,
    PlanArrived,
    SetPlaying,
    Snapshot,
    Sound,
    SourceLost,
    TempoMark,
    Voice,
)
from studio.live.meters import Meter
from studio.live.metronome import Metronome
from studio.live.outputs import FrameClock, PortOutput, SynthOutput
from studio.live.planner import InlinePlanner, NoPlanner, warm_up_request
from studio.live.synth import Synth
from tests.studio.live.fakes import BeatPlanner


class Script:
    """A conductor that repeats the player, asks for plans when told to, and remembers everything."""

    def __init__(self) -> None:
        self.seen: list[Input] = []
        self.ask: list[PlanRequest] = []
        self.held: dict[int, int] = {}
        self.n_notes = 0
        self.now_s = 0.0
        self.marks: tuple[TempoMark, ...] = ()
        self.trouble: Exception | None = None

    def step(self, now_s: float, inputs: Sequence[Input]) -> Actions:
        self.now_s = now_s
        self.seen += inputs
        if self.trouble is not None:
            raise self.trouble
        sounds = [sound for item in inputs for sound in self._echo(item)]
        is_panic = any(isinstance(item, Panic) for item in inputs)
        marks, self.marks = self.marks, ()
        return Actions(tuple(sounds), self.ask.pop() if self.ask else None, is_panic, marks)

    def _echo(self, item: Input) -> list[Sound]:
        if isinstance(item, KeyDown):
            self.n_notes += 1
            self.held[item.pitch] = self.n_notes
            return [Sound(item.time_s, "on", Voice.PARTNER, item.pitch, item.velocity, self.n_notes)]
        if isinstance(item, KeyUp) and item.pitch in self.held:
            return [Sound(item.time_s, "off", Voice.PARTNER, item.pitch, 0, self.held.pop(item.pitch))]
        return []

    def finish(self, now_s: float) -> Actions:
        offs = [Sound(now_s, "off", Voice.PARTNER, pitch, 0, i) for pitch, i in self.held.items()]
        self.held = {}
        return Actions(tuple(offs))

    def snapshot(self, now_s: float) -> Snapshot:
        return Snapshot(
            now_s, True, Mode.ACCOMPANY, 120.0, 0.0, 4.0, tuple(self.held), (), (), (), 24, 48, True, 0.0,
            LiveCounts(player_notes=self.n_notes),
        )  # fmt: skip


class Tape:
    """A sink and a recorder that remember."""

    def __init__(self) -> None:
        self.sounds: list[Sound] = []
        self.panics = 0
        self.steps: list[tuple[float, int, int]] = []
        self.closed = 0

    def play(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def panic(self) -> None:
        self.panics += 1

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        self.steps.append((now_s, len(inputs), len(actions.sounds)))

    def close(self) -> None:
        self.closed += 1


def test_midi_becomes_inputs_on_any_channel() -> None:
    clock, queue, script = ManualClock(), InputQueue(), Script()
    engine = Engine(script, NoPlanner(), clock, queue=queue)
    for message in (
        MidiInput(0.1, Kind.NOTE_ON, 9, 60, 90, "keys"),
        MidiInput(0.2, Kind.NOTE_OFF, 9, 60, 64, "keys"),
        MidiInput(0.3, Kind.CONTROL, 3, 64, 127, "keys"),
        MidiInput(0.4, Kind.BEND, 0, 0, 64, "keys"),
        MidiInput(0.4, Kind.CLOCK, 0, 0, 0, "keys"),
        MidiInput(0.5, Kind.SOURCE_LOST, source="keys"),
    ):
        queue.put(message)
    engine.step(1.0)
    assert script.seen == [
        KeyDown(0.1, 60, 90, "keys"),
        KeyUp(0.2, 60, "keys"),
        ControllerMoved(0.3, 64, 127, "keys"),
        SourceLost(0.5, "keys"),
    ]


def test_plans_go_round_and_are_metered() -> None:
    clock, script = ManualClock(), Script()
    engine = Engine(script, InlinePlanner(BeatPlanner(), latency_s=0.25), clock)
    engine.step(clock.now_s())
    script.ask.append(replace(warm_up_request(), number=7))
    engine.step(clock.now_s())
    clock.advance(0.5)
    engine.step(clock.now_s())
    assert script.seen[0] == ModelChanged(0.0, is_ready=True)
    assert [item.plan.number for item in script.seen if isinstance(item, PlanArrived)] == [7]
    meters = engine.meters()
    assert meters.plan_latency.count == 1
    assert meters.plan_latency.p95_ms == pytest.approx(250.0)
    assert meters.rows == 4


def test_stop_ends_notes_closes_all_and_keeps_the_take() -> None:
    clock, script, tape = ManualClock(), Script(), Tape()
    order: list[str] = []

    def broken() -> None:
        order.append("broken")
        raise OSError("device gone")

    engine = Engine(
        script,
        NoPlanner(),
        clock,
        sinks=[tape],
        recorder=tape,
        closers=[broken, lambda: order.append("port")],
    )
    engine.send(KeyDown(0.0, 60, 90))
    engine.step(0.0)
    assert engine.meters().hanging_notes == 1
    engine.stop()
    engine.stop()
    assert [sound.kind for sound in tape.sounds] == ["on", "off"]
    assert engine.meters().hanging_notes == 0
    assert tape.steps == [(0.0, 1, 1), (0.0, 0, 1)]
    assert (tape.panics, tape.closed, order) == (1, 1, ["broken", "port"])
    assert isinstance(engine.fault, OSError)


def test_fault_in_the_loop_ends_every_note() -> None:
    script, tape = Script(), Tape()
    with Engine(script, NoPlanner(), SystemClock(), sinks=[tape], recorder=tape) as engine:
        engine.send(KeyDown(0.0, 60, 90))
        while not tape.sounds:
            time.sleep(0.001)
        script.trouble = ZeroDivisionError("bar of length zero")
        while engine.is_running:
            time.sleep(0.001)
        assert "bar of length zero" in engine.sentence()
    assert isinstance(engine.fault, ZeroDivisionError)
    assert [sound.kind for sound in tape.sounds] == ["on", "off"]
    assert tape.panics == 1


def test_inputs_may_come_from_any_thread() -> None:
    script, tape = Script(), Tape()
    with Engine(script, NoPlanner(), SystemClock(), sinks=[tape]) as engine:

        def play(base: int) -> None:
            for i in range(50):
                engine.send(KeyDown(0.0, base + i % 10, 80))
                engine.send(KeyUp(0.0, base + i % 10))

        threads = [threading.Thread(target=play, args=(base,)) for base in (20, 40, 60, 80)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while len(script.seen) < 400:
            time.sleep(0.001)
    assert engine.fault is None
    assert sum(sound.kind == "on" for sound in tape.sounds) == 200
    assert sum(sound.kind == "off" for sound in tape.sounds) == 200
    assert engine.snapshot().counts.player_notes == 200
    assert engine.meters().priority in {"real-time", "ordinary"}


def test_panic_reaches_every_sink_before_the_sounds() -> None:
    tape = Tape()
    engine = Engine(Script(), NoPlanner(), ManualClock(), sinks=[tape])
    engine.send(Panic(0.0))
    engine.send(KeyDown(0.0, 60, 90))
    assert engine.step(0.0).is_panic
    assert tape.panics == 1
    assert len(tape.sounds) == 1


def test_unplugged_keyboard_comes_back_and_releases_its_keys() -> None:
    clock, script, queue = ManualClock(), Script(), InputQueue()
    system = FakeSystem("Keystation")
    watcher = PortWatcher(system)
    port = open_input(system, "key", queue.put, clock)
    watcher.watch(port)
    engine = Engine(script, NoPlanner(), clock, queue=queue, watcher=watcher)
    system.port("Keystation").play((0x90, 60, 80))
    engine.step(0.0)
    system.unplug("Keystation")
    clock.advance(1.0)
    engine.step(1.0)
    assert "vanished" in engine.sentence()
    engine.step(1.001)
    system.plug("Keystation")
    clock.advance(1.0)
    engine.step(2.0)
    assert "appeared" in engine.sentence()
    system.port("Keystation").play((0x90, 62, 80))
    engine.step(2.001)
    kinds = [type(item) for item in script.seen]
    assert kinds == [KeyDown, SourceLost, KeyDown]


def test_partner_leaves_on_channels_and_programs_of_its_own() -> None:
    clock = SystemClock()
    system = FakeSystem("Synth")
    port = open_output(system, "synth", clock)
    scheduler = OutputScheduler(port, clock)
    output = PortOutput(scheduler)
    now_s = clock.now_s()
    sounds = [
        Sound(now_s, "on", Voice.PLAYER, 60, 80, 1),
        Sound(now_s, "on", Voice.METRONOME, 76, 80, 2),
        Sound(now_s, "on", Voice.PARTNER, 48, 70, 3, instrument=0),
        Sound(now_s, "on", Voice.PARTNER, 36, 70, 4, instrument=4),
        Sound(now_s, "on", Voice.PARTNER, 38, 70, 5, instrument=DRUMS),
        Sound(now_s, "on", Voice.PARTNER, 52, 70, 6, instrument=4),
    ]
    for sound in sounds:
        output.play(sound)
    heard = system.port("Synth").heard
    # Three notes with two programs, the drum kit without, and the second bass note with none.
    while len(heard) < 6:
        time.sleep(0.001)
    output.panic()
    scheduler.close()
    port.close()
    piano, bass = PARTNER_CHANNELS[:2]
    assert bytes([0xC0 | piano, 0]) in heard
    assert bytes([0xC0 | bass, 33]) in heard
    assert bytes([0x99, 38, 70]) in heard
    ons = [data for data in heard if data[0] & 0xF0 == 0x90]
    offs = [data for data in heard if data[0] & 0xF0 == 0x80]
    assert sorted(data[1] for data in ons) == sorted(data[1] for data in offs) == [36, 38, 48, 52]
    assert len([data for data in heard if data[0] & 0xF0 == 0xC0]) == 2


def test_partner_notes_start_at_their_frame_and_the_players_at_the_next_block() -> None:
    clock, synth, frames = ManualClock(10.0), Synth(48_000), FrameClock(48_000)
    output = SynthOutput(synth, frames.frame_at)

    def render(n_frames: int) -> NDArray[np.float32]:
        frames.observe(synth.frame, clock.now_s())
        return synth.render(n_frames)

    render(256)
    output.play(Sound(10.02, "on", Voice.PARTNER, 60, 110, 1))
    blocks = []
    for _ in range(8):
        clock.advance(256 / 48_000)
        blocks.append(render(256))
    sound = np.abs(np.concatenate(blocks)).max(axis=1)
    first = int(np.flatnonzero(sound > 1e-7)[0]) + 256
    assert 960 <= first <= 964
    output.panic()
    for _ in range(10):
        render(2048)
    output.play(Sound(3.0, "on", Voice.PLAYER, 60, 110, 2))
    assert np.abs(render(256)).max() > 1e-4


def test_frame_clock_averages_what_devices_do_and_notices_a_pause() -> None:
    frames, rng = FrameClock(48_000), random.Random(0)
    assert frames.frame_at(0.0) is None
    for block in range(2000):
        # Blocks of 256 frames, asked for in pairs and up to 3 ms late.
        frames.observe(block * 256, block // 2 * 512 / 48_000 + rng.uniform(0.0, 0.003))
    errors = []
    for block in range(2000, 2100):
        frames.observe(block * 256, block // 2 * 512 / 48_000 + rng.uniform(0.0, 0.003))
        errors.append((frames.frame_at(block * 256 / 48_000) or 0) - block * 256)
    assert np.ptp(errors) < 48
    frames.observe(2100 * 256, 100.0)
    assert frames.frame_at(100.0) == 2100 * 256


def test_midi_clock_becomes_beats_and_transport() -> None:
    clock_input = ClockInput()
    assert clock_input.due(0.0) == []
    found: list[Input] = clock_input.take(MidiInput(0.0, Kind.START))
    for pulse in range(49):
        at_s = pulse * 60 / (100 * 24)
        found += clock_input.take(MidiInput(at_s, Kind.CLOCK))
        found += clock_input.due(at_s)
    found += clock_input.take(MidiInput(2.0, Kind.STOP))
    assert found[0] == SetPlaying(0.0, is_playing=True)
    assert found[-1] == SetPlaying(2.0, is_playing=False)
    last = [item for item in found if isinstance(item, FollowClock)][-1]
    assert last.bpm == pytest.approx(100.0, rel=1e-3)
    assert last.beat == pytest.approx(last.time_s * 100 / 60, abs=0.05)
    assert clock_input.due(3.0) == []
    clock_input.take(MidiInput(3.0, Kind.SONG_POSITION, 0, 16, 0))
    assert clock_input.take(MidiInput(3.1, Kind.CONTINUE)) == [SetPlaying(3.1, is_playing=True)]
    clock_input.take(MidiInput(3.2, Kind.CLOCK))
    assert clock_input.follower.beat_at(3.2) == pytest.approx(4.0, abs=0.05)


def test_metronome_clicks_on_beats_ahead_of_time_and_follows_the_tempo() -> None:
    metronome = Metronome(BarGrid(((0, 3 * GRID_PER_BEAT),)))
    assert metronome.due(0.0) == []
    metronome.follow([TempoMark(1.0, 0.0, 120.0)])
    clicks: list[Sound] = []
    now_s = 1.0
    while now_s < 4.0:
        if now_s == 3.0:
            metronome.follow([TempoMark(3.0, 4.0, 60.0)])
        found = metronome.due(now_s)
        assert all(now_s <= sound.time_s <= now_s + 0.2 for sound in found)
        clicks += found
        now_s += 0.01
        now_s = round(now_s, 2)
    ons = [sound for sound in clicks if sound.kind == "on"]
    assert [round(sound.time_s, 6) for sound in ons] == [1.0, 1.5, 2.0, 2.5, 3.0, 4.0]
    assert [sound.pitch for sound in ons] == [76, 77, 77, 76, 77, 77]
    assert sorted(s.note_id for s in ons) == sorted(s.note_id for s in clicks if s.kind == "off")
    metronome.stop()
    assert metronome.due(5.0) == []


def test_engine_clicks_only_while_musical_time_runs() -> None:
    script, tape = Script(), Tape()
    engine = Engine(script, NoPlanner(), ManualClock(), sinks=[tape], metronome=Metronome(BarGrid()))
    engine.step(0.0)
    script.marks = (TempoMark(0.1, 0.0, 60.0),)
    engine.step(0.1)
    engine.step(1.05)
    engine.send(SetPlaying(1.5, is_playing=False))
    engine.step(1.5)
    engine.step(2.1)
    clicks = [sound.time_s for sound in tape.sounds if sound.kind == "on"]
    assert clicks == [0.1, 1.1]
    assert engine.meters().hanging_notes == 0


def test_meter_keeps_the_latest_and_the_largest() -> None:
    meter = Meter(size=100)
    assert meter.percentiles().count == 0
    meter.add(9.0)
    for i in range(100):
        meter.add(i / 1000)
    found = meter.percentiles()
    assert (found.count, found.max_ms) == (101, 9000.0)
    assert found.p50_ms == pytest.approx(49.5)
    assert found.p99_ms < 100.0
