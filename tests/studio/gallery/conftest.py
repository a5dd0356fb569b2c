"""A user's folder with a tiny picture model in it, and galleries by it."""

import pytest
import torch

from studio import cli
from tests.models.image.gardens import plant


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads on a busy machine wait for each other at every small operation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def garden(antiphon_home, monkeypatch, tmp_path):
    """The bundle ``garden``: 16 px, random weights; nothing is shipped."""
    monkeypatch.setattr("models.registry.shipped_folder", lambda: tmp_path / "no-weights")
    return plant(antiphon_home / "models")


@pytest.fixture
def make(garden, tmp_path, monkeypatch):
    """Makes a gallery of the garden on the command line and gives its folder; its sheets are small."""
    monkeypatch.setattr("studio.gallery.sheet.GRID", 3)
    monkeypatch.setattr("studio.gallery.sheet.DIRECTION_STEPS", 3)
    monkeypatch.setattr("studio.gallery.loop.MEASURED_STEPS", 4)
    monkeypatch.setattr("models.image.directions.PLACES", 2)

    def made(*options, out="gallery", code=0):
        folder = tmp_path / out
        assert (
            cli.run(["gallery", "garden", "--out", str(folder), "--quiet", "--device", "cpu", *options])
            == code
        )
        return folder

    return made
