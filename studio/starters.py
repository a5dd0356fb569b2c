"""``make train-starters``: train every starter bundle again from the shared data, on any device.

A run that is interrupted goes on when the command is given again. A new starter replaces the shipped
one only when it does better on the same held-out music or pictures, or when a person picked its step.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

import assets
from midi.errors import UserError
from models.bundle import Bundle, read_bundle, version_key
from models.device import pick_device
from models.sequence import recipe
from models.sequence.band import Arranger
from studio import chorales, picturestarters
from studio.evaluate import EvalMusicOptions, eval_music
from studio.terminal import Common, progress, show_fault
from studio.train import report_to

POP909 = {
    "name": "POP909 (872 songs; melody, second melody, piano)",
    "licence": "MIT for the data set; the songs arranged are commercial works",
    "source": "Wang, Chen et al., ISMIR 2020",
}
GROOVE = {
    "name": "Groove MIDI Dataset (human drummers; the drums of the arrangements)",
    "licence": "CC BY 4.0",
    "source": "Gillick, Roberts, Engel, Eck, Bamman, ICML 2019",
}
BAND_PARENT = "partner"
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


BUDGETS = {
    "partner": Budget(cpu=330, gpu=10),
    "band": Budget(cpu=150, gpu=8),
    "chorales": Budget(cpu=72, gpu=18),
    "monsters": Budget(cpu=180, gpu=12),
    "sunflowers": Budget(cpu=240, gpu=12),
    "garden": Budget(cpu=120, gpu=8),
    "flowers": Budget(cpu=240, gpu=15),
}
"""Minutes of each starter, in the order of training."""

StarterName = Literal["partner", "band", "chorales", "monsters", "sunflowers", "garden", "flowers"]


@app.default
def train_starters(
    *,
    only: StarterName | Literal["pictures"] | None = None,
    data: Path = Path("../shared/data"),
    runs: Path = Path("runs/starters"),
    budget: Annotated[float, Parameter(validator=Number(gt=0))] = 1.0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    pick: int | None = None,
    onward: bool = False,
) -> None:
    """Train the starter bundles.

    Args:
        only: Just this one, or just those of pictures.
        data: Folder of the corpora.
        runs: Folder of checkpoints and logs.
        budget: Factor on every training's minutes.
        device: Where to train.
        pick: Of a starter of pictures named by ``only``: ship the snapshot of this step, chosen by eye from
            the run's sample sheets, whatever the figures say; nothing is trained.
        onward: Start the one named by ``only`` from its shipped version, not from its usual parent or from
            fresh weights, so that minutes add up over machines that keep no runs.

    Raises:
        UserError: The data cannot be used, or there is no such snapshot.
    """
    if pick is not None and only not in picturestarters.STARTERS:
        raise UserError(
            "--pick is for one starter of pictures.", f"Add --only {' or '.join(picturestarters.STARTERS)}."
        )
    if onward and (only in {None, "pictures", "chorales"} or _shipped(str(only)) is None):
        raise UserError("--onward is for one starter that is shipped.", "Add --only band, or another one.")
    for name, minutes in BUDGETS.items():
        is_picture = name in picturestarters.STARTERS
        if only not in {None, name} and not (only == "pictures" and is_picture):
            continue
        with progress(Common()) as bar:
            candidate = _build(
                name, data, runs / name, minutes.minutes(device, budget), device,
                bar or (lambda _what, _done, _total: None), pick, onward=onward,
            )  # fmt: skip
        sys.stdout.write(f"{name}: {_place(candidate, is_picked=pick is not None)}\n")
        sys.stdout.flush()


def _build(
    name: str,
    data: Path,
    run_dir: Path,
    minutes: float,
    device: str,
    advance: recipe.Advance,
    pick: int | None,
    *,
    onward: bool,
) -> Bundle:
    """The candidate for a starter."""
    shipped = _shipped(name) if onward else None
    parent = f"{name}@{shipped.name}" if shipped else None
    if name == "chorales":
        return _chorales(data, run_dir, minutes, device, advance)
    if name not in picturestarters.STARTERS:
        songs = {"partner": _partner, "band": _band}[name](data, run_dir, minutes, device)
        return _listened(replace(songs, parent=parent or songs.parent), advance)
    run = picturestarters.starter_run(name, data, run_dir, minutes, device, pick)
    run = replace(run, parent=parent or run.parent)
    return picturestarters.train_starter(run, _candidate(run_dir, name), advance)


def _partner(data: Path, run_dir: Path, minutes: float, device: str) -> recipe.MusicRun:
    """The accompanist: POP909's melodies are the player's, the rest is the partner's."""
    return _songs("partner", data, run_dir, minutes, device)


