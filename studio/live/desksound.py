"""Whether the sound device still plays: drivers lose theirs without a word."""

from __future__ import annotations

from studio.live.audio import Device

STILL_S = 2.0
"""A device that asked for nothing this long is lost; blocks are 5 ms, and no driver is late by this much."""

LOOK_S = 0.5
"""Looks further apart than this saw a program that was held up itself, and say nothing about the device."""


class SoundWatch:
    """Compares looks at a device. One thread only."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._frame = -1
        self._moved_s = self._looked_s = float("-inf")

    def is_lost(self, device: Device, now_s: float) -> bool:
        """Look at it: whether the driver says that it is gone, or it has stood still for ``STILL_S``."""
        is_new = device is not self._device or now_s - self._looked_s > LOOK_S
        if is_new or device.frame != self._frame:
            self._device, self._frame, self._moved_s = device, device.frame, now_s
        self._looked_s = now_s
        return device.is_gone or now_s - self._moved_s >= STILL_S
