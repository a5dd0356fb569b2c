"""Directions: PCA, SeFa, and what a person likes."""

import numpy as np
import pytest
import torch

from midi.errors import UserError
from models.image.directions import attribute, effect, found, pca, sefa
from models.image.latent import gaussian
from tests.models.image.gardens import pictures

SCALES = torch.tensor([5.0, 3.0, 1.0, 0.5, 0.1])


def turned(seed=3):
    return torch.linalg.qr(gaussian(seed, 9, (5, 5))).Q


def test_pca_finds_the_axes_of_a_cloud():
    basis = turned()
    directions = pca(gaussian(1, 0, (4000, 5)) * SCALES @ basis, 3)
    assert torch.allclose(directions.vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    assert (directions.vectors * basis[:3]).sum(1).abs().tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert directions.sigmas.tolist() == pytest.approx([5, 3, 1], rel=0.05)
    assert all(row[row.abs().argmax()] > 0 for row in directions.vectors)


def test_sefa_finds_what_styles_listen_to():
    basis = turned()
    weights = {
        "a": gaussian(2, 0, (40, 5)) * SCALES @ basis,
        "b": 100 * gaussian(2, 1, (20, 5)) * SCALES @ basis,
    }
    directions = sefa(weights, gaussian(2, 2, (500, 5)), 2)
    assert (directions.vectors * basis[:2]).sum(1).abs().tolist() == pytest.approx([1, 1], abs=0.05)
    assert directions.sigmas.tolist() == pytest.approx([1, 1], rel=0.2)


@pytest.mark.parametrize(
    ("kind", "has_noise"), [("pca", False), ("sefa", False), ("look", False), ("look", True)]
)
def test_a_model_always_has_the_same_directions(kind, has_noise):
    models = [pictures(has_noise=has_noise) for _ in range(2)]
    # Making a model seeds torch; what torch draws from here on must not matter.
    first, again = (found(model, kind, 4, samples=200) for model in models)
    assert torch.equal(first.vectors, again.vectors)
    assert first.step(2).norm() == pytest.approx(float(first.sigmas[1]), rel=1e-5)
    for number in (0, 5):
        with pytest.raises(UserError, match=f"{kind}{number}"):
            first.step(number)


def test_what_is_liked_is_learned_from_a_handful():
    population = gaussian(1, 0, (2000, 32)) * torch.linspace(2, 0.2, 32)
    wanted = torch.nn.functional.normalize(gaussian(4, 0, (32,)) * torch.linspace(2, 0.2, 32), dim=0)
    scores = population[:40] @ wanted
    order = scores.argsort()
    learned = attribute(population[order[-8:]], population[order[:8]], population)
    assert float(learned.vector @ wanted) > 0.6
    assert float(learned.vector.norm()) == pytest.approx(1, abs=1e-5)
    assert learned.accuracy > 0.7
    assert learned.sigma == pytest.approx(float((population @ learned.vector).std()), rel=0.01)


def test_without_dislikes_the_population_stands_in():
    population = gaussian(1, 0, (500, 8))
    wanted = torch.eye(8)[2]
    learned = attribute(population[(population @ wanted).argsort()[-5:]], torch.zeros(0, 8), population)
    assert float(learned.vector @ wanted) > 0.7


def test_nothing_to_learn_from_is_refused():
    population = gaussian(1, 0, (200, 4))
    with pytest.raises(UserError, match="liked"):
        attribute(population[:0], population[:3], population)
    with pytest.raises(UserError, match="same pictures"):
        attribute(population[:3], population[:3], population)


def test_judging_by_noise_is_no_better_than_chance():
    population = gaussian(5, 0, (1000, 16))
    shares = [
        attribute(population[i : i + 10], population[i + 10 : i + 20], population).accuracy
        for i in range(0, 400, 20)
    ]
    assert 0.2 < np.mean(shares) < 0.65, "the accuracy is of examples left out"


def test_what_is_seen_changes_most_along_looks():
    model = pictures()
    vectors = found(model, "look", 2, samples=200).vectors
    seeds = range(300, 306)
    strong = np.mean([effect(model, vector, 0.5, seeds) for vector in vectors])
    usual = np.mean([effect(model, gaussian(1, i, (model.w_size,)), 0.5, seeds) for i in range(8)])
    assert strong > 1.3 * usual


def test_effect_grows_with_length():
    model = pictures()
    vector = found(model, "pca", 2, samples=200).vectors[0]
    small, large = (effect(model, vector, length, [1, 2]) for length in (0.1, 1.0))
    assert 0 < small < large < 1
