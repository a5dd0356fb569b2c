"""Standard MIDI Files byte by byte, and scores of one part."""

from __future__ import annotations

import struct

from midi import Note, NoteArray, Part, Score


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body)) + body


def smf_bytes(*bodies: bytes, form: int = 1, division: int = 480, promised: int | None = None) -> bytes:
    header = struct.pack(">HHh", form, len(bodies) if promised is None else promised, division)
    return chunk(b"MThd", header) + b"".join(chunk(b"MTrk", body) for body in bodies)


END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x50\x60\x80\x3c\x00"


def rows(score: Score) -> list[list[Note]]:
    return [list(part.notes) for part in score.parts]


def score_of(*notes: Note, **part: object) -> Score:
    return Score((Part("p", NoteArray.from_notes(notes), **part),))  # type: ignore[arg-type]
