"""What a bundle's card shows: figures, charts and facts, from its manifest and its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.ui.screens.models_shelf import PARTNER, Bundle

_BLURBS = {
    "partner": "Reads what you play and plans the next beats beside it.",
    "band": "A partner as a band: any of piano, bass, strings, pad and drums.",
    "chorales": "Four-part chorales: a yardstick, and a duet partner for later.",
}
"""What the shipped bundles are for, in fewer words than their cards."""

_KINDS = {"notes": "notes", "latent": "picture codes", "image": "pictures", "features": "features"}
_NETWORKS = {PARTNER: "Event-row transformer", "chorale": "Chorale transformer"}

_LISTENING = (
    ("consonance_rate", "Consonant with you", True),
    ("note_in_chord", "Notes within the chord", True),
    ("unsupported_rate", "Notes left hanging in the air", False),
)
_LISTENERS = (("partner", "This model"), ("rules", "Rules"), ("deaf", "Not listening"), ("truth", "Arranger"))


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart.

    ``value`` is in the chart's unit; ``low`` to ``high`` is its 95 % interval, empty where there is none.
    """

    label: str
    value: float
    words: str
    is_own: bool = False
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from zero to ``top``, and a sentence on how to read them."""

    title: str
    reading: str
    bars: tuple[Bar, ...]
    top: float


@dataclass(frozen=True, slots=True)
class Card:
    """A bundle as it is shown.

    Attributes:
        title: Its name.
        blurb: What it is for, one sentence.
        badges: Words in boxes: version, where it is from, whether it is current.
        charts: Figures beside their baselines.
        facts: Label and words.
        limits: What it can't do, a sentence each.
        problem: Why it can't be used; usually empty.
    """

    title: str
    blurb: str
    badges: tuple[str, ...]
    charts: tuple[Chart, ...]
    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    problem: str = ""


def card_of(bundle: Bundle) -> Card:
    """Everything that the screen shows of a bundle."""
    origin = "came with Antiphon" if bundle.is_shipped else "installed"
    badges = (f"version {bundle.version}", origin, *(("current",) if bundle.is_current else ()))
    return Card(
        bundle.name,
        blurb_of(bundle),
        badges,
        tuple(_charts(_mapping(bundle.manifest, "metrics"))),
        tuple(_facts(bundle)),
        limits_of(bundle.card),
        bundle.problem,
    )


def blurb_of(bundle: Bundle) -> str:
    """One sentence: ours for shipped ones, else the first of its card, else what it turns into what."""
    if bundle.is_shipped and bundle.name in _BLURBS:
        return _BLURBS[bundle.name]
    for line in _plain(bundle.card).split("\n\n")[1:2]:
        sentence = re.split(r"(?<=[.!?])\s", " ".join(line.split()), maxsplit=1)[0]
        if sentence:
            return sentence
    return kinds_of(bundle)


def kinds_of(bundle: Bundle) -> str:
    """``notes to notes``, in words; empty where the manifest doesn't say."""
    kinds = _mapping(bundle.manifest, "kinds")
    came, given = (_KINDS.get(str(kinds.get(side, "")), str(kinds.get(side, ""))) for side in ("in", "out"))
    return f"{came} to {given}" if came and given else ""


def plays_live(bundle: Bundle) -> bool:
    """Whether it can be the partner on the Play screen."""
    return not bundle.problem and bundle.manifest.get("architecture") == PARTNER


def limits_of(card: str) -> tuple[str, ...]:
    """The sentences under ``Limits`` of a card's text."""
    section = re.search(r"^#+\s*Limits\s*$(.*?)(?=^#|\Z)", card, re.MULTILINE | re.DOTALL)
    if section:
        items = re.split(r"^[-*]\s+", section.group(1), flags=re.MULTILINE)[1:]
        return tuple(" ".join(_plain(item).split()) for item in items)
    sentence = re.search(r"Limits:\s*(.+?\.)(?=\s*\n\s*\n|\s*\Z|\s+[A-Z])", card, re.DOTALL)
    if not sentence:
        return ()
    words = " ".join(_plain(sentence.group(1)).split())
    return (words[:1].upper() + words[1:],)


