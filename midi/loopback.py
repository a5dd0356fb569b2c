"""Knowing our own messages again when a port hands them back."""

from __future__ import annotations

import re
import threading
from collections import deque

from midi.portsystem import plain_name

ECHO_WINDOW_S = 0.030
"""How long a sent message that comes back counts as an echo (Notochord's figure)."""


class LoopbackGuard:
    """Recognises messages that we sent ourselves and that a loopback port hands back.

    Any thread may call it.

    Attributes:
        n_echoes: Messages recognised so far.
    """

    def __init__(self, window_s: float = ECHO_WINDOW_S) -> None:
        self._window_s = window_s
        self._sent: deque[tuple[float, bytes]] = deque(maxlen=1024)
        self._lock = threading.Lock()
        self.n_echoes = 0

    def sent(self, data: bytes, now_s: float) -> None:
        """Remember a message that just went out."""
        with self._lock:
            self._sent.append((now_s, data))

    def is_echo(self, data: bytes, now_s: float) -> bool:
        """Whether the same bytes went out within the window before ``now_s``; counts it if so."""
        with self._lock:
            while self._sent and now_s - self._sent[0][0] > self._window_s:
                self._sent.popleft()
            echo = any(data == sent for _, sent in self._sent)
            self.n_echoes += echo
            return echo


def is_loopback(input_name: str, output_name: str) -> bool:
    """Whether both names belong to one device or program, so that what we send may come back."""
    return _device(input_name) == _device(output_name) != ""


def _device(name: str) -> str:
    # JACK tells two clients of one name apart by "-01", "-02".
    return re.sub(r"-\d\d$", "", plain_name(name).partition(":")[0].casefold()).strip()
