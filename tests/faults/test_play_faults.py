"""Whatever goes wrong while playing: one sentence, the right exit code, one JSON object, the take intact."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import assets
import midi
from midi.errors import UserError
from midi.note import Note, NoteArray, Part, Score
from midi.ports import FakeSystem, NoMidiSystem
from studio import __main__ as entrance
from studio import cli, render
from studio.live.conductor import Conductor
from studio.live.planner import ModelHealth, ModelState, NoPlanner
from studio.live.session import load_take

ROOT = Path(__file__).resolve().parents[2]
HARBOR = str(assets.path("demos/harbor.mid"))
QUIETLY = ("--model", "none", "--audio", "none")


class NoTerminal:
    def isatty(self):
        return False


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """No terminal to type in, and no MIDI system unless a test brings one."""
    monkeypatch.setattr("sys.stdin", NoTerminal())
    nothing = NoMidiSystem(UserError("No MIDI system answers here.", "Start JACK."))
    monkeypatch.setattr("studio.play.find_system", lambda: nothing)


@pytest.fixture
def system(monkeypatch):
    found = FakeSystem("Keystation")
    monkeypatch.setattr("studio.play.find_system", lambda: found)
    return found


@pytest.fixture
def tune(tmp_path):
    notes = NoteArray.from_notes(Note(120 * i, 100, 60 + i, 80) for i in range(4))
    midi.write(tmp_path / "tune.mid", Score((Part("MELODY", notes),)))
    return str(tmp_path / "tune.mid")


def play(capsys, *argv):
    """Exit code, the one JSON object, and what was said beside it."""
    code = cli.run(["play", *argv, "--json"])
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert "Traceback" not in said.err
    return code, json.loads(said.out), said.err


def refused(capsys, *argv):
    """The sentence and the hint of a fault; with and without ``--json`` they are the same."""
    code, data, said = play(capsys, *argv)
    assert set(data) == {"error", "hint"}
    assert said == f"{data['error']}\n{data['hint']}\n"
    return code, data["error"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ((), 1, "No MIDI system answers here"),
        (("--in", "Keys"), 2, "No MIDI system answers here"),
        (("--virtual", "Antiphon"), 2, "No MIDI system answers here"),
        (("--tempo", "0"), 2, "--tempo"),
        (("--tempo", "nan"), 2, "--tempo"),
        (("--mode", "foo"), 2, "--mode"),
        (("--seconds", "-3"), 2, "--seconds"),
        (("--lookahead", "0"), 2, "--lookahead"),
        (("--player", "nowhere.mid"), 2, "nowhere.mid"),
    ],
)
def test_what_cannot_be_played_is_refused(argv, code, words, capsys):
    found = refused(capsys, *argv, "--audio", "none")
    assert found[0] == code
    assert words in found[1]


@pytest.mark.parametrize("content", [b"", b"Dear diary\n", b"MThd\x00\x00\x00\x06\x00\x01"])
def test_a_player_file_without_music_is_refused(content, tmp_path, capsys, antiphon_home):
    (tmp_path / "song.mid").write_bytes(content)
    code, sentence = refused(capsys, "--player", str(tmp_path / "song.mid"), *QUIETLY)
    assert code == 2
    assert "song.mid" in sentence
    assert not (antiphon_home / "takes").exists()


def test_a_place_for_takes_that_is_none_is_refused(tune, tmp_path, capsys):
    (tmp_path / "file").touch()
    code, sentence = refused(capsys, "--player", tune, "--takes", str(tmp_path / "file"), *QUIETLY)
    assert code == 2
    assert str(tmp_path / "file") in sentence


def test_without_a_sound_device_the_performance_is_silent_and_says_so(tune, capsys, monkeypatch):
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    code, report, _ = play(capsys, "--player", tune, "--model", "none")
    assert code == 0
    assert report["player_notes"] == 4
    assert [problem for problem in report["problems"] if "No sound device" in problem]


class Refusing(NoPlanner):
    """A model process whose bundle turned out not to fit."""

    def health(self):
        return ModelHealth(ModelState.REFUSED, "The bundle is damaged.", "Install it again.")


def test_a_named_bundle_that_does_not_fit_is_refused_before_the_file_plays(
    tune, capsys, monkeypatch, antiphon_home
):
    monkeypatch.setattr("studio.play.start_model", lambda *_: Refusing())
    code, sentence = refused(capsys, "--player", tune, "--model", "damaged", "--audio", "none")
    assert (code, sentence) == (2, "The bundle is damaged.")
    assert list((antiphon_home / "takes").iterdir()) == []


def test_without_a_bundle_of_its_own_choice_the_program_plays_by_rules(tune, capsys, monkeypatch):
    monkeypatch.setattr("studio.play.start_model", lambda *_: Refusing())
    code, report, _ = play(capsys, "--player", tune, "--audio", "none")
    assert (code, report["model"], report["player_notes"]) == (0, "rules", 4)
    assert "The bundle is damaged. Install it again." in report["problems"]


def at_the_keyboard(system, task):
    """Run a task as soon as the keyboard is listened to."""

    def run():
        while not system.port("Keystation").listeners:
            time.sleep(0.001)
        task(system.port("Keystation"))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_ten_thousand_keys_at_once_end_as_they_began(system, capsys):
    presses = [(0x90 | n % 16, n % 128, 1 + n % 127) for n in range(10_000)]
    thread = at_the_keyboard(system, lambda keys: keys.play(*presses))
    code, report, _ = play(capsys, "--seconds", "1.5", *QUIETLY)
    thread.join()
    assert code == 0
    assert report["hanging_notes"] == report["scheduled_in_past"] == 0
    heard = report["player_notes"]
    assert heard > 0
    assert heard + report["ignored_keys"] + report["refused_messages"] == 10_000
    sounds = load_take(Path(report["outputs"]["take"])).sounds
    ons, offs = (Counter(s.note_id for s in sounds if s.kind == kind) for kind in ("on", "off"))
    assert ons == offs
    assert set(ons.values()) == {1}
    assert sum(s.kind == "on" and s.voice == "player" for s in sounds) == heard


def test_a_keyboard_pulled_out_mid_note_leaves_nothing_hanging(system, capsys):
    def pull(keys):
        keys.play((0x90, 60, 80), (0x90, 64, 80), (0xB0, 64, 127))
        system.unplug("Keystation")

    thread = at_the_keyboard(system, pull)
    code, report, _ = play(capsys, "--seconds", "2.5", *QUIETLY)
    thread.join()
    assert code == 0
    assert (report["player_notes"], report["hanging_notes"]) == (2, 0)
    assert "(lost)" in report["input"]
    mine = [s for s in load_take(Path(report["outputs"]["take"])).sounds if s.voice == "player"]
    ended_s = [s.time_s for s in mine if s.kind == "off"]
    begun_s = [s.time_s for s in mine if s.kind == "on"]
    # They end when the loss is noticed, not only when the program ends.
    assert len(ended_s) == 2
    assert max(ended_s) - min(begun_s) < 2.2
    assert [s.velocity for s in mine if s.kind == "control" and s.pitch == 64] == [127, 0]


def test_a_take_that_finds_no_room_is_saved_elsewhere(tune, capsys, tmp_path, monkeypatch):
    spare = tmp_path / "spare"
    monkeypatch.setattr("studio.live.session.tempfile.gettempdir", lambda: str(spare))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.live.session.TakeWriter._write", staticmethod(full))
    real_save = render.Path.write_bytes

    def save(path, data):
        if spare not in path.parents:
            full()
        return real_save(path, data)

    monkeypatch.setattr("pathlib.Path.write_bytes", save)
    code, report, _ = play(capsys, "--player", tune, *QUIETLY)
    assert code == 0
    take = Path(report["outputs"]["take"])
    assert spare in take.parents
    assert sum(s.kind == "on" and s.voice == "player" for s in load_take(take).sounds) == 4
    assert [text for text in report["problems"] if "No space left" in text and str(take) in text]
    # Two takes may be saved there, so each has a file of its own name.
    assert Path(report["outputs"]["midi"]) == take.with_suffix(".mid")
    assert midi.read(report["outputs"]["midi"]).n_notes() > 3


def test_a_fault_of_the_engine_is_an_exit_code_and_the_take_is_kept(tune, capsys, monkeypatch):
    step, faults = Conductor.step, []

    def stumble(self, now_s, inputs=()):
        if self.counts.player_notes >= 2 and not faults:
            faults.append(now_s)
            raise ZeroDivisionError("a bar of no beats")
        return step(self, now_s, inputs)

    monkeypatch.setattr(Conductor, "step", stumble)
    code, report, _ = play(capsys, "--player", tune, *QUIETLY)
    assert (code, report["stopped_by"]) == (1, "fault")
    assert "ZeroDivisionError: a bar of no beats" in report["problems"]
    assert report["hanging_notes"] == 0
    assert len(load_take(Path(report["outputs"]["take"])).sounds) >= 4


# In a process of its own, interrupted as from a terminal.


def interrupted(argv, is_time, home):
    """Exit code, output and errors of a program that gets SIGINT as soon as ``is_time()``."""
    command = [sys.executable, "-m", "studio", *argv]
    environment = {"ANTIPHON_HOME": str(home), "SDL_AUDIODRIVER": "dummy", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as program:  # fmt: skip
        while program.poll() is None and not is_time():
            time.sleep(0.002)
        program.send_signal(signal.SIGINT)
        out, errors = program.communicate(timeout=40)
    assert "Traceback" not in errors
    return program.returncode, out, errors


def test_ctrl_c_while_playing_exits_130_with_the_take_saved(tmp_path):
    takes = tmp_path / "takes"

    def has_begun():
        found = list(takes.glob("*/take.jsonl"))
        return bool(found) and b'"on"' in found[0].read_bytes()

    argv = ("play", "--player", HARBOR, *QUIETLY, "--takes", str(takes), "--json")
    code, out, _ = interrupted(argv, has_begun, tmp_path / "home")
    assert code == 130
    report = json.loads(out)
    assert report["stopped_by"] == "interrupt"
    assert report["hanging_notes"] == 0
    take = load_take(Path(report["outputs"]["take"]))
    assert not take.is_torn
    assert sum(s.kind == "on" and s.voice == "player" for s in take.sounds) == report["player_notes"] > 0


def test_ctrl_c_while_loading_exits_130_in_a_word(monkeypatch, capsys):
    class Interrupting:
        def find_spec(self, name, *_):
            if name == "studio.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "studio.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        entrance.main()
    assert caught.value.code == 130
    assert capsys.readouterr() == ("", "Interrupted.\n")
