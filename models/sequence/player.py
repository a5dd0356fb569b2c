"""The sequence model as a partner: answers plan requests under constraints, one row at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from midi.errors import UserError
from midi.events import (
    DRUM_HIGH,
    DRUM_LOW,
    DRUMS,
    DURATION_TICKS,
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
    velocity_of_bin,
    vocabulary_hash,
)
from midi.note import Score
from midi.stream import EventStream
from models.bundle import Bundle, read_bundle
from models.device import pick_device
from models.registry import find
from models.sequence.crowd import Crowd
from models.sequence.decode import Mask, RowLogits, draw
from models.sequence.fast import Runtime, open_reader
from models.sequence.guidance import Unheard, guided
from models.sequence.memorization import PassageFilter
from models.sequence.network import EventModel, EventModelConfig
from models.sequence.plan import Plan, PlannedNote, PlanRequest, Steering, planned_events

ARCHITECTURE = "event-rows"
PASSAGES = "passages"
"""Name under which a bundle's weights file carries the passage filter."""

PLAN_ROWS = 96
"""Room kept free for a plan, a quarter of the context at most; longer ones are shortened from the front."""

HOP_ROWS = 128
"""The front moves in hops, so that most requests share their beginning with what was read before.
At most a quarter of the context."""

ACCOMPANY_SPAN_TICKS = 8 * GRID_PER_BEAT
"""Longest plan of ``accompany``: two bars, which fit the room kept free."""

MAX_CHORD = 6
"""Most partner notes at one onset: two hands."""


@dataclass
class _Draft:
    """Where drawing stands: the stream tick of the last row, and what constrains the next one."""

    tick: int
    last: Rows
    bar_end: int
    human_instrument: int
    crowd: Crowd
    is_guided: bool = False
    chord: int = 0


