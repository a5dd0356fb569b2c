import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from midi.errors import UserError
from models.image import pictures
from models.image.decode import IntakeConfig, decode
from models.image.pictures import PictureSet, Twins, build_pictures
from tests.models.image.drawings import disc, write_discs

SMALL = IntakeConfig(16)


def save(path, image, **options):
    image.save(path, **options)
    return path


def drawn(number=0, side=32):
    return Image.fromarray(disc(number, side))


def bomb(path, side=30_000):
    """A PNG that claims to be huge; its pixels are not even there."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)))
    return path


class TestDecode:
    def test_size_and_bytes(self, tmp_path):
        found = decode(save(tmp_path / "a.png", drawn()), SMALL)
        assert found.pixels.shape == (16, 16, 3)
        assert found.pixels.dtype == np.uint8
        assert (found.notes, found.is_enlarged) == ((), False)

    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "gif", "bmp", "tga", "ppm", "jp2"])
    def test_formats_give_the_same_picture(self, tmp_path, suffix):
        found = decode(save(tmp_path / f"a.{suffix}", drawn(side=64)), SMALL).pixels
        real = decode(save(tmp_path / "b.png", drawn(side=64)), SMALL).pixels
        assert np.abs(found.astype(int) - real).mean() < 8

    def test_crop_takes_the_middle(self, tmp_path):
        wide = Image.new("RGB", (64, 32), (255, 0, 0))
        wide.paste((0, 255, 0), (16, 0, 48, 32))
        found = decode(save(tmp_path / "a.png", wide), SMALL)
        assert (found.pixels[:, 3:-3, 0] < 9).all()

    def test_letterbox_keeps_all_on_the_ground(self, tmp_path):
        config = IntakeConfig(16, fit="letterbox", ground=(1, 2, 3))
        pixels = decode(save(tmp_path / "a.png", Image.new("RGB", (64, 32), (255, 0, 0))), config).pixels
        assert (pixels[:3] == (1, 2, 3)).all()
        assert (pixels[5:11] == (255, 0, 0)).all()

    def test_exif_turns(self, tmp_path):
        image = Image.new("RGB", (32, 32), (0, 0, 255))
        image.paste((255, 255, 0), (0, 0, 32, 16))
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned by 90 degrees
        found = decode(save(tmp_path / "a.jpg", image, exif=exif, quality=95), SMALL)
        assert found.pixels[8, 14, 0] > 200 > 100 > found.pixels[8, 1, 0]
        assert found.notes == ("turned by its EXIF tag",)

    def test_transparency_is_laid_on_the_ground(self, tmp_path):
        image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
        found = decode(save(tmp_path / "a.png", image), IntakeConfig(16, ground=(9, 8, 7)))
        assert (found.pixels == (9, 8, 7)).all()
        assert "transparency" in found.notes[0]

    def test_palette_with_a_transparent_color(self, tmp_path):
        image = Image.new("P", (32, 32), 1)
        image.putpalette([255, 0, 0, 0, 255, 0])
        path = save(tmp_path / "a.png", image, transparency=1)
        assert (decode(path, IntakeConfig(16, ground=(9, 8, 7))).pixels == (9, 8, 7)).all()

    @pytest.mark.parametrize(
        ("values", "expected"),
        [(np.full((32, 32), 32768, np.uint16), 127), (np.full((32, 32), 0.5, np.float32), 127)],
    )
    def test_deep_grays_are_scaled(self, tmp_path, values, expected):
        found = decode(save(tmp_path / "a.tiff", Image.fromarray(values)), SMALL)
        assert (found.pixels == expected).all()
        assert "8" in found.notes[0]

    def test_cmyk(self, tmp_path):
        found = decode(save(tmp_path / "a.jpg", Image.new("CMYK", (32, 32), (0, 255, 255, 0))), SMALL)
        assert found.pixels[8, 8, 0] > 200 > 60 > found.pixels[8, 8, 1]
        assert found.notes == ("CMYK to RGB",)

    def test_the_first_frame_of_an_animation(self, tmp_path):
        frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
        found = decode(save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:]), SMALL)
        assert (found.pixels == (255, 0, 0)).all()
        assert found.notes == ("first of 2 frames",)

    def test_pixel_art_is_enlarged_by_whole_pixels_and_photos_smoothly(self, tmp_path):
        art = Image.new("RGB", (16, 16), "black")
        art.paste("white", (8, 0, 16, 16))
        found = decode(save(tmp_path / "a.png", art), IntakeConfig(64))
        assert set(np.unique(found.pixels)) == {0, 255}
        assert found.is_enlarged
        photo = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        soft = decode(save(tmp_path / "b.png", Image.fromarray(photo)), IntakeConfig(64)).pixels
        assert len(np.unique(soft.reshape(-1, 3), axis=0)) > 2 * 24 * 24

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda p: p.write_text("a poem"), "not a picture"),
            (lambda p: p.write_bytes(b""), "not a picture"),
            (lambda p: save(p, Image.new("RGB", (1, 1))), "only 1x1"),
            (lambda p: p.mkdir(), "cannot be read"),
            (bomb, "larger than|more than"),
            (lambda p: bomb(p, 9_500), "more than"),
            (lambda p: bomb(p, 64), "cannot be read|damaged"),
            (lambda p: p.symlink_to("nowhere"), "cannot be read"),
        ],
        ids=["text", "empty", "one-pixel", "folder", "bomb", "small-bomb", "truncated", "dangling"],
    )
    def test_unusable_files_are_a_sentence(self, tmp_path, make, message):
        path = tmp_path / "a.png"
        make(path)
        with pytest.raises(UserError, match=message):
            decode(path, SMALL)

    def test_a_truncated_jpeg(self, tmp_path):
        path = save(tmp_path / "a.jpg", drawn(side=200))
        path.write_bytes(path.read_bytes()[:1500])
        with pytest.raises(UserError, match=r"cannot be read|damaged"):
            decode(path, SMALL)


class TestBuild:
    def test_a_folder_becomes_a_set(self, tmp_path):
        source = write_discs(tmp_path / "in", 20)
        (source / "notes.txt").write_text("not meant to be a picture")
        told = []
        found = build_pictures(source, tmp_path / "out", SMALL, lambda i, n: told.append((i, n)))
        assert found.images.shape == (20, 16, 16, 3)
        assert found.names[3] == "disc003.png"
        assert np.array_equal(found.images[3], decode(source / "disc003.png", SMALL).pixels)
        assert sorted([*found.train, *found.held_out]) == list(range(20))
        assert (found.report.found, found.report.used) == (20, 20)
        assert found.report.held_out == len(found.held_out) > 0
        assert told[-1] == (20, 20)
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["images.u8", "report.json"]

    def test_split_and_digest_follow_from_the_pixels(self, tmp_path):
        first = build_pictures(write_discs(tmp_path / "a", 20), tmp_path / "x", SMALL)
        other = write_discs(tmp_path / "b", 20)
        for path in sorted(other.iterdir()):
            path.rename(path.with_name(f"renamed_{path.name}"))
        second = build_pictures(other, tmp_path / "y", SMALL)
        assert first.report.digest == second.report.digest
        assert first.held_out.tolist() == second.held_out.tolist()

    def test_what_could_not_be_used_is_told(self, tmp_path):
        source = write_discs(tmp_path / "in", 5)
        (source / "poem.png").write_text("a poem")
        bomb(source / "bomb.png")
        save(source / "turned.gif", drawn(77), save_all=True, append_images=[drawn(78)])
        report = build_pictures(source, tmp_path / "out", SMALL).report
        assert sorted(report.refused) == ["bomb.png", "poem.png"]
        assert report.changed == {"turned.gif": "first of 2 frames"}
        assert (report.found, report.used) == (8, 6)

    def test_near_duplicates_are_left_out(self, tmp_path):
        source = write_discs(tmp_path / "in", 5, side=64)
        save(source / "z_again.jpg", Image.open(source / "disc002.png"), quality=70)
        save(source / "z_smaller.png", Image.open(source / "disc003.png").resize((48, 48)))
        report = build_pictures(source, tmp_path / "out", SMALL).report
        assert report.duplicates == {"z_again.jpg": "disc002.png", "z_smaller.png": "disc003.png"}

    def test_same_files_are_not_read_again_and_changed_ones_are(self, tmp_path, monkeypatch):
        source = write_discs(tmp_path / "in", 3)
        build_pictures(source, tmp_path / "out", SMALL)
        with monkeypatch.context() as patch:
            patch.setattr(pictures, "decode", lambda *_: pytest.fail("read again"))
            assert build_pictures(source, tmp_path / "out", SMALL).report.used == 3
        assert build_pictures(source, tmp_path / "out", IntakeConfig(32)).images.shape[1] == 32
        save(source / "new.png", drawn(9))
        assert build_pictures(source, tmp_path / "out", IntakeConfig(32)).report.used == 4

    def test_subfolders_are_searched_and_hidden_ones_are_not(self, tmp_path):
        write_discs(tmp_path / "in" / "sub", 2)
        write_discs(tmp_path / "in" / ".hidden", 3)
        assert build_pictures(tmp_path / "in", tmp_path / "out", SMALL).names[0] == "sub/disc000.png"

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_small_sets_keep_something_to_learn_from(self, tmp_path, count):
        found = build_pictures(write_discs(tmp_path / "in", count), tmp_path / "out", SMALL)
        assert len(found.train) >= 1
        assert len(found.held_out) <= count // 2

    def test_unusable_folders_are_a_sentence(self, tmp_path):
        with pytest.raises(UserError, match="no folder"):
            build_pictures(tmp_path / "none", tmp_path / "out", SMALL)
        (tmp_path / "in").mkdir()
        with pytest.raises(UserError, match="no pictures"):
            build_pictures(tmp_path / "in", tmp_path / "out", SMALL)
        (tmp_path / "in" / "a.png").write_text("a poem")
        with pytest.raises(UserError, match="no usable picture") as caught:
            build_pictures(tmp_path / "in", tmp_path / "out", SMALL)
        assert "a.png" in caught.value.hint
        assert list((tmp_path / "out").iterdir()) == []

    def test_an_unreadable_folder_is_a_sentence(self, tmp_path, monkeypatch):
        source = write_discs(tmp_path / "in", 1)

        def refuse(_self):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(type(source), "iterdir", refuse)
        with pytest.raises(UserError, match="Permission denied"):
            build_pictures(source, tmp_path / "out", SMALL)

    def test_a_full_disk_leaves_the_set_before_it(self, tmp_path, monkeypatch):
        source = write_discs(tmp_path / "in", 3)
        build_pictures(source, tmp_path / "out", SMALL)
        save(source / "new.png", drawn(9))

        def full(*_args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", full)
            patch.setattr(type(source), "replace", full)
            with pytest.raises(UserError, match="No space"):
                build_pictures(source, tmp_path / "out", SMALL)
        assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]
        assert build_pictures(source, tmp_path / "out", SMALL).report.used == 4

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"report": {}, "names": 3}'])
    def test_a_damaged_set_is_a_sentence_and_built_anew(self, tmp_path, text):
        source = write_discs(tmp_path / "in", 3)
        build_pictures(source, tmp_path / "out", SMALL)
        (tmp_path / "out" / "report.json").write_text(text)
        with pytest.raises(UserError, match="cannot be read"):
            PictureSet(tmp_path / "out")
        assert build_pictures(source, tmp_path / "out", SMALL).report.used == 3
        assert json.loads((tmp_path / "out" / "report.json").read_text())["names"]


class TestTwins:
    def test_quality_and_size_do_not_hide_a_twin(self, tmp_path):
        twins = Twins()
        assert [twins.find_or_add(disc(i, 64)) for i in range(80)] == [None] * 80
        for i in range(0, 80, 7):
            image = save(tmp_path / "a.jpg", drawn(i, 64).resize((100, 100)), quality=60)
            assert twins.find_or_add(decode(image, IntakeConfig(64)).pixels) == i

    def test_a_small_change_on_a_plain_ground_is_another_picture(self):
        twins = Twins()
        for place in (8, 24, 40):
            pixels = np.full((64, 64, 3), 60, np.uint8)
            pixels[place : place + 12, 20:32] = 200
            assert twins.find_or_add(pixels) is None
