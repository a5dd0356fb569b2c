import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from midi.errors import UserError
from models.image import generator as generator_module
from models.image.generator import (
    Generator,
    GeneratorConfig,
    StyleConv,
    double_kernel,
    from_uint8,
    latents,
    preset,
    to_uint8,
)

SMALL = GeneratorConfig(32, (16, 12, 8, 8), z_size=8, w_size=12)


def make(config=SMALL, seed=0):
    torch.manual_seed(seed)
    return Generator(config)


def test_shapes_at_every_stage():
    generator = make()
    ws = generator.styles(generator.map(latents([1, 2], 8)))
    assert ws.shape == (2, len(generator.layer_names), 12)
    assert generator.layer_names == ("4.conv", "8.up", "16.up", "16.conv", "32.up", "32.conv")
    for side in (4, 8, 16, 32):
        generator.grow(side)
        assert generator(ws).shape == (2, 3, side, side)


def test_growing_begins_with_the_doubled_picture():
    generator = make()
    ws = generator.styles(generator.map(latents([3], 8)))
    generator.grow(16)
    before = functional.interpolate(generator(ws), scale_factor=2, mode="bilinear")
    generator.grow(32, 0.0)
    torch.testing.assert_close(generator(ws), before)
    generator.grow(32, 0.5)
    half = generator(ws)
    generator.grow(32, 1.0)
    torch.testing.assert_close(half, (before + generator(ws)) / 2)


def test_stage_travels_with_the_weights():
    generator = make()
    generator.grow(16, 0.25)
    other = make(seed=1)
    other.load_state_dict(generator.state_dict())
    assert (other.resolution, other.fade) == (16, 0.25)


def test_impossible_stage_is_refused():
    state = make().state_dict() | {"stage": torch.tensor([64.0, 1.0])}
    with pytest.raises(ValueError, match="64 px"):
        make().load_state_dict(state)


@pytest.mark.parametrize("is_up", [False, True])
def test_demodulation_keeps_unit_variance(is_up):
    torch.manual_seed(0)
    layer = StyleConv(48, 96, 12, is_up=is_up)
    layer.style.weight.data.mul_(30)
    seen = []
    for strength in (1.0, 20.0):
        x, w = torch.randn(4, 48, 16, 16), torch.randn(4, 12) * strength
        kernel, power = layer._prepared()
        style = layer.style(w)
        out = layer._convolve(x * style[:, :, None, None], kernel)
        out = out * torch.rsqrt(style.square() @ power)[:, :, None, None]
        seen.append(float(out[:, :, 2:-2, 2:-2].detach().var()))
    assert seen == pytest.approx([1.0, 1.0], abs=0.1)


def test_doubling_kernel_is_doubling_then_convolving():
    x, weight = torch.randn(2, 5, 6, 6), torch.randn(7, 5, 3, 3)
    plain = functional.conv2d(functional.interpolate(x, scale_factor=2), weight, padding=1)
    fast = functional.conv_transpose2d(x, double_kernel(weight), stride=2, padding=1)
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-4)


def test_a_process_that_has_played_can_train():
    generator_module._spread.cache_clear()
    generator = make()
    with torch.inference_mode():
        generator(generator.styles(generator.map(latents([1], 8))))
    generator(generator.styles(generator.map(latents([1], 8)))).sum().backward()
    assert float(generator.layers["8_up"].weight.grad.abs().sum()) > 0


def test_playing_gives_what_training_gives():
    generator = make(preset("live", 64)).eval()
    ws = generator.styles(generator.map(latents([1, 2], 64)))
    trained = generator(ws).detach()
    generator.freeze()
    with torch.inference_mode():
        played = torch.cat([generator(row[None]) for row in ws])
    assert trained.std() > 0.2
    torch.testing.assert_close(played, trained, atol=2e-4, rtol=1e-3)


def test_training_thaws():
    generator = make().eval().freeze()
    generator.train()
    ws = generator.styles(generator.map(latents([1], 8)))
    before = generator(ws).detach()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    assert not torch.allclose(generator(ws), before, atol=1e-2)


def test_same_seed_same_picture():
    ws = [make().styles(make().map(latents([5], 8))) for _ in range(2)]
    assert torch.equal(make()(ws[0]), make()(ws[1]))


@given(st.integers(0, 2**32 - 2), st.integers(1, 200))
def test_latents_of_a_seed_do_not_depend_on_others(seed, size):
    alone = latents([seed], size)
    assert alone.shape == (1, size)
    assert torch.equal(latents([seed + 1, seed], size)[1], alone[0])


