"""What can be taken back, and made again."""

from __future__ import annotations

from dataclasses import dataclass

from studio.ui.widget import Action

JOIN_S = 0.8
"""Changes of the same thing that follow each other faster are one: notches of a wheel, held arrow keys."""
DEPTH = 200


@dataclass(slots=True)
class Deed:
    """Something that was done."""

    what: str
    undo: Action
    redo: Action
    at_s: float


class UndoStack:
    """Deeds in order; doing something new forgets what was taken back."""

    def __init__(self) -> None:
        self._done: list[Deed] = []
        self._undone: list[Deed] = []
        self._is_replaying = False

    def push(self, what: str, undo: Action, redo: Action, now_s: float) -> None:
        """Something was done. What undoing itself causes is not remembered."""
        if self._is_replaying:
            return
        self._undone.clear()
        last = self._done[-1] if self._done else None
        if last is not None and last.what == what and now_s - last.at_s < JOIN_S:
            last.redo, last.at_s = redo, now_s
            return
        self._done.append(Deed(what, undo, redo, now_s))
        del self._done[:-DEPTH]

    def undo(self) -> str:
        """Take the last deed back; its name, empty when there is none."""
        return self._replay(self._done, self._undone, is_undo=True)

    def redo(self) -> str:
        """Make the last deed taken back again; its name, empty when there is none."""
        return self._replay(self._undone, self._done, is_undo=False)

    def _replay(self, source: list[Deed], target: list[Deed], *, is_undo: bool) -> str:
        if not source:
            return ""
        deed = source.pop()
        # A deed done again a moment later is one of its own.
        deed.at_s = float("-inf")
        target.append(deed)
        self._is_replaying = True
        try:
            (deed.undo if is_undo else deed.redo)()
        finally:
            self._is_replaying = False
        return deed.what
