"""Time: tempo maps, clocks and MIDI clock."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    """A source of monotonic seconds."""

    def now_s(self) -> float:
        """Seconds since an arbitrary origin; never goes back."""
        ...
