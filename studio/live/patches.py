"""Patches: an instrument with its envelope, dynamics, loudness and starting noise; the General MIDI map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from studio.live import instruments as ins
from studio.live import modes as md
from studio.live.modes import Modes

REFERENCE_RMS = 0.085
"""Loudness of every patch at velocity 127 and level 1, in the middle of its register."""

Builder = Callable[[int], Modes]


@dataclass(frozen=True, slots=True)
class Thump:
    """Noise at the start of a note: hammer, pluck, breath. Level relative to the note's loudness."""

    level: float
    low_hz: float
    high_hz: float
    decay_s: float
    follow: float = 0.0
    """How far the band follows the pitch: 0 not at all, 1 in proportion (centre C4)."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One instrument.

    Attributes:
        build: Pitch to modes.
        attack_s: Raised-cosine start, at least 0.001.
        release_s: Time constant of the exponential end, at least 0.005.
        dynamic: Loudness is velocity / 127 to this power.
        level: Loudness against the other patches.
        send: Part sent to the reverb, 0–1.
        thump: Noise at the start, or None.
        undamped_from: Pitch from which a released note rings on, as in the top of a piano.
    """

    name: str
    build: Builder
    attack_s: float = 0.002
    release_s: float = 0.06
    dynamic: float = 1.6
    level: float = 1.0
    send: float = 0.16
    thump: Thump | None = None
    undamped_from: int = 128

    def release_for(self, pitch: int) -> float:
        """Release time constant in seconds: bass dampers work slower, undamped notes ring."""
        if pitch >= self.undamped_from:
            return 0.6
        return self.release_s * float(np.clip(1.6 - pitch / 100, 0.7, 1.5))


_FELT = Thump(0.16, 90, 900, 0.028, 0.35)
_NAIL = Thump(0.20, 700, 5000, 0.012, 0.2)
_FINGER = Thump(0.12, 150, 1500, 0.015)
_MALLET = Thump(0.22, 400, 3500, 0.010, 0.3)
_BREATH = Thump(0.18, 900, 5200, 0.070, 0.4)
_bell = partial(
    ins.bars,
    ratios=(1, 2.0, 3.01, 4.1, 5.43, 8.2),
    levels=(1, 0.3, 0.42, 0.2, 0.14, 0.06),
    ring_s=3.5,
    damping=0.35,
)

