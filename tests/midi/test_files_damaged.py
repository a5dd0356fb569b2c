"""Damaged Standard MIDI Files: repairs that are told, and refusals."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import midi
from midi import Note, Score, UserError, smf
from tests.midi.smfbytes import END, NOTE, chunk, score_of, smf_bytes


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
