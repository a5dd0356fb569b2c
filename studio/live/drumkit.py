"""The drum kit: every General MIDI percussion key, synthesized once into a short wave.

Membranes are sweeping sines, metal is inharmonic modes and shaped noise, wood is short high modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.live import modes as md
from studio.live.modes import Array


@dataclass(frozen=True, slots=True, eq=False)
class DrumHit:
    """One percussion sound: wave [frames], pan -1 to 1, reverb send 0–1, choke group (0: none)."""

    wave: NDArray[np.float32]
    pan: float
    send: float
    choke: int


@dataclass(frozen=True, slots=True)
class _Bench:
    """Sample rate and random source that the recipes share."""

    rate_hz: int
    rng: np.random.Generator

    def time(self, length_s: float) -> Array:
        return np.arange(int(length_s * self.rate_hz)) / self.rate_hz

    def noise(self, length_s: float, low_hz: float, high_hz: float, decay_s: float) -> Array:
        t = self.time(length_s)
        return md.colored_noise(self.rng, len(t), self.rate_hz, md.band(low_hz, high_hz)) * np.exp(
            -t / decay_s
        )

    def tones(self, length_s: float, modes: tuple[tuple[float, float, float], ...]) -> Array:
        """Modes given as (Hz, level, decay s)."""
        t = self.time(length_s)
        wave = np.zeros(len(t))
        for frequency, level, decay in modes:
            wave += (
                level * np.exp(-t / decay) * np.sin(2 * np.pi * frequency * t + self.rng.uniform(-0.5, 0.5))
            )
        return wave

    def sweep(self, length_s: float, start_hz: float, end_hz: float, glide_s: float, decay_s: float) -> Array:
        """A sine whose frequency falls exponentially, as a struck membrane's does when it slackens."""
        t = self.time(length_s)
        turns = end_hz * t + (start_hz - end_hz) * glide_s * -np.expm1(-t / glide_s)
        return np.asarray(np.sin(2 * np.pi * turns) * np.exp(-t / decay_s))


Recipe = Callable[[_Bench], Array]


def _mix(*waves: Array) -> Array:
    out = np.zeros(max(len(w) for w in waves))
    for wave in waves:
        out[: len(wave)] += wave
    return out


def _kick(b: _Bench) -> Array:
    body = b.sweep(0.5, 165, 51, 0.028, 0.15)
    return _mix(body, 0.22 * b.noise(0.03, 900, 4500, 0.006), 0.3 * b.sweep(0.06, 420, 120, 0.01, 0.012))


def _tight_kick(b: _Bench) -> Array:
    return _mix(b.sweep(0.35, 190, 58, 0.02, 0.10), 0.3 * b.noise(0.03, 1500, 6000, 0.005))


def _snare(b: _Bench) -> Array:
    shell = b.tones(0.3, ((186, 0.55, 0.07), (331, 0.4, 0.05), (462, 0.15, 0.03)))
    return _mix(shell, 0.33 * b.noise(0.4, 1400, 8500, 0.085), 0.25 * b.noise(0.05, 2500, 11000, 0.012))


def _electric_snare(b: _Bench) -> Array:
    return _mix(b.sweep(0.3, 290, 195, 0.02, 0.06), 0.36 * b.noise(0.35, 1100, 7500, 0.11))


def _rim(b: _Bench) -> Array:
    return _mix(
        b.tones(0.12, ((520, 0.5, 0.012), (1720, 0.6, 0.018), (2480, 0.25, 0.01))),
        0.1 * b.noise(0.05, 1500, 7000, 0.008),
    )


def _clap(b: _Bench) -> Array:
    out = np.zeros(int(0.35 * b.rate_hz))
    for delay_s, level, decay_s in (
        (0.0, 0.7, 0.006),
        (0.011, 0.8, 0.006),
        (0.021, 0.7, 0.006),
        (0.031, 1.0, 0.06),
    ):
        burst = level * b.noise(0.3, 850, 2600, decay_s)
        at = int(delay_s * b.rate_hz)
        out[at : at + len(burst)] += burst[: len(out) - at]
    return 0.5 * out


_METAL = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)


def _cymbal(length_s: float, decay_s: float, low_hz: float, ring: float) -> Recipe:
    """Metal: noise whose treble dies first, over partials of six square-like oscillators."""

    def recipe(b: _Bench) -> Array:
        noise = _mix(
            0.30 * b.noise(length_s, low_hz, 13000, decay_s * 0.55),
            0.20 * b.noise(length_s, low_hz * 0.55, 7000, decay_s),
        )
        modes = tuple(
            (base * k, ring / len(_METAL) / k**0.3, decay_s * (0.9 - 0.05 * k))
            for base in _METAL
            for k in (7, 11, 15)
            if base * k < 13000
        )
        return _mix(noise, b.tones(length_s, modes))

    return recipe


