"""Volumes of the three voices in the built-in synth, and sounds whose times were fixed long before."""

import numpy as np
import pytest

from midi.events import DRUMS
from studio.live.messages import FIRST_FIXED_ID, Sound, Voice
from studio.live.outputs import SynthOutput
from studio.live.synth import Synth

RATE_HZ = 48000
BLOCK = 512


def heard(*voices_db, sounds):
    """Loudness of half a second after the volumes have settled."""
    synth = Synth(RATE_HZ)
    output = SynthOutput(synth, lambda time_s: round(time_s * RATE_HZ))
    for voice, gain_db in voices_db:
        output.set_volume(voice, gain_db)
    synth.render(4096)
    for sound in sounds:
        output.play(sound)
    return np.concatenate([synth.render(BLOCK) for _ in range(48)])


def rms(block):
    return float(np.sqrt(np.mean(block.astype(np.float64) ** 2)))


NOTES = {
    Voice.PLAYER: Sound(0.2, "on", Voice.PLAYER, 60, 60, 1, 0),
    Voice.PARTNER: Sound(0.2, "on", Voice.PARTNER, 60, 60, 2, 0),
    Voice.METRONOME: Sound(0.2, "on", Voice.METRONOME, 76, 60, FIRST_FIXED_ID),
}


@pytest.mark.parametrize("voice", Voice)
def test_a_volume_is_of_its_voice_only_and_as_loud_as_it_says(voice):
    plain = heard(sounds=[NOTES[voice]])
    assert rms(plain) > 0
    quiet = heard((voice, -12.0), sounds=[NOTES[voice]])
    assert rms(quiet) / rms(plain) == pytest.approx(10 ** (-12 / 20), rel=0.02)
    assert not heard((voice, -60.0), sounds=[NOTES[voice]]).any()
    others = [(other, -60.0) for other in Voice if other is not voice]
    assert np.array_equal(heard(*others, sounds=[NOTES[voice]]), plain)


@pytest.mark.parametrize("voice", [Voice.PLAYER, Voice.PARTNER])
def test_drums_belong_to_who_plays_them(voice):
    drum = Sound(0.2, "on", voice, 38, 90, 1, DRUMS)
    plain = heard(sounds=[drum])
    assert rms(plain) > 0
    assert not heard((voice, -60.0), sounds=[drum]).any()
    assert np.array_equal(heard((Voice.METRONOME, -60.0), sounds=[drum]), plain)


def test_one_hand_stands_beside_a_whole_accompaniment():
    player, partner = (np.abs(heard(sounds=[NOTES[voice]])).max() for voice in (Voice.PLAYER, Voice.PARTNER))
    assert 20 * np.log10(player / partner) == pytest.approx(7.5, abs=0.1)


def test_both_hands_at_full_strength_stay_below_full_scale():
    chord = [Sound(0.2, "on", Voice.PLAYER, p, 127, p, 0) for p in (36, 43, 48, 52, 60, 64, 67, 72, 76, 84)]
    assert 0.7 < np.abs(heard(sounds=chord)).max() < 0.98


def test_the_player_changes_instruments():
    piano = heard(sounds=[NOTES[Voice.PLAYER]])
    bass = heard(sounds=[Sound(0.2, "on", Voice.PLAYER, 60, 60, 1, 4)])
    assert not np.allclose(piano, bass)


@pytest.mark.parametrize(("note_id", "is_exact"), [(7, False), (FIRST_FIXED_ID + 7, True)])
def test_keys_sound_at_once_and_takes_at_their_time(note_id, is_exact):
    block = heard(sounds=[Sound(0.2, "on", Voice.PLAYER, 60, 100, note_id)])
    first = int(np.flatnonzero(np.abs(block).max(axis=1) > 1e-5)[0])
    assert (first >= round(0.2 * RATE_HZ) - 4096) == is_exact
