"""The event-row transformer on a GPU: a row's kernels as one graph, a column's as another.

A graph's shapes stay the same, so a row is written to its place in the cache by number, and attends to the
whole context under a mask (:mod:`models.graph`). It says what :class:`models.sequence.decode.Reader` says, to
rounding.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midi.events import PREDICTED, Field, Rows
from models.graph import Replay
from models.sequence.decode import NetworkLogits, Reader, RowLogits
from models.sequence.network import EventModel, KeyValueCache


class CapturedReader(Reader):
    """A reader that passes single rows as one graph; several at once go as they always did.

    Args:
        model: In evaluation mode, on any device. Its weights must stay where they are in memory.
        heads: Where another reader of the same network already has them.
    """

    def __init__(self, model: EventModel, heads: CapturedHeads | None = None) -> None:
        super().__init__(model)
        self._heads = heads or CapturedHeads(model)
        self._row = torch.zeros(1, 1, len(Field), dtype=torch.int64, device=self.device)
        self._at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._places = torch.arange(model.config.trunk.context, device=self.device)
        self._placed = _PlacedCache(self._cache, self._at)
        self._pass = Replay(self._hidden_at, self.device)

    def companion(self) -> CapturedReader:
        """Another reader of the same network on the same runtime, empty."""
        return CapturedReader(self.model, self._heads)

    def append(self, rows: Rows) -> None:
        """Read rows behind those already read.

        Raises:
            ValueError: More rows than there is room for; nothing was read then.
        """
        if len(rows) != 1 or self.room == 0:
            super().append(rows)
            return
        at = len(self)
        self._row.copy_(torch.from_numpy(rows.astype(np.int64))[None])
        self._at.fill_(at)
        self._pass()
        self._rows[at : at + 1] = rows
        self._cache.length = at + 1
        self.rows_fed += 1

    def next_row(self) -> RowLogits:
        """Logits of the row after the last one read.

        Raises:
            ValueError: Nothing was read.
        """
        if len(self) == 0:
            raise ValueError("nothing was read")
        with torch.inference_mode():
            return CapturedLogits(self._heads, self.model.head_inputs(self._hidden[len(self) - 1]))

    def _hidden_at(self) -> Tensor:
        """Hidden state ``[1 w]`` of the row, written to its place."""
        trunk = self.model.trunk
        x = self.model.embed(self._row)
        mask = (self._places <= self._at)[None]
        rotation = trunk.rotations.index_select(1, self._at)
        for block in trunk.blocks:
            x = block(x, rotation, self._placed, mask)
        hidden: Tensor = trunk.norm(x)[0]
        self._hidden.index_copy_(0, self._at, hidden)
        return hidden


class CapturedHeads:
    """The heads of a network, a graph each.

    Args:
        model: In evaluation mode, on its device.
    """

    def __init__(self, model: EventModel) -> None:
        self.model = model
        device = next(model.parameters()).device
        self._inputs = torch.zeros(len(PREDICTED), model.config.head_width, device=device)
        self._row = torch.zeros(len(Field), dtype=torch.int64, device=device)
        self._graphs = {field: Replay(partial(self._logits, field), device) for field in PREDICTED}

    def logits(self, field: Field, inputs: Tensor, row: NDArray[np.int16]) -> NDArray[np.float32]:
        """Logits of a column as :meth:`EventModel.head_logits` gives them; a copy in main memory."""
        self._inputs.copy_(inputs)
        self._row.copy_(torch.from_numpy(row.astype(np.int64)))
        given = self._graphs[field]().float().cpu().numpy()
        return np.array(given, dtype=np.float32)

    def _logits(self, field: Field) -> Tensor:
        return self.model.head_logits(field, self._inputs[field], self._row)


class CapturedLogits(NetworkLogits):
    """The columns of one row by :class:`CapturedHeads`.

    Args:
        heads: Of the network.
        inputs: ``[heads head_width]``, what the hidden state tells the heads.
    """

    def __init__(self, heads: CapturedHeads, inputs: Tensor) -> None:
        super().__init__(heads.model, inputs)
        self._heads = heads

    def of(self, field: Field) -> NDArray[np.float32]:
        """Logits of a column given the columns already set."""
        return self._heads.logits(field, self._inputs, self.row)


class _PlacedCache(KeyValueCache):
    """A cache's buffer, written at a place that lies on the device and read as a whole."""

    def __init__(self, cache: KeyValueCache, at: Tensor) -> None:
        self.buffer, self._at = cache.buffer, at

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        for kept, new in zip(self.buffer[layer], (keys, values), strict=True):
            kept.index_copy_(2, self._at, new.to(kept.dtype))
        return self.buffer[layer, 0], self.buffer[layer, 1]
