"""Bytes to messages and back, and the queue that they wait in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi.messages import Decoder, InputQueue, Kind, Message, MidiInput, note_on


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([0x93, 60, 100], Message(Kind.NOTE_ON, 3, 60, 100)),
        ([0x93, 60, 0], Message(Kind.NOTE_OFF, 3, 60, 0)),
        ([0xC1, 5], Message(Kind.PROGRAM, 1, 5)),
        ([0xE0, 0, 64], Message(Kind.BEND, 0, 0, 64)),
        ([0xF2, 16, 1], Message(Kind.SONG_POSITION, 0, 16, 1)),
        ([0xF8], Message(Kind.CLOCK)),
        ([0xFB], Message(Kind.CONTINUE)),
    ],
)
def test_known_messages_are_decoded(data, expected):
    assert Decoder().decode(data) == expected


@pytest.mark.parametrize("data", [[0xF0, 1, 2, 0xF7], [0xFE], [0xF1, 4], [0xFF], [0xF6]])
def test_unused_messages_are_dropped_without_being_called_garbage(data):
    decoder = Decoder()
    assert decoder.decode(data) is None
    assert (decoder.n_dropped, decoder.n_garbage) == (1, 0)


@pytest.mark.parametrize(
    "data", [[], [60, 100], [0x90, 60], [0x90, 60, 128], [0xC0, 1, 2], [0x90, 60, -1], [300, 1]]
)
def test_garbage_is_counted(data):
    decoder = Decoder()
    assert decoder.decode(data) is None
    assert (decoder.n_dropped, decoder.n_garbage) == (0, 1)


@given(st.lists(st.integers(-5, 300), max_size=5))
def test_any_bytes_decode_to_a_sendable_message_or_are_counted(data):
    decoder = Decoder()
    message = decoder.decode(data)
    assert (message is None) == (decoder.n_dropped + decoder.n_garbage == 1)
    if message is not None and message.kind is not Kind.NOTE_OFF:
        assert list(message.to_bytes()) == data


@pytest.mark.parametrize("message", [note_on(16, 60, 1), note_on(0, 128, 1), Message(Kind.SOURCE_LOST)])
def test_a_message_out_of_range_is_refused(message):
    with pytest.raises(ValueError, match="MIDI"):
        message.to_bytes()


def test_both_data_bytes_read_as_one_number():
    assert MidiInput(0.0, Kind.BEND, 0, 0, 64).value14 == 8192


def test_a_flood_refuses_notes_but_never_their_ends():
    queue = InputQueue(limit=10)
    for pitch in range(20):
        queue.put(MidiInput(0.0, Kind.NOTE_ON, 0, pitch, 1))
    for pitch in range(20):
        queue.put(MidiInput(0.0, Kind.NOTE_OFF, 0, pitch))
    queue.put(MidiInput(0.0, Kind.CONTROL, 0, 64, 0))
    waiting = queue.drain()
    assert sum(m.kind is Kind.NOTE_ON for m in waiting) == 10
    assert sum(m.kind is Kind.NOTE_OFF for m in waiting) == 20
    assert waiting[-1].kind is Kind.CONTROL
    assert queue.n_refused == 10
    assert len(queue) == 0


def test_the_queue_stays_bounded_whatever_comes():
    queue = InputQueue(limit=4)
    for _ in range(100):
        queue.put(MidiInput(0.0, Kind.NOTE_OFF, 0, 1))
    assert len(queue) == 16
    assert queue.n_refused == 84
