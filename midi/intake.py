"""One MIDI file as notes on the event grid: the fast reader first, the mending one where that gives up."""

from __future__ import annotations

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
from midi.note import TimeSignature

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

_DRUM_PITCH = np.array([drum_pitch(pitch) or 0 for pitch in range(256)], dtype=np.uint8)
"""The percussion key for every drum pitch, 0 for none."""


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
    """One part as a reader gives it, times in the file's ticks."""

    name: str
    program: int
    is_drum: bool
    onset_ticks: NDArray[Any]
    duration_ticks: NDArray[Any]
    pitch: NDArray[Any]
    velocity: NDArray[Any]


@dataclass(frozen=True)
class _File:
    tracks: list[_Track]
    tempo_map: TempoMap
    signatures: tuple[TimeSignature, ...]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Placed:
    """Times of notes on the grid, with what goes with them."""

    onset: NDArray[np.float64]
    end: NDArray[np.float64]
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
    if not any(len(track.pitch) for track in file.tracks):
        raise UserError(f"{path.name} holds no notes.")
    if len(file.tracks) > MAX_PARTS:
        raise UserError(f"{path.name} has {len(file.tracks)} parts; more than {MAX_PARTS} are not read.")
    onset = np.concatenate([track.onset_ticks for track in file.tracks]).astype(np.float64)
    end = onset + np.concatenate([track.duration_ticks for track in file.tracks])
    last = float(end.max())
    seconds = float(file.tempo_map.seconds(last))
    if seconds > MAX_HOURS * 3600 or last / file.tempo_map.ppq > MAX_BEATS:
        raise UserError(f"{path.name} lasts {seconds / 3600:,.0f} hours: more than {MAX_HOURS} are not read.")
    table = np.zeros(len(onset), dtype=GRID_NOTE)
    table["pitch"] = np.concatenate([track.pitch for track in file.tracks])
    table["velocity"] = np.concatenate([track.velocity for track in file.tracks])
    placed = _on_annotation(path, file, onset, end) or _on_ticks(file, onset, end, table, seconds)
    table["onset_ticks"] = rounded = np.round(placed.onset)
    table["duration_ticks"] = np.maximum(np.round(placed.end) - rounded, 1)
    notes, parts = _with_parts(table, file.tracks)
    if len(notes) == 0:
        raise UserError(f"{path.name} holds no notes but drums that General MIDI does not know.")
    return Intake(notes, placed.grid, parts, seconds, placed.bpm, file.repairs, placed.remarks)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path.name} can't be read: {error.strerror or error}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise UserError(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB.")
    return data


def _read_fast(data: bytes) -> _File | None:
    import symusic  # noqa: PLC0415  (only corpora need it)

    try:
        score: Any = symusic.Score.from_midi(data)  # type: ignore[no-untyped-call,unused-ignore]
        tracks = [
            _Track(str(t.name), t.program, t.is_drum, *(notes[key] for key in _COLUMNS))
            for t, notes in ((t, t.notes.numpy()) for t in score.tracks)
            if len(notes["time"])
        ]
        changes = {0: DEFAULT_BPM} | {int(t.time): float(t.qpm) for t in score.tempos}
        tempo_map = TempoMap(score.ticks_per_quarter, tuple(sorted(changes.items())))
        signatures = tuple(TimeSignature(s.time, s.numerator, s.denominator) for s in score.time_signatures)
    except Exception:  # whatever it stumbles on, the mending reader says what is wrong
        return None
    is_sound = all(t.pitch.min() >= 0 and t.velocity.min() >= 0 and t.onset_ticks.min() >= 0 for t in tracks)
    return _File(tracks, tempo_map, signatures) if tracks and is_sound else None


_COLUMNS = ("time", "duration", "pitch", "velocity")


def _read_mending(data: bytes, name: str) -> _File:
    score = parse(data, name)
    tracks = [
        _Track(p.name, p.program, p.is_drum, p.notes.onset_ticks, p.notes.duration_ticks, p.notes.pitch,
               p.notes.velocity)
        for p in score.parts if len(p.notes)
    ]  # fmt: skip
    repairs = score.repairs or ("The file was read by the mending reader.",)
    return _File(tracks, score.tempo_map, score.time_signatures, repairs)


