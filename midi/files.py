"""Standard MIDI Files to scores and back: repair or refuse, in sentences.

Reading mends what can be mended and says so in ``Score.repairs``; everything else is a ``UserError`` that
names the file. Kept: notes, controllers, programs, names, tempo and metre. Not kept: pitch bend, aftertouch,
system exclusive, lyrics, key signatures.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midi.clock import DEFAULT_BPM, TempoMap
from midi.errors import UserError
from midi.note import DRUM_CHANNEL, Control, NoteArray, Part, Score, TimeSignature
from midi.smf import (
    UNKNOWN_PROGRAM,
    RawFile,
    RawTrack,
    Refusal,
    encode_header,
    encode_meta,
    encode_track,
    read_chunks,
)

MAX_BYTES = 32 * 2**20
"""Largest file read: 2,000,000 events, the limit of ``midi.smf``, at a generous 16 bytes each."""

MOST_OF_A_NAME = 10_000

MAX_HOURS = 24
"""Longest piece read."""

_REPAIRS = {
    "clamped": "{n} data byte{s} above 127 clamped to 127.",
    "undefined": "{n} status byte{s} that no file may hold skipped.",
    "cut": "{n} track{s} broken off; everything before the break was kept.",
    "no_end": "{n} track{s} without an end mark; it was added.",
    "length": "{n} track{s} with a wrong length; the end mark was used instead.",
    "garbage": "{n} byte{s} that belong to no track ignored.",
    "tracks_missing": "{n} track{s} promised by the header not found.",
    "tempo": "{n} tempo change{s} to infinite speed ignored.",
    "metre": "{n} impossible time signature{s} ignored.",
    "unended": "{n} note{s} never released; closed at the end of the track.",
    "no_length": "{n} note{s} without length given one tick.",
}

_HINT_DAMAGED = "Get a whole copy of the file, or export it again as a Standard MIDI File."

_Placed = tuple[RawTrack, int]
"""A track and the tick at which it begins."""


def read(path: str | os.PathLike[str]) -> Score:
    """Read a Standard MIDI File (format 0, 1 or 2).

    See ``parse`` for what becomes of its content. A file above ``MAX_BYTES`` is refused before it is read.

    Raises:
        UserError: The file is missing, unreadable, no regular file, too large, or no music can be got out
            of it. The message names it.
    """
    file = Path(path)
    try:
        facts = file.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise UserError(f"{file} is a folder, not a MIDI file.", "Choose a .mid file inside it.")
        if not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{file} is not a regular file.", "Choose a .mid file.")
        if facts.st_size > MAX_BYTES:
            raise UserError(
                f"{file} has {facts.st_size / 2**20:.0f} MB; MIDI files above {MAX_BYTES >> 20} MB "
                "are not read.",
                "A piece of music has less than 1 MB: check that this is one, or split it.",
            )
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no file {file}.", "Check the name and the folder.") from None
    except OSError as error:
        raise UserError(
            f"{file} can't be read: {error.strerror or error}.", "Check its permissions and the disk."
        ) from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not a file name: {error}.", "Check the name.") from None
    return parse(data, str(file))


def parse(data: bytes, name: str = "the file") -> Score:
    """Turn the bytes of a Standard MIDI File into a score.

    - Each track gives one part per channel and per program that sounds on it, notes in canonical order.
      Channel 9 (10 counted from one) is drums; its first program names the kit.
    - Note-ons and note-offs of the same track, channel and pitch are paired first in, first out. Note-on
      with velocity 0 is a note-off. Notes left open end with their track.
    - Controllers of a track without notes go to the first part with notes on the same channel.
    - Ticks and ppq stay as they are. SMPTE time becomes ticks at 120 bpm. Without a tempo or metre at tick
      0, 120 bpm and 4/4 hold (Standard MIDI Files 1.0). Of several at one tick the last counts.
    - Format 2: its patterns are laid end to end, each with its own tempo and metre.

    Args:
        data: The whole file.
        name: What to call it in messages.

    Raises:
        UserError: Not a MIDI file, damaged before its first note, more than ``smf.MAX_EVENTS`` events or
            longer than ``MAX_HOURS``. A whole file without notes is a score without notes.
    """
    if not data:
        raise UserError(f"{name} is empty.", _HINT_DAMAGED)
    try:
        raw = read_chunks(data)
        return _score(raw)
    except Refusal as refusal:
        raise UserError(f"{name} {refusal.reason}.", refusal.hint) from None


def _score(raw: RawFile) -> Score:
    faults = Counter(raw.faults)
    placed = _place(raw)
    tempo_map, remarks = _tempo_map(raw, placed)
    programs = _channel_programs(placed)
    parts = _adopt_controls([part for each in placed for part in _parts(*each, programs, faults)])
    _check(raw, parts, tempo_map)
    if raw.format == 2 and len(raw.tracks) > 1:
        remarks.append(f"{len(raw.tracks)} independent patterns laid end to end.")
    remarks += [_REPAIRS[key].format(n=n, s="s" if n > 1 else "") for key, n in sorted(faults.items())]
    return Score(tuple(parts), tempo_map, _time_signatures(raw, placed), tuple(remarks))


def _place(raw: RawFile) -> list[_Placed]:
    """Tracks with the tick at which each begins: 0, or end to end in format 2."""
    ends = np.cumsum([0] + [track.end_tick for track in raw.tracks]).tolist()
    return [(track, end if raw.format == 2 else 0) for track, end in zip(raw.tracks, ends, strict=False)]


def _tempo_map(raw: RawFile, placed: list[_Placed]) -> tuple[TempoMap, list[str]]:
    if raw.division < 0:
        return _smpte_tempo_map(raw.division)
    if raw.division == 0:
        raise Refusal("states 0 ticks a quarter note, so its rhythm can't be known", _HINT_DAMAGED)
    changes = [(0, DEFAULT_BPM)]
    for track, offset in placed:
        changes += [(offset, DEFAULT_BPM)] if raw.format == 2 else []
        changes += [(offset + tick, 60e6 / microseconds) for tick, microseconds in track.tempi]
    # The sort is stable and a dict keeps the last value: of several changes at one tick the last counts.
    return TempoMap(raw.division, tuple(dict(sorted(changes, key=lambda change: change[0])).items())), []


def _smpte_tempo_map(division: int) -> tuple[TempoMap, list[str]]:
    """Fractions of a video frame as ticks at about 120 bpm (29 stands for 30000/1001 frames a second)."""
    frames, per_frame = -(division >> 8), division & 0xFF
    if frames not in {24, 25, 29, 30} or not per_frame:
        raise Refusal(f"counts time in {frames} frames a second of {per_frame} ticks each", _HINT_DAMAGED)
    rate_hz = per_frame * (30000 / 1001 if frames == 29 else frames)
    ppq = round(rate_hz * 60 / DEFAULT_BPM)
    remark = f"Time in video frames ({rate_hz:.0f} ticks a second) taken as {ppq} ticks a quarter note."
    return TempoMap(ppq, ((0, 60 * rate_hz / ppq),)), [remark]


def _time_signatures(raw: RawFile, placed: list[_Placed]) -> tuple[TimeSignature, ...]:
    metres = [TimeSignature()]
    for track, offset in placed:
        metres += [TimeSignature(offset)] if raw.format == 2 else []
        metres += [TimeSignature(offset + tick, n, 2**power) for tick, n, power in track.metres]
    return tuple({m.ticks: m for m in sorted(metres, key=lambda metre: metre.ticks)}.values())


def _channel_programs(placed: list[_Placed]) -> dict[int, int]:
    """First program of each channel, for tracks that leave the setting to another one."""
    changes = [
        (offset + tick, channel, program) for t, offset in placed for tick, channel, program in t.programs
    ]
    return {channel: program for _, channel, program in sorted(changes, key=lambda c: c[0], reverse=True)}


def _parts(track: RawTrack, offset: int, programs: dict[int, int], faults: Counter[str]) -> Iterator[Part]:
    """One part per channel and program of a track; one without notes where there is only setting up."""
    notes, note_programs = _notes(track, offset, programs, faults)
    own = {channel: program for _, channel, program in reversed(track.programs)}
    sounding = set(np.unique(notes.channel).tolist())
    channels = sorted(sounding | set(own) | {channel for _, channel, _, _ in track.controls})
    for channel in channels:
        name = track.name or ""
        if len(channels) > 1:
            name = f"{name} (channel {channel + 1})".strip()
        controls = tuple(
            Control(offset + t, number, v, c) for t, c, number, v in track.controls if c == channel
        )
        is_drum = channel == DRUM_CHANNEL
        in_channel = notes.channel == channel
        used = list(dict.fromkeys(note_programs[in_channel].tolist()))
        if is_drum or not used:
            first = own.get(channel, programs.get(channel, 0))
            yield Part(name, notes.take(in_channel).sorted(), first, is_drum, controls)
            continue
        for program in used:
            chosen = notes.take(in_channel & (note_programs == program)).sorted()
            yield Part(name, chosen, program, is_drum, controls)


def _notes(
    track: RawTrack, offset: int, programs: dict[int, int], faults: Counter[str]
) -> tuple[NoteArray, NDArray[np.int64]]:
    """Notes of a track in file order, and the program of each."""
    onset = np.array(track.onsets, dtype=np.int64)
    end = np.array(track.ends, dtype=np.int64)
    packed = np.array(track.packed, dtype=np.int64)
    is_open = end < 0
    end[is_open] = np.maximum(track.end_tick, onset[is_open] + 1)
    is_flat = end == onset
    faults += Counter(unended=int(is_open.sum()), no_length=int(is_flat.sum()))
    channel = packed >> 22
    program = packed >> 14 & 0xFF
    elsewhere = np.array([programs.get(c, 0) for c in range(16)])
    program = np.where(program == UNKNOWN_PROGRAM, elsewhere[channel], program)
    columns = (packed >> 7 & 0x7F, packed & 0x7F, channel)
    notes = NoteArray(
        onset + offset, np.maximum(end - onset, 1), *(column.astype(np.uint8) for column in columns)
    )
    return notes, program


def _adopt_controls(parts: list[Part]) -> list[Part]:
    """Give controllers of parts without notes to the first sounding part on their channel.

    A silent part goes when its channel sounds elsewhere; otherwise it is kept, so that nothing is lost.
    """
    owner: dict[int, int] = {}
    for i, part in enumerate(parts):
        if len(part.notes):
            owner.setdefault(int(part.notes.channel[0]), i)
    adopted = list(parts)
    kept = []
    for i, part in enumerate(parts):
        if len(part.notes) or not part.controls or part.controls[0].channel not in owner:
            kept.append(i)
            continue
        heir = owner[part.controls[0].channel]
        controls = sorted((*adopted[heir].controls, *part.controls), key=lambda control: control.ticks)
        adopted[heir] = replace(adopted[heir], controls=tuple(controls))
    return [adopted[i] for i in kept]


def _check(raw: RawFile, parts: list[Part], tempo_map: TempoMap) -> None:
    """Refuse a wreck without a note, and what lasts for ever."""
    is_damaged = any(raw.faults[key] for key in ("cut", "garbage", "tracks_missing", "length"))
    if is_damaged and not any(len(part.notes) for part in parts):
        raise Refusal("is damaged before its first note, so nothing of it is left", _HINT_DAMAGED)
    end_ticks = (
        sum(t.end_tick for t in raw.tracks)
        if raw.format == 2
        else max((t.end_tick for t in raw.tracks), default=0)
    )
    hours = float(tempo_map.seconds(end_ticks)) / 3600
    if hours > MAX_HOURS:
        raise Refusal(
            f"lasts {hours:,.0f} hours; pieces above {MAX_HOURS} hours are not read",
            "Check its tempo and its last event, or split it.",
        )


def write(path: str | os.PathLike[str], score: Score) -> None:
    """Write a score as a Standard MIDI File, format 1, whole or not at all.

    See ``score_to_bytes`` for the content. No folder is made on the way.

    Raises:
        UserError: The folder is missing or not writable, the disk is full, or the score can't be stored.
            What was at ``path`` before is untouched then.
    """
    write_bytes(path, score_to_bytes(score))


def new_folder(root: Path, name: str) -> Path | None:
    """Create a folder of that name, numbered where it is taken; None when ten thousand are.

    Raises:
        OSError: It can't be created.
    """
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1, MOST_OF_A_NAME):
        folder = root / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    return None


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Put ``data`` at ``path`` in one step: a file beside it, flushed to the disk, then renamed.

    Raises:
        UserError: As ``write``.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        raise UserError(f"{target} is not a regular file.", "Choose another name.")
    if not target.parent.is_dir():
        raise UserError(f"There is no folder {target.parent}.", "Make it first, or choose another one.")
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except OSError as error:
        hint = "Free some space" if error.errno == errno.ENOSPC else "Check its permissions"
        raise UserError(
            f"{target} can't be written: {error.strerror or error}.", f"{hint}, or choose another folder."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def score_to_bytes(score: Score) -> bytes:
    """A score as the bytes of a Standard MIDI File: format 1, ``score.ppq``, UTF-8 names.

    - One track for tempo and metre, then one for each part, with its program at tick 0.
    - Drum parts go to channel 9. A melodic part moves to a free channel where another part with another
      program has its channel already, so that both sound right; with more than 15 programs some share.
    - ``parse`` gives back the same parts, controllers and metres where every part keeps to one channel of
      its own and no note lies inside another of the same pitch and channel: MIDI can't say which of two such
      notes a note-off means, so the first to begin is read as the first to end.
    - Tempo is stored in whole microseconds a quarter note: it comes back within ``bpm² / 120e6`` bpm
      (0.00012 at 120), and exactly when it came from a file.

    Raises:
        UserError: A tempo below 3.58 bpm or above 60,000,000, or a ppq outside 1–32767.
        ValueError: Notes or controllers out of the ranges of ``midi.note``.
    """
    if not 1 <= score.ppq <= 32767:
        raise UserError(
            f"{score.ppq} ticks a quarter note do not fit into a MIDI file.", "Use 1 to 32767; 480 is usual."
        )
    tracks = [encode_track(_conductor_events(score))]
    for part, channels in zip(score.parts, _file_channels(score.parts), strict=True):
        tracks.append(encode_track(_part_events(part, channels)))
    return encode_header(len(tracks), score.ppq) + b"".join(tracks)


def _conductor_events(score: Score) -> list[tuple[int, bytes]]:
    events = []
    for metre in score.time_signatures:
        power = metre.denominator.bit_length() - 1
        # 24 MIDI clocks a metronome click and 8 thirty-seconds a quarter: the usual values.
        events.append((metre.ticks, encode_meta(0x58, bytes([metre.numerator, power, 24, 8]))))
    for tick, bpm in score.tempo_map.changes:
        microseconds = round(60e6 / bpm)
        if not 1 <= microseconds <= 0xFFFFFF:
            raise UserError(
                f"A tempo of {bpm:g} bpm does not fit into a MIDI file.", "Use 3.58 to 60,000,000 bpm."
            )
        events.append((tick, encode_meta(0x51, microseconds.to_bytes(3, "big"))))
    return sorted(events, key=lambda event: event[0])


def _wanted_channels(part: Part) -> list[int]:
    return sorted({*part.notes.channel.tolist(), *(control.channel for control in part.controls)})


def _file_channels(parts: tuple[Part, ...]) -> list[dict[int, int]]:
    """For each part: the channel in the file for each of its own; key -1 where it has none."""
    wanted = {channel for part in parts for channel in _wanted_channels(part) if not part.is_drum}
    programs: dict[int, int] = {}
    result = []
    for part in parts:
        chosen: dict[int, int] = {}
        for channel in _wanted_channels(part) or [-1]:
            chosen[channel] = DRUM_CHANNEL if part.is_drum else _free_channel(channel, part, programs, wanted)
            programs.setdefault(chosen[channel], part.program)
        result.append(chosen)
    return result


def _free_channel(channel: int, part: Part, programs: dict[int, int], wanted: set[int]) -> int:
    """``channel`` if it is free or plays the same program; else one nobody wants, a free or a shared one."""
    if channel not in {-1, DRUM_CHANNEL} and programs.get(channel, part.program) == part.program:
        return channel
    melodic = [c for c in range(16) if c != DRUM_CHANNEL]
    free = [c for c in melodic if c not in programs]
    unwanted = [c for c in free if c not in wanted]
    same = [c for c in melodic if programs.get(c) == part.program]
    return (unwanted + free + same + [max(channel, 0) if channel != DRUM_CHANNEL else 0])[0]


def _part_events(part: Part, channels: dict[int, int]) -> list[tuple[int, bytes]]:
    """Events of a part by tick; at one tick: note-offs, then controllers, then note-ons."""
    _check_part(part)
    rows: list[tuple[int, int, bytes]] = []
    for control in part.controls:
        status = 0xB0 | channels[control.channel]
        rows.append((control.ticks, 1, bytes([status, control.number, control.value])))
    for onset, duration, pitch, velocity, own in _rows(part.notes.sorted()):
        channel = channels[own]
        rows.append((onset, 2, bytes([0x90 | channel, pitch, velocity])))
        rows.append((onset + duration, 0, bytes([0x80 | channel, pitch, 0])))
    rows.sort(key=lambda row: row[:2])
    name = part.name.encode("utf-8", errors="replace")
    setting = [(0, encode_meta(0x03, name))]
    setting += [(0, bytes([0xC0 | channel, part.program])) for channel in dict.fromkeys(channels.values())]
    return setting + [(tick, event) for tick, _, event in rows]


def _rows(notes: NoteArray) -> Iterator[tuple[int, ...]]:
    columns = (notes.onset_ticks, notes.duration_ticks, notes.pitch, notes.velocity, notes.channel)
    return zip(*(column.tolist() for column in columns), strict=True)


def _check_part(part: Part) -> None:
    notes = part.notes
    is_fine = (
        bool(np.all(notes.onset_ticks >= 0) and np.all(notes.duration_ticks >= 1))
        and bool(np.all(notes.pitch <= 127) and np.all((notes.velocity >= 1) & (notes.velocity <= 127)))
        and bool(np.all(notes.channel <= 15))
        and 0 <= part.program <= 127
        and all(c.ticks >= 0 and min(c.number, c.value) >= 0 for c in part.controls)
        and all(max(c.number, c.value) <= 127 and 0 <= c.channel <= 15 for c in part.controls)
    )
    if not is_fine:
        raise ValueError(f"part {part.name!r} holds values outside the ranges of MIDI")
