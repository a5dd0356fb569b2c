"""``antiphon latent``: named places and directions."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from midi.errors import UserError
from models.image.arithmetic import Vector
from models.image.movement import MovementConfig
from studio import cli
from studio.gallery import instrument, latents
from studio.gallery.compose import Composer
from studio.gallery.latents import VectorCard
from studio.gallery.metadata import ModelMark, read_state
from tests.models.image.gardens import plant

MARK = ModelMark(name="garden", version="1.0.0", sha256="00")


def run_json(capsys, *argv):
    code = cli.run(["latent", *map(str, argv), "--json", "--device", "cpu"])
    return code, json.loads(capsys.readouterr().out)


def keep(name, values, **more):
    return latents.keep(VectorCard(name=name, model=MARK, **more), Vector(torch.tensor(values), **more))


def test_vectors_are_kept_and_found(antiphon_home):
    keep("red", [1.0, 2.0])
    keep("warm", [0.5, 0.0], is_direction=True)
    assert [card.title for card in latents.cards()] == ["garden:red", "garden:warm"]
    card, vector = latents.fetch("garden:warm")
    assert (card.name, vector.values.tolist(), vector.is_direction) == ("warm", [0.5, 0.0], True)
    keep("red", [3.0, 3.0])
    assert latents.fetch("garden:red")[1].values.tolist() == [3, 3]
    latents.drop("garden:red")
    with pytest.raises(UserError, match="garden:red"):
        latents.fetch("garden:red")
    assert list((antiphon_home / "latents" / "garden").glob("red*")) == []


@pytest.mark.parametrize(
    "name", ["", "Red", "a b", "../x", "mean", "pca1", "sefa", "sefa12", "look2", "x" * 64, "-a"]
)
def test_names_that_mean_something_else_are_refused(name):
    with pytest.raises(UserError):
        keep(name, [1.0])


@pytest.mark.parametrize("title", ["garden:none", "none", "garden:../../x", "..:x", ":", ""])
def test_what_is_not_there_is_told(title):
    keep("red", [1.0])
    with pytest.raises(UserError, match="There is no vector"):
        latents.fetch(title)


@pytest.mark.parametrize("damage", [b"", b"x" * 100, b"huge"])
def test_damaged_vectors_are_told(damage):
    path = keep("red", [1.0])
    path.write_bytes(damage if damage != b"huge" else bytes(latents.MAX_BYTES + 1))
    with pytest.raises(UserError, match="damaged"):
        latents.fetch("garden:red")
    path.with_suffix(".json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        latents.fetch("garden:red")
    assert latents.cards() == []


def test_arithmetic_makes_a_picture(garden, tmp_path, capsys):
    for name, seed in {"orchid": 3, "red": 4, "blue": 5}.items():
        assert (
            cli.run(["latent", "save", f"garden:{name}", "--seed", str(seed), "--quiet", "--device", "cpu"])
            == 0
        )
    text = "garden:orchid - garden:red + garden:blue"
    code, data = run_json(capsys, text, "--out", tmp_path / "a.png")
    assert code == 0
    assert data["terms"] == {"garden:orchid": 1, "garden:red": -1, "garden:blue": 1}
    assert not data["is_direction"]
    state = read_state(tmp_path / "a.png")
    assert (state.expression, state.seed, state.model.name) == (text, None, "garden")
    again = run_json(capsys, "garden:#3-garden:#4+garden:#5", "--out", tmp_path / "b.png")[1]
    assert again["sigmas"] == data["sigmas"]
    assert Image.open(tmp_path / "a.png").tobytes() == Image.open(tmp_path / "b.png").tobytes()
    code, data = run_json(capsys, "garden:orchid - garden:red")
    assert (data["is_direction"], data["out"]) == (True, None)
    assert run_json(capsys, "garden:mean")[1]["sigmas"] == 0
    assert cli.run(["latent", "list"]) == 0
    assert "garden:orchid  place" in capsys.readouterr().out
    assert cli.run(["latent", "remove", "garden:orchid", "--quiet"]) == 0
    assert [row["title"] for row in run_json(capsys, "list")[1]] == ["garden:blue", "garden:red"]


def test_a_picture_gives_its_place_and_is_mixed_in(make, capsys):
    folder = make("--count", "1", "--no-sheets", "--mix", "99@fine")
    path = next((folder / "pictures").iterdir())
    assert run_json(capsys, "save", "found", "--from", path)[1]["title"] == "garden:found"
    assert run_json(capsys, "garden:found", "--out", folder / "again.png")[0] == 0
    assert Image.open(folder / "again.png").tobytes() == Image.open(path).tobytes()
    make("--count", "1", "--no-sheets", "--mix", "found@1-2", "--move", "found=0.5", out="mixed")


def test_directions_are_measured_and_drawn(garden, tmp_path, capsys, monkeypatch):
    small = MovementConfig(first=1, randoms=2, seeds=range(100, 102), walks=2, steps=2)
    monkeypatch.setattr(instrument, "MovementConfig", lambda: small)
    monkeypatch.setattr("studio.gallery.sheet.DIRECTION_STEPS", 3)
    monkeypatch.setattr("models.image.directions.PLACES", 2)
    sheet = tmp_path / "new" / "directions.png"
    code, data = run_json(capsys, "directions", "garden", "--out", sheet)
    assert code == 0
    assert set(data["ratios"]) == {"look", "pca", "sefa"}
    assert data["sheet"] == str(sheet)
    with Image.open(sheet) as image:
        assert image.height > image.width
    lines = instrument.direction_lines(
        data | {"ratios": data["ratios"] | {"pca": {"pixels": 2, "features": 1}}}
    )
    assert any(line.startswith("pca, mean") and line.endswith("short") for line in lines)
    assert cli.run(["latent", "directions", "garden", "--out", str(tmp_path / "sheet.gif")]) == 2


def test_directions_have_names(garden, capsys):
    data = run_json(capsys, "save", "garden:warm", "--expr", "2*garden:pca1 - garden:sefa2 + garden:look3")[1]
    assert (data["is_direction"], data["model"]["name"]) == (True, "garden")


@pytest.mark.parametrize(
    "argv",
    [
        ["garden:nobody"], ["cave:x"], ["garden:#1 + cave:#2"], ["garden:#99999999999"], ["garden:pca99"],
        ["1 + 1"], ["garden:#1", "--out", "a.jpg"], ["garden:#1", "--out", "/nowhere/a.png"],
        ["save", "garden:x"],
        ["save", "garden:x", "--seed", "1", "--expr", "garden:#1"], ["save", "x", "--seed", "1"],
        ["save", "garden:pca1", "--seed", "1"], ["save", "garden:x", "--from", "none.png"],
        ["remove", "garden:x"],
        ["learn", "garden:x"], ["learn", "garden:x", "--ratings", "none.json"],
        ["project", "none.jpg", "garden:x"], ["project", "none.jpg", "x"],
        ["garden:#1", "--psi", "nan", "--out", "a.png"],
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(argv, garden, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["latent", *argv, "--device", "cpu"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert 1 <= len(captured.err.splitlines()) <= 2
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []
    assert latents.cards() == []


def test_taste_is_learned_from_ratings(make, capsys):
    folder = make("--count", "12", "--no-sheets", "--psi", "1")
    files = sorted((folder / "pictures").iterdir())
    brightness = {path: sum(Image.open(path).convert("L").tobytes()) for path in files}
    order = sorted(files, key=brightness.__getitem__)
    rows = [{"file": f"pictures/{path.name}", "stars": 1} for path in order[:5]]
    rows += [{"file": f"pictures/{path.name}", "stars": 5} for path in order[-5:]]
    rows += [{"file": f"pictures/{path.name}", "stars": 3} for path in order[5:7]]
    (folder / "ratings.json").write_text(json.dumps({"schema": 1, "ratings": rows}))
    code, data = run_json(capsys, "learn", "garden:bright", "--ratings", folder / "ratings.json")
    assert (code, data["likes"], data["dislikes"], data["is_direction"]) == (0, 5, 5, True)
    composer = Composer.load("garden", "cpu")
    step = composer.space.look_up("bright").values
    means = [
        composer.pictures.render(
            composer.pictures.styles(composer.pictures.w(range(20)), 0.7) + way * step
        ).mean()
        for way in (-1, 0, 1)
    ]
    assert means[0] < means[1] < means[2]
    by_hand = run_json(capsys, "learn", "bright2", "--likes", *order[-5:], "--dislikes", *order[:5])[1]
    assert by_hand["title"] == "garden:bright2"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ratings": [1]}', '{"ratings": [{"file": "a"}]}'])
def test_damaged_ratings_are_told(text, tmp_path):
    (tmp_path / "ratings.json").write_text(text)
    with pytest.raises(UserError, match=r"ratings\.json"):
        instrument.read_ratings(tmp_path / "ratings.json")


def test_a_photo_is_found(garden, tmp_path, capsys):
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "photo.jpg")
    code, data = run_json(
        capsys,
        "project",
        tmp_path / "photo.jpg",
        "garden:photo",
        "--out",
        tmp_path / "found.png",
        "--seconds",
        0.5,
    )
    assert code == 0
    assert data["error"] <= data["first_error"]
    assert Path(data["out"]).is_file()
    assert run_json(capsys, "garden:photo", "--out", tmp_path / "again.png")[0] == 0
    assert Image.open(tmp_path / "again.png").tobytes() == Image.open(tmp_path / "found.png").tobytes()


def test_vectors_of_other_weights_are_refused(garden, antiphon_home, capsys):
    assert cli.run(["latent", "save", "garden:red", "--seed", "1", "--quiet"]) == 0
    assert cli.run(["models", "remove", "garden", "--quiet"]) == 0
    plant(antiphon_home / "models", seed=4)
    assert cli.run(["latent", "garden:red"]) == 2
    assert "weights differ" in capsys.readouterr().err
