"""Standard MIDI Files as bytes: chunks, variable-length numbers and track events.

Format: "Standard MIDI Files 1.0" (MIDI Manufacturers Association, RP-001). The reader is our own, because
mido gives up a whole file at its first fault, clips data bytes without saying so and stops at a wrong chunk
length; a reader that mends has to know where it is. It is also three times as fast.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field

MAX_EVENTS = 2_000_000
"""More events than this in one file are an attack or a mistake: six hours of dense piano have 500,000."""

UNKNOWN_PROGRAM = 128
"""Program of a note that no program change in its own track precedes."""

MAX_DELTA = 0x0FFFFFFF
"""Largest variable-length number: four bytes of seven bits."""

_HEADER_SEARCH_BYTES = 4096
"""How far into a file its header may begin (RIFF and MacBinary wrappers are far shorter)."""

_SYSTEM_LENGTHS = {0xF1: 1, 0xF2: 2, 0xF3: 1}
"""Data bytes of system messages; they have no place in a file, but some recorders leave them there."""

_EMPTY_TEXT = b"\xff\x01\x00"


class Refusal(Exception):
    """A file that can't be mended: ``reason`` continues the sentence "FILE …", ``hint`` says what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class _Derailed(Exception):
    """The byte stream can't be followed any further."""


@dataclass(slots=True)
class RawTrack:
    """One track as read, times in ticks from its start.

    Attributes:
        name: Track name, or None.
        onsets: Tick of each note, in file order.
        ends: Tick at which each note ends; -1 for notes that never do.
        packed: Per note ``channel << 22 | program << 14 | pitch << 7 | velocity``.
        controls: ``(tick, channel, number, value)``.
        programs: ``(tick, channel, program)``.
        tempi: ``(tick, microseconds a quarter note)``.
        metres: ``(tick, numerator, power of two of the denominator)``.
        end_tick: Tick of the end of the track.
    """

    name: str | None = None
    onsets: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    packed: array[int] = field(default_factory=lambda: array("l"))
    controls: list[tuple[int, int, int, int]] = field(default_factory=list)
    programs: list[tuple[int, int, int]] = field(default_factory=list)
    tempi: list[tuple[int, int]] = field(default_factory=list)
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    end_tick: int = 0


@dataclass(slots=True)
class RawFile:
    """A file as read: ``format`` 0–2, ``division`` as in the header, tracks, and counts of mended faults."""

    format: int
    division: int
    tracks: list[RawTrack]
    faults: Counter[str]


