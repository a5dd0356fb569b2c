"""``antiphon latent``: arithmetic with named vectors, and the ways to come by them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from midi.errors import UserError
from models.image import arithmetic, directions
from models.image.arithmetic import Vector
from models.image.decode import IntakeConfig, decode
from models.image.features import load_features
from models.image.judge import load_judge
from models.image.latent import checked_seed
from models.image.movement import RATIO_GOAL, MovementConfig, movement_figures
from models.image.projection import FeatureTaps, ProjectionConfig, project
from studio.gallery import latents
from studio.gallery.compose import Composer, Recipe, one_thread
from studio.gallery.latents import VectorCard
from studio.gallery.metadata import read_state, save_picture, unpack_styles
from studio.gallery.render import model_for
from studio.gallery.sheet import write_direction_sheet
from studio.settings import made_folder
from studio.terminal import Progress, table

LIKED_STARS, DISLIKED_STARS = 4, 2
"""Ratings from and up to which a picture counts as liked or disliked; three stars say nothing."""

FEATURES_FROM_PX = 32
TAPS = ("block_1", "block_3", "block_6", "block_10")
"""Blocks of EfficientNet-Lite0 at strides 4, 8, 16 and 16."""

MAX_RATINGS_BYTES = 32 << 20


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a vector to be saved comes from; exactly one is set.

    Attributes:
        seed: A seed of the model.
        picture: A PNG file of Antiphon's.
        expression: Arithmetic with other vectors.
    """

    seed: int | None = None
    picture: Path | None = None
    expression: str | None = None


def evaluate(
    expression: str, *, out: Path | None = None, psi: float = 1.0, device: str = "auto"
) -> dict[str, Any]:
    """Work out an expression, and make its picture.

    Args:
        expression: Like ``garden:orchid - garden:red + 0.5*garden:blue``.
        out: PNG file to write; a direction is shown from the mean picture.
        psi: Truncation of the result.
        device: Where the model runs.

    Returns:
        ``expression model terms is_direction sigmas out``; ``sigmas`` is the distance from the mean (of a
        direction: its length) in standard deviations of w.

    Raises:
        UserError: It can't be read, a name means nothing, or the file can't be written.
    """
    model = latents.model_of(expression)
    if out is not None and out.suffix.lower() != ".png":
        raise UserError(f"'{out.name}' is no PNG file.", "Name a file that ends in .png.")
    with one_thread():
        composer = Composer.load(model, device)
        vector = composer.space.evaluate(expression)
        if out is not None:
            mean = composer.space.mean
            place = mean + vector.values if vector.is_direction else vector.values
            state = composer.state_of(place, Recipe(psi=psi), expression=expression)
            save_picture(out, composer.picture(state), state)
    return {
        "expression": expression,
        "model": composer.mark.title,
        "terms": arithmetic.parse(expression),
        "is_direction": vector.is_direction,
        "sigmas": _sigmas(composer, vector),
        "out": str(out) if out is not None else None,
    }


def _sigmas(composer: Composer, vector: Vector) -> float:
    sample = directions.population(composer.pictures, 512)
    offset = vector.values if vector.is_direction else vector.values - composer.space.mean
    spread = (sample - composer.space.mean).norm(dim=-1).mean().clamp_min(1e-9)
    return round(float(offset.norm(dim=-1).mean() / spread), 4)


