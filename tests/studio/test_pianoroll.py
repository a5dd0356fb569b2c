"""The picture of a performance."""

import numpy as np
import pytest

from midi.events import DRUMS
from studio.pianoroll import (
    MAX_SYSTEMS,
    PARTNER_COLORS,
    PLAYER_COLOR,
    WIDTH_PX,
    Roll,
    RollNote,
    draw,
    even_bars,
    name_chords,
    save,
)


def shares(image, color, tolerance=90):
    """Share of pixels nearer to a hue than ``tolerance``."""
    pixels = np.asarray(image, dtype=np.int64)
    return float((np.abs(pixels - np.array(color)).sum(axis=2) < tolerance).mean())


def triad(beat, beats, pitches, instrument=0):
    return [RollNote(beat, beats, pitch, 80, False, instrument) for pitch in pitches]


def test_player_and_partner_have_their_own_colors():
    alone = draw(Roll((RollNote(0, 8, 72, 127, True),), even_bars(16)))
    both = draw(Roll((RollNote(0, 8, 72, 127, True), RollNote(8, 8, 60, 127, False)), even_bars(16)))
    assert shares(alone, PLAYER_COLOR) > 0.001
    assert shares(both, PARTNER_COLORS[0]) > 2 * shares(alone, PARTNER_COLORS[0])


def test_the_same_roll_gives_the_same_pixels():
    roll = Roll(tuple(triad(0, 4, (60, 64, 67))), even_bars(8), "Title", "subtitle", ((0.0, "C"),))
    assert draw(roll).tobytes() == draw(roll).tobytes()


def test_a_loud_note_is_brighter_than_a_soft_one():
    loud, soft = (draw(Roll((RollNote(0, 8, 60, v, True),), even_bars(8))) for v in (127, 20))
    assert np.asarray(loud).sum() > np.asarray(soft).sum()


def test_long_music_wraps_into_more_lines():
    heights = [draw(Roll(tuple(triad(0, 4, (60,))), even_bars(beats))).height for beats in (32, 64, 96)]
    assert heights[0] < heights[1] < heights[2]
    assert heights[1] - heights[0] == heights[2] - heights[1]


def test_an_endless_take_is_cut_and_stays_drawable():
    roll = Roll((RollNote(0, 1, 60, 80, True),), even_bars(100_000), subtitle="long")
    image = draw(roll)
    assert image.width == WIDTH_PX
    assert image.height < 260 * MAX_SYSTEMS + 400


@pytest.mark.parametrize(
    "notes",
    [
        (),
        (RollNote(0, 0, 0, 1, True),),
        (RollNote(0, 400, 127, 127, False, 14),),
        (RollNote(0, 0.1, 36, 100, False, DRUMS), RollNote(1, 0.1, 81, 100, False, DRUMS)),
        (RollNote(-1, 2, 60, 90, True), RollNote(500, 1, 60, 90, True)),
    ],
)
def test_odd_takes_are_drawn(notes):
    assert draw(Roll(tuple(notes), even_bars(4))).width == WIDTH_PX


def test_without_bar_lines_it_still_draws():
    assert draw(Roll((RollNote(0, 1, 60, 80, True),), ())).width == WIDTH_PX


def test_bars_cover_the_music_in_any_metre():
    assert even_bars(9, 3) == (0, 3, 6, 9)
    assert even_bars(9.5, 4) == (0, 4, 8, 12)
    assert even_bars(0) == (0, 4)


def test_chords_are_named_where_they_change():
    notes = [
        *triad(0, 4, (48, 64, 67)), *triad(4, 4, (45, 60, 64)), *triad(8, 4, (45, 60, 64)),
        *triad(12, 2, (43, 59, 62, 65)), *triad(14, 2, (48, 64, 67)),
    ]  # fmt: skip
    assert name_chords(notes, even_bars(16)) == ((0, "C"), (4, "Am"), (12, "G7"), (14, "C"))


def test_passing_tones_of_the_player_do_not_hide_the_chord():
    melody = [RollNote(0, 1, 72, 80, True), RollNote(1, 0.5, 74, 80, True), RollNote(1.5, 0.5, 77, 80, True)]
    assert name_chords([*triad(0, 2, (48, 64, 67)), *melody], even_bars(4))[0] == (0, "C")


def test_no_chord_is_claimed_where_there_is_none():
    lone = [RollNote(0, 4, 60, 80, False), RollNote(4, 4, 36, 80, False, DRUMS)]
    assert name_chords(lone, even_bars(8)) == ()


def test_the_file_is_a_png(tmp_path):
    save(Roll((RollNote(0, 1, 60, 80, True),), even_bars(4)), tmp_path / "roll.png")
    assert (tmp_path / "roll.png").read_bytes().startswith(b"\x89PNG")
