"""The conductor under a player's hand: panic, stop, modes, tempo, other clocks and steering."""

import math

import numpy as np
import pytest

from midi.events import Role
from studio.live.messages import (
    ControllerMoved,
    FollowClock,
    KeyDown,
    KeyUp,
    Mode,
    Panic,
    SetMode,
    SetPlaying,
    SetTempo,
    Steer,
    Voice,
)
from tests.studio.live.stages import TICK_S, melody, stage


def test_panic_silences_and_the_partner_rests_until_the_next_key():
    made = stage()
    made.run(2.0, 0.005, melody(3))
    made.behaviour = [[0.3]]
    request = made.step(2.005, KeyDown(2.005, 60, 80)).request
    actions = made.step(2.1, ControllerMoved(2.05, 64, 127), Panic(2.1))
    assert actions.is_panic
    made.check_notes()
    assert request is not None
    steps_before = made.conductor.counts.plan_steps
    made.run(4.0, 0.005, from_s=2.105)
    assert all(at_s <= 2.13 for at_s, _, _ in made.partner_ons())
    assert made.conductor.counts.plan_steps == steps_before
    assert not any(n.onset_ticks * TICK_S > 2.14 for n in made.conductor.snapshot(4.0).committed)
    partner = made.conductor.performed()
    assert (partner["role"] == Role.PARTNER).sum() == len(made.partner_ons())
    rows = made.conductor.stream.events()
    assert (rows["role"] == Role.PARTNER).sum() == len(made.partner_ons())
    made.run(6.0, 0.005, (KeyDown(4.5, 60, 80),), from_s=4.005)
    assert any(at_s > 4.7 for at_s, _, _ in made.partner_ons())


def test_stop_ends_everything_and_play_goes_on_at_a_bar_line():
    made = stage(starts_on_key=False)
    made.run(1.3, 0.005, (KeyDown(0.1, 60, 80),))
    made.step(1.31, SetPlaying(1.31, is_playing=False))
    made.check_notes()
    n_before = len(made.sounds)
    made.run(3.0, 0.005, from_s=1.32)
    assert len(made.sounds) == n_before
    assert made.conductor.next_due_s(3.0) == math.inf
    actions = made.step(3.1, SetPlaying(3.1, is_playing=True))
    assert actions.tempo[0].beat == 4.0
    made.step(3.2, SetPlaying(3.2, is_playing=True))
    assert made.conductor.snapshot(3.6).beat == 5.0
    made.run(6.0, 0.005, from_s=3.205)
    assert made.conductor.snapshot(6.0).is_playing
    assert min(at_s for at_s, _, _ in made.partner_ons() if at_s > 1.4) == pytest.approx(3.35)


def test_play_after_stop_waits_for_a_key_where_the_performance_starts_on_one():
    made = stage()
    made.step(0.5, SetPlaying(0.5, is_playing=False))
    made.step(1.0, SetPlaying(1.0, is_playing=True))
    assert not made.conductor.snapshot(1.0).is_playing
    assert made.step(1.5, KeyDown(1.5, 60, 80)).tempo[0].beat == 0.0
    impatient = stage()
    impatient.step(1.0, SetPlaying(1.0, is_playing=True))
    assert impatient.conductor.snapshot(1.0).is_playing


def test_a_mode_change_ends_the_partners_notes_only():
    made = stage()
    made.run(2.0, 0.005, (KeyDown(0.0, 60, 80),))
    assert made.conductor.snapshot(2.0).partner_held
    made.step(2.005, SetMode(2.005, Mode.RESPOND))
    view = made.conductor.snapshot(2.005)
    assert (view.partner_held, view.held, view.mode) == ((), (60,), Mode.RESPOND)
    made.run(3.0, 0.005, from_s=2.01)
    assert all(at_s < 2.05 for at_s, _, _ in made.partner_ons())
    made.step(3.005, SetMode(3.005, Mode.ACCOMPANY))
    made.run(4.0, 0.005, from_s=3.01)
    assert made.partner_ons()[-1][0] > 3.5
    made.finish(4.0)
    made.check_notes()


def test_tempo_change_reaches_notes_already_committed():
    made = stage()
    made.run(0.9, 0.005, (KeyDown(0.0, 60, 80),))
    mark = made.step(0.905, SetTempo(0.905, 60.0)).tempo[0]
    assert (mark.beat, mark.bpm) == (pytest.approx(1.81), 60.0)
    made.run(2.0, 0.005, from_s=0.91)
    late = [at_s for at_s, _, _ in made.partner_ons() if at_s > 0.94]
    assert late[0] == pytest.approx(0.905 + (48 / 24 - 1.81) * 1.0)
    assert np.diff(late) == pytest.approx(0.5)
    made.step(2.1, SetTempo(2.1, math.nan), SetTempo(2.1, 1.0))
    assert made.conductor.snapshot(2.1).bpm == 20.0


