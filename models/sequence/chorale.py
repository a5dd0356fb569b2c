"""Four-part chorales on a 16th grid: the common yardstick for small sequence models.

A piece is ``[steps, 4]`` MIDI pitches (soprano, alto, tenor, bass), -1 for a rest in files. Its tokens are
the pitches in that order, step after step, held notes simply repeated; the figure is the mean over all
tokens of -ln p(token | all earlier tokens), in nats a note.

The model is built as the event model is: a row of the trunk for every step, told what the steps before it
held, and heads that draw the row's columns one after the other, each told the columns before it. What both
are told is in :mod:`models.sequence.choraleinputs`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from midi.errors import UserError
from models.sequence.choraleinputs import (
    BAR_STEPS,
    MAX_INTERVAL,
    N_HISTOGRAMS,
    PITCH_CLASSES,
    PITCHES,
    REST,
    SIZES,
    UNKNOWN,
    VOICES,
    Inputs,
    Piece,
    Told,
    transposed,
)
from models.sequence.network import NORM_EPSILON, Trunk, TrunkConfig
from models.training.contract import LoopConfig, adamw
from models.training.data import Batches, BatchT, ShuffledSampler

N_OUT = REST + 1
REACH = 24
"""Largest leap that the relative half of the output knows."""

ARCHITECTURE = "chorale-steps"
HELD_TOO = "Each step holds soprano, alto, tenor and bass, held notes repeated."

AT_START = (Told.OWN, Told.HELD, Told.LEAP_1, Told.LENGTH_1)
"""Columns that the trunk is told of every voice: what is known before a step begins."""
CERTAIN = (Told.MOVED, Told.PLACE)
"""Columns that are never left out while training."""
GUESSES = (Told.MATCH, Told.OWN_MATCH)
"""Columns whose interval the output can point at."""


@dataclass(frozen=True)
class ChoraleConfig:
    """Size of a chorale model and how it is trained.

    Attributes:
        trunk: The transformer; its context is in steps, and what is read at once when measuring.
        head_width: Hidden width of the voices' blocks.
        head_layers: Their number.
        omit: Share of the relative columns that is left out while training.
        omit_pitches: Share of the columns of :data:`choraleinputs.PITCHES` that is: by them pieces are
            learned by heart.
        batch: Windows a batch.
        window: Steps of a window.
        transpose: Largest transposition either way while training.
        seed: Of windows and initial weights.
    """

    trunk: TrunkConfig = field(default_factory=lambda: TrunkConfig(128, 3, 4, 1024, 0.4))
    head_width: int = 256
    head_layers: int = 2
    omit: float = 0.15
    omit_pitches: float = 0.5
    batch: int = 4
    window: int = 256
    transpose: int = 6
    seed: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ChoraleConfig:
        """The configuration that ``asdict`` made plain."""
        return cls(**{**values, "trunk": TrunkConfig(**values["trunk"])})


class Batch(NamedTuple):
    """Windows of pieces as tensors.

    Attributes:
        categories: ``[b t 4 columns]``.
        histograms: ``[b t 4 36]``.
        targets: Pitches ``[b t 4]``, -1 where the piece has ended.
    """

    categories: Tensor
    histograms: Tensor
    targets: Tensor


def read_pieces(path: Path, split: str) -> list[Piece]:
    """Pieces of one split of a file ``{"train": [piece, ...], "valid": [...], ...}``.

    Raises:
        UserError: No such file or split, the split is empty, or the file is not of this format.
    """
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not a JSON file.", "Expected chorales as in Jsb16thSeparated.json."
        ) from error
    if not isinstance(data, dict) or split not in data:
        known = ", ".join(data) if isinstance(data, dict) else "none"
        raise UserError(f"{path} has no split called {split}.", f"It has: {known}.")
    raw_pieces = data[split]
    if not isinstance(raw_pieces, list) or not raw_pieces:
        raise UserError(f"The split {split} of {path} holds no pieces.", "Expected a list of pieces.")
    return [_piece(raw, f"{path}, {split} piece {i}") for i, raw in enumerate(raw_pieces, 1)]


def _piece(raw: object, where: str) -> Piece:
    try:
        table = np.array(raw, dtype=np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.ndim != 2 or table.shape[1] != VOICES or len(table) == 0:
        raise UserError(f"{where}: a piece must be a list of steps of {VOICES} pitches.", HELD_TOO)
    is_rest = np.isnan(table) | (table == -1)
    if not np.all(is_rest | ((table >= 0) & (table < REST) & (table == np.floor(table)))):
        raise UserError(f"{where}: pitches must be whole numbers from 0 to 127, or -1 for a rest.", HELD_TOO)
    return np.where(is_rest, REST, table).astype(np.int64)


class HeadBlock(nn.Module):
    """Gated feed-forward layer, added to what came in."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=NORM_EPSILON)
        self.feed_in = nn.Linear(width, 2 * hidden, bias=False)
        self.feed_out = nn.Linear(hidden, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[... w]`` to ``[... w]``."""
        gate, value = self.feed_in(self.norm(x)).chunk(2, -1)
        y: Tensor = x + self.dropout(self.feed_out(functional.silu(gate) * value))
        return y


class ChoraleModel(nn.Module):
    """Inputs to logits: by pitch, by interval from the voice's last one, and by what would be repeated.

    Args:
        config: Its size.
    """

    def __init__(self, config: ChoraleConfig) -> None:
        super().__init__()
        self.config = config
        width = config.trunk.width
        told = N_HISTOGRAMS * PITCH_CLASSES
        self.place = nn.Embedding(BAR_STEPS, width)
        self.before = nn.ModuleDict(
            {f"{voice}_{column.name}": nn.Embedding(SIZES[column], width)
             for voice in range(VOICES) for column in AT_START}
        )  # fmt: skip
        self.above_bass = nn.ModuleList(nn.Embedding(UNKNOWN + 1, width) for _ in range(VOICES - 1))
        self.tonality = nn.Linear(told, width)
        self.dropout = nn.Dropout(config.trunk.dropout)
        self.trunk = Trunk(config.trunk)
        self.voices = nn.Linear(width, VOICES * width)
        self.now = nn.ModuleDict({column.name: nn.Embedding(SIZES[column], width) for column in Told})
        self.tonality_now = nn.Linear(told, width)
        self.blocks = nn.ModuleList(
            HeadBlock(width, config.head_width, config.trunk.dropout) for _ in range(config.head_layers)
        )
        self.norm = nn.RMSNorm(width, eps=NORM_EPSILON)
        self.by_pitch = nn.Linear(width, N_OUT)
        self.by_interval = nn.Linear(width, 2 * REACH + 2)
        self.by_guess = nn.Linear(width, len(GUESSES))
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, HeadBlock):
                nn.init.normal_(module.feed_out.weight, std=0.02 / 3)
        nn.init.zeros_(self.by_guess.weight)
        nn.init.zeros_(self.by_guess.bias)

    def forward(self, categories: Tensor, histograms: Tensor) -> Tensor:
        """``[b t 4 columns]`` and ``[b t 4 36]`` to logits ``[b t 4 129]``."""
        own = categories[..., Told.OWN]
        hidden = self.trunk(self.dropout(self._step(categories, own, histograms[:, :, -1])))
        x = self.voices(hidden).view(*own.shape, -1) + self.tonality_now(histograms)
        for column in Told:
            x = x + self._kept(column, self.now[column.name](categories[..., column]))
        for block in self.blocks:
            x = block(x)
        return self._logits(self.norm(x).float(), own[..., None], categories)

    def _step(self, categories: Tensor, own: Tensor, histograms: Tensor) -> Tensor:
        """What the trunk is told of the steps before each: ``[b t w]``."""
        x: Tensor = self.place(categories[:, :, 0, Told.PLACE]) + self.tonality(histograms)
        for voice in range(VOICES):
            for column in AT_START:
                table = self.before[f"{voice}_{column.name}"]
                x = x + self._kept(column, table(categories[:, :, voice, column]))
        bass = own[..., -1]
        for voice, table in enumerate(self.above_bass):
            interval = (own[..., voice] - bass).clamp(-MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
            interval = torch.where((own[..., voice] < REST) & (bass < REST), interval, UNKNOWN)
            x = x + self._kept(Told.INTERVAL_1, table(interval))
        return x

    def _kept(self, column: Told, told: Tensor) -> Tensor:
        """Leave out a share of a column's vectors while training, the others louder by as much."""
        if not self.training or column in CERTAIN:
            return told
        share = self.config.omit_pitches if column in PITCHES else self.config.omit
        kept = torch.rand(told.shape[:-1], device=told.device) >= share
        left: Tensor = told * (kept / (1 - share))[..., None].to(told.dtype)
        return left

    def _logits(self, hidden: Tensor, own: Tensor, categories: Tensor) -> Tensor:
        interval = torch.arange(N_OUT, device=own.device) - own
        # The last entry serves every pitch out of reach, the rest, and voices without a last pitch.
        known = (interval.abs() <= REACH) & (own < REST)
        known[..., REST] = False
        index = torch.where(known, interval + REACH, 2 * REACH + 1)
        logits: Tensor = self.by_pitch(hidden) + self.by_interval(hidden).gather(-1, index)
        weights = self.by_guess(hidden)
        for number, column in enumerate(GUESSES):
            guess = categories[..., column, None]
            is_one = (guess < UNKNOWN) & (own < REST)
            pitch = torch.where(is_one, (own + guess - MAX_INTERVAL).clamp(0, REST - 1), REST)
            logits = logits.scatter_add(-1, pitch, weights[..., number, None] * is_one)
        return logits


def token_nll(model: nn.Module, batch: Batch) -> Tensor:
    """Nats of every token, ``[b t 4]``; targets of -1 count as 0.

    Args:
        model: A :class:`ChoraleModel`, or another network that is called as it is.
        batch: What it is told, and what comes.
    """
    logits = model(batch.categories, batch.histograms).float()
    return functional.cross_entropy(
        logits.flatten(0, 2), batch.targets.flatten(), reduction="none", ignore_index=-1
    ).view(batch.targets.shape)


def nll_per_note(
    model: nn.Module,
    pieces: Sequence[Inputs],
    window: int,
    on_piece: Callable[[int, int], None] | None = None,
) -> tuple[float, int]:
    """Mean nats a note over all tokens of all pieces, and their number.

    Pieces longer than a window are read in windows that overlap by half: a token counts once, with at least
    half a window before it unless the piece is younger than that. Keys are left as they are.

    Args:
        model: On any device; in evaluation mode, or dropout blurs the figure.
        pieces: At least one.
        window: Steps that are read at once.
        on_piece: Told (done, total) pieces.
    """
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for number, piece in enumerate(pieces, 1):
        start, done, steps = 0, 0, len(piece.targets)
        while done < steps:
            seen = slice(start, start + window)
            arrays = (piece.categories[seen], piece.histograms[seen], piece.targets[seen])
            batch = Batch(*(torch.from_numpy(array)[None].to(device) for array in arrays))
            with torch.inference_mode():
                nll = token_nll(model, batch)[0]
            total += float(nll[done - start :].sum())
            done = start + len(nll)
            start = done - window // 2
        count += piece.targets.size
        if on_piece:
            on_piece(number, len(pieces))
    return total / count, count


class ChoraleTraining:
    """What trainings of a chorale model share.

    Args:
        config: How to train.
        model: A :class:`ChoraleModel`, or another network that is called as it is.
        valid: Pieces held out; the metric is their nats a note.
    """

    def __init__(self, config: ChoraleConfig, model: nn.Module, valid: Sequence[Inputs]) -> None:
        self.config, self.model, self.valid = config, model, valid

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"model": self.model}

    def optimizers(self, config: LoopConfig) -> dict[str, Optimizer]:
        """One AdamW."""
        return {"model": adamw(self.model, config)}

    def shuffled(
        self,
        n_items: int,
        make: Callable[[NDArray[np.int64], np.random.Generator], BatchT],
        rank: int,
        world_size: int,
    ) -> Batches[BatchT]:
        """Batches of ``make`` (see :class:`Batches`) over so many items, by the configuration's seed."""
        sampler = ShuffledSampler(n_items, self.config.seed, rank, world_size)
        return Batches(sampler, self.config.batch, make)

    def evaluate(self) -> Mapping[str, float]:
        """Nats a note on the held-out pieces."""
        return {"metric": nll_per_note(self.model, self.valid, self.config.trunk.context)[0]}

    def describe(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return asdict(self.config)


class ChoraleTask(ChoraleTraining):
    """Contributes a chorale model to the training loop.

    Args:
        config: How to train.
        model: A :class:`ChoraleModel`, or another network that is called as it is.
        train: Pieces to learn from.
        valid: Pieces held out.
    """

    def __init__(
        self, config: ChoraleConfig, model: nn.Module, train: Sequence[Inputs], valid: Sequence[Inputs]
    ) -> None:
        super().__init__(config, model, valid)
        self.train = train

    def source(self, rank: int, world_size: int) -> Batches[Batch]:
        """Shuffled pieces, each transposed and cut at random."""
        return self.shuffled(len(self.train), self._batch, rank, world_size)

    def _batch(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        reach, window = self.config.transpose, self.config.window
        shape = (len(indices), window, VOICES)
        categories = np.zeros((*shape, len(Told)), dtype=np.int64)
        histograms = np.zeros((*shape, N_HISTOGRAMS * PITCH_CLASSES), dtype=np.float32)
        targets = np.full(shape, -1, dtype=np.int64)
        for row, index in enumerate(indices):
            piece = transposed(self.train[index], int(rng.integers(-reach, reach + 1)))
            start = int(rng.integers(max(len(piece.targets) - window, 0) + 1))
            taken = piece.targets[start : start + window]
            targets[row, : len(taken)] = taken
            categories[row, : len(taken)] = piece.categories[start : start + window]
            histograms[row, : len(taken)] = piece.histograms[start : start + window]
        return Batch(*(torch.from_numpy(array) for array in (categories, histograms, targets)))

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """Mean nats a token."""
        del phase, step
        nll = token_nll(self.model, batch)
        return {"loss": nll.sum() / (batch.targets >= 0).sum()}
