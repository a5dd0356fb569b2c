"""Controls that are turned and pushed: knob, slider, stepper. One way of dragging, wheel and keys for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pygame

from studio.ui.controls import ValueControl
from studio.ui.paint import Painter, text_width
from studio.ui.theme import (
    EDGE,
    GROUND,
    HOVER,
    INK,
    INK_OFF,
    INK_SOFT,
    PANEL,
    PARTNER,
    PLAYER,
    RAISED,
    Color,
    mixed,
)
from studio.ui.widget import Key, Pointer, Ui

TRAVEL_PX = 180
"""Logical pixels of dragging for the whole range of a knob; with shift ten times as much."""
FINE = 0.1
SWEEP = 135
"""Degrees to either side of twelve o'clock."""

Format = Callable[[float], str]


def plain(value: float) -> str:
    """Two decimals with a true minus sign."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


class Ranged(ValueControl[float]):
    """A number in a range, changed by dragging, wheel, arrow keys and double click.

    Args:
        ui: The program around it.
        name: Its name.
        text: Label.
        low: Smallest value.
        high: Largest value.
        value: At the beginning.
        on_change: Told each new value that the person chose.
        default: Where a double click or Delete goes; the middle of the range unless told.
        step: Distance of arrow keys and wheel notches; values lie on multiples of it where ``is_stepped``.
        is_stepped: Only multiples of ``step`` above ``low`` are taken.
        format_value: How the value reads.
        accent: Color of the value.
        tooltip: One line.

    Attributes:
        learned: What controller steers it, for the badge (``CC 74``); empty for none.
        is_learning: It waits for a controller to move.
    """

    def __init__(
        self, ui: Ui, name: str, text: str, low: float, high: float, value: float,
        on_change: Callable[[float], None] | None = None, *, default: float | None = None,
        step: float | None = None, is_stepped: bool = False, format_value: Format = plain,
        accent: Color = PLAYER, tooltip: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ui, name, value, on_change, tooltip=tooltip)
        self.text, self.low, self.high, self.accent = text, low, high, accent
        self.default = (low + high) / 2 if default is None else default
        self.step = (high - low) / 50 if step is None else step
        self.is_stepped = is_stepped
        self.format_value = format_value
        self.learned = ""
        self.is_learning = False
        self._from_px = 0
        self._exact = value

    @property
    def share(self) -> float:
        """Where the value stands in the range, 0–1."""
        return (self.value - self.low) / (self.high - self.low) if self.high > self.low else 0.0

    def set_learned(self, badge: str, is_learning: bool) -> None:
        """Show what steers it, and whether it waits for a controller."""
        if (badge, is_learning) != (self.learned, self.is_learning):
            self.learned, self.is_learning = badge, is_learning
            self.mark()

    def choose(self, value: float) -> None:
        """The person chose a value; it is brought into the range and onto the steps."""
        super().choose(self._fitted(value))

    def pointer(self, event: Pointer) -> bool:
        """Drag, wheel, double click."""
        if not self.is_enabled or event.button == 3:
            return super().pointer(event)
        if event.kind == "wheel":
            self._nudge(event.wheel, event.is_fine)
        elif event.kind == "down" and event.button == 1:
            self._grab(event)
        elif event.kind == "move" and self.is_changing:
            self._drag(event)
        elif event.kind == "up" and self.is_changing:
            self.ui.capture(None)
            self.end()
        else:
            return False
        return True

    def key(self, event: Key) -> bool:
        """Arrows step, with shift finely; Home, End, Page Up and Down leap; Delete goes to the default."""
        if not event.is_down or event.control or not self.is_enabled:
            return False
        steps = {"up": 1, "right": 1, "down": -1, "left": -1, "page up": 10, "page down": -10}
        if event.name in steps:
            self._nudge(steps[event.name], event.shift)
        elif event.name in {"home", "end"}:
            self.choose(self.low if event.name == "home" else self.high)
        elif event.name in {"delete", "backspace"}:
            self.choose(self.default)
        else:
            return super().key(event)
        return True

    def _grab(self, event: Pointer) -> None:
        self.ui.focus(self)
        if event.clicks == 2:
            self.choose(self.default)
            return
        self.ui.capture(self)
        self.begin()
        self._from_px, self._exact = event.y, self.value
        self.mark()

    def _drag(self, event: Pointer) -> None:
        """Up is more; motion counts from the last event, so that shift may come and go."""
        moved = (self._from_px - event.y) / self.ui.theme.px(TRAVEL_PX) * (FINE if event.is_fine else 1.0)
        self._from_px = event.y
        self._exact = min(max(self._exact + moved * (self.high - self.low), self.low), self.high)
        self.choose(self._exact)

    def _nudge(self, steps: float, is_fine: bool) -> None:
        distance = self.step if self.is_stepped or not is_fine else self.step * FINE
        self.choose(self.value + steps * distance)

    def _fitted(self, value: float) -> float:
        if self.is_stepped:
            value = self.low + round((value - self.low) / self.step) * self.step
        return min(max(value, self.low), self.high)


class Knob(Ranged):
    """A rotary knob: label below, the value in its place while it is turned.

    Its box is about 64 wide and 76 high (logical pixels); the knob takes what the label leaves. A range that
    reaches below zero is drawn from its zero. See :class:`Ranged` for the arguments.
    """

    def knob_rect(self) -> pygame.Rect:
        """The square of the knob itself, display pixels."""
        label = self.ui.theme.px(20)
        side = min(self.rect.width, self.rect.height - label)
        place = pygame.Rect(0, 0, side, side)
        place.midtop = (self.rect.centerx, self.rect.top)
        return place

    def draw(self, painter: Painter) -> None:
        """Track, value, body, pointer, words."""
        knob = self.knob_rect()
        unit = knob.width / 2 / painter.theme.scale
        self._draw_arc(painter, knob, unit)
        self._draw_body(painter, knob, unit)
        self._draw_words(painter)
        if self.ui.shows_focus and self.ui.is_focused(self):
            painter.focus_ring(knob, radius_px=unit)

    def _draw_arc(self, painter: Painter, knob: pygame.Rect, unit: float) -> None:
        width = max(2.5, unit * 0.13)
        painter.arc(knob.center, unit, -SWEEP, SWEEP, mixed(RAISED, EDGE, 0.5), width_px=width)
        zero = -self.low / (self.high - self.low) if self.low < 0 < self.high else 0.0
        color = self.accent if self.is_enabled else INK_OFF
        if self.is_learning:
            color = PARTNER if self.ui.now_s % 0.8 < 0.4 else mixed(PANEL, PARTNER, 0.4)
            painter.arc(knob.center, unit, -SWEEP, SWEEP, color, width_px=width)
            self.ui.wake(0.1)
        elif abs(self.share - zero) > 0.004:
            start, end = (-SWEEP + 2 * SWEEP * share for share in (zero, self.share))
            painter.arc(knob.center, unit, start, end, color, width_px=width)

    def _draw_body(self, painter: Painter, knob: pygame.Rect, unit: float) -> None:
        radius = round(knob.width / 2 - painter.px(max(4.5, unit * 0.26)))
        is_lit = self.is_hot or self.is_changing
        body = _body(radius, is_lit, self.is_enabled)
        painter.image(body, body.get_rect(center=knob.center))
        angle = -SWEEP + 2 * SWEEP * self.share
        tip = pygame.math.Vector2(0, -radius * 0.86).rotate(angle) + knob.center
        root = pygame.math.Vector2(0, -radius * 0.38).rotate(angle) + knob.center
        color = INK if self.is_enabled else INK_OFF
        painter.stroke((tip.x, tip.y), (root.x, root.y), color, max(2.0, unit * 0.09))

    def _draw_words(self, painter: Painter) -> None:
        row = self.rect.copy()
        row.height = painter.px(16)
        row.bottom = self.rect.bottom
        if self.is_changing or (self.is_hot and not self.is_learning):
            painter.text(self.format_value(self.value), row, size="small", color=INK, align="center")
            return
        words = "Move it now" if self.is_learning else self.text
        fits = text_width(words, "small", "regular", painter.theme.scale) <= row.width
        ink = INK_SOFT if self.is_enabled else INK_OFF
        painter.text(words, row, size="small" if fits else "tiny", color=ink, align="center")
        if self.learned:
            knob = self.knob_rect()
            badge = pygame.Rect(0, 0, painter.px(34), painter.px(14))
            badge.midbottom = (knob.centerx, knob.bottom + painter.px(1))
            painter.box(badge, mixed(PANEL, PARTNER, 0.22), radius_px=7)
            painter.text(self.learned, badge, size="tiny", color=PARTNER, weight="medium", align="center")


class Slider(Ranged):
    """A level slider: label to the left, value to the right; no label where ``text`` is empty.

    Dragging is absolute: the thumb goes where the pointer is. See :class:`Ranged` for the arguments.
    """

    label_px: float = 88
    value_px: float = 56

    def track_rect(self) -> pygame.Rect:
        """The box within which the thumb's middle moves, display pixels."""
        theme = self.ui.theme
        left = self.rect.left + (theme.px(self.label_px) if self.text else 0) + theme.px(8)
        right = self.rect.right - theme.px(self.value_px) - theme.px(8)
        return pygame.Rect(left, self.rect.top, max(1, right - left), self.rect.height)

    def _grab(self, event: Pointer) -> None:
        super()._grab(event)
        if event.clicks == 1:
            self._drag(event)

    def _drag(self, event: Pointer) -> None:
        track = self.track_rect()
        if event.is_fine:
            return
        share = min(max((event.x - track.left) / track.width, 0.0), 1.0)
        self.choose(self.low + share * (self.high - self.low))

    def draw(self, painter: Painter) -> None:
        """Label, track, thumb, value."""
        track = self.track_rect()
        ink = INK_SOFT if self.is_enabled else INK_OFF
        if self.text:
            painter.text(
                self.text,
                pygame.Rect(self.rect.left, self.rect.top, painter.px(self.label_px), self.rect.height),
                color=ink,
            )
        groove = pygame.Rect(track.left, 0, track.width, painter.px(4))
        groove.centery = track.centery
        painter.box(groove, mixed(RAISED, EDGE, 0.7), radius_px=2)
        x = track.left + round(track.width * self.share)
        filled = groove.copy()
        filled.width = max(painter.px(4), x - track.left)
        painter.box(filled, self.accent if self.is_enabled else INK_OFF, radius_px=2)
        painter.disc((x, track.centery), 9, PANEL)
        thumb = INK if self.is_hot or self.is_changing else mixed(INK, INK_SOFT, 0.4)
        painter.disc((x, track.centery), 7, thumb if self.is_enabled else INK_OFF)
        value = pygame.Rect(
            track.right + painter.px(8), self.rect.top, painter.px(self.value_px), self.rect.height
        )
        painter.text(
            self.format_value(self.value), value, color=INK if self.is_enabled else INK_OFF, align="right"
        )
        self.draw_focus(painter)


