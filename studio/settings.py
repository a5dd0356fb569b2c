"""Where things are kept, and the few numbers that the programs share."""

from __future__ import annotations

import json
import os
from pathlib import Path

from midi.errors import UserError
from models.home import home

__all__ = [
    "NO_DEVICE", "SAMPLE_RATE_HZ", "SETTINGS_NAME", "cache_folder", "chosen_folder", "exports_folder", "home",
    "is_none", "made_folder", "takes_folder", "usable_folder", "with_tilde",
]  # fmt: skip

SETTINGS_NAME = "settings.json"
"""File of the user's folder with what was chosen (:mod:`studio.appsettings`)."""

SAMPLE_RATE_HZ = 48_000
"""Rate of everything that Antiphon renders: what MIDI musicians' interfaces run at."""

NO_DEVICE = "none"
"""Name of the sound device that is none: silence that was asked for."""


def is_none(device: str) -> bool:
    """Whether a sound device's name asks for silence."""
    return device.strip().casefold() == NO_DEVICE


def takes_folder() -> Path:
    """Where recorded performances go unless a folder is named: as the settings say, else the user's folder.

    The one rule for the desk, the library and the command line; only this key of the settings is looked at.
    """
    try:
        chosen = json.loads((home() / SETTINGS_NAME).read_text(encoding="utf-8")).get("takes_folder")
    except (OSError, ValueError, AttributeError, RecursionError):
        chosen = None
    return chosen_folder(chosen if isinstance(chosen, str) else None) or home() / "takes"


def chosen_folder(words: str | None) -> Path | None:
    """The folder that a setting names, ``~`` expanded; None for none, and for what is no whole path."""
    try:
        folder = Path((words or "").strip()).expanduser()
    except (RuntimeError, ValueError):
        return None
    return folder if folder.is_absolute() and "\0" not in str(folder) else None


def usable_folder(words: str) -> Path:
    """A folder that may be written to, made where it is missing.

    Raises:
        UserError: It is no whole path, can't be made, or can't be written to.
    """
    folder = chosen_folder(words)
    if folder is None:
        raise UserError(
            f"'{words[:80]}' is no whole path of a folder.", "Begin with / or with ~ for your home."
        )
    if not os.access(made_folder(folder), os.W_OK | os.X_OK):
        raise UserError(
            f"The folder {folder} can't be written to.", "Choose another, or mend its permissions."
        )
    return folder


def with_tilde(path: Path) -> str:
    """A path for the eye, the home folder as ``~``."""
    try:
        inside = path.relative_to(Path.home())
    except (ValueError, RuntimeError):
        return str(path)
    return str(Path("~") / inside)


def exports_folder() -> Path:
    """Where the window puts the files that it makes of takes."""
    return home() / "exports"


def cache_folder() -> Path:
    """Measurements that can be made again at any time; deleting it costs only time."""
    return home() / "cache"


def made_folder(folder: Path) -> Path:
    """``folder``, created with its parents.

    Raises:
        UserError: It can't be created, or something that is no folder stands there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise UserError(
            f"The folder {folder} can't be created: {fault.strerror or fault}.",
            "Name another folder, or set ANTIPHON_HOME to one that you may write to.",
        ) from fault
    return folder
