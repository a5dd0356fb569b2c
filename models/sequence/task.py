"""Training the event-row model: the task on the one loop, its losses and its held-out figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from midi.corpus import Corpus
from midi.errors import UserError
from midi.events import OPEN_DURATION, PREDICTED, Field, Role, Rows, untold
from models.sequence.network import EventModel, EventModelConfig
from models.sequence.windows import Draw, WindowConfig, draw_window, places, window
from models.training.contract import LoopConfig, adamw
from models.training.data import Batches, ShuffledSampler

EVALUATION_LAG_TICKS = 12
"""Half a beat: the default commit window, so held-out figures are those of live playing."""


@dataclass(frozen=True)
class SequenceTaskConfig:
    """Data and losses of a sequence training.

    Attributes:
        model: Size of the network.
        windows: How windows are drawn.
        batch: Windows a batch.
        human_weight: Weight of the human's columns in the loss; imagining the player matters less
            than playing.
        smoothing: Label smoothing of all columns.
        own_draws: Every this many steps the partner reads draws of its own as its past; 0 is never.
        evaluation_windows: Held-out windows of each evaluation while training.
        seed: Of windows and initial weights.
    """

    model: EventModelConfig = field(default_factory=EventModelConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    batch: int = 8
    human_weight: float = 0.5
    smoothing: float = 0.0
    own_draws: int = 2
    evaluation_windows: int = 48
    seed: int = 0


def column_mask(following: Tensor, column: Field) -> Tensor:
    """Which rows have something to predict in a column: boolean, the shape of the rows."""
    role = following[..., Field.ROLE]
    is_real = role > Role.START
    if column in {Field.DELTA, Field.ROLE}:
        return is_real
    is_note = (role == Role.HUMAN) | (role == Role.PARTNER)
    if column in {Field.INSTRUMENT, Field.PITCH}:
        return is_note | (role == Role.RELEASE)
    return role == Role.PARTNER if column == Field.DURATION else is_note


def column_nll(
    model: EventModel, rows: Tensor, smoothing: float = 0.0, *, read: Tensor | None = None
) -> dict[Field, Tensor]:
    """Negative log-likelihood in nats of every column of every row after the first.

    Args:
        model: The network.
        rows: Integers ``[b t fields]``.
        smoothing: Label smoothing (training only).
        read: What the network reads instead of ``rows`` (training only); the same shape.

    Returns:
        For each predicted column ``[b t-1]``; 0 where there is nothing to predict.
    """
    following = rows[:, 1:]
    logits = model.logits(model((rows if read is None else read)[:, :-1]), following)
    found = {}
    for column, scores in logits.items():
        nll = functional.cross_entropy(
            scores.float().flatten(0, 1),
            following[..., column].flatten(),
            reduction="none",
            label_smoothing=smoothing,
        ).view(following.shape[:2])
        found[column] = nll * column_mask(following, column)
    return found


def _told(model: EventModel, rows: Rows) -> Rows:
    """Rows of windows as a model is told them: with the partner's parts, or without."""
    return rows if model.config.tells_parts else untold(rows)


