"""Plans that are drawn as far as they are played, and plans that end where a newer request waits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import GRID_PER_BEAT, BarGrid
from midi.note import Note, NoteArray
from models.sequence.plan import PlannedNote, Tail
from models.sequence.player import LEAST_TICKS
from studio.live.planner import InlinePlanner
from studio.rehearsal import LiveRun, play_run
from tests.models.planrequests import BAR, player, request


def note(tick):
    return PlannedNote(tick, 6, 60, 80, 0)


class TestTail:
    def tail(self, asked):
        def draw(tick):
            asked.append(tick)
            return [note(at) for at in range(0, tick, 6)]

        return Tail(draw)

    def test_notes_come_once_and_only_as_far_as_they_are_asked_for(self):
        asked = []
        tail = self.tail(asked)
        assert [n.onset_ticks for n in tail.take(13)] == [0, 6, 12]
        assert tail.take(13) == ()
        assert [n.onset_ticks for n in tail.take(24)] == [18]
        assert max(asked) == 24

    def test_a_closed_tail_keeps_what_it_has_and_draws_no_more(self):
        asked = []
        tail = self.tail(asked)
        tail.take(6)
        tail.close(18)
        tail.close(90)
        assert [n.onset_ticks for n in tail.take(99)] == [6, 12]
        assert max(asked) == 18


@pytest.mark.parametrize("alternatives", [1, 3])
def test_a_tail_holds_the_notes_of_the_whole_plan(alternatives):
    asked = replace(request(seed=5), alternatives=alternatives, spare_s=math.inf)
    whole = player().plan(asked)
    begun = player().begin(asked)
    assert begun.notes == ()
    assert (begun.until_tick, begun.beginnings) == (whole.until_tick, whole.beginnings)
    assert begun.rows < whole.rows
    pieces = [begun.tail.take(tick) for tick in range(BAR, 2 * BAR + 7, 7)]
    assert sum(pieces, ()) == whole.notes
    assert len(whole.notes) > 2
    assert all(n.onset_ticks < BAR + 7 * at for at, piece in enumerate(pieces) for n in piece)


def test_another_plan_closes_the_tail_where_it_begins():
    model, first = player(), request(seed=5)
    whole = player().plan(first)
    begun = model.begin(first)
    model.plan(replace(first, number=2, from_tick=BAR + 30, until_tick=2 * BAR))
    assert begun.tail.take(10**6) == tuple(n for n in whole.notes if n.onset_ticks < BAR + 30)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=3, max_size=12),
    st.sampled_from([0.0, 0.06, 0.3, 1.7]),
    st.integers(0, 3),
)
def test_lazy_plans_change_no_note(gaps, latency_s, seed):
    onsets = [sum(gaps[:n]) for n in range(len(gaps))]
    melody = NoteArray.from_notes(Note(at, 6, 60 + at % 12, 80) for at in onsets)
    run = LiveRun("partner", melody, BarGrid(), 120.0, 6 * GRID_PER_BEAT, seed=seed, alternatives=2)
    timed, untimed = (
        play_run(replace(run, is_timed=is_timed), player(), latency_s) for is_timed in (True, False)
    )
    assert timed.notes == untimed.notes
    assert timed.counts == untimed.counts


def test_a_planner_without_tails_answers_whole():
    class Plain:
        def plan(self, asked):
            return player().plan(asked)

    inline = InlinePlanner(Plain(), is_lazy=True)
    inline.poll(0.0)
    inline.submit(request())
    assert inline.poll(0.0)[0].plan.tail is None


def test_a_plan_ends_early_where_a_newer_request_waits():
    whole, hurried = player(), player()
    hurried.is_awaited = lambda: True
    all_of_it, some = whole.plan(request(seed=5)), hurried.plan(request(seed=5))
    assert some.until_tick == BAR + LEAST_TICKS < all_of_it.until_tick
    assert some.notes == tuple(n for n in all_of_it.notes if n.onset_ticks < some.until_tick)
    assert some.rows < all_of_it.rows
