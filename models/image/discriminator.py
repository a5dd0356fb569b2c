"""Critics: two small networks on pixels, and small heads on frozen features of a pretrained network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from models.image.features import TAPS, Features
from models.image.generator import GAIN, SLOPE, Linear

GROUP = 4
"""Pictures that share a deviation (Karras et al. 2018 §3)."""


@dataclass(frozen=True)
class CriticConfig:
    """Shape of a pixel critic.

    Attributes:
        resolution: Side of the pictures in pixels.
        channels: At 4, 8, 16 ... ``resolution`` pixels; a strided one has none at the last.
        hidden: Size of the last hidden layer of a residual one.
        kind: :class:`PixelCritic`, residual, or :class:`StridedCritic`.
    """

    resolution: int = 128
    channels: tuple[int, ...] = (192, 128, 64, 32, 16, 16)
    hidden: int = 128
    kind: Literal["residual", "strided"] = "residual"

    @property
    def widths(self) -> dict[int, int]:
        """Channels by the side of the pictures."""
        return {4 << i: width for i, width in enumerate(self.channels)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a bundle's manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CriticConfig:
        """The configuration that ``to_dict`` described."""
        return cls(**{**values, "channels": tuple(values["channels"])})


STRIDED = CriticConfig(128, (256, 128, 64, 32, 16), kind="strided")
"""Widths of a DCGAN (Radford et al. 2016), a quarter of the paper's."""


def critic_config(resolution: int, base: CriticConfig = STRIDED) -> CriticConfig:
    """The widths of ``base`` for another resolution, continued by 16 channels."""
    depth = resolution.bit_length() - (2 if base.kind == "residual" else 3)
    channels = (*base.channels, *[16] * 8)[:depth]
    return replace(base, resolution=resolution, channels=channels)


