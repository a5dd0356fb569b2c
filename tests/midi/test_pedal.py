"""The sustain pedal as lengths of notes."""

from __future__ import annotations

import midi
from midi import Control, Note, NoteArray, Part, Score
from tests.midi.smfbytes import score_of


def pedalled(*notes: Note, pedal: list[tuple[int, int]]) -> list[int]:
    controls = tuple(Control(tick, 64, value) for tick, value in pedal)
    score = midi.apply_pedal(score_of(*notes, controls=controls))
    assert score.parts[0].controls == controls
    return score.parts[0].notes.duration_ticks.tolist()


def test_pedal_holds_until_it_comes_up() -> None:
    notes = (Note(0, 10, 60), Note(30, 5, 62), Note(60, 5, 64), Note(90, 30, 65))
    assert pedalled(*notes, pedal=[(5, 127), (6, 100), (50, 0), (51, 10)]) == [50, 20, 5, 30]


def test_pedal_yields_to_a_new_strike() -> None:
    assert pedalled(Note(0, 10, 60), Note(40, 10, 60), pedal=[(0, 64), (100, 63)]) == [40, 60]


def test_pedal_never_lifted_holds_to_the_end() -> None:
    assert pedalled(Note(0, 10, 60), Note(40, 10, 62), pedal=[(0, 127)]) == [50, 10]


def test_pedal_of_one_channel_leaves_others_and_drums_alone() -> None:
    pedal = (Control(0, 64, 127, 1), Control(0, 64, 127, 9), Control(99, 64, 0, 1))
    parts = (
        Part("a", NoteArray.from_notes([Note(0, 10, 60, channel=0)])),
        Part("b", NoteArray.from_notes([Note(0, 10, 60, channel=1)]), controls=pedal),
        Part("d", NoteArray.from_notes([Note(0, 10, 36, channel=9)]), is_drum=True),
    )
    lengths = [p.notes.duration_ticks.tolist() for p in midi.apply_pedal(Score(parts)).parts]
    assert lengths == [[10], [99], [10]]
    assert midi.apply_pedal(Score(())).parts == ()
