"""Takes on disk: whole, torn, on a full disk, and as scores."""

import errno
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.errors import UserError
from studio.live.messages import Actions, Mode, SetMode, Sound, Steer, TempoMark, Voice
from studio.live.session import TAKE_NAME, TakeRecorder, TakeWriter, load_take, new_session_folder
from studio.live.take import Take, TakeHeader, event_lines, header_line

HEADER = TakeHeader("2026-11-22T18:00:00", "starter@1.0.0", "accompany", 7, 100.0, (3, 4))


def note(
    on_s: float, off_s: float, pitch: int, note_id: int, voice=Voice.PLAYER, instrument: int = 0
) -> list[Sound]:
    return [
        Sound(on_s, "on", voice, pitch, 80, note_id, instrument),
        Sound(off_s, "off", voice, pitch, 0, note_id, instrument),
    ]


def write(path: Path, header: TakeHeader, *steps: Actions) -> None:
    lines = [line for step in steps for line in event_lines(0.0, (), step)]
    path.write_bytes(b"".join([header_line(header), *lines]))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.integers(0, 127), st.integers(1, 127), st.integers(0, 15)),
        max_size=30,
    )
)
def test_a_take_is_read_back_to_the_last_bit(tmp_path_factory, rows):
    sounds = tuple(
        Sound(time_s, "on", Voice.PARTNER, pitch, velocity, i, instrument)
        for i, (time_s, pitch, velocity, instrument) in enumerate(rows)
    )
    marks = (TempoMark(0.1, 0.0, 99.9),)
    path = tmp_path_factory.mktemp("take") / TAKE_NAME
    write(path, HEADER, Actions(sounds, tempo=marks))
    assert load_take(path) == Take(HEADER, sounds, marks)


def test_every_prefix_of_a_take_loads_or_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / TAKE_NAME
    write(path, HEADER, Actions((*note(0.0, 0.5, 60, 0), *note(0.5, 1.0, 62, 1))))
    data = path.read_bytes()
    head = data.index(b"\n") + 1
    for size in range(len(data)):
        path.write_bytes(data[:size])
        if size < head:
            with pytest.raises(UserError):
                load_take(path)
        else:
            take = load_take(path)
            assert len(take.sounds) == data[:size].count(b"\n") - 1
            assert take.is_torn == (not data[:size].endswith(b"\n"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"garbage", "damaged in line 2"),
        (
            b'{"kind":"on","time_s":0,"voice":"player","pitch":300,"velocity":1,"note_id":0,"instrument":0}',
            "line 2",
        ),
        (
            b'{"kind":"on","time_s":NaN,"voice":"player","pitch":3,"velocity":1,"note_id":0,"instrument":0}',
            "line 2",
        ),
        (
            b'{"kind":"on","time_s":0,"voice":"player","pitch":3.5,"velocity":1,"note_id":0,"instrument":0}',
            "line 2",
        ),
        (b'{"kind":"tempo","time_s":0,"beat":0,"bpm":0}', "line 2"),
        (b'{"kind":"surprise"}', "line 2"),
        (b"[]", "line 2"),
    ],
)
def test_damage_inside_names_the_line(tmp_path, line, sentence):
    path = tmp_path / TAKE_NAME
    path.write_bytes(header_line(HEADER) + line + b"\n" + b'{"kind":"panic","time_s":0}\n')
    with pytest.raises(UserError, match=sentence):
        load_take(path)


def test_what_is_no_take_is_refused(tmp_path):
    for data in (
        b"",
        b"hello\n",
        b'{"kind":"panic","time_s":1}\n',
        header_line(HEADER).replace(b"[3,4]", b"[3,5]"),
    ):
        (tmp_path / TAKE_NAME).write_bytes(data)
        with pytest.raises(UserError, match="not a take"):
            load_take(tmp_path)
    with pytest.raises(UserError, match="can't be read"):
        load_take(tmp_path / "nowhere")
    (tmp_path / TAKE_NAME).write_bytes(header_line(TakeHeader(version=2)))
    with pytest.raises(UserError, match="newer"):
        load_take(tmp_path)


