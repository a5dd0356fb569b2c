"""``antiphon gallery``: many pictures of a model into a folder, in one process or several."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from midi.errors import UserError
from models.image.latent import SEED_LIMIT
from models.image.walks import LoopTime
from studio.gallery import loop, page, sheet
from studio.gallery.compose import Composer, Recipe, mark_of, one_thread
from studio.gallery.metadata import ModelMark, State, read_picture, read_state, save_picture
from studio.settings import made_folder
from studio.terminal import Progress

MAX_COUNT = 100_000
"""Pictures of one gallery: the page lists every one."""

PICTURES = "pictures"
"""Folder of the pictures inside a gallery."""

Told = tuple[str, bool]
"""Name of a picture that is there now, and whether it was there before."""


@dataclass(frozen=True, kw_only=True)
class GalleryOptions:
    """What to make.

    Attributes:
        model: Bundle name or folder.
        out: Folder of the gallery.
        count: How many pictures, 1 to 100,000.
        seed: Of the first picture; the others follow.
        recipe: What they have in common.
        resume: Keep what is there already.
        jobs: Processes.
        loop_time: Also make a seamless loop of this length.
        with_sheets: Also make contact sheets and sheets of directions.
        device: Where the model runs.
    """

    model: str
    out: Path
    count: int = 64
    seed: int = 7
    recipe: Recipe = field(default_factory=Recipe)
    resume: bool = False
    jobs: int = 1
    loop_time: LoopTime | None = None
    with_sheets: bool = True
    device: str = "auto"


@dataclass(frozen=True)
class Job:
    """What one process does.

    Attributes:
        model: Bundle name or folder.
        device: Where it runs.
        seeds: Its pictures.
        recipe: What they have in common.
        folder: Where they go.
        keep: Leave whole pictures that are there.
    """

    model: str
    device: str
    seeds: range
    recipe: Recipe
    folder: Path
    keep: bool


def render_gallery(options: GalleryOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Make a gallery: pictures, page, sheets, loop.

    The same options give the same files, however often the making was cut short and whatever the number of
    jobs; a folder that holds other pictures already shows them on the same page.

    Args:
        options: What to make.
        progress: Told how far it is.

    Returns:
        ``count seconds model files page sheet``, also ``kept sheet_pdf latents directions loop``.

    Raises:
        UserError: An option makes no sense, or the disk refused; what is written stays whole.
    """
    started_s = time.monotonic()
    _check(options)
    with one_thread():
        composer = Composer.load(options.model, options.device)
        _prepare(options, composer)
        kept, files = 0, []
        for name, was_there in _rendered(options, composer):
            files.append(name)
            kept += was_there
            if progress:
                progress("pictures", len(files), options.count)
        folder = options.out / PICTURES
        extras = _extras(options, composer, progress)
    entries = page.entries_of(options.out, folder)
    sheets = sheet.write_contact_sheets(options.out, entries, progress) if options.with_sheets else {}
    path = page.write_page(options.out, entries, {**sheets, **extras})
    return {
        "count": options.count,
        "seconds": round(time.monotonic() - started_s, 3),
        "model": composer.mark.title,
        "files": [str(folder / name) for name in sorted(files)],
        "page": str(path),
        "sheet": str(sheets["sheet"]) if sheets else None,
        "kept": kept,
        **{key: str(value) for key, value in {**sheets, **extras}.items() if key != "sheet"},
    }


def file_name(state: State) -> str:
    """Name of a picture's file: model, seed, and what tells it from others of that seed."""
    seed = "x" if state.seed is None else f"{state.seed:07d}"
    return f"{state.model.name}-{seed}-{state.digest[:6]}.png"


def _check(options: GalleryOptions) -> None:
    if not 1 <= options.count <= MAX_COUNT:
        raise UserError(f"A gallery can't have {options.count} pictures.", f"Use --count 1 to {MAX_COUNT}.")
    if not 0 <= options.seed <= SEED_LIMIT - options.count:
        raise UserError(
            f"The seeds from {options.seed} on don't exist.", f"Use --seed 0 to {SEED_LIMIT - options.count}."
        )


def _prepare(options: GalleryOptions, composer: Composer) -> None:
    """Refuse what can be refused before anything is written."""
    first = composer.state(options.seed, options.recipe)
    if options.loop_time is not None:
        loop.check_length(composer.pictures.resolution, options.loop_time)
    folder = made_folder(made_folder(options.out) / PICTURES)
    is_there = (folder / file_name(first)).exists()
    if is_there and not options.resume:
        raise UserError(
            f"{options.out} holds this gallery already, or a part of it.",
            "Add --resume to go on with it, or name another folder with --out.",
        )
    needed = options.count * (first.size**2 * 3 + 4096)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{options.count} pictures may take {needed >> 20} MB, and {folder} has {free >> 20} MB left.",
            "Free some space, make fewer, or choose another folder.",
        )
    for draft in folder.glob(".*.part"):
        draft.unlink(missing_ok=True)