PIANO = Patch("piano", ins.piano, 0.002, 0.075, 1.7, 1.0, 0.17, _FELT, undamped_from=90)
PATCHES: dict[str, Patch] = {
    p.name: p
    for p in (
        PIANO,
        Patch("bright piano", partial(ins.piano, bright=1.5), 0.0015, 0.07, 1.7, 0.95, 0.16, _FELT, 90),
        Patch(
            "honky-tonk",
            partial(ins.piano, detune_cents=9, double=0.8),
            0.002,
            0.07,
            1.6,
            0.9,
            0.15,
            _FELT,
            90,
        ),
        Patch("e-piano", ins.electric_piano, 0.002, 0.09, 1.4, 1.2, 0.18, Thump(0.05, 500, 3000, 0.01)),
        Patch("fm piano", partial(ins.electric_piano, index=1.1, tine=9.0), 0.0015, 0.09, 1.4, 0.95, 0.22),
        Patch("harpsichord", ins.harpsichord, 0.001, 0.05, 0.5, 0.62, 0.2, _NAIL),
        Patch(
            "clavinet",
            partial(ins.plucked, at=0.09, cutoff_hz=3800, ring_s=3.5, slope=0.5),
            0.001,
            0.025,
            1.2,
            0.8,
        ),
        Patch("bells", _bell, 0.001, 0.25, 1.4, 0.85, 0.3, _MALLET),
        Patch(
            "vibraphone",
            partial(
                ins.bars, ratios=(1, 4.0, 10.1), levels=(1, 0.16, 0.05), ring_s=5, damping=0.5, vibrato=0.3
            ),
            *(0.002, 0.16, 1.4, 0.75, 0.26, _MALLET),
        ),
        Patch(
            "marimba",
            partial(ins.bars, ratios=(1, 3.93, 9.2), levels=(1, 0.28, 0.08), ring_s=0.9, damping=0.8),
            *(0.0015, 0.12, 1.5, 1.0, 0.2, _MALLET),
        ),
        Patch(
            "xylophone",
            partial(ins.bars, ratios=(1, 3.0, 6.1), levels=(1, 0.5, 0.2), ring_s=0.6, damping=0.5),
            *(0.001, 0.1, 1.5, 0.9, 0.2, _MALLET),
        ),
        Patch(
            "tubular bells",
            partial(
                ins.bars,
                ratios=(0.5, 1, 1.504, 2.0, 2.62, 3.3, 4.1),
                levels=(0.25, 0.8, 0.5, 0.7, 0.4, 0.25, 0.15),
                ring_s=6,
                damping=0.3,
            ),
            *(0.002, 0.5, 1.3, 0.62, 0.32, _MALLET),
        ),
        Patch("organ", ins.organ, 0.004, 0.018, 0.4, 0.58, 0.14, Thump(0.05, 800, 4000, 0.004)),
        Patch(
            "percussive organ",
            partial(ins.organ, drawbars="888000000", percussion=0.9),
            *(0.003, 0.018, 0.4, 0.58, 0.14, Thump(0.06, 800, 4000, 0.004)),
        ),
        Patch("church organ", partial(ins.organ, drawbars="806806505"), 0.03, 0.09, 0.3, 0.42, 0.38),
        Patch("reed organ", partial(ins.blown, cutoff_hz=2600, slope=0.55, waver=0.1), 0.03, 0.04, 0.7, 0.72),
        Patch("nylon guitar", ins.plucked, 0.0015, 0.05, 1.5, 1.0, 0.17, _FINGER),
        Patch(
            "steel guitar",
            partial(ins.plucked, at=0.14, cutoff_hz=4600, ring_s=7, damping=2.0, slope=0.8),
            *(0.001, 0.05, 1.5, 0.92, 0.16, _NAIL),
        ),
        Patch(
            "clean guitar",
            partial(ins.plucked, at=0.22, cutoff_hz=2400, ring_s=8, damping=2.4, slope=0.7),
            *(0.0015, 0.04, 1.3, 0.92, 0.16, _FINGER),
        ),
        Patch(
            "muted guitar",
            partial(ins.plucked, ring_s=0.35, damping=8),
            0.001,
            0.03,
            1.4,
            0.75,
            0.12,
            _FINGER,
        ),
        Patch("driven guitar", partial(ins.lead, cutoff_hz=1700), 0.003, 0.04, 0.8, 0.68, 0.14),
        Patch(
            "harp",
            partial(ins.plucked, at=0.3, cutoff_hz=2600, ring_s=7),
            0.0015,
            0.35,
            1.4,
            0.95,
            0.26,
            _FINGER,
        ),
        Patch(
            "koto",
            partial(ins.plucked, at=0.08, cutoff_hz=5200, ring_s=3.5),
            0.001,
            0.1,
            1.4,
            0.9,
            0.2,
            _NAIL,
        ),
        Patch(
            "bass",
            partial(ins.plucked, at=0.24, cutoff_hz=900, ring_s=6, damping=6, stiffness=1e-4, slope=0.7),
            *(0.003, 0.035, 1.2, 1.0, 0.05, _FINGER),
        ),
        Patch(
            "bright bass",
            partial(ins.plucked, at=0.12, cutoff_hz=2000, ring_s=6, damping=4, stiffness=1.5e-4, slope=0.6),
            *(0.0015, 0.03, 1.2, 0.82, 0.05, _NAIL),
        ),
        Patch("synth bass", ins.synth_bass, 0.003, 0.03, 1.0, 0.62, 0.05),
        Patch("strings", partial(ins.ensemble, cutoff_hz=2600), 0.07, 0.16, 1.1, 0.78, 0.3),
        Patch(
            "slow strings", partial(ins.ensemble, cutoff_hz=1900, opening_s=0.4), 0.16, 0.26, 1.0, 0.8, 0.34
        ),
        Patch(
            "choir",
            partial(ins.ensemble, cutoff_hz=3000, formants=ins.VOWEL_AH, slope=0.4, cents=9, most=20),
            *(0.09, 0.2, 1.0, 0.78, 0.36),
        ),
        Patch(
            "voice",
            partial(ins.ensemble, cutoff_hz=3000, formants=ins.VOWEL_OO, slope=0.5, cents=6, most=16),
            *(0.07, 0.16, 1.0, 0.62, 0.34),
        ),
        Patch(
            "pad",
            partial(ins.ensemble, cutoff_hz=1100, opening_s=0.7, cents=9, width=0.9),
            0.22,
            0.4,
            0.9,
            0.5,
            0.36,
        ),
        Patch(
            "bright pad",
            partial(ins.ensemble, cutoff_hz=2400, opening_s=1.2, cents=11, slope=0.8, width=0.9),
            *(0.14, 0.4, 0.9, 0.72, 0.38),
        ),
        Patch(
            "solo strings",
            partial(ins.blown, cutoff_hz=3200, slope=0.75, swell_s=0.06),
            0.035,
            0.07,
            1.2,
            0.78,
            0.26,
        ),
        Patch(
            "brass", partial(ins.blown, cutoff_hz=2600, slope=0.35, waver=0.05), 0.018, 0.06, 1.2, 0.78, 0.22
        ),
        Patch(
            "brass section",
            partial(ins.ensemble, cutoff_hz=3000, slope=0.7, opening_s=0.05),
            0.02,
            0.07,
            1.2,
            0.75,
            0.24,
        ),
        Patch(
            "reed",
            partial(ins.blown, cutoff_hz=2600, slope=0.45, even=0.75),
            *(0.014, 0.045, 1.1, 0.78, 0.2, _BREATH),
        ),
        Patch(
            "clarinet",
            partial(ins.blown, cutoff_hz=2200, slope=0.6, even=0.12, waver=0.05),
            *(0.014, 0.045, 1.1, 0.8, 0.2, _BREATH),
        ),
        Patch(
            "flute",
            partial(ins.blown, cutoff_hz=1500, slope=1.4, even=0.7, waver=0.2, most=8),
            *(0.02, 0.05, 1.0, 0.82, 0.24, Thump(0.11, 1200, 5000, 0.1, 0.5)),
        ),
        Patch("square lead", partial(ins.lead, hollow=0.0), 0.003, 0.035, 0.8, 0.66, 0.18),
        Patch("saw lead", ins.lead, 0.003, 0.035, 0.8, 0.66, 0.18),
        Patch("timpani", ins.timpani, 0.002, 0.4, 1.6, 0.7, 0.3, _FELT),
        Patch(
            "wood",
            partial(ins.bars, ratios=(1, 2.7, 5.2), levels=(1, 0.4, 0.15), ring_s=0.16, damping=0.4),
            *(0.001, 0.1, 1.5, 0.75, 0.18, _MALLET),
        ),
        Patch(
            "steel drum",
            partial(
                ins.bars,
                ratios=(1, 2, 3.0, 4.05, 6.1),
                levels=(1, 0.6, 0.25, 0.2, 0.1),
                ring_s=1.6,
                damping=0.3,
            ),
            *(0.0015, 0.2, 1.4, 0.8, 0.26, _MALLET),
        ),
    )
}

