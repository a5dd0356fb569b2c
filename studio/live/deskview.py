"""What goes into and comes out of the desk: commands, and one look at everything. All frozen values.

The desk (:mod:`studio.live.desk`) is the running instrument: ports, sound, conductor, model and takes. A
window, a test or a program tells it commands and looks at views; none of them touches what is behind it.
Inputs of the conductor (``KeyDown``, ``SetTempo``, ``Steer`` …) are commands too: the desk stamps them with
its own clock when they come in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from models.sequence.plan import Steering
from studio.live.feel import Feel
from studio.live.messages import Input, Snapshot, Voice
from studio.live.meters import Meters
from studio.live.planner import ModelHealth, ModelState


@dataclass(frozen=True, slots=True)
class SetMeter:
    """Another time signature; taken up at the next start of the transport."""

    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class SetMetronome:
    """Click along, or not."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class SetRecording:
    """Keep what is played as takes, or not. A running take ends properly."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class SetVolume:
    """How loud a voice is in the built-in sound, −60 to +6 dB; −60 is silence."""

    voice: Voice
    gain_db: float


@dataclass(frozen=True, slots=True)
class SetPlayerInstrument:
    """The sound of the player's own keys: an instrument class (:data:`midi.events.INSTRUMENT_NAMES`)."""

    instrument: int


@dataclass(frozen=True, slots=True)
class ChooseInput:
    """Play from this port: its name; ``none`` for no port; None for the first that turns up."""

    name: str | None


@dataclass(frozen=True, slots=True)
class ChooseOutput:
    """Send the partner to this port; None or ``none`` for no port."""

    name: str | None


@dataclass(frozen=True, slots=True)
class ChooseSound:
    """Be heard on this sound device: its name, ``default`` or ``none``."""

    name: str


@dataclass(frozen=True, slots=True)
class ChooseModel:
    """Play with this bundle (``name`` or ``name@version``); ``none`` plays by rules alone."""

    name: str


@dataclass(frozen=True, slots=True)
class ChooseTakes:
    """Keep takes in this folder, from the next one on; None for the user's."""

    folder: Path | None


@dataclass(frozen=True, slots=True)
class PlayTake:
    """Play a take back from ``from_s`` seconds after its beginning, through the same sounds and ports."""

    path: Path
    from_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StopTake:
    """End the playback of a take."""


@dataclass(frozen=True, slots=True)
class TestTone:
    """Let a short rising chord be heard, so that a person knows that sound works."""


@dataclass(frozen=True, slots=True)
class Learn:
    """Arm MIDI learn: the next controller that moves steers ``target``; None disarms."""

    target: str | None


@dataclass(frozen=True, slots=True)
class Forget:
    """Take what was learned for a target away, on every device."""

    target: str


DeskCommand = (
    SetMeter | SetMetronome | SetRecording | SetVolume | SetPlayerInstrument | ChooseInput | ChooseOutput
    | ChooseSound | ChooseModel | ChooseTakes | PlayTake | StopTake | TestTone | Learn | Forget
)  # fmt: skip

Command = Input | DeskCommand


@dataclass(frozen=True, slots=True)
class RollNote:
    """A note that was heard lately; ticks are grid ticks (24 a beat) as in ``Snapshot``.

    ``end_ticks`` is None while the note sounds.
    """

    voice: Voice
    pitch: int
    velocity: int
    instrument: int
    onset_ticks: int
    end_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """One controller of one device that steers something."""

    device: str
    controller: int
    target: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the person, shown once; ``number`` ascends."""

    number: int
    sentence: str
    hint: str = ""
    is_fault: bool = True


@dataclass(frozen=True, slots=True)
class Devices:
    """What there is to choose from, and what is chosen (in words; empty for none)."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    sound: str = ""
    input_active_s: float = float("-inf")
    output_active_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class TakeState:
    """The take that is being written, and the one that is played back.

    Attributes:
        is_recording: What is played is kept.
        path: Folder of the take that is being written; None before its first note.
        length_s: How long it is.
        finished: Takes finished in this session, newest last.
        playing: Take that is played back; None for none.
        position_s: Where the playback stands.
        duration_s: How long the take played back is.
    """

    is_recording: bool = True
    path: Path | None = None
    length_s: float = 0.0
    finished: tuple[Path, ...] = ()
    playing: Path | None = None
    position_s: float = 0.0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeskView:
    """One look at the running instrument, a few dozen times a second.

    Attributes:
        snapshot: The conductor's: transport, keys, plan and ghosts.
        roll: Notes heard in the last bars, by onset.
        chord: Name of the sounding harmony, no faster than every 0.25 s; empty for none.
        chords: The names of the last bars, each with the grid tick at which it began, oldest first; an
            empty name ends the one before.
        steering: What the partner is asked.
        feel: How its notes are given out.
        meter: Numerator and denominator.
        is_metronome_on: Whether clicks are heard.
        player_instrument: Sound of the player's keys.
        volumes_db: Gain of the player, the partner and the metronome.
        peak_db: Loudest sample of the last moment, dB of full scale; −120 for silence.
        meters: Figures of the engine.
        underruns: Blocks that the sound card missed.
        model: How the model is.
        model_name: Bundle that plays, ``name@version``; ``none`` for rules.
        model_loading: Bundle that is being loaded to take its place; empty for none.
        devices: Ports and sound.
        take: Recording and playback.
        learning: Target that waits for a controller; None for none.
        learned: What controllers steer.
        notices: The last few sentences for the person, oldest first.
        is_alive: False when the engine is gone.
    """

    snapshot: Snapshot
    roll: tuple[RollNote, ...] = ()
    chord: str = ""
    chords: tuple[tuple[int, str], ...] = ()
    steering: Steering = field(default_factory=Steering)
    feel: Feel = field(default_factory=Feel)
    meter: tuple[int, int] = (4, 4)
    is_metronome_on: bool = False
    player_instrument: int = 0
    volumes_db: tuple[float, float, float] = (0.0, 0.0, 0.0)
    peak_db: float = -120.0
    meters: Meters = field(default_factory=Meters)
    underruns: int = 0
    model: ModelHealth = field(default_factory=lambda: ModelHealth(ModelState.STARTING))
    model_name: str = ""
    model_loading: str = ""
    devices: Devices = field(default_factory=Devices)
    take: TakeState = field(default_factory=TakeState)
    learning: str | None = None
    learned: tuple[Learned, ...] = ()
    notices: tuple[Notice, ...] = ()
    is_alive: bool = True
