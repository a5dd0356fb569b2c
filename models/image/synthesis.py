"""The generator for playing: one picture at a time on a CPU, from styles to bytes.

The same sums as :class:`models.image.generator.Generator` in another order, so that they run near the speed
of matrix products. A rectifier lets positive factors through, so a layer's demodulation needs not be applied
to its output: it goes into its bias, divided, and into whatever reads the output, multiplied. What remains of
a layer is one factor for each channel coming in and one convolution, with weights packed once, bias and
rectifier in the same pass. Colors are kept in bytes' units from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.image.generator import (
    BASE_PX,
    EPSILON,
    GAIN,
    SLOPE,
    Generator,
    StyleConv,
    ToRgb,
    double_kernel,
)

KEPT_BYTES = 16 << 20
"""More than all activations of a 256-pixel picture that live at once."""

After = tuple[str, list[float], str]
RECTIFIED: After = ("leaky_relu", [SLOPE], "")
PLAIN: After = ("none", [], "")
"""What oneDNN does to a convolution's sums before it writes them."""

BYTE_SCALE, BYTE_CENTER = 127.5, 128.0
"""From -1..1 to bytes, as :func:`models.image.generator.to_uint8` has them."""


def is_fast_here(generator: Generator) -> bool:
    """Whether :class:`Synthesis` can play a generator: on a CPU whose torch has oneDNN, in float32."""
    base = generator.base
    is_there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    has_ops = is_there and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    return has_ops and base.device.type == "cpu" and base.dtype == torch.float32


