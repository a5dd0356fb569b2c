"""The event-row transformer on a CPU at little more than the cost of reading its weights.

For one row PyTorch spends most of its time outside arithmetic (measured: ``make bench``). Here every
matrix product is one call into memory that already exists, what lies between is numpy on the same memory,
and nothing is compiled. The matrices are the network's own tensors, neither copied nor converted,
so both runtimes agree to rounding. A few rows cost hardly more than one, because the weights are read once
for all of them: late notes, and the two readers of guidance, go through the network together.

Where reading the weights is what a row waits for, half of them is half of the wait: ``half`` multiplies in
bfloat16, on CPUs that do so natively. Its logits are off by some hundredths, so it is for playing live, where
nobody asks for the same notes again.

Shape letters: ``m`` rows at once, ``w`` width, ``h`` heads, ``d`` head width, ``n`` rows read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from midi.events import FIELD_SIZES, PREDICTED, Field, Rows
from models.sequence.captured import CapturedReader
from models.sequence.decode import Reader, RowLogits
from models.sequence.network import NORM_EPSILON, EventModel, TrunkConfig, seen_by
from models.sequence.products import Array, Buffer, HalfProduct, Product, WholeProduct, has_half

Runtime: TypeAlias = Literal["auto", "eager", "fast", "half"]

BATCH_ROWS = 8
"""Most rows that go through the network at once here; more are read faster by PyTorch's own attention."""

_SEEN = tuple(tuple(int(column) for column in seen_by(field)) for field in PREDICTED)


def open_reader(model: EventModel, runtime: Runtime = "auto") -> Reader:
    """A reader of a network in evaluation mode: the fast one where it can run.

    Args:
        model: The network, on its device.
        runtime: ``auto`` is ``fast`` for 32-bit weights on a CPU, :class:`models.sequence.captured.
            CapturedReader` on CUDA and ``eager`` elsewhere; ``half`` is ``auto`` with products in bfloat16
            where :func:`has_half`.

    Raises:
        ValueError: ``fast`` was asked for and these weights cannot have it.
    """
    can_be_fast = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
    if runtime == "fast" and not can_be_fast:
        raise ValueError("the fast reader needs 32-bit weights on a CPU")
    if runtime != "eager" and next(model.parameters()).is_cuda:
        return CapturedReader(model)
    if not can_be_fast or runtime == "eager":
        return Reader(model)
    return FastReader(model, NetworkStep(model, is_half=runtime == "half" and has_half()))


