"""The right of the Takes screen: one take, large, and everything that can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygame

from midi.errors import UserError
from studio import settings
from studio.live.deskview import DeskView, PlayTake, StopTake
from studio.takes import TakeInfo
from studio.ui.controls import Button, IconButton, Label, Panel
from studio.ui.displays import Progress
from studio.ui.knobs import Stepper
from studio.ui.overlays import MenuItem, open_menu
from studio.ui.paint import Painter, text_width
from studio.ui.screens.jobwatch import JobWatch
from studio.ui.screens.services import Services
from studio.ui.screens.takes_name import NameLine
from studio.ui.screens.takes_roll import TakeRoll
from studio.ui.screens.takes_shelf import TakesShelf
from studio.ui.screens.takes_tags import TagRow
from studio.ui.screens.takes_words import detail_words, length_words, verified_words
from studio.ui.theme import ALARM, EDGE, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, PLAYER, RAISED, mixed
from studio.ui.widget import Key, Ui

MAX_SEED = 9_999
MENU_PX = 330
EXPORTS = (
    ("mid", "MIDI file", "for notation and other programs", "music"),
    ("wav", "WAV", "sound, uncompressed", "speaker"),
    ("flac", "FLAC", "sound, half the size", "speaker"),
    ("png", "Picture", "piano roll on a page", "picture"),
)


@dataclass(frozen=True, slots=True)
class DetailLayout:
    """Where the parts of the panel are, display pixels."""

    name: pygame.Rect
    buttons: pygame.Rect
    facts: pygame.Rect
    tags: pygame.Rect
    roll: pygame.Rect
    transport: pygame.Rect
    again: pygame.Rect


def detail_layout(rect: pygame.Rect, px: float) -> DetailLayout:
    """From top to bottom; the roll takes what is left."""

    def at(logical_px: float) -> int:
        return round(logical_px * px)

    margin = at(24)
    box = rect.inflate(-2 * margin, 0)
    buttons = at(40 * 3 + 8)
    name = pygame.Rect(box.left, rect.top + at(18), box.width - buttons - at(16), at(40))
    facts = pygame.Rect(box.left, name.bottom + at(2), box.width, at(24))
    tags = pygame.Rect(box.left, facts.bottom + at(6), box.width, at(32))
    again = pygame.Rect(box.left, rect.bottom - at(76), box.width, at(60))
    transport = pygame.Rect(box.left, again.top - at(56), box.width, at(44))
    top = tags.bottom + at(10)
    return DetailLayout(
        name, pygame.Rect(box.right - buttons, name.top, buttons, name.height), facts, tags,
        pygame.Rect(box.left, top, box.width, max(at(80), transport.top - at(10) - top)), transport, again,
    )  # fmt: skip


class TakesDetail(Panel):
    """One take.

    Args:
        ui: The program around it.
        shelf: Which take, and how it is changed.
        services: Jobs and the reader of takes.
    """

    def __init__(self, ui: Ui, shelf: TakesShelf, services: Services) -> None:
        super().__init__(ui, "takes.detail")
        self.shelf, self.services = shelf, services
        self.watch = JobWatch(services.jobs, lambda fault, hint: ui.toast(fault, hint, is_fault=True))
        self.name_line = self.add(NameLine(ui, "takes.name", self._rename))
        self.star = self.add(
            IconButton(
                ui, "takes.star", "star", self._star, tooltip="Star (Ctrl+B)", accent=PARTNER, is_bare=False
            )
        )
        self.export = self.add(
            IconButton(
                ui,
                "takes.export",
                "export",
                self._open_exports,
                tooltip="Export and verify (Ctrl+E)",
                is_bare=False,
            )
        )
        self.trash = self.add(
            IconButton(
                ui, "takes.trash", "trash", self.delete, tooltip="Move to the trash (Delete)", is_bare=False
            )
        )
        self.tags = self.add(TagRow(ui, "takes.tags", self._tag, self._untag))
        self.roll = self.add(TakeRoll(ui, "takes.roll", self._chose_bar, self.play))
        self.play_button = self.add(
            Button(ui, "takes.play", "Play", self.toggle_playing, icon="play", is_primary=True,
                   tooltip="Play from the cursor (space)")
        )  # fmt: skip
        self.seed = self.add(
            Stepper(ui, "takes.seed", "Seed", 0, MAX_SEED, 1, step=1, is_stepped=True, default=1,
                    format_value=lambda value: f"{value:.0f}", accent=PARTNER,
                    tooltip="Another seed, another answer; the same seed, the same notes")
        )  # fmt: skip
        self.again = self.add(
            Button(ui, "takes.again", "Try again from here", self._try_again, icon="spark", accent=PARTNER,
                   is_primary=True, tooltip="A new take: your notes as they were, the partner's anew")
        )  # fmt: skip
        self.progress = self.add(Progress(ui, "takes.progress", accent=PARTNER))
        self.doing = self.add(Label(ui, "takes.doing", size="small", color=INK_SOFT))
        self.cancel = self.add(Button(ui, "takes.cancel", "Cancel", self.watch.cancel, is_bare=True))
        self.problem = ""
        self._shown: TakeInfo | None = None
        self._is_playing = False
        self._pictured = ("", 0.0)
        self._layout = detail_layout(self.rect, ui.theme.scale)

    # What is shown.

    def follow(self, view: DeskView) -> None:
        """Show the chosen take, where its playback stands, and what runs."""
        take = self.shelf.current
        if take != self._shown:
            self._show(take)
        if take is not None:
            self._follow_picture(take)
            self._follow_playback(take, view)
        self.watch.follow()
        self._follow_job()

    def _show(self, take: TakeInfo | None) -> None:
        before = self._shown
        is_other = take is None or before is None or take.id != before.id
        self._shown = take
        if is_other:
            self.roll.show(None)
            self._pictured = ("", 0.0)
        self.problem = take.problem if take else ""
        if take is not None:
            if is_other or before is None or take.seed != before.seed:
                self.seed.set_value(float(min(take.seed + 1, MAX_SEED)))
            self.name_line.show(take.name)
            self.tags.show(take.tags)
            self.star.icon = "star-full" if take.is_starred else "star"
            self.star.set_on(take.is_starred)
        self._enable()
        self.mark()

    def _enable(self) -> None:
        is_sound = self._shown is not None and not self.problem and self.roll.picture is not None
        self.roll.is_visible = not self.problem
        for control in (self.play_button, self.again, self.seed, self.export):
            control.set_enabled(is_sound)

    def _follow_picture(self, take: TakeInfo) -> None:
        wanted = (take.id, take.length_s)
        if self._pictured == wanted or self.problem:
            return
        found = self.services.reader.get(take.path, f"{take.length_s}")
        if found is None:
            self.ui.wake(0.02)
            return
        if isinstance(found, UserError):
            self.problem = found.message
        elif self._pictured[0] == take.id:
            # The take that is being recorded grows: the place in it stays.
            self.roll.update(found)
        else:
            self.roll.show(found)
        self._pictured = wanted
        self._enable()
        self.mark()

    def _follow_playback(self, take: TakeInfo, view: DeskView) -> None:
        is_playing = is_of(take, view.take.playing)
        if is_playing:
            self.roll.move_cursor(view.take.position_s, is_playing=True)
            self.ui.wake(1 / 30)
        elif self._is_playing:
            at_end = (
                self.roll.picture is not None and self.roll.cursor_s >= self.roll.picture.duration_s - 0.3
            )
            back = self.roll.picture.start_s(self.roll.chosen_bar) if self.roll.picture and at_end else None
            self.roll.move_cursor(self.roll.cursor_s if back is None else back, is_playing=False)
        if is_playing != self._is_playing:
            self._is_playing = is_playing
            self.play_button.text = "Stop" if is_playing else "Play"
            self.play_button.icon = "stop" if is_playing else "play"
            self.mark()

    def _follow_job(self) -> None:
        job = self.watch.running()
        for widget in (self.progress, self.doing, self.cancel):
            if widget.is_visible != (job is not None):
                widget.is_visible = job is not None
                self.mark()
        if job is not None:
            self.progress.show(job.fraction)
            self.doing.say(job.doing or f"{job.title}…")
            self.ui.wake(0.1)

    # What is done.

    def play(self, from_s: float) -> None:
        """Play the take back from a second."""
        if self._shown is not None and self.roll.picture is not None and not self.problem:
            self.ui.do(PlayTake(self._shown.path, max(0.0, min(from_s, self.roll.picture.duration_s))))

    def toggle_playing(self) -> None:
        """Play from the cursor, or stop."""
        if self._is_playing:
            self.ui.do(StopTake())
        elif self._shown is not None:
            at_end = (
                self.roll.picture is not None and self.roll.cursor_s >= self.roll.picture.duration_s - 0.05
            )
            self.play(0.0 if at_end else self.roll.cursor_s)

    def _chose_bar(self, bar: int, at_s: float) -> None:  # noqa: ARG002 - the roll keeps the bar
        if self._is_playing:
            self.play(at_s)
        self.mark()

    def delete(self) -> None:
        """Move the take to the trash; Ctrl+Z brings it back."""
        if self._shown is not None:
            if self._is_playing:
                self.ui.do(StopTake())
            self.shelf.trash(self._shown)

    def _rename(self, name: str) -> None:
        if self._shown is not None:
            self.shelf.rename(self._shown, name)

    def _star(self) -> None:
        if self._shown is not None:
            self.shelf.star(self._shown)

    def _tag(self, tag: str) -> None:
        if self._shown is not None:
            self.shelf.tag(self._shown, tag)

    def _untag(self, tag: str) -> None:
        if self._shown is not None:
            self.shelf.untag(self._shown, tag)

    def _open_exports(self) -> None:
        items = [
            MenuItem(words, lambda kind=kind: self._export(kind), icon, detail)  # type: ignore[misc]
            for kind, words, detail, icon in EXPORTS
        ]
        items.append(MenuItem("Verify", self._verify, "check", "made anew, compared bit for bit"))
        # As wide as this it ends where the buttons end.
        width = self.ui.theme.px(MENU_PX)
        at = pygame.Rect(self.trash.rect.right - width, self.export.rect.top, width, self.export.rect.height)
        open_menu(self.ui, items, at)

    def _export(self, kind: str) -> None:
        if self._shown is None:
            return
        try:
            folder = settings.made_folder(settings.exports_folder())
        except UserError as fault:
            self.ui.toast(fault.message, fault.hint, is_fault=True)
            return
        argv = ["takes", "export", self._shown.id, "--out", str(folder), "--kind", kind]
        self.watch.start("Exporting", argv, self._exported)

    def _exported(self, result: dict[str, str]) -> None:
        out = Path(result["out"])
        self.ui.toast(f"{out.name} is written.", f"It is in {out.parent}.")

    def _verify(self) -> None:
        if self._shown is not None:
            self.watch.start("Verifying", ["takes", "verify", self._shown.id], self._verified)

    def _verified(self, result: dict[str, Any]) -> None:
        sentence, hint, is_fault = verified_words(result)
        self.ui.toast(sentence, hint, is_fault=is_fault)

    def _try_again(self) -> None:
        if self._shown is None:
            return
        bar, seed = self.roll.chosen_bar, round(self.seed.value)
        argv = ["takes", "try-again", self._shown.id, "--from-bar", str(bar), "--seed", str(seed)]
        if self.watch.start("The partner tries again", argv, self._tried) and seed < MAX_SEED:
            self.seed.set_value(float(seed + 1))

    def _tried(self, result: dict[str, str]) -> None:
        self.shelf.reveal(str(result["id"]))
        take = self.shelf.current
        words = f"from bar {take.from_bar}" if take and take.from_bar else "again"
        self.ui.toast(f"The partner played anew {words}.", "The take it came from is still there.")

    def key(self, event: Key) -> bool:
        """Keys of a take, wherever the focus is on this screen."""
        if not event.is_down or event.is_repeat or self._shown is None:
            return False
        actions = {"space": self.toggle_playing, "f2": self.name_line.edit, "delete": self.delete}
        if event.control:
            actions = {"e": self._open_exports, "b": self._star}
        if event.name not in actions:
            return False
        actions[event.name]()
        return True

    # How it looks.

    def arrange(self) -> None:
        """Place everything."""
        px = self.ui.theme.px
        self._layout = lay = detail_layout(self.rect, self.ui.theme.scale)
        self.name_line.place(lay.name)
        for number, button in enumerate((self.star, self.export, self.trash)):
            button.place(
                pygame.Rect(
                    lay.buttons.left + number * px(44) + px(4), lay.buttons.top + px(2), px(36), px(36)
                )
            )
        self.tags.place(lay.tags)
        self.roll.place(lay.roll)
        play = pygame.Rect(lay.transport.left, lay.transport.top + px(4), px(112), px(36))
        self.play_button.place(play)
        width = px(150)
        self.cancel.place(pygame.Rect(lay.transport.right - px(72), play.top + px(2), px(72), px(32)))
        self.progress.place(
            pygame.Rect(self.cancel.rect.left - width - px(8), play.centery - px(3), width, px(6))
        )
        left, right = play.right + px(140), self.progress.rect.left - px(12)
        label = pygame.Rect(left, play.top, max(0, right - left), play.height)
        self.doing.place(label)
        self.doing.align = "right"
        box = lay.again.inflate(-px(16), 0)
        button_width = self.again.width() + px(8)
        self.again.place(pygame.Rect(box.right - button_width, box.centery - px(18), button_width, px(36)))
        self.seed.place(
            pygame.Rect(self.again.rect.left - px(12) - px(150), box.centery - px(18), px(150), px(36))
        )

    def draw(self, painter: Painter) -> None:
        """Facts, time, and the words before "Try again"."""
        super().draw(painter)
        take, lay = self._shown, self._layout
        if take is None:
            return
        painter.text(detail_words(take, self.shelf.now()), lay.facts, color=INK_SOFT)
        self._draw_time(painter, take)
        self._draw_again(painter)
        if self.problem:
            painter.box(lay.roll, mixed(PANEL, ALARM, 0.06), radius_px=8, edge=mixed(PANEL, ALARM, 0.3))
            middle = pygame.Rect(0, 0, min(lay.roll.width - painter.px(64), painter.px(460)), painter.px(96))
            middle.center = lay.roll.center
            painter.paragraph(self.problem, middle, color=mixed(PANEL, ALARM, 0.9), align="center")

    def _draw_time(self, painter: Painter, take: TakeInfo) -> None:
        box = pygame.Rect(
            self.play_button.rect.right + painter.px(16), self.play_button.rect.top, painter.px(70),
            self.play_button.rect.height,
        )  # fmt: skip
        at = painter.text(length_words(self.roll.cursor_s), box, size="title", weight="medium")
        rest = pygame.Rect(at.right + painter.px(6), box.top + painter.px(2), painter.px(90), box.height)
        painter.text(f"/ {length_words(take.length_s)}", rest, color=INK_FAINT)
        if not self.progress.is_visible:
            self._draw_legend(painter, take)

    def _draw_legend(self, painter: Painter, take: TakeInfo) -> None:
        right = self._layout.transport.right
        row = pygame.Rect(0, self.play_button.rect.top, painter.px(190), self.play_button.rect.height)
        for words, count, color in (
            ("Partner", take.partner_notes, PARTNER),
            ("You", take.player_notes, PLAYER),
        ):
            row.right = right
            place = painter.text(f"{words}  {count:,}", row, size="small", color=INK_SOFT, align="right")
            painter.disc((place.left - painter.px(12), row.centery), 4, color)
            right = place.left - painter.px(34)

    def _draw_again(self, painter: Painter) -> None:
        box = self._layout.again
        painter.box(box, mixed(PANEL, RAISED, 0.5), radius_px=10, edge=mixed(PANEL, EDGE, 0.8))
        left = box.left + painter.px(16)
        room = pygame.Rect(left, box.top, self.seed.rect.left - painter.px(16) - left, box.height)
        upper = pygame.Rect(room.left, box.top + painter.px(10), room.width, painter.px(20))
        painter.text(f"From bar {self.roll.chosen_bar} on", upper, weight="medium", color=INK)
        lower = pygame.Rect(room.left, upper.bottom, room.width, painter.px(18))
        words = ("Your notes stay, the partner plays anew.", "The partner plays anew.", "Played anew.")
        scale = painter.theme.scale
        fitting = (each for each in words if text_width(each, "small", "regular", scale) <= lower.width)
        painter.text(next(fitting, ""), lower, size="small", color=INK_SOFT)


def is_of(take: TakeInfo, playing: Path | None) -> bool:
    """Whether the take played back is this one: named by its file or its folder."""
    return playing is not None and playing in {take.path, take.path.parent}
