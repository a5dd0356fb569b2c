"""Where the user's data is: the one rule, for every layer. Nothing heavy is imported here."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP_NAME = "antiphon"


def home() -> Path:
    """The folder of the user's data: ``ANTIPHON_HOME`` where it is set, else the platform's."""
    chosen = os.environ.get("ANTIPHON_HOME", "").strip()
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))
