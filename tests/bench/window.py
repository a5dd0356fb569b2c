"""Figures of the window: frames on the dummy driver, and the real program on an X server without a screen.

Frames are CPU milliseconds of the drawing thread. What the program as a whole needs is measured from outside:
when its window can be seen, when the first key can be heard (SDL's disk driver writes the sound to a file),
and what its processes use while nothing happens. Without Xvfb and xdotool those rows are left out.
"""

from __future__ import annotations

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pygame

from studio.ui import state
from studio.ui.demo import DemoDesk
from studio.ui.play import bench
from studio.ui.play.demo import busy_view
from tests.bench.figures import Figure, higher
from tests.live import xserver
from tests.studio.ui.pilot import Pilot

SIZE = (1280, 800)
FRAMES, WARM_UP = 360, 60
FROM_S = 13.0
STARTS = 3
IDLE_S = 10.0
SETTLED_S = 12.0
"""After this long the model is loaded, and nothing happens any more."""
AUDIBLE = 1e-4
BARE_WINDOW = """
import pygame
pygame.display.init()
pygame.display.set_mode((1280, 800))
pygame.display.flip()
while True:
    pygame.event.wait(100)
"""


def window_figures() -> list[Figure]:
    """All of them."""
    found = frame_figures()
    if xserver.is_there():
        with xserver.display() as name:
            found += [*start_figures(name), *idle_figures(name)]
    else:
        sys.stderr.write("Xvfb or xdotool is not installed: the program's start and rest are left out.\n")
    return found


def frame_figures() -> list[Figure]:
    """The busiest Play screen panel by panel, and whole frames of the program."""
    bare_ms = _bare_blit_ms()
    pilot = Pilot(SIZE, desk=DemoDesk(FROM_S))

    def show(view: object, now_s: float) -> None:
        pilot.app._view, pilot.app._now_s = view, pilot.now_s + now_s

    surface, theme = pilot.window.surface, pilot.app.theme
    *panels, whole = bench.measure(
        pilot.app.screen.children, show, surface, theme, frames=FRAMES, warm_up=WARM_UP, from_s=FROM_S
    )
    app_ms = _app_frames_ms(pilot)
    reference = ("a bare blit of the window", bare_ms)
    median, p99 = float(np.median(app_ms)), float(np.percentile(app_ms, 99))
    return [
        higher("play screen, frame, median", whole.median_ms, "ms", *reference, "<= 8 ms", 8.0, less=True),
        higher("play screen, frame, p99", whole.p99_ms, "ms", *reference, "<= 16 ms", 16.0, less=True),
        *(
            Figure(f"play screen, {panel.name}", 100 * panel.share, "% of it", "median, ms", panel.median_ms,
                   panel.share, "", None)
            for panel in sorted(panels, key=lambda each: -each.share)
        ),
        higher("whole program, frame, median", median, "ms", *reference, "<= 8 ms", 8.0, less=True),
        higher("whole program, frame, p99", p99, "ms", *reference, "<= 16 ms", 16.0, less=True),
    ]  # fmt: skip


def _bare_blit_ms() -> float:
    """One copy of all pixels: what no window can do without that draws everything anew."""
    one, other = pygame.Surface(SIZE), pygame.Surface(SIZE)
    times = []
    for _ in range(50):
        began_s = time.thread_time()
        one.blit(other, (0, 0))
        times.append(time.thread_time() - began_s)
    return 1e3 * float(np.median(times))


def _app_frames_ms(pilot: Pilot) -> np.ndarray:
    """CPU of ``App.frame`` while the performance runs and the pointer moves over the keys."""
    pilot.app.go("play")
    pilot.now_s += 1000.0  # later than what was measured before
    times = np.zeros(FRAMES)
    view = busy_view(FROM_S)
    for frame in range(-WARM_UP, FRAMES):
        pilot.now_s += bench.FRAME_S
        if frame % bench.VIEW_EVERY == 0:
            view = busy_view(FROM_S + (frame + WARM_UP) * bench.FRAME_S)
        pilot.desk.show(view)
        began_s = time.thread_time()
        pilot.app.frame()
        if frame >= 0:
            times[frame] = 1e3 * (time.thread_time() - began_s)
    return times


