"""Faults of the program itself: the window stays, says so once, and writes down what it was."""

import pygame
import pytest

from studio.ui import faults
from studio.ui.controls import Button, Panel
from studio.ui.theme import PANEL
from studio.ui.widget import Widget
from tests.studio.ui.pilot import Pilot


class Broken(Widget):
    """A button that fails, a panel that can, and one that is sound."""

    def __init__(self, ui):
        super().__init__(ui, "broken")
        self.sound = self.add(Panel(ui, "sound"))
        self.button = self.sound.add(Button(ui, "fail", "Fail", self.fail))
        self.panel = self.add(Faulty(ui, "faulty"))
        self.n_looks = 0

    def fail(self):
        raise ZeroDivisionError("in a handler")

    def arrange(self):
        self.sound.place(pygame.Rect(self.rect.left, 0, 400, 400))
        self.button.place(pygame.Rect(self.rect.left + 20, 20, 100, 32))
        self.panel.place(pygame.Rect(self.rect.left + 400, 0, 200, 200))


class Faulty(Panel):
    """Fails as long as it is told to."""

    fails_to_draw = fails_to_look = False
    n_draws = 0

    def look(self, view):  # noqa: ARG002
        if self.fails_to_look:
            raise KeyError("in a look")

    def draw(self, painter):
        self.n_draws += 1
        painter.surface.set_clip(pygame.Rect(0, 0, 1, 1))
        painter.surface.fill((255, 0, 0))
        if self.fails_to_draw:
            raise ValueError("in a draw")
        painter.surface.set_clip(None)
        painter.surface.fill((0, 255, 0), self.rect)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def pilot(home):
    return Pilot(root=Broken, survives=True)


def test_a_handler_that_fails_is_written_down_and_the_window_stays(pilot, home):
    pilot.click("fail")
    pilot.click("fail")
    words = (home / "logs" / "window.log").read_text()
    assert words.count("ZeroDivisionError: in a handler") == 2
    assert "self.on_press()" in words or "in fail" in words
    (toast,) = pilot.app.toasts.shown
    assert toast.is_fault
    assert str(home / "logs" / "window.log") in toast.hint
    pilot.press("space")
    assert pilot.commands
    assert not pilot.app.is_closing


def test_a_panel_that_keeps_failing_is_left_blank_with_one_toast(pilot, home):
    panel = pilot.find("faulty")
    panel.fails_to_draw = True
    before = panel.n_draws
    for _ in range(20):
        panel.mark()
        pilot.frame()
    assert panel.n_draws == before + faults.BLANK_AFTER
    assert pilot.window.surface.get_at(panel.rect.center)[:3] == PANEL
    assert pilot.window.surface.get_clip() == pilot.window.surface.get_rect()
    assert len(pilot.app.toasts.shown) == 1
    pilot.frame(after_s=60.0)
    panel.mark()
    pilot.frame()
    assert not pilot.app.toasts.shown
    assert (home / "logs" / "window.log").read_text().count("ValueError: in a draw") == faults.MOST_REPEATS


def test_a_screen_that_is_opened_again_gets_another_chance(pilot):
    panel = pilot.find("faulty")
    panel.fails_to_draw = True
    for _ in range(5):
        panel.mark()
        pilot.frame()
    panel.fails_to_draw = False
    pilot.app.go("play")
    pilot.frame()
    assert pilot.window.surface.get_at(panel.rect.center)[:3] == (0, 255, 0)


def test_a_look_that_fails_in_every_frame_fills_no_disk_and_stops_nothing_else(pilot, home):
    pilot.find("faulty").fails_to_look = True
    for _ in range(50):
        pilot.frame()
    assert (home / "logs" / "window.log").read_text().count("KeyError: 'in a look'") == faults.MOST_REPEATS
    assert len(pilot.app.toasts.shown) == 1
    pilot.click("fail")
    assert len(pilot.app.toasts.shown) == 1, "the same words are not stacked"


def test_a_desk_that_fails_leaves_the_last_picture_of_it(pilot, monkeypatch):
    view = pilot.app.view
    monkeypatch.setattr(pilot.desk, "view", lambda: 1 / 0)
    pilot.frame()
    assert pilot.app.view is view


def test_the_log_is_bounded(home, monkeypatch):
    monkeypatch.setattr(faults, "MOST_BYTES", 4000)
    for number in range(100):
        assert faults.write("a test", RuntimeError(f"number {number} " + "x" * 100))
    log = faults.log_path()
    sizes = [path.stat().st_size for path in log.parent.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 4000
    assert "number 99 " in log.read_text()


def test_one_endless_fault_is_cut(home):
    faults.write("a test", RuntimeError("x" * 1_000_000))
    assert faults.log_path().stat().st_size < 2 * faults.MOST_ENTRY_BYTES


def test_a_log_that_cannot_be_written_is_said_and_no_fault(home, monkeypatch):
    (home / "logs").write_text("a file where the folder should be")
    pilot = Pilot(root=Broken, survives=True)
    pilot.click("fail")
    (toast,) = pilot.app.toasts.shown
    assert "can't be written to" in toast.hint
