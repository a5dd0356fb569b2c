"""Figures of pictures: distance between two sets of them, and whether made ones were copied.

None of these is to be trusted alone: sliced Wasserstein distance has preferred shapeless texture to flowers.
Look at the sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.image.generator import from_uint8

Pixels = NDArray[np.uint8]

PATCH_PX = 7
PATCHES = 24
DIRECTIONS = 128
NEIGHBORS = 3
"""Which neighbor's distance is the radius of a manifold (Kynkäänniemi et al. 2019 §3.1)."""

SHAPE_PX = 8
"""The coarsest level compares whole pictures of this side, which see layout where patches see texture."""


def sliced_wasserstein(a: Pixels, b: Pixels, *, seed: int = 0) -> dict[str, float]:
    """Sliced Wasserstein distance of Laplacian pyramids (Karras et al. 2018 §5, with small samples).

    Patches of 7x7 pixels from every level down to 16 pixels, each level scaled by the deviation of ``b`` so
    that levels count alike, projected on random directions; besides these ``shape``, whole pictures at
    8 pixels.

    Args:
        a: Made pictures ``[n h w 3]``.
        b: Real pictures ``[m h w 3]`` of the same size, a power of two.
        seed: Of patches and directions.

    Returns:
        Distance by level (``64 px`` ... ``16 px``, ``shape``) and their ``mean``: 0 is equal, 1 far off.
    """
    rng = np.random.default_rng(seed)
    figures = {}
    for (name, x), (_, y) in zip(_pyramid(a), _pyramid(b), strict=True):
        is_whole = name == "shape"
        left = x.flatten(1) if is_whole else _patches(x, rng)
        right = y.flatten(1) if is_whole else _patches(y, rng)
        figures[name] = _projected_distance(left, right, rng)
    return figures | {"mean": float(np.mean(list(figures.values())))}


def _pyramid(pictures: Pixels) -> list[tuple[str, Tensor]]:
    """Named Laplacian levels, the coarsest as it is, and the whole picture at 8 pixels."""
    x = from_uint8(torch.from_numpy(np.array(pictures))).contiguous()
    levels = []
    while x.shape[-1] > 16:
        small = functional.avg_pool2d(x, 2)
        doubled = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        levels.append((f"{x.shape[-1]} px", x - doubled))
        x = small
    shape = functional.adaptive_avg_pool2d(x, SHAPE_PX)
    return [*levels, (f"{x.shape[-1]} px", x), ("shape", shape)]


def _patches(level: Tensor, rng: np.random.Generator) -> Tensor:
    """Random patches of every picture, ``[n * 24, 3 * 7 * 7]``."""
    n, side = len(level), level.shape[-1]
    corners = torch.from_numpy(rng.integers(0, side - PATCH_PX + 1, (n, PATCHES, 2)))
    reach = torch.arange(PATCH_PX)
    rows = (corners[:, :, 0, None] + reach)[:, :, :, None]
    columns = (corners[:, :, 1, None] + reach)[:, :, None, :]
    picture = torch.arange(n)[:, None, None, None]
    return level.permute(0, 2, 3, 1)[picture, rows, columns].reshape(n * PATCHES, -1)


def _projected_distance(x: Tensor, y: Tensor, rng: np.random.Generator) -> float:
    """Mean Wasserstein-1 distance over random directions, in deviations of ``y``."""
    directions = torch.from_numpy(rng.standard_normal((x.shape[1], DIRECTIONS), dtype=np.float32))
    directions = directions / directions.norm(dim=0)
    center, spread = y.mean(0), y.std() + 1e-6
    places = (torch.arange(256) + 0.5) / 256
    left = torch.quantile((x - center) @ directions, places, dim=0)
    right = torch.quantile((y - center) @ directions, places, dim=0)
    return float((left - right).abs().mean() / spread)


@dataclass(frozen=True)
class NearestResult:
    """How near made pictures are to those learned from.

    Attributes:
        ratio: Median distance of made pictures to the nearest learned one, over the same of held-out real
            pictures. Near 1 is as new as a new photo; far below 1 is copied.
        distances: Of every made picture to its nearest learned one, in gray levels a pixel.
        neighbors: Number of that picture.
    """

    ratio: float
    distances: NDArray[np.float32]
    neighbors: NDArray[np.int64]


def nearest_ratio(generated: Pixels, train: Pixels, held_out: Pixels, *, side_px: int = 16) -> NearestResult:
    """Compare distances to the nearest training picture, at ``side_px`` and over both mirror images."""
    table = _small(np.concatenate([train, train[:, :, ::-1]]), side_px)
    distances, neighbors = _nearest(_small(generated, side_px), table)
    usual, _ = _nearest(_small(held_out, side_px), table)
    ratio = float(np.median(distances) / max(float(np.median(usual)), 1e-6))
    return NearestResult(ratio, distances, neighbors % len(train))


