"""The built-in synth: in time, no note cut short, and nothing ever hangs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.live.analysis import onset_times_s
from studio.live.effects import CEILING
from studio.live.synth import Synth, SynthEvent
from tests.studio.live.soundings import RATE, level_db


def phrase(synth: Synth) -> None:
    """A bit of everything: chords, pedal, drums, controllers, at odd frames."""
    for i, pitch in enumerate((60, 64, 67, 72, 48, 55)):
        synth.schedule(SynthEvent(101 + 1777 * i, "on", i % 3, pitch, 60 + 10 * i, i))
        synth.schedule(SynthEvent(5000 + 1999 * i, "off", i % 3, pitch, 0, i))
    for i, key in enumerate((36, 42, 38, 46, 42, 49)):
        synth.schedule(SynthEvent(77 + 2401 * i, "on", 9, key, 100, 50 + i))
    synth.schedule(SynthEvent(3001, "control", 0, 64, 127))
    synth.schedule(SynthEvent(12007, "control", 0, 64, 0))
    for i in range(20):
        synth.schedule(SynthEvent(2000 + 333 * i, "control", 1, 7, 100 - 4 * i))
    synth.schedule(SynthEvent(9001, "control", 2, 10, 20))
    synth.set_program(1, 4)
    synth.set_program(2, 48)


class TestTime:
    @pytest.mark.parametrize("program", [0, 24, 11])
    def test_onsets_in_the_sound_are_the_onsets_asked_for(self, program: int) -> None:
        synth = Synth(RATE)
        synth.set_program(0, program)
        wanted = []
        for i, pitch in enumerate((60, 64, 67, 72, 71, 67, 65, 62, 60, 48)):
            at = int(0.15 * RATE) + int(i * 0.251 * RATE)
            wanted.append(at / RATE)
            synth.schedule(SynthEvent(at, "on", 0, pitch, 60 + 13 * (i % 4), i))
            synth.schedule(SynthEvent(at + RATE // 5, "off", 0, pitch, 0, i))
        found = onset_times_s(synth.render(3 * RATE), RATE)
        assert len(found) == len(wanted)
        assert np.max(np.abs(found - wanted)) < 0.010

    def test_drum_onsets(self) -> None:
        synth = Synth(RATE)
        wanted = [0.1 + 0.2 * i for i in range(8)]
        for i, at_s in enumerate(wanted):
            synth.schedule(SynthEvent(round(at_s * RATE), "on", 9, (36, 42, 38, 42)[i % 4], 100, i))
        found = onset_times_s(synth.render(2 * RATE), RATE)
        assert len(found) == len(wanted)
        assert np.max(np.abs(found - wanted)) < 0.010

    def test_silence_before_a_note_and_sound_right_after_it(self) -> None:
        synth = Synth(RATE)
        synth.schedule(SynthEvent(1000, "on", 0, 60, 100, 1))
        sound = synth.render(1400)
        assert not sound[:1001].any()
        assert np.max(np.abs(sound[1000:])) > 0.01

    def test_late_events_play_at_the_start_of_the_next_block(self) -> None:
        synth = Synth(RATE)
        synth.render(512)
        synth.schedule(SynthEvent(3, "on", 0, 60, 100, 1))
        late = synth.render(600)
        fresh = Synth(RATE)
        fresh.schedule(SynthEvent(512, "on", 0, 60, 100, 1))
        fresh.render(512)
        np.testing.assert_allclose(late, fresh.render(600), atol=1e-6)

    @pytest.mark.parametrize("block", [64, 100, 512])
    def test_sound_does_not_depend_on_the_block_size(self, block: int) -> None:
        whole, pieces = Synth(RATE), Synth(RATE)
        phrase(whole)
        phrase(pieces)
        n = 24000
        expected = whole.render(n)
        sizes = [block] * (n // block) + ([n % block] if n % block else [])
        got = np.concatenate([pieces.render(size) for size in sizes])
        assert np.max(np.abs(expected)) > 0.1
        np.testing.assert_allclose(got, expected, atol=2e-4)

    def test_the_same_events_give_the_same_samples(self) -> None:
        first, second = Synth(RATE, seed=3), Synth(RATE, seed=3)
        phrase(first)
        phrase(second)
        assert np.array_equal(first.render(12000), second.render(12000))


class TestNotes:
    def test_an_old_off_never_cuts_a_restruck_note(self) -> None:
        synth = Synth(RATE)
        synth.set_program(0, 16)
        synth.note_on(0, 60, 100, 1)
        synth.render(4800)
        synth.note_on(0, 60, 100, 2)
        synth.note_off(0, 60, 1)
        synth.render(9600)
        assert synth.active_voices == 1
        synth.note_off(0, 60, 2)
        synth.render(9600)
        assert synth.active_voices == 0

    def test_without_ids_pitch_decides(self) -> None:
        synth = Synth(RATE)
        synth.set_program(0, 16)
        synth.note_on(0, 60, 100)
        synth.note_on(0, 64, 100)
        synth.render(480)
        synth.note_off(0, 60)
        synth.render(RATE)
        assert synth.active_voices == 1

    def test_an_on_of_velocity_zero_is_an_off(self) -> None:
        synth = Synth(RATE)
        synth.note_on(0, 60, 100, 5)
        synth.render(480)
        synth.note_on(0, 60, 0, 5)
        synth.render(RATE)
        assert synth.active_voices == 0

    def test_pedal_holds_until_it_is_lifted(self) -> None:
        synth = Synth(RATE)
        synth.control(0, 64, 127)
        synth.note_on(0, 60, 100, 1)
        synth.render(4800)
        synth.note_off(0, 60, 1)
        synth.render(RATE // 2)
        assert synth.active_voices == 1
        synth.control(0, 64, 0)
        synth.render(RATE)
        assert synth.active_voices == 0

    def test_lifting_the_pedal_spares_keys_that_are_down(self) -> None:
        synth = Synth(RATE)
        synth.control(0, 64, 127)
        synth.note_on(0, 60, 100, 1)
        synth.note_on(0, 64, 100, 2)
        synth.render(480)
        synth.note_off(0, 60, 1)
        synth.control(0, 64, 0)
        synth.render(RATE)
        assert synth.active_voices == 1

    def test_repeated_notes_under_the_pedal_do_not_pile_up(self) -> None:
        synth = Synth(RATE)
        synth.control(0, 64, 127)
        for i in range(30):
            synth.note_on(0, 60, 90, i)
            synth.render(4800)
            synth.note_off(0, 60, i)
        assert synth.active_voices < 12

    def test_closed_hat_chokes_the_open_one(self) -> None:
        def tail_db(*, choke: bool) -> float:
            synth = Synth(RATE)
            synth.note_on(9, 46, 110, 1)
            synth.render(4800)
            if choke:
                synth.note_on(9, 42, 1, 2)
            synth.render(1200)
            return level_db(synth.render(2400))

        assert tail_db(choke=True) < tail_db(choke=False) - 15

    @pytest.mark.parametrize(("controller", "left"), [(120, 0), (123, 0)])
    def test_all_off_controllers(self, controller: int, left: int) -> None:
        synth = Synth(RATE)
        for i in range(8):
            synth.note_on(0, 60 + i, 100, i)
        synth.note_on(1, 60, 100, 99)
        synth.render(480)
        synth.control(0, controller, 0)
        synth.render(RATE)
        assert synth.active_voices == left + 1

    def test_reset_lifts_the_pedal_and_restores_expression(self) -> None:
        synth = Synth(RATE)
        synth.control(0, 11, 20)
        synth.control(0, 64, 127)
        synth.note_on(0, 60, 100, 1)
        synth.note_off(0, 60, 1)
        quiet = synth.render(2400)
        synth.control(0, 121, 0)
        synth.render(RATE)
        assert synth.active_voices == 0
        synth.note_on(0, 60, 100, 2)
        assert level_db(synth.render(2400)) > level_db(quiet) + 12

    def test_pan_moves_the_sound(self) -> None:
        synth = Synth(RATE)
        synth.set_program(0, 72)
        synth.control(0, 10, 0)
        synth.note_on(0, 72, 100, 1)
        sound = synth.render(12000)
        assert level_db(sound[:, 0]) > level_db(sound[:, 1]) + 10


class TestNothingHangs:
    def test_panic_silences_all_and_forgets_the_queue(self) -> None:
        synth = Synth(RATE)
        for i in range(20):
            synth.note_on(i % 16, 40 + i, 100, i)
            synth.schedule(SynthEvent(9000 + i, "on", 0, 60, 100, 100 + i))
        synth.control(0, 64, 127)
        synth.render(4800)
        synth.panic()
        synth.render(480)
        assert synth.active_voices == 0
        synth.render(3 * RATE)
        assert not synth.render(RATE).any()

    @pytest.mark.parametrize("program", [0, 16, 48, 88, 14])
    def test_silence_after_every_release(self, program: int) -> None:
        synth = Synth(RATE)
        synth.set_program(0, program)
        for i in range(6):
            synth.note_on(0, 45 + 7 * i, 110, i)
        synth.render(RATE // 2)
        for i in range(6):
            synth.note_off(0, 45 + 7 * i, i)
        synth.render(9 * RATE)
        assert synth.active_voices == 0
        assert not synth.render(RATE // 4).any()

    def test_a_held_note_that_has_died_away_frees_its_voice(self) -> None:
        synth = Synth(RATE)
        synth.set_program(0, 13)
        synth.note_on(0, 84, 100, 1)
        synth.render(4 * RATE)
        assert synth.active_voices == 0

    def test_ten_thousand_notes_at_once(self) -> None:
        synth = Synth(RATE)
        for i in range(10_000):
            synth.note_on(i % 16, i % 128, 1 + i % 127, i)
        sound = synth.render(2048)
        assert synth.active_voices <= 128
        assert synth.dropped_notes >= 9_800
        assert np.max(np.abs(sound)) <= CEILING
        for i in range(10_000):
            synth.note_off(i % 16, i % 128, i)
        synth.render(9 * RATE)
        assert synth.active_voices == 0

    def test_more_notes_than_voices_in_every_chunk(self) -> None:
        synth = Synth(RATE, max_voices=8)
        for i, frame in enumerate(range(0, 4096, 4)):
            synth.schedule(SynthEvent(frame, "on", 0, 40 + i % 50, 100, i))
        sound = synth.render(8192)
        assert np.all(np.isfinite(sound))
        assert 1 <= synth.active_voices <= 8

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(-10, 3000),
                st.sampled_from(["on", "off", "control", "panic"]),
                st.integers(0, 15),
                st.integers(0, 127),
                st.integers(0, 127),
                st.integers(-1, 6),
            ),
            max_size=60,
        ),
        st.lists(st.integers(1, 700), min_size=1, max_size=8),
    )
    def test_any_events_in_any_blocks(self, rows: list[tuple], blocks: list[int]) -> None:
        synth = Synth(RATE, max_voices=6)
        for row in rows:
            synth.schedule(SynthEvent(*row))
        total = 0
        for n in itertools.islice(itertools.cycle(blocks), 40):
            sound = synth.render(n)
            total += n
            assert sound.shape == (n, 2)
            assert sound.dtype == np.float32
            assert np.all(np.abs(sound) <= CEILING)
        assert synth.frame == total
        synth.render(max(0, 3100 - total))
        synth.panic()
        synth.render(512)
        assert synth.active_voices == 0
