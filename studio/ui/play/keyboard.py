"""The 88 keys: lit by both players, played by the mouse, labeled with the computer's keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import pygame

from midi.events import DRUMS
from studio.live.deskview import DeskView
from studio.live.messages import KeyDown, KeyUp, Snapshot
from studio.ui.paint import Painter, text_image, text_width
from studio.ui.play.geometry import HIGH_KEY, KeyboardGeometry, is_black
from studio.ui.theme import GROUND, PARTNER, PLAYER, Color, mixed
from studio.ui.widget import Pointer, Ui, Widget

SOURCE = "mouse"
"""Where notes of the mouse come from, as the desk sees it."""

IVORY: Color = (186, 190, 201)
EBONY: Color = (30, 33, 41)
_IVORY_INK: Color = (96, 102, 117)
_EBONY_INK: Color = (132, 139, 156)

Labels = Callable[[], Mapping[int, str]]
"""Gives the letter of the computer's key that plays a pitch now."""


class Keyboard(Widget):
    """An 88-key piano.

    Args:
        ui: The program around it.
        labels: Letters on the keys, asked for every look.
        name: Of the widget.
    """

    is_panel = True

    def __init__(self, ui: Ui, labels: Labels | None = None, name: str = "keyboard") -> None:
        super().__init__(ui, name)
        self._labels_of = labels
        self._labels: Mapping[int, str] = {}
        self._geometry = KeyboardGeometry(pygame.Rect(0, 0, 52, 8))
        self._base: pygame.Surface | None = None
        self._lit: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self._pressed: int | None = None

    @property
    def pressed(self) -> int | None:
        """The key that the mouse holds."""
        return self._pressed

    @property
    def geometry(self) -> KeyboardGeometry:
        """Where the keys are."""
        return self._geometry

    def arrange(self) -> None:
        """Keys fill the box but for a rail above them."""
        rail = self.ui.theme.px(6)
        side = self.ui.theme.px(8)
        keys = pygame.Rect(
            self.rect.left + side, self.rect.top + rail, self.rect.width - 2 * side, self.rect.height - rail
        )
        self._geometry = KeyboardGeometry(keys)
        self._base = None

    def look(self, view: DeskView) -> None:
        """Light what is held."""
        lit = (view.snapshot.held, partner_keys(view.snapshot))
        labels = dict(self._labels_of()) if self._labels_of is not None else {}
        if labels != self._labels:
            self._labels, self._base = labels, None
            self.mark()
        if lit != self._lit:
            self._lit = lit
            self.mark()

    # Playing.

    def pointer(self, event: Pointer) -> bool:
        """Press, slide and release; whatever was pressed is released."""
        if event.kind == "down" and event.button == 1:
            self.ui.capture(self)
            self._hold(self._geometry.at(event.x, event.y), event.y)
        elif event.kind == "move" and self._pressed is not None:
            y = min(max(event.y, self._geometry.rect.top), self._geometry.rect.bottom - 1)
            pitch = self._geometry.at(event.x, y)
            if pitch is not None and pitch != self._pressed:
                self._hold(pitch, y)
        elif event.kind == "up" and event.button == 1:
            self.release()
        else:
            return False
        return True

    def release(self) -> None:
        """Let go of the key that the mouse holds, if any; also for a window that loses the mouse."""
        if self._pressed is not None:
            self._hold(None, 0)
        self.ui.capture(None)

    def _hold(self, pitch: int | None, y: int) -> None:
        if self._pressed is not None:
            self.ui.do(KeyUp(self.ui.now_s, self._pressed, SOURCE))
        self._pressed = pitch
        if pitch is not None:
            self.ui.do(KeyDown(self.ui.now_s, pitch, self._geometry.velocity(pitch, y), SOURCE))
        self.mark()

    # Drawing.

    def draw(self, painter: Painter) -> None:
        """The resting keys from a cache, the lit ones over them."""
        if self._base is None:
            self._base = self._draw_base(painter)
        painter.surface.blit(self._base, self.rect)
        mine, theirs = set(self._lit[0]), set(self._lit[1])
        lit = sorted(mine | theirs, key=is_black)
        whites = [pitch for pitch in lit if not is_black(pitch)]
        for pitch in lit:
            key = self._geometry.keys.get(pitch)
            if key is not None:
                colors = [c for c, who in ((PLAYER, mine), (PARTNER, theirs)) if pitch in who]
                painter.surface.blit(lit_key(key.size, tuple(colors), is_black(pitch), painter.px(3)), key)
        self._restore_blacks(painter, whites, set(lit))
        self._draw_letters(painter, lit)

    def _restore_blacks(self, painter: Painter, whites: list[int], lit: set[int]) -> None:
        """Black keys beside lit white ones stand above them."""
        if self._base is None:
            return
        beside = {p + step for p in whites for step in (-1, 1)} - lit
        for pitch in beside:
            key = self._geometry.keys.get(pitch)
            if key is not None and is_black(pitch):
                painter.surface.blit(self._base, key, key.move(-self.rect.left, -self.rect.top))
        for pitch in lit:
            key = self._geometry.keys.get(pitch)
            if key is not None and is_black(pitch) and ({pitch - 1, pitch + 1} & lit):
                colors = [c for c, held in zip((PLAYER, PARTNER), self._lit, strict=True) if pitch in held]
                painter.surface.blit(lit_key(key.size, tuple(colors), True, painter.px(3)), key)

    def _draw_base(self, painter: Painter) -> pygame.Surface:
        base = pygame.Surface(self.rect.size)
        base.fill(GROUND)
        origin = (-self.rect.left, -self.rect.top)
        radius = painter.px(3)
        for pitch in sorted(self._geometry.keys, key=is_black):
            key = self._geometry.keys[pitch].move(origin)
            base.blit(resting_key(key.size, is_black(pitch), radius), key)
        target = Painter(base, painter.theme)
        for pitch in range(24, HIGH_KEY + 1, 12):
            self._octave_name(target, self._geometry.keys[pitch].move(origin), pitch, _IVORY_INK)
        for pitch in self._labels:
            if pitch in self._geometry.keys:
                self._letter(target, self._geometry.keys[pitch].move(origin), pitch, is_lit=False)
        return base

    def _draw_letters(self, painter: Painter, lit: list[int]) -> None:
        for pitch in lit:
            key = self._geometry.keys.get(pitch)
            if key is None:
                continue
            if pitch % 12 == 0:
                self._octave_name(painter, key, pitch, mixed(_IVORY_INK, GROUND, 0.6))
            if pitch in self._labels:
                self._letter(painter, key, pitch, is_lit=True)

    def _octave_name(self, painter: Painter, key: pygame.Rect, pitch: int, color: Color) -> None:
        name = f"C{pitch // 12 - 1}"
        if text_width(name, "tiny", "medium", painter.theme.scale) < key.width:
            image = text_image(name, "tiny", "medium", color, painter.theme.scale)
            painter.surface.blit(
                image, image.get_rect(centerx=key.centerx, bottom=key.bottom - painter.px(3))
            )

    def _letter(self, painter: Painter, key: pygame.Rect, pitch: int, *, is_lit: bool) -> None:
        black = is_black(pitch)
        color = GROUND if is_lit else (_EBONY_INK if black else mixed(_IVORY_INK, GROUND, 0.45))
        image = text_image(self._labels[pitch], "tiny", "bold", color, painter.theme.scale)
        bottom = key.bottom - painter.px(5 if black else 18)
        painter.surface.blit(image, image.get_rect(centerx=key.centerx, bottom=bottom))


