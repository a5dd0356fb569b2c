"""Guidance: what hearing the player makes likelier is made likelier still, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midi.events import DRUMS, GRID_PER_BEAT, Field, Role
from models.sequence.decode import Reader
from models.sequence.guidance import MAX_CONTRAST, Unheard, guided
from models.sequence.network import EventModelConfig, TrunkConfig
from models.sequence.player import Player
from tests.models.pieces import tiny_model
from tests.models.planrequests import request

BAR = 4 * GRID_PER_BEAT
CONFIG = EventModelConfig(TrunkConfig(16, 1, 2, 256, 0.0), head_width=16)
logits = arrays(np.float32, 12, elements=st.floats(-20, 20, width=32))


class TestGuided:
    @given(logits, logits)
    def test_no_weight_leaves_the_probabilities(self, heard: np.ndarray, unheard: np.ndarray) -> None:
        found = np.exp(guided(heard, unheard, 0.0))
        expected = np.exp(heard - heard.max())
        np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-3, atol=1e-6)

    def test_the_odds_are_those_of_the_formula(self) -> None:
        heard, unheard = np.log(np.float32([0.6, 0.3, 0.1])), np.log(np.float32([0.3, 0.3, 0.4]))
        found = guided(heard, unheard, 2.0)
        assert found[0] - found[1] == pytest.approx(np.log(0.6 * 2**2 / 0.3), abs=1e-5)
        assert found[2] - found[1] == pytest.approx(np.log(0.1 * 0.25**2 / 0.3), abs=1e-5)

    def test_what_was_all_but_impossible_earns_a_bounded_favor(self) -> None:
        heard, unheard = np.float32([0, 0]), np.float32([-80, 0])
        found = guided(heard, unheard, 1.0)
        assert found[0] - found[1] == pytest.approx(MAX_CONTRAST + np.log(2), abs=1e-4)


class TestUnheard:
    def test_it_has_read_the_own_notes_at_their_own_distances(self) -> None:
        model = tiny_model(0, CONFIG)
        context = request(2 * BAR, 3 * BAR).context
        alone = request(2 * BAR, 3 * BAR, human=()).context
        assert (context[:, Field.ROLE] == Role.HUMAN).any()
        unheard, reader = Unheard(model), Reader(model)
        tick = int(context[:, Field.DELTA].sum())
        unheard.read(context, tick)
        reader.read(alone)
        row = np.zeros(len(Field), dtype=np.int16)
        row[[Field.DELTA, Field.ROLE]] = 12, Role.PARTNER
        expected = reader.next_row()
        expected.row[:] = row
        last = int(alone[:, Field.DELTA].sum())
        found = unheard.logits(row, last + 12, Field.PITCH)
        np.testing.assert_allclose(found, expected.of(Field.PITCH), atol=1e-5)

    def test_rows_of_the_player_are_passed_over(self) -> None:
        unheard = Unheard(tiny_model(0, CONFIG))
        context = request().context
        unheard.read(context, int(context[:, Field.DELTA].sum()))
        before = unheard.rows_fed
        row = context[-1].copy()
        for role, fed in ((Role.HUMAN, 0), (Role.RELEASE, 0), (Role.PARTNER, 1), (Role.BAR, 2)):
            row[Field.ROLE] = role
            unheard.append(row, BAR + 5)
            assert unheard.rows_fed == before + fed


class TestPlans:
    def player(self) -> Player:
        return Player(tiny_model(3, CONFIG, 4.0))

    def test_following_changes_pitches_where_somebody_was_heard(self) -> None:
        asked = request(until_tick=4 * BAR, follow=3.0)
        free = replace(asked, steering=replace(asked.steering, follow=0.0))
        assert self.player().plan(asked).notes != self.player().plan(free).notes

    def test_nobody_heard_means_nothing_to_follow(self) -> None:
        asked = request(until_tick=4 * BAR, human=(), follow=3.0)
        free = replace(asked, steering=replace(asked.steering, follow=0.0))
        assert self.player().plan(asked).notes == self.player().plan(free).notes

    def test_drums_are_left_to_themselves(self) -> None:
        asked = request(until_tick=4 * BAR, follow=3.0, instruments=(DRUMS,))
        free = replace(asked, steering=replace(asked.steering, follow=0.0))
        assert self.player().plan(asked).notes == self.player().plan(free).notes

    def test_a_plan_does_not_depend_on_what_was_planned_before(self) -> None:
        asked = request(until_tick=3 * BAR, follow=2.0)
        busy = self.player()
        busy.plan(request(3 * BAR, 5 * BAR, follow=1.0, number=7))
        assert busy.plan(asked).notes == self.player().plan(asked).notes
