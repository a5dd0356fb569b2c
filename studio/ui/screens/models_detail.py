"""The right of the Models screen: one model's card, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pygame

from studio.live.deskview import DeskView
from studio.live.planner import ModelState
from studio.ui.controls import Button, Panel
from studio.ui.displays import Progress
from studio.ui.lists import ScrollArea
from studio.ui.paint import Painter
from studio.ui.screens.models_card import Card, card_of
from studio.ui.screens.models_chart import chart_height, draw_chart
from studio.ui.screens.models_list import RULES_ROW, ModelRow
from studio.ui.screens.prose import badge, fact, fact_height, prose_height
from studio.ui.theme import ALARM, EDGE, GOOD, INK_SOFT, PANEL, PARTNER, mixed
from studio.ui.widget import Ui, Widget

if TYPE_CHECKING:
    from studio.jobs import Job

RULES_CARD = Card(
    "Rules",
    "Chords, bass and a simple pattern worked out from the keys you hold. No model, no waiting.",
    ("built in", "always there"),
    (),
    (("Turns", "notes to notes"), ("Thinking time", "none"), ("License", "Apache-2.0")),
    ("It knows triads and sevenths, not styles.", "It follows; it has no ideas of its own."),
)

HEAD_PX = 136
FACT_LABEL_PX = 104
WIDE_PX = 760
"""From here on charts and facts stand side by side."""


class Doer(Protocol):
    """What the buttons of the card call."""

    def use(self) -> None:
        """Play with it."""

    def preview(self) -> None:
        """Hear it."""

    def promote(self) -> None:
        """Make it current."""

    def roll_back(self) -> None:
        """Go back."""


class ModelDetail(Panel):
    """Name, buttons, and the card below them.

    Args:
        ui: The program around it.
        doer: What the buttons do.
    """

    def __init__(self, ui: Ui, doer: Doer) -> None:
        super().__init__(ui, "models.detail")
        self.use = self.add(
            Button(ui, "models.use", "Play with it", doer.use, icon="check", is_primary=True, accent=PARTNER,
                   tooltip="Your partner from now on (Enter)")
        )  # fmt: skip
        self.preview = self.add(
            Button(
                ui,
                "models.preview",
                "Preview",
                doer.preview,
                icon="play",
                tooltip="A short tune with it (space)",
            )
        )
        self.promote = self.add(
            Button(ui, "models.promote", "Make current", doer.promote, icon="up",
                   tooltip="Let the name alone mean this version")
        )  # fmt: skip
        self.roll_back = self.add(
            Button(ui, "models.rollback", "Roll back", doer.roll_back, icon="undo",
                   tooltip="Go back to the version before the last change")
        )  # fmt: skip
        self.progress = self.add(Progress(ui, "models.progress", accent=PARTNER))
        self.body = CardBody(ui)
        self.scroll = self.add(ScrollArea(ui, "models.scroll", self.body, self.body.height))
        self.row: ModelRow = RULES_ROW
        self.state_words, self.state_color = "", INK_SOFT
        self._doing = ""

    def show(self, row: ModelRow, *, n_versions: int, can_roll_back: bool) -> None:
        """Another model."""
        self.row = row
        card = card_of(row.bundle) if row.bundle else RULES_CARD
        self.body.card = card
        self.scroll.scroller.offset = 0
        self.use.set_enabled(row.is_usable)
        self.preview.is_visible = row.can_preview
        self.promote.is_visible = n_versions > 1 and row.bundle is not None and not row.bundle.is_current
        self.roll_back.is_visible = can_roll_back and row.bundle is not None and row.bundle.is_current
        self.arrange()
        self.mark()

    def follow(self, view: DeskView, job: Job | None, *, is_previewing: bool, is_preview_made: bool) -> None:
        """Whether it plays along, how its process is, and what runs."""
        is_ours = self.row.title == (view.model_name or "none")
        words, color = state_words(view, is_ours=is_ours)
        label = "Plays along" if is_ours else "Play with it"
        doing = (job.doing or f"{job.title}…") if job else ""
        shown = (words, color, doing)
        if shown != (self.state_words, self.state_color, self._doing) or label != self.use.text:
            self.state_words, self.state_color, self._doing = shown
            self.use.text = label
            self.arrange()
            self.mark()
        self.use.set_enabled(self.row.is_usable and not is_ours)
        sign = ("Stop", "stop") if is_previewing else ("Preview", "play")
        if sign != (self.preview.text, self.preview.icon):
            self.preview.text, self.preview.icon = sign
            self.mark()
        self.preview.set_enabled(is_previewing or not is_preview_made)
        self.progress.is_visible = job is not None
        if job is not None:
            self.progress.show(job.fraction)
            self.ui.wake(0.05)

    def arrange(self) -> None:
        """Name and buttons at the top, the card scrolls below."""
        px = self.ui.theme.px
        box = self.rect.inflate(-px(48), 0)
        x, top = box.left, self.rect.top + px(84)
        for button in (self.use, self.preview, self.promote, self.roll_back):
            if button.is_visible:
                width = button.width() + px(8)
                button.place(pygame.Rect(x, top, width, px(36)))
                x += width + px(8)
        self.progress.place(pygame.Rect(box.right - px(160), top + px(26), px(160), px(6)))
        y = self.rect.top + px(HEAD_PX)
        self.scroll.place(
            pygame.Rect(self.rect.left, y, self.rect.width - px(4), max(0, self.rect.bottom - y))
        )

    def draw(self, painter: Painter) -> None:
        """Name, badges, how it stands."""
        super().draw(painter)
        px = painter.px
        card = self.body.card
        name = pygame.Rect(self.rect.left + px(24), self.rect.top + px(14), self.rect.width - px(48), px(36))
        place = painter.text(card.title, name, size="display", weight="bold")
        x = place.right + px(16)
        for words in card.badges:
            x = badge(painter, words, x, name.centery + px(2)) + px(6)
        line = pygame.Rect(name.left, name.bottom, name.width, px(24))
        if self.state_words:
            painter.disc((line.left + px(5), line.centery), 4, self.state_color)
            line = pygame.Rect(line.left + px(18), line.top, line.width - px(18), line.height)
            painter.text(self.state_words, line, color=self.state_color)
        else:
            painter.text(card.blurb, line, color=INK_SOFT)
        if self._doing:
            room = pygame.Rect(0, self.use.rect.top, px(260), px(22))
            room.right = self.rect.right - px(24)
            painter.text(self._doing, room, size="small", color=INK_SOFT, align="right")
        edge = pygame.Rect(self.rect.left, self.rect.top + px(HEAD_PX) - px(1), self.rect.width, px(1))
        painter.fill(edge, mixed(PANEL, EDGE, 0.7))


def state_words(view: DeskView, *, is_ours: bool) -> tuple[str, tuple[int, int, int]]:
    """What is said of the model that was chosen; empty for all others and while all is well."""
    if not is_ours or view.model_name in {"", "none"}:
        return "", INK_SOFT
    if view.model.state is ModelState.READY:
        return "Ready: it plays along.", GOOD
    if view.model.state in {ModelState.STARTING, ModelState.RESTARTING}:
        return "Loading. The rules play until it is ready.", PARTNER
    hint = f" {view.model.hint}" if view.model.hint else ""
    return (view.model.sentence or "It does not run; the rules play.") + hint, ALARM


class CardBody(Widget):
    """Charts, facts and limits; as tall as they need.

    Attributes:
        card: What is shown.
    """

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui, "models.card")
        self.card: Card = RULES_CARD

    def height(self, width: int) -> int:
        """Display pixels for a width."""
        px = self.ui.theme.px
        inner = width - px(48)
        if not self._is_wide(width):
            return px(24) + self._charts_height() + px(24) + self._facts_height(inner) + px(24)
        facts = self._split(inner)[1]
        return px(24) + max(self._charts_height(), self._facts_height(facts)) + px(24)

    def _is_wide(self, width: int) -> bool:
        return width >= self.ui.theme.px(WIDE_PX) and bool(self.card.charts)

    def _split(self, inner: int) -> tuple[int, int]:
        charts = min(round(inner * 0.54), self.ui.theme.px(640))
        return charts, min(inner - charts - self.ui.theme.px(56), self.ui.theme.px(560))

    def _charts_height(self) -> int:
        px = self.ui.theme.px
        return sum(px(chart_height(chart)) + px(24) for chart in self.card.charts)

    def _facts_height(self, width: int) -> int:
        px, theme = self.ui.theme.px, self.ui.theme
        limits = sum(
            prose_height(theme, words, "small", width - px(20)) + px(8) for words in self.card.limits
        )
        facts = sum(fact_height(theme, words, width - px(FACT_LABEL_PX)) for _, words in self.card.facts)
        return px(32) + facts + px(24) + px(32) + limits

    def draw(self, painter: Painter) -> None:
        """Charts at the left, facts and limits at the right, or below them where it is narrow."""
        px = painter.px
        box = pygame.Rect(
            self.rect.left + px(24), self.rect.top + px(24), self.rect.width - px(48), self.rect.height
        )
        if not self._is_wide(self.rect.width):
            top = self._draw_charts(painter, box, min(box.width, px(640)))
            rest = pygame.Rect(
                box.left, top + (px(8) if self.card.charts else 0), min(box.width, px(640)), box.height
            )
            self._draw_facts(painter, rest)
            return
        charts, facts = self._split(box.width)
        self._draw_charts(painter, box, charts)
        self._draw_facts(painter, pygame.Rect(box.left + charts + px(56), box.top, facts, box.height))

    def _draw_charts(self, painter: Painter, box: pygame.Rect, width: int) -> int:
        top = box.top
        for chart in self.card.charts:
            height = painter.px(chart_height(chart))
            draw_chart(painter, pygame.Rect(box.left, top, width, height), chart)
            top += height + painter.px(24)
        return top

    def _draw_facts(self, painter: Painter, box: pygame.Rect) -> None:
        px = painter.px
        row = pygame.Rect(box.left, box.top, box.width, px(22))
        if self.card.problem:
            painter.text(self.card.problem, row, color=ALARM)
            row.top += px(32)
        painter.text("What it is", row, weight="medium")
        row = pygame.Rect(box.left, row.top + px(32), box.width, px(20))
        for label, words in self.card.facts:
            row.top += fact(painter, label, words, row, px(FACT_LABEL_PX))
        if not self.card.limits:
            return
        title = pygame.Rect(box.left, row.top + px(24), box.width, px(22))
        painter.text("What it can't do", title, weight="medium")
        top = title.bottom + px(10)
        for words in self.card.limits:
            room = pygame.Rect(box.left + px(20), top, box.width - px(20), px(200))
            painter.disc((box.left + px(6), top + px(9)), 2, INK_SOFT)
            top += painter.paragraph(words, room, size="small", color=INK_SOFT) + px(8)
