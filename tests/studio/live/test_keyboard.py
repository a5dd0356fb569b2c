from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi.clock import ManualClock
from studio.live.keyboard import (
    HOLD_S,
    SOURCE,
    WHITE_AND_BLACK,
    ComputerKeys,
    KeyCommand,
    TypingPiano,
    raw_terminal,
)
from studio.live.messages import Input, KeyDown, KeyUp


def test_letters_are_a_piano() -> None:
    piano = TypingPiano()
    inputs, commands = piano.type("awk", 1.0)
    assert inputs == [KeyDown(1.0, pitch, 88, SOURCE) for pitch in (60, 61, 72)]
    assert commands == []
    assert piano.due(1.0 + HOLD_S - 0.01) == []
    assert {item.pitch for item in piano.due(1.0 + HOLD_S) if isinstance(item, KeyUp)} == {60, 61, 72}


def test_a_held_key_repeats_and_is_one_note() -> None:
    piano = TypingPiano()
    found: list[Input] = []
    at_s = 0.0
    for _ in range(40):
        found += piano.due(at_s) + piano.type("a", at_s)[0]
        at_s += 0.03
    assert found == [KeyDown(0.0, 60, 88, SOURCE)]
    assert piano.due(at_s + 0.2) == [KeyUp(at_s + 0.2, 60, SOURCE)]


def test_a_key_struck_again_is_released_first() -> None:
    piano = TypingPiano()
    piano.type("a", 0.0)
    assert piano.type("a", 0.25)[0] == [KeyUp(0.25, 60, SOURCE), KeyDown(0.25, 60, 88, SOURCE)]


def test_octaves_and_loudness_shift_within_limits() -> None:
    piano = TypingPiano()
    piano.type("x", 0.0)
    assert piano.type("a", 0.0)[0] == [KeyDown(0.0, 72, 88, SOURCE)]
    piano.type("z" * 20, 1.0)
    assert piano.type("a", 1.0)[0] == [KeyDown(1.0, 0, 88, SOURCE)]
    piano.type("x" * 20 + "v" * 20, 2.0)
    assert piano.type("a", 2.0)[0] == [KeyDown(2.0, 96, 124, SOURCE)]
    piano.type("x" * 20 + "c" * 20, 3.0)
    assert piano.type("s", 3.0)[0] == [KeyDown(3.0, 98, 16, SOURCE)]


def test_commands_and_escape_sequences() -> None:
    piano = TypingPiano()
    assert piano.type(" m-=", 0.0)[1] == [
        KeyCommand.PANIC, KeyCommand.MODE, KeyCommand.SLOWER, KeyCommand.FASTER
    ]  # fmt: skip
    assert piano.type("\x1b", 0.0)[1] == [KeyCommand.QUIT]
    assert piano.type("Q", 0.0)[1] == [KeyCommand.QUIT]
    assert piano.type("\x1b[A", 0.0) == ([], [])


@given(st.lists(st.tuples(st.text(), st.floats(0.0, 0.3)), max_size=30))
def test_whatever_is_typed_every_note_ends_once(typed: list[tuple[str, float]]) -> None:
    piano, now_s, found = TypingPiano(), 0.0, []
    for text, pause_s in typed:
        now_s += pause_s
        found += piano.due(now_s) + piano.type(text, now_s)[0]
    found += piano.release_all(now_s)
    held: set[int] = set()
    for item in found:
        if isinstance(item, KeyDown):
            assert item.pitch not in held
            held.add(item.pitch)
        elif isinstance(item, KeyUp):
            held.remove(item.pitch)
    assert not held


class Typist:
    """A terminal whose characters are known beforehand."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def read(self, wait_s: float) -> str:
        assert wait_s > 0
        return self.texts.pop(0) if self.texts else ""


def test_reader_sends_notes_and_commands_and_releases_what_is_held() -> None:
    sent: list[Input] = []
    commands: list[KeyCommand] = []
    with ComputerKeys(Typist("a", "", "s", "q"), sent.append, commands.append, ManualClock(5.0)) as keys:
        keys._thread.join(timeout=10.0)
    assert [(type(item), item.pitch) for item in sent if isinstance(item, KeyDown | KeyUp)] == [
        (KeyDown, 60), (KeyDown, 62), (KeyUp, 60), (KeyUp, 62)
    ]  # fmt: skip
    assert commands == [KeyCommand.QUIT]


def test_terminal_is_put_back_whatever_happens() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with suppress(ZeroDivisionError), raw_terminal(slave) as terminal:
            assert termios.tcgetattr(slave)[3] & (termios.ECHO | termios.ICANON) == 0
            os.write(master, b"as")
            assert terminal.read(1.0) == "as"
            assert terminal.read(0.0) == ""
            raise ZeroDivisionError
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_puts_the_terminal_back(number: signal.Signals) -> None:
    code = (
        "import signal, sys, time\n"
        "from studio.live.keyboard import raw_terminal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "with raw_terminal():\n"
        "    print('raw', flush=True)\n"
        "    time.sleep(60)\n"
    )
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"raw\n"
            assert termios.tcgetattr(slave) != before
            process.send_signal(number)
        assert process.returncode != 0
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(slave)
        os.close(master)


def test_no_terminal_is_said() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="no terminal"), raw_terminal(reading):
            pass
    finally:
        os.close(reading)
        os.close(writing)


def test_layout_covers_an_octave_and_a_half_without_gaps() -> None:
    assert sorted(WHITE_AND_BLACK.values()) == list(range(18))
    assert not set(WHITE_AND_BLACK) & set("zxcvqm -=+")
