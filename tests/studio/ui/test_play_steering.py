"""What steers the partner, and the line at the bottom: knobs, parts, volumes, devices, figures."""

import pytest

from studio.live.deskview import (
    ChooseInput,
    ChooseSound,
    Forget,
    Learn,
    Learned,
    SetVolume,
)
from studio.live.messages import Steer, Voice
from studio.live.meters import Percentiles
from studio.live.planner import ModelHealth, ModelState
from studio.ui.play.demo import busy_view
from studio.ui.play.status import figures
from studio.ui.play.steering import PARTS, offered_parts
from tests.studio.ui.play_fakes import at, click, look, replace


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


def test_the_swing_knob_also_puts_notes_on_the_grid_and_back(ui, screen):
    knob = screen.find("knob-swing")
    for looseness, wanted in ((0.0, 1.0), (1.0, 0.0)):
        snapshot = replace(ui.view.snapshot, feel=replace(ui.view.snapshot.feel, looseness=looseness))
        ui.view = replace(ui.view, snapshot=snapshot)
        look(screen, ui)
        knob.pointer(at("down", *knob.rect.center, button=3))
        ui.popped.items[-1].action()
        assert (ui.sent[-1].target, ui.sent[-1].value) == ("looseness", wanted)


def test_parts_are_switched(ui, screen):
    click(screen, "part-pad")
    click(screen, "part-bass")
    assert [command.value for command in ui.sent] == [(0, 4, 5, 11, 15), (0, 5, 11, 15)]
    assert screen.find("part-pad").is_on
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
