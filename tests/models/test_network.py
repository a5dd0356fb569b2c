import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import FIELD_SIZES, PREDICTED, Field, Role
from models.sequence.network import (
    EventModel,
    EventModelConfig,
    KeyValueCache,
    TrunkConfig,
    rotary_table,
    rotate,
    seen_by,
)
from models.sequence.task import column_mask, column_nll
from tests.models.pieces import TINY, random_rows, tiny_model

LENGTH = 24


def batch(seed: int, n: int = LENGTH, pieces: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([random_rows(rng, n) for _ in range(pieces)])).long()


@pytest.fixture(scope="module")
def model() -> EventModel:
    return tiny_model(scale=4.0)


class TestCausality:
    @given(st.integers(0, 2**32 - 1), st.integers(2, LENGTH - 1))
    @settings(max_examples=20)
    def test_future_rows_never_change_past_states_or_logits(self, model, seed, cut):
        rows, other = batch(seed), batch(seed + 1)
        other[:, :cut] = rows[:, :cut]
        with torch.no_grad():
            before, after = model(rows), model(other)
            assert torch.equal(before[:, :cut], after[:, :cut])
            assert not torch.allclose(before[:, -1], after[:, -1], atol=1e-4)
            # The heads of row `cut` see columns of row `cut` itself, so compare those before it.
            ours = model.logits(before[:, : cut - 1], rows[:, 1:cut])
            theirs = model.logits(after[:, : cut - 1], other[:, 1:cut])
        for field in PREDICTED:
            assert torch.equal(ours[field], theirs[field])

    @pytest.mark.parametrize("field", PREDICTED)
    def test_a_head_sees_only_the_columns_drawn_before_its_own(self, model, field):
        rows, changed = batch(3), batch(3)
        for column in set(Field) - set(seen_by(field)):
            changed[..., column] = (changed[..., column] + 1) % FIELD_SIZES[column]
        with torch.no_grad():
            inputs = model.head_inputs(model(rows))[..., field, :]
            assert torch.equal(
                model.head_logits(field, inputs, rows), model.head_logits(field, inputs, changed)
            )

    def test_position_is_seen_once_step_and_role_tell_it(self):
        assert seen_by(Field.DELTA) == ()
        assert seen_by(Field.ROLE) == (Field.DELTA, Field.CLOCK)
        assert set(seen_by(Field.VELOCITY)) == {*PREDICTED[:5], Field.CLOCK, Field.POSITION}


class TestCache:
    @given(st.integers(0, 1000), st.lists(st.integers(1, 9), min_size=1, max_size=8))
    @settings(max_examples=15)
    def test_any_chunking_gives_the_same_hidden_states(self, model, seed, chunks):
        rows = batch(seed, sum(chunks), 2)
        cache = KeyValueCache(TINY.trunk, batch=2)
        with torch.no_grad():
            whole = model(rows)
            pieces = [model(piece, cache) for piece in rows.split(chunks, dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-5, rtol=1e-4)
        assert cache.length == sum(chunks)

    def test_stepping_back_overwrites(self, model):
        rows, other = batch(1), batch(2)
        cache = KeyValueCache(TINY.trunk)
        with torch.no_grad():
            model(rows, cache)
            cache.length = 10
            got = model(other[:, 10:], cache)
            want = model(torch.cat([rows[:, :10], other[:, 10:]], dim=1))[:, 10:]
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)

    def test_context_overflow_is_refused_and_reads_nothing(self, model):
        cache = KeyValueCache(TINY.trunk)
        with torch.no_grad():
            model(batch(1, 60), cache)
            with pytest.raises(ValueError, match="65 rows do not fit a context of 64"):
                model(batch(1, 5), cache)
            assert cache.length == 60
            with pytest.raises(ValueError, match="do not fit"):
                model(batch(1, 65))


class TestRotary:
    def test_scores_depend_on_distance_alone(self):
        config = TrunkConfig(width=16, layers=1, heads=1, context=40)
        table = rotary_table(config)
        q, k = torch.randn(16), torch.randn(16)
        turned_q = rotate(q.expand(1, 1, 40, 16), table)[0, 0]
        turned_k = rotate(k.expand(1, 1, 40, 16), table)[0, 0]
        scores = turned_q @ turned_k.T
        for distance in (0, 1, 7):
            diagonal = scores.diagonal(-distance)
            torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)

    def test_lengths_are_kept(self):
        config = TrunkConfig(width=16, layers=1, heads=2, context=20)
        x = torch.randn(1, 2, 20, 8)
        torch.testing.assert_close(rotate(x, rotary_table(config)).norm(dim=-1), x.norm(dim=-1))


class TestLearning:
    def test_fresh_weights_know_nothing(self):
        """The loss of every column begins near the log of its vocabulary."""
        fresh = tiny_model(7)
        rows = batch(5, 60, 8)
        with torch.no_grad():
            nll = column_nll(fresh, rows)
        for field in PREDICTED:
            count = column_mask(rows[:, 1:], field).sum()
            assert float(nll[field].sum() / count) == pytest.approx(math.log(FIELD_SIZES[field]), rel=0.02)

    def test_gradient_reaches_every_parameter(self):
        model = tiny_model(1, scale=2.0).train()
        sum(values.sum() for values in column_nll(model, batch(2, 40, 4)).values()).backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert without == []

    def test_one_batch_can_be_learned_by_heart(self):
        config = EventModelConfig(TrunkConfig(32, 1, 2, 16, 0.0), head_width=32)
        model = tiny_model(3, config).train()
        rows = batch(9, 6, 2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
        losses = []
        for _ in range(40):
            loss = sum(values.mean() for values in column_nll(model, rows).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[0] > 8
        assert losses[-1] < 0.5

    def test_dropout_acts_only_while_training(self):
        config = EventModelConfig(TrunkConfig(16, 1, 2, 16, dropout=0.5), head_width=16)
        model = tiny_model(0, config)
        rows = batch(0, 8)
        with torch.no_grad():
            assert torch.equal(model(rows), model(rows))
            model.train()
            assert not torch.equal(model(rows), model(rows))


def test_configuration_survives_json():
    import json

    assert EventModelConfig.from_dict(json.loads(json.dumps(TINY.to_dict()))) == TINY


def test_padding_rows_are_legal_input(model):
    rows = torch.zeros(1, 4, len(Field), dtype=torch.long)
    with torch.no_grad():
        assert torch.isfinite(model(rows)).all()
    assert not column_mask(rows, Field.DELTA).any()
    assert Role.PAD == 0
