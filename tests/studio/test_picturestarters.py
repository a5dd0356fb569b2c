import dataclasses

import pytest
from PIL import Image

import models
from midi.errors import UserError
from models.bundle import read_bundle
from models.image import measure, recipe
from models.image.discriminator import CriticConfig
from models.image.generator import GeneratorConfig
from studio import picturestarters, starters
from studio.cli import run
from tests.models.image.conftest import one_thread  # noqa: F401
from tests.models.image.drawings import disc

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Shared data with a few flowers and their credits; networks that train in no time."""
    monkeypatch.setattr(starters.assets, "path", lambda name: tmp_path / "assets" / name)
    monkeypatch.setattr(recipe, "preset", lambda _name, size: GeneratorConfig(size, (8, 8, 8), 8, 8))
    monkeypatch.setattr(recipe, "critic_config", lambda size, *_: CriticConfig(size, (8, 8, 8), hidden=8))
    monkeypatch.setattr(recipe, "MEASURED", 8)
    for name, value in (("WALKS", 1), ("PATCH_ROUNDS", 1), ("FEATURE_ROUNDS", 1)):
        monkeypatch.setattr(measure, name, value)
    small = dataclasses.replace(picturestarters.STARTERS["sunflowers"], size=16)
    monkeypatch.setitem(picturestarters.STARTERS, "sunflowers", small)
    config = recipe.loop_config
    monkeypatch.setattr(
        recipe, "loop_config", lambda run: dataclasses.replace(config(run), max_minutes=None, max_steps=2)
    )
    folder = tmp_path / "data" / "flowers128" / "sunflowers"
    folder.mkdir(parents=True)
    lines = ["file\tcredit", "roses/r.jpg\tCC-BY by Nobody"]
    for i in range(12):
        Image.fromarray(disc(i, 16)).save(folder / f"{i}.png")
        lines.append(f'sunflowers/{i}.png\tCC-BY by "Ann" {i % 3} - https://example.org/{i % 3}')
    (folder.parent / "ATTRIBUTION.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "data"


def train(data, tmp_path, **more):
    starters.train_starters(only="sunflowers", data=data, runs=tmp_path / "runs", device="cpu", **more)


def test_a_starter_is_trained_credited_shipped_and_resumed(data, tmp_path, capsys):
    train(data, tmp_path)
    assert "now shipped" in capsys.readouterr().out
    shipped = tmp_path / "assets" / "weights" / "sunflowers" / "1.0.0"
    bundle = read_bundle(shipped)
    assert bundle.manifest.licence == "Apache-2.0"
    assert bundle.manifest.data[0].licence.startswith("CC-BY-2.0")
    assert bundle.card.count('- CC-BY by "Ann"') == 3
    assert "Nobody" not in bundle.card
    assert "12 pictures." in bundle.card
    assert "kernel distance" in bundle.card
    assert (tmp_path / "runs" / "sunflowers" / "nearest.png").exists()
    assert (shipped / "sheet.png").exists()
    assert models.load(shipped, device="cpu").generate([1]).shape == (1, 16, 16, 3)
    assert run(["models", "show", str(shipped)]) == 0
    assert run(["gallery", str(shipped), "--count", "1", "--out", str(tmp_path / "g"), "--no-sheets"]) == 0
    capsys.readouterr()

    train(data, tmp_path)
    assert "and stays" in capsys.readouterr().out
    train(data, tmp_path, pick=1)
    assert capsys.readouterr().out == "sunflowers: picked by eye: now shipped.\n"
    with pytest.raises(UserError, match="no snapshot of step 9"):
        train(data, tmp_path, pick=9)


def test_a_picture_without_credit_stops_it(data, tmp_path):
    Image.fromarray(disc(77, 16)).save(data / "flowers128/sunflowers/anonymous.png")
    with pytest.raises(UserError, match=r"no credit, anonymous\.png"):
        train(data, tmp_path)


@pytest.mark.parametrize("text", [None, "name\twho\nx\ty\n"])
def test_credits_that_cannot_be_read_stop_it(data, tmp_path, text):
    file = data / "flowers128" / "ATTRIBUTION.tsv"
    file.unlink()
    if text:
        file.write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        train(data, tmp_path)


def test_credits_of_a_whole_set_keep_the_folders(data):
    found = picturestarters.read_credits(data / "flowers128/ATTRIBUTION.tsv", data / "flowers128")
    assert found["roses/r.jpg"] == "CC-BY by Nobody"
    assert len(found) == 13


@pytest.mark.parametrize(
    ("new", "old", "expected", "said"),
    [
        ({"swd": 0.5, "kd": 0.2}, None, True, "0.5000: now shipped"),
        ({"swd": 0.5, "kd": 0.2}, {"swd": 0.4, "kd": 0.3}, True, "kernel distance 0.2000 instead of 0.3000"),
        ({"swd": 0.3, "kd": 0.3}, {"swd": 0.4, "kd": 0.3}, False, "has 0.3000 and stays"),
        ({"swd": 0.3, "kd": 9.0}, {"swd": 0.4, "kd": 0.1, "features": "other"}, True, "Wasserstein"),
        ({"swd": 0.1, "kd": 0.0, "nearest_ratio": 0.2}, None, False, "copies"),
        ({"swd": 0.3, "kd": 9.0}, {"swd": {"mean": 1.0}}, True, "now shipped"),
    ],
)
def test_better_is_by_a_stated_figure(new, old, expected, said):
    old = old if old is None else {"features": "x"} | old
    is_better, sentence = picturestarters.verdict({"features": "x"} | new, old)
    assert is_better == expected
    assert said in sentence


def test_a_candidate_without_figures_is_not_shipped():
    with pytest.raises(UserError, match="no figures"):
        picturestarters.verdict({"count": 8}, None)


def test_every_starter_has_its_budget():
    assert set(picturestarters.STARTERS) <= set(starters.BUDGETS)
