"""``make bench``: every figure beside a reference measured in the same run, as a table and bench.json.

Times are CPU seconds of this process on one thread, medians of interleaved rounds, so that a busy
machine disturbs both sides alike. Ratios are what counts; milliseconds are this machine's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from midi.corpus import build_corpus
from midi.files import write
from midi.note import Note, NoteArray, Part, Score
from models.registry import find
from studio.live.synth import Synth, SynthEvent
from tests.bench.figures import Figure, compared, cpu_s, higher
from tests.bench.rows import decode_figures
from tests.bench.window import window_figures


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
    """Process start to the first plan, against importing torch."""
    code = "from models.sequence.player import Player; Player.load('partner').warm_up()"
    ours_s = min(wall_s(code) for _ in range(3))
    torch_s = min(wall_s("import torch") for _ in range(3))
    return [
        higher(
            "process start to first plan", ours_s, "s", "import torch", torch_s, "<= 2.5 s", 2.5, less=True
        )
    ]


def wall_s(code: str) -> float:
    """Wall seconds of a fresh interpreter that runs ``code``."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def engine_figures() -> list[Figure]:
    """Everything but the window."""
    return [*decode_figures(), *synth_figures(), *corpus_figures(), *start_figures()]


def main() -> None:
    """Measure, print the table, write bench.json; with ``window`` as argument the window alone."""
    find("partner")
    only_window = sys.argv[1:] == ["window"]
    figures = [*window_figures()] if only_window else [*engine_figures(), *window_figures()]
    for f in figures:
        mark = {True: "ok", False: "short", None: ""}[f.ok]
        line = f"{f.name:<38} {f.value:9.2f} {f.unit:<12} {f.reference:<26} {f.reference_value:9.2f} "
        sys.stdout.write(f"{line}ratio {f.ratio:6.2f}  {f.goal:<34} {mark}\n")
    file = Path("bench.json")
    rows = [asdict(f) for f in figures]
    if only_window and file.exists():
        fresh = {row["name"] for row in rows}
        rows = [row for row in json.loads(file.read_text()) if row["name"] not in fresh] + rows
    file.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
