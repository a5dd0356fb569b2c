"""The conductor under models that are slow, silent, talkative and wrong, and under players of all kinds."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import BarGrid, Field, Role, encode
from models.sequence.plan import Plan, PlannedNote, PlanRequest, Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.context import KEPT_HEARD, KEPT_ROWS, MAX_ROWS
from studio.live.messages import (
    Actions,
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    Mode,
    ModelChanged,
    Panic,
    PlanArrived,
    SetMode,
    SetPlaying,
    SetTempo,
    Sound,
    SourceLost,
    Steer,
    Voice,
)

EIGHTH = 12
TICK_S = 60 / 120 / 24


def pattern(from_tick: int, until_tick: int) -> tuple[PlannedNote, ...]:
    """A partner that always wants the same at the same tick: eighths, some struck again while they sound."""
    first = -(-from_tick // EIGHTH) * EIGHTH
    return tuple(
        PlannedNote(tick, 8 + tick % 31, 48 + tick // EIGHTH % 3, 70, 0)
        for tick in range(first, until_tick, EIGHTH)
    )


def answer(request: PlanRequest, notes=pattern) -> Plan:
    found = notes(request.from_tick, request.until_tick)
    return Plan(request.number, request.from_tick, request.until_tick, found)


GARBAGE = (
    PlannedNote(-5, 10, 60, 80, 0), PlannedNote(10**9, 10, 60, 80, 0), PlannedNote(50, 0, 60, 80, 0),
    PlannedNote(50, 10, 128, 80, 0), PlannedNote(50, 10, 60, 0, 0), PlannedNote(50, 10, 60, 80, 16),
    PlannedNote(50, 10**9, 60, 80, 0),
)  # fmt: skip


@dataclass
class Stage:
    """A performance on a manual clock: steps the conductor and delivers what the fake model answers.

    ``behaviour`` gives, for each request, the delays after which a reply comes: none, one or several.
    """

    conductor: Conductor
    behaviour: list[list[float]] = field(default_factory=lambda: [[0.0]])
    is_garbled: bool = False
    pending: list[tuple[float, Plan]] = field(default_factory=list)
    steps: list[tuple[float, list[Input], Actions]] = field(default_factory=list)

    def step(self, now_s: float, *inputs: Input) -> Actions:
        due = [plan for at_s, plan in self.pending if at_s <= now_s]
        self.pending = [entry for entry in self.pending if entry[0] > now_s]
        given_in: list[Input] = [PlanArrived(now_s, plan) for plan in due]
        actions = self.conductor.step(now_s, [*given_in, *inputs])
        self._note(now_s, list(inputs), actions)
        if actions.request:
            plan = answer(actions.request)
            if self.is_garbled:
                plan = replace(plan, notes=GARBAGE + plan.notes, until_tick=plan.until_tick + 40)
            for delay_s in self.behaviour[actions.request.number % len(self.behaviour)]:
                self.pending.append((now_s + delay_s, plan))
        return actions

    def finish(self, now_s: float) -> Actions:
        actions = self.conductor.finish(now_s)
        self._note(now_s, [], actions)
        return actions

    def _note(self, now_s: float, inputs: list[Input], actions: Actions) -> None:
        self.steps.append((now_s, inputs, actions))

    def run(
        self, until_s: float, dt_s: float = 0.005, inputs: tuple[Input, ...] = (), from_s: float = 0.0
    ) -> None:
        queue = sorted(inputs, key=lambda item: item.time_s)
        for i in range(round((until_s - from_s) / dt_s) + 1):
            now_s = from_s + i * dt_s
            now = [item for item in queue if item.time_s <= now_s + 1e-9]
            queue = queue[len(now) :]
            self.step(now_s, *now)

    @property
    def sounds(self) -> list[Sound]:
        return [sound for _, _, actions in self.steps for sound in actions.sounds]

    @property
    def requests(self) -> list[PlanRequest]:
        return [actions.request for _, _, actions in self.steps if actions.request]

    def partner_ons(self) -> list[tuple[float, int, int]]:
        return [
            (round(s.time_s, 9), s.pitch, s.velocity)
            for s in self.sounds
            if s.voice is Voice.PARTNER and s.kind == "on"
        ]

    def check_notes(self) -> None:
        """Every on has exactly one off, not before it, and an id of its own."""
        ons = {s.note_id: s for s in self.sounds if s.kind == "on"}
        offs = Counter(s.note_id for s in self.sounds if s.kind == "off")
        assert len(ons) == sum(s.kind == "on" for s in self.sounds)
        assert offs == dict.fromkeys(ons, 1)
        for s in self.sounds:
            if s.kind == "off":
                on = ons[s.note_id]
                assert s.time_s >= on.time_s
                assert (s.pitch, s.voice, s.instrument) == (on.pitch, on.voice, on.instrument)


def stage(*, ready: bool = True, behaviour=None, **config) -> Stage:
    made = Stage(
        Conductor(ConductorConfig(**config), keeps_history=True),
        behaviour if behaviour is not None else [[0.0]],
    )
    if ready:
        made.step(0.0, ModelChanged(0.0, is_ready=True))
    return made


def melody(n: int = 16, beat_s: float = 0.5, from_s: float = 0.0, source: str = "keys") -> tuple[Input, ...]:
    found: list[Input] = []
    for i in range(n):
        pitch = (60, 62, 64, 65, 67, 69, 71, 72)[i % 8]
        at_s = from_s + i * beat_s
        found += [KeyDown(at_s, pitch, 80, source), KeyUp(at_s + 0.8 * beat_s, pitch, source)]
    return tuple(found)


# Properties under anything.

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


# The player.


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


# Plans.


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


# Desk.


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
