"""The generator for playing on a GPU: a picture's kernels as one graph (:mod:`models.graph`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.graph import Replay
from models.image.generator import Generator, to_uint8


class Captured:
    """Plays a generator at the resolution and with the weights it has now. One thread at a time.

    Args:
        generator: Frozen.
    """

    def __init__(self, generator: Generator) -> None:
        self.stage = (generator.resolution, generator.fade)
        device, config = generator.base.device, generator.config
        self._styles = torch.zeros(1, len(generator.layer_names), config.w_size, device=device)
        self._noise = [torch.zeros(shape, device=device) for shape in generator.noise_shapes()]

        def make() -> Tensor:
            made: Tensor = generator(self._styles, noise=self._noise)
            return made

        self._picture = Replay(make, device)

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
            made.append(to_uint8(self._picture()))
        side = self.stage[0]
        return np.concatenate(made) if made else np.zeros((0, side, side, 3), np.uint8)
