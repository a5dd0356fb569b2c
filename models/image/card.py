"""Cards of picture bundles: generated from fields and figures, never typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {
    "swd": "sliced Wasserstein distance, less is better",
    "fd": "Fréchet distance, less is better",
    "kd": "kernel distance, less is better",
    "precision": "precision",
    "recall": "recall",
    "nearest_ratio": "nearest-neighbor ratio",
    "path_evenness": "unevenness of walks in w, less is better",
    "path_evenness_z": "unevenness of walks in z",
}
"""What the figures are called, by their keys."""


def picture_card(
    fields: Mapping[str, Any],
    corpus: Mapping[str, Any],
    fitted: Mapping[str, Any],
    parameters: int,
    credited: Sequence[str] = (),
) -> str:
    """Card of a picture generator as Markdown.

    Args:
        fields: Of the manifest.
        corpus: Health report of the pictures.
        fitted: How the training ended, and ``step_chosen``.
        parameters: Number of the generator's weights.
        credited: A line of credit for each picture that asks for one.
    """
    shape = fields["config"]["generator"]
    side = shape["resolution"]
    lines = [
        f"# {fields['name']} {fields['version']}",
        "",
        f"A small style generator that makes pictures of {side}x{side} pixels. Generated from measurements;",
        "do not edit.",
        "",
        "![Samples](sheet.png)",
        "",
        "Seeds 0 to 47, truncation 0.8, unselected.",
        "",
        "## Model",
        "",
        f"- generator of {parameters / 1e6:.2f} million parameters, channels "
        f"{', '.join(map(str, shape['channels']))} from 4 pixels up; stored in half precision, its critic",
        "  beside it for fine-tuning",
        f"- parent: {fields['parent'] or 'none, trained from scratch'}",
        f"- {fitted['step']} steps in {fitted['elapsed_s'] / 60:.0f} minutes; the weights are those of step "
        f"{fitted['step_chosen']}, averaged",
        "",
        "## Data",
        "",
        *(_source(entry) for entry in fields["data"]),
        f"- {corpus['used']} of {corpus['found']} files used, {len(corpus['duplicates'])} near-duplicates, "
        f"{len(corpus['refused'])} refused; {corpus['held_out']} held out by the hash of their pixels",
        f"- digest `{corpus['digest']}`",
        "",
        "## Figures",
        "",
        *_figures(fields["metrics"]),
        "## Limits",
        "",
        "- It knows the pictures it learned from and nothing else; words mean nothing to it.",
        "- No figure here says whether a picture is good. Look at the sheet.",
        "",
        "## Licence",
        "",
        f"Weights: {fields['licence']}. Data as listed above.",
        "",
        *_credits(credited),
    ]
    return "\n".join(lines)


def _source(entry: Mapping[str, str]) -> str:
    return f"- {entry['name']} ({entry['licence']}){': ' + entry['source'] if entry.get('source') else ''}"


def _credits(credited: Sequence[str]) -> list[str]:
    """Every line once, with how often it stands for a picture."""
    if not credited:
        return []
    lines = [f"- {line}" for line in sorted(set(credited), key=str.casefold)]
    changed = "The pictures were cut to squares, resized and learned from; none is in this bundle."
    return ["## Credits", "", f"{len(credited)} pictures. {changed}", "", *lines, ""]


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    if "swd" not in metrics:
        return ["Not measured: too few pictures.", ""]
    kind = "held-out" if metrics["reference"] == metrics["held_out"] else "real"
    levels = ", ".join(f"{name} {value:.3f}" for name, value in metrics["swd_levels"].items())
    return [
        f"{metrics['count']} pictures, truncation {metrics['psi']:g}, against {metrics['reference']} {kind} "
        "ones, with 95 % intervals.",
        "",
        "| | this model | interval | real pictures |",
        "|---|--:|--:|--:|",
        *(_row(title, key, metrics) for key, title in TITLES.items() if metrics.get(key) is not None),
        "",
        "Sliced Wasserstein distance by level of a Laplacian pyramid, in deviations of the real pictures",
        f"(`shape`: whole pictures at 8 pixels): {levels}.",
        f"Fréchet and kernel distance, precision and recall: in `{metrics['features']}` features, which no",
        "training here uses; they are no FID. The nearest-neighbor ratio is the median distance of",
        "a made picture to the nearest training picture over that of a real held-out one: far below 1 would",
        "be copying. Unevenness is the coefficient of variation of what equal steps along a walk change.",
        "",
    ]


def _row(title: str, key: str, metrics: Mapping[str, Any]) -> str:
    low, high = metrics.get("intervals", {}).get(key, (None, None))
    interval = "" if low is None else f"{low:.3f} to {high:.3f}"
    real = metrics["real"].get(key)
    return f"| {title} | {metrics[key]:.3f} | {interval} | {'' if real is None else f'{real:.3f}'} |"
