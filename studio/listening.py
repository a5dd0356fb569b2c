"""The listening experiment: does the partner follow the melody, and does it sound like real playing?

Held-out songs are cut to excerpts on a steady metre, moved to tick 0. The partner plays along live; what it
plays is compared with the true accompaniment, beside another song's accompaniment in the same key, the
partner with its hearing cut, and a player by rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from midi.corpus import Corpus, Song, song_events
from midi.events import BarGrid, Role
from midi.note import NoteArray
from midi.theory import Key, estimate_key
from models.sequence.harmony import (
    ChordSpan,
    bars_to_recover,
    chord_tone_rate,
    clip,
    consonance_by_bar,
    harmony,
    notes_by_part,
    notes_of_events,
    read_chords,
)
from models.sequence.metrics import (
    Interval,
    Texture,
    bootstrap,
    bootstrap_mean,
    distance,
    intervals_overlap,
    jensen_shannon,
    texture,
)

TRITONE = 6
N_OTHERS = 4
"""Other songs whose accompaniment stands in for the true one; their figures are averaged."""

HIGHER_IS_BETTER = ("consonance_rate", "note_in_chord", "chord_tone_rate")
CLOSENESS = ("pitch_class_jsd", "onset_jsd", "density_distance", "register_distance", "distance")
"""Distances to the true accompaniment of the same excerpt; lower is better."""

FIGURES = ("consonance_rate", "unsupported_rate", "note_in_chord", "chord_tone_rate", *CLOSENESS,
           "density", "register", "register_spread", "polyphony")  # fmt: skip
"""Every figure of an accompaniment of an excerpt."""

MUST_BEAT = {"other_song": ("consonance_rate", "note_in_chord", *CLOSENESS),
             "deaf": ("consonance_rate", "note_in_chord", *CLOSENESS),
             "rules": CLOSENESS}  # fmt: skip
"""On which figures the partner is compared with which row."""

Figures = dict[str, float]

_Played = TypeVar("_Played")


@dataclass(frozen=True)
class Excerpt:
    """Some bars of a song on a steady metre, moved to tick 0.

    Attributes:
        name: The song's name in the corpus.
        bar_ticks: Length of every bar, in grid ticks.
        bars: Number of bars.
        bpm: Mean tempo of the song.
        melody: The human's notes.
        accompaniment: The notes of the main accompanying instrument, which has the part with most notes
            (POP909: the piano, not the strings), cut to the excerpt; drums on channel 9.
        instruments: Its instrument class: what the partner is asked to play, so that density and
            register compare like with like.
        chords: Annotated chords; empty where there are none.
        by_part: The accompaniment by instrument class, where parts were asked for.
    """

    name: str
    bar_ticks: int
    bars: int
    bpm: float
    melody: NoteArray
    accompaniment: NoteArray
    instruments: tuple[int, ...]
    chords: tuple[ChordSpan, ...] = field(default=())
    by_part: Mapping[int, NoteArray] = field(default_factory=dict)

    @property
    def until_tick(self) -> int:
        """Its end."""
        return self.bar_ticks * self.bars

    @property
    def grid(self) -> BarGrid:
        """Its bar lines."""
        return BarGrid(((0, self.bar_ticks),))

    @property
    def key(self) -> Key:
        """Estimated from all its notes; C major where nothing can be told."""
        return estimate_key(NoteArray.concatenate([self.melody, self.accompaniment])) or Key(0)


def excerpts(
    corpus: Corpus, split: str, *, songs: int, bars: int, seed: int, source: Path | None = None,
    parts: tuple[int, ...] | None = None,
) -> list[Excerpt]:  # fmt: skip
    """An excerpt of each of some held-out songs, chosen by seed.

    The excerpt opens at the first bar with melody from which on ``bars`` bars are equally long; songs
    without such a place, or without accompaniment, are passed over.

    Args:
        corpus: Where the songs come from.
        split: ``valid`` or ``test``.
        songs: Most excerpts.
        bars: Bars of each.
        seed: Of the choice.
        source: Folder of the files, for chord annotations beside them.
        parts: Instrument classes that make the accompaniment, as far as a song has them; None for the main
            instrument's.
    """
    candidates = list(corpus.split(split))
    found: list[Excerpt] = []
    for index in np.random.default_rng(seed).permutation(len(candidates)):
        if len(found) == songs:
            break
        made = _excerpt(corpus, candidates[index], bars, source, parts)
        if made is not None:
            found.append(made)
    return found


def _excerpt(
    corpus: Corpus, song: Song, bars: int, source: Path | None, parts: tuple[int, ...] | None
) -> Excerpt | None:
    notes = corpus.notes(song)
    lead = notes[notes["part"] == song.lead]
    if len(lead) == 0 or len(song.parts) < 2:
        return None
    first = int(song.grid.start_and_length(int(lead["onset_ticks"][0]))[0])
    place = _steady_place(song.grid, first, int(notes["onset_ticks"][-1]), lead["onset_ticks"], bars)
    if place is None:
        return None
    start, bar_ticks = place
    others = [part for i, part in enumerate(song.parts) if i != song.lead]
    instruments = parts or (max(others, key=lambda part: part.notes).instrument,)
    chosen = [i for i, p in enumerate(song.parts) if i == song.lead or p.instrument in instruments]
    events = song_events(notes[np.isin(notes["part"], chosen)], song, {song.lead})

    def cut(found: NoteArray) -> NoteArray:
        return _moved(clip(found, start, start + bars * bar_ticks), -start)

    melody, rest = (cut(notes_of_events(events, role)) for role in (Role.HUMAN, Role.PARTNER))
    if len(melody) == 0 or len(rest) == 0:
        return None
    chords = read_chords(source / song.name, start, start + bars * bar_ticks) if source else ()
    by_part = {part: cut(own) for part, own in notes_by_part(events, Role.PARTNER).items()} if parts else {}
    return Excerpt(song.name, bar_ticks, bars, song.bpm, melody, rest, instruments, chords, by_part)


def _steady_place(
    grid: BarGrid, first: int, last: int, melody_onsets: NDArray[np.int32], bars: int
) -> tuple[int, int] | None:
    """First bar line with melody in its bar and ``bars`` equal bars from there on, and their length."""
    lines = np.array([tick for tick, _ in grid.lines(first, last + 1)], dtype=np.int64)
    lengths = np.diff(lines)
    for index in range(len(lengths) - bars + 1):
        span = lengths[index : index + bars]
        has_melody = np.searchsorted(melody_onsets, lines[index]) < np.searchsorted(
            melody_onsets, lines[index + 1]
        )
        if has_melody and (span == span[0]).all():
            return int(lines[index]), int(span[0])
    return None


def transposed(notes: NoteArray, semitones: int, *, from_tick: int = 0) -> NoteArray:
    """Notes that begin at or after ``from_tick`` moved in pitch; what leaves 0–127 is left out."""
    is_moved = notes.onset_ticks >= from_tick
    pitch = notes.pitch.astype(np.int64) + np.where(is_moved, semitones, 0)
    kept = (pitch >= 0) & (pitch < 128)
    moved = NoteArray(
        notes.onset_ticks,
        notes.duration_ticks,
        pitch.clip(0, 127).astype(np.uint8),
        notes.velocity,
        notes.channel,
    )
    return moved.take(kept)


def tritone_melody(excerpt: Excerpt, change_bar: int) -> NoteArray:
    """The melody, a tritone away from a bar on: up or down, whichever stays nearer to F#4."""
    mean = float(excerpt.melody.pitch.mean())
    return transposed(
        excerpt.melody, TRITONE if mean < 66 else -TRITONE, from_tick=change_bar * excerpt.bar_ticks
    )


