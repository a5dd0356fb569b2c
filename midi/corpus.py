"""A folder of MIDI files as checked, deduplicated, split, memory-mapped grid notes.

Notes are kept on the event grid with their parts, not as finished rows, because training chooses
anew each time who is the human, the key and the lag; :func:`midi.events.encode` makes the rows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midi.errors import UserError
from midi.events import (
    DRUMS,
    EVENT_DTYPE,
    GRID_PER_BEAT,
    BarGrid,
    Events,
    Role,
    drum_pitch,
    instrument_class,
    release_events,
)

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

MIDI_SUFFIXES = (".mid", ".midi", ".kar")
MAX_FILE_BYTES = 16 << 20
LEAD_NAMES = ("melody", "vocal", "voice", "lead", "solo", "soprano")
SPLITS = ("train", "valid", "test")
BEAT_SIDECAR = "beat_midi.txt"
"""Beat annotation as in POP909: seconds, a flag, and 1 on downbeats; where a file has one beside
it, its notes are laid on those beats instead of on the file's own ticks."""

GridNotes = NDArray[np.void]


@dataclass(frozen=True)
class CorpusPart:
    """One part of a song."""

    name: str
    instrument: int
    notes: int
    mean_pitch: float


@dataclass(frozen=True)
class Song:
    """Where a song's notes lie in the corpus, and what is known of it.

    Attributes:
        name: Path within the source folder.
        digest: Digest of its notes, the same for the same music under another name.
        split: ``train``, ``valid`` or ``test``, from the digest.
        start: Index of its first note.
        count: Number of notes.
        bars: ``BarGrid.changes``.
        parts: Its parts; note records refer to them by index.
        lead: Index of the part most likely to be the human's.
        seconds: Length.
        bpm: Mean tempo.
    """

    name: str
    digest: str
    split: str
    start: int
    count: int
    bars: tuple[tuple[int, int], ...]
    parts: tuple[CorpusPart, ...]
    lead: int
    seconds: float
    bpm: float

    @property
    def grid(self) -> BarGrid:
        """Its bar lines."""
        return BarGrid(self.bars)


