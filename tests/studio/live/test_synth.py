"""The built-in synth: in tune, in time, without clicks, and nothing ever hangs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.live import drumkit
from studio.live.analysis import largest_step, onset_times_s, peak_frequency_hz, spectrogram_png
from studio.live.effects import CEILING, PARTITION, Limiter, Reverb, impulse_response
from studio.live.modes import frequency_modulation, pitch_hz
from studio.live.patches import PATCHES, note_modes, patch_for
from studio.live.synth import Synth, SynthEvent

RATE = 48000
PROGRAMS = {
    "piano": 0,
    "e-piano": 4,
    "organ": 16,
    "nylon guitar": 24,
    "bass": 32,
    "flute": 72,
    "saw lead": 81,
}


def note(
    program: int, pitch: int, length_s: float, total_s: float, velocity: int = 90
) -> NDArray[np.float32]:
    synth = Synth(RATE)
    synth.set_program(0, program)
    synth.schedule(SynthEvent(0, "on", 0, pitch, velocity, 1))
    synth.schedule(SynthEvent(int(length_s * RATE), "off", 0, pitch, 0, 1))
    return synth.render(int(total_s * RATE))


def level_db(audio: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))


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


class TestSound:
    @pytest.mark.parametrize(("name", "program"), PROGRAMS.items())
    def test_in_tune_within_five_cents(self, name: str, program: int) -> None:
        pitch = 45 if name == "bass" else 69
        wanted = pitch_hz(pitch)
        sound = note(program, pitch, 1.2, 1.2)[4800:]
        found = peak_frequency_hz(sound, RATE, wanted * 0.9, wanted * 1.1)
        assert abs(1200 * np.log2(found / wanted)) < 5

    @pytest.mark.parametrize("name", PATCHES)
    def test_every_patch_can_play_every_pitch(self, name: str) -> None:
        for pitch in (0, 21, 60, 108, 127):
            modes = note_modes(name, pitch, RATE)
            assert np.all(np.isfinite(modes.amplitude))
            assert np.all(modes.decay_per_s >= 0)
            assert np.all(modes.frequency_hz < RATE / 2)
        assert len(note_modes(name, 60, RATE)) > 0

    def test_instruments_are_equally_loud(self) -> None:
        levels = {}
        for name, program in PROGRAMS.items():
            low = 12 if name == "bass" else 0
            chord = np.stack([note(program, p - low, 0.6, 0.8) for p in (52, 60, 67)]).sum(axis=0)
            levels[name] = level_db(chord)
        middle = float(np.median(list(levels.values())))
        assert all(abs(level - middle) < 4 for level in levels.values()), levels

    def test_every_program_has_a_patch(self) -> None:
        assert {patch_for(program).name for program in range(128)} == set(PATCHES)

    def test_harder_is_louder_and_brighter(self) -> None:
        soft, hard = note(0, 60, 0.5, 0.5, velocity=30), note(0, 60, 0.5, 0.5, velocity=120)
        assert level_db(hard) - level_db(soft) > 12

        def share_of_treble(sound: NDArray[np.float32]) -> float:
            power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
            return float(power[750:].sum() / power.sum())

        assert share_of_treble(hard) > 3 * share_of_treble(soft)

    def test_a_struck_string_decays_and_its_bass_rings_longer(self) -> None:
        def lost_db(pitch: int) -> float:
            sound = note(0, pitch, 4, 4)
            return level_db(sound[RATE // 4 : RATE // 2]) - level_db(sound[-RATE // 4 :])

        assert 2 < lost_db(36) < lost_db(60) < lost_db(84)
        assert lost_db(60) < 45

    def test_frequency_modulation_is_what_the_series_says(self) -> None:
        modes = frequency_modulation(300, 300, index=1.5, index_decay_per_s=3, decay_per_s=1, index_tilt_db=0)
        t = np.arange(4800)[:, None] / RATE
        series = modes.amplitude * np.exp(-modes.decay_per_s * t) * np.sin(2 * np.pi * modes.frequency_hz * t)
        t = t[:, 0]
        index = 1.5 * np.exp(-3 * t)
        direct = np.exp(-t) * np.sin(2 * np.pi * 300 * t + index * np.sin(2 * np.pi * 300 * t))
        np.testing.assert_allclose(series.sum(axis=1), direct, atol=2e-3)

    @pytest.mark.parametrize("key", range(35, 82))
    def test_every_drum_starts_gently_ends_in_silence_and_is_no_clip(self, key: int) -> None:
        hit = drumkit.drum_hit(key, RATE)
        assert hit.wave[0] == 0
        assert abs(hit.wave[-1]) < 1e-3
        assert 0.1 < np.max(np.abs(hit.wave)) < 0.7


class TestNoClicks:
    @pytest.mark.parametrize("program", PROGRAMS.values())
    def test_no_sample_of_a_held_note_jumps(self, program: int) -> None:
        sound = note(program, 60, 0.8, 1.5, velocity=100)
        # A full-scale 1 kHz sine has steps of 0.13; a click of -20 dB would exceed this bound.
        assert largest_step(sound) < 0.06

    def test_release_is_no_click(self) -> None:
        sound = note(16, 60, 0.5, 0.7)
        around = sound[RATE // 2 - 100 : RATE // 2 + 400]
        assert largest_step(around) <= 1.05 * largest_step(sound[4800:20000])

    def test_a_stolen_voice_fades(self) -> None:
        synth = Synth(RATE, max_voices=4)
        synth.set_program(0, 16)
        for i in range(4):
            synth.schedule(SynthEvent(0, "on", 0, 40 + i, 100, i))
        before = synth.render(9600)
        synth.schedule(SynthEvent(9600 + 57, "on", 0, 90, 1, 9))
        after = synth.render(2400)
        assert synth.active_voices == 4
        assert largest_step(np.concatenate([before[-10:], after])) < 1.5 * largest_step(before[4800:])

    def test_volume_moves_without_a_click(self) -> None:
        synth = Synth(RATE)
        synth.set_program(0, 16)
        synth.note_on(0, 60, 100, 1)
        steady = synth.render(9600)
        synth.control(0, 7, 0)
        moving = synth.render(RATE)
        assert largest_step(np.concatenate([steady[-4:], moving])) < 1.2 * largest_step(steady[4800:])
        assert level_db(moving[-9600:]) < level_db(steady[4800:]) - 25

    def test_sixty_four_loud_voices_do_not_clip(self) -> None:
        synth = Synth(RATE)
        for i in range(64):
            synth.note_on(i % 8, 30 + i, 127, i)
        sound = synth.render(RATE)
        assert np.all(np.isfinite(sound))
        assert 0.5 < np.max(np.abs(sound)) <= CEILING

    def test_normal_playing_passes_the_limiter_untouched(self) -> None:
        chord = np.stack([note(0, pitch, 0.5, 0.6, velocity=80) for pitch in (48, 60, 64)])
        assert np.max(np.abs(chord.sum(axis=0))) < 0.7


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


class TestEffects:
    def test_reverb_is_the_convolution_with_its_room_also_after_a_long_silence(self) -> None:
        room = impulse_response(RATE, 0)
        n = PARTITION * 700
        send = np.zeros(n, dtype=np.float32)
        send[:3000] = np.random.default_rng(0).standard_normal(3000)
        for at in (PARTITION * 413 + 5, PARTITION * 470 + 11):
            send[at] = 1
        reverb = Reverb(RATE, 0)
        wet = np.concatenate([reverb.process(send[i : i + 128]) for i in range(0, n, 128)], axis=1)
        size = 1 << 18
        expected = np.fft.irfft(np.fft.rfft(send, size) * np.fft.rfft(room, size), size)[:, : n - PARTITION]
        np.testing.assert_allclose(wet[:, PARTITION:], expected, atol=1e-5)

    def test_reverb_takes_about_a_second_to_die(self) -> None:
        room = impulse_response(RATE, 0)
        energy = np.cumsum(np.sum(room[:, ::-1] ** 2, axis=0))[::-1]
        decay_db = 10 * np.log10(energy / energy[0] + 1e-20)
        t60_s = 2 * np.flatnonzero(decay_db < -30)[0] / RATE
        assert 0.7 < t60_s < 2.0

    @settings(max_examples=20, deadline=None)
    @given(st.floats(0.01, 1e6), st.integers(1, 256))
    def test_limiter_holds_the_ceiling(self, gain: float, n: int) -> None:
        rng = np.random.default_rng(n)
        limiter = Limiter(RATE)
        for _ in range(5):
            block = (gain * rng.standard_normal((2, n))).astype(np.float32)
            assert np.max(np.abs(limiter.process(block))) <= CEILING

    def test_limiter_leaves_quiet_sound_alone(self) -> None:
        block = np.random.default_rng(1).uniform(-0.6, 0.6, (2, 256)).astype(np.float32)
        assert np.array_equal(Limiter(RATE).process(block.copy()), block)


def test_the_picture_of_a_sound_shows_its_pitch(tmp_path) -> None:
    from PIL import Image

    path = tmp_path / "tone.png"
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    spectrogram_png(tone, RATE, path)
    pixels = np.asarray(Image.open(path).convert("L"), dtype=float)[:420]
    frequencies = np.geomspace(16000, 30, 420)
    found = frequencies[int(np.argmax(pixels[:, 200:1000].mean(axis=1)))]
    assert found == pytest.approx(1000, rel=0.03)


def test_onsets_of_silence_and_of_a_steady_tone() -> None:
    assert len(onset_times_s(np.zeros(RATE), RATE)) == 0
    t = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * t) * (t > 0.5)
    found = onset_times_s(tone, RATE)
    assert len(found[found < 0.9]) == 1
    assert found[0] == pytest.approx(0.5, abs=0.005)


def test_largest_step_sees_a_click_in_one_channel() -> None:
    sound = np.zeros((100, 2))
    sound[50, 1] = 0.4
    assert largest_step(sound) == pytest.approx(0.4)
    assert largest_step(sound[:1]) == 0
