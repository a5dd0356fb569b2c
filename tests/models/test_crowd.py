"""A partner that grows too dense is held back, and only then."""

from __future__ import annotations

import numpy as np

from midi.events import DRUMS, FIELD_SIZES, GRID_PER_BEAT, Field, Role
from models.sequence.crowd import CROWDED_PER_BEAT, SPAN_TICKS, Crowd
from models.sequence.plan import Steering

BEAT = GRID_PER_BEAT


def context(onsets: list[int], instrument: int = 0) -> np.ndarray:
    """START at tick 0, then a partner's note at each onset."""
    rows = np.zeros((len(onsets) + 1, len(Field)), dtype=np.int16)
    rows[0, Field.ROLE] = Role.START
    rows[1:, Field.ROLE] = Role.PARTNER
    rows[1:, Field.INSTRUMENT] = instrument
    rows[:, Field.DELTA] = np.diff([0, *onsets], prepend=0)
    return rows


def crowd(n_per_beat: int, **steering: object) -> tuple[Crowd, int]:
    """Four beats with so many notes each, and the tick of the last."""
    onsets = [beat * BEAT for beat in range(4) for _ in range(n_per_beat)]
    return Crowd(context(onsets), onsets[-1], Steering(**steering)), onsets[-1]


def test_usual_playing_is_left_alone() -> None:
    found, tick = crowd(int(CROWDED_PER_BEAT))
    assert not found.bias(tick).any()


def test_a_crowded_bar_makes_another_note_at_once_unlikely_and_a_pause_likely() -> None:
    found, tick = crowd(int(CROWDED_PER_BEAT) + 3)
    bias = found.bias(tick)
    assert len(bias) == FIELD_SIZES[Field.DELTA]
    assert bias[0] < -2
    assert (np.diff(bias) > 0).all()


def test_what_was_asked_for_is_no_crowd() -> None:
    n = int(CROWDED_PER_BEAT) + 3
    asked, tick = crowd(n, density=2.0)
    np.testing.assert_allclose(asked.bias(tick), -2.0 / BEAT * np.arange(FIELD_SIZES[Field.DELTA]), rtol=1e-5)


def test_every_part_has_a_limit_of_its_own() -> None:
    n = int(CROWDED_PER_BEAT) + 3
    piano, tick = crowd(n, instruments=(0, DRUMS))
    alone, _ = crowd(n)
    np.testing.assert_array_equal(piano.bias(tick), alone.bias(tick))
    onsets = [beat * BEAT for beat in range(4) for _ in range(n)]
    drums = Crowd(context(onsets, DRUMS), onsets[-1], Steering(instruments=(0, DRUMS)))
    assert not drums.bias(onsets[-1]).any()
    for _ in range(int(CROWDED_PER_BEAT) * 4):
        drums.add(onsets[-1], 0)
    assert not drums.bias(onsets[-1]).any(), "a usual piano beside usual drums"
    for _ in range(8):
        drums.add(onsets[-1], DRUMS)
    assert drums.bias(onsets[-1])[0] < 0


def test_what_a_part_played_before_it_was_switched_off_crowds_nobody() -> None:
    onsets = [beat * BEAT for beat in range(4) for _ in range(12)]
    found = Crowd(context(onsets, DRUMS), onsets[-1], Steering(instruments=(0,)))
    assert not found.bias(onsets[-1]).any()


def test_a_rest_empties_the_bar_and_new_notes_fill_it() -> None:
    found, tick = crowd(12)
    later = tick + SPAN_TICKS
    assert not found.bias(later).any()
    for _ in range(30):
        found.add(later, 0)
    assert found.bias(later)[0] < 0