def save(title: str, source: Source, *, device: str = "auto") -> dict[str, Any]:
    """Keep a vector under a name.

    Args:
        title: ``model:name``; the model may be left out where the source tells it.
        source: Where it comes from.
        device: Where the model runs.

    Returns:
        The card, and ``path``.

    Raises:
        UserError: No source or several, a name that can't be used, or a source that means nothing.
    """
    given = [value for value in (source.seed, source.picture, source.expression) if value is not None]
    if len(given) != 1:
        raise UserError("Say where the vector comes from.", "Give one of --seed, --from or --expr.")
    model, _, name = title.rpartition(":")
    latents.checked_name(name)
    if source.picture is not None:
        state = read_state(source.picture)
        if model and model != state.model.name:
            raise UserError(
                f"{source.picture} was made by {state.model.title}, not by {model}.", f"Call it {name}."
            )
        values = torch.from_numpy(unpack_styles(state.ws))
        same = bool((values == values[0]).all())
        vector = Vector(values[0] if same else values)
        card = VectorCard(name=name, model=state.model, source=f"picture {source.picture.name}")
        return _kept(card, vector)
    if source.expression is not None:
        model = model or latents.model_of(source.expression)
    if not model:
        raise UserError(f"'{title}' says no model.", "Write MODEL:NAME, like garden:orchid.")
    with one_thread():
        composer = Composer.load(model, device)
        expression = source.expression or f"{composer.mark.name}:#{source.seed}"
        vector = composer.space.evaluate(expression)
    card = VectorCard(name=name, model=composer.mark, is_direction=vector.is_direction, source=expression)
    return _kept(card, vector)


def measure_directions(
    model: str, *, out: Path, seed: int = 7, device: str = "auto", progress: Progress | None = None
) -> dict[str, Any]:
    """Measure what a model's first directions change and how evenly its walks go, and draw them.

    Args:
        model: Bundle name or folder.
        out: PNG file of the sheet.
        seed: Picture that the sheet moves.
        device: Where the model runs.
        progress: Told how far it is.

    Returns:
        As :func:`models.image.movement.movement_figures`; besides that ``model`` and ``sheet``.

    Raises:
        UserError: There is no such model, or the file can't be written.
    """
    if out.suffix.lower() != ".png":
        raise UserError(f"'{out.name}' is no PNG file.", "Name a file that ends in .png.")
    tell = progress or (lambda _what, _done, _total: None)
    with one_thread():
        composer = Composer.load(model, device)
        made_folder(out.parent)
        path = write_direction_sheet(out, composer, checked_seed(seed), Recipe(), tell)
        kinds = {kind: composer.space.directions(kind) for kind in latents.KINDS}
        judge = load_judge(device=composer.pictures.device)
        figures = movement_figures(composer.pictures, kinds, judge, MovementConfig(), tell)
    return {"model": composer.mark.title, **figures, "sheet": str(path)}


def direction_lines(data: dict[str, Any]) -> list[str]:
    """The figures of :func:`measure_directions` for people."""
    rows = []
    for kind, found in data["directions"].items():
        for number, each in enumerate(found, start=1):
            rows.append((f"{kind}{number}", f"{each['pixels']:.2f}", f"{each['features']:.2f}"))
        mean = data["ratios"][kind]
        word = "ok" if min(mean.values()) >= RATIO_GOAL else "short"
        rows.append((f"{kind}, mean", f"{mean['pixels']:.2f}", f"{mean['features']:.2f} {word}"))
    w, z, (low, high) = data["path_evenness"], data["path_evenness_z"], data["evenness_gain"]
    return [
        f"{data['model']}: change over that of {data['randoms']} random directions of the same length "
        f"({data['length']:.2f} in w, {data['sigmas']:g} usual deviations), {data['pictures']} pictures, "
        f"truncation {data['psi']:g}; goal {RATIO_GOAL} or more",
        *table(("direction", "in pixels", f"in {data['features']}"), rows),
        f"equal steps look unequal by {w:.3f} (coefficient of variation) on {data['walks']} walks in w, by "
        f"{z:.3f} along arcs in z; the difference is {low:.3f} to {high:.3f} with 95 % confidence",
        f"What each of them does: {data['sheet']}",
    ]


