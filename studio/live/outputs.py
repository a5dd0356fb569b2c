"""Where sounds go: into the synth at exact frames, and to a MIDI port at their times."""

from __future__ import annotations

import threading
from collections.abc import Callable

from midi.events import CLASS_PROGRAMS
from midi.messages import Kind, Message, control
from midi.note import DRUM_CHANNEL
from midi.scheduler import OutputScheduler
from studio.live.channels import SYNTH_CHANNELS, Channels, balance, gain_of
from studio.live.messages import FIRST_FIXED_ID, Sound, Voice
from studio.live.synth import Instrument, SynthEvent

SLEW = 0.02
"""Share of a block's timing error that the frame clock takes over: it averages over some 50 blocks."""

LARGEST_DRIFT_S = 0.050
"""An error beyond this is no jitter: the device stood still, and the frame clock starts afresh."""


SILENCE_DB = -60.0
"""Volumes from here down are silence."""


class FrameClock:
    """Which frame belongs to which time, though blocks are asked for in bunches and late.

    A first-order delay-locked loop over the times at which blocks are asked for (after Adriaensen 2005,
    "Using a DLL to filter time"); frames never jitter by more than a fiftieth of what the blocks do.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        # One tuple, replaced as a whole: readers on other threads never see half a change.
        self._anchor: tuple[int, float] | None = None

    def observe(self, frame: int, now_s: float) -> None:
        """A block that begins with ``frame`` was asked for at ``now_s``."""
        if self._anchor is None:
            self._anchor = (frame, now_s)
            return
        at_frame, at_s = self._anchor
        expected_s = at_s + (frame - at_frame) / self._rate_hz
        error_s = now_s - expected_s
        share = SLEW if abs(error_s) < LARGEST_DRIFT_S else 1.0
        self._anchor = (frame, expected_s + share * error_s)

    def frame_at(self, time_s: float) -> int | None:
        """The frame of a time; None before the first block."""
        if self._anchor is None:
            return None
        frame, at_s = self._anchor
        return frame + round((time_s - at_s) * self._rate_hz)


class SynthOutput:
    """Sounds into a synth: the player's in the next block, the partner's at their exact frame.

    One thread plays and panics, another may render.

    Args:
        synth: Where sounds go.
        frame_at: The synth's frame that belongs to a time; None while nothing is rendered yet.
    """

    def __init__(self, synth: Instrument, frame_at: Callable[[float], int | None]) -> None:
        self._synth, self._frame_at = synth, frame_at
        self._channels = Channels()
        balance(synth)

    def play(self, sound: Sound) -> None:
        """Have a sound played."""
        # A frame in the past means the start of the next block.
        is_pressed = sound.voice is Voice.PLAYER and sound.note_id < FIRST_FIXED_ID
        frame = 0 if is_pressed else self._frame_at(sound.time_s)
        self._channels.schedule(sound, self._synth, frame or 0)

    def set_volume(self, voice: Voice, gain_db: float) -> None:
        """How loud a voice is, with what it has sounding: dB beside its own loudness, −60 is silence."""
        for channel in SYNTH_CHANNELS[voice]:
            gain = 0.0 if gain_db <= SILENCE_DB else gain_of(channel, gain_db)
            self._synth.schedule(SynthEvent(0, "gain", channel, gain=gain))

    def panic(self) -> None:
        """Silence within some milliseconds; what waits is forgotten."""
        self._synth.schedule(SynthEvent(0, "panic"))


class PortOutput:
    """The partner's sounds to a MIDI port, every instrument on a channel and with a program of its own.

    The player's own notes stay out: who plays into a DAW has them there already. Takes played back are whole.

    Attributes:
        active_s: Time of the latest sound; minus infinity before the first.
    """

    def __init__(self, scheduler: OutputScheduler, *, sends_metronome: bool = False) -> None:
        self._scheduler = scheduler
        self._sends_metronome = sends_metronome
        self._channels = Channels()
        self._programs: dict[int, int] = {}
        self.active_s = float("-inf")

    def play(self, sound: Sound) -> None:
        """Send a sound at its time."""
        is_pressed = sound.voice is Voice.PLAYER and sound.note_id < FIRST_FIXED_ID
        if is_pressed or (sound.voice is Voice.METRONOME and not self._sends_metronome):
            return
        channel = self._channels.channel(sound)
        self.active_s = sound.time_s
        if sound.kind == "off":
            self._scheduler.note_off(sound.time_s, sound.note_id)
        elif sound.kind == "control":
            self._scheduler.message(sound.time_s, control(channel, sound.pitch, sound.velocity))
        else:
            self._choose_program(sound, channel)
            self._scheduler.note_on(sound.time_s, sound.note_id, channel, sound.pitch, sound.velocity)

    def _choose_program(self, sound: Sound, channel: int) -> None:
        program = CLASS_PROGRAMS[sound.instrument]
        if channel != DRUM_CHANNEL and self._programs.get(channel) != program:
            self._programs[channel] = program
            self._scheduler.message(sound.time_s, Message(Kind.PROGRAM, channel, program))

    def panic(self) -> None:
        """Silence the port; what waits is forgotten."""
        self._scheduler.flush_and_panic()


class OpenNotes:
    """Counts the notes that are on, so that a summary can say that none was left hanging."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._lock = threading.Lock()

    def play(self, sound: Sound) -> None:
        """Take note of an on or off."""
        with self._lock:
            if sound.kind == "on":
                self._open.add(sound.note_id)
            elif sound.kind == "off":
                self._open.discard(sound.note_id)

    def panic(self) -> None:
        """A panic silences the sinks; the offs still have to come."""

    def count(self) -> int:
        """Notes whose off has not been given out."""
        with self._lock:
            return len(self._open)
