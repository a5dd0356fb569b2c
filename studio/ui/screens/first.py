"""The first start: what was found, a tone to hear, keys to press, and one large button."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from studio.live.deskview import DeskView, Devices, TestTone
from studio.ui.controls import Button, Panel
from studio.ui.displays import LevelMeter
from studio.ui.paint import Painter
from studio.ui.screens.keys_picture import KeysPicture
from studio.ui.screens.prose import heading
from studio.ui.screens.services import lowest_pitch, state_of
from studio.ui.theme import (
    GOOD,
    GROUND,
    INK,
    INK_FAINT,
    INK_SOFT,
    PANEL,
    PLAYER,
    Theme,
    mixed,
)
from studio.ui.widget import Key, Ui, Widget

ACTIVE_S = 0.25
"""A lamp glows this long after a message."""

PAGE_PX = 880


@dataclass(frozen=True, slots=True)
class Found:
    """What a step says: a lamp, a sentence, and what to do or to expect."""

    is_there: bool
    sentence: str
    hint: str


def keyboard_found(devices: Devices) -> Found:
    """What the first step says."""
    if devices.input:
        return Found(True, devices.input, "Press a key of it: the lamp flashes, and you hear it.")
    if devices.inputs:
        return Found(False, "No keyboard is chosen", f"{devices.inputs[0]} is there: choose it in Settings.")
    return Found(False, "No MIDI keyboard found", "Plug one in whenever you like: it is taken up by itself.")


def sound_found(devices: Devices) -> Found:
    """What the second step says."""
    if devices.sound and devices.sound != "none":
        return Found(True, devices.sound, "Nothing to be heard? Choose another device in Settings.")
    return Found(False, "No sound device", "Plug in headphones or speakers, then choose them in Settings.")


@dataclass(frozen=True, slots=True)
class FirstLayout:
    """Where the parts of the page are, display pixels."""

    title: pygame.Rect
    keyboard: pygame.Rect
    sound: pygame.Rect
    keys: pygame.Rect
    foot: pygame.Rect


def first_layout(rect: pygame.Rect, theme: Theme) -> FirstLayout:
    """A column in the middle: title, two cards side by side, a wide card, the button."""
    px = theme.px
    is_low = rect.height < px(720)
    gap = px(16)
    width = min(px(PAGE_PX), rect.width - px(64))
    title, card, foot = px(88 if is_low else 124), px(170 if is_low else 176), px(52 if is_low else 84)
    room = rect.height - px(20 if is_low else 32) - title - card - foot - 2 * gap
    keys = min(room, px(320))
    height = title + card + keys + foot + 2 * gap
    left, top = rect.centerx - width // 2, rect.top + max(px(8), (rect.height - height) // 2)
    half = (width - gap) // 2
    cards_top = top + title
    keys_top = cards_top + card + gap
    return FirstLayout(
        pygame.Rect(left, top, width, title),
        pygame.Rect(left, cards_top, half, card),
        pygame.Rect(left + width - half, cards_top, half, card),
        pygame.Rect(left, keys_top, width, keys),
        pygame.Rect(left, keys_top + keys + gap, width, foot),
    )


class StepCard(Panel):
    """A numbered card.

    Args:
        ui: The program around it.
        name: Its name.
        number: Of the step.
        words: Title.
        hint: Beside it at the right.
    """

    def __init__(self, ui: Ui, name: str, number: int, words: str, hint: str = "") -> None:
        super().__init__(ui, name, radius_px=12)
        self.number, self.words, self.hint = number, words, hint
        self.found = Found(False, "", "")
        self.is_active = False

    def inner(self) -> pygame.Rect:
        """The box within the margins."""
        return self.rect.inflate(-2 * self.ui.theme.px(22), -2 * self.ui.theme.px(18))

    def tell(self, found: Found, *, is_active: bool = False) -> None:
        """Say something else."""
        if (found, is_active) != (self.found, self.is_active):
            self.found, self.is_active = found, is_active
            self.mark()

    def draw(self, painter: Painter) -> None:
        """Number, title, lamp and sentences."""
        super().draw(painter)
        box = self.inner()
        row = pygame.Rect(box.left, box.top, box.width, painter.px(26))
        middle = (row.left + painter.px(12), row.centery)
        painter.disc(middle, 12, mixed(PANEL, PLAYER, 0.22))
        spot = pygame.Rect(row.left, row.top, painter.px(24), row.height)
        painter.text(str(self.number), spot, size="small", color=PLAYER, weight="bold", align="center")
        row = pygame.Rect(row.left + painter.px(36), row.top, row.width - painter.px(36), row.height)
        heading(painter, self.words, row, self.hint)
        if self.found.sentence:
            self._draw_found(
                painter, pygame.Rect(box.left, row.bottom + painter.px(14), box.width, painter.px(24))
            )

    def _draw_found(self, painter: Painter, row: pygame.Rect) -> None:
        lamp = GOOD if self.found.is_there else INK_FAINT
        center = (row.left + painter.px(12), row.centery)
        if self.is_active:
            painter.disc(center, 9, mixed(PANEL, GOOD, 0.35))
        painter.disc(center, 5, mixed(lamp, INK, 0.4 if self.is_active else 0.0))
        words = pygame.Rect(row.left + painter.px(36), row.top, row.width - painter.px(36), row.height)
        painter.text(self.found.sentence, words, size="title", weight="medium")
        hint = pygame.Rect(words.left, row.bottom + painter.px(6), words.width, painter.px(40))
        painter.paragraph(self.found.hint, hint, size="small", color=INK_SOFT)


def build(ui: Ui) -> FirstScreen:
    """The screen; "Start playing" is remembered."""
    return FirstScreen(ui)


class FirstScreen(Widget):
    """Everything on one page.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "first")
        self.title = self.add(_Title(ui, "first.title"))
        self.keyboard = self.add(StepCard(ui, "first.keyboard", 1, "Your keyboard"))
        self.sound = self.add(StepCard(ui, "first.sound", 2, "Your sound"))
        self.tone = self.sound.add(
            Button(ui, "first.tone", "Play test tone", self._play_tone, icon="speaker",
                   tooltip="Hear three rising notes")
        )  # fmt: skip
        self.meter = self.sound.add(LevelMeter(ui, "first.level"))
        self.keys = self.add(
            StepCard(
                ui, "first.keys", 3, "Or the computer's keys", "Light keys are white keys, dark ones black."
            )
        )
        self.picture = self.keys.add(KeysPicture(ui, "first.picture", lambda: lowest_pitch(ui)))
        self.foot = self.add(_Foot(ui, "first.foot"))
        self.start = self.foot.add(
            Button(ui, "first.start", "Start playing", self._begin, icon="play", is_primary=True,
                   tooltip="Go to the instrument (Enter)")
        )  # fmt: skip

    def arrange(self) -> None:
        """Place the cards and what is in them."""
        px = self.ui.theme.px
        page = first_layout(self.rect, self.ui.theme)
        for panel, rect in (
            (self.title, page.title), (self.keyboard, page.keyboard), (self.sound, page.sound),
            (self.keys, page.keys), (self.foot, page.foot),
        ):  # fmt: skip
            panel.place(rect)
        inner = self.sound.inner()
        button = pygame.Rect(inner.left + px(36), inner.bottom - px(34), self.tone.width(), px(34))
        self.tone.place(button)
        left = button.right + px(20)
        self.meter.place(pygame.Rect(left, button.centery - px(4), max(0, inner.right - left), px(8)))
        inner = self.keys.inner()
        top = inner.top + px(36)
        self.picture.place(pygame.Rect(inner.left, top, inner.width, inner.bottom - top))
        width = max(self.start.width() + px(48), px(220))
        box = pygame.Rect(0, 0, width, px(46))
        box.midtop = (self.foot.rect.centerx, self.foot.rect.top)
        self.start.place(box)

    def look(self, view: DeskView) -> None:
        """Follow devices and activity."""
        devices = view.devices
        is_active = view.snapshot.time_s - devices.input_active_s < ACTIVE_S
        self.keyboard.tell(keyboard_found(devices), is_active=is_active)
        found = sound_found(devices)
        self.sound.tell(found)
        self.meter.show(view.peak_db)
        self.tone.set_enabled(found.is_there)

    def key(self, event: Key) -> bool:
        """Enter starts, wherever the focus is."""
        if event.is_down and event.name in {"return", "enter"}:
            self._begin()
            return True
        return False

    def _play_tone(self) -> None:
        self.ui.do(TestTone())

    def _begin(self) -> None:
        state_of(self.ui).is_welcomed = True
        self.ui.go("play")


