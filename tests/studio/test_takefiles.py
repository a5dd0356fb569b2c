"""What is made of takes in the library: files, sound to the last bit, mini piano rolls."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import midi
from midi.errors import UserError
from midi.events import DRUMS
from studio.live.messages import TempoMark, Voice
from studio.live.take import Take, TakeHeader
from studio.render import render, render_again
from studio.takeroll import take_roll
from studio.ui.theme import PARTNER, PLAYER
from tests.studio.takefolder import duet, note, write_take

ROOT = Path(__file__).resolve().parents[2]


class TestExport:
    @pytest.mark.usefixtures("one")
    def test_a_folder_gets_the_take_s_name_and_nothing_is_overwritten(self, library, tmp_path):
        library.rename("one", "A/B: 🎹")
        paths = [library.export("one", tmp_path, "mid")[0] for _ in range(2)]
        assert [path.name for path in paths] == ["A-B- 🎹.mid", "A-B- 🎹 2.mid"]
        assert [len(part.notes) for part in midi.read(paths[0]).parts] == [16, 4]

    @pytest.mark.parametrize("kind", ["wav", "flac"])
    def test_sound(self, library, tmp_path, kind):
        write_take(library.folder, "short", note(0, 0.3, 60, 0))
        path, figures = library.export("short", tmp_path, kind)
        assert figures["notes"] == 1
        assert soundfile.info(path).frames == round(2.3 * 48_000)

    def test_a_damaged_take_is_a_sentence_and_leaves_no_file(self, library, one, tmp_path):
        one.write_bytes(b"rubbish\n")
        with pytest.raises(UserError):
            library.export("one", tmp_path / "x.wav")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("one")
    def test_a_full_disk_leaves_no_file(self, library, tmp_path):
        code = (
            "import resource, sys; from pathlib import Path; from studio.takes import Library\n"
            "from midi.errors import UserError\n"
            "library = Library(); library.takes()\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "try: library.export('one', Path(sys.argv[1]))\n"
            "except UserError as fault: print(fault.message)\n"
        )
        home = library.folder.parent
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "x.wav")], capture_output=True, text=True, timeout=50,
            env=os.environ | {"ANTIPHON_HOME": str(home)}, cwd=ROOT,
        )  # fmt: skip
        assert "can't be written" in done.stdout, done.stderr
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("one")
    def test_the_words_survive_a_full_disk(self, library):
        library.rename("one", "before")
        code = (
            "import resource; from studio.takes import Library; from midi.errors import UserError\n"
            "library = Library(); library.takes()\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
            "try: library.rename('one', 'after' * 20)\n"
            "except UserError as fault: print(fault.message)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=50,
            env=os.environ | {"ANTIPHON_HOME": str(library.folder.parent)}, cwd=ROOT,
        )  # fmt: skip
        assert "can't be written" in done.stdout, done.stderr
        assert library.takes()[0].name == "before"


class TestRenderAgain:
    def test_the_same_sound_to_the_last_bit(self, library):
        take = write_take(library.folder, "short", note(0, 0.3, 60, 0) + note(0.1, 0.4, 48, 1))
        first = render_again(take)
        assert first.matches == ()
        assert first.seconds == pytest.approx(2.4)
        for ending in (".wav", ".flac"):
            render(take, take.with_suffix(ending))
        again = render_again(take.parent)
        assert again.sha256 == first.sha256
        assert again.matches == (("take.wav", True), ("take.flac", True))

    def test_another_sound_is_noticed(self, library):
        take = write_take(library.folder, "short", note(0, 0.3, 60, 0))
        soundfile.write(take.with_suffix(".wav"), np.zeros((4800, 2)), 48_000, "PCM_16")
        take.with_suffix(".flac").write_bytes(b"no sound")
        assert render_again(take).matches == (("take.wav", False), ("take.flac", False))


class TestThumbnails:
    def test_both_voices_are_seen_where_they_play(self):
        low = note(0.0, 1.0, 48, 1)
        high = [s for s in duet(1) if s.voice is Voice.PARTNER]
        take = Take(TakeHeader(), tuple(low + note(1.0, 2.0, 72, 5)), (TempoMark(0, 0, 120),))
        picture = take_roll(take, 80, 40)
        assert picture.shape == (40, 80, 4)
        assert picture.dtype == np.uint8
        inked = np.argwhere(picture[..., 3] > 100)
        left, right = inked[inked[:, 1] < 40], inked[inked[:, 1] >= 40]
        assert left[:, 0].min() > right[:, 0].max()
        assert {tuple(c) for c in picture[picture[..., 3] > 0][:, :3]} == {PLAYER}
        partner = take_roll(Take(TakeHeader(), tuple(high)), 80, 40)
        assert {tuple(c) for c in partner[partner[..., 3] > 0][:, :3]} == {PARTNER}

    def test_the_player_lies_over_the_partner(self):
        both = note(0, 2, 60, 1, velocity=127) + note(0, 2, 60, 2, Voice.PARTNER, velocity=127)
        picture = take_roll(Take(TakeHeader(), tuple(both)), 16, 16)
        red, _, blue, _ = picture.reshape(-1, 4)[picture[..., 3].argmax()].tolist()
        assert blue > red

    def test_drums_and_empty_takes(self):
        assert not take_roll(Take(), 8, 8).any()
        drums = take_roll(Take(TakeHeader(), tuple(note(0, 0.1, 36, 1, Voice.PARTNER, DRUMS))), 40, 40)
        assert drums[-2:, :, 3].any()
        assert not drums[:-5, :, 3].any()

    def test_it_is_kept_and_renewed(self, library, one):
        first = library.thumbnail("one", 64, 32)
        (kept,) = (library._cache / "thumbnails").iterdir()
        kept_at = kept.stat().st_mtime_ns
        assert np.array_equal(library.thumbnail("one", 64, 32), first)
        assert kept.stat().st_mtime_ns == kept_at
        kept.write_bytes(b"no picture")
        assert np.array_equal(library.thumbnail("one", 64, 32), first)
        one.unlink()
        write_take(library.folder, "one", note(0, 1, 60, 0))
        assert not np.array_equal(library.thumbnail("one", 64, 32), first)

    @pytest.mark.parametrize("size", [(0, 10), (10, 0), (10, 5000), (-1, 20)])
    @pytest.mark.usefixtures("one")
    def test_impossible_sizes(self, library, size):
        with pytest.raises(ValueError, match="no picture"):
            library.thumbnail("one", *size)