def test_score_keeps_micro_timing_parts_and_tempo():
    sounds = (
        *note(10.0, 10.5, 60, 0),
        Sound(10.1, "control", Voice.PLAYER, 64, 127),
        *note(10.6123, 11.0, 64, 1),
        *note(11.0, 12.0, 40, 2, Voice.PARTNER, 4),
        *note(11.0, 11.2, 36, 3, Voice.PARTNER, 15),
        Sound(12.0, "on", Voice.PARTNER, 50, 70, 4, 4),
        *note(10.0, 10.1, 76, 5, Voice.METRONOME),
    )
    take = Take(TakeHeader(metre=(3, 4)), sounds, (TempoMark(10.0, 0.0, 120.0), TempoMark(11.0, 2.0, 60.0)))
    score = take.score()
    assert [part.name for part in score.parts] == ["Player", "Partner bass", "Partner drums"]
    assert score.tempo_map.changes == ((0, 120.0), (960, 60.0))
    player = list(score.parts[0].notes)
    assert [n.onset_ticks for n in player] == [0, round(0.6123 * 960)]
    assert score.parts[0].controls[0].ticks == 96
    assert score.parts[2].is_drum
    assert set(score.parts[2].notes.channel.tolist()) == {9}
    assert len({int(part.notes.channel[0]) for part in score.parts}) == 3
    bass = list(score.parts[1].notes)
    assert bass[0].duration_ticks == 480  # one second at 60 bpm
    assert bass[1].duration_ticks == 1  # never ended: as long as the take
    assert (score.time_signatures[0].numerator, score.time_signatures[0].denominator) == (3, 4)
    assert take.duration_s() == 2.0


def test_sounds_before_the_start_push_it_by_whole_bars():
    take = Take(TakeHeader(), tuple(note(9.0, 9.5, 60, 0)), (TempoMark(10.0, 0.0, 120.0),))
    assert take.origin_s() == 8.0
    assert next(iter(take.score().parts[0].notes)).onset_ticks == 960
    assert Take().score().n_notes() == 0
    assert Take(sounds=tuple(note(9.0, 9.5, 60, 0))).origin_s() == 9.0


def test_tempo_marks_at_one_instant_leave_a_legal_tempo_map():
    marks = (TempoMark(0.0, 0.0, 120.0), TempoMark(0.0, 0.0, 90.0), TempoMark(-1.0, 0.0, 80.0))
    assert Take(TakeHeader(), (), marks).tempo_map().changes[-1][1] == 80.0


def test_recorder_writes_while_playing_and_closes_whole(tmp_path):
    recorder = TakeRecorder(tmp_path, HEADER)
    inputs = (SetMode(0.0, Mode.RESPOND), Steer(0.0, "instruments", (0, 4)))
    recorder.record(0.0, inputs, Actions(tuple(note(0.0, 0.5, 60, 0)), is_panic=True))
    path = recorder.close()
    assert path == tmp_path / TAKE_NAME == recorder.path
    assert recorder.problem == ""
    kinds = [json.loads(line)["kind"] for line in path.read_bytes().splitlines()]
    assert kinds == ["take", "panic", "mode", "steer", "on", "off"]
    assert load_take(tmp_path).sounds == tuple(note(0.0, 0.5, 60, 0))
    assert recorder.close() == path


class FullDisk:
    """A file that takes ``room`` bytes and then is full until there is room again."""

    room = 0

    def __init__(self, path: Path, is_ours: bool) -> None:
        self.file = path.open("r+b" if is_ours else "xb", buffering=0)

    def seek(self, offset: int) -> int:
        return self.file.seek(offset)

    def truncate(self, size: int) -> int:
        FullDisk.room += max(0, self.file.seek(0, 2) - size)
        return self.file.truncate(size)

    def write(self, data: bytes) -> int:
        if FullDisk.room <= 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        taken = self.file.write(data[: FullDisk.room])
        FullDisk.room -= taken
        return taken

    def close(self) -> None:
        self.file.close()


@pytest.fixture
def full_disk(monkeypatch):
    monkeypatch.setattr(FullDisk, "room", 0)
    return FullDisk


def test_full_disk_is_tried_again_without_a_torn_line(tmp_path, full_disk):
    path = tmp_path / TAKE_NAME
    writer = TakeWriter(path, HEADER, full_disk)
    full_disk.room = 40  # less than the header
    assert not writer.flush()
    assert "no space" in writer.problem
    writer.add(event_lines(0.0, (), Actions(tuple(note(0.0, 0.5, 60, 0)))))
    assert not writer.flush()
    full_disk.room = 10_000
    assert writer.flush()
    assert writer.problem == ""
    assert writer.close(tmp_path / "spare") == path
    take = load_take(path)
    assert take.sounds == tuple(note(0.0, 0.5, 60, 0))
    assert not take.is_torn


def test_a_disk_full_to_the_end_still_leaves_a_whole_take(tmp_path, full_disk):
    recorder = TakeRecorder(tmp_path, HEADER, opener=full_disk, spare_folder=tmp_path / "spare")
    recorder.record(0.0, (), Actions(tuple(note(0.0, 0.5, 60, 0))))
    assert load_take(recorder.close()).sounds == tuple(note(0.0, 0.5, 60, 0))


