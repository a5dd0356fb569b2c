from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from midi.corpus import Corpus, build_corpus
from midi.errors import UserError
from midi.events import FIELD_SIZES, PREDICTED, Field, Role, untold
from models.sequence.network import EventModelConfig, TrunkConfig
from models.sequence.task import (
    SequenceTask,
    SequenceTaskConfig,
    column_mask,
    column_nll,
    held_out_windows,
    nll_figures,
)
from models.sequence.windows import WindowConfig
from models.training.contract import LoopConfig
from tests.models.pieces import TINY, random_rows, tiny_model, write_songs, zero_heads

CONFIG = SequenceTaskConfig(TINY, WindowConfig(rows=48), batch=2, own_draws=0, evaluation_windows=3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    folder = tmp_path_factory.mktemp("songs")
    return build_corpus(write_songs(folder / "midi", 4), folder / "corpus")


def rows_of(*roles: Role) -> torch.Tensor:
    rows = torch.zeros(1, len(roles), len(Field), dtype=torch.long)
    rows[0, :, Field.ROLE] = torch.tensor(roles)
    return rows


class TestColumns:
    def test_what_there_is_to_predict(self):
        rows = rows_of(Role.PAD, Role.START, Role.BAR, Role.RELEASE, Role.HUMAN, Role.PARTNER)
        masks = {field.name: column_mask(rows, field)[0].int().tolist() for field in PREDICTED}
        assert masks == {
            "DELTA": [0, 0, 1, 1, 1, 1],
            "ROLE": [0, 0, 1, 1, 1, 1],
            "INSTRUMENT": [0, 0, 0, 1, 1, 1],
            "PITCH": [0, 0, 0, 1, 1, 1],
            "DURATION": [0, 0, 0, 0, 0, 1],
            "VELOCITY": [0, 0, 0, 0, 1, 1],
        }

    def test_nats_are_those_of_the_targets_and_zero_elsewhere(self):
        model = tiny_model(scale=3.0)
        rows = torch.from_numpy(random_rows(np.random.default_rng(0), 20)).long()[None]
        rows[0, 12:] = 0
        with torch.no_grad():
            nll = column_nll(model, rows)
            logits = model.logits(model(rows[:, :-1]), rows[:, 1:])
        for field in PREDICTED:
            want = -functional.log_softmax(logits[field], dim=-1).gather(-1, rows[:, 1:, field, None])[..., 0]
            want = want * column_mask(rows[:, 1:], field)
            torch.testing.assert_close(nll[field], want)
            assert not nll[field][0, 11:].any(), "padding"

    def test_smoothing_punishes_certainty(self):
        model = tiny_model(scale=3.0)
        rows = torch.from_numpy(random_rows(np.random.default_rng(0), 20)).long()[None]
        with torch.no_grad():
            plain, smooth = column_nll(model, rows), column_nll(model, rows, smoothing=0.2)
        assert not torch.allclose(plain[Field.PITCH], smooth[Field.PITCH])


class TestTask:
    def test_losses_are_weighted_by_role(self, corpus):
        tasks = [SequenceTask(replace(CONFIG, human_weight=weight), corpus) for weight in (0.0, 0.5, 1.0)]
        batch, _ = next(tasks[0].source(0, 1))
        got = [task.losses("model", torch.stack([batch, batch]), 0) for task in tasks]
        nll = sum(column_nll(tasks[0].model.train(False), batch).values())
        role = batch[:, 1:, Field.ROLE]
        is_human = (role == Role.HUMAN) | (role == Role.RELEASE)
        assert is_human.any()
        for weight, losses in zip((0.0, 0.5, 1.0), got, strict=True):
            weights = torch.where(is_human, weight, 1.0) * (role > Role.START)
            torch.testing.assert_close(losses["loss"], (nll * weights).sum() / weights.sum())
        columns = [column.name.lower() for column in PREDICTED]
        assert set(got[0]) == {"loss", *columns}
        assert float(got[0]["pitch"].detach()) == pytest.approx(np.log(FIELD_SIZES[Field.PITCH]), rel=0.05)

    def test_padding_weighs_nothing(self, corpus):
        task = SequenceTask(CONFIG, corpus)
        task.model.eval()
        batch = next(task.source(0, 1))
        padded = torch.cat([batch, torch.zeros(2, 2, 10, len(Field), dtype=torch.long)], dim=2)
        for name, loss in task.losses("model", batch, 0).items():
            torch.testing.assert_close(task.losses("model", padded, 0)[name], loss, atol=1e-5, rtol=1e-5)

    def test_batches_repeat_after_a_resume(self, corpus):
        task = SequenceTask(CONFIG, corpus)
        source = task.source(0, 1)
        next(source)
        state = source.state_dict()
        following = next(source)
        again = task.source(0, 1)
        again.load_state_dict(state)
        assert torch.equal(next(again), following)
        assert following.shape == (2, 2, 48, len(Field))

    def test_what_is_misread_is_read_but_not_predicted(self, corpus):
        task = SequenceTask(CONFIG, corpus)
        task.model.eval()
        with torch.no_grad():
            task.model.head_in.weight.normal_()  # so that what was read shows in the logits
        rows, _ = next(task.source(0, 1))
        read = rows.clone()
        read[:, 3:10, Field.PITCH] = 40
        clean = task.losses("model", torch.stack([rows, rows]), 0)["loss"]
        misled = task.losses("model", torch.stack([rows, read]), 0)["loss"]
        with torch.no_grad():
            want = sum(value[0, 0] for value in column_nll(task.model, rows, read=read).values())
            same = sum(value[0, 0] for value in column_nll(task.model, rows).values())
        assert clean != misled
        assert want == same, "the first row is predicted from START alone"

    def test_its_own_draws_are_read_in_every_second_step_and_never_predicted(self, corpus):
        task = SequenceTask(replace(CONFIG, own_draws=2), corpus)
        task.model.eval()
        with torch.no_grad():
            task.model.head_in.weight.normal_()
        rows, _ = next(task.source(0, 1))
        read = []
        task.model.register_forward_pre_hook(lambda _module, given: read.append(given[0]))
        for step in (1, 2):
            task.losses("model", torch.stack([rows, rows]), step)
        truth, *_, drawn = read
        assert torch.equal(truth, rows[:, :-1])
        role, pitch = truth[..., Field.ROLE], truth[..., Field.PITCH]
        is_changed = (drawn != truth).any(dim=-1)
        assert int(is_changed.sum()) > 0
        assert bool(((role == Role.PARTNER) & (pitch < 128))[is_changed].all())
        for column in Field:
            if column not in {Field.PITCH, Field.DURATION}:
                assert torch.equal(drawn[..., column], truth[..., column])
        assert int(drawn[..., Field.PITCH][is_changed].max()) < 128

    def test_seed_decides_the_weights_and_a_parent_replaces_them(self, corpus):
        one, same, other = (SequenceTask(replace(CONFIG, seed=seed), corpus) for seed in (1, 1, 2))
        weight = "embeddings.3.weight"
        assert torch.equal(one.model.state_dict()[weight], same.model.state_dict()[weight])
        assert not torch.equal(one.model.state_dict()[weight], other.model.state_dict()[weight])
        child = SequenceTask(CONFIG, corpus, parent=other.model.state_dict())
        assert torch.equal(child.model.state_dict()[weight], other.model.state_dict()[weight])

    def test_evaluation_is_the_partner_figure_on_held_out_songs(self, corpus):
        task = SequenceTask(CONFIG, corpus)
        task.model.eval()
        figures = task.evaluate()
        windows = held_out_windows(corpus, "valid", 48)[:3]
        assert figures["metric"] == figures["partner"] == nll_figures(task.model, windows)["partner"]
        assert task.describe()["windows"]["rows"] == 48

    def test_one_optimizer_moves_everything(self, corpus, tmp_path):
        task = SequenceTask(CONFIG, corpus)
        (optimizer,) = task.optimizers(LoopConfig(tmp_path, max_steps=1)).values()
        moved = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        assert moved == sum(p.numel() for p in task.modules()["model"].parameters())

    def test_one_song_is_not_enough(self, tmp_path):
        single = build_corpus(write_songs(tmp_path / "one", 1), tmp_path / "corpus")
        with pytest.raises(UserError, match="not enough") as caught:
            SequenceTask(CONFIG, single)
        assert "two" in caught.value.hint


class TestHeldOut:
    def test_any_beginning_covers_as_many_songs_as_it_can(self, corpus):
        windows = held_out_windows(corpus, "train", 48)
        n_songs = len(corpus.split("train"))
        assert len(windows) == 2 * n_songs
        firsts = [window.tobytes() for window in windows[:n_songs]]
        assert len(set(firsts)) == n_songs
        assert held_out_windows(corpus, "test", 48) == []

    def test_the_player_is_heard_half_a_beat_late(self, corpus):
        rows = held_out_windows(corpus, "valid", 48)[0]
        human = rows[rows[:, Field.ROLE] == Role.HUMAN]
        assert ((human[:, Field.CLOCK] - human[:, Field.POSITION]) % 96 == 12).all()


class TestFigures:
    def test_figures_sum_to_the_code_length(self, corpus):
        model = tiny_model(scale=3.0)
        windows = held_out_windows(corpus, "train", 48)
        figures = nll_figures(model, windows, batch=3)
        rows = torch.from_numpy(untold(np.stack(windows))).long()
        with torch.no_grad():
            total = float(sum(values.sum() for values in column_nll(model, rows).values()))
        role = rows[:, 1:, Field.ROLE]
        partner, human = int((role == Role.PARTNER).sum()), int((role == Role.HUMAN).sum())
        assert figures["partner"] * partner + figures["human"] * human == pytest.approx(total, rel=1e-5)

    def test_columns_of_partner_notes_by_hand(self, corpus):
        """A network without opinions: every column costs the log of its size."""
        model = tiny_model()
        zero_heads(model)
        figures = nll_figures(model, held_out_windows(corpus, "valid", 48))
        for field in PREDICTED:
            assert figures[f"partner_{field.name.lower()}"] == pytest.approx(
                np.log(FIELD_SIZES[field]), rel=1e-5
            )
        assert figures["partner"] > sum(np.log(FIELD_SIZES[field]) for field in PREDICTED)

    @pytest.mark.parametrize("batch", [1, 2, 100])
    def test_batches_change_nothing(self, corpus, batch):
        model = tiny_model(scale=3.0)
        windows = held_out_windows(corpus, "train", 48)
        told = []
        got = nll_figures(model, windows, batch=batch, on_batch=lambda i, n: told.append((i, n)))
        want = nll_figures(model, windows)
        assert {k: pytest.approx(v, rel=1e-5) for k, v in want.items()} == got
        assert told[-1] == (len(windows), len(windows))

    def test_no_window_no_figure(self):
        assert nll_figures(tiny_model(), []) == {}

    def test_no_gradient_is_kept(self, corpus):
        config = EventModelConfig(TrunkConfig(16, 1, 2, 64), head_width=16)
        model = tiny_model(0, config)
        nll_figures(model, held_out_windows(corpus, "valid", 48))
        assert all(p.grad is None for p in model.parameters())
