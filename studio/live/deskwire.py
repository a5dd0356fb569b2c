"""Views on their way from the desk's process to the window's: only what changed, as plain numbers.

A view holds hundreds of notes; sixty times a second nobody can afford to pack them all, least of all the
engine's interpreter. So a frame names the fields that changed, notes travel as tuples, and of the roll only
what is new does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from models.sequence.plan import PlannedNote
from studio.live.deskview import DeskView, RollNote
from studio.live.messages import Snapshot, Voice

_NOTE_FIELDS = ("committed", "ghosts")
_SNAPSHOT_FIELDS = tuple(field.name for field in fields(Snapshot))
_VIEW_FIELDS = tuple(field.name for field in fields(DeskView) if field.name not in {"snapshot", "roll"})

Flat = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What changed since the frame before.

    Attributes:
        view: Fields of the view, but for snapshot and roll.
        snapshot: Fields of the snapshot; notes as tuples of their fields.
        roll: None, or the notes in order: ``(from, until)`` is a run of the notes before, a longer tuple
            the fields of a note.
    """

    view: dict[str, Any]
    snapshot: dict[str, Any]
    roll: tuple[Flat, ...] | None = None

    @property
    def is_news(self) -> bool:
        """Whether anything but the time has changed."""
        return bool(self.view) or self.roll is not None or self.snapshot.keys() > {"time_s"}


class Packer:
    """Views to frames; each frame counts on the one before. One thread only."""

    def __init__(self) -> None:
        self._view: DeskView | None = None

    def pack(self, view: DeskView) -> Frame:
        """What changed since the view before that was kept."""
        before = self._view
        old = None if before is None else before.snapshot
        snapshot = _changed(view.snapshot, old, _SNAPSHOT_FIELDS)
        for name in _NOTE_FIELDS:
            if name in snapshot:
                snapshot[name] = tuple(_flat(note) for note in snapshot[name])
        known = () if before is None else before.roll
        roll = None if view.roll is known else _runs(view.roll, known)
        return Frame(_changed(view, before, _VIEW_FIELDS), snapshot, roll)

    def keep(self, view: DeskView) -> None:
        """The frame of a view was sent: the next one counts on it."""
        self._view = view


class Unpacker:
    """Frames to views; they must come in the order in which they were packed. One thread only."""

    def __init__(self, view: DeskView) -> None:
        self._view = view
        self._roll: tuple[RollNote, ...] = ()

    def unpack(self, frame: Frame) -> DeskView:
        """The view that was packed."""
        changes = dict(frame.snapshot)
        for name in _NOTE_FIELDS:
            if name in changes:
                changes[name] = tuple(PlannedNote(*note) for note in changes[name])
        if frame.roll is not None:
            self._roll = tuple(_notes(frame.roll, self._roll))
        snapshot = replace(self._view.snapshot, **changes)
        self._view = replace(self._view, snapshot=snapshot, roll=self._roll, **frame.view)
        return self._view


def _changed(new: object, old: object | None, names: Iterable[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        value = getattr(new, name)
        before = getattr(old, name, None)
        if old is None or (value is not before and value != before):
            found[name] = value
    return found


def _flat(note: PlannedNote) -> Flat:
    return (note.onset_ticks, note.duration_ticks, note.pitch, note.velocity, note.instrument)


def _runs(roll: tuple[RollNote, ...], known: tuple[RollNote, ...]) -> tuple[Flat, ...]:
    """A roll by what is known of it. A note that goes on is the same object."""
    places = {id(note): place for place, note in enumerate(known)}
    found: list[Flat] = []
    for note in roll:
        place = places.get(id(note))
        if place is None:
            found.append((note.voice.value, note.pitch, note.velocity, note.instrument, note.onset_ticks,
                          note.end_ticks))  # fmt: skip
        elif found and len(found[-1]) == 2 and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return tuple(found)


def _notes(roll: tuple[Flat, ...], known: tuple[RollNote, ...]) -> Iterable[RollNote]:
    for item in roll:
        if len(item) == 2:
            yield from known[item[0] : item[1]]
        else:
            yield RollNote(Voice(item[0]), *item[1:])
