"""The picture player: from seeds and styles to pixels, the same bits for the same input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.bundle import Bundle, read_bundle
from models.device import pick_device
from models.image.captured import Captured
from models.image.generator import Bend, Generator, GeneratorConfig, latents, to_uint8
from models.image.synthesis import Synthesis, is_fast_here
from models.registry import find

ARCHITECTURE = "style-generator-1"
CRITIC = "critic/"
"""Prefix of the critic's tensors, which a bundle carries for fine-tuning."""


class Pictures:
    """Makes pictures; what ``models.load`` gives for a picture bundle.

    Pictures are made one at a time, so that their bits do not depend on which others are asked for. One
    thread at a time.

    Args:
        generator: Network in evaluation mode, on its device.
        name: Of the bundle.
        version: Of the bundle.
    """

    def __init__(self, generator: Generator, name: str = "", version: str = "") -> None:
        self.generator = generator.eval().requires_grad_(False).freeze()
        self.name = name
        self.version = version
        self._synthesis: Synthesis | Captured | None = None

    @classmethod
    def load(cls, name: str | Path, device: str = "auto") -> Pictures:
        """A player from an installed bundle's name, ``name@version``, or a bundle's path.

        Raises:
            UserError: No such bundle, damaged, or not of pictures.
        """
        bundle = read_bundle(find(name))
        generator = load_generator(bundle).to(pick_device(device))
        return cls(generator, bundle.manifest.name, bundle.manifest.version)

    @property
    def device(self) -> str:
        """Kind of device the network is on."""
        return self.generator.w_mean.device.type

    @property
    def resolution(self) -> int:
        """Side of the pictures in pixels."""
        return self.generator.resolution

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, coarse to fine; each has a style of its own."""
        return self.generator.layer_names

    @property
    def z_size(self) -> int:
        """Numbers that a seed stands for."""
        return self.generator.config.z_size

    @property
    def w_size(self) -> int:
        """Size of a style."""
        return self.generator.config.w_size

    def z(self, seeds: Iterable[int]) -> Tensor:
        """Latents ``[n z]`` of seeds, on the player's device; the numbers are the same on every device."""
        return latents(seeds, self.z_size).to(self.generator.w_mean.device)

    @torch.inference_mode()
    def w(self, seeds: Iterable[int]) -> Tensor:
        """Styles ``[n w]`` of seeds; each by itself, so that its bits do not depend on the others."""
        rows = [self.generator.map(row[None]) for row in self.z(seeds)]
        return torch.cat(rows) if rows else torch.zeros(0, self.w_size, device=self.generator.w_mean.device)

    @torch.inference_mode()
    def styles(self, w: Tensor, psi: float = 0.7, cutoff: int | None = None) -> Tensor:
        """As :meth:`Generator.styles`."""
        return self.generator.styles(w, psi, cutoff)

    @torch.inference_mode()
    def render(
        self, ws: Tensor, *, bend: Bend | None = None, noise: Sequence[Tensor] | None = None
    ) -> NDArray[np.uint8]:
        """Pixels ``[n h w 3]`` of styles ``[n layers w]``; without ``noise`` the network's own is left out.

        What is not bent is made by :class:`models.image.synthesis.Synthesis` or, on a GPU, by
        :class:`models.image.captured.Captured` where that can be, else by the generator itself.

        Args:
            ws: On any device.
            bend: As for :meth:`Generator.forward`.
            noise: As for :meth:`Generator.forward`.
        """
        device = self.generator.w_mean.device
        if not bend and (synthesis := self._fast()) is not None:
            return synthesis.render(ws.to(device), noise)
        if noise is None and self.generator.config.has_noise:
            noise = [torch.zeros(shape, device=device) for shape in self.generator.noise_shapes()]
        ws = ws.to(device)
        made = [to_uint8(self.generator(row[None], bend=bend, noise=noise)) for row in ws]
        side = self.resolution
        return np.concatenate(made) if made else np.zeros((0, side, side, 3), np.uint8)

    def _fast(self) -> Synthesis | Captured | None:
        """The way for playing, laid out at the first picture and anew when the network has grown."""
        generator = self.generator
        way = Captured if generator.base.is_cuda else Synthesis if is_fast_here(generator) else None
        if way is None:
            return None
        if self._synthesis is None or self._synthesis.stage != (generator.resolution, generator.fade):
            self._synthesis = way(generator)
        return self._synthesis

    def generate(self, seeds: Iterable[int], psi: float = 0.7) -> NDArray[np.uint8]:
        """Pixels ``[n h w 3]`` of seeds.

        Args:
            seeds: Non-negative integers.
            psi: Truncation: 0 gives the mean picture, 1 the full variety.
        """
        made = [self.render(self.styles(self.w([seed]), psi), noise=self.noise(seed)) for seed in seeds]
        side = self.resolution
        return np.concatenate(made) if made else np.zeros((0, side, side, 3), np.uint8)

    def noise(self, seed: int) -> list[Tensor] | None:
        """As :meth:`Generator.noise`, of one seed."""
        return self.generator.noise([seed])


def load_generator(bundle: Bundle) -> Generator:
    """The generator of a checked bundle, on the CPU.

    Raises:
        UserError: The bundle holds another network, or its weights do not fit.
    """
    bundle.require_architecture(ARCHITECTURE)
    with bundle.filling():
        generator = Generator(GeneratorConfig.from_dict(bundle.manifest.config["generator"]))
        tensors = {key: value for key, value in bundle.tensors().items() if not key.startswith(CRITIC)}
        generator.load_state_dict(tensors)
    return generator
