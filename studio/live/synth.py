"""The built-in synthesizer: sample-accurate events in, stereo blocks out.

Pure numpy: no thread, clock or device. ``schedule`` may be called from one other thread than ``render``
(it only appends to a deque); everything else happens inside ``render``. Sound does not depend on the block
size.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from midi.note import DRUM_CHANNEL
from studio.live import drumkit
from studio.live.effects import PARTITION, Limiter, Reverb
from studio.live.patches import PIANO, Patch, note_thump, patch_for
from studio.live.voices import CHUNK, NEVER, VoiceBank, plan_note

Audio = NDArray[np.float32]

VOLUME, PAN, EXPRESSION, PEDAL = 7, 10, 11, 64
ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123
CLICK_CHANNEL, PLAYER_DRUMS_CHANNEL = 16, 17
"""Drum kits beyond MIDI's channels, so that clicks and the player's drums have volumes of their own."""

DRUM_CHANNELS = frozenset({DRUM_CHANNEL, CLICK_CHANNEL, PLAYER_DRUMS_CHANNEL})
_N_CHANNELS = 18

_GAIN_CONTROLS = (VOLUME, PAN, EXPRESSION, RESET_CONTROLLERS)

CONTROL_GRID = 32
"""Volume, pan and expression take effect on this grid of frames (0.7 ms), which bounds the work."""

GAIN_TIME_S = 0.006
"""Time constant with which a channel's gain follows its controllers."""


@dataclass(frozen=True, slots=True)
class SynthEvent:
    """Something to play at an absolute frame.

    Attributes:
        frame: Frames since the synth started; an event in the past plays at the next block's start.
        kind: ``on``, ``off``, ``control`` or ``panic`` (all channels, whatever is queued included).
        channel: 0–15, where 9 is the drum kit, or one more drum kit of :data:`DRUM_CHANNELS`.
        pitch: 0–127, or the controller number.
        velocity: 1–127 (an ``on`` with 0 is an ``off``), or the controller value.
        note_id: Matches an ``off`` to its ``on``, so an old off never cuts a re-struck note. -1 means
            "by channel and pitch".
        gain: Of a ``gain``: factor on everything of the channel, beside its controllers.
    """

    frame: int
    kind: Literal["on", "off", "control", "panic", "gain"]
    channel: int = 0
    pitch: int = 0
    velocity: int = 0
    note_id: int = -1
    gain: float = 1.0


def _changes_gain(event: SynthEvent) -> bool:
    return event.kind == "gain" or (event.kind == "control" and event.pitch in _GAIN_CONTROLS)


class Instrument(Protocol):
    """What the engine needs of any synth, built in or SoundFont."""

    frame: int

    def set_program(self, channel: int, program: int) -> None:
        """Choose a General MIDI program 0–127 for a channel 0–15."""

    def schedule(self, event: SynthEvent) -> None:
        """Play an event at its frame."""

    def note_on(self, channel: int, pitch: int, velocity: int, note_id: int = -1) -> None:
        """Strike a note at the next block's first frame."""

    def note_off(self, channel: int, pitch: int, note_id: int = -1) -> None:
        """Let a note go at the next block's first frame."""

    def control(self, channel: int, number: int, value: int) -> None:
        """Send a controller at the next block's first frame."""

    def render(self, n_frames: int) -> Audio:
        """The next frames as [n_frames, 2] in -1 to 1."""


@dataclass(slots=True, eq=False)
class _Channel:
    """Controllers of one channel and its smoothed gain [2]."""

    patch: Patch
    gain: NDArray[np.float64]
    volume: int = 100
    pan: int = 64
    expression: int = 127
    trim: float = 1.0
    pedal: bool = False
    moving: bool = False

    def target(self) -> NDArray[np.float64]:
        """Gain asked for: squares of volume and expression (General MIDI 2), 1 at volume 100."""
        level = self.trim * (self.volume / 100) ** 2 * (self.expression / 127) ** 2
        angle = np.clip((self.pan - 1) / 126, 0, 1) * np.pi / 2
        return np.asarray(level * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]))


@dataclass(slots=True, eq=False)
class _Hit:
    """A wave being played once: a drum, or the noise at the start of a note."""

    wave: Audio
    start: int
    channel: int
    gain: NDArray[np.float64]
    send: float
    choke: int = 0
    is_drum: bool = False
    kill: int = NEVER


