"""Devices, models and learned controllers of the desk: chosen, lost and found while it runs."""

from __future__ import annotations

from collections import Counter

import pytest

from midi.messages import SUSTAIN
from studio.live.deskview import (
    ChooseInput,
    ChooseModel,
    ChooseOutput,
    Forget,
    Learn,
    Learned,
)
from studio.live.planner import ModelState
from tests.studio.live.desk_room import Room


def test_inputs_change_while_playing_and_what_was_held_is_released(room):
    keys, rack = room.system.port("Keys"), room.system.port("Rack")
    keys.play((0x90, 60, 80), (0xB0, SUSTAIN, 127))
    room.go()
    room.do(ChooseInput("rack"))
    room.go()
    assert room.view.snapshot.held == ()
    assert not keys.listeners
    rack.play((0x90, 62, 80))
    room.go()
    assert room.view.snapshot.held == (62,)
    room.go(0.1)
    assert room.view.devices.input == "Rack"
    assert room.view.devices.input_active_s == pytest.approx(room.clock.now_s(), abs=0.2)
    room.do(ChooseInput("none"))
    room.go()
    assert (room.view.snapshot.held, room.view.devices.input) == ((), "")


def test_an_input_that_comes_back_is_played_again(room):
    room.system.unplug("Keys")
    room.go(1.0)
    assert "lost" in room.view.devices.input
    assert any("vanished" in notice.sentence for notice in room.view.notices)
    room.system.plug("Keys").play()
    room.go(1.0)
    room.system.port("Keys").play((0x90, 60, 80))
    room.go()
    assert room.view.snapshot.held == (60,)


def test_what_was_used_before_is_waited_for(tmp_path):
    room = Room(tmp_path, in_port="Harp", out_port="Lute")
    assert [notice.sentence for notice in room.view.notices if "turns up" in notice.sentence]
    room.system.plug("Harp")
    room.system.plug("Lute")
    room.go(1.0)
    assert (room.view.devices.input, room.view.devices.output) == ("Harp", "Lute")
    room.desk.close()


def test_outputs_change_while_playing_and_each_is_left_silent(tmp_path):
    room = Room(tmp_path, out_port="Rack")
    rack = room.system.port("Rack")
    room.play(60, 62)
    room.go(1.0)
    room.system.plug("Lute")
    room.go(1.0)
    room.do(ChooseOutput("Lute"))
    room.go(0.5)
    assert room.view.devices.output == "Lute"
    room.desk.close()
    for port in (rack, room.system.port("Lute")):
        ons, offs = (Counter(d[1] for d in port.heard if d[0] & 0xF0 == kind) for kind in (0x90, 0x80))
        assert ons == offs


def test_another_model_takes_over_only_when_it_is_ready(room):
    room.play(60)
    room.do(ChooseModel("new"))
    room.go(1.0)
    assert (room.view.model_loading, room.view.model.state) == ("new", ModelState.READY)
    assert room.view.snapshot.is_model_ready
    room.models[0].state = ModelState.READY
    room.go(0.1)
    assert (room.view.model_loading, room.view.model_name) == ("", "new@2.0.0")
    assert not room.models[0].is_closed


def test_a_model_that_is_refused_leaves_the_old_one_playing(room):
    room.do(ChooseModel("broken"))
    room.models[0].state = ModelState.REFUSED
    room.go(0.1)
    assert room.models[0].is_closed
    assert (room.view.notices[-1].sentence, room.view.notices[-1].hint) == (
        "It is damaged.",
        "Install it again.",
    )
    assert (room.view.model_loading, room.view.snapshot.is_model_ready) == ("", True)


def test_choosing_twice_drops_the_first_and_rules_need_no_loading(room):
    room.do(ChooseModel("one"), ChooseModel("two"))
    assert room.models[0].is_closed
    room.do(ChooseModel("none"))
    room.go(0.1)
    assert room.models[1].is_closed
    assert (room.view.model_name, room.view.snapshot.is_model_ready) == ("none", False)


def test_controllers_are_learned_kept_and_forgotten(tmp_path):
    room = Room(tmp_path, keeps_learned=True)
    keys = room.system.port("Keys")
    room.do(Learn("swing"))
    assert room.view.learning == "swing"
    keys.play((0xB0, 21, 5))
    room.go()
    keys.play((0xB0, 21, 127))
    room.go(0.1)
    assert room.view.feel.swing == 1.0
    room.do(Learn("metronome"))
    keys.play((0xB0, 22, 0), (0xB0, 22, 127))
    room.go(0.1)
    assert room.view.is_metronome_on
    assert room.view.learned == (Learned("Keys", 21, "swing"), Learned("Keys", 22, "metronome"))
    room.desk.close()
    again = Room(tmp_path, keeps_learned=True)
    assert again.view.learned == room.view.learned
    again.do(Forget("swing"))
    again.go(0.1)
    again.desk.close()
    last = Room(tmp_path, keeps_learned=True)
    assert last.view.learned == (Learned("Keys", 22, "metronome"),)
    last.desk.close()