def start_figures(name: str) -> list[Figure]:
    """From the start of the process to its window, and to the sound of a key that is pressed at once."""
    bare_s = min(_bare_window_s(name) for _ in range(STARTS))
    found = [_start_s(name) for _ in range(STARTS)]
    reference = ("bare pygame window", bare_s)
    visible_s, sounding_s = (min(each) for each in zip(*found, strict=True))
    return [
        higher("process start to window", visible_s, "s", *reference, "<= 1.5 s", 1.5, less=True),
        higher("process start to first key heard", sounding_s, "s", *reference, "<= 3 s", 3.0, less=True),
    ]  # fmt: skip


def _bare_window_s(name: str) -> float:
    hand = xserver.Hand(name)
    environment = {**os.environ, "DISPLAY": name}
    environment.pop("SDL_VIDEODRIVER", None)
    began_s = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", BARE_WINDOW], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not hand.window_of(process.pid):
            if time.monotonic() - began_s > xserver.PATIENCE_S:
                raise RuntimeError("a bare window does not open")
        return time.monotonic() - began_s
    finally:
        process.kill()
        process.wait()


def _start_s(name: str) -> tuple[float, float]:
    """Seconds until the window can be seen, and until its first key can be heard."""
    hand = xserver.Hand(name)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home, pcm = _home(folder), Path(folder) / "sound.raw"
        began_s = time.monotonic()
        with xserver.program(name, home, SDL_AUDIODRIVER="disk", SDL_DISKAUDIOFILE=str(pcm)) as process:
            window = _waited(lambda: hand.window_of(process.pid))
            visible_s = time.monotonic() - began_s
            hand.do("windowfocus", "--sync", window, "keydown", "z")
            _waited(lambda: _is_heard(pcm))
            sounding_s = time.monotonic() - began_s
            hand.do("keyup", "z")
            xserver.end(process)
    return visible_s, sounding_s


def _home(folder: str) -> Path:
    home = Path(folder) / "home"
    home.mkdir()
    (home / state.FILE_NAME).write_text('{"is_welcomed": true, "scale": 1.0}')
    return home


def _waited(found: Callable[[], str | bool]) -> str:
    end_s = time.monotonic() + xserver.PATIENCE_S
    while not (thing := found()):
        if time.monotonic() > end_s:
            raise RuntimeError("the program did not start in time")
        time.sleep(0.005)
    return str(thing)


def _is_heard(pcm: Path) -> bool:
    """Whether the file holds anything but silence."""
    if not pcm.exists():
        return False
    data = np.fromfile(pcm, np.float32)
    return bool(len(data)) and float(np.abs(data).max()) > AUDIBLE


def idle_figures(name: str) -> list[Figure]:
    """CPU of the window's process and of all processes while nobody plays."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        hand = xserver.Hand(name)
        with xserver.program(name, _home(folder)) as process:
            _waited(lambda: hand.window_of(process.pid))
            time.sleep(SETTLED_S)
            before_s, began_s = _cpu_s(process.pid), time.monotonic()
            time.sleep(IDLE_S)
            passed_s = time.monotonic() - began_s
            after_s = _cpu_s(process.pid)
            xserver.end(process)
    window, others = (100 * (b - a) / passed_s for a, b in zip(before_s, after_s, strict=True))
    return [
        higher(
            "idle window", window, "% of a core", "desk and model beside it", others, "<= 5 %", 5.0, less=True
        )
    ]


def _cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process, and of all its descendants."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(place.name)] = int(fields[1])
        used[int(place.name)] = (int(fields[11]) + int(fields[12])) * tick_s
    family, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return used[pid], sum(used[each] for each in family if each != pid)
