"""What the Takes screen says of takes: dates and lengths in words, and which of them are shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.takes import TakeInfo

SORTS = ("Newest first", "Oldest first", "Longest first", "By name")

ALL_TAGS = "All tags"


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which takes are shown, and in which order.

    Attributes:
        words: All of them must be found in name, tags, model or date.
        is_starred_only: Only starred ones.
        tag: Only those with this tag; empty for any.
        sort: One of :data:`SORTS`.
    """

    words: str = ""
    is_starred_only: bool = False
    tag: str = ""
    sort: str = SORTS[0]

    @property
    def is_open(self) -> bool:
        """Whether it lets every take through."""
        return not (self.words.strip() or self.is_starred_only or self.tag)


def sifted(takes: Iterable[TakeInfo], sieve: Sieve, now: datetime) -> list[TakeInfo]:
    """The takes that a sieve lets through, sorted; takes of equal rank keep their order."""
    found = [take for take in takes if _passes(take, sieve, now)]
    if sieve.sort == SORTS[2]:
        found.sort(key=lambda take: -take.length_s)
    elif sieve.sort == SORTS[3]:
        found.sort(key=lambda take: take.name.casefold())
    else:
        found.sort(key=lambda take: _moment(take.created, now).timestamp(), reverse=sieve.sort == SORTS[0])
    return found


def _passes(take: TakeInfo, sieve: Sieve, now: datetime) -> bool:
    if sieve.is_starred_only and not take.is_starred:
        return False
    if sieve.tag and sieve.tag not in take.tags:
        return False
    place = " ".join((take.name, *take.tags, take.model, take.mode, date_words(take.created, now))).casefold()
    return all(word in place for word in sieve.words.casefold().split())


def tags_of(takes: Iterable[TakeInfo]) -> tuple[str, ...]:
    """Every tag in use, the most used first, then by name."""
    counts: dict[str, int] = {}
    for take in takes:
        for tag in take.tags:
            counts[tag] = counts.get(tag, 0) + 1
    return tuple(sorted(counts, key=lambda tag: (-counts[tag], tag.casefold())))


def date_words(created: str, now: datetime, *, is_short: bool = False) -> str:
    """An ISO date and time as a person would say it: ``Today, 14:03``; the text itself if it is none."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return created
    moment = _like(moment, now)
    days = (now.date() - moment.date()).days
    if 0 <= (now - moment).total_seconds() < 90:
        return "Just now"
    clock = f"{moment:%H:%M}"
    if days == 0:
        return f"Today, {clock}"
    if days == 1:
        return f"Yesterday, {clock}"
    if 1 < days < 7:
        return f"{moment:%A}, {clock}"
    year = "" if moment.year == now.year else f" {moment.year}"
    month = f"{moment:%b}" if is_short else f"{moment:%B}"
    return f"{moment.day} {month}{year}, {clock}"


def _moment(created: str, now: datetime) -> datetime:
    try:
        return _like(datetime.fromisoformat(created), now)
    except ValueError:
        return _like(datetime(1970, 1, 1), now)


def _like(moment: datetime, now: datetime) -> datetime:
    """The same moment in the time zone of ``now``; one that names none is taken for local."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=now.tzinfo)
    return moment.astimezone(now.tzinfo) if now.tzinfo else moment.astimezone().replace(tzinfo=None)


def length_words(length_s: float) -> str:
    """``0:42``, ``12:05`` or ``1:02:05``."""
    seconds = max(0, int(length_s))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def count_words(count: int, one: str, many: str = "") -> str:
    """``1 note``, ``1,204 notes``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def line_words(take: TakeInfo, now: datetime) -> tuple[str, str]:
    """The second line of a row: when it was played at the left, how long it is at the right."""
    if take.problem:
        return "Can't be read", ""
    if not take.is_read:
        return "Reading…", ""
    return date_words(take.created, now, is_short=True), length_words(take.length_s)


def detail_words(take: TakeInfo, now: datetime) -> str:
    """The line under the name of an opened take."""
    words = [date_words(take.created, now)]
    if take.is_read and not take.problem:
        words += [
            f"{length_words(take.length_s)}, {count_words(take.bars, 'bar')}",
            f"{take.bpm:g} bpm, {take.metre[0]}/{take.metre[1]}",
            f"{take.model or 'rules'}, seed {take.seed}",
        ]
    if take.from_bar:
        words.append(f"tried again from bar {take.from_bar}")
    return "   ·   ".join(words)


def verified_words(result: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Sentence, hint and whether it is a fault: what came of making a take's sound anew."""
    matches, last_time = result["matches"], result["last_time"]
    differing = [name for name, is_same in matches.items() if not is_same]
    if differing:
        hint = "It was changed, or made by another version of Antiphon."
        return f"{', '.join(differing)} is another sound than the take's.", hint, True
    if last_time is False:
        return (
            "The take sounds different from the last time.",
            "Antiphon's own sounds have changed since.",
            True,
        )
    if matches or last_time:
        same = ", ".join(matches) or "the last time"
        return "The sound is the same, bit for bit.", f"Made anew and compared with {same}.", False
    return "The sound was made anew and remembered.", "The next time it is compared, bit for bit.", False


def neighbor(ids: Sequence[str], gone: str) -> str:
    """Who is chosen after ``gone`` left a list: the next one, else the one before, else none (empty)."""
    if gone not in ids:
        return ids[0] if ids else ""
    at = list(ids).index(gone)
    left = [each for each in ids if each != gone]
    return left[min(at, len(left) - 1)] if left else ""
