"""Single notes of the built-in synth, and how loud they are."""

import numpy as np
from numpy.typing import NDArray

from studio.live.synth import Synth, SynthEvent

RATE = 48000
PROGRAMS = {
    "piano": 0,
    "e-piano": 4,
    "organ": 16,
    "nylon guitar": 24,
    "bass": 32,
    "flute": 72,
    "saw lead": 81,
}


def note(
    program: int, pitch: int, length_s: float, total_s: float, velocity: int = 90
) -> NDArray[np.float32]:
    synth = Synth(RATE)
    synth.set_program(0, program)
    synth.schedule(SynthEvent(0, "on", 0, pitch, velocity, 1))
    synth.schedule(SynthEvent(int(length_s * RATE), "off", 0, pitch, 0, 1))
    return synth.render(int(total_s * RATE))


def level_db(audio: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))
