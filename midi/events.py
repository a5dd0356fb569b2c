"""Event rows: the one alphabet in which music is learned and played.

One row is one event and one step of the sequence model: a bar line, a note of the human, the
release of a long human note, or a note of the partner. Rows are integers in fixed columns; every
column has its own small vocabulary (an ordered list of meanings), so there is no big one.

*Stream time* orders the rows. A partner's note stands at its onset. A human's note stands where it
becomes known to the partner, which live is the commit frontier: a fixed *lag* after its onset. The
``POSITION`` column still tells the true onset within the bar, so the model knows how old the news is.

Time is on a grid of 24 ticks a beat; the micro-timing of a performance stays in the take.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midi.bars import GRID_PER_BEAT, MAX_BAR_TICKS, BarGrid
from midi.instruments import (
    CLASS_PROGRAMS,
    DRUM_HIGH,
    DRUM_LOW,
    DRUMS,
    INSTRUMENT_NAMES,
    N_INSTRUMENTS,
    PIANO,
    drum_pitch,
    instrument_class,
    parts_mask,
)
from midi.note import DRUM_CHANNEL, NoteArray, Part, Score

__all__ = [
    "CLASS_PROGRAMS", "DRUMS", "DRUM_HIGH", "DRUM_LOW", "DURATION_TICKS", "EVENT_DTYPE", "FIELD_SIZES",
    "GRID_PER_BEAT", "INSTRUMENT_NAMES", "LONG_NOTE_TICKS", "MAX_BAR_TICKS", "NO_DURATION",
    "NO_INSTRUMENT", "NO_PITCH", "NO_VELOCITY", "N_INSTRUMENTS", "OPEN_DURATION", "PIANO", "PREDICTED",
    "VELOCITY_STEP", "BarGrid", "Events", "Field", "Interplay", "Role", "Rows",
    "bar_events", "close_human_notes", "decode", "drum_pitch", "duration_bin", "encode", "events_score",
    "instrument_class", "note_events", "release_events", "score_events", "sort_events", "start_row",
    "untold", "velocity_of_bin", "vocabulary_hash",
]  # fmt: skip

LONG_NOTE_TICKS = GRID_PER_BEAT
"""A human note held longer than this gets a release row."""


class Role(IntEnum):
    """What a row is; the order is also the order of rows at the same stream tick."""

    PAD = 0
    START = 1
    BAR = 2
    RELEASE = 3
    HUMAN = 4
    PARTNER = 5


class Field(IntEnum):
    """Columns of a row: the six that the model predicts, in that order, then two that follow from them.

    POSITION is the onset's place in its bar. CLOCK is the stream tick's place in its bar; the two
    differ by the lag.
    """

    DELTA = 0
    ROLE = 1
    INSTRUMENT = 2
    PITCH = 3
    DURATION = 4
    VELOCITY = 5
    POSITION = 6
    CLOCK = 7


DURATION_TICKS = np.array(
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 22, 24, 30, 36, 42, 48, 60, 72, 84, 96,
     120, 144, 168, 192, 240, 288, 384],
    dtype=np.int64,
)  # fmt: skip
"""The 32 durations of the vocabulary: exact for short ones, then about five an octave."""

OPEN_DURATION = len(DURATION_TICKS)
"""Duration of a human note: not known while it sounds."""

VELOCITY_STEP = 8
NO_INSTRUMENT = N_INSTRUMENTS
NO_PITCH = 128 + DRUM_HIGH - DRUM_LOW + 1
NO_DURATION = OPEN_DURATION + 1
NO_VELOCITY = 128 // VELOCITY_STEP

FIELD_SIZES: tuple[int, ...] = (
    MAX_BAR_TICKS + 1,
    len(Role),
    NO_INSTRUMENT + 1,
    NO_PITCH + 1,
    NO_DURATION + 1,
    NO_VELOCITY + 1,
    MAX_BAR_TICKS + 1,
    MAX_BAR_TICKS + 1,
)
"""Vocabulary size of every column."""

PREDICTED = (Field.DELTA, Field.ROLE, Field.INSTRUMENT, Field.PITCH, Field.DURATION, Field.VELOCITY)
"""Columns that have a head, in sampling order."""


class Interplay(IntEnum):
    """How human and partner relate; told by the duration column of the START row.

    Without it a partner that has been silent while a melody sounds cannot know whether it is late
    with the accompaniment or waiting for its turn.
    """

    ACCOMPANY = NO_DURATION
    LEAD = 0
    TURNS = 1


EVENT_DTYPE = np.dtype(
    [
        ("ticks", np.int32),  # stream time
        ("role", np.int8),
        ("instrument", np.int8),
        ("pitch", np.int16),  # MIDI pitch 0-127, for drums too
        ("duration_ticks", np.int32),
        ("velocity", np.int16),
        ("onset_ticks", np.int32),
    ]
)
"""An event before it becomes a row; bar lines carry the bar's length as duration."""

