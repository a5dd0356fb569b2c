"""Charts of a model's card: one bar a rival, the model's own in its accent, whiskers for intervals."""

from __future__ import annotations

import pygame

from studio.ui.paint import Painter, Weight
from studio.ui.screens.models_card import Bar, Chart
from studio.ui.theme import INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, RAISED, Color, mixed

TITLE_PX, READING_PX, BAR_PX = 22, 20, 24
LABEL_PX, VALUE_PX = 116, 52

WHISKER_PX = 9
"""Height of a whisker's caps."""

_REST: Color = mixed(RAISED, INK_FAINT, 0.45)


def chart_height(chart: Chart) -> int:
    """Logical pixels of a chart."""
    return TITLE_PX + READING_PX + 6 + BAR_PX * len(chart.bars)


def draw_chart(painter: Painter, rect: pygame.Rect, chart: Chart) -> None:
    """A chart from the top of a box."""
    px = painter.px
    title = pygame.Rect(rect.left, rect.top, rect.width, px(TITLE_PX))
    painter.text(chart.title, title, weight="medium")
    reading = pygame.Rect(rect.left, title.bottom, rect.width, px(READING_PX))
    painter.text(chart.reading, reading, size="small", color=INK_FAINT)
    top = reading.bottom + px(6)
    for number, bar in enumerate(chart.bars):
        row = pygame.Rect(rect.left, top + px(BAR_PX) * number, rect.width, px(BAR_PX))
        _draw_bar(painter, row, bar, chart.top)


def _draw_bar(painter: Painter, row: pygame.Rect, bar: Bar, top: float) -> None:
    px = painter.px
    color = INK if bar.is_own else INK_SOFT
    weight: Weight = "medium" if bar.is_own else "regular"
    label = pygame.Rect(row.left, row.top, px(LABEL_PX), row.height)
    painter.text(bar.label, label, size="small", color=color, weight=weight)
    value = pygame.Rect(row.right - px(VALUE_PX), row.top, px(VALUE_PX), row.height)
    painter.text(bar.words, value, size="small", color=color, weight=weight, align="right")
    track = pygame.Rect(label.right, row.centery - px(4), max(1, value.left - label.right), px(8))
    painter.box(track, mixed(PANEL, RAISED, 0.6), radius_px=4)

    def x(figure: float) -> int:
        return track.left + round(min(max(figure / max(top, 1e-9), 0.0), 1.0) * track.width)

    filled = pygame.Rect(track.left, track.top, max(px(4), x(bar.value) - track.left), track.height)
    painter.box(filled, PARTNER if bar.is_own else _REST, radius_px=4)
    if bar.high > bar.low:
        _draw_interval(painter, x(bar.low), x(bar.high), track)


def _draw_interval(painter: Painter, low: int, high: int, track: pygame.Rect) -> None:
    """A line from the lower to the upper bound with a cap at each end, over the end of the bar.

    Light on the bar as on the track: the ink that stands out from both.
    """
    width, reach = max(1, painter.px(1.5)), painter.px(WHISKER_PX)
    line = pygame.Rect(low, track.centery - width // 2, max(width, high - low), width)
    caps = [pygame.Rect(x - width // 2, line.centery - reach // 2, width, reach) for x in (low, high)]
    for stroke in (line, *caps):
        painter.fill(stroke, INK)
