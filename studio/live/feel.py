"""How planned notes are given out: register, loudness, swing, looseness; and what can be steered. Pure.

What changes what the model draws is ``Steering`` (:mod:`models.sequence.plan`). Here is what only concerns
giving out, or moves the range that the model is asked for. The model is always told the notes as they were
planned, so that it never reacts to its own feel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from midi.events import GRID_PER_BEAT
from models.sequence.plan import STEERING_RANGES, PlannedNote, Steering
from studio.live.loose import AS_PLAYED, Looseness

if TYPE_CHECKING:
    from studio.live.messages import Sound

MEZZO_FORTE = 80
"""Velocity of *mf* in the usual mapping of dynamics to MIDI, around which loudness is followed."""

MEMORY_S = 3.0
"""Time constant of the player's recent loudness: a phrase, not a note."""


@dataclass(frozen=True, slots=True)
class Feel:
    """How the partner's notes are given out; the defaults leave every note as it was planned.

    Attributes:
        register: Semitones by which the partner's lowest and highest pitch are moved together, −24–24.
        dynamics: How strongly the partner's loudness follows the player's recent loudness, 0–1: 0 keeps its
            own; at 1 it is scaled by the player's average velocity over *mf* (80), accents kept.
        swing: Delay of the off-beat eighths, 0–1: 0 straight, 1 triplet swing (at 2/3 of the beat).
            Sixteenths move along.
        velocity: Added to the velocity of the partner's notes, −40–40.
        looseness: How far notes stray from the grid, 0–1: 0 not at all, 1 as people's do
            (:mod:`studio.live.loose`). The programs begin with 1.
    """

    register: int = 0
    dynamics: float = 0.0
    swing: float = 0.0
    velocity: int = 0
    looseness: float = 0.0


@dataclass(frozen=True, slots=True)
class Steerable:
    """One thing that a knob or a controller can steer.

    Attributes:
        name: Target of ``Steer``.
        label: For people.
        low: Smallest value.
        high: Largest value.
        default: Value at the start.
        unit: In words; empty for a plain number.
        is_whole: Only whole numbers.
    """

    name: str
    label: str
    low: float
    high: float
    default: float
    unit: str = ""
    is_whole: bool = False

    def scaled(self, share: float) -> float:
        """The value at a share 0–1 of the range."""
        value = self.low + min(max(share, 0.0), 1.0) * (self.high - self.low)
        return round(value) if self.is_whole else value

    def of(self, steering: Steering, feel: Feel) -> float:
        """The value now."""
        return float(getattr(feel if self.name in FEEL_TARGETS else steering, self.name))


_STEERING, _FEEL = Steering(), Feel()

STEERABLE: dict[str, Steerable] = {
    each.name: each
    for each in (
        Steerable("temperature", "Temperature", *STEERING_RANGES["temperature"], _STEERING.temperature),
        Steerable("density", "Density", *STEERING_RANGES["density"], _STEERING.density),
        Steerable("register", "Register", -24, 24, _FEEL.register, "semitones", is_whole=True),
        Steerable("follow", "Follow", *STEERING_RANGES["follow"], _STEERING.follow),
        Steerable("swing", "Swing", 0.0, 1.0, _FEEL.swing),
        Steerable("dynamics", "Dynamics", 0.0, 1.0, _FEEL.dynamics),
        Steerable("looseness", "Looseness", 0.0, 1.0, AS_PLAYED),
        Steerable("velocity", "Velocity", -40, 40, _FEEL.velocity, is_whole=True),
    )
}
"""What the knobs of the window and MIDI learn steer, in the order in which knobs stand."""

FEEL_TARGETS = frozenset(field.name for field in fields(Feel))
"""Targets of ``Steer`` that are fields of :class:`Feel`; the others are fields of ``Steering``."""


