"""Bundles: whole or not at all, and refused when anything does not fit."""

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.errors import UserError
from models.bundle import (
    CARD,
    MANIFEST,
    SIZE_LIMITS,
    WEIGHTS,
    read_bundle,
    read_manifest,
    sha256,
    version_key,
    write_bundle,
)
from models.package import pack, unpack

FIELDS = {
    "name": "phrase",
    "version": "1.2.0",
    "kinds": {"in": "notes", "out": "notes"},
    "architecture": "rows",
    "config": {"width": 8},
    "vocabulary_hash": "abc",
    "data": [{"name": "Songs", "licence": "CC0-1.0"}],
    "licence": "Apache-2.0",
    "metrics": {"nll": 0.3},
}


def tensors() -> dict[str, torch.Tensor]:
    return {
        "a": torch.linspace(-1, 1, 12).reshape(3, 4),
        "n": torch.tensor([1, 2]),
        "big": torch.tensor([1e6]),
    }


def make(folder: Path, **changes):
    return write_bundle(folder, FIELDS | changes, tensors(), "# Phrase\n")


def edit_manifest(folder: Path, **changes) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_written_is_read_back(tmp_path):
    make(tmp_path / "b")
    bundle = read_bundle(tmp_path / "b")
    assert bundle.manifest.name == "phrase"
    assert bundle.manifest.kinds.in_ == "notes"
    assert bundle.manifest.data[0].licence == "CC0-1.0"
    assert bundle.card == "# Phrase\n"
    loaded = bundle.tensors()
    assert loaded.keys() == tensors().keys()
    assert all(torch.equal(loaded[key], value) for key, value in tensors().items())
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are of Unix")
def test_what_is_written_can_be_read_by_all(tmp_path):
    make(tmp_path / "b")
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (tmp_path / "b").iterdir())


def test_half_precision_is_stored_small_and_loaded_wide(tmp_path):
    write_bundle(
        tmp_path / "h", FIELDS, {"a": torch.randn(64, 64), "big": torch.tensor([1e6])}, "", is_half=True
    )
    stored_bytes = (tmp_path / "h" / WEIGHTS).stat().st_size
    assert stored_bytes < 64 * 64 * 3
    loaded = read_bundle(tmp_path / "h").tensors()
    assert {t.dtype for t in loaded.values()} == {torch.float32}
    assert loaded["big"].item() == 1e6


