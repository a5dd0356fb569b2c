from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midi.errors import UserError
from models.sequence.chorale import (
    N_OUT,
    Batch,
    ChoraleConfig,
    ChoraleModel,
    ChoraleTask,
    nll_per_note,
    read_pieces,
    token_nll,
)
from models.sequence.choraleinputs import (
    LENGTHS,
    MAX_INTERVAL,
    NOTHING,
    REST,
    SIZES,
    UNKNOWN,
    VOICES,
    Told,
    inputs_of,
    transposed,
)
from models.sequence.network import TrunkConfig

CONFIG = ChoraleConfig(TrunkConfig(16, 1, 2, 32, 0.0), head_width=16, head_layers=1, omit=0, omit_pitches=0)
pieces = st.integers(1, 25).flatmap(
    lambda steps: arrays(np.int64, (steps, VOICES), elements=st.sampled_from([REST, 0, 40, 41, 60, 67, 127]))
)


def chorale_model(seed: int = 0, config: ChoraleConfig = CONFIG) -> ChoraleModel:
    torch.manual_seed(seed)
    model = ChoraleModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
        model.by_guess.weight.normal_()
    return model


def random_piece(seed: int, steps: int):
    rng = np.random.default_rng(seed)
    piece = 60 + np.cumsum(rng.integers(-2, 3, (steps, VOICES)), axis=0)
    return np.where(rng.random((steps, VOICES)) < 0.1, REST, piece).astype(np.int64)


def write_pieces(path: Path) -> Path:
    """A file of two short pieces in each split."""
    pieces = {
        split: [np.where(p == REST, -1, p).tolist() for p in (random_piece(i, 9), random_piece(i + 1, 12))]
        for i, split in enumerate(("train", "valid"))
    }
    path.write_text(json.dumps(pieces))
    return path


def read_at_once(piece) -> Batch:
    inputs = inputs_of(piece)
    arrays_ = (inputs.categories, inputs.histograms, inputs.targets)
    return Batch(*(torch.from_numpy(array)[None] for array in arrays_))


def single_window(model: ChoraleModel, piece) -> torch.Tensor:
    with torch.no_grad():
        return token_nll(model, read_at_once(piece))[0]


def row(piece, step: int, voice: int, *columns: Told) -> list[int]:
    return inputs_of(np.array(piece)).categories[step, voice, list(columns)].tolist()