def test_an_unwritable_place_sends_the_take_to_the_spare_folder(tmp_path):
    (tmp_path / "gone").write_text("a file where the folder should be")
    recorder = TakeRecorder(tmp_path / "gone", HEADER, spare_folder=tmp_path / "spare")
    recorder.record(0.0, (), Actions(tuple(note(0.0, 0.5, 60, 0))))
    path = recorder.close()
    assert path.parent == tmp_path / "spare"
    assert str(path) in recorder.problem
    assert load_take(path).sounds == tuple(note(0.0, 0.5, 60, 0))


def test_nowhere_to_save_says_where_the_take_is_and_keeps_it(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    recorder = TakeRecorder(blocked / "a", HEADER, spare_folder=blocked / "b")
    recorder.record(0.0, (), Actions(tuple(note(0.0, 0.5, 60, 0))))
    with pytest.raises(UserError, match="still in memory") as caught:
        recorder.close()
    assert str(blocked / "a" / TAKE_NAME) in caught.value.message
    with pytest.raises(UserError, match="can't be written"):
        recorder.save_as(blocked / "c" / TAKE_NAME)
    recorder.save_as(tmp_path / "found" / TAKE_NAME)
    assert load_take(tmp_path / "found").sounds == tuple(note(0.0, 0.5, 60, 0))


def test_a_file_removed_while_playing_is_written_again(tmp_path):
    path = tmp_path / TAKE_NAME
    writer = TakeWriter(path, HEADER)
    writer.add(event_lines(0.0, (), Actions(tuple(note(0.0, 0.5, 60, 0)))))
    assert writer.flush()
    path.unlink()
    assert writer.close(tmp_path / "spare") == path
    assert len(load_take(path).sounds) == 2


def test_a_file_removed_while_the_disk_was_full_is_written_from_its_beginning(tmp_path, full_disk):
    path = tmp_path / TAKE_NAME
    writer = TakeWriter(path, HEADER, full_disk)
    full_disk.room = 10_000
    assert writer.flush()
    full_disk.room = 0
    writer.add(event_lines(0.0, (), Actions(tuple(note(0.0, 0.5, 60, 0)))))
    assert not writer.flush()
    path.unlink()
    full_disk.room = 10_000
    assert writer.close(tmp_path / "spare") == path
    assert load_take(path).sounds == tuple(note(0.0, 0.5, 60, 0))
    writer.save_as(tmp_path / "copy.jsonl")
    assert (tmp_path / "copy.jsonl").read_bytes() == path.read_bytes()


def test_a_long_take_is_kept_packed_and_saved_elsewhere_whole(tmp_path):
    path = tmp_path / TAKE_NAME
    writer = TakeWriter(path, HEADER)
    for number in range(5000):
        at_s = number * 0.1371
        writer.add(event_lines(at_s, (), Actions(tuple(note(at_s, at_s + 0.1, 36 + number % 60, number)))))
        if number % 10 == 0:
            assert writer.flush()
            assert not writer._pending
    assert writer.flush()
    written = path.read_bytes()
    assert len(writer._written) < len(written) / 6
    writer.add([b"more\n"])
    writer.save_as(tmp_path / "elsewhere" / TAKE_NAME)
    assert (tmp_path / "elsewhere" / TAKE_NAME).read_bytes() == written + b"more\n"
    assert writer.close(tmp_path / "spare") == path


def test_a_failing_close_is_no_loss(tmp_path):
    class Stubborn(FullDisk):
        def close(self) -> None:
            super().close()
            raise OSError(errno.EIO, "input/output error")

    FullDisk.room = 10_000
    writer = TakeWriter(tmp_path / TAKE_NAME, HEADER, Stubborn)
    assert writer.close(tmp_path / "spare") == tmp_path / TAKE_NAME
    assert "input/output error" in writer.problem


def test_a_take_never_overwrites_another(tmp_path):
    path = tmp_path / TAKE_NAME
    write(path, HEADER, Actions(tuple(note(0.0, 0.5, 60, 0))))
    before = path.read_bytes()
    recorder = TakeRecorder(tmp_path, TakeHeader(), spare_folder=tmp_path / "spare")
    assert recorder.close().parent == tmp_path / "spare"
    assert path.read_bytes() == before


def test_sessions_of_one_second_have_folders_of_their_own(tmp_path):
    now = datetime(2026, 11, 22, 18, 0, 0)
    first, second = new_session_folder(tmp_path, now), new_session_folder(tmp_path, now)
    assert first.name == "2026-11-22_18-00-00"
    assert second.name == "2026-11-22_18-00-00_2"
    (first / "file").write_text("")
    with pytest.raises(UserError, match="No folder"):
        new_session_folder(first / "file" / "x", now)
