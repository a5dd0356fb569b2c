"""``python -m tests.bench.chorales``: small sequence models on Bach's chorales, as a paper's table.

Nats a note on ``valid`` of the JSB chorales (16th grid, soprano to bass, held notes repeated, keys kept), the
mean over all tokens, weights chosen on ``valid`` too, as the published figures do it. Every network trains on
the same batches, transposed by up to six semitones, for minutes of CPU time of its own process, so that a
busy machine is fair to all. The same command goes on where it was stopped.

The rows ``gru`` and ``transformer`` are told the token before, the voice, the place in the bar, the voice's
last pitch and for how long it has been held; ``steps`` is the product's network
(:mod:`models.sequence.chorale`), ``ensemble`` the mean of the probabilities of all its seeds, and ``pupil``
one such network that was taught that mean, as the product's is (:mod:`models.sequence.choralepupil`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from cyclopts import App
from torch import Tensor, nn

from models.sequence.chorale import (
    N_OUT,
    ChoraleConfig,
    ChoraleModel,
    ChoraleTask,
    nll_per_note,
    read_pieces,
)
from models.sequence.choraleinputs import (
    BAR_STEPS,
    MAX_HELD,
    NOTHING,
    VOICES,
    Inputs,
    Piece,
    Told,
    inputs_of,
)
from models.sequence.choralepupil import LessonConfig, Lessons, PupilTask, write_lessons
from models.sequence.network import Trunk, TrunkConfig
from models.training.checkpoint import read_weights
from models.training.contract import Task
from models.training.loop import fit
from studio.chorales import N_TEACHERS, PUPIL, copy_bigram_nll, loop_config, pupil_loop_config
from studio.terminal import table
from tests.bench.pictures import Positive, reporter, say, start

Row = Literal["gru", "transformer", "steps", "pupil"]
ROWS: tuple[Row, ...] = ("gru", "transformer", "steps", "pupil")
PUBLISHED = {"Coconet, in order": 0.436, "Music Transformer, absolute": 0.417, "Music Transformer": 0.335}
"""Huang et al. 2019, table 2, as far as known; the split is the same, the recipe was not published."""
GOALS = {"pupil": 0.32, "ensemble": 0.30}
LESSONS = LessonConfig()
MARKS_MIN = (1, 2, 3, 5, 10, 20, 60)

app = App(name="bench-chorales", help="Compare models of chorales.", result_action="return_value")


class TokenModel(nn.Module):
    """What two rows share: tokens one after the other, told little, through a causal ``core`` ``[b t w]``."""

    def __init__(self, width: int, dropout: float, core: nn.Module) -> None:
        super().__init__()
        sizes = (NOTHING + 1, VOICES, BAR_STEPS, NOTHING + 1, MAX_HELD + 1)
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        for told in self.tables:
            nn.init.normal_(told.weight, std=0.02)
        self.dropout, self.core = nn.Dropout(dropout), core
        self.out = nn.Linear(width, N_OUT)

    def forward(self, categories: Tensor, histograms: Tensor) -> Tensor:
        """As :class:`ChoraleModel`; the histograms are not looked at."""
        del histograms
        b, t = categories.shape[:2]
        # The voice above; above the soprano stands the bass of the step before.
        above = [categories[:, :, v, Told.OTHER_1 + (v - 1) % 3] for v in range(VOICES)]
        voice = torch.arange(VOICES, device=categories.device).expand(b, t, VOICES)
        told = (
            torch.stack(above, -1),
            voice,
            *(categories[..., c] for c in (Told.PLACE, Told.OWN, Told.HELD)),
        )
        x = sum(table(column.flatten(1)) for table, column in zip(self.tables, told, strict=True))
        logits: Tensor = self.out(self.core(self.dropout(x))).view(b, t, VOICES, N_OUT)
        return logits


class Recurrent(nn.Module):
    """Two layers of gated recurrent units (Cho et al. 2014)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.GRU(width, width, num_layers=2, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.layers(x.float())[0])
        return y


