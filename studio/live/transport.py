"""Musical time: seconds of the engine's clock to beats and grid ticks, and back. Pure and immutable."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midi.events import GRID_PER_BEAT

MIN_BPM, MAX_BPM = 20.0, 400.0
"""Tempi outside are clamped: below, a beat outlasts any plan; above, no one plays."""

GLIDE_BEATS = 1.0
"""A small phase error of an external clock is worked off over this many beats."""

LARGE_ERROR_BEATS = 0.25
"""Phase errors above are not heard as drift but as a jump (song position, lost ticks): follow at once."""


@dataclass(frozen=True, slots=True)
class Transport:
    """Piecewise linear musical time from an anchor on.

    Attributes:
        bpm: Nominal tempo.
        anchor_s: Engine time of the anchor.
        anchor_beat: Beat at the anchor; also the beat shown while the transport stands.
        is_running: False until it starts, and after a stop.
        glide_bpm: Tempo during the glide that follows the anchor.
        glide_s: Length of that glide; 0 for none.
    """

    bpm: float = 120.0
    anchor_s: float = 0.0
    anchor_beat: float = 0.0
    is_running: bool = False
    glide_bpm: float = 120.0
    glide_s: float = 0.0

    def beat_at(self, time_s: float) -> float:
        """Beat at a time; before the anchor it is continued backwards."""
        if not self.is_running:
            return self.anchor_beat
        passed = time_s - self.anchor_s
        gliding = min(passed, self.glide_s) if self.glide_s else 0.0
        return self.anchor_beat + (gliding * self.glide_bpm + (passed - gliding) * self.bpm) / 60.0

    def ticks_at(self, time_s: float) -> float:
        """Fractional grid tick at a time."""
        return self.beat_at(time_s) * GRID_PER_BEAT

    def seconds_at(self, tick: float) -> float:
        """Time at which a grid tick comes, if nothing changes; the inverse of :meth:`ticks_at`."""
        beats = tick / GRID_PER_BEAT - self.anchor_beat
        glide_beats = self.glide_s * self.glide_bpm / 60.0
        gliding = min(beats, glide_beats) if self.glide_s else 0.0
        return self.anchor_s + gliding * 60.0 / self.glide_bpm + (beats - gliding) * 60.0 / self.bpm

    def start(self, at_s: float, beat: float) -> Transport:
        """Running from ``beat`` at ``at_s``."""
        return Transport(self.bpm, at_s, beat, is_running=True)

    def stop(self, at_s: float) -> Transport:
        """Standing at the beat reached."""
        return Transport(self.bpm, at_s, self.beat_at(at_s), is_running=False)

    def with_tempo(self, at_s: float, bpm: float) -> Transport:
        """Another tempo from ``at_s`` on; beats already passed stay where they are."""
        clamped = min(max(bpm, MIN_BPM), MAX_BPM)
        return replace(self, bpm=clamped, anchor_s=at_s, anchor_beat=self.beat_at(at_s), glide_s=0.0)

    def phase_error(self, at_s: float, beat: float, bar_start_beat: float, bar_beats: float) -> float:
        """How far an external clock is ahead of us within the bar, in beats, ``[-bar/2, bar/2)``.

        Whole bars do not count, so a master that starts elsewhere in its song needs no jump.
        """
        ahead = beat - (self.beat_at(at_s) - bar_start_beat)
        return (ahead + bar_beats / 2) % bar_beats - bar_beats / 2

    def follow(self, at_s: float, bpm: float, error_beats: float, bar_beats: float) -> Transport:
        """Take over a master's tempo and work off a phase error.

        A small error glides away within :data:`GLIDE_BEATS`. A large one jumps, always forward (by
        less than a bar), because musical time that has been played cannot be taken back.
        """
        steady = self.with_tempo(at_s, bpm)
        if abs(error_beats) > LARGE_ERROR_BEATS:
            return replace(steady, anchor_beat=steady.anchor_beat + error_beats % bar_beats)
        if error_beats == 0.0:
            return steady
        glide_bpm = steady.bpm * (GLIDE_BEATS + error_beats) / GLIDE_BEATS
        return replace(steady, glide_bpm=glide_bpm, glide_s=GLIDE_BEATS * 60.0 / steady.bpm)
