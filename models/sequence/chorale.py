"""Four-part chorales on a 16th grid: the common yardstick for small sequence models.

A piece is ``[steps, 4]`` MIDI pitches (soprano, alto, tenor, bass), -1 for a rest. Its tokens are the
pitches in that order, step after step, held notes simply repeated; the figure is the mean over all
tokens of -ln p(token | all earlier tokens), in nats a note.

The trunk is that of the event model. Beside the token before, every position is told what follows
from the tokens before it: whose turn it is and where in the bar, what that voice did last and for how
long, and where the other voices are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from midi.errors import UserError
from models.sequence.network import Trunk, TrunkConfig
from models.training.contract import LoopConfig, adamw
from models.training.data import Batches, ShuffledSampler

VOICES = 4
REST = 128
NOTHING = 129
"""Pitch of a voice before the piece begins."""

BAR_STEPS = 16
MAX_HELD = 32
MAX_INTERVAL = 36
N_OUT = REST + 1
REACH = 24
"""Largest leap that the relative half of the output knows."""

ARCHITECTURE = "chorale"
HELD_TOO = "Each step holds soprano, alto, tenor and bass, held notes repeated."

Piece = NDArray[np.int64]

# One embedding table for each feature of `features`, by size.
_SIZES = (
    NOTHING + 1,  # the token before
    VOICES,  # whose turn
    BAR_STEPS,  # place in the bar
    NOTHING + 1,  # own last pitch
    MAX_HELD + 1,  # for how many steps it has been held
    NOTHING + 1, NOTHING + 1, NOTHING + 1,  # the other voices' latest pitches
    2 * MAX_INTERVAL + 2, 2 * MAX_INTERVAL + 2, 2 * MAX_INTERVAL + 2,  # the same from the own last pitch
    1 << (VOICES - 1),  # which of the voices before it moved in this step
)  # fmt: skip


@dataclass(frozen=True)
class ChoraleConfig:
    """Size of a chorale model and how it is trained.

    Attributes:
        trunk: The transformer.
        batch: Windows a batch.
        transpose: Largest transposition either way while training.
        seed: Of windows and initial weights.
    """

    trunk: TrunkConfig = field(default_factory=lambda: TrunkConfig(192, 4, 4, 512, 0.3))
    batch: int = 4
    transpose: int = 6
    seed: int = 0


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


def features(piece: Piece) -> NDArray[np.int64]:
    """What each token may be told: ``[steps * 4, features]``, from earlier tokens only."""
    steps = len(piece)
    before = np.concatenate([np.full((1, VOICES), NOTHING), piece[:-1]])
    held = np.zeros((steps, VOICES), dtype=np.int64)
    for step in range(1, steps):
        same = piece[step - 1] == before[step - 1]
        held[step] = np.where(same, np.minimum(held[step - 1] + 1, MAX_HELD), 1)
    moved = (piece != before).astype(np.int64)
    table = np.zeros((steps, VOICES, len(_SIZES)), dtype=np.int64)
    flat = piece.reshape(-1)
    table[:, :, 0] = np.concatenate([[NOTHING], flat[:-1]]).reshape(steps, VOICES)
    table[:, :, 1] = np.arange(VOICES)
    table[:, :, 2] = (np.arange(steps) % BAR_STEPS)[:, None]
    table[:, :, 3] = before
    table[:, :, 4] = held
    for voice in range(VOICES):
        others = [other for other in range(VOICES) if other != voice]
        for place, other in enumerate(others):
            latest = piece[:, other] if other < voice else before[:, other]
            table[:, voice, 5 + place] = latest
            table[:, voice, 8 + place] = _interval(latest, before[:, voice])
        table[:, voice, 11] = sum(moved[:, other] << other for other in range(voice))
    return table.reshape(steps * VOICES, len(_SIZES))


def _interval(pitch: Piece, origin: Piece) -> Piece:
    known = (pitch < REST) & (origin < REST)
    return np.where(
        known, np.clip(pitch - origin, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL, 2 * MAX_INTERVAL + 1
    )


class ChoraleModel(nn.Module):
    """Features in, logits of the token out: by pitch, plus by interval from the voice's last pitch."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        tables = [nn.Embedding(size, config.width) for size in _SIZES]
        for table in tables:
            nn.init.normal_(table.weight, std=0.02)
        self.embeddings = nn.ModuleList(tables)
        self.dropout = nn.Dropout(config.dropout)
        self.trunk = Trunk(config)
        self.by_pitch = nn.Linear(config.width, N_OUT)
        self.by_interval = nn.Linear(config.width, 2 * REACH + 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """Integers ``[b t features]`` to logits ``[b t 129]``."""
        x = sum((table(inputs[..., i]) for i, table in enumerate(self.embeddings)), start=torch.zeros(()))
        hidden = self.trunk(self.dropout(x)).float()
        interval = torch.arange(N_OUT, device=inputs.device) - inputs[..., 3:4]
        # The last entry serves every pitch out of reach, the rest, and voices without a last pitch.
        known = (interval.abs() <= REACH) & (inputs[..., 3:4] < REST)
        known[..., REST] = False
        index = torch.where(known, interval + REACH, 2 * REACH + 1)
        logits: Tensor = self.by_pitch(hidden) + self.by_interval(hidden).gather(-1, index)
        return logits


def token_nll(model: ChoraleModel, inputs: Tensor, targets: Tensor) -> Tensor:
    """Nats of every token, ``[b t]``; targets of -1 count as 0."""
    logits = model(inputs).float()
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=-1
    ).view(targets.shape)


