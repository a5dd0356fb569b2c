import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import models
from midi.errors import UserError
from models.bundle import read_bundle
from models.image import measure, recipe
from models.image.augment import AugmentConfig
from models.image.decode import IntakeConfig
from models.image.discriminator import CriticConfig, critic_config
from models.image.generator import PRESETS, Generator, GeneratorConfig
from models.image.pictures import build_pictures
from models.image.player import Pictures
from models.image.recipe import PictureRun, train_bundle, train_pictures
from models.image.task import PictureTask, PictureTaskConfig, growth_plan, take_fitting
from models.registry import find
from models.training.checkpoint import read_tensors
from models.training.contract import LoopConfig
from models.training.loop import fit
from tests.models.image.drawings import write_discs

GENERATOR = GeneratorConfig(32, (12, 12, 8, 8), z_size=8, w_size=8)
CRITIC = CriticConfig(32, (12, 8, 8, 8), hidden=8)
CONFIG = PictureTaskConfig(
    GENERATOR, CRITIC, batch=4, growth=((16, 0.0), (32, 0.5)), fade=0.25, penalty_every=2, count=8, samples=8
)


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("discs"), 24)


@pytest.fixture(scope="module")
def pictures(discs, tmp_path_factory):
    return build_pictures(discs, tmp_path_factory.mktemp("set"), IntakeConfig(32))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(recipe, "preset", lambda _name, size: recipe._resized(GENERATOR, size))
    small = {"residual": CRITIC, "strided": CriticConfig(32, (12, 8, 8), kind="strided")}
    monkeypatch.setattr(recipe, "critic_config", lambda size, base: critic_config(size, small[base.kind]))
    monkeypatch.setattr(recipe, "PictureTaskConfig", partial(PictureTaskConfig, count=8, samples=8))
    monkeypatch.setattr(recipe, "MEASURED", 8)
    monkeypatch.setattr(measure, "WALKS", 1)
    monkeypatch.setattr(measure, "PATCH_ROUNDS", 2)
    monkeypatch.setattr(measure, "FEATURE_ROUNDS", 2)


def loop_config(run_dir, steps=8, **changes):
    defaults = {"max_steps": steps, "learning_rate": 2e-3, "betas": (0.0, 0.99), "warmup_steps": 0}
    settings = {"schedule": "constant", "grad_clip": None, "eval_every_steps": 1000, "device": "cpu"}
    return LoopConfig(run_dir, **{**defaults, **settings, **changes})


def trained(pictures, run_dir, **changes):
    task = PictureTask(CONFIG, pictures, run_dir)
    result = fit(task, loop_config(run_dir, **changes))
    return task, result


def weights_of(run_dir, name="checkpoint"):
    return read_tensors(run_dir / f"{name}.safetensors")[0]


