"""How notes are given out: register, dynamics, swing, velocity."""

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import BarGrid, Role
from models.sequence.plan import PlannedNote, Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.feel import FEEL_TARGETS, STEERABLE, Feel, Loudness, Shaping, steer_feel, swung
from studio.live.messages import KeyDown, KeyUp, SetPlaying, Sound, Steer, Voice
from studio.live.offline import play_offline
from studio.live.partner import steer
from studio.live.planner import InlinePlanner
from tests.studio.live.fakes import BeatPlanner


def perform(inputs=(), notes=None, **config):
    """Sounds of the partner in eight beats at 120 bpm, and the rows that the model was told last."""
    asked = []

    class Eighths(BeatPlanner):
        def plan(self, request):
            asked.append(request)
            plan = super().plan(request)
            first = -(-request.from_tick // 6) * 6
            found = notes or (lambda tick: PlannedNote(tick, 5, 48 + tick // 6 % 24, 70, 0))
            return type(plan)(
                plan.number, plan.from_tick, plan.until_tick,
                tuple(found(tick) for tick in range(first, request.until_tick, 6)),
            )  # fmt: skip

    conductor = Conductor(ConductorConfig(starts_on_key=False, **config), keeps_history=True)
    run = play_offline(conductor, InlinePlanner(Eighths()), inputs, 4.0)
    return run, asked, conductor


def onsets(run):
    """Beats of the partner's notes."""
    return [s.time_s * 2 for s in run.sounds if s.voice is Voice.PARTNER and s.kind == "on"]


def test_the_table_agrees_with_what_steering_takes():
    for name, known in STEERABLE.items():
        assert known.low <= known.default <= known.high
        for value, clamped in ((-1e9, known.low), (1e9, known.high)):
            if name in FEEL_TARGETS:
                assert getattr(steer_feel(Feel(), name, value), name) == clamped
            else:
                assert getattr(steer(Steering(), name, value), name) == clamped
        # Of itself a conductor plays on the grid; the programs ask for looseness.
        assert known.of(Steering(), Feel(looseness=1.0)) == known.default
        assert (known.scaled(0.0), known.scaled(1.0), known.scaled(7.0)) == (
            known.low,
            known.high,
            known.high,
        )


@pytest.mark.parametrize("value", [math.nan, math.inf, True, (1, 2), "loud", None])
def test_nonsense_steers_nothing(value):
    assert steer_feel(Feel(swing=0.5), "swing", value) == Feel(swing=0.5)
    assert steer_feel(Feel(), "tempo", 3.0) == Feel()


@given(st.floats(0, 1), st.lists(st.floats(0, 1000), min_size=2, max_size=20))
def test_swing_never_hurries_and_keeps_order(amount, ticks):
    ordered = sorted(ticks)
    moved = [swung(tick, amount) for tick in ordered]
    assert all(after >= before - 1e-9 for before, after in zip(ordered, moved, strict=True))
    assert all(after - before >= -1e-9 for before, after in pairwise(moved))
    assert max(after - before for before, after in zip(ordered, moved, strict=True)) <= 4 + 1e-9


def test_full_swing_is_the_triplet_and_beats_stand():
    assert [swung(tick, 1.0) for tick in (0, 6, 12, 18, 24)] == [0, 8, 16, 20, 24]
    assert [swung(tick, 0.5) for tick in (12, 36)] == [14, 38]


def test_swung_notes_come_late_whole_and_unknown_to_the_model():
    straight, asked_straight, plain = perform()
    late, asked, conductor = perform(feel=Feel(swing=1.0))
    # What lies beyond the end when everything is later is missing there.
    assert onsets(late) == pytest.approx(
        [swung(beat * 24, 1.0) / 24 for beat in onsets(straight)][: len(onsets(late))]
    )
    assert len(onsets(straight)) - len(onsets(late)) <= 1
    assert [r.context.tolist() for r in asked[:8]] == [r.context.tolist() for r in asked_straight[:8]]
    assert conductor.counts.scheduled_in_past == conductor.counts.late_drops == 0
    paired(late)
    assert plain.counts.late_drops == 0


def paired(run):
    ons, offs = (Counter(s.note_id for s in run.sounds if s.kind == kind) for kind in ("on", "off"))
    assert ons == offs
    assert set(ons.values()) <= {1}


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(0, 3.9), st.floats(0, 1)), max_size=8))
def test_turning_swing_while_playing_loses_and_reorders_nothing(turns):
    steps = tuple(Steer(at_s, "swing", amount) for at_s, amount in sorted(turns))
    run, _, conductor = perform(steps)
    beats = onsets(run)
    assert conductor.counts.late_drops == conductor.counts.scheduled_in_past == 0
    assert all(later > earlier for earlier, later in pairwise(beats))
    # The first sixteenths belong to the rules, which have nothing to go by yet.
    assert len(beats) >= len(onsets(perform()[0])) - 1
    paired(run)


