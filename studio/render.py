"""From the sounds of a performance to the files that keep it: MIDI, WAV, FLAC and a picture."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from midi.clock import TempoMap
from midi.errors import UserError
from midi.events import CLASS_PROGRAMS, DRUMS, INSTRUMENT_NAMES
from midi.files import score_to_bytes, write_bytes
from midi.note import PPQ, Control, Note, NoteArray, Part, Score, TimeSignature
from studio.live.channels import PLAYER_CHANNEL, Channels
from studio.live.messages import Sound, Voice
from studio.live.synth import Synth
from studio.pianoroll import Roll, RollNote, draw, even_bars, name_chords
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
    """Everything heard, and the time it was heard in.

    Attributes:
        sounds: By time, from 0 s on.
        tempo_map: Seconds to ticks.
        time_signatures: In ticks of the tempo map.
        title: For people.
        subtitle: For people.
    """

    sounds: tuple[Sound, ...]
    tempo_map: TempoMap
    time_signatures: tuple[TimeSignature, ...] = (TimeSignature(),)
    title: str = ""
    subtitle: str = ""


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
    ticks_at = performance.tempo_map.ticks
    notes, _ = heard_notes(performance.sounds)
    parts: dict[tuple[Voice, int], list[Note]] = {}
    channels = Channels()
    for note in notes:
        on, off = (round(float(ticks_at(at_s))) for at_s in (note.on_s, note.off_s))
        row = Note(on, max(off - on, 1), note.on.pitch, note.on.velocity, channels.channel(note.on))
        instrument = 0 if note.on.voice is Voice.PLAYER else note.on.instrument
        parts.setdefault((note.on.voice, instrument), []).append(row)
    pedal = tuple(
        Control(round(float(ticks_at(s.time_s))), s.pitch, s.velocity, PLAYER_CHANNEL)
        for s in performance.sounds
        if s.kind == "control" and s.voice is Voice.PLAYER
    )
    order = sorted(parts, key=lambda key: (key[0] is not Voice.PLAYER, key[1]))
    return Score(
        tuple(_part(key, parts[key], pedal) for key in order),
        performance.tempo_map,
        performance.time_signatures,
    )


def _part(key: tuple[Voice, int], notes: list[Note], pedal: tuple[Control, ...]) -> Part:
    voice, instrument = key
    array = NoteArray.from_notes(notes)
    if voice is Voice.PLAYER:
        return Part("Player", array, controls=pedal)
    name = f"Partner {INSTRUMENT_NAMES[instrument]}"
    return Part(name, array, CLASS_PROGRAMS[instrument], is_drum=instrument == DRUMS)


def roll_of(performance: Performance) -> Roll:
    """The performance as a picture's contents."""
    tempo_map = performance.tempo_map
    notes, _ = heard_notes(performance.sounds)
    rows = []
    for note in notes:
        on, off = (float(tempo_map.ticks(at_s)) / tempo_map.ppq for at_s in (note.on_s, note.off_s))
        is_player = note.on.voice is Voice.PLAYER
        rows.append(RollNote(on, off - on, note.on.pitch, note.on.velocity, is_player, note.on.instrument))
    n_beats = max((row.onset_beats + row.duration_beats for row in rows), default=4.0)
    bar_beats = performance.time_signatures[0].bar_beats()
    bars = even_bars(n_beats, bar_beats)
    return Roll(tuple(rows), bars, performance.title, performance.subtitle, name_chords(rows, bars))


def audio_blocks(performance: Performance, progress: Progress | None = None) -> Iterator[NDArray[np.float32]]:
    """The performance through the built-in synth, as blocks [frames, 2] at 48 kHz."""
    synth = Synth(SAMPLE_RATE_HZ)
    channels = Channels()
    for sound in performance.sounds:
        channels.schedule(sound, synth, round(sound.time_s * SAMPLE_RATE_HZ))
    end_s = max((sound.time_s for sound in performance.sounds), default=0.0) + TAIL_S
    n_frames = round(end_s * SAMPLE_RATE_HZ)
    for start in range(0, n_frames, BLOCK_FRAMES):
        yield synth.render(min(BLOCK_FRAMES, n_frames - start))
        if progress:
            progress("sound", start + BLOCK_FRAMES, n_frames)


def write_audio(performance: Performance, out: Path, progress: Progress | None = None) -> None:
    """Write a WAV or FLAC file, 16 bit, whole or not at all, without holding it in memory.

    Raises:
        UserError: It is longer than a sound file can be, or it can't be written.
    """
    end_s = max((sound.time_s for sound in performance.sounds), default=0.0)
    if end_s > MAX_HOURS * 3600:
        raise UserError(f"A sound file holds {MAX_HOURS} hours, and this take is longer.", "Save it as MIDI.")
    kind = out.suffix[1:].upper()
    draft = out.with_name(f".{out.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with soundfile.SoundFile(draft, "w", SAMPLE_RATE_HZ, 2, "PCM_16", format=kind) as file:
            for block in audio_blocks(performance, progress):
                file.write(block)
        draft.replace(out)
    except (OSError, soundfile.SoundFileError) as fault:
        reason = getattr(fault, "strerror", None) or "the disk is full, or the folder can't be written to"
        raise UserError(
            f"{out} can't be written: {reason}.", "Free some space, or choose another folder."
        ) from fault
    finally:
        draft.unlink(missing_ok=True)


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


def flat_tempo(bpm: float) -> TempoMap:
    """A tempo that never changes, at the resolution of the files that Antiphon writes."""
    return TempoMap(PPQ, ((0, bpm),))