def _on_annotation(
    path: Path, file: _File, onset: NDArray[np.float64], end: NDArray[np.float64]
) -> _Placed | None:
    """Notes on the beats of the annotation beside the file, if there is a usable one."""
    annotation = _beat_annotation(path)
    if annotation is None:
        return None
    beats_s, downbeats = annotation
    seconds = file.tempo_map.seconds
    grid = BarGrid.from_downbeats(int(i) * GRID_PER_BEAT for i in downbeats)
    bpm = 60 * (len(beats_s) - 1) / max(beats_s[-1] - beats_s[0], 1e-3)
    on, off = (_beat_of(seconds(ticks), beats_s) * GRID_PER_BEAT for ticks in (onset, end))
    return _Placed(on, off, grid, bpm)


def _beat_annotation(path: Path) -> tuple[NDArray[np.float64], NDArray[np.intp]] | None:
    """Beat times in seconds and the indexes of downbeats, where a sidecar holds them."""
    try:
        lines = path.with_name(BEAT_SIDECAR).read_bytes().splitlines()
        table = np.array([line.split()[:3] for line in lines if line.strip()], dtype=np.float64)
    except (OSError, ValueError):
        return None
    if table.ndim != 2 or table.shape[0] < MIN_ANNOTATED_BEATS or table.shape[1] < 3:
        return None
    downbeats = np.flatnonzero(table[:, 2] == 1)
    is_sound = bool(np.isfinite(table).all() and np.all(np.diff(table[:, 0]) > 0)) and len(downbeats) > 1
    return (table[:, 0], downbeats) if is_sound else None


def _beat_of(seconds: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional beat index of each time; beyond the annotation the outer beats go on."""
    inner = np.interp(seconds, beats_s, np.arange(len(beats_s), dtype=np.float64))
    first, last = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
    before = np.minimum(seconds - beats_s[0], 0) / first
    after = np.maximum(seconds - beats_s[-1], 0) / last
    beat: NDArray[np.float64] = inner + before + after
    return beat


def _on_ticks(
    file: _File, onset: NDArray[np.float64], end: NDArray[np.float64], table: GridNotes, seconds: float
) -> _Placed:
    """Notes at the file's own ticks, moved by a constant where ``midi.meter`` finds them beside the grid."""
    scale = GRID_PER_BEAT / file.tempo_map.ppq
    on, off = onset * scale, end * scale
    is_drum = np.repeat([t.is_drum for t in file.tracks], [len(t.pitch) for t in file.tracks])
    setting = estimate(Onsets(on, off - on, table["pitch"], table["velocity"], is_drum), file.signatures)
    grid = BarGrid.from_signatures(setting.signatures(file.signatures), file.tempo_map.ppq)
    bpm = float(end.max()) / file.tempo_map.ppq / max(seconds, 1e-3) * 60
    return _Placed(on + setting.shift_ticks, off + setting.shift_ticks, grid, bpm, setting.notes)


def _with_parts(table: GridNotes, tracks: list[_Track]) -> tuple[GridNotes, tuple[CorpusPart, ...]]:
    """The table in canonical order, drums mapped or left out, and the parts that have notes left."""
    starts = np.cumsum([0] + [len(track.pitch) for track in tracks]).tolist()
    keep = np.ones(len(table), dtype=bool)
    parts: list[CorpusPart] = []
    for track, start, end in zip(tracks, starts[:-1], starts[1:], strict=True):
        mine = table[start:end]
        if track.is_drum:
            mine["pitch"] = _DRUM_PITCH[mine["pitch"]]
            keep[start:end] = mine["pitch"] > 0
        mine["part"] = len(parts)
        pitch = mine["pitch"][keep[start:end]]
        if len(pitch):
            instrument = instrument_class(track.program, is_drum=track.is_drum)
            mean = int(pitch.sum(dtype=np.int64)) / len(pitch)
            parts.append(CorpusPart(track.name, instrument, len(pitch), round(mean, 2)))
    table = table[keep]
    key = table["onset_ticks"].astype(np.int64) << 16 | table["pitch"].astype(np.int64) << 8 | table["part"]
    return table[np.argsort(key, kind="stable")], tuple(parts)


__all__ = ["BEAT_SIDECAR", "GRID_NOTE", "CorpusPart", "GridNotes", "Intake", "read_on_grid"]
