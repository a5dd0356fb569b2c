"""Damped sinusoids: the one material of which every pitched instrument here is made.

A note is ``sum_k gain_k * amplitude_k * exp(-decay_k t) * sin(2 pi f_k t + phase_k)``. Closed form in
time, so any stretch of it can be computed from any frame, free of aliasing and of filters that need
state. Strings and bars are modes by nature; tremolo, swelling brightness and frequency modulation with a
decaying index are modes too, by the identities given at each function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import factorial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_MODES = 80
"""Most modes a note may have; the weakest are dropped beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """K damped sinusoids.

    Attributes:
        frequency_hz: [K], above 0.
        decay_per_s: [K], nepers a second, at least 0.
        amplitude: [K], any sign, at velocity 127.
        phase: [K], radians; 0 starts a sine at its zero.
        gain: [2, K], left and right; may be negative.
        tilt_db: [K], dB lost on the way from velocity 127 to 0, beside the note's own loudness.
    """

    frequency_hz: Array
    decay_per_s: Array
    amplitude: Array
    phase: Array
    gain: Array
    tilt_db: Array

    def __len__(self) -> int:
        return len(self.frequency_hz)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Modes:
        """The modes at ``index``."""
        return Modes(
            self.frequency_hz[index],
            self.decay_per_s[index],
            self.amplitude[index],
            self.phase[index],
            self.gain[:, index],
            self.tilt_db[index],
        )

    def fitted(self, rate_hz: float) -> Modes:
        """Only what can sound: above 16 Hz, below 0.42 of the sample rate, the strongest MAX_MODES."""
        keep = np.flatnonzero((self.frequency_hz > 16.0) & (self.frequency_hz < 0.42 * rate_hz))
        if len(keep) > MAX_MODES:
            strongest = np.argsort(-np.abs(self.amplitude[keep]), kind="stable")[:MAX_MODES]
            keep = np.sort(keep[strongest])
        return self.take(keep)

    def scaled(self, factor: float) -> Modes:
        """All amplitudes times a factor."""
        return replace(self, amplitude=self.amplitude * factor)


