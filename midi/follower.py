"""Following a MIDI clock: tempo and position out of pulses that come late, in bunches, or not at all.

Averages and short regressions fail under load: 470 of 480 pulses arriving, half of them within 0.6 ms and
one in a hundred more than 24 ms late, make a plain mean read 117.5 instead of 120 bpm and a 24-pulse least
squares fit swing between 77 and 126. Lateness is one-sided and heavy-tailed, and a lost pulse shifts all
later ones by exactly one period. So:

1. Each pulse is compared with where the current line (index to seconds) puts it. Near: it counts. Far: it
   waits with the following ones until they explain each other. Back on the line: they were late. Several in
   a row off by the same whole number of periods after one jump: that many pulses were lost. A steady line of
   their own: the tempo or the phase has changed, and the follower goes on from there. Anything else is noise.
2. The line is a median of slopes between pulses half a window apart and a median of what remains (after Sen
   1968, "Estimates of the Regression Coefficient Based on Kendall's Tau"), so that up to a quarter of the
   pulses may be anywhere.
3. The window is the longest of 96, 56 and 32 pulses whose line still passes through the early ones of the
   latest eight (the intersection of confidence intervals idea of Goldenshluger and Nemirovski 1997): steady
   tempo gives long windows and a calm reading, a ramp short ones and a quick reading.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

CLOCK_PPQ = 24
"""MIDI clock pulses a quarter note (MIDI 1.0, System Real Time messages)."""

PULSES_PER_SIXTEENTH = 6
"""Unit of the song position pointer in pulses (MIDI 1.0, System Common messages)."""

_WINDOWS = (96, 56, 32)
_RECENT = 8
"""Pulses that decide whether a window still fits, and that make a first line: a third of a beat."""

_NEW_LINE = 12
"""Pulses that make a new line when there is one already: half a beat."""

_MAX_PENDING = 48
"""Pulses that fit nothing for two beats leave the follower without a tempo."""

_MIN_PERIOD_S, _MAX_PERIOD_S = 60 / (24 * 400), 60 / (24 * 15)
"""Tempi of 15 to 400 bpm: bunches and pauses are neither."""

_NEAR = 0.4
"""Periods within which a pulse belongs to its place; below one half, beyond which it may be another's."""

_SILENCE_PERIODS = 96
"""A pause of four beats is not loss: the master was off."""

_COAST_PULSES = CLOCK_PPQ
"""Position goes on this long without pulses, then stands still."""


class LockState(StrEnum):
    """How far a follower can be trusted."""

    WAITING = "waiting"
    """Too few pulses for a tempo."""
    LOCKED = "locked"
    """Tempo and position follow the pulses."""
    COASTING = "coasting"
    """The latest pulses are missing or doubtful; tempo and position are extrapolated."""
    LOST = "lost"
    """No pulse for more than a beat; position stands still."""


