"""Features of phrases, and the distance between sets of them."""

from __future__ import annotations

import numpy as np
import pytest

from midi.note import Note, NoteArray
from studio.listening import Excerpt
from studio.phrasespace import FEATURES, PhraseSpace, frechet_rows, song_features

BAR = 96


def notes(*rows: tuple[int, ...]) -> NoteArray:
    return NoteArray.from_notes(Note(*row) for row in rows)


def song(melody: NoteArray, truth: NoteArray, bars: int = 4) -> Excerpt:
    return Excerpt("a.mid", BAR, bars, 120.0, melody, truth, (0,))


def named(features: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, features, strict=True))


SCALE = notes(*((24 * i, 24, 60 + (0, 2, 4, 5, 7, 9, 11, 12)[i % 8]) for i in range(16)))


def chords(seed: int, *, bars: int = 4, low: int = 48) -> NoteArray:
    rng = np.random.default_rng(seed)
    rows = []
    for bar in range(bars):
        root = low + int(rng.choice((0, 5, 7, 9)))
        for at in sorted(rng.choice(8, int(rng.integers(1, 6)), replace=False)):
            rows += [
                (
                    bar * BAR + 12 * int(at),
                    int(rng.choice((10, 20, 40))),
                    root + step,
                    int(rng.integers(50, 90)),
                )
                for step in (0, 4, 7)
            ]
    return notes(*rows)


def test_a_phrase_worked_out_by_hand():
    low_chords = notes(*((BAR * bar, 96, pitch, 80) for bar in range(4) for pitch in (48, 52, 55)))
    got = named(song_features(song(SCALE, low_chords), low_chords, 4 * BAR)[0])
    assert got["density"] == pytest.approx(np.log2(1.75))
    assert (got["rests"], got["polyphony"], got["together"]) == (0.0, 3.0, 1.0)
    assert (got["downbeats"], got["beats"], got["offbeats"]) == (1.0, 0.0, 0.0)
    assert (got["length"], got["length_spread"]) == (2.0, 0.0)
    assert (got["bass"], got["top"], got["bass_moves"]) == (48.0, 55.0, 0.0)
    assert (got["classes"], got["in_key"]) == (3.0, 1.0)
    assert (got["loudness"], got["loudness_spread"]) == (80.0, 0.0)
    assert got["below"] == pytest.approx(float(np.mean(SCALE.pitch)) - 55)


def test_phrases_are_whole_and_silence_is_a_place():
    silence = notes()
    features = song_features(song(SCALE, chords(1), bars=9), silence, 9 * BAR)
    assert features.shape == (2, len(FEATURES))
    assert named(features[0])["rests"] == 1.0
    assert np.isnan(named(features[0])["bass"])
    placed = PhraseSpace(np.concatenate([features, features + 1])).placed(features)
    assert np.isfinite(placed).all()
    assert len(song_features(song(SCALE, chords(1), bars=2), silence, 2 * BAR)) == 1


@pytest.fixture(scope="module")
def measured():
    songs = [song(SCALE, chords(seed)) for seed in range(16)]
    training = np.concatenate([song_features(s, s.accompaniment, 4 * BAR) for s in songs[8:]])

    def of(make):
        return [song_features(s, make(i), 4 * BAR) for i, s in enumerate(songs[:8])]

    rows = {
        "live": of(lambda i: chords(100 + i)),
        "high": of(lambda i: chords(100 + i, low=72)),
        "silent": of(lambda _i: notes()),
        "same": of(chords),
    }
    return frechet_rows(PhraseSpace(training), of(chords), rows, training, seed=0)


class TestDistance:
    def test_the_same_is_nothing_and_the_odd_is_far(self, measured):
        figures = {row: value["mean"] for row, value in measured["rows"].items()}
        assert figures["same"] == pytest.approx(0.0, abs=1e-3)
        assert 0 < figures["live"] < figures["high"]
        assert figures["live"] < figures["silent"]
        assert figures["training_songs"] > 0

    def test_intervals_lie_around_their_figure(self, measured):
        for row in ("live", "high", "silent"):
            value = measured["rows"][row]
            assert value["low"] <= value["mean"] <= value["high"]
            assert value["low"] < value["high"]

    def test_it_names_what_is_furthest_off(self, measured):
        assert measured["phrases"] == 8
        assert len(measured["largest_shifts"]) == 5
        assert set(measured["largest_shifts"]) <= set(FEATURES)
