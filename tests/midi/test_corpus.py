"""Folders of MIDI files become corpora: what is used, what is refused, and where every note lands."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

import midi
from midi import Note, NoteArray, Part, Score, TempoMap, TimeSignature, UserError, corpus, intake
from midi.corpus import Corpus, CorpusPart, build_corpus, guess_lead, song_events, split_of
from midi.events import DRUMS, INSTRUMENT_NAMES, Role, sort_events


def tune(seed=0, n=64, low=60, step=240):
    rng = np.random.default_rng(seed)
    pitches = low + rng.choice([0, 2, 4, 5, 7, 9, 11], n)
    return [Note(step * i, step, int(p), 80) for i, p in enumerate(pitches)]


def song(seed=0, tempi=((0, 120.0),), metres=(), extra=()):
    parts = (
        Part("MELODY", NoteArray.from_notes(tune(seed, low=72))),
        Part("PIANO", NoteArray.from_notes(tune(seed + 1000, low=48))),
        *extra,
    )
    return Score(parts, TempoMap(480, tempi), metres or (TimeSignature(),))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "songs"
    (folder / "more").mkdir(parents=True)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "corpus"


def annotate(folder, beats_s, downbeat_every=4, text=None):
    lines = [f"{t:.6f} 0.0 {float(i % downbeat_every == 0)}" for i, t in enumerate(beats_s)]
    (folder / intake.BEAT_SIDECAR).write_text("\n".join(lines) if text is None else text)


def test_notes_come_back_by_onset_from_the_memory_map(source, out):
    midi.write(source / "a.mid", song())
    made = build_corpus(source, out)
    opened = Corpus(out)
    assert opened.songs == made.songs
    assert opened.digest == made.digest
    assert opened.report.notes == 128
    (one,) = opened.songs
    notes = opened.notes(one)
    assert isinstance(notes.base, np.memmap)
    assert not notes.flags.writeable
    assert (np.diff(notes["onset_ticks"]) >= 0).all()
    melody = notes[notes["part"] == one.lead]
    assert melody["pitch"].tolist() == [n.pitch for n in tune(0, low=72)]
    assert melody["onset_ticks"].tolist() == [12 * i for i in range(64)]
    assert set(melody["duration_ticks"]) == {12}
    assert (one.name, one.seconds, one.bpm, one.bars) == ("a.mid", 16.0, 120.0, ((0, 96),))
    assert [p.name for p in one.parts] == ["MELODY", "PIANO"]


def test_the_same_music_under_another_name_is_taken_once(source, out):
    midi.write(source / "a.mid", song())
    midi.write(source / "more" / "b.MID", song())
    midi.write(source / "c.midi", song(1))
    found = build_corpus(source, out)
    assert [s.name for s in found.songs] == ["a.mid", "c.midi"]
    assert found.report.duplicates == {"more/b.MID": "a.mid"}


def test_the_split_goes_by_content_and_never_moves(source, out, tmp_path):
    for i in range(30):
        midi.write(source / f"{i:02}.mid", song(i))
    before = {s.digest: s.split for s in build_corpus(source, out).songs}
    for i in range(0, 30, 2):
        (source / f"{i:02}.mid").rename(source / "more" / f"x{i}.mid")
    after = {s.digest: s.split for s in build_corpus(source, tmp_path / "again").songs}
    assert before == after
    assert {split_of(digest) for digest in ("00000000", "00000001", "00000013")} == {"test", "valid", "train"}
    assert all(split == split_of(digest) for digest, split in before.items() if split != "valid")


@pytest.mark.parametrize("n", [2, 3, 5])
def test_tiny_folders_hold_out_a_song(source, out, n):
    for i in range(n):
        midi.write(source / f"{i}.mid", song(i))
    found = build_corpus(source, out)
    assert len(found.split("valid")) >= 1
    assert len(found.split("train")) >= 1
    assert len({s.digest for s in found.songs}) == n


def test_a_single_song_is_used(source, out):
    midi.write(source / "a.mid", song())
    assert build_corpus(source, out).report.used == 1


def test_every_file_is_accounted_for(source, out, monkeypatch):
    midi.write(source / "good.mid", song())
    whole = (source / "good.mid").read_bytes()
    (source / "text.mid").write_text("Dear diary, today I wrote no music.")
    (source / "empty.mid").write_bytes(b"")
    (source / "silent.mid").write_bytes(midi.score_to_bytes(Score(())))
    (source / "cut.mid").write_bytes(midi.score_to_bytes(song(1))[:-60])
    (source / "large.mid").write_bytes(whole + bytes(5000))
    (source / "gone.mid").symlink_to(source / "nowhere.mid")
    (source / "notes.txt").write_text("not a MIDI file, and does not say so")
    monkeypatch.setattr(intake, "MAX_FILE_BYTES", 3000)
    told = []
    report = build_corpus(source, out, on_file=lambda done, total: told.append((done, total))).report
    assert told == [(i, 7) for i in range(1, 8)]
    assert report.used == 2
    assert set(report.refused) == {"text.mid", "empty.mid", "silent.mid", "large.mid", "gone.mid"}
    assert "empty" in report.refused["empty.mid"]
    assert "no notes" in report.refused["silent.mid"]
    assert "larger" in report.refused["large.mid"]
    assert "can't be read" in report.refused["gone.mid"]
    assert set(report.repaired) == {"cut.mid"}
    assert "broken off" in report.repaired["cut.mid"]


def test_data_bytes_out_of_range_are_mended_and_reported(source, out):
    data = midi.score_to_bytes(song())
    at = data.index(bytes([0x90, tune(low=72)[0].pitch]))
    (source / "a.mid").write_bytes(data[: at + 2] + b"\xff" + data[at + 3 :])
    report = build_corpus(source, out).report
    assert "clamped" in report.repaired["a.mid"]


def test_names_in_other_encodings_are_no_obstacle(source, out):
    data = midi.score_to_bytes(song()).replace(b"PIANO", b"PI\xc4\xffO")
    (source / "a.mid").write_bytes(data)
    assert len(build_corpus(source, out).songs[0].parts) == 2


def test_endless_pieces_are_refused(source, out):
    late = Part("late", NoteArray.from_notes([Note(0, 10, 60), Note(480 * 60 * 60 * 24 * 3, 10, 60)]))
    midi.write(source / "a.mid", Score((late,)))
    with pytest.raises(UserError, match="hours"):
        build_corpus(source, out)
    assert not out.exists()


def test_nothing_usable_says_why(source, out):
    with pytest.raises(UserError, match="no MIDI files"):
        build_corpus(source, out)
    with pytest.raises(UserError, match="not a folder"):
        build_corpus(source / "none", out)
    (source / "a.mid").write_text("no")
    with pytest.raises(UserError, match="None of the 1"):
        build_corpus(source, out)
    assert not out.exists()


def test_changes_of_tempo_count_in_seconds_and_mean_tempo(source, out):
    midi.write(source / "a.mid", song(tempi=((0, 120.0), (7680, 60.0))))
    (one,) = build_corpus(source, out).songs
    assert one.seconds == pytest.approx(16 * 0.5 + 16 * 1.0)
    assert one.bpm == pytest.approx(32 / 24 * 60, abs=0.01)


def test_changes_of_metre_become_bars(source, out):
    midi.write(source / "a.mid", song(metres=(TimeSignature(), TimeSignature(3840, 3, 4))))
    assert build_corpus(source, out).songs[0].bars == ((0, 96), (192, 72))


def test_annotated_beats_warp_the_notes_onto_the_grid(source, out):
    # Played at 120 bpm by the file, but the music slows down: every beat is a tenth longer than the last.
    beats_s = 0.35 + np.concatenate([[0.0], np.cumsum(0.4 * 1.02 ** np.arange(39))])
    notes = [Note(round(t * 960), 200, 60 + i % 7) for i, t in enumerate(beats_s)]
    midi.write(source / "more" / "a.mid", Score((Part("", NoteArray.from_notes(notes)),)))
    annotate(source / "more", beats_s, downbeat_every=3)
    (one,) = (found := build_corpus(source, out)).songs
    assert found.notes(one)["onset_ticks"].tolist() == [24 * i for i in range(40)]
    assert one.bars == ((0, 72),)
    assert one.bpm == pytest.approx(60 * 39 / (beats_s[-1] - beats_s[0]), abs=0.01)


def test_beyond_the_annotation_the_outer_beats_go_on(source, out):
    notes = [Note(round(t * 960), 100, 60) for t in (0.0, 1.0, 1.5, 9.5, 10.0)]
    midi.write(source / "a.mid", Score((Part("", NoteArray.from_notes(notes)),)))
    annotate(source, 1.0 + 0.5 * np.arange(16))
    (one,) = (found := build_corpus(source, out)).songs
    assert found.notes(one)["onset_ticks"].tolist() == [-48, 0, 24, 17 * 24, 18 * 24]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 0 1\n1 0 0",
        "a b c\n" * 20,
        "0 0 1\n" * 20,
        "1 2\n" * 20,
        "0 0 1 2\n1 0\n" * 20,
        "nan 0 1\n" * 20,
    ],
)
def test_an_unusable_annotation_leaves_the_file_its_own_ticks(source, out, text):
    midi.write(source / "a.mid", song())
    annotate(source, [], text=text)
    (one,) = (found := build_corpus(source, out)).songs
    assert found.notes(one)["onset_ticks"][-1] == 63 * 12


def test_files_beside_the_grid_are_laid_on_it_and_reported(source, out):
    parts = tuple(
        Part(p.name, p.notes.with_ticks(p.notes.onset_ticks + 50, p.notes.duration_ticks))
        for p in song().parts
    )
    midi.write(source / "a.mid", Score(parts))
    found = build_corpus(source, out)
    assert set((found.notes(found.songs[0])["onset_ticks"] % 6).tolist()) == {0}
    assert "fall on the grid" in found.report.settled["a.mid"]


def test_drums_are_mapped_and_unknown_ones_left_out(source, out):
    kit = [Note(0, 10, 36, 90, 9), Note(240, 10, 22, 90, 9), Note(480, 10, 120, 90, 9)]
    drums = Part("kit", NoteArray.from_notes(kit), is_drum=True)
    nothing = Part("odd", NoteArray.from_notes([Note(0, 10, 3, 90, 9)]), is_drum=True)
    bass = Part("bass", NoteArray.from_notes([Note(0, 480, 36, 80, 3)]), program=33)
    midi.write(source / "a.mid", song(extra=(nothing, drums, bass)))
    (one,) = (found := build_corpus(source, out)).songs
    notes = found.notes(one)
    kit_index = next(i for i, part in enumerate(one.parts) if part.instrument == DRUMS)
    assert notes["pitch"][notes["part"] == kit_index].tolist() == [36, 42]
    assert [p.notes for p in one.parts] == np.bincount(notes["part"]).tolist()
    assert notes["pitch"][notes["part"] == [p.name for p in one.parts].index("bass")].tolist() == [36]


def test_a_file_of_unknown_drums_alone_is_refused(source, out):
    midi.write(source / "b.mid", song())
    odd = Part("odd", NoteArray.from_notes([Note(0, 10, 3, 90, 9)]), is_drum=True)
    midi.write(source / "a.mid", Score((odd,)))
    assert "drums" in build_corpus(source, out).report.refused["a.mid"]


def test_parts_get_an_instrument_by_name_where_asked(source, out):
    midi.write(source / "a.mid", song(extra=(Part("BRIDGE", NoteArray.from_notes(tune(5))),)))
    by_default = build_corpus(source, out).songs[0]
    assert by_default.parts[2].instrument == INSTRUMENT_NAMES.index("strings")
    assert build_corpus(source, out, instruments={"PIANO": 3}).songs[0].parts[1].instrument == 3


def test_the_health_report_counts_what_is_there(source, out):
    for i in range(3):
        midi.write(source / f"{i}.mid", song(i, tempi=((0, 100.0 + 10 * i),)))
    report = build_corpus(source, out).report
    assert (report.used, report.notes, report.parts) == (3, 384, 6)
    assert report.tempi_bpm == pytest.approx((100.0, 110.0, 120.0), abs=0.01)
    assert report.minutes == pytest.approx(32 / 100 + 32 / 110 + 32 / 120, abs=0.01)
    assert sum(report.splits.values()) == 3
    assert report.instruments == {"0": 6}
    assert sum(report.pitch_classes) == pytest.approx(1, abs=0.01)
    assert report.pitch_classes[1] == 0
    assert sum(report.keys.values()) == 3
    assert json.loads((out / "corpus.json").read_text())["report"]["keys"] == report.keys


def test_keys_are_estimated_without_the_drums(source, out):
    scale = [
        Note(480 * i, 480 * (3 if p in (60, 67) else 1), p)
        for i, p in enumerate((60, 62, 64, 65, 67, 69, 71) * 4)
    ]
    hits = [Note(60 * i, 30, 42, 80, 9) for i in range(300)]
    parts = (Part("a", NoteArray.from_notes(scale)), Part("k", NoteArray.from_notes(hits), is_drum=True))
    midi.write(source / "a.mid", Score(parts))
    assert build_corpus(source, out).songs[0].key == "C major"


@pytest.mark.parametrize(
    ("parts", "lead"),
    [
        ([("Piano", 0, 99, 40.0), ("Vocals", 0, 9, 60.0)], 1),
        ([("a", 0, 99, 40.0), ("b", 0, 99, 70.0), ("c", DRUMS, 99, 90.0)], 1),
        ([("a", 0, 99, 40.0), ("b", 0, 3, 90.0)], 0),
        ([("kit", DRUMS, 99, 40.0)], 0),
    ],
)
def test_the_lead_is_named_so_or_the_highest(parts, lead):
    assert guess_lead(tuple(CorpusPart(*part) for part in parts)) == lead


class TestDiskFaults:
    def test_a_full_disk_leaves_the_older_corpus_whole(self, source, out, monkeypatch):
        midi.write(source / "a.mid", song())
        older = build_corpus(source, out)
        midi.write(source / "b.mid", song(1))

        def full(self, *_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_text", full)
            with pytest.raises(UserError, match="No space left"):
                build_corpus(source, out)
        assert sorted(p.name for p in out.iterdir()) == ["corpus.json", "notes.npy"]
        assert Corpus(out).digest == older.digest

    def test_a_folder_that_is_a_file_is_said(self, source, tmp_path):
        midi.write(source / "a.mid", song())
        (tmp_path / "taken").write_text("")
        with pytest.raises(UserError, match="cannot be written"):
            build_corpus(source, tmp_path / "taken")

    def test_no_corpus_and_damaged_ones_are_told_apart(self, source, out):
        with pytest.raises(UserError, match="holds no corpus"):
            Corpus(out)
        midi.write(source / "a.mid", song())
        build_corpus(source, out)
        index = (out / "corpus.json").read_text()
        for damaged in ("{", "{}", index[:200]):
            (out / "corpus.json").write_text(damaged)
            with pytest.raises(UserError, match="damaged"):
                Corpus(out)
        (out / "corpus.json").write_text(index)
        np.save(out / "notes.npy", np.zeros(3, dtype=corpus.GRID_NOTE))
        with pytest.raises(UserError, match="not whole"):
            Corpus(out)


class TestSongEvents:
    @pytest.fixture
    def made(self, source, out):
        kit = Part("kit", NoteArray.from_notes([Note(0, 10, 36, 90, 9)]), is_drum=True)
        high = Part("high", NoteArray.from_notes([Note(0, 960, 126), Note(960, 240, 2)]))
        midi.write(source / "a.mid", song(extra=(kit, high)))
        found = build_corpus(source, out)
        return found.notes(found.songs[0]), found.songs[0]

    def test_the_human_is_late_and_releases_long_notes(self, made):
        notes, one = made
        high = [p.name for p in one.parts].index("high")
        events = song_events(notes, one, {high}, lag_ticks=7)
        human = events[events["role"] == Role.HUMAN]
        assert (human["ticks"] - human["onset_ticks"]).tolist() == [7, 7]
        release = events[events["role"] == Role.RELEASE]
        assert release[["onset_ticks", "ticks", "pitch"]].tolist() == [(48, 55, 126)]
        partner = events[events["role"] == Role.PARTNER]
        assert np.array_equal(partner["ticks"], partner["onset_ticks"])
        assert len(human) + len(partner) == len(notes)

    @pytest.mark.parametrize("transpose", [-6, -1, 0, 1, 2, 6])
    def test_transposition_leaves_out_what_would_leave_the_keyboard(self, made, transpose):
        notes, one = made
        events = song_events(notes, one, set(), transpose=transpose)
        pitches = sort_events(events)["pitch"]
        assert pitches.min() >= 0
        assert pitches.max() <= 127
        gone = (126 + transpose > 127) + (2 + transpose < 0)
        assert len(events) == len(notes) - gone

    def test_drums_never_move(self, made):
        notes, one = made
        events = song_events(notes, one, set(), transpose=5)
        assert events["pitch"][events["instrument"] == DRUMS].tolist() == [36]
