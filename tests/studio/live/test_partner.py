"""When the partner plays: policies on their own, in ticks."""

import math

import pytest

from midi.events import BarGrid
from models.sequence.plan import Steering
from studio.live.messages import Mode
from studio.live.partner import FOREVER, MAX_ANSWER_BARS, POLICIES, Accompany, Policy, Respond, Span, steer

BAR = 96
LAG = 12


def respond(*notes: tuple[int, int], grid: BarGrid | None = None, bpm: float = 120.0) -> Respond:
    """A policy that has heard notes ``(onset, end)``; time stands at the end of the last."""
    policy = Respond(grid or BarGrid())
    for onset, end in notes:
        policy.update(onset, onset + LAG, 0, bpm)
        policy.onset(onset, onset + LAG)
        policy.update(onset, onset + LAG, 1, bpm)
        policy.release(end, end + LAG, 0)
    return policy


def test_every_mode_has_a_policy():
    assert set(POLICIES) == set(Mode)
    assert all(issubclass(policy, Policy) for policy in POLICIES.values())


def test_accompany_plays_from_its_entry_until_the_player_has_rested():
    policy = Accompany(BarGrid(), LAG)
    policy.onset(0, LAG)
    assert policy.update(10, 22, 1, 120.0) == Span(LAG, FOREVER)
    assert policy.level(10_000) == 1.0
    policy.release(48, 60, 0)
    assert policy.update(50, 62, 0, 120.0) == Span(LAG, 48 + 5 * BAR)
    assert policy.level(48 + 4 * BAR) == 1.0
    assert policy.level(48 + 4 * BAR + BAR // 2) == 0.5
    assert policy.level(48 + 5 * BAR) == 0.0


def test_accompany_resumes_at_the_frontier_after_a_rest():
    policy = Accompany(BarGrid())
    policy.onset(0, LAG)
    policy.release(24, 36, 0)
    policy.update(900, 912, 0, 120.0)
    policy.onset(905, 917)
    assert policy.update(906, 918, 1, 120.0) == Span(917, FOREVER)
    policy.rest()
    assert policy.span is None
    assert policy.update(1000, 1012, 0, 120.0) is None
    policy.onset(1010, 1022)
    assert policy.update(1010, 1022, 1, 120.0) == Span(1022, FOREVER)


@pytest.mark.parametrize(
    ("end", "begin", "answer_end"),
    [
        (90, 120, 192),  # patience ends at 114: the next beat; the answer ends on a bar line
        (70, 96, 192),  # patience ends at 94: the bar line
        (48, 96, 192),  # patience ends at 72, the bar line is one beat away: wait for it
        (40, 96, 192),  # 64: the next beat is 72, the bar line one beat later
        (24, 48, 96 + 96 // 2 - 48),  # two beats before the bar line: on the beat
    ],
)
def test_answers_begin_on_beats_or_bar_lines(end, begin, answer_end):
    span = respond((0, end)).update(end, end + LAG, 0, 120.0)
    assert span is not None
    assert span.from_tick == begin
    assert span.until_tick % BAR == 0
    assert span.until_tick - span.from_tick >= BAR // 2
    assert span.until_tick in {answer_end, answer_end + BAR - answer_end % BAR, 192}


@pytest.mark.parametrize(
    ("bars", "expected"), [(0.5, 1), (1, 1), (1.2, 1), (1.6, 2), (2, 2), (4, 4), (7.9, 8), (30, 8)]
)
def test_answers_are_as_long_as_the_call(bars, expected):
    end = round(bars * BAR)
    starts = range(0, end, 24)
    span = respond(*((s, min(s + 20, end)) for s in starts), (end - 2, end)).update(end, end + LAG, 0, 120.0)
    assert span is not None
    assert abs((span.until_tick - span.from_tick) / BAR - expected) <= 0.5
    assert expected <= MAX_ANSWER_BARS


def test_answers_keep_to_odd_bars():
    grid = BarGrid(((0, 72),))
    span = respond((0, 20), (48, 70), grid=grid).update(70, 82, 0, 120.0)
    assert span == Span(96, 144)


@pytest.mark.parametrize(("bpm", "patience"), [(120.0, 24), (30.0, 15), (300.0, 54)])
def test_patience_is_a_beat_but_human(bpm, patience):
    span = respond((0, 96), bpm=bpm).update(96, 108, 0, bpm)
    assert span is not None
    assert 96 + patience <= span.from_tick < 96 + patience + 48


def test_an_answer_is_put_off_while_the_call_goes_on():
    policy = respond((0, 20))
    first = policy.update(21, 33, 0, 120.0)
    assert first is not None
    policy.onset(30, 42)
    assert policy.update(30, 42, 1, 120.0) is None
    policy.release(60, 72, 0)
    second = policy.update(61, 73, 0, 120.0)
    assert second is not None
    assert second.from_tick > first.from_tick
    policy.release(70, 82, 0)  # another key of the same chord
    assert policy.update(71, 83, 0, 120.0).from_tick == 96


def test_a_key_held_down_delays_the_answer_by_a_bar_at_most():
    policy = Respond(BarGrid())
    policy.onset(0, LAG)
    assert policy.update(90, 102, 1, 120.0) is None
    span = policy.update(96, 108, 1, 120.0)
    assert span is not None
    assert span.from_tick == 120


def test_the_partner_yields_at_the_frontier_and_hears_the_new_call():
    policy = respond((0, 90))
    span = policy.update(90, 102, 0, 120.0)
    assert span == Span(120, 192)
    assert policy.update(130, 142, 0, 120.0) == span
    policy.onset(140, 152)
    assert policy.update(140, 152, 1, 120.0) == Span(120, 152)
    policy.release(160, 172, 0)
    again = policy.update(161, 173, 0, 120.0)
    assert again is not None
    assert again.from_tick >= 184


def test_after_its_answer_the_partner_waits_for_the_next_call():
    policy = respond((0, 90))
    span = policy.update(90, 102, 0, 120.0)
    for tick in range(100, 400, 10):
        assert policy.update(tick, tick + LAG, 0, 120.0) == span
    policy.release(395, 407, 0)  # of a key held over: no call
    assert policy.update(400, 412, 0, 120.0) == span
    policy.onset(400, 412)
    assert policy.span == span  # what was answered stays answered
    policy.rest()
    assert policy.update(500, 512, 0, 120.0) is None


def test_nothing_is_answered_before_a_call():
    assert Respond(BarGrid()).update(500, 512, 0, 120.0) is None
    assert Respond(BarGrid()).level(5) == 1.0


@pytest.mark.parametrize(
    ("target", "value", "expected"),
    [
        ("temperature", 5, {"temperature": 2.0}),
        ("top_p", 0.0, {"top_p": 0.05}),
        ("density", -9.0, {"density": -2.0}),
        ("low_pitch", 40.7, {"low_pitch": 40}),
        ("high_pitch", 300, {"high_pitch": 127}),
        ("hears_human", False, {"hears_human": False}),
        ("instruments", (4, 4, 99, 15), {"instruments": (4, 15)}),
        ("instruments", (99,), {}),
        ("instruments", 3, {}),
        ("temperature", math.nan, {}),
        ("temperature", (1, 2), {}),
        ("loudness", 1.0, {}),
    ],
)
def test_steering_is_clamped_and_nonsense_changes_nothing(target, value, expected):
    assert steer(Steering(), target, value) == Steering(**expected)
