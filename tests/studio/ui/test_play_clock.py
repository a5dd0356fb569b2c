from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from studio.ui.play.clock import MAX_AHEAD_S, Eased, SmoothClock
from tests.studio.ui.play_fakes import idle_view, playing


@given(
    jitters=st.lists(st.floats(-0.03, 0.03), min_size=20, max_size=60),
    bpm=st.floats(40, 240),
    every=st.integers(1, 4),
)
def test_never_backwards_whatever_the_jitter_of_the_views(jitters, bpm, every):
    clock, shown, snapshot = SmoothClock(), [], playing(0.0, bpm=bpm)
    for frame, jitter in enumerate(jitters):
        now_s = frame / 60
        if frame % every == 0:
            told_s = max(0.0, now_s + jitter)
            snapshot = playing(told_s * bpm / 60, time_s=1.0 + frame, bpm=bpm)
        shown.append(clock.advance(snapshot, now_s))
    assert all(b >= a for a, b in pairwise(shown))
    assert abs(shown[-1] - (len(jitters) - 1) / 60 * bpm / 60) < 0.5


def test_between_two_views_it_runs_on_by_the_tempo():
    clock, snapshot = SmoothClock(), playing(8.0, bpm=120.0)
    clock.advance(snapshot, 10.0)
    assert abs(clock.advance(snapshot, 10.1) - 8.2) < 1e-9


def test_steps_are_even_although_views_come_unevenly():
    clock, shown = SmoothClock(), []
    snapshot = playing(0.0)
    for frame in range(240):
        now_s = frame / 60
        if frame % 3 == 0 or frame % 7 == 0:
            late = 0.008 * (frame % 5) / 4
            snapshot = playing((now_s - late) * 2, time_s=1.0 + frame)
        shown.append(clock.advance(snapshot, now_s))
    steps = [b - a for a, b in pairwise(shown[60:])]
    assert max(steps) - min(steps) < 0.2 * (2 / 60)


def test_a_silent_desk_stops_the_score():
    clock, snapshot = SmoothClock(), playing(4.0)
    for frame in range(200):
        last = clock.advance(snapshot, frame / 60)
    assert last <= 4.0 + MAX_AHEAD_S * 2 + 1e-6


def test_a_new_start_goes_back_to_the_beginning():
    clock = SmoothClock()
    clock.advance(playing(64.0), 1.0)
    clock.advance(idle_view().snapshot, 2.0)
    assert clock.advance(playing(0.0, time_s=9.0), 3.0) == 0.0


def test_while_it_stands_it_stands():
    clock, snapshot = SmoothClock(), idle_view().snapshot
    assert clock.advance(snapshot, 1.0) == clock.advance(snapshot, 5.0) == 0.0


def test_a_jump_of_the_master_is_followed_at_once():
    clock = SmoothClock()
    clock.advance(playing(4.0, time_s=1.0), 1.0)
    assert clock.advance(playing(7.0, time_s=2.0), 1.1) == 7.0


def test_easing_arrives_and_never_overshoots():
    eased = Eased(0.0, 0.2)
    seen = [eased.step(10.0, 1 / 60, snap=0.01) for _ in range(120)]
    assert seen == sorted(seen)
    assert seen[-1] == 10.0
    assert eased.step(0.0, 5.0, snap=0.01) == 0.0
