"""Where bundles live: install, find, export, promote, roll back.

A bundle is found by ``name``, by ``name@version`` or by path. The user's own are in
``<home>/models/<name>/<version>/``, shipped ones in ``assets/weights/<name>/<version>/``; where both have a
version the user's counts. A name alone means the version that ``current.json`` beside the user's versions
points to, else the highest.
"""

import difflib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import assets
from midi.errors import UserError
from models.bundle import (
    SIZE_LIMITS,
    Bundle,
    disk_fault,
    is_name,
    read_bundle,
    read_manifest,
    version_key,
    whole_folder,
)
from models.home import home
from models.package import SUFFIX, pack, unpack

POINTER = "current.json"


@dataclass(frozen=True)
class BundleInfo:
    """One line of the list of bundles.

    Attributes:
        name: Bundle name.
        version: Semantic version.
        kinds: Media read and given: ``{"in": …, "out": …}``; empty strings when the bundle is damaged.
        size_mb: Size of its files in 10⁶ bytes.
        licence: SPDX identifier of the weights.
        is_current: Whether the name alone means this version.
        is_shipped: Whether it came with Antiphon.
        path: Its folder.
        problem: Why it can't be used, usually empty.
    """

    name: str
    version: str
    kinds: dict[str, str]
    size_mb: float
    licence: str
    is_current: bool
    is_shipped: bool
    path: Path
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """The keys of ``antiphon models list --json``."""
        return {
            "name": self.name,
            "version": self.version,
            "kinds": self.kinds,
            "size_mb": self.size_mb,
            "licence": self.licence,
            "current": self.is_current,
            "shipped": self.is_shipped,
            "problem": self.problem,
            "path": str(self.path),
        }


def user_folder() -> Path:
    """Folder of the user's bundles: below ``ANTIPHON_HOME`` where set, else the platform's data folder."""
    return home() / "models"


def shipped_folder() -> Path:
    """Folder of the bundles that came with Antiphon."""
    return assets.path("weights")


