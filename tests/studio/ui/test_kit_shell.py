"""The program around the screens: keys everywhere, notes of the computer's keys, toasts, sizes, undo."""

import dataclasses
import random
from collections import Counter

import pygame
import pytest

from midi.errors import UserError
from studio import cli, desktop
from studio.appsettings import AppSettings
from studio.live.deskview import Notice, SetMetronome, SetRecording
from studio.live.messages import KeyDown, KeyUp, Panic, SetPlaying, SetTempo
from studio.takes import Library
from studio.terminal import Report
from studio.ui.controls import Button, Panel
from studio.ui.demo import DemoDesk
from studio.ui.events import Translator
from studio.ui.screenbook import SCREENS
from studio.ui.screens.services import Services
from studio.ui.screens.takes_demo import write_takes
from studio.ui.screenshots import DEMO_NOW, NoJobs
from studio.ui.shortcuts import SHORTCUTS, TapTempo
from studio.ui.state import WindowState
from studio.ui.undo import UndoStack
from studio.ui.widget import Widget
from studio.ui.window import fitted_scale, next_scale
from tests.studio.ui.pilot import SCANCODES, Pilot


class Plain(Widget):
    """One panel, one button that fails."""

    def __init__(self, ui):
        super().__init__(ui, "plain")
        self.panel = self.add(Panel(ui, "panel"))
        self.button = self.panel.add(Button(ui, "fail", "Fail", self.fail))

    def fail(self):
        raise UserError("It can't be done.", "Do it otherwise.")

    def arrange(self):
        self.panel.place(self.rect)
        self.button.place(pygame.Rect(self.rect.left + 20, 20, 100, 32))


@pytest.fixture
def pilot():
    return Pilot(root=Plain)


def test_keys_that_work_everywhere(pilot):
    playing = pilot.app.view.snapshot.is_playing
    pilot.press("space")
    pilot.press("escape")
    pilot.press("r", control=True)
    pilot.press("m", control=True)
    assert pilot.commands == [
        SetPlaying(0.0, not playing),
        Panic(0.0),
        SetRecording(False),
        SetMetronome(False),
    ]


def test_letters_are_shortcuts_where_they_play_nothing(pilot):
    pilot.press("m")
    assert isinstance(pilot.commands[0], KeyDown)
    pilot.commands.clear()
    pilot.press("k", control=True)
    assert not pilot.state.plays_keys
    pilot.press("m")
    assert pilot.commands == [SetMetronome(False)]


def test_a_held_shortcut_happens_once(pilot):
    for _ in range(5):
        pilot.press("space", releases=False)
    pilot.release("space")
    assert len(pilot.commands) == 1


def test_taps_set_the_tempo(pilot):
    for _ in range(3):
        pilot.now_s += 0.48
        pilot.press("t", control=True)
    assert [command.bpm for command in pilot.commands if isinstance(command, SetTempo)] == [
        pytest.approx(120.0), pytest.approx(120.0),
    ]  # fmt: skip


def test_a_late_tap_begins_anew():
    taps = TapTempo()
    assert taps.tap(0.0) is None
    assert taps.tap(0.5) == pytest.approx(120.0)
    assert taps.tap(9.0) is None
    assert taps.tap(10.0) == pytest.approx(60.0)
    assert taps.tap(10.01) == pytest.approx(2 / 1.01 * 60)


def test_notes_of_the_computers_keys_begin_and_end(pilot):
    pilot.press("z", releases=False)
    pilot.press("z", releases=False)
    pilot.press("]")
    pilot.press("q", releases=False)
    pilot.release("z")
    pilot.release("q")
    assert pilot.commands == [
        KeyDown(0.0, 60, 88, "computer keys"), KeyDown(0.0, 84, 88, "computer keys"),
        KeyUp(0.0, 60, "computer keys"), KeyUp(0.0, 84, "computer keys"),
    ]  # fmt: skip
    assert pilot.state.octave == 5


@pytest.mark.parametrize("loss", ["focus", "screen", "quit"])
def test_nothing_hangs_when_the_keyboard_is_lost(pilot, loss):
    pilot.press("z", releases=False)
    if loss == "focus":
        pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
        pilot.frame()
    elif loss == "screen":
        pilot.press("2", control=True)
        assert pilot.state.screen == "takes"
    else:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        pilot.frame()
        pilot.app.run()
    assert pilot.commands[-1] == KeyUp(0.0, 60, "computer keys")
    count = len(pilot.commands)
    pilot.release("z")
    assert len(pilot.commands) == count


