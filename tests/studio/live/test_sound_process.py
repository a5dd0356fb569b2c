"""The synth in a process of its own: heard, on time, killed, hung, left alone, and never left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest

from midi.clock import ManualClock
from midi.events import CLASS_PROGRAMS
from midi.messages import InputQueue
from midi.ports import FakeSystem
from midi.systemclock import SystemClock
from studio.live import desksound, soundprocess
from studio.live.deskdevices import DeskDevices
from studio.live.messages import FIRST_FIXED_ID, Sound, Voice
from studio.live.outputs import SynthOutput
from studio.live.sound import Sound as OpenSound
from studio.live.soundprocess import SoundProcess, open_beside, start_early
from tests.studio.live.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[3]
RATE_HZ = 48_000


def is_ended(pid: int) -> bool:
    """Whether a process is no more; one that nobody has waited for yet counts as ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def opened() -> tuple[OpenSound, SoundProcess]:
    found = open_beside("default", SystemClock())
    process = found.device
    assert isinstance(process, SoundProcess), found.sentence
    return found, process


def key(kind: str, velocity: int = 90) -> Sound:
    return Sound(0.0, kind, Voice.PLAYER, 60, velocity, 1)


def test_a_key_is_heard_a_panic_silences_and_closing_leaves_no_process():
    found, process = opened()
    pid = process.pid
    assert pid not in {None, os.getpid()}
    assert "kHz" in found.name
    assert not process.is_gone
    wait_until(lambda: process.frame > 0, "blocks are asked for")
    os.kill(pid, signal.SIGINT)
    found.sinks[0].set_volume(Voice.PARTNER, -60.0)
    found.sinks[0].play(Sound(0.0, "on", Voice.PARTNER, 60, 90, 2))
    found.sinks[0].play(key("on"))
    wait_until(lambda: found.peak_db > -30, "the key is heard, in spite of an interrupt of the terminal")
    found.sinks[0].panic()
    wait_until(lambda: found.peak_db < -60, "it is silent")
    found.close()
    assert is_ended(pid)
    assert not process.is_gone, "it was closed, not lost"
    # What comes late is nobody's fault.
    found.sinks[0].play(key("off"))
    found.close()


def test_sounds_are_heard_at_their_frames(tmp_path, monkeypatch):
    raw = tmp_path / "heard.raw"
    monkeypatch.setenv("SDL_AUDIODRIVER", "disk")
    monkeypatch.setenv("SDL_DISKAUDIOFILE", str(raw))
    found, process = opened()
    wait_until(lambda: process.frame > 4800, "its clock has settled")
    now_s, gaps_s = SystemClock().now_s() + 0.05, (0.0, 0.11, 0.35)
    for number, gap_s in enumerate(gaps_s):
        click = Sound(now_s + gap_s, "on", Voice.METRONOME, 76, 100, FIRST_FIXED_ID + number)
        found.sinks[0].play(click)
    played = process.frame + 0.5 * RATE_HZ
    wait_until(lambda: process.frame > played, "all clicks are played")
    found.close()
    heard = np.abs(np.fromfile(raw, np.float32).reshape(-1, 2)).max(axis=1)
    onsets = [int(np.flatnonzero(heard > 0.05)[0])]
    for gap_s in gaps_s[1:]:
        beyond = onsets[0] + round((gap_s - 0.02) * RATE_HZ)
        onsets.append(beyond + int(np.flatnonzero(heard[beyond:] > 0.05)[0]))
    found_s = [(onset - onsets[0]) / RATE_HZ for onset in onsets]
    assert found_s == pytest.approx(gaps_s, abs=256 / RATE_HZ)


