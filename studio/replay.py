"""A take on its way back into the engine: what the player did as inputs, the partner as plans. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from midi.events import GRID_PER_BEAT, BarGrid, Field, bar_events, encode, sort_events
from midi.note import Score, TimeSignature
from models.sequence.plan import Plan, PlannedNote, PlanRequest, planned_events
from studio.live.messages import (
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    PlanArrived,
    SetPlaying,
    SetTempo,
    Sound,
    TempoMark,
    Voice,
)
from studio.live.planner import InlinePlanner, ModelHealth, PlannerLike
from studio.live.take import Take
from studio.live.transport import Transport

SOURCE = "take"

SAME_BEAT = 1e-6
"""Marks this near to where the tempo before leads are changes of tempo; others are jumps."""


def grid_of(take: Take) -> BarGrid:
    """Bar lines of the metre that the take began with."""
    return BarGrid.from_score(Score((), time_signatures=(TimeSignature(0, *take.header.metre),)))


def ons(sounds: Sequence[Sound], voice: Voice) -> list[Sound]:
    """Note-ons of a voice."""
    return [sound for sound in sounds if sound.kind == "on" and sound.voice is voice]


class MusicalTime:
    """Musical time of a take as a conductor has it that is given ``inputs``.

    It begins at beat 0 with the take's first mark. Jumps are followed within the bar, as those of a MIDI
    clock are: whole bars do not count.

    Attributes:
        inputs: What starts the transport and changes its pace, by time.
    """

    def __init__(self, take: Take) -> None:
        marks = take.tempo or (TempoMark(take.origin_s(), 0.0, take.header.bpm),)
        first = marks[0]
        transport = Transport().with_tempo(0.0, first.bpm).start(first.time_s, 0.0)
        self.inputs: list[Input] = [SetPlaying(first.time_s, is_playing=True)]
        self._from_s, self._transports = [first.time_s], [transport]
        grid = grid_of(take)
        for number, mark in enumerate(marks):
            at_s = max(mark.time_s, self._from_s[-1])
            if abs(transport.beat_at(at_s) - mark.beat) > SAME_BEAT:
                transport = _jumped(transport, at_s, mark, grid)
                self.inputs.append(FollowClock(at_s, mark.beat, mark.bpm))
            elif number:
                transport = transport.with_tempo(at_s, mark.bpm)
                self.inputs.append(SetTempo(at_s, mark.bpm))
            self._from_s.append(at_s)
            self._transports.append(transport)

    def tick(self, time_s: float) -> int:
        """The grid tick nearest to a time."""
        place = max(bisect_right(self._from_s, time_s) - 1, 0)
        return round(self._transports[place].ticks_at(time_s))


def _jumped(transport: Transport, at_s: float, mark: TempoMark, grid: BarGrid) -> Transport:
    """What ``Conductor`` makes of a ``FollowClock``."""
    start, length = grid.start_and_length(math.floor(transport.ticks_at(at_s)))
    bar_beats = int(length) / GRID_PER_BEAT
    error = transport.phase_error(at_s, mark.beat, int(start) / GRID_PER_BEAT, bar_beats)
    return transport.follow(at_s, mark.bpm, error, bar_beats)


def player_inputs(take: Take) -> Iterator[Input]:
    """What the player did with keys, pedals and the desk, in the order of the take."""
    yield from take.changes
    for sound in take.sounds:
        if sound.voice is not Voice.PLAYER:
            continue
        if sound.kind == "on":
            yield KeyDown(sound.time_s, sound.pitch, sound.velocity, SOURCE)
        elif sound.kind == "off":
            yield KeyUp(sound.time_s, sound.pitch, SOURCE)
        else:
            yield ControllerMoved(sound.time_s, sound.pitch, sound.velocity, SOURCE)


def partner_notes(take: Take, until_s: float, time: MusicalTime) -> list[PlannedNote]:
    """The partner's notes that were planned for before a time, on the grid, by onset."""
    end_s = max((sound.time_s for sound in take.sounds), default=0.0)
    offs = {s.note_id: s.time_s for s in take.sounds if s.kind == "off" and s.voice is Voice.PARTNER}
    notes = []
    for on in ons(take.sounds, Voice.PARTNER):
        if on.planned_s < until_s:
            onset, end = time.tick(on.planned_s), time.tick(offs.get(on.note_id, end_s) - on.moved_s)
            notes.append(
                PlannedNote(onset, max(end - onset, 1), on.pitch, max(on.velocity, 1), on.instrument)
            )
    return sorted(notes)


class Remembering:
    """A planner that knows the notes before a tick by heart, and asks a model for those from there on.

    What it knows it answers at once; plans that the model has a part in are charged their latency.

    Args:
        notes: What was played before, by onset.
        until_tick: Where the model takes over.
        planner: The model.
        latency_s: Musical time charged for each of its plans.
    """

    def __init__(
        self, notes: Sequence[PlannedNote], until_tick: int, planner: PlannerLike, latency_s: float
    ) -> None:
        self._known = _Known(notes, until_tick, planner)
        self._until_tick = until_tick
        self._model = InlinePlanner(self._known, latency_s)
        self._asked: PlanRequest | None = None
        self._now_s = -math.inf

    @property
    def due_s(self) -> float | None:
        """Time at which the next plan is handed out; None when nothing is under way."""
        return self._now_s if self._asked is not None else self._model.due_s

    def submit(self, request: PlanRequest) -> None:
        """Ask for a plan as of the time of the last ``poll``."""
        if request.until_tick <= self._until_tick:
            self._asked = request
        else:
            self._asked = None
            self._model.submit(request)

    def poll(self, now_s: float) -> list[Input]:
        """Plans that are due."""
        self._now_s = now_s
        found = self._model.poll(now_s)
        asked, self._asked = self._asked, None
        if asked is not None:
            found.append(PlanArrived(now_s, self._known.plan(asked)))
        return found

    def health(self) -> ModelHealth:
        """The model's."""
        return self._model.health()

    def close(self) -> None:
        """Drop what is not computed yet."""
        self._asked = None
        self._model.close()


class _Known:
    """Plans out of known notes, and a model's notes behind them."""

    def __init__(self, notes: Sequence[PlannedNote], until_tick: int, planner: PlannerLike) -> None:
        self._notes, self._until_tick, self._planner = notes, until_tick, planner

    def plan(self, request: PlanRequest) -> Plan:
        """What is known of the stretch asked for; from the tick on, what the model makes of it."""
        if request.from_tick >= self._until_tick:
            return self._planner.plan(request)
        until = min(request.until_tick, self._until_tick)
        known = tuple(note for note in self._notes if request.from_tick <= note.onset_ticks < until)
        if request.until_tick <= self._until_tick:
            return Plan(request.number, request.from_tick, until, known)
        plan = self._planner.plan(_after(request, known, self._until_tick))
        return replace(plan, from_tick=request.from_tick, notes=(*known, *plan.notes))


def _after(request: PlanRequest, known: Sequence[PlannedNote], tick: int) -> PlanRequest:
    """The same request from a later tick on, the notes before it told to the model as played."""
    steps = request.context[1:, Field.DELTA].astype(np.int64)
    told_to = request.context_tick + int(steps.sum())
    bars = bar_events(request.grid, told_to + 1, tick + 1)
    rows = encode(sort_events(np.concatenate([bars, planned_events(known)])), request.grid, told_to)
    context = np.concatenate([request.context, rows])
    return replace(request, context=context, from_tick=tick)
