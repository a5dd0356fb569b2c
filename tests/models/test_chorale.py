from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midi.errors import UserError
from models.sequence.chorale import (
    N_OUT,
    NOTHING,
    REST,
    VOICES,
    ChoraleConfig,
    ChoraleModel,
    ChoraleTask,
    features,
    nll_per_note,
    read_pieces,
    token_nll,
)
from models.sequence.network import TrunkConfig

TRUNK = TrunkConfig(16, 1, 2, 32, 0.0)
pieces = st.integers(1, 25).flatmap(
    lambda steps: arrays(np.int64, (steps, VOICES), elements=st.sampled_from([REST, 0, 40, 41, 60, 67, 127]))
)


def chorale_model(seed: int = 0, trunk: TrunkConfig = TRUNK) -> ChoraleModel:
    torch.manual_seed(seed)
    model = ChoraleModel(trunk).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return model


def random_piece(seed: int, steps: int):
    rng = np.random.default_rng(seed)
    piece = 60 + np.cumsum(rng.integers(-2, 3, (steps, VOICES)), axis=0)
    return np.where(rng.random((steps, VOICES)) < 0.1, REST, piece).astype(np.int64)


def single_window(model: ChoraleModel, piece) -> torch.Tensor:
    with torch.no_grad():
        x = torch.from_numpy(features(piece))[None]
        return token_nll(model, x, torch.from_numpy(piece.reshape(-1))[None])[0]


class TestFeatures:
    @given(pieces, pieces, st.integers(0, 99))
    @settings(max_examples=60)
    def test_later_tokens_change_no_earlier_feature(self, piece, other, cut):
        steps = min(len(piece), len(other))
        flat = piece[:steps].reshape(-1)
        cut %= len(flat)
        changed = flat.copy()
        changed[cut:] = other[:steps].reshape(-1)[cut:]
        before, after = features(piece[:steps]), features(changed.reshape(steps, VOICES))
        assert np.array_equal(before[: cut + 1], after[: cut + 1])

    @given(pieces)
    @settings(max_examples=30)
    def test_always_within_their_tables(self, piece):
        model = chorale_model()
        table = features(piece)
        assert table.min() >= 0
        for column, embedding in enumerate(model.embeddings):
            assert table[:, column].max() < embedding.num_embeddings

    def test_by_hand(self):
        piece = np.array([[72, 67, 64, 48], [72, 69, 64, REST], [74, 69, 64, 50]])
        table = features(piece).reshape(3, VOICES, -1)
        assert table[0, 0].tolist()[:5] == [NOTHING, 0, 0, NOTHING, 0]
        soprano, alto, tenor, bass = table[2]
        assert soprano[:8].tolist() == [REST, 0, 2, 72, 2, 69, 64, REST]
        assert alto[:8].tolist() == [74, 1, 2, 69, 1, 74, 64, REST]
        assert alto[8:11].tolist() == [74 - 69 + 36, 64 - 69 + 36, 73]
        assert [row[11] for row in (soprano, alto, tenor, bass)] == [0, 1, 1, 1]
        assert bass[3] == REST

    def test_bars_have_sixteen_steps(self):
        table = features(random_piece(0, 20)).reshape(20, VOICES, -1)
        assert table[:, 0, 2].tolist() == [*range(16), 0, 1, 2, 3]


class TestModel:
    @given(st.integers(0, 999), st.integers(1, 31))
    @settings(max_examples=25)
    def test_later_tokens_change_no_earlier_logit(self, seed, cut):
        model, piece = chorale_model(), random_piece(seed, 8)
        changed = piece.reshape(-1).copy()
        changed[cut:] = random_piece(seed + 1, 8).reshape(-1)[cut:]
        with torch.no_grad():
            ours, theirs = (
                model(torch.from_numpy(features(p))[None]) for p in (piece, changed.reshape(8, VOICES))
            )
        assert ours.shape == (1, 32, N_OUT)
        assert torch.equal(ours[:, : cut + 1], theirs[:, : cut + 1])

    def test_gradient_reaches_every_parameter(self):
        model = chorale_model().train()
        piece = random_piece(1, 8)
        inputs = torch.from_numpy(features(piece))[None]
        token_nll(model, inputs, torch.from_numpy(piece.reshape(-1))[None]).sum().backward()
        assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []

    def test_fresh_weights_know_nothing(self):
        torch.manual_seed(0)
        model = ChoraleModel(TRUNK).eval()
        assert nll_per_note(model, [random_piece(0, 8)])[0] == pytest.approx(math.log(N_OUT), rel=0.1)

    def test_targets_of_minus_one_cost_nothing(self):
        model = chorale_model()
        piece = random_piece(2, 8)
        targets = torch.from_numpy(piece.reshape(-1))[None].clone()
        targets[0, 10:] = -1
        with torch.no_grad():
            nll = token_nll(model, torch.from_numpy(features(piece))[None], targets)[0]
        assert not nll[10:].any()
        torch.testing.assert_close(nll[:10], single_window(model, piece)[:10])


