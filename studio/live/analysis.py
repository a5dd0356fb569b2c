"""Listening with numbers: onsets, clicks and pictures of recorded sound. Numpy, Pillow for the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

_HOP_S = 0.001
_WINDOW_S = 0.012
_LAG_HOPS = 6


def _mono(audio: ArrayLike) -> NDArray[np.float64]:
    """Audio [frames] or [frames, channels] as the mean [frames]."""
    wave = np.asarray(audio, dtype=np.float64)
    return wave if wave.ndim == 1 else wave.mean(axis=1)


def spectrogram(wave: NDArray[np.float64], window: int, hop: int) -> NDArray[np.float64]:
    """Magnitudes [columns, window // 2 + 1] under a Hann window; column i is centred on frame i * hop."""
    padded = np.pad(wave, (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: len(wave) + 1 : hop]
    taper = np.hanning(window + 1)[:-1]
    columns = [np.abs(np.fft.rfft(frames[i : i + 2048] * taper, axis=1)) for i in range(0, len(frames), 2048)]
    return np.concatenate(columns) / (window / 4)


def _flux(wave: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Spectral flux [hops]: by how much the log spectrum has grown within the last 6 ms."""
    hop, window = round(_HOP_S * rate_hz), round(_WINDOW_S * rate_hz)
    # Above 6 kHz there is mostly noise; below -60 dB nothing counts.
    magnitude = spectrogram(wave, window, hop)[:, 1 : int(6000 * window / rate_hz)]
    level = np.log1p(magnitude / 1e-3)
    growth = np.zeros(len(level))
    growth[_LAG_HOPS:] = np.maximum(level[_LAG_HOPS:] - level[:-_LAG_HOPS], 0).mean(axis=1)
    # Where the recording breaks off a window sees a cut, not an onset.
    growth[max(0, len(growth) - window // hop) :] = 0
    return growth


def onset_times_s(
    audio: ArrayLike, rate_hz: float, *, threshold: float = 0.14, apart_s: float = 0.03
) -> NDArray[np.float64]:
    """Times in seconds at which notes begin, ascending.

    Spectral flux (Dixon 2006) of 12 ms windows every millisecond, peaks above the local median, each
    refined by a parabola. Good to a few milliseconds for struck and plucked sounds.

    Args:
        audio: [frames] or [frames, channels], full scale 1.
        rate_hz: Sample rate.
        threshold: Growth of the mean log spectrum, above the median around it, that counts as an onset.
        apart_s: Of peaks nearer than this only the higher counts.
    """
    wave = _mono(audio)
    flux = _flux(wave, rate_hz)
    reach = max(1, round(apart_s / _HOP_S))
    if len(flux) < 3:
        return np.zeros(0)
    padded = np.pad(flux, reach)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    peak = (flux == around.max(axis=1)) & (flux > np.median(around, axis=1) + threshold)
    at = np.flatnonzero(peak)
    at = at[(at > 0) & (at < len(flux) - 1)]
    below, top, above = flux[at - 1], flux[at], flux[at + 1]
    shift = np.clip(0.5 * (below - above) / np.minimum(below - 2 * top + above, -1e-12), -0.5, 0.5)
    # A step at frame t makes the flux peak when the window's middle has passed it by half the lag.
    return np.maximum((at + shift) * _HOP_S - _LAG_HOPS * _HOP_S / 2 + 0.002, 0.0)


def largest_step(audio: ArrayLike) -> float:
    """Largest difference between neighbouring samples of any channel; a click shows as an outlier."""
    wave = np.asarray(audio, dtype=np.float64)
    return float(np.max(np.abs(np.diff(wave, axis=0)))) if len(wave) > 1 else 0.0


def peak_frequency_hz(audio: ArrayLike, rate_hz: float, low_hz: float, high_hz: float) -> float:
    """Frequency of the strongest spectral peak between two bounds, refined by a parabola in dB."""
    wave = _mono(audio)
    size = 4 * len(wave)
    level = 20 * np.log10(np.abs(np.fft.rfft(wave * np.hanning(len(wave)), size)) + 1e-12)
    first, last = int(low_hz * size / rate_hz), int(high_hz * size / rate_hz) + 1
    i = first + int(np.argmax(level[first:last]))
    below, top, above = level[i - 1 : i + 2]
    return float((i + 0.5 * (below - above) / (below - 2 * top + above)) * rate_hz / size)


def spectrogram_png(audio: ArrayLike, rate_hz: float, path: Path | str) -> None:
    """Write a picture: spectrum over time, 30 Hz to 16 kHz on a log scale, 90 dB deep; waveform below."""
    from PIL import Image  # noqa: PLC0415  (a picture is asked for rarely; playing must not load Pillow)

    wave = _mono(audio)
    window, width, height = 4096, 1200, 420
    hop = max(1, -(-len(wave) // width))
    level = 20 * np.log10(spectrogram(wave, window, hop)[:width] + 1e-9)
    rows = np.geomspace(16000, 30, height) * window / rate_hz
    low = np.minimum(rows.astype(int), level.shape[1] - 2)
    part = rows - low
    image = level[:, low] * (1 - part) + level[:, low + 1] * part
    bright = np.clip((image.T + 110) / 90, 0, 1)
    rgb = np.stack(
        [bright**1.1, np.clip(2 * bright - 0.7, 0, 1), np.clip(0.25 + bright, 0, 1) * (1 - bright**3)], 2
    )
    columns = (
        np.array_split(np.pad(wave, (0, bright.shape[1] * hop - len(wave))), bright.shape[1]) if hop else []
    )
    strip = np.zeros((100, bright.shape[1], 3))
    for x, piece in enumerate(columns):
        top, bottom = (np.clip([50 - 50 * piece.max(), 50 - 50 * piece.min()], 0, 99)).astype(int)
        strip[top : bottom + 1, x] = (0.6, 0.8, 0.9)
    pixels = (np.concatenate([rgb, strip]) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(str(path), "PNG")
