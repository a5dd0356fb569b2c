"""The desk of the window's stress test: a file plays in a person's place as soon as the model is ready."""

from __future__ import annotations

import threading
import time

import assets
from midi.files import read
from midi.ports import FakeSystem
from midi.systemclock import SystemClock
from studio.live.desk import Desk
from studio.live.deskoptions import DeskOptions
from studio.live.fileplayer import FilePlayer, player_part
from studio.live.planner import ModelState

DEMO = "demos/harbor.mid"
HEAD_START_S = 0.5


def build(options: DeskOptions) -> Desk:
    """The desk, with a player that waits for the model."""
    clock = SystemClock()
    desk = Desk(options, system=FakeSystem("Rack"), clock=clock)
    part = player_part(read(assets.path(DEMO)), options.tempo_bpm)

    def begin() -> None:
        while desk.view().model.state is not ModelState.READY:
            time.sleep(0.05)
        desk.let_play(FilePlayer(part, clock.now_s() + HEAD_START_S))

    threading.Thread(target=begin, name="player", daemon=True).start()
    return desk
