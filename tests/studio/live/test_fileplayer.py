from __future__ import annotations

import pytest

from midi.clock import TempoMap
from midi.errors import UserError
from midi.note import Control, Note, NoteArray, Part, Score
from studio.live.fileplayer import SOURCE, FilePlayer, player_part
from studio.live.messages import KeyDown, KeyUp, SetPlaying, SetTempo

MELODY = Part("melody", NoteArray.from_notes([Note(0, 480, 60, 90), Note(480, 480, 60, 80)]))
DRUMS = Part("kit", NoteArray.from_notes([Note(0, 10, 38, 99, 9)]), is_drum=True)
SCORE = Score((DRUMS, MELODY), TempoMap(480, ((0, 120.0), (480, 60.0))))


def test_a_file_plays_its_melody_with_its_tempo() -> None:
    part = player_part(SCORE)
    assert (part.name, part.bpm, part.seconds, part.n_notes) == ("melody", 120.0, 1.5, 2)
    assert part.inputs == (
        KeyDown(0.0, 60, 90, SOURCE),
        SetTempo(0.5, 60.0),
        KeyUp(0.5, 60, SOURCE),
        KeyDown(0.5, 60, 80, SOURCE),
        KeyUp(1.5, 60, SOURCE),
    )


def test_a_given_tempo_replaces_the_file_s() -> None:
    part = player_part(SCORE, bpm=240.0)
    assert part.bpm == 240.0
    assert part.seconds == 0.5
    assert not any(isinstance(item, SetTempo) for item in part.inputs)


def test_the_pedal_holds_notes() -> None:
    notes = NoteArray.from_notes([Note(0, 240, 60, 90), Note(960, 240, 62, 90)])
    pedal = (Control(0, 64, 127), Control(720, 64, 0))
    part = player_part(Score((Part("piano", notes, controls=pedal),)))
    assert next(item for item in part.inputs if isinstance(item, KeyUp)) == KeyUp(0.75, 60, SOURCE)


def test_drums_play_when_there_is_nothing_else_and_silence_is_refused() -> None:
    assert player_part(Score((DRUMS,))).name == "kit"
    with pytest.raises(UserError, match="no notes"):
        player_part(Score(()))


def test_inputs_come_when_their_time_has_come() -> None:
    player = FilePlayer(player_part(SCORE), start_s=10.0)
    assert player.end_s == 11.5
    assert player.due(9.9) == []
    assert player.due(10.2) == [SetPlaying(10.0, is_playing=True), KeyDown(10.0, 60, 90, SOURCE)]
    assert [item.time_s for item in player.due(12.0)] == [10.5, 10.5, 10.5, 11.5]
    assert player.due(13.0) == []
