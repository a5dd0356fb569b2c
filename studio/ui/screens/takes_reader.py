"""Takes read beside the window's thread, so that opening a long one drops no frame."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from midi.errors import UserError
from studio.ui.screens.takes_picture import TakePicture, read_picture

KEPT = 8
"""Pictures kept for takes that are opened again."""

Start = Callable[[Callable[[], None]], None]


def on_a_thread(work: Callable[[], None]) -> None:
    """Do it beside."""
    threading.Thread(target=work, name="take-reader", daemon=True).start()


class PictureReader:
    """Pictures of takes, read once each. Asked from one thread.

    Args:
        read: Reads a take.
        start: Runs the reading; a test runs it at once.
    """

    def __init__(
        self, read: Callable[[Path], TakePicture] = read_picture, start: Start = on_a_thread
    ) -> None:
        self._read, self._start = read, start
        self._found: OrderedDict[tuple[Path, str], TakePicture | UserError] = OrderedDict()
        self._asked: set[tuple[Path, str]] = set()

    def get(self, path: Path, stamp: str = "") -> TakePicture | UserError | None:
        """The picture, why there is none, or None while it is being read.

        Args:
            path: The take's file.
            stamp: Changes when the take does: then it is read again.
        """
        key = (path, stamp)
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        if key not in self._asked:
            self._asked.add(key)
            self._start(lambda: self._fetch(key))
        return self._found.get(key)

    def _fetch(self, key: tuple[Path, str]) -> None:
        result: TakePicture | UserError
        try:
            result = self._read(key[0])
        except UserError as fault:
            result = fault
        self._found[key] = result
        self._asked.discard(key)
        while len(self._found) > KEPT:
            self._found.popitem(last=False)
