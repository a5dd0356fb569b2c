"""Points in a generator's latent space: mixing, blending, easing, and layers by name.

*z* is what a seed draws, *w* what the mapping makes of it, *ws* one w a layer. Everything here is plain
tensor arithmetic without random draws of its own and may be called from any thread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from midi.errors import UserError

SEED_LIMIT = 2**32
"""Seeds are whole numbers below this: what other picture programs take and show, too."""

BANDS = ("coarse", "middle", "fine")
"""Thirds of a generator's layers, from form to color and texture."""


def _smooth(t: float) -> float:
    return t * t * (3 - 2 * t)


def _cubic(t: float) -> float:
    return 4 * t**3 if t < 0.5 else 1 - (2 - 2 * t) ** 3 / 2


EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "smooth": _smooth,
    "sine": lambda t: 0.5 - 0.5 * math.cos(math.pi * t),
    "cubic": _cubic,
}
"""From 0 to 1, monotonic; each but the first is slow at both ends (smooth: Hermite's 3t² - 2t³)."""


def eased(t: float, name: str = "smooth") -> float:
    """How far a movement has come when the share ``t`` (0-1, clamped) of its time is over.

    Raises:
        UserError: There is no easing of that name.
    """
    if name not in EASINGS:
        raise UserError(f"There is no easing '{name}'.", f"Use {', '.join(EASINGS)}.")
    return EASINGS[name](min(max(t, 0.0), 1.0))


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Between two z on the arc through both: spherical direction, linear length.

    Shoemake, *Animating rotation with quaternion curves*, SIGGRAPH 1985. Two vectors on one line, where the
    arc is undefined, are blended linearly.

    Args:
        start: ``[..., z]``, any length but 0.
        end: Same shape.
        t: 0 gives ``start``, 1 gives ``end``.
    """
    lengths = start.norm(dim=-1, keepdim=True), end.norm(dim=-1, keepdim=True)
    a, b = (vector / length.clamp_min(1e-12) for vector, length in zip((start, end), lengths, strict=True))
    angle = (a * b).sum(-1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    straight = a + (b - a) * t
    arc = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / sine.clamp_min(1e-12)
    unit = torch.where(sine > 1e-4, arc, straight)
    return torch.lerp(lengths[0], lengths[1], t) * unit


def mixed(ws: Tensor, other: Tensor, layers: Sequence[int]) -> Tensor:
    """``ws`` with the styles of some layers taken from ``other``.

    Args:
        ws: ``[n, layers, w]``.
        other: Broadcastable to it.
        layers: Indices from 0.
    """
    result = ws.clone()
    chosen = list(layers)
    result[:, chosen] = other.expand_as(ws)[:, chosen]
    return result


def band(name: str, n_layers: int) -> tuple[int, ...]:
    """Indices of the coarse, middle or fine third of ``n_layers``; at least one layer each from three on."""
    third = BANDS.index(name)
    first, end = (round(n_layers * edge / 3) for edge in (third, third + 1))
    return tuple(range(first, end))


def layers_named(text: str, layer_names: Sequence[str]) -> tuple[int, ...]:
    """Layer indices (from 0) that a person means.

    Args:
        text: ``all``, ``coarse``, ``middle``, ``fine``, a layer's name, a number from 1, or a range of
            numbers such as ``3-5``, ``4-`` or ``-2``; several of them with ``/`` between.
        layer_names: The generator's layers in order.

    Raises:
        UserError: The text is none of these, or names a layer that is not there.
    """
    chosen: set[int] = set()
    for part in text.strip().lower().split("/"):
        chosen.update(_layers_of_part(part.strip(), list(layer_names)))
    return tuple(sorted(chosen))


def _layers_of_part(part: str, names: list[str]) -> Sequence[int]:
    if part == "all":
        return range(len(names))
    if part in BANDS:
        return band(part, len(names))
    if part in names:
        return (names.index(part),)
    match = re.fullmatch(r"([0-9]{0,3})(-?)([0-9]{0,3})", part)
    if match is None or not part.strip("-"):
        raise UserError(
            f"'{part[:40]}' names no layers.",
            f"Use all, coarse, middle, fine, numbers 1-{len(names)}, or names: {', '.join(names)}.",
        )
    first = int(match[1] or 1)
    last = int(match[3] or len(names)) if match[2] else first
    if not 1 <= first <= last <= len(names):
        raise UserError(f"There are no layers {part}.", f"This generator has layers 1-{len(names)}.")
    return range(first - 1, last)


def checked_seed(seed: int) -> int:
    """``seed``, when it is one.

    Raises:
        UserError: Negative or too large.
    """
    if not 0 <= seed < SEED_LIMIT:
        raise UserError(f"{seed} is no seed.", f"Seeds are whole numbers from 0 to {SEED_LIMIT - 1}.")
    return seed


def gaussian(seed: int, stream: int, shape: Sequence[int]) -> Tensor:
    """Normal numbers that depend on ``seed`` and ``stream`` alone: same on every device and numpy version.

    NumPy promises that a bit generator's raw output never changes, but not what ``normal`` makes of it
    (NEP 19), so the 53-bit uniforms and the transform (Box and Muller 1958) are spelled out here, in float64.

    Returns:
        float32 on the CPU.
    """
    n = math.prod(shape)
    raw = np.random.Philox(key=[checked_seed(seed), stream]).random_raw(2 * ((n + 1) // 2))
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[0::2])), 2 * np.pi * uniform[1::2]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:n]
    return torch.from_numpy(normal.astype(np.float32)).reshape(tuple(shape))
