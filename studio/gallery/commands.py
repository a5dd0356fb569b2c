"""The commands ``antiphon gallery`` and ``antiphon latent``.

Commands import their programs themselves: those load torch, which ``antiphon --help`` need not wait for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from midi.errors import UserError
from studio.terminal import USUAL, Common, Report, Switch, progress, table

Positive = Parameter(validator=Number(gt=0))
Several = Parameter(consume_multiple=True)

latent = App(name="latent", help="Arithmetic with places and directions in a picture model's space.")


def gallery(
    model: str | None = None,
    /,
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    out: Path | None = None,
    count: int = 64,
    seed: int = 7,
    psi: float = 0.7,
    mix: str = "",
    move: str = "",
    bend: str = "",
    noise_seed: int | None = None,
    resume: Switch = False,
    jobs: Annotated[int, Positive] = 1,
    loop: Annotated[float | None, Parameter(validator=Number(gt=0, lte=512))] = None,
    tempo: Annotated[float, Parameter(validator=Number(gte=20, lte=400))] = 120.0,
    fps: Annotated[float, Parameter(validator=Number(gte=1, lte=60))] = 25.0,
    sheets: bool = True,
    common: Common = USUAL,
) -> Report:
    """Make many pictures of a model: files, a page to look at them, contact sheets, a loop.

    Args:
        model: Bundle name or folder.
        from_: Make this picture again, from the state in its file, instead of a gallery.
        out: Folder of the gallery.
        count: How many pictures.
        seed: Seed of the first; the others follow.
        psi: Truncation: 0 gives the mean picture, 1 the full variety.
        mix: Styles from elsewhere: SOURCE@LAYERS, a seed or a vector's name, like 99@fine,red@1-3.
        move: Ways gone: DIRECTION=AMOUNT@LAYERS, like look1=1.5,pca2=-1@coarse.
        bend: Layer bending: KIND=AMOUNT@LAYERS, like rotate=30@3-5,noise=0.4@fine.
        noise_seed: Of the layers' noise; by default each picture's own seed.
        resume: Keep the pictures that are there, make the others.
        jobs: Processes.
        loop: Also make a seamless loop of so many bars.
        tempo: Quarter notes a minute of that loop.
        fps: Its frames a second.
        sheets: Make contact sheets and sheets of directions.
        common: Options of every command.
    """
    from models.image.walks import LoopTime  # noqa: PLC0415
    from studio.gallery import render as program  # noqa: PLC0415
    from studio.gallery.compose import Recipe  # noqa: PLC0415

    if from_ is not None:
        data = program.restore(from_, out=out, model=model, device=common.device)
        return Report(data, _restored(from_, data))
    if model is None or out is None:
        raise UserError(
            "A gallery needs a model and a folder.",
            "antiphon gallery MODEL --out DIR; antiphon models list shows the models.",
        )
    options = program.GalleryOptions(
        model=model, out=out, count=count, seed=seed, resume=resume, jobs=jobs, with_sheets=sheets,
        recipe=Recipe(psi, mix, move, bend, noise_seed), device=common.device,
        loop_time=LoopTime(loop, tempo, fps=fps) if loop is not None else None,
    )  # fmt: skip
    with progress(common) as advance:
        data = program.render_gallery(options, advance)
    return Report(data, _made(data))


def _made(data: dict[str, Any]) -> list[str]:
    kept = f", {data['kept']} of them there already" if data["kept"] else ""
    lines = [f"{data['count']} pictures by {data['model']} in {data['seconds']:.1f} s{kept}"]
    rows = [(name, data.get(name)) for name in ("page", "sheet", "sheet_pdf", "latents", "directions")]
    rows += [(name, data.get(name)) for name in ("loop", "loop_mp4")]
    return lines + [f"{name:<11} {path}" for name, path in rows if path]


def _restored(source: Path, data: dict[str, Any]) -> list[str]:
    if data["identical"]:
        lines = [f"{source.name} made again by {data['model']}: the same to the bit."]
    elif data["largest_difference"] is None:
        lines = [f"{source.name} made again by {data['model']}: its size has changed since."]
    else:
        lines = [
            f"{source.name} made again by {data['model']}: differs by up to "
            f"{data['largest_difference']} of 255 (it was made on {data['made_on']})."
        ]
    return [*lines, *data["files"]]


@latent.default
def evaluate(
    expression: str,
    /,
    *,
    out: Path | None = None,
    psi: float = 1.0,
    common: Common = USUAL,
) -> Report:
    """Work out an expression like "garden:orchid - garden:red + 0.5*garden:blue", and make its picture.

    Args:
        expression: Names are MODEL:NAME; MODEL:#7 is a seed's place; also mean, look1, pca1, sefa1.
        out: PNG file for the picture.
        psi: Truncation of the result.
        common: Options of every command.
    """
    from studio.gallery import instrument as program  # noqa: PLC0415

    data = program.evaluate(expression, out=out, psi=psi, device=common.device)
    what = "a direction" if data["is_direction"] else "a place"
    where = "long" if data["is_direction"] else "from the mean"
    lines = [f"{what} in {data['model']}, {data['sigmas']:.2f} times the usual distance {where}"]
    return Report(data, lines + ([data["out"]] if data["out"] else []))


@latent.command(name="save")
def save(
    name: str,
    /,
    *,
    seed: int | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    expr: str | None = None,
    common: Common = USUAL,
) -> Report:
    """Keep a place or direction under a name.

    Args:
        name: MODEL:NAME.
        seed: The place of a seed.
        from_: The place of a picture that Antiphon made.
        expr: What an expression stands for.
        common: Options of every command.
    """
    from studio.gallery import instrument as program  # noqa: PLC0415

    source = program.Source(seed=seed, picture=from_, expression=expr)
    data = program.save(name, source, device=common.device)
    return Report(data, [f"{data['title']} saved."])


@latent.command(name="learn")
def learn(
    name: str,
    /,
    *,
    likes: Annotated[list[Path] | None, Several] = None,
    dislikes: Annotated[list[Path] | None, Several] = None,
    ratings: Path | None = None,
    common: Common = USUAL,
) -> Report:
    """Learn a direction from a handful of pictures that you like, and keep it.

    Args:
        name: MODEL:NAME.
        likes: Pictures that Antiphon made.
        dislikes: Others, which you like less.
        ratings: The file that a gallery's page saves: four stars and more are likes, two and less dislikes.
        common: Options of every command.
    """
    from studio.gallery import instrument as program  # noqa: PLC0415

    data = program.learn(name, likes or [], dislikes or [], ratings=ratings, device=common.device)
    share = f"{data['accuracy']:.0%} of the pictures on the right side when judged by the others"
    return Report(data, [f"{data['title']} learned: {share}."])


@latent.command(name="project")
def project(
    photo: Path,
    name: str,
    /,
    *,
    out: Path | None = None,
    seconds: Annotated[float, Positive] = 60.0,
    common: Common = USUAL,
) -> Report:
    """Find the picture of a model that comes nearest to a photo of yours, and keep its place.

    Args:
        photo: Any picture file.
        name: MODEL:NAME to keep it under.
        out: PNG file for the picture found.
        seconds: Time to look.
        common: Options of every command.
    """
    from studio.gallery import instrument as program  # noqa: PLC0415

    with progress(common) as advance:
        data = program.project_photo(
            photo, name, out=out, seconds=seconds, device=common.device, progress=advance
        )
    return Report(data, [f"{data['title']} saved; error {data['error']:.3f} after {data['steps']} steps."])


@latent.command(name="directions")
def directions(
    model: str,
    /,
    *,
    out: Path,
    seed: int = 7,
    common: Common = USUAL,
) -> Report:
    """Measure how much a model's own directions change its pictures, and draw what each of them does.

    Args:
        model: Bundle name or folder.
        out: PNG file for the sheet.
        seed: The picture that the sheet moves.
        common: Options of every command.
    """
    from studio.gallery import instrument as program  # noqa: PLC0415

    with progress(common) as advance:
        data = program.measure_directions(model, out=out, seed=seed, device=common.device, progress=advance)
    return Report(data, program.direction_lines(data))


@latent.command(name="list")
def list_(*, common: Common = USUAL) -> Report:  # noqa: ARG001 - options of every command
    """List the named places and directions."""
    from studio.gallery import latents as program  # noqa: PLC0415

    cards = program.cards()
    rows = [(card.title, "direction" if card.is_direction else "place", card.source) for card in cards]
    lines = table(("name", "", "from"), rows) if rows else ["None yet: antiphon latent save NAME keeps one."]
    return Report([program.card_text(card) for card in cards], lines)


@latent.command(name="remove")
def remove(name: str, /, *, common: Common = USUAL) -> Report:  # noqa: ARG001 - options of every command
    """Forget a named place or direction.

    Args:
        name: MODEL:NAME.
        common: Options of every command.
    """
    from studio.gallery import latents as program  # noqa: PLC0415

    program.drop(name)
    return Report({"action": "removed", "name": name}, [f"{name} removed."])
