"""Packed bundles: one ``.antiphon`` file (a zip) to send to somebody, opened with suspicion."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from midi.errors import UserError
from models.bundle import (
    CARD,
    MANIFEST,
    REQUIRED,
    SHEET,
    SIZE_LIMITS,
    WEIGHTS,
    Bundle,
    disk_fault,
    read_bundle,
    refusal,
    whole_folder,
)

SUFFIX = ".antiphon"
MAX_RATIO = 200
"""Largest believable compression: prose and JSON stay under 20, zip bombs use deflate's 1030."""

_CHUNK_BYTES = 1 << 20
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def pack(path: Path, out: Path | None = None) -> Path:
    """Put a bundle into one file; the same bundle always gives the same bytes.

    Args:
        path: Bundle folder.
        out: File (replaced if there), or an existing folder to put ``name-version.antiphon`` into; without
            it the working directory.

    Returns:
        The file written.

    Raises:
        UserError: The bundle is not sound, or the disk refused.
    """
    manifest = read_bundle(path).manifest
    out = out or Path()
    target = out / f"{manifest.name}-{manifest.version}{SUFFIX}" if out.is_dir() else out
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_zip(path, temporary)
        temporary.replace(target)
    except OSError as error:
        raise disk_fault(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def unpack(archive: Path, into: Path) -> Bundle:
    """Unpack a ``.antiphon`` file after looking at every entry, and check the bundle in it.

    Refused: anything but the plain files of a bundle by their bare names, entries that are links,
    encrypted, doubled, too large or too well compressed, and whatever ``read_bundle`` refuses.

    Args:
        archive: The file.
        into: Folder to make; must not exist.

    Raises:
        UserError: What does not fit; ``into`` does not exist then.
    """
    if not archive.is_file():
        raise UserError(f"There is no file {archive}.", "Check the name.")
    if archive.stat().st_size > sum(SIZE_LIMITS.values()):
        raise refusal(archive, "it is too large")
    try:
        with zipfile.ZipFile(archive) as source, whole_folder(into) as temporary:
            for entry in _checked_entries(archive, source):
                _extract(source, entry, temporary / entry.filename)
            manifest = read_bundle(temporary).manifest
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise refusal(archive, f"it is not a sound {SUFFIX} file") from error
    except OSError as error:
        raise UserError(
            f"{archive} can't be read: {error.strerror or error}.", "Check its permissions."
        ) from error
    return Bundle(into, manifest)


def _write_zip(path: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as stream:
        for name in (MANIFEST, WEIGHTS, CARD, SHEET):
            if not (path / name).is_file():
                continue
            entry = zipfile.ZipInfo(name, _NO_DATE)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            # Weights and pictures are noise to a compressor; text is not.
            is_text = name in {MANIFEST, CARD}
            entry.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
            entry.file_size = (path / name).stat().st_size
            with (path / name).open("rb") as source, stream.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, _CHUNK_BYTES)


def _checked_entries(archive: Path, source: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = source.infolist()
    names = [entry.filename for entry in entries]
    if not REQUIRED <= set(names) <= SIZE_LIMITS.keys() or len(set(names)) < len(names):
        raise refusal(
            archive, f"it has to hold {MANIFEST}, {WEIGHTS}, {CARD}, perhaps {SHEET}, and nothing else"
        )
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in {0, stat.S_IFREG} or entry.flag_bits & 1:
            raise refusal(archive, f"{entry.filename} in it is a link, a folder or encrypted")
        if entry.file_size > SIZE_LIMITS[entry.filename]:
            raise refusal(archive, f"{entry.filename} in it is too large")
        if entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise refusal(archive, f"{entry.filename} in it is compressed beyond belief")
    return entries


def _extract(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Copy one entry; ``zipfile`` itself stops at the declared size and compares the CRC."""
    with source.open(entry) as stream, target.open("xb") as sink:
        shutil.copyfileobj(stream, sink, _CHUNK_BYTES)
