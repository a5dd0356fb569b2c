"""Reverb and limiter."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.live.effects import CEILING, PARTITION, Limiter, Reverb, impulse_response
from tests.studio.live.soundings import RATE


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
