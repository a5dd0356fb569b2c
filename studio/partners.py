"""Which partner plays, and how long it takes to think on this machine."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import assets
from midi.errors import UserError
from midi.files import read, write_bytes
from models.sequence.memorization import PassageFilter
from models.sequence.plan import Plan, PlanRequest
from studio import settings
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.fileplayer import player_part
from studio.live.offline import play_offline
from studio.live.planner import InlinePlanner, PlannerLike, warm_up_request

RULES = "none"
"""Name of the partner that is no model."""

DEFAULT_PARTNER = "partner"
"""Bundle that plays when none is named; without it, the first that there is."""

PROBE_BEATS = 32.0
PROBE_LATENCY_S = 0.1
PROBE_TUNE = "demos/harbor.mid"


@dataclass(frozen=True)
class Partner:
    """A partner ready to play in this process; ``planner`` is None where rules play alone.

    ``passages`` tells copying from invention, where the bundle knows its training music.
    """

    name: str
    planner: PlannerLike | None = None
    passages: PassageFilter | None = None


def find_partner(model: str | None) -> Path | None:
    """The bundle's folder, or None for the rules: asked for by ``none``, or for want of any bundle.

    Raises:
        UserError: The bundle that was named isn't there.
    """
    if model == RULES:
        return None
    from models import registry  # noqa: PLC0415 - loads torch

    if model is not None:
        return registry.find(model)
    from models.bundle import read_manifest  # noqa: PLC0415
    from models.sequence.loading import ARCHITECTURE  # noqa: PLC0415

    current = [each for each in registry.list_bundles() if each.is_current and not each.problem]
    usable = [each for each in current if read_manifest(each.path).architecture == ARCHITECTURE]
    usable.sort(key=lambda each: (each.name != DEFAULT_PARTNER, each.name))
    return usable[0].path if usable else None


def load_partner(model: str | None, device: str = "auto", *, is_live: bool = False) -> Partner:
    """Load a partner into this process, on one thread.

    Args:
        model: Bundle name or folder; None is the current partner.
        device: Where it runs.
        is_live: Plans are to be quick rather than the same on every machine.

    Raises:
        UserError: The bundle isn't there, or can't be used.
    """
    folder = find_partner(model)
    if folder is None:
        return Partner("rules")
    from models.sequence.player import Player  # noqa: PLC0415 - loads torch

    player = Player.load(folder, device=device, runtime="half" if is_live else "auto")
    player.plan(warm_up_request())
    return Partner(player.name, player, player.passages)


def plan_latency_ms(model: str | None, device: str = "auto") -> float:
    """The 95th percentile of the time that a plan takes here: measured once, then remembered.

    Measured with a partner of its own, since what a partner has read before may show in the last bits
    of what it plays.

    Raises:
        UserError: The bundle isn't there, or can't be used.
    """
    folder = find_partner(model)
    if folder is None:
        return 0.0
    shelf = settings.cache_folder() / "plan_latency.json"
    key = _key(folder, device)
    known = _remembered(shelf)
    if key not in known:
        planner = load_partner(model, device).planner
        known[key] = 0.0 if planner is None else round(_measure_ms(planner), 1)
        with suppress(UserError):  # a figure that can't be kept is measured again next time
            write_bytes(settings.made_folder(shelf.parent) / shelf.name, json.dumps(known, indent=1).encode())
    return known[key]


def _key(folder: Path, device: str) -> str:
    """Changes with the weights, torch, the device, the machine and how plans are made."""
    import torch  # noqa: PLC0415

    manifest = (folder / "bundle.json").read_bytes() if (folder / "bundle.json").is_file() else bytes(folder)
    # What a plan costs depends on how many beginnings it is chosen among.
    often = str(ConductorConfig.alternatives)
    facts = (torch.__version__, device, platform.node(), platform.machine(), str(os.cpu_count()), often)
    return hashlib.sha256(manifest + "\n".join(facts).encode()).hexdigest()[:24]


def _remembered(shelf: Path) -> dict[str, float]:
    try:
        found = json.loads(shelf.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _measure_ms(planner: PlannerLike) -> float:
    part = player_part(read(assets.path(PROBE_TUNE)))
    timed = _Timed(planner)
    conductor = Conductor(ConductorConfig(bpm=part.bpm, starts_on_key=False))
    end_s = PROBE_BEATS * 60.0 / part.bpm
    play_offline(conductor, InlinePlanner(timed, PROBE_LATENCY_S), part.inputs, end_s)
    spent = sorted(timed.spent_s)
    return 1e3 * spent[math.ceil(0.95 * len(spent)) - 1] if spent else 0.0


class _Timed:
    """A planner that remembers how long each plan took."""

    def __init__(self, planner: PlannerLike) -> None:
        self._planner = planner
        self.spent_s: list[float] = []

    def plan(self, request: PlanRequest) -> Plan:
        """Plan, and note the model time of it."""
        plan = self._planner.plan(request)
        self.spent_s.append(plan.compute_s)
        return plan
