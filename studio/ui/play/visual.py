"""The built-in picture: a slow field of color, its hue by the harmony, with rings where notes fall."""

from __future__ import annotations

import colorsys
import math
import re
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pygame
from numpy.typing import NDArray

from midi.events import DRUMS
from studio.live.deskview import DeskView, RollNote
from studio.live.messages import Voice
from studio.ui.play.notes import drum_row

Field = NDArray[np.float32]

_ROOT = re.compile(r"([A-G])([#b♯♭]?)")
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_REST_HUE = 0.6
"""Where nothing sounds: blue, the window's own color."""

HEIGHT_CELLS = 56
"""The field is computed this high and scaled up smoothly."""

MAX_RINGS = 12
_RING_S = 1.9
_RING_SPEED = 0.62
"""Heights of the picture a second."""


class PictureSource(Protocol):
    """Where the picture beside the score comes from."""

    def surface(self, view: DeskView, size: tuple[int, int], now_s: float) -> pygame.Surface:
        """The picture at a moment, ``size`` display pixels; called once a frame, at most 2 ms."""
        ...


@dataclass(frozen=True, slots=True)
class Ring:
    """A note that fell: place (heights of the picture), time and strength 0–1."""

    x: float
    y: float
    at_s: float
    strength: float
    is_partner: bool


def chord_hue(chord: str) -> float | None:
    """Hue 0–1 of a chord by its root on the circle of fifths: near chords look near. None for no chord."""
    match = _ROOT.match(chord)
    if match is None:
        return None
    shift = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[match[2]]
    fifths = (_NATURALS[match[1]] + shift) * 7 % 12
    return (0.58 + fifths / 12) % 1.0


class Visual:
    """The picture source that is always there. One thread only."""

    def __init__(self) -> None:
        self._grid: tuple[Field, Field] = (np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))
        self._size = (0, 0)
        self._rings: deque[Ring] = deque(maxlen=MAX_RINGS)
        self._hue, self._energy = _REST_HUE, 0.0
        self._phase = 0.0
        self._last_s = float("-inf")
        self._newest = (-1, 0)

    @property
    def is_calm(self) -> bool:
        """Whether nothing moves that a still picture would not show as well."""
        return not self._rings and self._energy < 0.02

    def surface(self, view: DeskView, size: tuple[int, int], now_s: float) -> pygame.Surface:
        """The picture at a moment, ``size`` display pixels."""
        passed_s = min(max(now_s - self._last_s, 0.0), 0.2) if math.isfinite(self._last_s) else 0.0
        self._last_s = now_s
        self._resize(size)
        self._listen(view, now_s)
        self._move(view, passed_s)
        field = self._field(now_s)
        small = pygame.surfarray.make_surface(self._colors(field))
        return pygame.transform.smoothscale(small, size)

    def _resize(self, size: tuple[int, int]) -> None:
        if size == self._size:
            return
        self._size = size
        columns = max(8, round(HEIGHT_CELLS * size[0] / max(1, size[1])))
        x = np.linspace(0, size[0] / max(1, size[1]), columns, dtype=np.float32)
        y = np.linspace(0, 1, HEIGHT_CELLS, dtype=np.float32)
        grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
        self._grid = (grid_x, grid_y)

    def _listen(self, view: DeskView, now_s: float) -> None:
        """Rings for what was struck since the last look; old music that turns up at once makes none."""
        newest = (view.roll[-1].onset_ticks, len(view.roll)) if view.roll else (-1, 0)
        since = min(self._newest[0], newest[0])
        fresh = [note for note in view.roll[-24:] if note.onset_ticks > max(since, newest[0] - 24)]
        for note in fresh:
            if note.instrument != DRUMS or drum_row(note.pitch) < 2:
                self._rings.append(self._ring(note, now_s))
        self._newest = newest
        while self._rings and now_s - self._rings[0].at_s > _RING_S:
            self._rings.popleft()

    def _ring(self, note: RollNote, now_s: float) -> Ring:
        width = self._size[0] / max(1, self._size[1])
        if note.instrument == DRUMS:
            return Ring(width / 2, 1.05, now_s, 0.35 * note.velocity / 127, is_partner=True)
        place = min(max((note.pitch - 30) / 66, 0.0), 1.0)
        height = 0.42 if note.voice is Voice.PLAYER else 0.66
        return Ring(
            width * (0.06 + 0.88 * place),
            height + 0.16 * math.sin(note.pitch * 1.7),
            now_s,
            0.35 + 0.65 * note.velocity / 127,
            is_partner=note.voice is Voice.PARTNER,
        )

    def _move(self, view: DeskView, passed_s: float) -> None:
        hue = chord_hue(view.chord)
        wanted = _REST_HUE if hue is None else hue
        around = (wanted - self._hue + 0.5) % 1.0 - 0.5
        self._hue = (self._hue + around * min(1.0, passed_s * 1.6)) % 1.0
        sounding = len(view.snapshot.held) + len(view.snapshot.partner_held)
        target = min(1.0, 0.3 * view.snapshot.is_playing + 0.12 * sounding)
        self._energy += (target - self._energy) * min(1.0, passed_s * 2.2)
        self._phase += passed_s * (0.12 + 0.5 * self._energy)

    def _field(self, now_s: float) -> Field:
        """Height of a slow sea with rings on it, about −1.5–1.5."""
        x, y = self._grid
        t = np.float32(self._phase)
        warp = np.sin(y * 3.1 + t * 0.9) * np.float32(0.45)
        field = np.sin((x + warp) * 2.3 - t) + np.sin((y * 2.9 - warp) + t * 0.7) * np.float32(0.8)
        field *= np.float32(0.42)
        for ring in self._rings:
            age = now_s - ring.at_s
            distance = np.sqrt((x - ring.x) ** 2 + (y - ring.y) ** 2) - np.float32(age * _RING_SPEED)
            width = 0.022 + 0.04 * age
            fade = ring.strength * (1.0 - age / _RING_S) ** 1.6
            field += np.float32(fade * 0.85) / (1 + (distance / np.float32(width)) ** 2)
        return np.asarray(field, np.float32)

    def _colors(self, field: Field) -> NDArray[np.uint8]:
        """Field to colors by a ramp of three: night, the chord's hue, and light of a neighboring hue."""
        level = (np.tanh(field * np.float32(0.8)) * np.float32(0.5) + np.float32(0.5)) ** np.float32(2.3)
        index = (level * 255).astype(np.uint8)
        return np.asarray(_ramp(self._hue, self._energy)[index], np.uint8)


def _ramp(hue: float, energy: float) -> NDArray[np.uint8]:
    """256 colors from dark to light."""
    lift = 0.55 + 0.45 * energy
    stops = (
        (0.0, colorsys.hsv_to_rgb((hue + 0.05) % 1, 0.62, 0.085)),
        (0.38, colorsys.hsv_to_rgb((hue + 0.02) % 1, 0.66, 0.30 * lift)),
        (0.72, colorsys.hsv_to_rgb((hue - 0.03) % 1, 0.58, 0.74 * lift)),
        (1.0, colorsys.hsv_to_rgb((hue - 0.10) % 1, 0.24, 1.0)),
    )
    levels = np.linspace(0, 1, 256)
    places = [stop[0] for stop in stops]
    channels = [np.interp(levels, places, [stop[1][c] for stop in stops]) for c in range(3)]
    return np.asarray(np.stack(channels, axis=1) * 255, np.uint8)
