"""``make train-starters``: train every starter bundle again from the shared data, on any device.

A run that is interrupted goes on when the command is given again. A new starter replaces the shipped
one only when it does better on the same held-out music.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

import assets
from midi.errors import UserError
from models.bundle import Bundle, read_bundle
from models.device import pick_device
from models.sequence import recipe
from studio import chorales
from studio.evaluate import EvalMusicOptions, eval_music
from studio.terminal import Common, progress, show_fault
from studio.train import report_to

POP909 = {
    "name": "POP909 (872 songs; melody, second melody, piano)",
    "licence": "MIT for the data set; the songs arranged are commercial works",
    "source": "Wang, Chen et al., ISMIR 2020",
}
LISTENING_SONGS, LISTENING_BARS = 32, 16

app = App(name="starters", help="Train the starter bundles.", result_action="return_value")


@dataclass(frozen=True)
class Budget:
    """Minutes of training on a CPU and on a GPU."""

    cpu: float
    gpu: float

    def minutes(self, device: str, factor: float) -> float:
        """For a device, times a factor."""
        return factor * (self.gpu if pick_device(device) == "cuda" else self.cpu)


BUDGETS = {"partner": Budget(cpu=115, gpu=6), "chorales": Budget(cpu=32, gpu=3)}


@app.default
def train_starters(
    *,
    only: Literal["partner", "chorales"] | None = None,
    data: Path = Path("../shared/data"),
    runs: Path = Path("runs/starters"),
    budget: Annotated[float, Parameter(validator=Number(gt=0))] = 1.0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Train the starter bundles.

    Args:
        only: Just this one.
        data: Folder of the corpora.
        runs: Folder of checkpoints and logs.
        budget: Factor on every training's minutes.
        device: Where to train.
    """
    for name in ("partner", "chorales"):
        if only in {None, name}:
            minutes = BUDGETS[name].minutes(device, budget)
            build = _partner if name == "partner" else _chorales
            with progress(Common()) as bar:
                candidate = build(
                    data, runs / name, minutes, device, bar or (lambda _what, _done, _total: None)
                )
            sys.stdout.write(f"{name}: {_place(candidate)}\n")


def _partner(data: Path, run_dir: Path, minutes: float, device: str, advance: recipe.Advance) -> Bundle:
    """The accompanist: POP909's melodies are the player's, the rest is the partner's."""
    source = data / "pop909"
    run = recipe.MusicRun(
        source,
        run_dir,
        "partner",
        max_minutes=minutes,
        resume=True,
        device=device,
        data=(POP909,),
        licence="Apache-2.0",
    )
    result = recipe.train_music(run, report_to(advance), advance)
    if result.fitted.interrupted:
        raise KeyboardInterrupt
    folder = _fresh(run_dir / "bundle" / "1.0.0")
    recipe.write_music_bundle(run, result, folder)
    listening = eval_music(
        EvalMusicOptions(
            model=str(folder),
            folder=source,
            songs=LISTENING_SONGS,
            bars=LISTENING_BARS,
            jobs=os.cpu_count() or 1,
            with_nll=False,
        ),
        advance,
    )
    return recipe.write_music_bundle(run, result, _fresh(folder), listening=listening)


def _chorales(data: Path, run_dir: Path, minutes: float, device: str, advance: recipe.Advance) -> Bundle:
    """The yardstick on Bach's chorales."""
    file = data / "jsb_chorales" / "jsb16_satb_train_valid.json"
    trained = chorales.train_chorales(
        file, run_dir, minutes=minutes, device=device, report=report_to(advance)
    )
    if trained is None:
        raise KeyboardInterrupt
    return chorales.write_chorale_bundle(_fresh(run_dir / "bundle" / "1.0.0"), *trained)


def _fresh(folder: Path) -> Path:
    """``folder``, with an earlier candidate there cleared away."""
    if folder.exists():
        shutil.rmtree(folder)
    return folder


def _place(candidate: Bundle) -> str:
    """Ship a candidate that is better than what is shipped; one sentence of what was done."""
    manifest = candidate.manifest
    shipped = assets.path(f"weights/{manifest.name}/{manifest.version}")
    new, old = held_out_nll(candidate), _shipped_nll(shipped)
    if old is not None and new >= old:
        return f"{new:.4f} nats a note, the shipped one has {old:.4f} and stays."
    # The old one goes only when the new one lies whole beside it.
    arriving = _fresh(shipped.with_name(f".{shipped.name}.part"))
    shutil.copytree(candidate.path, arriving)
    _fresh(shipped)
    arriving.rename(shipped)
    return f"{new:.4f} nats a note{'' if old is None else f' instead of {old:.4f}'}: now shipped."


def _shipped_nll(folder: Path) -> float | None:
    """The figure of the shipped bundle; None where there is none, or a damaged one."""
    try:
        return held_out_nll(read_bundle(folder)) if folder.exists() else None
    except UserError:
        return None


def held_out_nll(bundle: Bundle) -> float:
    """The one figure that starters are compared by.

    Raises:
        UserError: The bundle tells none.
    """
    metrics = bundle.manifest.metrics
    try:
        figure = metrics["nll"]["model"]["partner"] if "nll" in metrics else metrics["nll_nats_per_note"]
        return float(figure)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"The bundle in {bundle.path} tells no held-out figure.") from error


def main() -> None:
    """Entry point."""
    try:
        app()
    except UserError as fault:
        show_fault(fault, is_json=False)
        sys.exit(fault.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; the same command goes on with the run.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
