"""Recording: a take grows on disk from the first note on, and the engine never waits for the disk.

The engine hands over what happened; a thread of its own writes it. While the disk is full or gone,
everything stays in memory and is tried again; nothing is lost as long as the program runs. What is written is
kept in memory too, packed, since a disk that is gone can't be read again.
"""

from __future__ import annotations

import tempfile
import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from midi.errors import UserError
from midi.files import new_folder
from studio.live.messages import Actions, Input
from studio.live.take import TAKE_NAME, Take, TakeHeader, event_lines, header_line, load_take

__all__ = ["TAKE_NAME", "Take", "TakeHeader", "TakeRecorder", "TakeWriter", "load_take", "new_session_folder"]

FLUSH_S = 0.2
"""Pause between writes: what a power cut may cost."""


class RawFile(Protocol):
    """What is needed of an unbuffered file."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""
        ...

    def truncate(self, size: int, /) -> int:
        """Cut off what is behind."""
        ...

    def write(self, data: bytes, /) -> int | None:
        """Write, perhaps not all."""
        ...

    def close(self) -> None:
        """Close."""
        ...


Opener = Callable[[Path, bool], RawFile]
"""Opens a file unbuffered; the flag says whether it was created by an earlier call."""


def _open_raw(path: Path, is_ours: bool) -> RawFile:
    # Never over another take: a file is created here, and opened again only by who created it.
    return path.open("r+b" if is_ours and path.exists() else "xb", buffering=0)


class _Packed:
    """Bytes that grow at the end, deflated: lines of a take become about a tenth."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj()
        self._packed = bytearray()

    def __len__(self) -> int:
        return len(self._packed)

    def add(self, data: bytes) -> None:
        """Take more in."""
        self._packed += self._packer.compress(data)

    def data(self) -> bytes:
        """Everything that was added."""
        return zlib.decompress(bytes(self._packed) + self._packer.copy().flush())


class TakeWriter:
    """Lines on their way to a file. No threads: one caller at a time.

    Args:
        path: File to create; its folder must exist.
        header: First line.
        opener: Opens the file.

    Attributes:
        path: Where the take is, or shall be.
        problem: What is wrong with writing, one sentence; empty while all is well.
    """

    def __init__(self, path: Path, header: TakeHeader, opener: Opener = _open_raw) -> None:
        self.path = path
        self.problem = ""
        self._opener = opener
        self._file: RawFile | None = None
        self._pending: list[bytes] = [header_line(header)]
        self._written = _Packed()
        self._is_ours = False
        self._size = 0

    def add(self, lines: Sequence[bytes]) -> None:
        """Take lines in; they are written by the next ``flush``."""
        self._pending += lines

    def flush(self) -> bool:
        """Try to bring everything to the file; False, and a ``problem``, when that fails."""
        data = pending = b"".join(self._pending)
        try:
            if self._file is None:
                self._file = self._opener(self.path, self._is_ours)
                self._is_ours = True
                if self._size_on_disk() < self._size:
                    # It was removed or cut since it was last open.
                    self._size, data = 0, self._written.data() + pending
            if data:
                # A write that failed half way may have left the start of these lines.
                self._file.seek(self._size)
                self._file.truncate(self._size)
                self._write(self._file, data)
        except OSError as fault:
            self.problem = f"The take can't be written to {self.path}: {fault.strerror or fault}."
            self._close_file()
            return False
        self._size += len(data)
        self._written.add(pending)
        self._pending.clear()
        self.problem = ""
        return True

    @staticmethod
    def _write(file: RawFile, data: bytes) -> None:
        while data:
            written = file.write(data) or 0
            if written == 0:
                raise OSError(None, "the device takes no more data")
            data = data[written:]

    def close(self, spare_folder: Path) -> Path:
        """Finish the file, or save the take elsewhere.

        Args:
            spare_folder: Where to save it when its own place can't be written to.

        Returns:
            Where the take is; ``problem`` says why when that is not ``path``.

        Raises:
            UserError: It could be saved nowhere. Nothing is lost: it is still in memory, and
                ``save_as`` or ``close`` may be called again.
        """
        is_written = self.flush()
        self._close_file()
        if is_written and self._is_whole():
            return self.path
        problem = self.problem or f"The take's file {self.path} was removed or changed while it was written."
        is_free = self._is_ours or not self.path.exists()
        for target in (*([self.path] if is_free else []), _free_name(spare_folder)):
            try:
                self.save_as(target)
            except OSError:
                continue
            self.problem = "" if target == self.path else f"{problem} It was saved to {target} instead."
            return target
        self.problem = problem
        size = self._size if self.path.exists() else 0
        raise UserError(
            f"{problem} It couldn't be saved to {spare_folder} either; the first {size} bytes are in "
            f"{self.path}, and all of it is still in memory.",
            "Free some disk space and save again before leaving.",
        )

    def save_as(self, path: Path) -> None:
        """Write the whole take, in one piece or not at all.

        Raises:
            OSError: It can't be written there.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".part")
        try:
            draft.write_bytes(self._written.data() + b"".join(self._pending))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _is_whole(self) -> bool:
        return self._size_on_disk() == self._size

    def _size_on_disk(self) -> int:
        """Bytes of the file; −1 where there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return -1

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as fault:
                self.problem = self.problem or f"The take {self.path} can't be closed: {fault.strerror}."


