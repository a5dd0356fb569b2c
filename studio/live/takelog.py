"""Takes as they come and go while the desk runs: each begins with its first note and ends properly.

Playing while the transport stands is kept too: often the idea comes after the stop.

The engine hands over what happened and never waits; a thread of its own decides where takes begin and end,
and writes them.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from midi.errors import UserError
from studio.live.messages import Actions, Input, SetPlaying, Sound, Steer, TempoMark, Voice
from studio.live.realtime import BESIDE_PRIORITY, ask_for_real_time
from studio.live.session import FLUSH_S, TAKE_NAME, TakeWriter, new_session_folder
from studio.live.take import TakeHeader, event_lines

REST_S = 10.0
"""A take without the transport ends when no key was down for this long: a break, not a thought."""


@dataclass
class _Running:
    """A take that is being written; a free one began while the transport stood."""

    writer: TakeWriter
    begin_s: float
    end_s: float
    is_free: bool = False
    open_notes: dict[int, Sound] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogState:
    """One look at the log: the folder being written, its length, and the files of what is finished."""

    is_on: bool = True
    path: Path | None = None
    length_s: float = 0.0
    finished: tuple[Path, ...] = ()


class TakeLog:
    """Writes takes: the first note begins one, a stop ends it.

    What is played while the transport stands is a take of its own, up to a rest or the next start.

    ``record`` belongs to the engine's thread; the rest may be called from any. ``start`` gives it a thread;
    without one, ``flush`` does the work by hand.

    Args:
        root: Folder of the takes; made when the first one begins.
        header: What the next take says of itself; called where the writing is done, like ``opening``.
        now_s: Time of the engine's clock; called there too.
        opening: How the partner is steered where a take begins.
        ends_at_stop: False writes one take from the first note to the end, stops included.
        is_on: Whether anything is kept.
        spare_folder: Where a take goes when its own place can't be written to.

    Attributes:
        root: Folder of the takes; another one counts from the next take on.
    """

    def __init__(
        self,
        root: Path,
        header: Callable[[], TakeHeader],
        now_s: Callable[[], float],
        *,
        opening: Callable[[], Sequence[Steer]] = tuple,
        ends_at_stop: bool = True,
        is_on: bool = True,
        spare_folder: Path | None = None,
    ) -> None:
        self.root, self._header, self._ends_at_stop = root, header, ends_at_stop
        self._now_s = now_s
        self._opening = opening
        self._spare_folder = spare_folder or Path(tempfile.gettempdir()) / "antiphon"
        self._came: deque[tuple[float, Sequence[Input], Actions] | tuple[float, bool]] = deque()
        self._lock = threading.RLock()
        self._take: _Running | None = None
        self._is_on = is_on
        self._is_running = False
        self._marks: list[TempoMark] = []
        self._controls: dict[tuple[Voice, int], Sound] = {}
        self._problem = ""
        self._unsaved: list[TakeWriter] = []
        self._state = LogState(is_on)
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def problem(self) -> str:
        """What is wrong with writing, one sentence; empty while all is well."""
        take = self._take
        return (take.writer.problem if take is not None else "") or self._problem

    def state(self) -> LogState:
        """How it stands."""
        return self._state

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in; never waits."""
        self._came.append((now_s, inputs, actions))

    def switch(self, now_s: float, *, is_on: bool) -> None:
        """Keep what comes from now on, or nothing; a running take ends. Never waits."""
        self._came.append((now_s, is_on))

    def start(self) -> None:
        """Write from a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="takes", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        ask_for_real_time(BESIDE_PRIORITY)
        while not self._is_stopping.wait(FLUSH_S):
            self.flush()

    def flush(self) -> None:
        """Bring everything that has come in to the disk."""
        with self._lock:
            while self._came:
                match self._came.popleft():
                    case (now_s, bool(is_on)):
                        self._switch(now_s, is_on=is_on)
                    case (now_s, inputs, actions):
                        self._step(now_s, inputs, actions)
            self._end_rested(self._now_s())
            if self._take is not None:
                self._take.writer.flush()
            self._publish()

    def close(self) -> None:
        """End the running take and stop; may be called again after a failure.

        Raises:
            UserError: A take could be saved nowhere; it is still in memory.
        """
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        with self._lock:
            unsaved, self._unsaved = self._unsaved, []
            if self._take is not None:
                unsaved.append(self._end(self._take.end_s))
            for writer in unsaved:
                self._save(writer)
            self._publish()
            if self._unsaved:
                raise UserError(self._problem, "Free some disk space and save again before leaving.")

    def _publish(self) -> None:
        take = self._take
        path = None if take is None else take.writer.path.parent
        length_s = 0.0 if take is None else take.end_s - take.begin_s
        self._state = replace(self._state, is_on=self._is_on, path=path, length_s=length_s)

    # One thing that happened.

    def _switch(self, now_s: float, *, is_on: bool) -> None:
        self._is_on = is_on
        if not is_on and self._take is not None:
            self._save(self._end(now_s))

    def _step(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        self._end_rested(now_s)
        if actions.tempo and not self._is_running:
            self._is_running, self._marks = True, []
            if self._take is not None and self._ends_at_stop:
                self._save(self._end(now_s))
        if self._take is None and self._is_on:
            self._begin(actions)
        if self._take is not None:
            self._write(self._take, now_s, inputs, actions)
        self._marks = [*self._marks, *actions.tempo][-1:]
        for sound in actions.sounds:
            if sound.kind == "control":
                self._controls[sound.voice, sound.pitch] = sound
        if any(isinstance(item, SetPlaying) and not item.is_playing for item in inputs):
            self._is_running = False
            if self._take is not None and self._ends_at_stop:
                self._save(self._end(now_s))

    def _end_rested(self, now_s: float) -> None:
        """End a free take that nobody plays any more."""
        take = self._take
        if take is None or not (take.is_free and self._ends_at_stop) or take.open_notes:
            return
        if now_s - take.end_s > REST_S:
            self._save(self._end(now_s))

    def _begin(self, actions: Actions) -> None:
        """Open a take if there is a note, with the tempo and the pedals that it finds."""
        first = next((sound for sound in actions.sounds if sound.kind == "on"), None)
        if first is None:
            return
        try:
            folder = new_session_folder(self.root, datetime.now())
        except UserError as fault:
            # It grows in memory and is put into the spare folder when it ends.
            self._problem = fault.message
            folder = self.root / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        writer = TakeWriter(folder / TAKE_NAME, self._header())
        held = [replace(sound, time_s=first.time_s) for sound in self._controls.values() if sound.velocity]
        steering = [replace(item, time_s=first.time_s) for item in self._opening()]
        # Where the transport stands, no mark tells of the music's time: the header's tempo holds.
        marks = tuple(self._marks) if self._is_running else ()
        writer.add(event_lines(first.time_s, steering, Actions(tuple(held), tempo=marks)))
        self._take = _Running(writer, first.time_s, first.time_s, is_free=not self._is_running)

    def _write(self, take: _Running, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        sounds = []
        for sound in actions.sounds:
            # The off of a note that began before the take has no on in it.
            if sound.kind == "off" and take.open_notes.pop(sound.note_id, None) is None:
                continue
            if sound.kind == "on":
                take.open_notes[sound.note_id] = sound
            take.end_s = max(take.end_s, sound.time_s)
            sounds.append(sound)
        take.writer.add(event_lines(now_s, inputs, replace(actions, sounds=tuple(sounds))))

    def _end(self, now_s: float) -> TakeWriter:
        """End every note of the running take; its writer, still to be closed."""
        take, self._take = self._take, None
        assert take is not None  # noqa: S101 - callers know
        offs = [
            replace(on, kind="off", time_s=max(now_s, on.time_s), velocity=0)
            for on in take.open_notes.values()
        ]
        take.writer.add(event_lines(now_s, (), Actions(tuple(offs))))
        return take.writer

    def _save(self, writer: TakeWriter) -> None:
        try:
            path = writer.close(self._spare_folder)
        except UserError as fault:
            self._problem = fault.message
            self._unsaved.append(writer)
            return
        self._problem = writer.problem
        self._state = replace(self._state, finished=(*self._state.finished, path))
