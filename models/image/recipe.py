"""From a folder of pictures to a bundle: intake, training run, held-out figures, sample sheet, card."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from midi.errors import UserError
from models.bundle import Bundle, read_bundle, write_bundle
from models.device import pick_device
from models.image.augment import AugmentConfig
from models.image.card import picture_card
from models.image.decode import IntakeConfig
from models.image.discriminator import STRIDED, CriticConfig, critic_config
from models.image.generator import PRESETS, Generator, GeneratorConfig, preset
from models.image.judge import load_judge
from models.image.losses import LossName
from models.image.measure import MADE, MeasureConfig, measure
from models.image.pictures import PictureSet, build_pictures
from models.image.player import ARCHITECTURE, CRITIC, Pictures, load_generator
from models.image.sheet import contact, write_image
from models.image.task import SNAPSHOTS, PictureTask, PictureTaskConfig, growth_plan
from models.registry import find
from models.training.checkpoint import read_tensors, read_weights
from models.training.contract import FitResult, LoopConfig, Progress
from models.training.loop import fit
from models.training.runs import claim, conclude, write_settings

CORPUS = "corpus"
SHEET_COLUMNS, SHEET_ROWS = 8, 6
SHEET_PSI = 0.8
MEASURED = MADE
"""Pictures made for the figures of a bundle."""

NEAREST = "nearest.png"
"""Sheet in a run's folder: made pictures, each beside the nearest one learned from."""

KEEP_MARGIN = 0.15
"""The distance to held-out pictures stops falling long before the pictures stop getting finer: within this
share of the least, later ones were better by eye in every run looked at, and a collapse is far outside."""

LONG_MIN = 60.0
"""A longer run from a parent is looked at as seldom as a fresh one."""

