"""Measuring how strokes scatter: a known scatter is found, what a grid made from what a person played."""

import json

import numpy as np
import pytest

import assets
import midi
from midi.clock import TempoMap
from midi.events import DRUMS, PIANO
from midi.note import Note, NoteArray, Part, Score
from models.sequence.plan import Plan, PlannedNote
from studio import timing
from studio.live.loose import TABLE, Timing, measured
from studio.partners import Partner
from studio.timing import Played, compare, figures, measure, pianists, within_ticks
from tests.models.pieces import groove_set

TICK_MS = 20.0
STRUCK = ((36, DRUMS), (48, PIANO), (55, PIANO))


def eighths(count, instrument, *, spread_ticks, chord_ticks=0.0, seed=0):
    """Chords of two on every eighth, scattered."""
    random = np.random.default_rng(seed)
    onsets = 12.0 * np.arange(count) + random.normal(0, spread_ticks, count)
    notes = onsets[:, None] + random.normal(0, chord_ticks, (count, 2))
    return Played(np.sort(notes.ravel()), TICK_MS, instrument)


def test_a_known_scatter_is_found():
    found = figures(eighths(2000, PIANO, spread_ticks=0.6, chord_ticks=0.2))
    assert found["onset_ms"] == pytest.approx(12.3, rel=0.1)
    assert found["together_ms"] == pytest.approx(4.0, rel=0.1)
    assert abs(found["after_2"]) < 0.3
    assert np.isnan(found["after_1"])  # nothing is struck between the eighths


def test_swing_is_no_scatter():
    straight = eighths(2000, DRUMS, spread_ticks=0.3)
    late = (np.round(straight.ticks / 12) % 2) * 2.0
    swung = Played(np.sort(straight.ticks + late), TICK_MS, DRUMS)
    assert figures(swung)["onset_ms"] == pytest.approx(figures(straight)["onset_ms"], rel=0.1)


def test_what_the_grid_took_is_given_back():
    played = [eighths(800, DRUMS, spread_ticks=0.8, chord_ticks=0.3, seed=seed) for seed in range(3)]
    kept = json.loads(json.dumps(measure(played, played)))
    rows = compare(played, Timing.from_json(kept))
    assert rows["on the grid"]["tick within_ms"] == 0.0
    for name in ("tick within_ms", "together_ms", "onset_ms"):
        assert rows["loosened"][name] == pytest.approx(rows["played"][name], rel=0.2)
    assert rows["as a hand"]["onset_ms"] == pytest.approx(rows["played"]["onset_ms"], rel=0.2)


def test_hits_that_share_a_deviation_are_seen_to():
    apart, shared = (eighths(500, DRUMS, spread_ticks=0.2, chord_ticks=by) for by in (0.2, 0.02))
    assert within_ticks([apart])["together"] < 0.7 < within_ticks([shared])["together"]


def write_song(folder, name, ticks):
    (folder / name).mkdir(parents=True)
    notes = NoteArray.from_notes(Note(int(at), 200, 60 + n % 3, 80) for n, at in enumerate(ticks))
    midi.write(folder / name / f"{name}.mid", Score((Part("PIANO", notes),), TempoMap(480, ((0, 120.0),))))
    beats = "\n".join(f"{0.5 * beat} 0.0 {float(beat % 4 == 0)}" for beat in range(200))
    (folder / name / "beat_midi.txt").write_text(beats, encoding="utf-8")


def test_only_pianos_that_were_played_count(tmp_path):
    random = np.random.default_rng(0)
    grid = np.repeat(240 * np.arange(2, 300), 3)
    played = grid + random.normal(0, 10, len(grid))
    write_song(tmp_path, "typed", grid)
    write_song(tmp_path, "played", np.sort(played))
    write_song(tmp_path, "astray", np.sort(random.uniform(480, 70_000, len(grid))))
    assert [name for name, _ in pianists(tmp_path)] == ["played"]


def test_the_command_prints_both_and_keeps_the_table(tmp_path, monkeypatch, capsys):
    grooves = groove_set(tmp_path / "grooves")
    random = np.random.default_rng(0)
    for number in range(4):
        ticks = np.repeat(240 * np.arange(2, 300), 2)
        write_song(tmp_path / "songs", f"s{number}", np.sort(ticks + random.normal(0, 10, len(ticks))))
    monkeypatch.setattr(timing, "drummers", lambda *_: [eighths(200, DRUMS, spread_ticks=0.5)])
    monkeypatch.setattr(assets, "path", lambda name: tmp_path / name)
    assert timing.main([str(tmp_path / "songs"), str(grooves)]) == 0
    assert not (tmp_path / TABLE).exists()
    assert timing.main([str(tmp_path / "songs"), str(grooves), "--write"]) == 0
    printed = capsys.readouterr().out
    assert "drums, 1 held out" in printed
    assert "piano, 2 held out" in printed
    assert Timing.from_json(json.loads((tmp_path / TABLE).read_text())).note_ms > 0


def test_what_a_partner_strikes_is_loose(monkeypatch):
    class Eighths:
        def plan(self, request):
            ticks = range(-(-request.from_tick // 12) * 12, request.until_tick, 12)
            notes = [PlannedNote(tick, 6, pitch, 80, part) for tick in ticks for pitch, part in STRUCK]
            return Plan(request.number, request.from_tick, request.until_tick, tuple(notes))

    monkeypatch.setattr("studio.partners.load_partner", lambda *_: Partner("eighths", Eighths()))
    found = timing.partner_plays("eighths")
    assert set(found) == {PIANO, DRUMS}
    drums, piano = (timing.told(found[part], is_drums=part == DRUMS) for part in (DRUMS, PIANO))
    assert drums["tick within_ms"] > 3.0
    assert "tick within_ms" not in piano
    assert 0.4 * measured().onset_ms < piano["onset_ms"] < 1.3 * measured().onset_ms
    assert piano["together_ms"] == pytest.approx(measured().note_ms, rel=0.3)


def test_drummers_are_read_with_their_fractions(tmp_path):
    found = timing.drummers(groove_set(tmp_path / "grooves"), "train")
    assert found
    assert all(one.instrument == DRUMS and len(one.ticks) for one in found)


def test_the_shipped_table_holds_chances():
    table = measured()
    for chances in (table.start, table.following, table.together):
        assert chances.sum(axis=-1) == pytest.approx(1.0, abs=0.01)
    assert 5.0 < table.onset_ms < 25.0 > table.note_ms > 2.0
