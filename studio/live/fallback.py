"""Accompaniment by rules: hears a melody, guesses key and chords, plays bass, chords and drums.

It fills in where the model is late or absent, and is the baseline that the model is measured
against. Pure and deterministic: the same notes heard give the same notes played.

The harmony is a chain of slots (half bars, or whole bars in triple time). Each slot's chord is the
one that best explains what was heard in it, given the key and the chord before: chord tones weighted
by duration and metre, against a prior of common-practice degrees and root motion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midi.events import DRUMS, GRID_PER_BEAT, BarGrid, Events, Role
from midi.note import Note, NoteArray
from midi.theory import Key, chord_tones, estimate_key
from models.sequence.plan import PlannedNote, Steering

_BASS = 4
_SUSTAINING = frozenset({2, 5, 6, 11})  # organ, strings, choir, pad
_KEY_MEMORY_BARS = 16
_CHAIN_SLOTS = 8
_MAX_HELD_TICKS = 4 * GRID_PER_BEAT  # a key held longer says no more about the harmony
_BASS_HOME, _CHORD_HOME = 43, 60  # G2 and C4: where bass and chord hands rest
_BASS_TOP = 55


@dataclass(frozen=True, slots=True)
class _Triad:
    root: int
    quality: str

    def tones(self) -> frozenset[int]:
        return chord_tones(self.root, self.quality)


# Degrees with a prior in log-odds: the commonest triads of common-practice and popular music, as
# their usual order of frequency has it (I, V, IV, vi, ii, iii); the size of the steps is by ear.
_MAJOR_DEGREES = (
    (0, "maj", 0.9),
    (7, "maj", 0.7),
    (5, "maj", 0.6),
    (9, "min", 0.5),
    (2, "min", 0.3),
    (4, "min", 0.0),
)
_MINOR_DEGREES = ((0, "min", 0.9), (7, "maj", 0.5), (8, "maj", 0.6), (3, "maj", 0.5), (10, "maj", 0.5),
                  (5, "min", 0.4), (7, "min", 0.1))  # fmt: skip
_ROOT_MOTION = {0: 0.15, 5: 0.4, 7: 0.25, 9: 0.2, 2: 0.2, 8: 0.1, 3: 0.1, 4: 0.05, 10: 0.05}
"""Log-odds of moving the root up by so many semitones: falling fifths first; staying is a small virtue."""


def rule_notes(
    human_events: Events, grid: BarGrid, from_tick: int, until_tick: int, steering: Steering
) -> tuple[PlannedNote, ...]:
    """What a careful accompanist would play in ``[from_tick, until_tick)``, by onset.

    Args:
        human_events: The player's note events; duration 0 while a note still sounds. Only notes
            known before ``from_tick`` are used.
        grid: Bar lines.
        from_tick: Start; calling piece by piece gives what each moment's knowledge gives.
        until_tick: End, exclusive.
        steering: ``density`` picks the figuration, range and instruments are kept to; the rest is ignored.

    Returns:
        The notes; none before anything was heard, or when hearing is cut.
    """
    heard = _heard(human_events, from_tick)
    if len(heard) == 0 or not steering.hears_human or until_tick <= from_tick:
        return ()
    key = _key(heard, grid, from_tick)
    velocity = int(np.clip(np.median(heard["velocity"][-16:]), 30, 110))
    notes: list[PlannedNote] = []
    for start, length in _slots(grid, from_tick, until_tick):
        chords = _chain(heard, grid, key, start, from_tick)
        slot = _Slot(start, length, chords, velocity, steering)
        notes += [n for n in slot.notes() if from_tick <= n.onset_ticks < until_tick]
    return tuple(sorted(set(notes)))


def _heard(events: Events, from_tick: int) -> Events:
    """Player notes known before ``from_tick``, with durations closed there."""
    known = (
        (events["role"] == Role.HUMAN) & (events["ticks"] <= from_tick) & (events["onset_ticks"] < from_tick)
    )
    heard: Events = events[known & (events["instrument"] != DRUMS)].copy()
    sounded = from_tick - heard["onset_ticks"]
    duration = np.where(heard["duration_ticks"] > 0, heard["duration_ticks"], _MAX_HELD_TICKS)
    heard["duration_ticks"] = np.maximum(1, np.minimum(duration, sounded))
    return heard


def _slots(grid: BarGrid, from_tick: int, until_tick: int) -> Iterator[tuple[int, int]]:
    """Start and length of the harmonic slots that touch ``[from_tick, until_tick)``."""
    tick = from_tick
    while tick < until_tick:
        start, bar = (int(x) for x in grid.start_and_length(tick))
        length = bar // 2 if bar % (4 * GRID_PER_BEAT) == 0 else bar
        begin = start + (tick - start) // length * length
        yield begin, length
        tick = begin + length


def _key(heard: Events, grid: BarGrid, from_tick: int) -> Key:
    """Key of the recent notes; C major when they do not tell."""
    _, bar = grid.start_and_length(from_tick)
    recent = heard[heard["onset_ticks"] >= from_tick - _KEY_MEMORY_BARS * int(bar)]
    notes = NoteArray.from_notes(
        Note(int(e["onset_ticks"]), int(e["duration_ticks"]), int(e["pitch"]), 80) for e in recent
    )
    return estimate_key(notes) or Key(0)


def _chain(heard: Events, grid: BarGrid, key: Key, slot_start: int, from_tick: int) -> list[_Triad]:
    """Chords of the slots up to the one at ``slot_start``, the last being its own."""
    slots: list[tuple[int, int]] = [next(_slots(grid, slot_start, slot_start + 1))]
    while len(slots) < _CHAIN_SLOTS:
        slots.insert(0, next(_slots(grid, slots[0][0] - 1, slots[0][0])))
    chords: list[_Triad] = []
    for start, length in slots:
        bar_start = int(grid.start_and_length(start)[0])
        weights = _evidence(heard, grid, start, start + length)
        weights = weights + 0.5 * _evidence(heard, grid, bar_start, start)  # one chord a bar is likeliest
        if start >= from_tick:  # nothing heard here yet: the last moments hint at it
            weights = weights + 0.3 * _evidence(heard, grid, from_tick - length, from_tick)
        chords.append(_best_chord(weights, key, chords[-1] if chords else None))
    return chords


def _evidence(heard: Events, grid: BarGrid, start: int, end: int) -> NDArray[np.float64]:
    """Beats that each pitch class sounded in ``[start, end)``, notes on the beat counting more."""
    onset = heard["onset_ticks"].astype(np.int64)
    overlap = np.minimum(onset + heard["duration_ticks"], end) - np.maximum(onset, start)
    inside = overlap > 0
    bar_start, _ = grid.start_and_length(onset[inside])
    position = onset[inside] - bar_start
    metre = np.where(
        position % (2 * GRID_PER_BEAT) == 0, 1.5, np.where(position % GRID_PER_BEAT == 0, 1.2, 0.8)
    )
    weights = overlap[inside] / GRID_PER_BEAT * metre
    summed = np.bincount(heard["pitch"][inside] % 12, weights=weights, minlength=12)
    return summed.astype(np.float64)


def _best_chord(weights: NDArray[np.float64], key: Key, before: _Triad | None) -> _Triad:
    """The diatonic triad that explains the weights best, given the chord before."""
    best, best_score = _Triad(key.tonic, "min" if key.is_minor else "maj"), -math.inf
    for degree, quality, prior in _MINOR_DEGREES if key.is_minor else _MAJOR_DEGREES:
        chord = _Triad((key.tonic + degree) % 12, quality)
        inside = sum(weights[tone] for tone in chord.tones()) + 0.3 * weights[chord.root]
        outside = float(weights.sum()) - sum(weights[tone] for tone in chord.tones())
        motion = _ROOT_MOTION.get((chord.root - before.root) % 12, 0.0) if before else 0.0
        score = 1.5 * (inside - outside) + prior + motion
        if score > best_score:
            best, best_score = chord, score
    return best


def _nearest(tone: int, home: int, low: int, high: int) -> int | None:
    """The pitch of a pitch class nearest to ``home`` within ``[low, high]``."""
    pitches = [p for p in range(tone % 12, 128, 12) if low <= p <= high]
    return min(pitches, key=lambda p: (abs(p - home), p)) if pitches else None


def _voicings(chords: list[_Triad], low: int, high: int) -> list[int]:
    """The last chord's pitches, led by the shortest way from chord to chord."""
    voices: list[int] = []
    for chord in chords:
        homes = sorted(voices) or [_CHORD_HOME - 4, _CHORD_HOME, _CHORD_HOME + 4]
        middle = sum(homes) / len(homes)
        # A slow pull to the middle keeps the hand from wandering off.
        centre = round(middle + 0.5 * (_CHORD_HOME - middle))
        found = {_nearest(tone, centre, low, high) for tone in chord.tones()}
        voices = sorted(pitch for pitch in found if pitch is not None)
    return voices