def partner_keys(snapshot: Snapshot) -> tuple[int, ...]:
    """Keys that the partner holds; what its drums strike is no key."""
    now = snapshot.beat * 24.0 + 1.0
    sounding = [n for n in snapshot.committed if n.onset_ticks <= now]
    drums = {n.pitch for n in sounding if n.instrument == DRUMS}
    drums -= {n.pitch for n in sounding if n.instrument != DRUMS}
    return tuple(pitch for pitch in snapshot.partner_held if pitch not in drums)


@lru_cache(maxsize=64)
def resting_key(size: tuple[int, int], black: bool, radius: int) -> pygame.Surface:
    """A key nobody holds; white keys leave a gap at their right."""
    if black:
        return _key_image(size, mixed(EBONY, GROUND, 0.55), EBONY, (58, 63, 76), radius)
    return _key_image(size, mixed(IVORY, GROUND, 0.12), IVORY, mixed(IVORY, GROUND, 0.3), radius)


@lru_cache(maxsize=256)
def lit_key(size: tuple[int, int], colors: tuple[Color, ...], black: bool, radius: int) -> pygame.Surface:
    """A held key in the accent of who holds it; two colors share it, left and right."""
    images = [_lit(size, color, black, radius) for color in colors]
    if len(images) == 1:
        return images[0]
    both = images[0].copy()
    half = size[0] // 2
    both.fill((0, 0, 0, 0), (half, 0, size[0] - half, size[1]))
    both.blit(images[1], (half, 0), (half, 0, size[0] - half, size[1]))
    return both


def _lit(size: tuple[int, int], color: Color, black: bool, radius: int) -> pygame.Surface:
    top = mixed(GROUND, color, 0.55 if black else 0.7)
    if not black:
        return _key_image(size, top, color, mixed(color, GROUND, 0.25), radius)
    # A dark rim keeps it apart from lit white keys around it.
    rim = max(1, radius // 3)
    image = _key_image(size, GROUND, GROUND, GROUND, radius)
    inner = (size[0] - 2 * rim, size[1] - rim)
    image.blit(
        _key_image(inner, top, mixed(color, GROUND, 0.08), mixed(color, GROUND, 0.35), radius), (rim, 0)
    )
    return image


def _key_image(size: tuple[int, int], top: Color, low: Color, lip: Color, radius: int) -> pygame.Surface:
    """A key shaded from top to bottom, its lower corners round, with a lip at its near end."""
    fine = 4
    width, height = size[0] - 1, size[1]
    image = pygame.Surface((size[0], height), pygame.SRCALPHA)
    for y in range(height):
        image.fill((*mixed(top, low, y / max(1, height - 1)), 255), (0, y, width, 1))
    lip_px = max(2, radius)
    image.fill((*lip, 255), (0, height - lip_px, width, lip_px))
    mask = pygame.Surface((width * fine, height * fine), pygame.SRCALPHA)
    corner = radius * fine
    pygame.draw.rect(
        mask,
        (255, 255, 255, 255),
        mask.get_rect(),
        border_bottom_left_radius=corner,
        border_bottom_right_radius=corner,
    )
    small = pygame.Surface((size[0], height), pygame.SRCALPHA)
    small.blit(pygame.transform.smoothscale(mask, (width, height)), (0, 0))
    image.blit(small, (0, 0), special_flags=pygame.BLEND_RGBA_MULT)
    return image
