"""The desk of the soak test: instruments that are played, pulled out and plugged in, inside its process.

The folder above the takes is where both processes talk: while ``quiet`` exists nobody plays; ``stage.json``
says what sounds on the instruments; ``faults.txt`` collects what went wrong.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import traceback
from collections import Counter
from multiprocessing import active_children
from pathlib import Path

from midi.fakeports import FakePort, FakeSystem
from studio.live.desk import Desk
from studio.live.deskoptions import DeskOptions

INSTRUMENTS = ("Keys", "Rack", "Knobs")
REPORT_S = 0.25
LEARNED_CONTROLLERS = (1, 7, 21, 22, 23, 64)


class Wire:
    """What an instrument received, as counts: a list would grow for as long as the test runs."""

    def __init__(self) -> None:
        self.sounding: Counter[tuple[int, int]] = Counter()
        self.n_notes = self.n_strange = 0

    def append(self, data: bytes) -> None:
        """Take one message."""
        kind, note = data[0] & 0xF0, (data[0] & 15, data[1])
        if kind == 0x90 and data[2]:
            self.n_notes += 1
            self.n_strange += self.sounding[note] > 0
            self.sounding[note] += 1
        elif kind in {0x80, 0x90}:
            # Panic and stops end what may not have begun; that is no fault.
            self.sounding[note] = 0

    def hanging(self) -> int:
        """Notes that sound."""
        return sum(count > 0 for count in self.sounding.values())


class Stagehands(FakeSystem):
    """Instruments whose wires are counted."""

    def plug(self, name: str) -> FakePort:
        """Plug an instrument in."""
        port = super().plug(name)
        port.heard = Wire()  # type: ignore[assignment]
        return port

    def plugged(self) -> list[FakePort]:
        """What there is."""
        return list(self._ports.values())


class Stage:
    """Plays and pulls plugs at random until the process ends.

    Args:
        system: The instruments.
        folder: Where both processes talk.
        seed: Same seed, same order of events.
    """

    def __init__(self, system: Stagehands, folder: Path, seed: int) -> None:
        self._system, self._folder, self._rng = system, folder, random.Random(seed)
        self._held: list[tuple[FakePort, int]] = []
        self._n_plugs = 0
        self._told_s = 0.0

    def run(self) -> None:
        """Until the process ends."""
        while True:
            time.sleep(0.01)
            if (self._folder / "quiet").exists():
                self._release(len(self._held))
            elif self._rng.random() < 0.12:
                self._turn()
            if time.monotonic() - self._told_s > REPORT_S:
                self._told_s = time.monotonic()
                self._tell()

    def _turn(self) -> None:
        rng, ports = self._rng, self._system.plugged()
        draw = rng.random()
        if draw < 0.02:
            self._change_plugs()
        elif draw < 0.45 and ports:
            port, pitch = rng.choice(ports), rng.randrange(36, 96)
            port.play((0x90, pitch, rng.randrange(1, 128)))
            self._held.append((port, pitch))
            self._release(len(self._held) - 6)
        elif draw < 0.8:
            self._release(1)
        elif ports:
            number = rng.choice(LEARNED_CONTROLLERS)
            rng.choice(ports).play((0xB0, number, rng.randrange(128)))

    def _release(self, count: int) -> None:
        for _ in range(max(0, min(count, len(self._held)))):
            port, pitch = self._held.pop(0)
            port.play((0x80, pitch, 0))

    def _change_plugs(self) -> None:
        """Pull one out, keys held or not, or plug one in."""
        there = [port.name for port in self._system.plugged()]
        name = self._rng.choice(INSTRUMENTS)
        self._n_plugs += 1
        if name in there:
            self._system.unplug(name)
        else:
            self._system.plug(name)

    def _tell(self) -> None:
        wires = [port.heard for port in self._system.plugged()]
        told = {
            "hanging": sum(wire.hanging() for wire in wires), "notes": sum(wire.n_notes for wire in wires),
            "plugs": self._n_plugs, "held": len(self._held),
            "sound": next((child.pid for child in active_children() if child.name == "antiphon-sound"), 0),
        }  # fmt: skip
        fresh = self._folder / "stage.part"
        fresh.write_text(json.dumps(told))
        fresh.replace(self._folder / "stage.json")


def build(options: DeskOptions) -> Desk:
    """The desk, its stage set. Faults of any thread are written down."""
    assert options.takes is not None
    folder = options.takes.parent
    _write_faults_down(folder / "faults.txt")
    system = Stagehands(*INSTRUMENTS)
    stage = Stage(system, folder, options.seed)
    threading.Thread(target=stage.run, name="stage", daemon=True).start()
    return Desk(options, system=system)


def _write_faults_down(path: Path) -> None:
    def write(words: str) -> None:
        with path.open("a") as file:
            file.write(f"process {os.getpid()}: {words}\n")

    def of_thread(fault: threading.ExceptHookArgs) -> None:
        write("".join(traceback.format_exception(fault.exc_type, fault.exc_value, fault.exc_traceback)))

    threading.excepthook = of_thread
    sys.excepthook = lambda *fault: write("".join(traceback.format_exception(*fault)))
