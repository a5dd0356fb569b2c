"""The ``play`` program: a player, a partner and their ports, live in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.live.messages import Mode


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """What ``antiphon play`` was asked for; every field has the default of the command line.

    Attributes:
        in_port: Part of an input port's name; ``none`` opens no port; None takes the first that there
            is and, without one, the computer's keys.
        out_port: Part of an output port's name; ``none`` or None sends to no port.
        virtual: Name of a virtual port pair to create instead of opening ports; None creates none.
        player_file: A MIDI file that plays in place of a person.
        mode: How the partner behaves.
        model: Bundle name or folder; None takes the current partner; ``none`` plays by rules alone.
        tempo_bpm: Tempo; None is the player file's, or 120.
        clock: ``internal``, or ``midi`` to follow the MIDI clock of the input port.
        lookahead_beats: How far ahead the partner plans.
        commit_beats: Beats of the plan that are fixed; None lets the conductor choose.
        seconds: Stop after this long; None plays until told to stop (or until the file has ended).
        seed: Same seed, same random draws.
        audio: ``default``, a part of a device's name, or ``none`` for silence.
        metronome: True clicks on every beat.
        out_dir: Folder of the takes; None is the user's folder.
        is_json: True prints nothing while playing; the caller prints the summary.
        is_quiet: True prints nothing while playing.
        device: Torch device of the model.
    """

    in_port: str | None = None
    out_port: str | None = None
    virtual: str | None = None
    player_file: Path | None = None
    mode: Mode = Mode.ACCOMPANY
    model: str | None = None
    tempo_bpm: float | None = None
    clock: str = "internal"
    lookahead_beats: float = 2.0
    commit_beats: float | None = None
    seconds: float | None = None
    seed: int = 0
    audio: str = "default"
    metronome: bool = False
    out_dir: Path | None = None
    is_json: bool = False
    is_quiet: bool = False
    device: str = "cpu"


def play(options: PlayOptions) -> dict[str, object]:
    """Play live until told to stop, and return the summary of the performance."""
    raise NotImplementedError
