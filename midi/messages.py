"""Channel and transport messages as frozen values, and a tolerant decoder.

Byte layouts are those of the MIDI 1.0 detailed specification, tables I–III and VII. Nothing here
knows ports, threads or the time of day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a message is; ``SOURCE_LOST`` is ours: the port it names went away."""

    NOTE_OFF = "note_off"
    NOTE_ON = "note_on"
    KEY_PRESSURE = "key_pressure"
    CONTROL = "control"
    PROGRAM = "program"
    PRESSURE = "pressure"
    BEND = "bend"
    SONG_POSITION = "song_position"
    CLOCK = "clock"
    START = "start"
    CONTINUE = "continue"
    STOP = "stop"
    SOURCE_LOST = "source_lost"


_CHANNEL_STATUS = {
    0x80: (Kind.NOTE_OFF, 3),
    0x90: (Kind.NOTE_ON, 3),
    0xA0: (Kind.KEY_PRESSURE, 3),
    0xB0: (Kind.CONTROL, 3),
    0xC0: (Kind.PROGRAM, 2),
    0xD0: (Kind.PRESSURE, 2),
    0xE0: (Kind.BEND, 3),
}
_SYSTEM_STATUS = {
    0xF2: (Kind.SONG_POSITION, 3),
    0xF8: (Kind.CLOCK, 1),
    0xFA: (Kind.START, 1),
    0xFB: (Kind.CONTINUE, 1),
    0xFC: (Kind.STOP, 1),
}
_STATUS_OF = {kind: (status, size) for status, (kind, size) in (_CHANNEL_STATUS | _SYSTEM_STATUS).items()}

ALL_SOUND_OFF = 120
"""Controller that silences at once (MIDI 1.0, channel mode messages)."""

ALL_NOTES_OFF = 123
"""Controller that releases every key (MIDI 1.0, channel mode messages)."""

SUSTAIN = 64
"""Controller of the damper pedal; 64 and above is down."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send: channel 0–15, data 0–127 (``BEND``, ``SONG_POSITION``: low, high seven bits)."""

    kind: Kind
    channel: int = 0
    data1: int = 0
    data2: int = 0

    def to_bytes(self) -> bytes:
        """The message on the wire; ``ValueError`` when a field is out of range or the kind has no bytes."""
        if self.kind not in _STATUS_OF:
            raise ValueError(f"{self.kind} is not a MIDI message")
        if not (0 <= self.channel < 16 and 0 <= self.data1 < 128 and 0 <= self.data2 < 128):
            raise ValueError(f"out of MIDI's range: {self}")
        status, size = _STATUS_OF[self.kind]
        head = status if status >= 0xF0 else status | self.channel
        return bytes((head, self.data1, self.data2)[:size])


def note_on(channel: int, pitch: int, velocity: int) -> Message:
    """A key struck; velocity 1–127."""
    return Message(Kind.NOTE_ON, channel, pitch, velocity)


def note_off(channel: int, pitch: int) -> Message:
    """A key released, with the release velocity 64 that the specification gives as its default."""
    return Message(Kind.NOTE_OFF, channel, pitch, 64)


def control(channel: int, number: int, value: int) -> Message:
    """A controller moved."""
    return Message(Kind.CONTROL, channel, number, value)


@dataclass(frozen=True, slots=True)
class MidiInput:
    """One message received, stamped by the receiving clock.

    A note-on of velocity 0 arrives as ``NOTE_OFF``, so ``NOTE_ON`` always has ``data2`` of 1–127.
    """

    time_s: float
    kind: Kind
    channel: int = 0
    data1: int = 0
    data2: int = 0
    source: str = ""

    @property
    def value14(self) -> int:
        """Both data bytes as one number 0–16383: bend (8192 is the middle) or song position in 16ths."""
        return self.data1 | self.data2 << 7

    def to_message(self) -> Message:
        """The same message, to send on."""
        return Message(self.kind, self.channel, self.data1, self.data2)


Sink = Callable[[MidiInput], None]
"""Takes a message on the port's own thread: must return within microseconds and never block."""


class Decoder:
    """Bytes to messages; counts what it leaves out.

    Attributes:
        n_dropped: Well-formed messages that Antiphon has no use for: system exclusive, active sensing,
            tuning, time code, reset.
        n_garbage: Messages with a wrong length, without status, or with a data byte above 127.
    """

    def __init__(self) -> None:
        self.n_dropped = 0
        self.n_garbage = 0

    def decode(self, data: Sequence[int]) -> Message | None:
        """One message, or None when it is left out. Takes any sequence of integers."""
        head = data[0] if len(data) else 0
        if 0xF0 <= head <= 0xFF and head not in _SYSTEM_STATUS:
            self.n_dropped += 1
            return None
        known = _SYSTEM_STATUS.get(head) or (_CHANNEL_STATUS.get(head & 0xF0) if 0 <= head < 0xF0 else None)
        if known is None or len(data) != known[1] or any(not 0 <= value < 128 for value in data[1:]):
            self.n_garbage += 1
            return None
        kind = known[0]
        values = [*data[1:], 0, 0]
        if kind is Kind.NOTE_ON and values[1] == 0:
            kind = Kind.NOTE_OFF
        return Message(kind, head & 0x0F if head < 0xF0 else 0, values[0], values[1])


class InputQueue:
    """Bounded queue between port threads and the engine: any thread puts, one thread drains.

    Past ``limit`` waiting messages everything but note-offs, the sustain pedal, transport stop and lost
    sources is refused, so that a flood can cost notes but cannot leave one hanging. Past four times the
    limit the oldest message falls out.

    Attributes:
        n_refused: Messages refused or fallen out so far.
    """

    _ALWAYS = frozenset({Kind.NOTE_OFF, Kind.STOP, Kind.SOURCE_LOST})

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._waiting: deque[MidiInput] = deque(maxlen=4 * limit)
        self.n_refused = 0

    def put(self, message: MidiInput) -> None:
        """Append; never blocks."""
        waiting = len(self._waiting)
        if waiting >= self._limit:
            needed = message.kind in self._ALWAYS or (
                message.kind is Kind.CONTROL and message.data1 == SUSTAIN
            )
            if not needed:
                self.n_refused += 1
                return
            self.n_refused += waiting == self._waiting.maxlen
        self._waiting.append(message)

    def drain(self) -> list[MidiInput]:
        """Everything waiting at the moment of the call, in the order of arrival."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def __len__(self) -> int:
        return len(self._waiting)