def test_a_following_clock_glides_small_errors_and_jumps_large_ones():
    made = stage(starts_on_key=False)
    made.run(1.0, 0.005)
    made.step(1.005, FollowClock(1.005, 2.01 + 0.1, 120.0))
    assert made.conductor.snapshot(1.005).beat == pytest.approx(2.01)
    assert made.conductor.snapshot(1.505).beat == pytest.approx(3.11)
    assert made.conductor.snapshot(2.005).beat == pytest.approx(4.11)
    made.run(2.0, 0.005, from_s=1.01)
    beat = made.conductor.snapshot(2.0).beat
    actions = made.step(2.005, FollowClock(2.005, 33.0, 100.0))
    assert made.conductor.snapshot(2.005).beat == pytest.approx(5.0)
    assert actions.tempo[0].bpm == 100.0
    assert 0 <= made.conductor.snapshot(2.005).beat - beat < 4
    made.run(4.0, 0.005, from_s=2.01)
    assert made.partner_ons()[-1][0] > 3.5
    assert made.conductor.counts.scheduled_in_past == 0
    made.finish(4.0)
    made.check_notes()
    onsets = [at_s for at_s, _, _ in made.partner_ons() if at_s > 2.1]
    assert np.diff(onsets) == pytest.approx(0.3)


def test_a_clock_that_runs_starts_a_waiting_transport_in_its_phase():
    made = stage()
    made.step(1.0, FollowClock(1.0, 9.0, 90.0))
    assert made.conductor.snapshot(1.0).beat == pytest.approx(1.0)
    quiet = made.step(1.01, FollowClock(1.01, 9.0 + 0.01 * 1.5, 90.0))
    assert quiet.tempo == ()
    assert made.step(1.02, FollowClock(1.02, 9.03, 99.0)).tempo[0].bpm == 99.0
    made.step(1.03, FollowClock(1.03, math.nan, 99.0))
    assert made.conductor.snapshot(1.03).bpm == 99.0


def test_steering_changes_the_next_request():
    made = stage()
    made.run(1.0, 0.005, (KeyDown(0.0, 60, 80),))
    request = made.step(1.005, Steer(1.005, "temperature", 9.0)).request
    assert request is not None
    assert request.steering.temperature == 2.0
    n_requests = len(made.requests)
    made.step(1.006, Steer(1.006, "no such thing", 1.0))
    assert len(made.requests) == n_requests


def test_requests_have_seeds_of_their_own():
    made, other = stage(seed=1), stage(seed=2)
    for s in (made, other):
        s.run(3.0, 0.005, melody(6))
    seeds = [request.seed for request in made.requests]
    assert len(set(seeds)) == len(seeds)
    assert not set(seeds) & {request.seed for request in other.requests}


def test_respond_mode_is_silent_without_a_model():
    made = stage(ready=False, mode=Mode.RESPOND)
    made.run(6.0, 0.005, melody(4))
    assert made.conductor.counts.plan_steps > 0
    assert made.conductor.counts.isr == 0.0
    assert made.partner_ons() == []


def test_respond_mode_answers_and_yields_within_the_commit_window():
    made = stage(mode=Mode.RESPOND, behaviour=[[0.05]])
    made.run(8.0, 0.005, (*melody(7), KeyDown(5.6, 60, 80), KeyUp(5.7, 60)))
    counts = made.conductor.counts
    onsets = [at_s for at_s, _, _ in made.partner_ons()]
    assert onsets[0] == pytest.approx(4.0)  # the call ends at 3.4 s; the bar line after a beat's silence
    assert counts.isr == 1.0
    first_answer = [at_s for at_s in onsets if at_s < 6.5]
    assert 5.3 < max(first_answer) <= 5.6 + 0.25 + 0.005
    offs = [s.time_s for s in made.sounds if s.voice is Voice.PARTNER and s.kind == "off" and s.time_s < 6.5]
    assert max(offs) <= 5.6 + 0.25 + 0.03
    made.finish(8.0)
    made.check_notes()


def test_a_time_that_goes_back_counts_as_the_last():
    made = stage(starts_on_key=False)
    made.run(1.0, 0.005)
    beat = made.conductor.snapshot(1.0).beat
    made.step(0.5)
    made.step(1.005)
    assert made.conductor.snapshot(1.0).beat == beat
    assert made.conductor.counts.scheduled_in_past == 0


def test_a_long_stall_costs_what_lay_in_it_and_nothing_more():
    made = stage(starts_on_key=False)
    made.run(2.0, 0.005, (KeyDown(0.1, 60, 80),))
    actions = made.step(8.0)
    assert all(s.time_s >= 8.0 for s in actions.sounds if s.kind == "on")
    made.run(12.0, 0.005, from_s=8.005)
    counts = made.conductor.counts
    assert counts.scheduled_in_past == 0
    assert counts.plan_steps - counts.planned_steps == pytest.approx(6.0 / 0.125 - 10, abs=6)
    assert [round(at_s / TICK_S) % 12 for at_s, _, v in made.partner_ons() if v == 70 and at_s > 9] == [
        0
    ] * 12
    made.finish(12.0)
    made.check_notes()


def test_the_partner_fades_when_the_player_rests_and_comes_back():
    made = stage()
    made.run(14.0, 0.005, (KeyDown(0.0, 60, 80), KeyUp(0.2, 60)))
    velocities = [v for at_s, _, v in made.partner_ons() if at_s > 8.2]
    assert velocities == sorted(velocities, reverse=True)
    assert len(velocities) >= 5
    assert made.partner_ons()[-1][0] <= 10.3
    steps = made.conductor.counts.plan_steps
    made.run(16.0, 0.005, (KeyDown(15.0, 62, 80),), from_s=14.005)
    assert made.conductor.counts.plan_steps > steps
    assert made.partner_ons()[-1][2] == 70
    assert made.conductor.counts.isr == 1.0
