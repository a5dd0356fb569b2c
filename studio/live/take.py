"""A take: everything that was heard in a performance, as lines of text. Pure; no threads.

The file is JSON lines, appended to and never rewritten: one header, then one line an event in the
order in which it was given out. Times are seconds of the engine's clock, exact to the last bit, so a
take gives the same sound again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from midi.clock import TempoMap
from midi.errors import UserError
from midi.events import CLASS_PROGRAMS, DRUMS, INSTRUMENT_NAMES, N_INSTRUMENTS
from midi.note import DRUM_CHANNEL, PPQ, Control, Note, NoteArray, Part, Score, TimeSignature
from studio.live.messages import (
    Actions,
    Input,
    Mode,
    Panic,
    SetMode,
    SetPlaying,
    Sound,
    Steer,
    TempoMark,
    Voice,
)
from studio.live.transport import LARGE_ERROR_BEATS

TAKE_VERSION = 1
TAKE_NAME = "take.jsonl"

_NOTE_KINDS = frozenset({"on", "off", "control"})
_OTHER_KINDS = frozenset({"panic", "mode", "steer", "stop"})

_JUMP_BEATS = LARGE_ERROR_BEATS
"""Musical time that is off by more than this at a mark went somewhere else; less is a clock's drift."""

_LEAST_GAP_S = 0.02
"""A jump without a pause before it takes this long in the score."""


@dataclass(frozen=True, slots=True)
class TakeHeader:
    """What a take says of itself before the first note.

    Attributes:
        created: Date and time, ISO 8601.
        model: Name and version of the partner's bundle; empty for none.
        mode: Mode at the start.
        seed: Seed of the performance.
        bpm: Tempo at the start.
        metre: Numerator and denominator.
        version: Of the file's format.
        parent: The take of which the partner tried again; empty for an own performance.
        from_bar: Bar (from 1) from which it tried again; 0 for an own performance.
    """

    created: str = ""
    model: str = ""
    mode: str = "accompany"
    seed: int = 0
    bpm: float = 120.0
    metre: tuple[int, int] = (4, 4)
    version: int = TAKE_VERSION
    parent: str = ""
    from_bar: int = 0


@dataclass(frozen=True, slots=True)
class Take:
    """A performance as it was heard.

    Attributes:
        header: What it says of itself.
        sounds: Every note-on, note-off and controller, as given out.
        tempo: Where musical time started or changed its pace.
        is_torn: Whether the end was lost, as after a power cut.
        changes: What was changed at the desk on the way, in order.
        stops_s: Engine times at which the transport stopped.
    """

    header: TakeHeader = field(default_factory=TakeHeader)
    sounds: tuple[Sound, ...] = ()
    tempo: tuple[TempoMark, ...] = ()
    is_torn: bool = False
    changes: tuple[SetMode | Steer | Panic, ...] = ()
    stops_s: tuple[float, ...] = ()

    def duration_s(self) -> float:
        """From the start of the score to the last sound."""
        return max((s.time_s for s in self.sounds), default=self.origin_s()) - self.origin_s()

    def origin_s(self) -> float:
        """Engine time of the score's first tick: beat 0, or whole bars before it if sounds came earlier."""
        first_s = min((s.time_s for s in self.sounds), default=0.0)
        if not self.tempo:
            return first_s
        start = self.tempo[0]
        bar_s = TimeSignature(0, *self.header.metre).bar_beats() * 60.0 / start.bpm
        return start.time_s - max(0, math.ceil((start.time_s - first_s) / bar_s - 1e-9)) * bar_s

    def tempo_map(self) -> TempoMap:
        """Seconds since :meth:`origin_s` to ticks of 480 a quarter; notes keep their exact timing.

        Where musical time stood still or jumped, the pause is filled with the whole bars that fit it best, at
        a tempo near the music's, so that what comes after stands in its bar as it was played.
        """
        origin_s = self.origin_s()
        first = self.tempo[0].bpm if self.tempo else self.header.bpm
        changes = {0: first}
        tempo_map = TempoMap(PPQ, ((0, first),))
        place = 0  # tick of beat 0 in the stretch so far
        for before, mark in zip((None, *self.tempo), self.tempo, strict=False):
            tick = max(0, round(float(tempo_map.ticks(mark.time_s - origin_s))))
            pause_s = None if before is None else self._pause_s(before, mark)
            if pause_s is not None:
                tick = self._resume(changes, tempo_map, pause_s - origin_s, mark, place)
            if before is None or pause_s is not None:
                place = tick - round(mark.beat * PPQ)
            changes[max(tick, *changes)] = mark.bpm
            tempo_map = TempoMap(PPQ, tuple(changes.items()))
        return tempo_map

    def _pause_s(self, before: TempoMark, mark: TempoMark) -> float | None:
        """When the time before a mark came to its end; None where it runs on into the mark."""
        stops_s = [at_s for at_s in self.stops_s if before.time_s <= at_s <= mark.time_s]
        reached = before.beat + (mark.time_s - before.time_s) * before.bpm / 60.0
        if stops_s:
            return min(stops_s)
        if abs(mark.beat - reached) <= _JUMP_BEATS:
            return None
        # Takes of earlier versions don't tell; there the last sound before the mark was the end.
        return max((s.time_s for s in self.sounds if before.time_s < s.time_s <= mark.time_s), default=None)

    def _resume(
        self, changes: dict[int, float], tempo_map: TempoMap, pause_s: float, mark: TempoMark, place: int
    ) -> int:
        """Put the pause before a mark into the tempo changes; the mark's tick."""
        mark_s = mark.time_s - self.origin_s()
        pause_s = min(pause_s, mark_s - _LEAST_GAP_S)
        pause = max(round(float(tempo_map.ticks(pause_s))), max(changes) + 1)
        gap_s = max(mark_s - float(tempo_map.seconds(pause)), _LEAST_GAP_S / 10)
        bar = round(TimeSignature(0, *self.header.metre).bar_beats() * PPQ)
        in_time = pause + gap_s * mark.bpm / 60.0 * PPQ
        base = place + round(mark.beat * PPQ)
        tick = base + round((in_time - base) / bar) * bar
        while tick <= pause:
            tick += bar
        changes[pause] = (tick - pause) / PPQ / gap_s * 60.0
        return tick

    def score(self) -> Score:
        """The take as a score: a part for the player, one for each instrument of the partner."""
        tempo_map = self.tempo_map()
        parts = [
            _part(voice, instrument, channel, self._ended(voice, instrument), tempo_map, self.origin_s())
            for channel, (voice, instrument) in _channels(self.sounds)
        ]
        signature = TimeSignature(0, *self.header.metre)
        return Score(tuple(parts), tempo_map, (signature,))

    def _ended(self, voice: Voice, instrument: int) -> tuple[list[tuple[Sound, float]], list[Sound]]:
        """Note-ons of a part with the time of their off, and its controllers."""
        mine = [s for s in self.sounds if (s.voice, s.instrument) == (voice, instrument)]
        end_s = max((s.time_s for s in self.sounds), default=0.0)
        offs = {s.note_id: s.time_s for s in mine if s.kind == "off"}
        notes = [(s, offs.get(s.note_id, end_s)) for s in mine if s.kind == "on"]
        return notes, [s for s in mine if s.kind == "control"]


