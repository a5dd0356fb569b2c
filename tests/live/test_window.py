"""The real program on a real X server: its window, its mouse, its keys, and a take on disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studio.live.messages import Voice
from studio.live.take import load_take
from studio.ui.state import FILE_NAME
from tests.live import xserver
from tests.studio.ui.pilot import Pilot

pytestmark = [
    pytest.mark.device,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not xserver.is_there(), reason="Xvfb or xdotool is not installed (Debian: xvfb xdotool)"
    ),
]


@pytest.fixture(scope="module")
def x():
    with xserver.display() as name:
        yield name


def struck(takes: Path) -> list[int]:
    """Pitches that the player struck, of every take so far."""
    found = []
    for path in takes.glob("*/take.jsonl"):
        text = path.read_text()
        if len(text.splitlines()) > 1:
            sounds = load_take(path).sounds
            found += [s.pitch for s in sounds if (s.kind, s.voice) == ("on", Voice.PLAYER)]
    return found


def place_of(screen: str, widget: str) -> tuple[int, int]:
    """The middle of a widget in a window of the usual size."""
    return Pilot(screen=screen).find(widget).rect.center


def test_a_click_on_play_and_keys_make_a_take(x, tmp_path):
    play, keyboard = place_of("play", "play"), place_of("play", "keyboard")
    tmp_path.joinpath(FILE_NAME).write_text('{"is_welcomed": true, "scale": 1.0}')
    hand = xserver.Hand(x)
    with xserver.program(x, tmp_path, "--model", "none") as process:
        window = xserver.wait_for(lambda: hand.window_of(process.pid), "the window", process)
        assert hand.size_of(window) == (1280, 800)
        hand.do("windowfocus", "--sync", window)
        hand.click(window, *play)
        for key in "zcb":
            hand.do("keydown", key, "sleep", "0.15", "keyup", key, "sleep", "0.1")
        hand.click(window, *keyboard)
        xserver.wait_for(lambda: len(struck(tmp_path / "takes")) >= 4, "four notes in the take", process)
        for _ in range(2):
            # Stop, and start again: what follows is a take of its own.
            hand.click(window, *play)
            hand.do("sleep", "0.5")
        hand.do("key", "q")
        xserver.wait_for(lambda: len(struck(tmp_path / "takes")) >= 5, "a note in the next take", process)
        code, said = xserver.end(process)
    assert code == 0, said
    assert "Traceback" not in said
    takes = [load_take(path).sounds for path in sorted((tmp_path / "takes").glob("*/take.jsonl"))]
    assert len(takes) == 2, "the button ended the first one"
    for sounds in takes:
        ons, offs = ([s.note_id for s in sounds if s.kind == kind] for kind in ("on", "off"))
        assert sorted(ons) == sorted(offs), "every note that began has ended"
    assert {60, 64, 67, 72} < set(struck(tmp_path / "takes"))


def test_the_first_start_is_a_key_and_enter(x, tmp_path):
    hand = xserver.Hand(x)
    with xserver.program(x, tmp_path, "--model", "none") as process:
        window = xserver.wait_for(lambda: hand.window_of(process.pid), "the window", process)
        hand.do("windowfocus", "--sync", window)
        hand.do("key", "z")
        xserver.wait_for(lambda: struck(tmp_path / "takes"), "a note on the first page", process)
        hand.do("key", "Return")
        hand.do("key", "ctrl+q")
        said = process.communicate(timeout=xserver.PATIENCE_S)[0].decode(errors="replace")
    assert process.returncode == 0, said
    assert re.search(r'"is_welcomed": *true', (tmp_path / FILE_NAME).read_text())
