"""Standard MIDI Files: round trips, pairing, repairs and refusals."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

import midi
from midi import Control, Note, NoteArray, Part, Score, TempoMap, TimeSignature, UserError, smf
from midi import files as midi_files


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body)) + body


def smf_bytes(*bodies: bytes, form: int = 1, division: int = 480, promised: int | None = None) -> bytes:
    header = struct.pack(">HHh", form, len(bodies) if promised is None else promised, division)
    return chunk(b"MThd", header) + b"".join(chunk(b"MTrk", body) for body in bodies)


END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x50\x60\x80\x3c\x00"


def rows(score: Score) -> list[list[Note]]:
    return [list(part.notes) for part in score.parts]


def score_of(*notes: Note, **part: object) -> Score:
    return Score((Part("p", NoteArray.from_notes(notes), **part),))  # type: ignore[arg-type]


# Round trips

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


# Reading


def mido_file(path: Path, *tracks: list[mido.Message], form: int = 1) -> Path:
    mido.MidiFile(type=form, tracks=[mido.MidiTrack(t) for t in tracks], ticks_per_beat=96).save(path)
    return path


def test_running_status_and_velocity_zero() -> None:
    body = b"\x00\x90\x3c\x50" + b"\x10\x40\x50" + b"\x10\x3c\x00" + b"\x10\x40\x00" + END
    assert rows(midi.parse(smf_bytes(body))) == [[Note(0, 32, 60), Note(16, 32, 64)]]


def test_running_status_survives_meta_events() -> None:
    body = b"\x00\x90\x3c\x50" + b"\x00\xff\x01\x02hi" + b"\x10\x3c\x00" + END
    assert rows(midi.parse(smf_bytes(body))) == [[Note(0, 16, 60)]]


def test_overlapping_notes_pair_first_in_first_out() -> None:
    on, off = b"\x90\x3c", b"\x80\x3c\x40"
    body = b"\x00" + on + b"\x0a\x0a" + on + b"\x14\x0a" + off + b"\x0a" + off + b"\x00" + off + END
    score = midi.parse(smf_bytes(body))
    assert rows(score) == [[Note(0, 20, 60, 10), Note(10, 20, 60, 20)]]
    assert score.repairs == ()


def test_format_0_splits_by_channel_and_program() -> None:
    body = (
        b"\x00\xff\x03\x04song" + b"\x00\xc0\x05" + b"\x00\xb0\x40\x7f"
        b"\x00\x90\x3c\x50\x0a\x80\x3c\x00" + b"\x00\xc0\x06" + b"\x00\x90\x3e\x50\x0a\x80\x3e\x00"
        b"\x00\x99\x24\x50\x0a\x89\x24\x00" + END
    )
    score = midi.parse(smf_bytes(body, form=0))
    assert [(p.name, p.program, p.is_drum, len(p.notes), len(p.controls)) for p in score.parts] == [
        ("song (channel 1)", 5, False, 1, 1),
        ("song (channel 1)", 6, False, 1, 1),
        ("song (channel 10)", 0, True, 1, 0),
    ]


def test_program_and_controllers_from_a_setting_up_track() -> None:
    setup = b"\x00\xc2\x21" + b"\x00\xb2\x07\x64" + b"\x00\xb3\x07\x11" + END
    music = b"\x00\x92\x3c\x50\x0a\x82\x3c\x00" + b"\x00\xb2\x40\x7f" + END
    score = midi.parse(smf_bytes(setup, music))
    silent, sounding = sorted(score.parts, key=lambda part: len(part.notes))
    assert sounding.program == 0x21
    assert sounding.controls == (Control(0, 7, 100, 2), Control(10, 64, 127, 2))
    assert silent.controls == (Control(0, 7, 17, 3),)


def test_format_2_lies_end_to_end() -> None:
    slow = b"\x00\xff\x51\x03\x0f\x42\x40" + b"\x00\xff\x58\x04\x03\x02\x18\x08" + NOTE + END
    score = midi.parse(smf_bytes(slow, NOTE + END, form=2))
    assert rows(score) == [[Note(0, 96, 60)], [Note(96, 96, 60)]]
    assert score.tempo_map.changes == ((0, 60.0), (96, 120.0))
    assert score.time_signatures == (TimeSignature(0, 3, 4), TimeSignature(96))
    assert score.repairs == ("2 independent patterns laid end to end.",)


@pytest.mark.parametrize(("frames", "rate_hz"), [(24, 24.0), (25, 25.0), (29, 30000 / 1001), (30, 30.0)])
def test_smpte_time_is_converted(frames: int, rate_hz: float) -> None:
    division = (-frames << 8) | 40
    score = midi.parse(smf_bytes(b"\x00\xff\x51\x03\x0f\x42\x40" + NOTE + END, division=division))
    assert score.tempo_map.seconds(96) == pytest.approx(96 / (rate_hz * 40))
    assert "video frames" in score.repairs[0]


def test_of_several_tempi_at_one_tick_the_last_counts() -> None:
    first = b"\x00\xff\x51\x03\x0f\x42\x40" + b"\x00\xff\x51\x03\x07\xa1\x20" + END
    later = b"\x60\xff\x51\x03\x0f\x42\x40" + NOTE + END
    assert midi.parse(smf_bytes(first, later)).tempo_map.changes == ((0, 120.0), (96, 60.0))


def test_names_in_latin_1_and_padding() -> None:
    body = b"\x00\xff\x03\x05Fl\xf6t\x00" + NOTE + END
    assert midi.parse(smf_bytes(body)).parts[0].name == "Fl\xf6t"


def test_other_messages_are_passed_over() -> None:
    body = (
        b"\x00\xf0\x03\x01\x02\xf7" + b"\x00\xd0\x10" + b"\x00\xe0\x00\x40" + b"\x00\xa0\x3c\x10"
        b"\x00\xff\x51\x01\x00" + b"\x00\xff\x58\x01\x00" + NOTE + END
    )
    score = midi.parse(smf_bytes(body))
    assert rows(score) == [[Note(0, 96, 60)]]
    assert score.repairs == ()


def test_wrappers_and_unknown_chunks_are_legal() -> None:
    data = smf_bytes(NOTE + END)
    wrapped = b"RIFF\x00\x00\x00\x00RMIDdata\x00\x00\x00\x00" + data[:14] + chunk(b"XFIH", b"xx") + data[14:]
    score = midi.parse(wrapped)
    assert rows(score) == [[Note(0, 96, 60)]]
    assert score.repairs == ()


def test_same_notes_as_symusic(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tracks = []
    for channel in (0, 4, 9):
        track = [mido.Message("program_change", program=channel, channel=channel)]
        for pitch in rng.integers(30, 90, 60).tolist():
            gap, length, velocity = (int(x) for x in rng.integers(1, 120, 3))
            track += [
                mido.Message("note_on", note=pitch, velocity=velocity, time=gap, channel=channel),
                mido.Message("note_on", note=pitch + 12, velocity=velocity, time=3, channel=channel),
                mido.Message("note_off", note=pitch, time=length, channel=channel),
                mido.Message("note_on", note=pitch + 12, velocity=0, time=2, channel=channel),
                mido.Message("control_change", control=64, value=velocity, channel=channel),
            ]
        tracks.append(track)
    tracks[0].insert(1, mido.MetaMessage("set_tempo", tempo=400000))
    tracks[0].insert(9, mido.MetaMessage("time_signature", numerator=6, denominator=8))
    path = mido_file(tmp_path / "s.mid", *tracks)
    ours, theirs = midi.read(path), symusic.Score(str(path))
    assert ours.ppq == theirs.ticks_per_quarter
    assert len(ours.parts) == len(theirs.tracks) == 3
    for part, track in zip(ours.parts, theirs.tracks, strict=True):
        assert (part.program if not part.is_drum else 9, part.is_drum) == (track.program, track.is_drum)
        expected = sorted((n.time, n.pitch, n.duration, n.velocity) for n in track.notes)
        assert sorted((n.onset_ticks, n.pitch, n.duration_ticks, n.velocity) for n in part.notes) == expected
        assert [(c.ticks, c.value) for c in part.controls] == [(c.time, c.value) for c in track.controls]
    assert [(m.ticks, m.numerator) for m in ours.time_signatures if m.ticks] == [
        (m.time, m.numerator) for m in theirs.time_signatures
    ]
    assert [bpm for _, bpm in ours.tempo_map.changes] == pytest.approx([t.qpm for t in theirs.tempos])


def test_what_we_write_symusic_and_mido_read(tmp_path: Path) -> None:
    score = score_of(Note(0, 480, 60, 33, 2), Note(480, 10, 61, 44, 2), program=11)
    midi.write(tmp_path / "w.mid", score)
    (track,) = symusic.Score(str(tmp_path / "w.mid")).tracks
    assert [(n.time, n.duration, n.pitch, n.velocity) for n in track.notes] == [
        (0, 480, 60, 33),
        (480, 10, 61, 44),
    ]
    assert [m.type for m in mido.MidiFile(tmp_path / "w.mid").tracks[1]] == [
        "track_name",
        "program_change",
        "note_on",
        "note_off",
        "note_on",
        "note_off",
        "end_of_track",
    ]


# Repairs


@pytest.mark.parametrize(
    ("data", "repair"),
    [
        (smf_bytes(b"\x00\x90\xbc\xd0\x60\x80\x7f\x00" + END), "2 data bytes above 127 clamped to 127."),
        (
            smf_bytes(NOTE + b"\x00\xf2\x01\x02\x00\xf8" + END),
            "2 status bytes that no file may hold skipped.",
        ),
        (smf_bytes(NOTE + END) + b"\x1a", "1 byte that belong to no track ignored."),
        (smf_bytes(NOTE + END) + b"trailing rubbish", "16 bytes that belong to no track ignored."),
        (
            smf_bytes(NOTE + END) + b"\xff" * 9 + chunk(b"MTrk", END),
            "9 bytes that belong to no track ignored.",
        ),
        (smf_bytes(NOTE), "1 track without an end mark; it was added."),
        (smf_bytes(NOTE + END, promised=3), "2 tracks promised by the header not found."),
        (
            smf_bytes(b"\x00\x90\x30\x40" + NOTE + END),
            "1 note never released; closed at the end of the track.",
        ),
        (
            smf_bytes(NOTE + b"\x00\x90\x3c\x50\x00\x80\x3c\x00" + END),
            "1 note without length given one tick.",
        ),
        (
            smf_bytes(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE + END),
            "1 tempo change to infinite speed ignored.",
        ),
        (smf_bytes(b"\x00\xff\x58\x04\x00\x02\x18\x08" + NOTE + END), "1 impossible time signature ignored."),
        (
            smf_bytes(NOTE + b"\x00\x90\x3e"),
            "1 track broken off; everything before the break was kept.",
        ),
        (
            smf_bytes(NOTE + b"\x00\xff\x03\x7fab"),
            "1 track broken off; everything before the break was kept.",
        ),
        (
            smf_bytes(NOTE + b"\xff" * 5 + END),
            "1 track broken off; everything before the break was kept.",
        ),
    ],
)
def test_repairs_are_made_and_told(data: bytes, repair: str) -> None:
    score = midi.parse(data)
    assert repair in score.repairs
    assert sum(len(part.notes) for part in score.parts) >= 1


def read_or_refused(data: bytes) -> Score | UserError:
    try:
        return midi.parse(data, "cut.mid")
    except UserError as error:
        return error


def test_every_cut_keeps_what_is_whole() -> None:
    data = midi.score_to_bytes(score_of(*(Note(i * 100, 50, 40 + i) for i in range(20))))
    results = [read_or_refused(data[:size]) for size in range(len(data))]
    kept = [len(r.parts[0].notes) if isinstance(r, Score) else 0 for r in results]
    assert kept == sorted(kept)
    assert kept[-1] == 20
    assert all(r.repairs for r in results if isinstance(r, Score))
    refused = [r for r in results if isinstance(r, UserError)]
    assert kept.count(0) == len(refused)
    assert all("cut.mid" in error.message and error.hint for error in refused)


@pytest.mark.parametrize("claimed", [5, 8, 200])
def test_a_wrong_chunk_length_costs_no_note(claimed: int) -> None:
    body = NOTE + NOTE + NOTE + END
    track = b"MTrk" + struct.pack(">I", claimed) + body
    data = smf_bytes(promised=2) + track + chunk(b"MTrk", NOTE + END)
    score = midi.parse(data)
    assert [len(part.notes) for part in score.parts] == [3, 1]
    assert score.repairs == ("1 track with a wrong length; the end mark was used instead.",)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_never_ends_in_a_traceback(data: st.DataObject) -> None:
    notes = [Note(i * 60, 50, 40 + i, channel=i % 3) for i in range(12)]
    whole = bytearray(midi.score_to_bytes(score_of(*notes)))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    score = read_or_refused(bytes(whole))
    if isinstance(score, UserError):
        return
    for part in score.parts:
        assert np.all(part.notes.duration_ticks >= 1)
        assert np.all(part.notes.pitch <= 127)
        assert np.all((part.notes.velocity >= 1) & (part.notes.velocity <= 127))
    assert midi.parse(midi.score_to_bytes(score)).ppq == score.ppq


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_track_content_is_read_or_refused(body: bytes) -> None:
    result = read_or_refused(smf_bytes(body))
    assert isinstance(result, UserError) or result.ppq == 480


# Refusals


def test_refusals_name_the_file_and_the_reason(tmp_path: Path) -> None:
    cases = {
        "empty.mid": (b"", "empty"),
        "text.mid": (b"This is a letter, not a piece of music.", "not a Standard MIDI File"),
        "stub.mid": (b"MThd\x00\x00", "inside its header"),
        "format7.mid": (smf_bytes(NOTE + END, form=7), "format 7"),
        "division0.mid": (smf_bytes(NOTE + END, division=0), "0 ticks"),
        "smpte.mid": (smf_bytes(NOTE + END, division=-5000), "frames"),
        "cut.mid": (smf_bytes(NOTE + END)[:24], "damaged before its first note"),
        "long.mid": (smf_bytes(b"\xff\xff\xff\x7f\x90\x3c\x50" + END, division=24), "hours"),
        "long2.mid": (smf_bytes(b"\xff\xff\xff\x7f" + END[1:], END, division=24, form=2), "hours"),
    }
    for name, (data, reason) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UserError) as caught:
            midi.read(path)
        assert str(path) in caught.value.message, name
        assert reason in caught.value.message, name
        assert caught.value.hint
        assert caught.value.exit_code == 2


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.mid", "There is no file"),
        (Path("/dev/null"), "not a regular file"),
        ("a\0b", "not a file name"),
    ):
        with pytest.raises(UserError, match=reason):
            midi.read(path)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(smf_bytes(NOTE + END))

    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"a\.mid can't be read: Permission denied"):
        midi.read(path)


def test_a_60_mb_bomb_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.mid"
    path.write_bytes(smf_bytes(NOTE + END))
    os.truncate(path, 60 * 2**20)

    def must_not_open(*_args: object, **_options: object) -> None:
        raise AssertionError("the file was opened")

    monkeypatch.setattr(Path, "open", must_not_open)
    with pytest.raises(UserError, match="60 MB"):
        midi.read(path)


def test_too_many_events_are_refused_while_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smf, "MAX_EVENTS", 1000)
    track = NOTE * 300
    assert len(midi.parse(smf_bytes(track + END)).parts[0].notes) == 300
    with pytest.raises(UserError, match="more than 1,000 MIDI events"):
        midi.parse(smf_bytes(track + END, track + END))


def test_ten_thousand_simultaneous_notes() -> None:
    body = b"".join(b"\x00\x90\x3c\x50" for _ in range(10_000)) + b"\x60\x80\x3c\x00" * 10_000 + END
    score = midi.parse(smf_bytes(body))
    assert len(score.parts[0].notes) == 10_000
    assert score.parts[0].notes.end_ticks() == 96 * 10_000


# Writing


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


# Pedal


def pedalled(*notes: Note, pedal: list[tuple[int, int]]) -> list[int]:
    controls = tuple(Control(tick, 64, value) for tick, value in pedal)
    score = midi.apply_pedal(score_of(*notes, controls=controls))
    assert score.parts[0].controls == controls
    return score.parts[0].notes.duration_ticks.tolist()


def test_pedal_holds_until_it_comes_up() -> None:
    notes = (Note(0, 10, 60), Note(30, 5, 62), Note(60, 5, 64), Note(90, 30, 65))
    assert pedalled(*notes, pedal=[(5, 127), (6, 100), (50, 0), (51, 10)]) == [50, 20, 5, 30]


def test_pedal_yields_to_a_new_strike() -> None:
    assert pedalled(Note(0, 10, 60), Note(40, 10, 60), pedal=[(0, 64), (100, 63)]) == [40, 60]


def test_pedal_never_lifted_holds_to_the_end() -> None:
    assert pedalled(Note(0, 10, 60), Note(40, 10, 62), pedal=[(0, 127)]) == [50, 10]


def test_pedal_of_one_channel_leaves_others_and_drums_alone() -> None:
    pedal = (Control(0, 64, 127, 1), Control(0, 64, 127, 9), Control(99, 64, 0, 1))
    parts = (
        Part("a", NoteArray.from_notes([Note(0, 10, 60, channel=0)])),
        Part("b", NoteArray.from_notes([Note(0, 10, 60, channel=1)]), controls=pedal),
        Part("d", NoteArray.from_notes([Note(0, 10, 36, channel=9)]), is_drum=True),
    )
    lengths = [p.notes.duration_ticks.tolist() for p in midi.apply_pedal(Score(parts)).parts]
    assert lengths == [[10], [99], [10]]
    assert midi.apply_pedal(Score(())).parts == ()


# Package


def test_importing_midi_loads_nothing_heavy() -> None:
    probe = "import midi, sys; print([m for m in ('rtmidi', 'symusic', 'torch', 'mido') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    assert all(hasattr(midi, name) for name in midi.__all__)
