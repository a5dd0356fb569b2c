"""A player beside a whole score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import midi
from midi.note import Note, NoteArray, Part, Score, TimeSignature
from models.sequence.plan import Steering
from models.sequence.player import Player
from tests.models.pieces import TINY, song, tiny_model
from tests.models.planrequests import player


def melody(seed: int, bars: int = 4, numerator: int = 4) -> Score:
    whole = song(seed, bars, numerator=numerator)
    return replace(whole, parts=whole.parts[:1])


@pytest.fixture
def tune() -> Score:
    return melody(3)


class TestAccompany:
    def test_keeps_what_the_human_plays(self, tune):
        late = NoteArray.from_notes(replace(n, onset_ticks=n.onset_ticks + 7) for n in tune.parts[0].notes)
        off_grid = replace(tune.parts[0], notes=late)
        score = replace(tune, parts=(off_grid,))
        duet = player().accompany(score, seed=1)
        assert duet.parts[0] is off_grid
        assert len(duet.parts) == 2
        assert "partner" in duet.parts[1].name
        assert duet.tempo_map == score.tempo_map

    def test_same_seed_same_duet(self, tune):
        one, same, other = (player().accompany(tune, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(one.parts[1].notes.onset_ticks, same.parts[1].notes.onset_ticks)
        assert np.array_equal(one.parts[1].notes.pitch, same.parts[1].notes.pitch)
        assert [n.pitch for n in one.parts[1].notes] != [n.pitch for n in other.parts[1].notes]

    @pytest.mark.parametrize("cut", [5, 9])
    def test_what_comes_later_changes_nothing_before(self, tune, cut):
        melody = list(tune.parts[0].notes)
        tail = [
            replace(note, pitch=note.pitch - 5, onset_ticks=note.onset_ticks + 60) for note in melody[cut:]
        ]
        changed = replace(
            tune, parts=(replace(tune.parts[0], notes=NoteArray.from_notes(melody[:cut] + tail)),)
        )
        when = melody[cut].onset_ticks

        def before(duet: Score) -> list[Note]:
            return [note for note in duet.parts[1].notes if note.onset_ticks < when]

        first, second = player().accompany(tune), player().accompany(changed)
        assert before(first)
        assert before(first) == before(second)
        assert list(first.parts[1].notes) != list(second.parts[1].notes)

    def test_plays_on_through_long_rests(self):
        notes = NoteArray.from_notes([Note(0, 400, 60), Note(12 * 4 * 480, 400, 62)])
        score = Score((Part("m", notes),), midi.TempoMap(480))
        duet = Player(tiny_model(0, TINY, 4.0)).accompany(score)
        onsets = duet.parts[1].notes.onset_ticks // (4 * 480)
        assert len(set(onsets.tolist())) > 9

    def test_deaf_it_ignores_the_melody(self, tune):
        deaf = Steering(hears_human=False)
        raised = NoteArray.from_notes(replace(n, pitch=n.pitch + 3) for n in tune.parts[0].notes)
        other = replace(tune, parts=(replace(tune.parts[0], notes=raised),))
        plays = [list(player().accompany(score, steering=deaf).parts[1].notes) for score in (tune, other)]
        assert plays[0] == plays[1]
        heard = [list(player().accompany(score).parts[1].notes) for score in (tune, other)]
        assert heard[0] != heard[1]

    def test_only_the_parts_named_are_the_humans(self):
        duet = player().accompany(song(1, 2), human_parts=[0])
        assert [part.name for part in duet.parts[:1]] == ["MELODY"]
        assert all("partner" in part.name for part in duet.parts[1:])

    def test_bars_of_three(self):
        score = melody(2, 3, numerator=3)
        assert score.time_signatures == (TimeSignature(0, 3, 4),)
        duet = player().accompany(score)
        assert duet.parts[1].notes.onset_ticks.max() < 9 * 480
