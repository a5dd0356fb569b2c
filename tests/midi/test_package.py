"""The package as a whole."""

from __future__ import annotations

import subprocess
import sys

import midi


def test_importing_midi_loads_nothing_heavy() -> None:
    probe = "import midi, sys; print([m for m in ('rtmidi', 'symusic', 'torch', 'mido') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    assert all(hasattr(midi, name) for name in midi.__all__)
