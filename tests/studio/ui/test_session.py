"""A person at the window from the first start on: every step through widgets; desk and files are real."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

import pygame
import pytest
import soundfile

from midi.files import read
from studio.appsettings import AppSettings
from studio.desktop import KeptDesk
from studio.live.deskoptions import DeskOptions
from studio.live.deskprocess import RemoteDesk
from studio.live.deskview import Learned
from studio.live.messages import Sound, Voice
from studio.live.planner import ModelState
from studio.live.take import load_take
from studio.live.takelog import REST_S
from studio.ui.theme import Theme
from tests.studio.ui.pilot import SCANCODES, Pilot
from tests.studio.ui.screens_fakes import SHIPPED
from tests.studio.ui.turned import Session


@pytest.fixture
def sit_down(antiphon_home):
    """Sit down at the window, as often as a test likes."""
    sessions: list[Session] = []

    def begin(*ports: str, **options: object) -> Session:
        sessions.append(Session(antiphon_home, *ports, **options))
        return sessions[-1]

    yield begin
    for session in sessions:
        session.close()
        ons, offs = session.turned.ear.counts("on"), session.turned.ear.counts("off")
        assert ons == offs, "every note that began has ended"


def mine(sounds: Sequence[Sound]) -> list[int]:
    """Pitches that the player struck."""
    return [sound.pitch for sound in sounds if (sound.kind, sound.voice) == ("on", Voice.PLAYER)]


def play_phrase(session: Session, letters: str = "zcbm") -> None:
    for letter in letters:
        session.press(letter, releases=False)
        session.wait(0.3)
        session.release(letter)
        session.wait(0.2)


def record_one(session: Session) -> None:
    """Start, play four notes, stop."""
    session.press_at("play")
    session.wait(0.2)
    play_phrase(session)
    session.wait(1.0)
    session.press_at("play")
    session.wait(0.5)


def test_first_start_play_record_stop_replay_export(sit_down, antiphon_home):
    session = sit_down(is_first=True)
    ear = session.turned.ear
    assert session.seen("first.start")
    session.press("z")
    session.frame()
    assert ear.pitches(Voice.PLAYER) == [60], "keys sound on the first page already"
    session.press_at("first.start")
    assert session.state.screen == "play"
    assert session.state.is_welcomed

    session.press("q")
    session.wait(0.1)
    assert ear.pitches(Voice.PLAYER) == [60, 72]
    assert session.app.view.snapshot.is_playing, "the first key starts the partner"
    session.press_at("play")
    session.wait(0.5)
    assert not session.app.view.snapshot.is_playing
    record_one(session)
    assert ear.pitches(Voice.PLAYER)[2:] == [60, 64, 67, 71]
    assert len(ear.pitches(Voice.PARTNER)) >= 3, "the partner played along"
    assert session.seen("record").words == "0:00", "the take has ended with the transport"

    session.press_at("rail-takes")
    session.wait(0.3)
    take, earlier = session.library.takes()
    assert (take.player_notes, earlier.player_notes) == (4, 2)
    assert session.find("takes.detail").shelf.current.id == take.id, "the newest take is shown"
    n_sounds = len(ear.sounds)
    session.press_at("takes.play")
    session.wait(take.length_s + 0.5)
    again = [
        sound.pitch for sound in ear.sounds[n_sounds:] if (sound.kind, sound.voice) == ("on", Voice.PLAYER)
    ]
    recorded = load_take(take.path).sounds
    assert again == [s.pitch for s in recorded if (s.kind, s.voice) == ("on", Voice.PLAYER)]
    assert session.find("takes.play").text == "Play", "it has come to its end"

    for kind, words in (("mid", "MIDI file"), ("wav", "WAV")):
        session.choose("takes.export", words)
        session.wait(0.1)
        assert any(f".{kind} is written" in sentence for sentence in session.words()), session.words()
        session.wait(6.0)
    (score,) = [read(path) for path in (antiphon_home / "exports").glob("*.mid")]
    assert sum(len(part.notes) for part in score.parts) == sum(s.kind == "on" for s in recorded)
    (wav,) = (antiphon_home / "exports").glob("*.wav")
    assert soundfile.info(wav).duration >= take.length_s - 0.1


def test_an_idea_after_the_stop_is_a_take_once_one_pauses(sit_down):
    session = sit_down()
    record_one(session)
    play_phrase(session, "xvn")
    assert session.seen("record").words != "0:00", "the lamp says that it is kept"
    session.wait(REST_S + 0.5)
    assert session.seen("record").words == "0:00"
    session.press_at("rail-takes")
    session.wait(0.3)
    newest, _ = session.library.takes()
    assert mine(load_take(newest.path).sounds) == [62, 65, 69]
    session.press_at("takes.play")
    session.wait(newest.length_s + 0.5)
    assert session.turned.ear.pitches(Voice.PLAYER)[-3:] == [62, 65, 69]


def test_what_is_not_recorded_leaves_no_take(sit_down):
    session = sit_down()
    session.press_at("record")
    session.wait(0.1)
    record_one(session)
    session.press_at("rail-takes")
    session.wait(0.2)
    assert session.library.takes() == []
    assert session.seen("takes.none.play")


def test_a_take_is_named_starred_and_comes_back_from_the_trash(sit_down):
    session = sit_down()
    record_one(session)
    session.press_at("rail-takes")
    session.wait(0.3)
    session.press("f2")
    session.type("dawn")
    session.press("return")
    session.press_at("takes.star")
    session.wait(0.1)
    (take,) = session.library.takes()
    assert (take.name, take.is_starred) == ("dawn", True)
    session.press_at("takes.trash")
    session.wait(0.1)
    assert session.library.takes() == []
    session.press("z", control=True)
    assert [each.name for each in session.library.takes()] == ["dawn"]


def test_keys_that_come_when_the_last_take_has_just_gone_do_nothing(sit_down):
    session = sit_down()
    record_one(session)
    session.press_at("rail-takes")
    session.wait(0.3)
    for name in ("delete", "end", "up", "space", "delete"):
        # All of them before the next frame.
        code, scancode = pygame.key.key_code(name), SCANCODES[name]
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=code, mod=0, unicode="", scancode=scancode))
    session.wait(0.2)
    assert session.library.takes() == []
    session.press("up")
    session.press("space")
    session.wait(0.2)
    assert session.app.view.take.playing is None
    assert session.seen("takes.none.play")


def test_a_knob_of_the_controller_is_learned_steers_and_is_forgotten(sit_down):
    session = sit_down("Knobs")
    knobs = session.turned.system.port("Knobs")
    session.press_at("rail-settings")
    table = session.seen("settings.learn")
    listed = session.seen("settings.learn.list")
    row = [each.target for each in table.rows].index("density")
    session.click(table.learn_rect(listed.row_rect(row)).center)
    session.frame()
    assert session.app.view.learning == "density"
    knobs.play((0xB0, 21, 64))
    session.frame()
    session.frame()
    assert session.app.view.learned == (Learned("Knobs", 21, "density"),)
    assert "CC 21" in table.rows[row].learned
    knobs.play((0xB0, 21, 127))
    session.frame()
    session.frame()
    highest = session.app.view.steering.density
    knobs.play((0xB0, 21, 0))
    session.frame()
    session.frame()
    assert session.app.view.steering.density < highest
    session.press_at("settings.learn.reset")
    session.frame()
    assert session.app.view.learned == ()


def test_learning_stops_with_escape_and_changes_nothing(sit_down):
    session = sit_down("Knobs")
    session.press_at("rail-settings")
    table, listed = session.seen("settings.learn"), session.seen("settings.learn.list")
    session.click(table.learn_rect(listed.row_rect(0)).center)
    session.frame()
    assert session.app.view.learning is not None
    session.press("escape")
    session.frame()
    session.turned.system.port("Knobs").play((0xB0, 21, 64))
    session.frame()
    assert session.app.view.learning is None
    assert session.app.view.learned == ()


def test_a_keyboard_that_is_plugged_in_is_taken_up_and_chosen(sit_down):
    session = sit_down()
    session.press_at("rail-settings")
    assert session.app.view.devices.input == ""
    session.turned.system.plug("Harp")
    session.turned.system.plug("Lute")
    session.wait(1.5)
    assert session.app.view.devices.input == "Harp"
    session.choose("settings.input", "Lute")
    session.wait(0.2)
    assert session.app.view.devices.input == "Lute"
    assert session.settings.input_port == "Lute"
    session.press_at("rail-play")
    session.turned.system.port("Lute").play((0x90, 64, 90))
    session.wait(0.1)
    assert session.turned.ear.pitches(Voice.PLAYER) == [64]
    session.turned.system.unplug("Lute")
    session.wait(1.5)
    assert session.turned.ear.pitches(Voice.PLAYER, "off") == [64], "what it held has ended"
    assert "(lost)" in session.app.view.devices.input


def test_a_model_is_chosen_and_plays_once_it_is_ready(sit_down):
    session = sit_down()
    session.press_at("rail-models")
    session.wait(0.1)
    rows = session.find("models.list")
    titles = [row.title for row in session.app.screen.rows]
    session.click(rows.row_rect(titles.index(f"partner@{SHIPPED}")).center)
    session.press_at("models.use")
    session.wait(0.1)
    (model,) = session.turned.models
    assert session.app.view.model_loading == model.name == f"partner@{SHIPPED}"
    model.state = ModelState.READY
    session.wait(0.1)
    assert (session.app.view.model_name, session.app.view.model_loading) == (f"partner@{SHIPPED}", "")
    assert session.settings.model == f"partner@{SHIPPED}"
    assert not session.find("models.use").is_enabled, "it plays along already"


def test_a_model_that_is_refused_says_why_and_the_one_before_plays_on(sit_down):
    session = sit_down()
    before = session.app.view.model_name
    session.press_at("rail-models")
    session.wait(0.1)
    titles = [row.title for row in session.app.screen.rows]
    session.click(session.find("models.list").row_rect(titles.index(f"partner@{SHIPPED}")).center)
    session.press_at("models.use")
    session.wait(0.1)
    session.turned.models[0].state = ModelState.REFUSED
    session.wait(0.1)
    assert "Its weights are damaged." in session.words()
    assert (session.app.view.model_name, session.app.view.model_loading) == (before, "")


def test_the_mouse_plays_the_keyboard_and_leaving_the_screen_lets_go(sit_down):
    session = sit_down()
    keys = session.seen("keyboard")
    session.down(keys.rect.centerx, keys.rect.bottom - 6)
    session.wait(0.1)
    assert len(session.turned.ear.pitches(Voice.PLAYER)) == 1
    session.press("2", control=True)
    session.wait(0.1)
    assert len(session.turned.ear.pitches(Voice.PLAYER, "off")) == 1


def test_panic_ends_what_sounds(sit_down):
    session = sit_down()
    for letter in "zcb":
        session.press(letter, releases=False)
    session.wait(0.1)
    session.press_at("panic")
    session.wait(0.1)
    assert sorted(session.turned.ear.pitches(Voice.PLAYER, "off")) == [60, 64, 67]


@pytest.mark.parametrize("size", [(1024, 640), (1920, 1080)])
def test_the_session_fits_windows_of_other_sizes(sit_down, size, monkeypatch):
    session = sit_down()
    session.window._size = size
    session.window._open()
    session.app.resized()
    session.frame()
    assert isinstance(session.app.theme, Theme)
    for name in ("play", "record", "keyboard", "mode", "panic", "midi-in", "sound"):
        assert session.seen(name).rect.width > 0
    record_one(session)
    session.press_at("rail-takes")
    session.wait(0.3)
    for name in ("takes.play", "takes.again", "takes.export", "takes.search"):
        assert session.seen(name).rect.width > 0


@pytest.mark.slow
def test_a_desk_in_a_process_of_its_own_is_played_killed_and_played_on(antiphon_home):
    """As the program is wired: the window, settings that are kept, a remote desk that is started again."""
    options = DeskOptions(sound="none", takes=antiphon_home / "takes", keeps_learned=False)
    remote = RemoteDesk(options, build="tests.studio.live.fakes:quiet_desk")
    pilot = Pilot(desk=KeptDesk(remote, AppSettings()))
    try:
        for _ in range(2):
            until(pilot, lambda: pilot.app.view.is_alive)
            pilot.press("z", releases=False)
            until(pilot, lambda: pilot.app.view.snapshot.held == (60,))
            pilot.release("z")
            until(pilot, lambda: pilot.app.view.snapshot.held == ())
            pid = remote.pid
            os.kill(pid, signal.SIGKILL)
            until(pilot, lambda killed=pid: remote.pid not in {killed, None})
        assert any("The engine stopped" in toast.sentence for toast in pilot.app.toasts.shown)
    finally:
        pilot.desk.close()
    assert remote.pid is None


def until(pilot: Pilot, happened: Callable[[], bool]) -> None:
    """Frames until it has happened; half a minute at the most."""
    end_s = time.monotonic() + 30.0
    while not happened():
        assert time.monotonic() < end_s
        pilot.frame()
        time.sleep(0.005)
