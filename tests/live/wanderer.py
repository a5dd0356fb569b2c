"""Somebody who uses the window at random: clicks, keys, drags, sizes, screens. A seed makes the order."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pygame

from studio.ui.app import App
from tests.studio.ui.pilot import SCANCODES

PIANO = "zsxdcvgbhnjmq2w3er5t6y7u"
OTHER_KEYS = (
    "space", "escape", "tab", "return", "left", "right", "up", "down", "home", "end", "page up", "page down",
    "delete", "backspace", "f1", "f2", "[", "]", "-", "=", "a", "k", "l",
)  # fmt: skip
WITH_CONTROL = "1234mrtkzbe+-0f"
"""Everything but quitting."""
SIZES = ((1280, 800), (1024, 640), (1920, 1080), (1366, 768), (800, 600), (1500, 1000))

Event = pygame.event.Event


class Wanderer:
    """Posts events; call :meth:`turn` once a frame.

    Args:
        app: The program.
        rng: What decides.

    Attributes:
        done: What it did last.
        n_done: How much it did.
    """

    def __init__(self, app: App, rng: random.Random) -> None:
        self._app, self._rng = app, rng
        self._keys: list[str] = []
        self._later: deque[Event] = deque()
        self.done: deque[str] = deque(maxlen=40)
        self.n_done = 0
        self._deeds: tuple[tuple[float, Callable[[], None]], ...] = (
            (5.0, self._press_piano), (4.0, self._release_piano), (5.0, self._click), (3.0, self._drag),
            (1.5, self._wheel), (2.0, self._press), (1.0, self._control), (1.0, self._go), (0.6, self._start),
            (0.25, self._resize), (0.1, self._leave),
        )  # fmt: skip

    def turn(self) -> None:
        """Go on with what was begun, or begin something; now and then nothing."""
        if self._later:
            pygame.event.post(self._later.popleft())
        elif self._rng.random() < 0.5:
            weights, deeds = zip(*self._deeds, strict=True)
            self._rng.choices(deeds, weights)[0]()
            self.n_done += 1

    def rest(self) -> None:
        """Let go of everything, as a person does who leaves the table."""
        while self._later:
            pygame.event.post(self._later.popleft())
        for key in self._keys:
            self._post_key(pygame.KEYUP, key)
        self._keys.clear()
        for button in (1, 3):
            pygame.event.post(Event(pygame.MOUSEBUTTONUP, pos=(2, 2), button=button))

    def _note(self, words: str) -> None:
        self.done.append(words)

    def _place(self) -> tuple[int, int]:
        """A widget, or anywhere."""
        width, height = self._app.size
        if self._rng.random() < 0.2:
            return self._rng.randrange(width), self._rng.randrange(height)
        layers = self._app.layers()
        if self._app.popups and self._rng.random() < 0.9:
            layers = list(self._app.popups[-1:])
        window = pygame.Rect(0, 0, width, height)
        seen = [w for layer in layers for w in layer.walk() if w.rect.width and w.rect.colliderect(window)]
        if not seen:
            return width // 2, height // 2
        widget = self._rng.choice(seen)
        rect = widget.rect.clip(window)
        self._note(f"at {widget.name}")
        return self._rng.randrange(rect.left, rect.right), self._rng.randrange(rect.top, rect.bottom)

    def _click(self) -> None:
        place, button = self._place(), self._rng.choice((1, 1, 1, 1, 3))
        self._note(f"click {place} {button}")
        self._later.append(Event(pygame.MOUSEMOTION, pos=place, rel=(0, 0), buttons=(0, 0, 0)))
        for _ in range(self._rng.choice((1, 1, 1, 2))):
            self._later.append(Event(pygame.MOUSEBUTTONDOWN, pos=place, button=button))
            self._later.append(Event(pygame.MOUSEBUTTONUP, pos=place, button=button))

    def _drag(self) -> None:
        x, y = self._place()
        dx, dy = self._rng.randint(-160, 160), self._rng.randint(-160, 160)
        self._note(f"drag {x, y} by {dx, dy}")
        self._later.append(Event(pygame.MOUSEMOTION, pos=(x, y), rel=(0, 0), buttons=(0, 0, 0)))
        self._later.append(Event(pygame.MOUSEBUTTONDOWN, pos=(x, y), button=1))
        for step in range(1, 7):
            at = (x + dx * step // 6, y + dy * step // 6)
            self._later.append(Event(pygame.MOUSEMOTION, pos=at, rel=(0, 0), buttons=(1, 0, 0)))
        self._later.append(Event(pygame.MOUSEBUTTONUP, pos=(x + dx, y + dy), button=1))

    def _wheel(self) -> None:
        place, notches = self._place(), self._rng.choice((-3, -1, 1, 3))
        self._note(f"wheel {place} {notches}")
        self._later.append(Event(pygame.MOUSEMOTION, pos=place, rel=(0, 0), buttons=(0, 0, 0)))
        turn = {"x": 0, "y": notches, "precise_y": float(notches), "flipped": False}
        self._later.append(Event(pygame.MOUSEWHEEL, turn))

    def _post_key(self, kind: int, key: str, mod: int = 0) -> None:
        fields = {"key": pygame.key.key_code(key), "mod": mod, "scancode": SCANCODES.get(key, 0)}
        if kind == pygame.KEYDOWN:
            fields["unicode"] = key if len(key) == 1 else " " if key == "space" else ""
        pygame.event.post(Event(kind, fields))

    def _press_piano(self) -> None:
        key = self._rng.choice(PIANO)
        if key not in self._keys:
            self._note(f"hold {key}")
            self._keys.append(key)
            self._post_key(pygame.KEYDOWN, key)

    def _release_piano(self) -> None:
        if self._keys:
            key = self._keys.pop(self._rng.randrange(len(self._keys)))
            self._note(f"let go {key}")
            self._post_key(pygame.KEYUP, key)

    def _press(self) -> None:
        key = self._rng.choice(OTHER_KEYS)
        mod = self._rng.choice((0, 0, 0, pygame.KMOD_LSHIFT))
        self._note(f"press {key} {mod}")
        self._post_key(pygame.KEYDOWN, key, mod)
        self._post_key(pygame.KEYUP, key, mod)

    def _control(self) -> None:
        key = self._rng.choice(WITH_CONTROL)
        self._note(f"control {key}")
        self._post_key(pygame.KEYDOWN, key, pygame.KMOD_LCTRL)
        self._post_key(pygame.KEYUP, key, pygame.KMOD_LCTRL)

    def _go(self) -> None:
        """Another screen; mostly the one to play on."""
        key = self._rng.choice("11112234")
        self._note(f"screen {key}")
        self._post_key(pygame.KEYDOWN, key, pygame.KMOD_LCTRL)
        self._post_key(pygame.KEYUP, key, pygame.KMOD_LCTRL)

    def _start(self) -> None:
        """The transport, so that it runs most of the time."""
        if not self._app.view.snapshot.is_playing:
            self._note("start")
            self._app.go("play")
            self._post_key(pygame.KEYDOWN, "space")
            self._post_key(pygame.KEYUP, "space")

    def _resize(self) -> None:
        size = self._rng.choice(SIZES)
        self._note(f"resize {size}")
        resize(size)

    def _leave(self) -> None:
        """The window loses the keyboard; keys that are held are let go elsewhere."""
        self._note("leave")
        pygame.event.post(Event(pygame.WINDOWFOCUSLOST))
        pygame.event.post(Event(pygame.WINDOWLEAVE))


def resize(size: tuple[int, int]) -> None:
    """What a window manager does."""
    pygame.display.set_mode(size, pygame.RESIZABLE)
    pygame.event.post(Event(pygame.VIDEORESIZE, size=size, w=size[0], h=size[1]))
