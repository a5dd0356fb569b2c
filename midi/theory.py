"""Pitch classes, keys, and chords named from sounding notes or read from labels.

Pitch classes are 0–11 with C = 0. Chord labels follow Harte, Sandler, Abdallah and Gómez, "Symbolic
Representation of Musical Chords" (ISMIR 2005), as POP909 does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midi.errors import UserError
from midi.note import DRUM_CHANNEL, NoteArray

_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_MIXED = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FLAT_TONICS = frozenset({5, 10, 3, 8, 1})
"""Tonics of the major keys written with flats: F, Bb, Eb, Ab, Db; a minor key takes its relative major's."""

BLACK_KEYS = frozenset({1, 3, 6, 8, 10})
"""Pitch classes of a piano's black keys."""

CONSONANT_INTERVALS = frozenset({0, 3, 4, 7, 8, 9})
"""Semitones modulo 12: unison, thirds, fifth, sixths; the fourth is not among them (StreamMUSE)."""

# Probe-tone profiles, Krumhansl and Kessler 1982, "Tracing the Dynamic Changes in Perceived Tonal
# Organization in a Spatial Representation of Musical Keys"; correlated as in Krumhansl 1990, chapter 4.
_MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def _normal(profile: tuple[float, ...]) -> list[NDArray[np.float64]]:
    """A profile at mean 0 and length 1 on each of the 12 tonics."""
    centered = np.array(profile) - np.mean(profile)
    return [np.roll(centered / np.linalg.norm(centered), tonic) for tonic in range(12)]


_KEY_PROFILES = np.array(_normal(_MAJOR_PROFILE) + _normal(_MINOR_PROFILE))
"""Major keys from C, then minor keys from C; ``[24, 12]``."""

_QUALITIES: dict[str, tuple[tuple[int, ...], str]] = {
    "maj": ((0, 4, 7), ""),
    "min": ((0, 3, 7), "m"),
    "7": ((0, 4, 7, 10), "7"),
    "maj7": ((0, 4, 7, 11), "maj7"),
    "min7": ((0, 3, 7, 10), "m7"),
    "sus4": ((0, 5, 7), "sus4"),
    "sus2": ((0, 2, 7), "sus2"),
    "dim": ((0, 3, 6), "dim"),
    "hdim7": ((0, 3, 6, 10), "m7b5"),
    "dim7": ((0, 3, 6, 9), "dim7"),
    "aug": ((0, 4, 8), "aug"),
    "minmaj7": ((0, 3, 7, 11), "m(maj7)"),
    "sus4(b7)": ((0, 5, 7, 10), "7sus4"),
    "maj6": ((0, 4, 7, 9), "6"),
    "min6": ((0, 3, 7, 9), "m6"),
    "maj(9)": ((0, 2, 4, 7), "add9"),
    "min(9)": ((0, 2, 3, 7), "m(add9)"),
    "9": ((0, 2, 4, 7, 10), "9"),
    "maj9": ((0, 2, 4, 7, 11), "maj9"),
    "min9": ((0, 2, 3, 7, 10), "m9"),
}
"""Harte shorthand to intervals and suffix; where two names fit equally well, the earlier one wins."""

_LABEL = re.compile(r"([A-G])([#b]*)(?::([a-z0-9]*)(?:\(([^()]*)\))?)?(?:/([#b]*\d+))?")
_DEGREE = re.compile(r"(\*?)([#b]*)(\d+)")
_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True, slots=True)
class Key:
    """A key: pitch class of its tonic and mode."""

    tonic: int
    is_minor: bool = False

    @property
    def relative_major(self) -> int:
        """Tonic (0–11) of the major key with the same notes: its own tonic, or a third above a minor one."""
        return (self.tonic + 3) % 12 if self.is_minor else self.tonic

    def __str__(self) -> str:
        return f"{pitch_class_name(self.tonic, self)} {'minor' if self.is_minor else 'major'}"


