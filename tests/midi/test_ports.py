"""Ports, queue, guard, watcher and scheduler, on fake systems and hand-set clocks."""

import ctypes
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi import portsystem
from midi.clock import ManualClock
from midi.errors import UserError
from midi.messages import Decoder, InputQueue, Kind, Message, MidiInput, control, note_off, note_on
from midi.ports import (
    Direction,
    FakeSystem,
    LoopbackGuard,
    NoMidiSystem,
    OutputPort,
    PortWatcher,
    find_system,
    is_loopback,
    list_ports,
    match_port,
    open_input,
    open_output,
    publish_input,
    publish_output,
)
from midi.scheduler import SHORTEST_NOTE_S, OutputScheduler, Schedule
from midi.systemclock import SystemClock

ON, OFF = 0x90, 0x80


def wire_is_balanced(heard):
    """Every note-on closed by exactly one note-off, none struck twice while it sounds."""
    sounding = set()
    for data in heard:
        key = (data[0] & 15, data[1])
        if data[0] & 0xF0 == ON:
            if key in sounding:
                return False
            sounding.add(key)
        elif data[0] & 0xF0 == OFF:
            if key not in sounding:
                return False
            sounding.remove(key)
    return not sounding


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def system():
    return FakeSystem("Grand Piano:Keys", "Drum Box:Pads")


@pytest.fixture
def output(system, clock):
    return open_output(system, "piano", clock)


# Messages


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


# Names and systems


@pytest.mark.parametrize("wanted", ["piano", "GRAND", "grand piano:keys", " keys "])
def test_a_port_is_found_by_part_of_its_name(wanted, system):
    assert match_port(wanted, system.names(Direction.INPUT), Direction.INPUT) == "Grand Piano:Keys"


def test_an_exact_name_wins_over_longer_ones_with_or_without_alsa_numbers():
    names = ("Keys 20:0", "Keys Two 24:0")
    assert match_port("keys", names, Direction.INPUT) == "Keys 20:0"
    assert match_port("Keys Two 24:0", names, Direction.INPUT) == "Keys Two 24:0"


def test_an_ambiguous_part_lists_only_what_it_fits():
    with pytest.raises(UserError, match="fits 2") as caught:
        match_port("box", ("Box A", "Box B", "Piano"), Direction.OUTPUT)
    assert "'Box A'" in str(caught.value)
    assert "Piano" not in str(caught.value)


def test_an_absent_port_lists_what_there_is(system, clock):
    with pytest.raises(UserError, match="named 'organ'") as caught:
        open_output(system, "organ", clock)
    assert "'Drum Box:Pads'" in caught.value.hint


def test_no_ports_at_all_is_said_so():
    with pytest.raises(UserError, match="none at all"):
        match_port("organ", (), Direction.INPUT)


def test_an_empty_name_fits_nothing(system):
    with pytest.raises(UserError):
        match_port("", system.names(Direction.INPUT), Direction.INPUT)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Antiphon:in", "Antiphon-01:out", True),
        ("Midi Through:Port-0 14:0", "Midi Through:Port-0 14:0", True),
        ("Keys:out", "Synth:in", False),
    ],
)
def test_loopback_is_known_by_the_device(first, second, same):
    assert is_loopback(first, second) is same


def test_list_ports_of_a_system(system):
    found = list_ports(system)
    assert found.inputs == found.outputs == ("Grand Piano:Keys", "Drum Box:Pads")
    assert (found.api, found.problem) == ("fake", None)


class FakeClient:
    """An rtmidi object: one port at a time, and closing it forgets the callback, as in python-rtmidi."""

    def __init__(self, library):
        self._library = library
        self.opened = self.callback = None
        library.clients.append(self)

    def get_ports(self):
        return list(self._library.ports)

    def open_port(self, index, name):
        if self._library.refusals:
            self._library.refusals -= 1
            raise SystemError("busy")
        assert name
        self.opened = self._library.ports[index]

    def open_virtual_port(self, name):
        self.open_port(0, name)

    def close_port(self):
        self.opened = self.callback = None

    def cancel_callback(self):
        self.callback = None

    def ignore_types(self, sysex, timing, active_sense):
        self.heeds_all = not (sysex or timing or active_sense)

    def set_callback(self, callback):
        self.callback = callback

    def send_message(self, data):
        self._library.wire.append((self.opened, data))

    def delete(self):
        self.close_port()
        self._library.clients.remove(self)


class FakeRtMidi:
    """Stands in for the library: some APIs answer, the others raise and complain on descriptor 2."""

    def __init__(self, *answers):
        self._answers = answers
        self.ports = ["Synth:in"]
        self.clients = []
        self.wire = []
        self.refusals = 0

    def get_compiled_api(self):
        return [2, 3]

    def get_api_name(self, number):
        return {2: "alsa", 3: "jack"}[number]

    def MidiIn(self, number, name):
        assert name
        if self.get_api_name(number) not in self._answers:
            os.write(2, b"ALSA lib: noise")
            raise SystemError("no sequencer")
        return FakeClient(self)

    MidiOut = MidiIn


