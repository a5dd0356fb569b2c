"""The desk in a process of its own: seen, told, killed, started again, closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from midi.clock import ManualClock
from midi.ports import FakeSystem
from studio.live import deskprocess
from studio.live.desk import Desk
from studio.live.deskoptions import DeskOptions
from studio.live.deskprocess import RemoteDesk, first_view
from studio.live.deskview import ChooseSound, DeskView, SetMetronome, SetVolume
from studio.live.deskwire import Packer, Unpacker
from studio.live.messages import KeyDown, KeyUp, Mode, SetMode, SetPlaying, Steer, Voice
from studio.live.planner import InlinePlanner
from studio.live.take import load_take
from tests.studio.live.fakes import BeatPlanner
from tests.studio.live.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[3]
BUILD = "tests.studio.live.fakes:quiet_desk"


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def options(folder: Path) -> DeskOptions:
    return DeskOptions(sound="none", takes=folder / "takes", keeps_learned=False)


def test_a_key_is_seen_and_closing_leaves_a_whole_take_and_no_process(tmp_path):
    with RemoteDesk(options(tmp_path), build=BUILD) as desk:
        assert desk.view().is_alive
        assert desk.view().snapshot.bpm == 120.0
        desk.do(KeyDown(0.0, 60, 80))
        wait_until(lambda: 60 in desk.view().snapshot.held, "the key is seen")
        wait_until(lambda: desk.view().take.path, "the take has begun")
        pid = desk.pid
        assert pid is not None
        assert pid != os.getpid()
    assert is_gone(pid)
    view = desk.view()
    assert not view.is_alive
    (path,) = view.take.finished
    mine = [s.kind for s in load_take(path).sounds if s.voice is Voice.PLAYER]
    assert mine == ["on", "off"]
    desk.close()


def test_a_desk_that_dies_is_noticed_and_starts_again_as_it_was_set(tmp_path):
    with RemoteDesk(options(tmp_path), build=BUILD) as desk:
        for command in (SetMode(0.0, Mode.RESPOND), SetVolume(Voice.PARTNER, -9.0), ChooseSound("none"),
                        Steer(0.0, "swing", 0.4), Steer(0.0, "swing", 0.5)):  # fmt: skip
            desk.do(command)
        wait_until(lambda: desk.view().feel.swing == 0.5, "it is set")
        pid = desk.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not desk.view().is_alive, "its death is noticed")
        wait_until(lambda: desk.pid is None, "the system has let it go")
        notice = desk.view().notices[-1]
        assert "stopped" in notice.sentence
        assert "by itself" in notice.hint
        desk.do(SetMetronome(is_on=True))
        desk.restart()
        wait_until(lambda: desk.view().is_metronome_on and desk.view().feel.swing == 0.5, "it is set again")
        view = desk.view()
        assert view.is_alive
        assert desk.pid != pid
        assert (view.snapshot.mode, view.volumes_db[1]) == (Mode.RESPOND, -9.0)
        assert notice in view.notices
    assert [n.number for n in desk.view().notices] == sorted({n.number for n in desk.view().notices})


def test_a_desk_that_hangs_is_ended_and_can_be_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(deskprocess, "FROZEN_S", 2.0)
    with RemoteDesk(options(tmp_path), build=BUILD) as desk:
        desk.do(KeyDown(0.0, 60, 80))
        wait_until(lambda: desk.view().take.path, "the take has begun")
        pid, path = desk.pid, desk.view().take.path
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: not desk.view().is_alive, "it is noticed")
        wait_until(lambda: desk.pid is None, "the system has let it go")
        assert "no longer answered" in desk.view().notices[-1].sentence
        desk.restart()
        wait_until(lambda: desk.view().is_alive and desk.pid not in {None, pid}, "it is back")
    assert [sound.pitch for sound in load_take(path).sounds if sound.kind == "on"] == [60]


def test_an_interrupt_of_the_terminal_is_the_windows_and_an_end_is_a_proper_one(tmp_path):
    with RemoteDesk(options(tmp_path), build=BUILD) as desk:
        desk.do(KeyDown(0.0, 60, 80))
        wait_until(lambda: desk.view().take.path, "the take has begun")
        os.kill(desk.pid, signal.SIGINT)
        desk.do(KeyUp(0.0, 60))
        wait_until(lambda: not desk.view().snapshot.held, "it still listens")
        os.kill(desk.pid, signal.SIGTERM)
        wait_until(lambda: not desk.view().is_alive, "it has ended")
        assert len(desk.view().take.finished) == 1


def test_a_desk_that_cannot_be_made_says_why(tmp_path):
    with RemoteDesk(options(tmp_path), build="tests.studio.live.fakes:refused_desk") as desk:
        wait_until(lambda: not desk.view().is_alive, "it has given up")
        assert "no room for a desk" in desk.view().notices[-1].sentence


WINDOW = """
import sys
from pathlib import Path
from studio.live.deskoptions import DeskOptions
from studio.live.deskprocess import RemoteDesk
from studio.live.messages import KeyDown
def main():
    options = DeskOptions(sound="none", takes=Path(sys.argv[1]), keeps_learned=False)
    desk = RemoteDesk(options, build="tests.studio.live.fakes:quiet_desk")
    desk.start()
    desk.do(KeyDown(0.0, 60, 80))
    while not desk.view().take.path:
        pass
    heavy = [name for name in ("torch", "pygame", "rich", "studio.live.engine") if name in sys.modules]
    print(desk.pid, heavy, flush=True)
    sys.stdin.readline()
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("how", ["killed", "left"])
def test_a_window_that_is_gone_takes_its_desk_with_it_and_the_take_is_whole(tmp_path, how):
    (tmp_path / "window.py").write_text(WINDOW)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "window.py"), str(tmp_path / "takes")]
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as window:
        pid, heavy = window.stdout.readline().split(maxsplit=1)
        # The window's process has nothing of what plays.
        assert heavy.strip() == "[]"
        if how == "killed":
            window.kill()
        else:
            window.stdin.write("go\n")
            window.stdin.flush()
        window.wait(PATIENCE_S)
    wait_until(lambda: is_gone(int(pid)), "the desk has ended")
    (path,) = (tmp_path / "takes").iterdir()
    sounds = load_take(path).sounds
    assert [s.kind for s in sounds if s.voice is Voice.PLAYER] == ["on", "off"]