class Player:
    """Plans with one model. Not thread-safe; one context at a time.

    Args:
        model: The network, already on its device.
        name: For reports.
        passages: What the training music holds, to tell copying from invention; None where unknown.
        runtime: What reads the rows; see :func:`models.sequence.fast.open_reader`.
    """

    def __init__(
        self, model: EventModel, name: str = "model", passages: PassageFilter | None = None,
        runtime: Runtime = "auto",
    ) -> None:  # fmt: skip
        self.model = model.eval()
        self.name = name
        self.passages = passages
        self._reader = open_reader(self.model, runtime)
        self._unheard = Unheard(self.model, self._reader)

    @classmethod
    def load(cls, bundle: str | Path, device: str = "auto", threads: int = 1) -> Player:
        """Load a bundle by name or path; sets torch's thread count for this process.

        ``auto`` is the CPU: one row at a time, a small network waits for a GPU rather than uses it.

        Raises:
            UserError: No such bundle, damaged, of another kind or vocabulary; or no such device.
        """
        where = "cpu" if device == "auto" else pick_device(device)
        torch.set_num_threads(threads)
        found = read_bundle(find(bundle))
        model, passages = load_network(found)
        return cls(model.to(where), f"{found.manifest.name}@{found.manifest.version}", passages)

    def warm_up(self) -> None:
        """Run once what a first plan runs, so that the first real one is not the slow one."""
        grid = BarGrid()
        self.plan(PlanRequest(0, start_row(grid, 0), 0, 0, 2 * GRID_PER_BEAT, 0, grid, Steering(), 0))

    def plan(self, request: PlanRequest) -> Plan:
        """The partner's notes in the span asked for; deterministic for a request and a reading history.

        With no instrument to play, or no room left in the context, the plan is empty or ends early.

        Raises:
            ValueError: The context holds no row.
        """
        began = time.perf_counter()
        fed = self._reader.rows_fed
        rng = np.random.default_rng([request.seed, request.number])
        context, tick = self._shorten(request.context, request.context_tick)
        is_guided = request.steering.follow > 0 and bool((context[:, Field.ROLE] == Role.HUMAN).any())
        self._reader.read(context)
        if is_guided:
            self._unheard.read(context, tick)
        lines = request.grid.start_and_length(tick)
        crowd = Crowd(context, tick, request.steering)
        bar_end = int(lines[0] + lines[1])
        draft = _Draft(tick, context[-1], bar_end, _human_instrument(context), crowd, is_guided)
        notes: list[PlannedNote] = []
        imagined: list[PlannedNote] = []
        while draft.bar_end < request.from_tick and self._reader.room > 0:
            row = np.zeros(len(Field), dtype=np.int16)
            row[Field.DELTA] = draft.bar_end - draft.tick
            self._bar(request, draft, row)
            self._append(row, draft)
        while self._reader.room > 0 and request.steering.instruments:
            drawn = self._next(request, draft, rng)
            if drawn is None:
                break
            self._append(drawn, draft)
            note = _note(drawn, draft.tick, request)
            if drawn[Field.ROLE] == Role.PARTNER:
                notes.append(note)
            elif drawn[Field.ROLE] == Role.HUMAN:
                imagined.append(note)
        seconds = time.perf_counter() - began
        rows = self._reader.rows_fed - fed
        return Plan(
            request.number,
            request.from_tick,
            request.until_tick,
            tuple(notes),
            tuple(imagined),
            rows,
            seconds,
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
        sole = steering.instruments[0] if len(steering.instruments) == 1 else NO_INSTRUMENT
        stream = EventStream(grid, instrument=sole)
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

    def _append(self, row: Rows, draft: _Draft) -> None:
        """Read a row that was drawn; the draft stands behind it."""
        self._reader.append(row[None])
        if draft.is_guided:
            self._unheard.append(row, draft.tick)

    def _next(self, request: PlanRequest, draft: _Draft, rng: np.random.Generator) -> Rows | None:
        """Draw one row and move the draft behind it; None when it would lie beyond the span."""
        steering = request.steering
        logits = self._reader.next_row()
        row = logits.row
        roles = _roles(request, draft, 0)
        allowed = _steps(request, draft, can_repeat=bool(roles.any()))
        steps = logits.of(Field.DELTA) + draft.crowd.bias(draft.tick)
        delta = draw(steps, allowed, steering.temperature, steering.top_p, rng)
        tick = draft.tick + delta
        if tick >= request.until_tick:
            return None
        row[Field.DELTA] = delta
        if tick == draft.bar_end:
            self._bar(request, draft, row)
            return row
        row[Field.CLOCK] = min(tick - int(request.grid.start_and_length(tick)[0]), MAX_BAR_TICKS)
        allowed = roles if delta == 0 else _roles(request, draft, delta)
        row[Field.ROLE] = draw(logits.of(Field.ROLE), allowed, steering.temperature, steering.top_p, rng)
        self._fill(request, draft, logits, rng)
        draft.chord = draft.chord + 1 if delta == 0 and row[Field.ROLE] == draft.last[Field.ROLE] else 1
        draft.tick, draft.last = tick, row
        if row[Field.ROLE] == Role.PARTNER:
            draft.crowd.add(tick)
        return row

    @staticmethod
    def _bar(request: PlanRequest, draft: _Draft, row: Rows) -> None:
        """Bar lines are the clock's, not the model's: fill the row and move on to the next bar."""
        length = int(request.grid.start_and_length(draft.bar_end)[1])
        row[1:] = (Role.BAR, NO_INSTRUMENT, NO_PITCH, int(duration_bin(length)), NO_VELOCITY, 0, 0)
        draft.tick, draft.last, draft.bar_end, draft.chord = draft.bar_end, row, draft.bar_end + length, 0

    def _fill(self, request: PlanRequest, draft: _Draft, logits: RowLogits, rng: np.random.Generator) -> None:
        """Draw the columns after the role."""
        steering = request.steering
        row = logits.row
        role = Role(row[Field.ROLE])
        row[Field.POSITION] = row[Field.CLOCK]
        if role in {Role.HUMAN, Role.RELEASE}:
            onset = draft.tick + int(row[Field.DELTA]) - _lag(request)
            row[Field.POSITION] = min(onset - int(request.grid.start_and_length(onset)[0]), MAX_BAR_TICKS)
        follows = row[Field.DELTA] == 0 and draft.last[Field.ROLE] == role
        row[Field.INSTRUMENT] = draft.human_instrument
        if role == Role.PARTNER:
            low = int(draft.last[Field.INSTRUMENT]) if follows else 0
            allowed = _instruments(steering, low)
            row[Field.INSTRUMENT] = draw(
                logits.of(Field.INSTRUMENT), allowed, steering.temperature, steering.top_p, rng
            )
        above = -1
        if follows and draft.last[Field.INSTRUMENT] == row[Field.INSTRUMENT]:
            above = int(draft.last[Field.PITCH])
        allowed = _pitches(steering, role, int(row[Field.INSTRUMENT]), above)
        pitches = logits.of(Field.PITCH)
        if draft.is_guided and role == Role.PARTNER and row[Field.INSTRUMENT] != DRUMS:
            unheard = self._unheard.logits(row, draft.tick + int(row[Field.DELTA]), Field.PITCH)
            pitches = guided(pitches, unheard, steering.follow)
        row[Field.PITCH] = draw(pitches, allowed, steering.temperature, steering.top_p, rng)
        row[Field.DURATION] = OPEN_DURATION if role == Role.HUMAN else NO_DURATION
        if role == Role.PARTNER:
            durations = np.arange(FIELD_SIZES[Field.DURATION]) < OPEN_DURATION
            row[Field.DURATION] = draw(
                logits.of(Field.DURATION), durations, steering.temperature, steering.top_p, rng
            )
        row[Field.VELOCITY] = NO_VELOCITY
        if role != Role.RELEASE:
            velocities = np.arange(FIELD_SIZES[Field.VELOCITY]) < NO_VELOCITY
            row[Field.VELOCITY] = draw(
                logits.of(Field.VELOCITY), velocities, steering.temperature, steering.top_p, rng
            )


def load_network(bundle: Bundle) -> tuple[EventModel, PassageFilter | None]:
    """The network of a checked bundle, on the CPU, and what it knows of its training music.

    Raises:
        UserError: The bundle holds another network or vocabulary, or its weights do not fit.
    """
    bundle.require_architecture(ARCHITECTURE)
    bundle.require_vocabulary(vocabulary_hash())
    try:
        model = EventModel(EventModelConfig.from_dict(bundle.manifest.config))
        tensors = bundle.tensors()
        bits = tensors.pop(PASSAGES, None)
        model.load_state_dict(tensors)
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"The weights in {bundle.path} do not fit the network that its bundle.json describes.",
            "Install the bundle again.",
        ) from error
    return model, None if bits is None else PassageFilter(bits.numpy())


