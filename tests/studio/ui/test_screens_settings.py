"""Settings, MIDI learn, help and the first start, driven through the real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pygame
import pytest

from midi.errors import UserError
from studio.live.deskview import (
    ChooseInput,
    ChooseOutput,
    ChooseSound,
    ChooseTakes,
    Devices,
    Forget,
    Learn,
    Learned,
    SetMetronome,
    SetPlayerInstrument,
    SetVolume,
    TestTone,
)
from studio.live.learn import LEARNABLE
from studio.live.messages import KeyDown, SetTempo, Voice
from studio.ui import screenshots
from studio.ui.play.demo import idle_view
from studio.ui.screens import first, help, settings
from studio.ui.screens.services import Services
from studio.ui.screens.settings_rows import db_words, input_options, learn_rows, output_options, sound_options
from studio.ui.state import WindowState
from studio.ui.theme import Theme
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.screens_fakes import services_in

TestTone.__test__ = False

DEVICES = Devices(
    inputs=("KeyStep", "nanoKONTROL2"),
    outputs=("Juno",),
    sounds=("Scarlett",),
    input="KeyStep",
    sound="Scarlett",
)


class Scene:
    """The Settings screen with two keyboards, a synth and a sound card."""

    def __init__(self, folder: Path) -> None:
        self.services, self.jobs, self.saved = services_in(folder, 0)
        self.pilot = Pilot(screen="settings", root=lambda app: settings.build(app, self.services))
        self.show()

    def show(self, **changes: object) -> None:
        self.pilot.desk.show(replace(idle_view(), devices=DEVICES, **changes))
        self.pilot.frame()

    @property
    def screen(self):
        return self.pilot.app.screen

    def pick(self, name: str, steps: int) -> None:
        """Open a drop-down and go down its list."""
        self.pilot.click(name)
        for _ in range(steps):
            self.pilot.press("down")
        self.pilot.press("return")

    def click_in_row(self, target: str, *, forget: bool = False) -> None:
        table = self.screen.learn
        row = table.list.row_rect([each.target for each in table.rows].index(target))
        place = table.forget_rect(row) if forget else table.learn_rect(row)
        self.pilot.click(place.center)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
    return Scene(tmp_path)


def test_devices_are_chosen_and_remembered(scene: Scene) -> None:
    scene.pick("settings.input", 2)
    assert scene.pilot.commands[-1] == ChooseInput("nanoKONTROL2")
    assert scene.saved[-1].input_port == "nanoKONTROL2"
    scene.pick("settings.output", 1)
    assert scene.pilot.commands[-1] == ChooseOutput("Juno")
    assert scene.saved[-1].output_port == "Juno"
    scene.pick("settings.sound", 1)
    assert scene.pilot.commands[-1] == ChooseSound("Scarlett")
    assert scene.saved[-1].sound_device == "Scarlett"
    scene.screen.input.choose("first")
    assert scene.pilot.commands[-1] == ChooseInput(None)


def test_playing_is_set_and_remembered(scene: Scene) -> None:
    scene.screen.tempo.choose(96.0)
    assert scene.pilot.commands[-1] == SetTempo(0.0, 96.0)
    scene.pilot.click("settings.metronome")
    assert scene.pilot.commands[-1] == SetMetronome(not idle_view().is_metronome_on)
    scene.screen.clicks.choose(-12.0)
    assert scene.pilot.commands[-1] == SetVolume(Voice.METRONOME, -12.0)
    scene.screen.instrument.choose("5")
    assert scene.pilot.commands[-1] == SetPlayerInstrument(5)
    kept = scene.saved[-1]
    assert (kept.tempo_bpm, kept.metronome_db, kept.player_instrument) == (96.0, -12.0, 5)


def test_the_test_tone_needs_a_sound_device(scene: Scene) -> None:
    scene.pilot.click("settings.tone")
    assert scene.pilot.commands[-1] == TestTone()
    scene.pilot.desk.show(replace(idle_view(), devices=Devices()))
    scene.pilot.frame()
    assert not scene.screen.tone.is_enabled


def test_the_window_is_scaled(scene: Scene) -> None:
    scene.screen.scale.choose("0.75")
    assert scene.pilot.state.scale == 0.75
    assert not scene.saved, "the window remembers its scale itself, in one place"
    scene.screen.scale.choose("auto")
    assert scene.pilot.state.scale is None


def test_a_full_disk_is_told(scene: Scene) -> None:
    def refuse(_: object) -> None:
        raise UserError("The disk is full.", "Free some space.")

    scene.services.save = refuse
    scene.screen.tempo.choose(90.0)
    assert scene.pilot.app.toasts.shown[-1].sentence == "The disk is full."


def test_the_start_page_and_help_are_reached(scene: Scene) -> None:
    scene.pilot.click("settings.help")
    assert scene.pilot.app.popups[-1].name == "help"
    scene.pilot.press("escape")
    scene.pilot.click("settings.first")
    assert scene.pilot.state.screen == "first"


def test_learn_arm_move_done_and_forget(scene: Scene) -> None:
    scene.click_in_row("density")
    assert scene.pilot.commands[-1] == Learn("density")
    scene.show(learning="density")
    regions = [scene.pilot.frame(0.2) for _ in range(3)]
    assert all(regions), "the armed row pulses"
    scene.show(learned=(Learned("nanoKONTROL2", 16, "density"),))
    row = next(row for row in scene.screen.learn.rows if row.target == "density")
    assert row.learned == "CC 16, nanoKONTROL2"
    scene.click_in_row("density", forget=True)
    assert scene.pilot.commands[-1] == Forget("density")


def test_learn_by_keyboard_and_escape_disarms(scene: Scene) -> None:
    scene.pilot.app.focus(scene.screen.learn.list)
    scene.pilot.press("down")
    scene.pilot.press("return")
    assert scene.pilot.commands[-1] == Learn(LEARNABLE[0])
    scene.show(learning=LEARNABLE[0])
    scene.click_in_row(LEARNABLE[0])
    assert scene.pilot.commands[-1] == Learn(None)
    scene.pilot.app.focus(None)
    count = len(scene.pilot.commands)
    scene.pilot.press("escape")
    assert scene.pilot.commands[count:] == [Learn(None)], "no panic"


def test_everything_learned_is_forgotten_at_once(scene: Scene) -> None:
    assert not scene.screen.learn.reset.is_enabled
    scene.show(learned=(Learned("a", 1, "density"), Learned("b", 2, "density"), Learned("a", 3, "play")))
    scene.pilot.click("settings.learn.reset")
    assert [c for c in scene.pilot.commands if isinstance(c, Forget)] == [Forget("density"), Forget("play")]


def test_learn_rows_name_every_target_and_all_its_controllers() -> None:
    rows = learn_rows((Learned("a", 1, "density"), Learned("b", 2, "density")))
    assert [row.target for row in rows] == list(LEARNABLE)
    density = next(row for row in rows if row.target == "density")
    assert density.learned == "CC 1, a; CC 2, b"
    assert all(row.words for row in rows)


def test_what_was_chosen_and_is_gone_is_still_listed() -> None:
    options, value = input_options(DEVICES, "Seaboard")
    assert value == "Seaboard"
    assert options[-1].detail == "not connected"
    assert input_options(DEVICES, "keyst")[1] == "KeyStep"
    assert input_options(DEVICES, None)[1] == "first"
    assert output_options(DEVICES, None)[1] == "none"
    assert sound_options(DEVICES, "default")[0][0].text == "Auto: Scarlett"


@pytest.mark.parametrize(
    ("db", "words"), [(-60, "off"), (-6, "\N{MINUS SIGN}6 dB"), (0, "0 dB"), (3, "+3 dB")]
)
def test_decibels(db: float, words: str) -> None:
    assert db_words(db) == words


def test_first_start_finds_devices_plays_a_tone_and_starts() -> None:
    pilot = Pilot(screen="first", state=WindowState(scale=1.0))
    pilot.desk.show(replace(idle_view(), devices=DEVICES))
    pilot.frame()
    screen = pilot.app.screen
    assert (screen.keyboard.found.sentence, screen.sound.found.sentence) == ("KeyStep", "Scarlett")
    pilot.click("first.tone")
    assert pilot.commands[-1] == TestTone()
    pilot.press("z")
    assert any(isinstance(command, KeyDown) for command in pilot.commands)
    assert not pilot.state.is_welcomed
    pilot.app.focus(None)
    pilot.press("return")
    assert pilot.state.is_welcomed
    assert pilot.state.screen == "play"


def test_first_start_without_devices_says_what_to_do() -> None:
    nothing = Devices()
    assert not first.keyboard_found(nothing).is_there
    assert "Plug" in first.keyboard_found(nothing).hint
    assert "Plug" in first.sound_found(nothing).hint
    assert not first.sound_found(replace(nothing, sound="none")).is_there
    assert "Settings" in first.keyboard_found(replace(nothing, inputs=("KeyStep",))).hint


def test_the_lamp_flashes_and_held_keys_light_up() -> None:
    pilot = Pilot(screen="first", state=WindowState(scale=1.0))
    view = idle_view()
    devices = replace(DEVICES, input_active_s=view.snapshot.time_s)
    pilot.desk.show(replace(view, devices=devices, snapshot=replace(view.snapshot, held=(60, 64))))
    pilot.frame()
    assert pilot.app.screen.keyboard.is_active
    assert pilot.app.screen.picture.lit == {0, 4}


@pytest.mark.parametrize(("size", "scale"), [((1024, 640), 1.0), ((1280, 800), 1.0), ((3840, 2160), 2.0)])
def test_pages_fit_and_do_not_overlap(size: tuple[int, int], scale: float) -> None:
    window, theme = pygame.Rect((0, 0), size), Theme(scale)
    page = first.first_layout(window, theme)
    parts = [page.title, page.keyboard, page.sound, page.keys, page.foot]
    assert all(window.contains(part) for part in parts)
    assert all(part.collidelist(parts[:at]) == -1 for at, part in enumerate(parts))
    card = help.help_layout(window, theme)
    inner = [card.title, card.keys, card.side, card.lists]
    assert window.contains(card.card)
    assert all(card.card.contains(part) for part in inner)
    assert all(part.collidelist(inner[:at]) == -1 for at, part in enumerate(inner))


def test_help_names_every_shortcut_and_closes() -> None:
    pilot = Pilot(screen="takes")
    pilot.press("f1")
    page = pilot.app.popups[-1]
    words = [what for group in page.groups for _, what in group.rows]
    assert {"Panic: silence everything", "Undo, redo", "To the trash"} <= set(words)
    pilot.click("help.close")
    assert not pilot.app.popups
    pilot.press("f1")
    pilot.click((3, 3))
    assert not pilot.app.popups


def test_every_screen_is_walked_by_the_tab_key(scene: Scene) -> None:
    seen = set()
    for _ in range(40):
        scene.pilot.press("tab")
        seen.add(scene.pilot.app.focused.widget.name)
    wanted = {"input", "output", "sound", "tone", "tempo", "metronome", "clicks", "instrument", "scale",
              "first", "help", "learn.list"}  # fmt: skip
    assert {f"settings.{name}" for name in wanted} <= seen


def test_takes_are_kept_elsewhere_and_back_by_undo(scene: Scene, tmp_path: Path) -> None:
    pilot, library = scene.pilot, scene.services.library
    before = scene.screen.folder.text
    pilot.click("settings.folder")
    scene.screen.folder.select_all()
    pilot.type(str(tmp_path / "elsewhere"))
    pilot.press("return")
    pilot.frame()
    assert pilot.commands[-1] == ChooseTakes(tmp_path / "elsewhere")
    assert scene.saved[-1].takes_folder == str(tmp_path / "elsewhere")
    assert library.folder == tmp_path / "elsewhere"
    assert library.folder.is_dir()
    assert "stay there" in pilot.app.toasts.shown[-1].hint
    pilot.press("z", control=True)
    pilot.frame()
    assert pilot.commands[-1] == ChooseTakes(None)
    assert (scene.saved[-1].takes_folder, scene.screen.folder.text) == (None, before)


def test_a_folder_that_cannot_be_had_is_said_and_nothing_changes(scene: Scene, tmp_path: Path) -> None:
    pilot = scene.pilot
    (tmp_path / "file").touch()
    for words in ("half/a/path", str(tmp_path / "file" / "x")):
        pilot.click("settings.folder")
        scene.screen.folder.select_all()
        pilot.type(words)
        pilot.press("return")
        assert pilot.app.toasts.shown[-1].is_fault
    assert scene.services.settings.takes_folder is None
    pilot.press("escape")
    pilot.frame()
    assert "half" not in scene.screen.folder.text


def test_pictures_for_others_show_nothing_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Services] = []
    monkeypatch.setattr(
        screenshots, "Services", lambda *args, **more: seen.append(Services(*args, **more)) or seen[-1]
    )
    screenshots.draw_all(tmp_path, (1024, 640), 1.0)
    assert {services.settings.takes_folder for services in seen} == {screenshots.DEMO_FOLDER}
    assert str(Path.home()) not in screenshots.DEMO_FOLDER
    pilot = Pilot(screen="settings", root=lambda app: settings.build(app, seen[0]))
    assert pilot.find("settings.folder").text == screenshots.DEMO_FOLDER
