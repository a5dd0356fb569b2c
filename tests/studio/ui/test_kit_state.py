"""What the window remembers: whole or not at all, and never a reason not to start."""

import json

import pytest

from midi.errors import UserError
from studio.appsettings import AppSettings
from studio.live.deskview import ChooseInput, Learn, SetMeter, SetVolume
from studio.live.messages import Mode, Panic, SetMode, SetTempo, Steer, Voice
from studio.ui import remembered
from studio.ui.state import Keeper, WindowState, load, save, state_path


def test_it_comes_back(tmp_path):
    path = tmp_path / "deep" / "window.json"
    save(WindowState(width=1920, height=1080, octave=6, choices={"sort": "name"}), path)
    state, sentence = load(path)
    assert (state.width, state.height, state.octave, state.choices) == (1920, 1080, 6, {"sort": "name"})
    assert sentence == ""
    assert [file.name for file in path.parent.iterdir()] == ["window.json"]


def test_it_lies_in_the_users_folder(antiphon_home):
    assert state_path() == antiphon_home / "window.json"


@pytest.mark.parametrize("text", ["", "{", "[1]", "\0\0\0", '{"width": '])
def test_a_broken_file_is_set_aside_with_one_sentence(tmp_path, text):
    path = tmp_path / "window.json"
    path.write_text(text)
    state, sentence = load(path)
    assert state == WindowState()
    assert "set aside as window.json.broken-" in sentence
    kept = [file for file in tmp_path.iterdir() if "broken" in file.name]
    assert [file.read_text() for file in kept] == [text]
    assert load(path) == (WindowState(), "")


def test_one_impossible_value_costs_only_itself(tmp_path):
    path = tmp_path / "window.json"
    path.write_text(json.dumps({"width": -5, "octave": 2, "of_a_later_version": 7}))
    state, sentence = load(path)
    assert (state.width, state.octave) == (WindowState().width, 2)
    assert "width" in sentence


def test_what_can_not_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "window.json"
    save(WindowState(octave=3), path)

    def refuse(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(UserError, match="can't be written"):
        save(WindowState(octave=5), path)
    assert load(path)[0].octave == 3
    assert [file.name for file in tmp_path.iterdir()] == ["window.json"]


def test_the_keeper_writes_what_changed_and_complains_once(tmp_path):
    path = tmp_path / "window.json"
    state = WindowState()
    keeper = Keeper(state, path)
    assert keeper.turn(0.0) is None
    assert not path.exists()
    state.octave = 7
    assert keeper.turn(1.0) is None
    assert not path.exists()
    assert keeper.turn(6.0) is None
    assert load(path)[0].octave == 7
    path.unlink()
    path.mkdir()
    state.octave = 1
    assert "not a regular file" in keeper.turn(12.0).message
    state.octave = 2
    assert keeper.turn(18.0) is None


def test_commands_are_remembered_for_the_next_start():
    settings = AppSettings()
    lasting = (
        ChooseInput("Launchkey"), SetMeter(3, 4), SetVolume(Voice.PARTNER, -6.0), SetTempo(0.0, 96.0),
        SetMode(0.0, Mode.RESPOND), Steer(0.0, "temperature", 1.2), Steer(0.0, "swing", 0.5),
        Steer(0.0, "register", -12),
    )  # fmt: skip
    assert all(remembered.note(settings, command) for command in lasting)
    assert not remembered.note(settings, Panic(0.0))
    assert not remembered.note(settings, Learn("temperature"))
    options = remembered.options(settings, device="cpu")
    assert (options.in_port, options.meter, options.volumes_db) == ("Launchkey", (3, 4), (0.0, -6.0, 0.0))
    assert (options.feel.swing, options.feel.register) == (0.5, -12)
    assert (options.tempo_bpm, options.mode, options.steering.temperature) == (96.0, Mode.RESPOND, 1.2)


def test_an_impossible_command_is_not_remembered():
    settings = AppSettings()
    assert not remembered.note(settings, SetTempo(0.0, 100_000.0))
    assert settings.tempo_bpm == 120.0
