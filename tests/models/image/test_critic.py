import pytest
import torch
from torch import nn

from models.image.discriminator import (
    STRIDED,
    Conv,
    CriticConfig,
    DownBlock,
    PixelCritic,
    ProjectedCritic,
    StridedCritic,
    batch_deviation,
    critic_config,
)
from models.image.features import TAPS, Features
from models.image.losses import critic_loss, generator_loss, gradient_penalty
from models.image.task import take_fitting

SMALL = CriticConfig(32, (16, 12, 8, 8), hidden=16)


def critic(seed=0, config=SMALL):
    torch.manual_seed(seed)
    return PixelCritic(config)


def test_scores_at_every_stage():
    judge = critic()
    for side in (4, 8, 16, 32):
        judge.grow(side)
        assert judge(torch.randn(4, 3, side, side)).shape == (4, 1)


def test_growing_begins_with_the_judgment_of_before():
    judge = critic()
    pictures = torch.randn(4, 3, 32, 32)
    judge.grow(16)
    before = judge(nn.functional.avg_pool2d(pictures, 2))
    judge.grow(32, 0.0)
    torch.testing.assert_close(judge(pictures), before)
    judge.grow(32, 1.0)
    assert not torch.allclose(judge(pictures), before)


def test_blocks_keep_the_variance():
    torch.manual_seed(0)
    noise = torch.randn(8, 64, 16, 16)
    assert float(Conv(64, 64, 3, gain=1.0)(noise).detach().var()) == pytest.approx(1.0, abs=0.2)
    # Neighboring pixels of pictures are alike; halving white noise would lose most of it.
    smooth = noise.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert float(DownBlock(64, 64)(smooth).detach().var()) == pytest.approx(1.0, abs=0.4)


def test_deviation_sees_equal_pictures():
    same = torch.randn(1, 5, 4, 4).repeat(4, 1, 1, 1)
    assert batch_deviation(same).shape == (4, 6, 4, 4)
    assert float(batch_deviation(same)[:, 5].max()) < 1e-3
    assert float(batch_deviation(torch.randn(4, 5, 4, 4))[:, 5].min()) > 0.5
    assert batch_deviation(torch.randn(3, 5, 4, 4)).shape == (3, 6, 4, 4)


def test_default_widths_for_a_resolution():
    assert critic_config(32).channels == STRIDED.channels[:3]
    assert critic_config(32, SMALL).channels == SMALL.channels[:4]
    assert len(critic_config(512).channels) == 7
    assert CriticConfig.from_dict(SMALL.to_dict()) == SMALL


def test_penalty_is_the_squared_gradient():
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Softplus(), nn.Linear(5, 1)).double()
    pictures = torch.randn(3, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    found = gradient_penalty(judge(pictures), pictures)
    step, total = 1e-5, 0.0
    for i in range(3):
        for j in range(12):
            shift = torch.zeros(3, 12, dtype=torch.float64)
            shift[i, j] = step
            up, down = (judge((pictures.detach().view(3, 12) + s * shift).view(3, 3, 2, 2)) for s in (1, -1))
            total += float(((up - down).sum() / (2 * step)).detach() ** 2)
    assert float(found.detach()) == pytest.approx(total / 3 / 2, rel=1e-6)


def test_penalty_teaches_the_critic():
    judge = critic()
    pictures = torch.randn(4, 3, 32, 32, requires_grad=True)
    gradient_penalty(judge(pictures), pictures).backward()
    assert float(judge.blocks["32"].first.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", ["logistic", "relativistic", "hinge"])
def test_losses_pull_apart_and_together(name):
    low, high = torch.full((4, 1), -2.0), torch.full((4, 1), 2.0)
    assert critic_loss(name, high, low) < critic_loss(name, low, high)
    assert generator_loss(name, high, low) < generator_loss(name, low, high)


def test_logistic_losses_at_zero():
    zero = torch.zeros(4, 1)
    assert float(critic_loss("logistic", zero, zero)) == pytest.approx(2 * 0.6931472)
    assert float(generator_loss("logistic", zero)) == pytest.approx(0.6931472)


def test_relativistic_needs_real_scores():
    with pytest.raises(ValueError, match="real"):
        generator_loss("relativistic", torch.zeros(2, 1))


def test_projected_critic_trains_its_heads_only():
    torch.manual_seed(0)
    features = Features()
    for name, buffer in features.named_buffers():
        if name.endswith("weight") and buffer.ndim == 4:
            nn.init.kaiming_normal_(buffer)
    judge = ProjectedCritic(features, width=8, side_px=64)
    pictures = torch.randn(2, 3, 32, 32, requires_grad=True)
    scores = judge(pictures)
    assert scores.shape[0] == 2
    scores.sum().backward()
    assert float(pictures.grad.abs().sum()) > 0
    assert not any("block" in name for name in judge.state_dict())
    assert all(p.grad is not None for p in judge.parameters())


def test_taps_have_the_stated_shapes():
    with torch.no_grad():
        found = Features()(torch.zeros(1, 3, 64, 64))
    assert [(found[name].shape[1], found[name].shape[2]) for name, _ in TAPS] == [
        (24, 16),
        (40, 8),
        (112, 4),
        (320, 2),
    ]
    assert found["pooled"].shape == (1, 1280)


@pytest.mark.parametrize("size", [8, 16, 128])
def test_a_strided_critic_scores_every_size(size):
    judge = StridedCritic(critic_config(size))
    pictures = torch.randn(3, 3, size, size, requires_grad=True)
    scores = judge(pictures)
    assert scores.shape == (3, 1)
    scores.sum().backward()
    assert float(pictures.grad.abs().sum()) > 0


def test_a_strided_critic_of_another_size_takes_what_fits():
    parent, child = StridedCritic(critic_config(32)), StridedCritic(critic_config(64))
    taken = take_fitting(child, parent.state_dict())
    assert taken >= 2
    assert torch.equal(child.score.weight, parent.score.weight)
    assert torch.equal(child.halves["16"].weight, parent.halves["16"].weight)
    assert not torch.equal(child.halves["64"].weight[:, :3], parent.halves["32"].weight[:32])
