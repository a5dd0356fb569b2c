"""StreamMUSE's definitions on cases worked out by hand, and the goals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi.events import BarGrid
from midi.note import Note, NoteArray
from models.sequence.harmony import harmony
from studio import streammuse
from studio.delivery import OLDEST_SIXTEENTHS, delivery
from studio.listening import Excerpt
from studio.rehearsal import LiveRun

BAR = 96


def notes(*rows: tuple[int, int, int]) -> NoteArray:
    return NoteArray.from_notes(Note(*row) for row in rows)


def song(melody: NoteArray, truth: NoteArray, bars: int = 2) -> Excerpt:
    return Excerpt("a.mid", BAR, bars, 120.0, melody, truth, (0,))


class TestNoteSupport:
    def test_a_moment_of_consonance_makes_a_note_consonant(self):
        melody = notes((0, 48, 64))
        touch = notes((0, 1, 60), (1, 47, 59))
        assert streammuse.note_support(melody, touch) == (1.0, 0.0)
        assert harmony(melody, touch, until_tick=48).consonance_rate == pytest.approx(1 / 48)

    def test_notes_count_by_length_and_silence_is_unsupported(self):
        melody = notes((0, 30, 64), (30, 10, 65), (48, 60, 67))
        # E over C is consonant, F over C is a fourth from below and dissonant, G has nothing.
        assert streammuse.note_support(melody, notes((0, 48, 60))) == (0.3, 0.6)
        assert streammuse.note_support(melody, notes()) == (0.0, 1.0)

    def test_intervals_have_a_direction(self):
        assert streammuse.note_support(notes((0, 10, 65)), notes((0, 10, 60))) == (0.0, 0.0)
        assert streammuse.note_support(notes((0, 10, 60)), notes((0, 10, 65))) == (1.0, 0.0)

    def test_touching_is_not_overlapping(self):
        assert streammuse.note_support(notes((24, 24, 64)), notes((0, 24, 60), (48, 9, 60))) == (0.0, 1.0)

    def test_no_melody_has_no_figure(self):
        assert all(np.isnan(streammuse.note_support(notes(), notes((0, 9, 60)))))


class TestDivergences:
    def test_octaves_are_other_pitches(self):
        assert streammuse.pitch_divergence(notes((0, 9, 60)), notes((50, 9, 60))) == 0.0
        assert streammuse.pitch_divergence(notes((0, 9, 60)), notes((0, 9, 72))) == pytest.approx(np.log(2))

    def test_onsets_are_places_in_the_piece_not_in_the_bar(self):
        truth = notes((0, 10, 60), (96, 96, 60))
        assert streammuse.onset_divergence(truth, truth) == 0.0
        assert streammuse.onset_divergence(notes((0, 10, 60), (2, 190, 60)), truth) > 0.2
        # Two bins of 3 ticks: tick 3 shares none with tick 0, tick 2 does.
        whole = (0, 192, 40)
        assert streammuse.onset_divergence(notes(whole, (2, 1, 60)), notes(whole, (0, 1, 60))) == 0.0
        assert streammuse.onset_divergence(notes(whole, (3, 1, 60)), notes(whole, (0, 1, 60))) > 0.1

    def test_silence_is_as_far_as_can_be(self):
        assert streammuse.onset_divergence(notes(), notes((0, 9, 60))) == pytest.approx(np.log(2))

    @given(st.lists(st.tuples(st.integers(0, 180), st.integers(1, 12), st.integers(30, 90)), max_size=20))
    def test_bounds(self, rows):
        truth = notes((0, 20, 60), (90, 100, 67))
        for divergence in (streammuse.pitch_divergence, streammuse.onset_divergence):
            assert 0.0 <= divergence(notes(*rows), truth) <= np.log(2) + 1e-9


class TestTable:
    def rows(self, live: NoteArray, offline: NoteArray) -> dict:
        melody, truth = notes((0, 90, 64), (96, 40, 67)), notes((0, 96, 60), (96, 96, 60))
        songs = [song(melody, truth)] * 3
        return streammuse.streammuse_table(
            songs, {"live": [live] * 3, "offline": [offline] * 3, "truth": [truth] * 3},
            {"isr": [1.0] * 3, "isr_w": [0.9, 0.8, float("nan")]}, seed=0,
        )  # fmt: skip

    def test_goals_tell_what_was_reached(self):
        good, bad = notes((0, 96, 60), (96, 96, 60)), notes((0, 96, 63))
        got = self.rows(good, good)
        assert all(goal["ok"] for goal in got["goals"].values())
        assert got["rows"]["truth"]["pitch_jsd"]["mean"] == 0.0
        assert got["rows"]["live"]["isr_w"]["mean"] == pytest.approx(0.85)
        got = self.rows(bad, good)
        assert not any(goal["ok"] for goal in got["goals"].values())
        assert got["cr_gap"]["mean"] == pytest.approx(1.0)

    def test_lines_name_the_paper_and_the_goals(self):
        good = notes((0, 96, 60), (96, 96, 60))
        text = "\n".join(streammuse.table_lines(self.rows(good, notes()), 3))
        for word in ("StreamMUSE live", "0.821", "0.294", "Goals, live", "reached", "nats"):
            assert word in text
        assert "offline" in text

    def test_rows_are_measured_up_to_the_bar_of_the_last_melody_note(self):
        one = song(notes((0, 24, 60)), notes((0, 24, 60), (100, 24, 61)), bars=4)
        assert streammuse.heard_until(one) == BAR
        assert streammuse.table_figures(one, notes((0, 24, 60)))["pitch_jsd"] == 0.0


class TestDelivery:
    def run(self) -> LiveRun:
        melody = notes(*((24 * i, 20, 60 + i % 5) for i in range(32)))
        return LiveRun("live", melody, BarGrid(((0, BAR),)), 120.0, 8 * BAR)

    def test_prompt_plans_are_fresh_and_in_time(self):
        got = delivery(self.run(), [0.005])
        assert got.isr > 0.95
        # Half a beat is committed: the youngest plan that is heard is a few 16ths old.
        assert 0.8 < got.isr_w / got.isr < 0.97

    def test_slow_plans_come_late_and_stale(self):
        prompt, slow, never = (delivery(self.run(), [s]) for s in (0.005, 0.7, 30.0))
        assert slow.isr < prompt.isr
        assert slow.isr_w < prompt.isr_w
        assert (never.isr, never.isr_w) == (0.0, 0.0)

    def test_one_slow_plan_in_many_costs_little(self):
        few = delivery(self.run(), [0.005] * 20 + [0.9])
        assert delivery(self.run(), [0.9]).isr_w < few.isr_w < delivery(self.run(), [0.005]).isr_w

    def test_without_plans_there_is_nothing_to_tell(self):
        assert np.isnan(delivery(self.run(), ()).isr_w)

    def test_two_bars_old_is_worth_nothing(self):
        assert OLDEST_SIXTEENTHS == 32
