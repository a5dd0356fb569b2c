"""The log of a run and its speed: JSON lines always, TensorBoard where asked for and installed."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Journal:
    """Appends records to ``log.jsonl``; a full disk costs lines, never the run.

    Args:
        run_dir: The run's folder.
        is_writing: False on all processes but the first.
        tensorboard: Also write event files, if the package is there.
    """

    def __init__(self, run_dir: Path, *, is_writing: bool, tensorboard: bool) -> None:
        self._path = run_dir / "log.jsonl"
        self._is_writing = is_writing
        self._board = _board(run_dir) if is_writing and tensorboard else None

    def write(self, record: Mapping[str, Any], scalars: Mapping[str, float] | None = None) -> None:
        """One line of JSON; numbers that JSON can't write become null. ``scalars`` also go to TensorBoard."""
        if not self._is_writing:
            return
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        with suppress(OSError):
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(finite) + "\n")
            if self._board is not None:
                for key, value in (scalars or {}).items():
                    self._board.add_scalar(key, value, record["step"])

    def close(self) -> None:
        """Flush TensorBoard's events."""
        if self._board:
            with suppress(OSError):
                self._board.close()


def _board(run_dir: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional and slow to import
    except ImportError:
        return None
    return SummaryWriter(str(run_dir / "tensorboard"))


@dataclass
class Throughput:
    """Rows since the last log line."""

    since_s: float
    rows: int = 0
    last: float = 0.0

    def rows_per_s(self, now_s: float) -> float:
        """Rows a second since then, or of the interval before while there are none."""
        return self.rows / (now_s - self.since_s) if self.rows and now_s > self.since_s else self.last

    def close(self, now_s: float) -> None:
        """Begin a new interval."""
        self.last = self.rows_per_s(now_s)
        self.since_s, self.rows = now_s, 0
