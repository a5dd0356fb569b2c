"""From a recipe in words to styles, from styles to a picture: the same state gives the same bits.

One picture at a time and, on a CPU, on one thread: batches and threads change the order of sums, and so the
last bits.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midi.errors import UserError
from models import registry
from models.bundle import WEIGHTS, read_manifest
from models.image.bending import Bend, bends_of, hooks
from models.image.latent import checked_seed, layers_named, mixed
from models.image.player import Pictures
from studio.gallery.latents import Space
from studio.gallery.metadata import ModelMark, State, pack_styles, unpack_styles

APP = "antiphon 0.1.0"
PSI_LIMIT = 4.0
"""Truncations beyond give color noise with any model."""


@dataclass(frozen=True)
class Recipe:
    """What all pictures of a gallery have in common.

    Attributes:
        psi: Truncation.
        mix: Styles taken from elsewhere: ``SOURCE@LAYERS`` with commas between; a source is a seed or the
            name of a vector.
        move: Ways gone: ``DIRECTION=AMOUNT`` or ``DIRECTION=AMOUNT@LAYERS`` with commas between.
        bend: Layer bending, as :func:`models.image.bending.bends_of` reads it.
        noise_seed: Of the layers' noise; None takes each picture's own seed.
    """

    psi: float = 0.7
    mix: str = ""
    move: str = ""
    bend: str = ""
    noise_seed: int | None = None


@dataclass(frozen=True)
class Composer:
    """A model ready to make pictures of states.

    Attributes:
        pictures: The model.
        mark: Which it is.
        space: Its named vectors.
    """

    pictures: Pictures
    mark: ModelMark
    space: Space

    @classmethod
    def load(cls, name: str, device: str = "auto") -> Composer:
        """Load a model.

        Raises:
            UserError: There is none of that name, it is damaged, or makes no pictures.
        """
        mark = mark_of(name)
        pictures = Pictures.load(name, device=device)
        return cls(pictures, mark, Space(pictures, mark))

    def state(self, seed: int, recipe: Recipe) -> State:
        """The state of a seed's picture.

        Raises:
            UserError: The recipe can't be read, or names what is not there.
        """
        w = self.pictures.w([checked_seed(seed)]).clone()
        return self._state(w, recipe, seed=seed)

    def state_of(self, place: Tensor, recipe: Recipe, *, expression: str = "") -> State:
        """The state of a place's picture, ``[w]`` or ``[layers, w]``; raises as ``state``."""
        w = place.to(self.pictures.device)[None]
        return self._state(w, recipe, expression=expression or None)

    def _state(
        self, w: Tensor, recipe: Recipe, *, seed: int | None = None, expression: str | None = None
    ) -> State:
        if not abs(recipe.psi) <= PSI_LIMIT:
            raise UserError(f"The truncation {recipe.psi:g} is too far out.", "Use 0 to 1, at most 4.")
        ws = self.pictures.styles(w, recipe.psi).detach()
        ws = self._moved(self._mixed(ws, recipe), recipe)
        bends = bends_of(recipe.bend)
        self._hooks(bends)
        noise_seed = recipe.noise_seed if recipe.noise_seed is not None else seed or 0
        return State(
            app=APP, model=self.mark, seed=seed, expression=expression, psi=recipe.psi, mix=recipe.mix,
            move=recipe.move, bend=",".join(map(str, bends)), noise_seed=checked_seed(noise_seed),
            ws=pack_styles(ws[0].float().cpu().numpy()), size=self.pictures.resolution,
            device=device_name(self.pictures.device), torch=torch.__version__,
        )  # fmt: skip

    def _mixed(self, ws: Tensor, recipe: Recipe) -> Tensor:
        for part in _parts(recipe.mix):
            source, at, layers = part.partition("@")
            if not at:
                raise UserError(f"The mix '{part}' says no layers.", "Write SOURCE@LAYERS, like 99@fine.")
            title = f"#{source}" if source.isdecimal() else source
            vector = self.space.look_up(title)
            if vector.is_direction:
                raise UserError(f"'{source}' is a direction, not a place.", "Use it with --move.")
            other = self.pictures.styles(vector.values.to(ws)[None], recipe.psi)
            ws = mixed(ws, other, layers_named(layers, self.pictures.layer_names))
        return ws

    def _moved(self, ws: Tensor, recipe: Recipe) -> Tensor:
        for part in _parts(recipe.move):
            name, _, rest = part.partition("=")
            amount, _, layers = rest.partition("@")
            try:
                length = float(amount)
            except ValueError as fault:
                raise UserError(
                    f"The move '{part}' can't be read.",
                    "Write DIRECTION=AMOUNT@LAYERS, like pca1=1@coarse.",
                ) from fault
            if not abs(length) <= 100:
                raise UserError(f"The move '{part}' goes too far.", "Use -100 to 100 standard deviations.")
            vector = self.space.look_up(name)
            way = vector.values if vector.is_direction else vector.values - self.space.mean
            moved = ws + length * way.to(ws)
            ws = mixed(ws, moved, layers_named(layers or "all", self.pictures.layer_names))
        return ws

    def picture(self, state: State) -> NDArray[np.uint8]:
        """The picture ``[h, w, 3]`` of a state: to the bit where device and torch are the state's.

        Raises:
            UserError: The state has another shape than the model.
        """
        ws = torch.from_numpy(unpack_styles(state.ws))[None].to(self.pictures.device)
        expected = (len(self.pictures.layer_names), self.pictures.w_size)
        if ws.shape[1:] != expected:
            raise UserError(
                f"The state has {ws.shape[1]} layers of {ws.shape[2]}, {self.mark.title} has "
                f"{expected[0]} of {expected[1]}.",
                f"Use {state.model.title}, which made it.",
            )
        bends = self._hooks(bends_of(state.bend))
        made = self.pictures.render(ws, bend=bends or None, noise=self.pictures.noise(state.noise_seed))
        return np.asarray(made[0])

    def _hooks(self, bends: Sequence[Bend]) -> Mapping[str, Callable[[Tensor], Tensor]]:
        return hooks(bends, self.pictures.layer_names)


def mark_of(name: str) -> ModelMark:
    """Which model a name means; its weights are not read.

    Raises:
        UserError: There is none of that name, or it is damaged.
    """
    manifest = read_manifest(registry.find(name))
    return ModelMark(
        name=manifest.name, version=manifest.version, sha256=manifest.checksums.get(WEIGHTS, ""),
        arch=manifest.architecture, data_sha=manifest.data_digest,
    )  # fmt: skip


def device_name(device: str) -> str:
    """A device as a state names it: bits are the same only on the same kind of machine."""
    if device.startswith("cuda"):
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"{device} ({platform.machine()})"


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that sums have one order; before that as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
