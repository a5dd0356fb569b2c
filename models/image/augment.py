"""Differentiable augmentation of what the critic sees, with a strength that follows its overfitting.

Color, translation and cutout after Zhao et al. 2020 (DiffAugment); the controller after Karras et al. 2020
(adaptive discriminator augmentation, §3.1): when the critic's scores of real pictures are positive more often
than a target says, it has begun to know them by heart, and augmentation grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

COLOR = 0.3
TRANSLATION = 1 / 8
CUTOUT = 1 / 2
"""Half-ranges of brightness; of the shift and the side of the hole as shares of the picture's side."""


@dataclass(frozen=True)
class AugmentConfig:
    """How pictures are augmented.

    Attributes:
        strength: Probability of each change at the start, 0-1.
        is_adaptive: Whether the strength follows the critic.
        target: Share of positive minus negative scores of real pictures to hold.
        full_kimg: Thousands of pictures in which the strength may go from 0 to 1.
        strongest: Limit of the strength; beyond it augmentation leaks into the pictures.
    """

    strength: float = 0.3
    is_adaptive: bool = True
    target: float = 0.6
    full_kimg: float = 30.0
    strongest: float = 0.85


class Augment(nn.Module):
    """Changes pictures at random; the same pipeline for real and made ones.

    Random numbers come from torch's global generator. The strength is a buffer, so that checkpoints hold it.

    Args:
        config: How.
    """

    strength: Tensor
    sign: Tensor

    def __init__(self, config: AugmentConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("strength", torch.tensor(config.strength))
        self.register_buffer("sign", torch.tensor(0.0))

    def forward(self, pictures: Tensor) -> Tensor:
        """``[n 3 h w]`` to the same shape; every kind of change hits each picture by itself."""
        if float(self.strength) <= 0:
            return pictures
        pictures = color(pictures, self._hits(pictures))
        pictures = translate(pictures, self._hits(pictures))
        return cutout(pictures, self._hits(pictures))

    def _hits(self, pictures: Tensor) -> Tensor:
        """For every picture 1 or 0, whether to change it: ``[n 1 1 1]``."""
        drawn = torch.rand(len(pictures), 1, 1, 1, device=pictures.device)
        return torch.lt(drawn, self.strength).to(pictures.dtype)

    @torch.no_grad()
    def observe(self, real_scores: Tensor) -> None:
        """Take the critic's scores of one batch of augmented real pictures into account."""
        config = self.config
        self.sign.lerp_(real_scores.detach().float().sign().mean(), 0.05)
        if config.is_adaptive:
            step = len(real_scores) / (1000 * config.full_kimg)
            self.strength.add_(torch.sign(self.sign - config.target) * step).clamp_(0, config.strongest)


def color(pictures: Tensor, hits: Tensor) -> Tensor:
    """Random brightness, saturation and contrast of the pictures that are hit."""
    brightness, saturation, contrast = (
        torch.rand(3, len(pictures), 1, 1, 1, device=pictures.device, dtype=pictures.dtype) * 2 - 1
    )
    pictures = pictures + brightness * COLOR * hits
    gray = pictures.mean(1, keepdim=True)
    pictures = gray + (pictures - gray) * (1 + saturation * 2 * COLOR * hits)
    level = pictures.mean((1, 2, 3), keepdim=True)
    changed: Tensor = level + (pictures - level) * (1 + contrast * COLOR * hits)
    return changed


def translate(pictures: Tensor, hits: Tensor) -> Tensor:
    """Random shift of the pictures that are hit; the border repeats."""
    n, channels, height, width = pictures.shape
    for axis, side in ((2, height), (3, width)):
        limit = max(1, round(side * TRANSLATION))
        shift = torch.randint(-limit, limit + 1, (n, 1), device=pictures.device) * hits.view(n, 1).long()
        index = (torch.arange(side, device=pictures.device) + shift).clamp(0, side - 1)
        index = index.view(n, 1, side, 1) if axis == 2 else index.view(n, 1, 1, side)
        pictures = pictures.gather(axis, index.expand(n, channels, height, width))
    return pictures


def cutout(pictures: Tensor, hits: Tensor) -> Tensor:
    """A gray square hole at a random place of the pictures that are hit."""
    n, _, height, width = pictures.shape
    rows = _hole(n, height, pictures).view(n, 1, height, 1)
    columns = _hole(n, width, pictures).view(n, 1, 1, width)
    return pictures * (1 - rows * columns * hits)


def _hole(n: int, side: int, like: Tensor) -> Tensor:
    """Which places along one side lie in the hole: ``[n side]`` of 0 and 1."""
    size = max(1, round(side * CUTOUT))
    start = torch.randint(-(size // 2), side - size // 2, (n, 1), device=like.device)
    place = torch.arange(side, device=like.device)
    return torch.logical_and(place >= start, place < start + size).to(like.dtype)
