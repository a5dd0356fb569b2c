"""Musical data: notes, time, ports, files and event rows.

The names below are the public ones; ports, corpora and event rows are reached through their modules, so
that importing ``midi`` loads neither a MIDI system nor a corpus reader.
"""

from midi.clock import Clock, ClockFollower, ClockSender, LockState, ManualClock, TempoMap
from midi.errors import UserError
from midi.files import parse, read, score_to_bytes, write
from midi.note import DRUM_CHANNEL, PPQ, Control, Note, NoteArray, Part, Score, TimeSignature
from midi.pedal import apply_pedal
from midi.systemclock import SystemClock

__all__ = [
    "DRUM_CHANNEL",
    "PPQ",
    "Clock",
    "ClockFollower",
    "ClockSender",
    "Control",
    "LockState",
    "ManualClock",
    "Note",
    "NoteArray",
    "Part",
    "Score",
    "SystemClock",
    "TempoMap",
    "TimeSignature",
    "UserError",
    "apply_pedal",
    "parse",
    "read",
    "score_to_bytes",
    "write",
]
