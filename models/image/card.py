"""Cards of picture bundles: generated from fields and figures, never typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def picture_card(
    fields: Mapping[str, Any], corpus: Mapping[str, Any], fitted: Mapping[str, Any], parameters: int
) -> str:
    """Card of a picture generator as Markdown.

    Args:
        fields: Of the manifest.
        corpus: Health report of the pictures.
        fitted: How the training ended, and ``step_chosen``.
        parameters: Number of the generator's weights.
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
    ]
    return "\n".join(lines)


def _source(entry: Mapping[str, str]) -> str:
    return f"- {entry['name']} ({entry['licence']}){': ' + entry['source'] if entry.get('source') else ''}"


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    if "swd" not in metrics:
        return ["Not measured: too few pictures were held out.", ""]
    levels = list(metrics["swd"])
    return [
        f"Sliced Wasserstein distance of {metrics['pictures']} pictures, truncation 1, to "
        f"{metrics['held_out']} held-out ones, by level",
        "of a Laplacian pyramid in deviations of the real pictures (`shape`: whole pictures at 8 pixels).",
        "",
        "| | " + " | ".join(levels) + " |",
        "|---|" + "--:|" * len(levels),
        *(
            f"| {title} | " + " | ".join(f"{metrics[key][level]:.3f}" for level in levels) + " |"
            for title, key in (("this model", "swd"), ("real training pictures", "swd_real"))
        ),
        "",
        f"Nearest-neighbor ratio {metrics['nearest_ratio']:.2f}: the median distance of a made picture to",
        "the nearest training picture, over that of a real held-out one. Far below 1 would be copying.",
        "",
    ]
