"""Figures of a picture model against real pictures, with intervals, and a sheet to look at beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.image.judge import Judge
from models.image.metrics import (
    NearestResult,
    frechet_distance,
    half_sample_intervals,
    kernel_distance,
    nearest_ratio,
    precision_recall,
    sliced_wasserstein,
)
from models.image.pictures import PictureSet, Pixels
from models.image.player import Pictures
from models.image.sheet import contact
from models.image.walks import path_evenness

MADE = 512
FEWEST = 8
"""Pictures below which nothing is measured."""
FEWEST_HELD_OUT = 20
"""Held-out pictures below which all are compared with, those learned from too."""
MOST_REAL = 2048

FEATURE_ROUNDS, PATCH_ROUNDS = 100, 16
WALKS, WALK_STEPS = 12, 12
SHEET_PAIRS = 32

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MeasureConfig:
    """How thoroughly to measure.

    Attributes:
        count: Pictures made.
        seed: Of the first; the others follow.
        psi: Truncation; 1 is the model as it is.
        is_foreign: Whether the model never saw the set: then all of it is compared with.
        has_intervals: Whether to work out intervals too.
    """

    count: int = MADE
    seed: int = 0
    psi: float = 1.0
    is_foreign: bool = False
    has_intervals: bool = True


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        figures: As ``antiphon eval pictures --json`` prints them (DESIGN section 10).
        sheet: Made pictures, each beside the nearest that was learned from; None where nothing was.
    """

    figures: dict[str, Any]
    sheet: Image.Image | None


def measure(
    player: Pictures, pictures: PictureSet, judge: Judge, config: MeasureConfig, advance: Advance
) -> Measured:
    """Make pictures and compare them with real ones.

    The figures are ``swd`` (sliced Wasserstein distance, mean of ``swd_levels``), ``fd`` and ``kd`` (squared
    Fréchet distance and kernel distance in the space that ``features`` names), ``precision`` and ``recall``
    there, ``nearest_ratio``, and ``path_evenness`` (of walks straight in w; ``path_evenness_z`` along arcs in
    z); ``intervals`` has 95 % bounds of each, ``real`` the same figures of real pictures in the made ones'
    place, which is as good as figures get. Empty but for the counts where the set is too small.

    Args:
        player: The model.
        pictures: The set, of the model's resolution or larger.
        judge: Where features are measured.
        config: How thoroughly.
        advance: Told what is being done, how many steps are done, and how many there are.
    """
    reference, others = _sides(pictures, config)
    figures: dict[str, Any] = {
        "count": config.count, "features": judge.name, "psi": config.psi, "reference": len(reference),
        "held_out": len(pictures.held_out),
    }  # fmt: skip
    if len(reference) < FEWEST:
        return Measured(figures, None)
    made = make(player, pictures.config.resolution, config, advance)
    advance("Comparing", 0, 4)
    real, stand_in = pictures.images[reference], pictures.images[others]
    rows = {name: judge.rows(each) for name, each in (("made", made), ("real", real), ("other", stand_in))}
    advance("Comparing", 1, 4)
    levels = sliced_wasserstein(made, real)
    figures |= {"swd": levels["mean"], "swd_levels": levels}
    figures |= in_features(rows["made"], rows["real"])
    figures["real"] = {"swd": sliced_wasserstein(stand_in, real)["mean"]} | in_features(
        rows["other"], rows["real"]
    )
    advance("Comparing", 2, 4)
    evenness = {space: _evenness(player, config, space) for space in ("w", "z")}
    figures |= {"path_evenness": evenness["w"].mean(), "path_evenness_z": evenness["z"].mean()}
    figures = {key: float(v) if isinstance(v, np.floating) else v for key, v in figures.items()}
    learned, unseen = pictures.images[pictures.train], pictures.images[pictures.held_out]
    nearest = nearest_ratio(made, learned, unseen) if len(unseen) and len(learned) else None
    figures["nearest_ratio"] = nearest.ratio if nearest else None
    advance("Comparing", 3, 4)
    if config.has_intervals:
        bounds = _bounds(made, real, rows) | _more_bounds(nearest, evenness["w"])
        figures["intervals"] = {name: _placed(name, figures[name], bounds[name]) for name in bounds}
    advance("Comparing", 4, 4)
    return Measured(figures, pair_sheet(made, learned, nearest) if nearest else None)


