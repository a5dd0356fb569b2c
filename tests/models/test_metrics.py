import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midi.events import BarGrid, Role, note_events
from midi.note import DRUM_CHANNEL, Note, NoteArray
from models.sequence.harmony import (
    ChordSpan,
    bars_to_recover,
    chord_tone_rate,
    clip,
    consonance_by_bar,
    harmony,
    notes_of_events,
    notes_of_plan,
)
from models.sequence.memorization import PassageIndex
from models.sequence.metrics import (
    Interval,
    bootstrap,
    bootstrap_mean,
    distance,
    intervals_overlap,
    jensen_shannon,
    pool,
    position_histogram,
    texture,
)
from models.sequence.plan import PlannedNote

GRID = BarGrid()


def notes(*rows: tuple[int, int, int]) -> NoteArray:
    """(onset, duration, pitch) rows."""
    return NoteArray.from_notes(Note(*row) for row in rows)


def random_notes(rng: np.random.Generator, n: int, low: int = 40, high: int = 80) -> NoteArray:
    onset = np.cumsum(rng.integers(0, 25, n))
    rows = zip(onset, rng.integers(1, 48, n), rng.integers(low, high, n), strict=True)
    return notes(*((int(a), int(b), int(c)) for a, b, c in rows))


note_lists = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 60), st.integers(24, 100)), min_size=1, max_size=25
).map(lambda rows: notes(*rows))


class TestHarmony:
    def test_shares_of_one_long_note(self):
        # C5 for 4 beats: beat 0 over C3 (octave), beat 1 over F#3 (tritone), beat 2 silent,
        # beat 3 over F#3 and E3 (a third among the rest is enough).
        accompaniment = notes((0, 24, 48), (24, 24, 54), (72, 24, 54), (72, 24, 52))
        got = harmony(notes((0, 96, 72)), accompaniment)
        assert got.consonance_rate == pytest.approx(0.5)
        assert got.unsupported_rate == pytest.approx(0.25)
        assert got.dissonance_rate == pytest.approx(0.25)
        assert got.note_in_chord == pytest.approx(0.25)

    @pytest.mark.parametrize("interval", range(25))
    def test_interval_classes_both_ways(self, interval):
        is_consonant = interval in {0, 3, 4, 7, 8, 9, 12, 15, 16, 19, 20, 21, 24}
        for pitch in (60 - interval, 60 + interval):
            got = harmony(notes((0, 24, 60)), notes((0, 24, pitch)))
            assert got.consonance_rate == float(is_consonant)
            assert got.dissonance_rate == float(not is_consonant)

    def test_chord_is_what_sounds_within_the_beat(self):
        # The melody's C comes after the accompaniment's C of the same beat: in the chord although
        # nothing sounds with it; in the next beat it is not.
        got = harmony(notes((12, 24, 72)), notes((0, 6, 48)))
        assert got.note_in_chord == pytest.approx(0.5)
        assert got.unsupported_rate == 1.0
        half_bar = harmony(notes((12, 24, 72)), notes((0, 6, 48)), window_ticks=48)
        assert half_bar.note_in_chord == 1.0

    def test_span_cuts_the_notes_and_windows_start_at_tick_zero(self):
        got = harmony(notes((0, 96, 72)), notes((24, 24, 48)), from_tick=30, until_tick=54)
        assert got.consonance_rate == pytest.approx(18 / 24)
        assert got.note_in_chord == pytest.approx(18 / 24)

    def test_drums_are_no_harmony(self):
        drum = NoteArray.from_notes([Note(0, 96, 48, 80, DRUM_CHANNEL)])
        assert harmony(notes((0, 96, 72)), drum).unsupported_rate == 1.0

    def test_no_melody_is_unknown_and_null_in_json(self):
        got = harmony(notes(), notes((0, 24, 60)))
        assert np.isnan(got.consonance_rate)
        assert set(got.json().values()) == {None}

    def test_overlapping_melody_notes_count_each(self):
        got = harmony(notes((0, 24, 72), (0, 24, 73)), notes((0, 24, 60)))
        assert got.consonance_rate == pytest.approx(0.5)
        assert got.dissonance_rate == pytest.approx(0.5)

    @given(note_lists, note_lists, st.integers(-12, 12))
    def test_rates_add_up_and_ignore_transposition(self, melody, accompaniment, shift):
        got = harmony(melody, accompaniment)
        assert got.consonance_rate + got.unsupported_rate + got.dissonance_rate == pytest.approx(1.0)
        assert min(got.json().values()) >= 0.0
        moved = [
            NoteArray(n.onset_ticks, n.duration_ticks, n.pitch + np.uint8(shift % 256), n.velocity, n.channel)
            for n in (melody, accompaniment)
        ]
        assert harmony(*moved) == got

    @given(note_lists)
    def test_a_melody_doubled_by_itself_is_consonant_and_in_the_chord(self, melody):
        got = harmony(melody, melody)
        assert (got.consonance_rate, got.unsupported_rate, got.note_in_chord) == (1.0, 0.0, 1.0)

    def test_chord_tones_by_time(self):
        chords = [ChordSpan(0, 48, frozenset({0, 4, 7})), ChordSpan(48, 96, frozenset())]
        # E for a beat (tone), F for half a beat (not), and time without chord, which does not count.
        accompaniment = notes((0, 24, 52), (24, 12, 53), (48, 48, 49))
        assert chord_tone_rate(accompaniment, chords) == pytest.approx(24 / 36)
        assert np.isnan(chord_tone_rate(accompaniment, chords[1:]))

    def test_events_and_plans_become_grid_notes(self):
        part = notes((0, 480, 60), (480, 240, 64))
        events = note_events(part, 480, Role.HUMAN, 0, lag_ticks=12)
        got = notes_of_events(events, Role.HUMAN)
        assert got.onset_ticks.tolist() == [0, 24]
        assert got.duration_ticks.tolist() == [24, 12]
        assert len(notes_of_events(events, Role.PARTNER)) == 0
        planned = notes_of_plan([PlannedNote(6, 12, 60, 70, 0), PlannedNote(6, 12, 38, 70, 15)])
        assert planned.channel.tolist() == [0, DRUM_CHANNEL]

    def test_clip_keeps_what_sounds_inside(self):
        got = clip(notes((0, 10, 60), (5, 20, 61), (30, 5, 62)), 8, 30)
        assert got.onset_ticks.tolist() == [8, 8]
        assert got.duration_ticks.tolist() == [2, 17]


