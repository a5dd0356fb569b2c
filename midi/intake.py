"""One MIDI file as notes on the event grid: the fast reader first, the mending one where that gives up."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.bars import GRID_PER_BEAT, BarGrid
from midi.clock import DEFAULT_BPM, TempoMap
from midi.errors import UserError
from midi.events import drum_pitch, instrument_class
from midi.files import MAX_HOURS, parse
from midi.meter import Onsets, estimate
from midi.note import NoteArray, TimeSignature

__all__ = [
    "BEAT_SIDECAR", "GRID_NOTE", "CorpusPart", "GridNotes", "Intake", "beat_annotation", "beat_of",
    "read_on_grid",
]  # fmt: skip

GRID_NOTE = np.dtype(
    [
        ("onset_ticks", np.int32),
        ("duration_ticks", np.int32),
        ("pitch", np.uint8),
        ("velocity", np.uint8),
        ("part", np.uint8),
    ]
)
"""One note on the event grid; ``part`` counts within the song."""

MAX_FILE_BYTES = 16 << 20
MAX_PARTS = 256
MAX_BEATS = MAX_HOURS * 3600 * 4
"""Longest piece in beats: ``MAX_HOURS`` at 240 bpm. A tempo of millions of bpm would pass the hours."""

BEAT_SIDECAR = "beat_midi.txt"
"""Beat annotation as in POP909: seconds, a flag, and 1 on downbeats; where a file has one beside
it, its notes are laid on those beats instead of on the file's own ticks."""

MIN_ANNOTATED_BEATS = 8

GridNotes = NDArray[np.void]

_DRUM_PITCH = np.array([drum_pitch(pitch) or -1 for pitch in range(128)])
"""The percussion key for every drum pitch, -1 for none."""

_Times = NDArray[np.float64]
_Columns = list[NDArray[np.int64]]


@dataclass(frozen=True)
class CorpusPart:
    """One part of a song."""

    name: str
    instrument: int
    notes: int
    mean_pitch: float


@dataclass(frozen=True)
class Intake:
    """A file on the grid.

    Attributes:
        notes: Notes of all parts by onset, pitch and part, at grid ticks.
        grid: Bar lines.
        parts: Parts with notes; note records refer to them by index.
        seconds: Time at which the last note ends.
        bpm: Mean tempo.
        repairs: Sentences on what was mended.
        remarks: Sentences on how the notes were laid on the grid.
    """

    notes: GridNotes
    grid: BarGrid
    parts: tuple[CorpusPart, ...]
    seconds: float
    bpm: float
    repairs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Track:
    """One part as a reader gives it: its notes are the next ``count`` of the file's columns."""

    name: str
    program: int
    is_drum: bool
    count: int


@dataclass(frozen=True)
class _File:
    """Notes of all tracks, one track after the other, times in the file's ticks."""

    tracks: list[_Track]
    onset_ticks: _Times
    end_ticks: _Times
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    tempo_map: TempoMap
    signatures: tuple[TimeSignature, ...]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Placed:
    """Onsets and ends of a file's notes on the grid."""

    onset: _Times
    end: _Times
    grid: BarGrid
    bpm: float
    remarks: tuple[str, ...] = ()


