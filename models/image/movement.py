"""How much a model's directions change its pictures beside random ones, and how evenly its walks look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.image.directions import RANKED_BY, Kind, moved, population, usual_length
from models.image.latent import gaussian
from models.image.walks import path_evenness

if TYPE_CHECKING:
    from torch import Tensor

    from models.image.directions import Directions
    from models.image.judge import Judge
    from models.image.measure import Advance
    from models.image.player import Pictures

RANDOM_STREAM = 2**33 + 64
"""Stream of :func:`latent.gaussian` that random directions are drawn from."""

RATIO_GOAL = 1.5
"""What the first directions change, over what random ones of equal length do."""


@dataclass(frozen=True)
class MovementConfig:
    """How thoroughly to measure.

    Attributes:
        first: Directions of each kind.
        randoms: Random directions beside them.
        seeds: Pictures that are moved; none of those that directions were put in order by.
        psi: Their truncation.
        sigmas: How far, in standard deviations that w has along a usual axis.
        walks: Walks, each between two seeds, at full variety.
        steps: Equal steps of a walk.
    """

    first: int = 4
    randoms: int = 24
    seeds: range = range(1000, 1016)
    psi: float = 0.7
    sigmas: float = 2.0
    walks: int = 32
    steps: int = 12

    def __post_init__(self) -> None:
        if self.seeds.start < RANKED_BY:
            raise ValueError("directions would be measured on pictures that they were chosen by")


def movement_figures(
    pictures: Pictures,
    directions: Mapping[Kind, Directions],
    judge: Judge,
    config: MovementConfig,
    advance: Advance,
) -> dict[str, Any]:
    """Measure directions and walks.

    Returns:
        ``random`` (mean change by random directions: ``pixels`` in gray levels, ``features`` as a distance in
        the space that ``features`` names), ``directions`` (by kind a list of ratios to that), ``ratios``
        (their means by kind), ``length`` in w; ``path_evenness`` and ``path_evenness_z`` (mean coefficient of
        variation of equal steps on walks straight in w, and along arcs in z between the same seeds) and
        ``evenness_gain`` (95 % interval of the second less the first).
    """
    length = usual_length(population(pictures), config.sigmas)
    kinds = {kind: found.first(config.first).vectors for kind, found in directions.items()}
    total, done = config.randoms + sum(map(len, kinds.values())), 0

    def changes(vector: Tensor) -> NDArray[np.float64]:
        nonlocal done
        before, after = moved(pictures, vector, length, config.seeds, config.psi)
        done += 1
        advance("Moving pictures", done, total)
        apart = np.linalg.norm(judge.rows(before) - judge.rows(after), axis=1)
        return np.array([np.abs(before.astype(np.int16) - after).mean(), apart.mean()])

    drawn = [gaussian(i, RANDOM_STREAM, (pictures.w_size,)) for i in range(config.randoms)]
    usual = np.mean([changes(vector) for vector in drawn], axis=0)
    ratios = {kind: [changes(vector) / usual for vector in vectors] for kind, vectors in kinds.items()}
    return {
        "length": length, "sigmas": config.sigmas, "psi": config.psi, "pictures": len(config.seeds),
        "randoms": config.randoms, "features": judge.name, "random": _named(usual),
        "directions": {kind: [_named(each) for each in found] for kind, found in ratios.items()},
        "ratios": {kind: _named(np.mean(found, axis=0)) for kind, found in ratios.items()},
        **evenness_figures(pictures, config, advance),
    }  # fmt: skip


def evenness_figures(pictures: Pictures, config: MovementConfig, advance: Advance) -> dict[str, Any]:
    """The walks' part of :func:`movement_figures`."""
    first = config.seeds.start
    pairs = [(first + 2 * i, first + 2 * i + 1) for i in range(config.walks)]
    straight: list[float] = []
    arcs: list[float] = []
    for i, pair in enumerate(pairs, start=1):
        straight += path_evenness(pictures, [pair], space="w", steps=config.steps).tolist()
        arcs += path_evenness(pictures, [pair], space="z", steps=config.steps).tolist()
        advance("Walking", i, len(pairs))
    gains = np.array(arcs) - straight
    draws = np.random.default_rng(0).integers(0, len(gains), (1000, len(gains)))
    low, high = np.quantile(gains[draws].mean(1), [0.025, 0.975])
    return {
        "walks": config.walks, "steps": config.steps, "path_evenness": float(np.mean(straight)),
        "path_evenness_z": float(np.mean(arcs)), "evenness_gain": [float(low), float(high)],
    }  # fmt: skip


def _named(values: NDArray[np.float64]) -> dict[str, float]:
    return {"pixels": float(values[0]), "features": float(values[1])}
