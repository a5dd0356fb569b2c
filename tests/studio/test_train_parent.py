"""Which bundle a training starts from."""

from __future__ import annotations

import json

import pytest

from midi.errors import UserError
from models.image import recipe as pictures
from models.registry import find
from models.sequence import recipe as music
from models.training.runs import run_folder, write_settings
from studio.cli import run


@pytest.fixture
def parent_of(tmp_path, monkeypatch):
    """What a command would start from."""

    def of(media: str, *arguments: str) -> str | None:
        begun = []

        def train_bundle(run, *_):
            begun.append(run.parent)
            raise UserError("Enough is known.")

        monkeypatch.setattr(music, "train_bundle", train_bundle)
        monkeypatch.setattr(pictures, "train_bundle", train_bundle)
        assert run(["train", media, str(tmp_path), "--name", "mine", *arguments]) == 2
        return begun[0]

    return of


@pytest.mark.parametrize(
    ("media", "arguments", "parent"),
    [
        ("music", [], "partner"),
        ("music", ["--parent", "none"], None),
        ("music", ["--parent", "band"], "band"),
        ("pictures", [], "garden"),
        ("pictures", ["--size", "32"], "garden"),
        ("pictures", ["--size", "128"], "flowers"),
        ("pictures", ["--size", "256"], "flowers"),
        ("pictures", ["--preset", "live"], None),
        ("pictures", ["--preset", "live", "--parent", "garden"], "garden"),
        ("pictures", ["--parent", "none"], None),
    ],
)
def test_a_training_starts_from_a_starter_unless_told(parent_of, media, arguments, parent):
    assert parent_of(media, *arguments) == parent
    assert parent is None or find(parent).is_dir()


@pytest.mark.parametrize("more", [["--resume"], ["--pick", "500"]])
@pytest.mark.parametrize("parent", [None, "sunflowers"])
def test_a_run_that_goes_on_keeps_its_parent(parent_of, more, parent):
    write_settings(run_folder("mine"), {"parent": parent})
    assert parent_of("pictures", *more) == parent
    assert parent_of("pictures", *more, "--parent", "garden") == "garden"


def test_a_new_run_does_not_look_at_the_one_before(parent_of):
    write_settings(run_folder("mine"), {"parent": None, "bundle": "1.0.0"})
    assert parent_of("pictures") == "garden"


def test_settings_that_cannot_be_read_are_a_sentence(parent_of, tmp_path, capsys):
    run_folder("mine").mkdir(parents=True)
    (run_folder("mine") / "settings.json").write_text(json.dumps({"parent": None})[:5])
    assert run(["train", "pictures", str(tmp_path), "--name", "mine", "--resume"]) == 2
    assert "cannot be read" in capsys.readouterr().err
