"""What the conductor asks for, which answers it takes, and what they become."""

from dataclasses import replace

import numpy as np
import pytest

from midi.events import BarGrid, Field, Role, encode
from models.sequence.plan import Plan, PlannedNote, Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.context import KEPT_HEARD, KEPT_ROWS, MAX_ROWS
from studio.live.messages import KeyDown, KeyUp, ModelChanged, PlanArrived
from tests.studio.live.stages import GARBAGE, TICK_S, Stage, answer, melody, pattern, stage


def test_isr_of_a_scripted_performance_is_exact():
    made = stage(behaviour=[[]], fallback="silence")  # the model never answers by itself
    first = made.step(0.0, KeyDown(0.0, 60, 80)).request
    assert first is not None
    assert (first.from_tick, first.until_tick, first.human_from_tick) == (12, 60, 0)
    made.step(0.1, PlanArrived(0.1, answer(first)))
    made.run(1.45, 0.005, from_s=0.105)
    # Planned: the 16ths at ticks 12 to 54. Due by 1.45 s plus 0.03 s: up to tick 66. Missed: 60 and 66.
    counts = made.conductor.counts
    assert (counts.plan_steps, counts.planned_steps) == (10, 8)
    assert counts.isr == 0.8
    assert [round(at_s / TICK_S) for at_s, _, _ in made.partner_ons()] == [12, 24, 36, 48]
    newest = made.requests[-1]
    made.step(1.46, PlanArrived(1.46, answer(newest)))
    made.run(1.9, 0.005, from_s=1.465)
    after = made.conductor.counts
    assert after.plan_steps - after.planned_steps == 2
    assert after.plan_steps == 14
    assert made.partner_ons()[-1][0] == pytest.approx(84 * TICK_S)


def test_notes_before_the_frontier_are_dropped_and_counted():
    made = stage(behaviour=[[]], fallback="silence")
    request = made.step(0.0, KeyDown(0.0, 60, 80)).request
    made.run(0.6, 0.005, from_s=0.005)
    made.step(0.605, PlanArrived(0.605, answer(request)))
    # At 0.605 s the frontier is past tick 30 and before 36: the notes at 12 and 24 come too late.
    assert made.conductor.counts.late_drops == 2
    made.run(1.2, 0.005, from_s=0.61)
    assert [round(at_s / TICK_S) for at_s, _, _ in made.partner_ons()] == [36, 48]


def test_a_reply_wholly_late_changes_nothing():
    made = stage(behaviour=[[]], fallback="silence")
    request = made.step(0.0, KeyDown(0.0, 60, 80)).request
    made.run(2.0, 0.005, from_s=0.005)
    made.step(2.005, PlanArrived(2.005, answer(request)))
    assert made.conductor.counts.late_drops == 4
    assert made.conductor.snapshot(2.005).ghosts == ()


def test_older_and_double_replies_are_stale():
    made = stage(behaviour=[[]])
    first = made.step(0.0, KeyDown(0.0, 60, 80)).request
    second = made.step(0.01, KeyDown(0.01, 64, 80)).request
    assert first.number < second.number
    made.step(0.02, PlanArrived(0.02, answer(second)))
    ghosts = made.conductor.snapshot(0.02).ghosts
    made.step(0.03, PlanArrived(0.03, answer(first)), PlanArrived(0.03, answer(second)))
    assert made.conductor.counts.stale_plans == 2
    assert made.conductor.snapshot(0.03).ghosts == tuple(n for n in ghosts if n.onset_ticks > 12)


def test_an_older_reply_is_used_until_the_newer_one_comes():
    made = stage(behaviour=[[]])
    first = made.step(0.0, KeyDown(0.0, 60, 80)).request
    second = made.step(0.01, KeyDown(0.01, 64, 80)).request
    made.step(0.02, PlanArrived(0.02, answer(first)))
    assert made.conductor.snapshot(0.02).ghosts == pattern(12, 60)
    late = replace(answer(second), notes=(PlannedNote(20, 6, 40, 80, 0),))
    made.step(0.03, PlanArrived(0.03, late))
    assert made.conductor.snapshot(0.03).ghosts == late.notes


