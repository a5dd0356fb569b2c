"""What the instrument remembers between starts; the window's own memory is ``studio.ui.state``.

Apart from ``settings`` because pydantic takes time to load.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from midi.errors import UserError
from midi.events import N_INSTRUMENTS
from models.sequence.plan import STEERING_RANGES, Steering
from studio import jsonfile, settings
from studio.live.loose import AS_PLAYED
from studio.live.messages import Mode
from studio.live.transport import MAX_BPM, MIN_BPM

FILE_NAME = settings.SETTINGS_NAME

SILENCE_DB, LOUDEST_DB = -60.0, 6.0
"""Range of a voice's volume, as ``SetVolume`` has it."""


def _sensible_meter(meter: tuple[int, int]) -> tuple[int, int]:
    if not (1 <= meter[0] <= 64 and meter[1] in {1, 2, 4, 8, 16, 32, 64}):
        raise ValueError("no time signature")
    return meter


def _mode_that_exists(mode: str) -> str:
    return Mode(mode).value


def _within(bounds: tuple[float, float]) -> Any:
    return Field(ge=bounds[0], le=bounds[1])


Volume = Annotated[float, Field(ge=SILENCE_DB, le=LOUDEST_DB)]
Pitch = Annotated[int, Field(ge=0, le=127)]
Instrument = Annotated[int, Field(ge=0, lt=N_INSTRUMENTS)]


class SteeringDefaults(jsonfile.Kept):
    """How the partner is asked to play at the start; fields and ranges of ``Steering``."""

    temperature: Annotated[float, _within(STEERING_RANGES["temperature"])] = Steering.temperature
    top_p: Annotated[float, _within(STEERING_RANGES["top_p"])] = Steering.top_p
    follow: Annotated[float, _within(STEERING_RANGES["follow"])] = Steering.follow
    density: Annotated[float, _within(STEERING_RANGES["density"])] = Steering.density
    low_pitch: Pitch = Steering.low_pitch
    high_pitch: Pitch = Steering.high_pitch
    instruments: Annotated[tuple[Instrument, ...], Field(min_length=1)] = Steering.instruments
    hears_human: bool = Steering.hears_human


class FeelDefaults(jsonfile.Kept):
    """How the partner's notes are given out at the start, as in ``Feel``; its register is ``shift``."""

    shift: int = Field(0, ge=-24, le=24)
    dynamics: float = Field(0.0, ge=0.0, le=1.0)
    swing: float = Field(0.0, ge=0.0, le=1.0)
    velocity: int = Field(0, ge=-40, le=40)
    looseness: float = Field(AS_PLAYED, ge=0.0, le=1.0)


class AppSettings(jsonfile.Kept):
    """What was chosen for the instrument. Assignments are checked; keys of other versions are kept.

    Attributes:
        input_port: Port to play from; None for the first that turns up, ``none`` for none.
        output_port: Port that the partner is sent to; None for none.
        sound_device: Part of a sound device's name, ``default`` or ``none``.
        model: Bundle name; None for the current partner, ``none`` for the rules.
        mode: How the partner behaves.
        tempo_bpm: Tempo, 20–400.
        meter: Numerator and denominator.
        is_metronome_on: Click along.
        player_db: Volume of the player's keys, −60 (silence) to 6.
        partner_db: Volume of the partner.
        metronome_db: Volume of the clicks.
        player_instrument: Instrument class of the player's keys.
        steering: How the partner is asked to play.
        feel: How its notes are given out.
        is_recording: Keep what is played as takes.
        takes_folder: Where they go; ``~`` is the home folder; None for the user's folder
            (:func:`studio.settings.takes_folder`).
    """

    input_port: str | None = None
    output_port: str | None = None
    sound_device: str = "default"
    model: str | None = None
    mode: Annotated[str, AfterValidator(_mode_that_exists)] = Mode.ACCOMPANY.value
    tempo_bpm: float = Field(120.0, ge=MIN_BPM, le=MAX_BPM)
    meter: Annotated[tuple[int, int], AfterValidator(_sensible_meter)] = (4, 4)
    is_metronome_on: bool = False
    player_db: Volume = 0.0
    partner_db: Volume = 0.0
    metronome_db: Volume = 0.0
    player_instrument: Instrument = 0
    steering: SteeringDefaults = Field(default_factory=SteeringDefaults)
    feel: FeelDefaults = Field(default_factory=FeelDefaults)
    is_recording: bool = True
    takes_folder: str | None = Field(None, max_length=1000)


def settings_file() -> Path:
    """Where the settings are."""
    return settings.home() / FILE_NAME


def load_settings(path: Path | None = None) -> tuple[AppSettings, str]:
    """The settings, and one sentence about a broken file; never raises.

    What of a broken file makes sense is used; the file itself is set aside.

    Args:
        path: The file; None for the user's.
    """
    path = path or settings_file()
    found, problem = jsonfile.read(path, AppSettings)
    if not problem:
        return found, ""
    with suppress(UserError):
        problem += f" It was set aside as {jsonfile.set_aside(path).name}; what made sense of it is used."
    return found, problem


def save_settings(values: AppSettings, path: Path | None = None) -> None:
    """Write the settings, whole or not at all.

    Raises:
        UserError: They can't be written; the file before is still there.
    """
    path = path or settings_file()
    settings.made_folder(path.parent)
    jsonfile.write(path, values)