class TakeRecorder:
    """Records a performance from a thread of its own.

    ``record`` is for the engine's thread and never waits; ``problem`` may be read anywhere.

    Args:
        folder: The session's folder; the take is ``take.jsonl`` in it.
        header: What the take says of itself.
        opener: Opens the file; for tests.
        spare_folder: Where the take goes when its own place can't be written to; the system's
            folder for temporary files unless stated.
    """

    def __init__(
        self,
        folder: Path,
        header: TakeHeader,
        *,
        opener: Opener = _open_raw,
        spare_folder: Path | None = None,
    ) -> None:
        self._writer = TakeWriter(folder / TAKE_NAME, header, opener)
        self._spare_folder = spare_folder or Path(tempfile.gettempdir()) / "antiphon"
        self._steps: deque[tuple[float, Sequence[Input], Actions]] = deque()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="take", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """Where the take is meant to be."""
        return self._writer.path

    @property
    def problem(self) -> str:
        """What is wrong with writing, one sentence; empty while all is well."""
        return self._writer.problem

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in; it is on disk within a quarter of a second."""
        self._steps.append((now_s, inputs, actions))

    def close(self) -> Path:
        """Write everything and stop; may be called again after a failure.

        Returns:
            Where the take is: in its folder, or else in the spare one (then ``problem`` says so).

        Raises:
            UserError: It could be saved nowhere; it is still in memory.
        """
        self._is_stopping.set()
        self._thread.join()
        self._drain()
        return self._writer.close(self._spare_folder)

    def save_as(self, path: Path) -> None:
        """Write the whole take to another place, after ``close`` failed.

        Raises:
            UserError: It can't be written there either.
        """
        try:
            self._writer.save_as(path)
        except OSError as fault:
            raise UserError(f"{path} can't be written: {fault.strerror}.", "Choose another place.") from fault

    def _run(self) -> None:
        while True:
            is_last = self._is_stopping.wait(FLUSH_S)
            self._drain()
            self._writer.flush()
            if is_last:
                return

    def _drain(self) -> None:
        while self._steps:
            self._writer.add(event_lines(*self._steps.popleft()))


def new_session_folder(root: Path, now: datetime) -> Path:
    """Create a folder named by date and time, never one that is there already.

    Raises:
        UserError: It can't be created.
    """
    name = now.strftime("%Y-%m-%d_%H-%M-%S")
    try:
        folder = new_folder(root, name)
    except OSError as fault:
        raise UserError(
            f"No folder can be created in {root}: {fault.strerror}.", "Choose another one."
        ) from fault
    if folder is None:
        raise UserError(f"{root} is full of sessions named {name}.", "Choose another folder.")
    return folder


def _free_name(folder: Path) -> Path:
    """A name for a take that is not taken, by date and time."""
    stem = datetime.now().strftime("take_%Y-%m-%d_%H-%M-%S")
    number = 1
    while (path := folder / f"{stem}_{number}.jsonl").exists():
        number += 1
    return path
