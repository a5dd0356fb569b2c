"""The training loop: exact resume, averaging, guards, interruption, several processes."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from midi.errors import UserError
from models.training.checkpoint import read_tensors, read_weights, write_tensors
from models.training.contract import FitResult, LoopConfig, Progress, adamw
from models.training.data import Batches, ShuffledSampler
from models.training.ema import Ema
from models.training.loop import fit

INPUTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
TARGETS = INPUTS @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3


class Regression:
    """A two-layer network with dropout and noise drawn from all three generators."""

    def __init__(self, *, noise: float = 1.0, rows: int = 8) -> None:
        torch.manual_seed(7)
        self.noise = noise
        self.rows = rows
        self.network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.1 * noise), nn.Linear(8, 1))
        self.bad_steps: set[int] = set()
        self.n_bad_left = 0
        self.metrics: list[float] = []

    def modules(self):
        return {"network": self.network}

    def optimizers(self, config):
        return {"network": adamw(self.modules(), config)}

    def source(self, rank, world_size):
        def make(indices, rng):
            return INPUTS[indices], TARGETS[indices] + 0.01 * self.noise * float(rng.standard_normal())

        return Batches(ShuffledSampler(len(INPUTS), 5, rank, world_size), self.rows // world_size, make)

    def losses(self, _phase, batch, step):
        inputs, targets = batch
        draw = self.noise * 0.01 * (random.random() + float(np.random.rand()))  # noqa: NPY002 - the legacy generator is seeded too
        loss = nn.functional.mse_loss(self.network(inputs), targets + draw)
        if self.n_bad_left and step in self.bad_steps:
            self.n_bad_left -= 1
            loss = loss * torch.inf
        return {"loss": loss, "mae": (self.network(inputs) - targets).abs().mean()}

    def evaluate(self):
        assert not self.network.training
        if self.metrics:
            return {"metric": self.metrics.pop(0)}
        error = nn.functional.mse_loss(self.network(INPUTS), TARGETS)
        return {"metric": float(error.detach()), "draw": random.random()}


class Duel:
    """Two optimizers: the critic scores, the generator moves; the generator rests on odd steps."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.generator, self.critic = nn.Linear(2, 2), nn.Linear(2, 1)
        self.trained: list[tuple[str, bool, bool]] = []

    def modules(self):
        return {"generator": self.generator, "critic": self.critic}

    def optimizers(self, config):
        return {"critic": adamw(self.critic, config), "generator": adamw(self.generator, config)}

    def source(self, _rank, _world_size):
        return Batches(ShuffledSampler(40, 1), 4, lambda indices, _rng: INPUTS[indices, :2])

    def losses(self, phase, batch, step):
        needs = (self.generator.weight.requires_grad, self.critic.weight.requires_grad)
        self.trained.append((phase, *needs))
        if phase == "generator" and step % 2:
            return {}
        fake = self.critic(self.generator(torch.randn(4, 2))).mean()
        return {"loss": fake - self.critic(batch).mean() if phase == "critic" else -fake}

    def evaluate(self):
        return {"metric": 0.0}


def config_for(folder: Path, **changes) -> LoopConfig:
    standard = {
        "max_steps": 20,
        "learning_rate": 0.02,
        "warmup_steps": 4,
        "ema_half_life_steps": 3.0,
        "eval_every_steps": 5,
        "precision": "32-true",
        "device": "cpu",
        "log_every_steps": 1,
    }
    return LoopConfig(run_dir=folder, **(standard | changes))


def train(folder: Path, task=None, *, stop_at: int | None = None, resume: bool = False, **changes):
    seen: list[Progress] = []
    task = task or Regression()
    result = fit(
        task,
        config_for(folder, **changes),
        resume=resume,
        report=seen.append,
        should_stop=lambda: bool(seen) and seen[-1].step == stop_at,
    )
    return result, seen, task


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_resumed_run_is_bit_exact(tmp_path, accumulate):
    _, straight, _ = train(tmp_path / "straight", accumulate=accumulate)
    half, first, _ = train(tmp_path / "halves", stop_at=7, accumulate=accumulate)
    assert half.interrupted
    assert half.step == 7
    torch.manual_seed(99)
    random.seed(99)
    result, second, _ = train(tmp_path / "halves", resume=True, accumulate=accumulate)
    assert result.stopped == "finished"
    assert [p.losses for p in first + second] == [p.losses for p in straight]
    expected, state = read_tensors(tmp_path / "straight" / "checkpoint.safetensors")
    actual, resumed_state = read_tensors(tmp_path / "halves" / "checkpoint.safetensors")
    assert expected.keys() == actual.keys()
    assert {key.split("/")[0] for key in expected} == {"weights", "ema", "optimizer"}
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert {**state, "elapsed_s": 0} == {**resumed_state, "elapsed_s": 0}


