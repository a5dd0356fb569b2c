"""Settings of the window: kept, mended, never lost."""

import json
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from midi.errors import UserError
from studio import appsettings, cli, desktop, jsonfile, settings
from studio.appsettings import AppSettings, SteeringDefaults, load_settings, save_settings, settings_file
from studio.live import deskprocess
from studio.live.desk import Desk
from studio.live.messages import SetTempo
from studio.live.planner import NoPlanner
from studio.takes import Library
from studio.ui import app as ui_app
from studio.ui import remembered
from studio.ui.state import WindowState


def test_there_are_defaults_before_there_is_a_file(antiphon_home):
    assert load_settings() == (AppSettings(), "")
    assert not settings_file().exists()
    assert settings_file().parent == antiphon_home


def test_they_come_back_as_they_were_saved():
    mine = AppSettings(model="partner", tempo_bpm=90.5, meter=(6, 8), is_recording=False)
    mine.steering = SteeringDefaults(density=-1.0, instruments=(0, 4))
    save_settings(mine)
    assert load_settings() == (mine, "")


def test_keys_of_another_version_are_kept():
    settings_file().write_text('{"theme": "light", "tempo_bpm": 80, "steering": {"wildness": 3}}')
    mine, problem = load_settings()
    assert (mine.tempo_bpm, problem) == (80.0, "")
    mine.player_instrument = 5
    save_settings(mine)
    kept = json.loads(settings_file().read_text())
    assert (kept["theme"], kept["steering"]["wildness"], kept["player_instrument"]) == ("light", 3, 5)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\x01", "[" * 100_000])
def test_a_broken_file_is_set_aside_with_a_sentence(antiphon_home, text):
    settings_file().write_text(text)
    for number in (1, 2):
        mine, problem = load_settings()
        assert mine == AppSettings()
        assert "settings.json.broken-" in problem
        assert len(list(antiphon_home.glob("settings.json.broken-*"))) == number
        assert load_settings() == (AppSettings(), "")
        settings_file().write_text(text)


def test_what_makes_sense_of_a_broken_file_is_used(antiphon_home):
    text = '{"tempo_bpm": 1e9, "is_recording": false, "meter": [4, 5], "mode": "x", "steering": {"top_p": 7}}'
    settings_file().write_text(text)
    mine, problem = load_settings()
    assert (mine.tempo_bpm, mine.is_recording, mine.meter, mine.mode) == (120.0, False, (4, 4), "accompany")
    assert all(word in problem for word in ("tempo_bpm", "meter", "mode", "steering"))
    (aside,) = antiphon_home.glob("settings.json.broken-*")
    assert aside.read_text() == text


def test_a_file_that_cannot_be_set_aside_still_gives_settings(monkeypatch):
    settings_file().write_text("{")

    def refuses(_):
        raise UserError("no")

    monkeypatch.setattr(jsonfile, "set_aside", refuses)
    mine, problem = load_settings()
    assert mine == AppSettings()
    assert "damaged" in problem


def test_without_a_place_for_them_saving_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be created"):
        save_settings(AppSettings(), tmp_path / "file" / "settings.json")


def test_a_save_that_fails_leaves_the_file_before(monkeypatch):
    save_settings(AppSettings(player_instrument=2))

    def full(*_):
        raise UserError("The disk is full.")

    monkeypatch.setattr(jsonfile, "write_bytes", full)
    with pytest.raises(UserError, match="full"):
        save_settings(AppSettings(player_instrument=7))
    assert load_settings()[0].player_instrument == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("player_instrument", 16), ("tempo_bpm", 10.0), ("player_db", 7.0), ("mode", "jazz"),
     ("meter", (4, 3))],
)  # fmt: skip
def test_assignments_are_checked(name, value):
    with pytest.raises(ValidationError):
        setattr(AppSettings(), name, value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=8,
    ),
    st.sampled_from(sorted(AppSettings.model_fields)),
)
def test_whatever_stands_in_the_file_there_are_settings(tmp_path_factory, value, key):
    path = tmp_path_factory.mktemp("any") / "settings.json"
    path.write_text(json.dumps({key: value, "player_instrument": 3}))
    mine, problem = appsettings.load_settings(path)
    assert isinstance(mine, AppSettings)
    assert mine.player_instrument == (3 if key != "player_instrument" or not problem else 0)
    save_settings(mine, path)
    again, problem = load_settings(path)
    assert not problem
    assert again.model_dump(mode="json") == mine.model_dump(mode="json")


