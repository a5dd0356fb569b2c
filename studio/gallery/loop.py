"""Seamless loops of pictures, as long as some bars of music: GIF, and MP4 where PyAV is installed."""

from __future__ import annotations

import importlib
import importlib.util
import math
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from midi.errors import UserError
from models.bundle import disk_fault
from models.image.walks import LoopTime, closed_spline, evened_phases, step_distances, unevenness
from studio.gallery.compose import Composer, Recipe
from studio.terminal import Progress

Frame = NDArray[np.uint8]
Sink = Callable[[Frame], None]

MAX_FRAMES = 3000
"""Longest loop: two minutes at 25 frames a second."""

MAX_GIF_PIXELS = 100_000_000
"""Pixels of all frames together: the GIF writer keeps them in memory, a byte each."""

PALETTE_FRAMES = 16
"""Frames that the colors of a GIF are chosen from."""
PALETTE_PX = 48
"""Their side for that."""

MIN_STATIONS = 3
"""Pictures that a loop passes at least; two would be there and back."""

MEASURED_STEPS = 12
"""Pictures between two stations from which the pace is evened."""

GIF_SIDE_PX, MP4_SIDE_PX = 128, 512
"""Small pictures are enlarged to these."""


def write_loop(
    out: Path, composer: Composer, seed: int, recipe: Recipe, time: LoopTime, progress: Progress | None = None
) -> dict[str, Path]:
    """Write ``loop.gif``, and ``loop.mp4`` where PyAV is installed: a closed walk through seeds in w.

    One station a bar (three at least), a smooth curve through them, and a pace at which equal steps look
    equal. The frame after the last is the first.

    Args:
        out: The gallery's folder.
        composer: The model.
        seed: Of the first station; the others follow.
        recipe: Truncation, mix, moves and bends of all frames.
        time: How long, at what tempo.
        progress: Told how far it is.

    Returns:
        ``loop`` and perhaps ``loop_mp4``.

    Raises:
        UserError: It is too long, or can't be written.
    """
    side_px = composer.pictures.resolution
    check_length(side_px, time)
    walk = Walk(composer, seed, recipe, max(math.ceil(time.bars), MIN_STATIONS))
    distances, sample = walk.measured(progress)
    phases = evened_phases(distances, time.phases())
    paths = {"loop": out / "loop.gif"}
    with ExitStack() as open_files:
        sinks = [open_files.enter_context(_gif(paths["loop"], sample, time))]
        if importlib.util.find_spec("av") is not None:
            paths["loop_mp4"] = out / "loop.mp4"
            sinks.append(open_files.enter_context(_mp4(paths["loop_mp4"], side_px, time)))
        for frame in _told(walk.frames(phases), len(phases), "loop", progress):
            for sink in sinks:
                sink(frame)
    return paths


def check_length(side_px: int, time: LoopTime) -> None:
    """Refuse loops that are too much for a GIF.

    Raises:
        UserError: It is too long.
    """
    if time.n_frames > MAX_FRAMES or time.n_frames * max(side_px, GIF_SIDE_PX) ** 2 > MAX_GIF_PIXELS:
        raise UserError(
            f"A loop of {time.bars:g} bars has {time.n_frames} frames, too many at {side_px} px.",
            "Make it shorter, or use fewer frames a second.",
        )