def pitch_hz(pitch: float) -> float:
    """Equal temperament at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def pan_gains(pan: Array) -> Array:
    """Constant-power gains [2, K] of positions -1 (left) to 1 (right); 1 each in the middle."""
    angle = (np.clip(pan, -1, 1) + 1) * np.pi / 4
    return np.asarray(np.sqrt(2.0) * np.stack([np.cos(angle), np.sin(angle)]))


def make(
    frequency_hz: Array,
    decay_per_s: Array | float,
    amplitude: Array | float,
    *,
    phase: Array | float = 0.0,
    pan: Array | float = 0.0,
    tilt_db: Array | float = 0.0,
) -> Modes:
    """Modes from arrays [K] and numbers, which are repeated K times."""
    frequency = np.atleast_1d(np.asarray(frequency_hz, dtype=np.float64))

    def full(value: Array | float) -> Array:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), frequency.shape).copy()

    return Modes(
        frequency, full(decay_per_s), full(amplitude), full(phase), pan_gains(full(pan)), full(tilt_db)
    )


def join(*parts: Modes) -> Modes:
    """All modes of all parts."""
    return Modes(
        np.concatenate([p.frequency_hz for p in parts]),
        np.concatenate([p.decay_per_s for p in parts]),
        np.concatenate([p.amplitude for p in parts]),
        np.concatenate([p.phase for p in parts]),
        np.concatenate([p.gain for p in parts], axis=1),
        np.concatenate([p.tilt_db for p in parts]),
    )


def tremolo(modes: Modes, rate_hz: float, depth: float, *, stereo: bool = False) -> Modes:
    """Amplitude modulation: ``sin(wt)(1 + d sin(vt))`` is the carrier plus two side modes of d/2.

    With ``stereo`` the right side moves against the left, so the sound wanders and its sum stays level.
    """
    sign = np.array([[1.0], [-1.0 if stereo else 1.0]])
    sides = [
        replace(
            modes,
            frequency_hz=modes.frequency_hz + direction * rate_hz,
            amplitude=-direction * modes.amplitude * depth / 2,
            phase=modes.phase + np.pi / 2,
            gain=modes.gain * sign,
        )
        for direction in (1.0, -1.0)
    ]
    return join(modes, *sides)


def swelling(modes: Modes, time_s: Array | float) -> Modes:
    """Modes that grow as ``1 - exp(-t / time_s)``: each plus a faster decaying copy of opposite sign."""
    fading = replace(
        modes, amplitude=-modes.amplitude, decay_per_s=modes.decay_per_s + 1 / np.asarray(time_s)
    )
    return join(modes, fading)


def unison(
    modes: Modes, cents: tuple[float, ...], width: float, rng: np.random.Generator, *, scatter: bool = True
) -> Modes:
    """Copies detuned by ``cents``, spread over the stereo width 0–1, random phases when ``scatter``."""
    places = np.linspace(-width, width, len(cents)) if len(cents) > 1 else np.zeros(1)
    copies = []
    for cent, place in zip(cents, places, strict=True):
        phase = rng.uniform(0, 2 * np.pi, len(modes)) if scatter else modes.phase
        copies.append(
            replace(
                modes,
                frequency_hz=modes.frequency_hz * 2 ** (cent / 1200),
                amplitude=modes.amplitude / np.sqrt(len(cents)),
                phase=phase,
                gain=pan_gains(np.full(len(modes), place)),
            )
        )
    return join(*copies)


def frequency_modulation(
    carrier_hz: float,
    modulator_hz: float,
    *,
    index: float,
    index_decay_per_s: float,
    decay_per_s: float,
    index_tilt_db: float,
    amplitude: float = 1.0,
) -> Modes:
    """Two-operator FM with an exponentially decaying index, expanded exactly into damped modes.

    ``sin(at + I sin bt) = sum_n J_n(I) sin((a + nb)t)`` (Chowning 1973) and
    ``J_n(I) = sum_m (-1)^m / (m! (n + m)!) (I/2)^(2m + n)``: with I decaying at rate r, the term of order
    p = 2m + n decays at rate p r, and an index that drops by x dB at low velocity drops the term by p x dB.
    Orders above 9 are below -60 dB for an index up to 2.
    """
    rows: dict[tuple[float, int], float] = {}
    for n in range(-7, 8):
        sign = (-1) ** n if n < 0 else 1
        frequency = carrier_hz + n * modulator_hz
        for m in range(4):
            order = 2 * m + abs(n)
            if order > 9:
                continue
            term = sign * (-1) ** m / (factorial(m) * factorial(abs(n) + m)) * (index / 2) ** order
            # A negative frequency is a positive one with the sign turned.
            key = (round(abs(frequency), 6), order)
            rows[key] = rows.get(key, 0.0) + (term if frequency >= 0 else -term)
    keys = list(rows)
    order_k = np.array([order for _, order in keys], dtype=np.float64)
    return make(
        np.array([frequency for frequency, _ in keys]),
        decay_per_s + order_k * index_decay_per_s,
        amplitude * np.array([rows[key] for key in keys]),
        tilt_db=index_tilt_db * order_k,
    )


def loudness(modes: Modes, window_s: float = 0.4) -> float:
    """Root mean square over the first ``window_s``, low frequencies discounted as the ear does.

    Side by side modes are taken as uncorrelated. The weight is a first-order high-pass at 90 Hz.
    """
    weight = modes.frequency_hz**2 / (modes.frequency_hz**2 + 90.0**2)
    x = 2 * modes.decay_per_s * window_s
    decayed = np.where(x > 1e-6, -np.expm1(-x) / np.maximum(x, 1e-6), 1.0)
    power = weight * decayed * modes.amplitude**2 / 2 * np.mean(modes.gain**2, axis=0)
    return float(np.sqrt(power.sum()))


def colored_noise(
    rng: np.random.Generator, n_frames: int, rate_hz: float, response: Callable[[Array], Array]
) -> Array:
    """White noise [n_frames] shaped by ``response(frequency_hz)``, scaled to a root mean square of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n_frames)) * response(
        np.fft.rfftfreq(n_frames, 1 / rate_hz).astype(np.float64)
    )
    noise = np.fft.irfft(spectrum, n_frames)
    return np.asarray(noise / (np.sqrt(np.mean(noise**2)) + 1e-12))


def band(low_hz: float, high_hz: float) -> Callable[[Array], Array]:
    """Gentle band-pass response, 12 dB an octave on either side."""
    return lambda f: (f / low_hz) ** 2 / (1 + (f / low_hz) ** 2) / (1 + (f / high_hz) ** 2)


def soft_start(wave: Array, rate_hz: float, start_s: float = 0.001, end_s: float = 0.005) -> Array:
    """The wave with raised-cosine ends, so that neither end clicks."""
    out = wave.copy()
    for length_s, edge in ((start_s, slice(None)), (end_s, slice(None, None, -1))):
        n = min(len(out), max(1, round(length_s * rate_hz)))
        out[edge][:n] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n)
    return out
