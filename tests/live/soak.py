"""Random use of the whole program, for long: ``python -m tests.live.soak [--minutes 30] [--seed 1]``.

The window runs here on SDL's dummy driver; desk, model and sound run in their own processes as always. A
wanderer clicks, drags, types, resizes and changes screens; instruments are played, pulled out and plugged in
again. Every so often everybody lets go: then nothing may sound any more, and memory is looked at. It ends
with 1 when anything raised, died, hung or grew.
"""

from __future__ import annotations

import os

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import argparse
import gc
import json
import random
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from midi.errors import UserError
from studio.appsettings import AppSettings
from studio.desktop import KeptDesk
from studio.jobs import Job, Jobs
from studio.live.deskoptions import DeskOptions
from studio.live.deskprocess import RemoteDesk
from studio.live.deskview import ChooseModel, ChooseSound, SetRecording, StopTake
from studio.live.messages import SetPlaying
from studio.live.planner import ModelState
from studio.live.take import load_take
from studio.memory import give_memory_back
from studio.takes import Library
from studio.ui.app import App
from studio.ui.screens.services import Services
from studio.ui.state import WindowState
from studio.ui.window import Window
from tests.live.wanderer import Wanderer, resize

SILENT_AFTER_S = 8.0
"""Everything that sounds when all let go has ended after this long, on a busy machine too."""
MOST_GROWTH = 0.05
WARM_UP = 0.25
LEAST_MINUTES = 5.0
"""In shorter runs growth is printed but is no fault: caches of sizes not seen before still fill."""
KEPT_TAKES = 24
MODEL_READY_S = 60.0


class FewJobs(Jobs):
    """One job at a time: a wanderer would otherwise start more than a machine has room for."""

    def start(self, title: str, argv: Sequence[str]) -> Job:
        """Begin one, or refuse."""
        if self.n_running:
            raise UserError("Something else is still at work.", "Wait until it is done.")
        return super().start(title, argv)


