"""Scores of takes in which musical time stood still or jumped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi.note import PPQ
from studio.live.messages import Actions, SetPlaying, Sound, TempoMark, Voice
from studio.live.take import TAKE_NAME, Take, TakeHeader, event_lines, header_line, load_take

BAR = 4 * PPQ


def note(on_s, off_s, note_id):
    return [
        Sound(on_s, "on", Voice.PLAYER, 60, 80, note_id),
        Sound(off_s, "off", Voice.PLAYER, 60, 0, note_id),
    ]


def take(again_s, beat, stops_s):
    """Two beats and a bit, a pause, and a note half a second (one beat) after the music goes on."""
    sounds = (*note(10.0, 10.5, 0), *note(11.0, 11.1, 1), *note(again_s + 0.5, again_s + 1.0, 2))
    marks = (TempoMark(10.0, 0.0, 120.0), TempoMark(again_s, beat, 120.0))
    return Take(TakeHeader(), sounds, marks, stops_s=stops_s)


@given(st.floats(11.2, 3600.0), st.sampled_from([4.0, 8.0]), st.sampled_from([(11.1,), ()]))
def test_after_a_pause_notes_stand_in_their_bar_at_their_time(again_s, beat, stops_s):
    score = take(again_s, beat, stops_s).score()
    ticks = score.parts[0].notes.onset_ticks
    assert ticks[:2].tolist() == [0, 2 * PPQ]
    # Without a stop that was written down a pause that fits the beat by chance is none.
    if stops_s or abs(beat - (again_s - 10.0) * 2) > 0.25:
        assert ticks[2] % BAR == pytest.approx(PPQ, abs=1)
    seconds = score.tempo_map.seconds(ticks)
    assert np.allclose(seconds, [0.0, 1.0, again_s + 0.5 - 10.0], atol=0.002)


def test_a_pause_is_as_many_bars_as_it_was_long():
    score = take(70.0, 4.0, (11.1,)).score()
    assert score.parts[0].notes.onset_ticks[2] == pytest.approx(121 * PPQ, abs=1)
    assert all(60.0 < bpm < 240.0 for _, bpm in score.tempo_map.changes)


def test_a_clock_that_jumps_ahead_moves_the_bar_without_a_pause():
    sounds = (*note(0.0, 0.4, 0), *note(0.5, 0.9, 1), *note(1.5, 1.9, 2))
    jumped = Take(TakeHeader(), sounds, (TempoMark(0.0, 0.0, 120.0), TempoMark(1.0, 3.0, 120.0)))
    ticks = jumped.score().parts[0].notes.onset_ticks
    assert ticks.tolist() == pytest.approx([0, PPQ, BAR], abs=1)


def test_a_steady_take_is_as_it_was():
    marks = (TempoMark(1.0, 0.0, 120.0), TempoMark(2.0, 2.0, 90.0))
    steady = Take(TakeHeader(), (*note(1.0, 1.4, 0), *note(2.5, 2.9, 1)), marks)
    assert steady.tempo_map().changes == ((0, 120.0), (960, 90.0))


def test_stops_are_written_and_read(tmp_path):
    path = tmp_path / TAKE_NAME
    lines = [
        *event_lines(1.0, (), Actions(tuple(note(1.0, 1.5, 0)))),
        *event_lines(2.5, (SetPlaying(2.4, is_playing=False),), Actions()),
        *event_lines(3.0, (SetPlaying(3.0, is_playing=True),), Actions()),
    ]
    path.write_bytes(b"".join([header_line(TakeHeader()), *lines]))
    assert load_take(path).stops_s == (2.5,)
