"""What the engine sees of a model, wherever it runs, and the two kinds that need no process.

Every planner speaks the same calls, and none of them waits: ``submit`` puts a request into a one-slot
mailbox where the newest wins, ``poll`` hands out what has come back, ``close`` ends it.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, cast, runtime_checkable

from midi.events import GRID_PER_BEAT, BarGrid, start_row
from models.sequence.plan import Plan, PlanRequest, Steering
from studio.live.messages import Input, ModelChanged, PlanArrived


class PlannerLike(Protocol):
    """What computes plans; ``models.sequence.player.Player`` is one."""

    def plan(self, request: PlanRequest) -> Plan:
        """Answer a request; may take long."""
        ...


@runtime_checkable
class Lazy(Protocol):
    """A planner that can leave the end of a plan until it is asked for."""

    def begin(self, request: PlanRequest) -> Plan:
        """A plan with a tail; beginning another one closes it."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A planner that stops improving a plan when somebody waits; ``models.sequence.player.Player`` is one."""

    is_awaited: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class PlannerSpec:
    """How to build a planner in another process: ``module:name`` and the call's arguments."""

    target: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)

    def build(self) -> PlannerLike:
        """Import and call the target.

        Raises:
            UserError: The target itself refuses, for instance a bundle that does not fit.
        """
        module, _, name = self.target.partition(":")
        factory: object = importlib.import_module(module)
        for part in name.split("."):
            factory = getattr(factory, part)
        if not callable(factory):
            raise TypeError(f"{self.target} cannot be called")
        return cast("PlannerLike", factory(*self.args, **self.kwargs))


class ModelState(StrEnum):
    """Where the model stands."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    REFUSED = "refused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One look at the model.

    Attributes:
        state: Where it stands.
        sentence: What a person should know; empty while all is well.
        hint: What to do about it; may be empty.
        restarts: How often the process was started again.
        pid: Its process id, if one runs.
        name: What the planner calls itself; empty until it is ready.
        parts: Instrument classes that it was taught; none until it is ready, and where nobody knows.
    """

    state: ModelState
    sentence: str = ""
    hint: str = ""
    restarts: int = 0
    pid: int | None = None
    name: str = ""
    parts: tuple[int, ...] = ()


class Planner(Protocol):
    """What the engine sees of a model, wherever it runs."""

    def submit(self, request: PlanRequest) -> None:
        """Ask for a plan; replaces a request that has not been begun. Never waits."""
        ...

    def poll(self, now_s: float) -> list[Input]:
        """What has happened since the last call, oldest first. Never waits."""
        ...

    def health(self) -> ModelHealth:
        """How the model is."""
        ...

    def close(self) -> None:
        """End it; may be called twice."""
        ...


def warm_up_request(instruments: tuple[int, ...] = (0,)) -> PlanRequest:
    """A request for one bar after nothing, which makes a runtime allocate and compile what it needs."""
    grid = BarGrid()
    return PlanRequest(
        number=0,
        context=start_row(grid, 0),
        context_tick=0,
        from_tick=0,
        until_tick=4 * GRID_PER_BEAT,
        human_from_tick=0,
        grid=grid,
        steering=Steering(instruments=instruments),
        seed=0,
    )


class InlinePlanner:
    """A planner in this process that answers a stated musical time after it was asked.

    For a manual clock: the plan for a request submitted at ``t`` (the time of the last ``poll``) is
    handed out by the first ``poll`` at or after ``t + latency_s``. A request submitted in between
    waits in the slot, the newest wins, and it is begun when the one before is done, as in the process.
    However long a plan takes here, as many alternatives are drawn as the request allows.

    Args:
        planner: Computes the plans, in the calling thread.
        latency_s: Musical seconds charged for every plan, 0 or more.
        is_lazy: Plans are drawn no farther than they are played, where the planner can do that. What is
            played stays the same; how long plans take is not known then.
    """

    def __init__(self, planner: PlannerLike, latency_s: float = 0.0, *, is_lazy: bool = False) -> None:
        if latency_s < 0:
            raise ValueError("latency must not be negative")
        self.latency_s = latency_s
        self._answer = planner.begin if is_lazy and isinstance(planner, Lazy) else planner.plan
        self._now_s = 0.0
        self._is_announced = False
        self._running: PlanRequest | None = None
        self._waiting: PlanRequest | None = None
        self._due_s = 0.0

    @property
    def due_s(self) -> float | None:
        """Time at which the next plan is handed out; None when nothing is being computed."""
        return self._due_s if self._running is not None else None

    def submit(self, request: PlanRequest) -> None:
        """Ask for a plan as of the time of the last ``poll``."""
        if self._running is None:
            self._running, self._due_s = request, self._now_s + self.latency_s
        else:
            self._waiting = request

    def poll(self, now_s: float) -> list[Input]:
        """Plans that are due by ``now_s``, computed here and now."""
        self._now_s = now_s
        found: list[Input] = []
        if not self._is_announced:
            self._is_announced = True
            found.append(ModelChanged(now_s, is_ready=True))
        while self._running is not None and self._due_s <= now_s:
            found.append(PlanArrived(self._due_s, self._answer(replace(self._running, spare_s=math.inf))))
            self._running, self._waiting = self._waiting, None
            self._due_s += self.latency_s
        return found

    def health(self) -> ModelHealth:
        """Always ready: an error of the planner is raised by ``poll``."""
        return ModelHealth(ModelState.READY, pid=os.getpid())

    def close(self) -> None:
        """Drop what is not computed yet."""
        self._running = self._waiting = None


class NoPlanner:
    """No model at all: the conductor plays by rules."""

    def submit(self, request: PlanRequest) -> None:
        """Drop the request."""

    def poll(self, now_s: float) -> list[Input]:  # noqa: ARG002 - the protocol's signature
        """Nothing ever happens."""
        return []

    def health(self) -> ModelHealth:
        """Closed from the start."""
        return ModelHealth(ModelState.CLOSED)

    def close(self) -> None:
        """Nothing to end."""
