"""Running percentiles over the last few thousand values, cheap enough for the engine's loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
