"""Sound files, written as they are heard or made. The one place that writes them."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import soundfile
from numpy.typing import NDArray

from midi.errors import UserError

Audio = NDArray[np.float32]


def samples_16(block: Audio) -> NDArray[np.int16]:
    """Frames in -1 to 1 as the samples that every file format gets; what is beyond is clipped.

    Rounded here because libsndfile converts differently for WAV (it cuts off) and FLAC (it rounds).
    """
    samples: NDArray[np.int16] = np.rint(np.clip(np.nan_to_num(block), -1.0, 1.0) * 32767.0).astype(np.int16)
    return samples


class SoundWriter:
    """A WAV or FLAC file, 16 bit stereo, written block by block and put in its place by ``close``.

    Until then it grows in a ``.part`` file beside it. When the disk is full the part file stays, holding
    what was written, and the error names it; so does what was written before any other fault.

    Args:
        path: Ends in .wav or .flac.
        rate_hz: Sample rate.
        keeps_part: False leaves nothing behind after a fault: for sound that can be made again.

    Raises:
        UserError: Any method: the ending is another, or the file can't be written.
    """

    def __init__(self, path: Path | str, rate_hz: int = 48000, *, keeps_part: bool = True) -> None:
        self.path = Path(path)
        kind = self.path.suffix[1:].upper()
        if kind not in {"WAV", "FLAC"}:
            raise UserError(f"'{self.path.name}' is no sound file.", "Use a name that ends in .wav or .flac.")
        self.part_path = self.path.with_name(f".{self.path.name[:100]}.{secrets.token_hex(4)}.part")
        self.frames = 0
        self._keeps_part = keeps_part
        self._file: Any = None
        try:
            self._file = soundfile.SoundFile(self.part_path, "w", rate_hz, 2, "PCM_16", format=kind)
        except (OSError, soundfile.SoundFileError) as error:
            self._fail(error)

    def __enter__(self) -> SoundWriter:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; what was written before a fault is kept as well, unless it can be made again."""
        if error is None:
            self.close()
        elif not self._keeps_part:
            self._discard()
        else:
            with suppress(UserError):
                self.close()

    def write(self, block: Audio) -> None:
        """Append frames [n, 2] in -1 to 1."""
        if self._file is None:
            raise UserError(f"{self.path} is closed.", "Start a new recording.")
        try:
            self._file.write(samples_16(block))
        except (OSError, soundfile.SoundFileError, AssertionError) as error:
            # soundfile asserts that all frames were taken, which is how a full disk may show.
            self._fail(error)
        self.frames += len(block)

    def close(self) -> None:
        """Finish the file and put it in its place. Calling it again does nothing."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.flush()
            file.close()
            is_whole = soundfile.info(self.part_path).frames >= self.frames
            if is_whole:
                self.part_path.replace(self.path)
        except (OSError, soundfile.SoundFileError) as error:
            self._fail(error)
        if not is_whole:
            self._fail(OSError("the disk is full"))

    def _discard(self) -> None:
        self._let_go()
        with suppress(OSError):
            self.part_path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError, soundfile.SoundFileError):
                file.close()

    def _fail(self, error: Exception) -> NoReturn:
        self._let_go()
        if not self._keeps_part:
            self._discard()
        kept = f" What was recorded is in {self.part_path}." if self.part_path.exists() else ""
        why = str(getattr(error, "strerror", None) or error).rstrip(".") or "it took no more"
        with suppress(OSError):
            if shutil.disk_usage(self.path.parent).free < 2**20:
                why = "the disk is full"
        raise UserError(
            f"{self.path} can't be written: {why}.{kept}", "Free some space, or choose another folder."
        ) from error
