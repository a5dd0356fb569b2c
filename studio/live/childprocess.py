"""How processes beside the engine begin and end: deaf to interrupts, quiet, and never without a parent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A process started inside inherits that interrupts wait, and decides about them when it has settled."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_the_terminal() -> None:
    """Leave interrupts, standard output and errors to the parent; faults travel as data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)


def exit_with_parent(grace_s: float = 0.0) -> None:
    """End this process ``grace_s`` after its parent is gone, whatever it is doing then."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