def _band(data: Path, run_dir: Path, minutes: float, device: str) -> recipe.MusicRun:
    """The accompanist as a band: any choice of piano, strings, bass, pad and drums to the same songs."""
    songs = _songs("band", data, run_dir, minutes, device)
    return replace(songs, parent=BAND_PARENT, data=(POP909, GROOVE), arrange=Arranger(data / "groove"))


def _songs(name: str, data: Path, run_dir: Path, minutes: float, device: str) -> recipe.MusicRun:
    """A training on POP909 as it is."""
    return recipe.MusicRun(
        data / "pop909", run_dir, name, max_minutes=minutes, resume=True, device=device, data=(POP909,),
        licence="Apache-2.0",
    )  # fmt: skip


def _listened(run: recipe.MusicRun, advance: recipe.Advance) -> Bundle:
    """Train, and measure how the piano plays along to songs held out."""
    result = recipe.train_music(run, report_to(advance), advance)
    if result.fitted.interrupted:
        raise KeyboardInterrupt
    folder = _candidate(run.run_dir, run.name)
    recipe.write_music_bundle(run, result, folder)
    listening = eval_music(
        EvalMusicOptions(
            model=str(folder),
            folder=run.source,
            songs=LISTENING_SONGS,
            bars=LISTENING_BARS,
            jobs=os.cpu_count() or 1,
            with_nll=False,
            with_copying=True,
        ),
        advance,
    )
    return recipe.write_music_bundle(run, result, _fresh(folder), listening=listening)


def _chorales(data: Path, run_dir: Path, minutes: float, device: str, advance: recipe.Advance) -> Bundle:
    """The yardstick on Bach's chorales."""
    file = data / "jsb_chorales" / "jsb16_satb_train_valid.json"
    trained = chorales.train_chorales(
        file, run_dir, minutes=minutes, device=device, report=report_to(advance), advance=advance
    )
    if trained is None:
        raise KeyboardInterrupt
    return chorales.write_chorale_bundle(_candidate(run_dir, "chorales"), *trained)


def _candidate(run_dir: Path, name: str) -> Path:
    """Folder of a candidate, called by the version after the shipped one: other weights are another model."""
    shipped = _shipped(name)
    if shipped is None:
        return _fresh(run_dir / "bundle" / "1.0.0")
    major, minor, _ = map(int, shipped.name.split("."))
    return _fresh(run_dir / "bundle" / f"{major}.{minor + 1}.0")


def _shipped(name: str) -> Path | None:
    """Folder of the newest shipped version; None where there is none."""
    folder = assets.path(f"weights/{name}")
    versions = [path for path in folder.glob("[0-9]*") if path.is_dir()]
    return max(versions, key=lambda path: version_key(path.name), default=None)


def _fresh(folder: Path) -> Path:
    """``folder``, with an earlier candidate there cleared away."""
    if folder.exists():
        shutil.rmtree(folder)
    return folder


def _place(candidate: Bundle, *, is_picked: bool = False) -> str:
    """Ship a candidate that is better than what is shipped, or was picked; one sentence of what was done."""
    manifest = candidate.manifest
    shipped = _shipped(manifest.name)
    is_better, said = _verdict(candidate, shipped)
    if is_picked:
        is_better, said = True, "picked by eye: now shipped."
    if not is_better:
        return said
    # The old one goes only when the new one lies whole beside it.
    place = assets.path(f"weights/{manifest.name}/{manifest.version}")
    arriving = _fresh(place.with_name(f".{place.name}.part"))
    shutil.copytree(candidate.path, arriving)
    if shipped is not None:
        _fresh(shipped)
    arriving.rename(_fresh(place))
    return said


def _verdict(candidate: Bundle, shipped: Path | None) -> tuple[bool, str]:
    """Whether a candidate is better than what is shipped, and why, as one sentence."""
    if candidate.manifest.kinds.out == "image":
        return picturestarters.verdict(candidate.manifest.metrics, _shipped_metrics(shipped))
    new, old = held_out_nll(candidate), _shipped_nll(shipped)
    if old is not None and new >= old:
        return False, f"{new:.4f} nats a note, the shipped one has {old:.4f} and stays."
    return True, f"{new:.4f} nats a note{'' if old is None else f' instead of {old:.4f}'}: now shipped."


def _shipped_metrics(folder: Path | None) -> dict[str, Any] | None:
    """Figures of the shipped bundle; None where there is none, or a damaged one."""
    try:
        return read_bundle(folder).manifest.metrics if folder else None
    except UserError:
        return None


def _shipped_nll(folder: Path | None) -> float | None:
    """The figure of the shipped bundle; None where there is none, or a damaged one."""
    try:
        return held_out_nll(read_bundle(folder)) if folder else None
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
