"""The partner plays along with given notes: the live engine on a manual clock, many times over.

Nothing here knows what is measured. Performances are independent of each other, so they can be spread over
processes, and the same run gives the same notes wherever it is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TypeVar

import numpy as np

from midi.events import BarGrid, Role
from midi.note import NoteArray
from models.sequence.harmony import clip, notes_by_part, notes_of_events
from models.sequence.plan import Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.messages import Input, KeyDown, KeyUp, LiveCounts
from studio.live.offline import play_offline
from studio.live.planner import InlinePlanner, NoPlanner, PlannerLike, PlannerSpec, warm_up_request
from studio.live.transport import Transport

_A = TypeVar("_A")
_B = TypeVar("_B")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class LiveRun:
    """One performance to be played.

    Attributes:
        kind: What it is for.
        melody: The human's notes, grid ticks from 0.
        grid: Bar lines.
        bpm: Tempo.
        until_tick: Where it ends.
        instruments: Instrument classes of the partner.
        hears_human: False cuts the partner's hearing.
        has_model: False leaves the partner to the rules.
        seed: Of the partner.
        alternatives: Beginnings among which each plan is chosen.
        is_timed: Whether the time of each plan is wanted; otherwise plans are drawn no farther than they are
            played, which takes half the time and changes no note.
    """

    kind: str
    melody: NoteArray
    grid: BarGrid
    bpm: float
    until_tick: int
    instruments: tuple[int, ...] = (0,)
    hears_human: bool = True
    has_model: bool = True
    seed: int = 0
    alternatives: int = ConductorConfig.alternatives
    is_timed: bool = True


@dataclass(frozen=True)
class Performance:
    """What came of a run.

    Attributes:
        notes: What the partner played, grid ticks from 0; drums on channel 9.
        counts: The conductor's figures.
        compute_s: Seconds of model time of each plan, as measured.
        by_part: The same notes by instrument class.
    """

    notes: NoteArray
    counts: LiveCounts
    compute_s: tuple[float, ...] = ()
    by_part: Mapping[int, NoteArray] = field(default_factory=dict)

    def of_part(self, instrument: int) -> NoteArray:
        """What one part played."""
        return self.by_part.get(instrument, self.notes.take(np.zeros(len(self.notes), dtype=bool)))


def play_run(run: LiveRun, planner: PlannerLike | None, latency_s: float) -> Performance:
    """Play one run with a model, each plan charged ``latency_s`` of musical time, or by rules."""
    steering = Steering(instruments=run.instruments, hears_human=run.hears_human)
    config = ConductorConfig(
        bpm=run.bpm, grid=run.grid, steering=steering, seed=run.seed, starts_on_key=False,
        alternatives=run.alternatives,
    )  # fmt: skip
    conductor = Conductor(config, keeps_history=True)
    clock = Transport().with_tempo(0.0, config.bpm).start(0.0, 0.0)
    inputs, end_s = key_inputs(run.melody, clock.seconds_at), clock.seconds_at(run.until_tick)
    if planner is None or not run.has_model:
        done = play_offline(conductor, NoPlanner(), inputs, end_s)
    else:
        # What the model read before must not show: plans may differ in the last bits with it.
        planner.plan(warm_up_request())
        done = play_offline(
            conductor, InlinePlanner(planner, latency_s, is_lazy=not run.is_timed), inputs, end_s
        )
    performed = conductor.performed()
    notes = clip(notes_of_events(performed, Role.PARTNER), 0, run.until_tick)
    by_part = {
        part: clip(own, 0, run.until_tick) for part, own in notes_by_part(performed, Role.PARTNER).items()
    }
    return Performance(notes, conductor.counts, tuple(plan.compute_s for plan in done.plans), by_part)


def key_inputs(melody: NoteArray, seconds_at: Callable[[float], float]) -> list[Input]:
    """Key presses and releases of grid notes, by time; at one time releases come first."""
    keyed: list[tuple[int, int, Input]] = []
    for note in melody:
        end = note.onset_ticks + note.duration_ticks
        keyed.append((note.onset_ticks, 1, KeyDown(seconds_at(note.onset_ticks), note.pitch, note.velocity)))
        keyed.append((end, 0, KeyUp(seconds_at(end), note.pitch)))
    return [item for _, _, item in sorted(keyed, key=lambda entry: entry[:2])]


def perform_runs(
    runs: Sequence[LiveRun],
    spec: PlannerSpec,
    *,
    latency_s: float,
    jobs: int = 1,
    on_run: Callable[[int, int], None] | None = None,
) -> list[Performance]:
    """Play all runs, in this process or in several.

    Args:
        runs: What to play.
        spec: How each process builds its model.
        latency_s: Musical seconds charged for every plan.
        jobs: Processes; 1 is this one.
        on_run: Told (done, total) after each run.

    Returns:
        One performance a run, in their order, the same for any number of jobs.
    """
    found: list[Performance] = []
    for performance in each_with_planner(_play_in_process, runs, [latency_s] * len(runs), spec, jobs):
        found.append(performance)
        if on_run:
            on_run(len(found), len(runs))
    return found


def _play_in_process(run: LiveRun, latency_s: float) -> Performance:
    return play_run(run, process_planner(), latency_s)


def each_with_planner(
    task: Callable[[_A, _B], _Made], first: Sequence[_A], second: Sequence[_B], spec: PlannerSpec, jobs: int
) -> Iterator[_Made]:
    """Call a task for many things, in this process or in several that each build the planner once.

    Args:
        task: A function of a module; it gets the planner from :func:`process_planner`.
        first: First argument of each call.
        second: Second argument of each call, as many.
        spec: How each process builds the planner.
        jobs: Processes; 1 is this one.

    Yields:
        What each call returns, in their order.
    """
    if jobs <= 1:
        _build(spec)
        try:
            yield from map(task, first, second)
        finally:
            _process_planner.clear()
        return
    # Forking a process with torch's threads in it can hang; a new interpreter cannot.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _build, (spec,)) as pool:
        yield from pool.map(task, first, second)


_process_planner: list[PlannerLike] = []


def _build(spec: PlannerSpec) -> None:
    _process_planner[:] = [spec.build()]


def process_planner() -> PlannerLike:
    """The planner of this process, while :func:`each_with_planner` runs."""
    return _process_planner[0]
