"""Letters on the piano: which of the computer's keys plays which pitch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from studio.ui.typingkeys import HIGH_ROW, LOW_ROW

_A, _ONE = 4, 30
"""Scan codes (USB HID usage numbers) of the letter A and the digit 1; the others follow in order, 0 last."""

_SIGNS = {51: ";", 54: ",", 55: ".", 56: "/"}


def key_name(scancode: int) -> str:
    """What is printed on a key at this place of an American keyboard; empty for no playing key."""
    if _A <= scancode < _A + 26:
        return chr(ord("A") + scancode - _A)
    if _ONE <= scancode < _ONE + 10:
        return str((scancode - _ONE + 1) % 10)
    return _SIGNS.get(scancode, "")


@cache
def key_letters(octave: int) -> Mapping[int, str]:
    """Letters by the pitch that they play while the lower row begins at an octave (4: middle C).

    Pitches that both rows play carry the letter of the upper row.
    """
    base = 12 * (octave + 1)
    rows = {**_names(LOW_ROW), **_names(HIGH_ROW)}
    return {base + step: name for step, name in rows.items() if base + step <= 127}


def _names(row: dict[int, int]) -> dict[int, str]:
    return {step: key_name(scancode) for scancode, step in row.items()}
