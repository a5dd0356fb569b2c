"""The desktop program: opens the window, starts the desk behind it, and draws every screen as a picture.

The window comes first: what takes time to import or to start is begun when it is already seen.
"""

from __future__ import annotations

import atexit
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from midi.errors import UserError
from studio.memory import give_memory_back
from studio.settings import chosen_folder, made_folder

if TYPE_CHECKING:
    from studio.appsettings import AppSettings
    from studio.live.deskview import Command, DeskView
    from studio.ui.desklike import DeskLike
    from studio.ui.state import WindowState
    from studio.ui.window import Window

    class RestartableDesk(DeskLike, Protocol):
        """A desk in another process."""

        def start(self) -> None:
            """Start it."""
            ...

        def restart(self) -> None:
            """Start it again, as it was."""
            ...


NO_WINDOW_HINT = "`antiphon perform FILE.mid` and `antiphon play` work without a window."
RESTARTS = 3
RESTART_WITHIN_S = 60.0
"""A desk that dies more often than this within a minute stays down."""


class NoWindowError(UserError):
    """There seemed to be a display, but no window opens on it."""


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """How the window opens.

    Attributes:
        model: Bundle for this start; None takes the one that was chosen last.
        device: Torch device of the model.
    """

    model: str | None = None
    device: str = "auto"


def has_display() -> bool:
    """Whether a window can be expected to open: on Linux, X or Wayland must be there."""
    if os.environ.get("SDL_VIDEODRIVER"):
        return os.environ["SDL_VIDEODRIVER"] != "dummy"
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_window(options: WindowOptions) -> int:
    """Open the window and run until it is closed; returns the exit code.

    Raises:
        NoWindowError: No window can be opened.
    """
    import pygame  # noqa: PLC0415 - takes long; the command line answers without it

    from studio.ui import state as remembered_state  # noqa: PLC0415
    from studio.ui.window import Window  # noqa: PLC0415

    give_memory_back()
    path = remembered_state.state_path()
    state, fault = remembered_state.load(path)
    try:
        window = Window((state.width, state.height), is_full_screen=state.is_full_screen)
    except pygame.error as error:
        raise NoWindowError(f"No window can be opened: {error}.", NO_WINDOW_HINT) from error
    try:
        return _run(options, window, state, path, fault)
    finally:
        window.close()


def _run(options: WindowOptions, window: Window, state: WindowState, path: Path, fault: str) -> int:
    """Everything behind the open window."""
    from studio.appsettings import load_settings, save_settings  # noqa: PLC0415
    from studio.live.deskprocess import RemoteDesk  # noqa: PLC0415
    from studio.ui.app import App  # noqa: PLC0415
    from studio.ui.remembered import options as desk_options  # noqa: PLC0415
    from studio.ui.state import Keeper  # noqa: PLC0415

    settings, settings_fault = load_settings()
    desk = KeptDesk(RemoteDesk(desk_options(settings, model=options.model, device=options.device)), settings)
    keeper = Keeper(state, path)

    def keep(now_s: float) -> None:
        trouble = keeper.turn(now_s)
        if trouble is not None:
            app.toast(trouble.message, trouble.hint, is_fault=True)

    app = App(desk, window, state, services=lambda: _services(settings), each_frame=keep)
    for sentence in filter(None, (fault, settings_fault)):
        app.toast(sentence, is_fault=True)
    signal.signal(signal.SIGTERM, lambda _number, _frame: app.close())
    try:
        app.run()
    finally:
        desk.close()
        keeper.write()
        with suppress(UserError):
            save_settings(settings)
    return 0


def _services(settings: AppSettings) -> object:
    """What the screens share."""
    from studio.jobs import Jobs  # noqa: PLC0415
    from studio.takes import Library  # noqa: PLC0415
    from studio.ui.screens.services import Services  # noqa: PLC0415

    jobs = Jobs()
    # Jobs are sessions of their own and would outlive the window.
    atexit.register(jobs.close)
    return Services(Library(chosen_folder(settings.takes_folder)), jobs, settings)


class KeptDesk:
    """The desk in its process, with what a person sets taken down, and started again when it dies.

    Args:
        remote: The desk; started here.
        settings: Where it is taken down.
        clock: Seconds that ascend.
    """

    def __init__(
        self, remote: RestartableDesk, settings: AppSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._remote, self._settings, self._clock = remote, settings, clock
        self._restarts_s: list[float] = []
        self._was_alive = False
        remote.start()

    def do(self, command: Command) -> None:
        """Pass it on and take it down."""
        from studio.ui.remembered import note  # noqa: PLC0415 - not before the window is seen

        note(self._settings, command)
        self._remote.do(command)

    def view(self) -> DeskView:
        """The newest look."""
        view = self._remote.view()
        if self._was_alive and not view.is_alive:
            self._restart()
        self._was_alive = view.is_alive
        return view

    def close(self) -> None:
        """End it."""
        self._remote.close()

    def _restart(self) -> None:
        now_s = self._clock()
        self._restarts_s = [at_s for at_s in self._restarts_s if now_s - at_s < RESTART_WITHIN_S]
        if len(self._restarts_s) < RESTARTS:
            self._restarts_s.append(now_s)
            self._remote.restart()


def parsed_size(words: str) -> tuple[int, int]:
    """Width and height of ``1280x800``.

    Raises:
        UserError: It is no size, or one that no screen has.
    """
    found = re.fullmatch(r"(\d{3,5}) *x *(\d{3,5})", words.strip().lower())
    if found is None or not (320 <= int(found[1]) <= 7680 and 240 <= int(found[2]) <= 4320):
        raise UserError(f"'{words}' is no size of a picture.", "Give it as 1280x800, at most 7680x4320.")
    return int(found[1]), int(found[2])


def take_screenshots(folder: Path, size: tuple[int, int] = (1280, 800), scale: float = 1.0) -> list[Path]:
    """Draw every screen with demo content into PNG files; no device, port or model is touched.

    Args:
        folder: Where the pictures go; made where it is missing.
        size: Of each picture, pixels.
        scale: Display pixels a logical pixel.

    Returns:
        The files.

    Raises:
        UserError: The folder can't be made or written to.
    """
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    made_folder(folder)
    from studio.ui.screenshots import draw_all  # noqa: PLC0415 - pygame reads the driver when it is imported

    return draw_all(folder, size, scale)
