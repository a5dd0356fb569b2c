"""Inputs and outputs on a fake system and a hand-set clock."""

from midi.messages import InputQueue, Kind, Message, MidiInput, note_off, note_on
from midi.ports import Direction, LoopbackGuard, OutputPort, open_input, open_output, publish_input
from tests.midi.wire import OFF, ON, wire_is_balanced


def test_an_input_stamps_decodes_and_names_the_source(system, clock):
    queue = InputQueue()
    port = open_input(system, "piano", queue.put, clock)
    clock.set(1.5)
    system.port("Grand Piano:Keys").play([ON | 2, 60, 90], [0xF8], [0xF0, 1, 0xF7], [ON, 200, 1])
    assert queue.drain() == [
        MidiInput(1.5, Kind.NOTE_ON, 2, 60, 90, port.name),
        MidiInput(1.5, Kind.CLOCK, 0, 0, 0, port.name),
    ]
    assert (port.decoder.n_dropped, port.decoder.n_garbage) == (1, 1)
    port.close()
    port.close()
    system.port("Grand Piano:Keys").play([ON, 60, 90])
    assert len(queue) == 0


def test_a_sink_that_raises_is_counted_and_the_port_lives_on(system, clock):
    heard = []

    def sink(message):
        heard.append(message.data1)
        if message.data1 == 60:
            raise RuntimeError("full")

    port = open_input(system, "piano", sink, clock)
    system.port("Grand Piano:Keys").play([ON, 60, 1], [ON, 61, 1])
    assert heard == [60, 61]
    assert port.n_sink_faults == 1


def test_the_null_ports_hear_and_say_nothing(system, clock):
    source, target = open_input(system, "None", print, clock), open_output(system, "none", clock)
    target.send(note_on(0, 60, 1))
    target.panic()
    assert target.n_unsent == 0
    assert not source.is_hardware
    target.close()
    source.close()
    assert all(not system.port(name).heard for name in system.names(Direction.OUTPUT))


def test_a_virtual_input_hears(system, clock):
    queue = InputQueue()
    publish_input(system, "Antiphon", queue.put, clock)
    system.published["Antiphon:in"].play([ON, 60, 1])
    assert [m.data1 for m in queue.drain()] == [60]


def test_echoes_within_the_window_are_left_out(system, clock):
    queue, guard = InputQueue(), LoopbackGuard()
    target = open_output(system, "piano", clock, guard)
    open_input(system, "piano", queue.put, clock, guard)
    device = system.port("Grand Piano:Keys")
    target.send(note_on(0, 60, 90))
    clock.set(0.029)
    device.play([ON, 60, 90], [ON, 60, 91])
    assert [m.data2 for m in queue.drain()] == [91]
    clock.set(0.031)
    device.play([ON, 60, 90])
    assert [m.data2 for m in queue.drain()] == [90]
    assert guard.n_echoes == 1


def test_a_restruck_key_is_released_first_and_a_stray_off_is_left_out(system, output):
    for message in (note_off(0, 50), note_on(0, 60, 1), note_on(0, 60, 2), note_off(0, 60), note_off(0, 60)):
        output.send(message)
    assert [d[0] for d in system.port("Grand Piano:Keys").heard] == [ON, OFF, ON, OFF]
    assert output.n_stray == 2
    assert output.sounding() == ()


def test_velocity_zero_counts_as_a_release(system, output):
    output.send(note_on(0, 60, 1))
    output.send(Message(Kind.NOTE_ON, 0, 60, 0))
    assert output.sounding() == ()


def test_panic_releases_notes_then_resets_the_used_channels(system, output):
    output.send(note_on(3, 60, 1))
    output.send(Message(Kind.CLOCK))
    output.panic()
    heard = system.port("Grand Piano:Keys").heard[2:]
    assert [tuple(d) for d in heard] == [(OFF | 3, 60, 64), (0xB3, 123, 0), (0xB3, 120, 0), (0xB3, 64, 0)]


def test_panic_reaches_all_channels_in_bursts(system, clock):
    pauses = []
    name = "Grand Piano:Keys"
    output = OutputPort(name, "piano", clock, pause=pauses.append)
    output._connection = system.connect(Direction.OUTPUT, name)
    for pitch in range(128):
        output.send(note_on(0, pitch, 1))
    device = system.port(name)
    device.heard.clear()
    output.panic(all_channels=True)
    assert len(device.heard) == 128 + 3 * 16
    assert {d[0] & 15 for d in device.heard} == set(range(16))
    assert len(pauses) == 1


def test_closing_twice_panics_once(system, output):
    output.send(note_on(0, 60, 1))
    output.close()
    n_heard = len(system.port("Grand Piano:Keys").heard)
    output.close()
    output.send(note_on(0, 61, 1))
    assert len(system.port("Grand Piano:Keys").heard) == n_heard
    assert wire_is_balanced(system.port("Grand Piano:Keys").heard)


def test_a_device_that_is_gone_costs_messages_not_exceptions(system, output):
    output.send(note_on(0, 60, 1))
    system.unplug("Grand Piano:Keys")
    output.send(note_on(0, 61, 1))
    output.panic()
    output.close()
    assert output.n_unsent >= 2