def _placed(name: str, figure: float, bounds: tuple[float, float]) -> list[float]:
    """An interval around its figure, within what the figure can be."""
    lowest, highest = (0.0, 1.0) if name in {"precision", "recall"} else (-np.inf, np.inf)
    return [max(figure + bounds[0], lowest), min(figure + bounds[1], highest)]


def make(player: Pictures, side_px: int, config: MeasureConfig, advance: Advance) -> Pixels:
    """The pictures to measure, ``[n h w 3]``, enlarged where the model's are smaller."""
    made = np.empty((config.count, side_px, side_px, 3), np.uint8)
    factor = side_px // player.resolution  # weights may be those of a lower stage
    for i in range(config.count):
        advance("Making pictures", i, config.count)
        made[i] = player.generate([config.seed + i], config.psi)[0].repeat(factor, 0).repeat(factor, 1)
    advance("Making pictures", config.count, config.count)
    return made


def in_features(made: NDArray[np.float32], real: NDArray[np.float32]) -> dict[str, float]:
    """The four figures of features ``[n d]`` and ``[m d]``."""
    precision, recall = precision_recall(made, real)
    return {
        "fd": frechet_distance(made, real), "kd": kernel_distance(made, real),
        "precision": precision, "recall": recall,
    }  # fmt: skip


def _sides(pictures: PictureSet, config: MeasureConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the real pictures to compare with, and of others to put in the made ones' place."""
    rng = np.random.default_rng(config.seed)
    if not config.is_foreign and len(pictures.held_out) >= FEWEST_HELD_OUT:
        others = rng.permutation(pictures.train)[: config.count]
        return pictures.held_out[:MOST_REAL], np.sort(others)
    everything = rng.permutation(len(pictures.names))[:MOST_REAL]
    half = len(everything) // 2
    return np.sort(everything), np.sort(everything[:half])


def _evenness(player: Pictures, config: MeasureConfig, space: Any) -> NDArray[np.float64]:
    pairs = [(config.seed + 2 * i, config.seed + 2 * i + 1) for i in range(WALKS)]
    return path_evenness(player, pairs, space=space, steps=WALK_STEPS, psi=config.psi)


def _bounds(
    made: Pixels, real: Pixels, rows: dict[str, NDArray[np.float32]]
) -> dict[str, tuple[float, float]]:
    """Intervals of what compares two samples."""
    x, y = rows["made"], rows["real"]

    def features(i: NDArray[np.int64], j: NDArray[np.int64]) -> dict[str, float]:
        return in_features(x[i], y[j])

    def patches(i: NDArray[np.int64], j: NDArray[np.int64]) -> dict[str, float]:
        return {"swd": sliced_wasserstein(made[i], real[j])["mean"]}

    halves = partial(half_sample_intervals, counts=(len(made), len(real)))
    return halves(patches, rounds=PATCH_ROUNDS) | halves(features, rounds=FEATURE_ROUNDS)


def _more_bounds(
    nearest: NearestResult | None, evenness: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Intervals of means and medians, by the plain bootstrap (Efron 1979)."""
    rng = np.random.default_rng(0)

    def bounds(statistic: Callable[[NDArray[Any]], Any], values: NDArray[Any]) -> tuple[float, float]:
        draws = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(1000)]
        low, high = np.quantile(draws, [0.025, 0.975]) - statistic(values)
        return float(low), float(high)

    found = {"path_evenness": bounds(np.mean, evenness)}
    if nearest is not None:
        scale = nearest.ratio / max(float(np.median(nearest.distances)), 1e-6)
        found["nearest_ratio"] = bounds(np.median, nearest.distances * scale)
    return found


def pair_sheet(made: Pixels, learned: Pixels, nearest: NearestResult) -> Image.Image:
    """Made pictures, each with the nearest one learned from at its right: the nearest first, then others.

    Args:
        made: ``[n h w 3]``.
        learned: ``[m h w 3]``.
        nearest: Of ``made`` in ``learned``.
    """
    order = np.argsort(nearest.distances)
    near, rest = order[: SHEET_PAIRS // 2], np.sort(order[SHEET_PAIRS // 2 :])[: SHEET_PAIRS // 2]
    chosen = np.concatenate([near, rest])
    pairs = np.concatenate([made[chosen], learned[nearest.neighbors[chosen]]], axis=2)
    return contact(pairs, 4, scale=max(1, 128 // made.shape[1]), gap_px=8)
