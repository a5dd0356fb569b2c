from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import midi
from midi.clock import TempoMap
from midi.corpus import build_corpus
from midi.errors import UserError
from midi.events import BarGrid, Role, vocabulary_hash
from midi.note import Note, NoteArray, Part, Score
from models.sequence.harmony import read_chords
from models.sequence.plan import Plan, PlannedNote, PlanRequest
from studio import evaluate, listening
from studio.evaluate import EvalMusicOptions, eval_music
from studio.listening import Excerpt
from studio.live.planner import PlannerSpec
from studio.rehearsal import LiveRun, key_inputs, perform_runs, play_run

BAR = 96
SCALE = (0, 2, 4, 5, 7, 9, 11)


def notes(*rows: tuple[int, int, int]) -> NoteArray:
    return NoteArray.from_notes(Note(*row) for row in rows)


def song_notes(seed: int, bars: int) -> tuple[NoteArray, NoteArray]:
    """A melody and block chords over I-vi-IV-V in a key of the seed's choice, ticks on the grid."""
    rng = np.random.default_rng(seed)
    tonic = 60 + int(rng.integers(-5, 6))
    melody, chords = [], []
    for bar in range(bars):
        degree = (0, 5, 3, 4)[bar % 4]
        tones = [tonic - 12 + SCALE[(degree + step) % 7] + 12 * ((degree + step) // 7) for step in (0, 2, 4)]
        hits = (0, 48) if rng.random() < 0.5 else (0, 24, 48, 72)
        chords += [(bar * BAR + at, 40 if len(hits) == 2 else 20, tone) for at in hits for tone in tones]
        melody += [(bar * BAR + 24 * beat, 22, tones[int(rng.integers(3))] + 12) for beat in range(4)]
    return notes(*melody), notes(*chords)


def excerpt(seed: int, bars: int = 8) -> Excerpt:
    melody, chords = song_notes(seed, bars)
    return Excerpt(f"{seed}.mid", BAR, bars, 120.0, melody, chords, (0,))


class ListeningPlanner:
    """Doubles the last note it has heard, an octave lower, on every beat; deaf, it plays F#."""

    def plan(self, request: PlanRequest) -> Plan:
        heard = request.context[request.context[:, 1] == Role.HUMAN]
        can_hear = request.steering.hears_human and len(heard) > 0
        pitch = int(heard[-1, 3]) - 12 if can_hear else 54
        first = -(-request.from_tick // 24) * 24
        planned = tuple(PlannedNote(t, 22, pitch, 70, 0) for t in range(first, request.until_tick, 24))
        return Plan(request.number, request.from_tick, request.until_tick, planned, compute_s=0.02)


LISTENER = PlannerSpec("tests.studio.test_evaluate:ListeningPlanner")


@pytest.fixture(scope="module", autouse=True)
def splits():
    with pytest.MonkeyPatch.context() as patch:
        thirds = ("test", "valid", "train")
        patch.setattr("midi.corpus.split_of", lambda digest: thirds[int(digest[:8], 16) % 3])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Little songs, a third of them held out for testing."""
    source = tmp_path_factory.mktemp("songs")
    for seed in range(18):
        melody, chords = song_notes(seed, 10)
        parts = (Part("MELODY", scaled(melody)), Part("PIANO", scaled(chords)))
        midi.write(source / f"{seed}.mid", Score(parts, TempoMap(480, ((0, 100.0),))))
    return source


def scaled(array: NoteArray) -> NoteArray:
    return array.with_ticks(array.onset_ticks * 20, array.duration_ticks * 20)


class TestExcerpts:
    def test_held_out_songs_moved_to_tick_zero(self, folder, tmp_path):
        corpus = build_corpus(folder, tmp_path / "corpus")
        held_out = {song.name for song in corpus.split("test")}
        found = listening.excerpts(corpus, "test", songs=99, bars=8, seed=0)
        assert len(held_out) >= 2
        assert {e.name for e in found} == held_out
        for one in found:
            assert one.melody.onset_ticks.min() == 0
            assert one.melody.end_ticks() <= one.until_tick == 8 * BAR
            assert one.accompaniment.end_ticks() <= one.until_tick
            assert listening.figures(one, one.accompaniment)["note_in_chord"] == 1.0
        assert len(listening.excerpts(corpus, "test", songs=1, bars=8, seed=0)) == 1
        assert listening.excerpts(corpus, "test", songs=9, bars=11, seed=0) == []

    def test_uneven_bars_are_passed_over(self):
        grid = BarGrid(((0, 96), (96, 48), (144, 96)))
        onsets = np.array([0, 100, 150, 250], dtype=np.int32)
        assert listening._steady_place(grid, 0, 500, onsets, 2) == (144, 96)
        assert listening._steady_place(grid, 0, 500, onsets, 1) == (0, 96)
        # A bar without melody does not open an excerpt.
        assert listening._steady_place(grid, 0, 500, onsets[3:], 2) == (240, 96)

    def test_annotated_chords_follow_the_beats(self, tmp_path):
        (tmp_path / "beat_midi.txt").write_text(
            "".join(f"{0.5 + 0.6 * i} 1 {i % 4 == 0:d}\n" for i in range(16))
        )
        (tmp_path / "chord_midi.txt").write_text(
            "0.5\t1.7\tC:maj\n1.7\t2.9\tA:min\n2.9\t4.1\tnonsense\n4.1\t5.3\tN\n"
        )
        spans = read_chords(tmp_path / "1.mid", 24, 168)
        assert [(s.from_tick, s.until_tick) for s in spans] == [(0, 24), (24, 72), (72, 120), (120, 144)]
        assert spans[0].pitch_classes == {0, 4, 7}
        assert spans[1].pitch_classes == {9, 0, 4}
        assert spans[2].pitch_classes == spans[3].pitch_classes == frozenset()
        assert read_chords(tmp_path / "elsewhere" / "1.mid", 0, 96) == ()
        (tmp_path / "chord_midi.txt").write_text("what is this")
        assert read_chords(tmp_path / "1.mid", 0, 96) == ()


class TestOtherSongs:
    def test_moved_to_the_same_key_the_short_way(self):
        songs = [excerpt(seed) for seed in range(6)]
        for index, here in enumerate(songs):
            others = listening.other_accompaniments(index, songs, seed=0)
            assert len(others) == listening.N_OTHERS
            for other in others:
                # All songs play the same progression, so in the same key they sound the same classes.
                assert set((other.pitch % 12).tolist()) <= set((here.accompaniment.pitch % 12).tolist())
                assert other.pitch.min() >= 40

    def test_no_song_of_the_metre_means_no_figures(self):
        waltz = replace(excerpt(1), bar_ticks=72)
        got = listening.other_song_figures(0, [waltz, excerpt(2)], seed=0)
        assert all(np.isnan(value) for value in got.values())

    def test_transposition_from_a_tick_on_drops_what_leaves_the_keyboard(self):
        got = listening.transposed(notes((0, 10, 120), (20, 10, 60), (30, 10, 125)), 6, from_tick=20)
        assert got.pitch.tolist() == [120, 66]

    def test_tritone_goes_towards_the_middle(self):
        low, high = (replace(excerpt(1), melody=notes((0, 90, p), (96, 90, p))) for p in (60, 75))
        assert listening.tritone_melody(low, 1).pitch.tolist() == [60, 66]
        assert listening.tritone_melody(high, 1).pitch.tolist() == [75, 69]


class TestVerdicts:
    def rows(self, **means):
        rng = np.random.default_rng(0)
        base = dict.fromkeys(listening.FIGURES, 0.5)
        return {
            row: [
                {name: value + rng.normal(0, 0.01) for name, value in (base | change).items()}
                for _ in range(20)
            ]
            for row, change in means.items()
        }

    def test_better_and_apart_is_a_win_on_both_scales(self):
        good = {"consonance_rate": 0.9, "note_in_chord": 0.9, "distance": 0.1}
        got = listening.verdicts(self.rows(partner=good, other_song={}, deaf={}, rules={}), seed=0)
        assert got["listens"]
        assert got["is_close"]
        assert got["deaf"]["consonance_rate"]["beats_paired"]
        assert got["rules"]["distance"]["difference"]["mean"] == pytest.approx(-0.4, abs=0.02)
        assert not got["deaf"]["onset_jsd"]["beats"]

    def test_worse_or_equal_is_none(self):
        got = listening.verdicts(
            self.rows(partner={}, other_song={}, deaf={"distance": 0.2}, rules={}), seed=0
        )
        assert not got["listens"]
        assert not got["is_close"]
        assert not got["deaf"]["distance"]["beats"]

    def test_summary_is_json_with_null_for_the_unknown(self):
        rows = self.rows(partner={"chord_tone_rate": float("nan")})
        text = json.dumps(listening.summary(rows, seed=0), allow_nan=False)
        assert json.loads(text)["partner"]["chord_tone_rate"]["mean"] is None


class TestRehearsal:
    def run(self, **changes) -> LiveRun:
        song = excerpt(3)
        return LiveRun("partner", song.melody, song.grid, 120.0, song.until_tick, **changes)

    def test_keys_come_in_order_releases_first(self):
        got = key_inputs(notes((0, 24, 60), (24, 24, 60)), lambda tick: tick / 48)
        assert [type(item).__name__ for item in got] == ["KeyDown", "KeyUp", "KeyDown", "KeyUp"]
        assert [item.time_s for item in got] == [0.0, 0.5, 0.5, 1.0]

    def test_the_partner_follows_what_it_hears(self):
        hears = play_run(self.run(), ListeningPlanner(), 0.05)
        deaf = play_run(self.run(hears_human=False), ListeningPlanner(), 0.05)
        melody_classes = set((excerpt(3).melody.pitch % 12).tolist())
        late = hears.notes.onset_ticks >= 2 * BAR
        assert set((hears.notes.pitch[late] % 12).tolist()) <= melody_classes
        assert set(deaf.notes.pitch[deaf.notes.onset_ticks >= 2 * BAR].tolist()) == {54}
        assert hears.counts.scheduled_in_past == 0
        assert hears.notes.end_ticks() <= 8 * BAR

    def test_rules_play_without_a_model(self):
        got = play_run(self.run(has_model=False), ListeningPlanner(), 0.05)
        assert len(got.notes) > 8
        assert got.compute_s == ()

    def test_processes_change_nothing(self):
        runs = [self.run(seed=1), self.run(hears_human=False)]
        told: list[tuple[int, int]] = []
        alone = perform_runs(runs, LISTENER, latency_s=0.05, on_run=lambda *done: told.append(done))
        assert told == [(1, 2), (2, 2)]
        together = perform_runs(runs, LISTENER, latency_s=0.05, jobs=2)
        assert [p.notes for p in together] == [p.notes for p in alone]

    def test_adaptation_curve_falls_and_recovers(self):
        songs = [excerpt(seed) for seed in range(3)]
        runs = [run for i, song in enumerate(songs) for run in evaluate.live_runs(song, 4, i)]
        played = perform_runs(runs, LISTENER, latency_s=0.02)
        by_kind = {
            k: [p.notes for p, r in zip(played, runs, strict=True) if r.kind == k]
            for k in ("partner", "tritone")
        }
        got = listening.adaptation(songs, by_kind["tritone"], by_kind["partner"], 4)
        assert got["bars"] == [-4, -3, -2, -1, 0, 1, 2, 3]
        assert got["bars_to_recover"] in {0, 1}
        assert np.mean(got["unadapted"][5:]) < np.mean(got["consonance"][5:]) - 0.2
        assert got["consonance"][:4] == got["untransposed"][:4]


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    import torch

    from models.bundle import write_bundle
    from models.sequence.network import EventModel, EventModelConfig, TrunkConfig

    home = tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    config = EventModelConfig(TrunkConfig(width=16, layers=1, heads=2, context=512), head_width=16)
    fields = {
        "name": "tiny", "version": "0.1.0", "kinds": {"in": "notes", "out": "notes"},
        "architecture": "event-rows",
        "config": config.to_dict(), "vocabulary_hash": vocabulary_hash(), "licence": "Apache-2.0",
    }  # fmt: skip
    write_bundle(home / "tiny", fields, EventModel(config).state_dict(), "A tiny model.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_HOME", str(home))
        patch.setattr(evaluate, "PLAYER", "tests.studio.test_evaluate:listener")
        told: list[str] = []

        def tell(what: str, done: int, total: int) -> None:
            assert 0 <= done <= total
            told.append(what)

        options = EvalMusicOptions(
            model=str(home / "tiny"), folder=folder, songs=3, bars=6, plan_latency_ms=20.0, windows=4
        )
        data = eval_music(options, tell)
        again = eval_music(replace(options, with_nll=False, repeats=2), None)
    return data, again, told


def listener(_bundle: str) -> ListeningPlanner:
    return ListeningPlanner()


class TestEvalMusic:
    def test_the_contract_keys_are_there_and_it_is_json(self, report):
        data, _, told = report
        assert {"nll_nats_per_note", "fields", "baselines", "harmony", "songs"} <= data.keys()
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert {"Reading files", "Likelihood", "Playing along"} <= set(told)

    def test_an_untrained_network_is_worse_than_the_baselines(self, report):
        data, _, _ = report
        assert set(data["baselines"]) == {"unigram", "repeat_last_bar"}
        assert data["nll_nats_per_note"] > data["baselines"]["unigram"]["nll_nats_per_note"]
        assert set(data["fields"]) == set(data["baselines"]["unigram"]["fields"])
        repeated = data["baselines"]["repeat_last_bar"]["nll_nats_per_note"]
        assert repeated < data["baselines"]["unigram"]["nll_nats_per_note"]

    def test_a_partner_that_listens_is_told_from_one_that_does_not(self, report):
        data, _, _ = report
        rows = data["rows"]
        assert set(rows) == {"partner", "deaf", "rules", "other_song", "truth"}
        assert rows["truth"]["distance"]["mean"] == 0.0
        assert rows["truth"]["note_in_chord"]["mean"] == 1.0
        assert rows["partner"]["consonance_rate"]["mean"] > rows["deaf"]["consonance_rate"]["mean"]
        assert data["harmony"]["consonance_rate"] == rows["partner"]["consonance_rate"]["mean"]
        assert data["live"]["partner"]["isr"] > 0.9
        assert data["live"]["partner"]["scheduled_in_past"] == 0
        assert data["verdicts"]["deaf"]["consonance_rate"]["beats_paired"]

    def test_the_same_seed_gives_the_same_figures(self, report):
        data, again, _ = report
        assert {name: again[name] for name in ("rows", "verdicts", "adaptation")} == {
            name: data[name] for name in ("rows", "verdicts", "adaptation")
        }

    def test_the_partner_alone_plays_several_times(self, report):
        _, again, _ = report
        notes, twice = (
            {kind: row["partner_notes"] for kind, row in each["live"].items()} for each in report[:2]
        )
        assert twice == notes | {"partner": 2 * notes["partner"]}
        assert "3 songs, 2 times" in "\n".join(evaluate.report_lines(again))
        assert again["nll_nats_per_note"] is None

    def test_a_missing_folder_is_one_sentence(self, tmp_path):
        with pytest.raises(UserError, match="no folder"):
            eval_music(EvalMusicOptions(model="m", folder=tmp_path / "nowhere"))

    def test_too_few_songs_are_refused(self, folder, tmp_path, monkeypatch):
        monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
        with pytest.raises(UserError, match="Fewer than two"):
            eval_music(EvalMusicOptions(model="m", folder=folder, bars=500, with_nll=False))

    def test_a_person_gets_tables(self, report):
        data, again, _ = report
        text = "\n".join(evaluate.report_lines(data))
        for word in (
            "repeat last bar",
            "other song",
            "truth",
            "beats deaf on: ",
            "tritone after 3 bars",
            "recovered",
        ):
            assert word in text
        assert f"{data['harmony']['consonance_rate']:.3f}" in text
        assert "nats a note" not in "\n".join(evaluate.report_lines(again))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    import torch

    from models.bundle import write_bundle
    from models.sequence.network import EventModel, EventModelConfig, TrunkConfig

    home = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = EventModelConfig(TrunkConfig(width=16, layers=1, heads=2, context=512), head_width=16)
    fields = {
        "name": "tiny", "version": "0.1.0", "kinds": {"in": "notes", "out": "notes"},
        "architecture": "event-rows", "data_digest": "of other files",
        "config": config.to_dict(), "vocabulary_hash": vocabulary_hash(), "licence": "Apache-2.0",
    }  # fmt: skip
    return write_bundle(
        home / "tiny" / "0.1.0", fields, EventModel(config).state_dict(), "A tiny model."
    ).path


@pytest.fixture(scope="module")
def quality(folder, tiny, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_HOME", str(home))
        # How it sounds is for test_listenpage.
        patch.setattr("studio.listenpage.write_sound", lambda _song, _notes, path: path.touch())
        options = EvalMusicOptions(
            model=str(tiny), folder=folder, songs=2, bars=4, plan_latency_ms=20.0, table="streammuse",
            listen=home / "page",
        )  # fmt: skip
        return eval_music(options, None), options


class TestTables:
    def test_table_distance_copies_and_page_come_of_one_set_of_performances(self, quality):
        data, options = quality
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert set(data["streammuse"]["rows"]) == {"live", "offline", "deaf", "rules", "other_song", "truth"}
        assert data["streammuse"]["rows"]["truth"]["onset_jsd"]["mean"] == 0.0
        assert 0 <= data["streammuse"]["rows"]["live"]["isr_w"]["mean"] <= 1
        assert set(data["frechet"]["rows"]) == {
            "live", "offline", "deaf", "rules", "other_song", "training_songs",
        }  # fmt: skip
        assert set(data["copied"]["rows"]) == {"live", "offline", "rules", "truth"}
        assert data["copied"]["is_training_data"] is False
        assert data["plan_ms"]["plans"] > 0
        assert (options.listen / "index.html").is_file()
        assert data["nll_nats_per_note"] is None

    def test_the_true_music_of_a_shared_progression_is_known_as_copied(self, quality):
        # All little songs play the same chords, so held-out truth stands in the training files.
        truth, live = (quality[0]["copied"]["rows"][row] for row in ("truth", "live"))
        assert truth["longest_notes"] > 9 > live["longest_notes"]
        assert truth["longest_bars"] > 1

    def test_lines_for_people(self, quality):
        text = "\n".join(evaluate.report_lines(quality[0]))
        for word in (
            "StreamMUSE offline",
            "0.821",
            "Fréchet",
            "not FMD",
            "training songs",
            "other files than",
        ):
            assert word in text
        assert "Listen: " in text

    @pytest.mark.slow
    def test_notes_do_not_depend_on_jobs(self, tiny):
        from studio.quality import play_all

        songs = [excerpt(1, 2), replace(excerpt(2, 2), bar_ticks=72)]
        spec = PlannerSpec(evaluate.PLAYER, (str(tiny),))
        made = [
            play_all(songs, spec, latency_ms=20.0, seed=1, jobs=jobs, with_offline=True, tell=lambda *_: None)
            for jobs in (1, 2)
        ]
        assert made[0].offline == made[1].offline
        assert made[0].rows(0)["live"] == made[1].rows(0)["live"]
        assert all(
            part.end_ticks() <= song.until_tick for part, song in zip(made[0].offline, songs, strict=True)
        )
        assert "other_song" not in made[0].rows(0)

    def test_copies_can_be_asked_for_beside_the_usual_figures(self, folder, tiny, tmp_path, monkeypatch):
        monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
        monkeypatch.setattr(evaluate, "PLAYER", "tests.studio.test_evaluate:listener")
        options = EvalMusicOptions(
            model=str(tiny),
            folder=folder,
            songs=2,
            bars=4,
            plan_latency_ms=20.0,
            with_nll=False,
            with_copying=True,
        )
        found = eval_music(options, None)
        assert set(found["copied"]["rows"]) == {"live", "truth"}
        assert "rows" in found

    def test_a_folder_with_other_things_is_refused_before_anything_is_played(self, folder, tiny, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(UserError, match="other files"):
            eval_music(EvalMusicOptions(model=str(tiny), folder=folder, listen=tmp_path), None)
