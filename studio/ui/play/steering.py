"""The right column's controls: six knobs for the partner, its parts, and how loud both players are."""

from __future__ import annotations

from collections.abc import Iterable

import pygame

from midi.events import INSTRUMENT_NAMES
from models.sequence.parts import BAND_PARTS
from studio.live.deskview import DeskView, Forget, Learn, SetVolume
from studio.live.feel import STEERABLE, Steerable
from studio.live.loose import AS_PLAYED
from studio.live.messages import Steer, Voice
from studio.live.planner import ModelState
from studio.ui.controls import Control, Panel
from studio.ui.knobs import Knob, Slider, plain
from studio.ui.overlays import MenuItem, open_menu
from studio.ui.paint import Painter
from studio.ui.play.echo import Echo
from studio.ui.screens.models_shelf import read_shelf, teacher_of
from studio.ui.theme import EDGE, INK, INK_SOFT, PANEL, PARTNER, PLAYER, RAISED, mixed
from studio.ui.widget import Ui

KNOBS = ("temperature", "density", "register", "follow", "swing", "velocity")
"""Targets of the six knobs, row by row."""

PARTS = (*BAND_PARTS, *(INSTRUMENT_NAMES.index(name) for name in ("guitar", "organ", "choir")))
"""Parts that are offered where the partner plays anything; others appear while they play."""

SILENT_DB, LOUDEST_DB = -60.0, 6.0

MINUS = "\N{MINUS SIGN}"

_EXPLAINED = {
    "temperature": "Temperature: how adventurous the notes are",
    "density": "Density: how soon the next note comes",
    "register": "Register: higher or lower",
    "follow": "Follow: how closely it listens to you",
    "swing": "Swing: straight to triplets; right click: on the grid or loose",
    "velocity": "Velocity: softer or louder touch",
}


def steer_text(known: Steerable, value: float) -> str:
    """How a knob's value reads."""
    if known.is_whole:
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        unit = " st" if known.unit == "semitones" else ""
        return f"{sign}{abs(round(value))}{unit}"
    if known.low == 0.0 and known.high == 1.0:
        return f"{round(value * 100)} %"
    return ("+" if known.low < 0 < value else "") + plain(value)


def volume_text(gain_db: float) -> str:
    """How a volume reads; the lowest is silence."""
    return "off" if gain_db <= SILENT_DB else f"{gain_db:+.0f} dB".replace("-", MINUS).replace("+0 ", "0 ")


