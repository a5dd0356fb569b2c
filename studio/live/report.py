"""What remains of a live performance: the take in its folder, and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from midi.files import write
from studio.live.messages import Actions, Input, Snapshot
from studio.live.meters import Meters
from studio.live.planner import ModelHealth
from studio.live.session import TakeHeader, TakeRecorder, load_take


class Recording:
    """The take of one performance; an empty one is not kept."""

    def __init__(self, folder: Path, header: TakeHeader) -> None:
        self._recorder = TakeRecorder(folder, header)
        self._folder = folder
        self.path: Path | None = None

    @property
    def problem(self) -> str:
        """What is wrong with writing; empty while all is well."""
        return self._recorder.problem

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in."""
        self._recorder.record(now_s, inputs, actions)

    def close(self) -> None:
        """Put everything on disk."""
        self.path = self._recorder.close()

    def outputs(self, *, has_notes: bool) -> dict[str, str]:
        """The take, and the same as a MIDI file beside it; without notes both are removed.

        Raises:
            UserError: The MIDI file cannot be written; the take is there.
        """
        if self.path is None:
            return {}
        if not has_notes:
            with suppress(OSError):
                self.path.unlink()
                self._folder.rmdir()
            return {}
        midi = self.path.with_suffix(".mid")
        write(midi, load_take(self.path).score())
        return {"take": str(self.path), "midi": str(midi)}


def engine_report(snapshot: Snapshot, meters: Meters, health: ModelHealth) -> dict[str, object]:
    """Figures under the keys of ``perform``'s report where they mean the same, and the engine's own."""
    counts, late, port = snapshot.counts, meters.lateness, meters.port_lateness
    return {
        "mode": snapshot.mode.value,
        "tempo_bpm": round(snapshot.bpm, 3),
        "beats": round(snapshot.beat, 3),
        "player_notes": counts.player_notes,
        "partner_notes": counts.partner_notes,
        "fallback_notes": counts.fallback_notes,
        "ignored_keys": counts.ignored_keys,
        "isr": counts.isr,
        "late_drops": counts.late_drops,
        "scheduled_in_past": counts.scheduled_in_past,
        "hanging_notes": meters.hanging_notes,
        "plans": meters.plan_latency.count,
        "plan_latency_ms": round(meters.plan_latency.p95_ms, 1),
        "plan_rows_per_s": round(meters.rows / meters.compute_s, 1) if meters.compute_s else None,
        "wake_late_ms": _milliseconds(late.p50_ms, late.p99_ms, late.max_ms),
        "port_late_ms": None if port is None else _milliseconds(port.p50_ms, port.p99_ms, port.max_ms),
        "priority": meters.priority,
        "model_restarts": health.restarts,
    }


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """The summary of a live performance for people: what was played, what went wrong, where it is."""
    partner = "the rules" if report["model"] == "rules" else report["model"]
    lines = [
        f"{report['player_notes']} notes played, {report['partner_notes']} by {partner}"
        f" over {report['beats']:.0f} beats."
    ]
    if report["plans"]:
        lines[0] = lines[0][:-1] + f"; plans in time: {report['isr']:.1%}."
    if report["model_restarts"]:
        lines.append(f"The model was started again: {report['model_restarts']}.")
    lines += report["problems"]
    return [*lines, *(f"{name:<10} {path}" for name, path in report["outputs"].items())]


def _milliseconds(p50: float, p99: float, largest: float) -> dict[str, float]:
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(largest, 3)}
