"""Every part of a band by itself: measured beside its true part, from songs that have several."""

import json

import pytest

import midi
from midi.clock import TempoMap
from midi.corpus import build_corpus
from midi.errors import UserError
from midi.events import DRUMS
from midi.note import DRUM_CHANNEL, Note, NoteArray, Part, Score
from models.sequence.plan import Plan, PlannedNote
from studio import evaluate, listening, partfigures, rehearsal
from studio.evaluate import EvalMusicOptions, eval_music, open_corpus
from studio.listening import Excerpt
from tests.models.pieces import groove_set

BAR, BASS = 96, 4


def drummed(bars: int) -> NoteArray:
    """Kick on one, snare on three, hats in eighths; grid ticks."""
    hits = [
        (bar * BAR + at, 3, key, 80, DRUM_CHANNEL) for bar in range(bars) for at, key in ((0, 36), (48, 38))
    ]
    hats = [(tick, 3, 42, 60, DRUM_CHANNEL) for tick in range(0, bars * BAR, 12)]
    return NoteArray.from_notes(Note(*hit) for hit in sorted([*hits, *hats]))


def line(pitch: int, bars: int, every: int) -> NoteArray:
    return NoteArray.from_notes(Note(tick, every - 2, pitch, 80) for tick in range(0, bars * BAR, every))


def song(bars: int = 4) -> Excerpt:
    parts = {BASS: line(36, bars, 48), DRUMS: drummed(bars)}
    everything = NoteArray.concatenate(list(parts.values()))
    return Excerpt("a", BAR, bars, 120.0, line(64, bars, 24), everything, tuple(parts), by_part=parts)


def test_drums_are_counted_by_what_is_struck():
    alone = partfigures._alone(song(), DRUMS)
    found = partfigures.part_figures(alone, alone.accompaniment, DRUMS)
    assert (found["kicks_per_bar"], found["snares_per_bar"], found["hats_per_bar"]) == (1.0, 1.0, 8.0)
    assert found["density"] == pytest.approx(2.5)
    assert found["onset_jsd"] == 0.0


def test_a_pitched_part_is_compared_with_its_own_truth():
    alone = partfigures._alone(song(), BASS)
    found = partfigures.part_figures(alone, line(43, 4, 24), BASS)
    assert (found["density"], found["register"]) == (1.0, 43.0)
    assert 0.0 < found["onset_jsd"] < 1.0


def test_what_a_song_does_not_have_is_not_compared():
    alone = partfigures._alone(song(), 0)
    found = partfigures.part_figures(alone, line(60, 4, 24), 0)
    assert found["onset_jsd"] != found["onset_jsd"]
    assert found["density"] == 1.0


def scaled(notes: NoteArray) -> NoteArray:
    """From the grid to 480 ticks a beat."""
    return notes.with_ticks(notes.onset_ticks * 20, notes.duration_ticks * 20)


