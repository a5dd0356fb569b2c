"""A plain DCGAN (Radford et al. 2016) to compare with: same pictures, augmentation, loop and averaging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.image.task import PictureTask, PictureTaskConfig

Z_SIZE = 64
WIDTHS = (256, 128, 64, 32, 16)
"""Channels at 4, 8, 16 ... pixels: about as many weights as the generator it stands beside."""
STATISTICS_BATCHES = 16


class DcganGenerator(nn.Module):
    """Transposed convolutions with batch normalization; answers to what the picture task asks a generator."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.resolution, self.fade = size, 1.0
        widths = WIDTHS[: size.bit_length() - 3]
        layers = [nn.ConvTranspose2d(Z_SIZE, widths[0], 4), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_begin)
        self.register_buffer("w_mean", torch.zeros(1))

    def forward(self, z: Tensor, *, noise: None = None) -> Tensor:  # noqa: ARG002 - called as ours
        """Pictures ``[n 3 h w]`` of latents ``[n z]``."""
        made: Tensor = self.layers(z[:, :, None, None])
        return made

    def map(self, z: Tensor) -> Tensor:
        return z

    def styles(self, w: Tensor, _psi: float = 1.0) -> Tensor:
        return w

    def noise(self, _seeds: Sequence[int]) -> None:
        """It has none."""

    def grow(self, _resolution: int, _fade: float = 1.0) -> None:
        """It has one size."""

    def center(self, seed: int = 0) -> None:
        """Measure the statistics anew: those of the running weights do not fit their average."""
        norms = [layer for layer in self.layers if isinstance(layer, nn.BatchNorm2d)]
        torch.manual_seed(seed)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        self.layers.train()
        for _ in range(STATISTICS_BATCHES):
            self(torch.randn(64, Z_SIZE, device=self.w_mean.device))
        self.layers.eval()
        for norm in norms:
            norm.momentum = 0.1


class DcganTask(PictureTask):
    """The picture task with the old generator in place of ours; the critic is the same."""

    def __init__(self, config: PictureTaskConfig, *rest) -> None:
        size = config.generator.resolution
        super().__init__(config, *rest)
        torch.manual_seed(config.seed)
        shape = self.generator.config
        self.generator = DcganGenerator(size)
        self.generator.config = replace(shape, z_size=Z_SIZE)

    def optimizers(self, config):
        """Both learn at one rate."""
        found = super().optimizers(config)
        for group in found["critic"].param_groups:
            group["lr"] = config.learning_rate
        return found

    def _styles(self, count: int, device: torch.device) -> Tensor:
        return torch.randn(count, Z_SIZE, device=device)


def _begin(layer: nn.Module) -> None:
    """Initial weights of the paper, §4."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)