class Synthesis:
    """Plays a generator at the resolution and with the weights it has now. One thread at a time.

    Args:
        generator: On a CPU, for which :func:`is_fast_here`.
    """

    def __init__(self, generator: Generator) -> None:
        self.stage = (generator.resolution, generator.fade)
        keys = [key for key in generator.layers if _side(key) <= generator.resolution]
        convolutions = [cast("StyleConv", generator.layers[key]) for key in keys]
        sides = [_side(key) for key in keys]
        lasts = {side: i for i, side in enumerate(sides)}
        heads = {i: cast("ToRgb", generator.heads[str(side)]) for side, i in lasts.items()}
        with torch.no_grad():
            self._modulation = _Modulation(convolutions, heads)
            self._base = generator.base.detach().contiguous(memory_format=torch.channels_last)
            self._layers: list[_Layer] = []
            self._color = torch.full((3, 1), BYTE_CENTER)
            for i, (layer, side) in enumerate(zip(convolutions, sides, strict=True)):
                head = None
                if i in heads:
                    fade = generator.fade if side == generator.resolution > BASE_PX else 1.0
                    head = _Head(heads[i], side, self._modulation.head_factors[i], fade)
                    # Doubling leaves what is even as it is, so all biases can be added to the first picture.
                    self._color += heads[i].bias[:, None] * fade * BYTE_SCALE
                factor = self._modulation.factors[i][:, None, None]
                noise = self._modulation.noises[i][:, None, None]
                has_noise = layer.noise_strength is not None and bool(layer.noise_strength)
                convolve = _packed(layer, side)
                bias = self._modulation.biases[i]
                self._layers.append(_Layer(convolve, factor, bias, noise if has_noise else None, head))
        # Its release raises the size up to which glibc keeps blocks (mallopt(3), dynamic threshold). Else it
        # gives a layer's activations back at every frame and zeroed pages come again: a fifth of the time.
        torch.empty(KEPT_BYTES, dtype=torch.uint8)

    @torch.inference_mode()
    def render(self, ws: Tensor, noise: Sequence[Tensor] | None = None) -> NDArray[np.uint8]:
        """Pixels ``[n h w 3]`` of styles ``[n layers w]``; each by itself, so that its bits are its own.

        Args:
            ws: On the CPU.
            noise: One ``[1 1 h w]`` for every layer, the same for all pictures; None leaves it out.
        """
        side = self.stage[0]
        pixels = torch.empty(len(ws), side, side, 3, dtype=torch.uint8)
        for styles, out in zip(ws, pixels.permute(0, 3, 1, 2), strict=True):
            out.copy_(self.colors(styles, noise).clamp_(0, 255))
        return cast("NDArray[np.uint8]", pixels.numpy())

    def colors(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Colors ``[3 h w]`` of styles ``[layers w]``, 0-255 but not clipped; good until the next call."""
        self._modulation.fill(styles)
        x = self._base
        picture: Tensor | None = None
        for i, layer in enumerate(self._layers):
            x = x * layer.factor if x is self._base else x.mul_(layer.factor)
            if noise is None or layer.noise is None:
                x = layer.convolve(x, layer.bias, RECTIFIED)
            else:
                x = layer.convolve(x, layer.bias, PLAIN).addcmul_(noise[i], layer.noise)
                functional.leaky_relu_(x, SLOPE)
            if layer.head is not None:
                picture = layer.head.color(x, picture, self._color)
        return cast("Tensor", picture)


class _Modulation:
    """From styles to every channel's factor and bias, in vectors that all layers lie behind each other in.

    Args:
        convolutions: From coarse to fine.
        heads: By the number of the convolution that they follow.
    """

    def __init__(self, convolutions: list[StyleConv], heads: dict[int, ToRgb]) -> None:
        inputs = [layer.weight.shape[1] for layer in convolutions]
        outputs = [layer.weight.shape[0] for layer in convolutions]
        # A head follows its convolution: both read the same style, in one product.
        widths = [(inputs[i], outputs[i] if i in heads else 0) for i in range(len(inputs))]
        total = sum(map(sum, widths))
        self._style, self._square, self._factor = torch.empty(3, total)
        self._power, self._bias = torch.empty(2, sum(outputs))
        self._norm = torch.ones(sum(outputs) + 1)
        self._source = _sources(widths, outputs)
        self._raw_bias = torch.cat([layer.bias for layer in convolutions])
        strengths = [layer.noise_strength for layer in convolutions]
        self._raw_noise = torch.cat(
            [torch.full((n,), float(s or 0) / GAIN) for n, s in zip(outputs, strengths, strict=True)]
        )
        self._noise = torch.empty_like(self._raw_noise)
        self._styles = []
        for i, out in enumerate(torch.split(self._style, [sum(each) for each in widths])):
            readers = [each.style for each in (convolutions[i], heads.get(i)) if each]
            bias = torch.cat([reader.bias * reader.rate for reader in readers])
            self._styles.append((bias, torch.cat([each.weight * each.scale for each in readers]), out))
        flat = [width for each in widths for width in each]
        squares, factors = torch.split(self._square, flat)[::2], torch.split(self._factor, flat)
        powers = torch.split(self._power, outputs)
        self._powers = [
            (layer.weight.square().sum((2, 3)), square, out)
            for layer, square, out in zip(convolutions, squares, powers, strict=True)
        ]
        self.biases, self.noises = torch.split(self._bias, outputs), torch.split(self._noise, outputs)
        self.factors, self.head_factors = factors[::2], factors[1::2]

    def fill(self, styles: Tensor) -> None:
        """Fill factors, biases and factors of the noise from styles ``[layers w]``.

        A layer gives ``leaky(norm y + bias)``, which is ``norm leaky(y + bias / norm)``; noise is like bias.
        """
        for style, (bias, weight, out) in zip(styles.unbind(), self._styles, strict=False):
            torch.addmv(bias, weight, style, out=out)
        torch.square(self._style, out=self._square)
        for weight, square, out in self._powers:
            torch.mv(weight, square, out=out)
        self._power.add_(EPSILON)
        torch.sqrt(self._power, out=self._bias)
        torch.div(GAIN, self._bias, out=self._norm[:-1])
        torch.mul(self._bias, self._raw_noise, out=self._noise)
        self._bias.mul_(self._raw_bias)
        torch.index_select(self._norm, 0, self._source, out=self._factor)
        self._factor.mul_(self._style)


@dataclass(frozen=True)
class _Layer:
    """A convolution with its views of what :meth:`_Modulation.fill` fills.

    Attributes:
        convolve: From activations, bias and what comes after to activations.
        factor: Of every channel coming in, ``[inputs 1 1]``.
        bias: ``[outputs]``.
        noise: What noise counts in every channel going out, ``[outputs 1 1]``, or None where it has none.
        head: Colors behind it, of a block's last layer.
    """

    convolve: Callable[[Tensor, Tensor, After], Tensor]
    factor: Tensor
    bias: Tensor
    noise: Tensor | None
    head: _Head | None


class _Head:
    """Adds a block's colors to the doubled picture of the block before; pictures lie color by color.

    Args:
        head: The generator's.
        side_px: Of the block.
        factor: Of every channel, ``[inputs]``; filled by :meth:`_Modulation.fill`.
        fade: How much it counts, 0-1.
    """

    def __init__(self, head: ToRgb, side_px: int, factor: Tensor, fade: float) -> None:
        half = side_px // 2
        self.factor = factor
        self.raw = head.weight.detach() * (head.scale * fade * BYTE_SCALE)
        self.weight = torch.empty_like(self.raw)
        # Buffers that stay: making them anew took as long as filling them.
        self.planes, self.wide = torch.empty(3, side_px, side_px), torch.empty(3, half, side_px)
        self.picture, self.lines = self.planes.view(3, -1), self.wide.view(3 * half, side_px)
        double = _doubling(half)
        self.rows, self.columns = double.expand(3, -1, -1), double.t().contiguous()

    def color(self, x: Tensor, before: Tensor | None, start: Tensor) -> Tensor:
        """Colors ``[3 h w]`` of activations ``[1 n h w]`` and the picture before, ``[3 h/2 w/2]``."""
        torch.mul(self.raw, self.factor, out=self.weight)
        pixels = x.flatten(2)[0]
        if before is None:
            torch.addmm(start, self.weight, pixels, out=self.picture)
        else:
            torch.mm(before.view(len(self.lines), -1), self.columns, out=self.lines)
            torch.bmm(self.rows, self.wide, out=self.planes)
            self.picture.addmm_(self.weight, pixels)
        return self.planes


def _side(key: str) -> int:
    return int(key.split("_", maxsplit=1)[0])


def _doubling(n: int) -> Tensor:
    """The matrix ``[2n n]`` that doubles a line of ``n`` pixels bilinearly."""
    wide = functional.interpolate(torch.eye(n)[None, None], (2 * n, n), mode="bilinear", align_corners=False)
    return wide[0, 0].contiguous()


def _sources(widths: list[tuple[int, int]], outputs: list[int]) -> Tensor:
    """For every factor the place of the norm that is still due in its channel; behind the last lies a one.

    Args:
        widths: Of every convolution, and of the head behind it.
        outputs: Of every convolution.
    """
    ends = np.cumsum([0, *outputs])
    owed = [np.full(widths[0][0], ends[-1])]
    for i, (_, head) in enumerate(widths):
        own = np.arange(ends[i], ends[i + 1])
        owed += [own] * ((head > 0) + (i + 1 < len(widths)))
    return torch.from_numpy(np.concatenate(owed))


def _packed(layer: StyleConv, side_px: int) -> Callable[[Tensor, Tensor, After], Tensor]:
    """A layer's convolution with bias and what follows in one pass, its weights in the order oneDNN likes."""
    kernel = double_kernel(layer.weight) if layer.is_up else layer.weight
    kernel = kernel.detach().contiguous(memory_format=torch.channels_last)
    ops: Any = torch.ops.mkldnn
    shape = [1, layer.weight.shape[1], *[side_px // 2 if layer.is_up else side_px] * 2]
    one, two, none = [1, 1], [2, 2], [0, 0]
    if layer.is_up:
        packed = ops._reorder_convolution_transpose_weight(kernel, one, none, two, one, 1, shape)
        convolve = ops._convolution_transpose_pointwise
        return lambda x, bias, after: convolve(x, packed, bias, one, none, two, one, 1, *after)
    packed = ops._reorder_convolution_weight(kernel, one, one, one, 1, shape)
    convolve = ops._convolution_pointwise
    return lambda x, bias, after: convolve(x, packed, bias, one, one, one, 1, *after)
