"""Layer bending: a generator's inner pictures turned, zoomed, shifted, worn, swollen or roughened.

After Broad, Leymarie and Grierson, *Network Bending* (EvoMUSART 2021), in plain torch, so that it runs on
every device. A bend is a small frozen description that can be written as text (``rotate=30@3-5``), stored
with a picture and applied again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from midi.errors import UserError
from models.image.latent import SEED_LIMIT, gaussian, layers_named

MAX_RADIUS_PX = 32.0
"""Widest erosion and dilation."""


@dataclass(frozen=True)
class Bend:
    """One operation on some layers.

    Attributes:
        kind: A key of ``KINDS``.
        amount: Degrees, factor, share of the width, pixels of the layer, or share of its deviation.
        layers: What :func:`models.image.latent.layers_named` understands.
        share: Share of a layer's channels that are bent, 0-1, picked by ``seed``.
        seed: Of the noise and of the picked channels.
    """

    kind: str
    amount: float
    layers: str = "all"
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"There is no bend '{self.kind[:40]}'.", f"Use {', '.join(KINDS)}.")
        low, high, unit = LIMITS[self.kind]
        if not low <= self.amount <= high:
            raise UserError(
                f"A bend can't {self.kind} by {self.amount:g}.", f"Use {low:g} to {high:g} ({unit})."
            )
        if not 0 < self.share <= 1 or not 0 <= self.seed < SEED_LIMIT:
            raise UserError(
                f"The bend '{self}' has a share outside 0-1 or no whole seed.", "Use, say, share=0.5:seed=3."
            )

    def __str__(self) -> str:
        more = f":share={self.share:.9g}" if self.share != 1 else ""
        more += f":seed={self.seed}" if self.seed else ""
        return f"{self.kind}={self.amount:.9g}@{self.layers}{more}"

    @classmethod
    def parse(cls, text: str) -> Bend:
        """From text: ``KIND=AMOUNT``, then ``@LAYERS``, then ``:share=S`` and ``:seed=N``, as wished.

        Raises:
            UserError: It can't be read, or a value is out of range.
        """
        head, *options = text.strip().split(":")
        match = re.fullmatch(r"([a-z-]+)=([-+.0-9e]+)(?:@([\w./-]+))?", head)
        known = dict(option.partition("=")[::2] for option in options)
        try:
            if match is None or not known.keys() <= {"share", "seed"}:
                raise ValueError(text)  # noqa: TRY301 - one sentence for every way to be unreadable
            return cls(
                match[1],
                float(match[2]),
                match[3] or "all",
                float(known.get("share", 1)),
                int(known.get("seed", 0)),
            )
        except ValueError as fault:
            raise UserError(
                f"The bend '{text[:60]}' can't be read.",
                "Write KIND=AMOUNT@LAYERS, like rotate=30@3-5 or noise=0.4@fine:share=0.5:seed=2.",
            ) from fault


def bends_of(text: str) -> tuple[Bend, ...]:
    """Bends written with commas between; empty text is none.

    Raises:
        UserError: One of them can't be read.
    """
    return tuple(Bend.parse(part) for part in text.split(",") if part.strip())


def hooks(bends: Sequence[Bend], layer_names: Sequence[str]) -> dict[str, Callable[[Tensor], Tensor]]:
    """What to hand a generator as ``bend``: one function a bent layer, applying its bends in order.

    Raises:
        UserError: A bend names layers that are not there.
    """
    by_layer: dict[str, list[tuple[Bend, int]]] = {}
    for bend in bends:
        for index in layers_named(bend.layers, layer_names):
            by_layer.setdefault(layer_names[index], []).append((bend, index))
    return {name: _chain(steps) for name, steps in by_layer.items()}


def _chain(steps: Sequence[tuple[Bend, int]]) -> Callable[[Tensor], Tensor]:
    def bent(x: Tensor) -> Tensor:
        for bend, layer in steps:
            x = apply(bend, x, layer)
        return x

    return bent


def apply(bend: Bend, x: Tensor, layer: int = 0) -> Tensor:
    """Activations ``[n, c, h, w]`` bent; same shape, type and device. ``layer`` seeds noise and channels."""
    if bend.share == 1:
        return KINDS[bend.kind](x, bend, layer)
    order = gaussian(bend.seed, 2 * layer + 1, (x.shape[1],)).argsort()
    picked = order[: max(round(bend.share * x.shape[1]), 1)].to(x.device)
    result = x.clone()
    result[:, picked] = KINDS[bend.kind](x[:, picked], bend, layer)
    return result


def _rotated(x: Tensor, bend: Bend, _: int) -> Tensor:
    """Counterclockwise, in degrees, about the middle."""
    angle = math.radians(bend.amount)
    cosine, sine = math.cos(angle), math.sin(angle)
    return _moved(x, ((cosine, -sine, 0.0), (sine, cosine, 0.0)))


def _scaled(x: Tensor, bend: Bend, _: int) -> Tensor:
    """Enlarged by the factor, about the middle."""
    return _moved(x, ((1 / bend.amount, 0.0, 0.0), (0.0, 1 / bend.amount, 0.0)))


def _shifted_right(x: Tensor, bend: Bend, _: int) -> Tensor:
    return _moved(x, ((1.0, 0.0, -2 * bend.amount), (0.0, 1.0, 0.0)))


def _shifted_up(x: Tensor, bend: Bend, _: int) -> Tensor:
    return _moved(x, ((1.0, 0.0, 0.0), (0.0, 1.0, 2 * bend.amount)))


def _moved(x: Tensor, matrix: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Tensor:
    """Resampled where the matrix sends each place; what comes in from outside is mirrored."""
    theta = torch.tensor(matrix, dtype=x.dtype, device=x.device).expand(len(x), 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _dilated(x: Tensor, bend: Bend, _: int) -> Tensor:
    """Maximum over a square; a broken radius lies between its whole neighbors, so it can be swept."""
    radius = int(bend.amount)
    share = bend.amount - radius
    inner = _maximum(x, radius)
    return torch.lerp(inner, _maximum(x, radius + 1), share) if share else inner


def _eroded(x: Tensor, bend: Bend, layer: int) -> Tensor:
    return -_dilated(-x, bend, layer)


def _maximum(x: Tensor, radius: int) -> Tensor:
    # One pooling a direction: the square's cost grows with its side, not its area. Pooling pads by at most
    # half of its window, so a radius past the layer's own size would be refused.
    for size, is_row in ((x.shape[-2], False), (x.shape[-1], True)):
        reach = min(radius, size - 1)
        if reach > 0:
            window, padding = 2 * reach + 1, reach
            kernel, pad = ((1, window), (0, padding)) if is_row else ((window, 1), (padding, 0))
            x = F.max_pool2d(x, kernel, stride=1, padding=pad)
    return x


def _roughened(x: Tensor, bend: Bend, layer: int) -> Tensor:
    """One noise picture for all channels, in units of the layer's own standard deviation."""
    noise = gaussian(bend.seed, 2 * layer, (1, 1, *x.shape[-2:])).to(x)
    return x + noise * (bend.amount * x.std(dim=(1, 2, 3), keepdim=True, correction=0))


KINDS: Mapping[str, Callable[[Tensor, Bend, int], Tensor]] = {
    "rotate": _rotated,
    "scale": _scaled,
    "shift": _shifted_right,
    "rise": _shifted_up,
    "erode": _eroded,
    "dilate": _dilated,
    "noise": _roughened,
}
"""Every bend there is, by name."""

LIMITS: Mapping[str, tuple[float, float, str]] = {
    "rotate": (-3600.0, 3600.0, "degrees, counterclockwise"),
    "scale": (0.05, 20.0, "factor"),
    "shift": (-1.0, 1.0, "share of the width, to the right"),
    "rise": (-1.0, 1.0, "share of the height, upward"),
    "erode": (0.0, MAX_RADIUS_PX, "pixels of the layer"),
    "dilate": (0.0, MAX_RADIUS_PX, "pixels of the layer"),
    "noise": (-8.0, 8.0, "share of the layer's deviation"),
}
"""Lowest and highest amount of each, and its unit."""
