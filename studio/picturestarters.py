"""Recipes of the starter bundles that make pictures: data, credits, sizes, and what better means."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from midi.errors import UserError
from models.bundle import Bundle
from models.image import recipe
from models.image.decode import IntakeConfig
from models.image.pictures import list_pictures
from studio.train import report_to

LEAST_RATIO = 0.5
"""Nearest-neighbor ratio below which a candidate is taken for a copyist and not shipped."""


@dataclass(frozen=True)
class PictureStarter:
    """One starter.

    Attributes:
        folder: Of the pictures, below the shared data.
        size: Side in pixels.
        data: What the bundle says of its data.
        credits: File with a line of credit for each picture, below the shared data; None where the licence
            asks for none.
        resample: How the pictures are made equal.
        preset: Widths of the generator.
        is_mirrored: Whether pictures may be mirrored.
        parent: Shipped bundle whose weights it starts from; it gives the widths.
    """

    folder: str
    size: int
    data: Mapping[str, str]
    credits: str | None = None
    resample: Literal["auto", "smooth", "nearest"] = "smooth"
    preset: str = "live"
    is_mirrored: bool = True
    parent: str | None = None


def _flowers(which: str) -> Mapping[str, str]:
    return {
        "name": f"TensorFlow flower_photos, {which}, cut to 128 px squares",
        "licence": "CC-BY-2.0, https://creativecommons.org/licenses/by/2.0/",
        "source": "The TensorFlow Team, 2019; every photographer is named in this card",
    }


STARTERS: dict[str, PictureStarter] = {
    "monsters": PictureStarter(
        "dcss_monsters",
        64,
        {
            "name": "Dungeon Crawl Stone Soup monsters (pixel art of 32 px, doubled)",
            "licence": "CC0-1.0",
            "source": "crawl/tiles, releases/Nov-2015/mon, by the Dungeon Crawl Stone Soup artists",
        },
        resample="nearest",
        preset="tiny",
    ),
    "sunflowers": PictureStarter(
        "flowers128/sunflowers", 64, _flowers("sunflowers"), "flowers128/ATTRIBUTION.tsv", preset="tiny"
    ),
    "garden": PictureStarter(
        "flowers128", 64, _flowers("five kinds"), "flowers128/ATTRIBUTION.tsv", parent="sunflowers"
    ),
    "flowers": PictureStarter(
        "flowers128", 128, _flowers("five kinds"), "flowers128/ATTRIBUTION.tsv", parent="garden"
    ),
}
"""By the names of their bundles, each after its parent: what is learned of one kind and at 64 pixels need
not be learned again with five and at 128."""


def starter_run(
    name: str, data: Path, run_dir: Path, minutes: float, device: str, pick: int | None = None
) -> recipe.PictureRun:
    """The training of a starter; going on with it is the same run.

    Args:
        name: One of ``STARTERS``.
        data: Folder of the shared data.
        run_dir: Folder of checkpoints, sheets and log.
        minutes: Time budget, counted over all sessions.
        device: Where to train.
        pick: Ship this step's snapshot instead of the best by figures.

    Raises:
        UserError: The credits cannot be read.
    """
    starter = STARTERS[name]
    credited = starter.credits is not None
    return recipe.PictureRun(
        data / starter.folder,
        run_dir,
        name,
        parent=starter.parent,
        max_minutes=minutes,
        resume=True,
        pick=pick,
        device=device,
        size=starter.size,
        preset=starter.preset,
        intake=IntakeConfig(resample=starter.resample),
        is_mirrored=starter.is_mirrored,
        frozen_px=0,
        data=(dict(starter.data),),
        credits=read_credits(data / str(starter.credits), data / starter.folder) if credited else {},
        licence="Apache-2.0",
    )


def train_starter(run: recipe.PictureRun, folder: Path, advance: recipe.Advance) -> Bundle:
    """Train until the budget is used up and write the candidate.

    Args:
        run: As :func:`starter_run` gives it.
        folder: Of the bundle; must not exist.
        advance: Told how far it is.

    Raises:
        UserError: The data cannot be used, or a picture has no credit where its licence asks for one.
        KeyboardInterrupt: Interrupted, after everything was saved.
    """
    names = [path.relative_to(run.source).as_posix() for path in list_pictures(run.source)]
    nameless = [name for name in names if name not in run.credits] if run.credits else []
    if nameless:  # said before hours of training
        raise UserError(
            f"{len(nameless)} pictures have no credit, {nameless[0]} for one.",
            "Their licence asks for it: complete the file of credits, or leave these pictures out.",
        )
    result = recipe.train_pictures(run, report_to(advance), advance)
    if result.fitted.interrupted:
        raise KeyboardInterrupt
    return recipe.write_picture_bundle(run, result, folder)


def read_credits(file: Path, folder: Path) -> dict[str, str]:
    """Lines of credit by the name of the picture below ``folder``.

    Args:
        file: Tab-separated, with the columns ``file`` (relative to where this file lies) and ``credit``.
        folder: Of the pictures: where the file lies, or below.

    Raises:
        UserError: It is missing or has no such columns.
    """
    inside = folder.relative_to(file.parent).as_posix()
    prefix = "" if inside == "." else f"{inside}/"
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        found = {str(row["file"]): " ".join(str(row["credit"]).split()) for row in rows}
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"The credits in {file} cannot be read.", "The licence of these pictures asks for them."
        ) from error
    return {name.removeprefix(prefix): line for name, line in found.items() if name.startswith(prefix)}


def verdict(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> tuple[bool, str]:
    """Whether a candidate replaces what is shipped, and why, as one sentence.

    Compared by kernel distance where both were measured in the same features, else by sliced Wasserstein
    distance. A candidate that copies is never better.

    Args:
        new: Figures of the candidate.
        old: Figures of the shipped one, or None where there is none that can be read.

    Raises:
        UserError: The candidate tells no figures.
    """
    if "swd" not in new:
        raise UserError("The candidate tells no figures.", "Use more pictures.")
    ratio = new.get("nearest_ratio")
    if ratio is not None and ratio < LEAST_RATIO:
        return (
            False,
            f"nearest-neighbor ratio {ratio:.2f}: it copies what it learned from and is not shipped.",
        )
    is_alike = old is not None and old.get("features") == new["features"] and "kd" in old
    key, title = ("kd", "kernel distance") if is_alike else ("swd", "sliced Wasserstein distance")
    figure = f"{title} {new[key]:.4f}"
    if old is None or not isinstance(old.get(key), float):
        return True, f"{figure}: now shipped."
    if new[key] >= old[key]:
        return False, f"{figure}, the shipped one has {old[key]:.4f} and stays."
    return True, f"{figure} instead of {old[key]:.4f}: now shipped."