class FastReader(Reader):
    """A reader whose rows go through the network when the next row is asked for, a few at a time.

    Agrees with :class:`Reader` to rounding (logits within 1e-3). Appending only takes note of the rows, so
    rows that are taken back before anything was drawn from them cost nothing. One thread at a time,
    together with its companion.

    Args:
        model: In evaluation mode, 32-bit, on a CPU. Its weights must stay where they are in memory.
        step: The network's memory, where another reader already has it.
    """

    def __init__(self, model: EventModel, step: NetworkStep | None = None) -> None:
        super().__init__(model)
        self.step = step or NetworkStep(model)
        # The cache's own length counts the rows that went through the network; this one those that were read.
        self._length = 0
        self._companion: FastReader | None = None
        # For every layer the keys and the values, each [h context d].
        self.memory: list[tuple[Array, Array]] = [
            (keys[0].numpy(), values[0].numpy()) for keys, values in self._cache.buffer
        ]
        self._states: Array = self._hidden.numpy()
        self._told: tuple[int, Array] = (-1, self._states[0])

    def __len__(self) -> int:
        return self._length

    def companion(self) -> FastReader:
        """Another reader of the same network, empty, whose rows pass with this one's where they can."""
        self._companion = FastReader(self.model, self.step)
        return self._companion

    def append(self, rows: Rows) -> None:
        """Take rows behind those already read; they pass through the network when they are needed.

        Raises:
            ValueError: More rows than there is room for; nothing was read then.
        """
        start, end = self._length, self._length + len(rows)
        if end > len(self._rows):
            raise ValueError(f"{end} rows do not fit a context of {len(self._rows)}")
        self._rows[start:end] = rows
        self._length = end
        self.rows_fed += len(rows)

    def step_back(self, length: int) -> None:
        """Forget all but the first ``length`` rows."""
        self._length = min(max(length, 0), self._length)
        self._cache.length = min(self._cache.length, self._length)
        if self._told[0] >= self._length:
            self._told = -1, self._told[1]

    def next_row(self) -> RowLogits:
        """Logits of the row after the last one read.

        Raises:
            ValueError: Nothing was read.
        """
        if self._length == 0:
            raise ValueError("nothing was read")
        self._catch_up()
        last = self._length - 1
        at, inputs = self._told
        return FastRowLogits(self.step, inputs if at == last else self.step.tell(self._states[last]))

    @property
    def waiting(self) -> int:
        """Rows that were read and have not gone through the network."""
        return self._length - self._cache.length

    def _catch_up(self) -> None:
        """Bring all rows through the network, with the companion's where there is place for them."""
        if self.waiting == 0:
            return
        if self.waiting > BATCH_ROWS:
            self._read_many()
            return
        readers: list[FastReader] = [self]
        other = self._companion
        if other is not None and other.waiting + self.waiting <= BATCH_ROWS:
            readers.append(other)
        feeds = [(reader, at) for reader in readers for at in range(reader._cache.length, reader._length)]
        for (reader, at), state, inputs in zip(feeds, *self.step.run(feeds), strict=True):
            reader._states[at] = state
            reader._told = at, inputs.copy()
        for reader in readers:
            reader._cache.length = reader._length

    def _read_many(self) -> None:
        """PyTorch reads many rows at once best: large products, one pass of attention."""
        begin = self._cache.length
        with torch.inference_mode():
            batch = torch.from_numpy(self._rows[begin : self._length].astype(np.int64))[None]
            self._hidden[begin : self._length] = self.model(batch, self._cache)[0]


class FastRowLogits(RowLogits):
    """The columns of one row; what a column tells the heads behind it is added once, when one of them asks.

    Args:
        step: The network's memory.
        inputs: ``[heads * head_width]``, what the hidden state tells the heads; changed here.
    """

    def __init__(self, step: NetworkStep, inputs: Array) -> None:
        super().__init__()
        self._step = step
        self._inputs = inputs.copy()
        self._seen: dict[int, int] = {}

    def of(self, field: Field) -> Array:
        """Logits of a column given the columns already set."""
        row = self.row.tolist()
        for column in _SEEN[field]:
            value, before = row[column], self._seen.get(column)
            if value == before:
                continue
            table, begin = self._step.tables[column]
            if before is not None:
                self._inputs[begin:] -= table[before]
            self._inputs[begin:] += table[value]
            self._seen[column] = value
        return self._step.heads[field].logits(self._inputs)


