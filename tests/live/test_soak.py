"""Half a minute of random use; ``python -m tests.live.soak`` does the same for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_random_use_leaves_nothing_broken_or_sounding():
    command = [sys.executable, "-m", "tests.live.soak", "--minutes", "0.5", "--rest", "8", "--seed", "3"]
    done = subprocess.run(
        [*command, "--model", "partner"], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 faults" in done.stdout
