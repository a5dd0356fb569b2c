"""Directions in w along which pictures change: by PCA, SeFa and look, and learned from likes and dislikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midi.errors import UserError
from models.image.latent import gaussian
from models.image.walks import picture_distance

if TYPE_CHECKING:
    from models.image.player import Pictures

Kind = Literal["pca", "sefa", "look"]
Matrix = NDArray[np.float64]

SAMPLES = 4096
"""Seeds whose w stand for the whole space; a hundred times its usual 128 dimensions would change little."""

PLACES, PROBES = 16, 8
"""Pictures whose look is probed, and probes of each: 3 s of a core at 128 px."""
LOOK_PX = 32
"""Side at which looks are compared: form and color, no grain."""

RANKED, RANKED_BY = 8, 12
"""First directions of SeFa that are put in order by what they change, and pictures that this is seen in."""
RANK_SIGMAS = 2.0
"""How far those pictures move, in standard deviations that w has along a usual axis."""

LAMBDAS = tuple(float(10.0**power) for power in np.arange(-2, 3.5, 0.5))
"""Ridge strengths tried, relative to the number of examples."""


@dataclass(frozen=True)
class Directions:
    """Some directions, strongest first.

    Attributes:
        kind: How they were found.
        vectors: ``[k, w]``, unit length, float32 on the CPU.
        sigmas: ``[k]``, standard deviation of w along each: the unit in which a person moves.
    """

    kind: Kind
    vectors: Tensor
    sigmas: Tensor

    def first(self, count: int) -> Directions:
        """Only the first so many."""
        return replace(self, vectors=self.vectors[:count], sigmas=self.sigmas[:count])

    def step(self, number: int) -> Tensor:
        """One standard deviation along a direction counted from 1, ``[w]``.

        Raises:
            UserError: There is no such direction.
        """
        if not 1 <= number <= len(self.vectors):
            raise UserError(
                f"There is no direction {self.kind}{number}.",
                f"Use {self.kind}1 to {self.kind}{len(self.vectors)}.",
            )
        return self.vectors[number - 1] * self.sigmas[number - 1]


@dataclass(frozen=True)
class Attribute:
    """A direction learned from examples.

    Attributes:
        vector: ``[w]``, unit length, toward the likes, float32 on the CPU.
        sigma: Standard deviation of w along it.
        accuracy: Share of the examples on the right side when each is judged by all others, 0-1.
    """

    vector: Tensor
    sigma: float
    accuracy: float


def pca(ws: Tensor, count: int = 8) -> Directions:
    """Principal components of w: where pictures differ most (Härkönen et al., GANSpace, 2020).

    Args:
        ws: ``[n, w]`` of random seeds.
        count: How many, at most w.

    Returns:
        Directions whose largest coordinate is positive, so that the same model gives the same signs.
    """
    rows = _rows(ws)
    covariance = np.cov(rows, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][:count]
    return _directions("pca", vectors[:, order].T, rows)


def sefa(weights: Mapping[str, Tensor], ws: Tensor, count: int = 8) -> Directions:
    """Closed-form factorization of the style layers (Shen and Zhou 2021, arXiv 2007.06600).

    The directions that change the styles of all given layers most: eigenvectors of AᵀA, A being the layers'
    affine weights, each scaled to unit Frobenius norm so that no wide layer drowns the others.

    Args:
        weights: By layer, ``[channels, w]``.
        ws: ``[n, w]`` of random seeds, for the standard deviations.
        count: How many, at most w.
    """
    stacked = np.concatenate([_rows(each) / max(float(each.norm()), 1e-12) for each in weights.values()])
    values, vectors = np.linalg.eigh(stacked.T @ stacked)
    order = np.argsort(values)[::-1][:count]
    return _directions("sefa", vectors[:, order].T, _rows(ws))


def look(pictures: Pictures, ws: Tensor, count: int = 8) -> Directions:
    """Directions that change what is seen most: eigenvectors of the mean of JᵀJ, J being d picture / d w.

    The metric of the picture space pulled back to w (Wang and Ponce 2021, arXiv 2101.06006), with pixels of
    small copies as the metric. It is estimated from gradients of random projections: E[g gᵀ] = JᵀJ.

    Args:
        pictures: The model.
        ws: ``[n, w]`` of random seeds; the first are where it is measured.
        count: How many, at most w.
    """
    generator = pictures.generator
    metric = np.zeros((ws.shape[1], ws.shape[1]))
    for place in range(PLACES):
        w = ws[place : place + 1].to(generator.w_mean, copy=True).requires_grad_(True)
        picture = generator(generator.styles(w), noise=generator.noise([place]))
        small = torch.nn.functional.adaptive_avg_pool2d(picture, min(LOOK_PX, picture.shape[-1]))
        for probe in range(PROBES):
            signs = gaussian(place, probe, small.shape).to(small)
            (gradient,) = torch.autograd.grad(small, w, signs, retain_graph=probe < PROBES - 1)
            metric += np.outer(*[_rows(gradient)[0]] * 2)
    values, vectors = np.linalg.eigh(metric)
    order = np.argsort(values)[::-1][:count]
    return _directions("look", vectors[:, order].T, _rows(ws))


def found(pictures: Pictures, kind: Kind, count: int = 8, samples: int = SAMPLES) -> Directions:
    """A model's directions; the same for the same weights on the same device.

    Args:
        pictures: The model.
        kind: ``pca``, ``sefa`` or ``look``.
        count: How many.
        samples: Seeds drawn.
    """
    ws = population(pictures, samples)
    if kind == "pca":
        return pca(ws, count)
    if kind == "look":
        return look(pictures, ws, count)
    weights = {name: each.float().cpu() for name, each in pictures.generator.style_weights().items()}
    return ranked(pictures, sefa(weights, ws, max(count, RANKED)), usual_length(ws)).first(count)


def ranked(pictures: Pictures, directions: Directions, length: float) -> Directions:
    """The first directions in order of what they change; styles say how loud one is, not what is heard of it.

    Args:
        pictures: The model.
        directions: The first :data:`RANKED` are put in order.
        length: How far pictures move.
    """
    head = directions.vectors[:RANKED]
    changes = [effect(pictures, vector, length, range(RANKED_BY)) for vector in head]
    order = [*np.argsort(changes)[::-1].tolist(), *range(len(head), len(directions.vectors))]
    return replace(directions, vectors=directions.vectors[order], sigmas=directions.sigmas[order])


def usual_length(ws: Tensor, sigmas: float = RANK_SIGMAS) -> float:
    """So many of the standard deviations that w has along a usual axis, of w ``[n, w]``."""
    return sigmas * float(ws.std(0).mean())


@torch.no_grad()
def population(pictures: Pictures, samples: int = SAMPLES) -> Tensor:
    """The w ``[samples, w]`` of the first seeds, float32 on the CPU: what is usual in a model's space."""
    return pictures.generator.map(pictures.z(range(samples))).float().cpu()


