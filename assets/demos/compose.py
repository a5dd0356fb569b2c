"""Write the demonstration melodies: ``python assets/demos/compose.py``.

The tunes are our own, kept here as text so that they can be read, sung and changed. One token is
``pitch:beats``; a ``|`` ends a bar and is checked, ``r`` is a rest. The chords beside each line are
the harmony that the line implies; they are not written to the file: naming them is the partner's job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import mido

PPQ = 480
BREATH = 0.94
"""Share of its written length that a note sounds, so that repeated notes speak."""

_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_TOKEN = re.compile(r"(?:(r)|([a-g])([#b]?)(\d)):(\d*\.?\d+)")


@dataclass(frozen=True)
class Tune:
    """A melody: metre, tempo in quarter notes a minute, key signature, and phrases of bars."""

    name: str
    title: str
    numerator: int
    denominator: int
    bpm: float
    key: str
    phrases: tuple[str, ...]


# C G Am F | C Dm G G, answered by a line that climbs to c6 and closes on C.
_HARBOR_CALL = "g4:.5 c5:.5 d5:.5 e5:1.5 g5:1 | d5:2.5 c5:.5 b4:.5 c5:.5 | c5:1 a4:.5 b4:.5 c5:1 e5:1 |"
_HARBOR = Tune(
    "harbor", "Harbor Lights", 4, 4, 92, "C",
    (
        _HARBOR_CALL + " f5:1 e5:.5 c5:.5 a4:1.5 r:.5 |",
        "g4:.5 c5:.5 d5:.5 e5:1.5 g5:1 | a5:1 g5:.5 f5:.5 e5:1 d5:1 | d5:1.5 e5:.5 f5:1 b4:1 | d5:3 r:1 |",
        _HARBOR_CALL + " f5:1 g5:.5 a5:.5 g5:.5 f5:.5 e5:.5 d5:.5 |",
        "e5:1.5 f5:.5 g5:1 c6:1 | a5:1.5 g5:.5 f5:1 e5:1 | d5:1 e5:.5 f5:.5 e5:.5 d5:.5 b4:1 | c5:3 r:1 |",
        # Am Em F C | Am D7 G G7
        "e5:1 e5:.5 d5:.5 c5:1 a4:1 | b4:1.5 c5:.5 b4:.5 g4:1.5 | a4:1 a4:.5 b4:.5 c5:1 d5:1 |"
        " e5:1.5 d5:.5 e5:.5 g5:1 r:.5 |",
        "a5:1 a5:.5 g5:.5 e5:1 c5:1 | d5:1.5 e5:.5 f#5:1 a5:1 | g5:1.5 f#5:.5 g5:.5 a5:.5 b5:1 |"
        " a5:.5 g5:.5 f5:.5 d5:1.5 r:1 |",
        _HARBOR_CALL + " f5:1 g5:.5 a5:.5 g5:.5 f5:.5 e5:.5 d5:.5 |",
        "e5:1.5 f5:.5 g5:1 c6:1 | a5:1.5 g5:.5 f5:1 d5:1 | e5:1 d5:.5 c5:.5 d5:.5 e5:.5 b4:1 | c5:4 |",
    ),
)  # fmt: skip

_MILL = Tune(
    "millwheel", "The Mill Wheel", 3, 4, 126, "Em",
    (
        # Em Em D D | C Am B7 B7
        "b4:1 e5:1 f#5:1 | g5:2 f#5:.5 e5:.5 | f#5:1.5 e5:.5 d5:1 | a4:2 r:1 |",
        "g4:1 c5:1 d5:1 | e5:2 d5:.5 c5:.5 | b4:1 d#5:1 f#5:1 | b4:2 r:1 |",
        # Em D C G | Am B7 Em Em
        "b4:1 e5:1 f#5:1 | a5:1.5 g5:.5 f#5:1 | g5:1 e5:1 c5:1 | d5:2 b4:1 |",
        "c5:1 e5:1 a5:1 | g5:.5 f#5:.5 e5:1 d#5:1 | e5:3 | e5:2 r:1 |",
        # G D Em Bm | C G Am B7
        "d5:1 g5:1 b5:1 | a5:2 f#5:1 | g5:1 f#5:.5 g5:.5 e5:1 | f#5:2 d5:1 |",
        "e5:1 d5:.5 e5:.5 c5:1 | d5:2 b4:1 | c5:1 b4:.5 c5:.5 e5:1 | d#5:2 r:1 |",
        "b4:1 e5:1 f#5:1 | a5:1.5 g5:.5 f#5:1 | g5:1 e5:1 c5:1 | d5:2 b4:1 |",
        "a5:1 g5:.5 f#5:.5 e5:1 | f#5:1 g5:.5 f#5:.5 d#5:1 | e5:3 | e5:2 r:1 |",
    ),
)  # fmt: skip

# F F Bb C | F Dm Gm-C F, then Bb F Gm C | F Bb F-C7 F; each half twice, as a jig is danced.
_LANTERN_A = (
    "c5:.5 f5:.5 g5:.5 a5:1 f5:.5 | c6:1 a5:.5 g5:.5 f5:.5 a5:.5 |"
    " bb5:1 g5:.5 f5:.5 d5:.5 f5:.5 | e5:.5 g5:.5 c6:.5 g5:1 r:.5 |"
)
_LANTERN_A_END = (
    "c5:.5 f5:.5 g5:.5 a5:1 f5:.5 | a5:1 f5:.5 d5:.5 e5:.5 f5:.5 |"
    " g5:.5 bb5:.5 d5:.5 e5:.5 g5:.5 e5:.5 | f5:2.5 r:.5 |"
)
_LANTERN_B = (
    "d5:.5 f5:.5 bb5:.5 bb5:1 a5:.5 | a5:1 g5:.5 f5:1 c5:.5 |"
    " d5:.5 g5:.5 a5:.5 bb5:1 g5:.5 | c6:1 bb5:.5 g5:1 e5:.5 |"
)
_LANTERN_B_END = (
    "a5:1 c6:.5 a5:.5 g5:.5 f5:.5 | d5:1 f5:.5 bb5:.5 a5:.5 g5:.5 |"
    " a5:.5 f5:.5 a5:.5 g5:.5 e5:.5 g5:.5 | f5:2.5 r:.5 |"
)
_LANTERN = Tune(
    "lantern", "Lantern Jig", 6, 8, 138, "F",
    (
        _LANTERN_A, _LANTERN_A_END, _LANTERN_A, _LANTERN_A_END,
        _LANTERN_B, _LANTERN_B_END, _LANTERN_B, _LANTERN_B_END,
    ),
)  # fmt: skip

TUNES = (_HARBOR, _MILL, _LANTERN)


def notes(tune: Tune) -> list[tuple[float, float, int, int]]:
    """``(onset_beats, written_beats, pitch, velocity)`` of every note.

    Raises:
        ValueError: A bar is too long or too short.
    """
    bar_beats = 4 * tune.numerator / tune.denominator
    found: list[tuple[float, float, int, int]] = []
    at = 0.0
    for phrase in tune.phrases:
        bars = [bar for bar in phrase.split("|") if bar.strip()]
        for i, bar in enumerate(bars):
            start = at
            for is_rest, letter, sign, octave, beats in _TOKEN.findall(bar):
                if not is_rest:
                    pitch = 12 * (int(octave) + 1) + _STEPS[letter] + {"#": 1, "b": -1, "": 0}[sign]
                    place = (i + (at - start) / bar_beats) / len(bars)
                    found.append((at, float(beats), pitch, _velocity(place, at == start, pitch)))
                at += float(beats)
            if abs(at - start - bar_beats) > 1e-9:
                raise ValueError(f"{tune.title}: the bar '{bar.strip()}' holds {at - start} beats")
    return found


def _velocity(place: float, is_downbeat: bool, pitch: int) -> int:
    """A phrase swells towards its third quarter; downbeats and high notes are a little stronger."""
    swell = 1 - abs(place - 0.7) / 0.7
    return round(74 + 14 * swell + 6 * is_downbeat + (pitch - 72) / 3)


def write(tune: Tune, folder: Path) -> Path:
    """Write ``<folder>/<name>.mid`` (format 1: one track of tempo and metre, one of melody)."""
    head = mido.MidiTrack()
    head.append(mido.MetaMessage("track_name", name=tune.title))
    head.append(mido.MetaMessage("copyright", text="Antiphon contributors, CC0-1.0"))
    head.append(mido.MetaMessage("time_signature", numerator=tune.numerator, denominator=tune.denominator))
    head.append(mido.MetaMessage("key_signature", key=tune.key))
    head.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tune.bpm)))
    timed = []
    for onset, beats, pitch, velocity in notes(tune):
        end = round((onset + beats * BREATH) * PPQ)
        timed.append((round(onset * PPQ), 1, mido.Message("note_on", note=pitch, velocity=velocity)))
        timed.append((end, 0, mido.Message("note_off", note=pitch, velocity=0)))
    melody = mido.MidiTrack([mido.MetaMessage("track_name", name="MELODY")])
    now = 0
    for ticks, _, message in sorted(timed, key=lambda item: item[:2]):
        melody.append(message.copy(time=ticks - now))
        now = ticks
    path = folder / f"{tune.name}.mid"
    mido.MidiFile(type=1, ticks_per_beat=PPQ, tracks=[head, melody]).save(str(path))
    return path


if __name__ == "__main__":
    for each in TUNES:
        write(each, Path(__file__).parent)
