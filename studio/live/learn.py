"""MIDI learn: which controller of which device steers what. Pure; :mod:`studio.live.controllers` keeps it."""

from __future__ import annotations

from collections.abc import Callable

from midi.portsystem import plain_name
from studio.live.deskview import Learned
from studio.live.feel import STEERABLE
from studio.live.messages import ControllerMoved, Input, Steer

BUTTONS: dict[str, str] = {
    "play": "Play",
    "stop": "Stop",
    "record": "Record",
    "panic": "Panic",
    "mode": "Next mode",
    "metronome": "Metronome",
}
"""Targets that a controller presses rather than turns, and their labels."""

LEARNABLE = (*STEERABLE, *BUTTONS)
"""Every target of ``Learn``."""

NOT_LEARNABLE = frozenset({0, 6, 32, 38, 64, *range(96, 102), *range(120, 128)})
"""Bank select, data entry, the sustain pedal, parameter numbers and channel mode messages (MIDI 1.0, table
III) have work of their own."""

PRESSED = 64
"""A button is down from this value on, as a pedal is."""


class Learner:
    """Between the player's controllers and the conductor.

    ``take`` belongs to the engine's thread, the rest to any.

    Args:
        press: Called with the target of a button that was pressed; must not wait.
        changed: Called when something was learned or forgotten; must not wait.

    Attributes:
        target: What waits for a controller; None for nothing.
    """

    def __init__(self, press: Callable[[str], None], changed: Callable[[], None]) -> None:
        self.target: str | None = None
        self._press, self._changed = press, changed
        # Replaced as a whole, so that every thread sees all of a change or nothing.
        self._learned: dict[tuple[str, int], str] = {}
        self._values: dict[tuple[str, int], int] = {}

    @property
    def learned(self) -> tuple[Learned, ...]:
        """What is known, by device and controller."""
        return tuple(Learned(*key, target) for key, target in sorted(self._learned.items()))

    def restore(self, learned: tuple[Learned, ...]) -> None:
        """What was learned earlier; what has been learned since stays."""
        known = {(each.device, each.controller): each.target for each in learned if each.target in LEARNABLE}
        self._learned = known | self._learned

    def arm(self, target: str | None) -> None:
        """Wait for a controller; ``ValueError`` for a target that there is not."""
        if target is not None and target not in LEARNABLE:
            raise ValueError(target)
        self.target = target

    def forget(self, target: str) -> None:
        """Nothing steers a target any more, on no device."""
        self._learned = {key: each for key, each in self._learned.items() if each != target}
        self._changed()

    def take(self, item: ControllerMoved) -> list[Input]:
        """What a controller means: itself, unless it was or is being learned."""
        key = (plain_name(item.source), item.number)
        if self.target is not None and item.number not in NOT_LEARNABLE:
            self._bind(key, self.target)
            self._values[key] = item.value
            return []
        target = self._learned.get(key)
        if target is None:
            return [item]
        before, self._values[key] = self._values.get(key, 0), item.value
        if target in STEERABLE:
            return [Steer(item.time_s, target, STEERABLE[target].scaled(item.value / 127))]
        # Some buttons send their value at every press and nothing at release.
        if item.value >= PRESSED and (before < PRESSED or item.value == before):
            self._press(target)
        return []

    def _bind(self, key: tuple[str, int], target: str) -> None:
        others = {
            (device, number): each
            for (device, number), each in self._learned.items()
            if (device, each) != (key[0], target)
        }
        self._learned = others | {key: target}
        self.target = None
        self._changed()
