"""A long performance with the real engine, model process, synth and clock, the model killed on the way.

Run it as ``python -m tests.live.never_late [--seconds 300] [--kills 2] [--model NAME] [--json]``. A file
plays in a person's place; SDL's dummy driver takes the sound at the pace of a device. What is measured:

* ISR, notes scheduled in the past, hanging notes, late drops: the program's own report;
* *lead*: how long before its time each partner note was handed to the synth;
* *key*: from a key's stamp to the block of sound that holds it, and how many blocks were begun in between;
* *blocks*: how long the synth took for one, and how far apart they were begun. The dummy driver waits for a
  whole block after each, where a device would go on playing from its buffer.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import assets
from midi.clock import TempoMap
from midi.files import read, write
from midi.note import Note, NoteArray, Part, Score
from midi.ports import FakeSystem
from midi.systemclock import SystemClock
from studio import play as program
from studio.live import outputs, sound
from studio.live.messages import Sound, Voice
from studio.live.planner import ModelState, Planner
from studio.live.session import load_take
from studio.live.synth import Audio, Synth, SynthEvent

DEMO = "demos/harbor.mid"
KEY_STEPS = (0, 2, -2, 5)
"""Each time round the tune stands in another key."""


def melody(path: Path, seconds: float, bpm: float) -> None:
    """Write the tune, again and again until it fills ``seconds``."""
    score = read(assets.path(DEMO))
    notes = next(part.notes for part in score.parts if len(part.notes))
    bar = 4 * score.ppq
    length = -(-notes.end_ticks() // bar) * bar
    end = round(seconds * bpm / 60 * score.ppq)
    found: list[Note] = []
    for number in range(-(-end // length)):
        step = KEY_STEPS[number % len(KEY_STEPS)]
        found += [
            replace(note, onset_ticks=note.onset_ticks + number * length, pitch=note.pitch + step)
            for note in notes
        ]
    found = [note for note in found if note.onset_ticks < end]
    tempo = TempoMap(score.ppq, ((0, bpm),))
    write(path, Score((Part("MELODY", NoteArray.from_notes(found)),), tempo, score.time_signatures))


@dataclass
class Probe:
    """What the synth and what feeds it saw; filled by two threads, read when both have ended."""

    clock: SystemClock = field(default_factory=SystemClock)
    stamps_s: dict[int, float] = field(default_factory=dict)
    leads_s: list[float] = field(default_factory=list)
    key_s: list[float] = field(default_factory=list)
    blocks_between: list[int] = field(default_factory=list)
    off_frame: int = 0
    begun_s: list[float] = field(default_factory=list)
    made_s: list[float] = field(default_factory=list)

    def output(self) -> type[outputs.SynthOutput]:
        probe = self

        class Output(outputs.SynthOutput):
            def play(self, item: Sound) -> None:
                if item.kind == "on" and item.voice is Voice.PLAYER:
                    probe.stamps_s[item.note_id] = item.time_s
                elif item.kind == "on" and item.voice is Voice.PARTNER:
                    probe.leads_s.append(item.time_s - probe.clock.now_s())
                super().play(item)

        return Output

    def synth(self) -> type[Synth]:
        probe = self

        class Probed(Synth):
            n_begun = 0
            begun_s = 0.0
            block_frame = 0

            def schedule(self, event: SynthEvent) -> None:
                if event.kind == "on" and event.channel == 0:
                    event_blocks[event.note_id] = self.n_begun
                super().schedule(event)

            def render(self, n_frames: int) -> Audio:
                self.begun_s, self.block_frame = probe.clock.now_s(), self.frame
                self.n_begun += 1
                block = super().render(n_frames)
                probe.begun_s.append(self.begun_s)
                probe.made_s.append(probe.clock.now_s() - self.begun_s)
                return block

            def _play(self, event: SynthEvent, frame: int) -> None:
                if event.kind == "on" and event.channel == 0:
                    probe.key_s.append(self.begun_s - probe.stamps_s[event.note_id])
                    probe.blocks_between.append(self.n_begun - event_blocks[event.note_id])
                    probe.off_frame += frame != self.block_frame
                super()._play(event, frame)

        event_blocks: dict[int, int] = {}
        return Probed


class Killer:
    """Kills the model process at given times of the performance, and says when it planned again."""

    def __init__(self, model: Planner, at_s: list[float]) -> None:
        self.model, self.at_s = model, at_s
        self.killed: list[int] = []
        self.gone_s: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _pid(self) -> int:
        """The model's process, when it is ready; 0 at the end."""
        while not self._is_over.wait(0.005):
            health = self.model.health()
            if health.state is ModelState.READY and health.pid not in (None, *self.killed):
                return health.pid
        return 0

    def _run(self) -> None:
        if not self._pid():
            return
        start_s = time.monotonic()
        for at_s in self.at_s:
            if self._is_over.wait(max(0.0, start_s + at_s - time.monotonic())) or not (pid := self._pid()):
                return
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)
            killed_s = time.monotonic()
            if self._pid():
                self.gone_s.append(time.monotonic() - killed_s)


