"""The bar at the top of the Play screen: transport, counter, record, tempo, mode."""

import pygame
import pytest

from studio.live.deskview import (
    SetMeter,
    SetMetronome,
    SetRecording,
    StopTake,
    TakeState,
)
from studio.live.messages import Mode, Panic, SetMode, SetPlaying, SetTempo
from studio.ui.play.demo import idle_view
from studio.ui.play.echo import PATIENCE_S
from studio.ui.widget import Key
from tests.studio.ui.play_fakes import SIZE, at, click, drawn, look, replace


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
