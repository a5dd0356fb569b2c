"""The library of takes: what was recorded, what people say of it, and what can be done with it.

The window and ``antiphon takes`` call the same functions. Files are the truth: the recording itself is never
written to, what people add to it lives in a small file beside it (``take.json``), and the index only saves
time. A take that is damaged is listed with its problem.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from midi.errors import UserError
from studio import jsonfile, settings, trash
from studio.live.take import TAKE_NAME
from studio.takefacts import TakeInfo, facts_of, file_time
from studio.takeindex import TakeIndex
from studio.takewords import TakeWords, file_name, merged_tags, spoken_name, spoken_tag
from studio.trash import Trashed

__all__ = ["Library", "TakeInfo", "TakeWords", "Trashed"]

MAX_DEPTH = 3
"""Folders below the takes folder in which takes are looked for."""

Progress = Callable[[str, int, int], None]


class Library:
    """The takes of a folder. One thread at a time; other programs may change the files meanwhile.

    Args:
        folder: The takes; None for the user's.
        cache: Where the index and thumbnails are kept; None for the user's.
    """

    def __init__(self, folder: Path | None = None, cache: Path | None = None) -> None:
        self.folder = (folder or settings.takes_folder()).absolute()
        self._cache = cache or settings.cache_folder()
        self._index = TakeIndex(self._cache)

    def __enter__(self) -> Library:
        """The library itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the index go."""
        self.close()

    def move_to(self, folder: Path) -> None:
        """Look after another folder from now on; nothing is moved."""
        self.folder = folder.absolute()

    def takes(self, max_new: int | None = None) -> list[TakeInfo]:
        """Every take, newest first; damaged ones with their problem.

        Args:
            max_new: Look into at most so many files that are new or changed; the others are listed with
                ``is_read`` False and their file's time, and are read by later calls. None reads all.

        Raises:
            UserError: The takes folder can't be read.
        """
        infos: list[TakeInfo] = []
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        known = self._index.known(str(self.folder))
        files = {str(path): path for path in self._files()}
        for text, path in files.items():
            stamp = _stamp(path)
            entry = known.get(text)
            if entry is None or entry[0] != stamp:
                if max_new is not None and len(found) >= max_new:
                    infos.append(replace(self._info(path, {}), is_read=False))
                    continue
                entry = found[text] = (stamp, facts_of(path))
            if not entry[1].get("is_foreign"):
                infos.append(self._info(path, entry[1]))
        gone = [text for text in known if text not in files]
        if found or gone:
            self._index.keep(str(self.folder), found, gone)
        return sorted(infos, key=lambda info: (info.created, info.id), reverse=True)

    def find(self, text: str) -> TakeInfo:
        """A take by id, by path, or by name in any case.

        Raises:
            UserError: There is none, or there are several of that name.
        """
        if (path := self._located(text)) is not None:
            return self._info(path, self._facts(path))
        infos = self.takes()
        named = [info for info in infos if info.name.casefold() == text.strip().casefold()]
        if len(named) == 1:
            return named[0]
        if named:
            ids = ", ".join(info.id for info in named[:5])
            raise UserError(f"{len(named)} takes are called '{text}'.", f"Say which: {ids}.")
        close = difflib.get_close_matches(text, [x for info in infos for x in (info.id, info.name)], n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise UserError(f"There is no take '{text[:80]}'.", f"{hint}antiphon takes list shows them all.")

    def rename(self, take: str, name: str) -> TakeInfo:
        """Call a take something else; empty goes back to its folder's name. Its files stay where they are.

        Raises:
            UserError: There is no such take, or its file of words can't be written.
        """
        return self._said(take, lambda words: setattr(words, "name", spoken_name(name)))

    def tag(self, take: str, *tags: str) -> TakeInfo:
        """Add words to find a take by.

        Raises:
            UserError: As ``rename``.
        """
        new = [spoken_tag(tag) for tag in tags]
        return self._said(take, lambda words: setattr(words, "tags", merged_tags((*words.tags, *new))))

    def untag(self, take: str, *tags: str) -> TakeInfo:
        """Take words away again; those that it doesn't have change nothing.

        Raises:
            UserError: As ``rename``.
        """
        gone = {spoken_tag(tag).casefold() for tag in tags}

        def take_away(words: TakeWords) -> None:
            words.tags = tuple(tag for tag in words.tags if tag.casefold() not in gone)

        return self._said(take, take_away)

    def star(self, take: str, is_starred: bool = True) -> TakeInfo:
        """Make a take a favorite, or not any more.

        Raises:
            UserError: As ``rename``.
        """
        return self._said(take, lambda words: setattr(words, "is_starred", is_starred))

    def trash(self, take: str) -> Trashed:
        """Move a take to the trash; ``restore`` with its key undoes that.

        Raises:
            UserError: There is no such take, or it can't be moved.
        """
        info = self.find(take)
        others = [path for path in self._files() if path.parent == info.path.parent]
        return trash.throw_away(self.folder, info.path, info.name, is_alone=len(others) == 1)

    def trashed(self) -> list[Trashed]:
        """What is in the trash, newest first."""
        return trash.thrown_away(self.folder)

    def restore(self, key: str) -> TakeInfo:
        """Bring a take back from the trash.

        Raises:
            UserError: It isn't there, or can't be moved.
        """
        path = trash.bring_back(self.folder, key)
        return self._info(path, self._facts(path))

    def empty_trash(self) -> int:
        """Delete for good what is in the trash, and say how many takes that were.

        Raises:
            UserError: Something can't be deleted.
        """
        return trash.empty(self.folder)

    def export(
        self, take: str, out: Path, kind: str = "wav", progress: Progress | None = None
    ) -> tuple[Path, dict[str, object]]:
        """Write a take as MIDI, WAV, FLAC or PNG.

        Args:
            take: Id, path or name.
            out: The file, by the ending of its name; or a folder, where it gets the take's name and
                overwrites nothing.
            kind: Ending for a folder, without the dot.
            progress: Told how far it is.

        Returns:
            The file, and figures (:func:`studio.render.render`).

        Raises:
            UserError: The take can't be read, or the file can't be written.
        """
        from studio.render import render  # noqa: PLC0415 - loads the synth

        info = self.find(take)
        if out.is_dir():
            out = _free(out / f"{file_name(info.name)}.{kind.lstrip('.')}")
        return out, render(info.path, out, progress, title=info.name)

    def verify(self, take: str, progress: Progress | None = None) -> dict[str, Any]:
        """Make a take's sound anew and compare it, bit for bit, with sound files beside it and the last time.

        Returns:
            ``sha256 seconds matches last_time``: a boolean for each file by its name; ``last_time`` is None
            when this is the first time, and what is compared with from now on.

        Raises:
            UserError: There is no such take, it can't be read, or its file of words can't be written.
        """
        from studio.render import render_again  # noqa: PLC0415 - loads the synth

        info = self.find(take)
        again = render_again(info.path, progress)
        words, _ = jsonfile.read(info.path.with_suffix(".json"), TakeWords)
        before = words.sound_sha256
        if before != again.sha256:
            self._said(info.id, lambda kept: setattr(kept, "sound_sha256", again.sha256))
        return {
            "sha256": again.sha256, "seconds": again.seconds, "matches": dict(again.matches),
            "last_time": before == again.sha256 if before else None,
        }  # fmt: skip

    def thumbnail(self, take: str, width_px: int = 160, height_px: int = 40) -> Any:
        """A mini piano roll, RGBA [height, width, 4] of bytes on clear ground; kept as PNG in the cache.

        A damaged take has an empty one.

        Raises:
            UserError: There is no such take.
            ValueError: The size is out of range.
        """
        from studio.takeroll import kept_roll  # noqa: PLC0415 - loads Pillow

        path = self._located(take) or self.find(take).path
        facts = f"{path}\n{_stamp(path)}\n{width_px}x{height_px}"
        key = hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return kept_roll(path, self._cache / "thumbnails" / f"{key}.png", width_px, height_px)

    def close(self) -> None:
        """Let the index go."""
        self._index.close()

    def _files(self) -> Iterator[Path]:
        if not self.folder.exists():
            return
        try:
            with os.scandir(self.folder):
                pass
        except OSError as fault:
            raise UserError(
                f"The takes folder {self.folder} can't be read: {fault.strerror}.", "Check its permissions."
            ) from fault
        yield from _walk(self.folder, MAX_DEPTH)

    def _located(self, text: str) -> Path | None:
        """The file of an id or a path, without looking into others."""
        if not text.strip() or "\0" in text:
            return None
        for base in (self.folder / text, Path(text).absolute()):
            for path in (base, base / TAKE_NAME):
                plain = Path(os.path.normpath(path))
                if self._holds(plain):
                    return plain
        return None

    def _holds(self, path: Path) -> bool:
        """Whether a file is where takes are looked for, and is one, whole or damaged."""
        if not path.is_relative_to(self.folder) or path.suffix != ".jsonl":
            return False
        parts = path.relative_to(self.folder).parts
        is_place = len(parts) <= MAX_DEPTH + 1 and not any(part.startswith(".") for part in parts)
        return is_place and path.is_file() and not self._facts(path).get("is_foreign")

    def _facts(self, path: Path) -> dict[str, Any]:
        """Facts of one take, remembered or read."""
        stamp, known = _stamp(path), self._index.one(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        facts = facts_of(path)
        self._index.keep(str(self.folder), {str(path): (stamp, facts)}, [])
        return facts

    def _info(self, path: Path, facts: dict[str, Any]) -> TakeInfo:
        words, problem = jsonfile.read(path.with_suffix(".json"), TakeWords)
        place = trash.take_id(self.folder, path)
        known = {name: value for name, value in facts.items() if name in TakeInfo.__slots__}
        known |= {"metre": tuple(known.get("metre", (4, 4)))}
        known["problem"] = known.get("problem") or problem
        known["created"] = known.get("created") or file_time(path)
        default = path.parent.name if path.name == TAKE_NAME else path.stem
        return TakeInfo(
            id=place,
            path=path,
            name=words.name or default,
            tags=words.tags,
            is_starred=words.is_starred,
            **known,
        )

    def _said(self, take: str, change: Callable[[TakeWords], None]) -> TakeInfo:
        """Change a take's words, on disk first."""
        info = self.find(take)
        side = info.path.with_suffix(".json")
        words, _ = jsonfile.read(side, TakeWords)
        change(words)
        jsonfile.write(side, words)
        return self._info(info.path, self._facts(info.path))


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Files that may be takes, below a folder; what can't be read and what begins with a dot is left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth > 0:
                yield from _walk(Path(entry.path), depth - 1)
        elif entry.name.endswith(".jsonl") and entry.is_file():
            yield Path(entry.path)


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns}-{status.st_size}"


def _free(path: Path) -> Path:
    """A name that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem} {number}{path.suffix}")
    return free
