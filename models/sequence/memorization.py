"""Copied passages: how much of generated music stands note for note in the training files.

Music becomes one token a note: pitch interval and time since the note before, and the duration.
Tokens do not change under transposition. Two passages of *n* + 1 notes are the same when their *n*
tokens are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midi.events import MAX_BAR_TICKS, duration_bin
from midi.note import NoteArray
from models.sequence.harmony import pitched

_BASE = np.uint64(0x9E3779B97F4A7C15 | 1)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Copied:
    """Copied passages of one performance.

    Attributes:
        longest_notes: Notes of the longest passage that stands in a training file; 0 when not even
            two notes agree.
        ngram_overlap: Share (0–1) of the passages of ``n`` tokens that stand in a training file; 0
            when the music is too short to have one.
    """

    longest_notes: int
    ngram_overlap: float


def note_tokens(notes: NoteArray, *, with_lengths: bool = True) -> NDArray[np.int64]:
    """One token for each note after the first, by onset and then pitch; drums are left out.

    A token packs pitch interval, onset difference in grid ticks (at most a bar) and duration bin.

    Args:
        notes: Grid notes.
        with_lengths: False leaves the duration out, so that the same passage held shorter is the same.
    """
    kept = pitched(notes)
    order = np.lexsort((kept.pitch, kept.onset_ticks))
    pitch, onset = kept.pitch[order].astype(np.int64), kept.onset_ticks[order]
    interval = np.diff(pitch) + 128
    delta = np.minimum(np.diff(onset), MAX_BAR_TICKS)
    tokens = (interval * (MAX_BAR_TICKS + 1) + delta) * 64
    return tokens + duration_bin(kept.duration_ticks[order][1:]) if with_lengths else tokens


class PassageIndex:
    """Training music, ready to be searched for passages of any length.

    Passages are compared by 64-bit polynomial hashes over prefix sums (Rabin and Karp 1987), so a
    false match is about as likely as 1e-6 for a million notes against a thousand. Searching a length
    costs one pass over the index.

    Args:
        files: Grid notes of each training file; a passage never spans two.
        with_lengths: Whether passages must agree in the lengths of their notes too.
    """

    def __init__(self, files: Iterable[NoteArray], *, with_lengths: bool = True) -> None:
        self._with_lengths = with_lengths
        self._prefix = _prefix_hashes([self._tokens(notes) for notes in files], salt=1)

    def __len__(self) -> int:
        return len(self._prefix) - 1

    def found(self, notes: NoteArray, n: int) -> NDArray[np.bool_]:
        """Which passages of ``n`` tokens of ``notes`` stand in the index, in order of their start."""
        tokens = self._tokens(notes)
        if len(tokens) < n:
            return np.zeros(0, dtype=bool)
        return self._matches(_windows(_prefix_hashes([tokens], salt=2), n)[1:], n)

    def copied(self, notes: NoteArray, n: int = 8) -> Copied:
        """Longest copied passage, and the share of copied passages of ``n`` tokens."""
        hits = self.found(notes, n)
        prefix = _prefix_hashes([self._tokens(notes)], salt=2)
        low, high = 0, len(prefix) - 2
        while low < high:
            middle = (low + high + 1) // 2
            if self._matches(_windows(prefix, middle)[1:], middle).any():
                low = middle
            else:
                high = middle - 1
        return Copied(low + 1 if low else 0, float(hits.mean()) if len(hits) else 0.0)

    def _tokens(self, notes: NoteArray) -> NDArray[np.int64]:
        return note_tokens(notes, with_lengths=self._with_lengths)

    def _matches(self, wanted: Hashes, n: int) -> NDArray[np.bool_]:
        if len(self) < n or len(wanted) == 0:
            return np.zeros(len(wanted), dtype=bool)
        # The query is short and the index long: sort the query, look up the index in it.
        unique, inverse = np.unique(wanted, return_inverse=True)
        ours = _windows(self._prefix, n)
        place = np.minimum(np.searchsorted(unique, ours), len(unique) - 1)
        is_there = np.zeros(len(unique), dtype=bool)
        is_there[place[unique[place] == ours]] = True
        return is_there[inverse]


class PassageFilter:
    """Which passages of :data:`LENGTH` tokens occur in training music, small enough to ship in a bundle.

    A Bloom filter (Bloom 1970): a passage that was trained on is always found; another one is found by
    mistake with a chance of about 5 in 10,000.

    Args:
        bits: The filter, eight bits an entry.
    """

    LENGTH = 8
    BITS_A_PASSAGE = 16
    PROBES = 11

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self.bits = bits

    @classmethod
    def of(cls, files: Iterable[NoteArray]) -> PassageFilter:
        """The filter of training music, one entry of ``files`` a part of a song, on the event grid."""
        prefix = _prefix_hashes([note_tokens(notes) for notes in files], salt=1)
        passages = np.unique(_windows(prefix, cls.LENGTH)) if len(prefix) > cls.LENGTH else prefix[:0]
        found = cls(np.zeros(max(1, len(passages) * cls.BITS_A_PASSAGE // 8), dtype=np.uint8))
        for place in found._places(passages):
            np.bitwise_or.at(found.bits, place >> np.uint64(3), _bit(place))
        return found

    def copied(self, notes: NoteArray) -> Copied:
        """Longest run of known passages in notes, and the share of known passages.

        A run may be pieced together from several training files, so the longest copied passage is at
        most ``longest_notes``; it is 0 when no passage of ``LENGTH`` tokens is known.
        """
        tokens = note_tokens(notes)
        if len(tokens) < self.LENGTH:
            return Copied(0, 0.0)
        passages = _windows(_prefix_hashes([tokens], salt=2), self.LENGTH)[1:]
        hits = np.ones(len(passages), dtype=bool)
        for place in self._places(passages):
            hits &= (self.bits[place >> np.uint64(3)] & _bit(place)) > 0
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hits.astype(np.int8), [0]])))
        longest = int((edges[1::2] - edges[::2]).max(initial=0))
        return Copied(longest + self.LENGTH if longest else 0, float(hits.mean()))

    def _places(self, passages: Hashes) -> Iterator[Hashes]:
        """Where each probe of every passage lies (double hashing, Kirsch and Mitzenmacher 2006)."""
        step = _mix(passages) | np.uint64(1)
        size = np.uint64(len(self.bits) * 8)
        for probe in range(self.PROBES):
            yield (passages + np.uint64(probe) * step) % size


def _bit(place: Hashes) -> NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (place & np.uint64(7)).astype(np.uint8))


def _mix(values: NDArray[np.int64] | Hashes) -> Hashes:
    """Spread integers over 64 bits (the finalizer of SplitMix64, Steele et al. 2014)."""
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _prefix_hashes(files: list[NDArray[np.int64]], salt: int) -> Hashes:
    """Hash of every prefix of the concatenated files; shape ``[tokens + files + 1]``.

    Each file opens with a token of its own that occurs nowhere else, so no window across two files
    ever matches.
    """
    pieces = []
    for number, tokens in enumerate(files):
        opening = _mix(np.array([(salt << 60) + (1 << 40) + number], dtype=np.int64))
        pieces += [opening, _mix(tokens)]
    flat = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.uint64)
    return np.concatenate(
        [np.zeros(1, dtype=np.uint64), np.cumsum(flat * _powers(len(flat)), dtype=np.uint64)]
    )


def _powers(n: int) -> Hashes:
    """Powers 0 to n - 1 of the base modulo 2**64."""
    factors = np.full(n, _BASE, dtype=np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def _windows(prefix: Hashes, n: int) -> Hashes:
    """Hash of every window of ``n`` tokens, the same wherever it stands."""
    n_windows = len(prefix) - n
    difference = prefix[n:] - prefix[:n_windows]
    # Window i carries base**i; multiply by base**(-i), which exists since the base is odd.
    inverse = np.uint64(pow(int(_BASE), -1, 1 << 64))
    factors = np.full(n_windows, inverse, dtype=np.uint64)
    factors[:1] = 1
    return difference * np.multiply.accumulate(factors)