def test_a_new_plan_changes_only_what_lies_beyond_the_frontier():
    made = stage()
    made.run(0.9, 0.005, (KeyDown(0.0, 60, 80),))
    made.behaviour = [[]]
    before = made.conductor.snapshot(0.9)
    request = made.step(0.905, KeyDown(0.902, 64, 80)).request
    other = replace(answer(request), notes=(PlannedNote(request.from_tick + 10, 5, 99, 80, 0),))
    made.step(0.95, PlanArrived(0.95, other))
    after = made.conductor.snapshot(0.95)
    assert after.ghosts == other.notes
    kept = [n for n in before.committed if n.onset_ticks * TICK_S > 0.95]
    assert kept
    assert set(kept) <= set(after.committed)
    made.run(1.8, 0.005, from_s=0.955)
    heard = [(round(at_s / TICK_S), pitch) for at_s, pitch, _ in made.partner_ons() if at_s > 0.95]
    assert heard == [*((n.onset_ticks, n.pitch) for n in kept), (request.from_tick + 10, 99)]


def test_the_window_shrinks_while_a_reply_is_late_and_recovers():
    made = stage()
    made.run(1.0, 0.005, (KeyDown(0.0, 60, 80),))
    made.behaviour = [[]]
    request = made.step(1.0, KeyDown(1.0, 64, 80)).request
    windows = []
    for i in range(1, 37):
        made.step(1.0 + i * 0.005)
        windows.append(made.conductor.snapshot(1.0 + i * 0.005).commit_ticks)
    assert windows == sorted(windows, reverse=True)
    assert windows[-1] == 4
    made.step(1.185, PlanArrived(1.185, answer(request)))
    assert made.conductor.snapshot(1.185).commit_ticks >= 12
    assert made.conductor.counts.late_drops == 0
    made.step(1.19, KeyDown(1.19, 65, 80))  # never answered: the old plan is played to its end
    windows = []
    for i in range(160):
        made.step(1.195 + i * 0.005)
        windows.append(made.conductor.snapshot(1.195 + i * 0.005).commit_ticks)
    assert min(windows) >= 3
    assert min(windows[:40]) <= 4
    assert [round(at_s / TICK_S) for at_s, _, _ in made.partner_ons()] == list(range(12, 97, 12))


def test_requests_reckon_with_the_latency_known():
    made = stage(behaviour=[[0.4]], starts_on_key=False)
    made.run(6.0, 0.005, melody(10, from_s=0.5))
    counts = made.conductor.counts
    late = [a.request for now_s, _, a in made.steps if now_s > 3 and a.request]
    assert counts.isr > 0.9
    assert all(request.from_tick - request.human_from_tick >= 20 for request in late)
    assert made.conductor.snapshot(6.0).plan_latency_s == pytest.approx(0.4, abs=0.01)


def test_a_model_slower_than_its_lookahead_is_still_heard_in_part():
    made = stage(behaviour=[[1.3]], starts_on_key=False)
    made.run(12.0, 0.01, melody(22, from_s=0.2))
    counts = made.conductor.counts
    assert 0.2 < counts.isr < 1.0
    assert 0 < counts.fallback_notes < counts.partner_notes


def test_model_absent_then_killed_twice_is_never_heard_as_a_gap():
    made = stage(ready=False)
    inputs = [*melody(24, from_s=0.0)]
    for at_s, is_ready in ((1.0, True), (4.0, False), (5.0, True), (8.0, False), (9.0, True)):
        inputs.append(ModelChanged(at_s, is_ready))
    made.run(12.0, 0.005, tuple(inputs))
    made.finish(12.0)
    made.check_notes()
    counts = made.conductor.counts
    assert counts.fallback_notes > 0
    assert counts.scheduled_in_past == counts.late_drops == 0
    onsets = [at_s for at_s, _, _ in made.partner_ons()]
    assert max(np.diff(onsets)) <= 0.75
    alive = [at_s for at_s, pitch, velocity in made.partner_ons() if velocity == 70 and 48 <= pitch <= 50]
    assert any(1.5 < at_s < 4.0 for at_s in alive)
    assert any(at_s > 9.5 for at_s in alive)
    assert not any(4.6 + 0.5 < at_s < 5.0 for at_s in alive)


