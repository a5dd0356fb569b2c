"""What the live engine asks of a sequence model, and what it gets back.

These values cross from the conductor to the model process; nothing here needs torch.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from midi.events import EVENT_DTYPE, BarGrid, Events, Role, Rows


@dataclass(frozen=True)
class Steering:
    """How the partner is asked to play; every field may change while playing.

    Attributes:
        temperature: Sampling temperature of all fields, 0.2–2; 1 is the model's own spread.
        top_p: Nucleus mass kept at every draw, 0–1.
        follow: How closely the partner's pitches follow the player, 0–3: 0 is the model's own way, 1 counts
            twice what hearing the player changes (see :mod:`models.sequence.guidance`). Above 0 every note
            is read twice.
        density: Added to the log-odds of playing soon rather than later, −2–2; 0 is the model's own.
        low_pitch: Lowest pitch of the partner, 0–127 (drums are exempt).
        high_pitch: Highest pitch of the partner, 0–127; 99 in 100 notes of arrangers lie below the default.
        instruments: Instrument classes the partner may use; each is a part.
        hears_human: False cuts the partner's hearing: human rows are left out of its context.
    """

    temperature: float = 0.9
    top_p: float = 0.95
    follow: float = 1.2
    density: float = 0.0
    low_pitch: int = 28
    high_pitch: int = 76
    instruments: tuple[int, ...] = (0,)
    hears_human: bool = True


STEERING_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.2, 2.0),
    "top_p": (0.05, 1.0),
    "follow": (0.0, 3.0),
    "density": (-2.0, 2.0),
    "low_pitch": (0, 127),
    "high_pitch": (0, 127),
}
"""Smallest and largest value of the numbers of ``Steering``, for whoever lets them be set."""


@dataclass(frozen=True)
class PlanRequest:
    """Ask for the partner's notes in ``[from_tick, until_tick)``.

    The request carries the whole context, so a model process that has just started, or has missed
    requests, answers it like any other; a running one finds the common prefix with what it has
    already read and steps back to it.

    Attributes:
        number: Ascending; a plan names the request that it answers.
        context: START row, then the rows of everything settled before ``from_tick``.
        context_tick: Stream tick of the START row.
        from_tick: The commit frontier: the earliest tick at which a planned note may stand.
        until_tick: End of the plan, exclusive.
        human_from_tick: Imagined human notes before this tick are not drawn, since no such note was heard.
        grid: Bar lines.
        steering: How to play.
        seed: Same request and seed, same plan (on one runtime).
        alternatives: Most beginnings of a plan to choose from; see :mod:`models.sequence.rescore`. With 1
            none of this happens.
        spare_s: Seconds until the plan is due: no further one is begun when that grows short. With infinity
            no clock is looked at.
    """

    number: int
    context: Rows
    context_tick: int
    from_tick: int
    until_tick: int
    human_from_tick: int
    grid: BarGrid
    steering: Steering
    seed: int
    alternatives: int = 1
    spare_s: float = math.inf


@dataclass(frozen=True, slots=True, order=True)
class PlannedNote:
    """A note on the event grid (24 ticks a beat); drums keep their General MIDI key as pitch."""

    onset_ticks: int
    duration_ticks: int
    pitch: int
    velocity: int
    instrument: int


@dataclass(frozen=True)
class Plan:
    """The partner's next notes, by onset, all in ``[from_tick, until_tick)``.

    Attributes:
        number: The request that this answers.
        from_tick: Copied from the request.
        until_tick: How far the plan reaches; beyond it nothing is known.
        notes: The partner's notes.
        imagined: The notes that the model expects of the human, for display only.
        rows: Event rows that the model read or drew for this plan.
        compute_s: Seconds of model time.
        source: ``model`` or ``rules``.
        beginnings: Among how many beginnings this one was the best.
        tail: Draws the notes behind ``notes`` when they are asked for; None where those are all.
    """

    number: int
    from_tick: int
    until_tick: int
    notes: tuple[PlannedNote, ...]
    imagined: tuple[PlannedNote, ...] = field(default=())
    rows: int = 0
    compute_s: float = 0.0
    source: str = "model"
    beginnings: int = 1
    tail: Tail | None = field(default=None, compare=False, repr=False)


class Tail:
    """The notes of a plan, drawn as far as they are asked for: most plans are renewed before their end.

    Args:
        draw: Draws on to a tick, exclusive, and returns the notes drawn by then, in order of their onsets.
    """

    def __init__(self, draw: Callable[[int], Sequence[PlannedNote]]) -> None:
        self._draw: Callable[[int], Sequence[PlannedNote]] | None = draw
        self._notes: Sequence[PlannedNote] = ()
        self._taken = 0

    def take(self, tick: int) -> tuple[PlannedNote, ...]:
        """The notes before a tick that were not taken yet; nothing new once it was closed."""
        if self._draw is not None:
            self._notes = self._draw(tick)
        end = bisect_left(self._notes, tick, key=lambda note: note.onset_ticks)
        found, self._taken = tuple(self._notes[self._taken : end]), max(self._taken, end)
        return found

    def close(self, tick: int) -> None:
        """Draw on to a tick, and never again: another plan is begun, which takes over there."""
        if self._draw is not None:
            self._notes = tuple(self._draw(tick))
            self._draw = None


def planned_events(notes: Iterable[PlannedNote]) -> Events:
    """Planned notes as events of the partner, in the order given."""
    rows = [
        (n.onset_ticks, Role.PARTNER, n.instrument, n.pitch, n.duration_ticks, n.velocity, n.onset_ticks)
        for n in notes
    ]
    return np.array(rows, dtype=EVENT_DTYPE)
