"""Drawing what changed and nothing else: layers of widgets over each other, panel by panel.

A layer is a tree of widgets (the rail, a screen, a popup). What a dirty panel covers becomes a region; each
region is drawn through all layers from the lowest to the highest, clipped. So a panel that moves under a menu
stays under it, and a menu that goes away uncovers what was below.
"""

from __future__ import annotations

from collections.abc import Sequence

import pygame

from studio.ui.faults import Guard
from studio.ui.paint import Painter
from studio.ui.theme import GROUND, PANEL, Theme
from studio.ui.widget import Widget

SLACK_PX = 8
"""How far a widget may draw beyond its rectangle, logical pixels: focus rings."""


class Compositor:
    """Keeps what was drawn where, so that what moves or goes away is drawn over.

    Args:
        guard: Survives a widget that fails to draw: the others are drawn all the same.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._shown: dict[int, tuple[Widget, pygame.Rect]] = {}
        self._is_all = True

    def invalidate(self) -> None:
        """Draw everything in the next frame."""
        self._is_all = True

    def draw(self, surface: pygame.Surface, theme: Theme, layers: Sequence[Widget]) -> list[pygame.Rect]:
        """Draw what changed.

        Args:
            surface: The window.
            theme: Sizes.
            layers: From the lowest to the highest.

        Returns:
            The regions drawn, display pixels.
        """
        window = surface.get_rect()
        regions = self._regions(layers, theme)
        if self._is_all:
            regions, self._is_all = [window], False
        regions = _merged([region.clip(window) for region in regions])
        painter = Painter(surface, theme)
        for region in regions:
            surface.set_clip(region)
            if not any(_covers(layer, region) for layer in layers):
                surface.fill(GROUND, region)
            for layer in layers:
                if layer.is_visible:
                    _draw_tree(layer, painter, theme.px(SLACK_PX), self._guard)
        surface.set_clip(None)
        return regions

    def _regions(self, layers: Sequence[Widget], theme: Theme) -> list[pygame.Rect]:
        """Everything dirty, and where layers came, moved or went away."""
        regions: list[pygame.Rect] = []
        shown: dict[int, tuple[Widget, pygame.Rect]] = {}
        for layer in layers:
            reach = theme.px(getattr(layer, "reach_px", 0))
            collect_dirty(layer, regions, reach)
            if not layer.is_visible:
                continue
            extent = layer.rect.inflate(2 * reach, 2 * reach)
            before = self._shown.get(id(layer))
            if before is None or before[1] != extent:
                regions.append(extent)
            shown[id(layer)] = (layer, extent)
        regions += [
            extent for key, (_, extent) in self._shown.items() if key not in shown or shown[key][1] != extent
        ]
        self._shown = shown
        return regions


def collect_dirty(widget: Widget, regions: list[pygame.Rect], reach: int = 0) -> None:
    """Add what dirty panels cover, and take the marks away. The root of a tree counts as a panel."""
    is_unit = widget.is_panel or widget.parent is None
    if is_unit and widget.is_dirty:
        if widget.is_visible:
            regions.append(widget.rect.inflate(2 * reach, 2 * reach))
        _clean(widget)
        return
    if widget.is_below_dirty:
        widget.is_below_dirty = False
        for child in widget.children:
            if widget.is_visible:
                collect_dirty(child, regions)
            else:
                _clean(child)


def _clean(widget: Widget) -> None:
    """Everything below is drawn with it (or is not seen at all)."""
    widget.is_dirty = widget.is_below_dirty = False
    for child in widget.children:
        _clean(child)


def _covers(layer: Widget, region: pygame.Rect) -> bool:
    """Whether one panel of this layer fills the whole region."""
    if not layer.is_visible or not layer.rect.contains(region):
        return False
    if layer.is_panel and not hasattr(layer, "reach_px"):
        return True
    return any(
        child.is_panel and child.is_visible and child.rect.contains(region) for child in layer.children
    )


def _merged(regions: Sequence[pygame.Rect]) -> list[pygame.Rect]:
    """Without empty ones and those within others."""
    kept: list[pygame.Rect] = []
    for region in sorted(regions, key=lambda rect: -rect.width * rect.height):
        if region.width and region.height and not any(other.contains(region) for other in kept):
            kept.append(region)
    return kept


def _draw_tree(widget: Widget, painter: Painter, slack: int, guard: Guard) -> None:
    """A widget and what is below it, where they touch the clip."""
    rect, clip = widget.rect, painter.surface.get_clip()
    if widget.parent is not None and rect.width and rect.height:
        reach = 0 if widget.is_panel else 2 * slack
        if not rect.inflate(reach, reach).colliderect(clip):
            return
    if not guard.draw(widget, lambda: widget.draw(painter)):
        # What it drew before it failed is no picture; its children may stand on what is missing.
        painter.surface.set_clip(clip)
        if widget.is_panel:
            painter.surface.fill(PANEL, rect)
        return
    if not widget.children:
        return
    if widget.clips:
        with painter.clipped(rect):
            _draw_children(widget, painter, slack, guard)
    else:
        _draw_children(widget, painter, slack, guard)


def _draw_children(widget: Widget, painter: Painter, slack: int, guard: Guard) -> None:
    for child in widget.children:
        if child.is_visible:
            _draw_tree(child, painter, slack, guard)
