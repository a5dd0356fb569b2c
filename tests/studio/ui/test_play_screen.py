from itertools import pairwise

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi.events import INSTRUMENT_NAMES
from studio.live.deskview import (
    ChooseInput,
    ChooseSound,
    Forget,
    Learn,
    Learned,
    SetMeter,
    SetMetronome,
    SetRecording,
    SetVolume,
    StopTake,
    TakeState,
)
from studio.live.messages import KeyUp, Mode, Panic, SetMode, SetPlaying, SetTempo, Steer, Voice
from studio.live.meters import Percentiles
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
from studio.ui.play.status import figures
from studio.ui.play.steering import PARTS, offered_parts, steer_text, volume_text
from studio.ui.screens.models_shelf import read_shelf
from studio.ui.screens.play import PlayScreen, build
from studio.ui.widget import Key, Widget
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.play_fakes import FakeUi, at, drawn, replace

SIZE = (1280, 800)
SIZES = [(952, 640, 1.0), (1208, 800, 1.0), (1848, 1080, 1.0), (2416, 1600, 2.0), (3696, 2160, 2.0)]


@pytest.fixture
def ui():
    return FakeUi(view=busy_view(13.0), now_s=13.0)


@pytest.fixture
def screen(ui):
    made = build(ui)
    made.place(pygame.Rect(72, 0, 1208, 800))
    look(made, ui)
    return made


def look(screen, ui):
    for widget in screen.walk():
        widget.look(ui.view)


def click(screen, name, share=0.5):
    widget = screen.find(name)
    x = widget.rect.left + round(widget.rect.width * share)
    assert screen.at(x, widget.rect.centery) is widget
    widget.pointer(at("down", x, widget.rect.centery))
    widget.pointer(at("up", x, widget.rect.centery))


def test_play_starts_and_stops(ui, screen):
    click(screen, "play")
    assert ui.sent == [SetPlaying(13.0, False)]
    click(screen, "play")
    assert ui.sent[1] == SetPlaying(13.0, True)


def test_play_ends_the_playback_of_a_take(ui, screen, tmp_path):
    ui.view = replace(idle_view(), take=TakeState(playing=tmp_path))
    look(screen, ui)
    assert screen.find("play").icon == "stop"
    click(screen, "play")
    assert ui.sent == [StopTake()]


def test_the_counter_shows_where_a_take_stands(ui, screen, tmp_path):
    counter = screen.find("counter")
    take = TakeState(playing=tmp_path, position_s=7.3, duration_s=62.0)
    ui.view = replace(idle_view(), take=take)
    look(screen, ui)
    assert (counter.shown.position, counter.shown.length, counter.shown.share) == ("0:07", "1:02", 12)
    assert counter.tooltip == "Where the take stands"
    counter.is_dirty = False
    ui.view = replace(ui.view, take=replace(take, position_s=7.4))
    look(screen, ui)
    assert not counter.is_dirty, "a tenth of a second is not shown"
    ui.view = replace(ui.view, take=TakeState())
    look(screen, ui)
    assert counter.shown.position == ""


def test_a_transport_that_waits_for_a_key_says_so(ui, screen):
    counter = screen.find("counter")
    assert not counter.shown.is_armed
    waiting = idle_view()
    ui.view = replace(waiting, snapshot=replace(waiting.snapshot, is_armed=True))
    look(screen, ui)
    armed = drawn(screen, ui, SIZE).subsurface(counter.rect).copy()
    assert counter.shown.is_armed
    assert "key" in screen.find("play").tooltip
    assert "key" in counter.tooltip
    ui.view = replace(waiting, snapshot=replace(waiting.snapshot, is_armed=False))
    look(screen, ui)
    assert screen.find("play").tooltip.startswith("Start and stop")
    standing = drawn(screen, ui, SIZE).subsurface(counter.rect)
    assert pygame.image.tobytes(armed, "RGB") != pygame.image.tobytes(standing, "RGB")


def test_record_toggles_and_shows_the_length(ui, screen):
    record = screen.find("record")
    assert record.is_writing
    assert record.words == "0:13"
    click(screen, "record")
    assert ui.sent == [SetRecording(False)]
    look(screen, ui)
    assert not record.is_writing
    click(screen, "record")
    assert ui.sent[1] == SetRecording(True)


def test_the_metronome_switches(ui, screen):
    click(screen, "metronome")
    assert ui.sent == [SetMetronome(False)]
    look(screen, ui)
    assert not screen.find("metronome").is_on


