"""Sheets: many small pictures with captions on one, as PNG to look at and as PDF to print."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.bundle import disk_fault
from models.image.sheet import write_image
from studio.gallery.compose import Composer, Recipe
from studio.gallery.latents import KINDS
from studio.terminal import Progress

if TYPE_CHECKING:
    from studio.gallery.page import Entry

Color = tuple[int, int, int]
Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Colors and sizes of a sheet.

    Attributes:
        ground: Behind the pictures.
        ink: Titles.
        ink_soft: Captions.
        cell_px: Side of a picture.
        gap_px: Between pictures.
        margin_px: Around all.
        text_px: Size of captions.
        title_px: Size of the title.
    """

    ground: Color = (15, 17, 22)
    ink: Color = (232, 235, 242)
    ink_soft: Color = (152, 159, 176)
    cell_px: int = 144
    gap_px: int = 14
    margin_px: int = 48
    text_px: int = 13
    title_px: int = 26

    @property
    def caption_px(self) -> int:
        """Height of a caption with the air above it."""
        return self.text_px + 8

    @property
    def head_px(self) -> int:
        """Height of the title and the line below it."""
        return self.title_px + self.text_px + 34


SCREEN = Look()
PAPER = Look(
    ground=(255, 255, 255), ink=(20, 22, 28), ink_soft=(110, 115, 128), cell_px=224, gap_px=24,
    margin_px=94, text_px=20, title_px=38,
)  # fmt: skip
PAPER_PX = (1654, 2339)
"""A4 at 200 dots an inch."""
PAPER_DPI = 200
PAPER_COLUMNS, PAPER_ROWS = 6, 7

MAX_ON_SHEET = 400
"""Pictures on one PNG sheet; more go on further sheets."""

GRID = 9
"""Pictures along each side of the latent sheet."""
GRID_REACH = 2.0
"""Standard deviations from its middle to its edge."""
DIRECTION_ROWS = 4
"""Rows of the sheet of directions for each kind: what has to change pictures most."""
DIRECTION_STEPS = 7
DIRECTION_REACH = 3.0


def columns_for(count: int) -> int:
    """Columns that make a sheet somewhat wider than high, with few places empty in its last row."""
    wished = min(math.sqrt(count * 1.4), 24.0)
    choices = range(max(math.floor(wished * 0.8), 1), math.ceil(wished * 1.2) + 1)
    return min(
        choices, key=lambda columns: (-count % columns / count + abs(columns / wished - 1) / 4, columns)
    )


def write_contact_sheets(
    out: Path, entries: Sequence[Entry], progress: Progress | None = None
) -> dict[str, Path]:
    """Write ``sheet.png`` (``sheet-2.png`` … where there are many pictures) and ``sheet.pdf``.

    Args:
        out: The gallery's folder.
        entries: Its pictures.
        progress: Told how far it is.

    Returns:
        ``sheet`` and ``sheet_pdf``.

    Raises:
        UserError: They can't be written.
    """
    parts = [entries[start : start + MAX_ON_SHEET] for start in range(0, len(entries), MAX_ON_SHEET)]
    paths = [out / ("sheet.png" if i == 0 else f"sheet-{i + 1}.png") for i in range(len(parts))]
    for number, (path, part) in enumerate(zip(paths, parts, strict=True), start=1):
        write_image(
            path, _contact(out, part, columns_for(len(part)), SCREEN, _heading(entries, number, len(parts)))
        )
        if progress:
            progress("sheets", number, len(parts))
    _write_pdf(out / "sheet.pdf", out, entries, progress)
    return {"sheet": paths[0], "sheet_pdf": out / "sheet.pdf"}


def _heading(entries: Sequence[Entry], number: int, total: int) -> tuple[str, str]:
    models = sorted({entry.state.model.title.replace("@", " ") for entry in entries})
    psis = sorted({entry.state.psi for entry in entries})
    said = [f"{len(entries)} pictures", "truncation " + ", ".join(f"{psi:g}" for psi in psis[:4])]
    for name in ("mix", "move", "bend"):
        values = sorted({str(getattr(entry.state, name)) for entry in entries} - {""})
        said += [f"{name} {value}" for value in values[:2]]
    if total > 1:
        said.append(f"sheet {number} of {total}")
    return ", ".join(models[:3]), "  ·  ".join(said)


def _contact(
    folder: Path, entries: Sequence[Entry], columns: int, look: Look, heading: tuple[str, str]
) -> Image.Image:
    """Pictures are read one after another; only the sheet itself is held."""
    rows = math.ceil(len(entries) / columns)
    pitch_x, pitch_y = look.cell_px + look.gap_px, look.cell_px + look.caption_px + look.gap_px
    width = 2 * look.margin_px + max(columns * pitch_x - look.gap_px, 5 * pitch_x)
    height = 2 * look.margin_px + look.head_px + rows * pitch_y - look.gap_px
    sheet = Image.new("RGB", (width, height), look.ground)
    ink = ImageDraw.Draw(sheet)
    _title(ink, heading, look, width - 2 * look.margin_px)
    for index, entry in enumerate(entries):
        x = look.margin_px + index % columns * pitch_x
        y = look.margin_px + look.head_px + index // columns * pitch_y
        with Image.open(folder / entry.file) as image:
            sheet.paste(fitted(image.convert("RGB"), look.cell_px), (x, y))
        text = _clipped(entry.state.title, look.text_px, look.cell_px)
        ink.text((x, y + look.cell_px + 5), text, look.ink_soft, _font(look.text_px))
    return sheet


