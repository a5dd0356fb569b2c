"""A keyboard in one process, ``antiphon play`` in another, real ports between them."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.live.session import load_take
from tests.live.conftest import connections, n_at_risk, n_differing, wait_until
from tests.live.keyboard import KeyboardProcess, notes_on_wire

pytestmark = [pytest.mark.device, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
N_NOTES = 800
ALL_NOTES_OFF = 123


class PlayProcess:
    """``antiphon play`` with a terminal as its standard input, so that keys can be typed into it."""

    def __init__(self, home, *arguments):
        self._typing, stdin = pty.openpty()
        command = [sys.executable, "-m", "studio", "play", "--json", "--audio", "none", *arguments]
        environment = os.environ | {"ANTIPHON_HOME": str(home)}
        self.process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=stdin, stdout=subprocess.PIPE, env=environment
        )
        os.close(stdin)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        os.close(self._typing)

    def check(self):
        assert self.process.poll() is None, "play has ended"

    def type(self, text):
        os.write(self._typing, text.encode())

    def finish(self):
        self.type("q")
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return json.loads(out)


def test_800_notes_are_answered_and_nothing_hangs(jackd, tmp_path):
    options = ("--name", "Keys", "--notes", str(N_NOTES), "--bpm", "120", "--per-beat", "4", "--chord", "2")
    with (
        KeyboardProcess(tmp_path / "rack.json", "--name", "Rack", "--notes", "0") as rack,
        KeyboardProcess(tmp_path / "keys.json", *options, "--reopen-after", str(N_NOTES // 2)) as keys,
        PlayProcess(tmp_path / "home", "--in", "Keys:out", "--out", "Rack", "--tempo", "120") as play,
    ):
        rack.wait_for("ready")
        rack.go()
        rack.wait_for("played")
        keys.wait_for("ready")
        wait_until(lambda: connections("Keys:out"), "play listens to the keyboard", 60.0, play.check)
        # A connection just made does not carry messages at once.
        time.sleep(0.2)
        keys.go()
        keys.wait_for("reopened")
        wait_until(lambda: connections("Keys:out"), "play listens to the keyboard again")
        time.sleep(0.2)
        keys.go()
        keys.wait_for("played")
        play.type(" ")
        time.sleep(0.5)
        summary = play.finish()
        sent, heard = keys.finish()["sent"], rack.finish()["heard"]
    assert summary["stopped_by"] == "key"
    take = load_take(Path(summary["outputs"]["take"]))
    came = [sound.pitch for sound in take.sounds if sound.voice == "player" and sound.kind == "on"]
    played, _ = notes_on_wire(sent)
    struck, wrong = notes_on_wire(heard)
    at_risk = n_at_risk(jackd)
    assert len(played) == N_NOTES
    assert n_differing(came, played) <= at_risk
    assert len(wrong) <= at_risk
    assert summary["hanging_notes"] == summary["scheduled_in_past"] == summary["refused_messages"] == 0
    n_written = summary["partner_notes"] - summary["port_dropped"]
    assert abs(len(struck) - n_written) <= at_risk
    assert n_written > N_NOTES // 8
    silenced_s = min(
        at_s for at_s, (status, *data) in heard if status & 0xF0 == 0xB0 and data[0] == ALL_NOTES_OFF
    )
    assert silenced_s > sent[-1][0]
    # Between the panic and the end nobody plays, so no note is struck.
    assert not [data for at_s, data in heard if data[0] & 0xF0 == 0x90 and at_s > silenced_s]
