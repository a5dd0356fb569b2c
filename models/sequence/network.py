"""The event-row transformer: one trunk step an event, then small heads in sequence.

Trunk: decoder-only, pre-normalized with RMSNorm (Zhang and Sennrich 2019), rotary positions
(Su et al. 2021), SwiGLU (Shazeer 2020). Heads: each predicted column gets its own head that sees
the columns drawn before it, as in Notochord (Shepardson et al. 2022) and the nested music
transformer (Ryu et al. 2024), so that "this instrument" or "not before t" are masks at sampling.

Shape letters: ``b`` batch, ``t`` rows, ``w`` width, ``h`` heads, ``d`` head width.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from midi.events import FIELD_SIZES, PREDICTED, Field

NORM_EPSILON = 1e-6

ROTARY_BASE = 10000.0


@dataclass(frozen=True)
class TrunkConfig:
    """Size of a trunk; stored in the bundle.

    Attributes:
        width: Residual width, a multiple of ``heads``.
        layers: Number of blocks.
        heads: Attention heads.
        context: Longest context in rows.
        dropout: Dropout of embeddings and block outputs while training.
    """

    width: int = 256
    layers: int = 6
    heads: int = 8
    context: int = 512
    dropout: float = 0.1


@dataclass(frozen=True)
class EventModelConfig:
    """Size of an event-row model, and what it is told.

    Attributes:
        trunk: Size of the trunk.
        head_width: Hidden width of the field heads.
        tells_parts: Whether START rows tell it the partner's parts (see :func:`midi.events.start_row`). A
            model trained without must not see them.
    """

    trunk: TrunkConfig = TrunkConfig()
    head_width: int = 192
    tells_parts: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> EventModelConfig:
        """The configuration that :meth:`to_dict` wrote."""
        rest = {k: v for k, v in values.items() if k != "trunk"}
        return cls(trunk=TrunkConfig(**values["trunk"]), **rest)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; a model that is told no parts has them as it always had."""
        values = asdict(self)
        if not self.tells_parts:
            del values["tells_parts"]
        return values


