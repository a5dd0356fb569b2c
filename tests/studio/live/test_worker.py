from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from models.sequence.plan import PlanRequest
from studio.live.messages import Input, ModelChanged, PlanArrived
from studio.live.planner import InlinePlanner, ModelState, NoPlanner, PlannerSpec, warm_up_request
from studio.live.worker import ModelProcess
from tests.studio.live.fakes import BeatPlanner

FAKES = "tests.studio.live.fakes"


def request(number: int) -> PlanRequest:
    return replace(warm_up_request(), number=number)


@contextmanager
def running(spec: PlannerSpec, **options: float) -> Iterator[ModelProcess]:
    process = ModelProcess(spec, **{"pauses_s": (0.0,), "spare_after_s": math.inf, **options})
    try:
        yield process
    finally:
        process.close()


class Inbox:
    """Everything a planner has reported, gathered until a condition holds."""

    def __init__(self, process: ModelProcess) -> None:
        self.process = process
        self.found: list[Input] = []

    def wait(self, is_done: Callable[[], bool], limit_s: float = 30.0) -> None:
        """Poll until it holds; the limit is only there so that a broken test ends."""
        end_s = time.monotonic() + limit_s
        while not is_done():
            assert time.monotonic() < end_s, (self.found, self.process.health())
            time.sleep(0.001)
            self.found += self.process.poll(1.0)

    def plans(self) -> list[int]:
        return [item.plan.number for item in self.found if isinstance(item, PlanArrived)]

    def changes(self) -> list[bool]:
        return [item.is_ready for item in self.found if isinstance(item, ModelChanged)]

    def wait_ready(self, times: int = 1) -> None:
        self.wait(lambda: self.changes().count(True) >= times)


def test_plans_come_back_as_values() -> None:
    with running(PlannerSpec(f"{FAKES}:chatter")) as process:
        inbox = Inbox(process)
        process.submit(request(1))
        inbox.wait(lambda: inbox.plans() == [1])
        assert inbox.changes() == [True]
        assert process.health().state is ModelState.READY
        plan = next(item.plan for item in inbox.found if isinstance(item, PlanArrived))
        assert [note.onset_ticks for note in plan.notes] == [0, 24, 48, 72]
    assert process.health().state is ModelState.CLOSED
    process.close()
    process.submit(request(2))
    assert process.poll(2.0) == []


