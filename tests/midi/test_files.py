"""Standard MIDI Files: what is written is read again, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import midi
from midi import Control, Note, NoteArray, Part, Score, TempoMap, TimeSignature, UserError, smf
from midi import files as midi_files
from tests.midi.smfbytes import END, NOTE, rows, score_of, smf_bytes

note_rows = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(1, 2000), st.integers(0, 127), st.integers(1, 127)),
    max_size=25,
)
control_rows = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 127), st.integers(0, 127)), max_size=6)
names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    parts = []
    for channel in draw(st.lists(st.integers(0, 15), unique=True, max_size=4)):
        is_drum = channel == midi.DRUM_CHANNEL
        notes = [Note(*row, channel) for row in draw(note_rows)]
        controls = sorted(
            (Control(*row, channel) for row in draw(control_rows)), key=lambda control: control.ticks
        )
        parts.append(Part(draw(names), fifo(notes), draw(st.integers(0, 127)), is_drum, tuple(controls)))
    tempi = draw(st.dictionaries(st.integers(1, 6000), st.floats(4, 999), max_size=4))
    metres = draw(
        st.dictionaries(st.integers(1, 6000), st.tuples(st.integers(1, 255), st.sampled_from([1, 2, 8, 128])))
    )
    return Score(
        tuple(parts),
        TempoMap(draw(st.integers(24, 32767)), ((0, draw(st.floats(4, 999))), *sorted(tempi.items()))),
        (TimeSignature(), *(TimeSignature(tick, *metre) for tick, metre in sorted(metres.items()))),
    )


def fifo(notes: list[Note]) -> NoteArray:
    """Notes as MIDI can hold them: of each pitch, the first to begin is the first to end."""
    result = []
    for pitch in {note.pitch for note in notes}:
        same = NoteArray.from_notes(note for note in notes if note.pitch == pitch).sorted()
        ends = np.sort(same.onset_ticks + same.duration_ticks)
        result.append(same.with_ticks(same.onset_ticks, ends - same.onset_ticks).sorted())
    return NoteArray.concatenate(result).sorted()


@settings(max_examples=80, deadline=None)
@given(scores())
def test_what_is_written_is_read(score: Score) -> None:
    back = midi.parse(midi.score_to_bytes(score))
    assert back.parts == score.parts
    assert back.time_signatures == score.time_signatures
    assert back.ppq == score.ppq
    assert back.repairs == ()
    for (tick, bpm), (tick_back, bpm_back) in zip(
        score.tempo_map.changes, back.tempo_map.changes, strict=True
    ):
        assert tick == tick_back
        assert abs(bpm - bpm_back) <= bpm**2 / 120e6 * 1.01
    assert midi.score_to_bytes(back) == midi.score_to_bytes(score)


def test_read_and_write_files(tmp_path: Path) -> None:
    score = score_of(Note(0, 480, 60), Note(480, 240, 64, 1), program=5)
    midi.write(tmp_path / "a.mid", score)
    assert midi.read(str(tmp_path / "a.mid")) == score
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mid"]


def test_tempo_from_a_file_comes_back_exactly() -> None:
    first = midi.parse(smf_bytes(b"\x00\xff\x51\x03\x07\xa1\x21" + NOTE + END))
    assert first.tempo_map.changes[0][1] == 60e6 / 500001
    assert midi.parse(midi.score_to_bytes(first)).tempo_map == first.tempo_map


def test_nested_notes_of_one_pitch_keep_their_number_and_span() -> None:
    back = midi.parse(midi.score_to_bytes(score_of(Note(0, 100, 60), Note(50, 20, 60, 90))))
    assert rows(back) == [[Note(0, 70, 60), Note(50, 50, 60, 90)]]


def test_long_gaps_are_bridged() -> None:
    far = 3 * smf.MAX_DELTA + 7
    score = Score((Part("p", NoteArray.from_notes([Note(far, 1, 60)])),), TempoMap(32767, ((0, 500.0),)))
    assert rows(midi.parse(midi.score_to_bytes(score))) == [[Note(far, 1, 60)]]


def test_parts_with_one_channel_and_different_programs_move_apart() -> None:
    note = NoteArray.from_notes([Note(0, 10, 60)])
    drums = NoteArray.from_notes([Note(0, 10, 36, channel=3)])
    melodic_on_nine = NoteArray.from_notes([Note(0, 10, 70, channel=9)])
    parts = (
        Part("a", note, 1),
        Part("b", note, 2),
        Part("c", note, 1),
        Part("d", drums, 0, is_drum=True),
        Part("e", melodic_on_nine, 4),
        Part("f", NoteArray.from_notes([Note(0, 10, 60, channel=1)]), 5),
        Part("g", NoteArray.from_notes([]), 6),
    )
    back = midi.parse(midi.score_to_bytes(Score(parts)))
    assert [(p.name, p.program, p.is_drum) for p in back.parts] == [
        (p.name, p.program, p.is_drum) for p in parts
    ]
    channels = [int(p.notes.channel[0]) for p in back.parts if len(p.notes)]
    assert channels[0] == channels[2] == 0
    assert channels[3] == 9
    assert channels[5] == 1
    assert len({channels[1], channels[4], 0, 1, 9}) == 5


def test_more_programs_than_channels_share() -> None:
    note = NoteArray.from_notes([Note(0, 10, 60)])
    nine = NoteArray.from_notes([Note(0, 10, 60, channel=9)])
    parts = [Part(str(i), note, i) for i in range(16)] + [Part("n", nine, 77), Part("m", nine, 3)]
    back = midi.parse(midi.score_to_bytes(Score(tuple(parts))))
    assert [p.program for p in back.parts] == [*range(16), 77, 3]
    assert all(int(p.notes.channel[0]) != 9 for p in back.parts)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "take.mid"
    midi.write(path, score_of(Note(0, 1, 1)))
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(midi_files.os, "fsync", full)
    with pytest.raises(UserError, match="No space left") as caught:
        midi.write(path, score_of(Note(0, 2, 2)))
    assert caught.value.hint.startswith("Free some space")
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["take.mid"]


def test_no_folder_is_made_and_no_device_replaced(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        midi.write(tmp_path / "sub" / "a.mid", score_of())
    for target in (tmp_path, Path("/dev/full")):
        with pytest.raises(UserError, match="not a regular file"):
            midi.write(target, score_of())
    assert list(tmp_path.iterdir()) == []


def test_other_faults_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UserError) as caught:
        midi.write(tmp_path / "a.mid", score_of())
    assert caught.value.hint.startswith("Check its permissions")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tempo_map", [TempoMap(40000), TempoMap(480, ((0, 3.0),)), TempoMap(480, ((0, 2e8),))]
)
def test_what_does_not_fit_is_refused(tempo_map: TempoMap) -> None:
    with pytest.raises(UserError, match="MIDI file"):
        midi.score_to_bytes(Score((), tempo_map))


@pytest.mark.parametrize(
    "score",
    [
        score_of(Note(-1, 1, 60)),
        score_of(Note(0, 0, 60)),
        score_of(Note(0, 1, 128)),
        score_of(Note(0, 1, 60, 0)),
        score_of(Note(0, 1, 60, 1, 16)),
        score_of(program=128),
        score_of(controls=(Control(0, 64, 128),)),
        score_of(controls=(Control(0, -1, 0),)),
    ],
)
def test_values_out_of_range_are_a_programming_fault(score: Score) -> None:
    with pytest.raises(ValueError, match="outside the ranges"):
        midi.score_to_bytes(score)