def test_tied_weights_can_be_stored(tmp_path):
    weight = torch.arange(6.0)
    bundle = write_bundle(tmp_path / "t", FIELDS, {"a": weight, "b": weight.view(2, 3)}, "")
    assert torch.equal(bundle.tensors()["b"], weight.view(2, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../up"}, "name"),
        ({"name": "Upper"}, "name"),
        ({"version": "1.2"}, "version"),
        ({"kinds": {"in": "sound", "out": "notes"}}, "kinds"),
        ({"metrics": {"nll": float("nan")}}, "described"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_field_leaves_nothing_behind(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        make(tmp_path / "b", **changes)
    assert not list(tmp_path.iterdir())


def test_infinite_weights_are_refused(tmp_path):
    with pytest.raises(UserError, match="'w' is not finite"):
        write_bundle(tmp_path / "b", FIELDS, {"w": torch.tensor([torch.inf])}, "")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_not_overwritten(tmp_path):
    make(tmp_path / "b")
    with pytest.raises(UserError, match="exists already"):
        make(tmp_path / "b", licence="MIT")
    assert read_manifest(tmp_path / "b").licence == "Apache-2.0"


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.bundle.save_file", full)
    with pytest.raises(UserError, match="No space left") as caught:
        make(tmp_path / "b")
    assert "space" in caught.value.hint
    assert not list(tmp_path.iterdir())


def spoil_json(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def nest_json(folder: Path) -> None:
    (folder / MANIFEST).write_text("[" * 200_000)


def drop_card(folder: Path) -> None:
    (folder / CARD).unlink()


def add_file(folder: Path) -> None:
    (folder / "run.py").write_text("print()")


def change_weights(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def link_card(folder: Path) -> None:
    (folder / CARD).unlink()
    (folder / CARD).symlink_to("/etc/hostname")


def future_format(folder: Path) -> None:
    edit_manifest(folder, format=2)


def fewer_checksums(folder: Path) -> None:
    edit_manifest(folder, checksums={CARD: sha256(folder / CARD)})


def unknown_field(folder: Path) -> None:
    edit_manifest(folder, run="me")


def not_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"PK not tensors")
    checksums = {name: sha256(folder / name) for name in (WEIGHTS, CARD)}
    edit_manifest(folder, checksums=checksums)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_json, "not readable JSON"),
        (nest_json, "not readable JSON"),
        (drop_card, "README.md is missing"),
        (add_file, "'run.py' does not belong"),
        (change_weights, "checksum differs"),
        (link_card, "not a plain file"),
        (future_format, "format 2"),
        (fewer_checksums, "not complete"),
        (unknown_field, "run"),
        (not_weights, "not a safetensors file"),
    ],
)
def test_a_spoiled_bundle_is_refused_with_a_hint(tmp_path, spoil, message):
    make(tmp_path / "b")
    spoil(tmp_path / "b")
    with pytest.raises(UserError, match=message) as caught:
        read_bundle(tmp_path / "b")
    assert caught.value.hint


def test_large_files_are_refused_before_reading(tmp_path, monkeypatch):
    make(tmp_path / "b")
    monkeypatch.setitem(SIZE_LIMITS, MANIFEST, 10)
    monkeypatch.setattr("models.bundle.json.loads", lambda _: pytest.fail("was read"))
    with pytest.raises(UserError, match="larger than"):
        read_bundle(tmp_path / "b")


def test_clutter_of_file_managers_is_overlooked(tmp_path):
    make(tmp_path / "b")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"x")
    assert read_bundle(tmp_path / "b").manifest.name == "phrase"


def test_requirements_are_checked(tmp_path):
    bundle = make(tmp_path / "b")
    bundle.require_vocabulary("abc")
    bundle.require_architecture("other", "rows")
    bundle.require_kinds("notes", "notes")
    with pytest.raises(UserError, match="another event vocabulary"):
        bundle.require_vocabulary("xyz")
    with pytest.raises(UserError, match="not gan or other"):
        bundle.require_architecture("gan", "other")
    with pytest.raises(UserError, match="notes into notes, not latent into image"):
        bundle.require_kinds("latent", "image")


def test_packing_round_trips_and_is_reproducible(tmp_path):
    make(tmp_path / "b")
    file = pack(tmp_path / "b", tmp_path)
    assert file.name == "phrase-1.2.0.antiphon"
    again = pack(tmp_path / "b", tmp_path / "new" / "again.antiphon")
    assert file.read_bytes() == again.read_bytes()
    bundle = unpack(file, tmp_path / "c")
    assert torch.equal(bundle.tensors()["a"], tensors()["a"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "c", "new", file.name]


def repacked(tmp_path: Path, extra: list[tuple[str | zipfile.ZipInfo, bytes]], leave_out: str = "") -> Path:
    make(tmp_path / "b")
    target = tmp_path / "evil.antiphon"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as stream:
        for name in (MANIFEST, WEIGHTS, CARD):
            if name != leave_out:
                stream.write(tmp_path / "b" / name, name)
        for name, content in extra:
            stream.writestr(name, content)
    return target


def link_entry() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(CARD)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("extra", "leave_out", "message"),
    [
        ([("../escape.txt", b"x")], "", "nothing else"),
        ([("/etc/escape", b"x")], "", "nothing else"),
        ([("../" + CARD, b"x")], CARD, "nothing else"),
        ([], CARD, "nothing else"),
        ([(link_entry(), b"/etc/passwd")], CARD, "a link"),
        ([(CARD, bytes(900_000))], CARD, "beyond belief"),
        ([(CARD, bytes(2_000_000))], CARD, "too large"),
        ([(CARD, b"another card")], CARD, "checksum differs"),
    ],
)
def test_hostile_archives_are_refused(tmp_path, extra, leave_out, message):
    archive = repacked(tmp_path, extra, leave_out)
    with pytest.raises(UserError, match=message):
        unpack(archive, tmp_path / "in" / "c")
    assert not (tmp_path / "in" / "c").exists()
    assert not list(tmp_path.rglob("escape*"))


def test_a_doubled_entry_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = repacked(tmp_path, [(CARD, b"x")])
    with pytest.raises(UserError, match="nothing else"):
        unpack(archive, tmp_path / "c")


def test_a_lying_size_is_refused(tmp_path):
    archive = repacked(tmp_path, [])
    content = bytearray(archive.read_bytes())
    at = content.rindex(CARD.encode()) - 46  # the central directory's entry starts 46 bytes before the name
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 24 : at + 28] = (2).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"can't be used"):
        unpack(archive, tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(50)])
def test_what_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "x.antiphon").write_bytes(content)
    with pytest.raises(UserError, match="not a sound"):
        unpack(tmp_path / "x.antiphon", tmp_path / "c")


def test_missing_places_are_named(tmp_path):
    with pytest.raises(UserError, match="no bundle folder"):
        read_bundle(tmp_path / "none")
    with pytest.raises(UserError, match="no file"):
        unpack(tmp_path / "none.antiphon", tmp_path / "c")


def test_versions_are_ordered_as_semver_says():
    rising = (
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0"
    )
    names = [*rising.split(), "1.2.0", "1.10.0", "2.0.0"]
    assert sorted(set(names), key=version_key) == names


@settings(max_examples=30)
@given(st.text(max_size=12).filter(lambda text: "." not in text))
def test_no_version_without_dots(text):
    with pytest.raises(UserError):
        version_key(text)
