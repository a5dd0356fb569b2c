"""How the built-in synth sounds: in tune, evenly loud, without clicks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.live import drumkit
from studio.live.analysis import largest_step, peak_frequency_hz
from studio.live.effects import CEILING
from studio.live.modes import frequency_modulation, pitch_hz
from studio.live.patches import PATCHES, note_modes, patch_for
from studio.live.synth import Synth, SynthEvent
from tests.studio.live.soundings import PROGRAMS, RATE, level_db, note


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