def other_accompaniments(index: int, songs: Sequence[Excerpt], seed: int) -> list[NoteArray]:
    """Accompaniments of other songs of the same metre, bar by bar, moved to this song's key.

    Songs of the same mode come first; songs of the other mode are moved to the relative key. The shift is
    the shorter way round.
    """
    here = songs[index]
    key = here.key
    others = [s for i, s in enumerate(songs) if i != index and s.bar_ticks == here.bar_ticks]
    order = np.random.default_rng([seed, index]).permutation(len(others))
    chosen = sorted((others[i] for i in order), key=lambda other: other.key.is_minor != key.is_minor)
    return [
        transposed(other.accompaniment, (key.relative_major - other.key.relative_major + 6) % 12 - 6)
        for other in chosen[:N_OTHERS]
    ]


def figures(excerpt: Excerpt, accompaniment: NoteArray) -> Figures:
    """All figures of one accompaniment of an excerpt; NaN where one has no meaning."""
    end = excerpt.until_tick
    fit = harmony(excerpt.melody, accompaniment, until_tick=end)
    played = texture(accompaniment, excerpt.grid, 0, end)
    gap = distance(played, texture(excerpt.accompaniment, excerpt.grid, 0, end))
    values = (
        fit.consonance_rate, fit.unsupported_rate, fit.note_in_chord,
        chord_tone_rate(accompaniment, excerpt.chords),
        gap.pitch_class_jsd, gap.onset_jsd, gap.density, gap.register, gap.overall,
        played.density, played.pitch_mean, played.pitch_spread, played.polyphony,
    )  # fmt: skip
    return dict(zip(FIGURES, values, strict=True))