def nll_per_note(
    model: ChoraleModel, pieces: list[Piece], on_piece: Callable[[int, int], None] | None = None
) -> tuple[float, int]:
    """Mean nats a note over all tokens of all pieces, and their number.

    Long pieces are read in windows that overlap by half the context: a token counts once, with at
    least half a context before it unless the piece is younger than that. Keys are left as they are.

    Args:
        model: On any device; in evaluation mode, or dropout blurs the figure.
        pieces: At least one.
        on_piece: Told (done, total) pieces.
    """
    context = model.trunk.config.context
    half = context // 2
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for number, piece in enumerate(pieces, 1):
        inputs, targets = features(piece), piece.reshape(-1)
        start, done = 0, 0
        while done < len(targets):
            x = torch.from_numpy(inputs[start : start + context])[None].to(device)
            y = torch.from_numpy(targets[start : start + context])[None].to(device)
            with torch.inference_mode():
                nll = token_nll(model, x, y)[0]
            total += float(nll[done - start :].sum())
            done = start + len(nll)
            start = done - half
        count += len(targets)
        if on_piece:
            on_piece(number, len(pieces))
    return total / count, count


class ChoraleTask:
    """Contributes the chorale model to the training loop.

    Args:
        config: What to train and how.
        train: Pieces to learn from.
        valid: Pieces held out; the metric is their nats a note.
    """

    def __init__(self, config: ChoraleConfig, train: list[Piece], valid: list[Piece]) -> None:
        self.config, self.train, self.valid = config, train, valid
        torch.manual_seed(config.seed)
        self.model = ChoraleModel(config.trunk)

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"model": self.model}

    def optimizers(self, config: LoopConfig) -> dict[str, Optimizer]:
        """One AdamW."""
        return {"model": adamw(self.model, config)}

    def source(self, rank: int, world_size: int) -> Batches[Tensor]:
        """Shuffled pieces, each transposed and cut at random."""
        return Batches(
            ShuffledSampler(len(self.train), self.config.seed, rank, world_size),
            self.config.batch,
            self._batch,
        )

    def _batch(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """``[b t features + 1]``: the features and the token itself, -1 where the piece has ended."""
        context = self.config.trunk.context
        batch = np.zeros((len(indices), context, len(_SIZES) + 1), dtype=np.int64)
        batch[:, :, -1] = -1
        for row, index in enumerate(indices):
            piece = self._transposed(self.train[index], rng)
            start = VOICES * int(rng.integers(max(len(piece) - context // VOICES, 0) + 1))
            table = np.column_stack([features(piece), piece.reshape(-1)])[start : start + context]
            batch[row, : len(table)] = table
        return torch.from_numpy(batch)

    def _transposed(self, piece: Piece, rng: np.random.Generator) -> Piece:
        reach = self.config.transpose
        return np.where(piece < REST, np.clip(piece + int(rng.integers(-reach, reach + 1)), 0, 127), piece)

    def losses(self, phase: str, batch: Tensor, step: int) -> dict[str, Tensor]:
        """Mean nats a token."""
        del phase, step
        nll = token_nll(self.model, batch[..., :-1], batch[..., -1])
        return {"loss": nll.sum() / (batch[..., -1] >= 0).sum()}

    def evaluate(self) -> Mapping[str, float]:
        """Nats a note on the held-out pieces."""
        return {"metric": nll_per_note(self.model, self.valid)[0]}

    def describe(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return asdict(self.config)
