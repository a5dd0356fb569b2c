"""The index of takes: what was found in files, remembered so that nobody waits for them twice.

The files are the truth. The index can be deleted at any time, and where it can't be kept (a full disk, a
folder that may not be written to, a damaged file) it lives in memory for as long as the program.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE_NAME = "takes.sqlite"

LAYOUT = 1
"""Goes up when what is remembered of a take changes; an index of another layout is begun anew."""

BUSY_S = 0.2
"""How long another process may hold the index before this one goes on without it."""


class TakeIndex:
    """Facts of files under their paths, each valid for one stamp of its file. One thread at a time.

    Args:
        folder: Where the index is kept; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        for attempt in (self._path, self._path, ":memory:"):
            try:
                if isinstance(attempt, Path):
                    attempt.parent.mkdir(parents=True, exist_ok=True)
                return _prepared(attempt)
            except sqlite3.OperationalError:
                # Locked or not allowed: the file itself may be sound.
                continue
            except (sqlite3.DatabaseError, OSError):
                with suppress(OSError):
                    self._path.unlink()
        return _prepared(":memory:")

    def known(self, root: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """Stamp and facts of every file below a folder, by path."""
        try:
            rows = self._db.execute("SELECT path, stamp, facts FROM takes WHERE root = ?", (root,)).fetchall()
            return {path: (stamp, json.loads(facts)) for path, stamp, facts in rows}
        except (sqlite3.Error, ValueError):
            return {}

    def one(self, path: str) -> tuple[str, dict[str, Any]] | None:
        """Stamp and facts of a file; None for one that is not known."""
        try:
            row = self._db.execute("SELECT stamp, facts FROM takes WHERE path = ?", (path,)).fetchone()
            return None if row is None else (row[0], json.loads(row[1]))
        except (sqlite3.Error, ValueError):
            return None

    def keep(self, root: str, found: dict[str, tuple[str, dict[str, Any]]], gone: list[str]) -> None:
        """Remember facts of files, and forget files; a failure costs only time later."""
        try:
            with self._db:
                rows = [(root, path, stamp, json.dumps(facts)) for path, (stamp, facts) in found.items()]
                self._db.executemany("INSERT OR REPLACE INTO takes VALUES (?, ?, ?, ?)", rows)
                self._db.executemany("DELETE FROM takes WHERE path = ?", [(path,) for path in gone])
        except sqlite3.Error:
            self.close()
            self._db = _prepared(":memory:")

    def close(self) -> None:
        """Let the file go."""
        with suppress(sqlite3.Error):
            self._db.close()


def _prepared(path: Path | str) -> sqlite3.Connection:
    """An open index with its table, begun anew where its layout is another."""
    # One thread at a time, but not always the same: a window may list in the background.
    db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        with db:
            (layout,) = db.execute("PRAGMA user_version").fetchone()
            if layout != LAYOUT:
                db.execute("DROP TABLE IF EXISTS takes")
                db.execute("CREATE TABLE takes (root TEXT, path TEXT PRIMARY KEY, stamp TEXT, facts TEXT)")
                db.execute(f"PRAGMA user_version = {LAYOUT}")
            db.execute("SELECT root, path, stamp, facts FROM takes LIMIT 1")
    except BaseException:
        db.close()
        raise
    return db