def test_the_mode_is_chosen(ui, screen):
    click(screen, "mode", 0.8)
    assert ui.sent == [SetMode(13.0, Mode.RESPOND)]
    look(screen, ui)
    assert screen.find("mode").value == Mode.RESPOND


def test_panic(ui, screen):
    click(screen, "panic")
    assert ui.sent == [Panic(13.0)]


def test_the_model_badge_goes_to_the_models(ui, screen):
    click(screen, "model")
    assert ui.toasts == ["models"]


def test_the_time_signature_comes_from_a_menu(ui, screen):
    click(screen, "meter")
    assert ui.popped is not None
    next(item for item in ui.popped.items if item.text == "6/8").action()
    assert ui.sent == [SetMeter(6, 8)]


# Tempo.


def test_the_tempo_is_dragged(ui, screen):
    tempo = screen.find("tempo")
    x, y = tempo.rect.center
    tempo.pointer(at("down", x, y))
    tempo.pointer(at("move", x, y - 30))
    tempo.pointer(at("up", x, y - 30))
    assert ui.sent[-1] == SetTempo(13.0, 118.0)
    assert tempo.typed is None
    assert ui.captured is None


def test_the_tempo_is_dragged_finely(ui, screen):
    tempo = screen.find("tempo")
    x, y = tempo.rect.center
    tempo.pointer(at("down", x, y, is_fine=True))
    tempo.pointer(at("move", x, y + 30, is_fine=True))
    assert ui.sent[-1] == SetTempo(13.0, 107.0)


def test_the_wheel_and_the_signs_change_the_tempo(ui, screen):
    tempo = screen.find("tempo")
    tempo.pointer(at("wheel", *tempo.rect.center, wheel=2.0))
    click(screen, "slower")
    click(screen, "faster")
    assert [command.bpm for command in ui.sent] == [110.0, 109.0, 110.0]


def test_the_tempo_is_typed(ui, screen):
    click(screen, "tempo")
    tempo = screen.find("tempo")
    for letter in "1325":
        tempo.key(Key(letter, text=letter))
    tempo.key(Key("backspace"))
    tempo.key(Key("return"))
    assert ui.sent == [SetTempo(13.0, 132.0)]


def test_escape_leaves_the_tempo_alone(ui, screen):
    click(screen, "tempo")
    tempo = screen.find("tempo")
    tempo.key(Key("9", text="9"))
    tempo.key(Key("escape"))
    assert ui.sent == []
    assert tempo.typed is None


@pytest.mark.parametrize("typed", ["", ".", "0", ".."])
def test_nonsense_is_no_tempo(ui, screen, typed):
    click(screen, "tempo")
    tempo = screen.find("tempo")
    for letter in typed:
        tempo.key(Key(letter, text=letter))
    tempo.key(Key("return"))
    assert ui.sent == []


def test_tempi_are_clamped(ui, screen):
    screen.find("tempo").set(9999)
    screen.find("tempo").set(1)
    assert [command.bpm for command in ui.sent] == [400.0, 20.0]


def test_tapping_sets_the_tempo(ui, screen):
    for _ in range(4):
        click(screen, "tap")
        ui.now_s += 0.5
    assert [command.bpm for command in ui.sent] == [120.0] * 3


def test_the_tempo_shown_does_not_fall_back_while_the_desk_takes_it_up(ui, screen):
    tempo = screen.find("tempo")
    tempo.set(140.0)
    ui.now_s += 0.1
    look(screen, ui)
    assert tempo.bpm == 140.0
    ui.now_s += PATIENCE_S
    look(screen, ui)
    assert tempo.bpm == 108.0


# Steering.


def test_knobs_steer_the_partner(ui, screen):
    knob = screen.find("knob-temperature")
    knob.pointer(at("wheel", *knob.rect.center, wheel=1.0))
    (command,) = ui.sent
    assert isinstance(command, Steer)
    assert command.target == "temperature"
    assert command.value == pytest.approx(0.95 + 1.8 / 40)


def test_whole_knobs_send_whole_numbers(ui, screen):
    knob = screen.find("knob-register")
    assert knob.value == 5
    knob.choose(7.4)
    assert ui.sent == [Steer(13.0, "register", 7)]
    assert isinstance(ui.sent[0].value, int)


def test_all_six_knobs_follow_the_desk(ui, screen):
    assert [screen.find(f"knob-{n}").value for n in ("density", "swing", "velocity")] == [0.6, 0.35, -6]


