"""Smooth shapes from a cache: bars, diamonds, glows. What repeats is drawn once, at four times its size."""

from __future__ import annotations

from functools import lru_cache

import pygame

from studio.ui.theme import Color

_FINE = 4
"""Sprites are drawn this much larger and scaled down, which smooths their edges."""


@lru_cache(maxsize=768)
def bar(
    width: int,
    height: int,
    radius: int,
    fill: Color,
    edge: Color | None,
    fill_alpha: int = 255,
    line: int = 1,
) -> pygame.Surface:
    """A bar with round corners and perhaps a hairline around it."""
    large = pygame.Surface((width * _FINE, height * _FINE), pygame.SRCALPHA)
    box = large.get_rect()
    # The corners of a transparent surface would darken the edge when scaled: give them its color.
    large.fill((*(edge or fill), 0))
    corner = min(radius, height // 2, width // 2) * _FINE
    if edge is not None:
        pygame.draw.rect(large, (*edge, 255), box, border_radius=corner)
        box = box.inflate(-2 * line * _FINE, -2 * line * _FINE)
        corner = max(0, corner - line * _FINE)
    pygame.draw.rect(large, (*fill, fill_alpha), box, border_radius=corner)
    return pygame.transform.smoothscale(large, (width, height))


def draw_bar(
    surface: pygame.Surface,
    rect: pygame.Rect,
    radius: int,
    fill: Color,
    edge: Color | None = None,
    *,
    is_hollow: bool = False,
    line: int = 1,
) -> None:
    """Draw a bar of any width, its outline ``line`` wide: two cached ends, and plain boxes between them."""
    alpha = 0 if is_hollow else 255
    end = radius + 1
    if rect.width <= 2 * end:
        surface.blit(bar(rect.width, rect.height, radius, fill, edge, alpha, line), rect)
        return
    ends = bar(2 * end, rect.height, radius, fill, edge, alpha, line)
    left, top, width, height = rect
    surface.blit(ends, (left, top), (0, 0, end, height))
    surface.blit(ends, (left + width - end, top), (end, 0, end, height))
    if not is_hollow:
        fill_box(surface, fill, pygame.Rect(left + end, top, width - 2 * end, height))
    if edge is not None:
        fill_box(surface, edge, pygame.Rect(left + end, top, width - 2 * end, line))
        fill_box(surface, edge, pygame.Rect(left + end, top + height - line, width - 2 * end, line))


def fill_box(surface: pygame.Surface, color: Color, rect: pygame.Rect) -> None:
    """Fill what is within the clip: pygame moves boxes that begin left of the surface instead of cutting."""
    seen = rect.clip(surface.get_clip())
    if seen.width and seen.height:
        surface.fill(color, seen)


@lru_cache(maxsize=256)
def diamond(
    size: int, fill: Color, edge: Color | None, fill_alpha: int = 255, line: int = 1
) -> pygame.Surface:
    """A square on its corner, ``size`` wide and high."""
    full = size * _FINE
    large = pygame.Surface((full, full), pygame.SRCALPHA)
    large.fill((*(edge or fill), 0))
    half = full / 2
    if edge is not None:
        _diamond(large, half, half, edge, 255)
    _diamond(large, half, half - (1.6 * line * _FINE if edge is not None else 0), fill, fill_alpha)
    return pygame.transform.smoothscale(large, (size, size))


def _diamond(surface: pygame.Surface, middle: float, reach: float, color: Color, alpha: int) -> None:
    points = [
        (middle, middle - reach),
        (middle + reach, middle),
        (middle, middle + reach),
        (middle - reach, middle),
    ]
    pygame.draw.polygon(surface, (*color, alpha), points)


@lru_cache(maxsize=64)
def dot(size: int, color: Color) -> pygame.Surface:
    """A smooth disc."""
    large = pygame.Surface((size * _FINE, size * _FINE), pygame.SRCALPHA)
    large.fill((*color, 0))
    pygame.draw.circle(large, (*color, 255), (size * _FINE / 2, size * _FINE / 2), size * _FINE / 2)
    return pygame.transform.smoothscale(large, (size, size))


@lru_cache(maxsize=64)
def fade(width: int, height: int, color: Color, from_alpha: int, to_alpha: int) -> pygame.Surface:
    """A color that fades from left to right."""
    image = pygame.Surface((max(1, width), max(1, height)), pygame.SRCALPHA)
    for x in range(width):
        alpha = from_alpha + (to_alpha - from_alpha) * x / max(1, width - 1)
        image.fill((*color, round(alpha)), (x, 0, 1, height))
    return image
