"""The chords of the last bars, as the desk keeps them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.live.roll import CHORD_S, KEPT_BARS, MAX_CHORDS, ChordWatch
from studio.ui.play.demo import busy_snapshot, busy_view

C, G, A_MINOR = (60, 64, 67), (55, 59, 62), (57, 60, 64)


@pytest.fixture
def watch() -> ChordWatch:
    return ChordWatch()


def hear(watch: ChordWatch, time_s: float, pitches: tuple[int, ...], beat: float) -> None:
    watch.see(time_s, pitches)
    watch.keep(replace(busy_snapshot(0.0), time_s=time_s, beat=beat))


def test_chords_stay_where_they_were_heard(watch: ChordWatch) -> None:
    hear(watch, 10.0, C, 0.0)
    hear(watch, 11.0, C, 1.0)
    hear(watch, 12.0, A_MINOR, 4.0)
    hear(watch, 13.0, (), 5.0)
    assert watch.heard == ((0, "C"), (96, "Am"), (120, ""))


def test_chords_come_no_faster_than_a_quarter_of_a_second(watch: ChordWatch) -> None:
    hear(watch, 10.0, C, 0.0)
    hear(watch, 10.0 + CHORD_S / 2, G, 0.25)
    assert watch.heard == ((0, "C"),)
    hear(watch, 10.0 + CHORD_S, G, 0.5)
    assert watch.heard == ((0, "C"), (12, "G"))


def test_a_new_start_forgets_what_lies_ahead_of_it(watch: ChordWatch) -> None:
    hear(watch, 10.0, C, 8.0)
    hear(watch, 12.0, G, 12.0)
    hear(watch, 20.0, A_MINOR, 0.0)
    assert watch.heard == ((0, "Am"),)


def test_while_time_stands_the_newest_name_holds(watch: ChordWatch) -> None:
    for number, pitches in enumerate((C, G, ())):
        hear(watch, 10.0 + number, pitches, 4.0)
    assert watch.heard == ()


def test_bars_long_gone_are_forgotten_but_not_the_chord_that_goes_on(watch: ChordWatch) -> None:
    for number in range(2 * KEPT_BARS):
        hear(watch, 10.0 + number, (C, G)[number % 2], 4.0 * number)
    assert watch.heard[0] == (96 * (KEPT_BARS - 1), "G")
    hear(watch, 99.0, G, 400.0)
    assert watch.heard == ((96 * (2 * KEPT_BARS - 1), "G"),)


def test_there_are_never_too_many(watch: ChordWatch) -> None:
    for number in range(3 * MAX_CHORDS):
        hear(watch, 10.0 + number, (C, G)[number % 2], number / 24)
    assert len(watch.heard) == MAX_CHORDS


def test_the_demo_has_heard_several() -> None:
    view = busy_view(23.4)
    assert len(view.chords) > 6
    assert view.chords[-1][1] == view.chord
