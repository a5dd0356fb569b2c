"""Named vectors: kept in the user's folder, looked up by ``model:name``, found again by every program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from midi.errors import UserError
from midi.files import write_bytes
from models.image import arithmetic, directions
from models.image.arithmetic import NAME, Vector
from models.image.directions import Kind
from models.image.latent import checked_seed
from studio.gallery.metadata import ModelMark
from studio.settings import home, made_folder

if TYPE_CHECKING:
    from models.image.directions import Directions
    from models.image.player import Pictures

KINDS: tuple[Kind, ...] = ("look", "pca", "sefa")
"""Directions that every model has, numbered from 1; no vector may be called so."""
N_DIRECTIONS = 16
MAX_BYTES = 4 << 20
"""Largest vector file read: 14 layers of 4,096 float32 take 230 kB."""


class VectorCard(BaseModel):
    """What is known about a named vector, beside its numbers.

    Attributes:
        name: Its name.
        model: The model in whose space it lies.
        is_direction: A difference of places.
        source: How it came about, in words.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str = Field(max_length=2000)
    model: ModelMark
    is_direction: bool = False
    source: str = Field("", max_length=2000)

    @property
    def title(self) -> str:
        """As expressions name it."""
        return f"{self.model.name}:{self.name}"


def folder() -> Path:
    """Where named vectors are kept: one folder a model in it."""
    return home() / "latents"


def checked_name(name: str) -> str:
    """``name``, when a vector may be called so.

    Raises:
        UserError: It may not.
    """
    if NAME.fullmatch(name) is None:
        raise UserError(
            f"'{name[:60]}' can't name a vector.", "Use a-z, 0-9, - and _, beginning with a letter."
        )
    if name == "mean" or name.rstrip("0123456789") in KINDS:
        raise UserError(f"'{name}' always means the model's own.", "Choose another name.")
    return name


def keep(card: VectorCard, vector: Vector) -> Path:
    """Store a vector under its name; one of that name before is replaced.

    Raises:
        UserError: The name can't be used, or the disk refused.
    """
    place = made_folder(folder() / card.model.name)
    path = place / f"{checked_name(card.name)}.safetensors"
    # The card comes last: a vector without its card does not exist.
    write_bytes(path, save({"w": vector.values.detach().float().cpu().contiguous()}))
    write_bytes(path.with_suffix(".json"), (card.model_dump_json(indent=2) + "\n").encode())
    return path


def drop(title: str) -> None:
    """Forget a vector.

    Raises:
        UserError: There is none of that name.
    """
    path = _path(title)
    for each in (path.with_suffix(".json"), path):
        each.unlink(missing_ok=True)