Advance = Callable[[str, int, int], None]
"""Told what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class PictureRun:
    """A training of a generator on a folder.

    Attributes:
        source: Folder of pictures.
        run_dir: Where pixels, checkpoints, sample sheets and log are kept.
        name: Name of the bundle.
        parent: Bundle to start from, or None for fresh weights.
        max_minutes: Time budget, or None.
        max_steps: Step budget, or None; with neither, early stop ends the run.
        resume: Go on where an interrupted run stopped.
        pick: Make the bundle from the snapshot of this step instead of the best by figures.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        seed: Of batches and fresh weights.
        size: Side of the pictures in pixels; None is the parent's, else 64.
        preset: Widths of a fresh generator; None is ``tiny`` up to 64 pixels and ``live`` above.
        intake: How pictures are made equal; its resolution is replaced by ``size``.
        is_mirrored: Whether pictures may be mirrored.
        judge: Whether the critic sees pixels or features.
        critic: Kind of a fresh critic on pixels; a parent's goes on as it is.
        loss: See :mod:`models.image.losses`.
        gamma: Weight of the gradient penalty of a residual critic at full resolution.
        frozen_px: Blocks of a parent up to this side, and its mapping, stay as they are; 0 none.
        data: What the bundle says of its data: dictionaries of name, licence and source.
        credits: Line that credits a picture, by its name in the folder; the card lists those used.
        licence: Licence of the weights.
    """

    source: Path
    run_dir: Path
    name: str
    parent: str | None = None
    max_minutes: float | None = None
    max_steps: int | None = None
    resume: bool = False
    pick: int | None = None
    device: str = "auto"
    seed: int = 0
    size: int | None = None
    preset: str | None = None
    intake: IntakeConfig = field(default_factory=IntakeConfig)
    is_mirrored: bool = True
    judge: Literal["pixel", "projected"] = "pixel"
    critic: Literal["strided", "residual"] = "strided"
    loss: LossName = "logistic"
    gamma: float = 0.2
    frozen_px: int = 8
    data: tuple[dict[str, str], ...] = ()
    credits: Mapping[str, str] = field(default_factory=dict)
    licence: str = "LicenseRef-unstated"


@dataclass(frozen=True)
class PictureResult:
    """What came of a run.

    Attributes:
        fitted: How the training ended.
        pictures: What it learned from.
        task: Its configuration.
        figures: On held-out pictures; empty when interrupted.
        generator: The chosen weights, on the CPU.
        critic: Tensors of the critic beside it, on the CPU.
        step: Step of the chosen weights.
    """

    fitted: FitResult
    pictures: PictureSet
    task: PictureTaskConfig
    figures: dict[str, Any]
    generator: Generator
    critic: dict[str, Tensor]
    step: int


def train_pictures(run: PictureRun, report: Callable[[Progress], None], advance: Advance) -> PictureResult:
    """Read the folder, train, keep the best weights and measure them.

    Raises:
        UserError: The folder or the parent cannot be used, or the run belongs to other settings.
    """
    snapshot = _snapshot(run)
    settings = _settings(run)
    claim(run.run_dir, settings, resume=run.resume or run.pick is not None)
    parent = read_bundle(find(run.parent)) if run.parent else None
    size = run.size or (load_generator(parent).config.resolution if parent else 64)
    pictures = build_pictures(
        run.source, run.run_dir / CORPUS, replace(run.intake, resolution=size),
        lambda i, n: advance("Reading pictures", i, n),
    )  # fmt: skip
    config = task_config(run, size, parent)
    task = PictureTask(config, pictures, run.run_dir, parent.tensors() if parent else None)
    write_settings(run.run_dir, settings)
    _write_real_sheet(run, pictures)
    loop = loop_config(run)
    fitted = fit(task, loop if run.pick is None else _finished(loop), resume=True, report=report)
    step = choose(task, fitted, snapshot)
    generator = task.generator.cpu().eval()
    figures = {} if fitted.interrupted else measured(run, generator, pictures, advance)
    critic = {k: t for k, t in task.critic.state_dict().items() if run.judge == "pixel"}
    return PictureResult(fitted, pictures, config, figures, generator, critic, step)


def train_bundle(run: PictureRun, report: Callable[[Progress], None], advance: Advance) -> Bundle:
    """Train and install the next version of the run's bundle.

    Raises:
        UserError: As :func:`train_pictures`.
        KeyboardInterrupt: Interrupted, after everything was saved.
    """
    result = train_pictures(run, report, advance)
    return conclude(
        run.run_dir, _settings(run), run.name, result.fitted, lambda to: write_picture_bundle(run, result, to)
    )


def task_config(run: PictureRun, size: int, parent: Bundle | None) -> PictureTaskConfig:
    """Networks and growth of a fresh run, or of a fine-tune: the parent's widths, its low blocks fixed."""
    base = load_generator(parent).config if parent else None
    critic = _critic_of(run, size, parent)
    # Batch normalization mixes the gradients of pictures: there is nothing to bound. Through frozen features
    # their penalty is thousands at first, and Sauer et al. 2021 do without.
    is_bounded = run.judge == "pixel" and critic.kind == "residual"
    growth: tuple[tuple[int, float], ...] = ((size, 0.0),)
    if run.judge == "projected" or critic.kind == "residual":
        if base is None:
            growth = growth_plan(size)
        elif size > base.resolution:
            growth = ((base.resolution, 0.0), (size, 0.05))
    if base is None:
        # Wide fine blocks play as fast as the machine multiplies, and train as much slower as they are wide.
        shape = preset(run.preset or ("tiny" if size <= PRESETS["tiny"].resolution else "live"), size)
    else:
        shape = _resized(base, size)
    return PictureTaskConfig(
        generator=shape, critic=critic, judge=run.judge, loss=run.loss,
        gamma=run.gamma if is_bounded else 0.0,
        augment=AugmentConfig(is_adaptive=run.loss != "relativistic"),
        batch=32 if pick_device(run.device) == "cuda" else 16,
        growth=growth, is_mirrored=run.is_mirrored, frozen_px=run.frozen_px if parent else 0, seed=run.seed,
    )  # fmt: skip


def _critic_of(run: PictureRun, size: int, parent: Bundle | None) -> CriticConfig:
    """The parent's critic goes on, where it has one."""
    known = parent.manifest.config.get("critic") if parent else None
    if known:
        return critic_config(size, CriticConfig.from_dict(known))
    return critic_config(size, STRIDED if run.critic == "strided" else CriticConfig())


def _resized(base: GeneratorConfig, size: int) -> GeneratorConfig:
    """The parent's widths, cut or continued by its last one."""
    if size not in {8 << i for i in range(7)}:
        raise UserError(f"Pictures of {size} pixels are not possible.", "Choose 16, 32, 64, 128, 256 or 512.")
    depth = size.bit_length() - 2
    channels = (*base.channels, *[base.channels[-1]] * depth)[:depth]
    return replace(base, resolution=size, channels=channels)


def loop_config(run: PictureRun) -> LoopConfig:
    """Fresh weights learn fast; a parent's are moved gently and looked at often, at first."""
    is_open = run.max_minutes is None and run.max_steps is None
    config = LoopConfig(
        run.run_dir,
        max_steps=200_000 if is_open else run.max_steps,
        max_minutes=run.max_minutes,
        learning_rate=2.5e-3,
        betas=(0.0, 0.99),
        warmup_steps=100,
        schedule="constant",
        grad_clip=None,
        ema_half_life_steps=500,
        eval_every_steps=500,
        checkpoint_every_s=120,
        patience_evals=20 if is_open else 0,
        best_margin=KEEP_MARGIN,
        precision="auto",
        seed=run.seed,
        device=run.device,
    )
    if run.parent is None:
        return config
    is_long = run.max_minutes is not None and run.max_minutes > LONG_MIN
    return replace(
        config, learning_rate=1e-3, ema_half_life_steps=500 if is_long else 200,
        eval_every_steps=500 if is_long else 100, eval_first=True,
    )  # fmt: skip