def test_a_right_click_learns_and_forgets(ui, screen):
    knob = screen.find("knob-swing")
    knob.pointer(at("down", *knob.rect.center, button=3))
    ui.popped.items[0].action()
    ui.view = replace(ui.view, learned=(Learned("Launchkey", 74, "swing"),))
    look(screen, ui)
    assert knob.learned == "CC 74"
    knob.pointer(at("down", *knob.rect.center, button=3))
    ui.popped.items[1].action()
    assert ui.sent == [Learn("swing"), Forget("swing")]


def test_parts_are_switched(ui, screen):
    click(screen, "part-organ")
    click(screen, "part-bass")
    assert [command.value for command in ui.sent] == [(0, 2, 4, 5, 15), (0, 2, 5, 15)]
    assert screen.find("part-organ").is_on
    assert not screen.find("part-bass").is_on


def test_the_last_part_stays(ui, screen):
    for name in ("bass", "strings", "drums"):
        click(screen, f"part-{name}")
    ui.sent.clear()
    click(screen, "part-piano")
    assert ui.sent == []
    assert ui.toasts


def test_parts_that_play_are_always_offered():
    assert offered_parts((0,)) == PARTS
    offered = offered_parts((0, 10, 12))
    assert {0, 10, 12} <= set(offered)
    assert len(offered) == len(PARTS)


def test_volumes(ui, screen):
    you, partner = screen.find("volume-player"), screen.find("volume-partner")
    you.choose(-12.3)
    partner.choose(-99.0)
    assert ui.sent == [SetVolume(Voice.PLAYER, -12.0), SetVolume(Voice.PARTNER, -60.0)]
    look(screen, ui)
    assert (you.value, partner.value) == (-12.0, -60.0)


# Status.


def test_devices_are_chosen_from_what_there_is(ui, screen):
    picker = screen.find("midi-in")
    assert [option.text for option in picker.options] == ["Launchkey 49 MK3", "Digital Piano", "No MIDI in"]
    assert picker.value == "Launchkey 49 MK3"
    picker.choose("Digital Piano")
    screen.find("sound").choose("none")
    assert ui.sent == [ChooseInput("Digital Piano"), ChooseSound("none")]


def test_a_port_that_is_gone_stays_listed(ui, screen):
    ui.view = replace(ui.view, devices=replace(ui.view.devices, inputs=("Digital Piano",)))
    look(screen, ui)
    gone = next(option for option in screen.find("midi-in").options if option.value == "Launchkey 49 MK3")
    assert not gone.is_enabled
    assert gone.detail


def test_activity_lights_go_out(ui, screen):
    assert screen.find("midi-in").is_active
    assert not screen.find("midi-out").is_active
    later = replace(ui.view.snapshot, time_s=20.0)
    ui.view = replace(ui.view, snapshot=later)
    look(screen, ui)
    assert not screen.find("midi-in").is_active


def test_with_rules_no_plan_is_late():
    view = busy_view(13.0)
    counts = replace(view.snapshot.counts, planned_steps=0)
    rules = replace(
        view, snapshot=replace(view.snapshot, counts=counts), model=ModelHealth(ModelState.CLOSED)
    )
    in_time = next(f for f in figures(rules, has_new_underruns=False) if f.label == "In time")
    assert not in_time.is_trouble
    assert "%" not in in_time.value


def test_trouble_shows_only_when_there_is_any():
    view = busy_view(13.0)
    assert not any(figure.is_trouble for figure in figures(view, has_new_underruns=False))
    counts = replace(view.snapshot.counts, planned_steps=400)
    bad = replace(
        view,
        snapshot=replace(view.snapshot, counts=counts),
        meters=replace(view.meters, lateness=Percentiles(10, 1, 2, 45.0, 60)),
    )
    troubled = {figure.label for figure in figures(bad, has_new_underruns=True) if figure.is_trouble}
    assert troubled == {"In time", "Late", "Dropouts"}


def test_dropouts_alarm_for_a_while(ui, screen):
    panel = screen.find("figures")
    ui.view, ui.now_s = replace(ui.view, underruns=2), 14.0
    look(screen, ui)
    assert panel.shown[-1].is_trouble
    ui.now_s = 40.0
    look(screen, ui)
    assert not panel.shown[-1].is_trouble
    assert panel.shown[-1].value == "2"


# The whole screen.


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