def _ride(bell: float) -> Recipe:
    def recipe(b: _Bench) -> Array:
        ping = b.tones(
            1.6,
            ((587, 0.1, 0.5), (1245, 0.14, 0.45), (2718, 0.2, 0.3), (3936, 0.22, 0.22), (5210, 0.16, 0.18)),
        )
        return _mix(
            bell * ping, 0.12 * b.noise(1.6, 5000, 12000, 0.35), 0.2 * b.noise(0.04, 4000, 12000, 0.006)
        )

    return recipe


def _tom(pitch_hz: float) -> Recipe:
    def recipe(b: _Bench) -> Array:
        decay_s = 0.28 * (100 / pitch_hz) ** 0.4
        body = b.sweep(0.7, pitch_hz * 1.55, pitch_hz, 0.035, decay_s)
        second = 0.25 * b.sweep(0.4, pitch_hz * 2.5, pitch_hz * 1.59, 0.03, decay_s * 0.5)
        return _mix(body, second, 0.12 * b.noise(0.06, 500, 4000, 0.012))

    return recipe


def _hand_drum(pitch_hz: float, decay_s: float, slap: float = 0.15) -> Recipe:
    def recipe(b: _Bench) -> Array:
        tone = b.tones(
            0.5,
            (
                (pitch_hz, 1.0, decay_s),
                (pitch_hz * 1.6, 0.4, decay_s * 0.5),
                (pitch_hz * 2.2, 0.2, decay_s * 0.35),
            ),
        )
        return _mix(tone, slap * b.noise(0.06, 800, 6000, 0.012))

    return recipe


def _bar(*modes: tuple[float, float, float], length_s: float = 0.4) -> Recipe:
    return lambda b: b.tones(length_s, modes)


def _shake(decay_s: float, low_hz: float, rise_s: float = 0.004) -> Recipe:
    def recipe(b: _Bench) -> Array:
        wave = b.noise(5 * decay_s + rise_s, low_hz, 13000, decay_s)
        return 0.4 * wave * np.clip(b.time(5 * decay_s + rise_s) / rise_s, 0, 1)[: len(wave)]

    return recipe


def _scrape(length_s: float) -> Recipe:
    def recipe(b: _Bench) -> Array:
        teeth = 0.5 - 0.5 * np.cos(2 * np.pi * 70 * b.time(length_s))
        return 0.4 * b.noise(length_s, 1800, 6500, length_s) * teeth

    return recipe


def _whistle(length_s: float) -> Recipe:
    def recipe(b: _Bench) -> Array:
        t = b.time(length_s)
        fade = np.clip((length_s - t) / 0.02, 0, 1)
        return np.asarray(0.4 * fade * np.sin(2 * np.pi * 2350 * t + 3 * np.sin(2 * np.pi * 32 * t)))

    return recipe


def _tambourine(b: _Bench) -> Array:
    jingles = b.tones(0.4, ((4300, 0.2, 0.09), (6100, 0.25, 0.08), (8300, 0.25, 0.07), (9900, 0.2, 0.05)))
    return _mix(jingles, 0.3 * b.noise(0.3, 5500, 13000, 0.06))


