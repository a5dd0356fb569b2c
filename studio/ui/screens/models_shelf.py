"""The bundles there are, read without torch: what :mod:`models.registry` lists, for a window.

Only folders, names and manifests are looked at; checksums and weights are the registry's business, and
every change to the shelf goes through ``antiphon models``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import assets
from models.sequence.parts import told_parts
from studio import settings

MANIFEST, CARD, POINTER = "bundle.json", "README.md", "current.json"

PARTNER = "event-rows"
"""What a manifest calls the network of a partner; :mod:`models.sequence.player` says so too."""

MAX_TEXT_BYTES = 4 << 20
"""No manifest or card is near this size; larger ones are not read into the window."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on the shelf.

    Attributes:
        name: Bundle name.
        version: Semantic version.
        is_current: Whether the name alone means this version.
        is_shipped: Whether it came with Antiphon.
        path: Its folder.
        size_mb: Size of its files in 10⁶ bytes.
        manifest: What ``bundle.json`` says; empty when it can't be read.
        card: Text of its card, Markdown.
        problem: Why it can't be used; usually empty.
    """

    name: str
    version: str
    is_current: bool
    is_shipped: bool
    path: Path
    size_mb: float
    manifest: Mapping[str, Any] = field(default_factory=dict)
    card: str = ""
    problem: str = ""

    @property
    def title(self) -> str:
        """``name@version``, as the desk is told."""
        return f"{self.name}@{self.version}"


def read_shelf(shipped: Path | None = None, own: Path | None = None) -> tuple[Bundle, ...]:
    """Every bundle, by name and rising version; damaged ones say so in ``problem``.

    Args:
        shipped: Folder of the bundles that came with Antiphon; its own by default.
        own: The user's folder; below the user's data by default.
    """
    shipped = shipped or assets.path("weights")
    own = own or settings.home() / "models"
    found: list[Bundle] = []
    for name in sorted(_names(shipped) | _names(own)):
        folders = _versions(shipped / name) | _versions(own / name)
        ordered = sorted(folders, key=version_key)
        pointed = _pointed(own / name)
        current = pointed if pointed in folders else ordered[-1]
        found += [_read(name, v, folders[v], is_current=v == current, shipped=shipped) for v in ordered]
    return tuple(found)


def teacher_of(part: int, bundles: Iterable[Bundle]) -> str:
    """Name of a current bundle whose partner was taught an instrument class; empty where there is none."""
    for bundle in bundles:
        said = bundle.manifest
        names, config = said.get("instruments"), said.get("config")
        if bundle.is_current and said.get("architecture") == PARTNER:
            taught = told_parts(
                names if isinstance(names, list) else (), config if isinstance(config, dict) else {}
            )
            if part in taught:
                return bundle.name
    return ""


def can_roll_back(name: str, own: Path | None = None) -> bool:
    """Whether an earlier promotion of a name is left to go back to."""
    pointer = _json((own or settings.home() / "models") / name / POINTER)
    earlier = pointer.get("earlier")
    return isinstance(earlier, list) and any(isinstance(version, str) for version in earlier)


def version_key(version: str) -> tuple[Any, ...]:
    """Sort key by semver.org §11: numbers count as numbers, a pre-release comes before its release."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return ((-1, 0, 0), False, ())
    *core, prerelease = match.groups()
    parts = prerelease.split(".") if prerelease else []
    keys = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return (tuple(map(int, core)), not prerelease, keys)


def _names(root: Path) -> set[str]:
    if not root.is_dir():
        return set()
    return {folder.name for folder in root.iterdir() if _is_name(folder.name) and _versions(folder)}


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text) is not None


def _versions(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.name: path for path in folder.iterdir() if path.is_dir() and _VERSION.fullmatch(path.name)}


def _pointed(folder: Path) -> str:
    current = _json(folder / POINTER).get("current")
    return current if isinstance(current, str) else ""


def _read(name: str, version: str, path: Path, *, is_current: bool, shipped: Path) -> Bundle:
    manifest = _json(path / MANIFEST)
    problem = ""
    if not manifest:
        problem = "Its description can't be read."
    elif (manifest.get("name"), manifest.get("version")) != (name, version):
        problem = f"Its manifest says {manifest.get('name')}@{manifest.get('version')}."
    size_bytes = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    is_shipped = path.is_relative_to(shipped)
    return Bundle(
        name, version, is_current, is_shipped, path, round(size_bytes / 1e6, 3), manifest,
        _text(path / CARD), problem,
    )  # fmt: skip


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
