"""Widgets on the real program with posted events: press, drag, wheel, keys, undo, disabled."""

import pygame
import pytest

from studio.ui.controls import Button, Option, Panel, Segmented, Toggle
from studio.ui.fields import Line, TextField
from studio.ui.knobs import Knob, Slider, Stepper
from studio.ui.lists import ListView, ScrollArea
from studio.ui.overlays import Dialog, Dropdown, MenuItem, open_menu
from studio.ui.paint import text_width
from studio.ui.widget import Widget
from tests.studio.ui.pilot import Pilot


class Bench(Widget):
    """A screen with two panels: controls in the left one, a button in the right one."""

    def __init__(self, ui):
        super().__init__(ui, "bench")
        self.left = self.add(Panel(ui, "left"))
        self.right = self.add(Panel(ui, "right"))
        self.told = []
        place = self.told.append
        self.knob = self.left.add(Knob(ui, "knob", "Heat", 0.0, 2.0, 1.0, place, default=0.5, step=0.1))
        self.knob.undo_name = "heat"
        self.slider = self.left.add(Slider(ui, "slider", "Volume", -60.0, 6.0, 0.0, place, default=0.0))
        self.stepper = self.left.add(Stepper(ui, "stepper", "", 20, 400, 120, place, step=1, is_stepped=True))
        self.toggle = self.left.add(Toggle(ui, "toggle", "On", False, place))
        self.modes = self.left.add(
            Segmented(ui, "modes", ["a", Option("b", "B", is_enabled=False), "c"], "a", place)
        )
        self.field = self.left.add(TextField(ui, "field", "one two", place))
        self.choice = self.left.add(Dropdown(ui, "choice", ["Alpha", "Beta", "Gamma"], "Alpha", place))
        self.button = self.right.add(Button(ui, "button", "Go", lambda: place("go"), tooltip="Goes"))

    def arrange(self):
        left, top = self.rect.topleft
        self.left.place(pygame.Rect(left, top, 600, 800))
        self.right.place(pygame.Rect(left + 600, top, 600, 800))
        for row, child in enumerate(self.left.children):
            child.place(pygame.Rect(left + 20, top + 20 + row * 90, 240, 78 if child is self.knob else 32))
        self.button.place(pygame.Rect(left + 640, top + 40, 100, 32))


@pytest.fixture
def bench():
    pilot = Pilot(root=Bench)
    pilot.bench = pilot.app.screen
    pilot.told = pilot.bench.told
    return pilot


def test_a_button_is_pressed_on_release_within(bench):
    x, y = bench.find("button").rect.center
    bench.down(x, y)
    assert bench.told == []
    bench.up(x, y)
    assert bench.told == ["go"]
    bench.down(x, y)
    bench.up(x, y + 300)
    assert bench.told == ["go"]
    bench.find("button").set_enabled(False)
    bench.click("button")
    assert bench.told == ["go"]


def test_only_the_marked_panel_is_drawn(bench):
    bench.frame()
    assert bench.frame() == []
    bench.bench.button.mark()
    assert bench.frame() == [bench.bench.right.rect]
    bench.bench.knob.set_value(1.5)
    assert bench.frame() == [bench.bench.left.rect]
    bench.bench.knob.set_value(1.5)
    assert bench.frame() == []


def test_a_knob_is_dragged_over_any_distance_and_undone_as_one(bench):
    x, y = bench.find("knob").rect.center
    bench.down(x, y)
    for step in range(1, 10):
        bench.move(x, y - 5 * step)
    bench.up(x, y - 45)
    assert bench.bench.knob.value == pytest.approx(1.0 + 45 / 180 * 2)
    assert bench.told == sorted(bench.told)
    bench.press("z", control=True)
    assert bench.bench.knob.value == 1.0
    bench.press("z", control=True, shift=True)
    assert bench.bench.knob.value == pytest.approx(1.5)


def test_a_knob_by_wheel_double_click_and_keys(bench):
    bench.wheel("knob", 2)
    assert bench.bench.knob.value == pytest.approx(1.2)
    bench.click("knob")
    bench.click("knob")
    assert bench.bench.knob.value == 0.5
    bench.press("up")
    assert bench.bench.knob.value == pytest.approx(0.6)
    bench.press("left", shift=True)
    assert bench.bench.knob.value == pytest.approx(0.59)
    bench.press("end")
    bench.press("up")
    assert bench.bench.knob.value == 2.0
    bench.press("delete")
    assert bench.bench.knob.value == 0.5


def test_a_value_from_outside_waits_for_the_hand(bench):
    x, y = bench.find("knob").rect.center
    bench.down(x, y)
    bench.move(x, y - 9)
    bench.bench.knob.set_value(0.0)
    assert bench.bench.knob.value == pytest.approx(1.1)
    bench.up(x, y - 9)
    bench.bench.knob.set_value(0.0)
    assert bench.bench.knob.value == 0.0