_GENERAL_MIDI = [
    name
    for family in (
        # 0 pianos
        "piano|bright piano|bright piano|honky-tonk|e-piano|fm piano|harpsichord|clavinet",
        # 8 chromatic percussion
        "bells|bells|bells|vibraphone|marimba|xylophone|tubular bells|harp",
        # 16 organs
        "organ|percussive organ|organ|church organ|reed organ|reed organ|reed organ|reed organ",
        # 24 guitars
        "nylon guitar|steel guitar|clean guitar|clean guitar|muted guitar|driven guitar|driven guitar|harp",
        # 32 basses
        "bass|bass|bright bass|bass|bright bass|bright bass|synth bass|synth bass",
        # 40 bowed and orchestral
        "solo strings|solo strings|solo strings|solo strings|strings|muted guitar|harp|timpani",
        # 48 ensembles
        "strings|slow strings|strings|slow strings|choir|voice|choir|brass section",
        # 56 brass
        "brass|brass|brass|brass|brass|brass section|brass section|brass section",
        # 64 reeds
        "reed|reed|reed|reed|reed|reed|reed|clarinet",
        # 72 pipes
        "flute|flute|flute|flute|flute|flute|flute|flute",
        # 80 leads
        "square lead|saw lead|flute|saw lead|saw lead|voice|saw lead|synth bass",
        # 88 pads
        "pad|pad|bright pad|choir|bright pad|bright pad|pad|bright pad",
        # 96 effects
        "bright pad|pad|bells|steel guitar|bright pad|pad|bright pad|pad",
        # 104 from everywhere
        "koto|koto|koto|koto|marimba|reed organ|solo strings|reed",
        # 112 percussive
        "bells|steel drum|steel drum|wood|timpani|timpani|timpani|pad",
        # 120 sound effects
        "muted guitar|flute|pad|bells|bells|pad|pad|timpani",
    )
    for name in family.split("|")
]


def patch_for(program: int) -> Patch:
    """The patch of a General MIDI program 0–127."""
    return PATCHES[_GENERAL_MIDI[program & 127]]


def note_modes(name: str, pitch: int, rate_hz: int) -> Modes:
    """Modes of one note of a patch, scaled so that all patches and registers are equally loud.

    The bottom of the keyboard is left a little louder, the top a little softer, as on real instruments.
    """
    patch = PATCHES[name]
    modes = patch.build(pitch).fitted(rate_hz)
    if not len(modes):
        return modes
    slope_db = -0.09 * (pitch - 60) if pitch > 60 else -0.02 * (pitch - 60)
    target = patch.level * REFERENCE_RMS * 10 ** (slope_db / 20)
    return modes.scaled(target / max(md.loudness(modes), 1e-9))


@lru_cache(maxsize=96)
def note_thump(name: str, zone: int, rate_hz: int) -> NDArray[np.float32] | None:
    """Starting noise [frames] of a patch around pitch ``6 * zone + 3``, or None."""
    patch = PATCHES[name]
    thump = patch.thump
    if thump is None:
        return None
    pitch = 6 * zone + 3
    ratio = 2 ** (thump.follow * (pitch - 60) / 12)
    n = int(min(5 * thump.decay_s, 0.3) * rate_hz)
    noise = md.colored_noise(
        np.random.default_rng((11, pitch)),
        n,
        rate_hz,
        md.band(thump.low_hz * ratio, min(thump.high_hz * ratio, rate_hz / 3)),
    )
    shaped = noise * np.exp(-np.arange(n) / (thump.decay_s * rate_hz))
    wave = md.soft_start(shaped, rate_hz, 0.0015, 0.005)
    return (wave * thump.level * patch.level * REFERENCE_RMS * 2).astype(np.float32)
