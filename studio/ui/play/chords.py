"""The strip of chord names: each stays where it was first heard and scrolls away with the notes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

LEAST_S = 0.25
"""Names follow each other no faster."""

_KEPT = 96


@dataclass(frozen=True, slots=True)
class Heard:
    """A chord and the tick at which it was heard; an empty name ends the one before."""

    name: str
    ticks: float


class ChordHistory:
    """Collects chord names as they are told. One thread only."""

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque(maxlen=_KEPT)
        self._last_s = float("-inf")

    def tell(self, name: str, ticks: float, now_s: float) -> bool:
        """Take the name of the sounding harmony at a tick.

        Returns:
            Whether anything changed; a name that comes too fast is taken by a later call.
        """
        while self._heard and self._heard[-1].ticks > ticks:
            self._heard.pop()
        known = self._heard[-1].name if self._heard else ""
        if name == known or now_s - self._last_s < LEAST_S:
            return False
        self._heard.append(Heard(name, ticks))
        self._last_s = now_s
        return True

    @property
    def heard(self) -> tuple[Heard, ...]:
        """All kept, oldest first."""
        return tuple(self._heard)

    @property
    def current(self) -> str:
        """The name that holds now; empty for none."""
        return self._heard[-1].name if self._heard else ""

    def clear(self) -> None:
        """Forget everything."""
        self._heard.clear()


def readable(name: str) -> str:
    """A chord name with real sharps and flats."""
    root, rest = name[:2], name[2:]
    if len(root) == 2 and root[1] in "#b":
        root = root[0] + ("♯" if root[1] == "#" else "♭")
    rest = rest.replace("b5", "♭5").replace("b7", "♭7").replace("#5", "♯5")
    return root + rest
