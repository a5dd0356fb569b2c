"""The MIDI learn table: press Learn, move a control, done."""

from __future__ import annotations

import math

import pygame

from studio.live.deskview import DeskView, Forget, Learn
from studio.ui.controls import Button, Panel
from studio.ui.lists import ListView, RowState
from studio.ui.paint import Painter
from studio.ui.screens.prose import card_title
from studio.ui.screens.settings_rows import LearnRow, learn_rows, target_words
from studio.ui.theme import EDGE, GOOD, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, RAISED, mixed
from studio.ui.widget import Key, Pointer, Ui

PULSE_S = 0.9
LEARN_PX, FORGET_PX = 72, 30
GLOW_S = 2.0
"""How long a line glows after something was learned for it."""


class LearnTable(Panel):
    """Every target with its controller.

    Args:
        ui: The program around it.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "settings.learn", radius_px=12)
        self.rows: list[LearnRow] = learn_rows(())
        self.learning: str | None = None
        self.list = self.add(
            ListView(ui, "settings.learn.list", self._draw_row, row_px=40, on_open=self._toggle,
                     on_row_pointer=self._press_in_row)
        )  # fmt: skip
        self.list.set_count(len(self.rows))
        self.reset = self.add(
            Button(ui, "settings.learn.reset", "Forget all", self._forget_all, icon="undo", is_bare=True,
                   tooltip="Take every learned controller away")
        )  # fmt: skip
        self._learned_s: dict[str, float] = {}
        self._is_shown = False

    def follow(self, view: DeskView) -> None:
        """See what is learned, and what waits."""
        rows = learn_rows(view.learned)
        for before, after in zip(self.rows, rows, strict=True):
            # What was known when the screen opened is no news.
            if self._is_shown and after.learned and after.learned != before.learned:
                self._learned_s[after.target] = self.ui.now_s
        self._is_shown = True
        if (rows, view.learning) != (self.rows, self.learning):
            self.rows, self.learning = rows, view.learning
            self.mark()
        self.reset.set_enabled(any(row.learned for row in rows))
        is_glowing = any(self.ui.now_s - at_s < GLOW_S + 0.1 for at_s in self._learned_s.values())
        if self.learning is not None or is_glowing:
            self.mark()
            self.ui.wake(1 / 30)

    def arrange(self) -> None:
        """Title, hint, table."""
        px = self.ui.theme.px
        top = self.rect.top + px(78)
        room = (self.rect.bottom - px(12) - top) / len(self.rows) / self.ui.theme.scale
        self.list.row_px = min(max(math.floor(room), 36), 52)
        self.list.place(
            pygame.Rect(
                self.rect.left + px(8), top, self.rect.width - px(16), self.rect.bottom - px(10) - top
            )
        )
        width = self.reset.width()
        self.reset.place(pygame.Rect(self.rect.right - px(6) - width, self.rect.top + px(8), width, px(32)))

    def key(self, event: Key) -> bool:
        """Escape disarms; Delete forgets; Enter and space arm."""
        if not event.is_down or event.control:
            return False
        row = self.list.selected
        if event.name == "escape" and self.learning is not None:
            self.ui.do(Learn(None))
        elif event.name in {"delete", "backspace"} and row >= 0:
            self._forget(row)
        elif event.name == "space" and row >= 0 and not event.is_repeat:
            self._toggle(row)
        else:
            return False
        return True

    def learn_rect(self, row: pygame.Rect) -> pygame.Rect:
        """Where the Learn button of a row is."""
        px = self.ui.theme.px
        return pygame.Rect(row.right - px(12) - px(LEARN_PX), row.centery - px(14), px(LEARN_PX), px(28))

    def forget_rect(self, row: pygame.Rect) -> pygame.Rect:
        """Where the Forget button of a row is."""
        px = self.ui.theme.px
        left = self.learn_rect(row).left - px(4) - px(FORGET_PX)
        return pygame.Rect(left, row.centery - px(14), px(FORGET_PX), px(28))

    def _press_in_row(self, event: Pointer, row: int, rect: pygame.Rect) -> bool:
        if event.kind != "down" or event.button != 1:
            return False
        if self.learn_rect(rect).collidepoint(event.x, event.y):
            self.list.select(row)
            self._toggle(row)
            return True
        if self.forget_rect(rect).collidepoint(event.x, event.y):
            self.list.select(row)
            self._forget(row)
            return True
        return False

    def _toggle(self, row: int) -> None:
        target = self.rows[row].target
        self.ui.do(Learn(None if self.learning == target else target))

    def _forget(self, row: int) -> None:
        if self.rows[row].learned:
            self.ui.do(Forget(self.rows[row].target))

    def _forget_all(self) -> None:
        for row in self.rows:
            if row.learned:
                self.ui.do(Forget(row.target))

    def draw(self, painter: Painter) -> None:
        """Title, and what to do now."""
        super().draw(painter)
        px = painter.px
        title = card_title(painter, self.rect, "MIDI learn")
        line = pygame.Rect(title.left, title.bottom, title.width, px(24))
        if self.learning is not None:
            words = f"Move a knob, fader or button for {target_words(self.learning)} now.  Esc stops."
            painter.text(
                words, line, color=mixed(PANEL, PARTNER, 0.55 + 0.45 * self._pulse()), weight="medium"
            )
        else:
            words = "Press Learn, then move a control of your keyboard."
            painter.text(words, line, size="small", color=INK_SOFT)
        edge = pygame.Rect(self.rect.left, self.rect.top + px(72), self.rect.width, px(1))
        painter.fill(edge, mixed(PANEL, EDGE, 0.7))

    def _pulse(self) -> float:
        return 0.5 + 0.5 * math.sin(2 * math.pi * self.ui.now_s / PULSE_S)

    def _draw_row(self, painter: Painter, rect: pygame.Rect, number: int, state: RowState) -> None:
        row, px = self.rows[number], painter.px
        is_armed = row.target == self.learning
        if is_armed:
            ground = mixed(PANEL, PARTNER, 0.1 + 0.1 * self._pulse())
            painter.box(rect, ground, radius_px=6, edge=mixed(PANEL, PARTNER, 0.3 + 0.4 * self._pulse()))
        glow = 1 - (self.ui.now_s - self._learned_s.get(row.target, float("-inf"))) / GLOW_S
        if glow > 0:
            painter.box(rect, mixed(PANEL, GOOD, 0.22 * glow), radius_px=6)
        name = pygame.Rect(rect.left + px(12), rect.top, px(96), rect.height)
        painter.text(row.words, name, color=INK, weight="medium" if row.learned else "regular")
        room = pygame.Rect(
            name.right + px(8), rect.top, self.forget_rect(rect).left - name.right - px(12), rect.height
        )
        if is_armed:
            painter.text("waiting…", room, size="small", color=PARTNER)
        elif row.learned:
            dot = (room.left + px(4), room.centery)
            painter.disc(dot, 3.5, GOOD)
            words = pygame.Rect(room.left + px(16), room.top, room.width - px(16), room.height)
            painter.text(row.learned, words, size="small", color=INK_SOFT)
        else:
            painter.text(
                "button" if row.is_button else "knob or fader",
                room,
                size="small",
                color=INK_FAINT,
            )
        self._draw_buttons(
            painter, rect, row, is_armed=is_armed, is_lit=state.is_hovered or state.is_selected
        )

    def _draw_buttons(
        self, painter: Painter, rect: pygame.Rect, row: LearnRow, *, is_armed: bool, is_lit: bool
    ) -> None:
        learn = self.learn_rect(rect)
        if is_armed:
            painter.box(learn, PARTNER, radius_px=7)
            painter.text("Cancel", learn, size="small", color=PANEL, weight="bold", align="center")
        else:
            painter.box(
                learn, mixed(PANEL, RAISED, 1.0 if is_lit else 0.7), radius_px=7, edge=mixed(PANEL, EDGE, 0.9)
            )
            painter.text(
                "Learn",
                learn,
                size="small",
                color=INK if is_lit else INK_SOFT,
                weight="medium",
                align="center",
            )
        if row.learned:
            painter.icon("cross", self.forget_rect(rect), INK_SOFT if is_lit else INK_FAINT, size_px=11)
