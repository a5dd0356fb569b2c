"""What a benchmark says, and how times are taken side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 15


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``ok`` is None where there is no goal."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    goal: str
    ok: bool | None


def cpu_s(*actions: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Median CPU seconds of each action, run in turn so that all meet the same conditions."""
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds + 1):
        for i, action in enumerate(actions):
            began = time.process_time()
            action()
            times[i].append(time.process_time() - began)
    return [statistics.median(found[1:]) for found in times]


def compared(
    name: str, value: float, unit: str, reference: str, reference_value: float, goal: str, limit: float | None
) -> Figure:
    """A figure whose goal is a ratio to its reference."""
    ratio = value / reference_value
    return Figure(
        name, value, unit, reference, reference_value, ratio, goal, None if limit is None else ratio <= limit
    )


def higher(
    name: str, value: float, unit: str, reference: str, reference_value: float, goal: str, limit: float,
    *, less: bool = False,
) -> Figure:  # fmt: skip
    """A figure whose goal is a value; ``less`` when smaller is better."""
    ok = value <= limit if less else value >= limit
    return Figure(name, value, unit, reference, reference_value, value / reference_value, goal, ok)
