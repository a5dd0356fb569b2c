"""Scores beside the grid are laid on it; scores on it come back as they are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midi import Control, Note, NoteArray, Part, Score, TempoMap, TimeSignature
from midi.events import BarGrid
from midi.meter import Onsets, estimate, grid_offset, settle

PPQ = 480
CHORDS = ((48, 52, 55), (45, 48, 52), (41, 45, 48), (43, 47, 50))


def song(beats_per_bar=4, bars=24, offset=0, metre=(1, 4), seed=0):
    """Bass and chord on the downbeat, chords on the beats, a melody in eighths; ``offset`` in score ticks."""
    rng = np.random.default_rng(seed)
    bass, chords, melody = [], [], []
    for bar in range(bars):
        start = offset + bar * beats_per_bar * PPQ
        chord = CHORDS[bar % len(CHORDS)]
        bass.append(Note(start, beats_per_bar * PPQ, chord[0] - 12, 95))
        for beat in range(beats_per_bar):
            strong = beat == 0
            chords += [Note(start + beat * PPQ, PPQ - 20, p, 90 if strong else 70) for p in chord]
            pitch = 60 + int(rng.choice([0, 2, 4, 7]))
            melody.append(Note(start + beat * PPQ, PPQ if strong else PPQ // 2, pitch, 100 if strong else 80))
            if rng.random() < 0.5:
                melody.append(Note(start + beat * PPQ + PPQ // 2, PPQ // 2, pitch + 2, 70))
    parts = tuple(
        Part(name, NoteArray.from_notes(items).sorted(), program)
        for name, items, program in (("melody", melody, 0), ("chords", chords, 0), ("bass", bass, 33))
    )
    tempo_map = TempoMap(PPQ, ((0, 100.0), (offset + 4000, 90.0)))
    return Score(parts, tempo_map, (TimeSignature(0, *metre),))


def downbeats_on_bar_lines(settled, offset, beats_per_bar):
    """Whether every true downbeat lies on a bar line, and the bars are as long as they should be."""
    at = (offset + settled.shift_ticks + np.arange(24) * beats_per_bar * PPQ) * 24 / PPQ
    start, length = settled.grid.start_and_length(np.round(at).astype(int))
    return bool((np.abs(at - start) <= 1).all() and (length == beats_per_bar * 24).all())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 4 * PPQ - 1), st.sampled_from([(1, 4), (2, 4), (4, 4)]), st.integers(0, 5))
@example(1180, (4, 4), 0)
def test_any_offset_is_found_and_the_bar_lines_fall_on_the_downbeats(offset, metre, seed):
    score = song(offset=offset, metre=metre, seed=seed)
    settled = settle(score)
    residue = (offset + 60) % 120 - 60
    if metre == (4, 4) and abs(residue) <= 20:  # on the grid, with a metre of its own
        assert settled.score is score
    else:
        assert downbeats_on_bar_lines(settled, offset, 4)
        assert settled.confidence > 0.5


@pytest.mark.parametrize("offset", [0, 50, 480, 1010])
def test_three_beats_a_bar_are_told_from_four(offset):
    settled = settle(song(3, offset=offset))
    assert settled.score.time_signatures == (TimeSignature(0, 3, 4),)
    assert downbeats_on_bar_lines(settled, offset, 3)


@pytest.mark.parametrize("metre", [(6, 8), (5, 4), (7, 8)])
def test_bar_lines_of_other_metres_move_with_the_beat_at_most(metre):
    settled = settle(song(offset=50, metre=metre))
    assert settled.score.time_signatures == (TimeSignature(0, *metre),)
    assert (50 + settled.shift_ticks) % PPQ == 0


grid_notes = st.lists(
    st.builds(Note, st.integers(0, 200).map(lambda n: n * 120), st.integers(1, 900), st.integers(20, 100)),
    max_size=120,
)


@settings(max_examples=25, deadline=None)
@given(grid_notes, st.sampled_from([(4, 4), (3, 4), (6, 8), (12, 8)]))
def test_a_score_on_the_grid_with_a_metre_of_its_own_stays(items, metre):
    score = Score((Part("", NoteArray.from_notes(items)),), TempoMap(PPQ), (TimeSignature(0, *metre),))
    settled = settle(score)
    assert settled.score is score
    assert (settled.shift_ticks, settled.notes) == (0, ())
    assert settled.grid == BarGrid.from_score(score)


def test_playing_near_the_grid_stays():
    score = song(metre=(4, 4))
    rng = np.random.default_rng(1)

    def loosened(notes):
        moved = notes.onset_ticks + rng.integers(-15, 16, len(notes))
        return notes.with_ticks(np.maximum(moved, 0), notes.duration_ticks)

    parts = tuple(replace(part, notes=loosened(part.notes)) for part in score.parts)
    score = replace(score, parts=parts)
    assert settle(score).score is score


@pytest.mark.parametrize("metre", [(4, 4), (1, 4)])
def test_free_playing_is_left_alone(metre):
    rng = np.random.default_rng(3)
    items = [Note(int(t), 300, 60) for t in np.cumsum(rng.integers(100, 700, 400))]
    score = Score((Part("", NoteArray.from_notes(items)),), TempoMap(PPQ), (TimeSignature(0, *metre),))
    settled = settle(score)
    assert settled.score is score
    assert settled.confidence < 0.3


@pytest.mark.parametrize("n", [0, 1, 10])
def test_too_little_to_go_by_is_left_alone(n):
    items = [Note(50 + 480 * i, 100, 60) for i in range(n)]
    score = Score((Part("", NoteArray.from_notes(items)),), TempoMap(PPQ), (TimeSignature(0, 1, 4),))
    assert settle(score).score is score


def test_triplets_on_the_grid_are_left_alone():
    items = [Note(160 * i, 100, 60 + i % 5) for i in range(300)]
    score = Score((Part("", NoteArray.from_notes(items)),), TempoMap(PPQ))
    assert settle(score).score is score


def test_everything_moves_together_and_nothing_is_lost():
    score = song(offset=50)
    pedal = (Control(0, 64, 0), Control(530, 64, 127))
    score = replace(score, parts=(replace(score.parts[0], controls=pedal), *score.parts[1:]))
    settled = settle(score)
    assert settled.shift_ticks == -50
    for before, after in zip(score.parts, settled.score.parts, strict=True):
        assert np.array_equal(after.notes.onset_ticks, before.notes.onset_ticks - 50)
        assert np.array_equal(after.notes.duration_ticks, before.notes.duration_ticks)
    assert [c.ticks for c in settled.score.parts[0].controls] == [0, 480]
    assert settled.score.tempo_map.changes == ((0, 100.0), (4000, 90.0))


def test_what_cannot_move_earlier_moves_later():
    upbeat = song(offset=3 * PPQ + 50)
    early = Part("upbeat", NoteArray.from_notes([Note(0, 100, 60)]))
    settled = settle(replace(upbeat, parts=(*upbeat.parts, early)))
    assert settled.shift_ticks == PPQ - 50
    assert settled.score.parts[-1].notes.onset_ticks[0] == PPQ - 50


def test_what_was_done_is_said():
    settled = settle(song(offset=60))
    assert settled.notes == (
        "Moved 0.12 beats earlier, so that its beats fall on the grid.",
        "Its metre was taken as 4/4 from its accents.",
    )


def test_a_metre_without_accents_stays_as_it_is():
    # The same note at every beat: the beat is plain, the bar is anybody's guess.
    items = [Note(50 + PPQ * i, 200, 60) for i in range(200)]
    score = Score((Part("", NoteArray.from_notes(items)),), TempoMap(PPQ), (TimeSignature(0, 2, 4),))
    settled = settle(score)
    assert settled.score.time_signatures == (TimeSignature(0, 2, 4),)
    assert settled.shift_ticks == -50


def test_drums_count_as_onsets_but_not_as_harmony():
    score = song(offset=50)
    hat = Part("hat", NoteArray.from_notes([Note(50 + 240 * i, 60, 42, 60, 9) for i in range(190)]), 0, True)
    assert downbeats_on_bar_lines(settle(replace(score, parts=(*score.parts, hat))), 50, 4)
    alone = estimate(Onsets.from_score(Score((hat,), TempoMap(PPQ))), (TimeSignature(0, 4, 4),))
    assert (alone.shift_ticks + 2.5) % 6 == pytest.approx(0, abs=1e-6)


@given(st.floats(-2.9, 2.9), st.lists(st.integers(0, 500), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_a_constant_offset_is_measured_exactly(offset, slots):
    found, concentration = grid_offset(np.array(slots) * 6.0 + offset)
    assert found == pytest.approx(offset, abs=1e-6)
    assert concentration == pytest.approx(1)
