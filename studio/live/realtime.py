"""What the engine asks of the operating system so that its loop wakes on time, and how that went."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ENGINE_PRIORITY = 20
"""Above ordinary threads, below the kernel's own (50)."""

AUDIO_PRIORITY = 25
"""A block of sound is due sooner than anything that the engine does."""

OUTPUT_PRIORITY = 22
"""A message for a port is due when the engine has long decided on it."""

BESIDE_PRIORITY = 10
"""Of threads that are in no hurry, but would keep the interpreter while they wait for a processor."""

SWITCH_INTERVAL_S = 0.001
"""How long another thread of the process may keep the interpreter from the engine (default 5 ms)."""


@contextmanager
def on_time() -> Iterator[str]:
    """Run the calling thread with real-time priority, and the collector out of its way, inside the block.

    Yields ``real-time`` or ``ordinary``: without the right to it the loop goes on at its usual priority.
    Children and threads started inside do not inherit the priority.
    """
    granted = ask_for_real_time(ENGINE_PRIORITY)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(min(interval_s, SWITCH_INTERVAL_S))
    # What lives by now lives until the end: without it a full collection takes tens of milliseconds.
    gc.collect()
    gc.freeze()
    try:
        yield "real-time" if granted else "ordinary"
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval_s)
        if granted:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def ask_for_real_time(priority: int) -> bool:
    """True when the calling thread has SCHED_FIFO at ``priority`` now (Linux with the right to it)."""
    if sys.platform != "linux":
        return False
    try:
        # On Linux 0 names the calling thread, not the process.
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return False
    return True
