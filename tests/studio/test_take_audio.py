"""A rendered take is music: notes are heard where they stand, nothing clips or clicks, the end rings out."""

import numpy as np
import pytest
import soundfile

import midi
from midi.clock import TempoMap
from midi.note import Note, NoteArray, Part, Score
from studio.live.analysis import largest_step, onset_times_s
from studio.live.messages import Voice
from studio.live.session import load_take
from studio.perform import PerformOptions, perform
from studio.render import TAIL_S, Performance, audio_blocks, heard_notes

NEAR_S = 0.010
LARGEST_STEP = 0.12
"""Between neighbouring samples, full scale 1. Measured 0.06 on the three demonstration melodies with rules; a
voice that was cut off or struck without an attack would step by its level, 0.3 and more."""

TUNE = (60, 64, 67, 72, 71, 67, 65, 62, 64, 60, 67, 64, 62, 65, 59, 60)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Four bars in eighths, quarters and a long last note, at 100 bpm, the rules beside it."""
    folder = tmp_path_factory.mktemp("audio")
    notes, at = [], 0
    for number, pitch in enumerate(TUNE):
        length = 240 if number % 4 in (1, 2) else 480
        notes.append(Note(at, length - 20, pitch, 70 + 3 * (number % 5)))
        at += length
    score = Score((Part("MELODY", NoteArray.from_notes(notes)),), TempoMap(480, ((0, 100.0),)))
    midi.write(folder / "tune.mid", score)
    report = perform(
        PerformOptions(file=folder / "tune.mid", out=folder / "out", model="none", looseness=0.0)
    )
    wave, rate_hz = soundfile.read(folder / "out" / "take.wav", dtype="float32")
    take = load_take(folder / "out")
    assert report["partner_notes"] > 8
    return take, wave, rate_hz


def onsets(take):
    """Times at which something begins; notes of a chord count once."""
    notes, _ = heard_notes(Performance(take).sounds())
    at_s = np.sort([note.on_s for note in notes])
    return at_s[np.insert(np.diff(at_s) > 0.03, 0, True)]


def level_db(wave):
    return 20 * np.log10(np.sqrt(np.mean(np.square(wave, dtype=np.float64))) + 1e-9)


def test_notes_are_heard_where_the_take_has_them(played, record_property):
    take, wave, rate_hz = played
    wanted, found = onsets(take), onset_times_s(wave, rate_hz)
    away_s = np.min(np.abs(found[:, None] - wanted), axis=0)
    record_property("share_within_10_ms", float(np.mean(away_s <= NEAR_S)))
    record_property("median_ms", float(np.median(away_s) * 1e3))
    assert np.mean(away_s <= NEAR_S) >= 0.95
    assert np.median(away_s) <= 0.003
    # And hardly anything begins where the take has nothing.
    assert np.mean(np.min(np.abs(found[:, None] - wanted), axis=1) <= 0.03) >= 0.9


def test_nothing_clips_and_nothing_clicks(played):
    _, wave, _ = played
    assert 0.3 < np.abs(wave).max() < 0.98
    assert abs(float(wave.mean())) < 1e-3
    assert largest_step(wave) < LARGEST_STEP


def test_where_notes_are_there_is_sound_and_before_them_none(played):
    take, wave, rate_hz = played
    notes, _ = heard_notes(Performance(take).sounds())
    for note in notes:
        first = round(note.on_s * rate_hz)
        assert np.abs(wave[first : first + rate_hz // 10]).max() > 0.02
    before = wave[: round(notes[0].on_s * rate_hz)]
    assert not np.any(before)


def test_the_end_rings_out(played):
    take, wave, rate_hz = played
    assert len(wave) == pytest.approx((take.duration_s() + TAIL_S) * rate_hz, abs=1)
    last_off = round(take.duration_s() * rate_hz)
    falls = [level_db(part) for part in np.array_split(wave[last_off:], 8)]
    assert falls[0] > -60
    assert falls[-1] < -80
    assert np.all(np.diff(falls) < 1)


def test_player_and_partner_are_both_heard(played):
    take, _, _ = played
    levels = {}
    for voice in (Voice.PLAYER, Voice.PARTNER):
        sounds = tuple(sound for sound in take.sounds if sound.voice is voice)
        alone = Performance(type(take)(take.header, sounds, take.tempo))
        levels[voice] = level_db(np.concatenate(list(audio_blocks(alone))))
    # The rules' chords are struck more softly than the melody; a model plays at its velocity.
    assert 0 < levels[Voice.PLAYER] - levels[Voice.PARTNER] < 6
    assert level_db(played[1]) > -26
