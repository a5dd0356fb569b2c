"""``antiphon gallery``: pictures, sheets, loop; again, further, elsewhere; refused."""

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PdfParser

from midi.errors import UserError
from models.image.walks import LoopTime
from studio import cli
from studio.gallery import render, sheet
from studio.gallery.compose import Composer, Recipe
from studio.gallery.loop import Walk
from studio.gallery.metadata import read_state
from studio.gallery.page import entries_of
from studio.gallery.sheet import MAX_ON_SHEET, columns_for
from tests.models.image.gardens import plant


def run_json(capsys, *argv):
    code = cli.run([*map(str, argv), "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, json.loads(out)


def refused(capsys, *argv):
    assert cli.run([*map(str, argv)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 2, captured.err
    return lines[0]


def contents(folder):
    """Every file of a gallery with a hash of it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_a_gallery_as_json(garden, tmp_path, capsys):
    code, data = run_json(
        capsys, "gallery", "garden", "--count", 5, "--out", tmp_path / "g", "--device", "cpu"
    )
    assert code == 0
    assert {"count", "seconds", "model", "files", "page", "sheet"} <= set(data)
    assert (data["count"], data["model"], data["kept"]) == (5, "garden@1.0.0", 0)
    assert len(set(data["files"])) == 5
    for path in [
        *data["files"],
        data["page"],
        data["sheet"],
        data["sheet_pdf"],
        data["latents"],
        data["directions"],
    ]:
        assert Path(path).stat().st_size > 100
    assert [read_state(Path(path)).seed for path in data["files"]] == [7, 8, 9, 10, 11]
    assert Path(data["sheet_pdf"]).read_bytes().startswith(b"%PDF")


def test_the_same_again_to_the_bit_however_it_was_made(make, capsys, monkeypatch):
    options = ("--count", "6", "--loop", "0.5", "--mix", "99@fine", "--bend", "noise=0.5@2-")
    whole = contents(make(*options, out="whole"))
    assert len([name for name in whole if name.startswith("pictures/")]) == 6

    made = render.save_picture

    def third_time_unlucky(path, picture, state):
        if state.seed == 9:
            raise KeyboardInterrupt
        made(path, picture, state)

    monkeypatch.setattr(render, "save_picture", third_time_unlucky)
    folder = make(*options, out="cut", code=130)
    assert len(contents(folder)) == 2
    monkeypatch.setattr(render, "save_picture", made)
    (folder / "pictures" / ".left.png.0000.part").write_bytes(b"half")
    damaged = next((folder / "pictures").glob("*0000008*"))
    damaged.write_bytes(damaged.read_bytes()[:-30])
    capsys.readouterr()
    make(*options, "--resume", out="cut")
    assert contents(folder) == whole


def test_processes_make_the_same_files(make):
    options = ("--count", "5", "--no-sheets", "--seed", "3")
    assert contents(make(*options, "--jobs", "2", out="two")) == contents(make(*options, out="one"))


def test_resume_keeps_what_is_there(make, tmp_path, capsys):
    folder = make("--count", "3", "--no-sheets")
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "pictures").iterdir()}
    code, data = run_json(
        capsys,
        "gallery",
        "garden",
        "--count",
        5,
        "--out",
        folder,
        "--resume",
        "--no-sheets",
        "--device",
        "cpu",
    )
    assert (code, data["count"], data["kept"], data["sheet"]) == (0, 5, 3, None)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_other_pictures_share_a_folder(make):
    make("--count", "2", "--no-sheets")
    folder = make("--count", "2", "--no-sheets", "--psi", "0.4")
    assert len(list((folder / "pictures").iterdir())) == 4
    page = (folder / "index.html").read_text()
    assert page.count('<figure class="picture"') == 4


def test_a_picture_is_made_again_to_the_bit(make, tmp_path, capsys):
    folder = make(
        "--count", "2", "--no-sheets", "--mix", "5@1-2", "--move", "pca1=1.5@coarse,sefa2=-1",
        "--bend", "rotate=30@2", "--psi", "0.9",
    )  # fmt: skip
    for path in (folder / "pictures").iterdir():
        code, data = run_json(
            capsys, "gallery", "--from", path, "--out", tmp_path / "again", "--device", "cpu"
        )
        assert (code, data["identical"], data["largest_difference"], data["count"]) == (0, True, 0, 1)
        assert Path(data["files"][0]).read_bytes() == path.read_bytes()
        assert data["state"]["bend"] == "rotate=30@2"
    assert cli.run(["gallery", "--from", str(path), "--device", "cpu"]) == 0
    assert "the same to the bit" in capsys.readouterr().out


def test_what_is_said_changes_the_picture(garden):
    composer = Composer.load("garden", "cpu")
    plain = composer.picture(composer.state(7, Recipe()))
    for more in (
        {"psi": 0.3}, {"mix": "99@fine"}, {"mix": "#99@1"}, {"move": "pca1=2"}, {"move": "#3=0.5"},
        {"bend": "dilate=1@3"},
    ):  # fmt: skip
        assert (composer.picture(composer.state(7, Recipe(**more))) != plain).any(), more
    assert (composer.picture(composer.state(7, Recipe(move="pca1=0", mix="7@all"))) == plain).all()
    assert (composer.picture(composer.state(7, Recipe(noise_seed=3))) == plain).all(), "it has no noise"
    whole = composer.picture(composer.state(7, Recipe(mix="99@all")))
    assert (whole == composer.picture(composer.state(99, Recipe()))).all()


def test_noise_is_of_its_seed(antiphon_home):
    plant(antiphon_home / "models", "hill", has_noise=True)
    composer = Composer.load("hill", "cpu")
    one, same, other = (composer.picture(composer.state(7, Recipe(noise_seed=seed))) for seed in (None, 7, 8))
    assert (one == same).all()
    assert (one != other).any()


def test_a_model_that_is_gone_or_changed_is_told(make, antiphon_home, capsys, tmp_path):
    folder = make("--count", "1", "--no-sheets")
    picture = next((folder / "pictures").iterdir())
    assert cli.run(["models", "remove", "garden", "--quiet"]) == 0
    assert "garden@1.0.0, which is not here" in refused(capsys, "gallery", "--from", picture)
    plant(antiphon_home / "models", seed=5)
    assert "other weights" in refused(capsys, "gallery", "--from", picture)
    code, data = run_json(capsys, "gallery", "garden", "--from", picture)
    assert (code, data["identical"]) == (0, False)
    assert data["largest_difference"] > 0
    plant(antiphon_home / "models", "wide", size=32)
    assert "layers of" in refused(capsys, "gallery", "wide", "--from", picture)


def test_sheets_and_their_words(make):
    folder = make("--count", "3", "--bend", "rotate=20@2")
    with Image.open(folder / "sheet.png") as image:
        assert image.width > 3 * 144
        assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 100
    for name in ("latents.png", "directions.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 500


def test_many_pictures_take_several_sheets(make, monkeypatch):
    monkeypatch.setattr("studio.gallery.sheet.MAX_ON_SHEET", 2)
    monkeypatch.setattr("studio.gallery.sheet.PAPER_ROWS", 1)
    monkeypatch.setattr("studio.gallery.sheet.PAPER_COLUMNS", 2)
    folder = make("--count", "5")
    assert {"sheet.png", "sheet-2.png", "sheet-3.png"} <= {path.name for path in folder.iterdir()}
    with PdfParser.PdfParser(folder / "sheet.pdf") as pdf:
        assert len(pdf.pages) == 3


def test_columns():
    assert [columns_for(n) for n in (1, 5, 16, 64, MAX_ON_SHEET)] == [1, 3, 4, 8, 25]


def test_a_printed_page_holds_its_pictures(make):
    folder = make("--count", "1", "--no-sheets")
    (entry,) = entries_of(folder, folder / "pictures")
    rows = [entry] * (sheet.PAPER_COLUMNS * sheet.PAPER_ROWS)
    page = sheet._contact(folder, rows, sheet.PAPER_COLUMNS, sheet.PAPER, ("garden", ""))
    assert all(0 <= most - size < 200 for size, most in zip(page.size, sheet.PAPER_PX, strict=True))


def test_a_loop_closes_and_keeps_time(make):
    folder = make("--count", "1", "--no-sheets", "--loop", "1", "--tempo", "150", "--fps", "24")
    with Image.open(folder / "loop.gif") as gif:
        assert gif.info["loop"] == 0
        durations = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            durations.append(gif.info["duration"])
    assert sum(durations) == 1600


def test_a_loops_pace_is_even(garden):
    walk = Walk(Composer.load("garden", "cpu"), 7, Recipe(psi=1.0), 3)
    time = LoopTime(0.5, fps=16)
    distances, sample = walk.measured()
    assert len(distances) == 36
    assert len(sample) == 16
    from models.image.walks import evened_phases

    assert walk.unevenness(evened_phases(distances, time.phases())) < 0.7 * walk.unevenness(time.phases())
    first, closing = walk.frames([0.0, 1.0])
    assert (first == closing).all()


# Bad input.


@pytest.mark.parametrize(
    "options",
    [
        ["--count", "0"], ["--count", "-3"], ["--count", "100001"], ["--seed", "-1"],
        ["--seed", "4294967290"], ["--psi", "nan"], ["--psi", "100"], ["--mix", "99"],
        ["--mix", "99@nowhere"], ["--mix", "nobody@fine"],
        ["--mix", "pca1@fine"], ["--move", "pca1"], ["--move", "pca99=1"], ["--move", "pca1=1e9"],
        ["--move", "cave:x=1"], ["--bend", "melt=3"], ["--bend", "rotate=3@99"], ["--noise-seed", "-1"],
        ["--loop", "500"], ["--loop", "0"], ["--jobs", "0"], ["--count", "many"],
    ],
)  # fmt: skip
def test_what_makes_no_sense_writes_nothing(options, garden, tmp_path, capsys):
    refused(capsys, "gallery", "garden", "--out", tmp_path / "g", "--device", "cpu", *options)
    assert not (tmp_path / "g").exists()


def test_wrong_use_is_told(garden, tmp_path, capsys):
    assert "a model and a folder" in refused(capsys, "gallery", "garden")
    assert "a model and a folder" in refused(capsys, "gallery", "--out", tmp_path / "g")
    assert "nobody" in refused(capsys, "gallery", "nobody", "--out", tmp_path / "g")


def test_a_foreign_bundle_is_refused(antiphon_home, tmp_path, capsys):
    from models.bundle import write_bundle

    fields = {
        "name": "band", "version": "1.0.0", "kinds": {"in": "notes", "out": "notes"},
        "architecture": "event-1", "licence": "CC0-1.0",
    }  # fmt: skip
    write_bundle(antiphon_home / "models" / "band" / "1.0.0", fields, {"a": torch.zeros(1)}, "x")
    assert "band" in refused(capsys, "gallery", "band", "--out", tmp_path / "g")
    assert not (tmp_path / "g").exists()


def test_a_folder_that_can_not_be_made_is_refused(garden, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "can't be created" in refused(capsys, "gallery", "garden", "--out", tmp_path / "file" / "g")
    assert "can't be created" in refused(capsys, "gallery", "garden", "--out", tmp_path / "file")


def test_too_little_space_is_told_before_anything_is_made(make, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(render.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5000})())
    folder = make("--count", "4", code=2)
    assert "MB" in capsys.readouterr().err
    assert list((folder / "pictures").iterdir()) == []


def test_a_disk_that_fills_up_leaves_whole_files(make, monkeypatch, capsys):
    written = Path.replace

    def full(self, target):
        if "0000009" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(self, target)

    monkeypatch.setattr(Path, "replace", full)
    folder = make("--count", "4", "--no-sheets", code=2)
    assert "No space left" in capsys.readouterr().err
    names = sorted(path.name for path in (folder / "pictures").iterdir())
    assert [name.split("-")[1] for name in names] == ["0000007", "0000008"]
    assert all(read_state(folder / "pictures" / name).seed for name in names)


@pytest.mark.parametrize("name", ["sheet.pdf", "loop.gif", "index.html", "sheet.png"])
def test_extras_are_whole_or_absent(name, make, monkeypatch):
    written = Path.replace

    def full(self, target):
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(self, target)

    monkeypatch.setattr(Path, "replace", full)
    folder = make("--count", "1", "--loop", "0.25", code=2)
    left = {path.name for path in folder.iterdir()}
    assert name not in left
    assert not any(path.startswith(".") for path in left)


def test_restoring_refuses_what_is_no_picture_of_ours(garden, tmp_path, capsys):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    assert "no state" in refused(capsys, "gallery", "--from", tmp_path / "plain.png")
    assert "There is no picture" in refused(capsys, "gallery", "--from", tmp_path / "none.png")


def test_a_picture_does_not_replace_itself(make, capsys):
    folder = make("--count", "1", "--no-sheets")
    path = next((folder / "pictures").iterdir())
    before = path.read_bytes()
    assert "would replace" in refused(capsys, "gallery", "--from", path, "--out", folder / "pictures")
    assert path.read_bytes() == before


def test_a_state_is_checked_before_it_is_used(garden):
    composer = Composer.load("garden", "cpu")
    state = composer.state(7, Recipe())
    with pytest.raises(UserError, match="melt"):
        composer.picture(state.model_copy(update={"bend": "melt=1@all"}))
