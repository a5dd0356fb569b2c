"""A folder of MIDI files as checked, deduplicated, split, memory-mapped grid notes.

Notes are kept on the event grid with their parts, not as finished rows, because training chooses
anew each time who is the human, the key and the lag; :func:`midi.events.encode` makes the rows.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.errors import UserError
from midi.events import DRUMS, EVENT_DTYPE, INSTRUMENT_NAMES, BarGrid, Events, Role, release_events
from midi.intake import BEAT_SIDECAR, GRID_NOTE, CorpusPart, GridNotes, Intake, read_on_grid
from midi.theory import estimate_keys

__all__ = [
    "BEAT_SIDECAR", "GRID_NOTE", "MIDI_SUFFIXES", "PART_INSTRUMENTS", "SPLITS", "Arrange", "Corpus",
    "CorpusPart",
    "GridNotes", "HealthReport", "Song", "build_corpus", "guess_lead", "song_events", "split_of",
]  # fmt: skip

MIDI_SUFFIXES = (".mid", ".midi", ".kar")
LEAD_NAMES = ("melody", "vocal", "voice", "lead", "solo", "soprano")
Arrange = Callable[[Path, Intake, str], Intake]
"""From a file, its notes on the grid and their digest, an arrangement on the same bars."""

SPLITS = ("train", "valid", "test")
PART_INSTRUMENTS = {"BRIDGE": INSTRUMENT_NAMES.index("strings")}
"""Instrument class by part name. POP909 gives every part the piano; as strings its second melody can
be told from the piano, and asked for or not."""


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
        key: Estimated key, as "A minor"; empty where none can be told.
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
    key: str = ""

    @property
    def grid(self) -> BarGrid:
        """Its bar lines."""
        return BarGrid(self.bars)


@dataclass
class HealthReport:
    """What became of every file of a folder.

    Attributes:
        used: Number of files used.
        repaired: Files that were mended, and how.
        refused: Files that were not used, and why.
        duplicates: Files that hold the same music as another one, and which.
        settled: Files whose notes or metre were laid anew on the grid, and how.
        notes: Number of notes.
        minutes: Playing time.
        splits: Songs of each split.
        parts: Number of parts.
        instruments: Parts of each instrument class.
        keys: Songs of each estimated key, most frequent first.
        tempi_bpm: Lowest, middle and highest mean tempo of a song.
        pitch_classes: Share of notes of each pitch class from C, drums left out.
        digest: Of all songs.
    """

    used: int = 0
    repaired: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)
    notes: int = 0
    minutes: float = 0.0
    splits: dict[str, int] = field(default_factory=dict)
    parts: int = 0
    instruments: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    tempi_bpm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pitch_classes: tuple[float, ...] = ()
    digest: str = ""


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
        try:
            data = json.loads(index.read_text(encoding="utf-8"))
            self.digest: str = data["digest"]
            self.report = HealthReport(**data["report"])
            self.songs = tuple(_song(record) for record in data["songs"])
            self._notes: GridNotes = np.load(folder / "notes.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"The corpus in {folder} is damaged.", "Build it again.") from error
        if self._notes.dtype != GRID_NOTE or len(self._notes) != sum(song.count for song in self.songs):
            raise UserError(f"The corpus in {folder} is not whole.", "Build it again.")
        self.folder = folder

    def split(self, name: str) -> tuple[Song, ...]:
        """Songs of a split, in the order of the corpus."""
        return tuple(song for song in self.songs if song.split == name)

    def notes(self, song: Song) -> GridNotes:
        """A song's notes by onset; a read-only view."""
        return self._notes[song.start : song.start + song.count]


