from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import midi
from midi.clock import TempoMap
from midi.corpus import Corpus, build_corpus
from midi.events import (
    DRUMS,
    EVENT_DTYPE,
    FIELD_SIZES,
    GRID_PER_BEAT,
    LONG_NOTE_TICKS,
    OPEN_DURATION,
    BarGrid,
    Field,
    Role,
    decode,
)
from midi.instruments import parts_mask
from midi.note import DRUM_CHANNEL, Note, NoteArray, Part, Score
from models.sequence.windows import (
    HOP_BARS,
    Draw,
    Place,
    RoleMix,
    WindowConfig,
    draw_window,
    misread,
    overplay,
    places,
    window,
)

BAR = 4 * GRID_PER_BEAT
BARS = 20


def constructed() -> Score:
    """Melody of whole notes and quarters in turn, piano, drums and a bass of two notes."""
    melody, piano, drums = [], [], []
    for bar in range(BARS):
        at = bar * BAR
        lengths = [96] if bar % 2 == 0 else [24] * 4
        for i, length in enumerate(lengths):
            melody.append(Note(at + i * 24, length, 72 + bar % 5, 90))
        piano += [Note(at + beat * 24, 24, pitch, 60) for beat in range(4) for pitch in (48, 55)]
        drums += [Note(at + beat * 48, 6, 36, 100, DRUM_CHANNEL) for beat in range(2)]
    bass = [Note(0, 24, 36, 80), Note(BAR, 24, 38, 80)]
    parts = (
        Part("BASS", NoteArray.from_notes(bass), 33),
        Part("MELODY", NoteArray.from_notes(melody), 73),
        Part("PIANO", NoteArray.from_notes(piano), 0),
        Part("KIT", NoteArray.from_notes(drums), 0, True),
    )
    return Score(parts, TempoMap(GRID_PER_BEAT))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    folder = tmp_path_factory.mktemp("songs")
    midi.write(folder / "one.mid", constructed())
    other = constructed()
    shifted = [replace(n, pitch=n.pitch + 2) for n in other.parts[1].notes]
    other = replace(
        other, parts=(other.parts[0], replace(other.parts[1], notes=NoteArray.from_notes(shifted)))
    )
    midi.write(folder / "two.mid", other)
    return build_corpus(folder, folder / "corpus")


@pytest.fixture(scope="module")
def place(corpus) -> Place:
    return Place(next(song for song in corpus.songs if song.name == "one.mid"), 0)


def events_of(rows, from_tick: int = 0):
    """Decoded events of a window, padding and START left out."""
    rows = rows[rows[:, Field.ROLE] > Role.START]
    return decode(rows, BarGrid(), from_tick)


def of_role(events, *roles: Role):
    return events[np.isin(events["role"], roles)]


class TestPlaces:
    def test_every_eighth_bar_line_of_the_split(self, corpus):
        ticks = {split: [place.from_tick for place in places(corpus, split)] for split in ("train", "valid")}
        assert ticks["train"] == ticks["valid"] == [0, HOP_BARS * BAR, 2 * HOP_BARS * BAR]
        assert places(corpus, "test") == []


