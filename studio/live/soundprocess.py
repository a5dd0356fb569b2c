"""The synth and its sound device in a process of their own, so that no thread of the desk holds up a block.

The desk sends what is to be heard through a pipe, each sound with its time, and never waits for the other
side. Times are :class:`midi.systemclock.SystemClock`'s, which every process of a machine shares
(``time.perf_counter`` is system-wide: Python's documentation). Loudness, frames and faults come back through
shared memory. The process ends with the desk, whatever ended that.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from functools import partial
from multiprocessing import connection, get_context
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias, cast

from midi.clock import Clock
from midi.events import CLASS_PROGRAMS, DRUMS
from midi.systemclock import SystemClock
from studio.live.childprocess import exit_with_parent, leave_the_terminal, uninterrupted
from studio.live.messages import Sound, Voice
from studio.live.realtime import BESIDE_PRIORITY, OUTPUT_PRIORITY, ask_for_real_time
from studio.memory import give_memory_back
from studio.settings import is_none

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from studio.live import sound as facade
    from studio.live.audio import Device

# Windows has other connection types; both sides here use only what they share.
_Connection: TypeAlias = "connection.Connection[object, object]"
_Status: TypeAlias = MutableSequence[float]
_Answer: TypeAlias = tuple[str, str, str, float]

LOOK_S = 0.02
"""How often the figures are renewed while nothing is played: as often as a meter is looked at."""

START_S = 20.0
"""Longest time from asking for a device to its first block before the process counts as hanging."""

CLOSE_S = 2.0
"""Longest end: the last sounds fade, and the device is given back."""

SWITCH_S = 0.0002
"""How long the making of an instrument's tables may keep the interpreter from a block of 5 ms."""

_OPS = ("on", "off", "control", "volume", "panic", "prepare", "drums", "close")
_OP = {name: number for number, name in enumerate(_OPS)}
_VOICES = tuple(Voice)
_VOICE = {voice: number for number, voice in enumerate(_VOICES)}

_RECORD = struct.Struct("<BBhhhqd")
"""Op, voice, pitch (controller), velocity (value), instrument (program), note id, time in s (or in dB)."""

_FRAME, _PEAK, _UNDERRUNS, _GONE, _N_STATUS = range(5)


def _packed(
    op: str, voice: Voice = Voice.PLAYER, pitch: int = 0, velocity: int = 0, instrument: int = 0,
    note_id: int = -1, value: float = 0.0,
) -> bytes:  # fmt: skip
    return _RECORD.pack(_OP[op], _VOICE[voice], pitch, velocity, instrument, note_id, value)


# The sound's side.


def _sound_main(link: _Connection, report: _Connection, status: _Status) -> None:
    """Open the device that the desk names, and play until it closes it, or is gone."""
    leave_the_terminal()
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    exit_with_parent(CLOSE_S)
    give_memory_back()
    # Not at the top: the desk starts this process before it has loaded as much itself.
    from studio.live.audio import list_devices  # noqa: PLC0415
    from studio.live.sound import open_sound  # noqa: PLC0415

    list_devices()
    # While no block is due yet: a full collection takes longer than one.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    with suppress(EOFError, OSError):
        found = open_sound(cast("str", link.recv()), SystemClock())
        device = found.device
        place = ("", 0.0) if device is None else (device.name, device.latency_s)
        report.send((found.name, found.sentence, *place))
        if device is not None:
            _serve(link, found, device, status)
    # Not by way of the interpreter's end, which a driver's thread can hold up.
    os._exit(0)


def _serve(link: _Connection, found: facade.Sound, device: Device, status: _Status) -> None:
    ask_for_real_time(OUTPUT_PRIORITY)
    player = _Player(found)
    with suppress(EOFError, OSError):
        while player.is_open:
            if link.poll(LOOK_S):
                player.take(link.recv_bytes())
            # By the thread that plays: frames stand still for the desk when either this or the driver does.
            status[_FRAME], status[_PEAK], status[_UNDERRUNS] = device.frame, found.peak, device.underruns
            status[_GONE] = device.is_gone
    for sink in found.sinks:
        sink.panic()
    found.close()