class SequenceTask:
    """Contributes the event-row model to the training loop.

    Args:
        config: What to train and how.
        corpus: Where windows come from; its ``valid`` split is held out.
        parent: Weights to start from (fine-tuning), or None.

    Raises:
        UserError: The corpus has no song to train on, or none held out to tell progress by.
    """

    def __init__(
        self, config: SequenceTaskConfig, corpus: Corpus, parent: Mapping[str, Tensor] | None = None
    ) -> None:
        self.config = config
        self.corpus = corpus
        self._places = places(corpus, "train")
        held_out = held_out_windows(corpus, "valid", config.windows.rows, keep=config.windows.roles.keep)
        self._held_out = held_out[: config.evaluation_windows]
        if not self._places or not self._held_out:
            raise UserError(
                f"{corpus.report.used} usable songs are not enough: some are learned from, others held out.",
                "Add MIDI files to the folder; two different songs are the least.",
            )
        torch.manual_seed(config.seed)
        self.model = EventModel(config.model)
        if parent is not None:
            self.model.load_state_dict(dict(parent))

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"model": self.model}

    def optimizers(self, config: LoopConfig) -> dict[str, Optimizer]:
        """One AdamW."""
        return {"model": adamw(self.model, config)}

    def source(self, rank: int, world_size: int) -> Batches[Tensor]:
        """Shuffled places, each turned into a freshly augmented window."""
        sampler = ShuffledSampler(len(self._places), self.config.seed, rank, world_size)
        return Batches(sampler, self.config.batch, self._batch)

    def _batch(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """``[2 b t fields]``: what is to be predicted of the windows, then what the network reads of them."""
        drawn = [draw_window(self.corpus, self._places[i], self.config.windows, rng) for i in indices]
        return torch.from_numpy(_told(self.model, np.stack(drawn, axis=1))).long()

    def losses(self, phase: str, batch: Tensor, step: int) -> dict[str, Tensor]:
        """Weighted nats a row, and the plain nats of every column for the log."""
        del phase
        batch, read = batch
        if self.config.own_draws and step % self.config.own_draws == 0:
            read = self._as_it_would_play(batch, read)
        nll = column_nll(self.model, batch, self.config.smoothing, read=read)
        role = batch[:, 1:, Field.ROLE]
        is_human = (role == Role.HUMAN) | (role == Role.RELEASE)
        weight = torch.where(is_human, self.config.human_weight, 1.0) * (role > Role.START)
        total = sum(nll.values(), start=torch.zeros_like(weight))
        losses = {"loss": (total * weight).sum() / weight.sum().clamp(min=1)}
        for column, values in nll.items():
            count = column_mask(batch[:, 1:], column).sum().clamp(min=1)
            losses[column.name.lower()] = values.sum() / count
        return losses

    @torch.no_grad()
    def _as_it_would_play(self, batch: Tensor, read: Tensor) -> Tensor:
        """``read`` with a share of the partner's pitches and durations drawn from the model itself.

        The share is drawn for each window (scheduled sampling: Bengio et al. 2015, in one parallel pass).
        """
        following = batch[:, 1:]
        inputs = self.model.head_inputs(self.model(read[:, :-1]))
        is_tuned = (following[..., Field.ROLE] == Role.PARTNER) & (following[..., Field.PITCH] < 128)
        is_drawn = is_tuned & (torch.rand(following.shape[:2]) < torch.rand(len(batch), 1)).to(batch.device)
        played = read.clone()
        for column, size in ((Field.PITCH, 128), (Field.DURATION, OPEN_DURATION)):
            logits = self.model.head_logits(column, inputs[..., column, :], following)[..., :size]
            drawn = torch.multinomial(logits.float().softmax(-1).flatten(0, 1), 1).view(is_drawn.shape)
            played[:, 1:, column] = torch.where(is_drawn, drawn, played[:, 1:, column])
        return played

    def evaluate(self) -> dict[str, float]:
        """Nats a note on held-out windows, in all (``metric``) and by column."""
        figures = nll_figures(self.model, self._held_out, batch=self.config.batch)
        return {"metric": figures["partner"], **figures}

    def describe(self) -> dict[str, Any]:
        """The configuration as plain values, for run folders and bundles."""
        return asdict(self.config)


def held_out_windows(
    corpus: Corpus,
    split: str,
    n_rows: int,
    lag_ticks: int = EVALUATION_LAG_TICKS,
    *,
    instruments: tuple[int, ...] = (),
    keep: tuple[float, float] | None = None,
) -> list[Rows]:
    """Windows of a split without augmentation, spread evenly over its songs, most telling first.

    Each song's windows start every eight bars; the list takes the first of every song, then the
    second of every song and so on, so that any prefix covers as many songs as it can.

    Args:
        corpus: Where the windows come from.
        split: ``train``, ``valid`` or ``test``.
        n_rows: Rows of a window.
        lag_ticks: Delay of human rows.
        instruments: Accompanying instrument classes, for figures of one part (see :class:`Draw`).
        keep: Instead, chances of parts to play (see :class:`RoleMix`): the same choice for the same place.
    """
    by_song: dict[str, list[Rows]] = {}
    draw = Draw(lag_ticks=lag_ticks, instruments=instruments, keep=keep)
    for place in places(corpus, split):
        rng = np.random.default_rng([int(place.song.digest[:8], 16), place.from_tick % (1 << 32)])
        by_song.setdefault(place.song.digest, []).append(window(corpus, place, n_rows, draw, rng))
    rounds = max((len(found) for found in by_song.values()), default=0)
    return [found[i] for i in range(rounds) for found in by_song.values() if i < len(found)]


@torch.no_grad()
def nll_figures(
    model: EventModel,
    windows: list[Rows],
    *,
    batch: int = 8,
    on_batch: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Nats a note over windows: ``partner`` and ``human`` in all, and each column of partner notes.

    A note's nats are those of all its columns plus the bar lines (partner) or releases (human) around
    it, so that notes times nats, summed over both, is the code length of the windows. Empty without
    windows.

    Args:
        model: On any device; in evaluation mode, or dropout blurs the figures.
        windows: All of one length.
        batch: Windows read at once.
        on_batch: Told (done, total) windows.
    """
    device = next(model.parameters()).device
    sums: dict[str, float] = {}
    counts = {"partner": 0, "human": 0}
    for start in range(0, len(windows), batch):
        rows = torch.from_numpy(_told(model, np.stack(windows[start : start + batch]))).long().to(device)
        nll = column_nll(model, rows)
        role = rows[:, 1:, Field.ROLE]
        is_partner = role == Role.PARTNER
        counts["partner"] += int(is_partner.sum())
        counts["human"] += int((role == Role.HUMAN).sum())
        for column in PREDICTED:
            values = nll[column]
            own = float((values * is_partner).sum())
            bars = float((values * (role == Role.BAR)).sum())
            theirs = float((values * ((role == Role.HUMAN) | (role == Role.RELEASE))).sum())
            for name, value in (
                (f"partner_{column.name.lower()}", own),
                ("partner", own + bars),
                ("human", theirs),
            ):
                sums[name] = sums.get(name, 0.0) + value
        if on_batch:
            on_batch(min(start + batch, len(windows)), len(windows))
    return {name: value / max(counts[name.split("_")[0]], 1) for name, value in sums.items()}
