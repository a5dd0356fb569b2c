"""Small pictures for tests: discs of a color on a ground, told apart by number."""

from pathlib import Path

import numpy as np
from PIL import Image


def disc(number: int, side: int = 32) -> np.ndarray:
    """A disc whose place, size and color follow from the number, ``[side side 3]``."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:side, :side] / side
    center, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.3)
    inside = ((y - center[0]) ** 2 + (x - center[1]) ** 2 < radius**2)[..., None]
    picture = np.where(inside, rng.integers(100, 256, 3), rng.integers(0, 90, 3) + 40 * x[..., None])
    return picture.clip(0, 255).astype(np.uint8)


def write_discs(folder: Path, count: int, side: int = 32) -> Path:
    """That many PNG files in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(disc(i, side)).save(folder / f"disc{i:03d}.png")
    return folder
