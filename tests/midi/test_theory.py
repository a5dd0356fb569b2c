"""Pitch names, keys and chords."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi import Note, NoteArray, UserError
from midi.theory import (
    Chord,
    ChordName,
    Key,
    chord_name,
    chord_tones,
    estimate_key,
    is_consonant,
    parse_chord,
    pitch_class_name,
    pitch_class_set,
)


@pytest.mark.parametrize(
    ("pitch", "key", "name"),
    [
        (70, None, "Bb"),
        (61, None, "C#"),
        (70, Key(5), "Bb"),
        (61, Key(8), "Db"),
        (61, Key(2), "C#"),
        (70, Key(7, is_minor=True), "Bb"),
        (66, Key(4, is_minor=True), "F#"),
        (58, Key(11), "A#"),
    ],
)
def test_names_follow_the_key(pitch: int, key: Key | None, name: str) -> None:
    assert pitch_class_name(pitch, key) == name


def test_keys_have_names() -> None:
    assert str(Key(10)) == "Bb major"
    assert str(Key(6, is_minor=True)) == "F# minor"


def test_relative_keys_share_a_signature() -> None:
    assert Key(9, is_minor=True).relative_major == Key(0).relative_major == 0
    assert Key(11, is_minor=True).relative_major == Key(2).relative_major == 2


@pytest.mark.parametrize(
    ("pitches", "symbol"),
    [
        ([60, 64, 67], "C"),
        ([64, 67, 72], "C/E"),
        ([55, 60, 64, 76], "C/G"),
        ([57, 60, 64], "Am"),
        ([60, 64, 67, 71], "Cmaj7"),
        ([60, 64, 67, 70], "C7"),
        ([60, 64, 70], "C7"),
        ([59, 62, 65], "Bdim"),
        ([59, 62, 65, 69], "Bm7b5"),
        ([59, 62, 65, 68], "Bdim7"),
        ([60, 64, 68], "Caug"),
        ([64, 68, 72], "Eaug"),
        ([60, 67, 69, 64], "C6"),
        ([57, 60, 64, 67], "Am7"),
        ([64, 67, 69, 72], "Am7/E"),
        ([60, 65, 67], "Csus4"),
        ([60, 62, 67], "Csus2"),
        ([60, 62, 64, 67], "Cadd9"),
        ([60, 65, 67, 70], "C7sus4"),
        ([57, 60, 64, 68], "Am(maj7)"),
        ([62, 65, 69, 71], "Dm6"),
        ([60, 64, 67, 70, 74], "C9"),
        ([50, 60, 64, 67], "Cadd9/D"),
        ([53, 55, 59, 62], "G7/F"),
        ([54, 60, 64, 67], "C/F#"),
    ],
)
def test_sounding_chords_are_named(pitches: list[int], symbol: str) -> None:
    found = chord_name(pitches)
    assert found is not None
    assert found.text() == symbol
    assert found.pitch_classes() >= pitch_class_set(pitches)


@pytest.mark.parametrize("pitches", [[], [60], [60, 67], [60, 61, 62], [60, 61, 62, 63, 64, 65]])
def test_what_is_no_chord_gets_no_name(pitches: list[int]) -> None:
    assert chord_name(pitches) is None


def test_symbols_are_spelt_for_the_key() -> None:
    assert ChordName(10, "min7", 1).text(Key(1)) == "Bbm7/Db"


@given(st.lists(st.integers(30, 90), min_size=3, max_size=6), st.integers(1, 11))
def test_transposition_moves_root_and_bass_alike(pitches: list[int], by: int) -> None:
    here, there = chord_name(pitches), chord_name([pitch + by for pitch in pitches])
    assert (here is None) == (there is None)
    if here and there:
        assert there.bass == (here.bass + by) % 12
        assert len(there.pitch_classes()) == len(here.pitch_classes())


def test_consonance_is_that_of_streammuse() -> None:
    assert [i for i in range(13) if is_consonant(60, 60 + i)] == [0, 3, 4, 7, 8, 9, 12]
    assert is_consonant(72, 60 - 12) is True
    assert is_consonant(67, 60) is True
    assert is_consonant(55, 72) is False


def notes(*pitches: int, channel: int = 0, length: int = 10) -> NoteArray:
    return NoteArray.from_notes(Note(0, length, pitch, channel=channel) for pitch in pitches)


def test_keys_are_recognised_in_all_transpositions() -> None:
    major = [60, 64, 67, 65, 69, 60, 67, 71, 74, 60, 64, 67]
    minor = [57, 60, 64, 62, 65, 69, 64, 68, 71, 57, 60, 64]
    for by in range(12):
        assert estimate_key(notes(*(p + by for p in major))) == Key(by)
        assert estimate_key(notes(*(p + by for p in minor))) == Key((9 + by) % 12, is_minor=True)


def test_keys_weigh_by_duration_and_ignore_drums() -> None:
    c_major, g_flat = notes(60, 64, 67, length=1000), notes(66, 70, 73, 66, 70, 73)
    assert estimate_key(NoteArray.concatenate([c_major, g_flat])) == Key(0)
    drums = notes(66, 70, 73, channel=9, length=10**6)
    assert estimate_key(NoteArray.concatenate([c_major, drums])) == Key(0)


@pytest.mark.parametrize("silent", [notes(), notes(36, 38, channel=9), notes(*range(60, 72))])
def test_no_key_without_tones(silent: NoteArray) -> None:
    assert estimate_key(silent) is None


@pytest.mark.parametrize(
    ("label", "root", "tones", "bass"),
    [
        ("C:maj", 0, {0, 4, 7}, 0),
        ("C#:maj7/5", 1, {1, 5, 8, 0}, 8),
        ("Bb:min", 10, {10, 1, 5}, 10),
        ("F#:min7/b3", 6, {6, 9, 1, 4}, 9),
        ("G:sus4(b7)", 7, {7, 0, 2, 5}, 7),
        ("E:7/b7", 4, {4, 8, 11, 2}, 2),
        ("Cb:hdim7", 11, {11, 2, 5, 9}, 11),
        ("D:maj/2", 2, {2, 4, 6, 9}, 4),
        ("A", 9, {9, 1, 4}, 9),
        ("A/3", 9, {9, 1, 4}, 1),
        ("A:5", 9, {9, 4}, 9),
        ("A:1", 9, {9}, 9),
        ("C:(1,5)", 0, {0, 7}, 0),
        ("C:maj(*3,b9,13)", 0, {0, 7, 1, 9}, 0),
        ("Ab:minmaj7\n", 8, {8, 11, 3, 7}, 8),
    ],
)
def test_labels_are_read(label: str, root: int, tones: set[int], bass: int) -> None:
    assert parse_chord(label) == Chord(root, frozenset(tones), bass)


@pytest.mark.parametrize("label", ["N", " X "])
def test_no_chord(label: str) -> None:
    assert parse_chord(label) == Chord(None, frozenset(), None)


@pytest.mark.parametrize("label", ["", "H:maj", "C:major", "C:maj/", "c:maj", "C:maj7/x", "C:maj)"])
def test_other_text_is_refused(label: str) -> None:
    with pytest.raises(UserError, match="not a chord label") as caught:
        parse_chord(label)
    assert caught.value.hint


def test_chord_tones() -> None:
    assert chord_tones(7, "7") == {7, 11, 2, 5}
    with pytest.raises(KeyError):
        chord_tones(0, "loud")
