"""Ports: listing, opening, hot-plug, panic and the loopback guard.

Threads: ports are opened, closed and polled by one thread, the engine's. An ``InputPort`` calls its
sink on the thread that reads it; an ``OutputPort`` may be sent to from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from midi.clock import Clock
from midi.errors import UserError
from midi.fakeports import FakePort, FakeSystem
from midi.loopback import LoopbackGuard, is_loopback
from midi.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    SUSTAIN,
    Decoder,
    InputQueue,
    Kind,
    Message,
    MidiInput,
    Sink,
    control,
    note_off,
)
from midi.portsystem import (
    Connection,
    Direction,
    MidiSystem,
    NoMidiSystem,
    find_system,
    match_port,
    plain_name,
)

__all__ = [
    "BURST_LIMIT",
    "BURST_PAUSE_S",
    "Direction",
    "FakePort",
    "FakeSystem",
    "InputPort",
    "InputQueue",
    "LoopbackGuard",
    "MidiSystem",
    "NoMidiSystem",
    "OutputPort",
    "PortEvent",
    "PortList",
    "PortWatcher",
    "find_system",
    "is_loopback",
    "list_ports",
    "match_port",
    "open_input",
    "open_output",
    "publish_input",
    "publish_output",
]

NO_PORT = "none"
"""Names the null port on the command line."""

BURST_LIMIT = 128
"""Messages sent at once before a pause. JACK was measured to lose some of 1024 at once, none of 256."""

BURST_PAUSE_S = 0.030
"""Pause between bursts: longer than one JACK period of 1024 frames at 48 kHz (21 ms)."""


@dataclass(frozen=True, slots=True)
class PortList:
    """What there is. ``problem`` says in a sentence why nothing is, when no MIDI system answers."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    api: str
    problem: UserError | None = None


def list_ports(system: MidiSystem | None = None) -> PortList:
    """The ports there are now. Never raises; without ``system`` the first that answers is asked."""
    asked = system or find_system()
    found = PortList(asked.names(Direction.INPUT), asked.names(Direction.OUTPUT), asked.api, asked.problem)
    if system is None:
        asked.close()
    return found


