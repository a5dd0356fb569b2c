"""What is usual in the training music, and what pulls a straying partner back to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from midi.corpus import build_corpus
from midi.events import (
    DRUMS,
    DURATION_TICKS,
    FIELD_SIZES,
    GRID_PER_BEAT,
    INSTRUMENT_NAMES,
    PIANO,
    Field,
    Role,
)
from models.sequence.crowd import SPAN_TICKS, Crowd
from models.sequence.habits import Habit, Strays, habits_json, habits_of, read_habits
from models.sequence.plan import Steering
from tests.models.pieces import write_songs

BASS = INSTRUMENT_NAMES.index("bass")
USUAL = {PIANO: Habit(57.0, 0.5, 3.0, 100), DRUMS: Habit(None, None, 6.0, 100)}


def context(pitch: int = 57, length_ticks: int = 12, per_beat: int = 3, beats: int = 16) -> np.ndarray:
    """START, then a piano that plays one chord a beat."""
    rows = np.zeros((1 + per_beat * beats, len(Field)), dtype=np.int16)
    rows[0, Field.ROLE] = Role.START
    rows[1:, Field.ROLE] = Role.PARTNER
    rows[1:, Field.INSTRUMENT] = PIANO
    rows[1:, Field.PITCH] = pitch
    rows[1:, Field.DURATION] = int(np.searchsorted(DURATION_TICKS, length_ticks))
    rows[1::per_beat, Field.DELTA] = GRID_PER_BEAT
    return rows


def strays(steering: Steering | None = None, **played: int) -> Strays:
    return Strays(USUAL, context(**played), steering or Steering())


def test_who_is_near_is_left_alone():
    for pitch, length_ticks in ((57, 12), (58, 16), (56, 9)):
        found = strays(pitch=pitch, length_ticks=length_ticks)
        assert not np.any(found.pitches(PIANO))
        assert not np.any(found.lengths(PIANO))


@pytest.mark.parametrize(("pitch", "direction"), [(66, -1), (48, 1)])
def test_the_pull_grows_with_the_distance(pitch, direction):
    bias = strays(pitch=pitch).pitches(PIANO)
    assert bias.shape == (FIELD_SIZES[Field.PITCH],)
    assert (direction * np.diff(bias[:128]) > 0).all()
    assert not bias[128:].any(), "drums and no pitch are nowhere on the keyboard"
    farther = strays(pitch=pitch - 3 * direction).pitches(PIANO)
    assert abs(farther[60]) > abs(bias[60])


@pytest.mark.parametrize(("length_ticks", "direction"), [(3, 1), (96, -1)])
def test_notes_too_short_make_longer_ones_likelier(length_ticks, direction):
    bias = strays(length_ticks=length_ticks).lengths(PIANO)
    known = bias[: len(DURATION_TICKS)]
    assert (direction * np.diff(known) > 0).all()


def test_what_it_plays_on_counts_at_once():
    found = strays()
    high = context(pitch=75)[-1]
    for _ in range(20):
        found.add(high)
    assert np.diff(found.pitches(PIANO)[:128]).max() < 0


def test_few_notes_and_parts_without_habits_tell_nothing():
    assert not np.any(strays(pitch=75, per_beat=1, beats=5).pitches(PIANO))
    other = strays(Steering(instruments=(BASS, DRUMS)), pitch=75)
    other.add(context(pitch=75)[-1])
    assert [np.any(other.pitches(part)) for part in (PIANO, BASS, DRUMS)] == [False] * 3


def test_the_steered_range_goes_first():
    steering = Steering(low_pitch=60, high_pitch=84)
    assert (np.diff(strays(steering, pitch=62).pitches(PIANO)[:128]) > 0).all()
    assert not np.any(strays(steering, pitch=67).pitches(PIANO))


class TestDensity:
    def bias(self, per_beat: int, steering: Steering | None = None, habits=USUAL) -> np.ndarray:
        rows = context(per_beat=per_beat)
        return Crowd(rows, int(rows[:, Field.DELTA].sum()), steering or Steering(), habits).bias(16 * 24)

    def test_too_many_notes_are_followed_by_longer_steps_and_too_few_by_shorter(self):
        assert not self.bias(3).any()
        assert (np.diff(self.bias(5)) > 0).all()
        assert (np.diff(self.bias(1)) < 0).all()

    def test_more_are_usual_where_more_are_asked_for(self):
        asked = Steering(density=1.5)
        plain = -asked.density / GRID_PER_BEAT * np.arange(FIELD_SIZES[Field.DELTA])
        np.testing.assert_allclose(self.bias(5, asked), plain, rtol=1e-5)

    def test_nothing_pulls_where_a_part_has_no_habits_or_nothing_was_played(self):
        assert not self.bias(1, Steering(instruments=(PIANO, BASS))).any()
        start = context(beats=0)
        assert not Crowd(start, 0, Steering(), USUAL).bias(0).any()

    def test_a_rest_is_not_made_up_for(self):
        rows = context(beats=12)
        rested = Crowd(rows, 12 * 24 + SPAN_TICKS, Steering(), USUAL).bias(12 * 24 + SPAN_TICKS)
        hardly = self.bias(1)
        assert rested[24] > 2 * hardly[24]


class TestMissing:
    BAND = Steering(instruments=(PIANO, DRUMS))

    def missing(self, rows: np.ndarray, steering: Steering = BAND) -> np.ndarray:
        return Crowd(rows, int(rows[:, Field.DELTA].sum()), steering, USUAL).missing()

    def test_a_part_that_is_not_heard_is_called_for(self):
        rows = context()
        bias = self.missing(rows)
        assert bias[DRUMS] > 0
        assert np.count_nonzero(bias) == 1
        assert not self.missing(rows, Steering()).any(), "it was not asked for"

    def test_the_call_ends_at_half_of_the_usual_notes(self):
        usual = USUAL[DRUMS].notes_per_beat
        found = Crowd(context(), 16 * 24, self.BAND, USUAL)
        called = []
        for _ in range(round(usual * SPAN_TICKS / GRID_PER_BEAT / 2)):
            called.append(float(found.missing()[DRUMS]))
            found.add(16 * 24, DRUMS)
        assert (np.diff(called) < 0).all()
        assert not found.missing().any()

    def test_parts_without_habits_are_left_alone(self):
        assert not self.missing(context(), Steering(instruments=(PIANO, BASS))).any()


class TestMeasuring:
    def test_tells_how_the_parts_beside_the_lead_are_played(self, tmp_path):
        corpus = build_corpus(write_songs(tmp_path / "songs", 12, bars=24), tmp_path / "corpus")
        songs = corpus.split("train")
        habits = habits_of(corpus)
        chords = habits[PIANO]
        assert chords.songs == len(songs)
        assert chords.notes_per_beat == pytest.approx(3 / 4)
        assert chords.length_beats == pytest.approx(1.0)
        means = []
        for song in songs:
            notes = corpus.notes(song)
            part = next(i for i, p in enumerate(song.parts) if p.instrument == PIANO and i != song.lead)
            means.append(notes["pitch"][notes["part"] == part].mean())
        assert chords.pitch == pytest.approx(np.median(means), abs=0.01)
        assert list(habits) == [PIANO], "a bass of 24 notes is too short to tell"

    def test_survive_the_bundle(self):
        assert read_habits(json.loads(json.dumps(habits_json(USUAL)))) == USUAL