def learn(
    title: str,
    likes: Sequence[Path],
    dislikes: Sequence[Path],
    *,
    ratings: Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Learn a direction from pictures that a person likes and others, and keep it.

    Args:
        title: ``model:name`` or ``name``.
        likes: PNG files of Antiphon's.
        dislikes: The same; may be empty.
        ratings: File that a gallery's page saved, in or beside that gallery's folder.
        device: Where the model runs.

    Returns:
        The card, ``path``, and ``accuracy likes dislikes``: the share of pictures on the right side when
        each is judged by the others.

    Raises:
        UserError: Pictures have no state, come from several models, or there is nothing to learn from.
    """
    model, _, name = title.rpartition(":")
    latents.checked_name(name)
    liked, disliked = list(likes), list(dislikes)
    if ratings is not None:
        more = read_ratings(ratings)
        liked += [path for path, stars in more if stars >= LIKED_STARS]
        disliked += [path for path, stars in more if stars <= DISLIKED_STARS]
    states = [read_state(path) for path in (*liked, *disliked)]
    marks = {state.model for state in states}
    if len(marks) != 1 or (model and model != states[0].model.name):
        raise UserError(
            "The pictures come from no model, or from several." if len(marks) != 1
            else f"The pictures come from {states[0].model.title}, not from {model}.",
            "Name pictures of one model.",
        )  # fmt: skip
    styles = [torch.from_numpy(unpack_styles(state.ws)) for state in states]
    with one_thread():
        composer = Composer.load(model_for(states[0].model), device)
        vector, figures = latents.learn(composer.space, styles[: len(liked)], styles[len(liked) :])
    said = f"{len(liked)} liked, {len(disliked)} disliked pictures"
    card = VectorCard(name=name, model=composer.mark, is_direction=True, source=said)
    return _kept(card, vector) | figures


def read_ratings(path: Path) -> list[tuple[Path, int]]:
    """Pictures and their stars from a file that a gallery's page saved.

    Raises:
        UserError: It can't be read, or holds none.
    """
    try:
        if path.stat().st_size > MAX_RATINGS_BYTES:
            raise ValueError("too large")  # noqa: TRY301 - one sentence for every damage
        rows = json.loads(path.read_bytes())["ratings"]
        return [(path.parent / str(row["file"]), int(row["stars"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        reason = getattr(fault, "strerror", None) or "it holds no ratings"
        raise UserError(
            f"{path} can't be read: {reason}.", "Save the ratings on the gallery's page, into its folder."
        ) from fault


def project_photo(
    photo: Path,
    title: str,
    *,
    out: Path | None = None,
    seconds: float = 60.0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Find the place of an own photo in a model's space, and keep it under a name.

    Args:
        photo: Any picture; cropped to a square.
        title: ``model:name``.
        out: PNG file for the picture found.
        seconds: Time to look.
        device: Where the model runs.
        progress: Told how far it is.

    Returns:
        The card, ``path``, and ``error first_error steps out``.

    Raises:
        UserError: The photo can't be read, or a name can't be used.
    """
    model, _, name = title.rpartition(":")
    latents.checked_name(name)
    if not model:
        raise UserError(f"'{title}' says no model.", "Write MODEL:NAME, like garden:orchid.")
    composer = Composer.load(model, device)
    photo_taken = decode(photo, IntakeConfig(resolution=composer.pictures.resolution))
    # Two threads on a busy machine take forty times as long as one (measured at 128 px).
    with one_thread():
        found = project(
            composer.pictures, photo_taken.pixels, ProjectionConfig(seconds=seconds),
            features=_taps(composer),
            advance=lambda done, total: progress("looking", done, total) if progress else None,
        )  # fmt: skip
        if out is not None:
            state = composer.state_of(found.ws, Recipe(psi=1.0), expression=title)
            save_picture(out, composer.picture(state), state)
    card = VectorCard(name=name, model=composer.mark, source=f"photo {photo.name}")
    figures = {"error": found.error, "first_error": found.first_error, "steps": found.steps}
    return _kept(card, Vector(found.ws)) | figures | {"out": str(out) if out is not None else None}


def _taps(composer: Composer) -> FeatureTaps | None:
    """Features that compare form, from edges to parts; None without their package, or for tiny pictures."""
    if composer.pictures.resolution < FEATURES_FROM_PX or (features := load_features()) is None:
        return None
    network = features.to(composer.pictures.device)
    return lambda pictures: {name: value for name, value in network(pictures).items() if name in TAPS}


def _kept(card: VectorCard, vector: Vector) -> dict[str, Any]:
    path = latents.keep(card, vector)
    return {**latents.card_text(card), "path": str(path)}
