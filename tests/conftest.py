"""What every test may rely on: a home folder of its own, no screen, no sound card, patient properties."""

import os

import pytest
from hypothesis import settings

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")

# Machines differ: a slow example is no failure. In CI the same examples are tried every time.
settings.register_profile("patient", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def antiphon_home(tmp_path_factory, monkeypatch):
    """The user's data folder, empty for each test and never the real one."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ANTIPHON_HOME", str(home))
    return home
