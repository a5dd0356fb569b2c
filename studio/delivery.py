"""Were the plans there in time? ISR and StreamMUSE's ISRw, from the times that plans really took.

The performances that are compared charge every plan the same time, so that their notes do not depend on
how busy the machine was. Here the same engine is stepped once more through the same keys, each plan taking
as long as one was measured to take; nothing is generated, so it costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.sequence.metrics import SIXTEENTH_TICKS
from models.sequence.plan import Plan, PlanRequest, Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.messages import Actions, Input, LiveCounts, PlanArrived
from studio.live.offline import play_offline
from studio.live.planner import InlinePlanner
from studio.live.transport import Transport
from studio.rehearsal import LiveRun, key_inputs

OLDEST_SIXTEENTHS = 32
"""Age at which a plan is worth nothing in ISRw (StreamMUSE: two bars)."""

_EPS = 1e-6


@dataclass(frozen=True)
class Delivery:
    """How plans kept up with the music.

    Attributes:
        isr: Share (0-1) of the 16ths that needed a plan and had one; NaN when none did.
        isr_w: The same, each hit weighted by how fresh its plan was (StreamMUSE's ISRw).
    """

    isr: float
    isr_w: float


def delivery(run: LiveRun, compute_s: Sequence[float]) -> Delivery:
    """Deliver plans in the times given, in order and again from the first when more are asked for.

    A 16th's age is counted from the 16th after the request of the newest plan that covers it (the first
    one that StreamMUSE's server is asked for) to itself, and is never below 0.

    Args:
        run: The performance whose keys are played.
        compute_s: Seconds that plans took, at least one.
    """
    if not compute_s:
        return Delivery(float("nan"), float("nan"))
    config = ConductorConfig(
        bpm=run.bpm, grid=run.grid, seed=run.seed, starts_on_key=False,
        steering=Steering(instruments=run.instruments, hears_human=run.hears_human),
    )  # fmt: skip
    conductor = Conductor(config)
    clock = Transport().with_tempo(0.0, run.bpm).start(0.0, 0.0)
    watch = _Watch(conductor, clock)
    inputs, end_s = key_inputs(run.melody, clock.seconds_at), clock.seconds_at(run.until_tick)
    play_offline(conductor, _Timed(compute_s).inline, inputs, end_s, recorder=watch)
    needed = conductor.counts.plan_steps
    if needed == 0:
        return Delivery(float("nan"), float("nan"))
    weights = 1.0 - np.minimum(np.array(watch.ages, dtype=np.float64), OLDEST_SIXTEENTHS) / OLDEST_SIXTEENTHS
    return Delivery(len(watch.ages) / needed, float(weights.sum()) / needed)


class _Timed:
    """Empty plans, each of which takes the next of the measured times."""

    def __init__(self, compute_s: Sequence[float]) -> None:
        self._compute_s = compute_s
        self._n_plans = 0
        self.inline = InlinePlanner(self, compute_s[0])

    def plan(self, request: PlanRequest) -> Plan:
        """Answer, and charge the next plan its own time."""
        self._n_plans += 1
        self.inline.latency_s = self._compute_s[self._n_plans % len(self._compute_s)]
        return Plan(request.number, request.from_tick, request.until_tick, ())


class _Watch:
    """Follows which plan each 16th was played from."""

    def __init__(self, conductor: Conductor, clock: Transport) -> None:
        self.ages: list[int] = []
        self._conductor = conductor
        self._clock = clock
        self._counts: LiveCounts = conductor.counts
        self._asked: dict[int, tuple[PlanRequest, int]] = {}
        self._arrived: list[tuple[PlanRequest, int]] = []

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in: first what arrived, then the 16ths that fell due, then what was asked."""
        for item in inputs:
            if isinstance(item, PlanArrived) and item.plan.number in self._asked:
                self._arrived.append(self._asked.pop(item.plan.number))
        counts, before = self._conductor.counts, self._counts
        hits = counts.planned_steps - before.planned_steps
        due_ticks = self._clock.ticks_at(now_s + self._conductor.config.dispatch_s)
        last = int(due_ticks / SIXTEENTH_TICKS + _EPS)
        self.ages += [self._age(step) for step in range(last - hits + 1, last + 1)]
        self._counts = counts
        if actions.request is not None:
            sixteenth = int(self._clock.ticks_at(now_s) // SIXTEENTH_TICKS)
            self._asked[actions.request.number] = (actions.request, sixteenth)

    def _age(self, step: int) -> int:
        """Age of the newest plan that covers a 16th; of the newest of all where the rules filled part."""
        tick = step * SIXTEENTH_TICKS
        covering = [
            asked for request, asked in self._arrived if request.from_tick <= tick < request.until_tick
        ]
        newest = covering[-1] if covering else (self._arrived[-1][1] if self._arrived else step)
        return max(step - newest - 1, 0)