def _charts(metrics: Mapping[str, Any]) -> Iterator[Chart]:
    likelihood = tuple(_likelihood(metrics))
    if likelihood:
        reading = "Surprise in nats a note on music it never saw: shorter is better."
        yield Chart("How well it predicts", reading, likelihood, max(bar.value for bar in likelihood))
    rows = _mapping(_mapping(metrics, "listening"), "rows")
    for key, title, is_more_better in _LISTENING:
        bars = tuple(_listening(rows, key))
        if bars:
            reading = "Longer is better." if is_more_better else "Shorter is better."
            yield Chart(title, reading, bars, 1.0 if is_more_better else max(bar.high for bar in bars))


def _likelihood(metrics: Mapping[str, Any]) -> Iterator[Bar]:
    nll = _mapping(metrics, "nll")
    for key, label in (
        ("model", "This model"),
        ("repeat_last_bar", "Repeat last bar"),
        ("unigram", "Unigram"),
    ):
        value = _mapping(nll, key).get("partner")
        if isinstance(value, (int, float)):
            yield Bar(label, value, f"{value:.2f}", key == "model", value, value)
    pair = (("nll_nats_per_note", "This model"), ("copy_bigram_nll", "Copy or bigram"))
    for key, label in pair:
        value = metrics.get(key)
        if isinstance(value, (int, float)):
            yield Bar(label, value, f"{value:.3f}", key == "nll_nats_per_note", value, value)


def _listening(rows: Mapping[str, Any], key: str) -> Iterator[Bar]:
    for row, label in _LISTENERS:
        figure = _mapping(_mapping(rows, row), key)
        mean, low, high = (figure.get(part) for part in ("mean", "low", "high"))
        if isinstance(mean, (int, float)):
            low = low if isinstance(low, (int, float)) else mean
            high = high if isinstance(high, (int, float)) else mean
            yield Bar(label, mean, f"{100 * mean:.0f} %", row == "partner", low, high)


def _facts(bundle: Bundle) -> Iterator[tuple[str, str]]:
    manifest = bundle.manifest
    if not manifest:
        return
    if kinds := kinds_of(bundle):
        yield "Turns", kinds
    architecture = str(manifest.get("architecture", ""))
    if architecture:
        yield "Network", _NETWORKS.get(architecture, architecture)
    if parameters := re.search(r"([\d.]+) million parameters", bundle.card):
        yield "Parameters", f"{parameters.group(1)} million"
    yield "Size", f"{bundle.size_mb:.1f} MB"
    yield "License", str(manifest.get("licence") or "not stated")
    for source in manifest.get("data") or ():
        if isinstance(source, Mapping):
            yield "Trained on", str(source.get("name", ""))
            yield "Data license", str(source.get("licence", "not stated"))
    if trained := _training(bundle):
        yield "Training", trained
    if parent := manifest.get("parent"):
        yield "Tuned from", str(parent)
    if created := day_words(str(manifest.get("created", ""))):
        yield "Made", created


def _training(bundle: Bundle) -> str:
    metrics = _mapping(bundle.manifest, "metrics")
    steps, minutes = metrics.get("steps"), metrics.get("minutes")
    if not isinstance(steps, (int, float)):
        found = re.search(r"([\d,]+) steps in ([\d.]+) minutes", bundle.card)
        if not found:
            return ""
        steps, minutes = int(found.group(1).replace(",", "")), float(found.group(2))
    time = f" in {minutes:.0f} minutes" if isinstance(minutes, (int, float)) else ""
    return f"{int(steps):,} steps{time}"


def day_words(created: str) -> str:
    """``22 November 2026`` of an ISO date; empty for none."""
    try:
        day = datetime.fromisoformat(created)
    except ValueError:
        return ""
    return f"{day.day} {day:%B %Y}"


def _plain(text: str) -> str:
    """Markdown without its marks."""
    return re.sub(r"[`*_]{1,2}(\S(?:.*?\S)?)[`*_]{1,2}", r"\1", text)


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}
