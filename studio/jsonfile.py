"""Small JSON files of the user's own words and choices: never half written, never thrown away.

Keys that this version doesn't know are kept when a file is written again. What can't be understood is set
aside under another name, where a person can look at it, and the rest goes on with defaults.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from midi.errors import UserError
from midi.files import write_bytes

MAX_BYTES = 1_000_000
"""A file of words and choices is never larger; one that is belongs to something else."""


class Kept(BaseModel):
    """What such a file holds: every key has a default, and unknown keys are carried along."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)


K = TypeVar("K", bound=Kept)


def read(path: Path, kind: type[K]) -> tuple[K, str]:
    """What a file says, and what is wrong with it. Never raises, changes nothing.

    Keys with an impossible value are left at their defaults; a file that is no JSON object gives only
    defaults.

    Returns:
        The values, and one sentence: empty when all is well or there is no such file.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            return kind(), f"{path} is too large to be what its name says."
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return kind(), ""
    except OSError as fault:
        return kind(), f"{path} can't be read: {fault.strerror or fault}."
    except (ValueError, RecursionError):
        return kind(), f"{path} is damaged."
    if not isinstance(found, dict):
        return kind(), f"{path} is damaged."
    return _usable(found, path, kind)


def _usable(found: dict[str, Any], path: Path, kind: type[K]) -> tuple[K, str]:
    try:
        return kind.model_validate(found), ""
    except ValidationError as fault:
        wrong = sorted({str(error["loc"][0]) for error in fault.errors() if error["loc"]})
    rest = {key: value for key, value in found.items() if key not in wrong}
    return kind.model_validate(rest), f"{path} has values that make no sense ({', '.join(wrong)[:100]})."


def write(path: Path, values: Kept) -> None:
    """Put values into a file in one step; a file there that can't be understood is set aside first.

    Raises:
        UserError: It can't be written; what was there is still there.
    """
    if read(path, type(values))[1] and path.is_file():
        set_aside(path)
    text = json.dumps(values.model_dump(mode="json"), indent=2, ensure_ascii=False)
    # A lone half of a surrogate pair, as file names may hold, has no UTF-8.
    write_bytes(path, (text + "\n").encode("utf-8", "replace"))


def set_aside(path: Path) -> Path:
    """Rename a file to ``<name>.broken-<date>``, beside it, and say where.

    Raises:
        UserError: It can't be renamed.
    """
    stem = f"{path.name}.broken-{datetime.now():%Y-%m-%d}"
    number, target = 1, path.with_name(stem)
    while target.exists():
        number += 1
        target = path.with_name(f"{stem}_{number}")
    try:
        path.rename(target)
    except OSError as fault:
        raise UserError(
            f"{path} is damaged, and it can't be set aside: {fault.strerror or fault}.",
            "Check the folder's permissions.",
        ) from fault
    return target
