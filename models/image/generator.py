"""The picture generator: a mapping network, demodulated style convolutions and a sum of RGB heads.

Written from the papers: Karras et al. 2019 (mapping, styles, truncation), Karras et al. 2020 (weight
demodulation, skip RGB, equalized learning rates), Karras et al. 2018 (growing, pixel norm). Styles scale the
activations on their way in and the demodulation scales them on their way out, so that one ordinary
convolution serves a whole batch; no grouped convolutions and no compiled operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from midi.errors import UserError
from models.image.latent import gaussian

Bend = Mapping[str, Callable[[Tensor], Tensor]]
"""What to do to the activations ``[n c h w]`` behind a layer, by the layer's name."""

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""Keeps unit variance through a leaky rectifier (He et al. 2015)."""

MAPPING_RATE = 0.1
"""The mapping network learns at a tenth of the rate: faster, and styles of small nets run away."""

BASE_PX = 4
EPSILON = 1e-8

Z_STREAM, CENTER_STREAM = 2**32, 2**32 + 1
"""Streams of :func:`latent.gaussian` that z are drawn from; a seed's noise uses those from 0 up."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a generator.

    Attributes:
        resolution: Side of the pictures in pixels, a power of two from 8 to 512.
        channels: Of the blocks at 4, 8, 16 ... ``resolution`` pixels.
        z_size: Numbers that a picture is drawn from.
        w_size: Size of a style.
        mapping_layers: Layers from z to w.
        has_noise: Whether layers add noise of a learned strength.
    """

    resolution: int = 128
    channels: tuple[int, ...] = (128, 128, 128, 128, 64, 16)
    z_size: int = 64
    w_size: int = 128
    mapping_layers: int = 2
    has_noise: bool = False

    def __post_init__(self) -> None:
        if self.resolution not in {8 << i for i in range(7)}:
            raise ValueError(f"resolution {self.resolution} is not a power of two from 8 to 512")
        if len(self.channels) != len(self.resolutions) or min(self.channels) < 1:
            raise ValueError(f"{len(self.channels)} channel counts for {len(self.resolutions)} blocks")
        sizes = (self.z_size, self.w_size, self.mapping_layers, *self.channels)
        if not all(isinstance(size, int) and 1 <= size <= 4096 for size in sizes):
            raise ValueError("sizes have to be whole numbers from 1 to 4096")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sides of the blocks in pixels: 4, 8, 16 ... ``resolution``."""
        return tuple(BASE_PX << i for i in range(self.resolution.bit_length() - BASE_PX.bit_length() + 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a bundle's manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GeneratorConfig:
        """The configuration that ``to_dict`` described.

        Raises:
            TypeError: A key is missing or unknown.
            ValueError: A value makes no sense.
        """
        return cls(**{**values, "channels": tuple(values["channels"])})


PRESETS: dict[str, GeneratorConfig] = {
    "tiny": GeneratorConfig(64, (160, 128, 64, 32, 16), w_size=96, has_noise=True),
    "live": GeneratorConfig(has_noise=True),
    "gpu": GeneratorConfig(256, (256, 256, 256, 192, 96, 64, 32), z_size=128, w_size=256, has_noise=True),
}
"""``live`` plays at 128 px on one CPU core; ``tiny`` trains faster at 64 px; ``gpu`` is wider, at 256 px.

The widths of ``live`` are those that a core multiplies fastest: whole vectors of 16, few weights in the low
blocks, which are read for a handful of pixels, and activations that stay in a core's cache at 128 px.
"""


def preset(name: str, resolution: int | None = None) -> GeneratorConfig:
    """A preset, cut to a lower resolution where one is given; its blocks keep their widths.

    Raises:
        UserError: There is no such preset, or it has no such resolution.
    """
    if name not in PRESETS:
        raise UserError(f"There is no generator preset '{name}'.", f"Choose one of {', '.join(PRESETS)}.")
    config = PRESETS[name]
    if resolution is None or resolution == config.resolution:
        return config
    if resolution not in config.resolutions[1:]:
        sizes = ", ".join(map(str, config.resolutions[1:]))
        raise UserError(
            f"The preset '{name}' has no pictures of {resolution} pixels.", f"Choose one of {sizes}."
        )
    return replace(config, resolution=resolution, channels=config.channels[: _depth(resolution)])


def _depth(resolution: int) -> int:
    """Number of blocks up to a resolution."""
    return resolution.bit_length() - BASE_PX.bit_length() + 1


def latents(seeds: Iterable[int], z_size: int) -> Tensor:
    """Standard normal z ``[n z_size]`` of seeds: float32 on the CPU, the same numbers for every device.

    Args:
        seeds: Whole numbers below ``latent.SEED_LIMIT``.
        z_size: Numbers each.

    Raises:
        UserError: One is no seed.
    """
    rows = [gaussian(seed, Z_STREAM, (z_size,)) for seed in seeds]
    return torch.stack(rows) if rows else torch.zeros(0, z_size)


def to_uint8(pictures: Tensor) -> NDArray[np.uint8]:
    """Floats from -1 to 1 ``[n 3 h w]`` as bytes ``[n h w 3]``; what lies outside is clipped."""
    scaled = (pictures.detach().float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    return cast("NDArray[np.uint8]", scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def from_uint8(pictures: Tensor) -> Tensor:
    """Bytes ``[n h w 3]`` as floats from -1 to 1 ``[n 3 h w]``, channels last in memory."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1)


class Linear(nn.Module):
    """A linear layer with equalized learning rate (Karras et al. 2018 §4.1).

    Args:
        inputs: Size in.
        outputs: Size out.
        bias: Initial bias.
        rate: Factor on the learning rate.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale = rate / math.sqrt(inputs)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """``[n inputs]`` to ``[n outputs]``."""
        return functional.linear(x, self.weight * self.scale, self.bias * self.rate)


class StyleConv(nn.Module):
    """A 3x3 convolution whose weights a style modulates and demodulation normalizes, then bias and rectifier.

    Weights are scale-free: demodulation divides by their norm, which makes their learning rate equal too.
    With ``is_up`` the picture is doubled by nearest neighbor first; both steps are one transposed
    convolution of 4x4 with stride 2, which gives the same numbers with 4 instead of 9 products a pixel.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        w_size: Size of a style.
        is_up: Double the resolution.
        has_noise: Add noise of a learned strength.
    """

    def __init__(
        self, inputs: int, outputs: int, w_size: int, *, is_up: bool = False, has_noise: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = Linear(w_size, inputs, bias=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(())) if has_noise else None
        self.is_up = is_up
        self._frozen: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        """``[n inputs h w]`` and styles ``[n w]`` to ``[n outputs h w]``, twice the side if ``is_up``.

        Source: Karras et al. 2020 §2.2, equations 1 and 3.
        """
        kernel, power = self._frozen or self._prepared()
        style, norm = self._scales(w, power)
        if len(x) == 1 and not torch.is_grad_enabled() and x.numel() > kernel.numel() // 4:
            out = self._convolve_one(x, kernel, style, norm)
        else:
            out = self._convolve(x * style.to(x.dtype)[:, :, None, None], kernel)
            bias = (self.bias * GAIN).to(out.dtype)[:, None, None]
            out = torch.addcmul(bias, out, norm.to(out.dtype)[:, :, None, None])
        if self.noise_strength is not None:
            noise = torch.randn_like(out[:, :1]) if noise is None else noise
            out = out + (noise * self.noise_strength).to(out.dtype)
        return functional.leaky_relu(out, SLOPE, inplace=True)

    def _scales(self, w: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of the channels in and out, in single precision even where convolutions are in half."""
        with torch.autocast(w.device.type, enabled=False):
            style = self.style(w.float())
            return style, torch.rsqrt(style.square() @ power + EPSILON) * GAIN

    def freeze(self, is_frozen: bool) -> None:
        """Keep what depends on the weights alone, for playing; or compute it anew at every call."""
        self._frozen = None
        if is_frozen:
            kernel, power = self._prepared()
            self._frozen = (kernel.detach().contiguous(memory_format=torch.channels_last), power.detach())

    def _prepared(self) -> tuple[Tensor, Tensor]:
        """The convolution's kernel, and the squared norms of all filters, ``[inputs outputs]``."""
        power = self.weight.square().sum((2, 3)).t()
        return (double_kernel(self.weight) if self.is_up else self.weight), power

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        if self.is_up:
            return functional.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
        return functional.conv2d(x, kernel, bias, padding=1)

    def _convolve_one(self, x: Tensor, kernel: Tensor, style: Tensor, norm: Tensor) -> Tensor:
        """Of a single picture the weights are scaled: they are fewer than the activations."""
        scale = style.t() * norm if self.is_up else norm.t() * style
        return self._convolve(x, kernel * scale[:, :, None, None], self.bias * GAIN)


def double_kernel(weight: Tensor) -> Tensor:
    """The 4x4 kernel that doubles by nearest neighbor and applies a 3x3 one, for a transposed convolution.

    Along each axis tap ``k`` is ``w[2-k] + w[3-k]``: the two copies of a pixel that fall under the kernel.

    Args:
        weight: ``[outputs inputs 3 3]``.

    Returns:
        ``[inputs outputs 4 4]``.
    """
    outputs, inputs = weight.shape[:2]
    # One product of matrices; summed tap by tap it costs as much as a convolution.
    spread = weight.transpose(0, 1).reshape(-1, 9) @ _spread(weight.device)
    return spread.view(inputs, outputs, 4, 4)


@cache
def _spread(device: torch.device) -> Tensor:
    """Which of the 16 taps each of the 3x3 adds to; a transposed convolution turns them around."""
    with torch.inference_mode(mode=False):  # one that is made while playing could not be learned through
        line = torch.tensor([[0.0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]], device=device)
        return torch.kron(line, line)


class ToRgb(nn.Module):
    """A modulated 1x1 convolution without demodulation from activations to colors (Karras et al. 2020)."""

    def __init__(self, inputs: int, w_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, inputs))
        self.bias = nn.Parameter(torch.zeros(3))
        self.style = Linear(w_size, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """``[n inputs h w]`` to ``[n 3 h w]``."""
        n, _, height, width = x.shape
        # A product of matrices per picture: no scaled copy of the activations, which lie channels last.
        pixels = x.permute(0, 2, 3, 1).reshape(n, height * width, -1)
        weight = self.weight.t() * (self.style(w) * self.scale)[:, :, None]
        if n == 1:
            colors = torch.addmm(self.bias, pixels[0], weight[0])
        else:
            colors = torch.baddbmm(self.bias, pixels, weight)
        return colors.view(n, height, width, 3).permute(0, 3, 1, 2)


class Generator(nn.Module):
    """z to w to pictures; a lower, growing resolution can be active.

    Layers have names like ``4.conv``, ``32.up`` and ``32.conv``, and one style each. Growing only adds a
    head to the sum of RGB heads: with ``fade`` 0 the output is the doubled picture of the step before.

    Args:
        config: Its shape.
    """

    w_mean: Tensor
    stage: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        rate, sizes = MAPPING_RATE, (config.z_size, *[config.w_size] * config.mapping_layers)
        self.mapping = nn.ModuleList(Linear(a, b, rate=rate) for a, b in pairwise(sizes))
        self.base = nn.Parameter(torch.randn(1, config.channels[0], BASE_PX, BASE_PX))
        self.layers = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        before = config.channels[0]
        for side, width in zip(config.resolutions, config.channels, strict=True):
            for kind in _kinds(side):
                self.layers[f"{side}_{kind}"] = StyleConv(
                    before, width, config.w_size, is_up=kind == "up", has_noise=config.has_noise
                )
                before = width
            self.heads[str(side)] = ToRgb(width, config.w_size)
        self.layer_names = tuple(key.replace("_", ".") for key in self.layers)
        self.register_buffer("w_mean", torch.zeros(config.w_size))
        self.register_buffer("stage", torch.tensor([float(config.resolution), 1.0]))
        self.resolution, self.fade = config.resolution, 1.0
        self.register_load_state_dict_post_hook(_read_stage)  # type: ignore[no-untyped-call]

    def map(self, z: Tensor) -> Tensor:
        """From z ``[n z_size]``, of any length, to w ``[n w_size]``."""
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + EPSILON)
        for layer in self.mapping:
            w = functional.leaky_relu(layer(w), SLOPE) * GAIN
        return w

    def styles(self, w: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """One style for every layer, ``[n layers w]``, drawn towards the mean style.

        Args:
            w: ``[n w]``, or ``[n layers w]`` to truncate styles that differ between layers.
            psi: Truncation: 1 leaves w as it is, 0 gives the mean (Karras et al. 2019 §B).
            cutoff: Truncate only so many layers, the coarse ones first.
        """
        ws = w[:, None].expand(-1, len(self.layer_names), -1) if w.ndim == 2 else w
        if psi == 1:
            return ws
        if cutoff is None:
            return torch.lerp(self.w_mean.expand_as(ws), ws, psi)
        near = torch.lerp(self.w_mean.expand_as(ws), ws, psi)
        return torch.cat([near[:, :cutoff], ws[:, cutoff:]], 1)

    def forward(
        self, ws: Tensor, *, bend: Bend | None = None, noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Pictures ``[n 3 h w]`` from about -1 to 1 at the active resolution.

        Args:
            ws: ``[n layers w]``.
            bend: Applied to the activations behind the named layers; shapes have to stay.
            noise: One ``[n|1 1 h w]`` for every layer (:meth:`noise`), else drawn anew; ignored unless
                the network has noise.
        """
        x = self.base.expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        picture: Tensor | None = None
        index = 0
        for side in self.config.resolutions[: _depth(self.resolution)]:
            for kind in _kinds(side):
                x = self.layers[f"{side}_{kind}"](x, ws[:, index], noise[index] if noise else None)
                if bend and (change := bend.get(f"{side}.{kind}")):
                    x = change(x)
                index += 1
            rgb = self.heads[str(side)](x, ws[:, index - 1])
            if picture is None:
                picture = rgb
                continue
            if side == self.resolution and self.fade < 1:
                rgb = rgb * self.fade
            # Colors are summed in single precision: half has fewer steps than a byte.
            wide = picture.float()
            doubled = functional.interpolate(wide, scale_factor=2, mode="bilinear", align_corners=False)
            picture = doubled + rgb
        return cast("Tensor", picture).float()

    def noise_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        """Shape of every layer's noise, ``(1, 1, side, side)``."""
        return tuple((1, 1, side, side) for side in self.config.resolutions for _ in _kinds(side))

    def noise(self, seeds: Sequence[int]) -> list[Tensor] | None:
        """Seeds' noise for the layers up to the active resolution, ``[n 1 side side]`` each, or None without.

        The same numbers on every device.

        Raises:
            UserError: One is no seed.
        """
        if not self.config.has_noise:
            return None
        shapes = [shape for shape in self.noise_shapes() if shape[-1] <= self.resolution]
        rows = ([gaussian(seed, layer, shape) for seed in seeds] for layer, shape in enumerate(shapes))
        return [torch.cat(row).to(self.w_mean.device) for row in rows]

    def grow(self, resolution: int, fade: float = 1.0) -> None:
        """Give pictures of another resolution from now on, its own head counting ``fade`` (0-1)."""
        if resolution not in self.config.resolutions:
            raise ValueError(f"{resolution} is none of {self.config.resolutions}")
        self.resolution, self.fade = resolution, float(fade)
        self.stage.copy_(torch.tensor([float(resolution), self.fade]))

    @torch.no_grad()
    def center(self, seed: int = 0, count: int = 4096) -> None:
        """Measure the mean style over ``count`` random z of a seed."""
        z = gaussian(seed, CENTER_STREAM, (count, self.config.z_size))
        self.w_mean.copy_(self.map(z.to(self.w_mean.device)).mean(0))

    def style_weights(self) -> dict[str, Tensor]:
        """Of every layer the matrix ``[channels w]`` from style to scales, which SeFa analyzes."""
        return {
            name: layer.style.weight.detach() * layer.style.scale
            for name, layer in zip(self.layer_names, self._convolutions(), strict=True)
        }

    def freeze(self, is_frozen: bool = True) -> Generator:
        """Prepare for playing: what depends on weights alone is computed once. ``train`` undoes it."""
        for layer in self._convolutions():
            layer.freeze(is_frozen)
        return self

    def train(self, mode: bool = True) -> Generator:
        """As ``nn.Module.train``; a network in training is not frozen."""
        self.freeze(False)
        return super().train(mode)

    def _convolutions(self) -> list[StyleConv]:
        return [cast("StyleConv", layer) for layer in self.layers.values()]


def _kinds(side: int) -> tuple[str, ...]:
    """Layers of a block; one is enough at 8 pixels, where most weights would be and little is to see."""
    return {4: ("conv",), 8: ("up",)}.get(side, ("up", "conv"))


def _read_stage(module: nn.Module, _keys: object) -> None:
    generator = cast("Generator", module)
    side, fade = generator.stage.tolist()
    if int(side) not in generator.config.resolutions or not 0 <= fade <= 1:
        raise ValueError(f"a network of {generator.config.resolution} px cannot be at {side:g} px")
    generator.resolution, generator.fade = int(side), float(fade)
