"""What people say of a take: its name, its tags, whether it is a favorite."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from pydantic import Field

from studio import jsonfile

MAX_NAME = 120
MAX_TAG = 40

_TRY = re.compile(r", again from bar \d+(?: \(\d+\))?$")


class TakeWords(jsonfile.Kept):
    """What a person says of a take; ``take.json`` beside it.

    Attributes:
        name: What it is called; empty for its folder's name.
        tags: Words to find it by, without doubles.
        is_starred: Whether it is a favorite.
        sound_sha256: Digest of its sound as it was when it was verified last; empty before.
    """

    name: str = Field("", max_length=MAX_NAME)
    tags: tuple[str, ...] = ()
    is_starred: bool = False
    sound_sha256: str = Field("", max_length=64)


def spoken_name(text: str) -> str:
    """A name or tag as it is kept: one line, no control characters, composed, at most 120 characters."""
    plain = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} else c for c in text)
    return " ".join(unicodedata.normalize("NFC", plain).split())[:MAX_NAME].strip()


def spoken_tag(text: str) -> str:
    """A tag as it is kept: as a name, at most 40 characters."""
    return spoken_name(text)[:MAX_TAG].strip()


def again_name(name: str, bar: int, taken: Collection[str]) -> str:
    """What a try from a bar on is called: the first take's name and the bar, numbered where that is taken."""
    ending = f", again from bar {bar}"
    first = _TRY.sub("", name)
    number, tail = 1, ending
    while (called := first[: MAX_NAME - len(tail)].rstrip() + tail) in taken:
        number += 1
        tail = f"{ending} ({number})"
    return called


def file_name(name: str) -> str:
    """A name that every file system takes, at most 100 bytes; letters and signs of all languages stay."""
    safe = "".join("-" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in spoken_name(name))
    while len(safe.encode()) > 100:
        safe = safe[:-1]
    safe = safe.strip(" .")
    is_device = safe.split(".")[0].upper() in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    return f"take {safe}".strip() if is_device or not safe else safe


def merged_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Without doubles and empty ones, in the order in which they came."""
    kept: dict[str, str] = {}
    for tag in tags:
        if tag:
            kept.setdefault(tag.casefold(), tag)
    return tuple(kept.values())