def test_a_slider_goes_where_the_pointer_is(bench):
    track = bench.bench.slider.track_rect()
    bench.down(track.left, track.centery)
    assert bench.bench.slider.value == -60.0
    bench.move(track.right + 500, track.centery)
    assert bench.bench.slider.value == 6.0
    bench.up(track.right, track.centery)


def test_a_stepper_takes_whole_steps(bench):
    minus, plus = bench.bench.stepper.ends()
    bench.click(plus.center)
    bench.click(plus.center)
    bench.click(minus.center)
    assert bench.bench.stepper.value == 121
    bench.wheel("stepper", 5)
    assert bench.bench.stepper.value == 126


def test_switch_and_segments(bench):
    bench.click("toggle")
    cells = bench.bench.modes.cells()
    bench.click(cells[1].center)
    bench.click(cells[2].center)
    assert bench.told == [True, "c"]
    bench.press("left")
    assert bench.told == [True, "c", "a"]


def test_tab_goes_around_and_the_ring_is_seen_only_then(bench):
    order = []
    for _ in range(9):
        bench.press("tab")
        order.append(bench.app.focused.widget.name)
    assert order[:8] == ["knob", "slider", "stepper", "toggle", "modes", "field", "choice", "button"]
    assert bench.app.shows_focus
    bench.press("tab", shift=True)
    assert bench.app.focused.widget.name == "button"
    bench.press("space")
    assert bench.told == ["go"]
    bench.press("return")
    assert bench.told == ["go", "go"]
    bench.click("toggle")
    assert not bench.app.shows_focus


def test_a_drop_down_by_keyboard_and_pointer(bench):
    bench.click("choice")
    menu = bench.app.popups[-1]
    bench.click(menu.row_rect(2).center)
    assert bench.told == ["Gamma"]
    assert bench.app.popups == []
    bench.press("down")
    bench.type("be")
    bench.press("return")
    assert bench.told == ["Gamma", "Beta"]
    bench.click("choice")
    bench.press("escape")
    assert bench.app.popups == []
    bench.click("choice")
    bench.click("button")
    assert bench.told == ["Gamma", "Beta"]
    assert bench.app.popups == []


def test_what_a_menu_covered_comes_back(bench):
    before = pygame.image.tobytes(bench.window.surface, "RGB")
    open_menu(bench.app, [MenuItem("One"), MenuItem(), MenuItem("Two", is_danger=True)], (400, 300))
    bench.frame()
    assert pygame.image.tobytes(bench.window.surface, "RGB") != before
    bench.press("escape")
    assert pygame.image.tobytes(bench.window.surface, "RGB") == before


def test_a_panel_that_changes_stays_under_a_menu(bench):
    bench.bench.left.mark()
    menu = open_menu(bench.app, [MenuItem("One")], bench.find("toggle").rect)
    bench.frame()
    inside = menu.rect.inflate(-8, -8)
    shown = pygame.image.tobytes(bench.window.surface.subsurface(inside), "RGB")
    bench.bench.toggle.set_value(True)
    assert bench.frame() == [bench.bench.left.rect]
    assert pygame.image.tobytes(bench.window.surface.subsurface(inside), "RGB") == shown


def test_a_dialog_stops_everything_below(bench):
    done = []
    dialog = Dialog(bench.app, "Really?", "It can't be undone.", on_confirm=lambda: done.append(1))
    bench.app.popup(dialog)
    bench.frame()
    bench.click(bench.bench.button.rect.center)
    bench.press("space")
    assert (bench.told, bench.commands) == ([], [])
    bench.press("escape")
    assert (done, bench.app.popups) == ([], [])
    bench.app.popup(Dialog(bench.app, "Really?", on_confirm=lambda: done.append(2)))
    bench.press("return")
    assert (done, bench.app.popups) == ([2], [])
    bench.app.popup(Dialog(bench.app, "Really?", on_confirm=lambda: done.append(3)))
    bench.press("tab")
    assert bench.app.focused.widget.name == "dialog-cancel"
    bench.press("return")
    assert (done, bench.app.popups) == ([2], [])


def test_narrow_choices_share_the_room_by_their_words(bench):
    modes = Segmented(bench.app, "wide", ["Accompany", "Respond"], "Respond")
    modes.place(pygame.Rect(0, 0, 400, 32))
    left, right = modes.cells()
    assert abs(left.width - right.width) <= 1
    modes.place(pygame.Rect(0, 0, 188, 32))
    left, right = modes.cells()
    words = [text_width(word, "body", "medium", 1.0) for word in ("Accompany", "Respond")]
    margins = [cell.width - width for cell, width in zip((left, right), words, strict=True)]
    assert abs(margins[0] - margins[1]) <= 1
    assert margins[0] >= 12
    assert (left.left, right.right) == (2, 186)


