"""From a folder of pictures to a checked, deduplicated, split and memory-mapped set of equal squares."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from midi.errors import UserError
from models.bundle import disk_fault
from models.image.decode import IntakeConfig, decode

Pixels = NDArray[np.uint8]

IMAGES = "images.u8"
REPORT = "report.json"

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        "apng", "avif", "bmp", "dds", "dib", "gif", "ico", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "pbm",
        "pcx", "pgm", "png", "pnm", "ppm", "psd", "qoi", "tga", "tif", "tiff", "webp",
    )
)  # fmt: skip
"""Files with these endings are expected to be pictures; others are passed over in silence."""

HELD_OUT_IN = 10
"""One picture in so many, by the hash of its pixels, is kept from training."""

NEAR_SHARE = 0.06
"""Two pictures are one if thumbnails differ, on average, by less than this share of their deviation."""
NEAR_GRAY = 0.5
"""Gray levels that rounding may add to that."""
COARSE_GRAY = 6.0
"""Largest difference of any of 4x4 gray means between two such pictures; a quick test before the real one."""


@dataclass
class PictureReport:
    """What became of the files of a folder.

    Attributes:
        found: Files that looked like pictures.
        used: Pictures taken, held-out ones included.
        held_out: Pictures kept from training.
        refused: File to the reason why it was left out.
        changed: File to what had to be done to it (turned, first of several frames ...).
        duplicates: File to the file that it repeats.
        enlarged: Pictures smaller than the resolution.
        digest: Hash of the pixels of all pictures.
    """

    found: int = 0
    used: int = 0
    held_out: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    enlarged: int = 0
    digest: str = ""


class PictureSet:
    """A built set: pixels in a memory map, opened when first read.

    Args:
        folder: That ``build_pictures`` wrote.

    Raises:
        UserError: It is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            stored = json.loads((folder / REPORT).read_text(encoding="utf-8"))
            self.report = PictureReport(**stored["report"])
            self.names = tuple(str(name) for name in stored["names"])
            self.config = IntakeConfig(**{**stored["config"], "ground": tuple(stored["config"]["ground"])})
            self._is_held_out = np.array(stored["is_held_out"], dtype=bool)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"The picture set in {folder} cannot be read.", "Remove that folder; it is built anew."
            ) from error

    @cached_property
    def images(self) -> Pixels:
        """All pictures, ``[n h w 3]``, read from disk as they are touched."""
        side = self.config.resolution
        return np.memmap(self.folder / IMAGES, np.uint8, "r", shape=(len(self.names), side, side, 3))

    @property
    def train(self) -> NDArray[np.int64]:
        """Numbers of the pictures to learn from."""
        return np.flatnonzero(~self._is_held_out)

    @property
    def held_out(self) -> NDArray[np.int64]:
        """Numbers of the pictures to measure with."""
        return np.flatnonzero(self._is_held_out)


def build_pictures(
    source: Path,
    out: Path,
    config: IntakeConfig,
    on_file: Callable[[int, int], None] = lambda _done, _total: None,
) -> PictureSet:
    """Read every picture of a folder and its subfolders, or take up what was built from the same files.

    Args:
        source: Folder of pictures.
        out: Folder to write; nothing is left half-written.
        config: Size and treatment.
        on_file: Told (done, total) files.

    Raises:
        UserError: The folder cannot be read, holds no usable picture, or the disk refused.
    """
    files = list_pictures(source)
    stamp = _stamp(source, files, config)
    if _is_current(out, stamp):
        return PictureSet(out)
    partial = out / f".{IMAGES}.{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            intake = _Intake(config, stream)
            for i, path in enumerate(files):
                on_file(i, len(files))
                intake.take(path, path.relative_to(source).as_posix())
        on_file(len(files), len(files))
        if not intake.names:
            raise UserError(f"There is no usable picture in {source}.", _first_reasons(intake.report))
        _settle(out, partial, intake, stamp)
    except OSError as error:
        raise disk_fault(out, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return PictureSet(out)


def list_pictures(source: Path) -> list[Path]:
    """Files below a folder whose names end like pictures, in order of their names.

    Raises:
        UserError: The folder is missing, unreadable or has no such files.
    """
    if not source.is_dir():
        raise UserError(f"There is no folder {source}.", "Name a folder of pictures.")
    try:
        next(source.iterdir(), None)
    except OSError as error:
        raise UserError(f"The folder {source} cannot be read: {error.strerror}.") from error
    files = [path for path in _walk(source) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise UserError(f"There are no pictures in {source}.", "PNG, JPEG, WebP, TIFF, GIF and BMP are read.")
    return sorted(files)


def _walk(source: Path) -> Iterator[Path]:
    """Every visible file; folders that cannot be read are passed over."""
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder) / name for name in names if not name.startswith("."))


