"""Instrument classes: the sixteen sounds that event rows know, and the drum keys among them."""

from __future__ import annotations

from collections.abc import Iterable

N_INSTRUMENTS = 16
DRUMS = N_INSTRUMENTS - 1
DRUM_LOW, DRUM_HIGH = 35, 81
"""General MIDI percussion keys; others are mapped to their nearest relative or left out."""

INSTRUMENT_NAMES = (
    "piano", "mallets", "organ", "guitar", "bass", "strings", "choir", "brass",
    "reed", "pipe", "lead", "pad", "effects", "ethnic", "percussive", "drums",
)  # fmt: skip
"""Instrument classes: the General MIDI families, but string ensembles with the strings, the two families
of effects as one, and drums last."""

PIANO = INSTRUMENT_NAMES.index("piano")

CLASS_PROGRAMS = (0, 11, 16, 25, 33, 48, 52, 61, 66, 73, 80, 89, 98, 104, 114, 0)
"""General MIDI program that plays each class, and belongs to it."""

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("piano", "mallets", "organ"),
    ("guitar",),
    ("bass",),
    ("strings", "choir"),
    ("pad", "effects"),
    ("brass", "reed", "pipe", "lead", "ethnic", "percussive"),
    ("drums",),
)
"""Instrument classes that do the same work in a band, one bit of :func:`parts_mask` each, lowest first.
Seven fit the pitch column; what a model has hardly met (an organ) counts as the part that it replaces."""

_FAMILY_BITS = {INSTRUMENT_NAMES.index(name): 1 << i for i, names in enumerate(FAMILIES) for name in names}

_STRING_ENSEMBLES = range(48, 52)

# Keys that electronic kits send beside General MIDI (Roland TD series), as their nearest GM keys.
_DRUM_ALIASES = {22: 42, 26: 46, 58: 43, 24: 38, 28: 42, 31: 37, 32: 37, 33: 37, 34: 56, 29: 39, 30: 39}


def instrument_class(program: int, *, is_drum: bool = False) -> int:
    """Instrument class 0–15 of a General MIDI program."""
    if is_drum:
        return DRUMS
    if program in _STRING_ENSEMBLES:
        return INSTRUMENT_NAMES.index("strings")
    family = program // 8
    return 12 if family == 15 else family


def parts_mask(instruments: Iterable[int]) -> int:
    """Which families some instrument classes belong to, 0–127: a bit for each of :data:`FAMILIES`."""
    mask = 0
    for instrument in instruments:
        mask |= _FAMILY_BITS[int(instrument)]
    return mask


def drum_pitch(pitch: int) -> int | None:
    """The General MIDI percussion key for a drum note, or None when it has no relative."""
    mapped = _DRUM_ALIASES.get(pitch, pitch)
    return mapped if DRUM_LOW <= mapped <= DRUM_HIGH else None
