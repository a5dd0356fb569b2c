"""Time: tempo maps, clocks and MIDI clock."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midi.follower import CLOCK_PPQ, ClockFollower, LockState

__all__ = [
    "DEFAULT_BPM",
    "MAX_SONG_POSITION",
    "Clock",
    "ClockFollower",
    "ClockMessage",
    "ClockSender",
    "LockState",
    "ManualClock",
    "TempoMap",
]

DEFAULT_BPM = 120.0
"""Tempo of a file that states none (Standard MIDI Files 1.0)."""


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Piecewise constant tempo: ticks to seconds and back, exactly inverse up to float rounding.

    Attributes:
        ppq: Ticks a quarter note.
        changes: ``(tick, bpm)`` pairs, ticks ascending, the first at tick 0.
    """

    ppq: int = 480
    changes: tuple[tuple[int, float], ...] = ((0, DEFAULT_BPM),)
    _ticks: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _seconds: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _rates: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ticks = np.array([tick for tick, _ in self.changes], dtype=np.float64)
        if len(ticks) == 0 or ticks[0] != 0 or np.any(np.diff(ticks) <= 0):
            raise ValueError("tempo changes must start at tick 0 and ascend")
        bpm = np.array([value for _, value in self.changes], dtype=np.float64)
        if np.any(bpm <= 0):
            raise ValueError("tempo must be above 0 bpm")
        rates = 60.0 / (bpm * self.ppq)
        seconds = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * rates[:-1])])
        object.__setattr__(self, "_ticks", ticks)
        object.__setattr__(self, "_seconds", seconds)
        object.__setattr__(self, "_rates", rates)

    def seconds(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """Seconds from the start at each tick; shape is kept."""
        at = np.asarray(ticks, dtype=np.float64)
        i = np.maximum(np.searchsorted(self._ticks, at, side="right") - 1, 0)
        return self._seconds[i] + (at - self._ticks[i]) * self._rates[i]

    def ticks(self, seconds: ArrayLike) -> NDArray[np.float64]:
        """Fractional ticks at each time in seconds; shape is kept."""
        at = np.asarray(seconds, dtype=np.float64)
        i = np.maximum(np.searchsorted(self._seconds, at, side="right") - 1, 0)
        return self._ticks[i] + (at - self._seconds[i]) / self._rates[i]

    def bpm_at(self, ticks: float) -> float:
        """Tempo in force at a tick."""
        i = bisect_right([tick for tick, _ in self.changes], ticks) - 1
        return self.changes[max(i, 0)][1]


class Clock(Protocol):
    """A source of monotonic seconds; ``midi.systemclock`` has the real one, out of reach of the pure core."""

    def now_s(self) -> float:
        """Seconds since an arbitrary origin; never goes back."""
        ...


class ManualClock:
    """A clock that stands still until told otherwise; for offline rendering and tests. One thread only."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        """Seconds as last set."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Go forward by ``seconds``, 0 or more.

        Raises:
            ValueError: It would go back.
        """
        self.set(self._now_s + seconds)

    def set(self, now_s: float) -> None:
        """Go to ``now_s``.

        Raises:
            ValueError: That lies in the past.
        """
        if not now_s >= self._now_s:
            raise ValueError(f"a clock can't go back from {self._now_s} s to {now_s} s")
        self._now_s = now_s


MAX_SONG_POSITION = 2**14 - 1
"""Last sixteenth that a song position pointer can name: two bytes of seven bits."""


@dataclass(frozen=True, slots=True)
class ClockMessage:
    """One message to a MIDI clock slave, due at ``at_s``; ``sixteenths`` counts for song positions only."""

    at_s: float
    kind: Literal["clock", "start", "continue", "stop", "songpos"]
    sixteenths: int = 0

    def data(self) -> bytes:
        """The bytes on the wire (MIDI 1.0)."""
        if self.kind == "songpos":
            return bytes([0xF2, self.sixteenths & 0x7F, self.sixteenths >> 7])
        return bytes([{"clock": 0xF8, "start": 0xFA, "continue": 0xFB, "stop": 0xFC}[self.kind]])


class ClockSender:
    """What a MIDI clock master has to send and when. Pure: it keeps no state and asks no clock."""

    @staticmethod
    def begin(beat: float, at_s: float) -> tuple[ClockMessage, ...]:
        """Messages that set a slave going at ``beat``; send the pulse of that beat straight after them.

        At beat 0 a start; elsewhere a song position and a continue. Song positions are sixteenths: between
        two of them the next one is named, so begin pulses there. Past the last one that can be named (beat
        4095.75) a continue alone, which goes on from where the slave stopped.
        """
        sixteenths = max(math.ceil(beat * 4 - 1e-6), 0)
        if sixteenths == 0:
            return (ClockMessage(at_s, "start"),)
        go = ClockMessage(at_s, "continue")
        if sixteenths > MAX_SONG_POSITION:
            return (go,)
        return (ClockMessage(at_s, "songpos", sixteenths), go)

    @staticmethod
    def pulses(from_beat: float, to_beat: float, bpm: float, from_s: float) -> tuple[ClockMessage, ...]:
        """The pulses in ``[from_beat, to_beat)`` at a constant tempo; ``from_beat`` falls on ``from_s``.

        Spans that join leave out no pulse and repeat none, up to rounding of 1e-6 pulses.
        """
        first, last = (math.ceil(beat * CLOCK_PPQ - 1e-6) for beat in (from_beat, to_beat))
        pulse_s = 60.0 / (bpm * CLOCK_PPQ)
        origin_s = from_s - from_beat * 60.0 / bpm
        return tuple(ClockMessage(max(origin_s + n * pulse_s, from_s), "clock") for n in range(first, last))

    @staticmethod
    def end(at_s: float) -> tuple[ClockMessage, ...]:
        """Messages that stop a slave."""
        return (ClockMessage(at_s, "stop"),)
