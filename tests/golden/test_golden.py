"""No screen changes unseen: each looks as it did when somebody last looked at it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.golden.pictures import (
    KEPT_SIZE,
    MOST_MEAN,
    MOST_SHARE,
    SCENES,
    difference,
    kept,
    path_of,
    photographer,
    pixels,
    save,
)

MOST_KB = 600


@pytest.fixture(scope="module")
def draw():
    with photographer() as found:
        yield found


@pytest.mark.parametrize("name", SCENES)
def test_a_screen_looks_as_it_did(name, draw, tmp_path):
    fresh = pixels(draw(name))
    mean, share = difference(fresh, kept(name))
    if mean > MOST_MEAN or share > MOST_SHARE:
        save(fresh, tmp_path / f"{name}.png")
        pytest.fail(
            f"{name} has changed (mean {mean:.2f}, pixels {share:.2%}): see {tmp_path / name}.png beside "
            f"{path_of(name)}, and if it is as wanted: python -m tests.golden renew {name}"
        )


def test_a_button_that_moved_or_lost_its_words_is_noticed():
    golden = kept("play")
    moved = golden.copy()
    # The play button, 24 x 20 pixels at half size, a bit further right.
    moved[52:76, 6:26] = golden[44:68, 6:26]
    assert difference(golden, moved)[1] > 0
    gone = golden.copy()
    gone[340:470, 8:26] = golden[0, 0]
    mean, share = difference(golden, gone)
    assert mean > MOST_MEAN or share > MOST_SHARE


def test_smoothing_of_another_font_library_is_no_difference():
    golden = kept("settings").astype(np.int16)
    noise = np.random.default_rng(0).integers(-3, 4, golden.shape) * (golden > 40)
    mean, share = difference(golden, np.clip(golden + noise, 0, 255))
    assert mean < MOST_MEAN
    assert share <= MOST_SHARE


def test_golden_pictures_are_small_and_complete():
    files = [path_of(name) for name in SCENES]
    assert sum(path.stat().st_size for path in files) < MOST_KB * 1000
    assert all(kept(name).shape == (*KEPT_SIZE, 3) for name in SCENES)
