"""The built-in synth on a sound device, or silence and the reason for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from midi.clock import Clock
from studio.live import messages
from studio.live.audio import Device, open_audio
from studio.live.outputs import SynthOutput
from studio.live.realtime import AUDIO_PRIORITY, ask_for_real_time
from studio.live.synth import Audio, Synth
from studio.settings import NO_DEVICE, SAMPLE_RATE_HZ, is_none

SILENT_PEAK_DB = -120.0

PEAK_FALL_S = 0.3
"""Time in which the peak meter falls by 20 dB after a peak, by eye."""

FADE_S = 0.010
"""A panic is inaudible after this (the synth fades within 5 ms)."""


class SoundSink(Protocol):
    """Where the engine sends sounds: the synth here, or the way to one in another process."""

    def play(self, sound: messages.Sound) -> None:
        """Have a sound played."""

    def set_volume(self, voice: messages.Voice, gain_db: float) -> None:
        """How loud a voice is, dB beside its own loudness."""

    def panic(self) -> None:
        """Silence within some milliseconds."""


class Meter(Protocol):
    """What can be read from a synth that plays, and asked of it beside."""

    @property
    def peak(self) -> float:
        """Loudest sample of the last moment, 1 is full scale."""

    def prepare(self, program: int, pitch: int | None = None) -> None:
        """Make the tables of an instrument, or of one of its keys."""

    def prepare_drums(self) -> None:
        """Make the drums."""


@dataclass(frozen=True)
class Sound:
    """Where sounds are heard.

    Attributes:
        sinks: For the engine: the synth, or nothing.
        name: The device in words.
        sentence: Why nothing is heard; empty for a device, and for silence that was asked for.
        device: The open device; None for silence.
    """

    sinks: tuple[SoundSink, ...]
    name: str
    sentence: str = ""
    device: Device | None = None
    meter: Meter | None = field(default=None, repr=False)

    @property
    def peak(self) -> float:
        """Loudest sample of the last moment, 1 is full scale."""
        return self.meter.peak if self.meter is not None else 0.0

    @property
    def peak_db(self) -> float:
        """Loudest sample of the last moment, dB of full scale; −120 for silence."""
        return max(SILENT_PEAK_DB, 20.0 * float(np.log10(max(self.peak, 1e-9))))

    def prepare_drums(self) -> None:
        """Make the drums before they are played; keys sound meanwhile."""
        if self.meter is not None:
            self.meter.prepare_drums()

    def prepare(self, program: int, pitch: int | None = None) -> None:
        """Make the tables of an instrument (some 50 ms of work), or of one key, before they are played."""
        if self.meter is not None:
            self.meter.prepare(program, pitch)

    @property
    def underruns(self) -> int:
        """Blocks that the device missed."""
        return self.device.underruns if self.device is not None else 0

    def close(self) -> None:
        """Let the last sounds fade, then close the device."""
        if self.device is not None:
            threading.Event().wait(self.device.latency_s + FADE_S)
            self.device.stop()

    def abandon(self) -> None:
        """Let go of a device that is lost."""
        if self.device is not None:
            self.device.abandon()


class _Prompt:
    """Renders, after the device's thread has asked for real-time priority with its first block."""

    def __init__(self, synth: Synth) -> None:
        self.synth = synth
        self.peak = 0.0
        self._has_asked = False

    def prepare(self, program: int, pitch: int | None = None) -> None:
        self.synth.prepare(program, pitch)

    def prepare_drums(self) -> None:
        self.synth.prepare_drums()

    def render(self, n_frames: int) -> Audio:
        if not self._has_asked:
            self._has_asked = True
            ask_for_real_time(AUDIO_PRIORITY)
        block = self.synth.render(n_frames)
        fallen = self.peak * 10.0 ** (-n_frames / self.synth.rate_hz / PEAK_FALL_S)
        self.peak = max(fallen, float(np.abs(block).max(initial=0.0)))
        return block


def silence(reason: str = "") -> Sound:
    """No sound, and why in a sentence; an empty one where silence was asked for."""
    return Sound((), NO_DEVICE, reason and f"{reason} The performance is silent.")


def open_sound(device: str, clock: Clock) -> Sound:
    """Start the synth on a device; without one nothing is computed, and the sentence says why.

    Its keys are ready at once, its drums after ``prepare_drums``.
    """
    out = open_audio(device, SAMPLE_RATE_HZ, clock=clock)
    if out.reason:
        return silence("" if is_none(device) else out.reason)
    synth = Synth(out.rate_hz, has_drums=False)
    prompt = _Prompt(synth)
    out.start(prompt.render)
    name = f"{out.name}, {out.rate_hz / 1000:g} kHz"
    return Sound((SynthOutput(synth, out.frame_at),), name, "", out, prompt)
