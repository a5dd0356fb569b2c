"""The passage filter: what it must find, and how rarely it errs."""

from __future__ import annotations

import numpy as np

from midi.note import Note, NoteArray
from models.sequence.memorization import PassageFilter


def _random_notes(seed: int, count: int) -> NoteArray:
    rng = np.random.default_rng(seed)
    onsets = np.cumsum(rng.integers(0, 24, count))
    return NoteArray.from_notes(
        Note(int(t), int(d), int(p))
        for t, d, p in zip(onsets, rng.integers(1, 60, count), rng.integers(40, 80, count), strict=True)
    )


def _transposed(notes: NoteArray, semitones: int) -> NoteArray:
    return NoteArray.from_notes(
        Note(n.onset_ticks, n.duration_ticks, n.pitch + semitones, n.velocity) for n in notes
    )


def test_a_planted_passage_is_found_in_any_key_and_its_length_told():
    trained = [_random_notes(seed, 300) for seed in range(20)]
    passages = PassageFilter.of(trained)
    planted = trained[7].take(np.arange(100, 140))
    tail = _random_notes(99, 60)
    music = NoteArray.concatenate(
        [
            _transposed(planted, 5),
            tail.with_ticks(tail.onset_ticks + planted.end_ticks() + 200, tail.duration_ticks),
        ]
    )
    found = passages.copied(music)
    assert 39 <= found.longest_notes <= 42
    assert 0.25 < found.ngram_overlap < 0.5


def test_strange_music_is_hardly_ever_mistaken():
    passages = PassageFilter.of([_random_notes(seed, 2000) for seed in range(10)])
    found = passages.copied(_random_notes(1234, 20_000))
    assert found.ngram_overlap < 0.002


def test_short_or_no_music_has_copied_nothing():
    passages = PassageFilter.of([])
    assert passages.copied(_random_notes(1, 5)).longest_notes == 0
    assert passages.copied(_random_notes(1, 50)).ngram_overlap == 0.0
