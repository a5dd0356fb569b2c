"""Does a busy window hold up the music? ``python -m tests.live.window_stress [--rounds 3] [--seconds 60]``.

The same file is performed with the real desk, model and sound processes: without a window, and with one that
is resized, has its knobs dragged and changes screens ten times a second; in turn, so that both meet the same
machine. Measured by the desk itself:

* *notes*: how late the partner's notes left for a port, p99;
* *loop*: how late the engine's loop woke, p99;
* *blocks*: sound blocks that were missed;
* *stalls*: how often a processor stood still for 3 ms, whatever ran there (``tests.live.standstill``): a host
  was busy, or the kernel. A block that meets one is missed by any program.
"""

from __future__ import annotations

import os

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import pygame

from studio.appsettings import AppSettings
from studio.desktop import KeptDesk
from studio.live.deskoptions import DeskOptions
from studio.live.deskprocess import RemoteDesk
from studio.live.deskview import DeskView
from studio.takes import Library
from studio.ui.app import App
from studio.ui.screens.services import Services
from studio.ui.screens.takes_demo import write_takes
from studio.ui.screenshots import NoJobs
from studio.ui.state import WindowState
from studio.ui.window import Window
from tests.live.standstill import Standstill
from tests.live.wanderer import SIZES, resize

BUILD = "tests.live.stressdesk:build"
READY_S = 90.0
SWITCH_S, RESIZE_S = 0.1, 1.0
SCREENS = ("play", "takes", "play", "models", "play", "settings")


@dataclass(frozen=True)
class Run:
    """Figures of one performance; milliseconds are p99.

    Attributes:
        has_window: Whether a window was under stress beside it.
        notes_ms: How late the partner's notes left for the port.
        loop_ms: How late the engine's loop woke.
        blocks: Missed blocks of sound.
        n_notes: Notes that the partner played.
        frames: Frames that the window drew.
        stalls: How often the machine itself stood still.
    """

    has_window: bool
    notes_ms: float
    loop_ms: float
    blocks: int
    n_notes: int
    frames: int
    stalls: int = 0


class Stress:
    """Uses the window harder than a person can; call :meth:`turn` once a frame."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._next_switch_s = self._next_resize_s = 0.0
        self._n_switches = self._n_resizes = 0
        self.frames = 0

    def turn(self, now_s: float) -> None:
        """A step of a drag; every tenth of a second another screen, every second another size."""
        self.frames += 1
        if now_s >= self._next_resize_s:
            self._next_resize_s = now_s + RESIZE_S
            resize(SIZES[self._n_resizes % len(SIZES)])
            self._n_resizes += 1
        if now_s >= self._next_switch_s:
            self._next_switch_s = now_s + SWITCH_S
            self._app.go(SCREENS[self._n_switches % len(SCREENS)])
            self._n_switches += 1
        self._drag()

    def _drag(self) -> None:
        try:
            knob = self._app.screen.find("knob-velocity")
        except KeyError:
            return
        x, y = knob.rect.centerx, knob.rect.centery
        sway = 40 if self.frames % 2 else -40
        post = pygame.event.post
        post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(x, y), button=1))
        post(pygame.event.Event(pygame.MOUSEMOTION, pos=(x, y + sway), rel=(0, sway), buttons=(1, 0, 0)))
        post(pygame.event.Event(pygame.MOUSEBUTTONUP, pos=(x, y + sway), button=1))


def perform(folder: Path, seconds: float, model: str, *, has_window: bool) -> Run:
    """One performance with a desk of its own."""
    options = DeskOptions(
        in_port="none",
        out_port="Rack",
        model=model,
        takes=folder / "takes",
        keeps_learned=False,
        tempo_bpm=110.0,
    )
    remote = RemoteDesk(options, build=BUILD)
    if not has_window:
        remote.start()
        try:
            before, after = _watched(remote.view, lambda: time.sleep(0.02), seconds)
        finally:
            remote.close()
        return _figures(before, after, has_window=False, frames=0)
    with Library(folder / "shown", folder / "cache") as library:
        settings = AppSettings()
        services = Services(library, NoJobs(), settings, save=lambda _: None)
        desk = KeptDesk(remote, settings)
        app = App(
            desk, Window((1280, 800)), WindowState(is_welcomed=True, scale=1.0), services=lambda: services
        )
        stress = Stress(app)
        try:
            before, after = _watched(remote.view, lambda: _turn(app, stress), seconds)
        finally:
            desk.close()
    return _figures(before, after, has_window=True, frames=stress.frames)


def _turn(app: App, stress: Stress) -> None:
    """What the program's own loop does in a sixtieth of a second."""
    began_s = time.monotonic()
    stress.turn(began_s)
    for event in pygame.event.get():
        app.handle(event)
    app.frame()
    time.sleep(max(0.001, began_s + 1 / 60 - time.monotonic()))


def _watched(
    view: Callable[[], DeskView], turn: Callable[[], None], seconds: float
) -> tuple[DeskView, DeskView]:
    """Views at the beginning of the performance and ``seconds`` later."""
    end_s = time.monotonic() + READY_S
    while not view().snapshot.is_playing:
        turn()
        if time.monotonic() > end_s:
            raise RuntimeError(f"the performance did not begin: {view().model}")
    before, end_s = view(), time.monotonic() + seconds
    while time.monotonic() < end_s:
        turn()
    return before, view()


def _figures(before: DeskView, after: DeskView, *, has_window: bool, frames: int) -> Run:
    late = after.meters.port_lateness
    return Run(
        has_window, round(late.p99_ms, 3) if late else 0.0, round(after.meters.lateness.p99_ms, 3),
        after.underruns - before.underruns, after.snapshot.counts.partner_notes, frames,
    )  # fmt: skip


def main() -> None:
    """Perform in turn and print both, with the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="partner")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="antiphon-stress-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ["ANTIPHON_HOME"] = name
        (folder / "shown").mkdir()
        write_takes(folder / "shown", datetime.now())
        for number in range(2 * options.rounds):
            with Standstill() as standstill:
                run = perform(folder, options.seconds, options.model, has_window=number % 2 == 1)
            run = replace(run, stalls=standstill.count)
            runs.append(run)
            if not options.json:
                _print(run)
    if options.json:
        sys.stdout.write(json.dumps([asdict(run) for run in runs]) + "\n")
        return
    for words, figure in (
        ("notes p99, ms", "notes_ms"), ("loop p99, ms", "loop_ms"), ("blocks", "blocks"),
        ("stalls", "stalls"),
    ):  # fmt: skip
        alone, beside = (
            statistics.median(getattr(run, figure) for run in runs if run.has_window is has_window)
            for has_window in (False, True)
        )
        ratio = f"{beside / alone:.2f}" if alone else "1.00" if not beside else "-"
        sys.stdout.write(f"{words:<16} headless {alone:8.3f}  window {beside:8.3f}  ratio {ratio}\n")


def _print(run: Run) -> None:
    place = "window" if run.has_window else "headless"
    sys.stdout.write(
        f"{place:<9} notes p99 {run.notes_ms:8.3f} ms  loop p99 {run.loop_ms:8.3f} ms  "
        f"blocks {run.blocks:4d}  stalls {run.stalls:4d}  notes {run.n_notes:4d}  frames {run.frames}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
