"""``antiphon takes`` and ``antiphon models preview`` as scripts use them."""

import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from models import home as home_rule
from models import registry
from studio import partners, perform, preview, settings
from studio.cli import run
from studio.live.take import load_take
from studio.partners import Partner
from tests.studio.takefolder import note, write_take


@pytest.fixture
def ask(capsys):
    """Runs a command with --json; its exit code and what it printed."""

    def asked(*argv):
        code = run([*argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return asked


@pytest.fixture
def one(antiphon_home):
    return write_take(antiphon_home / "takes", "one", note(0, 0.3, 60, 0))


def told(capsys, *argv):
    assert run([*argv]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("one")
def test_a_take_s_life(ask):
    assert ask("takes", "rename", "one", "Häfen / 🎹")[1]["name"] == "Häfen / 🎹"
    assert ask("takes", "tag", "one", "slow", "late")[1]["tags"] == ["slow", "late"]
    assert ask("takes", "tag", "one", "slow", "--remove")[1]["tags"] == ["late"]
    assert ask("takes", "star", "one")[1]["is_starred"] is True
    assert [each["id"] for each in ask("takes", "list", "--starred", "--tag", "LATE")[1]] == ["one"]
    assert ask("takes", "list", "--tag", "other") == (0, [])
    assert ask("takes", "star", "one", "--remove")[1]["is_starred"] is False
    assert ask("takes", "list", "--starred") == (0, [])
    assert ask("takes", "show", "Häfen / 🎹")[1]["player_notes"] == 1
    key = ask("takes", "trash", "one")[1]["key"]
    assert [each["key"] for each in ask("takes", "trashed")[1]] == [key]
    assert ask("takes", "restore", key)[1]["id"] == "one"
    ask("takes", "trash", "one")
    assert ask("takes", "empty-trash") == (0, {"deleted": 1})
    assert ask("takes", "list") == (0, [])


def test_what_a_person_reads(capsys, one):
    assert told(capsys, "takes", "trashed") == "The trash is empty.\n"
    for argv in (["star", "one"], ["tag", "one", "slow"], ["rename", "one", "Evening"]):
        told(capsys, "takes", *argv)
    lines = told(capsys, "takes", "list").splitlines()
    assert lines[1].startswith("* Evening [one]")
    assert "1+0" in lines[1]
    assert "Evening" in told(capsys, "takes", "show", "one")
    one.write_bytes(one.read_bytes()[:-5])
    assert "its end was lost" in told(capsys, "takes", "list")
    key = told(capsys, "takes", "trash", "one").split()[-1]
    assert key in told(capsys, "takes", "trashed")
    assert told(capsys, "takes", "list") == "No takes yet.\n"
    assert "Evening" in told(capsys, "takes", "restore", key)


@pytest.mark.parametrize(
    "argv",
    [
        ["show", "nothing"], ["rename", "nothing", "x"], ["trash", "nothing"], ["restore", "nothing"],
        ["export", "nothing"], ["export", "one", "--out", "x.mp3"], ["export", "one", "--kind", "mp3"],
        ["try-again", "one", "--from-bar", "0"], ["try-again", "one"],
        ["thumbnail", "one", "--out", "/no/x.png"],
    ],
)  # fmt: skip
@pytest.mark.usefixtures("one")
def test_wrong_use_is_one_sentence(ask, argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = ask("takes", *argv)
    assert code == 2
    assert set(said) == {"error", "hint"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one")
def test_export_thumbnail_and_verify(ask, tmp_path, monkeypatch, one):
    monkeypatch.chdir(tmp_path)
    assert ask("takes", "export", "one")[1]["out"] == "one.wav"
    assert soundfile.info(tmp_path / "one.wav").frames == round(2.3 * 48_000)
    assert ask("takes", "thumbnail", "one", "--out", "x.png", "--width", "64", "--height", "32")[0] == 0
    with Image.open("x.png") as image:
        assert (image.size, image.mode) == ((64, 32), "RGBA")
    assert ask("takes", "export", "one", "--out", str(one.with_suffix(".wav")))[0] == 0
    code, said = ask("takes", "verify", "one")
    assert (code, said["matches"], said["last_time"]) == (0, {"take.wav": True}, None)
    soundfile.write(one.with_suffix(".wav"), np.zeros((100, 2)), 48_000)
    code, said = ask("takes", "verify", "one")
    assert (code, said["matches"], said["last_time"]) == (1, {"take.wav": False}, True)
    one.with_suffix(".wav").unlink()
    words = json.loads(one.with_suffix(".json").read_text()) | {"sound_sha256": "00"}
    one.with_suffix(".json").write_text(json.dumps(words))
    code, said = ask("takes", "verify", "one")
    assert (code, said["matches"], said["last_time"]) == (1, {}, False)
    assert ask("takes", "verify", "one")[1]["last_time"] is True


def test_takes_of_another_folder(ask, tmp_path):
    write_take(tmp_path / "album", "first")
    assert [each["id"] for each in ask("takes", "list", "--folder", str(tmp_path / "album"))[1]] == ["first"]


class TestPreview:
    @pytest.fixture
    def performed(self, monkeypatch):
        """Partners without weights; counts how often one performs. Sound is not made."""
        calls = []
        real = perform.perform

        def counted(options, progress=None):
            calls.append(options.model)
            return real(options, progress)

        monkeypatch.setattr(preview, "perform", counted)
        monkeypatch.setattr("studio.render.audio_blocks", lambda *_: iter([np.zeros((480, 2), np.float32)]))
        monkeypatch.setattr(perform, "load_partner", lambda *_: Partner("rules"))
        return calls

    def test_it_is_made_once_and_can_be_written_elsewhere(self, ask, performed, tmp_path):
        code, first = ask("models", "preview", "none")
        assert (code, first["is_cached"], first["bars"]) == (0, False, preview.BARS)
        take = load_take(first["take"])
        assert 15 < take.duration_s() < 25
        out = tmp_path / "hear.wav"
        code, again = ask("models", "preview", "none", "--out", str(out))
        assert (code, again["is_cached"], again["audio"]) == (0, True, str(out))
        assert soundfile.info(out).frames == 480
        assert performed == ["none"]

    def test_other_weights_are_heard_anew(self, performed, monkeypatch):
        assert preview.preview("partner")["is_cached"] is False
        assert preview.preview("partner")["is_cached"] is True
        monkeypatch.setattr(preview, "SEED", 2)
        assert preview.preview("partner")["is_cached"] is False
        assert performed == ["partner", "partner"]

    def test_a_preview_that_fails_leaves_nothing(self, performed, monkeypatch, ask):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(preview.Path, "rename", full)
        code, said = ask("models", "preview", "none")
        assert code == 2
        assert "No space left" in said["error"]
        assert list((settings.cache_folder() / "previews").iterdir()) == []
        assert performed

    @pytest.mark.parametrize(
        "argv", [["nothing"], ["none", "--out", "x.mp3"], ["none", "--out", "/no/x.wav"]]
    )
    def test_wrong_use(self, ask, performed, argv):
        code, said = ask("models", "preview", *argv)
        assert (code, set(said)) == (2, {"error", "hint"})
        assert len(performed) <= 1


def test_there_is_one_rule_for_the_user_s_folder(antiphon_home, monkeypatch):
    assert registry.user_folder() == antiphon_home / "models"
    assert settings.home() == home_rule.home() == antiphon_home
    monkeypatch.setenv("ANTIPHON_HOME", "  ~/x ")
    assert settings.home() == registry.user_folder().parent
    assert settings.home().is_absolute()
    assert partners.settings.home is home_rule.home
