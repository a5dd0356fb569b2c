"""The built-in synth on a sound device, or silence and the reason for it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from midi.clock import Clock
from studio.live.audio import NO_DEVICE, AudioOut, open_audio
from studio.live.outputs import SynthOutput
from studio.live.realtime import AUDIO_PRIORITY, ask_for_real_time
from studio.live.synth import Audio, Synth
from studio.settings import SAMPLE_RATE_HZ

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

    @property
    def underruns(self) -> int:
        """Blocks that the device missed."""
        return self.device.underruns if self.device is not None else 0

    def close(self) -> None:
        """Let the last sounds fade, then close the device."""
        if self.device is not None:
            threading.Event().wait(self.device.latency_s + FADE_S)
            self.device.stop()


class _Prompt:
    """Renders, after the device's thread has asked for real-time priority with its first block."""

    def __init__(self, synth: Synth) -> None:
        self._synth = synth
        self._has_asked = False

    def render(self, n_frames: int) -> Audio:
        if not self._has_asked:
            self._has_asked = True
            ask_for_real_time(AUDIO_PRIORITY)
        return self._synth.render(n_frames)


def open_sound(device: str, clock: Clock) -> Sound:
    """Start the synth on a device; without one nothing is computed, and the sentence says why."""
    # pygame greets on standard output, which belongs to results.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    out = open_audio(device, SAMPLE_RATE_HZ, clock=clock)
    if out.reason:
        is_asked = device.strip().casefold() == NO_DEVICE
        return Sound((), NO_DEVICE, "" if is_asked else f"{out.reason} The performance is silent.")
    synth = Synth(out.rate_hz)
    out.start(_Prompt(synth).render)
    return Sound((SynthOutput(synth, out.frame_at),), f"{out.name}, {out.rate_hz / 1000:g} kHz", "", out)
