"""The state inside a picture: written, read, refused."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from midi.errors import UserError
from studio.gallery.metadata import (
    CHUNK,
    ModelMark,
    State,
    Styles,
    pack_styles,
    png_bytes,
    read_picture,
    read_state,
    save_picture,
    unpack_styles,
)

MARK = ModelMark(name="garden", version="1.0.0", sha256="ab" * 32)


def state(**more):
    ws = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
    return State(**({"model": MARK, "seed": 7, "psi": 0.7, "ws": pack_styles(ws), "size": 8} | more))


@pytest.fixture
def picture():
    return np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 99), st.booleans())
def test_styles_come_back_to_the_bit(n_layers, width, seed, is_equal):
    ws = np.random.default_rng(seed).normal(size=(n_layers, width)).astype(np.float32)
    if is_equal:
        ws[:] = ws[0]
    packed = pack_styles(ws)
    assert np.array_equal(unpack_styles(packed), ws)
    if is_equal:
        assert set(packed.rows) == {0}
        assert len(base64.b64decode(packed.data)) == 4 * width


def test_a_picture_carries_its_state(tmp_path, picture):
    mine = state(mix="99@fine", bend="rotate=3@all", expression='a "quoted" <name> ü')
    save_picture(tmp_path / "a.png", picture, mine)
    assert read_state(tmp_path / "a.png") == mine
    assert np.array_equal(read_picture(tmp_path / "a.png"), picture)
    assert png_bytes(picture, mine) == (tmp_path / "a.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert set(image.info) == {CHUNK, "parameters"}
        line = image.info["parameters"]
    assert line.startswith("garden 1.0.0, seed 7\nSteps: 1, ")
    for said in ("Seed: 7", "Size: 8x8", "Model hash: abababab", "Model: garden", "Truncation: 0.7"):
        assert said in line


def test_the_digest_names_the_picture_and_not_the_machine():
    assert state().digest == state(device="cuda (H100)", torch="9.9").digest
    assert state().digest != state(seed=8).digest
    assert state().digest != state(bend="noise=1@all").digest


def chunked(path, text, key=CHUNK):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)


def damaged(**changes):
    return json.dumps(state().as_json() | changes)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "17", '{"schema": 2}', '{"schema": 1}', "[" * 100_000,
        damaged(size=0), damaged(size="large"), damaged(seed="x"), damaged(noise_seed=-1), damaged(model={}),
        damaged(ws={"rows": [0], "data": "!"}), damaged(ws={"rows": [], "data": ""}),
        damaged(ws={"rows": [0, 1], "data": "AAAAAAAA////"}), damaged(ws={"rows": [-1], "data": "AAAA"}),
        damaged(ws={"rows": [0], "data": "AADAfw=="}), damaged(psi=float("nan")),
        damaged(model={"name": "../../x", "version": "1.0.0", "sha256": ""}),
        damaged(ws={"rows": [0] * 70, "data": "AAAAAA=="}),
    ],
)  # fmt: skip
def test_damaged_states_are_one_sentence(text, tmp_path):
    chunked(tmp_path / "a.png", text)
    with pytest.raises(UserError) as caught:
        read_state(tmp_path / "a.png")
    assert "a.png" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_pictures_without_a_state_are_refused(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "plain.png")
    Image.fromarray(picture).save(tmp_path / "plain.jpg")
    chunked(tmp_path / "other.png", "Steps: 20", key="parameters")
    for name in ("plain.png", "plain.jpg", "other.png"):
        with pytest.raises(UserError, match="no state"):
            read_state(tmp_path / name)


def test_what_is_no_picture_is_refused(tmp_path, picture):
    (tmp_path / "text.png").write_text("Dear diary")
    (tmp_path / "empty.png").touch()
    for name in ("text.png", "empty.png", "missing.png", "."):
        with pytest.raises(UserError):
            read_state(tmp_path / name)
    whole = png_bytes(picture, state())
    (tmp_path / "cut.png").write_bytes(whole[:-40])
    with pytest.raises(UserError, match="damaged"):
        read_picture(tmp_path / "cut.png")


def test_later_versions_may_add_to_a_state(tmp_path):
    chunked(tmp_path / "a.png", damaged(mood="calm"))
    assert read_state(tmp_path / "a.png") == state()


def test_values_that_would_break_the_line_are_quoted():
    line = state(mix="99@fine,3@1").parameters()
    assert 'Mix: "99@fine,3@1"' in line
    assert state(seed=None, expression="garden:a").parameters().startswith("garden 1.0.0, garden:a\n")


def test_styles_are_bounded():
    with pytest.raises(ValueError, match="rows"):
        Styles(rows=[0] * 65, data="")
