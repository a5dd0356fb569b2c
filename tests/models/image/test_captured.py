"""The way for playing on a GPU gives the pictures that the generator gives."""

import pytest
import torch

from models.image.captured import Captured
from models.image.generator import to_uint8
from models.image.player import Pictures
from tests.models.image.gardens import generator

pytestmark = pytest.mark.gpu


def player():
    made = generator(32, has_noise=True).to("cuda")
    with torch.no_grad():
        for layer in made.layers.values():
            layer.noise_strength.fill_(0.1)
    return Pictures(made)


def plain(pictures, ws, noise):
    with torch.inference_mode():
        return to_uint8(torch.cat([pictures.generator(row[None], noise=noise) for row in ws]))


def test_pictures_are_the_generators():
    pictures = player()
    ws = pictures.styles(pictures.w([1, 2, 3]))
    for seed in (4, 5):
        noise = pictures.noise(seed)
        made, expected = pictures.render(ws, noise=noise), plain(pictures, ws, noise)
        assert isinstance(pictures._synthesis, Captured)
        assert (made[0] != made[1]).any()
        assert abs(made.astype(int) - expected).max() <= 1
    silent = pictures.render(ws)
    assert (silent != made).any()


def test_a_network_that_has_grown_is_captured_anew():
    pictures = player()
    ws = pictures.styles(pictures.w([1]))
    assert pictures.render(ws).shape == (1, 32, 32, 3)
    pictures.generator.grow(16)
    assert pictures.render(ws, noise=pictures.noise(0)).shape == (1, 16, 16, 3)
    assert pictures.render(ws[:0]).shape == (0, 16, 16, 3)