@dataclass
class Findings:
    """What went wrong, and how memory went: resident megabytes by process, one for each rest."""

    faults: list[str] = field(default_factory=list)
    memory_mb: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in ("window", "desk", "model", "sound")}
    )
    n_deeds: int = 0
    n_rests: int = 0
    n_plugs: int = 0
    n_takes: int = 0

    def growth(self) -> dict[str, float]:
        """Share by which each process grew from the first rests after the warm-up to the last ones."""
        found = {}
        for name, values in self.memory_mb.items():
            kept = values[round(WARM_UP * len(values)) :]
            ends = max(1, len(kept) // 4)
            if len(kept) >= 2:
                found[name] = statistics.median(kept[-ends:]) / statistics.median(kept[:ends]) - 1
        return found


def resident_mb(pid: int | None) -> float:
    """Resident memory of a process; 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in text.splitlines() if line.startswith("VmRSS")), 0.0)


class Soak:
    """One run.

    Args:
        folder: Everything that is written goes below it.
        minutes: How long.
        seed: Of everything random.
        model: Bundle to play with.
        rest_s: From one rest to the next.
    """

    def __init__(self, folder: Path, minutes: float, seed: int, model: str, rest_s: float) -> None:
        os.environ["ANTIPHON_HOME"] = str(folder)
        self.folder, self.end_s, self._rest_s = folder, time.monotonic() + 60 * minutes, rest_s
        self._model, self._minutes, self.found = model, minutes, Findings()
        options = DeskOptions(model=model, takes=folder / "takes", seed=seed, out_port="Rack")
        self.remote = RemoteDesk(options, build="tests.live.soakdesk:build")
        settings, self.jobs, self.library = AppSettings(), FewJobs(), Library(folder / "takes")
        services = Services(self.library, self.jobs, settings, save=lambda _: None)
        self.app = App(
            KeptDesk(self.remote, settings), Window((1280, 800)), WindowState(is_welcomed=True, scale=1.0),
            services=lambda: services, each_frame=self._each_frame,
        )  # fmt: skip
        self.wanderer = Wanderer(self.app, random.Random(seed))
        self._next_rest_s = time.monotonic() + rest_s
        self._resting_since_s: float | None = None
        self._pid = self.remote.pid

    def run(self) -> Findings:
        """Until the time is over; returns what was found."""
        threading.excepthook = lambda args: self._fault("".join(
            traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        ))  # fmt: skip
        try:
            while time.monotonic() < self.end_s:
                self.app.is_closing = False
                self.app.run()
        except Exception:
            self._fault(traceback.format_exc() + "\nBefore: " + "; ".join(self.wanderer.done))
        finally:
            self.app._desk.close()
            self.jobs.close()
        self._look_at_what_is_left()
        return self.found

    def _fault(self, words: str) -> None:
        self.found.faults.append(words)
        sys.stdout.write(f"FAULT {words}\n")
        sys.stdout.flush()

    def _each_frame(self, now_s: float) -> None:
        if time.monotonic() >= self.end_s:
            self.app.is_closing = True
        if self._resting_since_s is not None:
            self._rest(now_s)
        elif now_s >= self._next_rest_s:
            self._begin_rest(now_s)
        else:
            self.wanderer.turn()
            self.found.n_deeds = self.wanderer.n_done
        if self.remote.pid not in {self._pid, None}:
            self._fault(f"the desk died and was started again ({self._pid} to {self.remote.pid})")
            self._pid = self.remote.pid

    # Resting: nothing may sound, and memory is measured.

    def _begin_rest(self, now_s: float) -> None:
        self._resting_since_s = now_s
        (self.folder / "quiet").touch()
        self.wanderer.rest()
        while self.app.popups:
            self.app.popup(None)
        self.app.go("play")
        self.app.rescale(1.0)
        resize((1280, 800))
        self.app.do(StopTake())
        self.app.do(SetPlaying(0.0, is_playing=False))
        self.app.do(SetRecording(is_on=True))

    def _rest(self, now_s: float) -> None:
        assert self._resting_since_s is not None
        since_s = now_s - self._resting_since_s
        if since_s < 1.5:
            return
        view = self.app.view
        stage = self._stage()
        stuck = {
            "player": view.snapshot.held, "partner": view.snapshot.partner_held,
            "engine": view.meters.hanging_notes, "wires": stage.get("hanging", 0),
            "take": view.take.playing,
        }  # fmt: skip
        if any(stuck.values()) and since_s < SILENT_AFTER_S:
            return
        if any(stuck.values()):
            self._fault(
                f"stuck after {since_s:.1f} s of rest: {stuck}; before: {'; '.join(self.wanderer.done)}"
            )
        elif not self._has_model(since_s):
            return
        self._measure(stage)
        (self.folder / "quiet").unlink(missing_ok=True)
        self._resting_since_s, self._next_rest_s = None, now_s + self._rest_s

    def _has_model(self, since_s: float) -> bool:
        """Bring the model back that somebody chose away, so that its memory can be compared."""
        view = self.app.view
        if view.model.state is ModelState.READY and not view.model_loading:
            return True
        if since_s > MODEL_READY_S:
            self._fault(f"no model after {since_s:.0f} s: {view.model}")
            return True
        if not view.model_loading and view.model.state not in {ModelState.STARTING, ModelState.RESTARTING}:
            self.app.do(ChooseModel(self._model))
            self.app.do(ChooseSound("default"))
        return False

    def _stage(self) -> dict[str, int]:
        try:
            return json.loads((self.folder / "stage.json").read_text())
        except (OSError, ValueError):
            return {}

    def _measure(self, stage: dict[str, int]) -> None:
        gc.collect()
        found, view = self.found, self.app.view
        found.n_rests += 1
        found.n_plugs = stage.get("plugs", 0)
        pids = (os.getpid(), self.remote.pid, view.model.pid, stage.get("sound"))
        for values, pid in zip(found.memory_mb.values(), pids, strict=True):
            values.append(resident_mb(pid))
        memory = "  ".join(f"{name} {values[-1]:.1f}" for name, values in found.memory_mb.items())
        left_s = self.end_s - time.monotonic()
        sys.stdout.write(
            f"{left_s / 60:5.1f} min left  deeds {found.n_deeds}  plugs {found.n_plugs}  MB: {memory}\n"
        )
        sys.stdout.flush()
        for take in self.library.takes()[KEPT_TAKES:]:
            self._check(take.path)
            self.library.trash(take.id)

    # Afterwards.

    def _look_at_what_is_left(self) -> None:
        faults = self.folder / "faults.txt"
        if faults.exists():
            self._fault(faults.read_text())
        if self.remote.pid is not None:
            self._fault("the desk's process is still there")
        for take in self.library.takes():
            self._check(take.path)
        for name, share in self.found.growth().items():
            if share > MOST_GROWTH and self._minutes >= LEAST_MINUTES:
                self._fault(f"the {name} grew by {share:.1%}: {self.found.memory_mb[name]}")

    def _check(self, path: Path) -> None:
        """Every note of a take begins and ends once."""
        self.found.n_takes += 1
        try:
            sounds = load_take(path).sounds
        except UserError as fault:
            self._fault(f"{path}: {fault.message}")
            return
        ons, offs = (Counter(s.note_id for s in sounds if s.kind == kind) for kind in ("on", "off"))
        if ons != offs:
            self._fault(f"{path}: {(ons - offs).total()} notes without an end, {(offs - ons).total()} ends")


def main() -> int:
    """Run, print, and say by the exit code whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="partner")
    parser.add_argument("--rest", type=float, default=20.0, help="seconds from one rest to the next")
    options = parser.parse_args()
    give_memory_back()  # as the program does when it opens its window
    with tempfile.TemporaryDirectory(prefix="antiphon-soak-", ignore_cleanup_errors=True) as folder:
        found = Soak(Path(folder), options.minutes, options.seed, options.model, options.rest).run()
    growth = ", ".join(f"{name} {share:+.1%}" for name, share in found.growth().items())
    sys.stdout.write(
        f"seed {options.seed}: {found.n_deeds} deeds, {found.n_plugs} plugs, {found.n_rests} rests, "
        f"{found.n_takes} takes; memory {growth}; {len(found.faults)} faults\n"
    )
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
