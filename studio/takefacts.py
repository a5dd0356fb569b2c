"""What the list of takes says of one: read from its file, and plain enough to be kept as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from midi.errors import UserError
from midi.note import PPQ, TimeSignature
from studio.live.messages import Voice
from studio.live.take import TAKE_NAME, Take, TakeHeader, load_take


@dataclass(frozen=True, slots=True)
class TakeInfo:
    """One line of the list of takes.

    Attributes:
        id: How functions and commands call it: its place below the takes folder.
        path: The take's file.
        name: What people call it.
        created: Date and time, ISO 8601, local time.
        length_s: From the first beat to the last sound.
        player_notes: Notes of the player.
        partner_notes: Notes of the partner.
        model: Name and version of the partner's bundle; empty for none.
        mode: Mode at the start.
        seed: Seed of the performance.
        bpm: Tempo at the start; 0 for a damaged take.
        metre: Numerator and denominator.
        bars: Bars that it lasts.
        tags: Words to find it by.
        is_starred: Whether it is a favorite.
        is_torn: Whether the end was lost, as after a power cut.
        problem: Why it can't be used, one sentence; empty for all others.
        is_read: Whether the file was looked into; see ``Library.takes``.
        parent: The take of which the partner tried again; empty for an own performance.
        from_bar: Bar from which it tried again; 0 for an own performance.
    """

    id: str
    path: Path
    name: str
    created: str = ""
    length_s: float = 0.0
    player_notes: int = 0
    partner_notes: int = 0
    model: str = ""
    mode: str = ""
    seed: int = 0
    bpm: float = 0.0
    metre: tuple[int, int] = (4, 4)
    bars: int = 0
    tags: tuple[str, ...] = ()
    is_starred: bool = False
    is_torn: bool = False
    problem: str = ""
    is_read: bool = True
    parent: str = ""
    from_bar: int = 0

    def as_json(self) -> dict[str, Any]:
        """The values as plain data."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "path": str(self.path),
            "metre": list(self.metre),
            "tags": list(self.tags),
        }


def facts_of(path: Path) -> dict[str, Any]:
    """The facts of a take's file; those of a damaged one have a ``problem``. Never raises.

    Returns:
        Fields of ``TakeInfo``; only ``is_foreign`` for a file that is no take and is not named like one.
    """
    try:
        return _facts(load_take(path))
    except UserError as fault:
        header = _first_line(path)
        if path.name != TAKE_NAME and header is None:
            return {"is_foreign": True}
        return (header or {}) | {"problem": fault.message}


def bar_ticks(header: TakeHeader) -> float:
    """Length of a bar in ticks of 480 a quarter."""
    return TimeSignature(0, *header.metre).bar_beats() * PPQ


def file_time(path: Path) -> str:
    """When a file was changed last, ISO 8601 in local time; empty where that can't be told."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime).isoformat(timespec="seconds")
    except (OSError, ValueError, OverflowError):
        return ""


def _facts(take: Take) -> dict[str, Any]:
    ons = [sound.voice for sound in take.sounds if sound.kind == "on"]
    header, length_s = take.header, take.duration_s()
    ticks = float(take.tempo_map().ticks(length_s))
    return {
        "created": header.created,
        "length_s": round(length_s, 3),
        "player_notes": ons.count(Voice.PLAYER),
        "partner_notes": ons.count(Voice.PARTNER),
        "model": header.model,
        "mode": header.mode,
        "seed": header.seed,
        "bpm": header.bpm,
        "metre": list(header.metre),
        "bars": max(1, math.ceil(ticks / bar_ticks(header) - 1e-6)) if ons else 0,
        "is_torn": take.is_torn,
        "parent": header.parent,
        "from_bar": header.from_bar,
    }


def _first_line(path: Path) -> dict[str, Any] | None:
    """What can be told of a damaged take from its first line; None where that is no header."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(10_000))
        if header["kind"] != "take":
            return None
        texts = {name: str(header.get(name, "")) for name in ("created", "model", "mode")}
        return texts | {"bpm": float(header.get("bpm", 0.0))}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
