"""``antiphon eval pictures``: how near a model's pictures come to real ones, and whether it copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from midi.errors import UserError
from studio.settings import cache_folder, made_folder
from studio.terminal import Progress, table

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.image.decode import IntakeConfig

SHEET = "nearest.png"


@dataclass(frozen=True, kw_only=True)
class EvalPicturesOptions:
    """What to evaluate, and how thoroughly.

    Attributes:
        model: Bundle name or folder.
        folder: Folder of pictures: those the model learned from, or others of their kind.
        count: Pictures made, 8 or more.
        seed: Seed of the first.
        psi: Truncation.
        features: Feature space; None is the best that is installed.
        out: Folder of the sheet; by default one in the cache.
        device: Where the model and the features run.
    """

    model: str
    folder: Path
    count: int = 512
    seed: int = 0
    psi: float = 1.0
    features: Literal["st-vgg16", "random-conv"] | None = None
    out: Path | None = None
    device: str = "auto"


def eval_pictures(options: EvalPicturesOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Figures of a picture model (DESIGN section 10, ``eval pictures --json``), and a sheet of near-copies.

    When the folder is the one that the model learned from, its held-out pictures are compared with;
    otherwise all of them are.

    Returns:
        See :func:`models.image.measure.measure`; besides that ``model``, ``sheet`` (path or None), ``hint``
        and ``is_training_data``.

    Raises:
        UserError: The bundle or the folder cannot be used, or there are too few pictures.
    """
    if not options.folder.is_dir():
        raise UserError(f"There is no folder {options.folder}.", "Name a folder of pictures.")
    # torch takes seconds to import, which a wrong folder must not wait for.
    from models.bundle import read_bundle  # noqa: PLC0415
    from models.image.judge import find_weights, judge_package_hint, load_judge  # noqa: PLC0415
    from models.image.measure import FEWEST, MeasureConfig, measure  # noqa: PLC0415
    from models.image.player import Pictures  # noqa: PLC0415
    from models.image.sheet import write_image  # noqa: PLC0415
    from models.registry import find  # noqa: PLC0415

    if options.count < FEWEST:
        raise UserError(f"{options.count} pictures say nothing.", f"Ask for --count {FEWEST} or more.")
    if options.features == "st-vgg16" and find_weights() is None:
        raise UserError("The features st-vgg16 need a package that is missing.", judge_package_hint())
    tell = progress or (lambda _what, _done, _total: None)
    path = find(options.model)
    bundle = read_bundle(path)
    player = Pictures.load(path, options.device)
    pictures = _open(options.folder, _intake(bundle, player.resolution), tell)
    is_known = pictures.report.digest == bundle.manifest.data_digest
    config = MeasureConfig(options.count, options.seed, options.psi, is_foreign=not is_known)
    found = measure(player, pictures, load_judge(options.features, player.device), config, tell)
    if "swd" not in found.figures:
        raise UserError(
            f"{found.figures['reference']} usable pictures in {options.folder} are too few to compare with.",
            f"{FEWEST} are the least; a few hundred give steady figures.",
        )
    sheet = None
    if found.sheet is not None:
        name = f"{bundle.manifest.name}-{bundle.manifest.version}"
        sheet = made_folder(options.out or cache_folder() / "evaluations" / name) / SHEET
        write_image(sheet, found.sheet)
    return {
        "model": f"{bundle.manifest.name}@{bundle.manifest.version}", **found.figures,
        "is_training_data": is_known, "sheet": str(sheet) if sheet else None,
        "hint": judge_package_hint() if found.figures["features"] == "random-conv" else "",
    }  # fmt: skip


def _intake(bundle: Bundle, side_px: int) -> IntakeConfig:
    """How the model's own pictures were made equal, at the side of the pictures it makes."""
    from models.image.decode import IntakeConfig  # noqa: PLC0415

    known = bundle.manifest.config.get("intake")
    try:
        values = {**known, "ground": tuple(known["ground"]), "resolution": side_px} if known else {}
        return IntakeConfig(**values) if known else IntakeConfig(side_px)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"The bundle {bundle.path} does not say how its pictures were read.", "Get the bundle again."
        ) from error


def _open(folder: Path, intake: IntakeConfig, tell: Progress) -> Any:
    """The set of the folder's pictures, kept in the cache."""
    from models.image.pictures import build_pictures  # noqa: PLC0415

    key = hashlib.sha256(f"{folder.resolve()} {intake}".encode()).hexdigest()[:16]
    place = cache_folder() / "pictures" / key
    return build_pictures(folder, place, intake, lambda i, n: tell("Reading pictures", i, n))


def score_lines(data: dict[str, Any]) -> list[str]:
    """The figures for people."""
    from models.image.card import TITLES  # noqa: PLC0415

    kind = "held-out" if data["is_training_data"] and data["reference"] == data["held_out"] else "real"
    rows = []
    for key, title in TITLES.items():
        if data.get(key) is None:
            continue
        bounds = data.get("intervals", {}).get(key)
        best = data["real"].get(key)
        interval = f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else ""
        rows.append((title, f"{data[key]:.3f}", interval, "" if best is None else f"{best:.3f}"))
    head = ("", "model", "95 % interval", "real pictures")
    lines = [
        f"{data['model']}: {data['count']} pictures against {data['reference']} {kind} ones, features "
        f"{data['features']}, which no training uses (no FID)",
        *table(head, rows),
    ]
    if not data["is_training_data"]:
        lines.append("The model did not learn from this folder, or not from all of it as it is now.")
    if data["sheet"]:
        lines.append(f"Near-copies, each beside the picture it is nearest to: {data['sheet']}")
    if data["hint"]:
        lines.append(data["hint"])
    return [*lines, "No figure says whether pictures are good: look at them."]
