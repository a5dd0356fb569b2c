"""Small takes on disk, for tests of the library."""

from pathlib import Path

from studio.live.messages import Actions, Input, Sound, TempoMark, Voice
from studio.live.session import TAKE_NAME, TakeWriter
from studio.live.take import TakeHeader, event_lines


def note(on_s, off_s, pitch, note_id, voice=Voice.PLAYER, instrument=0, velocity=90):
    return [
        Sound(on_s, "on", voice, pitch, velocity, note_id, instrument),
        Sound(off_s, "off", voice, pitch, 0, note_id, instrument),
    ]


def duet(n_bars: int = 4, start_s: float = 0.0) -> list[Sound]:
    """At 120 bpm in 4/4: the player on every beat, the partner's whole notes below."""
    sounds = []
    for beat in range(4 * n_bars):
        at_s = start_s + 0.5 * beat
        sounds += note(at_s, at_s + 0.4, 60 + beat % 12, 1000 + beat)
        if beat % 4 == 0:
            sounds += note(at_s, at_s + 1.9, 48 - beat % 5, 2000 + beat, Voice.PARTNER, 4, velocity=70)
    return sorted(sounds, key=lambda sound: sound.time_s)


def write_take(
    root: Path,
    place: str = "one",
    sounds: list[Sound] | None = None,
    header: TakeHeader | None = None,
    tempo: tuple[TempoMark, ...] | None = None,
    changes: tuple[Input, ...] = (),
) -> Path:
    """A take at ``place`` (a folder, or a file's name that ends in .jsonl); returns its file."""
    path = root / place if place.endswith(".jsonl") else root / place / TAKE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    sounds = duet() if sounds is None else sounds
    header = header or TakeHeader(created="2026-01-02T03:04:05", model="fake@1.0.0")
    first_s = min((sound.time_s for sound in sounds), default=0.0)
    tempo = (TempoMark(first_s, 0.0, header.bpm),) if tempo is None else tempo
    writer = TakeWriter(path, header)
    writer.add(event_lines(first_s, (), Actions(tempo=tempo)))
    for change in changes:
        writer.add(event_lines(change.time_s, (change,), Actions()))
    writer.add(event_lines(first_s, (), Actions(tuple(sounds))))
    assert writer.close(root) == path
    return path
