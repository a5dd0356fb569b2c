"""The rule-based accompanist: hears only the past, keeps to the key, the range and the parts asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import DRUMS, EVENT_DTYPE, BarGrid, Role, sort_events
from midi.theory import chord_tones, pitch_class_set
from models.sequence.plan import Steering
from studio.live.fallback import rule_notes

GRID = BarGrid()
C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


def human(notes, lag: int = 12):
    rows = [(onset + lag, Role.HUMAN, 0, pitch, duration, 80, onset) for onset, duration, pitch in notes]
    return sort_events(np.array(rows, dtype=EVENT_DTYPE))


def arpeggios(roots, quality="maj", up: int = 0):
    """Two bars of each chord, its tones in quarters: a melody that leaves no doubt."""
    found = []
    for i, root in enumerate(roots):
        tones = [60 + up + tone for tone in sorted(chord_tones(root, quality))]
        found += [(i * 96 + k * 24, 22, tones[k % 3]) for k in range(4)]
    return human(found)


def play(events, until: int, grid: BarGrid = GRID, step: int = 6, **steering):
    """As live: a 16th at a time, each from what is known then."""
    return [
        note for tick in range(0, until, step)
        for note in rule_notes(events, grid, tick, tick + step, Steering(**steering))
    ]  # fmt: skip


def test_it_is_silent_before_a_note_and_with_its_hearing_cut():
    events = arpeggios([0])
    assert rule_notes(events[:0], GRID, 0, 96, Steering()) == ()
    assert rule_notes(events, GRID, 0, 96, Steering()) == ()
    assert rule_notes(events, GRID, 48, 96, Steering(hears_human=False)) == ()
    assert rule_notes(events, GRID, 48, 48, Steering()) == ()
    assert rule_notes(events, GRID, 48, 96, Steering()) != ()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 60), st.integers(0, 127)), max_size=30),
    st.integers(1, 600), st.integers(1, 200), st.sampled_from([(0,), (0, 4, 15), (5,), (15,), (0, 3)]),
    st.floats(-2, 2), st.sampled_from([GRID, BarGrid(((0, 72),)), BarGrid(((0, 60),)), BarGrid(((0, 192),))]),
)  # fmt: skip
def test_the_future_changes_nothing_and_notes_are_legal(notes, from_tick, length, instruments, density, grid):
    events = human(notes)
    steering = Steering(instruments=instruments, density=density)
    until = from_tick + length
    found = rule_notes(events, grid, from_tick, until, steering)
    past = events[(events["ticks"] <= from_tick) & (events["onset_ticks"] < from_tick)]
    assert found == rule_notes(past, grid, from_tick, until, steering)
    assert list(found) == sorted(set(found))
    for note in found:
        assert from_tick <= note.onset_ticks < until
        assert note.duration_ticks >= 1
        assert 1 <= note.velocity <= 127
        assert note.instrument in instruments
        if note.instrument != DRUMS:
            assert steering.low_pitch <= note.pitch <= steering.high_pitch


@pytest.mark.parametrize("up", range(12))
def test_chords_follow_the_melody_in_every_key(up):
    roots = [0, 5, 7, 0, 9, 2, 7, 0]
    events = human(
        [
            (int(e["onset_ticks"]), 22, int(e["pitch"]) + up)
            for e in arpeggios([r for r in roots if r in {0, 5, 7}])
        ]
    )
    expected = [(r + up) % 12 for r in roots if r in {0, 5, 7}]
    right = 0
    for bar, root in enumerate(expected):
        chord = rule_notes(events, GRID, bar * 96 + 72, bar * 96 + 96, Steering())
        right += pitch_class_set(n.pitch for n in chord if n.pitch > 50) == chord_tones(root, "maj")
    assert right >= len(expected) - 1


def test_minor_keys_are_heard():
    tune = [69, 72, 76, 72, 74, 77, 74, 69, 68, 71, 76, 71, 69, 72, 69, 69]
    events = human([(i * 24, 22, pitch) for i, pitch in enumerate(tune)])
    last = rule_notes(events, GRID, 15 * 24, 16 * 24, Steering())
    assert pitch_class_set(n.pitch for n in last) == chord_tones(9, "min")


def test_it_stays_diatonic_and_close():
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    rng = np.random.default_rng(1)
    events = human([(i * 12, 10, scale[int(rng.integers(8))]) for i in range(128)])
    notes = play(events, 128 * 12)
    late = [n for n in notes if n.onset_ticks > 400]
    assert {n.pitch % 12 for n in late} <= C_MAJOR | {8}
    chords = [n for n in late if n.pitch > 50 and n.onset_ticks % 48]
    onsets = sorted({n.onset_ticks for n in chords})
    tops = [max(n.pitch for n in chords if n.onset_ticks == onset) for onset in onsets]
    assert np.abs(np.diff(tops)).max() <= 7
    assert 55 <= np.mean(tops) <= 72


def test_the_pattern_has_bass_on_the_slot_and_chords_after_it():
    notes = [n for n in play(arpeggios([0, 0, 0, 0]), 384) if n.onset_ticks >= 192]
    assert {n.onset_ticks % 48 for n in notes if n.pitch < 50} == {0}
    assert {n.onset_ticks % 48 for n in notes if n.pitch > 50} == {24}
    assert all(n.pitch % 12 == 0 for n in notes if n.pitch < 50)


@pytest.mark.parametrize(("density", "expected"), [(-1.0, {0}), (0.0, {24}), (1.0, {0, 12, 24, 36})])
def test_density_picks_the_figure(density, expected):
    notes = [n for n in play(arpeggios([0, 0, 0, 0]), 384, density=density) if n.onset_ticks >= 192]
    assert {n.onset_ticks % 48 for n in notes if n.pitch > 50} == expected


def test_parts_share_the_work():
    notes = [n for n in play(arpeggios([0, 0, 0]), 288, instruments=(0, 4, 5, 15)) if n.onset_ticks >= 192]
    by = {k: [n for n in notes if n.instrument == k] for k in (0, 4, 5, 15)}
    assert all(n.pitch < 56 for n in by[4])
    assert all(n.pitch > 47 for n in by[0])
    assert {n.onset_ticks % 48 for n in by[5]} == {0}
    assert {n.pitch for n in by[15]} == {36, 38, 42}


def test_triple_time_and_narrow_ranges():
    grid = BarGrid(((0, 72),))
    events = human([(i * 24, 22, (60, 64, 67)[i % 3]) for i in range(12)])
    notes = [n for n in play(events, 288, grid) if n.onset_ticks >= 144]
    assert {n.onset_ticks % 72 for n in notes if n.pitch < 50} == {0}
    assert {n.onset_ticks % 72 for n in notes if n.pitch > 50} == {24, 48}
    narrow = play(events, 288, grid, low_pitch=61, high_pitch=63)
    assert all(61 <= n.pitch <= 63 for n in narrow)


def test_a_note_still_down_counts_as_sounding():
    events = human([(0, 0, 60), (0, 0, 64), (0, 0, 67)])
    chord = rule_notes(events, GRID, 24, 48, Steering())
    assert pitch_class_set(n.pitch for n in chord) == chord_tones(0, "maj")
