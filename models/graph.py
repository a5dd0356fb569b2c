"""Many small kernels as one: what is run again and again on the same tensors, captured as a CUDA graph.

For one row, or one picture, starting kernels from Python bounds the pace of a GPU. A graph starts them all
at once (PyTorch, "CUDA semantics", CUDA graphs); it reads and writes the very tensors that were there when it
was captured. Elsewhere than on CUDA the function simply runs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UPS = 3
"""Runs before the capture, in which libraries choose their kernels and take their memory."""


class Replay:
    """Calls a function without gradients. One thread at a time.

    Args:
        act: Takes its input from tensors that stay where they are, in shapes that stay the same, and waits
            for nothing on the device; it is run a few times at once. What it gives is overwritten by the next
            call.
        device: Where its tensors are.
    """

    def __init__(self, act: Callable[[], Tensor], device: torch.device) -> None:
        self._act = act
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            with torch.inference_mode(), torch.cuda.device(device):
                self._graph, self._given = _captured(act)

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        """What the function gives."""
        if self._graph is None:
            return self._act()
        self._graph.replay()
        return self._given


def _captured(act: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            act()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        given = act()
    return graph, given