def read_on_grid(path: Path) -> Intake:
    """Read one file onto the grid.

    With a usable beat annotation beside it (see ``BEAT_SIDECAR``) the notes are laid on its beats. Without
    one the file's own ticks count, moved onto the grid by ``midi.meter`` where they stand beside it.

    Raises:
        UserError: The file can't be read, is too large or too long, or holds no notes.
    """
    data = _bytes(path)
    file = _read_fast(data) or _read_mending(data, path.name)
    if not file.tracks:
        raise UserError(f"{path.name} holds no notes.")
    if len(file.tracks) > MAX_PARTS:
        raise UserError(f"{path.name} has {len(file.tracks)} parts; more than {MAX_PARTS} are not read.")
    last = float(file.end_ticks.max())
    seconds = float(file.tempo_map.seconds(last))
    if seconds > MAX_HOURS * 3600 or last / file.tempo_map.ppq > MAX_BEATS:
        raise UserError(f"{path.name} lasts more than {MAX_HOURS} hours.")
    placed = _on_annotation(path, file) or _on_ticks(file, seconds)
    notes, parts = _table(file, placed)
    if len(notes) == 0:
        raise UserError(f"{path.name} holds no notes but drums that General MIDI does not know.")
    return Intake(notes, placed.grid, parts, seconds, placed.bpm, file.repairs, placed.remarks)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb", buffering=0) as stream:
            is_small = os.fstat(stream.fileno()).st_size <= MAX_FILE_BYTES
            data = stream.read() if is_small else b""
    except OSError as error:
        raise UserError(f"{path.name} can't be read: {error.strerror or error}.") from error
    if not is_small:
        raise UserError(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB.")
    return data


def _read_fast(data: bytes) -> _File | None:
    import symusic  # noqa: PLC0415  (only corpora need it)

    try:
        score: Any = symusic.Score.from_midi(data)  # type: ignore[no-untyped-call,unused-ignore]
        tables = [(track, track.notes.numpy()) for track in score.tracks]
        tempi = score.tempos.numpy()
        changes = {0: DEFAULT_BPM}
        changes |= dict(zip(tempi["time"].tolist(), (60e6 / tempi["mspq"]).tolist(), strict=True))
        tempo_map = TempoMap(score.ticks_per_quarter, tuple(sorted(changes.items())))
        signatures = tuple(TimeSignature(s.time, s.numerator, s.denominator) for s in score.time_signatures)
        columns = [np.concatenate([table[key] for _, table in tables]).astype(np.int64) for key in _COLUMNS]
        tracks = [_Track(str(t.name), t.program, t.is_drum, len(table["time"])) for t, table in tables]
    except Exception:  # whatever it stumbles on, the mending reader says what is wrong
        return None
    # Data bytes above 127 come back negative.
    is_sound = len(columns[0]) > 0 and int((columns[2] | columns[3]).min()) >= 0
    return _file(tracks, columns, tempo_map, signatures) if is_sound else None


_COLUMNS = ("time", "duration", "pitch", "velocity")


def _read_mending(data: bytes, name: str) -> _File:
    score = parse(data, name)
    tracks = [_Track(part.name, part.program, part.is_drum, len(part.notes)) for part in score.parts]
    notes = NoteArray.concatenate(part.notes for part in score.parts)
    columns = [
        notes.onset_ticks,
        notes.duration_ticks,
        *(c.astype(np.int64) for c in (notes.pitch, notes.velocity)),
    ]
    repairs = score.repairs or ("The file was read by the mending reader.",)
    return _file(tracks, columns, score.tempo_map, score.time_signatures, repairs)


def _file(
    tracks: list[_Track],
    columns: _Columns,
    tempo_map: TempoMap,
    signatures: tuple[TimeSignature, ...],
    repairs: tuple[str, ...] = (),
) -> _File:
    onset = columns[0].astype(np.float64)
    sounding = [track for track in tracks if track.count]
    return _File(sounding, onset, onset + columns[1], columns[2], columns[3], tempo_map, signatures, repairs)


def _on_annotation(path: Path, file: _File) -> _Placed | None:
    """Notes on the beats of the annotation beside the file, if there is a usable one."""
    annotation = beat_annotation(path)
    if annotation is None:
        return None
    beats_s, downbeats = annotation
    grid = BarGrid.from_downbeats((downbeats * GRID_PER_BEAT).tolist())
    bpm = 60 * (len(beats_s) - 1) / max(beats_s[-1] - beats_s[0], 1e-3)
    ticks = np.concatenate([file.onset_ticks, file.end_ticks])
    placed = beat_of(file.tempo_map.seconds(ticks), beats_s) * GRID_PER_BEAT
    return _Placed(placed[: len(placed) // 2], placed[len(placed) // 2 :], grid, bpm)


def beat_annotation(path: Path) -> tuple[NDArray[np.float64], NDArray[np.intp]] | None:
    """Beat times in seconds and the indexes of downbeats, where the sidecar of a file holds them."""
    try:
        text = path.with_name(BEAT_SIDECAR).read_bytes()
        width = len(text.split(b"\n", 1)[0].split())
        words = text.split()
        if width < 3 or len(words) < MIN_ANNOTATED_BEATS * width or len(words) % width:
            return None
        beats_s = np.array(list(map(float, words[::width])))
        downbeats = np.array([i for i, word in enumerate(words[2::width]) if float(word) == 1], dtype=np.intp)
    except (OSError, ValueError):
        return None
    is_sound = math.isfinite(beats_s[-1]) and bool(np.all(np.diff(beats_s) > 0)) and len(downbeats) > 1
    return (beats_s, downbeats) if is_sound else None


def beat_of(seconds: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional beat index of each time; beyond the annotation the outer beats go on."""
    beat = np.interp(seconds, beats_s, np.arange(len(beats_s), dtype=np.float64))
    is_before, is_after = seconds < beats_s[0], seconds > beats_s[-1]
    beat[is_before] += (seconds[is_before] - beats_s[0]) / (beats_s[1] - beats_s[0])
    beat[is_after] += (seconds[is_after] - beats_s[-1]) / (beats_s[-1] - beats_s[-2])
    return beat


def _on_ticks(file: _File, seconds: float) -> _Placed:
    """Notes at the file's own ticks, moved by a constant where ``midi.meter`` finds them beside the grid."""
    scale = GRID_PER_BEAT / file.tempo_map.ppq
    on, off = file.onset_ticks * scale, file.end_ticks * scale
    is_drum = np.repeat([t.is_drum for t in file.tracks], [t.count for t in file.tracks])
    setting = estimate(Onsets(on, off - on, file.pitch, file.velocity, is_drum), file.signatures)
    grid = BarGrid.from_signatures(setting.signatures(file.signatures), file.tempo_map.ppq)
    bpm = float(off.max()) / GRID_PER_BEAT / max(seconds, 1e-3) * 60
    return _Placed(on + setting.shift_ticks, off + setting.shift_ticks, grid, bpm, setting.notes)


def _table(file: _File, placed: _Placed) -> tuple[GridNotes, tuple[CorpusPart, ...]]:
    """All notes in canonical order, drums mapped or left out, and the parts that have notes left."""
    pitch = file.pitch
    count = np.array([track.count for track in file.tracks])
    is_kept = None
    if any(track.is_drum for track in file.tracks):
        pitch = np.where(np.repeat([t.is_drum for t in file.tracks], count), _DRUM_PITCH[pitch], pitch)
        # No melodic part has the pitch that stands for no drum.
        is_kept = pitch >= 0
        starts = np.cumsum(count) - count
        count = np.add.reduceat(is_kept, starts, dtype=np.int64)
    number = np.cumsum(count > 0) - 1
    part = np.repeat(number, count)
    onset = np.round(placed.onset).astype(np.int64)
    duration = np.maximum(np.round(placed.end).astype(np.int64) - onset, 1)
    velocity = file.velocity
    if is_kept is not None:
        onset, duration, pitch, velocity = (c[is_kept] for c in (onset, duration, pitch, velocity))
    # One sortable number a note, its place among equals last: several times faster than a sort by keys.
    key = ((onset << 7 | pitch) << 8 | part) << 22 | np.arange(len(onset))
    key.sort()
    order = key & (1 << 22) - 1
    table = np.empty(len(onset), dtype=GRID_NOTE)
    table["onset_ticks"], table["duration_ticks"] = onset[order], duration[order]
    table["pitch"], table["velocity"], table["part"] = pitch[order], velocity[order], part[order]
    total = np.bincount(part, pitch, len(count)).tolist()
    return table, _parts(file.tracks, count.tolist(), total)


def _parts(tracks: list[_Track], counts: list[int], pitch_sums: list[float]) -> tuple[CorpusPart, ...]:
    kept = [(track, count) for track, count in zip(tracks, counts, strict=True) if count]
    return tuple(
        CorpusPart(t.name, instrument_class(t.program, is_drum=t.is_drum), count, round(total / count, 2))
        for (t, count), total in zip(kept, pitch_sums, strict=False)
    )
