"""The desk by hand, on a manual clock: commands, devices, models, takes and what is seen of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.clock import ManualClock
from midi.messages import SUSTAIN
from midi.ports import FakeSystem
from models.sequence.plan import Steering
from studio.live import deskview
from studio.live.desk import Desk, DeskOptions
from studio.live.deskview import (
    ChooseInput,
    ChooseModel,
    ChooseOutput,
    ChooseTakes,
    Command,
    Forget,
    Learn,
    Learned,
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
    Sound,
    Steer,
    Voice,
)
from studio.live.planner import InlinePlanner, ModelHealth, ModelState, NoPlanner
from studio.live.take import load_take
from tests.studio.live.fakes import BeatPlanner

STEP_S = 0.02
"""A snapshot is renewed at every turn."""


class Ear:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.sounds: list[Sound] = []

    def play(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def panic(self) -> None:
        """Offs come all the same."""

    def ons(self, voice: Voice) -> list[Sound]:
        return [s for s in self.sounds if s.kind == "on" and s.voice is voice]

    def unpaired(self) -> Counter[int]:
        ons, offs = (Counter(s.note_id for s in self.sounds if s.kind == kind) for kind in ("on", "off"))
        assert set(ons.values()) <= {1}
        return (ons - offs) + (offs - ons)


class Slow(NoPlanner):
    """A model whose state is set by the test."""

    def __init__(self) -> None:
        self.state = ModelState.STARTING
        self.is_closed = False

    def health(self) -> ModelHealth:
        refusal = ("It is damaged.", "Install it again.") if self.state is ModelState.REFUSED else ("", "")
        return ModelHealth(self.state, *refusal, name="new@2.0.0" if self.state is ModelState.READY else "")

    def close(self) -> None:
        self.is_closed = True


class Room:
    """A desk on a manual clock with an ear, two MIDI instruments and models that are set by hand."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.clock, self.ear = ManualClock(100.0), Ear()
        self.system = FakeSystem("Keys", "Rack")
        self.started: list[str | None] = []
        self.models: list[Slow] = []
        chosen = {"sound": "none", "takes": folder, "in_port": "Keys", "keeps_learned": False} | options
        self.desk = Desk(
            DeskOptions(**chosen), system=self.system, planner=InlinePlanner(BeatPlanner()),
            clock=self.clock, start=self.begin, sinks=[self.ear],
        )  # fmt: skip
        self.desk.set_up()
        self.desk.turn()

    def begin(self, name: str | None, _device: str) -> Slow | NoPlanner:
        self.started.append(name)
        if name == "none":
            return NoPlanner()
        self.models.append(Slow())
        return self.models[-1]

    def go(self, seconds: float = STEP_S) -> None:
        for _ in range(max(1, round(seconds / STEP_S))):
            self.clock.advance(STEP_S)
            self.desk.turn()

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.desk.do(command)
        self.go()

    def play(self, *pitches: int, length_s: float = 0.2) -> None:
        for pitch in pitches:
            self.do(KeyDown(0.0, pitch, 80))
            self.go(length_s)
            self.do(KeyUp(0.0, pitch))

    @property
    def view(self):
        return self.desk.view()


@pytest.fixture
def room(tmp_path):
    made = Room(tmp_path / "takes")
    yield made
    made.desk.close()
    assert not made.ear.unpaired()


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


def test_takes_go_elsewhere_from_the_next_one_on(room, tmp_path):
    room.play(60)
    room.do(ChooseTakes(tmp_path / "other"))
    room.play(62)
    room.do(SetPlaying(0.0, is_playing=False))
    room.do(SetPlaying(0.0, is_playing=True))
    room.play(64)
    room.do(SetPlaying(0.0, is_playing=False))
    assert [path.parent for path in room.view.take.finished] == [tmp_path / "takes", tmp_path / "other"]


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


# Devices.


def test_inputs_change_while_playing_and_what_was_held_is_released(room):
    keys, rack = room.system.port("Keys"), room.system.port("Rack")
    keys.play((0x90, 60, 80), (0xB0, SUSTAIN, 127))
    room.go()
    room.do(ChooseInput("rack"))
    room.go()
    assert room.view.snapshot.held == ()
    assert not keys.listeners
    rack.play((0x90, 62, 80))
    room.go()
    assert room.view.snapshot.held == (62,)
    room.go(0.1)
    assert room.view.devices.input == "Rack"
    assert room.view.devices.input_active_s == pytest.approx(room.clock.now_s(), abs=0.2)
    room.do(ChooseInput("none"))
    room.go()
    assert (room.view.snapshot.held, room.view.devices.input) == ((), "")


