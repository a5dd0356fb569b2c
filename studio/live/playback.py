"""Committed partner notes on their way to the sinks: each given out in time, each ended once. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from models.sequence.plan import PlannedNote
from studio.live.messages import Sound, Voice


@dataclass(slots=True)
class PlayedNote:
    """A partner note that was given out; ``end_ticks`` is where it really ended."""

    note: PlannedNote
    end_ticks: int


@dataclass(slots=True)
class _Sounding:
    note_id: int
    on_s: float
    off_ticks: float
    moved_ticks: float
    played: PlayedNote


class Playback:
    """Queue of committed notes and the notes now sounding. Ticks become seconds only when given out.

    Args:
        note_ids: Where note ids come from, shared with the player's keys.
        keeps_history: Keep every note given out, for :meth:`played`.

    Attributes:
        history: Every note given out; empty unless they are kept.
        late_drops: Notes never given out because their time had gone.
        fallback_notes: Notes given out that came from the rules.
    """

    def __init__(self, note_ids: Iterator[int], *, keeps_history: bool = False) -> None:
        self._note_ids = note_ids
        self._queue: list[tuple[float, int, PlannedNote, bool]] = []
        self._offs: list[tuple[float, tuple[int, int]]] = []
        self._serial = 0
        self._sounding: dict[tuple[int, int], _Sounding] = {}
        self.history: deque[PlayedNote] = deque(maxlen=None if keeps_history else 0)
        self.late_drops = 0
        self.fallback_notes = 0

    def commit(
        self, notes: Sequence[PlannedNote], moved_ticks: Sequence[float], *, is_fallback: bool = False
    ) -> None:
        """Fix notes: from here on they are played as they are.

        Args:
            notes: As planned.
            moved_ticks: How much later than planned each is heard, from its on to its off.
            is_fallback: They come from the rules.
        """
        for note, moved in zip(notes, moved_ticks, strict=True):
            self._serial += 1
            heapq.heappush(self._queue, (note.onset_ticks + moved, self._serial, note, is_fallback))

    def next_tick(self) -> float | None:
        """Tick of the next on or off; None when there is nothing to do."""
        ticks = [heap[0][0] for heap in (self._queue, self._offs) if heap]
        return min(ticks) if ticks else None

    def due(self, now_s: float, horizon_s: float, seconds_at: Callable[[float], float]) -> list[Sound]:
        """Sounds whose time comes until ``now_s + horizon_s``, in time order, none before ``now_s``.

        A note whose onset has gone is dropped and counted; an off that has gone is given out now, and so is a
        note that was only moved into the past.
        """
        sounds: list[Sound] = []
        while (tick := self.next_tick()) is not None:
            at_s = seconds_at(tick)
            if at_s > now_s + horizon_s:
                break
            if self._offs and self._offs[0][0] == tick:  # a note ends before the next begins
                sounds.extend(self._scheduled_off(*heapq.heappop(self._offs), max(at_s, now_s)))
                continue
            _, _, note, is_fallback = heapq.heappop(self._queue)
            moved_ticks = tick - note.onset_ticks
            planned_s = seconds_at(note.onset_ticks) if moved_ticks else at_s
            if max(at_s, planned_s) < now_s:
                self.late_drops += 1
                continue
            self.fallback_notes += is_fallback
            sounds.extend(self._on(note, moved_ticks, planned_s, max(at_s, now_s)))
        return sounds

    def _on(self, note: PlannedNote, moved_ticks: float, planned_s: float, at_s: float) -> Iterator[Sound]:
        key = (note.instrument, note.pitch)
        if key in self._sounding:
            yield self._off(key, note.onset_ticks, at_s)
        note_id = next(self._note_ids)
        end = note.onset_ticks + note.duration_ticks
        played = PlayedNote(note, end)
        self.history.append(played)
        off_ticks = end + moved_ticks
        self._sounding[key] = _Sounding(note_id, at_s, off_ticks, moved_ticks, played)
        heapq.heappush(self._offs, (off_ticks, key))
        yield Sound(
            at_s, "on", Voice.PARTNER, note.pitch, note.velocity, note_id, note.instrument, at_s - planned_s
        )

    def _scheduled_off(self, tick: float, key: tuple[int, int], at_s: float) -> Iterator[Sound]:
        sounding = self._sounding.get(key)
        # Entries of notes that were struck again or cut in the meantime are void.
        if sounding is not None and sounding.off_ticks == tick:
            yield self._off(key, round(tick - sounding.moved_ticks), at_s)

    def _off(self, key: tuple[int, int], tick: int, at_s: float) -> Sound:
        sounding = self._sounding.pop(key)
        sounding.played.end_ticks = min(
            sounding.played.end_ticks, max(tick, sounding.played.note.onset_ticks)
        )
        at_s = max(at_s, sounding.on_s)
        return Sound(at_s, "off", Voice.PARTNER, key[1], 0, sounding.note_id, key[0])

    def cut(self, tick: int) -> None:
        """Let no note, sounding or committed, last beyond ``tick``."""
        self._queue = [(t, serial, _cut(note, tick), rules) for t, serial, note, rules in self._queue]
        for key, sounding in self._sounding.items():
            shorter = _cut(sounding.played.note, tick)
            end = shorter.onset_ticks + shorter.duration_ticks + sounding.moved_ticks
            sounding.off_ticks = min(sounding.off_ticks, end)
            heapq.heappush(self._offs, (sounding.off_ticks, key))

    def clear(self, now_s: float, now_ticks: float) -> tuple[list[Sound], tuple[PlannedNote, ...]]:
        """End every sounding note now and forget the queue.

        Returns:
            The offs (for notes given out ahead of time: at their onset), and the notes forgotten.
        """
        forgotten = self.queued()
        self._queue.clear()
        self._offs.clear()
        return [self._off(key, round(now_ticks), now_s) for key in sorted(self._sounding)], forgotten

    def played(self) -> tuple[PlannedNote, ...]:
        """Every note given out so far and kept, with the duration that it really had."""
        return tuple(
            replace(p.note, duration_ticks=max(1, p.end_ticks - p.note.onset_ticks)) for p in self.history
        )

    def queued(self) -> tuple[PlannedNote, ...]:
        """Committed notes not yet given out, by onset."""
        return tuple(entry[2] for entry in sorted(self._queue))

    def sounding(self) -> tuple[PlannedNote, ...]:
        """Notes given out and not yet ended, by onset."""
        return tuple(sorted(s.played.note for s in self._sounding.values()))


def _cut(note: PlannedNote, tick: int) -> PlannedNote:
    return replace(note, duration_ticks=max(1, min(note.duration_ticks, tick - note.onset_ticks)))
