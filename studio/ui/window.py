"""The window itself: opening, sizes and scale, full screen, title and icon."""

from __future__ import annotations

import os

import pygame

from studio.ui.state import MIN_HEIGHT_PX, MIN_WIDTH_PX
from studio.ui.theme import GROUND, PARTNER, PLAYER

TITLE = "Antiphon"
INVISIBLE = frozenset({"offscreen", "dummy"})
"""SDL's video drivers without a screen."""
SCALES = (0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""Steps of Ctrl + and Ctrl -."""


def display_scale() -> float:
    """What the display suggests: a 27-inch 4K screen gets 2, a full HD one 1.

    A desktop of 1,080 lines is taken as one display pixel a logical pixel; desktops that scale by themselves
    say so in the environment (GDK and Qt).
    """
    for name in ("GDK_SCALE", "QT_SCALE_FACTOR"):
        try:
            asked = float(os.environ.get(name, ""))
        except ValueError:
            continue
        if 1.0 <= asked <= 4.0:
            return asked
    sizes = pygame.display.get_desktop_sizes()
    height = sizes[0][1] if sizes else 1080
    return 1.0 if height < 1400 else 1.25 if height < 1600 else 1.5 if height < 2000 else 2.0


def fitted_scale(wanted: float, size: tuple[int, int]) -> float:
    """The scale, made smaller where the window is too small to hold the arrangement; at least 0.5."""
    return max(0.5, min(wanted, size[0] / MIN_WIDTH_PX, size[1] / MIN_HEIGHT_PX))


def next_scale(now: float, step: int) -> float:
    """The next larger (1) or smaller (−1) scale of :data:`SCALES`."""
    if step > 0:
        return next((scale for scale in SCALES if scale > now + 0.01), SCALES[-1])
    return next((scale for scale in reversed(SCALES) if scale < now - 0.01), SCALES[0])


class Window:
    """The one window of the program. Opened as soon as it is made, and already filled with its ground.

    Args:
        size: Width and height, display pixels; made to fit the desktop.
        is_full_screen: Fill the display.
    """

    def __init__(self, size: tuple[int, int], *, is_full_screen: bool = False) -> None:
        os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", TITLE)
        # Windows would otherwise draw it small and blow it up.
        os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
        if not pygame.display.get_init():
            pygame.display.init()
        # SDL draws into nothing rather than to fail where there is no screen.
        if pygame.display.get_driver() in INVISIBLE and not os.environ.get("SDL_VIDEODRIVER"):
            raise pygame.error("no screen answers")
        pygame.font.init()
        pygame.display.set_caption(TITLE)
        pygame.display.set_icon(icon(64))
        self._size = size
        self.is_full_screen = is_full_screen
        self._open()
        pygame.key.set_repeat(350, 35)

    @property
    def surface(self) -> pygame.Surface:
        """What is drawn on; another object after every change of size."""
        return pygame.display.get_surface()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, display pixels."""
        return self.surface.get_size()

    @property
    def plain_size(self) -> tuple[int, int]:
        """The size that it has when it does not fill the display."""
        return self._size

    def resized(self) -> None:
        """The person changed its size."""
        if not self.is_full_screen:
            self._size = self.size

    def set_full_screen(self, is_full_screen: bool) -> None:
        """Fill the display, or don't."""
        self.is_full_screen = is_full_screen
        self._open()

    def show(self, regions: list[pygame.Rect]) -> None:
        """Bring what was drawn to the screen."""
        if regions:
            pygame.display.update(regions)

    def close(self) -> None:
        """Close it."""
        pygame.display.quit()

    def _open(self) -> None:
        desktops = pygame.display.get_desktop_sizes()
        if self.is_full_screen:
            surface = pygame.display.set_mode(desktops[0] if desktops else (0, 0), pygame.FULLSCREEN)
        else:
            width, height = self._size
            if desktops and pygame.display.get_driver() != "dummy":
                width, height = min(width, desktops[0][0]), min(height, desktops[0][1])
            surface = pygame.display.set_mode((width, height), pygame.RESIZABLE)
        surface.fill(GROUND)
        pygame.display.flip()


def icon(size: int) -> pygame.Surface:
    """The program's mark: two voices, one answering the other."""
    times = 4
    large = pygame.Surface((size * times, size * times), pygame.SRCALPHA)
    large.fill((*GROUND, 0))
    unit = size * times / 64
    pygame.draw.rect(large, (24, 28, 37), large.get_rect(), border_radius=round(14 * unit))
    for color, bars in ((PLAYER, ((14, 26, 22), (22, 18, 30), (30, 24, 24))),
                        (PARTNER, ((34, 30, 20), (42, 22, 30), (50, 28, 18)))):  # fmt: skip
        for x, top, height in bars:
            box = pygame.Rect(
                round((x - 2.4) * unit), round((top - 3) * unit), round(4.8 * unit), round(height * unit)
            )
            pygame.draw.rect(large, color, box, border_radius=round(2.4 * unit))
    return pygame.transform.smoothscale(large, (size, size))
