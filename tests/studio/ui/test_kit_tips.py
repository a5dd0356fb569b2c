"""Tooltips: at the pointer, at the keyboard's ring, and never over what they speak of."""

import pygame
import pytest

from studio.ui.controls import Button, Panel
from studio.ui.tips import AWAY_PX, Tooltip
from tests.studio.ui.pilot import Pilot


class Three(Panel):
    """Buttons in the corners and the middle; the last one says nothing."""

    def __init__(self, ui):
        super().__init__(ui, "panel")
        self.used = []
        for name in ("one", "two", "three"):
            tip = "" if name == "three" else f"About {name}"
            self.add(Button(ui, name, name, lambda name=name: self.used.append(name), tooltip=tip))

    def arrange(self):
        for button, x, y in zip(self.children, (100, 600, 1170), (10, 400, 760), strict=True):
            button.place(pygame.Rect(x, y, 100, 32))


@pytest.fixture
def pilot():
    return Pilot(root=Three)


def words(pilot):
    shown = pilot.app.dispatcher.tips.shown
    return None if shown is None else shown.words


def rest(pilot):
    pilot.frame(0.7)
    pilot.frame()


def test_words_come_after_the_pointer_rests_and_go_at_a_press(pilot):
    x, y = pilot.find("two").rect.center
    pilot.move(x, y)
    pilot.frame(0.3)
    assert words(pilot) is None
    rest(pilot)
    assert words(pilot) == "About two"
    pilot.down(x, y)
    assert words(pilot) is None
    pilot.up(x, y)
    pilot.frame(2.0)
    assert words(pilot) is None


def test_words_come_after_the_keyboard_rests_and_go_at_a_key(pilot):
    pilot.press("tab")
    pilot.frame(0.3)
    assert words(pilot) is None
    rest(pilot)
    assert words(pilot) == "About one"
    pilot.press("tab")
    assert words(pilot) is None
    rest(pilot)
    assert words(pilot) == "About two"
    pilot.press("return")
    rest(pilot)
    assert (words(pilot), pilot.app.screen.used) == (None, ["two"])
    pilot.press("tab")
    rest(pilot)
    assert pilot.app.is_focused(pilot.find("three"))
    assert words(pilot) is None


def test_what_was_come_to_last_is_spoken_of(pilot):
    pilot.move(*pilot.find("one").rect.center)
    rest(pilot)
    pilot.press("tab")
    pilot.press("tab")
    rest(pilot)
    assert words(pilot) == "About two"
    pilot.move(*pilot.find("three").rect.center)
    assert words(pilot) is None
    pilot.move(*pilot.find("one").rect.center)
    rest(pilot)
    assert words(pilot) == "About one"
    pilot.click("three")
    rest(pilot)
    assert words(pilot) is None


def test_a_focus_that_the_pointer_gave_says_nothing_by_itself(pilot):
    pilot.click("one")
    pilot.move(5, 700)
    rest(pilot)
    assert pilot.app.is_focused(pilot.find("one"))
    assert words(pilot) is None


@pytest.mark.parametrize("size", [(1024, 640), (1280, 800)])
@pytest.mark.parametrize("screen", ["play", "models", "settings"])
def test_no_words_cover_what_the_keyboard_has_come_to(screen, size):
    pilot = Pilot(size, screen=screen)
    window = pygame.Rect((0, 0), size)
    seen = set()
    while True:
        pilot.press("tab")
        focused = pilot.app.focused.widget
        if focused in seen:
            break
        seen.add(focused)
        rest(pilot)
        tip = pilot.app.dispatcher.tips.shown
        assert (tip is not None) == bool(focused.tooltip), focused.name
        if tip is not None:
            assert window.contains(tip.rect), focused.name
            assert not tip.rect.colliderect(focused.rect), focused.name
    assert len(seen) > 8


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize(
    "near", [(0, 400, 1280, 30), (20, 0, 60, 790), (1200, 0, 80, 800), (0, 790, 900, 10)]
)
def test_words_find_the_side_with_room(near, scale):
    pilot = Pilot()
    pilot.app.rescale(scale)
    near = pygame.Rect(near)
    tip = Tooltip(pilot.app, "Where the words stand", near, None)
    assert pygame.Rect(0, 0, 1280, 800).contains(tip.rect)
    assert not tip.rect.inflate(2, 2).colliderect(near)
    assert AWAY_PX > 3, "the ring lies between"
