"""Takes of the desk: where they begin and end, and how they are heard again."""

from __future__ import annotations

import pytest

from midi.messages import SUSTAIN
from studio.live.deskview import (
    ChooseTakes,
    PlayTake,
    SetRecording,
    StopTake,
)
from studio.live.messages import (
    ControllerMoved,
    KeyDown,
    KeyUp,
    Panic,
    SetPlaying,
    SetTempo,
    Steer,
    Voice,
)
from studio.live.take import load_take
from studio.live.takelog import REST_S
from tests.studio.live.desk_room import Room, whole


def test_takes_go_elsewhere_from_the_next_one_on(room, tmp_path):
    room.play(60)
    room.do(ChooseTakes(tmp_path / "other"))
    room.play(62)
    room.do(SetPlaying(0.0, is_playing=False))
    room.do(SetPlaying(0.0, is_playing=True))
    room.play(64)
    room.do(SetPlaying(0.0, is_playing=False))
    assert [path.parent for path in room.view.take.finished] == [tmp_path / "takes", tmp_path / "other"]


def test_a_take_begins_with_the_first_note_and_ends_at_the_stop(room, tmp_path):
    room.do(Steer(0.0, "swing", 0.25), SetPlaying(0.0, is_playing=True))
    room.go(0.1)
    assert not (tmp_path / "takes").exists()
    room.play(60, 62)
    assert room.view.take.path is not None
    assert room.view.take.length_s > 0.1
    room.do(KeyDown(0.0, 64, 80), SetPlaying(0.0, is_playing=False))
    finished = room.view.take.finished
    assert (room.view.take.path, len(finished)) == (None, 1)
    take = load_take(finished[0])
    assert sum(s.kind == "on" and s.voice is Voice.PLAYER for s in take.sounds) == 3
    assert take.tempo[0].beat == 0.0
    assert [(change.target, change.value) for change in take.changes] == [("swing", 0.25)]
    room.do(SetPlaying(0.0, is_playing=True))
    room.play(67)
    room.desk.close()
    assert len(room.desk.view().take.finished) == 2
    for path in room.desk.view().take.finished:
        whole(path)


def keys_of(path):
    return [s.pitch for s in load_take(path).sounds if s.kind == "on" and s.voice is Voice.PLAYER]


def stopped(room):
    """A take of one note lies behind, the transport stands."""
    room.do(SetPlaying(0.0, is_playing=True))
    room.play(60)
    room.do(SetTempo(0.0, 90.0), SetPlaying(0.0, is_playing=False))


def test_what_is_played_while_the_transport_stands_is_a_take_that_a_rest_ends(room):
    stopped(room)
    room.do(ControllerMoved(0.0, SUSTAIN, 127))
    assert room.view.take.path is None
    room.do(KeyDown(0.0, 62, 80))
    room.go(REST_S + 1.0)
    assert room.view.take.path is not None, "a key that is held is played on"
    room.do(KeyUp(0.0, 62))
    room.go(REST_S - 0.5)
    room.play(64)
    room.go(REST_S - 0.5)
    assert room.view.take.path is not None
    room.go(1.0)
    assert room.view.take.path is None
    path = room.view.take.finished[1]
    assert keys_of(path) == [62, 64]
    whole(path)
    take = load_take(path)
    assert (take.tempo, take.header.bpm) == ((), 90.0)
    assert take.sounds[0].kind == "control"
    assert [part.name for part in take.score().parts] == ["Player"]
    room.play(65)
    room.do(SetPlaying(0.0, is_playing=False))
    assert keys_of(room.view.take.finished[2]) == [65]


def test_play_ends_what_was_played_freely_and_begins_another_take(room):
    stopped(room)
    room.play(62)
    room.do(KeyDown(0.0, 64, 80))
    room.do(SetPlaying(0.0, is_playing=True))
    assert keys_of(room.view.take.finished[1]) == [62, 64]
    room.do(KeyUp(0.0, 64))
    room.play(65)
    room.go(REST_S + 1.0)
    assert room.view.take.path is not None, "the transport runs"
    room.do(SetPlaying(0.0, is_playing=False))
    third = room.view.take.finished[2]
    assert keys_of(third) == [65]
    assert load_take(third).tempo
    for path in room.view.take.finished:
        whole(path)