class TestInputs:
    @given(pieces, pieces, st.integers(0, 99))
    @settings(max_examples=60)
    def test_later_tokens_change_nothing_earlier(self, piece, other, cut):
        steps = min(len(piece), len(other))
        flat = piece[:steps].reshape(-1)
        cut %= len(flat)
        changed = flat.copy()
        changed[cut:] = other[:steps].reshape(-1)[cut:]
        before, after = inputs_of(piece[:steps]), inputs_of(changed.reshape(steps, VOICES))
        for field in ("categories", "histograms"):
            one, two = (getattr(x, field).reshape(steps * VOICES, -1) for x in (before, after))
            assert np.array_equal(one[: cut + 1], two[: cut + 1]), field

    @given(pieces)
    @settings(max_examples=30)
    def test_always_within_their_tables(self, piece):
        categories = inputs_of(piece).categories
        assert categories.min() >= 0
        for column, size in SIZES.items():
            assert categories[..., column].max() < size, column

    @given(st.integers(0, 99), st.integers(1, 30), st.integers(-20, 20))
    @settings(max_examples=30)
    def test_transposed_are_those_of_the_transposed_piece(self, seed, steps, semitones):
        piece = random_piece(seed, steps)
        there = np.where(piece < REST, piece + semitones, piece)
        got, want = transposed(inputs_of(piece), semitones), inputs_of(there)
        assert np.array_equal(got.categories, want.categories)
        assert np.array_equal(got.targets, there)
        # Which pitch class is called 0 changes by rounding alone.
        np.testing.assert_allclose(got.histograms, want.histograms, atol=1e-6)

    def test_pitches_and_intervals_by_hand(self):
        piece = [[72, 67, 64, 48], [72, 69, 64, REST], [74, 69, 64, 50]]
        others = (Told.OTHER_1, Told.OTHER_2, Told.OTHER_3)
        assert row(piece, 0, 0, Told.OWN, *others, Told.HELD) == [NOTHING] * 4 + [0]
        assert row(piece, 2, 0, Told.OWN, *others, Told.HELD) == [72, 69, 64, REST, 2]
        assert row(piece, 2, 1, Told.OWN, *others, Told.HELD) == [69, 74, 64, REST, 1]
        assert row(piece, 2, 1, Told.INTERVAL_1, Told.INTERVAL_2, Told.INTERVAL_3) == [
            74 - 69 + MAX_INTERVAL, 64 - 69 + MAX_INTERVAL, UNKNOWN
        ]  # fmt: skip
        assert [row(piece, 2, voice, Told.MOVED)[0] for voice in range(VOICES)] == [0, 1, 1, 1]

    def test_bars_have_sixteen_steps(self):
        table = inputs_of(random_piece(0, 34)).categories[:, 0]
        assert table[:, Told.PLACE].tolist() == [*range(16), *range(16), 0, 1]
        assert table[:, Told.BAR].tolist() == [0] * 16 + [1] * 16 + [2] * 2

    def test_last_notes_by_hand(self):
        line = [60, 60, 64, 67, 67, 67, 65]
        piece = [[pitch, 50, 50, 40] for pitch in line]
        notes = (Told.LEAP_1, Told.LENGTH_1, Told.LEAP_2, Told.LENGTH_2)
        assert row(piece, 2, 0, *notes) == [UNKNOWN, 0, UNKNOWN, 0], "one note so far"
        assert row(piece, 3, 0, *notes) == [4 + MAX_INTERVAL, 2, UNKNOWN, 0]
        assert row(piece, 6, 0, *notes) == [3 + MAX_INTERVAL, 1, 7 + MAX_INTERVAL, 2]

    def test_a_repeated_phrase_is_pointed_at(self):
        phrase = random_piece(4, 24)
        phrase[phrase == REST] = 60
        piece = np.concatenate([phrase, phrase])
        table = inputs_of(piece).categories
        for step in (30, 40, 47):
            guess = table[step, :, Told.MATCH] - MAX_INTERVAL + table[step, :, Told.OWN]
            assert guess.tolist() == piece[step].tolist()
            known = np.searchsorted(LENGTHS, step - 24, side="right")
            assert (table[step, :, Told.MATCH_TRUST] == 2 * known).all(), "and all voices go on"
            own = table[step, :, Told.OWN_MATCH] - MAX_INTERVAL + table[step, :, Told.OWN]
            assert own.tolist() == piece[step].tolist()

    def test_trust_ends_where_a_voice_before_goes_elsewhere(self):
        phrase = random_piece(4, 24)
        phrase[phrase == REST] = 60
        piece = np.concatenate([phrase, phrase])
        piece[40, 1] += 1
        trust = inputs_of(piece).categories[40, :, Told.MATCH_TRUST]
        assert trust[0] == trust[1] == trust[2] + 1 == trust[3] + 1

    def test_repeats_count_on_the_beat_only(self):
        phrase = random_piece(4, 23)  # not whole beats
        phrase[phrase == REST] = 60
        table = inputs_of(np.concatenate([phrase, phrase])).categories
        assert (table[40, :, Told.MATCH_TRUST] == 0).all()

    def test_histograms_count_pitch_classes_from_the_own_pitch(self):
        piece = np.array([[72, 67, 64, 48]] * 3)
        so_far, lately, bass = inputs_of(piece).histograms[2, 1].reshape(3, 12) / 12**0.5
        want = np.zeros(12)
        want[[5, 0, 9]] = 0.5, 0.25, 0.25  # C twice, G and E, from G
        np.testing.assert_allclose(so_far, want, atol=1e-6)
        np.testing.assert_allclose(lately, want, atol=1e-6)
        assert bass[5] == pytest.approx(1)
        assert not inputs_of(piece).histograms[0].any()


