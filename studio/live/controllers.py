"""The file of what controllers steer; apart from ``learn`` because pydantic takes its time to load."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from midi.errors import UserError
from studio import jsonfile, settings
from studio.live.deskview import Learned

FILE_NAME = "controllers.json"

Controller = Annotated[int, Field(ge=0, le=127)]


class Controllers(jsonfile.Kept):
    """Device by name, then target, then its controller number."""

    devices: dict[str, dict[str, Controller]] = Field(default_factory=dict)


def controllers_file() -> Path:
    """Where they are."""
    return settings.home() / FILE_NAME


def load_controllers(path: Path | None = None) -> tuple[tuple[Learned, ...], str]:
    """What was learned, and one sentence about a broken file, which is set aside; never raises."""
    path = path or controllers_file()
    found, problem = jsonfile.read(path, Controllers)
    learned = tuple(
        Learned(device, controller, target)
        for device, targets in found.devices.items()
        for target, controller in targets.items()
    )
    if problem:
        with suppress(UserError):
            problem += f" It was set aside as {jsonfile.set_aside(path).name}."
    return learned, problem


def save_controllers(learned: Iterable[Learned], path: Path | None = None) -> None:
    """Write what was learned, whole or not at all.

    Raises:
        UserError: It can't be written; the file before is still there.
    """
    path = path or controllers_file()
    devices: dict[str, dict[str, int]] = {}
    for each in learned:
        devices.setdefault(each.device, {})[each.target] = each.controller
    settings.made_folder(path.parent)
    jsonfile.write(path, Controllers(devices=devices))
