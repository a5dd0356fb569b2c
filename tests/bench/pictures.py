"""``python -m tests.bench.pictures``: recipes for pictures, trained for equal compute, grids beside figures.

Every row trains with every seed for ``--minutes``: of CPU time on one thread, so that a busy machine is fair
to all, or by the clock on a GPU. What is there already is not trained again and an interrupted row goes on,
so the same command can be given with more rows or seeds, or be stopped at any time.

The first pictures of the folder by name are learned from; all others are never seen, and measured with.

Look first: ``--blind`` prints no figure, and the grids in ``blind/`` are called by letters, other ones for
every seed; ``key.json`` tells them when the order by eye is written down.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from cyclopts import App, Parameter
from cyclopts.validators import Number

from midi.errors import UserError
from models.bundle import read_bundle
from models.device import pick_device
from models.image import recipe
from models.image.decode import IntakeConfig
from models.image.judge import Judge, load_judge
from models.image.measure import FEWEST, in_features
from models.image.metrics import nearest_ratio, sliced_wasserstein
from models.image.pictures import PictureSet, Pixels, build_pictures, list_pictures
from models.image.recipe import PictureRun
from models.image.sheet import contact, write_image
from models.image.task import SAMPLES, PictureTask
from models.registry import find
from models.training.contract import Progress
from models.training.loop import fit
from models.training.runs import claim, write_settings
from studio.terminal import table
from tests.bench.dcgan import DcganTask

Row = Literal["ours", "transfer", "dcgan", "projected", "relativistic"]
ROWS: tuple[Row, ...] = ("ours", "transfer", "dcgan", "projected", "relativistic")
OURS: tuple[Row, ...] = ("ours", "transfer")
"""Recipes that the product offers: fresh weights, and those of a starter that has not seen this kind."""
MARKS_MIN = (1, 5, 15, 60)
"""Minutes after which a grid is kept, as far as the run goes."""
EVAL_STEPS = 150
COUNT = 512
FIGURES = ("swd", "kd", "fd", "precision", "recall", "nearest_ratio")
GOAL = 0.7
"""Ours over the best other row, in sliced Wasserstein and kernel distance."""

LEARNED, UNSEEN = "learned", "unseen"

Positive = Parameter(validator=Number(gt=0))
app = App(name="bench-pictures", help="Compare recipes for pictures.", result_action="return_value")


@dataclass(frozen=True)
class Bench:
    """What is compared, and where it is kept."""

    data: Path
    out: Path
    size: int
    minutes: float
    preset: str
    device: str
    base: str = "sunflowers"

    def run_of(self, row: Row, seed: int) -> PictureRun:
        critic = {
            "projected": {"judge": "projected", "loss": "hinge"},
            "relativistic": {"loss": "relativistic", "critic": "residual"},
        }
        return PictureRun(
            self.data, self.out / f"{row}-{seed}", row, max_minutes=self.minutes, seed=seed, size=self.size,
            preset=self.preset, device=self.device, parent=self.base if row == "transfer" else None,
            **critic.get(row, {}),
        )  # fmt: skip


@app.default
def bench(
    *,
    data: Path = Path("../shared/data/flowers128/daisy"),
    first: Annotated[int, Positive] = 180,
    base: str = "sunflowers",
    out: Path = Path("out/bench-pictures"),
    size: int = 64,
    minutes: Annotated[float, Positive] = 10,
    seeds: Annotated[int, Positive] = 3,
    rows: tuple[Row, ...] = ROWS,
    preset: str = "tiny",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    count: Annotated[int, Positive] = COUNT,
    blind: bool = False,
) -> None:
    """Train every row with every seed, then print the table and write ``bench-pictures.json``.

    Args:
        data: Folder of pictures.
        first: Pictures learned from, by name.
        base: Bundle that ``transfer`` starts from; pictures of this kind must not be among its own.
        out: Where runs, grids and figures are kept.
        size: Side in pixels.
        minutes: Of compute for each row and seed.
        seeds: How many.
        rows: Which recipes.
        preset: Widths of our generator.
        device: Where to train.
        count: Pictures made for the figures.
        blind: Print no figures yet.
    """
    torch.set_num_threads(1)
    plan = Bench(data, out, size, minutes, preset, pick_device(device), base)
    pictures, unseen = split(data, out, first, size)
    judge = load_judge(device=plan.device)
    results: dict[str, list[dict[str, Any]]] = {}
    for seed in range(seeds):  # all rows of a seed first: stopped early, the rows are still comparable
        shown = []
        for row in rows:
            try:
                found = result_of(plan, row, seed, pictures, unseen, judge, count)
            except UserError as fault:
                say(f"{row}: left out. {fault.message} {fault.hint}")
                continue
            results.setdefault(row, []).append(found)
            shown.append(row)
        write_blind(plan, shown, seed)
    say(f"Grids without names: {out / 'blind'}; put them in order before you read a figure.")
    report = {"minutes": minutes, "size": size, "device": plan.device, "features": judge.name}
    report |= {"learned": len(pictures.names), "unseen": len(unseen.names), "base": base}
    report |= {"real": real_figures(*pixels(pictures, unseen), judge, count), "rows": results}
    report |= {"goal": GOAL, "verdicts": {row: verdict(results, row) for row in OURS if row in results}}
    (out / "bench-pictures.json").write_text(json.dumps(report, indent=2))
    if not blind:
        say(*table_of(report))


def result_of(
    plan: Bench, row: Row, seed: int, pictures: PictureSet, unseen: PictureSet, judge: Judge, count: int
) -> dict[str, Any]:
    """Train one row with one seed, or go on with it, or take up what it gave."""
    run = plan.run_of(row, seed)
    settings = {
        "row": row, "size": plan.size, "minutes": plan.minutes, "data": str(plan.data.resolve()),
        "learned": len(pictures.names), "base": run.parent,
    }  # fmt: skip
    claim(run.run_dir, settings, resume=True)
    file = run.run_dir / f"result-{judge.name}-{count}.json"
    if file.exists():
        return dict(json.loads(file.read_text()))
    task = task_of(plan, row, run, pictures)
    write_settings(run.run_dir, settings)
    config = replace(recipe.loop_config(run), eval_every_steps=EVAL_STEPS, threads=1, seed=seed)
    if row == "dcgan":
        config = replace(config, learning_rate=2e-4)
    elif row == "projected":  # as Sauer et al. 2021 have it for style generators
        config = replace(config, learning_rate=2e-3)
    clock = time.process_time if plan.device == "cpu" else time.monotonic
    fitted = fit(task, config, resume=True, report=reporter(f"{row} seed {seed}"), clock=clock)
    if fitted.interrupted:
        raise KeyboardInterrupt
    keep_marks(run.run_dir)
    # What `train pictures` would ship: its best by its own figure, not what it ends with.
    chosen = recipe.choose(task, fitted, None)
    task.generator.eval()
    task.generator.center(seed)
    made = task.make(count)
    write_image(run.run_dir / "grid.png", contact(made[:64], 8))
    known, strange = pixels(pictures, unseen)
    found = figures_of(made, strange, judge) | {
        "nearest_ratio": nearest_ratio(made, known, strange).ratio,
        "steps": fitted.step, "chosen": chosen, "elapsed_s": fitted.elapsed_s,
        "parameters": sum(p.numel() for p in task.generator.parameters()),
    }  # fmt: skip
    file.write_text(json.dumps(found))
    return found


def task_of(plan: Bench, row: Row, run: PictureRun, pictures: PictureSet) -> PictureTask:
    """The task of a row: the recipe as ``train pictures`` has it, or what takes its place."""
    parent = read_bundle(find(run.parent)) if run.parent else None
    config = replace(recipe.task_config(run, plan.size, parent), count=96, samples=64)
    if row == "dcgan":
        return DcganTask(config, pictures, run.run_dir)
    return PictureTask(config, pictures, run.run_dir, parent.tensors() if parent else None)


def split(data: Path, out: Path, first: int, size: int) -> tuple[PictureSet, PictureSet]:
    """The first files of a folder by name and all others, as two sets, built once.

    Raises:
        UserError: There are too few pictures to keep any from training.
    """
    files = list_pictures(data)
    if len(files) < first + FEWEST:
        raise UserError(f"{data} has only {len(files)} pictures.", f"Ask for --first {first // 2} or fewer.")
    sets = []
    for name, chosen in ((LEARNED, files[:first]), (UNSEEN, files[first:])):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in chosen:
            if not (folder / file.name).exists():
                shutil.copy2(file, folder / file.name)
        sets.append(build_pictures(folder, out / f"{name}-pixels", IntakeConfig(size)))
    return sets[0], sets[1]


def figures_of(made: Pixels, unseen: Pixels, judge: Judge) -> dict[str, Any]:
    """Figures of made pictures beside those never seen: ``levels`` of ``swd``, which is their mean."""
    levels = sliced_wasserstein(made, unseen)
    own = in_features(judge.rows(made), judge.rows(unseen))
    return {"swd": levels["mean"], "levels": levels, **own}


def pixels(pictures: PictureSet, unseen: PictureSet) -> tuple[Pixels, Pixels]:
    """Pictures learned from, and all of those never seen."""
    return pictures.images[pictures.train], np.asarray(unseen.images)


def real_figures(learned: Pixels, unseen: Pixels, judge: Judge, count: int) -> dict[str, Any]:
    """Real training pictures in the made ones' place."""
    return figures_of(learned[:count], unseen, judge) | {"nearest_ratio": None}


