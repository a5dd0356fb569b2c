"""Run folders: whose they are, what they were begun with, and which version comes out of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from midi.errors import UserError
from models.bundle import Bundle
from models.registry import list_bundles, user_folder
from models.training.contract import FitResult

SETTINGS = "settings.json"
DONE = "bundle"
"""Entry of the settings that holds the version of the bundle a run ended with."""


def run_folder(name: str) -> Path:
    """Where the user's training of a bundle keeps its corpus, checkpoints and log."""
    return user_folder().parent / "runs" / name


def next_bundle_folder(name: str) -> Path:
    """Where the user's next version of a bundle goes: 1.0.0, then the minor number rises."""
    versions = [info.version for info in list_bundles() if info.name == name]
    newest = max((tuple(int(x) for x in v.split("-")[0].split(".")) for v in versions), default=None)
    version = f"{newest[0]}.{newest[1] + 1}.0" if newest else "1.0.0"
    return user_folder() / name / version


def claim(run_dir: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
    """Refuse to go on with other settings than a run was begun with; put a finished run aside.

    Args:
        run_dir: Folder of the run; nothing is done if it has no settings yet.
        settings: JSON-able; what must not change when the run is resumed.
        resume: Whether going on is what is wanted.

    Raises:
        UserError: The folder holds another run, or one to be resumed.
    """
    begun = begun_with(run_dir)
    if begun is None:
        return
    if not resume and DONE in begun:
        _put_aside(run_dir, str(begun[DONE]))
        return
    if not resume:
        raise UserError(
            f"The folder {run_dir} already holds a run.", "Go on with it by --resume, or choose another name."
        )
    changed = [key for key, value in settings.items() if begun.get(key) != value]
    if changed:
        raise UserError(
            f"The run in {run_dir} was begun with {changed[0]} {begun.get(changed[0])}.",
            "Resume it with the same settings, or choose another name.",
        )


def begun_with(run_dir: Path) -> dict[str, Any] | None:
    """The settings a run was begun with; None where there is no run.

    Raises:
        UserError: They cannot be read.
    """
    path = run_dir / SETTINGS
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.", "Choose another name, or remove the folder."
        ) from error


def write_settings(run_dir: Path, settings: Mapping[str, Any]) -> None:
    """Note what a run was begun with.

    Raises:
        UserError: The disk refused.
    """
    path = run_dir / SETTINGS
    partial = path.with_suffix(".part")
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(settings, indent=2))
        partial.replace(path)
    except OSError as error:
        raise UserError(f"The folder {run_dir} cannot be written: {error.strerror}.") from error


def conclude(
    run_dir: Path, settings: Mapping[str, Any], name: str, fitted: FitResult, write: Callable[[Path], Bundle]
) -> Bundle:
    """Install what a run came to as the next version of its bundle, and note that it is done.

    Args:
        run_dir: Folder of the run.
        settings: What it was begun with.
        name: Of the bundle.
        fitted: How the training ended.
        write: Writes the bundle to a folder whose name is the version.

    Raises:
        UserError: The disk refused.
        KeyboardInterrupt: The training was interrupted; everything is saved, and nothing is installed.
    """
    if fitted.interrupted:
        raise KeyboardInterrupt
    bundle = write(next_bundle_folder(name))
    write_settings(run_dir, {**settings, DONE: bundle.manifest.version})
    return bundle


def _put_aside(run_dir: Path, version: str) -> None:
    """Rename the folder of a run whose bundle is installed, so that the next version can be trained."""
    names = [f"{run_dir.name}-{version}", *(f"{run_dir.name}-{version}-{i}" for i in range(2, 1000))]
    free = next(path for path in map(run_dir.with_name, names) if not path.exists())
    try:
        run_dir.rename(free)
    except OSError as error:
        raise UserError(
            f"The finished run in {run_dir} cannot be put aside: {error.strerror}.", "Choose another name."
        ) from error
