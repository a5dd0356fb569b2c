"""Drives the real program on the dummy driver: posts events, turns a clock by hand, finds widgets by name."""

from __future__ import annotations

import pygame

from studio.ui.app import App
from studio.ui.demo import DemoDesk
from studio.ui.state import WindowState
from studio.ui.widget import Widget
from studio.ui.window import Window

# Scan codes of the keys that tests press (USB HID usage numbers).
SCANCODES = {
    **{chr(ord("a") + i): 4 + i for i in range(26)},
    **{str((i + 1) % 10): 30 + i for i in range(10)},
    "return": 40, "escape": 41, "backspace": 42, "tab": 43, "space": 44, "-": 45, "=": 46, "[": 47, "]": 48,
    "page up": 75, "page down": 78, "delete": 76, "home": 74, "end": 77,
    "right": 79, "left": 80, "down": 81, "up": 82, "f1": 58, "f11": 68,
}  # fmt: skip


class Pilot:
    """One running program; ``now_s`` is its clock.

    Args:
        size: Of the window.
        root: A screen of the test's own in place of the program's; made by ``root(app)``.
        survives: Faults of the program are what the test is about; else they fail it.
    """

    def __init__(
        self,
        size=(1280, 800),
        *,
        screen="play",
        root=None,
        state=None,
        desk=None,
        services=None,
        survives=False,
    ):
        self.now_s = 100.0
        self.survives = survives
        self.desk = desk or DemoDesk()
        usual = WindowState(width=size[0], height=size[1], screen=screen, is_welcomed=True, scale=1.0)
        self.state = state or usual
        self.window = Window(size)
        self.app = App(
            self.desk,
            self.window,
            self.state,
            services=services and (lambda: services),
            clock=lambda: self.now_s,
        )
        if root is not None:
            self.app._screens[screen] = root(self.app)
            self.app.go(screen)
        pygame.event.clear()
        self.frame()

    @property
    def commands(self):
        return self.desk.commands

    def find(self, name: str) -> Widget:
        for layer in reversed(self.app.layers()):
            try:
                return layer.find(name)
            except KeyError:
                continue
        raise KeyError(name)

    def frame(self, after_s: float = 0.02):
        """Hand over what was posted, then one frame; returns the regions drawn."""
        self.now_s += after_s
        for event in pygame.event.get():
            self.app.handle(event)
        regions = self.app.frame()
        if self.app.guard.latest is not None and not self.survives:
            raise self.app.guard.latest
        return regions

    def move(self, x, y):
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=(x, y), rel=(0, 0), buttons=(0, 0, 0)))
        return self.frame()

    def down(self, x, y, button=1):
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(x, y), button=button))
        return self.frame()

    def up(self, x, y, button=1):
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, pos=(x, y), button=button))
        return self.frame()

    def click(self, target, button=1):
        x, y = self.find(target).rect.center if isinstance(target, str) else target
        self.move(x, y)
        self.down(x, y, button)
        return self.up(x, y, button)

    def wheel(self, target, notches):
        x, y = self.find(target).rect.center if isinstance(target, str) else target
        self.move(x, y)
        pygame.event.post(
            pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=notches, precise_y=float(notches), flipped=False)
        )
        return self.frame()

    def press(self, name, *, control=False, shift=False, text=None, releases=True):
        """Press a key by pygame's name and let it go."""
        mod = (pygame.KMOD_LCTRL if control else 0) | (pygame.KMOD_LSHIFT if shift else 0)
        code = pygame.key.key_code(name)
        letters = text if text is not None else (name.upper() if shift else name) if len(name) == 1 else ""
        scancode = SCANCODES.get(name, 0)
        pygame.event.post(
            pygame.event.Event(pygame.KEYDOWN, key=code, mod=mod, unicode=letters, scancode=scancode)
        )
        if releases:
            pygame.event.post(pygame.event.Event(pygame.KEYUP, key=code, mod=mod, scancode=scancode))
        return self.frame()

    def release(self, name):
        code = pygame.key.key_code(name)
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=code, mod=0, scancode=SCANCODES.get(name, 0)))
        return self.frame()

    def type(self, words):
        for letter in words:
            self.press("space" if letter == " " else letter.lower(), text=letter)

    def screenshot(self, path):
        pygame.image.save(self.window.surface, str(path))
