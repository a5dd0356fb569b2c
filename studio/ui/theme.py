"""Colors, sizes and type of the window: the one place where its looks are decided.

Dark and calm: four grounds from deep to raised, two inks, one accent a voice. Sizes are logical pixels on
a grid of four; :meth:`Theme.px` turns them into pixels of the display.
"""

from __future__ import annotations

from dataclasses import dataclass

Color = tuple[int, int, int]

GROUND: Color = (15, 17, 22)
"""Behind everything."""
PANEL: Color = (22, 25, 32)
"""Panels on the ground."""
RAISED: Color = (32, 36, 46)
"""Controls on panels."""
HOVER: Color = (42, 47, 60)
"""Controls under the pointer."""
EDGE: Color = (46, 51, 64)
"""Hairlines and outlines."""
INK: Color = (232, 235, 242)
"""What is read."""
INK_SOFT: Color = (152, 159, 176)
"""What is read second: labels, units."""
INK_FAINT: Color = (122, 129, 147)
"""Hints and grid numbers; 4.5 to 1 on panels, which small type needs (WCAG 2.2, 1.4.3)."""
INK_OFF: Color = (98, 105, 122)
"""Controls that can't be used now."""
PLAYER: Color = (92, 184, 255)
"""The player's accent."""
PARTNER: Color = (255, 178, 84)
"""The partner's accent."""
GHOST: Color = (124, 96, 62)
"""Planned notes of the partner."""
GOOD: Color = (104, 211, 145)
ALARM: Color = (255, 107, 107)
RECORD: Color = (255, 82, 96)

SPACE_PX = 8
"""Distance between controls; panels keep twice that at their edges."""
RADIUS_PX = 8
CONTROL_PX = 32
"""Height of buttons, fields and menus."""

TEXT_SIZES_PX = {"tiny": 11, "small": 12, "body": 14, "title": 18, "display": 28, "hero": 44}
"""Height of type by role."""


@dataclass(frozen=True)
class Theme:
    """Sizes at one scale.

    Attributes:
        scale: Display pixels a logical pixel, 0.75–4.
    """

    scale: float = 1.0

    def px(self, logical_px: float) -> int:
        """Display pixels; never less than one for something that is there."""
        if logical_px == 0:
            return 0
        pixels = round(abs(logical_px) * self.scale) or 1
        return pixels if logical_px > 0 else -pixels


def mixed(low: Color, high: Color, share: float) -> Color:
    """A color between two; ``share`` 0 is the first, 1 the second."""
    part = min(max(share, 0.0), 1.0)
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return red, green, blue
