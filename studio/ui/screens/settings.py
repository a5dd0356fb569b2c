"""The Settings screen: devices, how one plays, the window, and MIDI learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pygame

from studio import settings as places
from studio.live.deskview import (
    ChooseInput,
    ChooseOutput,
    ChooseSound,
    ChooseTakes,
    DeskView,
    SetMetronome,
    SetPlayerInstrument,
    SetVolume,
    TestTone,
)
from studio.live.messages import SetTempo, Voice
from studio.ui import clipboard
from studio.ui.controls import Button, Panel, Toggle
from studio.ui.displays import Lamp, LevelMeter
from studio.ui.fields import TextField
from studio.ui.knobs import Slider, Stepper
from studio.ui.overlays import Dropdown
from studio.ui.paint import Painter
from studio.ui.screens.prose import TITLE_PX, card_title
from studio.ui.screens.services import Services, services_of, state_of
from studio.ui.screens.settings_learn import LearnTable
from studio.ui.screens.settings_rows import (
    FIRST,
    NONE,
    PLAYER_SOUNDS,
    SCALES,
    db_words,
    input_options,
    output_options,
    sound_options,
)
from studio.ui.theme import GROUND, INK_SOFT, PARTNER
from studio.ui.widget import Key, Ui, Widget

ACTIVE_S = 0.25
LABEL_PX, LAMP_PX = 128, 22
ROW_PX = 58
"""Most height of a row: what 800 pixels of window have room for."""


def build(ui: Ui, services: Services | None = None) -> SettingsScreen:
    """The screen, with the window's services unless others are given."""
    return SettingsScreen(ui, services or services_of(ui))