def test_a_reply_to_a_dead_model_is_not_taken():
    made = stage(behaviour=[[]])
    request = made.step(0.0, KeyDown(0.0, 60, 80)).request
    made.step(0.01, ModelChanged(0.01, is_ready=False))
    made.step(0.02, PlanArrived(0.02, answer(request)))
    assert made.conductor.snapshot(0.02).ghosts == ()
    assert made.conductor.counts.stale_plans == 0


def test_garbage_in_a_plan_is_left_out():
    made = stage(behaviour=[[]])
    request = made.step(0.0, KeyDown(0.0, 60, 80)).request
    plan = Plan(request.number, 0, 10**9, GARBAGE + (PlannedNote(24, 6, 50, 80, 0),) * 2)
    made.step(0.01, PlanArrived(0.01, plan))
    ghosts = made.conductor.snapshot(0.01).ghosts
    assert ghosts == (PlannedNote(24, 6, 50, 80, 0), PlannedNote(50, 384, 60, 80, 0))


def test_requests_carry_what_was_heard_at_the_frontier():
    made = stage(behaviour=[[]])
    request = made.step(0.0, KeyDown(0.0, 60, 80)).request
    roles = request.context[:, Field.ROLE].tolist()
    assert roles == [Role.START, Role.BAR, Role.HUMAN]
    assert request.context[2, Field.POSITION] == 0
    made.step(0.7, KeyUp(0.7, 60))
    rows = made.requests[-1].context
    assert Role.RELEASE in rows[:, Field.ROLE]
    events = made.conductor.stream.events()
    assert np.array_equal(made.conductor.stream.rows()[1:], encode(events, BarGrid(), 0))
    human = events[events["role"] == Role.HUMAN]
    assert (human["ticks"] >= human["onset_ticks"]).all()


def test_a_bar_line_at_the_frontier_comes_before_the_news_there():
    made = stage(commit_beats=1.0)
    made.step(0.0, KeyDown(0.0, 60, 80))
    made.run(1.49, 0.01, from_s=0.01)
    request = made.step(1.5, KeyDown(1.5, 62, 80)).request
    roles = request.context[:, Field.ROLE].tolist()
    assert request.from_tick == 96
    assert roles[-2:] == [Role.BAR, Role.HUMAN]


def test_cut_hearing_leaves_the_player_out_of_the_context():
    made = stage(steering=Steering(hears_human=False))
    made.run(3.0, 0.01, melody(6))
    assert made.requests
    for request in made.requests:
        assert not np.isin(request.context[:, Field.ROLE], (Role.HUMAN, Role.RELEASE)).any()
    assert (made.conductor.performed()["role"] == Role.HUMAN).sum() == 6


def test_a_long_context_starts_anew_at_a_bar_line_and_not_every_time():
    made = stage()
    made.run(64.0, 0.02, melody(1100, beat_s=0.058))
    starts = [request.context_tick for request in made.requests]
    sizes = [len(request.context) for request in made.requests]
    assert max(sizes) <= MAX_ROWS
    assert len(set(starts)) >= 3
    assert all(start % 96 == 0 for start in starts)
    assert starts == sorted(starts)
    restarts = [i for i in range(1, len(starts)) if starts[i] != starts[i - 1]]
    assert min(np.diff(restarts)) > 20
    assert all(KEPT_ROWS <= sizes[i] <= KEPT_ROWS + 60 for i in restarts)
    performed = made.conductor.performed()
    assert (performed["role"] == Role.HUMAN).sum() == 1100
    assert (performed["role"] == Role.PARTNER).sum() == made.conductor.counts.partner_notes


def test_a_performance_without_end_keeps_only_what_the_partner_reads():
    made, kept = Stage(Conductor(ConductorConfig()), [[0.0]]), stage(ready=False)
    for each in (made, kept):
        each.run(40.0, 0.02, melody(600, beat_s=0.06))
    assert made.sounds == kept.sounds
    assert len(made.conductor._context.heard) == KEPT_HEARD
    assert not made.conductor._playback.history
    with pytest.raises(ValueError, match="keeps_history"):
        made.conductor.performed()
