"""The way for playing gives the pictures that the generator gives."""

import numpy as np
import pytest
import torch

from models.image.generator import to_uint8
from models.image.player import Pictures
from models.image.synthesis import Synthesis, is_fast_here
from tests.models.image.gardens import generator

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN"
)


def trained(size=32, **more):
    """A generator that uses all it has: biases, fades and styles far from their beginnings."""
    made = generator(size, **more)
    torch.manual_seed(1)
    with torch.no_grad():
        for module in (*made.layers.values(), *made.heads.values()):
            module.bias.normal_(0, 0.2)
            module.style.bias.normal_(1, 0.5)
    return made.requires_grad_(False)


def styles(made, seed=2):
    return torch.randn(len(made.layer_names), made.config.w_size, generator=torch.manual_seed(seed))


def reference(made, ws, noise=None):
    with torch.no_grad():
        return made(ws[None], noise=noise)[0] * 127.5 + 128


def colors(synthesis, ws, noise=None):
    with torch.no_grad():
        return synthesis.colors(ws, noise)


@pytest.mark.parametrize(("resolution", "fade"), [(32, 1.0), (32, 0.3), (16, 1.0), (8, 0.5), (4, 1.0)])
def test_colors_are_the_generators(resolution, fade):
    made = trained()
    made.grow(resolution, fade)
    assert is_fast_here(made)
    synthesis = Synthesis(made)
    for seed in (2, 3):  # the second finds the buffers filled by the first
        ws = styles(made, seed)
        expected = reference(made, ws)
        assert expected.std() > 10
        torch.testing.assert_close(colors(synthesis, ws), expected, rtol=1e-4, atol=2e-2)


def test_noise_counts_as_in_the_generator():
    made = trained(has_noise=True)
    with torch.no_grad():
        made.layers["16_up"].noise_strength.fill_(0)
    made.grow(16)
    ws, noise = styles(made), made.noise([5])
    still, noisy = (colors(Synthesis(made), ws, each).clone() for each in (None, noise))
    torch.testing.assert_close(noisy, reference(made, ws, noise), rtol=1e-4, atol=2e-2)
    assert (noisy - still).abs().mean() > 5


def test_the_player_takes_it_unless_bent():
    made = trained(has_noise=True)
    player = Pictures(made)
    ws = styles(made)[None]
    fast = player.render(ws)
    plain = to_uint8(made(ws, noise=[torch.zeros(shape) for shape in made.noise_shapes()]))
    assert np.abs(fast.astype(int) - plain).max() <= 1
    assert np.array_equal(fast, player.render(ws))

    noise = player.noise(3)
    noisy = player.render(ws, noise=noise)
    assert np.abs(noisy.astype(int) - to_uint8(made(ws, noise=noise))).max() <= 1
    assert np.abs(noisy.astype(int) - fast).mean() > 1
    bend = {"16.conv": lambda x: -x}
    bent = player.render(ws, bend=bend)
    assert np.abs(bent.astype(int) - fast).max() > 10


def test_a_grown_network_is_laid_out_anew():
    made = trained()
    player = Pictures(made)
    ws = styles(made)[None]
    assert player.render(ws).shape == (1, 32, 32, 3)
    made.grow(16)
    small = player.render(ws)
    assert small.shape == (1, 16, 16, 3)
    made.grow(32, 0.0)
    soft = player.render(ws)[0].astype(int)
    assert (
        np.abs(soft[::2, ::2] - soft[1::2, 1::2]).mean()
        < np.abs(np.diff(small[0].astype(int), axis=0)).mean()
    )


def test_a_picture_is_the_same_alone_and_among_others():
    made = trained(16)
    synthesis = Synthesis(made)
    ws = torch.stack([styles(made, seed) for seed in (2, 3, 4)])
    alone = [synthesis.render(row[None]) for row in ws]
    assert np.array_equal(np.concatenate(alone), synthesis.render(ws))
    assert not np.array_equal(alone[0], alone[1])
    assert synthesis.render(ws[:0]).shape == (0, 16, 16, 3)
