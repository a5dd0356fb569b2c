"""Measuring directions: beside random ones of equal length, on pictures they were not chosen by."""

import numpy as np
import pytest
import torch

from models.image import directions as program
from models.image.directions import Directions, effect, moved, ranked
from models.image.judge import Judge
from models.image.latent import gaussian
from models.image.movement import MovementConfig, movement_figures
from tests.models.image.gardens import pictures

SMALL = MovementConfig(first=2, randoms=4, seeds=range(100, 103), walks=2, steps=3)


class Means(torch.nn.Module):
    """Features that a test can work out: the mean colors."""

    def __init__(self):
        super().__init__()
        self.register_buffer("place", torch.zeros(1))

    def forward(self, x):
        return x.mean((2, 3))


def along(*vectors):
    return Directions("pca", torch.stack(vectors), torch.ones(len(vectors)))


def test_ratios_are_to_random_directions_of_equal_length():
    model = pictures()
    told = []
    strong = program.found(model, "look", 2, samples=200)
    judge = Judge("random-conv", Means())
    figures = movement_figures(
        model, {"look": strong, "pca": along(*(50 * strong.vectors))}, judge, SMALL, lambda *a: told.append(a)
    )
    assert told[-1] == ("Walking", 2, 2)
    assert [len(found) for found in figures["directions"].values()] == [2, 2]
    for key in ("pixels", "features"):
        first = [figures["directions"][kind][0][key] for kind in ("look", "pca")]
        assert first[0] == pytest.approx(first[1], rel=1e-3), "how long a vector is makes no difference"
        assert figures["ratios"]["look"][key] > 1
    before, after = moved(model, strong.vectors[0], figures["length"], SMALL.seeds, SMALL.psi)
    gray = np.abs(before.astype(int) - after).mean()
    assert figures["directions"]["look"][0]["pixels"] * figures["random"]["pixels"] == pytest.approx(gray)
    low, high = figures["evenness_gain"]
    assert low <= figures["path_evenness_z"] - figures["path_evenness"] <= high


def test_pictures_that_directions_were_chosen_by_measure_nothing():
    with pytest.raises(ValueError, match="chosen by"):
        MovementConfig(seeds=range(8))


def test_first_directions_stand_in_order_of_what_they_change(monkeypatch):
    monkeypatch.setattr(program, "RANKED_BY", 3)
    model = pictures()
    drawn = [gaussian(1, i, (model.w_size,)) for i in range(program.RANKED + 2)]
    drawn[0] = drawn[0] * 0 + torch.eye(model.w_size)[0]
    placed = Directions("sefa", torch.stack(drawn), torch.arange(len(drawn)))
    found = ranked(model, placed, 0.5)
    changes = [effect(model, vector, 0.5, range(3)) for vector in found.vectors[: program.RANKED]]
    assert changes == sorted(changes, reverse=True)
    assert sorted(found.sigmas.tolist()) == placed.sigmas.tolist()
    assert torch.equal(found.vectors[program.RANKED :], placed.vectors[program.RANKED :])
    assert torch.equal(found.vectors, placed.vectors[found.sigmas.long()])