class _Intake:
    """Takes pictures one by one and writes their pixels down."""

    def __init__(self, config: IntakeConfig, stream: IO[bytes]) -> None:
        self.config = config
        self.report = PictureReport()
        self.names: list[str] = []
        self.digests: list[bytes] = []
        self._stream = stream
        self._twins = Twins()

    def take(self, path: Path, name: str) -> None:
        """Decode a file and keep its picture, or the reason why not."""
        self.report.found += 1
        try:
            picture = decode(path, self.config)
        except UserError as error:
            self.report.refused[name] = error.message
            return
        if (twin := self._twins.find_or_add(picture.pixels)) is not None:
            self.report.duplicates[name] = self.names[twin]
            return
        self._stream.write(picture.pixels.tobytes())
        self.digests.append(hashlib.sha256(picture.pixels.tobytes()).digest())
        self.names.append(name)
        self.report.enlarged += picture.is_enlarged
        if picture.notes:
            self.report.changed[name] = ", ".join(picture.notes)


class Twins:
    """Finds pictures that were seen before, perhaps in another size, format or quality."""

    def __init__(self) -> None:
        self._coarse = np.zeros((64, 16), np.float32)
        self._thumbnails: list[Pixels] = []

    def find_or_add(self, pixels: Pixels) -> int | None:
        """Number of an earlier picture that this one repeats, or None, and then it is remembered.

        Args:
            pixels: ``[h w 3]``, square, the side a multiple of 16.
        """
        thumbnail = _means(pixels, 16)
        coarse = _means(thumbnail, 4).mean(2, dtype=np.float32).ravel()
        count = len(self._thumbnails)
        differences = np.abs(self._coarse[:count] - coarse).max(1, initial=0)
        for i in np.flatnonzero(differences < COARSE_GRAY):
            difference = np.abs(self._thumbnails[i].astype(np.int16) - thumbnail).mean()
            if difference < NEAR_GRAY + NEAR_SHARE * thumbnail.std():
                return int(i)
        if count == len(self._coarse):
            self._coarse = np.concatenate([self._coarse, np.zeros_like(self._coarse)])
        self._coarse[count] = coarse
        self._thumbnails.append(thumbnail)
        return None


def _means(pixels: Pixels, side: int) -> Pixels:
    """The picture at ``side`` pixels, by means."""
    step = pixels.shape[0] // side
    means = pixels.reshape(side, step, side, step, 3).mean((1, 3), dtype=np.float32)
    return cast("Pixels", means.round().astype(np.uint8))


def _held_out(digests: list[bytes]) -> NDArray[np.bool_]:
    """One in ten by the hash of its pixels; of four pictures or more, at least one."""
    hashes = [int.from_bytes(digest[:8]) for digest in digests]
    is_held_out = np.array([value % HELD_OUT_IN == 0 for value in hashes])
    if len(hashes) >= 4 and not is_held_out.any():
        is_held_out[int(np.argmin(hashes))] = True
    return is_held_out if not is_held_out.all() else np.zeros_like(is_held_out)


def _settle(out: Path, partial: Path, intake: _Intake, stamp: str) -> None:
    """Put the pixels in their place, then the report that makes them valid."""
    is_held_out = _held_out(intake.digests)
    report = intake.report
    report.used, report.held_out = len(intake.names), int(is_held_out.sum())
    report.digest = hashlib.sha256(b"".join(intake.digests)).hexdigest()
    stored: dict[str, Any] = {
        "stamp": stamp, "config": asdict(intake.config), "names": intake.names,
        "is_held_out": is_held_out.tolist(), "report": asdict(report),
    }  # fmt: skip
    (out / REPORT).unlink(missing_ok=True)
    partial.replace(out / IMAGES)
    partial.write_text(json.dumps(stored), encoding="utf-8")
    partial.replace(out / REPORT)


def _stamp(source: Path, files: list[Path], config: IntakeConfig) -> str:
    """Hash of names, sizes and times of the files and of the treatment."""
    seen = [str(config)]
    for path in files:
        try:
            stat = path.stat()
            seen.append(f"{path.relative_to(source).as_posix()} {stat.st_size} {stat.st_mtime_ns}")
        except OSError:  # a dangling link: decoding will say so
            seen.append(path.name)
    return hashlib.sha256("\n".join(seen).encode(errors="replace")).hexdigest()


def _is_current(out: Path, stamp: str) -> bool:
    try:
        stored = json.loads((out / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stored, dict) and stored.get("stamp") == stamp and (out / IMAGES).is_file()


def _first_reasons(report: PictureReport) -> str:
    reasons = list(report.refused.items())
    return " ".join(f"{name}: {why}" for name, why in reasons[:3])
