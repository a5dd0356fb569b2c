"""What the tests hear with: onsets, clicks and pictures of sound."""

import numpy as np
import pytest

from studio.live.analysis import largest_step, onset_times_s, spectrogram_png
from tests.studio.live.soundings import RATE


def test_the_picture_of_a_sound_shows_its_pitch(tmp_path) -> None:
    from PIL import Image

    path = tmp_path / "tone.png"
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    spectrogram_png(tone, RATE, path)
    pixels = np.asarray(Image.open(path).convert("L"), dtype=float)[:420]
    frequencies = np.geomspace(16000, 30, 420)
    found = frequencies[int(np.argmax(pixels[:, 200:1000].mean(axis=1)))]
    assert found == pytest.approx(1000, rel=0.03)


def test_onsets_of_silence_and_of_a_steady_tone() -> None:
    assert len(onset_times_s(np.zeros(RATE), RATE)) == 0
    t = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * t) * (t > 0.5)
    found = onset_times_s(tone, RATE)
    assert len(found[found < 0.9]) == 1
    assert found[0] == pytest.approx(0.5, abs=0.005)


def test_largest_step_sees_a_click_in_one_channel() -> None:
    sound = np.zeros((100, 2))
    sound[50, 1] = 0.4
    assert largest_step(sound) == pytest.approx(0.4)
    assert largest_step(sound[:1]) == 0