Events = NDArray[np.void]
Rows = NDArray[np.int16]


def vocabulary_hash() -> str:
    """Digest of everything that gives a row its meaning; bundles carry it and loading compares it."""
    text = repr(
        (
            "rows-3", GRID_PER_BEAT, LONG_NOTE_TICKS, FIELD_SIZES, DURATION_TICKS.tolist(), VELOCITY_STEP,
            [role.name for role in Role], [field.name for field in Field], INSTRUMENT_NAMES, DRUM_LOW,
            [(interplay.name, int(interplay)) for interplay in Interplay],
        )
    )  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def note_events(notes: NoteArray, ppq: int, role: Role, instrument: int, *, lag_ticks: int = 0) -> Events:
    """Events of one part's notes, unsorted. ``lag_ticks`` delays the stream time (human only)."""
    if instrument == DRUMS:
        mapped = np.array([drum_pitch(int(p)) or 0 for p in notes.pitch], dtype=np.int16)
        notes, pitch = notes.take(mapped > 0), mapped[mapped > 0]
    else:
        pitch = notes.pitch.astype(np.int16)
    onset = np.round(notes.onset_ticks * (GRID_PER_BEAT / ppq)).astype(np.int64)
    end = np.round((notes.onset_ticks + notes.duration_ticks) * (GRID_PER_BEAT / ppq)).astype(np.int64)
    events = np.zeros(len(pitch), dtype=EVENT_DTYPE)
    events["onset_ticks"] = onset
    events["ticks"] = onset + lag_ticks
    events["role"] = role
    events["instrument"] = instrument
    events["pitch"] = pitch
    events["duration_ticks"] = np.maximum(end - onset, 1)
    events["velocity"] = notes.velocity
    return events


def release_events(human: Events) -> Events:
    """Release events of the long notes among human note events; their lag is kept."""
    long = human[human["duration_ticks"] > LONG_NOTE_TICKS].copy()
    lag = long["ticks"] - long["onset_ticks"]
    long["onset_ticks"] += long["duration_ticks"]
    long["ticks"] = long["onset_ticks"] + lag
    long["role"] = Role.RELEASE
    return long


def bar_events(grid: BarGrid, from_tick: int, to_tick: int) -> Events:
    """Bar line events in ``[from_tick, to_tick)``."""
    lines = grid.lines(from_tick, to_tick)
    events = np.zeros(len(lines), dtype=EVENT_DTYPE)
    events["ticks"] = events["onset_ticks"] = [tick for tick, _ in lines]
    events["duration_ticks"] = [length for _, length in lines]
    events["role"] = Role.BAR
    return events


def sort_events(events: Events) -> Events:
    """Canonical order with doubles removed, the same for the same events in any order.

    Sorted by stream tick, role, instrument, pitch and onset. Of several events alike in the first four,
    the one of earliest onset, longest duration and highest velocity is kept.
    """
    names = ("onset_ticks", "pitch", "instrument", "role", "ticks")
    keys = (-events["velocity"], -events["duration_ticks"], *(events[name] for name in names))
    ordered: Events = events[np.lexsort(keys)]
    is_first = np.zeros(len(ordered), dtype=bool)
    is_first[:1] = True
    for name in ("ticks", "role", "instrument", "pitch"):
        is_first[1:] |= ordered[name][1:] != ordered[name][:-1]
    unique: Events = ordered[is_first]
    return unique


def duration_bin(duration_ticks: ArrayLike) -> NDArray[np.int64]:
    """Index of the nearest vocabulary duration (by ratio); shape is kept."""
    edges = np.sqrt(DURATION_TICKS[:-1] * DURATION_TICKS[1:])
    return np.searchsorted(edges, np.asarray(duration_ticks, dtype=np.float64))


def velocity_of_bin(index: ArrayLike) -> NDArray[np.int64]:
    """Velocity 1–127 in the middle of a velocity bin."""
    return np.asarray(index, dtype=np.int64) * VELOCITY_STEP + VELOCITY_STEP // 2