class _Port:
    """What inputs and outputs share: a name to come back to, and being lost."""

    direction: Direction

    def __init__(self, name: str, wanted: str) -> None:
        self.name = name
        self.wanted = wanted
        self.lost = False
        self._connection: Connection | None = None

    @property
    def is_hardware(self) -> bool:
        """Whether the port can vanish: true for everything but virtual and null ports."""
        return bool(self.wanted)

    def lose(self, now_s: float) -> None:
        """The port vanished."""
        raise NotImplementedError

    def reopen(self, name: str) -> None:
        """Connect again under a full name; ``UserError`` when it cannot be had yet."""
        if self._connection is not None:
            self._connection.reopen(name)
        self.name, self.lost = name, False

    def close(self) -> None:
        """Give the port back; calling it again does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class InputPort(_Port):
    """An open input: stamps, decodes and hands on each message.

    Made by ``open_input`` and ``publish_input``.

    Attributes:
        decoder: Counts what was left out.
        n_sink_faults: Exceptions that the sink raised; they never reach the reading thread.
    """

    direction = Direction.INPUT

    def __init__(
        self, name: str, wanted: str, sink: Sink, clock: Clock, guard: LoopbackGuard | None = None
    ) -> None:
        super().__init__(name, wanted)
        self.decoder = Decoder()
        self.n_sink_faults = 0
        self._sink = sink
        self._clock = clock
        self._guard = guard

    def receive(self, data: Sequence[int]) -> None:
        """Take one raw message (the reading thread calls this)."""
        now_s = self._clock.now_s()
        message = self.decoder.decode(data)
        if message is None or (self._guard and self._guard.is_echo(bytes(data), now_s)):
            return
        self._give(MidiInput(now_s, message.kind, message.channel, message.data1, message.data2, self.name))

    def _give(self, message: MidiInput) -> None:
        try:
            self._sink(message)
        except Exception:
            self.n_sink_faults += 1

    def lose(self, now_s: float) -> None:
        """Tell the sink that the source is lost, so that its held notes get released."""
        if not self.lost:
            self.lost = True
            self._give(MidiInput(now_s, Kind.SOURCE_LOST, source=self.name))


class OutputPort(_Port):
    """An open output on which every note-on gets exactly one note-off.

    A key struck again while it sounds is released first; a release of a key that does not sound is left
    out. Nothing here raises for a device that is gone: messages are counted and forgotten.
    Made by ``open_output`` and ``publish_output``.

    Attributes:
        n_sent: Messages put on the wire.
        n_unsent: Messages that could not be sent because the device is gone or refused them.
        n_stray: Note-offs left out because the key did not sound.
    """

    direction = Direction.OUTPUT

    def __init__(
        self,
        name: str,
        wanted: str,
        clock: Clock,
        guard: LoopbackGuard | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(name, wanted)
        self.n_sent = self.n_unsent = self.n_stray = 0
        self._clock = clock
        self._guard = guard
        self._pause = pause
        self._lock = threading.Lock()
        self._sounding: dict[tuple[int, int], None] = {}
        self._hanging: list[tuple[int, int]] = []
        self._used_channels: set[int] = set()

    def sounding(self) -> tuple[tuple[int, int], ...]:
        """``(channel, pitch)`` of every note that is on, oldest first."""
        with self._lock:
            return tuple(self._sounding)

    def send(self, message: Message) -> None:
        """Send now. ``ValueError`` for a message out of MIDI's range."""
        key = (message.channel, message.data1)
        is_on = message.kind is Kind.NOTE_ON and message.data2 > 0
        is_off = message.kind is Kind.NOTE_OFF or (message.kind is Kind.NOTE_ON and not is_on)
        data = message.to_bytes()
        with self._lock:
            if is_off and key not in self._sounding:
                self.n_stray += 1
                return
            if is_on and key in self._sounding:
                self._write(note_off(*key).to_bytes())
            went = self._write(data)
            if is_off or (is_on and not went):
                self._sounding.pop(key, None)
            elif is_on:
                self._sounding[key] = None
            if message.kind is not Kind.SONG_POSITION and data[0] < 0xF0:
                self._used_channels.add(message.channel)

    def _write(self, data: bytes) -> bool:
        if self._connection is None or self.lost:
            self.n_unsent += 1
            return False
        if self._guard is not None:
            self._guard.sent(data, self._clock.now_s())
        try:
            self._connection.send(data)
        except Exception:
            self.n_unsent += 1
            return False
        self.n_sent += 1
        return True

    def panic(self, *, all_channels: bool = False) -> None:
        """Silence everything: note-offs, then all-notes-off, all-sound-off and pedal up on used channels.

        Paced in bursts of ``BURST_LIMIT``, so that a full keyboard on all channels takes half a second.
        """
        with self._lock:
            notes, self._sounding = list(self._sounding), {}
            channels = range(16) if all_channels else sorted(self._used_channels)
            messages = [note_off(*key) for key in notes]
            for number in (ALL_NOTES_OFF, ALL_SOUND_OFF, SUSTAIN):
                messages += [control(channel, number, 0) for channel in channels]
            self._write_paced(messages)

    def _write_paced(self, messages: Iterable[Message]) -> None:
        for i, message in enumerate(messages):
            if i and i % BURST_LIMIT == 0:
                self._pause(BURST_PAUSE_S)
            self._write(message.to_bytes())

    def lose(self, now_s: float) -> None:  # noqa: ARG002
        """Stop sending; what sounds now is released once the device is back."""
        with self._lock:
            self.lost = True
            self._hanging += self._sounding
            self._sounding = {}

    def release_hanging(self) -> None:
        """Release what sounded when the device was lost; the watcher calls this once it is back."""
        with self._lock:
            if self._hanging and not self.lost:
                hanging, self._hanging = self._hanging, []
                self._write_paced(note_off(*key) for key in hanging if key not in self._sounding)

    def close(self) -> None:
        """Panic, then give the port back; calling it again does nothing."""
        if self._connection is not None:
            self.panic()
        super().close()


class _Nowhere:
    """The connection of a null port."""

    def send(self, data: bytes) -> None:
        """Swallow."""

    def reopen(self, name: str) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""


def open_input(
    system: MidiSystem, wanted: str, sink: Sink, clock: Clock, guard: LoopbackGuard | None = None
) -> InputPort:
    """Open the input that ``wanted`` is a part of; ``none`` gives a port that never hears anything.

    Args:
        system: Where to look.
        wanted: Case-insensitive part of the port's name.
        sink: Called for each message, see ``Sink``; ``InputQueue.put`` is one.
        clock: Stamps the messages.
        guard: Leaves echoes out; give it where ``is_loopback`` holds for the input and an output.
    """
    if wanted.strip().casefold() == NO_PORT:
        return InputPort(NO_PORT, "", sink, clock)
    name = _match(system, wanted, Direction.INPUT)
    port = InputPort(name, wanted, sink, clock, guard)
    port._connection = system.connect(Direction.INPUT, name, port.receive)
    return port


