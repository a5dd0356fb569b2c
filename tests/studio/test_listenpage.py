"""The page to listen to: complete, alone, and playing what it shows."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from midi.errors import UserError
from midi.note import Note, NoteArray
from studio import listenpage
from studio.listening import Excerpt
from studio.listenpage import VERSIONS, About
from studio.live.messages import LiveCounts, Voice
from studio.quality import Played
from studio.rehearsal import Performance
from tests.studio.htmlpage import Page

BAR = 96
NASTY = """</script><script>alert(1)</script> "'&{{data}}"""


def notes(*rows: tuple[int, ...]) -> NoteArray:
    return NoteArray.from_notes(Note(*row) for row in rows)


def song(name: str) -> Excerpt:
    melody = notes(*((24 * i, 20, 67 + i % 5, 90) for i in range(8)))
    truth = notes((0, 96, 48, 60), (0, 96, 52, 70), (96, 90, 53, 100))
    return Excerpt(name, BAR, 2, 240.0, melody, truth, (0,))


def played(n: int = 2) -> Played:
    songs = [song(f"{i:03d}/{NASTY}.mid") for i in range(n)]
    parts = {"live": notes((0, 40, 55)), "deaf": notes((30, 40, 57)), "rules": notes()}
    live = {kind: [Performance(part, LiveCounts())] * n for kind, part in parts.items()}
    return Played(songs, [], live, [], 60.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "listen"
    listenpage.claim(out)
    told = []
    page = listenpage.write_listening(
        out, played(), About(NASTY, NASTY, "valid", 3), jobs=1, tell=lambda *what: told.append(what)
    )
    return page, told


def test_every_version_of_every_song_is_there_with_its_sound(written):
    page, told = written
    found = Page(page.read_text(encoding="utf-8"))
    sounds = [attrs["src"] for attrs in found.of("audio")]
    assert len(sounds) == len(set(sounds)) == 2 * len(VERSIONS)
    for sound in sounds:
        info = soundfile.info(page.parent / sound)
        assert info.samplerate == 48000
        assert 2.0 < info.frames / info.samplerate < 6.0
    assert [a["data-kind"] for a in found.of("article")] == [*VERSIONS] * 2
    assert told[-1] == ("Making sound", 8, 8)
    assert not list(page.parent.rglob("*.part"))


def test_nothing_comes_from_elsewhere_and_names_run_nothing(written):
    text = written[0].read_text(encoding="utf-8")
    found = Page(text)
    assert "http" not in text
    assert len(found.of("script")) == 2
    assert json.loads(found.scripts[0])["names"] == VERSIONS
    for _, attrs in found.tags:
        assert not attrs.get("src", "").startswith(("/", "http", "file"))


def test_sounds_hold_melody_and_accompaniment():
    sounds = listenpage.song_sounds(song("a"), notes((0, 24, 60), (24, 24, 60)))
    ons = [sound for sound in sounds if sound.kind == "on"]
    assert len(ons) == 10
    assert len({s.note_id for s in sounds}) == 10
    assert [s.time_s for s in sounds] == sorted(s.time_s for s in sounds)
    again = [s.kind for s in sounds if s.voice is Voice.PARTNER]
    assert again == ["on", "off", "on", "off"]
    assert ons[-1].time_s == pytest.approx(7 * 0.25)


def test_silent_and_played_versions_sound_different(written):
    folder = written[0].parent / "audio"
    loud = {p.name: np.abs(soundfile.read(p)[0]).mean() for p in folder.iterdir() if p.name.startswith("01")}
    assert loud["01-truth.ogg"] > loud["01-rules.ogg"] > 0


def test_a_roll_draws_each_note_where_it_is():
    one = song("a")
    svg = listenpage.roll_svg(one, notes((96, 48, 60, 120)), 48, 72)
    assert 'viewBox="0 0 192 25"' in svg
    assert '<path class="p2" d="M96 12.06h47v.88h-47z"/>' in svg
    assert len(re.findall("M", re.search(r'class="m2" d="([^"]+)"', svg)[1])) == len(one.melody)


def test_chord_names_do_not_run_into_each_other():
    dense = notes(*((48 * i, 46, p) for i in range(64) for p in (48 + i % 3, 52 + i % 3, 55 + i % 3)))
    long = Excerpt("a", BAR, 32, 100.0, song("a").melody, dense, (0,))
    spans = re.findall(r'left:([\d.]+)%">([^<]+)<', listenpage._chords(long, dense))
    assert len(spans) > 4
    for (left, name), (following, _) in pairwise(spans):
        assert float(left) + 100 * len(name) / listenpage.CHORD_CHARS < float(following)


def test_other_folders_are_left_alone(tmp_path, written):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="other files"):
        listenpage.claim(tmp_path)
    listenpage.claim(written[0].parent)
    assert written[0].is_file()


def test_an_interrupted_page_can_be_made_again(tmp_path):
    out = tmp_path / "listen"
    listenpage.claim(out)
    (out / "audio" / "01-live.ogg").write_bytes(b"")
    (out / "audio" / ".01-truth.ogg.part").write_bytes(b"")
    listenpage.claim(out)
    (out / "audio" / "song.ogg").write_bytes(b"mine")
    with pytest.raises(UserError, match="other files"):
        listenpage.claim(out)


def test_a_sound_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def broken(_performance):
        yield np.zeros((16, 2), np.float32)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(listenpage, "audio_blocks", broken)
    with pytest.raises(UserError, match="No space left"):
        listenpage.write_sound(song("a"), notes(), tmp_path / "a.ogg")
    assert list(tmp_path.iterdir()) == []
