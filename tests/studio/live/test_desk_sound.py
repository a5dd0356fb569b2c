"""A sound device that is lost while one plays: noticed, told, and taken up again when it is back."""

from __future__ import annotations

import pytest

from midi.clock import ManualClock
from studio.live import deskdevices
from studio.live.audio import Render, SilentOut
from studio.live.desksound import LOOK_S, STILL_S, SoundWatch
from studio.live.deskview import ChooseSound
from studio.live.outputs import SynthOutput
from studio.live.sound import Sound
from studio.live.synth import Synth
from tests.studio.live.desk_room import Room


class Card(SilentOut):
    """A device whose driver asks for blocks when the test says so."""

    reason = ""

    def __init__(self, name: str) -> None:
        super().__init__("", 48_000, 256, ManualClock())
        self.name, self.is_unplugged, self.is_open, self.is_abandoned = name, False, True, False

    @property
    def is_gone(self) -> bool:
        return self.is_unplugged

    def start(self, render: Render) -> None:
        self._render = render

    def stop(self) -> None:
        self.is_open = False

    def abandon(self) -> None:
        self.is_abandoned = True


class Cards:
    """The sound devices of a machine; ``opened`` in order."""

    def __init__(self, *names: str) -> None:
        self.names, self.opened, self.refuses = list(names), [], False

    def listed(self) -> tuple[str, ...]:
        return tuple(self.names)

    def open(self, wanted: str, _clock: object) -> Sound:
        found = [name for name in self.names if wanted in {"default", name}]
        if wanted == "none" or not found or self.refuses:
            return Sound((), "none", "" if wanted == "none" else "No sound.")
        self.opened.append(Card(found[0]))
        out = SynthOutput(Synth(48_000, has_drums=False), self.opened[-1].frame_at)
        return Sound((out,), found[0], "", self.opened[-1])


@pytest.fixture
def cards(monkeypatch):
    made = Cards("Desk", "Scarlett")
    monkeypatch.setattr(deskdevices, "open_beside", made.open)
    monkeypatch.setattr(deskdevices, "list_devices", made.listed)
    return made


def opened(cards, tmp_path, sound):
    room = Room(tmp_path, sound=sound)
    assert room.view.devices.sound == cards.opened[-1].name
    return room


def playing(room, cards, seconds):
    for _ in range(round(seconds / 0.1)):
        cards.opened[-1].frame += 256
        room.go(0.1)


def told(room):
    return [notice.sentence for notice in room.view.notices if notice.is_fault]


def test_a_device_that_is_unplugged_is_told_and_taken_up_again(cards, tmp_path):
    room = opened(cards, tmp_path, "Scarlett")
    playing(room, cards, 5.0)
    assert told(room) == []
    card = cards.opened[-1]
    card.is_unplugged = True
    cards.names.remove("Scarlett")
    room.go(10.0)
    assert told(room) == ["The sound device Scarlett is gone."]
    assert "Plug it in" in room.view.notices[-1].hint
    assert (card.is_abandoned, card.is_open, room.view.devices.sound) == (True, True, "none")
    assert len(cards.opened) == 1, "no other than the one that was named"
    cards.names.append("Scarlett")
    playing(room, cards, 3.0)
    assert room.view.devices.sound == "Scarlett"
    assert room.view.notices[-1].sentence == "Sound is heard again: Scarlett."
    playing(room, cards, 3.0)
    assert len(told(room)) == 1
    room.desk.close()
    assert not cards.opened[-1].is_open


def test_where_none_was_named_another_one_is_taken(cards, tmp_path):
    room = opened(cards, tmp_path, "default")
    cards.names.remove("Desk")
    cards.opened[-1].is_unplugged = True
    room.go(0.1)
    playing(room, cards, 3.0)
    assert room.view.devices.sound == "Scarlett"
    room.desk.close()


def test_a_device_that_stands_still_is_lost_and_a_refusal_is_tried_again_quietly(cards, tmp_path):
    room = opened(cards, tmp_path, "Desk")
    playing(room, cards, 1.0)
    room.go(STILL_S - 0.5)
    assert told(room) == []
    cards.refuses = True
    room.go(8.0)
    assert told(room) == ["The sound device Desk is gone."]
    cards.refuses = False
    playing(room, cards, 3.0)
    assert room.view.devices.sound == "Desk"
    assert len(told(room)) == 1
    room.desk.close()


def test_who_chooses_silence_is_not_given_sound(cards, tmp_path):
    room = opened(cards, tmp_path, "Desk")
    cards.opened[-1].is_unplugged = True
    room.go(0.1)
    room.do(ChooseSound("none"))
    room.go(10.0)
    assert (len(cards.opened), room.view.devices.sound) == (1, "none")
    room.desk.close()


def test_over_jack_nothing_is_opened_again(cards, tmp_path, monkeypatch):
    monkeypatch.setattr(deskdevices, "can_reopen", lambda: False)
    room = opened(cards, tmp_path, "Desk")
    cards.opened[-1].is_unplugged = True
    room.go(10.0)
    assert "JACK" in room.view.notices[-1].hint
    assert len(cards.opened) == 1
    room.desk.close()


def test_a_program_that_was_held_up_itself_blames_no_device():
    watch, card = SoundWatch(), Card("Desk")
    assert not watch.is_lost(card, 0.0)
    assert not watch.is_lost(card, 60.0)
    now_s = 60.0
    while not watch.is_lost(card, now_s):
        now_s += LOOK_S / 2
    assert now_s - 60.0 == pytest.approx(STILL_S)
    assert not watch.is_lost(Card("Other"), now_s)