class _Player:
    """Does what the desk's records say. One thread only."""

    def __init__(self, found: facade.Sound) -> None:
        self._found, (self._sink,) = found, found.sinks
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._foreseen: set[tuple[int, int]] = set()
        self.is_open = True
        threading.Thread(target=self._prepare, name="tables", daemon=True).start()

    def take(self, records: bytes) -> None:
        """Play, in order, what came."""
        for op, voice, pitch, velocity, instrument, note_id, value in _RECORD.iter_unpack(records):
            name = _OPS[op]
            if op <= _OP["control"]:
                sound = Sound(value, name, _VOICES[voice], pitch, velocity, note_id, instrument)
                self._sink.play(sound)
                self._foresee(sound)
            elif name == "volume":
                self._sink.set_volume(_VOICES[voice], value)
            elif name == "panic":
                self._sink.panic()
            elif name == "drums":
                self._asked.put(self._found.prepare_drums)
            elif name == "prepare":
                self._asked.put(partial(self._found.prepare, instrument, None if pitch < 0 else pitch))
            else:
                self.is_open = False

    def _foresee(self, sound: Sound) -> None:
        """Have a note's tables made before its block; a chord of new ones took longer than a block lasts."""
        key = (sound.instrument, sound.pitch)
        if sound.kind == "on" and sound.voice is Voice.PARTNER and key not in self._foreseen:
            self._foreseen.add(key)
            if sound.instrument != DRUMS:
                self._asked.put(partial(self._found.prepare, CLASS_PROGRAMS[sound.instrument], sound.pitch))

    def _prepare(self) -> None:
        """Make tables while sounds go on."""
        ask_for_real_time(BESIDE_PRIORITY)
        while True:
            self._asked.get()()


# The desk's side.

_EARLY: list[SoundProcess] = []


def start_early(device: str) -> None:
    """Start the process that :func:`open_beside` will take, so that it loads beside whoever calls."""
    if is_none(device):
        return
    with suppress(OSError):
        _EARLY.append(SoundProcess())


def open_beside(device: str, clock: Clock) -> facade.Sound:
    """Start the synth on a device, in a process of its own; see :func:`studio.live.sound.open_sound`.

    On any clock but the system's, which other processes can't share, it plays in this process. Takes half a
    second, less after ``start_early``; ``START_S`` at most.
    """
    from studio.live import sound  # noqa: PLC0415 - only what the process itself needs is loaded before it

    if is_none(device) or not isinstance(clock, SystemClock):
        return sound.open_sound(device, clock)
    early = [process for process in _EARLY if not process.is_gone]
    _EARLY.clear()
    try:
        return (early or [SoundProcess()])[0].open(device)
    except OSError as error:
        return sound.silence(f"The sound could not be started ({error}).")


