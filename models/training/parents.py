"""What a training starts from where nobody names a bundle: a starter, never random weights unasked.

Even pictures of another kind are learned sooner from a starter than from nothing, and a few songs teach
fresh weights next to nothing (ARCHITECTURE, Experiments).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from models.training.runs import begun_with, run_folder

AUTO, NONE = "auto", "none"
"""A starter, or fresh weights."""

MUSIC, PICTURES, LARGE_PICTURES = "partner", "garden", "flowers"
"""The starters; the last one for pictures above ``LARGE_PX``."""

LARGE_PX = 64


def resolve(
    name: str, asked: str | None, media: Literal["music", "pictures"], settings: Mapping[str, Any]
) -> str | None:
    """The bundle to start from, or None for fresh weights.

    A run that goes on keeps the one it began with. A parent has widths of its own, so whoever asks for a
    preset of a generator begins anew.

    Args:
        name: Of the bundle to make.
        asked: A bundle, ``AUTO``, ``NONE`` or None, which is the same.
        media: What is learned from.
        settings: Of the run: ``resume``, ``pick``, ``size`` and ``preset`` are looked at.

    Raises:
        UserError: The settings of the run to go on with cannot be read.
    """
    if asked != AUTO:
        return None if asked == NONE else asked
    is_resumed = settings.get("resume") or settings.get("pick") is not None
    begun = begun_with(run_folder(name)) if is_resumed else None
    if begun is not None:
        return begun.get("parent")
    if media == "music":
        return MUSIC
    if settings.get("preset") is not None:
        return None
    return LARGE_PICTURES if (settings.get("size") or 0) > LARGE_PX else PICTURES
