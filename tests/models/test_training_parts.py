"""What the training loop stands on: sampler, batches, log, device and precision."""

import json
import os
import signal
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.errors import UserError
from models import device as device_module
from models.device import pick_device
from models.training import journal, runtime
from models.training.data import Batches, ShuffledSampler
from models.training.journal import Journal, Throughput
from tests.models.test_loop import Regression, train


@settings(max_examples=40, deadline=None)
@given(n_items=st.integers(1, 30), takes=st.lists(st.integers(0, 20), max_size=8), seed=st.integers(0, 9))
def test_every_epoch_deals_every_item_once(n_items, takes, seed):
    sampler = ShuffledSampler(n_items, seed)
    dealt = np.concatenate([sampler.take(n) for n in [*takes, n_items]])
    assert len(dealt) == sum(takes) + n_items == sampler.position
    for epoch in range(sampler.epoch):
        assert sorted(dealt[epoch * n_items : (epoch + 1) * n_items]) == list(range(n_items))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(0, 50), st.integers(1, 4))
def test_processes_share_what_one_would_see_and_can_resume(n_items, start, world_size):
    whole = ShuffledSampler(n_items, 4)
    whole.take(start)
    parts = [ShuffledSampler(n_items, 4, rank, world_size) for rank in range(world_size)]
    for part in parts:
        part.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    shared = np.stack([part.take(3) for part in parts], axis=1).ravel()
    assert shared.tolist() == whole.take(3 * world_size).tolist()


def test_epochs_and_seeds_differ():
    first, other = ShuffledSampler(50, 1), ShuffledSampler(50, 2)
    assert first.take(50).tolist() != (again := first.take(50).tolist())
    assert other.take(50).tolist() != again


def test_a_position_in_other_data_is_refused():
    with pytest.raises(UserError, match="started on 50 items"):
        ShuffledSampler(51, 1).load_state_dict(ShuffledSampler(50, 1).state_dict())
    with pytest.raises(UserError, match="nothing to train on"):
        ShuffledSampler(0, 1)


def test_batches_augment_alike_after_a_resume():
    def make(indices, rng):
        return indices.tolist(), rng.random()

    source = Batches(ShuffledSampler(7, 3), 4, make)
    next(iter(source))
    state = source.state_dict()
    expected = [next(source), next(source)]
    source.load_state_dict(state)
    assert [next(source), next(source)] == expected
    assert expected[0][1] != expected[1][1]


def test_throughput_counts_the_present_interval():
    speed = Throughput(10.0)
    assert speed.rows_per_s(12.0) == 0
    speed.rows += 30
    assert speed.rows_per_s(12.0) == 15
    speed.close(12.0)
    assert speed.rows_per_s(13.0) == 15
    speed.rows += 5
    assert speed.rows_per_s(13.0) == 5


def test_the_log_survives_a_vanished_folder_and_other_processes_are_silent(tmp_path):
    Journal(tmp_path / "gone", is_writing=True, tensorboard=False).write({"step": 1})
    Journal(tmp_path, is_writing=False, tensorboard=True).write({"step": 1})
    assert not list(tmp_path.iterdir())


def test_tensorboard_gets_the_scalars(tmp_path, monkeypatch):
    class Board:
        def __init__(self) -> None:
            self.seen: list[tuple[str, float, int]] = []
            self.is_closed = False

        def add_scalar(self, name, value, step):
            self.seen.append((name, value, step))

        def close(self):
            self.is_closed = True

    board = Board()
    monkeypatch.setattr(journal, "_board", lambda _: board)
    train(tmp_path, max_steps=2, tensorboard=True)
    assert {(name, step) for name, _, step in board.seen} >= {("loss", 1), ("lr", 2), ("metric", 2)}
    assert board.is_closed


def test_tensorboard_is_optional(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    result, _, _ = train(tmp_path, max_steps=1, tensorboard=True)
    assert result.step == 1


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == "cpu"
    for name in ("cuda", "tpu"):
        with pytest.raises(UserError, match=f"no device '{name}'"):
            pick_device(name)


@pytest.mark.parametrize(
    ("device", "flags", "capability", "expected"),
    [
        ("cpu", {"avx2", "amx_bf16"}, 0, "bf16-mixed"),
        ("cpu", {"avx2", "avx512_bf16"}, 0, "bf16-mixed"),
        ("cpu", {"avx2", "avx512f"}, 0, "32-true"),
        ("cuda", set(), 9, "bf16-mixed"),
        ("cuda", set(), 7, "32-true"),
        ("mps", {"amx_bf16"}, 0, "32-true"),
    ],
)
def test_mixed_precision_only_where_it_is_native(monkeypatch, device, flags, capability, expected):
    monkeypatch.setattr(device_module, "cpu_flags", lambda: flags)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (capability, 0))
    assert runtime.pick_precision(device) == expected


def test_a_step_draws_by_seed_step_and_rank_only():
    def draw(*parts):
        runtime.seed_everything(*parts)
        return torch.rand(1).item()

    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert len({draw(1, 2, 0), draw(1, 3, 0), draw(1, 2, 1), draw(2, 2, 0)}) == 4


def test_a_second_signal_acts_as_usual():
    with runtime.stop_on_signal() as flag:
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.wait(1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_training_runs_outside_the_main_thread(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(tmp_path, max_steps=3)[0]))
    thread.start()
    thread.join(30)
    assert results[0].step == 3


def test_without_averaging_the_raw_weights_are_evaluated(tmp_path):
    result, seen, task = train(tmp_path, ema_half_life_steps=0, grad_clip=None, max_steps=4)
    task.network.eval()
    assert task.evaluate()["metric"] == pytest.approx(result.metric, rel=1e-6)
    assert seen[-1].metric is None


def test_exhausted_memory_is_explained(tmp_path, monkeypatch):
    def losses(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    task = Regression()
    monkeypatch.setattr(task, "losses", losses)
    with pytest.raises(UserError, match="out of memory") as caught:
        train(tmp_path, task)
    assert "smaller batch" in caught.value.hint


def test_a_run_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be made"):
        train(tmp_path / "file" / "run")