class TestAdaptation:
    def test_curve_per_bar(self):
        melody = notes((0, 96, 72), (96, 96, 72))
        curve = consonance_by_bar(melody, notes((0, 96, 60), (96, 48, 60)), GRID.lines(0, 288))
        assert curve[:2].tolist() == [1.0, 0.5]
        assert np.isnan(curve[2])

    def test_recovery_wants_two_bars_in_a_row(self):
        curve = np.array([0.8, 0.8, 0.2, 0.9, 0.3, 0.7, 0.8])
        assert bars_to_recover(curve, 2) == 3
        assert bars_to_recover(np.array([0.8, 0.1, 0.1]), 1) is None
        assert bars_to_recover(np.array([0.8, 0.8, 0.8]), 1) == 0
        assert bars_to_recover(np.array([np.nan, 0.5]), 1) is None


class TestDistributions:
    def test_divergence_by_hand(self):
        assert jensen_shannon([1, 0], [0, 1]) == pytest.approx(1.0)
        # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4).
        expected = 0.5 * np.log2(4 / 3) + 0.5 * (0.5 * np.log2(2 / 3) + 0.5 * np.log2(2))
        assert jensen_shannon([3, 0], [5, 5]) == pytest.approx(expected)
        assert jensen_shannon([0, 0], [1, 1]) == 1.0
        assert jensen_shannon([0, 0], [0, 0]) == 0.0

    @given(*[arrays(np.int64, 12, elements=st.integers(0, 50))] * 2)
    def test_divergence_is_symmetric_bounded_and_zero_for_equal(self, p, q):
        assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p))
        assert 0.0 <= jensen_shannon(p, q) <= 1.0
        assert jensen_shannon(p, p * 3) == pytest.approx(0.0, abs=1e-12)

    def test_positions_round_to_the_nearest_sixteenth_within_the_bar(self):
        got = position_histogram(notes((0, 1, 60), (2, 1, 60), (4, 1, 60), (94, 1, 60), (102, 1, 60)), GRID)
        assert got[:3].tolist() == [3.0, 2.0, 0.0]
        assert got.sum() == 5

    def test_texture_by_hand(self):
        drum = NoteArray.from_notes([Note(0, 24, 36, 90, DRUM_CHANNEL)])
        both = NoteArray.concatenate([notes((0, 48, 60), (24, 24, 64), (200, 24, 100)), drum])
        got = texture(both, GRID, 0, 96)
        assert got.density == pytest.approx(3 / 4)
        assert got.pitch_mean == pytest.approx(62)
        assert got.pitch_spread == pytest.approx(2)
        assert got.polyphony == pytest.approx(2.0)
        assert got.pitch_classes.sum() == 2
        assert got.positions.sum() == 3

    def test_distance_of_equal_silent_and_moved(self):
        here = texture(notes((0, 24, 60), (24, 24, 64)), GRID, 0, 96)
        silent = texture(notes(), GRID, 0, 96)
        up = texture(notes((0, 24, 63), (24, 24, 67)), GRID, 0, 96)
        busy = texture(notes((0, 24, 60), (0, 24, 60), (24, 24, 64), (24, 24, 64)), GRID, 0, 96)
        assert distance(here, here).overall == 0.0
        assert distance(silent, here).overall == 1.0
        assert distance(silent, silent).overall == 0.0
        assert distance(up, here).register == pytest.approx(3)
        assert distance(up, here).pitch_class_jsd == 1.0
        assert distance(busy, here).density == pytest.approx(1.0)
        assert distance(here, busy) == distance(busy, here)

    def test_pool_adds_counts_and_averages_the_rest(self):
        a = texture(notes((0, 24, 60)), GRID, 0, 96)
        b = texture(notes((0, 24, 64), (6, 24, 68)), GRID, 0, 96)
        got = pool([a, b, texture(notes(), GRID, 0, 96)])
        assert got.pitch_classes[[0, 4, 8]].tolist() == [1.0, 1.0, 1.0]
        assert got.density == pytest.approx(0.25)
        assert got.pitch_mean == pytest.approx(63)


