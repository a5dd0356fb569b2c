"""Files of a performance."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import midi
from midi.events import DRUMS
from studio.live.channels import PARTNER_CHANNELS, Channels
from studio.live.messages import Actions, Sound, TempoMark, Voice
from studio.live.session import TAKE_NAME, TakeWriter
from studio.live.take import Take, TakeHeader, event_lines
from studio.render import Performance, heard_notes, render, roll_of, save, score_of


def note(on_s, off_s, pitch, note_id, voice=Voice.PLAYER, instrument=0, velocity=90):
    return [
        Sound(on_s, "on", voice, pitch, velocity, note_id, instrument),
        Sound(off_s, "off", voice, pitch, 0, note_id, instrument),
    ]


def performance(*pairs, bpm=120.0):
    sounds = tuple(sorted((s for pair in pairs for s in pair), key=lambda s: s.time_s))
    return Performance(Take(TakeHeader(bpm=bpm), sounds, (TempoMark(0.0, 0.0, bpm),)), "Title")


PIECE = performance(
    note(0.0, 0.5, 72, 0),
    note(0.5, 1.0, 48, 1, Voice.PARTNER, 4),
    note(0.5, 0.6, 36, 2, Voice.PARTNER, DRUMS),
    note(1.0, 1.5, 60, 3, Voice.PARTNER, 0),
)


def test_a_score_has_the_player_first_and_a_part_for_each_instrument():
    score = score_of(PIECE)
    assert [part.name for part in score.parts] == ["Player", "Partner piano", "Partner bass", "Partner drums"]
    assert score.parts[3].is_drum
    assert list(score.parts[2].notes) == [midi.Note(480, 480, 48, 90, 2)]


def test_a_midi_file_reads_back_as_it_was_written(tmp_path):
    save(PIECE, tmp_path / "take.mid")
    again = midi.read(tmp_path / "take.mid")
    assert again.repairs == ()
    assert [part.notes for part in again.parts] == [part.notes.sorted() for part in score_of(PIECE).parts]


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_sound_is_as_long_as_the_music_and_not_silent(tmp_path, ending):
    save(PIECE, tmp_path / f"take{ending}")
    samples, rate_hz = soundfile.read(tmp_path / f"take{ending}")
    assert len(samples) == round((1.5 + 2.0) * rate_hz)
    assert 0.02 < np.abs(samples).max() < 0.99


def test_a_picture_is_written(tmp_path):
    save(PIECE, tmp_path / "take.png")
    assert (tmp_path / "take.png").stat().st_size > 2_000


def test_an_unknown_ending_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(midi.UserError, match=r"take\.mp3"):
        save(PIECE, tmp_path / "take.mp3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["take.mid", "take.wav", "take.png"])
def test_a_missing_folder_is_a_sentence(tmp_path, name):
    with pytest.raises(midi.UserError):
        save(PIECE, tmp_path / "missing" / name)


def test_a_disk_that_fills_up_leaves_no_half_sound_file(tmp_path, monkeypatch):
    def full(*_):
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    (tmp_path / "take.wav").write_bytes(b"the one before")
    with pytest.raises(midi.UserError, match="can't be written"):
        save(PIECE, tmp_path / "take.wav")
    assert (tmp_path / "take.wav").read_bytes() == b"the one before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_take_longer_than_a_sound_file_is_refused(tmp_path):
    with pytest.raises(midi.UserError, match="6 hours"):
        save(performance(note(0, 7 * 3600, 60, 0)), tmp_path / "take.wav")


def test_hanging_notes_are_counted_and_still_end():
    sounds = [
        *note(0, 1, 60, 0),
        Sound(1, "on", Voice.PARTNER, 62, 80, 1),
        Sound(2, "off", Voice.PARTNER, 64, 0, 9),
    ]
    notes, n_hanging = heard_notes(sounds)
    assert n_hanging == 2
    assert [(n.on_s, n.off_s) for n in notes] == [(0, 1), (1, 2)]


def test_the_metronome_is_no_part_of_the_music():
    piece = performance(note(0, 1, 60, 0), note(0, 0.1, 76, 1, Voice.METRONOME))
    assert [part.name for part in score_of(piece).parts] == ["Player"]
    assert len(roll_of(piece).notes) == 1


def test_the_pedal_is_kept():
    pedal = (Sound(0.25, "control", Voice.PLAYER, 64, 127),)
    score = score_of(performance(note(0, 1, 60, 0), pedal))
    assert score.parts[0].controls == (midi.Control(240, 64, 127, 0),)


@given(st.lists(st.integers(0, 15), max_size=40))
def test_channels_are_valid_and_do_not_change(classes):
    channels = Channels()
    sounds = [Sound(0, "on", Voice.PARTNER, 60, 80, i, c) for i, c in enumerate(classes)]
    first = [channels.channel(sound) for sound in sounds]
    assert first == [channels.channel(sound) for sound in sounds]
    assert set(first) <= {*PARTNER_CHANNELS, 9}
    assert all((channel == 9) == (c == DRUMS) for channel, c in zip(first, classes, strict=True))
    if len(set(classes) - {DRUMS}) <= len(PARTNER_CHANNELS):
        assert len(set(first)) == len(set(classes))


def test_the_player_has_a_channel_of_their_own():
    assert Channels().channel(Sound(0, "on", Voice.PLAYER, 60, 80, 0)) not in {*PARTNER_CHANNELS, 9}


def write_take(folder, pairs, bpm=90.0, metre=(3, 4)):
    sounds = tuple(sorted((s for pair in pairs for s in pair), key=lambda s: s.time_s))
    writer = TakeWriter(folder / TAKE_NAME, TakeHeader(bpm=bpm, metre=metre, model="fake"))
    writer.add(event_lines(5.0, (), Actions(sounds, tempo=(TempoMark(5.0, 0.0, bpm),))))
    assert writer.close(folder) == folder / TAKE_NAME
    return folder


def test_a_take_is_rendered_from_its_first_beat(tmp_path):
    take = write_take(tmp_path, [note(5.0, 5.5, 60, 0), note(7.0, 7.5, 48, 1, Voice.PARTNER)])
    data = render(take, tmp_path / "out.mid")
    assert data["notes"] == 2
    assert data["hanging_notes"] == 0
    assert data["seconds"] == 2.5
    score = midi.read(tmp_path / "out.mid")
    assert score.tempo_map.bpm_at(0) == pytest.approx(90)
    assert score.parts[0].notes.onset_ticks.tolist() == [0]
    assert score.parts[1].notes.onset_ticks.tolist() == [3 * 480]
    assert score.time_signatures == (midi.TimeSignature(0, 3, 4),)


def test_sound_of_a_take_has_its_notes_where_they_belong(tmp_path):
    take = write_take(tmp_path, [note(5.0, 5.2, 60, 0), note(6.0, 6.2, 72, 1, Voice.PARTNER)])
    render(take / TAKE_NAME, tmp_path / "out.wav")
    samples, rate_hz = soundfile.read(tmp_path / "out.wav")
    level = np.abs(samples).max(axis=1)
    assert level[: rate_hz // 10].max() > 0.02
    before, after = (level[int(rate_hz * a) : int(rate_hz * b)].max() for a, b in ((0.9, 0.99), (1.0, 1.1)))
    assert after > 2 * before


def test_bars_follow_the_metre(tmp_path):
    waltz = performance(note(0, 4.5, 60, 0))
    header = TakeHeader(metre=(3, 4))
    waltz = Performance(Take(header, waltz.take.sounds, waltz.take.tempo))
    assert roll_of(waltz).bar_beats == (0, 3, 6, 9)
    change = Performance(
        waltz.take, time_signatures=(midi.TimeSignature(0, 2, 4), midi.TimeSignature(960, 4, 4))
    )
    assert roll_of(change).bar_beats == (0, 2, 6, 10)


def test_what_is_no_take_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path / "notes.txt", tmp_path / "missing", tmp_path):
        with pytest.raises(midi.UserError):
            render(path, tmp_path / "out.mid")
    with pytest.raises(midi.UserError, match=r"mp4"):
        render(tmp_path, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mid").exists()


def test_an_empty_take_gives_files_too(tmp_path):
    empty = write_take(tmp_path, [])
    for name in ("out.mid", "out.png", "out.flac"):
        assert render(empty, tmp_path / name)["notes"] == 0
        assert (tmp_path / name).exists()
