"""The model is told the partner's parts, and a switch while playing is a new opening row and no more."""

from __future__ import annotations

import numpy as np

from midi.bars import BarGrid
from midi.events import DRUMS, Field, Interplay
from midi.instruments import parts_mask
from models.sequence.plan import PlannedNote
from studio.live.context import Context, HeardNote


def test_a_switch_changes_the_opening_row_alone() -> None:
    context = Context(BarGrid())
    context.relate(Interplay.ACCOMPANY, (0,))
    context.hear(0, [HeardNote(0, 0, 60, 80)], [])
    context.settle([PlannedNote(24, 12, 48, 70, 0)])
    before, start = context.rows(96, hears_human=True)
    context.relate(Interplay.ACCOMPANY, (0, 4, DRUMS))
    after, same_start = context.rows(96, hears_human=True)
    assert start == same_start
    assert [rows[0, Field.PITCH] for rows in (before, after)] == [1, parts_mask((0, 4, DRUMS))]
    assert np.array_equal(before[1:], after[1:])
    deaf, _ = context.rows(96, hears_human=False)
    assert np.array_equal(deaf[0], after[0])


def test_parts_stay_told_when_the_context_starts_anew() -> None:
    context = Context(BarGrid())
    context.relate(Interplay.ACCOMPANY, (4, DRUMS))
    context.settle(PlannedNote(12 * step, 6, 38, 70, DRUMS) for step in range(600))
    rows, start = context.rows(7200, hears_human=True)
    assert start > 0
    assert rows[0, Field.PITCH] == parts_mask((4, DRUMS))
    context.regrid(BarGrid(((0, 72),)), 7200)
    assert context.rows(7200, hears_human=True)[0][0, Field.PITCH] == parts_mask((4, DRUMS))