@dataclass(frozen=True)
class Recipe:
    """How a row is made and how fast it learns."""

    build: Callable[[ChoraleConfig], nn.Module]
    config: ChoraleConfig
    learning_rate: float | None = None


def recipe_of(row: Row, seed: int) -> Recipe:
    """One row with one seed."""
    config = replace(PUPIL if row == "pupil" else ChoraleConfig(), seed=seed)
    if row in {"steps", "pupil"}:
        return Recipe(ChoraleModel, config)
    # Their windows are as long when measured as when trained, in tokens too.
    config = replace(config, trunk=TrunkConfig(192, 4, 4, config.window, 0.3))
    core = TrunkConfig(192, 4, 4, config.window * VOICES, 0.3)
    if row == "transformer":
        return Recipe(lambda _: TokenModel(192, 0.3, Trunk(core)), config, 1e-3)
    return Recipe(lambda _: TokenModel(256, 0.4, Recurrent(256, 0.4)), config, 2e-3)


@app.default
def bench(
    *,
    data: Path = Path("../shared/data/jsb_chorales/jsb16_satb_train_valid.json"),
    out: Path = Path("out/bench-chorales"),
    minutes: Annotated[float, Positive] = 8,
    pupil_minutes: Annotated[float, Positive] = 24,
    seeds: Annotated[int, Positive] = N_TEACHERS,
    other_seeds: Annotated[int, Positive] = 1,
    rows: tuple[Row, ...] = ROWS,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Train every row with every seed, then print the table and write ``bench-chorales.json``.

    Args:
        data: JSON of splits of pieces.
        out: Where runs and figures are kept.
        minutes: Of compute for each row and seed; what gets no better any more ends earlier.
        pupil_minutes: For the pupil, its teachers' not counted.
        seeds: Of the product's network: the ensemble, and the pupil's teachers.
        other_seeds: Of the others.
        rows: Which networks.
        device: Where to train.
    """
    torch.set_num_threads(1)
    train, valid = read_pieces(data, "train"), read_pieces(data, "valid")
    learned, unseen = ([inputs_of(piece) for piece in pieces] for pieces in (train, valid))
    results: dict[str, Any] = {
        "unigram": {"valid": [unigram_nll(train, valid)]},
        "copy-bigram": {"valid": [copy_bigram_nll(train, valid)]},
    }
    for row in rows:
        found = []
        for seed in range(seeds if row == "steps" else other_seeds):
            recipe = recipe_of(row, seed)
            torch.manual_seed(seed)
            model = recipe.build(recipe.config)
            run = Run(row, seed, out, pupil_minutes if row == "pupil" else minutes, device)
            if row == "pupil":
                task: Task = PupilTask(recipe.config, model, lessons_of(seeds, out, train), unseen)
            else:
                task = ChoraleTask(recipe.config, model, learned, unseen)
            found.append(result_of(run, task, model, recipe.learning_rate))
        results[row] = {key: [each[key] for each in found] for key in found[0]}
        if row == "steps":
            ensemble = [load(row, seed, out) for seed in range(seeds)]
            results["ensemble"] = {"valid": [ensemble_nll(ensemble, unseen)]}
    report = {"minutes": minutes, "rows": results, "published": PUBLISHED, "goals": GOALS}
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench-chorales.json").write_text(json.dumps(report, indent=2))
    say(*table_of(report))


@dataclass(frozen=True)
class Run:
    """One row with one seed."""

    row: Row
    seed: int
    out: Path
    minutes: float
    device: str

    @property
    def folder(self) -> Path:
        """Of its checkpoints and figures."""
        return self.out / f"{self.row}-{self.seed}"


def result_of(run: Run, task: Task, model: nn.Module, learning_rate: float | None) -> dict[str, Any]:
    """Train, or go on with it, or take up what it gave."""
    file = run.folder / f"result-{run.minutes:g}min.json"
    if file.exists():
        return dict(json.loads(file.read_text()))
    config_of = pupil_loop_config if run.row == "pupil" else loop_config
    loop = replace(config_of(run.folder, run.minutes, run.device), threads=1, seed=run.seed)
    if learning_rate is not None:
        loop = replace(loop, learning_rate=learning_rate)
    clock = time.monotonic if loop.device == "cuda" else time.process_time
    fitted = fit(task, loop, resume=True, report=reporter(f"{run.row} seed {run.seed}"), clock=clock)
    if fitted.interrupted:
        raise KeyboardInterrupt
    result = {
        "valid": fitted.best_metric,
        "minutes": curve_of(run.folder / "log.jsonl"),
        "steps": fitted.step,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    file.write_text(json.dumps(result))
    return result


def lessons_of(seeds: int, out: Path, train: list[Piece]) -> Lessons:
    """A pupil's, of the trained ``steps``; made when they are first asked for."""
    folder = out / f"lessons-{seeds}"
    if not folder.exists():
        write_lessons(folder, [load("steps", seed, out) for seed in range(seeds)], train, LESSONS)
    return Lessons(folder)


def load(row: Row, seed: int, out: Path) -> nn.Module:
    """The best weights of a row."""
    recipe = recipe_of(row, seed)
    model = recipe.build(recipe.config)
    model.load_state_dict(read_weights(out / f"{row}-{seed}" / "best.safetensors")["model"])
    return model.eval()


def curve_of(log: Path) -> dict[str, float]:
    """The best figure by the minutes that it took."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    points = [(line["elapsed_s"] / 60, line["metric"]) for line in lines if line.get("metric") is not None]
    marks = [mark for mark in MARKS_MIN if points and points[0][0] <= mark <= points[-1][0]]
    return {str(mark): min(metric for at, metric in points if at <= mark) for mark in marks}


def ensemble_nll(models: Sequence[nn.Module], pieces: Sequence[Inputs]) -> float:
    """Nats a note of the mean of the models' probabilities."""

    class Mean(nn.Module):
        """Logits of the mean."""

        def __init__(self) -> None:
            super().__init__()
            self.models = nn.ModuleList(models)

        def forward(self, categories: Tensor, histograms: Tensor) -> Tensor:
            shares = [model(categories, histograms).softmax(-1) for model in self.models]
            return torch.stack(shares).mean(0).log()

    return nll_per_note(Mean().eval(), pieces, recipe_of("steps", 0).config.trunk.context)[0]


def unigram_nll(train: list[Piece], valid: list[Piece]) -> float:
    """Each voice's pitches counted, half a count more for each."""
    counts = np.full((VOICES, N_OUT), 0.5)
    for piece in train:
        for voice in range(VOICES):
            np.add.at(counts[voice], piece[:, voice], 1)
    nats = -np.log(counts / counts.sum(1, keepdims=True))
    return float(np.concatenate([nats[np.arange(VOICES), piece].ravel() for piece in valid]).mean())


def table_of(report: dict[str, Any]) -> list[str]:
    """For people."""
    lines = []
    for name, found in report["rows"].items():
        values = found["valid"]
        spread = f"{np.mean(values):.4f}" + (
            f" ({min(values):.4f}-{max(values):.4f})" if len(values) > 1 else ""
        )
        curves = found.get("minutes", [])
        marks = sorted({int(mark) for curve in curves for mark in curve})
        at = {mark: np.mean([curve[str(mark)] for curve in curves if str(mark) in curve]) for mark in marks}
        curve = ", ".join(f"{mark} min {value:.3f}" for mark, value in at.items())
        size = f"{found['parameters'][0] / 1e6:.2f} M" if "parameters" in found else ""
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"goal {goal}: {'reached' if np.mean(values) <= goal else 'SHORT'}"
        lines.append((name, spread, size, curve, verdict))
    lines += [(name, f"{value:.3f}", "", "", "published") for name, value in PUBLISHED.items()]
    return table(("model", "nats a note, valid", "parameters", "best after", ""), lines)


if __name__ == "__main__":
    start(app)
