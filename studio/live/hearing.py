"""What comes in over MIDI as inputs of the conductor: keys, controllers, and a master's clock."""

from __future__ import annotations

from midi.follower import ClockFollower
from midi.messages import Kind, MidiInput
from studio.live.messages import (
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    SetPlaying,
    SourceLost,
)

FOLLOW_INTERVAL_S = 0.020
"""How often the conductor is told the master's beat: as often as pulses come at 125 bpm."""


def to_input(message: MidiInput) -> Input | None:
    """What a MIDI message means to the conductor; channels do not matter. None for nothing."""
    if message.kind is Kind.NOTE_ON:
        return KeyDown(message.time_s, message.data1, message.data2, message.source)
    if message.kind is Kind.NOTE_OFF:
        return KeyUp(message.time_s, message.data1, message.source)
    if message.kind is Kind.CONTROL:
        return ControllerMoved(message.time_s, message.data1, message.data2, message.source)
    if message.kind is Kind.SOURCE_LOST:
        return SourceLost(message.time_s, message.source)
    return None


class ClockInput:
    """A MIDI clock as inputs: the master's beat, start and stop. One thread only."""

    def __init__(self) -> None:
        self.follower = ClockFollower()
        self._next_s = float("-inf")

    def take(self, message: MidiInput) -> list[Input]:
        """Feed one transport message."""
        at_s, follower = message.time_s, self.follower
        match message.kind:
            case Kind.CLOCK:
                follower.pulse(at_s)
            case Kind.SONG_POSITION:
                follower.song_position(message.value14)
            case Kind.START:
                follower.start(at_s)
                return [SetPlaying(at_s, is_playing=True)]
            case Kind.CONTINUE:
                follower.resume(at_s)
                return [SetPlaying(at_s, is_playing=True)]
            case Kind.STOP:
                follower.stop(at_s)
                return [SetPlaying(at_s, is_playing=False)]
        return []

    def due(self, now_s: float) -> list[Input]:
        """The master's beat, a few dozen times a second while it runs."""
        bpm = self.follower.bpm
        if now_s < self._next_s or bpm is None or not self.follower.running:
            return []
        self._next_s = now_s + FOLLOW_INTERVAL_S
        return [FollowClock(now_s, self.follower.beat_at(now_s), bpm)]


CLOCK_KINDS = frozenset({Kind.CLOCK, Kind.START, Kind.CONTINUE, Kind.STOP, Kind.SONG_POSITION})
"""Messages of a MIDI clock; without a follower they mean nothing."""