class BandPlanner:
    """What it is asked for: a low note on every half bar, and the kick on every beat."""

    def __init__(self, model: str) -> None:
        self.name = model

    def plan(self, request):
        first = -(-request.from_tick // 24) * 24
        ticks = range(first, request.until_tick, 24)
        parts = request.steering.instruments
        notes = [PlannedNote(t, 40, 36, 80, BASS) for t in ticks if t % 48 == 0 and BASS in parts]
        notes += [PlannedNote(t, 3, 36, 80, DRUMS) for t in ticks if DRUMS in parts]
        return Plan(request.number, request.from_tick, request.until_tick, tuple(sorted(notes)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Songs with a melody, a bass and drums, as many as possible held out."""
    monkeypatch.setattr("midi.corpus.split_of", lambda _: "test")
    monkeypatch.setattr(evaluate, "PLAYER", "tests.studio.test_partfigures:BandPlanner")
    monkeypatch.setattr(evaluate, "_learned_from", lambda model: (f"{model}@1.0.0", ""))
    (tmp_path / "songs").mkdir()
    for number in range(4):
        parts = (
            Part("MELODY", scaled(line(60 + number, 8, 24 if number % 2 else 48))),
            Part("BASS", scaled(line(36 + number, 8, 48)), 33),
            Part("DRUMS", scaled(drummed(8)), 0, is_drum=True),
        )
        midi.write(tmp_path / "songs" / f"{number}.mid", Score(parts, TempoMap(480)))
    return tmp_path / "songs"


def options(folder, **changes) -> EvalMusicOptions:
    usual = {"songs": 2, "bars": 4, "plan_latency_ms": 0.0, "parts": (BASS, DRUMS)}
    return EvalMusicOptions(model="two", folder=folder, **usual | changes)


def test_every_part_has_its_rows(folder):
    report = eval_music(options(folder))
    assert list(report["parts"]) == ["bass", "drums"]
    bass, drums = report["parts"]["bass"]["rows"], report["parts"]["drums"]["rows"]
    assert list(bass) == list(drums) == ["partner", "rules", "truth"]
    assert bass["partner"]["register"]["mean"] == 36.0
    assert bass["truth"]["density"]["mean"] == 0.5
    assert drums["truth"]["hats_per_bar"]["mean"] == 8.0
    assert drums["partner"]["kicks_per_bar"]["mean"] > 3.0
    assert drums["partner"]["snares_per_bar"]["mean"] == 0.0
    assert drums["truth"]["onset_jsd"]["mean"] == 0.0 < drums["partner"]["onset_jsd"]["mean"]
    assert 0.0 <= report["harmony"]["consonance_rate"] <= 1.0
    json.dumps(report, allow_nan=False)
    lines = evaluate.report_lines(report)
    assert any(text.startswith("bass, partner") for text in lines)
    assert any("hats per bar" in text for text in lines)
    assert not any("--grooves" in text for text in lines)


def test_several_performances_of_a_song_are_averaged(folder, monkeypatch):
    """Each repeat has seeds of its own, and only the partner plays again."""
    seeds = []

    class Wavering(BandPlanner):
        """Plays by its number of performances: on every half bar at first, then not at all."""

        def plan(self, request):
            plan = super().plan(request)
            notes = plan.notes if len(seeds) <= 2 else ()
            return Plan(plan.number, plan.from_tick, plan.until_tick, notes)

    def play(run, planner, latency_s):
        if run.kind == "partner":
            seeds.append(run.seed)
        return played(run, planner, latency_s)

    played = rehearsal.play_run
    monkeypatch.setattr(rehearsal, "play_run", play)
    monkeypatch.setattr(evaluate, "PLAYER", f"{__name__}:{Wavering.__name__}")
    monkeypatch.setitem(globals(), Wavering.__name__, Wavering)
    once = eval_music(options(folder))
    seeds.clear()
    twice = eval_music(options(folder, repeats=2))
    assert seeds == [0, 1, 2, 3]
    assert (once["repeats"], twice["repeats"]) == (1, 2)
    first, mean = (report["parts"]["bass"]["rows"]["partner"]["density"]["mean"] for report in (once, twice))
    assert mean == pytest.approx(first / 2, rel=0.1)
    rules = [report["parts"]["bass"]["rows"]["rules"] for report in (once, twice)]
    assert rules[0] == rules[1]
    assert "2 times" in evaluate.report_lines(twice)[0]


def test_a_part_that_no_song_has_is_named(folder):
    report = eval_music(options(folder, parts=(BASS, 11)))
    assert report["parts"]["pad"]["songs"] == 0
    assert report["parts"]["pad"]["rows"]["truth"]["density"]["mean"] is None
    json.dumps(report, allow_nan=False)
    assert "No song has pad of its own" in evaluate.report_lines(report)[-1]


def test_parts_have_a_table_of_their_own(folder, tmp_path):
    for other in ({"table": "streammuse"}, {"listen": tmp_path / "page"}):
        with pytest.raises(UserError, match="table of their own"):
            eval_music(options(folder, **other))


def test_songs_are_arranged_with_a_groove_set(folder, tmp_path, antiphon_home):
    grooves = groove_set(tmp_path / "grooves")
    plain, _ = open_corpus(folder, lambda *_: None)
    arranged, source = open_corpus(folder, lambda *_: None, grooves)
    assert source == folder
    assert arranged.folder != plain.folder
    assert all(len(a.parts) > len(b.parts) for a, b in zip(arranged.songs, plain.songs, strict=True))
    with pytest.raises(UserError, match="corpus already"):
        open_corpus(arranged.folder, lambda *_: None, grooves)


def test_excerpts_of_parts_hold_each_by_itself(folder, tmp_path):
    corpus = build_corpus(folder, tmp_path / "corpus")
    (found, *_) = listening.excerpts(corpus, "test", songs=1, bars=4, seed=0, parts=(BASS, DRUMS))
    assert found.instruments == (BASS, DRUMS)
    assert set(found.by_part) == {BASS, DRUMS}
    assert sum(map(len, found.by_part.values())) == len(found.accompaniment)
    (main, *_) = listening.excerpts(corpus, "test", songs=1, bars=4, seed=0)
    assert main.by_part == {}
    assert main.instruments == (DRUMS,)
