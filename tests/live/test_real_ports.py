"""Real ports over JACK: a keyboard in another process, everything heard, everything closed."""

import threading
import time

import pytest

from midi.messages import InputQueue, Kind, note_on
from midi.ports import (
    LoopbackGuard,
    PortWatcher,
    find_system,
    is_loopback,
    list_ports,
    open_input,
    open_output,
    publish_input,
    publish_output,
)
from midi.scheduler import OutputScheduler
from midi.systemclock import SystemClock
from tests.live.conftest import connections, n_at_risk, n_differing, wait_until
from tests.live.keyboard import KeyboardProcess, notes_on_wire

pytestmark = [pytest.mark.device, pytest.mark.timeout(120)]

N_NOTES = 800
N_CLOSINGS = 25
ECHO_S = 0.030
SETTLE_S = 0.1  # Two periods of 21 ms before a new JACK connection carries messages, and some to spare.


@pytest.fixture
def system(jackd):
    found = find_system()
    assert found.api == "jack", found.problem
    yield found
    found.close()


class Echo:
    """The smallest engine there is: answers each key an octave up, 30 ms later, through the scheduler."""

    def __init__(self, system, name):
        self._clock = SystemClock()
        self._queue = InputQueue()
        self._held = {}
        self.keys = []
        self.n_lost = 0
        self.input = open_input(system, name, self._queue.put, self._clock)
        self.output = open_output(system, name, self._clock)
        self.scheduler = OutputScheduler(self.output, self._clock)
        self.events = []
        self._watcher = PortWatcher(system)
        self._watcher.watch(self.input)
        self._watcher.watch(self.output)

    def step(self):
        self.events += self._watcher.poll(self._clock.now_s())
        for message in self._queue.drain():
            at_s = message.time_s + ECHO_S
            if message.kind is Kind.NOTE_ON:
                self.keys.append(message.data1)
                self._held[message.data1] = len(self.keys)
                self.scheduler.note_on(at_s, len(self.keys), 0, message.data1 + 12, message.data2)
            elif message.kind is Kind.NOTE_OFF and message.data1 in self._held:
                self.scheduler.note_off(at_s, self._held.pop(message.data1))
            elif message.kind is Kind.SOURCE_LOST:
                self.n_lost += 1
                for note_id in self._held.values():
                    self.scheduler.note_off(at_s, note_id)
                self._held.clear()

    def close(self):
        self.scheduler.close()
        self.output.close()
        self.input.close()


def test_800_notes_from_another_process_all_arrive_and_all_close(system, jackd, tmp_path, record_property):
    arguments = ("--name", "Stage Piano", "--notes", str(N_NOTES), "--per-beat", "8", "--chord", "2")
    with KeyboardProcess(tmp_path / "keys.json", *arguments, "--reopen-after", "400") as keyboard:
        keyboard.wait_for("ready")
        echo = Echo(system, "stage piano")
        time.sleep(SETTLE_S)
        keyboard.go()
        wait_until(lambda: len(echo.keys) >= 400, "half the notes came", 60.0, echo.step)
        wait_until(lambda: echo.n_lost == 1, "the port was missed", meanwhile=echo.step)
        wait_until(
            lambda: not echo.input.lost and connections("Stage Piano:out"),
            "the port came back",
            20.0,
            echo.step,
        )
        keyboard.wait_for("reopened")
        time.sleep(SETTLE_S)
        keyboard.go()
        wait_until(lambda: len(echo.keys) >= N_NOTES, "all notes came", 60.0, echo.step)
        keyboard.wait_for("played")
        deadline_s = time.monotonic() + 0.5
        wait_until(lambda: time.monotonic() > deadline_s, "the last echoes left", meanwhile=echo.step)
        for pitch in (40, 44, 47):
            echo.output.send(note_on(5, pitch, 80))
        echo.scheduler.note_on(SystemClock().now_s() + 0.2, "never", 5, 90, 80)
        echo.scheduler.flush_and_panic(all_channels=True)
        time.sleep(0.3)
        report = keyboard.finish()
        late = echo.scheduler.lateness()
        echo.close()
    played, _ = notes_on_wire(report["sent"])
    heard, unclosed = notes_on_wire(report["heard"])
    answers = [pitch + 12 for pitch in played] + [40, 44, 47]
    panic = [tuple(data) for _, data in report["heard"] if data[0] & 0xF0 == 0xB0]
    silence = [(0xB0 | channel, number, 0) for number in (123, 120, 64) for channel in range(16)]
    at_risk = n_at_risk(jackd)
    assert len(played) == N_NOTES
    assert (echo.keys, heard, panic) == (played, answers, silence) or at_risk
    assert n_differing(echo.keys, played) <= at_risk
    assert n_differing(heard, answers) <= at_risk
    assert len(unclosed) <= at_risk
    assert report["cut"] == 2
    assert [e.change for e in echo.events if e.name == "Stage Piano:out"] == ["vanished", "appeared"]
    assert (echo.output.n_unsent, echo.output.n_stray, echo.scheduler.n_stale) == (0, 0, 0)
    record_property("lateness_p99_ms", late.p99_ms)
    print(f"{len(echo.keys)} keys, lateness {late}")  # noqa: T201


