"""The fast reader on a CPU says what the network itself says, however rows come and go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from midi.events import FIELD_SIZES, GRID_PER_BEAT, PREDICTED, Field, Role, Rows
from models.sequence.decode import Reader, draw
from models.sequence.fast import BATCH_ROWS, FastReader, NetworkStep, open_reader
from models.sequence.guidance import Unheard
from models.sequence.network import EventModel, EventModelConfig, TrunkConfig
from models.sequence.player import Player
from models.sequence.products import has_half
from tests.models.pieces import random_rows, tiny_model
from tests.models.planrequests import CONFIG as WIDE
from tests.models.planrequests import request

CONFIG = EventModelConfig(TrunkConfig(width=24, layers=2, heads=3, context=48, dropout=0.0), head_width=16)
MODEL = tiny_model(scale=4.0, config=CONFIG)
CONTEXT = CONFIG.trunk.context
BAR = 4 * GRID_PER_BEAT
CLOSE = {"atol": 1e-4, "rtol": 1e-3}
"""For random networks with logits of about 1; the shipped ones have their own bound below."""


def rows(seed: int, n: int) -> Rows:
    return random_rows(np.random.default_rng(seed), n)


def logits(reader: Reader, row: Rows) -> dict[Field, np.ndarray]:
    """What all heads say of the next row, its columns given."""
    found = reader.next_row()
    found.row[:] = row
    return {field: found.of(field) for field in PREDICTED}


def same_logits(found: dict[Field, np.ndarray], expected: dict[Field, np.ndarray]) -> None:
    for field in PREDICTED:
        np.testing.assert_allclose(found[field], expected[field], **CLOSE)


@pytest.fixture(scope="module")
def partner() -> EventModel:
    return Player.load("partner").model


class Reading(RuleBasedStateMachine):
    """Two readers side by side, fed, taken back and asked in any order, are where fresh ones would be."""

    kind: type[Reader] = FastReader

    @initialize(seed=st.integers(0, 99), n=st.integers(1, 20))
    def begin(self, seed, n):
        hearing = self.kind(MODEL)
        self.readers = [hearing, hearing.companion()]
        self.expected = [rows(seed, n), rows(seed + 1, n // 2 + 1)]
        for reader, read in zip(self.readers, self.expected, strict=True):
            reader.read(read)

    @rule(which=st.integers(0, 1), seed=st.integers(0, 99), n=st.integers(1, 12))
    def append(self, which, seed, n):
        new = rows(seed, min(n, self.readers[which].room))
        self.readers[which].append(new)
        self.expected[which] = np.concatenate([self.expected[which], new])

    @precondition(lambda self: min(reader.room for reader in self.readers) > 0)
    @rule(seed=st.integers(0, 99))
    def append_to_both(self, seed):
        for which in (0, 1):
            self.append(which, seed + which, 1)

    @rule(which=st.integers(0, 1), share=st.floats(0, 1))
    def step_back(self, which, share):
        length = max(1, int(share * len(self.expected[which])))
        self.readers[which].step_back(length)
        self.expected[which] = self.expected[which][:length]

    @rule(which=st.integers(0, 1), seed=st.integers(0, 99), n=st.integers(1, 6), share=st.floats(0, 1))
    def insert_late_rows(self, which, seed, n, share):
        reader, read = self.readers[which], self.expected[which]
        at = max(1, int(share * len(read)))
        changed = np.concatenate([read[:at], rows(seed, n), read[at:]])[:CONTEXT]
        before = reader.rows_fed
        reader.read(changed)
        assert reader.rows_fed - before <= len(changed) - min(at, len(changed))
        self.expected[which] = changed

    @rule(which=st.integers(0, 1), seed=st.integers(0, 99))
    def ask(self, which, seed):
        reader, read, row = self.readers[which], self.expected[which], rows(seed, 1)[0]
        fresh = Reader(MODEL)
        fresh.read(read)
        assert len(reader) == len(read)
        assert reader.room == CONTEXT - len(read)
        assert np.array_equal(reader.rows, read)
        same_logits(logits(reader, row), logits(fresh, row))

    def teardown(self):
        if hasattr(self, "readers"):
            for which in (0, 1):
                self.ask(which, 5)


TestReading = Reading.TestCase
TestReading.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)


class TestReader:
    def test_any_number_of_rows_at_once_gives_the_same_logits(self):
        piece, row = rows(3, CONTEXT), rows(4, 1)[0]
        for begin in (0, 1, 9):
            for count in (1, 2, BATCH_ROWS, BATCH_ROWS + 1, 20):
                fast, eager = FastReader(MODEL), Reader(MODEL)
                for reader in (fast, eager):
                    if begin:
                        reader.append(piece[:begin])
                        reader.next_row()
                    reader.append(piece[begin : begin + count])
                same_logits(logits(fast, row), logits(eager, row))

    def test_a_reader_that_jumped_back_draws_at_once(self):
        reader, piece, row = FastReader(MODEL), rows(1, 12), rows(2, 1)[0]
        reader.read(piece)
        first = logits(reader, row)
        reader.append(rows(5, 2))
        logits(reader, row)
        reader.step_back(12)
        assert reader.waiting == 0
        same_logits(logits(reader, row), first)

    def test_rows_taken_back_before_anybody_asked_never_pass_the_network(self, monkeypatch):
        reader, row = FastReader(MODEL), rows(2, 1)[0]
        reader.read(rows(1, 5))
        logits(reader, row)
        passed = []
        run = reader.step.run
        monkeypatch.setattr(reader.step, "run", lambda feeds: passed.append(len(feeds)) or run(feeds))
        reader.append(rows(3, 4))
        reader.step_back(6)
        logits(reader, row)
        assert passed == [1]

    def test_companions_pass_together(self, monkeypatch):
        reader, row = FastReader(MODEL), rows(2, 1)[0]
        other = reader.companion()
        for each in (reader, other):
            each.read(rows(1, 20))
            logits(each, row)
        passed = []
        run = reader.step.run
        monkeypatch.setattr(reader.step, "run", lambda feeds: passed.append(len(feeds)) or run(feeds))
        for each in (reader, other):
            each.append(rows(4, 1))
        logits(reader, row)
        logits(other, row)
        assert passed == [2]

    def test_the_whole_context_can_be_used(self):
        fast, eager, piece = FastReader(MODEL), Reader(MODEL), rows(6, CONTEXT)
        for reader in (fast, eager):
            for row in piece:
                reader.append(row[None])
                reader.next_row()
        same_logits(logits(fast, piece[3]), logits(eager, piece[3]))

    def test_weights_are_the_networks_own(self):
        model = tiny_model(2, CONFIG)
        reader, row = FastReader(model), rows(2, 1)[0]
        with torch.no_grad():
            model.trunk.blocks[0].feed_in.weight.mul_(3)
            model.head_in.bias.add_(1)
        eager = Reader(model)
        for each in (reader, eager):
            each.read(rows(1, 4))
        same_logits(logits(reader, row), logits(eager, row))

    def test_huge_weights_raise_no_warning(self):
        model = tiny_model(2, CONFIG, scale=300.0)
        reader = FastReader(model)
        reader.read(rows(1, 4))
        assert all(np.isfinite(found).all() for found in logits(reader, rows(2, 1)[0]).values())


class TestColumns:
    def test_a_column_changed_after_it_was_used_counts_with_its_new_value(self):
        fast, eager, first, second = FastReader(MODEL), Reader(MODEL), rows(3, 1)[0], rows(4, 1)[0]
        for reader in (fast, eager):
            reader.read(rows(1, 6))
        found = fast.next_row()
        found.row[:] = first
        for field in PREDICTED:
            found.of(field)
        found.row[:] = second
        expected = logits(eager, second)
        same_logits({field: found.of(field) for field in PREDICTED}, expected)

    def test_a_column_can_be_asked_alone(self):
        fast, eager, row = FastReader(MODEL), Reader(MODEL), rows(3, 1)[0]
        for reader in (fast, eager):
            reader.read(rows(1, 6))
        found = fast.next_row()
        found.row[:] = row
        expected = logits(eager, row)
        np.testing.assert_allclose(found.of(Field.VELOCITY), expected[Field.VELOCITY], **CLOSE)
        np.testing.assert_allclose(found.of(Field.DELTA), expected[Field.DELTA], **CLOSE)

    def test_what_was_given_out_stays_as_it_was(self):
        reader = FastReader(MODEL)
        reader.read(rows(1, 6))
        row = reader.next_row()
        given = row.of(Field.DELTA)
        kept = given.copy()
        reader.append(rows(2, 1))
        reader.next_row().of(Field.DELTA)
        assert np.array_equal(given, kept)
        assert np.array_equal(row.of(Field.DELTA), kept)


class TestChoice:
    def test_a_cpu_is_read_fast_unless_asked_otherwise(self):
        assert isinstance(open_reader(MODEL), FastReader)
        assert isinstance(open_reader(MODEL, "fast"), FastReader)
        assert type(open_reader(MODEL, "eager")) is Reader

    def test_half_precision_only_where_it_is_quick(self, monkeypatch):
        asked = []
        step = lambda model, *, is_half: asked.append(is_half) or NetworkStep(model)  # noqa: E731
        monkeypatch.setattr("models.sequence.fast.NetworkStep", step)
        for runtime, is_native in (("half", True), ("half", False), ("auto", True), ("fast", True)):
            monkeypatch.setattr("models.sequence.products.multiplies_bfloat16", lambda found=is_native: found)
            assert isinstance(open_reader(MODEL, runtime), FastReader)
        assert asked == [True, False, False, False]

    def test_other_weights_are_read_by_pytorch(self):
        model = tiny_model(0, CONFIG).to(torch.bfloat16)
        assert type(open_reader(model)) is Reader
        with pytest.raises(ValueError, match="32-bit weights on a CPU"):
            open_reader(model, "fast")

    @pytest.mark.parametrize("runtime", ["eager", "fast"])
    def test_the_deaf_reader_runs_as_the_hearing_one(self, runtime):
        reader = open_reader(MODEL, runtime)
        assert type(Unheard(MODEL, reader)._reader) is type(reader)


def drawn_rows(reader: Reader, begin: Rows, count: int, seed: int) -> Rows:
    """Rows drawn one after the other from everything a column can be."""
    rng = np.random.default_rng(seed)
    reader.read(begin)
    for _ in range(count):
        found = reader.next_row()
        for field in PREDICTED:
            everything = np.ones(FIELD_SIZES[field], dtype=bool)
            found.row[field] = draw(found.of(field), everything, 1.0, 0.95, rng)
        reader.append(found.row[None])
    return reader.rows[len(begin) :]


class TestAgreement:
    """Logits within 1e-3, and the same draws from equal seeds."""

    def test_shipped_weights(self, partner):
        fast, eager = FastReader(partner), Reader(partner)
        piece = rows(1, 260)
        for reader in (fast, eager):
            reader.read(piece[:240])
        for row in piece[240:]:
            found, expected = logits(fast, row), logits(eager, row)
            assert max(np.abs(found[field] - expected[field]).max() for field in PREDICTED) <= 1e-3
            for reader in (fast, eager):
                reader.append(row[None])

    def test_shipped_weights_draw_the_same_rows(self, partner):
        begin = request().context
        found, expected = (drawn_rows(kind(partner), begin, 150, 7) for kind in (FastReader, Reader))
        assert np.array_equal(found, expected)

    def test_random_weights_draw_the_same_rows(self):
        model = tiny_model(5, WIDE, 4.0)
        for seed in range(2):
            begin = rows(seed, 5)
            found, expected = (drawn_rows(kind(model), begin, 200, seed) for kind in (FastReader, Reader))
            assert np.array_equal(found, expected)

    @pytest.mark.skipif(not has_half(), reason="this CPU does not multiply bfloat16")
    def test_in_half_precision_the_shipped_weights_expect_the_same(self, partner):
        """Hundredths of a nat, of logits whose spread is several."""
        half, eager = open_reader(partner, "half"), Reader(partner)
        piece = request().context[:40]
        for row in piece:
            for reader in (half, eager):
                reader.append(row[None])
            found, expected = logits(half, row), logits(eager, row)
            for field in PREDICTED:
                assert np.abs(found[field] - expected[field]).max() <= 0.15
        assert any(not np.array_equal(found[field], expected[field]) for field in PREDICTED)

    @pytest.mark.skipif(not has_half(), reason="this CPU does not multiply bfloat16")
    def test_in_half_precision_rows_beside_it_change_nothing(self, partner):
        piece, row = rows(4, 12), rows(2, 1)[0]
        alone, together = open_reader(partner, "half"), open_reader(partner, "half")
        for one in piece:
            alone.append(one[None])
            alone.next_row()
        for begin in range(0, 12, 4):
            together.append(piece[begin : begin + 4])
            together.next_row()
        found, expected = logits(together, row), logits(alone, row)
        assert all(np.array_equal(found[field], expected[field]) for field in PREDICTED)

    @pytest.mark.parametrize("follow", [0.0, 2.0])
    def test_plans_are_the_same_on_both(self, follow):
        fast, eager = (Player(tiny_model(3, WIDE, 4.0), runtime=kind) for kind in ("fast", "eager"))
        asked = request(until_tick=4 * BAR, follow=follow)
        assert (asked.context[:, Field.ROLE] == Role.HUMAN).any()
        for number in range(6):
            numbered = replace(asked, number=number)
            plan, expected = fast.plan(numbered), eager.plan(numbered)
            assert plan.notes
            assert (plan.notes, plan.imagined, plan.rows) == (
                expected.notes,
                expected.imagined,
                expected.rows,
            )