class _Scratch:
    """Working memory for ``m`` rows at once, with the views that a step needs."""

    def __init__(self, m: int, config: TrunkConfig, hidden: int, told: int) -> None:
        w, h = config.width, config.heads
        self.x, self.told = Buffer(m, w), Buffer(m, told)
        self.rows = list(self.x.array)
        self.normed, self.attended = Buffer(m, w), Buffer(m, w)
        self.qkv, self.gates, self.active = Buffer(m, 3 * w), Buffer(m, 2 * hidden), Buffer(m, hidden)
        self.normed_rows = list(self.normed.array)
        parts = self.qkv.array.reshape(m, 3, h, w // h)
        out = self.attended.array.reshape(m, h, 1, w // h)
        # For every row: queries [h d 1], new keys and values [h d], what attention gives [h 1 d] and [h d].
        self.heads = [
            (part[0][:, :, None], part[1], part[2], heads, heads[:, 0])
            for part, heads in zip(parts, out, strict=True)
        ]
        # Queries and keys with the two halves that rotate into each other apart: [m 2 h 2 d/2].
        self.turning = self.qkv.array.reshape(m, 3, h, 2, -1)[:, :2]
        self.crossed = self.turning[..., ::-1, :]
        self.turned = np.zeros(self.turning.shape, dtype=np.float32)
        self.gate, self.value = self.gates.array[:, :hidden], self.gates.array[:, hidden:]

    def normalize(self, weight: Array) -> None:
        """RMSNorm of every row of ``x`` into ``normed``."""
        for row, normed in zip(self.rows, self.normed_rows, strict=True):
            _normalize(row, weight, normed)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One block's weights."""

    attention_norm: Array
    feed_norm: Array
    qkv: Product
    attention_out: Product
    feed_in: Product
    feed_out: Product

    @classmethod
    def of(cls, block: nn.Module, product: Callable[[Tensor], Product]) -> _Layer:
        names = ("qkv", "attention_out", "feed_in", "feed_out")
        norms = (_array(block, "attention_norm.weight"), _array(block, "feed_norm.weight"))
        return cls(*norms, *(product(_weight(block, name)) for name in names))


class _Head:
    """One column's head behind its sum of inputs."""

    def __init__(self, model: EventModel, field: Field) -> None:
        width = model.config.head_width
        self._own = slice(field * width, (field + 1) * width)
        self._norm = _array(model, f"head_norms.{field:d}.weight")
        self._out = WholeProduct(_weight(model, f"head_out.{field:d}"))
        self._bias = _array(model, f"head_out.{field:d}.bias")
        self._normed = np.zeros(width, dtype=np.float32)
        self._active, self._logits = Buffer(1, width), Buffer(1, FIELD_SIZES[field])

    def logits(self, inputs: Array) -> Array:
        """``[values]`` of the sums ``[heads * head_width]``."""
        _normalize(inputs[self._own], self._norm, self._normed)
        _silu(self._normed, self._active.array[0])
        self._out.into(self._active, self._logits)
        logits: Array = self._logits.array[0] + self._bias
        return logits


class NetworkStep:
    """A few rows through the network in one read of its weights. One thread at a time.

    Args:
        model: 32-bit, on a CPU.
        is_half: Multiply in bfloat16, by packed copies of the weights; only where :func:`has_half`.
    """

    def __init__(self, model: EventModel, *, is_half: bool = False) -> None:
        self._config = model.config.trunk
        product = HalfProduct if is_half else WholeProduct
        self._embeddings = [_array(table, "weight") for table in model.embeddings]
        self._layers = [_Layer.of(block, product) for block in model.trunk.blocks]
        self._hidden = model.trunk.blocks[0].get_parameter("feed_out.weight").shape[1]
        self._norm = _array(model, "trunk.norm.weight")
        self._same, self._crossed = _rotations(model.trunk.rotations, self._config)
        self._scratch: dict[int, _Scratch] = {}
        self._head_in, self._head_bias = product(_weight(model, "head_in")), _array(model, "head_in.bias")
        self.heads = [_Head(model, field) for field in PREDICTED]
        self.tables = {column: _seen_table(model, column) for column in {c for seen in _SEEN for c in seen}}

    def tell(self, hidden: Array) -> Array:
        """What a hidden state ``[w]`` tells the heads: ``[heads * head_width]``."""
        state, told = Buffer(1, len(hidden)), Buffer(1, self._head_in.outputs)
        state.array[0] = hidden
        self._head_in.into(state, told)
        told.array[0] += self._head_bias
        found: Array = told.array[0]
        return found

    def run(self, feeds: Sequence[tuple[FastReader, int]]) -> tuple[Array, Array]:
        """Hidden states ``[m w]`` of rows of some readers and what they tell the heads.

        Both are overwritten by the next call.

        Args:
            feeds: Readers and places of their rows, a reader's own in order; what lies before them has
                gone through the network.
        """
        m = len(feeds)
        if m not in self._scratch:
            self._scratch[m] = _Scratch(m, self._config, self._hidden, self._head_in.outputs)
        memory = self._scratch[m]
        places = [at for _, at in feeds]
        rotation = self._same[places], self._crossed[places]
        for (reader, at), x in zip(feeds, memory.rows, strict=True):
            self._embed(reader, at, x)
        with torch.inference_mode():
            for number, layer in enumerate(self._layers):
                self._attend(layer, number, feeds, memory, rotation)
                _feed_forward(layer, memory)
            memory.normalize(self._norm)
            self._head_in.into(memory.normed, memory.told)
        memory.told.array += self._head_bias
        return memory.normed.array, memory.told.array

    def _embed(self, reader: FastReader, at: int, x: Array) -> None:
        row = reader._rows[at].tolist()
        np.copyto(x, self._embeddings[0][row[0]])
        for table, value in zip(self._embeddings[1:], row[1:], strict=True):
            x += table[value]

    def _attend(
        self, layer: _Layer, number: int, feeds: Sequence[tuple[FastReader, int]], memory: _Scratch,
        rotation: tuple[Array, Array],
    ) -> None:  # fmt: skip
        """Self-attention, added to ``memory.x``; new keys and values go to the readers' caches."""
        memory.normalize(layer.attention_norm)
        layer.qkv.into(memory.normed, memory.qkv)
        np.multiply(memory.crossed, rotation[1], out=memory.turned)
        np.multiply(memory.turning, rotation[0], out=memory.turning)
        np.add(memory.turning, memory.turned, out=memory.turning)
        for i, (reader, at) in enumerate(feeds):
            keys, values = reader.memory[number]
            queries, keys[:, at], values[:, at], out, flat = memory.heads[i]
            scores = np.matmul(keys[:, : at + 1], queries)[:, :, 0]  # [h n]
            scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
            np.exp(scores, out=scores)
            np.matmul(scores[:, None], values[:, : at + 1], out=out)
            flat /= np.add.reduce(scores, axis=1, keepdims=True)
        layer.attention_out.onto(memory.attended, memory.x)


def _seen_table(model: EventModel, column: int) -> tuple[Array, int]:
    """What each value of a column tells all heads that see it, ``[values heads_seeing * head_width]``.

    Beside it, where those heads' inputs begin: they are the last ones.
    """
    seeing = [field for field in PREDICTED if column in _SEEN[field]]
    name = Field(column).name
    tables = [_array(model, f"head_seen.{field.name}_{name}.weight") for field in seeing]
    return np.concatenate(tables, axis=1), seeing[0] * model.config.head_width


def _feed_forward(layer: _Layer, memory: _Scratch) -> None:
    """The gated layer, added to ``memory.x``."""
    memory.normalize(layer.feed_norm)
    layer.feed_in.into(memory.normed, memory.gates)
    _silu(memory.gate, memory.active.array)
    memory.active.array *= memory.value
    layer.feed_out.onto(memory.active, memory.x)


def _normalize(x: Array, weight: Array, out: Array) -> None:
    """RMSNorm (Zhang and Sennrich 2019) of one vector; ``out`` may be ``x``."""
    scale = 1 / sqrt(float(x.dot(x)) / len(x) + NORM_EPSILON)
    np.multiply(x, weight, out=out)
    out *= scale


def _silu(x: Array, out: Array) -> None:
    """``x * sigmoid(x)`` by the hyperbolic tangent, which cannot overflow; ``x`` is halved."""
    x *= 0.5
    np.tanh(x, out=out)
    out += 1
    out *= x


def _rotations(table: Tensor, config: TrunkConfig) -> tuple[Array, Array]:
    """Factors of each half of queries and keys, and of the other half: each ``[context 2 1 2 d/2]``.

    The queries' carry the scale of attention, 1 / sqrt(d).
    """
    width = config.width // config.heads
    cosines, sines = table.numpy().reshape(2, -1, 1, 1, 2, width // 2)
    scale = np.array([width**-0.5, 1], dtype=np.float32).reshape(1, 2, 1, 1, 1)
    sign = np.array([-1, 1], dtype=np.float32).reshape(1, 1, 1, 2, 1)
    return cosines * scale, sines * sign * scale


def _array(module: nn.Module, name: str) -> Array:
    """The memory of a parameter."""
    found: Array = module.get_parameter(name).detach().numpy()
    return found


def _weight(module: nn.Module, name: str) -> Tensor:
    """The weights of a linear layer, ``[out in]``."""
    return module.get_parameter(f"{name}.weight").detach()
