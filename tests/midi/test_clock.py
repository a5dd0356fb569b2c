"""Tempo maps, clocks, and MIDI clock in both directions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from midi.clock import ClockFollower, ClockSender, LockState, ManualClock, TempoMap
from midi.systemclock import SystemClock

PULSE_S = 60 / (24 * 120)


def noisy(true_s: NDArray[np.float64], seed: int, lost: float = 0.02) -> list[float]:
    """Arrival times of pulses: late with median 0.6 ms and 99th percentile 24 ms, in order, some lost."""
    rng = np.random.default_rng(seed)
    sigma = math.log(24 / 0.6) / 2.326
    late_s = 0.6e-3 * np.exp(sigma * rng.standard_normal(len(true_s)))
    kept = rng.random(len(true_s)) >= lost
    kept[0] = True
    arrivals: list[float] = np.maximum.accumulate((true_s + late_s)[kept]).tolist()
    return arrivals


def feed(follower: ClockFollower, arrivals: list[float]) -> None:
    for at_s in arrivals:
        follower.pulse(at_s)


def steady(pulses: int, bpm: float = 120.0, from_s: float = 0.0) -> list[float]:
    return (from_s + np.arange(pulses) * 60 / (24 * bpm)).tolist()


def started(pulses: int = 97) -> ClockFollower:
    follower = ClockFollower()
    follower.start(-0.001)
    feed(follower, steady(pulses))
    return follower


# Tempo maps


@given(
    st.dictionaries(st.integers(1, 10**6), st.floats(10, 500), max_size=6),
    st.lists(st.floats(0, 2e6), min_size=1, max_size=8),
)
def test_ticks_and_seconds_are_inverse(changes: dict[int, float], at: list[float]) -> None:
    tempo_map = TempoMap(480, ((0, 100.0), *sorted(changes.items())))
    assert tempo_map.ticks(tempo_map.seconds(at)) == pytest.approx(np.array(at), rel=1e-9, abs=1e-6)
    ordered = tempo_map.seconds(sorted(at))
    assert np.all(np.diff(ordered) >= 0)


def test_seconds_add_up_over_tempo_changes() -> None:
    tempo_map = TempoMap(480, ((0, 60.0), (480, 120.0)))
    assert tempo_map.seconds([0, 480, 960]).tolist() == [0.0, 1.0, 1.5]
    assert [tempo_map.bpm_at(tick) for tick in (0, 479, 480, 9999)] == [60.0, 60.0, 120.0, 120.0]


@pytest.mark.parametrize("changes", [(), ((1, 120.0),), ((0, 120.0), (0, 90.0)), ((0, 0.0),)])
def test_impossible_tempo_maps_are_refused(changes: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match="tempo"):
        TempoMap(480, changes)


# Clocks


def test_manual_clock_goes_forward_only() -> None:
    clock = ManualClock(2.0)
    clock.advance(0.5)
    clock.set(3.0)
    clock.set(3.0)
    assert clock.now_s() == 3.0
    for go_back in (lambda: clock.advance(-0.1), lambda: clock.set(2.9), lambda: clock.set(math.nan)):
        with pytest.raises(ValueError, match="back"):
            go_back()
    assert clock.now_s() == 3.0


def test_system_clock_never_goes_back() -> None:
    clock = SystemClock()
    times = [clock.now_s() for _ in range(100)]
    assert times == sorted(times)


# Follower


@pytest.mark.parametrize("seed", range(6))
def test_tempo_and_position_survive_late_and_lost_pulses(seed: int) -> None:
    follower = ClockFollower()
    follower.start(-0.001)
    for at_s in noisy(np.arange(24 * 60) * PULSE_S, seed):
        follower.pulse(at_s)
        if at_s > 4 * 0.5:
            assert follower.bpm == pytest.approx(120, abs=1.0)
            assert follower.beat_at(at_s) == pytest.approx(at_s * 2, abs=0.1)


def ramp(beats: float) -> tuple[NDArray[np.float64], Callable[[float], float]]:
    """Pulses of a tempo that goes from 100 to 160 bpm over some beats, and the tempo at each time."""
    beat = np.arange(int(24 * beats) + 1) / 24
    slope = 60 / beats
    times = 60 / slope * np.log1p(slope * beat / 100)
    return times, lambda at_s: 100 * math.exp(slope * at_s / 60)


@pytest.mark.parametrize("is_noisy", [False, True])
def test_a_tempo_ramp_is_followed(is_noisy: bool) -> None:
    times, bpm_at = ramp(32)
    follower = ClockFollower()
    follower.start(-0.001)
    feed(follower, noisy(times, 5) if is_noisy else times.tolist())
    assert follower.bpm == pytest.approx(bpm_at(times[-1]), rel=0.03)
    assert follower.beat_at(times[-1]) == pytest.approx(32, abs=0.1)


@pytest.mark.parametrize("bpm", [60.0, 100.0, 140.0, 240.0])
def test_a_sudden_tempo_is_found_within_a_beat_and_no_pulse_miscounted(bpm: float) -> None:
    follower = started(97)
    after = steady(25, bpm, 96 * PULSE_S)[1:]
    feed(follower, after)
    assert follower.bpm == pytest.approx(bpm, rel=0.01)
    assert follower.beat_at(after[-1]) == pytest.approx(5, abs=0.01)
    assert follower.state(after[-1]) is LockState.LOCKED


@pytest.mark.parametrize("missing", [1, 2, 5])
def test_lost_pulses_are_counted(missing: int) -> None:
    follower = started(97)
    first = 97 + missing
    feed(follower, [n * PULSE_S for n in range(first, first + 2)])
    assert follower.state((first + 1) * PULSE_S) is LockState.COASTING
    feed(follower, [n * PULSE_S for n in range(first + 2, first + 8)])
    now_s = (first + 7) * PULSE_S
    assert follower.beat_at(now_s) == pytest.approx(now_s * 2, abs=0.002)
    assert follower.state(now_s) is LockState.LOCKED


def test_a_stall_and_its_bunch_change_nothing() -> None:
    follower = started(97)
    stalled = [106 * PULSE_S + 1e-4 * n for n in range(9)]
    feed(follower, stalled)
    assert follower.bpm == pytest.approx(120, abs=0.01)
    feed(follower, [n * PULSE_S for n in range(106, 112)])
    assert follower.beat_at(111 * PULSE_S) == pytest.approx(111 / 24, abs=0.002)
    assert follower.bpm == pytest.approx(120, abs=0.01)


def test_a_shifted_phase_is_taken_over() -> None:
    follower = started(97)
    feed(follower, [(n + 0.5) * PULSE_S for n in range(97, 121)])
    assert follower.state(120.5 * PULSE_S) is LockState.LOCKED
    assert follower.bpm == pytest.approx(120, abs=0.1)


def test_noise_without_a_beat_unlocks() -> None:
    follower = started(97)
    rng = np.random.default_rng(1)
    feed(follower, (2.5 + np.cumsum(rng.choice([0.0001, 0.3, 0.11], 300))).tolist())
    assert follower.bpm is None or follower.state(100.0) is not LockState.LOCKED


def test_before_the_first_tempo() -> None:
    follower = ClockFollower()
    assert follower.bpm is None
    assert follower.state(0.0) is LockState.WAITING
    assert follower.beat_at(5.0) == 0.0
    follower.start(0.0)
    feed(follower, steady(5))
    assert follower.bpm is None
    assert follower.beat_at(4 * PULSE_S) == pytest.approx(4 / 24)
    feed(follower, steady(6, from_s=5 * PULSE_S))
    assert follower.bpm == pytest.approx(120)
    assert follower.beat_at(10.5 * PULSE_S) == pytest.approx(10.5 / 24)


def test_a_lost_pulse_among_the_first_is_counted() -> None:
    follower = ClockFollower()
    follower.start(0.0)
    feed(follower, [n * PULSE_S for n in range(30) if n != 3])
    assert follower.beat_at(29 * PULSE_S) == pytest.approx(29 / 24, abs=1e-6)


def test_position_coasts_a_beat_and_stands_still() -> None:
    follower = started(97)
    assert follower.beat_at(4 * 0.5 + 0.25) == pytest.approx(4.5)
    assert follower.beat_at(60.0) == pytest.approx(5.0)
    assert follower.state(2.0 + 5 * PULSE_S) is LockState.COASTING
    assert follower.state(60.0) is LockState.LOST


def test_pulses_after_a_long_silence_begin_a_new_line() -> None:
    follower = started(97)
    feed(follower, steady(24, 90, 60.0))
    assert follower.bpm == pytest.approx(90, rel=0.01)
    assert follower.state(60.5) is LockState.LOCKED


def test_stop_continue_and_song_position() -> None:
    follower = started(97)
    assert follower.running
    follower.stop(2.001)
    assert not follower.running
    feed(follower, steady(48, from_s=97 * PULSE_S))
    assert follower.beat_at(10.0) == pytest.approx(97 / 24)
    follower.stop(3.02)
    assert follower.beat_at(10.0) == pytest.approx(97 / 24)
    follower.resume(3.03)
    feed(follower, steady(24, from_s=145 * PULSE_S))
    assert follower.beat_at(168 * PULSE_S) == pytest.approx((97 + 23) / 24)
    follower.stop(3.5)
    follower.song_position(32)
    assert follower.beat_at(3.6) == 8.0
    follower.resume(3.6)
    assert follower.beat_at(3.61) == 8.0
    feed(follower, steady(24, 120, 3.8))
    assert follower.beat_at(3.8 + 23 * PULSE_S) == pytest.approx(8 + 23 / 24)
    follower.start(5.0)
    assert follower.beat_at(5.0) == 0.0


def test_a_start_out_of_step_sets_the_phase_and_keeps_the_tempo() -> None:
    follower = ClockFollower()
    feed(follower, steady(49))
    follower.start(48.5 * PULSE_S)
    first_s = 48.55 * PULSE_S
    follower.pulse(first_s)
    assert follower.bpm == pytest.approx(120)
    assert follower.beat_at(first_s) == pytest.approx(0.0, abs=1e-9)
    assert follower.state(first_s) is LockState.COASTING
    feed(follower, [first_s + n * PULSE_S for n in range(1, 25)])
    assert follower.beat_at(first_s + 24 * PULSE_S) == pytest.approx(1.0, abs=1e-6)


# Sender


@given(st.floats(0, 300), st.floats(0, 8), st.floats(0, 8), st.floats(20, 300), st.floats(0, 1000))
def test_spans_that_join_miss_and_repeat_no_pulse(
    begin: float, first: float, second: float, bpm: float, at_s: float
) -> None:
    middle, end = begin + first, begin + first + second
    whole = ClockSender.pulses(begin, end, bpm, at_s)
    joined = ClockSender.pulses(begin, middle, bpm, at_s) + ClockSender.pulses(
        middle, end, bpm, at_s + first * 60 / bpm
    )
    assert [m.at_s for m in joined] == pytest.approx([m.at_s for m in whole], abs=1e-6)
    assert abs(len(whole) - (first + second) * 24) < 1.001
    assert all(message.at_s >= at_s for message in whole)


def test_messages_have_the_bytes_of_the_specification() -> None:
    assert [m.data() for m in ClockSender.begin(0.0, 1.0)] == [b"\xfa"]
    assert [m.data() for m in ClockSender.begin(50.2, 1.0)] == [b"\xf2\x49\x01", b"\xfb"]
    assert [m.data() for m in ClockSender.begin(4096.0, 1.0)] == [b"\xfb"]
    assert [m.data() for m in ClockSender.end(1.0)] == [b"\xfc"]
    first, *rest = ClockSender.pulses(0, 1, 120, 1.0)
    assert (first.at_s, first.data()) == (1.0, b"\xf8")
    assert len(rest) == 23


@given(st.floats(0, 64), st.floats(40, 240))
def test_a_follower_follows_the_sender(beat: float, bpm: float) -> None:
    follower = ClockFollower()
    for message in ClockSender.begin(beat, 1.0):
        if message.kind == "songpos":
            follower.song_position(message.sixteenths)
        elif message.kind == "start":
            follower.start(message.at_s)
        else:
            follower.resume(message.at_s)
    from_beat = math.ceil(beat * 4 - 1e-6) / 4
    feed(follower, [m.at_s for m in ClockSender.pulses(from_beat, from_beat + 2, bpm, 1.0)])
    now_s = 1.0 + 60 / bpm * 47 / 24
    assert follower.bpm == pytest.approx(bpm, rel=1e-6)
    assert follower.beat_at(now_s) == pytest.approx(from_beat + 47 / 24, abs=1e-6)
