"""What the loop and a kind of training agree on: configuration, contributions, progress and result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from midi.errors import UserError
from models.training.data import BatchSource


@dataclass(frozen=True)
class LoopConfig:
    """How long, how fast and how carefully to train.

    Attributes:
        run_dir: Folder for ``checkpoint.safetensors``, ``best.safetensors`` and ``log.jsonl``.
        max_steps: Optimizer steps in all, or None.
        max_minutes: Minutes in all, counted across resumes, or None. At least one of the two is needed;
            training ends when either is used up.
        accumulate: Batches averaged into one step.
        learning_rate: Peak rate; tasks build their optimizers with it (``adamw`` does).
        warmup_steps: Steps of linear rise from 0.
        schedule: ``cosine`` falls to ``final_fraction`` of the peak over steps or minutes, whichever is
            further on; ``constant`` stays.
        final_fraction: Where the cosine ends, 0–1.
        weight_decay: For weights of two or more dimensions (``adamw``).
        betas: Adam's moments.
        grad_clip: Largest gradient norm of each phase, or None.
        ema_half_life_steps: Half-life of the averaged weights; 0 evaluates and keeps the raw ones.
        eval_every_steps: Steps between evaluations; one more always ends the run.
        eval_first: Evaluate before the first step, so that a fine-tune can't end worse than its parent
            (by more than the margin).
        checkpoint_every_s: Seconds between checkpoints.
        patience_evals: Stop after so many evaluations without a new best; 0 never.
        best_margin: Share by which an evaluation may be worse than the best and its weights still replace
            those kept: for metrics that tell a collapse but not the finer of two.
        precision: ``auto`` takes bf16-mixed where the hardware multiplies it natively, else 32-true.
        threads: Torch's CPU threads during the run, or None to leave them alone.
        seed: Of every random number that a step or an evaluation draws from the global generators.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        log_every_steps: Steps between lines of the log.
        tensorboard: Also write TensorBoard events, where that package is installed.
    """

    run_dir: Path
    max_steps: int | None = None
    max_minutes: float | None = None
    accumulate: int = 1
    learning_rate: float = 3e-4
    warmup_steps: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    final_fraction: float = 0.1
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    grad_clip: float | None = 1.0
    ema_half_life_steps: float = 0.0
    eval_every_steps: int = 500
    eval_first: bool = False
    checkpoint_every_s: float = 300.0
    patience_evals: int = 0
    best_margin: float = 0.0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    threads: int | None = None
    seed: int = 0
    device: str = "auto"
    log_every_steps: int = 10
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_minutes is None:
            raise UserError("The training has no end.", "Give a number of steps or of minutes.")
        if min(self.accumulate, self.eval_every_steps, self.log_every_steps) < 1:
            raise UserError("accumulate, eval_every_steps and log_every_steps start at 1.")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of the run that is over, 1 or more at its end."""
        by_steps = step / self.max_steps if self.max_steps else float(self.max_steps == 0)
        by_time = elapsed_s / (60 * self.max_minutes) if self.max_minutes else float(self.max_minutes == 0)
        return max(by_steps, by_time)

    def rate_factor(self, step: int, elapsed_s: float) -> float:
        """Learning rate as a share of the peak: linear warm-up, cosine (Loshchilov & Hutter 2017)."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "constant":
            return warmup
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress(step, elapsed_s))))
        return warmup * (self.final_fraction + (1 - self.final_fraction) * cosine)


class Task(Protocol):
    """What a kind of training contributes.

    State that must survive a resume lives in the modules (parameters and persistent buffers), in the
    optimizers or in the batch source; random numbers come from the global generators of torch, numpy and
    Python, which the loop seeds for every step from (seed, step, rank).
    """

    def modules(self) -> dict[str, nn.Module]:
        """Trained modules by name; the loop moves them to the device in place and never wraps them."""
        ...

    def optimizers(self, config: LoopConfig) -> dict[str, Optimizer]:
        """One optimizer per phase, run in this order every step, e.g. ``{"critic": …, "generator": …}``.

        Called after the modules are on the device. In each phase only that optimizer's parameters require
        gradients.
        """
        ...

    def source(self, rank: int, world_size: int) -> BatchSource[Any]:
        """Training batches of this process; tensors in them are moved to the device by the loop."""
        ...

    def losses(self, phase: str, batch: Any, step: int) -> Mapping[str, Tensor]:
        """Scalar losses of one batch: ``loss`` is minimised, the rest only logged; empty skips the phase.

        Runs under autocast when precision is mixed. All processes must skip alike.
        """
        ...

    def evaluate(self) -> Mapping[str, float]:
        """Figures on held-out data, ``metric`` being the one to minimise.

        Called without gradients, modules in eval mode and holding the averaged weights, random generators
        seeded alike each time. Averaged over processes.
        """
        ...


@runtime_checkable
class Staged(Protocol):
    """A task that changes as its run goes on, such as one that grows its networks."""

    def advance(self, progress: float) -> None:
        """Take up the stage of a run of which the share ``progress`` (0-1) is over; called before every step.

        The same share has to give the same stage, whatever came before: a run may be resumed or step back.
        """
        ...


@dataclass(frozen=True)
class Progress:
    """Where a run is, once per step.

    Attributes:
        step: Steps done.
        max_steps: Steps planned, or None when only time bounds the run.
        fraction: Share of the run that is over, 0–1.
        elapsed_s: Training time over all sessions of the run.
        eta_s: Expected seconds to the end, or None before the first step of this session.
        losses: Of this step, averaged over its batches and processes.
        metric: Latest evaluation, or None.
        best_metric: Best evaluation, or None.
        rows_per_s: Training items a second over all processes since the last log line.
        note: Something a person should know (skipped step, full disk), usually empty.
    """

    step: int
    max_steps: int | None
    fraction: float
    elapsed_s: float
    eta_s: float | None
    losses: dict[str, float]
    metric: float | None
    best_metric: float | None
    rows_per_s: float
    note: str = ""


@dataclass(frozen=True)
class FitResult:
    """How a run ended.

    Attributes:
        step: Steps done.
        elapsed_s: Training time over all sessions of the run.
        stopped: ``finished``, ``early`` (patience used up) or ``interrupted``.
        metric: Latest evaluation, or None.
        best_metric: Best evaluation, or None.
        best_step: Step of the weights kept: of the best evaluation, or of a later one within the margin.
        best_weights: File for ``checkpoint.read_weights``, or None when nothing was evaluated.
        checkpoint: File to resume from.
        notes: Everything unusual that happened.
    """

    step: int
    elapsed_s: float
    stopped: Literal["finished", "early", "interrupted"]
    metric: float | None
    best_metric: float | None
    best_step: int
    best_weights: Path | None
    checkpoint: Path
    notes: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped by a signal or by the caller and can be resumed."""
        return self.stopped == "interrupted"


def adamw(modules: Mapping[str, nn.Module] | nn.Module, config: LoopConfig) -> Optimizer:
    """AdamW over every trainable parameter; only weights of two or more dimensions decay."""
    roots = [modules] if isinstance(modules, nn.Module) else list(modules.values())
    parameters = [p for root in roots for p in root.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in {"cpu", "cuda"} for p in parameters)
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], lr=config.learning_rate, betas=config.betas, fused=fused
    )
