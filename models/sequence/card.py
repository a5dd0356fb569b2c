"""Model cards: generated from a bundle's fields and figures, never typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midi.instruments import INSTRUMENT_NAMES

ROW_NAMES = {"live": "this model, live", "truth": "truth"}
"""What the card calls the rows of the copying report."""

FIELD_COLUMNS = ("delta", "role", "instrument", "pitch", "duration", "velocity")


def music_card(
    fields: Mapping[str, Any], corpus: Mapping[str, Any], fitted: Mapping[str, Any], parameters: int
) -> str:
    """Card of an event-row model as Markdown.

    Args:
        fields: Of the manifest.
        corpus: Health report of the corpus.
        fitted: How the training ended.
        parameters: Number of weights.
    """
    trunk = fields["config"]["trunk"]
    lines = [
        f"# {fields['name']} {fields['version']}",
        "",
        "An event-row transformer that plays along: it reads what the player plays and plans the partner's",
        "next beats. Generated from measurements; do not edit.",
        "",
        "## Model",
        "",
        f"- {parameters / 1e6:.2f} million parameters, {trunk['layers']} layers of width {trunk['width']},",
        f"  context of {trunk['context']} rows, stored in half precision",
        f"- event vocabulary `{fields['vocabulary_hash']}`",
        f"- parent: {fields['parent'] or 'none, trained from scratch'}",
        f"- {fitted['step']} steps in {fitted['elapsed_s'] / 60:.0f} minutes; the weights are those of step "
        f"{fitted['best_step']}",
        "",
        "## Data",
        "",
        *_data(fields, corpus),
        *_parts(corpus),
        *_habits(fields["metrics"].get("habits") or {}),
        "",
        "## Held-out likelihood",
        "",
        *_likelihood(fields["metrics"].get("nll") or {}),
        *_listening(fields["metrics"].get("listening") or {}),
        *_copied((fields["metrics"].get("listening") or {}).get("copied") or {}),
        "## Limits",
        "",
        "- It knows the styles and metres of its data and little else; most of them are in four-four time.",
        "- It plays on a grid of 24 ticks a beat: triplets and 16ths, no finer rubato.",
        "- It hears the player half a beat late by design (the commit window) and sees no further back than",
        "  its context.",
        "",
        "## Licence",
        "",
        f"Weights: {fields['licence']}. Data as listed above.",
        "",
    ]
    return "\n".join(lines)


def _data(fields: Mapping[str, Any], corpus: Mapping[str, Any]) -> list[str]:
    splits = corpus["splits"]
    lines = [
        f"- {entry['name']} ({entry['licence']}){': ' + entry['source'] if entry.get('source') else ''}"
        for entry in fields["data"]
    ]
    return [
        *lines,
        f"- {corpus['used']} files used, {len(corpus['repaired'])} repaired, "
        f"{len(corpus['refused'])} refused, {len(corpus['duplicates'])} doubles; {corpus['notes']:,} notes, "
        f"{corpus['minutes']:,.0f} minutes",
        f"- digest `{corpus['digest']}`; split by the hash of each song's notes (one in twenty to `test`, "
        f"one in twenty to `valid`): {splits.get('train', 0)} train, {splits.get('valid', 0)} valid, "
        f"{splits.get('test', 0)} test",
    ]


def _parts(corpus: Mapping[str, Any]) -> list[str]:
    """Which instruments there are to be learned, most frequent first."""
    found = sorted(corpus["instruments"].items(), key=lambda item: (-item[1], int(item[0])))
    parts = ", ".join(f"{INSTRUMENT_NAMES[int(instrument)]} {count}" for instrument, count in found)
    return [f"- parts: {parts}"] if parts else []


def _habits(habits: Mapping[str, Any]) -> list[str]:
    """What the parts are like on average: what a partner that strays is pulled back to."""
    lines = []
    for name, habit in habits.items():
        how = f"  - {name}: {habit['notes_per_beat']:.1f} notes a beat"
        if habit["pitch"] is not None:
            how += f", mean pitch {habit['pitch']:.1f}, length {habit['length_beats']:.2f} beats"
        lines.append(f"{how} ({habit['songs']} songs)")
    return ["- how they accompany, median of the training songs:", *lines] if lines else []


def _likelihood(nll: Mapping[str, Any]) -> list[str]:
    if not nll:
        return ["Not measured: no song was held out.", ""]
    rows = [
        ("this model", nll["model"]),
        ("repeat last bar", nll["repeat_last_bar"]),
        ("unigram", nll["unigram"]),
    ]
    lines = [
        f"Nats a partner note on {nll['windows']} windows of the `{nll['split']}` split, the player heard",
        "half a beat late; bar lines count to the total.",
        "",
        "| | " + " | ".join(("total", *FIELD_COLUMNS)) + " |",
        "|---|" + "--:|" * (len(FIELD_COLUMNS) + 1),
    ]
    for name, figures in rows:
        cells = [figures["partner"], *(figures[f"partner_{column}"] for column in FIELD_COLUMNS)]
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in cells) + " |")
    piano = nll.get("piano") or {}
    if "parent" in piano:
        own, parent = (piano[name]["partner"] for name in ("model", "parent"))
        lines += [
            "",
            f"With the piano alone, on {piano['windows']} windows: {own:.3f} nats a note; the parent has "
            f"{parent:.3f} there.",
        ]
    return [*lines, ""]


def _listening(listening: Mapping[str, Any]) -> list[str]:
    if not listening:
        return []
    figures = ("consonance_rate", "unsupported_rate", "note_in_chord", "distance")
    times = f", {listening['repeats']} times" if listening.get("repeats", 1) > 1 else ""
    lines = [
        "## Playing along",
        "",
        f"{listening['songs']} held-out songs, {listening['bars']} bars each{times}, live on a manual clock;",
        "means and 95 % bootstrap intervals over songs (`antiphon eval music`). The distance to the true",
        "accompaniment is the mean of those of pitch classes, onsets, density and register.",
        "",
        "| | " + " | ".join(name.replace("_", " ") for name in figures) + " |",
        "|---|" + "--:|" * len(figures),
    ]
    for row, values in listening["rows"].items():
        cells = [
            f"{values[n]['mean']:.3f} [{values[n]['low']:.3f}, {values[n]['high']:.3f}]" for n in figures
        ]
        lines.append(f"| {row.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _copied(copied: Mapping[str, Any]) -> list[str]:
    """What generated music shares with the training files, beside what held-out music shares with them."""
    if not copied:
        return []
    share = f"share of {copied['ngram_notes']}-note passages"
    lines = [
        "## Copied passages",
        "",
        f"Longest passage that stands in one of {copied['training_songs']} training songs, in any key: the",
        "same intervals and onsets, with the same lengths and with any. The truth is music held out.",
        "",
        f"| | longest | {share} | longest, any lengths | {share} |",
        "|---|--:|--:|--:|--:|",
    ]
    for row, values in copied["rows"].items():
        cells = [cell for found in (values, values["loose"]) for cell in _passages(found)]
        lines.append(f"| {ROW_NAMES.get(row, row)} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _passages(found: Mapping[str, Any]) -> tuple[str, str]:
    overlap = found["ngram_overlap"]
    interval = f"{overlap['mean']:.3f} [{overlap['low']:.3f}, {overlap['high']:.3f}]"
    return f"{found['longest_notes']} notes, {found['longest_bars']:.1f} bars", interval
