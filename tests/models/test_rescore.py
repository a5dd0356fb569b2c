"""Choosing among beginnings: the best is kept, the first is today's plan, and time decides how many."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from midi.events import (
    DRUMS,
    DURATION_TICKS,
    FIELD_SIZES,
    GRID_PER_BEAT,
    OPEN_DURATION,
    BarGrid,
    Field,
    Role,
    Rows,
)
from models.sequence import rescore
from models.sequence.crowd import Crowd
from models.sequence.decode import Dice, draw
from models.sequence.draft import Draft
from models.sequence.fast import Runtime
from models.sequence.habits import Strays
from models.sequence.memorization import PassageFilter
from models.sequence.network import EventModelConfig, TrunkConfig
from models.sequence.plan import Plan, PlanRequest
from models.sequence.player import Player
from models.sequence.rescore import BURST_S, CPU_SHARE, HEAD_TICKS, Allowance, Imagined, Judge
from tests.models.pieces import tiny_model
from tests.models.planrequests import request

BAR = 4 * GRID_PER_BEAT
CONFIG = EventModelConfig(TrunkConfig(16, 1, 2, 256, 0.0), head_width=16)
NOW = BAR - HEAD_TICKS


def player(runtime: Runtime = "auto") -> Player:
    """Plays about eight notes a beat, and imagines half as many of the player."""
    model = tiny_model(3, CONFIG, 4.0)
    with torch.no_grad():
        model.head_out[Field.DELTA].bias.copy_(-0.3 * torch.arange(FIELD_SIZES[Field.DELTA]))
        model.head_out[Field.ROLE].bias[Role.PARTNER] += 4.0
        model.head_out[Field.ROLE].bias[Role.HUMAN] += 3.0
    return Player(model, runtime=runtime)


def asked(number: int = 1, alternatives: int = 4, **steering: object) -> PlanRequest:
    """A request while the player holds a key."""
    human = ((0, 60), (24, 64), (48, 67), (90, 72))
    made = request(until_tick=BAR + 48, human=human, human_from_tick=NOW, number=number, **steering)
    return replace(made, alternatives=alternatives)


def always(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Choose this beginning, and no other."""
    monkeypatch.setattr(Judge, "best", lambda _: number)


