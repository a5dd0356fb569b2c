"""What procedural instruments are made of: builders from a pitch 0–127 to ``Modes``.

Decay and spectrum figures are from the physics quoted beside them where there is one, otherwise set by
spectrogram and by comparing levels. Loudness does not matter here: ``patches`` evens it out.
"""

from __future__ import annotations

import numpy as np

from studio.live import modes as md
from studio.live.modes import Array, Modes, pitch_hz

VOWEL_AH = ((730.0, 130.0, 1.0), (1150.0, 160.0, 0.7), (2700.0, 300.0, 0.18))
VOWEL_OO = ((380.0, 120.0, 1.0), (850.0, 150.0, 0.35), (2500.0, 300.0, 0.04))
"""Formants as (centre Hz, half width Hz, gain), after Peterson & Barney (1952)."""


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
    """Struck bar, bell or glass: a few stretched modes.

    ``ring_s`` is the time to -60 dB at C5; it halves every 20 semitones.
    """
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
        amplitude = k**-slope * (0.04 + np.asarray(vowel))
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
    """Synthesizer lead: two detuned saws whose filter closes after the attack; ``hollow`` 0 is a square."""
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