def test_two_optimizers_take_turns_and_resume_exactly(tmp_path):
    _, straight, task = train(tmp_path / "straight", Duel(), max_steps=6)
    assert task.trained[:4] == [("critic", False, True), ("generator", True, False)] * 2
    assert set(straight[0].losses) == {"critic/loss", "generator/loss"}
    assert set(straight[1].losses) == {"critic/loss"}
    assert task.critic.weight.requires_grad
    train(tmp_path / "halves", Duel(), max_steps=6, stop_at=3)
    _, second, _ = train(tmp_path / "halves", Duel(), max_steps=6, resume=True)
    assert [p.losses for p in second] == [p.losses for p in straight[3:]]


def test_training_learns_and_keeps_the_best_averaged_weights(tmp_path):
    result, seen, _ = train(tmp_path, max_steps=150, eval_first=True, warmup_steps=0)
    baseline = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert baseline["event"] == "evaluation"
    assert result.best_metric is not None
    assert result.best_metric < 0.2 * baseline["metric"]
    fresh = Regression()
    fresh.network.load_state_dict(read_weights(result.best_weights)["network"])
    fresh.network.eval()
    assert fresh.evaluate()["metric"] == pytest.approx(result.best_metric, rel=1e-6)
    assert seen[-1].eta_s == 0
    assert all(p.rows_per_s > 0 for p in seen)


def test_accumulated_batches_equal_one_large_batch(tmp_path):
    _, large, one = train(tmp_path / "large", Regression(noise=0, rows=8), max_steps=5)
    _, small, two = train(tmp_path / "small", Regression(noise=0, rows=4), max_steps=5, accumulate=2)
    assert [p.losses["loss"] for p in small] == pytest.approx([p.losses["loss"] for p in large], rel=1e-5)
    torch.testing.assert_close(one.network.state_dict(), two.network.state_dict())


def test_average_follows_its_closed_form():
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    ema = Ema({"m": module}, half_life_steps=2.0)
    ema.n_updates = 1000
    with torch.no_grad():
        module.weight.fill_(1.0)
    for _ in range(4):
        ema.update()
    assert float(ema.state_dict()["m/weight"]) == pytest.approx(1 - 0.5**2)
    with ema.swapped():
        assert module.weight.item() == pytest.approx(0.75)
    assert module.weight.item() == 1.0


def test_schedule_follows_steps_or_minutes_whichever_is_further():
    config = LoopConfig(
        run_dir=Path(), max_steps=100, max_minutes=1, warmup_steps=10, final_fraction=0.1, schedule="cosine"
    )
    assert config.rate_factor(0, 0) == pytest.approx(0.1)
    assert config.rate_factor(50, 0) == pytest.approx(0.55)
    assert config.rate_factor(20, 30) == pytest.approx(0.55)
    assert config.rate_factor(20, 60) == pytest.approx(0.1)


def test_a_time_budget_counts_across_resumes(tmp_path):
    now = iter(range(0, 10_000, 4))
    config = config_for(tmp_path, max_steps=None, max_minutes=1.0, eval_every_steps=1000)
    seen: list[Progress] = []
    kwargs = {"report": seen.append, "clock": lambda: float(next(now))}
    first = fit(Regression(), config, should_stop=lambda: len(seen) == 5, **kwargs)
    assert first.interrupted
    assert first.elapsed_s == 20
    assert seen[-1].eta_s == pytest.approx(40)
    last = fit(Regression(), config, resume=True, **kwargs)
    assert last.stopped == "finished"
    assert last.step == 15


def test_patience_ends_the_run_early(tmp_path):
    task = Regression()
    task.metrics = [3.0, 2.0, 2.5, float("nan"), 1.0]
    result, _, _ = train(tmp_path, task, max_steps=100, patience_evals=2)
    assert (result.stopped, result.step, result.best_metric, result.best_step) == ("early", 20, 2.0, 10)


@pytest.mark.parametrize(("margin", "kept"), [(0.0, 10), (0.2, 20)])
def test_later_weights_within_the_margin_of_the_best_replace_them(tmp_path, margin, kept):
    task = Regression()
    task.metrics = [3.0, 2.0, 2.0, 2.3, 2.5, float("nan")]
    result, _, _ = train(tmp_path, task, max_steps=29, eval_every_steps=5, best_margin=margin)
    assert (result.best_metric, result.best_step) == (2.0, kept)
    _, kept_at = read_tensors(result.best_weights)
    assert kept_at["step"] == kept


def test_a_single_bad_step_is_skipped_and_told(tmp_path):
    task = Regression()
    task.bad_steps, task.n_bad_left = {4}, 1
    result, seen, _ = train(tmp_path, task)
    assert result.step == 20
    assert "not finite" in seen[4].note
    assert [p.note for p in seen if p.note] == [seen[4].note]
    assert all(torch.isfinite(t).all() for t in task.network.state_dict().values())


