"""The computer's MIDI systems: found, absent, noisy or refusing."""

import ctypes
import os
import subprocess
import sys
import time
from collections import deque

import pytest

from midi import portsystem
from midi.errors import UserError
from midi.ports import (
    Direction,
    NoMidiSystem,
    PortWatcher,
    find_system,
    list_ports,
    match_port,
    open_input,
    publish_input,
    publish_output,
)
from tests.midi.wire import ON


class FakeClient:
    """An rtmidi object: one port at a time, and what it has received waits to be asked for."""

    def __init__(self, library):
        self._library = library
        self.opened = None
        self.is_deleted = False
        self.received = deque()
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
        self.opened = None

    def ignore_types(self, sysex, timing, active_sense):
        self.heeds_all = not (sysex or timing or active_sense)

    def get_message(self):
        assert not self.is_deleted, "rtmidi would crash here"
        return (self.received.popleft(), 0.0) if self.received else None

    def send_message(self, data):
        self._library.wire.append((self.opened, data))

    def delete(self):
        self.is_deleted = True
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

    def MidiIn(self, number, name, queue_size_limit=1024):
        assert name
        assert queue_size_limit >= 1024
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


def wait_for(heard, n_messages):
    deadline_s = time.monotonic() + 20.0
    while len(heard) < n_messages:
        assert time.monotonic() < deadline_s, f"heard only {heard}"
        time.sleep(0.001)


def test_an_input_listens_again_after_reopening(alsa, library):
    heard = []
    connection = alsa.connect(Direction.INPUT, "Synth:in", heard.append)
    connection.reopen("Synth:in")
    client = library.clients[-1]
    assert client.heeds_all
    client.received += [[ON, 60, 1], [ON, 62, 1]]
    wait_for(heard, 2)
    assert heard == [[ON, 60, 1], [ON, 62, 1]]
    assert len(library.clients) == 3, "two probes and one client that is used again"
    connection.close()
    connection.close()
    alsa.close()
    assert library.clients == []


def test_a_closed_input_is_asked_for_nothing_and_says_nothing(alsa, library, monkeypatch):
    faults, heard = [], []
    monkeypatch.setattr("threading.excepthook", faults.append)
    connection = alsa.connect(Direction.INPUT, "Synth:in", heard.append)
    client = library.clients[-1]
    connection.close()
    client.received.append([ON, 60, 1])
    time.sleep(0.02)
    assert (heard, faults) == ([], [])


def test_a_closed_system_has_no_ports(alsa):
    assert alsa.names(Direction.INPUT) == ("Synth:in",)
    alsa.close()
    assert alsa.names(Direction.INPUT) == ()


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


def test_a_port_gone_since_it_was_listed_cannot_be_opened(alsa, library):
    with pytest.raises(UserError, match="'Gone' could not be opened"):
        alsa.connect(Direction.OUTPUT, "Gone")
    assert len(library.clients) == 2, "the probes and nothing else"


def test_a_virtual_port_is_made_or_refused_with_a_sentence(alsa, library):
    heard = []
    alsa.publish(Direction.INPUT, "Antiphon", heard.append)
    library.clients[-1].received.append([0xF8])
    wait_for(heard, 1)
    assert heard == [[0xF8]]
    library.refusals = 1
    with pytest.raises(UserError, match="'Antiphon' could not be made"):
        alsa.publish(Direction.OUTPUT, "Antiphon")
    assert len(library.clients) == 3, "two probes and the port that was made"


def test_a_system_that_stops_answering_has_no_ports(alsa, library):
    library.ports = None
    assert alsa.names(Direction.INPUT) == ()


def test_silencing_does_without_a_standard_error(monkeypatch):
    def fail(_):
        raise OSError("bad descriptor")

    monkeypatch.setattr(os, "dup", fail)
    with portsystem.quiet_stderr():
        assert match_port("a", ("A",), Direction.INPUT) == "A"
