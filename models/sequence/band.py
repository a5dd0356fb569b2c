"""Band arrangements of songs that have a melody and a piano: bass, pad and drums are made for them.

POP909 tells what a pianist plays to a melody, and nothing of a band. Its piano holds a bass line, its chord
annotation what a pad would hold, and the Groove set has drummers of the same tempo. So a song becomes a score
of which a partner can learn any choice of parts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midi.bars import BarGrid
from midi.corpus import GRID_NOTE, CorpusPart, GridNotes, guess_lead, split_of
from midi.errors import UserError
from midi.events import DRUMS, GRID_PER_BEAT, INSTRUMENT_NAMES, PIANO, drum_pitch
from midi.files import read
from midi.intake import Intake
from models.sequence.harmony import ChordSpan, read_chords

BASS, PAD = (INSTRUMENT_NAMES.index(name) for name in ("bass", "pad"))

BASS_LOW, BASS_HIGH = 28, 50
"""Range of the bass: from a bass guitar's open E1 to D3."""

LEFT_HAND_TOP = 55
"""Highest pitch of the piano that may be its bass."""

BASS_REACH = 4
"""Semitones above the lowest note of a half bar up to which its other low notes are bass too; what lies
higher (the fifth and octave of a broken chord) belongs to the left hand."""

BASS_HOME = 38.0
PAD_HOME = 61.0
PAD_LOWEST = range(48, 66)
PAD_LOUDNESS = 0.7
"""A pad's velocity as a share of the piano's."""

HALF_BEAT, HALF_BAR, BAR = GRID_PER_BEAT // 2, 2 * GRID_PER_BEAT, 4 * GRID_PER_BEAT
DRUM_TICKS = 3
"""Length given to every drum note: a hit has none, so none should be learned."""

PEDAL = 44
FAINTEST = 16
"""The hi-hat's pedal and hits softer than this are left out: a fifth of all, hardly heard among a band, and
every one of them costs a row of the context and a step of the model."""

STYLES = frozenset({"rock", "pop", "funk", "soul", "hiphop", "dance", "punk", "country"})
"""Styles of Groove in straight time; swung and Latin ones would fight a pop piano."""

MIN_BARS = 4
NEAR_TEMPO = 0.12
"""Largest difference of tempo, as a logarithm, at which a performance counts as near."""

MIN_CHOICE = 6
"""Performances to choose from where fewer are near."""

GROOVE_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class Performance:
    """A drum performance of the Groove set."""

    file: Path
    bpm: float
    split: str


class Drummer:
    """Finds a performance for a song and plays it there.

    Args:
        folder: The Groove set, with its ``info.csv``.

    Raises:
        UserError: The folder holds no such set.
    """

    def __init__(self, folder: Path) -> None:
        index = folder / "info.csv"
        try:
            with index.open(encoding="utf-8", newline="") as file:
                self._performances = [_performance(folder, row) for row in csv.DictReader(file) if _fits(row)]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{index} can't be read as the index of the Groove set.", "Name the folder that holds it."
            ) from error

    @property
    def performances(self) -> tuple[Performance, ...]:
        """Those in straight four-four time that are long enough."""
        return tuple(self._performances)

    def pick(self, digest: str, split: str, bpm: float) -> Performance:
        """A performance of near tempo for a song of a split, always the same for the same song.

        Performances of the set's own training split are for training songs only.

        Raises:
            UserError: The set has none of that split.
        """
        own = [p for p in self._performances if p.split == GROOVE_SPLITS[split]]
        if not own:
            raise UserError(f"The Groove set has no {GROOVE_SPLITS[split]} performances in four-four time.")
        own.sort(key=lambda p: (abs(np.log(p.bpm / bpm)), p.file))
        near = sum(abs(np.log(p.bpm / bpm)) <= NEAR_TEMPO for p in own)
        choice = own[: max(near, MIN_CHOICE)]
        return choice[int(digest[8:16], 16) % len(choice)]

    def play(self, performance: Performance, lines: Sequence[tuple[int, int]]) -> GridNotes:
        """The performance over bar lines ``(tick, bar_ticks)``, over and over, each bar cut at its length.

        A hit just before a bar line stays there, at the end of the bar before.
        """
        bars = _groove_bars(performance.file)
        pieces = []
        for number, (tick, length) in enumerate(lines):
            bar = bars[number % len(bars)]
            bar = bar[bar["onset_ticks"] < length].copy()
            bar["onset_ticks"] += tick
            pieces.append(bar)
        return np.concatenate([*pieces, np.zeros(0, dtype=GRID_NOTE)])


