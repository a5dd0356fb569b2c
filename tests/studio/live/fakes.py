"""Planners, devices and an ear that cost nothing, for the tests of the engine, the desk and the window."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from midi.errors import UserError
from midi.events import GRID_PER_BEAT
from models.sequence.plan import Plan, PlannedNote, PlanRequest
from studio.live.messages import Sound, Voice


class Ear:
    """What is heard, in order."""

    def __init__(self) -> None:
        self.sounds: list[Sound] = []

    def play(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def panic(self) -> None:
        """Offs come all the same."""

    def set_volume(self, voice: Voice, gain_db: float) -> None:
        """Everything is heard."""

    def ons(self, voice: Voice) -> list[Sound]:
        return [s for s in self.sounds if s.kind == "on" and s.voice is voice]

    def pitches(self, voice: Voice, kind: str = "on") -> list[int]:
        return [s.pitch for s in self.sounds if s.kind == kind and s.voice is voice]

    def counts(self, kind: str) -> Counter[int]:
        """How often every note began or ended."""
        return Counter(s.note_id for s in self.sounds if s.kind == kind)

    def unpaired(self) -> Counter[int]:
        """Notes without exactly one end; one that begins twice fails the test."""
        ons, offs = self.counts("on"), self.counts("off")
        assert set(ons.values()) <= {1}
        return (ons - offs) + (offs - ons)


def plan_of(request: PlanRequest) -> Plan:
    """One note a beat, so that a test can say what must be heard."""
    first = -(-request.from_tick // GRID_PER_BEAT) * GRID_PER_BEAT
    notes = tuple(
        PlannedNote(tick, GRID_PER_BEAT // 2, 48 + tick // GRID_PER_BEAT % 12, 70, 0)
        for tick in range(first, request.until_tick, GRID_PER_BEAT)
    )
    return Plan(request.number, request.from_tick, request.until_tick, notes, rows=len(notes))


class BeatPlanner:
    """Answers at once and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request.number)
        return plan_of(request)


class SlowPlanner:
    """Answers while its gate file is there; waits for it otherwise."""

    def __init__(self, gate: str) -> None:
        self.gate = Path(gate)

    def plan(self, request: PlanRequest) -> Plan:
        while request.number > 0 and not self.gate.exists():
            time.sleep(0.001)
        return plan_of(request)


class SearchingPlanner:
    """Looks for a better plan until a newer request waits."""

    def __init__(self) -> None:
        self.is_awaited: Callable[[], bool] = lambda: False

    def plan(self, request: PlanRequest) -> Plan:
        while request.number > 0 and not self.is_awaited():
            time.sleep(0.001)
        return plan_of(request)


class CrashingPlanner:
    """Raises, or leaves without a word, on request 13."""

    def __init__(self, how: str) -> None:
        self.how = how

    def plan(self, request: PlanRequest) -> Plan:
        if request.number == 13 and self.how == "exit":
            os._exit(7)
        if request.number == 13:
            raise ZeroDivisionError("no such chord")
        return plan_of(request)


def refuse(name: str) -> BeatPlanner:
    raise UserError(f"{name} is no bundle.", "Choose another.")


def chatter() -> BeatPlanner:
    os.write(1, b"a library talks to standard output")
    return BeatPlanner()


def quiet_desk(options):
    """A desk without devices, whose model answers at once: what a test runs in a process of its own."""
    from midi.ports import FakeSystem
    from studio.live.desk import Desk
    from studio.live.planner import InlinePlanner

    return Desk(options, system=FakeSystem("Keys"), planner=InlinePlanner(BeatPlanner()))


def refused_desk(_options):
    """A desk that cannot be made."""
    raise RuntimeError("no room for a desk")
