"""``make bench``: every figure beside a reference measured in the same run, as a table and bench.json.

Times are CPU seconds of this process on one thread, medians of interleaved rounds, so that a busy
machine disturbs both sides alike. Ratios are what counts; milliseconds are this machine's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from cyclopts import App

from midi.corpus import build_corpus
from midi.files import write
from midi.note import Note, NoteArray, Part, Score
from models.registry import find
from studio.live.synth import Synth, SynthEvent
from tests.bench.figures import Figure, compared, cpu_s, higher
from tests.bench.generator import generator_figures
from tests.bench.generator import gpu_figures as gpu_picture_figures
from tests.bench.peers import peer_figures
from tests.bench.rows import decode_figures
from tests.bench.window import window_figures

Only = Literal["all", "partner", "engine", "generator", "window"]
STARTS = 5
app = App(name="bench", help="Every figure beside a reference of the same run.")


def synth_figures() -> list[Figure]:
    """32 voices in blocks of 256 frames, against a bare wavetable of as many."""
    rate, block, blocks = 48_000, 256, 96
    table = np.sin(2 * np.pi * np.arange(2048) / 2048).astype(np.float32)
    phases = np.arange(32)[:, None] * 7.0
    steps = (2048 * 110 * 2 ** (np.arange(32) / 12) / rate)[:, None]

    def ours() -> None:
        synth = Synth(rate)
        for voice in range(32):
            synth.schedule(SynthEvent(0, "on", 0, 40 + voice, 90, voice))
        for _ in range(blocks):
            synth.render(block)

    def bare() -> None:
        phase = phases.copy()
        for _ in range(blocks):
            index = (phase + steps * np.arange(block)).astype(np.int64) & 2047
            table[index].sum(axis=0)
            phase += steps * block

    ours_s, bare_s = cpu_s(ours, bare, rounds=5)
    seconds = blocks * block / rate
    return [higher("synth, 32 piano voices with reverb", seconds / ours_s, "x real time", "bare wavetable",
                   seconds / bare_s, ">= 8 x real time", 8.0)]  # fmt: skip


def corpus_figures() -> list[Figure]:
    """Folder to checked corpus against symusic's parse of the same files."""
    import symusic

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        for number in range(30):
            notes = [
                Note(int(t), 200, int(p), 80)
                for t, p in zip(
                    np.sort(rng.integers(0, 200_000, 1500)), rng.integers(40, 90, 1500), strict=True
                )
            ]
            write(folder / f"{number}.mid", Score((Part("piano", NoteArray.from_notes(notes)),)))
        paths = sorted(folder.glob("*.mid"))
        ours_s, parse_s = cpu_s(
            lambda: build_corpus(folder, Path(name) / "corpus"),
            lambda: [symusic.Score(path) for path in paths],
            rounds=5,
        )
    return [compared("corpus intake, a file", ours_s / 30 * 1e3, "ms", "symusic parse", parse_s / 30 * 1e3,
                     "<= 5", 5.0)]  # fmt: skip


def start_figures() -> list[Figure]:
    """Process start to the first row, against importing torch."""
    code = """
import time
from models.sequence.player import Player
Player.load("partner").warm_up()
print(time.monotonic(), time.process_time())
"""
    starts = [started(code) for _ in range(STARTS)]
    bare = "import time, torch; print(time.monotonic(), time.process_time())"
    torch_starts = [started(bare) for _ in range(STARTS)]
    note = (
        f"by the clock, best of {STARTS}, {min(cpu for _, cpu in starts):.2f} CPU s: a fresh interpreter, "
        "imports, the bundle with its checksums, a first plan; files in the page cache"
    )
    return [
        higher("process start to first row", min(s for s, _ in starts), "s", "import torch",
               min(s for s, _ in torch_starts), "<= 2.5 s", 2.5, less=True, note=note)
    ]  # fmt: skip


def started(code: str) -> tuple[float, float]:
    """Seconds by the clock from before the process to the times that ``code`` prints, and its CPU seconds."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ended, cpu = map(float, done.stdout.split())
    return ended - began, cpu


@app.default
def bench(only: Only = "all", *, peers: str = sys.executable) -> None:
    """Measure, print the table and write bench.json; what is left out keeps its figures there.

    Args:
        only: Which figures.
        peers: A Python that has the peers; ``make bench-peers`` makes one.
    """
    find("partner")
    measures: list[tuple[Only, Callable[[], list[Figure]]]] = [
        ("partner", lambda: peer_figures(peers)), ("partner", decode_figures), ("partner", start_figures),
        ("engine", synth_figures), ("engine", corpus_figures), ("window", window_figures),
        ("generator", lambda: generator_figures(peers)), ("generator", gpu_picture_figures),
    ]  # fmt: skip
    file = Path("bench.json")
    before = json.loads(file.read_text()) if file.exists() and only != "all" else []
    rows: list[dict[str, Any]] = []
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    for name, measure in measures:
        if only in {"all", name}:
            figures = measure()
            sys.stdout.write("".join(figure.line() + "\n" for figure in figures))
            sys.stdout.flush()
            rows += [asdict(figure) for figure in figures]
    file.write_text(json.dumps(merged(before, rows), indent=2, allow_nan=False) + "\n")


def merged(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures of an earlier run that were not measured again, then those of this one."""
    fresh = {row["name"] for row in now}
    return [row for row in before if row["name"] not in fresh] + now


if __name__ == "__main__":
    app()