def start_row(
    grid: BarGrid,
    tick: int,
    interplay: Interplay = Interplay.ACCOMPANY,
    instruments: Iterable[int] = (),
) -> Rows:
    """The row that opens a context at ``tick``; shape ``[1, fields]``.

    Args:
        grid: Bar lines.
        tick: Stream tick of the row.
        interplay: How human and partner relate.
        instruments: Instrument classes of the partner's parts. The instrument column tells a sole one, the
            pitch column the families of all (see :func:`midi.instruments.parts_mask`). None tells nothing.
    """
    parts = sorted({int(instrument) for instrument in instruments})
    sole = parts[0] if len(parts) == 1 else NO_INSTRUMENT
    mask = parts_mask(parts) if parts else NO_PITCH
    start, _ = grid.start_and_length(tick)
    at = min(tick - int(start), MAX_BAR_TICKS)
    fields = [0, Role.START, sole, mask, interplay, NO_VELOCITY, at, at]
    return np.array([fields], dtype=np.int16)


def untold(rows: Rows) -> Rows:
    """Rows for a model that knows no parts: their START rows tell none. A copy where one did."""
    tells = (rows[..., Field.ROLE] == Role.START) & (rows[..., Field.PITCH] != NO_PITCH)
    if not tells.any():
        return rows
    plain = rows.copy()
    plain[tells, Field.PITCH] = NO_PITCH
    return plain