class _Title(Widget):
    """The name, large, and what will happen."""

    is_panel = True

    def draw(self, painter: Painter) -> None:
        painter.fill(self.rect, GROUND)
        height = painter.px(44 if self.rect.height < painter.px(110) else 54)
        top = self.rect.top + max(0, self.rect.height - height - painter.px(26 + 18))
        name = pygame.Rect(self.rect.left, top, self.rect.width, height)
        is_low = self.rect.height < painter.px(110)
        painter.text("Antiphon", name, size="display" if is_low else "hero", weight="bold", align="center")
        line = pygame.Rect(self.rect.left, name.bottom, self.rect.width, painter.px(26))
        painter.text(
            "Play, and a partner plays along.",
            line,
            size="body" if is_low else "title",
            color=INK_SOFT,
            align="center",
        )


class _Foot(Widget):
    """The ground under the button, and a quiet sentence."""

    is_panel = True

    def draw(self, painter: Painter) -> None:
        painter.fill(self.rect, GROUND)
        line = pygame.Rect(self.rect.left, self.rect.bottom - painter.px(20), self.rect.width, painter.px(20))
        if line.top >= self.rect.top + painter.px(50):
            painter.text(
                "This page is found again in Settings.", line, size="small", color=INK_FAINT, align="center"
            )