def test_typing_into_a_field_plays_nothing(bench):
    bench.click("field")
    bench.press("end")
    bench.type(" zm3")
    assert bench.bench.field.text == "one two zm3"
    assert bench.told[-1] == "one two zm3"
    assert bench.commands == []
    bench.press("z", control=True)
    assert bench.bench.field.text == "one two zm"
    bench.press("escape")
    bench.press("z")
    assert len(bench.commands) == 2


def test_a_field_selects_copies_and_pastes(bench):
    bench.click("field")
    bench.press("home")
    bench.press("right", control=True, shift=True)
    bench.press("c", control=True)
    bench.press("end")
    bench.press("v", control=True)
    assert bench.bench.field.text == "one twoone"
    bench.press("a", control=True)
    bench.press("x", control=True)
    assert bench.bench.field.text == ""
    bench.press("v", control=True)
    assert bench.bench.field.text == "one twoone"


def test_a_line_knows_words_and_its_limit():
    line = Line("alpha beta", limit=12)
    assert line.word(-1) == 6
    line.move(0)
    assert line.word(1) == 5
    line.move(10)
    assert line.insert("xyz")
    assert line.text == "alpha betaxy"
    assert not line.insert("z")
    assert line.delete(line.word(-1))
    assert line.text == "alpha "
    assert line.undo()
    assert line.undo()
    assert line.text == "alpha beta"
    assert not line.undo()
    assert line.redo()
    assert line.text == "alpha betaxy"


class Rows(Widget):
    def __init__(self, ui):
        super().__init__(ui, "rows")
        self.drawn, self.told = [], []
        self.panel = self.add(Panel(ui, "panel"))
        self.list = self.panel.add(
            ListView(
                ui,
                "list",
                lambda _p, _r, row, _s: self.drawn.append(row),
                row_px=40,
                on_select=lambda row: self.told.append(("select", row)),
                on_open=lambda row: self.told.append(("open", row)),
                on_row_context=lambda row, _x, _y: self.told.append(("menu", row)),
            )
        )
        self.list.set_count(1000)

    def arrange(self):
        self.panel.place(self.rect)
        self.list.place(pygame.Rect(self.rect.left, 0, 400, 400))


def test_a_list_draws_what_is_seen_and_scrolls():
    pilot = Pilot(root=Rows)
    rows = pilot.app.screen
    assert set(rows.drawn) <= set(range(11))
    pilot.click((200, 100))
    pilot.press("down")
    pilot.press("return")
    pilot.click((200, 20), button=3)
    assert rows.told == [("select", 2), ("select", 3), ("open", 3), ("select", 0), ("menu", 0)]
    rows.drawn.clear()
    pilot.press("end")
    assert rows.list.selected == 999
    assert min(rows.drawn) >= 989
    pilot.wheel((200, 100), 3)
    assert rows.list.scroller.offset == 1000 * 40 - 400 - 3 * 48
    thumb = rows.list.scroller.thumb(8)
    pilot.down(thumb.centerx, thumb.centery)
    pilot.move(thumb.centerx, -50)
    pilot.up(thumb.centerx, -50)
    assert rows.list.scroller.offset == 0
    rows.list.set_count(0)
    pilot.frame()
    assert rows.list.selected == -1


class Tall(Widget):
    def __init__(self, ui):
        super().__init__(ui, "tall")
        self.panel = self.add(Panel(ui, "panel"))
        self.content = Widget(ui, "content")
        self.buttons = [self.content.add(Button(ui, f"b{i}", str(i))) for i in range(30)]
        self.content.arrange = self.stack
        self.area = self.panel.add(ScrollArea(ui, "area", self.content, lambda _width: 30 * 50))

    def stack(self):
        for i, button in enumerate(self.buttons):
            button.place(pygame.Rect(self.content.rect.left, self.content.rect.top + i * 50, 100, 40))

    def arrange(self):
        self.panel.place(self.rect)
        self.area.place(pygame.Rect(self.rect.left, 0, 300, 300))


def test_tab_scrolls_to_what_it_reaches():
    pilot = Pilot(root=Tall)
    pilot.press("tab", shift=True)
    for _ in range(5):
        pilot.press("tab", shift=True)
    last = pilot.app.screen.buttons[29]
    while pilot.app.focused.widget is not last:
        pilot.press("tab")
    assert pilot.app.screen.area.rect.contains(last.rect)
    # What is scrolled out of sight is neither pressed nor drawn.
    first = pilot.app.screen.buttons[0]
    assert first.rect.bottom < 0
    pilot.wheel((150, 100), 100)
    assert first.rect.top == 0
