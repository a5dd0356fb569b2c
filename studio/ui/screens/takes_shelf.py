"""The Takes screen's dealings with the library: what is shown, and what is done so that it can be undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pygame

from midi.errors import UserError
from studio.takes import Library, TakeInfo, Trashed
from studio.ui.screens.takes_words import Sieve, neighbor, sifted, tags_of
from studio.ui.widget import Ui

REFRESH_S = 2.0
"""How often the folder is looked at for takes that other programs made."""

NEW_A_LOOK = 2
"""Unread takes looked into at once: each costs some milliseconds."""

THUMBNAILS_A_LOOK = 2


class TakesShelf:
    """What the screen shows, and the one way to change it. One thread only.

    Args:
        ui: The program around it.
        library: The takes.
        now: Date and time.

    Attributes:
        takes: All of them.
        shown: Those that the sieve lets through.
        chosen: Id of the one on the right; empty for none.
        sieve: Which are shown.
        version: Goes up when anything above changes.
        lacks_thumbnails: Mini piano rolls had to wait when the list was drawn last.
    """

    def __init__(self, ui: Ui, library: Library, now: Callable[[], datetime] = datetime.now) -> None:
        self._ui, self._library, self.now = ui, library, now
        self.takes: list[TakeInfo] = []
        self.shown: list[TakeInfo] = []
        self.chosen = ""
        self.sieve = Sieve()
        self.version = 0
        self.lacks_thumbnails = False
        self._is_own_choice = False
        self._due_s = float("-inf")
        self._finished: tuple[Path, ...] = ()
        self._thumbnails: dict[tuple[object, ...], pygame.Surface] = {}
        self._budget = 0
        self._is_short = False

    # Looking.

    def look(self) -> None:
        """Read the folder again when that is due, or when a take ended."""
        self.lacks_thumbnails, self._is_short = self._is_short, False
        self._budget = THUMBNAILS_A_LOOK
        finished = self._ui.view.take.finished
        is_due = self._ui.now_s >= self._due_s or finished != self._finished
        if is_due or any(not take.is_read for take in self.takes):
            self._finished = finished
            self.refresh()

    def refresh(self) -> None:
        """Read the folder again."""
        self._due_s = self._ui.now_s + REFRESH_S
        try:
            found = self._library.takes(max_new=NEW_A_LOOK)
        except UserError as fault:
            self._ui.toast(fault.message, fault.hint, is_fault=True)
            return
        if found != self.takes:
            self.takes = found
            self._sift()

    def sift(self, sieve: Sieve) -> None:
        """Show other takes."""
        if sieve != self.sieve:
            self.sieve = sieve
            self._sift()

    def _sift(self) -> None:
        ids = [take.id for take in self.shown]
        if self.sieve.tag and self.sieve.tag not in self.tags():
            self.sieve = Sieve(self.sieve.words, self.sieve.is_starred_only, "", self.sieve.sort)
        self.shown = sifted(self.takes, self.sieve, self.now())
        left = {take.id for take in self.shown}
        if not self._is_own_choice and self.shown:
            # While takes are still being read the newest one may turn up late.
            self.chosen = self.shown[0].id
        if self.chosen not in left:
            self.chosen = neighbor([each for each in ids if each in left or each == self.chosen], self.chosen)
            if self.chosen not in left:
                self.chosen = self.shown[0].id if self.shown else ""
        self.version += 1

    def choose(self, take_id: str) -> None:
        """Show a take on the right."""
        self._is_own_choice = True
        if take_id != self.chosen:
            self.chosen = take_id
            self.version += 1

    def reveal(self, take_id: str) -> None:
        """Choose a take that may be new, or hidden by the sieve."""
        self.refresh()
        if all(take.id != take_id for take in self.shown):
            self.sift(Sieve(sort=self.sieve.sort))
        if any(take.id == take_id for take in self.shown):
            self.choose(take_id)

    @property
    def current(self) -> TakeInfo | None:
        """The take on the right."""
        return next((take for take in self.takes if take.id == self.chosen), None)

    @property
    def row(self) -> int:
        """Row of the take on the right; −1 for none."""
        return next((row for row, take in enumerate(self.shown) if take.id == self.chosen), -1)

    def tags(self) -> tuple[str, ...]:
        """Every tag in use."""
        return tags_of(self.takes)

    def thumbnail(self, take: TakeInfo, size: tuple[int, int]) -> pygame.Surface | None:
        """A mini piano roll; None while it is not drawn yet, or can't be."""
        if take.problem or not take.is_read:
            return None
        key = (take.id, take.length_s, take.player_notes + take.partner_notes, size)
        if key not in self._thumbnails and self._budget == 0:
            self._is_short = True
        elif key not in self._thumbnails:
            self._budget -= 1
            try:
                pixels = self._library.thumbnail(take.id, *size)
            except (UserError, ValueError):
                pixels = np.zeros((size[1], size[0], 4), np.uint8)
            image = pygame.image.frombuffer(np.ascontiguousarray(pixels).tobytes(), size, "RGBA")
            self._thumbnails[key] = image
            if len(self._thumbnails) > 400:
                self._thumbnails.pop(next(iter(self._thumbnails)))
        return self._thumbnails.get(key)

    # Changing. Each can be undone.

    def rename(self, take: TakeInfo, name: str) -> None:
        """Call a take something else; an empty name goes back to the default."""
        name = name.strip()
        if name == take.name:
            return
        self._try(
            f"renaming “{take.name}”",
            lambda: self._library.rename(take.id, name),
            lambda: self._library.rename(take.id, take.name),
        )

    def star(self, take: TakeInfo) -> None:
        """Star a take, or take its star away."""
        is_starred = not take.is_starred
        what = f"starring “{take.name}”" if is_starred else f"taking the star of “{take.name}”"
        self._try(
            what,
            lambda: self._library.star(take.id, is_starred),
            lambda: self._library.star(take.id, not is_starred),
        )

    def tag(self, take: TakeInfo, tag: str) -> None:
        """Add a tag."""
        tag = tag.strip()
        if tag and tag not in take.tags:
            self._try(
                f"tagging “{take.name}”",
                lambda: self._library.tag(take.id, tag),
                lambda: self._library.untag(take.id, tag),
            )

    def untag(self, take: TakeInfo, tag: str) -> None:
        """Take a tag away."""
        self._try(
            f"removing the tag “{tag}”",
            lambda: self._library.untag(take.id, tag),
            lambda: self._library.tag(take.id, tag),
        )

    def trash(self, take: TakeInfo) -> None:
        """Put a take into the trash, with a toast that says how to get it back."""
        trashed: list[Trashed] = []

        def away() -> None:
            self._is_own_choice = True
            trashed.append(self._library.trash(take.id))

        def back() -> None:
            restored = self._library.restore(trashed.pop().key)
            self._is_own_choice, self.chosen = True, restored.id

        if self._try(f"deleting “{take.name}”", away, back):
            self._ui.toast(f"“{take.name}” is in the trash.", "Ctrl+Z brings it back.")

    def trashed(self) -> list[Trashed]:
        """What is in the trash, newest first."""
        return self._library.trashed()

    def bring_back(self, trashed: Trashed) -> None:
        """Bring a take back from the trash and show it."""
        found: list[TakeInfo] = []
        if self._attempt(lambda: found.append(self._library.restore(trashed.key))):
            self.reveal(found[0].id)
            self._ui.toast(f"“{found[0].name}” is back.")

    def _try(self, what: str, do: Callable[[], object], undo: Callable[[], object]) -> bool:
        if not self._attempt(do):
            return False
        self._ui.remember(what, lambda: self._attempt_quietly(undo), lambda: self._attempt_quietly(do))
        return True

    def _attempt_quietly(self, work: Callable[[], object]) -> None:
        self._attempt(work)

    def _attempt(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except UserError as fault:
            self._ui.toast(fault.message, fault.hint, is_fault=True)
            return False
        self.refresh()
        return True
