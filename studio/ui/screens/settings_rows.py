"""What the Settings screen lists: devices, sounds, scales, and what controllers steer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from midi.events import DRUMS, INSTRUMENT_NAMES
from studio.live.deskview import Devices, Learned
from studio.live.feel import STEERABLE
from studio.live.learn import BUTTONS, LEARNABLE
from studio.ui.controls import Option

FIRST, NONE, DEFAULT = "first", "none", "default"

SCALES = (
    Option("auto", "As the display"), Option("0.75", "75 %"), Option("1.0", "100 %"), Option("1.25", "125 %"),
    Option("1.5", "150 %"), Option("2.0", "200 %"), Option("3.0", "300 %"), Option("4.0", "400 %"),
)  # fmt: skip

PLAYER_SOUNDS = tuple(
    Option(str(number), name.capitalize()) for number, name in enumerate(INSTRUMENT_NAMES) if number != DRUMS
)


@dataclass(frozen=True, slots=True)
class LearnRow:
    """A line of the MIDI learn table.

    Attributes:
        target: What the desk calls it.
        words: What people call it.
        is_button: It is pressed rather than turned.
        learned: Controllers that steer it, in words; empty for none.
    """

    target: str
    words: str
    is_button: bool
    learned: str = ""


def learn_rows(learned: Iterable[Learned]) -> list[LearnRow]:
    """Every target, in the order of the knobs, with what steers it."""
    found: dict[str, list[str]] = {}
    for each in learned:
        found.setdefault(each.target, []).append(f"CC {each.controller}, {each.device}")
    return [
        LearnRow(target, target_words(target), target in BUTTONS, "; ".join(found.get(target, ())))
        for target in LEARNABLE
    ]


def target_words(target: str) -> str:
    """What people call a target."""
    return STEERABLE[target].label if target in STEERABLE else BUTTONS.get(target, target)


def input_options(devices: Devices, wanted: str | None) -> tuple[list[Option], str]:
    """What a keyboard can be chosen from, and the value that is chosen."""
    is_found = wanted is None and bool(devices.input)
    options = [Option(FIRST, f"Auto: {devices.input}" if is_found else "Auto: the first found")]
    options += [Option(name, name, icon="keyboard") for name in devices.inputs]
    return _with_missing([*options, Option(NONE, "None")], FIRST if wanted is None else wanted)


def output_options(devices: Devices, wanted: str | None) -> tuple[list[Option], str]:
    """What the partner's notes can be sent to, and the value that is chosen."""
    options = [Option(NONE, "None"), *(Option(name, name, icon="plug") for name in devices.outputs)]
    return _with_missing(options, wanted or NONE)


def sound_options(devices: Devices, wanted: str) -> tuple[list[Option], str]:
    """What can be heard on, and the value that is chosen."""
    is_usual = wanted in {"", DEFAULT} and devices.sound not in {"", NONE}
    # What stands behind the device's name (its rate) would only be cut.
    name = devices.sound.split(",")[0]
    options = [Option(DEFAULT, f"Auto: {name}" if is_usual else "Auto: the system's choice")]
    options += [Option(name, name, icon="speaker") for name in devices.sounds]
    return _with_missing([*options, Option(NONE, "None (silent)")], wanted or DEFAULT)


def _with_missing(options: list[Option], wanted: str) -> tuple[list[Option], str]:
    """A device that was chosen and is not there is listed as such; parts of names count as their device."""
    values = [option.value for option in options]
    if wanted in values:
        return options, wanted
    part = wanted.casefold()
    whole = next((value for value in values[1:] if value != NONE and part in value.casefold()), "")
    if whole:
        return options, whole
    return [*options, Option(wanted, wanted, "not connected")], wanted


def db_words(value_db: float) -> str:
    """``−6 dB``, or ``off`` at the lower end."""
    return (
        "off" if value_db <= -60 else f"{value_db:+.0f} dB".replace("-", "\N{MINUS SIGN}").replace("+0", "0")
    )
