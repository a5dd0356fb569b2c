"""The live engine's work on a manual clock: the same conductor, faster than real time, repeatable.

Nothing here waits or looks at a clock. Time goes from one moment at which something is due to the next, so
that the same inputs, planner and seed give the same sounds to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.sequence.plan import Plan
from studio.live.conductor import Conductor
from studio.live.messages import Actions, Input, PlanArrived, Sound
from studio.live.planner import Planner

LEAST_STEP_S = 1e-4
"""Time always gets on by this much, whatever is due; a tenth of the live loop's own pace."""


class Recorder(Protocol):
    """Where a performance is written down."""

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step."""
        ...


@dataclass(frozen=True)
class OfflineRun:
    """What came of a performance.

    Attributes:
        sounds: Everything heard, by time.
        plans: Every plan that arrived, in that order.
        end_s: When it was over.
    """

    sounds: tuple[Sound, ...]
    plans: tuple[Plan, ...]
    end_s: float


def play_offline(
    conductor: Conductor,
    planner: Planner,
    inputs: Sequence[Input],
    end_s: float,
    *,
    recorder: Recorder | None = None,
    progress: Callable[[float], None] | None = None,
) -> OfflineRun:
    """Play inputs to a conductor from 0 s to ``end_s``, then end every note.

    Args:
        conductor: Fresh; it is finished afterwards.
        planner: An ``InlinePlanner`` or ``NoPlanner``; it stays open.
        inputs: By time, from 0 s on.
        end_s: When the performance ends.
        recorder: Told every step.
        progress: Told the time reached.
    """
    sounds: list[Sound] = []
    plans: list[Plan] = []
    now_s, n_given = 0.0, 0

    def take_in(at_s: float, happened: Sequence[Input], actions: Actions) -> None:
        sounds.extend(actions.sounds)
        plans.extend(item.plan for item in happened if isinstance(item, PlanArrived))
        if recorder is not None:
            recorder.record(at_s, happened, actions)

    while now_s < end_s:
        happened = planner.poll(now_s)
        while n_given < len(inputs) and inputs[n_given].time_s <= now_s:
            happened.append(inputs[n_given])
            n_given += 1
        actions = conductor.step(now_s, happened)
        if actions.request is not None:
            planner.submit(actions.request)
        take_in(now_s, happened, actions)
        if progress is not None:
            progress(now_s)
        next_input_s = inputs[n_given].time_s if n_given < len(inputs) else math.inf
        plan_due_s = getattr(planner, "due_s", None)
        due_s = min(conductor.next_due_s(now_s), next_input_s, math.inf if plan_due_s is None else plan_due_s)
        now_s = min(max(due_s, now_s + LEAST_STEP_S), end_s)
    take_in(end_s, (), conductor.finish(end_s))
    sounds.sort(key=lambda sound: sound.time_s)
    return OfflineRun(tuple(sounds), tuple(plans), end_s)