class Card(Panel):
    """Rows of a label and its controls under a title.

    Args:
        ui: The program around it.
        name: Its name.
        words: Title.
    """

    def __init__(self, ui: Ui, name: str, words: str) -> None:
        super().__init__(ui, name, radius_px=12)
        self.words = words
        self.rows: list[tuple[str, list[tuple[Widget, float]]]] = []

    def row(self, label: str, *widgets: tuple[Widget, float]) -> None:
        """Another row: widgets with their widths in logical pixels, 0 for what is left."""
        for widget, _ in widgets:
            self.add(widget)
        self.rows.append((label, list(widgets)))

    def _row_rects(self) -> list[pygame.Rect]:
        px = self.ui.theme.px
        room = self.rect.height - px(TITLE_PX) - px(10)
        step = min(px(ROW_PX), room // max(1, len(self.rows)))
        top = self.rect.top + px(TITLE_PX)
        return [
            pygame.Rect(self.rect.left + px(20), top + number * step, self.rect.width - px(40), step)
            for number in range(len(self.rows))
        ]

    def arrange(self) -> None:
        """Labels left, controls right of them."""
        px = self.ui.theme.px
        gap = px(8)
        for rect, (_, widgets) in zip(self._row_rects(), self.rows, strict=True):
            left = rect.left + px(LABEL_PX)
            fixed = sum(px(width) for _, width in widgets if width) + gap * (len(widgets) - 1)
            rest = max(0, rect.right - left - fixed)
            for widget, width in widgets:
                size = px(width) if width else rest
                height = px(8) if isinstance(widget, LevelMeter) else min(px(32), rect.height - px(4))
                box = pygame.Rect(left, 0, size, height)
                box.centery = rect.centery
                widget.place(box)
                left += size + gap

    def draw(self, painter: Painter) -> None:
        """Title and labels."""
        super().draw(painter)
        px = painter.px
        card_title(painter, self.rect, self.words)
        for rect, (label, _) in zip(self._row_rects(), self.rows, strict=True):
            box = pygame.Rect(rect.left, rect.top, px(LABEL_PX - 8), rect.height)
            painter.text(label, box, color=INK_SOFT)


class SettingsScreen(Widget):
    """Three cards at the left, MIDI learn at the right.

    Args:
        ui: The program around it.
        services: What is remembered.
    """

    def __init__(self, ui: Ui, services: Services) -> None:
        super().__init__(ui, "settings")
        self.services = services
        self.ground = self.add(Panel(ui, "settings.ground", color=GROUND))
        self.devices = self.ground.add(Card(ui, "settings.devices", "Devices"))
        self.playing = self.ground.add(Card(ui, "settings.playing", "Playing"))
        self.window = self.ground.add(Card(ui, "settings.window", "Window and files"))
        self.learn = self.add(LearnTable(ui))
        self._add_devices()
        self._add_playing()
        self._add_window()

    def _add_devices(self) -> None:
        ui = self.ui
        self.input = Dropdown(
            ui, "settings.input", (), "", self._choose_input, tooltip="The keyboard you play"
        )
        self.input_lamp = Lamp(ui, "settings.input.lamp")
        self.output = Dropdown(ui, "settings.output", (), "", self._choose_output,
                               tooltip="Where the partner's notes go beside the built-in sound")  # fmt: skip
        self.output_lamp = Lamp(ui, "settings.output.lamp", color=PARTNER)
        self.sound = Dropdown(
            ui, "settings.sound", (), "", self._choose_sound, tooltip="Where everything is heard"
        )
        self.sound_lamp = Lamp(ui, "settings.sound.lamp")
        self.tone = Button(ui, "settings.tone", "Test tone", lambda: ui.do(TestTone()), icon="speaker",
                           tooltip="Hear three rising notes")  # fmt: skip
        self.meter = LevelMeter(ui, "settings.meter")
        self.devices.row("Keyboard", (self.input, 0), (self.input_lamp, LAMP_PX))
        self.devices.row("MIDI out", (self.output, 0), (self.output_lamp, LAMP_PX))
        self.devices.row("Sound", (self.sound, 0), (self.sound_lamp, LAMP_PX))
        self.devices.row(
            "",
            (self.tone, 122),
            (Widget(ui, "settings.space"), 4),
            (self.meter, 0),
            (Widget(ui, "settings.gap"), LAMP_PX),
        )

    def _add_playing(self) -> None:
        ui, known = self.ui, self.services.settings
        self.tempo = Stepper(
            ui, "settings.tempo", "", 20, 400, known.tempo_bpm, self._set_tempo, default=120, step=1,
            is_stepped=True, format_value=lambda bpm: f"{bpm:.0f} bpm", tooltip="Now, and at every start",
        )  # fmt: skip
        self.metronome = Toggle(
            ui, "settings.metronome", "", known.is_metronome_on, self._set_metronome, tooltip="Click along"
        )
        self.clicks = Slider(
            ui, "settings.clicks", "", -60, 6, known.metronome_db, self._set_clicks, default=0, step=1,
            is_stepped=True, format_value=db_words, tooltip="Loudness of the clicks",
        )  # fmt: skip
        self.instrument = Dropdown(
            ui, "settings.instrument", PLAYER_SOUNDS, str(known.player_instrument), self._set_instrument,
            icon="music", tooltip="The sound of your own keys",
        )  # fmt: skip
        self.playing.row("Tempo", (self.tempo, 160))
        self.playing.row("Metronome", (self.metronome, 40), (self.clicks, 0))
        self.playing.row("Your sound", (self.instrument, 0))

    def _add_window(self) -> None:
        ui = self.ui
        self.scale = Dropdown(
            ui, "settings.scale", SCALES, "auto", self._set_scale, tooltip="Size of everything"
        )
        self.folder = TextField(
            ui, "settings.folder", self._folder_words(), on_enter=self._choose_folder, icon="folder",
            tooltip="Where takes are kept: type another folder and press Enter, or nothing for the usual one",
            limit=1000,
        )  # fmt: skip
        self.copy = Button(ui, "settings.copy", "Copy path", self._copy_folder, is_bare=True,
                           tooltip="Put the folder's path on the clipboard")  # fmt: skip
        self.first = Button(ui, "settings.first", "Start page", lambda: ui.go("first"), icon="keyboard",
                            tooltip="Devices found, test tone, computer's keys")  # fmt: skip
        self.help = Button(
            ui, "settings.help", "Help", lambda: ui.go("help"), icon="help", tooltip="All keys (F1)"
        )
        self.window.row("Size", (self.scale, 0))
        self.window.row("Takes are in", (self.folder, 0), (self.copy, 92))
        self.window.row("", (self.first, 140), (self.help, 92))

    def arrange(self) -> None:
        """Two columns."""
        px = self.ui.theme.px
        self.ground.place(self.rect)
        margin, gap = px(16), px(12)
        width = min(self.rect.width - 2 * margin, px(1240))
        box = pygame.Rect(
            self.rect.centerx - width // 2, self.rect.top + margin, width, self.rect.height - 2 * margin
        )
        left = round((width - gap) * 0.5)
        cards = (self.devices, self.playing, self.window)
        rows = sum(len(card.rows) for card in cards)
        fixed = 3 * (px(TITLE_PX) + px(10)) + 2 * gap
        step = min(px(ROW_PX), (box.height - fixed) // rows)
        free = box.height - fixed - step * rows
        box.top += min(free // 3, px(72))
        box.height -= min(free // 3, px(72))
        top = box.top
        for card in cards:
            height = px(TITLE_PX) + px(10) + step * len(card.rows)
            card.place(pygame.Rect(box.left, top, left, height))
            top += height + gap
        needed = px(78 + 44 * len(self.learn.rows) + 16)
        height = min(box.height, max(needed, top - gap - box.top))
        self.learn.place(pygame.Rect(box.left + left + gap, box.top, width - left - gap, height))

    def look(self, view: DeskView) -> None:
        """Follow the desk."""
        known, devices = self.services.settings, view.devices
        for dropdown, (options, value) in (
            (self.input, input_options(devices, known.input_port)),
            (self.output, output_options(devices, known.output_port)),
            (self.sound, sound_options(devices, known.sound_device)),
        ):
            dropdown.set_options(options)
            dropdown.set_value(value)
        now_s = view.snapshot.time_s
        self.input_lamp.show(now_s - devices.input_active_s < ACTIVE_S)
        self.output_lamp.show(now_s - devices.output_active_s < ACTIVE_S)
        has_sound = bool(devices.sound) and devices.sound != NONE
        self.sound_lamp.show(has_sound)
        self.tone.set_enabled(has_sound)
        self.meter.show(view.peak_db)
        self.metronome.set_value(view.is_metronome_on)
        self.clicks.set_value(view.volumes_db[2])
        self.instrument.set_value(str(view.player_instrument))
        self.tempo.set_value(float(round(view.snapshot.bpm)))
        scale = state_of(self.ui).scale
        if not self.ui.is_focused(self.folder):
            self.folder.set_text(self._folder_words())
        self.scale.set_value("auto" if scale is None else str(float(scale)))
        self.learn.follow(view)

    def key(self, event: Key) -> bool:
        """Escape stops MIDI learn, wherever the focus is."""
        if event.is_down and event.name == "escape" and self.learn.learning is not None:
            return self.learn.key(event)
        return False

    # What is chosen here holds now and at the next start.

    def _keep(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self.services.settings, name, value)
        self.services.remember(self.ui)

    def _choose_input(self, value: str) -> None:
        name = None if value == FIRST else value
        self.ui.do(ChooseInput(name))
        self._keep(input_port=name)

    def _choose_output(self, value: str) -> None:
        name = None if value == NONE else value
        self.ui.do(ChooseOutput(name))
        self._keep(output_port=name)

    def _choose_sound(self, value: str) -> None:
        self.ui.do(ChooseSound(value))
        self._keep(sound_device=value)

    def _set_tempo(self, bpm: float) -> None:
        self.ui.do(SetTempo(0.0, bpm))
        self._keep(tempo_bpm=bpm)

    def _set_metronome(self, is_on: bool) -> None:
        self.ui.do(SetMetronome(is_on))
        self._keep(is_metronome_on=is_on)

    def _set_clicks(self, gain_db: float) -> None:
        self.ui.do(SetVolume(Voice.METRONOME, gain_db))
        self._keep(metronome_db=gain_db)

    def _set_instrument(self, value: str) -> None:
        self.ui.do(SetPlayerInstrument(int(value)))
        self._keep(player_instrument=int(value))

    def _set_scale(self, value: str) -> None:
        scale = None if value == "auto" else float(value)
        rescale: Callable[[float | None], None] | None = getattr(self.ui, "rescale", None)
        if rescale is not None:
            rescale(scale)

    def _folder(self) -> Path:
        """Where takes are kept now."""
        return places.chosen_folder(self.services.settings.takes_folder) or places.home() / "takes"

    def _folder_words(self) -> str:
        return self.services.settings.takes_folder or places.with_tilde(self._folder())

    def _choose_folder(self, words: str) -> None:
        """Keep takes elsewhere; one that can't be had is said, and nothing changes."""
        before, words = self.services.settings.takes_folder, words.strip()
        chosen = None if not words or words == places.with_tilde(places.home() / "takes") else words
        if chosen is not None:
            places.usable_folder(chosen)
        self.ui.focus(None)
        if chosen == before:
            return
        old = places.with_tilde(self._folder())
        self._keep_takes_in(chosen)
        self.ui.toast(f"New takes go to {self._folder_words()}.", f"Those in {old} stay there.")
        self.ui.remember(
            "changing the folder of takes",
            lambda: self._keep_takes_in(before),
            lambda: self._keep_takes_in(chosen),
        )

    def _keep_takes_in(self, chosen: str | None) -> None:
        self.ui.do(ChooseTakes(places.chosen_folder(chosen)))
        self._keep(takes_folder=chosen)
        self.services.library.move_to(self._folder())

    def _copy_folder(self) -> None:
        clipboard.copy(str(self._folder()))
        self.ui.toast("The folder's path is on the clipboard.")
