"""Contact sheets: pictures in a grid."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.bundle import disk_fault

GROUND = 24
"""Gray between the pictures."""


def contact(
    pictures: NDArray[np.uint8], columns: int | None = None, *, scale: int = 1, gap_px: int = 2
) -> Image.Image:
    """Pictures row by row on one sheet.

    Args:
        pictures: ``[n h w 3]``, at least one.
        columns: Pictures in a row; by default the sheet is about square.
        scale: Enlarge by whole pixels.
        gap_px: Distance between pictures.
    """
    n, height, width, _ = pictures.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    step_y, step_x = height * scale + gap_px, width * scale + gap_px
    sheet = np.full((rows * step_y + gap_px, columns * step_x + gap_px, 3), GROUND, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * step_y + gap_px, (i % columns) * step_x + gap_px
        large = picture.repeat(scale, 0).repeat(scale, 1)
        sheet[y : y + height * scale, x : x + width * scale] = large
    return Image.fromarray(sheet)


def write_image(path: Path, image: Image.Image) -> None:
    """Write a picture whole or not at all; the format follows from the name.

    Raises:
        UserError: The disk refused.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        image.save(temporary)
        temporary.replace(path)
    except OSError as error:
        raise disk_fault(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