class TestBootstrap:
    def test_interval_holds_the_mean_and_shrinks_with_songs(self, rng):
        few, many = rng.normal(0.5, 0.1, 10), rng.normal(0.5, 0.1, 1000)
        wide, narrow = bootstrap_mean(few, seed=1), bootstrap_mean(many, seed=1)
        assert wide.mean == pytest.approx(few.mean())
        assert wide.low < wide.mean < wide.high
        assert narrow.high - narrow.low < 0.3 * (wide.high - wide.low)
        # 95 % of a normal mean: 1.96 standard errors each way.
        assert narrow.high - narrow.low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(1000), rel=0.2)

    def test_seed_decides(self, rng):
        values = rng.normal(size=20)
        assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
        assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)

    def test_unknown_songs_are_left_out(self):
        assert bootstrap_mean([0.5, np.nan, 0.5], seed=0) == Interval(0.5, 0.5, 0.5)
        assert np.isnan(bootstrap_mean([np.nan], seed=0).mean)

    def test_any_statistic(self):
        got = bootstrap(5, lambda pick: float(len(pick)), seed=0, n_resamples=10)
        assert got == Interval(5.0, 5.0, 5.0)

    def test_overlap(self):
        low, high, between = Interval(1, 0, 2), Interval(4, 3, 5), Interval(2.5, 2, 3)
        assert not intervals_overlap(low, high)
        assert not intervals_overlap(high, low)
        assert intervals_overlap(low, between)
        assert intervals_overlap(between, high)
        assert intervals_overlap(low, Interval(np.nan, np.nan, np.nan))


class TestCopiedPassages:
    def test_planted_passage_is_found_transposed_and_measured(self, rng):
        files = [random_notes(rng, 300) for _ in range(5)]
        index = PassageIndex(files)
        stolen = files[3].take(np.arange(100, 125))
        planted = notes(*((n.onset_ticks + 7, n.duration_ticks, n.pitch + 5) for n in stolen))
        own = random_notes(rng, 60)
        later = own.with_ticks(own.onset_ticks + planted.end_ticks() + 300, own.duration_ticks)
        mixed = NoteArray.concatenate([planted, later])
        got = index.copied(mixed, n=8)
        assert 25 <= got.longest_notes <= 26
        assert got.ngram_overlap == pytest.approx(17 / (84 - 8 + 1), abs=0.02)
        assert index.found(mixed, 8)[:17].all()

    def test_random_music_is_not_copied(self, rng):
        index = PassageIndex([random_notes(rng, 2000)])
        got = index.copied(random_notes(rng, 200), n=8)
        assert got.ngram_overlap == 0.0
        assert got.longest_notes <= 3

    def test_the_whole_file_is_a_copy(self, rng):
        file = random_notes(rng, 50)
        got = PassageIndex([random_notes(rng, 40), file]).copied(file)
        assert (got.longest_notes, got.ngram_overlap) == (50, 1.0)

    def test_passages_never_span_two_files(self):
        up = notes(*((24 * i, 12, 40 + i) for i in range(5)))
        index = PassageIndex([up, up])
        assert index.copied(notes(*((24 * i, 12, 40 + i) for i in range(12))), n=4).longest_notes == 5

    def test_order_matters(self):
        forward = notes(*((24 * i, 12, p) for i, p in enumerate((60, 62, 67, 68, 72))))
        backward = notes(*((24 * i, 12, p) for i, p in enumerate((60, 64, 65, 70, 72))))
        assert PassageIndex([forward]).copied(backward, n=2) == PassageIndex([forward]).copied(backward, n=3)
        assert PassageIndex([forward]).copied(backward, n=2).longest_notes == 2

    @pytest.mark.parametrize("n_notes", [0, 1, 2])
    def test_too_short_to_copy(self, rng, n_notes):
        got = PassageIndex([random_notes(rng, 30)]).copied(random_notes(rng, n_notes))
        assert got.ngram_overlap == 0.0
        assert PassageIndex([]).copied(random_notes(rng, 20)).longest_notes == 0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
