"""Adversarial losses and gradient penalties, each from the paper it names.

Scores are the critic's raw outputs, any shape, higher for what looks real. Every function gives a scalar to
minimize.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

LossName = Literal["logistic", "relativistic", "hinge"]


def critic_loss(name: LossName, real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimizes.

    Args:
        name: ``logistic`` (Goodfellow et al. 2014), ``relativistic`` (pairs of one real and one made
            picture, Jolicoeur-Martineau 2019) or ``hinge`` (Lim & Ye 2017).
        real: Scores of real pictures.
        fake: Scores of made pictures; for ``relativistic`` of the same shape.
    """
    if name == "relativistic":
        return functional.softplus(fake - real).mean()
    if name == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def generator_loss(name: LossName, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """What the generator minimizes; the non-saturating form for ``logistic``.

    Args:
        name: As for :func:`critic_loss`.
        fake: Scores of made pictures.
        real: Scores of real ones, needed for ``relativistic`` only.
    """
    if name == "relativistic":
        if real is None:
            raise ValueError("the relativistic loss compares with real pictures")
        return functional.softplus(real - fake).mean()
    return -fake.mean() if name == "hinge" else functional.softplus(-fake).mean()


def gradient_penalty(scores: Tensor, pictures: Tensor) -> Tensor:
    """Mean squared length of the scores' gradient with respect to the pictures, halved.

    On real pictures this is R1, on made ones R2 (Mescheder et al. 2018, equation 9), before the factor gamma.

    Args:
        scores: ``[n ...]``, computed from ``pictures``.
        pictures: ``[n c h w]``, requiring gradients.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / 2