class _TrackReader:
    """Follows the events of one track chunk; pairs note-ons with note-offs first in, first out."""

    __slots__ = (
        "_allowance",
        "_data",
        "_open",
        "_program",
        "_status",
        "events",
        "faults",
        "is_cut",
        "is_ended",
        "pos",
        "tick",
        "track",
    )

    def __init__(self, data: bytes, allowance: int) -> None:
        self._data = data
        self._allowance = allowance
        self._open: dict[int, deque[int]] = {}
        self._program = [UNKNOWN_PROGRAM] * 16
        self._status = 0
        self.events = 0
        self.faults: Counter[str] = Counter()
        self.is_cut = False
        self.is_ended = False
        self.pos = 0
        self.tick = 0
        self.track = RawTrack()

    def run(self) -> _TrackReader:
        """Read up to the end mark, the end of the data or the first event that can't be read."""
        size = len(self._data)
        try:
            while self.pos < size and not self.is_ended:
                self._event()
        except (IndexError, _Derailed):
            self.is_cut = True
        self.track.end_tick = self.tick
        return self

    def _number(self) -> int:
        value = 0
        for _ in range(4):
            byte = self._data[self.pos]
            self.pos += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise _Derailed

    def _event(self) -> None:
        delta = self._number()
        self.events += 1
        if self.events > self._allowance:
            raise Refusal(
                f"holds more than {MAX_EVENTS:,} MIDI events, which no piece of music needs",
                "Split it into shorter files, or leave it out.",
            )
        status = self._data[self.pos]
        if status < 0x80:
            status = self._status
            if not status:
                raise _Derailed
        else:
            self.pos += 1
        if status < 0xF0:
            self._status = status
            self._channel_event(status, self.tick + delta)
        elif status == 0xFF:
            self._meta(self.tick + delta)
        elif status in {0xF0, 0xF7}:
            self._bytes()
        else:
            self.faults["undefined"] += 1
            self.pos += _SYSTEM_LENGTHS.get(status, 0)
        self.tick += delta

    def _value(self) -> int:
        byte = self._data[self.pos]
        self.pos += 1
        if byte > 127:
            self.faults["clamped"] += 1
            return 127
        return byte

    def _bytes(self) -> bytes:
        size = self._number()
        if self.pos + size > len(self._data):
            raise _Derailed
        self.pos += size
        return self._data[self.pos - size : self.pos]

    def _channel_event(self, status: int, tick: int) -> None:
        kind, channel = status & 0xF0, status & 0x0F
        first = self._value()
        if kind == 0xC0:
            self._program[channel] = first
            self.track.programs.append((tick, channel, first))
            return
        if kind == 0xD0:
            return
        second = self._value()
        if kind == 0x90 and second:
            self._note_on(tick, channel, first, second)
        elif kind in {0x80, 0x90}:
            waiting = self._open.get(channel << 7 | first)
            if waiting:
                self.track.ends[waiting.popleft()] = tick
        elif kind == 0xB0:
            self.track.controls.append((tick, channel, first, second))

    def _note_on(self, tick: int, channel: int, pitch: int, velocity: int) -> None:
        track = self.track
        self._open.setdefault(channel << 7 | pitch, deque()).append(len(track.onsets))
        track.onsets.append(tick)
        track.ends.append(-1)
        track.packed.append(channel << 22 | self._program[channel] << 14 | pitch << 7 | velocity)

    def _meta(self, tick: int) -> None:
        kind = self._data[self.pos]
        self.pos += 1
        body = self._bytes()
        if kind == 0x2F:
            self.is_ended = True
        elif kind == 0x03 and self.track.name is None:
            self.track.name = _text(body)
        elif kind == 0x51 and len(body) >= 3:
            self._keep_tempo(tick, int.from_bytes(body[:3], "big"))
        elif kind == 0x58 and len(body) >= 2:
            self._keep_metre(tick, body[0], body[1])

    def _keep_tempo(self, tick: int, microseconds: int) -> None:
        if microseconds:
            self.track.tempi.append((tick, microseconds))
        else:
            self.faults["tempo"] += 1

    def _keep_metre(self, tick: int, numerator: int, power: int) -> None:
        if numerator and power <= 7:
            self.track.metres.append((tick, numerator, power))
        else:
            self.faults["metre"] += 1


def _text(body: bytes) -> str:
    body = body.rstrip(b"\0")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _header(data: bytes) -> tuple[int, int, int, int]:
    """Position after the header, format, number of tracks promised, division."""
    start = data.find(b"MThd", 0, _HEADER_SEARCH_BYTES)
    if start < 0:
        raise Refusal(
            f"is not a Standard MIDI File: it begins with {data[:8]!r} instead of b'MThd'",
            "Choose a .mid or .midi file.",
        )
    if len(data) < start + 14:
        raise Refusal("ends inside its header, so nothing of it is left", "Get a whole copy of the file.")
    size, form, tracks, division = struct.unpack(">IHHh", data[start + 4 : start + 14])
    if form > 2:
        raise Refusal(f"has MIDI file format {form}; only 0, 1 and 2 exist", "Export it again as format 1.")
    # A header longer than six bytes is allowed; one that is shorter, or runs past the file, is not one.
    is_sane = 6 <= size <= len(data) - start - 8
    return start + 8 + (size if is_sane else 6), form, tracks, division