@dataclass(frozen=True, slots=True)
class _Slot:
    """One slot to be played."""

    start: int
    length: int
    chords: list[_Triad]
    velocity: int
    steering: Steering

    def notes(self) -> Iterator[PlannedNote]:
        """All notes of the slot, unsorted."""
        classes = self.steering.instruments
        harmonic = [k for k in classes if k not in (_BASS, DRUMS)]
        if DRUMS in classes:
            yield from self._drums()
        if _BASS in classes:
            yield from self._bass(_BASS)
        for rank, instrument in enumerate(harmonic):
            if rank == 0 and _BASS not in classes:
                yield from self._bass(instrument)
            if instrument in _SUSTAINING or rank > 0:
                yield from self._block(instrument)
            else:
                yield from self._figure(instrument)

    def _note(self, offset: int, ticks: int, pitch: int, loudness: float, instrument: int) -> PlannedNote:
        velocity = int(np.clip(round(self.velocity * loudness), 1, 127))
        return PlannedNote(
            self.start + offset, max(1, min(ticks, self.length - offset)), pitch, velocity, instrument
        )

    def _bass(self, instrument: int) -> Iterator[PlannedNote]:
        low, high = self.steering.low_pitch, min(self.steering.high_pitch, _BASS_TOP)
        root = _nearest(self.chords[-1].root, _BASS_HOME, low, high)
        if root is not None:
            yield self._note(0, self.length - 2, root, 1.05, instrument)

    def _pitches(self) -> list[int]:
        low, high = max(self.steering.low_pitch, 48), self.steering.high_pitch
        return _voicings(self.chords, min(low, high), high)

    def _block(self, instrument: int) -> Iterator[PlannedNote]:
        for pitch in self._pitches():
            yield self._note(0, self.length - 1, pitch, 0.8, instrument)

    def _figure(self, instrument: int) -> Iterator[PlannedNote]:
        """Chords after the bass; sparse: one block, dense: broken eighths."""
        pitches = self._pitches()
        if self.steering.density < -0.5 or not pitches:
            yield from self._block(instrument)
            return
        if self.steering.density > 0.5:
            up_and_down = pitches + pitches[-2:0:-1]
            half_beat = GRID_PER_BEAT // 2
            for i, offset in enumerate(range(0, self.length, half_beat)):
                yield self._note(offset, half_beat + 4, up_and_down[i % len(up_and_down)], 0.85, instrument)
            return
        for offset in range(GRID_PER_BEAT, self.length, GRID_PER_BEAT):
            for pitch in pitches:
                yield self._note(offset, GRID_PER_BEAT - 4, pitch, 0.8, instrument)

    def _drums(self) -> Iterator[PlannedNote]:
        """Kick on the slot, snare on its second beat, closed hi-hat in eighths."""
        kick, snare, hat = 36, 38, 42
        half_beat = GRID_PER_BEAT // 2
        yield self._note(0, half_beat, kick, 1.1, DRUMS)
        if self.length > GRID_PER_BEAT:
            yield self._note(GRID_PER_BEAT, half_beat, snare, 1.0, DRUMS)
        for offset in range(0, self.length, half_beat):
            yield self._note(offset, half_beat, hat, 0.7 if offset % GRID_PER_BEAT else 0.85, DRUMS)
