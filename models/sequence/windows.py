"""Training windows: a stretch of a song as event rows, with roles, key and lag drawn anew each time.

What the partner will meet on stage is drawn here: who plays which part, in which key, and how late
the partner hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midi.corpus import Corpus, Song, song_events
from midi.events import (
    DRUMS,
    GRID_PER_BEAT,
    MAX_BAR_TICKS,
    OPEN_DURATION,
    PIANO,
    Events,
    Field,
    Interplay,
    Role,
    Rows,
    bar_events,
    encode,
    release_events,
    sort_events,
    start_row,
)

INTERPLAY = {
    "accompany": Interplay.ACCOMPANY,
    "reverse": Interplay.LEAD,
    "dialogue": Interplay.TURNS,
}
"""What the START row says of each kind of window."""

MAX_WRONG = 0.5
"""Largest share of the partner's own notes that it misreads (see :func:`misread`)."""

WRONG_KEY = 0.5
"""Chance that a stretch of the partner's own past is misread in another key."""

WRONG_LENGTHS = 0.5
"""Chance that the partner misreads the lengths of its own notes over a stretch."""

SHORTEST_READ, LONGEST_READ = -12, 4
"""By how many steps of the vocabulary (about five an octave) such a stretch is misread at most."""

DOUBLINGS = (-12, -5, -4, -3, 3, 4, 5, 7, 8, 9, 12)
"""Intervals in semitones at which an overplaying partner thickens its chords."""

