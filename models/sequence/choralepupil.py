"""A chorale network that learns from the mean of others.

Some two hundred chorales are learned by heart within minutes, by every network in its own way, so the mean
of several predicts unseen pieces better than each. A pupil is taught that mean (Hinton, Vinyals & Dean 2015,
"Distilling the Knowledge in a Neural Network") on pieces that none of them has by heart: real ones spliced,
with wrong notes, in other keys. What would really come next there nobody knows, and it is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import NDArray
from torch import Tensor, nn

from midi.errors import UserError
from models.bundle import whole_folder
from models.sequence.chorale import ChoraleConfig, ChoraleTraining
from models.sequence.choraleinputs import (
    BAR_STEPS,
    N_HISTOGRAMS,
    PITCH_CLASSES,
    REST,
    VOICES,
    Inputs,
    Piece,
    Told,
    inputs_of,
    shifted,
)
from models.training.data import Batches

N_LIKELY = 12
"""Pitches whose shares are kept for every token; all others together have less than a thousandth."""

WRONG_BY = (-7, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 7)
"""Semitones by which a wrong note is wrong."""


@dataclass(frozen=True)
class LessonConfig:
    """How pieces are made for a pupil.

    Attributes:
        count: Of pieces.
        spliced: Share that goes on, from some bar, as another piece in the nearest key.
        wrong: Share that has wrong notes.
        wrong_notes: Shares of notes that are wrong in those, one drawn for each piece.
        most_steps: Longer ones are cut.
        transpose: Largest transposition either way.
        softness: Teachers' logits are divided by it: even their mean is a little too sure.
        seed: Of the pieces.
    """

    count: int = 4000
    spliced: float = 0.6
    wrong: float = 0.7
    wrong_notes: tuple[float, ...] = (0.02, 0.05, 0.1)
    most_steps: int = 400
    transpose: int = 6
    softness: float = 1.08
    seed: int = 0


class Lesson(NamedTuple):
    """A batch for a pupil.

    Attributes:
        categories: As of a :class:`~models.sequence.chorale.Batch`.
        histograms: As of it.
        pitches: Likeliest pitches of every token, ``[b t 4 12]``.
        shares: Their probabilities; all 0 where the piece has ended.
    """

    categories: Tensor
    histograms: Tensor
    pitches: Tensor
    shares: Tensor


class Lessons:
    """Pieces and what teachers expect in them, in files that are read where they are needed.

    Args:
        folder: As :func:`write_lessons` left it.

    Raises:
        UserError: They cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._tables = {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in _TABLES}
            self._starts = np.load(folder / "starts.npy")
        except (OSError, ValueError) as error:
            raise UserError(f"The lessons in {folder} cannot be read.", "Remove that folder.") from error

    def __len__(self) -> int:
        return len(self._starts) - 1

    def read(self, number: int, rng: np.random.Generator, window: int) -> dict[str, NDArray[np.generic]]:
        """A window of one piece, cut at random: every table's rows, ``[<=window 4 ...]``."""
        start, end = int(self._starts[number]), int(self._starts[number + 1])
        start += int(rng.integers(max(end - start - window, 0) + 1))
        return {key: table[start : min(start + window, end)] for key, table in self._tables.items()}


_TABLES: dict[str, tuple[type, tuple[int, ...]]] = {
    "categories": (np.uint8, (len(Told),)),
    "histograms": (np.float16, (N_HISTOGRAMS * PITCH_CLASSES,)),
    "pitches": (np.uint8, (N_LIKELY,)),
    "shares": (np.float16, (N_LIKELY,)),
}
"""Type and shape of what is kept of a token; no category has more than 256 values."""


def write_lessons(
    folder: Path,
    teachers: Sequence[nn.Module],
    pieces: Sequence[Piece],
    config: LessonConfig,
    on_piece: Callable[[int, int], None] | None = None,
) -> None:
    """Make pieces and write down what the teachers expect in them.

    Args:
        folder: Made when all is written.
        teachers: Called as :class:`ChoraleModel` is; on one device, in evaluation mode.
        pieces: Real ones.
        config: How.
        on_piece: Told (done, total).

    Raises:
        UserError: The folder exists already, or the disk refuses.
    """
    made = list(_altered(pieces, config))
    starts = np.cumsum([0, *map(len, made)])
    # Written as files, not through memory maps: a disk that fills up under a map ends the process.
    with whole_folder(folder) as arriving, ExitStack() as opened:
        tables = {
            key: opened.enter_context(
                _new_table(arriving / f"{key}.npy", kind, (int(starts[-1]), VOICES, *shape))
            )
            for key, (kind, shape) in _TABLES.items()
        }
        for number, piece in enumerate(made):
            told = inputs_of(piece)
            shares, pitches = _expected(teachers, told, config.softness).topk(N_LIKELY, -1)
            shares /= shares.sum(-1, keepdim=True)
            rows: dict[str, NDArray[np.generic]] = {
                "categories": told.categories, "histograms": told.histograms,
                "pitches": pitches.cpu().numpy(), "shares": shares.cpu().numpy(),
            }  # fmt: skip
            for key, values in rows.items():
                tables[key].write(values.astype(_TABLES[key][0]).tobytes())
            if on_piece:
                on_piece(number + 1, len(made))
        np.save(arriving / "starts.npy", starts)


