"""What the window itself remembers from one start to the next; the instrument's settings are apart."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import Field

from midi.errors import UserError
from studio import jsonfile, settings

FILE_NAME = "window.json"

MIN_WIDTH_PX, MIN_HEIGHT_PX = 1024, 640
"""Logical size below which the window draws smaller instead of arranging less."""


class WindowState(jsonfile.Kept):
    """Everything that is remembered. Assignments are checked; keys of other versions are kept.

    Attributes:
        width: Of the window, display pixels.
        height: Of the window, display pixels.
        is_full_screen: It filled the display.
        screen: Where we were.
        scale: Display pixels a logical pixel; None asks the display.
        octave: Of the computer's keys; 4 begins with middle C.
        velocity: Of the computer's keys.
        plays_keys: The computer's keys play notes on the Play screen.
        is_welcomed: The first-start screen is done.
        choices: What screens remember by name: the last folder, a sort order.
    """

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
    """What was remembered, and a sentence when the file was broken and has been set aside. Never raises."""
    found, problem = jsonfile.read(path, WindowState)
    if problem:
        with suppress(UserError):
            problem += f" It was set aside as {jsonfile.set_aside(path).name}; what made sense of it is used."
    return found, problem


def save(state: WindowState, path: Path) -> None:
    """Write it, whole or not at all.

    Raises:
        UserError: It can't be written; the file before is still there.
    """
    settings.made_folder(path.parent)
    jsonfile.write(path, state)


class Keeper:
    """Writes the state when it has changed, but not all the time; a disk that refuses is told once.

    Args:
        state: What is kept.
        path: Where.
    """

    every_s = 5.0

    def __init__(self, state: WindowState, path: Path) -> None:
        self._state, self._path = state, path
        self._written = state.model_dump()
        self._looked_s = float("-inf")
        self._has_told = False

    def turn(self, now_s: float) -> UserError | None:
        """Write what has changed since the last look, every few seconds."""
        if now_s - self._looked_s < self.every_s:
            return None
        self._looked_s = now_s
        return self.write()

    def write(self) -> UserError | None:
        """Write what has changed; the fault that kept it from being written, once."""
        fresh = self._state.model_dump()
        if fresh == self._written:
            return None
        self._written = fresh
        try:
            save(self._state, self._path)
        except UserError as fault:
            was_told, self._has_told = self._has_told, True
            return None if was_told else fault
        return None