AGAIN_TICKS = (GRID_PER_BEAT // 4, GRID_PER_BEAT // 2, GRID_PER_BEAT)
"""Distances in grid ticks at which it strikes its chords again."""

HOP_BARS = 8
"""Distance between the places of a song at which windows may open."""


@dataclass(frozen=True)
class RoleMix:
    """How often a window is what.

    Attributes:
        accompany: The lead part is the human's, the others are the partner's.
        reverse: The lead part is the partner's, the others are the human's.
        dialogue: The lead part alone, human and partner taking turns of two or four bars.
        silence: Share of the windows without dialogue in which the human rests for a stretch of bars.
        leave_out: Chance of each smaller accompanying part to be left out, so that the partner can
            also play without it.
        keep: Given where a model is told its parts (see :func:`midi.events.start_row`): chance of the piano,
            and of each other accompanying instrument, to play, whatever its size; at least one does. Then
            ``leave_out`` counts for nothing.
        both_hands: With ``keep``, share of the accompanied windows in which the human plays the piano too,
            so that the partner also learns to join a whole piano as bass, drums or strings.
    """

    accompany: float = 0.75
    reverse: float = 0.1
    dialogue: float = 0.15
    silence: float = 0.1
    leave_out: float = 0.5
    keep: tuple[float, float] | None = None
    both_hands: float = 0.0


BAND = RoleMix(keep=(0.75, 0.4), both_hands=0.2)
"""For a model that is told its parts. Windows of few parts stay frequent: they hold more bars."""


@dataclass(frozen=True)
class WindowConfig:
    """How windows are drawn.

    Attributes:
        rows: Rows of a window, START included; shorter ones are padded.
        transpose: Largest transposition either way in semitones.
        max_lag_ticks: Longest delay of human rows in grid ticks.
        prompt: Share of windows without any lag.
        uneven: Share of the other windows in which the lag varies from note to note, as it does when
            the model is asked again while it still thinks.
        noise: Share of windows in which the partner misreads its own past, see :func:`misread`.
        overplay: Share of windows in which the partner has played too much, see :func:`overplay`.
        roles: Mix of roles.
    """

    rows: int = 512
    transpose: int = 6
    max_lag_ticks: int = GRID_PER_BEAT
    prompt: float = 0.25
    uneven: float = 0.5
    noise: float = 0.9
    overplay: float = 0.35
    roles: RoleMix = RoleMix()


@dataclass(frozen=True)
class Place:
    """Where a window opens: a song and the stream tick of one of its bar lines."""

    song: Song
    from_tick: int


def places(corpus: Corpus, split: str) -> list[Place]:
    """Every eighth bar line of every song of a split, from the bar of its first note."""
    found = []
    for song in corpus.split(split):
        onsets = corpus.notes(song)["onset_ticks"]
        first = int(song.grid.start_and_length(int(onsets[0]))[0])
        lines = song.grid.lines(first, int(onsets[-1]) + 1)
        found += [Place(song, tick) for tick, _ in lines[::HOP_BARS]]
    return found


@dataclass(frozen=True)
class Draw:
    """What chance decided about one window; the defaults decide nothing by chance.

    Attributes:
        kind: ``accompany``, ``reverse`` or ``dialogue`` (see :class:`RoleMix`).
        lag_ticks: Delay of human rows.
        jitter_ticks: Each human row's lag is shortened by up to this much.
        transpose: Semitones.
        leave_out: Chance of each smaller accompanying part to be left out.
        keep: See :class:`RoleMix`.
        instruments: Accompanying instrument classes that play; none means that chance, or nobody, decides.
            A song that has none of them keeps what it has.
        both_hands: Whether the human plays the piano too.
        silence: Whether the human rests for a stretch.
        overplay: Whether the partner plays too much for a stretch.
    """

    kind: str = "accompany"
    lag_ticks: int = 0
    jitter_ticks: int = 0
    transpose: int = 0
    leave_out: float = 0.0
    keep: tuple[float, float] | None = None
    instruments: tuple[int, ...] = ()
    both_hands: bool = False
    silence: bool = False
    overplay: bool = False


def draw_window(
    corpus: Corpus, place: Place, config: WindowConfig, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """A window with roles, transposition, lag, first bar and the partner's mistakes drawn at random.

    Returns:
        What is to be predicted and what is read meanwhile, both ``[rows, fields]``. They differ where the
        partner misreads itself; rows that only are read stand as PAD rows among those to be predicted.
    """
    roles = config.roles
    lag = 0 if rng.random() < config.prompt else int(rng.integers(1, config.max_lag_ticks + 1))
    kinds = ("accompany", "reverse", "dialogue")
    draw = Draw(
        kind=str(rng.choice(kinds, p=np.array([roles.accompany, roles.reverse, roles.dialogue]))),
        lag_ticks=lag,
        jitter_ticks=int(rng.integers(0, lag + 1)) if rng.random() < config.uneven else 0,
        transpose=int(rng.integers(-config.transpose, config.transpose + 1)),
        leave_out=roles.leave_out,
        keep=roles.keep,
        both_hands=roles.both_hands > 0 and bool(rng.random() < roles.both_hands),
        silence=bool(rng.random() < roles.silence),
        overplay=bool(rng.random() < config.overplay),
    )
    lines = place.song.grid.lines(place.from_tick, place.from_tick + HOP_BARS * MAX_BAR_TICKS)[:HOP_BARS]
    from_tick = lines[int(rng.integers(len(lines)))][0]
    read, is_overplayed = _window(corpus, Place(place.song, from_tick), config.rows, draw, rng)
    predicted = read.copy()
    predicted[is_overplayed] = 0
    return predicted, misread(read, rng) if rng.random() < config.noise else read


def window(
    corpus: Corpus,
    place: Place,
    n_rows: int,
    draw: Draw | None = None,
    rng: np.random.Generator | None = None,
) -> Rows:
    """One window, int16 ``[n_rows, fields]``, padded with PAD rows where the song ends."""
    return _window(corpus, place, n_rows, draw or Draw(), rng or np.random.default_rng(0))[0]


def _window(
    corpus: Corpus, place: Place, n_rows: int, draw: Draw, rng: np.random.Generator
) -> tuple[Rows, NDArray[np.bool_]]:
    """One window, and which of its rows the partner played too much, ``[n_rows]``."""
    song = place.song
    notes = corpus.notes(song)
    # Every row but bar lines and releases is a note; what a rest takes away makes room for as many again.
    notes = notes[int(np.searchsorted(notes["onset_ticks"], place.from_tick)) :]
    human, partner = _cast(song, draw, rng)
    notes = notes[np.isin(notes["part"], list(human | partner))][: 2 * n_rows]
    events = song_events(notes, song, human, transpose=draw.transpose)
    if draw.kind == "dialogue":
        events = _take_turns(events, song, rng)
    elif draw.silence:
        events = _rest(events, song, rng)
    events = _delay(events, draw, rng)
    last = int(events["ticks"].max()) + 1 if len(events) else place.from_tick + 1
    bars = bar_events(song.grid, place.from_tick, last)
    added = overplay(events, rng) if draw.overplay else events[:0]
    ordered = sort_events(np.concatenate([events, bars, added[added["ticks"] < last]]))
    is_added = (ordered["role"] == Role.PARTNER) & np.isin(_keys(ordered), _keys(added))
    rows = encode(ordered, song.grid, place.from_tick)
    shown = rows[: n_rows - 1]
    parts = np.unique(shown[shown[:, Field.ROLE] == Role.PARTNER, Field.INSTRUMENT]).tolist()
    opening = start_row(song.grid, place.from_tick, INTERPLAY[draw.kind], parts)
    rows = np.concatenate([opening, rows])[:n_rows]
    is_added = np.concatenate([np.zeros(len(opening), dtype=bool), is_added])[:n_rows]
    full = np.zeros((n_rows, len(Field)), dtype=np.int16)
    full[: len(rows)] = rows
    return full, np.concatenate([is_added, np.zeros(n_rows - len(is_added), dtype=bool)])


def _cast(song: Song, draw: Draw, rng: np.random.Generator) -> tuple[set[int], set[int]]:
    """Parts of the human, and of the partner, as :class:`Draw` says; those left out are in neither."""
    lead = {song.lead}
    if draw.kind == "dialogue":
        return lead, set()
    others = [i for i in range(len(song.parts)) if i != song.lead]
    if draw.instruments or draw.keep:
        return _band(song, others, draw, rng)
    others.sort(key=lambda i: -song.parts[i].notes)
    playing = {*others[:1], *(i for i in others[1:] if rng.random() >= draw.leave_out)}
    return (playing, lead) if draw.kind == "reverse" else (lead, playing)


def _band(song: Song, others: list[int], draw: Draw, rng: np.random.Generator) -> tuple[set[int], set[int]]:
    """The cast where parts are chosen by instrument class."""
    classes = sorted({song.parts[i].instrument for i in others})
    if draw.kind == "reverse":
        # A person at one keyboard: the piano where there is one, never the whole band.
        return {i for i in others if song.parts[i].instrument == classes[0]}, {song.lead}
    human = {song.lead}
    if draw.both_hands and len(classes) > 1 and classes[0] == PIANO:
        human |= {i for i in others if song.parts[i].instrument == PIANO}
        classes = classes[1:]
    playing = [k for k in classes if k in draw.instruments] or classes
    if draw.keep:
        playing = _kept(classes, draw.keep, rng)
    return human, {i for i in others if song.parts[i].instrument in playing} - human


def _kept(classes: list[int], keep: tuple[float, float], rng: np.random.Generator) -> list[int]:
    """A random choice of instrument classes, at least one where there is one; see :class:`RoleMix`."""
    chances = np.array([keep[0] if instrument == PIANO else keep[1] for instrument in classes])
    is_kept = rng.random(len(classes)) < chances
    if len(classes) and not is_kept.any():
        is_kept[rng.choice(len(classes), p=chances / chances.sum())] = True
    return [instrument for instrument, kept in zip(classes, is_kept, strict=True) if kept]


def _delay(events: Events, draw: Draw, rng: np.random.Generator) -> Events:
    """Delay the human's events by the lag less a random share of the jitter, their order kept."""
    is_human = events["role"] != Role.PARTNER
    onsets = events["onset_ticks"][is_human]
    order = np.argsort(onsets, kind="stable")
    lag = draw.lag_ticks - rng.integers(0, draw.jitter_ticks + 1, len(onsets))
    ticks = np.empty_like(onsets)
    ticks[order] = np.maximum.accumulate((onsets + lag)[order]) if len(onsets) else onsets
    events["ticks"][is_human] = ticks
    return events


def _take_turns(events: Events, song: Song, rng: np.random.Generator) -> Events:
    """Give every other phrase of two or four bars to the partner."""
    first_bar, bar_ticks = song.bars[0]
    phrase_ticks = int(rng.choice([2, 4])) * bar_ticks
    turn = ((events["onset_ticks"] - first_bar) // phrase_ticks + int(rng.integers(2))) % 2
    is_given = (turn == 1) & (events["role"] == Role.HUMAN)
    events["role"] = np.where(is_given, Role.PARTNER, events["role"])
    return _with_releases(events)


def _rest(events: Events, song: Song, rng: np.random.Generator) -> Events:
    """Silence the human for four to sixteen bars somewhere in the window."""
    bar_ticks = song.bars[0][1]
    span = int(rng.integers(4, 17)) * bar_ticks
    if len(events) == 0:
        return events
    low, high = int(events["onset_ticks"].min()), int(events["onset_ticks"].max())
    start = int(rng.integers(low, high + 1))
    is_resting = (events["onset_ticks"] >= start) & (events["onset_ticks"] < start + span)
    return _with_releases(events[~(is_resting & (events["role"] == Role.HUMAN))])


def _with_releases(events: Events) -> Events:
    """The notes, and the releases of those that are the human's; no release without its note."""
    notes = events[events["role"] != Role.RELEASE]
    return np.concatenate([notes, release_events(notes[notes["role"] == Role.HUMAN])])


def misread(rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows as a partner reads them whose own past has gone wrong; what is to be predicted stays.

    Taught with its true past alone, a partner finds the harmony there and hardly listens; on stage its past
    is its own invention, and it drifts. Here a random share of its notes is off by up to a fifth, often a
    whole stretch stands in a wrong key, so that the human's notes are what can be relied on, and often
    the notes of a stretch are shorter or longer than they were, so that a short chord is no reason for
    the next.
    """
    read = rows.copy()
    pitch = read[:, Field.PITCH]
    is_own = (read[:, Field.ROLE] == Role.PARTNER) & (pitch < 128)
    is_wrong = is_own & (rng.random(len(rows)) < rng.uniform(0, MAX_WRONG))
    shift = np.where(is_wrong, rng.integers(1, 8, len(rows)) * rng.choice([-1, 1], len(rows)), 0)
    if rng.random() < WRONG_KEY:
        shift[_stretch(len(rows), rng)] += int(rng.choice([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6]))
    read[:, Field.PITCH] = np.where(is_own, np.clip(pitch + shift, 0, 127), pitch)
    if rng.random() < WRONG_LENGTHS:
        steps = np.zeros(len(rows), dtype=np.int64)
        where = _stretch(len(rows), rng)
        steps[where] = rng.integers(SHORTEST_READ, LONGEST_READ + 1)
        steps[where] += rng.integers(-1, 2, len(steps[where]))
        length = np.clip(read[:, Field.DURATION] + steps, 0, OPEN_DURATION - 1)
        read[:, Field.DURATION] = np.where(is_own, length, read[:, Field.DURATION])
    return read


def _stretch(n_rows: int, rng: np.random.Generator) -> slice:
    start = int(rng.integers(n_rows))
    return slice(start, start + int(rng.integers(32, 257)))


def overplay(events: Events, rng: np.random.Generator) -> Events:
    """Notes that a partner adds who plays too much: thicker chords, more of them, or both.

    What it has played it does again (the runaway of a model that reads itself), so it is shown where that
    leads and how the song goes on instead: the notes added are read and never to be predicted.

    Args:
        events: Of a window.
        rng: Chooses the stretch, the chords and their notes.

    Returns:
        Partner events, none of the pitch, instrument and tick of one that is there.
    """
    own: Events = events[(events["role"] == Role.PARTNER) & (events["instrument"] != DRUMS)]
    if len(own) == 0:
        return own
    start = int(rng.choice(own["ticks"][: len(own) // 2 + 1]))
    until = start + int(rng.integers(2, 13)) * 4 * GRID_PER_BEAT
    own = own[(own["ticks"] >= start) & (own["ticks"] < until)]
    again = _struck_again(own, until, rng) if rng.random() < 0.5 else own[:0]
    thickened = np.concatenate([own, again])
    thicker = np.repeat(thickened, rng.integers(0, int(rng.integers(1, 4)) + 1, len(thickened)))
    thicker["pitch"] += rng.choice(DOUBLINGS, len(thicker)).astype(np.int16)
    added = np.concatenate([again, thicker[(thicker["pitch"] >= 0) & (thicker["pitch"] < 128)]])
    fresh: Events = added[~np.isin(_keys(added), _keys(own))]
    return fresh


def _struck_again(own: Events, until_tick: int, rng: np.random.Generator) -> Events:
    """Copies of chords, short and at even distances, where the partner did not play; some are left out."""
    step = int(rng.choice(AGAIN_TICKS))
    struck = np.unique(own["ticks"])
    if len(struck) == 0:
        return own
    between = np.setdiff1d(np.arange(struck[0], until_tick, step), struck)
    between = between[rng.random(len(between)) < rng.uniform(0.3, 1.0)]
    latest = struck[np.searchsorted(struck, between) - 1]
    copies = [own[own["ticks"] == chord] for chord in latest]
    found: Events = np.concatenate([*copies, own[:0]])
    found["ticks"] = found["onset_ticks"] = np.repeat(between, [len(copy) for copy in copies])
    found["duration_ticks"] = np.minimum(found["duration_ticks"], step)
    return found


def _keys(events: Events) -> NDArray[np.int64]:
    """One number for tick, instrument and pitch of each event."""
    place = events["ticks"].astype(np.int64) * 64 + events["instrument"]
    keys: NDArray[np.int64] = place * 128 + events["pitch"]
    return keys
