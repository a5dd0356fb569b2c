"""Faults of the program itself: written down, said once, and survived. The music goes on.

A fault that a person can mend is a :class:`midi.errors.UserError` and becomes its own toast; everything else
is a mistake of the program's. It ends what was being done, never the window.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from midi.errors import UserError
from studio import settings

if TYPE_CHECKING:
    from studio.ui.widget import Widget

MOST_BYTES = 256 * 1024
"""The log begins anew beyond this size; the one before it is kept beside it."""

MOST_ENTRY_BYTES = 16 * 1024
MOST_REPEATS = 3
"""So often the same fault is written; a screen that fails sixty times a second fills no disk."""

MOST_KINDS = 200
"""So many different faults of one session are told apart."""

BLANK_AFTER = 3
"""A widget that failed to draw this often in a row is left blank."""


def log_path() -> Path:
    """Where faults of the window are written."""
    return settings.home() / "logs" / "window.log"


class Guard:
    """Survives faults for the program. One thread only.

    Args:
        tell: Told sentence and hint of what a person should know.

    Attributes:
        latest: The last unexpected fault; None while all is well.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self.latest: Exception | None = None
        self._tell = tell
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._draws: WeakKeyDictionary[Widget, int] = WeakKeyDictionary()

    def attempt(self, where: str, work: Callable[..., Any], *given: object, is_frame: bool = False) -> bool:
        """Do something; whether it went well.

        Args:
            where: What it is part of, for the log.
            work: What to do.
            given: Its arguments.
            is_frame: It is done in every frame: the same fault is said only once.
        """
        try:
            work(*given)
        except Exception as fault:
            self.report(where, fault, is_frame=is_frame)
            return False
        return True

    def report(self, where: str, fault: Exception, *, is_frame: bool = False) -> None:
        """Write a fault down and say so; one that a person can mend is only said."""
        times = self._count(where, fault)
        if isinstance(fault, UserError):
            if times == 1 or not is_frame:
                self._tell(fault.message, fault.hint)
            return
        self.latest = fault
        is_written = times > MOST_REPEATS or write(where, fault)
        if times == 1 or not is_frame:
            path = settings.with_tilde(log_path())
            hint = f"It was written to {path}." if is_written else f"{path} can't be written to."
            self._tell("Something went wrong in this screen.", hint)

    def draw(self, widget: Widget, work: Callable[[], object]) -> bool:
        """Let a widget draw; False when it failed, or is left blank since it failed before."""
        before = self._draws.get(widget, 0)
        if before >= BLANK_AFTER:
            return False
        if self.attempt(f"drawing {_named(widget)}", work, is_frame=True):
            if before:
                del self._draws[widget]
            return True
        self._draws[widget] = before + 1
        return False

    def look(self, widget: Widget, view: object) -> None:
        """Let a widget look at the desk."""
        self.attempt(f"a look of {_named(widget)}", widget.look, view, is_frame=True)

    def forget_draws(self) -> None:
        """Give every widget that is left blank another chance."""
        self._draws.clear()

    def _count(self, where: str, fault: Exception) -> int:
        last = traceback.extract_tb(fault.__traceback__)[-1:]
        kind = (where, type(fault), *((each.filename, each.lineno) for each in last))
        if kind not in self._seen and len(self._seen) >= MOST_KINDS:
            kind = ("others",)
        self._seen[kind] += 1
        return self._seen[kind]


def write(where: str, fault: Exception) -> bool:
    """Append a fault to the log, with date and traceback; False when that fails too."""
    words = "".join(traceback.format_exception(fault)).encode("utf-8", "backslashreplace")
    if len(words) > MOST_ENTRY_BYTES:
        half = MOST_ENTRY_BYTES // 2
        words = words[:half] + b"\n  ...\n" + words[-half:]
    entry = f"{datetime.now().isoformat(timespec='seconds')} {where}\n".encode() + words + b"\n"
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size + len(entry) > MOST_BYTES:
            path.replace(path.with_name(path.name + ".1"))
        with path.open("ab") as log:
            log.write(entry)
    except OSError:
        return False
    return True


def _named(widget: Widget) -> str:
    return f"{widget.name} ({type(widget).__name__})"