def _is_chunk(data: bytes, pos: int) -> bool:
    """Whether a chunk that lies wholly in the file, or a track, begins at ``pos``."""
    kind = data[pos : pos + 4]
    if kind == b"MTrk":
        return True
    if len(data) < pos + 8 or not kind.isalnum():
        return False
    return pos + 8 + int.from_bytes(data[pos + 4 : pos + 8], "big") <= len(data)


def _read_track(data: bytes, body: int, allowance: int, faults: Counter[str]) -> tuple[_TrackReader, int]:
    """The track whose events begin at ``body``, and where the next chunk begins."""
    end = body + int.from_bytes(data[body - 4 : body], "big")
    reader = _TrackReader(data[body:end], allowance).run()
    if not reader.is_ended and end < len(data) and not _is_chunk(data, end):
        # The chunk length may be too small. Believe that only when an end mark turns up further on.
        limit = data.find(b"MTrk", end)
        longer = _TrackReader(data[body : limit if limit > 0 else len(data)], allowance).run()
        if longer.is_ended:
            reader, end = longer, body + longer.pos
            faults["length"] += 1
    elif reader.is_ended and end != body + reader.pos and _is_chunk(data, body + reader.pos):
        end = body + reader.pos
        faults["length"] += 1
    if reader.is_cut or (end > len(data) and not reader.is_ended):
        faults["cut"] += 1
    elif not reader.is_ended:
        faults["no_end"] += 1
    faults.update(reader.faults)
    return reader, min(end, len(data))


def read_chunks(data: bytes) -> RawFile:
    """Everything that can be read of a Standard MIDI File.

    ``faults`` counts by name what was mended: ``clamped undefined cut no_end length garbage tracks_missing
    tempo metre``.

    Raises:
        Refusal: It is no MIDI file, or holds more than ``MAX_EVENTS`` events. Runs in time and memory
            proportional to the events read, never to the length that a damaged chunk claims.
    """
    pos, form, promised, division = _header(data)
    tracks: list[RawTrack] = []
    faults: Counter[str] = Counter()
    allowance = MAX_EVENTS
    while pos < len(data):
        if data.startswith(b"MTrk", pos) and pos + 8 <= len(data):
            reader, pos = _read_track(data, pos + 8, allowance, faults)
            tracks.append(reader.track)
            allowance -= reader.events
        elif _is_chunk(data, pos):
            # Chunks of unknown kind are legal and skipped in silence (Standard MIDI Files 1.0, "Chunks").
            pos = min(pos + 8 + int.from_bytes(data[pos + 4 : pos + 8], "big"), len(data))
        else:
            found = data.find(b"MTrk", pos + 1)
            resume = found if found > 0 else len(data)
            faults["garbage"] += resume - pos
            pos = resume
    if len(tracks) < promised:
        faults["tracks_missing"] = promised - len(tracks)
    return RawFile(form, division, tracks, faults)


def encode_number(value: int) -> bytes:
    """A variable-length number, 0 to ``MAX_DELTA``."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def encode_meta(kind: int, body: bytes) -> bytes:
    """A meta event without its delta time."""
    return b"\xff" + bytes([kind]) + encode_number(len(body)) + body


def encode_track(events: list[tuple[int, bytes]]) -> bytes:
    """A track chunk from ``(tick, event bytes)``, ticks ascending; adds the end mark.

    Every event carries its status byte: running status saves a fifth of the size and costs every damaged
    byte a whole track.
    """
    out = bytearray()
    now = 0
    for tick, event in [*events, (events[-1][0] if events else 0, encode_meta(0x2F, b""))]:
        gap = tick - now
        while gap > MAX_DELTA:
            out += encode_number(MAX_DELTA) + _EMPTY_TEXT
            gap -= MAX_DELTA
        out += encode_number(gap) + event
        now = tick
    return b"MTrk" + struct.pack(">I", len(out)) + bytes(out)


def encode_header(tracks: int, ppq: int) -> bytes:
    """The header of a format 1 file."""
    return b"MThd" + struct.pack(">IHHH", 6, 1, tracks, ppq)
