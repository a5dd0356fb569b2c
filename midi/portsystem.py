"""The MIDI systems behind ports: the one python-rtmidi offers, none at all, and a fake.

Only this module imports rtmidi, and only when a system is looked for. rtmidi, ALSA and JACK write
their complaints straight to file descriptor 2; it is silenced while they are asked.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any, Protocol

from midi.errors import UserError

Receive = Callable[[Sequence[int]], None]
"""Called with the bytes of one message on the thread that reads the port."""

API_ORDER = ("alsa", "jack", "core", "winmm")
"""The order in which systems are tried; each computer has one or two of them."""

CLIENT_NAME = "Antiphon"

_JACK_SETTLE_S = 0.06
# A new JACK connection carries nothing before the next two periods (21 ms each at 1024 frames, 48 kHz):
# measured, a message sent right after opening is lost.

_JACK_REST_S = 0.025
# More than a period of 21 ms. rtmidi frees a client's memory before JACK has stopped the thread that uses it;
# after a period without a port that thread has nothing more to do with it.

_READ_EVERY_S = 0.001
_READ_EVERY_AT_REST_S = 0.005
_REST_AFTER_S = 10.0
# A look takes 40 µs: 4 % of a core while somebody plays, 1 % while nobody does.

_QUEUE_LIMIT = 4096  # Messages waiting to be read: four seconds of the fullest cable of MIDI 1.0.

_WITHOUT_MIDI = "the computer's keys and MIDI files work without."


class Direction(StrEnum):
    """Seen from Antiphon: an input is what we listen to."""

    INPUT = "input"
    OUTPUT = "output"


class Connection(Protocol):
    """One open port of a system."""

    def send(self, data: bytes) -> None:
        """Put one message on the wire (outputs only); may raise when the device is gone."""

    def reopen(self, name: str) -> None:
        """Connect to the port of this full name again; ``UserError`` when that fails."""

    def close(self) -> None:
        """Give the port back; calling it again does nothing."""


class MidiSystem(Protocol):
    """A source of ports. All methods belong to one thread; ``Receive`` runs on others."""

    api: str
    problem: UserError | None

    def names(self, direction: Direction) -> tuple[str, ...]:
        """Full names of the ports there are now; empty when the system no longer answers."""

    def connect(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:
        """Open the port of this full name. Inputs need ``receive``. ``UserError`` when it cannot be had."""

    def publish(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:
        """Open a virtual port that other programs can connect to; ``UserError`` where there are none."""

    def close(self) -> None:
        """Let go of the system; open connections stay usable."""


_quiet_lock = threading.RLock()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere for a moment.

    The whole process is deaf on standard error meanwhile, so keep it short. One thread at a time.
    """
    with _quiet_lock:
        try:
            saved = os.dup(2)
        except OSError:
            yield
            return
        try:
            with suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def plain_name(name: str) -> str:
    """A port's name without the client and port numbers that ALSA appends, which change on replugging."""
    return re.sub(r" \d+:\d+$", "", name)


def match_port(wanted: str, names: Sequence[str], direction: Direction) -> str:
    """The one full name that ``wanted`` is a case-insensitive part of.

    A name equal to ``wanted``, with or without ALSA's numbers, wins over longer ones. Otherwise
    ``UserError`` lists what there is.
    """
    key = wanted.strip().casefold()
    exact = [name for name in names if key in {name.casefold(), plain_name(name).casefold()}]
    found = exact or [name for name in names if key and key in name.casefold()]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"'{name}'" for name in (found or names))
    if found:
        raise UserError(
            f"'{wanted}' fits {len(found)} MIDI {direction} ports: {there}.", "Give a longer part."
        )
    if names:
        raise UserError(f"No MIDI {direction} port is named '{wanted}'.", f"There is {there}.")
    raise UserError(
        f"No MIDI {direction} port is named '{wanted}': there are none at all.",
        "Plug the instrument in or start the program that owns the port, then see `antiphon ports`.",
    )