class SoundProcess:
    """One process, and in this one its sink, its device and its meter at once.

    Sounds, volumes and figures from any thread, without ever waiting; ``open``, ``stop`` and ``abandon`` from
    one thread at a time.

    Attributes:
        name: The device.
        latency_s: Its latency as :class:`studio.live.audio.AudioOut` estimates it.

    Raises:
        OSError: The system has no room for another process.
    """

    def __init__(self) -> None:
        self.name, self.latency_s = "", 0.0
        self._is_over = False
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        context = get_context("spawn")
        self._status: _Status = context.RawArray("d", _N_STATUS)
        far_end, self._link = context.Pipe(duplex=False)
        self._report, far_report = context.Pipe(duplex=False)
        self._process: SpawnProcess = context.Process(
            target=_sound_main, args=(far_end, far_report, self._status), name="antiphon-sound", daemon=True
        )
        self._sender = threading.Thread(target=self._transmit, name="sound-sender", daemon=True)
        try:
            with uninterrupted():
                self._process.start()
        except OSError:
            self._link.close()
            self._report.close()
            raise
        finally:
            far_end.close()
            far_report.close()

    def open(self, device: str) -> facade.Sound:
        """Have it open a device and play; silence and a sentence where it can't."""
        from studio.live import sound  # noqa: PLC0415 - see open_beside

        try:
            self._link.send(device)
            if not self._report.poll(START_S):
                self.abandon()
                return sound.silence("The sound device does not answer.")
            name, sentence, self.name, self.latency_s = cast("_Answer", self._report.recv())
        except (EOFError, OSError):
            self.abandon()
            return sound.silence("The sound ended while it was being started.")
        self._sender.start()
        if not self.name:
            self.stop()
            return sound.Sound((), name, sentence)
        return sound.Sound((self,), name, "", self, self)

    # A sink.

    def play(self, sound: Sound) -> None:
        """Have a sound played at its time."""
        values = sound.pitch, sound.velocity, sound.instrument, sound.note_id, sound.time_s
        self._put(_packed(sound.kind, sound.voice, *values))

    def set_volume(self, voice: Voice, gain_db: float) -> None:
        """How loud a voice is, dB; see :class:`studio.live.outputs.SynthOutput`."""
        self._put(_packed("volume", voice, value=gain_db))

    def panic(self) -> None:
        """Silence within some milliseconds; what waits is forgotten."""
        self._put(_packed("panic"))

    def _put(self, record: bytes) -> None:
        if not self._is_over:
            self._outbox.put(record)

    def _transmit(self) -> None:
        """Send what waits, all of it at once; the engine never writes to a pipe that may be full."""
        ask_for_real_time(OUTPUT_PRIORITY)
        is_open = True
        with suppress(OSError, ValueError):
            while is_open:
                records = [self._outbox.get()]
                while not self._outbox.empty():
                    records.append(self._outbox.get())
                is_open = None not in records
                self._link.send_bytes(b"".join(record for record in records if record is not None))

    # A meter.

    @property
    def peak(self) -> float:
        """Loudest sample of the last moment."""
        return self._status[_PEAK]

    def prepare(self, program: int, pitch: int | None = None) -> None:
        """Make an instrument's tables, or those of one key, behind what is played."""
        self._put(_packed("prepare", pitch=-1 if pitch is None else pitch, instrument=program))

    def prepare_drums(self) -> None:
        """Make the drums, behind what is played."""
        self._put(_packed("drums"))

    # A device.

    @property
    def reason(self) -> str:
        """Why nothing is heard any more, where that is not the device's fault; empty while all is well."""
        return "" if self._is_over or self._process.is_alive() else "The sound stopped."

    @property
    def frame(self) -> int:
        """Frames that the device asked for; stands still when it, or the process, does."""
        return int(self._status[_FRAME])

    @property
    def underruns(self) -> int:
        """Blocks that were late."""
        return int(self._status[_UNDERRUNS])

    @property
    def is_gone(self) -> bool:
        """Whether the device is no more, or the process."""
        return bool(self._status[_GONE]) or bool(self.reason)

    @property
    def pid(self) -> int | None:
        """The process, for tests and reports."""
        return None if self._is_over else self._process.pid

    def stop(self) -> None:
        """Close the device and end the process: asked first, then by force."""
        self._put(_packed("close"))
        self._end(CLOSE_S)

    def abandon(self) -> None:
        """End a process whose device may never answer again, without asking it."""
        self._end(0.0)

    def _end(self, patience_s: float) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._outbox.put(None)
        self._process.join(patience_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(1.0)
        # A pipe without a reader refuses what is written, so the thread ends.
        if self._sender.is_alive():
            self._sender.join(timeout=1.0)
        self._link.close()
        self._report.close()
        with suppress(ValueError):
            self._process.close()
