"""One picture file to a square of pixels, whatever is in it; or one sentence why not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from midi.errors import UserError

MAX_PIXELS = 80_000_000
"""Largest picture that is decoded; its header says its size before anything is unpacked."""

MIN_SIDE_PX = 8

DRAWN_COLORS = 256
"""A picture to be enlarged that has no more colors than this is taken for pixel art."""

SIXTEEN_BIT = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})


@dataclass(frozen=True)
class IntakeConfig:
    """How pictures are made equal.

    Attributes:
        resolution: Side in pixels, 16 or more.
        fit: ``crop`` keeps the middle square, ``letterbox`` all of the picture on the ground.
        ground: Red, green and blue, 0-255, behind what is transparent.
        resample: ``smooth``, ``nearest`` (pixel art), or ``auto``: nearest where a picture of few colors has
            to be enlarged.
    """

    resolution: int = 64
    fit: Literal["crop", "letterbox"] = "crop"
    ground: tuple[int, int, int] = (60, 60, 68)
    resample: Literal["auto", "smooth", "nearest"] = "auto"


@dataclass(frozen=True)
class Decoded:
    """A picture made square.

    Attributes:
        pixels: ``[h w 3]``.
        notes: What had to be done to it.
        is_enlarged: Whether it was smaller than asked for.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...]
    is_enlarged: bool


def decode(path: Path, config: IntakeConfig) -> Decoded:
    """Read a picture file of any format that Pillow knows.

    The first of several frames is taken, EXIF rotation is applied, transparency is laid on the ground,
    16-bit and floating-point grays are scaled to 8 bits, CMYK becomes RGB.

    Raises:
        UserError: What is wrong with it, in one sentence.
    """
    # Pillow's own warning comes at 89 million pixels, its error at twice that.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                return _square(image, config)
        except Image.DecompressionBombError as error:
            raise UserError(f"It claims to be larger than {MAX_PIXELS // 10**6} million pixels.") from error
        except UnidentifiedImageError as error:
            raise UserError("It is not a picture, whatever its name says.") from error
        except MemoryError as error:
            raise UserError("There is not enough memory to unpack it.") from error
        except OSError as error:
            reason = error.strerror or str(error) or "damaged"
            raise UserError(f"It cannot be read: {reason}.") from error
        except (SyntaxError, ValueError, EOFError, IndexError, TypeError, AttributeError, KeyError) as error:
            # Pillow's readers raise any of these on damaged files.
            raise UserError(f"It is damaged: {str(error)[:120] or type(error).__name__}.") from error


def _square(image: Image.Image, config: IntakeConfig) -> Decoded:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UserError(f"It is {width}x{height} pixels, more than {MAX_PIXELS // 10**6} million.")
    if min(width, height) < MIN_SIDE_PX:
        raise UserError(f"It is only {width}x{height} pixels.")
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"first of {getattr(image, 'n_frames', 1)} frames")
    if image.format == "JPEG":  # unpacks at a half, quarter or eighth where that is enough
        image.draft("RGB", (2 * config.resolution, 2 * config.resolution))
    turned = ImageOps.exif_transpose(image)
    if turned.size != image.size or image.getexif().get(0x0112, 1) != 1:
        notes.append("turned by its EXIF tag")
    plain = _plain(turned, config.ground, notes)
    is_enlarged = min(width, height) < config.resolution
    filter_ = _filter(turned, plain, config)
    if config.fit == "crop":
        fitted = ImageOps.fit(plain, (config.resolution, config.resolution), filter_)
    else:
        size = (config.resolution, config.resolution)
        fitted = ImageOps.pad(plain, size, filter_, color=config.ground)
    pixels = np.asarray(fitted, dtype=np.uint8).copy()
    return Decoded(pixels, tuple(notes), is_enlarged)


def _plain(image: Image.Image, ground: tuple[int, int, int], notes: list[str]) -> Image.Image:
    """The picture as 8-bit RGB, appending to ``notes`` what that took."""
    if image.mode in SIXTEEN_BIT:
        notes.append("16 bits to 8" if image.mode != "F" else "floating point to 8 bits")
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.has_transparency_data:
        notes.append("transparency laid on the ground")
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*ground, 255)), layer).convert("RGB")
    if image.mode in {"CMYK", "LAB", "YCbCr", "HSV"}:
        notes.append(f"{image.mode} to RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Deep grays scaled by what their range must be: 1, 255 or 65535."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    top = float(values.max(initial=0))
    full = 255.0 if 1 < top <= 255 else 65535.0
    if image.mode == "F" and top <= 1:
        full = 1.0
    scaled = (values / max(full, top if image.mode == "F" else full) * 255).clip(0, 255)
    return cast("NDArray[np.uint8]", scaled.astype(np.uint8))


def _filter(image: Image.Image, plain: Image.Image, config: IntakeConfig) -> Image.Resampling:
    if config.resample == "nearest":
        return Image.Resampling.NEAREST
    is_small = max(plain.size) < config.resolution or max(plain.size) <= config.resolution // 2
    if config.resample == "auto" and is_small and _is_drawn(image):
        return Image.Resampling.NEAREST
    return Image.Resampling.LANCZOS


def _is_drawn(image: Image.Image) -> bool:
    """Whether a small picture is pixel art rather than a small photo."""
    width, height = image.size
    colors = image.convert("RGBA").getcolors(width * height) or []
    return len(colors) <= min(DRAWN_COLORS, width * height // 3)
