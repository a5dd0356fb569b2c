"""Which pitches the score shows: all that sound or are planned, calmly. Widens at once, narrows late."""

from __future__ import annotations

from collections.abc import Iterable

from studio.ui.play.clock import Eased
from studio.ui.play.geometry import pitch_span

GLIDE_S = 0.22
NARROW_AFTER_S = 4.0
"""A range that could be smaller stays this long."""

_SLACK = 5
"""Semitones that a range may be too wide before it narrows."""


class PitchRange:
    """Lowest shown pitch and one above the highest, gliding. One thread only."""

    def __init__(self) -> None:
        low, high = pitch_span(())
        self._target = (low, high)
        self._low, self._high = Eased(low, GLIDE_S), Eased(high, GLIDE_S)
        self._wide_s = 0.0

    @property
    def low(self) -> float:
        """Lower edge."""
        return self._low.value

    @property
    def high(self) -> float:
        """Upper edge."""
        return self._high.value

    @property
    def is_moving(self) -> bool:
        """Whether the next step changes something although no note does."""
        return (self.low, self.high) != self._target

    def step(self, pitches: Iterable[int], passed_s: float, least: int) -> None:
        """Follow the pitches that must be seen, by ``passed_s`` seconds; ``least`` semitones at least."""
        found = list(pitches)
        if found:
            self._aim(pitch_span(found, least=least), passed_s, (min(found), max(found)))
        elif self._target[1] - self._target[0] < least:
            self._target = pitch_span((), rest=(63 - least // 2, 63 - least // 2 + least))
        self._low.step(self._target[0], passed_s, snap=0.03)
        self._high.step(self._target[1], passed_s, snap=0.03)

    def _aim(self, wanted: tuple[float, float], passed_s: float, outermost: tuple[int, int]) -> None:
        low, high = self._target
        if outermost[0] < low or outermost[1] + 1 > high or wanted[1] - wanted[0] > high - low:
            self._target, self._wide_s = wanted, 0.0
        elif (high - low) - (wanted[1] - wanted[0]) > _SLACK:
            self._wide_s += passed_s
            if self._wide_s > NARROW_AFTER_S:
                self._target, self._wide_s = wanted, 0.0
        else:
            self._wide_s = 0.0
