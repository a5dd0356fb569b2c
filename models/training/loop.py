"""The only training loop: schedule, averaging, evaluation, checkpoints; nothing of music or pictures.

Processes: one, or as many as ``torchrun`` starts. Gradients are averaged over processes in one flat
all-reduce after accumulation instead of through DistributedDataParallel, because wrapped modules get in the
way of adversarial training (two networks, second derivatives, methods other than ``forward``).
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import Optimizer

from midi.errors import UserError
from models.training.checkpoint import (
    load_modules,
    load_optimizers,
    module_tensors,
    optimizer_tensors,
    read_tensors,
    write_tensors,
)
from models.training.contract import FitResult, LoopConfig, Progress, Staged, Task, adamw
from models.training.ema import Ema
from models.training.journal import Journal, Throughput
from models.training.runtime import make_fabric, seed_everything, stop_on_signal

__all__ = [
    "BEST",
    "CHECKPOINT",
    "FitResult",
    "LoopConfig",
    "Progress",
    "Staged",
    "Task",
    "adamw",
    "fit",
]

CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
BAD_STEPS_BEFORE_STEP_BACK = 3
MAX_STEP_BACKS = 6


def fit(
    task: Task,
    config: LoopConfig,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FitResult:
    """Train until the budget, the patience or the caller ends it.

    SIGINT and SIGTERM (when called from the main thread), ``should_stop()`` or a KeyboardInterrupt from
    ``report`` end the run after the present step with everything saved. On the CPU a resumed run gives the
    same weights as an uninterrupted one, bit for bit, as long as no time budget bends the schedule.

    Args:
        task: What to train.
        config: How.
        resume: Go on from the folder's checkpoint if there is one.
        report: Called after every step on the first process; must be quick.
        should_stop: Polled after every step; from a window's stop button, for instance.
        clock: Seconds, monotonic.

    Raises:
        UserError: The folder holds another run, the checkpoint does not fit, memory is too small, or the
            loss stays infinite after several halvings of the learning rate.
    """
    checkpoint = config.run_dir / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise UserError(
            f"The folder {config.run_dir} already holds a run.",
            "Resume it, or choose another name for the new one.",
        )
    try:
        config.run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The run folder {config.run_dir} can't be made: {error.strerror}.", "Choose another folder."
        ) from error
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads or threads)
    try:
        with stop_on_signal() as flag:
            fabric = make_fabric(config.device, config.precision)
            loop = _Loop(task, config, fabric, clock, report or (lambda _: None))
            return loop.run(lambda: flag.is_set() or (should_stop is not None and should_stop()))
    except torch.OutOfMemoryError as error:
        raise UserError(
            "The device ran out of memory.",
            "Use a smaller batch with more accumulation, or a smaller preset.",
        ) from error
    finally:
        torch.set_num_threads(threads)


@dataclass
class _State:
    """Everything about a run that is a number; the JSON part of a checkpoint."""

    step: int = 0
    elapsed_s: float = 0.0
    rate_scale: float = 1.0
    metric: float | None = None
    best_metric: float | None = None
    best_step: int = 0
    stale_evals: int = 0
    evaluated_step: int = -1
    step_backs: int = 0
    ema_updates: int = 0
    source: dict[str, Any] = field(default_factory=dict)


class _Loop:
    """One session of a run."""

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        fabric: Fabric,
        clock: Callable[[], float],
        report: Callable[[Progress], None],
    ) -> None:
        self.task = task
        self.config = config
        self.fabric = fabric
        self.clock = clock
        self.report = report
        self.modules = {name: module.to(fabric.device).train() for name, module in task.modules().items()}
        self._share_initial_weights()
        self.optimizers = task.optimizers(config)
        self.parameters = {
            phase: [p for group in optimizer.param_groups for p in group["params"]]
            for phase, optimizer in self.optimizers.items()
        }
        self.peak_rates = {
            phase: [float(group["lr"]) for group in optimizer.param_groups]
            for phase, optimizer in self.optimizers.items()
        }
        self.source = task.source(fabric.global_rank, fabric.world_size)
        self.ema = Ema(self.modules, config.ema_half_life_steps)
        self.state = _State()
        self.losses: dict[str, float] = {}
        self.bad_steps = 0
        self.notes: list[str] = []
        self.unreported: list[str] = []
        self.is_stopped = False
        self.journal = Journal(
            config.run_dir, is_writing=fabric.is_global_zero, tensorboard=config.tensorboard
        )

    def run(self, stop: Callable[[], bool]) -> FitResult:
        self._begin()
        while not (ending := self._ending(stop())):
            self._step()
            self._tick()
            if self.state.step % self.config.eval_every_steps == 0:
                self._evaluate()
            if self.state.elapsed_s - self.saved_at_s >= self.config.checkpoint_every_s:
                self._save()
            self._tell()
        if ending != "interrupted" and self.state.evaluated_step != self.state.step:
            self._evaluate()
        self._save()
        self.journal.write({"event": ending, "step": self.state.step, "elapsed_s": self.state.elapsed_s})
        self.journal.close()
        self._require_grad(None)
        return self._result(ending)

    def _begin(self) -> None:
        if (self.config.run_dir / CHECKPOINT).exists():
            self.state = self._restore()
            self.source.load_state_dict(self.state.source)
            self.journal.write({"event": "resume", "step": self.state.step})
        self.started_at_s = self.state.elapsed_s
        self.started_at = self.config.progress(self.state.step, self.state.elapsed_s)
        self.saved_at_s = self.state.elapsed_s
        self.mark_s = self.clock()
        self.window = Throughput(self.state.elapsed_s)
        if self.state.step == 0:
            if self.config.eval_first and self.state.evaluated_step < 0:
                self._evaluate()
            self._save()

    def _ending(self, wants_stop: bool) -> Literal["finished", "early", "interrupted"] | None:
        patience = self.config.patience_evals
        if self.config.progress(self.state.step, self.state.elapsed_s) >= 1:
            return "finished"
        if patience and self.state.stale_evals >= patience:
            return "early"
        wants_stop = self._largest(float(wants_stop or self.is_stopped)) > 0
        return "interrupted" if wants_stop else None

    def _step(self) -> None:
        state = self.state
        if isinstance(self.task, Staged):
            self.task.advance(min(1.0, self.config.progress(state.step, state.elapsed_s)))
        seed_everything(self.config.seed, state.step, self.fabric.global_rank)
        batches = [self.fabric.to_device(next(self.source)) for _ in range(self.config.accumulate)]
        factor = state.rate_scale * self.config.rate_factor(state.step, state.elapsed_s)
        self.losses = {}
        is_good = True
        for phase, optimizer in self.optimizers.items():
            for group, peak in zip(optimizer.param_groups, self.peak_rates[phase], strict=True):
                group["lr"] = peak * factor
            is_good = self._phase(phase, optimizer, batches) and is_good
        state.step += 1
        self.window.rows += self.source.rows_per_batch * len(batches) * self.fabric.world_size
        if is_good:
            self.bad_steps = 0
            self.ema.update()
        else:
            self._skip()

    def _phase(self, phase: str, optimizer: Optimizer, batches: list[Any]) -> bool:
        """One optimizer's share of a step; False when the update was not finite and so not made."""
        if len(self.optimizers) > 1:
            self._require_grad(phase)
        optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for batch in batches:
            with self.fabric.autocast():
                losses = self.task.losses(phase, batch, self.state.step)
            if not losses:
                return True
            self.fabric.backward(losses["loss"] / len(batches))
            for key, value in losses.items():
                sums[key] = sums.get(key, 0.0) + value.detach().float() / len(batches)
        means = self._mean(sums)
        prefix = f"{phase}/" if len(self.optimizers) > 1 else ""
        self.losses |= {prefix + key: value for key, value in means.items()}
        norm = self._clip(self.parameters[phase])
        if not math.isfinite(norm + means["loss"]):
            optimizer.zero_grad(set_to_none=True)
            return False
        optimizer.step()
        return True

    def _require_grad(self, phase: str | None) -> None:
        """Only this phase's parameters collect gradients; with None those of all phases."""
        for other, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(phase in {other, None})

    def _clip(self, parameters: list[Tensor]) -> float:
        """Average gradients over processes, clip them; the norm before clipping."""
        if self.fabric.world_size > 1:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [p.grad for p in parameters if p.grad is not None]
            flat = torch.cat([g.reshape(-1) for g in gradients])
            self.fabric.all_reduce(flat, reduce_op="mean")
            pieces = torch.split(flat, [g.numel() for g in gradients])
            for gradient, piece in zip(gradients, pieces, strict=True):
                gradient.copy_(piece.view_as(gradient))
        if self.config.grad_clip is not None:
            return float(torch.nn.utils.clip_grad_norm_(parameters, self.config.grad_clip))
        return float(torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))

    def _skip(self) -> None:
        self.bad_steps += 1
        self._note(f"Step {self.state.step}: the loss is not finite; the update was skipped.")
        if self.bad_steps >= BAD_STEPS_BEFORE_STEP_BACK:
            self._step_back()

    def _step_back(self) -> None:
        """Return to the last checkpoint with half the learning rate; the data goes on, not back."""
        if self.state.step_backs >= MAX_STEP_BACKS:
            raise UserError(
                f"The training diverged at step {self.state.step}, even at {self.state.rate_scale:g} of the "
                "learning rate.",
                "Look for damaged training files, or start again with a smaller learning rate.",
                exit_code=1,
            )
        step = self._restore().step
        scale = self.state.rate_scale / 2
        self.state = replace(self.state, step=step, rate_scale=scale, step_backs=self.state.step_backs + 1)
        self.bad_steps = 0
        self._note(f"Went back to step {step} and on with {scale:g} of the learning rate.")
        self._save()

    def _evaluate(self) -> None:
        state = self.state
        seed_everything(self.config.seed)
        with self.ema.swapped(), torch.no_grad():
            for module in self.modules.values():
                module.eval()
            figures = self._mean({k: torch.tensor(float(v)) for k, v in self.task.evaluate().items()})
            for module in self.modules.values():
                module.train()
            state.metric = figures["metric"]
            state.evaluated_step = state.step
            state.stale_evals += 1
            best = math.inf if state.best_metric is None else state.best_metric
            if state.metric < best:
                state.best_metric, state.stale_evals = state.metric, 0
            if state.metric < best * (1 + self.config.best_margin):
                state.best_step = state.step
                self._write(BEST, module_tensors(self.modules), {"step": state.step, **figures})
        self._tick()
        self.journal.write(
            {"event": "evaluation", "step": state.step, "elapsed_s": state.elapsed_s, **figures},
            scalars=figures,
        )

    def _save(self) -> None:
        """Write the checkpoint, unless the weights are under suspicion."""
        self.saved_at_s = self.state.elapsed_s
        if self.bad_steps:
            return
        self.state.source = self.source.state_dict()
        self.state.ema_updates = self.ema.n_updates
        averages = {f"ema/{key}": tensor for key, tensor in self.ema.state_dict().items()}
        tensors = module_tensors(self.modules) | optimizer_tensors(self.optimizers) | averages
        self._write(CHECKPOINT, tensors, asdict(self.state))

    def _write(self, name: str, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        if self.fabric.is_global_zero:
            try:
                write_tensors(self.config.run_dir / name, tensors, state)
            except OSError as error:
                self._note(f"{name} could not be written ({error}); the one before it is kept.")
        self.fabric.barrier()

    def _restore(self) -> _State:
        """Fill modules, optimizers and averages from the checkpoint; its numbers are returned."""
        tensors, numbers = read_tensors(self.config.run_dir / CHECKPOINT)
        state = _State(**numbers)
        load_modules(self.modules, tensors)
        load_optimizers(self.optimizers, tensors)
        averages = {key.removeprefix("ema/"): t for key, t in tensors.items() if key.startswith("ema/")}
        self.ema.load_state_dict(averages, state.ema_updates)
        return state

    def _tick(self) -> None:
        now_s = self.clock()
        self.state.elapsed_s = self._largest(self.state.elapsed_s + now_s - self.mark_s)
        self.mark_s = now_s

    def _tell(self) -> None:
        state = self.state
        if state.step % self.config.log_every_steps == 0:
            self.window.close(state.elapsed_s)
            rate = next(iter(self.optimizers.values())).param_groups[0]["lr"]
            record = {"step": state.step, "elapsed_s": state.elapsed_s, **self.losses, "lr": rate}
            self.journal.write(record | {"metric": state.metric}, scalars=self.losses | {"lr": rate})
        if not self.fabric.is_global_zero:
            return
        try:
            self.report(self._progress())
        except KeyboardInterrupt:
            self.is_stopped = True

    def _progress(self) -> Progress:
        state = self.state
        fraction = min(1.0, self.config.progress(state.step, state.elapsed_s))
        gained = fraction - self.started_at
        spent_s = state.elapsed_s - self.started_at_s
        note, self.unreported = " ".join(self.unreported), []
        return Progress(
            step=state.step,
            max_steps=self.config.max_steps,
            fraction=fraction,
            elapsed_s=state.elapsed_s,
            eta_s=(1 - fraction) / gained * spent_s if gained > 0 else None,
            losses=dict(self.losses),
            metric=state.metric,
            best_metric=state.best_metric,
            rows_per_s=self.window.rows_per_s(state.elapsed_s),
            note=note,
        )

    def _result(self, ending: Literal["finished", "early", "interrupted"]) -> FitResult:
        best = self.config.run_dir / BEST
        return FitResult(
            step=self.state.step,
            elapsed_s=self.state.elapsed_s,
            stopped=ending,
            metric=self.state.metric,
            best_metric=self.state.best_metric,
            best_step=self.state.best_step,
            best_weights=best if best.exists() else None,
            checkpoint=self.config.run_dir / CHECKPOINT,
            notes=tuple(self.notes),
        )

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.unreported.append(text)
        self.journal.write({"event": "note", "step": self.state.step, "text": text})

    def _mean(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Scalars averaged over processes; one transfer from the device."""
        stacked = torch.stack([value.to(self.fabric.device, torch.float32) for value in values.values()])
        if self.fabric.world_size > 1:
            self.fabric.all_reduce(stacked, reduce_op="mean")
        return dict(zip(values, stacked.tolist(), strict=True))

    def _largest(self, value: float) -> float:
        """The largest over processes, so that all decide alike."""
        if self.fabric.world_size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        self.fabric.all_reduce(shared, reduce_op="max")
        return float(shared)

    def _share_initial_weights(self) -> None:
        if self.fabric.world_size > 1:
            for tensor in module_tensors(self.modules).values():
                torch.distributed.broadcast(tensor.detach(), 0)
