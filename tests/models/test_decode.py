import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from midi.events import FIELD_SIZES, PREDICTED, Field
from models.sequence.decode import Reader, draw
from models.sequence.fast import FastReader
from tests.models.pieces import random_rows, tiny_model

MODEL = tiny_model(scale=4.0)
CONTEXT = MODEL.config.trunk.context


def rows(seed: int, n: int):
    return random_rows(np.random.default_rng(seed), n)


def states(reader: Reader) -> torch.Tensor:
    """Logits of the next row's first column: a fingerprint of the last hidden state."""
    return torch.from_numpy(reader.next_row().of(Field.DELTA))


class Reading(RuleBasedStateMachine):
    """However rows were inserted, taken back and replaced, the reader is where a fresh one would be."""

    @initialize(seed=st.integers(0, 99), n=st.integers(1, 20))
    def begin(self, seed, n):
        self.reader = Reader(MODEL)
        self.expected = rows(seed, n)
        self.reader.read(self.expected)

    @precondition(lambda self: self.reader.room > 0)
    @rule(seed=st.integers(0, 99), n=st.integers(1, 12))
    def append(self, seed, n):
        new = rows(seed, min(n, self.reader.room))
        self.reader.append(new)
        self.expected = np.concatenate([self.expected, new])

    @rule(share=st.floats(0, 1))
    def step_back(self, share):
        length = max(1, int(share * len(self.expected)))
        self.reader.step_back(length)
        self.expected = self.expected[:length]

    @rule(seed=st.integers(0, 99), n=st.integers(1, 6), share=st.floats(0, 1))
    def insert_late_rows(self, seed, n, share):
        at = max(1, int(share * len(self.expected)))
        changed = np.concatenate([self.expected[:at], rows(seed, n), self.expected[at:]])[:CONTEXT]
        before = self.reader.rows_fed
        self.reader.read(changed)
        assert self.reader.rows_fed - before <= len(changed) - min(at, len(changed))
        self.expected = changed

    @invariant()
    def is_where_a_fresh_reader_would_be(self):
        if not hasattr(self, "reader"):
            return
        fresh = Reader(MODEL)
        fresh.read(self.expected)
        assert len(self.reader) == len(self.expected)
        assert np.array_equal(self.reader.rows, self.expected)
        torch.testing.assert_close(states(self.reader), states(fresh), atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(
            self.reader._hidden[: len(self.reader)], fresh._hidden[: len(fresh)], atol=1e-4, rtol=1e-3
        )


TestReading = Reading.TestCase
TestReading.settings = settings(max_examples=6, stateful_step_count=10, deadline=None)


class TestReader:
    def test_reads_only_what_follows_the_common_beginning(self):
        reader, piece = Reader(MODEL), rows(1, 30)
        reader.read(piece)
        assert reader.rows_fed == 30
        reader.read(piece)
        assert reader.rows_fed == 30
        changed = piece.copy()
        changed[20, Field.PITCH] = (changed[20, Field.PITCH] + 1) % FIELD_SIZES[Field.PITCH]
        reader.read(changed)
        assert reader.rows_fed == 40
        reader.read(changed[:5])
        assert (reader.rows_fed, len(reader), reader.room) == (40, 5, CONTEXT - 5)

    def test_logits_are_those_of_training(self):
        reader, piece = Reader(MODEL), rows(4, 11)
        reader.read(piece[:10])
        logits = reader.next_row()
        logits.row[:] = piece[10]
        whole = torch.from_numpy(piece.astype(np.int64))[None]
        with torch.no_grad():
            want = MODEL.logits(MODEL(whole[:, :10]), whole[:, 1:])
        for field in PREDICTED:
            np.testing.assert_allclose(logits.of(field), want[field][0, -1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [Reader, FastReader])
class TestRefusals:
    @pytest.mark.parametrize("n", [0, CONTEXT + 1])
    def test_nothing_and_too_much_are_refused(self, kind, n):
        reader = kind(MODEL)
        reader.read(rows(1, 3))
        with pytest.raises(ValueError, match=f"cannot read {n} rows"):
            reader.read(rows(0, n))
        assert len(reader) == 3

    def test_appending_beyond_the_context_is_refused_and_changes_nothing(self, kind):
        reader = kind(MODEL)
        reader.read(rows(1, CONTEXT - 2))
        before = states(reader)
        with pytest.raises(ValueError, match="do not fit"):
            reader.append(rows(2, 3))
        assert (reader.room, reader.rows_fed) == (2, CONTEXT - 2)
        assert torch.equal(states(reader), before)

    def test_there_is_no_next_row_before_the_first(self, kind):
        with pytest.raises(ValueError, match="nothing was read"):
            kind(MODEL).next_row()


class TestDraw:
    @given(
        arrays(np.float32, 12, elements=st.floats(-50, 50, width=32)),
        arrays(np.bool_, 12).filter(np.any),
        st.floats(0.2, 2),
        st.floats(0.01, 1),
        st.integers(0, 2**32 - 1),
    )
    @settings(max_examples=60)
    def test_only_what_is_allowed_is_drawn(self, logits, allowed, temperature, top_p, seed):
        assert allowed[draw(logits, allowed, temperature, top_p, np.random.default_rng(seed))]

    def test_shares_follow_the_softmax(self):
        rng = np.random.default_rng(0)
        logits = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
        drawn = [draw(logits, np.ones(3, dtype=bool), 1.0, 1.0, rng) for _ in range(4000)]
        np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 4000, [0.5, 0.3, 0.2], atol=0.03)

    def test_nucleus_is_the_smallest_set_that_holds_the_mass(self):
        rng = np.random.default_rng(0)
        logits = np.log(np.array([0.2, 0.5, 0.3], dtype=np.float32))
        everything = np.ones(3, dtype=bool)
        assert {draw(logits, everything, 1.0, 0.45, rng) for _ in range(50)} == {1}
        assert {draw(logits, everything, 1.0, 0.75, rng) for _ in range(200)} == {1, 2}

    def test_cold_sampling_takes_the_likeliest(self):
        rng = np.random.default_rng(0)
        logits = np.array([0.0, 1.0, 0.9], dtype=np.float32)
        assert {draw(logits, np.ones(3, dtype=bool), 0.005, 1.0, rng) for _ in range(50)} == {1}

    def test_hot_sampling_is_flatter(self):
        logits = np.array([0.0, 2.0], dtype=np.float32)
        share = {
            t: np.mean([draw(logits, np.ones(2, dtype=bool), t, 1.0, rng) for _ in range(1500)])
            for t in (0.5, 1.0, 2.0)
            for rng in [np.random.default_rng(1)]
        }
        assert share[0.5] > share[1.0] > share[2.0] > 0.6

    def test_a_draw_takes_one_number(self):
        rng, other = np.random.default_rng(5), np.random.default_rng(5)
        draw(np.zeros(7, dtype=np.float32), np.ones(7, dtype=bool), 1.0, 0.9, rng)
        other.random()
        assert rng.random() == other.random()
