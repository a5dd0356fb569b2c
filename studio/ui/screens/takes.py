"""The Takes screen: everything that was played, to hear again, keep, share, and to go on from."""

from __future__ import annotations

import pygame

from studio.live.deskview import DeskView
from studio.ui.controls import Button, Panel
from studio.ui.paint import Painter
from studio.ui.screens.services import Services, services_of
from studio.ui.screens.takes_detail import TakesDetail
from studio.ui.screens.takes_shelf import TakesShelf
from studio.ui.screens.takes_side import TakesSide
from studio.ui.theme import EDGE, GROUND, INK_SOFT, PANEL, PARTNER, PLAYER, mixed
from studio.ui.widget import Action, Key, Ui, Widget


def build(ui: Ui, services: Services | None = None) -> TakesScreen:
    """The screen, with the window's services unless others are given."""
    return TakesScreen(ui, services or services_of(ui))


def side_width(width: int, scale: float) -> int:
    """Width of the list, display pixels: a good third, within bounds."""
    return min(max(round(width * 0.31), round(296 * scale)), round(440 * scale))


class TakesScreen(Widget):
    """The list at the left, a take at the right; one large invitation while there are none.

    Args:
        ui: The program around it.
        services: Library, jobs and reader.
    """

    def __init__(self, ui: Ui, services: Services) -> None:
        super().__init__(ui, "takes")
        self.shelf = TakesShelf(ui, services.library, services.now)
        self.detail = self.add(TakesDetail(ui, self.shelf, services))
        self.side = self.add(TakesSide(ui, self.shelf, self.detail.toggle_playing))
        self.blank = self.add(NothingFound(ui, self.side.clear))
        self.nothing = self.add(NoTakes(ui, self.side.open_trash))
        self.nothing.is_visible = self.blank.is_visible = False

    def arrange(self) -> None:
        """List, hairline, take."""
        width = side_width(self.rect.width, self.ui.theme.scale)
        line = self.ui.theme.px(1)
        self.side.place(pygame.Rect(self.rect.topleft, (width, self.rect.height)))
        left = self.rect.left + width + line
        for panel in (self.detail, self.blank):
            panel.place(pygame.Rect(left, self.rect.top, self.rect.right - left, self.rect.height))
        self.nothing.place(self.rect)

    def look(self, view: DeskView) -> None:
        """Read what is due, then have both sides follow."""
        self.shelf.look()
        is_empty, has_choice = not self.shelf.takes, self.shelf.current is not None
        if is_empty and not self.nothing.is_visible:
            self.nothing.trash.is_visible = bool(self.shelf.trashed())
        self._show(self.nothing, is_empty)
        self._show(self.side, not is_empty)
        self._show(self.detail, has_choice)
        self._show(self.blank, not is_empty and not has_choice)
        self.side.follow()
        self.detail.follow(view)
        if self.shelf.lacks_thumbnails or any(not take.is_read for take in self.shelf.takes):
            self.side.mark()
            self.ui.wake()

    def _show(self, panel: Panel, is_visible: bool) -> None:
        if panel.is_visible != is_visible:
            panel.is_visible = is_visible
            panel.mark()

    def key(self, event: Key) -> bool:
        """Find, leave the search, and the keys of the take."""
        if event.is_down and event.control and event.name == "f":
            self.ui.focus(self.side.search)
            self.side.search.select_all()
            return True
        if event.is_down and event.name == "escape" and not self.shelf.sieve.is_open:
            self.side.clear()
            return True
        if event.is_down and event.name in {"up", "down"} and not event.control:
            return self.side.list.key(event)
        return self.detail.key(event)


class NothingFound(Panel):
    """What stands in a take's place when the search lets none through.

    Args:
        ui: The program around it.
        clear: Shows every take again.
    """

    def __init__(self, ui: Ui, clear: Action) -> None:
        super().__init__(ui, "takes.blank")
        self.clear = self.add(Button(ui, "takes.blank.clear", "Show all takes", clear, icon="list"))

    def arrange(self) -> None:
        """The button below the words."""
        px, width = self.ui.theme.px, self.clear.width() + self.ui.theme.px(24)
        top = self.rect.centery + px(44)
        self.clear.place(pygame.Rect(self.rect.centerx - width // 2, top, width, px(38)))

    def draw(self, painter: Painter) -> None:
        """A glass and two lines."""
        super().draw(painter)
        px = painter.px
        glass = pygame.Rect(self.rect.left, self.rect.centery - px(104), self.rect.width, px(48))
        painter.icon("search", glass, INK_SOFT, size_px=40)
        title = pygame.Rect(self.rect.left, glass.bottom + px(10), self.rect.width, px(32))
        painter.text("Nothing found", title, size="title", weight="bold", align="center")
        line = pygame.Rect(self.rect.left, title.bottom + px(2), self.rect.width, px(26))
        painter.text("No take fits the search.", line, color=INK_SOFT, align="center")


DRAWN = (
    (0, 3, 3), (3, 5, 2), (5, 6, 4), (9, 4, 3), (0, 8, 6), (6, 9, 6), (12, 8, 5), (12, 2, 2), (14, 3, 6),
    (20, 5, 3), (17, 9, 6), (23, 4, 4), (23, 8, 4),
)  # fmt: skip
"""Notes of the picture for an empty shelf: place, row, length."""


class NoTakes(Panel):
    """What is seen before anything was played.

    Args:
        ui: The program around it.
        open_trash: Shows what was deleted; offered when there is anything.
    """

    def __init__(self, ui: Ui, open_trash: Action) -> None:
        super().__init__(ui, "takes.none", color=GROUND)
        self.trash = self.add(
            Button(ui, "takes.none.trash", "Look into the trash", open_trash, icon="trash", is_bare=True)
        )
        self.trash.is_visible = False
        self.play = self.add(
            Button(
                ui,
                "takes.none.play",
                "Play something",
                lambda: ui.go("play"),
                icon="keyboard",
                is_primary=True,
            )
        )

    def arrange(self) -> None:
        """The button below the words."""
        px = self.ui.theme.px
        width = self.play.width() + px(32)
        self.play.place(
            pygame.Rect(self.rect.centerx - width // 2, self.rect.centery + px(92), width, px(42))
        )
        width = self.trash.width() + px(16)
        self.trash.place(
            pygame.Rect(self.rect.centerx - width // 2, self.play.rect.bottom + px(12), width, px(32))
        )

    def draw(self, painter: Painter) -> None:
        """A drawn take, and two lines."""
        super().draw(painter)
        px = painter.px
        picture = pygame.Rect(0, 0, px(300), px(120))
        picture.midbottom = (self.rect.centerx, self.rect.centery - px(24))
        painter.box(picture, PANEL, radius_px=12, edge=mixed(PANEL, EDGE, 0.8))
        unit = px(9)
        for number, (at, row, length) in enumerate(DRAWN):
            color = PARTNER if row >= 8 else PLAYER
            bar = pygame.Rect(
                picture.left + px(24) + at * unit,
                picture.top + px(6) + row * unit,
                length * unit - px(2),
                px(7),
            )
            painter.box(bar, mixed(PANEL, color, 0.35 + 0.05 * (number % 5)), radius_px=3)
        title = pygame.Rect(self.rect.left, self.rect.centery, self.rect.width, px(36))
        painter.text("No takes yet", title, size="display", weight="bold", align="center")
        line = pygame.Rect(self.rect.left, title.bottom + px(4), self.rect.width, px(26))
        words = "Everything you play is kept here by itself, from the first note on."
        painter.text(words, line, color=INK_SOFT, align="center")
