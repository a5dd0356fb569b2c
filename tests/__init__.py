"""Tests; of pygame's greeting they want no more than the program does."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