def test_an_input_that_comes_back_is_played_again(room):
    room.system.unplug("Keys")
    room.go(1.0)
    assert "lost" in room.view.devices.input
    assert any("vanished" in notice.sentence for notice in room.view.notices)
    room.system.plug("Keys").play()
    room.go(1.0)
    room.system.port("Keys").play((0x90, 60, 80))
    room.go()
    assert room.view.snapshot.held == (60,)


def test_what_was_used_before_is_waited_for(tmp_path):
    room = Room(tmp_path, in_port="Harp", out_port="Lute")
    assert [notice.sentence for notice in room.view.notices if "turns up" in notice.sentence]
    room.system.plug("Harp")
    room.system.plug("Lute")
    room.go(1.0)
    assert (room.view.devices.input, room.view.devices.output) == ("Harp", "Lute")
    room.desk.close()


def test_outputs_change_while_playing_and_each_is_left_silent(tmp_path):
    room = Room(tmp_path, out_port="Rack")
    rack = room.system.port("Rack")
    room.play(60, 62)
    room.go(1.0)
    room.system.plug("Lute")
    room.go(1.0)
    room.do(ChooseOutput("Lute"))
    room.go(0.5)
    assert room.view.devices.output == "Lute"
    room.desk.close()
    for port in (rack, room.system.port("Lute")):
        ons, offs = (Counter(d[1] for d in port.heard if d[0] & 0xF0 == kind) for kind in (0x90, 0x80))
        assert ons == offs


# Models.


def test_another_model_takes_over_only_when_it_is_ready(room):
    room.play(60)
    room.do(ChooseModel("new"))
    room.go(1.0)
    assert (room.view.model_loading, room.view.model.state) == ("new", ModelState.READY)
    assert room.view.snapshot.is_model_ready
    room.models[0].state = ModelState.READY
    room.go(0.1)
    assert (room.view.model_loading, room.view.model_name) == ("", "new@2.0.0")
    assert not room.models[0].is_closed


def test_a_model_that_is_refused_leaves_the_old_one_playing(room):
    room.do(ChooseModel("broken"))
    room.models[0].state = ModelState.REFUSED
    room.go(0.1)
    assert room.models[0].is_closed
    assert (room.view.notices[-1].sentence, room.view.notices[-1].hint) == (
        "It is damaged.",
        "Install it again.",
    )
    assert (room.view.model_loading, room.view.snapshot.is_model_ready) == ("", True)


def test_choosing_twice_drops_the_first_and_rules_need_no_loading(room):
    room.do(ChooseModel("one"), ChooseModel("two"))
    assert room.models[0].is_closed
    room.do(ChooseModel("none"))
    room.go(0.1)
    assert room.models[1].is_closed
    assert (room.view.model_name, room.view.snapshot.is_model_ready) == ("none", False)


# Takes.


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
    room.play(65)
    assert len(room.view.take.finished) == 1
    room.do(SetPlaying(0.0, is_playing=True))
    room.play(67)
    room.desk.close()
    assert len(room.desk.view().take.finished) == 2
    for path in room.desk.view().take.finished:
        whole(path)


def whole(path):
    ear = Ear()
    ear.sounds = list(load_take(path).sounds)
    assert ear.sounds
    assert not ear.unpaired()


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


# What is seen.


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


def test_controllers_are_learned_kept_and_forgotten(tmp_path):
    room = Room(tmp_path, keeps_learned=True)
    keys = room.system.port("Keys")
    room.do(Learn("swing"))
    assert room.view.learning == "swing"
    keys.play((0xB0, 21, 5))
    room.go()
    keys.play((0xB0, 21, 127))
    room.go(0.1)
    assert room.view.feel.swing == 1.0
    room.do(Learn("metronome"))
    keys.play((0xB0, 22, 0), (0xB0, 22, 127))
    room.go(0.1)
    assert room.view.is_metronome_on
    assert room.view.learned == (Learned("Keys", 21, "swing"), Learned("Keys", 22, "metronome"))
    room.desk.close()
    again = Room(tmp_path, keeps_learned=True)
    assert again.view.learned == room.view.learned
    again.do(Forget("swing"))
    again.go(0.1)
    again.desk.close()
    last = Room(tmp_path, keeps_learned=True)
    assert last.view.learned == (Learned("Keys", 22, "metronome"),)
    last.desk.close()


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
