from __future__ import annotations

import os
import pty
import signal
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from midi.clock import ManualClock, TempoMap
from midi.errors import UserError
from midi.files import read, write
from midi.messages import InputQueue
from midi.note import Note, NoteArray, Part, Score
from midi.ports import FakeSystem, NoMidiSystem
from studio import play as program
from studio.live.deskmodel import load_planner
from studio.live.messages import Mode
from studio.live.planner import InlinePlanner, ModelState, NoPlanner, PlannerSpec
from studio.live.session import load_take
from studio.live.wiring import Ports
from studio.live.worker import ModelProcess
from studio.partners import Partner
from studio.play import PlayOptions, play
from tests.studio.live.fakes import BeatPlanner

TUNE = [Note(i * 240, 200, 60 + i, 80) for i in range(8)]


class NoTerminal:
    """A standard input that is no terminal, and never gives anything."""

    def isatty(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdin", NoTerminal())
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path / "home"))


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    path = tmp_path / "tune.mid"
    score = Score((Part("melody", NoteArray.from_notes(TUNE)),), TempoMap(480, ((0, 400.0),)))
    write(path, score)
    return path


@contextmanager
def beside(task: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=task)
    thread.start()
    yield
    thread.join()


def options(tmp_path: Path, **changes: object) -> PlayOptions:
    return replace(PlayOptions(audio="none", out_dir=tmp_path / "takes", is_quiet=True), **changes)


def test_a_file_is_played_answered_and_recorded(tune: Path, tmp_path: Path) -> None:
    system = FakeSystem("Synth")
    report = play(
        options(tmp_path, player_file=tune, out_port="synth"),
        system=system,
        planner=InlinePlanner(BeatPlanner()),
    )
    assert report["stopped_by"] == "file"
    assert 0.0 < report["isr"] <= 1.0
    assert (report["player_notes"], report["hanging_notes"], report["scheduled_in_past"]) == (8, 0, 0)
    assert report["input"] == str(tune)
    outputs = report["outputs"]
    assert isinstance(outputs, dict)
    take = load_take(Path(outputs["take"]))
    struck = [sound for sound in take.sounds if sound.voice == "partner" and sound.kind == "on"]
    assert len(struck) == report["partner_notes"] > 0
    assert read(outputs["midi"]).n_notes() == len(struck) + 8
    heard = system.port("Synth").heard
    ons = sorted(data[1] for data in heard if data[0] & 0xF0 == 0x90)
    offs = sorted(data[1] for data in heard if data[0] & 0xF0 == 0x80)
    assert ons == offs == sorted(sound.pitch for sound in struck)


def test_a_keyboard_is_found_and_what_it_holds_at_the_end_is_released(tmp_path: Path) -> None:
    system = FakeSystem("Midi Through", "Keystation")

    def press() -> None:
        keys = system.port("Keystation")
        while not keys.listeners:
            time.sleep(0.001)
        keys.play((0x90, 60, 80), (0x90, 64, 80), (0x80, 64, 0))

    with beside(press):
        report = play(options(tmp_path, seconds=0.3, metronome=True), system=system, planner=NoPlanner())
    assert report["input"] == "Keystation"
    assert (report["player_notes"], report["hanging_notes"], report["stopped_by"]) == (2, 0, "time")
    outputs = report["outputs"]
    assert isinstance(outputs, dict)
    kinds = [sound.kind for sound in load_take(Path(outputs["take"])).sounds if sound.voice == "player"]
    assert sorted(kinds) == ["off", "off", "on", "on"]
    assert report["isr"] is None, "no model was asked"


def test_virtual_ports_are_made_and_an_empty_take_is_not_kept(tmp_path: Path) -> None:
    system = FakeSystem()
    report = play(options(tmp_path, virtual="Antiphon", seconds=0.05), system=system, planner=NoPlanner())
    assert set(system.published) == {"Antiphon:in", "Antiphon:out"}
    assert report["outputs"] == {}
    assert list((tmp_path / "takes").iterdir()) == []


def test_a_keyboard_plugged_in_later_is_opened(tmp_path: Path) -> None:
    system, clock, queue = FakeSystem(), ManualClock(), InputQueue()
    ports = Ports(system, queue, clock)
    ports.open(None, None, None)
    assert ports.poll(0.0) == ()
    system.plug("Keystation")
    ports.poll(1.0)
    assert ports.input_name() == "Keystation"
    system.port("Keystation").play((0x90, 60, 80))
    assert [message.data1 for message in queue.drain()] == [60]
    system.plug("Another")
    ports.poll(2.0)
    assert ports.input_name() == "Keystation"
    ports.close()
    ports.close()