def perform(
    folder: Path, *, seconds: float, kills: int = 2, model: str | None = None, bpm: float = 120.0
) -> dict[str, object]:
    """Play and measure; see the module's text. ``folder`` receives the melody and the take."""
    melody(folder / "melody.mid", seconds, bpm)
    probe = Probe()
    options = program.PlayOptions(
        in_port="none", player_file=folder / "melody.mid", audio="default", out_dir=folder / "takes",
        is_quiet=True, seconds=seconds, model=model,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDL_AUDIODRIVER", "dummy")
        patch.setattr(sound, "Synth", probe.synth())
        patch.setattr(sound, "SynthOutput", probe.output())
        planner = program.start_model(model, "cpu")
        with Killer(planner, [seconds * (n + 1) / (kills + 1) for n in range(kills)]) as killer:
            report = program.play(options, system=FakeSystem(), planner=planner)
    return report | _figures(probe, killer, report)


def _figures(probe: Probe, killer: Killer, report: dict[str, object]) -> dict[str, object]:
    found = report["outputs"]
    assert isinstance(found, dict)
    sounds = load_take(Path(found["take"])).sounds
    ons, offs = (Counter(s.note_id for s in sounds if s.kind == kind) for kind in ("on", "off"))
    return {
        "killed": len(killer.killed),
        "without_model_s": [round(gone_s, 3) for gone_s in killer.gone_s],
        "unpaired_notes": (ons - offs).total() + (offs - ons).total(),
        "key_to_block_ms": _spread(probe.key_s),
        "keys_in_block": len(probe.key_s),
        "key_blocks": max(probe.blocks_between, default=0),
        "keys_off_block_start": probe.off_frame,
        **_blocks(np.array(probe.begun_s), np.array(probe.made_s)),
        "partner_lead_ms": _spread(probe.leads_s),
        "partner_after_time": sum(lead_s < 0 for lead_s in probe.leads_s),
    }


def _blocks(begun_s: NDArray[np.float64], made_s: NDArray[np.float64]) -> dict[str, object]:
    """Gaps between blocks beside the time that the block before took; blocks are 256 frames at 48 kHz."""
    gaps_s = np.diff(begun_s)
    block_s = 256 / 48_000
    return {
        "block_made_ms": _spread(made_s.tolist()),
        "block_gap_ms": _spread(gaps_s.tolist()),
        "blocks_made_too_slowly": int((made_s > block_s).sum()),
        "gaps_of_2_blocks": int((gaps_s > 2 * block_s).sum()),
    }


def _spread(values_s: list[float]) -> dict[str, float]:
    if not values_s:
        return {}
    names, shares = ("min", "p50", "p99", "max"), (0, 50, 99, 100)
    return {
        name: round(float(value) * 1e3, 2)
        for name, value in zip(names, np.percentile(values_s, shares), strict=True)
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--model")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = perform(Path(folder), seconds=options.seconds, kills=options.kills, model=options.model)
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for name, value in found.items():
        sys.stdout.write(f"{name:<22} {value}\n")


if __name__ == "__main__":
    main()
