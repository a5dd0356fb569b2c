"""The real clock, in a module of its own so that the pure live core can't come by it."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's monotonic clock. Any thread may ask it."""

    def now_s(self) -> float:
        """Seconds since an arbitrary origin; never goes back and ignores changes of the wall clock."""
        return time.perf_counter()
