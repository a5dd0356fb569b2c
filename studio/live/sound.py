"""The built-in synth on a sound device, or silence and the reason for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from midi.clock import Clock
from studio.live.audio import NO_DEVICE, AudioOut, open_audio
from studio.live.outputs import SynthOutput
from studio.live.realtime import AUDIO_PRIORITY, ask_for_real_time
from studio.live.synth import Audio, Synth
from studio.settings import SAMPLE_RATE_HZ

SILENT_PEAK_DB = -120.0

PEAK_FALL_S = 0.3
"""Time in which the peak meter falls by 20 dB after a peak, by eye."""

FADE_S = 0.010
"""A panic is inaudible after this (the synth fades within 5 ms)."""


@dataclass(frozen=True)
class Sound:
    """Where sounds are heard.

    Attributes:
        sinks: For the engine: the synth, or nothing.
        name: The device in words.
        sentence: Why nothing is heard; empty for a device, and for silence that was asked for.
        device: The open device; None for silence.
    """

    sinks: tuple[SynthOutput, ...]
    name: str
    sentence: str = ""
    device: AudioOut | None = None
    meter: _Prompt | None = field(default=None, repr=False)

    @property
    def peak_db(self) -> float:
        """Loudest sample of the last moment, dB of full scale; −120 for silence."""
        peak = self.meter.peak if self.meter is not None else 0.0
        return max(SILENT_PEAK_DB, 20.0 * float(np.log10(max(peak, 1e-9))))

    def prepare_drums(self) -> None:
        """Make the drums before they are played; keys sound meanwhile."""
        if self.meter is not None:
            self.meter.synth.prepare_drums()

    def prepare(self, program: int) -> None:
        """Make an instrument's tables before it is played (some 50 ms of work)."""
        if self.meter is not None:
            self.meter.synth.prepare(program)

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

    def render(self, n_frames: int) -> Audio:
        if not self._has_asked:
            self._has_asked = True
            ask_for_real_time(AUDIO_PRIORITY)
        block = self.synth.render(n_frames)
        fallen = self.peak * 10.0 ** (-n_frames / self.synth.rate_hz / PEAK_FALL_S)
        self.peak = max(fallen, float(np.abs(block).max(initial=0.0)))
        return block


def open_sound(device: str, clock: Clock) -> Sound:
    """Start the synth on a device; without one nothing is computed, and the sentence says why.

    Its keys are ready at once, its drums after ``prepare_drums``.
    """
    out = open_audio(device, SAMPLE_RATE_HZ, clock=clock)
    if out.reason:
        is_asked = device.strip().casefold() == NO_DEVICE
        return Sound((), NO_DEVICE, "" if is_asked else f"{out.reason} The performance is silent.")
    synth = Synth(out.rate_hz, has_drums=False)
    prompt = _Prompt(synth)
    out.start(prompt.render)
    name = f"{out.name}, {out.rate_hz / 1000:g} kHz"
    return Sound((SynthOutput(synth, out.frame_at),), name, "", out, prompt)
