"""A conductor on a manual clock, fake models that answer it, and what a player does to it."""

from collections import Counter
from dataclasses import dataclass, field, replace

from models.sequence.plan import Plan, PlannedNote, PlanRequest
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.messages import Actions, Input, KeyDown, KeyUp, ModelChanged, PlanArrived, Sound, Voice

EIGHTH = 12
TICK_S = 60 / 120 / 24


def pattern(from_tick: int, until_tick: int) -> tuple[PlannedNote, ...]:
    """A partner that always wants the same at the same tick: eighths, some struck again while they sound."""
    first = -(-from_tick // EIGHTH) * EIGHTH
    return tuple(
        PlannedNote(tick, 8 + tick % 31, 48 + tick // EIGHTH % 3, 70, 0)
        for tick in range(first, until_tick, EIGHTH)
    )


def answer(request: PlanRequest, notes=pattern) -> Plan:
    found = notes(request.from_tick, request.until_tick)
    return Plan(request.number, request.from_tick, request.until_tick, found)


GARBAGE = (
    PlannedNote(-5, 10, 60, 80, 0), PlannedNote(10**9, 10, 60, 80, 0), PlannedNote(50, 0, 60, 80, 0),
    PlannedNote(50, 10, 128, 80, 0), PlannedNote(50, 10, 60, 0, 0), PlannedNote(50, 10, 60, 80, 16),
    PlannedNote(50, 10**9, 60, 80, 0),
)  # fmt: skip


@dataclass
class Stage:
    """A performance on a manual clock: steps the conductor and delivers what the fake model answers.

    ``behaviour`` gives, for each request, the delays after which a reply comes: none, one or several.
    """

    conductor: Conductor
    behaviour: list[list[float]] = field(default_factory=lambda: [[0.0]])
    is_garbled: bool = False
    pending: list[tuple[float, Plan]] = field(default_factory=list)
    steps: list[tuple[float, list[Input], Actions]] = field(default_factory=list)

    def step(self, now_s: float, *inputs: Input) -> Actions:
        due = [plan for at_s, plan in self.pending if at_s <= now_s]
        self.pending = [entry for entry in self.pending if entry[0] > now_s]
        given_in: list[Input] = [PlanArrived(now_s, plan) for plan in due]
        actions = self.conductor.step(now_s, [*given_in, *inputs])
        self._note(now_s, list(inputs), actions)
        if actions.request:
            plan = answer(actions.request)
            if self.is_garbled:
                plan = replace(plan, notes=GARBAGE + plan.notes, until_tick=plan.until_tick + 40)
            for delay_s in self.behaviour[actions.request.number % len(self.behaviour)]:
                self.pending.append((now_s + delay_s, plan))
        return actions

    def finish(self, now_s: float) -> Actions:
        actions = self.conductor.finish(now_s)
        self._note(now_s, [], actions)
        return actions

    def _note(self, now_s: float, inputs: list[Input], actions: Actions) -> None:
        self.steps.append((now_s, inputs, actions))

    def run(
        self, until_s: float, dt_s: float = 0.005, inputs: tuple[Input, ...] = (), from_s: float = 0.0
    ) -> None:
        queue = sorted(inputs, key=lambda item: item.time_s)
        for i in range(round((until_s - from_s) / dt_s) + 1):
            now_s = from_s + i * dt_s
            now = [item for item in queue if item.time_s <= now_s + 1e-9]
            queue = queue[len(now) :]
            self.step(now_s, *now)

    @property
    def sounds(self) -> list[Sound]:
        return [sound for _, _, actions in self.steps for sound in actions.sounds]

    @property
    def requests(self) -> list[PlanRequest]:
        return [actions.request for _, _, actions in self.steps if actions.request]

    def partner_ons(self) -> list[tuple[float, int, int]]:
        return [
            (round(s.time_s, 9), s.pitch, s.velocity)
            for s in self.sounds
            if s.voice is Voice.PARTNER and s.kind == "on"
        ]

    def check_notes(self) -> None:
        """Every on has exactly one off, not before it, and an id of its own."""
        ons = {s.note_id: s for s in self.sounds if s.kind == "on"}
        offs = Counter(s.note_id for s in self.sounds if s.kind == "off")
        assert len(ons) == sum(s.kind == "on" for s in self.sounds)
        assert offs == dict.fromkeys(ons, 1)
        for s in self.sounds:
            if s.kind == "off":
                on = ons[s.note_id]
                assert s.time_s >= on.time_s
                assert (s.pitch, s.voice, s.instrument) == (on.pitch, on.voice, on.instrument)


def stage(*, ready: bool = True, behaviour=None, **config) -> Stage:
    made = Stage(
        Conductor(ConductorConfig(**config), keeps_history=True),
        behaviour if behaviour is not None else [[0.0]],
    )
    if ready:
        made.step(0.0, ModelChanged(0.0, is_ready=True))
    return made


def melody(n: int = 16, beat_s: float = 0.5, from_s: float = 0.0, source: str = "keys") -> tuple[Input, ...]:
    found: list[Input] = []
    for i in range(n):
        pitch = (60, 62, 64, 65, 67, 69, 71, 72)[i % 8]
        at_s = from_s + i * beat_s
        found += [KeyDown(at_s, pitch, 80, source), KeyUp(at_s + 0.8 * beat_s, pitch, source)]
    return tuple(found)
