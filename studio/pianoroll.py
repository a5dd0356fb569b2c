"""Draw a performance as a piano roll: what the player did and what the partner made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from midi.events import DRUMS, INSTRUMENT_NAMES
from midi.note import PPQ, Note, NoteArray
from midi.theory import BLACK_KEYS, Key, chord_name, estimate_key

Color = tuple[int, int, int]

BACKGROUND: Color = (17, 19, 24)
PANEL: Color = (25, 28, 35)
PANEL_DARK: Color = (21, 24, 30)
BEAT_LINE: Color = (34, 38, 47)
BAR_LINE: Color = (58, 64, 77)
OCTAVE_LINE: Color = (45, 50, 61)
TEXT: Color = (226, 229, 236)
TEXT_DIM: Color = (132, 140, 156)
PLAYER_COLOR: Color = (245, 176, 86)

PARTNER_COLORS: tuple[Color, ...] = (
    (86, 182, 214), (110, 205, 190), (120, 160, 235), (150, 200, 120),
    (104, 140, 220), (160, 150, 235), (190, 160, 225), (225, 140, 150),
    (205, 150, 200), (130, 210, 220), (120, 200, 160), (145, 170, 210),
    (170, 180, 150), (200, 180, 130), (215, 165, 130), (140, 150, 172),
)  # fmt: skip
"""One tint for each instrument class, all cool beside the player's warm accent."""

WIDTH_PX = 1600
MARGIN_PX = 36
GUTTER_PX = 40
HEAD_PX = 96
GAP_PX = 34
CHORD_PX = 20
DRUM_ROW_PX = 7
SUPERSAMPLE = 2
MAX_SYSTEMS = 40
"""Longer takes are cut here, and the picture says so: 40 systems are a picture 9,000 px tall."""

EDGE_BEATS = 0.03
"""Notes this near to the end of a line count as on it: 15 ms at 120 bpm."""


@dataclass(frozen=True, slots=True)
class RollNote:
    """A note to draw; beats are quarter notes from the start, ``instrument`` is an instrument class."""

    onset_beats: float
    duration_beats: float
    pitch: int
    velocity: int
    is_player: bool
    instrument: int = 0

    @property
    def is_drum(self) -> bool:
        """True for the drum kit, which has rows of its own."""
        return self.instrument == DRUMS and not self.is_player


@dataclass(frozen=True, slots=True)
class Roll:
    """Everything that a picture shows.

    Attributes:
        notes: In any order.
        bar_beats: Beat of every bar line, ascending from 0; the last one closes the last bar.
        title: First line.
        subtitle: Second line, smaller.
        chords: ``(beat, name)`` written above the notes.
    """

    notes: tuple[RollNote, ...]
    bar_beats: tuple[float, ...]
    title: str = ""
    subtitle: str = ""
    chords: tuple[tuple[float, str], ...] = ()


