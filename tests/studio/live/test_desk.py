"""The desk by hand, on a manual clock: commands, and what is seen of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.clock import ManualClock
from midi.ports import FakeSystem
from models.sequence.plan import Steering
from studio.live import deskview
from studio.live.desk import Desk, DeskOptions
from studio.live.deskview import (
    ChooseInput,
    ChooseModel,
    ChooseOutput,
    Learn,
    PlayTake,
    SetMeter,
    SetMetronome,
    SetPlayerInstrument,
    SetRecording,
    SetVolume,
    StopTake,
)
from studio.live.messages import (
    ControllerMoved,
    KeyDown,
    KeyUp,
    Mode,
    Panic,
    SetMode,
    SetPlaying,
    SetTempo,
    Steer,
    Voice,
)
from studio.live.planner import NoPlanner
from tests.studio.live.desk_room import STEP_S, Room, whole
from tests.studio.live.fakes import Ear


def test_a_key_sounds_in_the_same_turn_while_everything_is_still_coming_up(tmp_path):
    ear = Ear()
    desk = Desk(DeskOptions(sound="none", takes=tmp_path), system=FakeSystem(), clock=ManualClock(1.0),
                planner=NoPlanner(), sinks=[ear])  # fmt: skip
    desk.do(KeyDown(-5.0, 60, 80))
    desk.engine.step(1.0)
    assert [(s.time_s, s.pitch) for s in ear.ons(Voice.PLAYER)] == [(1.0, 60)]
    desk.close()
    assert not ear.unpaired()


def test_keys_sound_while_the_transport_stands(room):
    room.play(60)
    room.do(SetPlaying(0.0, is_playing=False))
    before = len(room.ear.ons(Voice.PLAYER))
    room.play(62, 64)
    assert len(room.ear.ons(Voice.PLAYER)) == before + 2
    assert not room.view.snapshot.is_playing


def test_play_starts_at_once_whether_or_not_it_waited_for_a_key(room):
    assert room.view.snapshot.is_armed
    room.do(SetPlaying(0.0, is_playing=True))
    assert room.view.snapshot.is_playing
    room.do(SetPlaying(0.0, is_playing=False))
    room.do(SetPlaying(0.0, is_playing=True))
    assert room.view.snapshot.is_playing


def test_what_is_steered_and_set_is_seen(room):
    room.do(
        Steer(0.0, "swing", 0.5), Steer(0.0, "temperature", 1.5), Steer(0.0, "instruments", (4, 15)),
        SetMode(0.0, Mode.RESPOND), SetTempo(0.0, 90.0), SetVolume(Voice.PARTNER, -7.0),
        SetVolume(Voice.METRONOME, 99.0), SetPlayerInstrument(4), SetMeter(7, 8), SetMetronome(True),
        SetRecording(False),
    )  # fmt: skip
    room.go(0.1)
    view = room.view
    assert view.feel.swing == 0.5
    assert view.steering == Steering(temperature=1.5, instruments=(4, 15))
    assert (view.snapshot.mode, view.snapshot.bpm) == (Mode.RESPOND, 90.0)
    assert view.volumes_db == (0.0, -7.0, 6.0)
    assert (view.player_instrument, view.meter, view.is_metronome_on) == (4, (7, 8), True)
    assert not view.take.is_recording
    room.play(60)
    assert room.ear.ons(Voice.PLAYER)[-1].instrument == 4
    assert room.view.snapshot.beats_per_bar == 3.5


def test_chords_are_kept_with_the_place_where_they_began(room):
    for pitches in ((60, 64, 67), (57, 60, 64)):
        room.do(*(KeyDown(0.0, pitch, 80) for pitch in pitches))
        for _ in range(40):
            room.go()
            assert room.view.chord == (room.view.chords[-1][1] if room.view.chords else "")
        room.do(*(KeyUp(0.0, pitch) for pitch in pitches))
        room.go(0.4)
    names = [name for _, name in room.view.chords]
    ticks = [tick for tick, _ in room.view.chords]
    assert "Am" in names
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    "command",
    [SetMeter(0, 4), SetMeter(4, 3), SetPlayerInstrument(99), Learn("nonesuch"), ChooseInput("Harp"),
                ChooseOutput("Harp"), PlayTake(Path("/nonesuch"))],
)  # fmt: skip
def test_what_cannot_be_done_is_one_notice_and_changes_nothing(room, command):
    before = room.view
    room.do(command)
    after = room.view
    assert len(after.notices) == len(before.notices) + 1
    assert after.notices[-1].sentence.endswith(".")
    assert (after.meter, after.player_instrument, after.learning) == ((4, 4), 0, None)
    assert after.devices.input == "Keys"


def test_the_metronome_clicks_from_where_the_music_stands(room):
    room.play(60)
    room.go(0.9)
    assert room.ear.ons(Voice.METRONOME) == []
    room.do(SetMetronome(True))
    room.go(2.0)
    beats = [(s.time_s - room.ear.ons(Voice.PLAYER)[0].time_s) * 2 for s in room.ear.ons(Voice.METRONOME)]
    assert beats == pytest.approx([round(beat) for beat in beats])
    assert len(beats) == 4
    downbeats = [round(b) % 4 == 0 for b in beats]
    assert [s.pitch == 76 for s in room.ear.ons(Voice.METRONOME)] == downbeats
    room.do(SetMetronome(False))
    room.go(1.0)
    assert len(room.ear.ons(Voice.METRONOME)) == 4


def test_bars_that_beats_do_not_fill_are_clicked_in_eighths(room):
    room.do(SetMeter(7, 8), SetMetronome(True), SetPlaying(0.0, is_playing=True))
    room.go(3.8)
    clicks = room.ear.ons(Voice.METRONOME)
    eighths = [(s.time_s - clicks[0].time_s) * 4 for s in clicks]
    assert eighths == pytest.approx(list(range(len(clicks))), abs=0.1)
    assert [n for n, s in enumerate(clicks) if s.pitch == 76] == [0, 7, 14]


def test_the_roll_holds_what_was_heard_on_the_grid(room):
    room.play(60, 62, length_s=0.2)
    room.go(0.2)
    roll = room.view.roll
    mine = [note for note in roll if note.voice is Voice.PLAYER]
    assert [(note.pitch, note.onset_ticks) for note in mine] == [(60, 0), (62, 12)]
    assert all(note.end_ticks > note.onset_ticks for note in mine)
    assert [note.onset_ticks for note in roll] == sorted(note.onset_ticks for note in roll)
    assert {note.voice for note in roll} == {Voice.PLAYER, Voice.PARTNER}
    room.go(20.0)
    assert [note for note in room.view.roll if note.voice is Voice.PLAYER] == []
    assert room.view.roll


def test_the_chord_is_named_and_stays_long_enough_to_be_read(tmp_path):
    room = Room(tmp_path, model="none", is_recording=False)
    room.do(ChooseModel("none"), SetPlaying(0.0, is_playing=False))
    names = []
    for pitches in ((60, 64, 67), (62, 65, 69), (57, 60, 64)):
        room.do(*(KeyDown(0.0, pitch, 80) for pitch in pitches))
        for _ in range(20):
            room.go()
            names.append(room.view.chord)
        room.do(*(KeyUp(0.0, pitch) for pitch in pitches))
    room.desk.close()
    runs = [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    assert runs[:2] == ["C", "Dm"]
    assert all(names.count(name) >= 20 for name in runs[:-1])


def test_the_test_tone_is_a_chord_that_ends(room):
    room.do(deskview.TestTone())
    tone = room.ear.ons(Voice.PARTNER)
    assert [s.pitch for s in tone] == [60, 64, 67, 72]
    assert [s.time_s for s in tone] == sorted(s.time_s for s in tone)
    assert not room.ear.unpaired()


def test_a_look_when_nothing_is_new_makes_no_new_notes(room):
    room.play(60)
    assert room.view.roll is room.view.roll


# Whatever a person does.

COMMANDS = st.one_of(
    st.builds(KeyDown, st.just(0.0), st.integers(55, 60), st.integers(1, 127)),
    st.builds(KeyUp, st.just(0.0), st.integers(55, 60)),
    st.builds(ControllerMoved, st.just(0.0), st.sampled_from([1, 64, 21]), st.integers(0, 127)),
    st.builds(SetPlaying, st.just(0.0), st.booleans()),
    st.builds(SetMode, st.just(0.0), st.sampled_from(Mode)),
    st.builds(SetTempo, st.just(0.0), st.floats(20, 400)),
    st.builds(Steer, st.just(0.0), st.sampled_from(["swing", "register", "density"]), st.floats(-3, 3)),
    st.builds(Panic, st.just(0.0)),
    st.builds(SetMeter, st.integers(1, 9), st.sampled_from([4, 8])),
    st.builds(SetMetronome, st.booleans()),
    st.builds(SetRecording, st.booleans()),
    st.builds(SetPlayerInstrument, st.integers(0, 15)),
    st.builds(ChooseInput, st.sampled_from(["Keys", "Rack", "none", None])),
    st.builds(ChooseOutput, st.sampled_from(["Keys", "Rack", "none", None])),
    st.builds(ChooseModel, st.sampled_from(["none", "new"])),
    st.builds(deskview.TestTone),
    st.builds(StopTake),
    st.builds(Learn, st.sampled_from(["swing", "play", None])),
    st.just("replay"),
)


@settings(max_examples=25)
@given(st.lists(st.tuples(COMMANDS, st.integers(1, 40)), max_size=25))
def test_no_sequence_of_commands_leaves_a_note_hanging(tmp_path_factory, steps):
    room = Room(tmp_path_factory.mktemp("takes"))
    for command, n_turns in steps:
        if command == "replay":
            finished = room.view.take.finished
            command = PlayTake(finished[-1], 0.1) if finished else StopTake()
        room.do(command)
        room.go(n_turns * STEP_S)
    room.desk.close()
    assert not room.ear.unpaired()
    assert room.view.meters.hanging_notes >= 0
    assert room.desk.engine.meters().hanging_notes == 0
    for path in room.view.take.finished:
        whole(path)
    for name in ("Keys", "Rack"):
        heard = room.system.port(name).heard
        ons, offs = (
            Counter((d[0] & 15, d[1]) for d in heard if d[0] & 0xF0 == kind) for kind in (0x90, 0x80)
        )
        assert ons == offs