def encode(events: Events, grid: BarGrid, from_tick: int) -> Rows:
    """Sorted events as rows, without the START row.

    Args:
        events: In canonical order, bar lines included, no step longer than ``MAX_BAR_TICKS``.
        grid: Bar lines.
        from_tick: Stream tick of the row before the first.

    Returns:
        int16 array ``[events, fields]``. A row depends only on its event and on the stream tick of
        the event before it, so encoding piece by piece gives the same rows as encoding at once.
    """
    rows = np.empty((len(events), len(Field)), dtype=np.int16)
    role = events["role"]
    is_note = (role == Role.HUMAN) | (role == Role.PARTNER)
    has_pitch = is_note | (role == Role.RELEASE)
    delta = np.diff(events["ticks"], prepend=from_tick)
    rows[:, Field.DELTA] = np.clip(delta, 0, MAX_BAR_TICKS)
    rows[:, Field.ROLE] = role
    rows[:, Field.INSTRUMENT] = np.where(has_pitch, events["instrument"], NO_INSTRUMENT)
    pitch = np.where(events["instrument"] == DRUMS, events["pitch"] - DRUM_LOW + 128, events["pitch"])
    rows[:, Field.PITCH] = np.where(has_pitch, pitch, NO_PITCH)
    duration = np.where(
        role == Role.HUMAN, OPEN_DURATION, duration_bin(np.maximum(events["duration_ticks"], 1))
    )
    rows[:, Field.DURATION] = np.where(role == Role.RELEASE, NO_DURATION, duration)
    rows[:, Field.VELOCITY] = np.where(is_note, events["velocity"] // VELOCITY_STEP, NO_VELOCITY)
    for column, ticks in ((Field.POSITION, events["onset_ticks"]), (Field.CLOCK, events["ticks"])):
        rows[:, column] = np.minimum(ticks - grid.start_and_length(ticks)[0], MAX_BAR_TICKS)
    return rows


def decode(rows: Rows, grid: BarGrid, from_tick: int) -> Events:
    """Events of rows, one a row; what the vocabulary cannot tell is rounded to its bin.

    Human durations are open in rows and 0 here; :func:`close_human_notes` ends them. The onset of a human
    event is found within the bar in which it became known or the one before, so the lag must be shorter
    than a bar.

    Args:
        rows: int16 ``[rows, fields]``.
        grid: Bar lines.
        from_tick: Stream tick of the row before the first.
    """
    columns = rows.astype(np.int64)
    role = columns[:, Field.ROLE]
    is_note = (role == Role.HUMAN) | (role == Role.PARTNER)
    has_pitch = is_note | (role == Role.RELEASE)
    events = np.zeros(len(rows), dtype=EVENT_DTYPE)
    events["ticks"] = from_tick + np.cumsum(columns[:, Field.DELTA])
    events["role"] = role
    events["instrument"] = np.where(has_pitch, columns[:, Field.INSTRUMENT], 0)
    is_drum = columns[:, Field.INSTRUMENT] == DRUMS
    pitch = columns[:, Field.PITCH] - np.where(is_drum, 128 - DRUM_LOW, 0)
    events["pitch"] = np.where(has_pitch, pitch, 0)
    events["duration_ticks"] = np.append(DURATION_TICKS, [0, 0])[columns[:, Field.DURATION]]
    events["velocity"] = np.where(is_note, velocity_of_bin(columns[:, Field.VELOCITY]), 0)
    is_human = (role == Role.HUMAN) | (role == Role.RELEASE)
    ticks = events["ticks"].astype(np.int64)
    events["onset_ticks"] = np.where(is_human, _onsets(ticks, columns[:, Field.POSITION], grid), ticks)
    return events


def _onsets(ticks: NDArray[np.int64], position: NDArray[np.int64], grid: BarGrid) -> NDArray[np.int64]:
    """Last tick not after each stream tick at the given position of its bar or the bar before."""
    start, _ = grid.start_and_length(ticks)
    before, _ = grid.start_and_length(start - 1)
    return np.where(start + position > ticks, before, start) + position


def close_human_notes(events: Events) -> Events:
    """Give human notes a duration: to their release, else one beat at most.

    A note without a release row was, by definition, no longer than :data:`LONG_NOTE_TICKS`; it is
    ended by the next human onset if that comes earlier. A release belongs to the last note of its
    instrument and pitch before it. Other events, and the order, are kept.
    """
    closed = events.copy()
    human = np.flatnonzero(closed["role"] == Role.HUMAN)
    release = np.flatnonzero(closed["role"] == Role.RELEASE)
    onsets = np.unique(closed["onset_ticks"][human])
    following = np.append(onsets, onsets[-1:] + LONG_NOTE_TICKS)
    onset = closed["onset_ticks"][human]
    duration = np.minimum(following[np.searchsorted(onsets, onset) + 1] - onset, LONG_NOTE_TICKS)
    # Per instrument and pitch, notes and releases by time; a release just after a note is its own.
    both = np.concatenate([human, release])
    rank = np.where(closed["role"][both] == Role.RELEASE, 0, 1)  # an old note ends before a new one begins
    voice = closed["instrument"][both].astype(np.int64) * 128 + closed["pitch"][both]
    order = np.lexsort((rank, closed["onset_ticks"][both], voice))
    first, second = order[:-1], order[1:]
    is_pair = (voice[first] == voice[second]) & (rank[first] == 1) & (rank[second] == 0)
    notes, ends = first[is_pair], second[is_pair]
    duration[notes] = closed["onset_ticks"][both[ends]] - closed["onset_ticks"][both[notes]]
    closed["duration_ticks"][human] = duration
    return closed


def score_events(score: Score, human_parts: Iterable[int], *, lag_ticks: int = 0) -> Events:
    """All events of a score in canonical order, bar lines from tick 0 to the last event.

    Args:
        score: Any ppq; times are rounded to the grid.
        human_parts: Indexes of the parts that the human plays; the others are the partner's.
        lag_ticks: Delay of the human's events in grid ticks.
    """
    human = set(human_parts)
    pieces = []
    for index, part in enumerate(score.parts):
        instrument = instrument_class(part.program, is_drum=part.is_drum)
        if index not in human:
            pieces.append(note_events(part.notes, score.ppq, Role.PARTNER, instrument))
            continue
        played = note_events(part.notes, score.ppq, Role.HUMAN, instrument, lag_ticks=lag_ticks)
        pieces += [played, release_events(played)]
    last = max((int(p["ticks"].max()) for p in pieces if len(p)), default=0)
    pieces.append(bar_events(BarGrid.from_score(score), 0, last + 1))
    return sort_events(np.concatenate(pieces))


def events_score(events: Events, like: Score) -> Score:
    """A score of note events: one part for each instrument of the human, then of the partner.

    Human notes of unknown duration are closed by :func:`close_human_notes`.

    Args:
        events: Grid ticks from 0; other roles than notes and releases are passed over.
        like: Score whose ppq, tempo and metre are taken over.
    """
    is_open = (events["role"] == Role.HUMAN) & (events["duration_ticks"] == 0)
    events = np.where(is_open, close_human_notes(events), events)
    parts = []
    for role in (Role.HUMAN, Role.PARTNER):
        mine = events[events["role"] == role]
        parts += [
            _part(mine[mine["instrument"] == instrument], role, instrument, like.ppq)
            for instrument in np.unique(mine["instrument"]).tolist()
        ]
    return Score(tuple(parts), like.tempo_map, like.time_signatures)


def _part(events: Events, role: Role, instrument: int, ppq: int) -> Part:
    """Note events of one role and instrument as a part in canonical order."""
    is_drum = instrument == DRUMS
    onset, end = (
        np.round(ticks * (ppq / GRID_PER_BEAT)).astype(np.int64)
        for ticks in (events["onset_ticks"], events["onset_ticks"] + events["duration_ticks"])
    )
    notes = NoteArray(
        onset,
        np.maximum(end - onset, 1),
        events["pitch"].astype(np.uint8),
        events["velocity"].astype(np.uint8),
        np.full(len(events), DRUM_CHANNEL if is_drum else 0, dtype=np.uint8),
    )
    name = f"{role.name.lower()} {INSTRUMENT_NAMES[instrument]}"
    return Part(name, notes.sorted(), CLASS_PROGRAMS[instrument], is_drum)