@dataclass
class HealthReport:
    """What became of every file of a folder."""

    used: int = 0
    repaired: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    notes: int = 0
    minutes: float = 0.0
    splits: dict[str, int] = field(default_factory=dict)
    instruments: dict[str, int] = field(default_factory=dict)
    tempi_bpm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pitch_classes: tuple[float, ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class _Read:
    """A file on the grid, before it has a place in the corpus."""

    notes: GridNotes
    grid: BarGrid
    parts: tuple[CorpusPart, ...]
    seconds: float
    bpm: float
    repairs: tuple[str, ...] = ()


def split_of(digest: str) -> str:
    """``test`` and ``valid`` get one song in twenty each, by digest, so the split never moves."""
    bucket = int(digest[:8], 16) % 20
    return {0: "test", 1: "valid"}.get(bucket, "train")


def guess_lead(parts: tuple[CorpusPart, ...]) -> int:
    """The part named like a melody, else the highest one that is not drums."""
    for index, part in enumerate(parts):
        if any(word in part.name.lower() for word in LEAD_NAMES):
            return index
    pitched = [i for i, part in enumerate(parts) if part.instrument != DRUMS and part.notes >= 8]
    return max(pitched or range(len(parts)), key=lambda i: parts[i].mean_pitch)


class Corpus:
    """An opened corpus folder. Notes are memory-mapped: opening costs nothing.

    Args:
        folder: As written by :func:`build_corpus`.

    Raises:
        UserError: The folder holds no corpus.
    """

    def __init__(self, folder: Path) -> None:
        index = folder / "corpus.json"
        if not index.is_file():
            raise UserError(f"{folder} holds no corpus.", "Build it from a folder of MIDI files first.")
        data = json.loads(index.read_text())
        self.folder = folder
        self.digest: str = data["digest"]
        self.report = HealthReport(**data["report"])
        self.songs = tuple(_song(record) for record in data["songs"])
        self._notes: GridNotes = np.load(folder / "notes.npy", mmap_mode="r")

    def split(self, name: str) -> tuple[Song, ...]:
        """Songs of a split, in the order of the corpus."""
        return tuple(song for song in self.songs if song.split == name)

    def notes(self, song: Song) -> GridNotes:
        """A song's notes by onset; a read-only view."""
        return self._notes[song.start : song.start + song.count]


def _song(record: dict[str, object]) -> Song:
    values = dict(record)
    values["bars"] = tuple((int(a), int(b)) for a, b in values["bars"])  # type: ignore[attr-defined]
    values["parts"] = tuple(CorpusPart(**part) for part in values["parts"])  # type: ignore[attr-defined]
    return Song(**values)  # type: ignore[arg-type]


def song_events(
    notes: GridNotes, song: Song, human_parts: set[int], *, lag_ticks: int = 0, transpose: int = 0
) -> Events:
    """Note and release events of some of a song's notes, unsorted and without bar lines.

    Notes that a transposition moves beyond 0–127 are left out; drums never move.
    """
    instruments = np.array([part.instrument for part in song.parts], dtype=np.int8)
    events = np.zeros(len(notes), dtype=EVENT_DTYPE)
    part = notes["part"]
    is_human = np.isin(part, list(human_parts))
    events["instrument"] = instruments[part]
    is_drum = events["instrument"] == DRUMS
    events["pitch"] = notes["pitch"].astype(np.int16) + np.where(is_drum, 0, transpose)
    events["role"] = np.where(is_human, Role.HUMAN, Role.PARTNER)
    events["onset_ticks"] = notes["onset_ticks"]
    events["ticks"] = notes["onset_ticks"] + np.where(is_human, lag_ticks, 0)
    events["duration_ticks"] = notes["duration_ticks"]
    events["velocity"] = notes["velocity"]
    events = events[(events["pitch"] >= 0) & (events["pitch"] < 128)]
    return np.concatenate([events, release_events(events[events["role"] == Role.HUMAN])])


def build_corpus(
    source: Path,
    out: Path,
    *,
    instruments: Mapping[str, int] | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Read every MIDI file below a folder into a corpus folder.

    Files that hold the same music are taken once. Nothing is written unless at least one file can
    be used; an existing corpus in ``out`` is replaced at the end, in one move per file.

    Args:
        source: Folder searched recursively.
        out: Folder of the corpus.
        instruments: Instrument class by part name, for collections that give every part one program.
        on_file: Told (done, total) after each file.

    Raises:
        UserError: No such folder, no MIDI file in it, or none that can be used.
    """
    paths = _midi_paths(source)
    report = HealthReport()
    songs: list[Song] = []
    pieces: list[GridNotes] = []
    seen: dict[str, str] = {}
    start = 0
    for done, path in enumerate(paths, 1):
        name = path.relative_to(source).as_posix()
        try:
            read = _with_instruments(_read(path), instruments or {})
        except UserError as error:
            report.refused[name] = error.message
        else:
            digest = hashlib.sha256(read.notes.tobytes()).hexdigest()
            if digest in seen:
                report.duplicates[name] = seen[digest]
            else:
                seen[digest] = name
                songs.append(_place(read, name, digest, start))
                pieces.append(read.notes)
                start += len(read.notes)
                if read.repairs:
                    report.repaired[name] = " ".join(read.repairs)
        if on_file:
            on_file(done, len(paths))
    if not songs:
        reason = next(iter(report.refused.values()), "")
        raise UserError(f"None of the {len(paths)} MIDI files in {source} can be used. {reason}".strip())
    notes = np.concatenate(pieces)
    _summarize(report, songs, notes)
    _write(out, songs, notes, report)
    return Corpus(out)


def _midi_paths(source: Path) -> list[Path]:
    if not source.is_dir():
        raise UserError(f"{source} is not a folder.", "Name a folder that holds MIDI files.")
    paths = sorted(p for p in source.rglob("*") if p.suffix.lower() in MIDI_SUFFIXES and p.is_file())
    if not paths:
        raise UserError(
            f"{source} holds no MIDI files.", f"Files ending in {', '.join(MIDI_SUFFIXES)} count."
        )
    return paths


def _with_instruments(read: _Read, instruments: Mapping[str, int]) -> _Read:
    parts = tuple(replace(p, instrument=instruments.get(p.name, p.instrument)) for p in read.parts)
    return replace(read, parts=parts)


def _place(read: _Read, name: str, digest: str, start: int) -> Song:
    return Song(
        name, digest[:16], split_of(digest), start, len(read.notes), read.grid.changes, read.parts,
        guess_lead(read.parts), round(read.seconds, 3), round(read.bpm, 2),
    )  # fmt: skip


def _summarize(report: HealthReport, songs: list[Song], notes: GridNotes) -> None:
    report.used = len(songs)
    report.notes = len(notes)
    report.minutes = round(sum(song.seconds for song in songs) / 60, 2)
    report.splits = dict(Counter(song.split for song in songs))
    parts = [part for song in songs for part in song.parts]
    report.instruments = {str(k): v for k, v in sorted(Counter(part.instrument for part in parts).items())}
    low, middle, high = np.percentile([song.bpm for song in songs], [0, 50, 100])
    report.tempi_bpm = (float(low), float(middle), float(high))
    share = np.bincount(notes["pitch"] % 12, minlength=12) / len(notes)
    report.pitch_classes = tuple(round(float(x), 4) for x in share)
    report.digest = hashlib.sha256("".join(song.digest for song in songs).encode()).hexdigest()[:16]


def _write(out: Path, songs: list[Song], notes: GridNotes, report: HealthReport) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial = out / "notes.part.npy"
        np.save(partial, notes)
        index = out / "corpus.part.json"
        data = {"digest": report.digest, "report": asdict(report), "songs": [asdict(song) for song in songs]}
        index.write_text(json.dumps(data))
        partial.replace(out / "notes.npy")
        index.replace(out / "corpus.json")
    except OSError as error:
        raise UserError(f"The corpus cannot be written to {out}: {os.strerror(error.errno or 0)}.") from error


def _read(path: Path) -> _Read:
    """One file on the grid: fast reader first, the mending one where that gives up."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UserError(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB.")
    read = _read_fast(path) or _read_mending(path)
    if len(read.notes) == 0:
        raise UserError(f"{path.name} holds no notes.")
    return read


def _read_fast(path: Path) -> _Read | None:
    import symusic  # noqa: PLC0415  (only corpora need it)

    try:
        score = symusic.Score(path)
    except Exception:  # noqa: BLE001  (whatever it stumbles on, the mending reader says what is wrong)
        return None
    ppq = score.ticks_per_quarter
    tracks = [(t.name, t.program, t.is_drum, t.notes.numpy()) for t in score.tracks if len(t.notes)]
    if not tracks:
        return None
    beats = _beat_annotation(path)
    seconds = float(score.to("second").end())
    tables = []
    for name, program, is_drum, table in tracks:
        onset = table["time"].astype(np.float64)
        tables.append(
            (name, program, is_drum, onset, onset + table["duration"], table["pitch"], table["velocity"])
        )
    if beats is None:
        signatures = [
            (s.time * GRID_PER_BEAT / ppq, s.numerator, s.denominator) for s in score.time_signatures
        ]
        to_grid = lambda ticks: ticks * (GRID_PER_BEAT / ppq)  # noqa: E731
        grid = _metre_grid(signatures)
        bpm = score.end() / ppq / max(seconds, 1e-3) * 60
    else:
        tempo = _tempo_map(score.tempos, ppq)
        times, downbeats = beats
        to_grid = lambda ticks: _extrapolate(tempo(ticks), times) * GRID_PER_BEAT  # noqa: E731
        grid = BarGrid.from_downbeats(int(i) * GRID_PER_BEAT for i in downbeats)
        bpm = 60 * (len(times) - 1) / max(times[-1] - times[0], 1e-3)
    return _assemble(
        [(n, p, d, to_grid(a), to_grid(b), q, v) for n, p, d, a, b, q, v in tables], grid, seconds, bpm
    )


def _read_mending(path: Path) -> _Read:
    from midi.files import read  # noqa: PLC0415  (mido is slow to import)

    score = read(path)
    scale = GRID_PER_BEAT / score.ppq
    tables = [
        (p.name, p.program, p.is_drum, p.notes.onset_ticks * scale,
         (p.notes.onset_ticks + p.notes.duration_ticks) * scale, p.notes.pitch, p.notes.velocity)
        for p in score.parts if len(p.notes)
    ]  # fmt: skip
    seconds = float(score.tempo_map.seconds(score.end_ticks()))
    bpm = score.end_ticks() / score.ppq / max(seconds, 1e-3) * 60
    repairs = score.repairs or ("The file was read by the mending reader.",)
    return _assemble(tables, BarGrid.from_score(score), seconds, bpm, repairs)


def _metre_grid(signatures: list[tuple[float, int, int]]) -> BarGrid:
    from midi.clock import TempoMap  # noqa: PLC0415
    from midi.note import Score, TimeSignature  # noqa: PLC0415

    marks = tuple(TimeSignature(round(t), n, d) for t, n, d in signatures) or (TimeSignature(),)
    return BarGrid.from_score(Score((), TempoMap(GRID_PER_BEAT), marks))


def _assemble(
    tables: list[tuple[str, int, bool, NDArray, NDArray, NDArray, NDArray]],
    grid: BarGrid,
    seconds: float,
    bpm: float,
    repairs: tuple[str, ...] = (),
) -> _Read:
    """Note table of all parts by onset, on a grid whose origin is the first bar line with music."""
    pieces, parts = [], []
    for name, program, is_drum, onset, end, pitch, velocity in tables:
        notes = np.zeros(len(onset), dtype=GRID_NOTE)
        notes["onset_ticks"] = np.round(onset)
        notes["duration_ticks"] = np.maximum(np.round(end) - notes["onset_ticks"], 1)
        notes["pitch"], notes["velocity"], notes["part"] = pitch, velocity, len(parts)
        if is_drum:
            mapped = np.array([drum_pitch(int(p)) or 0 for p in pitch], dtype=np.uint8)
            notes["pitch"] = mapped
            notes = notes[mapped > 0]
        if len(notes):
            instrument = instrument_class(program, is_drum=is_drum)
            parts.append(CorpusPart(name, instrument, len(notes), round(float(notes["pitch"].mean()), 2)))
            pieces.append(notes)
    table = np.concatenate(pieces) if pieces else np.zeros(0, dtype=GRID_NOTE)
    table = table[np.lexsort((table["part"], table["pitch"], table["onset_ticks"]))]
    return _Read(table, grid, tuple(parts), seconds, bpm, repairs)


def _beat_annotation(path: Path) -> tuple[NDArray[np.float64], NDArray[np.intp]] | None:
    """Beat times in seconds and the indexes of downbeats, where a sidecar holds them."""
    sidecar = path.with_name(BEAT_SIDECAR)
    if not sidecar.is_file():
        return None
    try:
        table = np.loadtxt(sidecar, ndmin=2)
    except ValueError:
        return None
    if table.shape[0] < 8 or table.shape[1] < 3 or np.any(np.diff(table[:, 0]) <= 0):
        return None
    downbeats = np.flatnonzero(table[:, 2] == 1)
    return (table[:, 0], downbeats) if len(downbeats) > 1 else None


def _tempo_map(tempos: Iterator[object], ppq: int) -> Callable[[NDArray], NDArray]:
    from midi.clock import TempoMap  # noqa: PLC0415

    changes = {int(t.time): float(t.qpm) for t in tempos}  # type: ignore[attr-defined]
    changes.setdefault(0, 120.0)
    return TempoMap(ppq, tuple(sorted(changes.items()))).seconds


def _extrapolate(seconds: NDArray, beats_s: NDArray) -> NDArray:
    """Fractional beat index of each time; beyond the annotation the outer beats go on."""
    inner = np.interp(seconds, beats_s, np.arange(len(beats_s)))
    first, last = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
    before = np.minimum(seconds - beats_s[0], 0) / first
    after = np.maximum(seconds - beats_s[-1], 0) / last
    return inner + before + after