def test_our_own_output_as_our_input_is_recognised(system):
    clock, queue, guard = SystemClock(), InputQueue(), LoopbackGuard(window_s=0.2)
    output = publish_output(system, "Mirror", clock, guard)
    port = open_input(system, "mirror", queue.put, clock, guard)
    assert is_loopback(port.name, "Mirror:out")
    time.sleep(SETTLE_S)
    output.send(note_on(0, 60, 90))
    wait_until(lambda: guard.n_echoes == 1, "the echo came back")
    assert queue.drain() == []
    port.close()
    output.close()


def test_a_lost_output_is_found_again_and_its_hanging_note_released(system):
    clock, heard = SystemClock(), InputQueue()
    synth = publish_input(system, "Rack Synth", heard.put, clock)
    output = open_output(system, "rack", clock)
    watcher = PortWatcher(system, interval_s=0.1)
    watcher.watch(output)
    output.send(note_on(0, 60, 90))
    wait_until(lambda: len(heard), "the note came")
    synth.close()
    wait_until(lambda: output.lost, "the loss was noticed", meanwhile=lambda: watcher.poll(clock.now_s()))
    heard.drain()
    synth = publish_input(system, "Rack Synth", heard.put, clock)
    wait_until(lambda: len(heard), "the note was released", meanwhile=lambda: watcher.poll(clock.now_s()))
    assert [(m.kind, m.data1) for m in heard.drain()] == [(Kind.NOTE_OFF, 60)]
    output.close()
    synth.close()


def test_an_input_closes_and_reopens_while_messages_pour_in(system):
    clock, heard, is_over = SystemClock(), InputQueue(), threading.Event()
    source = publish_output(system, "Fountain", clock)

    def pour():
        while not is_over.wait(0.005):
            for pitch in range(40, 50):
                source.send(note_on(0, pitch, 80))

    def keep_the_interpreter_busy():
        while not is_over.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=work, daemon=True) for work in (pour, keep_the_interpreter_busy)]
    for thread in threads:
        thread.start()
    n_heard = []
    for _ in range(N_CLOSINGS):
        port = open_input(system, "fountain", heard.put, clock)
        wait_until(lambda: len(heard), "messages came")
        port.reopen(port.name)
        heard.drain()
        wait_until(lambda: len(heard), "messages came again")
        port.close()
        heard.drain()
        time.sleep(SETTLE_S / 4)
        n_heard.append(len(heard))
    is_over.set()
    for thread in threads:
        thread.join()
    source.close()
    assert n_heard == [0] * N_CLOSINGS


def test_virtual_ports_are_listed(system):
    clock = SystemClock()
    ports = [publish_input(system, "Antiphon", print, clock), publish_output(system, "Antiphon", clock)]
    found = list_ports()
    assert (found.api, found.problem) == ("jack", None)
    assert any(name.startswith("Antiphon") and name.endswith(":out") for name in found.inputs)
    assert any(name.startswith("Antiphon") and name.endswith(":in") for name in found.outputs)
    for port in ports:
        port.close()
    assert not [name for name in list_ports(system).inputs if name.startswith("Antiphon")]
