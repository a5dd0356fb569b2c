"""When the partner plays: one policy a mode. Pure; grid ticks only."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any

from midi.events import GRID_PER_BEAT, N_INSTRUMENTS, BarGrid, Interplay
from models.sequence.plan import STEERING_RANGES, Steering
from studio.live.messages import Mode

FOREVER = 1 << 40

REST_BARS = 4
"""Bars of the player's silence that an accompanist plays through before fading out."""

FADE_BARS = 1
"""Bars over which it fades."""

MAX_ANSWER_BARS = 8
"""Longest answer; longer calls are answered by this."""

PATIENCE_BEATS = 1.0
PATIENCE_S = (0.45, 1.2)
"""Silence that ends a call: a beat, but never so short that a breath counts nor longer than awkward."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the partner may play: ``[from_tick, until_tick)``."""

    from_tick: int
    until_tick: int = FOREVER

    def contains(self, tick: int) -> bool:
        """Whether the partner may begin a note at ``tick``."""
        return self.from_tick <= tick < self.until_tick


class Policy(ABC):
    """Follows what the player does and says where the partner may play. One object a mode and performance.

    Calls come in musical order. ``frontier`` is the commit frontier: what lies before it is settled,
    so no span may begin before it.

    Args:
        grid: Bar lines.
        tick: Where the mode begins.
    """

    interplay = Interplay.ACCOMPANY
    """How the mode is told to the model."""

    plays_without_model = True
    """Whether rules fill in when the model is late; otherwise the partner is silent then."""

    def __init__(self, grid: BarGrid, tick: int = 0) -> None:
        self.grid = grid
        self.span: Span | None = None
        self.last_heard = tick

    @abstractmethod
    def onset(self, tick: int, frontier: int) -> None:
        """The player pressed a key."""

    @abstractmethod
    def release(self, tick: int, frontier: int, held: int) -> None:
        """The player released a key; ``held`` keys are still down."""

    @abstractmethod
    def update(self, tick: int, frontier: int, held: int, bpm: float) -> Span | None:
        """Where the partner may play, as things stand at ``tick``; also kept as ``span``."""

    def level(self, tick: int) -> float:  # noqa: ARG002
        """Loudness 0–1 of a partner note at ``tick``."""
        return 1.0

    @abstractmethod
    def rest(self) -> None:
        """Be silent until the player's next onset (after a panic)."""

    def bar(self, tick: int) -> tuple[int, int]:
        """First tick and length of the bar around a tick."""
        start, length = self.grid.start_and_length(tick)
        return int(start), int(length)


class Accompany(Policy):
    """Plays all the time, and fades out when the player has been silent for :data:`REST_BARS`."""

    def __init__(self, grid: BarGrid, tick: int = 0) -> None:
        super().__init__(grid, tick)
        self._is_resting = False
        self._held = 0
        self._from_tick = tick

    def onset(self, tick: int, frontier: int) -> None:
        """Resume at the frontier after a rest."""
        if self._is_resting or (self.span and frontier >= self.span.until_tick):
            self._from_tick = frontier
        self._is_resting = False
        self.last_heard = max(self.last_heard, tick)

    def release(self, tick: int, frontier: int, held: int) -> None:  # noqa: ARG002
        """The rest is counted from here when no key is left down."""
        self.last_heard = max(self.last_heard, tick)

    def update(self, tick: int, frontier: int, held: int, bpm: float) -> Span | None:  # noqa: ARG002
        """From the entry on, until the fade has ended; without end while a key is down."""
        self._held = held
        if self._is_resting:
            self.span = None
        else:
            self.span = Span(self._from_tick, FOREVER if held else self._fade()[1])
        return self.span

    def level(self, tick: int) -> float:
        """1, then falling to 0 over the fade."""
        start, end = self._fade()
        return 1.0 if self._held else min(1.0, max(0.0, (end - tick) / (end - start)))

    def rest(self) -> None:
        """Be silent until the next onset."""
        self._is_resting = True
        self.span = None

    def _fade(self) -> tuple[int, int]:
        bar_ticks = self.bar(self.last_heard)[1]
        start = self.last_heard + REST_BARS * bar_ticks
        return start, start + FADE_BARS * bar_ticks


