"""Fréchet distance of accompaniments in features that no model has learned.

StreamMUSE reports a Fréchet distance in a network's embedding (FMD of CLaMP). Its weights are not ours to
ship, and what it hears is unknown. Here a phrase of four bars becomes figures that a musician would name:
how much is played, where in the bar, how high, how long, how loud, and how it fits the melody. They are
standardized on training songs, so one unit is one standard deviation among arrangers' phrases, and the
distance (Dowson and Landau 1982) is in squares of that unit. It is named for what it is, never FMD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.events import GRID_PER_BEAT
from midi.note import NoteArray
from midi.theory import Key
from models.sequence.harmony import clip, harmony, pitched, sounding
from models.sequence.metrics import SIXTEENTH_TICKS
from studio.listening import Excerpt

PHRASE_BARS = 4

FEATURES = (
    "density",  # log2 of one more than the onsets a beat
    "rests",  # share of time without a note
    "polyphony",  # notes sounding while any does
    "together",  # share of onsets that fall with another
    "downbeats",  # share of onsets on the first 16th of a bar
    "beats",  # on the other beats
    "offbeats",  # on the eighths between; what remains are the other 16ths
    "length",  # mean log2 of the durations in beats
    "length_spread",  # its standard deviation
    "bass",  # mean lowest sounding pitch
    "top",  # mean highest sounding pitch
    "bass_moves",  # share of beats whose bass has another pitch class than the beat before
    "classes",  # mean number of pitch classes sounding in a bar
    "in_key",  # share of note time in the song's key
    "loudness",  # mean velocity
    "loudness_spread",  # its standard deviation
    "consonance",  # share of the melody's time that is consonant
    "in_chord",  # share of the melody's time on a pitch class of the beat's chord
    "below",  # mean semitones from the highest accompanying note up to the melody
)
"""Coordinates of a phrase. A figure that a phrase has none of (the bass of silence) is the training mean."""

ROUNDS = 200
"""Half-samples behind an interval."""

LEAST_SONGS = 4
"""Fewer songs give no interval: half of them must make a distribution."""

_MAJOR = (0, 2, 4, 5, 7, 9, 11)

Features = NDArray[np.float64]


def song_features(song: Excerpt, accompaniment: NoteArray, until_tick: int) -> Features:
    """Features of each whole phrase of a song before a tick; ``[phrases, features]``, NaN where undefined.

    An excerpt shorter than a phrase is one phrase.
    """
    span = min(PHRASE_BARS * song.bar_ticks, until_tick)
    starts = range(0, until_tick - span + 1, span)
    return np.array([_phrase(song, accompaniment, start, start + span) for start in starts])


def _phrase(song: Excerpt, accompaniment: NoteArray, start: int, end: int) -> list[float]:
    played, melody = (pitched(clip(notes, start, end)) for notes in (accompaniment, song.melody))
    roll = sounding(played, start, end)
    lowest, highest = _edges(roll)
    fit = harmony(melody, played, from_tick=start, until_tick=end)
    count = roll.sum(axis=1)
    return [
        float(np.log2(1 + len(played) * GRID_PER_BEAT / (end - start))),
        float(np.mean(count == 0)),
        _mean(count[count > 0]),
        _together(played.onset_ticks),
        *_places(played.onset_ticks, song.bar_ticks),
        *_mean_and_spread(np.log2(played.duration_ticks / GRID_PER_BEAT)),
        _mean(lowest), _mean(highest),
        _bass_moves(lowest),
        _classes(roll, song.bar_ticks),
        _in_key(played, song.key),
        *_mean_and_spread(played.velocity.astype(np.float64)),
        fit.consonance_rate, fit.note_in_chord,
        _below(melody, highest, start),
    ]  # fmt: skip


def _edges(roll: NDArray[np.bool_]) -> tuple[Features, Features]:
    """Lowest and highest pitch at every tick, NaN in silence."""
    is_silent = ~roll.any(axis=1)
    lowest = roll.argmax(axis=1).astype(np.float64)
    highest = 127.0 - roll[:, ::-1].argmax(axis=1)
    lowest[is_silent] = highest[is_silent] = np.nan
    return lowest, highest


def _together(onsets: NDArray[np.int64]) -> float:
    if len(onsets) == 0:
        return float("nan")
    counts = np.unique(onsets, return_counts=True)[1]
    return float(counts[counts > 1].sum() / len(onsets))


def _places(onsets: NDArray[np.int64], bar_ticks: int) -> tuple[float, float, float]:
    """Shares of onsets on downbeats, on other beats and on eighths between, to the nearest 16th."""
    if len(onsets) == 0:
        return (float("nan"),) * 3
    nearest = (onsets + SIXTEENTH_TICKS // 2) // SIXTEENTH_TICKS * SIXTEENTH_TICKS
    is_down, is_beat = nearest % bar_ticks == 0, nearest % bar_ticks % GRID_PER_BEAT == 0
    is_eighth = nearest % bar_ticks % (GRID_PER_BEAT // 2) == 0
    return float(is_down.mean()), float((is_beat & ~is_down).mean()), float((is_eighth & ~is_beat).mean())


def _mean_and_spread(values: Features) -> tuple[float, float]:
    return (float(values.mean()), float(values.std())) if len(values) else (float("nan"),) * 2


def _bass_moves(lowest: Features) -> float:
    bass = lowest[::GRID_PER_BEAT] % 12
    bass = bass[~np.isnan(bass)]
    return _mean(np.diff(bass) != 0)


def _classes(roll: NDArray[np.bool_], bar_ticks: int) -> float:
    bars = [roll[start : start + bar_ticks].any(axis=0) for start in range(0, len(roll), bar_ticks)]
    return _mean(np.array([len(set((np.flatnonzero(bar) % 12).tolist())) for bar in bars]))


def _in_key(played: NoteArray, key: Key) -> float:
    is_inside = np.isin((played.pitch.astype(np.int64) - key.relative_major) % 12, _MAJOR)
    total = int(played.duration_ticks.sum())
    return float(played.duration_ticks[is_inside].sum() / total) if total else float("nan")


def _below(melody: NoteArray, highest: Features, start: int) -> float:
    gaps = [
        note.pitch - highest[note.onset_ticks - start : note.onset_ticks + note.duration_ticks - start]
        for note in melody
    ]
    return _mean(np.concatenate(gaps)) if gaps else float("nan")


def _spread(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else 0.0


def _mean(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if len(known) else float("nan")


class PhraseSpace:
    """The features' scale, learned from training songs.

    Args:
        training: Features of training phrases ``[phrases, features]``, two or more.
    """

    def __init__(self, training: Features) -> None:
        self._mean = np.array([_mean(column) for column in training.T])
        spread = np.array([_spread(column) for column in training.T])
        self._spread = np.where(spread > 0, spread, 1.0)

    def placed(self, features: Features) -> NDArray[np.float32]:
        """Standardized features; what is not defined is put at the training mean."""
        placed: NDArray[np.float32] = np.nan_to_num((features - self._mean) / self._spread).astype(np.float32)
        return placed


def frechet_rows(
    space: PhraseSpace,
    truth: Sequence[Features],
    rows: Mapping[str, Sequence[Features]],
    other_music: Features,
    seed: int,
) -> dict[str, Any]:
    """Squared Fréchet distance of every row's phrases from the true ones of the same songs.

    Intervals are 95 % by a bootstrap of halves of the songs (the usual one repeats phrases, which this
    distance takes for structure), from four songs on. The distance falls as samples grow, so
    ``training_songs`` tells what true music of other songs gets at the same count.

    Args:
        space: Scale of the features.
        truth: Features of the true accompaniment, one array a song.
        rows: The same of each row.
        other_music: Features of training phrases that the scale was learned from.
        seed: Of the half-samples.
    """
    # It lies beside the pictures' figures, which need torch.
    from models.image.metrics import frechet_distance, half_sample_intervals  # noqa: PLC0415

    true = [space.placed(features) for features in truth]
    placed = {row: [space.placed(features) for features in songs] for row, songs in rows.items()}
    n_phrases = sum(map(len, true))

    def figures(picks: NDArray[np.int64], _others: NDArray[np.int64]) -> dict[str, float]:
        here = np.concatenate([true[i] for i in picks])
        return {
            row: frechet_distance(np.concatenate([songs[i] for i in picks]), here)
            for row, songs in placed.items()
        }

    everything = np.arange(len(true))
    found = figures(everything, everything)
    bounds = {}
    if len(true) >= LEAST_SONGS:
        bounds = half_sample_intervals(figures, (len(true), len(true)), rounds=ROUNDS, seed=seed)
    pick = np.random.default_rng(seed).permutation(len(other_music))[:n_phrases]
    floor = frechet_distance(space.placed(other_music[pick]), np.concatenate(true))
    return {
        "rows": {row: _around(value, bounds.get(row)) for row, value in found.items()}
        | {"training_songs": _around(floor, None)},
        "features": list(FEATURES),
        "phrases": n_phrases,
        "phrase_bars": PHRASE_BARS,
        "largest_shifts": _shifts(placed.get("live"), true),
    }  # fmt: skip


def _around(value: float, bounds: tuple[float, float] | None) -> dict[str, float | None]:
    """A distance and its interval; without bounds the interval is not known."""
    low, high = (None, None) if bounds is None else (max(value + bounds[0], 0.0), value + bounds[1])
    return {
        "mean": round(value, 4),
        "low": None if low is None else round(low, 4),
        "high": None if high is None else round(high, 4),
    }


def _shifts(
    played: Sequence[NDArray[np.float32]] | None, true: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """The features whose means lie furthest from the truth's, in standard deviations; what to work on."""
    if played is None:
        return {}
    gap = np.concatenate(played).mean(axis=0) - np.concatenate(true).mean(axis=0)
    order = np.argsort(-np.abs(gap))[:5]
    return {FEATURES[i]: round(float(gap[i]), 3) for i in order}
