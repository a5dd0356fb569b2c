"""What a benchmark says, and how times are taken side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 15


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``ok`` is None where there is no goal or no reference.

    ``note`` says what was compared, or why there is nothing to compare with.
    """

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float | None
    ratio: float | None
    goal: str
    ok: bool | None
    note: str = ""

    def line(self) -> str:
        """As it stands in the table, the note below."""
        mark = {True: "ok", False: "short", None: ""}[self.ok]
        beside, ratio = (
            f"{'-':>{width}}" if x is None else f"{x:{width}.2f}"
            for x, width in ((self.reference_value, 9), (self.ratio, 6))
        )
        line = (
            f"{self.name:<38} {self.value:9.2f} {self.unit:<12} {self.reference:<26} {beside} "
            f"ratio {ratio}  {self.goal:<34} {mark}"
        ).rstrip()
        return f"{line}\n    {self.note}" if self.note else line


def cpu_s(*actions: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Median CPU seconds of each action, run in turn so that all meet the same conditions."""
    return medians(*(timed(action) for action in actions), rounds=rounds)


def timed(action: Callable[[], object]) -> Callable[[], float]:
    """An action that gives back this process's CPU seconds."""

    def act() -> float:
        began = time.process_time()
        action()
        return time.process_time() - began

    return act


def medians(*measures: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """Median of each measure, taken in turn; the first round only warms up."""
    found = [[measure() for measure in measures] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def compared(
    name: str, value: float, unit: str, reference: str, reference_value: float, goal: str,
    limit: float | None, note: str = "",
) -> Figure:  # fmt: skip
    """A figure whose goal is a ratio to its reference."""
    ratio = value / reference_value
    ok = None if limit is None else ratio <= limit
    return Figure(name, value, unit, reference, reference_value, ratio, goal, ok, note)


def alone(name: str, value: float, unit: str, reference: str, goal: str, note: str) -> Figure:
    """A figure whose reference is not there; the note says why."""
    return Figure(name, value, unit, reference, None, None, goal, None, note)


def higher(
    name: str, value: float, unit: str, reference: str, reference_value: float, goal: str, limit: float,
    *, less: bool = False, note: str = "",
) -> Figure:  # fmt: skip
    """A figure whose goal is a value; ``less`` when smaller is better."""
    ok = value <= limit if less else value >= limit
    return Figure(name, value, unit, reference, reference_value, value / reference_value, goal, ok, note)
