"""A clock for the eye: between two looks at the desk the beat runs on evenly, never backwards."""

from __future__ import annotations

from studio.live.messages import Snapshot

MAX_AHEAD_S = 0.35
"""The beat runs on this long without news; a desk that says nothing for longer has stopped."""

JUMP_BEATS = 0.5
"""Errors above are no jitter but a start, a stop or a jump of the master's clock: follow at once."""

CATCH_UP_PER_S = 5.0
"""Share of a small error that is worked off a second; slow enough that no one sees it."""


class SmoothClock:
    """Beat to be shown at the time of a frame. One thread only.

    Attributes:
        beat: What :meth:`advance` returned last.
    """

    def __init__(self) -> None:
        self.beat = 0.0
        self._heard_at_s = float("-inf")
        self._heard_time_s = float("-inf")
        self._shown_at_s = float("-inf")
        self._was_playing = False

    def advance(self, snapshot: Snapshot, now_s: float) -> float:
        """Beat at ``now_s`` (seconds of the window's clock, ascending).

        Ascends while the transport runs; only a start, a stop or a jump of at least
        :data:`JUMP_BEATS` takes it elsewhere.
        """
        if snapshot.time_s != self._heard_time_s:
            self._heard_time_s, self._heard_at_s = snapshot.time_s, now_s
        beats_per_s = snapshot.bpm / 60.0 if snapshot.is_playing else 0.0
        since_s = max(now_s - self._heard_at_s, 0.0)
        target = snapshot.beat + min(since_s, MAX_AHEAD_S) * beats_per_s
        passed_s = min(max(now_s - self._shown_at_s, 0.0), MAX_AHEAD_S) if since_s < MAX_AHEAD_S else 0.0
        error = target - (self.beat + passed_s * beats_per_s)
        has_begun = snapshot.is_playing and not self._was_playing
        if has_begun or not snapshot.is_playing or abs(error) > JUMP_BEATS:
            self.beat = (
                target if has_begun or abs(target - self.beat) > JUMP_BEATS else max(target, self.beat)
            )
        else:
            step = passed_s * beats_per_s + error * min(1.0, passed_s * CATCH_UP_PER_S)
            self.beat += max(0.0, step)
        self._shown_at_s, self._was_playing = now_s, snapshot.is_playing
        return self.beat


class Eased:
    """A number that glides to its target: what is left shrinks by e every ``time_s`` seconds.

    Attributes:
        value: Where it is.
    """

    def __init__(self, value: float, time_s: float) -> None:
        self.value = value
        self._time_s = time_s

    def step(self, target: float, passed_s: float, *, snap: float) -> float:
        """Move on by ``passed_s``; closer than ``snap`` it arrives."""
        left = target - self.value
        self.value = target if abs(left) <= snap else self.value + left * min(1.0, passed_s / self._time_s)
        return self.value