class TestTask:
    def test_both_networks_move_and_the_loss_falls_behind_them(self, pictures, tmp_path):
        before = PictureTask(CONFIG, pictures, tmp_path)
        task, result = trained(pictures, tmp_path / "run")
        assert result.stopped == "finished"
        for name in ("generator", "critic"):
            old, new = before.modules()[name].state_dict(), task.modules()[name].state_dict()
            assert any(not torch.equal(old[key], new[key]) for key in old)

    def test_penalties_are_computed_in_single_precision(self, pictures, tmp_path):
        task = PictureTask(CONFIG, pictures, tmp_path)
        task.advance(1.0)
        dtypes, critic = [], task.critic.forward
        task.critic.forward = lambda seen: dtypes.append(critic(seen).dtype) or critic(seen)
        batch = torch.from_numpy(pictures.images[:4].copy())
        for step in (1, 2):
            with torch.autocast("cpu", torch.bfloat16):
                task.losses("generator", batch, step)
                assert torch.isfinite(task.losses("critic", batch, step)["loss"])
        half, single = torch.bfloat16, torch.float32
        assert dtypes == [half, half, half, half, single, single]

    def test_growth_follows_the_run(self, pictures, tmp_path):
        task = PictureTask(CONFIG, pictures, tmp_path)
        seen = []
        for progress in (0.0, 0.4, 0.5, 0.625, 0.75, 1.0):
            task.advance(progress)
            seen.append((task.generator.resolution, task.generator.fade))
            assert (task.critic.resolution, task.critic.fade) == seen[-1]
        assert seen == [(16, 1.0), (16, 1.0), (32, 0.0), (32, 0.5), (32, 1.0), (32, 1.0)]

    def test_a_longer_budget_does_not_shrink_a_grown_network(self, pictures, tmp_path):
        task = PictureTask(CONFIG, pictures, tmp_path)
        task.advance(1.0)
        other = PictureTask(CONFIG, pictures, tmp_path)
        other.generator.load_state_dict(task.generator.state_dict())
        other.advance(0.1)
        assert (other.generator.resolution, other.critic.resolution) == (32, 32)

    def test_real_pictures_fade_in_too(self, pictures, tmp_path):
        task = PictureTask(CONFIG, pictures, tmp_path)
        batch = torch.from_numpy(np.array(pictures.images[:2]))
        task.advance(0.4)
        small = task._real(batch)
        assert small.shape == (2, 3, 16, 16)
        task.advance(0.5)
        faint = task._real(batch)
        doubled = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
        torch.testing.assert_close(faint, doubled)

    def test_resumed_run_equals_an_uninterrupted_one(self, pictures, tmp_path):
        trained(pictures, tmp_path / "whole")
        task = PictureTask(CONFIG, pictures, tmp_path / "parts")
        stops = iter([False] * 5 + [True])
        broken = fit(task, loop_config(tmp_path / "parts"), should_stop=lambda: next(stops, True))
        assert broken.stopped == "interrupted"
        again = PictureTask(CONFIG, pictures, tmp_path / "parts")
        fit(again, loop_config(tmp_path / "parts"), resume=True)
        whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
        assert whole.keys() == parts.keys()
        assert [key for key in whole if not torch.equal(whole[key], parts[key])] == []

    def test_same_seed_same_weights(self, pictures, tmp_path):
        for name in ("a", "b"):
            trained(pictures, tmp_path / name, steps=3)
        a, b = weights_of(tmp_path / "a"), weights_of(tmp_path / "b")
        assert all(torch.equal(a[key], b[key]) for key in a)

    def test_a_broken_loss_steps_back_with_a_lower_rate(self, pictures, tmp_path):
        task = PictureTask(CONFIG, pictures, tmp_path)
        plain, broken = task.losses, iter(range(3))

        def losses(phase, batch, step):
            found = plain(phase, batch, step)
            if phase == "critic" and step >= 4 and next(broken, None) is not None:
                found["loss"] = found["loss"] * float("nan")
            return found

        task.losses = losses
        result = fit(task, loop_config(tmp_path / "run", steps=10))
        assert result.stopped == "finished"
        assert any("half" in note or "0.5 of the learning rate" in note for note in result.notes)
        assert all(torch.isfinite(t).all() for t in weights_of(tmp_path / "run").values())

    def test_evaluation_writes_sheets_and_snapshots(self, pictures, tmp_path):
        trained(pictures, tmp_path / "run", eval_every_steps=4)
        run = tmp_path / "run"
        assert len(list((run / "samples").glob("*.png"))) == 2
        assert (run / "sheet.png").read_bytes() == sorted((run / "samples").iterdir())[-1].read_bytes()
        snapshot = sorted((run / "snapshots").iterdir())[-1]
        Generator(GENERATOR).load_state_dict({k: t.float() for k, t in read_tensors(snapshot)[0].items()})

    def test_a_full_disk_costs_sheets_not_the_run(self, pictures, tmp_path, monkeypatch):
        def full(*_args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("models.image.task.write_image", full)
        _, result = trained(pictures, tmp_path / "run", steps=2)
        assert result.stopped == "finished"
        assert result.best_weights is not None

    @pytest.mark.parametrize("loss", ["relativistic", "hinge"])
    def test_other_losses_train(self, pictures, tmp_path, loss):
        config = replace(CONFIG, loss=loss, augment=AugmentConfig(is_adaptive=False))
        result = fit(PictureTask(config, pictures, tmp_path), loop_config(tmp_path / "run", steps=3))
        assert result.stopped == "finished"

    def test_one_picture_is_not_enough(self, tmp_path):
        alone = build_pictures(write_discs(tmp_path / "in", 1), tmp_path / "set", IntakeConfig(32))
        with pytest.raises(UserError, match="not enough"):
            PictureTask(CONFIG, alone, tmp_path)


class TestFineTuning:
    def test_low_blocks_stay_and_others_move(self, pictures, tmp_path):
        parent = Generator(GENERATOR).state_dict()
        config = replace(CONFIG, growth=(), frozen_px=8)
        task = PictureTask(config, pictures, tmp_path, parent)
        fit(task, loop_config(tmp_path / "run", steps=3))
        found = task.generator.state_dict()
        assert torch.equal(found["layers.8_up.weight"], parent["layers.8_up.weight"])
        assert torch.equal(found["mapping.0.weight"], parent["mapping.0.weight"])
        assert not torch.equal(found["layers.16_up.weight"], parent["layers.16_up.weight"])

    def test_a_parent_of_half_the_size_gives_its_blocks(self):
        small, large = Generator(recipe._resized(GENERATOR, 16)), Generator(GENERATOR)
        large.grow(32)
        assert take_fitting(large, small.state_dict()) == len(small.state_dict()) - 1
        assert torch.equal(large.layers["16_up"].weight, small.layers["16_up"].weight)
        assert large.resolution == 32


@pytest.mark.parametrize("side", [16, 32, 64, 128, 256])
def test_growth_plans_end_at_the_resolution(side):
    plan = growth_plan(side)
    assert plan[0] == (16, 0.0)
    assert plan[-1][0] == side
    starts = [start for _, start in plan]
    assert starts == sorted(starts)
    assert starts[-1] <= 0.6


class TestRecipe:
    def run_of(self, discs, tmp_path, **changes):
        settings = {"max_steps": 4, "size": 32, "device": "cpu"} | changes
        return PictureRun(discs, tmp_path / "run", "discs", **settings)

    def train(self, run):
        return train_bundle(run, lambda _: None, lambda *_: None)

    def test_a_folder_becomes_a_bundle_that_plays(self, discs, tmp_path):
        bundle = self.train(self.run_of(discs, tmp_path))
        manifest = bundle.manifest
        assert (manifest.kinds.in_, manifest.kinds.out) == ("latent", "image")
        assert (bundle.path / "sheet.png").read_bytes().startswith(b"\x89PNG")
        assert "4 steps" in bundle.card
        assert manifest.metrics["nearest_ratio"] > 0
        player = models.load("discs", device="cpu")
        assert isinstance(player, Pictures)
        found = player.generate([1, 2, 3], psi=0.7)
        assert found.shape == (3, 32, 32, 3)
        assert found.dtype == np.uint8
        assert np.array_equal(player.generate([3])[0], found[2])
        assert not np.array_equal(found[0], found[1])

    def test_fine_tuning_starts_from_the_parent_and_its_critic(self, discs, tmp_path):
        self.train(self.run_of(discs, tmp_path))
        parent = read_bundle(find("discs"))
        run = PictureRun(discs, tmp_path / "tune", "tuned", parent="discs", max_steps=0, device="cpu")
        result = train_pictures(run, lambda _: None, lambda *_: None)
        for key, tensor in result.critic.items():
            torch.testing.assert_close(tensor, parent.tensors()[f"critic/{key}"])
        assert result.task.frozen_px == 8
        assert self.train(replace(run, resume=True)).manifest.parent == "discs"

    def test_a_snapshot_can_be_picked_by_eye(self, discs, tmp_path, monkeypatch):
        plain = recipe.loop_config
        monkeypatch.setattr(recipe, "loop_config", lambda run: replace(plain(run), eval_every_steps=2))
        run = self.run_of(discs, tmp_path)
        self.train(run)
        steps = sorted(int(p.stem) for p in (tmp_path / "run" / "snapshots").iterdir())
        bundle = self.train(replace(run, pick=steps[0]))
        assert f"those of step {steps[0]}," in bundle.card
        assert bundle.manifest.version == "1.1.0"
        with pytest.raises(UserError, match="no snapshot") as caught:
            self.train(replace(run, pick=77))
        assert str(steps[0]) in caught.value.hint

    def test_an_interrupted_run_is_resumed(self, discs, tmp_path):
        run = self.run_of(discs, tmp_path)

        def interrupt(progress):
            if progress.step == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_bundle(run, interrupt, lambda *_: None)
        with pytest.raises(UserError, match="already holds a run"):
            self.train(run)
        with pytest.raises(UserError, match="size 32"):
            self.train(replace(run, resume=True, size=16))
        assert self.train(replace(run, resume=True)).manifest.version == "1.0.0"

    def test_the_run_folder_shows_real_pictures_beside_samples(self, discs, tmp_path):
        self.train(self.run_of(discs, tmp_path))
        assert (tmp_path / "run" / "real.png").exists()
        lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
        assert any("swd shape" in line for line in lines)

    def test_fine_tuning_is_gentle_and_begins_with_a_look(self, discs, tmp_path):
        run = self.run_of(discs, tmp_path)
        fresh, tuned = recipe.loop_config(run), recipe.loop_config(replace(run, parent="x"))
        assert tuned.eval_first
        assert tuned.learning_rate < fresh.learning_rate
        assert recipe.loop_config(replace(run, max_steps=None)).patience_evals > 0

    def test_only_a_residual_critic_is_penalized_and_grows(self, discs, tmp_path):
        run = self.run_of(discs, tmp_path, gamma=0.3, critic="residual")
        residual = recipe.task_config(run, 32, None)
        assert (residual.gamma, len(residual.growth)) == (0.3, 2)
        assert recipe.task_config(replace(run, judge="projected"), 32, None).gamma == 0
        strided = recipe.task_config(replace(run, critic="strided"), 32, None)
        assert (strided.gamma, strided.growth) == (0, ((32, 0.0),))

    def test_a_strided_critic_learns_slower(self, discs, tmp_path, pictures):
        config = recipe.task_config(self.run_of(discs, tmp_path), 32, None)
        task = PictureTask(config, pictures, tmp_path)
        rates = {name: each.param_groups[0] for name, each in task.optimizers(loop_config(tmp_path)).items()}
        assert rates["critic"]["lr"] < rates["generator"]["lr"] == 2e-3
        assert rates["critic"]["betas"] == rates["generator"]["betas"] == (0.5, 0.999)

    def test_a_bundle_of_music_is_no_parent(self, discs, tmp_path):
        run = self.run_of(discs, tmp_path, parent="partner")
        with pytest.raises(UserError, match="network"):
            train_pictures(run, lambda _: None, lambda *_: None)

    def test_small_pictures_train_in_a_small_network_unless_asked_otherwise(
        self, discs, tmp_path, monkeypatch
    ):
        monkeypatch.undo()
        run = PictureRun(discs, tmp_path / "run", "discs")
        widths = {size: recipe.task_config(run, size, None).generator.channels for size in (64, 128)}
        assert widths[64] == PRESETS["tiny"].channels
        assert widths[128] == PRESETS["live"].channels
        chosen = recipe.task_config(replace(run, preset="live"), 64, None).generator
        assert chosen.channels == PRESETS["live"].channels[:5]