class KeyValueCache:
    """Keys and values of the rows read so far, in buffers of fixed size.

    Stepping back is setting ``length`` to a smaller number; nothing is copied.
    """

    def __init__(self, config: TrunkConfig, *, batch: int = 1, device: torch.device | str = "cpu") -> None:
        shape = (config.layers, 2, batch, config.heads, config.context, config.width // config.heads)
        self.buffer = torch.zeros(shape, device=device)
        self.length = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write ``[b h t d]`` behind the current length; give back everything up to there."""
        end = self.length + keys.shape[2]
        self.buffer[layer, 0, :, :, self.length : end] = keys
        self.buffer[layer, 1, :, :, self.length : end] = values
        return self.buffer[layer, 0, :, :, :end], self.buffer[layer, 1, :, :, :end]


class Block(nn.Module):
    """Attention, then a gated feed-forward layer, each added to what came in."""

    def __init__(self, config: TrunkConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.heads = layer, config.heads
        # SwiGLU keeps the parameter count of a 4x feed-forward at 8/3 of the width, here in whole 32s.
        hidden = 32 * round(config.width * 8 / 3 / 32)
        self.attention_norm = nn.RMSNorm(config.width, eps=NORM_EPSILON)
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.attention_out = nn.Linear(config.width, config.width, bias=False)
        self.feed_norm = nn.RMSNorm(config.width, eps=NORM_EPSILON)
        self.feed_in = nn.Linear(config.width, 2 * hidden, bias=False)
        self.feed_out = nn.Linear(hidden, config.width, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, rotation: Tensor, cache: KeyValueCache | None, mask: Tensor | None
    ) -> Tensor:
        """``[b t w]`` to ``[b t w]``."""
        b, t, w = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(b, t, 3, self.heads, w // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [b h t d]
        q, k = rotate(q, rotation), rotate(k, rotation)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        causal = mask is None and t > 1
        y: Tensor = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        attended: Tensor = self.attention_out(y.transpose(1, 2).reshape(b, t, w))
        x = x + self.dropout(attended)
        gate, value = self.feed_in(self.feed_norm(x)).chunk(2, dim=-1)
        out: Tensor = x + self.dropout(self.feed_out(functional.silu(gate) * value))
        return out


class Trunk(nn.Module):
    """Decoder-only transformer over vectors; what they mean is the caller's business."""

    rotations: Tensor

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=NORM_EPSILON)
        self.register_buffer("rotations", rotary_table(config), persistent=False)
        self.apply(_initialize)
        for block in self.blocks:
            for name in ("attention_out", "feed_out"):
                # Residual branches start small: their sum keeps unit scale (GPT-2's rule).
                nn.init.normal_(getattr(block, name).weight, std=0.02 / (2 * config.layers) ** 0.5)

    def forward(self, x: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """``[b t w]`` to ``[b t w]``; with a cache, ``x`` follows the rows that it holds.

        Raises:
            ValueError: More rows than the context holds.
        """
        start = cache.length if cache is not None else 0
        t = x.shape[1]
        if start + t > self.config.context:
            raise ValueError(f"{start + t} rows do not fit a context of {self.config.context}")
        mask = None
        if start and t > 1:
            mask = torch.ones(t, start + t, dtype=torch.bool, device=x.device).tril(start)
        rotation = self.rotations[:, start : start + t]
        for block in self.blocks:
            x = block(x, rotation, cache, mask)
        if cache is not None:
            cache.length = start + t
        y: Tensor = self.norm(x)
        return y


class EventModel(nn.Module):
    """Rows in, logits of the next row out, column by column."""

    def __init__(self, config: EventModelConfig) -> None:
        super().__init__()
        self.config = config
        width, head_width = config.trunk.width, config.head_width
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size in FIELD_SIZES)
        self.dropout = nn.Dropout(config.trunk.dropout)
        self.trunk = Trunk(config.trunk)
        self.head_in = nn.Linear(width, head_width * len(PREDICTED))
        self.head_seen = nn.ModuleDict(
            {
                f"{head.name}_{seen.name}": nn.Embedding(FIELD_SIZES[seen], head_width)
                for head in PREDICTED
                for seen in seen_by(head)
            }
        )
        self.head_norms = nn.ModuleList(nn.RMSNorm(head_width, eps=NORM_EPSILON) for _ in PREDICTED)
        self.head_out = nn.ModuleList(nn.Linear(head_width, FIELD_SIZES[f]) for f in PREDICTED)
        for module in (self.embeddings, self.head_in, self.head_seen, self.head_out):
            module.apply(_initialize)

    def forward(self, rows: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Hidden state ``[b t w]`` after each row of ``rows`` ``[b t fields]`` (integers)."""
        hidden: Tensor = self.trunk(self.dropout(self.embed(rows)), cache)
        return hidden

    def embed(self, rows: Tensor) -> Tensor:
        """The columns of every row ``[b t fields]`` in one vector, ``[b t w]``."""
        x: Tensor = self.embeddings[0](rows[..., 0])
        for field in range(1, len(FIELD_SIZES)):
            x = x + self.embeddings[field](rows[..., field])
        return x

    def head_inputs(self, hidden: Tensor) -> Tensor:
        """What the hidden state tells each head: ``[... heads head_width]``."""
        inputs: Tensor = self.head_in(hidden)
        return inputs.view(*hidden.shape[:-1], len(PREDICTED), -1)

    def head_logits(self, field: Field, head_input: Tensor, row: Tensor) -> Tensor:
        """Logits of one column, given the columns of the same row that its head may see.

        Args:
            field: A predicted column.
            head_input: ``[... head_width]``, this head's slice of :meth:`head_inputs`.
            row: ``[... fields]``; columns that the head does not see may hold anything valid.
        """
        x = head_input.float()
        for seen in seen_by(field):
            x = x + self.head_seen[f"{field.name}_{seen.name}"](row[..., seen])
        logits: Tensor = self.head_out[field](functional.silu(self.head_norms[field](x)))
        return logits

    def logits(self, hidden: Tensor, following: Tensor) -> dict[Field, Tensor]:
        """Teacher-forced logits of every column of the next row.

        Args:
            hidden: ``[b t w]``.
            following: ``[b t fields]``, the row after each.
        """
        inputs = self.head_inputs(hidden)
        return {field: self.head_logits(field, inputs[..., field, :], following) for field in PREDICTED}


def seen_by(field: Field) -> tuple[Field, ...]:
    """Columns of the same row that a head sees: those drawn before it, and what follows from them.

    The clock position follows from the step, the onset's position from step, role and lag.
    """
    drawn = tuple(PREDICTED[: PREDICTED.index(field)])
    if field == Field.DELTA:
        return drawn
    return (*drawn, Field.CLOCK) if field == Field.ROLE else (*drawn, Field.CLOCK, Field.POSITION)


def rotary_table(config: TrunkConfig) -> Tensor:
    """Cosines and sines ``[2 context d]`` of the rotary angles, each repeated for both halves."""
    half = config.width // config.heads // 2
    frequency = ROTARY_BASE ** (-torch.arange(half) / half)
    angle = torch.arange(config.context)[:, None] * frequency
    angle = torch.cat([angle, angle], dim=1)
    return torch.stack([angle.cos(), angle.sin()])


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate queries or keys ``[b h t d]`` by their positions' angles (Su et al. 2021)."""
    low, high = x.chunk(2, dim=-1)
    turned = torch.cat([-high, low], dim=-1)
    return x * rotation[0].to(x.dtype) + turned * rotation[1].to(x.dtype)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
