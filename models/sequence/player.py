"""The sequence model as a partner: answers plan requests under constraints, one row at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from midi.events import (
    DRUMS,
    FIELD_SIZES,
    GRID_PER_BEAT,
    MAX_BAR_TICKS,
    NO_DURATION,
    NO_INSTRUMENT,
    NO_PITCH,
    NO_VELOCITY,
    OPEN_DURATION,
    BarGrid,
    Field,
    Role,
    Rows,
    duration_bin,
    events_score,
    score_events,
    start_row,
    untold,
)
from midi.note import Score
from midi.stream import EventStream
from models.bundle import read_bundle
from models.device import pick_device
from models.registry import find
from models.sequence.crowd import Crowd
from models.sequence.decode import Dice, RowLogits
from models.sequence.draft import (
    Draft,
    allowed_instruments,
    allowed_pitches,
    allowed_roles,
    allowed_steps,
    lag_ticks,
)
from models.sequence.fast import Runtime, open_reader
from models.sequence.guidance import Place, Unheard, guided
from models.sequence.habits import Habits, Strays
from models.sequence.loading import load_habits, load_network
from models.sequence.memorization import PassageFilter
from models.sequence.network import EventModel
from models.sequence.parts import fitting, told_parts
from models.sequence.plan import Plan, PlannedNote, PlanRequest, Steering, Tail, planned_events
from models.sequence.rescore import HEAD_TICKS, SAFETY, Allowance, Imagined, Judge

PART = [Field.ROLE, Field.INSTRUMENT]
"""Columns that tell whose note a row is."""

PLAN_ROWS = 96
"""Room kept free for a plan, a quarter of the context at most; longer ones are shortened from the front."""

HOP_ROWS = 128
"""The front moves in hops, so that most requests share their beginning with what was read before.
At most a quarter of the context."""

TIMING = 0.9
"""Share of the steps' log-odds that counts: timing drawn as coolly as pitches locks into one pattern."""

LEAST_TICKS = GRID_PER_BEAT
"""A plan reaches so far even when a newer request waits, because the next one needs its time, too."""

SLICE_TICKS = GRID_PER_BEAT // 4
"""How often it is asked whether one waits."""

ACCOMPANY_SPAN_TICKS = 8 * GRID_PER_BEAT
"""Longest plan of ``accompany``: two bars, which fit the room kept free."""


@dataclass(frozen=True)
class _Start:
    """Where every plan of a request begins: the context, and how far both readers were then."""

    context: Rows
    tick: int
    is_guided: bool
    length: int
    place: Place