def test_one_take_goes_through_stops_rests_and_starts(tmp_path):
    room = Room(tmp_path / "takes", is_one_take=True)
    room.do(SetPlaying(0.0, is_playing=False))
    room.play(60)
    room.go(REST_S + 1.0)
    room.do(SetPlaying(0.0, is_playing=True))
    room.play(62)
    room.do(SetPlaying(0.0, is_playing=False))
    room.play(64)
    room.desk.close()
    (path,) = room.view.take.finished
    assert keys_of(path) == [60, 62, 64]
    whole(path)


def test_nothing_is_kept_while_recording_is_off(room):
    stopped(room)
    room.do(SetRecording(False))
    room.play(62)
    assert (room.view.take.path, len(room.view.take.finished)) == (None, 1)


def test_recording_off_ends_the_take_in_the_middle_and_on_begins_another(room):
    room.do(KeyDown(0.0, 60, 80))
    room.go(0.3)
    room.do(ControllerMoved(0.0, SUSTAIN, 127), SetRecording(False))
    room.play(62)
    room.do(SetRecording(True))
    room.play(64)
    room.do(KeyUp(0.0, 60), SetPlaying(0.0, is_playing=False))
    first, second = room.view.take.finished
    whole(first)
    whole(second)
    heard = load_take(second).sounds
    # The pedal is down where the second take begins; the key held over from the first is not in it.
    assert (heard[0].kind, heard[0].pitch, heard[0].velocity) == ("control", SUSTAIN, 127)
    assert {s.pitch for s in heard if s.voice is Voice.PLAYER and s.kind == "on"} == {64}


def test_a_take_is_played_back_through_the_same_sinks(room):
    room.play(60, 62, 64)
    room.do(SetPlaying(0.0, is_playing=False))
    path = room.view.take.finished[0]
    take = load_take(path)
    n_before = len(room.ear.sounds)
    room.do(PlayTake(path))
    room.go(0.3)
    assert room.view.take.playing == path
    assert 0.1 < room.view.take.position_s < room.view.take.duration_s == pytest.approx(take.duration_s())
    room.go(take.duration_s() + 0.3)
    assert room.view.take.playing is None
    again = room.ear.sounds[n_before:]
    assert [(s.kind, s.voice, s.pitch) for s in again] == [
        (s.kind, s.voice, s.pitch) for s in sorted(take.sounds, key=lambda s: s.time_s)
    ]
    shift_s = again[0].time_s - take.sounds[0].time_s
    by_time = sorted(take.sounds, key=lambda s: s.time_s)
    assert [s.time_s for s in again] == pytest.approx([s.time_s + shift_s for s in by_time])
    assert not {s.note_id for s in again} & {s.note_id for s in take.sounds}
    assert len(room.view.take.finished) == 1


@pytest.mark.parametrize(
    "end", [StopTake(), SetPlaying(0.0, is_playing=True), SetPlaying(0.0, is_playing=False), Panic(0.0), None]
)
def test_whatever_ends_the_playback_ends_its_notes(room, end):
    room.do(KeyDown(0.0, 60, 80), ControllerMoved(0.0, SUSTAIN, 127))
    room.go(2.0)
    room.do(SetPlaying(0.0, is_playing=False))
    room.do(PlayTake(room.view.take.finished[0], 0.0))
    room.go(0.5)
    assert room.ear.unpaired()
    if end is None:
        room.desk.close()
    else:
        room.do(end)
        room.go(0.1)
        assert room.view.take.playing is None
        room.do(SetPlaying(0.0, is_playing=False))
    assert not room.ear.unpaired()
    assert [s.velocity for s in room.ear.sounds if s.kind == "control"][-1] == 0


def test_a_place_for_takes_that_is_none_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "spare"))
    (tmp_path / "file").touch()
    room = Room(tmp_path / "file" / "takes")
    room.play(60)
    room.go(0.3)
    assert any("file" in notice.sentence for notice in room.view.notices)
    room.desk.close()
    (path,) = room.view.take.finished
    assert tmp_path / "spare" in path.parents
    whole(path)
