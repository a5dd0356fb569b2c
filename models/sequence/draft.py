"""A plan while it is drawn: where it stands, and what the next row may be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from midi.events import (
    DRUM_HIGH,
    DRUM_LOW,
    DRUMS,
    DURATION_TICKS,
    FIELD_SIZES,
    GRID_PER_BEAT,
    NO_PITCH,
    NO_VELOCITY,
    OPEN_DURATION,
    Field,
    Role,
    Rows,
    velocity_of_bin,
)
from models.sequence.crowd import Crowd
from models.sequence.decode import Dice, Mask
from models.sequence.habits import Strays
from models.sequence.plan import PlannedNote, PlanRequest, Steering

MAX_CHORD = 6
"""Most notes of one part at one onset: two hands."""


@dataclass
class Draft:
    """Where drawing stands: the stream tick of the last row, and what constrains the next one.

    Attributes:
        tick: Stream tick of the last row.
        last: That row.
        bar_end: Tick of the next bar line.
        human_instrument: What the player was last heard to play.
        crowd: The partner's own last notes, and whether they are too many.
        strays: The same, and how far they are from its habits.
        dice: Where chance comes from.
        is_guided: Whether what the partner would play unheard is read, too.
        chord: Notes of the last row's part at its onset.
        step: A step that was drawn and led beyond what was asked for.
        rows: What was drawn.
        ticks: The stream tick of each.
        notes: The partner's.
        imagined: The player's.
    """

    tick: int
    last: Rows
    bar_end: int
    human_instrument: int
    crowd: Crowd
    strays: Strays
    dice: Dice
    is_guided: bool = False
    chord: int = 0
    step: int | None = None
    rows: list[Rows] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)
    notes: list[PlannedNote] = field(default_factory=list)
    imagined: list[PlannedNote] = field(default_factory=list)

    def drawn(self) -> Rows:
        """What was drawn, ``[rows, fields]``."""
        return np.array(self.rows, dtype=np.int16).reshape(-1, len(Field))

    def keep(self, row: Rows, request: PlanRequest) -> None:
        """Take in a row behind which the draft already stands."""
        self.rows.append(row)
        self.ticks.append(self.tick)
        if row[Field.ROLE] == Role.PARTNER:
            self.notes.append(_note(row, self.tick, request))
        elif row[Field.ROLE] == Role.HUMAN:
            self.imagined.append(_note(row, self.tick, request))


def _pitch_range(steering: Steering, role: Role, instrument: int) -> tuple[int, int]:
    """Lowest and highest pitch index allowed; bounds that have crossed count as swapped."""
    if instrument == DRUMS:
        return 128, NO_PITCH - 1
    if role == Role.PARTNER:
        low, high = sorted(min(max(pitch, 0), 127) for pitch in (steering.low_pitch, steering.high_pitch))
        return low, high
    return 0, 127


def allowed_pitches(steering: Steering, role: Role, instrument: int, above: int) -> Mask:
    """Pitches allowed: in the range asked for, and above the note before in a chord."""
    low, high = _pitch_range(steering, role, instrument)
    pitch = np.arange(FIELD_SIZES[Field.PITCH])
    allowed: Mask = (pitch >= max(low, above + 1)) & (pitch <= high)
    return allowed


def lag_ticks(request: PlanRequest) -> int:
    """How far behind its onset an imagined human note becomes known: the commit window."""
    return min(max(request.from_tick - request.human_from_tick, 0), GRID_PER_BEAT)


def allowed_steps(request: PlanRequest, draft: Draft, *, can_repeat: bool) -> Mask:
    """Steps allowed: not before the frontier, not beyond the bar line, not 0 without a role for it."""
    delta = np.arange(FIELD_SIZES[Field.DELTA])
    allowed = (delta >= request.from_tick - draft.tick) & (delta <= draft.bar_end - draft.tick)
    if not can_repeat:
        allowed[0] = False
    return allowed


def allowed_roles(request: PlanRequest, draft: Draft, delta: int) -> Mask:
    """Roles allowed after a step; at step 0 those that keep the canonical order of rows."""
    allowed = np.zeros(len(Role), dtype=bool)
    allowed[Role.PARTNER] = True
    onset = draft.tick + delta - lag_ticks(request)
    allowed[Role.HUMAN] = request.steering.hears_human and onset >= request.human_from_tick
    if delta == 0:
        allowed[: int(draft.last[Field.ROLE])] = False
        if draft.last[Field.ROLE] == Role.PARTNER and not _may_follow(request.steering, draft):
            allowed[Role.PARTNER] = False
        if draft.last[Field.ROLE] == Role.HUMAN and not _may_follow(request.steering, draft):
            allowed[Role.HUMAN] = False
    return allowed


def allowed_instruments(steering: Steering, draft: Draft, *, follows: bool) -> Mask:
    """Instrument classes allowed: the partner's, at one onset those behind a part that is full."""
    low = 0
    if follows:
        low = int(draft.last[Field.INSTRUMENT]) + _is_full(steering, draft)
    allowed = np.zeros(FIELD_SIZES[Field.INSTRUMENT], dtype=bool)
    allowed[list(steering.instruments)] = True
    allowed[:low] = False
    return allowed


def _may_follow(steering: Steering, draft: Draft) -> bool:
    """Whether another note of the same role may stand at the same onset: a higher pitch or a later part."""
    is_partner = draft.last[Field.ROLE] == Role.PARTNER
    last_part = max(steering.instruments) if is_partner else draft.human_instrument
    return int(draft.last[Field.INSTRUMENT]) + _is_full(steering, draft) <= last_part


def _is_full(steering: Steering, draft: Draft) -> bool:
    """Whether the part just played can have no further note at this onset: no hand or no pitch is free."""
    instrument, role = int(draft.last[Field.INSTRUMENT]), Role(draft.last[Field.ROLE])
    is_hand_free = role != Role.PARTNER or draft.chord < MAX_CHORD
    return not is_hand_free or int(draft.last[Field.PITCH]) >= _pitch_range(steering, role, instrument)[1]


def _note(row: Rows, tick: int, request: PlanRequest) -> PlannedNote:
    is_human = row[Field.ROLE] == Role.HUMAN
    duration = int(row[Field.DURATION])
    instrument, pitch = int(row[Field.INSTRUMENT]), int(row[Field.PITCH])
    return PlannedNote(
        onset_ticks=tick - (lag_ticks(request) if is_human else 0),
        duration_ticks=int(DURATION_TICKS[duration]) if duration < OPEN_DURATION else GRID_PER_BEAT // 2,
        pitch=min(max(pitch - 128 + DRUM_LOW, DRUM_LOW), DRUM_HIGH)
        if instrument == DRUMS
        else min(pitch, 127),
        velocity=int(velocity_of_bin(min(int(row[Field.VELOCITY]), NO_VELOCITY - 1))),
        instrument=min(instrument, DRUMS),
    )
