"""Sound devices behind one protocol.

A device pulls blocks from a render function on a thread of its own. Whatever that function does, the
device goes on: an exception becomes silence, is counted, and the first one is kept. Without any device
``SilentOut`` pulls in its place, so the rest of the program never has to know.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import sys
import threading
import time
from collections.abc import Callable, Generator
from functools import cache
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from midi.clock import Clock
from midi.systemclock import SystemClock
from studio.live.outputs import FrameClock
from studio.settings import is_none

Audio = NDArray[np.float32]
Render = Callable[[int], Audio]

WAITING_DRIVERS = frozenset({b"dummy", b"disk"})
"""SDL's drivers without a device behind them: they wait for a whole block after each callback (SDL 2.28)."""

LEFT_OPEN_S = 1.0
"""Longest wait for a device to pause itself before another is opened."""

CALLBACK_END_S = 0.05
"""Time for a callback that has paused its device to return."""

NULL_DEVICES = ("NULL", "Discard all samples")
"""Names of devices that are none and run faster than time: miniaudio's own and ALSA's."""


class Device(Protocol):
    """What the desk needs of an open device, in this process or in one of its own."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def reason(self) -> str:
        """Why nothing is heard, one sentence; empty for a device that plays."""

    @property
    def latency_s(self) -> float:
        """Estimate: one block being played and one being filled; the device's own buffer is unknown."""

    @property
    def frame(self) -> int:
        """Frames asked for so far; it stands still when the driver's thread does."""

    @property
    def is_gone(self) -> bool:
        """Whether the driver says that the device is no more."""

    @property
    def underruns(self) -> int:
        """Blocks that were not there when a device with two of them needed them: asked for late, or slow."""

    def stop(self) -> None:
        """Stop and close; it asks for nothing more when this returns. May be repeated."""

    def abandon(self) -> None:
        """Close a device that may never answer again, without waiting for it."""


class AudioOut(Device, Protocol):
    """Somewhere to play."""

    @property
    def rate_hz(self) -> int:
        """Sample rate."""

    @property
    def block_frames(self) -> int:
        """Frames asked for at a time."""

    @property
    def faults(self) -> int:
        """Blocks that became silence because ``render`` failed."""

    @property
    def error(self) -> Exception | None:
        """The first failure of ``render``."""

    def start(self, render: Render) -> None:
        """Pull blocks [n, 2] from ``render(n)`` on another thread until ``stop``."""

    def frame_at(self, now_s: float) -> int | None:
        """Absolute frame that belongs to a time of the clock, jitter smoothed; None before the start."""


def _checked(render: Render | None, n_frames: int) -> Audio:
    """A block of the right shape, or ValueError."""
    block = render(n_frames) if render else np.zeros((n_frames, 2), dtype=np.float32)
    if block.shape != (n_frames, 2):
        raise ValueError(f"render gave {block.shape}, not {(n_frames, 2)}")
    return block


class _Out:
    """What every driver shares: guarded pulling, counting and timing."""

    def __init__(self, name: str, rate_hz: int, block_frames: int, clock: Clock, reason: str = "") -> None:
        self.name, self.reason = name, reason
        self.rate_hz, self.block_frames = rate_hz, block_frames
        self.underruns = self.faults = self.frame = 0
        self.error: Exception | None = None
        self._clock = clock
        self._frames = FrameClock(rate_hz)
        self._render: Render | None = None
        self._due_s = math.inf
        self._waits_after = False

    @property
    def latency_s(self) -> float:
        """Two blocks, in seconds."""
        return 2 * self.block_frames / self.rate_hz

    @property
    def is_gone(self) -> bool:
        """Not that this driver knows."""
        return False

    def stop(self) -> None:
        """Stop and close."""

    def abandon(self) -> None:
        """Close on a thread of its own, which may wait for ever."""
        threading.Thread(target=self.stop, name="abandoned-audio", daemon=True).start()

    def frame_at(self, now_s: float) -> int | None:
        """Frame of a time of the clock."""
        return self._frames.frame_at(now_s)

    def _pull(self, n_frames: int) -> Audio:
        """The next block, or silence; called by the driver's thread only."""
        begin_s = self._clock.now_s()
        self._frames.observe(self.frame, begin_s)
        try:
            block = _checked(self._render, n_frames)
        except Exception as error:
            self.faults += 1
            self.error = self.error or error
            block = np.zeros((n_frames, 2), dtype=np.float32)
        length_s, end_s = n_frames / self.rate_hz, self._clock.now_s()
        # The device plays one block while this one is made, so it has to be there a block after it was due.
        if end_s - min(begin_s, self._due_s) > length_s:
            self.underruns += 1
        self._due_s = (end_s if self._waits_after else begin_s) + length_s
        self.frame += n_frames
        return block