class ClockFollower:
    """A MIDI clock slave. Times are seconds of one monotonic clock, never descending. One thread only.

    Pulses set the tempo whether the master runs or not, as most masters send them all the time; position
    moves only while ``running``.
    """

    def __init__(self) -> None:
        self._index: deque[int] = deque(maxlen=_WINDOWS[0])
        self._at_s: deque[float] = deque(maxlen=_WINDOWS[0])
        self._pending: list[tuple[int, float]] = []
        self._last = -1
        self._last_s = -np.inf
        self._period_s = 0.0
        self._origin_s = 0.0
        self._offset = 0
        self._base = 0
        self._is_fresh = True
        self._running = False

    @property
    def running(self) -> bool:
        """Whether the master plays."""
        return self._running

    @property
    def bpm(self) -> float | None:
        """Tempo in beats a minute; None before a third of a beat was heard."""
        return 60.0 / (CLOCK_PPQ * self._period_s) if self._period_s else None

    def state(self, now_s: float) -> LockState:
        """How far tempo and position can be trusted at ``now_s``."""
        if not self._period_s:
            return LockState.WAITING
        silent = (now_s - self._last_s) / self._period_s
        if silent > _COAST_PULSES:
            return LockState.LOST
        doubtful = bool(self._pending) or len(self._index) < _RECENT or silent > 3
        return LockState.COASTING if doubtful else LockState.LOCKED

    def beat_at(self, now_s: float) -> float:
        """Position in beats (quarter notes) of the song at ``now_s``, which may lie a little ahead.

        Without pulses it coasts for a beat and then stands still. It may step back by a few hundredths of
        a beat when late pulses turn out to be late.
        """
        if not self._running or self._is_fresh:
            return self._base / CLOCK_PPQ
        pulse = float(self._last)
        if self._period_s:
            pulse = min((now_s - self._origin_s) / self._period_s, self._last + _COAST_PULSES)
        return max(pulse + self._offset, self._base) / CLOCK_PPQ

    def start(self, at_s: float) -> None:
        """The master starts: the next pulse is beat 0."""
        self._go(0, at_s)

    def resume(self, at_s: float) -> None:
        """The master continues: the next pulse is the one after the last played, or the song position."""
        self._go(self._base, at_s)

    def stop(self, at_s: float) -> None:  # noqa: ARG002 - the pulses tell the position, not the clock
        """The master stops; the position stays at the pulse that would have come next."""
        if self._running and not self._is_fresh:
            self._base = self._last + self._offset + 1
        self._running = False

    def song_position(self, sixteenths: int) -> None:
        """Go to a position in sixteenths (0–16383), where the next ``resume`` goes on.

        Masters send it while stopped, as the specification asks; one that comes while running counts from
        the next pulse on.
        """
        self._base = sixteenths * PULSES_PER_SIXTEENTH
        self._is_fresh = True

    def pulse(self, at_s: float) -> None:
        """A clock pulse arrived at ``at_s``."""
        if self._is_fresh:
            self._take_first(at_s)
        elif self._period_s and at_s - self._last_s > _SILENCE_PERIODS * self._period_s:
            self._anchor(at_s)
        else:
            self._take(at_s)
        self._last += 1
        self._last_s = at_s
        if self._pending:
            self._explain_pending()
        elif len(self._index) >= _RECENT:
            self._fit()

    def _go(self, base: int, at_s: float) -> None:  # noqa: ARG002
        self._base = base
        self._is_fresh = True
        self._running = True

    def _error(self, index: int, at_s: float) -> float:
        """How many periods after its place on the line a pulse came."""
        return (at_s - self._origin_s) / self._period_s - index

    def _take_first(self, at_s: float) -> None:
        """The first pulse after start, continue or a song position is at ``_base``, whenever it comes."""
        index = self._last + 1
        self._offset = self._base - index
        self._is_fresh = False
        in_step = self._period_s and not self._pending and abs(self._error(index, at_s)) < _NEAR
        if in_step:
            self._take(at_s)
        else:
            self._anchor(at_s)

    def _anchor(self, at_s: float) -> None:
        """Forget the phase, keep the tempo as a first guess, and begin a new line here."""
        self._index.clear()
        self._at_s.clear()
        self._pending.clear()
        if self._period_s:
            self._accept(self._last + 1, at_s)
        else:
            self._pending.append((self._last + 1, at_s))
        self._origin_s = at_s - (self._last + 1) * self._period_s

    def _accept(self, index: int, at_s: float) -> None:
        self._index.append(index)
        self._at_s.append(at_s)

    def _take(self, at_s: float) -> None:
        index = self._last + 1
        if not self._period_s or abs(self._error(index, at_s)) >= _NEAR or self._is_running_ahead():
            self._pending.append((index, at_s))
        else:
            # Back on the line: what waited was late, and says nothing about the line.
            self._pending.clear()
            self._accept(index, at_s)

    def _lag(self) -> float:
        """Periods by which the latest pulses on the line miss it, as they do while the tempo drifts."""
        latest = zip(list(self._index)[-_RECENT:], list(self._at_s)[-_RECENT:], strict=True)
        return float(np.median([self._error(*each) for each in latest])) if self._index else 0.0

    def _is_running_ahead(self) -> bool:
        """Whether the waiting pulses are early, not late: then one on the line is late."""
        return (
            bool(self._pending) and float(np.median([self._error(*each) for each in self._pending])) < -_NEAR
        )

    def _explain_pending(self) -> None:
        if self._period_s:
            errors = np.array([self._error(*each) for each in self._pending])
            shift = _common_shift(errors - self._lag())
            if shift:
                self._last += shift
                self._pending.clear()
                return
        needed = _NEW_LINE if self._period_s else _RECENT
        if len(self._pending) >= needed:
            self._try_new_line(self._pending[-needed:])
        if len(self._pending) >= _MAX_PENDING:
            self._period_s = 0.0
            self._pending = self._pending[-_RECENT:]

    def _try_new_line(self, pulses: list[tuple[int, float]]) -> None:
        """Go over to the line that a few pulses make alone, if they do."""
        times = np.array([at_s for _, at_s in pulses])
        # A known tempo is given up only for pulses without a bunch and with at most one gap.
        steps = _steady_steps(times, may_bunch=not self._period_s)
        if steps is None:
            return
        if self._period_s and self._stay_on_line(pulses):
            return
        first = pulses[0][0]
        period_s, origin_s = _line(steps, times)
        if self._period_s:
            errors = np.array([self._error(*each) for each in self._pending]) - self._lag()
            lost = round(_jump(errors) * self._period_s / period_s)
            first += lost
            self._last += lost
        self._last += int(steps[-1]) - (len(pulses) - 1)
        self._index.clear()
        self._at_s.clear()
        self._pending.clear()
        self._index.extend((first + steps).tolist())
        self._at_s.extend(times.tolist())
        self._period_s, self._origin_s = period_s, origin_s - first * period_s

    def _stay_on_line(self, pulses: list[tuple[int, float]]) -> bool:
        """Whether pulses lie on the line after all, whole periods off, which tells how many are missing."""
        errors = np.array([self._error(*each) for each in pulses])
        shift = round(float(np.median(errors)))
        is_alike = int(np.count_nonzero(np.abs(errors - shift) < 0.3)) >= len(errors) * 3 // 4
        if is_alike:
            self._last += shift
            self._pending.clear()
        return is_alike

    def _fit(self) -> None:
        index, at_s = np.array(self._index), np.array(self._at_s)
        # Noise is judged by the shortest window: over a long one a ramp looks like noise.
        period_s, origin_s = _line(index[-_WINDOWS[-1] :], at_s[-_WINDOWS[-1] :])
        late = (at_s - origin_s - period_s * index)[-_WINDOWS[-1] :]
        tolerance_s = 2.0 * float(np.median(np.abs(late))) + 3e-4
        for size in _WINDOWS[:-1]:
            if size > len(index):
                continue
            longer = _line(index[-size:], at_s[-size:])
            late = at_s[-size:] - longer[1] - longer[0] * index[-size:]
            # Lateness has one side only, so the early quarter shows the line better than the middle does.
            bias_s = float(np.sort(late[-_RECENT:])[_RECENT // 4] - np.sort(late)[size // 4])
            if abs(bias_s) <= tolerance_s:
                period_s, origin_s = longer
                break
        self._period_s, self._origin_s = period_s, origin_s


def _common_shift(errors: NDArray[np.float64]) -> int:
    """Whole periods by which three of the last four waiting pulses are off alike after a jump; 0 if not."""
    if len(errors) < 3:
        return 0
    last = errors[-4:]
    shift = round(float(np.median(last)))
    alike = np.count_nonzero(np.abs(last - shift) < 0.3) >= 3
    return shift if alike and abs(_jump(errors) - shift) < 0.5 else 0


def _jump(errors: NDArray[np.float64]) -> float:
    """Periods that single jumps add up to, from the line to the last pulse.

    What comes in equal steps is another tempo and not counted, judged by the latest pulses, as a bunch has
    equal steps too; a late pulse jumps there and back.
    """
    changes = np.diff(errors, prepend=0.0)
    beyond = changes - np.median(changes[1 - _NEW_LINE :])
    return float(beyond[np.abs(beyond) > 0.3].sum())


def _steady_steps(times: NDArray[np.float64], *, may_bunch: bool) -> NDArray[np.int_] | None:
    """Index of each pulse from the first, gaps and bunches read off the median interval; None if unsteady."""
    period_s = float(np.median(np.diff(times)))
    if not _MIN_PERIOD_S <= period_s <= _MAX_PERIOD_S:
        return None
    steps = np.round((times - times[0]) / period_s).astype(int)
    rises = np.diff(steps)
    if not may_bunch and (rises.min() < 1 or rises.sum() > len(times)):
        return None
    period_s, origin_s = _line(steps, times)
    off = np.abs(times - origin_s - steps * period_s)
    is_steady = rises.sum() < 2 * len(times) and np.count_nonzero(off > 0.15 * period_s) <= len(times) // 4
    return steps if is_steady else None


def _line(index: NDArray[np.int_], at_s: NDArray[np.float64]) -> tuple[float, float]:
    """Seconds a pulse and seconds of pulse 0, by medians. At least two different indices half apart."""
    half = len(index) // 2
    rise = index[half:] - index[: len(index) - half]
    slopes = (at_s[half:] - at_s[: len(at_s) - half])[rise > 0] / rise[rise > 0]
    period_s = float(np.median(slopes))
    return period_s, float(np.median(at_s - period_s * index))