def _channels(sounds: Iterable[Sound]) -> Iterator[tuple[int, tuple[Voice, int]]]:
    """Parts that have notes, each with its MIDI channel: the player first, drums on the drum channel."""
    keys = {(s.voice, s.instrument) for s in sounds if s.kind == "on" and s.voice is not Voice.METRONOME}
    ordered = sorted(keys, key=lambda key: (key[0] is not Voice.PLAYER, key[1]))
    free = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    pitched = 0
    for key in ordered:
        if key[1] == DRUMS:
            yield DRUM_CHANNEL, key
        else:
            yield free[pitched % len(free)], key
            pitched += 1


def _part(
    voice: Voice,
    instrument: int,
    channel: int,
    found: tuple[list[tuple[Sound, float]], list[Sound]],
    tempo_map: TempoMap,
    origin_s: float,
) -> Part:
    def tick(time_s: float) -> int:
        return max(0, round(float(tempo_map.ticks(time_s - origin_s))))

    notes = [
        Note(tick(on.time_s), max(1, tick(off_s) - tick(on.time_s)), on.pitch, on.velocity, channel)
        for on, off_s in found[0]
    ]
    controls = tuple(Control(tick(c.time_s), c.pitch, c.velocity, channel) for c in found[1])
    name = "Player" if voice is Voice.PLAYER else f"Partner {INSTRUMENT_NAMES[instrument]}"
    is_drum = instrument == DRUMS
    array = NoteArray.from_notes(notes).sorted()
    return Part(name, array, CLASS_PROGRAMS[instrument], is_drum=is_drum, controls=controls)


# Lines.


def header_line(header: TakeHeader) -> bytes:
    """The first line of a take."""
    return _line({"kind": "take", **asdict(header)})


def event_lines(now_s: float, inputs: Sequence[Input], actions: Actions) -> list[bytes]:
    """The lines of one step: what changed, then what was heard."""
    found: list[dict[str, Any]] = []
    if actions.is_panic:
        found.append({"kind": "panic", "time_s": now_s})
    for item in inputs:
        if isinstance(item, SetMode):
            found.append({"kind": "mode", "time_s": item.time_s, "mode": str(item.mode)})
        elif isinstance(item, Steer):
            found.append({"kind": "steer", "time_s": item.time_s, "target": item.target, "value": item.value})
        elif isinstance(item, SetPlaying) and not item.is_playing:
            found.append({"kind": "stop", "time_s": now_s})
    found += ({"kind": "tempo", **asdict(mark)} for mark in actions.tempo)
    return [_line(event) for event in (*found, *map(_sound_values, actions.sounds))]


