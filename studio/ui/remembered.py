"""What a person set on the instrument, kept for the next start: commands to settings to options."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from studio.live.deskoptions import DeskOptions
from studio.live.deskview import (
    ChooseInput,
    ChooseModel,
    ChooseOutput,
    ChooseSound,
    ChooseTakes,
    Command,
    SetMeter,
    SetMetronome,
    SetPlayerInstrument,
    SetRecording,
    SetVolume,
)
from studio.live.feel import Feel
from studio.live.messages import Mode, SetMode, SetTempo, Steer, Voice
from studio.settings import chosen_folder

if TYPE_CHECKING:
    from studio.appsettings import AppSettings

_PLAIN: dict[type, tuple[str, str]] = {
    SetMetronome: ("is_metronome_on", "is_on"), SetRecording: ("is_recording", "is_on"),
    SetPlayerInstrument: ("player_instrument", "instrument"), SetTempo: ("tempo_bpm", "bpm"),
    ChooseInput: ("input_port", "name"), ChooseOutput: ("output_port", "name"),
    ChooseSound: ("sound_device", "name"), ChooseModel: ("model", "name"),
}  # fmt: skip
"""Commands with one value: the setting and the command's field."""
_FEEL = {"register": "shift"} | {name: name for name in ("dynamics", "swing", "velocity", "looseness")}
"""Fields of ``Feel`` and of the settings; pydantic has a ``register`` of its own."""
_VOLUMES = {Voice.PLAYER: "player_db", Voice.PARTNER: "partner_db", Voice.METRONOME: "metronome_db"}


def note(settings: AppSettings, command: Command) -> bool:
    """Take down what a command sets; False when it sets nothing that lasts.

    Values beyond the settings' ranges are left out: the desk says what it thinks of them.
    """
    found = _lasting(settings, command)
    if found is None:
        return False
    target, name, value = found
    try:
        setattr(target, name, value)
    except ValueError:
        return False
    return True


def _lasting(settings: AppSettings, command: Command) -> tuple[object, str, object] | None:
    """Where a command's value belongs; None for nowhere."""
    name_value: tuple[str, object] | None = None
    match command:
        case SetMeter(numerator, denominator):
            name_value = "meter", (numerator, denominator)
        case SetVolume(voice, gain_db):
            name_value = _VOLUMES[voice], gain_db
        case ChooseTakes(folder):
            name_value = "takes_folder", None if folder is None else str(folder)
        case SetMode(_, mode):
            name_value = "mode", mode.value
        case Steer(_, target, value):
            field = _FEEL.get(target, target)
            home = settings.feel if target in _FEEL else settings.steering
            return (home, field, value) if field in type(home).model_fields else None
        case _ if type(command) in _PLAIN:
            setting, field = _PLAIN[type(command)]
            name_value = setting, getattr(command, field)
    return None if name_value is None else (settings, *name_value)


def options(settings: AppSettings, *, model: str | None = None, device: str = "cpu") -> DeskOptions:
    """How the desk starts according to the settings.

    Args:
        settings: What was kept.
        model: A bundle for this start alone.
        device: Torch device of the model.
    """
    usual = DeskOptions()
    wanted = settings.steering.model_dump()
    known = {field.name for field in dataclasses.fields(usual.steering)}
    steering = dataclasses.replace(usual.steering, **{key: wanted[key] for key in wanted if key in known})
    feel = Feel(**{name: getattr(settings.feel, field) for name, field in _FEEL.items()})
    return dataclasses.replace(
        usual, in_port=settings.input_port, out_port=settings.output_port, sound=settings.sound_device,
        model=model or settings.model, mode=Mode(settings.mode), tempo_bpm=settings.tempo_bpm,
        meter=settings.meter, steering=steering, feel=feel, is_metronome_on=settings.is_metronome_on,
        is_recording=settings.is_recording, player_instrument=settings.player_instrument,
        volumes_db=(settings.player_db, settings.partner_db, settings.metronome_db), device=device,
        takes=chosen_folder(settings.takes_folder),
    )  # fmt: skip
