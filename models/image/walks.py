"""Walks through latent space: closed loops measured in bars, and steps that look equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midi.errors import UserError
from models.image.latent import eased, slerp

if TYPE_CHECKING:
    from models.image.player import Pictures

Frame = NDArray[np.uint8]
"""One picture ``[h, w, 3]``."""

PYRAMID_LEVELS = 4
"""Scales compared by ``picture_distance``: full, half, quarter, eighth."""


@dataclass(frozen=True)
class LoopTime:
    """How long a loop is, in music.

    Attributes:
        bars: Length, more than 0.
        bpm: Beats a minute.
        beats_per_bar: Beats of one bar.
        fps: Frames a second.
    """

    bars: float
    bpm: float = 120.0
    beats_per_bar: int = 4
    fps: float = 25.0

    @property
    def duration_s(self) -> float:
        """Seconds until it begins again."""
        return self.bars * self.beats_per_bar * 60 / self.bpm

    @property
    def n_frames(self) -> int:
        """Frames, at least two; the frame after the last is the first again."""
        return max(round(self.duration_s * self.fps), 2)

    def phases(self) -> NDArray[np.float64]:
        """Place of every frame in the loop, 0 to below 1, evenly."""
        return np.arange(self.n_frames) / self.n_frames

    def durations_ms(self, unit_ms: int = 10) -> list[int]:
        """How long each frame stays, in whole units that add up to the loop's length to the unit.

        GIF counts in hundredths of a second: 24 frames a second last 40 and 50 ms by turns.
        """
        edges = np.rint(np.arange(self.n_frames + 1) * (self.duration_s * 1000 / unit_ms / self.n_frames))
        return [int(length) * unit_ms for length in np.diff(edges)]


def closed_spline(points: Tensor, phases: Sequence[float] | NDArray[np.float64]) -> Tensor:
    """A smooth closed curve through points, by uniform Catmull-Rom splines (Catmull and Rom 1974).

    Args:
        points: ``[k, ...]``, passed at the phases 0, 1/k, 2/k, …; at least two.
        phases: Places on the curve, 0-1; 1 is 0 again.

    Returns:
        ``[n, ...]``; position and velocity are continuous everywhere, across the seam too.
    """
    k = len(points)
    if k < 2:
        raise UserError("A loop needs two pictures or more.", "Give more seeds.")
    rows = []
    for phase in np.asarray(phases, np.float64) % 1.0 * k:
        first = int(phase) % k
        t = float(phase - int(phase))
        p0, p1, p2, p3 = (points[(first + i) % k] for i in (-1, 0, 1, 2))
        bent = 2 * p0 - 5 * p1 + 4 * p2 - p3
        rows.append(p1 + 0.5 * t * (p2 - p0 + t * (bent + t * (3 * (p1 - p2) + p3 - p0))))
    return torch.stack(rows)


def closed_walk(points: Tensor, phases: Sequence[float] | NDArray[np.float64], easing: str) -> Tensor:
    """Straight from point to point and back to the first, each leg eased; arguments as ``closed_spline``."""
    k = len(points)
    rows = []
    for phase in np.asarray(phases, np.float64) % 1.0 * k:
        first = int(phase) % k
        share = eased(float(phase - int(phase)), easing)
        rows.append(torch.lerp(points[first], points[(first + 1) % k], share))
    return torch.stack(rows)


def picture_distance(a: Frame, b: Frame) -> float:
    """How different two pictures look: root mean square difference, averaged over four scales, 0-1.

    Coarse scales count as much as fine ones, so that a moved shape weighs more than grain.
    """
    difference = (a.astype(np.float32) - b.astype(np.float32)) / 255
    levels = []
    for _ in range(PYRAMID_LEVELS):
        levels.append(float(np.sqrt(np.mean(difference**2))))
        h, w = (size // 2 * 2 for size in difference.shape[:2])
        if min(h, w) < 2:
            break
        even = difference[:h, :w]
        difference = (even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]) / 4
    return float(np.mean(levels))


def step_distances(frames: Iterable[Frame], *, is_closed: bool = False) -> NDArray[np.float64]:
    """Distance from each frame to the next; a closed walk's last step leads to its first frame."""
    held = iter(frames)
    first = next(held)
    steps = []
    before = first
    for frame in held:
        steps.append(picture_distance(before, frame))
        before = frame
    if is_closed:
        steps.append(picture_distance(before, first))
    return np.asarray(steps)


def unevenness(distances: Sequence[float] | NDArray[np.float64]) -> float:
    """Coefficient of variation of a walk's steps: 0 when all look equal, or none goes anywhere."""
    steps = np.asarray(distances, np.float64)
    return float(steps.std() / steps.mean()) if steps.size and steps.mean() > 0 else 0.0


def evened_phases(
    distances: Sequence[float] | NDArray[np.float64], wanted: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where to stand on a walk so that equal steps look equal: its arc length, inverted.

    Args:
        distances: Of the steps between evenly spaced places on the walk.
        wanted: Shares of the way as it looks, 0-1.

    Returns:
        Shares of the walk's own parameter, rising with ``wanted``; 0 and 1 stay.
    """
    steps = np.asarray(distances, np.float64)
    # A walk that stands still somewhere keeps a little of its own pace there, so the curve can be inverted.
    steps = steps + max(float(steps.mean()), 1e-9) * 1e-3
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    return np.interp(wanted, travelled / travelled[-1], np.linspace(0, 1, len(travelled)))


def path_evenness(
    pictures: Pictures,
    pairs: Sequence[tuple[int, int]],
    *,
    space: Literal["w", "z"] = "w",
    steps: int = 16,
    psi: float = 1.0,
) -> NDArray[np.float64]:
    """How unevenly equal steps look on straight walks between seeds; lower plays better.

    Args:
        pictures: The model.
        pairs: Seeds from which and to which a walk goes.
        space: Straight in w, or along the arc in z.
        steps: Steps of a walk.
        psi: Truncation.

    Returns:
        ``[n]``, the coefficient of variation of each walk's steps (:func:`unevenness`).
    """
    values = []
    for a, b in pairs:
        ws = pictures.styles(_between(pictures, a, b, space, steps), psi)
        values.append(unevenness(step_distances(pictures.render(ws))))
    return np.asarray(values)


def _between(pictures: Pictures, a: int, b: int, space: str, steps: int) -> Tensor:
    """The w ``[steps + 1, w]`` on a walk between two seeds."""
    shares = [step / steps for step in range(steps + 1)]
    if space == "w":
        start, end = pictures.w([a, b])
        return torch.stack([torch.lerp(start, end, share) for share in shares])
    start, end = pictures.z([a, b])
    with torch.no_grad():
        return pictures.generator.map(torch.stack([slerp(start, end, share) for share in shares]))