@pytest.mark.parametrize(("answers", "api"), [(("alsa", "jack"), "alsa"), (("jack",), "jack")])
def test_jack_is_tried_where_alsa_is_missing(monkeypatch, capfd, answers, api):
    monkeypatch.setattr(portsystem, "_import_rtmidi", lambda: FakeRtMidi(*answers))
    monkeypatch.delenv("ANTIPHON_MIDI_API", raising=False)
    found = list_ports()
    assert (found.api, found.problem, found.inputs) == (api, None, ("Synth:in",))
    assert capfd.readouterr().err == ""


def test_one_api_can_be_asked_for(monkeypatch):
    monkeypatch.setattr(portsystem, "_import_rtmidi", lambda: FakeRtMidi("alsa", "jack"))
    monkeypatch.setenv("ANTIPHON_MIDI_API", "jack")
    assert find_system().api == "jack"


def test_without_any_midi_system_there_is_a_sentence_and_silence(monkeypatch, capfd, clock):
    monkeypatch.setattr(portsystem, "_import_rtmidi", FakeRtMidi)
    found = list_ports()
    assert (found.inputs, found.outputs, found.api) == ((), (), "none")
    assert "ALSA or JACK" in found.problem.message
    assert "computer's keys" in found.problem.hint
    assert capfd.readouterr().err == ""
    system = find_system()
    for use in (
        lambda: open_input(system, "keys", print, clock),
        lambda: publish_output(system, "me", clock),
        lambda: publish_input(system, "me", print, clock),
    ):
        with pytest.raises(UserError, match="No MIDI system"):
            use()
    assert PortWatcher(system).poll(0.0) == ()


def test_a_library_that_does_not_load_is_a_sentence_too(monkeypatch):
    def fail():
        raise ImportError("libasound.so.2: cannot open shared object file")

    monkeypatch.setattr(portsystem, "_import_rtmidi", fail)
    system = find_system()
    assert isinstance(system, NoMidiSystem)
    assert "libasound.so.2" in system.problem.message


