"""The system's clipboard where pygame has one; else a clipboard of this program alone."""

from __future__ import annotations

from contextlib import suppress

import pygame

_own = [""]
_KINDS = ("text/plain;charset=utf-8", "text/plain")
"""What pygame calls text, SDL 2's name first."""


def copy(text: str) -> None:
    """Put text on the clipboard."""
    _own[0] = text
    for kind in _KINDS if _is_ready() else ():
        with suppress(pygame.error):
            pygame.scrap.put(kind, text.encode("utf-8"))
            return


def paste() -> str:
    """The text on the clipboard; empty for none. Line ends become spaces."""
    text = _own[0]
    for kind in _KINDS if _is_ready() else ():
        with suppress(pygame.error):
            found = pygame.scrap.get(kind)
            if found:
                text = found.decode("utf-8", "replace").replace("\0", "")
                break
    return " ".join(text.split())


def _is_ready() -> bool:
    """The dummy driver of tests has no clipboard worth asking; some builds of pygame have none at all."""
    if pygame.display.get_driver() == "dummy":
        return False
    with suppress(pygame.error, AttributeError, NotImplementedError):
        if not pygame.scrap.get_init():
            pygame.scrap.init()
        return bool(pygame.scrap.get_init())
    return False
