"""Drawing on a surface: text, smooth boxes, arcs and icons in the sizes of the theme; what repeats is kept.

pygame's own curves are jagged. Everything round here is drawn four times as large, reduced smoothly once,
and kept; colors of transparent pixels equal those of the shape, so that no dark fringe comes in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal

import pygame

import assets
from studio.ui.icons import icon_image
from studio.ui.theme import INK, PLAYER, TEXT_SIZES_PX, Color, Theme

Weight = Literal["regular", "medium", "bold"]
Align = Literal["left", "center", "right"]
Angle = float
"""Degrees clockwise from twelve o'clock."""

OVERSAMPLING = 4
SMALL_PX = 250_000
"""Translucent boxes up to this area are kept by the dozen."""


class Painter:
    """Draws within the clip of a surface. One thread only.

    Coordinates are display pixels of the whole window; sizes of type and spacing come from the theme.

    Args:
        surface: What is drawn on.
        theme: Sizes.
    """

    def __init__(self, surface: pygame.Surface, theme: Theme) -> None:
        self.surface = surface
        self.theme = theme

    def px(self, logical_px: float) -> int:
        """Display pixels of logical ones."""
        return self.theme.px(logical_px)

    def fill(self, rect: pygame.Rect, color: Color) -> None:
        """A plain filled box; the fastest there is."""
        self.surface.fill(color, rect)

    def box(
        self, rect: pygame.Rect, color: Color, *, radius_px: float = 0, edge: Color | None = None
    ) -> None:
        """A filled box, its corners rounded by logical pixels, perhaps with a hairline around it."""
        radius = self.px(radius_px)
        if edge is None:
            _fill_rounded(self.surface, rect, color, radius)
            return
        line = self.px(1)
        _fill_rounded(self.surface, rect, edge, radius)
        _fill_rounded(self.surface, rect.inflate(-2 * line, -2 * line), color, max(0, radius - line))

    def ring(self, rect: pygame.Rect, color: Color, *, radius_px: float = 0, width_px: float = 1) -> None:
        """The outline of a rounded box alone, inside ``rect``."""
        width = self.px(width_px)
        radius = min(self.px(radius_px), rect.width // 2, rect.height // 2)
        for side in (
            (rect.left + radius, rect.top, rect.width - 2 * radius, width),
            (rect.left + radius, rect.bottom - width, rect.width - 2 * radius, width),
            (rect.left, rect.top + radius, width, rect.height - 2 * radius),
            (rect.right - width, rect.top + radius, width, rect.height - 2 * radius),
        ):
            self.surface.fill(color, side)
        if radius:
            _blit_corners(self.surface, rect, _disc(radius, color, max(0, radius - width)), radius)

    def shade(self, rect: pygame.Rect, color: Color, opacity: float, *, radius_px: float = 0) -> None:
        """A translucent box; ``opacity`` 0–1."""
        keep = _translucent if rect.width * rect.height <= SMALL_PX else _large_translucent
        self.surface.blit(keep(rect.size, color, round(opacity * 255), self.px(radius_px)), rect)

    def shadow(self, rect: pygame.Rect, *, radius_px: float = 12, opacity: float = 0.5) -> None:
        """A soft shadow around a box that floats; reaches ``3 × radius_px`` beyond it."""
        blur = self.px(radius_px)
        image = _shadow(rect.size, blur, round(opacity * 255))
        self.surface.blit(image, image.get_rect(center=(rect.centerx, rect.centery + blur // 2)))

    def line(
        self, start: tuple[float, float], end: tuple[float, float], color: Color, width_px: float = 1
    ) -> None:
        """A straight line; upright and level ones are sharp, others are smoothed at one pixel's width."""
        width = self.px(width_px)
        if start[0] == end[0] or start[1] == end[1] or width > 1:
            pygame.draw.line(self.surface, color, start, end, width)
        else:
            pygame.draw.aaline(self.surface, color, start, end)

    def stroke(
        self, start: tuple[float, float], end: tuple[float, float], color: Color, width_px: float
    ) -> None:
        """A short smooth line with round ends at any angle: pointers and needles."""
        box = pygame.Rect(min(start[0], end[0]), min(start[1], end[1]), 1, 1)
        box.width, box.height = math.ceil(abs(start[0] - end[0])), math.ceil(abs(start[1] - end[1]))
        width = width_px * self.theme.scale
        box = box.inflate(2 * math.ceil(width) + 2, 2 * math.ceil(width) + 2)
        relative = [(round((x - box.left) * 4), round((y - box.top) * 4)) for x, y in (start, end)]
        self.surface.blit(_stroke(box.size, relative[0], relative[1], round(width * 4), color), box)

    def disc(self, center: tuple[int, int], radius_px: float, color: Color) -> None:
        """A filled circle."""
        radius = max(1, self.px(radius_px))
        self.surface.blit(_disc(radius, color, 0), (center[0] - radius, center[1] - radius))

    def arc(
        self,
        center: tuple[int, int],
        radius_px: float,
        start: Angle,
        end: Angle,
        color: Color,
        *,
        width_px: float = 3,
    ) -> None:
        """Part of a circle with round ends, its outer edge at ``radius_px``; angles to the nearest 1.5°."""
        radius, width = self.px(radius_px), self.px(width_px)
        image = _arc(radius, width, round(start / 1.5), round(end / 1.5), color)
        self.surface.blit(image, image.get_rect(center=center))

    def icon(self, name: str, rect: pygame.Rect, color: Color = INK, *, size_px: float = 18) -> None:
        """A line icon (:data:`studio.ui.icons.ICONS`) in the middle of a box."""
        image = icon_image(name, self.px(size_px), color)
        self.surface.blit(image, image.get_rect(center=rect.center))

    def image(self, picture: pygame.Surface, rect: pygame.Rect) -> None:
        """A picture as it is, its top left corner at that of ``rect``."""
        self.surface.blit(picture, rect)

    def focus_ring(self, rect: pygame.Rect, *, radius_px: float = 8) -> None:
        """The mark of the widget that has the keyboard, two pixels outside of it."""
        gap = self.px(2)
        self.ring(rect.inflate(2 * gap, 2 * gap), PLAYER, radius_px=radius_px + 2, width_px=1.5)

    @contextmanager
    def clipped(self, rect: pygame.Rect) -> Iterator[None]:
        """Draw within ``rect`` only, and within what was the clip before."""
        before = self.surface.get_clip()
        self.surface.set_clip(rect.clip(before))
        try:
            yield
        finally:
            self.surface.set_clip(before)

    def text(
        self,
        words: str,
        rect: pygame.Rect,
        *,
        size: str = "body",
        color: Color = INK,
        weight: Weight = "regular",
        align: Align = "left",
    ) -> pygame.Rect:
        """One line of text, centered vertically in a box and cut with an ellipsis where it is too long.

        Returns:
            What it covers.
        """
        if not words:
            return pygame.Rect(rect.left, rect.centery, 0, 0)
        shown = elided(words, size, weight, self.theme.scale, rect.width)
        image = text_image(shown, size, weight, color, self.theme.scale)
        place = image.get_rect(centery=rect.centery)
        if align == "left":
            place.left = rect.left
        elif align == "right":
            place.right = rect.right
        else:
            place.centerx = rect.centerx
        self.surface.blit(image, place)
        return place

    def paragraph(
        self,
        words: str,
        rect: pygame.Rect,
        *,
        size: str = "body",
        color: Color = INK,
        weight: Weight = "regular",
        leading: float = 1.5,
        align: Align = "left",
    ) -> int:
        """Text broken into lines from the top of a box; what does not fit below is cut.

        Returns:
            The height that the whole text needs, display pixels.
        """
        height = round(self.px(TEXT_SIZES_PX[size]) * leading)
        lines = wrapped(words, size, weight, self.theme.scale, rect.width)
        n_fitting = max(1, rect.height // height)
        for number, line in enumerate(lines[:n_fitting]):
            is_cut = number == n_fitting - 1 and len(lines) > n_fitting
            row = pygame.Rect(rect.left, rect.top + number * height, rect.width, height)
            self.text(line + "…" if is_cut else line, row, size=size, color=color, weight=weight, align=align)
        return height * len(lines)


@lru_cache(maxsize=64)
def font(size: str, weight: Weight, scale: float) -> pygame.font.Font:
    """A font of the theme at a scale. Figures have one width."""
    if not pygame.font.get_init():
        pygame.font.init()
    return pygame.font.Font(
        str(assets.path(f"fonts/{weight}.ttf")), max(1, round(TEXT_SIZES_PX[size] * scale))
    )


@lru_cache(maxsize=4096)
def text_width(words: str, size: str, weight: Weight, scale: float) -> int:
    """Display pixels of a line of text."""
    return font(size, weight, scale).size(words)[0]


@lru_cache(maxsize=2048)
def text_image(words: str, size: str, weight: Weight, color: Color, scale: float) -> pygame.Surface:
    """A line of text, ready to be blitted."""
    return font(size, weight, scale).render(words, True, color)


@lru_cache(maxsize=2048)
def elided(words: str, size: str, weight: Weight, scale: float, width: int) -> str:
    """The words, cut with an ellipsis so that they fit a width in display pixels."""
    if text_width(words, size, weight, scale) <= width:
        return words
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        fits = text_width(words[:middle].rstrip() + "…", size, weight, scale) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return words[:low].rstrip() + "…" if low else ""


@lru_cache(maxsize=256)
def wrapped(words: str, size: str, weight: Weight, scale: float, width: int) -> tuple[str, ...]:
    """Lines that fit a width in display pixels; newlines stay, long words are not broken."""
    lines: list[str] = []
    for paragraph in words.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size, weight, scale) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return tuple(lines)


def _canvas(width: int, height: int, color: Color) -> pygame.Surface:
    surface = pygame.Surface((width, height), pygame.SRCALPHA)
    surface.fill((*color, 0))
    return surface


@lru_cache(maxsize=1024)
def _disc(radius: int, color: Color, hole: int) -> pygame.Surface:
    """A filled circle, or a ring around a hole of a smaller radius; display pixels."""
    large = radius * OVERSAMPLING
    surface = _canvas(2 * large, 2 * large, color)
    pygame.draw.circle(surface, color, (large, large), large)
    if hole:
        pygame.draw.circle(surface, (*color, 0), (large, large), hole * OVERSAMPLING)
    return pygame.transform.smoothscale(surface, (2 * radius, 2 * radius))


def _blit_corners(surface: pygame.Surface, rect: pygame.Rect, disc: pygame.Surface, radius: int) -> None:
    for x, column in ((rect.left, 0), (rect.right - radius, radius)):
        for y, row in ((rect.top, 0), (rect.bottom - radius, radius)):
            surface.blit(disc, (x, y), (column, row, radius, radius))


def _fill_rounded(surface: pygame.Surface, rect: pygame.Rect, color: Color, radius: int) -> None:
    radius = min(radius, rect.width // 2, rect.height // 2)
    if radius <= 0:
        surface.fill(color, rect)
        return
    surface.fill(color, (rect.left + radius, rect.top, rect.width - 2 * radius, rect.height))
    surface.fill(color, (rect.left, rect.top + radius, radius, rect.height - 2 * radius))
    surface.fill(color, (rect.right - radius, rect.top + radius, radius, rect.height - 2 * radius))
    _blit_corners(surface, rect, _disc(radius, color, 0), radius)


@lru_cache(maxsize=1)
def _large_translucent(size: tuple[int, int], color: Color, alpha: int, radius: int) -> pygame.Surface:
    """One at a time: it covers a window of perhaps 4K, and another comes with every step of a resize."""
    return _translucent.__wrapped__(size, color, alpha, radius)


@lru_cache(maxsize=64)
def _translucent(size: tuple[int, int], color: Color, alpha: int, radius: int) -> pygame.Surface:
    surface = _canvas(*size, color)
    if radius:
        # Blitting onto nothing would thin the corners: straight copies keep their alpha.
        _fill_rounded(surface, surface.get_rect(), color, 0)
        disc, whole = _disc(radius, color, 0), surface.get_rect()
        for x, column in ((0, 0), (whole.right - radius, radius)):
            for y, row in ((0, 0), (whole.bottom - radius, radius)):
                surface.fill((*color, 0), (x, y, radius, radius))
                surface.blit(disc, (x, y), (column, row, radius, radius), pygame.BLEND_RGBA_MAX)
    else:
        surface.fill(color)
    surface.set_alpha(alpha)
    return surface


@lru_cache(maxsize=32)
def _shadow(size: tuple[int, int], blur: int, alpha: int) -> pygame.Surface:
    """A black box blurred by way of a picture so small that enlarging it smoothly blurs it."""
    cell = max(2, blur // 2)
    n_margin = 4
    small = ((size[0] + cell - 1) // cell, (size[1] + cell - 1) // cell)
    surface = _canvas(small[0] + 2 * n_margin, small[1] + 2 * n_margin, (0, 0, 0))
    inner = pygame.Rect(n_margin, n_margin, *small)
    for inset, share in ((-2, 0.06), (-1, 0.2), (0, 0.55), (1, 0.85), (2, 1.0)):
        box = inner.inflate(-2 * inset, -2 * inset)
        pygame.draw.rect(surface, (0, 0, 0, round(alpha * share)), box, border_radius=2)
    return pygame.transform.smoothscale(surface, (surface.get_width() * cell, surface.get_height() * cell))


@lru_cache(maxsize=512)
def _arc(radius: int, width: int, start: int, end: int, color: Color) -> pygame.Surface:
    """An arc with round ends from ``start`` to ``end``, each in steps of 1.5 degrees."""
    large, thick = radius * OVERSAMPLING, width * OVERSAMPLING
    middle = large - thick / 2
    surface = _canvas(2 * large, 2 * large, color)
    low, high = sorted((start, end))
    angles = [math.radians(step * 1.5) for step in range(low, high + 1)]
    outer = [(large + large * math.sin(a), large - large * math.cos(a)) for a in angles]
    inner = [(large + (large - thick) * math.sin(a), large - (large - thick) * math.cos(a)) for a in angles]
    if len(angles) > 1:
        pygame.draw.polygon(surface, color, [*outer, *reversed(inner)])
    for angle in (angles[0], angles[-1]):
        place = (large + middle * math.sin(angle), large - middle * math.cos(angle))
        pygame.draw.circle(surface, color, place, thick / 2)
    return pygame.transform.smoothscale(surface, (2 * radius, 2 * radius))


@lru_cache(maxsize=512)
def _stroke(
    size: tuple[int, int], start: tuple[int, int], end: tuple[int, int], width: int, color: Color
) -> pygame.Surface:
    """A line with round ends; all but ``size`` in quarters of a pixel."""
    surface = _canvas(size[0] * 4, size[1] * 4, color)
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    nx, ny = -dy / length * width / 2, dx / length * width / 2
    corners = [(x + s * nx, y + s * ny) for (x, y), s in ((start, 1), (end, 1), (end, -1), (start, -1))]
    pygame.draw.polygon(surface, color, corners)
    for place in (start, end):
        pygame.draw.circle(surface, color, place, width / 2)
    return pygame.transform.smoothscale(surface, size)


def forget_pictures() -> None:
    """Drop everything that was kept: after a change of scale none of it is asked for again."""
    for kept in (font, text_width, text_image, elided, wrapped, icon_image, _disc, _translucent,
                 _large_translucent, _shadow, _arc, _stroke):  # fmt: skip
        kept.cache_clear()
