"""Which parts a partner was taught. Plain values: nothing here needs torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from midi.instruments import INSTRUMENT_NAMES

if TYPE_CHECKING:
    from midi.corpus import Corpus

BAND_PARTS: tuple[int, ...] = tuple(
    INSTRUMENT_NAMES.index(name) for name in ("piano", "bass", "strings", "pad", "drums")
)
"""The parts of a band arrangement (:mod:`models.sequence.band`), in the order in which they are named."""

FIRST_PARTS: tuple[int, ...] = tuple(INSTRUMENT_NAMES.index(name) for name in ("piano", "strings"))
"""What POP909 without arrangements teaches."""

MIN_SHARE = 0.02
"""Share of the training songs in which a part must accompany to count as taught."""


def told_parts(instruments: Sequence[str], config: Mapping[str, Any]) -> tuple[int, ...]:
    """Instrument classes that a bundle's partner was taught, ascending.

    Args:
        instruments: Names in the manifest. Bundles from before there was such an entry have none; those
            were taught a band where they are told their parts, else POP909's piano and strings.
        config: Of the network, as the manifest has it.
    """
    known = {INSTRUMENT_NAMES.index(name) for name in instruments if name in INSTRUMENT_NAMES}
    return tuple(sorted(known or (BAND_PARTS if config.get("tells_parts") else FIRST_PARTS)))


def corpus_parts(corpus: Corpus) -> tuple[int, ...]:
    """Instrument classes that accompany in the training songs of a corpus, rare ones left out; ascending."""
    songs = corpus.split("train")
    found = Counter(
        instrument
        for song in songs
        for instrument in {part.instrument for i, part in enumerate(song.parts) if i != song.lead}
    )
    return tuple(sorted(part for part, count in found.items() if count >= MIN_SHARE * len(songs)))


def fitting(wanted: tuple[int, ...], taught: Collection[int]) -> tuple[int, ...]:
    """Those of some parts that a model was taught; where that is none, the first that it was taught.

    Nothing taught means that nobody knows, and all are fitting.
    """
    if not taught or not wanted:
        return wanted
    return tuple(part for part in wanted if part in taught) or (min(taught),)


def part_names(parts: Iterable[int]) -> tuple[str, ...]:
    """Names of instrument classes, those of a band first and in its order."""
    wanted = set(parts)
    ordered = [part for part in BAND_PARTS if part in wanted]
    return tuple(INSTRUMENT_NAMES[part] for part in [*ordered, *sorted(wanted - set(BAND_PARTS))])


def in_words(parts: Iterable[int]) -> str:
    """Instrument classes as words: ``piano, bass and drums``."""
    return listed(part_names(parts))


def listed(names: Sequence[str]) -> str:
    """Names as an enumeration; ``nothing`` for none."""
    *most, last = names or ("nothing",)
    return f"{', '.join(most)} and {last}" if most else last
