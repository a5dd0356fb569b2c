"""The left of the Takes screen: search, filters, the list, and where the files are."""

from __future__ import annotations

from dataclasses import replace

import pygame

from studio.takes import TakeInfo
from studio.ui.controls import IconButton, Panel
from studio.ui.fields import TextField
from studio.ui.lists import ListView, RowState
from studio.ui.overlays import Dropdown
from studio.ui.paint import Painter
from studio.ui.screens.takes_shelf import TakesShelf
from studio.ui.screens.takes_trash import TrashDialog
from studio.ui.screens.takes_words import ALL_TAGS, SORTS, count_words, length_words, line_words
from studio.ui.theme import ALARM, GROUND, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, RAISED, mixed
from studio.ui.widget import Action, Ui

ROW_PX, THUMB_PX, NARROW_THUMB_PX, THUMB_HEIGHT_PX = 72, 104, 80, 44
HEAD_PX, FOOT_PX = 100, 40

NOTHING_FOUND = "No take fits.\nEscape shows them all."


class TakesSide(Panel):
    """Search, filters and the list.

    Args:
        ui: The program around it.
        shelf: What is shown.
        open_take: What a double click or Enter on a row does.
    """

    def __init__(self, ui: Ui, shelf: TakesShelf, open_take: Action) -> None:
        super().__init__(ui, "takes.side")
        self.shelf = shelf
        self.search = self.add(
            TextField(ui, "takes.search", on_change=self._search, placeholder="Search takes", icon="search",
                      tooltip="By name, tag, partner or date (Ctrl+F)")
        )  # fmt: skip
        self.starred = self.add(
            IconButton(ui, "takes.starred", "star", self._toggle_starred, tooltip="Only starred takes",
                       accent=PARTNER, is_toggle=True, is_bare=False)
        )  # fmt: skip
        self.tag = self.add(
            Dropdown(ui, "takes.tag", [ALL_TAGS], ALL_TAGS, self._choose_tag, tooltip="Only one tag")
        )
        self.sort = self.add(Dropdown(ui, "takes.sort", SORTS, SORTS[0], self._choose_sort, tooltip="Order"))
        self.list = self.add(
            ListView(ui, "takes.list", self._draw_row, row_px=ROW_PX, on_select=self._select,
                     on_open=lambda _: open_take())
        )  # fmt: skip
        self.trash = self.add(
            IconButton(
                ui, "takes.side.trash", "trash", self.open_trash, tooltip="Trash: deleted takes, and back"
            )
        )
        self._version = -1

    def arrange(self) -> None:
        """Two rows of controls, the list, a line below."""
        px = self.ui.theme.px
        box = self.rect.inflate(-px(24), 0)
        row = pygame.Rect(box.left, self.rect.top + px(16), box.width, px(32))
        star = px(32)
        self.search.place(pygame.Rect(row.left, row.top, row.width - star - px(8), row.height))
        self.starred.place(pygame.Rect(row.right - star, row.top, star, row.height))
        row.top += px(40)
        half = (row.width - px(8)) // 2
        self.tag.place(pygame.Rect(row.left, row.top, half, row.height))
        self.sort.place(pygame.Rect(row.right - half, row.top, half, row.height))
        bin_px = px(30)
        self.trash.place(
            pygame.Rect(box.right - bin_px, self.rect.bottom - px(FOOT_PX) + px(4), bin_px, bin_px)
        )
        top = self.rect.top + px(HEAD_PX)
        self.list.place(
            pygame.Rect(
                self.rect.left + px(8), top, self.rect.width - px(12), self.rect.bottom - px(FOOT_PX) - top
            )
        )

    def open_trash(self) -> None:
        """Show what was deleted."""
        shelf = self.shelf
        self.ui.popup(TrashDialog(self.ui, shelf.trashed(), shelf.now(), shelf.bring_back))

    def follow(self) -> None:
        """Show what the shelf shows now."""
        if self.shelf.version == self._version:
            return
        self._version = self.shelf.version
        sieve = self.shelf.sieve
        self.tag.set_options([ALL_TAGS, *self.shelf.tags()])
        self.tag.set_value(sieve.tag or ALL_TAGS)
        self.search.set_text(sieve.words)
        self.starred.set_on(sieve.is_starred_only)
        self.list.set_count(len(self.shelf.shown))
        # The first words of an empty list are said by the large empty state at the right.
        self.list.empty = "" if sieve.is_open else NOTHING_FOUND
        self.list.select(self.shelf.row)
        self.mark()

    def clear(self) -> None:
        """Show every take again."""
        self.shelf.sift(replace(self.shelf.sieve, words="", is_starred_only=False, tag=""))

    def _search(self, words: str) -> None:
        self.shelf.sift(replace(self.shelf.sieve, words=words))

    def _toggle_starred(self) -> None:
        self.shelf.sift(replace(self.shelf.sieve, is_starred_only=self.starred.is_on))

    def _choose_tag(self, tag: str) -> None:
        self.shelf.sift(replace(self.shelf.sieve, tag="" if tag == ALL_TAGS else tag))

    def _choose_sort(self, sort: str) -> None:
        self.shelf.sift(replace(self.shelf.sieve, sort=sort))

    def _select(self, row: int) -> None:
        # A take may have gone since the list was drawn.
        if row < len(self.shelf.shown):
            self.shelf.choose(self.shelf.shown[row].id)

    def draw(self, painter: Painter) -> None:
        """Ground, and how much there is."""
        super().draw(painter)
        foot = pygame.Rect(
            self.rect.left + painter.px(20), self.rect.bottom - painter.px(FOOT_PX),
            self.rect.width - painter.px(40), painter.px(FOOT_PX),
        )  # fmt: skip
        shown = self.shelf.shown
        words = f"{count_words(len(shown), 'take')}  ·  {length_words(sum(take.length_s for take in shown))}"
        if len(shown) < len(self.shelf.takes):
            words = f"{len(shown):,} of {count_words(len(self.shelf.takes), 'take')}"
        if self.shelf.takes:
            painter.text(words, foot, size="small", color=INK_FAINT)

    def _draw_row(self, painter: Painter, rect: pygame.Rect, row: int, state: RowState) -> None:
        take = self.shelf.shown[row]
        px = painter.px
        thumb = pygame.Rect(
            rect.left + px(10),
            0,
            px(THUMB_PX if rect.width > px(300) else NARROW_THUMB_PX),
            px(THUMB_HEIGHT_PX),
        )
        thumb.centery = rect.centery
        painter.box(thumb, mixed(GROUND, PANEL, 0.3), radius_px=5)
        inner = thumb.inflate(-px(8), -px(6))
        image = self.shelf.thumbnail(take, inner.size)
        if image is not None:
            painter.image(image, inner)
        elif take.problem:
            painter.icon("panic", thumb, mixed(PANEL, ALARM, 0.7), size_px=18)
        left = thumb.right + px(14)
        room = pygame.Rect(left, rect.top, rect.right - px(12) - left, rect.height)
        if take.is_starred:
            star = pygame.Rect(room.right - px(14), rect.top + px(14), px(14), px(20))
            painter.icon("star-full", star, PARTNER, size_px=14)
        has_tags = bool(take.tags)
        top = rect.top + px(10)
        name = pygame.Rect(left, top, room.width - (px(20) if take.is_starred else 0), px(20))
        painter.text(take.name, name, weight="medium", color=INK if not take.problem else INK_SOFT)
        line = pygame.Rect(left, name.bottom, room.width, px(18))
        color = mixed(PANEL, ALARM, 0.8) if take.problem else INK_SOFT
        when, length = line_words(take, self.shelf.now())
        place = painter.text(length, line, size="small", color=INK_SOFT, align="right")
        line.width = place.left - px(8) - left
        painter.text(when, line, size="small", color=color)
        if has_tags:
            _draw_tags(painter, take, pygame.Rect(left, line.bottom, room.width, px(18)))
        if not state.is_selected and row + 1 < len(self.shelf.shown):
            hairline = pygame.Rect(left, rect.bottom - px(1), room.width, px(1))
            painter.fill(hairline, mixed(PANEL, RAISED, 0.55))


def _draw_tags(painter: Painter, take: TakeInfo, row: pygame.Rect) -> None:
    icon = pygame.Rect(row.left, row.top, painter.px(12), row.height)
    painter.icon("tag", icon, INK_FAINT, size_px=11)
    rest = pygame.Rect(icon.right + painter.px(5), row.top, row.width - painter.px(17), row.height)
    painter.text(", ".join(take.tags), rest, size="tiny", color=INK_FAINT, weight="medium")
