"""Looking for a photo in w+."""

import numpy as np
import pytest
import torch

from midi.errors import UserError
from models.image.projection import ProjectionConfig, project, pyramid_loss
from tests.models.image.gardens import pictures


@pytest.mark.parametrize("has_noise", [False, True])
def test_a_models_own_picture_is_found(has_noise):
    model = pictures(has_noise=has_noise)
    target = model.generate([4321], psi=1)[0]
    heard = []
    found = project(
        model, target, ProjectionConfig(steps=40, candidates=32), advance=lambda *step: heard.append(step)
    )
    assert found.steps == 40
    assert heard[-1] == (40, 40)
    assert found.error < 0.6 * found.first_error
    assert found.ws.shape == (len(model.layer_names), model.w_size)
    again = model.render(found.ws[None], noise=model.noise(0))[0]
    difference = np.sqrt(np.mean((again.astype(float) - target) ** 2)) / 255
    assert difference == pytest.approx(found.error, abs=0.005)


def test_time_ends_the_search():
    ticks = iter(range(1000))
    model = pictures()
    target = np.zeros((16, 16, 3), np.uint8)
    found = project(
        model, target, ProjectionConfig(steps=500, candidates=2, seconds=10), now=lambda: float(next(ticks))
    )
    assert 0 < found.steps < 20
    assert found.error <= found.first_error


def test_features_take_part():
    model, seen = pictures(), []

    def features(batch):
        seen.append(batch.shape)
        return {"mean": batch.mean((2, 3))}

    target = model.generate([99])[0]
    found = project(model, target, ProjectionConfig(steps=5, candidates=2), features=features)
    assert len(seen) == 6
    assert torch.isfinite(found.ws).all()


def test_a_photo_of_another_size_is_refused():
    with pytest.raises(UserError, match="20x18 px"):
        project(pictures(), np.zeros((18, 20, 3), np.uint8))


def test_the_loss_sees_form_before_grain():
    flat = torch.zeros(1, 3, 16, 16)
    grain = flat.clone()
    grain[..., ::2] = 1
    grain[..., 1::2] = -1
    half = flat.clone()
    half[..., :8] = 1
    half[..., 8:] = -1
    assert pyramid_loss(flat, flat) == 0
    assert pyramid_loss(flat, half) > 2 * pyramid_loss(flat, grain)
