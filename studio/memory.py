"""How the processes that run for hours take memory from the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE_BLOCK = 1 << 18
"""Bytes; blocks of sound are smaller, pictures of the window and tables of the synthesizer larger."""

_MMAP_THRESHOLD = -3
"""``M_MMAP_THRESHOLD`` of glibc's ``malloc.h``."""


def give_memory_back() -> None:
    """Have large blocks taken from the system and given back to it, on glibc; elsewhere nothing happens.

    Left alone, glibc keeps all blocks up to the size of the largest one freed so far: when a sound device was
    opened anew, five megabytes stayed.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE_BLOCK)
