"""A display without a screen, and a hand at its mouse and keys: Xvfb and xdotool."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SCREEN = "1400x900x24"
PATIENCE_S = 40.0
ROOT = Path(__file__).resolve().parents[2]


def is_there() -> bool:
    """Whether both programs are installed."""
    return shutil.which("Xvfb") is not None and shutil.which("xdotool") is not None


@contextmanager
def display() -> Iterator[str]:
    """A display of its own under a free number; it stays as it is when its last client goes."""
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as told:
            number = told.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


class Hand:
    """xdotool on one display.

    Args:
        name: The display.
    """

    def __init__(self, name: str) -> None:
        self._environment = {**os.environ, "DISPLAY": name}

    def do(self, *words: object) -> str:
        """Run xdotool; what it prints."""
        command = ["xdotool", *map(str, words)]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        return done.stdout.strip()

    def window_of(self, pid: int) -> str:
        """The visible window of a process; empty while it has none. Without a manager it has no name."""
        command = ["xdotool", "search", "--onlyvisible", "--pid", str(pid)]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return done.stdout.split()[-1] if done.stdout.split() else ""

    def size_of(self, window: str) -> tuple[int, int]:
        """Width and height."""
        told = dict(
            line.split("=", 1) for line in self.do("getwindowgeometry", "--shell", window).splitlines()
        )
        return int(told["WIDTH"]), int(told["HEIGHT"])

    def click(self, window: str, x: int, y: int) -> None:
        """Press and let go at a place of a window."""
        self.do("mousemove", "--window", window, x, y, "sleep", "0.1", "click", "1")


@contextmanager
def program(name: str, home: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The real program on a display, with a user's folder and sound that nobody hears."""
    environment = {**os.environ, "DISPLAY": name, "ANTIPHON_HOME": str(home), "SDL_AUDIODRIVER": "dummy"}
    environment |= variables
    for variable in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY"):
        environment.pop(variable, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "studio", *arguments], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Ask the program to end; its exit code and everything it printed."""
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=PATIENCE_S)[0]
    return process.returncode, said.decode(errors="replace")


def wait_for(found: Callable[[], object], what: str, process: subprocess.Popen[bytes]) -> object:
    """What ``found`` gives once it gives anything; fails when the program ends before, or after a while."""
    end_s = time.monotonic() + PATIENCE_S
    while not (thing := found()):
        if process.poll() is not None:
            raise AssertionError(f"the program ended: {process.communicate()[0].decode(errors='replace')}")
        assert time.monotonic() < end_s, f"timed out waiting for {what}"
        time.sleep(0.02)
    return thing
