"""What the desk lets be heard beside the performance: takes played back, and the test tone."""

from __future__ import annotations

from pathlib import Path

from midi.clock import Clock
from studio.live.engine import Engine
from studio.live.messages import SetPlaying, Sound, Voice
from studio.live.take import load_take
from studio.live.takeplayer import LEAD_S, TakePlayer, playback_ids

TONE_PITCHES = (60, 64, 67, 72)
TONE_STEP_S, TONE_LENGTH_S, TONE_VELOCITY = 0.12, 0.9, 84


class Playback:
    """Plays takes through the engine's sinks.

    ``play`` and ``poll`` belong to the desk's own thread, ``end`` and ``test_tone`` to the engine's
    (``Engine.call``), ``state`` to any.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._ids = playback_ids()
        # Replaced as a whole: other threads see both or neither.
        self._playing: tuple[Path, TakePlayer] | None = None

    def play(self, path: Path, from_s: float = 0.0) -> None:
        """Play a take; the transport stops, and a take that was playing ends.

        Raises:
            UserError: It is no take.
        """
        take = load_take(path)
        self._engine.send(SetPlaying(self._clock.now_s(), is_playing=False))
        self._engine.call(lambda: self._begin(path, TakePlayer(
            take, max(0.0, from_s), self._clock.now_s() + LEAD_S, next(self._ids)
        )))  # fmt: skip

    def _begin(self, path: Path, player: TakePlayer) -> None:
        self.end()
        self._playing = (path, player)
        self._engine.sound(player)

    def end(self) -> None:
        """End it, with every off that is owed; without one nothing happens."""
        playing, self._playing = self._playing, None
        if playing is not None:
            self._engine.sound(None)
            self._engine.play(playing[1].stop(self._clock.now_s()))

    def poll(self, now_s: float) -> None:
        """Let go of a take that has been played to its end."""
        playing = self._playing
        if playing is not None and playing[1].is_over(now_s):
            self._engine.call(lambda: self.end() if self._playing is playing else None)

    def state(self) -> tuple[Path | None, float, float]:
        """The take that plays, where it stands and how long it is, in seconds."""
        playing = self._playing
        if playing is None:
            return None, 0.0, 0.0
        return playing[0], playing[1].position_s(self._clock.now_s()), playing[1].duration_s

    def test_tone(self) -> None:
        """A short rising chord, on every sink."""
        begin_s, first_id = self._clock.now_s() + LEAD_S, next(self._ids)
        sounds = []
        for number, pitch in enumerate(TONE_PITCHES):
            at_s = begin_s + number * TONE_STEP_S
            sounds.append(Sound(at_s, "on", Voice.PARTNER, pitch, TONE_VELOCITY, first_id + number))
            end_s = begin_s + TONE_LENGTH_S
            sounds.append(Sound(end_s, "off", Voice.PARTNER, pitch, 0, first_id + number))
        self._engine.play(sorted(sounds, key=lambda sound: sound.time_s))
