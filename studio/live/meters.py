"""Figures of the engine: percentiles over the last few thousand values, cheap enough for its loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from midi.scheduler import Lateness


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A summary in milliseconds; all zero before the first value."""

    count: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Meter:
    """Keeps the last ``size`` durations, and the largest of all. One thread adds, any thread reads."""

    def __init__(self, size: int = 4096) -> None:
        self._values_s = np.zeros(size)
        self._count = 0
        self._max_s = 0.0

    def add(self, value_s: float) -> None:
        """Take one duration; allocates nothing."""
        self._values_s[self._count % len(self._values_s)] = value_s
        self._count += 1
        self._max_s = max(self._max_s, value_s)

    def percentiles(self) -> Percentiles:
        """Percentiles of what is kept; ``count`` and ``max_ms`` are over everything."""
        kept = self._values_s[: min(self._count, len(self._values_s))]
        if not len(kept):
            return Percentiles()
        p50, p95, p99 = (float(x) * 1e3 for x in np.percentile(kept, (50, 95, 99)))
        return Percentiles(self._count, p50, p95, p99, self._max_s * 1e3)


@dataclass(frozen=True, slots=True)
class Meters:
    """Figures of the engine itself.

    Attributes:
        plan_latency: From asking for a plan to having it.
        lateness: By how much the loop woke late.
        port_lateness: How late messages left for the port; None without one.
        rows: Event rows that the model read or drew.
        compute_s: Seconds that it needed for them.
        priority: ``real-time`` or ``ordinary``.
        hanging_notes: Notes that are on.
    """

    plan_latency: Percentiles = field(default_factory=Percentiles)
    lateness: Percentiles = field(default_factory=Percentiles)
    port_lateness: Lateness | None = None
    rows: int = 0
    compute_s: float = 0.0
    priority: str = "ordinary"
    hanging_notes: int = 0