class NoMidiSystem:
    """What is left when no MIDI system answers: no ports, and a sentence that says so."""

    api = "none"

    def __init__(self, problem: UserError) -> None:
        self.problem: UserError | None = problem
        self._sentence = problem

    def names(self, direction: Direction) -> tuple[str, ...]:  # noqa: ARG002
        """No names."""
        return ()

    def connect(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:  # noqa: ARG002
        """Refuse with the problem."""
        raise self._sentence

    def publish(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:  # noqa: ARG002
        """Refuse with the problem."""
        raise self._sentence

    def close(self) -> None:
        """Nothing to let go."""


class _Reader:
    """The thread that hands on what an input has received.

    rtmidi would call Python on the MIDI system's own thread. That thread may then wait for the interpreter
    while rtmidi, which never lets go of it, waits for the thread to end; JACK cancels it even inside the
    interpreter, whose lock is then never free again; and rtmidi frees the callback's argument while it is
    read. Measured: a port closed while messages pour in hung the process within 5 to 40 closings.
    """

    def __init__(self, port: Any, receive: Receive) -> None:
        self._port = port
        self._receive = receive
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="midi in", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        last_s = time.monotonic()
        while not self._stopping:
            while (message := self._port.get_message()) is not None:
                self._receive(message[0])
                last_s = time.monotonic()
            is_at_rest = time.monotonic() - last_s > _REST_AFTER_S
            time.sleep(_READ_EVERY_AT_REST_S if is_at_rest else _READ_EVERY_S)

    def stop(self) -> None:
        """Return when nothing more is handed on."""
        self._stopping = True
        self._thread.join()


class _RtConnection:
    """An rtmidi object with one open port."""

    def __init__(self, system: RtMidiSystem, direction: Direction, receive: Receive | None) -> None:
        self._system = system
        self._direction = direction
        self._receive = receive
        self._port: Any = None
        self._reader: _Reader | None = None

    def send(self, data: bytes) -> None:
        if self._port is not None:
            self._port.send_message(data)

    def reopen(self, name: str) -> None:
        """Reuse the rtmidi object (a fresh JACK client takes 50 ms); make a new one if it refuses."""
        with quiet_stderr():
            for attempt in (False, True):
                try:
                    if attempt:
                        self._discard()
                    self._open(name)
                except UserError:
                    raise
                except Exception as error:
                    if attempt:
                        raise _cannot_open(self._direction, name) from error
                else:
                    return

    def _open(self, name: str) -> None:
        if self._port is None:
            self._port = self._system.new_client(self._direction, CLIENT_NAME)
        self._deafen()
        self._port.close_port()
        names = self._port.get_ports()
        if name not in names:
            raise _cannot_open(self._direction, name)
        self._port.open_port(names.index(name), name="in" if self._direction is Direction.INPUT else "out")
        self._listen()

    def publish(self, name: str) -> None:
        with quiet_stderr():
            try:
                self._port = self._system.new_client(self._direction, name)
                self._port.open_virtual_port("in" if self._direction is Direction.INPUT else "out")
            except Exception as error:
                raise UserError(
                    f"The virtual MIDI {self._direction} port '{name}' could not be made.",
                    "See `antiphon ports` for what there is.",
                ) from error
        self._listen()

    def _listen(self) -> None:
        if self._receive is not None:
            self._reader = _Reader(self._port, self._receive)

    def _deafen(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()

    def _discard(self) -> None:
        self._deafen()
        port, self._port = self._port, None
        if port is not None:
            with suppress(Exception):
                port.close_port()
                if self._system.api == "jack":
                    time.sleep(_JACK_REST_S)
                port.delete()

    def close(self) -> None:
        with quiet_stderr():
            self._discard()


@contextmanager
def _closed_on_failure(connection: _RtConnection) -> Iterator[None]:
    """Close what could not be opened: rtmidi frees a client when it is told to and never by itself."""
    try:
        yield
    except UserError:
        connection.close()
        raise


def _cannot_open(direction: Direction, name: str) -> UserError:
    return UserError(
        f"The MIDI {direction} port '{name}' could not be opened.",
        "Another program may hold it, or it was just unplugged; see `antiphon ports`.",
    )


class RtMidiSystem:
    """Ports of one rtmidi API.

    A JACK server that dies goes unnoticed: rtmidi keeps listing the ports it knew and swallows what is sent.
    Open no new system then (libjack frees the old clients under rtmidi, measured: segmentation fault).
    """

    problem: UserError | None = None

    def __init__(self, rtmidi: Any, api_id: int) -> None:
        """Raise whatever rtmidi raises when the API does not answer."""
        self._rtmidi = rtmidi
        self._api_id = api_id
        self.api: str = rtmidi.get_api_name(api_id)
        self._probes = {d: self.new_client(d, f"{CLIENT_NAME} probe") for d in Direction}

    def new_client(self, direction: Direction, name: str) -> Any:
        """A bare rtmidi object that shows no port yet."""
        if direction is Direction.OUTPUT:
            return self._rtmidi.MidiOut(self._api_id, name=name)
        client = self._rtmidi.MidiIn(self._api_id, name=name, queue_size_limit=_QUEUE_LIMIT)
        client.ignore_types(sysex=False, timing=False, active_sense=False)
        return client

    def names(self, direction: Direction) -> tuple[str, ...]:
        """Full names; about 50 µs on JACK."""
        try:
            return tuple(self._probes[direction].get_ports())
        except Exception:
            return ()

    def connect(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:
        """Open by full name; on JACK an output waits 60 ms until the connection carries messages."""
        connection = _RtConnection(self, direction, receive)
        with _closed_on_failure(connection):
            connection.reopen(name)
        if self.api == "jack" and direction is Direction.OUTPUT:
            time.sleep(_JACK_SETTLE_S)
        return connection

    def publish(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:
        """Make a virtual port, except on Windows, which has none."""
        if self.api == "winmm":
            raise UserError(
                "Windows offers no virtual MIDI ports of its own.",
                "Install loopMIDI, make a port in it, and name that port with --in or --out.",
            )
        connection = _RtConnection(self, direction, receive)
        with _closed_on_failure(connection):
            connection.publish(name)
        return connection

    def close(self) -> None:
        """Delete the probing clients; from then on there are no names."""
        probes, self._probes = self._probes, {}
        with quiet_stderr(), suppress(Exception):
            for probe in probes.values():
                probe.delete()


def _import_rtmidi() -> Any:
    # A function of its own so that tests can take the library away.
    import rtmidi  # noqa: PLC0415

    return rtmidi


def find_system(api: str | None = None) -> MidiSystem:
    """The first MIDI system that answers, in the order ALSA, JACK, CoreMIDI, Windows MM.

    Never raises and starts no JACK server. ``api`` (or the environment's ``ANTIPHON_MIDI_API``) names
    one of ``API_ORDER`` to try alone. Without any, the result has no ports and states the ``problem``.
    """
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    only = api or os.environ.get("ANTIPHON_MIDI_API", "")
    with quiet_stderr():
        try:
            rtmidi = _import_rtmidi()
            compiled = {rtmidi.get_api_name(number): number for number in rtmidi.get_compiled_api()}
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            return NoMidiSystem(
                UserError(
                    f"The MIDI library python-rtmidi does not load: {reason}.",
                    f"On Debian: `apt-get install libasound2`; {_WITHOUT_MIDI}",
                )
            )
        tried = [name for name in API_ORDER if name in compiled and only in {"", name}]
        for name in tried:
            with suppress(Exception):
                return RtMidiSystem(rtmidi, compiled[name])
    return NoMidiSystem(_nothing_answers(tried))


def _nothing_answers(tried: Sequence[str]) -> UserError:
    names = " or ".join({"core": "CoreMIDI", "winmm": "Windows MM"}.get(name, name.upper()) for name in tried)
    start = (
        "Load the ALSA sequencer (`modprobe snd-seq`) or start JACK" if "alsa" in tried else "Go on without"
    )
    return UserError(
        f"No MIDI system answers here ({names or 'none is built in'}).", f"{start}; {_WITHOUT_MIDI}"
    )