def test_the_real_library_says_nothing_without_a_midi_system(tmp_path):
    code = "from midi.ports import list_ports; p = list_ports(); print(p.api, p.problem is None)"
    env = {**os.environ, "JACK_DEFAULT_SERVER": "antiphon-nobody"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert run.stderr == ""
    assert run.stdout.split() in (["none", "False"], ["alsa", "True"], ["core", "True"], ["winmm", "True"])


def test_silence_ends_with_the_block_even_after_an_exception(capfd):
    libc = ctypes.CDLL(None)

    def fail():
        with portsystem.quiet_stderr():
            libc.write(2, b"noise", 5)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    libc.write(2, b"voice", 5)
    assert capfd.readouterr().err == "voice"


@pytest.fixture
def library():
    return FakeRtMidi("alsa")


@pytest.fixture
def alsa(library):
    return portsystem.RtMidiSystem(library, 2)


def test_windows_points_to_loopmidi(alsa):
    alsa.api = "winmm"
    with pytest.raises(UserError) as caught:
        alsa.publish(Direction.OUTPUT, "Antiphon")
    assert "loopMIDI" in caught.value.hint


def test_an_input_listens_again_after_reopening(alsa, library):
    heard = []
    connection = alsa.connect(Direction.INPUT, "Synth:in", heard.append)
    connection.reopen("Synth:in")
    client = library.clients[-1]
    assert client.heeds_all
    client.callback(([ON, 60, 1], 0.0), None)
    assert heard == [[ON, 60, 1]]
    assert len(library.clients) == 3, "two probes and one client that is used again"
    connection.close()
    connection.close()
    alsa.close()
    assert library.clients == []


def test_an_output_sends_to_the_port_of_its_name(alsa, library):
    library.ports = ["Other:in", "Synth:in"]
    connection = alsa.connect(Direction.OUTPUT, "Synth:in")
    connection.send(b"\xf8")
    connection.close()
    connection.send(b"\xf8")
    assert library.wire == [("Synth:in", b"\xf8")]


def test_a_client_that_refuses_is_replaced_once_then_given_up(alsa, library):
    connection = alsa.connect(Direction.OUTPUT, "Synth:in")
    library.refusals = 1
    connection.reopen("Synth:in")
    assert library.clients[-1].opened == "Synth:in"
    library.refusals = 2
    with pytest.raises(UserError, match="could not be opened"):
        connection.reopen("Synth:in")


def test_a_port_gone_since_it_was_listed_cannot_be_opened(alsa):
    with pytest.raises(UserError, match="'Gone' could not be opened"):
        alsa.connect(Direction.OUTPUT, "Gone")


def test_a_virtual_port_is_made_or_refused_with_a_sentence(alsa, library):
    heard = []
    alsa.publish(Direction.INPUT, "Antiphon", heard.append)
    library.clients[-1].callback(([0xF8], 0.0), None)
    assert heard == [[0xF8]]
    library.refusals = 1
    with pytest.raises(UserError, match="'Antiphon' could not be made"):
        alsa.publish(Direction.OUTPUT, "Antiphon")


def test_a_system_that_stops_answering_has_no_ports(alsa, library):
    library.ports = None
    assert alsa.names(Direction.INPUT) == ()


def test_silencing_does_without_a_standard_error(monkeypatch):
    def fail(_):
        raise OSError("bad descriptor")

    monkeypatch.setattr(os, "dup", fail)
    with portsystem.quiet_stderr():
        assert match_port("a", ("A",), Direction.INPUT) == "A"


# Inputs


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


# Outputs


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


# Hot-plug


def test_the_watcher_reports_coming_and_going_at_its_own_pace(system):
    watcher = PortWatcher(system, interval_s=0.5)
    assert watcher.poll(0.0) == ()
    system.plug("Organ:Out")
    assert watcher.poll(0.4) == ()
    events = watcher.poll(0.5)
    assert {(e.change, e.name, e.direction) for e in events} == {
        ("appeared", "Organ:Out", Direction.INPUT),
        ("appeared", "Organ:Out", Direction.OUTPUT),
    }
    system.unplug("Organ:Out")
    assert [e.change for e in watcher.poll(1.0)] == ["vanished", "vanished"]


def test_a_lost_input_says_so_once_and_comes_back_by_name(system, clock):
    queue = InputQueue()
    port = open_input(system, "piano", queue.put, clock)
    watcher = PortWatcher(system, interval_s=0.5)
    watcher.watch(port)
    system.unplug("Grand Piano:Keys")
    watcher.poll(1.0)
    watcher.poll(2.0)
    assert [(m.kind, m.time_s, m.source) for m in queue.drain()] == [(Kind.SOURCE_LOST, 1.0, port.name)]
    device = system.plug("Grand Piano:Keys")
    watcher.poll(3.0)
    assert not port.lost
    device.play([ON, 60, 1])
    assert [m.kind for m in queue.drain()] == [Kind.NOTE_ON]


def test_a_port_replugged_under_another_alsa_number_is_lost_and_found_in_one_look(clock):
    system, queue = FakeSystem("Keys:Keys 20:0"), InputQueue()
    port = open_input(system, "keys", queue.put, clock)
    watcher = PortWatcher(system)
    watcher.watch(port)
    system.unplug("Keys:Keys 20:0")
    device = system.plug("Keys:Keys 24:0")
    watcher.poll(1.0)
    device.play([ON, 60, 1])
    assert [m.kind for m in queue.drain()] == [Kind.SOURCE_LOST, Kind.NOTE_ON]
    assert port.name == "Keys:Keys 24:0"


def test_a_lost_output_releases_on_return_what_hung(system, clock, output):
    watcher = PortWatcher(system)
    watcher.watch(output)
    output.send(note_on(0, 60, 1))
    output.send(note_on(0, 61, 1))
    system.unplug("Grand Piano:Keys")
    watcher.poll(1.0)
    output.send(note_off(0, 60))
    output.send(note_on(0, 62, 1))
    device = system.plug("Grand Piano:Keys")
    watcher.poll(2.0)
    output.send(note_on(0, 61, 1))
    watcher.poll(3.0)
    assert [tuple(d[:2]) for d in device.heard] == [(ON, 61), (OFF, 60)]
    assert output.sounding() == ((0, 61),)


def test_a_port_that_comes_back_but_cannot_be_opened_yet_is_tried_again(system, clock, monkeypatch):
    port = open_input(system, "piano", print, clock)
    watcher = PortWatcher(system)
    watcher.watch(port)
    system.unplug("Grand Piano:Keys")
    watcher.poll(1.0)
    monkeypatch.setattr(system, "names", lambda _: ("Grand Piano:Keys",))
    watcher.poll(2.0)
    assert port.lost
    system.plug("Grand Piano:Keys")
    watcher.poll(3.0)
    assert not port.lost


def test_a_port_no_longer_watched_is_left_alone(system, clock):
    queue = InputQueue()
    port = open_input(system, "piano", queue.put, clock)
    watcher = PortWatcher(system)
    watcher.watch(port)
    watcher.unwatch(port)
    system.unplug("Grand Piano:Keys")
    assert len(watcher.poll(1.0)) == 2
    assert not port.lost
    assert len(queue) == 0


def test_virtual_and_null_ports_are_never_lost(system, clock):
    heard = []
    watcher = PortWatcher(system)
    for port in (
        open_input(system, "none", heard.append, clock),
        publish_input(system, "me", heard.append, clock),
    ):
        watcher.watch(port)
    watcher.poll(1.0)
    assert heard == []


# Scheduler


def kinds(messages):
    return [(m.kind, m.data1, m.data2) for m in messages]


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
