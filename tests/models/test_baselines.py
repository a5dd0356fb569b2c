import numpy as np
import pytest

from midi.events import (
    FIELD_SIZES,
    PREDICTED,
    BarGrid,
    Field,
    Role,
    bar_events,
    encode,
    note_events,
    release_events,
    sort_events,
    start_row,
)
from midi.note import Note, NoteArray
from models.sequence.baselines import RepeatLastBar, Unigram, baseline_figures

GRID = BarGrid()


def window(human, partner, bars, pad=0):
    """Rows of (onset, duration, pitch) notes on the grid, with START and PAD."""
    pieces = [bar_events(GRID, 0, bars * 96)]
    for role, notes in ((Role.HUMAN, human), (Role.PARTNER, partner)):
        array = NoteArray.from_notes(Note(*row) for row in notes)
        events = note_events(array, 24, role, 0, lag_ticks=12 if role == Role.HUMAN else 0)
        pieces += [events, release_events(events)] if role == Role.HUMAN else [events]
    rows = encode(sort_events(np.concatenate(pieces)), GRID, 0)
    return np.concatenate([start_row(GRID, 0), rows, np.zeros((pad, len(Field)), dtype=np.int16)])


def looped(bars=8, shift=0, pad=0):
    human = [(96 * bar + 24 * beat, 20, 72 + shift + beat) for bar in range(bars) for beat in range(4)]
    partner = [
        (96 * b + 48 * half, 40, 48 + shift + 3 * k) for b in range(bars) for half in (0, 1) for k in range(3)
    ]
    return window(human, partner, bars, pad)


def scattered(seed, bars=8):
    rng = np.random.default_rng(seed)

    def draw(n):
        return [
            (int(rng.integers(0, 96 * bars)), int(rng.integers(1, 60)), int(rng.integers(40, 80)))
            for _ in range(n)
        ]

    return window(draw(6 * bars), draw(12 * bars), bars)


@pytest.fixture(scope="module")
def models():
    windows = [looped(shift=s) for s in (0, 2, 5)] + [scattered(s) for s in range(4)]
    return {"unigram": Unigram(windows), "repeat": RepeatLastBar(windows)}


class TestBaselines:
    @pytest.mark.parametrize("name", ["unigram", "repeat"])
    @pytest.mark.parametrize("column", PREDICTED)
    def test_every_column_of_every_row_sums_to_one(self, models, name, column):
        for full in (looped(4), scattered(9, 4)):
            for last in range(2, len(full), 17):
                total = 0.0
                for value in range(FIELD_SIZES[column]):
                    rows = full[: last + 1].copy()
                    rows[last, column] = value
                    if column == Field.ROLE and value == Role.PAD:
                        continue
                    total += np.exp(-models[name].nll(rows)[last - 1, PREDICTED.index(column)])
                # PAD would vanish from the window; Laplace gives it its one count in the unigram.
                assert total == pytest.approx(1.0, abs=2e-3 if column == Field.ROLE else 1e-9)

    def test_unigram_by_hand(self):
        rows = window([], [(0, 24, 60), (24, 24, 60), (48, 24, 62)], 1)
        nll = Unigram([rows]).nll(rows)
        assert len(nll) == 4
        pitch = nll[1:, PREDICTED.index(Field.PITCH)]
        size = FIELD_SIZES[Field.PITCH]
        assert pitch == pytest.approx(-np.log([3 / (3 + size), 3 / (3 + size), 2 / (3 + size)]))

    def test_repetition_is_cheap_only_for_the_one_who_remembers(self, models):
        rows = looped(shift=1)
        repeat, unigram = (baseline_figures(models[n], [rows])["partner"] for n in ("repeat", "unigram"))
        assert repeat < 0.5 * unigram

    def test_copy_names_the_row_one_bar_earlier(self):
        model = RepeatLastBar([looped()])
        nll = model.nll(looped())
        tick = np.cumsum(looped()[1:, Field.DELTA])
        assert nll[tick >= 110].max() < 0.2
        assert nll[tick < 96].mean() > 0.5

    def test_what_never_repeats_costs_no_more_than_the_unigram_by_much(self):
        train, held_out = [scattered(s) for s in range(6)], [scattered(s) for s in range(20, 24)]
        repeat, unigram = (baseline_figures(m(train), held_out)["partner"] for m in (RepeatLastBar, Unigram))
        assert repeat == pytest.approx(unigram, rel=0.02)

    def test_the_future_never_changes_the_past(self, models):
        rows = scattered(11)
        for last in (5, 20, 60):
            assert models["repeat"].nll(rows[: last + 1]) == pytest.approx(models["repeat"].nll(rows)[:last])

    def test_padding_does_not_count(self, models):
        assert baseline_figures(models["repeat"], [looped(pad=40)]) == baseline_figures(
            models["repeat"], [looped()]
        )

    def test_columns_and_bar_lines_make_up_the_partners_nats(self, models):
        rows = scattered(12)
        figures = baseline_figures(models["unigram"], [rows])
        nll = models["unigram"].nll(rows)
        role = rows[1:, Field.ROLE]
        bars = nll[role == Role.BAR, :2].sum() / (role == Role.PARTNER).sum()
        own = sum(figures[f"partner_{column.name.lower()}"] for column in PREDICTED)
        assert figures["partner"] == pytest.approx(own + bars)
