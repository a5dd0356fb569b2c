"""Takes to show: a dozen short performances written into a folder, for screenshots and tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from midi.events import DRUMS, INSTRUMENT_NAMES
from studio.live.messages import Actions, Sound, TempoMark, Voice
from studio.live.take import TAKE_NAME, TakeHeader, event_lines, header_line
from studio.takes import Library
from studio.ui.play.demo import accompaniment, melody

TICKS = 24

DEMO = (
    # name, bars, bpm, hours ago, tags, starred, transposition
    ("Harbor, late", 24, 92.0, 0.4, ("harbor", "slow"), True, 0),
    ("Two-hand waltz idea", 12, 118.0, 2.1, ("waltz",), False, 3),
    ("Blue middle part", 16, 104.0, 3.0, (), False, -2),
    ("Millwheel, second try", 32, 126.0, 22.0, ("band",), True, 5),
    ("Rain on the roof", 8, 76.0, 25.5, ("slow",), False, -4),
    ("Answers only", 20, 110.0, 49.0, ("band", "call and response"), False, 2),
    ("Lantern", 40, 98.0, 75.0, ("harbor",), False, 0),
    ("Morning scales", 6, 132.0, 121.0, (), False, 7),
    ("For Ida", 18, 84.0, 245.0, ("slow", "gift"), True, -5),
    ("Long one with drums", 96, 120.0, 700.0, ("band",), False, -3),
)


def write_takes(folder: Path, now: datetime, count: int = len(DEMO)) -> None:
    """Write demo takes below a folder, with names, tags and stars."""
    for number, (_, bars, bpm, hours, *_, shift) in enumerate(DEMO[:count]):
        created = (now - timedelta(hours=hours)).replace(microsecond=0)
        place = folder / f"take-{number:02}"
        place.mkdir(parents=True, exist_ok=True)
        header = TakeHeader(created.isoformat(), "partner@1.0.0", "accompany", number + 7, bpm)
        actions = Actions(sounds=tuple(sounds(bars, bpm, shift)), tempo=(TempoMark(0.0, 0.0, bpm),))
        (place / TAKE_NAME).write_bytes(header_line(header) + b"".join(event_lines(0.0, (), actions)))
    with Library(folder) as library:
        for number, (name, *_, tags, is_starred, _) in enumerate(DEMO[:count]):
            take = library.find(str(folder / f"take-{number:02}")).id
            library.rename(take, name)
            library.tag(take, *tags)
            library.star(take, is_starred)


def sounds(bars: int, bpm: float, shift: int = 0) -> Iterator[Sound]:
    """Melody and accompaniment as they were heard, by time."""
    tick_s = 60.0 / bpm / TICKS
    found: list[tuple[float, float, Voice, int, int, int]] = []
    for bar in range(bars):
        for onset, length, pitch, velocity in melody(bar):
            found.append((onset, onset + length, Voice.PLAYER, pitch + shift, velocity, 0))
        if bar % 8 >= 1:
            for note in accompaniment(bar):
                is_drum = note.instrument == DRUMS
                if is_drum and bar % 16 < 8:
                    continue
                if note.instrument == INSTRUMENT_NAMES.index("strings") and bar % 4 < 2:
                    continue
                end = note.onset_ticks + note.duration_ticks
                pitch = note.pitch if is_drum else note.pitch + shift
                found.append((note.onset_ticks, end, Voice.PARTNER, pitch, note.velocity, note.instrument))
    events = []
    for number, (on, off, voice, pitch, velocity, instrument) in enumerate(found):
        events.append(Sound(on * tick_s, "on", voice, pitch, velocity, number, instrument))
        events.append(Sound(off * tick_s, "off", voice, pitch, 0, number, instrument))
    yield from sorted(events, key=lambda sound: (sound.time_s, sound.kind == "on"))