def even_bars(n_beats: float, beats_per_bar: float = 4.0) -> tuple[float, ...]:
    """Bar lines of an unchanging metre that cover ``n_beats``."""
    n_bars = max(1, int(-(-n_beats // beats_per_bar)))
    return tuple(i * beats_per_bar for i in range(n_bars + 1))


def name_chords(notes: Sequence[RollNote], bar_beats: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """``(beat, symbol)`` wherever the harmony of the pitched notes changes, where it has a name.

    Harmony is looked at in half bars of metres with four beats or more, else in bars. Of the pitch
    classes, weighted by how long they sound (the player's half, since melodies pass through tones that are
    no part of the chord), the weakest are dropped until the rest is a chord.
    """
    pitched = sorted((n for n in notes if not n.is_drum), key=lambda n: n.onset_beats)
    key = _key(pitched)
    named: list[tuple[float, str]] = []
    for start, end in _harmony_spans(bar_beats):
        sounding = [n for n in pitched if n.onset_beats < end and n.onset_beats + n.duration_beats > start]
        symbol = _chord_symbol(sounding, start, end, key) if _is_polyphonic(sounding) else ""
        if symbol and (not named or named[-1][1] != symbol):
            named.append((start, symbol))
    return tuple(named)


def _key(notes: Sequence[RollNote]) -> Key | None:
    ticks = [(round(n.onset_beats * PPQ), max(round(n.duration_beats * PPQ), 1), n.pitch) for n in notes]
    return estimate_key(NoteArray.from_notes(Note(on, length, pitch) for on, length, pitch in ticks))


def _harmony_spans(bar_beats: Sequence[float]) -> Iterator[tuple[float, float]]:
    for start, end in pairwise(bar_beats):
        middle = (start + end) / 2
        yield from ((start, middle), (middle, end)) if end - start >= 4 else ((start, end),)


def _is_polyphonic(notes: Sequence[RollNote]) -> bool:
    """Whether any two notes sound together; a melody alone names no chord."""
    return any(b.onset_beats < a.onset_beats + a.duration_beats - EDGE_BEATS for a, b in pairwise(notes))


def _chord_symbol(notes: Sequence[RollNote], start: float, end: float, key: Key | None) -> str:
    weights: dict[int, float] = {}
    lowest: dict[int, int] = {}
    for note in notes:
        beats = min(note.onset_beats + note.duration_beats, end) - max(note.onset_beats, start)
        if beats > 0.05:
            share = beats * (0.5 if note.is_player else 1.0)
            weights[note.pitch % 12] = weights.get(note.pitch % 12, 0.0) + share
            lowest[note.pitch % 12] = min(lowest.get(note.pitch % 12, 127), note.pitch)
    enough = max(weights.values(), default=0.0) / 4
    strongest = sorted((pc for pc in weights if weights[pc] >= enough), key=lambda pc: -weights[pc])[:4]
    while len(strongest) >= 3:
        if chord := chord_name(lowest[pc] for pc in strongest):
            return chord.text(key)
        strongest.pop()
    return ""


def draw(roll: Roll) -> Image.Image:
    """The picture, 1600 px wide and as tall as the music needs. Same roll, same pixels."""
    page = _Page(roll)
    for i in range(page.n_systems):
        page.draw_system(i)
    page.draw_head()
    small = (WIDTH_PX, page.image.height // SUPERSAMPLE)
    return page.image.resize(small, Image.Resampling.LANCZOS)


def save(roll: Roll, path: Path) -> None:
    """Draw and write a PNG file.

    Raises:
        OSError: It can't be written.
    """
    draw(roll).save(path, format="PNG", optimize=True)


def _bars_per_system(n_bars: int, bar_beats: float) -> int:
    """About 32 beats a line, and twice that for long takes; a multiple of four bars."""
    beats = 32.0 if n_bars * bar_beats <= 256 else 64.0
    return max(4, round(beats / bar_beats / 4) * 4)


def _is_in(note: RollNote, start: float, end: float) -> bool:
    """Whether a note shows in a line; one that begins a hair before the line's end belongs to the next."""
    if note.onset_beats >= start - EDGE_BEATS:
        return note.onset_beats < end - EDGE_BEATS
    return note.onset_beats + note.duration_beats > start + EDGE_BEATS


def _mix(color: Color, ground: Color, share: float) -> Color:
    r, g, b = (round(g + (c - g) * share) for c, g in zip(color, ground, strict=True))
    return r, g, b


class _Page:
    """Geometry and ink of one picture. All lengths are logical px until ``_box`` scales them."""

    def __init__(self, roll: Roll) -> None:
        self.roll = roll
        n_bars = max(len(roll.bar_beats) - 1, 1)
        lines = roll.bar_beats if len(roll.bar_beats) > 1 else even_bars(4)
        self.per_system = _bars_per_system(n_bars, (lines[-1] - lines[0]) / n_bars)
        starts = range(0, n_bars, self.per_system)
        spans = [(i, min(i + self.per_system, n_bars)) for i in starts][:MAX_SYSTEMS]
        self.systems = [(first, lines[first], lines[last]) for first, last in spans]
        self.n_systems = len(self.systems)
        self.is_cut = len(starts) > MAX_SYSTEMS
        self.span_beats = max(end - start for _, start, end in self.systems)
        pitched = [note.pitch for note in roll.notes if not note.is_drum] or [60]
        middle = (min(pitched) + max(pitched)) / 2
        self.low = int(min(min(pitched) - 2, middle - 12))
        self.high = int(max(max(pitched) + 2, middle + 12))
        self.row_px = max(3, min(7, round(240 / (self.high - self.low + 1))))
        self.drum_pitches = sorted({note.pitch for note in roll.notes if note.is_drum})
        self.chord_px = CHORD_PX if roll.chords else 0
        self.roll_px = (self.high - self.low + 1) * self.row_px
        self.drum_px = len(self.drum_pitches) * DRUM_ROW_PX + (8 if self.drum_pitches else 0)
        self.system_px = self.chord_px + self.roll_px + self.drum_px
        height = HEAD_PX + self.n_systems * (self.system_px + GAP_PX) + MARGIN_PX // 2
        self.image = Image.new("RGB", (WIDTH_PX * SUPERSAMPLE, height * SUPERSAMPLE), BACKGROUND)
        self.ink = ImageDraw.Draw(self.image)
        self.left = MARGIN_PX + GUTTER_PX
        self.inner_px = WIDTH_PX - MARGIN_PX - self.left

    def draw_system(self, index: int) -> None:
        """One line of music: rows, bar lines, chords, notes."""
        first_bar, start, end = self.systems[index]
        top = HEAD_PX + index * (self.system_px + GAP_PX) + self.chord_px
        right = self._x(end, start)
        self._rows(top, right)
        self._lines(first_bar, start, end, top)
        for beat, name in self.roll.chords:
            if start <= beat < end:
                self._text(self._x(beat, start) + 3, top - 17, name, 13, TEXT)
        inside = [n for n in self.roll.notes if _is_in(n, start, end)]
        for note in sorted(inside, key=lambda n: (n.is_player, n.onset_beats, n.pitch)):
            self._note(note, start, end, top)

    def draw_head(self) -> None:
        """Title, subtitle and legend."""
        self._text(MARGIN_PX, 22, self.roll.title, 25, TEXT)
        cut = f"  ·  first {self.n_systems * self.per_system} bars" if self.is_cut else ""
        self._text(MARGIN_PX, 56, self.roll.subtitle + cut, 14, TEXT_DIM)
        at = float(WIDTH_PX - MARGIN_PX)
        for label, color in reversed(self._legend()):
            at -= self._text_px(label, 14)
            self._text(at, 27, label, 14, TEXT_DIM)
            at -= 22
            self._box(at, 31, at + 14, 40, color, radius=2)
            at -= 20

    def _legend(self) -> list[tuple[str, Color]]:
        partners = sorted({n.instrument for n in self.roll.notes if not n.is_player})
        entries = [(f"partner · {INSTRUMENT_NAMES[i]}", PARTNER_COLORS[i]) for i in partners]
        return [("player", PLAYER_COLOR), *entries]

    def _rows(self, top: float, right: float) -> None:
        self._box(self.left, top, right, top + self.roll_px, PANEL)
        for pitch in range(self.low, self.high + 1):
            y = self._y(pitch, top)
            if pitch % 12 in BLACK_KEYS:
                self._box(self.left, y, right, y + self.row_px, PANEL_DARK)
        for pitch in range(self.low, self.high + 1):
            if pitch % 12 == 0:
                y = self._y(pitch, top) + self.row_px
                self._box(self.left, y - 0.5, right, y + 0.5, OCTAVE_LINE)
                name = f"C{pitch // 12 - 1}"
                self._text(self.left - 8 - self._text_px(name, 12), y - 11, name, 12, TEXT_DIM)
        if self.drum_pitches:
            low = top + self.roll_px
            self._box(self.left, low + 4, right, low + self.drum_px, PANEL)
            self._text(
                self.left - 8 - self._text_px("kit", 12), low + self.drum_px / 2 - 6, "kit", 12, TEXT_DIM
            )

    def _lines(self, first_bar: int, start: float, end: float, top: float) -> None:
        bottom = top + self.roll_px + self.drum_px
        beat = start
        while beat < end:
            self._vertical(self._x(beat, start), top, bottom, BEAT_LINE)
            beat += 1.0
        for i, line in enumerate(self.roll.bar_beats[first_bar : first_bar + self.per_system + 1]):
            x = self._x(line, start)
            self._vertical(x, top, bottom, BAR_LINE)
            if line < end:
                self._text(x + 3, bottom + 3, str(first_bar + i + 1), 12, TEXT_DIM)

    def _note(self, note: RollNote, start: float, end: float, top: float) -> None:
        x = self._x(max(note.onset_beats, start), start)
        until = self._x(min(note.onset_beats + note.duration_beats, end), start)
        color = PLAYER_COLOR if note.is_player else PARTNER_COLORS[note.instrument]
        ink = _mix(color, PANEL, 0.38 + 0.62 * note.velocity / 127)
        if note.is_drum:
            y = (
                top
                + self.roll_px
                + 4
                + DRUM_ROW_PX * (len(self.drum_pitches) - 1 - self.drum_pitches.index(note.pitch))
            )
            self._box(x, y + 1, x + 7, y + DRUM_ROW_PX - 1, ink, radius=2)
            return
        y = self._y(note.pitch, top)
        until = max(until - 0.8, x + 2.5)
        self._box(x, y, until, y + self.row_px, ink, radius=1.5, edge=_mix(ink, BACKGROUND, 0.45))
        if note.onset_beats >= start - EDGE_BEATS:
            self._box(x + 0.5, y + 0.5, x + 2.5, y + self.row_px - 0.5, _mix(ink, (255, 255, 255), 0.55))

    def _x(self, beat: float, start: float) -> float:
        return self.left + (beat - start) / self.span_beats * self.inner_px

    def _y(self, pitch: int, top: float) -> float:
        return top + (self.high - pitch) * self.row_px

    def _vertical(self, x: float, top: float, bottom: float, color: Color) -> None:
        self._box(x - 0.5, top, x + 0.5, bottom, color)

    def _box(
        self, x0: float, y0: float, x1: float, y1: float, fill: Color,
        *, radius: float = 0, edge: Color | None = None,
    ) -> None:  # fmt: skip
        box = [round(v * SUPERSAMPLE) for v in (x0, y0, x1, y1)]
        box[2] = max(box[2] - 1, box[0])
        box[3] = max(box[3] - 1, box[1])
        self.ink.rounded_rectangle(box, radius * SUPERSAMPLE, fill=fill, outline=edge)

    def _text(self, x: float, y: float, text: str, size_px: int, fill: Color) -> None:
        self.ink.text((x * SUPERSAMPLE, y * SUPERSAMPLE), text, font=_font(size_px), fill=fill)

    def _text_px(self, text: str, size_px: int) -> float:
        return _font(size_px).getlength(text) / SUPERSAMPLE


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, so that pictures look the same everywhere.

    Raises:
        OSError: Pillow was built without FreeType (its wheels never are).
    """
    font = ImageFont.load_default(size_px * SUPERSAMPLE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError("Pillow has no FreeType, so no text can be drawn")
    return font