def keep_marks(run_dir: Path, marks_min: Sequence[int] = MARKS_MIN, out: Path | None = None) -> None:
    """Copy the first sample sheet at or after each mark to ``after-MINUTESmin.png``."""
    lines = (run_dir / "log.jsonl").read_text().splitlines()
    looks = [entry for entry in map(json.loads, lines) if entry.get("event") == "evaluation"]
    for minutes in marks_min:
        late = [look for look in looks if look["elapsed_s"] >= 60 * minutes]
        # The sheet bears the number of the step that was under way.
        sheet = run_dir / SAMPLES / f"{late[0]['step'] - 1:07d}.png" if late else None
        if sheet is not None and sheet.exists():
            shutil.copyfile(sheet, (out or run_dir) / f"after-{minutes}min.png")


def write_blind(plan: Bench, rows: list[str], seed: int) -> None:
    """Copies of the grids under letters in an order of their own."""
    folder = plan.out / "blind"
    folder.mkdir(exist_ok=True)
    order = np.random.default_rng([seed, 7919]).permutation(len(rows))
    key_file = plan.out / "key.json"
    key = json.loads(key_file.read_text()) if key_file.exists() else {}
    for letter, i in zip("ABCDEFGH", order, strict=False):
        shutil.copyfile(plan.out / f"{rows[i]}-{seed}" / "grid.png", folder / f"seed{seed}-{letter}.png")
        key[f"seed{seed}-{letter}"] = rows[i]
    key_file.write_text(json.dumps(key, indent=2))