class Stepper(Ranged):
    """A number between a minus and a plus; drag it up and down, or use wheel and arrow keys.

    See :class:`Ranged` for the arguments; ``text`` is said softly before the number.
    """

    def ends(self) -> tuple[pygame.Rect, pygame.Rect]:
        """Where minus and plus are."""
        side = min(self.rect.height, self.rect.width // 3)
        minus = pygame.Rect(self.rect.left, self.rect.top, side, self.rect.height)
        plus = pygame.Rect(self.rect.right - side, self.rect.top, side, self.rect.height)
        return minus, plus

    def _grab(self, event: Pointer) -> None:
        for end, steps in zip(self.ends(), (-1, 1), strict=True):
            if end.collidepoint(event.x, event.y):
                self.ui.focus(self)
                self._nudge(steps, event.is_fine)
                return
        super()._grab(event)

    def draw(self, painter: Painter) -> None:
        """The box, its ends and the number."""
        painter.box(self.rect, self.ground(), radius_px=self.radius_px, edge=EDGE)
        minus, plus = self.ends()
        for end, icon, is_open in (
            (minus, "minus", self.value > self.low),
            (plus, "plus", self.value < self.high),
        ):
            painter.icon(icon, end, self.ink(INK_SOFT) if is_open else INK_OFF, size_px=12)
        middle = pygame.Rect(minus.right, self.rect.top, plus.left - minus.right, self.rect.height)
        if self.text:
            words, number = pygame.Rect(middle), pygame.Rect(middle)
            words.width = middle.width // 2 - painter.px(3)
            number.left = words.right + painter.px(6)
            painter.text(self.text, words, size="small", color=self.ink(INK_SOFT), align="right")
            painter.text(self.format_value(self.value), number, color=self.ink(INK))
        else:
            painter.text(self.format_value(self.value), middle, color=self.ink(INK), align="center")
        self.draw_focus(painter)


@lru_cache(maxsize=64)
def _body(radius: int, is_lit: bool, is_enabled: bool) -> pygame.Surface:
    """The knob's body: a disc lit from above with a dark rim."""
    times = 4
    large = radius * times
    low, high = (RAISED, mixed(HOVER, INK, 0.14)) if is_enabled else (PANEL, mixed(PANEL, RAISED, 0.8))
    surface = pygame.Surface((2 * large, 2 * large), pygame.SRCALPHA)
    surface.fill((*GROUND, 0))
    pygame.draw.circle(surface, mixed(GROUND, (0, 0, 0), 0.3), (large, large), large)
    inner = large - times * max(1, radius // 18)
    pygame.draw.circle(surface, mixed(low, high, 0.95), (large, large), inner)
    face = pygame.Surface((2 * large, 2 * large), pygame.SRCALPHA)
    for y in range(2 * large):
        share = 0.8 * (1 - y / (2 * large)) ** 1.4 + (0.18 if is_lit else 0.0)
        pygame.draw.line(face, mixed(low, high, share), (0, y), (2 * large, y))
    mask = pygame.Surface((2 * large, 2 * large), pygame.SRCALPHA)
    pygame.draw.circle(mask, (255, 255, 255, 255), (large, large), inner - times)
    face.blit(mask, (0, 0), special_flags=pygame.BLEND_RGBA_MULT)
    surface.blit(face, (0, 0))
    return pygame.transform.smoothscale(surface, (2 * radius, 2 * radius))
