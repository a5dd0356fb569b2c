"""Figures of an accompaniment's texture, distances between two, and their uncertainty.

Notes are on the event grid (24 ticks a beat). Harmony is in :mod:`models.sequence.harmony`, copied
passages in :mod:`models.sequence.memorization`, likelihood baselines in
:mod:`models.sequence.baselines`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midi.events import GRID_PER_BEAT, MAX_BAR_TICKS, BarGrid
from midi.note import NoteArray
from models.sequence.harmony import clip, pitched

SIXTEENTH_TICKS = GRID_PER_BEAT // 4

N_POSITIONS = MAX_BAR_TICKS // SIXTEENTH_TICKS
"""16ths in the longest bar."""

SILENCE_REGISTER_SEMITONES = 24.0
"""Register distance of silence from music, and the most that register distance can be: two octaves."""

SILENCE_DENSITY_OCTAVES = 4.0
"""The same for density, in doublings."""

Histogram = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Texture:
    """What an accompaniment is like, whatever its harmony.

    Attributes:
        pitch_classes: Onsets on each pitch class, without drums; shape ``[12]``.
        positions: Onsets on each 16th of the bar, drums included; shape ``[N_POSITIONS]``.
        density: Onsets a beat.
        pitch_mean: Mean pitch without drums; NaN when there is none.
        pitch_spread: Standard deviation of pitch; NaN when there is none.
        polyphony: Mean number of notes sounding while any sounds; 0 for silence.
    """

    pitch_classes: Histogram
    positions: Histogram
    density: float
    pitch_mean: float
    pitch_spread: float
    polyphony: float


@dataclass(frozen=True, slots=True)
class Distance:
    """How far one texture is from another; 0 is equal.

    Attributes:
        pitch_class_jsd: Jensen-Shannon divergence of the pitch classes, bits, 0–1.
        onset_jsd: The same of onset positions in the bar.
        density: Absolute log2 ratio of the densities, 0–4.
        register: Absolute difference of mean pitch, semitones, 0–24.
        spread: Absolute difference of the pitch spreads, semitones.
    """

    pitch_class_jsd: float
    onset_jsd: float
    density: float
    register: float
    spread: float

    @property
    def overall(self) -> float:
        """One figure, 0–1: mean of divergences, density and register as shares of their maxima."""
        scaled = (self.density / SILENCE_DENSITY_OCTAVES, self.register / SILENCE_REGISTER_SEMITONES)
        return (self.pitch_class_jsd + self.onset_jsd + sum(scaled)) / 4


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the interval that holds it with the probability asked for."""

    mean: float
    low: float
    high: float


def pitch_class_histogram(notes: NoteArray) -> Histogram:
    """Onsets on each pitch class, drums left out; shape ``[12]``."""
    return np.bincount(pitched(notes).pitch % 12, minlength=12).astype(np.float64)


