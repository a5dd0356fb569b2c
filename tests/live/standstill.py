"""How often the machine itself stood still: ``python -m tests.live.standstill CPU``, until its input closes.

A process that does nothing but wake, on one processor and before everything else there. What it misses, the
processor missed: a host that runs something else, or a kernel that can't be interrupted in the midst of
another program's call (``PREEMPT_NONE``). Prints the number of such moments when its standard input closes.
"""

from __future__ import annotations

import gc
import os
import select
import subprocess
import sys
import time

from studio.live.realtime import ask_for_real_time

ABOVE_ALL = 60
WAKE_S = 0.001
STILL_S = 0.003
"""Later than this nobody is on time: a block of sound has 5 ms, of which it needs up to two."""


class Standstill:
    """Counts, on every processor, how often it stood still; use as a context manager."""

    def __enter__(self) -> Standstill:
        """Begin."""
        processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
        self.count = 0
        self._watchers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.live.standstill", str(processor)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for processor in processors
        ]  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """End, and add up."""
        self.count = sum(int(watcher.communicate(timeout=20)[0]) for watcher in self._watchers)


def main() -> None:
    """Watch one processor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    ask_for_real_time(ABOVE_ALL)
    gc.disable()
    count = 0
    while True:
        began_s = time.perf_counter()
        if select.select([sys.stdin], [], [], WAKE_S)[0]:
            break
        count += time.perf_counter() - began_s - WAKE_S > STILL_S
    sys.stdout.write(str(count))


if __name__ == "__main__":
    main()