def cards() -> list[VectorCard]:
    """All named vectors, by model and name; unreadable ones are left out."""
    found = []
    for path in sorted(folder().glob("*/*.json")):
        try:
            found.append(VectorCard.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue
    return found


def fetch(title: str) -> tuple[VectorCard, Vector]:
    """A named vector and its card.

    Raises:
        UserError: There is none, or it is damaged.
    """
    path = _path(title)
    try:
        card = VectorCard.model_validate_json(path.with_suffix(".json").read_bytes())
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")  # noqa: TRY301 - one sentence for every damage
        values = load(path.read_bytes())["w"].float()
        if values.ndim not in {1, 2} or not bool(torch.isfinite(values).all()):
            raise ValueError("not a vector")  # noqa: TRY301 - see above
    except (OSError, KeyError, ValueError, SafetensorError) as fault:
        raise UserError(
            f"The vector {title} is damaged ({path}).", f"Remove it with antiphon latent remove {title}."
        ) from fault
    return card, Vector(values, card.is_direction)


def _path(title: str) -> Path:
    model, _, name = title.partition(":")
    path = folder() / model / f"{name}.safetensors"
    is_safe = NAME.fullmatch(model) is not None and NAME.fullmatch(name) is not None
    if not is_safe or not path.with_suffix(".json").is_file():
        there = ", ".join(card.title for card in cards()[:8])
        raise UserError(f"There is no vector '{title[:80]}'.", f"There are {there}." if there else _NONE_YET)
    return path


_NONE_YET = "There are none yet: antiphon latent save NAME keeps one."


@dataclass(frozen=True)
class Space:
    """A model's latent space with the names in it.

    Attributes:
        pictures: The model.
        mark: Which it is.
    """

    pictures: Pictures
    mark: ModelMark
    _found: dict[str, Directions] = field(default_factory=dict, compare=False, repr=False)

    @property
    def mean(self) -> Tensor:
        """The mean of w, ``[w]`` on the CPU."""
        return self.pictures.generator.w_mean.detach().float().cpu()

    def directions(self, kind: Kind) -> Directions:
        """The model's own directions, found once."""
        if kind not in self._found:
            count = min(N_DIRECTIONS, self.pictures.w_size)
            self._found[kind] = directions.found(self.pictures, kind, count)
        return self._found[kind]

    def place(self, seed: int) -> Tensor:
        """The w of a seed, ``[w]`` on the CPU."""
        return self.pictures.w([checked_seed(seed)])[0].detach().float().cpu()

    def look_up(self, title: str) -> Vector:
        """What ``name``, ``model:name``, ``#SEED``, ``mean``, ``look1``, ``pca1``, ``sefa1`` mean here.

        Raises:
            UserError: Nothing, or something in another model's space.
        """
        model, _, name = title.rpartition(":")
        if model and model != self.mark.name:
            raise UserError(
                f"'{title}' lies in the space of {model}, not of {self.mark.name}.",
                "Use vectors of one model together.",
            )
        if name.startswith("#") and name[1:].isdecimal():
            return Vector(self.place(int(name[1:])))
        if name == "mean":
            return Vector(self.mean)
        if name.rstrip("0123456789") in KINDS and name not in KINDS:
            return Vector(self._own_direction(name), is_direction=True)
        card, vector = fetch(f"{self.mark.name}:{name}")
        self._check(card, vector)
        return vector

    def evaluate(self, expression: str) -> Vector:
        """The vector that an expression stands for.

        Raises:
            UserError: It can't be read, or a name in it means nothing here.
        """
        return arithmetic.combined(arithmetic.parse(expression), self.look_up, self.mean)

    def _own_direction(self, name: str) -> Tensor:
        kind = next(kind for kind in KINDS if name.startswith(kind))
        return self.directions(kind).step(int(name.removeprefix(kind)[:6]))

    def _check(self, card: VectorCard, vector: Vector) -> None:
        fits = vector.values.shape[-1] == self.pictures.w_size
        if vector.values.ndim == 2:
            fits = fits and vector.values.shape[0] == len(self.pictures.layer_names)
        if card.model.sha256 != self.mark.sha256 or not fits:
            raise UserError(
                f"The vector {card.title} was made with {card.model.title}, whose weights differ from "
                f"those of {self.mark.title}.",
                f"Make it again, or use {card.model.title}.",
            )


def model_of(expression: str) -> str:
    """The one model that an expression's names belong to.

    Raises:
        UserError: They belong to several.
    """
    names = {title.rpartition(":")[0] for title in arithmetic.parse(expression)}
    if len(names) > 1:
        raise UserError(
            f"'{expression}' mixes the spaces of {' and '.join(sorted(names))}.",
            "Use vectors of one model together.",
        )
    return names.pop()


def learn(space: Space, likes: Sequence[Tensor], dislikes: Sequence[Tensor]) -> tuple[Vector, dict[str, Any]]:
    """A direction from liked and disliked styles ``[layers, w]``, one standard deviation long.

    Returns:
        The direction, and ``accuracy likes dislikes``.

    Raises:
        UserError: There is nothing to learn from.
    """
    usual = directions.population(space.pictures)
    empty = torch.zeros(0, space.pictures.w_size)
    rows = [torch.stack([ws.mean(0) for ws in side]) if side else empty for side in (likes, dislikes)]
    learned = directions.attribute(rows[0], rows[1], usual)
    figures = {"accuracy": learned.accuracy, "likes": len(likes), "dislikes": len(dislikes)}
    return Vector(learned.vector * learned.sigma, is_direction=True), figures


def card_text(card: VectorCard) -> dict[str, Any]:
    """A card for ``--json``."""
    return card.model_dump(mode="json") | {"title": card.title}
