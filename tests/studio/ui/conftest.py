"""What tests of the Play screen share; tests of other screens have their own."""

import pygame
import pytest

from studio.ui.play.demo import busy_view
from studio.ui.screens.play import build
from tests.studio.ui.play_fakes import FakeUi, look


@pytest.fixture
def ui():
    """A window's stand-in, with music."""
    return FakeUi(view=busy_view(13.0), now_s=13.0)


@pytest.fixture
def screen(ui):
    """The Play screen beside the rail."""
    made = build(ui)
    made.place(pygame.Rect(72, 0, 1208, 800))
    look(made, ui)
    return made