def position_histogram(notes: NoteArray, grid: BarGrid) -> Histogram:
    """Onsets on each 16th of the bar, nearest 16th, the bar's end counting as the next bar's start."""
    start, length = grid.start_and_length(notes.onset_ticks)
    nearest = np.floor((notes.onset_ticks - start) / SIXTEENTH_TICKS + 0.5).astype(np.int64)
    step = np.where(nearest * SIXTEENTH_TICKS >= length, 0, nearest)
    return np.bincount(step, minlength=N_POSITIONS).astype(np.float64)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon divergence of two histograms in bits, 0–1 (Lin 1991, base 2, no root).

    Histograms are normalized; an empty one is as far as possible (1) from any other and equal to
    another empty one.
    """
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if a.sum() == 0 or b.sum() == 0:
        return 0.0 if a.sum() == b.sum() else 1.0
    a, b = a / a.sum(), b / b.sum()
    middle = (a + b) / 2
    return float(np.clip((_relative_entropy(a, middle) + _relative_entropy(b, middle)) / 2, 0.0, 1.0))


def texture(notes: NoteArray, grid: BarGrid, from_tick: int, until_tick: int) -> Texture:
    """Texture of the notes that begin in ``[from_tick, until_tick)``; drums have no register."""
    begins = (notes.onset_ticks >= from_tick) & (notes.onset_ticks < until_tick)
    inside = notes.take(begins)
    tones = pitched(inside).pitch.astype(np.float64)
    beats = (until_tick - from_tick) / GRID_PER_BEAT
    return Texture(
        pitch_classes=pitch_class_histogram(inside),
        positions=position_histogram(inside, grid),
        density=len(inside) / beats,
        pitch_mean=float(tones.mean()) if len(tones) else float("nan"),
        pitch_spread=float(tones.std()) if len(tones) else float("nan"),
        polyphony=_polyphony(clip(notes, from_tick, until_tick), from_tick, until_tick),
    )


def distance(candidate: Texture, reference: Texture) -> Distance:
    """How far a texture is from a reference; symmetric."""
    return Distance(
        pitch_class_jsd=jensen_shannon(candidate.pitch_classes, reference.pitch_classes),
        onset_jsd=jensen_shannon(candidate.positions, reference.positions),
        density=_octaves(candidate.density, reference.density),
        register=_gap(candidate.pitch_mean, reference.pitch_mean),
        spread=_gap(candidate.pitch_spread, reference.pitch_spread),
    )


def pool(textures: list[Texture]) -> Texture:
    """One texture of many songs: histograms added up, the rest averaged over songs that have it."""
    return Texture(
        pitch_classes=np.sum([t.pitch_classes for t in textures], axis=0),
        positions=np.sum([t.positions for t in textures], axis=0),
        density=_mean([t.density for t in textures]),
        pitch_mean=_mean([t.pitch_mean for t in textures]),
        pitch_spread=_mean([t.pitch_spread for t in textures]),
        polyphony=_mean([t.polyphony for t in textures]),
    )


def bootstrap(
    n_songs: int,
    statistic: Callable[[NDArray[np.intp]], float],
    *,
    seed: int,
    n_resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap over songs (Efron 1979) of any statistic of a set of songs.

    Args:
        n_songs: Number of songs, at least 1.
        statistic: Figure of the songs at the given indices, which repeat.
        seed: Same seed, same interval.
        n_resamples: Resampled sets.
        confidence: Probability mass of the interval, 0–1.

    Returns:
        The statistic of all songs, and the percentile interval.
    """
    picks = _resamples(n_songs, n_resamples, seed)
    values = np.array([statistic(pick) for pick in picks])
    return _percentiles(values, statistic(np.arange(n_songs)), confidence)


def bootstrap_mean(values: ArrayLike, *, seed: int, n_resamples: int = 2000) -> Interval:
    """Mean of one figure a song with its 95 % interval; songs without the figure (NaN) are left out."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    means = known[_resamples(len(known), n_resamples, seed)].mean(axis=1)
    return _percentiles(means, float(known.mean()), 0.95)


def intervals_overlap(a: Interval, b: Interval) -> bool:
    """Whether two intervals share a point; one that is not known overlaps everything."""
    return not (a.low > b.high or b.low > a.high)


def _resamples(n_songs: int, n_resamples: int, seed: int) -> NDArray[np.int64]:
    """Indices of each resampled set; ``[resamples, songs]``."""
    return np.random.default_rng(seed).integers(0, n_songs, size=(n_resamples, n_songs))


def _percentiles(values: NDArray[np.float64], center: float, confidence: float) -> Interval:
    tail = 50.0 * (1.0 - confidence)
    if np.isnan(values).all():
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.nanpercentile(values, [tail, 100.0 - tail])
    return Interval(center, float(low), float(high))


def _relative_entropy(p: Histogram, q: Histogram) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))


def _polyphony(notes: NoteArray, from_tick: int, until_tick: int) -> float:
    change = np.zeros(until_tick - from_tick + 1, dtype=np.int64)
    np.add.at(change, notes.onset_ticks - from_tick, 1)
    np.add.at(change, notes.onset_ticks - from_tick + notes.duration_ticks, -1)
    count = np.cumsum(change)[:-1]
    return float(count[count > 0].mean()) if (count > 0).any() else 0.0


def _octaves(a: float, b: float) -> float:
    if a == b:
        return 0.0
    if a == 0 or b == 0:
        return SILENCE_DENSITY_OCTAVES
    return min(abs(float(np.log2(a / b))), SILENCE_DENSITY_OCTAVES)


def _gap(a: float, b: float) -> float:
    if np.isnan(a) and np.isnan(b):
        return 0.0
    if np.isnan(a) or np.isnan(b):
        return SILENCE_REGISTER_SEMITONES
    return min(abs(a - b), SILENCE_REGISTER_SEMITONES)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