class SilentOut(_Out):
    """No device: a thread pulls blocks at the pace of real time and drops them."""

    def __init__(
        self, reason: str, rate_hz: int = 48000, block_frames: int = 256, clock: Clock | None = None
    ) -> None:
        super().__init__("no sound", rate_hz, block_frames, clock or SystemClock(), reason)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, render: Render) -> None:
        """Begin to pull blocks."""
        self._render = render
        self._thread = threading.Thread(target=self._run, name="silent-audio", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        block_s = self.block_frames / self.rate_hz
        due_s = self._clock.now_s()
        while not self._stopping.wait(max(0.0, due_s - self._clock.now_s())):
            self._pull(self.block_frames)
            # After a long stall time goes on from here: nobody wants the missed blocks in one burst.
            due_s = max(due_s + block_s, self._clock.now_s() - 1.0)

    def stop(self) -> None:
        """Stop and close."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


class SdlOut(_Out):
    """A device of SDL through pygame's undocumented ``_sdl2`` module, wrapped here and nowhere else."""

    def __init__(self, name: str, rate_hz: int, block_frames: int, clock: Clock) -> None:
        super().__init__(name, rate_hz, block_frames, clock)
        sdl = _sdl()
        _close_left_open()
        self._waits_after = _driver() in WAITING_DRIVERS
        self._is_stopping = False
        self._has_paused = threading.Event()
        self._device = sdl.AudioDevice(
            devicename=name,
            iscapture=False,
            frequency=rate_hz,
            audioformat=sdl.AUDIO_F32,
            numchannels=2,
            chunksize=block_frames,
            allowed_changes=0,
            callback=self._fill,
        )

    def _fill(self, device: Any, memory: Any) -> None:
        buffer = np.asarray(memory).view(np.float32).reshape(-1, 2)
        if self._is_stopping:
            buffer[:] = 0
            device.pause(1)
            self._has_paused.set()
        else:
            buffer[:] = self._pull(len(buffer))

    def start(self, render: Render) -> None:
        """Begin to pull blocks."""
        self._render = render
        self._device.pause(0)

    def stop(self) -> None:
        """Stop and close."""
        device, self._device = self._device, None
        if device is None:
            return
        # pygame pauses and closes without letting go of the interpreter, while a callback that holds the
        # device's lock may be waiting for it. So SDL is asked directly: ctypes lets go. Once it is paused
        # there are no more callbacks, and closing is safe; one that never started has none.
        self._is_stopping = True
        pause = _sdl_pause()
        if pause is not None:
            pause(device.deviceid, 1)
        elif self._render is not None:
            _LEFT_OPEN.append((device, self._has_paused))
            return
        device.close()

    @property
    def is_gone(self) -> bool:
        """Whether SDL has lost the device; it goes on asking for blocks all the same and drops them."""
        status = _sdl_function("SDL_GetAudioDeviceStatus", (ctypes.c_uint32,), ctypes.c_int)
        return self._device is not None and status is not None and status(self._device.deviceid) == _STOPPED

    def abandon(self) -> None:
        """Close it where SDL lost it; one that hangs would hang whoever closes it, so it stays open."""
        if self.is_gone:
            self.stop()
        elif self._device is not None:
            self._is_stopping = True
            _LEFT_OPEN.append((self._device, self._has_paused))
            self._device = None


_STOPPED = 0
"""``SDL_AUDIO_STOPPED``: closed, or disconnected (SDL 2, ``SDL_audio.h``)."""

_LEFT_OPEN: list[tuple[Any, threading.Event]] = []
"""Devices that pause themselves at their next callback, and whether they have, where SDL can't be asked.

They are closed before the next one is opened: many systems lend a device only once.
"""


def _close_left_open() -> None:
    """Close the devices that have paused themselves; one that never does stays open.

    Closing waits for the driver's thread without letting go of the interpreter, so a callback that still
    needs it would wait for ever. Hence only after the pause, and after time for that callback to return.
    """
    waiting = _LEFT_OPEN[:]
    _LEFT_OPEN.clear()
    for device, has_paused in waiting:
        if has_paused.wait(LEFT_OPEN_S):
            time.sleep(CALLBACK_END_S)
            device.close()
        else:
            _LEFT_OPEN.append((device, has_paused))


def _sdl_function(name: str, takes: tuple[type, ...], gives: type | None) -> Callable[..., Any] | None:
    """A function of pygame's SDL, called without the interpreter's lock; None where there is none."""
    # A module's handle finds the symbols of what it is linked to, except on Windows.
    module = sys.modules.get("pygame._sdl2.audio")
    library = "SDL2.dll" if sys.platform == "win32" else str(getattr(module, "__file__", ""))
    try:
        function: Any = getattr(ctypes.CDLL(library), name)
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = takes, gives
    return cast("Callable[..., Any]", function)


def _sdl_pause() -> Callable[[int, int], None] | None:
    return _sdl_function("SDL_PauseAudioDevice", (ctypes.c_uint32, ctypes.c_int), None)


def _driver() -> object:
    """What SDL plays through, as bytes; None where it can't be asked."""
    ask = _sdl_function("SDL_GetCurrentAudioDriver", (), ctypes.c_char_p)
    return None if ask is None else ask()


def can_reopen() -> bool:
    """Whether a device may be opened after one was lost.

    Not on JACK: opening a client anew makes libjack free those of the server that died, under the MIDI ports.
    """
    return _driver() != b"jack"


class MiniaudioOut(_Out):
    """A device through the ``miniaudio`` package, where it is installed."""

    def __init__(self, name: str, rate_hz: int, block_frames: int, clock: Clock) -> None:
        super().__init__(name, rate_hz, block_frames, clock)
        self._miniaudio = importlib.import_module("miniaudio")
        found = self._miniaudio.Devices().get_playbacks()
        self._device = self._miniaudio.PlaybackDevice(
            output_format=self._miniaudio.SampleFormat.FLOAT32,
            nchannels=2,
            sample_rate=rate_hz,
            buffersize_msec=max(1, math.ceil(1000 * block_frames / rate_hz)),
            device_id=next(device["id"] for device in found if device["name"] == name),
        )

    def _blocks(self) -> Generator[bytes | NDArray[np.float32], int, None]:
        wanted = yield b""
        while True:
            wanted = yield self._pull(wanted).tobytes()

    def start(self, render: Render) -> None:
        """Begin to pull blocks."""
        self._render = render
        blocks = self._blocks()
        next(blocks)
        self._device.start(blocks)

    def stop(self) -> None:
        """Stop and close."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


@cache
def _sdl() -> Any:
    """The SDL module of pygame, its sound system running; ImportError or pygame's error where it cannot.

    Started once: SDL counts starts in eight bits, and the 256th starts all anew, which closes every device.
    """
    sdl = importlib.import_module("pygame._sdl2")
    sdl.init_subsystem(sdl.INIT_AUDIO)
    return sdl


def _sdl_names() -> list[str]:
    return [str(name) for name in _sdl().get_audio_device_names(False)]


def _miniaudio_names() -> list[str]:
    miniaudio = importlib.import_module("miniaudio")
    names = [str(device["name"]) for device in miniaudio.Devices().get_playbacks()]
    return [name for name in names if not any(word in name for word in NULL_DEVICES)]


Driver = tuple[Callable[[], list[str]], Callable[[str, int, int, Clock], AudioOut]]

DRIVERS: tuple[Driver, ...] = ((_sdl_names, SdlOut), (_miniaudio_names, MiniaudioOut))
"""Tried in this order: how to list devices, how to open one."""


def _found() -> tuple[list[tuple[str, Driver]], str]:
    """Devices with their drivers, and why there are none."""
    reason = "No sound device was found."
    for driver in DRIVERS:
        try:
            names = driver[0]()
        except Exception as error:
            # Drivers fail in ways of their own; any failure means that this one has no devices.
            if not isinstance(error, ImportError):
                reason = f"No sound device was found ({error})."
            continue
        if names:
            return [(name, driver) for name in names], ""
    return [], reason


def list_devices() -> tuple[str, ...]:
    """Names of the output devices; empty where there are none. Never raises."""
    return tuple(name for name, _ in _found()[0])


def open_audio(
    device: str | None = None, rate_hz: int = 48000, block_frames: int = 256, clock: Clock | None = None
) -> AudioOut:
    """Open a sound device; where that fails, a silent one whose ``reason`` says why. Never raises.

    Args:
        device: Part of a device's name in any case; None or ``default`` takes the first; ``none`` is silence.
        rate_hz: Sample rate; the system converts where the device wants another.
        block_frames: Frames a block; fewer are quicker to answer and easier to miss.
        clock: Clock of ``frame_at``; None is the machine's.
    """
    clock = clock or SystemClock()
    if device is not None and is_none(device):
        return SilentOut("Sound is switched off.", rate_hz, block_frames, clock)
    found, reason = _found()
    wanted = "" if device is None or device.strip().casefold() == "default" else device.strip().casefold()
    if found and not any(wanted in name.casefold() for name, _ in found):
        names = ", ".join(name for name, _ in found)
        reason = f"No sound device is called '{device}'; there are: {names}."
    for name, (_, opens) in found:
        if wanted in name.casefold():
            try:
                return opens(name, rate_hz, block_frames, clock)
            except Exception as error:
                reason = f"The sound device {name} can't be opened ({error})."
    return SilentOut(reason, rate_hz, block_frames, clock)