def test_velocity_is_added_within_range_and_offs_stay_as_they_are():
    def played(**feel):
        return {s.velocity for s in perform(feel=Feel(**feel))[0].sounds if s.kind == "on"}

    assert played() == {70}
    assert played(velocity=-40) == {30}
    loud = Shaping(Feel(velocity=40)).shape(
        [Sound(0, "on", Voice.PARTNER, 60, 120), Sound(0, "off", Voice.PARTNER, 60)]
    )
    assert [sound.velocity for sound in loud] == [127, 0]


def test_dynamics_follow_the_players_recent_loudness():
    soft = tuple(item for n in range(6) for item in (KeyDown(n / 4, 60, 40), KeyUp(n / 4 + 0.2, 60)))
    heard = [
        s.velocity
        for s in perform(soft, feel=Feel(dynamics=1.0))[0].sounds
        if s.voice is Voice.PARTNER and s.kind == "on"
    ]
    assert set(heard[8:]) == {35}
    half = [
        s.velocity
        for s in perform(soft, feel=Feel(dynamics=0.5))[0].sounds
        if s.voice is Voice.PARTNER and s.kind == "on"
    ]
    assert set(half[8:]) == {52}


def test_loudness_forgets():
    loudness = Loudness()
    assert loudness.mean is None
    loudness.hear(0.0, 120)
    loudness.hear(30.0, 40)
    assert loudness.mean == pytest.approx(40.0, abs=0.1)


def test_register_moves_both_bounds_of_what_is_asked():
    _, asked, conductor = perform((Steer(2.0, "register", -12.4),))
    bounds = [(r.steering.low_pitch, r.steering.high_pitch) for r in asked]
    usual = Steering()
    assert bounds[0] == (usual.low_pitch, usual.high_pitch)
    assert bounds[-1] == (usual.low_pitch - 12, usual.high_pitch - 12)
    seen = conductor.snapshot(4.0)
    assert seen.feel.register == -12
    assert seen.steering == usual


def test_another_time_signature_begins_at_the_next_start():
    conductor = Conductor(ConductorConfig(), keeps_history=True)
    conductor.step(0.0, (KeyDown(0.0, 60, 80),))
    conductor.choose_bars(72)
    conductor.step(1.1)
    assert conductor.snapshot(1.1).beats_per_bar == 4
    conductor.step(1.2, (SetPlaying(1.2, is_playing=False),))
    conductor.step(5.0, (SetPlaying(5.0, is_playing=True),) * 2)
    seen = conductor.snapshot(5.0)
    assert (seen.beat, seen.beats_per_bar) == (4.0, 3.0)
    conductor.step(8.1)
    bars = [int(e["ticks"]) for e in conductor.performed() if e["role"] == Role.BAR]
    assert conductor.config.grid == BarGrid(((0, 96), (96, 72)))
    assert {96, 168, 240} <= set(bars)


def test_the_players_sound_changes_for_the_next_key_only():
    conductor = Conductor(ConductorConfig(), keeps_history=True)
    conductor.step(0.0, (KeyDown(0.0, 60, 80),))
    conductor.choose_instrument(4)
    sounds = conductor.step(0.5, (KeyUp(0.5, 60), KeyDown(0.5, 62, 80))).sounds
    assert [(s.kind, s.instrument) for s in sounds if s.voice is Voice.PLAYER] == [("off", 0), ("on", 4)]
