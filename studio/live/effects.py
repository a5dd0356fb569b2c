"""Reverb and limiter of the built-in synth: block-vectorised, independent of the block size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.live import modes as md

CEILING = 0.98
"""Largest magnitude that leaves the limiter."""

PARTITION = 256
"""Frames of one reverb partition; also the pre-delay of the reverb (5.3 ms at 48 kHz)."""


@lru_cache(maxsize=4)
def impulse_response(rate_hz: int, seed: int, length_s: float = 1.5) -> NDArray[np.float32]:
    """A small hall [2, frames]: early reflections and noise whose treble dies first.

    Two decorrelated channels; four bands with times to -60 dB from 1.6 s (bass) to 0.6 s (treble);
    energy of each channel 1.
    """
    rng = np.random.default_rng((seed, 77))
    n = -(-int(length_s * rate_hz) // PARTITION) * PARTITION
    t = np.arange(n) / rate_hz
    bands = (
        (120.0, 450.0, 1.6, 0.7),
        (450.0, 1800.0, 1.5, 1.0),
        (1800.0, 5000.0, 1.1, 0.8),
        (5000.0, 10000.0, 0.6, 0.45),
    )
    out = np.zeros((2, n))
    for side in (0, 1):
        for low, high, decay_s, gain in bands:
            noise = md.colored_noise(rng, n, rate_hz, md.band(low, high))
            out[side] += gain * noise * np.exp(-6.91 * t / decay_s)
        # The tail builds up over 25 ms behind a handful of discrete reflections.
        out[side] *= 1 - np.exp(-t / 0.025)
        for _ in range(7):
            at = int(rng.uniform(0.004, 0.045) * rate_hz)
            out[side, at] += rng.choice((-1.0, 1.0)) * rng.uniform(3, 7)
    out *= np.clip((t[-1] - t) / 0.2, 0, 1)
    out /= np.sqrt(np.sum(out**2, axis=1, keepdims=True))
    return out.astype(np.float32)


class _Partitions:
    """Overlap-save convolution with a stereo response cut into P equal partitions (Stockham 1966).

    ``push`` takes one partition of input; ``add_part`` then adds one of ``shares`` equal shares of the
    products, so that a long response costs the same in every block; ``result`` transforms the sum back.
    """

    def __init__(self, response: NDArray[np.float32], size: int, shares: int) -> None:
        count = -(-response.shape[1] // size)
        padded = np.zeros((2, count * size), dtype=np.float32)
        padded[:, : response.shape[1]] = response
        blocks = np.zeros((2, count, 2 * size), dtype=np.float32)
        blocks[:, :, :size] = padded.reshape(2, count, size)
        self._response = np.fft.rfft(blocks, axis=2).transpose(1, 0, 2).astype(np.complex64, order="C")
        # Every spectrum is stored twice so that the newest `count` of them always lie in one piece.
        self._history = np.zeros((2 * count, 1, size + 1), dtype=np.complex64)
        self._sum = np.zeros((2, size + 1), dtype=np.complex64)
        self._edges = np.linspace(0, count, shares + 1).round().astype(int).tolist()
        self._input = np.zeros(2 * size, dtype=np.float32)
        self._count, self._size, self._slot, self._share = count, size, 0, 0

    def push(self, block: NDArray[np.float32]) -> None:
        """Take one partition of input [size] and begin a new sum."""
        self._input[: self._size] = self._input[self._size :]
        self._input[self._size :] = block
        self._slot = (self._slot - 1) % self._count
        spectrum = np.fft.rfft(self._input).astype(np.complex64)
        self._history[self._slot, 0] = self._history[self._slot + self._count, 0] = spectrum
        self._sum[:] = 0
        self._share = 0

    def add_part(self) -> None:
        """Add the next share of the products to the sum; nothing is left to do after the last."""
        if self._share + 1 == len(self._edges):
            return
        a, b = self._edges[self._share], self._edges[self._share + 1]
        self._share += 1
        if a < b:
            recent = self._history[self._slot + a : self._slot + b]
            self._sum += (self._response[a:b] * recent).sum(axis=0)

    def result(self) -> NDArray[np.float32]:
        """The convolved partition [2, size]."""
        return np.fft.irfft(self._sum, axis=1)[:, self._size :].astype(np.float32)


class Reverb:
    """Convolution of a mono send with a stereo room, 256 frames late whatever the block size.

    The first 15 partitions of 256 frames are done one by one; the rest of the room in partitions of 2048,
    each summed during the eight blocks that follow it (Gardner 1995), which keeps the load even.
    """

    _LONG = 8

    def __init__(self, rate_hz: int, seed: int = 0) -> None:
        room = impulse_response(rate_hz, seed)
        size = self._LONG * PARTITION
        # A long result is heard two long partitions after its input began; all output lags by one short.
        head = 2 * size - PARTITION
        self._head = _Partitions(room[:, :head], PARTITION, 1)
        self._tail = _Partitions(room[:, head:], size, self._LONG)
        self._gathered = np.zeros(size, dtype=np.float32)
        self._tail_wet = np.zeros((2, size), dtype=np.float32)
        self._wet = np.zeros((2, PARTITION), dtype=np.float32)
        self._fill = 0
        self._turn_count = 0
        self._silence = self._longest_silence = room.shape[1] // PARTITION + 4 * self._LONG

    def process(self, send: NDArray[np.float32]) -> NDArray[np.float32]:
        """Wet signal [2, n] for a send [n] that must not cross a partition boundary."""
        n = len(send)
        wet = self._wet[:, self._fill : self._fill + n].copy()
        at = self._turn_count % self._LONG * PARTITION + self._fill
        self._gathered[at : at + n] = send
        self._fill += n
        if self._fill == PARTITION:
            self._fill = 0
            self._turn()
        return wet

    def _turn(self) -> None:
        """One short partition is complete: compute the wet signal of the next."""
        at = self._turn_count % self._LONG * PARTITION
        block = self._gathered[at : at + PARTITION]
        self._turn_count += 1
        if block.any():
            self._silence = 0
        elif self._silence < self._longest_silence:
            self._silence += 1
        else:
            # The room has long been silent; what the transforms still hold is zeros.
            self._wet.fill(0)
            return
        self._head.push(block)
        self._head.add_part()
        self._tail.add_part()
        if self._turn_count % self._LONG == 0:
            self._tail_wet = self._tail.result()
            self._tail.push(self._gathered)
        following = self._turn_count % self._LONG * PARTITION
        self._wet = self._head.result() + self._tail_wet[:, following : following + PARTITION]


class Limiter:
    """Instant attack, slow release, no look-ahead: |output| < CEILING for any input.

    A peak follower e (falling by a factor 1/e in ``release_s``) sets the gain c(e)/e, where c is the
    identity up to ``knee`` and a tanh towards CEILING beyond. As |x| <= e, |y| <= c(e) < CEILING. Below the
    knee the signal passes untouched. The follower's recursion max(|x|, r e) is a running maximum of
    |x| r^-n, so a block costs a few vector operations.
    """

    def __init__(self, rate_hz: int, *, knee: float = 0.7, release_s: float = 0.35) -> None:
        self._knee = knee
        self._log_r = -1.0 / (release_s * rate_hz)
        self._peak = 0.0

    def process(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Limit a block [2, n] in place and return it."""
        n = block.shape[1]
        if not n:
            return block
        peaks = np.max(np.abs(block), axis=0)
        if max(float(peaks.max()), self._peak) <= self._knee:
            # Below the knee the gain is 1 at every frame: only the follower's last value matters.
            steps = np.arange(n - 1, -1, -1)
            carried = self._peak * np.exp(self._log_r * n)
            self._peak = float(max(carried, np.max(peaks * np.exp(self._log_r * steps)), 1e-9))
            return block
        fall = np.exp(self._log_r * np.arange(1, n + 1))
        env = np.maximum.accumulate(np.maximum(peaks / fall, self._peak)) * fall
        self._peak = float(env[-1])
        room = CEILING - self._knee
        over = np.maximum(env - self._knee, 0.0)
        # The factor 0.999 leaves room for rounding to float32.
        level = np.where(over > 0, self._knee + 0.999 * room * np.tanh(over / (0.999 * room)), env)
        block *= (level / np.maximum(env, 1e-9)).astype(np.float32)
        return block
