"""The way for playing on a GPU gives the pictures that the generator gives; on a CPU uncaptured."""

import pytest
import torch

from models.image.captured import Captured
from models.image.generator import to_uint8
from models.image.player import Pictures
from tests.models.image.gardens import generator

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def player(device):
    made = generator(32, has_noise=True).to(device)
    with torch.no_grad():
        for layer in made.layers.values():
            layer.noise_strength.fill_(0.1)
    return Pictures(made)


@pytest.mark.parametrize("device", DEVICES)
def test_pictures_are_the_generators(device):
    pictures = player(device)
    captured, ws = Captured(pictures.generator), pictures.styles(pictures.w([1, 2, 3]))
    for seed in (4, 5):
        noise = pictures.noise(seed)
        made = captured.render(ws, noise)
        with torch.inference_mode():
            plain = [to_uint8(pictures.generator(row[None], noise=noise)) for row in ws]
        assert (made[0] != made[1]).any()
        assert max(abs(one.astype(int) - other).max() for one, other in zip(made, plain, strict=True)) <= 1
    assert (captured.render(ws) != made).any()
    assert captured.render(ws[:0]).shape == (0, 32, 32, 3)


@pytest.mark.gpu
def test_a_network_that_has_grown_is_captured_anew():
    pictures = player("cuda")
    ws = pictures.styles(pictures.w([1]))
    assert pictures.render(ws).shape == (1, 32, 32, 3)
    assert isinstance(pictures._synthesis, Captured)
    pictures.generator.grow(16)
    assert pictures.render(ws, noise=pictures.noise(0)).shape == (1, 16, 16, 3)
