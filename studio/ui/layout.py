"""Dividing rectangles: rows, columns, insets. Display pixels throughout."""

from __future__ import annotations

from collections.abc import Sequence

import pygame

Size = int | None
"""Pixels, or None for an equal share of what is left."""


def columns(rect: pygame.Rect, sizes: Sequence[Size], gap: int = 0) -> list[pygame.Rect]:
    """Cut a box into columns from left to right."""
    places = _shares(rect.left, rect.width, sizes, gap)
    return [pygame.Rect(start, rect.top, size, rect.height) for start, size in places]


def rows(rect: pygame.Rect, sizes: Sequence[Size], gap: int = 0) -> list[pygame.Rect]:
    """Cut a box into rows from top to bottom."""
    places = _shares(rect.top, rect.height, sizes, gap)
    return [pygame.Rect(rect.left, start, rect.width, size) for start, size in places]


def inset(rect: pygame.Rect, x: int, y: int | None = None) -> pygame.Rect:
    """The box without a margin on all sides."""
    margin = x if y is None else y
    return rect.inflate(-2 * x, -2 * margin)


def within(rect: pygame.Rect, size: tuple[int, int], bounds: pygame.Rect) -> pygame.Rect:
    """A popup of ``size`` under ``rect``, or above it where below is no room; within ``bounds``."""
    place = pygame.Rect(rect.left, rect.bottom, *size)
    if place.bottom > bounds.bottom and rect.top - size[1] >= bounds.top:
        place.bottom = rect.top
    return place.clamp(bounds)


def _shares(start: int, length: int, sizes: Sequence[Size], gap: int) -> list[tuple[int, int]]:
    """Start and size of each part; what is left over goes pixel by pixel to the first flexible ones."""
    fixed = sum(size for size in sizes if size is not None) + gap * max(0, len(sizes) - 1)
    n_flexible = sum(size is None for size in sizes)
    share, rest = divmod(max(0, length - fixed), n_flexible) if n_flexible else (0, 0)
    places: list[tuple[int, int]] = []
    for size in sizes:
        if size is None:
            width, rest = share + (1 if rest > 0 else 0), rest - 1
        else:
            width = size
        places.append((start, width))
        start += width + gap
    return places
