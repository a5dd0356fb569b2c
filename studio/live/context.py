"""What the model is told: the performance as event rows, bounded in length. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from midi.events import (
    EVENT_DTYPE,
    LONG_NOTE_TICKS,
    BarGrid,
    Events,
    Interplay,
    Role,
    Rows,
    bar_events,
    encode,
    sort_events,
    start_row,
)
from midi.stream import EventStream
from models.sequence.plan import PlannedNote, planned_events

MAX_ROWS = 512
"""Longest context sent; beyond it the context starts anew at a later bar line."""

KEPT_HEARD = 256
"""The player's last notes that are kept for the rules, which hear no more than these."""

KEPT_ROWS = 256
"""Rows that remain then (about), so that a restart, which costs the model a fresh reading, is rare."""


@dataclass(slots=True)
class HeardNote:
    """A note of the player on the grid; ``stream_ticks`` is where the model learns of it."""

    onset_ticks: int
    stream_ticks: int
    pitch: int
    velocity: int
    duration_ticks: int = 0  # 0 while it sounds


class Context:
    """Event stream of the performance for the model, and the list of the player's notes.

    Args:
        grid: Bar lines.
        instrument: Instrument class of the player.
        keeps_history: Keep all of the player's notes, for :meth:`performed`, and not only the last
            :data:`KEPT_HEARD`: a performance at the desk has no end in sight.
    """

    def __init__(self, grid: BarGrid, instrument: int = 0, *, keeps_history: bool = False) -> None:
        self._opening: tuple[Interplay, tuple[int, ...]] = (Interplay.ACCOMPANY, ())
        self.stream = EventStream(grid, 0, *self._opening)
        self.heard: deque[HeardNote] = deque(maxlen=None if keeps_history else KEPT_HEARD)
        self._instrument = instrument

    def hear(self, frontier: int, presses: list[HeardNote], releases: list[HeardNote]) -> None:
        """Insert onsets, and releases of long notes, no earlier than the frontier."""
        rows: list[tuple[int, ...]] = []
        for note in presses:
            note.stream_ticks = max(frontier, note.onset_ticks)
            rows.append((note.stream_ticks, Role.HUMAN, self._instrument, note.pitch, 0, note.velocity,
                         note.onset_ticks))  # fmt: skip
        for note in releases:
            if note.duration_ticks > LONG_NOTE_TICKS:
                end = note.onset_ticks + note.duration_ticks
                at = max(frontier, end)
                rows.append(
                    (at, Role.RELEASE, self._instrument, note.pitch, note.duration_ticks, note.velocity, end)
                )
        self.heard.extend(presses)
        self._insert(rows)

    def settle(self, notes: Iterable[PlannedNote]) -> None:
        """Insert committed partner notes."""
        self.stream.insert(planned_events(notes))

    def forget(self, notes: Iterable[PlannedNote]) -> None:
        """Take out committed notes that will not be played after all."""
        gone = {(note.onset_ticks, note.instrument, note.pitch) for note in notes}
        if not gone:
            return
        events = self.stream.events()
        keys = zip(
            events["role"].tolist(), events["ticks"].tolist(), events["instrument"].tolist(),
            events["pitch"].tolist(), strict=True,
        )  # fmt: skip
        keep = [role != Role.PARTNER or key not in gone for role, *rest in keys for key in (tuple(rest),)]
        self._restart(self.stream.from_tick, events[np.array(keep, dtype=bool)])

    def rows(self, from_tick: int, *, hears_human: bool) -> tuple[Rows, int]:
        """Context rows with the bar lines up to and including ``from_tick``, and the tick of their START row.

        The bar line at ``from_tick`` itself must be there because the player's notes may already stand at it.
        """
        self.stream.advance(from_tick + 1)
        if len(self.stream) > MAX_ROWS:
            self._shorten()
        if hears_human:
            return self.stream.rows(), self.stream.from_tick
        events, start, grid = self.stream.events(), self.stream.from_tick, self.stream.grid
        own = events[~np.isin(events["role"], (Role.HUMAN, Role.RELEASE))]
        opening = start_row(grid, start, *self._opening)
        return np.concatenate([opening, encode(own, grid, start)]), start

    def heard_events(self, recent: int = 0) -> Events:
        """The player's notes (the last ``recent``, or all) as sorted events; duration 0 while they sound."""
        rows = [
            (
                n.stream_ticks,
                Role.HUMAN,
                self._instrument,
                n.pitch,
                n.duration_ticks,
                n.velocity,
                n.onset_ticks,
            )
            for n in list(self.heard)[-recent:]
        ]
        return sort_events(np.array(rows, dtype=EVENT_DTYPE))

    def performed(self, partner: Iterable[PlannedNote], until_tick: int) -> Events:
        """The whole performance as sorted events: bar lines, player, and the partner's notes as played."""
        bars = bar_events(self.stream.grid, 0, until_tick)
        return sort_events(np.concatenate([bars, self.heard_events(), planned_events(partner)]))

    def relate(self, interplay: Interplay, instruments: tuple[int, ...]) -> None:
        """Tell the model from now on how player and partner relate, and the partner's instruments."""
        self._opening = (interplay, instruments)
        self.stream.reopen(*self._opening)

    def regrid(self, grid: BarGrid, tick: int) -> None:
        """Other bar lines from ``tick`` on; those already told beyond it are taken back."""
        events, frontier, from_tick = self.stream.events(), self.stream.frontier_ticks, self.stream.from_tick
        is_gone = (events["role"] == Role.BAR) & (events["ticks"] >= tick)
        self.stream = EventStream(grid, from_tick, *self._opening)
        self.stream.insert(events[~is_gone])
        self.stream.frontier_ticks = max(from_tick, min(frontier, tick))

    def _insert(self, rows: list[tuple[int, ...]]) -> None:
        if rows:
            self.stream.insert(np.array(rows, dtype=EVENT_DTYPE))

    def _shorten(self) -> None:
        """Start anew from the last bar line behind which enough rows remain.

        Without such a line (very many notes in one bar) the cut is made inside the bar.
        """
        events = self.stream.events()
        ticks = events["ticks"]
        latest = int(ticks[-KEPT_ROWS])
        lines = ticks[(events["role"] == Role.BAR) & (ticks <= latest) & (ticks > ticks[0])]
        start = int(lines[-1]) if len(lines) else latest
        if int((ticks >= start).sum()) >= MAX_ROWS:
            start = latest
        self._restart(start, events[ticks >= start])

    def _restart(self, from_tick: int, events: Events) -> None:
        frontier = self.stream.frontier_ticks
        self.stream = EventStream(self.stream.grid, from_tick, *self._opening)
        self.stream.insert(events)
        self.stream.frontier_ticks = max(frontier, from_tick)
