"""Data shipped with Antiphon, behind one accessor."""

from __future__ import annotations

from pathlib import Path


def path(name: str) -> Path:
    """The file or folder ``name`` (with ``/``) among the shipped data; it need not exist.

    Antiphon installs as plain files (editable or from a wheel), so this is a path of the file system.
    """
    return Path(__file__).parent / name
