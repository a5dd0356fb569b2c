"""Drawing on a surface: text, rounded boxes and icons in the theme's sizes, with caches for what repeats."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import pygame

import assets
from studio.ui.theme import INK, TEXT_SIZES_PX, Color, Theme

Weight = Literal["regular", "medium", "bold"]
Align = Literal["left", "center", "right"]


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

    def box(
        self, rect: pygame.Rect, color: Color, *, radius_px: float = 0, edge: Color | None = None
    ) -> None:
        """A filled box, its corners rounded by logical pixels, perhaps with a hairline around it."""
        radius = self.px(radius_px)
        pygame.draw.rect(self.surface, color, rect, border_radius=radius)
        if edge is not None:
            pygame.draw.rect(self.surface, edge, rect, width=self.px(1), border_radius=radius)

    def line(
        self, start: tuple[float, float], end: tuple[float, float], color: Color, width_px: float = 1
    ) -> None:
        """A straight line."""
        pygame.draw.line(self.surface, color, start, end, self.px(width_px))

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
        image = text_image(
            elided(words, size, weight, self.theme.scale, rect.width), size, weight, color, self.theme.scale
        )
        place = image.get_rect(centery=rect.centery)
        if align == "left":
            place.left = rect.left
        elif align == "right":
            place.right = rect.right
        else:
            place.centerx = rect.centerx
        self.surface.blit(image, place)
        return place


@lru_cache(maxsize=64)
def font(size: str, weight: Weight, scale: float) -> pygame.font.Font:
    """A font of the theme at a scale."""
    if not pygame.font.get_init():
        pygame.font.init()
    return pygame.font.Font(
        str(assets.path(f"fonts/{weight}.ttf")), max(1, round(TEXT_SIZES_PX[size] * scale * 1.2))
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
