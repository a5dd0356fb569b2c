"""Songs become band scores: every derived part follows from what it was made of."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import midi
from midi.bars import BarGrid
from midi.clock import TempoMap
from midi.corpus import GRID_NOTE, Corpus, build_corpus
from midi.errors import UserError
from midi.events import DRUMS, INSTRUMENT_NAMES
from midi.note import DRUM_CHANNEL, Note, NoteArray, Part, Score
from models.sequence import band
from models.sequence.band import BAR, Arranger, Drummer, bass_line, pad_chords
from models.sequence.harmony import ChordSpan
from tests.models.pieces import groove_set, write_songs

BEAT = 24
MAJOR, MINOR = frozenset({0, 4, 7}), frozenset({9, 0, 4})


def table(rows: Iterable[tuple[int, ...]]) -> np.ndarray:
    """Grid notes of ``(onset, duration, pitch, velocity)``."""
    return np.array([(*row, 0) for row in rows], dtype=GRID_NOTE)


@pytest.fixture
def grooves(tmp_path: Path) -> Path:
    return groove_set(tmp_path / "groove")


class TestBass:
    def test_the_lowest_note_of_each_onset_is_taken_and_the_broken_chord_left(self) -> None:
        piano = table(
            [(0, 12, 36, 80), (0, 12, 60, 80), (12, 12, 43, 80), (24, 12, 48, 80), (48, 12, 41, 70)]
        )
        line = bass_line(piano, BarGrid())
        assert line[["onset_ticks", "pitch", "velocity"]].tolist() == [(0, 36, 80), (48, 41, 70)]

    def test_it_is_one_note_at_a_time_and_in_its_range(self) -> None:
        rng = np.random.default_rng(0)
        onsets = np.sort(rng.integers(0, 40 * BAR, 800))
        piano = table((int(t), int(rng.integers(1, 200)), int(rng.integers(21, 90)), 80) for t in onsets)
        line = bass_line(piano, BarGrid())
        ends = line["onset_ticks"] + line["duration_ticks"]
        assert (ends[:-1] <= line["onset_ticks"][1:]).all()
        assert (line["duration_ticks"] > 0).all()
        assert band.BASS_LOW <= line["pitch"].min() <= line["pitch"].max() <= band.BASS_HIGH
        heard = set(zip(piano["onset_ticks"].tolist(), (piano["pitch"] % 12).tolist(), strict=True))
        assert set(zip(line["onset_ticks"].tolist(), (line["pitch"] % 12).tolist(), strict=True)) <= heard

    def test_an_octave_in_the_piano_is_no_leap_in_the_bass(self) -> None:
        piano = table((bar * BAR, 48, 36 + 12 * (bar % 2), 80) for bar in range(6))
        assert set(bass_line(piano, BarGrid())["pitch"].tolist()) == {36}

    def test_a_piano_without_a_left_hand_has_none(self) -> None:
        assert len(bass_line(table([(0, 24, 72, 80)]), BarGrid())) == 0


class TestPad:
    def test_chords_are_closed_near_the_middle_and_soft(self) -> None:
        spans = [ChordSpan(i * BAR, (i + 1) * BAR, c) for i, c in enumerate([MAJOR, MINOR, MAJOR])]
        pad = pad_chords(spans, table([(0, 24, 60, 100)]))
        for bar, classes in enumerate((MAJOR, MINOR, MAJOR)):
            chord = pad[pad["onset_ticks"] == bar * BAR]
            assert {int(p) % 12 for p in chord["pitch"]} == classes
            assert np.ptp(chord["pitch"]) < 12
            assert abs(chord["pitch"].mean() - band.PAD_HOME) < 6
            assert set(chord["duration_ticks"].tolist()) == {BAR}
        assert set(pad["velocity"].tolist()) == {70}
        first, second = (set(pad["pitch"][pad["onset_ticks"] == bar * BAR].tolist()) for bar in (0, 1))
        assert len(first & second) == 2, "common tones stay"

    def test_equal_neighbours_are_one_chord_struck_again_after_two_bars(self) -> None:
        spans = [ChordSpan(i * BAR, (i + 1) * BAR, MAJOR) for i in range(3)]
        pad = pad_chords(spans, table([(0, 24, 60, 80)]))
        assert sorted(set(zip(pad["onset_ticks"].tolist(), pad["duration_ticks"].tolist(), strict=True))) == [
            (0, 2 * BAR), (2 * BAR, BAR),
        ]  # fmt: skip

    def test_no_chord_is_silence_and_a_ninth_has_four_voices(self) -> None:
        ninth = frozenset({0, 2, 4, 7, 10})
        spans = [ChordSpan(0, BAR, frozenset()), ChordSpan(BAR + 2, 2 * BAR - 3, ninth)]
        pad = pad_chords(spans, table([(0, 24, 60, 80)]))
        assert len(pad) == 4
        assert set(pad["onset_ticks"].tolist()) == {BAR}
        assert {int(p) % 12 for p in pad["pitch"]} < ninth
        assert len(pad_chords([], table([(0, 24, 60, 80)]))) == 0


class TestDrummer:
    def test_a_song_gets_a_near_tempo_of_its_own_split_and_always_the_same(
        self, grooves, monkeypatch
    ) -> None:
        monkeypatch.setattr(band, "MIN_CHOICE", 1)
        drummer = Drummer(grooves)
        chosen = [drummer.pick("0" * 8 + f"{n:08x}" + "0" * 48, "train", 100.0) for n in range(6)]
        assert {p.bpm for p in chosen} == {96.0, 104.0}
        assert drummer.pick("7" * 64, "train", 100.0) == drummer.pick("7" * 64, "train", 100.0)
        assert drummer.pick("7" * 64, "valid", 100.0).split == "validation"
        assert drummer.pick("7" * 64, "test", 240.0).split == "test"

    def test_other_metres_fills_styles_and_snatches_are_left_out(self, grooves) -> None:
        drummer = Drummer(grooves)
        picked = {drummer.pick(f"{n:064x}"[::-1], "train", 100.0).file.name for n in range(64)}
        assert not any(word in name for name in picked for word in ("waltz", "fill", "jazz", "short"))

    def test_bars_are_repeated_on_the_songs_bar_lines(self, grooves) -> None:
        drummer = Drummer(grooves)
        performance = drummer.pick("0" * 64, "train", 96.0)
        lines = [(10 + bar * BAR, BAR) for bar in range(9)] + [(10 + 9 * BAR, 30), (40 + 9 * BAR, BAR)]
        notes = drummer.play(performance, lines)
        snare = notes[notes["pitch"] == 38]
        at = {int(t) for t in snare["onset_ticks"]}
        assert {10 + BEAT, 10 + 3 * BEAT, 10 + 8 * BAR + 3 * BEAT, 40 + 9 * BAR + BEAT} <= at
        assert 10 + 9 * BAR + 3 * BEAT not in at, "the short bar is cut"
        assert set(snare["velocity"].tolist()) == {90, 91}
        assert set(notes["pitch"].tolist()) == {36, 38, 42}, "the kit's own keys become General MIDI's"

    def test_a_missing_set_is_a_sentence(self, tmp_path) -> None:
        with pytest.raises(UserError, match="Groove"):
            Arranger(tmp_path)
        (tmp_path / "info.csv").write_text("nothing\nhere\n")
        with pytest.raises(UserError, match="Groove"):
            Arranger(tmp_path)

    def test_a_split_without_performances_is_a_sentence(self, tmp_path) -> None:
        with pytest.raises(UserError, match="no test performances"):
            Drummer(groove_set(tmp_path / "g", splits=("train",))).pick("0" * 64, "test", 100.0)


class TestArranger:
    @pytest.fixture
    def arranged(self, tmp_path, grooves) -> tuple[Corpus, Corpus]:
        source = write_songs(tmp_path / "songs", 4, bars=12)
        for file in list(source.iterdir()):
            (source / file.stem).mkdir()
            file.rename(source / file.stem / file.name)
            lines = [f"{0.5 * i} 0 {float(i % 4 == 0)}" for i in range(49)]
            (source / file.stem / "beat_midi.txt").write_text("\n".join(lines))
            chords = [f"{2 * bar} {2 * bar + 2} {'C:maj' if bar % 2 else 'A:min7'}" for bar in range(12)]
            (source / file.stem / "chord_midi.txt").write_text("\n".join(chords))
        plain = build_corpus(source, tmp_path / "plain")
        return plain, build_corpus(source, tmp_path / "band", arrange=Arranger(grooves))

    def test_the_songs_own_notes_and_place_in_the_splits_stay(self, arranged) -> None:
        plain, made = arranged
        assert [(s.digest, s.split, s.bars, s.lead) for s in plain.songs] == [
            (s.digest, s.split, s.bars, s.lead) for s in made.songs
        ]
        assert plain.digest != made.digest
        for before, after in zip(plain.songs, made.songs, strict=True):
            notes = made.notes(after)
            kept = notes[notes["part"] < len(before.parts)]
            assert np.array_equal(kept, plain.notes(before))
            assert (np.diff(notes["onset_ticks"]) >= 0).all()

    def test_bass_pad_and_drums_are_added(self, arranged) -> None:
        for song in arranged[1].songs:
            notes = arranged[1].notes(song)
            added = {p.name: (p.instrument, i) for i, p in enumerate(song.parts)}
            assert added["PAD"][0] == INSTRUMENT_NAMES.index("pad")
            assert added["DRUMS"][0] == DRUMS
            for name, (_, number) in added.items():
                assert song.parts[number].notes == int((notes["part"] == number).sum()), name
            pad = notes[notes["part"] == added["PAD"][1]]
            assert {int(p) % 12 for p in pad["pitch"] if p} == {0, 4, 7, 9}
            drums = notes[notes["part"] == added["DRUMS"][1]]
            backbeat = drums["onset_ticks"][drums["pitch"] == 38] % BAR
            assert set(backbeat.tolist()) == {BEAT, 3 * BEAT}

    def test_a_waltz_without_piano_or_chords_stays_as_it_is(self, tmp_path, grooves) -> None:
        folder = tmp_path / "waltzes"
        folder.mkdir()
        tune = [Note(i * 24, 24, 60 + i % 5, 80) for i in range(48)]
        parts = (Part("MELODY", NoteArray.from_notes(tune), 73),)
        midi.write(folder / "w.mid", Score(parts, TempoMap(24), (midi.TimeSignature(0, 3, 4),)))
        (song,) = build_corpus(folder, tmp_path / "w", arrange=Arranger(grooves)).songs
        assert [part.name for part in song.parts] == ["MELODY"]


def test_a_performance_shorter_than_a_bar_is_a_sentence(tmp_path, grooves) -> None:
    file = grooves / "beat96_train.mid"
    hits = NoteArray.from_notes([Note(0, 10, 36, 80, DRUM_CHANNEL)])
    midi.write(file, Score((Part("kit", hits, 0, is_drum=True),), TempoMap(480)))
    with (grooves / "info.csv").open(encoding="utf-8") as index:
        assert any(row["midi_filename"] == file.name for row in csv.DictReader(index))
    drummer = Drummer(grooves)
    short = next(p for p in drummer._performances if p.file == file)
    with pytest.raises(UserError, match="less than a bar"):
        drummer.play(short, [(0, BAR)])
