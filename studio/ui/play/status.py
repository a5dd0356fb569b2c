"""The strip at the bottom: which devices are played and heard, and whether everything comes in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pygame

from studio.live.deskview import ChooseInput, ChooseOutput, ChooseSound, Command, DeskView
from studio.live.planner import ModelState
from studio.ui.controls import Option, Panel
from studio.ui.displays import LevelMeter
from studio.ui.overlays import Dropdown
from studio.ui.paint import Painter, text_width
from studio.ui.play.echo import Echo
from studio.ui.theme import ALARM, EDGE, GOOD, INK_FAINT, INK_SOFT, RAISED, Color, mixed
from studio.ui.widget import Ui

ACTIVE_S = 0.15
"""An activity light stays lit this long after a message."""

MOST_PICKER_PX = 260
PICKER_EXTRA_PX = 72
"""Room of a picker beside its words: icon, chevron and margins."""

REFRESH_S = 0.25
"""Figures change no more often: they are to be read."""

TIGHT_FIGURES_PX = 340

LEAST_ISR = 0.98
"""Below this share of steps with a plan in time, gaps are heard."""

MOST_LATE_MS = 10.0
"""Notes later than this are felt; research on ensemble timing puts the threshold at 10 to 20 ms."""

_TROUBLE_S = 12.0
"""A missed sound block is shown as trouble for this long."""


class DevicePicker(Dropdown):
    """A drop-down of ports with a light for what comes through.

    Args:
        ui: The program around it.
        name: Its name.
        icon: At its left.
        tooltip: One line.
        command: Makes the desk's command from the chosen value.
        has_light: Whether messages are seen.
    """

    def __init__(
        self,
        ui: Ui,
        name: str,
        icon: str,
        tooltip: str,
        command: Callable[[str], Command],
        *,
        has_light: bool,
    ) -> None:
        super().__init__(ui, name, (), "", self._chosen, icon=icon, placeholder="None", tooltip=tooltip)
        self._purpose = tooltip
        self._command, self.has_light = command, has_light
        self._echo: Echo[str] = Echo()
        self.is_active = False

    def _chosen(self, value: str) -> None:
        self._echo.tell(value, self.ui.now_s)
        self.ui.do(self._command(value))

    @property
    def words(self) -> str:
        """What is written on it."""
        chosen = (option.text for option in self.options if option.value == self.value)
        return next(chosen, "") or self.placeholder

    def show(self, options: tuple[Option, ...], value: str, *, is_active: bool) -> None:
        """What there is, what is chosen, and whether something came through just now."""
        self.set_options(options)
        self.set_value(self._echo.settle(value, self.ui.now_s))
        self.tooltip = self._purpose if self.value == "none" else f"{self._purpose}: {self.value}"
        if is_active != self.is_active:
            self.is_active = is_active
            self.mark()

    def draw(self, painter: Painter) -> None:
        """The drop-down; the light stands on its icon."""
        super().draw(painter)
        if self.has_light:
            center = (self.rect.left + painter.px(26), self.rect.top + painter.px(8))
            if self.is_active:
                painter.disc(center, 5, mixed(RAISED, GOOD, 0.35))
            painter.disc(center, 3, GOOD if self.is_active else mixed(EDGE, INK_FAINT, 0.3))


def _with_none(names: tuple[str, ...], chosen: str, none_text: str) -> tuple[Option, ...]:
    """Names as options, no port last; a chosen one that is gone stays listed as such."""
    listed = [Option(name, "Default sound" if name == "default" else name) for name in names]
    if chosen and chosen not in names and chosen != "none":
        listed.append(Option(chosen, chosen, "not there", is_enabled=False))
    return (*listed, Option("none", none_text))


def shares(room: int, wanted: Sequence[int]) -> list[int]:
    """Room dealt out evenly; what one does not want goes to those that want more, while there is any."""
    even = room // len(wanted)
    lacking = sum(max(0, width - even) for width in wanted)
    spare = sum(max(0, even - width) for width in wanted)
    if not lacking or not spare:
        return [even] * len(wanted)
    given = min(1.0, spare / lacking)
    taken = min(1.0, lacking / spare)
    return [
        even + math.floor((width - even) * given)
        if width > even
        else even - math.ceil((even - width) * taken)
        for width in wanted
    ]


class DevicesPanel(Panel):
    """Pickers of MIDI in, MIDI out and sound.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "devices")
        self.input = self.add(
            DevicePicker(ui, "midi-in", "keyboard", "MIDI in, what you play on", ChooseInput, has_light=True)
        )
        self.output = self.add(
            DevicePicker(
                ui, "midi-out", "plug", "MIDI out, where the partner goes", ChooseOutput, has_light=True
            )
        )
        self.sound = self.add(
            DevicePicker(ui, "sound", "speaker", "Sound device", ChooseSound, has_light=False)
        )
        self._words: tuple[str, ...] = ()

    def look(self, view: DeskView) -> None:
        """Hot-plugged ports come and go in the lists."""
        devices, now_s = view.devices, view.snapshot.time_s
        for picker, names, chosen, active_s, none_text in (
            (self.input, devices.inputs, devices.input, devices.input_active_s, "No MIDI in"),
            (self.output, devices.outputs, devices.output, devices.output_active_s, "No MIDI out"),
            (self.sound, devices.sounds, devices.sound, float("-inf"), "No sound"),
        ):
            options = _with_none(names, chosen, none_text)
            picker.show(options, chosen or "none", is_active=0.0 <= now_s - active_s < ACTIVE_S)
        words = tuple(picker.words for picker in (self.input, self.output, self.sound))
        if words != self._words:
            self._words = words
            self.arrange()
            self.mark()

    def arrange(self) -> None:
        """Three of one width; where a name would be cut, a shorter one gives room."""
        px = self.ui.theme.px
        gap = px(8)
        inner = self.rect.inflate(-px(16) - gap, 0)
        inner.left = self.rect.left + px(16)
        pickers = (self.input, self.output, self.sound)
        room = min(inner.width - 2 * gap, 3 * px(MOST_PICKER_PX))
        scale = self.ui.theme.scale
        wanted = [
            text_width(picker.words, "body", "regular", scale) + px(PICKER_EXTRA_PX) for picker in pickers
        ]
        height, left = min(px(30), self.rect.height - px(10)), inner.left
        for picker, width in zip(pickers, shares(room, wanted), strict=True):
            picker.place(pygame.Rect(left, self.rect.centery - height // 2, width, height))
            left += width + gap


NOTHING = "\N{EN DASH}"
"""Where there is no figure yet."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name; in trouble it is shown in the color of alarm."""

    label: str
    value: str
    is_trouble: bool = False


def figures(view: DeskView, has_new_underruns: bool) -> tuple[Figure, ...]:
    """What the meters say.

    Args:
        view: The desk.
        has_new_underruns: Whether the sound card missed blocks lately.
    """
    counts, meters = view.snapshot.counts, view.meters
    isr = counts.isr
    lateness = meters.lateness if meters.port_lateness is None else meters.port_lateness
    late = lateness.p99_ms
    has_plans = counts.plan_steps > 0 and view.model.state is not ModelState.CLOSED
    return (
        Figure("In time", f"{isr * 100:.1f} %" if has_plans else NOTHING, has_plans and isr < LEAST_ISR),
        Figure("Plan", f"{meters.plan_latency.p50_ms:.0f} ms" if meters.plan_latency.count else NOTHING),
        Figure("Late", f"{late:.1f} ms" if lateness.count else NOTHING, late > MOST_LATE_MS),
        Figure("Dropouts", str(view.underruns), has_new_underruns),
    )


class FiguresPanel(Panel):
    """The figures of timing: in-time share, plan latency, lateness, dropouts.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "figures")
        self.tooltip = "Plans in time · time for a plan · lateness of notes (99 %) · missed sound blocks"
        self.shown: tuple[Figure, ...] = ()
        self._is_alive = True
        self._refreshed_s = float("-inf")
        self._underruns, self._trouble_until_s = 0, float("-inf")

    def look(self, view: DeskView) -> None:
        """Read the meters a few times a second."""
        now_s = self.ui.now_s
        if view.underruns > self._underruns:
            self._trouble_until_s = now_s + _TROUBLE_S
        self._underruns = view.underruns
        if now_s - self._refreshed_s < REFRESH_S and view.is_alive == self._is_alive:
            return
        self._refreshed_s = now_s
        shown = figures(view, now_s < self._trouble_until_s)
        if self.rect.width < self.ui.theme.px(TIGHT_FIGURES_PX):
            # Where room is scarce, a count of nothing gives way.
            shown = tuple(each for each in shown if each.is_trouble or each.label != "Dropouts")
        if shown != self.shown or view.is_alive != self._is_alive:
            self.shown, self._is_alive = shown, view.is_alive
            self.mark()

    def draw(self, painter: Painter) -> None:
        """From the right, so that they stand beside the level meter."""
        super().draw(painter)
        if not self._is_alive:
            words = "The engine has stopped"
            painter.text(words, self.rect, size="small", weight="medium", color=ALARM, align="right")
            return
        wanted = sum(_width(painter, figure) for figure in self.shown)
        gap = min(painter.px(20), max(painter.px(10), (self.rect.width - painter.px(24) - wanted) // 3))
        right = self.rect.right - painter.px(12)
        for figure in reversed(self.shown):
            if right - _width(painter, figure) < self.rect.left:
                break
            right = self._draw_figure(painter, figure, right) - gap

    def _draw_figure(self, painter: Painter, figure: Figure, right: int) -> int:
        """Draw one that ends at ``right``; returns its left edge."""
        width = _width(painter, figure)
        row = pygame.Rect(right - width, self.rect.top, width, self.rect.height)
        ink: Color = ALARM if figure.is_trouble else INK_SOFT
        painter.text(figure.value, row, size="small", weight="medium", color=ink, align="right")
        painter.text(figure.label, row, size="small", color=ALARM if figure.is_trouble else INK_FAINT)
        return row.left


def _width(painter: Painter, figure: Figure) -> int:
    """Room of a figure; digits have one width, so that it does not dance."""
    scale = painter.theme.scale
    value = figure.value.rjust(2, "0")
    return (
        text_width(figure.label, "small", "regular", scale)
        + painter.px(6)
        + text_width(value, "small", "medium", scale)
    )


class LevelPanel(Panel):
    """The loudness of what is heard; a panel of its own, since it moves all the time.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "level")
        self.meter: LevelMeter = self.add(LevelMeter(ui, "level-meter"))
        self.tooltip = "Level of the built-in sound"

    def look(self, view: DeskView) -> None:
        """Follow the peak."""
        self.meter.show(view.peak_db)

    def arrange(self) -> None:
        """A thin bar in the middle."""
        px = self.ui.theme.px
        bar = pygame.Rect(self.rect.left + px(4), 0, self.rect.width - px(20), px(6))
        bar.centery = self.rect.centery
        self.meter.place(bar)
