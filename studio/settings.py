"""Where things are kept, and the few numbers that the programs share."""

from __future__ import annotations

from pathlib import Path

from midi.errors import UserError
from models.home import home

__all__ = ["SAMPLE_RATE_HZ", "cache_folder", "exports_folder", "home", "made_folder", "takes_folder"]

SAMPLE_RATE_HZ = 48_000
"""Rate of everything that Antiphon renders: what MIDI musicians' interfaces run at."""


def takes_folder() -> Path:
    """Where recorded performances go unless a folder is named."""
    return home() / "takes"


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
