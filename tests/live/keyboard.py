"""A person at a keyboard, for tests over real ports: plays a phrase, records what it hears.

Run as ``python -m tests.live.keyboard --name Keys --notes 800 --bpm 120 --report keys.json``. It talks
to rtmidi directly, not through ``midi.ports``, so that the two cannot share a mistake.

Conversation over its pipes, a line each: it says ``ready`` when its ports are open and ``reopened`` after
it closed and opened its port again, and both times goes on when told anything; it says ``played`` after
the last note and, told anything (or when its standard input ends), writes the report.

The report: ``sent`` and ``heard`` are lists of ``[seconds, [bytes]]`` on the system's monotonic clock,
``cut`` is how many notes were on when the port was closed mid-phrase (their offs are never sent).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

PHRASE = (60, 64, 67, 72, 71, 67, 65, 62, 57, 60, 65, 69)
VELOCITY = 90
SLOWEST_REPLY_S = 60.0


class Keyboard:
    """Two virtual ports, ``NAME:out`` that plays and ``NAME-01:in`` (on JACK) that hears."""

    def __init__(self, name: str, api: str) -> None:
        import rtmidi

        self._rtmidi = rtmidi
        self._name = name
        self._api = {rtmidi.get_api_name(number): number for number in rtmidi.get_compiled_api()}[api]
        self.sent: list[tuple[float, list[int]]] = []
        self.heard: list[tuple[float, list[int]]] = []
        self._out = self._open_out()
        self._in = rtmidi.MidiIn(self._api, name=name)
        self._in.ignore_types(sysex=False, timing=False, active_sense=False)
        self._in.open_virtual_port("in")
        self._is_listening = True
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _open_out(self):
        out = self._rtmidi.MidiOut(self._api, name=self._name)
        out.open_virtual_port("out")
        return out

    def _listen(self) -> None:
        while self._is_listening:
            while message := self._in.get_message():
                self.heard.append((time.monotonic(), message[0]))
            time.sleep(0.001)

    def send(self, *data: int) -> None:
        self.sent.append((time.monotonic(), list(data)))
        self._out.send_message(data)

    def reopen(self, gap_s: float) -> None:
        self._out.delete()
        time.sleep(gap_s)
        self._out = self._open_out()

    def close(self) -> None:
        self._is_listening = False
        self._listener.join()
        self._out.delete()
        self._in.delete()


def play(keyboard: Keyboard, options: argparse.Namespace, say_and_wait) -> int:
    """Play the phrase; returns how many notes the closing of the port cut."""
    step_s = 60.0 / options.bpm / options.per_beat
    start_s, n_played, cut = time.monotonic(), 0, 0
    for step in range(0, options.notes, options.chord):
        pitches = [PHRASE[i % len(PHRASE)] + options.transpose for i in range(step, step + options.chord)]
        pitches = pitches[: options.notes - n_played]
        for pitch in pitches:
            keyboard.send(0x90, pitch, VELOCITY)
        n_played += len(pitches)
        if options.reopen_after and n_played - len(pitches) < options.reopen_after <= n_played:
            cut += len(pitches)
            # A period for the notes to leave before the port goes.
            time.sleep(0.1)
            pause_s = time.monotonic()
            keyboard.reopen(options.gap)
            say_and_wait("reopened")
            start_s += time.monotonic() - pause_s + 0.1
        else:
            _sleep_until(start_s + (step / options.chord + options.gate) * step_s)
            for pitch in pitches:
                keyboard.send(0x80, pitch, 0)
        _sleep_until(start_s + (step / options.chord + 1) * step_s)
    return cut


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))


def _say_and_wait(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="Keys")
    parser.add_argument("--api", default=os.environ.get("ANTIPHON_MIDI_API", "jack"))
    parser.add_argument("--notes", type=int, default=800)
    parser.add_argument("--bpm", type=float, default=120.0)
    parser.add_argument("--per-beat", type=float, default=4.0, help="chords a beat")
    parser.add_argument("--chord", type=int, default=1, help="notes struck together, at most 12")
    parser.add_argument("--gate", type=float, default=0.8, help="sounding share of a step")
    parser.add_argument("--transpose", type=int, default=0)
    parser.add_argument("--reopen-after", type=int, default=0, help="close the port after this note, held")
    parser.add_argument("--gap", type=float, default=1.5, help="seconds the port stays closed")
    parser.add_argument("--report", type=Path, required=True)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    keyboard = Keyboard(options.name, options.api)
    _say_and_wait("ready")
    cut = play(keyboard, options, _say_and_wait)
    _say_and_wait("played")
    keyboard.close()
    options.report.write_text(json.dumps({"sent": keyboard.sent, "heard": keyboard.heard, "cut": cut}))


class KeyboardProcess:
    """The keyboard in a process of its own; use as a context manager.

    ``wait_for(word)`` until it says so, ``go()`` to let it carry on, ``finish()`` for the report.
    """

    def __init__(self, report: Path, *arguments: str) -> None:
        self._report = report
        command = [sys.executable, "-m", "tests.live.keyboard", "--report", str(report), *arguments]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            command, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> KeyboardProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def wait_for(self, word: str) -> None:
        said = self._process.stdout.readline().strip()
        assert said == word, f"the keyboard said {said!r}, not {word!r}"

    def go(self) -> None:
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def finish(self) -> dict:
        self.go()
        assert self._process.wait(SLOWEST_REPLY_S) == 0
        return json.loads(self._report.read_text())


def notes_on_wire(messages: list) -> tuple[list[int], list[int]]:
    """Pitches struck, in order, and those left without exactly one off each.

    ``messages`` are ``[seconds, bytes]``. Strikes of a sounding key and stray offs also count as unclosed.
    """
    struck, wrong, sounding = [], [], set()
    for _, (status, *data) in messages:
        if status & 0xF0 == 0x90 and data[1] > 0:
            struck.append(data[0])
            if (status & 15, data[0]) in sounding:
                wrong.append(data[0])
            sounding.add((status & 15, data[0]))
        elif status & 0xE0 == 0x80:
            if (status & 15, data[0]) not in sounding:
                wrong.append(data[0])
            sounding.discard((status & 15, data[0]))
    return struck, wrong + [pitch for _, pitch in sounding]


if __name__ == "__main__":
    main()