def _fits(row: dict[str, str]) -> bool:
    is_beat = row["beat_type"] == "beat" and row["time_signature"] == "4-4"
    bars = float(row["duration"]) * float(row["bpm"]) / 240
    return is_beat and row["style"].split("/")[0] in STYLES and bars >= MIN_BARS


def _performance(folder: Path, row: dict[str, str]) -> Performance:
    return Performance(folder / row["midi_filename"], float(row["bpm"]), row["split"])


def groove_hits(file: Path) -> list[tuple[float, int, int]]:
    """The hits of a performance that are kept: grid ticks with their fractions, key and velocity.

    Raises:
        UserError: The file can't be read.
    """
    score = read(file)
    return [
        (n.onset_ticks * GRID_PER_BEAT / score.ppq, key, n.velocity)
        for part in score.parts
        for n in part.notes
        if (key := drum_pitch(n.pitch)) not in {None, PEDAL} and n.velocity >= FAINTEST
    ]


@lru_cache(maxsize=512)
def _groove_bars(file: Path) -> tuple[GridNotes, ...]:
    """The whole bars of a performance, each with its onsets counted from its bar line.

    Raises:
        UserError: The file can't be read, or holds less than a bar.
    """
    rows = [(round(tick), DRUM_TICKS, key, velocity, 0) for tick, key, velocity in groove_hits(file)]
    notes: GridNotes = np.array(sorted(rows), dtype=GRID_NOTE)
    # A performance that stops in the last beat of a bar has played that bar.
    n_bars = (int(notes["onset_ticks"].max(initial=0)) + GRID_PER_BEAT) // BAR
    if n_bars == 0:
        raise UserError(f"{file.name} holds less than a bar of drums.")
    bar = notes["onset_ticks"] // BAR
    notes["onset_ticks"] %= BAR
    return tuple(notes[bar == number] for number in range(n_bars))


class Arranger:
    """Makes band arrangements; an ``arrange`` for :func:`midi.corpus.build_corpus`.

    A song without a piano beside its melody gets no bass, one without chord annotation no pad, one that is
    mostly not in four-four time no drums. Drums begin at the first bar line: upbeats are played without.

    Args:
        grooves: Folder of the Groove set.

    Raises:
        UserError: The folder holds no such set.
    """

    def __init__(self, grooves: Path) -> None:
        self._drummer = Drummer(grooves)

    def __call__(self, path: Path, song: Intake, digest: str) -> Intake:
        """The song with the parts made for it behind its own; its bars, and its own notes, are kept.

        Args:
            path: Its file; annotations are looked for beside it.
            song: Its notes on the grid.
            digest: Chooses the drums, and by its split from which of them.
        """
        lead = guess_lead(song.parts)
        pianos = [i for i, p in enumerate(song.parts) if i != lead and p.instrument == PIANO]
        named = [i for i in pianos if "piano" in song.parts[i].name.lower()] or pianos
        made: list[tuple[str, int, GridNotes]] = []
        if named:
            piano = song.notes[song.notes["part"] == max(named, key=lambda i: song.parts[i].notes)]
            chords = read_chords(path, 0, int(song.notes["onset_ticks"].max()) + 1)
            made = [("BASS", BASS, bass_line(piano, song.grid)), ("PAD", PAD, pad_chords(chords, piano))]
        made.append(("DRUMS", DRUMS, self._drums(song, digest)))
        return _joined(song, [part for part in made if len(part[2])])

    def _drums(self, song: Intake, digest: str) -> GridNotes:
        onsets = song.notes["onset_ticks"]
        lines = song.grid.lines(int(onsets.min()), int(onsets.max()) + 1)
        if sum(length == BAR for _, length in lines) * 2 <= len(lines):
            return np.zeros(0, dtype=GRID_NOTE)
        return self._drummer.play(self._drummer.pick(digest, split_of(digest), song.bpm), lines)


def _joined(song: Intake, made: list[tuple[str, int, GridNotes]]) -> Intake:
    parts, pieces = list(song.parts), [song.notes]
    for name, instrument, notes in made:
        own = notes.copy()
        own["part"] = len(parts)
        parts.append(CorpusPart(name, instrument, len(own), round(float(own["pitch"].mean()), 2)))
        pieces.append(own)
    table = np.concatenate(pieces)
    order = np.lexsort((table["part"], table["pitch"], table["onset_ticks"]))
    return replace(song, notes=table[order], parts=tuple(parts))


