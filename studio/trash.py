"""Deleted takes: moved aside, with a way back, until the trash is emptied.

A deleted take's files lie in ``.trash/<key>/files`` of the takes folder, beside a note of where they came
from. Only files that Antiphon makes move; what else lies in a take's folder stays where it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from midi.errors import UserError
from midi.files import new_folder, write_bytes

FOLDER = ".trash"
_NOTE = "what.json"
_FILES = "files"

COMPANIONS = frozenset({"pianoroll.png", "report.json"})
"""What ``perform`` writes beside a take under names of their own."""


@dataclass(frozen=True, slots=True)
class Trashed:
    """A deleted take.

    Attributes:
        key: Its name in the trash.
        id: What it was called in the library: its place below the takes folder.
        name: What people call it.
        when: Date and time of the deletion, ISO 8601.
        path: The take's file, in the trash.
    """

    key: str
    id: str
    name: str
    when: str
    path: Path

    def as_json(self) -> dict[str, object]:
        """The values as plain data."""
        return asdict(self) | {"path": str(self.path)}


def files_of(take: Path, *, is_alone: bool = True) -> list[Path]:
    """A take's file (last) and what Antiphon has made of it beside it.

    Args:
        take: The take's file.
        is_alone: Whether no other take is in its folder, so that a piano roll and a report are its own.
    """
    own = {take.with_suffix(ending) for ending in (".json", ".mid", ".wav", ".flac", ".png")}
    own |= {take.with_name(name) for name in COMPANIONS if is_alone}
    return [*sorted(path for path in own if path.is_file()), take]


def throw_away(root: Path, take: Path, name: str, *, is_alone: bool = True) -> Trashed:
    """Move a take into the trash of a takes folder, wholly or not at all.

    Args:
        root: The takes folder.
        take: The take's file, below it.
        name: What people call it.
        is_alone: As for :func:`files_of`.

    Raises:
        UserError: It can't be moved; everything is where it was.
    """
    when = datetime.now().isoformat(timespec="seconds")
    place = take.relative_to(root).as_posix()
    entry = _new_entry(root / FOLDER, when)
    try:
        (entry / _FILES).mkdir()
        note = {"file": place, "name": name, "when": when}
        write_bytes(entry / _NOTE, json.dumps(note).encode())
        _move(files_of(take, is_alone=is_alone), entry / _FILES)
    except (OSError, UserError) as fault:
        shutil.rmtree(entry, ignore_errors=True)
        raise _refused(f"The take {take} can't be moved to the trash", fault) from fault
    _leave(take.parent, root)
    return Trashed(entry.name, take_id(root, take), name, when, entry / _FILES / take.name)


def thrown_away(root: Path) -> list[Trashed]:
    """What is in the trash, newest first; what is no deleted take is left out."""
    folder = root / FOLDER
    entries = [folder / name for name in _names(folder)]
    found = [each for entry in entries if (each := _read(root, entry)) is not None]
    return sorted(found, key=lambda each: (each.when, each.key), reverse=True)


def bring_back(root: Path, key: str) -> Path:
    """Move a take back to where it was, or beside it where that name has been taken since.

    Returns:
        The take's file.

    Raises:
        UserError: There is no such take in the trash, or it can't be moved.
    """
    trashed = next((each for each in thrown_away(root) if each.key == key), None)
    if trashed is None:
        raise UserError(f"There is no '{key[:80]}' in the trash.", "antiphon takes trashed lists it.")
    entry = root / FOLDER / key
    target = root / json.loads((entry / _NOTE).read_text(encoding="utf-8"))["file"]
    try:
        target = _free_place(root, target)
        files = [path for path in sorted((entry / _FILES).iterdir()) if path != trashed.path]
        _move([*files, trashed.path], target.parent, stem=(trashed.path.stem, target.stem))
    except OSError as fault:
        raise _refused(f"The take '{trashed.name}' can't be restored", fault) from fault
    shutil.rmtree(entry, ignore_errors=True)
    return target


def empty(root: Path) -> int:
    """Delete for good what is in the trash, and nothing else there.

    Returns:
        How many takes are gone.

    Raises:
        UserError: Something can't be deleted.
    """
    found = thrown_away(root)
    for each in found:
        entry = root / FOLDER / each.key
        try:
            shutil.rmtree(entry)
        except OSError as fault:
            raise _refused(f"The take '{each.name}' can't be deleted", fault) from fault
    return len(found)


def take_id(root: Path, take: Path) -> str:
    """How the library calls a take: its folder below the takes folder; its file where it has none."""
    place = take.relative_to(root)
    is_folder = place.name == "take.jsonl" and len(place.parts) > 1
    return (place.parent if is_folder else place).as_posix()


def _read(root: Path, entry: Path) -> Trashed | None:
    try:
        note = json.loads((entry / _NOTE).read_text(encoding="utf-8"))
        place = Path(str(note["file"]))
        path = entry / _FILES / place.name
        if place.is_absolute() or ".." in place.parts or not path.is_file():
            return None
        return Trashed(entry.name, take_id(root, root / place), str(note["name"]), str(note["when"]), path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _new_entry(folder: Path, when: str) -> Path:
    stem = when.replace(":", "-").replace("T", "_")
    try:
        entry = new_folder(folder, stem)
    except OSError as fault:
        raise _refused(f"The trash {folder} can't be written to", fault) from fault
    if entry is None:
        raise UserError(f"The trash {folder} is full.", "antiphon takes empty-trash empties it.")
    return entry


def _move(files: Sequence[Path], folder: Path, stem: tuple[str, str] = ("", "")) -> None:
    """Move files into a folder, the most important one last; on a fault they all go back."""
    moved: list[tuple[Path, Path]] = []
    try:
        for file in files:
            name = stem[1] + file.suffix if stem[0] and file.stem == stem[0] else file.name
            target = folder / name
            file.rename(target)
            moved.append((file, target))
    except OSError:
        for file, target in reversed(moved):
            target.rename(file)
        raise


def _free_place(root: Path, target: Path) -> Path:
    """Where a take can return to: its own place, else one numbered beside it. Makes the folder."""
    is_folder = target.name == "take.jsonl" and target.parent != root
    number, place = 1, target
    while place.exists():
        number += 1
        if is_folder:
            place = target.parent.with_name(f"{target.parent.name}_{number}") / target.name
        else:
            place = target.with_name(f"{target.stem}_{number}{target.suffix}")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _leave(folder: Path, root: Path) -> None:
    """Remove a folder that has become empty."""
    if folder != root:
        try:
            folder.rmdir()
        except OSError:
            return


def _refused(sentence: str, fault: Exception) -> UserError:
    why = getattr(fault, "strerror", None) or str(fault)
    return UserError(f"{sentence}: {why.rstrip('.')}.", "Check the folder's permissions and free space.")
