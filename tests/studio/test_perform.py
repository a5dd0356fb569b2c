"""A MIDI file in the player's place."""

import json
from pathlib import Path

import numpy as np
import pytest

import assets
import midi
from midi.clock import TempoMap
from midi.events import GRID_PER_BEAT
from midi.note import Control, Note, NoteArray, Part, Score, TimeSignature
from models.sequence.plan import Plan, PlannedNote
from studio import partners, render
from studio import perform as program
from studio.live.session import load_take
from studio.partners import Partner
from studio.perform import PerformOptions, choose_part, perform, prepare
from studio.render import heard_notes

HARBOR = assets.path("demos/harbor.mid")


class ChordPlanner:
    """A triad on every beat, somewhere that the request's seed decides; counts what it was asked."""

    def __init__(self, fault=None):
        self.requests = []
        self.fault = fault

    def plan(self, request):
        if self.fault and request.number >= 0:
            raise self.fault
        self.requests.append(request)
        rng = np.random.default_rng([request.seed, max(request.number, 0)])
        first = -(-request.from_tick // GRID_PER_BEAT) * GRID_PER_BEAT
        notes = [
            PlannedNote(tick, 20, int(root) + step, 70, 0)
            for tick in range(first, request.until_tick, GRID_PER_BEAT)
            for root in [rng.integers(45, 60)]
            for step in (0, 4, 7)
        ]
        return Plan(
            request.number, request.from_tick, request.until_tick, tuple(notes), rows=9, compute_s=0.01
        )


@pytest.fixture
def sound():
    """Asked for by tests that need real sound; the others are spared the seconds it takes."""


@pytest.fixture(autouse=True)
def silence(request, monkeypatch):
    if "sound" not in request.fixturenames:
        monkeypatch.setattr(render, "audio_blocks", lambda *_: iter([np.zeros((4800, 2), np.float32)]))


@pytest.fixture
def planner(monkeypatch):
    fake = ChordPlanner()
    rules = Partner("rules")
    monkeypatch.setattr(
        program, "load_partner", lambda name, _: rules if name == "none" else Partner("fake", fake)
    )
    return fake


def tune(*notes, name="", program_=0, is_drum=False):
    return Part(name, NoteArray.from_notes(Note(*n) for n in notes), program_, is_drum)


@pytest.fixture
def short(tmp_path):
    """Four bars of a melody, so that sound is made quickly."""
    notes = [(480 * i, 400, 60 + (i * 5) % 12, 80) for i in range(16)]
    midi.write(tmp_path / "short.mid", Score((tune(*notes, name="MELODY"),)))
    return tmp_path / "short.mid"


def options(file, out, **more):
    return PerformOptions(file=file, out=out, **{"plan_latency_ms": 60.0, **more})


def test_the_report_has_the_agreed_keys_and_the_files_are_there(short, tmp_path, planner):
    report = perform(options(short, tmp_path / "out"))
    agreed = {
        "input", "model", "mode", "seed", "tempo_bpm", "beats", "player_notes", "partner_notes", "isr",
        "late_drops", "scheduled_in_past", "hanging_notes", "plan_latency_ms", "plan_rows_per_s", "harmony",
        "copied", "outputs",
    }  # fmt: skip
    assert agreed <= set(report)
    assert set(report["harmony"]) == {"consonance_rate", "unsupported_rate", "note_in_chord"}
    assert set(report["copied"]) == {"longest_notes", "ngram_overlap"}
    assert set(report["outputs"]) == {"midi", "audio", "pianoroll"}
    assert all(Path(path).stat().st_size > 100 for path in report["outputs"].values())
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_every_key_is_played_and_the_partner_is_in_time(short, tmp_path, planner):
    report = perform(options(short, tmp_path / "out"))
    assert report["player_notes"] == 16
    assert report["partner_notes"] > 12
    assert report["isr"] > 0.85
    assert report["late_drops"] == report["scheduled_in_past"] == report["hanging_notes"] == 0
    assert report["beats"] == 16


def test_the_same_seed_and_latency_give_the_same_bytes(short, tmp_path, planner, sound):
    for name in ("a", "b"):
        perform(options(short, tmp_path / name, seed=4))
    files = ("take.mid", "take.wav", "pianoroll.png")
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_another_seed_gives_another_answer(short, tmp_path, planner):
    for seed in (1, 2):
        perform(options(short, tmp_path / str(seed), seed=seed))
    assert (tmp_path / "1" / "take.mid").read_bytes() != (tmp_path / "2" / "take.mid").read_bytes()


def test_the_player_is_written_where_the_file_has_them(short, tmp_path, planner):
    perform(options(short, tmp_path / "out"))
    taken = midi.read(tmp_path / "out" / "take.mid")
    original = midi.read(short).parts[0].notes
    assert taken.parts[0].name == "Player"
    assert np.array_equal(taken.parts[0].notes.pitch, original.pitch)
    assert np.abs(taken.parts[0].notes.onset_ticks - original.onset_ticks).max() <= 1


def test_a_slow_model_is_late_more_often(short, tmp_path, planner):
    reports = [
        perform(options(short, tmp_path / str(latency), plan_latency_ms=latency))
        for latency in (20.0, 2500.0)
    ]
    assert reports[0]["isr"] > reports[1]["isr"]
    assert reports[1]["scheduled_in_past"] == reports[1]["hanging_notes"] == 0
    assert reports[1]["fallback_notes"] > 0


def test_without_a_model_the_rules_play(short, tmp_path):
    report = perform(options(short, tmp_path / "out", model="none"))
    assert report["model"] == "rules"
    assert report["partner_notes"] == report["fallback_notes"] > 0
    assert report["isr"] is None, "no model was asked, so none was in time"
    assert json.loads((tmp_path / "out" / "report.json").read_text())["isr"] is None


def test_without_any_bundle_the_rules_play_too(short, tmp_path, monkeypatch):
    monkeypatch.setattr("models.registry.shipped_folder", lambda: tmp_path / "no-weights")
    assert perform(options(short, tmp_path / "out"))["model"] == "rules"


def test_answers_come_after_the_call(tmp_path, planner):
    call = [(240 * i, 200, 60 + i, 80) for i in range(8)]
    midi.write(tmp_path / "call.mid", Score((tune(*call),)))
    report = perform(options(tmp_path / "call.mid", tmp_path / "out", mode="call-and-response"))
    answer = midi.read(tmp_path / "out" / "take.mid").parts[1].notes
    assert answer.onset_ticks.min() >= 240 * 8 - 480
    assert report["hanging_notes"] == 0


def test_tempo_can_be_chosen(short, tmp_path, planner):
    report = perform(options(short, tmp_path / "out", tempo_bpm=90.0))
    assert report["tempo_bpm"] == 90
    taken = midi.read(tmp_path / "out" / "take.mid")
    assert taken.tempo_map.bpm_at(0) == pytest.approx(90)
    assert abs(int(taken.parts[0].notes.onset_ticks[4]) - 4 * 480) <= 1


def test_tempo_changes_of_the_file_are_followed(tmp_path, planner):
    notes = [(480 * i, 400, 60, 80) for i in range(16)]
    score = Score((tune(*notes),), TempoMap(480, ((0, 120.0), (1920, 80.0), (3840, 160.0))))
    midi.write(tmp_path / "rubato.mid", score)
    perform(options(tmp_path / "rubato.mid", tmp_path / "out", looseness=0.0))
    taken = midi.read(tmp_path / "out" / "take.mid")
    assert [round(bpm) for _, bpm in taken.tempo_map.changes] == [120, 80, 160]
    assert np.abs(taken.parts[0].notes.onset_ticks - 480 * np.arange(16)).max() <= 1
    assert np.all(taken.parts[1].notes.onset_ticks % 240 % 238 <= 2)


def test_a_disk_that_fills_up_is_told_in_a_sentence(short, tmp_path, planner, monkeypatch):
    def full(*_):
        raise midi.UserError("The disk is full.", "Free some space.")

    monkeypatch.setattr(program, "write_bytes", full)
    with pytest.raises(midi.UserError, match="full"):
        perform(options(short, tmp_path / "out"))
    assert midi.read(tmp_path / "out" / "take.mid").n_notes() > 16


@pytest.mark.parametrize("fault", [RuntimeError("broken"), KeyboardInterrupt()])
def test_what_was_played_before_a_fault_is_kept(short, tmp_path, planner, fault):
    planner.fault = fault
    with pytest.raises(type(fault)):
        perform(options(short, tmp_path / "out", plan_latency_ms=3000.0))
    sounds = load_take(tmp_path / "out").sounds
    assert sum(sound.kind == "on" for sound in sounds) > 4


def test_the_files_are_those_that_render_makes_of_the_take(short, tmp_path, planner):
    report = perform(options(short, tmp_path / "out"))
    render.render(Path(report["take"]), tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == (tmp_path / "out" / "take.mid").read_bytes()


@pytest.mark.parametrize("demo", ["harbor", "millwheel", "lantern"])
def test_the_demonstration_melodies_read_without_repairs(demo):
    score = midi.read(assets.path(f"demos/{demo}.mid"))
    piece = prepare(score)
    assert score.repairs == ()
    assert piece.part.name == "MELODY"
    bars = piece.end_tick() / (piece.time_signatures[0].bar_beats() * GRID_PER_BEAT)
    assert bars == 32


def test_the_melody_is_found_by_name_or_by_height():
    low, high, kit = tune((0, 10, 40)), tune((0, 10, 80)), tune((0, 10, 81), is_drum=True)
    assert choose_part(Score((low, high, kit))) is high
    named = tune((0, 10, 50), name="Lead Vocal")
    assert choose_part(Score((high, named, kit))) is named
    assert choose_part(Score((kit,))) is kit


def test_a_part_can_be_chosen_by_number_or_name():
    parts = (tune((0, 10, 80), name="Flute"), tune(), tune((0, 10, 40), name="Cello"))
    assert choose_part(Score(parts), "2").name == "Cello"
    assert choose_part(Score(parts), "cel").name == "Cello"
    with pytest.raises(midi.UserError, match="no part 'oboe'") as refusal:
        choose_part(Score(parts), "oboe")
    assert "1 Flute, 2 Cello" in refusal.value.hint


def test_a_file_without_notes_is_refused():
    with pytest.raises(midi.UserError, match="no notes"):
        choose_part(Score((tune(),)))


def test_the_performance_begins_at_the_bar_line_before_the_first_note():
    late = tune((2 * 1440 + 480, 480, 60), name="MELODY")
    late = Part(late.name, late.notes, controls=(Control(0, 64, 127), Control(2 * 1440 + 500, 64, 0)))
    metres = (TimeSignature(0, 3, 4), TimeSignature(4 * 1440, 2, 4))
    piece = prepare(Score((late,), TempoMap(480, ((0, 100.0), (1440, 90.0), (6000, 140.0))), metres))
    assert piece.part.notes.onset_ticks.tolist() == [480]
    assert piece.tempo_map.changes == ((0, 90.0), (6000 - 2880, 140.0))
    assert piece.time_signatures == (TimeSignature(0, 3, 4), TimeSignature(2 * 1440, 2, 4))
    assert [c.ticks for c in piece.part.controls] == [0, 500]
    assert piece.end_tick() == 3 * GRID_PER_BEAT


def test_a_file_beside_the_grid_is_laid_on_it_before_it_plays():
    bars = [(50 + 1920 * bar + 480 * beat, 480, 48 + 7 * (bar % 3) + 12 * (beat > 0), 100 - 30 * (beat > 0))
            for bar in range(20) for beat in range(4)]  # fmt: skip
    piece = prepare(Score((tune(*bars, name="MELODY"),), TempoMap(480), (TimeSignature(0, 4, 4),)))
    assert piece.meter_shift_ticks == -50
    assert piece.part.notes.onset_ticks.tolist() == [480 * beat for beat in range(80)]
    assert any("grid" in sentence for sentence in piece.repairs)


def test_other_resolutions_are_brought_to_ours():
    piece = prepare(Score((tune((96, 96, 60)),), TempoMap(96, ((0, 120.0), (96, 60.0)))))
    assert piece.part.notes.onset_ticks.tolist() == [480]
    assert piece.tempo_map == TempoMap(480, ((0, 120.0), (480, 60.0)))


def test_impossible_tempi_are_brought_within_range():
    piece = prepare(Score((tune((0, 96, 60)),), TempoMap(480, ((0, 5.0), (960, 4000.0)))))
    assert [bpm for _, bpm in piece.tempo_map.changes] == [20, 400]


def test_ten_thousand_keys_at_once_are_survived(tmp_path, planner):
    storm = [(0, 480, i % 128, 90, (i // 128) % 16) for i in range(10_000)]
    midi.write(tmp_path / "storm.mid", Score((tune(*storm),)))
    report = perform(options(tmp_path / "storm.mid", tmp_path / "out"))
    assert report["hanging_notes"] == 0
    assert report["player_notes"] + report["ignored_keys"] >= 128


def test_the_latency_is_measured_once_and_remembered(tmp_path, monkeypatch, antiphon_home):
    asked = ChordPlanner()
    monkeypatch.setattr(partners, "find_partner", lambda _: tmp_path)
    monkeypatch.setattr(partners, "load_partner", lambda *_: Partner("fake", asked))
    first = partners.plan_latency_ms("fake")
    n_asked = len(asked.requests)
    assert first == 10.0
    assert n_asked > 10
    assert partners.plan_latency_ms("fake") == first
    assert len(asked.requests) == n_asked
    (antiphon_home / "cache" / "plan_latency.json").write_text("not json")
    assert partners.plan_latency_ms("fake") == first
    assert len(asked.requests) == 2 * n_asked


def test_rules_take_no_time():
    assert partners.plan_latency_ms("none") == 0


def test_what_is_heard_pairs_up(short, planner):
    piece = prepare(midi.read(short))
    run = program._play(
        program.Conductor(program._config(options(short, Path()), piece), keeps_history=True),
        piece, Partner("fake", planner), 50.0,
    )  # fmt: skip
    notes, n_hanging = heard_notes(run.sounds)
    assert n_hanging == 0
    assert len({note.on.note_id for note in notes}) == len(notes)
    assert all(a.time_s <= b.time_s for a, b in zip(run.sounds, run.sounds[1:], strict=False))


def test_the_summary_says_only_what_means_something(short, tmp_path, planner):
    told = {}
    for mode, model in (("accompany", "fake"), ("accompany", "none"), ("call-and-response", "fake")):
        report = perform(options(short, tmp_path / mode / model, mode=mode, model=model))
        told[mode, model] = "\n".join(program.summary(report))
    assert "plans in time: " in told["accompany", "fake"]
    assert "consonant" in told["accompany", "fake"]
    # Rules have no plans, and answers do not sound with the melody.
    assert "plans in time" not in told["accompany", "none"]
    assert "consonant" not in told["call-and-response", "fake"]
