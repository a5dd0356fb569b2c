"""Sending messages to a port when they are due, with one note-off for every note-on."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from midi.clock import Clock
from midi.messages import Message, note_off, note_on
from midi.ports import BURST_LIMIT, BURST_PAUSE_S, OutputPort

SHORTEST_NOTE_S = 0.001
"""A note's off comes at least this long after its on."""

STALE_S = 0.100
"""A note-on later than this is dropped: late notes hurt more than missing ones (research, music §6)."""

NoteId = Hashable
"""Names one note among all that sound or wait; the caller's choice."""


class _Rank(IntEnum):
    # Order among messages due at the same time: keys are released before others are struck.
    OFF = 0
    OTHER = 1
    ON = 2


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late messages left, in milliseconds, over the last ``count`` of them (at most 65,536)."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(slots=True, eq=False)
class _Entry:
    note_id: NoteId
    onset_s: float
    key: tuple[int, int]
    sounds: bool = False
    over: bool = False


class Schedule:
    """Time-stamped messages in a heap; decides what goes out and in which order. No threads, no clock.

    Each note has an id. When its pitch is struck again on the same channel while it sounds, it is
    released just before, and its own later off is dropped; so an old off cannot cut a new note.

    Attributes:
        n_stale: Notes dropped because they were due more than ``stale_s`` ago.
        n_dropped_offs: Offs dropped because their note had been closed or never began.
        n_flushed: Notes that had not begun when everything was silenced, and never did.
    """

    def __init__(self, stale_s: float = STALE_S) -> None:
        self._stale_s = stale_s
        self._heap: list[tuple[float, int, int, _Entry | None, Message]] = []
        self._n_added = 0
        self._notes: dict[NoteId, _Entry] = {}
        self._sounding: dict[tuple[int, int], _Entry] = {}
        self._late_s: deque[float] = deque(maxlen=65_536)
        self.n_stale = 0
        self.n_dropped_offs = 0
        self.n_flushed = 0

    def note_on(self, at_s: float, note_id: NoteId, channel: int, pitch: int, velocity: int) -> None:
        """Strike a key at ``at_s``. ``ValueError`` for an id in use, or data out of MIDI's range."""
        if note_id in self._notes:
            raise ValueError(f"note {note_id!r} is waiting or sounding already")
        if velocity < 1:
            raise ValueError("velocity 0 is a note-off")
        entry = _Entry(note_id, at_s, (channel, pitch))
        self._add(at_s, _Rank.ON, entry, note_on(channel, pitch, velocity))
        self._notes[note_id] = entry

    def note_off(self, at_s: float, note_id: NoteId) -> None:
        """Release a note at ``at_s``, at the earliest ``SHORTEST_NOTE_S`` after its onset.

        An id that neither waits nor sounds is counted and forgotten.
        """
        entry = self._notes.get(note_id)
        if entry is None:
            self.n_dropped_offs += 1
            return
        self._add(max(at_s, entry.onset_s + SHORTEST_NOTE_S), _Rank.OFF, entry, note_off(*entry.key))

    def message(self, at_s: float, message: Message) -> None:
        """Send anything that is not a note at ``at_s``. ``ValueError`` for data out of range."""
        self._add(at_s, _Rank.OTHER, None, message)

    def _add(self, at_s: float, rank: _Rank, entry: _Entry | None, message: Message) -> None:
        message.to_bytes()
        heapq.heappush(self._heap, (at_s, rank, self._n_added, entry, message))
        self._n_added += 1

    def cancel(self, note_id: NoteId) -> bool:
        """Forget a note that has not begun; False when it sounds already or is unknown."""
        entry = self._notes.get(note_id)
        if entry is None or entry.sounds:
            return False
        self._forget(entry)
        return True

    def _forget(self, entry: _Entry) -> None:
        # What the heap still holds of it is passed over, even if its id is used again meanwhile.
        entry.over = True
        del self._notes[entry.note_id]

    def next_s(self) -> float | None:
        """When the next message is due; None when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float, limit: int | None = None) -> list[Message]:
        """Take out what is due at ``now_s``, in sending order.

        With ``limit``, stops once that many messages are out (a re-struck key may add one).
        """
        out: list[Message] = []
        while self._heap and self._heap[0][0] <= now_s and (limit is None or len(out) < limit):
            at_s, rank, _, entry, message = heapq.heappop(self._heap)
            if entry is None:
                sent = [message]
            elif rank == _Rank.ON:
                sent = self._strike(entry, message, now_s - at_s)
            else:
                sent = self._release(entry)
            if sent:
                self._late_s.append(now_s - at_s)
            out += sent
        return out

    def _strike(self, entry: _Entry, message: Message, late_s: float) -> list[Message]:
        if entry.over:
            return []
        if late_s > self._stale_s:
            self.n_stale += 1
            self._forget(entry)
            return []
        closing = self._release(self._sounding[entry.key]) if entry.key in self._sounding else []
        entry.sounds = True
        self._sounding[entry.key] = entry
        return [*closing, message]

    def _release(self, entry: _Entry) -> list[Message]:
        if entry.over:
            self.n_dropped_offs += 1
            return []
        self._forget(entry)
        del self._sounding[entry.key]
        return [note_off(*entry.key)]

    def flush(self) -> list[Message]:
        """Forget everything that waits; returns the offs of what sounds."""
        self._heap.clear()
        self.n_flushed += sum(not entry.sounds for entry in self._notes.values())
        self._notes.clear()
        keys, self._sounding = list(self._sounding), {}
        return [note_off(*key) for key in keys]

    def lateness(self) -> Lateness:
        """Lateness of what was sent; zeros before the first message."""
        if not self._late_s:
            return Lateness(0, 0.0, 0.0, 0.0)
        late_ms = np.array(self._late_s) * 1e3
        p50_ms, p99_ms = np.percentile(late_ms, [50, 99])
        return Lateness(len(late_ms), float(p50_ms), float(p99_ms), float(late_ms.max()))


class OutputScheduler:
    """A thread that sends a ``Schedule`` to a port. Every method may be called from any thread.

    Args:
        port: Where messages go; the scheduler never closes it.
        clock: Must run by itself (a system clock): times are its seconds.
        stale_s: See ``Schedule``.
        on_start: Called first on that thread, to ask for a priority.
    """

    def __init__(
        self, port: OutputPort, clock: Clock, stale_s: float = STALE_S,
        on_start: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self._on_start = on_start
        self._port = port
        self._clock = clock
        self._schedule = Schedule(stale_s)
        self._wake = threading.Condition()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="midi-out", daemon=True)
        self._thread.start()

    def note_on(self, at_s: float, note_id: NoteId, channel: int, pitch: int, velocity: int) -> None:
        """See ``Schedule.note_on``."""
        with self._wake:
            self._schedule.note_on(at_s, note_id, channel, pitch, velocity)
            self._wake.notify()

    def note_off(self, at_s: float, note_id: NoteId) -> None:
        """See ``Schedule.note_off``."""
        with self._wake:
            self._schedule.note_off(at_s, note_id)
            self._wake.notify()

    def message(self, at_s: float, message: Message) -> None:
        """See ``Schedule.message``."""
        with self._wake:
            self._schedule.message(at_s, message)
            self._wake.notify()

    def cancel(self, note_id: NoteId) -> bool:
        """See ``Schedule.cancel``."""
        with self._wake:
            return self._schedule.cancel(note_id)

    def lateness(self) -> Lateness:
        """See ``Schedule.lateness``."""
        with self._wake:
            return self._schedule.lateness()

    @property
    def n_stale(self) -> int:
        """Notes dropped because they were too late."""
        with self._wake:
            return self._schedule.n_stale

    @property
    def n_flushed(self) -> int:
        """Notes that had not begun when everything was silenced."""
        with self._wake:
            return self._schedule.n_flushed

    def flush_and_panic(self, *, all_channels: bool = False) -> None:
        """Forget everything that waits and silence the port; back when the wire is quiet."""
        with self._wake:
            for message in self._schedule.flush():
                self._port.send(message)
            self._port.panic(all_channels=all_channels)

    def close(self) -> None:
        """Silence the port and end the thread; calling it again does nothing."""
        with self._wake:
            running, self._running = self._running, False
            self._wake.notify()
        if running:
            self._thread.join()
            self.flush_and_panic()

    def _run(self) -> None:
        self._on_start()
        with self._wake:
            while self._running:
                now_s = self._clock.now_s()
                messages = self._schedule.due(now_s, BURST_LIMIT)
                # Sent under the lock: otherwise a panic from another thread could slip in between.
                for message in messages:
                    self._port.send(message)
                if len(messages) >= BURST_LIMIT:
                    self._wake.wait_for(lambda: not self._running, BURST_PAUSE_S)
                    continue
                next_s = self._schedule.next_s()
                self._wake.wait(None if next_s is None else max(0.0, next_s - self._clock.now_s()))
