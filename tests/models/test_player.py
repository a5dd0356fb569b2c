"""The player's plans: what is never played, how long they take to read, and what steers them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.events import DRUM_HIGH, DRUM_LOW, DRUMS, FIELD_SIZES, BarGrid, Field, Role, decode, start_row
from models.sequence.draft import MAX_CHORD
from models.sequence.plan import PlanRequest
from models.sequence.player import Player
from tests.models.pieces import TINY, tiny_model, zero_heads
from tests.models.planrequests import BAR, CONFIG, FIVE_METRES, player, request

steerings = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.2, 2),
        "top_p": st.floats(0.2, 1),
        "density": st.floats(-2, 2),
        "follow": st.sampled_from([0.0, 1.0, 3.0]),
        "low_pitch": st.integers(0, 127),
        "high_pitch": st.integers(0, 127),
        "instruments": st.lists(st.integers(0, DRUMS), min_size=1, max_size=4).map(tuple),
        "hears_human": st.booleans(),
    }
)
PLAYERS = [player(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def handmade() -> Player:
    """Steps are geometric, pitches lean towards 60, whatever was read."""
    model = tiny_model(0, CONFIG)
    zero_heads(model)
    with torch.no_grad():
        model.head_out[Field.DELTA].bias.copy_(-0.1 * torch.arange(FIELD_SIZES[Field.DELTA]))
        model.head_out[Field.ROLE].bias[Role.PARTNER] = 4.0
        pitch = torch.arange(FIELD_SIZES[Field.PITCH])
        model.head_out[Field.PITCH].bias.copy_(-0.2 * (pitch - 60).abs())
    return Player(model)


class TestMasks:
    @given(
        steerings,
        st.integers(0, 2),
        st.integers(0, 2**31),
        st.integers(0, 400),
        st.integers(1, 120),
        st.integers(0, 30),
        st.sampled_from([BarGrid(), BarGrid(((0, 72),)), FIVE_METRES]),
    )
    @settings(max_examples=40)
    def test_never_violated(self, steering, which, seed, from_tick, length, lag, grid):
        """Whatever the network thinks and however it is steered (thousands of rows in all)."""
        human = tuple((tick, 60 + tick % 12) for tick in range(0, max(from_tick - lag, 1), 24))
        asked = request(
            from_tick, from_tick + length, grid=grid, human=human, seed=seed,
            human_from_tick=max(from_tick - lag, 0), **steering,
        )  # fmt: skip
        plan = PLAYERS[which].plan(asked)
        low, high = sorted((steering["low_pitch"], steering["high_pitch"]))
        chords: dict[tuple[int, int], int] = {}
        for note in plan.notes:
            assert asked.from_tick <= note.onset_ticks < asked.until_tick
            assert note.instrument in steering["instruments"]
            bounds = (DRUM_LOW, DRUM_HIGH) if note.instrument == DRUMS else (low, high)
            assert bounds[0] <= note.pitch <= bounds[1]
            assert 1 <= note.velocity <= 127
            assert note.duration_ticks >= 1
            part = (note.onset_ticks, note.instrument)
            chords[part] = chords.get(part, 0) + 1
        assert max(chords.values(), default=0) <= MAX_CHORD
        keys = [(note.onset_ticks, note.instrument, note.pitch) for note in plan.notes]
        assert keys == sorted(set(keys)), "canonical order without doubles"
        assert all(note.onset_ticks >= asked.human_from_tick for note in plan.imagined)
        assert all(0 <= note.pitch <= 127 for note in plan.imagined)
        assert steering["hears_human"] or not plan.imagined
        self.check_rows(asked, PLAYERS[which])

    @staticmethod
    def check_rows(asked: PlanRequest, player: Player) -> None:
        rows = player._reader.rows
        assert all(rows[:, f].min() >= 0 and rows[:, f].max() < FIELD_SIZES[f] for f in Field)
        every = decode(rows, asked.grid, asked.context_tick)
        events = every[len(asked.context) :]
        assert (np.diff(events["ticks"]) >= 0).all()
        order = np.stack([events[name] for name in ("ticks", "role", "instrument", "pitch")], axis=1)
        assert np.array_equal(np.lexsort(order.T[::-1]), np.arange(len(order))), "canonical order of rows"
        lines = [tick for tick, _ in asked.grid.lines(0, int(every["ticks"][-1]) + 1)]
        assert every["ticks"][every["role"] == Role.BAR].tolist() == lines
        starts = asked.grid.start_and_length(every["ticks"])[0]
        assert (every["ticks"] - starts == np.minimum(rows[:, Field.CLOCK], 192)).all()

    def test_crossed_bounds_count_as_swapped(self):
        plan = player().plan(request(low_pitch=70, high_pitch=60, density=2.0))
        assert plan.notes
        assert all(60 <= note.pitch <= 70 for note in plan.notes)

    def test_one_pitch_is_enough(self):
        plan = player().plan(request(low_pitch=64, high_pitch=64, density=2.0))
        onsets = [note.onset_ticks for note in plan.notes]
        assert {note.pitch for note in plan.notes} == {64}
        assert len(onsets) == len(set(onsets)), "no second note fits into a chord"

    def test_no_part_plays_no_note(self):
        plan = player().plan(request(instruments=()))
        assert (plan.notes, plan.imagined) == ((), ())

    def test_a_held_back_network_still_fits_an_unfamiliar_last_part(self):
        """The context ends with a partner note of a part that may not play any more."""
        asked = request()
        late = asked.context[-1:].copy()
        late[0, [Field.DELTA, Field.ROLE, Field.INSTRUMENT, Field.PITCH]] = (0, Role.PARTNER, 5, 90)
        asked = replace(asked, context=np.concatenate([asked.context, late]))
        for number in range(20):
            plan = PLAYERS[0].plan(replace(asked, number=number))
            assert {note.instrument for note in plan.notes} <= {0}

    def test_imagined_notes_are_of_the_instrument_last_heard(self):
        asked = request(human=((0, 60),))
        context = asked.context.copy()
        context[context[:, Field.ROLE] == Role.HUMAN, Field.INSTRUMENT] = 9
        model = player()
        plans = [model.plan(replace(asked, context=context, number=n)) for n in range(8)]
        assert {note.instrument for plan in plans for note in plan.imagined} == {9}


class TestParts:
    """The opening row tells a model its parts, if it was trained to know them."""

    @staticmethod
    def asked(parts: tuple[int, ...], instruments: tuple[int, ...] = (0, 4, DRUMS)) -> PlanRequest:
        asked = request(instruments=instruments, hears_human=False, density=2.0)
        context = asked.context.copy()
        context[:1] = start_row(asked.grid, 0, instruments=parts)
        return replace(asked, context=context)

    def test_a_model_that_knows_none_plays_on_as_it_did(self) -> None:
        plans = [player().plan(self.asked(parts)).notes for parts in ((), (0, 4), (0, 4, DRUMS))]
        assert plans[0]
        assert plans[0] == plans[1] == plans[2]

    def test_a_model_that_knows_them_hears_the_difference(self) -> None:
        band = Player(tiny_model(0, replace(CONFIG, tells_parts=True), 4.0))
        plans = [band.plan(self.asked(parts)).notes for parts in ((), (0, 4), (0, 4, DRUMS))]
        assert len(set(plans)) == 3
        assert plans[0] == player().plan(self.asked(())).notes

    def test_a_switch_costs_one_reading_and_absent_parts_nothing(self) -> None:
        band = Player(tiny_model(0, replace(CONFIG, tells_parts=True), 4.0))
        first = band.plan(self.asked((0,), (0,)))
        assert band.plan(self.asked((0,), (0,))).rows <= first.rows
        switched = band.plan(self.asked((0, 4), (0, 4)))
        assert switched.rows >= len(self.asked((0, 4)).context)
        assert {note.instrument for note in first.notes} == {0}


class TestDeterminism:
    def test_same_request_and_history_same_plan(self):
        asked = request()
        first = player().plan(asked)
        other = player()
        assert other.plan(asked).notes == first.notes
        assert other.plan(asked).notes == first.notes, "the second time from what was read before"

    def test_seed_and_number_matter(self):
        model = player()
        assert len({model.plan(request(seed=seed)).notes for seed in range(6)}) > 3
        assert len({model.plan(request(number=number)).notes for number in range(6)}) > 3

    def test_reports_what_it_did(self):
        model = player()
        asked = request()
        plan = model.plan(asked)
        assert (plan.number, plan.from_tick, plan.until_tick, plan.source) == (1, BAR, 2 * BAR, "model")
        assert plan.rows == len(model._reader.rows)
        assert plan.compute_s > 0


class TestSpan:
    def test_an_empty_span_gives_nothing(self):
        plan = player().plan(request(BAR, BAR))
        assert (plan.notes, plan.imagined) == ((), ())

    def test_bars_up_to_the_frontier_are_filled_by_the_clock(self):
        """The context ends long before the frontier; its metre changes on the way."""
        asked = request(10, 700, grid=FIVE_METRES)
        asked = replace(asked, from_tick=600, human_from_tick=600)
        model = player()
        model.plan(asked)
        events = decode(model._reader.rows, asked.grid, 0)
        bars = events[events["role"] == Role.BAR]
        lines = [line for line in FIVE_METRES.lines(0, 700) if line[0] <= events["ticks"][-1]]
        assert bars["ticks"].tolist() == [tick for tick, _ in lines]
        assert bars["duration_ticks"].tolist() == [length for _, length in lines]
        assert len(lines) >= 7

    def test_a_frontier_beyond_all_room_gives_nothing(self):
        asked = replace(request(), from_tick=1000 * BAR, until_tick=1001 * BAR, human_from_tick=1000 * BAR)
        assert player().plan(asked).notes == ()

    @pytest.mark.parametrize("bars", [30, 45, 120])
    def test_long_contexts_open_at_a_later_bar_line(self, bars):
        human = tuple((tick, 60) for tick in range(0, bars * BAR, 12))
        asked = request(bars * BAR, bars * BAR + BAR, human=human, density=1.5)
        assert len(asked.context) > CONFIG.trunk.context
        model = player()
        plan = model.plan(asked)
        assert plan.notes
        assert all(asked.from_tick <= note.onset_ticks < asked.until_tick for note in plan.notes)
        rows = model._reader.rows
        assert rows[:2, Field.ROLE].tolist() == [Role.START, Role.BAR]
        assert rows[1, Field.DELTA] == rows[0, Field.CLOCK] == 0
        n_kept = len(rows) - plan.rows + plan.rows
        assert CONFIG.trunk.context // 2 <= n_kept <= CONFIG.trunk.context

    def test_the_front_moves_in_hops(self):
        """Most requests share their beginning with what was read before."""
        model = player()
        fed = []
        for beat in range(160, 176):
            human = tuple((tick, 60) for tick in range(0, beat * 24, 6))
            fed.append(model.plan(request(beat * 24, beat * 24 + 1, human=human, number=beat)).rows)
        assert sum(rows < 40 for rows in fed[1:]) >= 10

    def test_tiny_contexts_work(self):
        model = Player(tiny_model(0, TINY, 4.0))
        human = tuple((tick, 60) for tick in range(0, 20 * BAR, 12))
        assert model.plan(request(20 * BAR, 21 * BAR, human=human, density=2.0)).notes

    def test_warm_up_leaves_the_player_usable(self):
        warm, cold = player(), player()
        warm.warm_up()
        assert warm.plan(request()).notes == cold.plan(request()).notes


class TestSteering:
    def test_denser_means_more_notes(self, handmade):
        counts = [
            sum(len(handmade.plan(request(number=n, density=density)).notes) for n in range(8))
            for density in (-2.0, 0.0, 2.0)
        ]
        assert counts[0] * 1.2 < counts[1] < counts[2] / 1.2

    def test_hotter_means_wilder(self, handmade):
        spread = [
            np.std([
                note.pitch
                for n in range(8)
                for note in handmade.plan(request(number=n, temperature=temperature, top_p=1.0)).notes
            ])
            for temperature in (0.3, 1.0, 2.0)
        ]  # fmt: skip
        assert spread[0] * 1.3 < spread[1] < spread[2] / 1.2

    def test_a_smaller_nucleus_is_tamer(self, handmade):
        pitches = [
            {note.pitch for n in range(8) for note in handmade.plan(request(number=n, top_p=top_p)).notes}
            for top_p in (0.2, 1.0)
        ]
        assert len(pitches[0]) < len(pitches[1])
