"""``python -m tests.bench.finetune``: a hundred pictures of another kind, learned from a shipped bundle.

The recipe is the product's (``antiphon train pictures DIR --parent sunflowers``); only its clock is another:
process time, so that a busy machine is fair. The first pictures of the folder by name are learned from, all
others are never seen and measured with. Stopped at any time, the same command goes on.

In ``--out`` lie ``base.png``, ``after-Nmin.png``, ``made.png``, ``real.png``, ``nearest.png`` (each made
picture beside the nearest one learned from) and ``bench-finetune.json``.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App

from models.bundle import read_bundle
from models.image import recipe
from models.image.generator import Generator
from models.image.judge import load_judge
from models.image.measure import pair_sheet
from models.image.metrics import NearestResult, nearest_ratio
from models.image.pictures import Pixels
from models.image.player import Pictures, load_generator
from models.image.recipe import PictureRun
from models.image.sheet import contact, write_image
from models.image.task import PictureTask
from models.registry import find
from models.training.loop import fit
from models.training.runs import claim, write_settings
from studio.terminal import table
from tests.bench.pictures import (
    COUNT,
    LEARNED,
    Positive,
    figures_of,
    keep_marks,
    pixels,
    reporter,
    say,
    split,
    start,
)

MARKS_MIN = (1, 5, 15, 30)
GOAL = 0.5
"""Distance of the fine-tuned to the held-out pictures over the base's."""
ON_SHEET = 64
FIGURES = ("swd", "kd", "nearest_ratio")

app = App(name="bench-finetune", help="Fine-tune on a hundred pictures.", result_action="return_value")


@app.default
def finetune(
    *,
    data: Path = Path("../shared/data/flowers128/daisy"),
    base: str = "sunflowers",
    out: Path = Path("out/bench-finetune"),
    first: Annotated[int, Positive] = 100,
    minutes: Annotated[float, Positive] = 30,
    threads: Annotated[int, Positive] = 2,
    count: Annotated[int, Positive] = COUNT,
) -> None:
    """Fine-tune, then print the figures of before and after.

    Args:
        data: Folder of pictures of another kind.
        base: Bundle to start from.
        out: Where run, sheets and figures are kept.
        first: Pictures learned from, by name.
        minutes: Of CPU time of all threads together: 30 are 15 minutes of two cores.
        threads: Of torch.
        count: Pictures made for the figures.
    """
    torch.set_num_threads(threads)
    bundle = read_bundle(find(base))
    start = load_generator(bundle)
    size = start.config.resolution
    learned, unseen = split(data, out, first, size)
    judge = load_judge(device="cpu")
    known, strange = pixels(learned, unseen)
    unmoved = base_pictures(start, count)
    for name, shown in (("real", strange), ("base", unmoved)):
        write_image(out / f"{name}.png", contact(shown[:ON_SHEET], 8))

    def figures(shown: Pixels, nearest: NearestResult) -> dict[str, Any]:
        return figures_of(shown, strange, judge) | {"nearest_ratio": nearest.ratio}

    before = figures(unmoved, nearest_ratio(unmoved, known, strange))
    run = PictureRun(out / LEARNED, out / "run", "bench", base, max_minutes=minutes, size=size, device="cpu")
    settings = {"data": str(data.resolve()), "first": first, "base": base, "threads": threads}
    claim(run.run_dir, settings, resume=True)
    task = PictureTask(recipe.task_config(run, size, bundle), learned, run.run_dir, bundle.tensors())
    write_settings(run.run_dir, settings)
    loop = replace(recipe.loop_config(run), threads=threads)
    fitted = fit(task, loop, resume=True, report=reporter("fine-tune"), clock=time.process_time)
    if fitted.interrupted:
        raise KeyboardInterrupt
    keep_marks(run.run_dir, MARKS_MIN, out)
    step = recipe.choose(task, fitted, None)
    task.generator.eval()
    made = task.make(count)
    write_image(out / "made.png", contact(made[:ON_SHEET], 8))
    nearest = nearest_ratio(made, known, strange)
    write_image(out / "nearest.png", pair_sheet(made, known, nearest))
    after = figures(made, nearest)
    report = {
        "base": f"{bundle.manifest.name}@{bundle.manifest.version}", "data": data.name, "size": size,
        "minutes": fitted.elapsed_s / 60, "threads": threads, "steps": fitted.step, "step_chosen": step,
        "learned": len(known), "unseen": len(strange), "features": judge.name,
        "before": before, "after": after, "real": figures(known, nearest_ratio(known, known, strange)),
        "ratio": after["swd"] / before["swd"], "goal": GOAL,
    }  # fmt: skip
    (out / "bench-finetune.json").write_text(json.dumps(report, indent=2) + "\n")
    say(*lines_of(report), f"Sheets: {out}; look at them before you believe a figure.")


def base_pictures(generator: Generator, count: int) -> Pixels:
    """Pictures of a bundle as it was shipped, of the seeds that the fine-tuned one is asked for too."""
    return Pictures(generator).generate(range(count), psi=1.0)


def lines_of(report: dict[str, Any]) -> list[str]:
    """The table for people."""
    rows = [
        (name, *(f"{report[key][figure]:.3f}" for figure in FIGURES))
        for name, key in (("base", "before"), ("fine-tuned", "after"), ("learned from", "real"))
    ]
    verdict = "ok" if report["ratio"] <= report["goal"] else "short"
    return [
        f"{report['base']} -> {report['data']}, {report['size']} px, {report['learned']} pictures learned "
        f"from, {report['unseen']} never seen",
        f"{report['minutes']:.1f} CPU-minutes on {report['threads']} threads, {report['steps']} steps, "
        f"chosen {report['step_chosen']}, features {report['features']}",
        *table(("pictures", *FIGURES), rows),
        f"sliced Wasserstein distance after / before: {report['ratio']:.2f} (goal {report['goal']} or less) "
        f"{verdict}",
    ]


if __name__ == "__main__":
    start(app)