def attribute(likes: Tensor, dislikes: Tensor, usual: Tensor) -> Attribute:
    """The direction that tells likes from dislikes, from a handful of each.

    Ridge regression of +1 and -1 on whitened w, its strength chosen by leave-one-out error in closed form
    (Golub, Heath and Wahba 1979). Without dislikes, usual places stand in for them.

    Args:
        likes: ``[n, w]``, at least one.
        dislikes: ``[m, w]``, may be empty.
        usual: ``[k, w]`` of random seeds, for the whitening; many more than w.

    Raises:
        UserError: There are no likes, or likes and dislikes are the same pictures.
    """
    if not len(likes):
        raise UserError(
            "There is nothing to learn from: no picture is liked.", "Name one or more liked pictures."
        )
    space = _rows(usual)
    others = _rows(dislikes) if len(dislikes) else space[: max(4 * len(likes), 32)]
    mean, (values, vectors) = space.mean(0), np.linalg.eigh(np.cov(space, rowvar=False))
    # Directions that w hardly uses are held to a share of the strongest, or noise there would rule.
    scales = np.sqrt(np.maximum(values, values.max() * 1e-4))
    examples = (np.concatenate([_rows(likes), others]) - mean) @ vectors / scales
    sides = np.concatenate([np.full(len(likes), 1.0), np.full(len(others), -1.0)])
    shares = np.where(sides > 0, 0.5 / len(likes), 0.5 / len(others))
    slope, judged = _ridge(examples, sides, shares)
    # Weights that tell examples apart are no path to walk; times the covariance they are the pattern going
    # with the difference (Haufe et al., NeuroImage 2014, eq. 6), which stays where w is at home.
    vector = vectors @ (slope * scales)
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise UserError(
            "Likes and dislikes are the same pictures.", "Rate pictures that differ in what you are after."
        )
    accuracy = float(np.sum(shares * (np.sign(judged) == sides)))
    vector = vector / length
    return Attribute(torch.from_numpy(vector.astype(np.float32)), float((space @ vector).std()), accuracy)


def _ridge(rows: Matrix, sides: Matrix, shares: Matrix) -> tuple[Matrix, Matrix]:
    """Slope of the best ridge, and every example judged by the others.

    Both sides weigh the same however many examples they have; the intercept is the middle between them.
    """
    middle = shares @ rows
    root = np.sqrt(shares * len(rows))
    centered, wanted = (rows - middle) * root[:, None], sides * root
    kernel = centered @ centered.T
    best: tuple[float, Matrix, Matrix] | None = None
    for strength in LAMBDAS:
        inverse = np.linalg.inv(kernel + strength * len(rows) * np.eye(len(rows)))
        dual = inverse @ wanted
        # Left-out residual of kernel ridge: dual_i / inverse_ii.
        left_out = wanted - dual / np.diag(inverse)
        error = float(np.mean((wanted - left_out) ** 2))
        if best is None or error < best[0]:
            best = (error, centered.T @ dual, left_out)
    assert best is not None  # noqa: S101 - LAMBDAS is not empty
    return best[1], best[2]


def effect(
    pictures: Pictures, vector: Tensor, length: float, seeds: Sequence[int], psi: float = 0.7
) -> float:
    """How much pictures change, on average, when their w moves along a direction.

    Returns:
        Mean picture distance, 0-1 (:func:`models.image.walks.picture_distance`); arguments as :func:`moved`.
    """
    before, after = moved(pictures, vector, length, seeds, psi)
    return float(np.mean([picture_distance(a, b) for a, b in zip(before, after, strict=True)]))


def moved(
    pictures: Pictures, vector: Tensor, length: float, seeds: Sequence[int], psi: float = 0.7
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures ``[n h w 3]`` at both ends of a move.

    Args:
        pictures: The model.
        vector: ``[w]``, any length but 0.
        length: How far, in w; half to either side.
        seeds: The pictures.
        psi: Their truncation.
    """
    ws = pictures.styles(pictures.w(seeds), psi)
    move = vector.to(ws) / vector.norm() * (length / 2)
    return pictures.render(ws - move), pictures.render(ws + move)


def _rows(tensor: Tensor) -> Matrix:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _directions(kind: Kind, vectors: Matrix, samples: Matrix) -> Directions:
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1)[:, None], axis=1)
    vectors = vectors * np.where(largest < 0, -1.0, 1.0)
    sigmas = (samples @ vectors.T).std(0)
    return Directions(
        kind, torch.from_numpy(vectors.astype(np.float32)), torch.from_numpy(sigmas.astype(np.float32))
    )
