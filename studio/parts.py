"""Parts as a person names them (``piano,bass,drums``), and whether a model was taught them."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path

from midi.errors import UserError
from midi.instruments import INSTRUMENT_NAMES, N_INSTRUMENTS
from models.sequence.parts import BAND_PARTS, in_words, part_names, told_parts
from studio.partners import find_partner

ALL = "all"
"""Stands for every part that the model was taught."""


def chosen_parts(text: str | None, model: str | None) -> tuple[int, ...] | None:
    """Instrument classes of the parts that were asked for, ascending; None where nothing was.

    Args:
        text: Names with commas between them, or ``all``.
        model: Bundle name or folder; None is the current partner, ``none`` the rules, which play anything and
            for which ``all`` is a band.

    Raises:
        UserError: There is no such part or bundle, or the bundle was not taught the part.
    """
    if text is None:
        return None
    is_all = text.strip().casefold() == ALL
    wanted = () if is_all else parse_parts(text)
    folder = find_partner(model)
    if folder is None:
        return tuple(sorted(BAND_PARTS)) if is_all else wanted
    name, taught = _taught(folder)
    if is_all:
        return taught
    unknown = [part for part in wanted if part not in taught]
    if unknown:
        raise UserError(f"{name} was not taught {in_words(unknown)}.", _hint(taught, wanted))
    return wanted


def parse_parts(text: str) -> tuple[int, ...]:
    """Instrument classes of names with commas between them, ascending, each once.

    Raises:
        UserError: A name is wrong, or there is none.
    """
    names = [name.strip().casefold() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in INSTRUMENT_NAMES:
            close = difflib.get_close_matches(name, INSTRUMENT_NAMES, n=1)
            mean = f"Did you mean {close[0]}? " if close else ""
            raise UserError(f"There is no part '{name[:40]}'.", f"{mean}{_known_names()}")
    if not names:
        raise UserError("No part is named.", f"For example piano,bass,drums. {_known_names()}")
    return tuple(sorted({INSTRUMENT_NAMES.index(name) for name in names}))


def _known_names() -> str:
    return f"Parts are {', '.join(part_names(range(N_INSTRUMENTS)))}, or {ALL}."


def whole_band(model: str | None) -> tuple[int, ...] | None:
    """Every part of a model that is told its parts, so that it is heard as what it is; None for others.

    Raises:
        UserError: There is no such bundle.
    """
    folder = find_partner(model)
    if folder is None:
        return None
    from models.bundle import read_manifest  # noqa: PLC0415 - loads torch

    manifest = read_manifest(folder)
    is_band = bool(manifest.config.get("tells_parts"))
    return told_parts(manifest.instruments, manifest.config) if is_band else None


def who_plays(parts: Collection[int]) -> str:
    """Name of a bundle that was taught all of some parts; empty where there is none."""
    from models import registry  # noqa: PLC0415 - loads torch
    from models.bundle import read_manifest  # noqa: PLC0415
    from models.sequence.loading import ARCHITECTURE  # noqa: PLC0415

    for each in registry.list_bundles():
        if each.is_current and not each.problem:
            manifest = read_manifest(each.path)
            taught = told_parts(manifest.instruments, manifest.config)
            if manifest.architecture == ARCHITECTURE and set(parts) <= set(taught):
                return each.name
    return ""


def _taught(folder: Path) -> tuple[str, tuple[int, ...]]:
    """Name of a bundle, and what it was taught.

    A bundle that is no partner is refused when it is loaded, in better words.
    """
    from models.bundle import read_manifest  # noqa: PLC0415 - loads torch
    from models.sequence.loading import ARCHITECTURE  # noqa: PLC0415

    manifest = read_manifest(folder)
    if manifest.architecture != ARCHITECTURE:
        return manifest.name, tuple(range(N_INSTRUMENTS))
    return manifest.name, told_parts(manifest.instruments, manifest.config)


def _hint(taught: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What the bundle knows, and which one knows what was asked for."""
    other = who_plays(wanted)
    knows = f"It knows {in_words(taught)}"
    return f"{knows}; {other} knows what you ask for: --model {other}." if other else f"{knows}."