def test_every_field_of_a_sound_arrives():
    sounds = [
        Sound(12.5, "on", Voice.PARTNER, 61, 127, FIRST_FIXED_ID + 7, 4),
        Sound(13.0, "control", Voice.PLAYER, 64, 127),
        Sound(-1.0, "off", Voice.METRONOME, 76, 0, 3, 11),
    ]

    class Heard:
        peak = 0.0

        def __init__(self):
            self.sounds, self.volumes, self.panics = [], [], 0
            self.prepared = SimpleQueue()

        def prepare(self, program, pitch=None):
            self.prepared.put((program, pitch))

        def play(self, sound):
            self.sounds.append(sound)

        def set_volume(self, voice, gain_db):
            self.volumes.append((voice, gain_db))

        def panic(self):
            self.panics += 1

    heard = Heard()
    player = soundprocess._Player(OpenSound((heard,), "test", meter=heard))
    packed = [
        soundprocess._packed(s.kind, s.voice, s.pitch, s.velocity, s.instrument, s.note_id, s.time_s)
        for s in sounds
    ]
    player.take(b"".join([*packed, soundprocess._packed("volume", Voice.PLAYER, value=-4.5)]))
    player.take(soundprocess._packed("panic"))
    assert (heard.sounds, heard.volumes, heard.panics) == (sounds, [(Voice.PLAYER, -4.5)], 1)
    assert player.is_open
    player.take(b"".join([packed[0], soundprocess._packed("prepare", pitch=-1, instrument=48)]))
    foreseen = [heard.prepared.get(timeout=PATIENCE_S) for _ in range(2)]
    assert foreseen == [(CLASS_PROGRAMS[4], 61), (48, None)], "a key once, an instrument as it was asked for"
    player.take(soundprocess._packed("close"))
    assert not player.is_open


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_dies_or_hangs_is_told_and_replaced(how, monkeypatch):
    monkeypatch.setattr(desksound, "STILL_S", 0.4)
    monkeypatch.setattr("studio.live.deskdevices.RETRY_S", 0.1)
    told, notes, plugged, clock = [], [], [], SystemClock()
    devices = DeskDevices(
        FakeSystem(), InputQueue(), clock, plug=plugged.append, unplug=plugged.remove,
        tell=lambda sentence, _: told.append(sentence), note=notes.append,
    )  # fmt: skip
    devices.choose_sound("default")
    (first,) = plugged
    pid = first.pid
    devices.poll(clock.now_s())
    os.kill(pid, how)
    # More than any pipe holds: who plays never waits.
    for _ in range(10_000):
        first.play(key("on"))

    def look():
        devices.poll(clock.now_s())
        return notes

    wait_until(look, "sound is heard again")
    assert told == [
        "The sound stopped."
        if how is signal.SIGKILL
        else "The sound device System audio output device is gone."
    ]
    (second,) = plugged
    assert second.pid != pid
    assert is_ended(pid)
    second.play(key("on"))
    wait_until(lambda: devices.peak_db > -30, "the new one plays")
    devices.close_sound()


DESK = """
import time
from midi.systemclock import SystemClock
from studio.live.soundprocess import open_beside
if __name__ == "__main__":
    print(open_beside("default", SystemClock()).device.pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_with_a_desk_that_is_killed(tmp_path):
    program = tmp_path / "desk.py"
    program.write_text(DESK)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, text=True, env=environment
    ) as desk:
        assert desk.stdout is not None
        lines = []
        while not lines:
            lines = [word for word in desk.stdout.readline().split() if word.isdigit()]
        pid = int(lines[0])
        assert not is_ended(pid)
        desk.kill()
    wait_until(lambda: is_ended(pid), "the sound has ended too")


def test_one_that_was_started_early_is_taken():
    start_early("none")
    assert not soundprocess._EARLY
    start_early("default")
    (early,) = soundprocess._EARLY
    found, process = opened()
    assert process is early
    assert not soundprocess._EARLY
    found.close()


def test_without_a_device_there_is_a_sentence_and_no_process(monkeypatch):
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    start_early("default")
    pid = soundprocess._EARLY[0].pid
    found = open_beside("default", SystemClock())
    assert "No sound device was found" in found.sentence
    assert found.sentence.endswith("The performance is silent.")
    assert (found.sinks, found.device) == ((), None)
    assert is_ended(pid)


def test_a_process_that_never_answers_is_ended(monkeypatch):
    monkeypatch.setattr(soundprocess, "START_S", 0.05)
    process = SoundProcess()
    pid = process.pid
    os.kill(pid, signal.SIGSTOP)
    assert "does not answer" in process.open("default").sentence
    assert is_ended(pid)


def test_a_clock_of_its_own_stays_in_the_process_that_has_it():
    found = open_beside("default", ManualClock())
    (sink,) = found.sinks
    assert isinstance(sink, SynthOutput)
    found.close()
