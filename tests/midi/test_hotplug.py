"""Ports that come and go while they are watched."""

from midi.messages import InputQueue, Kind, note_off, note_on
from midi.ports import Direction, FakeSystem, PortWatcher, open_input, publish_input
from tests.midi.wire import OFF, ON


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