# key: (recipe, peak level, pan, send, choke group)
_KIT: dict[int, tuple[Recipe, float, float, float, int]] = {
    33: (_bar((1900, 1.0, 0.012), (2900, 0.4, 0.008), length_s=0.1), 0.30, 0.0, 0.0, 0),
    34: (_bar((1320, 0.7, 0.12), (2640, 0.5, 0.09), (3980, 0.2, 0.05)), 0.30, 0.0, 0.03, 0),
    35: (_kick, 0.62, 0.0, 0.03, 0),
    36: (_tight_kick, 0.60, 0.0, 0.03, 0),
    37: (_rim, 0.36, -0.1, 0.12, 0),
    38: (_snare, 0.50, 0.05, 0.14, 0),
    39: (_clap, 0.44, 0.1, 0.2, 0),
    40: (_electric_snare, 0.46, 0.05, 0.14, 0),
    41: (_tom(82), 0.46, 0.45, 0.16, 0),
    42: (_cymbal(0.16, 0.032, 6500, 0.5), 0.24, -0.3, 0.06, 1),
    43: (_tom(98), 0.46, 0.3, 0.16, 0),
    44: (_cymbal(0.14, 0.026, 5200, 0.5), 0.18, -0.3, 0.06, 1),
    45: (_tom(118), 0.46, 0.15, 0.16, 0),
    46: (_cymbal(1.0, 0.26, 6000, 0.5), 0.24, -0.3, 0.08, 1),
    47: (_tom(142), 0.46, 0.0, 0.16, 0),
    48: (_tom(172), 0.46, -0.2, 0.16, 0),
    49: (_cymbal(2.2, 0.75, 3200, 0.35), 0.34, -0.4, 0.16, 0),
    50: (_tom(205), 0.46, -0.4, 0.16, 0),
    51: (_ride(0.8), 0.24, 0.4, 0.1, 0),
    52: (_cymbal(1.8, 0.5, 2200, 0.7), 0.32, 0.4, 0.16, 0),
    53: (_ride(1.8), 0.28, 0.4, 0.1, 0),
    54: (_tambourine, 0.26, 0.3, 0.12, 0),
    55: (_cymbal(1.0, 0.28, 4200, 0.4), 0.32, -0.3, 0.14, 0),
    56: (_bar((562, 0.7, 0.09), (845, 0.8, 0.08), (1690, 0.2, 0.05)), 0.32, 0.2, 0.1, 0),
    57: (_cymbal(2.0, 0.65, 3800, 0.35), 0.34, 0.45, 0.16, 0),
    58: (_scrape(0.45), 0.28, -0.4, 0.12, 0),
    59: (_ride(0.6), 0.24, 0.45, 0.1, 0),
    60: (_hand_drum(395, 0.06), 0.38, 0.3, 0.12, 0),
    61: (_hand_drum(290, 0.08), 0.38, 0.3, 0.12, 0),
    62: (_hand_drum(330, 0.035, 0.3), 0.38, -0.3, 0.12, 0),
    63: (_hand_drum(245, 0.12), 0.40, -0.3, 0.12, 0),
    64: (_hand_drum(180, 0.14), 0.42, -0.3, 0.12, 0),
    65: (_hand_drum(420, 0.12, 0.35), 0.38, -0.4, 0.14, 0),
    66: (_hand_drum(300, 0.15, 0.35), 0.38, -0.4, 0.14, 0),
    67: (_bar((905, 1.0, 0.12), (2460, 0.3, 0.05)), 0.28, 0.4, 0.14, 0),
    68: (_bar((675, 1.0, 0.14), (1830, 0.3, 0.05)), 0.28, 0.4, 0.14, 0),
    69: (_shake(0.035, 5000, 0.02), 0.22, -0.4, 0.1, 0),
    70: (_shake(0.02, 6000), 0.22, -0.4, 0.1, 0),
    71: (_whistle(0.16), 0.20, 0.3, 0.14, 2),
    72: (_whistle(0.45), 0.20, 0.3, 0.14, 2),
    73: (_scrape(0.09), 0.26, 0.4, 0.12, 3),
    74: (_scrape(0.35), 0.26, 0.4, 0.12, 3),
    75: (_bar((2480, 1.0, 0.025), (4950, 0.2, 0.01), length_s=0.15), 0.30, 0.2, 0.16, 0),
    76: (_bar((1180, 1.0, 0.022), (2870, 0.35, 0.012), length_s=0.15), 0.34, 0.1, 0.1, 0),
    77: (_bar((820, 1.0, 0.028), (2010, 0.35, 0.014), length_s=0.18), 0.34, 0.1, 0.1, 0),
    78: (_hand_drum(520, 0.05, 0.05), 0.3, 0.3, 0.12, 4),
    79: (_hand_drum(360, 0.16, 0.05), 0.3, 0.3, 0.12, 4),
    80: (_bar((4150, 0.6, 0.03), (6900, 0.5, 0.02), length_s=0.15), 0.22, -0.4, 0.16, 5),
    81: (_bar((4150, 0.6, 0.6), (6900, 0.5, 0.4), (9800, 0.2, 0.25), length_s=1.8), 0.22, -0.4, 0.2, 5),
    82: (_shake(0.03, 4500, 0.012), 0.22, 0.3, 0.1, 0),
    85: (_rim, 0.32, -0.1, 0.12, 0),
    86: (_tom(70), 0.46, 0.0, 0.16, 6),
    87: (_tom(62), 0.5, 0.0, 0.2, 6),
}


@lru_cache(maxsize=256)
def drum_hit(key: int, rate_hz: int) -> DrumHit:
    """The sound of a percussion key 0–127 at velocity 127; unmapped keys answer with the wood block."""
    recipe, peak, pan, send, choke = _KIT.get(key, _KIT[76])
    wave = recipe(_Bench(rate_hz, np.random.default_rng((12, key))))
    wave = md.soft_start(wave, rate_hz, 0.001, min(0.05, len(wave) / rate_hz / 3))
    return DrumHit((wave * (peak / np.max(np.abs(wave)))).astype(np.float32), pan, send, choke)


def prepare(rate_hz: int) -> None:
    """Synthesize the whole kit, so that no first hit costs time on the audio thread."""
    for key in _KIT:
        drum_hit(key, rate_hz)
