"""Mini piano rolls: a take at a glance, as pixels."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from midi.errors import UserError
from midi.events import DRUMS
from midi.files import write_bytes
from studio.live.messages import Voice
from studio.live.take import Take, load_take
from studio.render import HeardNote, heard_notes
from studio.ui.theme import PARTNER, PLAYER

Pixels = NDArray[np.uint8]

SUPERSAMPLE = 4
"""Pixels are divided this finely both ways while drawing, so that short notes keep their weight."""

LEAST_SEMITONES = 24
"""A tune within a fifth is not stretched over the whole height."""

LEAST_NOTE_PX = 1.0
DRUM_SHARE = 0.12
"""Height given to drums, below the pitches."""


def take_roll(take: Take, width_px: int = 160, height_px: int = 40) -> Pixels:
    """The whole take, left to right: the player's notes over the partner's, louder ones more opaque.

    Args:
        take: What was heard.
        width_px: 8–4096.
        height_px: 8–4096.

    Returns:
        RGBA [height, width, 4] on clear ground, colors not premultiplied.

    Raises:
        ValueError: The size is out of range.
    """
    if not (8 <= width_px <= 4096 and 8 <= height_px <= 4096):
        raise ValueError(f"no picture is {width_px} by {height_px} px")
    notes, _ = heard_notes(sorted(take.sounds, key=lambda sound: sound.time_s))
    picture = np.zeros((height_px, width_px, 4), np.uint8)
    scale = _Scale(notes, take.origin_s(), take.duration_s(), width_px, height_px)
    for voice, color in ((Voice.PARTNER, PARTNER), (Voice.PLAYER, PLAYER)):
        cover = scale.cover([note for note in notes if note.on.voice is voice])
        _lay_over(picture, cover, color)
    return picture


def kept_roll(path: Path, kept: Path, width_px: int, height_px: int) -> Pixels:
    """The roll of a take's file, from a PNG file where it was kept, else drawn and kept there.

    A damaged take gives an empty picture; a cache that can't be written to costs only time.
    """
    with suppress(OSError, ValueError, SyntaxError):
        with Image.open(kept) as image:
            found = np.asarray(image)
        if found.shape == (height_px, width_px, 4) and found.dtype == np.uint8:
            return found.copy()
    try:
        take = load_take(path)
    except UserError:
        take = Take()
    picture = take_roll(take, width_px, height_px)
    with suppress(OSError, UserError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(kept, png_bytes(picture))
    return picture


def png_bytes(picture: Pixels) -> bytes:
    """A picture as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(stream, format="PNG")
    return stream.getvalue()


class _Scale:
    """Where notes stand in a picture; all rows and columns are fine ones."""

    def __init__(
        self, notes: list[HeardNote], origin_s: float, length_s: float, width_px: int, height_px: int
    ) -> None:
        self.shape = (height_px * SUPERSAMPLE, width_px * SUPERSAMPLE)
        pitched = [note.on.pitch for note in notes if not _is_drum(note)] or [60]
        has_drums = any(_is_drum(note) for note in notes)
        spare = max(0.0, LEAST_SEMITONES - (max(pitched) - min(pitched))) / 2
        self.top_pitch = max(pitched) + spare
        self.row = (
            self.shape[0] * (1 - DRUM_SHARE * has_drums) / (max(pitched) - min(pitched) + 2 * spare + 1)
        )
        self.origin_s, self.columns_a_s = origin_s, self.shape[1] / max(length_s, 1e-3)

    def cover(self, notes: list[HeardNote]) -> NDArray[np.float32]:
        """How much of each pixel notes take, 0–1, weighted by how loud they are."""
        fine = np.zeros(self.shape, np.float32)
        for note in notes:
            left = min(int((note.on_s - self.origin_s) * self.columns_a_s), self.shape[1] - SUPERSAMPLE)
            right = max(int((note.off_s - self.origin_s) * self.columns_a_s), left + SUPERSAMPLE)
            top, bottom = self._rows(note)
            ink = 0.45 + 0.55 * note.on.velocity / 127
            span = fine[top:bottom, max(left, 0) : right]
            np.maximum(span, ink, out=span)
        height, width = (n // SUPERSAMPLE for n in self.shape)
        blocks = fine.reshape(height, SUPERSAMPLE, width, SUPERSAMPLE)
        cover: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
        return cover

    def _rows(self, note: HeardNote) -> tuple[int, int]:
        if _is_drum(note):
            return round(self.shape[0] * (1 - DRUM_SHARE * 0.6)), self.shape[0]
        least = LEAST_NOTE_PX * SUPERSAMPLE
        height = max(self.row * 0.85, least)
        middle = (self.top_pitch - note.on.pitch + 0.5) * self.row
        top = min(max(round(middle - height / 2), 0), self.shape[0] - round(height))
        return top, top + round(height)


def _is_drum(note: HeardNote) -> bool:
    return note.on.instrument == DRUMS


def _lay_over(picture: Pixels, cover: NDArray[np.float32], color: tuple[int, int, int]) -> None:
    """Compose a color over a picture (Porter and Duff, "Compositing Digital Images", 1984: over)."""
    under = picture[..., 3].astype(np.float32) / 255 * (1 - cover)
    total = cover + under
    share = np.divide(cover, total, out=np.zeros_like(cover), where=total > 0)[..., None]
    mixed = np.asarray(color, np.float32) * share + picture[..., :3] * (1 - share)
    picture[..., :3] = np.where(total[..., None] > 0, np.round(mixed), 0)
    picture[..., 3] = np.round(total * 255)
