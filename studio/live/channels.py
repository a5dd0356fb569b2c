"""Who plays on which MIDI channel: the same for the synth, for MIDI ports and for files."""

from __future__ import annotations

from typing import Literal

from midi.events import CLASS_PROGRAMS, DRUMS
from midi.note import DRUM_CHANNEL
from studio.live.messages import Sound, Voice
from studio.live.synth import CLICK_CHANNEL, PLAYER_DRUMS_CHANNEL, Instrument, SynthEvent

PLAYER_CHANNEL = 0
PARTNER_CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15)
METRONOME_CHANNEL = DRUM_CHANNEL

SYNTH_CHANNELS = {
    Voice.PLAYER: (PLAYER_CHANNEL, PLAYER_DRUMS_CHANNEL),
    Voice.PARTNER: (*PARTNER_CHANNELS, DRUM_CHANNEL),
    Voice.METRONOME: (CLICK_CHANNEL,),
}
"""Where each voice is in the built-in synth, which has drum kits enough for all three."""

CHANNEL_DB = {
    **dict.fromkeys(SYNTH_CHANNELS[Voice.PARTNER], 1.5), PLAYER_CHANNEL: 9.0,
    PLAYER_DRUMS_CHANNEL: 4.0, CLICK_CHANNEL: 4.0,
}  # fmt: skip
"""Where each channel of the built-in synth stands at a volume of 0 dB. One hand's melody has to stand beside
the chords of a whole accompaniment: with the starter partner, at equal velocities, the player's keys are now
as loud as everything it plays (they were 7 to 9 dB softer), and the mix is 4 to 6 dB louder."""

_KINDS: dict[str, Literal["on", "off", "control"]] = {"on": "on", "off": "off", "control": "control"}


def gain_of(channel: int, volume_db: float = 0.0) -> float:
    """Factor on everything of a channel of the built-in synth at a volume."""
    return float(10.0 ** ((CHANNEL_DB[channel] + volume_db) / 20.0))


def balance(synth: Instrument) -> None:
    """Put every channel where it stands in the mix; before the first sound."""
    for channel in CHANNEL_DB:
        synth.schedule(SynthEvent(0, "gain", channel, gain=gain_of(channel)))


class Channels:
    """Gives every instrument class of the partner a channel of its own, at its first note.

    Same sounds in the same order, same channels. There is one channel fewer than there are classes, so
    a partner that uses all of them has its last class on the channel of the one before.
    """

    def __init__(self) -> None:
        self._of_class: dict[int, int] = {DRUMS: DRUM_CHANNEL}
        self._player_class = 0

    def channel(self, sound: Sound) -> int:
        """MIDI channel 0–15 of a sound."""
        if sound.voice is Voice.PLAYER:
            return DRUM_CHANNEL if sound.instrument == DRUMS else PLAYER_CHANNEL
        if sound.voice is Voice.METRONOME:
            return METRONOME_CHANNEL
        if sound.instrument not in self._of_class:
            n_given = len(self._of_class) - 1
            self._of_class[sound.instrument] = PARTNER_CHANNELS[min(n_given, len(PARTNER_CHANNELS) - 1)]
        return self._of_class[sound.instrument]

    def schedule(self, sound: Sound, synth: Instrument, frame: int) -> None:
        """Have the synth play a sound at a frame, with its instrument class's program."""
        is_new = sound.voice is Voice.PARTNER and sound.instrument not in self._of_class
        channel = self.channel(sound)
        if is_new:
            synth.set_program(channel, CLASS_PROGRAMS[sound.instrument])
        if sound.voice is Voice.METRONOME:
            channel = CLICK_CHANNEL
        elif sound.voice is Voice.PLAYER and sound.instrument == DRUMS:
            channel = PLAYER_DRUMS_CHANNEL
        elif sound.voice is Voice.PLAYER and sound.instrument != self._player_class:
            self._player_class = sound.instrument
            synth.set_program(channel, CLASS_PROGRAMS[sound.instrument])
        synth.schedule(
            SynthEvent(frame, _KINDS[sound.kind], channel, sound.pitch, sound.velocity, sound.note_id)
        )
