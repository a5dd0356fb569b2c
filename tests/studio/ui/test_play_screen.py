"""The Play screen as a whole, and its words and numbers."""

from itertools import pairwise

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi.events import INSTRUMENT_NAMES
from studio.live.messages import KeyUp
from studio.live.planner import ModelHealth, ModelState
from studio.ui.paint import text_width
from studio.ui.play import status
from studio.ui.play.bench import measure
from studio.ui.play.counter import bar_and_beat
from studio.ui.play.demo import busy_view, idle_view
from studio.ui.play.echo import PATIENCE_S, Echo
from studio.ui.play.letters import key_letters
from studio.ui.play.modelbadge import model_words
from studio.ui.play.record import length_text
from studio.ui.play.steering import steer_text, volume_text
from studio.ui.screens.models_shelf import read_shelf
from studio.ui.screens.play import PlayScreen
from studio.ui.widget import Widget
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.play_fakes import FakeUi, at, look, replace

SIZES = [(952, 640, 1.0), (1208, 800, 1.0), (1848, 1080, 1.0), (2416, 1600, 2.0), (3696, 2160, 2.0)]


@pytest.mark.parametrize(("width", "height", "scale"), SIZES)
@pytest.mark.parametrize("view", [busy_view(13.0), idle_view()], ids=["busy", "idle"])
def test_nothing_overlaps_or_sticks_out(width, height, scale, view):
    ui = FakeUi(view=view, size=(width, height))
    ui.theme = type(ui.theme)(scale)
    screen = PlayScreen(ui)
    screen.place(pygame.Rect(round(72 * scale), 0, width, height))
    look(screen, ui)
    panels = [panel.rect for panel in screen.children]
    assert all(screen.rect.contains(rect) for rect in panels)
    for number, rect in enumerate(panels):
        assert rect.collidelist(panels[number + 1 :]) < 0
    for panel in screen.children:
        shown = [child for child in panel.children if child.is_visible]
        assert all(panel.rect.contains(child.rect) for child in shown)
        for number, child in enumerate(shown):
            assert child.rect.collidelist([other.rect for other in shown[number + 1 :]]) < 0
            assert min(child.rect.size) >= 4


def covered(screen):
    return sum(panel.rect.width * panel.rect.height for panel in screen.children)


def test_panels_leave_only_hairlines(screen):
    total = screen.rect.width * screen.rect.height
    assert covered(screen) > 0.99 * total


def test_names_are_unique(screen):
    names = [widget.name for widget in every(screen)]
    assert len(names) == len(set(names))


def every(widget: Widget):
    yield widget
    for child in widget.children:
        yield from every(child)


def test_leaving_lets_go_of_the_mouse_note(ui, screen):
    key = screen.keyboard.geometry.keys[60]
    screen.keyboard.pointer(at("down", key.centerx, key.bottom - 2))
    screen.leave()
    assert isinstance(ui.sent[-1], KeyUp)


def test_an_idle_screen_draws_nothing(ui, screen):
    ui.view = replace(idle_view(), model=ModelHealth(ModelState.READY))
    ui.now_s = 100.0
    look(screen, ui)
    for panel in screen.children:
        panel.is_dirty = False
    for _ in range(30):
        ui.now_s += 1 / 60
        look(screen, ui)
    assert [panel.name for panel in screen.children if panel.is_dirty] == []


def test_the_benchmark_tells_every_panel(ui, screen):
    surface = pygame.Surface((1280, 800))

    def show(view, now_s):
        ui.view, ui.now_s = view, now_s

    rows = measure(screen.children, show, surface, ui.theme, frames=8, warm_up=2)
    assert [row.name for row in rows] == [panel.name for panel in screen.children] + ["all"]
    assert sum(row.share for row in rows[:-1]) == pytest.approx(1.0)
    assert rows[-1].median_ms > 0


# Words and numbers.


