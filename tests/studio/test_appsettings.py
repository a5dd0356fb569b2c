"""Settings of the window: kept, mended, never lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from midi.errors import UserError
from studio import appsettings, jsonfile
from studio.appsettings import AppSettings, SteeringDefaults, load_settings, save_settings, settings_file


def test_there_are_defaults_before_there_is_a_file(antiphon_home):
    assert load_settings() == (AppSettings(), "")
    assert not settings_file().exists()
    assert settings_file().parent == antiphon_home


def test_they_come_back_as_they_were_saved():
    mine = AppSettings(model="partner", tempo_bpm=90.5, meter=(6, 8), has_started=True)
    mine.steering = SteeringDefaults(density=-1.0, instruments=(0, 4))
    save_settings(mine)
    assert load_settings() == (mine, "")


def test_keys_of_another_version_are_kept():
    settings_file().write_text('{"theme": "light", "tempo_bpm": 80, "steering": {"wildness": 3}}')
    mine, problem = load_settings()
    assert (mine.tempo_bpm, problem) == (80.0, "")
    mine.octave = 5
    save_settings(mine)
    kept = json.loads(settings_file().read_text())
    assert (kept["theme"], kept["steering"]["wildness"], kept["octave"]) == ("light", 3, 5)


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
    text = '{"tempo_bpm": 1e9, "octave": 2, "meter": [4, 5], "mode": "jazz", "steering": {"top_p": 7}}'
    settings_file().write_text(text)
    mine, problem = load_settings()
    assert (mine.tempo_bpm, mine.octave, mine.meter, mine.mode) == (120.0, 2, (4, 4), "accompany")
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
    save_settings(AppSettings(octave=2))

    def full(*_):
        raise UserError("The disk is full.")

    monkeypatch.setattr(jsonfile, "write_bytes", full)
    with pytest.raises(UserError, match="full"):
        save_settings(AppSettings(octave=7))
    assert load_settings()[0].octave == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("octave", 9), ("tempo_bpm", 10.0), ("player_db", 7.0), ("ui_scale", 0.1), ("mode", "jazz"),
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
    path.write_text(json.dumps({key: value, "octave": 3}))
    mine, problem = appsettings.load_settings(path)
    assert isinstance(mine, AppSettings)
    assert mine.octave == (3 if key != "octave" or not problem else 4)
    save_settings(mine, path)
    again, problem = load_settings(path)
    assert not problem
    assert again.model_dump(mode="json") == mine.model_dump(mode="json")