def test_latents_are_these_numbers():
    expected = [0.4533657432, -0.5391284227, -0.0915826559]
    assert latents([42], 3)[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_truncation():
    generator = make()
    generator.center()
    w = generator.map(latents([1], 8))
    assert torch.equal(generator.styles(w, 1.0)[0, 0], w[0])
    torch.testing.assert_close(generator.styles(w, 0.0)[0, 3], generator.w_mean)
    partly = generator.styles(w, 0.0, cutoff=2)
    torch.testing.assert_close(partly[0, 1], generator.w_mean)
    assert torch.equal(partly[0, 2], w[0])


def test_center_is_the_mean_style():
    generator = make()
    generator.center(seed=3, count=2000)
    mean = generator.map(latents(range(2000), 8)).mean(0)
    assert (generator.w_mean - mean).abs().max() < 0.15
    assert generator.w_mean.abs().max() > 0.01


def test_bend_changes_what_lies_behind_a_layer():
    generator = make().eval()
    ws = generator.styles(generator.map(latents([1], 8)))
    seen = {}

    def spin(x):
        seen["shape"] = tuple(x.shape)
        return x.flip(3)

    bent = generator(ws, bend={"16.conv": spin})
    assert seen["shape"] == (1, 8, 16, 16)
    assert not torch.allclose(bent, generator(ws), atol=1e-3)
    torch.testing.assert_close(generator(ws, bend={"16.conv": lambda x: x}), generator(ws))


def test_noise_is_steered_and_off_by_default():
    noisy = make(GeneratorConfig(16, (8, 8, 8), z_size=8, w_size=8, has_noise=True))
    ws = noisy.styles(noisy.map(latents([1], 8)))
    noise = [torch.randn(shape) for shape in noisy.noise_shapes()]
    assert torch.equal(noisy(ws, noise=noise), noisy(ws))  # strengths begin at 0
    for layer in noisy._convolutions():
        layer.noise_strength.data.fill_(1.0)
    assert torch.equal(noisy(ws, noise=noise), noisy(ws, noise=noise))
    assert not torch.allclose(noisy(ws, noise=noise), noisy(ws, noise=[2 * n for n in noise]))


def test_a_seeds_noise_is_its_own():
    assert make().noise([1]) is None
    noisy = make(GeneratorConfig(16, (8, 8, 8), z_size=8, w_size=8, has_noise=True))
    both, alone = noisy.noise([4, 5]), noisy.noise([5])
    assert [tuple(row.shape) for row in both] == [(2, 1, side, side) for side in (4, 8, 16, 16)]
    for row, one in zip(both, alone, strict=True):
        assert torch.equal(row[1:], one)
        assert not torch.equal(row[0], row[1])
    assert not torch.equal(alone[-1], alone[-2]), "layers of a size have noise of their own"
    noisy.grow(8)
    assert [row.shape[-1] for row in noisy.noise([4])] == [4, 8]


def test_half_precision_gives_nearly_the_same_picture():
    noisy = make(preset("tiny"))
    ws, noise = noisy.styles(noisy.map(latents([1, 2], 64))), noisy.noise([1, 2])
    with torch.no_grad():
        single = noisy(ws, noise=noise)
        with torch.autocast("cpu", torch.bfloat16):
            half = noisy(ws, noise=noise)
    assert half.dtype == torch.float32
    assert not torch.equal(half, single)
    assert float((half - single).square().mean().sqrt() / single.std()) < 0.05


def test_styles_have_gradients():
    generator = make()
    ws = generator.styles(generator.map(latents([1], 8))).detach().requires_grad_()
    generator(ws).square().sum().backward()
    assert bool((ws.grad.abs().sum((0, 2)) > 0).all())


def test_style_weights_are_the_affine_maps():
    generator = make()
    matrix = generator.style_weights()["32.up"]
    w = torch.randn(1, 12)
    layer = generator.layers["32_up"]
    torch.testing.assert_close(w @ matrix.t() + layer.style.bias, layer.style(w))


def test_bytes_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    assert np.array_equal(to_uint8(from_uint8(torch.from_numpy(pixels))), pixels)


def test_presets():
    live = sum(p.numel() for p in Generator(preset("live")).parameters())
    assert 1.2e6 < live < 1.6e6
    assert preset("live", 32).channels == preset("live").channels[:4]
    with pytest.raises(UserError, match="256"):
        preset("live", 256)
    with pytest.raises(UserError, match="'huge'"):
        preset("huge")


@pytest.mark.parametrize(
    "change", [{"resolution": 48}, {"channels": [8]}, {"z_size": 0}, {"channels": [1, 2, 3, 10**9]}]
)
def test_foreign_configurations_are_refused(change):
    with pytest.raises(ValueError, match=r"\w"):
        GeneratorConfig.from_dict(SMALL.to_dict() | change)
