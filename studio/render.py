"""From the sounds of a performance to the files that keep it: MIDI, WAV, FLAC and a picture."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from midi.errors import UserError
from midi.events import GRID_PER_BEAT, BarGrid
from midi.files import score_to_bytes, write_bytes
from midi.note import PPQ, Score, TimeSignature
from studio.live.channels import Channels, balance
from studio.live.messages import Sound, Voice
from studio.live.soundfiles import SoundWriter, samples_16
from studio.live.synth import Synth
from studio.live.take import TAKE_NAME, Take, load_take
from studio.pianoroll import EDGE_BEATS, Roll, RollNote, draw, name_chords
from studio.settings import SAMPLE_RATE_HZ
from studio.terminal import Progress

TAIL_S = 2.0
"""Sound kept after the last note-off, for releases and the room."""

BLOCK_FRAMES = 4096
FORMATS = (".mid", ".wav", ".flac", ".png")
MAX_HOURS = 6
"""Longest sound file: the size field of a WAV file ends at 4 GB, 6 hours of 48 kHz, 16 bit, stereo."""


@dataclass(frozen=True)
class Performance:
    """A take, and what its picture says above it.

    Attributes:
        take: Everything heard.
        title: First line.
        subtitle: Second line.
        time_signatures: Where the metre changes on the way; empty takes the one in the take's header.
    """

    take: Take
    title: str = ""
    subtitle: str = ""
    time_signatures: tuple[TimeSignature, ...] = ()

    def sounds(self) -> list[Sound]:
        """By time, in seconds from the score's first tick."""
        origin_s = self.take.origin_s()
        moved = [replace(sound, time_s=max(sound.time_s - origin_s, 0.0)) for sound in self.take.sounds]
        return sorted(moved, key=lambda sound: sound.time_s)


@dataclass(frozen=True, slots=True)
class HeardNote:
    """A note-on and the note-off that ended it, in seconds."""

    on_s: float
    off_s: float
    on: Sound


def heard_notes(sounds: Sequence[Sound]) -> tuple[list[HeardNote], int]:
    """Notes by onset, and how many were left hanging: an on without its off, or an off too many.

    A hanging note lasts to the end. The metronome is left out.
    """
    held: dict[int, Sound] = {}
    notes: list[HeardNote] = []
    n_faults = 0
    for sound in sounds:
        if sound.voice is Voice.METRONOME or sound.kind == "control":
            continue
        if sound.kind == "on":
            n_faults += sound.note_id in held
            held[sound.note_id] = sound
        elif (on := held.pop(sound.note_id, None)) is not None:
            notes.append(HeardNote(on.time_s, max(sound.time_s, on.time_s), on))
        else:
            n_faults += 1
    end_s = max((sound.time_s for sound in sounds), default=0.0)
    notes += [HeardNote(on.time_s, end_s, on) for on in held.values()]
    notes.sort(key=lambda note: (note.on_s, note.on.note_id))
    return notes, n_faults + len(held)


def score_of(performance: Performance) -> Score:
    """The performance as a score: the player's part, then one part for each instrument of the partner."""
    score = performance.take.score()
    return replace(score, time_signatures=performance.time_signatures or score.time_signatures)


def roll_of(performance: Performance) -> Roll:
    """The performance as a picture's contents."""
    tempo_map = performance.take.tempo_map()
    notes, _ = heard_notes(performance.sounds())
    rows = []
    for note in notes:
        on, off = (float(tempo_map.ticks(at_s)) / PPQ for at_s in (note.on_s, note.off_s))
        is_player = note.on.voice is Voice.PLAYER
        rows.append(RollNote(on, off - on, note.on.pitch, note.on.velocity, is_player, note.on.instrument))
    n_beats = max((row.onset_beats + row.duration_beats for row in rows), default=4.0)
    bars = _bar_beats(BarGrid.from_score(score_of(performance)), n_beats)
    return Roll(tuple(rows), bars, performance.title, performance.subtitle, name_chords(rows, bars))


def _bar_beats(grid: BarGrid, n_beats: float) -> tuple[float, ...]:
    """Bar lines that cover ``n_beats``; a sliver of a note behind a bar line opens no new bar."""
    end = max(math.ceil((n_beats - EDGE_BEATS) * GRID_PER_BEAT), 1)
    lines = grid.lines(0, end)
    closing = lines[-1][0] + lines[-1][1]
    return tuple(tick / GRID_PER_BEAT for tick in (*(tick for tick, _ in lines), closing))


def audio_blocks(performance: Performance, progress: Progress | None = None) -> Iterator[NDArray[np.float32]]:
    """The performance through the built-in synth, as blocks [frames, 2] at 48 kHz."""
    synth = Synth(SAMPLE_RATE_HZ)
    balance(synth)
    channels = Channels()
    for sound in performance.sounds():
        channels.schedule(sound, synth, round(sound.time_s * SAMPLE_RATE_HZ))
    n_frames = round((performance.take.duration_s() + TAIL_S) * SAMPLE_RATE_HZ)
    for start in range(0, n_frames, BLOCK_FRAMES):
        yield synth.render(min(BLOCK_FRAMES, n_frames - start))
        if progress:
            progress("sound", min(start + BLOCK_FRAMES, n_frames), n_frames)


