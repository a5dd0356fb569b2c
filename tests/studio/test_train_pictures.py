from __future__ import annotations

import json
from functools import partial

import pytest

import models
from midi.errors import UserError
from models.image import measure, recipe
from models.image.discriminator import CriticConfig
from models.image.generator import GeneratorConfig
from models.image.task import PictureTaskConfig
from studio.cli import run
from studio.train import TrainPicturesOptions, train_pictures
from tests.models.image.conftest import one_thread  # noqa: F401
from tests.models.image.drawings import write_discs

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = GeneratorConfig(16, (8, 8, 8), z_size=8, w_size=8)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(recipe, "preset", lambda _name, _size: TINY)
    monkeypatch.setattr(recipe, "critic_config", lambda size, *_: CriticConfig(size, (8, 8, 8), hidden=8))
    monkeypatch.setattr(recipe, "PictureTaskConfig", partial(PictureTaskConfig, count=8, samples=8))
    monkeypatch.setattr(recipe, "MEASURED", 8)
    monkeypatch.setattr(measure, "WALKS", 1)
    monkeypatch.setattr(measure, "PATCH_ROUNDS", 2)
    monkeypatch.setattr(measure, "FEATURE_ROUNDS", 2)


@pytest.fixture
def folder(tmp_path):
    discs = write_discs(tmp_path / "discs", 40)
    (discs / "letter.png").write_text("Dear painter")
    (discs / "disc900.png").write_bytes((discs / "disc003.png").read_bytes())
    return discs


def asked(folder, *more):
    fast = ["--parent", "none", "--size", "16", "--steps", "1"]
    return run(["train", "pictures", str(folder), "--name", "mine", *fast, *more])


class TestTrainPictures:
    def test_tells_the_figures_and_the_health_of_the_folder(self, folder):
        told = []
        options = TrainPicturesOptions(folder, "mine", steps=1, size=16, parent=None, device="cpu")
        data = train_pictures(options, lambda *step: told.append(step))
        assert (data["name"], data["version"]) == ("mine", "1.0.0")
        assert data["swd"] > data["real"]["swd"]
        assert data["corpus"]["used"] == 40
        assert list(data["corpus"]["refused"]) == ["letter.png"]
        assert data["corpus"]["duplicates"] == {"disc900.png": "disc003.png"}
        works = [what.partition(":")[0] for what, _, _ in told]
        assert list(dict.fromkeys(works)) == ["Reading pictures", "Training", "Making pictures", "Comparing"]
        assert any("critic loss" in what for what, _, _ in told)
        assert models.load("mine", device="cpu").generate([1]).shape == (1, 16, 16, 3)

    def test_command_prints_one_object(self, folder, capsys):
        assert asked(folder, "--json") == 0
        data = json.loads(capsys.readouterr().out)
        assert data["path"].endswith("1.0.0")
        assert data["run"].endswith("mine")

    def test_command_prints_lines(self, folder, capsys):
        assert asked(folder) == 0
        out = capsys.readouterr().out
        assert out.startswith("mine 1.0.0 is ready: ")
        assert "sheet.png" in out
        assert "letter.png: It is not a picture" in out
        assert "40 of 42 pictures used" in out

    def test_the_next_training_is_the_next_version(self, folder, capsys):
        assert asked(folder) == asked(folder) == 0
        assert "mine 1.1.0 is ready" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["{tmp}/none", "--name", "mine"], "no folder"),
            (["{tmp}/discs", "--name", "A b"], "cannot be the name"),
            (["{tmp}/discs", "--name", "mine", "--ground", "red"], "not a color"),
            (["{tmp}/discs", "--name", "mine", "--ground", "1234"], "not a color"),
            (["{tmp}/discs", "--name", "mine", "--parent", "nobody"], "no bundle"),
            (["{tmp}/discs", "--name", "mine", "--size", "48"], "size"),
            (["{tmp}/discs", "--name", "mine", "--pick", "3"], "no snapshot"),
        ],
    )
    @pytest.mark.usefixtures("folder")
    def test_bad_input_is_a_sentence(self, tmp_path, capsys, arguments, message):
        assert run(["train", "pictures", *(a.format(tmp=tmp_path) for a in arguments)]) == 2
        assert message in capsys.readouterr().err

    def test_three_pictures_are_told_to_be_few(self, tmp_path):
        folder = write_discs(tmp_path / "few", 3)
        options = TrainPicturesOptions(folder, "few", steps=1, size=16, parent=None, device="cpu")
        data = train_pictures(options)
        assert data["corpus"]["used"] == 3
        assert "swd" not in data

    def test_one_picture_is_refused(self, tmp_path):
        folder = write_discs(tmp_path / "few", 1)
        with pytest.raises(UserError, match="not enough"):
            train_pictures(TrainPicturesOptions(folder, "few", steps=1, size=16, device="cpu"))
