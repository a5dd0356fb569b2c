"""The theme's inks can be read on its grounds."""

from itertools import pairwise

import pytest

from studio.ui import theme


def luminance(color: theme.Color) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [part / 255 for part in color]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: theme.Color, other: theme.Color) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ink", ["INK", "INK_SOFT", "INK_FAINT", "PLAYER", "PARTNER", "GOOD", "ALARM"])
@pytest.mark.parametrize("ground", ["GROUND", "PANEL"])
def test_small_type_can_be_read(ink, ground):
    assert contrast(getattr(theme, ink), getattr(theme, ground)) >= 4.5


def test_inks_keep_their_order():
    inks = (theme.INK, theme.INK_SOFT, theme.INK_FAINT, theme.INK_OFF)
    found = [contrast(ink, theme.PANEL) for ink in inks]
    assert found == sorted(found, reverse=True)
    steps = [high / low for high, low in pairwise(found)]
    assert min(steps) >= 1.3, "one can tell them apart"
