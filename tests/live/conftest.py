"""A JACK server without a sound card, so that real MIDI ports can be tested on any Linux machine."""

import os
import shutil
import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress

import pytest

N_STARTS = 5
START_TIMEOUT_S = 5.0
PERIOD = "1024"  # Smaller periods lose messages on a busy machine: measured, 13 of 800 at 64 frames.


def _answers():
    return subprocess.run(["jack_lsp"], capture_output=True, timeout=20).returncode == 0


def _start(log):
    # Not real-time (-r): containers seldom may. A server of our own name leaves a person's own server alone.
    command = ["jackd", "-n", os.environ["JACK_DEFAULT_SERVER"], "-r", "-d", "dummy", "-p", PERIOD]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        if _answers():
            return process
        time.sleep(0.05)
    _stop(process)
    return None


@contextmanager
def _ahead_of_others():
    # A client that misses its cycle loses messages: measured, 2 of 1,600 beside two busy processes.
    # Children inherit the priority; without the right to raise it the test takes its chance.
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def _stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def jackd(tmp_path_factory):
    """A running dummy server, as its log; this process and its children use it and no other."""
    if shutil.which("jackd") is None or shutil.which("jack_lsp") is None:
        pytest.skip("jackd is not installed (Debian: apt-get install --no-install-recommends jackd2)")
    path = tmp_path_factory.mktemp("jackd") / "jackd.log"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as log, _ahead_of_others():
        patch.setenv("JACK_NO_START_SERVER", "1")
        patch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
        patch.setenv("ANTIPHON_MIDI_API", "jack")
        server = None
        for attempt in range(N_STARTS):
            # Starting again under the name of a server just stopped fails more often than not.
            patch.setenv("JACK_DEFAULT_SERVER", f"antiphon-test-{os.getpid()}-{attempt}")
            server = _start(log)
            if server is not None:
                break
            time.sleep(0.5)
        if server is None:
            pytest.fail(f"jackd did not answer in {N_STARTS} starts:\n{path.read_text()[-2000:]}")
        yield path
        _stop(server)


def n_at_risk(log):
    """Messages that a starved server may have lost or handed out twice, by what its log says.

    A client that misses its cycle leaves its messages in place: the next cycle loses them or hands them out
    again. The tests send at most four messages a cycle. On a quiet machine it is none.
    """
    return 4 * log.read_text().count("Process error")


def n_differing(ones, others):
    """How many there are more of in one than in the other, both ways."""
    one, other = Counter(ones), Counter(others)
    return ((one - other) + (other - one)).total()


def connections(port):
    """Full names of the ports that a JACK port is connected to; empty when there is no such port."""
    listed = subprocess.run(["jack_lsp", "-c"], capture_output=True, text=True, timeout=20).stdout
    found, inside = [], False
    for line in listed.splitlines():
        if not line.startswith(" "):
            inside = line.strip() == port
        elif inside:
            found.append(line.strip())
    return found


def wait_until(true, what, timeout_s=20.0, meanwhile=lambda: None):
    """Call ``meanwhile`` and look again every few milliseconds until ``true()``; fails after a while."""
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, f"timed out waiting until {what}"
        meanwhile()
        time.sleep(0.003)
