"""Procedural instruments: what each General MIDI program is made of.

Every builder maps a pitch 0–127 to ``Modes``; a ``Patch`` adds envelope, dynamics, loudness and a short
noise at the start. Decay and spectrum figures are from the physics quoted beside them where there is one,
otherwise set by listening and by spectrogram.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from studio.live import modes as md
from studio.live.modes import Array, Modes, pitch_hz

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


def _rng(pitch: int, salt: int) -> np.random.Generator:
    return np.random.default_rng((salt, pitch))


def _partials(pitch: int, most: int, limit_hz: float = 11000.0) -> Array:
    """Harmonic numbers 1, 2, … up to ``most`` and ``limit_hz``, at least one."""
    count = int(np.clip(limit_hz / pitch_hz(pitch), 1, most))
    return np.arange(1, count + 1, dtype=np.float64)


def _string(pitch: int, k: Array, stiffness: float) -> Array:
    """Stiff string, ``k f0 sqrt(1 + B k²)`` (Fletcher 1964), with the first partial kept in tune."""
    return pitch_hz(pitch) * k * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))


def piano(pitch: int, *, bright: float = 1.0, detune_cents: float = 0.35, double: float = 0.24) -> Modes:
    """Struck strings: stiff partials in two stages of decay, the second slightly detuned.

    Stiffness by key after Rauhala et al. (2007); strike at 1/8 of the string; decay of a partial grows
    with frequency (Chaigne & Askenfelt 1994); prompt sound and aftersound after Weinreich (1977).
    """
    rng = _rng(pitch, 1)
    k = _partials(pitch, 62)
    stiffness = float(np.exp(0.0926 * pitch - 13.64) + np.exp(-0.0847 * pitch - 5.82))
    f = _string(pitch, k, stiffness)
    f = f[f < 11000] if np.any(f < 11000) else f[:1]
    k = k[: len(f)]
    cutoff_hz = bright * (1500 + 1.9 * pitch_hz(pitch))
    strike = 0.12 + np.abs(np.sin(np.pi * k / 8.3))
    board = f**2 / (f**2 + 75.0**2)
    amplitude = strike * k**-0.55 * np.exp(-f / cutoff_hz) * board
    base = 6.91 / (12 * 2 ** (-(pitch - 33) / 20))
    decay = base + 1.9 * np.clip((f - f[0]) / 2000, 0, None) ** 1.3
    pan = np.clip((pitch - 62) / 80, -0.4, 0.4) + rng.uniform(-0.28, 0.28, len(f))
    tilt = np.minimum(17 * (f / 2000) ** 0.6, 44)
    phase = rng.uniform(-0.9, 0.9, len(f))
    prompt = md.make(f, decay, amplitude, phase=phase, pan=pan, tilt_db=tilt)
    late = min(len(f), 18)
    cents = detune_cents * rng.choice((-1.0, 1.0), late) * rng.uniform(0.5, 1.5, late)
    after = md.make(
        f[:late] * 2 ** (cents / 1200),
        decay[:late] * 0.3,
        amplitude[:late] * double,
        phase=phase[:late],
        pan=-pan[:late] * 0.7,
        tilt_db=tilt[:late],
    )
    return md.join(prompt, after)


def electric_piano(pitch: int, *, index: float = 1.5, tine: float = 14.0) -> Modes:
    """FM electric piano: a mellow 1:1 pair and a bell-like 1:14 pair, wandering slowly in stereo."""
    f0 = pitch_hz(pitch)
    slow = 6.91 / (9 * 2 ** (-(pitch - 40) / 26))
    index = index * float(np.clip(1.25 - (pitch - 48) / 70, 0.4, 1.3))
    body = md.frequency_modulation(
        f0, f0, index=index, index_decay_per_s=1.1, decay_per_s=slow, index_tilt_db=9.0
    )
    body = body.take(np.abs(body.amplitude) > 2e-3)
    ratio = tine if f0 * tine < 9000 else max(2.0, float(np.floor(9000 / f0)))
    bell = md.make(
        np.array([f0 * ratio, f0 * (ratio - 1), f0 * 2.0]),
        np.array([14.0, 11.0, slow * 1.6]),
        np.array([0.16, 0.09, 0.10]),
        tilt_db=np.array([22.0, 22.0, 8.0]),
    )
    return md.join(md.tremolo(body, 4.6, 0.16, stereo=True), bell)


def organ(pitch: int, *, drawbars: str = "888400003", percussion: float = 0.0) -> Modes:
    """Drawbar organ: nine footages, 3 dB a step, with a slow rotor as stereo tremolo.

    Footages as harmonics of 8': 16' 5⅓' 8' 4' 2⅔' 2' 1⅗' 1⅓' 1'.
    """
    rng = _rng(pitch, 3)
    ratios = np.array([0.5, 1.5, 1, 2, 3, 4, 5, 6, 8])
    steps = np.array([int(c) for c in drawbars])
    amplitude = np.where(steps > 0, 10 ** (-(8 - steps) * 3 / 20), 0.0)
    used = amplitude > 0
    f = pitch_hz(pitch) * ratios[used]
    tones = md.make(f, 0.0, amplitude[used], phase=rng.uniform(0, 6.28, len(f)), tilt_db=2.0)
    tones = md.tremolo(tones, 5.8, 0.22, stereo=True)
    if percussion:
        tones = md.join(tones, md.make(np.array([pitch_hz(pitch) * 3]), 9.0, percussion, tilt_db=6.0))
    return tones


def plucked(
    pitch: int,
    *,
    at: float = 0.19,
    cutoff_hz: float = 3200.0,
    ring_s: float = 5.0,
    damping: float = 2.6,
    stiffness: float = 6e-5,
    slope: float = 1.0,
    salt: int = 4,
) -> Modes:
    """Plucked string: the plucking point ``at`` combs the spectrum, high partials die first.

    ``ring_s`` is the time to -60 dB of the fundamental of C3; it halves every 22 semitones.
    """
    rng = _rng(pitch, salt)
    k = _partials(pitch, 48)
    f = _string(pitch, k, stiffness)
    shape = (0.06 + np.abs(np.sin(np.pi * k * at))) * k**-slope
    amplitude = shape * np.exp(-f / (cutoff_hz + 0.8 * pitch_hz(pitch)))
    decay = 6.91 / (ring_s * 2 ** (-(pitch - 48) / 22)) + damping * (f / 2000) ** 1.1
    phase = rng.uniform(-1.2, 1.2, len(f))
    pan = rng.uniform(-0.3, 0.3, len(f)) * np.clip(f / 400, 0, 1)
    tilt = np.minimum(13 * (f / 2000) ** 0.6, 36)
    main = md.make(f, decay, amplitude, phase=phase, pan=pan, tilt_db=tilt)
    few = min(len(f), 10)
    # The string also swings at right angles to the top: nearly the same pitch, a longer decay.
    late = md.make(
        f[:few] * 2 ** (0.5 / 1200),
        decay[:few] * 0.45,
        amplitude[:few] * 0.22,
        phase=phase[:few],
        pan=-pan[:few],
    )
    return md.join(main, late)


def harpsichord(pitch: int) -> Modes:
    """Two choirs an octave apart, plucked near the end."""
    low = plucked(pitch, at=0.11, cutoff_hz=6500, ring_s=5, damping=1.6, slope=0.45, salt=5)
    high = plucked(min(pitch + 12, 127), at=0.13, cutoff_hz=6500, ring_s=4, damping=1.6, slope=0.5, salt=6)
    return md.join(low, high.scaled(0.4))


def bars(
    pitch: int,
    *,
    ratios: tuple[float, ...],
    levels: tuple[float, ...],
    ring_s: float,
    damping: float,
    vibrato: float = 0.0,
) -> Modes:
    """Struck bar, bell or glass: a few stretched modes. ``ring_s`` to -60 dB at C5, halving each 20 semitones."""
    rng = _rng(pitch, 7)
    f = pitch_hz(pitch) * np.array(ratios)
    decay = 6.91 / (ring_s * 2 ** (-(pitch - 72) / 20)) * (1 + damping * (np.array(ratios) - 1))
    tilt = np.linspace(0, 26, len(f))
    tones = md.make(f, decay, np.array(levels), pan=rng.uniform(-0.25, 0.25, len(f)), tilt_db=tilt)
    return md.tremolo(tones, 5.2, vibrato, stereo=True) if vibrato else tones


def ensemble(
    pitch: int,
    *,
    cutoff_hz: float,
    cents: float = 7.0,
    opening_s: float = 0.0,
    slope: float = 1.0,
    most: int = 16,
    formants: tuple[tuple[float, float, float], ...] = (),
    width: float = 0.75,
) -> Modes:
    """Several players at once: three slightly detuned saws across the stereo field.

    ``formants`` are (centre Hz, width Hz, gain) resonances for vowels; ``opening_s`` lets the upper
    harmonics swell in.
    """
    rng = _rng(pitch, 8)
    k = _partials(pitch, most, 9000)
    f = pitch_hz(pitch) * k
    amplitude = k**-slope / (1 + (f / (cutoff_hz + 0.5 * pitch_hz(pitch))) ** 2)
    if formants:
        vowel = sum(gain / (1 + ((f - centre) / half) ** 2) for centre, half, gain in formants)
        amplitude = k**-slope * (0.04 + vowel)
    tilt = np.minimum(9 * (f / 2000) ** 0.7, 26)
    base = md.make(f, 0.0, amplitude, tilt_db=tilt)
    if opening_s and len(f) > 3:
        low, high = base.take(k <= 3), base.take((k > 3) & (k <= 12))
        base = md.join(low, md.swelling(high, opening_s * np.sqrt(high.frequency_hz / f[0] / 4)))
    return md.unison(base, (-cents, 0.7, cents * 0.9), width, rng)


def blown(
    pitch: int,
    *,
    cutoff_hz: float,
    slope: float,
    even: float = 1.0,
    swell_s: float = 0.03,
    waver: float = 0.12,
    most: int = 14,
) -> Modes:
    """One wind or bowed player: harmonics that speak one after the other, a wavering loudness."""
    rng = _rng(pitch, 9)
    k = _partials(pitch, most, 9000)
    f = pitch_hz(pitch) * k
    amplitude = k**-slope / (1 + (f / (cutoff_hz + 1.2 * pitch_hz(pitch))) ** 2)
    amplitude = np.where(k % 2 == 0, amplitude * even, amplitude)
    tilt = np.minimum(16 * (f / 2000) ** 0.7, 34)
    phase = rng.uniform(0, 2 * np.pi, len(k))
    tones = md.make(f, 0.0, amplitude, phase=phase, pan=rng.uniform(-0.2, 0.2, len(k)), tilt_db=tilt)
    steady, moving = tones.take(k <= 6), tones.take(k > 6)
    wavering = md.swelling(md.tremolo(steady, 5.1, waver), swell_s)
    return md.join(wavering, md.swelling(moving, swell_s * 1.8)) if len(moving) else wavering


def lead(pitch: int, *, hollow: float = 1.0, cutoff_hz: float = 2600.0) -> Modes:
    """Synthesizer lead: two detuned saws (square when ``hollow`` is 0) whose filter closes after the attack."""
    rng = _rng(pitch, 10)
    k = _partials(pitch, 20, 9500)
    f = pitch_hz(pitch) * k
    saw = np.where(k % 2 == 0, hollow, 1.0) / k
    held = saw / (1 + (f / (cutoff_hz + pitch_hz(pitch))) ** 2)
    sweep = saw / (1 + (f / (3 * cutoff_hz + pitch_hz(pitch))) ** 2) - held
    tones = md.join(
        md.make(f, 0.0, held, tilt_db=np.minimum(f / 400, 18)),
        md.make(f, 7.0, sweep, tilt_db=12.0).take(sweep > 0.004),
    )
    return md.unison(tones, (-4.5, 4.5), 0.35, rng)


def synth_bass(pitch: int) -> Modes:
    """Analog bass: a saw through a closing filter, with a firm fundamental."""
    return md.join(lead(pitch, cutoff_hz=500), md.make(np.array([pitch_hz(pitch)]), 0.0, 0.7))


def timpani(pitch: int) -> Modes:
    """Kettle drum: the (m, 1) modes of a loaded membrane are nearly 2 : 3 : 4 : 5 (Rossing 1982)."""
    f = pitch_hz(pitch) * np.array([1, 1.5, 1.98, 2.44, 2.9, 0.55])
    return md.make(f, np.array([2.2, 3.0, 4.0, 5.5, 7.0, 12.0]), np.array([1, 0.7, 0.4, 0.3, 0.2, 0.5]))


_FELT = Thump(0.16, 90, 900, 0.028, 0.35)
_NAIL = Thump(0.20, 700, 5000, 0.012, 0.2)
_FINGER = Thump(0.12, 150, 1500, 0.015)
_MALLET = Thump(0.22, 400, 3500, 0.010, 0.3)
_BREATH = Thump(0.18, 900, 5200, 0.070, 0.4)
_VOWEL_AH = ((730.0, 130.0, 1.0), (1150.0, 160.0, 0.7), (2700.0, 300.0, 0.18))
_VOWEL_OO = ((380.0, 120.0, 1.0), (850.0, 150.0, 0.35), (2500.0, 300.0, 0.04))
_BELL = {"ratios": (1, 2.0, 3.01, 4.1, 5.43, 8.2), "levels": (1, 0.3, 0.42, 0.2, 0.14, 0.06)}

PIANO = Patch("piano", piano, 0.002, 0.075, 1.7, 1.0, 0.17, _FELT, undamped_from=90)
PATCHES: dict[str, Patch] = {
    p.name: p
    for p in (
        PIANO,
        Patch("bright piano", partial(piano, bright=1.5), 0.0015, 0.07, 1.7, 0.95, 0.16, _FELT, 90),
        Patch(
            "honky-tonk", partial(piano, detune_cents=9, double=0.8), 0.002, 0.07, 1.6, 0.9, 0.15, _FELT, 90
        ),
        Patch("e-piano", electric_piano, 0.002, 0.09, 1.4, 1.2, 0.18, Thump(0.05, 500, 3000, 0.01)),
        Patch("fm piano", partial(electric_piano, index=1.1, tine=9.0), 0.0015, 0.09, 1.4, 0.95, 0.22),
        Patch("harpsichord", harpsichord, 0.001, 0.05, 0.5, 0.62, 0.2, _NAIL),
        Patch(
            "clavinet",
            partial(plucked, at=0.09, cutoff_hz=3800, ring_s=3.5, slope=0.5),
            0.001,
            0.025,
            1.2,
            0.8,
        ),
        Patch(
            "bells", partial(bars, ring_s=3.5, damping=0.35, **_BELL), 0.001, 0.25, 1.4, 0.85, 0.3, _MALLET
        ),
        Patch(
            "vibraphone",
            partial(bars, ratios=(1, 4.0, 10.1), levels=(1, 0.16, 0.05), ring_s=5, damping=0.5, vibrato=0.3),
            *(0.002, 0.16, 1.4, 0.75, 0.26, _MALLET),
        ),
        Patch(
            "marimba",
            partial(bars, ratios=(1, 3.93, 9.2), levels=(1, 0.28, 0.08), ring_s=0.9, damping=0.8),
            *(0.0015, 0.12, 1.5, 1.0, 0.2, _MALLET),
        ),
        Patch(
            "xylophone",
            partial(bars, ratios=(1, 3.0, 6.1), levels=(1, 0.5, 0.2), ring_s=0.6, damping=0.5),
            *(0.001, 0.1, 1.5, 0.9, 0.2, _MALLET),
        ),
        Patch(
            "tubular bells",
            partial(
                bars,
                ratios=(0.5, 1, 1.504, 2.0, 2.62, 3.3, 4.1),
                levels=(0.25, 0.8, 0.5, 0.7, 0.4, 0.25, 0.15),
                ring_s=6,
                damping=0.3,
            ),
            *(0.002, 0.5, 1.3, 0.62, 0.32, _MALLET),
        ),
        Patch("organ", organ, 0.004, 0.018, 0.4, 0.58, 0.14, Thump(0.05, 800, 4000, 0.004)),
        Patch(
            "percussive organ",
            partial(organ, drawbars="888000000", percussion=0.9),
            *(0.003, 0.018, 0.4, 0.58, 0.14, Thump(0.06, 800, 4000, 0.004)),
        ),
        Patch("church organ", partial(organ, drawbars="806806505"), 0.03, 0.09, 0.3, 0.42, 0.38),
        Patch("reed organ", partial(blown, cutoff_hz=2600, slope=0.55, waver=0.1), 0.03, 0.04, 0.7, 0.72),
        Patch("nylon guitar", plucked, 0.0015, 0.05, 1.5, 1.0, 0.17, _FINGER),
        Patch(
            "steel guitar",
            partial(plucked, at=0.14, cutoff_hz=4600, ring_s=7, damping=2.0, slope=0.8),
            *(0.001, 0.05, 1.5, 0.92, 0.16, _NAIL),
        ),
        Patch(
            "clean guitar",
            partial(plucked, at=0.22, cutoff_hz=2400, ring_s=8, damping=2.4, slope=0.7),
            *(0.0015, 0.04, 1.3, 0.92, 0.16, _FINGER),
        ),
        Patch(
            "muted guitar", partial(plucked, ring_s=0.35, damping=8), 0.001, 0.03, 1.4, 0.75, 0.12, _FINGER
        ),
        Patch("driven guitar", partial(lead, cutoff_hz=1700), 0.003, 0.04, 0.8, 0.68, 0.14),
        Patch(
            "harp", partial(plucked, at=0.3, cutoff_hz=2600, ring_s=7), 0.0015, 0.35, 1.4, 0.95, 0.26, _FINGER
        ),
        Patch(
            "koto", partial(plucked, at=0.08, cutoff_hz=5200, ring_s=3.5), 0.001, 0.1, 1.4, 0.9, 0.2, _NAIL
        ),
        Patch(
            "bass",
            partial(plucked, at=0.24, cutoff_hz=900, ring_s=6, damping=6, stiffness=1e-4, slope=0.7),
            *(0.003, 0.035, 1.2, 0.78, 0.05, _FINGER),
        ),
        Patch(
            "bright bass",
            partial(plucked, at=0.12, cutoff_hz=2000, ring_s=6, damping=4, stiffness=1.5e-4, slope=0.6),
            *(0.0015, 0.03, 1.2, 0.82, 0.05, _NAIL),
        ),
        Patch("synth bass", synth_bass, 0.003, 0.03, 1.0, 0.62, 0.05),
        Patch("strings", partial(ensemble, cutoff_hz=2600), 0.07, 0.16, 1.1, 0.78, 0.3),
        Patch("slow strings", partial(ensemble, cutoff_hz=1900, opening_s=0.4), 0.16, 0.26, 1.0, 0.8, 0.34),
        Patch(
            "choir",
            partial(ensemble, cutoff_hz=3000, formants=_VOWEL_AH, slope=0.4, cents=9, most=20),
            *(0.09, 0.2, 1.0, 0.78, 0.36),
        ),
        Patch(
            "voice",
            partial(ensemble, cutoff_hz=3000, formants=_VOWEL_OO, slope=0.5, cents=6, most=16),
            *(0.07, 0.16, 1.0, 0.62, 0.34),
        ),
        Patch(
            "pad",
            partial(ensemble, cutoff_hz=1100, opening_s=0.7, cents=9, width=0.9),
            0.22,
            0.4,
            0.9,
            0.8,
            0.36,
        ),
        Patch(
            "bright pad",
            partial(ensemble, cutoff_hz=2400, opening_s=1.2, cents=11, slope=0.8, width=0.9),
            *(0.14, 0.4, 0.9, 0.72, 0.38),
        ),
        Patch(
            "solo strings",
            partial(blown, cutoff_hz=3200, slope=0.75, swell_s=0.06),
            0.035,
            0.07,
            1.2,
            0.78,
            0.26,
        ),
        Patch("brass", partial(blown, cutoff_hz=2600, slope=0.35, waver=0.05), 0.018, 0.06, 1.2, 0.78, 0.22),
        Patch(
            "brass section",
            partial(ensemble, cutoff_hz=3000, slope=0.7, opening_s=0.05),
            0.02,
            0.07,
            1.2,
            0.75,
            0.24,
        ),
        Patch(
            "reed",
            partial(blown, cutoff_hz=2600, slope=0.45, even=0.75),
            *(0.014, 0.045, 1.1, 0.78, 0.2, _BREATH),
        ),
        Patch(
            "clarinet",
            partial(blown, cutoff_hz=2200, slope=0.6, even=0.12, waver=0.05),
            *(0.014, 0.045, 1.1, 0.8, 0.2, _BREATH),
        ),
        Patch(
            "flute",
            partial(blown, cutoff_hz=1500, slope=1.4, even=0.7, waver=0.2, most=8),
            *(0.02, 0.05, 1.0, 0.82, 0.24, Thump(0.11, 1200, 5000, 0.1, 0.5)),
        ),
        Patch("square lead", partial(lead, hollow=0.0), 0.003, 0.035, 0.8, 0.66, 0.18),
        Patch("saw lead", lead, 0.003, 0.035, 0.8, 0.66, 0.18),
        Patch("timpani", timpani, 0.002, 0.4, 1.6, 0.7, 0.3, _FELT),
        Patch(
            "wood",
            partial(bars, ratios=(1, 2.7, 5.2), levels=(1, 0.4, 0.15), ring_s=0.16, damping=0.4),
            *(0.001, 0.1, 1.5, 0.62, 0.18, _MALLET),
        ),
        Patch(
            "steel drum",
            partial(
                bars, ratios=(1, 2, 3.0, 4.05, 6.1), levels=(1, 0.6, 0.25, 0.2, 0.1), ring_s=1.6, damping=0.3
            ),
            *(0.0015, 0.2, 1.4, 0.8, 0.26, _MALLET),
        ),
    )
}

_GENERAL_MIDI = (
    # 0 pianos
    "piano|bright piano|bright piano|honky-tonk|e-piano|fm piano|harpsichord|clavinet|"
    # 8 chromatic percussion
    "bells|bells|bells|vibraphone|marimba|xylophone|tubular bells|harp|"
    # 16 organs
    "organ|percussive organ|organ|church organ|reed organ|reed organ|reed organ|reed organ|"
    # 24 guitars
    "nylon guitar|steel guitar|clean guitar|clean guitar|muted guitar|driven guitar|driven guitar|harp|"
    # 32 basses
    "bass|bass|bright bass|bass|bright bass|bright bass|synth bass|synth bass|"
    # 40 bowed and orchestral
    "solo strings|solo strings|solo strings|solo strings|strings|muted guitar|harp|timpani|"
    # 48 ensembles
    "strings|slow strings|strings|slow strings|choir|voice|choir|brass section|"
    # 56 brass
    "brass|brass|brass|brass|brass|brass section|brass section|brass section|"
    # 64 reeds
    "reed|reed|reed|reed|reed|reed|reed|clarinet|"
    # 72 pipes
    "flute|flute|flute|flute|flute|flute|flute|flute|"
    # 80 leads
    "square lead|saw lead|flute|saw lead|saw lead|voice|saw lead|synth bass|"
    # 88 pads
    "pad|pad|bright pad|choir|bright pad|bright pad|pad|bright pad|"
    # 96 effects
    "bright pad|pad|bells|steel guitar|bright pad|pad|bright pad|pad|"
    # 104 from everywhere
    "koto|koto|koto|koto|marimba|reed organ|solo strings|reed|"
    # 112 percussive
    "bells|steel drum|steel drum|wood|timpani|timpani|timpani|pad|"
    # 120 sound effects
    "muted guitar|flute|pad|bells|bells|pad|pad|timpani"
).split("|")


def patch_for(program: int) -> Patch:
    """The patch of a General MIDI program 0–127."""
    return PATCHES[_GENERAL_MIDI[program & 127]]


@lru_cache(maxsize=4096)
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


@lru_cache(maxsize=1024)
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
        _rng(pitch, 11), n, rate_hz, md.band(thump.low_hz * ratio, min(thump.high_hz * ratio, rate_hz / 3))
    )
    shaped = noise * np.exp(-np.arange(n) / (thump.decay_s * rate_hz))
    wave = md.soft_start(shaped, rate_hz, 0.0015, 0.005)
    return (wave * thump.level * patch.level * REFERENCE_RMS * 2).astype(np.float32)