class KnobsPanel(Panel):
    """The six steering knobs; a right click arms MIDI learn for one.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "steering")
        self.knobs = {name: self.add(self._knob(STEERABLE[name])) for name in KNOBS}
        self._echoes: dict[str, Echo[float]] = {name: Echo() for name in KNOBS}

    def _knob(self, known: Steerable) -> Knob:
        step = 1.0 if known.is_whole else (known.high - known.low) / 40
        knob = Knob(
            self.ui, f"knob-{known.name}", known.label, known.low, known.high, known.default,
            lambda value: self._steer(known, value), default=known.default, step=step,
            is_stepped=known.is_whole, format_value=lambda value: steer_text(known, value),
            accent=PARTNER, tooltip=_EXPLAINED[known.name] + "; right click to learn",
        )  # fmt: skip
        knob.undo_name = known.label.lower()
        knob.on_context = lambda x, y: self._open_menu(known, x, y)
        return knob

    def _steer(self, known: Steerable, value: float) -> None:
        wanted: float | int = round(value) if known.is_whole else round(value, 4)
        self._echoes[known.name].tell(wanted, self.ui.now_s)
        self.ui.do(Steer(self.ui.now_s, known.name, wanted))

    def _open_menu(self, known: Steerable, x: int, y: int) -> None:
        """Learn, forget, reset."""
        view, target = self.ui.view, known.name
        is_learning = view.learning == target
        words = "Stop learning" if is_learning else "Learn a controller"
        items = [MenuItem(words, lambda: self.ui.do(Learn(None if is_learning else target)), "plug")]
        learned = [each for each in view.learned if each.target == target]
        if learned:
            words = f"Forget CC {learned[0].controller}"
            items.append(MenuItem(words, lambda: self.ui.do(Forget(target)), "cross"))
        items.append(MenuItem("Reset", lambda: self.knobs[target].choose(known.default), "undo"))
        if target == "swing":  # there is no room for a seventh knob
            loose = 0.0 if view.snapshot.feel.looseness else AS_PLAYED
            words = "As people play" if loose else "Notes on the grid"
            items.append(
                MenuItem(words, lambda: self.ui.do(Steer(self.ui.now_s, "looseness", loose)), "music")
            )
        open_menu(self.ui, items, (x, y))

    def look(self, view: DeskView) -> None:
        """Turn the knobs to what the partner is asked."""
        for name, knob in self.knobs.items():
            heard = STEERABLE[name].of(view.snapshot.steering, view.snapshot.feel)
            knob.set_value(self._echoes[name].settle(heard, self.ui.now_s))
            badge = next((f"CC {each.controller}" for each in view.learned if each.target == name), "")
            knob.set_learned(badge, view.learning == name)

    def arrange(self) -> None:
        """Three columns, two rows."""
        px = self.ui.theme.px
        side, top = px(12), px(14)
        width = (self.rect.width - 2 * side) // 3
        height = (self.rect.height - top - px(8)) // 2
        for number, knob in enumerate(self.knobs.values()):
            row, column = divmod(number, 3)
            cell = pygame.Rect(
                self.rect.left + side + column * width,
                self.rect.top + top + row * height,
                width,
                height - px(8),
            )
            knob.place(cell)


class PartSwitch(Control):
    """One part of the partner, on or off.

    Args:
        ui: The program around it.
        instrument: Instrument class.
        toggled: Called with the class when it is pressed.
    """

    radius_px = 6

    def __init__(self, ui: Ui, instrument: int, panel: PartsPanel) -> None:
        super().__init__(ui, f"part-{INSTRUMENT_NAMES[instrument]}")
        self.instrument, self._panel = instrument, panel
        self.is_on = False
        self.explain("play it or leave it out")

    def press(self) -> None:
        """Switch the part."""
        self._panel.toggle(self.instrument)

    def explain(self, words: str) -> None:
        """Say what it is for, or why it is off."""
        self.tooltip = f"{INSTRUMENT_NAMES[self.instrument].capitalize()}: {words}"

    def show(self, is_on: bool) -> None:
        """Light it or not."""
        if is_on != self.is_on:
            self.is_on = is_on
            self.mark()

    def draw(self, painter: Painter) -> None:
        """The name on a ground that is lit while the part plays."""
        ground = self.ground() if self.is_hot else mixed(PANEL, RAISED, 0.6)
        edge, ink = EDGE, self.ink(INK_SOFT)
        if self.is_on:
            ground = mixed(RAISED, PARTNER, 0.26 if self.is_hot else 0.18)
            edge, ink = mixed(RAISED, PARTNER, 0.5), mixed(PARTNER, INK, 0.35)
        painter.box(self.rect, ground, radius_px=self.radius_px, edge=edge)
        room = self.rect.inflate(-painter.px(6), 0)
        name = INSTRUMENT_NAMES[self.instrument].capitalize()
        painter.text(name, room, size="small", weight="medium", color=ink, align="center")
        self.draw_focus(painter)


class PartsPanel(Panel):
    """Switches of the partner's parts.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "parts")
        self.switches = [self.add(PartSwitch(ui, n, self)) for n in range(len(INSTRUMENT_NAMES))]
        self._echo: Echo[tuple[int, ...]] = Echo()
        self._shown: tuple[int, ...] = ()
        self._taught: tuple[int, ...] = BAND_PARTS

    def active(self) -> tuple[int, ...]:
        """Parts that play, as far as is known here."""
        return self._echo.settle(self.ui.view.snapshot.steering.instruments, self.ui.now_s)

    def toggle(self, instrument: int) -> None:
        """Take a part in or out; the last one stays."""
        active = self.active()
        kept = tuple(each for each in active if each != instrument)
        wanted = kept if instrument in active else tuple(sorted((*active, instrument)))
        if not wanted:
            self.ui.toast("The partner needs one part.", "Switch another on first.")
            return
        self._echo.tell(wanted, self.ui.now_s)
        self.ui.do(Steer(self.ui.now_s, "instruments", wanted))
        self.look(self.ui.view)

    def look(self, view: DeskView) -> None:
        """Light what plays; make room for what the partner can play."""
        active = self.active()
        if view.model.state not in {ModelState.STARTING, ModelState.RESTARTING}:
            self._heed(view)
        offered = offered_parts(active, self._taught)
        if offered != self._shown:
            self._shown = offered
            self.arrange()
            self.mark()
        for switch in self.switches:
            switch.show(switch.instrument in active)

    def _heed(self, view: DeskView) -> None:
        """Take in which parts the model was taught; what it was not can't be switched on."""
        if view.model.parts == self._taught:
            return
        self._taught = view.model.parts
        name = view.model_name.partition("@")[0]
        for switch in self.switches:
            is_known = not self._taught or switch.instrument in self._taught
            switch.set_enabled(is_known)
            if is_known:
                switch.explain("play it or leave it out")
            elif switch.instrument in BAND_PARTS:
                teacher = teacher_of(switch.instrument, read_shelf())
                switch.explain(f"{name} was not taught it" + (f", {teacher} was" if teacher else ""))

    def arrange(self) -> None:
        """Two rows: of three, or of four where there are more than six."""
        px = self.ui.theme.px
        is_tight = self.rect.width < px(280)
        gap, side = (px(4), px(12)) if is_tight else (px(6), px(16))
        columns = max(3, -(-len(self._shown) // 2))
        width = (self.rect.width - 2 * side - (columns - 1) * gap) // columns
        height = (self.rect.height - gap - px(8)) // 2
        for switch in self.switches:
            switch.is_visible = switch.instrument in self._shown
        for number, instrument in enumerate(self._shown):
            row, column = divmod(number, columns)
            place = pygame.Rect(0, 0, width, height)
            place.topleft = (
                self.rect.left + side + column * (width + gap),
                self.rect.top + row * (height + gap),
            )
            self.switches[instrument].place(place)


def offered_parts(active: Iterable[int], taught: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Parts to be shown, at most eight.

    Those of a band are always there, then what else the model was taught. Where it plays anything, others are
    offered too, the last of them giving way to those that play.
    """
    playing = set(active)
    if taught:
        rest = sorted({*taught, *playing} - set(BAND_PARTS), key=lambda part: (part not in playing, part))
        return (*BAND_PARTS, *sorted(rest[: len(PARTS) - len(BAND_PARTS)]))
    strangers = sorted(playing - set(PARTS))
    idle = [part for part in PARTS if part not in playing]
    dropped = set(idle[len(idle) - len(strangers) :]) if strangers else set()
    return tuple([*(part for part in PARTS if part not in dropped), *strangers][: len(PARTS)])


class VolumesPanel(Panel):
    """How loud the player and the partner are.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "volumes")
        self.sliders = [
            self.add(self._slider(Voice.PLAYER, "You")),
            self.add(self._slider(Voice.PARTNER, "Partner")),
        ]
        self._echoes: list[Echo[float]] = [Echo(), Echo()]

    def _slider(self, voice: Voice, label: str) -> Slider:
        slider = Slider(
            self.ui, f"volume-{voice}", label, SILENT_DB, LOUDEST_DB, 0.0,
            lambda gain_db: self._set(voice, gain_db), default=0.0, step=1.0, is_stepped=True,
            format_value=volume_text, accent=PLAYER if voice is Voice.PLAYER else PARTNER,
            tooltip=f"Volume of {'your keys' if voice is Voice.PLAYER else 'the partner'}",
        )  # fmt: skip
        slider.label_px, slider.value_px = 52, 50
        slider.undo_name = "volume"
        return slider

    def _set(self, voice: Voice, gain_db: float) -> None:
        self._echoes[0 if voice is Voice.PLAYER else 1].tell(gain_db, self.ui.now_s)
        self.ui.do(SetVolume(voice, gain_db))

    def look(self, view: DeskView) -> None:
        """Stand where the desk says."""
        for slider, echo, gain_db in zip(self.sliders, self._echoes, view.volumes_db, strict=False):
            slider.set_value(echo.settle(gain_db, self.ui.now_s))

    def arrange(self) -> None:
        """One below the other."""
        px = self.ui.theme.px
        inner = self.rect.inflate(-px(32), -px(12))
        half = inner.height // 2
        for number, slider in enumerate(self.sliders):
            slider.place(pygame.Rect(inner.left, inner.top + number * half, inner.width, half))
