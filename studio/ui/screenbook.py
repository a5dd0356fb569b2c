"""Screens by name: each is a module with ``build(ui) -> Widget``, imported when it is first shown."""

from __future__ import annotations

import importlib
import importlib.util

import pygame

from studio.ui.controls import Label, Panel
from studio.ui.theme import INK_FAINT
from studio.ui.widget import Ui, Widget

SCREENS = ("play", "takes", "models", "settings", "help", "first")
PACKAGE = "studio.ui.screens"


def built(ui: Ui, name: str) -> Widget:
    """A screen, made for a program.

    Raises:
        KeyError: There is no such screen.
    """
    if name not in SCREENS:
        raise KeyError(name)
    if importlib.util.find_spec(f"{PACKAGE}.{name}") is None:
        return Placeholder(ui, name)
    screen = importlib.import_module(f"{PACKAGE}.{name}").build(ui)
    if not isinstance(screen, Widget):
        raise TypeError(f"{PACKAGE}.{name}.build made {type(screen).__name__}, no widget")
    return screen


class Placeholder(Widget):
    """What stands where a screen is not there."""

    def __init__(self, ui: Ui, name: str) -> None:
        super().__init__(ui, name)
        self.panel = self.add(Panel(ui, f"{name}-panel", radius_px=12))
        words = f"The {name} screen is not part of this installation."
        self.label = self.panel.add(Label(ui, f"{name}-label", words, color=INK_FAINT, align="center"))

    def arrange(self) -> None:
        """One panel, one sentence."""
        margin = self.ui.theme.px(16)
        self.panel.place(self.rect.inflate(-2 * margin, -2 * margin))
        self.label.place(pygame.Rect(self.panel.rect))
