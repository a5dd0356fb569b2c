"""Parts that were asked for, and those of them that the model which plays was taught.

A model that never learned drums would play something on them all the same. So they go off while it plays,
and come back with a model that knows them.
"""

from __future__ import annotations

from collections.abc import Callable

from models.sequence.parts import fitting, in_words
from studio.live.planner import ModelHealth, ModelState

Tell = Callable[[str], None]


class AskedParts:
    """Keeps what was asked for. ``ask`` may be called from any thread, ``look`` from one.

    Args:
        instruments: Asked for at the start.
        steer: Lets the partner play other instrument classes.
        tell: Takes a sentence for the person.
    """

    def __init__(
        self, instruments: tuple[int, ...], steer: Callable[[tuple[int, ...]], None], tell: Tell
    ) -> None:
        self._asked = self._playing = instruments
        self._steer, self._tell = steer, tell
        self._taught: tuple[int, ...] = ()

    def ask(self, instruments: tuple[int, ...]) -> None:
        """The partner was told to play these."""
        self._asked = self._playing = instruments

    def look(self, health: ModelHealth) -> None:
        """Heed which model plays; the rules play anything."""
        if health.state in {ModelState.STARTING, ModelState.RESTARTING}:
            return
        asked = self._asked
        fit = fitting(asked, health.parts)
        if fit != self._playing:
            self._playing = fit
            self._steer(fit)
        silent = [part for part in asked if part not in fit]
        if silent and health.parts != self._taught:
            name = health.name.partition("@")[0]
            self._tell(f"{name} was not taught {in_words(silent)}, so it plays {in_words(fit)}.")
        self._taught = health.parts
