"""The computer's keys as a piano, in a terminal.

A terminal tells when a key goes down, and repeats it while it is held, but never when it goes up. So a
note is held for ``HOLD_S`` after its key, and for as long as the key repeats.
"""

from __future__ import annotations

import atexit
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from midi.clock import Clock
from studio.live.messages import Input, KeyDown, KeyUp

if sys.platform == "win32":
    import msvcrt
else:
    import termios
    import tty

if TYPE_CHECKING:
    from types import TracebackType

SOURCE = "computer keys"

WHITE_AND_BLACK = {key: pitch for pitch, key in enumerate("awsedftgyhujkolp;'")}
"""Letter row as white keys from C, the row above as black ones (the usual typing piano)."""

HOLD_S = 0.45
"""A key that is tapped sounds this long."""

REPEAT_S = 0.07
"""Strokes of one key closer than this are the terminal's own repeat (25 to 40 ms), not a player."""

REPEAT_HOLD_S = 0.15
"""A repeating key that pauses this long was released."""

LOWEST_OCTAVE, HIGHEST_OCTAVE = 0, 8
READ_WAIT_S = 0.005


class KeyCommand(StrEnum):
    """What a key asks of the program."""

    QUIT = "quit"
    PANIC = "panic"
    MODE = "mode"
    SLOWER = "slower"
    FASTER = "faster"


_COMMANDS = {
    "q": KeyCommand.QUIT,
    "\x1b": KeyCommand.QUIT,
    "\x04": KeyCommand.QUIT,
    " ": KeyCommand.PANIC,
    "m": KeyCommand.MODE,
    "-": KeyCommand.SLOWER,
    "=": KeyCommand.FASTER,
    "+": KeyCommand.FASTER,
}

HELP = "awsed… play · zx octave · cv touch · m mode · -+ tempo · space panic · q quit"
"""On one line of a terminal of 80 columns; touch is how hard a key is struck."""


class TypingPiano:
    """Characters to key presses and commands. Pure: it asks no clock and reads no terminal.

    Attributes:
        octave: Octave of the lowest key; 4 puts the letter a on middle C (60) less one octave, 48.
        velocity: Velocity of every press, 1–127.
    """

    def __init__(self) -> None:
        self.octave = 5
        self.velocity = 88
        self._release_s: dict[int, float] = {}
        self._typed_s: dict[str, float] = {}

    def type(self, text: str, now_s: float) -> tuple[list[Input], list[KeyCommand]]:
        """What a burst of characters means; escape sequences (arrows, function keys) mean nothing."""
        if text.startswith("\x1b") and len(text) > 1:
            return [], []
        inputs: list[Input] = []
        commands: list[KeyCommand] = []
        for char in text.lower():
            if char in WHITE_AND_BLACK:
                inputs += self._strike(char, now_s)
            elif char in _COMMANDS:
                commands.append(_COMMANDS[char])
            else:
                self._shift(char)
        return inputs, commands

    def due(self, now_s: float) -> list[Input]:
        """Releases of the notes whose time is up."""
        over = [pitch for pitch, at_s in self._release_s.items() if at_s <= now_s]
        for pitch in over:
            del self._release_s[pitch]
        return [KeyUp(now_s, pitch, SOURCE) for pitch in over]

    def release_all(self, now_s: float) -> list[Input]:
        """Releases of everything held."""
        held, self._release_s = list(self._release_s), {}
        return [KeyUp(now_s, pitch, SOURCE) for pitch in held]

    def _strike(self, char: str, now_s: float) -> list[Input]:
        pitch = 12 * self.octave + WHITE_AND_BLACK[char]
        if not 0 <= pitch <= 127:
            return []
        repeats = now_s - self._typed_s.get(char, float("-inf")) < REPEAT_S
        self._typed_s[char] = now_s
        if repeats and pitch in self._release_s:
            self._release_s[pitch] = max(self._release_s[pitch], now_s + REPEAT_HOLD_S)
            return []
        released: list[Input] = [KeyUp(now_s, pitch, SOURCE)] if pitch in self._release_s else []
        self._release_s[pitch] = now_s + HOLD_S
        return [*released, KeyDown(now_s, pitch, self.velocity, SOURCE)]

    def _shift(self, char: str) -> None:
        octaves = {"z": -1, "x": 1}.get(char, 0)
        self.octave = min(max(self.octave + octaves, LOWEST_OCTAVE), HIGHEST_OCTAVE)
        self.velocity = min(max(self.velocity + {"c": -12, "v": 12}.get(char, 0), 16), 124)


class Terminal(Protocol):
    """Where characters come from."""

    def read(self, wait_s: float) -> str:
        """Characters typed within ``wait_s``; empty when there were none."""
        ...


if sys.platform == "win32":

    class _WindowsTerminal:
        def read(self, wait_s: float) -> str:
            # An early return on a key would need a console event; a few milliseconds are soon enough.
            time.sleep(wait_s)
            text = ""
            while msvcrt.kbhit():
                char = msvcrt.getwch()
                if char in "\x00\xe0":
                    msvcrt.getwch()
                else:
                    text += char
            return text

    @contextmanager
    def raw_terminal() -> Iterator[Terminal]:
        """The console, key by key."""
        yield _WindowsTerminal()

else:

    class _PosixTerminal:
        def __init__(self, fd: int) -> None:
            self._fd = fd

        def read(self, wait_s: float) -> str:
            if not select.select([self._fd], [], [], wait_s)[0]:
                return ""
            try:
                data = os.read(self._fd, 64)
            except OSError:
                data = b""
            # An end of file means that the terminal is gone.
            return data.decode(errors="ignore") if data else "\x04"

    @contextmanager
    def raw_terminal(fd: int | None = None) -> Iterator[Terminal]:
        """A terminal (standard input) without echo and line editing, put back as it was whatever happens.

        Raises:
            OSError: It is no terminal.
        """
        fd = sys.stdin.fileno() if fd is None else fd
        try:
            before = termios.tcgetattr(fd)
        except termios.error as error:
            raise OSError("standard input is no terminal") from error

        def restore() -> None:
            with suppress(termios.error, OSError):
                termios.tcsetattr(fd, termios.TCSADRAIN, before)

        atexit.register(restore)
        try:
            # Character by character and silent; Ctrl-C and output processing stay as they are.
            tty.setcbreak(fd)
            yield _PosixTerminal(fd)
        finally:
            restore()
            atexit.unregister(restore)


class ComputerKeys:
    """A thread that reads a terminal and plays.

    Args:
        terminal: Where characters come from.
        send: Takes inputs, for instance ``Engine.send``.
        command: Takes commands, on the reader's thread.
        clock: Stamps the inputs.
    """

    def __init__(
        self,
        terminal: Terminal,
        send: Callable[[Input], None],
        command: Callable[[KeyCommand], None],
        clock: Clock,
    ) -> None:
        self.piano = TypingPiano()
        self._terminal, self._send, self._command, self._clock = terminal, send, command, clock
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="computer-keys", daemon=True)

    def __enter__(self) -> ComputerKeys:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading and release what is held."""
        self._is_over.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                self.read_once()
        finally:
            for item in self.piano.release_all(self._clock.now_s()):
                self._send(item)

    def read_once(self) -> None:
        """Read what was typed in the next few milliseconds, and release what is due."""
        text = self._terminal.read(READ_WAIT_S)
        now_s = self._clock.now_s()
        inputs, commands = self.piano.type(text, now_s) if text else ([], [])
        for item in [*self.piano.due(now_s), *inputs]:
            self._send(item)
        for each in commands:
            self._command(each)
            if each is KeyCommand.QUIT:
                self._is_over.set()
