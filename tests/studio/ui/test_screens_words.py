"""View-models of the screens: dates, sieves, cards, learn rows, key pictures."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import registry
from studio.live.messages import Sound, TempoMark, Voice
from studio.live.take import Take, TakeHeader
from studio.takes import TakeInfo
from studio.ui.screens import keys_picture, models_card, models_shelf, takes_picture, takes_roll, takes_words
from studio.ui.screens.takes_words import SORTS, Sieve, date_words, neighbor, sifted
from studio.ui.typingkeys import PLAYING
from tests.studio.ui.screens_fakes import SHIPPED

NOW = datetime(2026, 11, 22, 18, 30)


def info(name: str, **changes: object) -> TakeInfo:
    fields: dict[str, object] = {
        "id": name, "path": Path(f"/takes/{name}/take.jsonl"), "name": name, "created": "2026-11-22T14:03:00",
        "length_s": 42.0, "player_notes": 100, "partner_notes": 200, "model": "partner@1.0.0",
        "mode": "accompany", "seed": 1, "bpm": 96.0, "metre": (4, 4), "bars": 16, "tags": (),
        "is_starred": False, "is_torn": False, "problem": "", "is_read": True, "parent": "", "from_bar": 0,
    }  # fmt: skip
    return TakeInfo(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("created", "words"),
    [
        ("2026-11-22T18:29:30", "Just now"),
        ("2026-11-22T14:03:00", "Today, 14:03"),
        ("2026-11-21T09:05:00", "Yesterday, 09:05"),
        ("2026-11-18T20:15:00", "Wednesday, 20:15"),
        ("2026-03-02T08:00:00", "2 March, 08:00"),
        ("2025-12-24T17:45:00", "24 December 2025, 17:45"),
        ("2026-11-23T08:00:00", "23 November, 08:00"),
        ("half past nine", "half past nine"),
    ],
)
def test_dates_are_said_as_a_person_says_them(created: str, words: str) -> None:
    assert date_words(created, NOW) == words


def test_dates_in_a_narrow_row_name_months_shortly() -> None:
    assert takes_words.line_words(info("a", created="2025-09-24T17:45:00"), NOW)[0] == "24 Sep 2025, 17:45"
    assert takes_words.detail_words(info("a", created="2026-09-24T17:45:00"), NOW).startswith("24 September,")


def test_a_date_with_a_zone_is_put_into_ours() -> None:
    created = (NOW.astimezone() - timedelta(hours=2)).isoformat()
    assert date_words(created, NOW) == "Today, 16:30"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (42.9, "0:42"), (725, "12:05"), (3725, "1:02:05"), (-1, "0:00")]
)
def test_lengths(seconds: float, words: str) -> None:
    assert takes_words.length_words(seconds) == words


def test_the_sieve_looks_into_names_tags_and_dates() -> None:
    takes = [
        info("Evening sketch", tags=("waltz",)),
        info("Harbor", is_starred=True, created="2026-11-21T10:00:00", length_s=90.0),
        info("Étude", tags=("waltz", "slow"), created="2026-11-20T10:00:00"),
    ]
    names = lambda sieve: [take.name for take in sifted(takes, sieve, NOW)]  # noqa: E731
    assert names(Sieve()) == ["Evening sketch", "Harbor", "Étude"]
    assert names(Sieve("WALTZ slow")) == ["Étude"]
    assert names(Sieve("yesterday")) == ["Harbor"]
    assert names(Sieve(is_starred_only=True)) == ["Harbor"]
    assert names(Sieve(tag="waltz", sort=SORTS[1])) == ["Étude", "Evening sketch"]
    assert names(Sieve(sort=SORTS[2]))[0] == "Harbor"
    assert names(Sieve(sort=SORTS[3])) == ["Evening sketch", "Harbor", "Étude"]
    assert takes_words.tags_of(takes) == ("waltz", "slow")


def test_a_row_says_when_and_how_long() -> None:
    assert takes_words.line_words(info("a"), NOW) == ("Today, 14:03", "0:42")
    assert takes_words.line_words(info("a", problem="It is torn."), NOW) == ("Can't be read", "")
    assert takes_words.line_words(info("a", is_read=False), NOW)[0] == "Reading…"


def test_the_line_under_the_name_tells_of_a_try_from_a_bar() -> None:
    assert takes_words.detail_words(info("a", parent="b", from_bar=9), NOW).endswith("from bar 9")
    words = takes_words.detail_words(info("a", model="", bars=1), NOW)
    assert "0:42, 1 bar" in words
    assert "rules, seed 1" in words
    assert "again" not in words
    assert takes_words.detail_words(info("a", problem="It is torn."), NOW) == "Today, 14:03"


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_the_neighbor_of_a_deleted_take_is_left(ids: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(ids))
    chosen = neighbor(ids, gone)
    assert (chosen == "") == (len(ids) == 1)
    assert chosen != gone
    assert not chosen or abs(ids.index(chosen) - ids.index(gone)) == 1


def take_of(notes: list[tuple[float, float, int]], bpm: float = 120.0) -> Take:
    sounds = []
    for number, (on_s, off_s, pitch) in enumerate(notes):
        voice = Voice.PLAYER if number % 2 else Voice.PARTNER
        sounds.append(Sound(on_s, "on", voice, pitch, 80, number))
        sounds.append(Sound(off_s, "off", voice, pitch, 0, number))
    sounds.sort(key=lambda sound: sound.time_s)
    start_s = notes[0][0] if notes else 0.0
    return Take(TakeHeader(bpm=bpm), tuple(sounds), (TempoMark(start_s, 0.0, bpm),))


def test_a_take_becomes_bars_and_notes_in_seconds() -> None:
    picture = takes_picture.picture_of(take_of([(10.0, 10.5, 60), (13.0, 14.5, 67)]))
    assert picture.bars_s == (0.0, 2.0, 4.0, 6.0)
    assert [(note.on_s, note.is_player) for note in picture.notes] == [(0.0, False), (3.0, True)]
    assert picture.duration_s == pytest.approx(4.5)
    assert [picture.bar_at(at_s) for at_s in (-1.0, 0.0, 1.99, 2.0, 99.0)] == [1, 1, 1, 2, 3]
    assert picture.start_s(3) == 4.0


def test_an_empty_take_has_one_bar() -> None:
    picture = takes_picture.picture_of(Take())
    assert picture.n_bars == 1
    assert picture.notes == ()


@given(st.lists(st.integers(0, 127), min_size=1, max_size=8))
def test_all_pitches_are_within_the_picture(pitches: list[int]) -> None:
    notes = [(float(n), n + 0.5, pitch) for n, pitch in enumerate(pitches)]
    picture = takes_picture.picture_of(take_of(notes))
    assert 0 <= picture.low_pitch <= min(pitches)
    assert max(pitches) <= picture.high_pitch <= 127
    assert picture.high_pitch - picture.low_pitch + 1 >= takes_picture.LEAST_SEMITONES


def test_long_takes_are_scrolled_and_numbers_keep_their_distance() -> None:
    assert takes_roll.bars_shown(800, 12, 56) == 12
    assert takes_roll.bars_shown(800, 200, 56) == 14
    assert takes_roll.bars_shown(10, 200, 56) == 1
    assert [takes_roll.number_step(px, 34) for px in (60, 20, 9, 0.1)] == [1, 2, 4, 64]


def test_the_shelf_lists_what_the_registry_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
    shipped = registry.shipped_folder() / "partner" / SHIPPED
    own = tmp_path / "models" / "partner"
    for version in ("0.9.0", "1.1.0-rc.1"):
        (own / version).mkdir(parents=True)
        for file in shipped.iterdir():
            (own / version / file.name).write_bytes(file.read_bytes()[:200])
        manifest = json.loads((shipped / "bundle.json").read_text()) | {"version": version}
        (own / version / "bundle.json").write_text(json.dumps(manifest))
    (own / "current.json").write_text(json.dumps({"current": "0.9.0", "earlier": [SHIPPED], "history": []}))
    found = models_shelf.read_shelf()
    theirs = registry.list_bundles()
    keys = ("name", "version", "is_current", "is_shipped", "path", "size_mb")
    assert [[getattr(each, key) for key in keys] for each in found] == [
        [getattr(each, key) for key in keys] for each in theirs
    ]
    assert models_shelf.can_roll_back("partner")
    assert not models_shelf.can_roll_back("chorales")


def test_a_damaged_bundle_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "mine" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text("{")
    (bundle,) = models_shelf.read_shelf(tmp_path / "shipped", tmp_path / "own")
    assert bundle.problem
    assert models_card.card_of(bundle).facts == ()


def test_the_partners_card_shows_its_own_figures() -> None:
    bundle = next(each for each in models_shelf.read_shelf() if each.name == "partner" and each.is_shipped)
    card = models_card.card_of(bundle)
    nll = bundle.manifest["metrics"]["nll"]
    assert card.charts[0].bars[0].words == f"{nll['model']['partner']:.2f}"
    assert card.charts[0].top == max(nll[row]["partner"] for row in ("model", "unigram", "repeat_last_bar"))
    assert [bar.label for bar in card.charts[1].bars] == ["This model", "Rules", "Not listening", "Arranger"]
    assert all(bar.low <= bar.value <= bar.high for chart in card.charts for bar in chart.bars)
    facts = dict(card.facts)
    assert facts["License"] == "Apache-2.0"
    assert "POP909" in facts["Trained on"]
    assert len(card.limits) == 3
    assert models_card.plays_live(bundle)


def test_limits_are_found_in_a_sentence_too() -> None:
    card = "# x\n\nData: all of it. `valid` chose. Limits: four\nvoices, no fermatas.\n\nLicence: MIT.\n"
    assert models_card.limits_of(card) == ("Four voices, no fermatas.",)
    assert models_card.limits_of("# x") == ()


def test_the_typing_piano_is_drawn_as_it_plays() -> None:
    found = keys_picture.caps(pygame.Rect(0, 0, 900, 240))
    assert {cap.scancode: cap.offset for cap in found if cap.offset is not None} == PLAYING
    labels = {cap.key: cap for cap in found}
    assert (labels["z"].offset, labels["q"].offset) == (0, 12)
    assert [labels[key].is_black for key in "sdzx"] == [True, True, False, False]
    assert labels["["].words == "octave"
    boxes = [cap.rect for cap in found]
    assert all(box.collidelist(boxes[:at]) == -1 for at, box in enumerate(boxes))


def test_keys_light_up_in_their_octave_or_the_nearest() -> None:
    assert keys_picture.sounding((60, 64), 60) == {0, 4}
    assert keys_picture.sounding((36,), 60) == {0}
    assert keys_picture.sounding((), 60) == frozenset()
