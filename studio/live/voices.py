"""All sounding notes as rows of arrays, computed together.

A voice is K damped sinusoids (``modes.Modes``). With s_k = -decay + i omega and a state c_k at the first
frame of a chunk, frame 32 a + b is ``sum_k Re(c_k exp(32 a s_k) exp(b s_k))``: an 8 x 32 table product per
voice, one batched matrix multiplication for all of them. Envelopes are closed forms of the absolute
frame, so nothing depends on how time is cut into chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.live.modes import MAX_MODES
from studio.live.patches import PATCHES, note_modes

CHUNK = 256
"""Most frames of one pass."""

_FINE = 32
_COARSE = CHUNK // _FINE

NEVER = 1 << 62
"""Frame of a release or a kill that has not been asked for."""

RELEASE_END = float(np.log(1e4))
"""Time constants after which a release has reached silence (its tail is bent to end at exactly 0)."""

INAUDIBLE = 3e-5
"""Sum of mode amplitudes below which a note is over (-90 dB)."""

KEPT_PLANS = 384
"""Tables kept: the keyboards of four instruments. Making one again costs a fraction of a block."""

_AGES_S = np.geomspace(0.05, 60.0, 24)


@dataclass(frozen=True, slots=True, eq=False)
class NotePlan:
    """Tables of one note of one patch; everything that does not depend on velocity.

    Shapes with K modes: exponent, amplitude, step [K]; coarse [8, K]; fine [2 K, 32]; gain [2, 2 K];
    tilt_db [K]; faded [24, K] amplitudes left at the ages of ``_AGES_S``.
    """

    exponent: NDArray[np.complex128]
    amplitude: NDArray[np.complex128]
    step: NDArray[np.complex128]
    coarse: NDArray[np.complex64]
    fine: NDArray[np.float32]
    gain: NDArray[np.float32]
    tilt_db: NDArray[np.float64]
    faded: NDArray[np.float32]
    attack_frames: float
    release_frames: float
    dynamic: float
    send: float


@lru_cache(maxsize=KEPT_PLANS)
def plan_note(name: str, pitch: int, rate_hz: int) -> NotePlan:
    """Tables of a patch at a pitch (about 20 kB; well under a millisecond to make)."""
    patch = PATCHES[name]
    modes = note_modes(name, pitch, rate_hz)
    exponent = ((-modes.decay_per_s + 2j * np.pi * modes.frequency_hz) / rate_hz).astype(np.complex128)
    fine = np.exp(exponent[:, None] * np.arange(_FINE))
    return NotePlan(
        exponent=exponent,
        amplitude=-1j * modes.amplitude * np.exp(1j * modes.phase),
        step=np.exp(exponent * CHUNK),
        coarse=np.exp(exponent * _FINE * np.arange(_COARSE)[:, None]).astype(np.complex64),
        fine=np.stack([fine.real, -fine.imag], axis=1).reshape(-1, _FINE).astype(np.float32),
        gain=np.repeat(modes.gain, 2, axis=1).astype(np.float32),
        tilt_db=modes.tilt_db,
        faded=np.exp(-modes.decay_per_s * _AGES_S[:, None]).astype(np.float32),
        attack_frames=max(patch.attack_s, 0.001) * rate_hz,
        release_frames=max(patch.release_for(pitch), 0.005) * rate_hz,
        dynamic=patch.dynamic,
        send=patch.send,
    )


class VoiceBank:
    """Rows 0 to ``count`` - 1 sound; a finished row is filled with the last one.

    There are twice as many rows as voices: a stolen voice keeps its row for the 5 ms of its fade.
    """

    def __init__(self, rate_hz: int, max_voices: int) -> None:
        rows = 2 * max_voices
        self.max_voices = max_voices
        self.count = 0
        self.kill_frames = 0.005 * rate_hz
        self.restrike_frames = 0.06 * rate_hz
        self._rate_hz = rate_hz
        self._serial = 0
        self.start = np.zeros(rows, dtype=np.int64)
        self.release = np.full(rows, NEVER)
        self.kill = np.full(rows, NEVER)
        self.serial = np.zeros(rows, dtype=np.int64)
        self.note_id = np.zeros(rows, dtype=np.int64)
        self.channel = np.zeros(rows, dtype=np.int64)
        self.pitch = np.zeros(rows, dtype=np.int64)
        self.off = np.zeros(rows, dtype=np.bool_)
        self.pedaled = np.zeros(rows, dtype=np.bool_)
        self.attack_frames = np.ones(rows)
        self.release_frames = np.ones(rows)
        self.send = np.zeros(rows, dtype=np.float32)
        self._modes = np.zeros(rows, dtype=np.int64)
        self._state = np.zeros((rows, MAX_MODES), dtype=np.complex128)
        self._exponent = np.zeros((rows, MAX_MODES), dtype=np.complex128)
        self._step = np.zeros((rows, MAX_MODES), dtype=np.complex128)
        self._coarse = np.zeros((rows, _COARSE, MAX_MODES), dtype=np.complex64)
        self._fine = np.zeros((rows, 2 * MAX_MODES, _FINE), dtype=np.float32)
        self._gain = np.zeros((rows, 2, 2 * MAX_MODES), dtype=np.float32)
        self._columns = [a for a in vars(self).values() if isinstance(a, np.ndarray)]

    def alive(self) -> NDArray[np.bool_]:
        """[count] rows that have not been stolen or cut."""
        return np.asarray(self.kill[: self.count] == NEVER)

    def add(self, plan: NotePlan, velocity: int, now: int, frame: int) -> int:
        """Start a note at ``frame``, at most one chunk after the chunk's first frame ``now``.

        Returns the row, or -1 when no row is free (more than twice the voices inside 5 ms).
        """
        if int(np.count_nonzero(self.alive())) >= self.max_voices:
            self._steal(now, frame)
        if self.count == len(self.start):
            return -1
        row, k = self.count, len(plan.exponent)
        self.count += 1
        self._serial += 1
        loud = velocity / 127
        amplitude = plan.amplitude * (loud**plan.dynamic * 10 ** (-plan.tilt_db * ((1 - loud) / 20)))
        life = np.flatnonzero(plan.faded @ np.abs(amplitude) < INAUDIBLE)
        self._state[row, :k] = amplitude * np.exp(-plan.exponent * (frame - now))
        for table, values in ((self._state, 0), (self._exponent, plan.exponent), (self._step, plan.step)):
            if table is not self._state:
                table[row, :k] = values
            table[row, k:] = 0
        self._coarse[row, :, :k] = plan.coarse
        self._coarse[row, :, k:] = 0
        self._fine[row, : 2 * k] = plan.fine
        self._fine[row, 2 * k :] = 0
        self._gain[row, :, : 2 * k] = plan.gain
        self._gain[row, :, 2 * k :] = 0
        self._modes[row] = k
        self.start[row] = frame
        self.release[row] = frame + int(_AGES_S[life[0]] * self._rate_hz) if len(life) else NEVER
        self.kill[row] = NEVER
        self.serial[row] = self._serial
        self.off[row] = self.pedaled[row] = False
        self.attack_frames[row] = plan.attack_frames
        self.release_frames[row] = plan.release_frames
        self.send[row] = plan.send
        return row

    def _steal(self, now: int, frame: int) -> None:
        """Fade the voice released longest ago, else the oldest; one not yet heard just goes."""
        rows = np.flatnonzero(self.alive())
        released = rows[self.release[rows] <= frame]
        order = self.release[released] if len(released) else self.serial[rows]
        row = int((released if len(released) else rows)[np.argmin(order)])
        if self.start[row] >= now:
            self.remove(row)
        else:
            self.kill[row] = frame

    def remove(self, row: int) -> None:
        """Forget a row at once."""
        self.count -= 1
        if row != self.count:
            for column in self._columns:
                column[row] = column[self.count]

    def let_go(self, rows: NDArray[np.intp], frame: int) -> None:
        """Begin the release of rows, not before their attack is over."""
        earliest = np.maximum(frame, self.start[rows] + np.ceil(self.attack_frames[rows]).astype(np.int64))
        self.release[rows] = np.minimum(self.release[rows], earliest)

    def restrike(self, channel: int, pitch: int, frame: int) -> None:
        """The same string is struck again: what a pedal or a release still lets ring gives way."""
        n = self.count
        same = (self.channel[:n] == channel) & (self.pitch[:n] == pitch) & self.off[:n]
        rows = np.flatnonzero(same & (self.start[:n] < frame))
        if len(rows):
            self.pedaled[rows] = False
            pending = rows[self.release[rows] > frame]
            self.release_frames[pending] = np.maximum(self.restrike_frames, self.release_frames[pending])
            self.let_go(rows, frame)

    def render(self, frame: int, n_frames: int) -> NDArray[np.float32]:
        """Waves with envelopes [count, 2, n_frames] of the chunk from ``frame`` on; moves on by it."""
        v = self.count
        k = int(self._modes[:v].max())
        rows = -(-n_frames // _FINE)
        state = self._state[:v, :k]
        now = state.astype(np.complex64)
        now[np.abs(now) < 1e-18] = 0  # keeps denormal numbers, a hundred times slower, out of the products
        table = (now[:, None, :] * self._coarse[:v, :rows, :k]).view(np.float32)
        left = (table[:, None] * self._gain[:v, :, None, : 2 * k]).reshape(v, 2 * rows, 2 * k)
        product = left @ self._fine[:v, : 2 * k]
        wave: NDArray[np.float32] = product.reshape(v, 2, rows * _FINE)[:, :, :n_frames].astype(
            np.float32, copy=False
        )
        state *= self._step[:v, :k] if n_frames == CHUNK else np.exp(self._exponent[:v, :k] * n_frames)
        self._shape(wave, frame, n_frames)
        return wave

    def _shape(self, wave: NDArray[np.float32], frame: int, n_frames: int) -> None:
        """Multiply the rows that begin, end or fade in this chunk by their envelope."""
        v, end = self.count, frame + n_frames
        at = np.arange(frame, end)
        young = np.flatnonzero(self.start[:v] + self.attack_frames[:v] > frame)
        if len(young):
            u = np.clip((at - self.start[young, None]) / self.attack_frames[young, None], 0, 1)
            wave[young] *= (u * u * (3 - 2 * u))[:, None].astype(np.float32)
        going = np.flatnonzero(self.release[:v] < end)
        if len(going):
            x = np.maximum(at - self.release[going, None], 0) / self.release_frames[going, None]
            floor = np.exp(-RELEASE_END)
            wave[going] *= (np.maximum(np.exp(-x) - floor, 0) / (1 - floor))[:, None].astype(np.float32)
        cut = np.flatnonzero(self.kill[:v] < end)
        if len(cut):
            x = 1 - np.maximum(at - self.kill[cut, None], 0) / self.kill_frames
            wave[cut] *= np.maximum(x, 0)[:, None].astype(np.float32)

    def sweep(self, frame: int) -> None:
        """Free the rows that are silent from ``frame`` on."""
        v = self.count
        if not v:
            return
        done = (frame - self.release[:v] > RELEASE_END * self.release_frames[:v]) | (
            frame - self.kill[:v] > self.kill_frames
        )
        for row in np.flatnonzero(done)[::-1]:
            self.remove(int(row))
