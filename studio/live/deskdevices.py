"""The devices of the desk: MIDI ports and sound, chosen and changed while it runs.

Everything here may take its time (a sound device half a second), so it belongs to the desk's own thread and
never to the engine's.
"""

from __future__ import annotations

from collections.abc import Callable

from midi.clock import Clock
from midi.errors import UserError
from midi.events import CLASS_PROGRAMS, DRUMS
from midi.messages import InputQueue
from midi.portsystem import Direction, MidiSystem, find_system
from midi.scheduler import Lateness
from studio.live.audio import Device, can_reopen, list_devices
from studio.live.desksound import SoundWatch
from studio.live.deskview import Devices
from studio.live.engine import Sink
from studio.live.messages import Voice
from studio.live.sound import Sound, silence
from studio.live.soundprocess import open_beside
from studio.live.wiring import Ports
from studio.settings import NO_DEVICE, is_none

SOUND_LOOK_S = 5.0
"""How often the list of sound devices is renewed."""

RETRY_S = 2.0
"""How often a sound device that was lost is looked for."""


class DeskDevices:
    """Ports and sound. One thread at a time; ``peak_db``, ``underruns`` and ``set_volume`` from any.

    Args:
        system: The MIDI system; None looks for one when ports are opened.
        queue: Where everything received goes.
        clock: Everybody's.
        plug: Gives the engine one more sink.
        unplug: Takes one away.
        tell: Takes a sentence and a hint for the person.
        note: Takes a sentence that is no fault.
    """

    def __init__(
        self,
        system: MidiSystem | None,
        queue: InputQueue,
        clock: Clock,
        *,
        plug: Callable[[Sink], None],
        unplug: Callable[[Sink], None],
        tell: Callable[[str, str], None],
        note: Callable[[str], None],
    ) -> None:
        self._system, self._queue, self._clock = system, queue, clock
        self._plug, self._unplug, self._tell, self._note = plug, unplug, tell, note
        self._ports: Ports | None = None
        self._sound = silence()
        self._wanted = NO_DEVICE
        self._watch = SoundWatch()
        self._lost_s: float | None = None
        self._opened_s = float("-inf")
        self._sounds: tuple[str, ...] = ()
        self._looked_s = float("-inf")
        self._instrument = 0
        self._lists_sounds = False
        self.volumes_db: dict[Voice, float] = dict.fromkeys(Voice, 0.0)
        self.lateness: Lateness | None = None

    # Ports.

    def open_ports(
        self, in_port: str | None, out_port: str | None, virtual: str | None, *, is_strict: bool
    ) -> tuple[str, ...]:
        """Open what was asked for; see :meth:`studio.live.wiring.Ports.open`.

        Args:
            in_port: Part of a name, ``none``, or None for the first there is.
            out_port: Part of a name; ``none`` or None for none.
            virtual: Name of a pair to create.
            is_strict: What was named must be there; otherwise it is waited for.

        Returns:
            Sentences about what is missing.

        Raises:
            UserError: Strictly asked, and not to be had; or a virtual port could not be made.
        """
        ports = Ports(
            self._system or find_system(), self._queue, self._clock, plug=self._plug, unplug=self._unplug
        )
        self._ports = ports
        self._lists_sounds = not is_strict
        if is_strict or virtual:
            ports.open(in_port, out_port, virtual)
        else:
            ports.expect(in_port, out_port)
        sentences, ports.sentences = tuple(ports.sentences), []
        return sentences

    @property
    def has_input(self) -> bool:
        """Whether any input is open."""
        return self._ports is not None and bool(self._ports.inputs)

    def choose_input(self, name: str | None) -> None:
        """Play from another port; ``UserError`` when it can't be had, and the one before stays."""
        if self._ports is not None:
            self._ports.choose_input(name)

    def choose_output(self, name: str | None) -> None:
        """Send to another port; ``UserError`` when it can't be had, and the one before stays."""
        if self._ports is not None:
            self._ports.choose_output(name)

    # Sound.

    def choose_sound(self, name: str) -> None:
        """Be heard on another device, or ``none``.

        Raises:
            UserError: It can't be had; the one before plays on.
        """
        before = self._sound
        is_silence = is_none(name)
        if not is_silence and before.device is not None and self._resolved(name) == before.device.name:
            return
        found = open_beside(name, self._clock)
        if found.device is None and not is_silence and before.device is not None:
            raise UserError(found.sentence, "The device before plays on.")
        self._wanted, self._lost_s = name, None
        self._take_up(found)
        before.close()
        self._get_ready()
        if found.sentence:
            self._tell(found.sentence, "Choose another sound device, or send to a MIDI port.")

    def _take_up(self, found: Sound) -> None:
        """Be heard there instead of where it was before."""
        before, self._sound = self._sound, found
        self._opened_s = self._clock.now_s()
        for voice, gain_db in self.volumes_db.items():
            self.set_volume(voice, gain_db)
        for sink in found.sinks:
            self._plug(sink)
        for sink in before.sinks:
            self._unplug(sink)

    def _get_ready(self) -> None:
        self._prepare()
        self._sound.prepare_drums()

    def _watch_sound(self, now_s: float) -> None:
        """Notice a device that was lost; take it up when it is back, or any where none was named."""
        device = self._sound.device
        if device is not None and self._watch.is_lost(device, now_s):
            self._lose(device, now_s)
        elif self._lost_s is not None and now_s - self._lost_s >= RETRY_S:
            self._lost_s = now_s
            self._find_lost()

    def _lose(self, device: Device, now_s: float) -> None:
        lost, reason = self._sound, device.reason
        is_steady = now_s - self._opened_s >= RETRY_S
        self._take_up(silence())
        lost.abandon()
        if reason:
            # A process that died may have another at once; one that dies as soon as it plays has to wait.
            self._lost_s = now_s - RETRY_S if is_steady else now_s
            self._tell(reason, "It starts again by itself.")
        elif can_reopen():
            self._lost_s = now_s
            self._tell(f"The sound device {device.name} is gone.", "Plug it in again, or choose another.")
        else:
            self._tell(f"The sound device {device.name} is gone.", "Start JACK, then Antiphon again.")

    def _find_lost(self) -> None:
        if not self._resolved(self._wanted):
            return
        found = open_beside(self._wanted, self._clock)
        if found.device is None:
            return
        self._lost_s = None
        self._take_up(found)
        self._get_ready()
        self._note(f"Sound is heard again: {found.device.name}.")

    def _resolved(self, name: str) -> str:
        wanted = "" if name.strip().casefold() == "default" else name.strip().casefold()
        return next((each for each in list_devices() if wanted in each.casefold()), "")

    def set_volume(self, voice: Voice, gain_db: float) -> None:
        """How loud a voice is on every device from now on, dB."""
        self.volumes_db[voice] = gain_db
        for sink in self._sound.sinks:
            sink.set_volume(voice, gain_db)

    def prepare(self, instrument: int) -> None:
        """Get the sound of an instrument class ready before it is played."""
        self._instrument = instrument
        self._prepare()

    def _prepare(self) -> None:
        if self._instrument not in {0, DRUMS}:  # those two are ready in any synth
            self._sound.prepare(CLASS_PROGRAMS[self._instrument])

    @property
    def sound_name(self) -> str:
        """The device in words, ``none`` for silence."""
        return self._sound.name

    @property
    def peak_db(self) -> float:
        """Loudest sample of the last moment, dB of full scale."""
        return self._sound.peak_db

    @property
    def underruns(self) -> int:
        """Blocks that the device missed."""
        return self._sound.underruns

    # All of it.

    def poll(self, now_s: float) -> None:
        """Look who came and went."""
        if self._ports is not None:
            for event in self._ports.poll(now_s):
                self._note(f"The MIDI {event.direction} {event.name} {event.change}.")
        self._watch_sound(now_s)
        if self._lists_sounds and now_s - self._looked_s >= SOUND_LOOK_S:
            self._looked_s = now_s
            self._sounds = list_devices()

    def measure(self) -> None:
        """Renew the figures that take time."""
        self.lateness = self._ports.lateness() if self._ports is not None else None

    def dropped(self) -> int:
        """Notes that were so late for a port that they were not sent."""
        return self._ports.dropped() if self._ports is not None else 0

    def look(self) -> Devices:
        """What there is, and what is chosen."""
        ports = self._ports
        if ports is None:
            return Devices(sounds=self._sounds, sound=self._sound.name)
        return Devices(
            ports.names(Direction.INPUT),
            ports.names(Direction.OUTPUT),
            self._sounds,
            ports.input_name(),
            ports.output_name(),
            self._sound.name,
            ports.heard_s,
            ports.sent_s(),
        )

    def close_sound(self) -> None:
        """Let the last sounds fade, then close the device."""
        self._sound.close()

    def close_ports(self) -> None:
        """Silence and close every port."""
        if self._ports is not None:
            self._ports.close()
