"""A page to listen to: held-out melodies, each played along with in several ways, drawn and to be heard.

One HTML file and a folder of sounds that work from disk, with nothing from anywhere else. All versions of a
song are on the same grid, through the same synth, so that only the notes differ.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from midi.errors import UserError
from midi.events import DRUMS, GRID_PER_BEAT
from midi.files import write_bytes
from midi.note import DRUM_CHANNEL, NoteArray
from midi.theory import BLACK_KEYS
from models.sequence.metrics import bootstrap_mean
from studio.gallery.page import script_json
from studio.listening import Excerpt
from studio.live.messages import Sound, TempoMark, Voice
from studio.live.soundfiles import samples_16
from studio.live.take import Take, TakeHeader
from studio.pianoroll import PARTNER_COLORS, PLAYER_COLOR, RollNote, name_chords
from studio.quality import Played
from studio.render import Performance, audio_blocks
from studio.settings import SAMPLE_RATE_HZ, made_folder
from studio.streammuse import heard_until, table_figures

TEMPLATE = Path(__file__).with_name("listenpage.html")
PAGE = "index.html"
SOUNDS = "audio"
MARK = 'content="Antiphon listening"'

VERSIONS = {
    "live": "Partner, live",
    "truth": "Arranger",
    "deaf": "Partner, not hearing",
    "rules": "Rules",
}
"""What is shown of each song, and what it is called."""

ABOUT_VERSIONS = {
    "live": "the model under test, through the live engine",
    "truth": "what a person wrote for this melody",
    "deaf": "the same model with its hearing cut",
    "rules": "chords by rule, no model",
}

TONES = 3
"""Shades of loudness in a roll."""

CHORD_CHARS = 74
"""Characters of chord names that fit side by side over a roll on the narrowest screen with two columns."""


@dataclass(frozen=True)
class About:
    """What the page says of itself.

    Attributes:
        model: Name and version of the bundle.
        data: Name of the folder.
        split: Which held-out songs.
        seed: Of the choice and the partner.
    """

    model: str
    data: str
    split: str
    seed: int


@dataclass(frozen=True)
class Version:
    """One way in which a song is played along with: the notes, and what their sound is called."""

    kind: str
    notes: NoteArray
    sound: str


def claim(out: Path) -> None:
    """Make the folder, or take one that holds an earlier page or what an interrupted one left.

    Raises:
        UserError: It can't be made, or holds other things.
    """
    if out.is_dir() and not (_is_ours(out / PAGE) or _is_left(out)):
        raise UserError(f"{out} holds other files.", "Name a new folder for the page.")
    made_folder(out / SOUNDS)


def _is_ours(page: Path) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return MARK in page.read_text(encoding="utf-8")[:2000]
    return False


def _is_left(out: Path) -> bool:
    """Whether nothing is there but sounds of a page that was never finished."""
    sounds = (out / SOUNDS).glob("*") if (out / SOUNDS).is_dir() else ()
    return {path.name for path in out.iterdir()} <= {SOUNDS} and all(map(_is_sound, sounds))


def _is_sound(path: Path) -> bool:
    return re.fullmatch(rf"\.?\d+-({'|'.join(VERSIONS)})\.(ogg|flac)(\.part)?", path.name) is not None


def write_listening(
    out: Path, played: Played, about: About, *, jobs: int, tell: Callable[[str, int, int], None]
) -> Path:
    """Write ``index.html`` and ``audio/``.

    Args:
        out: The folder, claimed before.
        played: What was played.
        about: What the page says of itself.
        jobs: Processes that make sounds side by side.
        tell: Told how far it is.

    Raises:
        UserError: It can't be written.
    """
    rows = played.rows(about.seed)
    ending = sound_format().lower()
    songs = [
        (song, [Version(kind, rows[kind][i], f"{i + 1:02d}-{kind}.{ending}") for kind in VERSIONS])
        for i, song in enumerate(played.songs)
    ]
    work = [(song, v.notes, out / SOUNDS / v.sound) for song, versions in songs for v in versions]
    for done, _ in enumerate(_sounds(work, jobs), start=1):
        tell("Making sound", done, len(work))
    write_bytes(out / PAGE, page_text(songs, about, played.plan_latency_ms).encode())
    return out / PAGE


def sound_format() -> str:
    """``OGG`` (Vorbis, about 0.7 MB a minute), or ``FLAC`` where this libsndfile writes none.

    libsndfile writes MP3 at three times the size whatever it is told.
    """
    return "OGG" if "OGG" in soundfile.available_formats() else "FLAC"


def _sounds(work: Sequence[tuple[Excerpt, NoteArray, Path]], jobs: int) -> Iterator[None]:
    if jobs <= 1:
        yield from starmap(write_sound, work)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(write_sound, *zip(*work, strict=True))


def write_sound(song: Excerpt, accompaniment: NoteArray, path: Path) -> None:
    """Melody and accompaniment through the built-in synth, compressed, whole or not at all.

    Raises:
        UserError: It can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    take = Take(
        TakeHeader(bpm=song.bpm), tuple(song_sounds(song, accompaniment)), (TempoMark(0.0, 0.0, song.bpm),)
    )
    try:
        with soundfile.SoundFile(part, "w", SAMPLE_RATE_HZ, 2, format=path.suffix[1:].upper()) as file:
            for block in audio_blocks(Performance(take)):
                file.write(samples_16(block))
        part.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        why = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise UserError(
            f"{path} can't be written: {why}.", "Free some space, or choose another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def song_sounds(song: Excerpt, accompaniment: NoteArray) -> list[Sound]:
    """Note-ons and note-offs by time, a note's end before the next one's beginning."""
    tick_s = 60.0 / (song.bpm * GRID_PER_BEAT)
    found: list[Sound] = []
    voices = ((Voice.PLAYER, song.melody, 0), (Voice.PARTNER, accompaniment, song.instruments[0]))
    for voice, notes, instrument in voices:
        for note in notes:
            kind = DRUMS if note.channel == DRUM_CHANNEL else instrument
            number, on_s = len(found), note.onset_ticks * tick_s
            off_s = on_s + note.duration_ticks * tick_s
            found.append(Sound(on_s, "on", voice, note.pitch, note.velocity, number, kind))
            found.append(Sound(off_s, "off", voice, note.pitch, 0, number, kind))
    return sorted(found, key=lambda sound: (sound.time_s, sound.kind == "on"))


def page_text(songs: Sequence[tuple[Excerpt, Sequence[Version]]], about: About, latency_ms: float) -> str:
    """The page as text; sounds are addressed relative to it."""
    bars = sorted({song.bars for song, _ in songs})
    figures = [{v.kind: table_figures(song, v.notes) for v in versions} for song, versions in songs]
    values = {
        "title": html.escape(about.model),
        "subtitle": html.escape(
            f"{len(songs)} melodies of {about.data} that were held out of training ({about.split} split,"
            f" seed {about.seed}), {' or '.join(map(str, bars))} bars each, played along with in four ways."
            f" The live partner's plans were charged {latency_ms:g} ms each."
        ),
        "melody_color": _hex(PLAYER_COLOR),
        "partner_color": _hex(PARTNER_COLORS[songs[0][0].instruments[0]]),
        "summary": "\n".join(_summary_row(kind, [f[kind] for f in figures]) for kind in VERSIONS),
        "songs": "\n".join(_song(i, song, versions, figures[i]) for i, (song, versions) in enumerate(songs)),
        "data": script_json({"names": VERSIONS}),
    }
    # One pass: what a name brings in is never looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], TEMPLATE.read_text(encoding="utf-8"))


def _hex(color: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in color)


def _summary_row(kind: str, figures: Sequence[Mapping[str, float]]) -> str:
    cells = []
    for name in ("cr_time", "ur_time"):
        mean = bootstrap_mean([each[name] for each in figures], seed=0).mean
        cells.append(f"<td>{_percent(mean)}</td>")
    name = f'<th scope="row">{VERSIONS[kind]}</th><td class="what">{ABOUT_VERSIONS[kind]}</td>'
    return f"<tr>{name}{''.join(cells)}</tr>"


def _percent(share: float) -> str:
    return "&ndash;" if np.isnan(share) else f"{100 * share:.0f}&#8239;%"


def _song(
    index: int, song: Excerpt, versions: Sequence[Version], figures: Mapping[str, Mapping[str, float]]
) -> str:  # fmt: skip
    everything = [song.melody, *(version.notes for version in versions)]
    pitches = np.concatenate([notes.pitch[notes.channel != DRUM_CHANNEL] for notes in everything])
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    cards = "\n".join(
        _card(song, version, figures[version.kind], roll_svg(song, version.notes, low, high))
        for version in versions
    )
    name = html.escape(song.name.rsplit(".", 1)[0].rsplit("/", 1)[-1])
    return (
        f'<section class="song" id="song{index + 1}"><h2><span class="number">{index + 1}</span>{name}'
        f'<span class="facts">{html.escape(str(song.key))} &middot; {song.bpm:.0f} bpm &middot; '
        f'{song.bars} bars</span></h2>\n<div class="cards">\n{cards}\n</div></section>'
    )


def _card(song: Excerpt, version: Version, figures: Mapping[str, float], roll: str) -> str:
    name = VERSIONS[version.kind]
    length_s = song.until_tick * 60.0 / (song.bpm * GRID_PER_BEAT)
    beats = heard_until(song) / GRID_PER_BEAT
    said = (
        f"<span><b>{_percent(figures['cr_time'])}</b> consonant</span>"
        f"<span><b>{_percent(figures['ur_time'])}</b> alone</span>"
        f"<span><b>{len(version.notes) / beats:.1f}</b> notes a beat</span>"
    )
    return (
        f'<article class="card" data-kind="{version.kind}" data-seconds="{length_s:.3f}">'
        f'<div class="head"><button class="play" aria-label="Play"></button>'
        f'<h3>{name}</h3><span class="figures">{said}</span>'
        f'<span class="time">{_clock(length_s)}</span></div>'
        f'<div class="chords" aria-hidden="true">{_chords(song, version.notes)}</div>'
        f'<div class="roll">{roll}<i class="cursor"></i></div>'
        f'<audio preload="none" src="{SOUNDS}/{version.sound}"></audio></article>'
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _chords(song: Excerpt, notes: NoteArray) -> str:
    """Names of what is played, where they fit; places in percent of the width."""
    lines = [tick / GRID_PER_BEAT for tick in range(0, song.until_tick + 1, song.bar_ticks)]
    rows = [*_roll_notes(song.melody, is_player=True), *_roll_notes(notes, is_player=False)]
    found, free = [], 0.0
    for beat, name in name_chords(rows, lines):
        place = beat / lines[-1]
        width = (len(name) + 1.5) / CHORD_CHARS
        if place >= free and place + width <= 1.0:
            found.append(f'<span style="left:{100 * place:.2f}%">{html.escape(name)}</span>')
            free = place + width
    return "".join(found)


def _roll_notes(notes: NoteArray, *, is_player: bool) -> Iterator[RollNote]:
    for note in notes:
        instrument = DRUMS if note.channel == DRUM_CHANNEL else 0
        yield RollNote(
            note.onset_ticks / GRID_PER_BEAT, note.duration_ticks / GRID_PER_BEAT, note.pitch,
            note.velocity, is_player, instrument,
        )  # fmt: skip


def roll_svg(song: Excerpt, accompaniment: NoteArray, low: int, high: int) -> str:
    """A piano roll that stretches with its box: a unit is a grid tick across and a semitone down.

    Args:
        song: The melody and its bars.
        accompaniment: Grid notes; drums are left out.
        low: Lowest pitch shown.
        high: Highest pitch shown.
    """
    width, height = song.until_tick, high - low + 1
    black = "".join(
        f"M0 {high - pitch}h{width}v1h-{width}z" for pitch in range(low, high + 1) if pitch % 12 in BLACK_KEYS
    )
    octaves = "".join(f"M0 {high - pitch + 1}h{width}" for pitch in range(low, high + 1) if pitch % 12 == 0)
    beats = "".join(f"M{tick} 0v{height}" for tick in range(GRID_PER_BEAT, width, GRID_PER_BEAT))
    bars = "".join(f"M{tick} 0v{height}" for tick in range(song.bar_ticks, width, song.bar_ticks))
    tones = "".join(
        f'<path class="{name}{tone}" d="{path}"/>'
        for name, notes in (("p", accompaniment), ("m", song.melody))
        for tone, path in enumerate(_tones(notes, high))
        if path
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="Piano roll">'
        f'<path class="black" d="{black}"/><path class="beat" d="{beats}"/><path class="bar" d="{bars}"/>'
        f'<path class="octave" d="{octaves}"/>{tones}</svg>'
    )


def _tones(notes: NoteArray, high: int) -> list[str]:
    """Paths of the notes, soft ones first; a hair is left between a note and the next."""
    paths = [""] * TONES
    for note in notes:
        if note.channel != DRUM_CHANNEL:
            tone = min(note.velocity * TONES // 128, TONES - 1)
            length = max(note.duration_ticks - 1, 1)
            paths[tone] += f"M{note.onset_ticks} {high - note.pitch + 0.06:.2f}h{length}v.88h-{length}z"
    return paths
