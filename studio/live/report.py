"""What remains of a live performance: the take in its folder, and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midi.files import write
from models.sequence.parts import listed
from studio.live.messages import LiveCounts, Snapshot
from studio.live.meters import Meters
from studio.live.planner import ModelHealth, ModelState
from studio.live.take import load_take


def take_outputs(finished: Sequence[Path]) -> dict[str, str]:
    """Files of what was played: the last take, and the same as a MIDI file beside it.

    Raises:
        UserError: The MIDI file cannot be written; the take is there.
    """
    if not finished:
        return {}
    take = finished[-1]
    midi = take.with_suffix(".mid")
    write(midi, load_take(take).score())
    return {"take": str(take), "midi": str(midi)}


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
        "isr": _in_time(counts, health),
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


def _in_time(counts: LiveCounts, health: ModelHealth) -> float | None:
    """The in-time share of plan steps; None where no model was there to be asked, or nothing was needed."""
    is_asked = bool(health.name) or health.state is not ModelState.CLOSED
    return counts.isr if is_asked and counts.plan_steps else None


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """The summary of a live performance for people: what was played, what went wrong, where it is."""
    partner = "the rules" if report["model"] == "rules" else report["model"]
    lines = [
        f"{report['player_notes']} notes played, {report['partner_notes']} by {partner}"
        f" on {listed(report['parts'])} over {report['beats']:.0f} beats."
    ]
    if report["plans"] and report["isr"] is not None:
        lines[0] = lines[0][:-1] + f"; plans in time: {report['isr']:.1%}."
    if report["model_restarts"]:
        lines.append(f"The model was started again: {report['model_restarts']}.")
    lines += report["problems"]
    return [*lines, *(f"{name:<10} {path}" for name, path in report["outputs"].items())]


def _milliseconds(p50: float, p99: float, largest: float) -> dict[str, float]:
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(largest, 3)}
