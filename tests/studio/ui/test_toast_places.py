"""Where sentences pop up, nothing is that a person is about to press."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

from studio.ui.controls import Button
from studio.ui.screens.services import Services
from studio.ui.widget import Widget
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.screens_fakes import services_in

ALWAYS_FREE = {
    "play": ("play", "record", "tempo", "tap", "meter", "mode", "panic", "keyboard"),
    "takes": (
        "takes.play",
        "takes.again",
        "takes.seed",
        "takes.export",
        "takes.trash",
        "takes.cancel",
        "takes.list",
    ),
    "models": ("models.use", "models.preview", "models.install"),
    "settings": ("settings.input", "settings.sound", "settings.tone", "settings.scale"),
    "first": ("first.start", "first.tone"),
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made, _, _ = services_in(Path(tmp_path_factory.mktemp("toasts")))
    yield made
    made.library.close()


def seen(widget: Widget) -> Iterator[Widget]:
    if widget.is_visible:
        yield widget
        for child in widget.children:
            yield from seen(child)


@pytest.mark.parametrize("size", [(1024, 640), (1280, 800), (1920, 1080)])
@pytest.mark.parametrize("screen", ALWAYS_FREE)
def test_toasts_cover_no_primary_action(services: Services, screen: str, size: tuple[int, int]) -> None:
    pilot = Pilot(size, screen=screen, services=services)
    for _ in range(4):
        pilot.frame()
    pilot.app.toast(
        "The sound device Scarlett 2i2 is gone.", "Plug it in again, or choose another.", is_fault=True
    )
    pilot.app.toast("harbor-late.wav is written.", "It is in ~/.local/share/antiphon/exports.")
    pilot.frame()
    toasts = [toast.rect for toast in pilot.app.toasts.shown]
    assert all(pygame.Rect((0, 0), size).contains(rect) for rect in toasts)
    named = {widget.name: widget for widget in seen(pilot.app.screen) if widget.name}
    free = [widget for widget in named.values() if isinstance(widget, Button) and widget.is_primary]
    free += [named[name] for name in ALWAYS_FREE[screen] if name in named]
    assert len(free) >= 3, sorted(named)
    covered = [widget.name for widget in free if widget.rect.collidelist(toasts) >= 0]
    assert not covered


def test_toasts_stack_without_overlap_and_close_up(services: Services) -> None:
    pilot = Pilot(services=services)
    for number in range(3):
        pilot.app.toast(f"Sentence {number}.", "With a hint." * number)
    first, second, third = (toast.rect.copy() for toast in pilot.app.toasts.shown)
    assert first.bottom < second.top < second.bottom < third.top
    pilot.frame()
    pilot.click(first.center)
    assert pilot.app.toasts.shown[0].rect.top == first.top
