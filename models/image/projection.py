"""Projection: the ws whose picture comes nearest to a photo of one's own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from midi.errors import UserError

if TYPE_CHECKING:
    from models.image.player import Pictures

FeatureTaps = Callable[[Tensor], dict[str, Tensor]]

CANDIDATES_SHARE = 0.25
"""Share of the time that may go into comparing seeds."""
BATCH = 16
NOISE_SEED = 0
"""Whose noise the layers have: that of a place without a seed, as galleries show it."""


@dataclass(frozen=True)
class ProjectionConfig:
    """How a photo is looked for.

    Attributes:
        steps: Gradient steps at most.
        seconds: Time at most.
        candidates: Seeds compared before the first step.
        learning_rate: Adam's, in standard deviations of w; rises over the first 5 % of the way and falls over
            the last quarter, as in StyleGAN2's projector (Karras et al. 2020, appendix D).
        pull: Weight of staying near the mean of w, per squared standard deviation.
        spread: Weight of the layers staying together, per squared standard deviation.
        feature_weight: Weight of the features, where there are any, beside the pixels' 1.
        seed: First of the candidates' seeds.
    """

    steps: int = 300
    seconds: float = 60.0
    candidates: int = 256
    learning_rate: float = 0.1
    pull: float = 2e-4
    spread: float = 1e-4
    feature_weight: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Projection:
    """What was found.

    Attributes:
        ws: ``[layers, w]``, float32 on the CPU.
        error: Root mean square difference to the photo, of a range of 0-1.
        first_error: The same for the best candidate before the first step.
        steps: Gradient steps taken.
    """

    ws: Tensor
    error: float
    first_error: float
    steps: int


def project(
    pictures: Pictures,
    photo: NDArray[np.uint8],
    config: ProjectionConfig | None = None,
    *,
    features: FeatureTaps | None = None,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
    now: Callable[[], float] = time.monotonic,
) -> Projection:
    """Search w+ (one w a layer) for a photo: the nearest of many seeds, then gradient descent.

    Args:
        pictures: The model.
        photo: ``[h, w, 3]`` at the model's resolution.
        config: How long and how hard to look.
        features: Gives named feature maps of pictures ``[n, 3, h, w]``, -1 to 1.
        advance: Told the steps done and to do.
        now: Clock in seconds.

    Raises:
        UserError: The photo has another size than the model's pictures.
    """
    config = config or ProjectionConfig()
    size = pictures.resolution
    if photo.shape != (size, size, 3):
        raise UserError(
            f"The photo is {photo.shape[1]}x{photo.shape[0]} px, the model's pictures {size}x{size}.",
            "Crop and scale it first.",
        )
    started_s = now()
    deadline_s = started_s + config.seconds
    target = torch.from_numpy(photo.copy()).to(pictures.device).permute(2, 0, 1)[None].float() / 127.5 - 1
    # A player's tensors are made for inference; their copies may take part in gradients.
    sample = pictures.w(range(config.seed, config.seed + max(config.candidates, 2))).clone().float()
    deviation = sample.std(0).clamp_min(1e-6)
    start = _nearest(pictures, sample, target, lambda: now() >= started_s + config.seconds * CANDIDATES_SHARE)
    mean = pictures.generator.w_mean.detach().float()
    n_layers = len(pictures.layer_names)
    origin = ((start - mean) / deviation).expand(n_layers, -1).clone()
    offset = origin.requires_grad_(True)
    optimizer = torch.optim.Adam([offset], lr=config.learning_rate, betas=(0.9, 0.99))
    wanted = features(target) if features else {}
    best: tuple[float, Tensor] = (math.inf, offset.detach().clone())
    first_error, done = math.inf, 0
    noise = pictures.noise(NOISE_SEED)
    for step in range(config.steps + 1):
        picture = pictures.generator((mean + offset * deviation)[None], noise=noise)
        error = float(_rms(picture, target)) / 2
        first_error = min(first_error, error) if step == 0 else first_error
        if error < best[0]:
            best = (error, offset.detach().clone())
        if step == config.steps or now() >= deadline_s:
            break
        loss = _loss(picture, target, wanted, features, config) + _rest(offset, config)
        optimizer.param_groups[0]["lr"] = config.learning_rate * _ramp(step / config.steps)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, inputs=[offset])
        optimizer.step()
        done = step + 1
        advance(done, config.steps)
    ws = (mean + best[1] * deviation).cpu()
    return Projection(ws, best[0], first_error, done)


def pyramid_loss(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference, averaged over halved sizes down to 4 px: color and form before detail."""
    losses = []
    while True:
        losses.append((a - b).abs().mean())
        if min(a.shape[-2:]) < 8:
            return torch.stack(losses).mean()
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)


@torch.no_grad()
def _nearest(pictures: Pictures, sample: Tensor, target: Tensor, is_late: Callable[[], bool]) -> Tensor:
    """The w whose picture is nearest, ``[w]``: the mean, or one of the sample as far as time allows."""
    candidates = torch.cat([pictures.generator.w_mean.detach().float()[None], sample])
    losses: list[float] = []
    for start in range(0, len(candidates), BATCH):
        if losses and is_late():
            break
        part = candidates[start : start + BATCH]
        made = pictures.generator(pictures.generator.styles(part), noise=pictures.noise(NOISE_SEED))
        losses += [float(pyramid_loss(each[None], target)) for each in made]
    return candidates[int(np.argmin(losses))]


def _loss(
    picture: Tensor,
    target: Tensor,
    wanted: dict[str, Tensor],
    features: FeatureTaps | None,
    config: ProjectionConfig,
) -> Tensor:
    loss = pyramid_loss(picture, target)
    if features is None:
        return loss
    seen = features(picture)
    parts = [
        F.mse_loss(seen[name], goal) / goal.pow(2).mean().clamp_min(1e-6) for name, goal in wanted.items()
    ]
    return loss + config.feature_weight * torch.stack(parts).mean()


def _rest(offset: Tensor, config: ProjectionConfig) -> Tensor:
    """Keeps ws where the generator was trained: near the mean, and its layers near each other."""
    middle = offset.mean(0, keepdim=True)
    return config.pull * offset.pow(2).mean() + config.spread * (offset - middle).pow(2).mean()


def _rms(a: Tensor, b: Tensor) -> Tensor:
    return (a.detach().clamp(-1, 1) - b).pow(2).mean().sqrt()


def _ramp(share: float) -> float:
    rising = min(share / 0.05 + 1e-2, 1.0)
    falling = 0.5 - 0.5 * math.cos(math.pi * min((1 - share) / 0.25, 1.0))
    return rising * falling
