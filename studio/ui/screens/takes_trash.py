"""The trash of the Takes screen: what was deleted, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pygame

from studio.takes import Trashed
from studio.ui.lists import ListView, RowState
from studio.ui.overlays import Dialog
from studio.ui.paint import Painter
from studio.ui.screens.takes_words import date_words
from studio.ui.theme import INK_SOFT
from studio.ui.widget import Key, Ui

ROW_PX, MOST_ROWS = 44, 6


class TrashDialog(Dialog):
    """Lists deleted takes; the selected one is brought back.

    Args:
        ui: The program around it.
        trashed: What is in the trash, newest first.
        now: Date and time.
        restore: Brings one back.
    """

    def __init__(
        self, ui: Ui, trashed: Sequence[Trashed], now: datetime, restore: Callable[[Trashed], None]
    ) -> None:
        self.trashed, self._now, self._restore = tuple(trashed), now, restore
        text = "" if trashed else "It is empty. Takes that you delete wait here."
        super().__init__(
            ui, "Trash", text, confirm="Bring back" if trashed else "", on_confirm=self._bring_back,
            cancel="Close", name="takes.trashed",
        )  # fmt: skip
        if trashed:
            self.list = self.body.add(
                ListView(
                    ui, "takes.trashed.list", self._draw_row, row_px=ROW_PX, on_open=lambda _: self.accept()
                )
            )
            self.list.set_count(len(self.trashed))
            self.list.select(0)
            self.arrange()

    def body_height(self, width: int) -> int:  # noqa: ARG002 - one size
        """A few rows; the rest is scrolled to."""
        return self.ui.theme.px(ROW_PX) * min(len(self.trashed), MOST_ROWS)

    def arrange(self) -> None:
        """The list fills the body."""
        super().arrange()
        for child in self.body.children:
            child.place(self.body.rect)

    def key(self, event: Key) -> bool:
        """The arrows choose."""
        if event.is_down and event.name in {"up", "down"} and self.trashed:
            return self.list.key(event)
        return super().key(event)

    def _bring_back(self) -> None:
        self._restore(self.trashed[self.list.selected])

    def _draw_row(self, painter: Painter, rect: pygame.Rect, row: int, state: RowState) -> None:  # noqa: ARG002
        each, inner = self.trashed[row], rect.inflate(-painter.px(24), 0)
        when = painter.text(
            date_words(each.when, self._now), inner, size="small", color=INK_SOFT, align="right"
        )
        inner.width = when.left - painter.px(12) - inner.left
        painter.text(each.name, inner, weight="medium")
