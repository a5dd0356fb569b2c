import pytest
import torch

from models.image.augment import Augment, AugmentConfig, color, cutout, translate


def pictures(seed=0, n=4):
    torch.manual_seed(seed)
    return torch.rand(n, 3, 16, 16) * 2 - 1


def test_strength_zero_changes_nothing():
    augment = Augment(AugmentConfig(strength=0.0))
    batch = pictures()
    assert augment(batch) is batch


@pytest.mark.parametrize("change", [color, translate, cutout])
def test_pictures_that_are_not_hit_stay_bit_for_bit(change):
    hits = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(4, 1, 1, 1)
    batch = pictures()
    if change is color:  # gray + (x - gray) rounds
        torch.testing.assert_close(change(batch, hits)[0], batch[0], atol=1e-6, rtol=0)
    else:
        assert torch.equal(change(batch, hits)[0], batch[0])
    assert not torch.allclose(change(batch, hits), batch)


@pytest.mark.parametrize("change", [color, translate, cutout])
def test_gradients_flow(change):
    batch = pictures().requires_grad_()
    change(batch, torch.ones(4, 1, 1, 1)).square().sum().backward()
    assert bool((batch.grad.abs().sum((1, 2, 3)) > 0).all())
    assert bool(torch.isfinite(batch.grad).all())


def test_translation_moves_and_repeats_the_border():
    ramp = torch.arange(16.0).expand(8, 3, 16, 16)
    torch.manual_seed(1)
    moved = translate(ramp, torch.ones(8, 1, 1, 1))
    steps = moved[:, 0, 0].diff(dim=1)
    assert set(steps.flatten().tolist()) == {0.0, 1.0}
    assert bool(((16 - 1 - steps.sum(1)) <= 2).all())


def test_hole_is_a_quarter_at_most():
    torch.manual_seed(0)
    holes = cutout(torch.ones(64, 3, 16, 16), torch.ones(64, 1, 1, 1))
    share = (holes == 0).float().mean((1, 2, 3))
    assert float(share.min()) > 0
    assert float(share.max()) <= 0.25


def test_same_seed_same_change():
    augment = Augment(AugmentConfig(strength=0.8))
    torch.manual_seed(3)
    first = augment(pictures())
    torch.manual_seed(0)
    batch = pictures()
    assert torch.equal(first, augment(batch))


def test_strength_follows_the_critic():
    augment = Augment(AugmentConfig(strength=0.2, full_kimg=1.0))
    for _ in range(100):
        augment.observe(torch.ones(16, 1))
    assert float(augment.strength) == pytest.approx(augment.config.strongest)
    for _ in range(200):
        augment.observe(-torch.ones(16, 1))
    assert float(augment.strength) == 0.0


def test_strength_stays_where_it_is_told():
    augment = Augment(AugmentConfig(strength=0.2, is_adaptive=False))
    for _ in range(100):
        augment.observe(torch.ones(16, 1))
    assert float(augment.strength) == pytest.approx(0.2)
