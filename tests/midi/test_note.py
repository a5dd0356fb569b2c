"""Notes, parts and scores as values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi import Note, NoteArray, Part, Score, TempoMap, TimeSignature

notes = st.lists(
    st.builds(
        Note, st.integers(0, 1 << 40), st.integers(1, 9999), st.integers(0, 127), st.integers(1, 127),
        st.integers(0, 15),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(notes)
def test_packing_loses_nothing_and_keeps_the_order(items):
    array = NoteArray.from_notes(items)
    assert list(array) == items
    assert len(array) == len(items)


@settings(max_examples=20, deadline=None)
@given(notes, notes)
def test_concatenation_keeps_the_order_given(first, second):
    joined = NoteArray.concatenate([NoteArray.from_notes(first), NoteArray.from_notes(second)])
    assert list(joined) == first + second


def test_nothing_concatenated_is_empty_and_keeps_its_types():
    empty = NoteArray.concatenate([])
    assert len(empty) == 0
    assert empty.onset_ticks.dtype == np.int64
    assert empty.pitch.dtype == np.uint8
    assert empty.end_ticks() == 0


@settings(max_examples=20, deadline=None)
@given(notes)
def test_sorting_orders_by_onset_channel_pitch_duration_and_velocity(items):
    found = list(NoteArray.from_notes(items).sorted())
    assert found == sorted(
        items, key=lambda n: (n.onset_ticks, n.channel, n.pitch, n.duration_ticks, n.velocity)
    )


@settings(max_examples=20, deadline=None)
@given(notes)
def test_end_is_the_last_release_not_the_last_onset(items):
    ends = [n.onset_ticks + n.duration_ticks for n in items]
    assert NoteArray.from_notes(items).end_ticks() == max(ends, default=0)


def test_equal_arrays_are_equal_and_cannot_be_filed():
    one, same = (NoteArray.from_notes([Note(0, 1, 60)]) for _ in range(2))
    assert one == same
    assert one != NoteArray.from_notes([Note(0, 1, 61)])
    assert one != NoteArray.from_notes([])
    assert one != "notes"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_taking_by_mask_and_by_index():
    array = NoteArray.from_notes([Note(i, 1, 60 + i) for i in range(4)])
    assert array.take(array.pitch > 61).pitch.tolist() == [62, 63]
    assert array.take(np.array([3, 0])).pitch.tolist() == [63, 60]


def test_other_times_leave_the_rest():
    array = NoteArray.from_notes([Note(0, 1, 60, 99, 3)])
    assert list(array.with_ticks(array.onset_ticks + 5, array.duration_ticks * 2)) == [Note(5, 2, 60, 99, 3)]


@pytest.mark.parametrize(
    ("numerator", "denominator", "beats"), [(4, 4, 4.0), (6, 8, 3.0), (2, 2, 4.0), (5, 16, 1.25)]
)
def test_bar_length_in_quarters(numerator, denominator, beats):
    assert TimeSignature(0, numerator, denominator).bar_beats() == beats


def test_a_score_counts_over_its_parts():
    score = Score(
        (
            Part("a", NoteArray.from_notes([Note(0, 10, 60)])),
            Part("b", NoteArray.from_notes([Note(5, 90, 62)] * 2)),
        ),
        TempoMap(96),
    )
    assert (score.ppq, score.n_notes(), score.end_ticks()) == (96, 3, 95)
    assert (Score(()).n_notes(), Score(()).end_ticks()) == (0, 0)