def test_neither_the_desk_nor_its_remote_loads_torch():
    code = (
        "import sys, studio.live.desk, studio.live.deskprocess, studio.live.controllers\n"
        "print([m for m in ('torch', 'pygame', 'rich', 'symusic') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert found.stdout.strip() == "[]"


# What travels.


def test_frames_rebuild_every_view(tmp_path):
    clock = ManualClock(10.0)
    desk = Desk(
        options(tmp_path), system=FakeSystem("Keys"), planner=InlinePlanner(BeatPlanner()), clock=clock
    )
    desk.set_up()
    packer, unpacker = Packer(), Unpacker(first_view(options(tmp_path)))
    commands = {5: KeyDown(0.0, 60, 80), 40: KeyUp(0.0, 60), 90: Steer(0.0, "density", 1.0),
                300: SetPlaying(0.0, is_playing=False)}  # fmt: skip
    sizes = []
    for number in range(400):
        if number in commands:
            desk.do(commands[number])
        clock.advance(0.02)
        desk.turn()
        view = desk.view()
        frame = packer.pack(view)
        packer.keep(view)
        sizes.append(len(frame.roll or ()))
        assert_same(unpacker.unpack(frame), view)
    assert max(len(unpacker.unpack(packer.pack(view)).roll), 1) > 3
    # Only what is new of the roll travels.
    assert max(sizes) <= 4
    assert not packer.pack(view).is_news
    desk.close()


def assert_same(got: DeskView, wanted: DeskView) -> None:
    assert replace(got, is_alive=wanted.is_alive) == wanted
