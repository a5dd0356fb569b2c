"""The conductor under models that are slow, silent, talkative and wrong, and under players of all kinds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import BarGrid, Field
from models.sequence.plan import PlannedNote, Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.context import MAX_ROWS
from studio.live.messages import (
    ControllerMoved,
    FollowClock,
    KeyDown,
    KeyUp,
    Mode,
    ModelChanged,
    Panic,
    SetMode,
    SetPlaying,
    SetTempo,
    Sound,
    SourceLost,
    Steer,
    Voice,
)
from tests.studio.live.stages import TICK_S, Stage, melody, stage

TIMES = st.floats(0, 6, allow_nan=False)
PITCHES = st.integers(-1, 128)
INPUTS = st.one_of(
    st.builds(KeyDown, TIMES, st.integers(55, 62), st.integers(0, 130), st.sampled_from(["keys", "other"])),
    st.builds(KeyDown, TIMES, PITCHES, st.integers(1, 127)),
    st.builds(KeyUp, TIMES, st.integers(55, 62), st.sampled_from(["keys", "other"])),
    st.builds(ControllerMoved, TIMES, st.sampled_from([1, 64, 128]), st.integers(0, 127)),
    st.builds(SourceLost, TIMES, st.sampled_from(["keys", "other"])),
    st.builds(ModelChanged, TIMES, st.booleans()),
    st.builds(SetTempo, TIMES, st.floats(1, 600)),
    st.builds(FollowClock, TIMES, st.floats(0, 40), st.floats(60, 200)),
    st.builds(SetMode, TIMES, st.sampled_from(Mode)),
    st.builds(Steer, TIMES, st.just("density"), st.floats(-3, 3)),
    st.builds(SetPlaying, TIMES, st.booleans()),
    st.builds(Panic, TIMES),
)
DELAYS = st.lists(st.lists(st.floats(0, 1.5), max_size=2), min_size=1, max_size=5)
CONFIGS = st.builds(
    ConductorConfig,
    bpm=st.floats(30, 300),
    grid=st.sampled_from([BarGrid(), BarGrid(((0, 72),)), BarGrid(((0, 96), (192, 60)))]),
    lookahead_beats=st.sampled_from([0.5, 2.0, 4.0]),
    commit_beats=st.sampled_from([0.0, 0.4, 0.5, 1.0]),
    mode=st.sampled_from(Mode),
    starts_on_key=st.booleans(),
    fallback=st.sampled_from(["rules", "silence"]),
    seed=st.integers(-5, 2**70),
    steering=st.sampled_from([Steering(), Steering(hears_human=False), Steering(instruments=(4, 5, 15))]),
)


def perform(config: ConductorConfig, inputs, delays, gaps, *, is_garbled: bool = False) -> Stage:
    made = Stage(Conductor(config, keeps_history=True), delays, is_garbled)
    made.step(0.0, ModelChanged(0.0, is_ready=True))
    queue = sorted(inputs, key=lambda item: item.time_s)
    now_s, i = 0.0, 0
    while now_s < 7.0:
        now_s += gaps[i % len(gaps)]
        i += 1
        now = [item for item in queue if item.time_s <= now_s]
        queue = queue[len(now) :]
        made.step(now_s, *now)
    made.finish(now_s)
    made.finish(now_s + 0.1)
    return made


@settings(max_examples=40, deadline=None)
@given(
    CONFIGS,
    st.lists(INPUTS, max_size=40),
    DELAYS,
    st.lists(st.floats(0.0005, 0.05), min_size=1, max_size=6),
    st.booleans(),
)
def test_invariants_hold_whatever_player_and_model_do(config, inputs, delays, gaps, is_garbled):
    made = perform(config, inputs, delays, [*gaps, 0.02], is_garbled=is_garbled)
    made.check_notes()
    counts = made.conductor.counts
    assert counts.scheduled_in_past == 0
    assert 0 <= counts.planned_steps <= counts.plan_steps
    assert made.conductor.snapshot(8.0).held == made.conductor.snapshot(8.0).partner_held == ()
    frontier = 0
    for now_s, given_in, actions in made.steps:
        assert [s.time_s for s in actions.sounds] == sorted(s.time_s for s in actions.sounds)
        for sound in actions.sounds:
            assert 0 <= sound.pitch <= 127
            assert sound.voice is Voice.PLAYER or sound.time_s >= now_s
        pressed = sum(isinstance(i, KeyDown) and 0 <= i.pitch <= 127 and i.velocity > 0 for i in given_in)
        heard = [s for s in actions.sounds if s.voice is Voice.PLAYER and s.kind == "on"]
        assert len(heard) == pressed
        assert actions.is_panic == any(isinstance(i, Panic) for i in given_in)
        if actions.request:
            request = actions.request
            assert request.from_tick >= frontier
            frontier = request.from_tick if made.conductor.config.mode is Mode.ACCOMPANY else frontier
            ticks = request.context_tick + np.cumsum(request.context[:, Field.DELTA].astype(int))
            assert ticks[-1] <= request.from_tick
            assert request.human_from_tick <= request.from_tick
            assert len(request.context) <= MAX_ROWS


@settings(max_examples=15, deadline=None)
@given(CONFIGS, st.lists(INPUTS, max_size=30), DELAYS)
def test_same_inputs_same_actions(config, inputs, delays):
    def described(made: Stage):
        return [
            (
                now_s,
                a.sounds,
                a.tempo,
                a.request and (a.request.seed, a.request.context.tobytes(), a.request.from_tick),
            )
            for now_s, _, a in made.steps
        ]

    assert described(perform(config, inputs, delays, [0.01])) == described(
        perform(config, inputs, delays, [0.01])
    )


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0.0005, 0.028), min_size=1, max_size=8), st.sampled_from(Mode), st.floats(0, 0.1))
def test_step_sizes_do_not_change_what_is_heard(gaps, mode, latency_s):
    config = ConductorConfig(mode=mode)
    inputs = [*melody(5, from_s=0.111), SetTempo(1.5, 90.0)]
    assert_same = [perform(config, inputs, [[latency_s]], g) for g in ([0.004], [*gaps, 0.02])]
    fine, coarse = (made.partner_ons() for made in assert_same)
    # The answer's place may follow the step in which a key came; what lies at one time is the same.
    assert fine == coarse
    assert len(fine) > 3


def test_coarse_steps_lose_nothing_once_they_are_known_to_be_coarse():
    made = stage(starts_on_key=False)
    made.run(8.0, 0.05)
    assert made.conductor.counts.late_drops <= 1
    assert len(made.partner_ons()) >= 28


def test_event_driven_loop_hears_the_same_as_a_fine_one():
    def driven() -> list[tuple[float, int, int]]:
        made = stage()
        queue = list(melody(8, from_s=0.05))
        now_s = 0.0
        while now_s < 5.0:
            due_s = made.conductor.next_due_s(now_s)
            assert due_s > now_s
            plan_s = min((at_s for at_s, _ in made.pending), default=math.inf)
            now_s = min(due_s, plan_s, queue[0].time_s if queue else math.inf, 5.0)
            now = [item for item in queue if item.time_s <= now_s]
            queue = queue[len(now) :]
            made.step(now_s, *now)
        assert made.conductor.counts.isr == 1.0
        assert len(made.steps) < 250
        return made.partner_ons()

    fine = stage()
    fine.run(5.0, 0.001, melody(8, from_s=0.05))
    assert driven() == [on for on in fine.partner_ons() if on[0] <= 5.03]


@settings(max_examples=15, deadline=None)
@given(DELAYS, st.lists(st.integers(0, 40), max_size=12))
def test_what_was_committed_is_what_is_played(delays, onsets):
    made = Stage(Conductor(ConductorConfig(fallback="silence"), keeps_history=True), delays)
    made.step(0.0, ModelChanged(0.0, is_ready=True), KeyDown(0.0, 60, 80))
    keys = {i * 0.1: KeyDown(i * 0.1, 62 + i % 5, 80) for i in onsets}
    promised: set[PlannedNote] = set()
    for i in range(500):
        now_s = i * 0.01
        made.step(now_s, *([keys.pop(round(now_s, 3))] if round(now_s, 3) in keys else []))
        promised.update(made.conductor.snapshot(now_s).committed)
    heard = {(round(at_s / TICK_S), pitch) for at_s, pitch, _ in made.partner_ons()}
    due = {(n.onset_ticks, n.pitch) for n in promised if n.onset_ticks * TICK_S <= 4.99}
    assert due <= heard
    assert heard <= {(n.onset_ticks, n.pitch) for n in promised}


def test_a_key_sounds_in_its_step_with_its_own_time():
    made = stage(ready=False)
    actions = made.step(0.010, KeyDown(0.0073, 60, 90))
    assert actions.sounds == (Sound(0.0073, "on", Voice.PLAYER, 60, 90, 0),)
    again = made.step(0.030, KeyDown(0.0281, 60, 50))
    assert [(s.kind, s.time_s, s.note_id) for s in again.sounds] == [("off", 0.0281, 0), ("on", 0.0281, 1)]
    assert made.step(0.05, KeyUp(0.04, 60, "another port"), KeyUp(0.04, 61)).sounds == ()
    assert [s.note_id for s in made.step(0.06, KeyDown(0.05, 60, 0)).sounds] == [1]


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -5.0])
def test_odd_time_stamps_do_not_reach_the_sinks(stamp):
    made = stage(ready=False)
    made.step(1.0, KeyDown(1.0, 60, 80))
    made.step(2.0, KeyUp(stamp, 60), KeyDown(stamp, 61, 80), SetTempo(stamp, 90.0))
    made.finish(3.0)
    made.check_notes()
    assert all(1.0 <= s.time_s <= 3.0 for s in made.sounds)


def test_unplugging_releases_what_that_source_held_and_its_pedal():
    made = stage()
    made.step(0.1, KeyDown(0.1, 60, 80, "a"), KeyDown(0.1, 64, 80, "b"), ControllerMoved(0.1, 64, 127, "a"))
    lost = made.step(0.2, SourceLost(0.2, "a")).sounds
    assert [(s.kind, s.pitch) for s in lost if s.voice is Voice.PLAYER] == [("off", 60), ("control", 64)]
    assert made.conductor.snapshot(0.2).held == (64,)
    made.step(0.3, KeyUp(0.3, 60, "a"))
    made.finish(0.4)
    made.check_notes()


def test_a_pedal_held_elsewhere_stays_down():
    made = stage()
    for source in ("a", "b"):
        made.step(0.1, ControllerMoved(0.1, 64, 127, source))
    assert made.step(0.2, SourceLost(0.2, "a")).sounds == ()
    assert [s.velocity for s in made.finish(0.3).sounds] == [0]
    made.step(0.4, ControllerMoved(0.4, 64, 100, "a"), ControllerMoved(0.4, 64, 0, "a"))
    assert made.finish(0.5).sounds == ()


def test_ten_thousand_note_ons_in_one_step_leave_nothing_hanging():
    made = stage()
    flood = [KeyDown(0.1, i % 128, 1 + i % 127) for i in range(10_000)]
    actions = made.step(0.1, *flood)
    counts = made.conductor.counts
    assert counts.player_notes == 128
    assert counts.ignored_keys == 10_000 - 128
    assert sum(s.kind == "on" for s in actions.sounds) == 128
    for i in range(1, 40):
        made.step(0.1 + i * 0.02, *flood[: 200 + i], *(KeyUp(0.1, p) for p in range(0, 128, 2)))
        assert len(made.conductor.stream) <= MAX_ROWS + 2 * 128 + 64
    made.run(2.0, 0.01, from_s=0.9)
    made.finish(2.0)
    made.check_notes()


def test_keys_sound_while_the_transport_stands():
    made = stage()
    made.step(0.1, KeyDown(0.1, 60, 80))
    made.step(0.2, SetPlaying(0.2, is_playing=False))
    made.step(0.3, KeyDown(0.3, 62, 80), FollowClock(0.3, 1.0, 120.0))
    assert made.conductor.snapshot(0.3).held == (62,)
    assert not made.conductor.snapshot(0.3).is_playing
    made.step(0.4, KeyUp(0.4, 62))
    made.check_notes()