@dataclass(frozen=True, slots=True)
class ChordName:
    """A named chord: pitch classes of root and bass, and a quality in Harte's shorthand."""

    root: int
    quality: str
    bass: int

    def text(self, key: Key | None = None) -> str:
        """The usual lead-sheet symbol, spelt for ``key``: ``Bbm7``, ``C/E``."""
        over = "" if self.bass == self.root else "/" + pitch_class_name(self.bass, key)
        return pitch_class_name(self.root, key) + _QUALITIES[self.quality][1] + over

    def pitch_classes(self) -> frozenset[int]:
        """All its tones, the bass among them."""
        return chord_tones(self.root, self.quality) | {self.bass}


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord from a label; without root and bass, and empty, where no chord sounds (``N``)."""

    root: int | None
    pitch_classes: frozenset[int]
    bass: int | None


def pitch_class_name(pitch: int, key: Key | None = None) -> str:
    """Name of a pitch or pitch class, with the accidentals of ``key``; without one the commonest spelling."""
    if key is None:
        return _MIXED[pitch % 12]
    return (_FLATS if key.relative_major in _FLAT_TONICS else _SHARPS)[pitch % 12]


def pitch_class_set(pitches: Iterable[int]) -> frozenset[int]:
    """The pitch classes that occur."""
    return frozenset(pitch % 12 for pitch in pitches)


def is_consonant(a: int, b: int) -> bool:
    """Whether two pitches (0–127, any order) sound a unison, third, fifth or sixth, give or take octaves."""
    return abs(a - b) % 12 in CONSONANT_INTERVALS


def chord_tones(root: int, quality: str) -> frozenset[int]:
    """Pitch classes of a chord quality in Harte's shorthand (``maj``, ``min7``, ``sus4(b7)`` …) on a root.

    Raises:
        KeyError: The quality is unknown.
    """
    return frozenset((root + interval) % 12 for interval in _QUALITIES[quality][0])


def chord_name(pitches: Iterable[int]) -> ChordName | None:
    """Name the chord that sounding pitches (0–127) form; None where no template fits.

    Tried in this order, each over all roots with the bass as root first: all tones of a template; a seventh
    chord without its fifth; a triad or seventh chord over a bass that is no chord tone. Symmetric and
    ambiguous chords (augmented, diminished seventh, C6 = Am7) are named after their bass where it can be the
    root.
    """
    sounding = sorted(pitches)
    if not sounding:
        return None
    bass = sounding[0] % 12
    tones = pitch_class_set(sounding)
    for wanted, fifthless in ((tones, False), (tones, True), (tones - {bass}, False)):
        found = _match(wanted, bass, fifthless)
        if found:
            return ChordName(*found, bass)
    return None


def _match(tones: frozenset[int], bass: int, fifthless: bool) -> tuple[int, str] | None:
    """Root and quality of the first template that has exactly these tones."""
    if len(tones) < 3:
        return None
    roots = [bass, *sorted(tones - {bass})]
    candidates = [(root, quality) for quality in _QUALITIES for root in roots]
    candidates.sort(key=lambda candidate: candidate[0] != bass)
    for root, quality in candidates:
        template = chord_tones(root, quality)
        if fifthless:
            fifth = frozenset({(root + 7) % 12})
            if len(template) < 4 or not fifth <= template:
                continue
            template -= fifth
        if template == tones:
            return root, quality
    return None


def estimate_key(notes: NoteArray) -> Key | None:
    """The key whose probe-tone profile correlates best with the notes, weighted by duration.

    Drums are left out. None where nothing pitched sounds or all pitch classes sound equally long.
    """
    pitched = notes.channel != DRUM_CHANNEL
    return estimate_keys(
        np.bincount(notes.pitch[pitched] % 12, weights=notes.duration_ticks[pitched], minlength=12)[None]
    )[0]


def estimate_keys(weights: ArrayLike) -> list[Key | None]:
    """The key of each row of pitch class weights ``[pieces, 12]``, as :func:`estimate_key` finds it."""
    table = np.asarray(weights, dtype=np.float64)
    # The weights' own spread scales all correlations alike, so the best one is found without it.
    best = np.argmax((table - table.mean(axis=1, keepdims=True)) @ _KEY_PROFILES.T, axis=1)
    is_flat = np.ptp(table, axis=1) == 0
    return [None if f else Key(int(i) % 12, int(i) >= 12) for i, f in zip(best, is_flat, strict=True)]


def parse_chord(label: str) -> Chord:
    """Read a chord label such as ``C#:maj7/5``, ``Bb:min``, ``G:sus4(b7)`` or ``N``.

    The bass is counted among the pitch classes. A degree in brackets adds a tone, one with a star takes it
    away. ``X`` (unknown) reads as ``N``.

    Raises:
        UserError: It is no such label.
    """
    text = label.strip()
    if text in {"N", "X"}:
        return Chord(None, frozenset(), None)
    match = _LABEL.fullmatch(text)
    quality = (match[3] or "maj") if match else ""
    if match and match[4] and match[3] == "":
        quality = "1"
    if not match or quality not in {*_QUALITIES, "1", "5"}:
        raise UserError(f"{label!r} is not a chord label.", "Labels look like C:maj, F#:min7/b3 or N.")
    root = _accidental(_NATURALS[match[1]], match[2]) % 12
    intervals = set({"1": (0,), "5": (0, 7)}.get(quality) or _QUALITIES[quality][0])
    for omitted, accidentals, degree in _DEGREE.findall(match[4] or ""):
        interval = _degree(int(degree), accidentals)
        intervals = intervals - {interval} if omitted else intervals | {interval}
    bass = 0
    if match[5]:
        degree = match[5].lstrip("#b")
        bass = _degree(int(degree), match[5][: -len(degree)])
    tones = frozenset((root + interval) % 12 for interval in intervals | {bass})
    return Chord(root, tones, (root + bass) % 12)


def _accidental(value: int, signs: str) -> int:
    return value + signs.count("#") - signs.count("b")


def _degree(degree: int, signs: str) -> int:
    """Semitones above the root, 0–11, of a degree of the major scale, counted from 1."""
    return _accidental(_MAJOR_SCALE[(degree - 1) % 7], signs) % 12