def verdict(results: dict[str, list[dict[str, Any]]], ours: str) -> dict[str, float | None]:
    """One of our rows over the best of the others', by the mean over seeds; None where there is none."""
    means = {
        row: {key: float(np.mean([one[key] for one in ones])) for key in FIGURES}
        for row, ones in results.items()
    }
    found: dict[str, float | None] = {}
    for key in ("swd", "kd"):
        best = min((means[row][key] for row in means if row not in OURS), default=None)
        found[key] = means[ours][key] / best if best is not None and best > 0 else None
    return found


def table_of(report: dict[str, Any]) -> list[str]:
    """The table for people: means over seeds, and the lowest and highest where there are several."""
    head = ("row", "seeds", "G params", "steps", *FIGURES)
    lines = []
    for row, ones in report["rows"].items():
        cells = [spread([one[key] for one in ones]) for key in FIGURES]
        steps = f"{np.mean([one['steps'] for one in ones]):.0f}"
        lines.append((row, str(len(ones)), f"{ones[0]['parameters'] / 1e6:.2f} M", steps, *cells))
    real = [f"{report['real'][key]:.3f}" if report["real"][key] is not None else "" for key in FIGURES]
    lines.append(("real pictures", "", "", "", *real))
    verdicts = []
    for row, ratios in report["verdicts"].items():
        told = ", ".join(f"{key} {ratio:.2f}" for key, ratio in ratios.items() if ratio is not None)
        verdicts.append(
            f"{row} over the best other row: {told or 'nothing to compare'} (goal {GOAL} or less)"
        )
    return [
        f"{report['size']} px, {report['minutes']:g} min a row on {report['device']}, "
        f"{report['learned']} pictures learned from, {report['unseen']} never seen, "
        f"features {report['features']}; transfer is ours from {report['base']}",
        *table(head, lines),
        *verdicts,
    ]


def spread(values: list[float]) -> str:
    """Mean, and in brackets lowest and highest."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ({min(values):.3f}-{max(values):.3f})"


def reporter(what: str) -> Any:
    """A line on standard error for every tenth of a run."""
    told = -1

    def report(progress: Progress) -> None:
        nonlocal told
        if int(progress.fraction * 10) > told:
            told = int(progress.fraction * 10)
            losses = ", ".join(f"{key} {v:.3f}" for key, v in progress.losses.items() if "loss" in key)
            sys.stderr.write(f"{what}: {progress.fraction:4.0%}, step {progress.step}, {losses}\n")

    return report


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def start(app: App) -> None:
    """Run a benchmark from the command line."""
    try:
        app()
    except UserError as fault:
        sys.exit(f"{fault.message} {fault.hint}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command goes on.")


if __name__ == "__main__":
    start(app)