def write_audio(performance: Performance, out: Path, progress: Progress | None = None) -> None:
    """Write a WAV or FLAC file, 16 bit, whole or not at all, without holding it in memory.

    Raises:
        UserError: It is longer than a sound file can be, or it can't be written.
    """
    if performance.take.duration_s() > MAX_HOURS * 3600:
        raise UserError(f"A sound file holds {MAX_HOURS} hours, and this take is longer.", "Save it as MIDI.")
    with SoundWriter(out, SAMPLE_RATE_HZ, keeps_part=False) as file:
        for block in audio_blocks(performance, progress):
            file.write(block)


def picture_bytes(performance: Performance) -> bytes:
    """The performance as the bytes of a PNG piano roll."""
    stream = io.BytesIO()
    draw(roll_of(performance)).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def save(performance: Performance, out: Path, progress: Progress | None = None) -> None:
    """Write MIDI, WAV, FLAC or PNG, by the name's ending, whole or not at all.

    Raises:
        UserError: The ending is none of these, or the file can't be written.
    """
    ending = out.suffix.lower()
    if ending == ".mid":
        write_bytes(out, score_to_bytes(score_of(performance)))
    elif ending in {".wav", ".flac"}:
        write_audio(performance, out, progress)
    elif ending == ".png":
        write_bytes(out, picture_bytes(performance))
    else:
        raise UserError(
            f"'{out.name}' has no ending that a take can be saved as.", f"Use {', '.join(FORMATS)}."
        )


def render(
    take: Path, out: Path, progress: Progress | None = None, *, title: str | None = None
) -> dict[str, object]:
    """Turn a recorded take into MIDI, WAV, FLAC or PNG.

    Args:
        take: The take's file, or the folder it is in.
        out: What to write, by the ending of its name.
        progress: Told how far it is.
        title: First line of a picture; None takes the folder's name.

    Returns:
        ``take out seconds notes hanging_notes is_torn``.

    Raises:
        UserError: The take can't be read, or ``out`` can't be written.
    """
    if out.suffix.lower() not in FORMATS:
        raise UserError(
            f"'{out.name}' has no ending that a take can be saved as.", f"Use {', '.join(FORMATS)}."
        )
    found = load_take(take)
    header = found.header
    model = f"  ·  {header.model}" if header.model else ""
    subtitle = f"{header.mode}  ·  {header.bpm:g} bpm  ·  seed {header.seed}{model}"
    save(Performance(found, _title(take) if title is None else title, subtitle), out, progress)
    notes, n_hanging = heard_notes(found.sounds)
    return {
        "take": str(take),
        "out": str(out),
        "seconds": round(found.duration_s(), 3),
        "notes": len(notes),
        "hanging_notes": n_hanging,
        "is_torn": found.is_torn,
    }


@dataclass(frozen=True, slots=True)
class Rerendered:
    """The sound of a take, made anew.

    Attributes:
        sha256: Digest of the samples: 16 bit, little-endian, left before right.
        seconds: How long it is.
        matches: Sound files beside the take, and whether each holds these very samples.
    """

    sha256: str
    seconds: float
    matches: tuple[tuple[str, bool], ...] = ()


def render_again(take: Path, progress: Progress | None = None) -> Rerendered:
    """Make a take's sound anew and compare it, bit for bit, with the sound files beside the take.

    Raises:
        UserError: The take can't be read.
    """
    performance = Performance(load_take(take))
    file = take / TAKE_NAME if take.is_dir() else take
    digest, n_frames = hashlib.sha256(), 0
    for block in audio_blocks(performance, progress):
        digest.update(samples_16(block).astype("<i2").tobytes())
        n_frames += len(block)
    beside = [path for ending in (".wav", ".flac") if (path := file.with_suffix(ending)).is_file()]
    matches = tuple((path.name, _samples_digest(path) == digest.hexdigest()) for path in beside)
    return Rerendered(digest.hexdigest(), n_frames / SAMPLE_RATE_HZ, matches)


def _samples_digest(path: Path) -> str:
    """Digest of a sound file's samples as 16 bit; empty where it has none."""
    digest = hashlib.sha256()
    try:
        with soundfile.SoundFile(path) as file:
            for block in file.blocks(BLOCK_FRAMES, dtype="int16"):
                digest.update(block.astype("<i2").tobytes())
    except (OSError, soundfile.SoundFileError):
        return ""
    return digest.hexdigest()


def _title(take: Path) -> str:
    folder = take.resolve() if take.is_dir() else take.resolve().parent
    return folder.name
