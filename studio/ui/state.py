"""What the window remembers from one start to the next, in one small file that a crash can't break."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio import settings

FILE_NAME = "window.json"

MIN_WIDTH_PX, MIN_HEIGHT_PX = 1024, 640
"""Logical size below which the window draws smaller instead of arranging less."""


class WindowState(BaseModel):
    """Everything that is remembered. Unknown keys of newer versions are passed over.

    Attributes:
        width: Of the window, display pixels.
        height: Of the window, display pixels.
        is_full_screen: It filled the display.
        screen: Where we were.
        scale: Display pixels a logical pixel; None asks the display.
        octave: Of the computer's keys.
        velocity: Of the computer's keys.
        plays_keys: The computer's keys play notes on the Play screen.
        is_welcomed: The first-start screen is done.
        choices: What screens remember by name: the last folder, a sort order.
    """

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    width: int = Field(default=1280, ge=320, le=16384)
    height: int = Field(default=800, ge=240, le=16384)
    is_full_screen: bool = False
    screen: str = "play"
    scale: float | None = Field(default=None, ge=0.5, le=4.0)
    octave: int = Field(default=4, ge=0, le=8)
    velocity: int = Field(default=88, ge=1, le=127)
    plays_keys: bool = True
    is_welcomed: bool = False
    choices: dict[str, str] = Field(default_factory=dict)


def state_path() -> Path:
    """The file in the user's folder."""
    return settings.home() / FILE_NAME


def load(path: Path) -> tuple[WindowState, str]:
    """What was remembered, and a sentence when the file was broken and has been set aside."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return WindowState(), ""
    except (OSError, UnicodeDecodeError) as fault:
        return WindowState(), _set_aside(path, str(fault))
    try:
        return WindowState.model_validate_json(text), ""
    except ValidationError as fault:
        return WindowState(), _set_aside(path, f"{fault.error_count()} faults")


def save(state: WindowState, path: Path) -> str:
    """Write it beside the old file and put it in its place; returns a sentence when that fails."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(state.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as fault:
        fresh.unlink(missing_ok=True)
        return f"The window's settings can't be written to {path}: {fault.strerror or fault}."
    return ""


def _set_aside(path: Path, why: str) -> str:
    """Keep a broken file for a person to look at."""
    broken = path.with_name(path.name + ".broken")
    try:
        path.replace(broken)
    except OSError:
        return f"The window's settings at {path} can't be read ({why}); the usual ones are used."
    return f"The window's settings were unreadable and are now in {broken}; the usual ones are used."
