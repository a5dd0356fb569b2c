"""Waiting for what another process does."""

import time
from collections.abc import Callable

PATIENCE_S = 30.0


def wait_until(true: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, f"timed out waiting until {what}"
        time.sleep(0.002)