class Synth:
    """Procedural instruments on 16 channels.

    Args:
        rate_hz: Sample rate.
        max_voices: Notes that may sound at once; a further one takes the place of the oldest.
        seed: Seed of the room; instruments always sound the same.
        has_drums: Make the drums now (a quarter of a second) instead of each at its first hit, or when
            ``prepare_drums`` is called.

    Attributes:
        frame: Frames rendered so far.
        dropped_notes: Note-ons not played because too many came at once.
    """

    def __init__(
        self, rate_hz: int = 48000, *, max_voices: int = 64, seed: int = 0, has_drums: bool = True
    ) -> None:
        self.rate_hz = rate_hz
        self.frame = 0
        self.dropped_notes = 0
        self._max_voices = max_voices
        self._inbox: deque[SynthEvent] = deque()
        self._queue: list[tuple[int, int, SynthEvent]] = []
        self._order = 0
        self._bank = VoiceBank(rate_hz, max_voices)
        self._hits: list[_Hit] = []
        self._channels = [_Channel(PIANO, np.ones(2)) for _ in range(_N_CHANNELS)]
        for channel in self._channels:
            channel.gain = channel.target()
        self._reverb = Reverb(rate_hz, seed)
        self._limiter = Limiter(rate_hz)
        if has_drums:
            self.prepare_drums()
        self.prepare(0)

    @property
    def active_voices(self) -> int:
        """Notes and drums sounding, without those fading after being stolen or cut."""
        drums = sum(hit.is_drum and hit.kill == NEVER for hit in self._hits)
        return int(np.count_nonzero(self._bank.alive())) + drums

    def prepare_drums(self) -> None:
        """Make every drum now; from any thread."""
        drumkit.prepare(self.rate_hz)

    def prepare(self, program: int, pitch: int | None = None) -> None:
        """Make the tables of a program's 88 keys (some 50 ms), or of one, now and not at the first hit."""
        patch = patch_for(program)
        for key in range(21, 109) if pitch is None else (pitch,):
            plan_note(patch.name, key, self.rate_hz)
            note_thump(patch.name, key // 6, self.rate_hz)

    def set_program(self, channel: int, program: int) -> None:
        """Choose a General MIDI program 0–127; sounding notes keep theirs. Channel 9 stays the drum kit."""
        self._channels[channel & 15].patch = patch_for(program)

    def schedule(self, event: SynthEvent) -> None:
        """Play an event at its frame; one in the past plays at the start of the next block."""
        self._inbox.append(event)

    def note_on(self, channel: int, pitch: int, velocity: int, note_id: int = -1) -> None:
        """Strike a note at the next block's first frame."""
        self.schedule(SynthEvent(self.frame, "on", channel, pitch, velocity, note_id))

    def note_off(self, channel: int, pitch: int, note_id: int = -1) -> None:
        """Let a note go at the next block's first frame."""
        self.schedule(SynthEvent(self.frame, "off", channel, pitch, 0, note_id))

    def control(self, channel: int, number: int, value: int) -> None:
        """Send a controller at the next block's first frame."""
        self.schedule(SynthEvent(self.frame, "control", channel, number, value))

    def panic(self) -> None:
        """Silence everything within 5 ms of the next block's first frame, and forget what is queued."""
        self.schedule(SynthEvent(self.frame, "panic"))

    def render(self, n_frames: int) -> Audio:
        """The next ``n_frames`` as [n_frames, 2], every sample within ±0.98."""
        out = np.zeros((n_frames, 2), dtype=np.float32)
        self._drain(self.frame)
        done = 0
        while done < n_frames:
            n = min(n_frames - done, PARTITION - self.frame % PARTITION, CHUNK)
            events, n = self._due(n)
            for event in events:
                self._play(event, max(event.frame, self.frame))
            out[done : done + n] = self._chunk(n).T
            done += n
        return out

    def _drain(self, first_frame: int) -> None:
        """Sort what has come in since the last block into the queue."""
        while self._inbox:
            event = self._inbox.popleft()
            frame = max(event.frame, first_frame)
            if _changes_gain(event):
                frame = -(-frame // CONTROL_GRID) * CONTROL_GRID
            if frame != event.frame:
                event = replace(event, frame=frame)
            self._order += 1
            heappush(self._queue, (frame, self._order, event))

    def _due(self, n: int) -> tuple[list[SynthEvent], int]:
        """Events of the next chunk, and its length: a gain change only ever stands at a chunk's start."""
        events: list[SynthEvent] = []
        while self._queue and self._queue[0][0] < self.frame + n:
            frame, _, event = self._queue[0]
            if _changes_gain(event) and frame > self.frame:
                n = frame - self.frame
                break
            heappop(self._queue)
            events.append(event)
            if event.kind == "panic":
                self._queue.clear()
        strikes = [i for i, event in enumerate(events) if event.kind == "on"]
        surplus = len(strikes) - self._max_voices
        if surplus > 0:
            # They would be stolen inside this very chunk, before anybody hears them.
            dropped = set(strikes[:surplus])
            self.dropped_notes += surplus
            events = [event for i, event in enumerate(events) if i not in dropped]
        return events, n

    def _play(self, event: SynthEvent, frame: int) -> None:
        if event.kind == "panic":
            self._silence(None, frame)
            for channel in self._channels:
                channel.pedal = False
        elif event.kind == "control":
            self._control(event.channel & 15, event.pitch, event.velocity, frame)
        elif event.kind == "gain":
            channel = self._channels[event.channel]
            channel.trim, channel.moving = event.gain, True
        elif event.kind == "off" or event.velocity <= 0:
            self._let_go(event, frame)
        elif event.channel in DRUM_CHANNELS:
            self._strike_drum(event, frame)
        else:
            self._strike(event, frame)

    def _strike(self, event: SynthEvent, frame: int) -> None:
        channel, pitch = event.channel & 15, event.pitch & 127
        velocity = min(event.velocity, 127)
        patch = self._channels[channel].patch
        self._bank.restrike(channel, pitch, frame)
        row = self._bank.add(plan_note(patch.name, pitch, self.rate_hz), velocity, self.frame, frame)
        if row < 0:
            self.dropped_notes += 1
            return
        self._bank.channel[row] = channel
        self._bank.pitch[row] = pitch
        self._bank.note_id[row] = event.note_id
        thump = note_thump(patch.name, pitch // 6, self.rate_hz)
        if thump is not None:
            gain = np.full(2, (velocity / 127) ** (patch.dynamic + 0.4))
            self._add_hit(_Hit(thump, frame, channel, gain, patch.send))

    def _strike_drum(self, event: SynthEvent, frame: int) -> None:
        drum = drumkit.drum_hit(event.pitch & 127, self.rate_hz)
        if drum.choke:
            for hit in self._hits:
                if hit.choke == drum.choke:
                    hit.kill = min(hit.kill, frame)
        angle = (drum.pan + 1) * np.pi / 4
        loud = (min(event.velocity, 127) / 127) ** 1.5
        gain = loud * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)])
        self._add_hit(_Hit(drum.wave, frame, event.channel, gain, drum.send, drum.choke, is_drum=True))

    def _add_hit(self, hit: _Hit) -> None:
        """Play a wave; beyond the limit the oldest fades."""
        sounding = [other for other in self._hits if other.kill == NEVER]
        if len(sounding) >= self._max_voices:
            sounding[0].kill = hit.start
        self._hits.append(hit)

    def _let_go(self, event: SynthEvent, frame: int) -> None:
        bank, n = self._bank, self._bank.count
        match = (bank.channel[:n] == event.channel & 15) & (bank.note_id[:n] == event.note_id) & ~bank.off[:n]
        if event.note_id < 0:
            match &= bank.pitch[:n] == event.pitch & 127
        rows = np.flatnonzero(match)
        bank.off[rows] = True
        if self._channels[event.channel & 15].pedal:
            bank.pedaled[rows] = True
        else:
            bank.let_go(rows, frame)

    def _control(self, channel: int, number: int, value: int, frame: int) -> None:
        state = self._channels[channel]
        if number == VOLUME:
            state.volume = value
        elif number == PAN:
            state.pan = value
        elif number == EXPRESSION:
            state.expression = value
        elif number == PEDAL:
            self._press(channel, value >= 64, frame)
        elif number == ALL_SOUND_OFF:
            self._silence(channel, frame)
        elif number == RESET_CONTROLLERS:
            # Volume and pan stay as they are (MMA recommended practice RP-015).
            state.expression = 127
            self._press(channel, False, frame)
        elif number == ALL_NOTES_OFF:
            self._all_off(channel, frame)
        state.moving = True

    def _press(self, channel: int, down: bool, frame: int) -> None:
        """Sustain pedal: lifting it lets go of every note whose key is up."""
        self._channels[channel].pedal = down
        if not down:
            bank, n = self._bank, self._bank.count
            rows = np.flatnonzero((bank.channel[:n] == channel) & bank.pedaled[:n])
            bank.pedaled[rows] = False
            bank.let_go(rows, frame)

    def _all_off(self, channel: int, frame: int) -> None:
        """Lift every key of a channel; a pedal still holds."""
        bank, n = self._bank, self._bank.count
        rows = np.flatnonzero((bank.channel[:n] == channel) & ~bank.off[:n])
        bank.off[rows] = True
        if self._channels[channel].pedal:
            bank.pedaled[rows] = True
        else:
            bank.let_go(rows, frame)

    def _silence(self, channel: int | None, frame: int) -> None:
        """Fade every voice of a channel (or of all) within 5 ms."""
        bank, n = self._bank, self._bank.count
        mine = np.ones(n, dtype=np.bool_) if channel is None else bank.channel[:n] == channel
        bank.off[:n] |= mine
        bank.kill[:n][mine] = np.minimum(bank.kill[:n][mine], frame)
        for hit in self._hits:
            if channel is None or hit.channel == channel:
                hit.kill = min(hit.kill, frame)

    def _chunk(self, n: int) -> Audio:
        """Dry sound, reverb and limiter of the next n frames [2, n]."""
        dry = np.zeros((2, n), dtype=np.float32)
        send = np.zeros(n, dtype=np.float32)
        ramps = self._ramps(n)
        if self._bank.count:
            self._mix_voices(dry, send, ramps, n)
        if self._hits:
            self._mix_hits(dry, send, ramps, n)
        self.frame += n
        self._bank.sweep(self.frame)
        dry += self._reverb.process(send)
        return self._limiter.process(dry)

    def _ramps(self, n: int) -> dict[int, Audio]:
        """Gains [2, n] of the channels whose gain is on its way to a new value."""
        ramps = {}
        for i, channel in enumerate(self._channels):
            if not channel.moving:
                continue
            target = channel.target()
            away = channel.gain - target
            decay = np.exp(np.arange(n + 1) / (-GAIN_TIME_S * self.rate_hz))
            curve = target[:, None] + away[:, None] * decay
            ramps[i] = curve[:, :n].astype(np.float32)
            channel.gain = curve[:, n]
            if np.max(np.abs(away)) < 1e-5:
                channel.gain, channel.moving = target, False
        return ramps

    def _mix_voices(self, dry: Audio, send: Audio, ramps: dict[int, Audio], n: int) -> None:
        wave = self._bank.render(self.frame, n)
        channels = self._bank.channel[: self._bank.count]
        gains = np.stack([channel.gain for channel in self._channels]).astype(np.float32)
        for i, ramp in ramps.items():
            gains[i] = 1.0
            wave[channels == i] *= ramp
        # Rows: dry and send; one small product per side.
        weights = np.stack(
            [np.ones_like(self._bank.send[: len(channels)]), 0.5 * self._bank.send[: len(channels)]]
        )
        for side in (0, 1):
            mixed = (weights * gains[channels, side]) @ wave[:, side]
            dry[side] += mixed[0]
            send += mixed[1]

    def _mix_hits(self, dry: Audio, send: Audio, ramps: dict[int, Audio], n: int) -> None:
        kept = []
        fade = self._bank.kill_frames
        for hit in self._hits:
            first = self.frame - hit.start
            a, b = max(0, -first), min(n, len(hit.wave) - first)
            if a < b:
                wave = hit.wave[first + a : first + b]
                if hit.kill < self.frame + b:
                    past = np.arange(self.frame + a, self.frame + b) - hit.kill
                    wave = wave * np.clip(1 - past / fade, 0, 1).astype(np.float32)
                ramp = ramps.get(hit.channel)
                gain = self._channels[hit.channel].gain[:, None] if ramp is None else ramp[:, a:b]
                stereo = (hit.gain[:, None] * gain).astype(np.float32) * wave
                dry[:, a:b] += stereo
                send[a:b] += 0.5 * hit.send * stereo.sum(axis=0)
            if len(hit.wave) > first + n and self.frame + n - hit.kill <= fade:
                kept.append(hit)
        self._hits = kept
