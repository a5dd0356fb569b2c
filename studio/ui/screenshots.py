"""Every screen as a picture, with demo content: for README, for review, and as a test of all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pygame

from midi.errors import UserError
from studio.appsettings import AppSettings
from studio.takes import Library
from studio.ui.app import App
from studio.ui.demo import DEMO_AT_S, DemoDesk
from studio.ui.play.demo import busy_view
from studio.ui.screenbook import SCREENS
from studio.ui.screens.services import Services
from studio.ui.screens.takes_demo import write_takes
from studio.ui.state import WindowState
from studio.ui.window import Window

if TYPE_CHECKING:
    from studio.jobs import Job

DEMO_NOW = datetime(2026, 11, 22, 20, 0)
"""The demo's date, so that the same program draws the same pictures."""
DEMO_FOLDER = "~/Music/Antiphon"
MOST_FRAMES = 60
"""Frames that a screen gets to read what it shows in the background."""
FRAME_S = 0.02
SETTLED_FRAMES = 12
"""Frames without a change after which it is done."""


class NoJobs:
    """Where nothing runs."""

    def start(self, title: str, argv: Sequence[str]) -> Job:  # noqa: ARG002 - as other jobs
        """Refuse: pictures start no work."""
        raise UserError(f"{title} does not run here.", "Open the window for it.")

    def poll(self) -> tuple[()]:
        """Nothing."""
        return ()

    def all(self) -> tuple[()]:
        """Nothing."""
        return ()

    def cancel(self, number: int) -> None:
        """Nothing."""


def draw_all(folder: Path, size: tuple[int, int], scale: float) -> list[Path]:
    """Draw every screen into ``folder``; the dummy video driver must be chosen already."""
    files: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="antiphon-demo-") as scratch:
        now = DEMO_NOW
        write_takes(Path(scratch), now)
        window = Window(size)
        try:
            for name in SCREENS:
                with Library(Path(scratch)) as library:
                    files.append(_draw(name, window, scale, library, now, folder))
        finally:
            window.close()
    return files


def _draw(name: str, window: Window, scale: float, library: Library, now: datetime, folder: Path) -> Path:
    services = Services(
        library, NoJobs(), AppSettings(takes_folder=DEMO_FOLDER), save=lambda _: None, now=lambda: now
    )
    state = WindowState(
        width=window.size[0], height=window.size[1], screen="play" if name == "help" else name,
        scale=scale, is_welcomed=name != "first",
    )  # fmt: skip
    time_s, desk = [100.0], DemoDesk()
    app = App(desk, window, state, services=lambda: services, clock=lambda: time_s[0])
    if name == "help":
        app.go("help")
    n_quiet = 0
    for frame in range(MOST_FRAMES):
        time_s[0] += FRAME_S
        if state.screen == "play":
            # Music that stands still would look like a desk that died.
            desk.show(busy_view(DEMO_AT_S + (frame + 1 - MOST_FRAMES) * FRAME_S))
        pygame.event.pump()
        n_quiet = n_quiet + 1 if not app.frame() else 0
        if n_quiet >= SETTLED_FRAMES:
            break
        pygame.time.wait(2)
    if app.guard.latest is not None:
        raise app.guard.latest
    path = folder / f"{name}.png"
    try:
        pygame.image.save(window.surface, str(path))
    except (pygame.error, OSError) as fault:
        raise UserError(f"{path} can't be written: {fault}.", "Choose another folder.") from fault
    return path