def _rendered(options: GalleryOptions, composer: Composer) -> Iterator[Told]:
    seeds = range(options.seed, options.seed + options.count)
    whole = Job(options.model, options.device, seeds, options.recipe, options.out / PICTURES, options.resume)
    if min(options.jobs, options.count) <= 1:
        yield from render_job(whole, composer)
        return
    # Forking a process with torch's threads in it can hang; a new interpreter cannot.
    with ProcessPoolExecutor(min(options.jobs, options.count), get_context("spawn")) as pool:
        try:
            for told in pool.map(_render_piece, _pieces(whole)):
                yield from told
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


PIECE = 16
"""Pictures that a process makes at a time: few, so that progress shows and an interrupt ends soon."""


def _pieces(job: Job) -> list[Job]:
    starts = range(0, len(job.seeds), PIECE)
    return [replace(job, seeds=job.seeds[start : start + PIECE]) for start in starts]


_process_composer: dict[tuple[str, str], Composer] = {}


def _render_piece(job: Job) -> list[Told]:
    key = (job.model, job.device)
    if key not in _process_composer:
        _process_composer[key] = Composer.load(*key)
    with one_thread():
        return list(render_job(job, _process_composer[key]))


def render_job(job: Job, composer: Composer) -> Iterator[Told]:
    """Make a job's pictures one after another; memory does not grow with their number.

    Yields:
        Each picture's file name, and whether it was there already.

    Raises:
        UserError: The disk refused.
    """
    for seed in job.seeds:
        state = composer.state(seed, job.recipe)
        path = job.folder / file_name(state)
        is_kept = job.keep and _is_whole(path, state)
        if not is_kept:
            save_picture(path, composer.picture(state), state)
        yield path.name, is_kept


def _is_whole(path: Path, state: State) -> bool:
    """Whether a picture is there, of this very state, and can be decoded to its end."""
    if not path.exists():
        return False
    try:
        return read_state(path) == state and bool(read_picture(path).size)
    except UserError:
        return False


def _extras(options: GalleryOptions, composer: Composer, progress: Progress | None) -> dict[str, Path]:
    extras: dict[str, Path] = {}
    if options.with_sheets:
        extras["latents"] = sheet.write_latent_sheet(options.out / "latents.png", composer, progress)
        extras["directions"] = sheet.write_direction_sheet(
            options.out / "directions.png", composer, options.seed, options.recipe, progress
        )
    if options.loop_time is not None:
        made = loop.write_loop(
            options.out, composer, options.seed, options.recipe, options.loop_time, progress
        )
        extras |= made
    return extras


def restore(
    source: Path, *, out: Path | None = None, model: str | None = None, device: str = "auto"
) -> dict[str, Any]:
    """Make a picture again from the state inside it, and compare.

    Args:
        source: A PNG file of Antiphon's.
        out: Folder for the new picture; None writes nothing.
        model: Use this bundle instead of the one that made it.
        device: Where the model runs.

    Returns:
        ``count seconds model files page sheet identical largest_difference state``; ``page`` and ``sheet``
        are None.

    Raises:
        UserError: The file has no state, or the model is missing or another than it was.
    """
    started_s = time.monotonic()
    state = read_state(source)
    before = read_picture(source)
    with one_thread():
        composer = Composer.load(model or model_for(state.model), device)
        picture = composer.picture(state)
    is_same_size = before.shape == picture.shape
    difference = int(np.abs(before.astype(int) - picture).max()) if is_same_size else None
    files = []
    if out is not None:
        path = made_folder(out) / source.name
        if path.exists() and path.resolve() == source.resolve():
            raise UserError(f"{path} would replace the picture it is made from.", "Name another folder.")
        save_picture(path, picture, state)
        files.append(str(path))
    return {
        "count": 1,
        "seconds": round(time.monotonic() - started_s, 3),
        "model": composer.mark.title,
        "files": files,
        "page": None,
        "sheet": None,
        "identical": difference == 0,
        "largest_difference": difference,
        "made_on": state.device,
        "state": state.as_json(),
    }


def model_for(mark: ModelMark) -> str:
    """The name under which a picture's model is here.

    Raises:
        UserError: It is missing, or its weights are others than those that made the picture.
    """
    try:
        here = mark_of(mark.title)
    except UserError as fault:
        raise UserError(
            f"The picture was made by {mark.title}, which is not here.",
            "Install that bundle (antiphon models install FILE), or name another one before --from.",
        ) from fault
    if here.sha256 != mark.sha256:
        raise UserError(
            f"The picture was made by a {mark.title} with other weights (SHA-256 {mark.sha256[:10]}…, "
            f"here {here.sha256[:10]}…).",
            "Install the bundle that made it, or name this one before --from to use it all the same.",
        )
    return mark.title
