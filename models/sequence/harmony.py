"""How an accompaniment fits a melody: consonance, chord membership, adaptation.

All functions take notes on the event grid (24 ticks a beat). Drums (channel 9) are left out. A rate
over a melody that never sounds is NaN; averages leave such songs out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midi.errors import UserError
from midi.events import DRUMS, GRID_PER_BEAT, Events, Role
from midi.intake import BEAT_SIDECAR
from midi.note import DRUM_CHANNEL, Note, NoteArray
from midi.theory import CONSONANT_INTERVALS, parse_chord
from models.sequence.plan import PlannedNote

CONSONANT = np.isin(np.abs(np.arange(128)[:, None] - np.arange(128)) % 12, tuple(CONSONANT_INTERVALS))
"""Whether two pitches are consonant, ``[128, 128]``."""

CHORD_SIDECAR = "chord_midi.txt"
"""Chord annotation as in POP909: start and end in seconds, and a chord label."""

BoolRoll = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Harmony:
    """Harmonic fit of an accompaniment, as shares (0–1) of the melody's sounding time.

    Attributes:
        consonance_rate: With at least one consonant accompaniment note sounding (StreamMUSE's CR).
        unsupported_rate: With no accompaniment note sounding (StreamMUSE's UR).
        dissonance_rate: The rest: accompaniment sounds, and none of it is consonant.
        note_in_chord: On a pitch class of the chord, which is what the accompaniment sounds within
            the same beat; no accompaniment in the beat counts as a miss.
    """

    consonance_rate: float
    unsupported_rate: float
    dissonance_rate: float
    note_in_chord: float

    def json(self) -> dict[str, float | None]:
        """The figures by name; None where the melody never sounds."""
        return {name: None if np.isnan(value) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """A chord that holds in ``[from_tick, until_tick)``; no pitch classes means no chord."""

    from_tick: int
    until_tick: int
    pitch_classes: frozenset[int]


def notes_of_events(events: Events, role: Role) -> NoteArray:
    """The notes of one role, with true onsets, in grid ticks; drums are on channel 9."""
    mine = events[events["role"] == role]
    return NoteArray(
        mine["onset_ticks"].astype(np.int64),
        mine["duration_ticks"].astype(np.int64),
        mine["pitch"].astype(np.uint8),
        mine["velocity"].astype(np.uint8),
        np.where(mine["instrument"] == DRUMS, DRUM_CHANNEL, 0).astype(np.uint8),
    )


def notes_by_part(events: Events, role: Role) -> dict[int, NoteArray]:
    """The same for each instrument class that has notes."""
    classes = np.unique(events["instrument"][events["role"] == role])
    return {int(k): notes_of_events(events[events["instrument"] == k], role) for k in classes}


def notes_of_plan(planned: Iterable[PlannedNote]) -> NoteArray:
    """Planned or played partner notes as grid notes; drums are on channel 9."""
    return NoteArray.from_notes(
        Note(
            p.onset_ticks, p.duration_ticks, p.pitch, p.velocity, DRUM_CHANNEL if p.instrument == DRUMS else 0
        )
        for p in planned
    )


def pitched(notes: NoteArray) -> NoteArray:
    """The notes without drums."""
    return notes.take(notes.channel != DRUM_CHANNEL)


def clip(notes: NoteArray, from_tick: int, until_tick: int) -> NoteArray:
    """What sounds in ``[from_tick, until_tick)``, cut at both ends; times are kept."""
    start = np.maximum(notes.onset_ticks, from_tick)
    end = np.minimum(notes.onset_ticks + notes.duration_ticks, until_tick)
    inside = end > start
    return notes.with_ticks(start, end - start).take(inside)


def sounding(notes: NoteArray, from_tick: int, until_tick: int) -> BoolRoll:
    """Which pitches sound at each tick of ``[from_tick, until_tick)``; shape ``[ticks, 128]``."""
    change = np.zeros((until_tick - from_tick + 1, 128), dtype=np.int32)
    cut = clip(pitched(notes), from_tick, until_tick)
    onset = cut.onset_ticks - from_tick
    np.add.at(change, (onset, cut.pitch), 1)
    np.add.at(change, (onset + cut.duration_ticks, cut.pitch), -1)
    return np.asarray(np.cumsum(change[:-1], axis=0) > 0)


def harmony(
    melody: NoteArray,
    accompaniment: NoteArray,
    *,
    from_tick: int = 0,
    until_tick: int | None = None,
    window_ticks: int = GRID_PER_BEAT,
) -> Harmony:
    """Consonance, support and chord membership of a melody over an accompaniment.

    Intervals are absolute pitch distances modulo 12, so a fourth is dissonant whoever is above.
    Overlapping melody notes count each for itself. Definitions: StreamMUSE (CR and UR, table III);
    note-in-chord after ReaLchords, with the chord taken from what sounds in a window.

    Args:
        melody: Grid notes of the human.
        accompaniment: Grid notes of the partner.
        from_tick: Start of the span that is measured.
        until_tick: Its end, exclusive; the end of the melody when None.
        window_ticks: Windows in which the accompaniment's pitch classes make one chord, counted
            from tick 0; one beat by default.
    """
    end = melody.end_ticks() if until_tick is None else until_tick
    tune = clip(pitched(melody), from_tick, end)
    total = int(tune.duration_ticks.sum())
    if total == 0:
        return Harmony(*[float("nan")] * 4)
    first = from_tick // window_ticks * window_ticks
    roll = sounding(accompaniment, first, -(-end // window_ticks) * window_ticks)
    chords = _window_classes(roll, window_ticks)
    any_sound: BoolRoll = np.asarray(roll.any(axis=1))
    consonant = silent = in_chord = 0
    for onset, duration, pitch in _spans(tune):
        span = slice(onset - first, onset - first + duration)
        consonant += int(roll[span][:, CONSONANT[pitch]].any(axis=1).sum())
        silent += duration - int(any_sound[span].sum())
        windows = np.arange(span.start, span.stop) // window_ticks
        in_chord += int(chords[windows, pitch % 12].sum())
    rest = total - consonant - silent
    return Harmony(consonant / total, silent / total, rest / total, in_chord / total)


def chord_tone_rate(accompaniment: NoteArray, chords: Sequence[ChordSpan]) -> float:
    """Share of the accompaniment's note time on a pitch class of the true chord (CTR).

    Time without a chord is left out; NaN when nothing is left.
    """
    notes = pitched(accompaniment)
    inside = total = 0
    for chord in chords:
        if chord.pitch_classes:
            cut = clip(notes, chord.from_tick, chord.until_tick)
            is_tone = np.isin(cut.pitch % 12, tuple(chord.pitch_classes))
            inside += int(cut.duration_ticks[is_tone].sum())
            total += int(cut.duration_ticks.sum())
    return inside / total if total else float("nan")


def consonance_by_bar(
    melody: NoteArray, accompaniment: NoteArray, bars: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Consonance rate in each bar, given as ``(tick, bar_ticks)``; NaN where the melody rests."""
    rates = [
        harmony(melody, accompaniment, from_tick=tick, until_tick=tick + length).consonance_rate
        for tick, length in bars
    ]
    return np.array(rates, dtype=np.float64)


def bars_to_recover(curve: NDArray[np.float64], change_bar: int, *, tolerance: float = 0.1) -> int | None:
    """Bars after a change until consonance is back, or None when it never is.

    The reference is the mean before the change. The curve has recovered at bar *k* (0 is the bar of
    the change) when the mean of bars *k* and *k* + 1 is within ``tolerance`` of the reference; two
    bars, so that one lucky bar does not count.
    """
    before = curve[:change_bar]
    if np.isnan(before).all():
        return None
    reference = float(np.nanmean(before))
    after = curve[change_bar:]
    for bar in range(len(after) - 1):
        pair = after[bar : bar + 2]
        if not np.isnan(pair).all() and float(np.nanmean(pair)) >= reference - tolerance:
            return bar
    return None


def _window_classes(roll: BoolRoll, window_ticks: int) -> BoolRoll:
    """Pitch classes that sound in each window; shape ``[windows, 12]``."""
    classes = np.zeros((len(roll), 12), dtype=bool)
    for low in range(0, 128, 12):
        octave = roll[:, low : low + 12]
        classes[:, : octave.shape[1]] |= octave
    return np.asarray(classes.reshape(-1, window_ticks, 12).any(axis=1))


def _spans(notes: NoteArray) -> Iterable[tuple[int, int, int]]:
    columns = (notes.onset_ticks, notes.duration_ticks, notes.pitch)
    return zip(*(column.tolist() for column in columns), strict=True)


def read_chords(path: Path, from_tick: int, until_tick: int) -> tuple[ChordSpan, ...]:
    """Annotated chords of a song in grid ticks from ``from_tick``, or none where there are no annotations.

    Seconds become ticks by the beat annotation, as for the song's notes. A label that cannot be read
    counts as no chord.
    """
    chord_file, beat_file = path.with_name(CHORD_SIDECAR), path.with_name(BEAT_SIDECAR)
    if not (chord_file.is_file() and beat_file.is_file()):
        return ()
    try:
        beats_s = np.loadtxt(beat_file, ndmin=2)[:, 0]
        lines = [line.split() for line in chord_file.read_text(encoding="utf-8").splitlines() if line.strip()]
        times = np.array([[float(line[0]), float(line[1])] for line in lines]).reshape(-1, 2)
    except (ValueError, IndexError, OSError):
        return ()
    ticks = np.round(np.interp(times, beats_s, np.arange(len(beats_s))) * GRID_PER_BEAT).astype(np.int64)
    spans = []
    for (start, end), line in zip(ticks.tolist(), lines, strict=True):
        low, high = max(start, from_tick), min(end, until_tick)
        if low < high:
            spans.append(ChordSpan(low - from_tick, high - from_tick, _classes(line[-1])))
    return tuple(spans)


def _classes(label: str) -> frozenset[int]:
    try:
        return parse_chord(label).pitch_classes
    except UserError:
        return frozenset()
