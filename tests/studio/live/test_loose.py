"""How far beside the grid notes are struck: as measured, in time, whole, and the same for a seed."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import DRUMS, PIANO
from models.sequence.band import BASS
from models.sequence.plan import Plan, PlannedNote
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.feel import Feel
from studio.live.loose import MOST_TICKS, Looseness, measured
from studio.live.messages import Steer, Voice
from studio.live.offline import play_offline
from studio.live.planner import InlinePlanner
from tests.studio.live.fakes import BeatPlanner

TICK_S = 0.5 / 24


def chords(beats, instrument=PIANO, size=3):
    """Chords on every eighth."""
    return [PlannedNote(12 * n, 6, 48 + 4 * k, 80, instrument) for n in range(2 * beats) for k in range(size)]


def test_without_looseness_every_note_stands_on_the_grid():
    assert Looseness(1).ticks(chords(4), 0.0, TICK_S) == [0.0] * 24


def test_a_hand_scatters_as_measured_and_its_chords_less():
    off_ms = np.array(Looseness(1).ticks(chords(800), 1.0, TICK_S)).reshape(-1, 3) * TICK_S * 1e3
    means = off_ms.mean(axis=1)
    timing = measured()
    assert abs(means.mean()) < 2.0
    assert timing.onset_ms * 0.8 < means.std() < timing.onset_ms * 1.1
    assert (off_ms - means[:, None]).std() * np.sqrt(3 / 2) == pytest.approx(timing.note_ms, rel=0.1)
    # Onsets of a hand remember each other, and are early as well as late.
    assert np.corrcoef(means[:-1], means[1:])[0, 1] > 0.3
    assert 0.4 < (means < 0).mean() < 0.6


def test_drums_stay_within_their_tick_and_hits_together_stay_together():
    off = np.array(Looseness(1).ticks(chords(800, DRUMS, 2), 1.0, TICK_S)).reshape(-1, 2)
    assert np.abs(off).max() <= 0.5
    assert off.std() == pytest.approx(12**-0.5, rel=0.05)  # a uniform distribution over a tick
    assert 0.3 < np.corrcoef(off.T)[0, 1] < 0.6
    assert 0.03 < np.corrcoef(off[:-1, 0], off[1:, 0])[0, 1] < 0.4


def test_parts_scatter_by_themselves_and_a_seed_repeats():
    notes = sorted(chords(200, PIANO, 1) + chords(200, BASS, 1))
    first, same, other = (Looseness(seed).ticks(notes, 1.0, TICK_S) for seed in (1, 1, 2))
    assert first == same != other
    by_part = defaultdict(list)
    for note, off in zip(notes, first, strict=True):
        by_part[note.instrument].append(off)
    assert abs(np.corrcoef(by_part[PIANO], by_part[BASS])[0, 1]) < 0.3


@given(st.floats(0.005, 0.2), st.floats(0, 1), st.integers(0, 2**64))
def test_no_note_is_moved_past_its_neighbor(tick_s, amount, seed):
    off = Looseness(seed).ticks(chords(4) + chords(4, DRUMS), amount, tick_s)
    assert max(map(abs, off)) <= MOST_TICKS


def perform(inputs=(), **config):
    """Eight beats of eighths of chords at 120 bpm, and of drums."""

    class Chords(BeatPlanner):
        def plan(self, request):
            first = -(-request.from_tick // 12) * 12
            notes = [
                PlannedNote(tick, 6, pitch, 70, part)
                for tick in range(first, request.until_tick, 12)
                for pitch, part in ((36, DRUMS), (48, PIANO), (52, PIANO))
            ]
            return Plan(request.number, request.from_tick, request.until_tick, tuple(sorted(notes)))

    conductor = Conductor(ConductorConfig(starts_on_key=False, **config), keeps_history=True)
    return play_offline(conductor, InlinePlanner(Chords()), inputs, 4.0), conductor


def struck(run):
    """Partner's sounds by note: ``id: (on, off)``."""
    found = defaultdict(dict)
    for sound in run.sounds:
        if sound.voice is Voice.PARTNER:
            assert sound.kind not in found[sound.note_id]
            found[sound.note_id][sound.kind] = sound
    return {key: (pair["on"], pair["off"]) for key, pair in found.items()}


def test_what_is_heard_strays_and_what_the_model_is_told_does_not():
    (strict, told), (loose, same) = perform(), perform(feel=Feel(looseness=1.0))
    assert told.performed().tolist() == same.performed().tolist()
    grid, played = struck(strict), struck(loose)
    assert len(grid) == len(played)
    off = np.array([(on.time_s / TICK_S + 6) % 12 - 6 for on, _ in played.values()])
    assert 0.2 < off.std() < MOST_TICKS
    assert (off < -0.1).any()
    assert (off > 0.1).any()
    # But for the last, cut off by the end, every note is as long as it was planned.
    lengths = [end.time_s - on.time_s for on, end in played.values() if end.time_s < 3.9]
    assert lengths == pytest.approx([6 * TICK_S] * len(lengths), abs=2e-3)


def test_the_same_seed_sounds_the_same_to_the_last_bit():
    first, same, other = (
        perform(feel=Feel(looseness=1.0), seed=seed)[0].sounds for seed in (3, 3, 4)
    )  # fmt: skip
    assert first == same != other


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 3.9), st.sampled_from(["looseness", "swing"]), st.floats(0, 1)), max_size=8
    ),
    st.sampled_from([40.0, 120.0, 400.0]),
    st.integers(0, 1000),
)
def test_looseness_makes_no_note_late_lost_or_endless(turns, bpm, seed):
    steps = tuple(Steer(at_s, target, amount) for at_s, target, amount in sorted(turns))
    run, conductor = perform(steps, bpm=bpm, seed=seed, feel=Feel(looseness=1.0))
    counts = conductor.counts
    assert counts.scheduled_in_past == counts.late_drops == 0
    strict, on_grid = perform(bpm=bpm, seed=seed)
    assert counts.isr == on_grid.counts.isr
    assert abs(len(struck(run)) - len(struck(strict))) <= 3  # a chord at the very end
    assert all(on.time_s <= off.time_s for on, off in struck(run).values())


def test_loudness_varies_within_what_the_model_tells_apart():
    velocities = [on.velocity for on, _ in struck(perform(feel=Feel(looseness=1.0))[0]).values()]
    assert len(set(velocities)) > 4
    assert {abs(velocity - 70) <= 4 for velocity in velocities} == {True}
    assert {on.velocity for on, _ in struck(perform()[0]).values()} == {70}