class TestFigure:
    @pytest.mark.parametrize("steps", [1, 3, 7, 8, 9, 11, 12, 13, 16, 17, 25])
    def test_every_token_counts_once_whatever_the_length(self, steps):
        """Sizes around the context of 8 steps: a uniform model gives ln 129 exactly."""
        model = chorale_model()
        with torch.no_grad():
            for layer in (model.by_pitch, model.by_interval):
                layer.weight.zero_()
                layer.bias.zero_()
        nll, notes = nll_per_note(model, [random_piece(steps, steps)])
        assert notes == steps * VOICES
        assert nll == pytest.approx(math.log(N_OUT), rel=1e-6)

    @pytest.mark.parametrize("steps", [1, 5, 8])
    def test_short_pieces_are_read_in_one_window(self, steps):
        model, piece = chorale_model(), random_piece(1, steps)
        assert nll_per_note(model, [piece])[0] == pytest.approx(
            float(single_window(model, piece).mean()), rel=1e-5
        )

    def test_long_pieces_overlap_by_half_the_context(self):
        model, piece = chorale_model(), random_piece(3, 13)
        inputs, targets = features(piece), piece.reshape(-1)

        def window(start: int) -> torch.Tensor:
            x, y = inputs[start : start + 32], targets[start : start + 32]
            with torch.no_grad():
                return token_nll(model, torch.from_numpy(x)[None], torch.from_numpy(y)[None])[0]

        want = torch.cat([window(0), window(16)[16:], window(32)[16:]])
        assert len(want) == 52
        assert nll_per_note(model, [piece])[0] == pytest.approx(float(want.mean()), rel=1e-5)

    def test_pieces_weigh_by_their_notes(self):
        model = chorale_model()
        short, long = random_piece(1, 2), random_piece(2, 8)
        told = []
        both, notes = nll_per_note(model, [short, long], on_piece=lambda i, n: told.append((i, n)))
        want = (8 * nll_per_note(model, [short])[0] + 32 * nll_per_note(model, [long])[0]) / 40
        assert (notes, told) == (40, [(1, 2), (2, 2)])
        assert both == pytest.approx(want, rel=1e-6)


class TestTask:
    CONFIG = ChoraleConfig(TRUNK, batch=3, transpose=6)

    def test_batches(self):
        train = [random_piece(seed, steps) for seed, steps in ((1, 5), (2, 8), (3, 30))]
        task = ChoraleTask(self.CONFIG, train, train[:1])
        batch = next(task.source(0, 1))
        assert batch.shape == (3, 32, 13)
        ends = sorted(int((row[:, -1] >= 0).sum()) for row in batch)
        assert ends == [20, 32, 32]
        for row in batch:
            real = row[row[:, -1] >= 0]
            assert (real[1:, 0] == real[:-1, -1]).all(), "the token before is a feature of the next"
            assert real[0, 1] == 0, "windows begin with the soprano"

    @pytest.mark.parametrize("seed", range(8))
    def test_transposition_keeps_rests_and_moves_the_rest_alike(self, seed):
        task = ChoraleTask(self.CONFIG, [random_piece(0, 4)], [random_piece(0, 4)])
        piece = random_piece(seed, 12)
        moved = task._transposed(piece, np.random.default_rng(seed))
        assert np.array_equal(moved == REST, piece == REST)
        shifts = set((moved - piece)[piece != REST].tolist())
        assert len(shifts) == 1
        assert -6 <= shifts.pop() <= 6

    def test_learns_and_tells_the_held_out_figure(self, tmp_path):
        from models.training.contract import LoopConfig

        piece = random_piece(5, 8)
        task = ChoraleTask(ChoraleConfig(TRUNK, batch=1, transpose=0), [piece], [piece])
        (optimizer,) = task.optimizers(LoopConfig(tmp_path, max_steps=1, learning_rate=3e-2)).values()
        before, source = task.evaluate()["metric"], task.source(0, 1)
        for step in range(30):
            loss = task.losses("model", next(source), step)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert task.evaluate()["metric"] < 0.5 * before
        assert task.describe()["transpose"] == 0
        assert set(task.modules()) == {"model"}


class TestReading:
    def write(self, tmp_path, data):
        path = tmp_path / "pieces.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    def test_rests_are_minus_one_or_nan(self, tmp_path):
        path = self.write(tmp_path, '{"valid": [[[60, -1, NaN, 48.0]], [[1, 2, 3, 4], [0, 127, 3, 4]]]}')
        first, second = read_pieces(path, "valid")
        assert first.tolist() == [[60, REST, REST, 48]]
        assert second.shape == (2, VOICES)
        assert first.dtype == np.int64

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("not json", "not a JSON file"),
            ("", "not a JSON file"),
            ("[" * 100_000, "not a JSON file"),
            ([1, 2], "no split called valid"),
            ({"train": []}, "no split called valid"),
            ({"valid": []}, "holds no pieces"),
            ({"valid": 7}, "holds no pieces"),
            ({"valid": {"a": 1}}, "holds no pieces"),
            ({"valid": [[]]}, "piece 1: a piece must be"),
            ({"valid": [[[1, 2, 3, 4]], [[1, 2, 3]]]}, "piece 2: a piece must be"),
            ({"valid": [[[1, 2, 3, 4], [1, 2]]]}, "a piece must be"),
            ({"valid": [[["a", 2, 3, 4]]]}, "a piece must be"),
            ({"valid": [None]}, "a piece must be"),
            ({"valid": [[[1, 2, 3, 128]]]}, "from 0 to 127"),
            ({"valid": [[[1, 2, 3, -2]]]}, "from 0 to 127"),
            ({"valid": [[[1, 2, 3, 60.5]]]}, "from 0 to 127"),
            ('{"valid": [[[1, 2, 3, Infinity]]]}', "from 0 to 127"),
        ],
    )
    def test_refusals_say_what_and_where(self, tmp_path, data, message):
        path = self.write(tmp_path, data)
        with pytest.raises(UserError, match=message) as caught:
            read_pieces(path, "valid")
        assert str(path) in caught.value.message

    def test_missing_files_and_folders(self, tmp_path):
        for path in (tmp_path / "none.json", tmp_path):
            with pytest.raises(UserError, match="cannot be read"):
                read_pieces(path, "valid")

    def test_binary_files(self, tmp_path):
        path = tmp_path / "pieces.json"
        path.write_bytes(bytes(range(256)))
        with pytest.raises(UserError, match="not a JSON file"):
            read_pieces(path, "valid")