def other_song_figures(index: int, songs: Sequence[Excerpt], seed: int) -> Figures:
    """Figures of other songs' accompaniments for this song, averaged; NaN where no song has its metre."""
    return mean_figures([figures(songs[index], notes) for notes in other_accompaniments(index, songs, seed)])


def mean_figures(several: Sequence[Figures]) -> Figures:
    """Figures of several accompaniments of one excerpt, averaged; NaN where none has one."""
    names = several[0] if several else FIGURES
    return {name: _mean([one[name] for one in several]) for name in names}


def each_song(
    songs: Sequence[Excerpt], played: Sequence[_Played], figures_of: Callable[[Excerpt, _Played], Figures]
) -> list[Figures]:
    """Figures of every song, averaged over its performances.

    Args:
        songs: The excerpts.
        played: Performances of every song, then of every song again, and so on.
        figures_of: Figures of one performance of a song.
    """
    return [
        mean_figures([figures_of(song, one) for one in played[i :: len(songs)]])
        for i, song in enumerate(songs)
    ]


def summary(
    rows: Mapping[str, Sequence[Figures]], seed: int, names: Sequence[str] = FIGURES
) -> dict[str, dict[str, Any]]:
    """Mean and 95 % interval over songs of figures of every row."""
    return {
        row: {name: interval_json(bootstrap_mean([f[name] for f in songs], seed=seed)) for name in names}
        for row, songs in rows.items()
    }


def verdicts(rows: Mapping[str, Sequence[Figures]], seed: int) -> dict[str, Any]:
    """Where the partner beats the rows it must beat, by intervals that do not overlap.

    For each row and figure: ``beats`` (better mean and no overlap), ``difference`` (mean and interval of
    partner minus row over the same songs, the sharper test) and ``beats_paired`` (that interval is on the
    right side of 0).
    """
    found: dict[str, Any] = {}
    for row, names in MUST_BEAT.items():
        if row in rows:
            found[row] = {name: _verdict(rows["partner"], rows[row], name, seed) for name in names}
    harmonic = [
        found[r][n]["beats"] for r in ("other_song", "deaf") if r in found for n in HIGHER_IS_BETTER[:2]
    ]
    close = [found[r]["distance"]["beats"] for r in MUST_BEAT if r in found]
    return {**found, "listens": bool(harmonic) and all(harmonic), "is_close": bool(close) and all(close)}


