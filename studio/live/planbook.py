"""What is planned, what is asked for, and how far the performance is settled. Pure; grid ticks only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midi.events import N_INSTRUMENTS
from models.sequence.plan import Plan, PlannedNote, PlanRequest, Tail

MAX_PLAN_NOTES = 1024
"""Notes taken from one plan; two beats of 16 parts hold far fewer."""

MAX_NOTE_TICKS = 16 * 24
"""Longest planned note (16 beats), the longest duration of the vocabulary."""

FAR = 1 << 40
"""A tick behind every plan."""

_MAX_OUTSTANDING = 64
_LATENCY_MEMORY = 0.9  # a slow reply is remembered over about ten replies


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a plan: notes too late to be used, and whether a newer plan was there already."""

    late_notes: int = 0
    is_stale: bool = False


class PlanBook:
    """The commit frontier, the notes planned beyond it, and the requests not yet answered.

    Attributes:
        frontier: Everything before this tick is settled and never changes; it never goes back.
        latency_s: Time from request to plan, of the last plan.
        expected_latency_s: What to reckon with: the last latency, or slowly decaying a longer one.
    """

    def __init__(self) -> None:
        self.frontier = 0
        self.latency_s = 0.0
        self.expected_latency_s = 0.0
        self._notes: tuple[PlannedNote, ...] = ()
        self._tail: tuple[Tail, int, int] | None = None
        self._covered: list[tuple[int, int]] = []
        self._outstanding: dict[int, tuple[PlanRequest, float]] = {}
        self._newest_received = -1

    @property
    def notes(self) -> tuple[PlannedNote, ...]:
        """Planned and not yet settled notes, by onset."""
        self._draw_on(FAR)
        return self._notes

    @property
    def in_flight(self) -> PlanRequest | None:
        """The newest unanswered request."""
        return next(reversed(self._outstanding.values()))[0] if self._outstanding else None

    def covered_to(self, tick: int) -> int:
        """End of the planned stretch that contains ``tick``; ``tick`` itself when none does."""
        for start, end in self._covered:
            if start <= tick < end:
                tick = end
        return tick

    def gap_end(self, tick: int, until_tick: int) -> int:
        """Where planning begins again after an unplanned ``tick``, at most ``until_tick``."""
        return min([until_tick, *(start for start, _ in self._covered if start > tick)])

    def asked_to(self) -> int:
        """How far plans reach, those under way included; 0 when there are none."""
        under_way = self.in_flight
        ends = [end for _, end in self._covered] + ([under_way.until_tick] if under_way else [])
        return max(ends, default=0)

    def requested(self, request: PlanRequest, now_s: float) -> None:
        """Remember a request; the oldest of very many unanswered ones are forgotten."""
        self._outstanding[request.number] = (request, now_s)
        if len(self._outstanding) > _MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]

    def accept(self, plan: Plan, now_s: float) -> Verdict:
        """Take a plan in, as far as it is expected, in range and not too late."""
        if plan.number not in self._outstanding:
            return Verdict(is_stale=plan.number <= self._newest_received)
        request, asked_s = self._outstanding[plan.number]
        self._newest_received = plan.number
        self._outstanding = {n: entry for n, entry in self._outstanding.items() if n > plan.number}
        self.latency_s = now_s - asked_s
        self.expected_latency_s = max(self.latency_s, self.expected_latency_s * _LATENCY_MEMORY)
        start, end = request.from_tick, min(plan.until_tick, request.until_tick)
        told = plan.notes if plan.tail is None else plan.tail.take(self.frontier)
        notes = sorted(set(_usable(told, start, end)))
        late = sum(note.onset_ticks < self.frontier for note in notes)
        start = max(start, self.frontier)
        if end > start:
            self._draw_on(start)
            kept = [note for note in self._notes if note.onset_ticks < start]
            self._notes = (*kept, *notes[late:])
            self._tail = None if plan.tail is None else (plan.tail, start, end)
            self._covered = [(a, min(b, start)) for a, b in self._covered if a < start] + [(start, end)]
        return Verdict(late_notes=late)

    def settle(self, tick: int) -> tuple[PlannedNote, ...]:
        """Move the frontier to ``tick`` and hand out the planned notes before it."""
        self.frontier = max(self.frontier, tick)
        self._draw_on(self.frontier)
        due = tuple(note for note in self._notes if note.onset_ticks < self.frontier)
        self._notes = self._notes[len(due) :]
        self._covered = [(a, b) for a, b in self._covered if b > self.frontier]
        return due

    def forget_requests(self) -> None:
        """The model is gone: no reply to an earlier request will be taken."""
        self._outstanding = {}

    def drop(self) -> None:
        """Forget the plan and every request under way; replies to those will not be taken."""
        self._notes = ()
        self._tail = None
        self._covered = []
        self._outstanding = {}

    def _draw_on(self, tick: int) -> None:
        """Have the notes before a tick, where the plan draws them when they are asked for."""
        if self._tail is not None:
            tail, start, end = self._tail
            self._notes += tuple(sorted(set(_usable(tail.take(tick), start, end))))


def _usable(notes: Sequence[PlannedNote], start: int, end: int) -> Iterator[PlannedNote]:
    """Notes with legal fields inside the requested stretch."""
    for note in notes[:MAX_PLAN_NOTES]:
        is_legal = (
            0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 and 0 <= note.instrument < N_INSTRUMENTS
        )
        if is_legal and start <= note.onset_ticks < end and note.duration_ticks >= 1:
            length = min(note.duration_ticks, MAX_NOTE_TICKS)
            yield PlannedNote(note.onset_ticks, length, note.pitch, note.velocity, note.instrument)
