"""What screens need beside the desk: the takes, the jobs and the settings, made once for a window."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from midi.errors import UserError
from studio.appsettings import AppSettings, load_settings, save_settings
from studio.takes import Library
from studio.ui.screens.jobwatch import JobsLike
from studio.ui.screens.takes_reader import PictureReader
from studio.ui.state import WindowState

if TYPE_CHECKING:
    from studio.ui.widget import Ui


@dataclass(eq=False)
class Services:
    """Shared by the screens of one window. One thread only.

    Attributes:
        library: The takes.
        jobs: Where slow work runs.
        settings: What is remembered between starts.
        save: Writes the settings.
        now: Date and time.
        reader: Reads takes for their large pictures.
    """

    library: Library
    jobs: JobsLike
    settings: AppSettings
    save: Callable[[AppSettings], None] = save_settings
    now: Callable[[], datetime] = datetime.now
    reader: PictureReader = field(default_factory=PictureReader)

    def remember(self, ui: Ui) -> None:
        """Write the settings; a disk that refuses is told in a toast."""
        try:
            self.save(self.settings)
        except UserError as fault:
            ui.toast(fault.message, fault.hint, is_fault=True)


def state_of(ui: Ui) -> WindowState:
    """What the window remembers of itself; a fresh one where there is no window around."""
    found = getattr(ui, "state", None)
    return found if isinstance(found, WindowState) else WindowState()


def lowest_pitch(ui: Ui) -> int:
    """Pitch of the leftmost of the computer's playing keys."""
    return 12 * (state_of(ui).octave + 1)


_of: WeakKeyDictionary[Ui, Services] = WeakKeyDictionary()


def services_of(ui: Ui) -> Services:
    """The window's services: its attribute ``services`` where it has one, else made here once."""
    found = getattr(ui, "services", None)
    if isinstance(found, Services):
        return found
    if ui not in _of:
        from studio.jobs import Jobs  # noqa: PLC0415 - loads the terminal's libraries

        jobs = Jobs()
        # Jobs are sessions of their own and would outlive the window.
        atexit.register(jobs.close)
        _of[ui] = Services(Library(), jobs, load_settings()[0])
    return _of[ui]
