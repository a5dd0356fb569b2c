"""The Models screen: who plays along, what is known of each, and which version counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygame

from studio.live.deskview import ChooseModel, DeskView, PlayTake, StopTake
from studio.ui.controls import Button, Panel
from studio.ui.fields import TextField
from studio.ui.lists import ListView, RowState
from studio.ui.paint import Painter
from studio.ui.screens.jobwatch import JobWatch
from studio.ui.screens.models_detail import ModelDetail
from studio.ui.screens.models_list import RULES_ROW, ModelRow, draw_model_row, model_rows
from studio.ui.screens.models_shelf import can_roll_back, read_shelf
from studio.ui.screens.services import Services, services_of
from studio.ui.theme import EDGE, INK_FAINT, INK_SOFT, mixed
from studio.ui.widget import Key, Ui, Widget

RULES = "none"
REFRESH_S = 3.0
"""How often the folders are looked at for what other programs did."""


def build(ui: Ui, services: Services | None = None) -> ModelsScreen:
    """The screen, with the window's services unless others are given."""
    return ModelsScreen(ui, services or services_of(ui))


class ModelsScreen(Widget):
    """The list at the left, a card at the right.

    Args:
        ui: The program around it.
        services: Jobs and settings.
    """

    def __init__(self, ui: Ui, services: Services) -> None:
        super().__init__(ui, "models")
        self.services = services
        self.watch = JobWatch(services.jobs, lambda fault, hint: ui.toast(fault, hint, is_fault=True))
        self.side = self.add(ModelsSide(ui, self._select, self._use_row, self.install))
        self.detail = self.add(ModelDetail(ui, self))
        self.rows: list[ModelRow] = [RULES_ROW]
        self.chosen = ""
        self._due_s = float("-inf")
        self._preview: Path | None = None

    # What is shown.

    def arrange(self) -> None:
        """List, hairline, card."""
        px = self.ui.theme.px
        width = min(max(round(self.rect.width * 0.28), px(280)), px(400))
        self.side.place(pygame.Rect(self.rect.topleft, (width, self.rect.height)))
        left = self.rect.left + width + px(1)
        self.detail.place(pygame.Rect(left, self.rect.top, self.rect.right - left, self.rect.height))

    def look(self, view: DeskView) -> None:
        """Read the shelf when that is due, and follow desk and jobs."""
        if self.ui.now_s >= self._due_s:
            self.refresh()
        self.watch.follow()
        self.side.follow(view)
        is_made = self.watch.is_running("models", "preview", self.chosen)
        self.detail.follow(
            view, self.watch.running(), is_previewing=self.is_previewing(view), is_preview_made=is_made
        )

    def refresh(self) -> None:
        """Read the shelf again."""
        self._due_s = self.ui.now_s + REFRESH_S
        rows = model_rows(read_shelf())
        if rows != self.rows or not self.chosen:
            self.rows = rows
            titles = [row.title for row in rows]
            if self.chosen not in titles:
                wanted = self.ui.view.model_name
                self.chosen = wanted if wanted in titles else titles[0]
            self.side.show(rows, titles.index(self.chosen))
            self._show()

    @property
    def row(self) -> ModelRow:
        """The one at the right."""
        return next((row for row in self.rows if row.title == self.chosen), RULES_ROW)

    def _select(self, number: int) -> None:
        self.chosen = self.rows[number].title
        self._show()

    def _show(self) -> None:
        row = self.row
        others = [
            each for each in self.rows if each.bundle and row.bundle and each.bundle.name == row.bundle.name
        ]
        is_undoable = row.bundle is not None and can_roll_back(row.bundle.name)
        self.detail.show(row, n_versions=len(others), can_roll_back=is_undoable)

    def is_previewing(self, view: DeskView) -> bool:
        """Whether the preview of a model is heard."""
        return self._preview is not None and view.take.playing == self._preview

    # What is done.

    def use(self) -> None:
        """Play with the one at the right from now on."""
        row = self.row
        if not row.is_usable:
            return
        name = row.title
        self.ui.do(ChooseModel(name))
        self.services.settings.model = name
        self.services.remember(self.ui)
        words = (
            "The rules play along now." if name == RULES else f"{name} plays along as soon as it is loaded."
        )
        self.ui.toast(words)

    def _use_row(self, number: int) -> None:
        self._select(number)
        self.use()

    def preview(self) -> None:
        """Hear it, or stop."""
        if self.is_previewing(self.ui.view):
            self.ui.do(StopTake())
            return
        self.watch.start(f"Preview of {self.chosen}", ["models", "preview", self.chosen], self._previewed)

    def _previewed(self, result: dict[str, Any]) -> None:
        self._preview = Path(result["take"])
        self.ui.do(PlayTake(self._preview))

    def promote(self) -> None:
        """Let the bundle's name alone mean this version; can be undone."""
        bundle = self.row.bundle
        if bundle is None or bundle.is_current:
            return
        family = (row.bundle for row in self.rows if row.bundle and row.bundle.name == bundle.name)
        before = next((each.version for each in family if each.is_current), "")
        self._promote(bundle.name, bundle.version)
        if before:
            self.ui.remember(
                f"making {bundle.title} current",
                lambda: self._promote(bundle.name, before),
                lambda: self._promote(bundle.name, bundle.version),
            )

    def _promote(self, name: str, version: str) -> None:
        self.watch.start(
            f"Making {name} {version} current", ["models", "promote", name, version], self._changed
        )

    def roll_back(self) -> None:
        """Go back to the version before the last promotion."""
        bundle = self.row.bundle
        if bundle is not None:
            self.watch.start(
                f"Rolling {bundle.name} back", ["models", "rollback", bundle.name], self._changed
            )

    def install(self, path: str) -> None:
        """Install a bundle from a folder or an .antiphon file."""
        path = path.strip().strip('"').removeprefix("file://")
        if path:
            self.watch.start(
                "Installing", ["models", "install", str(Path(path).expanduser())], self._installed
            )

    def drop(self, path: Path) -> None:
        """A file was dropped on the window."""
        self.install(str(path))

    def _installed(self, result: dict[str, Any]) -> None:
        self.side.path.set_text("")
        self.chosen = f"{result['name']}@{result['version']}"
        self._changed(result)

    def _changed(self, result: dict[str, Any]) -> None:
        self.ui.toast(f"{result['name']} {result['version']}: {result['action']}.")
        self.rows = []
        self.refresh()

    def key(self, event: Key) -> bool:
        """Space previews, Enter uses, arrows go through the list."""
        if not event.is_down or event.control:
            return False
        if event.name in {"up", "down"}:
            return self.side.list.key(event)
        actions = {"space": self.preview, "return": self.use, "enter": self.use}
        if (
            event.name not in actions
            or event.is_repeat
            or (event.name == "space" and not self.row.can_preview)
        ):
            return False
        actions[event.name]()
        return True