def test_three_bad_steps_go_back_with_half_the_rate(tmp_path):
    task = Regression()
    task.bad_steps, task.n_bad_left = {4, 5, 6}, 3
    result, seen, _ = train(tmp_path, task, schedule="constant")
    assert result.step == 20
    assert any("half" in note or "0.5" in note for note in result.notes)
    assert [p.step for p in seen[4:9]] == [5, 6, 0, 1, 2]
    assert read_tensors(result.checkpoint)[1]["rate_scale"] == 0.5


def test_lasting_divergence_is_an_expected_failure(tmp_path):
    task = Regression()
    task.bad_steps, task.n_bad_left = set(range(100)), 1000
    with pytest.raises(UserError, match="diverged") as caught:
        train(tmp_path, task)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_saves(tmp_path, number):
    before = signal.getsignal(number)
    seen: list[int] = []

    def report(progress: Progress) -> None:
        seen.append(progress.step)
        if progress.step == 3:
            os.kill(os.getpid(), number)

    result = fit(Regression(), config_for(tmp_path), report=report)
    assert result.interrupted
    assert read_tensors(result.checkpoint)[1]["step"] == result.step == seen[-1] <= 4
    assert signal.getsignal(number) is before


def test_keyboard_interrupt_from_the_display_saves_too(tmp_path):
    def report(progress: Progress) -> None:
        raise KeyboardInterrupt

    result = fit(Regression(), config_for(tmp_path), report=report)
    assert result.interrupted
    assert read_tensors(result.checkpoint)[1]["step"] == 1


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    train(tmp_path, stop_at=5)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.training.checkpoint.save_file", full)
    result, _, _ = train(tmp_path, resume=True)
    assert result.step == 20
    assert any("No space left" in note for note in result.notes)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_an_old_run_is_not_overwritten(tmp_path):
    train(tmp_path, stop_at=2)
    with pytest.raises(UserError, match="already holds a run"):
        train(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    train(tmp_path, stop_at=2)
    other = Regression()
    other.network = nn.Linear(3, 1)
    with pytest.raises(UserError, match="does not fit"):
        train(tmp_path, other, resume=True)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot be read"):
        train(tmp_path, resume=True)


def test_a_run_without_end_is_refused(tmp_path):
    with pytest.raises(UserError, match="no end"):
        LoopConfig(run_dir=tmp_path)


def test_the_log_holds_every_step_and_evaluation(tmp_path):
    task = Regression()
    task.bad_steps, task.n_bad_left = {2}, 1
    train(tmp_path, task, max_steps=6, eval_every_steps=3)
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    steps = [r for r in records if "event" not in r]
    assert [r["step"] for r in steps] == [1, 2, 3, 4, 5, 6]
    assert {"elapsed_s", "loss", "mae", "lr", "metric"} <= steps[0].keys()
    assert steps[2]["loss"] is None
    assert [r["step"] for r in records if r.get("event") == "evaluation"] == [3, 6]


def test_mixed_precision_keeps_weights_and_averages_in_fp32(tmp_path):
    result, _, _ = train(tmp_path, precision="bf16-mixed", max_steps=4)
    tensors = read_tensors(result.checkpoint)[0]
    assert {t.dtype for t in tensors.values()} == {torch.float32}


def test_evaluation_does_not_disturb_training(tmp_path):
    _, often, _ = train(tmp_path / "often", eval_every_steps=1)
    _, seldom, _ = train(tmp_path / "seldom", eval_every_steps=20)
    assert [p.losses for p in often] == [p.losses for p in seldom]


def test_tied_weights_survive_a_checkpoint(tmp_path):
    weight = torch.arange(4.0)
    write_tensors(tmp_path / "x.safetensors", {"a": weight, "b": weight}, {})
    tensors, _ = read_tensors(tmp_path / "x.safetensors")
    assert torch.equal(tensors["a"], weight)
    assert torch.equal(tensors["b"], weight)


SCRIPT = """
import sys, os, json, torch
from pathlib import Path
from models.training.loop import fit
from tests.models.test_loop import Regression, config_for
losses = []
task = Regression(noise=0, rows=8)
if os.environ.get("RANK") == "1":
    torch.nn.init.zeros_(task.network[0].weight)
config = config_for(Path(sys.argv[1]), max_steps=8)
fit(task, config, report=lambda p: losses.append(p.losses["loss"]))
if losses:
    Path(sys.argv[1], "losses.json").write_text(json.dumps(losses))
"""


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    _, single, _ = train(tmp_path / "single", Regression(noise=0, rows=8), max_steps=8)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(script),
    ]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "pair")],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    losses = json.loads((tmp_path / "pair" / "losses.json").read_text())
    assert losses == pytest.approx([p.losses["loss"] for p in single], rel=1e-4)


def test_result_says_whether_it_was_interrupted(tmp_path):
    result = FitResult(1, 0.0, "early", None, None, 0, None, tmp_path)
    assert not result.interrupted