class TestWindow:
    def test_lead_is_the_humans_and_the_rest_the_partners(self, corpus, place):
        events = events_of(window(corpus, place, 512))
        human, partner = of_role(events, Role.HUMAN), of_role(events, Role.PARTNER)
        assert set(human["instrument"].tolist()) == {9}
        assert {72, 73, 74, 75, 76} == set(human["pitch"].tolist())
        assert set(partner["instrument"].tolist()) == {0, 4, 15}
        song = constructed()
        assert len(human) == len(song.parts[1].notes)
        assert len(partner) == sum(len(song.parts[i].notes) for i in (0, 2, 3))

    def test_opens_with_start_and_bar_and_is_padded(self, corpus, place):
        rows = window(corpus, place, 600)
        assert rows.shape == (600, len(Field))
        assert rows.dtype == np.int16
        assert rows[:2, Field.ROLE].tolist() == [Role.START, Role.BAR]
        n_real = int((rows[:, Field.ROLE] != Role.PAD).sum())
        assert n_real < 600
        assert (rows[:n_real, Field.ROLE] != Role.PAD).all()
        assert not rows[n_real:].any()

    def test_is_cut_at_its_length_and_opens_where_told(self, corpus, place):
        whole = window(corpus, place, 600)
        assert np.array_equal(window(corpus, place, 50), whole[:50])
        later = events_of(window(corpus, Place(place.song, 8 * BAR), 50), 8 * BAR)
        earlier = events_of(whole)
        same = earlier[earlier["ticks"] >= 8 * BAR][: len(later)]
        assert np.array_equal(later["ticks"], same["ticks"])
        assert np.array_equal(later["pitch"], same["pitch"])

    def test_beyond_the_last_note_there_is_a_bar_line_and_padding(self, corpus, place):
        rows = window(corpus, Place(place.song, 100 * BAR), 20, Draw(silence=True))
        assert rows[:, Field.ROLE].tolist() == [Role.START, Role.BAR] + [Role.PAD] * 18

    def test_long_human_notes_are_released_and_open(self, corpus, place):
        rows = window(corpus, place, 600)
        human = rows[rows[:, Field.ROLE] == Role.HUMAN]
        assert (human[:, Field.DURATION] == OPEN_DURATION).all()
        releases = of_role(events_of(rows), Role.RELEASE)
        long = [n for n in constructed().parts[1].notes if n.duration_ticks > LONG_NOTE_TICKS]
        assert releases["onset_ticks"].tolist() == [n.onset_ticks + n.duration_ticks for n in long]

    @pytest.mark.parametrize("lag", [0, 7, 24])
    def test_human_rows_come_late_and_tell_their_onset(self, corpus, place, lag):
        events = events_of(window(corpus, place, 600, Draw(lag_ticks=lag)))
        human, partner = of_role(events, Role.HUMAN, Role.RELEASE), of_role(events, Role.PARTNER)
        assert (human["ticks"] - human["onset_ticks"] == lag).all()
        assert (partner["ticks"] == partner["onset_ticks"]).all()

    def test_jitter_shortens_the_lag_and_keeps_the_order(self, corpus, place):
        draw = Draw(lag_ticks=20, jitter_ticks=15)
        human = of_role(events_of(window(corpus, place, 600, draw, np.random.default_rng(1))), Role.HUMAN)
        lag = human["ticks"] - human["onset_ticks"]
        assert len(set(lag.tolist())) > 3
        assert lag.min() >= 5
        assert (np.diff(human["onset_ticks"]) >= 0).all()

    @pytest.mark.parametrize("shift", [-5, 3])
    def test_transposition_moves_all_but_the_drums(self, corpus, place, shift):
        plain, moved = (events_of(window(corpus, place, 600, Draw(transpose=by))) for by in (0, shift))
        is_note = np.isin(plain["role"], (Role.HUMAN, Role.PARTNER, Role.RELEASE))
        is_drum = plain["instrument"] == 15
        assert (moved["pitch"][is_note & ~is_drum] - plain["pitch"][is_note & ~is_drum] == shift).all()
        assert np.array_equal(moved["pitch"][is_drum], plain["pitch"][is_drum])

    def test_reverse_swaps_the_roles(self, corpus, place):
        events = events_of(window(corpus, place, 600, Draw(kind="reverse")))
        assert set(of_role(events, Role.PARTNER)["instrument"].tolist()) == {9}
        assert set(of_role(events, Role.HUMAN)["instrument"].tolist()) == {0, 4, 15}

    def test_smaller_parts_may_be_left_out_but_never_the_largest(self, corpus, place):
        heard = set()
        for seed in range(12):
            rng = np.random.default_rng(seed)
            events = events_of(window(corpus, place, 600, Draw(leave_out=0.5), rng))
            heard.add(tuple(sorted(set(of_role(events, Role.PARTNER)["instrument"].tolist()))))
        assert heard == {(0,), (0, 4), (0, 15), (0, 4, 15)}

    @pytest.mark.parametrize("seed", range(6))
    def test_dialogue_takes_turns_of_two_or_four_bars(self, corpus, place, seed):
        rows = window(corpus, place, 600, Draw(kind="dialogue"), np.random.default_rng(seed))
        events = events_of(rows)
        notes = of_role(events, Role.HUMAN, Role.PARTNER)
        assert set(notes["instrument"].tolist()) == {9}
        owner = [notes["role"][notes["onset_ticks"] // BAR == bar][0] for bar in range(BARS)]
        for bar in range(BARS):
            assert len(set(notes["role"][notes["onset_ticks"] // BAR == bar].tolist())) == 1
        changes = [bar for bar in range(1, BARS) if owner[bar] != owner[bar - 1]]
        assert set(np.diff(changes).tolist()) in ({2}, {4})
        self.check_releases(events)

    def test_phrases_begin_at_bar_lines_of_a_shifted_grid(self, corpus, place):
        song = replace(place.song, bars=((48, BAR),))
        rows = window(corpus, Place(song, 48), 600, Draw(kind="dialogue"), np.random.default_rng(0))
        notes = of_role(decode(rows[1:][rows[1:, Field.ROLE] > 0], song.grid, 48), Role.HUMAN, Role.PARTNER)
        changes = notes["onset_ticks"][1:][notes["role"][1:] != notes["role"][:-1]]
        phrase = np.diff(np.unique((changes - 48) // BAR))
        assert set(phrase.tolist()) in ({2}, {4})

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("from_bar", [0, 8])
    def test_the_human_rests_in_one_stretch_of_the_window(self, corpus, place, seed, from_bar):
        opened = Place(place.song, from_bar * BAR)
        draws = (Draw(), Draw(silence=True))
        full, rested = (
            events_of(window(corpus, opened, 600, draw, np.random.default_rng(seed)), opened.from_tick)
            for draw in draws
        )
        onsets = [of_role(events, Role.HUMAN)["onset_ticks"].tolist() for events in (full, rested)]
        gone = sorted(set(onsets[0]) - set(onsets[1]))
        assert set(onsets[1]) <= set(onsets[0])
        assert gone == [tick for tick in onsets[0] if gone and gone[0] <= tick <= gone[-1]]
        assert gone or seed, "the first seed at least removes something"
        partners = [of_role(events, Role.PARTNER) for events in (full, rested)]
        assert np.array_equal(*partners)
        self.check_releases(rested)

    @staticmethod
    def check_releases(events) -> None:
        """Every release has its note, and every long note of the human its release."""
        human = of_role(events, Role.HUMAN)
        long = {int(t) + 96 for t in human["onset_ticks"] if (t // BAR) % 2 == 0}
        assert set(of_role(events, Role.RELEASE)["onset_ticks"].tolist()) == long


class TestParts:
    """Windows of a model that is told its parts."""

    @staticmethod
    def of(corpus, place, seed=0, **draw):
        rows = window(corpus, place, 600, Draw(**draw), np.random.default_rng(seed))
        events = events_of(rows)
        human, partner = (set(of_role(events, r)["instrument"].tolist()) for r in (Role.HUMAN, Role.PARTNER))
        return human, partner, int(rows[0, Field.PITCH])

    def test_any_choice_of_parts_occurs_and_the_opening_row_tells_it(self, corpus, place):
        found = [self.of(corpus, place, seed, keep=(0.75, 0.4)) for seed in range(60)]
        assert {frozenset(parts) for _, parts, _ in found} == {
            frozenset(parts) for parts in ({0}, {4}, {15}, {0, 4}, {0, 15}, {4, 15}, {0, 4, 15})
        }
        assert all(human == {9} and mask == parts_mask(parts) for human, parts, mask in found)
        share = sum(0 in parts for _, parts, _ in found) / len(found)
        assert 0.6 < share < 0.95

    def test_parts_that_never_play_are_never_chosen(self, corpus, place):
        assert {frozenset(self.of(corpus, place, seed, keep=(1e-9, 0.0))[1]) for seed in range(5)} == {
            frozenset({0})
        }

    def test_one_instrument_alone_and_what_the_song_has_where_it_lacks_it(self, corpus, place):
        assert self.of(corpus, place, instruments=(0,))[1:] == ({0}, 1)
        assert self.of(corpus, place, instruments=(15, 40))[1:] == ({15}, 64)
        assert self.of(corpus, place, instruments=(2,))[1] == {0, 4, 15}

    def test_the_human_may_play_the_piano_too(self, corpus, place):
        for seed in range(8):
            human, partner, mask = self.of(corpus, place, seed, keep=(0.75, 0.4), both_hands=True)
            assert human == {0, 9}
            assert partner <= {4, 15}
            assert mask == parts_mask(partner)

    def test_in_reverse_the_human_is_one_pianist(self, corpus, place):
        human, partner, mask = self.of(corpus, place, kind="reverse", keep=(0.75, 0.4))
        assert (human, partner, mask) == ({0}, {9}, parts_mask([9]))

    def test_a_part_beyond_the_windows_end_is_not_told(self, corpus, place):
        rows = window(corpus, Place(place.song, 4 * BAR), 100)
        assert rows[0, Field.PITCH] == parts_mask([0, 15]), "the bass plays in the first two bars alone"

    def test_drums_stay_as_they_are_in_mistakes(self, corpus, place):
        rng = np.random.default_rng(0)
        config = WindowConfig(rows=512, transpose=0, noise=1.0, overplay=1.0, roles=RoleMix(1, 0, 0, 0, 0))
        for _ in range(6):
            rows, read = draw_window(corpus, place, config, rng)
            is_drum = read[:, Field.INSTRUMENT] == DRUMS
            assert is_drum.any()
            assert np.array_equal(rows[is_drum], read[is_drum])


class TestDrawWindow:
    CONFIG = WindowConfig(rows=64)

    @given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.sampled_from(["train", "valid"]))
    @settings(max_examples=60)
    def test_always_legal(self, corpus, seed, index, split):
        place = places(corpus, split)[index]
        for rows in draw_window(corpus, place, self.CONFIG, np.random.default_rng(seed)):
            assert rows.shape == (64, len(Field))
            for field in Field:
                assert rows[:, field].min() >= 0
                assert rows[:, field].max() < FIELD_SIZES[field]
            assert rows[:2, Field.ROLE].tolist() == [Role.START, Role.BAR]

    def test_same_generator_same_window(self, corpus):
        place = places(corpus, "train")[0]
        one, same, other = (
            draw_window(corpus, place, self.CONFIG, np.random.default_rng(seed)) for seed in (3, 3, 4)
        )
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_mix_decides_the_kinds(self, corpus):
        place = places(corpus, "train")[0]
        only = replace(self.CONFIG, prompt=1.0, roles=RoleMix(0.0, 1.0, 0.0, 0.0, 0.0), transpose=0)
        for seed in range(5):
            rows, _ = draw_window(corpus, place, only, np.random.default_rng(seed))
            partner = rows[rows[:, Field.ROLE] == Role.PARTNER]
            assert set(partner[:, Field.INSTRUMENT].tolist()) <= {9}
            assert (rows[:, Field.POSITION] == rows[:, Field.CLOCK]).all(), "prompt means no lag"

    def test_what_is_overplayed_is_read_and_never_predicted(self, corpus):
        place = places(corpus, "train")[0]
        config = replace(self.CONFIG, rows=256, noise=0.0, overplay=1.0)
        added = 0
        for seed in range(40):
            rows, read = draw_window(corpus, place, config, np.random.default_rng(seed))
            is_added = (rows != read).any(axis=1)
            assert (rows[is_added] == 0).all()
            assert (read[is_added, Field.ROLE] == Role.PARTNER).all()
            added += int(is_added.sum())
        assert added > 200
        rows, read = draw_window(corpus, place, replace(config, overplay=0.0), np.random.default_rng(0))
        assert np.array_equal(rows, read)

    def test_keys_are_drawn_evenly(self, corpus):
        place, pitches = places(corpus, "train")[0], set()
        plain = replace(self.CONFIG, roles=RoleMix(1.0, 0.0, 0.0, 0.0, 1.0), transpose=2)
        for seed in range(60):
            rows, _ = draw_window(corpus, place, plain, np.random.default_rng(seed))
            partner = rows[rows[:, Field.ROLE] == Role.PARTNER]
            pitches.add(int(partner[0, Field.PITCH]))
        assert pitches == {46, 47, 48, 49, 50}


class TestMisread:
    def rows(self) -> np.ndarray:
        rng = np.random.default_rng(3)
        rows = np.zeros((400, len(Field)), dtype=np.int16)
        rows[:, Field.ROLE] = rng.choice([Role.BAR, Role.RELEASE, Role.HUMAN, Role.PARTNER], 400)
        rows[:, Field.PITCH] = rng.integers(0, 175, 400)
        rows[:, Field.DURATION] = rng.integers(0, OPEN_DURATION, 400)
        return rows

    @given(seed=st.integers(0, 10_000))
    @settings(max_examples=60, deadline=None)
    def test_only_the_partners_tuned_pitches_and_their_lengths_change(self, seed):
        rows = self.rows()
        before = rows.copy()
        read = misread(rows, np.random.default_rng(seed))
        assert np.array_equal(rows, before)
        changed = (read != rows).any(axis=1)
        kept = [field for field in Field if field not in {Field.PITCH, Field.DURATION}]
        assert np.array_equal(read[:, kept], rows[:, kept])
        assert read[:, Field.DURATION].min() >= 0
        assert read[:, Field.DURATION].max() < OPEN_DURATION
        assert (rows[changed, Field.ROLE] == Role.PARTNER).all()
        assert (rows[changed, Field.PITCH] < 128).all()
        assert read[:, Field.PITCH].min() >= 0
        assert (read[changed, Field.PITCH] < 128).all()
        assert np.abs(read[:, Field.PITCH] - rows[:, Field.PITCH]).max() <= 7 + 6

    def test_wrong_stretches_are_whole(self):
        rows = self.rows()
        rows[:, Field.ROLE], rows[:, Field.PITCH] = Role.PARTNER, 60
        reads = [misread(rows, np.random.default_rng(seed)) for seed in range(200)]
        shares = np.array([(read[:, Field.PITCH] != 60).mean() for read in reads])
        assert shares.max() > 0.6
        assert shares.min() < 0.05

    def test_lengths_are_misread_over_stretches_and_shorter_more_often_than_longer(self):
        rows = self.rows()
        rows[:, Field.ROLE], rows[:, Field.PITCH], rows[:, Field.DURATION] = Role.PARTNER, 60, 16
        moves = [misread(rows, np.random.default_rng(seed))[:, Field.DURATION] - 16 for seed in range(200)]
        shares = np.array([(move != 0).mean() for move in moves])
        assert np.median(shares) < 0.3 < shares.max()
        means = np.array([move[move != 0].mean() for move in moves if move.any()])
        assert (means < -2).sum() > (means > 2).sum() > 0


class TestOverplay:
    def events(self) -> np.ndarray:
        """A bar-long tune over four bars, and a triad of the partner's on every other beat; drums below."""
        notes = [(24 * i, Role.HUMAN, 0, 72 + i % 3, 20) for i in range(16)]
        notes += [(48 * i, Role.PARTNER, 0, pitch, 40) for i in range(8) for pitch in (48, 52, 55)]
        notes += [(24 * i, Role.PARTNER, DRUMS, 38, 6) for i in range(16)]
        events = np.zeros(len(notes), dtype=EVENT_DTYPE)
        for i, (tick, role, instrument, pitch, duration) in enumerate(notes):
            events[i] = (tick, role, instrument, pitch, duration, 80, tick)
        return events

    @given(seed=st.integers(0, 10_000))
    @settings(max_examples=80, deadline=None)
    def test_adds_to_the_chords_and_touches_nothing_that_is_there(self, seed):
        events = self.events()
        before = events.copy()
        added = overplay(events, np.random.default_rng(seed))
        assert np.array_equal(events, before)
        assert (added["role"] == Role.PARTNER).all()
        assert (added["instrument"] == 0).all(), "drums are left as they are"
        there = {(int(e["ticks"]), int(e["pitch"])) for e in events if e["instrument"] == 0}
        assert not there & {(int(e["ticks"]), int(e["pitch"])) for e in added}
        assert np.array_equal(added["ticks"], added["onset_ticks"])

    def test_both_thicker_chords_and_more_of_them(self):
        struck = set(range(0, 384, 48))
        alls = [overplay(self.events(), np.random.default_rng(seed)) for seed in range(100)]
        thicker = sum(set(added["ticks"].tolist()) <= struck for added in alls if len(added))
        assert 20 < thicker < 80
        more = np.concatenate([added[~np.isin(added["ticks"], list(struck))] for added in alls])
        assert more["duration_ticks"].max() <= 24

    def test_a_partner_without_notes_adds_none(self):
        events = self.events()
        assert len(overplay(events[events["role"] == Role.HUMAN], np.random.default_rng(0))) == 0