def _finished(config: LoopConfig) -> LoopConfig:
    """A loop that ends at once: for choosing from a run without going on."""
    return replace(config, max_steps=0, max_minutes=None)


def _snapshot(run: PictureRun) -> Path | None:
    """File of the snapshot to ship, or None for the best by figures.

    Raises:
        UserError: There is no such snapshot; the hint names those there are.
    """
    if run.pick is None:
        return None
    path = run.run_dir / SNAPSHOTS / f"{run.pick:07d}.safetensors"
    if not path.is_file():
        there = ", ".join(str(int(p.stem)) for p in sorted(path.parent.glob("*.safetensors"))) or "none"
        raise UserError(f"There is no snapshot of step {run.pick}.", f"There are: {there}.")
    return path


def choose(task: PictureTask, fitted: FitResult, snapshot: Path | None) -> int:
    """Fill the task's networks with the weights to ship; the step they are of."""
    if fitted.best_weights is not None:
        for name, weights in read_weights(fitted.best_weights).items():
            task.modules()[name].load_state_dict(weights)
    if snapshot is None:
        return fitted.best_step
    task.generator.load_state_dict({key: t.float() for key, t in read_tensors(snapshot)[0].items()})
    return int(snapshot.stem)


def measured(run: PictureRun, generator: Generator, pictures: PictureSet, advance: Advance) -> dict[str, Any]:
    """The figures of the chosen weights; a sheet of near-copies goes into the run's folder."""
    found = measure(Pictures(generator), pictures, load_judge(), MeasureConfig(MEASURED), advance)
    if found.sheet is not None:
        write_image(run.run_dir / NEAREST, found.sheet)
    return found.figures


def write_picture_bundle(run: PictureRun, result: PictureResult, folder: Path) -> Bundle:
    """Write the bundle with its card and its sample sheet.

    Args:
        run: What was asked for.
        result: What came of it.
        folder: Folder of the bundle; its name is the version.
    """
    report = result.pictures.report
    config = {
        "generator": result.task.generator.to_dict(), "critic": result.task.critic.to_dict(),
        "intake": asdict(result.pictures.config),
    }  # fmt: skip
    fields = {
        "name": run.name,
        "version": folder.name,
        "kinds": {"in": "latent", "out": "image"},
        "architecture": ARCHITECTURE,
        "config": config,
        "parent": run.parent,
        "data_digest": report.digest,
        "data": [dict(entry) for entry in run.data]
        or [{"name": run.source.name, "licence": "unstated", "source": "the user's own files"}],
        "licence": run.licence,
        "metrics": result.figures,
    }
    tensors = result.generator.state_dict() | {CRITIC + key: t for key, t in result.critic.items()}
    count = sum(p.numel() for p in result.generator.parameters())
    credited = [run.credits[name] for name in result.pictures.names if name in run.credits]
    fitted = asdict(result.fitted) | {"step_chosen": result.step}
    card = picture_card(fields, asdict(report), fitted, count, credited)
    return write_bundle(folder, fields, tensors, card, is_half=True, sheet_png=_sheet(result.generator))


def _sheet(generator: Generator) -> bytes:
    made = Pictures(generator).generate(range(SHEET_COLUMNS * SHEET_ROWS), psi=SHEET_PSI)
    stream = io.BytesIO()
    contact(made, SHEET_COLUMNS).save(stream, "PNG")
    return stream.getvalue()


def _write_real_sheet(run: PictureRun, pictures: PictureSet) -> None:
    """Real pictures beside the samples, to compare by eye."""
    count = min(SHEET_COLUMNS * SHEET_ROWS, len(pictures.names))
    chosen = np.linspace(0, len(pictures.names) - 1, count).astype(int)
    try:
        contact(pictures.images[chosen], SHEET_COLUMNS).save(run.run_dir / "real.png")
    except OSError as error:
        raise UserError(f"The folder {run.run_dir} cannot be written: {error.strerror}.") from error


def _settings(run: PictureRun) -> dict[str, Any]:
    """What must not change when a run is resumed."""
    return {
        "media": "pictures", "source": str(run.source.resolve()), "parent": run.parent, "seed": run.seed,
        "size": run.size, "preset": run.preset, "judge": run.judge, "critic": run.critic, "loss": run.loss,
    }  # fmt: skip
