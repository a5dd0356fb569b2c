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
import torch

from midi.corpus import build_corpus
from midi.events import BarGrid, Field, Role, start_row
from midi.files import write
from midi.note import Note, NoteArray, Part, Score
from models.registry import find
from models.sequence.decode import Reader, draw
from models.sequence.network import EventModel
from models.sequence.player import Player
from studio.live.synth import Synth, SynthEvent
from tests.bench.figures import ROUNDS, Figure, compared, cpu_s, higher
from tests.bench.window import window_figures

POSITION = 400
"""Rows already read when a row is timed."""


def decode_figures() -> list[Figure]:
    """A whole event row against the bare trunk step, and a late note against one row."""
    torch.set_num_threads(1)
    model = Player.load("partner").model
    reader = Reader(model)
    rows = random_rows(POSITION)
    reader.read(rows)
    rng = np.random.default_rng(0)
    vector = torch.zeros(1, 1, model.config.trunk.width)

    def back() -> None:
        reader.step_back(POSITION)

    def trunk() -> None:
        back()
        with torch.inference_mode():
            model.trunk(vector, reader._cache)

    def row() -> None:
        back()
        logits = reader.next_row()
        for field in Field:
            if field <= Field.VELOCITY:
                scores = logits.of(field)
                logits.row[field] = draw(scores, np.ones(len(scores), dtype=bool), 1.0, 0.95, rng)
        reader.append(rows[-1:])

    def late() -> None:
        reader.step_back(POSITION - 4)
        reader.append(rows[-4:])

    def again() -> None:
        reader.step_back(0)
        reader.append(rows)

    trunk_s, row_s, late_s = cpu_s(trunk, row, late)
    again_s = cpu_s(again, rounds=3)[0]
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    return [
        compared(
            f"event row, {millions:.1f} M, position {POSITION}",
            row_s * 1e3,
            "ms",
            "bare eager trunk step",
            trunk_s * 1e3,
            "<= 0.45 (needs the fast CPU path)",
            0.45,
        ),
        compared("late note: back and 4 rows", late_s * 1e3, "ms", "one row", row_s * 1e3, "<= 2", 2.0),
        compared(
            "late note: back and 4 rows",
            late_s * 1e3,
            "ms",
            f"reading {POSITION} rows again",
            again_s * 1e3,
            "< 1",
            1.0,
        ),
        *gpu_figures(model, rows, row_s),
    ]


def gpu_figures(model: EventModel, rows: np.ndarray, cpu_row_s: float) -> list[Figure]:
    """Milliseconds a row on a GPU, eager, where there is one."""
    if not torch.cuda.is_available():
        return []
    reader = Reader(model.to("cuda"))
    reader.read(rows)

    def row() -> None:
        reader.step_back(POSITION)
        logits = reader.next_row()
        for field in Field:
            if field <= Field.VELOCITY:
                logits.of(field)
        reader.append(rows[-1:])
        torch.cuda.synchronize()

    row()
    began = time.perf_counter()
    for _ in range(ROUNDS):
        row()
    gpu_s = (time.perf_counter() - began) / ROUNDS
    name = torch.cuda.get_device_name()
    return [
        compared(f"event row on {name}, eager", gpu_s * 1e3, "ms", "the CPU row", cpu_row_s * 1e3, "", None)
    ]


def random_rows(count: int) -> np.ndarray:
    """Legal rows of no musical worth."""
    rng = np.random.default_rng(0)
    rows = np.repeat(start_row(BarGrid(), 0), count, axis=0)
    rows[1:, Field.ROLE] = Role.PARTNER
    rows[1:, Field.DELTA] = rng.integers(0, 7, count - 1)
    rows[1:, Field.PITCH] = rng.integers(40, 80, count - 1)
    return rows


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