class Respond(Policy):
    """Call and response: listens, answers for as many bars as the call had, listens again.

    The answer begins on the bar line if one comes within a beat of the end of the patience, else on
    the next beat, and ends on a bar line. When the player comes in, the partner stops at the frontier.
    """

    interplay = Interplay.TURNS
    plays_without_model = False

    def __init__(self, grid: BarGrid, tick: int = 0) -> None:
        super().__init__(grid, tick)
        self._call_from: int | None = None
        self._last_onset = tick
        self._is_pending = False  # the answer is settled but its first note is not

    def onset(self, tick: int, frontier: int) -> None:
        """Begin or continue a call; an answer that has begun is broken off at the frontier."""
        self._begin(frontier)
        if self._is_pending:
            self._put_off()
        elif self.span:
            self.span = Span(self.span.from_tick, min(self.span.until_tick, frontier))
        if self._call_from is None:
            self._call_from = tick
        self._last_onset = max(self._last_onset, tick)
        self.last_heard = max(self.last_heard, tick)

    def release(self, tick: int, frontier: int, held: int) -> None:  # noqa: ARG002
        """The call lasts at least until here; an answer that has not begun is put off."""
        self._begin(frontier)
        if self._call_from is not None:
            self.last_heard = max(self.last_heard, tick)
        if self._is_pending:
            self._put_off()

    def update(self, tick: int, frontier: int, held: int, bpm: float) -> Span | None:
        """The answer, once the call is over; the last answer stays known while the player calls."""
        self._begin(frontier)
        if self._call_from is not None and not self._is_pending:
            quiet_from = self.last_heard
            if held:  # a key held down is playing, but not for longer than a bar
                quiet_from = max(quiet_from, self._last_onset + self.bar(self._last_onset)[1])
            if not held or tick >= quiet_from:
                self.span = self._answer(self._call_from, quiet_from, frontier, bpm)
                self._is_pending = True
        return self.span

    def rest(self) -> None:
        """Be silent until the next call."""
        self._call_from = None
        self._put_off()

    def _put_off(self) -> None:
        self.span = None
        self._is_pending = False

    def _begin(self, frontier: int) -> None:
        if self._is_pending and self.span and frontier > self.span.from_tick:
            self._is_pending = False
            self._call_from = None

    def _answer(self, call_from: int, quiet_from: int, frontier: int, bpm: float) -> Span:
        beat_s = 60.0 / bpm
        patience_s = min(max(PATIENCE_BEATS * beat_s, PATIENCE_S[0]), PATIENCE_S[1])
        earliest = max(frontier, quiet_from + math.ceil(patience_s / beat_s * GRID_PER_BEAT - 1e-6))
        start, bar_ticks = self.bar(earliest)
        beat = start + -(-(earliest - start) // GRID_PER_BEAT) * GRID_PER_BEAT
        line = start + bar_ticks if earliest > start else start
        begin = line if line - beat <= GRID_PER_BEAT else beat
        # A quarter of a bar more than whole bars is an ending that rings, not another bar.
        bars = min(max(math.ceil((self.last_heard - call_from) / bar_ticks - 0.25), 1), MAX_ANSWER_BARS)
        end = begin + bars * bar_ticks
        line, length = self.bar(end)
        return Span(begin, line if end - line < length / 2 else line + length)


POLICIES: dict[Mode, type[Policy]] = {Mode.ACCOMPANY: Accompany, Mode.RESPOND: Respond}
"""The policy of each mode; a new mode is one more class here."""


def steer(steering: Steering, target: str, value: float | bool | tuple[int, ...]) -> Steering:
    """Steering with one field changed; values are clamped, and what makes no sense changes nothing."""
    if target == "instruments" and isinstance(value, tuple):
        legal = tuple(dict.fromkeys(int(k) for k in value if 0 <= k < N_INSTRUMENTS))
        return replace(steering, instruments=legal) if legal else steering
    if isinstance(value, tuple) or target not in {f.name for f in fields(steering)} - {"instruments"}:
        return steering
    if target == "hears_human":
        return replace(steering, hears_human=bool(value))
    if not math.isfinite(value):
        return steering
    low, high = STEERING_RANGES[target]
    clamped = min(max(value, low), high)
    changed: dict[str, Any] = {target: int(clamped) if target.endswith("pitch") else float(clamped)}
    return replace(steering, **changed)
