"""The bar at the top: play, record, place in time, tempo, mode, model, panic."""

from __future__ import annotations

import pygame

from studio.live.deskview import DeskView, SetMetronome, StopTake
from studio.live.messages import Mode, Panic, SetMode, SetPlaying
from studio.ui.controls import Button, IconButton, Option, Panel, Segmented
from studio.ui.play.echo import Echo
from studio.ui.play.meterpicker import MeterPicker
from studio.ui.play.modelbadge import ModelBadge
from studio.ui.play.record import RecordButton
from studio.ui.play.tempo import TempoField
from studio.ui.shortcuts import TapTempo
from studio.ui.theme import ALARM, GOOD, INK, PARTNER
from studio.ui.widget import Ui

MODES = (Option(Mode.ACCOMPANY, "Accompany"), Option(Mode.RESPOND, "Call & response"))
SHORT_MODES = (Option(Mode.ACCOMPANY, "Accompany"), Option(Mode.RESPOND, "Respond"))

START_HINT, ARMED_HINT = "Start and stop  (Space)", "Play a key to begin, or start here  (Space)"

CONTROL_PX = 40
"""Height of what stands in the bar."""

TIGHT_PX = 760
"""Below this width everything is narrower, that nothing is left out."""


class StartPanel(Panel):
    """Left of the counter: play and record.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "transport-start")
        self.play = self.add(
            IconButton(ui, "play", "play", self.toggle, tooltip=START_HINT, is_bare=False, accent=GOOD)
        )
        self.play.icon_px = 20
        self.record = self.add(RecordButton(ui))
        self._echo: Echo[bool] = Echo()

    def toggle(self) -> None:
        """Start or stop; a take that is played back is stopped."""
        view, now_s = self.ui.view, self.ui.now_s
        if view.take.playing is not None:
            self.ui.do(StopTake())
            return
        wanted = not self._echo.settle(view.snapshot.is_playing, now_s)
        self._echo.tell(wanted, now_s)
        self.ui.do(SetPlaying(now_s, wanted))
        self._show(wanted)

    def look(self, view: DeskView) -> None:
        """Show what the transport does."""
        is_running = self._echo.settle(view.snapshot.is_playing, self.ui.now_s)
        self._show(is_running or view.take.playing is not None)
        self.play.tooltip = ARMED_HINT if view.snapshot.is_armed and not is_running else START_HINT

    def _show(self, is_running: bool) -> None:
        icon = "stop" if is_running else "play"
        if icon != self.play.icon:
            self.play.icon = icon
            self.play.mark()
        self.play.set_on(is_running)

    def arrange(self) -> None:
        """Two controls from the left, in the middle of the height."""
        px = self.ui.theme.px
        height = min(px(CONTROL_PX), self.rect.height - px(12))
        top = self.rect.centery - height // 2
        play = pygame.Rect(self.rect.left + px(16), top, px(48), height)
        self.play.place(play)
        self.record.place(pygame.Rect(play.right + px(8), top, px(84), height))

    def width(self) -> int:
        """What it needs, display pixels."""
        return self.ui.theme.px(16 + 48 + 8 + 84)


class SettingsPanel(Panel):
    """Right of the counter: tempo, metronome, time signature, mode, model, panic.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "transport-settings")
        self.taps = TapTempo()
        self.slower = self.add(
            IconButton(ui, "slower", "minus", lambda: self.tempo.nudge(-1), tooltip="Slower")
        )
        self.tempo = self.add(TempoField(ui))
        self.faster = self.add(
            IconButton(ui, "faster", "plus", lambda: self.tempo.nudge(1), tooltip="Faster")
        )
        self.slower.icon_px = self.faster.icon_px = 14
        self.tap = self.add(Button(ui, "tap", "Tap", self.tap_tempo, tooltip="Tap the tempo  (Ctrl T)"))
        self.metronome = self.add(
            IconButton(
                ui,
                "metronome",
                "metronome",
                self._set_metronome,
                tooltip="Metronome  (Ctrl M)",
                is_toggle=True,
                is_bare=False,
                accent=INK,
            )
        )
        self.meter = self.add(MeterPicker(ui))
        self.mode = self.add(
            Segmented(
                ui,
                "mode",
                MODES,
                Mode.ACCOMPANY,
                self._set_mode,
                accent=PARTNER,
                tooltip="How the partner behaves",
            )
        )
        self.model = self.add(ModelBadge(ui))
        self.panic = self.add(
            IconButton(
                ui,
                "panic",
                "panic",
                self._panic,
                tooltip="Silence everything now  (Esc)",
                is_bare=False,
                accent=ALARM,
            )
        )
        self._clicks: Echo[bool] = Echo()
        self._modes: Echo[str] = Echo()

    def tap_tempo(self) -> None:
        """A tap; from the second on it sets the tempo."""
        bpm = self.taps.tap(self.ui.now_s)
        if bpm is not None:
            self.tempo.set(round(bpm, 1))

    def _set_metronome(self) -> None:
        self._clicks.tell(self.metronome.is_on, self.ui.now_s)
        self.ui.do(SetMetronome(self.metronome.is_on))

    def _set_mode(self, mode: str) -> None:
        self._modes.tell(mode, self.ui.now_s)
        self.ui.do(SetMode(self.ui.now_s, Mode(mode)))

    def _panic(self) -> None:
        self.ui.do(Panic(self.ui.now_s))

    def look(self, view: DeskView) -> None:
        """Show what the desk says."""
        now_s = self.ui.now_s
        self.metronome.set_on(self._clicks.settle(view.is_metronome_on, now_s))
        self.mode.set_value(self._modes.settle(str(view.snapshot.mode), now_s))

    def arrange(self) -> None:
        """From the left what belongs to time, from the right panic; the model takes what is left."""
        px = self.ui.theme.px
        room = self.rect.width / self.ui.theme.scale
        is_tight = room < TIGHT_PX
        height = min(px(CONTROL_PX), self.rect.height - px(12))
        top, left = self.rect.centery - height // 2, self.rect.left + px(4)
        for widget, at_ease, tight in (
            (self.slower, (26, 2), (22, 1)),
            (self.tempo, (72, 2), (66, 1)),
            (self.faster, (26, 10), (22, 6)),
            (self.tap, (52, 8), (44, 6)),
            (self.metronome, (40, 8), (38, 6)),
            (self.meter, (58, 16), (52, 8)),
        ):
            width, gap = tight if is_tight else at_ease
            widget.place(pygame.Rect(left, top, px(width), height))
            left += px(width + gap)
        self.panic.place(pygame.Rect(self.rect.right - px(16 + 40), top, px(40), height))
        right = self.panic.rect.left - px(8)
        self.mode.options = SHORT_MODES if room < 800 else MODES
        mode = px(184 if is_tight else 200 if room < 800 else 264)
        self.mode.place(pygame.Rect(left, top, mode, height))
        left = self.mode.rect.right + px(16 if not is_tight else 8)
        width = min(right - left, px(240))
        self.model.place(pygame.Rect(right - width, top, max(px(80), width), height))