def _human_instrument(context: Rows) -> int:
    """What the human was last heard to play; imagined notes are of the same instrument."""
    heard = np.flatnonzero(context[:, Field.ROLE] == Role.HUMAN)
    return int(context[heard[-1], Field.INSTRUMENT]) if len(heard) else 0


def _pitch_range(steering: Steering, role: Role, instrument: int) -> tuple[int, int]:
    """Lowest and highest pitch index allowed; bounds that have crossed count as swapped."""
    if instrument == DRUMS:
        return 128, NO_PITCH - 1
    if role == Role.PARTNER:
        low, high = sorted(min(max(pitch, 0), 127) for pitch in (steering.low_pitch, steering.high_pitch))
        return low, high
    return 0, 127


def _pitches(steering: Steering, role: Role, instrument: int, above: int) -> Mask:
    low, high = _pitch_range(steering, role, instrument)
    pitch = np.arange(FIELD_SIZES[Field.PITCH])
    allowed: Mask = (pitch >= max(low, above + 1)) & (pitch <= high)
    return allowed


def _lag(request: PlanRequest) -> int:
    """How far behind its onset an imagined human note becomes known: the commit window."""
    return min(max(request.from_tick - request.human_from_tick, 0), GRID_PER_BEAT)


def _steps(request: PlanRequest, draft: _Draft, *, can_repeat: bool) -> Mask:
    """Steps allowed: not before the frontier, not beyond the bar line, not 0 without a role for it."""
    delta = np.arange(FIELD_SIZES[Field.DELTA])
    allowed = (delta >= request.from_tick - draft.tick) & (delta <= draft.bar_end - draft.tick)
    if not can_repeat:
        allowed[0] = False
    return allowed


def _roles(request: PlanRequest, draft: _Draft, delta: int) -> Mask:
    """Roles allowed after a step; at step 0 those that keep the canonical order of rows."""
    allowed = np.zeros(len(Role), dtype=bool)
    allowed[Role.PARTNER] = True
    onset = draft.tick + delta - _lag(request)
    allowed[Role.HUMAN] = request.steering.hears_human and onset >= request.human_from_tick
    if delta == 0:
        allowed[: int(draft.last[Field.ROLE])] = False
        is_partner = draft.last[Field.ROLE] == Role.PARTNER
        if is_partner and (draft.chord >= MAX_CHORD or not _may_follow(request.steering, draft)):
            allowed[Role.PARTNER] = False
        if draft.last[Field.ROLE] == Role.HUMAN and not _may_follow(request.steering, draft):
            allowed[Role.HUMAN] = False
    return allowed


def _instruments(steering: Steering, low: int) -> Mask:
    allowed = np.zeros(FIELD_SIZES[Field.INSTRUMENT], dtype=bool)
    allowed[list(steering.instruments)] = True
    allowed[:low] = False
    return allowed


def _may_follow(steering: Steering, draft: _Draft) -> bool:
    """Whether another note of the same role may stand at the same onset: a higher pitch or a later part."""
    instrument, pitch = int(draft.last[Field.INSTRUMENT]), int(draft.last[Field.PITCH])
    role = Role(draft.last[Field.ROLE])
    # The part just played stays on offer, so a higher pitch must exist even where later parts do.
    last_part = max(steering.instruments) if role == Role.PARTNER else draft.human_instrument
    return pitch < _pitch_range(steering, role, instrument)[1] and instrument <= last_part


def _note(row: Rows, tick: int, request: PlanRequest) -> PlannedNote:
    is_human = row[Field.ROLE] == Role.HUMAN
    duration = int(row[Field.DURATION])
    instrument, pitch = int(row[Field.INSTRUMENT]), int(row[Field.PITCH])
    return PlannedNote(
        onset_ticks=tick - (_lag(request) if is_human else 0),
        duration_ticks=int(DURATION_TICKS[duration]) if duration < OPEN_DURATION else GRID_PER_BEAT // 2,
        pitch=min(max(pitch - 128 + DRUM_LOW, DRUM_LOW), DRUM_HIGH)
        if instrument == DRUMS
        else min(pitch, 127),
        velocity=int(velocity_of_bin(min(int(row[Field.VELOCITY]), NO_VELOCITY - 1))),
        instrument=min(instrument, DRUMS),
    )