class TestPlayer:
    def test_the_first_beginning_becomes_the_plan_of_old(self, monkeypatch):
        always(monkeypatch, 0)
        for number in range(1, 6):
            plain = player().plan(asked(number, 1))
            chosen = player().plan(asked(number, 4))
            assert (chosen.notes, chosen.imagined) == (plain.notes, plain.imagined)
            assert plain.notes

    def test_the_best_beginning_is_kept(self, monkeypatch):
        heads: list[Draft] = []
        bests: list[int] = []
        hear, best = Judge.hear, Judge.best

        def spy_hear(judge: Judge, draft: Draft) -> None:
            hear(judge, draft)
            heads.append(replace(draft, rows=list(draft.rows), notes=list(draft.notes)))

        def spy_best(judge: Judge) -> int:
            bests.append(best(judge))
            assert bests[-1] == int(np.argmax(judge.scores()))
            return bests[-1]

        monkeypatch.setattr(Judge, "hear", spy_hear)
        monkeypatch.setattr(Judge, "best", spy_best)
        model = player()
        for number in range(1, 9):
            heads.clear()
            plan = model.plan(asked(number))
            begun = [note for note in plan.notes if note.onset_ticks < BAR + HEAD_TICKS]
            assert begun == heads[bests[-1]].notes
            assert begun
        assert len(set(bests)) > 1, "not always the same one"

    @pytest.mark.parametrize("runtime", ["eager", "fast"])
    @pytest.mark.parametrize("chosen", [0, 1, 3])
    def test_readers_stand_as_if_only_the_chosen_one_had_been_drawn(self, monkeypatch, runtime, chosen):
        always(monkeypatch, chosen)
        for number in range(1, 4):
            model, fresh = player(runtime), player(runtime)
            wanted = asked(number)
            plan = model.plan(wanted)
            rows = model._reader.rows
            assert (rows[: len(wanted.context)] == wanted.context).all()
            assert (rows[:, Field.ROLE] == Role.PARTNER).sum() == len(plan.notes)
            tick = int(rows[:, Field.DELTA].astype(int).sum())
            fresh._reader.read(rows)
            fresh._unheard.read(rows, tick)
            assert model._unheard._tick == fresh._unheard._tick
            for one, other in (
                (model._reader, fresh._reader),
                (model._unheard._reader, fresh._unheard._reader),
            ):
                assert np.array_equal(one.rows, other.rows)
                step = Field.DELTA
                np.testing.assert_allclose(one.next_row().of(step), other.next_row().of(step), atol=1e-4)

    def test_a_step_back_costs_no_second_reading_of_the_context(self):
        wanted = asked()
        plan = player().plan(wanted)
        alone = player().plan(replace(wanted, alternatives=1))
        assert plan.rows - alone.rows < len(wanted.context) + 4 * 30

    @pytest.mark.parametrize("spare_s", [0.0, -1.0])
    def test_without_time_the_plan_is_the_plain_one(self, spare_s):
        for number in range(1, 6):
            plain = player().plan(asked(number, 1))
            hasty = player().plan(replace(asked(number), spare_s=spare_s))
            assert (hasty.notes, hasty.rows) == (plain.notes, plain.rows)

    def test_somebody_who_waits_ends_the_choice(self, monkeypatch):
        heard: list[Draft] = []
        hear = Judge.hear
        monkeypatch.setattr(Judge, "hear", lambda judge, draft: (heard.append(draft), hear(judge, draft)))
        model = player()
        model.plan(replace(asked(), spare_s=1e6))
        assert len(heard) == 4
        heard.clear()
        model = player()  # with an allowance of its own: on a busy machine one plan may use up its share
        model.is_awaited = lambda: len(heard) >= 2
        model.plan(replace(asked(4), spare_s=1e6))
        assert len(heard) == 2
        heard.clear()
        model.plan(replace(asked(5), spare_s=math.inf))
        assert len(heard) == 4, "without a clock the number is fixed"

    def test_seeds_reproduce(self):
        def several(model: Player) -> list[Plan]:
            return [model.plan(asked(number)) for number in range(1, 6)]

        first, second = several(player()), several(player())
        assert [plan.notes for plan in first] == [plan.notes for plan in second]
        assert len({plan.notes for plan in first}) > 2

    def test_where_nobody_is_expected_the_first_one_stands(self):
        model = player()
        wanted = request(until_tick=BAR + 48, human=(), hears_human=False)
        plain = player().plan(wanted)
        plan = model.plan(replace(wanted, alternatives=4))
        assert (plan.notes, plan.rows) == (plain.notes, plain.rows), "and no second one is drawn"
        assert plan.beginnings == 1

    def test_drums_have_nothing_to_fit_with(self):
        assert player().plan(asked(instruments=(DRUMS,))).beginnings == 1
        assert player().plan(asked(instruments=(0, DRUMS))).beginnings == 4

    def test_an_empty_span_gives_nothing(self):
        plan = player().plan(replace(asked(), until_tick=BAR))
        assert (plan.notes, plan.beginnings) == ((), 1)


def rows_of(*notes: tuple[int, Role, int], bar: int = BAR) -> list[Rows]:
    """Rows behind a bar line at ``bar``; notes ``(step, role, pitch)`` last half a beat."""
    half = int(np.flatnonzero(DURATION_TICKS == HEAD_TICKS)[0])
    made, at = [], 0
    for step, role, pitch in notes:
        at += step
        duration = OPEN_DURATION if role == Role.HUMAN else half
        made.append(np.array([step, role, 0, pitch, duration, 10, at % bar, at % bar], dtype=np.int16))
    return made


def draft(*notes: tuple[int, Role, int], nats: float = 0.0) -> Draft:
    wanted = asked()
    dice = Dice(1.0, 1.0, np.random.default_rng(0))
    dice.nats = nats
    crowd, strays = Crowd(wanted.context, BAR, wanted.steering), Strays({}, wanted.context, wanted.steering)
    return Draft(BAR, wanted.context[-1], 2 * BAR, 0, crowd, strays, dice, rows=rows_of(*notes))


def judge(*drafts: Draft, recent: Imagined | None = None, passages: PassageFilter | None = None) -> Judge:
    """Has heard some beginnings behind four bars' notes of the player, the last long over."""
    wanted = replace(asked(2), context=asked().context[:2], grid=BarGrid())
    context = np.concatenate([wanted.context[:2], rows_of((BAR, Role.BAR, 140))])
    found = Judge(wanted, context, BAR, passages, recent)
    for each in drafts:
        found.hear(each)
    return found