def _sound_values(sound: Sound) -> dict[str, Any]:
    values = asdict(sound)
    if not sound.moved_s:
        del values["moved_s"]
    return values


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def load_take(path: Path) -> Take:
    """Read a take from its file or folder; a last line that was being written is left out.

    Raises:
        UserError: There is no such file, it is no take, is of a newer format, or is damaged inside.
    """
    path = Path(path)
    file = path / TAKE_NAME if path.is_dir() else path
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as fault:
        raise UserError(f"The take {file} can't be read: {fault.strerror}.", "Check the path.") from fault
    is_torn = lines.pop() != b""
    events: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(_event(line))
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as fault:
            if number == 1:
                raise UserError(f"{file} is not a take.", f"Takes are named {TAKE_NAME}.") from fault
            if number < len(lines):
                hint = "Cut the file before that line to keep what came earlier."
                raise UserError(f"The take {file} is damaged in line {number}.", hint) from fault
            is_torn = True
    return _take(events, file, is_torn=is_torn)


def _event(line: bytes) -> dict[str, Any]:
    """One line, checked: what comes out can be used without a doubt."""
    values = json.loads(line)
    kind = values["kind"]
    if kind == "take":
        return {"kind": kind, "header": _header(values)}
    if kind == "tempo":
        mark = TempoMark(*(float(values[name]) for name in ("time_s", "beat", "bpm")))
        if not (math.isfinite(mark.time_s) and math.isfinite(mark.beat) and 1.0 <= mark.bpm <= 1000.0):
            raise ValueError(kind)
        return {"kind": kind, "mark": mark}
    if kind in _NOTE_KINDS:
        return {"kind": kind, "sound": _sound(values)}
    if kind not in _OTHER_KINDS:
        raise ValueError(kind)
    if kind == "stop":
        return {"kind": kind, "stop_s": _finite(values["time_s"])}
    change = _change(values)
    return {"kind": kind} if change is None else {"kind": kind, "change": change}


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("time")
    return number


def _change(values: dict[str, Any]) -> SetMode | Steer | Panic | None:
    """A change at the desk; None for one of a version that knows more. The sounds stand without it."""
    try:
        time_s, value = float(values["time_s"]), values.get("value")
        if values["kind"] == "mode":
            return SetMode(time_s, Mode(values["mode"]))
        if values["kind"] == "panic":
            return Panic(time_s)
        numbers = tuple(int(number) for number in value) if isinstance(value, list) else value
        return (
            Steer(time_s, str(values["target"]), numbers)
            if isinstance(numbers, tuple | int | float)
            else None
        )
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _sound(values: dict[str, Any]) -> Sound:
    numbers = {name: values[name] for name in ("pitch", "velocity", "note_id", "instrument")}
    if not all(type(number) is int for number in numbers.values()):
        raise ValueError("note")
    moved_s = float(values.get("moved_s", 0.0))
    sound = Sound(float(values["time_s"]), values["kind"], Voice(values["voice"]), **numbers, moved_s=moved_s)
    in_range = (
        0 <= sound.pitch <= 127 and 0 <= sound.velocity <= 127 and 0 <= sound.instrument < N_INSTRUMENTS
    )
    if not (in_range and math.isfinite(sound.time_s) and math.isfinite(moved_s)):
        raise ValueError("note")
    return sound


def _header(values: dict[str, Any]) -> TakeHeader:
    top, bottom = (int(number) for number in values["metre"])
    bpm = float(values["bpm"])
    is_metre = 1 <= top <= 64 and bottom in {1, 2, 4, 8, 16, 32, 64}
    if not is_metre or not 1.0 <= bpm <= 1000.0:
        raise ValueError("header")
    return TakeHeader(
        created=str(values["created"]),
        model=str(values["model"]),
        mode=str(values["mode"]),
        seed=int(values["seed"]),
        bpm=bpm,
        metre=(top, bottom),
        version=int(values["version"]),
        parent=str(values.get("parent", "")),
        from_bar=int(values.get("from_bar", 0)),
    )


def _take(events: list[dict[str, Any]], file: Path, *, is_torn: bool) -> Take:
    if not events or events[0]["kind"] != "take":
        raise UserError(f"{file} is not a take.", f"Takes are named {TAKE_NAME}.")
    header: TakeHeader = events[0]["header"]
    if header.version > TAKE_VERSION:
        raise UserError(f"The take {file} is of a newer Antiphon.", "Update Antiphon to open it.")
    return Take(
        header,
        tuple(event["sound"] for event in events if "sound" in event),
        tuple(event["mark"] for event in events if "mark" in event),
        is_torn,
        tuple(event["change"] for event in events if "change" in event),
        tuple(event["stop_s"] for event in events if "stop_s" in event),
    )
