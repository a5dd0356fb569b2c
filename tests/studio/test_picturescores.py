import json

import pytest

from models.image import measure
from models.image.decode import IntakeConfig
from models.image.pictures import build_pictures
from models.registry import user_folder
from studio.cli import run
from tests.models.image.conftest import one_thread  # noqa: F401
from tests.models.image.drawings import write_discs
from tests.models.image.gardens import plant

pytestmark = pytest.mark.usefixtures("one_thread")
KEYS = {"swd", "fd", "kd", "precision", "recall", "nearest_ratio", "path_evenness", "count", "features"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(measure, "WALKS", 1)
    monkeypatch.setattr(measure, "PATCH_ROUNDS", 2)
    monkeypatch.setattr(measure, "FEATURE_ROUNDS", 2)


@pytest.fixture
def discs(tmp_path):
    plant(user_folder())
    return write_discs(tmp_path / "discs", 24, 16)


def test_prints_the_agreed_keys_and_writes_the_sheet(discs, tmp_path, capsys):
    arguments = ["eval", "pictures", "garden", str(discs), "--count", "8", "--out", str(tmp_path / "out")]
    assert run([*arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data) >= KEYS
    assert all(isinstance(data[key], float) for key in KEYS - {"count", "features"})
    assert not data["is_training_data"]
    assert data["sheet"] == str(tmp_path / "out" / "nearest.png")
    assert (tmp_path / "out" / "nearest.png").read_bytes().startswith(b"\x89PNG")


def test_tells_people(discs, capsys):
    assert run(["eval", "pictures", "garden", str(discs), "--count", "8", "--features", "random-conv"]) == 0
    out = capsys.readouterr().out
    assert "garden@1.0.0: 8 pictures against 24 real ones, features random-conv" in out
    assert "did not learn from this folder" in out
    assert "nearest.png" in out


def test_the_folder_it_learned_from_is_known_by_its_pixels(discs, tmp_path, monkeypatch, capsys):
    digest = build_pictures(discs, tmp_path / "set", IntakeConfig(16)).report.digest
    plain = measure.measure
    seen = []

    def spy(player, pictures, judge, config, advance):
        seen.append(config.is_foreign)
        return plain(player, pictures, judge, config, advance)

    monkeypatch.setattr(measure, "measure", spy)
    plant(user_folder(), "learned", data_digest=digest)
    assert run(["eval", "pictures", "learned", str(discs), "--count", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_training_data"]
    assert run(["eval", "pictures", "garden", str(discs), "--count", "8", "--json"]) == 0
    assert seen == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["garden", "{tmp}/none"], "no folder"),
        (["nobody", "{tmp}/discs"], "no bundle"),
        (["partner", "{tmp}/discs"], "network"),
        (["garden", "{tmp}/discs", "--count", "3"], "say nothing"),
        (["garden", "{tmp}/few"], "too few"),
        (["garden", "{tmp}/discs", "--features", "st-vgg16"], "package"),
    ],
)
@pytest.mark.usefixtures("discs")
def test_bad_input_is_a_sentence(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("models.image.judge.PACKAGE", "no_such_package_here")
    write_discs(tmp_path / "few", 3, 16)
    assert run(["eval", "pictures", *(a.format(tmp=tmp_path) for a in arguments)]) == 2
    assert message in capsys.readouterr().err