def test_newest_request_wins(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(PlannerSpec(f"{FAKES}:SlowPlanner", (str(gate),))) as process:
        inbox = Inbox(process)
        inbox.wait_ready()
        process.submit(request(1))
        inbox.wait(lambda: process._slot is None)
        for number in range(2, 50):
            process.submit(request(number))
        gate.touch()
        inbox.wait(lambda: 49 in inbox.plans())
        assert inbox.plans() == [1, 49]


def test_killed_twice_plans_resume() -> None:
    with running(PlannerSpec(f"{FAKES}:BeatPlanner")) as process:
        inbox = Inbox(process)
        for n_kills in range(2):
            inbox.wait_ready(n_kills + 1)
            pid = process.health().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            inbox.wait(lambda n=n_kills: inbox.changes().count(False) == n + 1)
        inbox.wait_ready(3)
        process.submit(request(5))
        inbox.wait(lambda: 5 in inbox.plans())
        assert inbox.changes() == [True, False, True, False, True]
        assert process.health().restarts == 2
        assert process.health().sentence == ""


def test_spare_takes_over_without_a_new_start() -> None:
    spec = PlannerSpec(f"{FAKES}:BeatPlanner")
    # With this pause a process that had to be started again would come after the test's limit.
    with running(spec, pauses_s=(1000.0,), spare_after_s=0.0) as process:
        inbox = Inbox(process)
        for n_kills in range(2):
            inbox.wait_ready(n_kills + 1)
            inbox.wait(lambda: process._spare is not None)
            pid = process.health().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            inbox.wait(lambda n=n_kills: inbox.changes().count(True) == n + 2)
            assert process.health().pid != pid
        process.submit(request(5))
        inbox.wait(lambda: 5 in inbox.plans())
        inbox.wait(lambda: process._spare is not None)
        spare = process._spare
    assert spare is not None
    assert process._spare is None
    with pytest.raises(ValueError, match="closed"):
        spare.process.is_alive()


@pytest.mark.parametrize(("how", "sentence"), [("exit", "died"), ("raise", "no such chord")])
def test_crash_is_reported_and_survived(how: str, sentence: str) -> None:
    with running(PlannerSpec(f"{FAKES}:CrashingPlanner", (how,))) as process:
        inbox = Inbox(process)
        inbox.wait_ready()
        process.submit(request(13))
        seen = []
        inbox.wait(lambda: bool(seen.append(process.health().sentence) or False in inbox.changes()))
        assert any(sentence in text for text in [*seen, process.health().sentence])
        inbox.wait_ready(2)
        process.submit(request(14))
        inbox.wait(lambda: inbox.plans() == [14])


def test_hanging_model_is_started_again(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(PlannerSpec(f"{FAKES}:SlowPlanner", (str(gate),)), hang_s=0.05) as process:
        inbox = Inbox(process)
        inbox.wait_ready()
        process.submit(request(1))
        inbox.wait(lambda: False in inbox.changes())
        gate.touch()
        inbox.wait_ready(2)
        # On a busy machine a plan may well take longer than this test's limit: ask until it is there.
        inbox.wait(lambda: process.submit(request(2)) or 2 in inbox.plans())


def test_refused_bundle_is_one_sentence_and_no_loop() -> None:
    with running(PlannerSpec(f"{FAKES}:refuse", ("mud",))) as process:
        inbox = Inbox(process)
        inbox.wait(lambda: process.health().state is ModelState.REFUSED)
        inbox.wait(lambda: inbox.changes() == [False])
        health = process.health()
        assert (health.sentence, health.hint, health.restarts) == ("mud is no bundle.", "Choose another.", 0)


def test_unknown_factory_keeps_trying() -> None:
    with running(PlannerSpec(f"{FAKES}:nothing_of_that_name")) as process:
        inbox = Inbox(process)
        inbox.wait(lambda: process.health().restarts >= 2)
        assert set(inbox.changes()) == {False}
        assert "nothing_of_that_name" in process.health().sentence


def test_interrupt_does_not_end_the_model() -> None:
    with running(PlannerSpec(f"{FAKES}:BeatPlanner")) as process:
        inbox = Inbox(process)
        inbox.wait_ready()
        pid = process.health().pid
        assert pid is not None
        os.kill(pid, signal.SIGINT)
        process.submit(request(3))
        inbox.wait(lambda: inbox.plans() == [3])
        assert process.health().restarts == 0


def test_inline_planner_charges_its_latency() -> None:
    planner = BeatPlanner()
    inline = InlinePlanner(planner, latency_s=0.5)
    assert inline.poll(0.0) == [ModelChanged(0.0, is_ready=True)]
    inline.submit(request(1))
    assert inline.due_s == 0.5
    assert inline.poll(0.25) == []
    inline.submit(request(2))
    inline.submit(request(3))
    first = inline.poll(0.5)
    assert [(item.time_s, item.plan.number) for item in first if isinstance(item, PlanArrived)] == [(0.5, 1)]
    assert inline.poll(0.9) == []
    last = inline.poll(1.2)
    assert [(item.time_s, item.plan.number) for item in last if isinstance(item, PlanArrived)] == [(1.0, 3)]
    assert planner.asked == [1, 3]
    assert inline.due_s is None


def test_inline_planner_without_latency_answers_at_the_next_poll() -> None:
    inline = InlinePlanner(BeatPlanner())
    inline.poll(0.0)
    inline.submit(request(1))
    inline.submit(request(2))
    assert [item.plan.number for item in inline.poll(0.0) if isinstance(item, PlanArrived)] == [1, 2]
    inline.submit(request(3))
    inline.close()
    assert inline.poll(1.0) == []
    with pytest.raises(ValueError, match="negative"):
        InlinePlanner(BeatPlanner(), -1.0)


def test_no_planner_never_says_anything() -> None:
    none = NoPlanner()
    none.submit(request(1))
    assert none.poll(1.0) == []
    assert none.health().state is ModelState.CLOSED
    none.close()