def test_a_fault_becomes_a_toast_and_the_next_press_works(pilot):
    pilot.click("fail")
    assert [(toast.sentence, toast.hint) for toast in pilot.app.toasts.shown] == [
        ("It can't be done.", "Do it otherwise.")
    ]
    pilot.click("fail")
    assert len(pilot.app.toasts.shown) == 1
    toast = pilot.app.toasts.shown[0].rect
    pilot.click(toast.center)
    assert pilot.app.toasts.shown == []
    pilot.click("fail")
    pilot.move(5, 5)
    for _ in range(20):
        pilot.frame(1.0)
    assert pilot.app.toasts.shown == []


def test_notices_are_shown_once(pilot):
    view = pilot.app.view
    notices = (Notice(1, "The keyboard went away."), Notice(2, "It is back.", is_fault=False))
    pilot.desk.show(dataclasses.replace(view, notices=notices))
    pilot.frame()
    pilot.frame()
    pilot.desk.show(dataclasses.replace(view, notices=(*notices[1:], Notice(3, "Take kept."))))
    pilot.frame()
    assert [toast.sentence for toast in pilot.app.toasts.shown] == [
        "The keyboard went away.",
        "It is back.",
        "Take kept.",
    ]


def test_zoom_arranges_everything_anew(pilot):
    pilot.press("=", control=True)
    assert pilot.app.theme.scale == pytest.approx(1.1)
    assert pilot.app.rail.rect.width == 79
    pilot.press("-", control=True)
    pilot.press("-", control=True)
    assert pilot.state.scale == pytest.approx(0.9)
    pilot.press("0", control=True)
    assert pilot.state.scale is None


def test_a_small_window_draws_smaller():
    assert fitted_scale(2.0, (1024, 640)) == 1.0
    assert fitted_scale(2.0, (3840, 2160)) == 2.0
    assert fitted_scale(1.0, (100, 100)) == 0.5
    assert next_scale(1.0, 1) == 1.1
    assert next_scale(3.0, 1) == 3.0


def test_a_resize_arranges_and_draws_everything(pilot):
    pygame.display.set_mode((1600, 900), pygame.RESIZABLE)
    pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, size=(1600, 900), w=1600, h=900))
    assert pilot.frame() == [pygame.Rect(0, 0, 1600, 900)]
    assert pilot.app.screen.rect == pygame.Rect(72, 0, 1528, 900)
    assert (pilot.state.width, pilot.state.height) == (1600, 900)


def test_help_opens_and_closes(pilot):
    pilot.press("f1")
    assert [popup.name for popup in pilot.app.popups] == ["help"]
    pilot.press("m")
    assert pilot.commands == []
    pilot.press("f1")
    assert pilot.app.popups == []
    pilot.press("f1")
    pilot.press("escape")
    assert pilot.app.popups == []
    assert not any(isinstance(command, Panic) for command in pilot.commands)


def test_the_first_start_is_a_screen_of_its_own():
    pilot = Pilot(state=WindowState(scale=1.0))
    assert pilot.state.screen == "first"
    assert pilot.app.rail not in pilot.app.layers()
    assert pilot.app.screen.rect.left == 0


def test_a_screen_that_is_gone_from_a_newer_version_is_no_reason_to_stop():
    pilot = Pilot(state=WindowState(screen="mixer", is_welcomed=True, scale=1.0))
    assert pilot.state.screen in {"play", "first"}


def test_deeds_are_undone_in_order_and_joined_when_quick():
    value = [0]

    def deed(stack, what, to, at_s):
        before, value[0] = value[0], to
        stack.push(what, lambda: value.__setitem__(0, before), lambda: value.__setitem__(0, to), at_s)

    stack = UndoStack()
    deed(stack, "heat", 1, 0.0)
    deed(stack, "heat", 2, 0.3)
    deed(stack, "heat", 3, 5.0)
    deed(stack, "name", 4, 5.1)
    seen = []
    while stack.undo():
        seen.append(value[0])
    assert seen == [3, 2, 0]
    while stack.redo():
        seen.append(value[0])
    assert seen[3:] == [2, 3, 4]
    stack.undo()
    deed(stack, "other", 9, 20.0)
    assert stack.redo() == ""


def test_clicks_are_counted_by_time_and_place():
    pygame.display.init()
    now_s = [0.0]
    translator = Translator(lambda: now_s[0])

    def press(after_s, x, button=1):
        now_s[0] += after_s
        return translator.pointer(
            pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(x, 5), button=button)
        ).clicks

    assert [
        press(1, 5),
        press(0.2, 6),
        press(0.2, 6),
        press(0.2, 60),
        press(0.2, 60, 3),
        press(1, 60, 3),
    ] == [1, 2, 3, 1, 1, 1]


