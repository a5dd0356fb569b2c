from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest

from midi.clock import ManualClock
from studio.live import sound
from studio.live.audio import Render, SilentOut
from studio.live.messages import Sound, Voice
from studio.live.realtime import on_time
from studio.live.sound import open_sound


class Device(SilentOut):
    """A device that renders when told to."""

    reason = ""

    def __init__(self) -> None:
        super().__init__("", 48_000, 256, ManualClock())
        self.is_open = False

    def start(self, render: Render) -> None:
        self._render = render
        self.is_open = True

    def stop(self) -> None:
        self.is_open = False


def test_silence_that_was_asked_for_needs_no_words() -> None:
    found = open_sound("none", ManualClock())
    assert (found.sinks, found.sentence, found.underruns) == ((), "", 0)
    found.close()


def test_a_device_that_fails_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "open_audio", lambda *_, **__: SilentOut("The sound device is busy."))
    found = open_sound("default", ManualClock())
    assert found.sinks == ()
    assert found.sentence == "The sound device is busy. The performance is silent."


def test_the_player_is_heard_in_the_next_block_and_the_device_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(sound, "open_audio", lambda *_, **__: device)
    found = open_sound("default", ManualClock())
    assert device.is_open
    found.sinks[0].play(Sound(0.0, "on", Voice.PLAYER, 60, 100, 1))
    blocks: list[float] = []

    def pull() -> None:
        # On a thread of its own, as a device does: it asks for real-time priority, which must not stay here.
        blocks.append(float(np.abs(device._pull(256)).max()))

    thread = threading.Thread(target=pull)
    thread.start()
    thread.join()
    assert blocks[0] > 1e-4
    found.close()
    assert not device.is_open


def test_what_the_loop_asks_of_the_system_is_given_back() -> None:
    interval_s = sys.getswitchinterval()
    with on_time() as priority:
        assert priority in {"real-time", "ordinary"}
        assert sys.getswitchinterval() <= 0.001
        assert gc.get_freeze_count() > 0
    assert sys.getswitchinterval() == interval_s
    assert gc.get_freeze_count() == 0
