"""Copied passages: planted ones are found, in any key and anywhere, and no others."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.note import Note, NoteArray
from models.sequence.memorization import PassageIndex
from studio.copying import copying_report, longest_passages


def tune(seed: int, n: int, start: int = 0) -> NoteArray:
    """Notes one after the other, an eighth to two beats apart."""
    rng = np.random.default_rng(seed)
    onsets = start + np.cumsum(rng.choice((12, 18, 24, 36, 48), n))
    return NoteArray.from_notes(
        Note(int(on), int(rng.choice((6, 12, 24, 48))), int(p))
        for on, p in zip(onsets, rng.integers(40, 80, n), strict=True)
    )


def moved(notes: NoteArray, ticks: int, semitones: int) -> NoteArray:
    return NoteArray.from_notes(
        Note(n.onset_ticks + ticks, n.duration_ticks, n.pitch + semitones, 90) for n in notes
    )


def planted(copy: NoteArray, before: int = 12, after: int = 9) -> NoteArray:
    """A copy in the middle of new music."""
    opening = tune(901, before)
    middle = moved(copy, opening.end_ticks() + 7 - int(copy.onset_ticks.min()), 3)
    return NoteArray.concatenate([opening, middle, tune(902, after, middle.end_ticks() + 5)])


def part(notes: NoteArray, first: int, n: int) -> NoteArray:
    return notes.take(np.arange(first, first + n))


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 60), n=st.integers(6, 40))
def test_a_planted_passage_is_found_whole_in_another_key(first, n):
    training = [tune(i, 100) for i in range(3)]
    copy = part(training[1], first, n)
    [got] = longest_passages(PassageIndex(training), [planted(copy)], [96])
    assert got.notes == n
    span = copy.end_ticks() - int(copy.onset_ticks[0])
    assert got.bars == round(span / 96, 3)


def test_performances_searched_together_do_not_touch():
    training = [tune(0, 80)]
    halves = [part(training[0], 0, 10), part(training[0], 10, 10)]
    together = longest_passages(PassageIndex(training), [*halves, NoteArray.from_notes([])], [96] * 3)
    assert [p.notes for p in together] == [10, 10, 0]
    assert [p.ngram_overlap for p in together] == [1.0, 1.0, 0.0]
    alone = [longest_passages(PassageIndex(training), [half], [96])[0] for half in halves]
    assert together[:2] == alone


def test_new_music_shares_little():
    training = [tune(i, 200) for i in range(5)]
    [got] = longest_passages(PassageIndex(training), [tune(77, 100)], [96])
    assert got.notes <= 4
    assert got.ngram_overlap == 0.0


def test_shorter_lengths_hide_nothing_from_the_loose_search():
    training = [tune(i, 100) for i in range(3)]
    copy = part(training[2], 20, 30)
    staccato = copy.with_ticks(copy.onset_ticks, np.maximum(copy.duration_ticks // 4, 1))
    got = copying_report(training, {"live": [staccato], "truth": [tune(50, 40)]}, [96], seed=0)
    assert got["rows"]["live"]["longest_notes"] < 10
    assert got["rows"]["live"]["loose"]["longest_notes"] == 30
    assert got["rows"]["live"]["loose"]["ngram_overlap"]["mean"] == 1.0
    assert got["rows"]["truth"]["loose"]["longest_notes"] < 10
    assert got["ngram_notes"] == 9