def test_the_list_of_keys_names_each_once():
    keys = [keys for _, keys, _ in SHORTCUTS]
    assert len(keys) == len(set(keys))


class Remote(DemoDesk):
    """A desk in another process that can die."""

    def __init__(self):
        super().__init__()
        self.starts = 0

    def start(self):
        self.starts += 1

    def restart(self):
        self.starts += 1
        self.show(dataclasses.replace(self.view(), is_alive=True))

    def die(self):
        self.show(dataclasses.replace(self.view(), is_alive=False))


def test_a_desk_that_dies_is_started_again_but_not_for_ever():
    remote, now_s = Remote(), [0.0]
    desk = desktop.KeptDesk(remote, AppSettings(), clock=lambda: now_s[0])
    for _ in range(6):
        desk.view()
        remote.die()
        desk.view()
    assert remote.starts == 1 + desktop.RESTARTS
    now_s[0] += desktop.RESTART_WITHIN_S
    remote.restart()
    desk.view()
    remote.die()
    desk.view()
    assert remote.view().is_alive


def test_what_is_set_is_passed_on_and_taken_down():
    settings, remote = AppSettings(), Remote()
    desk = desktop.KeptDesk(remote, settings)
    desk.do(SetTempo(0.0, 88.0))
    assert (remote.commands, settings.tempo_bpm) == ([SetTempo(0.0, 88.0)], 88.0)


@pytest.mark.parametrize("words", ["big", "10x10", "99999x9999", "1280", "1280x800x3"])
def test_sizes_of_pictures_are_checked(words):
    with pytest.raises(UserError, match="no size"):
        desktop.parsed_size(words)


def test_every_screen_as_a_picture(tmp_path):
    files = desktop.take_screenshots(tmp_path / "shots", (1024, 640))
    assert [file.stem for file in files] == ["play", "takes", "models", "settings", "help", "first"]
    for file in files:
        picture = pygame.image.load(file)
        assert picture.get_size() == (1024, 640)
        colors = {tuple(picture.get_at((x, y)))[:3] for x in range(0, 1024, 9) for y in range(0, 640, 7)}
        assert len(colors) > 10, file


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    write_takes(folder, DEMO_NOW, count=3)
    return folder


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_is_clicked_and_typed_nothing_breaks_or_hangs(seed, shelf):
    chance = random.Random(seed)
    with Library(shelf) as library:
        pilot = Pilot(services=Services(library, NoJobs(), AppSettings()))
        for _ in range(120):
            x, y = chance.randrange(1280), chance.randrange(800)
            name = chance.choice([key for key in SCANCODES if key not in {"q", "f11"}])
            deed = chance.choice(("click", "click", "drag", "wheel", "key", "key", "key", "go", "wait"))
            if deed == "click":
                pilot.click((x, y), chance.choice((1, 1, 3)))
            elif deed == "drag":
                pilot.down(x, y)
                pilot.move(x + 30, y - 40)
            elif deed == "wheel":
                pilot.wheel((x, y), chance.choice((-2, 1)))
            elif deed == "key":
                pilot.press(
                    name,
                    control=chance.random() < 0.2,
                    shift=chance.random() < 0.2,
                    releases=chance.random() < 0.7,
                )
            elif deed == "go":
                pilot.app.go(chance.choice(SCREENS))
            else:
                pilot.frame(1.0)
        pilot.app.dispatcher.release_all()
    sounding = Counter()
    for command in pilot.commands:
        if isinstance(command, KeyDown | KeyUp):
            sounding[command.source, command.pitch] += 1 if isinstance(command, KeyDown) else -1
    assert set(sounding.values()) <= {0}


def test_a_driver_that_shows_nothing_is_no_window(monkeypatch):
    pygame.display.init()
    monkeypatch.delenv("SDL_VIDEODRIVER")
    with pytest.raises(desktop.NoWindowError, match="No window can be opened"):
        desktop.open_window(desktop.WindowOptions())


def test_where_no_window_opens_a_melody_is_performed(monkeypatch, capsys):
    def refuse(_options):
        raise desktop.NoWindowError("No window can be opened: gone.", desktop.NO_WINDOW_HINT)

    monkeypatch.setattr(desktop, "has_display", lambda: True)
    monkeypatch.setattr(desktop, "open_window", refuse)
    monkeypatch.setattr(cli, "_welcome", lambda _common: Report({}, ["performed"]))
    assert cli.run([]) == 0
    out, err = capsys.readouterr()
    assert "performed" in out
    assert "No window can be opened: gone." in err


def test_a_display_is_looked_for(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not desktop.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert desktop.has_display()
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert not desktop.has_display()