def test_what_the_window_remembers_of_itself_stands_nowhere_twice():
    assert not set(AppSettings.model_fields) & set(WindowState.model_fields)
    assert not {"ui_scale", "octave", "has_started", "is_welcomed"} & set(AppSettings.model_fields)


def test_the_desk_starts_from_the_settings_that_the_screens_write(monkeypatch, tmp_path):
    given = {}

    class Remote:
        def __init__(self, options):
            given["options"] = options

        def start(self):
            pass

        def close(self):
            pass

        def do(self, command):
            pass

    class App:
        def __init__(self, desk, *_, services, **__):
            given["desk"], given["services"] = desk, services

        def toast(self, *_, **__):
            pass

        def run(self):
            given["desk"].do(SetTempo(0.0, 97.0))
            services = given["services"]()
            given["seen"] = services.settings.tempo_bpm
            services.settings.meter = (3, 4)
            services.library.close()

    save_settings(AppSettings(tempo_bpm=88.0))
    monkeypatch.setattr(deskprocess, "RemoteDesk", Remote)
    monkeypatch.setattr(ui_app, "App", App)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    state = WindowState()
    assert desktop._run(desktop.WindowOptions(), None, state, tmp_path / "window.json", "") == 0
    assert given["options"].tempo_bpm == 88.0
    assert given["seen"] == 97.0, "what is played with and what the screens show is one object"
    kept, _ = load_settings()
    assert (kept.tempo_bpm, kept.meter) == (97.0, (3, 4)), "neither overwrote the other"


class TestTakesFolder:
    def test_one_rule_for_desk_library_and_command_line(self, antiphon_home, tmp_path, capsys):
        assert settings.takes_folder() == antiphon_home / "takes"
        save_settings(AppSettings(takes_folder=str(tmp_path / "mine")))
        assert settings.takes_folder() == tmp_path / "mine"
        with Library() as library:
            assert library.folder == tmp_path / "mine"
        desk = Desk(remembered.options(load_settings()[0]), planner=NoPlanner())
        assert desk.takes.root == tmp_path / "mine"
        desk.close()
        assert cli.run(["takes", "folder", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"folder": str(tmp_path / "mine")}

    def test_it_is_chosen_on_the_command_line_and_given_back(self, antiphon_home, tmp_path, capsys):
        assert cli.run(["takes", "folder", str(tmp_path / "new" / "place"), "--json"]) == 0
        assert (tmp_path / "new" / "place").is_dir()
        assert settings.takes_folder() == tmp_path / "new" / "place"
        assert cli.run(["takes", "folder", "--usual", "--json"]) == 0
        assert settings.takes_folder() == antiphon_home / "takes"
        capsys.readouterr()

    @pytest.mark.parametrize("words", ["music", "", "  ", "a\0b"])
    def test_half_a_path_is_refused_with_a_hint(self, words):
        with pytest.raises(UserError, match="no whole path"):
            settings.usable_folder(words)

    def test_a_place_that_cannot_be_made_is_refused_and_nothing_changes(
        self, antiphon_home, tmp_path, capsys
    ):
        (tmp_path / "file").touch()
        assert cli.run(["takes", "folder", str(tmp_path / "file" / "x"), "--json"]) == 2
        assert "can't be created" in json.loads(capsys.readouterr().out)["error"]
        assert settings.takes_folder() == antiphon_home / "takes"

    @pytest.mark.parametrize("text", ["{", "[]", '{"takes_folder": 3}', '{"takes_folder": "half"}', "\x00"])
    def test_nonsense_in_the_file_means_the_usual_folder(self, antiphon_home, text):
        settings_file().write_text(text)
        assert settings.takes_folder() == antiphon_home / "takes"

    def test_the_home_folder_is_a_tilde_for_the_eye(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert settings.with_tilde(tmp_path / "Music") == "~/Music"
        assert settings.with_tilde(Path("/elsewhere")) == "/elsewhere"
        assert settings.chosen_folder("~/Music") == tmp_path / "Music"
