"""Standard MIDI Files as others write them: pairing, formats, and agreement with other readers."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import symusic

import midi
from midi import Control, Note, TimeSignature
from tests.midi.smfbytes import END, NOTE, chunk, rows, score_of, smf_bytes


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