class Walk:
    """A closed curve through the places of neighboring seeds.

    Args:
        composer: The model.
        seed: Of the first place.
        recipe: What all frames have in common; its noise stays that of the first.
        n_stations: Places on the curve.
    """

    def __init__(self, composer: Composer, seed: int, recipe: Recipe, n_stations: int) -> None:
        self._composer = composer
        noise_seed = seed if recipe.noise_seed is None else recipe.noise_seed
        self._recipe = Recipe(recipe.psi, recipe.mix, recipe.move, recipe.bend, noise_seed)
        self._stations = torch.stack([composer.space.place(seed + i) for i in range(n_stations)])

    def frames(self, phases: Iterable[float]) -> Iterator[Frame]:
        """The pictures at these phases, one after another."""
        for phase in phases:
            place = closed_spline(self._stations, [phase])[0]
            yield self._composer.picture(self._composer.state_of(place, self._recipe))

    def measured(self, progress: Progress | None = None) -> tuple[NDArray[np.float64], list[Frame]]:
        """Distances of evenly spaced pictures on the curve, and a few of these pictures."""
        n = len(self._stations) * MEASURED_STEPS
        every = max(n // PALETTE_FRAMES, 1)
        sample: list[Frame] = []

        def watched() -> Iterator[Frame]:
            frames = _told(self.frames(np.arange(n) / n), n, "pace", progress)
            for number, frame in enumerate(frames):
                if number % every == 0 and len(sample) < PALETTE_FRAMES:
                    sample.append(frame)
                yield frame

        return step_distances(watched(), is_closed=True), sample

    def unevenness(self, phases: Iterable[float]) -> float:
        """Coefficient of variation of the steps between the pictures at these phases."""
        return unevenness(step_distances(self.frames(phases), is_closed=True))


def _told(frames: Iterable[Frame], total: int, what: str, progress: Progress | None) -> Iterator[Frame]:
    for number, frame in enumerate(frames, start=1):
        yield frame
        if progress:
            progress(what, number, total)


def enlarged(frame: Frame, least_px: int) -> Image.Image:
    """A frame, by a whole factor at least so large."""
    image = Image.fromarray(frame)
    side_px = enlarged_px(image.width, least_px)
    if side_px == image.width:
        return image
    return image.resize((side_px, side_px), Image.Resampling.BICUBIC)


def enlarged_px(side_px: int, least_px: int) -> int:
    """The smallest multiple of a side that reaches ``least_px``."""
    return side_px * math.ceil(least_px / side_px)


@contextmanager
def _gif(path: Path, sample: list[Frame], time: LoopTime) -> Iterator[Sink]:
    """Takes frames, one byte a pixel, and writes them when the block ends well."""
    # One palette for all frames: a palette a frame flickers.
    palette = _palette([Image.fromarray(frame) for frame in sample])
    indexed: list[Image.Image] = []

    def take(frame: Frame) -> None:
        image = enlarged(frame, GIF_SIDE_PX)
        indexed.append(image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))

    yield take
    with _whole(path) as draft:
        indexed[0].save(
            draft, "GIF", save_all=True, append_images=indexed[1:], duration=time.durations_ms(), loop=0,
            optimize=False, disposal=1,
        )  # fmt: skip


def _palette(images: list[Image.Image]) -> Image.Image:
    """256 colors for frames from all over the loop.

    Two rounds of k-means behind the median cut lower its error by a quarter; small copies keep them short.
    """
    strip = Image.new("RGB", (PALETTE_PX * len(images), PALETTE_PX))
    for number, image in enumerate(images):
        small = image.resize((PALETTE_PX, PALETTE_PX), Image.Resampling.BOX)
        strip.paste(small, (number * PALETTE_PX, 0))
    return strip.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2)


@contextmanager
def _mp4(path: Path, side_px: int, time: LoopTime) -> Iterator[Sink]:
    """Takes frames and writes H.264 at the rate that makes them last exactly as long as the bars."""
    av = importlib.import_module("av")  # optional, and slow to import

    duration_s = Fraction(time.duration_s).limit_denominator(10_000)
    rate = (time.n_frames / duration_s).limit_denominator(10_000)
    options = {"crf": "18", "preset": "medium"}
    with _whole(path) as draft, av.open(str(draft), "w", format="mp4") as container:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width = stream.height = enlarged_px(side_px, MP4_SIDE_PX)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1

        def take(frame: Frame) -> None:
            image = enlarged(frame, MP4_SIDE_PX)
            container.mux(stream.encode(av.VideoFrame.from_image(image)))

        yield take
        container.mux(stream.encode(None))


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` that becomes it when the block ends well, else vanishes."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield draft
        draft.replace(path)
    except OSError as fault:
        raise disk_fault(path, fault) from fault
    finally:
        draft.unlink(missing_ok=True)
