"""Products of rows with a network's matrices on a CPU, in 32 bits or in bfloat16, into memory that exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.device import multiplies_bfloat16

Array: TypeAlias = NDArray[np.float32]

UNSPLIT = 400_000
"""Weights of a matrix up to which numpy's BLAS does not split a product among threads (OpenBLAS 0.3.31)."""


def has_half() -> bool:
    """Whether products in bfloat16 are faster here: the CPU has them, and torch packs weights for them."""
    is_there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return is_there and hasattr(torch.ops.mkldnn, "_linear_pointwise") and multiplies_bfloat16()


class Buffer:
    """Memory that PyTorch multiplies into and numpy works on."""

    __slots__ = ("array", "tensor")

    def __init__(self, *shape: int) -> None:
        self.tensor = torch.zeros(shape)
        self.array: Array = self.tensor.numpy()


class Product(Protocol):
    """Multiplies rows ``[m in]`` by a matrix ``[in out]``."""

    outputs: int

    def into(self, x: Buffer, out: Buffer) -> None:
        """Write the product."""

    def onto(self, x: Buffer, total: Buffer) -> None:
        """Add the product."""


class WholeProduct:
    """A product in 32 bits, by the network's own weights ``[out in]``.

    One row goes through numpy's BLAS: as fast as torch's MKL on Intel's processors, and faster on others.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight, self._array = weight.t(), weight.numpy()
        self._is_unsplit = weight.numel() <= UNSPLIT
        self.outputs = len(weight)

    def into(self, x: Buffer, out: Buffer) -> None:
        """Write the product."""
        if self._is_unsplit and len(x.array) == 1:
            np.dot(self._array, x.array[0], out=out.array[0])
        else:
            torch.mm(x.tensor, self._weight, out=out.tensor)

    def onto(self, x: Buffer, total: Buffer) -> None:
        """Add the product."""
        if self._is_unsplit and len(x.array) == 1:
            total.array[0] += np.dot(self._array, x.array[0])
        else:
            total.tensor.addmm_(x.tensor, self._weight)


class HalfProduct:
    """A product in bfloat16, by a copy of the weights in the order that oneDNN reads; sums are in 32 bits.

    A row's product does not depend on the rows beside it, to the bit.
    """

    def __init__(self, weight: Tensor) -> None:
        ops: Any = torch.ops.mkldnn
        packed = ops._reorder_linear_weight(weight.bfloat16(), 1)
        multiply = ops._linear_pointwise.default
        self._times: Callable[[Tensor], Tensor] = lambda x: multiply(
            x.bfloat16(), packed, None, "none", [], ""
        )
        self.outputs = len(weight)

    def into(self, x: Buffer, out: Buffer) -> None:
        """Write the product."""
        out.tensor.copy_(self._times(x.tensor))

    def onto(self, x: Buffer, total: Buffer) -> None:
        """Add the product."""
        total.tensor.add_(self._times(x.tensor))
