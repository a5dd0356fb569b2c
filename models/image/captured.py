"""The generator for playing on a GPU: one picture as a CUDA graph.

One picture at a time is many small kernels, and each is started from Python. Captured once with fixed shapes,
they are started as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.image.generator import Generator, to_uint8

WARM_UPS = 3
"""Runs before the capture, in which libraries choose kernels and take memory (PyTorch, "CUDA semantics")."""


def can_capture(generator: Generator) -> bool:
    """Whether :class:`Captured` can play a generator: on a CUDA device."""
    return generator.base.is_cuda


class Captured:
    """Plays a generator at the resolution and with the weights it has now. One thread at a time.

    Args:
        generator: Frozen, on a device for which :func:`can_capture`.
    """

    def __init__(self, generator: Generator) -> None:
        self.stage = (generator.resolution, generator.fade)
        device, config = generator.base.device, generator.config
        # A replay reads and writes where the capture did.
        self._styles = torch.zeros(1, len(generator.layer_names), config.w_size, device=device)
        self._noise = [torch.zeros(shape, device=device) for shape in generator.noise_shapes()]

        def make() -> Tensor:
            made: Tensor = generator(self._styles, noise=self._noise)
            return made

        self._graph = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.inference_mode(), torch.cuda.device(device):
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    make()
            torch.cuda.current_stream(device).wait_stream(aside)
            with torch.cuda.graph(self._graph):
                self._picture = make()

    @torch.inference_mode()
    def render(self, ws: Tensor, noise: Sequence[Tensor] | None = None) -> NDArray[np.uint8]:
        """Pixels ``[n h w 3]`` of styles ``[n layers w]``; each by itself, so that its bits are its own.

        Args:
            ws: On any device.
            noise: One ``[1 1 h w]`` for every layer, the same for all pictures; None leaves it out.
        """
        for i, kept in enumerate(self._noise):
            if noise is None:
                kept.zero_()
            elif i < len(noise):
                kept.copy_(noise[i])
        made = []
        for row in ws:
            self._styles.copy_(row[None])
            self._graph.replay()
            made.append(to_uint8(self._picture))
        side = self.stage[0]
        return np.concatenate(made) if made else np.zeros((0, side, side, 3), np.uint8)