def bass_line(piano: GridNotes, grid: BarGrid) -> GridNotes:
    """The bass in a piano part, one note at a time, within ``BASS_LOW`` to ``BASS_HIGH``.

    Of each half bar the lowest notes count, an onset each. Octaves are chosen so that the line moves little
    and stays in the middle of its range.

    Args:
        piano: By onset.
        grid: Bar lines, for the half bars.
    """
    low = piano[piano["pitch"] <= LEFT_HAND_TOP]
    low = low[np.lexsort((low["pitch"], low["onset_ticks"]))]
    low = low[np.diff(low["onset_ticks"], prepend=-BAR) > 0]
    bar, _ = grid.start_and_length(low["onset_ticks"])
    _, slot = np.unique(bar + (low["onset_ticks"] - bar) // HALF_BAR * HALF_BAR, return_inverse=True)
    lowest = np.full(int(slot.max(initial=-1)) + 1, 127)
    np.minimum.at(lowest, slot, low["pitch"])
    line: GridNotes = low[low["pitch"] <= lowest[slot] + BASS_REACH].copy()
    line = line[np.diff(line["onset_ticks"], prepend=-BAR) >= GRID_PER_BEAT // 4]
    gap = np.diff(line["onset_ticks"], append=line["onset_ticks"][-1:] + BAR)
    line["duration_ticks"] = np.minimum(np.minimum(gap, BAR), np.maximum(line["duration_ticks"], HALF_BEAT))
    line["pitch"] = list(_octaves(line["pitch"].tolist()))
    return line


def _octaves(pitches: Iterable[int]) -> Iterator[int]:
    """The same pitch classes within the range of the bass, near the note before and the middle."""
    before = BASS_HOME
    for pitch in pitches:
        choice = [p for p in range(pitch % 12, 128, 12) if BASS_LOW <= p <= BASS_HIGH]
        found = min(choice, key=lambda p: abs(p - before) + abs(p - BASS_HOME))
        yield found
        before = float(found)


def pad_chords(chords: Sequence[ChordSpan], piano: GridNotes) -> GridNotes:
    """Annotated chords held as closed voicings of three or four notes, each led from the one before.

    A chord is struck again after two bars. It is softer than the piano that sounds meanwhile.

    Args:
        chords: By time.
        piano: For the loudness; by onset.
    """
    rows: list[tuple[int, int, int, int, int]] = []
    voicing: tuple[int, ...] = ()
    for start, until, classes in _held(chords):
        voicing = _voicing(sorted(classes), voicing)
        velocity = _pad_velocity(piano, start, until)
        for at in range(start, until, 2 * BAR):
            rows += [(at, min(until - at, 2 * BAR), pitch, velocity, 0) for pitch in voicing]
    return np.array(rows, dtype=GRID_NOTE)


def _held(chords: Sequence[ChordSpan]) -> Iterator[tuple[int, int, frozenset[int]]]:
    """Chords on half beats, equal neighbours as one; those of less than two tones are left out."""
    held: list[tuple[int, int, frozenset[int]]] = []
    for chord in chords:
        start, until = (round(t / HALF_BEAT) * HALF_BEAT for t in (chord.from_tick, chord.until_tick))
        if until <= start or len(chord.pitch_classes) < 2:
            continue
        if held and held[-1][1:] == (start, chord.pitch_classes):
            start = held.pop()[0]
        held.append((start, until, chord.pitch_classes))
    yield from held


def _voicing(classes: list[int], before: tuple[int, ...]) -> tuple[int, ...]:
    """The closed voicing of at most four pitch classes that moves least and lies near the home of the pad."""
    chosen = combinations(classes, min(len(classes), 4))
    found = [v for tones in chosen for low in PAD_LOWEST if (v := _stacked(tones, low))]
    return min(found, key=lambda voicing: (_movement(before, voicing), voicing))


def _stacked(tones: tuple[int, ...], lowest: int) -> tuple[int, ...]:
    """The tones within the octave above ``lowest``; empty where that is none of them."""
    if lowest % 12 not in tones:
        return ()
    return tuple(sorted(lowest + (tone - lowest) % 12 for tone in tones))


def _movement(before: tuple[int, ...], voicing: tuple[int, ...]) -> float:
    away = abs(sum(voicing) / len(voicing) - PAD_HOME)
    return away / 2 + sum(min((abs(p - b) for b in before), default=0) for p in voicing)


def _pad_velocity(piano: GridNotes, start: int, until: int) -> int:
    low, high = np.searchsorted(piano["onset_ticks"], [start, until])
    sounding: NDArray[np.uint8] = piano["velocity"][low:high]
    loud = float(np.median(sounding if len(sounding) else piano["velocity"]))
    return int(np.clip(round(PAD_LOUDNESS * loud), 24, 80))