class TestJudge:
    def test_what_is_consonant_with_the_melody_is_better(self):
        clash = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 61))
        third = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 64))
        silent = draft((0, Role.HUMAN, 72))
        assert judge(clash, third, silent).best() == 1
        assert judge(silent, clash).best() == 0

    def test_doubling_the_melody_is_no_support(self):
        doubled = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 72))
        above = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 76))
        below = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 60))
        scores = judge(doubled, above, below).scores()
        assert scores[0] == scores[1]
        assert scores[2] == pytest.approx(scores[0] + rescore.CONSONANCE + rescore.CHORD)

    def test_melodies_of_the_others_count_as_much_as_the_own(self):
        """The first fits what it imagined itself, but the others imagine something else."""
        own = draft((0, Role.HUMAN, 61), (0, Role.PARTNER, 49))
        others = [draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 66)) for _ in range(3)]
        fits = draft((0, Role.HUMAN, 61), (0, Role.PARTNER, 48))
        assert judge(own, *others, fits).best() == 4

    def test_what_was_imagined_before_counts_if_it_was_for_the_last_request(self):
        low = draft((0, Role.HUMAN, 61), (0, Role.PARTNER, 49))
        high = draft((0, Role.HUMAN, 61), (0, Role.PARTNER, 48))
        before = judge(*(draft((0, Role.HUMAN, 72)) for _ in range(3))).imagined()
        assert judge(low, high).best() == 0
        assert judge(low, high, recent=replace(before, number=1)).best() == 1
        assert judge(low, high, recent=replace(before, number=0)).best() == 0

    def test_among_equals_the_likelier_wins(self):
        one = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 64), nats=-20.0)
        other = draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 64), nats=-10.0)
        assert judge(one, other).best() == 1
        assert judge(other, one).best() == 0

    def test_a_beginning_unlike_the_others_in_density_costs(self):
        few = [draft((0, Role.HUMAN, 72), (0, Role.PARTNER, 48)) for _ in range(3)]
        many = draft((0, Role.HUMAN, 72), *((0, Role.PARTNER, 48 + 12 * i) for i in range(4)))
        scores = judge(*few, many).scores()
        # On average 1.75 notes.
        assert scores[0] - scores[3] == pytest.approx(rescore.DENSITY * (2.25 - 0.75))

    def test_nothing_expected_leaves_nothing_to_choose_by(self):
        rests = judge(draft((0, Role.PARTNER, 64), nats=-9.0), draft((0, Role.PARTNER, 60)))
        assert rests.is_settled
        assert rests.best() == 0

    def test_a_passage_of_the_training_music_costs(self):
        scale = [(1, Role.PARTNER, 48 + i) for i in range(10)]
        human = (0, Role.HUMAN, 120)
        known = draft(human, *scale)
        other = draft(human, *((1, Role.PARTNER, p + 2 * (i % 2)) for i, (_, _, p) in enumerate(scale)))
        events = rescore.decode(np.stack(known.rows), BarGrid(), BAR)
        passages = PassageFilter.of([rescore.notes_of_events(events, Role.PARTNER)])
        free = judge(known, other).scores()
        held = judge(known, other, passages=passages).scores()
        assert held[0] == pytest.approx(free[0] - rescore.COPIED)
        assert held[1] == pytest.approx(free[1])


class TestAllowance:
    def test_it_drains_at_the_share_allowed(self):
        purse = Allowance()
        assert purse.has(0.0)
        purse.spend(2 * BURST_S, 10.0)
        assert not purse.has(10.0)
        assert not purse.has(10.0 + 0.9 * BURST_S / CPU_SHARE)
        assert purse.has(10.0 + 1.1 * BURST_S / CPU_SHARE)

    def test_plans_that_take_less_than_the_share_never_use_it_up(self):
        purse = Allowance()
        for step in range(200):
            purse.spend(0.05, step * 0.1)
        assert purse.has(20.0)
        for step in range(200):
            purse.spend(0.08, 20.0 + step * 0.1)
        assert not purse.has(40.0)


class TestDice:
    def test_draws_are_those_of_draw_and_are_counted_by_the_plain_logits(self):
        logits, plain = np.float32([0, 1, 2, 3]), np.log(np.float32([0.4, 0.3, 0.2, 0.1]))
        allowed = np.array([True, False, True, True])
        dice = Dice(0.8, 0.9, np.random.default_rng(5), is_counting=True)
        other = np.random.default_rng(5)
        nats = 0.0
        for _ in range(20):
            index = dice.draw(logits, allowed, plain)
            assert index == draw(logits, allowed, 0.8, 0.9, other)
            nats += math.log(float(np.exp(plain[index])) / 0.7)
        assert dice.nats == pytest.approx(nats, rel=1e-5)
