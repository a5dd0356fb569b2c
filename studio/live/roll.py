"""What was heard lately, on the grid, and the name of what sounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from midi.events import DRUMS, GRID_PER_BEAT
from midi.theory import chord_name
from studio.live.deskview import RollNote
from studio.live.messages import Actions, Input, SetPlaying, Snapshot, Sound, TempoMark

MAX_NOTES = 400
MAX_CHORDS = 96
KEPT_BARS = 8

CHORD_S = 0.25
"""A chord's name stays at least this long: eyes do not read faster."""


class Roll:
    """Notes of the last bars. ``record`` belongs to the engine's thread, ``look`` to any.

    While the transport stands there is no place on the grid, and nothing is kept.

    Attributes:
        mark: Where musical time runs; None while it stands.
    """

    def __init__(self) -> None:
        self.mark: TempoMark | None = None
        # Both are replaced as a whole, so that every thread sees all of a change or nothing.
        self._heard: tuple[RollNote, ...] = ()
        self._seen: tuple[tuple[RollNote, ...], tuple[RollNote, ...]] = ((), ())
        self._kept_ticks = KEPT_BARS * 4 * GRID_PER_BEAT
        self._notes: dict[int, RollNote] = {}
        self._before: TempoMark | None = None

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in."""
        for mark in actions.tempo:
            self._before, self.mark = self.mark, mark
        is_changed = False
        for sound in actions.sounds:
            is_changed |= self._take(sound)
        if is_changed:
            self._drop(self._tick(now_s))
            self._heard = tuple(self._notes.values())
        if any(isinstance(item, SetPlaying) and not item.is_playing for item in inputs):
            self.mark = self._before = None

    def look(self, snapshot: Snapshot) -> tuple[RollNote, ...]:
        """What was heard in the last bars, by onset; the same object as before when nothing is new."""
        self._kept_ticks = round(KEPT_BARS * snapshot.beats_per_bar * GRID_PER_BEAT)
        heard, (known, seen) = self._heard, self._seen
        if heard is not known:
            # What is given out ahead of its time came too early.
            seen = tuple(sorted(heard, key=lambda note: note.onset_ticks))
        since = snapshot.beat * GRID_PER_BEAT - self._kept_ticks
        if seen and _is_over(seen[0], since):
            seen = tuple(note for note in seen if not _is_over(note, since))
        self._seen = (heard, seen)
        return seen

    def _take(self, sound: Sound) -> bool:
        known = self._notes.get(sound.note_id)
        if sound.kind == "on" and self.mark is not None:
            self._notes[sound.note_id] = RollNote(
                sound.voice, sound.pitch, sound.velocity, sound.instrument, self._tick(sound.time_s)
            )
        elif sound.kind == "off" and known is not None:
            end_ticks = max(known.onset_ticks + 1, self._tick(sound.time_s))
            self._notes[sound.note_id] = replace(known, end_ticks=end_ticks)
        else:
            return False
        return True

    def _tick(self, time_s: float) -> int:
        mark = self.mark
        if mark is None:
            return max((note.onset_ticks for note in self._notes.values()), default=0)
        if self._before is not None and time_s < mark.time_s:
            mark = self._before
        return round((mark.beat + (time_s - mark.time_s) * mark.bpm / 60.0) * GRID_PER_BEAT)

    def _drop(self, now_ticks: int) -> None:
        """Forget from the front: what ended long ago, and what is too many."""
        while self._notes:
            note_id, note = next(iter(self._notes.items()))
            if not _is_over(note, now_ticks - self._kept_ticks) and len(self._notes) <= MAX_NOTES:
                return
            del self._notes[note_id]


def _is_over(note: RollNote, since_ticks: float) -> bool:
    return note.end_ticks is not None and note.end_ticks < since_ticks


def sounding_pitches(snapshot: Snapshot, *, player_drums: bool) -> tuple[int, ...]:
    """Pitches that both hands and the partner hold now, drums left out."""
    now = snapshot.beat * GRID_PER_BEAT
    partner = {
        note.pitch
        for note in snapshot.committed
        if note.instrument != DRUMS and note.onset_ticks <= now < note.onset_ticks + note.duration_ticks
    }
    return tuple(sorted(partner.union(() if player_drums else snapshot.held)))


class ChordWatch:
    """Names the sounding harmony, and changes its mind no faster than every :data:`CHORD_S`.

    Attributes:
        name: What sounds now; empty for nothing that has a name.
        heard: Names of the last bars with the grid tick at which each began, oldest first; an empty name
            ends the one before. Replaced as a whole.
    """

    def __init__(self) -> None:
        self.name = ""
        self.heard: tuple[tuple[int, str], ...] = ()
        self._since_s = float("-inf")
        self._seen: tuple[int, ...] = ()
        self._found = ""

    def see(self, now_s: float, pitches: tuple[int, ...]) -> str:
        """The name to show; ``pitches`` sound now."""
        if pitches != self._seen:
            self._seen = pitches
            chord = chord_name(pitches)
            self._found = chord.text() if chord is not None else ""
        if self._found != self.name and now_s - self._since_s >= CHORD_S:
            self.name, self._since_s = self._found, now_s
        return self.name

    def keep(self, snapshot: Snapshot) -> tuple[tuple[int, str], ...]:
        """What was heard in the last bars, the name that holds now at its end."""
        now, heard = round(snapshot.beat * GRID_PER_BEAT), self.heard
        if heard and heard[-1][0] > now:
            # The music went back to an earlier place, as at a new start: what lies ahead was not heard.
            heard = tuple(each for each in heard if each[0] <= now)
        if self.name != (heard[-1][1] if heard else ""):
            before = tuple(each for each in heard if each[0] < now)
            is_news = self.name != (before[-1][1] if before else "")
            heard = (*before, (now, self.name)) if is_news else before
        since = now - round(KEPT_BARS * snapshot.beats_per_bar * GRID_PER_BEAT)
        while len(heard) > 1 and (heard[1][0] <= since or len(heard) > MAX_CHORDS):
            heard = heard[1:]
        self.heard = heard
        return heard