def test_bars_and_beats_count_from_one():
    assert bar_and_beat(0.0, 4.0, 4) == (1, 1)
    assert bar_and_beat(7.99, 4.0, 4) == (2, 4)
    assert bar_and_beat(8.0 - 1e-9, 4.0, 4) == (3, 1)
    assert bar_and_beat(3.5, 3.0, 8) == (2, 2)


def test_lengths_read_as_minutes_and_seconds():
    assert [length_text(s) for s in (0, 65.9, 3600, -1)] == ["0:00", "1:05", "1:00:00", "0:00"]


def test_values_read_well():
    from studio.live.feel import STEERABLE

    assert steer_text(STEERABLE["register"], -5) == "\u22125 st"
    assert steer_text(STEERABLE["swing"], 0.354) == "35 %"
    assert steer_text(STEERABLE["density"], 0.5) == "+0.50"
    assert steer_text(STEERABLE["temperature"], 0.9) == "0.90"
    assert [volume_text(db) for db in (-60.0, -3.0, 0.0, 6.0)] == ["off", "\u22123 dB", "0 dB", "+6 dB"]


def test_the_model_is_told_in_words():
    assert model_words("starter@1.0", ModelHealth(ModelState.READY))[:2] == ("starter", "1.0")
    assert "loading" in model_words("starter@1.0", ModelHealth(ModelState.STARTING))[1]
    assert model_words("none", ModelHealth(ModelState.READY))[0] == "Rules"


def test_an_echo_gives_way_to_the_desk():
    echo = Echo()
    echo.tell(5, 1.0)
    assert echo.settle(3, 1.1) == 5
    assert echo.settle(5, 1.2) == 5
    assert echo.settle(3, 1.3) == 3
    echo.tell(7, 2.0)
    assert echo.settle(3, 2.0 + PATIENCE_S) == 3


def test_letters_stand_on_the_keys_that_they_play():
    letters = key_letters(4)
    assert [letters[pitch] for pitch in (60, 61, 62, 72, 73)] == ["Z", "S", "X", "Q", "2"]
    assert key_letters(5)[72] == "Z"
    assert max(key_letters(8)) <= 127


@pytest.mark.parametrize("size", [(1024, 640), (1280, 800), (1920, 1080)])
def test_nothing_of_the_bars_is_left_out_cut_or_touching_at_any_size(size):
    pilot = Pilot(size)
    pilot.desk.show(busy_view(30.0))
    pilot.frame()
    names = ("slower", "tempo", "faster", "tap", "metronome", "meter", "mode", "model", "panic")
    bar = [pilot.find(name) for name in names]
    assert all(widget.is_visible and widget.rect.width >= 22 for widget in bar)
    for left, right in pairwise(bar[2:]):
        assert right.rect.left - left.rect.right >= 6, (left.name, right.name)
    assert bar[-1].rect.right < size[0]
    for name in ("midi-in", "midi-out", "sound"):
        picker = pilot.find(name)
        room = picker.rect.width - status.PICKER_EXTRA_PX
        assert text_width(picker.words, "body", "regular", 1.0) <= room, picker.words
    for switch in pilot.find("parts").switches:
        words = text_width(INSTRUMENT_NAMES[switch.instrument].capitalize(), "small", "medium", 1.0)
        assert not switch.is_visible or switch.rect.width - words >= 6


@given(st.integers(90, 900), st.lists(st.integers(1, 400), min_size=3, max_size=3))
def test_room_is_dealt_out_evenly_unless_one_needs_more(room, wanted):
    given_px = status.shares(room, wanted)
    assert sum(given_px) <= room
    assert all(width >= min(room // 3, want) for width, want in zip(given_px, wanted, strict=True))
    if sum(wanted) <= room - 3:
        assert all(width >= want - 1 for width, want in zip(given_px, wanted, strict=True))


def test_the_model_that_the_demo_plays_with_is_on_the_shelf():
    assert busy_view(0.0).model_name in {bundle.title for bundle in read_shelf()}
