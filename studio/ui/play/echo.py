"""What a person has just set is shown at once, although the desk needs a moment to say so itself."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_S = 0.6
"""For this long what the desk says is not believed where it differs from what it was told."""


class Echo(Generic[T]):
    """One value between a control and the desk. One thread only."""

    def __init__(self) -> None:
        self._told: T | None = None
        self._until_s = float("-inf")

    def tell(self, value: T, now_s: float) -> None:
        """The desk was told a value."""
        self._told, self._until_s = value, now_s + PATIENCE_S

    def settle(self, heard: T, now_s: float) -> T:
        """What to show while the desk says ``heard``."""
        if self._told is None:
            return heard
        if now_s >= self._until_s or heard == self._told:
            self._told = None
            return heard
        return self._told
