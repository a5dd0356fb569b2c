"""The commands ``antiphon train``: what they are asked is here, what they do in :mod:`studio.train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from studio.terminal import USUAL, Common, Report, Switch, progress

Positive = Parameter(validator=Number(gt=0))

app = App(name="train", help="Train a model.")


@app.command(name="music")
def train_music(
    folder: Path,
    /,
    *,
    name: str,
    parent: str = "auto",
    minutes: Annotated[float | None, Positive] = None,
    steps: Annotated[int | None, Positive] = None,
    resume: Switch = False,
    common: Common = USUAL,
) -> Report:
    """Train a partner on a folder of MIDI files.

    Args:
        folder: Folder of MIDI files, searched with its subfolders.
        name: Name of the bundle to make.
        parent: Bundle to start from; auto is the shipped partner, none fresh weights.
        minutes: Stop after this long.
        steps: Stop after this many optimizer steps.
        resume: Go on where an interrupted run of this name stopped.
        common: Options of every command.
    """
    from studio import train as program  # noqa: PLC0415

    options = program.TrainMusicOptions(
        folder=folder,
        name=name,
        parent=parent,
        minutes=minutes,
        steps=steps,
        resume=resume,
        is_quiet=common.quiet,
        device=common.device,
    )
    with progress(common) as advance:
        data = program.train_music(options, advance)
    return Report(data, program.lines(data))


@app.command(name="pictures")
def train_pictures(
    folder: Path,
    /,
    *,
    name: str,
    parent: str = "auto",
    minutes: Annotated[float | None, Positive] = None,
    steps: Annotated[int | None, Positive] = None,
    size: Literal[16, 32, 64, 128, 256] | None = None,
    fit: Literal["crop", "letterbox"] = "crop",
    ground: str = "3c3c44",
    preset: Literal["tiny", "live", "gpu"] | None = None,
    frozen: Literal[0, 4, 8, 16, 32] = 8,
    mirror: bool = True,
    judge: Literal["pixel", "projected"] = "pixel",
    loss: Literal["logistic", "relativistic", "hinge"] = "logistic",
    seed: int = 0,
    pick: int | None = None,
    resume: Switch = False,
    common: Common = USUAL,
) -> Report:
    """Train a generator on a folder of pictures.

    Args:
        folder: Folder of pictures, searched with its subfolders.
        name: Name of the bundle to make.
        parent: Bundle to start from; auto is the shipped garden or, above 64 pixels, flowers (with --preset
            none, for a parent has its own widths); none is fresh weights.
        minutes: Stop after this long.
        steps: Stop after this many steps.
        size: Side of the pictures in pixels; by default the parent's, else 64.
        fit: Keep the middle square, or all of a picture on the ground.
        ground: Color behind transparency, six hexadecimal digits.
        preset: Width of a fresh network; by default tiny up to 64 pixels, live above.
        frozen: Layers of the parent up to this side in pixels stay as they are; 0 none.
        mirror: Also learn from mirror images.
        judge: Critic on pixels, or on the features of a pretrained network.
        loss: The game that generator and critic play.
        seed: Seed of weights and batches.
        pick: Make the bundle from this step's snapshot of the run; nothing is trained.
        resume: Go on where an interrupted run of this name stopped.
        common: Options of every command.
    """
    from studio import train as program  # noqa: PLC0415

    options = program.TrainPicturesOptions(
        folder=folder, name=name, parent=parent, minutes=minutes, steps=steps, size=size, fit=fit,
        ground=ground, preset=preset, frozen=frozen, mirror=mirror, judge=judge, loss=loss, resume=resume,
        pick=pick, seed=seed, device=common.device,
    )  # fmt: skip
    with progress(common) as advance:
        data = program.train_pictures(options, advance)
    return Report(data, program.picture_lines(data))