class TestModel:
    @given(st.integers(0, 999), st.integers(1, 31))
    @settings(max_examples=25)
    def test_later_tokens_change_no_earlier_logit(self, seed, cut):
        model, piece = chorale_model(), random_piece(seed, 8)
        changed = piece.reshape(-1).copy()
        changed[cut:] = random_piece(seed + 1, 8).reshape(-1)[cut:]
        with torch.no_grad():
            ours, theirs = (
                model(*read_at_once(p)[:2]).flatten(1, 2) for p in (piece, changed.reshape(8, VOICES))
            )
        assert ours.shape == (1, 32, N_OUT)
        assert torch.equal(ours[:, : cut + 1], theirs[:, : cut + 1])

    def test_gradient_reaches_every_parameter(self):
        model = chorale_model().train()
        phrase = random_piece(1, 8)
        token_nll(model, read_at_once(np.concatenate([phrase, phrase]))).sum().backward()
        assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []

    def test_fresh_weights_know_nothing(self):
        torch.manual_seed(0)
        model = ChoraleModel(CONFIG).eval()
        assert nll_per_note(model, [inputs_of(random_piece(0, 8))], 8)[0] == pytest.approx(
            math.log(N_OUT), rel=0.1
        )

    def test_what_is_left_out_differs_and_is_nothing_when_playing(self):
        model = chorale_model(config=replace(CONFIG, omit=0.5, omit_pitches=0.5))
        batch = read_at_once(random_piece(1, 8))
        with torch.no_grad():
            playing = [model(*batch[:2]) for _ in range(2)]
            model.train()
            training = [model(*batch[:2]) for _ in range(2)]
        assert torch.equal(*playing)
        assert not torch.allclose(*training)

    def test_it_can_point_at_what_is_repeated(self):
        model, piece = chorale_model(), np.full((13, VOICES), 60)
        piece[4:8] = 62
        batch = read_at_once(piece)
        with torch.no_grad():
            before = model(*batch[:2])[0, 12, 0]
            model.by_guess.bias += 5
            lifted = model(*batch[:2])[0, 12, 0] - before
        assert torch.nonzero(lifted > 4).flatten().tolist() == [62]

    def test_targets_of_minus_one_cost_nothing(self):
        model, piece = chorale_model(), random_piece(2, 8)
        batch = read_at_once(piece)
        targets = batch.targets.clone()
        targets[0, 3:] = -1
        with torch.no_grad():
            nll = token_nll(model, batch._replace(targets=targets))[0]
        assert not nll[3:].any()
        torch.testing.assert_close(nll[:3], single_window(model, piece)[:3])


class TestFigure:
    @pytest.mark.parametrize("steps", [1, 3, 7, 8, 9, 11, 12, 13, 16, 17, 25])
    def test_every_token_counts_once_whatever_the_length(self, steps):
        """Sizes around the window of 8 steps: a uniform model gives ln 129 exactly."""
        model = chorale_model()
        with torch.no_grad():
            for layer in (model.by_pitch, model.by_interval, model.by_guess):
                layer.weight.zero_()
                layer.bias.zero_()
        nll, notes = nll_per_note(model, [inputs_of(random_piece(steps, steps))], 8)
        assert notes == steps * VOICES
        assert nll == pytest.approx(math.log(N_OUT), rel=1e-6)

    def test_long_pieces_overlap_by_half_the_window(self):
        model, piece = chorale_model(), random_piece(3, 13)
        batch = read_at_once(piece)

        def window(start: int) -> torch.Tensor:
            with torch.no_grad():
                return token_nll(model, Batch(*(x[:, start : start + 8] for x in batch)))[0]

        want = torch.cat([window(0), window(4)[4:], window(8)[4:]])
        assert len(want) == 13
        assert nll_per_note(model, [inputs_of(piece)], 8)[0] == pytest.approx(float(want.mean()), rel=1e-5)

    def test_pieces_weigh_by_their_notes(self):
        model = chorale_model()
        short, long = (inputs_of(random_piece(1, 2)), inputs_of(random_piece(2, 8)))
        told = []
        both, notes = nll_per_note(model, [short, long], 8, lambda i, n: told.append((i, n)))
        want = (8 * nll_per_note(model, [short], 8)[0] + 32 * nll_per_note(model, [long], 8)[0]) / 40
        assert (notes, told) == (40, [(1, 2), (2, 2)])
        assert both == pytest.approx(want, rel=1e-6)


class TestTask:
    CONFIG = replace(CONFIG, batch=3, window=8, transpose=6)

    def test_batches(self):
        train = [inputs_of(random_piece(seed, steps)) for seed, steps in ((1, 5), (2, 8), (3, 30))]
        task = ChoraleTask(self.CONFIG, chorale_model(), train, train[:1])
        batch = next(task.source(0, 1))
        assert batch.categories.shape == (3, 8, VOICES, len(Told))
        assert sorted(int((targets[:, 0] >= 0).sum()) for targets in batch.targets) == [5, 8, 8]
        for categories, targets in zip(batch.categories, batch.targets, strict=True):
            steps = int((targets[:, 0] >= 0).sum())
            assert torch.equal(categories[1:steps, :, Told.OWN], targets[: steps - 1])

    def test_every_key_comes_up(self):
        pieces = [inputs_of(np.full((2, VOICES), 60))]
        task = ChoraleTask(self.CONFIG, chorale_model(), pieces, pieces)
        source = task.source(0, 1)
        assert {int(next(source).targets[0, 0, 0]) for _ in range(200)} == set(range(54, 67))

    def test_learns_and_tells_the_held_out_figure(self, tmp_path):
        from models.training.contract import LoopConfig

        piece = random_piece(5, 8)
        config = replace(CONFIG, batch=1, window=8, transpose=0)
        task = ChoraleTask(config, chorale_model(), [inputs_of(piece)], [inputs_of(piece)])
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
