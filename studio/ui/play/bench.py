"""How long the panels of the Play screen take to draw while everything is in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pygame

from studio.live.deskview import DeskView
from studio.ui.paint import Painter
from studio.ui.play.demo import busy_view
from studio.ui.theme import Theme
from studio.ui.widget import Widget

FRAME_S = 1 / 60
VIEW_EVERY = 2
"""Frames a look at the desk: the desk tells 30 times a second, the window draws 60."""


@dataclass(frozen=True, slots=True)
class PanelTimes:
    """Processor time of one panel, milliseconds a frame of the whole window.

    Frames in which the panel had nothing to draw count with the time it took to find that out.
    """

    name: str
    median_ms: float
    p99_ms: float
    share: float


def measure(
    panels: Iterable[Widget],
    show: Callable[[DeskView, float], None],
    surface: pygame.Surface,
    theme: Theme,
    *,
    frames: int = 240,
    warm_up: int = 30,
    from_s: float = 13.0,
) -> list[PanelTimes]:
    """Draw a busy performance frame by frame, only what changed, and time every panel by itself.

    Args:
        panels: Direct children of a screen that has been placed.
        show: Gives the window a view and the time of the frame.
        surface: What is drawn on.
        theme: Sizes.
        frames: Frames measured; a sixtieth of a second each.
        warm_up: Frames drawn before, which fill the caches.
        from_s: Second of the performance at which it begins.

    Returns:
        The panels and, last, ``all``: percentiles of whole frames, share 1.
    """
    painter = Painter(surface, theme)
    kept = list(panels)
    times = np.zeros((frames, len(kept)))
    view = busy_view(from_s)
    for frame in range(-warm_up, frames):
        now_s = from_s + (frame + warm_up) * FRAME_S
        if frame % VIEW_EVERY == 0:
            view = busy_view(now_s)
        show(view, now_s)
        for column, panel in enumerate(kept):
            spent_s = _draw(panel, view, painter)
            if frame >= 0:
                times[frame, column] = spent_s * 1e3
    surface.set_clip(None)
    return _summary([panel.name for panel in kept], times)


def _draw(panel: Widget, view: DeskView, painter: Painter) -> float:
    """Look and, if anything changed, draw; returns seconds of processor time."""
    start_s = time.thread_time()
    for widget in panel.walk():
        widget.look(view)
    if panel.is_dirty and panel.is_visible:
        panel.is_dirty = False
        painter.surface.set_clip(panel.rect)
        for widget in panel.walk():
            widget.draw(painter)
    return time.thread_time() - start_s


def _summary(
    names: list[str], times_ms: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> list[PanelTimes]:
    total = max(float(times_ms.sum()), 1e-9)
    rows = [
        PanelTimes(
            name,
            float(np.median(times_ms[:, column])),
            float(np.percentile(times_ms[:, column], 99)),
            float(times_ms[:, column].sum()) / total,
        )
        for column, name in enumerate(names)
    ]
    whole = times_ms.sum(axis=1)
    rows.append(PanelTimes("all", float(np.median(whole)), float(np.percentile(whole, 99)), 1.0))
    return rows