class Critic(Protocol):
    """What the training needs of a critic."""

    def grow(self, resolution: int, fade: float = 1.0) -> None:
        """Expect pictures of this resolution; ``fade`` (0-1) is the share of its own new layers."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """Scores ``[n k]`` of pictures ``[n 3 h w]`` from -1 to 1."""


class Conv(nn.Module):
    """A convolution with equalized learning rate (Karras et al. 2018 §4.1).

    ``gain`` is on weights and bias: where a leaky rectifier follows, which scales along, gains cost no pass
    over the activations.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, gain: float = GAIN
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = gain
        self.scale = gain / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, (kernel - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """``[n inputs h w]`` to ``[n outputs h/stride w/stride]``."""
        weight, bias = self.weight * self.scale, self.bias * self.gain
        return functional.conv2d(x, weight, bias, stride=self.stride, padding=self.padding)


def rectify(x: Tensor) -> Tensor:
    """Leaky rectifier, in place; the gain is in the convolution before it."""
    return functional.leaky_relu(x, SLOPE, inplace=True)


class DownBlock(nn.Module):
    """Halves the picture: 3x3, then 4x4 with stride 2, beside a shortcut of means (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = math.sqrt(0.5)  # two summands of variance one half
        self.first = Conv(inputs, inputs, 3)
        self.second = Conv(inputs, outputs, 4, stride=2, gain=GAIN * half)
        self.shortcut = Conv(inputs, outputs, 1, gain=half)

    def forward(self, x: Tensor) -> Tensor:
        """``[n inputs h w]`` to ``[n outputs h/2 w/2]``."""
        shortcut: Tensor = self.shortcut(functional.avg_pool2d(x, 2))
        return rectify(self.second(rectify(self.first(x)))) + shortcut


def batch_deviation(x: Tensor) -> Tensor:
    """One more channel with the mean deviation within groups of pictures (Karras et al. 2018 §3).

    Args:
        x: ``[n c h w]``; a last, incomplete group makes all pictures one group.

    Returns:
        ``[n c+1 h w]``.
    """
    n, channels, height, width = x.shape
    group = GROUP if n % GROUP == 0 else n
    grouped = x.view(group, n // group, channels, height, width)
    deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    plane = deviation.repeat(group).view(n, 1, 1, 1).expand(n, 1, height, width)
    return torch.cat([x, plane.to(x.dtype)], 1)


class PixelCritic(nn.Module):
    """Residual critic on pixels with a deviation channel; it grows along with the generator.

    Args:
        config: Its shape.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        width = config.widths
        sides = list(width)
        self.inputs = nn.ModuleDict({str(side): Conv(3, width[side], 1) for side in sides})
        self.blocks = nn.ModuleDict({str(s): DownBlock(width[s], width[s // 2]) for s in sides[1:]})
        self.last = Conv(width[4] + 1, width[4], 3)
        self.hidden = Linear(width[4] * 16, config.hidden)
        self.score = Linear(config.hidden, 1)
        self.resolution, self.fade = config.resolution, 1.0

    def grow(self, resolution: int, fade: float = 1.0) -> None:
        """Expect this resolution; with ``fade`` 0 the critic judges as it did at half of it."""
        self.resolution, self.fade = resolution, float(fade)

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores ``[n 1]`` of pictures ``[n 3 h w]`` at the present resolution."""
        side = self.resolution
        x = rectify(self.inputs[str(side)](pictures))
        while side > 4:
            x = self.blocks[str(side)](x)
            side //= 2
            if self.fade < 1 and side == self.resolution // 2:
                small = rectify(self.inputs[str(side)](functional.avg_pool2d(pictures, 2)))
                x = torch.lerp(small, x, self.fade)
        x = rectify(self.last(batch_deviation(x.float())))
        scores: Tensor = self.score(rectify(self.hidden(x.flatten(1))) * GAIN)
        return scores


class StridedCritic(nn.Module):
    """4x4 convolutions with stride 2 and batch normalization, none in the first (Radford et al. 2016).

    Batches of made and of real pictures are to be judged apart. It has one size and does not grow.

    Args:
        config: Its shape.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        sides = list(config.widths)
        width = config.widths | {config.resolution: 3}
        # Named by the side they halve, so that a child of another resolution finds its parent's.
        self.halves = nn.ModuleDict(
            {str(2 * s): nn.Conv2d(width[2 * s], width[s], 4, 2, 1, bias=2 * s == config.resolution)
             for s in reversed(sides)}
        )  # fmt: skip
        self.norms = nn.ModuleDict({str(2 * s): nn.BatchNorm2d(width[s]) for s in sides[:-1]})
        self.score = nn.Conv2d(width[4], 1, 4)
        for module in self.modules():  # the paper's §4
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def grow(self, resolution: int, fade: float = 1.0) -> None:
        """Nothing to do: it has one size."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores ``[n 1]`` of pictures ``[n 3 h w]`` at its resolution."""
        x = pictures
        for side, halve in self.halves.items():
            x = halve(x)
            if side in self.norms:
                x = self.norms[side](x)
            x = rectify(x)
        scores: Tensor = self.score(x)
        return scores.flatten(1)


class ProjectedCritic(nn.Module):
    """Small heads on frozen features, mixed across channels and scales by fixed random weights.

    After Sauer et al. 2021: taps at four strides, random 1x1 mixing of channels, random 3x3 mixing from the
    deepest scale up, one head of spectrally normalized convolutions per scale. Here every tap is normalized
    to unit variance per channel first, because small critics drown in the deep taps otherwise.

    Args:
        features: Frozen network; not trained, not stored with the heads.
        width: Channels of the shallowest mixed scale; deeper ones have twice as many.
        side_px: Pictures are resized to this side for the features.
    """

    def __init__(self, features: Features, width: int = 32, side_px: int = 128) -> None:
        super().__init__()
        # In a list, so that neither checkpoints nor optimizers see the frozen weights.
        self._features = [features]
        self.side_px = side_px
        widths = [width, width, width * 2, width * 2]
        generator = torch.Generator().manual_seed(0)
        before = 0
        for i, ((_, channels), out) in reversed(list(enumerate(zip(TAPS, widths, strict=True)))):
            self.register_buffer(f"mix_{i}", _random_kernel(channels, out, 1, generator))
            self.register_buffer(f"join_{i}", _random_kernel(before + out, out, 3, generator))
            before = out
        self.heads = nn.ModuleList(_head(out) for out in widths)

    def grow(self, resolution: int, fade: float = 1.0) -> None:
        """Nothing to do: every picture is resized for the features."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores ``[n k]``, all heads side by side, of pictures ``[n 3 h w]`` from -1 to 1."""
        side = self.side_px
        if pictures.shape[-1] != side:
            pictures = functional.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
        taps = self._features[0].to(pictures.device)(pictures)
        scores = []
        deeper: Tensor | None = None
        for i in reversed(range(len(TAPS))):
            x = functional.conv2d(functional.instance_norm(taps[TAPS[i][0]]), self.get_buffer(f"mix_{i}"))
            if deeper is not None:
                deeper = functional.interpolate(deeper, size=x.shape[-2:], mode="bilinear")
                x = torch.cat([x, deeper], 1)
            deeper = functional.conv2d(x, self.get_buffer(f"join_{i}"), padding=1)
            scores.append(self.heads[i](deeper).flatten(1))
        return torch.cat(scores, 1)


def _random_kernel(inputs: int, outputs: int, kernel: int, generator: torch.Generator) -> Tensor:
    """Fixed random weights that keep the variance (He et al. 2015)."""
    weight = torch.randn(outputs, inputs, kernel, kernel, generator=generator)
    return weight / math.sqrt(inputs * kernel**2)


def _head(width: int) -> nn.Sequential:
    """Three spectrally normalized convolutions to a map of scores (Miyato et al. 2018)."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(width, 64, 3, padding=1)),
        nn.LeakyReLU(SLOPE),
        spectral_norm(nn.Conv2d(64, 64, 3, stride=2, padding=1)),
        nn.LeakyReLU(SLOPE),
        spectral_norm(nn.Conv2d(64, 1, 3, padding=1)),
    )
