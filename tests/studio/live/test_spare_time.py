"""Time to spare: how long a request may take, and who ends the search for a better plan."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from midi.events import BarGrid
from midi.note import Note, NoteArray
from models.sequence.plan import Plan, PlanRequest
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.messages import Actions, Input, KeyDown, KeyUp, PlanArrived
from studio.live.planner import InlinePlanner, PlannerSpec
from studio.rehearsal import LiveRun, play_run
from tests.studio.live.fakes import BeatPlanner, SearchingPlanner, plan_of
from tests.studio.live.stages import stage
from tests.studio.live.test_worker import Inbox, request, running


def tune(beats: int, beat_s: float) -> list[Input]:
    """A key every beat, a little off it."""
    found: list[Input] = []
    for i in range(beats):
        at_s = 0.02 + i * beat_s
        found += [KeyDown(at_s, 60 + i % 7, 80), KeyUp(at_s + beat_s / 3, 60 + i % 7)]
    return found


@pytest.mark.parametrize("bpm", [60.0, 120.0, 220.0])
def test_a_reply_within_the_spare_time_is_never_late(bpm):
    """Late is a reply when the frontier has passed the tick from which it was asked for.

    Only the newest request is waited for.
    """
    made = stage(bpm=bpm, starts_on_key=False, alternatives=3)
    conductor: Conductor = made.conductor
    arrivals: list[tuple[float, Plan]] = []
    n_late = n_on_time = newest = 0
    queue, dt_s = tune(32, 60 / bpm), 0.002
    for step in range(round(16 * 60 / bpm / dt_s)):
        now_s = step * dt_s
        due = [plan for at_s, plan in arrivals if at_s <= now_s]
        arrivals = [entry for entry in arrivals if entry[0] > now_s]
        for plan in (plan for plan in due if plan.number == newest):
            is_behind = conductor._planning.book.frontier > plan.from_tick
            n_late, n_on_time = n_late + is_behind, n_on_time + (not is_behind)
        now = [item for item in queue if item.time_s <= now_s]
        queue = queue[len(now) :]
        actions: Actions = conductor.step(now_s, [*(PlanArrived(now_s, plan) for plan in due), *now])
        asked = actions.request
        if asked is not None:
            assert asked.alternatives == 3
            newest = asked.number
            arrivals.append((now_s + asked.spare_s, plan_of(asked)))
    assert n_on_time > 8
    assert n_late == 0


def test_a_fast_reply_has_spare_time_left_and_a_slow_one_has_not():
    def spare(delay_s: float) -> list[float]:
        made = stage(behaviour=[[delay_s]], starts_on_key=False)
        made.run(6.0, 0.005, tuple(tune(10, 0.5)))
        return [r.spare_s for r in made.requests if r.human_from_tick > 48]

    fast, slow = spare(0.02), spare(0.4)
    assert min(fast) > 0.1, "nearly the whole commit window at 120 beats a minute"
    assert max(fast) < 0.3
    assert all(math.isfinite(each) and each >= 0.0 for each in slow)
    assert max(slow) <= 0.42


def test_by_default_a_request_asks_for_as_many_as_the_performance():
    made = stage(starts_on_key=False)
    made.run(1.0, 0.01)
    assert {r.alternatives for r in made.requests} == {ConductorConfig().alternatives}


@pytest.mark.parametrize("alternatives", [1, 3])
def test_a_rehearsal_chooses_among_as_many_as_it_is_told(alternatives):
    asked: list[PlanRequest] = []

    class Listing(BeatPlanner):
        def plan(self, request: PlanRequest) -> Plan:
            asked.append(request)
            return super().plan(request)

    melody = NoteArray.from_notes(Note(tick, 20, 60) for tick in range(0, 192, 24))
    run = LiveRun("any", melody, BarGrid(), 120.0, 192, alternatives=alternatives)
    play_run(run, Listing(), 0.05)
    assert {r.alternatives for r in asked[1:]} == {alternatives}
    assert asked[0].alternatives == 1, "the one that warms up"


def test_a_manual_clock_never_runs_short():
    class Remembering(BeatPlanner):
        spare: list[float] = []  # noqa: RUF012 - one planner in this test

        def plan(self, request: PlanRequest) -> Plan:
            self.spare.append(request.spare_s)
            return super().plan(request)

    inline = InlinePlanner(Remembering(), 0.1)
    inline.poll(0.0)
    inline.submit(replace(request(1), spare_s=0.01, alternatives=4))
    inline.poll(1.0)
    assert Remembering.spare == [math.inf]


def test_a_newer_request_ends_the_search(tmp_path: Path):
    """The first plan would be searched for for ever."""
    with running(PlannerSpec(f"{SearchingPlanner.__module__}:SearchingPlanner")) as process:
        inbox = Inbox(process)
        inbox.wait_ready()
        for number in range(1, 6):
            process.submit(request(number))
            if number == 1:
                inbox.wait(lambda: process._slot is None)
        # A busy machine may take one of those between up before the last is submitted.
        inbox.wait(lambda: inbox.plans()[:1] == [1] and process._slot is None)
        process.submit(request(9))
        inbox.wait(lambda: inbox.plans()[-1:] == [5])