def _song(record: Mapping[str, Any]) -> Song:
    bars = tuple((int(a), int(b)) for a, b in record["bars"])
    return Song(**{**record, "bars": bars, "parts": tuple(CorpusPart(**part) for part in record["parts"])})


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
    instruments: Mapping[str, int] = PART_INSTRUMENTS,
    arrange: Arrange | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Read every MIDI file below a folder into a corpus folder.

    Files that hold the same music are taken once. Nothing is written unless at least one file can
    be used; an existing corpus in ``out`` is replaced at the end, in one move per file.

    Args:
        source: Folder searched recursively.
        out: Folder of the corpus.
        instruments: Instrument class by part name, for collections that give every part one program.
        arrange: Makes other parts of each file's music. Digests and splits of songs stay those of the file,
            so that a song held out is held out in every arrangement.
        on_file: Told (done, total) after each file.

    Raises:
        UserError: No such folder, no MIDI file in it, none that can be used, or ``out`` can't be written.
    """
    names = _midi_names(source)
    report = HealthReport()
    songs: list[Song] = []
    pieces: list[GridNotes] = []
    seen: dict[str, str] = {}
    start = 0
    for done, name in enumerate(names, 1):
        try:
            taken = read_on_grid(source / name)
            digest = hashlib.sha256(taken.notes.tobytes()).hexdigest()
            if arrange and digest not in seen:
                taken = arrange(source / name, taken, digest)
        except UserError as error:
            report.refused[name] = error.message
        else:
            if digest in seen:
                report.duplicates[name] = seen[digest]
            else:
                seen[digest] = name
                songs.append(_place(taken, name, digest, start, instruments))
                pieces.append(taken.notes)
                start += len(taken.notes)
                _note_health(report, name, taken)
        if on_file:
            on_file(done, len(names))
    if not songs:
        reason = next(iter(report.refused.values()), "")
        raise UserError(f"None of the {len(names)} MIDI files in {source} can be used. {reason}".strip())
    notes = np.concatenate(pieces)
    pitches = _pitches(songs, notes)
    songs = _with_held_out(_with_keys(songs, pitches))
    _summarize(report, songs, pitches)
    if arrange:
        report.digest = hashlib.sha256(notes.tobytes()).hexdigest()[:16]
    _write(out, songs, notes, report)
    return Corpus(out)


def _midi_names(source: Path) -> list[str]:
    """Paths of the MIDI files below a folder, relative to it and with slashes, in order."""
    if not source.is_dir():
        raise UserError(f"{source} is not a folder.", "Name a folder that holds MIDI files.")
    found = []
    for folder, _, files in os.walk(source):
        below = Path(folder).relative_to(source).parts
        found += [(*below, file) for file in files if file.lower().endswith(MIDI_SUFFIXES)]
    if not found:
        raise UserError(
            f"{source} holds no MIDI files.", f"Files ending in {', '.join(MIDI_SUFFIXES)} count."
        )
    return ["/".join(parts) for parts in sorted(found)]


def _place(taken: Intake, name: str, digest: str, start: int, instruments: Mapping[str, int]) -> Song:
    parts = tuple(replace(p, instrument=instruments[p.name]) if p.name in instruments else p
                  for p in taken.parts)  # fmt: skip
    return Song(
        name, digest[:16], split_of(digest), start, len(taken.notes), taken.grid.changes, parts,
        guess_lead(parts), round(taken.seconds, 3), round(taken.bpm, 2),
    )  # fmt: skip


def _note_health(report: HealthReport, name: str, taken: Intake) -> None:
    if taken.repairs:
        report.repaired[name] = " ".join(taken.repairs)
    if taken.remarks:
        report.settled[name] = " ".join(taken.remarks)


def _with_held_out(songs: list[Song]) -> list[Song]:
    """A small folder may have given ``valid`` nothing; then the song of lowest digest is held out."""
    splits = {song.split for song in songs}
    if len(songs) > 1 and "train" not in splits:
        songs = [replace(songs[0], split="train"), *songs[1:]]
    if len(songs) > 1 and "valid" not in splits:
        chosen = min((song for song in songs[1:]), key=lambda song: song.digest)
        songs = [replace(song, split="valid") if song is chosen else song for song in songs]
    return songs


@dataclass(frozen=True)
class _Pitches:
    """What sounds in each song, drums left out.

    Attributes:
        ticks: Sounding time of each pitch class in each song, ``[songs, 12]``.
        count: Notes of each pitch class in all songs, ``[12]``.
    """

    ticks: NDArray[np.float64]
    count: NDArray[np.int64]


def _pitches(songs: list[Song], notes: GridNotes) -> _Pitches:
    """All songs at once, because one by one is slow."""
    # Every part of every song gets the first of its song's twelve cells; drums get cells of their own.
    drums = len(songs) * 12
    cells = [drums if part.instrument == DRUMS else i * 12 for i, s in enumerate(songs) for part in s.parts]
    first_part = np.cumsum([0] + [len(song.parts) for song in songs])[:-1]
    part = np.repeat(first_part, [song.count for song in songs]) + notes["part"]
    cell = np.array(cells)[part] + (np.arange(256) % 12)[notes["pitch"]]
    ticks = np.bincount(cell, notes["duration_ticks"], drums + 12)[:drums].reshape(-1, 12)
    count = np.bincount(cell, minlength=drums + 12)[:drums].reshape(-1, 12).sum(axis=0)
    return _Pitches(ticks.astype(np.float64), count)


def _with_keys(songs: list[Song], pitches: _Pitches) -> list[Song]:
    keys = estimate_keys(pitches.ticks)
    return [replace(s, key=str(key)) if key else s for s, key in zip(songs, keys, strict=True)]


def _summarize(report: HealthReport, songs: list[Song], pitches: _Pitches) -> None:
    report.used = len(songs)
    report.notes = sum(song.count for song in songs)
    report.minutes = round(sum(song.seconds for song in songs) / 60, 2)
    report.splits = dict(Counter(song.split for song in songs))
    parts = [part for song in songs for part in song.parts]
    report.parts = len(parts)
    report.instruments = {str(k): v for k, v in sorted(Counter(part.instrument for part in parts).items())}
    report.keys = dict(Counter(song.key for song in songs if song.key).most_common())
    low, middle, high = np.percentile([song.bpm for song in songs], [0, 50, 100])
    report.tempi_bpm = (float(low), float(middle), float(high))
    share = pitches.count / max(int(pitches.count.sum()), 1)
    report.pitch_classes = tuple(round(float(x), 4) for x in share)
    report.digest = hashlib.sha256("".join(song.digest for song in songs).encode()).hexdigest()[:16]


def _record(song: Song) -> dict[str, Any]:
    """A song as JSON knows it; ``dataclasses.asdict`` copies every value and is slow."""
    return {**vars(song), "parts": [vars(part) for part in song.parts]}


def _write(out: Path, songs: list[Song], notes: GridNotes, report: HealthReport) -> None:
    """Both files beside their places first, so that a full disk leaves an older corpus whole."""
    data = {"digest": report.digest, "report": vars(report), "songs": [_record(song) for song in songs]}
    table, index = out / "notes.part.npy", out / "corpus.part.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        np.save(table, notes)
        index.write_text(json.dumps(data), encoding="utf-8")
        table.replace(out / "notes.npy")
        index.replace(out / "corpus.json")
    except OSError as error:
        for draft in (table, index):
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        reason = error.strerror or error
        hint = "Free some space or choose another folder." if error.errno == errno.ENOSPC else ""
        raise UserError(f"The corpus cannot be written to {out}: {reason}.", hint) from error