def steer_feel(feel: Feel, target: str, value: object) -> Feel:
    """Feel with one field changed; values are clamped, and what makes no sense changes nothing."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if target not in FEEL_TARGETS or not is_number:
        return feel
    known = STEERABLE[target]
    clamped = min(max(float(value), known.low), known.high)  # type: ignore[arg-type]
    changed: dict[str, Any] = {target: round(clamped) if known.is_whole else clamped}
    return replace(feel, **changed)


def swung(tick: float, amount: float) -> float:
    """Where a grid tick is heard: never earlier, order kept, beats unmoved.

    Each half of the beat is stretched evenly: the off-beat eighth goes from 1/2 of the beat to
    ``1/2 + amount/6``, which is the triplet's 2/3 at 1 (beat-upbeat ratio 2:1, Friberg and Sundström 2002,
    "Swing ratios and ensemble timing in jazz performance").
    """
    if amount <= 0.0:
        return tick
    beat, place = divmod(tick, GRID_PER_BEAT)
    half = GRID_PER_BEAT / 2
    moved = half + amount * GRID_PER_BEAT / 6
    within = (
        place * moved / half if place <= half else moved + (place - half) * (GRID_PER_BEAT - moved) / half
    )
    return beat * GRID_PER_BEAT + within


class Loudness:
    """The player's recent loudness: a mean of velocities that forgets within :data:`MEMORY_S`."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0
        self._at_s = 0.0

    def hear(self, at_s: float, velocity: int) -> None:
        """The player pressed a key."""
        kept = math.exp(-max(0.0, at_s - self._at_s) / MEMORY_S) if self._weight else 0.0
        self._at_s = max(at_s, self._at_s)
        self._sum = self._sum * kept + velocity
        self._weight = self._weight * kept + 1.0

    @property
    def mean(self) -> float | None:
        """Average velocity; None before the first key."""
        return self._sum / self._weight if self._weight else None


class Shaping:
    """The feel of one performance while it goes on. One thread only.

    Another swing begins at the next beat that is not given out yet, where straight and swung time meet, so
    that no note jumps into the past and none overtakes another.

    Args:
        feel: At the start.
        seed: Of the deviations from the grid.
    """

    def __init__(self, feel: Feel, seed: int = 0) -> None:
        self.feel = feel
        self._looseness = Looseness(seed)
        self._loudness = Loudness()
        self._swing_before = feel.swing
        self._swing_from = -math.inf

    def steer(self, target: str, value: object, horizon_ticks: float) -> bool:
        """Change one field; whether anything changed. ``horizon_ticks``: how far sounds were given out."""
        feel = steer_feel(self.feel, target, value)
        if feel == self.feel:
            return False
        if feel.swing != self.feel.swing and horizon_ticks >= self._swing_from:
            self._swing_before = self.feel.swing
            self._swing_from = math.ceil(horizon_ticks / GRID_PER_BEAT) * GRID_PER_BEAT
        self.feel = feel
        return True

    def hear(self, at_s: float, velocity: int) -> None:
        """The player pressed a key."""
        self._loudness.hear(at_s, velocity)

    def placed(self, steering: Steering) -> Steering:
        """Steering with the register worked into its pitches."""
        register = self.feel.register
        if not register:
            return steering
        low, high = (min(max(p + register, 0), 127) for p in (steering.low_pitch, steering.high_pitch))
        return replace(steering, low_pitch=low, high_pitch=high)

    def loosened(self, notes: Sequence[PlannedNote], tick_s: float) -> list[float]:
        """How many ticks later than planned each of the notes now settled is struck; below 0 earlier."""
        return self._looseness.ticks(notes, self.feel.looseness, tick_s)

    def swung(self, tick: float) -> float:
        """Where a planned tick is heard."""
        return swung(tick, self._swing_before if tick < self._swing_from else self.feel.swing)

    def timing(self, seconds_at: Callable[[float], float]) -> Callable[[float], float]:
        """Musical time to seconds, swing included."""
        if not self.feel.swing and not self._swing_before:
            return seconds_at
        return lambda tick: seconds_at(self.swung(tick))

    def shape(self, sounds: Iterable[Sound]) -> list[Sound]:
        """The partner's sounds at the loudness asked for, 1–127, no two quite alike; offs stay as are."""
        feel, mean = self.feel, self._loudness.mean
        gain = 1.0 if mean is None else 1.0 + feel.dynamics * (mean / MEZZO_FORTE - 1.0)
        if gain == 1.0 and not feel.velocity and not feel.looseness:
            return list(sounds)

        def shaped(velocity: int) -> int:
            wanted = velocity * gain + feel.velocity + self._looseness.touch(feel.looseness)
            return min(max(round(wanted), 1), 127)

        return [replace(s, velocity=shaped(s.velocity)) if s.kind == "on" else s for s in sounds]
