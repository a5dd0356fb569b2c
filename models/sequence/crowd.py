"""How many notes the partner plays: kept near what is usual, and from running away into ever denser clusters.

A partner that reads its own notes takes a dense bar for a dense style and goes on denser still. Arrangers
hardly ever do: in nine of ten bars of POP909 there are at most five notes a beat. Beyond that, the
more crowded the last bar, the less likely another note at the same onset, or soon after, is made. Every
part has a limit of its own, so that drums, which strike often, do not silence the piano.

Where the training music tells what is usual (:mod:`models.sequence.habits`), all parts together are also
pulled towards that, from both sides.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from midi.events import DRUMS, FIELD_SIZES, GRID_PER_BEAT, N_INSTRUMENTS, Field, Role, Rows
from models.sequence.habits import Habits, beyond
from models.sequence.plan import Steering

CROWDED_PER_BEAT = 5.0
"""Notes a beat of one part above which a bar is crowded, at the model's own density."""

DRUMS_PER_BEAT = 8.0
"""The same for drums: of a hundred bars of Groove's beats in straight time, 99 hold no more."""

SPAN_TICKS = 4 * GRID_PER_BEAT

SAME_ONSET = 1.0
"""Nats that another note at the same onset loses for each note a beat too many."""

LATER = 0.5
"""Density, as in ``Steering``, given up for each note a beat too many."""

NEAR = 0.05
"""Share of the usual number of notes by which there may be more or fewer before anything pulls."""

PULL = 6.5
"""Density, as in ``Steering``, given up where there are twice as many notes as usual."""

MOST_TOO_FEW = 0.5
"""However few there were, because the partner rested, it is not hurried more than for this share."""

MISSING = 4.0
"""Nats that a part gains that has not played for a span, falling to 0 at half of its usual notes."""

TOLD_BY = 8
"""Notes in the last four spans without which nothing is known of how densely the partner plays."""

_STEPS = np.arange(FIELD_SIZES[Field.DELTA], dtype=np.float32)


class Crowd:
    """The partner's own onsets of the last four beats. One plan each.

    Args:
        context: What the partner has read.
        tick: Stream tick of its last row.
        steering: A higher density allows more notes. Only its parts are looked at: what a part played
            before it was switched off crowds nobody.
    """

    def __init__(self, context: Rows, tick: int, steering: Steering, habits: Habits | None = None) -> None:
        ticks = np.cumsum(context[:, Field.DELTA].astype(np.int64))
        ticks += tick - int(ticks[-1])
        is_own = context[:, Field.ROLE] == Role.PARTNER
        recent = is_own & (ticks > tick - SPAN_TICKS)
        own = context[recent, Field.INSTRUMENT].tolist()
        self._notes = deque(zip(ticks[recent].tolist(), own, strict=True))
        self._counts = np.bincount(np.array(own, dtype=np.int64), minlength=N_INSTRUMENTS)
        # Beyond any crowd for parts that do not play.
        self._limits = np.full(len(self._counts), np.inf)
        self._limits[list(steering.instruments)] = CROWDED_PER_BEAT * 2 ** (steering.density / 2)
        self._limits[DRUMS] *= DRUMS_PER_BEAT / CROWDED_PER_BEAT
        self._density = steering.density
        self._parts = list(steering.instruments)
        self._usual_of = {i: habits[i].notes_per_beat for i in self._parts if habits and i in habits}
        # Notes a beat that all parts usually play together, more at a higher density; 0 where not known.
        self._usual = 0.0
        is_told = np.count_nonzero(is_own & (ticks > tick - 4 * SPAN_TICKS)) >= TOLD_BY
        if is_told and len(self._usual_of) == len(self._parts):
            self._usual = sum(self._usual_of.values()) * 2 ** (steering.density / 2)

    def add(self, tick: int, instrument: int) -> None:
        """The partner plays a note of an instrument class."""
        self._notes.append((tick, instrument))
        self._counts[instrument] += 1

    def bias(self, tick: int) -> NDArray[np.float32]:
        """What to add to the logits of the next step, ``[steps]``, where the last row stands at ``tick``."""
        while self._notes and self._notes[0][0] <= tick - SPAN_TICKS:
            self._counts[self._notes.popleft()[1]] -= 1
        per_beat = self._counts * (GRID_PER_BEAT / SPAN_TICKS)
        excess = float(np.maximum(per_beat - self._limits, 0.0).sum())
        pull = self._density - PULL * self._stray(float(per_beat[self._parts].sum()))
        bias = (LATER * excess - pull) / GRID_PER_BEAT * _STEPS
        bias[0] -= SAME_ONSET * excess
        return np.asarray(bias, dtype=np.float32)

    def missing(self) -> NDArray[np.float32]:
        """What to add to the logits of the next instrument, ``[instruments + 1]``: parts not heard of late.

        A part that has rested is taken for one that the song does not have. Without habits nothing is told.
        """
        bias = np.zeros(FIELD_SIZES[Field.INSTRUMENT], dtype=np.float32)
        for instrument, usual in self._usual_of.items():
            share = self._counts[instrument] * (GRID_PER_BEAT / SPAN_TICKS) / usual
            bias[instrument] = MISSING * max(0.0, 1.0 - 2.0 * share)
        return bias

    def _stray(self, per_beat: float) -> float:
        """Notes too many (or, below 0, too few) as a share of the usual ones."""
        off = per_beat / self._usual - 1.0 if self._usual else 0.0
        return max(beyond(off, NEAR), -MOST_TOO_FEW)
