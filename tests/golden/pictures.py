"""Every screen with the same content at the same moment, and how pictures of it are compared.

Nothing that is drawn depends on the day, the machine, the user's folders or the weights that are installed:
takes, bundles, devices, notes and clocks are the demo's. Pictures are kept at half size: small, and blind to
how a font is smoothed.
"""

from __future__ import annotations

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pygame
import pytest

from studio.appsettings import AppSettings
from studio.live.deskview import DeskView, Learned
from studio.live.planner import ModelHealth, ModelState
from studio.takes import Library
from studio.ui.app import App
from studio.ui.demo import DEMO_AT_S, DemoDesk
from studio.ui.play import demo
from studio.ui.play.demo import busy_view, idle_view
from studio.ui.screens import models
from studio.ui.screens.models_shelf import read_shelf
from studio.ui.screens.services import Services
from studio.ui.screens.takes_demo import write_takes
from studio.ui.screens.takes_reader import PictureReader
from studio.ui.screenshots import NoJobs
from studio.ui.state import WindowState
from studio.ui.window import Window

FOLDER = Path(__file__).parent
SIZE = (1280, 800)
KEPT_SIZE = (640, 400)
NOW = datetime(2026, 11, 23, 12, 0)
HOME = "/home/ada/.local/share/antiphon"
FRAMES, FRAME_S = 36, 1 / 30
"""Frames before the picture is taken: takes and thumbnails are read, the score has settled."""

MOST_MEAN = 0.6
"""Mean difference of a color channel, of 255."""
NOTICED = 24
"""A pixel differs when one of its channels does by more."""
MOST_SHARE = 0.0045
"""Share of such pixels: less than a button that moved by its own width."""


@dataclass(frozen=True)
class Scene:
    """What is photographed.

    Attributes:
        screen: Where the window is.
        view: The desk, by the seconds since the first frame.
        n_takes: In the library; None for the whole demo.
        then: Done half way.
    """

    screen: str
    view: Callable[[float], DeskView] = lambda passed_s: busy_view(DEMO_AT_S - 1.2 + passed_s)
    n_takes: int | None = None
    then: Callable[[App], None] = lambda _: None


def _waiting(_: float) -> DeskView:
    return dataclasses.replace(idle_view(), model_loading="partner")


def _learning(passed_s: float) -> DeskView:
    learned = (
        Learned("Launchkey 49 MK3", 21, "temperature"), Learned("Launchkey 49 MK3", 22, "density"),
        Learned("nanoKONTROL2", 41, "play"),
    )  # fmt: skip
    return dataclasses.replace(busy_view(DEMO_AT_S), learned=learned, learning="swing")


def _refused(_: float) -> DeskView:
    health = ModelHealth(ModelState.REFUSED, "The weights of partner are damaged.", "Install it again.")
    return dataclasses.replace(busy_view(DEMO_AT_S), model=health)


def _in_trouble(app: App) -> None:
    app.toast("The sound device Scarlett 2i2 is gone.", "Plug it in again, or choose another.", is_fault=True)
    app.toast("harbor-late.wav is written.", "It is in ~/.local/share/antiphon/exports.")


SCENES = {
    "first": Scene("first"),
    "play": Scene("play"),
    "play-waiting": Scene("play", _waiting),
    "play-toasts": Scene("play", _refused, then=_in_trouble),
    "takes": Scene("takes"),
    "takes-none": Scene("takes", n_takes=0),
    "models": Scene("models"),
    "settings": Scene("settings"),
    "settings-learning": Scene("settings", _learning),
    "help": Scene("play", then=lambda app: app.go("help")),
}


@contextmanager
def photographer() -> Iterator[Callable[[str], pygame.Surface]]:
    """Gives what draws a scene by name, full size."""
    shelf = tuple(
        dataclasses.replace(bundle, size_mb=10.3 if bundle.name == "partner" else 4.0)
        for bundle in read_shelf(FOLDER / "shelf", FOLDER / "nothing")
    )
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-golden-") as scratch,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(models, "read_shelf", lambda: shelf)
        patch.setattr(demo, "shipped_partner", lambda: "partner@1.0.0")
        places = {count: Path(scratch) / str(count) for count in {scene.n_takes for scene in SCENES.values()}}
        for count, place in places.items():
            place.mkdir()
            write_takes(place, NOW, *(() if count is None else (count,)))
        window = Window(SIZE)
        try:
            yield lambda name: _draw(SCENES[name], window, places[SCENES[name].n_takes], Path(scratch))
        finally:
            window.close()


def _draw(scene: Scene, window: Window, takes: Path, scratch: Path) -> pygame.Surface:
    with Library(takes, scratch / "cache") as library, pytest.MonkeyPatch.context() as patch:
        # At every scene: what is set once, a test's own fixture sets over.
        patch.setenv("ANTIPHON_HOME", HOME)
        services = Services(
            library, NoJobs(), AppSettings(), save=lambda _: None, now=lambda: NOW,
            reader=PictureReader(start=lambda work: work()),
        )  # fmt: skip
        state = WindowState(
            width=SIZE[0], height=SIZE[1], screen=scene.screen, scale=1.0, is_welcomed=scene.screen != "first"
        )
        time_s = [100.0]
        desk = DemoDesk(view=scene.view(0.0))
        app = App(desk, window, state, services=lambda: services, clock=lambda: time_s[0])
        for frame in range(FRAMES):
            passed_s = frame * FRAME_S
            time_s[0] = 100.0 + passed_s
            desk.show(scene.view(passed_s))
            if frame == FRAMES // 2:
                scene.then(app)
            pygame.event.clear()
            app.frame()
        if app.guard.latest is not None:
            raise app.guard.latest
        return window.surface.copy()


def pixels(picture: pygame.Surface) -> np.ndarray:
    """Colors [width, height, 3] at the kept size."""
    return pygame.surfarray.array3d(pygame.transform.smoothscale(picture, KEPT_SIZE))


def kept(name: str) -> np.ndarray:
    """The golden picture's colors."""
    return pygame.surfarray.array3d(pygame.image.load(path_of(name)))


def path_of(name: str) -> Path:
    """Where a golden picture is kept."""
    return FOLDER / f"{name}.png"


def difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean difference of the channels (0–255), and the share of pixels that differ noticeably."""
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    return float(apart.mean()), float((apart.max(axis=2) > NOTICED).mean())


def save(colors: np.ndarray, path: Path) -> None:
    """Write colors as a PNG of few bytes."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(colors.swapaxes(0, 1)))
    image.save(path, optimize=True)