class Player:
    """Plans with one model. Not thread-safe; one context at a time.

    Args:
        model: The network, already on its device.
        name: For reports.
        passages: What the training music holds, to tell copying from invention; None where unknown.
        runtime: What reads the rows; see :func:`models.sequence.fast.open_reader`.
        habits: What the training music's parts are like on average; None where unknown.
        parts: Instrument classes that the model was taught; none where that is unknown.

    Attributes:
        is_awaited: Asked while a plan is drawn: whether a newer request waits. Then no further beginning is
            drawn, and the plan reaches no farther than it must.
    """

    def __init__(
        self, model: EventModel, name: str = "model", passages: PassageFilter | None = None,
        runtime: Runtime = "auto", habits: Habits | None = None, parts: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self.model = model.eval()
        self.name = name
        self.passages = passages
        self.habits = habits or {}
        self.parts = parts
        self._reader = open_reader(self.model, runtime)
        self._unheard = Unheard(self.model, self._reader)
        self._recent: Imagined | None = None
        self._tail: Tail | None = None
        self._allowance = Allowance()
        self.is_awaited: Callable[[], bool] = lambda: False

    @classmethod
    def load(
        cls, bundle: str | Path, device: str = "auto", threads: int = 1, runtime: Runtime = "auto"
    ) -> Player:
        """Load a bundle by name or path; sets torch's thread count for this process.

        The device ``auto`` is the CPU: one row at a time, a small network waits for a GPU rather than
        uses it.

        Raises:
            UserError: No such bundle, damaged, of another kind or vocabulary; or no such device.
        """
        where = "cpu" if device == "auto" else pick_device(device)
        torch.set_num_threads(threads)
        found = read_bundle(find(bundle))
        model, passages = load_network(found)
        manifest = found.manifest
        name, parts = f"{manifest.name}@{manifest.version}", told_parts(manifest.instruments, manifest.config)
        return cls(model.to(where), name, passages, runtime, load_habits(found), parts)

    def warm_up(self) -> None:
        """Run once what a first plan runs, so that the first real one is not the slow one."""
        grid = BarGrid()
        self.plan(PlanRequest(0, start_row(grid, 0), 0, 0, 2 * GRID_PER_BEAT, 0, grid, Steering(), 0))

    def plan(self, request: PlanRequest) -> Plan:
        """The partner's notes in the span asked for; deterministic for a request and a reading history.

        With no instrument to play, or no room left in the context, the plan is empty or ends early. Parts
        that the model was not taught are left out.

        Raises:
            ValueError: The context holds no row.
        """
        began = time.perf_counter()
        fed = self._reader.rows_fed
        request, draft, n_drawn = self._begin(request, began)
        for tick in range(request.from_tick + LEAST_TICKS, request.until_tick, SLICE_TICKS):
            self._draw(request, draft, tick)
            if self.is_awaited():
                request = replace(request, until_tick=tick)
                break
        self._draw(request, draft, request.until_tick)
        return self._plan(request, draft, n_drawn, fed, began)

    def begin(self, request: PlanRequest) -> Plan:
        """The same plan with nothing but its beginning drawn; its tail draws the rest.

        Beginning or making another plan closes the tail, which then reaches to where that one begins.

        Raises:
            ValueError: The context holds no row.
        """
        began = time.perf_counter()
        fed = self._reader.rows_fed
        request, draft, n_drawn = self._begin(request, began)

        def draw(tick: int) -> Sequence[PlannedNote]:
            self._draw(request, draft, min(tick, request.until_tick))
            return draft.notes

        self._tail = Tail(draw)
        return replace(self._plan(request, draft, n_drawn, fed, began), notes=(), tail=self._tail)

    def _begin(self, request: PlanRequest, began: float) -> tuple[PlanRequest, Draft, int]:
        """The request with the parts that can be played, the best beginning, and of how many."""
        if self._tail is not None:
            self._tail.close(request.from_tick)
            self._tail = None
        steering = request.steering
        fit = fitting(steering.instruments, self.parts)
        if fit != steering.instruments:
            request = replace(request, steering=replace(steering, instruments=fit))
        start = self._open(request)
        if request.alternatives > 1 and request.until_tick > request.from_tick:
            draft, n_drawn = self._best(request, start, began)
        else:
            draft, n_drawn = self._draft(request, start, 0), 1
            self._recent = None
        return request, draft, n_drawn

    def _plan(self, request: PlanRequest, draft: Draft, n_drawn: int, fed: int, began: float) -> Plan:
        seconds = time.perf_counter() - began
        self._allowance.spend(seconds, time.perf_counter())
        return Plan(
            request.number,
            request.from_tick,
            request.until_tick,
            tuple(draft.notes),
            tuple(draft.imagined),
            self._reader.rows_fed - fed,
            seconds,
            beginnings=n_drawn,
        )

    def accompany(
        self,
        score: Score,
        *,
        human_parts: Sequence[int] | None = None,
        steering: Steering | None = None,
        seed: int = 0,
    ) -> Score:
        """Accompany a finished melody: the score's human parts, and the partner's beside them.

        The partner hears every note as it falls and nothing of what follows, as live but without
        delay. It plays to the end of the bar in which the last of those notes begins or is released.

        Args:
            score: Any score with notes.
            human_parts: Which parts are the human's; all of them by default.
            steering: How to play.
            seed: Same score and seed, same accompaniment.

        Returns:
            The human's parts as they are, then the partner's, one for each instrument.
        """
        chosen = range(len(score.parts)) if human_parts is None else human_parts
        steering = steering or Steering()
        grid = BarGrid.from_score(score)
        events = score_events(score, chosen)
        human = events[np.isin(events["role"], (Role.HUMAN, Role.RELEASE))]
        last_bar, length = grid.start_and_length(int(human["ticks"].max(initial=0)))
        stream = EventStream(grid, instruments=steering.instruments)
        number, frontier = 0, 0
        for arrival in [*np.unique(human["ticks"]).tolist(), int(last_bar + length)]:
            while frontier < arrival:
                until = min(arrival, frontier + ACCOMPANY_SPAN_TICKS)
                stream.advance(frontier + 1)  # the human's notes may stand at a bar line: it comes first
                # Nothing is imagined: no note of the human falls before `arrival`.
                request = PlanRequest(
                    number, stream.rows(), 0, frontier, until, arrival, grid, steering, seed
                )  # fmt: skip
                stream.insert(planned_events(self.plan(request).notes))
                number, frontier = number + 1, until
            if steering.hears_human:
                stream.insert(human[human["ticks"] == arrival])
        played = stream.events()
        partner = events_score(played[played["role"] == Role.PARTNER], score)
        return replace(score, parts=(*(score.parts[i] for i in chosen), *partner.parts))

    def _shorten(self, context: Rows, context_tick: int) -> tuple[Rows, int]:
        """Context that leaves room for a plan, opened at a bar line, and the tick of its last row."""
        ticks = context_tick + np.cumsum(context[:, Field.DELTA].astype(np.int64))
        size = self.model.config.trunk.context
        excess = len(context) + min(PLAN_ROWS, size // 4) - size
        if excess > 0:
            hop = min(HOP_ROWS, size // 4)
            front = -(-excess // hop) * hop
            bars = np.flatnonzero(context[front:, Field.ROLE] == Role.BAR)
            front += int(bars[0]) if len(bars) else 0
            opening = context[:1].copy()
            opening[0, [Field.POSITION, Field.CLOCK]] = context[front, Field.CLOCK]
            context = np.concatenate([opening, context[front:]])
            context[1, Field.DELTA] = 0
        return context, int(ticks[-1])

    def _open(self, request: PlanRequest) -> _Start:
        """Read the context of a request."""
        told = request.context if self.model.config.tells_parts else untold(request.context)
        context, tick = self._shorten(told, request.context_tick)
        is_guided = request.steering.follow > 0 and bool((context[:, Field.ROLE] == Role.HUMAN).any())
        self._reader.read(context)
        if is_guided:
            self._unheard.read(context, tick)
        return _Start(context, tick, is_guided, len(self._reader), self._unheard.place)

    def _draft(self, request: PlanRequest, start: _Start, number: int) -> Draft:
        """An empty draft behind the context; the first of a request is drawn as if it were the only one."""
        context, tick, steering = start.context, start.tick, request.steering
        seeds = [request.seed, request.number, number] if number else [request.seed, request.number]
        rng = np.random.default_rng(seeds)
        dice = Dice(steering.temperature, steering.top_p, rng, is_counting=request.alternatives > 1)
        line, length = request.grid.start_and_length(tick)
        crowd, strays = Crowd(context, tick, steering, self.habits), Strays(self.habits, context, steering)
        bar_end, human = int(line + length), _human_instrument(context)
        return Draft(tick, context[-1], bar_end, human, crowd, strays, dice, start.is_guided)

    def _best(self, request: PlanRequest, start: _Start, began: float) -> tuple[Draft, int]:
        """Draw the beginnings of several plans, as many as time allows, and go back to the best.

        Also says how many there were.
        """
        judge = Judge(request, start.context, start.tick, self.passages, self._recent)
        until = min(request.from_tick + HEAD_TICKS, request.until_tick)
        drafts: list[Draft] = []
        longest_s = 0.0
        while len(drafts) < request.alternatives:
            head_began = time.perf_counter()
            self._rewind(start)
            drafts.append(self._draft(request, start, len(drafts)))
            self._draw(request, drafts[-1], until)
            judge.hear(drafts[-1])
            now = time.perf_counter()
            longest_s = max(longest_s, now - head_began)
            if judge.is_settled or not self._has_time(request, longest_s, began, now):
                break
        best = judge.best()
        if best + 1 < len(drafts):
            self._rewind(start)
            self._reader.append(drafts[best].drawn())
            if start.is_guided:
                for row, tick in zip(drafts[best].rows, drafts[best].ticks, strict=True):
                    self._unheard.append(row, tick)
        self._recent = judge.imagined()
        return drafts[best], len(drafts)

    def _has_time(self, request: PlanRequest, head_s: float, began: float, now: float) -> bool:
        """Whether another beginning can be drawn before the plan is due, and nothing newer waits."""
        if request.spare_s == math.inf:
            return True
        # The next one, and what is left of the plan behind it.
        needed_s = SAFETY * head_s * max(1.0, (request.until_tick - request.from_tick) / HEAD_TICKS)
        return (
            now - began + needed_s <= request.spare_s and self._allowance.has(now) and not self.is_awaited()
        )

    def _rewind(self, start: _Start) -> None:
        """Forget what was drawn; the context is not read again."""
        self._reader.step_back(start.length)
        if start.is_guided:
            self._unheard.step_back(start.place)

    def _draw(self, request: PlanRequest, draft: Draft, until_tick: int) -> None:
        """Draw rows up to a tick, exclusive; later calls go on where this one stopped."""
        while draft.bar_end < request.from_tick and self._reader.room > 0:
            row = np.zeros(len(Field), dtype=np.int16)
            row[Field.DELTA] = draft.bar_end - draft.tick
            self._bar(request, draft, row)
            self._append(row, request, draft)
        while self._reader.room > 0 and request.steering.instruments:
            drawn = self._next(request, draft, until_tick)
            if drawn is None:
                break
            self._append(drawn, request, draft)

    def _append(self, row: Rows, request: PlanRequest, draft: Draft) -> None:
        """Read a row that was drawn; the draft stands behind it."""
        self._reader.append(row[None])
        if draft.is_guided:
            self._unheard.append(row, draft.tick)
        draft.keep(row, request)

    def _next(self, request: PlanRequest, draft: Draft, until_tick: int) -> Rows | None:
        """Draw one row and move the draft behind it; None when it would lie beyond the span."""
        logits = self._reader.next_row()
        row = logits.row
        roles = allowed_roles(request, draft, 0)
        if draft.step is None:
            allowed = allowed_steps(request, draft, can_repeat=bool(roles.any()))
            steps = TIMING * logits.of(Field.DELTA) + draft.crowd.bias(draft.tick)
            draft.step = draft.dice.draw(steps, allowed)
        delta = draft.step
        tick = draft.tick + delta
        if tick >= until_tick:
            return None
        draft.step = None
        row[Field.DELTA] = delta
        if tick == draft.bar_end:
            self._bar(request, draft, row)
            return row
        row[Field.CLOCK] = min(tick - int(request.grid.start_and_length(tick)[0]), MAX_BAR_TICKS)
        allowed = roles if delta == 0 else allowed_roles(request, draft, delta)
        row[Field.ROLE] = draft.dice.draw(logits.of(Field.ROLE), allowed)
        self._fill(request, draft, logits)
        is_same_part = (row[PART] == draft.last[PART]).all()
        draft.chord = draft.chord + 1 if delta == 0 and is_same_part else 1
        draft.tick, draft.last = tick, row
        if row[Field.ROLE] == Role.PARTNER:
            draft.crowd.add(tick, int(row[Field.INSTRUMENT]))
            draft.strays.add(row)
        return row

    @staticmethod
    def _bar(request: PlanRequest, draft: Draft, row: Rows) -> None:
        """Bar lines are the clock's, not the model's: fill the row and move on to the next bar."""
        length = int(request.grid.start_and_length(draft.bar_end)[1])
        row[1:] = (Role.BAR, NO_INSTRUMENT, NO_PITCH, int(duration_bin(length)), NO_VELOCITY, 0, 0)
        draft.tick, draft.last, draft.bar_end, draft.chord = draft.bar_end, row, draft.bar_end + length, 0

    def _fill(self, request: PlanRequest, draft: Draft, logits: RowLogits) -> None:
        """Draw the columns after the role."""
        steering = request.steering
        row = logits.row
        role = Role(row[Field.ROLE])
        row[Field.POSITION] = row[Field.CLOCK]
        if role in {Role.HUMAN, Role.RELEASE}:
            onset = draft.tick + int(row[Field.DELTA]) - lag_ticks(request)
            row[Field.POSITION] = min(onset - int(request.grid.start_and_length(onset)[0]), MAX_BAR_TICKS)
        follows = row[Field.DELTA] == 0 and draft.last[Field.ROLE] == role
        row[Field.INSTRUMENT] = draft.human_instrument
        if role == Role.PARTNER:
            allowed = allowed_instruments(steering, draft, follows=follows)
            instruments = logits.of(Field.INSTRUMENT) + draft.crowd.missing()
            row[Field.INSTRUMENT] = draft.dice.draw(instruments, allowed)
        above = -1
        if follows and draft.last[Field.INSTRUMENT] == row[Field.INSTRUMENT]:
            above = int(draft.last[Field.PITCH])
        allowed = allowed_pitches(steering, role, int(row[Field.INSTRUMENT]), above)
        plain = pitches = logits.of(Field.PITCH)
        if draft.is_guided and role == Role.PARTNER and row[Field.INSTRUMENT] != DRUMS:
            unheard = self._unheard.logits(row, draft.tick + int(row[Field.DELTA]), Field.PITCH)
            pitches = guided(plain, unheard, steering.follow)
        if role == Role.PARTNER:
            pitches = pitches + draft.strays.pitches(int(row[Field.INSTRUMENT]))
        row[Field.PITCH] = draft.dice.draw(pitches, allowed, plain)
        row[Field.DURATION] = OPEN_DURATION if role == Role.HUMAN else NO_DURATION
        if role == Role.PARTNER:
            durations = np.arange(FIELD_SIZES[Field.DURATION]) < OPEN_DURATION
            lengths = logits.of(Field.DURATION) + draft.strays.lengths(int(row[Field.INSTRUMENT]))
            row[Field.DURATION] = draft.dice.draw(lengths, durations)
        row[Field.VELOCITY] = NO_VELOCITY
        if role != Role.RELEASE:
            velocities = np.arange(FIELD_SIZES[Field.VELOCITY]) < NO_VELOCITY
            row[Field.VELOCITY] = draft.dice.draw_warmly(logits.of(Field.VELOCITY), velocities)


def _human_instrument(context: Rows) -> int:
    """What the human was last heard to play; imagined notes are of the same instrument."""
    heard = np.flatnonzero(context[:, Field.ROLE] == Role.HUMAN)
    return int(context[heard[-1], Field.INSTRUMENT]) if len(heard) else 0
