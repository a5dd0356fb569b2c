"""Notes that stand beside the grid, and metres that mean nothing: find the beat and the bar lines.

Files from recordings often begin with a constant offset against the beat, state 1/4 or 2/4 where nobody
chose a metre, and have their first downbeat anywhere. Estimated are, in this order, the offset of onsets
against sixteenths, which sixteenth is the beat, the beats of a bar, and which beat is the downbeat. Each is
changed only on evidence; a file on the grid with a metre of its own stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.bars import GRID_PER_BEAT, BarGrid
from midi.clock import TempoMap
from midi.note import Part, Score, TimeSignature

SIXTEENTH = GRID_PER_BEAT // 4
ON_GRID_TICKS = 1.0
"""Offset up to which notes count as on the grid: rounding does the rest."""

MIN_ONSETS = 24
MIN_CONCENTRATION = 0.3
"""Least mean resultant length of onsets on the circle of a sixteenth (Mardia and Jupp, "Directional
Statistics", 2000). Onsets at random have about n^-1/2; quantized ones 1, but for what is no sixteenth."""

MIN_RAYLEIGH = 12.0
"""Least ``n R²``: onsets at random pass with probability e^-12."""

MIN_BEAT = 0.7
MIN_DOWNBEAT = 0.4
"""Least probability at which the beat, or the downbeat, is taken over from the accents."""

MIN_TRIPLE_LEAD = 0.05
"""By how much a bar of three beats has to explain the accents better than one of four."""

MAX_SLOTS = 1 << 14
"""Sixteenths looked at from the start: about half an hour at 120 bpm."""

# Weights of the accents, in the order of _accents, on the circles of a beat, half a bar and a bar. Fitted by
# multinomial logistic regression on the beat annotations of POP909 songs 104-421, every song once with all
# parts and once with its melody alone.
_BEAT_WEIGHTS = np.array([0.25, 0.65, 0.20, 1.81, -0.37, 0.02])
_HALF_BAR_WEIGHTS = np.array([0.06, 0.59, 0.21, 0.56, -0.05, -0.28])
_BAR_WEIGHTS = np.array([0.88, 0.84, 0.21, 1.09, 1.46, 0.70])

_Series = NDArray[np.float64]


@dataclass(frozen=True)
class Onsets:
    """Notes as equally long arrays, times in grid ticks (24 a beat, fractions kept)."""

    onset: NDArray[np.float64]
    duration: NDArray[np.float64]
    pitch: NDArray[np.integer[Any]]
    velocity: NDArray[np.integer[Any]]
    is_drum: NDArray[np.bool_]

    @classmethod
    def from_score(cls, score: Score) -> Onsets:
        """All notes of a score."""
        scale = GRID_PER_BEAT / score.ppq
        notes = [part.notes for part in score.parts]
        empty = np.zeros(0)
        return cls(
            np.concatenate([empty, *(n.onset_ticks for n in notes)]) * scale,
            np.concatenate([empty, *(n.duration_ticks for n in notes)]) * scale,
            np.concatenate([empty, *(n.pitch for n in notes)]).astype(np.uint8),
            np.concatenate([empty, *(n.velocity for n in notes)]).astype(np.uint8),
            np.repeat(np.array([p.is_drum for p in score.parts], dtype=bool), [len(n) for n in notes]),
        )


@dataclass(frozen=True)
class Setting:
    """How notes are to be laid on the grid.

    Attributes:
        shift_ticks: To be added to every time, in grid ticks; no note comes to lie before tick -1.
        beats_per_bar: Quarters of a bar from tick 0 on, or None where the file's own metre holds.
        confidence: 0–1: probability of the farthest-reaching change made; 1 where nothing had to be.
        notes: Sentences on what was found; none where nothing had to be done.
    """

    shift_ticks: float = 0.0
    beats_per_bar: int | None = None
    confidence: float = 1.0
    notes: tuple[str, ...] = ()

    def signatures(self, own: Iterable[TimeSignature]) -> tuple[TimeSignature, ...]:
        """The metre that holds after the shift: the one found, or a file's own as it stands."""
        return tuple(own) if self.beats_per_bar is None else (TimeSignature(0, self.beats_per_bar, 4),)


@dataclass(frozen=True)
class Settled:
    """A score on the grid.

    Attributes:
        score: The score, the very same object where nothing had to be done.
        shift_ticks: What was added to every time, in ticks of the score.
        grid: Its bar lines.
        confidence: See :class:`Setting`.
        notes: Sentences on what was found.
    """

    score: Score
    shift_ticks: int
    grid: BarGrid
    confidence: float
    notes: tuple[str, ...]


def settle(score: Score) -> Settled:
    """Lay a score on the grid: off-beat notes onto the beat, first downbeat onto a bar line.

    Times move by one constant; notes, controllers and tempo changes keep their distances, and what would
    lie before tick 0 is put there. A score on the grid with a metre of its own is given back unchanged.
    """
    setting = estimate(Onsets.from_score(score), score.time_signatures)
    shift = round(setting.shift_ticks * score.ppq / GRID_PER_BEAT)
    settled = score
    if shift or setting.beats_per_bar is not None:
        settled = replace(
            score,
            parts=tuple(_moved_part(part, shift) for part in score.parts),
            tempo_map=_moved_tempo(score.tempo_map, shift),
            time_signatures=setting.signatures(score.time_signatures),
        )
    return Settled(settled, shift, BarGrid.from_score(settled), setting.confidence, setting.notes)


def _moved_part(part: Part, shift: int) -> Part:
    onset = np.maximum(part.notes.onset_ticks + shift, 0)
    controls = tuple(replace(c, ticks=max(c.ticks + shift, 0)) for c in part.controls)
    return replace(part, notes=part.notes.with_ticks(onset, part.notes.duration_ticks), controls=controls)


def _moved_tempo(tempo_map: TempoMap, shift: int) -> TempoMap:
    """The tempo map later or earlier; of changes that meet at tick 0 the last one counts."""
    first, *others = tempo_map.changes
    return TempoMap(tempo_map.ppq, tuple(dict([first, *((max(t + shift, 0), b) for t, b in others)]).items()))


def estimate(onsets: Onsets, signatures: Iterable[TimeSignature]) -> Setting:
    """How some notes are to be laid on the grid.

    Args:
        onsets: All notes of a file, in any order.
        signatures: The file's metres; none counts as a metre that says nothing, as do 1/4 and 2/4.
    """
    own = tuple(signatures)
    is_open = all(s.denominator == 4 and s.numerator <= 2 for s in own)
    offset, concentration = grid_offset(onsets.onset)
    n = len(onsets.onset)
    if n < MIN_ONSETS or concentration < MIN_CONCENTRATION or n * concentration**2 < MIN_RAYLEIGH:
        # A grid of triplets, free playing, or too little of anything: nothing to go by.
        return Setting(confidence=concentration)
    if abs(offset) <= ON_GRID_TICKS and not is_open:
        return Setting()
    accents = _accents(onsets, offset)
    beats = _bar_beats(accents, own, is_open)
    chances = _chances(accents, beats * 4 if beats else 4)
    beat, beat_chance = _beat(chances, offset)
    downbeat = int(np.argmax(np.where(np.arange(len(chances)) % 4 == beat, chances, 0)))
    chance = float(chances[downbeat])
    first = float(onsets.onset.min())
    if beats is None or chance < MIN_DOWNBEAT:
        shift = _shift(offset + beat * SIXTEENTH, GRID_PER_BEAT, first)
        return Setting(
            shift, None, beat_chance, _sentences(shift, None) if abs(shift) > ON_GRID_TICKS else ()
        )
    shift = _shift(offset + downbeat * SIXTEENTH, beats * GRID_PER_BEAT, first)
    if abs(shift) <= ON_GRID_TICKS and not is_open:
        return Setting()
    return Setting(shift, beats if is_open else None, chance, _sentences(shift, beats if is_open else None))


def grid_offset(onset: NDArray[np.float64]) -> tuple[float, float]:
    """Offset of onsets against the grid of sixteenths, and how much they agree on it.

    Args:
        onset: Grid ticks.

    Returns:
        Offset in grid ticks within half a sixteenth either way, and the mean resultant length 0–1: the
        circular mean of Mardia and Jupp, "Directional Statistics", 2000, section 2.2. The offset is rounded
        to a millionth of a tick, so that notes exactly :data:`ON_GRID_TICKS` away count as that far away.
    """
    if len(onset) == 0:
        return 0.0, 0.0
    mean = np.exp(onset * (2j * np.pi / SIXTEENTH)).mean()
    return round(float(np.angle(mean)) * SIXTEENTH / (2 * np.pi), 6), float(abs(mean))


def _accents(onsets: Onsets, offset: float) -> _Series:
    """What marks each sixteenth, ``[6, sixteenths]``.

    Number of onsets, their lengths, length of low ones, loudness above the mean, and the change of harmony
    from half a bar and from a bar before to the same after. Drums tell by number and loudness alone.
    """
    slot = np.round((onsets.onset - offset) / SIXTEENTH).astype(np.int64)
    kept = (slot >= 0) & (slot < MAX_SLOTS)
    slot, pitch = slot[kept], onsets.pitch[kept].astype(np.int64)
    size = int(slot.max(initial=0)) + 17
    is_pitched = ~onsets.is_drum[kept]
    sounding = np.where(is_pitched, np.minimum(onsets.duration[kept], 96), 0.0)
    pitches = np.sort(pitch[is_pitched])
    low = pitches[len(pitches) // 4] if len(pitches) else 0
    depth = np.clip((low - pitch) / 12 + 0.5, 0, 1)
    velocity = onsets.velocity[kept] / max(float(onsets.velocity[kept].mean()), 1.0) - 1
    table = np.bincount(slot * 12 + pitch % 12, np.minimum(sounding, 48), size * 12)
    total = np.zeros((size + 1, 12))
    np.cumsum(table.reshape(size, 12), axis=0, out=total[1:])
    return np.stack(
        [
            np.minimum(np.bincount(slot, minlength=size), 4).astype(np.float64),
            np.sqrt(np.bincount(slot, sounding / 24, size)),
            np.sqrt(np.bincount(slot, depth * sounding / 24, size)),
            np.bincount(slot, velocity, size).astype(np.float64),
            _harmonic_change(total, 8),
            _harmonic_change(total, 16),
        ]
    )


def _harmonic_change(total: _Series, span: int) -> _Series:
    """1 minus the cosine of pitch class content in ``span`` slots before and after each; 0 in silence.

    ``total`` is what has sounded of each pitch class before each slot, ``[slots + 1, 12]``.
    """
    # Beyond either end nothing more sounds.
    padded = np.concatenate([np.repeat(total[:1], span, axis=0), total, np.repeat(total[-1:], span, axis=0)])
    sounded = padded[span:] - padded[:-span]
    size = len(total) - 1
    before, after = sounded[:size], sounded[span : span + size]
    power = np.einsum("sc,sc->s", sounded, sounded)
    norm = np.sqrt(power[:size] * power[span : span + size])
    change: _Series = np.zeros(size)
    np.divide(np.einsum("sc,sc->s", before, after), norm, out=change, where=norm > 0)
    return np.where(norm > 0, 1 - change, 0)


def _fold(accents: _Series, period: int) -> _Series:
    """Mean of each accent at each place of a period, against its mean and spread; ``[accents, period]``."""
    padded = accents[:, : accents.shape[1] // period * period]
    mean = padded.reshape(len(accents), -1, period).mean(axis=1)
    folded: _Series = (mean - mean.mean(axis=1, keepdims=True)) / (accents.std(axis=1, keepdims=True) + 1e-9)
    return folded


def _chances(accents: _Series, period: int) -> _Series:
    """Probability of each sixteenth of a bar of ``period`` sixteenths to be the downbeat."""
    places = np.arange(period)
    score = (_BEAT_WEIGHTS @ _fold(accents, 4))[places % 4]
    if period % 8 == 0:
        score = score + (_HALF_BAR_WEIGHTS @ _fold(accents, 8))[places % 8]
    if period > 4:
        score = score + _BAR_WEIGHTS @ _fold(accents, period)
    chances = np.exp(score - score.max())
    normal: _Series = chances / chances.sum()
    return normal


def _bar_beats(accents: _Series, own: tuple[TimeSignature, ...], is_open: bool) -> int | None:
    """Beats of a bar: the file's own where it says 3/4 or 4/4 throughout, the accents' where it says nothing.

    None where the file has another metre, or several: their bar lines are not for us to move.
    """
    if not is_open:
        is_plain = len(own) == 1 and own[0].denominator == 4 and own[0].numerator in {3, 4}
        return own[0].numerator if is_plain else None
    chances = _chances(accents, 4)
    strength = _BAR_WEIGHTS @ (accents / (accents.std(axis=1, keepdims=True) + 1e-9))
    beats = strength[int(np.argmax(chances)) :: 4]
    beats = beats - beats.mean()
    power = float(beats @ beats)
    lags = {lag: float(beats[lag:] @ beats[:-lag]) / power if power else 0.0 for lag in (3, 4, 6, 8)}
    return 3 if lags[3] + lags[6] > lags[4] + lags[8] + MIN_TRIPLE_LEAD else 4


def _beat(chances: _Series, offset: float) -> tuple[int, float]:
    """Which sixteenth is the beat, and its probability; on weak evidence the nearest to the file's own."""
    by_place = chances.reshape(-1, 4).sum(axis=0)
    best = int(np.argmax(by_place))
    if by_place[best] < MIN_BEAT:
        best = int(np.argmin(np.abs((offset + SIXTEENTH * np.arange(4) + 12) % GRID_PER_BEAT - 12)))
    return best, float(by_place[best])


def _shift(place: float, period: int, first: float) -> float:
    """The smaller of the two shifts that bring ``place`` onto a multiple of ``period`` and lose nothing."""
    later = -place % period
    earlier = later - period
    return earlier if -earlier <= later and first + earlier >= -ON_GRID_TICKS else later


def _sentences(shift: float, beats: int | None) -> tuple[str, ...]:
    notes = []
    if abs(shift) > 1e-6:
        way = "later" if shift > 0 else "earlier"
        notes.append(
            f"Moved {abs(shift) / GRID_PER_BEAT:.2f} beats {way}, so that its beats fall on the grid."
        )
    if beats is not None:
        notes.append(f"Its metre was taken as {beats}/4 from its accents.")
    return tuple(notes)