def test_interrupt_ends_the_performance_and_keeps_the_take(tmp_path: Path) -> None:
    system = FakeSystem("Keystation")

    def interrupt() -> None:
        keys = system.port("Keystation")
        while not keys.listeners:
            time.sleep(0.001)
        keys.play((0x90, 60, 80))
        while not list((tmp_path / "takes").glob("*/take.jsonl")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with beside(interrupt):
        report = play(options(tmp_path), system=system, planner=NoPlanner())
    assert (report["stopped_by"], report["hanging_notes"], report["player_notes"]) == ("interrupt", 0, 1)
    assert signal.getsignal(signal.SIGINT) == before


def test_no_midi_and_no_terminal_is_explained(tmp_path: Path) -> None:
    nothing = NoMidiSystem(UserError("No MIDI system answers.", "Load one."))
    with pytest.raises(UserError, match="No MIDI system answers") as caught:
        play(options(tmp_path), system=nothing, planner=NoPlanner())
    assert caught.value.exit_code == 1
    assert "--player" in caught.value.hint
    assert not (tmp_path / "takes").exists()


@pytest.mark.parametrize("change", [{"in_port": "nonesuch"}, {"out_port": "nonesuch"}])
def test_a_port_that_is_not_there_is_refused(change: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nonesuch"):
        play(options(tmp_path, **change), system=FakeSystem("Keystation"), planner=NoPlanner())


def test_a_bad_player_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "notes.mid"
    path.write_text("this is no music")
    with pytest.raises(UserError, match=r"notes\.mid"):
        play(options(tmp_path, player_file=path), system=FakeSystem(), planner=NoPlanner())


def test_computer_keys_play_in_a_terminal_and_quit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    nothing = NoMidiSystem(UserError("No MIDI system answers.", "Load one."))
    terminal = os.fdopen(slave, "rb", buffering=0)
    monkeypatch.setattr("sys.stdin", terminal)

    def type_keys() -> None:
        while termios.tcgetattr(slave)[3] & termios.ECHO:
            time.sleep(0.001)
        os.write(master, b"a")
        while not list((tmp_path / "takes").glob("*/take.jsonl")):
            time.sleep(0.001)
        os.write(master, b"m+ q")

    try:
        with beside(type_keys):
            report = play(options(tmp_path), system=nothing, planner=NoPlanner())
    finally:
        terminal.close()
        os.close(master)
    assert (report["stopped_by"], report["player_notes"], report["hanging_notes"]) == ("key", 1, 0)
    assert report["mode"] == "call-and-response"
    assert report["tempo_bpm"] == 122.0
    problems = report["problems"]
    assert isinstance(problems, list)
    assert any("computer's keys" in sentence for sentence in problems)


def test_model_killed_twice_while_playing_plans_resume_and_the_take_is_whole(tmp_path: Path) -> None:
    system = FakeSystem("Keystation")
    model = ModelProcess(PlannerSpec("tests.studio.live.fakes:BeatPlanner"), pauses_s=(0.0,))
    n_killed = []

    def kill_twice() -> None:
        keys = system.port("Keystation")
        pids: set[int] = set()
        while len(pids) < 3:
            keys.play((0x90, 60, 80), (0x80, 60, 0))
            health = model.health()
            if health.state is ModelState.READY and health.pid is not None and health.pid not in pids:
                pids.add(health.pid)
                if len(pids) < 3:
                    os.kill(health.pid, signal.SIGKILL)
                    n_killed.append(health.pid)
            time.sleep(0.005)
        # The third one plans.
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    with beside(kill_twice):
        report = play(options(tmp_path, tempo_bpm=240.0), system=system, planner=model)
    assert len(n_killed) == report["model_restarts"] == 2
    assert report["plans"] > 0
    assert report["hanging_notes"] == report["scheduled_in_past"] == 0
    take = load_take(Path(report["outputs"]["take"]))
    assert not take.is_torn
    ons = [sound.note_id for sound in take.sounds if sound.kind == "on"]
    offs = [sound.note_id for sound in take.sounds if sound.kind == "off"]
    assert sorted(ons) == sorted(offs)
    assert len(ons) == report["player_notes"] + report["partner_notes"]


def test_no_bundle_is_one_sentence_and_rules_play(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(model: str | None, device: str, *, is_live: bool) -> Partner:
        asked.append((model, device, is_live))
        return Partner("rules")

    monkeypatch.setattr("studio.partners.load_partner", load)
    with pytest.raises(UserError, match="plays by rules"):
        load_planner(None, "cpu")
    assert asked == [(None, "cpu", True)]
    assert isinstance(program.start_model("none", "cpu"), NoPlanner)


def test_options_reach_the_conductor(tune: Path, tmp_path: Path) -> None:
    chosen = options(
        tmp_path,
        player_file=tune,
        mode=Mode.RESPOND,
        tempo_bpm=90.0,
        lookahead_beats=3.0,
        commit_beats=1.0,
        seed=7,
    )
    config = program._desk_options(chosen, program._piece(chosen)).config()
    assert (config.bpm, config.mode, config.lookahead_beats) == (90.0, Mode.RESPOND, 3.0)
    assert (config.commit_beats, config.seed) == (1.0, 7)
    assert (
        program._desk_options(options(tmp_path, player_file=tune), program._piece(chosen)).tempo_bpm == 90.0
    )
