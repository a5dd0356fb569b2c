"""The system's clipboard where pygame has one; else a clipboard of this program alone."""

from __future__ import annotations

import pygame

_own = [""]


def copy(text: str) -> None:
    """Put text on the clipboard."""
    _own[0] = text
    try:
        if _is_ready():
            pygame.scrap.put(pygame.SCRAP_TEXT, text.encode("utf-8"))
    except (pygame.error, AttributeError, NotImplementedError):
        return


def paste() -> str:
    """The text on the clipboard; empty for none. Line ends become spaces."""
    text = _own[0]
    try:
        found = pygame.scrap.get(pygame.SCRAP_TEXT) if _is_ready() else None
        if found:
            text = found.decode("utf-8", "replace").replace("\0", "")
    except (pygame.error, AttributeError, NotImplementedError):
        pass
    return " ".join(text.split())


def _is_ready() -> bool:
    """The dummy driver of tests has no clipboard worth asking."""
    if pygame.display.get_driver() == "dummy":
        return False
    if not pygame.scrap.get_init():
        pygame.scrap.init()
    return bool(pygame.scrap.get_init())