def _write_pdf(path: Path, folder: Path, entries: Sequence[Entry], progress: Progress | None) -> None:
    """Pages are added to the file one after another, so that only one is held."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    size = PAPER_COLUMNS * PAPER_ROWS
    total = math.ceil(len(entries) / size)
    try:
        for number in range(total):
            part = entries[number * size : (number + 1) * size]
            heading = _heading(entries, number + 1, total)
            page = Image.new("RGB", PAPER_PX, PAPER.ground)
            page.paste(_contact(folder, part, PAPER_COLUMNS, PAPER, heading).crop((0, 0, *PAPER_PX)))
            # No dates: the same gallery gives the same file.
            page.save(
                draft, "PDF", resolution=PAPER_DPI, quality=90, append=number > 0, title=heading[0],
                creationDate=None, modDate=None,
            )  # fmt: skip
            if progress:
                progress("pages to print", number + 1, total)
        draft.replace(path)
    except OSError as fault:
        raise disk_fault(path, fault) from fault
    finally:
        draft.unlink(missing_ok=True)


def write_latent_sheet(path: Path, composer: Composer, progress: Progress | None = None) -> Path:
    """Write a grid of pictures around the mean: first principal direction across, second one up.

    Raises:
        UserError: It can't be written.
    """
    found = composer.space.directions("pca")
    steps = torch.linspace(-GRID_REACH, GRID_REACH, GRID).tolist()
    places = [
        [composer.space.mean + across * found.step(1) + up * found.step(2) for across in steps]
        for up in reversed(steps)
    ]
    labels = [f"{step:+.1f}" for step in steps]
    pictures = _frames(composer, places, progress, "latent sheet")
    heading = (
        f"{composer.mark.title.replace('@', ' ')}: the plane of its two main directions",
        "across: pca1, up: pca2, in standard deviations from the mean picture",
    )
    write_image(path, _grid(pictures, GRID, heading, labels, labels[::-1]))
    return path


def write_direction_sheet(
    path: Path, composer: Composer, seed: int, recipe: Recipe, progress: Progress | None = None
) -> Path:
    """Write what the first directions of either kind do to a picture, one row each.

    Raises:
        UserError: It can't be written.
    """
    start = composer.pictures.styles(composer.pictures.w([seed]), recipe.psi)[0].detach().float().cpu()
    steps = torch.linspace(-DIRECTION_REACH, DIRECTION_REACH, DIRECTION_STEPS).tolist()
    names, places = [], []
    for kind in KINDS:
        found = composer.space.directions(kind)
        for number in range(1, min(DIRECTION_ROWS, len(found.vectors)) + 1):
            names.append(f"{kind}{number}")
            places.append([start + step * found.step(number) for step in steps])
    pictures = _frames(composer, places, progress, "directions")
    heading = (
        f"{composer.mark.title.replace('@', ' ')}: what its directions do",
        f"seed {seed}, truncation {recipe.psi:g}; --move {names[0]}=1 goes one standard deviation",
    )
    labels = [f"{step:+.1f}" for step in steps]
    write_image(path, _grid(pictures, DIRECTION_STEPS, heading, labels, names))
    return path


def _frames(
    composer: Composer, places: Sequence[Sequence[torch.Tensor]], progress: Progress | None, what: str
) -> Iterator[Frame]:
    flat = [place for row in places for place in row]
    for number, place in enumerate(flat, start=1):
        yield composer.picture(composer.state_of(place, Recipe(psi=1.0)))
        if progress:
            progress(what, number, len(flat))


def _grid(
    pictures: Iterator[Frame],
    columns: int,
    heading: tuple[str, str],
    across: Sequence[str],
    down: Sequence[str],
) -> Image.Image:
    """Pictures without gaps worth mention, labels along two edges."""
    look, gap = SCREEN, 4
    pitch, gutter = look.cell_px + gap, 64
    width = 2 * look.margin_px + gutter + columns * pitch - gap
    height = 2 * look.margin_px + look.head_px + len(down) * pitch + look.caption_px
    sheet = Image.new("RGB", (width, height), look.ground)
    ink = ImageDraw.Draw(sheet)
    _title(ink, heading, look, width - 2 * look.margin_px)
    left, top = look.margin_px + gutter, look.margin_px + look.head_px
    font = _font(look.text_px)
    for index, picture in enumerate(pictures):
        place = left + index % columns * pitch, top + index // columns * pitch
        sheet.paste(fitted(Image.fromarray(picture), look.cell_px), place)
    for row, text in enumerate(down):
        middle = top + row * pitch + look.cell_px // 2
        ink.text((look.margin_px, middle), text, look.ink_soft, font, anchor="lm")
    for column, text in enumerate(across):
        middle = left + column * pitch + look.cell_px // 2
        ink.text((middle, top + len(down) * pitch + 5), text, look.ink_soft, font, anchor="mt")
    return sheet


def fitted(image: Image.Image, side_px: int) -> Image.Image:
    """A square picture at another size: pixels stay squares where they become three times as large."""
    if image.width == side_px:
        return image
    is_tiny = image.width * 3 <= side_px
    return image.resize((side_px, side_px), Image.Resampling.NEAREST if is_tiny else Image.Resampling.LANCZOS)


def _title(ink: ImageDraw.ImageDraw, heading: tuple[str, str], look: Look, width_px: int) -> None:
    x = y = look.margin_px
    ink.text((x, y), _clipped(heading[0], look.title_px, width_px), look.ink, _font(look.title_px))
    below = y + look.title_px + 10
    ink.text((x, below), _clipped(heading[1], look.text_px, width_px), look.ink_soft, _font(look.text_px))


def _clipped(text: str, size_px: int, width_px: int) -> str:
    """Text that fits, with an ellipsis where it had to be cut."""
    font = _font(size_px)
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "…") > width_px:
        text = text[:-1]
    return text + "…"


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that sheets look the same everywhere."""
    return ImageFont.load_default(size_px)
