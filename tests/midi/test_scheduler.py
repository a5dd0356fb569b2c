"""Messages leave when they are due, and every note ends."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.messages import Kind, control, note_off, note_on
from midi.ports import open_output
from midi.scheduler import SHORTEST_NOTE_S, OutputScheduler, Schedule
from midi.systemclock import SystemClock
from tests.midi.wire import ON, wire_is_balanced


def test_messages_leave_in_time_order_when_due():
    schedule = Schedule(stale_s=1.0)
    schedule.note_on(1.0, "b", 0, 61, 2)
    schedule.note_on(0.5, "a", 0, 60, 1)
    schedule.note_off(0.75, "a")
    assert schedule.next_s() == 0.5
    assert schedule.due(0.49) == []
    assert schedule.due(0.8) == [note_on(0, 60, 1), note_off(0, 60)]
    assert schedule.due(1.0) == [note_on(0, 61, 2)]
    assert schedule.next_s() is None


def test_an_old_off_cannot_cut_a_restruck_note():
    schedule = Schedule()
    schedule.note_on(0.0, 1, 0, 60, 10)
    schedule.note_off(1.0, 1)
    schedule.note_on(0.5, 2, 0, 60, 20)
    schedule.note_off(2.0, 2)
    assert schedule.due(0.0) == [note_on(0, 60, 10)]
    assert schedule.due(0.5) == [note_off(0, 60), note_on(0, 60, 20)]
    assert schedule.due(1.0) == []
    assert schedule.n_dropped_offs == 1
    assert schedule.due(2.0) == [note_off(0, 60)]


def test_an_id_used_again_does_not_inherit_old_entries():
    schedule = Schedule()
    schedule.note_on(1.0, "x", 0, 60, 1)
    schedule.note_off(2.0, "x")
    assert schedule.cancel("x")
    schedule.note_on(1.5, "x", 0, 62, 1)
    assert schedule.due(1.0) == []
    assert schedule.due(1.5) == [note_on(0, 62, 1)]
    assert schedule.due(2.0) == []
    assert not schedule.cancel("x")
    assert schedule.flush() == [note_off(0, 62)]


def test_notes_silenced_before_their_time_are_counted():
    schedule = Schedule()
    schedule.note_on(1.0, "sounds", 0, 60, 1)
    schedule.note_on(2.0, "waits", 0, 62, 1)
    schedule.due(1.0)
    assert schedule.flush() == [note_off(0, 60)]
    assert schedule.n_flushed == 1


def test_a_note_of_no_length_still_closes():
    schedule = Schedule()
    schedule.note_on(1.0, 1, 0, 60, 1)
    schedule.note_off(0.2, 1)
    assert schedule.due(1.0) == [note_on(0, 60, 1)]
    assert schedule.due(1.0 + SHORTEST_NOTE_S) == [note_off(0, 60)]


def test_keys_are_released_before_others_are_struck_at_the_same_time():
    schedule = Schedule()
    schedule.note_on(0.0, 1, 0, 60, 1)
    schedule.due(0.0)
    schedule.note_on(1.0, 2, 0, 62, 1)
    schedule.message(1.0, control(0, 7, 99))
    schedule.note_off(1.0, 1)
    assert [m.kind for m in schedule.due(1.0)] == [Kind.NOTE_OFF, Kind.CONTROL, Kind.NOTE_ON]


def test_stale_notes_are_dropped_with_their_offs():
    schedule = Schedule(stale_s=0.1)
    schedule.note_on(0.0, 1, 0, 60, 1)
    schedule.note_off(0.5, 1)
    assert schedule.due(0.6) == []
    assert (schedule.n_stale, schedule.n_dropped_offs) == (1, 1)


def test_an_id_in_use_and_silent_velocity_are_refused():
    schedule = Schedule()
    schedule.note_on(0.0, 1, 0, 60, 1)
    with pytest.raises(ValueError, match="already"):
        schedule.note_on(1.0, 1, 0, 61, 1)
    with pytest.raises(ValueError, match="velocity 0"):
        schedule.note_on(1.0, 2, 0, 61, 0)
    with pytest.raises(ValueError, match="range"):
        schedule.note_on(1.0, 2, 0, 128, 1)
    schedule.note_off(1.0, "unknown")
    assert schedule.n_dropped_offs == 1


def test_a_limit_leaves_the_rest_for_the_next_call():
    schedule = Schedule()
    for pitch in range(100):
        schedule.note_on(0.0, pitch, 0, pitch, 1)
    assert [len(schedule.due(0.0, 40)) for _ in range(4)] == [40, 40, 20, 0]


def test_lateness_is_reported_in_milliseconds():
    schedule = Schedule()
    assert schedule.lateness().count == 0
    for i in range(10):
        schedule.note_on(i, i, 0, 60 + i, 1)
        schedule.due(i + (0.02 if i == 9 else 0.001))
    late = schedule.lateness()
    assert late.count == 10
    assert late.p50_ms == pytest.approx(1.0)
    assert late.max_ms == pytest.approx(20.0)
    assert 1.0 < late.p99_ms < 20.0


notes = st.tuples(
    st.integers(0, 40), st.integers(-5, 30), st.integers(60, 62), st.integers(0, 1), st.booleans()
)


@given(st.lists(notes, max_size=30), st.lists(st.integers(0, 12), min_size=1, max_size=12))
@settings(max_examples=200)
def test_whatever_is_asked_every_on_gets_exactly_one_off(asked, steps):
    schedule = Schedule(stale_s=8.0)
    for note_id, (onset, length, pitch, channel, closes) in enumerate(asked):
        schedule.note_on(onset, note_id, channel, pitch, 1 + note_id)
        if closes:
            schedule.note_off(onset + length, note_id)
    wire, now_s = [], 0.0
    for step in steps:
        now_s += step
        wire += schedule.due(now_s, limit=5)
    wire += schedule.flush()
    assert schedule.flush() == []
    assert wire_is_balanced([m.to_bytes() for m in wire])


def test_the_thread_sends_what_is_due_and_panic_clears_the_rest(system):
    clock = SystemClock()
    output = open_output(system, "piano", clock)
    scheduler = OutputScheduler(output, clock, stale_s=60.0)
    device = system.port("Grand Piano:Keys")
    sent = threading.Event()
    original, first = output.send, note_on(0, 60, 1)

    def send(message):
        original(message)
        if message == first:
            sent.set()

    output.send = send
    scheduler.note_on(clock.now_s() + 3600, "later", 0, 72, 1)
    scheduler.note_off(clock.now_s() + 3601, "later")
    scheduler.note_on(clock.now_s(), "now", 0, 60, 1)
    scheduler.message(clock.now_s() + 3600, control(0, 7, 1))
    assert sent.wait(20)
    scheduler.flush_and_panic()
    assert not scheduler.cancel("later")
    scheduler.close()
    scheduler.close()
    assert {d[1] for d in device.heard if d[0] == ON} == {60}
    assert wire_is_balanced(device.heard)
    assert scheduler.lateness().count == 1
    assert scheduler.n_stale == 0


def test_a_burst_through_the_thread_arrives_whole(system):
    clock = SystemClock()
    output = open_output(system, "piano", clock)
    scheduler = OutputScheduler(output, clock, stale_s=60.0)
    done = threading.Event()
    original = output.send

    def send(message):
        original(message)
        if message.kind is Kind.CONTROL:
            done.set()

    output.send = send
    start_s = clock.now_s()
    for i in range(300):
        scheduler.note_on(start_s, i, i // 100, i % 100, 1)
    scheduler.message(start_s + 0.0001, control(0, 7, 1))
    assert done.wait(20)
    scheduler.close()
    heard = system.port("Grand Piano:Keys").heard
    assert sum(d[0] & 0xF0 == ON for d in heard) == 300
    assert wire_is_balanced(heard)