def publish_input(system: MidiSystem, name: str, sink: Sink, clock: Clock) -> InputPort:
    """Make a virtual input that other programs can play into."""
    port = InputPort(name, "", sink, clock)
    port._connection = system.publish(Direction.INPUT, name, port.receive)
    return port


def open_output(
    system: MidiSystem, wanted: str, clock: Clock, guard: LoopbackGuard | None = None
) -> OutputPort:
    """Open the output that ``wanted`` is a part of; ``none`` gives a port that swallows everything."""
    if wanted.strip().casefold() == NO_PORT:
        port = OutputPort(NO_PORT, "", clock)
        port._connection = _Nowhere()
        return port
    name = _match(system, wanted, Direction.OUTPUT)
    port = OutputPort(name, wanted, clock, guard)
    port._connection = system.connect(Direction.OUTPUT, name)
    return port


def publish_output(
    system: MidiSystem, name: str, clock: Clock, guard: LoopbackGuard | None = None
) -> OutputPort:
    """Make a virtual output that other programs can listen to."""
    port = OutputPort(name, "", clock, guard)
    port._connection = system.publish(Direction.OUTPUT, name)
    return port


def _match(system: MidiSystem, wanted: str, direction: Direction) -> str:
    if system.problem is not None:
        raise system.problem
    return match_port(wanted, system.names(direction), direction)


@dataclass(frozen=True, slots=True)
class PortEvent:
    """A port came or went."""

    change: Literal["appeared", "vanished"]
    name: str
    direction: Direction


class PortWatcher:
    """Notices ports that come and go, and reopens lost ones by name.

    No MIDI system tells by itself, so the lists are compared at most every ``interval_s``. A JACK port
    that goes and returns under the same name between two looks cannot be noticed.
    """

    def __init__(self, system: MidiSystem, interval_s: float = 0.5) -> None:
        self._system = system
        self._interval_s = interval_s
        self._next_s = float("-inf")
        self._known = {d: system.names(d) for d in Direction}
        self._ports: list[InputPort | OutputPort] = []

    def names(self, direction: Direction) -> tuple[str, ...]:
        """Full names of the ports there were at the last look."""
        return self._known[direction]

    def watch(self, port: InputPort | OutputPort) -> None:
        """Look after an open port; virtual and null ports are none of the watcher's business."""
        if port.is_hardware:
            self._ports.append(port)

    def unwatch(self, port: InputPort | OutputPort) -> None:
        """Look after a port no longer, before it is closed."""
        self._ports = [watched for watched in self._ports if watched is not port]

    def poll(self, now_s: float) -> tuple[PortEvent, ...]:
        """Look if it is time to; returns what changed. Takes about 0.1 ms, a reopening up to 25 ms."""
        if now_s < self._next_s:
            return ()
        self._next_s = now_s + self._interval_s
        before, self._known = self._known, {d: self._system.names(d) for d in Direction}
        for port in self._ports:
            self._look_after(port, now_s)
        return tuple(event for d in Direction for event in _compare(before[d], self._known[d], d))

    def _look_after(self, port: InputPort | OutputPort, now_s: float) -> None:
        names = self._known[port.direction]
        if not port.lost:
            if port.name in names:
                # One look after reopening: by now a new JACK connection carries messages.
                if isinstance(port, OutputPort):
                    port.release_hanging()
                return
            port.lose(now_s)
        try:
            port.reopen(_find_again(port, names))
        except UserError:
            return  # Not back yet, or not ready yet: the next look tries again.


def _compare(before: Sequence[str], after: Sequence[str], direction: Direction) -> list[PortEvent]:
    gone = [PortEvent("vanished", name, direction) for name in before if name not in after]
    return gone + [PortEvent("appeared", name, direction) for name in after if name not in before]


def _find_again(port: InputPort | OutputPort, names: Sequence[str]) -> str:
    try:
        return match_port(plain_name(port.name), names, port.direction)
    except UserError:
        return match_port(port.wanted, names, port.direction)