class ModelsSide(Panel):
    """The list, and a field for a file to install."""

    def __init__(
        self,
        ui: Ui,
        select: Callable[[int], None],
        use: Callable[[int], None],
        install: Callable[[str], None],
    ) -> None:
        super().__init__(ui, "models.side")
        self._rows: list[ModelRow] = []
        self._playing = ""
        self.list = self.add(
            ListView(ui, "models.list", self._draw_row, row_px=64, on_select=select, on_open=use)
        )
        self.path = self.add(
            TextField(ui, "models.path", on_enter=install, placeholder="Path of an .antiphon file",
                      icon="folder", limit=1000, tooltip="Type or paste a path, or drop a file")
        )  # fmt: skip
        self.install = self.add(
            Button(ui, "models.install", "Install", lambda: install(self.path.text), icon="import")
        )

    def show(self, rows: list[ModelRow], chosen: int) -> None:
        """Other bundles."""
        self._rows = rows
        self.list.set_count(len(rows))
        self.list.select(chosen)

    def follow(self, view: DeskView) -> None:
        """Mark the one that plays."""
        if view.model_name != self._playing:
            self._playing = view.model_name
            self.mark()

    def arrange(self) -> None:
        """Title, list, install."""
        px = self.ui.theme.px
        box = self.rect.inflate(-px(32), 0)
        foot = self.rect.bottom - px(116)
        self.list.place(
            pygame.Rect(
                self.rect.left + px(8),
                self.rect.top + px(64),
                self.rect.width - px(16),
                foot - px(16) - self.rect.top - px(64),
            )
        )
        self.path.place(pygame.Rect(box.left, foot + px(26), box.width, px(32)))
        self.install.place(pygame.Rect(box.left, foot + px(66), box.width, px(34)))

    def draw(self, painter: Painter) -> None:
        """Ground and titles."""
        super().draw(painter)
        px = painter.px
        title = pygame.Rect(self.rect.left + px(20), self.rect.top + px(16), self.rect.width - px(40), px(40))
        painter.text("Who plays along", title, size="title", weight="bold")
        foot = self.rect.bottom - px(116)
        painter.fill(
            pygame.Rect(self.rect.left, foot - px(8), self.rect.width, px(1)), mixed(self.color, EDGE, 0.7)
        )
        line = pygame.Rect(self.rect.left + px(20), foot, self.rect.width - px(40), px(22))
        painter.text("Install another one", line, size="small", color=INK_SOFT, weight="medium")
        painter.text("or drop its file here", line, size="small", color=INK_FAINT, align="right")

    def _draw_row(self, painter: Painter, rect: pygame.Rect, number: int, state: RowState) -> None:
        row = self._rows[number]
        draw_model_row(painter, rect, row, is_playing=row.title == (self._playing or RULES), state=state)
