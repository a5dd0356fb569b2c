"""Keeping the partner from running away into ever denser clusters.

A partner that reads its own notes takes a dense bar for a dense style and goes on denser still. Arrangers
hardly ever do: in nine of ten bars of POP909 there are at most five notes a beat. Beyond that, the
more crowded the last bar, the less likely another note at the same onset, or soon after, is made.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from midi.events import FIELD_SIZES, GRID_PER_BEAT, Field, Role, Rows
from models.sequence.plan import Steering

CROWDED_PER_BEAT = 5.0
"""Notes a beat of one part above which a bar is crowded, at the model's own density."""

SPAN_TICKS = 4 * GRID_PER_BEAT

SAME_ONSET = 1.0
"""Nats that another note at the same onset loses for each note a beat too many."""

LATER = 0.5
"""Density, as in ``Steering``, given up for each note a beat too many."""

_STEPS = np.arange(FIELD_SIZES[Field.DELTA], dtype=np.float32)


class Crowd:
    """The partner's own onsets of the last four beats. One plan each.

    Args:
        context: What the partner has read.
        tick: Stream tick of its last row.
        steering: A higher density, or more parts, allow more notes.
    """

    def __init__(self, context: Rows, tick: int, steering: Steering) -> None:
        ticks = np.cumsum(context[:, Field.DELTA].astype(np.int64))
        own = ticks[context[:, Field.ROLE] == Role.PARTNER] + (tick - int(ticks[-1]))
        self._onsets = deque(own[own > tick - SPAN_TICKS].tolist())
        self._limit = CROWDED_PER_BEAT * 2 ** (steering.density / 2) * max(1, len(steering.instruments))
        self._density = steering.density

    def add(self, tick: int) -> None:
        """The partner plays a note."""
        self._onsets.append(tick)

    def bias(self, tick: int) -> NDArray[np.float32]:
        """What to add to the logits of the next step, ``[steps]``, where the last row stands at ``tick``."""
        while self._onsets and self._onsets[0] <= tick - SPAN_TICKS:
            self._onsets.popleft()
        excess = max(0.0, len(self._onsets) * GRID_PER_BEAT / SPAN_TICKS - self._limit)
        bias = (LATER * excess - self._density) / GRID_PER_BEAT * _STEPS
        bias[0] -= SAME_ONSET * excess
        return np.asarray(bias, dtype=np.float32)
