"""Try again from here: what stays to the last bit, what is new, and what the model is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assets
from midi.errors import UserError
from midi.events import GRID_PER_BEAT, Field, Role, decode
from models.sequence.plan import Plan, PlannedNote, Steering
from studio import partners, retake
from studio.cli import run
from studio.live.feel import Feel
from studio.live.messages import (
    ControllerMoved,
    KeyDown,
    Mode,
    Panic,
    SetMode,
    Sound,
    Steer,
    TempoMark,
    Voice,
)
from studio.live.take import TAKE_NAME, Take, TakeHeader, load_take
from studio.partners import Partner
from studio.perform import PerformOptions, perform
from studio.render import heard_notes
from studio.replay import MusicalTime, ons, partner_notes, player_inputs
from studio.retake import bar_at, bar_start_s, play_again, try_again
from tests.studio.takefolder import duet, note, write_take


class SeededPlanner:
    """A note on every beat, its pitch drawn from the seed; remembers what it was asked."""

    name = "seeded@1.0.0"

    def __init__(self):
        self.requests = []

    def plan(self, request):
        self.requests.append(request)
        rng = np.random.default_rng(request.seed)
        first = -(-request.from_tick // GRID_PER_BEAT) * GRID_PER_BEAT
        notes = tuple(
            PlannedNote(tick, 30, int(rng.integers(40, 56)), 80, 0)
            for tick in range(first, request.until_tick, GRID_PER_BEAT)
        )
        return Plan(request.number, request.from_tick, request.until_tick, notes, rows=1)


def take_of(sounds, **header):
    sounds = tuple(sorted(sounds, key=lambda s: s.time_s))
    made = TakeHeader(**header)
    return Take(made, sounds, (TempoMark(sounds[0].time_s, 0.0, made.bpm),))


def by_voice(take, voice):
    return [s for s in take.sounds if s.voice is voice]


@pytest.fixture
def planner(monkeypatch):
    fake = SeededPlanner()
    rules = Partner("rules")
    monkeypatch.setattr(
        partners, "load_partner", lambda name, _: rules if name == "none" else Partner(fake.name, fake)
    )
    monkeypatch.setattr(partners, "plan_latency_ms", lambda *_: 50.0)
    return fake


@pytest.fixture(scope="module")
def harbors(tmp_path_factory):
    """A shipped melody with the rules, on the grid and loose; sound is not made."""
    out = tmp_path_factory.mktemp("harbor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.render.audio_blocks", lambda *_: iter(()))
        for looseness in (0.0, 1.0):
            perform(
                PerformOptions(
                    file=assets.path("demos/harbor.mid"), out=out / str(looseness), model="none", bars=8,
                    looseness=looseness,
                )
            )  # fmt: skip
    return load_take(out / "0.0"), load_take(out / "1.0")


@pytest.fixture(scope="module")
def harbor(harbors):
    return harbors[0]


def test_a_take_tells_where_the_notes_were_planned(harbors):
    strict, loose = (partner_notes(take, 1e9, MusicalTime(take)) for take in harbors)
    assert [(n.onset_ticks, n.duration_ticks, n.pitch) for n in strict] == [
        (n.onset_ticks, n.duration_ticks, n.pitch) for n in loose
    ]
    heard = [[s.time_s for s in ons(take.sounds, Voice.PARTNER)] for take in harbors]
    assert heard[0] != pytest.approx(heard[1], abs=1e-3)


def test_a_note_struck_early_belongs_to_the_bar_it_was_planned_for(harbors):
    _, take = harbors
    bars = [bar for bar in range(2, 8) if _is_early(take, bar)]
    assert bars
    for bar in bars:
        again = play_again(take, bar, 99, None).take
        planned = lambda take: sorted(  # noqa: E731
            (round(s.planned_s, 6), s.pitch) for s in ons(take.sounds, Voice.PARTNER)
        )
        assert planned(again) == planned(take)


def _is_early(take, bar):
    """Whether a note of the bar came before it."""
    line_s = take.origin_s() + bar_start_s(take, bar) - 1e-6
    return any(s.time_s < line_s <= s.planned_s for s in ons(take.sounds, Voice.PARTNER))


def test_the_rules_play_the_very_same_again(harbor):
    # The rules know no seed: any difference would be one in what they heard, or when.
    again = play_again(harbor, 3, 99, None)
    facts = lambda take: [(s.time_s, s.kind, s.voice, s.pitch, s.velocity, s.instrument) for s in take.sounds]  # noqa: E731
    assert sorted(facts(again.take)) == sorted(facts(harbor))
    assert again.new_notes > 20
    assert again.copied_notes + again.new_notes == len(
        [s for s in by_voice(harbor, Voice.PARTNER) if s.kind == "on"]
    )


def test_before_the_bar_and_the_player_everything_stays_to_the_last_bit(harbor):
    again = play_again(harbor, 5, 7, SeededPlanner(), latency_s=0.05).take
    from_s = harbor.origin_s() + bar_start_s(harbor, 5)
    assert by_voice(again, Voice.PLAYER) == by_voice(harbor, Voice.PLAYER)
    for take in (again, harbor):
        before = [s for s in by_voice(take, Voice.PARTNER) if s.kind == "on" and s.time_s < from_s - 1e-6]
        assert len(before) > 10
    olds, news = ({s for s in by_voice(t, Voice.PARTNER) if s.kind == "on"} for t in (harbor, again))
    assert {s for s in olds if s.time_s < from_s - 1e-6} == {s for s in news if s.time_s < from_s - 1e-6}
    assert {s for s in olds if s.time_s >= from_s} != {s for s in news if s.time_s >= from_s}
    assert again.tempo == harbor.tempo
    assert (again.header.seed, again.header.from_bar) == (7, 5)


def test_the_same_seed_gives_the_same_and_another_one_another(harbor):
    one, same, other = (play_again(harbor, 4, seed, SeededPlanner(), latency_s=0.05) for seed in (1, 1, 2))
    assert one == same
    assert one.take.sounds != other.take.sounds


def test_the_model_is_told_what_was_played_before(harbor):
    model = SeededPlanner()
    play_again(harbor, 5, 1, model, latency_s=0.0)
    first = model.requests[0]
    bar = 16 * GRID_PER_BEAT
    assert first.from_tick == bar
    events = decode(first.context, first.grid, first.context_tick)
    told = events[events["role"] == Role.PARTNER]
    time = MusicalTime(harbor)
    known = partner_notes(harbor, harbor.origin_s() + bar_start_s(harbor, 5) - 1e-6, time)
    assert sorted(zip(told["ticks"].tolist(), told["pitch"].tolist(), strict=True)) == [
        (each.onset_ticks, each.pitch) for each in known
    ]
    assert events["ticks"][-1] == bar
    assert events["role"][-1] in {Role.BAR, Role.HUMAN}
    assert len(told) > 20
    assert (first.context[:, Field.ROLE] == Role.HUMAN).sum() > 10


@settings(max_examples=8)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 7.0), st.floats(0.05, 3.0), st.integers(40, 60), st.booleans(), st.integers(0, 4)
        ),
        min_size=2,
        max_size=25,
    ),
    st.integers(1, 3),
    st.floats(0.0, 0.6),
)
def test_every_note_has_one_end_and_none_is_late(drawn, from_bar, latency_s):
    sounds = [note(0.0, 8.0, 100, 0)]
    ends = {}
    for number, (on_s, length_s, pitch, is_player, instrument) in enumerate(sorted(drawn), start=1):
        key = (is_player, pitch if is_player else (instrument, pitch))
        if on_s <= ends.get(key, -1.0):
            continue
        ends[key] = on_s + length_s
        voice = Voice.PLAYER if is_player else Voice.PARTNER
        sounds.append(note(on_s, on_s + length_s, pitch, number, voice, 0 if is_player else instrument))
    take = take_of([s for pair in sounds for s in pair])
    again = play_again(take, from_bar, 3, SeededPlanner(), latency_s=latency_s).take
    assert heard_notes(again.sounds)[1] == 0
    assert by_voice(again, Voice.PLAYER) == by_voice(take, Voice.PLAYER)
    sounding = {}
    for sound in again.sounds:
        if sound.voice is Voice.PARTNER:
            key = (sound.instrument, sound.pitch)
            if sound.kind == "on":
                assert key not in sounding
                sounding[key] = sound.note_id
            else:
                assert sounding.pop(key) == sound.note_id
    assert not sounding


def test_bars_are_counted_as_the_score_counts_them():
    take = take_of(duet(4, start_s=3.0))
    assert [bar_start_s(take, bar) for bar in (1, 2, 4)] == [0.0, 2.0, 6.0]
    assert [bar_at(take, at_s) for at_s in (-1.0, 0.0, 1.9, 2.0, 7.9)] == [1, 1, 1, 2, 4]
    waltz = take_of(duet(3), metre=(3, 4), bpm=60.0)
    assert [bar_start_s(waltz, bar) for bar in (1, 2, 3)] == [0.0, 3.0, 6.0]


def test_changes_of_tempo_and_jumps_are_followed():
    marks = (TempoMark(1.0, 0.0, 120.0), TempoMark(3.0, 4.0, 60.0), TempoMark(5.5, 8.0, 60.0))
    take = Take(TakeHeader(), tuple(note(1.0, 9.0, 60, 0)), marks)
    time = MusicalTime(take)
    assert [time.tick(at_s) for at_s in (1.0, 2.0, 3.0, 4.0)] == [0, 48, 96, 120]
    assert time.tick(5.5) == 8 * GRID_PER_BEAT
    assert time.tick(6.5) == 9 * GRID_PER_BEAT
    assert [type(item).__name__ for item in time.inputs] == ["SetPlaying", "SetTempo", "FollowClock"]


def test_the_conductor_s_musical_time_is_the_one_reckoned_with():
    marks = (TempoMark(1.0, 0.0, 120.0), TempoMark(3.0, 4.0, 90.0), TempoMark(6.0, 10.0, 100.0))
    sounds = tuple(s for n in range(20) for s in note(1.0 + 0.5 * n, 1.4 + 0.5 * n, 60, n))
    take = Take(TakeHeader(), sounds, marks)
    model = SeededPlanner()
    again = play_again(take, 1, 1, model).take
    time = MusicalTime(take)
    ons = [s for s in again.sounds if s.voice is Voice.PARTNER and s.kind == "on" and s.pitch < 56]
    assert len(ons) > 8
    assert all(time.tick(s.time_s) % GRID_PER_BEAT == 0 for s in ons if s.velocity == 80)


def test_pedal_modes_and_steering_come_back_too(tmp_path):
    pedal = Sound(0.6, "control", Voice.PLAYER, 64, 127)
    changes = (SetMode(1.0, Mode.RESPOND), Steer(1.5, "instruments", (4, 0)), Steer(2.0, "density", -1.0))
    path = write_take(tmp_path, "x", sorted([*duet(), pedal], key=lambda s: s.time_s), changes=changes)
    take = load_take(path)
    inputs = list(player_inputs(take))
    assert [item for item in inputs if isinstance(item, SetMode | Steer)] == list(changes)
    assert ControllerMoved(0.6, 64, 127, "take") in inputs
    assert sum(isinstance(item, KeyDown) for item in inputs) == 16
    again = play_again(take, 2, 1, None).take
    written = retake.write_take(again, tmp_path)
    assert load_take(written) == again
    assert again.changes == changes


def test_a_try_begins_as_the_take_was_steered():
    begin_s = duet()[0].time_s
    changes = (
        Steer(begin_s, "density", 1.5), Steer(begin_s, "instruments", (4,)), Steer(begin_s, "swing", 0.5),
        Steer(begin_s + 1.0, "density", -1.0),
    )  # fmt: skip
    take = replace(take_of(duet()), changes=changes)
    steering, feel = retake.opening(take)
    assert steering == Steering(density=1.5, instruments=(4,))
    assert feel == Feel(swing=0.5)
    asked = []

    class Asking(SeededPlanner):
        def plan(self, request):
            asked.append(request.steering)
            return super().plan(request)

    again = play_again(take, 1, 1, Asking()).take
    assert {each.instruments for each in asked} == {(4,)}, "not even the first plan is the usual"
    assert asked[0].density == 1.5
    assert asked[-1].density == -1.0
    assert again.changes == changes


def test_a_panic_survives_being_written(tmp_path):
    take = Take(TakeHeader(), tuple(duet(1)), (TempoMark(0, 0, 120),), changes=(Panic(0.25),))
    assert load_take(retake.write_take(take, tmp_path)) == take


@pytest.mark.parametrize("bar", [0, -3, 5, 10**9])
def test_a_bar_that_is_not_there_is_refused(bar):
    with pytest.raises(UserError, match=f"no bar {bar}") as fault:
        play_again(take_of(duet(4)), bar, 1, None)
    assert "1 to 4" in fault.value.hint


def test_takes_that_cannot_be_played_are_refused():
    with pytest.raises(UserError, match="no bar 1") as fault:
        play_again(Take(), 1, 1, None)
    assert "no notes" in fault.value.hint
    with pytest.raises(UserError, match="mode 'jazz'"):
        play_again(take_of(duet(), mode="jazz"), 1, 1, None)


@pytest.mark.usefixtures("planner")
class TestOnDisk:
    def test_a_new_take_that_knows_its_parent_and_the_old_one_as_it_was(self, antiphon_home):
        path = write_take(antiphon_home / "takes")
        before = path.read_bytes()
        data = try_again(path, from_bar=3, seed=5, parent="one")
        assert path.read_bytes() == before
        new = load_take(data["path"])
        assert (new.header.parent, new.header.from_bar, new.header.seed) == ("one", 3, 5)
        assert new.header.model == "seeded@1.0.0"
        assert new.header.created > "2026-01-03"
        assert data["copied_notes"] == 2
        assert data["new_notes"] == sum(
            s.kind == "on" and s.voice is Voice.PARTNER and s.time_s >= 4.0 - 1e-6 for s in new.sounds
        )

    def test_a_seed_is_drawn_and_gives_the_same_again(self, antiphon_home):
        path = write_take(antiphon_home / "takes")
        first = try_again(path, from_bar=2)
        second = try_again(path, from_bar=2, seed=first["seed"])
        assert load_take(first["path"]).sounds == load_take(second["path"]).sounds
        assert first["path"] != second["path"]

    def test_without_space_nothing_is_left(self, antiphon_home, monkeypatch):
        path = write_take(antiphon_home / "takes")

        def full(*_):
            raise UserError("The disk is full.")

        monkeypatch.setattr(retake, "write_bytes", full)
        with pytest.raises(UserError, match="full"):
            try_again(path, from_bar=2)
        assert [p.name for p in (antiphon_home / "takes").iterdir()] == ["one"]

    def test_on_the_command_line(self, antiphon_home, capsys):
        write_take(antiphon_home / "takes", "one")
        assert run(["takes", "try-again", "one", "--from-bar", "2", "--seed", "4", "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["name"] == "one, again from bar 2"
        assert (data["parent"], data["from_bar"], data["seed"]) == ("one", 2, 4)
        assert run(["takes", "try-again", data["id"], "--from-bar", "2", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["name"] == "one, again from bar 2 (2)"
        assert run(["takes", "list", "--json"]) == 0
        listed = {each["id"]: each for each in json.loads(capsys.readouterr().out)}
        assert listed[data["id"]]["parent"] == "one"
        assert run(["takes", "try-again", "one", "--from-bar", "99", "--json"]) == 2
        assert "no bar 99" in json.loads(capsys.readouterr().out)["error"]
        assert len(list((antiphon_home / "takes").glob(f"*/{TAKE_NAME}"))) == 3