def _verdict(partner: Sequence[Figures], other: Sequence[Figures], name: str, seed: int) -> dict[str, Any]:
    mine, theirs = (np.array([f[name] for f in row]) for row in (partner, other))
    sign = 1.0 if name in HIGHER_IS_BETTER else -1.0
    a, b = bootstrap_mean(mine, seed=seed), bootstrap_mean(theirs, seed=seed + 1)
    difference = bootstrap_mean(mine - theirs, seed=seed)
    edge = difference.low if sign > 0 else -difference.high
    return {
        "beats": bool(sign * (a.mean - b.mean) > 0 and not intervals_overlap(a, b)),
        "beats_paired": bool(edge > 0),
        "difference": interval_json(difference),
    }


def pooled_divergences(songs: Sequence[Excerpt], played: Sequence[NoteArray], seed: int) -> dict[str, Any]:
    """Divergences of all songs' pooled pitch classes and onset positions to the pooled truth."""
    mine = [_texture(song, notes) for song, notes in zip(songs, played, strict=True)]
    truth = [_texture(song, song.accompaniment) for song in songs]
    found = {}
    for name, of in (("pitch_class_jsd", "pitch_classes"), ("onset_jsd", "positions")):
        a, b = (np.stack([getattr(t, of) for t in textures]) for textures in (mine, truth))

        def divergence(
            pick: NDArray[np.intp], a: NDArray[np.float64] = a, b: NDArray[np.float64] = b
        ) -> float:
            return jensen_shannon(a[pick].sum(axis=0), b[pick].sum(axis=0))

        found[name] = interval_json(bootstrap(len(songs), divergence, seed=seed, n_resamples=1000))
    return found


def adaptation(
    songs: Sequence[Excerpt], changed: Sequence[NoteArray], unchanged: Sequence[NoteArray], change_bar: int
) -> dict[str, Any]:
    """Consonance bar by bar around a change of the melody by a tritone, averaged over songs.

    Args:
        songs: The excerpts.
        changed: What the partner played to the melody that changes.
        unchanged: What it played to the melody as it is.
        change_bar: Bar of the change.

    Returns:
        ``bars`` (0 is the bar of the change), and over them ``consonance``, ``untransposed`` (the melody as
        it is, for comparison) and ``unadapted`` (the changed melody over what was played to the
        unchanged one: not listening at all); ``reference`` (mean before the change) and
        ``bars_to_recover``, None when it never does.
    """
    curves: dict[str, list[NDArray[np.float64]]] = {"consonance": [], "untransposed": [], "unadapted": []}
    for song, to_change, to_same in zip(songs, changed, unchanged, strict=True):
        lines = song.grid.lines(0, song.until_tick)
        moved = tritone_melody(song, change_bar)
        curves["consonance"].append(consonance_by_bar(moved, to_change, lines))
        curves["untransposed"].append(consonance_by_bar(song.melody, to_same, lines))
        curves["unadapted"].append(consonance_by_bar(moved, to_same, lines))
    means = {name: [_mean(bar) for bar in np.stack(table).T] for name, table in curves.items()}
    curve = np.array(means["consonance"])
    return {
        "bars": list(range(-change_bar, len(curve) - change_bar)),
        **{name: [_number(value) for value in values] for name, values in means.items()},
        "reference": _number(_mean(curve[:change_bar])),
        "bars_to_recover": bars_to_recover(curve, change_bar),
        "songs": len(songs),
    }


def _texture(song: Excerpt, notes: NoteArray) -> Texture:
    return texture(notes, song.grid, 0, song.until_tick)


def _moved(notes: NoteArray, ticks: int) -> NoteArray:
    return notes.with_ticks(notes.onset_ticks + ticks, notes.duration_ticks)


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def interval_json(interval: Interval) -> dict[str, float | None]:
    """An interval as JSON, to five places; None where it is not known."""
    return {"mean": _number(interval.mean), "low": _number(interval.low), "high": _number(interval.high)}
