"""The picture generator at 128 px beside this core's peak, its own plain form and two peers.

CPU seconds of one thread, medians of rounds that go around all of them; peers have an interpreter of their
own and random weights, as ours does: what a picture costs does not depend on them. The peak is the faster of
a large product of matrices and a large convolution, which PyTorch makes in this very process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch.nn import functional

from models.image.generator import Generator, GeneratorConfig, preset, to_uint8
from models.image.player import Pictures
from tests.bench.figures import Figure, alone, compared, higher, medians, timed
from tests.bench.peers import Peer

FRAMES = 24
"""Pictures of ours in a round: a stage plays them one after another, so the first alone would be unfair."""
ROUNDS = 11
PEAK_SIDE = 1024
PEAK_CHANNELS, PEAK_PX = 128, 64

FPS_GOAL, PEAK_GOAL, GPU_FPS_GOAL = 45.0, 70.0, 240.0
FASTER = {"stylegan2_pytorch": 5, "lightweight_gan": 20}


def generator_figures(
    peers: str, rounds: int = ROUNDS, config: GeneratorConfig | None = None
) -> list[Figure]:
    """Frames a second, share of the peak, and times beside the peers.

    Args:
        peers: A Python that may have the peers.
        rounds: How often all are measured.
        config: Of the generator; None is the preset ``live``.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = config or preset("live")
    player = noisy(config)
    styles, noise = player.styles(player.w(range(FRAMES))), player.noise(0)
    matrix = torch.randn(PEAK_SIDE, PEAK_SIDE)
    image = channels_last(torch.randn(1, PEAK_CHANNELS, PEAK_PX, PEAK_PX))
    kernel = channels_last(torch.randn(PEAK_CHANNELS, PEAK_CHANNELS, 3, 3))

    def plain() -> None:
        with torch.inference_mode():
            for row in styles:
                to_uint8(player.generator(row[None], noise=noise))

    with ExitStack() as stack:
        rivals = [stack.enter_context(Peer([peers], name, {"side": config.resolution})) for name in FASTER]
        there = [rival for rival in rivals if not rival.missing]
        product_s, convolution_s, plain_s, ours_s, *theirs_s = medians(
            timed(lambda: matrix @ matrix),
            timed(lambda: functional.conv2d(image, kernel, padding=1)),
            timed(plain),
            timed(lambda: player.render(styles, noise=noise)),
            *(lambda rival=rival: rival.row_s("frame") for rival in there),  # type: ignore[misc]
            rounds=rounds,
        )
    products = 2 * PEAK_SIDE**3 / product_s, 18 * PEAK_CHANNELS**2 * PEAK_PX**2 / convolution_s
    size = sum(p.numel() for p in player.generator.parameters())
    figures = own_figures(config, size, max(products), plain_s / FRAMES, ours_s / FRAMES)
    times = dict(zip([rival.name for rival in there], theirs_s, strict=True))
    return figures + [beside(rival, times.get(rival.name), ours_s / FRAMES, size) for rival in rivals]


def noisy(config: GeneratorConfig, device: str = "cpu") -> Pictures:
    """A player of random weights that has noise to add: a fresh network's strength is 0."""
    player = Pictures(Generator(config).to(device))
    for layer in player.generator.layers.values():
        if layer.noise_strength is not None:
            layer.noise_strength.fill_(0.1)
    return player


def gpu_figures(rounds: int = ROUNDS, config: GeneratorConfig | None = None) -> list[Figure]:
    """Pictures a second by the clock on a GPU, from styles to bytes in main memory; else on this core."""
    config = config or preset("gpu")
    has_gpu = torch.cuda.is_available()
    player = noisy(config, "cuda" if has_gpu else "cpu")
    styles, noise = player.styles(player.w(range(FRAMES if has_gpu else 1))), player.noise(0)

    def plain() -> None:
        with torch.inference_mode():
            for row in styles:
                to_uint8(player.generator(row[None], noise=noise))

    def fps(act: Callable[[], object]) -> float:
        act()  # the first lays out what the others use
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            act()
            times.append(time.perf_counter() - began)
        return len(styles) / statistics.median(times)

    name, ours = (
        f"pictures, gpu preset, {config.resolution} px",
        fps(lambda: player.render(styles, noise=noise)),
    )
    goal = f">= {GPU_FPS_GOAL:g} frames/s on an H100"
    if not has_gpu:
        return [alone(f"{name}, CPU", ours, "frames/s", "on a GPU", goal, "no GPU")]
    where = torch.cuda.get_device_name()
    return [higher(f"{name}, {where}", ours, "frames/s", "eager", fps(plain), goal, GPU_FPS_GOAL)]


def own_figures(
    config: GeneratorConfig, size: int, peak: float, plain_s: float, ours_s: float
) -> list[Figure]:
    """What is measured against this core itself; ``peak`` in operations a second."""
    work = operations(config)
    said = f"{size / 1e6:.2f} M parameters, {work / 1e6:.0f} MFLOP a picture; one at a time, styles to bytes"
    share = 100 * work / ours_s / peak
    return [
        higher("pictures, live preset, one core", 1 / ours_s, "frames/s", "the generator itself", 1 / plain_s,
               f">= {FPS_GOAL:g} frames/s", FPS_GOAL, note=said),
        higher("pictures, share of the peak", share, "%", "the generator itself", 100 * work / plain_s / peak,
               f">= {PEAK_GOAL:g} %", PEAK_GOAL,
               note=f"the peak: {peak / 1e9:.0f} GFLOP/s in float32 on one thread, the faster of a matrix "
               f"product of side {PEAK_SIDE} and a convolution of {PEAK_CHANNELS} channels"),
    ]  # fmt: skip


def beside(rival: Peer, theirs_s: float | None, ours_s: float, size: int) -> Figure:
    """Ours and a peer's time for a picture; what is not there is named as such."""
    name, goal = f"a picture beside {rival.name}", f"<= 1/{FASTER[rival.name]} of its time"
    if theirs_s is None:
        return alone(name, ours_s * 1e3, "ms", rival.name, goal, f"not there: {rival.missing}")
    note = (
        f"{rival.name} {rival.facts['version']} as it makes its generator, "
        f"{rival.facts['parameters'] / 1e6:.1f} M parameters, ours {size / 1e6:.2f} M: "
        f"{theirs_s / ours_s:.1f} times as fast, not of equal capacity"
    )
    return compared(name, ours_s * 1e3, "ms", rival.name, theirs_s * 1e3, goal, 1 / FASTER[rival.name], note)


def operations(config: GeneratorConfig) -> int:
    """Multiplications and additions of a picture's convolutions and heads, as they are carried out.

    Doubling and its 3x3 convolution count as the one transposed convolution of 4x4 that they are: 4 products
    a pixel.
    """
    work, before = 0, config.channels[0]
    for side, width in zip(config.resolutions, config.channels, strict=True):
        first = 9 if side == config.resolutions[0] else 4
        second = 9 * width if side >= 16 else 0
        work += 2 * side**2 * width * (first * before + second + 3)
        before = width
    return work


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """As the generator holds its activations."""
    return tensor.contiguous(memory_format=torch.channels_last)