def _small(pictures: Pixels, side_px: int) -> Tensor:
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(x, min(side_px, x.shape[-1])).flatten(1)


def _nearest(x: Tensor, table: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Root mean square distance to the nearest row of a table, and its number."""
    parts = [torch.cdist(chunk, table).min(1) for chunk in torch.split(x, 256)]
    distances = torch.cat([part.values for part in parts]) / table.shape[1] ** 0.5
    neighbors = torch.cat([part.indices for part in parts])
    return cast("NDArray[np.float32]", distances.numpy()), cast("NDArray[np.int64]", neighbors.numpy())


def kernel_distance(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x.y / d + 1)^3`` (Binkowski et al. 2018).

    Args:
        x: Features of made pictures ``[n d]``, two rows or more.
        y: Features of real pictures ``[m d]``, two rows or more.
    """
    a, b = x.astype(np.float64), y.astype(np.float64)
    n, m, d = len(a), len(b), a.shape[1]
    own_a, own_b, between = (a @ a.T / d + 1) ** 3, (b @ b.T / d + 1) ** 3, (a @ b.T / d + 1) ** 3
    within_a = (own_a.sum() - np.trace(own_a)) / (n * (n - 1))
    within_b = (own_b.sum() - np.trace(own_b)) / (m * (m - 1))
    return float(within_a + within_b - 2 * between.mean())


def frechet_distance(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Squared Fréchet distance between normal distributions fitted to two samples (Dowson and Landau 1982).

    The trace of the covariances' geometric mean is the sum of the singular values of the product of both
    centered samples, which needs no matrix root and suffers from no rank that is too small. The figure falls
    as samples grow: compare only figures of equal counts.

    Args:
        x: Features of made pictures ``[n d]``, two rows or more.
        y: Features of real pictures ``[m d]``, two rows or more.
    """
    a, b = (rows.astype(np.float64) for rows in (x, y))
    shift = a.mean(0) - b.mean(0)
    a, b = (rows - rows.mean(0) for rows in (a, b))
    a, b = (rows / np.sqrt(len(rows) - 1) for rows in (a, b))
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(shift @ shift + (a * a).sum() + (b * b).sum() - 2 * shared)


def precision_recall(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, float]:
    """Precision and recall of made pictures (Kynkäänniemi et al. 2019, equations 1 and 2).

    Precision is the share of made pictures within reach of a real one, recall the share of real pictures
    within reach of a made one; a picture's reach is the distance to its third neighbor among its own kind.
    Both sides give equally many pictures, the first of each. Precision flatters where few real pictures are
    known: one that stands apart reaches far and takes in anything (Naeem et al. 2020).

    Args:
        x: Features of made pictures ``[n d]``, five rows or more.
        y: Features of real pictures ``[m d]``, likewise.
    """
    count = min(len(x), len(y))
    a, b = (torch.from_numpy(rows[:count]) for rows in (x, y))
    between = torch.cdist(a, b)
    k = min(NEIGHBORS, count - 1) + 1  # the nearest of all is the picture itself
    reach_a, reach_b = (torch.cdist(rows, rows).kthvalue(k, 1).values for rows in (a, b))
    precision = (between <= reach_b[None, :]).any(1).float().mean()
    recall = (between <= reach_a[:, None]).any(0).float().mean()
    return float(precision), float(recall)


def half_sample_intervals(
    figures: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, float]],
    counts: tuple[int, int],
    *,
    rounds: int,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Where figures of two samples lie with 95 % confidence, by a bootstrap of halves.

    Each round takes half of either sample without putting back: such a half varies around the whole as the
    whole does around the truth (Politis and Romano 1994). The usual bootstrap repeats rows, which Fréchet and
    kernel distances and neighbors take for structure.

    Args:
        figures: Of the rows numbered in both arguments.
        counts: Rows of the two samples.
        rounds: How many halves.
        seed: Of the halves.

    Returns:
        For every figure what to add to it: the lower bound's distance, 0 or less, and the upper one's.
    """
    rng = np.random.default_rng(seed)
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        halves = [np.sort(rng.permutation(n)[: (n + 1) // 2]) for n in counts]
        found.append(figures(halves[0], halves[1]))
    bounds = {}
    for name in found[0]:
        values = np.array([each[name] for each in found])
        low, high = np.quantile(values - values.mean(), [0.025, 0.975])
        bounds[name] = (float(min(low, 0)), float(max(high, 0)))
    return bounds