def find(name_or_path: str | Path) -> Path:
    """The folder of a bundle, by ``name``, ``name@version`` or path; its contents are not checked.

    Raises:
        UserError: There is none; the hint names similar ones.
    """
    text = str(name_or_path)
    name, _, version = text.partition("@")
    if isinstance(name_or_path, Path) or not is_name(name):
        return _as_path(Path(text))
    folders = _versions(name)
    if not folders and Path(text).is_dir():
        return Path(text)
    if not folders:
        close = difflib.get_close_matches(name, _names(), n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise UserError(f"There is no bundle '{name}'.", f"{hint}antiphon models list shows what there is.")
    chosen = version or current_version(name)
    if chosen not in folders:
        raise UserError(
            f"The bundle '{name}' has no version {chosen[:40]}.", f"It has {', '.join(_ordered(folders))}."
        )
    return folders[chosen]


def current_version(name: str) -> str:
    """The version that ``name`` alone means.

    Raises:
        UserError: There is no such bundle.
    """
    folders = _versions(name)
    if not folders:
        raise UserError(f"There is no bundle '{name}'.", "antiphon models list shows what there is.")
    pointed = _read_pointer(name)["current"]
    return pointed if pointed in folders else _ordered(folders)[-1]


def history(name: str) -> list[dict[str, str]]:
    """Every promotion and rollback of a name, oldest first: ``{action, version, when}``."""
    return list(_read_pointer(name)["history"])


def list_bundles() -> list[BundleInfo]:
    """All bundles, by name and rising version; damaged ones say so in ``problem``.

    Checksums are not compared.
    """
    infos = []
    for name in _names():
        folders = _versions(name)
        current = current_version(name)
        infos += [_info(name, v, folders[v], is_current=v == current) for v in _ordered(folders)]
    return infos


def install(source: Path, *, is_promoted: bool = True) -> Bundle:
    """Copy a bundle folder or a ``.antiphon`` file into the user's folder.

    Installing the same bundle twice changes nothing.

    Args:
        source: Bundle folder or packed file.
        is_promoted: Make it what its name alone means. False keeps the incumbent there, for a candidate
            that has yet to pass the gate.

    Raises:
        UserError: The bundle is refused, another one has its name and version, or the disk refused.
    """
    staging = user_folder() / f".staging-{os.getpid()}"
    try:
        if source.is_dir():
            _copy(read_bundle(source).path, staging)
        elif source.suffix == SUFFIX or source.is_file():
            unpack(source, staging)
        else:
            raise UserError(f"There is no bundle at {source}.", f"Name a bundle folder or a {SUFFIX} file.")
        manifest = read_bundle(staging).manifest
        incumbent = current_version(manifest.name) if _versions(manifest.name) else None
        _settle(staging, manifest.name, manifest.version, manifest.checksums)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if incumbent is not None:
        _pin(manifest.name, incumbent)
    if is_promoted:
        promote(manifest.name, manifest.version)
    return Bundle(find(f"{manifest.name}@{manifest.version}"), manifest)


def export(name: str, out: Path | None = None) -> Path:
    """Pack a bundle for sharing; ``out`` as in ``package.pack``. Returns the file."""
    return pack(find(name), out)


def promote(name: str, version: str) -> None:
    """Let ``name`` alone mean ``version`` from now on; the one before stays reachable by ``rollback``.

    Raises:
        UserError: There is no such version, or it is damaged.
    """
    read_bundle(find(f"{name}@{version}"))
    before = current_version(name)
    pointer = _read_pointer(name)
    if pointer["current"] == version:
        return
    if before != version:
        pointer["earlier"].append(before)
    _record(name, pointer, "promote", version)


def rollback(name: str) -> str:
    """Undo the latest promotion that can be undone.

    Returns:
        The version that ``name`` means now.

    Raises:
        UserError: There is nothing to go back to (exit code 1).
    """
    pointer = _read_pointer(name)
    folders = _versions(name)
    present = current_version(name)
    while pointer["earlier"]:
        version = pointer["earlier"].pop()
        if version in folders and version != present:
            _record(name, pointer, "rollback", version)
            return str(version)
    raise UserError(
        f"The bundle '{name}' has no earlier version to go back to.",
        f"antiphon models promote {name} VERSION chooses one of {', '.join(_ordered(folders))}.",
        exit_code=1,
    )


def remove(name: str) -> Path:
    """Delete one of the user's bundles, by ``name`` if it has one version, else by ``name@version``.

    Returns:
        The folder that is gone.

    Raises:
        UserError: There is none, the name is ambiguous, or it came with Antiphon.
    """
    name, _, version = name.partition("@")
    own = _versions_in(user_folder(), name) if is_name(name) else {}
    if not version and len(own) == 1:
        version = next(iter(own))
    if not version and own:
        raise UserError(
            f"The bundle '{name}' has several versions.", f"Say which, e.g. {name}@{_ordered(own)[-1]}."
        )
    if version not in own:
        raise UserError(
            f"There is no bundle '{name}{'@' * bool(version)}{version[:40]}' of yours.",
            "Only installed bundles can be removed, not those that came with Antiphon.",
        )
    doomed = own[version].with_name(f".removed-{version}-{os.getpid()}")
    try:
        own[version].rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise disk_fault(own[version], error) from error
    if not _versions(name):
        shutil.rmtree(user_folder() / name, ignore_errors=True)
    return own[version]


def _as_path(path: Path) -> Path:
    if path.is_file() and path.suffix == SUFFIX:
        raise UserError(f"{path} is packed.", f"Install it first: antiphon models install {path}.")
    if not path.is_dir():
        raise UserError(f"There is no bundle at {path}.", "antiphon models list shows what there is.")
    return path


def _versions(name: str) -> dict[str, Path]:
    """Folder of each version of a name; the user's shadow the shipped."""
    if not is_name(name):
        return {}
    return _versions_in(shipped_folder(), name) | _versions_in(user_folder(), name)


def _versions_in(root: Path, name: str) -> dict[str, Path]:
    folder = root / name
    return {p.name: p for p in folder.iterdir() if _is_version(p)} if folder.is_dir() else {}


def _is_version(path: Path) -> bool:
    try:
        version_key(path.name)
    except UserError:
        return False
    return path.is_dir()


def _ordered(versions: dict[str, Path]) -> list[str]:
    return sorted(versions, key=version_key)


def _names() -> list[str]:
    roots = [root for root in (shipped_folder(), user_folder()) if root.is_dir()]
    return sorted({p.name for root in roots for p in root.iterdir() if _versions(p.name)})


def _info(name: str, version: str, path: Path, *, is_current: bool) -> BundleInfo:
    kinds, licence, problem = {"in": "", "out": ""}, "", ""
    try:
        manifest = read_manifest(path)
        kinds, licence = dict(manifest.kinds.model_dump(by_alias=True)), manifest.licence
        if (manifest.name, manifest.version) != (name, version):
            problem = f"Its manifest says {manifest.name}@{manifest.version}."
    except UserError as error:
        problem = error.message
    size_bytes = sum(p.stat().st_size for p in path.iterdir() if p.is_file())
    is_shipped = path.is_relative_to(shipped_folder())
    return BundleInfo(
        name, version, kinds, round(size_bytes / 1e6, 3), licence, is_current, is_shipped, path, problem
    )


def _copy(source: Path, target: Path) -> None:
    with whole_folder(target) as temporary:
        for file in SIZE_LIMITS:
            if (source / file).is_file():
                shutil.copyfile(source / file, temporary / file)


def _settle(staging: Path, name: str, version: str, checksums: dict[str, str]) -> None:
    """Move a checked bundle to its place, unless the very same one is there."""
    there = _versions(name).get(version)
    if there is not None:
        if read_manifest(there).checksums == checksums:
            return
        raise UserError(
            f"Another bundle is installed as {name}@{version}.",
            f"Run antiphon models remove {name}@{version} first, or give the new one another version.",
        )
    target = user_folder() / name / version
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(target)
    except OSError as error:
        raise disk_fault(target, error) from error


def _read_pointer(name: str) -> dict[str, Any]:
    """The pointer file; an unreadable one counts as none, because every version is still there."""
    empty: dict[str, Any] = {"current": None, "earlier": [], "history": []}
    try:
        stored = json.loads((user_folder() / name / POINTER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return empty
    if not isinstance(stored, dict) or not isinstance(stored.get("current"), str):
        return empty
    earlier, record = stored.get("earlier"), stored.get("history")
    return {
        "current": stored["current"],
        "earlier": [v for v in earlier if isinstance(v, str)] if isinstance(earlier, list) else [],
        "history": record if isinstance(record, list) else [],
    }


def _pin(name: str, version: str) -> None:
    """Pin a name to a version without counting that as a promotion."""
    pointer = _read_pointer(name)
    if pointer["current"] is None:
        _write_pointer(name, pointer | {"current": version})


def _record(name: str, pointer: dict[str, Any], action: str, version: str) -> None:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    pointer["history"].append({"action": action, "version": version, "when": when})
    _write_pointer(name, pointer | {"current": version})


def _write_pointer(name: str, pointer: dict[str, Any]) -> None:
    path = user_folder() / name / POINTER
    temporary = path.with_name(f".{POINTER}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(pointer, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise disk_fault(path, error) from error