def _new_table(path: Path, kind: type, shape: tuple[int, ...]) -> BinaryIO:
    """A file in numpy's format, opened behind its header; the rows are still to be written."""
    file = path.open("wb")
    described = {"descr": dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
    write_array_header_1_0(file, described)
    return file


def _expected(teachers: Sequence[nn.Module], told: Inputs, softness: float) -> Tensor:
    """Mean of the teachers' probabilities, softened, ``[t 4 pitches]``."""
    device = next(teachers[0].parameters()).device
    arrays = (told.categories, told.histograms)
    inputs = [torch.from_numpy(array)[None].to(device) for array in arrays]
    with torch.inference_mode():
        mean = torch.stack([teacher(*inputs)[0].float().softmax(-1) for teacher in teachers]).mean(0)
    return (mean.log() / softness).softmax(-1)


def _altered(pieces: Sequence[Piece], config: LessonConfig) -> Iterator[Piece]:
    rng = np.random.default_rng(config.seed)
    for _ in range(config.count):
        one, other = (pieces[int(number)] for number in rng.integers(len(pieces), size=2))
        piece = _spliced(one, other, rng) if rng.random() < config.spliced else one
        if rng.random() < config.wrong:
            piece = _with_wrong_notes(piece, float(rng.choice(config.wrong_notes)), rng)
        semitones = int(rng.integers(-config.transpose, config.transpose + 1))
        yield shifted(piece, semitones)[: config.most_steps]


def _spliced(piece: Piece, other: Piece, rng: np.random.Generator) -> Piece:
    """Some bars of a piece, then from some bar on the other one in the key with the most tones in common."""
    tones, others = (
        np.bincount(p[p < REST] % PITCH_CLASSES, minlength=PITCH_CLASSES) for p in (piece, other)
    )
    turn = max(range(-6, 6), key=lambda k: int(tones @ np.roll(others, k)))
    end = BAR_STEPS * int(rng.integers(1, max(2, len(piece) // BAR_STEPS)))
    start = BAR_STEPS * int(rng.integers(max(1, len(other) // BAR_STEPS)))
    return np.concatenate([piece[:end], shifted(other[start:], turn)])


def _with_wrong_notes(piece: Piece, share: float, rng: np.random.Generator) -> Piece:
    piece = piece.copy()
    for line in piece.T:
        starts = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        for start, end in zip(starts, [*starts[1:], len(line)], strict=True):
            if rng.random() < share:
                line[start:end] = shifted(line[start:end], int(rng.choice(WRONG_BY)))
    return piece


class PupilTask(ChoraleTraining):
    """Contributes a pupil to the training loop.

    Args:
        config: Of the pupil.
        model: As of :class:`~models.sequence.chorale.ChoraleTask`.
        lessons: What it learns from.
        valid: Real pieces held out; the metric is their nats a note.
    """

    def __init__(
        self, config: ChoraleConfig, model: nn.Module, lessons: Lessons, valid: Sequence[Inputs]
    ) -> None:
        super().__init__(config, model, valid)
        self.lessons = lessons

    def source(self, rank: int, world_size: int) -> Batches[Lesson]:
        """Shuffled lessons, cut at random."""
        return self.shuffled(len(self.lessons), self._lesson, rank, world_size)

    def _lesson(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Lesson:
        read = [self.lessons.read(int(index), rng, self.config.window) for index in indices]
        filled: dict[str, NDArray[np.generic]] = {
            key: np.zeros((len(read), self.config.window, VOICES, *shape), kind)
            for key, (kind, shape) in _TABLES.items()
        }
        for row, rows in enumerate(read):
            for key, values in rows.items():
                filled[key][row, : len(values)] = values
        tensors = {key: torch.from_numpy(values) for key, values in filled.items()}
        numbers = [tensors[key].long() for key in ("categories", "pitches")]
        return Lesson(numbers[0], tensors["histograms"].float(), numbers[1], tensors["shares"].float())

    def losses(self, phase: str, batch: Lesson, step: int) -> dict[str, Tensor]:
        """Mean cross entropy of a token with what the teachers expect, in nats."""
        del phase, step
        nats = self.model(batch.categories, batch.histograms).float().log_softmax(-1)
        expected = (batch.shares * nats.gather(-1, batch.pitches)).sum()
        return {"loss": -expected / batch.shares.sum()}
