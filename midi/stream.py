"""The rows of a performance while it happens."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from midi.bars import BarGrid
from midi.events import (
    EVENT_DTYPE,
    Events,
    Interplay,
    Rows,
    bar_events,
    encode,
    sort_events,
    start_row,
)


class EventStream:
    """The rows of a performance as it happens: insert events, ask for rows.

    Events may come in any order; only the rows behind the earliest change are encoded again, and
    the rows are always those that :func:`encode` gives for the whole. Bar lines are added up to the
    frontier. Not thread-safe: it belongs to the conductor.

    Args:
        grid: Bar lines.
        from_tick: Stream tick at which the context opens, a bar line as a rule.
        interplay: Told by the START row.
        instruments: The partner's parts, told by the START row, see :func:`start_row`.
    """

    def __init__(
        self,
        grid: BarGrid,
        from_tick: int = 0,
        interplay: Interplay = Interplay.ACCOMPANY,
        instruments: Iterable[int] = (),
    ) -> None:
        self.grid = grid
        self.from_tick = from_tick
        self.frontier_ticks = from_tick
        self._events = np.zeros(0, dtype=EVENT_DTYPE)
        self._rows: Rows = start_row(grid, from_tick, interplay, instruments)

    def __len__(self) -> int:
        return len(self._rows)

    def reopen(self, interplay: Interplay, instruments: Iterable[int]) -> None:
        """Tell something else in the START row; the rest stays as it is."""
        self._rows = np.concatenate(
            [start_row(self.grid, self.from_tick, interplay, instruments), self._rows[1:]]
        )

    def advance(self, tick: int) -> None:
        """Add the bar lines before ``tick``; the frontier never goes back."""
        if tick > self.frontier_ticks:
            bars = bar_events(self.grid, self.frontier_ticks, tick)
            self.frontier_ticks = tick
            if len(bars):
                self.insert(bars)

    def insert(self, events: Events) -> None:
        """Add events; those before ``from_tick`` are refused with ValueError."""
        if len(events) == 0:
            return
        if int(events["ticks"].min()) < self.from_tick:
            raise ValueError("event before the start of the stream")
        kept = int(np.searchsorted(self._events["ticks"], int(events["ticks"].min()), side="left"))
        tail = sort_events(np.concatenate([self._events[kept:], events]))
        before = int(self._events["ticks"][kept - 1]) if kept else self.from_tick
        self._events = np.concatenate([self._events[:kept], tail])
        self._rows = np.concatenate([self._rows[: kept + 1], encode(tail, self.grid, before)])

    def events(self) -> Events:
        """All events in canonical order."""
        return self._events

    def rows(self) -> Rows:
        """START and all events as rows ``[1 + events, fields]``."""
        return self._rows
